//! Jobs of a `WorkPool` that wait for other jobs of it: a worker runs what it waits for, and nothing else.

#![cfg(not(feature = "loom"))]

mod common;
mod pools;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use common::{LONG, SHORT, panic_message, wait_until, within};
use pools::{Gate, Heard, fail, keep_busy, me, text};
use raddle::{Event, JobHandle, Lock, WorkPool};

#[test]
fn a_worker_runs_the_job_that_it_waits_for() {
    within(|| {
        let waits: [fn(JobHandle<ThreadId>) -> ThreadId; 8] = [
            |handle| handle.join().unwrap(),
            |handle| handle.get().unwrap(),
            |handle| handle.join_for(LONG).unwrap().unwrap(),
            |handle| handle.join_for(Duration::from_nanos(1)).unwrap().unwrap(),
            |handle| handle.join_until(Instant::now() + LONG).unwrap().unwrap(),
            |handle| {
                handle.wait();
                handle.try_join().unwrap().unwrap()
            },
            |handle| {
                assert!(handle.wait_for(Duration::MAX));
                handle.try_join().unwrap().unwrap()
            },
            |handle| {
                assert!(handle.wait_until(Instant::now() + LONG));
                handle.try_join().unwrap().unwrap()
            },
        ];
        let pool = WorkPool::new(1);
        for wait in waits {
            pool.apply(|| {
                let called = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&called);
                let handle = pool.apply_async_with(me, move |_| seen.store(true, Ordering::Relaxed));
                assert_eq!(wait(handle), me());
                assert!(called.load(Ordering::Relaxed), "its callback has returned");
            });
        }
        pool.apply(|| {
            let handle = pool.apply_async(|| -> () { fail("inside") });
            assert_eq!(text(&handle.join().unwrap_err()), "inside");
        });
    });
}

#[test]
fn a_worker_that_only_looks_at_a_job_does_not_run_it() {
    within(|| {
        let pool = WorkPool::new(1);
        pool.apply(|| {
            let handle = pool.apply_async(|| 1);
            assert!(!handle.is_finished());
            assert!(handle.try_join().is_none());
            assert!(!handle.wait_for(Duration::ZERO));
            assert!(handle.join_for(Duration::ZERO).is_none());
            assert!(handle.cancel());
        });
    });
}

#[test]
fn a_worker_waits_for_a_job_that_has_begun_elsewhere() {
    within(|| {
        let pool = WorkPool::new(2);
        let (gate, begun) = (Gate::new(), Event::new());
        let event = gate.event();
        let begun = Arc::new(begun);
        let other = pool.apply_async({
            let begun = Arc::clone(&begun);
            move || {
                begun.set();
                event.wait();
                me()
            }
        });
        begun.wait();
        let (this, that) = pool.apply(|| {
            assert!(other.join_for(SHORT).is_none());
            gate.open();
            (me(), other.join().unwrap())
        });
        assert_ne!(this, that);
    });
}

#[test]
fn a_worker_leaves_jobs_of_another_pool_to_that_pool() {
    within(|| {
        let (pool, other) = (WorkPool::new(1), WorkPool::builder().workers(1).name("other").build().unwrap());
        pool.apply(|| {
            let gate = keep_busy(&other, 1);
            let handle = other.apply_async(|| thread::current().name().unwrap().to_owned());
            assert!(!handle.wait_for(SHORT));
            gate.open();
            assert_eq!(handle.join().unwrap(), "other-0");
        });
    });
}

/// What is waited for.
type Part = Arc<dyn Fn() -> usize + Send + Sync>;

/// A way in which a job can wait for a part of itself; returns 1 if that does.
type Nested = fn(&Arc<WorkPool>, Part) -> usize;

/// All of them.
const NESTED: [(&str, Nested); 11] = [
    ("apply", |pool, f| pool.apply(|| f())),
    ("join", |pool, f| pool.apply_async(move || f()).join().unwrap()),
    ("join_for", |pool, f| pool.apply_async(move || f()).join_for(LONG).unwrap().unwrap()),
    ("get", |pool, f| pool.apply_async(move || f()).get().unwrap()),
    ("both, first", |pool, f| pool.both(|| f(), || 0).0),
    ("both, second", |pool, f| pool.both(|| 0, || f()).1),
    ("scope", |pool, f| {
        let sum = AtomicUsize::new(0);
        pool.scope(|scope| {
            let (sum, f) = (&sum, &f);
            scope.spawn(move || _ = sum.fetch_add(f(), Ordering::Relaxed));
            scope.spawn(|| ());
        });
        sum.into_inner()
    }),
    ("map", |pool, f| pool.map_chunked(1, 0..3, |n| if n == 1 { f() } else { 0 }).iter().sum()),
    ("map_async", |pool, f| {
        pool.map_async(0..3, move |n| if n == 1 { f() } else { 0 }).join().unwrap().iter().sum()
    }),
    ("imap", |pool, f| pool.imap(0..3, move |n| if n == 1 { f() } else { 0 }).sum()),
    ("imap_unordered", |pool, f| pool.imap_unordered(0..3, move |n| if n == 1 { f() } else { 0 }).sum()),
];

