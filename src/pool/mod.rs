//! The pool: threads that are there already, and jobs for them.
//!
//! | file         | what is in it                                                                     |
//! |--------------|-----------------------------------------------------------------------------------|
//! | `deque.rs`   | a worker's own jobs, which others may steal; lock-free                             |
//! | `sleep.rs`   | who sleeps and who searches: the event count, with its proof                       |
//! | `latch.rs`   | a count down to zero, and one who waits for it                                     |
//! | `task.rs`    | a job with a handle: its word, from QUEUED to DONE                                 |
//! | `job.rs`     | what the queues hold; jobs without a handle                                        |
//! | `worker.rs`  | what workers and submitters share; what a worker does                              |
//! | `handle.rs`  | `JobHandle`                                                                        |
//! | `scope.rs`, `map.rs`, `imap.rs`, `builder.rs` | the operations of those names             |
//! | `bare.rs`    | a pool without threads, for models                                                 |
//!
//! The injector, where jobs from outside come in, is a [`JoinableQueue`](crate::JoinableQueue).

#[doc(hidden)]
pub mod bare;
mod builder;
#[doc(hidden)]
pub mod deque;
mod handle;
mod imap;
mod job;
#[doc(hidden)]
pub mod latch;
mod map;
mod scope;
#[doc(hidden)]
pub mod sleep;
mod task;
mod worker;

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;
use std::sync::Arc;

pub use builder::WorkPoolBuilder;
pub use handle::JobHandle;
pub use imap::{Imap, ImapUnordered};
pub use scope::Scope;

use crate::deadline::Deadline;
use crate::error::{JobError, PoolJoinError, TryApplyError, TryPutError};
use crate::primitives::time::Instant;
use job::{Detached, StackJob};
use task::{Callback, Core, Nothing, Task};
use worker::{Shared, Worker};

/// A number of threads, and jobs for them. Python: `multiprocessing.pool.ThreadPool`, `concurrent.futures.ThreadPoolExecutor`.
///
/// ```
/// use raddle::WorkPool;
///
/// let pool = WorkPool::new(4);
///
/// // One job, waited for at once, or later.
/// assert_eq!(pool.apply(|| 1 + 1), 2);
/// let handle = pool.apply_async(|| "later");
/// assert_eq!(handle.join().unwrap(), "later");
///
/// // One function over many items; it may borrow.
/// let offset = 100;
/// assert_eq!(pool.map(1..=5, |n| n * n + offset), [101, 104, 109, 116, 125]);
///
/// // Any number of jobs that borrow.
/// let mut parts = [1, 2, 3];
/// pool.scope(|scope| {
///     for part in &mut parts {
///         scope.spawn(|| *part *= 10);
///     }
/// });
/// assert_eq!(parts, [10, 20, 30]);
///
/// pool.close();
/// pool.join().unwrap();
/// ```
///
/// # Waiting in a worker
///
/// A worker may use its own pool: a job can make other jobs and wait for them, also in a pool of one. A worker that waits runs what it waits
/// for itself, if nobody has begun it, **and nothing else**: a job is never started in the middle of another that has nothing to do with it, and
/// perhaps holds a lock. If what it waits for has begun elsewhere, the worker blocks. (Two jobs that wait for each other do so for ever, and so does one that waits for its own handle.)
///
/// Jobs that a worker makes for its own pool are taken last in, first out by that worker, and first in, first out by the others. They are
/// not held up by the queue bound, and not refused after `close`: they are a part of the job that makes them.
///
/// # Fairness
///
/// Jobs from outside begin in the order in which they were submitted, for each thread that submits. A worker prefers its own jobs, and looks
/// after those from outside once in 61 jobs.
///
/// A worker without a job, and a thread that waits for one to be done, stay awake for some 4 microseconds first; and for up to some 80, while nobody else wants the processor, as
/// long as that is mostly enough.
///
/// # Panics
///
/// A job that panics takes no worker with it. The calls that return a value (`apply`, `map`, `both`, `scope`, and the iterators) go on with the panic in the
/// caller; a [`JobHandle`] returns it as an error. The others go to the [panic hook](WorkPoolBuilder::panic_hook).
///
/// # The end
///
/// `close` lets queued jobs run, `terminate` cancels them, `join` waits for the threads. Dropping the pool closes it and joins; dropped by
/// one of its own workers, it closes only. A `scope`, `map` or `both` of a job that runs is a part of that job: it is done to its end also in a pool that was terminated. A pool
/// in a static is never dropped: when `main` returns, the process ends with whatever is queued.
///
/// # Memory ordering
///
/// What was written before a job was submitted is seen by the job. What the job wrote is seen by whoever learns from the pool that it is finished.
///
/// # Under loom
///
/// Each worker is one of loom's five threads, so `new(1)` or `new(2)` it is; `workers` is 2 by default. Spinning is left out.
///
/// # Coming from Python
///
/// `map_async` and `apply_async` return a [`JobHandle`] for an `AsyncResult`; its `get` is [`join`](JobHandle::join), or [`get`](JobHandle::get) to
/// read it more than once. `callback` and `error_callback` are one, [`apply_async_with`](WorkPool::apply_async_with). `starmap` is a `map` over tuples.
/// With the pool as a context manager Python terminates it at the end; here the end of its scope closes and joins.
///
/// # Differences from `rayon`
///
/// A waiting worker of rayon runs any job, which deadlocks people who hold a lock meanwhile; here it runs its own or waits. There is no global pool. Jobs have handles, with
/// timeouts, cancelling and callbacks. There are no parallel iterators.
///
/// # How it works
///
/// The chapter `docs/pool.md` in the repository.
pub struct WorkPool {
    shared: Arc<Shared>,
}

