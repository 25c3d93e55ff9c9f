//! The workloads of the condition.

use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::contenders;
use crate::harness::Workload;
use crate::monitor::{Monitor, ParkingLot, Raddle, Side, Std};
use crate::team::{repeat_short, together};

/// All conditions.
macro_rules! all {
    ($P:ident => $sample:expr) => {
        contenders!(new, [Raddle, Std, ParkingLot], $P => $sample)
    };
}

/// So many threads wait for a notify of all.
const WAITERS: u64 = 16;

/// All workloads of the condition.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
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
            all!(P => ping_pong::<P>),
        ),
        Workload::new(
            format!("condition/notify_all/{WAITERS}"),
            "round",
            1,
            format!(
                "one notify of all, until each of {WAITERS} threads has had the lock and the last has answered"
            ),
            all!(P => notify_all::<P>),
        ),
    ]
}

fn lone<M: Monitor>(notifies: u64) -> Duration {
    let monitor = CachePadded::new(M::new(0));
    repeat_short(notifies, || monitor.notify_one(Side::There))
}

/// The number counts the turns: those of one thread are even, of the other odd.
fn ping_pong<M: Monitor>(round_trips: u64) -> Duration {
    let monitor = CachePadded::new(M::new(0));
    let (took, _) =
        together([(0, Side::There, Side::Back), (1, Side::Back, Side::There)], |(own, wait, notify)| {
            for _ in 0..round_trips {
                monitor.when(wait, |turn| *turn % 2 != own, |turn| *turn += 1);
                monitor.notify_one(notify);
            }
        });
    assert_eq!(monitor.with(|turn| *turn), 2 * round_trips, "{} lost a turn", M::NAME);
    took
}

/// The number counts steps: the first of a round is that of the thread that notifies, the others those of the waiters.
fn notify_all<M: Monitor>(rounds: u64) -> Duration {
    const STEPS: u64 = WAITERS + 1;
    let monitor = CachePadded::new(M::new(0));
    let (took, _) = together(0..STEPS, |seat| {
        for round in 0..rounds {
            if seat == 0 {
                monitor.when(Side::Back, |step| *step < round * STEPS, |step| *step += 1);
                monitor.notify_all(Side::There);
            } else {
                let step = monitor.when(
                    Side::There,
                    |step| *step <= round * STEPS,
                    |step| {
                        *step += 1;
                        *step
                    },
                );
                if step == (round + 1) * STEPS {
                    monitor.notify_one(Side::Back);
                }
            }
        }
        // The last answer ends the last round.
        if seat == 0 {
            monitor.when(Side::Back, |step| *step < rounds * STEPS, |_| ());
        }
    });
    took
}
