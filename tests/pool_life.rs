//! `WorkPool`: its threads, its bound, and its end.

#![cfg(not(feature = "loom"))]

mod common;
mod pools;

use std::cell::{Cell, RefCell};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use common::Whereabouts;
use common::{LONG, SHORT, panic_message, past, wait_until, within};
use pools::{Gate, Heard, fail, keep_busy, me};
use raddle::{Event, JobError, PoolJoinError, WorkPool};

// ---- The end

#[test]
fn close_lets_queued_jobs_run_with_all_that_they_make() {
    within(|| {
        for workers in [1, 3] {
            let pool = Arc::new(WorkPool::new(workers));
            let gate = keep_busy(&pool, workers);
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..10 {
                let (pool_too, ran) = (Arc::downgrade(&pool), Arc::clone(&ran));
                pool.spawn(move || {
                    let pool = pool_too.upgrade().unwrap();
                    assert!(pool.is_closed());
                    ran.fetch_add(1, Ordering::Relaxed);
                    // A worker's own are a part of its job.
                    for _ in 0..10 {
                        let ran = Arc::clone(&ran);
                        drop(pool.apply_async(move || ran.fetch_add(1, Ordering::Relaxed)));
                    }
                    assert_eq!(pool.map(0..5, |n| n), [0, 1, 2, 3, 4]);
                });
            }
            assert!(!pool.is_closed());
            pool.close();
            pool.close();
            assert!(pool.is_closed());
            gate.open();
            pool.join().unwrap();
            assert_eq!(ran.load(Ordering::Relaxed), 110);
            assert_eq!((pool.workers(), pool.idle(), pool.queued()), (0, 0, 0));
            assert_eq!(pool.join(), Ok(()), "again");
        }
    });
}

#[test]
fn a_closed_pool_takes_no_jobs_from_outside() {
    within(|| {
        for terminated in [false, true] {
            let pool = WorkPool::new(1);
            if terminated {
                pool.terminate()
            } else {
                pool.close()
            }
            let held = Arc::new(());
            let job = || {
                let held = Arc::clone(&held);
                move || drop(held)
            };
            let called = Arc::new(AtomicBool::new(false));
            let callback = || {
                let called = Arc::clone(&called);
                move |_: Result<&(), &JobError>| called.store(true, Ordering::Relaxed)
            };
            assert_eq!(panic_message(|| pool.apply(job())), "WorkPool::apply: the pool is closed");
            assert_eq!(
                panic_message(|| pool.apply_async(job())),
                "WorkPool::apply_async: the pool is closed"
            );
            let message = panic_message(|| pool.apply_async_with(job(), callback()));
            assert_eq!(message, "WorkPool::apply_async_with: the pool is closed");
            assert_eq!(panic_message(|| pool.spawn(job())), "WorkPool::spawn: the pool is closed");
            assert!(panic_message(|| pool.both(job(), job())).ends_with("the pool is closed"));
            assert_eq!(panic_message(|| pool.map(0..3, |_| ())), "WorkPool::map: the pool is closed");
            assert_eq!(
                panic_message(|| pool.map_async(0..3, |_| ())),
                "WorkPool::map_async: the pool is closed"
            );
            let message = panic_message(|| pool.scope(|scope| scope.spawn(job())));
            assert_eq!(message, "Scope::spawn: the pool is closed");
            assert_eq!(pool.scope(|_| 5), 5, "nothing to take");
            assert!(pool.map(0..0, |n: u8| n).is_empty(), "nothing to take");
            let errors = [
                pool.try_apply_async(job()).unwrap_err(),
                pool.try_apply_async_for(job(), LONG).unwrap_err(),
                pool.try_apply_async_until(job(), Instant::now() + LONG).unwrap_err(),
            ];
            assert_eq!(Arc::strong_count(&held), 1 + errors.len(), "only these were kept");
            for error in errors {
                assert!(error.is_closed());
                (error.into_inner())();
            }
            assert_eq!(Arc::strong_count(&held), 1);
            assert_eq!((called.load(Ordering::Relaxed), Arc::strong_count(&called)), (false, 1));
            pool.join().unwrap();
        }
    });
}

