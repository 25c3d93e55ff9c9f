//! `Lock`: mutual exclusion, hand-off, timeouts against wake-ups, fairness.

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Duration, JoinHandle, biased, some_time, spawn, spinning, yield_now};
use raddle::raw::RawLock;
use raddle::{Lock, LockGuard};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("lock_two_threads", 30, lock_two_threads),
    exhaustive("lock_spinning", 17, lock_spinning),
    exhaustive("lock_spinning_for_long", 10, lock_spinning_for_long),
    exhaustive("lock_two_threads_twice", 11_826, lock_two_threads_twice),
    bounded("lock_three_threads", 3, 1628, lock_three_threads),
    bounded("lock_starving", 3, 20_208, lock_starving),
    bounded("lock_two_starving", 3, 4646, lock_two_starving),
    exhaustive("lock_timeout", 34, lock_timeout),
    bounded("lock_timeout_passes_no_wake_up_on", 3, 1322, lock_timeout_passes_no_wake_up_on),
    exhaustive("lock_unlock_fair", 12_430, lock_unlock_fair),
    bounded("lock_unlock_fair_three_threads", 3, 917, lock_unlock_fair_three_threads),
    exhaustive("lock_try_lock", 12, lock_try_lock),
    exhaustive("lock_unlocked", 661, lock_unlocked),
    exhaustive("lock_guard_is_sent", 41, lock_guard_is_sent),
    exhaustive("lock_raw_released_elsewhere", 41, lock_raw_released_elsewhere),
    exhaustive("lock_raw_released_twice", 3, lock_raw_released_twice),
    exhaustive("lock_biased", 31_000, lock_biased),
    bounded("lock_biased_twice", 5, 63_000, lock_biased_twice),
    bounded("lock_biased_three_threads", 3, 179_000, lock_biased_three_threads),
    bounded("lock_biased_two_waiters", 3, 121_000, lock_biased_two_waiters),
    exhaustive("lock_biased_timeout", 29_700, lock_biased_timeout),
    exhaustive("lock_biased_released_elsewhere", 41, lock_biased_released_elsewhere),
];

fn add_one(lock: &Lock<u32>) {
    *lock.lock() += 1;
}

/// Adds one unless its time is over, and returns what it has added.
fn add_one_in_time(lock: &Lock<u32>) -> u32 {
    lock.try_lock_for(some_time()).map_or(0, |mut guard| {
        *guard += 1;
        1
    })
}

fn unbiased_lock() -> Arc<Lock<u32>> {
    Arc::new(Lock::new(0))
}

/// A lock that its first release has biased, if locks are biased.
fn biased_lock() -> Arc<Lock<u32>> {
    let lock = unbiased_lock();
    drop(lock.lock());
    lock
}

fn spawn_with<R: Send + 'static>(
    lock: &Arc<Lock<u32>>,
    f: impl FnOnce(&Lock<u32>) -> R + Send + 'static,
) -> JoinHandle<R> {
    let lock = Arc::clone(lock);
    spawn(move || f(&lock))
}

/// So many sections of this thread, and of one thread more for each number of `others`.
fn sections<const OTHERS: usize>(lock: &Arc<Lock<u32>>, here: u32, others: [u32; OTHERS]) {
    fn add(lock: &Lock<u32>, sections: u32) {
        for _ in 0..sections {
            add_one(lock);
        }
    }
    let threads = others.map(|sections| spawn_with(lock, move |lock| add(lock, sections)));
    add(lock, here);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*lock.lock(), here + others.iter().sum::<u32>());
}

/// So many sections of this thread, one of a waiter that has time, and one of a waiter that may give up.
fn one_has_no_time(lock: &Arc<Lock<u32>>, here: u32) {
    let patient = spawn_with(lock, add_one);
    let timed = spawn_with(lock, add_one_in_time);
    for _ in 0..here {
        add_one(lock);
    }
    patient.join().unwrap();
    let timed = timed.join().unwrap();
    assert!(!lock.is_locked());
    assert_eq!(*lock.lock(), here + 1 + timed);
}

/// A timed acquisition gets in or gives up, beside another thread's section, and the lock is free afterwards.
fn gets_in_or_gives_up(lock: &Arc<Lock<u32>>) {
    let other = spawn_with(lock, add_one);
    let got = add_one_in_time(lock);
    other.join().unwrap();
    assert_eq!(*lock.lock(), 1 + got);
    assert!(!lock.is_locked());
}

/// Two threads, one section each.
fn lock_two_threads() {
    sections(&unbiased_lock(), 1, [1]);
}

/// Two threads, one section each, and who finds the lock held stays awake for a moment.
fn lock_spinning() {
    let _spinning = spinning(1);
    lock_two_threads();
}

/// As `lock_spinning`, and one section lasts for longer than the first look of the other thread, which goes on spinning, or parks.
fn lock_spinning_for_long() {
    let _spinning = spinning(1);
    let lock = unbiased_lock();
    let other = {
        let mut guard = lock.lock();
        let other = spawn_with(&lock, add_one);
        yield_now();
        *guard += 1;
        other
    };
    other.join().unwrap();
    assert_eq!(*lock.lock(), 2);
}

/// Two threads, two sections each: a waiter is barged past, parks again, and starves.
fn lock_two_threads_twice() {
    sections(&unbiased_lock(), 2, [2]);
}

/// Three threads: a woken waiter answers for the one behind it.
fn lock_three_threads() {
    sections(&unbiased_lock(), 1, [1, 1]);
}

/// Two waiters, and a thread that takes the lock three times: waiters lose the race, starve, and are handed the lock.
fn lock_starving() {
    sections(&unbiased_lock(), 3, [1, 1]);
}

