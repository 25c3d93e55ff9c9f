//! The reentrant lock: a lock, its owner's id, and a count of levels.
//!
//! # The state
//!
//! ```text
//! owner   0: nobody. Otherwise the id of the thread that holds `lock`
//! depth   how often the owner has acquired it; at least 1 while it is owned
//! lock    a RawLock
//! ```
//!
//! # Invariants
//!
//! 1. `owner` is written only by the thread that holds `lock`: its own id just after it got the lock, 0 just before
//!    it lets go.
//! 2. So a thread that reads its own id wrote it itself and still holds the lock; a thread that reads anything
//!    else, however old, does not hold it. That is why Relaxed is enough to ask "is it me?".
//! 3. `depth` is touched only by the owner, under `lock`: a tracked cell, not an atomic.
//! 4. Ids are never reused, so a lock whose owner has ended stays locked: no later thread is taken for the owner.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use crate::error::NotOwner;
use crate::lock::raw::RawLock;
use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::cell::TrackedCell;
use crate::primitives::time::Instant;
use crate::primitives::{const_fn, thread};

/// The owner of a lock that nobody owns.
const NOBODY: u64 = 0;

/// A reentrant lock without data, for those who bring their own guard.
///
/// It knows its owner and how often that thread has acquired it. Any thread may use it, also one that Rust did not
/// start.
///
/// # Examples
///
/// ```
/// use raddle::raw::RawRLock;
///
/// let lock = RawRLock::new();
/// lock.lock();
/// lock.lock();
/// assert_eq!(lock.depth(), 2);
///
/// // Give up both levels at once, and take them back.
/// let levels = lock.release_all();
/// assert!(!lock.is_locked());
/// lock.restore(levels);
/// assert_eq!(lock.depth(), 2);
///
/// lock.checked_unlock().unwrap();
/// lock.checked_unlock().unwrap();
/// assert!(lock.checked_unlock().is_err(), "not ours any more");
/// ```
///
/// # Panics
///
/// Acquiring it for the 4,294,967,296th time at once panics, and leaves it held as it was.
///
/// # Coming from Python
///
/// `threading.RLock`; [`release_all`](RawRLock::release_all) and [`restore`](RawRLock::restore) are its
/// `_release_save` and `_acquire_restore`, [`is_owned_by_current_thread`](RawRLock::is_owned_by_current_thread) its
/// `_is_owned`.
pub struct RawRLock {
    owner: AtomicU64,
    depth: TrackedCell<u32>,
    lock: RawLock,
}

// SAFETY: `depth` is the one field that is not `Sync` by itself, and only the thread that holds `lock` touches it
// (invariant 3).
unsafe impl Sync for RawRLock {}

// It has no data that a panic could leave torn: `depth` changes in one step.
impl UnwindSafe for RawRLock {}
impl RefUnwindSafe for RawRLock {}

impl RawRLock {
    const_fn! {
        /// A lock that nobody owns.
        pub const fn new() -> RawRLock {
            RawRLock { owner: AtomicU64::new(NOBODY), depth: TrackedCell::new(0), lock: RawLock::new() }
        }
    }

    /// Acquires the lock, once more if this thread owns it already; blocks for as long as another does.
    ///
    /// # Panics
    ///
    /// If this thread has acquired it `u32::MAX` times already. The lock stays held as it was.
    #[doc(alias = "acquire")]
    #[inline]
    pub fn lock(&self) {
        self.lock_with("RLock::lock", |lock| {
            lock.lock();
            true
        });
    }

    /// Acquires the lock if no other thread owns it. Never blocks.
    ///
    /// # Panics
    ///
    /// As [`lock`](RawRLock::lock).
    #[inline]
    #[must_use]
    pub fn try_lock(&self) -> bool {
        self.lock_with("RLock::try_lock", RawLock::try_lock)
    }

    /// Acquires the lock unless `timeout` passes first; says whether it did.
    ///
    /// # Panics
    ///
    /// As [`lock`](RawRLock::lock).
    #[inline]
    #[must_use]
    pub fn try_lock_for(&self, timeout: Duration) -> bool {
        self.lock_with("RLock::try_lock_for", |lock| lock.try_lock_for(timeout))
    }

    /// Acquires the lock unless `deadline` passes first; says whether it did.
    ///
    /// # Panics
    ///
    /// As [`lock`](RawRLock::lock).
    #[inline]
    #[must_use]
    pub fn try_lock_until(&self, deadline: Instant) -> bool {
        self.lock_with("RLock::try_lock_until", |lock| lock.try_lock_until(deadline))
    }

    /// Whether any thread owns the lock. By the time you read the answer it may have changed, unless it is you.
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// Whether the calling thread owns the lock. This answer does not grow old.
    #[doc(alias = "_is_owned")]
    #[inline]
    pub fn is_owned_by_current_thread(&self) -> bool {
        // Relaxed: only our own store can put our id there (invariant 2).
        self.owner.load(Ordering::Relaxed) == thread::current_id().get()
    }

    /// How often the calling thread has acquired the lock and not released it: 0 if it is not the owner.
    #[inline]
    pub fn depth(&self) -> u32 {
        if self.is_owned_by_current_thread() {
            let _access = self.depth.begin_ref();
            // SAFETY: we own the lock (invariant 3).
            unsafe { *self.depth.get() }
        } else {
            0
        }
    }

