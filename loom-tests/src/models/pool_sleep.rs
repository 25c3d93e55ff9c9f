//! The event count of a pool: no job is left lying while a worker sleeps, and all leave at the end.
//!
//! The pool of these models has a number for its queue: how many jobs there are. Its steps order nothing but themselves.

use core::ptr::NonNull;

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, JoinHandle, spawn};
use raddle::pool::deque::{Deque, Steal};
use raddle::pool::sleep::{Sleep, Wake};
use raddle::primitives::atomic::{AtomicUsize, Ordering};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("sleep_notify", 416, notify),
    exhaustive("sleep_busy_worker", 562, busy_worker),
    bounded("sleep_notify_twice", 4, 20_169, notify_twice),
    bounded("sleep_hint", 3, 14_937, hint),
    exhaustive("sleep_close", 1522, close),
    bounded("sleep_close_before_notify", 4, 27_060, close_before_notify),
    bounded("sleep_close_when_it_stays", 3, 30_163, close_when_it_stays),
    bounded("sleep_notify_then_close", 4, 38_651, notify_then_close),
    exhaustive("sleep_lazy", 12_757, lazy),
    bounded("sleep_lazy_if", 5, 32_571, lazy_if),
    exhaustive("sleep_lazy_not_started", 88_533, lazy_not_started),
    exhaustive("sleep_not_started", 204, not_started),
    bounded("sleep_three_workers_close", 3, 21_608, three_workers_close),
    bounded("sleep_one_of_two_not_started", 3, 6939, one_of_two_not_started),
    bounded("sleep_two_workers", 3, 86_612, two_workers),
    bounded("sleep_two_submitters", 3, 35_609, two_submitters),
    bounded("sleep_two_workers_close", 3, 44_163, two_workers_close),
    bounded("sleep_close_and_submit", 3, 12_034, close_and_submit),
    exhaustive("sleep_taken_by_one_who_was_started", 145, taken_by_one_who_was_started),
];

const ONE_JOB: usize = 2;
const SHUT: usize = 1;

struct Pool {
    /// So many jobs, and whether there may come more.
    jobs: AtomicUsize,
    sleep: Sleep,
}

impl Pool {
    /// With so many workers counted, which the model starts, of so many that there may be.
    fn new(started: usize, limit: usize) -> Arc<Pool> {
        let pool = Pool { jobs: AtomicUsize::new(0), sleep: Sleep::new(limit) };
        for _ in 0..started {
            assert!(pool.sleep.start());
        }
        Arc::new(pool)
    }

    /// Makes a job visible.
    fn put(&self) {
        // Relaxed: the event count relies on its fences alone.
        self.jobs.fetch_add(ONE_JOB, Ordering::Relaxed);
    }

    /// Makes a job visible, if the pool is not shut.
    fn try_put(&self) -> bool {
        let mut jobs = self.jobs.load(Ordering::Relaxed);
        while jobs & SHUT == 0 {
            // Relaxed: as above.
            match self.jobs.compare_exchange(jobs, jobs + ONE_JOB, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(actual) => jobs = actual,
            }
        }
        false
    }

    fn has_job(&self) -> bool {
        // Relaxed: as above. It may be old.
        self.jobs.load(Ordering::Relaxed) >= ONE_JOB
    }

    fn take(&self) -> bool {
        let mut jobs = self.jobs.load(Ordering::Relaxed);
        while jobs >= ONE_JOB {
            // Relaxed: as above.
            match self.jobs.compare_exchange(jobs, jobs - ONE_JOB, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(actual) => jobs = actual,
            }
        }
        false
    }

    /// As a submitter does it in a pool that has all its workers.
    fn submit(&self) {
        self.put();
        assert!(!self.sleep.notify(), "more workers than may be");
    }

    /// Searches and sleeps until there is a job, and takes it.
    fn take_one(&self) {
        while !self.take() {
            assert_eq!(self.sleep.sleep(|| self.has_job()), Wake::Search);
        }
        if self.sleep.found() && self.has_job() {
            assert!(!self.sleep.hint(), "more workers than may be");
        }
    }

    /// What a worker does, to the end. Returns how many jobs it had.
    fn work(&self) -> usize {
        let mut had = 0;
        loop {
            if self.take() {
                if self.sleep.found() && self.has_job() {
                    assert!(!self.sleep.hint(), "more workers than may be");
                }
                had += 1;
                while self.take() {
                    had += 1;
                }
                self.sleep.search();
            } else if self.sleep.sleep(|| self.has_job()) == Wake::Leave {
                let _ = self.sleep.left();
                return had;
            }
        }
    }

