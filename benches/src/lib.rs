//! raddle's primitives timed beside their peers, in one process, round by round.
//!
//! The binaries are in `src/bin`: `peers` measures, `lone` is what callgrind counts, `memory` counts bytes.
//! There is no `src/main.rs`: cargo would take `benches/src/main.rs` for a bench target of raddle itself.

pub mod barrier;
pub mod condition;
pub mod event;
pub mod harness;
pub mod html;
pub mod idle;
pub mod instructions;
pub mod lateness;
pub mod limits;
pub mod lock;
pub mod machine;
pub mod monitor;
pub mod pool;
#[cfg(target_os = "linux")]
pub mod posix;
pub mod python;
pub mod queue;
pub mod report;
pub mod rlock;
pub mod scale;
pub mod semaphore;
pub mod sibling;
pub mod team;
pub mod timer;

/// Everything that is measured, family by family.
#[must_use]
pub fn workloads() -> Vec<harness::Workload> {
    let families = [
        lock::workloads,
        rlock::workloads,
        semaphore::workloads,
        event::workloads,
        condition::workloads,
        barrier::workloads,
        queue::workloads,
        pool::workloads,
        timer::workloads,
        scale::workloads,
        limits::workloads,
        python::workloads,
    ];
    families.iter().flat_map(|family| family()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::harness::{Effort, Role};
    use crate::report::Outcome;

    #[test]
    fn everybody_does_all_of_it() {
        let effort = Effort {
            least_rounds: 1,
            rounds: 1,
            sample: Duration::from_micros(100),
            limit: Duration::from_secs(20),
            time: None,
        };
        for workload in workloads() {
            let first = failures(&workload, effort);
            if !first.is_empty() {
                // Peers have faults that one run in a million meets: a peer may fail once, and raddle never.
                assert!(first.iter().all(|failed| failed.role == Role::Peer), "{first:#?}");
                let second = failures(&workload, effort);
                assert!(second.is_empty(), "first {first:#?}, then {second:#?}");
            }
        }
    }

    /// Whoever was given up, or is without its figure.
    fn failures(workload: &harness::Workload, effort: Effort) -> Vec<Outcome> {
        let outcomes = harness::run(workload, effort).into_iter().flat_map(|report| report.outcomes);
        outcomes.filter(|outcome| outcome.failure.is_some() || outcome.rounds.len() != 1).collect()
    }

    #[test]
    fn each_workload_is_there_once() {
        let mut names: Vec<String> = workloads().into_iter().map(|workload| workload.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
