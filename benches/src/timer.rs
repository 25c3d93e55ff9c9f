//! The workloads of the timers.

pub mod measure;
pub mod peers;

use std::time::Duration;

use crate::harness::{Contender, Workload};
use measure::{Order, TIMERS, Told};
use peers::{Service, Visit};

/// What to measure of each contender.
#[derive(Clone, Copy)]
enum Kind {
    InsertCancel,
    Insert,
    Cancel(Order),
    Fire(Told),
}

/// All workloads of the timers.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        workload("insert+cancel", 1, Kind::InsertCancel),
        workload("insert", TIMERS, Kind::Insert),
        workload("cancel", TIMERS, Kind::Cancel(Order::AsArmed)),
        workload("cancel/random", TIMERS, Kind::Cancel(Order::Random)),
        workload("fire", TIMERS, Kind::Fire(Told::Delay)),
        workload("fire/at", TIMERS, Kind::Fire(Told::Moment)),
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
    let about = match kind {
        Kind::InsertCancel => "one timer is armed and cancelled at once, beside no other",
        Kind::Insert => "one timer is armed, until all are",
        Kind::Cancel(Order::AsArmed) => {
            "one pending timer is cancelled, until all are, in the order they were armed"
        }
        Kind::Cancel(Order::Random) => "one pending timer is cancelled, until all are, in no order",
        Kind::Fire(Told::Delay) => {
            "one timer of many, each armed with the delay until the same deadline, from that until all have run"
        }
        Kind::Fire(Told::Moment) => "the same, each armed with the deadline, where a service takes one",
    };
    Workload::new(format!("timer/{name}"), "timer", step, about, collect.contenders)
}

fn sample<S: Service>(kind: Kind, timers: u64) -> Duration {
    match kind {
        Kind::InsertCancel => measure::insert_cancel::<S>(timers),
        Kind::Insert => measure::insert::<S>(timers),
        Kind::Cancel(order) => measure::cancel::<S>(timers, order),
        Kind::Fire(told) => measure::fire::<S>(timers, told),
    }
}
