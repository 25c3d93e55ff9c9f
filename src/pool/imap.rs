//! Results one by one, while later ones are being worked at. So many jobs are in flight at most; the input is taken as they are needed.

use core::fmt;
use core::iter::{Fuse, FusedIterator};
use core::panic::AssertUnwindSafe;
use std::collections::VecDeque;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;

use super::handle::JobHandle;
use super::task::Outcome;
use super::worker::Shared;
use crate::deadline::Deadline;
use crate::error::JobError;
use crate::hook::Payload;
use crate::queue::JoinableQueue;

/// For each worker one job that it is at, and one that it can go on with.
const IN_FLIGHT_PER_WORKER: usize = 2;

/// Where jobs are made from.
struct Feed<I, F> {
    pool: Arc<Shared>,
    items: Fuse<I>,
    f: Arc<F>,
    /// What the input has panicked with: told when the results before it were.
    failure: Option<Payload>,
    /// The pool was closed: told likewise.
    was_closed: bool,
    has_ended: bool,
}

impl<I: Iterator, F> Feed<I, F> {
    fn new(pool: &Arc<Shared>, items: I, f: F) -> Feed<I, F> {
        Feed {
            pool: Arc::clone(pool),
            items: items.fuse(),
            f: Arc::new(f),
            failure: None,
            was_closed: false,
            has_ended: false,
        }
    }

    /// The next item to make a job of, when so many are in flight: if there is one, and it is time for it.
    fn next(&mut self, in_flight: usize) -> Option<I::Item> {
        let has_place = in_flight < IN_FLIGHT_PER_WORKER * self.pool.max_workers();
        // A full pool is waited for only if there is nothing else to wait for.
        if self.has_ended || !has_place || in_flight > 0 && self.pool.is_full() {
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| self.items.next())) {
            Ok(Some(item)) => Some(item),
            Ok(None) => {
                self.has_ended = true;
                None
            }
            Err(payload) => {
                self.has_ended = true;
                self.failure = Some(payload);
                None
            }
        }
    }

    /// Makes a job in the pool.
    fn submit<R, J>(&mut self, job: J) -> Option<JobHandle<R>>
    where
        R: Send + 'static,
        J: FnOnce() -> R + Send + 'static,
    {
        match super::submit(&self.pool, job, super::task::Nothing, Deadline::Never) {
            Ok(handle) => Some(handle),
            Err(_closed) => {
                self.has_ended = true;
                self.was_closed = true;
                None
            }
        }
    }

    /// There are no results any more: goes on with the failure, if there was one.
    fn end(&mut self) {
        if let Some(payload) = self.failure.take() {
            resume_unwind(payload);
        }
        if core::mem::take(&mut self.was_closed) {
            panic!("WorkPool::imap: the pool is closed");
        }
    }
}

/// The result, or the panic that stands for it.
fn value<R>(outcome: Outcome<R>) -> R {
    match outcome {
        Ok(result) => result,
        Err(JobError::Panicked(payload)) => resume_unwind(payload),
        Err(error) => panic!("WorkPool::imap: {error}"),
    }
}

/// Results in the order of the input, from [`WorkPool::imap`](crate::WorkPool::imap).
///
/// Dropping it cancels the jobs that have not begun.
pub struct Imap<I, F, R> {
    feed: Feed<I, F>,
    flight: VecDeque<JobHandle<R>>,
}

impl<I, F, R> Imap<I, F, R>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    pub(super) fn new(pool: &Arc<Shared>, items: I, f: F) -> Imap<I, F, R> {
        let mut imap = Imap { feed: Feed::new(pool, items, f), flight: VecDeque::new() };
        imap.fill();
        imap
    }

    fn fill(&mut self) {
        while let Some(item) = self.feed.next(self.flight.len()) {
            let f = Arc::clone(&self.feed.f);
            self.flight.extend(self.feed.submit(move || f(item)));
        }
    }
}

impl<I, F, R> Iterator for Imap<I, F, R>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    type Item = R;

    fn next(&mut self) -> Option<R> {
        self.fill();
        match self.flight.pop_front() {
            Some(handle) => Some(value(handle.join())),
            None => {
                self.feed.end();
                None
            }
        }
    }
}

