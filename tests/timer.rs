//! `Timer` and `Timers`: starting, cancelling, joining, periods, pools, shutting down, and functions that panic.

#![cfg(not(feature = "loom"))]

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use common::{HANGS_AFTER, LONG, Random, SHORT, message_of, panic_message, past, wait_until, within};
use raddle::{Event, Timer, TimerStartError, Timers, WorkPool};

/// A delay that no test lives to see.
const HOUR: Duration = Duration::from_secs(3600);

/// What a function has captured: counts that it was dropped, and may panic with that.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

struct Captured {
    drops: Drops,
    /// So that a tool that watches memory sees one that is dropped twice.
    _heap: Box<u64>,
    panics: bool,
}

impl Drops {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn capture(&self) -> Captured {
        Captured { drops: self.clone(), _heap: Box::new(7), panics: false }
    }

    /// One whose destructor panics.
    fn capture_nasty(&self) -> Captured {
        Captured { drops: self.clone(), _heap: Box::new(7), panics: true }
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.drops.0.fetch_add(1, Ordering::Relaxed);
        if self.panics {
            fail("in a destructor");
        }
    }
}

/// A panic without a message on the screen.
fn fail(text: &'static str) -> ! {
    resume_unwind(Box::new(text))
}

/// What a panic hook has heard, as texts.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn timers(&self) -> Timers {
        let heard = self.clone();
        Timers::builder()
            .panic_hook(move |payload| heard.0.lock().unwrap().push(message_of(&*payload)))
            .build()
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A function of this service that has begun, and waits. All others of the service are behind it.
struct Held {
    go: Arc<Event>,
    timer: Timer,
}

impl Held {
    fn in_service(timers: &Timers) -> Held {
        let (go, begun) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let timer = timers.after(Duration::ZERO, {
            let (go, begun) = (Arc::clone(&go), Arc::clone(&begun));
            move || {
                begun.set();
                go.wait();
            }
        });
        begun.wait();
        Held { go, timer }
    }

    fn let_go(self) {
        self.go.set();
        self.timer.join();
    }
}

/// Both ways to have timers.
fn global_and_own() -> [Option<Timers>; 2] {
    [None, Some(Timers::new())]
}

fn after(timers: &Option<Timers>, delay: Duration, f: impl FnOnce() + Send + 'static) -> Timer {
    match timers {
        Some(timers) => timers.after(delay, f),
        None => Timer::after(delay, f),
    }
}

fn every(timers: &Option<Timers>, period: Duration, f: impl FnMut() + Send + 'static) -> Timer {
    match timers {
        Some(timers) => timers.every(period, f),
        None => Timer::every(period, f),
    }
}

fn timer(timers: &Option<Timers>, delay: Duration, f: impl FnOnce() + Send + 'static) -> Timer {
    match timers {
        Some(timers) => timers.timer(delay, f),
        None => Timer::new(delay, f),
    }
}

// When it runs

#[test]
fn a_function_runs_once_and_not_early() {
    within(|| {
        for timers in &global_and_own() {
            for started_later in [false, true] {
                let (runs, ran_at) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::new()));
                let f = {
                    let (runs, ran_at) = (Arc::clone(&runs), Arc::clone(&ran_at));
                    move || {
                        runs.fetch_add(1, Ordering::Relaxed);
                        ran_at.set(Instant::now()).unwrap();
                    }
                };
                let (start, timer) = if started_later {
                    let timer = timer(timers, SHORT, f);
                    thread::sleep(2 * SHORT);
                    assert_eq!(runs.load(Ordering::Relaxed), 0, "it was not started");
                    assert!(!timer.is_finished());
                    let start = Instant::now();
                    assert_eq!(timer.start(), Ok(()));
                    (start, timer)
                } else {
                    let start = Instant::now();
                    (start, after(timers, SHORT, f))
                };
                timer.join();
                assert!(timer.is_finished());
                assert!(*ran_at.get().unwrap() - start >= SHORT, "early");
                assert!(!timer.cancel());
                thread::sleep(2 * SHORT);
                assert_eq!(runs.load(Ordering::Relaxed), 1);
            }
        }
    });
}

#[test]
fn of_thousands_none_is_early() {
    within(|| {
        const TIMERS: usize = 4_000;
        let timers = Timers::new();
        let late = Arc::new(Mutex::new(Vec::with_capacity(TIMERS)));
        let mut random = Random::new(1);
        let all: Vec<Timer> = (0..TIMERS)
            .map(|index| {
                let delay = if index % 100 == 0 { Duration::ZERO } else { random.micros(50_000) };
                let late = Arc::clone(&late);
                let due = Instant::now() + delay;
                timers.after(delay, move || {
                    let now = Instant::now();
                    // Not in here: a panic would only go to the hook.
                    late.lock().unwrap().push(now.checked_duration_since(due));
                })
            })
            .collect();
        for timer in &all {
            timer.join();
        }
        let late = late.lock().unwrap();
        assert_eq!(late.len(), TIMERS);
        let mut late: Vec<Duration> = late.iter().map(|late| late.expect("early")).collect();
        late.sort();
        println!(
            "lateness: p50 {:?}, p99 {:?}, max {:?}",
            late[TIMERS / 2],
            late[TIMERS / 100 * 99],
            late[TIMERS - 1]
        );
        assert_eq!(timers.pending(), 0);
    });
}

#[test]
fn a_delay_of_zero_runs_in_the_service_and_not_in_the_caller() {
    within(|| {
        for timers in &global_and_own() {
            let caller_is_done = Arc::new(Event::new());
            let ran_in = Arc::new(OnceLock::new());
            let timer = after(timers, Duration::ZERO, {
                let (caller_is_done, ran_in) = (Arc::clone(&caller_is_done), Arc::clone(&ran_in));
                move || {
                    // Hangs in the caller.
                    caller_is_done.wait();
                    ran_in.set(thread::current().id()).unwrap();
                }
            });
            caller_is_done.set();
            timer.join();
            assert_ne!(*ran_in.get().unwrap(), thread::current().id());
        }
    });
}

#[test]
fn delays_of_any_length_are_taken_and_long_ones_never_run() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let long = [
        HOUR,
        Duration::from_millis(1 << 32),
        Duration::from_millis(1 << 36),
        Duration::from_nanos(i64::MAX as u64),
        584 * year,
        Duration::from_nanos(u64::MAX),
        Duration::from_nanos(u64::MAX) + Duration::from_nanos(1),
        600 * year,
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ];
    within(move || {
        for timers in &global_and_own() {
            for delay in long {
                for kind in 0..3 {
                    for cancels in [true, false] {
                        let drops = Drops::default();
                        let captured = drops.capture();
                        let f = move || {
                            let _ = &captured;
                            unreachable!("ran after a moment instead of {delay:?}");
                        };
                        let timer = match kind {
                            0 => after(timers, delay, f),
                            1 => every(timers, delay, f),
                            _ => {
                                let timer = timer(timers, delay, f);
                                assert_eq!(timer.start(), Ok(()));
                                assert_eq!(timer.start(), Err(TimerStartError::Started));
                                timer
                            }
                        };
                        assert!(!timer.join_for(Duration::from_micros(100)));
                        assert!(!timer.is_finished());
                        assert_eq!(drops.count(), 0);
                        if cancels {
                            assert!(timer.cancel());
                            assert_eq!(drops.count(), 1, "{delay:?}");
                            assert!(timer.is_finished());
                            timer.join();
                        }
                        drop(timer);
                        assert!(drops.count() <= 1);
                    }
                }
            }
            if let Some(timers) = timers {
                timers.shutdown();
                assert_eq!(timers.pending(), 0);
            }
        }
        // And those that are not long.
        for delay in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(1)] {
            Timer::after(delay, || {}).join();
        }
    });
}

