//! `RLock`: recursion, ownership, and all that a `Lock` does.

#![cfg(not(feature = "loom"))]

mod common;

use std::cell::{Cell, RefCell};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, STARVES_AFTER, panic_message, past, wait_until, within, work};
use raddle::{ArcRLockGuard, MappedRLockGuard, RLock, RLockGuard};

/// Whether another thread could have the lock now.
fn is_free_for_others<T: Send>(lock: &RLock<T>) -> bool {
    thread::scope(|s| s.spawn(|| lock.try_lock().is_some()).join().unwrap())
}

#[test]
fn the_owner_locks_again_and_every_level_is_given_up_once() {
    within(|| {
        let lock = RLock::new(());
        assert_eq!(lock.depth(), 0);
        let outer = lock.lock();
        let tried = lock.try_lock().unwrap();
        let timed = lock.try_lock_for(Duration::ZERO).unwrap();
        let until = lock.try_lock_until(past()).unwrap();
        assert_eq!(lock.depth(), 4);
        // In any order.
        drop(outer);
        drop(timed);
        assert_eq!(lock.depth(), 2);
        assert!(!is_free_for_others(&lock));
        drop(tried);
        assert!(lock.is_owned_by_current_thread());
        assert!(!is_free_for_others(&lock), "a level is left");
        drop(until);
        assert_eq!(lock.depth(), 0);
        assert!(!lock.is_owned_by_current_thread());
        assert!(is_free_for_others(&lock));
    });
}

#[test]
fn another_thread_sees_depth_0_and_is_not_the_owner() {
    within(|| {
        let lock = RLock::new(());
        let _two = (lock.lock(), lock.lock());
        thread::scope(|s| {
            s.spawn(|| {
                assert_eq!(lock.depth(), 0);
                assert!(!lock.is_owned_by_current_thread());
                assert!(lock.is_locked());
                assert!(lock.try_lock().is_none());
                assert!(lock.try_lock_for(Duration::ZERO).is_none());
                assert!(lock.try_lock_for(SHORT).is_none());
                assert!(lock.try_lock_until(past()).is_none());
            });
        });
        assert_eq!(lock.depth(), 2);
    });
}

#[test]
fn one_thread_at_a_time_is_inside() {
    within(|| {
        const THREADS: usize = 6;
        const ROUNDS: usize = 1_000;
        let lock = RLock::new(Cell::new(0));
        thread::scope(|s| {
            for seed in 0..THREADS {
                let lock = &lock;
                s.spawn(move || {
                    let mut random = Random::new(seed as u64);
                    for _ in 0..ROUNDS {
                        let outer = lock.lock();
                        let before = outer.get();
                        let levels: Vec<_> = (0..random.below(4)).map(|_| lock.lock()).collect();
                        assert_eq!(lock.depth() as usize, levels.len() + 1);
                        outer.set(before + 1);
                        drop(outer);
                        drop(levels);
                    }
                });
            }
        });
        assert_eq!(lock.into_inner().get(), THREADS * ROUNDS);
    });
}

