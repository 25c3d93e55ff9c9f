//! raddle's primitives timed beside their peers, in one process, round by round.
//!
//! The binaries are in `src/bin`: `peers` measures, `lone` is what callgrind counts, `memory` counts bytes.
//! There is no `src/main.rs`: cargo would take `benches/src/main.rs` for a bench target of raddle itself.

pub mod harness;
pub mod idle;
pub mod instructions;
pub mod lateness;
pub mod pool;
pub mod queue;
pub mod sibling;
pub mod timer;
