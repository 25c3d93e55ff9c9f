//! `Semaphore` and `BoundedSemaphore`: the public faces of a [`RawSemaphore`].

mod permit;
mod raw;

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use crate::error::{OverRelease, PermitOverflow};
use crate::primitives::time::Instant;

pub use permit::{ArcPermit, Permit, PermitSource};
use raw::{MAX_PERMITS, RawSemaphore};

mod sealed {
    use core::fmt::Display;

    /// Proof that the caller is this crate.
    #[derive(Clone, Copy, Debug)]
    pub struct Private;

    /// The methods are for this crate alone: they ask for a value that nobody else can name.
    pub trait Sealed {
        type TooMany: Display;

        /// Refuses a demand that can never be met.
        fn check_demand(&self, n: usize, call: &'static str, _: Private);

        /// What a dropped permit does.
        fn give_back(&self, n: usize, _: Private) -> Result<(), Self::TooMany>;
    }
}
use sealed::{Private, Sealed};

/// Counts permits: lets so many threads at a time at something, or counts things that are there to be taken.
///
/// 8 bytes (on 64-bit machines), no allocation. Permits may be added by any thread, also one that never acquired any.
///
/// # Examples
///
/// ```
/// use raddle::Semaphore;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// static PLACES: Semaphore = Semaphore::new(2);
/// static PARKED: AtomicUsize = AtomicUsize::new(0);
///
/// std::thread::scope(|s| {
///     for _ in 0..8 {
///         s.spawn(|| {
///             let _place = PLACES.acquire();
///             let parked = PARKED.fetch_add(1, Ordering::Relaxed) + 1;
///             assert!(parked <= 2);
///             PARKED.fetch_sub(1, Ordering::Relaxed);
///         });
///     }
/// });
/// assert_eq!(PLACES.available_permits(), 2);
/// ```
///
/// # Fairness
///
/// A thread that is awake may take a permit ahead of those that are parked. But once a waiter was woken, found nothing and has been
/// waiting for a millisecond, permits go to the queue, first come, first served, until it has been served. A waiter for many has
/// that from the start: permits are saved up for it, so that a stream of waiters for one does not starve it, and those who come
/// after it wait behind it. (So a demand that cannot be met for long holds everybody up, and a thread that asks for another permit
/// while it holds one can deadlock with it, as with any semaphore that serves in order.)
///
/// # Timeouts
///
/// [`try_acquire_for`](Semaphore::try_acquire_for) and its kin give up at the deadline. A waiter that gives up has taken
/// nothing; one that was granted its permits at that very moment has them. Zero and deadlines in the past do not block; a
/// timeout too long for the clock is none.
///
/// # Panics
///
/// Asking for more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS), which would block for ever. Dropping a [`Permit`] that the
/// semaphore cannot take back.
///
/// # Memory ordering
///
/// Everything before a release happens before everything after an acquire that takes a permit that was released by it, or
/// later.
///
/// # Under loom
///
/// Both outcomes of every timed call are explored. A failing `try_acquire` may have seen a count that is a moment old, as
/// on real hardware.
///
/// # Coming from Python
///
/// `threading.Semaphore`. `acquire(timeout=...)` is [`try_acquire_for`](Semaphore::try_acquire_for), `release(n)` is
/// [`release`](Semaphore::release), `with semaphore:` is the life of a [`Permit`].
///
/// # Differences from `std` and `parking_lot`
///
/// Neither has one. `tokio`'s serves strictly in order, at the cost of a context switch for each permit under contention.
///
/// # How it works
///
/// The chapter `docs/semaphore.md` in the repository.
pub struct Semaphore {
    raw: RawSemaphore,
}

/// A [`Semaphore`] that refuses to go above its initial value, so that a release too many is found where it happens.
///
/// 16 bytes (on 64-bit machines).
///
/// # Examples
///
/// ```
/// use raddle::BoundedSemaphore;
///
/// let semaphore = BoundedSemaphore::new(1);
/// let permit = semaphore.acquire();
/// assert!(semaphore.try_acquire().is_none());
/// drop(permit);
/// assert!(semaphore.release(1).is_err(), "one too many");
/// assert_eq!(semaphore.available_permits(), 1);
/// ```
///
/// # Fairness, Timeouts, Memory ordering, Under loom
///
/// As [`Semaphore`].
///
/// # Panics
///
/// A blocking call that asks for more than the initial value, which would block for ever. Dropping a [`Permit`] that the
/// semaphore cannot take back.
///
/// # Coming from Python
///
/// `threading.BoundedSemaphore`; its `ValueError` is [`OverRelease`].
///
/// # Differences from `std` and `parking_lot`
///
/// Neither has one.
///
/// # How it works
///
/// The chapter `docs/semaphore.md` in the repository.
pub struct BoundedSemaphore {
    raw: RawSemaphore,
    initial: usize,
}

impl Sealed for Semaphore {
    type TooMany = PermitOverflow;

    #[inline]
    fn check_demand(&self, n: usize, call: &'static str, _: Private) {
        assert!(
            n <= MAX_PERMITS,
            "Semaphore::{call}({n}): a semaphore never has more than {MAX_PERMITS} permits"
        );
    }