impl WorkPool {
    /// A pool with so many workers, started at once.
    ///
    /// # Panics
    ///
    /// If `workers` is 0 or above 65,535, or the operating system has no thread to give ([`builder`](Self::builder) returns that as an error).
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn new(workers: usize) -> WorkPool {
        match WorkPool::builder().workers(workers).build() {
            Ok(pool) => pool,
            Err(error) => panic!("WorkPool::new({workers}): could not start a worker: {error}"),
        }
    }

    /// For a pool with other settings.
    pub fn builder() -> WorkPoolBuilder {
        WorkPoolBuilder::new()
    }

    /// Runs `f` in the pool and returns what it returns. Blocks until then. `f` may borrow.
    ///
    /// In a worker of this pool, runs it there and then.
    ///
    /// # Panics
    ///
    /// With what `f` panics with; or if the pool is closed, or terminated before `f` has begun.
    #[track_caller]
    pub fn apply<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        if self.is_own_worker() {
            return f();
        }
        let job = StackJob::new(f);
        // SAFETY: the entry is queued once. If it is, we stay until it was acted upon.
        let entry = unsafe { job.entry() };
        if self.shared.submit(entry, Deadline::Never).is_err() {
            // SAFETY: no queue has taken the entry.
            drop(unsafe { job.take() });
            panic!("WorkPool::apply: the pool is closed");
        }
        // SAFETY: it was queued, and is not taken back.
        match unsafe { job.join() } {
            Ok(result) => result,
            Err(f) => {
                drop(f);
                panic!("WorkPool::apply: the job was cancelled before it began");
            }
        }
    }

    /// Queues `f`, and returns a handle to wait for its result. Blocks only if the pool has a queue bound, until there is room.
    ///
    /// # Panics
    ///
    /// If the pool is closed, and the caller is none of its workers. ([`try_apply_async`](Self::try_apply_async) gives `f` back instead.)
    #[doc(alias = "submit")]
    #[track_caller]
    pub fn apply_async<R, F>(&self, f: F) -> JobHandle<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        match submit(&self.shared, f, Nothing, Deadline::Never) {
            Ok(handle) => handle,
            Err(_) => panic!("WorkPool::apply_async: the pool is closed"),
        }
    }

    /// As `apply_async`, but gives `f` back if the pool is closed.
    #[cfg_attr(feature = "loom", track_caller)]
    pub(crate) fn apply_async_or_return<F>(&self, f: F) -> Result<JobHandle<()>, F>
    where
        F: FnOnce() + Send + 'static,
    {
        submit(&self.shared, f, Nothing, Deadline::Never).map_err(TryApplyError::into_inner)
    }

    /// As [`apply_async`](Self::apply_async), and calls `on_done` with the result: in the worker that has run `f`, before anybody who waits is let go. (If
    /// the job is cancelled: in the thread that does so.) A panic in `on_done` goes to the panic hook and harms nothing.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let pool = raddle::WorkPool::new(2);
    /// let seen = Arc::new(AtomicU32::new(0));
    /// let handle = pool.apply_async_with(|| 7, {
    ///     let seen = Arc::clone(&seen);
    ///     move |result| seen.store(100 + *result.unwrap_or(&0), Ordering::Relaxed)
    /// });
    /// assert_eq!(handle.join().unwrap(), 7);
    /// assert_eq!(seen.load(Ordering::Relaxed), 107);
    /// ```
    ///
    /// # Panics
    ///
    /// As for `apply_async`.
    #[doc(alias = "callback")]
    #[doc(alias = "error_callback")]
    #[track_caller]
    pub fn apply_async_with<R, F, C>(&self, f: F, on_done: C) -> JobHandle<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
        C: FnOnce(Result<&R, &JobError>) + Send + 'static,
    {
        match submit(&self.shared, f, on_done, Deadline::Never) {
            Ok(handle) => handle,
            Err(_) => panic!("WorkPool::apply_async_with: the pool is closed"),
        }
    }

    /// As [`apply_async`](Self::apply_async), but does not block for room.
    ///
    /// # Errors
    ///
    /// [`TryApplyError`] with `f` if the pool is closed, or has a queue bound and no room.
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_apply_async<R, F>(&self, f: F) -> Result<JobHandle<R>, TryApplyError<F>>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        submit(&self.shared, f, Nothing, Deadline::Now)
    }

    /// As [`apply_async`](Self::apply_async), but gives up when there was no room until `timeout` has passed. Zero does not block.
    ///
    /// # Errors
    ///
    /// [`TryApplyError`] with `f` if the pool is closed, or had no room.
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_apply_async_for<R, F>(&self, f: F, timeout: Duration) -> Result<JobHandle<R>, TryApplyError<F>>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        submit(&self.shared, f, Nothing, Deadline::after(timeout))
    }

    /// As [`apply_async`](Self::apply_async), but gives up when there was no room until `deadline`.
    ///
    /// # Errors
    ///
    /// [`TryApplyError`] with `f` if the pool is closed, or had no room.
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn try_apply_async_until<R, F>(
        &self,
        f: F,
        deadline: Instant,
    ) -> Result<JobHandle<R>, TryApplyError<F>>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        submit(&self.shared, f, Nothing, Deadline::At(deadline))
    }

    /// Queues `f`, of which nobody wants to hear any more: the cheapest way to have something done. Blocks only if the pool has a queue bound,
    /// until there is room.
    ///
    /// # Panics
    ///
    /// If the pool is closed, and the caller is none of its workers.
    #[track_caller]
    pub fn spawn(&self, f: impl FnOnce() + Send + 'static) {
        spawn(&self.shared, f);
    }

    /// Runs both, at the same time if a worker is free for `b`, and returns what they return. They may borrow. This is what divide and conquer is
    /// made of; it allocates nothing.
    ///
    /// `a` runs in this thread (from outside the pool: in a worker), and then `b` does if nobody has begun it. So `a` must not
    /// wait for anything that `b` does. If `a` panics, `b` may not run at all.
    ///
    /// ```
    /// fn sum(pool: &raddle::WorkPool, numbers: &[u64]) -> u64 {
    ///     if numbers.len() < 1000 {
    ///         return numbers.iter().sum();
    ///     }
    ///     let (left, right) = numbers.split_at(numbers.len() / 2);
    ///     let (a, b) = pool.both(|| sum(pool, left), || sum(pool, right));
    ///     a + b
    /// }
    ///
    /// let pool = raddle::WorkPool::new(2);
    /// let numbers: Vec<u64> = (0..10_000).collect();
    /// assert_eq!(sum(&pool, &numbers), 49_995_000);
    /// ```
    ///
    /// # Panics
    ///
    /// With what `a` panics with, or else `b`, when both have ended; or if the pool is closed and the caller is none of its workers.
    pub fn both<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.shared.with_own_worker(|worker| match worker {
            Some(worker) => both(worker, a, b),
            None => self.apply(|| self.both(a, b)),
        })
    }

    /// Calls `f` with a [`Scope`], in which jobs can be made that borrow from outside of this call. Returns when `f` has returned and all those
    /// jobs have.
    ///
    /// # Panics
    ///
    /// With what `f` panics with, or else the first job that panicked; or if a job was cancelled since the pool was terminated. In any case
    /// when all have ended.
    pub fn scope<'env, T>(&self, f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T) -> T {
        scope::scope(&self.shared, f)
    }

    /// Calls `f` for each item, in the pool, and returns the results in the order of the items. Blocks until all is done. `f` may borrow.
    ///
    /// The items are split into chunks, four for each worker. (All of them are collected first: see [`imap`](Self::imap) for an input
    /// without end.)
    ///
    /// Where results have the size and alignment of items they are written over them: to map a vector takes no memory for the results then. (But for one with room for more
    /// than twice its items, whose memory is given back.)
    ///
    /// # Panics
    ///
    /// With what the first call that panicked did so with, when all chunks are done: a panic ends its own chunk only. Or if the pool is closed and
    /// the caller is none of its workers, or is terminated before all chunks have begun. (An item whose destructor panics while its chunk unwinds
    /// aborts the process, as in a `Vec`.)
    pub fn map<T, R, F>(&self, items: impl IntoIterator<Item = T>, f: F) -> Vec<R>
    where
        T: Send,
        R: Send,
        F: Fn(T) -> R + Sync,
    {
        self.map_in_chunks(items, None, f)
    }

    /// As [`map`](Self::map), with so many items to a chunk (the last one may have fewer).
    ///
    /// # Panics
    ///
    /// As for `map`; and if `chunk_len` is 0.
    #[doc(alias = "chunksize")]
    pub fn map_chunked<T, R, F>(&self, chunk_len: usize, items: impl IntoIterator<Item = T>, f: F) -> Vec<R>
    where
        T: Send,
        R: Send,
        F: Fn(T) -> R + Sync,
    {
        assert!(chunk_len > 0, "WorkPool::map_chunked(0): a chunk has at least one item");
        self.map_in_chunks(items, Some(chunk_len), f)
    }

    fn map_in_chunks<T, R, F>(
        &self,
        items: impl IntoIterator<Item = T>,
        chunk_len: Option<usize>,
        f: F,
    ) -> Vec<R>
    where
        T: Send,
        R: Send,
        F: Fn(T) -> R + Sync,
    {
        let items = items.into_iter().collect();
        match map::map(&self.shared, items, chunk_len, &f) {
            Ok(results) => results,
            Err(map::Closed) => panic!("WorkPool::map: the pool is closed"),
        }
    }

    /// As [`map`](Self::map), but does not wait for it: the handle has the results. A worker runs the map as a job, and takes part in it.
    ///
    /// # Panics
    ///
    /// If the pool is closed, and the caller is none of its workers. What `f` panics with is in the handle.
    pub fn map_async<T, R, F>(&self, items: impl IntoIterator<Item = T>, f: F) -> JobHandle<Vec<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        let items: Vec<T> = items.into_iter().collect();
        let run = move || {
            Worker::with_current(|worker| {
                let worker = worker.expect("raddle: a job runs in a worker");
                map::map(worker.shared(), items, None, &f).unwrap_or_else(|map::Closed| unreachable!())
            })
        };
        match submit(&self.shared, run, Nothing, Deadline::Never) {
            Ok(handle) => handle,
            Err(_) => panic!("WorkPool::map_async: the pool is closed"),
        }
    }

    /// Calls `f` for each item, in the pool, and returns an iterator of the results in the order of the items, each as soon as it is there. Items are
    /// taken from the input as the results are, so many ahead that the workers have something to do: two for each. This call takes the first of them, and blocks only
    /// if the pool has a queue bound and no room; `next` blocks until the next result is there.
    ///
    /// # Panics
    ///
    /// `next` panics with what `f` panicked with for that item; it can be called again for the others. If the input panics, the results of
    /// the items before come first, and then the panic. Likewise if the pool is closed.
    pub fn imap<I, F, R>(&self, items: I, f: F) -> Imap<I::IntoIter, F, R>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        Imap::new(&self.shared, items.into_iter(), f)
    }

    /// As [`imap`](Self::imap), but each result comes as soon as it is there, in any order.
    ///
    /// # Panics
    ///
    /// As for `imap`.
    pub fn imap_unordered<I, F, R>(&self, items: I, f: F) -> ImapUnordered<I::IntoIter, F, R>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        ImapUnordered::new(&self.shared, items.into_iter(), f)
    }

    /// Takes no more jobs from outside. Those that are queued run, with all that they make; then the workers end.
    #[doc(alias = "shutdown")]
    pub fn close(&self) {
        self.shared.close();
    }

    /// As [`close`](Self::close), and cancels all jobs that have not begun: their handles say so. Those that run go on to their end; jobs that they still
    /// make with `apply_async` are cancelled at once.
    ///
    /// A cancelled job is dropped in this call, and its callbacks run in it.
    pub fn terminate(&self) {
        self.shared.terminate();
    }

    /// Waits until the workers have ended: their threads, with their thread-locals dropped.
    ///
    /// # Errors
    ///
    /// [`PoolJoinError`] if the pool is open, or if the caller is one of its workers: it would wait for ever.
    pub fn join(&self) -> Result<(), PoolJoinError> {
        self.join_deadline(Deadline::Never)?;
        self.shared.join_threads();
        Ok(())
    }

    /// Waits until the workers have done their last job, and have left; false if not all had when `timeout` has passed. Unlike [`join`](Self::join) this does not wait for the ends of
    /// their threads, for which no system has a timed wait: the thread-locals may still be being dropped.
    ///
    /// # Errors
    ///
    /// As for `join`.
    pub fn join_for(&self, timeout: Duration) -> Result<bool, PoolJoinError> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// As [`join_for`](Self::join_for), until a deadline.
    ///
    /// # Errors
    ///
    /// As for `join`.
    pub fn join_until(&self, deadline: Instant) -> Result<bool, PoolJoinError> {
        self.join_deadline(Deadline::At(deadline))
    }

    fn join_deadline(&self, deadline: Deadline) -> Result<bool, PoolJoinError> {
        if self.is_own_worker() {
            return Err(PoolJoinError::InWorker);
        }
        if !self.shared.is_closed() {
            return Err(PoolJoinError::StillOpen);
        }
        Ok(self.shared.wait_for_end(deadline.or_now()))
    }

    /// Whether the pool was closed or terminated.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// How many workers there are just now: started and not ended.
    pub fn workers(&self) -> usize {
        self.shared.sleep().started()
    }

    /// How many workers there may be.
    pub fn max_workers(&self) -> usize {
        self.shared.max_workers()
    }

    /// How many workers have nothing to do just now: they sleep, or look for a job, or are being started.
    pub fn idle(&self) -> usize {
        self.shared.sleep().idle()
    }

    /// How many jobs are queued just now. One that was cancelled, or run by who waits for it, counts until a worker has come past its place. Of
    /// what was forked with [`both`](Self::both), only that counts which other workers could take.
    pub fn queued(&self) -> usize {
        self.shared.queued()
    }

    fn is_own_worker(&self) -> bool {
        self.shared.with_own_worker(|worker| worker.is_some())
    }
}

