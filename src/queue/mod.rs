//! `JoinableQueue`, `LifoQueue` and `PriorityQueue`: three stores behind one way of blocking, joining and shutting down.
//!
//! | file        | what is in it                                                                                  |
//! |-------------|------------------------------------------------------------------------------------------------|
//! | `raw.rs`    | positions, the two lines of waiting threads, the count of what is done. No items               |
//! | `store.rs`  | what a store has to do                                                                         |
//! | `ring.rs`   | the bounded FIFO: slots with sequence numbers                                                  |
//! | `list.rs`   | the unbounded FIFO: linked blocks                                                              |
//! | `fifo.rs`   | one of the two                                                                                 |
//! | `stack.rs`  | last in, first out                                                                             |
//! | `heap.rs`   | lowest first                                                                                   |
//! | `shared.rs` | a raw queue and a store: what the public types do, written once                                |
//! | `job.rs`    | what comes out of a queue: jobs and iterators                                                  |

mod fifo;
mod heap;
mod job;
mod list;
mod lobby;
mod raw;
mod ring;
mod shared;
mod stack;
mod store;

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;
use std::sync::Arc;

pub use self::job::{ArcIter, ArcJob, IntoIter, Iter, Job, Queue};

use self::fifo::Fifo;
use self::heap::PriorityStore;
use self::raw::{Laps, RawQueue, Side};
use self::shared::Shared;
use self::stack::Stack;
use crate::deadline::Deadline;
use crate::error::{GetError, PutError, TaskDoneTooOften, TryGetError, TryPutError};
use crate::primitives::time::Instant;

/// The number of the lap that queues begin with.
const FIRST_LAP: u64 = 0;

