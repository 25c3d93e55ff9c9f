//! How a pool is made.

use core::fmt;
use std::any::Any;
use std::io;
use std::sync::Arc;

use super::WorkPool;
use super::sleep::MOST_WORKERS;
use super::worker::{Settings, Shared};
use crate::hook::PanicHook;
use crate::primitives::thread;

/// What a [`WorkPool`] is to be like. From [`WorkPool::builder`].
///
/// ```
/// let pool = raddle::WorkPool::builder()
///     .workers(4)
///     .name("fetch")
///     .lazy_start(true)
///     .queue_bound(100)
///     .panic_hook(|payload| eprintln!("a job failed: {:?}", payload.downcast_ref::<&str>()))
///     .build()?;
/// assert_eq!(pool.apply(|| std::thread::current().name().map(str::to_owned)).as_deref(), Some("fetch-0"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a builder makes nothing until `build` is called"]
pub struct WorkPoolBuilder {
    workers: Option<usize>,
    name: String,
    is_lazy: bool,
    queue_bound: Option<usize>,
    thread_init: Option<Box<dyn Fn(usize) + Send + Sync>>,
    panic_hook: Option<PanicHook>,
}

impl WorkPoolBuilder {
    pub(super) fn new() -> WorkPoolBuilder {
        WorkPoolBuilder {
            workers: None,
            name: "raddle-pool".to_owned(),
            is_lazy: false,
            queue_bound: None,
            thread_init: None,
            panic_hook: None,
        }
    }

    /// How many workers there are, at most if they are started lazily. By default as many as threads can run at once on this machine.
    #[doc(alias = "processes")]
    #[doc(alias = "max_workers")]
    pub fn workers(mut self, workers: usize) -> WorkPoolBuilder {
        self.workers = Some(workers);
        self
    }

    /// What the threads are called: this, a dash, and a number from 0. By default `raddle-pool`.
    #[doc(alias = "thread_name_prefix")]
    pub fn name(mut self, prefix: impl Into<String>) -> WorkPoolBuilder {
        self.name = prefix.into();
        self
    }

    /// Whether a worker is started only when a job waits and none is idle. By default all are started at once. If there is no thread to be had then, the panic hook is told so (by a
    /// `String`); and if there is no other worker either, what is queued is cancelled.
    pub fn lazy_start(mut self, lazy: bool) -> WorkPoolBuilder {
        self.is_lazy = lazy;
        self
    }

    /// How many jobs from outside may be queued. With as many, `apply_async` and its kin block, and `try_apply_async` gives the job back. Jobs that
    /// workers make for their own pool are not counted, so that none of them ever waits for itself. By default there is no bound.
    pub fn queue_bound(mut self, jobs: usize) -> WorkPoolBuilder {
        self.queue_bound = Some(jobs);
        self
    }

    /// Is called in each worker before its first job, with the worker's number.
    ///
    /// If it panics, the panic hook hears of it and that worker ends; the next job to come may start another in its place. If it
    /// was the only one, the jobs that are queued are cancelled, so that nobody waits for them in vain.
    #[doc(alias = "initializer")]
    pub fn thread_init(mut self, init: impl Fn(usize) + Send + Sync + 'static) -> WorkPoolBuilder {
        self.thread_init = Some(Box::new(init));
        self
    }

    /// Is called with the payload of each panic that no handle tells: of a job whose handle was dropped unread before all was over, of a callback, of a thread's init,
    /// and of all that failed in a `map` or a `scope` after the first. By default such payloads are dropped (Rust's own panic hook has printed
    /// the message by then).
    pub fn panic_hook(
        mut self,
        hook: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    ) -> WorkPoolBuilder {
        self.panic_hook = Some(Box::new(hook));
        self
    }

    /// Makes the pool.
    ///
    /// # Errors
    ///
    /// The operating system's, if it has no thread to give. Those that were started are ended.
    ///
    /// # Panics
    ///
    /// If the number of workers is 0 or above 65,535, the queue bound is 0, or there is a NUL in the name.
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn build(self) -> io::Result<WorkPool> {
        let workers = self.workers.unwrap_or_else(|| thread::available_parallelism().min(MOST_WORKERS));
        assert!(
            (1..=MOST_WORKERS).contains(&workers),
            "WorkPoolBuilder::workers({workers}): a pool has from 1 to {MOST_WORKERS} workers"
        );
        assert!(self.queue_bound != Some(0), "WorkPoolBuilder::queue_bound(0): no job could ever be queued");
        // std would panic later, with the thread half started.
        assert!(
            !self.name.contains('\0'),
            "WorkPoolBuilder::name({:?}): a thread's name has no NUL in it",
            self.name
        );
        let settings = Settings {
            workers,
            name: self.name,
            queue_bound: self.queue_bound,
            thread_init: self.thread_init,
            panic_hook: self.panic_hook,
        };
        let pool = WorkPool { shared: Arc::new(Shared::new(settings)) };
        if !self.is_lazy {
            // If it fails, the pool is dropped, which ends the others.
            pool.shared.start_all()?;
        }
        Ok(pool)
    }
}

impl fmt::Debug for WorkPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkPoolBuilder")
            .field("workers", &self.workers)
            .field("name", &self.name)
            .field("lazy_start", &self.is_lazy)
            .field("queue_bound", &self.queue_bound)
            .finish_non_exhaustive()
    }
}