/// Makes a job with a handle.
#[cfg_attr(feature = "loom", track_caller)]
fn submit<R, F, C>(
    pool: &Arc<Shared>,
    f: F,
    callback: C,
    deadline: Deadline,
) -> Result<JobHandle<R>, TryApplyError<F>>
where
    R: Send + 'static,
    F: FnOnce() -> R + Send + 'static,
    C: Callback<R> + 'static,
{
    let job = Task::make(pool.id(), f, callback);
    // SAFETY: it is fresh, and this is its one entry.
    let entry = unsafe { Core::entry(job) };
    match pool.submit(entry, deadline) {
        // SAFETY: it is fresh, and this is its one handle.
        Ok(()) => Ok(unsafe { JobHandle::new(job) }),
        Err(error) => {
            // SAFETY: no queue has taken it, and there is no handle.
            let (f, _callback) = unsafe { Task::<R, F, C>::into_inner(job) };
            Err(match error {
                TryPutError::Full(_) => TryApplyError::Full(f),
                TryPutError::ShutDown(_) => TryApplyError::Closed(f),
            })
        }
    }
}

/// Makes a job without a handle.
#[track_caller]
fn spawn<F: FnOnce() + Send + 'static>(pool: &Arc<Shared>, f: F) {
    let entry = Detached::entry(f);
    if pool.submit(entry, Deadline::Never).is_err() {
        // SAFETY: no queue has taken the entry, and it is of this type.
        drop(unsafe { Detached::<F>::into_inner(entry) });
        panic!("WorkPool::spawn: the pool is closed");
    }
}

