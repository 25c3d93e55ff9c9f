//! A job with a handle: one allocation that the pool and the handle share.
//!
//! # The state word
//!
//! ```text
//! PHASE (2 bits)  QUEUED   not begun: whoever makes it RUNNING has the work to himself
//!                 RUNNING  somebody runs it, or drops it
//!                 SETTLED  the result is there and the callbacks have run; the waiter is about to be told
//!                 DONE     the result is there (or was taken)
//! PARKED          somebody waits for DONE, or has until his deadline
//! CALLBACKS       there are callbacks that were added after the job was made (from SETTLED on it means nothing)
//! HANDLE          there is a handle
//! ENTRY           it is in a queue, or was taken from one and not acted upon
//! ```
//!
//! # Transitions
//!
//! ```text
//! claim        QUEUED -> RUNNING             by the worker that takes it from a queue, by one that joins it, by who cancels it
//! on_done      CALLBACKS := 1                after it was added to the list, whose lock is held
//! completes    CALLBACKS 1 -> 0              and runs them; again, as long as there are new ones
//!              RUNNING, neither -> DONE      together with ENTRY 1 -> 0, if it came from a queue
//!              RUNNING, PARKED -> SETTLED    ... and then, under the queue lock, together with the wake-up:
//!              SETTLED -> DONE, PARKED 1 -> 0
//! waiter       PARKED := 1                   about to park, if it is not DONE
//! let go       ENTRY 1 -> 0, HANDLE 1 -> 0   who takes the last of the two away frees the memory
//! ```
//!
//! # Invariants
//!
//! 1. The work is touched by the one who made the job RUNNING, the result by the same until it is SETTLED. From then on by those who hold
//!    the handle, each with its reader's lock; or by the one who frees it.
//! 2. Whoever completes the job holds it by ENTRY or by HANDLE, so that it is there until the completing is over. The bit that
//!    it holds it by goes with the step to DONE: from then on the others may free it.
//! 3. A callback that was added while the phase was RUNNING or less runs before DONE; who adds one later finds the result there, and runs
//!    it himself.

use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::catch_unwind;

use super::job::{Acted, Action, Entry, Header};
use super::latch::{LUCK, POLLING};
use crate::deadline::Deadline;
use crate::error::JobError;
use crate::hook::{Hook, Payload};
use crate::lock::Lock;
use crate::primitives::advice::Park;
use crate::primitives::atomic::{AtomicU8, Ordering};
use crate::primitives::cell::TrackedCell;
use crate::primitives::parking::{self, FilterOp, ParkResult, ParkToken, UnparkToken};
use crate::spin::Poll;

const PHASE: u8 = 0b11;
const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const SETTLED: u8 = 2;
const DONE: u8 = 3;
const PARKED: u8 = 0b100;
const CALLBACKS: u8 = 0b1000;
const HANDLE: u8 = 0b1_0000;
const ENTRY: u8 = 0b10_0000;

/// Told to those who wait. They look at the word whatever they are told.
const LOOK: UnparkToken = UnparkToken(0xb0);

const fn phase(state: u8) -> u8 {
    state & PHASE
}

/// Whether nobody holds the job any more.
const fn is_free(state: u8) -> bool {
    state & (HANDLE | ENTRY) == 0
}

/// What came of a job, or why nothing did.
pub(super) type Outcome<R> = Result<R, JobError>;

/// What is called when a job is done: in the job itself, if it was known when that was made.
pub(super) trait Callback<R>: Send {
    fn call(self, outcome: &Outcome<R>);
}

/// No callback.
pub(super) struct Nothing;

impl<R> Callback<R> for Nothing {
    fn call(self, _outcome: &Outcome<R>) {}
}

impl<R, C: FnOnce(Result<&R, &JobError>) + Send> Callback<R> for C {
    fn call(self, outcome: &Outcome<R>) {
        self(outcome.as_ref());
    }
}

type BoxedCallback<R> = Box<dyn FnOnce(Result<&R, &JobError>) + Send>;

/// A callback that was added later, and those that were added before it.
struct Node<R> {
    callback: BoxedCallback<R>,
    earlier: Option<Box<Node<R>>>,
}

