//! Jobs that borrow: none of them outlives the call of `scope` that they were made in.
//!
//! A latch counts those that are not done, and the scope's own closure. If a worker waits for it, it runs the scope's jobs that nobody has begun,
//! and no others: so the scope keeps a list of them (a stack in Treiber's manner; one thread takes it, always as a whole). A job is in two
//! places then, in a queue and in that list, and belongs to whoever claims it.
//!
//! # A job's word
//!
//! ```text
//! CLAIMED  somebody runs it or drops it, or has: who set this has the closure to himself
//! ENTRY    it is in a queue, or was taken from one and not acted upon
//! LISTED   it is in the scope's list, or was taken from it and not acted upon
//! ```
//!
//! Who takes the last of ENTRY and LISTED away frees the memory. That may be after the scope is gone: then the closure is gone too, and nothing of
//! the scope is touched. The scope itself is there until its latch is at zero, which each job lowers after it has run.

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::ptr::{self, NonNull};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;

use super::job::{Acted, Action, Entry, Failure, Header};
use super::latch::Latch;
use super::worker::{Shared, Worker};
use crate::deadline::Deadline;
use crate::hook::Hook;
use crate::lock::Lock;
use crate::primitives::atomic::{AtomicPtr, AtomicU8, Ordering};
use crate::primitives::cell::TrackedCell;

/// A place to make jobs that borrow from the stack, from [`WorkPool::scope`](crate::WorkPool::scope).
pub struct Scope<'scope, 'env: 'scope> {
    data: &'scope ScopeData<'scope>,
    /// Invariant in both, as `std::thread::Scope` is: a longer or shorter lifetime would let a job borrow what is gone.
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

/// What the jobs of a scope know of it. It is there until they are done.
struct ScopeData<'a> {
    pool: &'a Arc<Shared>,
    /// The scope's own closure, and the jobs that are not done.
    running: Latch,
    /// What a worker that waits for the scope may run; used if it is one.
    jobs: AtomicPtr<Listed>,
    /// The worker that waits for the scope, or null if no worker does. Then the jobs are listed for it.
    owner: *const Worker,
    failure: Lock<Failure>,
}

const CLAIMED: u8 = 0b1;
const ENTRY: u8 = 0b10;
const LISTED: u8 = 0b100;

/// What all know of a scope's job who do not know its type.
#[repr(C)]
struct Listed {
    header: Header,
    /// CLAIMED: somebody runs it, or has. ENTRY, LISTED: it is in a queue, in the list; who takes the last of these away frees it.
    state: AtomicU8,
    /// There until it has counted down. (The lifetime is not that of what is behind it.)
    scope: *const ScopeData<'static>,
    is_listed: bool,
    /// For the model alone: whoever frees the job comes after all who have used it.
    life: TrackedCell<()>,
    next: *mut Listed,
    /// Runs or drops what was claimed.
    perform: unsafe fn(NonNull<Listed>, Action, Hook<'_>),
    free: unsafe fn(NonNull<Listed>),
}

#[repr(C)]
struct ScopeJob<F> {
    listed: Listed,
    /// Until it was taken out to be run or dropped.
    f: TrackedCell<ManuallyDrop<F>>,
}

impl Listed {
    /// Acts on the job, unless somebody has; and lets go of the bit `held`.
    ///
    /// # Safety
    ///
    /// The caller holds the job by that bit, and does not any more.
    unsafe fn act(job: NonNull<Listed>, action: Action, held: u8, hook: Hook<'_>) {
        // SAFETY: the caller's promise.
        unsafe {
            // Relaxed: what the job is was written before it was queued or listed, and those bring it with them.
            if job.as_ref().state.fetch_or(CLAIMED, Ordering::Relaxed) & CLAIMED == 0 {
                (job.as_ref().perform)(job, action, hook);
            }
            Listed::let_go(job, held);
        }
    }