#[test]
fn a_pool_of_one_never_deadlocks_on_itself() {
    within(|| {
        for (outer_name, outer) in NESTED {
            for (inner_name, inner) in NESTED {
                let pool = Arc::new(WorkPool::new(1));
                for inside in [false, true] {
                    let f = {
                        let pool = Arc::downgrade(&pool);
                        Arc::new(move || inner(&pool.upgrade().unwrap(), Arc::new(|| 1)))
                    };
                    let result = if inside { pool.apply(|| outer(&pool, f)) } else { outer(&pool, f) };
                    assert_eq!(result, 1, "{inner_name} in {outer_name}");
                }
            }
        }
    });
}

#[test]
fn jobs_wait_for_jobs_some_hundreds_deep() {
    fn down(pool: &Arc<WorkPool>, depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let (_, nested) = NESTED[depth % NESTED.len()];
        let pool_too = Arc::downgrade(pool);
        nested(pool, Arc::new(move || down(&pool_too.upgrade().unwrap(), depth - 1)))
    }

    within(|| {
        for workers in [1, 2, 4] {
            let pool = Arc::new(WorkPool::new(workers));
            assert_eq!(pool.apply(|| down(&pool, 300)), 1);
            wait_until("no job has the pool any more", || Arc::strong_count(&pool) == 1);
        }
    });
}

#[test]
fn a_worker_that_waits_runs_nothing_unrelated() {
    thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });

    /// Marks this thread as being in a job that can't bear another one above it.
    struct Inside;

    impl Inside {
        fn enter() -> Inside {
            assert!(!INSIDE.replace(true), "an unrelated job was begun in the middle of another");
            Inside
        }
    }

    impl Drop for Inside {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }

    within(|| {
        for workers in [1, 2, 4] {
            let heard = Heard::default();
            let pool = Arc::new(heard.pool(workers));
            // Each job holds it while it waits for its part (rayon-rs/rayon#592). A worker that began another such job there would wait for
            // itself; and find its own mark before that.
            let lock = Arc::new(Lock::new(0_usize));
            let handles: Vec<_> = (0..40 * NESTED.len())
                .map(|index| {
                    let (pool_too, lock) = (Arc::clone(&pool), Arc::clone(&lock));
                    pool.apply_async(move || {
                        let _inside = Inside::enter();
                        let mut count = lock.lock();
                        // Unrelated jobs all around that which we wait for.
                        for _ in 0..3 {
                            pool_too.spawn(|| drop(Inside::enter()));
                        }
                        let (_, nested) = NESTED[index % NESTED.len()];
                        let pool = Arc::downgrade(&pool_too);
                        *count += nested(
                            &pool_too,
                            Arc::new(move || {
                                let pool = pool.upgrade().unwrap();
                                let marked = INSIDE.get();
                                // While our part is under way, too: it lies above what we wait for.
                                pool.spawn(move || drop(Inside::enter()));
                                thread::yield_now();
                                assert_eq!(INSIDE.get(), marked);
                                1
                            }),
                        );
                        for _ in 0..3 {
                            pool_too.spawn(|| drop(Inside::enter()));
                        }
                    })
                })
                .collect();
            for handle in handles {
                handle.join().unwrap();
            }
            assert_eq!(*lock.lock(), 40 * NESTED.len());
            wait_until("no job has the pool any more", || Arc::strong_count(&pool) == 1);
            pool.close();
            pool.join().unwrap();
            assert_eq!(heard.texts(), Vec::<String>::new());
        }
    });
}

/// A part of a job that another worker has begun.
#[derive(Default)]
struct Elsewhere {
    begun: Event,
    go_on: Event,
    /// The other worker of the pool is in the part, and unrelated jobs wait in the queue of this one.
    is_ready: Event,
    unrelated: Arc<AtomicUsize>,
}

impl Elsewhere {
    fn part(&self) -> usize {
        self.begun.set();
        self.go_on.wait();
        1
    }

    fn await_begin(&self, pool: &WorkPool) {
        assert!(self.begun.wait_for(LONG), "no other worker has begun it");
        for _ in 0..3 {
            let unrelated = Arc::clone(&self.unrelated);
            pool.spawn(move || _ = unrelated.fetch_add(1, Ordering::Relaxed));
        }
        self.is_ready.set();
    }
}

/// A way in which a job can wait for a part of itself that another worker is at.
type WaitElsewhere = fn(&WorkPool, &Arc<Elsewhere>) -> usize;