impl<I, F, R> Drop for Imap<I, F, R> {
    fn drop(&mut self) {
        for handle in &self.flight {
            handle.cancel();
        }
    }
}

/// Results as they come, from [`WorkPool::imap_unordered`](crate::WorkPool::imap_unordered).
///
/// Dropping it cancels the jobs that have not begun.
pub struct ImapUnordered<I, F, R> {
    feed: Feed<I, F>,
    /// The jobs that may not be finished.
    flight: VecDeque<JobHandle<()>>,
    in_flight: usize,
    results: Arc<JoinableQueue<Outcome<R>>>,
}

/// Tells the result when it is dropped; so also if the job is.
struct Tell<R> {
    outcome: Option<Outcome<R>>,
    results: Arc<JoinableQueue<Outcome<R>>>,
}

impl<R> Tell<R> {
    fn tell(mut self, outcome: Outcome<R>) {
        self.outcome = Some(outcome);
    }
}

impl<R> Drop for Tell<R> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or(Err(JobError::Cancelled));
        // It is not shut down while somebody may still put.
        let _ = self.results.put(outcome);
    }
}

impl<I, F, R> ImapUnordered<I, F, R>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    pub(super) fn new(pool: &Arc<Shared>, items: I, f: F) -> ImapUnordered<I, F, R> {
        let mut imap = ImapUnordered {
            feed: Feed::new(pool, items, f),
            flight: VecDeque::new(),
            in_flight: 0,
            results: Arc::new(JoinableQueue::unbounded()),
        };
        imap.fill();
        imap
    }

    fn fill(&mut self) {
        while let Some(item) = self.feed.next(self.in_flight) {
            let f = Arc::clone(&self.feed.f);
            let tell = Tell { outcome: None, results: Arc::clone(&self.results) };
            let handle = self.feed.submit(move || {
                tell.tell(catch_unwind(AssertUnwindSafe(|| f(item))).map_err(JobError::Panicked));
            });
            if let Some(handle) = handle {
                self.flight.push_back(handle);
                self.in_flight += 1;
            } else {
                self.take_one_cancelled();
            }
        }
        // Those that have finished stand anywhere. Now and then is often enough.
        if self.flight.len() > 2 * self.in_flight {
            self.flight.retain(|handle| !handle.is_finished());
        }
    }

    /// A job that was refused has told that it was cancelled, and nobody asked.
    fn take_one_cancelled(&self) {
        while let Ok(outcome) = self.results.try_get() {
            if matches!(outcome, Err(JobError::Cancelled)) {
                return;
            }
            // Back to its place, which is anywhere.
            let _ = self.results.put(outcome);
        }
    }

    /// The next result to come.
    fn wait(&self) -> Outcome<R> {
        loop {
            if let Ok(outcome) = self.results.try_get() {
                return outcome;
            }
            // A worker of this pool runs one that nobody has begun.
            if !self.flight.iter().any(JobHandle::run_it_ourselves) {
                return self.results.get().unwrap_or(Err(JobError::Cancelled));
            }
        }
    }
}

impl<I, F, R> Iterator for ImapUnordered<I, F, R>
where
    I: Iterator,
    I::Item: Send + 'static,
    F: Fn(I::Item) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    type Item = R;

    fn next(&mut self) -> Option<R> {
        self.fill();
        if self.in_flight == 0 {
            self.feed.end();
            return None;
        }
        let outcome = self.wait();
        self.in_flight -= 1;
        Some(value(outcome))
    }
}

impl<I, F, R> Drop for ImapUnordered<I, F, R> {
    fn drop(&mut self) {
        for handle in &self.flight {
            handle.cancel();
        }
    }
}

macro_rules! the_rest {
    ($Name:ident) => {
        // The input is fused.
        impl<I, F, R> FusedIterator for $Name<I, F, R>
        where
            I: Iterator,
            I::Item: Send + 'static,
            F: Fn(I::Item) -> R + Send + Sync + 'static,
            R: Send + 'static,
        {
        }

        impl<I, F, R> fmt::Debug for $Name<I, F, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Name)).finish_non_exhaustive()
            }
        }
    };
}

the_rest!(Imap);
the_rest!(ImapUnordered);
