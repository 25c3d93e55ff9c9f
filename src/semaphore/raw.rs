//! The semaphore: a count of permits that waiters for few and for many share, with bounded starvation.
//!
//! # The state word
//!
//! ```text
//! permits | FAIR | PARKED
//!    n       0       0     n permits; nobody is in the queue
//!    n       0       1     n permits; `release` looks at the queue. Newcomers may barge past it
//!    n       1       1     n permits, kept for the starving waiters in the queue: nobody takes any but by grant
//! ```
//!
//! FAIR implies PARKED. With PARKED alone the permits may well be enough for some waiter: it has been woken, or stands
//! behind one that needs more.
//!
//! # Transitions, as (permits, fair, parked)
//!
//! ```text
//! acquire k      n,0,p -> n-k,0,p   if n >= k
//! about to park  n,f,p -> n,f,1     or -> n,1,1 by a waiter that is starving
//! release k      n,0,0 -> n+k,0,0
//!                n,0,1 -> n+k,0,p   under the queue lock; wakes, from the front, those whose demands fit together
//!                n,1,1 -> m,f,p     under the queue lock; grants, from the front, to starving waiters until one must
//!                                   wait for more
//! ```
//!
//! # Invariants
//!
//! 1. A permit is counted in the word, or held by somebody, never both and never neither. A waiter that was only *woken*
//!    has been given nothing; one that was *granted* its permits has them, though its deadline be past. (So there is
//!    nothing to hand back at a timeout: `park` says which of the two happened, axiom 4.)
//! 2. PARKED is set while a thread is in the queue. It is cleared under the queue lock only.
//! 3. FAIR is set while a starving waiter is in the queue (its `validate` saw to that), cleared under the queue lock only
//!    when none is left, and may be stale after a timeout. While it is set the permits grow, and shrink only by grants
//!    under the queue lock.
//! 4. **No wake-up is lost.** If the permits suffice for the waiter at the front, then somebody is about to look at the
//!    queue: whoever released them (2), or a woken waiter that has not yet looked at the word. When a waiter leaves
//!    without taking all that it was woken for, it looks at the queue itself: what is left may do for those behind it.
//!
//! # Why not simply first come, first served
//!
//! Giving each permit to the first in the queue costs a context switch per permit. So a released permit is there for
//! whoever is awake, as with the lock; and a waiter that was woken, did not find enough and has been parking for a
//! millisecond sets FAIR: from then on permits are saved up until it has what it needs. That is also what keeps a waiter
//! for many from being starved by a stream of waiters for one.

use core::cell::Cell;
use core::time::Duration;

use crate::deadline::Deadline;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::primitives::const_fn;
use crate::primitives::parking::{self, FilterOp, ParkResult, ParkToken, UnparkToken, Unparked};
use crate::primitives::time::{Instant, Patience};
use crate::spin::Spin;

const PARKED: usize = 0b01;
const FAIR: usize = 0b10;
const PERMIT_SHIFT: u32 = 2;
const ONE_PERMIT: usize = 1 << PERMIT_SHIFT;

/// The most permits that a semaphore counts: 2^61 - 1 on a 64-bit machine.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> 3;

/// Told to a woken waiter: look again.
const RETRY: UnparkToken = UnparkToken(0x5e0);
/// Told to a woken waiter: your permits are yours.
const GRANTED: UnparkToken = UnparkToken(0x5e1);

const fn permits(state: usize) -> usize {
    state >> PERMIT_SHIFT
}

const fn has_waiters(state: usize) -> bool {
    state & PARKED != 0
}

const fn is_fair(state: usize) -> bool {
    state & FAIR != 0
}

/// Whether somebody who is awake may take `n` permits now.
const fn may_take(state: usize, n: usize) -> bool {
    !is_fair(state) && permits(state) >= n
}

/// What a waiter says of itself to those who look through the queue.
#[derive(Clone, Copy)]
struct Demand {
    permits: usize,
    starving: bool,
}

impl Demand {
    const fn to_token(self) -> ParkToken {
        // `permits` is at most MAX_PERMITS, so the shift loses nothing.
        ParkToken(self.permits << 1 | self.starving as usize)
    }

    const fn from_token(token: ParkToken) -> Demand {
        Demand { permits: token.0 >> 1, starving: token.0 & 1 != 0 }
    }
}

/// The permits would go above the limit.
#[derive(Debug)]
pub(crate) struct AboveLimit;

pub(crate) struct RawSemaphore {
    state: AtomicUsize,
}

impl RawSemaphore {
    const_fn! {
        /// With `initial` permits, at most [`MAX_PERMITS`].
        pub(crate) const fn new(initial: usize) -> RawSemaphore {
            RawSemaphore { state: AtomicUsize::new(initial << PERMIT_SHIFT) }
        }
    }

