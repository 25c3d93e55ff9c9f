//! What the models stand on when loom runs them. `tests/models.rs` of the crate has the same items on real threads, so
//! that each model is a stress test too.

use raddle::primitives::cell::TrackedCell;

pub use loom::thread::JoinHandle;
pub use std::sync::Arc;
pub use std::time::Duration;

/// Starts a thread of the model.
#[track_caller]
pub fn spawn<T: 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    loom::thread::spawn(f)
}

/// If so, the rest of this execution is of no interest: what branches off from here on is not explored.
pub fn leave_out(is_left_out: bool) {
    if is_left_out {
        loom::skip_branch();
    }
}

/// A timeout. Under loom any but zero may pass at any moment.
pub fn some_time() -> Duration {
    Duration::from_millis(1)
}

/// While what this returns lives, the threads of the model spin, or poll, up to so many steps before they park. They don't else.
pub use raddle::primitives::thread::spinning;

/// Lets the other threads go on until they have to wait, or yield too.
pub use loom::thread::yield_now;

/// While what this returns lives, locks are biased after one calm release. They never are else.
pub use raddle::primitives::fence::biased;

/// Data that the primitive under test has to protect: loom reports two accesses that it did not order.
#[derive(Debug)]
pub struct Data<T>(TrackedCell<T>);

// SAFETY: loom checks what this promises, and fails the model if it is not kept.
unsafe impl<T: Send> Sync for Data<T> {}

impl<T> Data<T> {
    /// Data to be protected.
    #[track_caller]
    pub fn new(value: T) -> Data<T> {
        Data(TrackedCell::new(value))
    }

    /// An exclusive access.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut access = self.0.begin_mut();
        // SAFETY: loom has just checked that nobody else is here.
        let result = f(unsafe { &mut *self.0.get() });
        access.end();
        result
    }

    /// A shared access.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        let mut access = self.0.begin_ref();
        // SAFETY: loom has just checked that nobody writes here.
        let result = f(unsafe { &*self.0.get() });
        access.end();
        result
    }
}
