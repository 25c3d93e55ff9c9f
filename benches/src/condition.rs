//! The workloads of the condition.

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::contenders;
use crate::harness::Workload;
use crate::monitor::{Monitor, ParkingLot, Raddle, Side, Std};
use crate::team::{repeat_short, together, work};

/// All conditions.
macro_rules! all {
    ($P:ident => $sample:expr) => {
        contenders!(new, [Raddle, Std, ParkingLot], $P => $sample)
    };
}

/// So many steps of work, where there is any. Two microseconds, about.
const WORK: u64 = 2_000;

/// So many steps take long enough for everybody to fall asleep.
const LONG: u64 = 300_000;

/// How a notify of all is done, and to what.
#[derive(Clone, Copy)]
struct Herd {
    /// So many threads wait.
    waiters: u64,
    /// Whether the notifier holds the lock.
    is_held: bool,
    /// So many steps of work with the lock held, by each that was woken.
    inside: u64,
    /// So many steps of work by the notifier before each round, so that the others are asleep by then. They are not measured.
    before: u64,
}

/// All workloads of the condition.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut workloads = vec![
        Workload::new(
            "condition/lone",
            "call",
            1,
            "one notify of one, while nobody waits",
            all!(P => lone::<P>),
        ),
        Workload::new(
            "condition/ping-pong",
            "round trip",
            1,
            "two threads take turns: each waits for its own, with a condition of its own, and notifies the other",
            all!(P => ping_pong::<P, false>),
        ),
        Workload::new(
            "condition/ping-pong/held",
            "round trip",
            1,
            "the same, by threads that notify before they release the lock",
            all!(P => ping_pong::<P, true>),
        ),
    ];
    for (name, waiters, is_held, inside, before) in [
        ("16", 16, false, 0, 0),
        ("16/held", 16, true, 0, 0),
        ("16/work", 16, false, WORK, 0),
        ("16/held/work", 16, true, WORK, 0),
        ("16/asleep", 16, false, 0, LONG),
        ("16/asleep/held", 16, true, 0, LONG),
        ("64", 64, false, 0, 0),
        ("64/held", 64, true, 0, 0),
        ("64/work", 64, false, WORK, 0),
        ("64/held/work", 64, true, WORK, 0),
        ("64/asleep", 64, false, 0, LONG),
        ("64/asleep/held/work", 64, true, WORK, LONG),
    ] {
        let asleep = if before > 0 { " that have been asleep for long" } else { "" };
        let held = if is_held { " by one who holds the lock" } else { "" };
        let works = if inside > 0 { ", and worked a while" } else { "" };
        let about = format!(
            "one notify of all{held}, until each of {waiters} threads{asleep} has had the lock{works} and the last has answered"
        );
        let herd = Herd { waiters, is_held, inside, before };
        workloads.push(Workload::new(
            format!("condition/notify_all/{name}"),
            "round",
            1,
            about,
            all!(P => move |rounds| notify_all::<P>(herd, rounds)),
        ));
    }
    workloads
}

fn lone<M: Monitor>(notifies: u64) -> Duration {
    let monitor = CachePadded::new(M::new(0));
    repeat_short(notifies, || monitor.notify_one(Side::There))
}

/// The number counts the turns: those of one thread are even, of the other odd.
fn ping_pong<M: Monitor, const HELD: bool>(round_trips: u64) -> Duration {
    let monitor = CachePadded::new(M::new(0));
    let (took, _) =
        together([(0, Side::There, Side::Back), (1, Side::Back, Side::There)], |(own, wait, notify)| {
            for _ in 0..round_trips {
                let is_early = |turn: &mut u64| *turn % 2 != own;
                if HELD {
                    monitor.when(wait, is_early, |turn| {
                        *turn += 1;
                        monitor.notify_one(notify);
                    });
                } else {
                    monitor.when(wait, is_early, |turn| *turn += 1);
                    monitor.notify_one(notify);
                }
            }
        });
    assert_eq!(monitor.with(|turn| *turn), 2 * round_trips, "{} lost a turn", M::NAME);
    took
}

/// The number counts steps: the first of a round is that of the thread that notifies, the others those of the waiters.
fn notify_all<M: Monitor>(Herd { waiters, is_held, inside, before }: Herd, rounds: u64) -> Duration {
    let steps = waiters + 1;
    let monitor = CachePadded::new(M::new(0));
    let (took, spared) = together(0..steps, |seat| {
        let mut spared = Duration::ZERO;
        for round in 0..rounds {
            if seat == 0 {
                if before > 0 {
                    monitor.when(Side::Back, |step| *step < round * steps, |_| ());
                    let from = Instant::now();
                    work(before);
                    spared += from.elapsed();
                }
                let is_early = |step: &mut u64| *step < round * steps;
                if is_held {
                    monitor.when(Side::Back, is_early, |step| {
                        *step += 1;
                        monitor.notify_all(Side::There);
                    });
                } else {
                    monitor.when(Side::Back, is_early, |step| *step += 1);
                    monitor.notify_all(Side::There);
                }
            } else {
                let step = monitor.when(
                    Side::There,
                    |step| *step <= round * steps,
                    |step| {
                        work(inside);
                        *step += 1;
                        *step
                    },
                );
                if step == (round + 1) * steps {
                    monitor.notify_one(Side::Back);
                }
            }
        }
        // The last answer ends the last round.
        if seat == 0 {
            monitor.when(Side::Back, |step| *step < rounds * steps, |_| ());
        }
        spared
    });
    took - spared.into_iter().sum::<Duration>()
}
