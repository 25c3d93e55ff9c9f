//! What a dependent relies on without naming it: sizes, and which types may go to or be shared with another thread. Pinned at
//! compile time, so that a change shows here first.

use core::cell::Cell;
use core::panic::{RefUnwindSafe, UnwindSafe};

use static_assertions::{assert_impl_all, assert_not_impl_any};

use crate::raw::{RawCondition, RawLock, RawRLock};
use crate::{
    ArcLockGuard, ArcPermit, ArcRLockGuard, Barrier, BoundedSemaphore, Condition, Event, Job, JobHandle,
    JoinableQueue, LifoQueue, Lock, LockGuard, MappedLockGuard, MappedRLockGuard, Permit, PriorityQueue,
    RLock, RLockGuard, Scope, Semaphore, Timer, Timers, WorkPool,
};

/// `Send`, and not `Sync`.
type SendOnly = Cell<u8>;
/// `Sync`, and not `Send`.
type SyncOnly = std::sync::MutexGuard<'static, u8>;
/// Neither `Send` nor `Sync`.
type Neither = *const u8;

#[cfg(not(feature = "loom"))]
mod sizes {
    use static_assertions::const_assert_eq;

    use super::*;

    const_assert_eq!(size_of::<Lock<()>>(), 4);
    const_assert_eq!(size_of::<RLock<()>>(), 16);
    const_assert_eq!(size_of::<Event>(), 1);
    const_assert_eq!(size_of::<Semaphore>(), size_of::<usize>());
    const_assert_eq!(size_of::<BoundedSemaphore>(), 2 * size_of::<usize>());
    const_assert_eq!(size_of::<Condition>(), size_of::<usize>());
    const_assert_eq!(
        size_of::<JoinableQueue<[u64; 8]>>(),
        5 * size_of::<crossbeam_utils::CachePadded<u64>>()
    );
    const_assert_eq!(size_of::<WorkPool>(), size_of::<usize>());
    const_assert_eq!(size_of::<JobHandle<[u64; 8]>>(), 24);
    const_assert_eq!(size_of::<Timer>(), 16);
    const_assert_eq!(size_of::<RawLock>(), 4);
    const_assert_eq!(size_of::<RawRLock>(), 16);
    const_assert_eq!(size_of::<RawCondition>(), size_of::<usize>());
    // Guards are what they point to: they live in registers.
    const_assert_eq!(size_of::<LockGuard<'_, [u64; 8]>>(), size_of::<usize>());
    const_assert_eq!(size_of::<RLockGuard<'_, [u64; 8]>>(), size_of::<usize>());
}

// Locks: shareable as soon as the data may be sent, since one thread at a time is at it.
assert_impl_all!(Lock<SendOnly>: Send, Sync, Unpin);
assert_impl_all!(RLock<SendOnly>: Send, Sync, Unpin);
assert_not_impl_any!(Lock<Neither>: Send, Sync);
assert_not_impl_any!(RLock<Neither>: Send, Sync);
assert_impl_all!(RawLock: Send, Sync);
assert_impl_all!(RawRLock: Send, Sync);
assert_impl_all!(RawCondition: Send, Sync);

// Guards stay in their thread, but for the one that keeps an `Arc` of a `Lock`; a shared guard is a shared reference.
assert_not_impl_any!(LockGuard<'static, u8>: Send);
assert_not_impl_any!(MappedLockGuard<'static, u8>: Send);
assert_not_impl_any!(RLockGuard<'static, u8>: Send);
assert_not_impl_any!(MappedRLockGuard<'static, u8>: Send);
assert_not_impl_any!(ArcRLockGuard<u8>: Send);
assert_impl_all!(ArcLockGuard<SendOnly>: Send);
assert_not_impl_any!(ArcLockGuard<Neither>: Send);
assert_impl_all!(LockGuard<'static, u8>: Sync);
assert_impl_all!(MappedLockGuard<'static, u8>: Sync);
assert_impl_all!(ArcLockGuard<u8>: Sync);
assert_impl_all!(RLockGuard<'static, u8>: Sync);
assert_impl_all!(MappedRLockGuard<'static, u8>: Sync);
assert_impl_all!(ArcRLockGuard<u8>: Sync);
assert_not_impl_any!(LockGuard<'static, SendOnly>: Sync);
assert_not_impl_any!(MappedLockGuard<'static, SendOnly>: Sync);
assert_not_impl_any!(ArcLockGuard<SendOnly>: Sync);
assert_not_impl_any!(RLockGuard<'static, SendOnly>: Sync);
assert_not_impl_any!(MappedRLockGuard<'static, SendOnly>: Sync);
assert_not_impl_any!(ArcRLockGuard<SendOnly>: Sync);
// A shared guard gives access to the lock as well.
assert_not_impl_any!(LockGuard<'static, SyncOnly>: Sync);
assert_not_impl_any!(ArcLockGuard<SyncOnly>: Sync);
assert_not_impl_any!(RLockGuard<'static, SyncOnly>: Sync);
assert_not_impl_any!(ArcRLockGuard<SyncOnly>: Sync);

// Without data there is nothing to be torn. `Lock` and `RLock` do not poison, and so make no such promise.
assert_impl_all!(Event: Send, Sync);
assert_impl_all!(Condition: Send, Sync);
assert_impl_all!(Semaphore: Send, Sync);
assert_impl_all!(BoundedSemaphore: Send, Sync);
assert_impl_all!(Barrier: Send, Sync, UnwindSafe, RefUnwindSafe);
assert_impl_all!(Permit<'static>: Send, Sync);
assert_impl_all!(ArcPermit: Send, Sync);
#[cfg(not(feature = "loom"))]
assert_impl_all!(Event: UnwindSafe, RefUnwindSafe);
#[cfg(not(feature = "loom"))]
assert_impl_all!(Semaphore: UnwindSafe, RefUnwindSafe);
#[cfg(not(feature = "loom"))]
assert_impl_all!(BoundedSemaphore: UnwindSafe, RefUnwindSafe);
#[cfg(not(feature = "loom"))]
assert_impl_all!(Condition: UnwindSafe, RefUnwindSafe);
assert_impl_all!(RawRLock: UnwindSafe, RefUnwindSafe);
assert_impl_all!(JoinableQueue<SendOnly>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Lock<u8>: RefUnwindSafe);
assert_not_impl_any!(RLock<u8>: RefUnwindSafe);

// A queue hands items from thread to thread, and never shares one.
assert_impl_all!(JoinableQueue<SendOnly>: Send, Sync);
assert_impl_all!(LifoQueue<SendOnly>: Send, Sync, UnwindSafe, RefUnwindSafe);
assert_impl_all!(PriorityQueue<SendOnly>: Send, Sync, UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(JoinableQueue<Neither>: Send, Sync);
assert_not_impl_any!(LifoQueue<Neither>: Send, Sync);
assert_not_impl_any!(PriorityQueue<Neither>: Send, Sync);
assert_impl_all!(Job<'static, u8>: Send, Sync);

// A handle hands the result from thread to thread, and shows it to one at a time.
assert_impl_all!(WorkPool: Send, Sync, UnwindSafe, RefUnwindSafe);
assert_impl_all!(JobHandle<SendOnly>: Send, Sync, UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(JobHandle<Neither>: Send, Sync);
assert_impl_all!(Scope<'static, 'static>: Send, Sync);
assert_impl_all!(Timer: Send, Sync, UnwindSafe, RefUnwindSafe);
assert_impl_all!(Timers: Send, Sync, UnwindSafe, RefUnwindSafe);
