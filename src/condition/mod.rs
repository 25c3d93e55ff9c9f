//! `Condition`: a [`RawCondition`] that waits with guards.

pub(crate) mod raw;

use core::fmt;
use core::time::Duration;

use crate::deadline::Deadline;
use crate::lock::{ArcLockGuard, LockGuard};
use crate::primitives::time::Instant;
use crate::rlock::{ArcRLockGuard, RLockGuard};

use raw::{RawCondition, RawWaitable};

/// Lets threads that hold a lock wait until another says that something has changed.
///
/// 8 bytes, no allocation, no spurious wakeups. It works with the guards of [`Lock`](crate::Lock) and of
/// [`RLock`](crate::RLock), whose every level it gives up and takes back.
///
/// # Examples
///
/// ```
/// use raddle::{Condition, Lock};
///
/// static READY: Lock<bool> = Lock::new(false);
/// static CHANGED: Condition = Condition::new();
///
/// std::thread::scope(|s| {
///     s.spawn(|| {
///         let mut ready = READY.lock();
///         CHANGED.wait_while(&mut ready, |ready| !*ready);
///         assert!(*ready);
///     });
///     *READY.lock() = true;
///     CHANGED.notify_all();
/// });
/// ```
///
/// # Fairness
///
/// First come, first notified. A notify under the lock wakes nobody who could not go on: it moves the waiters to the queue of the lock, in
/// order, where each release wakes the first. Those that [`notify_all`](Condition::notify_all) has moved are woken a few at a time, and with the lock free all
/// at once: they get the lock in whatever order they happen to run.
///
/// A thread that begins to wait stays awake for a few microseconds first: with an answer that comes at once it need not sleep. If it waits alone, it may stay
/// awake for up to some 80 µs, while nobody else wants its processor and as long as that has been worth while of late.
///
/// # Timeouts
///
/// [`wait_for`](Condition::wait_for) and [`wait_until`](Condition::wait_until) say whether they were notified. The lock is
/// held again in either case, and getting it back may take longer than the timeout. A waiter that times out leaves the
/// queue and eats nobody's notify; one that was notified just before its deadline says true.
///
/// # Panics
///
/// All threads that wait at the same time must have come with the same lock: a wait with another one panics, with its
/// lock still held. One lock after the other is fine.
///
/// # Memory ordering
///
/// That of the lock: what the notifier did while it held the lock, the waiter sees when it holds it again.
///
/// # Under loom
///
/// Both outcomes of every timed wait are explored.
///
/// # Coming from Python
///
/// `threading.Condition`. The lock is not part of it: each wait names it by its guard. Python's
/// `wait_for(predicate)` is [`wait_while`](Condition::wait_while) with the sense turned round; our `wait_for` is Python's
/// `wait(timeout)`. A notify needs no lock here, but change the predicate under the lock.
///
/// # Differences from `std` and `parking_lot`
///
/// `std::sync::Condvar` may wake spuriously and in any order. `parking_lot::Condvar` does not work with its reentrant
/// lock, and has no `notify(n)`.
///
/// # How it works
///
/// The chapter `docs/condition.md` in the repository.
#[derive(Default)]
pub struct Condition {
    raw: RawCondition,
}

/// A guard that a [`Condition`] can wait with: those of a [`Lock`](crate::Lock), and those of an [`RLock`](crate::RLock) whose
/// data is [`WaitableData`].
///
/// `M` is found by the compiler, and of no further interest.
#[diagnostic::on_unimplemented(
    message = "a condition cannot wait with `{Self}`",
    note = "with the guard of an `RLock<T>` it can if `T` is `Sync`, a `Cell`, or a `RefCell` of such data: see `raddle::WaitableData`"
)]
pub trait ConditionGuard<M>: for<'d> ConditionData<'d> {}

