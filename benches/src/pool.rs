//! The workloads of the pool.

pub mod measure;
pub mod ours;
pub mod peers;

use std::thread;

use crate::harness::{Contender, Workload};
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
        workload("round-trip", "round trip", 1, ours::round_trip(workers), peers::round_trip(workers)),
        map("light", workers, 1_000_000, light),
        map("heavy", workers, 3_000, heavy),
        workload("fib/25", "fork", FORKS, ours::fib(workers), peers::fib(workers)),
    ]
}

fn submit(workers: usize, submitters: u64) -> Workload {
    let name = format!("submit/{submitters}");
    let (ours, peers) = (ours::submit(workers, submitters), peers::submit(workers, submitters));
    workload(&name, "job", submitters, ours, peers)
}

fn map(name: &str, workers: usize, items: u64, work: impl Work) -> Workload {
    let (ours, peers) = (ours::map(workers, items, work), peers::map(workers, items, work));
    workload(&format!("map/{name}"), "item", items, ours, peers)
}

fn workload(
    name: &str,
    unit: &'static str,
    step: u64,
    mut contenders: Vec<Contender>,
    peers: Vec<Contender>,
) -> Workload {
    contenders.extend(peers);
    Workload { name: format!("pool/{name}"), unit, step, contenders }
}

fn light(item: u64) -> u64 {
    item * 2 + 1
}

/// A few microseconds. Each step needs the one before.
fn heavy(item: u64) -> u64 {
    (0..2_000).fold(item, |x, step| x.wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(7) ^ step)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::harness::{self, Effort};

    #[test]
    fn everybody_does_all_of_it() {
        let effort = Effort { rounds: 1, sample: Duration::from_micros(100), limit: Duration::from_secs(20) };
        for workload in workloads() {
            let report = harness::run(&workload, effort);
            for outcome in report.outcomes {
                assert_eq!(outcome.failure, None, "{} in {}", outcome.name, report.name);
                assert_eq!(outcome.rounds.len(), 1, "{} in {}", outcome.name, report.name);
            }
        }
    }
}