/// Hands items from thread to thread, first in, first out, and knows when all of them are done with.
///
/// Bounded queues block [`put`](JoinableQueue::put) while they are full. Whoever got an item says
/// [`task_done`](JoinableQueue::task_done) when it is finished with it (a [`Job`] says so by itself);
/// [`join`](JoinableQueue::join) waits until that has been said of every item. Share it by reference, or in an `Arc`.
/// [`LifoQueue`] and [`PriorityQueue`] do the same in another order.
///
/// # Examples
///
/// ```
/// use raddle::JoinableQueue;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let queue = JoinableQueue::bounded(10);
/// let eaten = AtomicU32::new(0);
/// std::thread::scope(|s| {
///     for _ in 0..2 {
///         s.spawn(|| {
///             while let Ok(bun) = queue.get_job() {
///                 eaten.fetch_add(*bun, Ordering::Relaxed);
///             }
///         });
///     }
///     for bun in 1..=100 {
///         queue.put(bun).unwrap();
///     }
///     queue.join();
///     assert_eq!(eaten.load(Ordering::Relaxed), 5050);
///     queue.shutdown();
/// });
/// ```
///
/// # Fairness
///
/// Items come out in the order in which they were put; those of one putter, in its order. Waiting getters, and waiting putters, are
/// served first come, first served, but for threads that are awake, which may be faster than one that is just being woken. A
/// waiter that was woken, found nothing and has waited for a millisecond is served before all who come later: an item (or the
/// room) is left to it.
///
/// # Timeouts
///
/// One deadline holds across all retries of a call. A call that gives up has its item back, or got none.
///
/// # Panics
///
/// `bounded(0)`. No other call panics. If the destructor of an item panics while the queue is dropped, the other items are
/// dropped nevertheless.
///
/// # Memory ordering
///
/// Everything before a put happens before everything after the get of that item; everything before a `task_done` happens
/// before everything after the `join` that it ends; everything before a shutdown happens before everything after a call that
/// fails because of it.
///
/// # Under loom
///
/// Both outcomes of every timed call are explored. The blocks of an unbounded queue hold two items.
///
/// # Speed and size
///
/// A put is one read-modify-write, and so is a get; nobody is woken unless somebody is parked. A bounded queue allocates its slots
/// when it is made, and nothing after that; with more than 65,536 of them it is a list with a limit instead, and grows as
/// it is filled. An unbounded queue allocates a block for 31 items at a time, and gives each block back when its items have been
/// got, but for three that it keeps for later: so while a few items at a time go through it, it doesn't allocate. What is left of an empty queue is up to four blocks,
/// and one for each getter that is stalled while it takes its item out.
///
/// A thread that has to wait stays awake for a few microseconds first. While nobody else wants its processor, that is up to some 80 microseconds, as long as those who wait there
/// are mostly served in that time: where a wake-up is slow, a park for each item would cost many times as much. A thread that waits for longer is parked.
///
/// # Coming from `crossbeam-channel`
///
/// There is one object instead of a sender and a receiver. Share it as `&JoinableQueue` between scoped threads, or as
/// `Arc<JoinableQueue>`. A queue doesn't end when the last sender is dropped: somebody says [`shutdown`](JoinableQueue::shutdown).
///
/// | `crossbeam-channel`                       | here                                                                      |
/// |-------------------------------------------|---------------------------------------------------------------------------|
/// | `bounded(n)`, `unbounded()`               | the same; `bounded(0)`, a rendezvous, is not a queue                       |
/// | `send`, `try_send`, `send_timeout`, `send_deadline`  | `put`, `try_put`, `try_put_for`, `try_put_until`                |
/// | `recv`, `try_recv`, `recv_timeout`, `recv_deadline`  | `get`, `try_get`, `try_get_for`, `try_get_until`                |
/// | all senders dropped                       | `shutdown`: puts fail, gets drain the queue, and then fail                 |
/// | all receivers dropped                     | `shutdown_now`, which gives the items back                                 |
/// | `rx.iter()`, `for x in rx`                | `queue.iter()`, `for x in &queue`; `iter_arc` for a thread of its own      |
/// | `rx.try_iter()`                           | `std::iter::from_fn(\|\| queue.try_get().ok())`                            |
/// | an `AtomicUsize` and a `WaitGroup`, to know when all is done | `get_job` and `join`                                    |
/// | `select!`                                 | no. One queue of an enum, or a thread for each queue                       |
///
/// ```
/// use raddle::JoinableQueue;
/// use std::sync::Arc;
///
/// let queue = Arc::new(JoinableQueue::bounded(16));
/// let worker = std::thread::spawn({
///     let items = queue.iter_arc();
///     move || items.sum::<u32>()
/// });
/// for number in 1..=100 {
///     queue.put(number).unwrap();
/// }
/// queue.shutdown();
/// assert_eq!(worker.join().unwrap(), 5050);
/// ```
///
/// # Coming from Python
///
/// `queue.Queue` and `multiprocessing.JoinableQueue`.
///
/// | Python                                    | here                                                                      |
/// |-------------------------------------------|---------------------------------------------------------------------------|
/// | `Queue(maxsize)`, `Queue()`               | `bounded(maxsize)`, `unbounded()`                                          |
/// | `q.put(x)`, `q.put_nowait(x)`, `q.put(x, timeout=t)` | `put`, `try_put`, `try_put_for`                                 |
/// | `q.get()`, `q.get_nowait()`, `q.get(timeout=t)`      | `get`, `try_get`, `try_get_for`                                 |
/// | `queue.Full`, `queue.Empty`, `queue.ShutDown`        | `TryPutError::Full`, `TryGetError::Empty`, `ShutDown` of both; the item that was not put is in the error |
/// | `q.task_done()`, and its `ValueError`     | `task_done`, and its [`TaskDoneTooOften`]; better, `get_job`               |
/// | `q.join()`                                | `join`, and with a timeout `join_for`                                      |
/// | `q.qsize()`, `q.empty()`, `q.full()`      | `len`, `is_empty`, `is_full`                                               |
/// | `q.unfinished_tasks`                      | `unfinished`                                                               |
/// | `q.shutdown()`, `q.shutdown(immediate=True)` | `shutdown`, `shutdown_now`                                              |
/// | a `None` for each consumer                | the same with `Option<T>`; or `shutdown`                                   |
///
/// # Differences from `std` and `parking_lot`
///
/// `std::sync::mpsc` has one receiver, and neither `join` nor a shutdown.
///
/// # How it works
///
/// The chapter `docs/queues.md` in the repository.
pub struct JoinableQueue<T> {
    shared: Shared<Fifo<T>>,
}

/// A [`JoinableQueue`] that gives out the item put last.
///
/// # Examples
///
/// ```
/// use raddle::LifoQueue;
///
/// let queue = LifoQueue::unbounded();
/// for page in ["first", "second", "third"] {
///     queue.put(page).unwrap();
/// }
/// queue.shutdown();
/// let order: Vec<_> = queue.iter().collect();
/// assert_eq!(order, ["third", "second", "first"]);
/// ```
///
/// # Fairness, timeouts, panics, memory ordering, under loom
///
/// As for [`JoinableQueue`]. The items stand in a vector behind a lock, which is held for a move of one item; or of all, when the vector
/// grows, or shrinks to what is needed. An item at the bottom may stay there for as long as others come.
///
/// # Coming from Python
///
/// `queue.LifoQueue`.
///
/// # Differences from `std` and `parking_lot`
///
/// They have none.
///
/// # How it works
///
/// The chapter `docs/queues.md` in the repository.
pub struct LifoQueue<T> {
    shared: Shared<Stack<T>>,
}

