//! The workloads of the semaphore.

use std::sync::OnceLock;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use tokio::runtime::{Builder, Runtime};

use crate::contenders;
use crate::harness::Workload;
use crate::monitor::{Monitor, Side};
use crate::team::{repeat, together, work};

/// A semaphore.
pub trait Counting: Send + Sync + 'static {
    const NAME: &'static str;

    fn new(permits: u32) -> Self;
    /// Calls `f` with one permit.
    fn with<R>(&self, f: impl FnOnce() -> R) -> R;
    /// Takes a permit for good.
    fn take(&self);
    /// Adds a permit.
    fn give(&self);
}

/// One that gives out several permits at once.
pub trait CountingMany: Counting {
    /// Calls `f` with so many permits.
    fn with_many<R>(&self, n: u32, f: impl FnOnce() -> R) -> R;
}

pub type Raddle = raddle::Semaphore;
pub type Tokio = tokio::sync::Semaphore;
pub type AsyncLock = async_lock::Semaphore;
#[cfg(target_os = "linux")]
pub type SemT = crate::posix::Semaphore;
/// A counter behind a mutex, and a condition.
pub struct Std(crate::monitor::Std);

impl Counting for Raddle {
    const NAME: &'static str = "raddle";

    fn new(permits: u32) -> Self {
        Raddle::new(permits as usize)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _permit = self.acquire();
        f()
    }

    #[inline]
    fn take(&self) {
        self.acquire().forget();
    }

    #[inline]
    fn give(&self) {
        self.release(1).expect("there are few permits");
    }
}

impl CountingMany for Raddle {
    #[inline]
    fn with_many<R>(&self, n: u32, f: impl FnOnce() -> R) -> R {
        let _permits = self.acquire_many(n as usize);
        f()
    }
}

/// A runtime only for who has to wait: it does nothing but park the calling thread.
fn tokio_runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().build().expect("tokio's runtime starts"))
}

/// Blocks only if there is none.
#[inline]
fn tokio_permit(semaphore: &Tokio) -> tokio::sync::SemaphorePermit<'_> {
    semaphore.try_acquire().unwrap_or_else(|_| {
        tokio_runtime().handle().block_on(semaphore.acquire()).expect("it is never closed")
    })
}

impl Counting for Tokio {
    const NAME: &'static str = "tokio";

    fn new(permits: u32) -> Self {
        Tokio::new(permits as usize)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _permit = tokio_permit(self);
        f()
    }

    #[inline]
    fn take(&self) {
        tokio_permit(self).forget();
    }

    #[inline]
    fn give(&self) {
        self.add_permits(1);
    }
}

impl CountingMany for Tokio {
    #[inline]
    fn with_many<R>(&self, n: u32, f: impl FnOnce() -> R) -> R {
        let _permits = self.try_acquire_many(n).unwrap_or_else(|_| {
            tokio_runtime().handle().block_on(self.acquire_many(n)).expect("it is never closed")
        });
        f()
    }
}

impl Counting for AsyncLock {
    const NAME: &'static str = "async-lock";

    fn new(permits: u32) -> Self {
        AsyncLock::new(permits as usize)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _permit = self.acquire_blocking();
        f()
    }

    #[inline]
    fn take(&self) {
        self.acquire_blocking().forget();
    }

    #[inline]
    fn give(&self) {
        self.add_permits(1);
    }
}

#[cfg(target_os = "linux")]
impl Counting for SemT {
    const NAME: &'static str = "sem_t";

    fn new(permits: u32) -> Self {
        SemT::new(permits)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        self.take();
        let result = f();
        self.give();
        result
    }

    #[inline]
    fn take(&self) {
        self.wait();
    }

    #[inline]
    fn give(&self) {
        self.post();
    }
}

impl Counting for Std {
    const NAME: &'static str = "std";

    fn new(permits: u32) -> Self {
        Std(Monitor::new(permits.into()))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        self.take();
        let result = f();
        self.give();
        result
    }

    #[inline]
    fn take(&self) {
        self.0.when(Side::There, |permits| *permits == 0, |permits| *permits -= 1);
    }

    #[inline]
    fn give(&self) {
        self.0.with(|permits| *permits += 1);
        self.0.notify_one(Side::There);
    }
}

impl CountingMany for Std {
    /// Only for who is alone: those who wait for fewer would have to be notified too.
    #[inline]
    fn with_many<R>(&self, n: u32, f: impl FnOnce() -> R) -> R {
        let n = u64::from(n);
        self.0.when(Side::There, |permits| *permits < n, |permits| *permits -= n);
        let result = f();
        self.0.with(|permits| *permits += n);
        self.0.notify_all(Side::There);
        result
    }
}

/// All semaphores.
macro_rules! all {
    ($P:ident => $sample:expr) => {
        contenders!(
            new,
            [
                Raddle,
                Tokio,
                AsyncLock,
                #[cfg(target_os = "linux")]
                SemT,
                Std
            ],
            $P => $sample
        )
    };
}

/// With how many steps of work a permit is held.
const INSIDE: u64 = 100;

/// All workloads of the semaphore.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        Workload::new(
            "semaphore/lone",
            "pair",
            1,
            "one acquire and release of the only permit; nobody else is there",
            all!(P => lone::<P>),
        ),
        Workload::new(
            "semaphore/many",
            "pair",
            1,
            "one acquire of three permits at once, and their release; nobody else is there",
            contenders!(new, [Raddle, Tokio, Std], P => many::<P>),
        )
        .without("async-lock: gives out one permit at a time")
        .without("sem_t: gives out one permit at a time"),
        Workload::new(
            "semaphore/8/2",
            "pair",
            8,
            "one acquire, some work and release by one of 8 threads, for which there are 2 permits",
            all!(P => |pairs| contended::<P>(8, 2, INSIDE, pairs)),
        ),
        Workload::new(
            "semaphore/round-trip",
            "round trip",
            1,
            "two threads, a semaphore for each: it takes the permit of its own, and adds one to the other's",
            all!(P => round_trip::<P>),
        ),
    ]
}

fn lone<S: Counting>(pairs: u64) -> Duration {
    let semaphore = CachePadded::new(S::new(1));
    repeat(pairs, || semaphore.with(|| ()))
}

fn many<S: CountingMany>(pairs: u64) -> Duration {
    let semaphore = CachePadded::new(S::new(3));
    repeat(pairs, || semaphore.with_many(3, || ()))
}

fn round_trip<S: Counting>(round_trips: u64) -> Duration {
    let semaphores = [1, 0].map(|permits| CachePadded::new(S::new(permits)));
    let (took, _) = together(0..2, |seat: usize| {
        for _ in 0..round_trips {
            semaphores[seat].take();
            semaphores[1 - seat].give();
        }
    });
    took
}

/// So many pairs in all, in even and fixed shares.
#[must_use]
pub fn contended<S: Counting>(threads: u64, permits: u32, inside: u64, pairs: u64) -> Duration {
    let semaphore = CachePadded::new(S::new(permits));
    let (took, _) = together(0..threads, |_| {
        for _ in 0..pairs / threads {
            semaphore.with(|| work(inside));
        }
    });
    took
}
