//! `Event`: setting, clearing, waiting, timeouts.

#![cfg(not(feature = "loom"))]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, past, wait_until, within, work};
use raddle::Event;

#[test]
fn an_event_is_clear_at_first_and_stays_set_until_cleared() {
    within(|| {
        let event = Event::new();
        assert!(!event.is_set());
        assert!(!Event::default().is_set());
        event.clear();
        assert!(!event.is_set());
        event.set();
        event.set();
        assert!(event.is_set());
        event.wait();
        event.wait();
        assert!(event.wait_for(Duration::ZERO));
        assert!(event.wait_until(past()));
        event.clear();
        assert!(!event.is_set());
        assert!(!event.wait_for(Duration::ZERO));
    });
}

#[test]
fn set_releases_every_waiter_and_shows_what_came_before() {
    within(|| {
        for round in 0..100_u64 {
            let event = Event::new();
            let data = AtomicUsize::new(0);
            let arrived = AtomicUsize::new(0);
            thread::scope(|s| {
                for index in 0..5 {
                    let (event, data, arrived) = (&event, &data, &arrived);
                    s.spawn(move || {
                        arrived.fetch_add(1, Ordering::Relaxed);
                        match index {
                            0 => assert!(event.wait_for(LONG)),
                            1 => assert!(event.wait_until(Instant::now() + LONG)),
                            _ => event.wait(),
                        }
                        assert_eq!(data.load(Ordering::Relaxed), 42);
                    });
                }
                wait_until("some are near", || arrived.load(Ordering::Relaxed) > round as usize % 5);
                work(Duration::from_micros(round));
                data.store(42, Ordering::Relaxed);
                event.set();
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn set_and_clear_at_once_release_every_waiter_that_was_there() {
    within(|| {
        for timed in [false, true] {
            for _ in 0..25 {
                let event = Event::new();
                let waiters = [const { common::Whereabouts::new() }; 4];
                thread::scope(|s| {
                    for waiter in &waiters {
                        let event = &event;
                        s.spawn(move || {
                            waiter.about_to_block();
                            if timed {
                                assert!(event.wait_for(LONG));
                            } else {
                                event.wait();
                            }
                        });
                    }
                    for waiter in &waiters {
                        waiter.wait_until_asleep();
                    }
                    event.set();
                    event.clear();
                    // Nobody sets it again: whoever is not released by this hangs.
                });
                assert!(!event.is_set());
            }
        }
    });
}

#[test]
fn waiters_after_a_clear_wait_for_the_next_set() {
    within(|| {
        let event = Event::new();
        event.set();
        event.clear();
        let (waiting, stepped_on) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|s| {
            s.spawn(|| {
                assert!(!event.wait_for(SHORT), "a set that is over releases nobody");
                waiting.store(true, Ordering::Relaxed);
                event.wait();
                assert!(stepped_on.load(Ordering::Relaxed), "came through before the set");
            });
            wait_until("the waiter is near", || waiting.load(Ordering::Relaxed));
            work(Duration::from_micros(300));
            stepped_on.store(true, Ordering::Relaxed);
            event.set();
        });
    });
}

#[test]
fn a_timed_wait_gives_up_and_not_early() {
    within(|| {
        let event = Event::new();
        let start = Instant::now();
        assert!(!event.wait_for(SHORT));
        assert!(start.elapsed() >= SHORT, "early");
        let deadline = Instant::now() + SHORT;
        assert!(!event.wait_until(deadline));
        assert!(Instant::now() >= deadline, "early");
    });
}

#[test]
fn zero_timeouts_and_past_deadlines_do_not_block() {
    within(|| {
        let event = Event::new();
        for _ in 0..1_000 {
            assert!(!event.wait_for(Duration::ZERO));
            assert!(!event.wait_until(past()));
        }
    });
}

#[test]
fn a_waiter_that_timed_out_leaves_the_others_to_be_released() {
    within(|| {
        for seed in 0..60 {
            let event = Event::new();
            let arrived = AtomicUsize::new(0);
            thread::scope(|s| {
                for index in 0..6 {
                    let (event, arrived) = (&event, &arrived);
                    s.spawn(move || {
                        let mut random = Random::new(seed * 6 + index + 1);
                        if index % 2 == 0 {
                            while !event.wait_for(random.micros(60)) {}
                        } else {
                            arrived.fetch_add(1, Ordering::Relaxed);
                            event.wait();
                        }
                        assert!(event.is_set());
                    });
                }
                wait_until("all are near", || arrived.load(Ordering::Relaxed) == 3);
                work(Duration::from_micros(100));
                event.set();
            });
        }
    });
}

#[test]
fn two_events_as_ping_and_pong_never_hang() {
    within(|| {
        let (ping, pong) = (Event::new(), Event::new());
        let count = AtomicUsize::new(0);
        thread::scope(|s| {
            s.spawn(|| {
                for round in 0..3_000 {
                    ping.wait();
                    ping.clear();
                    assert_eq!(count.fetch_add(1, Ordering::Relaxed), 2 * round);
                    pong.set();
                }
            });
            for round in 0..3_000 {
                ping.set();
                pong.wait();
                pong.clear();
                assert_eq!(count.fetch_add(1, Ordering::Relaxed), 2 * round + 1);
            }
        });
    });
}

#[test]
fn a_storm_of_sets_and_clears_leaves_nobody_behind() {
    within(|| {
        let event = Event::new();
        let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        event.set();
                        event.clear();
                    }
                });
            }
            for _ in 0..3 {
                s.spawn(|| {
                    for _ in 0..300 {
                        event.wait();
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
            wait_until("all have come through", || done.load(Ordering::Relaxed) == 3);
            stop.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn whoever_sees_it_set_may_free_it_at_once() {
    within(|| {
        for _ in 0..300 {
            let event = Box::into_raw(Box::new(Event::new()));
            let address = event.expose_provenance();
            let setter = thread::spawn(move || {
                // SAFETY: it is freed only after it was seen set: that `set` is done with it then is what is tested.
                unsafe { &*std::ptr::with_exposed_provenance::<Event>(address) }.set();
            });
            // SAFETY: this thread frees it, below.
            unsafe { &*event }.wait();
            // SAFETY: from `Box::into_raw`, once.
            drop(unsafe { Box::from_raw(event) });
            setter.join().unwrap();
        }
    });
}

#[test]
fn debug_says_whether_it_is_set() {
    let event = Event::new();
    assert_eq!(format!("{event:?}"), "Event { set: false }");
    event.set();
    assert_eq!(format!("{event:?}"), "Event { set: true }");
}
