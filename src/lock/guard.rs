//! The guards of a `Lock`.
//!
//! A guard holds a tracked access to the data for its whole life, and gives it back *before* it releases the
//! lock: the other way round, the model would see two threads at the data at once, and rightly so.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Lock;
use super::raw::RawLock;
use crate::primitives::cell::MutAccess;

/// A held [`Lock`]; dropping it releases the lock.
///
/// It stays in its thread, as `std`'s does. [`Lock::lock_arc`] gives one that can be sent.
#[must_use = "if unused, the lock is released at once"]
pub struct LockGuard<'a, T: ?Sized> {
    lock: &'a Lock<T>,
    access: MutAccess,
    /// Not `Send`.
    marker: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives `&T`, which asks `T: Sync`, and `&Lock<T>`, through which the data may be had later by any thread
// that kept it: that asks `T: Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for LockGuard<'_, T> {}

impl<'a, T: ?Sized> LockGuard<'a, T> {
    /// For whoever has just acquired `lock`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(lock: &'a Lock<T>) -> LockGuard<'a, T> {
        LockGuard { lock, access: lock.cell().begin_mut(), marker: PhantomData }
    }

    /// Releases the lock by handing it to the thread that has waited longest, if there is one: no newcomer gets
    /// in between. It costs a context switch, so use it where a particular hand-over matters; starvation is
    /// bounded without it.
    pub fn unlock_fair(guard: Self) {
        let mut guard = ManuallyDrop::new(guard);
        guard.access.end();
        let released = guard.lock.raw().checked_unlock_fair();
        debug_assert!(released.is_ok());
    }

    /// Releases the lock, runs `f`, and acquires the lock again, also when `f` panics.
    ///
    /// ```
    /// # use raddle::{Lock, LockGuard};
    /// let lock = Lock::new(1);
    /// let mut guard = lock.lock();
    /// LockGuard::unlocked(&mut guard, || *lock.lock() += 1);
    /// assert_eq!(*guard, 2);
    /// ```
    pub fn unlocked<R>(guard: &mut Self, f: impl FnOnce() -> R) -> R {
        struct Relock<'g, 'a, T: ?Sized>(&'g mut LockGuard<'a, T>);

        impl<T: ?Sized> Drop for Relock<'_, '_, T> {
            fn drop(&mut self) {
                self.0.lock.raw().lock();
                self.0.begin_access();
            }
        }

        guard.end_access();
        // SAFETY: the guard shows that we hold the lock; its access has ended, and `Relock` begins a new one
        // before the guard can be used again.
        unsafe { guard.lock.raw().unlock() };
        let _relock = Relock(guard);
        f()
    }

    /// Narrows the guard to a part of the data.
    ///
    /// ```
    /// # use raddle::{Lock, LockGuard};
    /// let lock = Lock::new((1, String::from("two")));
    /// let mut name = LockGuard::map(lock.lock(), |data| &mut data.1);
    /// name.push('!');
    /// drop(name);
    /// assert_eq!(lock.lock().1, "two!");
    /// ```
    pub fn map<U: ?Sized>(guard: Self, f: impl FnOnce(&mut T) -> &mut U) -> MappedLockGuard<'a, U> {
        // `f` may panic: `guard` is still armed then.
        let mut guard = guard;
        let value: *mut U = f(&mut guard);
        let mut guard = ManuallyDrop::new(guard);
        MappedLockGuard { raw: guard.lock.raw(), value, access: guard.access.take(), marker: PhantomData }
    }

    /// The lock that this guard holds.
    pub fn lock(guard: &Self) -> &'a Lock<T> {
        guard.lock
    }

    pub(crate) fn raw(&self) -> &'a RawLock {
        self.lock.raw()
    }

    /// Before the lock is given up with the guard alive; the guard must not be used before
    /// [`begin_access`](Self::begin_access).
    pub(crate) fn end_access(&mut self) {
        self.access.end();
    }

    /// After the lock is held again.
    #[cfg_attr(feature = "loom", track_caller)]
    pub(crate) fn begin_access(&mut self) {
        self.access = self.lock.cell().begin_mut();
    }
}

impl<T: ?Sized> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: we hold the lock, so nobody else has a reference to the data, but those made from this guard,
        // which its borrow keeps apart.
        unsafe { &*self.lock.cell().get() }
    }
}

impl<T: ?Sized> DerefMut for LockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.lock.cell().get() }
    }
}

impl<T: ?Sized> Drop for LockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.access.end();
        // SAFETY: the guard shows that we hold the lock, and is going away.
        unsafe { self.lock.raw().unlock() };
    }
}

/// A held [`Lock`], narrowed to a part of its data by [`LockGuard::map`]; dropping it releases the lock.
#[must_use = "if unused, the lock is released at once"]
pub struct MappedLockGuard<'a, U: ?Sized> {
    raw: &'a RawLock,
    value: *mut U,
    access: MutAccess,
    marker: PhantomData<&'a mut U>,
}

// SAFETY: a shared guard gives `&U` and nothing else.
unsafe impl<U: ?Sized + Sync> Sync for MappedLockGuard<'_, U> {}

