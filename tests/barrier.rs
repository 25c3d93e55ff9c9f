//! `Barrier`: rounds, indices, the action, timeouts, abort, reset.

#![cfg(not(feature = "loom"))]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, message_of, panic_message, past, wait_until, within, work};
use raddle::{Arrival, Barrier, BrokenBarrier};

#[test]
fn nobody_leaves_before_all_have_come() {
    within(|| {
        const PARTIES: usize = 5;
        let barrier = Barrier::new(PARTIES);
        let arrived = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..PARTIES {
                s.spawn(|| {
                    for round in 1..=100 {
                        arrived.fetch_add(1, Ordering::Relaxed);
                        barrier.wait().unwrap();
                        // The fast ones may be in the next round already, but not beyond it: it wants this thread.
                        let now = arrived.load(Ordering::Relaxed);
                        assert!(now >= round * PARTIES, "left with {now} arrived in round {round}");
                        assert!(now < (round + 1) * PARTIES, "a round went by without this thread");
                    }
                });
            }
        });
        assert!(!barrier.is_broken());
        assert_eq!(barrier.n_waiting(), 0);
    });
}

#[test]
fn in_each_round_the_indices_are_a_permutation_and_the_last_is_the_leader() {
    within(|| {
        const PARTIES: usize = 4;
        const ROUNDS: usize = 200;
        let barrier = Barrier::new(PARTIES);
        let arrivals: Vec<Vec<Arrival>> = thread::scope(|s| {
            let threads: Vec<_> = (0..PARTIES)
                .map(|index| {
                    let barrier = &barrier;
                    s.spawn(move || {
                        let mut random = Random::new(index as u64 + 1);
                        (0..ROUNDS)
                            .map(|_| {
                                work(random.micros(30));
                                match random.below(3) {
                                    0 => barrier.wait_for(LONG),
                                    1 => barrier.wait_until(Instant::now() + LONG),
                                    _ => barrier.wait(),
                                }
                                .unwrap()
                            })
                            .collect()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for round in 0..ROUNDS {
            let mut seen = [false; PARTIES];
            for arrival in arrivals.iter().map(|of_thread| of_thread[round]) {
                assert!(!seen[arrival.index], "index {} twice", arrival.index);
                seen[arrival.index] = true;
                assert_eq!(arrival.is_leader, arrival.index == PARTIES - 1);
            }
        }
    });
}

#[test]
fn indices_are_the_order_of_arrival() {
    within(|| {
        let barrier = Barrier::new(3);
        thread::scope(|s| {
            for index in 0..2 {
                let barrier = &barrier;
                s.spawn(move || assert_eq!(barrier.wait(), Ok(Arrival { index, is_leader: false })));
                wait_until("it has arrived", || barrier.n_waiting() == index + 1);
            }
            assert_eq!(barrier.wait(), Ok(Arrival { index: 2, is_leader: true }));
        });
    });
}

#[test]
fn a_barrier_of_one_never_waits() {
    within(|| {
        let barrier = Barrier::new(1);
        assert_eq!(barrier.parties(), 1);
        for _ in 0..100 {
            assert_eq!(barrier.wait(), Ok(Arrival { index: 0, is_leader: true }));
            assert!(barrier.wait_for(Duration::ZERO).is_ok(), "the last needs no time");
            assert!(barrier.wait_until(past()).is_ok());
        }
    });
}

#[test]
fn what_was_done_before_is_seen_after() {
    within(|| {
        const PARTIES: usize = 4;
        let barrier = Barrier::new(PARTIES);
        let written: [AtomicUsize; PARTIES] = Default::default();
        thread::scope(|s| {
            for index in 0..PARTIES {
                let (barrier, written) = (&barrier, &written);
                s.spawn(move || {
                    for round in 1..=200 {
                        written[index].store(round, Ordering::Relaxed);
                        barrier.wait().unwrap();
                        for other in written {
                            assert_eq!(other.load(Ordering::Relaxed), round);
                        }
                        barrier.wait().unwrap();
                    }
                });
            }
        });
    });
}

#[test]
fn the_action_runs_once_per_round_before_anybody_leaves() {
    within(|| {
        const PARTIES: usize = 4;
        const ROUNDS: usize = 100;
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let barrier = Barrier::with_action(PARTIES, {
            let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
            move || {
                begun.fetch_add(1, Ordering::Relaxed);
                work(Duration::from_micros(50));
                ended.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(barrier.parties(), PARTIES);
        thread::scope(|s| {
            for _ in 0..PARTIES {
                s.spawn(|| {
                    for round in (1..=ROUNDS).step_by(2) {
                        assert!(begun.load(Ordering::Relaxed) < round, "begun before all have come");
                        barrier.wait().unwrap();
                        assert_eq!(ended.load(Ordering::Relaxed), round, "left before the action had ended");
                        // A round in between, so that nobody can begin the next before all have looked.
                        barrier.wait().unwrap();
                    }
                });
            }
        });
        assert_eq!((begun.load(Ordering::Relaxed), ended.load(Ordering::Relaxed)), (ROUNDS, ROUNDS));
    });
}

#[test]
fn the_leader_runs_the_action() {
    within(|| {
        let who = Arc::new(std::sync::Mutex::new(None));
        let barrier = Barrier::with_action(3, {
            let who = Arc::clone(&who);
            move || *who.lock().unwrap() = Some(thread::current().id())
        });
        for _ in 0..20 {
            let leaders: usize = thread::scope(|s| {
                let threads: Vec<_> = (0..3)
                    .map(|_| {
                        s.spawn(|| {
                            let is_leader = barrier.wait().unwrap().is_leader;
                            assert_eq!(is_leader, *who.lock().unwrap() == Some(thread::current().id()));
                            usize::from(is_leader)
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(leaders, 1);
        }
    });
}

#[test]
fn the_action_sees_what_every_party_did() {
    within(|| {
        const PARTIES: usize = 4;
        let written = Arc::new([const { AtomicUsize::new(0) }; PARTIES]);
        let round = Arc::new(AtomicUsize::new(0));
        let barrier = Barrier::with_action(PARTIES, {
            let (written, round) = (Arc::clone(&written), Arc::clone(&round));
            move || {
                let round = round.fetch_add(1, Ordering::Relaxed) + 1;
                for of_party in &*written {
                    assert_eq!(of_party.load(Ordering::Relaxed), round);
                }
            }
        });
        thread::scope(|s| {
            for of_party in &*written {
                s.spawn(|| {
                    for round in 1..=100 {
                        of_party.store(round, Ordering::Relaxed);
                        barrier.wait().unwrap();
                    }
                });
            }
        });
    });
}

#[test]
fn a_timeout_breaks_the_barrier_for_all() {
    within(|| {
        for timed in 0..3 {
            let barrier = Barrier::new(4);
            thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| assert_eq!(barrier.wait(), Err(BrokenBarrier)));
                }
                wait_until("two have come", || barrier.n_waiting() == 2);
                let start = Instant::now();
                let result = match timed {
                    0 => barrier.wait_for(SHORT),
                    1 => barrier.wait_until(start + SHORT),
                    // Zero breaks it at once.
                    _ => barrier.wait_for(Duration::ZERO),
                };
                assert_eq!(result, Err(BrokenBarrier));
                assert!(timed == 2 || start.elapsed() >= SHORT, "early");
                assert!(barrier.is_broken());
                assert_eq!(barrier.n_waiting(), 0);
            });
            assert_eq!(barrier.wait(), Err(BrokenBarrier), "it stays broken");
            assert_eq!(barrier.wait_for(LONG), Err(BrokenBarrier));
            barrier.reset();
            assert!(!barrier.is_broken());
            a_whole_round(&barrier, 4);
        }
    });
}

#[test]
fn a_deadline_in_the_past_breaks_it_at_once() {
    within(|| {
        let barrier = Barrier::new(2);
        assert_eq!(barrier.wait_until(past()), Err(BrokenBarrier));
        assert!(barrier.is_broken());
    });
}

/// Every party comes, and gets through.
fn a_whole_round(barrier: &Barrier, parties: usize) {
    let mut seen: Vec<usize> = thread::scope(|s| {
        let threads: Vec<_> = (0..parties).map(|_| s.spawn(|| barrier.wait().unwrap().index)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    seen.sort();
    assert_eq!(seen, (0..parties).collect::<Vec<_>>());
}

#[test]
fn abort_breaks_it_for_those_who_wait_and_those_who_come() {
    within(|| {
        let barrier = Barrier::new(3);
        thread::scope(|s| {
            s.spawn(|| assert_eq!(barrier.wait(), Err(BrokenBarrier)));
            s.spawn(|| assert_eq!(barrier.wait_for(LONG), Err(BrokenBarrier)));
            wait_until("two have come", || barrier.n_waiting() == 2);
            barrier.abort();
            barrier.abort();
            assert!(barrier.is_broken());
            assert_eq!(barrier.wait(), Err(BrokenBarrier));
        });
        barrier.reset();
        a_whole_round(&barrier, 3);
        barrier.abort();
        assert_eq!(barrier.wait(), Err(BrokenBarrier), "also if nobody was there");
        barrier.reset();
        a_whole_round(&barrier, 3);
    });
}

#[test]
fn reset_sends_those_who_wait_away_and_starts_afresh() {
    within(|| {
        for _ in 0..100 {
            let barrier = Barrier::new(3);
            thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| assert_eq!(barrier.wait(), Err(BrokenBarrier)));
                }
                wait_until("two have come", || barrier.n_waiting() == 2);
                barrier.reset();
                // At once, while those two are still on their way out: they must not be counted in.
                a_whole_round(&barrier, 3);
                assert!(!barrier.is_broken());
            });
            assert_eq!(barrier.n_waiting(), 0);
        }
    });
}

#[test]
fn reset_of_a_new_barrier_changes_nothing() {
    within(|| {
        let barrier = Barrier::new(2);
        barrier.reset();
        assert!(!barrier.is_broken());
        a_whole_round(&barrier, 2);
        barrier.reset();
        a_whole_round(&barrier, 2);
    });
}

#[test]
fn reset_after_an_abort_waits_for_the_stragglers() {
    within(|| {
        for _ in 0..100 {
            let barrier = Barrier::new(3);
            thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| assert_eq!(barrier.wait(), Err(BrokenBarrier)));
                }
                wait_until("two have come", || barrier.n_waiting() == 2);
                barrier.abort();
                barrier.reset();
                a_whole_round(&barrier, 3);
            });
        }
    });
}

#[test]
fn all_of_a_round_get_the_same_answer() {
    // Timeouts, aborts and resets at the same moment as arrivals. Whatever happens, the number of those who were let through
    // is a multiple of the parties, and each index was given out as often as any other.
    within(|| {
        const PARTIES: usize = 3;
        let barrier = Barrier::new(PARTIES);
        let through: [AtomicUsize; PARTIES] = Default::default();
        let leaders = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        thread::scope(|s| {
            let parties: Vec<_> = (0..PARTIES)
                .map(|index| {
                    let (barrier, through, leaders) = (&barrier, &through, &leaders);
                    s.spawn(move || {
                        let mut random = Random::new(index as u64 + 7);
                        for _ in 0..400 {
                            if let Ok(arrival) = barrier.wait_for(random.micros(150)) {
                                through[arrival.index].fetch_add(1, Ordering::Relaxed);
                                leaders.fetch_add(usize::from(arrival.is_leader), Ordering::Relaxed);
                            } else if random.below(2) == 0 {
                                barrier.reset();
                            }
                        }
                        // Whoever still waits must not wait for this one.
                        barrier.abort();
                    })
                })
                .collect();
            s.spawn(|| {
                let mut random = Random::new(99);
                while !stop.load(Ordering::Relaxed) {
                    match random.below(8) {
                        0 => barrier.abort(),
                        _ => barrier.reset(),
                    }
                    work(random.micros(300));
                }
            });
            for party in parties {
                party.join().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        let leaders = leaders.into_inner();
        for (index, through) in through.into_iter().enumerate() {
            assert_eq!(through.into_inner(), leaders, "index {index} beside the number of complete rounds");
        }
    });
}

#[test]
fn a_panicking_action_breaks_the_barrier_and_reaches_the_thread_that_ran_it() {
    within(|| {
        let fails = Arc::new(AtomicBool::new(true));
        let barrier = Barrier::with_action(3, {
            let fails = Arc::clone(&fails);
            move || assert!(!fails.load(Ordering::Relaxed), "in the action")
        });
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| assert_eq!(barrier.wait(), Err(BrokenBarrier)));
            }
            wait_until("two have come", || barrier.n_waiting() == 2);
            let payload = s.spawn(|| barrier.wait()).join().unwrap_err();
            assert_eq!(message_of(&*payload), "in the action");
        });
        assert!(barrier.is_broken());
        assert_eq!(barrier.wait(), Err(BrokenBarrier));
        fails.store(false, Ordering::Relaxed);
        barrier.reset();
        a_whole_round(&barrier, 3);
    });
}

#[test]
fn no_timeout_breaks_a_round_that_is_complete() {
    within(|| {
        // The action takes longer than the timeouts of those who wait for it.
        let barrier = Barrier::with_action(3, || thread::sleep(6 * SHORT));
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    // Long enough to arrive; if it passes before the last comes, that is a broken round, and no fault.
                    barrier.wait_for(4 * SHORT)
                });
            }
            wait_until("two have come, or have given up", || barrier.n_waiting() == 2 || barrier.is_broken());
            if let Ok(arrival) = barrier.wait() {
                assert_eq!(arrival.index, 2);
                assert!(!barrier.is_broken(), "all had come: a timeout during the action breaks nothing");
            }
        });
    });
}

