//! Threads that begin together: they are there before the clock starts, and still there when it stops.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// When a thread began its work, when it ended, and what it says of it.
pub type Span<R> = (Instant, Instant, R);

/// From the first thread that passed the barrier to the last one that had done its work. Neither the start of the threads nor
/// their end is in it, nor a late wakeup of the thread that measures.
pub fn whole<R>(spans: &[Span<R>]) -> Duration {
    let from = spans.iter().map(|span| span.0).min().expect("there are threads");
    let to = spans.iter().map(|span| span.1).max().expect("there are threads");
    to - from
}

/// A thread for each seat, all of which do `work` at the same time. How long that took, and what each says of it.
pub fn together<S: Send, R: Send>(
    seats: impl IntoIterator<Item = S>,
    work: impl Fn(S) -> R + Sync,
) -> (Duration, Vec<R>) {
    let seats: Vec<S> = seats.into_iter().collect();
    let barrier = Barrier::new(seats.len());
    let sit = |seat| {
        barrier.wait();
        let from = Instant::now();
        let said = work(seat);
        (from, Instant::now(), said)
    };
    let spans: Vec<Span<R>> = thread::scope(|s| {
        let sit = &sit;
        let threads: Vec<_> = seats.into_iter().map(|seat| s.spawn(move || sit(seat))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread of the sample panicked")).collect()
    });
    let took = whole(&spans);
    (took, spans.into_iter().map(|span| span.2).collect())
}

/// How long so many calls take, one after the other.
pub fn repeat(times: u64, mut call: impl FnMut()) -> Duration {
    let from = Instant::now();
    for _ in 0..times {
        call();
    }
    from.elapsed()
}

/// The same of calls so short that the loop would be most of it, and where in memory that lies.
pub fn repeat_short(times: u64, mut call: impl FnMut()) -> Duration {
    let (eights, rest) = (times / 8, times % 8);
    let from = Instant::now();
    for _ in 0..eights {
        // The compiler unrolls this one.
        for _ in 0..8 {
            call();
        }
    }
    for _ in 0..rest {
        call();
    }
    from.elapsed()
}

/// Some work that touches nothing: about a nanosecond for each step, which needs the one before.
#[inline]
pub fn work(steps: u64) {
    black_box((0..steps).fold(black_box(1_u64), |x, step| x.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ step));
}
