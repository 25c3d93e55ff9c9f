//! `JoinableQueue`: a first one, on `Lock` and `Condition`.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;
use std::collections::VecDeque;

use crate::condition::Condition;
use crate::deadline::Deadline;
use crate::error::{GetError, PutError, TaskDoneTooOften, TryGetError, TryPutError};
use crate::lock::{Lock, LockGuard};
use crate::primitives::time::Instant;

/// Hands items from thread to thread, first in, first out, and knows when all of them are done with.
///
/// Bounded queues block [`put`](JoinableQueue::put) while they are full. Whoever got an item says
/// [`task_done`](JoinableQueue::task_done) when it is finished with it (a [`Job`] says so by itself);
/// [`join`](JoinableQueue::join) waits until that has been said of every item. Share it by reference, or in an `Arc`.
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
/// Waiting getters and putters are woken first come, first served. A thread that is awake may be faster than one that was woken,
/// again and again: this first queue sets no bound to that.
///
/// # Timeouts
///
/// One deadline holds across all retries of a call. A call that gives up has its item back, or got none.
///
/// # Panics
///
/// `bounded(0)`. No other call panics.
///
/// # Memory ordering
///
/// Everything before a put happens before everything after the get of that item; everything before a `task_done` happens
/// before everything after the `join` that it ends.
///
/// # Under loom
///
/// Both outcomes of every timed call are explored.
///
/// # Coming from Python
///
/// `queue.Queue` and `multiprocessing.JoinableQueue`. `Queue(maxsize)` is `bounded` or `unbounded`; `put_nowait` is
/// `try_put`; `qsize` is `len`; `unfinished_tasks` is `unfinished`; `shutdown(immediate=True)` is `shutdown_now`.
///
/// # Differences from `std` and `parking_lot`
///
/// `std::sync::mpsc` has one receiver, and neither `join` nor a shutdown.
pub struct JoinableQueue<T> {
    inner: Lock<Inner<T>>,
    not_empty: Condition,
    not_full: Condition,
    all_done: Condition,
    /// `usize::MAX` is "unbounded".
    capacity: usize,
}

// No code of a user runs under the lock: a panic cannot leave the counts torn.
impl<T> UnwindSafe for JoinableQueue<T> {}
impl<T> RefUnwindSafe for JoinableQueue<T> {}