/// Which part of a claimed job is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// Run the work.
    Work,
    /// Drop the work: it is cancelled.
    Drop,
    /// Free the memory.
    Free,
}

/// What all know of a job who know the type of its result.
#[repr(C)]
pub(super) struct Core<R> {
    header: Header,
    /// What is to be done by whoever has claimed it, with the bits that it holds it by.
    part: unsafe fn(NonNull<Core<R>>, Part, u8, Hook<'_>),
    /// Which pool it is in: an address to compare, never followed.
    pool: usize,
    state: AtomicU8,
    /// For the model alone: whoever frees the job comes after all who have used it.
    life: TrackedCell<()>,
    /// Those that were added and not run yet, newest first.
    callbacks: Lock<Option<Box<Node<R>>>>,
    result: TrackedCell<Option<Outcome<R>>>,
}

/// A job with its work `F`, and what is called when it is done.
#[repr(C)]
pub(super) struct Task<R, F, C> {
    core: Core<R>,
    /// Until it was taken out to be run or dropped.
    work: TrackedCell<ManuallyDrop<(F, C)>>,
}

impl<R, F, C> Task<R, F, C>
where
    R: Send,
    F: FnOnce() -> R + Send,
    C: Callback<R>,
{
    /// A job for the queue of a pool, and for a handle.
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn make(pool: usize, f: F, callback: C) -> NonNull<Core<R>> {
        let task = Task {
            core: Core {
                // SAFETY: all of it is `Send`, and the function fits the type.
                header: unsafe { Header::new(Self::act) },
                part: Self::part,
                pool,
                state: AtomicU8::new(QUEUED | HANDLE | ENTRY),
                life: TrackedCell::new(()),
                callbacks: Lock::new(None),
                result: TrackedCell::new(None),
            },
            work: TrackedCell::new(ManuallyDrop::new((f, callback))),
        };
        NonNull::from(Box::leak(Box::new(task))).cast()
    }

    /// Takes the work back from a job that no queue has taken, and that has no handle yet.
    ///
    /// # Safety
    ///
    /// The job is of this type, and nobody else knows it.
    pub(super) unsafe fn into_inner(job: NonNull<Core<R>>) -> (F, C) {
        // SAFETY: it came from a box in `make`, and nobody else has it; the work was never taken.
        unsafe {
            let mut task = Box::from_raw(job.cast::<Self>().as_ptr());
            ManuallyDrop::take(task.work.get_mut())
        }
    }

    unsafe fn act(job: NonNull<Header>, action: Action, hook: Hook<'_>) -> Acted {
        let job: NonNull<Core<R>> = job.cast();
        let part = match action {
            Action::Run => Part::Work,
            Action::Cancel => Part::Drop,
            // SAFETY: this entry keeps the job until here.
            Action::Sweep if unsafe { job.as_ref() }.is_queued() => return Acted::Stays,
            Action::Sweep => {
                // SAFETY: somebody else has it: this was only its place in the queue.
                unsafe { Core::let_go(job, ENTRY, hook) };
                return Acted::Gone;
            }
        };
        // SAFETY: this entry keeps the job until here.
        unsafe {
            if job.as_ref().claim() {
                Self::part(job, part, ENTRY, hook);
            } else {
                // Somebody else has it: this was only its place in the queue.
                Core::let_go(job, ENTRY, hook);
            }
        }
        Acted::Gone
    }

    /// # Safety
    ///
    /// `Work` and `Drop`: by who has claimed the job, and holds it by the bits `held` or by the handle. `Free`: by the last who held it.
    unsafe fn part(job: NonNull<Core<R>>, part: Part, held: u8, hook: Hook<'_>) {
        let task = job.cast::<Self>();
        // SAFETY: the caller's promise, and invariant 1.
        unsafe {
            let outcome = match part {
                Part::Free => {
                    job.as_ref().life.begin_mut().end();
                    return drop(Box::from_raw(task.as_ptr()));
                }
                Part::Work | Part::Drop => {
                    let (f, callback) = {
                        let _access = task.as_ref().work.begin_mut();
                        ManuallyDrop::take(&mut *task.as_ref().work.get())
                    };
                    let outcome = if part == Part::Work {
                        catch_unwind(AssertUnwindSafe(f)).map_err(JobError::Panicked)
                    } else {
                        hook.guard(move || drop(f));
                        Err(JobError::Cancelled)
                    };
                    hook.guard(|| callback.call(&outcome));
                    outcome
                }
            };
            {
                let _access = job.as_ref().result.begin_mut();
                *job.as_ref().result.get() = Some(outcome);
            }
            Core::complete(job, held, hook);
        }
    }
}

impl<R> Core<R> {
    /// # Safety
    ///
    /// The job comes from `Task::make`, and this is called once for each.
    pub(super) unsafe fn entry(job: NonNull<Core<R>>) -> Entry {
        // SAFETY: the bit ENTRY keeps it until it is acted upon.
        unsafe { Entry::new(job.cast()) }
    }

