//! What the models stand on when they run on real threads: see `loom-tests/src/world.rs` for the same items under loom.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering};

pub use std::sync::Arc;
pub use std::thread::JoinHandle;
pub use std::time::Duration;

/// Starts a thread.
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(f)
}

/// A timeout: short, and each time another, so that it sometimes passes and sometimes doesn't.
pub fn some_time() -> Duration {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Duration::from_micros(1 + NEXT.fetch_add(37, Ordering::Relaxed) % 150)
}

/// Real locks are biased in any case.
pub fn biased() -> impl Drop {
    spinning(0)
}

/// Real threads go on in any case.
pub fn leave_out(_is_left_out: bool) {}

pub use std::thread::yield_now;

/// Real threads spin in any case.
pub fn spinning(_steps: u32) -> impl Drop {
    struct Nothing;

    impl Drop for Nothing {
        fn drop(&mut self) {}
    }

    Nothing
}

/// Data that the primitive under test has to protect: it counts those who are at it.
#[derive(Debug)]
pub struct Data<T> {
    /// Readers, or -1 for a writer.
    users: AtomicIsize,
    value: UnsafeCell<T>,
}

// SAFETY: `with` and `with_mut` check what this promises before they touch the value.
unsafe impl<T: Send + Sync> Sync for Data<T> {}

impl<T> Data<T> {
    /// Data to be protected.
    pub fn new(value: T) -> Data<T> {
        Data { users: AtomicIsize::new(0), value: UnsafeCell::new(value) }
    }

    /// An exclusive access.
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // Acquire and Release: so that the check orders what it checks, and is no race itself.
        let users = self.users.compare_exchange(0, -1, Ordering::Acquire, Ordering::Relaxed);
        assert_eq!(users, Ok(0), "two threads are at the data");
        // SAFETY: the count shows that nobody else is here.
        let result = f(unsafe { &mut *self.value.get() });
        self.users.store(0, Ordering::Release);
        result
    }

    /// A shared access.
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        let users = self.users.fetch_add(1, Ordering::Acquire);
        assert!(users >= 0, "a thread reads while another writes");
        // SAFETY: the count shows that nobody writes here.
        let result = f(unsafe { &*self.value.get() });
        self.users.fetch_sub(1, Ordering::Release);
        result
    }
}
