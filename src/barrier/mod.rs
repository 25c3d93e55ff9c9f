//! `Barrier`: the public face of a [`RawBarrier`], and its action.

mod raw;

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use crate::deadline::Deadline;
use crate::error::BrokenBarrier;
use crate::primitives::time::Instant;

use raw::{Arrived, MAX_PARTIES, RawBarrier};

/// Lets so many threads wait for each other, again and again.
///
/// # Examples
///
/// ```
/// use raddle::Barrier;
///
/// let barrier = Barrier::new(4);
/// let mut seen: Vec<usize> = std::thread::scope(|s| {
///     let threads: Vec<_> = (0..4).map(|_| s.spawn(|| barrier.wait().unwrap().index)).collect();
///     threads.into_iter().map(|thread| thread.join().unwrap()).collect()
/// });
/// seen.sort();
/// assert_eq!(seen, [0, 1, 2, 3]);
/// ```
///
/// # Fairness
///
/// All are released at once. Threads beyond the number of parties make up the next round.
///
/// With no more parties than processors, a thread that waits stays awake for a microsecond first; and for up to some 80, while nobody else wants its processor, as long as
/// the others mostly come in that time.
///
/// # Timeouts
///
/// A timeout breaks the barrier for all, since the round can no longer be complete: everybody who waits, and everybody who
/// comes until it is [`reset`](Barrier::reset), gets [`BrokenBarrier`]. Once all have arrived the round is complete, and no
/// timeout breaks it; a thread then waits for the action to end, past its deadline if need be. Before that, a thread that
/// comes while an action or a reset is going on waits for it to end, whatever its timeout.
///
/// # Panics
///
/// `new` with no parties. A panic in the action goes to the thread that ran it, and breaks the barrier for all others.
///
/// # Memory ordering
///
/// Everything that any party did before it arrived happens before the action, and that before everything that any party does
/// after it was released. A wait that fails orders nothing.
///
/// # Under loom
///
/// Both outcomes of every timed wait are explored.
///
/// # Coming from Python
///
/// `threading.Barrier`; its `BrokenBarrierError` is [`BrokenBarrier`]. The action goes to
/// [`with_action`](Barrier::with_action), and a timeout to each wait. An [`abort`](Barrier::abort) or [`reset`](Barrier::reset)
/// while the action runs breaks that round for all, the thread that ran the action included; in Python, where the action runs
/// under the barrier's lock, it would come after the round.
///
/// # Differences from `std` and `parking_lot`
///
/// `std::sync::Barrier` has neither timeouts nor an action, and cannot be aborted or reset. `parking_lot` has none.
///
/// # How it works
///
/// The chapter `docs/barrier.md` in the repository.
pub struct Barrier {
    raw: RawBarrier,
    parties: usize,
    action: Option<Box<dyn Fn() + Send + Sync>>,
}

// A panicking action leaves the barrier broken, and says so to everybody who comes: the state that it may have torn is the
// action's own.
impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

/// What a thread learns when a [`Barrier`] lets it go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Arrival {
    /// In which order it arrived: each of `0..parties` goes to one thread of the round.
    pub index: usize,
    /// Whether it was the last to arrive, the one that ran the action: true for one thread of the round.
    pub is_leader: bool,
}

impl Barrier {
    crate::primitives::const_fn! {
        /// A barrier that waits for so many parties.
        ///
        /// # Panics
        ///
        /// If there are none, or more than 2^28 - 1.
        pub const fn new(parties: usize) -> Barrier {
            assert!(parties > 0, "Barrier::new(0): a barrier needs at least one party");
            assert!(parties <= MAX_PARTIES, "Barrier::new: more parties than a barrier can count");
            Barrier { raw: RawBarrier::new(), parties, action: None }
        }
    }

