//! What is done with every service, and what of it is timed: never a service's start or end.

use std::time::{Duration, Instant};

use super::peers::Service;
use crate::pool::measure::{Countdown, at_most};

/// So many timers are pending at the same time (or fewer, where a contender has a thread for each).
pub const TIMERS: u64 = if cfg!(test) { 1_000 } else { 100_000 };

/// How far ahead a timer is that is cancelled at once.
const AHEAD: Duration = Duration::from_secs(1);

/// How far ahead the common deadline of `fire` is, at least.
const FIRE_AHEAD: Duration = Duration::from_millis(30);

/// The order in which timers are cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    AsArmed,
    Random,
}

/// Numbers that look random, and are the same in every sample.
pub struct Numbers(u64);

impl Numbers {
    #[must_use]
    pub fn new() -> Numbers {
        Numbers(0x9e37_79b9_7f4a_7c15)
    }

    /// From `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + self.0 % (high - low + 1)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.between(0, last as u64) as usize);
        }
    }
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers::new()
    }
}

/// So many delays between 1000 and 2000 s, in no order.
#[must_use]
pub fn far_delays(timers: u64) -> Vec<Duration> {
    let mut numbers = Numbers::new();
    (0..timers).map(|_| Duration::from_micros(numbers.between(1_000_000_000, 2_000_000_000))).collect()
}

/// What most timers here would do.
pub fn nothing() {}

/// A service that has run a timer, so that all its threads have started.
#[must_use]
pub fn open<S: Service>() -> S {
    let service = S::open();
    let countdown: &'static Countdown = Box::leak(Box::new(Countdown::new(1)));
    let first = service.within(|| service.arm(Duration::from_millis(1), &S::job(|| countdown.count())));
    countdown.wait();
    S::cancel(first);
    service
}

/// One timer after the other: armed 1 s ahead, and cancelled at once.
pub fn insert_cancel<S: Service>(timers: u64) -> Duration {
    let service = open::<S>();
    let job = S::job(nothing);
    at_most(S::MOST, timers, |timers| {
        service.within(|| {
            let from = Instant::now();
            for _ in 0..timers {
                S::cancel(service.arm(AHEAD, &job));
            }
            service.settle();
            from.elapsed()
        })
    })
}

/// Arms all, 1000 to 2000 s ahead in no order, `TIMERS` at a time.
pub fn insert<S: Service>(timers: u64) -> Duration {
    batches::<S>(timers, Order::AsArmed, |armed, _| armed)
}

/// Arms all as `insert` does. This is the time that it takes to cancel them.
pub fn cancel<S: Service>(timers: u64, order: Order) -> Duration {
    batches::<S>(timers, order, |_, cancelled| cancelled)
}

/// `which` is told how long it took to arm a batch, and to cancel it.
fn batches<S: Service>(
    timers: u64,
    order: Order,
    which: impl Fn(Duration, Duration) -> Duration,
) -> Duration {
    let length = TIMERS.min(S::MOST);
    let delays = far_delays(length);
    let job = S::job(nothing);
    let one = || {
        let service = open::<S>();
        service.within(|| {
            let mut pending = Vec::with_capacity(delays.len());
            let from = Instant::now();
            for delay in &delays {
                pending.push(service.arm(*delay, &job));
            }
            service.settle();
            let armed = from.elapsed();
            if order == Order::Random {
                Numbers::new().shuffle(&mut pending);
            }
            let from = Instant::now();
            for timer in pending.drain(..) {
                S::cancel(timer);
            }
            service.settle();
            which(armed, from.elapsed())
        })
    };
    let took: Duration = (0..timers / TIMERS).map(|_| one()).sum();
    took.mul_f64(TIMERS as f64 / length as f64)
}

/// How timers are told when to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// By a delay, so that their deadlines are some nanoseconds apart: the clock is read for each.
    Delay,
    /// By a moment, where the service takes one: then it is the same for all.
    Moment,
}

/// Timers with one deadline, nearly: from that until the last function has run. So the way in which a service is late
/// is in it, too: tokio's deadlines are whole milliseconds, for one.
///
/// All are armed before the deadline. Where that takes longer than planned, they run, and all is done again
/// with twice the time. However many timers are asked for, one batch answers for them.
///
/// What a timer is told differs: raddle's knows afterwards that it has run, and no timer runs whose `cancel`
/// has returned true. A future of "tokio" or "async-io" only has its waker woken; its owner would have to
/// poll it again.
pub fn fire<S: Service>(timers: u64, told: Told) -> Duration {
    at_most(TIMERS.min(S::MOST), timers, |timers| {
        let service = open::<S>();
        let mut ahead = FIRE_AHEAD;
        loop {
            match fire_all(&service, timers, told, ahead) {
                Some(took) => return took,
                None => ahead *= 2,
            }
        }
    })
}

/// `None`: the deadline came before all were armed.
fn fire_all<S: Service>(service: &S, timers: u64, told: Told, ahead: Duration) -> Option<Duration> {
    // Leaked, so that a function has a plain reference.
    let countdown: &'static Countdown = Box::leak(Box::new(Countdown::new(timers)));
    let job = S::job(|| countdown.count());
    let mut pending = Vec::with_capacity(timers as usize);
    let deadline = Instant::now() + ahead;
    service.within(|| {
        for _ in 0..timers {
            pending.push(match told {
                Told::Delay => service.arm(deadline.saturating_duration_since(Instant::now()), &job),
                Told::Moment => service.arm_at(deadline, &job),
            });
        }
        service.settle();
    });
    let in_time = Instant::now() < deadline;
    let ended = countdown.wait();
    // They have run: this only gives back what they hold.
    pending.into_iter().for_each(S::cancel);
    in_time.then(|| ended - deadline)
}
