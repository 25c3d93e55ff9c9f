//! The workloads of the barrier.

use std::time::Duration;

use crate::contenders;
use crate::harness::Workload;
use crate::team::together;

/// A barrier. Each thread has a seat at it.
pub trait Meeting: 'static {
    const NAME: &'static str;
    type Seat<'a>: Send;

    fn new(parties: u32) -> Self;
    fn seat(&self) -> Self::Seat<'_>;
    fn wait(seat: &mut Self::Seat<'_>);
}

macro_rules! meeting {
    ($type:ty, $name:literal, $count:ty, |$seat:ident| $wait:expr) => {
        impl Meeting for $type {
            const NAME: &'static str = $name;
            type Seat<'a> = &'a Self;

            fn new(parties: u32) -> Self {
                <$type>::new(parties as $count)
            }

            fn seat(&self) -> &Self {
                self
            }

            #[inline]
            fn wait($seat: &mut &Self) {
                $wait
            }
        }
    };
}

type Raddle = raddle::Barrier;
type Std = std::sync::Barrier;
#[cfg(target_os = "linux")]
type Pthread = crate::posix::Barrier;
type Hurdles = hurdles::Barrier;

meeting!(Raddle, "raddle", usize, |seat| {
    seat.wait().expect("nobody breaks it");
});
meeting!(Std, "std", usize, |seat| {
    seat.wait();
});
#[cfg(target_os = "linux")]
meeting!(Pthread, "pthread", u32, |seat| seat.wait());

/// It spins, and parks nobody.
impl Meeting for Hurdles {
    const NAME: &'static str = "hurdles";
    type Seat<'a> = Self;

    fn new(parties: u32) -> Self {
        Hurdles::new(parties as usize)
    }

    fn seat(&self) -> Self {
        self.clone()
    }

    #[inline]
    fn wait(seat: &mut Self) {
        seat.wait();
    }
}

/// All barriers.
macro_rules! all {
    ($P:ident => $sample:expr) => {
        contenders!(
            new,
            [
                Raddle,
                Std,
                Hurdles,
                #[cfg(target_os = "linux")]
                Pthread
            ],
            $P => $sample
        )
    };
}

/// All workloads of the barrier.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    [2, 8]
        .map(|threads| {
            let about = format!("one round: each of {threads} threads has waited, and is let go");
            let contenders = all!(P => move |rounds| rounds_of::<P>(threads, rounds));
            Workload::new(format!("barrier/{threads}"), "round", 1, about, contenders)
        })
        .into()
}

fn rounds_of<M: Meeting>(threads: u32, rounds: u64) -> Duration {
    let barrier = M::new(threads);
    let (took, _) = together((0..threads).map(|_| barrier.seat()), |mut seat| {
        for _ in 0..rounds {
            M::wait(&mut seat);
        }
    });
    took
}
