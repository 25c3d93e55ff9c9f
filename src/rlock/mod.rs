//! `RLock<T>`: data behind a [`RawRLock`].

pub(crate) mod raw;

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::time::Duration;
use std::sync::Arc;

use crate::primitives::cell::{RefAccess, TrackedCell};
use crate::primitives::time::Instant;

use raw::RawRLock;

/// A lock that the thread that holds it can acquire again.
///
/// Its guard gives `&T`, since there may be several guards at once in one thread; for data to change, put a `Cell`
/// or `RefCell` inside. 16 bytes beside the data.
///
/// # Examples
///
/// ```
/// use raddle::RLock;
/// use std::cell::Cell;
///
/// static COUNT: RLock<Cell<u32>> = RLock::new(Cell::new(0));
///
/// fn one() {
///     let count = COUNT.lock();
///     count.set(count.get() + 1);
/// }
///
/// let outer = COUNT.lock();
/// one(); // takes the lock again
/// assert_eq!(outer.get(), 1);
/// assert_eq!(COUNT.depth(), 1);
/// ```
///
/// # Fairness
///
/// That of [`Lock`](crate::Lock): barging, with starvation bounded to about half a millisecond and one release.
///
/// # Timeouts
///
/// [`try_lock_for`](RLock::try_lock_for) and [`try_lock_until`](RLock::try_lock_until) give up at the deadline. Zero
/// and deadlines in the past do not block; a timeout too long for the clock is none.
///
/// # Panics
///
/// A thread that holds it `u32::MAX` times and asks once more panics; the lock stays held as it was. No poisoning.
/// When a thread ends without dropping its guards (they were leaked), the lock stays locked for ever: thread ids are
/// never reused, so no later thread is taken for the owner.
///
/// # Memory ordering
///
/// Everything before the release of the last level happens before everything after the next thread's acquisition.
///
/// # Under loom
///
/// Races on the data are found if it tracks its accesses itself (a `loom::cell::Cell` inside); that the lock orders
/// its owners is checked in any case, on its count of levels.
///
/// # Coming from Python
///
/// `threading.RLock`. `acquire` is [`lock`](RLock::lock), `release` the drop of a guard.
///
/// # Differences from `std` and `parking_lot`
///
/// `std`'s `ReentrantLock` is not stable yet; `parking_lot`'s `ReentrantMutex` cannot be waited with on a condition
/// variable, where [`Condition`](crate::Condition) gives up every level and takes them all back.
///
/// # How it works
///
/// The chapter `docs/rlock.md` in the repository.
pub struct RLock<T: ?Sized> {
    raw: RawRLock,
    data: TrackedCell<T>,
}

// SAFETY: moving the lock moves the data.
unsafe impl<T: ?Sized + Send> Send for RLock<T> {}
// SAFETY: a shared `RLock` gives `&T` to one thread at a time. That is the data going from thread to thread, with
// nobody else looking meanwhile: it asks `T: Send`, and not `Sync`.
unsafe impl<T: ?Sized + Send> Sync for RLock<T> {}

impl<T> RLock<T> {
    crate::primitives::const_fn! {
        /// A lock that nobody owns, round `data`.
        #[inline]
        pub const fn new(data: T) -> RLock<T> {
            RLock { raw: RawRLock::new(), data: TrackedCell::new(data) }
        }
    }

    /// Takes the data out.
    #[inline]
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> RLock<T> {
    /// Acquires the lock, once more if this thread owns it already; blocks for as long as another does.
    ///
    /// # Panics
    ///
    /// If this thread has acquired it `u32::MAX` times already. The lock stays held as it was.
    #[doc(alias = "acquire")]
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn lock(&self) -> RLockGuard<'_, T> {
        self.raw.lock();
        RLockGuard::new(self)
    }