/// Nobody can cancel it any more, and it never runs: its function goes with the handle, or at the latest with the service.
#[test]
fn the_function_of_a_timer_without_an_end_is_not_leaked() {
    within(|| {
        let timers = Timers::new();
        let drops = Drops::default();
        for periodic in [false, true] {
            let captured = drops.capture();
            let f = move || {
                let _ = &captured;
            };
            drop(if periodic { timers.every(Duration::MAX, f) } else { timers.after(Duration::MAX, f) });
        }
        drop(timers);
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn shutdown_ends_a_timer_without_an_end_too() {
    within(|| {
        for periodic in [false, true] {
            let timers = Timers::new();
            let drops = Drops::default();
            let captured = drops.capture();
            let f = move || {
                let _ = &captured;
            };
            let timer =
                if periodic { timers.every(Duration::MAX, f) } else { timers.after(Duration::MAX, f) };
            assert!(!timer.is_finished());
            timers.shutdown();
            assert!(timer.is_finished(), "who joins it would wait for ever");
            timer.join();
            assert_eq!(drops.count(), 1);
            assert!(!timer.cancel());
        }
    });
}

#[test]
fn an_earlier_timer_is_not_held_up_by_one_for_which_the_service_sleeps() {
    within(|| {
        let timers = Timers::new();
        // Each is earlier than all before it. The first two sleep long enough that a lost wake-up is a hang.
        let late = timers.after(HOUR, || unreachable!());
        thread::sleep(SHORT);
        let less_late = timers.after(HOUR / 2, || unreachable!());
        thread::sleep(SHORT);
        for delay in [20, 10, 5, 0] {
            let timer = timers.after(Duration::from_millis(delay), || {});
            assert!(timer.join_for(LONG), "not woken for the earlier one");
        }
        assert_eq!(timers.pending(), 2);
        assert!(late.cancel() && less_late.cancel());
    });
}

#[test]
fn timers_run_in_the_order_of_their_deadlines() {
    within(|| {
        let timers = Timers::new();
        let held = Held::in_service(&timers);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut random = Random::new(5);
        // The deadline is between these two.
        let mut bounds = Vec::new();
        let mut all = Vec::new();
        for index in 0..300_usize {
            let delay = match index / 100 {
                // From late to early, half a millisecond apart, then the other way, then in any order.
                0 => Duration::from_micros(500 * (100 - index as u64)),
                1 => Duration::from_micros(500 * (index as u64 - 100)),
                _ => random.micros(60_000),
            };
            let order = Arc::clone(&order);
            let before = Instant::now();
            all.push(timers.after(delay, move || order.lock().unwrap().push(index)));
            bounds.push((before + delay, Instant::now() + delay));
        }
        // All of them are due when it is let go.
        thread::sleep(Duration::from_millis(70));
        held.let_go();
        all.iter().for_each(Timer::join);
        let order = order.lock().unwrap();
        assert_eq!(order.len(), 300);
        // A tick: what is nearer than that may be taken together.
        let tick = Duration::from_micros(66);
        for (position, first) in order.iter().enumerate() {
            for second in &order[position + 1..] {
                assert!(
                    bounds[*first].0 <= bounds[*second].1 + tick,
                    "timer {second} was due {:?} before timer {first}, and ran after it",
                    bounds[*first].0 - bounds[*second].1
                );
            }
        }
    });
}

#[test]
fn with_the_same_deadline_they_run_in_the_order_in_which_they_were_started_and_not_before_it() {
    within(|| {
        let timers = Timers::new();
        let deadline = Instant::now() + Duration::from_millis(3);
        let order = Arc::new(Mutex::new(Vec::new()));
        let all: Vec<Timer> = (0..500)
            .map(|index| {
                let order = Arc::clone(&order);
                timers.at(deadline, move || order.lock().unwrap().push((index, Instant::now() >= deadline)))
            })
            .collect();
        all.iter().for_each(Timer::join);
        let expected: Vec<(usize, bool)> = (0..500).map(|index| (index, true)).collect();
        assert_eq!(*order.lock().unwrap(), expected);
    });
}

#[test]
fn a_deadline_that_has_passed_is_now_and_one_beyond_the_clock_never_comes() {
    within(|| {
        let before = Instant::now();
        let timers = Timers::new();
        // Before the service began, and after.
        for deadline in [before, Instant::now()] {
            let ran = Arc::new(AtomicUsize::new(0));
            let timer = timers.at(deadline, {
                let ran = Arc::clone(&ran);
                move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                }
            });
            timer.join();
            assert_eq!(ran.load(Ordering::Relaxed), 1);
        }
        let far = before + Duration::from_secs(1 << 62);
        let never = timers.at(far, || unreachable!());
        assert!(!never.join_for(Duration::from_millis(1)));
        assert_eq!(timers.pending(), 1);
        assert!(never.cancel());
        let global = Timer::at(far, || unreachable!());
        assert!(global.cancel());
        assert!(global.is_finished());
        timers.shutdown();
        assert!(timers.at(before, || unreachable!()).is_finished());
    });
}

#[test]
fn with_the_same_delay_they_run_in_the_order_in_which_they_were_started() {
    within(|| {
        let timers = Timers::new();
        for delay in [Duration::ZERO, Duration::from_millis(3)] {
            for is_held in [false, true] {
                let held = is_held.then(|| Held::in_service(&timers));
                let order = Arc::new(Mutex::new(Vec::new()));
                let mut all: Vec<(usize, Timer)> = (0..500)
                    .map(|index| {
                        let order = Arc::clone(&order);
                        (index, timers.timer(delay, move || order.lock().unwrap().push(index)))
                    })
                    .collect();
                // That they were made in that order is not what counts.
                all.reverse();
                for (_, timer) in &all {
                    timer.start().unwrap();
                }
                if let Some(held) = held {
                    held.let_go();
                }
                all.iter().for_each(|(_, timer)| timer.join());
                let started: Vec<usize> = all.iter().map(|(index, _)| *index).collect();
                assert_eq!(*order.lock().unwrap(), started);
            }
        }
    });
}

#[test]
fn what_came_before_is_seen_by_the_function_and_what_it_wrote_by_who_finds_it_finished() {
    within(|| {
        for round in 0..300 {
            let (given, result) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            given.store(round, Ordering::Relaxed);
            let timer = Timer::after(Duration::from_micros(round as u64 % 60), {
                let (given, result) = (Arc::clone(&given), Arc::clone(&result));
                move || result.store(given.load(Ordering::Relaxed) + 1, Ordering::Relaxed)
            });
            if round % 2 == 0 {
                wait_until("it is finished", || timer.is_finished());
            } else {
                timer.join();
            }
            assert_eq!(result.load(Ordering::Relaxed), round + 1);
        }
    });
}

// Starting

#[test]
fn a_timer_is_started_once() {
    within(|| {
        for timers in &global_and_own() {
            let runs = Arc::new(AtomicUsize::new(0));
            let timer = timer(timers, SHORT, {
                let runs = Arc::clone(&runs);
                move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
            assert_eq!(timer.start(), Ok(()));
            assert_eq!(timer.start(), Err(TimerStartError::Started));
            timer.join();
            assert_eq!(timer.start(), Err(TimerStartError::Started), "after it has ended");
            assert_eq!(after(timers, HOUR, || {}).start(), Err(TimerStartError::Started));
            let timer = every(timers, HOUR, || {});
            assert_eq!(timer.start(), Err(TimerStartError::Started));
            assert!(timer.cancel());
            assert_eq!(timer.start(), Err(TimerStartError::Started), "started first, and cancelled then");
            assert_eq!(runs.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn of_many_who_start_it_at_once_one_does() {
    within(|| {
        for _ in 0..100 {
            let runs = Arc::new(AtomicUsize::new(0));
            let timer = Timer::new(Duration::ZERO, {
                let runs = Arc::clone(&runs);
                move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
            let started = AtomicUsize::new(0);
            thread::scope(|s| {
                for _ in 0..4 {
                    s.spawn(|| match timer.start() {
                        Ok(()) => started.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error, TimerStartError::Started);
                            0
                        }
                    });
                }
            });
            timer.join();
            assert_eq!((started.into_inner(), runs.load(Ordering::Relaxed)), (1, 1));
        }
    });
}

#[test]
fn a_timer_that_was_cancelled_is_not_started() {
    within(|| {
        for timers in &global_and_own() {
            let drops = Drops::default();
            let captured = drops.capture();
            let timer = timer(timers, Duration::ZERO, move || {
                let _ = &captured;
                unreachable!();
            });
            assert!(timer.cancel());
            assert_eq!(drops.count(), 1);
            assert!(timer.is_finished());
            assert!(!timer.cancel());
            assert_eq!(timer.start(), Err(TimerStartError::Cancelled));
            timer.join();
            assert!(timer.join_for(Duration::ZERO));
            drop(timer);
            assert_eq!(drops.count(), 1);
        }
    });
}

#[test]
fn an_unstarted_timer_that_is_dropped_drops_its_function() {
    within(|| {
        for timers in &global_and_own() {
            let drops = Drops::default();
            let captured = drops.capture();
            drop(timer(timers, Duration::ZERO, move || {
                let _ = &captured;
                unreachable!();
            }));
            assert_eq!(drops.count(), 1);
        }
    });
}

#[test]
fn start_errors_say_what_was_wrong() {
    let message = |error: TimerStartError| error.to_string();
    assert_eq!(message(TimerStartError::Started), "Timer::start: the timer was started before");
    assert_eq!(message(TimerStartError::Cancelled), "Timer::start: the timer was cancelled");
    assert_eq!(message(TimerStartError::ShutDown), "Timer::start: the service of the timer is shut down");
}

// Cancelling

#[test]
fn cancel_in_time_means_that_it_never_runs_and_was_dropped() {
    within(|| {
        for timers in &global_and_own() {
            for delay in [Duration::from_millis(500), HOUR] {
                let drops = Drops::default();
                let captured = drops.capture();
                let ran = Arc::new(AtomicBool::new(false));
                let timer = after(timers, delay, {
                    let ran = Arc::clone(&ran);
                    move || {
                        let _ = &captured;
                        ran.store(true, Ordering::Relaxed);
                    }
                });
                let in_time = timer.cancel();
                if in_time {
                    assert_eq!(drops.count(), 1, "dropped when cancel returns");
                    assert!(timer.is_finished());
                    assert!(!timer.cancel(), "the second time it is too late");
                }
                timer.join();
                assert_eq!(in_time, !ran.load(Ordering::Relaxed));
                drop(timer);
                assert_eq!(drops.count(), 1);
            }
        }
    });
}

#[test]
fn cancel_is_false_when_it_runs_or_has_run() {
    within(|| {
        let timers = Timers::new();
        let drops = Drops::default();
        let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let captured = drops.capture();
        let timer = timers.after(Duration::ZERO, {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            move || {
                let _captured = captured;
                begun.set();
                go.wait();
            }
        });
        begun.wait();
        assert!(!timer.cancel());
        assert!(!timer.is_finished(), "it runs, cancelled or not");
        assert_eq!(drops.count(), 0);
        go.set();
        timer.join();
        assert_eq!(drops.count(), 1);
        assert!(!timer.cancel());
    });
}

#[test]
fn one_that_waits_behind_a_long_function_can_be_cancelled() {
    within(|| {
        let timers = Timers::new();
        let held = Held::in_service(&timers);
        // Due, and behind it. Some have perhaps been taken out of the wheel together with it.
        let drops = Drops::default();
        let all: Vec<Timer> = (0..100)
            .map(|_| {
                let captured = drops.capture();
                timers.after(Duration::ZERO, move || {
                    let _ = &captured;
                    unreachable!();
                })
            })
            .collect();
        thread::sleep(SHORT);
        for (index, timer) in all.iter().enumerate() {
            assert!(timer.cancel());
            assert_eq!(drops.count(), index + 1);
        }
        held.let_go();
    });
}

#[test]
fn cancelled_or_run_and_never_both() {
    within(|| {
        let timers = global_and_own();
        let mut random = Random::new(8);
        let mut cancelled = 0;
        for round in 0..1_500 {
            let (runs, drops) = (Arc::new(AtomicUsize::new(0)), Drops::default());
            let captured = drops.capture();
            let timer = after(&timers[round % 2], random.micros(80), {
                let runs = Arc::clone(&runs);
                move || {
                    let _captured = captured;
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
            common::work(random.micros(110));
            if timer.cancel() {
                cancelled += 1;
                assert_eq!((runs.load(Ordering::Relaxed), drops.count()), (0, 1));
                assert!(timer.is_finished());
            } else {
                timer.join();
                assert_eq!((runs.load(Ordering::Relaxed), drops.count()), (1, 1));
            }
            timer.join();
            drop(timer);
            assert_eq!(drops.count(), 1);
        }
        println!("cancelled in time: {cancelled} of 1500");
    });
}

#[test]
fn of_many_who_cancel_it_at_once_one_does() {
    within(|| {
        for round in 0..200 {
            let drops = Drops::default();
            let captured = drops.capture();
            let delay = if round % 2 == 0 { HOUR } else { Duration::from_micros(30) };
            let timer = Timer::after(delay, move || drop(captured));
            let cancelled = AtomicUsize::new(0);
            thread::scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        if timer.cancel() {
                            assert_eq!(drops.count(), 1);
                            cancelled.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            timer.join();
            assert_eq!(drops.count(), 1);
            let cancelled = cancelled.into_inner();
            assert!(cancelled == 1 || (cancelled == 0 && round % 2 == 1));
        }
    });
}

#[test]
fn dropping_the_handle_lets_it_go_on() {
    within(|| {
        for timers in &global_and_own() {
            let ran = Arc::new(Event::new());
            drop(after(timers, SHORT, {
                let ran = Arc::clone(&ran);
                move || ran.set()
            }));
            ran.wait();
        }
        let timers = Timers::new();
        let (runs, drops) = (Arc::new(AtomicUsize::new(0)), Drops::default());
        let captured = drops.capture();
        drop(timers.every(Duration::from_millis(1), {
            let runs = Arc::clone(&runs);
            move || {
                let _ = &captured;
                runs.fetch_add(1, Ordering::Relaxed);
            }
        }));
        wait_until("it has run again and again", || runs.load(Ordering::Relaxed) >= 5);
        assert_eq!(drops.count(), 0);
        drop(timers);
        assert_eq!(drops.count(), 1);
    });
}

// Waiting

#[test]
fn it_is_finished_only_when_its_function_has_returned() {
    within(|| {
        for timers in &global_and_own() {
            let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
            let returns = Arc::new(AtomicBool::new(false));
            let drops = Drops::default();
            let captured = drops.capture();
            let timer = after(timers, Duration::ZERO, {
                let (begun, go, returns) = (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&returns));
                move || {
                    let _captured = captured;
                    begun.set();
                    go.wait();
                    returns.store(true, Ordering::Relaxed);
                }
            });
            begun.wait();
            assert!(!timer.is_finished());
            assert!(!timer.join_for(Duration::ZERO));
            assert!(!timer.join_for(SHORT));
            assert!(!timer.join_until(past()));
            let start = Instant::now();
            assert!(!timer.join_until(start + SHORT));
            assert!(start.elapsed() >= SHORT, "early");
            thread::scope(|s| {
                for kind in 0..3 {
                    let (timer, returns) = (&timer, &returns);
                    s.spawn(move || {
                        match kind {
                            0 => timer.join(),
                            1 => assert!(timer.join_for(LONG)),
                            _ => assert!(timer.join_until(Instant::now() + LONG)),
                        }
                        assert!(returns.load(Ordering::Relaxed), "before it has returned");
                        assert!(timer.is_finished());
                    });
                }
                go.set();
            });
            assert_eq!(drops.count(), 1, "what it has captured is gone, too");
            timer.join();
            assert!(
                timer.join_for(Duration::ZERO) && timer.join_for(Duration::MAX) && timer.join_until(past())
            );
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn all_who_sleep_in_join_are_woken_by_the_end_and_by_cancel() {
    within(|| {
        for cancels in [false, true] {
            for _ in 0..20 {
                let timers = Timers::new();
                let held = Held::in_service(&timers);
                let timer = timers.after(Duration::ZERO, || {});
                let waiters = [const { common::Whereabouts::new() }; 3];
                thread::scope(|s| {
                    for (index, waiter) in waiters.iter().enumerate() {
                        let timer = &timer;
                        s.spawn(move || {
                            waiter.about_to_block();
                            if index == 0 {
                                assert!(timer.join_for(LONG));
                            } else {
                                timer.join();
                            }
                            assert!(timer.is_finished());
                        });
                    }
                    waiters.iter().for_each(common::Whereabouts::wait_until_asleep);
                    if cancels {
                        assert!(timer.cancel());
                    } else {
                        held.go.set();
                    }
                });
                held.let_go();
            }
        }
    });
}

#[test]
fn a_join_that_timed_out_leaves_the_others_to_be_woken() {
    within(|| {
        for seed in 0..40 {
            let timer = Timer::after(Duration::from_millis(2), || {});
            thread::scope(|s| {
                for index in 0..4 {
                    let timer = &timer;
                    s.spawn(move || {
                        let mut random = Random::new(seed * 4 + index);
                        if index % 2 == 0 {
                            while !timer.join_for(random.micros(300)) {}
                        } else {
                            timer.join();
                        }
                        assert!(timer.is_finished());
                    });
                }
            });
        }
    });
}

#[test]
fn join_of_a_timer_that_was_not_started_panics() {
    within(|| {
        for timers in &global_and_own() {
            let timer = timer(timers, Duration::ZERO, || {});
            let text = panic_message(|| timer.join());
            assert_eq!(text, "Timer::join: the timer was not started");
            let text = panic_message(|| timer.join_for(Duration::ZERO));
            assert_eq!(text, "Timer::join_for: the timer was not started");
            let text = panic_message(|| timer.join_until(past()));
            assert_eq!(text, "Timer::join_until: the timer was not started");
            timer.start().unwrap();
            timer.join();
        }
    });
}

/// A timer that its own function can see.
fn with_own_handle(
    timers: &Timers,
    delay: Duration,
    f: impl FnOnce(&Timer) + Send + 'static,
) -> Arc<OnceLock<Timer>> {
    let own = Arc::new(OnceLock::new());
    let timer = timers.timer(delay, {
        let own = Arc::clone(&own);
        move || f(own.wait())
    });
    timer.start().unwrap();
    own.set(timer).unwrap();
    own
}

#[test]
fn a_function_that_joins_its_own_timer_panics_and_harms_nothing() {
    within(|| {
        let heard = Heard::default();
        let timers = heard.timers();
        for kind in 0..3 {
            let own = with_own_handle(&timers, Duration::ZERO, move |own| match kind {
                0 => own.join(),
                1 => drop(own.join_for(LONG)),
                _ => drop(own.join_until(Instant::now() + LONG)),
            });
            let timer = own.get().unwrap();
            timer.join();
            assert!(timer.is_finished());
        }
        let text = "called by the timer's own function, which would wait for itself";
        let expected = ["join", "join_for", "join_until"].map(|call| format!("Timer::{call}: {text}"));
        assert_eq!(heard.all(), expected);
        // Others still run, and may be joined by anybody.
        timers.after(Duration::ZERO, || {}).join();
    });
}

#[test]
fn a_function_with_a_period_that_joins_its_own_timer_panics_each_time() {
    within(|| {
        let heard = Heard::default();
        let timers = heard.timers();
        let own = Arc::new(OnceLock::<Timer>::new());
        let timer = timers.every(Duration::from_millis(1), {
            let own = Arc::clone(&own);
            move || own.wait().join()
        });
        own.set(timer).unwrap();
        wait_until("it has panicked twice", || heard.all().len() >= 2);
        own.get().unwrap().cancel();
        own.get().unwrap().join();
    });
}

// From within functions

#[test]
fn a_function_may_start_cancel_and_join_others() {
    within(|| {
        let timers = Arc::new(Timers::new());
        let other = Timers::new();
        let log = Arc::new(Mutex::new(Vec::new()));
        let ended = timers.after(Duration::ZERO, || {});
        ended.join();
        let drops = Drops::default();
        let captured = drops.capture();
        let late = timers.after(HOUR, move || drop(captured));
        let elsewhere = other.after(SHORT, || {});
        let started = Arc::new(OnceLock::new());
        let timer = timers.after(Duration::ZERO, {
            let (timers, log, started) = (Arc::clone(&timers), Arc::clone(&log), Arc::clone(&started));
            let drops = drops.clone();
            move || {
                let say = |text| log.lock().unwrap().push(text);
                ended.join();
                say("joined one that has ended");
                elsewhere.join();
                say("joined one of another service");
                assert!(late.cancel());
                late.join();
                assert_eq!(drops.count(), 1);
                say("cancelled one");
                assert_eq!(timers.pending(), 0);
                let next = timers.after(Duration::ZERO, {
                    let log = Arc::clone(&log);
                    move || log.lock().unwrap().push("started one")
                });
                assert!(!next.is_finished(), "it is behind us");
                assert!(!next.join_for(Duration::ZERO));
                assert!(!next.join_for(SHORT));
                started.set(next).unwrap();
            }
        });
        timer.join();
        started.get().unwrap().join();
        assert_eq!(
            *log.lock().unwrap(),
            ["joined one that has ended", "joined one of another service", "cancelled one", "started one"]
        );
    });
}

/// What it waits for would have to run on the thread in which it waits.
#[test]
fn a_function_that_joins_one_that_is_behind_it_panics_and_harms_nothing() {
    within(|| {
        let heard = Heard::default();
        let timers = Arc::new(heard.timers());
        let behind = Arc::new(OnceLock::<Timer>::new());
        let joined = timers.after(Duration::ZERO, {
            let (timers, behind) = (Arc::clone(&timers), Arc::clone(&behind));
            move || {
                let late = behind.get_or_init(|| timers.after(SHORT, || {}));
                // With a timeout it may wait, and does so in vain.
                assert!(!late.join_for(2 * SHORT));
                late.join();
            }
        });
        joined.join();
        assert_eq!(heard.all().len(), 1);
        assert!(
            heard.all()[0].starts_with("Timer::join: called on the service's own thread"),
            "{:?}",
            heard.all()
        );
        behind.get().unwrap().join();
    });
}

#[test]
fn a_function_that_starts_itself_anew_goes_on_and_on() {
    within(|| {
        fn step(timers: &Arc<Timers>, left: usize, done: Arc<Event>) {
            if left == 0 {
                return done.set();
            }
            let again = Arc::clone(timers);
            drop(timers.after(Duration::from_micros(left as u64 % 50), move || step(&again, left - 1, done)));
        }

        let timers = Arc::new(Timers::new());
        let done = Arc::new(Event::new());
        step(&timers, 2_000, Arc::clone(&done));
        done.wait();
    });
}

#[test]
fn a_function_may_cancel_its_own_timer_which_says_false() {
    within(|| {
        let timers = Timers::new();
        let said = Arc::new(OnceLock::new());
        let own = with_own_handle(&timers, SHORT, {
            let said = Arc::clone(&said);
            move |own| said.set((own.is_finished(), own.cancel(), own.is_finished())).unwrap()
        });
        own.get().unwrap().join();
        assert_eq!(said.get(), Some(&(false, false, false)));
        assert!(own.get().unwrap().is_finished());
    });
}

#[test]
fn a_function_may_hold_the_only_handle_of_its_own_timer() {
    within(|| {
        for cancels in [false, true] {
            let drops = Drops::default();
            let timers = Timers::new();
            let captured = drops.capture();
            let delay = if cancels { HOUR } else { Duration::ZERO };
            let own = with_own_handle(&timers, delay, move |_own| drop(captured));
            drop(own);
            if cancels {
                timers.shutdown();
            }
            wait_until("it has gone", || drops.count() == 1);
            drop(timers);
            assert_eq!(drops.count(), 1);
        }
    });
}

/// No lock of ours is held while code of others runs.
#[test]
fn a_destructor_may_use_the_service() {
    struct OnDrop<F: FnMut()>(F);

    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    within(|| {
        let timers = Arc::new(Timers::new());
        let dropped = Arc::new(AtomicUsize::new(0));
        let nosy = || {
            let (timers, dropped) = (Arc::clone(&timers), Arc::clone(&dropped));
            let other = timers.after(HOUR, || {});
            OnDrop(move || {
                let _ = timers.pending();
                other.cancel();
                drop(timers.after(Duration::ZERO, || {}));
                drop(timers.every(HOUR, || {}));
                let _ = format!("{timers:?}");
                dropped.fetch_add(1, Ordering::Relaxed);
            })
        };
        let capturing = || {
            let nosy = nosy();
            move || {
                let _ = &nosy;
            }
        };
        // By cancel, by its run, by the drop of the handle, by the end of the period, by start and by shutdown.
        assert!(timers.after(HOUR, capturing()).cancel());
        timers.after(Duration::ZERO, capturing()).join();
        drop(timers.timer(HOUR, capturing()));
        let periodic = timers.every(Duration::from_millis(1), capturing());
        thread::sleep(SHORT);
        periodic.cancel();
        periodic.join();
        assert_eq!(dropped.load(Ordering::Relaxed), 4);
        let (late, unstarted) = (timers.after(HOUR, capturing()), timers.timer(HOUR, capturing()));
        timers.shutdown();
        assert!(late.is_finished());
        assert_eq!(unstarted.start(), Err(TimerStartError::ShutDown));
        drop(timers.after(HOUR, capturing()));
        assert_eq!(dropped.load(Ordering::Relaxed), 7);
    });
}

#[test]
fn timers_can_be_used_while_the_locals_of_a_thread_are_dropped() {
    struct Uses;

    impl Drop for Uses {
        fn drop(&mut self) {
            Timer::after(Duration::from_millis(1), || {}).join();
            assert!(Timer::after(HOUR, || {}).cancel());
            let timers = Timers::new();
            timers.after(Duration::ZERO, || {}).join();
        }
    }

    thread_local! {
        static USES: RefCell<Option<Uses>> = const { RefCell::new(None) };
    }

    within(|| {
        for uses_before in [false, true] {
            let thread = thread::spawn(move || {
                USES.with(|uses| *uses.borrow_mut() = Some(Uses));
                if uses_before {
                    Timer::after(Duration::ZERO, || {}).join();
                }
            });
            thread.join().unwrap();
        }
        // In the thread of a service, too.
        let timers = Timers::new();
        timers.after(Duration::ZERO, || USES.with(|uses| *uses.borrow_mut() = Some(Uses))).join();
        drop(timers);
    });
}

// Periods

#[test]
fn a_period_is_kept_to_and_missed_runs_are_left_out() {
    within(|| {
        let period = Duration::from_millis(4);
        let timers = Timers::new();
        let runs = Arc::new(Mutex::new(Vec::new()));
        let before = Instant::now();
        let timer = timers.every(period, {
            let runs = Arc::clone(&runs);
            move || {
                let begun = Instant::now();
                let count = runs.lock().unwrap().len();
                // Now and then longer than some periods.
                thread::sleep(if count % 4 == 1 { period * 5 / 2 } else { Duration::from_micros(200) });
                runs.lock().unwrap().push((begun, Instant::now()));
            }
        });
        let after = Instant::now();
        wait_until("it has run often", || runs.lock().unwrap().len() >= 25);
        timer.cancel();
        timer.join();
        let runs = runs.lock().unwrap();
        assert!(runs[0].0 >= before + period, "early");
        for pair in runs.windows(2) {
            let ((_, ended), (next, _)) = (pair[0], pair[1]);
            assert!(next >= ended, "overlap");
            // The first whole number of periods after its end. It was started between `before` and `after`.
            let periods = ended.saturating_duration_since(after).as_nanos() / period.as_nanos() + 1;
            assert!(next >= before + period * periods as u32, "a run that was missed is made up for");
        }
    });
}

/// However long one run took, the runs after it are at whole periods from the start.
#[test]
fn a_long_run_does_not_shift_the_phase() {
    within(|| {
        let period = Duration::from_millis(20);
        let phase = |start: Instant, run: Instant| (run - start).as_nanos() % period.as_nanos();
        let in_phase = |nanos: u128| nanos < period.as_nanos() / 4;
        // On a busy machine a run may be late by any time. A period that starts anew when a run ends never gets through this.
        let start_of_test = Instant::now();
        loop {
            let timers = Timers::new();
            let runs = Arc::new(Mutex::new(Vec::new()));
            let start = Instant::now();
            let timer = timers.every(period, {
                let runs = Arc::clone(&runs);
                move || {
                    let mut runs = runs.lock().unwrap();
                    runs.push(Instant::now());
                    let is_third = runs.len() == 3;
                    drop(runs);
                    if is_third {
                        thread::sleep(period * 5 / 2);
                    }
                }
            });
            wait_until("it has run often", || runs.lock().unwrap().len() >= 6);
            timer.cancel();
            let runs = runs.lock().unwrap();
            if in_phase(phase(start, runs[2])) && runs[3..].iter().any(|run| in_phase(phase(start, *run))) {
                break;
            }
            assert!(start_of_test.elapsed() < HANGS_AFTER / 2, "out of phase after a long run");
        }
    });
}

#[test]
fn a_short_period_leaves_the_others_their_time() {
    within(|| {
        let timers = Timers::new();
        // Always due.
        let busy = timers.every(Duration::from_nanos(1), || {});
        for _ in 0..200 {
            timers.after(Duration::from_micros(20), || {}).join();
        }
        busy.cancel();
        busy.join();
    });
}

#[test]
fn runs_of_one_timer_never_overlap() {
    within(|| {
        let pool = Arc::new(WorkPool::new(4));
        for timers in [Timers::new(), Timers::builder().pool(pool).build()] {
            let (inside, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let overlaps = Arc::new(AtomicBool::new(false));
            let timer = timers.every(Duration::from_micros(100), {
                let (inside, runs, overlaps) =
                    (Arc::clone(&inside), Arc::clone(&runs), Arc::clone(&overlaps));
                // What it captures needs no lock.
                let seen = Cell::new(0);
                move || {
                    if inside.fetch_add(1, Ordering::Relaxed) != 0 {
                        overlaps.store(true, Ordering::Relaxed);
                    }
                    seen.set(seen.get() + 1);
                    common::work(Duration::from_micros(seen.get() % 4 * 100));
                    inside.fetch_sub(1, Ordering::Relaxed);
                    runs.store(seen.get() as usize, Ordering::Relaxed);
                }
            });
            wait_until("it has run often", || runs.load(Ordering::Relaxed) >= 200);
            timer.cancel();
            timer.join();
            assert!(!overlaps.load(Ordering::Relaxed));
        }
    });
}

/// A timer with a period, whose function can see it and says how it was called.
fn every_with_own_handle(
    timers: &Timers,
    period: Duration,
    mut f: impl FnMut(&Timer) + Send + 'static,
) -> Arc<OnceLock<Timer>> {
    let own = Arc::new(OnceLock::new());
    let timer = timers.every(period, {
        let own = Arc::clone(&own);
        move || f(own.wait())
    });
    own.set(timer).unwrap();
    own
}

#[test]
fn the_run_that_cancels_is_the_last() {
    within(|| {
        let pool = Arc::new(WorkPool::new(2));
        for timers in [Timers::new(), Timers::builder().pool(pool).build()] {
            let drops = Drops::default();
            let captured = drops.capture();
            let (runs, said) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
            let own = every_with_own_handle(&timers, Duration::from_millis(1), {
                let (runs, said) = (Arc::clone(&runs), Arc::clone(&said));
                move |own| {
                    let _ = &captured;
                    if runs.fetch_add(1, Ordering::Relaxed) == 2 {
                        let answers = [own.cancel(), own.cancel(), own.is_finished()];
                        said.lock().unwrap().extend(answers);
                    }
                }
            });
            let timer = own.get().unwrap();
            timer.join();
            assert_eq!(drops.count(), 1, "its function is gone");
            assert_eq!(*said.lock().unwrap(), [false; 3]);
            thread::sleep(2 * SHORT);
            assert_eq!(runs.load(Ordering::Relaxed), 3);
            assert!(!timer.cancel());
            assert_eq!(timers.pending(), 0);
        }
    });
}

#[test]
fn cancelled_from_outside_while_it_runs_it_runs_to_the_end_and_not_again() {
    within(|| {
        let pool = Arc::new(WorkPool::new(2));
        for timers in [Timers::new(), Timers::builder().pool(pool).build()] {
            let drops = Drops::default();
            let captured = drops.capture();
            let runs = Arc::new(AtomicUsize::new(0));
            let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
            let timer = timers.every(Duration::from_millis(1), {
                let (runs, begun, go) = (Arc::clone(&runs), Arc::clone(&begun), Arc::clone(&go));
                move || {
                    let _ = &captured;
                    begun.set();
                    go.wait();
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
            begun.wait();
            assert!(!timer.cancel(), "it runs");
            assert!(!timer.is_finished());
            assert!(!timer.join_for(SHORT));
            assert_eq!(drops.count(), 0);
            go.set();
            timer.join();
            assert_eq!(drops.count(), 1);
            thread::sleep(SHORT);
            assert_eq!(runs.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn cancelled_between_two_runs_it_is_dropped_there_and_then() {
    within(|| {
        let timers = Timers::new();
        for round in 0..300 {
            let drops = Drops::default();
            let captured = drops.capture();
            let runs = Arc::new(AtomicUsize::new(0));
            let timer = timers.every(Duration::from_micros(50 + round), {
                let runs = Arc::clone(&runs);
                move || {
                    let _ = &captured;
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
            common::work(Duration::from_micros(round));
            if timer.cancel() {
                let (runs_then, drops) = (runs.load(Ordering::Relaxed), drops.count());
                assert_eq!(drops, 1);
                assert!(timer.is_finished());
                thread::yield_now();
                assert_eq!(runs.load(Ordering::Relaxed), runs_then, "it runs on");
            }
            // It ran just then, and not again.
            timer.join();
            assert_eq!(drops.count(), 1);
        }
        assert_eq!(timers.pending(), 0);
    });
}

#[test]
fn a_panic_in_one_run_does_not_end_a_timer_with_a_period() {
    within(|| {
        let heard = Heard::default();
        let timers = heard.timers();
        let runs = Arc::new(AtomicUsize::new(0));
        let timer = timers.every(Duration::from_millis(1), {
            let runs = Arc::clone(&runs);
            move || match runs.fetch_add(1, Ordering::Relaxed) {
                0 | 2 => fail("in one run"),
                _ => {}
            }
        });
        wait_until("it has run on", || runs.load(Ordering::Relaxed) >= 5);
        assert_eq!(heard.all(), ["in one run"; 2]);
        assert!(!timer.is_finished());
        timer.cancel();
        timer.join();
    });
}

#[test]
fn a_period_of_zero_panics() {
    within(|| {
        for timers in &global_and_own() {
            let drops = Drops::default();
            let captured = drops.capture();
            let text = panic_message(|| every(timers, Duration::ZERO, move || _ = &captured));
            assert_eq!(text, "Timer::every(0): it would run without end");
            assert_eq!(drops.count(), 1);
        }
    });
}

// Panics

#[test]
fn panics_go_to_the_hook_and_the_others_run() {
    within(|| {
        let heard = Heard::default();
        let timers = heard.timers();
        let held = Held::in_service(&timers);
        let runs = Arc::new(AtomicUsize::new(0));
        let all: Vec<Timer> = (0..100)
            .map(|index| {
                let runs = Arc::clone(&runs);
                timers.after(Duration::ZERO, move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                    if index % 3 == 0 {
                        fail("in a function");
                    }
                })
            })
            .collect();
        held.let_go();
        for timer in &all {
            timer.join();
            assert!(timer.is_finished());
            assert!(!timer.cancel());
        }
        assert_eq!(runs.load(Ordering::Relaxed), 100);
        assert_eq!(heard.all(), ["in a function"; 34]);
    });
}

#[test]
fn panics_that_nobody_hears_harm_nobody() {
    struct Nasty(Drops);

    impl Drop for Nasty {
        fn drop(&mut self) {
            self.0.0.fetch_add(1, Ordering::Relaxed);
            // Again with something whose destructor panics.
            resume_unwind(Box::new(Worse));
        }
    }

    struct Worse;

    impl Drop for Worse {
        fn drop(&mut self) {
            fail("no end of it");
        }
    }

    within(|| {
        let drops = Drops::default();
        let mut services = Vec::from(global_and_own());
        // A hook that drops what it is given, one that panics with it, and one that panics with something else.
        services.push(Some(Timers::builder().panic_hook(drop).build()));
        services.push(Some(Timers::builder().panic_hook(|payload| resume_unwind(payload)).build()));
        services.push(Some(
            Timers::builder()
                .panic_hook(|payload| {
                    std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(payload))));
                    fail("in the hook");
                })
                .build(),
        ));
        for (index, timers) in services.iter().enumerate() {
            for _ in 0..3 {
                let nasty = Nasty(drops.clone());
                after(timers, Duration::ZERO, move || resume_unwind(Box::new(nasty))).join();
            }
            assert_eq!(drops.count(), 3 * (index + 1), "each payload is dropped, once");
            let runs = Arc::new(AtomicUsize::new(0));
            let timer = every(timers, Duration::from_millis(1), {
                let runs = Arc::clone(&runs);
                move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                    fail("in each run");
                }
            });
            wait_until("it goes on", || runs.load(Ordering::Relaxed) >= 3);
            timer.cancel();
            timer.join();
        }
    });
}

#[test]
fn a_destructor_of_a_function_that_panics_goes_to_the_hook() {
    within(|| {
        let heard = Heard::default();
        let drops = Drops::default();
        let nasty = || {
            let captured = drops.capture_nasty();
            move || {
                let _ = &captured;
            }
        };
        let timers = heard.timers();
        // As it returns, when it is cancelled, when it was never started, when its period ends, and when the service is shut down.
        timers.after(Duration::ZERO, nasty()).join();
        assert_eq!(heard.all().len(), 1);
        let late = timers.after(HOUR, nasty());
        assert!(late.cancel());
        assert!(late.is_finished());
        assert_eq!(heard.all().len(), 2);
        drop(timers.timer(HOUR, nasty()));
        let unstarted = timers.timer(HOUR, nasty());
        assert!(unstarted.cancel());
        assert_eq!(heard.all().len(), 4);
        let begun = Arc::new(Event::new());
        let f = nasty();
        let periodic = timers.every(Duration::from_millis(1), {
            let begun = Arc::clone(&begun);
            move || {
                f();
                begun.set();
            }
        });
        begun.wait();
        periodic.cancel();
        periodic.join();
        assert_eq!(heard.all().len(), 5);
        let (last, unstarted) = (timers.after(HOUR, nasty()), timers.timer(HOUR, nasty()));
        timers.shutdown();
        assert!(last.is_finished());
        assert_eq!(unstarted.start(), Err(TimerStartError::ShutDown));
        drop(timers.after(HOUR, nasty()));
        assert_eq!(heard.all(), ["in a destructor"; 8]);
        assert_eq!(drops.count(), 8);
        // And without a hook.
        assert!(Timer::after(HOUR, nasty()).cancel());
        Timer::after(Duration::ZERO, nasty()).join();
        drop(Timer::new(HOUR, nasty()));
        assert_eq!(drops.count(), 11);
    });
}

// Pools

/// A pool all of whose workers are busy until they are let go.
fn busy_pool(pool: &Arc<WorkPool>) -> Arc<Event> {
    let go = Arc::new(Event::new());
    for _ in 0..pool.max_workers() {
        let begun = Arc::new(Event::new());
        drop(pool.apply_async({
            let (go, begun) = (Arc::clone(&go), Arc::clone(&begun));
            move || {
                begun.set();
                go.wait();
            }
        }));
        begun.wait();
    }
    go
}

#[test]
fn with_a_pool_the_functions_run_there() {
    within(|| {
        let pool = Arc::new(WorkPool::builder().workers(2).name("helpers").build().unwrap());
        let timers = Timers::builder().pool(pool).build();
        let names = Arc::new(Mutex::new(Vec::new()));
        let note = || {
            let names = Arc::clone(&names);
            move || names.lock().unwrap().push(thread::current().name().unwrap().to_owned())
        };
        timers.after(Duration::ZERO, note()).join();
        timers.after(SHORT, note()).join();
        let periodic = timers.every(Duration::from_millis(1), note());
        wait_until("it runs again and again", || names.lock().unwrap().len() >= 10);
        periodic.cancel();
        periodic.join();
        let names = names.lock().unwrap();
        assert!(names.iter().all(|name| name.starts_with("helpers-")), "{names:?}");
    });
}

#[test]
fn with_a_pool_a_long_function_does_not_delay_the_others() {
    within(|| {
        let timers = Timers::builder().pool(Arc::new(WorkPool::new(3))).build();
        let held = Held::in_service(&timers);
        for _ in 0..10 {
            assert!(timers.after(Duration::from_millis(1), || {}).join_for(LONG));
        }
        // Here a function may join others that are not done.
        let other = timers.after(SHORT, || {});
        let go = Arc::clone(&held.go);
        let joins = timers.after(Duration::ZERO, move || other.join());
        joins.join();
        go.set();
        held.let_go();
    });
}

#[test]
fn with_a_pool_panics_go_to_the_hook_of_the_timers() {
    within(|| {
        let pool = Arc::new(WorkPool::builder().workers(1).panic_hook(|_| unreachable!()).build().unwrap());
        let heard = Heard::default();
        let timers = {
            let heard = heard.clone();
            let hook = move |payload: Box<dyn std::any::Any + Send>| {
                heard.0.lock().unwrap().push(message_of(&*payload));
            };
            Timers::builder().pool(Arc::clone(&pool)).panic_hook(hook).build()
        };
        timers.after(Duration::ZERO, || fail("in the pool")).join();
        let own = with_own_handle(&timers, Duration::ZERO, |own| own.join());
        own.get().unwrap().join();
        let all = heard.all();
        assert_eq!(all[0], "in the pool");
        assert!(all[1].contains("own function"), "{}", all[1]);
        assert_eq!(pool.apply(|| 7), 7);
    });
}

#[test]
fn when_the_pool_is_closed_timers_that_are_due_are_cancelled() {
    within(|| {
        for terminates in [false, true] {
            let pool = Arc::new(WorkPool::new(1));
            let timers = Timers::builder().pool(Arc::clone(&pool)).build();
            let drops = Drops::default();
            let runs = Arc::new(AtomicUsize::new(0));
            let periodic = timers.every(Duration::from_millis(1), {
                let (captured, runs) = (drops.capture(), Arc::clone(&runs));
                move || {
                    let _ = &captured;
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
            wait_until("it runs", || runs.load(Ordering::Relaxed) >= 2);
            if terminates {
                pool.terminate();
            } else {
                pool.close();
            }
            periodic.join();
            assert!(periodic.is_finished());
            let captured = drops.capture();
            let timer = timers.after(SHORT, move || {
                let _ = &captured;
                unreachable!();
            });
            timer.join();
            assert!(!timer.cancel(), "it has ended");
            assert_eq!(drops.count(), 2);
            assert_eq!(timers.pending(), 0);
        }
    });
}

/// A service whose pool has one worker, which is busy, and room for one job; and what lets the worker go on.
fn without_room() -> (Arc<WorkPool>, Timers, Arc<Event>) {
    let pool = Arc::new(WorkPool::builder().workers(1).queue_bound(1).build().unwrap());
    let timers = Timers::builder().pool(Arc::clone(&pool)).build();
    let go = busy_pool(&pool);
    (pool, timers, go)
}

/// Timers that are due: the first of them has room, and the service waits for room for the second. Each notes its number.
fn due_without_room(timers: &Timers, pool: &WorkPool, drops: &Drops) -> (Vec<Timer>, Arc<Mutex<Vec<usize>>>) {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let all = (0..5)
        .map(|number| {
            let (captured, ran) = (drops.capture(), Arc::clone(&ran));
            timers.after(Duration::ZERO, move || {
                let _captured = captured;
                ran.lock().unwrap().push(number);
            })
        })
        .collect();
    wait_until("all are due, and one has room", || timers.pending() == 0 && pool.queued() == 1);
    (all, ran)
}

#[test]
fn when_the_pool_has_no_room_timers_that_are_due_wait_for_it() {
    within(|| {
        let (pool, timers, go) = without_room();
        let drops = Drops::default();
        let turns = Arc::new(AtomicUsize::new(0));
        let (all, ran) = due_without_room(&timers, &pool, &drops);
        let periodic = timers.every(SHORT, {
            let turns = Arc::clone(&turns);
            move || {
                turns.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert!(!all.iter().any(Timer::is_finished));
        assert!(!all[0].join_for(SHORT));
        assert_eq!(drops.count(), 0);
        go.set();
        all.iter().for_each(Timer::join);
        assert_eq!(*ran.lock().unwrap(), [0, 1, 2, 3, 4], "not in the order of their deadlines");
        wait_until("the one with a period runs, and goes on", || turns.load(Ordering::Relaxed) >= 3);
        assert!(!periodic.is_finished());
        drop(timers);
        assert_eq!(drops.count(), 5);
    });
}

#[test]
fn timers_that_wait_for_room_can_be_cancelled() {
    within(|| {
        let (pool, timers, go) = without_room();
        let drops = Drops::default();
        let (all, ran) = due_without_room(&timers, &pool, &drops);
        for (done, timer) in all.iter().enumerate() {
            assert!(timer.cancel());
            assert!(timer.is_finished());
            assert_eq!(drops.count(), done + 1);
        }
        go.set();
        drop(timers);
        pool.close();
        pool.join().unwrap();
        assert_eq!(*ran.lock().unwrap(), []);
    });
}

#[test]
fn a_pool_without_room_that_is_terminated_cancels_the_timers_that_wait_for_it() {
    within(|| {
        let (pool, timers, go) = without_room();
        let drops = Drops::default();
        let (all, ran) = due_without_room(&timers, &pool, &drops);
        pool.terminate();
        all.iter().for_each(Timer::join);
        assert_eq!((drops.count(), ran.lock().unwrap().len()), (5, 0));
        go.set();
        assert!(timers.after(Duration::ZERO, || unreachable!()).join_for(LONG));
    });
}

#[test]
fn the_service_may_be_dropped_by_whom_it_waits_for_to_have_room() {
    within(|| {
        for looks in 0..100 {
            let pool = Arc::new(WorkPool::builder().workers(1).queue_bound(1).build().unwrap());
            let timers = Timers::builder().pool(Arc::clone(&pool)).build();
            let drops = Drops::default();
            let (timers_to_job, timers_in_job) = mpsc::channel::<Timers>();
            let job = pool.apply_async({
                let pool = Arc::clone(&pool);
                move || {
                    let timers = timers_in_job.recv().unwrap();
                    wait_until("one has room", || timers.pending() == 0 && pool.queued() == 1);
                    (0..looks).for_each(|_| thread::yield_now());
                    drop(timers);
                }
            });
            let all: Vec<Timer> = (0..3)
                .map(|_| {
                    let captured = drops.capture();
                    timers.after(Duration::ZERO, move || drop(captured))
                })
                .collect();
            timers_to_job.send(timers).unwrap();
            job.join().unwrap();
            all.iter().for_each(Timer::join);
            assert_eq!(drops.count(), 3);
        }
    });
}

#[test]
fn a_timer_that_waits_for_a_worker_can_be_cancelled() {
    within(|| {
        for periodic in [false, true] {
            let pool = Arc::new(WorkPool::new(1));
            let timers = Timers::builder().pool(Arc::clone(&pool)).build();
            let go = busy_pool(&pool);
            let drops = Drops::default();
            let runs = Arc::new(AtomicUsize::new(0));
            let f = {
                let (captured, runs) = (drops.capture(), Arc::clone(&runs));
                move || {
                    let _ = &captured;
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            };
            let timer = if periodic {
                timers.every(Duration::from_millis(1), f)
            } else {
                timers.after(Duration::ZERO, f)
            };
            wait_until("it is in the pool's queue", || pool.queued() == 1);
            let cancelled = timer.cancel();
            assert!(cancelled, "it has not begun");
            assert_eq!(drops.count(), 1);
            assert!(timer.is_finished());
            go.set();
            pool.close();
            pool.join().unwrap();
            assert_eq!(runs.load(Ordering::Relaxed), 0, "a run began after cancel");
        }
    });
}

#[test]
fn shutdown_cancels_a_timer_that_waits_for_a_worker() {
    within(|| {
        for periodic in [false, true] {
            let pool = Arc::new(WorkPool::new(1));
            let timers = Timers::builder().pool(Arc::clone(&pool)).build();
            let go = busy_pool(&pool);
            let runs = Arc::new(AtomicUsize::new(0));
            let f = {
                let runs = Arc::clone(&runs);
                move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            };
            let timer = if periodic {
                timers.every(Duration::from_millis(1), f)
            } else {
                timers.after(Duration::ZERO, f)
            };
            wait_until("it is in the pool's queue", || pool.queued() == 1);
            timers.shutdown();
            go.set();
            timer.join();
            assert_eq!(runs.load(Ordering::Relaxed), 0, "a run began after shutdown");
        }
    });
}

#[test]
fn a_pool_that_is_terminated_ends_the_timers_in_its_queue() {
    within(|| {
        let pool = Arc::new(WorkPool::new(1));
        let timers = Timers::builder().pool(Arc::clone(&pool)).build();
        let go = busy_pool(&pool);
        let drops = Drops::default();
        let all: Vec<Timer> = (0..20)
            .map(|index| {
                let captured = drops.capture();
                let f = move || {
                    let _ = &captured;
                    unreachable!();
                };
                if index % 2 == 0 {
                    timers.after(Duration::ZERO, f)
                } else {
                    timers.every(Duration::from_millis(1), f)
                }
            })
            .collect();
        wait_until("they are in the pool's queue", || pool.queued() == 20);
        pool.terminate();
        all.iter().for_each(Timer::join);
        assert_eq!(drops.count(), 20);
        go.set();
    });
}

/// The pool ends in one of its own workers, or in the service's thread.
#[test]
fn a_service_may_be_the_last_who_has_its_pool() {
    within(|| {
        for round in 0..30 {
            let timers = Timers::builder().pool(Arc::new(WorkPool::new(2))).build();
            let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
            let drops = Drops::default();
            let captured = drops.capture();
            let timer = timers.after(Duration::ZERO, {
                let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
                move || {
                    let _captured = captured;
                    begun.set();
                    go.wait();
                }
            });
            begun.wait();
            if round % 2 == 0 {
                drop(timers);
                drop(timer);
                go.set();
            } else {
                go.set();
                drop(timer);
                drop(timers);
            }
            wait_until("it has run", || drops.count() == 1);
        }
    });
}

#[test]
fn timers_may_be_dropped_by_their_own_function_in_a_pool() {
    within(|| {
        for _ in 0..20 {
            let pool = Arc::new(WorkPool::new(2));
            let timers = Arc::new(Mutex::new(Some(Timers::builder().pool(Arc::clone(&pool)).build())));
            let drops = Drops::default();
            let captured = drops.capture();
            let timer = {
                let taken = Arc::clone(&timers);
                timers.lock().unwrap().as_ref().unwrap().after(Duration::from_millis(1), move || {
                    drop(taken.lock().unwrap().take());
                    drop(captured);
                })
            };
            timer.join();
            assert_eq!(drops.count(), 1);
        }
    });
}

// Services

#[test]
fn shutdown_cancels_what_is_pending_and_lets_go_who_joins() {
    within(|| {
        let timers = Timers::new();
        let drops = Drops::default();
        let all: Vec<Timer> = (0..200)
            .map(|index| {
                let captured = drops.capture();
                let f = move || {
                    let _ = &captured;
                    unreachable!();
                };
                match index % 4 {
                    0 => timers.every(HOUR + Duration::from_millis(index), f),
                    1 => timers.after(HOUR * index as u32, f),
                    2 => timers.after(Duration::from_secs(index), f),
                    _ => {
                        let timer = timers.timer(HOUR, f);
                        timer.start().unwrap();
                        timer
                    }
                }
            })
            .collect();
        assert_eq!(timers.pending(), 200);
        assert!(!timers.is_shut_down());
        let waiting = AtomicUsize::new(0);
        thread::scope(|s| {
            for index in 0..4 {
                let (all, waiting) = (&all, &waiting);
                s.spawn(move || {
                    waiting.fetch_add(1, Ordering::Relaxed);
                    all[index].join();
                    assert!(all[index].is_finished());
                });
            }
            wait_until("all are near", || waiting.load(Ordering::Relaxed) == 4);
            thread::sleep(SHORT);
            timers.shutdown();
            assert_eq!(drops.count(), 200);
            assert!(all.iter().all(Timer::is_finished));
        });
        assert!(timers.is_shut_down());
        assert_eq!(timers.pending(), 0);
        assert!(all.iter().all(|timer| !timer.cancel()));
        timers.shutdown();
    });
}

#[test]
fn after_shutdown_no_timer_is_taken() {
    within(|| {
        for was_used in [false, true] {
            let timers = Timers::new();
            if was_used {
                timers.after(Duration::ZERO, || {}).join();
            }
            let drops = Drops::default();
            let capturing = || {
                let captured = drops.capture();
                move || {
                    let _ = &captured;
                    unreachable!();
                }
            };
            let unstarted = timers.timer(Duration::ZERO, capturing());
            timers.shutdown();
            assert!(!unstarted.is_finished(), "it was not pending");
            assert_eq!(unstarted.start(), Err(TimerStartError::ShutDown));
            assert!(unstarted.is_finished(), "it is cancelled");
            unstarted.join();
            assert_eq!(drops.count(), 1);
            assert!(unstarted.start().is_err());
            for delay in [Duration::ZERO, HOUR, Duration::MAX] {
                let timer = timers.after(delay, capturing());
                assert!(timer.is_finished());
                assert!(!timer.cancel());
                timer.join();
            }
            let timer = timers.every(Duration::from_nanos(1), capturing());
            assert!(timer.is_finished());
            assert_eq!(drops.count(), 5);
            assert_eq!(timers.timer(HOUR, || {}).start(), Err(TimerStartError::ShutDown));
            assert_eq!(timers.pending(), 0);
        }
    });
}

#[test]
fn shutdown_does_not_wait_for_a_function_that_runs() {
    within(|| {
        let timers = Timers::new();
        let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let runs = Arc::new(AtomicUsize::new(0));
        let timer = timers.every(Duration::from_millis(1), {
            let (begun, go, runs) = (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&runs));
            move || {
                begun.set();
                go.wait();
                runs.fetch_add(1, Ordering::Relaxed);
            }
        });
        begun.wait();
        timers.shutdown();
        assert!(!timer.is_finished());
        go.set();
        timer.join();
        assert_eq!(runs.load(Ordering::Relaxed), 1, "that run was the last");
        drop(timers);
    });
}

/// They were due, too, and perhaps taken out of the wheel together with the one that runs.
#[test]
fn shutdown_cancels_also_those_that_are_behind_a_function_that_runs() {
    within(|| {
        let timers = Timers::new();
        let held = Held::in_service(&timers);
        let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let first = timers.after(Duration::ZERO, {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            move || {
                begun.set();
                go.wait();
            }
        });
        let all: Vec<Timer> = (0..100).map(|_| timers.after(Duration::ZERO, || unreachable!())).collect();
        held.let_go();
        begun.wait();
        timers.shutdown();
        let finished = all.iter().filter(|timer| timer.is_finished()).count();
        go.set();
        first.join();
        all.iter().for_each(Timer::join);
        assert_eq!(finished, 100, "so many were cancelled when shutdown returned");
    });
}

#[test]
fn a_function_may_shut_its_service_down() {
    within(|| {
        let timers = Arc::new(Timers::new());
        let drops = Drops::default();
        let captured = drops.capture();
        let late = timers.after(HOUR, move || drop(captured));
        let timer = timers.after(Duration::ZERO, {
            let timers = Arc::clone(&timers);
            move || {
                timers.shutdown();
                late.join();
                assert!(timers.is_shut_down());
            }
        });
        timer.join();
        assert_eq!(drops.count(), 1);
        assert!(timers.after(Duration::ZERO, || unreachable!()).is_finished());
    });
}

#[test]
fn dropping_the_service_waits_for_its_thread() {
    struct Ends(Arc<AtomicBool>);

    impl Drop for Ends {
        fn drop(&mut self) {
            thread::sleep(SHORT);
            self.0.store(true, Ordering::Relaxed);
        }
    }

    thread_local! {
        static ENDS: RefCell<Option<Ends>> = const { RefCell::new(None) };
    }

    within(|| {
        let (returned, has_ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let timers = Timers::new();
        let begun = Arc::new(Event::new());
        let timer = timers.after(Duration::ZERO, {
            let (begun, returned, has_ended) =
                (Arc::clone(&begun), Arc::clone(&returned), Arc::clone(&has_ended));
            move || {
                ENDS.with(|ends| *ends.borrow_mut() = Some(Ends(has_ended)));
                begun.set();
                thread::sleep(SHORT);
                returned.store(true, Ordering::Relaxed);
            }
        });
        begun.wait();
        drop(timers);
        assert!(returned.load(Ordering::Relaxed), "the function has returned");
        assert!(has_ended.load(Ordering::Relaxed), "and the thread has ended");
        assert!(timer.is_finished());
        // And where there never was one.
        drop(Timers::new());
        drop(Timers::default());
    });
}

#[test]
fn a_function_may_drop_its_own_service() {
    within(|| {
        for keeps_handle in [false, true] {
            let timers = Arc::new(Mutex::new(Some(Timers::new())));
            let drops = Drops::default();
            let (late, timer) = {
                let guard = timers.lock().unwrap();
                let service = guard.as_ref().unwrap();
                let captured = drops.capture();
                let late = service.after(HOUR, move || drop(captured));
                let (taken, captured) = (Arc::clone(&timers), drops.capture());
                let timer = service.after(Duration::from_millis(1), move || {
                    let service = taken.lock().unwrap().take();
                    drop(service);
                    drop(captured);
                });
                (late, timer)
            };
            if keeps_handle {
                timer.join();
                late.join();
            } else {
                drop((late, timer));
            }
            wait_until("it has run", || drops.count() == 2);
            assert!(timers.lock().unwrap().is_none());
        }
    });
}

#[test]
fn handles_outlive_their_service() {
    within(|| {
        let timers = Timers::new();
        let ended = timers.after(Duration::ZERO, || {});
        ended.join();
        let pending = timers.after(HOUR, || {});
        let unstarted = timers.timer(HOUR, || {});
        let dropped_later = timers.timer(HOUR, || {});
        drop(timers);
        for timer in [&ended, &pending] {
            assert!(timer.is_finished());
            timer.join();
            assert!(!timer.cancel());
        }
        assert_eq!(unstarted.start(), Err(TimerStartError::ShutDown));
        unstarted.join();
        drop(dropped_later);
    });
}

#[test]
fn services_are_apart_from_each_other() {
    within(|| {
        let (one, two) = (Timers::new(), Timers::new());
        let held = Held::in_service(&one);
        let thread_of = |timers: &Timers| {
            let id = Arc::new(OnceLock::new());
            let timer = timers.after(Duration::ZERO, {
                let id = Arc::clone(&id);
                move || id.set(thread::current().id()).unwrap()
            });
            (timer, id)
        };
        let (timer, id_of_two) = thread_of(&two);
        assert!(timer.join_for(LONG), "held up by another service");
        assert!(Timer::after(Duration::from_millis(1), || {}).join_for(LONG));
        held.let_go();
        let (timer, id_of_one) = thread_of(&one);
        timer.join();
        let ids: [ThreadId; 2] = [&id_of_one, &id_of_two].map(|id| *id.get().unwrap());
        assert_ne!(ids[0], ids[1]);
        let late = two.after(HOUR, || {});
        one.shutdown();
        assert!(!late.is_finished());
        assert!(!two.is_shut_down());
        two.after(Duration::ZERO, || {}).join();
    });
}

#[test]
fn all_functions_of_a_service_run_in_one_thread_with_its_name() {
    within(|| {
        let named = Timers::builder().name("reminders").build();
        let plain = Timers::new();
        let plain = (Some(plain), "raddle-timers");
        for (timers, name) in [(None, "raddle-timers"), plain, (Some(named), "reminders")] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let all: Vec<Timer> = (0..20)
                .map(|index| {
                    let seen = Arc::clone(&seen);
                    after(&timers, Duration::from_micros(100 * index), move || {
                        let thread = thread::current();
                        seen.lock().unwrap().push((thread.id(), thread.name().map(str::to_owned)));
                    })
                })
                .collect();
            all.iter().for_each(Timer::join);
            let seen = seen.lock().unwrap();
            assert!(seen.iter().all(|one| *one == seen[0]));
            assert_eq!(seen[0].1.as_deref(), Some(name));
        }
    });
}

#[test]
fn a_name_with_a_nul_in_it_panics() {
    let text = panic_message(|| Timers::builder().name("a\0b").build());
    assert!(text.starts_with("TimersBuilder::name("), "{text}");
}

#[test]
fn pending_counts_those_that_were_started_and_have_not_begun() {
    within(|| {
        let timers = Timers::new();
        assert_eq!(timers.pending(), 0);
        let unstarted = timers.timer(HOUR, || {});
        assert_eq!(timers.pending(), 0);
        let all: Vec<Timer> = (1..=100).map(|index| timers.after(HOUR * index, || {})).collect();
        unstarted.start().unwrap();
        assert_eq!(timers.pending(), 101);
        for (index, timer) in all.iter().enumerate() {
            assert!(timer.cancel());
            assert_eq!(timers.pending(), 100 - index);
        }
        timers.after(Duration::ZERO, || {}).join();
        assert_eq!(timers.pending(), 1);
        timers.shutdown();
        assert_eq!(timers.pending(), 0);
    });
}

// Handles

#[test]
fn functions_of_any_size_and_alignment_are_kept_well() {
    #[repr(align(128))]
    #[derive(Clone, Copy)]
    struct Wide([u8; 200]);

    fn check(wide: &Wide) {
        assert!((&raw const *wide).is_aligned());
        assert!(wide.0.iter().all(|byte| *byte == 9));
    }

    fn nothing() {}

    within(|| {
        let heard = Heard::default();
        let timers = heard.timers();
        let wide = Wide([9; 200]);
        timers.after(Duration::ZERO, move || check(&wide)).join();
        timers.after(Duration::ZERO, nothing).join();
        let big = [3_u8; 20_000];
        timers.after(Duration::ZERO, move || assert!(big.iter().all(|byte| *byte == 3))).join();
        let runs = Arc::new(AtomicUsize::new(0));
        let timer = timers.every(Duration::from_micros(200), {
            let runs = Arc::clone(&runs);
            let mut wide = wide;
            move || {
                check(&wide);
                wide = Wide([9; 200]);
                runs.fetch_add(1, Ordering::Relaxed);
            }
        });
        wait_until("it runs", || runs.load(Ordering::Relaxed) >= 3);
        timer.cancel();
        drop(timer);
        assert!(timers.after(HOUR, move || check(&wide)).cancel());
        drop(timers.timer(HOUR, move || check(&wide)));
        drop(timers);
        assert_eq!(heard.all(), [""; 0]);
    });
}

#[test]
fn a_handle_may_be_dropped_at_any_moment() {
    within(|| {
        let timers = Timers::new();
        let (drops, runs) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
        let mut random = Random::new(4);
        for _ in 0..2_000 {
            let (captured, runs) = (drops.capture(), Arc::clone(&runs));
            let timer = timers.after(random.micros(40), move || {
                let _captured = captured;
                runs.fetch_add(1, Ordering::Relaxed);
            });
            common::work(random.micros(60));
            drop(timer);
        }
        wait_until("all have run", || drops.count() == 2_000);
        assert_eq!(runs.load(Ordering::Relaxed), 2_000);
    });
}

#[test]
fn debug_says_how_far_it_is() {
    within(|| {
        let timers = Timers::new();
        let timer = timers.timer(HOUR, || {});
        assert_eq!(format!("{timer:?}"), "Timer { is_started: false, is_finished: false }");
        timer.start().unwrap();
        assert_eq!(format!("{timer:?}"), "Timer { is_started: true, is_finished: false }");
        timer.cancel();
        assert_eq!(format!("{timer:?}"), "Timer { is_started: true, is_finished: true }");
        assert_eq!(format!("{timers:?}"), "Timers { is_shut_down: false, .. }");
        timers.shutdown();
        assert_eq!(format!("{timers:?}"), "Timers { is_shut_down: true, .. }");
        let builder = Timers::builder().name("x");
        assert_eq!(format!("{builder:?}"), "TimersBuilder { name: \"x\", .. }");
    });
}

#[test]
fn a_function_that_panics_while_what_it_captured_is_alive_drops_it_once() {
    within(|| {
        let drops = Drops::default();
        let captured = drops.capture();
        let timers = Timers::new();
        timers
            .after(Duration::ZERO, move || {
                let _captured = captured;
                fail("with it in hand");
            })
            .join();
        assert_eq!(drops.count(), 1);
        assert!(
            catch_unwind(AssertUnwindSafe(|| timers.after(Duration::ZERO, || fail("alone")).join())).is_ok()
        );
    });
}
