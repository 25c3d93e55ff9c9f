//! Threads: loom's.

use core::cell::Cell;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;
use std::time::Instant;

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

/// Of no use here: see the real one.
#[derive(Debug)]
pub struct Staying;

impl Staying {
    /// Always the same.
    pub const fn new() -> Staying {
        Staying
    }

    /// Never.
    pub fn is_due(&self, _deadline: Option<Instant>) -> bool {
        false
    }

    /// Does nothing.
    pub fn has_stayed(&self, _was_worth_while: bool) {}

    /// Does nothing.
    pub fn was_parked(&self, _park: &Park) {}
}

impl Default for Staying {
    fn default() -> Staying {
        Staying::new()
    }
}

/// Of no use here: nobody looks at the clock.
#[derive(Debug)]
pub struct Park;

impl Park {
    /// Nothing.
    pub fn begin() -> Park {
        Park
    }
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

/// Of no use here: see the real one.
#[derive(Debug)]
pub struct Luck {
    /// As little.
    pub staying: Staying,
}

impl Luck {
    /// Always the same.
    pub const fn new() -> Luck {
        Luck { staying: Staying::new() }
    }

    /// The same for all.
    pub fn of(_address: usize) -> &'static Luck {
        static LUCK: Luck = Luck::new();
        &LUCK
    }

    /// None, if offers follow: a step is the same here with and without.
    pub fn looks(&self, most: u32, offers: u32) -> u32 {
        if offers > 0 { 0 } else { most }
    }

    /// Always.
    pub fn polls(&self) -> bool {
        true
    }

    /// Never.
    pub fn has_to_change(&self) -> bool {
        false
    }

    /// Does nothing.
    pub fn was_good(&self) {}

    /// Does nothing.
    pub fn was_bad(&self) {}

    /// Never.
    pub fn gathers(&self) -> bool {
        false
    }

    /// Never.
    pub fn tries_to_gather(&self) -> bool {
        false
    }

    /// Does nothing.
    pub fn has_gathered(&self, _was_worth_while: bool) {}
}

impl Default for Luck {
    fn default() -> Luck {
        Luck::new()
    }
}

/// Of no use here: see the real one.
#[derive(Debug)]
pub struct Sections(());

impl Sections {
    /// Always the same.
    pub const fn new() -> Sections {
        Sections(())
    }

    /// Never.
    pub fn are_long(&self) -> bool {
        false
    }

    /// Does nothing.
    pub fn have_seen(&self, _long: bool) {}
}

impl Default for Sections {
    fn default() -> Sections {
        Sections::new()
    }
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
