//! parking
pub const MODELS: &[super::Model] = &[];