/// What a [`ConditionGuard`] shows a predicate.
///
/// (A trait of its own, in place of an associated type with a lifetime: the default of `Bound` implies `Self: 'd`, so that "for
/// every `'d`" in the bound of a predicate means "for every `'d` that the guard lives for". An associated
/// `Data<'d> where Self: 'd` would ask for guards that live for ever.)
pub trait ConditionData<'d, Bound = &'d Self>: sealed::Sealed {
    /// `&mut T` by the guards of a [`Lock`](crate::Lock), `&T` by those of an [`RLock`](crate::RLock).
    type Data;

    #[doc(hidden)]
    fn data(&'d mut self) -> Self::Data;
}

/// Data of an [`RLock`](crate::RLock) that a [`Condition`] may give up every level of.
///
/// A thread may hold several guards of one `RLock`, and references to the data from each. A wait lets other threads at the same
/// data while those references live on, asleep. So the data has to stand being looked at from several threads, one of which runs
/// at a time: anything that is `Sync` does; so do `Cell`s, and `RefCell`s and `OnceCell`s of such data (a `RefMut` that sleeps is
/// seen by the others as a borrow, and refused). What doesn't is data that is tied to its thread by other means.
///
/// `M` is found by the compiler: it tells the implementations apart.
///
/// ```
/// use raddle::{Condition, RLock};
/// use std::cell::{Cell, RefCell};
/// use std::time::Duration;
///
/// let condition = Condition::new();
/// let moment = Duration::from_millis(1);
///
/// let (count, list) = (RLock::new(Cell::new(0)), RLock::new(RefCell::new(vec![1])));
/// condition.wait_for(&mut count.lock(), moment);
/// condition.wait_while_for(&mut list.lock(), |list| list.borrow().is_empty(), moment);
/// ```
///
/// A type of your own that is not `Sync` goes into a `RefCell` (or has this trait implemented for it, if you can promise what it
/// asks):
///
/// ```compile_fail,E0277
/// use raddle::{Condition, RLock};
/// use std::cell::Cell;
///
/// struct Both(Cell<u32>, Cell<u32>);
/// let lock = RLock::new(Both(Cell::new(1), Cell::new(2)));
/// Condition::new().wait(&mut lock.lock());
/// ```
///
/// # Safety
///
/// A thread that holds references to the data and is blocked must not be harmed by what other threads do through references of
/// their own, one thread at a time.
pub unsafe trait WaitableData<M> {}

/// Tells the [`WaitableData`] of `Sync` types from that of others.
#[derive(Debug)]
pub struct BySync;
/// Tells the [`WaitableData`] of cells from that of `Sync` types.
#[derive(Debug)]
pub struct ByCell<M>(core::marker::PhantomData<M>);

// SAFETY: `Sync` asks for more: several threads that all run.
unsafe impl<T: ?Sized + Sync> WaitableData<BySync> for T {}
// SAFETY: nobody gets a reference into a `Cell`, but to other `Cell`s: the data only moves in and out, one thread at a time, and
// may go from thread to thread.
unsafe impl<T: ?Sized + Send> WaitableData<ByCell<()>> for core::cell::Cell<T> {}
// SAFETY: its count of borrows is kept by one thread at a time, ordered by the lock. A mutable borrow that sleeps keeps the others
// out; a shared one shares the data, which stands it.
unsafe impl<T: ?Sized + Send + WaitableData<M>, M> WaitableData<ByCell<M>> for core::cell::RefCell<T> {}
// SAFETY: it is written once, by one thread; then it shares the data, which stands it. A thread that sleeps while it makes the data
// finds that another was faster, and panics.
unsafe impl<T: Send + WaitableData<M>, M> WaitableData<ByCell<M>> for core::cell::OnceCell<T> {}

mod sealed {
    use super::RawWaitable;
    pub(super) use super::raw::sealed::Private;

    /// The methods are for this crate alone: they ask for a value that nobody else can name.
    pub trait Sealed {
        type Raw: RawWaitable;

