//! The barrier: one word that counts arrivals of a generation.
//!
//! # The state word
//!
//! ```text
//! generation | PARKED | RESETTING | BROKEN | ACTING | arrived
//!     g           p         0          0        0        a      filling: a of the parties have come
//!     g           p         0          0        1     parties   all have come, the last one runs the action
//!     g           p         0          1        c        a      broken: a threads have yet to leave
//!     g           p         1          0        c        a      being reset: a threads have yet to leave
//! ```
//!
//! PARKED (p) says that somebody is in the queue. ACTING beside BROKEN or RESETTING (c) says that the action is still
//! running.
//!
//! # Transitions
//!
//! ```text
//! arrive           filling g,a      -> filling g,a+1
//! last, no action  filling g,a      -> filling g+1,0               wakes all: generation g is released
//! last, action     filling g,a      -> acting g
//! action ended     acting g         -> filling g+1,0               wakes all
//! action panicked  acting g         -> broken g, one has left      wakes all
//! timeout, abort   filling/acting g -> broken g                    wakes all
//! reset            any with a > 0   -> being reset g               wakes all
//!                  broken g,0       -> filling g+1,0
//! leave            broken g,a       -> broken g,a-1
//!                  being reset g,a  -> being reset g,a-1; the last -> filling g+1,0, and wakes those who want to enter
//! ```
//!
//! # Invariants
//!
//! 1. **All or none.** A generation ends in one of two ways. It is released: the generation goes on while threads of it may
//!    still be on their way out. Or it is broken or reset: then the generation stays until the last of its threads has
//!    left. So a thread that arrived in g and reads another generation was released; one that reads g with BROKEN or
//!    RESETTING was not. No thread can be told a wrong ending, however late it looks (but for one that sleeps through
//!    exactly 2^32 generations).
//! 2. While a thread is in the queue, PARKED is set, or whoever cleared it is about to wake everybody.
//! 3. Threads wake each other only to look again: the word is the truth, not the wake-up.
//! 4. The action runs under no lock of ours. While it runs (ACTING) nobody arrives, and nobody's timeout breaks the
//!    barrier any more, since everybody has come.

use crate::deadline::Deadline;
use crate::error::BrokenBarrier;
use crate::primitives::advice::{Luck, Park};
use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::const_fn;
use crate::primitives::parking::{self, ParkResult, ParkToken, UnparkToken};
use crate::primitives::thread;
use crate::spin::{Poll, Polling, Spin};

const ARRIVED_MASK: u64 = (1 << 28) - 1;
const ACTING: u64 = 1 << 28;
const BROKEN: u64 = 1 << 29;
const RESETTING: u64 = 1 << 30;
const PARKED: u64 = 1 << 31;
const ONE_GENERATION: u64 = 1 << 32;
const GENERATION_MASK: u64 = !(ONE_GENERATION - 1);

/// The most parties that a barrier counts.
pub(crate) const MAX_PARTIES: usize = ARRIVED_MASK as usize;

/// Told to everybody who is woken: look again. No other primitive uses this number.
const LOOK_AGAIN: UnparkToken = UnparkToken(0xba2);

const fn arrived(state: u64) -> u64 {
    state & ARRIVED_MASK
}

const fn generation(state: u64) -> u64 {
    state & GENERATION_MASK
}

const fn is_acting(state: u64) -> bool {
    state & ACTING != 0
}

/// Broken or being reset: whoever has arrived leaves with an error.
const fn has_failed(state: u64) -> bool {
    state & (BROKEN | RESETTING) != 0
}

const fn has_waiters(state: u64) -> bool {
    state & PARKED != 0
}

/// Whether a newcomer has to wait before it may arrive.
const fn is_shut(state: u64) -> bool {
    state & RESETTING != 0 || (is_acting(state) && state & BROKEN == 0)
}

/// The next generation, empty.
const fn next_generation(state: u64) -> u64 {
    generation(state).wrapping_add(ONE_GENERATION)
}

/// The word when one of those who arrived has left a failed generation.
const fn after_leaving(state: u64) -> u64 {
    if arrived(state) == 1 && state & RESETTING != 0 { next_generation(state) } else { state - 1 }
}

pub(crate) struct RawBarrier {
    state: AtomicU64,
    /// Of those who wait.
    luck: Luck,
}

