//! `RLock`: exclusion between threads, levels within one, and who owns it, as seen from both sides.

use super::{Model, exhaustive};
use crate::world::{Arc, Data, Duration, some_time, spawn};
use raddle::raw::RawRLock;
use raddle::{NotOwner, RLock, RLockGuard};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("rlock_nested", 2715, rlock_nested),
    exhaustive("rlock_both_nested", 2880, rlock_both_nested),
    exhaustive("rlock_owner", 1223, rlock_owner),
    exhaustive("rlock_two_owners", 1928, rlock_two_owners),
    exhaustive("rlock_try_lock", 1185, rlock_try_lock),
    exhaustive("rlock_timeout", 2931, rlock_timeout),
    exhaustive("rlock_unlock_fair", 3070, rlock_unlock_fair),
    exhaustive("rlock_unlocked", 150, rlock_unlocked),
    exhaustive("rlock_unlocked_nested", 4286, rlock_unlocked_nested),
    exhaustive("rlock_outlives_its_owner", 1308, rlock_outlives_its_owner),
    exhaustive("rlock_raw_release_all", 16_513, rlock_raw_release_all),
    exhaustive("rlock_raw_not_owner", 884, rlock_raw_not_owner),
];

/// An `RLock` gives `&T`: its data has to be watched by itself.
fn new_rlock() -> Arc<RLock<Data<u32>>> {
    Arc::new(RLock::new(Data::new(0)))
}

fn add_one(lock: &RLock<Data<u32>>) {
    lock.lock().with_mut(|data| *data += 1);
}

/// One thread takes it twice: nobody comes in before the outer level is given up.
fn rlock_nested() {
    let lock = new_rlock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || add_one(&lock)
    });
    let outer = lock.lock();
    let before = outer.with(|data| *data);
    let inner = lock.lock();
    inner.with_mut(|data| *data += 1);
    drop(inner);
    outer.with_mut(|data| assert_eq!(*data, before + 1, "two threads hold the lock"));
    drop(outer);
    other.join().unwrap();
    lock.lock().with(|data| assert_eq!(*data, 2));
}

/// Both threads take it twice, and give it up in either order.
fn rlock_both_nested() {
    fn add_two(lock: &RLock<Data<u32>>, outer_first: bool) {
        let outer = lock.lock();
        let inner = lock.lock();
        outer.with_mut(|data| *data += 1);
        let last = if outer_first {
            drop(outer);
            inner
        } else {
            drop(inner);
            outer
        };
        last.with_mut(|data| *data += 1);
    }
    let lock = new_rlock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || add_two(&lock, true)
    });
    add_two(&lock, false);
    other.join().unwrap();
    lock.lock().with(|data| assert_eq!(*data, 4));
}

/// Who owns it knows how deep; who doesn't, knows that, whatever the other does at that moment.
fn rlock_owner() {
    let lock = Arc::new(RawRLock::new());
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || {
            assert_eq!(lock.depth(), 0, "it never locks it");
            assert!(!lock.is_owned_by_current_thread());
        }
    });
    lock.lock();
    lock.lock();
    assert_eq!(lock.depth(), 2);
    assert_eq!(lock.release_all(), 2);
    assert_eq!(lock.depth(), 0);
    other.join().unwrap();
}

/// Two owners, one after the other: each has its own count.
fn rlock_two_owners() {
    let lock = Arc::new(RawRLock::new());
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || {
            lock.lock();
            assert_eq!(lock.release_all(), 1);
        }
    });
    lock.restore(2);
    assert_eq!(lock.release_all(), 2);
    other.join().unwrap();
    assert_eq!(lock.depth(), 0);
    assert!(!lock.is_locked());
}

/// Never waits, gets in again where it is in already, and excludes like the others.
fn rlock_try_lock() {
    fn try_to_add_two(lock: &RLock<Data<u32>>) -> u32 {
        match lock.try_lock_for(Duration::ZERO) {
            Some(guard) => {
                guard.with_mut(|data| *data += 1);
                lock.try_lock().expect("we hold it").with_mut(|data| *data += 1);
                2
            }
            None => 0,
        }
    }
    let lock = new_rlock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || try_to_add_two(&lock)
    });
    let added = try_to_add_two(&lock);
    let added = added + other.join().unwrap();
    assert!(added > 0);
    lock.try_lock().unwrap().with(|data| assert_eq!(*data, added));
}