#[test]
fn join_of_an_open_pool_is_an_error_and_of_a_running_one_waits() {
    within(|| {
        let pool = WorkPool::new(1);
        assert_eq!(pool.join(), Err(PoolJoinError::StillOpen));
        assert_eq!(pool.join_for(LONG), Err(PoolJoinError::StillOpen));
        assert_eq!(pool.join_until(Instant::now() + LONG), Err(PoolJoinError::StillOpen));
        let gate = keep_busy(&pool, 1);
        pool.close();
        for _ in 0..300 {
            assert_eq!(pool.join_for(Duration::ZERO), Ok(false));
            assert_eq!(pool.join_until(past()), Ok(false));
        }
        let start = Instant::now();
        assert_eq!(pool.join_for(SHORT), Ok(false));
        assert!(start.elapsed() >= SHORT, "early");
        let deadline = Instant::now() + SHORT;
        assert_eq!(pool.join_until(deadline), Ok(false));
        assert!(Instant::now() >= deadline, "early");
        thread::scope(|s| {
            let joins = [
                s.spawn(|| pool.join().map(|()| true)),
                s.spawn(|| pool.join_for(Duration::MAX)),
                s.spawn(|| pool.join_until(Instant::now() + LONG)),
            ];
            gate.open();
            for join in joins {
                assert_eq!(join.join().unwrap(), Ok(true));
            }
        });
        assert_eq!(pool.join_for(Duration::ZERO), Ok(true));
        assert_eq!(pool.join_until(past()), Ok(true));
    });
}

#[test]
fn join_by_a_worker_of_the_pool_is_an_error() {
    within(|| {
        let (pool, other) = (WorkPool::new(1), WorkPool::new(1));
        pool.apply(|| {
            assert_eq!(pool.join(), Err(PoolJoinError::InWorker));
            pool.close();
            assert_eq!(pool.join(), Err(PoolJoinError::InWorker));
            assert_eq!(pool.join_for(LONG), Err(PoolJoinError::InWorker));
            assert_eq!(pool.join_until(past()), Err(PoolJoinError::InWorker));
            other.close();
            assert_eq!(other.join(), Ok(()));
        });
        pool.join().unwrap();
    });
}