/// All of them.
const WAITS_ELSEWHERE: [(&str, WaitElsewhere); 10] = [
    ("join", |pool, other| {
        let part = Arc::clone(other);
        let handle = pool.apply_async(move || part.part());
        other.await_begin(pool);
        handle.join().unwrap()
    }),
    ("join_for", |pool, other| {
        let part = Arc::clone(other);
        let handle = pool.apply_async(move || part.part());
        other.await_begin(pool);
        handle.join_for(LONG).unwrap().unwrap()
    }),
    ("wait_until, get", |pool, other| {
        let part = Arc::clone(other);
        let handle = pool.apply_async(move || part.part());
        other.await_begin(pool);
        assert!(handle.wait_until(Instant::now() + LONG));
        handle.get().unwrap()
    }),
    ("both", |pool, other| pool.both(|| other.await_begin(pool), || other.part()).1),
    ("both, with a panic", |pool, other| {
        let message = panic_message(|| {
            pool.both(
                || {
                    other.await_begin(pool);
                    fail("a")
                },
                || other.part(),
            )
        });
        usize::from(message == "a")
    }),
    ("scope", |pool, other| {
        let sum = AtomicUsize::new(0);
        pool.scope(|scope| {
            scope.spawn(|| _ = sum.fetch_add(other.part(), Ordering::Relaxed));
            other.await_begin(pool);
        });
        sum.into_inner()
    }),
    ("map", |pool, other| {
        let caller = me();
        let f = |_| if me() == caller { (other.await_begin(pool), 0).1 } else { other.part() };
        pool.map_chunked(1, 0..2, f).iter().sum()
    }),
    ("map_async", |pool, other| {
        let part = Arc::clone(other);
        let handle = pool.map_async([()], move |()| part.part());
        other.await_begin(pool);
        handle.join().unwrap()[0]
    }),
    ("imap", |pool, other| {
        let part = Arc::clone(other);
        let results = pool.imap([()], move |()| part.part());
        other.await_begin(pool);
        results.sum()
    }),
    ("imap_unordered", |pool, other| {
        let part = Arc::clone(other);
        let results = pool.imap_unordered([()], move |()| part.part());
        other.await_begin(pool);
        results.sum()
    }),
];

#[test]
fn a_worker_that_waits_for_what_another_has_begun_runs_nothing_else_meanwhile() {
    within(|| {
        for (name, wait) in WAITS_ELSEWHERE {
            let pool = Arc::new(WorkPool::new(2));
            let other = Arc::new(Elsewhere::default());
            let handle = pool.apply_async({
                let (pool, other) = (Arc::clone(&pool), Arc::clone(&other));
                move || wait(&pool, &other)
            });
            assert!(other.is_ready.wait_for(LONG), "{name}");
            for _ in 0..3 {
                let unrelated = Arc::clone(&other.unrelated);
                pool.spawn(move || _ = unrelated.fetch_add(1, Ordering::Relaxed));
            }
            // Both workers are at it. Time enough to do something wrong.
            thread::sleep(SHORT);
            let unrelated = other.unrelated.load(Ordering::Relaxed);
            other.go_on.set();
            assert_eq!(unrelated, 0, "{name}: unrelated jobs were run in the middle of another");
            assert_eq!(handle.join().unwrap(), 1, "{name}");
            wait_until("the others run afterwards", || other.unrelated.load(Ordering::Relaxed) == 6);
        }
    });
}

#[test]
fn a_worker_that_holds_a_lock_waits_for_others_that_wait_for_the_lock() {
    within(|| {
        let pool = WorkPool::new(2);
        let lock = Lock::new(0);
        for _ in 0..200 {
            pool.scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let mut guard = lock.lock();
                        *guard += pool.map_chunked(1, 0..4, |n| n).len();
                        pool.scope(|inner| (0..3).for_each(|_| inner.spawn(thread::yield_now)));
                        let (a, b) = pool.both(|| 1, || 2);
                        *guard += a + b;
                    });
                }
            });
        }
        assert_eq!(lock.into_inner(), 200 * 4 * 7);
    });
}

/// A job that is run out of turn leaves its place in the queue behind; a long job must not leave more and more of them.
#[test]
fn a_job_that_makes_others_without_end_leaves_no_trail() {
    within(|| {
        let pool = WorkPool::new(1);
        pool.apply(|| {
            let mut most = 0;
            for (n, result) in pool.imap(0..20_000, |n| n).enumerate() {
                assert_eq!(n, result);
                most = most.max(pool.queued());
            }
            for _ in 0..100 {
                let handles: Vec<JobHandle<u32>> = (0..100).map(|n| pool.apply_async(move || n)).collect();
                most = most.max(pool.queued());
                // First in, first out: never the newest.
                assert_eq!(handles.into_iter().map(|handle| handle.join().unwrap()).sum::<u32>(), 4950);
            }
            assert!(most < 1000, "{most} places in the queue");
        });
    });
}