    /// Acquires the lock if no other thread owns it. Never blocks.
    ///
    /// # Panics
    ///
    /// As [`lock`](RLock::lock).
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock(&self) -> Option<RLockGuard<'_, T>> {
        self.raw.try_lock().then(|| RLockGuard::new(self))
    }

    /// Acquires the lock, or gives up when `timeout` has passed. Zero does not block.
    ///
    /// # Panics
    ///
    /// As [`lock`](RLock::lock).
    #[doc(alias = "acquire")]
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_for(&self, timeout: Duration) -> Option<RLockGuard<'_, T>> {
        self.raw.try_lock_for(timeout).then(|| RLockGuard::new(self))
    }

    /// Acquires the lock, or gives up at `deadline`. A deadline in the past does not block.
    ///
    /// # Panics
    ///
    /// As [`lock`](RLock::lock).
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_until(&self, deadline: Instant) -> Option<RLockGuard<'_, T>> {
        self.raw.try_lock_until(deadline).then(|| RLockGuard::new(self))
    }

    /// Acquires the lock with a guard that keeps the `Arc` and borrows nothing. It must still be dropped by the
    /// thread that made it, so it is not `Send`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn lock_arc(self: &Arc<Self>) -> ArcRLockGuard<T> {
        self.raw.lock();
        ArcRLockGuard::new(Arc::clone(self))
    }

    /// [`try_lock`](RLock::try_lock), with a guard that keeps the `Arc`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_arc(self: &Arc<Self>) -> Option<ArcRLockGuard<T>> {
        self.raw.try_lock().then(|| ArcRLockGuard::new(Arc::clone(self)))
    }

    /// [`try_lock_for`](RLock::try_lock_for), with a guard that keeps the `Arc`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_arc_for(self: &Arc<Self>, timeout: Duration) -> Option<ArcRLockGuard<T>> {
        self.raw.try_lock_for(timeout).then(|| ArcRLockGuard::new(Arc::clone(self)))
    }

    /// [`try_lock_until`](RLock::try_lock_until), with a guard that keeps the `Arc`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_arc_until(self: &Arc<Self>, deadline: Instant) -> Option<ArcRLockGuard<T>> {
        self.raw.try_lock_until(deadline).then(|| ArcRLockGuard::new(Arc::clone(self)))
    }

    /// Whether any thread owns the lock. By the time you read the answer it may have changed, unless it is you.
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// Whether the calling thread owns the lock.
    #[inline]
    pub fn is_owned_by_current_thread(&self) -> bool {
        self.raw.is_owned_by_current_thread()
    }

    /// How often the calling thread has acquired the lock and not released it: 0 if it is not the owner, whoever is.
    #[inline]
    pub fn depth(&self) -> u32 {
        self.raw.depth()
    }

    /// The data, without locking: the exclusive borrow shows that nobody else is here.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<T: Default> Default for RLock<T> {
    fn default() -> RLock<T> {
        RLock::new(T::default())
    }
}

impl<T> From<T> for RLock<T> {
    fn from(data: T) -> RLock<T> {
        RLock::new(data)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RLock<T> {
    /// Shows the data if no other thread owns the lock at that moment; never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RLock");
        // Not at full depth: that would panic.
        let guard = if self.depth() == u32::MAX { None } else { self.try_lock() };
        match guard {
            Some(guard) => out.field("data", &&*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.finish()
    }
}

/// One level of a held [`RLock`]; dropping it gives the level up. It stays in its thread.
#[must_use = "if unused, the lock is released at once"]
pub struct RLockGuard<'a, T: ?Sized> {
    lock: &'a RLock<T>,
    access: RefAccess,
    /// Not `Send`: the thread that acquired it must release it.
    marker: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives `&T`, which asks `T: Sync`, and `&RLock<T>`, which asks `T: Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RLockGuard<'_, T> {}

impl<'a, T: ?Sized> RLockGuard<'a, T> {
    /// For whoever has just acquired `lock`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    fn new(lock: &'a RLock<T>) -> RLockGuard<'a, T> {
        RLockGuard { lock, access: lock.data.begin_ref(), marker: PhantomData }
    }

    /// Gives this level up; if it is the last, by handing the lock to the thread that has waited longest, if there
    /// is one.
    pub fn unlock_fair(guard: Self) {
        let mut guard = ManuallyDrop::new(guard);
        guard.access.end();
        guard.lock.raw.unlock_fair_as_owner();
    }

    /// Gives up this guard's level, runs `f`, and takes the level again, also when `f` panics. Other threads get in
    /// only if it was the last level: other guards of this thread still promise their data to it.
    pub fn unlocked<R>(guard: &mut Self, f: impl FnOnce() -> R) -> R {
        struct Relock<'g, 'a, T: ?Sized>(&'g mut RLockGuard<'a, T>);

        impl<T: ?Sized> Drop for Relock<'_, '_, T> {
            fn drop(&mut self) {
                self.0.lock.raw.lock();
                self.0.begin_access();
            }
        }

        guard.end_access();
        // SAFETY: the guard is one level of this thread's, and `Relock` takes it again before it can be used.
        unsafe { guard.lock.raw.unlock() };
        let _relock = Relock(guard);
        f()
    }

    /// Narrows the guard to a part of the data.
    pub fn map<U: ?Sized>(guard: Self, f: impl FnOnce(&T) -> &U) -> MappedRLockGuard<'a, U> {
        // `f` may panic: `guard` is still armed then. The part is borrowed from the lock's data, not the guard.
        // SAFETY: the level that the guard stands for, and with it the data, is kept by the mapped guard.
        let value: *const U = f(unsafe { &*guard.lock.data.get() });
        let mut guard = ManuallyDrop::new(guard);
        MappedRLockGuard { raw: &guard.lock.raw, value, access: guard.access.take(), marker: PhantomData }
    }

    /// The lock that this guard holds.
    pub fn lock(guard: &Self) -> &'a RLock<T> {
        guard.lock
    }

    pub(crate) fn raw(&self) -> &'a RawRLock {
        &self.lock.raw
    }

    /// Before the lock is given up with the guard alive; the guard must not be used before
    /// [`begin_access`](Self::begin_access).
    pub(crate) fn end_access(&mut self) {
        self.access.end();
    }

    /// After the lock is held again.
    #[cfg_attr(feature = "loom", track_caller)]
    pub(crate) fn begin_access(&mut self) {
        self.access = self.lock.data.begin_ref();
    }
}

impl<T: ?Sized> Deref for RLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread owns the lock for as long as the guard lives, and nobody ever makes a `&mut T` from a
        // shared `RLock`.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for RLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.access.end();
        // SAFETY: the guard is one level of this thread's, and is going away; it is not `Send`.
        unsafe { self.lock.raw.unlock() };
    }
}

/// One level of a held [`RLock`], narrowed to a part of its data by [`RLockGuard::map`].
#[must_use = "if unused, the lock is released at once"]
pub struct MappedRLockGuard<'a, U: ?Sized> {
    raw: &'a RawRLock,
    value: *const U,
    access: RefAccess,
    marker: PhantomData<&'a U>,
}

// SAFETY: a shared guard gives `&U` and nothing else.
unsafe impl<U: ?Sized + Sync> Sync for MappedRLockGuard<'_, U> {}

impl<'a, U: ?Sized> MappedRLockGuard<'a, U> {
    /// Narrows the guard further.
    pub fn map<V: ?Sized>(guard: Self, f: impl FnOnce(&U) -> &V) -> MappedRLockGuard<'a, V> {
        // SAFETY: as in `RLockGuard::map`.
        let value: *const V = f(unsafe { &*guard.value });
        let mut guard = ManuallyDrop::new(guard);
        MappedRLockGuard { raw: guard.raw, value, access: guard.access.take(), marker: PhantomData }
    }

    /// As [`RLockGuard::unlock_fair`].
    pub fn unlock_fair(guard: Self) {
        let mut guard = ManuallyDrop::new(guard);
        guard.access.end();
        guard.raw.unlock_fair_as_owner();
    }
}

impl<U: ?Sized> Deref for MappedRLockGuard<'_, U> {
    type Target = U;

    #[inline]
    fn deref(&self) -> &U {
        // SAFETY: `value` points into the data of a lock that this thread owns and that outlives `'a`.
        unsafe { &*self.value }
    }
}

impl<U: ?Sized> Drop for MappedRLockGuard<'_, U> {
    #[inline]
    fn drop(&mut self) {
        self.access.end();
        // SAFETY: the guard is one level of this thread's, and is going away; it is not `Send`.
        unsafe { self.raw.unlock() };
    }
}

