//! The workloads of the timers.

pub mod measure;
pub mod peers;

use std::time::Duration;

use crate::harness::{Contender, Workload};
use measure::{Order, TIMERS};
use peers::{Service, Visit};

/// What to measure of each contender.
#[derive(Clone, Copy)]
enum Kind {
    InsertCancel,
    Insert,
    Cancel(Order),
    Fire,
}

/// All workloads of the timers.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        workload("insert+cancel", 1, Kind::InsertCancel),
        workload("insert", TIMERS, Kind::Insert),
        workload("cancel", TIMERS, Kind::Cancel(Order::AsArmed)),
        workload("cancel/random", TIMERS, Kind::Cancel(Order::Random)),
        workload("fire", TIMERS, Kind::Fire),
    ]
}

fn workload(name: &str, step: u64, kind: Kind) -> Workload {
    struct Collect {
        kind: Kind,
        contenders: Vec<Contender>,
    }

    impl Visit for Collect {
        fn visit<S: Service>(&mut self) {
            let kind = self.kind;
            let sample = move |timers| sample::<S>(kind, timers);
            self.contenders.push(match kind {
                // To mark a timer is not the same work.
                Kind::Cancel(_) if !S::TAKES_OUT => Contender::mark(S::NAME, sample),
                _ => Contender::new(S::NAME, sample),
            });
        }
    }

    let mut collect = Collect { kind, contenders: Vec::new() };
    peers::each(&mut collect);
    Workload { name: format!("timer/{name}"), unit: "timer", step, contenders: collect.contenders }
}

fn sample<S: Service>(kind: Kind, timers: u64) -> Duration {
    match kind {
        Kind::InsertCancel => measure::insert_cancel::<S>(timers),
        Kind::Insert => measure::insert::<S>(timers),
        Kind::Cancel(order) => measure::cancel::<S>(timers, order),
        Kind::Fire => measure::fire::<S>(timers),
    }
}

#[cfg(test)]
mod tests {
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
