//! condition
pub const MODELS: &[super::Model] = &[];
