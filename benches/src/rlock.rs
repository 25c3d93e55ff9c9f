//! The workloads of the re-entrant lock. (That of std is not stable yet.)

use std::cell::Cell;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::contenders;
use crate::harness::Workload;
use crate::team::repeat;

/// A re-entrant lock with a number behind it.
pub trait Reentrant: Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> Self;
    /// Calls `f` with the lock held, again if it is already.
    fn with<R>(&self, f: impl FnOnce(&Cell<u64>) -> R) -> R;
}

pub type Raddle = raddle::RLock<Cell<u64>>;
pub type ParkingLot = parking_lot::ReentrantMutex<Cell<u64>>;
#[cfg(target_os = "linux")]
pub type Pthread = crate::posix::RecursiveMutex<Cell<u64>>;

impl Reentrant for Raddle {
    const NAME: &'static str = "raddle";

    fn new() -> Self {
        Raddle::new(Cell::new(0))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&Cell<u64>) -> R) -> R {
        f(&self.lock())
    }
}

impl Reentrant for ParkingLot {
    const NAME: &'static str = "parking_lot";

    fn new() -> Self {
        ParkingLot::new(Cell::new(0))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&Cell<u64>) -> R) -> R {
        f(&self.lock())
    }
}

#[cfg(target_os = "linux")]
impl Reentrant for Pthread {
    const NAME: &'static str = "pthread";

    fn new() -> Self {
        Pthread::new(Cell::new(0))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&Cell<u64>) -> R) -> R {
        self.with(f)
    }
}

/// All re-entrant locks.
macro_rules! all {
    ($P:ident => $sample:expr) => {
        contenders!(
            new,
            [
                Raddle,
                ParkingLot,
                #[cfg(target_os = "linux")]
                Pthread
            ],
            $P => $sample
        )
    };
}

/// All workloads of the re-entrant lock.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let first = "one lock and unlock of a lock that nobody holds";
    let nested = "one lock and unlock of a lock that this thread holds already";
    vec![
        Workload::new("rlock/first", "pair", 1, first, all!(P => first_level::<P>)),
        Workload::new("rlock/nested", "pair", 1, nested, all!(P => nested_level::<P>)),
    ]
}

fn first_level<L: Reentrant>(pairs: u64) -> Duration {
    let lock = CachePadded::new(L::new());
    counted(&*lock, pairs)
}

fn nested_level<L: Reentrant>(pairs: u64) -> Duration {
    let lock = CachePadded::new(L::new());
    lock.with(|_| counted(&*lock, pairs))
}

fn counted<L: Reentrant>(lock: &L, pairs: u64) -> Duration {
    let took = repeat(pairs, || lock.with(|count| count.set(count.get() + 1)));
    assert_eq!(lock.with(Cell::get), pairs, "{} lost a count", L::NAME);
    took
}
