//! barrier
pub const MODELS: &[super::Model] = &[];