/// How an arrival goes on.
pub(crate) enum Arrived {
    /// Others are missing: wait for them.
    Early(Ticket),
    /// The last, and there is an action to run: then [`RawBarrier::finish_action`] or [`RawBarrier::fail_action`].
    LastBeforeAction(Ticket),
    /// The last, and everybody has been released.
    Last(Ticket),
}

/// Which arrival of which generation this is.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    /// The word that it wrote as it arrived.
    state: u64,
    generation: u64,
    pub(crate) index: usize,
}

impl RawBarrier {
    const_fn! {
        pub(crate) const fn new() -> RawBarrier {
            RawBarrier { state: AtomicU64::new(0), luck: Luck::new() }
        }
    }

    /// Arrives, after waiting for a reset or an action that is going on.
    pub(crate) fn arrive(&self, parties: usize, with_action: bool) -> Result<Arrived, BrokenBarrier> {
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if is_shut(state) {
                self.park_while(state, is_shut, Deadline::Never);
                // Relaxed: only a guess, the CAS below decides.
                state = self.state.load(Ordering::Relaxed);
                continue;
            }
            if has_failed(state) {
                return Err(BrokenBarrier);
            }
            let index = arrived(state) as usize;
            let is_last = index + 1 == parties;
            let next = match (is_last, with_action) {
                (false, _) => state + 1,
                (true, true) => (state + 1) | ACTING,
                (true, false) => next_generation(state),
            };
            // Release: pairs with the Acquire of the last to arrive, which reads the end of the chain of arrivals; as the
            // last: with the Acquire in `wait`. Acquire: pairs with the Release of those who arrived before; as the last
            // we see what all of them did, and so does our action. Relaxed on failure: it is the next guess.
            match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {}
                Err(actual) => {
                    state = actual;
                    continue;
                }
            }
            let ticket = Ticket { state: next, generation: generation(state), index };
            if !is_last {
                return Ok(Arrived::Early(ticket));
            }
            if with_action {
                return Ok(Arrived::LastBeforeAction(ticket));
            }
            self.wake_all_if(has_waiters(state));
            return Ok(Arrived::Last(ticket));
        }
    }

    /// Waits for the others of so many. At the deadline it breaks the barrier, unless all have come.
    pub(crate) fn wait(
        &self,
        ticket: Ticket,
        parties: usize,
        deadline: Deadline,
    ) -> Result<(), BrokenBarrier> {
        let mut deadline = deadline.or_now();
        let keep_waiting = |state| generation(state) == ticket.generation && !has_failed(state);
        let mut state = ticket.state;
        let polls = parties <= thread::processors() && !deadline.is_now();
        let mut spin = if polls { Spin::over() } else { Spin::crowded() };
        if polls {
            // All can run at once: the others are mostly about to come, so we stay awake for a while.
            Poll::new(Polling::for_a_partner(Polling::YIELDS)).until_at(
                &self.luck,
                deadline.instant(),
                || {
                    // Acquire: as below.
                    state = self.state.load(Ordering::Acquire);
                    !keep_waiting(state) || is_acting(state)
                },
            );
        }
        loop {
            if generation(state) != ticket.generation {
                return Ok(());
            }
            if has_failed(state) {
                self.leave();
                return Err(BrokenBarrier);
            }
            if is_acting(state) {
                // Everybody has come: from here on only the action is waited for (invariant 4).
                deadline = Deadline::Never;
            }
            let in_time = if deadline.is_now() {
                false
            } else if !is_acting(state) && !has_waiters(state) && spin.spin() {
                true
            } else {
                let park = Park::begin();
                let in_time = self.park_while(state, keep_waiting, deadline);
                if in_time {
                    self.luck.staying.was_parked(&park);
                }
                in_time
            };
            if !in_time {
                self.change(|state| (keep_waiting(state) && !is_acting(state)).then_some(state | BROKEN));
                // What it is now, and whether we or somebody else was faster, the word says. The deadline has done its work:
                // either the generation has ended, or all have come and the action is running.
                deadline = Deadline::Never;
            }
            // Acquire: pairs with the Release in `arrive` and `finish_action`; when the generation has gone on, we see what
            // everybody did before arriving.
            state = self.state.load(Ordering::Acquire);
        }
    }

    /// The action has returned: releases everybody, unless the barrier was broken or reset meanwhile.
    pub(crate) fn finish_action(&self) -> Result<(), BrokenBarrier> {
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let failed = has_failed(state);
            let next = if failed { after_leaving(state & !ACTING) } else { next_generation(state) };
            // Release: pairs with the Acquire in `wait`; those released see what the action did, and what everybody did
            // before it. Relaxed on failure: it is the next guess.
            match self.state.compare_exchange_weak(
                state,
                next & !PARKED,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    self.wake_all_if(has_waiters(state));
                    return if failed { Err(BrokenBarrier) } else { Ok(()) };
                }
                Err(actual) => state = actual,
            }
        }
    }

    /// The action has panicked: breaks the barrier, and leaves it.
    pub(crate) fn fail_action(&self) {
        self.change(|state| {
            let failed = if has_failed(state) { state } else { state | BROKEN };
            Some(after_leaving(failed & !ACTING))
        });
    }

    /// Breaks the barrier, for those who wait and for all who come, until it is reset.
    pub(crate) fn abort(&self) {
        self.change(|state| (state & BROKEN == 0).then_some((state | BROKEN) & !RESETTING));
    }

    /// Makes it a new barrier: at once if nobody waits; else those who wait leave with an error first.
    pub(crate) fn reset(&self) {
        self.change(|state| match arrived(state) {
            0 if has_failed(state) => Some(next_generation(state)),
            0 => None,
            _ => Some((state | RESETTING) & !BROKEN),
        });
    }

    pub(crate) fn is_broken(&self) -> bool {
        // Relaxed: an answer that may be stale anyway orders nothing.
        self.state.load(Ordering::Relaxed) & BROKEN != 0
    }

    pub(crate) fn n_waiting(&self) -> usize {
        // Relaxed: an answer that may be stale anyway orders nothing.
        let state = self.state.load(Ordering::Relaxed);
        if has_failed(state) { 0 } else { arrived(state) as usize }
    }

    /// Leaves a generation that has failed. Nobody is released, so nothing is published, and only the count matters.
    fn leave(&self) {
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            // The last to leave a barrier that is being reset opens it, and PARKED goes with the generation: then those who want
            // to enter are woken. Nobody else waits for a leaver.
            let next = after_leaving(state);
            // Relaxed, both: as in `change`.
            match self.state.compare_exchange_weak(state, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return self.wake_all_if(has_waiters(state) && !has_waiters(next)),
                Err(actual) => state = actual,
            }
        }
    }

    /// Changes the word by `f`, unless that says `None`, and wakes everybody if somebody is parked.
    fn change(&self, f: impl Fn(u64) -> Option<u64>) {
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        while let Some(next) = f(state) {
            // Relaxed, both: an ending without release publishes nothing. As a read-modify-write it goes on with the chain of
            // arrivals, whose Release the last to arrive still sees.
            match self.state.compare_exchange_weak(
                state,
                next & !PARKED,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return self.wake_all_if(has_waiters(state)),
                Err(actual) => state = actual,
            }
        }
    }

    /// Parks while `condition` holds of the word, which it did of `state`. Says whether it was in time.
    fn park_while(&self, state: u64, condition: impl Fn(u64) -> bool, deadline: Deadline) -> bool {
        if !has_waiters(state) {
            // Relaxed, both: the mark carries no data; `validate` looks at it again. If the word has changed the caller looks
            // again too.
            let marked =
                self.state.compare_exchange_weak(state, state | PARKED, Ordering::Relaxed, Ordering::Relaxed);
            if marked.is_err() {
                return true;
            }
        }
        // Whoever has changed the word since our look may have woken everybody before we were in the queue; then the mark is
        // gone (model: barrier_two_threads).
        // Relaxed: whoever cleared the mark and has emptied the queue did so under this queue lock.
        let validate = || {
            let state = self.state.load(Ordering::Relaxed);
            has_waiters(state) && condition(state)
        };
        let before_sleep = || {};
        // A stale PARKED is allowed.
        let timed_out = |_, _| {};
        // SAFETY: the key is the address of our own state word; `validate` is a load and comparisons, and the others do
        // nothing.
        let result = unsafe {
            parking::park(self.key(), validate, before_sleep, timed_out, ParkToken(0), deadline.instant())
        };
        result != ParkResult::TimedOut
    }

    fn wake_all_if(&self, somebody_is_parked: bool) {
        if somebody_is_parked {
            // SAFETY: the key is the address of our own state word. There is no callback.
            unsafe { parking::unpark_all(self.key(), LOOK_AGAIN) };
        }
    }

    fn key(&self) -> usize {
        (&raw const self.state).addr()
    }
}
