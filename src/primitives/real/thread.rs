//! Threads.

use core::cell::Cell;
use core::num::NonZeroU64;

use super::atomic::{AtomicU64, Ordering};

pub use core::hint::spin_loop;
pub use std::thread::{panicking, yield_now};

/// The next id to be handed out.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// This thread's id, or 0 while it has none. A plain `Cell` without a destructor, so that it can still be
    /// read while the thread's other locals are being dropped.
    static ID: Cell<u64> = const { Cell::new(0) };
}

/// A number for the calling thread that no other thread of the process ever has, before or after: not an
/// address, which the next thread would inherit. Any thread may call it, also one that Rust did not start.
#[inline]
pub fn current_id() -> NonZeroU64 {
    NonZeroU64::new(ID.get()).unwrap_or_else(assign_id)
}

#[cold]
fn assign_id() -> NonZeroU64 {
    // Relaxed: only the count matters, and a read-modify-write never hands out the same one twice.
    // At a thread every nanosecond, 64 bits last for 584 years.
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    ID.set(id);
    NonZeroU64::new(id).expect("raddle: thread ids are used up")
}