    pub(super) fn pool(&self) -> usize {
        self.pool
    }

    /// Whether nobody has begun it. No is final.
    fn is_queued(&self) -> bool {
        // Relaxed: if it is old, the job is swept another time.
        phase(self.state.load(Ordering::Relaxed)) == QUEUED
    }

    /// Takes the work, if nobody has yet.
    pub(super) fn claim(&self) -> bool {
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        while phase(state) == QUEUED {
            // Relaxed, both: the work was written before the job went to a queue or to the owner of the handle, and they bring that with
            // them.
            let next = state | RUNNING;
            match self.state.compare_exchange_weak(state, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(actual) => state = actual,
            }
        }
        false
    }

    /// Runs the job, for the holder of the handle who has claimed it. If he has taken its entry from the queue, that goes with it.
    ///
    /// # Safety
    ///
    /// By that one only.
    pub(super) unsafe fn run_claimed(job: NonNull<Core<R>>, has_entry: bool, hook: Hook<'_>) {
        let held = if has_entry { ENTRY } else { 0 };
        // SAFETY: the caller's promise.
        unsafe { (job.as_ref().part)(job, Part::Work, held, hook) }
    }

    /// Cancels the job, for the holder of the handle who has claimed it.
    ///
    /// # Safety
    ///
    /// By that one only.
    pub(super) unsafe fn cancel_claimed(job: NonNull<Core<R>>, hook: Hook<'_>) {
        // SAFETY: the caller's promise.
        unsafe { (job.as_ref().part)(job, Part::Drop, 0, hook) }
    }

    /// The result is there: runs the callbacks and wakes those who wait. The bits `held` are let go with it.
    ///
    /// # Safety
    ///
    /// By the one who has claimed it.
    unsafe fn complete(job: NonNull<Core<R>>, held: u8, hook: Hook<'_>) {
        // SAFETY: we hold it, by the bits `held` or by a handle (invariant 2).
        let core = unsafe { job.as_ref() };
        // Relaxed: only a guess, the steps below decide.
        let mut state = core.state.load(Ordering::Relaxed);
        loop {
            if state & CALLBACKS != 0 {
                // Relaxed: the list's lock brings what was added. (Who added it has set the bit with the lock held, so that we get the
                // lock when it is there.)
                core.state.fetch_and(!CALLBACKS, Ordering::Relaxed);
                core.run_callbacks(hook);
                // Relaxed: as above.
                state = core.state.load(Ordering::Relaxed);
                continue;
            }
            let phase = if state & PARKED == 0 { DONE } else { SETTLED };
            let held_now = if phase == DONE { held } else { 0 };
            core.life.begin_ref().end();
            let next = (state & !PHASE | phase) & !held_now;
            // Release: pairs with the Acquire of those who find it done; they see the result. Acquire: pairs with the Release of a handle that
            // was let go, since we may be the one to free the job. Relaxed on failure: it is the next guess.
            match core.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
                Err(actual) => state = actual,
                Ok(_) if phase == SETTLED => {
                    // SAFETY: we still hold it.
                    return unsafe { Core::wake_all(job, held, hook) };
                }
                Ok(_) if is_free(next) => {
                    // SAFETY: nobody else holds it.
                    return unsafe { Core::free(job, hook) };
                }
                Ok(_) => return,
            }
        }
    }

