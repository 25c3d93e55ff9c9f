//! Threads: loom's.

use core::cell::Cell;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;

use crate::primitives::Offer;

pub use loom::thread::{JoinHandle, yield_now};
pub use std::thread::panicking;

/// Starts a thread. The model gives threads no names, and always has one to give (or panics: five are the most).
///
/// # Errors
///
/// None; the real one has some.
pub fn spawn(_name: String, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    Ok(loom::thread::spawn(body))
}

/// Whether the thread behind this handle is the calling one.
pub fn is_current(thread: &JoinHandle<()>) -> bool {
    thread.thread().id() == loom::thread::current().id()
}

thread_local! {
    // One model is one OS thread, so this is one model's.
    static SPIN_STEPS: Cell<u32> = const { Cell::new(0) };
}

/// How many of `most` steps a thread may spin, or poll: none, but for a model that has asked for [`spinning`].
pub fn spin_steps(most: u32) -> u32 {
    most.min(SPIN_STEPS.get())
}

/// Whether threads take steps that only save time: in a model that has asked for [`spinning`], since they would more than double the executions of the others.
pub fn takes_shortcuts() -> bool {
    spin_steps(1) > 0
}

/// While this lives, the threads of the model spin, or poll, up to so many steps before they park.
#[must_use]
pub fn spinning(steps: u32) -> Spinning {
    SPIN_STEPS.set(steps);
    Spinning(())
}

/// See [`spinning`].
#[derive(Debug)]
pub struct Spinning(());

impl Drop for Spinning {
    fn drop(&mut self) {
        SPIN_STEPS.set(0);
    }
}

/// Lets the others go on, who have to if this thread is to find anything new: one step, however long it lasts.
pub fn pause(_moments: u32) {
    yield_now();
}

/// Offers the processor to other threads, who always take it.
pub fn offer(_steps: impl Fn() -> u64) -> Offer {
    yield_now();
    Offer::Taken
}

/// Whether the thread behind this handle is at its end, but for its thread-locals. loom doesn't tell; who asks joins it later.
pub fn has_ended(_thread: &JoinHandle<()>) -> bool {
    false
}

/// How many threads can run at once: the model takes one at a time, and two are enough to race.
pub fn available_parallelism() -> usize {
    2
}

/// As [`available_parallelism`].
pub fn processors() -> usize {
    available_parallelism()
}

loom::thread_local! {
    /// See [`worker`].
    static WORKER: Cell<*const ()> = Cell::new(core::ptr::null());

    /// See [`timer`].
    static TIMER: Cell<*const ()> = Cell::new(core::ptr::null());
}

/// What [`set_timer`] has set in this thread, or null. The timers' own place: no other code uses it.
pub fn timer() -> *const () {
    TIMER.with(Cell::get)
}

/// Sets what [`timer`] returns in this thread, and returns what it was.
pub fn set_timer(timer: *const ()) -> *const () {
    TIMER.with(|place| place.replace(timer))
}

/// Asks the system to wake this thread as soon as its deadlines pass. There is no clock.
pub fn precise_wakeups() {}

/// What [`set_worker`] has set in this thread, or null. A pool's own place: no other code uses it.
pub fn worker() -> *const () {
    WORKER.with(Cell::get)
}

/// Sets what [`worker`] returns in this thread.
pub fn set_worker(worker: *const ()) {
    WORKER.with(|place| place.set(worker));
}

/// Which execution of the model is running, and which of its threads is.
///
/// loom tells neither, but its thread id can be hashed, and what it feeds to the hasher is just these two
/// numbers. All threads of a model are coroutines on one OS thread, so `std`'s ids and thread-locals are of no
/// use here.
pub(super) fn execution_and_index() -> (usize, usize) {
    #[derive(Default)]
    struct Capture {
        words: [usize; 2],
        len: usize,
    }

    impl Hasher for Capture {
        fn finish(&self) -> u64 {
            0
        }

        fn write(&mut self, _bytes: &[u8]) {
            unreachable!(
                "raddle: loom's ThreadId is no longer two usize; the parking model needs another way"
            );
        }

        fn write_usize(&mut self, word: usize) {
            self.words[self.len] = word;
            self.len += 1;
        }
    }

    let mut capture = Capture::default();
    loom::thread::current().id().hash(&mut capture);
    assert_eq!(capture.len, 2, "raddle: loom's ThreadId is no longer two usize");
    (capture.words[0], capture.words[1])
}

/// A number for the calling thread that no other thread of this execution ever has.
pub fn current_id() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(execution_and_index().1 as u64)
}