#[test]
fn join_returns_when_the_thread_locals_of_the_workers_are_dropped() {
    struct Slow(Arc<AtomicUsize>);

    impl Drop for Slow {
        fn drop(&mut self) {
            thread::sleep(SHORT);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    thread_local!(static LOCAL: RefCell<Option<Slow>> = const { RefCell::new(None) });

    within(|| {
        for joins in [true, false] {
            let dropped = Arc::new(AtomicUsize::new(0));
            let init = Arc::clone(&dropped);
            let pool = WorkPool::builder()
                .workers(3)
                .thread_init(move |_| LOCAL.set(Some(Slow(Arc::clone(&init)))))
                .build()
                .unwrap();
            pool.apply(|| ());
            assert_eq!(dropped.load(Ordering::Relaxed), 0);
            pool.close();
            if joins {
                pool.join().unwrap();
            } else {
                drop(pool);
            }
            assert_eq!(dropped.load(Ordering::Relaxed), 3);
        }
    });
}

#[test]
fn a_timed_join_does_not_wait_for_thread_locals_of_the_workers() {
    struct WaitsFor(Arc<Event>);

    impl Drop for WaitsFor {
        fn drop(&mut self) {
            self.0.wait();
        }
    }

    thread_local!(static LOCAL: RefCell<Option<WaitsFor>> = const { RefCell::new(None) });

    within(|| {
        let pool = WorkPool::new(1);
        let gate = Gate::new();
        let event = gate.event();
        pool.apply(|| LOCAL.set(Some(WaitsFor(event))));
        pool.close();
        // They might wait for this very thread, as here.
        assert_eq!(pool.join_for(LONG), Ok(true));
        assert_eq!(pool.join_until(Instant::now() + LONG), Ok(true));
        gate.open();
        pool.join().unwrap();
    });
}

#[test]
fn terminate_cancels_what_is_queued_and_lets_the_running_end() {
    within(|| {
        let pool = WorkPool::new(2);
        let gate = Gate::new();
        let begun = Arc::new(AtomicUsize::new(0));
        let running = [0, 1].map(|number| {
            let (event, begun) = (gate.event(), Arc::clone(&begun));
            pool.apply_async(move || {
                begun.fetch_add(1, Ordering::Relaxed);
                event.wait();
                number
            })
        });
        wait_until("both run", || begun.load(Ordering::Relaxed) == 2);
        let (ran, called_in) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let weak = Arc::downgrade(&ran);
        let queued: Vec<_> = (0..20)
            .map(|_| {
                let (ran, called_in) = (Arc::clone(&ran), Arc::clone(&called_in));
                pool.apply_async_with(
                    move || ran.store(true, Ordering::Relaxed),
                    move |result| {
                        assert!(matches!(result, Err(JobError::Cancelled)));
                        called_in.lock().unwrap().push(me());
                    },
                )
            })
            .collect();
        let spawned = Arc::clone(&ran);
        pool.spawn(move || spawned.store(true, Ordering::Relaxed));
        assert_eq!(pool.queued(), 21);
        pool.terminate();
        assert_eq!(*called_in.lock().unwrap(), [me(); 20], "callbacks run in the call");
        assert!(!ran.load(Ordering::Relaxed));
        drop(ran);
        assert_eq!(weak.strong_count(), 0, "and the jobs are dropped in it");
        assert!(pool.is_closed());
        for handle in queued {
            assert!(handle.is_finished() && !handle.cancel());
            assert!(handle.join().unwrap_err().is_cancelled());
        }
        assert_eq!(pool.join_for(SHORT), Ok(false), "some still run");
        gate.open();
        assert_eq!(running.map(|handle| handle.join().unwrap()), [0, 1]);
        pool.join().unwrap();
        pool.terminate();
    });
}

#[test]
fn what_calls_from_outside_wait_for_is_cancelled_by_terminate_with_a_panic() {
    within(|| {
        let pool = WorkPool::new(1);
        let gate = keep_busy(&pool, 1);
        thread::scope(|s| {
            let held = Arc::new(());
            let ran = Arc::new(AtomicBool::new(false));
            let mut threads = Vec::new();
            {
                let pool = &pool;
                let mut with = |call: fn(&WorkPool, &AtomicBool)| {
                    let (ran, held) = (Arc::clone(&ran), Arc::clone(&held));
                    threads.push(s.spawn(move || {
                        let message = panic_message(|| call(pool, &ran));
                        drop(held);
                        message
                    }));
                };
                with(|pool, ran| pool.apply(|| ran.store(true, Ordering::Relaxed)));
                with(|pool, ran| {
                    pool.both(|| ran.store(true, Ordering::Relaxed), || ran.store(true, Ordering::Relaxed));
                });
                with(|pool, ran| {
                    pool.map(0..100, |_| ran.store(true, Ordering::Relaxed));
                });
                with(|pool, ran| {
                    pool.scope(|scope| {
                        for _ in 0..2 {
                            scope.spawn(|| ran.store(true, Ordering::Relaxed));
                        }
                    });
                });
            }
            wait_until("all are queued", || pool.queued() == 5);
            pool.terminate();
            for thread in threads {
                let message = thread.join().unwrap();
                assert!(message.contains("cancelled"), "{message}");
            }
            assert!(!ran.load(Ordering::Relaxed));
            gate.open();
        });
    });
}

#[test]
fn terminate_is_no_panic_for_the_hook() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let gate = keep_busy(&pool, 1);
        thread::scope(|s| {
            s.spawn(|| panic_message(|| pool.map(0..100, |n| n)));
            s.spawn(|| panic_message(|| pool.scope(|scope| (0..10).for_each(|_| scope.spawn(|| ())))));
            pool.spawn(|| ());
            drop(pool.apply_async(|| ()));
            wait_until("all are queued", || pool.queued() == 13);
            pool.terminate();
            gate.open();
        });
        assert_eq!(heard.texts(), Vec::<String>::new());
    });
}

