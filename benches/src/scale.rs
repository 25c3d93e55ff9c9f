//! The same operations by ever more threads, beside the best peers.

use std::time::Duration;

use crate::contenders;
use crate::harness::{Contender, Workload, one_of};
use crate::queue::peers::{self as queues, Channel, Visit};
use crate::team::together;
use crate::{lock, semaphore};
use lock::peers::Mutex;
use semaphore::Counting;

pub const THREADS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

const PERMITS: u32 = 2;
const CAPACITY: usize = 16;

/// All workloads of this family.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut workloads = Vec::new();
    for threads in THREADS {
        workloads.push(Workload::new(
            format!("scale/lock/{threads}"),
            "section",
            1,
            format!(
                "one lock, counting and unlock by {}; nothing outside of it",
                one_of(threads as u64, "thread")
            ),
            contenders!(
                new,
                [lock::peers::Raddle, lock::peers::Std, lock::peers::ParkingLot],
                P => move |sections| lock::contended::<P>(threads, 0, 0, sections)
            ),
        ));
    }
    for threads in THREADS.map(|threads| threads as u64) {
        workloads.push(Workload::new(
            format!("scale/semaphore/{threads}"),
            "pair",
            threads,
            format!("one acquire and release by {}; there are {PERMITS} permits", one_of(threads, "thread")),
            contenders!(
                new,
                [
                    semaphore::Raddle,
                    semaphore::Tokio,
                    #[cfg(target_os = "linux")]
                    semaphore::SemT
                ],
                P => move |pairs| semaphore::contended::<P>(threads, PERMITS, 0, pairs)
            ),
        ));
    }
    for threads in THREADS.map(|threads| threads as u64) {
        let mut best = Best { threads, contenders: Vec::new() };
        queues::each(&mut best);
        workloads.push(Workload::new(
            format!("scale/queue/{threads}"),
            "pair",
            threads,
            format!("one put and get by {}; the queue has {CAPACITY} places", one_of(threads, "thread")),
            best.contenders,
        ));
    }
    for workload in &mut workloads {
        // Threads wake one after the other. The first is not to be through before the last has begun.
        workload.longer = 4;
    }
    workloads
}

/// Takes raddle and the fastest of its peers.
struct Best {
    threads: u64,
    contenders: Vec<Contender>,
}

impl Visit for Best {
    fn visit<C: Channel>(&mut self) {
        let threads = self.threads;
        if ["raddle", "crossbeam-channel", "kanal"].contains(&C::NAME) {
            self.contenders.push(Contender::new(C::NAME, move |pairs| both_ends::<C>(threads, pairs)));
        }
    }
}

/// Each thread puts an item and gets one, maybe another's, in turn. Nobody waits for ever: whoever has put gets, so there are
/// never more items than threads between the two.
fn both_ends<C: Channel>(threads: u64, pairs: u64) -> Duration {
    let shared = C::open::<[u64; 1]>(Some(CAPACITY));
    let seats = (0..threads).map(|_| (C::putter(&shared), C::getter(&shared)));
    let share = pairs / threads;
    let (took, sums) = together(seats, |(putter, getter)| {
        let mut sum = 0;
        for key in 0..share {
            C::put(&putter, [key]);
            sum += C::get(&getter)[0];
        }
        sum
    });
    let keys = share * share.saturating_sub(1) / 2;
    assert_eq!(sums.into_iter().sum::<u64>(), threads * keys, "{} lost or doubled an item", C::NAME);
    took
}