    #[inline]
    fn give_back(&self, n: usize, _: Private) -> Result<(), PermitOverflow> {
        self.release(n)
    }
}

impl Sealed for BoundedSemaphore {
    type TooMany = OverRelease;

    #[inline]
    fn check_demand(&self, n: usize, call: &'static str, _: Private) {
        let initial = self.initial;
        assert!(
            n <= initial,
            "BoundedSemaphore::{call}({n}): this semaphore never has more than {initial} permits"
        );
    }

    #[inline]
    fn give_back(&self, n: usize, _: Private) -> Result<(), OverRelease> {
        self.release(n)
    }
}

impl Semaphore {
    /// The most permits that a semaphore counts.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    crate::primitives::const_fn! {
        /// With so many permits to begin with.
        ///
        /// # Panics
        ///
        /// If they are more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
        #[inline]
        pub const fn new(permits: usize) -> Semaphore {
            assert!(permits <= MAX_PERMITS, "Semaphore::new: more than Semaphore::MAX_PERMITS permits");
            Semaphore { raw: RawSemaphore::new(permits) }
        }
    }

    /// Adds `n` permits, and wakes waiters for whom they suffice. Any thread may do so.
    ///
    /// # Errors
    ///
    /// [`PermitOverflow`] if there would be more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS); nothing has changed then.
    #[inline]
    pub fn release(&self, n: usize) -> Result<(), PermitOverflow> {
        self.raw.release(n, MAX_PERMITS).map_err(|_| PermitOverflow { permits: n })
    }
}

impl BoundedSemaphore {
    crate::primitives::const_fn! {
        /// With so many permits to begin with, and never more.
        ///
        /// # Panics
        ///
        /// If they are more than [`Semaphore::MAX_PERMITS`].
        #[inline]
        pub const fn new(permits: usize) -> BoundedSemaphore {
            assert!(permits <= MAX_PERMITS, "BoundedSemaphore::new: more than Semaphore::MAX_PERMITS permits");
            BoundedSemaphore { raw: RawSemaphore::new(permits), initial: permits }
        }
    }

    /// Adds `n` permits, and wakes waiters for whom they suffice. Any thread may do so.
    ///
    /// # Errors
    ///
    /// [`OverRelease`] if there would be more than the initial value; nothing has changed then.
    #[inline]
    pub fn release(&self, n: usize) -> Result<(), OverRelease> {
        self.raw.release(n, self.initial).map_err(|_| OverRelease { permits: n, limit: self.initial })
    }

    /// The initial value, above which it never goes.
    #[inline]
    pub fn initial_permits(&self) -> usize {
        self.initial
    }
}

