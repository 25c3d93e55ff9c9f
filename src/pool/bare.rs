//! For models: a pool without threads of its own. Those of the model are its workers, and each does what the model says and nothing else. So a
//! scope or a `map` can be looked at, with one who steals from it, without all that a pool does between two jobs. Or one does all that a worker does, in a thread that
//! the model has anyway.

use core::mem::ManuallyDrop;
use core::ptr;
use std::sync::Arc;

use super::job::Action;
use super::worker::{Shared, Worker};
use super::{JobHandle, Nothing, Scope, WorkPool};
use crate::deadline::Deadline;
use crate::error::TryApplyError;
use crate::primitives::thread;

/// A pool without threads. Jobs that nobody runs are cancelled when it is dropped.
pub struct BarePool {
    shared: Arc<Shared>,
}

impl BarePool {
    /// With so many workers, all of which count as busy for ever: no job wakes or starts one.
    #[must_use]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn new(workers: usize) -> BarePool {
        let pool = WorkPool::builder().workers(workers).lazy_start(true).build();
        // Not dropped: it would wait for the end of its workers.
        let pool = ManuallyDrop::new(pool.expect("no thread is started"));
        // SAFETY: the pool is not used any more.
        let shared = unsafe { ptr::read(&pool.shared) };
        for _ in 0..workers {
            assert!(shared.sleep().start());
            let _ = shared.sleep().found();
        }
        BarePool { shared }
    }

    /// Makes the calling thread the worker of that seat, until `f` returns.
    pub fn work<R>(&self, seat: usize, f: impl FnOnce() -> R) -> R {
        let worker = Worker::new(Arc::clone(&self.shared), seat);
        thread::set_worker((&raw const worker).cast());
        let result = f();
        thread::set_worker(ptr::null());
        result
    }

    /// How many entries lie in the queues.
    pub fn queued(&self) -> usize {
        self.shared.queued()
    }

    /// See [`WorkPool::try_apply_async`].
    ///
    /// # Errors
    ///
    /// If the pool is closed.
    pub fn try_apply_async<R, F>(&self, f: F) -> Result<JobHandle<R>, TryApplyError<F>>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        super::submit(&self.shared, f, Nothing, Deadline::Now)
    }

    /// See [`WorkPool::terminate`].
    pub fn terminate(&self) {
        self.shared.terminate();
    }

    /// See [`WorkPool::scope`]. By a worker.
    pub fn scope<'env, T>(&self, f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T) -> T {
        super::scope::scope(&self.shared, f)
    }

    /// See [`WorkPool::both`]. By a worker.
    pub fn both<RA: Send, RB: Send>(
        &self,
        a: impl FnOnce() -> RA + Send,
        b: impl FnOnce() -> RB + Send,
    ) -> (RA, RB) {
        with_own(|worker| super::both(worker, a, b))
    }

    /// See [`WorkPool::map`]. By a worker. Each item is a chunk.
    pub fn map<T: Send, R: Send>(&self, items: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
        super::map::map(&self.shared, items, Some(1), &f)
            .unwrap_or_else(|_| unreachable!("it is never closed"))
    }
}

impl core::fmt::Debug for BarePool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BarePool").finish_non_exhaustive()
    }
}

/// Counts the calling thread as the worker of a pool, and as busy, so that no job starts another: of a pool that was made with one worker and `lazy_start`.
pub fn employ(pool: &WorkPool) {
    assert!(pool.shared.sleep().start());
    let _ = pool.shared.sleep().found();
}

/// What a worker does, until the pool is closed and there is no job. By the thread that was employed.
pub fn work(pool: &WorkPool) {
    pool.shared.sleep().search();
    Worker::run(Arc::clone(&pool.shared), 0);
}

/// Calls `f` with the worker that the calling thread is.
fn with_own<R>(f: impl FnOnce(&Worker) -> R) -> R {
    Worker::with_current(|worker| f(worker.expect("called by no worker")))
}

/// Takes a job from wherever there is one and runs it, or cancels it if the pool is terminated. By a worker, as all of these.
pub fn take_one() -> bool {
    with_own(|worker| worker.next().inspect(|entry| worker.act(*entry)).is_some())
}

/// Steals a job and runs it, if there is one.
pub fn steal_one() -> bool {
    with_own(|worker| worker.steal().inspect(|entry| worker.act(*entry)).is_some())
}

/// Does with a job what `terminate` does, if one is to be stolen.
pub fn cancel_one() -> bool {
    with_own(|worker| {
        let entry = worker.steal();
        // SAFETY: it was taken from the deque, and so is ours.
        entry.inspect(|entry| _ = unsafe { entry.act(Action::Cancel, worker.hook()) }).is_some()
    })
}

/// Throws those out of the worker's own deque that somebody has run out of turn.
pub fn sweep() {
    with_own(Worker::sweep);
}
