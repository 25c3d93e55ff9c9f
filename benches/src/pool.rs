//! The workloads of the pool.

pub mod measure;
pub mod ours;
pub mod peers;

use std::thread;

use crate::harness::{Contender, Workload, one_of};
use measure::FORKS;

/// What a job of a `map` does with its item.
pub trait Work: Fn(u64) -> u64 + Copy + Send + Sync + 'static {}

impl<F: Fn(u64) -> u64 + Copy + Send + Sync + 'static> Work for F {}

/// All workloads of the pool. Every pool has as many workers as there are processors.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    vec![
        submit(workers, 1),
        submit(workers, 4),
        workload(
            "round-trip",
            ("round trip", 1, "one job, until its result is there"),
            ours::round_trip(workers),
            peers::round_trip(workers),
        ),
        map("light", workers, 1_000_000, light),
        map("heavy", workers, 3_000, heavy),
        workload(
            "fib/25",
            ("fork", FORKS, "one call of a recursive function that leaves half of its work to others"),
            ours::fib(workers),
            peers::fib(workers),
        ),
    ]
}

fn submit(workers: usize, submitters: u64) -> Workload {
    let about = format!("one empty job from {}, until it has run", one_of(submitters, "thread"));
    let (ours, peers) = (ours::submit(workers, submitters), peers::submit(workers, submitters));
    workload(&format!("submit/{submitters}"), ("job", submitters, &about), ours, peers)
}

fn map(name: &str, workers: usize, items: u64, work: impl Work) -> Workload {
    let about = format!("one of {items} items of a map");
    let (ours, peers) = (ours::map(workers, items, work), peers::map(workers, items, work));
    workload(&format!("map/{name}"), ("item", items, &about), ours, peers)
}

fn workload(
    name: &str,
    (unit, step, about): (&'static str, u64, &str),
    mut contenders: Vec<Contender>,
    peers: Vec<Contender>,
) -> Workload {
    contenders.extend(peers);
    Workload::new(format!("pool/{name}"), unit, step, about, contenders)
}

pub fn light(item: u64) -> u64 {
    item * 2 + 1
}

/// A few microseconds. Each step needs the one before.
fn heavy(item: u64) -> u64 {
    (0..2_000).fold(item, |x, step| x.wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(7) ^ step)
}