    #[inline]
    pub(crate) fn available_permits(&self) -> usize {
        // Relaxed: an answer that may be stale anyway orders nothing.
        permits(self.state.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn try_acquire(&self, n: usize) -> bool {
        if n == 0 {
            return true;
        }
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        while may_take(state, n) {
            // Acquire: pairs with the Release in `release` and `serve`; who takes a permit sees what came before each
            // release that has gone into the count. Relaxed on failure: it is the next guess.
            match self.state.compare_exchange_weak(
                state,
                state - n * ONE_PERMIT,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(actual) => state = actual,
            }
        }
        false
    }

    #[inline]
    pub(crate) fn acquire(&self, n: usize) {
        if !self.try_acquire(n) {
            self.acquire_slow(n, Deadline::Never);
        }
    }

    #[inline]
    pub(crate) fn acquire_for(&self, n: usize, timeout: Duration) -> bool {
        self.try_acquire(n) || self.acquire_slow(n, Deadline::after(timeout))
    }

    #[inline]
    pub(crate) fn acquire_until(&self, n: usize, deadline: Instant) -> bool {
        self.try_acquire(n) || self.acquire_slow(n, Deadline::At(deadline))
    }

    /// Adds `n` permits, unless there would be more than `limit`.
    #[inline]
    pub(crate) fn release(&self, n: usize, limit: usize) -> Result<(), AboveLimit> {
        if n == 0 {
            return Ok(());
        }
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if n > limit || permits(state) > limit - n {
                // What we loaded may be old. An error has to be true: this reads the latest value, and writes nothing new.
                // Relaxed, both: it is only compared.
                match self.state.compare_exchange(state, state, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return Err(AboveLimit),
                    Err(actual) => state = actual,
                }
                continue;
            }
            if has_waiters(state) {
                return self.serve(n, limit);
            }
            // Release: pairs with the Acquire in `try_acquire` and `acquire_slow`; who takes this permit sees what we
            // wrote before. Relaxed on failure: it is the next guess.
            match self.state.compare_exchange_weak(
                state,
                state + n * ONE_PERMIT,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(actual) => state = actual,
            }
        }
    }

    /// Says whether it got the permits.
    ///
    /// ```text
    /// loop
    ///     enough there?     take them
    ///     nobody parked?    spin a little
    ///     woken in vain?    let those behind us have what is there
    ///     mark the word     PARKED, and FAIR once starving
    ///     park              unless the marks are gone, or there is enough now
    /// timed out?            let those behind us have what is there
    /// ```
    #[cold]
    fn acquire_slow(&self, n: usize, deadline: Deadline) -> bool {
        let mut spin = Spin::new();
        let mut patience = None;
        let mut marks = PARKED;
        let mut woken_in_vain = false;
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if may_take(state, n) {
                // Acquire: as in `try_acquire`. Relaxed on failure: it is the next guess.
                match self.state.compare_exchange_weak(
                    state,
                    state - n * ONE_PERMIT,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return true,
                    Err(actual) => state = actual,
                }
                continue;
            }
            if !has_waiters(state) && spin.spin() {
                // Relaxed: only a guess, the CAS above decides.
                state = self.state.load(Ordering::Relaxed);
                continue;
            }
            if deadline.is_now() {
                return false;
            }
            if woken_in_vain {
                // We were woken for `n` permits and somebody has taken part of them. The rest may do for a waiter behind
                // us, which nobody has woken because of us (model: semaphore_woken_in_vain).
                woken_in_vain = false;
                self.pass_on();
                // Relaxed: only a guess, the CAS above decides.
                state = self.state.load(Ordering::Relaxed);
                continue;
            }
            if state & marks != marks {
                // Relaxed, both: the marks carry no data. `validate` looks at them again under the queue lock.
                match self.state.compare_exchange_weak(
                    state,
                    state | marks,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {}
                    Err(actual) => {
                        state = actual;
                        continue;
                    }
                }
            }

            let patience = patience.get_or_insert_with(Patience::start);
            let demand = Demand { permits: n, starving: marks & FAIR != 0 };
            // A release since our last look either saw PARKED, and looked at the queue before we were in it; or cleared our
            // marks. Either way the word shows it (model: semaphore_two_threads).
            // Relaxed: under the queue lock, like all that clears marks; and a permit seen too late only by a hair is one
            // whose release finds PARKED and waits for this queue lock.
            let validate = || {
                let state = self.state.load(Ordering::Relaxed);
                state & marks == marks && !may_take(state, n)
            };
            let before_sleep = || {};
            // Stale marks are allowed, and `pass_on` below looks after them.
            let timed_out = |_, _| {};
            // SAFETY: the key is the address of our own state word; `validate` is a load and comparisons, and the others do
            // nothing.
            let result = unsafe {
                parking::park(
                    self.key(),
                    validate,
                    before_sleep,
                    timed_out,
                    demand.to_token(),
                    deadline.instant(),
                )
            };
            match result {
                // Taken from the count for us. What came before those releases we see by axiom 3.
                ParkResult::Unparked(GRANTED) => return true,
                ParkResult::Unparked(_) => {
                    woken_in_vain = n > 1;
                    if patience.is_exhausted() {
                        marks = PARKED | FAIR;
                    }
                }
                ParkResult::Invalid => {}
                ParkResult::TimedOut => {
                    // We may have stood at the front with too few permits for us, but enough for the next; or have kept
                    // FAIR up.
                    self.pass_on();
                    return false;
                }
            }
            spin.reset();
            // Relaxed: only a guess, the CAS above decides.
            state = self.state.load(Ordering::Relaxed);
        }
    }

