//! The workloads of the event.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use event_listener::Listener;
use rsevents::{Awaitable, EventState, ManualResetEvent};

use crate::contenders;
use crate::harness::Workload;
use crate::monitor::{self, Monitor, Side};
use crate::team::{repeat_short, together};

/// An event that stays set until it is cleared.
pub trait Signal: Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> Self;
    fn set(&self);
    fn clear(&self);
    fn is_set(&self) -> bool;
    fn wait(&self);
}

pub type Raddle = raddle::Event;
pub type Rsevents = ManualResetEvent;
pub type Std = OnMonitor<monitor::Std>;
pub type ParkingLot = OnMonitor<monitor::ParkingLot>;

impl Signal for Raddle {
    const NAME: &'static str = "raddle";

    fn new() -> Self {
        Raddle::new()
    }

    #[inline]
    fn set(&self) {
        self.set();
    }

    #[inline]
    fn clear(&self) {
        self.clear();
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.is_set()
    }

    #[inline]
    fn wait(&self) {
        self.wait();
    }
}

/// A flag, as its documentation shows.
pub struct EventListener {
    is_set: AtomicBool,
    changed: event_listener::Event,
}

impl Signal for EventListener {
    const NAME: &'static str = "event-listener";

    fn new() -> Self {
        EventListener { is_set: AtomicBool::new(false), changed: event_listener::Event::new() }
    }

    #[inline]
    fn set(&self) {
        // Sequentially consistent, as in its documentation; so in `wait`.
        self.is_set.store(true, Ordering::SeqCst);
        self.changed.notify(usize::MAX);
    }

    #[inline]
    fn clear(&self) {
        self.is_set.store(false, Ordering::SeqCst);
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.is_set.load(Ordering::SeqCst)
    }

    #[inline]
    fn wait(&self) {
        while !self.is_set() {
            let listener = self.changed.listen();
            if !self.is_set() {
                listener.wait();
            }
        }
    }
}

impl Signal for Rsevents {
    const NAME: &'static str = "rsevents";

    fn new() -> Self {
        ManualResetEvent::new(EventState::Unset)
    }

    #[inline]
    fn set(&self) {
        self.set();
    }

    #[inline]
    fn clear(&self) {
        self.reset();
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.wait0()
    }

    /// Its `set` unparks after it has set the flag, so that one that has let a thread pass may end that thread's next wait
    /// as well: once in a million round trips its `wait` returns though nobody has set the event since it was cleared.
    #[inline]
    fn wait(&self) {
        while !self.wait0() {
            Awaitable::wait(self);
        }
    }
}

/// A flag behind a lock, and a condition.
pub struct OnMonitor<M>(M);

impl<M: Monitor> Signal for OnMonitor<M> {
    const NAME: &'static str = M::NAME;

    fn new() -> Self {
        OnMonitor(M::new(0))
    }

    #[inline]
    fn set(&self) {
        self.0.with(|flag| *flag = 1);
        self.0.notify_all(Side::There);
    }

    #[inline]
    fn clear(&self) {
        self.0.with(|flag| *flag = 0);
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.0.with(|flag| *flag == 1)
    }

    #[inline]
    fn wait(&self) {
        self.0.when(Side::There, |flag| *flag == 0, |_| ());
    }
}

/// All events.
macro_rules! all {
    ($P:ident => $sample:expr) => {
        contenders!(new, [Raddle, EventListener, Rsevents, Std, ParkingLot], $P => $sample)
    };
}

/// So many threads wait for a broadcast.
const WAITERS: u64 = 16;

/// All workloads of the event.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        Workload::new("event/is_set", "call", 1, "one look at an event that is set", all!(P => is_set::<P>)),
        Workload::new("event/wait", "call", 1, "one wait for an event that is set", all!(P => wait::<P>)),
        Workload::new(
            "event/round-trip",
            "round trip",
            1,
            "two threads, an event for each: it waits for its own, clears it, and sets the other's",
            all!(P => round_trip::<P>),
        ),
        Workload::new(
            format!("event/broadcast/{WAITERS}"),
            "broadcast",
            1,
            format!("one set, until each of {WAITERS} threads has waited for it and the last has answered"),
            all!(P => broadcast::<P>),
        ),
    ]
}

fn is_set<S: Signal>(calls: u64) -> Duration {
    let event = CachePadded::new(S::new());
    event.set();
    repeat_short(calls, || {
        black_box(event.is_set());
    })
}

fn wait<S: Signal>(calls: u64) -> Duration {
    let event = CachePadded::new(S::new());
    event.set();
    repeat_short(calls, || event.wait())
}

fn round_trip<S: Signal>(round_trips: u64) -> Duration {
    let events = [(); 2].map(|()| CachePadded::new(S::new()));
    events[0].set();
    let (took, _) = together(0..2, |seat: usize| {
        for _ in 0..round_trips {
            events[seat].wait();
            events[seat].clear();
            events[1 - seat].set();
        }
    });
    assert!(events[0].is_set(), "{} lost a turn", S::NAME);
    took
}

/// Two events in turn, so that nobody waits for the one that is cleared.
fn broadcast<S: Signal>(broadcasts: u64) -> Duration {
    let events = [(); 2].map(|()| CachePadded::new(S::new()));
    let answer = CachePadded::new(S::new());
    let passed = CachePadded::new(AtomicU64::new(0));
    let (took, _) = together(0..=WAITERS, |seat| {
        for round in 0..broadcasts {
            let event = &events[(round % 2) as usize];
            if seat == 0 {
                event.set();
                answer.wait();
                answer.clear();
            } else {
                event.wait();
                // The last one clears it: whatever the others have done has happened by then.
                if passed.fetch_add(1, Ordering::AcqRel) + 1 == (round + 1) * WAITERS {
                    event.clear();
                    answer.set();
                }
            }
        }
    });
    took
}
