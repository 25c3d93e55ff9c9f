//! `Condition`: notifying, order, timeouts, predicates, locks of both kinds, misuse.

#![cfg(not(feature = "loom"))]

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, message_of, panic_message, past, wait_until, within, work};
use raddle::{Condition, Lock, RLock};

/// What waiters write down: how many have begun to wait, and who has come back, in order.
#[derive(Default)]
struct Log {
    waiting: usize,
    back: Vec<usize>,
}

/// Starts so many waiters, one after the other. When this returns they wait: each has said so under the lock, and the lock
/// has been free since.
fn start_waiters<'s, 'e: 's>(s: &'s Scope<'s, 'e>, n: usize, lock: &'e Lock<Log>, condition: &'e Condition) {
    for index in 0..n {
        s.spawn(move || {
            let mut log = lock.lock();
            log.waiting += 1;
            condition.wait(&mut log);
            log.back.push(index);
        });
        wait_until("it waits", || lock.lock().waiting > index);
    }
}

/// Waits until so many are back, with the lock free in between.
fn wait_until_back(n: usize, lock: &Lock<Log>) {
    wait_until("they are back", || lock.lock().back.len() >= n);
}

#[test]
fn a_waiter_is_notified_and_holds_the_lock_again() {
    within(|| {
        for held in [false, true] {
            let (lock, condition) = (Lock::default(), Condition::new());
            thread::scope(|s| {
                start_waiters(s, 1, &lock, &condition);
                let guard = held.then(|| lock.lock());
                assert!(condition.notify_one());
                drop(guard);
            });
            assert_eq!(lock.lock().back, [0]);
            assert!(!lock.is_locked());
        }
    });
}

#[test]
fn notify_n_lets_out_the_n_that_have_waited_longest_in_order() {
    within(|| {
        for held in [false, true] {
            for n in 0..=5 {
                let (lock, condition) = (Lock::default(), Condition::new());
                thread::scope(|s| {
                    start_waiters(s, 5, &lock, &condition);
                    let guard = held.then(|| lock.lock());
                    assert_eq!(condition.notify(n), n);
                    drop(guard);
                    wait_until_back(n, &lock);
                    // Should one too many have been let out, give it time to be seen.
                    thread::sleep(Duration::from_millis(1));
                    let mut back = lock.lock().back.clone();
                    back.sort();
                    assert_eq!(back, (0..n).collect::<Vec<_>>());
                    assert_eq!(condition.notify(100), 5 - n, "the rest");
                });
                assert_eq!(lock.lock().back.len(), 5);
            }
        }
    });
}

#[test]
fn those_notified_by_number_under_the_lock_get_it_in_the_order_in_which_they_came() {
    within(|| {
        for notify in [
            (|condition| condition.notify(6)) as fn(&Condition) -> usize,
            |condition| (0..6).filter(|_| condition.notify_one()).count(),
            |condition| condition.notify(2) + condition.notify(4),
        ] {
            let (lock, condition) = (Lock::default(), Condition::new());
            thread::scope(|s| {
                start_waiters(s, 6, &lock, &condition);
                let guard = lock.lock();
                assert_eq!(notify(&condition), 6);
                // From here on this thread keeps away from the lock, so that it passes nobody.
                drop(guard);
            });
            assert_eq!(lock.lock().back, [0, 1, 2, 3, 4, 5]);
        }
    });
}

#[test]
fn those_who_are_all_notified_under_the_lock_all_get_it() {
    within(|| {
        for number in [0, 2] {
            let (lock, condition) = (Lock::default(), Condition::new());
            thread::scope(|s| {
                start_waiters(s, 6, &lock, &condition);
                let guard = lock.lock();
                assert_eq!(condition.notify(number) + condition.notify_all(), 6);
                drop(guard);
            });
            let mut back = lock.lock().back.clone();
            assert_eq!(&back[..number], &[0, 1][..number], "who was notified before comes before");
            back.sort();
            assert_eq!(back, [0, 1, 2, 3, 4, 5]);
        }
    });
}

