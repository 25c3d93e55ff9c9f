//! What can be read off a table: sizes, who may be sent and shared, what can stand in a `static`.

#![cfg(not(feature = "loom"))]

use std::cell::Cell;
use std::fmt::{Debug, Display};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use raddle::raw::{RawCondition, RawLock, RawRLock};
use raddle::{
    ArcLockGuard, ArcPermit, ArcRLockGuard, Arrival, Barrier, BoundedSemaphore, BrokenBarrier, Condition,
    Event, GetError, Job, JoinableQueue, Lock, LockGuard, MappedLockGuard, MappedRLockGuard, NotLocked,
    NotOwner, OverRelease, Permit, PermitOverflow, PutError, RLock, RLockGuard, Semaphore, TaskDoneTooOften,
    TryGetError, TryPutError,
};
use static_assertions::{assert_impl_all as is, assert_not_impl_any as is_not, const_assert_eq};

const_assert_eq!(size_of::<Lock<()>>(), 4);
const_assert_eq!(size_of::<Lock<u8>>(), 6);
const_assert_eq!(size_of::<Event>(), 1);
const_assert_eq!(size_of::<RLock<()>>(), 16);
const_assert_eq!(size_of::<RawLock>(), 4);
const_assert_eq!(size_of::<RawRLock>(), 16);

#[cfg(target_pointer_width = "64")]
mod sizes_with_words_of_64_bits {
    use super::*;

    const_assert_eq!(size_of::<Semaphore>(), 8);
    const_assert_eq!(size_of::<BoundedSemaphore>(), 16);
    const_assert_eq!(size_of::<Condition>(), 8);
    const_assert_eq!(size_of::<RawCondition>(), 8);
}

/// May be sent, but not shared.
type Sent = Cell<u8>;
/// May be neither sent nor shared.
type Kept = Rc<u8>;

// Data behind a lock goes from thread to thread, and need not be shared.
is!(Lock<Sent>: Send, Sync);
is!(RLock<Sent>: Send, Sync);
is_not!(Lock<Kept>: Send, Sync);
is_not!(RLock<Kept>: Send, Sync);
is!(JoinableQueue<Sent>: Send, Sync);
is_not!(JoinableQueue<Kept>: Send, Sync);
is!(Semaphore: Send, Sync);
is!(BoundedSemaphore: Send, Sync);
is!(Event: Send, Sync);
is!(Condition: Send, Sync);
is!(Barrier: Send, Sync);
is!(RawLock: Send, Sync);
is!(RawRLock: Send, Sync);
is!(RawCondition: Send, Sync);