        fn raw(&self, _: Private) -> &Self::Raw;
        fn end_access(&mut self, _: Private);
        fn begin_access(&mut self, _: Private);
    }
}
use sealed::Private;

macro_rules! condition_guard {
    ($($Guard:ty, $Raw:ty, $Data:ty, |$guard:ident| $data:expr;)*) => {$(
        impl<'d, T: ?Sized> ConditionData<'d> for $Guard {
            type Data = $Data;

            fn data(&'d mut self) -> Self::Data {
                let $guard = self;
                $data
            }
        }

        impl<T: ?Sized> sealed::Sealed for $Guard {
            type Raw = $Raw;

            fn raw(&self, _: Private) -> &$Raw {
                <$Guard>::raw(self)
            }

            fn end_access(&mut self, _: Private) {
                <$Guard>::end_access(self);
            }

            #[cfg_attr(feature = "loom", track_caller)]
            fn begin_access(&mut self, _: Private) {
                <$Guard>::begin_access(self);
            }
        }
    )*};
}

condition_guard! {
    LockGuard<'_, T>, crate::raw::RawLock, &'d mut T, |guard| &mut **guard;
    ArcLockGuard<T>, crate::raw::RawLock, &'d mut T, |guard| &mut **guard;
    RLockGuard<'_, T>, crate::raw::RawRLock, &'d T, |guard| &**guard;
    ArcRLockGuard<T>, crate::raw::RawRLock, &'d T, |guard| &**guard;
}

// There is one guard of a `Lock`, and it is borrowed exclusively while it waits.
impl<T: ?Sized> ConditionGuard<()> for LockGuard<'_, T> {}
impl<T: ?Sized> ConditionGuard<()> for ArcLockGuard<T> {}
impl<T: ?Sized + WaitableData<M>, M> ConditionGuard<M> for RLockGuard<'_, T> {}
impl<T: ?Sized + WaitableData<M>, M> ConditionGuard<M> for ArcRLockGuard<T> {}

impl Condition {
    crate::primitives::const_fn! {
        /// A condition that nobody waits for.
        #[inline]
        pub const fn new() -> Condition {
            Condition { raw: RawCondition::new() }
        }
    }

    /// Gives up the lock and blocks until notified; then takes the lock back. Of an [`RLock`](crate::RLock) it gives up
    /// every level and takes as many back; see [`WaitableData`] for what may be inside.
    ///
    /// # Panics
    ///
    /// If other threads wait with another lock. The lock is still held then.
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn wait<M, G: ConditionGuard<M>>(&self, guard: &mut G) {
        self.wait_deadline(guard, Deadline::Never, "Condition::wait");
    }

    /// [`wait`](Condition::wait), for `timeout` at most. Says whether it was notified.
    ///
    /// ```
    /// # use raddle::{Condition, Lock};
    /// # use std::time::Duration;
    /// let (lock, condition) = (Lock::new(()), Condition::new());
    /// let mut guard = lock.lock();
    /// assert!(!condition.wait_for(&mut guard, Duration::from_millis(2)));
    /// ```
    ///
    /// # Panics
    ///
    /// As [`wait`](Condition::wait).
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn wait_for<M, G: ConditionGuard<M>>(&self, guard: &mut G, timeout: Duration) -> bool {
        self.wait_deadline(guard, Deadline::after(timeout), "Condition::wait_for")
    }

    /// [`wait`](Condition::wait), until `deadline` at most. Says whether it was notified.
    ///
    /// # Panics
    ///
    /// As [`wait`](Condition::wait).
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn wait_until<M, G: ConditionGuard<M>>(&self, guard: &mut G, deadline: Instant) -> bool {
        self.wait_deadline(guard, Deadline::At(deadline), "Condition::wait_until")
    }

