//! The semaphore: a count of permits that waiters for one and for many share, with bounded starvation.
//!
//! # The state word
//!
//! ```text
//! permits | FAIR | PARKED
//!    n       0       0     n permits; nobody is in the queue
//!    n       0       1     n permits; `release` looks at the queue. Newcomers may barge past it
//!    n       1       1     n permits, which go to the queue, first come, first served: nobody takes any but by grant
//! ```
//!
//! FAIR implies PARKED.
//!
//! # Transitions, as (permits, fair, parked)
//!
//! ```text
//! acquire k      n,0,p -> n-k,0,p   if n >= k
//! about to park  n,f,p -> n,f,1     to wait for one permit
//!                      -> n,1,1     to wait for many, or when starving
//! release k      n,0,0 -> n+k,0,0
//!                n,0,1 -> n+k,0,p   under the queue lock; wakes as many waiters as there are permits
//!                n,1,1 -> m,f,p     under the queue lock; grants from the front, until one needs more than there is
//! ```
//!
//! # Invariants
//!
//! 1. A permit is counted in the word, or held by somebody, never both and never neither. A waiter that was only *woken*
//!    has been given nothing; one that was *granted* its permits has them, though its deadline be past. (So there is
//!    nothing to hand back at a timeout: `park` says which of the two happened, axiom 4.)
//! 2. PARKED is set while a thread is in the queue. It is cleared under the queue lock only.
//! 3. FAIR is set while a *strict* waiter is in the queue, one that waits for many or is starving (its `validate` saw to
//!    that). It is cleared under the queue lock only, when none is left; after a timeout it may be stale until the thread
//!    that timed out has looked at the queue. While it is set, the permits shrink only by grants under the queue lock.
//!    So without FAIR everybody in the queue waits for one permit, and has done so for less than a millisecond, or has not
//!    been woken yet.
//! 4. **No wake-up is lost.** Without FAIR: a permit that appears while somebody is in the queue wakes one who is, and that
//!    thread finds either the permit or that another has taken it. With FAIR: whoever adds permits, leaves the queue by
//!    timeout as a strict waiter, or joins it while the permits would do for it, makes the grants.
//!
//! # Why not simply first come, first served
//!
//! Giving each permit to the first in the queue costs a context switch per permit. So a released permit is there for
//! whoever is awake, as with the lock. A waiter that was woken, found nothing and has been parking for a millisecond sets
//! FAIR. A waiter for many sets it at once: the permits that it needs might never be there at the same time, however long
//! it waits, since each goes to a waiter for one as soon as it appears.

use core::cell::Cell;
use core::time::Duration;

use crate::deadline::Deadline;
use crate::primitives::advice::{Luck, Park};
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::primitives::const_fn;
use crate::primitives::parking::{self, FilterOp, ParkResult, ParkToken, UnparkToken, Unparked};
use crate::primitives::time::{Instant, Patience};
use crate::spin::{Backoff, Poll, Spin};

const PARKED: usize = 0b01;
const FAIR: usize = 0b10;
const PERMIT_SHIFT: u32 = 2;
const ONE_PERMIT: usize = 1 << PERMIT_SHIFT;

/// After a lost race, so many pauses: a quarter of a microsecond.
const LOST: u32 = 24;

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
    /// Keeps FAIR up.
    strict: bool,
}

impl Demand {
    const fn to_token(self) -> ParkToken {
        // `permits` is at most MAX_PERMITS, so the shift loses nothing.
        ParkToken(self.permits << 1 | self.strict as usize)
    }