/// The ways to acquire, which the two semaphores share.
macro_rules! ways_to_acquire {
    ($Semaphore:ident) => {
        impl $Semaphore {
            /// Takes a permit; blocks while there is none.
            ///
            /// # Panics
            ///
            /// If there can never be one: on a `BoundedSemaphore` of 0.
            #[inline]
            pub fn acquire(&self) -> Permit<'_, Self> {
                self.check_demand(1, "acquire", Private);
                self.raw.acquire(1);
                Permit::new(self, 1)
            }

            /// Takes `n` permits at once; blocks while there are fewer, and holds none meanwhile.
            ///
            /// # Panics
            ///
            /// If `n` is more than there can ever be.
            #[inline]
            pub fn acquire_many(&self, n: usize) -> Permit<'_, Self> {
                self.check_demand(n, "acquire_many", Private);
                self.raw.acquire(n);
                Permit::new(self, n)
            }

            /// Takes a permit if there is one that is not kept for a waiter. Never blocks.
            #[inline]
            pub fn try_acquire(&self) -> Option<Permit<'_, Self>> {
                self.try_acquire_many(1)
            }

            /// Takes `n` permits if there are as many that are not kept for a waiter. Never blocks.
            #[inline]
            pub fn try_acquire_many(&self, n: usize) -> Option<Permit<'_, Self>> {
                self.raw.try_acquire(n).then(|| Permit::new(self, n))
            }

            /// Takes a permit, or gives up when `timeout` has passed. Zero does not block.
            ///
            /// # Panics
            ///
            /// If there can never be one: on a `BoundedSemaphore` of 0.
            #[doc(alias = "acquire")]
            #[inline]
            pub fn try_acquire_for(&self, timeout: Duration) -> Option<Permit<'_, Self>> {
                self.check_demand(1, "try_acquire_for", Private);
                self.raw.acquire_for(1, timeout).then(|| Permit::new(self, 1))
            }

            /// Takes a permit, or gives up at `deadline`.
            ///
            /// # Panics
            ///
            /// If there can never be one: on a `BoundedSemaphore` of 0.
            #[inline]
            pub fn try_acquire_until(&self, deadline: Instant) -> Option<Permit<'_, Self>> {
                self.check_demand(1, "try_acquire_until", Private);
                self.raw.acquire_until(1, deadline).then(|| Permit::new(self, 1))
            }

            /// Takes `n` permits at once, or gives up when `timeout` has passed. Zero does not block.
            ///
            /// # Panics
            ///
            /// If `n` is more than there can ever be.
            #[inline]
            pub fn try_acquire_many_for(&self, n: usize, timeout: Duration) -> Option<Permit<'_, Self>> {
                self.check_demand(n, "try_acquire_many_for", Private);
                self.raw.acquire_for(n, timeout).then(|| Permit::new(self, n))
            }

            /// Takes `n` permits at once, or gives up at `deadline`.
            ///
            /// # Panics
            ///
            /// If `n` is more than there can ever be.
            #[inline]
            pub fn try_acquire_many_until(&self, n: usize, deadline: Instant) -> Option<Permit<'_, Self>> {
                self.check_demand(n, "try_acquire_many_until", Private);
                self.raw.acquire_until(n, deadline).then(|| Permit::new(self, n))
            }

            /// [`acquire`](Self::acquire), with a permit that keeps the `Arc` and borrows nothing.
            ///
            /// # Panics
            ///
            /// If there can never be one: on a `BoundedSemaphore` of 0.
            #[inline]
            pub fn acquire_arc(self: &Arc<Self>) -> ArcPermit<Self> {
                self.check_demand(1, "acquire_arc", Private);
                self.raw.acquire(1);
                ArcPermit::new(Arc::clone(self), 1)
            }

            /// [`acquire_many`](Self::acquire_many), with a permit that keeps the `Arc`.
            ///
            /// # Panics
            ///
            /// If `n` is more than there can ever be.
            #[inline]
            pub fn acquire_many_arc(self: &Arc<Self>, n: usize) -> ArcPermit<Self> {
                self.check_demand(n, "acquire_many_arc", Private);
                self.raw.acquire(n);
                ArcPermit::new(Arc::clone(self), n)
            }

            /// [`try_acquire`](Self::try_acquire), with a permit that keeps the `Arc`.
            #[inline]
            pub fn try_acquire_arc(self: &Arc<Self>) -> Option<ArcPermit<Self>> {
                self.try_acquire_many_arc(1)
            }

            /// [`try_acquire_many`](Self::try_acquire_many), with a permit that keeps the `Arc`.
            #[inline]
            pub fn try_acquire_many_arc(self: &Arc<Self>, n: usize) -> Option<ArcPermit<Self>> {
                self.raw.try_acquire(n).then(|| ArcPermit::new(Arc::clone(self), n))
            }

            /// [`try_acquire_for`](Self::try_acquire_for), with a permit that keeps the `Arc`.
            ///
            /// # Panics
            ///
            /// If there can never be one: on a `BoundedSemaphore` of 0.
            #[inline]
            pub fn try_acquire_arc_for(self: &Arc<Self>, timeout: Duration) -> Option<ArcPermit<Self>> {
                self.check_demand(1, "try_acquire_arc_for", Private);
                self.raw.acquire_for(1, timeout).then(|| ArcPermit::new(Arc::clone(self), 1))
            }

            /// [`try_acquire_until`](Self::try_acquire_until), with a permit that keeps the `Arc`.
            ///
            /// # Panics
            ///
            /// If there can never be one: on a `BoundedSemaphore` of 0.
            #[inline]
            pub fn try_acquire_arc_until(self: &Arc<Self>, deadline: Instant) -> Option<ArcPermit<Self>> {
                self.check_demand(1, "try_acquire_arc_until", Private);
                self.raw.acquire_until(1, deadline).then(|| ArcPermit::new(Arc::clone(self), 1))
            }

            /// [`try_acquire_many_for`](Self::try_acquire_many_for), with a permit that keeps the `Arc`.
            ///
            /// # Panics
            ///
            /// If `n` is more than there can ever be.
            #[inline]
            pub fn try_acquire_many_arc_for(
                self: &Arc<Self>,
                n: usize,
                timeout: Duration,
            ) -> Option<ArcPermit<Self>> {
                self.check_demand(n, "try_acquire_many_arc_for", Private);
                self.raw.acquire_for(n, timeout).then(|| ArcPermit::new(Arc::clone(self), n))
            }

            /// [`try_acquire_many_until`](Self::try_acquire_many_until), with a permit that keeps the `Arc`.
            ///
            /// # Panics
            ///
            /// If `n` is more than there can ever be.
            #[inline]
            pub fn try_acquire_many_arc_until(
                self: &Arc<Self>,
                n: usize,
                deadline: Instant,
            ) -> Option<ArcPermit<Self>> {
                self.check_demand(n, "try_acquire_many_arc_until", Private);
                self.raw.acquire_until(n, deadline).then(|| ArcPermit::new(Arc::clone(self), n))
            }

            /// How many permits there are, those that are being saved up for a waiter included. By the time you read the answer it
            /// may have changed.
            #[inline]
            #[must_use]
            pub fn available_permits(&self) -> usize {
                self.raw.available_permits()
            }
        }

        impl fmt::Debug for $Semaphore {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Semaphore))
                    .field("available_permits", &self.available_permits())
                    .finish_non_exhaustive()
            }
        }
    };
}

ways_to_acquire!(Semaphore);
ways_to_acquire!(BoundedSemaphore);
