//! Synchronisation primitives with timeouts everywhere, model-checked under loom, and yours through them.
//!
//! - I want to keep threads apart: one at a time is a [`Lock`], so many at a time a [`Semaphore`].
//! - I want to wait for other threads: until it happens is an [`Event`], until the data says so a [`Condition`], until all are here a [`Barrier`].
//! - I want to have work done: by threads of mine is a [`JoinableQueue`], by threads that are there already a [`WorkPool`], later a [`Timer`].
//!
//! In full:
//!
//! | I want to ...                                              | use                                  | in Python                     |
//! |------------------------------------------------------------|--------------------------------------|-------------------------------|
//! | let one thread at a time at some data                      | [`Lock`]                             | `threading.Lock`              |
//! | ... and take the lock again in the same thread             | [`RLock`]                            | `threading.RLock`             |
//! | wait, with a lock held, until another thread has done something | [`Condition`]                   | `threading.Condition`         |
//! | let so many threads at a time at something                 | [`Semaphore`], [`BoundedSemaphore`]  | the same                      |
//! | tell any number of threads that something has happened     | [`Event`]                            | `threading.Event`             |
//! | let threads wait for each other                            | [`Barrier`]                          | `threading.Barrier`           |
//! | hand items from thread to thread, and know when all are done | [`JoinableQueue`]                  | `queue.Queue`                 |
//! | ... the newest first, or the lowest first                  | [`LifoQueue`], [`PriorityQueue`]     | the same                      |
//! | have something done later, once or again and again         | [`Timer`]                            | `threading.Timer`             |
//! | have jobs done by threads that are there already               | [`WorkPool`]                         | `multiprocessing.pool.ThreadPool`, `concurrent.futures` |
//! | lock from another language, or behind `lock_api`           | [`raw`]                              |                               |
//!
//! The same rules hold for all of them. `try_x` never blocks; `try_x_for` and `try_x_until` (on the types that one waits for:
//! `wait_for` and `wait_until`) give up at a deadline of the monotonic clock; zero does not block, and a timeout too long for the
//! clock is none. `_while` takes a predicate. There is no poisoning, there are no spurious wakeups, and a waiter that times out
//! takes no wake-up, permit or item with it. Whoever is awake may take a lock or a permit ahead of those that are
//! parked; but a waiter that was woken, lost that race and has waited for a millisecond comes next.
//!
//! # Modelling your own code
//!
//! With the feature `loom`, every type runs inside `loom::model`, and loom explores each interleaving of *your* threads through
//! them: races on the data behind a [`Lock`] are found, every timed call both succeeds and times out. Turn it on in a package
//! that only tests, or behind a feature of yours:
//!
//! ```toml
//! [features]
//! loom = ["raddle/loom", "dep:loom"]
//! ```
//!
//! ```ignore
//! loom::model(|| {
//!     let lock = std::sync::Arc::new(raddle::Lock::new(0));
//!     let other = { let lock = lock.clone(); loom::thread::spawn(move || *lock.lock() += 1) };
//!     *lock.lock() += 1;
//!     other.join().unwrap();
//!     assert_eq!(*lock.lock(), 2);
//! });
//! ```
//!
//! A program that is modelled from its first line on, with the mistakes that are found on the way, is in `docs/modelling-your-code.md` in
//! the repository; the finished one is its example `lending`.
//!
//! # How it works
//!
//! The repository has a book, `docs/`: a chapter for each type, with the state word, both paths, why no wake-up is lost, and what becomes of each
//! memory ordering that is made weaker. `cargo book` builds it. Each type's page here names its chapter.
//!
//! # What to know before you depend on it
//!
//! - It parks threads by `parking_lot_core`, whose table is global to the process. A child that is forked while another thread is
//!   in that table may hang on any lock that has to park. Fork before there are threads, or `exec` at once.
//! - Nothing here may be used inside a global allocator, since parking may allocate; nor in a signal handler.
//! - It needs 64-bit atomics.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod barrier;
mod condition;
mod deadline;
mod error;
mod event;
mod hook;
mod lock;
mod pins;
#[doc(hidden)]
pub mod pool;
#[doc(hidden)]
pub mod primitives;
mod queue;
pub mod raw;
mod rlock;
mod semaphore;
mod spin;
mod timer;

#[cfg(feature = "loom")]
pub mod model;

pub use barrier::{Arrival, Barrier};
pub use condition::{Condition, ConditionData, ConditionGuard, WaitableData};
pub use error::{
    BrokenBarrier, GetError, JobError, NotLocked, NotOwner, OverRelease, PermitOverflow, PoolJoinError,
    PutError, TaskDoneTooOften, TimerStartError, TryApplyError, TryGetError, TryPutError,
};
pub use event::Event;
pub use lock::{ArcLockGuard, Lock, LockGuard, MappedLockGuard};
pub use pool::{Imap, ImapUnordered, JobHandle, Scope, WorkPool, WorkPoolBuilder};
pub use queue::{ArcIter, ArcJob, IntoIter, Iter, Job, JoinableQueue, LifoQueue, PriorityQueue, Queue};
pub use rlock::{ArcRLockGuard, MappedRLockGuard, RLock, RLockGuard};
pub use semaphore::{ArcPermit, BoundedSemaphore, Permit, PermitSource, Semaphore};
pub use timer::{Timer, Timers, TimersBuilder};
