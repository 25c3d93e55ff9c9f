//! The workloads of the queue.

pub mod peers;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Contender, Workload, one_of};
use crate::team::{Span, whole};
use peers::{Channel, Item, Visit};

type Bytes8 = [u64; 1];
type Bytes64 = [u64; 8];

/// What a throughput workload looks like.
#[derive(Clone, Copy)]
struct Shape {
    putters: u64,
    getters: u64,
    capacity: Option<usize>,
    bytes: usize,
}

/// What to measure of each peer that can do it.
#[derive(Clone, Copy)]
enum Kind {
    Throughput(Shape),
    PingPong,
    Lone(Option<usize>),
}

/// All workloads of the queue, each with the peers that can run it.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut workloads = Vec::new();
    for (putters, getters) in [(1, 1), (2, 2), (4, 4), (1, 4), (4, 1)] {
        for capacity in [Some(1), Some(16), Some(1024), None] {
            for bytes in [8, 64] {
                let name = format!("queue/{putters}x{getters}/{}/{bytes}B", capacity_name(capacity));
                let shape = Shape { putters, getters, capacity, bytes };
                workloads.push(workload(name, "item", putters * getters, Kind::Throughput(shape)));
            }
        }
    }
    workloads.push(workload("queue/pingpong".to_owned(), "round trip", 1, Kind::PingPong));
    for capacity in [Some(1024), None] {
        let name = format!("queue/lone/{}", capacity_name(capacity));
        workloads.push(workload(name, "pair", 1, Kind::Lone(capacity)));
    }
    workloads
}

#[must_use]
pub fn capacity_name(capacity: Option<usize>) -> String {
    capacity.map_or_else(|| "unbounded".to_owned(), |capacity| format!("cap{capacity}"))
}

fn workload(name: String, unit: &'static str, step: u64, kind: Kind) -> Workload {
    struct Collect {
        kind: Kind,
        contenders: Vec<Contender>,
        left_out: Vec<String>,
    }

    impl Visit for Collect {
        fn visit<C: Channel>(&mut self) {
            match contender::<C>(self.kind) {
                Ok(contender) => self.contenders.push(contender),
                Err(why) => self.left_out.push(format!("{}: {why}", C::NAME)),
            }
        }
    }

    let about = match kind {
        Kind::Throughput(Shape { putters, getters, bytes, .. }) => {
            let (putter, getter) = (one_of(putters, "putter"), one_of(getters, "getter"));
            format!("one item of {bytes} bytes from {putter} to {getter}")
        }
        Kind::PingPong => "one item there and another back, over a queue with one place each".to_owned(),
        Kind::Lone(_) => "one put and get; nobody else is there".to_owned(),
    };
    let mut collect = Collect { kind, contenders: Vec::new(), left_out: Vec::new() };
    peers::each(&mut collect);
    let Collect { contenders, left_out, .. } = collect;
    Workload { left_out, ..Workload::new(name, unit, step, about, contenders) }
}

/// An error if the peer cannot do it.
fn contender<C: Channel>(kind: Kind) -> Result<Contender, &'static str> {
    let (getters, capacity) = match kind {
        Kind::Throughput(shape) => (shape.getters, shape.capacity),
        Kind::PingPong => (1, Some(1)),
        Kind::Lone(capacity) => (1, capacity),
    };
    if getters > 1 && !C::MANY_GETTERS {
        return Err("has one getter only");
    }
    if capacity.is_none() && !C::UNBOUNDED {
        return Err("is bounded only");
    }
    Ok(match kind {
        Kind::Throughput(shape) if shape.bytes == 64 => {
            Contender::new(C::NAME, move |items| throughput::<C, Bytes64>(shape, items))
        }
        Kind::Throughput(shape) => {
            Contender::new(C::NAME, move |items| throughput::<C, Bytes8>(shape, items))
        }
        Kind::PingPong => Contender::new(C::NAME, pingpong::<C>),
        Kind::Lone(capacity) => Contender::new(C::NAME, move |pairs| lone::<C>(capacity, pairs)),
    })
}

/// `items` in all, in even and fixed shares: no queue is shut down, and the work is the same for every peer.
fn throughput<C: Channel, T: Item>(shape: Shape, items: u64) -> Duration {
    let put_share = items / shape.putters;
    let get_share = items / shape.getters;
    assert_eq!(put_share * shape.putters, get_share * shape.getters, "the shares must be even");

    let shared = C::open::<T>(shape.capacity);
    let threads = usize::try_from(shape.putters + shape.getters).expect("a few threads");
    let barrier = &Barrier::new(threads);
    let spans: Vec<Span<u64>> = thread::scope(|s| {
        let mut workers = Vec::with_capacity(threads);
        for _ in 0..shape.putters {
            let putter = C::putter(&shared);
            workers.push(s.spawn(move || {
                barrier.wait();
                let from = Instant::now();
                for key in 0..put_share {
                    C::put(&putter, black_box(T::from_key(key)));
                }
                (from, Instant::now(), 0)
            }));
        }
        for _ in 0..shape.getters {
            let getter = C::getter(&shared);
            workers.push(s.spawn(move || {
                barrier.wait();
                let from = Instant::now();
                let mut sum = 0;
                for _ in 0..get_share {
                    // The whole item is wanted, lest a peer that inlines better copies less of it.
                    sum += black_box(&C::get(&getter)).key();
                }
                (from, Instant::now(), sum)
            }));
        }
        workers.into_iter().map(|worker| worker.join().expect("a thread of the sample panicked")).collect()
    });

    let sum: u64 = spans.iter().map(|span| span.2).sum();
    assert_eq!(sum, shape.putters * sum_below(put_share), "{} lost or doubled an item", C::NAME);
    whole(&spans)
}

/// Round trips between two threads, over two queues of capacity 1.
fn pingpong<C: Channel>(round_trips: u64) -> Duration {
    let there = C::open::<Bytes8>(Some(1));
    let back = C::open::<Bytes8>(Some(1));
    let barrier = &Barrier::new(2);
    let spans = thread::scope(|s| {
        let (putter, getter) = (C::putter(&there), C::getter(&back));
        let asks = s.spawn(move || {
            barrier.wait();
            let from = Instant::now();
            let mut sum = 0;
            for key in 0..round_trips {
                C::put(&putter, Bytes8::from_key(key));
                sum += C::get(&getter).key();
            }
            (from, Instant::now(), sum)
        });
        let (putter, getter) = (C::putter(&back), C::getter(&there));
        let answers = s.spawn(move || {
            barrier.wait();
            let from = Instant::now();
            for _ in 0..round_trips {
                C::put(&putter, C::get(&getter));
            }
            (from, Instant::now(), 0)
        });
        [asks, answers].map(|worker| worker.join().expect("a thread of the sample panicked"))
    });
    assert_eq!(spans[0].2, sum_below(round_trips), "{} lost or doubled an item", C::NAME);
    whole(&spans)
}

/// One thread: put, then get. Nobody else is there.
pub fn lone<C: Channel>(capacity: Option<usize>, pairs: u64) -> Duration {
    let shared = C::open::<Bytes8>(capacity);
    let (putter, getter) = (C::putter(&shared), C::getter(&shared));
    let from = Instant::now();
    let mut sum = 0;
    for key in 0..pairs {
        C::put(&putter, Bytes8::from_key(key));
        sum += C::get(&getter).key();
    }
    let took = from.elapsed();
    assert_eq!(sum, sum_below(pairs), "{} lost or doubled an item", C::NAME);
    took
}

fn sum_below(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}
