//! What the queues of a pool hold: pointers to jobs of any kind.
//!
//! A job is an object that begins with a [`Header`]: one function that knows its kind, and does with it what the [`Action`] says. Kinds
//! differ in who owns the memory:
//!
//! | kind                   | memory                                             | who may take it out of turn          |
//! |------------------------|----------------------------------------------------|--------------------------------------|
//! | [`Detached`]           | a box, which its run frees                         | nobody                               |
//! | [`StackJob`]           | the stack of one who waits for its end             | nobody: it is taken from the deque   |
//! | `Task` (task.rs)       | a box, shared by the queue and the handle          | who joins or cancels it              |
//! | `ScopeJob` (scope.rs)  | a box, shared by the queue and the scope           | the worker that waits for the scope  |
//! | `Bulk` (map.rs)        | an `Arc`, one reference for each time it is queued | all work at it at once               |

use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};

use super::latch::Latch;
use super::worker::Worker;
use crate::hook::{Hook, Payload};
use crate::lock::Lock;
use crate::primitives::cell::TrackedCell;

/// What is to be done with a job that was taken from a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Run it, unless somebody has it already.
    Run,
    /// Do not run it; say so to whoever waits for it.
    Cancel,
    /// If somebody has it already, and this is but its old place in the queue: let it go.
    Sweep,
}

/// Whether the entry is used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Acted {
    /// It is.
    Gone,
    /// The job was to be swept, and is still to be run.
    Stays,
}

/// What every job begins with.
pub(super) struct Header {
    act: unsafe fn(NonNull<Header>, Action, Hook<'_>) -> Acted,
}

impl Header {
    /// # Safety
    ///
    /// Whatever stands behind this header must bear that `act` is called on any thread, once for each time that it is queued; but for calls that returned
    /// [`Acted::Stays`].
    pub(super) const unsafe fn new(act: unsafe fn(NonNull<Header>, Action, Hook<'_>) -> Acted) -> Header {
        Header { act }
    }
}

/// What went wrong in a `map` or a `scope`.
#[derive(Default)]
pub(super) struct Failure {
    /// What the first that panicked did so with.
    pub(super) payload: Option<Payload>,
    /// A part was cancelled. That is no panic, and nobody but the caller has to hear of it.
    pub(super) is_cancelled: bool,
}

impl Failure {
    /// Keeps the first payload; the others are reported.
    #[cold]
    pub(super) fn keep(failure: &Lock<Failure>, payload: Payload, hook: Hook<'_>) {
        let mut failure = failure.lock();
        if failure.payload.is_none() {
            failure.payload = Some(payload);
        } else {
            drop(failure);
            hook.report(payload);
        }
    }
}

/// A job in a queue, to be acted upon exactly once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry(NonNull<Header>);

// SAFETY: `Header::new` asks that its job may be acted upon on any thread.
unsafe impl Send for Entry {}

impl Entry {
    /// # Safety
    ///
    /// The job stays valid until the entry was acted upon, which its maker sees to.
    pub(super) unsafe fn new(job: NonNull<Header>) -> Entry {
        Entry(job)
    }

    #[inline]
    pub(super) fn as_ptr(self) -> NonNull<Header> {
        self.0
    }

    /// Does not unwind.
    ///
    /// # Safety
    ///
    /// Once for each entry that was made, but for calls that returned [`Acted::Stays`].
    #[inline]
    pub(super) unsafe fn act(self, action: Action, hook: Hook<'_>) -> Acted {
        // SAFETY: the job is valid until this (`Entry::new`).
        unsafe { (self.0.as_ref().act)(self.0, action, hook) }
    }
}

/// A job that nobody waits for.
#[repr(C)]
pub(super) struct Detached<F> {
    header: Header,
    f: F,
}

impl<F: FnOnce() + Send + 'static> Detached<F> {
    pub(super) fn entry(f: F) -> Entry {
        // SAFETY: `F: Send`, and the function fits the type.
        let header = unsafe { Header::new(Self::act) };
        let job = NonNull::from(Box::leak(Box::new(Detached { header, f })));
        // SAFETY: it is freed when it is acted upon.
        unsafe { Entry::new(job.cast()) }
    }

