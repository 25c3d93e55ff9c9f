//! `raddle::raw`: the locks that other languages bind to, and the condition that waits on either.

#![cfg(not(feature = "loom"))]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, panic_message, past, wait_until, within, work};
use raddle::raw::{RawCondition, RawLock, RawRLock};
use raddle::{NotLocked, NotOwner};

#[test]
fn any_thread_may_release_a_raw_lock() {
    within(|| {
        let lock = RawLock::new();
        lock.lock();
        thread::scope(|s| {
            s.spawn(|| assert_eq!(lock.checked_unlock(), Ok(())));
        });
        assert!(!lock.is_locked());
        assert!(lock.try_lock());
        thread::scope(|s| {
            // SAFETY: it is held, and its holder lets this thread release it.
            s.spawn(|| unsafe { lock.unlock() });
        });
        assert!(lock.try_lock_for(Duration::ZERO));
        assert_eq!(lock.checked_unlock_fair(), Ok(()));
    });
}

#[test]
fn releasing_a_free_raw_lock_is_an_error_and_changes_nothing() {
    let lock = RawLock::default();
    assert_eq!(lock.checked_unlock(), Err(NotLocked));
    assert_eq!(lock.checked_unlock_fair(), Err(NotLocked));
    assert!(!lock.is_locked());
    lock.lock();
    assert_eq!(lock.checked_unlock(), Ok(()));
    assert_eq!(lock.checked_unlock(), Err(NotLocked));
    assert!(lock.try_lock());
    assert_eq!(NotLocked.to_string(), "the lock is not held by anybody");
}

#[cfg(debug_assertions)]
#[test]
fn an_unchecked_unlock_of_a_free_lock_panics_in_debug_builds_and_names_the_call() {
    let lock = RawLock::new();
    // SAFETY: it is not held, which is a misuse that costs a panic here.
    let message = panic_message(|| unsafe { lock.unlock() });
    assert!(message.starts_with("RawLock::unlock"), "{message}");
    let lock = RawRLock::new();
    // SAFETY: as above.
    let message = panic_message(|| unsafe { lock.unlock() });
    assert!(message.starts_with("RawRLock::unlock"), "{message}");
    assert!(!lock.is_locked());
}