    /// No more jobs.
    fn close(&self) {
        // Release: the event count asks that the queue was closed before.
        self.jobs.fetch_or(SHUT, Ordering::AcqRel);
        self.sleep.close();
    }

    fn spawn<T: Send + 'static>(
        self: &Arc<Pool>,
        f: impl FnOnce(&Pool) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let pool = Arc::clone(self);
        spawn(move || f(&pool))
    }

    /// All have left, and the counts say so.
    fn assert_over(&self) {
        assert!(!self.has_job());
        assert_eq!((self.sleep.started(), self.sleep.idle()), (0, 0));
    }
}

/// A job comes while the worker searches, or lies down, or sleeps.
fn notify() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(Pool::take_one);
    pool.submit();
    worker.join().unwrap();
    assert_eq!((pool.sleep.started(), pool.sleep.idle()), (1, 0));
}

/// A worker has had a job, and looks for another when that comes.
fn busy_worker() {
    let pool = Pool::new(1, 1);
    pool.put();
    let worker = pool.spawn(|pool| {
        assert!(pool.take());
        let _ = pool.sleep.found();
        pool.sleep.search();
        pool.take_one();
    });
    pool.submit();
    worker.join().unwrap();
    assert_eq!(pool.sleep.idle(), 0);
}

/// Two jobs for one worker, which may have to sleep for each.
fn notify_twice() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(|pool| {
        pool.take_one();
        pool.sleep.search();
        pool.take_one();
    });
    pool.submit();
    pool.submit();
    worker.join().unwrap();
    assert_eq!(pool.sleep.idle(), 0);
}

/// A hint may be overlooked, so who gives it runs the job. Nothing is lost by it, and nothing is left of it.
fn hint() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(Pool::work);
    pool.put();
    assert!(!pool.sleep.hint());
    let own = usize::from(pool.take());
    pool.close();
    assert_eq!(own + worker.join().unwrap(), 1);
    pool.assert_over();
}

/// Close, while the worker searches, or lies down, or sleeps.
fn close() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(Pool::work);
    pool.close();
    assert_eq!(worker.join().unwrap(), 0);
    pool.assert_over();
}

/// A job that came in before the close is run, also if its submitter comes to notify only after it, and the worker has left.
fn close_before_notify() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(Pool::work);
    pool.put();
    pool.close();
    assert!(!pool.sleep.notify());
    assert_eq!(worker.join().unwrap(), 1);
    pool.assert_over();
}

/// The worker has found a job when it was about to sleep, and the close comes between that and its step back. Another has that job by then, and there
/// is a second one: the worker sees it, since it sees the close.
fn close_when_it_stays() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(Pool::work);
    pool.put();
    let own = usize::from(pool.take());
    pool.put();
    pool.close();
    assert!(!pool.sleep.notify());
    assert_eq!(own + worker.join().unwrap(), 2);
    pool.assert_over();
}

/// A job, and then the close.
fn notify_then_close() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(Pool::work);
    pool.submit();
    pool.close();
    assert_eq!(worker.join().unwrap(), 1);
    pool.assert_over();
}

/// The first worker is started by one of two submitters, and does both jobs: the other submitter leaves its job to it.
fn lazy() {
    lazy_with(|pool| pool.sleep.notify());
}

/// The same, but nobody starts a worker for a job that is taken already.
fn lazy_if() {
    lazy_with(|pool| pool.sleep.notify_if(|| pool.has_job()));
}

fn lazy_with(notify: fn(&Pool) -> bool) {
    let submit = move |pool: &Pool| {
        pool.put();
        if !notify(pool) {
            return 0;
        }
        pool.take_one();
        pool.sleep.search();
        pool.take_one();
        1
    };

    let pool = Pool::new(0, 1);
    let other = pool.spawn(submit);
    let starts = submit(&pool);
    assert_eq!(starts + other.join().unwrap(), 1);
    assert!(!pool.has_job());
}

/// The worker could not be started: whoever was to do that cancels what is queued, or the other submitter tries in its turn.
fn lazy_not_started() {
    fn submit(pool: &Pool) -> usize {
        pool.put();
        let mut cancelled = 0;
        if pool.sleep.notify() {
            assert_eq!(pool.sleep.not_started(), 0);
            while pool.take() {
                cancelled += 1;
            }
        }
        cancelled
    }

    let pool = Pool::new(0, 1);
    let other = pool.spawn(submit);
    let cancelled = submit(&pool);
    assert_eq!(cancelled + other.join().unwrap(), 2);
    pool.assert_over();
}

