//! The handle of a job: the public face of `task.rs`.

use core::fmt;
use core::marker::PhantomData;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::NonNull;
use core::time::Duration;

use super::task::{Core, Outcome, message_of};
use super::worker::Worker;
use crate::deadline::Deadline;
use crate::error::JobError;
use crate::hook::Hook;
use crate::primitives::time::Instant;
use crate::rlock::RLock;

/// A job that was given to a [`WorkPool`](crate::WorkPool): its result, when there is one. Python: `AsyncResult`, `Future`.
///
/// Dropping it lets the job go on alone.
///
/// ```
/// let pool = raddle::WorkPool::new(2);
/// let answer = pool.apply_async(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
///
/// let fails = pool.apply_async(|| -> u32 { panic!("no answer") });
/// assert_eq!(fails.join().unwrap_err().message(), Some("no answer"));
/// ```
///
/// # Waiting in a worker
///
/// A worker that waits for a job of its own pool which has not begun runs that job itself, in the waiting call, also if that has a
/// timeout; and no other job. So a pool of one can wait for itself, and a job never finds itself below an unrelated one that holds a lock.
/// If the job has begun elsewhere, the worker blocks.
///
/// # Memory ordering
///
/// What was written before the job was submitted is seen by the job; what the job wrote, and its callbacks, is seen by whoever finds it
/// finished, by any of the calls here.
pub struct JobHandle<R> {
    job: NonNull<Core<R>>,
    /// Held by who is at the result of the finished job through a shared handle. A reentrant one, since `R::clone` and callbacks run inside: these
    /// find the result taken.
    reader: RLock<()>,
    _result: PhantomData<R>,
}

// SAFETY: the handle is one of the holders of the job (task.rs), which may be on any thread. The result goes from thread to thread.
unsafe impl<R: Send> Send for JobHandle<R> {}
// SAFETY: the job's word is made for sharing; the result is only touched by one thread at a time, with the reader's lock held.
unsafe impl<R: Send> Sync for JobHandle<R> {}

// The job's panic is caught before anybody comes to the result; and a panic in a reader leaves that as it was.
impl<R> UnwindSafe for JobHandle<R> {}
impl<R> RefUnwindSafe for JobHandle<R> {}