impl<'a, U: ?Sized> MappedLockGuard<'a, U> {
    /// Narrows the guard further.
    pub fn map<V: ?Sized>(guard: Self, f: impl FnOnce(&mut U) -> &mut V) -> MappedLockGuard<'a, V> {
        // `f` may panic: `guard` is still armed then.
        let mut guard = guard;
        let value: *mut V = f(&mut guard);
        let mut guard = ManuallyDrop::new(guard);
        MappedLockGuard { raw: guard.raw, value, access: guard.access.take(), marker: PhantomData }
    }

    /// As [`LockGuard::unlock_fair`].
    pub fn unlock_fair(guard: Self) {
        let mut guard = ManuallyDrop::new(guard);
        guard.access.end();
        let released = guard.raw.checked_unlock_fair();
        debug_assert!(released.is_ok());
    }
}

impl<U: ?Sized> Deref for MappedLockGuard<'_, U> {
    type Target = U;

    #[inline]
    fn deref(&self) -> &U {
        // SAFETY: `value` points into the data of a lock that we hold and that outlives `'a`.
        unsafe { &*self.value }
    }
}

impl<U: ?Sized> DerefMut for MappedLockGuard<'_, U> {
    #[inline]
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.value }
    }
}

impl<U: ?Sized> Drop for MappedLockGuard<'_, U> {
    #[inline]
    fn drop(&mut self) {
        self.access.end();
        // SAFETY: the guard shows that we hold the lock, and is going away.
        unsafe { self.raw.unlock() };
    }
}

/// A held [`Lock`] whose guard keeps an `Arc` of it, from [`Lock::lock_arc`]. It can be stored, and sent to
/// another thread to be released there.
#[must_use = "if unused, the lock is released at once"]
pub struct ArcLockGuard<T: ?Sized> {
    lock: Arc<Lock<T>>,
    access: MutAccess,
    /// Neither `Send` nor `Sync` of itself.
    marker: PhantomData<*mut ()>,
}

// SAFETY: any thread may release the lock. The guard is an exclusive access to the data, so sending it asks
// `T: Send`; it may also be the last owner of the `Arc`, which asks the same.
unsafe impl<T: ?Sized + Send> Send for ArcLockGuard<T> {}
// SAFETY: a shared guard gives `&T`, and the `Arc` of the lock, which is `Sync` if `T: Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for ArcLockGuard<T> {}

impl<T: ?Sized> ArcLockGuard<T> {
    /// For whoever has just acquired `lock`.
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(lock: Arc<Lock<T>>) -> ArcLockGuard<T> {
        let access = lock.cell().begin_mut();
        ArcLockGuard { lock, access, marker: PhantomData }
    }

    /// As [`LockGuard::unlock_fair`].
    pub fn unlock_fair(mut guard: Self) {
        guard.access.end();
        let released = guard.lock.raw().checked_unlock_fair();
        debug_assert!(released.is_ok());
        let guard = ManuallyDrop::new(guard);
        // SAFETY: `guard` is never dropped, so the `Arc` is taken once.
        drop(unsafe { core::ptr::read(&raw const guard.lock) });
    }

    /// As [`LockGuard::unlocked`].
    pub fn unlocked<R>(guard: &mut Self, f: impl FnOnce() -> R) -> R {
        struct Relock<'g, T: ?Sized>(&'g mut ArcLockGuard<T>);

        impl<T: ?Sized> Drop for Relock<'_, T> {
            fn drop(&mut self) {
                self.0.lock.raw().lock();
                self.0.begin_access();
            }
        }

        guard.end_access();
        // SAFETY: as in `LockGuard::unlocked`.
        unsafe { guard.lock.raw().unlock() };
        let _relock = Relock(guard);
        f()
    }

    /// The lock that this guard holds.
    pub fn lock(guard: &Self) -> &Arc<Lock<T>> {
        &guard.lock
    }

    pub(crate) fn raw(&self) -> &RawLock {
        self.lock.raw()
    }

    /// See [`LockGuard::end_access`].
    pub(crate) fn end_access(&mut self) {
        self.access.end();
    }

    /// See [`LockGuard::begin_access`].
    #[cfg_attr(feature = "loom", track_caller)]
    pub(crate) fn begin_access(&mut self) {
        self.access = self.lock.cell().begin_mut();
    }
}

impl<T: ?Sized> Deref for ArcLockGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as for `LockGuard`.
        unsafe { &*self.lock.cell().get() }
    }
}

impl<T: ?Sized> DerefMut for ArcLockGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `LockGuard`.
        unsafe { &mut *self.lock.cell().get() }
    }
}

impl<T: ?Sized> Drop for ArcLockGuard<T> {
    #[inline]
    fn drop(&mut self) {
        self.access.end();
        // SAFETY: the guard shows that we hold the lock, and is going away; the `Arc` is dropped after this.
        unsafe { self.lock.raw().unlock() };
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

show_the_data!(LockGuard<'_, T>, MappedLockGuard<'_, T>, ArcLockGuard<T>);
