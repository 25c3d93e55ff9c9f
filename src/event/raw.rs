//! The event: one byte, whose waiters all go at once.
//!
//! # The state word
//!
//! ```text
//! GENERATION PARKED SET
//!     g        0     0    clear, nobody to wake
//!     g        1     0    clear; `set` has somebody to wake
//!     g        0     1    set
//! ```
//!
//! PARKED and SET exclude each other. GENERATION (6 bits) counts the times that the event went from clear to set.
//!
//! # Transitions, as (generation, parked, set)
//!
//! ```text
//! set      g,p,0 -> g+1,0,1   then wakes all if p
//!          g,0,1 -> g,0,1     (written all the same: a later waiter sees what came before this `set` too)
//! clear    g,p,1 -> g,p,0     clearing a clear event changes nothing
//! waiter   g,0,0 -> g,1,0     about to park
//! ```
//!
//! # Invariants
//!
//! 1. While a thread is in the queue, PARKED is set, or a `set` has cleared it and is about to wake everybody. (It may
//!    be stale the other way round.)
//! 2. A thread that parked in generation g is let go by the `set` that makes it g+1, whatever the word says by the time that it
//!    wakes: a `clear` right behind takes nothing from it. That `set` says g+1 as it wakes its waiters. Another number comes from
//!    an earlier `set` that was slow to wake *its* waiters, and found this one: it looks at the word, and waits on.
//! 3. A thread that is not parked yet (or was woken by the wrong `set`) knows by the generation in the word that a `set` has come
//!    and gone since it called `wait`. (Fooled only if exactly 64 sets, or a multiple, come and go between two of its steps.)
//! 4. `set` reads and writes nothing of the event after its write.

use core::time::Duration;

use crate::deadline::Deadline;
use crate::primitives::advice::{Luck, Park};
use crate::primitives::atomic::{AtomicU8, Ordering};
use crate::primitives::const_fn;
use crate::primitives::parking::{self, ParkResult, ParkToken, UnparkToken};
use crate::primitives::time::Instant;
use crate::spin::{Poll, Spin};

const SET: u8 = 0b01;
const PARKED: u8 = 0b10;
const ONE_GENERATION: u8 = 0b100;
const GENERATION_MASK: u8 = !(SET | PARKED);

/// What the `set` that made it this generation tells everybody whom it wakes. No other primitive uses these numbers.
const fn was_set(generation: u8) -> UnparkToken {
    UnparkToken(0x5e700 | generation as usize)
}

const fn is_set(state: u8) -> bool {
    state & SET != 0
}

const fn has_waiters(state: u8) -> bool {
    state & PARKED != 0
}

const fn generation(state: u8) -> u8 {
    state & GENERATION_MASK
}

const fn next_generation(generation: u8) -> u8 {
    generation.wrapping_add(ONE_GENERATION)
}

/// The word after a `set`.
const fn after_set(state: u8) -> u8 {
    if is_set(state) { state } else { next_generation(generation(state)) | SET }
}

pub(crate) struct RawEvent {
    state: AtomicU8,
}

impl RawEvent {
    const_fn! {
        pub(crate) const fn new() -> RawEvent {
            RawEvent { state: AtomicU8::new(0) }
        }
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // Acquire: pairs with the Release in `set`; who sees the event set sees what came before.
        is_set(self.state.load(Ordering::Acquire))
    }

