//! semaphore
pub const MODELS: &[super::Model] = &[];