#[test]
fn a_running_job_completes_what_it_does_in_a_pool_that_was_terminated_meanwhile() {
    within(|| {
        for workers in [1, 2, 4] {
            let pool = Arc::new(WorkPool::new(workers));
            let (gate, begun) = (Gate::new(), Gate::new());
            let handle = pool.apply_async({
                let (pool, event, begun) = (Arc::clone(&pool), gate.event(), begun.event());
                move || {
                    let before = pool.apply_async(|| 1);
                    let count = AtomicUsize::new(0);
                    let in_between = pool.scope(|scope| {
                        scope.spawn(|| _ = count.fetch_add(1, Ordering::Relaxed));
                        begun.set();
                        event.wait();
                        scope.spawn(|| _ = count.fetch_add(1, Ordering::Relaxed));
                        8
                    });
                    assert_eq!((count.load(Ordering::Relaxed), in_between), (2, 8));
                    assert_eq!(pool.apply(|| 2), 2);
                    assert_eq!(pool.both(|| 3, || 4), (3, 4));
                    assert_eq!(
                        pool.both(|| pool.both(|| 1, || 2), || pool.both(|| 3, || 4)),
                        ((1, 2), (3, 4))
                    );
                    assert_eq!(pool.map(0..100, |n| n + 1), (1..101).collect::<Vec<_>>());
                    // Those are jobs of their own.
                    let after = pool.apply_async(|| 5);
                    assert!(after.is_finished());
                    assert!(after.join().unwrap_err().is_cancelled());
                    assert!(pool.try_apply_async(|| 5).unwrap().join().unwrap_err().is_cancelled());
                    assert!(pool.map_async(0..3, |n| n).join().unwrap_err().is_cancelled());
                    assert!(panic_message(|| pool.imap(0..3, |n| n).next()).contains("cancelled"));
                    assert!(panic_message(|| pool.imap_unordered(0..3, |n| n).next()).contains("cancelled"));
                    let dropped = Arc::new(());
                    let held = Arc::clone(&dropped);
                    pool.spawn(move || drop(held));
                    assert_eq!(Arc::strong_count(&dropped), 1);
                    match before.join() {
                        // Another worker was faster than `terminate`.
                        Ok(result) => assert_eq!((result, workers > 1), (1, true)),
                        Err(error) => assert!(error.is_cancelled()),
                    }
                    "to the end"
                }
            });
            begun.0.wait();
            pool.terminate();
            gate.open();
            assert_eq!(handle.join().unwrap(), "to the end");
            pool.join().unwrap();
        }
    });
}

#[test]
fn a_worker_may_terminate_its_own_pool() {
    within(|| {
        for workers in [1, 2] {
            let pool = Arc::new(WorkPool::new(workers));
            let gate = keep_busy(&pool, workers - 1);
            let handle = pool.apply_async({
                let pool = Arc::clone(&pool);
                move || {
                    let own = pool.apply_async(|| 1);
                    let (a, b) = pool.both(
                        || {
                            pool.terminate();
                            2
                        },
                        || 3,
                    );
                    assert!(own.is_finished());
                    (own.join().unwrap_err().is_cancelled(), a, b)
                }
            });
            assert_eq!(handle.join().unwrap(), (true, 2, 3));
            gate.open();
            pool.join().unwrap();
        }
    });
}

#[test]
fn dropping_the_pool_closes_and_joins() {
    within(|| {
        for lazy in [false, true] {
            let pool = WorkPool::builder().workers(2).lazy_start(lazy).build().unwrap();
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..100 {
                let ran = Arc::clone(&ran);
                pool.spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed));
            }
            drop(pool);
            assert_eq!(ran.load(Ordering::Relaxed), 100);
            assert_eq!(Arc::strong_count(&ran), 1);
            // One that never had anything to do.
            drop(WorkPool::builder().workers(2).lazy_start(lazy).build().unwrap());
        }
    });
}

#[test]
fn a_pool_may_be_dropped_by_its_own_worker() {
    within(|| {
        for workers in [1, 3] {
            let pool = Arc::new(WorkPool::new(workers));
            let (gate, ran) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
            let handle = pool.apply_async({
                let (pool, event, ran) = (Arc::clone(&pool), gate.event(), Arc::clone(&ran));
                move || {
                    event.wait();
                    for _ in 0..10 {
                        let ran = Arc::clone(&ran);
                        pool.spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed));
                    }
                    assert_eq!(Arc::strong_count(&pool), 1);
                    drop(pool);
                    1
                }
            });
            drop(pool);
            gate.open();
            assert_eq!(handle.join().unwrap(), 1);
            wait_until("what it has made still runs", || ran.load(Ordering::Relaxed) == 10);
            wait_until("and all is dropped", || Arc::strong_count(&ran) == 1);
        }
    });
}

#[test]
fn a_pool_may_be_dropped_by_a_thread_local_of_its_own_worker() {
    thread_local!(static LOCAL: RefCell<Option<Arc<WorkPool>>> = const { RefCell::new(None) });

    within(|| {
        for workers in [1, 2] {
            let pool = Arc::new(WorkPool::new(workers));
            let weak = Arc::downgrade(&pool);
            let pool_too = Arc::clone(&pool);
            pool.apply_async(move || LOCAL.set(Some(pool_too))).join().unwrap();
            pool.close();
            drop(pool);
            wait_until("the worker has ended", || weak.strong_count() == 0);
        }
    });
}