#[test]
fn those_notified_one_by_one_come_back_in_order() {
    within(|| {
        for held in [false, true] {
            let (lock, condition) = (Lock::default(), Condition::new());
            thread::scope(|s| {
                start_waiters(s, 6, &lock, &condition);
                for n in 1..=6 {
                    let guard = held.then(|| lock.lock());
                    assert!(condition.notify_one());
                    drop(guard);
                    wait_until_back(n, &lock);
                }
            });
            assert_eq!(lock.lock().back, [0, 1, 2, 3, 4, 5]);
        }
    });
}

#[test]
fn notify_all_without_the_lock_lets_everybody_out() {
    within(|| {
        let (lock, condition) = (Lock::default(), Condition::new());
        thread::scope(|s| {
            start_waiters(s, 6, &lock, &condition);
            assert_eq!(condition.notify_all(), 6);
        });
        let mut back = lock.lock().back.clone();
        back.sort();
        assert_eq!(back, [0, 1, 2, 3, 4, 5]);
    });
}

/// With deadlines that pass while the waiter still looks, and just after.
#[test]
fn the_shortest_waits_tell_a_notify_from_a_timeout() {
    within(|| {
        let (lock, condition, is_over) = (Lock::new(0), Condition::new(), AtomicBool::new(false));
        let (told, heard) = thread::scope(|s| {
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    s.spawn(|| {
                        let mut heard = 0;
                        for nanos in 0..20_000 {
                            let mut guard = lock.lock();
                            heard += usize::from(condition.wait_for(&mut guard, Duration::from_nanos(nanos)));
                        }
                        heard
                    })
                })
                .collect();
            let notifiers: Vec<_> = [false, true]
                .map(|held| {
                    let (lock, condition, is_over) = (&lock, &condition, &is_over);
                    s.spawn(move || {
                        let mut told = 0;
                        while !is_over.load(Ordering::Relaxed) {
                            let guard = held.then(|| lock.lock());
                            told += usize::from(condition.notify_one());
                            told += condition.notify_all();
                            drop(guard);
                            thread::yield_now();
                        }
                        told
                    })
                })
                .into();
            let heard: usize = waiters.into_iter().map(|waiter| waiter.join().unwrap()).sum();
            is_over.store(true, Ordering::Relaxed);
            (notifiers.into_iter().map(|notifier| notifier.join().unwrap()).sum::<usize>(), heard)
        });
        assert_eq!(told, heard);
    });
}

#[test]
fn a_notify_of_nobody_is_not_remembered() {
    within(|| {
        let (lock, condition) = (Lock::new(()), Condition::new());
        assert!(!condition.notify_one());
        assert_eq!(condition.notify(3), 0);
        assert_eq!(condition.notify_all(), 0);
        let mut guard = lock.lock();
        assert!(!condition.notify_one());
        assert!(!condition.wait_for(&mut guard, SHORT), "woken by a notify from before");
    });
}

#[test]
fn a_timed_wait_gives_up_not_early_and_with_the_lock_held() {
    within(|| {
        let (lock, condition) = (Lock::new(()), Condition::new());
        let mut guard = lock.lock();
        let start = Instant::now();
        assert!(!condition.wait_for(&mut guard, SHORT));
        assert!(start.elapsed() >= SHORT, "early");
        assert!(lock.try_lock().is_none());
        let deadline = Instant::now() + SHORT;
        assert!(!condition.wait_until(&mut guard, deadline));
        assert!(Instant::now() >= deadline, "early");
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(!lock.is_locked());
    });
}

#[test]
fn zero_timeouts_and_past_deadlines_do_not_block() {
    within(|| {
        let (lock, condition) = (Lock::new(()), Condition::new());
        let mut guard = lock.lock();
        for _ in 0..500 {
            assert!(!condition.wait_for(&mut guard, Duration::ZERO));
            assert!(!condition.wait_until(&mut guard, past()));
            assert!(!condition.wait_while_for(&mut guard, |()| true, Duration::ZERO));
            assert!(!condition.wait_while_until(&mut guard, |()| true, past()));
        }
        assert!(lock.try_lock().is_none());
    });
}

#[test]
fn a_wait_without_time_still_lets_others_have_the_lock() {
    within(|| {
        // "Gives up the lock, and takes it back" also holds for a timeout of zero: a loop of such waits is no deadlock.
        let (lock, condition) = (Lock::new(false), Condition::new());
        thread::scope(|s| {
            s.spawn(|| *lock.lock() = true);
            let mut done = lock.lock();
            while !*done {
                condition.wait_for(&mut done, Duration::ZERO);
            }
        });
    });
}