/// A [`JoinableQueue`] that gives out the lowest item first; among equals, the one put first.
///
/// For "highest first", put [`std::cmp::Reverse`]. For a priority and data that can't be compared, give the pair an [`Ord`] that looks
/// at the priority alone: order among equals is kept, so no number needs to go with it.
///
/// # Examples
///
/// ```
/// use raddle::PriorityQueue;
///
/// let queue = PriorityQueue::bounded(10);
/// queue.put((2, "lunch")).unwrap();
/// queue.put((1, "breakfast")).unwrap();
/// queue.put((3, "dinner")).unwrap();
/// assert_eq!(queue.try_get(), Ok((1, "breakfast")));
/// assert_eq!(queue.try_get(), Ok((2, "lunch")));
/// ```
///
/// # Fairness, timeouts, memory ordering, under loom
///
/// As for [`JoinableQueue`]. A put takes the same time whatever is in the queue, and compares nothing: items are sorted by those
/// who get, one getter at a time. A getter whose comparison takes long holds up the other getters, even those that would not block,
/// but no putter. An [`Ord`] may itself put, if that need not wait for room. An item may stay for as long as lower ones come.
///
/// # Panics
///
/// `bounded(0)`; a get, or a `shutdown_now`, from within the comparison of two items of this queue; and a get whose comparison panics,
/// which loses no item: they stay in the queue, and in order. (If it happens in `shutdown_now`, those that it has taken back already
/// are dropped, and the rest can still be got.)
///
/// # Coming from Python
///
/// `queue.PriorityQueue`. There, equal items come in no particular order, and items whose priorities are equal are compared further:
/// hence the counter in the tuples of its examples, which is not needed here.
///
/// # Differences from `std` and `parking_lot`
///
/// `std::collections::BinaryHeap` is for one thread, gives the highest first, and equals in no particular order.
///
/// # How it works
///
/// The chapter `docs/queues.md` in the repository.
pub struct PriorityQueue<T> {
    shared: Shared<PriorityStore<T>>,
}

impl<T> JoinableQueue<T> {
    /// A queue that holds at most `capacity` items.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn bounded(capacity: usize) -> JoinableQueue<T> {
        assert!(capacity > 0, "JoinableQueue::bounded(0): a queue needs room for an item");
        JoinableQueue { shared: Fifo::bounded(capacity, FIRST_LAP) }
    }

    /// A queue that holds as many items as memory does. Putting never blocks, so it may be done in a destructor.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn unbounded() -> JoinableQueue<T> {
        JoinableQueue { shared: Fifo::unbounded(FIRST_LAP) }
    }

    /// A queue whose positions wrap after so many laps, for tests of this crate.
    #[doc(hidden)]
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn about_to_wrap(capacity: Option<usize>, laps_before: u64) -> JoinableQueue<T> {
        let lap = FIRST_LAP.wrapping_sub(laps_before);
        JoinableQueue {
            shared: match capacity {
                Some(capacity) => Fifo::bounded(capacity, lap),
                None => Fifo::unbounded(lap),
            },
        }
    }

    /// Puts an item, or gives up at the deadline.
    #[inline]
    pub(crate) fn put_until(&self, item: T, deadline: Deadline) -> Result<(), TryPutError<T>> {
        self.shared.put(item, deadline)
    }

    /// Gets an item if one is ready. Unlike `try_get` it does not wait for another thread that is in the middle of its step, and so may
    /// miss an item whose `put` has not returned.
    #[inline]
    pub(crate) fn get_if_ready(&self) -> Option<T> {
        self.shared.get_if_ready()
    }

    /// Whether something was put that nobody has got: a guess for those who get. It misses no item whose `put` the caller knows to have
    /// returned (by whatever order there is between the two, a pair of sequentially consistent fences included).
    #[inline]
    pub(crate) fn seems_ready(&self) -> bool {
        self.shared.raw.has_items()
    }

    /// A bounded queue that is a list whatever its capacity is, for tests of this crate.
    #[doc(hidden)]
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn list_with_limit(capacity: usize) -> JoinableQueue<T> {
        JoinableQueue { shared: Fifo::list(Some(capacity), FIRST_LAP) }
    }

    /// A put that only sits in the lobby, so many times for a moment each, for tests of this crate.
    ///
    /// # Errors
    ///
    /// The item, if nobody has put it.
    #[doc(hidden)]
    pub fn put_from_lobby(&self, item: T, times: usize) -> Result<(), T> {
        self.shared.put_from_lobby(item, times)
    }

    /// Puts the item of a putter that sits in the lobby, and says whether there was one and it could, for tests of this crate.
    #[doc(hidden)]
    #[must_use]
    pub fn put_for_lobby(&self) -> bool {
        self.shared.put_for_lobby()
    }

    /// A get that only sits in the lobby for a moment, for tests of this crate.
    #[doc(hidden)]
    #[must_use]
    pub fn get_from_lobby(&self) -> Option<T> {
        self.shared.get_from_lobby()
    }

    /// A getter that starves, and gives up when this is dropped, for tests of this crate.
    #[doc(hidden)]
    #[must_use]
    pub fn starving_getter(&self) -> impl Drop + '_ {
        self.shared.raw.starving(Side::Get)
    }

    /// A putter that starves, and gives up when this is dropped, for tests of this crate.
    #[doc(hidden)]
    #[must_use]
    pub fn starving_putter(&self) -> impl Drop + '_ {
        self.shared.raw.starving(Side::Put)
    }
}