    #[inline]
    pub(crate) fn set(&self) {
        let key = self.key();
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let next = after_set(state);
            // Release: pairs with the Acquire in `is_set` and `wait_slow`; those who see the event set (or its generation
            // gone on) see what we wrote. Relaxed on failure: it is the next guess.
            match self.state.compare_exchange_weak(state, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(actual) => state = actual,
            }
        }
        if has_waiters(state) {
            Self::wake_all(key, next_generation(generation(state)));
        }
    }

    #[inline]
    pub(crate) fn clear(&self) {
        // Acquire: pairs with the Release in `set`; we see what came before the `set` that we undo. Whoever clears, looks
        // whether there is something to do, and then waits, would miss it otherwise (model: event_clear_look_wait).
        // A read-modify-write, so that it continues the release sequence of that `set`: a waiter that reads this word, and
        // finds the generation gone on, still sees what was published.
        self.state.fetch_and(!SET, Ordering::Acquire);
    }

    #[inline]
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        // Acquire: pairs with the Release in `set`.
        let state = self.state.load(Ordering::Acquire);
        is_set(state) || self.wait_slow(state, deadline)
    }

    #[inline]
    pub(crate) fn wait_for(&self, timeout: Duration) -> bool {
        // Acquire: pairs with the Release in `set`.
        let state = self.state.load(Ordering::Acquire);
        is_set(state) || self.wait_slow(state, Deadline::after(timeout))
    }

    #[inline]
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        self.wait(Deadline::At(deadline))
    }

    /// Says whether it saw a `set` before the deadline.
    ///
    /// ```text
    /// nobody parked yet?                   poll, where that is worth while
    /// loop
    ///     set now, or set since we came?   return
    ///     nobody parked?                   spin a little
    ///     mark the word                    PARKED
    ///     park                             unless the mark is gone
    /// ```
    #[cold]
    fn wait_slow(&self, mut state: u8, deadline: Deadline) -> bool {
        let mut deadline = deadline.or_now();
        let came_in = generation(state);
        let has_come = |state| is_set(state) || generation(state) != came_in;
        let luck = Luck::of(self.key());
        if !has_waiters(state) && !deadline.is_now() {
            let came = Poll::maybe_for_a_partner(luck, deadline.instant(), || {
                // Acquire: pairs with the Release in `set`.
                state = self.state.load(Ordering::Acquire);
                has_come(state)
            });
            if came {
                return true;
            }
            deadline = deadline.or_now();
        }
        let mut spin = Spin::new();
        loop {
            if has_come(state) {
                return true;
            }
            if deadline.is_now() {
                return false;
            }
            if !has_waiters(state) {
                if spin.spin() {
                    // Acquire: pairs with the Release in `set`.
                    state = self.state.load(Ordering::Acquire);
                    continue;
                }
                // Relaxed: the mark carries no data; `validate` looks at it again. Acquire on failure: what we find may
                // be a `set`, and pairs with the Release there.
                if let Err(actual) = self.state.compare_exchange_weak(
                    state,
                    state | PARKED,
                    Ordering::Relaxed,
                    Ordering::Acquire,
                ) {
                    state = actual;
                    continue;
                }
            }
            // A `set` since our last look has cleared PARKED and may have woken everybody already: then nobody would wake
            // us (model: event_set_wait).
            // Relaxed: whoever cleared the mark and has emptied the queue did so under this queue lock.
            let validate = || self.state.load(Ordering::Relaxed) == came_in | PARKED;
            let before_sleep = || {};
            // A stale PARKED is allowed (invariant 1).
            let timed_out = |_, _| {};
            let park = Park::begin();
            // SAFETY: the key is the address of our own state word; `validate` is a load and a comparison, and the
            // others do nothing.
            let result = unsafe {
                parking::park(self.key(), validate, before_sleep, timed_out, ParkToken(0), deadline.instant())
            };
            if let ParkResult::Unparked(_) = result {
                luck.staying.was_parked(&park);
            }
            match result {
                // Invariant 2. What came before the `set` we see by axiom 3.
                ParkResult::Unparked(token) if token == was_set(next_generation(came_in)) => return true,
                ParkResult::TimedOut => return false,
                ParkResult::Unparked(_) | ParkResult::Invalid => {}
            }
            // Acquire: pairs with the Release in `set`.
            state = self.state.load(Ordering::Acquire);
        }
    }

    /// After a write that has cleared PARKED, and made it this generation. The event may be cleared by now, and waited for anew
    /// (model: event_wait_clear_wait).
    #[cold]
    fn wake_all(key: usize, generation: u8) {
        // SAFETY: the key is the address of our own state word; only the address is used (invariant 4). There is no
        // callback.
        unsafe { parking::unpark_all(key, was_set(generation)) };
    }

    fn key(&self) -> usize {
        (&raw const self.state).addr()
    }
}
