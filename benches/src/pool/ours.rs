//! raddle's contenders. The first of each workload is the one that stands for raddle.

use std::any::Any;
use std::sync::Arc;

use raddle::WorkPool;

use super::Work;
use super::measure::{fibs, maps, round_trips, submissions, warm_up};
use crate::harness::Contender;

#[must_use]
pub fn open(workers: usize) -> WorkPool {
    let pool = WorkPool::new(workers);
    warm_up(workers, |job| pool.spawn(job));
    pool
}

#[must_use]
pub fn open_any(workers: usize) -> Box<dyn Any> {
    Box::new(open(workers))
}

#[must_use]
pub fn submit(workers: usize, submitters: u64) -> Vec<Contender> {
    vec![
        Contender::new("raddle", move |jobs| {
            let pool = open(workers);
            submissions(submitters, jobs, |countdown| pool.spawn(|| countdown.count()))
        }),
        Contender::new("raddle apply_async", move |jobs| {
            let pool = open(workers);
            submissions(submitters, jobs, |countdown| drop(pool.apply_async(|| countdown.count())))
        }),
    ]
}

#[must_use]
pub fn round_trip(workers: usize) -> Vec<Contender> {
    vec![
        Contender::new("raddle", move |trips| {
            let pool = open(workers);
            round_trips(trips, |key| pool.apply_async(move || key).join().unwrap())
        }),
        Contender::new("raddle apply", move |trips| {
            let pool = open(workers);
            round_trips(trips, |key| pool.apply(|| key))
        }),
    ]
}

#[must_use]
pub fn map(workers: usize, length: u64, work: impl Work) -> Vec<Contender> {
    vec![Contender::new("raddle", move |items| {
        let pool = open(workers);
        maps(length, items, work, |input| pool.map(input, work))
    })]
}

#[must_use]
pub fn fib(workers: usize) -> Vec<Contender> {
    vec![
        Contender::new("raddle", move |forks| {
            let pool = open(workers);
            fibs(forks, |n| pool.apply(|| fib_both(&pool, n)))
        }),
        Contender::new("raddle scope", move |forks| {
            let pool = open(workers);
            fibs(forks, |n| pool.apply(|| fib_scope(&pool, n)))
        }),
        Contender::new("raddle apply_async", move |forks| {
            let pool = Arc::new(open(workers));
            fibs(forks, |n| pool.apply(|| fib_apply_async(&pool, n)))
        }),
    ]
}

fn fib_both(pool: &WorkPool, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = pool.both(|| fib_both(pool, n - 1), || fib_both(pool, n - 2));
    a + b
}

fn fib_scope(pool: &WorkPool, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (mut a, mut b) = (0, 0);
    pool.scope(|s| {
        s.spawn(|| a = fib_scope(pool, n - 1));
        b = fib_scope(pool, n - 2);
    });
    a + b
}

fn fib_apply_async(pool: &Arc<WorkPool>, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let shared = Arc::clone(pool);
    let a = pool.apply_async(move || fib_apply_async(&shared, n - 1));
    let b = fib_apply_async(pool, n - 2);
    a.join().unwrap() + b
}