#[test]
fn those_who_come_during_the_action_make_up_the_next_round() {
    within(|| {
        let (acting, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let barrier = Barrier::with_action(2, {
            let (acting, go_on) = (Arc::clone(&acting), Arc::clone(&go_on));
            move || {
                acting.store(true, Ordering::Relaxed);
                wait_until("the action may end", || go_on.load(Ordering::Relaxed));
            }
        });
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| barrier.wait().unwrap());
            }
            wait_until("the action runs", || acting.load(Ordering::Relaxed));
            let late = AtomicUsize::new(0);
            thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| {
                        late.fetch_add(1, Ordering::Relaxed);
                        barrier.wait().unwrap();
                        assert!(
                            go_on.load(Ordering::Relaxed),
                            "through before the action of the round before had ended"
                        );
                    });
                }
                wait_until("they are near", || late.load(Ordering::Relaxed) == 2);
                work(Duration::from_micros(300));
                go_on.store(true, Ordering::Relaxed);
            });
        });
    });
}

#[test]
fn an_abort_during_the_action_lets_nobody_through() {
    within(|| {
        for by_reset in [false, true] {
            let (acting, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let barrier = Barrier::with_action(2, {
                let (acting, go_on) = (Arc::clone(&acting), Arc::clone(&go_on));
                move || {
                    acting.store(true, Ordering::Relaxed);
                    wait_until("the action may end", || go_on.load(Ordering::Relaxed));
                }
            });
            thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| assert_eq!(barrier.wait(), Err(BrokenBarrier)));
                }
                wait_until("the action runs", || acting.load(Ordering::Relaxed));
                if by_reset {
                    barrier.reset();
                } else {
                    barrier.abort();
                }
                go_on.store(true, Ordering::Relaxed);
            });
            assert_eq!(barrier.is_broken(), !by_reset);
            barrier.reset();
            a_whole_round(&barrier, 2);
        }
    });
}

