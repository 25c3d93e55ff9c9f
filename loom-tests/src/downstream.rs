//! d
pub fn models() -> Vec<crate::models::Model> { vec![] }