    /// A barrier whose last arrival runs `action` before anybody is released. It runs under no lock of the barrier; it must not
    /// wait at this very barrier.
    ///
    /// ```
    /// use raddle::Barrier;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let rounds = Arc::new(AtomicU32::new(0));
    /// let barrier = Barrier::with_action(1, {
    ///     let rounds = Arc::clone(&rounds);
    ///     move || {
    ///         rounds.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// barrier.wait().unwrap();
    /// barrier.wait().unwrap();
    /// assert_eq!(rounds.load(Ordering::Relaxed), 2);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`new`](Barrier::new).
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn with_action(parties: usize, action: impl Fn() + Send + Sync + 'static) -> Barrier {
        Barrier { action: Some(Box::new(action)), ..Barrier::new(parties) }
    }

    /// Arrives, and blocks until all parties have.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrier`] if the barrier is broken, or breaks or is reset while this thread waits.
    ///
    /// # Panics
    ///
    /// If this thread is the last to arrive and the action panics.
    pub fn wait(&self) -> Result<Arrival, BrokenBarrier> {
        self.wait_deadline(Deadline::Never)
    }

    /// [`wait`](Barrier::wait), for `timeout` at most: then the barrier breaks, for all. Zero breaks it at once, unless this is
    /// the last to arrive.
    ///
    /// # Errors
    ///
    /// As [`wait`](Barrier::wait), and when the timeout has passed.
    ///
    /// # Panics
    ///
    /// As [`wait`](Barrier::wait).
    pub fn wait_for(&self, timeout: Duration) -> Result<Arrival, BrokenBarrier> {
        self.wait_deadline(Deadline::after(timeout))
    }

    /// [`wait`](Barrier::wait), until `deadline` at most: then the barrier breaks, for all.
    ///
    /// # Errors
    ///
    /// As [`wait`](Barrier::wait), and when the deadline has passed.
    ///
    /// # Panics
    ///
    /// As [`wait`](Barrier::wait).
    pub fn wait_until(&self, deadline: Instant) -> Result<Arrival, BrokenBarrier> {
        self.wait_deadline(Deadline::At(deadline))
    }

    /// Makes it as new. If threads wait, they get [`BrokenBarrier`], and those who come meanwhile wait until the last of them has
    /// left.
    pub fn reset(&self) {
        self.raw.reset();
    }

    /// Breaks the barrier: everybody who waits, and everybody who comes until it is [`reset`](Barrier::reset), gets
    /// [`BrokenBarrier`].
    pub fn abort(&self) {
        self.raw.abort();
    }

    /// How many threads it takes.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many threads have arrived in this round: 0 if the barrier is broken.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.raw.n_waiting()
    }

    /// Whether the barrier is broken.
    #[doc(alias = "broken")]
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.raw.is_broken()
    }

    fn wait_deadline(&self, deadline: Deadline) -> Result<Arrival, BrokenBarrier> {
        match self.raw.arrive(self.parties, self.action.is_some())? {
            Arrived::Early(ticket) => {
                self.raw.wait(ticket, self.parties, deadline)?;
                Ok(Arrival { index: ticket.index, is_leader: false })
            }
            Arrived::Last(ticket) => Ok(Arrival { index: ticket.index, is_leader: true }),
            Arrived::LastBeforeAction(ticket) => {
                self.run_action()?;
                Ok(Arrival { index: ticket.index, is_leader: true })
            }
        }
    }

    #[cold]
    fn run_action(&self) -> Result<(), BrokenBarrier> {
        /// Breaks the barrier if the action panics.
        struct FailUnlessFinished<'a>(&'a RawBarrier);

        impl Drop for FailUnlessFinished<'_> {
            fn drop(&mut self) {
                self.0.fail_action();
            }
        }

        let unless_finished = FailUnlessFinished(&self.raw);
        if let Some(action) = &self.action {
            action();
        }
        core::mem::forget(unless_finished);
        self.raw.finish_action()
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("n_waiting", &self.n_waiting())
            .field("broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}
