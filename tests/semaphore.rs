//! `Semaphore` and `BoundedSemaphore`: counting, every way in and out, overflow, timeouts, starvation.

#![cfg(not(feature = "loom"))]

mod common;

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, STARVES_AFTER, panic_message, past, wait_until, within, work};
use raddle::{BoundedSemaphore, OverRelease, PermitOverflow, Semaphore};

/// What both semaphores do.
macro_rules! on_both_semaphores {
    ($($(#[$meta:meta])* fn $name:ident($Semaphore:ident) $body:block)*) => {
        mod semaphore {
            use super::*;
            $($(#[$meta])* #[test] fn $name() {
                type $Semaphore = super::Semaphore;
                within(|| $body);
            })*
        }
        mod bounded_semaphore {
            use super::*;
            $($(#[$meta])* #[test] fn $name() {
                type $Semaphore = super::BoundedSemaphore;
                within(|| $body);
            })*
        }
    };
}

on_both_semaphores! {
    fn permits_are_counted(S) {
        let semaphore = S::new(3);
        assert_eq!(semaphore.available_permits(), 3);
        let one = semaphore.acquire();
        assert_eq!((one.permits(), semaphore.available_permits()), (1, 2));
        let two = semaphore.acquire_many(2);
        assert_eq!((two.permits(), semaphore.available_permits()), (2, 0));
        assert!(semaphore.try_acquire().is_none());
        drop(one);
        assert_eq!(semaphore.available_permits(), 1);
        assert!(semaphore.try_acquire_many(2).is_none(), "one is not enough for two");
        assert_eq!(semaphore.available_permits(), 1, "a refusal takes nothing");
        drop(semaphore.try_acquire().expect("there is one"));
        drop(two);
        assert_eq!(semaphore.available_permits(), 3);
    }

    fn never_more_inside_than_permits(S) {
        const PERMITS: usize = 3;
        let semaphore = S::new(PERMITS);
        let inside = AtomicUsize::new(0);
        thread::scope(|s| {
            for seed in 0..8 {
                let (semaphore, inside) = (&semaphore, &inside);
                s.spawn(move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..400 {
                        let n = 1 + random.below(PERMITS as u64) as usize;
                        let permit = semaphore.acquire_many(n);
                        let now = inside.fetch_add(n, Ordering::Relaxed) + n;
                        assert!(now <= PERMITS, "{now} inside");
                        if random.below(4) == 0 {
                            thread::yield_now();
                        }
                        inside.fetch_sub(n, Ordering::Relaxed);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(semaphore.available_permits(), PERMITS);
    }

    fn everything_before_a_release_is_seen_after_the_acquire(S) {
        // With one permit it is a lock: a plain load and store must not lose an update.
        let semaphore = S::new(1);
        let count = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..1_000 {
                        let _permit = semaphore.acquire();
                        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 4_000);
    }

    fn a_dropped_permit_wakes_a_waiter(S) {
        for round in 0..200_u64 {
            let semaphore = S::new(1);
            let arrived = AtomicBool::new(false);
            thread::scope(|s| {
                let permit = semaphore.acquire();
                s.spawn(|| {
                    arrived.store(true, Ordering::Relaxed);
                    drop(semaphore.acquire());
                });
                wait_until("the waiter is near", || arrived.load(Ordering::Relaxed));
                work(Duration::from_micros(round));
                drop(permit);
            });
            assert_eq!(semaphore.available_permits(), 1);
        }
    }

    #[cfg(target_os = "linux")]
    fn a_release_of_many_wakes_as_many_waiters_as_it_serves(S) {
        for _ in 0..20 {
            let semaphore = S::new(4);
            let permit = semaphore.acquire_many(4);
            let waiters = [const { common::Whereabouts::new() }; 3];
            let served = AtomicUsize::new(0);
            thread::scope(|s| {
                for (waiter, n) in waiters.iter().zip([1, 2, 1]) {
                    let (semaphore, served) = (&semaphore, &served);
                    s.spawn(move || {
                        waiter.about_to_block();
                        let permit = semaphore.acquire_many(n);
                        served.fetch_add(1, Ordering::Relaxed);
                        // Nobody else gets these, so it is the one release below that must serve all three.
                        permit.forget();
                    });
                    waiter.wait_until_asleep();
                }
                drop(permit);
            });
            assert_eq!(served.into_inner(), 3);
            assert_eq!(semaphore.available_permits(), 0);
        }
    }

    #[cfg(target_os = "linux")]
    fn a_waiter_for_many_that_gives_up_lets_those_behind_it_have_what_is_there(S) {
        for _ in 0..20 {
            let semaphore = S::new(2);
            semaphore.acquire_many(2).forget();
            let (many, one) = (common::Whereabouts::new(), common::Whereabouts::new());
            thread::scope(|s| {
                let gives_up = s.spawn(|| {
                    many.about_to_block();
                    semaphore.try_acquire_many_for(2, 4 * SHORT).is_some()
                });
                many.wait_until_asleep();
                s.spawn(|| {
                    one.about_to_block();
                    semaphore.acquire().forget();
                });
                one.wait_until_asleep();
                semaphore.release(1).unwrap();
                // Who wants two gets none; who wants one gets it now, or when the other has given up.
                assert!(!gives_up.join().unwrap());
            });
            assert_eq!(semaphore.available_permits(), 0);
        }
    }

    fn timed_acquires_give_up_and_not_early(S) {
        let semaphore = Arc::new(S::new(2));
        let held = semaphore.acquire();
        let start = Instant::now();
        assert!(semaphore.try_acquire_many_for(2, SHORT).is_none());
        assert!(start.elapsed() >= SHORT, "early");
        let deadline = Instant::now() + SHORT;
        assert!(semaphore.try_acquire_many_until(2, deadline).is_none());
        assert!(Instant::now() >= deadline, "early");
        assert!(semaphore.try_acquire_many_arc_for(2, SHORT).is_none());
        assert!(semaphore.try_acquire_many_arc_until(2, Instant::now() + SHORT).is_none());
        let last = semaphore.acquire();
        assert!(semaphore.try_acquire_for(SHORT).is_none());
        assert!(semaphore.try_acquire_until(Instant::now() + SHORT).is_none());
        assert!(semaphore.try_acquire_arc_for(SHORT).is_none());
        assert!(semaphore.try_acquire_arc_until(Instant::now() + SHORT).is_none());
        drop((held, last));
        assert_eq!(semaphore.available_permits(), 2, "those who gave up took nothing");
        assert_eq!(Arc::strong_count(&semaphore), 1);
        drop(semaphore.try_acquire_many(2).expect("and left nothing behind"));
    }

    fn zero_timeouts_and_past_deadlines_do_not_block(S) {
        let semaphore = Arc::new(S::new(1));
        let permit = semaphore.acquire();
        for _ in 0..500 {
            assert!(semaphore.try_acquire_for(Duration::ZERO).is_none());
            assert!(semaphore.try_acquire_until(past()).is_none());
            assert!(semaphore.try_acquire_many_for(1, Duration::ZERO).is_none());
            assert!(semaphore.try_acquire_many_until(1, past()).is_none());
            assert!(semaphore.try_acquire_arc_for(Duration::ZERO).is_none());
            assert!(semaphore.try_acquire_arc_until(past()).is_none());
        }
        drop(permit);
        assert!(semaphore.try_acquire_for(Duration::ZERO).is_some(), "no time is needed for a free permit");
        assert!(semaphore.try_acquire_until(past()).is_some());
    }

    fn timed_acquires_get_what_is_released_in_time(S) {
        let semaphore = Arc::new(S::new(4));
        for round in 0..50 {
            let all = semaphore.acquire_many(4);
            thread::scope(|s| {
                s.spawn(|| semaphore.try_acquire_for(LONG).expect("in time").permits());
                s.spawn(|| semaphore.try_acquire_many_for(2, LONG).expect("in time").permits());
                s.spawn(|| semaphore.try_acquire_until(Instant::now() + LONG).expect("in time").permits());
                s.spawn(|| semaphore.try_acquire_many_arc_for(3, LONG).expect("in time").permits());
                s.spawn(|| semaphore.try_acquire_many_arc_until(4, Instant::now() + LONG).expect("in time").permits());
                work(Duration::from_micros(10 * round));
                drop(all);
            });
            assert_eq!(semaphore.available_permits(), 4);
        }
    }

    fn timeouts_and_releases_at_the_same_moment_lose_no_permit(S) {
        const PERMITS: usize = 3;
        let semaphore = S::new(PERMITS);
        thread::scope(|s| {
            for seed in 0..6 {
                let semaphore = &semaphore;
                s.spawn(move || {
                    let mut random = Random::new(seed + 1);
                    for _ in 0..600 {
                        let n = 1 + random.below(PERMITS as u64) as usize;
                        let permit = match random.below(4) {
                            0 => Some(semaphore.acquire_many(n)),
                            1 => semaphore.try_acquire_many(n),
                            _ => semaphore.try_acquire_many_for(n, random.micros(100)),
                        };
                        if permit.is_some() && random.below(3) == 0 {
                            work(Duration::from_micros(20));
                        }
                    }
                });
            }
        });
        assert_eq!(semaphore.available_permits(), PERMITS);
        drop(semaphore.try_acquire_many(PERMITS).expect("nobody is served any more"));
    }

    fn a_forgotten_permit_stays_out_until_released_by_hand(S) {
        let semaphore = Arc::new(S::new(3));
        semaphore.acquire().forget();
        semaphore.acquire_many_arc(2).forget();
        assert_eq!(Arc::strong_count(&semaphore), 1, "only the permits are forgotten");
        assert_eq!(semaphore.available_permits(), 0);
        semaphore.release(3).unwrap();
        assert_eq!(semaphore.available_permits(), 3);
    }

    fn any_thread_may_release(S) {
        let semaphore = S::new(2);
        semaphore.acquire_many(2).forget();
        thread::scope(|s| {
            s.spawn(|| drop(semaphore.acquire_many(2)));
            s.spawn(|| semaphore.release(1).unwrap());
            s.spawn(|| semaphore.release(1).unwrap());
        });
        assert_eq!(semaphore.available_permits(), 2);
    }

    fn a_permit_can_be_dropped_in_another_thread(S) {
        let semaphore = Arc::new(S::new(2));
        let (borrowed, kept) = (semaphore.acquire(), semaphore.acquire_arc());
        assert!(Arc::ptr_eq(kept.semaphore(), &semaphore));
        thread::scope(|s| {
            s.spawn(move || drop(borrowed));
        });
        assert_eq!(semaphore.available_permits(), 1);
        thread::spawn(move || drop(kept)).join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
        assert_eq!(Arc::strong_count(&semaphore), 1);
    }

    fn an_arc_permit_keeps_the_semaphore_alive(S) {
        let semaphore = Arc::new(S::new(1));
        let weak = Arc::downgrade(&semaphore);
        let permit = semaphore.try_acquire_arc().expect("it is free");
        assert!(semaphore.try_acquire_arc().is_none());
        drop(semaphore);
        assert_eq!(weak.upgrade().unwrap().available_permits(), 0);
        drop(permit);
        assert!(weak.upgrade().is_none());
    }

    fn a_panic_gives_the_permit_back(S) {
        let semaphore = Arc::new(S::new(2));
        panic_message(|| {
            let _permits = (semaphore.acquire(), semaphore.acquire_arc());
            panic!("with permits held");
        });
        assert_eq!(semaphore.available_permits(), 2);
    }

    fn a_leaked_permit_stays_out(S) {
        let semaphore = S::new(1);
        thread::scope(|s| {
            s.spawn(|| mem::forget(semaphore.acquire()));
        });
        assert!(semaphore.try_acquire_for(SHORT).is_none());
    }

    fn no_permits_are_always_there(S) {
        let semaphore = S::new(1);
        let _held = semaphore.acquire();
        assert_eq!(semaphore.acquire_many(0).permits(), 0);
        drop(semaphore.try_acquire_many(0).unwrap());
        drop(semaphore.try_acquire_many_for(0, Duration::ZERO).unwrap());
        semaphore.release(0).unwrap();
        assert_eq!(semaphore.available_permits(), 0);
    }

    fn debug_never_blocks(S) {
        let semaphore = S::new(2);
        let permit = semaphore.acquire();
        assert!(format!("{semaphore:?}").contains("available_permits: 1"));
        assert!(format!("{permit:?}").contains("permits: 1"));
    }

    #[cfg(target_os = "linux")]
    fn a_waiter_passed_over_for_a_millisecond_is_given_the_next_permit(S) {
        for _ in 0..15 {
            let semaphore = S::new(1);
            let passed = AtomicUsize::new(0);
            let waiter = common::Whereabouts::new();
            thread::scope(|s| {
                let permit = semaphore.acquire();
                s.spawn(|| {
                    waiter.about_to_block();
                    let _permit = semaphore.acquire();
                    passed.fetch_add(1, Ordering::Relaxed);
                });
                waiter.wait_until_asleep();
                thread::sleep(Duration::from_millis(2));
                // Wakes it, and passes it. Should it be faster for once, there is nothing to see in this round.
                drop(permit);
                let Some(permit) = semaphore.try_acquire() else { return };
                if passed.load(Ordering::Relaxed) == 1 {
                    return;
                }
                // It has found the permit taken, and sleeps again.
                waiter.wait_until_asleep();
                thread::sleep(Duration::from_millis(2));
                drop(permit);
                drop(semaphore.acquire());
                assert_eq!(passed.load(Ordering::Relaxed), 1, "passed over again");
            });
        }
    }

    fn threads_that_hardly_let_go_starve_nobody(S) {
        // Two that never park take the one permit from each other.
        let semaphore = S::new(1);
        starve(3, 2, || semaphore.try_acquire_for(STARVES_AFTER).is_some(), |held| {
            if let Some(_permit) = semaphore.try_acquire() {
                held();
            }
        });
    }

    fn a_stream_of_acquirers_of_one_starves_no_waiter_for_many(S) {
        let semaphore = S::new(4);
        starve(2, 3, || semaphore.try_acquire_many_for(4, STARVES_AFTER).is_some(), |held| {
            let _permit = semaphore.acquire();
            held();
        });
    }

    fn acquirers_of_one_that_relieve_each_other_starve_no_waiter_for_two(S) {
        // There are always one or two of them inside, never none: so there is never a moment at which two permits are free.
        let semaphore = S::new(2);
        let entries = AtomicUsize::new(0);
        let (stop, started) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let _permit = semaphore.acquire();
                        let entry = entries.fetch_add(1, Ordering::Relaxed);
                        started.store(true, Ordering::Relaxed);
                        // Stay until the other has come in; it may be kept out in favour of the waiter: then go.
                        let since = Instant::now();
                        while entries.load(Ordering::Relaxed) == entry + 1 && since.elapsed() < 4 * SHORT {
                            thread::yield_now();
                        }
                    }
                });
            }
            wait_until("the first is in", || started.load(Ordering::Relaxed));
            let served = (0..10).all(|_| semaphore.try_acquire_many_for(2, STARVES_AFTER).is_some());
            stop.store(true, Ordering::Relaxed);
            assert!(served, "passed over for {STARVES_AFTER:?}");
        });
        assert_eq!(semaphore.available_permits(), 2);
    }
}

/// `hogs` threads are inside by `hold` most of the time; `waiters` threads have to get through `pass`, which says whether it
/// was in time, again and again.
fn starve(waiters: usize, hogs: usize, pass: impl Fn() -> bool + Sync, hold: impl Fn(&dyn Fn()) + Sync) {
    let (stop, hogged) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|s| {
        for _ in 0..hogs {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    hold(&|| {
                        hogged.fetch_add(1, Ordering::Relaxed);
                        work(Duration::from_micros(200));
                        hogged.fetch_sub(1, Ordering::Relaxed);
                    });
                }
            });
        }
        let waiters: Vec<_> = (0..waiters)
            .map(|_| {
                s.spawn(|| {
                    (0..15).all(|_| {
                        wait_until("somebody holds on to it", || hogged.load(Ordering::Relaxed) > 0);
                        pass()
                    })
                })
            })
            .collect();
        let served =
            waiters.into_iter().map(|waiter| waiter.join().unwrap()).fold(true, |all, one| all & one);
        stop.store(true, Ordering::Relaxed);
        assert!(served, "passed over for {STARVES_AFTER:?}");
    });
}

