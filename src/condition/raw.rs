//! The condition variable: one word that says with which lock its waiters came.
//!
//! # The state word
//!
//! ```text
//! null     nobody waits
//! a lock   somebody waits in the condition's queue, and gave up this lock to do so
//! ```
//!
//! # Invariants
//!
//! 1. The word is written under the condition's queue lock only, and is non-null exactly while a thread is in the
//!    queue. (Two callbacks therefore may look at the word *and* do one thing more: it can't change meanwhile.)
//! 2. While the word is non-null, the lock that it points to is alive: the thread in the queue borrows it. (That it is freed only
//!    afterwards is ordered by the queue lock, which that thread takes to leave: the one place where we rely on it for more than
//!    axiom 3. loom does not check when memory is freed.)
//! 3. A waiter enters the queue before it gives up the lock. So whoever changes the predicate under the lock and then
//!    notifies finds every waiter that has seen the old predicate.
//! 4. A waiter that a notify has taken from the queue was notified, whatever becomes of its deadline; one that timed
//!    out has left the queue and eats no notify.
//!
//! # Notify
//!
//! ```text
//! lock free   wake the first, or all
//! lock held   move them to the queue of the lock: its unlocks wake them, one by one, or a few at a time if all were notified at once
//! ```
//!
//! A woken waiter would only queue for the lock that the notifier still holds; moving it there saves that round trip. The idea is the
//! kernel's `FUTEX_CMP_REQUEUE`; this use of it is WebKit's (Filip Pizlo, "Locking in WebKit", 2016), as in `parking_lot`. With the lock
//! free there is no reason to: those who are woken together run together, while each of a chain waits for the one before to wake up.
//!
//! # Looking before sleeping
//!
//! A thread that is in the queue and has given up the lock looks for a moment whether somebody has woken it, at a [`WakeHint`] of its own,
//! before it goes to sleep. It is in the queue all the while: nothing else changes, and a hint that comes late, or never, costs time only.

use core::cell::Cell;
use core::fmt;
use core::ptr;
use core::time::Duration;

use crate::deadline::Deadline;
use crate::error::{NotLocked, NotOwner};
use crate::lock::raw::{self, RawLock};
use crate::primitives::advice::{Luck, Park};
use crate::primitives::atomic::{AtomicPtr, Ordering};
use crate::primitives::const_fn;
use crate::primitives::parking::{self, FilterOp, ParkResult, RequeueOp, Unparked, WakeHint};
use crate::primitives::thread;
use crate::primitives::time::Instant;
use crate::rlock::raw::RawRLock;
use crate::spin::{Poll, Polling, Spin};

/// A condition variable without guards: it waits on a [`RawLock`] or a [`RawRLock`].
///
/// # Examples
///
/// ```
/// use raddle::raw::{RawCondition, RawRLock};
/// use std::time::Duration;
///
/// let (lock, condition) = (RawRLock::new(), RawCondition::new());
/// lock.lock();
/// lock.lock();
/// // Gives up both levels, waits, and takes both back, also after a timeout.
/// assert_eq!(condition.wait_for(&lock, Duration::from_millis(2)), Ok(false));
/// assert_eq!(lock.depth(), 2);
/// ```
///
/// # Coming from Python
///
/// `threading.Condition(lock)`, with the lock named at each wait.
pub struct RawCondition {
    /// See the top of the file. Never followed but under the queue lock.
    lock: AtomicPtr<RawLock>,
}

/// A lock that a [`RawCondition`] can wait on: [`RawLock`] or [`RawRLock`].
///
/// Its methods are for this crate alone: they ask for a value that nobody else can name.
pub trait RawWaitable: sealed::Sealed {
    /// What a wait says when the lock is not held.
    type NotHeld;

    /// Whether the calling thread may give up this lock.
    #[doc(hidden)]
    fn check_held(&self, _: sealed::Private) -> Result<(), Self::NotHeld>;

    /// The inner lock, by which notifies know waiters.
    #[doc(hidden)]
    fn raw_lock(&self, _: sealed::Private) -> &RawLock;

    /// Strikes the caller out as owner, and returns its levels. The inner lock is still held.
    #[doc(hidden)]
    fn give_up(&self, _: sealed::Private) -> u32;

    /// Enters the caller, who has the inner lock again, with its levels.
    #[doc(hidden)]
    fn take_back(&self, levels: u32, _: sealed::Private);
}

