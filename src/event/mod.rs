//! `Event`: the public face of a [`RawEvent`].

mod raw;

use core::fmt;
use core::time::Duration;

use crate::deadline::Deadline;
use crate::primitives::time::Instant;

use raw::RawEvent;

/// A flag that threads can wait for. Setting it lets all of them go.
///
/// One byte. It stays set until it is cleared.
///
/// # Examples
///
/// ```
/// use raddle::Event;
///
/// static STOP: Event = Event::new();
///
/// std::thread::scope(|s| {
///     s.spawn(|| STOP.wait());
///     STOP.set();
/// });
/// assert!(STOP.is_set());
/// ```
///
/// # Fairness
///
/// Nothing to be fair about: a [`set`](Event::set) releases every thread that waits at that moment, even if
/// [`clear`](Event::clear) follows at once.
///
/// # Timeouts
///
/// [`wait_for`](Event::wait_for) and [`wait_until`](Event::wait_until) say whether the event was set in time. Zero and
/// deadlines in the past do not block; a timeout too long for the clock is none.
///
/// # Panics
///
/// No call panics.
///
/// # Memory ordering
///
/// Everything before a `set` happens before everything after the `wait` that it ends, after an `is_set` that sees it, and after
/// a `clear` that undoes it: so "clear, look whether there is work, wait" misses none.
///
/// # Under loom
///
/// Both outcomes of every timed wait are explored.
///
/// # Coming from Python
///
/// `threading.Event`: `set`, `clear`, `is_set`, and `wait(timeout)` as [`wait_for`](Event::wait_for).
///
/// # Differences from `std` and `parking_lot`
///
/// Neither has one. Do not call `set` from a signal handler that may interrupt a thread within this crate: waking takes a
/// lock. (A thread that waits for signals, as the `ctrlc` crate runs it, is fine.)
///
/// # How it works
///
/// The chapter `docs/event.md` in the repository.
pub struct Event {
    raw: RawEvent,
}

impl Event {
    crate::primitives::const_fn! {
        /// An event that is clear.
        #[inline]
        pub const fn new() -> Event {
            Event { raw: RawEvent::new() }
        }
    }

    /// Sets the event, and releases every thread that waits for it. Setting it again changes nothing.
    #[inline]
    pub fn set(&self) {
        self.raw.set();
    }

    /// Clears the event: whoever waits from now on blocks. Those whom a `set` has released are not called back.
    #[inline]
    pub fn clear(&self) {
        self.raw.clear();
    }

    /// Whether the event is set.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.raw.is_set()
    }

    /// Blocks until the event is set. Returns at once if it is.
    #[inline]
    pub fn wait(&self) {
        self.raw.wait(Deadline::Never);
    }

    /// Blocks until the event is set or `timeout` has passed; says whether it was set. Zero does not block.
    ///
    /// ```
    /// # use raddle::Event;
    /// # use std::time::Duration;
    /// let event = Event::new();
    /// assert!(!event.wait_for(Duration::from_millis(2)));
    /// event.set();
    /// assert!(event.wait_for(Duration::ZERO));
    /// ```
    #[doc(alias = "wait")]
    #[inline]
    pub fn wait_for(&self, timeout: Duration) -> bool {
        self.raw.wait_for(timeout)
    }

    /// Blocks until the event is set or `deadline` is reached; says whether it was set.
    #[inline]
    pub fn wait_until(&self, deadline: Instant) -> bool {
        self.raw.wait_until(deadline)
    }
}

impl Default for Event {
    fn default() -> Event {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish()
    }
}