#[test]
fn a_job_may_make_a_pool_and_a_worker_use_another() {
    within(|| {
        let pool = WorkPool::new(1);
        let (sum, name) = pool.apply(|| {
            let inner = WorkPool::builder().workers(2).name("inner").build().unwrap();
            let sum: i32 = inner.map(0..10, |n| inner.apply(|| n)).iter().sum();
            inner.scope(|scope| scope.spawn(|| assert_eq!(inner.both(|| 1, || 2), (1, 2))));
            (sum, inner.apply(|| thread::current().name().unwrap().to_owned()))
        });
        assert_eq!(sum, 45);
        assert!(name.starts_with("inner-"));
    });
}

// ---- Threads

#[test]
fn a_lazy_pool_starts_a_thread_only_when_a_job_waits_and_none_is_idle() {
    within(|| {
        let started = Arc::new(AtomicUsize::new(0));
        let init = Arc::clone(&started);
        let pool = WorkPool::builder()
            .workers(4)
            .lazy_start(true)
            .thread_init(move |_| _ = init.fetch_add(1, Ordering::Relaxed))
            .build()
            .unwrap();
        assert_eq!((pool.workers(), pool.idle(), pool.max_workers()), (0, 0, 4));
        assert!(pool.map(0..0, |n: u8| n).is_empty());
        pool.scope(|_| ());
        assert_eq!((pool.workers(), started.load(Ordering::Relaxed)), (0, 0), "no job, no thread");
        for number in 0..20 {
            assert_eq!(pool.apply(|| number), number);
            wait_until("the worker is idle", || pool.idle() == pool.workers());
        }
        assert_eq!((pool.workers(), started.load(Ordering::Relaxed)), (1, 1), "one after the other: one");
        for busy in 1..=4 {
            // This many at once, each of which blocks: as many threads.
            let gate = keep_busy(&pool, busy);
            assert_eq!((pool.workers(), started.load(Ordering::Relaxed)), (busy, busy));
            gate.open();
            wait_until("all are idle again", || pool.idle() == pool.workers());
        }
        let gate = Gate::new();
        let handles: Vec<_> = (0..20)
            .map(|_| {
                let event = gate.event();
                pool.apply_async(move || event.wait())
            })
            .collect();
        // (Who has taken a job from the queue still counts as idle for a moment.)
        wait_until("all are busy", || (pool.queued(), pool.idle()) == (16, 0));
        assert_eq!(pool.workers(), 4, "but no more than there may be");
        gate.open();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert_eq!(started.load(Ordering::Relaxed), 4);
    });
}

#[test]
fn a_lazy_pool_that_never_started_a_thread_ends_at_once() {
    within(|| {
        let lazy = || WorkPool::builder().workers(2).lazy_start(true).build().unwrap();
        drop(lazy());
        let pool = lazy();
        pool.close();
        assert_eq!(pool.join(), Ok(()));
        assert_eq!(pool.join_for(Duration::ZERO), Ok(true));
        let pool = lazy();
        pool.terminate();
        assert_eq!(pool.join(), Ok(()));
    });
}

#[test]
fn threads_are_called_by_the_name_and_a_number() {
    within(|| {
        let names = |pool: &WorkPool, workers: usize| {
            // Each waits for the others, so that no worker gets two.
            let barrier = raddle::Barrier::new(workers);
            let mut names = pool.map_chunked(1, 0..workers, |_| {
                barrier.wait().unwrap();
                thread::current().name().unwrap().to_owned()
            });
            names.sort();
            names
        };
        assert_eq!(names(&WorkPool::new(2), 2), ["raddle-pool-0", "raddle-pool-1"]);
        let pool = WorkPool::builder().workers(3).name("fetch").lazy_start(true).build().unwrap();
        assert_eq!(names(&pool, 3), ["fetch-0", "fetch-1", "fetch-2"]);
        let pool = WorkPool::builder().workers(1).name(String::new()).build().unwrap();
        assert_eq!(names(&pool, 1), ["-0"]);
    });
}

#[test]
fn a_name_that_no_thread_can_have_is_refused_and_hangs_nobody() {
    within(|| {
        // By an error or by a panic, at the latest when a thread is needed.
        let result = catch_unwind(|| WorkPool::builder().workers(2).name("a\0b").build().is_ok());
        assert!(!result.unwrap_or(false));
        let result = catch_unwind(|| {
            let pool = WorkPool::builder().workers(2).name("a\0b").lazy_start(true).build().unwrap();
            pool.apply(|| 1)
        });
        assert!(result.is_err());
    });
}

