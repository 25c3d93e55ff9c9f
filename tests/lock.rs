//! `Lock`: exclusion, every way in and out, timeouts, panics, leaks, starvation.

#![cfg(not(feature = "loom"))]

mod common;

use std::fmt::Debug;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, STARVES_AFTER, panic_message, past, wait_until, within, work};
use raddle::{ArcLockGuard, Lock, LockGuard, MappedLockGuard};

#[test]
fn one_thread_at_a_time_is_inside() {
    within(|| {
        const THREADS: usize = 8;
        const ROUNDS: usize = 2_000;
        let lock = Lock::new(0_usize);
        let inside = AtomicBool::new(false);
        thread::scope(|s| {
            for _ in 0..THREADS {
                s.spawn(|| {
                    for _ in 0..ROUNDS {
                        let mut count = lock.lock();
                        assert!(!inside.swap(true, Ordering::Relaxed), "two inside");
                        *count += 1;
                        inside.store(false, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(lock.into_inner(), THREADS * ROUNDS);
    });
}

#[test]
fn try_lock_gets_a_free_lock_and_refuses_a_held_one() {
    within(|| {
        let lock = Lock::new(7);
        assert!(!lock.is_locked());
        let guard = lock.try_lock().expect("it is free");
        assert_eq!(*guard, 7);
        assert!(lock.is_locked());
        assert!(lock.try_lock().is_none(), "the holder itself is refused");
        thread::scope(|s| {
            s.spawn(|| assert!(lock.try_lock().is_none()));
        });
        drop(guard);
        assert!(!lock.is_locked());
        assert!(lock.try_lock().is_some());
    });
}

#[test]
fn unlock_wakes_a_waiter() {
    within(|| {
        for round in 0..200_u32 {
            let lock = Lock::new(false);
            let arrived = AtomicBool::new(false);
            thread::scope(|s| {
                let mut guard = lock.lock();
                s.spawn(|| {
                    arrived.store(true, Ordering::Relaxed);
                    assert!(*lock.lock());
                });
                wait_until("the waiter is near", || arrived.load(Ordering::Relaxed));
                // From "not there yet" to "parked".
                work(Duration::from_micros(u64::from(round)));
                *guard = true;
                drop(guard);
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn unlock_wakes_a_parked_waiter() {
    within(|| {
        let lock = Lock::new(0);
        let waiter = common::Whereabouts::new();
        thread::scope(|s| {
            let mut guard = lock.lock();
            s.spawn(|| {
                waiter.about_to_block();
                *lock.lock() *= 2;
            });
            waiter.wait_until_asleep();
            *guard = 21;
        });
        assert_eq!(*lock.lock(), 42);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn unlock_wakes_parked_waiters_one_after_the_other() {
    within(|| {
        let lock = Lock::new(Vec::new());
        let waiters = [const { common::Whereabouts::new() }; 4];
        thread::scope(|s| {
            let guard = lock.lock();
            for (index, waiter) in waiters.iter().enumerate() {
                let lock = &lock;
                s.spawn(move || {
                    waiter.about_to_block();
                    lock.lock().push(index);
                });
                waiter.wait_until_asleep();
            }
            drop(guard);
        });
        assert_eq!(lock.into_inner(), [0, 1, 2, 3], "nobody barged, so first come, first served");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn unlock_fair_hands_the_lock_to_the_parked_waiter_past_the_one_who_unlocks() {
    fn check<'l, G: Debug>(
        lock: &'l Lock<u32>,
        acquire: impl Fn(&'l Lock<u32>) -> G,
        unlock_fair: impl Fn(G),
    ) {
        for round in 1..=20 {
            let waiter = common::Whereabouts::new();
            thread::scope(|s| {
                let guard = acquire(lock);
                s.spawn(|| {
                    waiter.about_to_block();
                    *lock.lock() += 1;
                });
                waiter.wait_until_asleep();
                unlock_fair(guard);
                // The lock never was free, so whoever comes now comes second.
                assert_eq!(*lock.lock(), round, "barged past a fair unlock");
            });
        }
    }

    within(|| {
        check(&Lock::new(0), Lock::lock, LockGuard::unlock_fair);
        check(&Lock::new(0), |lock| LockGuard::map(lock.lock(), |count| count), MappedLockGuard::unlock_fair);
    });
    within(|| {
        let lock = Arc::new(Lock::new(0));
        check(&Arc::clone(&lock), |_| lock.lock_arc(), ArcLockGuard::unlock_fair);
        assert_eq!(Arc::strong_count(&lock), 1, "unlock_fair keeps no count");
    });
}

#[test]
fn unlock_fair_without_a_waiter_is_an_unlock() {
    let lock = Lock::new(1);
    LockGuard::unlock_fair(lock.lock());
    assert!(!lock.is_locked());
    MappedLockGuard::unlock_fair(LockGuard::map(lock.lock(), |one| one));
    assert!(!lock.is_locked());
    let lock = Arc::new(lock);
    ArcLockGuard::unlock_fair(lock.lock_arc());
    assert!(!lock.is_locked());
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn a_timed_lock_gives_up_and_not_early() {
    within(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.lock();
        let start = Instant::now();
        assert!(lock.try_lock_for(SHORT).is_none());
        assert!(start.elapsed() >= SHORT, "early");
        let deadline = Instant::now() + SHORT;
        assert!(lock.try_lock_until(deadline).is_none());
        assert!(Instant::now() >= deadline, "early");
        assert!(lock.try_lock_arc_for(SHORT).is_none());
        assert!(lock.try_lock_arc_until(Instant::now() + SHORT).is_none());
        drop(guard);
        assert!(lock.try_lock_for(SHORT).is_some(), "those who gave up left nothing behind");
        assert_eq!(Arc::strong_count(&lock), 1);
    });
}

#[test]
fn a_timed_lock_gets_a_lock_that_is_released_in_time() {
    within(|| {
        let lock = Arc::new(Lock::new(0));
        for round in 0..50 {
            let guard = lock.lock();
            thread::scope(|s| {
                s.spawn(|| *lock.try_lock_for(LONG).expect("in time") += 1);
                s.spawn(|| *lock.try_lock_until(Instant::now() + LONG).expect("in time") += 1);
                s.spawn(|| *lock.try_lock_arc_for(LONG).expect("in time") += 1);
                s.spawn(|| *lock.try_lock_arc_until(Instant::now() + LONG).expect("in time") += 1);
                work(Duration::from_micros(10 * round));
                drop(guard);
            });
        }
        assert_eq!(*lock.lock(), 200);
    });
}

#[test]
fn zero_timeouts_and_past_deadlines_do_not_block() {
    within(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.lock();
        for _ in 0..1_000 {
            assert!(lock.try_lock_for(Duration::ZERO).is_none());
            assert!(lock.try_lock_until(past()).is_none());
            assert!(lock.try_lock_arc_for(Duration::ZERO).is_none());
            assert!(lock.try_lock_arc_until(past()).is_none());
        }
        drop(guard);
        assert!(lock.try_lock_for(Duration::ZERO).is_some(), "no time is needed for a free lock");
        assert!(lock.try_lock_until(past()).is_some());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_waiter_that_timed_out_leaves_those_behind_it_to_be_woken() {
    within(|| {
        for _ in 0..20 {
            let lock = Lock::new(());
            let (first, second) = (common::Whereabouts::new(), common::Whereabouts::new());
            thread::scope(|s| {
                let guard = lock.lock();
                let timed = s.spawn(|| {
                    first.about_to_block();
                    lock.try_lock_for(SHORT).is_some()
                });
                first.wait_until_asleep();
                s.spawn(|| {
                    second.about_to_block();
                    drop(lock.lock());
                });
                second.wait_until_asleep();
                assert!(!timed.join().unwrap());
                drop(guard);
            });
            assert!(!lock.is_locked());
        }
    });
}

#[test]
fn threads_that_end_while_others_wait_take_no_wake_up_along() {
    within(|| {
        let lock = Lock::new(0_usize);
        let successes = AtomicUsize::new(0);
        thread::scope(|s| {
            for seed in 0..4 {
                let (lock, successes) = (&lock, &successes);
                s.spawn(move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..100 {
                        // A thread of its own for each try: it ends when it has timed out.
                        let timeout = random.micros(200);
                        thread::scope(|s| {
                            s.spawn(|| {
                                if let Some(mut count) = lock.try_lock_for(timeout) {
                                    *count += 1;
                                    successes.fetch_add(1, Ordering::Relaxed);
                                    work(Duration::from_micros(20));
                                }
                            });
                        });
                    }
                });
            }
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..500 {
                        *lock.lock() += 1;
                        successes.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(*lock.lock(), successes.into_inner());
        assert!(!lock.is_locked());
    });
}

#[test]
fn timeouts_and_unlocks_at_the_same_moment_lose_no_wake_up() {
    within(|| {
        let lock = Lock::new(0_usize);
        let successes = AtomicUsize::new(0);
        thread::scope(|s| {
            for seed in 0..6_u64 {
                let (lock, successes) = (&lock, &successes);
                s.spawn(move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..1_500 {
                        let guard = match random.below(6) {
                            0 => Some(lock.lock()),
                            1 => lock.try_lock(),
                            2 => lock.try_lock_until(Instant::now() + random.micros(80)),
                            _ => lock.try_lock_for(random.micros(80)),
                        };
                        if let Some(mut count) = guard {
                            *count += 1;
                            successes.fetch_add(1, Ordering::Relaxed);
                            if random.below(4) == 0 {
                                work(Duration::from_micros(30));
                            }
                            if random.below(4) == 0 {
                                LockGuard::unlock_fair(count);
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(*lock.lock(), successes.into_inner());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_waiter_passed_over_for_a_millisecond_is_given_the_lock_by_the_next_unlock() {
    within(|| {
        for _ in 0..15 {
            let lock = Lock::new(0);
            let waiter = common::Whereabouts::new();
            thread::scope(|s| {
                let guard = lock.lock();
                s.spawn(|| {
                    waiter.about_to_block();
                    *lock.lock() += 1;
                });
                waiter.wait_until_asleep();
                thread::sleep(Duration::from_millis(2));
                // Wakes it, and passes it. Should it be faster for once, there is nothing to see in this round.
                drop(guard);
                let Some(guard) = lock.try_lock().filter(|count| **count == 0) else { return };
                // It has found the lock taken, and sleeps again.
                waiter.wait_until_asleep();
                drop(guard);
                assert_eq!(*lock.lock(), 1, "passed over again");
            });
        }
    });
}

/// Runs `f` while two threads that never park take the lock from each other: it is hardly ever free for anybody else, and
/// never for long. `f` is given a test for "held by one of them".
fn while_hogged(lock: &Lock<()>, f: impl FnOnce(&(dyn Fn() -> bool + Sync))) {
    let (stop, hogged) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Some(_guard) = lock.try_lock() else {
                        std::hint::spin_loop();
                        continue;
                    };
                    hogged.store(true, Ordering::Relaxed);
                    work(Duration::from_micros(200));
                    hogged.store(false, Ordering::Relaxed);
                }
            });
        }
        let result = catch_unwind(AssertUnwindSafe(|| f(&|| hogged.load(Ordering::Relaxed))));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            resume_unwind(panic);
        }
    });
}

#[test]
fn threads_that_hardly_let_go_starve_nobody() {
    within(|| {
        let lock = Lock::new(());
        while_hogged(&lock, |is_hogged| {
            thread::scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        for _ in 0..15 {
                            wait_until("the lock is hogged", is_hogged);
                            let start = Instant::now();
                            drop(lock.lock());
                            let waited = start.elapsed();
                            assert!(waited < STARVES_AFTER, "passed over for {waited:?}");
                        }
                    });
                }
            });
        });
    });
}

#[test]
fn a_timed_waiter_is_not_starved_either() {
    within(|| {
        let lock = Lock::new(());
        while_hogged(&lock, |is_hogged| {
            for _ in 0..15 {
                wait_until("the lock is hogged", is_hogged);
                assert!(lock.try_lock_for(STARVES_AFTER).is_some(), "passed over for {STARVES_AFTER:?}");
            }
        });
    });
}

#[test]
fn a_biased_lock_forgets_no_waiter() {
    const THREADS: usize = 3;
    const LOCKS: usize = 10_000;
    within(|| {
        // Each is biased by as many calm releases as that takes; and then the bias is revoked by whoever parks first.
        let locks: Vec<Lock<usize>> = (0..LOCKS).map(Lock::new).collect();
        for lock in &locks {
            for _ in 0..16 {
                drop(lock.lock());
            }
        }
        thread::scope(|s| {
            for seed in 0..THREADS {
                let locks = &locks;
                s.spawn(move || {
                    let mut random = Random::new(seed as u64 + 1);
                    for lock in locks {
                        for _ in 0..3 {
                            let mut count = lock.lock();
                            *count += 1;
                            match random.below(8) {
                                // Long enough for the others to park.
                                0 => work(Duration::from_micros(20)),
                                1 => thread::yield_now(),
                                micros => work(Duration::from_nanos(100 * micros)),
                            }
                        }
                    }
                });
            }
        });
        for (at, lock) in locks.into_iter().enumerate() {
            assert_eq!(lock.into_inner(), at + 3 * THREADS);
        }
    });
}

#[test]
fn a_panic_in_the_critical_section_releases_the_lock_and_poisons_nothing() {
    within(|| {
        let lock = Lock::new(0);
        let panicked = thread::scope(|s| {
            s.spawn(|| {
                let mut count = lock.lock();
                *count = 1;
                panic!("in the critical section");
            })
            .join()
        });
        assert!(panicked.is_err());
        assert!(!lock.is_locked());
        assert_eq!(*lock.lock(), 1, "the data is as the panic left it");
    });
}

#[test]
fn a_leaked_guard_leaves_the_lock_locked() {
    within(|| {
        let lock = Lock::new(1);
        thread::scope(|s| {
            s.spawn(|| mem::forget(lock.lock()));
        });
        assert!(lock.is_locked());
        assert!(lock.try_lock().is_none());
        assert!(lock.try_lock_for(SHORT).is_none());
        assert_eq!(lock.into_inner(), 1, "its owner may still take the data out");
    });
}

#[test]
fn get_mut_and_into_inner_need_no_lock() {
    let mut lock = Lock::from(1);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 2);
    assert_eq!(Lock::<u8>::default().into_inner(), 0);
}

#[test]
fn data_of_unknown_size_can_be_locked() {
    let bytes: &Lock<[u8]> = &Lock::new([1, 2, 3]);
    bytes.lock()[1] = 20;
    assert_eq!(*bytes.lock(), [1, 20, 3]);
    let shown: Arc<Lock<dyn Debug + Send>> = Arc::new(Lock::new(5));
    assert_eq!(format!("{:?}", shown.lock_arc()), "5");
}

#[test]
fn data_is_dropped_once_with_the_lock() {
    let data = Arc::new(());
    let lock = Lock::new(Arc::clone(&data));
    drop(lock.lock());
    assert_eq!(Arc::strong_count(&data), 2);
    drop(lock);
    assert_eq!(Arc::strong_count(&data), 1);
    drop(Lock::new(Arc::clone(&data)).into_inner());
    assert_eq!(Arc::strong_count(&data), 1);
}

#[test]
fn debug_shows_the_data_and_never_blocks() {
    within(|| {
        let lock = Lock::new(5);
        assert_eq!(format!("{lock:?}"), "Lock { data: 5 }");
        let guard = lock.lock();
        assert_eq!(format!("{lock:?}"), "Lock { data: <locked> }");
        assert_eq!(format!("{guard:?} {guard}"), "5 5");
        let mapped = LockGuard::map(guard, |five| five);
        assert_eq!(format!("{mapped:?} {mapped}"), "5 5");
        drop(mapped);
        assert!(!lock.is_locked(), "showing it leaves it free");
    });
}

#[test]
fn a_mapped_guard_holds_the_lock_until_it_is_dropped() {
    within(|| {
        let lock = Lock::new((1, [2, 3]));
        let pair = LockGuard::map(lock.lock(), |data| &mut data.1);
        let mut last = MappedLockGuard::map(pair, |pair| &mut pair[1]);
        assert_eq!(*last, 3);
        *last = 4;
        assert!(lock.try_lock().is_none());
        drop(last);
        assert_eq!(*lock.lock(), (1, [2, 4]));
    });
}

#[test]
fn a_panic_while_mapping_releases_the_lock() {
    let lock = Lock::new((1, 2));
    panic_message(|| LockGuard::map(lock.lock(), |_| -> &mut i32 { panic!("in map") }));
    assert!(!lock.is_locked());
    panic_message(|| {
        let guard = LockGuard::map(lock.lock(), |data| &mut data.0);
        MappedLockGuard::map(guard, |_| -> &mut i32 { panic!("in map") })
    });
    assert!(!lock.is_locked());
    assert_eq!(*lock.lock(), (1, 2));
}

#[test]
fn unlocked_lets_others_in_and_locks_again() {
    within(|| {
        let lock = Lock::new(0);
        let mut guard = lock.lock();
        let result = LockGuard::unlocked(&mut guard, || {
            thread::scope(|s| {
                s.spawn(|| *lock.lock() += 1);
            });
            assert!(!lock.is_locked());
            "result"
        });
        assert_eq!((result, *guard), ("result", 1));
        assert!(lock.is_locked());
        assert!(lock.try_lock().is_none());
        assert!(std::ptr::eq(LockGuard::lock(&guard), &lock));
    });
}

#[test]
fn a_panic_in_unlocked_comes_out_with_the_lock_held() {
    let lock = Lock::new(0);
    let mut guard = lock.lock();
    let message = panic_message(|| {
        LockGuard::unlocked(&mut guard, || {
            *lock.lock() += 1;
            panic!("in between")
        })
    });
    assert_eq!(message, "in between");
    assert!(lock.is_locked());
    assert_eq!(*guard, 1);
    drop(guard);
    assert!(!lock.is_locked());
}

#[test]
fn an_arc_guard_can_be_dropped_in_another_thread() {
    within(|| {
        let lock = Arc::new(Lock::new(0));
        for _ in 0..100 {
            let mut guard = lock.lock_arc();
            *guard += 1;
            assert!(lock.try_lock_arc().is_none());
            thread::scope(|s| {
                // Waits meanwhile.
                s.spawn(|| *lock.lock() += 1);
                s.spawn(move || drop(guard));
            });
        }
        assert_eq!(*lock.try_lock_arc().expect("free again"), 200);
    });
}

#[test]
fn an_arc_guard_keeps_the_lock_alive() {
    let lock = Arc::new(Lock::new(String::from("alive")));
    let weak = Arc::downgrade(&lock);
    let guard = lock.lock_arc();
    assert!(Arc::ptr_eq(ArcLockGuard::lock(&guard), &lock));
    drop(lock);
    assert_eq!(*guard, "alive");
    drop(guard);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_shared_guard_can_be_read_by_other_threads() {
    within(|| {
        let lock = Lock::new(5);
        let guard = lock.lock();
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| assert_eq!(*guard, 5));
            }
        });
    });
}

#[test]
fn whoever_gets_the_lock_may_free_it_at_once() {
    // The one who unlocked must not touch the lock any more: here it may be gone.
    within(|| {
        for round in 0..300 {
            let lock = Box::into_raw(Box::new(Lock::new(false)));
            let address = lock.addr();
            let other = thread::spawn(move || {
                // SAFETY: the thread below frees the lock only after it has seen `true`, which it can see only once this
                // thread has begun to unlock. That the unlock is then done with the lock is what is tested.
                let lock = unsafe { &*std::ptr::with_exposed_provenance::<Lock<bool>>(address) };
                *lock.lock() = true;
            });
            lock.expose_provenance();
            if round % 2 == 0 {
                thread::yield_now();
            }
            loop {
                // SAFETY: it is freed below, by this thread.
                if *unsafe { &*lock }.lock() {
                    break;
                }
                thread::yield_now();
            }
            // SAFETY: from `Box::into_raw`, once; the other thread has unlocked it.
            drop(unsafe { Box::from_raw(lock) });
            other.join().unwrap();
        }
    });
}

#[test]
fn a_guard_dropped_while_unwinding_releases() {
    struct LocksInDrop<'a>(&'a Lock<u32>);
    impl Drop for LocksInDrop<'_> {
        fn drop(&mut self) {
            *self.0.lock() += 1;
        }
    }

    within(|| {
        let lock = Lock::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _locks = LocksInDrop(&lock);
            let _guard = lock.lock();
            panic!("unwinds through the guard, then through a destructor that locks");
        }));
        assert!(result.is_err());
        assert_eq!(*lock.lock(), 1);
    });
}