#[test]
fn a_semaphore_grows_by_release() {
    let semaphore = Semaphore::new(0);
    assert!(semaphore.try_acquire().is_none());
    semaphore.release(3).unwrap();
    assert_eq!(semaphore.available_permits(), 3);
    semaphore.acquire_many(3).forget();
}

#[test]
fn a_release_beyond_what_can_be_counted_is_refused_and_changes_nothing() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS - 1);
    semaphore.release(1).unwrap();
    for n in [1, 2, Semaphore::MAX_PERMITS, usize::MAX / 4, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        assert_eq!(semaphore.release(n), Err(PermitOverflow { permits: n }));
        assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
    }
    assert!(PermitOverflow { permits: 7 }.to_string().starts_with("Semaphore::release(7)"));
    let all = semaphore.acquire_many(Semaphore::MAX_PERMITS);
    assert_eq!(semaphore.available_permits(), 0);
    drop(all);
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
}

#[test]
fn a_bounded_semaphore_refuses_a_release_too_many_and_changes_nothing() {
    let semaphore = BoundedSemaphore::new(2);
    assert_eq!(semaphore.initial_permits(), 2);
    for n in [1, 2, 3, usize::MAX / 4, usize::MAX] {
        assert_eq!(semaphore.release(n), Err(OverRelease { permits: n, limit: 2 }));
        assert_eq!(semaphore.available_permits(), 2);
    }
    semaphore.acquire().forget();
    assert_eq!(semaphore.release(2), Err(OverRelease { permits: 2, limit: 2 }), "all or nothing");
    assert_eq!(semaphore.available_permits(), 1);
    semaphore.release(1).unwrap();
    assert!(OverRelease { permits: 7, limit: 2 }.to_string().starts_with("BoundedSemaphore::release(7)"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_release_too_many_is_refused_also_while_somebody_waits() {
    within(|| {
        let semaphore = BoundedSemaphore::new(2);
        let held = semaphore.acquire();
        let waiter = common::Whereabouts::new();
        thread::scope(|s| {
            s.spawn(|| {
                waiter.about_to_block();
                drop(semaphore.acquire_many(2));
            });
            waiter.wait_until_asleep();
            assert_eq!(semaphore.release(2), Err(OverRelease { permits: 2, limit: 2 }));
            assert_eq!(semaphore.available_permits(), 1);
            drop(held);
        });
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn a_permit_that_cannot_be_taken_back_panics_and_says_why() {
    let semaphore = BoundedSemaphore::new(1);
    let permit = semaphore.acquire();
    semaphore.release(1).unwrap();
    let message = panic_message(|| drop(permit));
    assert!(message.contains("permit was dropped"), "{message}");
    assert!(message.contains("BoundedSemaphore::release(1)"), "{message}");
    assert_eq!(semaphore.available_permits(), 1);

    let semaphore = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let permit = semaphore.acquire_arc();
    semaphore.release(1).unwrap();
    let message = panic_message(|| drop(permit));
    assert!(message.contains("Semaphore::release(1)"), "{message}");
    assert_eq!(Arc::strong_count(&semaphore), 1);
}

#[test]
fn a_permit_that_cannot_be_taken_back_does_not_abort_another_panic() {
    let semaphore = BoundedSemaphore::new(1);
    let message = panic_message(|| {
        let _permit = semaphore.acquire();
        semaphore.release(1).unwrap();
        panic!("the first");
    });
    assert_eq!(message, "the first");
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_demand_that_can_never_be_met_panics_and_names_the_call() {
    within(|| {
        let bounded = Arc::new(BoundedSemaphore::new(2));
        let plain = Arc::new(Semaphore::new(2));
        let too_many = Semaphore::MAX_PERMITS + 1;
        let now = Instant::now();
        let messages = [
            ("BoundedSemaphore::acquire_many(3)", panic_message(|| drop(bounded.acquire_many(3)))),
            ("BoundedSemaphore::acquire_many_arc(3)", panic_message(|| drop(bounded.acquire_many_arc(3)))),
            (
                "BoundedSemaphore::try_acquire_many_for(3)",
                panic_message(|| drop(bounded.try_acquire_many_for(3, SHORT))),
            ),
            (
                "BoundedSemaphore::try_acquire_many_until(3)",
                panic_message(|| drop(bounded.try_acquire_many_until(3, now))),
            ),
            (
                "BoundedSemaphore::try_acquire_many_arc_for(3)",
                panic_message(|| drop(bounded.try_acquire_many_arc_for(3, SHORT))),
            ),
            (
                "BoundedSemaphore::try_acquire_many_arc_until(3)",
                panic_message(|| drop(bounded.try_acquire_many_arc_until(3, now))),
            ),
            ("Semaphore::acquire_many(", panic_message(|| drop(plain.acquire_many(too_many)))),
            ("Semaphore::acquire_many_arc(", panic_message(|| drop(plain.acquire_many_arc(usize::MAX)))),
            (
                "Semaphore::try_acquire_many_for(",
                panic_message(|| drop(plain.try_acquire_many_for(too_many, SHORT))),
            ),
            (
                "Semaphore::try_acquire_many_until(",
                panic_message(|| drop(plain.try_acquire_many_until(too_many, now))),
            ),
            ("Semaphore::new", panic_message(|| Semaphore::new(too_many))),
            ("BoundedSemaphore::new", panic_message(|| BoundedSemaphore::new(too_many))),
        ];
        for (call, message) in messages {
            assert!(message.starts_with(call), "{message:?} does not name {call}");
        }
        assert!(bounded.try_acquire_many(3).is_none(), "try_ just says no");
        assert!(plain.try_acquire_many(usize::MAX).is_none());
        assert_eq!((bounded.available_permits(), plain.available_permits()), (2, 2));
    });
}