// Guards: not sent, but for the one made to be. Shared, if the data may be shared.
is_not!(LockGuard<'static, u8>: Send);
is_not!(MappedLockGuard<'static, u8>: Send);
is_not!(RLockGuard<'static, u8>: Send);
is_not!(MappedRLockGuard<'static, u8>: Send);
is_not!(ArcRLockGuard<u8>: Send);
is!(ArcLockGuard<Sent>: Send);
is_not!(ArcLockGuard<Kept>: Send);

is!(LockGuard<'static, u8>: Sync);
is!(MappedLockGuard<'static, u8>: Sync);
is!(ArcLockGuard<u8>: Sync);
is!(RLockGuard<'static, u8>: Sync);
is!(MappedRLockGuard<'static, u8>: Sync);
is!(ArcRLockGuard<u8>: Sync);
is_not!(LockGuard<'static, Sent>: Sync);
is_not!(MappedLockGuard<'static, Sent>: Sync);
is_not!(ArcLockGuard<Sent>: Sync);
is_not!(RLockGuard<'static, Sent>: Sync);
is_not!(MappedRLockGuard<'static, Sent>: Sync);
is_not!(ArcRLockGuard<Sent>: Sync);

// A shared guard with an `Arc` gives that `Arc`, and so the lock: sharing it asks that the data may be sent too.
is_not!(ArcLockGuard<SharedNotSent>: Sync);
is_not!(ArcRLockGuard<SharedNotSent>: Sync);

/// May be shared, but not sent.
struct SharedNotSent(#[allow(dead_code, reason = "for its type only")] Rc<()>);
// SAFETY: for the table only; it is never made.
unsafe impl Sync for SharedNotSent {}
is_not!(SharedNotSent: Send);

is!(Permit<'static, Semaphore>: Send, Sync);
is!(Permit<'static, BoundedSemaphore>: Send, Sync);
is!(ArcPermit<Semaphore>: Send, Sync);
is!(ArcPermit<BoundedSemaphore>: Send, Sync);
is!(Job<'static, Sent>: Send);
is_not!(Job<'static, Sent>: Sync);
is_not!(Job<'static, Kept>: Send, Sync);
is!(Arrival: Send, Sync, Copy, Eq, Debug);

// What can be used across a `catch_unwind`: all that holds no data of the user's.
is!(Semaphore: UnwindSafe, RefUnwindSafe);
is!(BoundedSemaphore: UnwindSafe, RefUnwindSafe);
is!(Event: UnwindSafe, RefUnwindSafe);
is!(Condition: UnwindSafe, RefUnwindSafe);
is!(Barrier: UnwindSafe, RefUnwindSafe);

// Errors can be boxed, sent and shown, whatever the item that comes back.
is!(NotLocked: std::error::Error, Send, Sync, Copy, Eq);
is!(NotOwner: std::error::Error, Send, Sync, Copy, Eq);
is!(BrokenBarrier: std::error::Error, Send, Sync, Copy, Eq);
is!(TaskDoneTooOften: std::error::Error, Send, Sync, Copy, Eq);
is!(GetError: std::error::Error, Send, Sync, Copy, Eq);
is!(TryGetError: std::error::Error, Send, Sync, Copy, Eq);
is!(PermitOverflow: std::error::Error, Send, Sync, Copy, Eq);
is!(OverRelease: std::error::Error, Send, Sync, Copy, Eq);
is!(PutError<Opaque>: std::error::Error, Send, Sync);
is!(TryPutError<Opaque>: std::error::Error, Send, Sync);

/// Nothing can be done with it but to have it.
struct Opaque;

// `Debug` on everything.
is!(Lock<u8>: Debug, Default, From<u8>);
is!(RLock<u8>: Debug, Default, From<u8>);
is!(LockGuard<'static, u8>: Debug, Display);
is!(MappedLockGuard<'static, u8>: Debug, Display);
is!(ArcLockGuard<u8>: Debug, Display);
is!(RLockGuard<'static, u8>: Debug, Display);
is!(MappedRLockGuard<'static, u8>: Debug, Display);
is!(ArcRLockGuard<u8>: Debug, Display);
is!(Semaphore: Debug);
is!(BoundedSemaphore: Debug);
is!(Permit<'static>: Debug);
is!(ArcPermit: Debug);
is!(Event: Debug, Default);
is!(Condition: Debug, Default);
is!(Barrier: Debug);
is!(JoinableQueue<Opaque>: Debug);
is!(RawLock: Debug, Default);
is!(RawRLock: Debug, Default);
is!(RawCondition: Debug, Default);

static LOCK: Lock<u32> = Lock::new(0);
static RLOCK: RLock<Cell<u32>> = RLock::new(Cell::new(0));
static SEMAPHORE: Semaphore = Semaphore::new(2);
static BOUNDED_SEMAPHORE: BoundedSemaphore = BoundedSemaphore::new(2);
static EVENT: Event = Event::new();
static CONDITION: Condition = Condition::new();
static BARRIER: Barrier = Barrier::new(1);
static RAW_LOCK: RawLock = RawLock::new();
static RAW_RLOCK: RawRLock = RawRLock::new();
static RAW_CONDITION: RawCondition = RawCondition::new();

#[test]
fn all_that_is_const_works_in_a_static() {
    *LOCK.lock() += 1;
    assert_eq!(*LOCK.lock(), 1);
    RLOCK.lock().set(1);
    assert_eq!(RLOCK.lock().get(), 1);
    drop((SEMAPHORE.acquire(), BOUNDED_SEMAPHORE.acquire()));
    assert_eq!((SEMAPHORE.available_permits(), BOUNDED_SEMAPHORE.available_permits()), (2, 2));
    EVENT.set();
    EVENT.wait();
    assert!(!CONDITION.notify_one());
    assert!(BARRIER.wait().unwrap().is_leader);
    RAW_LOCK.lock();
    RAW_LOCK.checked_unlock().unwrap();
    RAW_RLOCK.lock();
    RAW_RLOCK.checked_unlock().unwrap();
    assert_eq!(RAW_CONDITION.notify_all(), 0);
}

#[test]
fn a_static_guard_can_be_kept() {
    // Guards borrow for as long as the lock lives, not for as long as some reference to it.
    fn keep() -> LockGuard<'static, String> {
        static NAME: Lock<String> = Lock::new(String::new());
        NAME.lock()
    }
    let mut name = keep();
    name.push('x');
    assert_eq!(*name, "x");
    assert_eq!(LockGuard::lock(&name).try_lock().map(|name| name.len()), None);
}