    unsafe fn act_on_entry(job: NonNull<Header>, action: Action, hook: Hook<'_>) -> Acted {
        let job: NonNull<Listed> = job.cast();
        // SAFETY: the entry holds it by its bit. A job that is listed is a part of one that has begun: who waits for it runs it, whether
        // the pool is terminated or not.
        unsafe {
            match action {
                Action::Cancel if job.as_ref().is_listed => Listed::let_go(job, ENTRY),
                Action::Run | Action::Cancel => Listed::act(job, action, ENTRY, hook),
                // Relaxed: if it is old, the job is swept another time.
                Action::Sweep if job.as_ref().state.load(Ordering::Relaxed) & CLAIMED == 0 => {
                    return Acted::Stays;
                }
                Action::Sweep => Listed::let_go(job, ENTRY),
            }
        }
        Acted::Gone
    }

    /// # Safety
    ///
    /// The caller holds the job by the bit `held`, and does not any more.
    unsafe fn let_go(job: NonNull<Listed>, held: u8) {
        // SAFETY: the caller's promise.
        unsafe {
            job.as_ref().life.begin_ref().end();
            // Release: what we did with the job comes before it is freed. Acquire: what the other did, too.
            let prev = job.as_ref().state.fetch_and(!held, Ordering::AcqRel);
            if prev & !held & (ENTRY | LISTED) == 0 {
                job.as_ref().life.begin_mut().end();
                (job.as_ref().free)(job);
            }
        }
    }
}

impl<F: FnOnce() + Send> ScopeJob<F> {
    fn make(scope: &ScopeData<'_>, f: F) -> NonNull<Listed> {
        let is_listed = !scope.owner.is_null();
        let listed = if is_listed { LISTED } else { 0 };
        let job = ScopeJob {
            listed: Listed {
                // SAFETY: `F` is `Send`, and the function fits the type.
                header: unsafe { Header::new(Listed::act_on_entry) },
                state: AtomicU8::new(ENTRY | listed),
                scope: core::ptr::from_ref(scope).cast(),
                is_listed,
                life: TrackedCell::new(()),
                next: ptr::null_mut(),
                perform: Self::perform,
                free: Self::free,
            },
            f: TrackedCell::new(ManuallyDrop::new(f)),
        };
        NonNull::from(Box::leak(Box::new(job))).cast()
    }

    unsafe fn perform(job: NonNull<Listed>, action: Action, hook: Hook<'_>) {
        let job = job.cast::<Self>();
        // SAFETY: the caller has claimed the job, and holds it; the scope is there until we count down.
        unsafe {
            let scope = job.as_ref().listed.scope;
            let f = {
                let _access = job.as_ref().f.begin_mut();
                ManuallyDrop::take(&mut *job.as_ref().f.get())
            };
            match action {
                Action::Run => {
                    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
                        Failure::keep(&(*scope).failure, payload, hook);
                    }
                }
                Action::Cancel | Action::Sweep => {
                    hook.guard(move || drop(f));
                    (*scope).failure.lock().is_cancelled = true;
                }
            }
            Latch::count_down(&raw const (*scope).running);
        }
    }

    unsafe fn free(job: NonNull<Listed>) {
        // SAFETY: it came from a box, nobody else has it, and its closure was taken.
        drop(unsafe { Box::from_raw(job.cast::<Self>().as_ptr()) });
    }
}