struct Inner<T> {
    items: VecDeque<T>,
    /// Items put, and not yet done with.
    unfinished: usize,
    is_shut_down: bool,
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
        JoinableQueue::with_capacity(capacity)
    }

    /// A queue that holds as many items as memory does. Putting never blocks, so it may be done in a destructor.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn unbounded() -> JoinableQueue<T> {
        JoinableQueue::with_capacity(usize::MAX)
    }

    #[cfg_attr(feature = "loom", track_caller)]
    fn with_capacity(capacity: usize) -> JoinableQueue<T> {
        JoinableQueue {
            inner: Lock::new(Inner { items: VecDeque::new(), unfinished: 0, is_shut_down: false }),
            not_empty: Condition::new(),
            not_full: Condition::new(),
            all_done: Condition::new(),
            capacity,
        }
    }

    /// Puts an item; blocks while the queue is full.
    ///
    /// # Errors
    ///
    /// [`PutError`] with the item if the queue is shut down, or is while this waits.
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_deadline(item, Deadline::Never).map_err(|error| PutError(error.into_inner()))
    }

    /// Puts an item if there is room. Never blocks for room.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item if the queue is full or shut down.
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.put_deadline(item, Deadline::Now)
    }

    /// Puts an item, or gives up when `timeout` has passed. Zero does not block.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item if the queue stayed full or is shut down.
    #[doc(alias = "put")]
    pub fn try_put_for(&self, item: T, timeout: Duration) -> Result<(), TryPutError<T>> {
        self.put_deadline(item, Deadline::after(timeout))
    }

    /// Puts an item, or gives up at `deadline`.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item if the queue stayed full or is shut down.
    pub fn try_put_until(&self, item: T, deadline: Instant) -> Result<(), TryPutError<T>> {
        self.put_deadline(item, Deadline::At(deadline))
    }

    /// Gets the item that has been there longest; blocks while there is none. Say
    /// [`task_done`](JoinableQueue::task_done) when you are finished with it, or use [`get_job`](JoinableQueue::get_job).
    ///
    /// # Errors
    ///
    /// [`GetError`] if the queue is shut down and empty.
    pub fn get(&self) -> Result<T, GetError> {
        self.get_deadline(Deadline::Never).map_err(|_| GetError)
    }

    /// Gets an item if there is one. Never blocks for one.
    ///
    /// # Errors
    ///
    /// [`TryGetError`] if there is none; it says whether there may still be.
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, TryGetError> {
        self.get_deadline(Deadline::Now)
    }

    /// Gets an item, or gives up when `timeout` has passed. Zero does not block.
    ///
    /// # Errors
    ///
    /// [`TryGetError`] if there was none; it says whether there may still be.
    #[doc(alias = "get")]
    pub fn try_get_for(&self, timeout: Duration) -> Result<T, TryGetError> {
        self.get_deadline(Deadline::after(timeout))
    }

    /// Gets an item, or gives up at `deadline`.
    ///
    /// # Errors
    ///
    /// [`TryGetError`] if there was none; it says whether there may still be.
    pub fn try_get_until(&self, deadline: Instant) -> Result<T, TryGetError> {
        self.get_deadline(Deadline::At(deadline))
    }

    /// Gets an item as a [`Job`], which says [`task_done`](JoinableQueue::task_done) when it is dropped, also in a panic.
    ///
    /// # Errors
    ///
    /// [`GetError`] if the queue is shut down and empty.
    pub fn get_job(&self) -> Result<Job<'_, T>, GetError> {
        self.get().map(|item| Job { queue: self, item: Some(item) })
    }

    /// Gets an item as a [`Job`] if there is one. Never blocks for one.
    ///
    /// # Errors
    ///
    /// [`TryGetError`] if there is none; it says whether there may still be.
    pub fn try_get_job(&self) -> Result<Job<'_, T>, TryGetError> {
        self.try_get().map(|item| Job { queue: self, item: Some(item) })
    }

    /// Gets an item as a [`Job`], or gives up when `timeout` has passed. Zero does not block.
    ///
    /// # Errors
    ///
    /// [`TryGetError`] if there was none; it says whether there may still be.
    pub fn try_get_job_for(&self, timeout: Duration) -> Result<Job<'_, T>, TryGetError> {
        self.try_get_for(timeout).map(|item| Job { queue: self, item: Some(item) })
    }

    /// Gets an item as a [`Job`], or gives up at `deadline`.
    ///
    /// # Errors
    ///
    /// [`TryGetError`] if there was none; it says whether there may still be.
    pub fn try_get_job_until(&self, deadline: Instant) -> Result<Job<'_, T>, TryGetError> {
        self.try_get_until(deadline).map(|item| Job { queue: self, item: Some(item) })
    }

    /// Says that the holder of an item is finished with it: once for each item got by other means than a [`Job`].
    ///
    /// # Errors
    ///
    /// [`TaskDoneTooOften`] if it has been said of every item put. Nothing has changed then.
    pub fn task_done(&self) -> Result<(), TaskDoneTooOften> {
        let mut inner = self.inner.lock();
        inner.unfinished = inner.unfinished.checked_sub(1).ok_or(TaskDoneTooOften)?;
        if inner.unfinished == 0 {
            self.all_done.notify_all();
        }
        Ok(())
    }

    /// Blocks until every item that was put is done with: got, and [`task_done`](JoinableQueue::task_done) said of it. An empty
    /// queue is not enough.
    pub fn join(&self) {
        self.join_deadline(Deadline::Never);
    }

    /// [`join`](JoinableQueue::join), for `timeout` at most; says whether all is done.
    #[must_use]
    pub fn join_for(&self, timeout: Duration) -> bool {
        self.join_deadline(Deadline::after(timeout))
    }

    /// [`join`](JoinableQueue::join), until `deadline` at most; says whether all is done.
    #[must_use]
    pub fn join_until(&self, deadline: Instant) -> bool {
        self.join_deadline(Deadline::At(deadline))
    }

    /// How many items were put and are not yet done with.
    #[doc(alias = "unfinished_tasks")]
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.inner.lock().unfinished
    }

    /// How many items wait in the queue.
    #[doc(alias = "qsize")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.lock().items.len()
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
        self.len() >= self.capacity
    }

    /// How many items it holds at most; `None` if it is unbounded.
    #[doc(alias = "maxsize")]
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        (self.capacity != usize::MAX).then_some(self.capacity)
    }

    /// Whether the queue is shut down.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.inner.lock().is_shut_down
    }

    /// Ends the putting: puts fail from now on, those that wait included. Gets go on until the queue is empty, and then fail.
    pub fn shutdown(&self) {
        let mut inner = self.inner.lock();
        inner.is_shut_down = true;
        self.wake_for_shutdown(&inner);
    }

    /// [`shutdown`](JoinableQueue::shutdown), and takes back what is queued. Those items count as done; items that somebody
    /// has got already still need their [`task_done`](JoinableQueue::task_done).
    #[doc(alias = "shutdown")]
    pub fn shutdown_now(&self) -> Vec<T> {
        let mut inner = self.inner.lock();
        inner.is_shut_down = true;
        let items = core::mem::take(&mut inner.items);
        // Somebody may have said `task_done` of items that nobody had got.
        inner.unfinished = inner.unfinished.saturating_sub(items.len());
        if inner.unfinished == 0 {
            self.all_done.notify_all();
        }
        self.wake_for_shutdown(&inner);
        drop(inner);
        items.into()
    }

    /// An iterator over the items to come: `next` is [`get`](JoinableQueue::get), and it ends when the queue is shut down and
    /// empty. Say [`task_done`](JoinableQueue::task_done) of each.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { queue: self }
    }

    fn wake_for_shutdown(&self, _locked: &LockGuard<'_, Inner<T>>) {
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }

    fn put_deadline(&self, item: T, deadline: Deadline) -> Result<(), TryPutError<T>> {
        let mut inner = self.inner.lock();
        let mut in_time = true;
        loop {
            if inner.is_shut_down {
                return Err(TryPutError::ShutDown(item));
            }
            if inner.items.len() < self.capacity {
                break;
            }
            if deadline.is_now() || !in_time {
                return Err(TryPutError::Full(item));
            }
            in_time = self.not_full.wait_deadline(&mut inner, deadline, "JoinableQueue::put");
        }
        inner.items.push_back(item);
        inner.unfinished += 1;
        self.not_empty.notify_one();
        Ok(())
    }

    fn get_deadline(&self, deadline: Deadline) -> Result<T, TryGetError> {
        let mut inner = self.inner.lock();
        let mut in_time = true;
        loop {
            if let Some(item) = inner.items.pop_front() {
                if self.capacity != usize::MAX {
                    self.not_full.notify_one();
                }
                return Ok(item);
            }
            if inner.is_shut_down {
                return Err(TryGetError::ShutDown);
            }
            if deadline.is_now() || !in_time {
                return Err(TryGetError::Empty);
            }
            in_time = self.not_empty.wait_deadline(&mut inner, deadline, "JoinableQueue::get");
        }
    }

    fn join_deadline(&self, deadline: Deadline) -> bool {
        let mut inner = self.inner.lock();
        let mut in_time = true;
        loop {
            if inner.unfinished == 0 {
                return true;
            }
            if deadline.is_now() || !in_time {
                return false;
            }
            in_time = self.all_done.wait_deadline(&mut inner, deadline, "JoinableQueue::join");
        }
    }
}