#[test]
fn a_waiter_that_timed_out_eats_nobodys_notify() {
    within(|| {
        for _ in 0..30 {
            let (lock, condition) = (Lock::default(), Condition::new());
            thread::scope(|s| {
                // The first in the queue gives up.
                s.spawn(|| {
                    let mut log: raddle::LockGuard<'_, Log> = lock.lock();
                    log.waiting += 1;
                    assert!(!condition.wait_for(&mut log, Duration::from_micros(200)));
                    log.back.push(99);
                });
                wait_until("it has given up", || lock.lock().back == [99]);
                lock.lock().waiting = 0;
                start_waiters(s, 1, &lock, &condition);
                assert!(condition.notify_one());
                assert!(!condition.notify_one());
            });
            assert_eq!(lock.lock().back, [99, 0]);
        }
    });
}

#[test]
fn as_many_say_that_they_were_notified_as_were() {
    // Timeouts and notifies at the same moment: each notify that found somebody makes one wait say true, and none is lost.
    within(|| {
        let (lock, condition) = (Lock::new(()), Condition::new());
        let (told, notified, waiters) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(4));
        thread::scope(|s| {
            for seed in 0..4 {
                let (lock, condition, told, waiters) = (&lock, &condition, &told, &waiters);
                s.spawn(move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..400 {
                        let mut guard = lock.lock();
                        if condition.wait_for(&mut guard, random.micros(100)) {
                            told.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    waiters.fetch_sub(1, Ordering::Relaxed);
                });
            }
            for seed in 10..12 {
                let (lock, condition, notified, waiters) = (&lock, &condition, &notified, &waiters);
                s.spawn(move || {
                    let mut random = Random::new(seed);
                    while waiters.load(Ordering::Relaxed) > 0 {
                        let guard = (random.below(2) == 0).then(|| lock.lock());
                        let n = match random.below(3) {
                            0 => usize::from(condition.notify_one()),
                            1 => condition.notify(2),
                            _ => condition.notify_all(),
                        };
                        drop(guard);
                        notified.fetch_add(n, Ordering::Relaxed);
                        work(random.micros(60));
                    }
                });
            }
        });
        assert_eq!(told.into_inner(), notified.into_inner());
    });
}

#[test]
fn wait_while_comes_back_when_the_predicate_is_false_and_not_before() {
    within(|| {
        let (lock, condition) = (Lock::new(0), Condition::new());
        let waiting = AtomicUsize::new(0);
        let at_least_asked = AtomicUsize::new(0);
        thread::scope(|s| {
            s.spawn(|| {
                let mut count = lock.lock();
                condition.wait_while(&mut count, |count| {
                    at_least_asked.fetch_add(1, Ordering::Relaxed);
                    *count < 3
                });
                assert_eq!(*count, 3);
                *count = 100;
            });
            s.spawn(|| {
                let mut count = lock.lock();
                waiting.fetch_add(1, Ordering::Relaxed);
                assert!(condition.wait_while_for(&mut count, |count| *count < 100, LONG));
                *count += 1;
                // The next one waits for this.
                condition.notify_all();
            });
            s.spawn(|| {
                let mut count = lock.lock();
                assert!(condition.wait_while_until(&mut count, |count| *count < 101, Instant::now() + LONG));
            });
            for _ in 0..3 {
                *lock.lock() += 1;
                condition.notify_all();
                work(Duration::from_micros(100));
            }
            wait_until("the first has come back", || *lock.lock() >= 100);
            condition.notify_all();
        });
        assert_eq!(*lock.lock(), 101);
        assert!(at_least_asked.into_inner() >= 1);
    });
}

#[test]
fn wait_while_does_not_wait_for_what_is_so_already() {
    within(|| {
        let (lock, condition) = (Lock::new(1), Condition::new());
        let mut asked = 0;
        let mut guard = lock.lock();
        condition.wait_while(&mut guard, |one| {
            asked += 1;
            *one != 1
        });
        assert_eq!(asked, 1);
        assert!(condition.wait_while_for(&mut guard, |one| *one != 1, Duration::ZERO));
        assert!(condition.wait_while_until(&mut guard, |one| *one != 1, past()));
    });
}