impl<T> LifoQueue<T> {
    /// A queue that holds at most `capacity` items.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn bounded(capacity: usize) -> LifoQueue<T> {
        assert!(capacity > 0, "LifoQueue::bounded(0): a queue needs room for an item");
        LifoQueue {
            shared: Shared::new(RawQueue::new(Laps::plain(), Some(capacity), FIRST_LAP), Stack::new()),
        }
    }

    /// A queue that holds as many items as memory does.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn unbounded() -> LifoQueue<T> {
        LifoQueue { shared: Shared::new(RawQueue::new(Laps::plain(), None, FIRST_LAP), Stack::new()) }
    }
}

impl<T> PriorityQueue<T> {
    /// A queue that holds at most `capacity` items.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn bounded(capacity: usize) -> PriorityQueue<T> {
        assert!(capacity > 0, "PriorityQueue::bounded(0): a queue needs room for an item");
        PriorityQueue {
            shared: Shared::new(
                RawQueue::new(Laps::plain(), Some(capacity), FIRST_LAP),
                PriorityStore::new(),
            ),
        }
    }

    /// A queue that holds as many items as memory does.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn unbounded() -> PriorityQueue<T> {
        PriorityQueue {
            shared: Shared::new(RawQueue::new(Laps::plain(), None, FIRST_LAP), PriorityStore::new()),
        }
    }
}