    /// Gives up one level, and with the last one the lock.
    ///
    /// # Errors
    ///
    /// [`NotOwner`] if another thread owns the lock, or nobody. Nothing has changed then.
    #[doc(alias = "release")]
    #[inline]
    pub fn checked_unlock(&self) -> Result<(), NotOwner> {
        if !self.is_owned_by_current_thread() {
            return Err(NotOwner);
        }
        // SAFETY: we own the lock.
        unsafe { self.unlock() };
        Ok(())
    }

    /// [`checked_unlock`](RawRLock::checked_unlock) without the check.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the calling thread is not the owner.
    ///
    /// # Safety
    ///
    /// The calling thread owns the lock.
    #[inline]
    pub unsafe fn unlock(&self) {
        debug_assert!(
            self.is_owned_by_current_thread(),
            "RawRLock::unlock: the lock is not owned by the calling thread"
        );
        if self.change_depth(|depth| depth - 1) == 0 {
            self.let_go();
            // SAFETY: we hold it, or there would have been no level to give up.
            unsafe { self.lock.unlock() };
        }
    }

    /// [`unlock`](RawRLock::unlock), but the last level is handed to the longest waiting thread. For the owner.
    pub(crate) fn unlock_fair_as_owner(&self) {
        debug_assert!(self.is_owned_by_current_thread());
        if self.change_depth(|depth| depth - 1) == 0 {
            self.let_go();
            let released = self.lock.checked_unlock_fair();
            debug_assert!(released.is_ok());
        }
    }

    /// Gives up every level at once, and says how many they were: 0, and nothing has changed, if the calling
    /// thread is not the owner.
    #[doc(alias = "_release_save")]
    pub fn release_all(&self) -> u32 {
        if !self.is_owned_by_current_thread() {
            return 0;
        }
        let levels = self.give_up();
        // SAFETY: we own it: `give_up` has only struck out our name.
        unsafe { self.lock.unlock() };
        levels
    }

    /// Acquires the lock, blocking if need be, `levels` times at once: what [`release_all`](RawRLock::release_all)
    /// gave up. If the calling thread owns it already, the levels are added. 0 does nothing.
    ///
    /// # Panics
    ///
    /// If the levels would come to more than `u32::MAX`; the lock stays held as it was.
    #[doc(alias = "_acquire_restore")]
    pub fn restore(&self, levels: u32) {
        if levels == 0 {
            return;
        }
        if self.is_owned_by_current_thread() {
            self.add_levels(levels, "RLock::restore");
        } else {
            self.lock.lock();
            self.take_back(levels);
        }
    }

    /// Strikes out the owner, who is the caller, and returns the levels. The inner lock stays held.
    pub(crate) fn give_up(&self) -> u32 {
        let mut levels = 0;
        self.change_depth(|depth| {
            levels = depth;
            0
        });
        self.let_go();
        levels
    }

    /// Enters the caller, who has just acquired the inner lock, as owner with so many levels.
    #[inline]
    pub(crate) fn take_back(&self, levels: u32) {
        // Relaxed: for other threads it is just not their id, for us it is our own write (invariant 2).
        self.owner.store(thread::current_id().get(), Ordering::Relaxed);
        self.change_depth(|_| levels);
    }

    pub(crate) fn inner(&self) -> &RawLock {
        &self.lock
    }

    #[inline]
    fn lock_with(&self, call: &'static str, acquire: impl FnOnce(&RawLock) -> bool) -> bool {
        if self.is_owned_by_current_thread() {
            self.add_levels(1, call);
            return true;
        }
        let acquired = acquire(&self.lock);
        if acquired {
            self.take_back(1);
        }
        acquired
    }

    /// For the owner.
    #[inline]
    fn add_levels(&self, levels: u32, call: &'static str) {
        self.change_depth(|depth| match depth.checked_add(levels) {
            Some(sum) => sum,
            None => too_deep(call, depth, levels),
        });
    }

    #[inline]
    fn let_go(&self) {
        // Relaxed: the lock is still held, so nobody acts on it; whoever reads 0 or our old id is not the owner
        // either way (invariant 2). The next owner's store comes after ours by the lock's own ordering.
        self.owner.store(NOBODY, Ordering::Relaxed);
    }

    /// For the owner: replaces the depth, and returns the new one.
    #[inline]
    fn change_depth(&self, f: impl FnOnce(u32) -> u32) -> u32 {
        let _access = self.depth.begin_mut();
        // SAFETY: we own the lock (invariant 3), and `f` is our own and does not come back here.
        unsafe {
            let depth = self.depth.get();
            *depth = f(*depth);
            *depth
        }
    }
}

#[cold]
fn too_deep(call: &'static str, depth: u32, levels: u32) -> ! {
    panic!("{call}: recursion too deep: {depth} levels are held and {levels} more do not fit into a u32");
}

impl Default for RawRLock {
    fn default() -> RawRLock {
        RawRLock::new()
    }
}

impl fmt::Debug for RawRLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRLock").field("locked", &self.is_locked()).field("depth", &self.depth()).finish()
    }
}
