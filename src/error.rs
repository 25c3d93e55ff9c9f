//! Errors, each with the call that it comes from in its message.

use core::any::Any;
use core::fmt;
use std::error::Error;

macro_rules! plain_error {
    ($(#[$meta:meta])* $Name:ident: $message:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct $Name;

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($message)
            }
        }

        impl Error for $Name {}
    };
}

plain_error! {
    /// [`RawLock::checked_unlock`](crate::raw::RawLock::checked_unlock) of a lock that nobody holds, or a wait on
    /// a [`RawCondition`](crate::raw::RawCondition) with one. Nothing has changed.
    NotLocked: "the lock is not held by anybody"
}

plain_error! {
    /// A call on a [`RawRLock`](crate::raw::RawRLock) that only its owner may make, from another thread. Nothing
    /// has changed.
    NotOwner: "the reentrant lock is not owned by the calling thread"
}

plain_error! {
    /// A [`Barrier`](crate::Barrier) was broken while, or before, this thread waited at it: by a timeout, by
    /// `abort` or `reset`, or by a panic in its action.
    BrokenBarrier: "the barrier is broken"
}

plain_error! {
    /// [`JoinableQueue::task_done`](crate::JoinableQueue::task_done) was called more often than items were put.
    /// Nothing has changed.
    TaskDoneTooOften: "task_done was called more often than items were put"
}

plain_error! {
    /// A blocking `get` on a [`JoinableQueue`](crate::JoinableQueue) that is shut down and empty.
    GetError: "the queue is shut down and empty"
}

/// [`Semaphore::release`](crate::Semaphore::release) of more permits than the semaphore can count. Nothing has
/// changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PermitOverflow {
    /// How many permits were to be added.
    pub permits: usize,
}

impl fmt::Display for PermitOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Semaphore::release({}): more permits than a semaphore can count", self.permits)
    }
}

impl Error for PermitOverflow {}

/// [`BoundedSemaphore::release`](crate::BoundedSemaphore::release) that would bring the semaphore above its
/// initial value. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OverRelease {
    /// How many permits were to be added.
    pub permits: usize,
    /// How many there may be.
    pub limit: usize,
}

impl fmt::Display for OverRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BoundedSemaphore::release({}): would go above the initial value of {}",
            self.permits, self.limit
        )
    }
}

impl Error for OverRelease {}

/// A blocking `put` on a [`JoinableQueue`](crate::JoinableQueue) that is shut down. The item comes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PutError<T>(
    /// The item that was not put.
    pub T,
);

/// Why a `try_put` of any kind did not put its item, which comes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum TryPutError<T> {
    /// The queue is full (and stayed so until the deadline). Python: `queue.Full`.
    Full(T),
    /// The queue is shut down. Python: `queue.ShutDown`.
    ShutDown(T),
}

/// Why a `try_get` of any kind got nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TryGetError {
    /// The queue is empty (and stayed so until the deadline). Python: `queue.Empty`.
    Empty,
    /// The queue is shut down and empty. Python: `queue.ShutDown`.
    ShutDown,
}

impl<T> PutError<T> {
    /// The item that was not put.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TryPutError<T> {
    /// The item that was not put.
    pub fn into_inner(self) -> T {
        match self {
            TryPutError::Full(item) | TryPutError::ShutDown(item) => item,
        }
    }

    /// Whether there was no room.
    pub fn is_full(&self) -> bool {
        matches!(self, TryPutError::Full(_))
    }

    /// Whether the queue is shut down.
    pub fn is_shut_down(&self) -> bool {
        matches!(self, TryPutError::ShutDown(_))
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PutError(..)")
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is shut down")
    }
}

impl<T> Error for PutError<T> {}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryPutError::Full(_) => "Full(..)",
            TryPutError::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryPutError::Full(_) => "the queue is full",
            TryPutError::ShutDown(_) => "the queue is shut down",
        })
    }
}

impl<T> Error for TryPutError<T> {}

impl fmt::Display for TryGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryGetError::Empty => "the queue is empty",
            TryGetError::ShutDown => "the queue is shut down and empty",
        })
    }
}

