//! What is done with every pool, and what of it is timed: never a pool's start or end.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::Work;

pub type Job = Box<dyn FnOnce() + Send>;

/// Has one job on each worker at the same time, so that all of them have started. Some pools start them late.
pub fn warm_up(workers: usize, spawn: impl Fn(Job)) {
    let barrier = Arc::new(Barrier::new(workers + 1));
    for _ in 0..workers {
        let barrier = Arc::clone(&barrier);
        spawn(Box::new(move || {
            barrier.wait();
        }));
    }
    barrier.wait();
}

/// Counts jobs that have run. The last one notes the time and wakes whoever waits.
pub struct Countdown {
    left: CachePadded<AtomicU64>,
    ended: OnceLock<Instant>,
    waiter: Thread,
}

impl Countdown {
    /// The calling thread is the one that will wait.
    #[must_use]
    pub fn new(jobs: u64) -> Countdown {
        Countdown {
            left: CachePadded::new(AtomicU64::new(jobs)),
            ended: OnceLock::new(),
            waiter: thread::current(),
        }
    }

    /// All that a job does.
    #[inline]
    pub fn count(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.ended.set(Instant::now()).expect("one job is the last");
            self.waiter.unpark();
        }
    }

    /// When the last one ran.
    pub fn wait(&self) -> Instant {
        loop {
            match self.ended.get() {
                Some(ended) => return *ended,
                None => thread::park(),
            }
        }
    }
}

/// `jobs` empty jobs in even shares from so many threads, from the first thread that began until the last job has run.
pub fn submissions(submitters: u64, jobs: u64, spawn: impl Fn(&'static Countdown) + Sync) -> Duration {
    let share = jobs / submitters;
    assert_eq!(share * submitters, jobs, "the shares must be even");
    // Leaked, so that a job has a plain reference: a counted one would cost more than some pools do.
    let countdown: &'static Countdown = Box::leak(Box::new(Countdown::new(jobs)));
    let barrier = Barrier::new(usize::try_from(submitters).expect("a few threads"));
    let submit = || {
        barrier.wait();
        let from = Instant::now();
        for _ in 0..share {
            spawn(countdown);
        }
        from
    };
    let began = thread::scope(|s| {
        let submitters: Vec<_> = (0..submitters).map(|_| s.spawn(submit)).collect();
        submitters.into_iter().map(|submitter| submitter.join().expect("a submitter panicked")).min()
    });
    countdown.wait() - began.expect("there are submitters")
}

/// One job after the other; `call` waits for its result.
pub fn round_trips(trips: u64, mut call: impl FnMut(u64) -> u64) -> Duration {
    let from = Instant::now();
    let mut sum = 0;
    for key in 0..trips {
        sum += call(black_box(key));
    }
    let took = from.elapsed();
    assert_eq!(sum, trips * trips.saturating_sub(1) / 2, "a result is wrong");
    took
}

/// `items` in all, `length` at a time. Input is made, and output looked at, outside the time; so is a first map, for which the
/// allocator asks the system for memory.
pub fn maps(length: u64, items: u64, work: impl Work, map: impl Fn(Vec<u64>) -> Vec<u64>) -> Duration {
    let one = || {
        let input: Vec<u64> = (0..length).collect();
        let from = Instant::now();
        let output = map(black_box(input));
        let took = from.elapsed();
        assert!(output.len() as u64 == length, "there are {} results", output.len());
        assert!(output.iter().zip(0..).all(|(result, item)| *result == work(item)), "a result is wrong");
        took
    };
    one();
    (0..items / length).map(|_| one()).sum()
}

/// Which Fibonacci number is computed...
pub const N: u64 = 25;
/// ...in so many forks: one for each call above 1.
pub const FORKS: u64 = 121_392;

/// `fib` computes the number once.
pub fn fibs(forks: u64, mut fib: impl FnMut(u64) -> u64) -> Duration {
    let from = Instant::now();
    for _ in 0..forks / FORKS {
        assert_eq!(fib(black_box(N)), 75_025, "the result is wrong");
    }
    from.elapsed()
}

/// For the very slow: does no more than `most` units, and answers for all of them.
pub fn at_most(most: u64, units: u64, sample: impl Fn(u64) -> Duration) -> Duration {
    let done = units.min(most);
    sample(done).mul_f64(units as f64 / done as f64)
}