    /// Lets those in the queue have what is there, for a waiter that leaves or makes way.
    #[cold]
    fn pass_on(&self) {
        // Relaxed: permits that were there when we stood at the front were put there under the queue lock that we have
        // held since; and whoever adds some from now on looks at the queue itself.
        let state = self.state.load(Ordering::Relaxed);
        if has_waiters(state) && (permits(state) > 0 || is_fair(state)) {
            let served = self.serve(0, MAX_PERMITS);
            debug_assert!(served.is_ok());
        }
    }

    /// Adds `n` permits, unless there would be more than `limit`, and looks after the queue.
    #[cold]
    fn serve(&self, n: usize, limit: usize) -> Result<(), AboveLimit> {
        let mut n = n;
        loop {
            // What the filter has decided upon: the permits not yet promised, and whether it is serving the starving. It is
            // made when the filter sees the first waiter, under the queue lock.
            struct Plan {
                fair: bool,
                budget: usize,
                granted: usize,
                more_starving: bool,
            }
            let plan: Cell<Option<Plan>> = Cell::new(None);
            let above_limit = Cell::new(false);
            let stopped_fairness = Cell::new(false);

            let filter = |token: ParkToken| {
                let mut now = plan.take().unwrap_or_else(|| {
                    // Relaxed: under the queue lock. While FAIR is set only we lower the permits (invariant 3), so what
                    // we grant by this value is there. While it isn't, others may take some before the callback: then we
                    // wake a waiter in vain, which it is prepared for.
                    let state = self.state.load(Ordering::Relaxed);
                    let budget = permits(state).saturating_add(n);
                    above_limit.set(budget > limit);
                    Plan { fair: is_fair(state), budget, granted: 0, more_starving: false }
                });
                let demand = Demand::from_token(token);
                let op = if above_limit.get() {
                    FilterOp::Stop
                } else if now.fair && !demand.starving {
                    FilterOp::Skip
                } else if demand.permits > now.budget {
                    now.more_starving = now.fair;
                    FilterOp::Stop
                } else {
                    now.budget -= demand.permits;
                    if now.fair {
                        now.granted += demand.permits;
                    }
                    FilterOp::Unpark
                };
                plan.set(Some(now));
                op
            };
            let callback = |result: Unparked| {
                let plan = plan.take();
                let (fair, granted, more_starving) = match &plan {
                    Some(plan) => (plan.fair, plan.granted, plan.more_starving),
                    None => (false, 0, false),
                };
                // Relaxed: only a guess, the CAS below decides.
                let mut state = self.state.load(Ordering::Relaxed);
                loop {
                    if above_limit.get() || permits(state).saturating_add(n) > limit {
                        above_limit.set(true);
                        return RETRY;
                    }
                    let mut next = (permits(state) + n - granted) << PERMIT_SHIFT;
                    if result.have_more {
                        next |= PARKED;
                    }
                    if more_starving {
                        next |= FAIR;
                    }
                    // Release: as in `release`. Acquire: pairs with the Release of earlier releases; the permits that we
                    // grant may be theirs, and the waiter learns of what came before them only through us (model:
                    // semaphore_grant_of_two_releases). Relaxed on failure: it is the next guess.
                    // Marks that a thread has set in the meantime may be lost here: it is not in the queue yet, and its
                    // `validate` finds them gone.
                    match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
                        Ok(_) => break,
                        Err(actual) => state = actual,
                    }
                }
                let left = permits(state) + n - granted;
                stopped_fairness.set(fair && !more_starving && result.have_more && left > 0);
                if fair { GRANTED } else { RETRY }
            };
            // SAFETY: the key is the address of our own state word. The filter loads our word once, the callback loops on it:
            // neither unwinds (all sums are checked against the limit) nor parks.
            unsafe { parking::unpark_filter(self.key(), filter, callback) };
            if above_limit.get() {
                return Err(AboveLimit);
            }
            if !stopped_fairness.get() {
                return Ok(());
            }
            // No starving waiter is left, but others, which were passed by: they may have what is there now.
            n = 0;
        }
    }

    fn key(&self) -> usize {
        (&raw const self.state).addr()
    }
}