    /// Makes a SETTLED job DONE, and wakes those who wait for that.
    ///
    /// # Safety
    ///
    /// By the one who has made it SETTLED.
    #[cold]
    unsafe fn wake_all(job: NonNull<Core<R>>, held: u8, hook: Hook<'_>) {
        // SAFETY: until the callback we hold the job: by the bits `held`, or by the handle that is ours. From then on it may be gone.
        let (state, key) = unsafe { (&job.as_ref().state, job.as_ref().key()) };
        // All in one step: the bits that are taken away were there, and SETTLED and one is DONE.
        let settled_to_done = PARKED + held - (DONE - SETTLED);
        // SAFETY: as above.
        unsafe { job.as_ref() }.life.begin_ref().end();
        let mut next = 0;
        // SAFETY: the key is the address of our own word; the callback is one read-modify-write of it.
        unsafe {
            parking::unpark_filter(
                key,
                |_| FilterOp::Unpark,
                |_| {
                    // Release: pairs with the Acquire of those who find it done; they see the result. Acquire: pairs with the Release of a
                    // handle that was let go (its thread had marked the word, and timed out): we free the job then.
                    let prev = state.fetch_sub(settled_to_done, Ordering::AcqRel);
                    next = prev - settled_to_done;
                    LOOK
                },
            );
        }
        if is_free(next) {
            // SAFETY: nobody else holds it.
            unsafe { Core::free(job, hook) };
        }
    }

    /// Takes a bit away by which the caller has held the job, and frees it if that was the last.
    ///
    /// # Safety
    ///
    /// The caller holds it by that bit, and not any more.
    pub(super) unsafe fn let_go(job: NonNull<Core<R>>, held: u8, hook: Hook<'_>) {
        // Release: what we did with the job comes before it is freed. Acquire: what the others did, too.
        // SAFETY: we hold the job.
        let prev = unsafe {
            job.as_ref().life.begin_ref().end();
            job.as_ref().state.fetch_and(!held, Ordering::AcqRel)
        };
        if is_free(prev & !held) {
            // SAFETY: nobody else holds it.
            unsafe { Core::free(job, hook) };
        }
    }

    /// Lets the handle go.
    ///
    /// # Safety
    ///
    /// Once, by the handle.
    pub(super) unsafe fn let_handle_go(job: NonNull<Core<R>>) {
        // Release: what we did with the job comes before it is freed. Acquire: what the others did, too.
        // SAFETY: we hold the job by its handle.
        let prev = unsafe {
            job.as_ref().life.begin_ref().end();
            job.as_ref().state.fetch_and(!HANDLE, Ordering::AcqRel)
        };
        if is_free(prev & !HANDLE) {
            // SAFETY: nobody else holds it. A panic in the result's destructor is for the owner of the handle.
            unsafe { (job.as_ref().part)(job, Part::Free, 0, Hook(None)) };
        }
    }

    /// # Safety
    ///
    /// By the last who held it.
    unsafe fn free(job: NonNull<Core<R>>, hook: Hook<'_>) {
        // SAFETY: nobody else has it.
        unsafe {
            let unseen = {
                let _access = job.as_ref().result.begin_mut();
                match (*job.as_ref().result.get()).take() {
                    Some(Err(JobError::Panicked(payload))) => Some(payload),
                    other => {
                        *job.as_ref().result.get() = other;
                        None
                    }
                }
            };
            if let Some(payload) = unseen {
                hook.report(payload);
            }
            hook.guard(|| (job.as_ref().part)(job, Part::Free, 0, hook));
        }
    }

    fn key(&self) -> usize {
        (&raw const self.state).addr()
    }

    pub(super) fn is_done(&self) -> bool {
        // Acquire: pairs with the Release in `complete` and `wake_all`; who sees it done sees the result.
        phase(self.state.load(Ordering::Acquire)) == DONE
    }

    /// Waits until the job is done, or the deadline passes. Says whether it is done. For the holder of the handle.
    ///
    /// ```text
    /// loop
    ///     done?            return
    ///     mark the word    PARKED, if it is not done
    ///     park             unless the mark is gone
    /// ```
    pub(super) fn wait(&self, deadline: Deadline) -> bool {
        self.is_done() || self.wait_slow(deadline.or_now())
    }

