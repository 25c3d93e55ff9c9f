//! event
pub const MODELS: &[super::Model] = &[];
