//! The workloads of the lock.

pub mod peers;

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::contenders;
use crate::harness::{Figure, Quantity, Sampled, Workload};
use crate::team::{repeat, together, work};
use peers::*;

/// So many steps of work between two sections, where there is any. A tenth of a microsecond, about.
const OUTSIDE: u64 = 100;

/// So many steps of work within a section, if waits are looked at: enough that there are some.
const INSIDE: u64 = 100;

/// So many steps of work within a section, if it is a long one.
const LONG: u64 = 1000;

/// Of the threads whose waits are looked at.
const WATCHED: usize = 4;

const FAIRNESS: [Figure; 2] = [
    Figure { name: "least share", quantity: Quantity::Share },
    Figure { name: "longest wait", quantity: Quantity::Time },
];

const LATENCY: [Figure; 3] = [
    Figure { name: "p50", quantity: Quantity::Time },
    Figure { name: "p99", quantity: Quantity::Time },
    Figure { name: "p99.9", quantity: Quantity::Time },
];

/// All locks.
macro_rules! all {
    ($make:ident, $P:ident => $sample:expr) => {
        contenders!(
            $make,
            [
                Raddle,
                Std,
                ParkingLot,
                ParkingLotFair,
                Usync,
                #[cfg(target_os = "linux")]
                Pthread
            ],
            $P => $sample
        )
    };
}

/// All workloads of the lock.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut workloads = vec![Workload::new(
        "lock/lone",
        "pair",
        1,
        "one lock and unlock; nobody else is there",
        all!(new, P => lone::<P>),
    )];
    for (name, threads, inside, outside) in [
        ("2/short", 2, 0, 0),
        ("2/work", 2, 0, OUTSIDE),
        ("4/long", WATCHED, LONG, LONG),
        ("8", 8, 0, OUTSIDE),
        ("32", 32, 0, OUTSIDE),
    ] {
        let beside = match (inside, outside) {
            (0, 0) => "nothing else to do",
            (0, _) => "some work outside of it",
            _ => "a microsecond of work within and one outside",
        };
        workloads.push(Workload::new(
            format!("lock/{name}"),
            "section",
            1,
            format!("one lock, counting and unlock by one of {threads} threads; {beside}"),
            all!(new, P => move |sections| contended::<P>(threads, inside, outside, sections)),
        ));
    }
    let mut fairness = Workload::new(
        "lock/fairness",
        "section",
        1,
        format!(
            "{WATCHED} threads with some work within sections and outside: the share of the one that was served least, \
             and the longest that one has waited"
        ),
        all!(with_figures, P => fairness::<P>),
    );
    fairness.figures = &FAIRNESS;
    fairness.longer = 10;
    workloads.push(fairness);
    let mut latency = Workload::new(
        "lock/latency",
        "section",
        1,
        format!(
            "{WATCHED} threads with some work within sections and outside: how long one lock takes, the clock included"
        ),
        all!(with_figures, P => latency::<P>),
    );
    latency.figures = &LATENCY;
    latency.longer = 4;
    workloads.push(latency);
    workloads
}

/// One thread.
#[must_use]
pub fn lone<M: Mutex>(pairs: u64) -> Duration {
    let lock = CachePadded::new(M::new(0));
    let took = repeat(pairs, || lock.with(|count| *count += 1));
    assert_eq!(lock.with(|count| *count), pairs, "{} lost a count", M::NAME);
    took
}

/// So many sections in all. Whoever comes takes the next, so that all threads are there until the end.
#[must_use]
pub fn contended<M: Mutex>(threads: usize, inside: u64, outside: u64, sections: u64) -> Duration {
    let lock = CachePadded::new(M::new(0));
    let (took, shares) = together(0..threads, |_| {
        let mut share = 0;
        let section = |count: &mut u64| {
            if inside > 0 {
                work(inside);
            }
            next(count, sections)
        };
        while lock.with(section) {
            share += 1;
            work(outside);
        }
        share
    });
    assert_eq!(shares.into_iter().sum::<u64>(), sections, "{} lost a count", M::NAME);
    took
}

/// Takes the next section, if there is one.
#[inline]
fn next(count: &mut u64, sections: u64) -> bool {
    let is_left = *count < sections;
    *count += u64::from(is_left);
    is_left
}

/// Who was served how often, and who has waited longest. To look at the clock is part of the work outside.
fn fairness<M: Mutex>(sections: u64) -> Sampled {
    let lock = CachePadded::new(M::new(0));
    let (took, served) = together(0..WATCHED, |_| {
        let (mut share, mut longest) = (0_u64, Duration::ZERO);
        loop {
            let from = Instant::now();
            let (is_left, waited) = lock.with(|count| {
                let waited = from.elapsed();
                work(INSIDE);
                (next(count, sections), waited)
            });
            longest = longest.max(waited);
            if !is_left {
                return (share, longest);
            }
            share += 1;
            work(OUTSIDE);
        }
    });
    let least = served.iter().map(|(share, _)| *share).min().expect("there are threads");
    let longest = served.iter().map(|(_, longest)| *longest).max().expect("there are threads");
    // Less than a percent is as good as nothing. It is divided by, so it counts as a percent.
    let share = (100.0 * least as f64 * WATCHED as f64 / sections as f64).max(1.0);
    Sampled { took, figures: vec![share, longest.as_nanos() as f64] }
}

/// How long each lock took, looking at the clock included.
fn latency<M: Mutex>(sections: u64) -> Sampled {
    let lock = CachePadded::new(M::new(0));
    let (took, waits) = together(0..WATCHED, |_| {
        // All of them, in case one thread takes all: it must not allocate later. Untouched memory costs nothing.
        let mut waits: Vec<u64> = Vec::with_capacity(usize::try_from(sections).expect("they fit"));
        loop {
            let from = Instant::now();
            let (is_left, waited) = lock.with(|count| {
                let waited = from.elapsed();
                work(INSIDE);
                (next(count, sections), waited)
            });
            if !is_left {
                return waits;
            }
            waits.push(waited.as_nanos() as u64);
            work(OUTSIDE);
        }
    });
    let mut waits = waits.concat();
    waits.sort_unstable();
    let at = |part: f64| waits[(part * (waits.len() - 1) as f64).round() as usize] as f64;
    // Never quite nothing: it is divided by.
    Sampled { took, figures: [0.5, 0.99, 0.999].map(|part| at(part).max(1.0)).to_vec() }
}