    unsafe fn act(job: NonNull<Header>, action: Action, hook: Hook<'_>) -> Acted {
        if action == Action::Sweep {
            return Acted::Stays;
        }
        // SAFETY: it came from a box in `entry`, and this is called once.
        let job = unsafe { Box::from_raw(job.cast::<Self>().as_ptr()) };
        let f = job.f;
        hook.guard(move || match action {
            Action::Run => f(),
            Action::Cancel | Action::Sweep => drop(f),
        });
        Acted::Gone
    }

    /// Takes the closure back out of an entry that no queue has taken.
    ///
    /// # Safety
    ///
    /// The entry came from `entry` of this type, and is not acted upon any more.
    pub(super) unsafe fn into_inner(entry: Entry) -> F {
        // SAFETY: it came from a box in `entry`, and nobody else has it.
        unsafe { Box::from_raw(entry.as_ptr().cast::<Self>().as_ptr()) }.f
    }
}

/// A job on the stack of one who waits for its end.
#[repr(C)]
pub(super) struct StackJob<F, R> {
    header: Header,
    done: Latch,
    /// Until it was taken out to be run or dropped.
    f: TrackedCell<ManuallyDrop<F>>,
    /// What came of it, when it is done; `None` if it was cancelled, and then `f` is still there.
    result: TrackedCell<Option<Result<R, Payload>>>,
}

impl<F: FnOnce() -> R + Send, R: Send> StackJob<F, R> {
    #[inline]
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(f: F) -> StackJob<F, R> {
        StackJob {
            // SAFETY: `F` and `R` are `Send`, and the function fits the type.
            header: unsafe { Header::new(Self::act) },
            done: Latch::new(1),
            f: TrackedCell::new(ManuallyDrop::new(f)),
            result: TrackedCell::new(None),
        }
    }

    /// # Safety
    ///
    /// To be queued once at most; and the job neither moves nor goes until the entry is acted upon and [`join`](Self::join) has
    /// returned, or it was taken back from the queue.
    pub(super) unsafe fn entry(&self) -> Entry {
        // SAFETY: the caller's promise.
        unsafe { Entry::new(NonNull::from(self).cast()) }
    }

    unsafe fn act(job: NonNull<Header>, action: Action, _hook: Hook<'_>) -> Acted {
        if action == Action::Sweep {
            return Acted::Stays;
        }
        let job = job.cast::<Self>().as_ptr();
        // SAFETY: the job is there until it is done, and nobody but us has it; see `entry`.
        unsafe {
            if action == Action::Run {
                let result = catch_unwind(AssertUnwindSafe((*job).take()));
                let _access = (*job).result.begin_mut();
                *(*job).result.get() = Some(result);
            }
            Latch::count_down(&raw const (*job).done);
        }
        Acted::Gone
    }

    /// Takes the closure.
    ///
    /// # Safety
    ///
    /// Once, and only by who has taken the entry out of the queue.
    pub(super) unsafe fn take(&self) -> F {
        let _access = self.f.begin_mut();
        // SAFETY: the caller is the only one, and the first.
        unsafe { ManuallyDrop::take(&mut *self.f.get()) }
    }

    /// Waits until the job is done; goes on with its panic, if it has panicked.
    ///
    /// # Errors
    ///
    /// The closure, if it was cancelled.
    ///
    /// # Safety
    ///
    /// The entry was queued, and not taken back.
    pub(super) unsafe fn join(&self) -> Result<R, F> {
        Worker::share_of_caller();
        self.done.wait(|| {});
        let _access = self.result.begin_mut();
        // SAFETY: the job is done, so we have it to ourselves; and if it was not run, nobody has taken the closure.
        unsafe {
            match (*self.result.get()).take() {
                Some(Ok(result)) => Ok(result),
                Some(Err(payload)) => resume_unwind(payload),
                None => Err(self.take()),
            }
        }
    }
}