impl Error for TryGetError {}

/// Why a job of a [`WorkPool`](crate::WorkPool) has no result. (It is not `Sync`, since what a job panics with need not be: for an error that is, use its
/// [`message`](JobError::message).)
#[non_exhaustive]
pub enum JobError {
    /// It panicked; this is what with. [`std::panic::resume_unwind`] goes on with it.
    Panicked(Box<dyn Any + Send + 'static>),
    /// It was cancelled before it began, by its handle or by the pool's `terminate`. Python: `CancelledError`.
    Cancelled,
    /// The result was read before, by a call that took it.
    Taken,
}

impl JobError {
    /// What the job panicked with, if that is a text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let JobError::Panicked(payload) = self else { return None };
        match payload.downcast_ref::<&'static str>() {
            Some(text) => Some(text),
            None => payload.downcast_ref::<String>().map(String::as_str),
        }
    }

    /// Whether the job was cancelled before it began.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JobError::Cancelled)
    }

    /// Whether the job panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, JobError::Panicked(_))
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Panicked(_) => {
                f.debug_tuple("Panicked").field(&self.message().unwrap_or("..")).finish()
            }
            JobError::Cancelled => f.write_str("Cancelled"),
            JobError::Taken => f.write_str("Taken"),
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.message()) {
            (JobError::Panicked(_), Some(message)) => write!(f, "the job panicked: {message}"),
            (JobError::Panicked(_), None) => f.write_str("the job panicked"),
            (JobError::Cancelled, _) => f.write_str("the job was cancelled before it began"),
            (JobError::Taken, _) => f.write_str("the result of the job was taken before"),
        }
    }
}

impl Error for JobError {}

/// Why a pool did not take a job, which comes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum TryApplyError<F> {
    /// As many jobs are queued as the pool's bound allows (and were until the deadline).
    Full(F),
    /// The pool is closed.
    Closed(F),
}

impl<F> TryApplyError<F> {
    /// The job that was not taken.
    pub fn into_inner(self) -> F {
        match self {
            TryApplyError::Full(f) | TryApplyError::Closed(f) => f,
        }
    }

    /// Whether there was no room.
    pub fn is_full(&self) -> bool {
        matches!(self, TryApplyError::Full(_))
    }

    /// Whether the pool is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, TryApplyError::Closed(_))
    }
}

impl<F> fmt::Debug for TryApplyError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryApplyError::Full(_) => "Full(..)",
            TryApplyError::Closed(_) => "Closed(..)",
        })
    }
}

impl<F> fmt::Display for TryApplyError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryApplyError::Full(_) => "the pool has as many jobs queued as it may",
            TryApplyError::Closed(_) => "the pool is closed",
        })
    }
}

impl<F> Error for TryApplyError<F> {}

/// Why [`WorkPool::join`](crate::WorkPool::join) cannot wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PoolJoinError {
    /// The pool is open, and so its workers won't end. `close` or `terminate` it first. Python: `ValueError("Pool is still running")`.
    StillOpen,
    /// The caller is one of the workers, and would wait for itself.
    InWorker,
}

impl fmt::Display for PoolJoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PoolJoinError::StillOpen => "WorkPool::join: the pool is open; close or terminate it first",
            PoolJoinError::InWorker => {
                "WorkPool::join: called by a worker of the same pool, which would wait for itself"
            }
        })
    }
}

impl Error for PoolJoinError {}

/// Why [`Timer::start`](crate::Timer::start) did not start the timer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TimerStartError {
    /// It was started before. Python: `RuntimeError("threads can only be started once")`.
    Started,
    /// It was cancelled before.
    Cancelled,
    /// Its service is shut down.
    ShutDown,
}

impl fmt::Display for TimerStartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimerStartError::Started => "Timer::start: the timer was started before",
            TimerStartError::Cancelled => "Timer::start: the timer was cancelled",
            TimerStartError::ShutDown => "Timer::start: the service of the timer is shut down",
        })
    }
}

impl Error for TimerStartError {}