    #[cold]
    fn wait_slow(&self, mut deadline: Deadline) -> bool {
        if !deadline.is_now() && Poll::new(POLLING).until_at(&LUCK, deadline.instant(), || self.is_done()) {
            return true;
        }
        // Acquire: pairs with the Release in `complete` and `wake_all`.
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            if phase(state) == DONE {
                return true;
            }
            if deadline.is_now() {
                return false;
            }
            if state & PARKED == 0 {
                let marked = state | PARKED;
                // Relaxed: the mark carries no data. Acquire on failure: as above.
                let result =
                    self.state.compare_exchange_weak(state, marked, Ordering::Relaxed, Ordering::Acquire);
                if let Err(actual) = result {
                    state = actual;
                    continue;
                }
            }
            // Relaxed: PARKED is cleared under this queue lock only, together with the wake-up. (It may be stale the other way round, when all
            // who waited have timed out: then a wake-up finds nobody.)
            let validate = || self.state.load(Ordering::Relaxed) & PARKED != 0;
            let instant = deadline.instant();
            let park = Park::begin();
            // SAFETY: the key is the address of our own word; `validate` is a load.
            let result =
                unsafe { parking::park(self.key(), validate, || {}, |_, _| {}, ParkToken(0), instant) };
            if result == ParkResult::TimedOut {
                deadline = Deadline::Now;
            } else {
                LUCK.staying.was_parked(&park);
            }
            // Acquire: as above.
            state = self.state.load(Ordering::Acquire);
        }
    }

    /// Takes the result out, or what stands in its place.
    ///
    /// # Safety
    ///
    /// The job is SETTLED at least, as the caller has seen (Acquire), and no other thread takes or puts it at the same time.
    pub(super) unsafe fn take_result(&self) -> Option<Outcome<R>> {
        let _access = self.result.begin_mut();
        // SAFETY: the caller's promise, and invariant 1.
        unsafe { (*self.result.get()).take() }
    }

    /// Puts back what was taken out.
    ///
    /// # Safety
    ///
    /// As for `take_result`.
    pub(super) unsafe fn put_result(&self, outcome: Outcome<R>) {
        let _access = self.result.begin_mut();
        // SAFETY: the caller's promise, and invariant 1.
        unsafe { *self.result.get() = Some(outcome) };
    }

    /// Adds a callback, for when the job is done.
    ///
    /// # Errors
    ///
    /// The callback, if it comes too late for whoever completes the job: the caller runs it himself, for the result is there.
    pub(super) fn add_callback(&self, callback: BoxedCallback<R>) -> Result<(), BoxedCallback<R>> {
        let mut newest = self.callbacks.lock();
        *newest = Some(Box::new(Node { callback, earlier: newest.take() }));
        // Acquire: pairs with the Release in `complete`; if it is settled, we see the result. Relaxed to the other side: the lock brings
        // the list, and who completes looks into it after he has seen this bit.
        let prev = self.state.fetch_or(CALLBACKS, Ordering::Acquire);
        if phase(prev) < SETTLED {
            return Ok(());
        }
        // Nobody looks into the list any more, and we have held it: ours is the newest.
        let node = newest.take().expect("raddle: a callback was there");
        *newest = node.earlier;
        Err(node.callback)
    }

    /// Runs the callbacks that were added so far, first added first, for the one who completes the job.
    #[cold]
    fn run_callbacks(&self, hook: Hook<'_>) {
        let mut node = self.callbacks.lock().take();
        let mut callbacks = Vec::new();
        while let Some(this) = node {
            callbacks.push(this.callback);
            node = this.earlier;
        }
        for callback in callbacks.into_iter().rev() {
            let _access = self.result.begin_ref();
            // SAFETY: the job is not settled: the result is ours (invariant 1).
            if let Some(outcome) = unsafe { &*self.result.get() } {
                hook.guard(|| callback(outcome.as_ref()));
            }
        }
    }
}

/// What a payload says, for those who can't have the payload itself.
pub(super) fn message_of(payload: &Payload) -> Payload {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        Box::new(*text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        Box::new(text.clone())
    } else {
        Box::new("the job panicked with a value that is no text")
    }
}
