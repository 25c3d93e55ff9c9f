//! Fences of unequal weight: here both are full ones, which is what they amount to where one meets the other.
//!
//! C++ has the pair as P1202, `asymmetric_thread_fence_light` and `_heavy`: a light one and a heavy one order each other as two `fence(SeqCst)` do, and two light ones don't. So
//! the model takes more for granted only where two light fences meet. The one place that uses them pairs each light one with a heavy one.

use core::cell::Cell;
use core::sync::atomic::Ordering;

use super::atomic::fence;

thread_local! {
    // One model is one OS thread, so this is one model's.
    static BIASING: Cell<bool> = const { Cell::new(false) };
}

/// The light side.
#[track_caller]
pub fn light() {
    fence(Ordering::SeqCst);
}

/// The heavy side.
#[track_caller]
pub fn heavy() {
    fence(Ordering::SeqCst);
}

/// Whether the system has such fences.
pub fn is_there() -> bool {
    true
}

/// Whether locks are biased: not, but for a model that has asked for [`biased`]. Each release looks at the bias, which would be an interleaving more in every model
/// with a lock.
pub fn biasing() -> bool {
    BIASING.get()
}

/// How many calm releases a new lock sees before it is biased.
pub const CALM_AT_FIRST: u16 = 1;

/// How many a lock sees before it is biased again.
pub const CALM: u16 = 1;

/// While this lives, the model's locks are biased.
#[must_use]
pub fn biased() -> Biased {
    BIASING.set(true);
    Biased(())
}

/// See [`biased`].
#[derive(Debug)]
pub struct Biased(());

impl Drop for Biased {
    fn drop(&mut self) {
        BIASING.set(false);
    }
}
