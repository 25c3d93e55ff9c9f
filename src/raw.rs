//! Locks without data and without guards, for bindings to other languages and for `lock_api`.
//!
//! They check what a guard would have proved: that the lock is held, by whom, and how deep. Threads that Rust did
//! not start may use them like any other.

pub use crate::condition::raw::{RawCondition, RawWaitable};
pub use crate::lock::raw::RawLock;
pub use crate::rlock::raw::RawRLock;