    /// Waits for as long as `predicate` says true. It is asked with the lock held: first before any waiting, then after
    /// each notify. If it panics, the panic goes on with the lock held.
    ///
    /// The predicate is shown the data: `&mut T` of a `Lock<T>`, `&T` of an `RLock<T>`.
    ///
    /// ```
    /// # use raddle::{Condition, Lock};
    /// let (lock, changed) = (Lock::new(0), Condition::new());
    /// std::thread::scope(|s| {
    ///     s.spawn(|| {
    ///         let mut count = lock.lock();
    ///         changed.wait_while(&mut count, |count| *count < 3);
    ///         assert_eq!(*count, 3);
    ///     });
    ///     for _ in 0..3 {
    ///         *lock.lock() += 1;
    ///         changed.notify_one();
    ///     }
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`wait`](Condition::wait).
    #[doc(alias = "wait_for")]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn wait_while<M, G: ConditionGuard<M>>(
        &self,
        guard: &mut G,
        predicate: impl FnMut(<G as ConditionData<'_>>::Data) -> bool,
    ) {
        self.wait_while_deadline(guard, predicate, Deadline::Never, "Condition::wait_while");
    }

    /// [`wait_while`](Condition::wait_while), for `timeout` at most, all retries together. Says whether the predicate
    /// has become false: it is asked once more after the timeout.
    ///
    /// # Panics
    ///
    /// As [`wait`](Condition::wait).
    #[doc(alias = "wait_for")]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn wait_while_for<M, G: ConditionGuard<M>>(
        &self,
        guard: &mut G,
        predicate: impl FnMut(<G as ConditionData<'_>>::Data) -> bool,
        timeout: Duration,
    ) -> bool {
        self.wait_while_deadline(guard, predicate, Deadline::after(timeout), "Condition::wait_while_for")
    }

    /// [`wait_while`](Condition::wait_while), until `deadline` at most. Says whether the predicate has become false.
    ///
    /// # Panics
    ///
    /// As [`wait`](Condition::wait).
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn wait_while_until<M, G: ConditionGuard<M>>(
        &self,
        guard: &mut G,
        predicate: impl FnMut(<G as ConditionData<'_>>::Data) -> bool,
        deadline: Instant,
    ) -> bool {
        self.wait_while_deadline(guard, predicate, Deadline::At(deadline), "Condition::wait_while_until")
    }

    /// Notifies the thread that has waited longest; says whether there was one. A notify of nobody is not remembered.
    #[doc(alias = "notify")]
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.raw.notify_one()
    }

    /// Notifies the `n` threads that have waited longest, or all if they are fewer; says how many they were. One by one: call it
    /// with the lock held if a thread that is through already and waits again must not be among them.
    #[inline]
    pub fn notify(&self, n: usize) -> usize {
        self.raw.notify(n)
    }

    /// Notifies every thread that waits; says how many they were. They get the lock one by one, in whatever order they happen to run.
    #[inline]
    pub fn notify_all(&self) -> usize {
        self.raw.notify_all()
    }

    /// Waits with `deadline`, which callers with several waits in one call keep across them.
    #[cfg_attr(feature = "loom", track_caller)]
    pub(crate) fn wait_deadline<M, G: ConditionGuard<M>>(
        &self,
        guard: &mut G,
        deadline: Deadline,
        call: &'static str,
    ) -> bool {
        /// Begins the guard's access again, also if the wait panics: the lock is held in either case.
        struct BeginAccess<'g, G: sealed::Sealed>(&'g mut G);

        impl<G: sealed::Sealed> Drop for BeginAccess<'_, G> {
            fn drop(&mut self) {
                self.0.begin_access(Private);
            }
        }

        guard.end_access(Private);
        let guard = BeginAccess(guard);
        self.raw.wait_deadline(guard.0.raw(Private), deadline, call)
    }

    #[cfg_attr(feature = "loom", track_caller)]
    fn wait_while_deadline<M, G: ConditionGuard<M>>(
        &self,
        guard: &mut G,
        mut predicate: impl FnMut(<G as ConditionData<'_>>::Data) -> bool,
        deadline: Deadline,
        call: &'static str,
    ) -> bool {
        let mut in_time = true;
        loop {
            if !predicate(guard.data()) {
                return true;
            }
            if !in_time {
                return false;
            }
            in_time = self.wait_deadline(guard, deadline, call);
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condition { .. }")
    }
}