/// The only worker does not come to be, and there is no job; or there is one by then, which was left to it.
fn not_started() {
    fn give_up(pool: &Pool) -> usize {
        assert_eq!(pool.sleep.not_started(), 0);
        let mut cancelled = 0;
        while pool.take() {
            cancelled += 1;
        }
        cancelled
    }

    let pool = Pool::new(1, 1);
    let starter = pool.spawn(give_up);
    pool.put();
    let cancelled = if pool.sleep.notify() { give_up(&pool) } else { 0 };
    assert_eq!(cancelled + starter.join().unwrap(), 1);
    pool.assert_over();
}

/// One of two workers does not come to be, while a job is left to it: the other gets that.
fn one_of_two_not_started() {
    let pool = Pool::new(2, 2);
    let worker = pool.spawn(Pool::take_one);
    let starter = pool.spawn(|pool| {
        assert_eq!(pool.sleep.not_started(), 1);
        pool.sleep.wake_sleeper();
    });
    pool.put();
    // It may be that one more can be started by now; that one does not come to be either.
    if pool.sleep.notify() {
        assert_eq!(pool.sleep.not_started(), 1);
        pool.sleep.wake_sleeper();
    }
    starter.join().unwrap();
    worker.join().unwrap();
    assert_eq!((pool.sleep.started(), pool.sleep.idle()), (1, 0));
}

/// Two jobs, and one job is all that each worker can do. One wake-up is sent: the woken worker sees to the second.
fn two_workers() {
    let pool = Pool::new(2, 2);
    let workers = [(); 2].map(|()| {
        pool.spawn(|pool| {
            // It has just looked.
            assert_eq!(pool.sleep.sleep(|| pool.has_job()), Wake::Search);
            pool.take_one();
        })
    });
    pool.put();
    pool.submit();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!((pool.sleep.started(), pool.sleep.idle()), (2, 0));
}

/// Two jobs from two submitters, for one worker.
fn two_submitters() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(|pool| {
        pool.take_one();
        pool.sleep.search();
        pool.take_one();
    });
    let other = pool.spawn(Pool::submit);
    pool.submit();
    other.join().unwrap();
    worker.join().unwrap();
    assert_eq!(pool.sleep.idle(), 0);
}

/// Two workers leave: who lies down last says so to the other.
fn two_workers_close() {
    let pool = Pool::new(2, 2);
    let workers = [pool.spawn(Pool::work), pool.spawn(Pool::work)];
    pool.close();
    assert_eq!(workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>(), 0);
    pool.assert_over();
}

/// Three workers leave, one of which has closed the pool: who lies down last says so to all.
fn three_workers_close() {
    let pool = Pool::new(3, 3);
    let workers = [(); 2].map(|()| {
        pool.spawn(|pool| {
            // The close may wake one, to look.
            while pool.sleep.sleep(|| false) == Wake::Search {}
            let _ = pool.sleep.left();
        })
    });
    pool.close();
    while pool.sleep.sleep(|| false) == Wake::Search {}
    let _ = pool.sleep.left();
    for worker in workers {
        worker.join().unwrap();
    }
    pool.assert_over();
}

/// A job comes in before the close, and is run; or it comes too late.
fn close_and_submit() {
    let pool = Pool::new(1, 1);
    let worker = pool.spawn(Pool::work);
    let submitter = pool.spawn(|pool| {
        let is_in = pool.try_put();
        if is_in {
            assert!(!pool.sleep.notify());
        }
        is_in
    });
    pool.close();
    let is_in = submitter.join().unwrap();
    assert_eq!(worker.join().unwrap(), usize::from(is_in));
    pool.assert_over();
}

/// Who finds no worker, then no job, and then still no worker, knows that nobody has been started and taken the job in between. (So the pool's
/// `join` knows that all is over.)
fn taken_by_one_who_was_started() {
    let deque = Deque::<()>::new();
    // SAFETY: this thread is the owner, and the only one so far. Nobody follows the pointer.
    unsafe { deque.push(NonNull::dangling()) };
    let pool = Arc::new((Sleep::new(1), deque));
    let worker = spawn({
        let pool = Arc::clone(&pool);
        move || {
            let (sleep, deque) = &*pool;
            assert!(sleep.start());
            assert!(matches!(deque.steal(), Steal::Got(_)));
        }
    });
    let (sleep, deque) = &*pool;
    assert!(!(sleep.is_empty() && deque.is_empty() && sleep.is_empty()), "the worker was overlooked");
    worker.join().unwrap();
}