pub(super) mod sealed {
    /// Proof that the caller is this crate.
    #[derive(Clone, Copy, Debug)]
    pub struct Private;

    pub trait Sealed {}
    impl Sealed for super::RawLock {}
    impl Sealed for super::RawRLock {}
}
use sealed::Private;

impl RawWaitable for RawLock {
    type NotHeld = NotLocked;

    fn check_held(&self, _: Private) -> Result<(), NotLocked> {
        if self.is_locked() { Ok(()) } else { Err(NotLocked) }
    }

    fn raw_lock(&self, _: Private) -> &RawLock {
        self
    }

    fn give_up(&self, _: Private) -> u32 {
        1
    }

    fn take_back(&self, _levels: u32, _: Private) {}
}

impl RawWaitable for RawRLock {
    type NotHeld = NotOwner;

    fn check_held(&self, _: Private) -> Result<(), NotOwner> {
        if self.is_owned_by_current_thread() { Ok(()) } else { Err(NotOwner) }
    }

    fn raw_lock(&self, _: Private) -> &RawLock {
        self.inner()
    }

    fn give_up(&self, _: Private) -> u32 {
        RawRLock::give_up(self)
    }

    fn take_back(&self, levels: u32, _: Private) {
        RawRLock::take_back(self, levels);
    }
}