#[test]
fn thread_init_is_called_once_in_each_worker_before_its_first_job() {
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });

    within(|| {
        const WORKERS: usize = 4;
        for lazy in [false, true] {
            let numbers = Arc::new(Mutex::new(Vec::new()));
            let init = Arc::clone(&numbers);
            let pool = WorkPool::builder()
                .workers(WORKERS)
                .lazy_start(lazy)
                .thread_init(move |number| {
                    assert_eq!(NUMBER.replace(Some(number)), None);
                    assert_eq!(thread::current().name(), Some(format!("raddle-pool-{number}").as_str()));
                    init.lock().unwrap().push(number);
                })
                .build()
                .unwrap();
            for _ in 0..20 {
                let barrier = raddle::Barrier::new(WORKERS);
                let mut seen = pool.map_chunked(1, 0..WORKERS, |_| {
                    barrier.wait().unwrap();
                    NUMBER.get().expect("the init comes first")
                });
                seen.sort();
                assert_eq!(seen, [0, 1, 2, 3]);
            }
            let mut numbers = numbers.lock().unwrap().clone();
            numbers.sort();
            assert_eq!(numbers, [0, 1, 2, 3]);
        }
    });
}

#[test]
fn a_thread_init_that_panics_is_reported_and_nobody_waits_in_vain() {
    within(|| {
        for (workers, lazy) in [(1, false), (1, true), (3, false), (3, true)] {
            let heard = Heard::default();
            let fails = Arc::new(AtomicBool::new(true));
            let init = Arc::clone(&fails);
            let pool = heard
                .builder()
                .workers(workers)
                .lazy_start(lazy)
                .thread_init(move |_| {
                    if init.load(Ordering::Relaxed) {
                        fail("no init");
                    }
                })
                .build()
                .unwrap();
            for _ in 0..20 {
                assert!(pool.apply_async(|| 1).join().unwrap_err().is_cancelled());
                assert_ne!(panic_message(|| pool.apply(|| 1)), "");
                assert_ne!(panic_message(|| pool.map(0..10, |n| n)), "");
                assert_ne!(panic_message(|| pool.scope(|scope| scope.spawn(|| ()))), "");
                assert!(!panic_message(|| pool.imap(0..10, |n| n).next()).is_empty());
            }
            let texts = heard.texts();
            let inits = texts.iter().filter(|&text| text == "no init").count();
            assert!(inits >= 20, "{texts:?}");
            // Later ones work again, if the init does.
            fails.store(false, Ordering::Relaxed);
            // A worker that is just dying may still take a job with it.
            wait_until("a worker has come up", || pool.apply_async(|| 1).join().is_ok());
            for number in 0..20 {
                assert_eq!(pool.apply(|| number), number);
            }
            assert!((1..=workers).contains(&pool.workers()));
            pool.close();
            pool.join().unwrap();
        }
    });
}

