//! Timers under many threads at once: each function is run at most once, dropped once, and never both run and cancelled.

#![cfg(not(feature = "loom"))]

mod common;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, wait_until, within};
use raddle::{Lock, Timer, TimerStartError, Timers, WorkPool};

/// What has become of each function.
struct Ledger(Vec<Account>);

#[derive(Default)]
struct Account {
    runs: AtomicU8,
    drops: AtomicU8,
    cancels: AtomicU8,
    early: AtomicBool,
}

impl Ledger {
    fn new(functions: usize) -> Arc<Ledger> {
        Arc::new(Ledger((0..functions).map(|_| Account::default()).collect()))
    }

    /// One to be put into a function.
    fn entry(self: &Arc<Ledger>, index: usize) -> Entry {
        Entry { ledger: Arc::clone(self), index, due: None, _heap: Box::new(index) }
    }

    fn cancelled(&self, index: usize) {
        let account = &self.0[index];
        account.cancels.fetch_add(1, Ordering::Relaxed);
        assert_eq!(account.drops.load(Ordering::Relaxed), 1, "dropped when cancel returns");
        assert_eq!(account.runs.load(Ordering::Relaxed), 0);
    }

    fn all_dropped(&self) {
        wait_until("all are dropped", || self.0.iter().all(|one| one.drops.load(Ordering::Relaxed) > 0));
    }

    /// At the end. With a shutdown a function may have been dropped without anybody having cancelled it.
    fn check(&self, with_shutdown: bool) -> (usize, usize) {
        let (mut ran, mut cancelled) = (0, 0);
        for (index, account) in self.0.iter().enumerate() {
            let of = |counter: &AtomicU8| usize::from(counter.load(Ordering::Relaxed));
            let (runs, cancels) = (of(&account.runs), of(&account.cancels));
            assert_eq!(of(&account.drops), 1, "function {index}");
            assert!(!account.early.load(Ordering::Relaxed), "function {index} was early");
            assert!(runs + cancels <= 1, "function {index}: run {runs} times, cancelled {cancels} times");
            assert!(with_shutdown || runs + cancels == 1, "function {index} is lost");
            ran += runs;
            cancelled += cancels;
        }
        (ran, cancelled)
    }
}

struct Entry {
    ledger: Arc<Ledger>,
    index: usize,
    due: Option<Instant>,
    /// So that a tool that watches memory sees one that is dropped twice.
    _heap: Box<usize>,
}

impl Entry {
    fn due_after(mut self, delay: Duration) -> Entry {
        self.due = Some(Instant::now() + delay);
        self
    }

    fn account(&self) -> &Account {
        &self.ledger.0[self.index]
    }

