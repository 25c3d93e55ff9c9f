//! queue
pub const MODELS: &[super::Model] = &[];