#[test]
fn the_action_may_call_the_barrier_as_long_as_it_does_not_wait() {
    within(|| {
        static BARRIER: std::sync::OnceLock<Barrier> = std::sync::OnceLock::new();
        let barrier = BARRIER.get_or_init(|| {
            Barrier::with_action(2, || {
                let barrier = BARRIER.get().unwrap();
                assert_eq!(barrier.parties(), 2);
                assert!(!barrier.is_broken());
                let _ = format!("{barrier:?} {}", barrier.n_waiting());
            })
        });
        a_whole_round(barrier, 2);
    });
}

#[test]
fn a_barrier_without_parties_panics_and_names_the_call() {
    for message in [panic_message(|| Barrier::new(0)), panic_message(|| Barrier::with_action(0, || ()))] {
        assert!(message.contains("Barrier::new(0)"), "{message}");
    }
    for message in [panic_message(|| Barrier::new(1 << 28)), panic_message(|| Barrier::new(usize::MAX))] {
        assert!(message.contains("Barrier::new"), "{message}");
    }
    assert_eq!(Barrier::new((1 << 28) - 1).parties(), (1 << 28) - 1);
}

#[test]
fn debug_says_how_it_stands() {
    let barrier = Barrier::new(2);
    assert_eq!(format!("{barrier:?}"), "Barrier { parties: 2, n_waiting: 0, broken: false, .. }");
    barrier.abort();
    assert_eq!(format!("{barrier:?}"), "Barrier { parties: 2, n_waiting: 0, broken: true, .. }");
    assert_eq!(BrokenBarrier.to_string(), "the barrier is broken");
}