/// As `lock_starving`, with a starving waiter that may time out, and leave HANDOFF stale.
fn lock_two_starving() {
    one_has_no_time(&unbiased_lock(), 2);
}

/// A timed acquisition gets in or gives up, and the lock is free afterwards.
fn lock_timeout() {
    gets_in_or_gives_up(&unbiased_lock());
}

/// A waiter that times out takes nobody's wake-up with it: the third thread, which waits for ever, gets in.
fn lock_timeout_passes_no_wake_up_on() {
    let lock = unbiased_lock();
    let timed = spawn_with(&lock, add_one_in_time);
    let patient = spawn_with(&lock, add_one);
    add_one(&lock);
    patient.join().unwrap();
    let timed = timed.join().unwrap();
    assert_eq!(*lock.lock(), 2 + timed);
}

/// A fair release hands over, or frees the lock if nobody waits.
fn lock_unlock_fair() {
    let lock = unbiased_lock();
    let other = spawn_with(&lock, |lock| {
        add_one(lock);
        add_one(lock);
    });
    let mut guard = lock.lock();
    *guard += 1;
    LockGuard::unlock_fair(guard);
    add_one(&lock);
    other.join().unwrap();
    assert_eq!(*lock.lock(), 4);
}

/// A fair release with two waiters, one of which may time out.
fn lock_unlock_fair_three_threads() {
    let lock = unbiased_lock();
    let patient = spawn_with(&lock, add_one);
    let timed = spawn_with(&lock, |lock| match lock.try_lock_for(some_time()) {
        Some(mut guard) => {
            *guard += 1;
            LockGuard::unlock_fair(guard);
            1
        }
        None => 0,
    });
    let mut guard = lock.lock();
    *guard += 1;
    LockGuard::unlock_fair(guard);
    patient.join().unwrap();
    let timed = timed.join().unwrap();
    assert_eq!(*lock.lock(), 2 + timed);
}

/// `try_lock` and a zero timeout never wait, and exclude like the others.
fn lock_try_lock() {
    let lock = unbiased_lock();
    let other = spawn_with(&lock, |lock| match lock.try_lock() {
        Some(mut guard) => {
            *guard += 1;
            1
        }
        None => 0,
    });
    let got = match lock.try_lock_for(Duration::ZERO) {
        Some(mut guard) => {
            *guard += 1;
            1
        }
        None => 0,
    };
    let got = got + other.join().unwrap();
    assert!(got > 0);
    assert_eq!(*lock.try_lock().unwrap(), got);
}

/// `unlocked` lets the other in, and comes back with the lock.
fn lock_unlocked() {
    let lock = unbiased_lock();
    let other = spawn_with(&lock, add_one);
    let mut guard = lock.lock();
    *guard += 1;
    LockGuard::unlocked(&mut guard, || ());
    *guard += 1;
    drop(guard);
    other.join().unwrap();
    assert_eq!(*lock.lock(), 3);
}

/// A guard that is dropped by another thread than the one that made it.
fn lock_guard_is_sent() {
    let lock = Arc::new(Lock::new(0));
    let mut guard = lock.lock_arc();
    let other = spawn(move || {
        *guard += 1;
        drop(guard);
    });
    add_one(&lock);
    other.join().unwrap();
    assert_eq!(*lock.lock(), 2);
}

/// Acquired here, released there: the holder is whoever comes next.
fn lock_raw_released_elsewhere() {
    let lock = Arc::new(RawLock::new());
    lock.lock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || lock.checked_unlock().unwrap()
    });
    lock.lock();
    other.join().unwrap();
    lock.checked_unlock().unwrap();
    assert!(lock.checked_unlock().is_err());
    assert!(lock.try_lock());
}

/// Two releases of one acquisition: one of them fails, and a waiter gets in once.
fn lock_raw_released_twice() {
    let lock = Arc::new(RawLock::new());
    lock.lock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || lock.checked_unlock().is_ok()
    });
    let here = lock.checked_unlock_fair().is_ok();
    assert!(here ^ other.join().unwrap());
    assert!(!lock.is_locked());
}

/// The bias is revoked while the lock is held, or while it is released by a plain store; and it comes back.
fn lock_biased() {
    let _biased = biased();
    sections(&biased_lock(), 1, [1]);
}

/// The bias is revoked, with two sections of one thread: the second may follow upon the revocation, or upon the bias's return.
fn lock_biased_twice() {
    let _biased = biased();
    sections(&biased_lock(), 2, [1]);
}

/// One waiter finds what another has made of the bias.
fn lock_biased_three_threads() {
    let _biased = biased();
    sections(&biased_lock(), 1, [1, 1]);
}

/// Two who wait for a biased release, one of which may give up.
fn lock_biased_two_waiters() {
    let _biased = biased();
    one_has_no_time(&biased_lock(), 1);
}

/// A waiter that gives up has revoked the bias, and nobody misses it.
fn lock_biased_timeout() {
    let _biased = biased();
    gets_in_or_gives_up(&biased_lock());
}

/// The other way to release, while the lock is biased.
fn lock_biased_released_elsewhere() {
    let _biased = biased();
    let lock = Arc::new(RawLock::new());
    lock.lock();
    // SAFETY: it is held by us.
    unsafe { lock.unlock() };
    lock.lock();
    let other = spawn({
        let lock = Arc::clone(&lock);
        move || lock.checked_unlock().unwrap()
    });
    lock.lock();
    other.join().unwrap();
    lock.checked_unlock_fair().unwrap();
    assert!(lock.checked_unlock().is_err());
}
