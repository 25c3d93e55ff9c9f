//! `Lock<T>`: data behind a [`RawLock`].

mod guard;
pub(crate) mod raw;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use crate::primitives::cell::TrackedCell;
use crate::primitives::time::Instant;

pub use guard::{ArcLockGuard, LockGuard, MappedLockGuard};
use raw::RawLock;

/// Lets one thread at a time at the data inside it.
///
/// Four bytes beside the data, no allocation, `const` construction, timeouts on every way in.
///
/// # Examples
///
/// ```
/// use raddle::Lock;
///
/// static TICKETS: Lock<u32> = Lock::new(1);
///
/// let sold = std::thread::scope(|s| {
///     let buyers: Vec<_> = (0..10)
///         .map(|_| {
///             s.spawn(|| {
///                 let mut left = TICKETS.lock();
///                 if *left == 0 {
///                     return false;
///                 }
///                 *left -= 1;
///                 true
///             })
///         })
///         .collect();
///     buyers.into_iter().map(|buyer| buyer.join().unwrap()).filter(|&got| got).count()
/// });
/// assert_eq!(sold, 1);
/// ```
///
/// # Fairness
///
/// A thread that is awake may take the lock ahead of those that are parked: that is what makes a lock fast. But
/// a waiter that was woken, lost that race and has been waiting for half a millisecond is given the lock by the next
/// release, past every newcomer. [`LockGuard::unlock_fair`] hands over at once.
///
/// # Timeouts
///
/// [`try_lock_for`](Lock::try_lock_for) and [`try_lock_until`](Lock::try_lock_until) give up at the deadline,
/// measured on the monotonic clock. Zero and deadlines in the past do not block; a timeout too long for the
/// clock is none.
///
/// # Panics
///
/// No call panics. There is no poisoning: a panic while a guard is held releases the lock, and leaves the data as
/// it is at that moment. Locking again in the thread that holds the lock blocks for ever; see
/// [`RLock`](crate::RLock). A guard that is leaked (`mem::forget`) leaves the lock held for ever.
///
/// # Memory ordering
///
/// Everything before a release happens before everything after the next acquisition.
///
/// # System calls
///
/// While nobody waits, a release is a plain store, and a thread that is about to park makes up for that with a fence in
/// all threads of the process: `membarrier`, on Linux. The first lock of a process that is released eight times asks the
/// kernel for it, which takes a microsecond while there is one thread, and may take some ten milliseconds with more, once.
/// Where it is refused, and on other systems, a release is a compare-and-swap instead. A filter of system calls that
/// allows it at first and refuses it later leaves a waiter no way to go on: the process is aborted with a message.
///
/// # Under loom
///
/// With the feature `loom` a race on the data behind the lock is reported by the model, and both outcomes of every
/// timed call are explored. `new` is not `const` then; see [`static_sync!`](crate::static_sync).
///
/// # Coming from Python
///
/// `threading.Lock`, with the data inside. `acquire(timeout=...)` is [`try_lock_for`](Lock::try_lock_for),
/// `acquire(blocking=False)` is [`try_lock`](Lock::try_lock), `with lock:` is the life of the guard. Python lets
/// another thread release; here [`lock_arc`](Lock::lock_arc) gives a guard that can be sent to one, and
/// [`RawLock`] is Python's lock to the letter.
///
/// # Differences from `std` and `parking_lot`
///
/// `std::sync::Mutex` poisons, has no timeouts and promises no fairness; `parking_lot::Mutex` has timeouts, and
/// since 0.13 no fairness unless asked for at each release.
///
/// # How it works
///
/// The chapter `docs/lock.md` in the repository.
pub struct Lock<T: ?Sized> {
    raw: RawLock,
    data: TrackedCell<T>,
}