#[test]
fn wait_while_asks_once_more_after_the_timeout() {
    within(|| {
        let (lock, condition) = (Lock::new(()), Condition::new());
        let mut guard = lock.lock();
        let mut asked = 0;
        // Nobody notifies, so the second question is the one after the timeout.
        let became_false = condition.wait_while_for(
            &mut guard,
            |()| {
                asked += 1;
                asked < 2
            },
            SHORT,
        );
        assert!(became_false);
        assert_eq!(asked, 2);
        assert!(!condition.wait_while_for(&mut guard, |()| true, SHORT));
        assert!(!condition.wait_while_until(&mut guard, |()| true, Instant::now() + SHORT));
        assert!(lock.try_lock().is_none());
    });
}

#[test]
fn wait_while_may_change_the_data_in_its_predicate() {
    within(|| {
        let (lock, condition) = (Lock::new(3), Condition::new());
        let mut guard = lock.lock();
        assert!(!condition.wait_while_for(
            &mut guard,
            |count| {
                *count -= 1;
                true
            },
            SHORT
        ));
        assert_eq!(*guard, 1, "asked before waiting and after the timeout");
    });
}

#[test]
fn one_deadline_holds_across_all_retries() {
    within(|| {
        // It is notified again and again, each time long before its timeout would have passed anew.
        let (lock, condition) = (Lock::new(()), Condition::new());
        let given_up = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                let mut guard = lock.lock();
                assert!(!condition.wait_while_for(&mut guard, |()| true, Duration::from_millis(250)));
                given_up.store(true, Ordering::Relaxed);
            });
            wait_until("it has given up", || {
                condition.notify_all();
                given_up.load(Ordering::Relaxed)
            });
        });
    });
}

#[test]
fn a_panicking_predicate_leaves_the_lock_held_and_the_condition_usable() {
    within(|| {
        let (lock, condition) = (Lock::new(0), Condition::new());
        let mut guard = lock.lock();
        let message = panic_message(|| condition.wait_while(&mut guard, |_| panic!("at once")));
        assert_eq!(message, "at once");
        assert!(lock.try_lock().is_none());
        let mut asked = 0;
        let message = panic_message(|| {
            condition.wait_while_for(
                &mut guard,
                |_| {
                    asked += 1;
                    assert!(asked < 2, "after the timeout");
                    true
                },
                SHORT,
            )
        });
        assert_eq!(message, "after the timeout");
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(!lock.is_locked());

        // And after a notify, in another thread: its panic releases the lock.
        thread::scope(|s| {
            let panics = s.spawn(|| {
                let mut guard = lock.lock();
                condition.wait_while(&mut guard, |count| {
                    *count += 1;
                    assert!(*count < 2, "after the notify");
                    true
                });
            });
            wait_until("it waits", || *lock.lock() == 1);
            assert!(condition.notify_one());
            let payload = panics.join().unwrap_err();
            assert_eq!(message_of(&*payload), "after the notify");
        });
        assert!(!lock.is_locked());
        assert!(!condition.notify_one(), "nobody is left in the queue");
    });
}

#[test]
fn a_wait_at_depth_3_gives_up_every_level_and_takes_them_back() {
    within(|| {
        let (lock, condition) = (RLock::new(Cell::new(0)), Condition::new());
        thread::scope(|s| {
            s.spawn(|| {
                let _outer = (lock.lock(), lock.lock());
                let mut guard = lock.lock();
                guard.set(1);
                condition.wait(&mut guard);
                assert_eq!((guard.get(), lock.depth()), (2, 3));
                guard.set(3);
                condition.wait_while(&mut guard, |value| value.get() != 4);
                assert_eq!((guard.get(), lock.depth()), (4, 3));
            });
            for (waits_at, next) in [(1, 2), (3, 4)] {
                // That this thread gets in at all shows that every level was given up.
                wait_until("it waits", || lock.lock().get() == waits_at);
                let guard = lock.lock();
                guard.set(next);
                assert!(condition.notify_one());
            }
        });
        assert!(!lock.is_locked());
    });
}