#[test]
fn of_two_racing_releases_exactly_one_succeeds() {
    within(|| {
        for round in 0..300 {
            let lock = RawLock::new();
            lock.lock();
            let ready = AtomicUsize::new(0);
            let succeeded: usize = thread::scope(|s| {
                let racers: Vec<_> = (0..2)
                    .map(|_| {
                        s.spawn(|| {
                            ready.fetch_add(1, Ordering::Relaxed);
                            while ready.load(Ordering::Relaxed) < 2 {
                                thread::yield_now();
                            }
                            let released = if round % 2 == 0 {
                                lock.checked_unlock()
                            } else {
                                lock.checked_unlock_fair()
                            };
                            usize::from(released.is_ok())
                        })
                    })
                    .collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).sum()
            });
            assert_eq!(succeeded, 1);
            assert!(!lock.is_locked());
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn of_two_racing_releases_one_succeeds_also_with_a_parked_waiter() {
    within(|| {
        for fair in [false, true] {
            for _ in 0..30 {
                let lock = RawLock::new();
                lock.lock();
                let waiter = common::Whereabouts::new();
                let (ready, got) = (AtomicUsize::new(0), AtomicBool::new(false));
                let released = AtomicUsize::new(0);
                thread::scope(|s| {
                    s.spawn(|| {
                        waiter.about_to_block();
                        lock.lock();
                        got.store(true, Ordering::Relaxed);
                        // It may be released by the second of the racers too: then that one had a lock to release.
                    });
                    waiter.wait_until_asleep();
                    for _ in 0..2 {
                        s.spawn(|| {
                            ready.fetch_add(1, Ordering::Relaxed);
                            while ready.load(Ordering::Relaxed) < 2 {
                                thread::yield_now();
                            }
                            let result =
                                if fair { lock.checked_unlock_fair() } else { lock.checked_unlock() };
                            released.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
                        });
                    }
                });
                assert!(got.load(Ordering::Relaxed));
                // As many releases as acquisitions, but for the one by which it is still held.
                let held = usize::from(lock.is_locked());
                assert_eq!(released.load(Ordering::Relaxed) + held, 2);
            }
        }
    });
}

#[test]
fn a_raw_lock_excludes_and_times_out() {
    within(|| {
        let lock = RawLock::new();
        let (inside, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|s| {
            for seed in 0..4 {
                let (lock, inside, count) = (&lock, &inside, &count);
                s.spawn(move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..1_000 {
                        let acquired = match random.below(4) {
                            0 => lock.try_lock(),
                            1 => lock.try_lock_for(random.micros(50)),
                            2 => lock.try_lock_until(Instant::now() + random.micros(50)),
                            _ => {
                                lock.lock();
                                true
                            }
                        };
                        if acquired {
                            assert!(!inside.swap(true, Ordering::Relaxed), "two inside");
                            count.fetch_add(1, Ordering::Relaxed);
                            inside.store(false, Ordering::Relaxed);
                            let released = if random.below(2) == 0 {
                                lock.checked_unlock()
                            } else {
                                lock.checked_unlock_fair()
                            };
                            released.unwrap();
                        }
                    }
                });
            }
        });
        lock.lock();
        let start = Instant::now();
        assert!(!lock.try_lock_for(SHORT));
        assert!(start.elapsed() >= SHORT, "early");
        assert!(!lock.try_lock_for(Duration::ZERO));
        assert!(!lock.try_lock_until(past()));
        assert!(count.into_inner() >= 4);
    });
}

#[test]
fn a_raw_rlock_checks_its_owner() {
    within(|| {
        let lock = RawRLock::new();
        assert_eq!(lock.checked_unlock(), Err(NotOwner), "nobody owns it");
        lock.lock();
        assert!(lock.try_lock());
        assert!(lock.try_lock_for(Duration::ZERO));
        assert!(lock.try_lock_until(past()));
        assert_eq!(lock.depth(), 4);
        thread::scope(|s| {
            s.spawn(|| {
                assert_eq!(lock.checked_unlock(), Err(NotOwner));
                assert_eq!(lock.release_all(), 0);
                assert_eq!(lock.depth(), 0);
                assert!(!lock.is_owned_by_current_thread());
                assert!(!lock.try_lock());
                assert!(!lock.try_lock_for(SHORT));
                assert!(!lock.try_lock_until(past()));
            });
        });
        for depth in (0..4).rev() {
            assert!(lock.is_owned_by_current_thread());
            assert_eq!(lock.checked_unlock(), Ok(()));
            assert_eq!(lock.depth(), depth);
        }
        assert_eq!(lock.checked_unlock(), Err(NotOwner));
        assert!(!lock.is_locked());
        assert_eq!(NotOwner.to_string(), "the reentrant lock is not owned by the calling thread");
    });
}

#[test]
fn release_all_and_restore_give_up_and_take_back_every_level() {
    within(|| {
        let lock = RawRLock::default();
        assert_eq!(lock.release_all(), 0);
        lock.restore(0);
        assert!(!lock.is_locked(), "restore(0) does nothing");
        for _ in 0..5 {
            lock.lock();
        }
        let levels = lock.release_all();
        assert_eq!((levels, lock.depth(), lock.is_locked()), (5, 0, false));
        thread::scope(|s| {
            s.spawn(|| {
                assert!(lock.try_lock());
                assert_eq!(lock.checked_unlock(), Ok(()));
            });
        });
        lock.restore(levels);
        assert_eq!(lock.depth(), 5);
        lock.restore(2);
        assert_eq!(lock.depth(), 7, "the owner's levels are added");
        assert_eq!(lock.release_all(), 7);
    });
}

#[test]
fn restore_waits_for_its_turn() {
    within(|| {
        let lock = RawRLock::new();
        let count = AtomicUsize::new(0);
        thread::scope(|s| {
            for levels in 1..=4 {
                let (lock, count) = (&lock, &count);
                s.spawn(move || {
                    for _ in 0..300 {
                        lock.restore(levels);
                        assert_eq!(lock.depth(), levels);
                        let before = count.load(Ordering::Relaxed);
                        count.store(before + 1, Ordering::Relaxed);
                        assert_eq!(lock.release_all(), levels);
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 1_200);
    });
}

#[test]
fn a_recursion_too_deep_panics_names_the_call_and_changes_nothing() {
    within(|| {
        let lock = RawRLock::new();
        lock.restore(u32::MAX);
        assert_eq!(lock.depth(), u32::MAX);
        let calls: [(&str, &dyn Fn()); 5] = [
            ("RLock::lock:", &|| lock.lock()),
            ("RLock::try_lock:", &|| _ = lock.try_lock()),
            ("RLock::try_lock_for:", &|| _ = lock.try_lock_for(LONG)),
            ("RLock::try_lock_until:", &|| _ = lock.try_lock_until(past())),
            ("RLock::restore:", &|| lock.restore(1)),
        ];
        for (name, call) in calls {
            let message = panic_message(call);
            assert!(message.starts_with(name), "{message:?} does not name {name}");
            assert_eq!(lock.depth(), u32::MAX);
            assert!(lock.is_owned_by_current_thread());
        }
        assert_eq!(lock.checked_unlock(), Ok(()));
        assert_eq!(lock.depth(), u32::MAX - 1);
        panic_message(|| lock.restore(2));
        assert_eq!(lock.depth(), u32::MAX - 1);
        lock.lock();
        assert_eq!(lock.release_all(), u32::MAX);
        assert!(!lock.is_locked());
    });
}

#[test]
fn a_raw_condition_waits_on_a_raw_lock() {
    within(|| {
        let (lock, condition) = (RawLock::new(), RawCondition::new());
        let waiting = AtomicUsize::new(0);
        thread::scope(|s| {
            for index in 0..3 {
                let (lock, condition, waiting) = (&lock, &condition, &waiting);
                s.spawn(move || {
                    lock.lock();
                    waiting.fetch_add(1, Ordering::Relaxed);
                    match index {
                        0 => assert_eq!(condition.wait(lock), Ok(())),
                        1 => assert_eq!(condition.wait_for(lock, LONG), Ok(true)),
                        _ => assert_eq!(condition.wait_until(lock, Instant::now() + LONG), Ok(true)),
                    }
                    assert!(lock.is_locked());
                    lock.checked_unlock().unwrap();
                });
            }
            wait_until("all wait", || {
                lock.lock();
                let all = waiting.load(Ordering::Relaxed) == 3;
                lock.checked_unlock().unwrap();
                all
            });
            assert!(condition.notify_one());
            assert_eq!(condition.notify(1), 1);
            assert_eq!(condition.notify_all(), 1);
            assert!(!condition.notify_one());
        });
        assert!(!lock.is_locked());
    });
}

#[test]
fn a_raw_condition_restores_every_level_also_after_a_timeout() {
    within(|| {
        let (lock, condition) = (RawRLock::new(), RawCondition::default());
        for _ in 0..3 {
            lock.lock();
        }
        assert_eq!(condition.wait_for(&lock, SHORT), Ok(false));
        assert_eq!(lock.depth(), 3);
        assert_eq!(condition.wait_for(&lock, Duration::ZERO), Ok(false));
        assert_eq!(lock.depth(), 3);
        assert_eq!(condition.wait_until(&lock, past()), Ok(false));
        assert_eq!(lock.depth(), 3);
        let notified = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                lock.lock();
                notified.store(true, Ordering::Relaxed);
                assert!(condition.notify_one());
                lock.checked_unlock().unwrap();
            });
            assert_eq!(condition.wait(&lock), Ok(()));
        });
        assert!(notified.load(Ordering::Relaxed));
        assert_eq!(lock.depth(), 3);
        lock.restore(u32::MAX - 3);
        assert_eq!(condition.wait_for(&lock, SHORT), Ok(false));
        assert_eq!(lock.depth(), u32::MAX, "as deep as can be");
    });
}

#[test]
fn a_wait_without_the_lock_is_an_error_and_changes_nothing() {
    within(|| {
        let (lock, rlock, condition) = (RawLock::new(), RawRLock::new(), RawCondition::new());
        assert_eq!(condition.wait(&lock), Err(NotLocked));
        assert_eq!(condition.wait_for(&lock, LONG), Err(NotLocked));
        assert_eq!(condition.wait_until(&lock, past()), Err(NotLocked));
        assert_eq!(condition.wait(&rlock), Err(NotOwner));
        assert_eq!(condition.wait_for(&rlock, LONG), Err(NotOwner));
        assert_eq!(condition.wait_until(&rlock, past()), Err(NotOwner));
        rlock.lock();
        thread::scope(|s| {
            s.spawn(|| assert_eq!(condition.wait(&rlock), Err(NotOwner), "another thread owns it"));
        });
        assert_eq!(rlock.depth(), 1);
        assert!(!lock.is_locked());
        assert_eq!(condition.notify_all(), 0, "nobody is in the queue");
    });
}

#[test]
fn two_locks_at_once_panic_name_the_call_and_leave_all_usable() {
    within(|| {
        let (first, second, third) = (RawLock::new(), RawLock::new(), RawRLock::new());
        let condition = RawCondition::new();
        let waiting = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                first.lock();
                waiting.store(true, Ordering::Relaxed);
                condition.wait(&first).unwrap();
                first.checked_unlock().unwrap();
            });
            wait_until("it is about to wait", || waiting.load(Ordering::Relaxed));
            // Free only once it is in the queue.
            first.lock();
            first.checked_unlock().unwrap();
            second.lock();
            let calls: [(&str, &dyn Fn()); 3] = [
                ("RawCondition::wait_for:", &|| _ = condition.wait_for(&second, LONG)),
                ("RawCondition::wait:", &|| condition.wait(&second).unwrap()),
                ("RawCondition::wait_until:", &|| _ = condition.wait_until(&second, Instant::now() + LONG)),
            ];
            for (name, call) in calls {
                let message = panic_message(call);
                assert!(message.starts_with(name), "{message:?} does not name {name}");
                assert!(second.is_locked(), "its lock is still held");
            }
            third.restore(3);
            panic_message(|| condition.wait(&third));
            assert_eq!(third.depth(), 3);
            assert_eq!(condition.notify_all(), 1);
        });
        assert_eq!(condition.wait_for(&second, SHORT), Ok(false));
        assert_eq!(condition.wait_for(&third, SHORT), Ok(false));
    });
}