// SAFETY: moving the lock moves the data, and through the lock the data can only be moved to a thread that it
// may be moved to.
unsafe impl<T: ?Sized + Send> Send for Lock<T> {}
// SAFETY: a shared `Lock` gives one thread at a time an exclusive access, which is a `&mut T` going from thread
// to thread: that asks `T: Send`, and no more.
unsafe impl<T: ?Sized + Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    crate::primitives::const_fn! {
        /// A free lock round `data`.
        #[inline]
        pub const fn new(data: T) -> Lock<T> {
            Lock { raw: RawLock::new(), data: TrackedCell::new(data) }
        }
    }

    /// Takes the data out. Nobody can hold the lock, since we own it (but for a leaked guard, which is void now).
    #[inline]
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Acquires the lock, and blocks for as long as another thread holds it.
    ///
    /// In the thread that holds the lock already this never returns.
    #[doc(alias = "acquire")]
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn lock(&self) -> LockGuard<'_, T> {
        self.raw.lock();
        LockGuard::new(self)
    }

    /// Acquires the lock if it is free. Never blocks.
    ///
    /// ```
    /// # use raddle::Lock;
    /// let lock = Lock::new(7);
    /// let guard = lock.lock();
    /// assert!(lock.try_lock().is_none());
    /// drop(guard);
    /// assert_eq!(*lock.try_lock().unwrap(), 7);
    /// ```
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        self.raw.try_lock().then(|| LockGuard::new(self))
    }

    /// Acquires the lock, or gives up when `timeout` has passed. Zero does not block.
    ///
    /// ```
    /// # use raddle::Lock;
    /// # use std::time::Duration;
    /// let lock = Lock::new(7);
    /// let guard = lock.lock();
    /// assert!(lock.try_lock_for(Duration::from_millis(2)).is_none());
    /// ```
    #[doc(alias = "acquire")]
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_for(&self, timeout: Duration) -> Option<LockGuard<'_, T>> {
        self.raw.try_lock_for(timeout).then(|| LockGuard::new(self))
    }

    /// Acquires the lock, or gives up at `deadline`. A deadline in the past does not block.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_until(&self, deadline: Instant) -> Option<LockGuard<'_, T>> {
        self.raw.try_lock_until(deadline).then(|| LockGuard::new(self))
    }

    /// Acquires the lock with a guard that keeps the `Arc`, borrows nothing, and may be sent to another thread
    /// to be released there.
    ///
    /// ```
    /// use raddle::Lock;
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(Lock::new(1));
    /// let mut guard = lock.lock_arc();
    /// std::thread::spawn(move || *guard += 1).join().unwrap();
    /// assert_eq!(*lock.lock(), 2);
    /// ```
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn lock_arc(self: &Arc<Self>) -> ArcLockGuard<T> {
        self.raw.lock();
        ArcLockGuard::new(Arc::clone(self))
    }

    /// [`try_lock`](Lock::try_lock), with a guard that keeps the `Arc`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_arc(self: &Arc<Self>) -> Option<ArcLockGuard<T>> {
        self.raw.try_lock().then(|| ArcLockGuard::new(Arc::clone(self)))
    }

    /// [`try_lock_for`](Lock::try_lock_for), with a guard that keeps the `Arc`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_arc_for(self: &Arc<Self>, timeout: Duration) -> Option<ArcLockGuard<T>> {
        self.raw.try_lock_for(timeout).then(|| ArcLockGuard::new(Arc::clone(self)))
    }

    /// [`try_lock_until`](Lock::try_lock_until), with a guard that keeps the `Arc`.
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_lock_arc_until(self: &Arc<Self>, deadline: Instant) -> Option<ArcLockGuard<T>> {
        self.raw.try_lock_until(deadline).then(|| ArcLockGuard::new(Arc::clone(self)))
    }

    /// Whether somebody holds the lock. By the time you read the answer it may have changed.
    #[doc(alias = "locked")]
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// The data, without locking: the exclusive borrow shows that nobody else is here.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    pub(crate) fn raw(&self) -> &RawLock {
        &self.raw
    }

    pub(crate) fn cell(&self) -> &TrackedCell<T> {
        &self.data
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Lock<T> {
        Lock::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(data: T) -> Lock<T> {
        Lock::new(data)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    /// Shows the data if the lock is free at that moment; never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Lock");
        match self.try_lock() {
            Some(guard) => out.field("data", &&*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.finish()
    }
}
