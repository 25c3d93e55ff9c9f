//! CPython's own, doing the same: a child process for each sample, which times itself.

use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::harness::{BASE, Contender, Workload};
use crate::pool::measure::at_most;
use crate::{lock, pool, queue};

const SCRIPT: &str = include_str!("python.py");
const PYTHON: &str = "python3";

/// In one map.
const ITEMS: u64 = 100_000;
/// It is slow enough that so many will do.
const MOST: u64 = 100_000;

/// Which Python there is: "Python 3.11.7".
#[must_use]
pub fn version() -> Option<&'static str> {
    static VERSION: OnceLock<Option<String>> = OnceLock::new();
    let ask = || {
        let output = Command::new(PYTHON).arg("--version").output().ok()?;
        let said = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| said.trim().to_owned())
    };
    VERSION.get_or_init(ask).as_deref()
}

/// All workloads that CPython has its part in.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let map = pool::ours::map(workers, ITEMS, pool::light).remove(0);
    vec![
        workload(
            "lock",
            ("pair", 1, "one lock, counting and unlock; nobody else is there"),
            Contender::new(BASE, lock::lone::<lock::peers::Raddle>),
            Contender::new("CPython", |pairs| run("lock", pairs, 1)),
        ),
        workload(
            "queue",
            ("pair", 1, "one put and get; nobody else is there"),
            Contender::new(BASE, |pairs| queue::lone::<queue::peers::Raddle>(Some(1024), pairs)),
            Contender::new("CPython", |pairs| run("queue", pairs, 1)),
        ),
        workload(
            "map",
            ("item", ITEMS, "one item, of so many for which a pool's map computes 2x + 1"),
            map,
            Contender::new("CPython", move |items| run("map", items, workers)),
        ),
    ]
}

fn workload(
    name: &str,
    (unit, step, about): (&'static str, u64, &str),
    ours: Contender,
    theirs: Contender,
) -> Workload {
    let workload = Workload::new(format!("python/{name}"), unit, step, about, vec![ours]);
    if version().is_none() {
        return workload.without(format!("CPython: there is no {PYTHON}"));
    }
    Workload { contenders: workload.contenders.into_iter().chain([theirs]).collect(), ..workload }
}

fn run(what: &str, units: u64, workers: usize) -> Duration {
    at_most(MOST, units, |units| {
        let mut python = Command::new(PYTHON);
        python.args(["-c", SCRIPT, what, &units.to_string(), &workers.to_string()]);
        let output = python.output().expect("python3 was there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("a number");
        Duration::from_nanos(said.trim().parse().expect("a number of nanoseconds"))
    })
}