    fn run(&self) {
        if self.due.is_some_and(|due| Instant::now() < due) {
            self.account().early.store(true, Ordering::Relaxed);
        }
        self.account().runs.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.account().drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// Without and with a pool.
fn services() -> [Timers; 2] {
    [Timers::new(), Timers::builder().pool(Arc::new(WorkPool::new(2))).build()]
}

#[test]
fn eight_threads_insert_and_cancel_at_random_beside_the_firing() {
    const THREADS: usize = 8;
    const EACH: usize = 4_000;

    within(|| {
        for timers in services() {
            let ledger = Ledger::new(THREADS * EACH);
            thread::scope(|s| {
                for number in 0..THREADS {
                    let (timers, ledger) = (&timers, &ledger);
                    s.spawn(move || {
                        let mut random = Random::new(number as u64 + 1);
                        let mut held = VecDeque::new();
                        for index in number * EACH..(number + 1) * EACH {
                            let delay = match random.below(8) {
                                0 => Duration::ZERO,
                                1 | 2 => random.micros(100),
                                3 | 4 => random.micros(1_000),
                                5 => random.micros(20_000),
                                // These are cancelled.
                                6 => LONG * 100,
                                _ => Duration::MAX,
                            };
                            let entry = ledger.entry(index).due_after(delay.min(LONG));
                            let timer = timers.after(delay, move || entry.run());
                            held.push_back((index, delay, timer));
                            if held.len() > 30 {
                                let place = random.below(30) as usize;
                                let (index, delay, timer) = held.swap_remove_back(place).unwrap();
                                settle(ledger, index, delay, timer, random.below(3));
                            }
                        }
                        for (index, delay, timer) in held {
                            settle(ledger, index, delay, timer, 0);
                        }
                    });
                }
            });
            ledger.all_dropped();
            let (ran, cancelled) = ledger.check(false);
            println!("ran {ran}, cancelled {cancelled}");
            wait_until("nothing is pending", || timers.pending() == 0);
        }
    });

    fn settle(ledger: &Ledger, index: usize, delay: Duration, timer: Timer, how: u64) {
        match how {
            _ if delay > LONG => {
                assert!(timer.cancel(), "it is far ahead");
                ledger.cancelled(index);
            }
            0 => {
                if timer.cancel() {
                    ledger.cancelled(index);
                } else {
                    timer.join();
                }
                assert!(timer.is_finished());
            }
            1 => timer.join(),
            // It goes on.
            _ => drop(timer),
        }
    }
}

#[test]
fn cancel_and_fire_at_the_same_moment_are_never_both_and_never_neither() {
    const ROUNDS: usize = 150;
    const TIMERS: usize = 20;

    within(|| {
        for timers in services() {
            let ledger = Ledger::new(ROUNDS * TIMERS);
            let mut random = Random::new(2);
            for round in 0..ROUNDS {
                let all: Vec<(usize, Timer)> = (round * TIMERS..(round + 1) * TIMERS)
                    .map(|index| {
                        let entry = ledger.entry(index);
                        (index, timers.after(random.micros(150), move || entry.run()))
                    })
                    .collect();
                // Two who cancel each.
                thread::scope(|s| {
                    for _ in 0..2 {
                        s.spawn(|| {
                            for (index, timer) in &all {
                                if timer.cancel() {
                                    ledger.cancelled(*index);
                                }
                            }
                        });
                    }
                });
                all.iter().for_each(|(_, timer)| timer.join());
            }
            let (ran, cancelled) = ledger.check(false);
            println!("ran {ran}, cancelled {cancelled}");
        }
    });
}

#[test]
fn timers_with_periods_are_cancelled_at_random_and_never_run_after_that() {
    within(|| {
        for timers in services() {
            thread::scope(|s| {
                for number in 0..4 {
                    let timers = &timers;
                    s.spawn(move || {
                        let mut random = Random::new(number + 10);
                        for _ in 0..120 {
                            let drops = Arc::new(AtomicUsize::new(0));
                            let runs = Arc::new(AtomicUsize::new(0));
                            let captured = OnDrop(Arc::clone(&drops));
                            let timer = timers.every(Duration::from_micros(1 + random.below(200)), {
                                let runs = Arc::clone(&runs);
                                move || {
                                    let _ = &captured;
                                    runs.fetch_add(1, Ordering::Relaxed);
                                }
                            });
                            common::work(random.micros(400));
                            if !timer.cancel() {
                                // It ran just then, and this was the last run.
                                timer.join();
                            }
                            let runs_then = runs.load(Ordering::Relaxed);
                            assert_eq!(drops.load(Ordering::Relaxed), 1);
                            assert!(timer.is_finished());
                            assert!(!timer.cancel());
                            common::work(random.micros(100));
                            assert_eq!(runs.load(Ordering::Relaxed), runs_then);
                        }
                    });
                }
            });
            assert_eq!(timers.pending(), 0);
        }
    });
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn shutdown_in_the_midst_of_it_loses_nothing() {
    const THREADS: usize = 3;
    const EACH: usize = 60;

    within(|| {
        for round in 0..80 {
            for timers in services() {
                let ledger = Ledger::new(THREADS * EACH);
                let near = AtomicUsize::new(0);
                thread::scope(|s| {
                    for number in 0..THREADS {
                        let (timers, ledger, near) = (&timers, &ledger, &near);
                        s.spawn(move || {
                            let mut random = Random::new(round * 8 + number as u64);
                            let mut all = Vec::new();
                            for index in number * EACH..(number + 1) * EACH {
                                near.fetch_add(1, Ordering::Relaxed);
                                let entry = ledger.entry(index);
                                let f = move || entry.run();
                                let delay = if index % 3 == 0 { LONG } else { random.micros(100) };
                                match index % 4 {
                                    0 => all.push(timers.after(delay, f)),
                                    1 => drop(timers.after(delay, f)),
                                    2 => {
                                        let timer = timers.timer(delay, f);
                                        match timer.start() {
                                            Ok(()) => {}
                                            Err(error) => {
                                                assert_eq!(error, TimerStartError::ShutDown);
                                                assert!(timers.is_shut_down());
                                                assert!(timer.is_finished());
                                            }
                                        }
                                        all.push(timer);
                                    }
                                    _ => {
                                        let timer = timers.after(delay, f);
                                        if timer.cancel() {
                                            ledger.cancelled(index);
                                        }
                                        all.push(timer);
                                    }
                                }
                            }
                            // Whoever joins is let go by the shutdown, if by nothing else.
                            all.iter().for_each(Timer::join);
                        });
                    }
                    let most = THREADS * EACH;
                    wait_until("they are at it", || {
                        near.load(Ordering::Relaxed) >= round as usize * most / 80
                    });
                    timers.shutdown();
                });
                assert_eq!(timers.pending(), 0);
                drop(timers);
                ledger.all_dropped();
                ledger.check(true);
            }
        }
    });
}

#[test]
fn services_come_and_go() {
    within(|| {
        thread::scope(|s| {
            for number in 0..3 {
                s.spawn(move || {
                    let mut random = Random::new(number);
                    for round in 0..150 {
                        let timers = Timers::new();
                        let drops = Arc::new(AtomicUsize::new(0));
                        let timer = |delay| {
                            let captured = OnDrop(Arc::clone(&drops));
                            timers.after(delay, move || drop(captured))
                        };
                        let (soon, late) = (timer(random.micros(50)), timer(LONG));
                        if round % 2 == 0 {
                            soon.join();
                        }
                        common::work(random.micros(60));
                        drop(timers);
                        assert_eq!(drops.load(Ordering::Relaxed), 2);
                        assert!(soon.is_finished() && late.is_finished());
                    }
                });
            }
        });
    });
}

/// A timer that is cancelled on its way into the service does not stay there until its deadline.
#[test]
fn start_and_cancel_at_the_same_moment_leave_nothing_pending() {
    const ROUNDS: usize = 4_000;

    within(|| {
        let timers = Timers::new();
        let ledger = Ledger::new(ROUNDS);
        // The timer of the round; and how many of the two are done with it.
        let (current, turn, done) = (Lock::new(None::<Arc<Timer>>), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|s| {
            s.spawn(|| {
                let mut random = Random::new(3);
                for round in 1..=ROUNDS {
                    wait_until("the next round", || turn.load(Ordering::Acquire) == round);
                    let timer = current.lock().clone().unwrap();
                    // Now and then it comes before the start.
                    common::work(Duration::from_nanos(random.below(2_000)));
                    assert!(timer.cancel());
                    ledger.cancelled(round - 1);
                    done.fetch_add(1, Ordering::Release);
                }
            });
            for round in 1..=ROUNDS {
                let entry = ledger.entry(round - 1);
                let timer = Arc::new(timers.timer(LONG * 100, move || entry.run()));
                *current.lock() = Some(Arc::clone(&timer));
                turn.store(round, Ordering::Release);
                let mut random = Random::new(round as u64);
                common::work(Duration::from_nanos(random.below(2_000)));
                let started = timer.start();
                assert!(matches!(started, Ok(()) | Err(TimerStartError::Cancelled)));
                wait_until("it is cancelled", || done.load(Ordering::Acquire) == round);
                timer.join();
            }
        });
        assert_eq!(timers.pending(), 0, "they stay, cancelled");
        ledger.check(false);
    });
}

/// A pool that closes while timers are on their way into it.
#[test]
fn a_pool_that_ends_in_the_midst_of_it_loses_nothing() {
    const TIMERS: usize = 100;

    within(|| {
        for round in 0..60 {
            let pool = Arc::new(WorkPool::new(1));
            let timers = Timers::builder().pool(Arc::clone(&pool)).build();
            let ledger = Ledger::new(TIMERS);
            let mut random = Random::new(round);
            let all: Vec<Timer> = (0..TIMERS)
                .map(|index| {
                    let entry = ledger.entry(index);
                    timers.after(random.micros(300), move || entry.run())
                })
                .collect();
            let periodic = timers.every(Duration::from_micros(20), || {});
            common::work(random.micros(200));
            if round % 2 == 0 {
                pool.close();
            } else {
                pool.terminate();
            }
            all.iter().for_each(Timer::join);
            periodic.join();
            ledger.check(true);
        }
    });
}

#[test]
fn timers_that_start_and_cancel_each_other_from_within() {
    within(|| {
        for timers in services() {
            let timers = Arc::new(timers);
            let left = Arc::new(AtomicUsize::new(6_000));
            let alive = Arc::new(AtomicUsize::new(0));

            struct Alive(Arc<AtomicUsize>);

            impl Drop for Alive {
                fn drop(&mut self) {
                    self.0.fetch_sub(1, Ordering::Relaxed);
                }
            }

            fn spawn(
                timers: &Arc<Timers>,
                left: &Arc<AtomicUsize>,
                alive: &Arc<AtomicUsize>,
                seed: u64,
            ) -> Timer {
                alive.fetch_add(1, Ordering::Relaxed);
                let is_alive = Alive(Arc::clone(alive));
                let mut random = Random::new(seed);
                let delay = random.micros(200);
                // It may be dropped by its own function, at the end of the service.
                let (weak, left) = (Arc::downgrade(timers), Arc::clone(left));
                timers.after(delay, move || {
                    let alive = Arc::clone(&is_alive.0);
                    let Some(timers) = weak.upgrade() else { return };
                    let before =
                        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(2));
                    if before.is_ok() {
                        let one = spawn(&timers, &left, &alive, random.next());
                        let two = spawn(&timers, &left, &alive, random.next());
                        // So that the number of them stays about the same.
                        if random.below(2) == 0 {
                            one.cancel();
                        } else if random.below(8) > 0 {
                            two.cancel();
                        }
                    }
                })
            }

            for seed in 0..16 {
                drop(spawn(&timers, &left, &alive, seed));
            }
            // Whether they die out by chance, or come to their end.
            wait_until("all have gone", || alive.load(Ordering::Relaxed) == 0);
            println!("{} left", left.load(Ordering::Relaxed));
            assert_eq!(timers.pending(), 0);
        }
    });
}
