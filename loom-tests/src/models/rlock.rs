//! rlock
pub const MODELS: &[super::Model] = &[];
