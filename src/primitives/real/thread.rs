//! Threads.

use core::cell::Cell;
use core::num::NonZeroU64;

use super::atomic::{AtomicU64, AtomicUsize, Ordering};
use super::time::Instant;
use crate::primitives::Offer;

pub use std::thread::{JoinHandle, panicking, yield_now};

/// Starts a thread; the name is what debuggers and panic messages show.
///
/// # Errors
///
/// The operating system's, if it has no thread to give.
pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(body)
}

/// Whether the thread behind this handle is the calling one.
pub fn is_current(thread: &JoinHandle<()>) -> bool {
    thread.thread().id() == std::thread::current().id()
}

/// How many of `most` steps a thread may spin, or poll: all.
#[inline]
pub const fn spin_steps(most: u32) -> u32 {
    most
}

/// Whether threads take steps that only save time: yes.
#[inline]
pub const fn takes_shortcuts() -> bool {
    true
}

/// Passes so many moments with the processor, which last 10 to 40 nanoseconds each.
#[inline]
pub fn pause(moments: u32) {
    for _ in 0..moments {
        core::hint::spin_loop();
    }
}

/// An offer of the processor that takes no longer than this was not taken by anybody.
const NOT_TAKEN: core::time::Duration = core::time::Duration::from_micros(1);

/// An offer of the processor that is taken for longer than this costs more than to park.
const TAKEN_FOR_LONG: core::time::Duration = core::time::Duration::from_micros(100);

/// Who took it was a colleague if there was a step at least this often. (To ask for more is too much: where each step costs a wake-up colleagues are slow, and if they
/// made us wary for that, all would park, and stay as slow.)
const COLLEAGUES_STEP: core::time::Duration = core::time::Duration::from_micros(100);

/// So many offers are not made after one that was taken for long by a thread that had nothing to do with us. That was a time slice, as long as a hundred parks: so it is worth
/// another try soon, but not again and again.
const WARY_AT_FIRST: usize = 32;

/// If the next one is taken for long too, twice as many are not made each time, up to this.
const WARY_AT_MOST: usize = 1024;

/// How many more offers are not to be made.
static WARY: AtomicUsize = AtomicUsize::new(0);

/// How many are not to be made after the next one that is taken for long.
static WARY_NEXT: AtomicUsize = AtomicUsize::new(WARY_AT_FIRST);

/// Offers the processor to other threads, unless that has cost a time slice lately. `steps` counts what is done by those who wait for the same thing as the caller.
///
/// Who polls and yields in between helps the thread that he waits for, if that wants the same processor. But beside threads that only compute it costs milliseconds, while
/// one who is parked is woken at once. So each that finds out tells the others, for a while. It is another matter if those who wait beside the caller have done its
/// work meanwhile: then nothing was lost.
pub fn offer(steps: impl Fn() -> u64) -> Offer {
    // Relaxed, all: numbers that may be lost or old; nothing but time depends on them.
    let wary = WARY.load(Ordering::Relaxed);
    if wary > 0 {
        WARY.store(wary - 1, Ordering::Relaxed);
        return Offer::NotMade;
    }
    let steps_before = steps();
    let begin = Instant::now();
    yield_now();
    let taken = begin.elapsed();
    let next = WARY_NEXT.load(Ordering::Relaxed);
    if taken <= TAKEN_FOR_LONG {
        if next > WARY_AT_FIRST {
            // By a 32nd: after 126 good offers it is back where it began, however far it had grown.
            WARY_NEXT.store(next - next / WARY_AT_FIRST, Ordering::Relaxed);
        }
        return if taken <= NOT_TAKEN { Offer::NotTaken } else { Offer::Taken };
    }
    if !were_colleagues(taken, steps().wrapping_sub(steps_before)) {
        WARY.store(next, Ordering::Relaxed);
        WARY_NEXT.store((2 * next).min(WARY_AT_MOST), Ordering::Relaxed);
    }
    Offer::TakenForLong
}

/// Whether those who had the processor for so long, while so many steps were taken, had to do with us.
fn were_colleagues(taken: core::time::Duration, steps: u64) -> bool {
    u128::from(steps) >= taken.as_nanos() / COLLEAGUES_STEP.as_nanos()
}

/// Whether the thread behind this handle is at its end, but for its thread-locals.
pub fn has_ended(thread: &JoinHandle<()>) -> bool {
    thread.is_finished()
}

/// How many threads can run at once on this machine; 1 if nobody knows.
pub fn available_parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What [`processors`] has found, or 0.
static PROCESSORS: AtomicUsize = AtomicUsize::new(0);

/// As [`available_parallelism`], which takes the system microseconds; but asked once, and not again if that changes.
#[inline]
pub fn processors() -> usize {
    // Relaxed, both: a number, which each thread that is early finds by itself.
    match PROCESSORS.load(Ordering::Relaxed) {
        0 => {
            let found = available_parallelism();
            PROCESSORS.store(found, Ordering::Relaxed);
            found
        }
        known => known,
    }
}

/// The next id to be handed out.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// This thread's id, or 0 while it has none. A plain `Cell` without a destructor, so that it can still be
    /// read while the thread's other locals are being dropped.
    static ID: Cell<u64> = const { Cell::new(0) };

    /// See [`worker`].
    static WORKER: Cell<*const ()> = const { Cell::new(core::ptr::null()) };

    /// See [`timer`].
    static TIMER: Cell<*const ()> = const { Cell::new(core::ptr::null()) };
}

/// What [`set_timer`] has set in this thread, or null. The timers' own place: no other code uses it.
pub fn timer() -> *const () {
    TIMER.get()
}

/// Sets what [`timer`] returns in this thread, and returns what it was.
pub fn set_timer(timer: *const ()) -> *const () {
    TIMER.replace(timer)
}

/// Asks the system to wake this thread as soon as its deadlines pass. Linux else adds up to 50 µs, to save power.
pub fn precise_wakeups() {
    #[cfg(target_os = "linux")]
    {
        unsafe extern "C" {
            fn prctl(option: core::ffi::c_int, ...) -> core::ffi::c_int;
        }

        const PR_SET_TIMERSLACK: core::ffi::c_int = 29;
        // SAFETY: that is the signature in the C library, which std links to; this option takes a number of nanoseconds, and changes nothing but
        // how late the system may wake this thread. If it fails, nothing is changed.
        let _ = unsafe { prctl(PR_SET_TIMERSLACK, 1 as core::ffi::c_ulong) };
    }
}

/// What [`set_worker`] has set in this thread, or null. A pool's own place: no other code uses it.
#[inline]
pub fn worker() -> *const () {
    WORKER.get()
}

/// Sets what [`worker`] returns in this thread.
pub fn set_worker(worker: *const ()) {
    WORKER.set(worker);
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

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn colleagues_are_those_who_take_steps_be_they_slow() {
        let slice = Duration::from_millis(3);
        assert!(!were_colleagues(slice, 0), "a stranger");
        assert!(!were_colleagues(slice, 29));
        assert!(were_colleagues(slice, 30), "one in each 100 µs");
        assert!(were_colleagues(Duration::from_micros(150), 1));
        assert!(!were_colleagues(Duration::from_micros(150), 0));
    }
}