/// One level of a held [`RLock`] whose guard keeps an `Arc` of it, from [`RLock::lock_arc`]. It stays in its thread.
#[must_use = "if unused, the lock is released at once"]
pub struct ArcRLockGuard<T: ?Sized> {
    lock: Arc<RLock<T>>,
    access: RefAccess,
    /// Not `Send`: the thread that acquired it must release it.
    marker: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives `&T`, and the `Arc` of the lock, which is `Sync` if `T: Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for ArcRLockGuard<T> {}

impl<T: ?Sized> ArcRLockGuard<T> {
    /// For whoever has just acquired `lock`.
    #[cfg_attr(feature = "loom", track_caller)]
    fn new(lock: Arc<RLock<T>>) -> ArcRLockGuard<T> {
        let access = lock.data.begin_ref();
        ArcRLockGuard { lock, access, marker: PhantomData }
    }

    /// As [`RLockGuard::unlock_fair`].
    pub fn unlock_fair(mut guard: Self) {
        guard.access.end();
        guard.lock.raw.unlock_fair_as_owner();
        let guard = ManuallyDrop::new(guard);
        // SAFETY: `guard` is never dropped, so the `Arc` is taken once.
        drop(unsafe { core::ptr::read(&raw const guard.lock) });
    }

    /// The lock that this guard holds.
    pub fn lock(guard: &Self) -> &Arc<RLock<T>> {
        &guard.lock
    }

    pub(crate) fn raw(&self) -> &RawRLock {
        &self.lock.raw
    }

    /// See [`RLockGuard::end_access`].
    pub(crate) fn end_access(&mut self) {
        self.access.end();
    }

    /// See [`RLockGuard::begin_access`].
    #[cfg_attr(feature = "loom", track_caller)]
    pub(crate) fn begin_access(&mut self) {
        self.access = self.lock.data.begin_ref();
    }
}

impl<T: ?Sized> Deref for ArcRLockGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as for `RLockGuard`.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for ArcRLockGuard<T> {
    #[inline]
    fn drop(&mut self) {
        self.access.end();
        // SAFETY: as for `RLockGuard`; the `Arc` is dropped after this.
        unsafe { self.lock.raw.unlock() };
    }
}

macro_rules! show_the_data {
    ($($Guard:ty),*) => {$(
        impl<T: ?Sized + fmt::Debug> fmt::Debug for $Guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $Guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&**self, f)
            }
        }
    )*};
}

show_the_data!(RLockGuard<'_, T>, MappedRLockGuard<'_, T>, ArcRLockGuard<T>);