#[test]
fn a_wait_at_depth_3_takes_every_level_back_also_after_a_timeout() {
    within(|| {
        let lock = Arc::new(RLock::new(()));
        let condition = Condition::new();
        let (_one, _two) = (lock.lock(), lock.lock());
        let mut guard = lock.lock();
        assert!(!condition.wait_for(&mut guard, SHORT));
        assert_eq!(lock.depth(), 3);
        assert!(!condition.wait_for(&mut guard, Duration::ZERO));
        assert_eq!(lock.depth(), 3);
        assert!(!condition.wait_until(&mut guard, past()));
        assert_eq!(lock.depth(), 3);
        assert!(!condition.wait_while_for(&mut guard, |()| true, SHORT));
        assert_eq!(lock.depth(), 3);
        let mut kept = lock.lock_arc();
        assert!(!condition.wait_for(&mut kept, SHORT));
        assert_eq!(lock.depth(), 4);
        thread::scope(|s| {
            s.spawn(|| assert!(lock.try_lock().is_none()));
        });
    });
}

#[test]
fn waiters_at_many_depths_share_a_condition() {
    within(|| {
        let (lock, condition) = (RLock::new(RefCell::new((0, 0))), Condition::new());
        thread::scope(|s| {
            for depth in 1..=4_u32 {
                let (lock, condition) = (&lock, &condition);
                s.spawn(move || {
                    for _ in 0..50 {
                        let _levels: Vec<_> = (1..depth).map(|_| lock.lock()).collect();
                        let mut guard = lock.lock();
                        guard.borrow_mut().0 += 1;
                        condition.wait(&mut guard);
                        assert_eq!(lock.depth(), depth);
                        guard.borrow_mut().1 += 1;
                    }
                });
            }
            wait_until("all are through", || {
                condition.notify(2);
                lock.lock().borrow().1 == 200
            });
        });
    });
}

#[test]
fn waits_with_arc_guards_work_like_the_others() {
    within(|| {
        let lock = Arc::new(Lock::new(0));
        let rlock = Arc::new(RLock::new(Cell::new(0)));
        let (first, second) = (Condition::new(), Condition::new());
        thread::scope(|s| {
            s.spawn(|| {
                let mut guard = lock.lock_arc();
                *guard = 1;
                first.wait_while(&mut guard, |value| *value == 1);
                assert_eq!(*guard, 2);
            });
            s.spawn(|| {
                let mut guard = rlock.lock_arc();
                guard.set(1);
                second.wait_while(&mut guard, |value| value.get() == 1);
                assert_eq!(guard.get(), 2);
            });
            wait_until("one waits", || *lock.lock() == 1);
            *lock.lock() = 2;
            assert_eq!(first.notify_all(), 1);
            wait_until("the other waits", || rlock.lock().get() == 1);
            rlock.lock().set(2);
            assert_eq!(second.notify_all(), 1);
        });
        assert_eq!((Arc::strong_count(&lock), Arc::strong_count(&rlock)), (1, 1));
    });
}

#[test]
fn two_locks_at_once_on_a_condition_panic_and_leave_all_usable() {
    within(|| {
        let (lock, condition) = (Lock::default(), Condition::new());
        let other = Lock::new(());
        let recursive = RLock::new(());
        thread::scope(|s| {
            start_waiters(s, 1, &lock, &condition);
            let mut guard = other.lock();
            let deadline = Instant::now() + LONG;
            let calls: [(&str, &mut dyn FnMut()); 6] = [
                ("Condition::wait:", &mut || condition.wait(&mut other_guard(&other))),
                ("Condition::wait_for:", &mut || {
                    condition.wait_for(&mut other_guard(&other), LONG);
                }),
                ("Condition::wait_until:", &mut || {
                    condition.wait_until(&mut other_guard(&other), deadline);
                }),
                ("Condition::wait_while:", &mut || {
                    condition.wait_while(&mut other_guard(&other), |()| true);
                }),
                ("Condition::wait_while_for:", &mut || {
                    condition.wait_while_for(&mut other_guard(&other), |()| true, LONG);
                }),
                ("Condition::wait_while_until:", &mut || {
                    condition.wait_while_until(&mut other_guard(&other), |()| true, deadline);
                }),
            ];
            // First with a guard that outlives the panic: its lock is still held.
            let message = panic_message(|| condition.wait(&mut guard));
            assert!(message.starts_with("Condition::wait: "), "{message}");
            assert!(message.contains("another lock"), "{message}");
            assert!(other.try_lock().is_none(), "its lock is still held");
            drop(guard);
            assert!(!other.is_locked());
            for (name, call) in calls {
                let message = panic_message(call);
                assert!(message.starts_with(name), "{message:?} does not name {name}");
                assert!(!other.is_locked(), "the guard has released");
            }
            let mut levels = (recursive.lock(), recursive.lock());
            panic_message(|| condition.wait(&mut levels.1));
            assert_eq!(recursive.depth(), 2);
            drop(levels);
            assert!(!recursive.is_locked());
            // The one who waits with the first lock still waits, and is notified.
            assert_eq!(condition.notify_all(), 1);
        });
        assert_eq!(lock.lock().back, [0]);
        // One lock after the other is fine.
        assert!(!condition.wait_for(&mut other.lock(), SHORT));
        assert!(!condition.wait_for(&mut recursive.lock(), SHORT));
        assert!(!condition.wait_for(&mut lock.lock(), SHORT));
    });
}