impl<T> fmt::Debug for JoinableQueue<T> {
    /// Shows the counts if the queue is free at that moment; never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("JoinableQueue");
        if let Some(inner) = self.inner.try_lock() {
            out.field("len", &inner.items.len())
                .field("unfinished", &inner.unfinished)
                .field("shut_down", &inner.is_shut_down);
        }
        out.field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

/// An item got from a [`JoinableQueue`], which counts as done when this is dropped: also in a panic.
#[must_use = "if unused, the item counts as done at once"]
pub struct Job<'a, T> {
    queue: &'a JoinableQueue<T>,
    /// `None` only while it is being dropped.
    item: Option<T>,
}

impl<T> Job<'_, T> {
    /// Takes the item out. It counts as done from now on.
    pub fn into_inner(mut self) -> T {
        self.item.take().expect("a job has its item until it is dropped")
    }
}

impl<T> Deref for Job<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("a job has its item until it is dropped")
    }
}

impl<T> DerefMut for Job<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect("a job has its item until it is dropped")
    }
}

impl<T> Drop for Job<'_, T> {
    fn drop(&mut self) {
        /// Says it after the item is gone, also if its destructor panics.
        struct Done<'a, T>(&'a JoinableQueue<T>);

        impl<T> Drop for Done<'_, T> {
            fn drop(&mut self) {
                // Too often only if somebody else has said it of our item: theirs to answer for.
                let _ = self.0.task_done();
            }
        }

        let _done = Done(self.queue);
        drop(self.item.take());
    }
}

impl<T: fmt::Debug> fmt::Debug for Job<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&**self).finish()
    }
}

/// The items to come, from [`JoinableQueue::iter`].
pub struct Iter<'a, T> {
    queue: &'a JoinableQueue<T>,
}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(self.queue).finish()
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.get().ok()
    }
}

/// The items to come, from a queue that the iterator owns.
pub struct IntoIter<T> {
    queue: JoinableQueue<T>,
}

impl<T> fmt::Debug for IntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IntoIter").field(&self.queue).finish()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    /// Nobody else can put any more: what is there is all there is.
    fn next(&mut self) -> Option<T> {
        self.queue.try_get().ok()
    }
}

impl<'a, T> IntoIterator for &'a JoinableQueue<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for JoinableQueue<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { queue: self }
    }
}