    const fn from_token(token: ParkToken) -> Demand {
        Demand { permits: token.0 >> 1, strict: token.0 & 1 != 0 }
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
                Err(actual) => state = self.lost(actual),
            }
        }
        false
    }

    /// After a compare-and-swap that another thread's step has made fail: the next guess.
    #[cold]
    fn lost(&self, actual: usize) -> usize {
        if Backoff::new(LOST).lost() {
            // Relaxed: only a guess, the next CAS decides.
            self.state.load(Ordering::Relaxed)
        } else {
            actual
        }
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
                Err(actual) => state = self.lost(actual),
            }
        }
    }

    /// Says whether it got the permits.
    ///
    /// ```text
    /// nobody parked yet?    poll for one permit, where that is worth while
    /// loop
    ///     enough there?     take them
    ///     nobody parked?    spin a little
    ///     mark the word     PARKED; for many, or starving: and FAIR
    ///     park              unless the marks are gone, or there is enough now
    /// timed out, strict?    make the grants to those behind us
    /// ```
    #[cold]
    fn acquire_slow(&self, n: usize, deadline: Deadline) -> bool {
        let mut deadline = deadline.or_now();
        let mut spin = Spin::new();
        let mut patience = None;
        let mut marks = if n > 1 { PARKED | FAIR } else { PARKED };
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        let luck = Luck::of(self.key());
        // Who needs many does not: its marks keep permits for it from others, as soon as may be.
        if n == 1 && !may_take(state, n) && !has_waiters(state) && !deadline.is_now() {
            let came = Poll::maybe_for_a_partner(luck, deadline.instant(), || {
                // Relaxed: only a guess, the CAS below decides.
                state = self.state.load(Ordering::Relaxed);
                may_take(state, n)
            });
            if !came {
                deadline = deadline.or_now();
            }
        }
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
            if deadline.is_now() {
                return false;
            }
            if !has_waiters(state) && spin.spin() {
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
            let demand = Demand { permits: n, strict: is_fair(marks) };
            let enough = Cell::new(false);
            // A release since our last look either saw PARKED, and looked at the queue before we were in it; or cleared our
            // marks. Either way the word shows it (model: semaphore_starving).
            // Relaxed: under the queue lock, like all that clears marks; and whoever adds permits while PARKED is set does
            // so under the queue lock too.
            let validate = || {
                let state = self.state.load(Ordering::Relaxed);
                enough.set(permits(state) >= n);
                state & marks == marks && !may_take(state, n)
            };
            // In the queue, FAIR is set, and the permits would do for us: they are kept for somebody before us, who may have
            // timed out, or may not even be in the queue yet. Nobody else would look (model: semaphore_joins_under_fair).
            let before_sleep = || {
                if enough.get() {
                    self.make_grants();
                }
            };
            // Stale marks are allowed, and looked after below.
            let timed_out = |_, _| {};
            let park = Park::begin();
            // SAFETY: the key is the address of our own state word; `validate` is a load and comparisons, `before_sleep` may
            // unpark but does not park, and `timed_out` does nothing.
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
            if let ParkResult::Unparked(_) = result {
                luck.staying.was_parked(&park);
            }
            match result {
                // Taken from the count for us. What came before those releases we see by axiom 3.
                ParkResult::Unparked(GRANTED) => return true,
                ParkResult::Unparked(_) if patience.is_exhausted() => marks = PARKED | FAIR,
                ParkResult::Unparked(_) | ParkResult::Invalid => {}
                ParkResult::TimedOut => {
                    if demand.strict {
                        // We may have stood at the front with too few permits for us, but enough for the next (model:
                        // semaphore_timeout_lets_the_next_through); and FAIR may have been up for us alone.
                        self.make_grants();
                    }
                    return false;
                }
            }
            spin.reset();
            // Relaxed: only a guess, the CAS above decides.
            state = self.state.load(Ordering::Relaxed);
        }
    }

    /// Lets the queue have what is there. For whoever may have held it up.
    #[cold]
    fn make_grants(&self) {
        let served = self.serve(0, MAX_PERMITS);
        debug_assert!(served.is_ok(), "nothing was added");
    }

    /// Adds `n` permits, unless there would be more than `limit`, and looks after the queue.
    #[cold]
    fn serve(&self, n: usize, limit: usize) -> Result<(), AboveLimit> {
        /// What the filter decides upon, made when it sees the first waiter.
        #[derive(Clone, Copy)]
        struct Plan {
            fair: bool,
            /// Permits that are not promised yet.
            budget: usize,
            granted: usize,
            /// Somebody did not get what he needs: nobody behind him gets anything.
            held_up: bool,
            strict_left: bool,
        }
        let plan: Cell<Option<Plan>> = Cell::new(None);
        let above_limit = Cell::new(false);

        let filter = |token: ParkToken| {
            let mut now = plan.get().unwrap_or_else(|| {
                // Relaxed: under the queue lock. While FAIR is set, only grants under this lock lower the permits
                // (invariant 3), so what we grant by this value is there. While it isn't, others may take some before the
                // callback: then we wake a waiter in vain, which it is prepared for.
                let state = self.state.load(Ordering::Relaxed);
                let budget = permits(state).saturating_add(n);
                above_limit.set(budget > limit);
                Plan { fair: is_fair(state), budget, granted: 0, held_up: false, strict_left: false }
            });
            let demand = Demand::from_token(token);
            now.held_up |= above_limit.get() || demand.permits > now.budget;
            let op = if now.held_up {
                // With FAIR set we look on, to learn whether it has to stay.
                now.strict_left |= demand.strict;
                if !now.fair || now.strict_left { FilterOp::Stop } else { FilterOp::Skip }
            } else {
                now.budget -= demand.permits;
                now.granted += if now.fair { demand.permits } else { 0 };
                FilterOp::Unpark
            };
            plan.set(Some(now));
            op
        };
        let callback = |result: Unparked| {
            let (fair, granted, strict_left) =
                plan.get().map_or((false, 0, false), |plan| (plan.fair, plan.granted, plan.strict_left));
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
                if fair && strict_left {
                    next |= FAIR;
                }
                // Release: as in `release`. Acquire: pairs with the Release of earlier releases; the permits that we
                // grant may be theirs, and the waiter learns of what came before them only through us (model:
                // semaphore_grant_of_two_releases). Relaxed on failure: it is the next guess.
                // Marks that a thread has set in the meantime may be lost here: it is not in the queue yet, and its
                // `validate` finds them gone.
                match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
                    Ok(_) => return if fair { GRANTED } else { RETRY },
                    Err(actual) => state = actual,
                }
            }
        };
        // SAFETY: the key is the address of our own state word. The filter loads our word once, the callback loops on it:
        // neither unwinds (all sums are checked against the limit) nor parks.
        unsafe { parking::unpark_filter(self.key(), filter, callback) };
        if above_limit.get() { Err(AboveLimit) } else { Ok(()) }
    }

    fn key(&self) -> usize {
        (&raw const self.state).addr()
    }
}
