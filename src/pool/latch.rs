//! A count that goes down to zero, and one thread that waits for that: the end of a job, of a scope, of a `map`.
//!
//! # The word
//!
//! ```text
//! GENERATION, from bit 32 | count, from bit 1 | PARKED
//! ```
//!
//! GENERATION counts the times that the waiter was told of something to find. (It may wrap: nobody looks at the word, and marks it 2^32 times later.)
//!
//! # Transitions, as (count, parked)
//!
//! ```text
//! add          n,p -> n+1,p    by one who is counted himself: so never from 0
//! added        n,p -> n,p      and the generation goes on: what was added can be found now. Then nudges, if p
//! count down   n,p -> n-1,p    but for the last, if somebody is parked:
//!              1,1 -> 0,0      under the queue lock, together with the wake-up
//! waiter       n,0 -> n,1      about to park
//! nudge        n,1 -> n,0      under the queue lock: the waiter shall look whether there is something for it to do
//! ```
//!
//! # Who owns the memory
//!
//! A latch often stands on the stack of the one who waits, and is gone when that one sees the count at zero. So whoever writes the zero touches
//! it no more; the wake-up included, which is why the two are one step if somebody is parked: the waiter can't be let go
//! by the zero alone, while the wake-up is still to come and would meet whatever stands at that address then.

use crate::primitives::advice::{Luck, Park};
use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::parking::{self, ParkToken, UnparkToken};
use crate::spin::{Poll, Polling};

const PARKED: u64 = 0b1;
const ONE: u64 = 0b10;
const ONE_GENERATION: u64 = 1 << 32;

/// The word without its generation.
const fn low(word: u64) -> u64 {
    word & (ONE_GENERATION - 1)
}

/// Told to the waiter. It looks at the word whatever it is told.
const LOOK: UnparkToken = UnparkToken(0xa0);

/// A count that goes down to zero.
#[derive(Debug)]
pub struct Latch {
    state: AtomicU64,
}

impl Latch {
    /// The most that can be counted at once.
    pub const MOST: usize = (1 << 31) - 1;

    /// With so many to wait for.
    #[inline]
    #[must_use]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn new(count: usize) -> Latch {
        assert!(count <= Latch::MOST, "Latch::new({count}): that is too many to count");
        Latch { state: AtomicU64::new(count as u64 * ONE) }
    }

    fn key(&self) -> usize {
        (&raw const self.state).addr()
    }

    /// One more. Only by one who is counted, and before that one can be found by anybody, who might count it down.
    pub fn add(&self) {
        // Relaxed: who counts down gets the job, and this step with it, by the list or the queue.
        let prev = self.state.fetch_add(ONE, Ordering::Relaxed);
        debug_assert!(low(prev) >= ONE, "Latch::add: by somebody who was not counted");
        if low(prev) / ONE >= Latch::MOST as u64 {
            // The count has run over into the generation: nobody could wait any more for what is there.
            std::process::abort();
        }
    }

    /// What was added can be found: a waiter that helps shall look for it. By one who is counted.
    ///
    /// This changes the word for good, so that a waiter that has looked before it can't mark the word; and one that has marked it is seen here. (The
    /// count alone would not do: it could go up and down again in between. Model: `latch_add`.)
    pub fn added(&self) {
        // Release: pairs with the Acquire in `wait`; a waiter that sees this finds what was added.
        let prev = self.state.fetch_add(ONE_GENERATION, Ordering::Release);
        if prev & PARKED != 0 {
            self.nudge();
        }
    }

    /// Wakes the waiter, that it may look for something to do.
    #[cold]
    fn nudge(&self) {
        // SAFETY: the key is the address of our own word; the callback is one read-modify-write of it.
        unsafe {
            parking::unpark_one(self.key(), |_| {
                // Relaxed: PARKED is cleared under the queue lock only. Whether the waiter is in the queue or about to be: it looks again.
                self.state.fetch_and(!PARKED, Ordering::Relaxed);
                LOOK
            });
        }
    }

    /// One less. Unless others are counted whom the caller knows to be there, the latch may be gone afterwards.
    ///
    /// # Safety
    ///
    /// `latch` points to a latch on which the caller is counted (which keeps it alive until this).
    #[inline]
    pub unsafe fn count_down(latch: *const Latch) {
        // SAFETY: the latch lives, since the caller is counted.
        let (state, key) = unsafe { (&(*latch).state, (*latch).key()) };
        // Relaxed: only a guess, the CAS below decides.
        let mut word = state.load(Ordering::Relaxed);
        loop {
            if low(word) == ONE | PARKED {
                // We are the only one counted, so only the waiter can change the word, and it is parked or about to be.
                // SAFETY: the key is the address of the latch; the callback is one read-modify-write of it, and it is there until then: the
                // waiter doesn't go before it sees the zero.
                unsafe {
                    parking::unpark_one(key, |_| {
                        // Release: pairs with the Acquire in `wait`; as below.
                        state.fetch_sub(ONE | PARKED, Ordering::Release);
                        LOOK
                    });
                }
                return;
            }
            // Release: pairs with the Acquire in `wait` and `is_done`; who sees the zero sees what all did who counted down (a
            // read-modify-write continues their release sequences). Relaxed on failure: it is the next guess.
            match state.compare_exchange_weak(word, word - ONE, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(actual) => word = actual,
            }
        }
    }

    /// Whether the count is at zero.
    #[inline]
    pub fn is_done(&self) -> bool {
        // Acquire: pairs with the Release in `count_down`.
        low(self.state.load(Ordering::Acquire)) < ONE
    }

    /// Waits until the count is at zero. Whenever something was [`added`](Self::added), `help` is called before the thread parks.
    ///
    /// ```text
    /// loop
    ///     zero?            return
    ///     help
    ///     mark the word    PARKED, if nobody has added since we looked
    ///     park             unless the mark is gone
    /// ```
    pub fn wait(&self, mut help: impl FnMut()) {
        loop {
            // Acquire: pairs with the Release in `count_down`, and with the one in `added`: what was added before is there for `help`.
            let word = self.state.load(Ordering::Acquire);
            if low(word) < ONE {
                return;
            }
            help();
            if self.is_done() || Poll::new(POLLING).until_at(&LUCK, None, || self.is_done()) {
                return;
            }
            // Relaxed, both: the mark carries no data, and we look again.
            if self.state.compare_exchange(word, word | PARKED, Ordering::Relaxed, Ordering::Relaxed).is_err()
            {
                continue;
            }
            // Relaxed: PARKED is cleared under this queue lock only, by who wakes us. If it is there, somebody will.
            let validate = || self.state.load(Ordering::Relaxed) & PARKED != 0;
            let park = Park::begin();
            // SAFETY: the key is the address of our own word; `validate` is a load.
            unsafe { parking::park(self.key(), validate, || {}, |_, _| {}, ParkToken(0), None) };
            LUCK.staying.was_parked(&park);
        }
    }
}

/// How those who wait for a job look whether it is done, and workers whether there is one, before they park: for some 4 µs, in which a job on another processor
/// can come and go, and then as often as the processor is offered to others.
pub(super) const POLLING: Polling = Polling { looks: 64, pauses: 4, yields: Polling::YIELDS, gathers: 0 };

/// Of those who wait for a job, whatever their pool: a job is too small for one of its own.
pub(super) static LUCK: Luck = Luck::new();