#[test]
fn the_last_level_wakes_a_waiter() {
    within(|| {
        for round in 0..200_u32 {
            let lock = RLock::new(Cell::new(false));
            let arrived = AtomicBool::new(false);
            thread::scope(|s| {
                let (outer, inner) = (lock.lock(), lock.lock());
                s.spawn(|| {
                    arrived.store(true, Ordering::Relaxed);
                    assert!(lock.lock().get(), "let in before the last level was given up");
                });
                wait_until("the waiter is near", || arrived.load(Ordering::Relaxed));
                work(Duration::from_micros(u64::from(round)));
                drop(outer);
                inner.set(true);
                drop(inner);
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn unlock_fair_of_the_last_level_hands_the_lock_to_the_parked_waiter() {
    within(|| {
        let lock = RLock::new(Cell::new(0));
        for round in 1..=20 {
            let waiter = common::Whereabouts::new();
            thread::scope(|s| {
                let (outer, inner) = (lock.lock(), lock.lock());
                s.spawn(|| {
                    waiter.about_to_block();
                    let count = lock.lock();
                    count.set(count.get() + 1);
                });
                waiter.wait_until_asleep();
                RLockGuard::unlock_fair(inner);
                assert_eq!(lock.depth(), 1, "one level of two");
                RLockGuard::unlock_fair(outer);
                assert_eq!(lock.lock().get(), round, "barged past a fair unlock");
            });
        }
    });
}

#[test]
fn unlock_fair_without_a_waiter_is_an_unlock() {
    let lock = RLock::new(());
    let outer = lock.lock();
    RLockGuard::unlock_fair(lock.lock());
    assert_eq!(lock.depth(), 1);
    RLockGuard::unlock_fair(outer);
    assert!(!lock.is_locked());
}

#[test]
fn a_timed_lock_gives_up_and_not_early() {
    within(|| {
        let lock = Arc::new(RLock::new(()));
        let guard = lock.lock();
        thread::scope(|s| {
            s.spawn(|| {
                let start = Instant::now();
                assert!(lock.try_lock_for(SHORT).is_none());
                assert!(start.elapsed() >= SHORT, "early");
                let deadline = Instant::now() + SHORT;
                assert!(lock.try_lock_until(deadline).is_none());
                assert!(Instant::now() >= deadline, "early");
                assert!(lock.try_lock_arc_for(SHORT).is_none());
                assert!(lock.try_lock_arc_until(Instant::now() + SHORT).is_none());
                assert!(lock.try_lock_arc().is_none());
                assert_eq!(lock.depth(), 0);
            });
        });
        drop(guard);
        assert!(is_free_for_others(&lock));
        assert_eq!(Arc::strong_count(&lock), 1);
    });
}

#[test]
fn a_timed_lock_gets_a_lock_that_is_released_in_time() {
    within(|| {
        let lock = Arc::new(RLock::new(Cell::new(0)));
        let add_one = |guard: &Cell<u32>| guard.set(guard.get() + 1);
        for round in 0..50 {
            let guard = lock.lock();
            thread::scope(|s| {
                s.spawn(|| add_one(&lock.try_lock_for(LONG).expect("in time")));
                s.spawn(|| add_one(&lock.try_lock_until(Instant::now() + LONG).expect("in time")));
                s.spawn(|| add_one(&lock.try_lock_arc_for(LONG).expect("in time")));
                s.spawn(|| add_one(&lock.try_lock_arc_until(Instant::now() + LONG).expect("in time")));
                work(Duration::from_micros(10 * round));
                drop(guard);
            });
        }
        assert_eq!(lock.lock().get(), 200);
    });
}

#[test]
fn timeouts_and_unlocks_at_the_same_moment_lose_no_wake_up() {
    within(|| {
        let lock = RLock::new(Cell::new(0_usize));
        let successes = AtomicUsize::new(0);
        thread::scope(|s| {
            for seed in 0..5_u64 {
                let (lock, successes) = (&lock, &successes);
                s.spawn(move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..1_000 {
                        let guard = match random.below(4) {
                            0 => Some(lock.lock()),
                            _ => lock.try_lock_for(random.micros(80)),
                        };
                        if let Some(count) = guard {
                            let again = lock.try_lock().expect("the owner may always");
                            count.set(again.get() + 1);
                            successes.fetch_add(1, Ordering::Relaxed);
                            if random.below(4) == 0 {
                                work(Duration::from_micros(30));
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(lock.lock().get(), successes.into_inner());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_waiter_passed_over_for_a_millisecond_is_given_the_lock_by_the_next_unlock() {
    within(|| {
        for _ in 0..15 {
            let lock = RLock::new(Cell::new(0));
            let waiter = common::Whereabouts::new();
            thread::scope(|s| {
                let guard = lock.lock();
                s.spawn(|| {
                    waiter.about_to_block();
                    lock.lock().set(1);
                });
                waiter.wait_until_asleep();
                thread::sleep(Duration::from_millis(2));
                // Wakes it, and passes it. Should it be faster for once, there is nothing to see in this round.
                drop(guard);
                let Some(guard) = lock.try_lock().filter(|count| count.get() == 0) else { return };
                // It has found the lock taken, and sleeps again.
                waiter.wait_until_asleep();
                drop(guard);
                assert_eq!(lock.lock().get(), 1, "passed over again");
            });
        }
    });
}

#[test]
fn threads_that_hardly_let_go_starve_nobody() {
    within(|| {
        const ROUNDS: usize = 15;
        let lock = RLock::new(());
        let (stop, hogged) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|s| {
            // Two that never park take it from each other.
            for _ in 0..2 {
                s.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(outer) = lock.try_lock() else {
                            std::hint::spin_loop();
                            continue;
                        };
                        let _levels = (lock.lock(), outer);
                        hogged.store(true, Ordering::Relaxed);
                        work(Duration::from_micros(200));
                        hogged.store(false, Ordering::Relaxed);
                    }
                });
            }
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    s.spawn(|| {
                        let mut longest = Duration::ZERO;
                        for _ in 0..ROUNDS {
                            wait_until("the lock is hogged", || hogged.load(Ordering::Relaxed));
                            let start = Instant::now();
                            drop(lock.lock());
                            longest = longest.max(start.elapsed());
                        }
                        longest
                    })
                })
                .collect();
            let longest = waiters.into_iter().map(|waiter| waiter.join().unwrap()).max().unwrap();
            stop.store(true, Ordering::Relaxed);
            assert!(longest < STARVES_AFTER, "passed over for {longest:?}");
        });
    });
}

#[test]
fn a_panic_gives_up_the_levels_that_it_unwinds_through_and_no_more() {
    within(|| {
        let lock = RLock::new(RefCell::new(0));
        let outer = lock.lock();
        panic_message(|| {
            let (_two, _three) = (lock.lock(), lock.lock());
            *outer.borrow_mut() = 1;
            panic!("at depth 3");
        });
        assert_eq!(lock.depth(), 1);
        assert!(!is_free_for_others(&lock));
        drop(outer);
        thread::scope(|s| {
            let panicked = s.spawn(|| {
                let _levels = (lock.lock(), lock.lock());
                panic!("in another thread");
            });
            assert!(panicked.join().is_err());
        });
        assert_eq!(*lock.try_lock().expect("released by the panic").borrow(), 1);
    });
}

#[test]
fn a_leaked_guard_leaves_its_level() {
    within(|| {
        let lock = RLock::new(());
        mem::forget(lock.lock());
        let again = lock.lock();
        assert_eq!(lock.depth(), 2);
        drop(again);
        assert_eq!(lock.depth(), 1);
        assert!(!is_free_for_others(&lock));
    });
}

#[test]
fn an_rlock_stays_locked_when_its_owner_thread_ends() {
    within(|| {
        let lock = RLock::new(());
        thread::scope(|s| {
            s.spawn(|| mem::forget((lock.lock(), lock.lock())));
        });
        assert!(lock.is_locked());
        assert_eq!(lock.depth(), 0);
        assert!(!lock.is_owned_by_current_thread());
        assert!(lock.try_lock().is_none());
        assert!(lock.try_lock_for(SHORT).is_none());
    });
}

#[test]
fn unlocked_at_depth_1_lets_others_in_and_locks_again() {
    within(|| {
        let lock = RLock::new(Cell::new(0));
        let mut guard = lock.lock();
        let result = RLockGuard::unlocked(&mut guard, || {
            assert_eq!(lock.depth(), 0);
            thread::scope(|s| {
                s.spawn(|| lock.lock().set(7));
            });
            "result"
        });
        assert_eq!((result, guard.get(), lock.depth()), ("result", 7, 1));
        assert!(!is_free_for_others(&lock));
    });
}

#[test]
fn unlocked_at_depth_2_keeps_the_promise_of_the_other_guard() {
    within(|| {
        let lock = RLock::new(());
        let _outer = lock.lock();
        let mut inner = lock.lock();
        RLockGuard::unlocked(&mut inner, || {
            assert_eq!(lock.depth(), 1);
            assert!(!is_free_for_others(&lock));
        });
        assert_eq!(lock.depth(), 2);
    });
}

#[test]
fn a_panic_in_unlocked_comes_out_with_the_lock_held() {
    within(|| {
        let lock = RLock::new(());
        let mut guard = lock.lock();
        let message = panic_message(|| RLockGuard::unlocked(&mut guard, || panic!("in between")));
        assert_eq!(message, "in between");
        assert_eq!(lock.depth(), 1);
        drop(guard);
        assert!(is_free_for_others(&lock));
    });
}

#[test]
fn a_mapped_guard_is_a_level_too() {
    within(|| {
        let lock = RLock::new((1, [Cell::new(2), Cell::new(3)]));
        let pair = RLockGuard::map(lock.lock(), |data| &data.1);
        let last = MappedRLockGuard::map(pair, |pair| &pair[1]);
        assert_eq!(lock.depth(), 1);
        last.set(4);
        assert!(!is_free_for_others(&lock));
        drop(last);
        assert_eq!(lock.depth(), 0);
        assert_eq!(lock.lock().1[1].get(), 4);

        panic_message(|| RLockGuard::map(lock.lock(), |_| -> &i32 { panic!("in map") }));
        panic_message(|| {
            let guard = RLockGuard::map(lock.lock(), |data| &data.0);
            MappedRLockGuard::map(guard, |_| -> &i32 { panic!("in map") })
        });
        assert_eq!(lock.depth(), 0, "a panic while mapping gives the level up");
    });
}

#[test]
fn an_arc_guard_keeps_the_lock_alive() {
    within(|| {
        let lock = Arc::new(RLock::new(String::from("alive")));
        let weak = Arc::downgrade(&lock);
        let outer = lock.lock_arc();
        let inner = lock.try_lock_arc().expect("the owner may always");
        let timed = lock.try_lock_arc_for(Duration::ZERO).expect("the owner may always");
        let until = lock.try_lock_arc_until(past()).expect("the owner may always");
        assert_eq!(lock.depth(), 4);
        assert!(Arc::ptr_eq(ArcRLockGuard::lock(&outer), &lock));
        drop((inner, timed, until));
        assert!(!is_free_for_others(&lock));
        drop(lock);
        assert_eq!(*outer, "alive");
        drop(outer);
        assert!(weak.upgrade().is_none());
    });
}

#[test]
fn get_mut_and_into_inner_need_no_lock() {
    let mut lock = RLock::from(1);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 2);
    assert_eq!(RLock::<u8>::default().into_inner(), 0);
}

#[test]
fn data_that_is_not_sync_goes_from_owner_to_owner() {
    within(|| {
        let lock: RLock<RefCell<Vec<usize>>> = RLock::default();
        thread::scope(|s| {
            for index in 0..4 {
                let lock = &lock;
                s.spawn(move || lock.lock().borrow_mut().push(index));
            }
        });
        let mut seen = lock.into_inner().into_inner();
        seen.sort();
        assert_eq!(seen, [0, 1, 2, 3]);
    });
}

#[test]
fn debug_shows_the_data_and_never_blocks() {
    within(|| {
        let lock = RLock::new(5);
        assert_eq!(format!("{lock:?}"), "RLock { data: 5 }");
        let guard = lock.lock();
        assert_eq!(format!("{lock:?}"), "RLock { data: 5 }", "the owner may look");
        assert_eq!(format!("{guard:?} {guard}"), "5 5");
        assert_eq!(lock.depth(), 1);
        thread::scope(|s| {
            s.spawn(|| assert_eq!(format!("{lock:?}"), "RLock { data: <locked> }"));
        });
    });
}