#[test]
fn a_pool_whose_inits_all_panic_ends_when_it_is_dropped_or_closed() {
    within(|| {
        for round in 0..60 {
            let pool =
                WorkPool::builder().workers(1 + round % 3).thread_init(|_| fail("never")).build().unwrap();
            let handle = pool.apply_async(|| 1);
            if round % 2 == 0 {
                pool.close();
                pool.join().unwrap();
                assert!(handle.is_finished());
            }
            drop(pool);
            assert!(handle.join().unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn no_more_threads_are_started_than_there_may_be_though_their_inits_panic() {
    within(|| {
        const WORKERS: usize = 3;
        for _ in 0..30 {
            let calls = Arc::new(AtomicUsize::new(0));
            let init = Arc::clone(&calls);
            let pool = WorkPool::builder()
                .workers(WORKERS)
                .thread_init(move |_| {
                    init.fetch_add(1, Ordering::Relaxed);
                    fail("never");
                })
                .build()
                .unwrap();
            wait_until("all have died", || pool.workers() == 0);
            assert_eq!(calls.load(Ordering::Relaxed), WORKERS);
        }
    });
}

#[test]
fn those_workers_whose_init_succeeds_do_the_work_of_the_others() {
    within(|| {
        let (heard, calls) = (Heard::default(), AtomicUsize::new(0));
        let pool = heard
            .builder()
            .workers(4)
            .thread_init(move |_| {
                // The third of them, and no other.
                if calls.fetch_add(1, Ordering::Relaxed) != 2 {
                    fail("no init");
                }
            })
            .build()
            .unwrap();
        wait_until("three have died", || heard.texts().len() >= 3);
        wait_until("and are not counted", || pool.workers() == 1);
        let handles: Vec<_> =
            (0..100).map(|number| (number, pool.apply_async(move || (number, me())))).collect();
        let results: Vec<_> =
            handles.into_iter().map(|(number, handle)| (number, handle.join().unwrap())).collect();
        assert!(results.iter().all(|(number, result)| *number == result.0 && result.1 == results[0].1.1));
    });
}

#[test]
fn a_pool_has_as_many_workers_as_threads_can_run_if_nothing_else_is_said() {
    within(|| {
        let pool = WorkPool::builder().build().unwrap();
        let expected = thread::available_parallelism().map_or(1, usize::from);
        assert_eq!((pool.workers(), pool.max_workers()), (expected, expected));
        assert_eq!(WorkPool::new(3).max_workers(), 3);
    });
}

#[test]
fn counts_tell_of_workers_and_jobs() {
    within(|| {
        let pool = WorkPool::new(3);
        wait_until("all are idle", || pool.idle() == 3);
        assert_eq!((pool.workers(), pool.queued()), (3, 0));
        let two = keep_busy(&pool, 2);
        wait_until("one is idle", || pool.idle() == 1);
        let one = keep_busy(&pool, 1);
        assert_eq!((pool.workers(), pool.idle()), (3, 0));
        let handles: Vec<_> = (0..5).map(|_| pool.apply_async(|| ())).collect();
        assert_eq!(pool.queued(), 5);
        assert!(handles[2].cancel());
        assert_eq!(pool.queued(), 5, "its place is there until a worker has come past");
        two.open();
        one.open();
        wait_until("all is done", || pool.queued() == 0 && pool.idle() == 3);
        // Jobs from inside count, too.
        let queued = pool.apply(|| {
            let _busy = keep_busy(&pool, 2);
            (0..7).for_each(|_| pool.spawn(|| ()));
            pool.queued()
        });
        assert_eq!(queued, 7);
    });
}

// ---- The queue bound

#[test]
fn a_full_pool_gives_the_job_back_and_not_early() {
    within(|| {
        let pool = WorkPool::builder().workers(1).queue_bound(2).build().unwrap();
        let gate = keep_busy(&pool, 1);
        let held = Arc::new(());
        let job = |number| {
            let held = Arc::clone(&held);
            move || {
                drop(held);
                number
            }
        };
        let queued = [pool.apply_async(job(0)), pool.try_apply_async(job(1)).unwrap()];
        assert_eq!(pool.queued(), 2);
        fn call(f: impl FnOnce() -> i32) -> i32 {
            f()
        }
        let error = pool.try_apply_async(job(2)).unwrap_err();
        assert!(error.is_full());
        assert_eq!(call(error.into_inner()), 2);
        for _ in 0..200 {
            assert!(pool.try_apply_async_for(job(3), Duration::ZERO).unwrap_err().is_full());
            assert!(pool.try_apply_async_until(job(3), past()).unwrap_err().is_full());
        }
        let start = Instant::now();
        let error = pool.try_apply_async_for(job(4), SHORT).unwrap_err();
        assert!(start.elapsed() >= SHORT, "early");
        assert!(error.is_full());
        assert_eq!(call(error.into_inner()), 4);
        let deadline = Instant::now() + SHORT;
        let error = pool.try_apply_async_until(job(5), deadline).unwrap_err();
        assert!(Instant::now() >= deadline, "early");
        assert_eq!(call(error.into_inner()), 5);
        assert_eq!(Arc::strong_count(&held), 3, "only the queued ones are kept");
        gate.open();
        assert_eq!(queued.map(|handle| handle.join().unwrap()), [0, 1]);
        // With room: at once, or after a while.
        assert_eq!(pool.try_apply_async_for(job(6), Duration::MAX).unwrap().join().unwrap(), 6);
        wait_until("there is room", || pool.queued() == 0);
        assert_eq!(pool.try_apply_async_for(job(7), Duration::ZERO).unwrap().join().unwrap(), 7);
        assert_eq!(pool.try_apply_async_until(job(8), past()).unwrap().join().unwrap(), 8);
        assert_eq!(pool.try_apply_async(job(9)).unwrap().join().unwrap(), 9);
    });
}

#[test]
fn a_full_pool_blocks_all_who_come_from_outside_until_there_is_room() {
    within(|| {
        let pool = WorkPool::builder().workers(1).queue_bound(1).build().unwrap();
        let gate = keep_busy(&pool, 1);
        pool.spawn(|| ());
        let calls: [fn(&WorkPool) -> i32; 10] = [
            |pool| pool.apply(|| 1),
            |pool| pool.apply_async(|| 1).join().unwrap(),
            |pool| pool.apply_async_with(|| 1, |_| ()).join().unwrap(),
            |pool| pool.try_apply_async_for(|| 1, Duration::MAX).unwrap().join().unwrap(),
            |pool| pool.try_apply_async_until(|| 1, Instant::now() + LONG).unwrap().join().unwrap(),
            |pool| {
                pool.spawn(|| ());
                1
            },
            |pool| pool.both(|| 0, || 1).1,
            |pool| pool.map([0, 1], |n| n)[1],
            |pool| pool.map_async([0, 1], |n| n).join().unwrap()[1],
            |pool| {
                let sum = AtomicUsize::new(0);
                pool.scope(|scope| scope.spawn(|| sum.store(1, Ordering::Relaxed)));
                sum.into_inner() as i32
            },
        ];
        let through = AtomicUsize::new(0);
        #[cfg(target_os = "linux")]
        let whereabouts: Vec<_> = calls.iter().map(|_| Whereabouts::new()).collect();
        thread::scope(|s| {
            for (index, call) in calls.into_iter().enumerate() {
                #[cfg(target_os = "linux")]
                let here = &whereabouts[index];
                let (pool, through) = (&pool, &through);
                s.spawn(move || {
                    #[cfg(target_os = "linux")]
                    here.about_to_block();
                    assert_eq!(call(pool), 1, "call {index}");
                    through.fetch_add(1, Ordering::Relaxed);
                });
            }
            #[cfg(target_os = "linux")]
            whereabouts.iter().for_each(Whereabouts::wait_until_asleep);
            assert_eq!((through.load(Ordering::Relaxed), pool.queued()), (0, 1));
            gate.open();
        });
        assert_eq!(through.into_inner(), calls.len());
    });
}

#[test]
fn who_waits_for_room_is_told_when_the_pool_is_closed() {
    within(|| {
        for terminated in [false, true] {
            let pool = WorkPool::builder().workers(1).queue_bound(1).build().unwrap();
            let gate = keep_busy(&pool, 1);
            pool.spawn(|| ());
            thread::scope(|s| {
                let timed = s.spawn(|| pool.try_apply_async_for(|| 5, Duration::MAX).unwrap_err());
                let plain = s.spawn(|| panic_message(|| pool.apply_async(|| 6)));
                let map = s.spawn(|| panic_message(|| pool.map(0..10, |n| n)));
                // Whether they have come so far or not: it makes no difference.
                thread::sleep(SHORT);
                if terminated {
                    pool.terminate()
                } else {
                    pool.close()
                }
                let error = timed.join().unwrap();
                assert!(error.is_closed());
                assert_eq!(error.into_inner()(), 5);
                assert_eq!(plain.join().unwrap(), "WorkPool::apply_async: the pool is closed");
                assert_eq!(map.join().unwrap(), "WorkPool::map: the pool is closed");
                gate.open();
            });
            pool.join().unwrap();
        }
    });
}

#[test]
fn workers_are_never_held_up_by_the_bound_of_their_own_pool() {
    within(|| {
        let pool = Arc::new(WorkPool::builder().workers(1).queue_bound(1).build().unwrap());
        let filler = Arc::clone(&pool);
        let sum = pool.apply_async(move || {
            // Full from outside.
            thread::scope(|s| _ = s.spawn(|| filler.spawn(|| ())));
            assert!(thread::scope(|s| s.spawn(|| filler.try_apply_async(|| ()).is_err()).join().unwrap()));
            let handles: Vec<_> = (0..100).map(|n| filler.apply_async(move || n)).collect();
            let tried: Vec<_> = (0..100).map(|n| filler.try_apply_async(move || n).unwrap()).collect();
            let mut sum = filler.map(0..100, |n| n).iter().sum::<i32>();
            let count = AtomicUsize::new(0);
            filler.scope(|scope| {
                (0..100).for_each(|_| scope.spawn(|| _ = count.fetch_add(1, Ordering::Relaxed)))
            });
            assert_eq!(count.into_inner(), 100);
            sum += filler.imap(0..100, |n| n).sum::<i32>();
            sum += filler.imap_unordered(0..100, |n| n).sum::<i32>();
            handles.into_iter().chain(tried).map(|handle| handle.join().unwrap()).sum::<i32>() + sum
        });
        assert_eq!(sum.join().unwrap(), 5 * 4950);
        wait_until("the pool is ours alone", || Arc::strong_count(&pool) == 1);
    });
}