fn other_guard(lock: &Lock<()>) -> raddle::LockGuard<'_, ()> {
    lock.try_lock().expect("nobody holds it")
}

#[test]
fn a_lock_that_all_waiters_have_been_notified_of_may_be_followed_by_another() {
    within(|| {
        let condition = Condition::new();
        for _ in 0..50 {
            let lock = Lock::default();
            thread::scope(|s| {
                start_waiters(s, 2, &lock, &condition);
                let guard = lock.lock();
                assert_eq!(condition.notify_all(), 2);
                // Those two are in the queue of the lock now, not of the condition: it is free for another lock.
                let other = Lock::new(());
                assert!(!condition.wait_for(&mut other.lock(), Duration::from_micros(50)));
                drop(guard);
            });
        }
    });
}

#[test]
fn a_lock_released_by_a_wait_goes_to_those_who_wait_for_it() {
    within(|| {
        let (lock, condition) = (Lock::new(0), Condition::new());
        thread::scope(|s| {
            let mut guard = lock.lock();
            for _ in 0..3 {
                s.spawn(|| {
                    *lock.lock() += 1;
                    condition.notify_all();
                });
            }
            thread::sleep(Duration::from_millis(1));
            condition.wait_while(&mut guard, |count| *count < 3);
        });
    });
}

#[test]
fn producers_and_consumers_lose_nothing() {
    within(|| {
        const ITEMS: usize = 1_500;
        let (lock, not_empty, not_full) = (Lock::new(Vec::new()), Condition::new(), Condition::new());
        let sum = AtomicUsize::new(0);
        thread::scope(|s| {
            for producer in 0..2 {
                let (lock, not_empty, not_full) = (&lock, &not_empty, &not_full);
                s.spawn(move || {
                    for item in 0..ITEMS {
                        let mut items = lock.lock();
                        not_full.wait_while(&mut items, |items| items.len() == 3);
                        items.push(producer * ITEMS + item);
                        not_empty.notify_one();
                    }
                });
            }
            for _ in 0..3 {
                s.spawn(|| {
                    for _ in 0..2 * ITEMS / 3 {
                        let mut items = lock.lock();
                        not_empty.wait_while(&mut items, |items| items.is_empty());
                        sum.fetch_add(items.pop().unwrap(), Ordering::Relaxed);
                        drop(items);
                        // Without the lock, this time.
                        not_full.notify_one();
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), (0..2 * ITEMS).sum());
    });
}

#[test]
fn a_waiter_that_unwinds_leaves_nothing_behind() {
    within(|| {
        let (lock, condition) = (Lock::default(), Condition::new());
        thread::scope(|s| {
            let unwinds = s.spawn(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    let mut log: raddle::LockGuard<'_, Log> = lock.lock();
                    log.waiting += 1;
                    condition.wait(&mut log);
                    panic!("right after the wait");
                }))
                .is_err()
            });
            wait_until("it waits", || lock.lock().waiting == 1);
            assert!(condition.notify_one());
            assert!(unwinds.join().unwrap());
        });
        assert!(!lock.is_locked());
        assert_eq!(condition.notify_all(), 0);
    });
}