/// Runs both, `a` in this worker, `b` too if nobody steals it meanwhile.
fn both<A, B, RA, RB>(worker: &Worker, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    /// If `a` panics: `b` may not outlive this call.
    struct TakeBack<'a, B: FnOnce() -> RB + Send, RB: Send> {
        worker: &'a Worker,
        b: &'a StackJob<B, RB>,
    }

    impl<B: FnOnce() -> RB + Send, RB: Send> Drop for TakeBack<'_, B, RB> {
        #[cold]
        fn drop(&mut self) {
            // SAFETY: the same entry as was queued; it is looked for, not acted upon.
            if self.worker.take_back(unsafe { self.b.entry() }) {
                // SAFETY: we have taken it from the queue.
                let b = unsafe { self.b.take() };
                self.worker.hook().guard(move || drop(b));
            } else {
                // SAFETY: it was queued, and is not taken back. What it panics with comes second, and is told by the hook.
                self.worker.hook().guard(|| drop(unsafe { self.b.join() }));
            }
        }
    }

    let b = StackJob::new(b);
    // SAFETY: it is queued once, here. We stay until it was acted upon or taken back.
    let entry = unsafe { b.entry() };
    let guard = TakeBack { worker, b: &b };
    let fork = worker.fork(entry);
    let result_of_a = a();
    core::mem::forget(guard);
    if worker.take_private(&fork) {
        // Nobody has seen it but us.
        // SAFETY: we have taken it from the queue.
        let f = unsafe { b.take() };
        // There is no result in it to be dropped.
        core::mem::forget(b);
        return (result_of_a, f());
    }
    let result_of_b = if worker.take_back(entry) {
        // SAFETY: we have taken it from the queue.
        (unsafe { b.take() })()
    } else {
        // SAFETY: it was queued, and is not taken back.
        match unsafe { b.join() } {
            Ok(result) => result,
            // The pool was terminated. But this is a part of a job that has begun.
            Err(b) => b(),
        }
    };
    (result_of_a, result_of_b)
}