impl RawCondition {
    const_fn! {
        /// A condition that nobody waits for.
        pub const fn new() -> RawCondition {
            RawCondition { lock: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// Gives up the lock, every level of it, and blocks until notified; then takes it back.
    ///
    /// # Errors
    ///
    /// If the lock is not held (a [`RawLock`]: by nobody; a [`RawRLock`]: not by the calling thread).
    ///
    /// # Panics
    ///
    /// If other threads wait for this condition with another lock. The lock is still held then.
    pub fn wait<L: RawWaitable>(&self, lock: &L) -> Result<(), L::NotHeld> {
        lock.check_held(Private)?;
        self.wait_deadline(lock, Deadline::Never, "RawCondition::wait");
        Ok(())
    }

    /// [`wait`](RawCondition::wait), for `timeout` at most. `Ok(true)`: notified. `Ok(false)`: the timeout passed. The
    /// lock is held again either way.
    ///
    /// # Errors
    ///
    /// As [`wait`](RawCondition::wait).
    ///
    /// # Panics
    ///
    /// As [`wait`](RawCondition::wait).
    pub fn wait_for<L: RawWaitable>(&self, lock: &L, timeout: Duration) -> Result<bool, L::NotHeld> {
        lock.check_held(Private)?;
        Ok(self.wait_deadline(lock, Deadline::after(timeout), "RawCondition::wait_for"))
    }

    /// [`wait`](RawCondition::wait), until `deadline` at most. `Ok(true)`: notified. `Ok(false)`: the deadline passed. The
    /// lock is held again either way.
    ///
    /// # Errors
    ///
    /// As [`wait`](RawCondition::wait).
    ///
    /// # Panics
    ///
    /// As [`wait`](RawCondition::wait).
    pub fn wait_until<L: RawWaitable>(&self, lock: &L, deadline: Instant) -> Result<bool, L::NotHeld> {
        lock.check_held(Private)?;
        Ok(self.wait_deadline(lock, Deadline::At(deadline), "RawCondition::wait_until"))
    }

    /// Notifies the thread that has waited longest; says whether there was one. A notify of nobody is not remembered.
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.notify_first(false) != 0
    }

    /// Notifies the `n` threads that have waited longest, or all if they are fewer; says how many they were. One by one: call it
    /// with the lock held if a thread that is through already and waits again must not be among them.
    pub fn notify(&self, n: usize) -> usize {
        (0..n).take_while(|_| self.notify_one()).count()
    }

    /// Notifies every thread that waits; says how many they were.
    #[inline]
    pub fn notify_all(&self) -> usize {
        self.notify_first(true)
    }

    /// Whether it was notified. The caller holds `lock`, and does so again afterwards.
    pub(crate) fn wait_deadline<L: RawWaitable>(
        &self,
        lock: &L,
        deadline: Deadline,
        call: &'static str,
    ) -> bool {
        let raw_lock = lock.raw_lock(Private);
        let deadline = deadline.or_now();
        if deadline.is_now() {
            // There is no time to be notified in, but others get their turn: handed over, or we would be back before them.
            let levels = lock.give_up(Private);
            // An error is a race of two releases, and the caller's: then there is nothing left to release.
            let _ = raw_lock.checked_unlock_fair();
            raw_lock.lock();
            lock.take_back(levels, Private);
            return false;
        }
        let wanted = ptr::from_ref(raw_lock).cast_mut();
        let levels = Cell::new(0);
        let notified = Cell::new(true);
        let is_first = Cell::new(false);
        let hint = WakeHint::new();
        let validate = || {
            // Release: pairs with the Acquires in `wake_if_free` and `move_or_wake`, which follows the pointer: the lock may be younger than
            // the notifier's last look at anything (model: condition_one_lock_after_another_timed). Relaxed on failure:
            // we only compare.
            match self.lock.compare_exchange(ptr::null_mut(), wanted, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    is_first.set(true);
                    true
                }
                Err(actual) => actual == wanted,
            }
        };
        let luck = Luck::of(self.key());
        let sleeps = Cell::new(None);
        // Only now, with this thread in the queue (invariant 3). The other order loses a notify: we give up the lock,
        // another thread makes the predicate true and notifies nobody, and then we wait (model: condition_notify).
        let before_sleep = || {
            levels.set(lock.give_up(Private));
            // An error: as above.
            let _ = raw_lock.checked_unlock();
            sleeps.set(look(&hint, is_first.get().then_some(luck), deadline.instant()));
        };
        let timed_out = |key, was_last| {
            // Found in the queue of the lock: a notify had moved us there (invariant 4).
            notified.set(key != self.key());
            if was_last && !notified.get() {
                // Relaxed: null leads nowhere. By a read-modify-write, like every write here.
                self.lock.swap(ptr::null_mut(), Ordering::Relaxed);
            }
        };
        // SAFETY: the key is the address of our own word; `validate` and `timed_out` do one operation on it, and
        // `before_sleep` unlocks, which may unpark but never parks, and looks at a word. The token is that of a hint which lives longer than the
        // thread is in a queue.
        let result = unsafe {
            parking::park(self.key(), validate, before_sleep, timed_out, hint.token(), deadline.instant())
        };
        if let (ParkResult::Unparked(_), Some(park)) = (result, sleeps.take()) {
            luck.staying.was_parked(&park);
        }
        match result {
            ParkResult::Invalid => two_locks(call),
            // Moved to the queue of the lock, and then given it.
            ParkResult::Unparked(raw::HANDED_OFF) => {}
            // Others were moved behind us, or were left in the queue of the lock: we answer for them.
            ParkResult::Unparked(raw::MORE) => raw_lock.lock_answering_for_others(),
            ParkResult::Unparked(_) | ParkResult::TimedOut => raw_lock.lock(),
        }
        lock.take_back(levels.get(), Private);
        notified.get()
    }

    #[inline]
    fn notify_first(&self, all: bool) -> usize {
        // Relaxed: whoever has to be notified entered the queue, and so wrote the word, before it gave up the lock; and
        // the caller has had the lock since, or has no claim on being seen.
        let lock = self.lock.load(Ordering::Relaxed);
        if lock.is_null() { 0 } else { self.notify_slow(lock, all) }
    }

    #[cold]
    fn notify_slow(&self, lock: *mut RawLock, all: bool) -> usize {
        self.wake_if_free(all).unwrap_or_else(|| self.move_or_wake(lock, all))
    }

    /// Wakes the first, or all, and says how many they were; unless the lock is held.
    fn wake_if_free(&self, all: bool) -> Option<usize> {
        let is_held = Cell::new(None);
        let filter = |token| {
            let is_next = match is_held.get() {
                None => {
                    // Acquire: as in `move_or_wake`.
                    let lock = self.lock.load(Ordering::Acquire);
                    // SAFETY: this waiter is in the queue, which we have locked, so the word is not null (invariant 1), and the
                    // waiter borrows the lock that it points to (invariant 2).
                    is_held.set(Some(unsafe { (*lock).is_locked() }));
                    is_held.get() == Some(false)
                }
                Some(is_held) => all && !is_held,
            };
            if !is_next && all {
                // They will be moved, and may be woken several at a time.
                // SAFETY: as below.
                unsafe { WakeHint::join_neighbours(token) };
                return FilterOp::Skip;
            }
            if !is_next {
                return FilterOp::Stop;
            }
            // SAFETY: this is a filter, and the waiters of a condition park by such tokens.
            unsafe { WakeHint::give(token) };
            FilterOp::Unpark
        };
        let callback = |result: Unparked| {
            if result.unparked > 0 && !result.have_more {
                // Relaxed: null leads nowhere. By a read-modify-write, like every write here.
                self.lock.swap(ptr::null_mut(), Ordering::Relaxed);
            }
            // Nobody was moved, so there is nobody to answer for.
            raw::LAST
        };
        // SAFETY: the key is the address of our own word. The filter looks at it and, once, at that of the lock, which may change at any time: it
        // only decides who does the waking. The callback does one operation on ours.
        let result = unsafe { parking::unpark_filter(self.key(), filter, callback) };
        (is_held.get() != Some(true)).then_some(result.unparked)
    }

    /// Moves the first, or all, to the queue of the lock; or wakes one, if the lock has become free.
    fn move_or_wake(&self, mut lock: *mut RawLock, all: bool) -> usize {
        loop {
            let found = Cell::new(lock);
            let validate = || {
                // Acquire: pairs with the Release in `wait_deadline`; we are about to follow the pointer. It can't change
                // under the queue lock (invariant 1).
                found.set(self.lock.load(Ordering::Acquire));
                if found.get() != lock {
                    return RequeueOp::Abort;
                }
                // SAFETY: the word is not null and we hold the queue lock, so a waiter is in the queue, and it borrows
                // the lock (invariant 2).
                let held = unsafe { (*lock).mark_parked_if_locked() };
                match (held, all) {
                    (true, true) => RequeueOp::RequeueAll,
                    (true, false) => RequeueOp::RequeueOne,
                    (false, true) => RequeueOp::UnparkOneRequeueRest,
                    (false, false) => RequeueOp::UnparkOne,
                }
            };
            let callback = |_, result: Unparked| {
                if !result.have_more {
                    // Relaxed: null leads nowhere. By a read-modify-write, like every write here.
                    self.lock.swap(ptr::null_mut(), Ordering::Relaxed);
                }
                // The lock is free, so its word can't say PARKED for those that were moved: the one that wakes answers
                // for them.
                raw::wake_token(result.requeued > 0)
            };
            // SAFETY: the keys are the addresses of our own word and of the lock's state, where the lock's waiters park
            // too, by the same tokens. `validate` does an operation on each, which the proof at the top allows; the
            // callback does one on ours.
            let result =
                unsafe { parking::unpark_requeue(self.key(), RawLock::key_at(lock), validate, callback) };
            if found.get() == lock {
                return result.unparked + result.requeued;
            }
            // All have left since, and perhaps others have come, with another lock.
            lock = found.get();
            if lock.is_null() {
                return 0;
            }
        }
    }

    fn key(&self) -> usize {
        (&raw const self.lock).addr()
    }
}

/// How often a thread that waits alone offers the processor.
const YIELDS: u32 = 7;

/// Looks for a moment whether it was woken, for as long as the luck of the place says, which is that of a thread that waits alone; if it was not, says since when it
/// sleeps. It gives the processor away sooner if others were waiting before it (and then there is no luck): they may be many.
fn look(hint: &WakeHint, luck: Option<&Luck>, deadline: Option<Instant>) -> Option<Park> {
    if let Some(luck) = luck {
        Poll::new(Polling::for_a_partner(YIELDS)).until_at(luck, deadline, || hint.is_given());
    } else {
        let mut spin = Spin::new();
        while !hint.is_given() && spin.spin() {}
    }
    if hint.is_given() {
        // The thread that gave the hint has a few steps left until it is true, and whoever looks too early asks the system.
        thread::pause(MOMENTS_AFTER_HINT);
        return None;
    }
    luck.map(|_| Park::begin())
}

/// See [`look`].
const MOMENTS_AFTER_HINT: u32 = 8;

#[cold]
fn two_locks(call: &'static str) -> ! {
    panic!("{call}: other threads wait for this condition with another lock");
}

impl Default for RawCondition {
    fn default() -> RawCondition {
        RawCondition::new()
    }
}

impl fmt::Debug for RawCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawCondition { .. }")
    }
}