/// The operations, which are the same for all three. The order of getting is told by the type.
macro_rules! operations {
    ($Name:ident $(, $Bound:ident)?) => {
        impl<T $(: $Bound)?> $Name<T> {
            /// Puts an item; blocks while the queue is full.
            ///
            /// # Errors
            ///
            /// [`PutError`] with the item if the queue is shut down, or is while this waits.
            #[inline]
            pub fn put(&self, item: T) -> Result<(), PutError<T>> {
                self.shared.put(item, Deadline::Never).map_err(|error| PutError(error.into_inner()))
            }

            /// Puts an item if there is room. Never blocks for room.
            ///
            /// # Errors
            ///
            /// [`TryPutError`] with the item if the queue is full or shut down.
            #[doc(alias = "put_nowait")]
            #[inline]
            pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
                self.shared.put(item, Deadline::Now)
            }

            /// Puts an item, or gives up when `timeout` has passed. Zero does not block.
            ///
            /// # Errors
            ///
            /// [`TryPutError`] with the item if the queue stayed full or is shut down.
            #[doc(alias = "put")]
            pub fn try_put_for(&self, item: T, timeout: Duration) -> Result<(), TryPutError<T>> {
                self.shared.put(item, Deadline::after(timeout))
            }

            /// Puts an item, or gives up at `deadline`.
            ///
            /// # Errors
            ///
            /// [`TryPutError`] with the item if the queue stayed full or is shut down.
            pub fn try_put_until(&self, item: T, deadline: Instant) -> Result<(), TryPutError<T>> {
                self.shared.put(item, Deadline::At(deadline))
            }

            #[doc = concat!("Gets the next item; blocks while there is none. Say [`task_done`](", stringify!($Name), "::task_done) when you are")]
            #[doc = concat!("finished with it, or use [`get_job`](", stringify!($Name), "::get_job).")]
            ///
            /// # Errors
            ///
            /// [`GetError`] if the queue is shut down and empty.
            #[inline]
            pub fn get(&self) -> Result<T, GetError> {
                self.shared.get(Deadline::Never).map_err(|_| GetError)
            }

            /// Gets an item if there is one. Never blocks for one.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there is none; it says whether there may still be.
            #[doc(alias = "get_nowait")]
            #[inline]
            pub fn try_get(&self) -> Result<T, TryGetError> {
                self.shared.get(Deadline::Now)
            }

            /// Gets an item, or gives up when `timeout` has passed. Zero does not block.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there was none; it says whether there may still be.
            #[doc(alias = "get")]
            pub fn try_get_for(&self, timeout: Duration) -> Result<T, TryGetError> {
                self.shared.get(Deadline::after(timeout))
            }

            /// Gets an item, or gives up at `deadline`.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there was none; it says whether there may still be.
            pub fn try_get_until(&self, deadline: Instant) -> Result<T, TryGetError> {
                self.shared.get(Deadline::At(deadline))
            }

            #[doc = concat!("Gets an item as a [`Job`], which says [`task_done`](", stringify!($Name), "::task_done) when it is dropped, also in a panic.")]
            ///
            /// # Errors
            ///
            /// [`GetError`] if the queue is shut down and empty.
            pub fn get_job(&self) -> Result<Job<'_, T>, GetError> {
                self.get().map(|item| Job::new(&self.shared.raw, item))
            }

            /// Gets an item as a [`Job`] if there is one. Never blocks for one.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there is none; it says whether there may still be.
            pub fn try_get_job(&self) -> Result<Job<'_, T>, TryGetError> {
                self.try_get().map(|item| Job::new(&self.shared.raw, item))
            }

            /// Gets an item as a [`Job`], or gives up when `timeout` has passed. Zero does not block.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there was none; it says whether there may still be.
            pub fn try_get_job_for(&self, timeout: Duration) -> Result<Job<'_, T>, TryGetError> {
                self.try_get_for(timeout).map(|item| Job::new(&self.shared.raw, item))
            }

            /// Gets an item as a [`Job`], or gives up at `deadline`.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there was none; it says whether there may still be.
            pub fn try_get_job_until(&self, deadline: Instant) -> Result<Job<'_, T>, TryGetError> {
                self.try_get_until(deadline).map(|item| Job::new(&self.shared.raw, item))
            }

            /// Gets an item as an [`ArcJob`], which keeps the queue alive and may go to another thread.
            ///
            /// # Errors
            ///
            /// [`GetError`] if the queue is shut down and empty.
            pub fn get_job_arc(self: &Arc<Self>) -> Result<ArcJob<Self>, GetError> {
                self.get().map(|item| ArcJob::new(Arc::clone(self), item))
            }

            /// Gets an item as an [`ArcJob`] if there is one. Never blocks for one.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there is none; it says whether there may still be.
            pub fn try_get_job_arc(self: &Arc<Self>) -> Result<ArcJob<Self>, TryGetError> {
                self.try_get().map(|item| ArcJob::new(Arc::clone(self), item))
            }

            /// Gets an item as an [`ArcJob`], or gives up when `timeout` has passed. Zero does not block.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there was none; it says whether there may still be.
            pub fn try_get_job_arc_for(self: &Arc<Self>, timeout: Duration) -> Result<ArcJob<Self>, TryGetError> {
                self.try_get_for(timeout).map(|item| ArcJob::new(Arc::clone(self), item))
            }

            /// Gets an item as an [`ArcJob`], or gives up at `deadline`.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if there was none; it says whether there may still be.
            pub fn try_get_job_arc_until(self: &Arc<Self>, deadline: Instant) -> Result<ArcJob<Self>, TryGetError> {
                self.try_get_until(deadline).map(|item| ArcJob::new(Arc::clone(self), item))
            }

            #[doc = concat!("[`shutdown`](", stringify!($Name), "::shutdown), and takes back what is queued, in the order in which it would have")]
            /// come. Those items count as done; items that somebody has got already still need their `task_done`.
            #[doc(alias = "shutdown")]
            pub fn shutdown_now(&self) -> Vec<T> {
                self.shared.shutdown_now()
            }

            #[doc = concat!("An iterator over the items to come: `next` is [`get`](", stringify!($Name), "::get), and it ends when the queue is shut")]
            #[doc = concat!("down and empty. Say [`task_done`](", stringify!($Name), "::task_done) of each.")]
            pub fn iter(&self) -> Iter<'_, Self> {
                Iter::new(self)
            }

            #[doc = concat!("[`iter`](", stringify!($Name), "::iter), with a share in the queue: for a thread of its own.")]
            pub fn iter_arc(self: &Arc<Self>) -> ArcIter<Self> {
                ArcIter::new(Arc::clone(self))
            }
        }

        impl<T> $Name<T> {
            #[doc = concat!("Says that the holder of an item is finished with it: once for each item got by other means than a job.")]
            ///
            /// # Errors
            ///
            /// [`TaskDoneTooOften`] if it has been said of every item put. Nothing has changed then.
            pub fn task_done(&self) -> Result<(), TaskDoneTooOften> {
                self.shared.raw.task_done()
            }

            #[doc = concat!("Blocks until every item that was put is done with: got, and [`task_done`](", stringify!($Name), "::task_done) said of it.")]
            /// An empty queue is not enough. One moment at which all is done is enough, even if more is put right after it.
            pub fn join(&self) {
                self.shared.raw.join(Deadline::Never);
            }

            #[doc = concat!("[`join`](", stringify!($Name), "::join), for `timeout` at most; says whether all was done.")]
            #[must_use]
            pub fn join_for(&self, timeout: Duration) -> bool {
                self.shared.raw.join(Deadline::after(timeout))
            }

            #[doc = concat!("[`join`](", stringify!($Name), "::join), until `deadline` at most; says whether all was done.")]
            #[must_use]
            pub fn join_until(&self, deadline: Instant) -> bool {
                self.shared.raw.join(Deadline::At(deadline))
            }

            /// How many items were put and are not yet done with.
            #[doc(alias = "unfinished_tasks")]
            #[must_use]
            pub fn unfinished(&self) -> usize {
                self.shared.raw.unfinished()
            }

            /// How many items wait in the queue. Never above the capacity.
            #[doc(alias = "qsize")]
            #[must_use]
            pub fn len(&self) -> usize {
                self.shared.raw.len()
            }

            /// Whether no item waits in the queue.
            #[doc(alias = "empty")]
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether a put would block.
            #[doc(alias = "full")]
            #[must_use]
            pub fn is_full(&self) -> bool {
                self.capacity() == Some(self.len())
            }

            /// How many items it holds at most; `None` if it is unbounded.
            #[doc(alias = "maxsize")]
            #[must_use]
            pub fn capacity(&self) -> Option<usize> {
                self.shared.raw.capacity
            }

            /// Whether the queue is shut down.
            #[must_use]
            pub fn is_shut_down(&self) -> bool {
                self.shared.raw.is_closed()
            }

            /// Ends the putting: puts fail from now on, those that wait included. Gets go on until the queue is empty, and then
            /// fail.
            pub fn shutdown(&self) {
                self.shared.raw.close();
            }
        }

        // A panic can come from an item's code only, and that is never called while the queue is in the middle of something.
        impl<T> UnwindSafe for $Name<T> {}
        impl<T> RefUnwindSafe for $Name<T> {}

        impl<T> fmt::Debug for $Name<T> {
            /// Shows the counts, which may have changed since; never blocks.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Name))
                    .field("len", &self.len())
                    .field("unfinished", &self.unfinished())
                    .field("shut_down", &self.is_shut_down())
                    .field("capacity", &self.capacity())
                    .finish_non_exhaustive()
            }
        }

        impl<T $(: $Bound)?> Queue for $Name<T> {
            type Item = T;

            fn next_item(&self, _: job::Private) -> Option<T> {
                self.get().ok()
            }

            fn item_done(&self, _: job::Private) {
                // Too often only if somebody else has said it of this item: theirs to answer for.
                let _ = self.task_done();
            }
        }

        impl<'a, T $(: $Bound)?> IntoIterator for &'a $Name<T> {
            type Item = T;
            type IntoIter = Iter<'a, $Name<T>>;

            fn into_iter(self) -> Self::IntoIter {
                self.iter()
            }
        }

        impl<T $(: $Bound)?> IntoIterator for $Name<T> {
            type Item = T;
            type IntoIter = IntoIter<$Name<T>>;

            /// The items that are there. Nobody else can put any more.
            fn into_iter(self) -> Self::IntoIter {
                self.shutdown();
                IntoIter::new(self)
            }
        }
    };
}

operations!(JoinableQueue);
operations!(LifoQueue);
operations!(PriorityQueue, Ord);