impl ScopeData<'_> {
    fn list(&self, job: NonNull<Listed>) {
        // Relaxed: only a guess, the CAS below decides.
        let mut first = self.jobs.load(Ordering::Relaxed);
        loop {
            // SAFETY: the list's bit holds the job, and only the list uses `next`.
            unsafe { (*job.as_ptr()).next = first };
            // Release: pairs with the Acquire in `help`, which sees the jobs. Relaxed on failure: it is the next guess.
            match self.jobs.compare_exchange_weak(first, job.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(actual) => first = actual,
            }
        }
    }

    /// Runs what nobody has begun, newest first. For the worker that waits.
    fn help(&self, worker: &Worker) {
        // Relaxed: only a guess. What the caller knows to be listed, it sees.
        while !self.jobs.load(Ordering::Relaxed).is_null() {
            // Acquire: pairs with the Release in `list`.
            let mut next = self.jobs.swap(ptr::null_mut(), Ordering::Acquire);
            while let Some(job) = NonNull::new(next) {
                // SAFETY: the list held it by its bit. The entry is the same as was queued; it is looked for, not acted upon.
                unsafe {
                    next = job.as_ref().next;
                    let has_entry = worker.pop_if(Entry::new(job.cast()));
                    let held = if has_entry { LISTED | ENTRY } else { LISTED };
                    Listed::act(job, Action::Run, held, self.pool.hook());
                }
            }
        }
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Makes a job that runs in the pool, before the call of `scope` returns.
    ///
    /// If the pool has a queue bound, it may block as `apply_async` does. In a pool that was terminated the job is cancelled, and `scope`
    /// panics when all is done; but for a scope that a worker has opened, which is a part of its job.
    ///
    /// (In a scope that a worker has opened, some 60 bytes for each job are kept until the scope's closure has returned.)
    ///
    /// # Panics
    ///
    /// If the pool is closed and the caller is none of its workers; but for a scope that a worker has opened, which then runs the job itself.
    pub fn spawn<F: FnOnce() + Send + 'scope>(&self, f: F) {
        let scope = self.data;
        let job = ScopeJob::make(scope, f);
        // Before anybody can find the job, who might run it and count down.
        scope.running.add();
        if !scope.owner.is_null() {
            scope.list(job);
            let is_owner =
                Worker::with_current(|worker| worker.is_some_and(|worker| ptr::eq(worker, scope.owner)));
            if !is_owner {
                // (The owner looks into the list again when it has done what it is at.)
                scope.running.added();
            }
        }
        // SAFETY: the bit ENTRY holds it.
        let entry = unsafe { Entry::new(job.cast()) };
        if scope.pool.submit(entry, Deadline::Never).is_err() {
            if !scope.owner.is_null() {
                // A part of a job that has begun: who waits for the scope runs it.
                // SAFETY: the entry is in no queue.
                return unsafe { Listed::let_go(job, ENTRY) };
            }
            // SAFETY: the entry is in no queue.
            unsafe { Listed::act(job, Action::Cancel, ENTRY, scope.pool.hook()) };
            panic!("Scope::spawn: the pool is closed");
        }
    }
}

// SAFETY: all that is behind the reference is made for sharing: the list's jobs are `Send`, and the failure is in a lock.
unsafe impl Send for Scope<'_, '_> {}
// SAFETY: as above.
unsafe impl Sync for Scope<'_, '_> {}

impl core::fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// See [`WorkPool::scope`](crate::WorkPool::scope).
pub(super) fn scope<'env, T>(
    pool: &Arc<Shared>,
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
) -> T {
    pool.with_own_worker(|worker| {
        let data = ScopeData {
            pool,
            running: Latch::new(1),
            jobs: AtomicPtr::new(ptr::null_mut()),
            owner: worker.map_or(ptr::null(), ptr::from_ref),
            failure: Lock::new(Failure::default()),
        };
        // Here, beside `data`: the jobs have references to both, and go on after `f` has returned.
        let scope = Scope { data: &data, _scope: PhantomData, _env: PhantomData };
        let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
        // SAFETY: the closure is counted, and over. The latch stays until we have waited for it.
        unsafe { Latch::count_down(&data.running) };
        data.running.wait(|| match worker {
            Some(worker) => data.help(worker),
            // Perhaps it is one of another pool.
            None => Worker::share_of_caller(),
        });
        if let Some(worker) = worker {
            // Those that were done by others before we came to them: none of these runs any more.
            data.help(worker);
        }
        let Failure { payload, is_cancelled } = data.failure.into_inner();
        match (result, payload) {
            (Ok(_), None) if is_cancelled => panic!("WorkPool::scope: a job was cancelled"),
            (Ok(result), None) => result,
            (Ok(_), Some(payload)) | (Err(payload), None) => resume_unwind(payload),
            (Err(payload), Some(second)) => {
                pool.hook().report(second);
                resume_unwind(payload)
            }
        }
    })
}