/// A timed acquisition gets in or gives up. Who gives up owns nothing.
fn rlock_timeout() {
    let lock = new_rlock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || {
            add_one(&lock);
        }
    });
    let added = match lock.try_lock_for(some_time()) {
        Some(guard) => {
            // No time has to pass for the second level.
            let inner = lock.try_lock_for(some_time()).expect("we hold it");
            drop(guard);
            inner.with_mut(|data| *data += 1);
            1
        }
        None => 0,
    };
    other.join().unwrap();
    assert!(!lock.is_locked());
    lock.lock().with(|data| assert_eq!(*data, 1 + added));
}

/// A fair release of the outer level hands the lock over; of an inner level it gives nothing away.
fn rlock_unlock_fair() {
    let lock = new_rlock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || add_one(&lock)
    });
    let outer = lock.lock();
    let before = outer.with(|data| *data);
    RLockGuard::unlock_fair(lock.lock());
    outer.with_mut(|data| {
        assert_eq!(*data, before, "two threads hold the lock");
        *data += 1;
    });
    RLockGuard::unlock_fair(outer);
    other.join().unwrap();
    lock.lock().with(|data| assert_eq!(*data, 2));
}

/// `unlocked` at depth 1 lets the other in, and comes back with the lock.
fn rlock_unlocked() {
    let lock = new_rlock();
    let mut guard = lock.lock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || add_one(&lock)
    });
    guard.with_mut(|data| *data += 1);
    RLockGuard::unlocked(&mut guard, || other.join().unwrap());
    guard.with(|data| assert_eq!(*data, 2));
}

/// `unlocked` at depth 2 gives up one level, and the lock stays ours.
fn rlock_unlocked_nested() {
    let lock = new_rlock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || add_one(&lock)
    });
    let outer = lock.lock();
    let before = outer.with(|data| *data);
    let mut inner = lock.lock();
    let depth = RLockGuard::unlocked(&mut inner, || lock.depth());
    assert_eq!(depth, 1);
    inner.with_mut(|data| assert_eq!(*data, before, "two threads hold the lock"));
    drop((inner, outer));
    other.join().unwrap();
    lock.lock().with(|data| assert_eq!(*data, 1));
}

/// A lock whose owner has ended stays locked: no other thread is taken for the owner, not even one that comes later.
fn rlock_outlives_its_owner() {
    let lock = new_rlock();
    let owner = spawn({
        let lock = Arc::clone(&lock);
        move || std::mem::forget(lock.lock())
    });
    // Before the owner comes it is free.
    drop(lock.try_lock_for(some_time()));
    owner.join().unwrap();
    let heir = spawn({
        let lock = Arc::clone(&lock);
        move || lock.try_lock().is_some() || lock.is_owned_by_current_thread()
    });
    assert!(!heir.join().unwrap());
    assert_eq!(lock.depth(), 0);
    assert!(lock.is_locked());
    assert!(lock.try_lock().is_none());
}

/// All levels are given up at once, another takes the lock, and as many come back.
fn rlock_raw_release_all() {
    struct Shared {
        lock: RawRLock,
        data: Data<u32>,
    }
    let shared = Arc::new(Shared { lock: RawRLock::new(), data: Data::new(0) });
    shared.lock.restore(1);
    shared.lock.restore(1);
    let other = spawn({
        let shared = Arc::clone(&shared);
        move || {
            if shared.lock.try_lock() {
                shared.data.with_mut(|data| *data += 2);
                assert_eq!(shared.lock.release_all(), 1);
            }
        }
    });
    shared.data.with_mut(|data| *data += 1);
    assert_eq!(shared.lock.release_all(), 2);
    shared.lock.restore(2);
    shared.data.with_mut(|data| *data += 1);
    assert_eq!(shared.lock.release_all(), 2);
    other.join().unwrap();
    shared.data.with(|data| assert!(*data == 2 || *data == 4));
}

/// Who does not own it can't release it, in whatever state it is.
fn rlock_raw_not_owner() {
    let lock = Arc::new(RawRLock::new());
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || {
            assert_eq!(lock.checked_unlock(), Err(NotOwner));
            assert_eq!(lock.release_all(), 0);
        }
    });
    lock.lock();
    assert_eq!(lock.checked_unlock(), Ok(()));
    assert_eq!(lock.checked_unlock(), Err(NotOwner));
    other.join().unwrap();
    assert!(!lock.is_locked());
}
