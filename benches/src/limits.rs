//! What this machine needs for the least that a primitive has to do. There is nothing to compare.

use std::hint;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::harness::{Contender, Workload};
use crate::team::{repeat, together};

/// Who has spun so often lets others run: there may be one processor only.
const SPINS: u32 = 1_000;

/// All workloads of this family.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        limit(
            "atomic pair",
            "pair",
            "one compare-and-swap and one swap of the same word, by one thread",
            pairs,
        ),
        limit(
            "cache line",
            "round trip",
            "one word goes to the other of two spinning threads, each on a processor of its own, and back",
            line,
        ),
        #[cfg(target_os = "linux")]
        limit("futex", "round trip", "one thread wakes another, by a futex each, and is woken by it", futex),
        limit("thread", "thread", "one thread is started and joined", threads),
    ]
}

fn limit(
    name: &'static str,
    unit: &'static str,
    about: &str,
    sample: impl Fn(u64) -> Duration + Send + Sync + 'static,
) -> Workload {
    Workload::new(format!("limits/{name}"), unit, 1, about, vec![Contender::mark("machine", sample)])
}

fn pairs(pairs: u64) -> Duration {
    let word = CachePadded::new(AtomicU32::new(0));
    repeat(pairs, || {
        let was = hint::black_box(&word).compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        debug_assert_eq!(was, Ok(0));
        word.swap(0, Ordering::Release);
    })
}

/// The word counts the turns: those of one thread are even, of the other odd.
fn line(round_trips: u64) -> Duration {
    let turn = CachePadded::new(AtomicU64::new(0));
    let (took, _) = together([0, 1], |own| {
        #[cfg(target_os = "linux")]
        crate::posix::pin(own as usize);
        for round in 0..round_trips {
            let mut spins = 0;
            // Pairs with the other's store.
            while turn.load(Ordering::Acquire) != 2 * round + own {
                spins += 1;
                if spins % SPINS == 0 {
                    thread::yield_now();
                }
                hint::spin_loop();
            }
            turn.store(2 * round + own + 1, Ordering::Release);
        }
    });
    took
}

#[cfg(target_os = "linux")]
fn futex(round_trips: u64) -> Duration {
    use crate::posix::{futex_wait, futex_wake};

    let words = [1, 0].map(|value| CachePadded::new(AtomicU32::new(value)));
    let (took, _) = together([0, 1], |own: usize| {
        for _ in 0..round_trips {
            // Pairs with the other's store.
            while words[own].load(Ordering::Acquire) == 0 {
                futex_wait(&words[own], 0);
            }
            words[own].store(0, Ordering::Relaxed);
            words[1 - own].store(1, Ordering::Release);
            futex_wake(&words[1 - own]);
        }
    });
    took
}

fn threads(threads: u64) -> Duration {
    repeat(threads, || thread::spawn(|| ()).join().expect("it does nothing"))
}