#[test]
fn an_rlock_and_its_inner_lock_are_not_confused_with_their_neighbours() {
    // Locks side by side in memory: each wakes its own waiters.
    within(|| {
        let locks = [const { RawLock::new() }; 8];
        for lock in &locks {
            lock.lock();
        }
        let got = [const { AtomicBool::new(false) }; 8];
        thread::scope(|s| {
            for (lock, got) in locks.iter().zip(&got) {
                s.spawn(move || {
                    lock.lock();
                    got.store(true, Ordering::Relaxed);
                });
            }
            for (index, lock) in locks.iter().enumerate() {
                work(Duration::from_micros(100));
                assert!(!got[index].load(Ordering::Relaxed), "let in while it was held");
                lock.checked_unlock().unwrap();
                wait_until("its waiter is in", || got[index].load(Ordering::Relaxed));
            }
        });
    });
}

#[test]
fn debug_never_blocks() {
    within(|| {
        let (lock, rlock) = (RawLock::new(), RawRLock::new());
        lock.lock();
        rlock.restore(2);
        assert_eq!(format!("{lock:?}"), "RawLock { locked: true }");
        assert_eq!(format!("{rlock:?}"), "RawRLock { locked: true, depth: 2 }");
        assert_eq!(format!("{:?}", RawCondition::new()), "RawCondition { .. }");
    });
}
