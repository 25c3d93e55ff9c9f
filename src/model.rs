//! For those who run loom models (feature `loom`): what happened in the execution that failed.
//!
//! raddle's types record what they do, step by step. Call [`print_timeline_on_panic`] at the start of a model test, and
//! a failing model prints its steps below loom's message: a column per thread, a row per step, the operation with its
//! ordering and the values, and the place in the source.

pub use crate::primitives::model::recorder::{print_timeline_on_panic, timeline};

/// What a tool needs that draws the timeline itself. No part of the crate's promise.
#[doc(hidden)]
pub use crate::primitives::model::recorder::events;