impl Drop for WorkPool {
    fn drop(&mut self) {
        self.close();
        // In a worker it is an error, and the threads end by themselves.
        let _ = self.join();
    }
}

// Jobs are caught, and leave the pool as it is.
impl UnwindSafe for WorkPool {}
impl RefUnwindSafe for WorkPool {}

impl fmt::Debug for WorkPool {
    /// Shows the counts, which may have changed since; never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkPool")
            .field("workers", &self.workers())
            .field("idle", &self.idle())
            .field("queued", &self.queued())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A job in no pool, for models of a job alone: see [`loose_job`].
#[doc(hidden)]
#[derive(Debug)]
pub struct LooseEntry(job::Entry);

#[doc(hidden)]
impl LooseEntry {
    /// What a worker does that has taken it from a queue.
    pub fn run(self) {
        // SAFETY: it is used once.
        unsafe { self.0.act(job::Action::Run, crate::hook::Hook(None)) };
    }

    /// What `terminate` does with it.
    pub fn cancel(self) {
        // SAFETY: it is used once.
        unsafe { self.0.act(job::Action::Cancel, crate::hook::Hook(None)) };
    }

    /// What a worker does that sweeps its deque. The entry comes back if it stays there.
    pub fn sweep(self) -> Option<LooseEntry> {
        // SAFETY: it is used again only if it stays.
        let acted = unsafe { self.0.act(job::Action::Sweep, crate::hook::Hook(None)) };
        (acted == job::Acted::Stays).then_some(self)
    }
}

/// A job with its handle and what would stand in a queue for it. One that is dropped without `run` or `cancel` leaks the job.
#[doc(hidden)]
#[cfg_attr(feature = "loom", track_caller)]
pub fn loose_job<R, F, C>(f: F, on_done: C) -> (LooseEntry, JobHandle<R>)
where
    R: Send + 'static,
    F: FnOnce() -> R + Send + 'static,
    C: FnOnce(Result<&R, &JobError>) + Send + 'static,
{
    let job = Task::make(0, f, on_done);
    // SAFETY: it is fresh, and these are its one entry and its one handle.
    unsafe { (LooseEntry(Core::entry(job)), JobHandle::new(job)) }
}
