//! What the tests share: watchdogs, bounded waits, the text of a panic, and the certainty that a thread is parked.
//!
//! No helper sleeps to make an assertion true. A sleep here and there only gives other threads the time to get where a
//! race is likelier.

#![allow(dead_code, unreachable_pub, reason = "no test file needs all of them")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// After this long a test that has not finished is taken to hang. A multiple of what any of them needs.
pub const HANGS_AFTER: Duration = Duration::from_secs(60);

/// A timeout that nobody expects to pass.
pub const LONG: Duration = Duration::from_secs(45);

/// A timeout that is expected to pass.
pub const SHORT: Duration = Duration::from_millis(5);

/// How long a waiter may at worst be passed over. The promise is a millisecond and a release; this machine may be busy.
pub const STARVES_AFTER: Duration = Duration::from_secs(4);

/// Runs `f` in a thread of its own, and fails the test if it does not come back.
pub fn within<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, is_done) = mpsc::channel();
    let thread = thread::Builder::new()
        .name(thread::current().name().unwrap_or("test").to_owned())
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(f));
            let _ = done.send(result);
        })
        .unwrap();
    match is_done.recv_timeout(HANGS_AFTER) {
        Ok(Ok(value)) => {
            thread.join().unwrap();
            value
        }
        Ok(Err(panic)) => resume_unwind(panic),
        Err(RecvTimeoutError::Timeout) => panic!("hangs: not back after {HANGS_AFTER:?}"),
        Err(RecvTimeoutError::Disconnected) => unreachable!(),
    }
}

/// Lets others run until `condition` holds; panics if that takes too long.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < HANGS_AFTER, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// The message with which `f` panics; panics itself if it doesn't.
pub fn panic_message<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("expected a panic"),
        Err(payload) => message_of(&*payload),
    }
}

/// The text in a panic's payload.
pub fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        panic!("the payload is not a text")
    }
}

/// An instant before now, by an hour if the clock reaches back so far.
pub fn past() -> Instant {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
}

/// Keeps the processor busy for about so long.
pub fn work(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

/// Random numbers, the same in each run (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    /// Up to so many microseconds.
    pub fn micros(&mut self, n: u64) -> Duration {
        Duration::from_micros(self.below(n))
    }
}

#[cfg(target_os = "linux")]
#[allow(unused_imports, reason = "no test file needs all of them")]
pub use parked::Whereabouts;

/// Linux says which threads are asleep, so a test may *know* that a waiter waits.
#[cfg(target_os = "linux")]
mod parked {
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::wait_until;

    /// Where a thread is: not here yet, about to block, or blocked.
    #[derive(Default)]
    pub struct Whereabouts {
        /// The thread's id for the kernel; 0 before it has said so.
        id: AtomicU32,
    }

    impl Whereabouts {
        pub const fn new() -> Whereabouts {
            Whereabouts { id: AtomicU32::new(0) }
        }

        /// For the thread that is about to block: the call that blocks is the very next thing that it does.
        pub fn about_to_block(&self) {
            let path = fs::read_link("/proc/thread-self").unwrap();
            let id = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            // Release: pairs with the Acquire in `wait_until_asleep`.
            self.id.store(id, Ordering::Release);
        }

        /// Comes back when the thread has said that it is about to block, and sleeps (or has ended since).
        pub fn wait_until_asleep(&self) {
            // Acquire: pairs with the Release in `about_to_block`.
            wait_until("a thread is about to block", || self.id.load(Ordering::Acquire) != 0);
            let stat = format!("/proc/self/task/{}/stat", self.id.load(Ordering::Relaxed));
            // Twice in a row, some time apart: not for a moment only, on an internal lock.
            let mut seen = 0;
            wait_until("a thread sleeps", || {
                let Ok(line) = fs::read_to_string(&stat) else {
                    // A timed waiter that has slept, timed out and ended.
                    return true;
                };
                // "id (name) S ...", where the name may have brackets in it.
                let asleep = line.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'));
                seen = if asleep { seen + 1 } else { 0 };
                for _ in 0..3 {
                    thread::yield_now();
                }
                seen == 2
            });
        }
    }
}