impl<R> JobHandle<R> {
    /// # Safety
    ///
    /// The job comes from `Task::make`, and this is its one handle.
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) unsafe fn new(job: NonNull<Core<R>>) -> JobHandle<R> {
        JobHandle { job, reader: RLock::new(()), _result: PhantomData }
    }

    fn core(&self) -> &Core<R> {
        // SAFETY: the handle keeps the job.
        unsafe { self.job.as_ref() }
    }

    /// Waits for the job and returns its result.
    ///
    /// # Errors
    ///
    /// [`JobError`] says why there is none: the job panicked, or was cancelled, or the result was taken before.
    #[doc(alias = "get")]
    #[doc(alias = "result")]
    pub fn join(self) -> Result<R, JobError> {
        self.wait();
        // SAFETY: it is done, and nobody else has the handle.
        unsafe { self.core().take_result() }.unwrap_or(Err(JobError::Taken))
    }

    /// The result, if the job is finished: taken, so that a second call finds [`JobError::Taken`]. Never blocks: `None` also if another
    /// thread is looking at the result just now ([`get`](Self::get), [`on_done`](Self::on_done)).
    pub fn try_join(&self) -> Option<Result<R, JobError>> {
        self.join_deadline(Deadline::Now)
    }

    /// Waits for the job and takes its result; `None` if `timeout` has passed before.
    pub fn join_for(&self, timeout: Duration) -> Option<Result<R, JobError>> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// Waits for the job and takes its result; `None` if the deadline has passed before.
    pub fn join_until(&self, deadline: Instant) -> Option<Result<R, JobError>> {
        self.join_deadline(Deadline::At(deadline).or_now())
    }

    fn join_deadline(&self, deadline: Deadline) -> Option<Result<R, JobError>> {
        if !self.wait_deadline(deadline) {
            return None;
        }
        let _reader = match deadline {
            Deadline::Never => self.reader.lock(),
            Deadline::Now => self.reader.try_lock()?,
            Deadline::At(instant) => self.reader.try_lock_until(instant)?,
        };
        // SAFETY: it is done, and we hold the reader's lock.
        Some(unsafe { self.core().take_result() }.unwrap_or(Err(JobError::Taken)))
    }

    /// Waits for the job and returns a copy of its result, which can be read again. One thread reads at a time; the others wait.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join). What the job panicked with is copied if it is a text; else a text stands for it.
    pub fn get(&self) -> Result<R, JobError>
    where
        R: Clone,
    {
        self.wait();
        self.lend(|outcome| match outcome {
            Ok(result) => Ok(result.clone()),
            Err(JobError::Panicked(payload)) => Err(JobError::Panicked(message_of(payload))),
            Err(JobError::Cancelled) => Err(JobError::Cancelled),
            Err(JobError::Taken) => Err(JobError::Taken),
        })
        .unwrap_or(Err(JobError::Taken))
    }

    /// Waits for the job, and leaves its result where it is.
    pub fn wait(&self) {
        self.wait_deadline(Deadline::Never);
    }

    /// Waits for the job, and says whether it is finished; false if `timeout` has passed before.
    pub fn wait_for(&self, timeout: Duration) -> bool {
        self.wait_deadline(Deadline::after(timeout))
    }

    /// Waits for the job, and says whether it is finished; false if the deadline has passed before.
    pub fn wait_until(&self, deadline: Instant) -> bool {
        self.wait_deadline(Deadline::At(deadline).or_now())
    }

    /// Whether the job is finished: it has returned or panicked and its callbacks have returned, or it was cancelled.
    #[doc(alias = "done")]
    #[doc(alias = "ready")]
    pub fn is_finished(&self) -> bool {
        self.core().is_done()
    }

    /// Cancels the job if it has not begun. True: it will never run, and was dropped. Callbacks hear of it, in this call. (What a callback
    /// panics with is dropped here.)
    ///
    /// False: it has begun, or is finished, or was cancelled before.
    pub fn cancel(&self) -> bool {
        let is_ours = self.core().claim();
        if is_ours {
            // SAFETY: we have claimed it, and hold the handle.
            unsafe { Core::cancel_claimed(self.job, Hook(None)) };
        }
        is_ours
    }

    /// Calls `f` with the result when the job is finished: in the thread that finishes it, before anybody who waits is let go. If it is
    /// finished already, calls `f` at once, here. Callbacks that were added before the end are called in that order.
    ///
    /// `f` gets [`JobError::Taken`] if the result was taken before. A panic in `f` goes to the pool's panic hook when a worker calls it, and to
    /// the caller of this if it is called here. While it is called here, others who want the result wait for that.
    ///
    /// (Write the closure in place: one that was bound to a name before has lost the "for any lifetime" of its argument.)
    #[doc(alias = "add_done_callback")]
    pub fn on_done(&self, f: impl FnOnce(Result<&R, &JobError>) + Send + 'static) {
        let Err(f) = self.core().add_callback(Box::new(f)) else { return };
        let mut f = Some(f);
        let mut call = |outcome: &Outcome<R>| f.take().into_iter().for_each(|f| f(outcome.as_ref()));
        if self.lend(&mut call).is_none() {
            call(&Err(JobError::Taken));
        }
    }

    /// Runs the job in this thread, if it is a worker of the same pool and the job has not begun. Says whether it did.
    pub(super) fn run_it_ourselves(&self) -> bool {
        Worker::with_current(|worker| match worker {
            Some(worker) if worker.pool_id() == self.core().pool() && self.core().claim() => {
                // Often it is the newest in our deque. Else its place in a queue stays, until somebody comes past it.
                // SAFETY: the same entry as was queued; it is looked for, not acted upon.
                let has_entry = worker.pop_if(unsafe { Core::entry(self.job) });
                // SAFETY: we have claimed it, and hold the handle.
                unsafe { Core::run_claimed(self.job, has_entry, worker.hook()) };
                true
            }
            _ => {
                // While we wait, others may have what we have forked.
                worker.into_iter().for_each(Worker::share);
                false
            }
        })
    }

    fn wait_deadline(&self, deadline: Deadline) -> bool {
        if self.core().is_done() {
            return true;
        }
        if !deadline.is_now() {
            self.run_it_ourselves();
        }
        self.core().wait(deadline)
    }

    /// Shows the result of a job that is settled at least; `None` if it was taken. While `f` looks at it, it is not where `f` could take it.
    fn lend<T>(&self, f: impl FnOnce(&Outcome<R>) -> T) -> Option<T> {
        struct PutBack<'a, R>(&'a JobHandle<R>, Option<Outcome<R>>);

        impl<R> Drop for PutBack<'_, R> {
            fn drop(&mut self) {
                if let Some(outcome) = self.1.take() {
                    // SAFETY: it is settled, and our caller holds the reader's lock.
                    unsafe { self.0.core().put_result(outcome) };
                }
            }
        }

        let _reader = self.reader.lock();
        // SAFETY: it is settled, and we hold the reader's lock.
        let lent = PutBack(self, unsafe { self.core().take_result() });
        lent.1.as_ref().map(f)
    }
}

impl<R> Drop for JobHandle<R> {
    fn drop(&mut self) {
        // SAFETY: we are the handle, and go.
        unsafe { Core::let_handle_go(self.job) };
    }
}

impl<R> fmt::Debug for JobHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("is_finished", &self.is_finished()).finish()
    }
}
