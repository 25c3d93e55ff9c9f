//! `WorkPool`: jobs and their handles, callbacks, `both`, `scope`, `map` and the iterators.

#![cfg(not(feature = "loom"))]

mod common;
mod pools;

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, SHORT, message_of, panic_message, past, wait_until, within};
use pools::{Gate, Heard, fail, keep_busy, me, text};
use raddle::{
    Event, Imap, ImapUnordered, JobError, JobHandle, PoolJoinError, Scope, TryApplyError, WorkPool,
    WorkPoolBuilder,
};

// ---- Jobs and handles

#[test]
fn apply_returns_the_result_and_may_borrow() {
    within(|| {
        let pool = WorkPool::new(2);
        let (numbers, mut sum) = (vec![1, 2, 3], 0);
        let worker = pool.apply(|| {
            sum = numbers.iter().sum();
            me()
        });
        assert_eq!(sum, 6);
        assert_ne!(worker, me(), "it runs in the pool");
    });
}

#[test]
fn apply_goes_on_with_the_panic() {
    within(|| {
        let pool = WorkPool::new(1);
        let payload =
            catch_unwind(AssertUnwindSafe(|| pool.apply(|| -> u8 { resume_unwind(Box::new(17_u64)) })));
        assert_eq!(*payload.unwrap_err().downcast::<u64>().unwrap(), 17);
        assert_eq!(pool.apply(|| 1), 1, "the worker is none the worse for it");
    });
}

#[test]
fn apply_in_a_worker_runs_there_and_then() {
    within(|| {
        let pool = WorkPool::new(2);
        let outer = pool.apply(|| {
            let (outer, inner) = (me(), pool.apply(me));
            assert_eq!(outer, inner);
            assert_eq!(panic_message(|| pool.apply(|| -> () { fail("inside") })), "inside");
            outer
        });
        assert_ne!(outer, me());
    });
}

#[test]
fn apply_in_a_worker_of_another_pool_goes_over_to_this_one() {
    within(|| {
        let (a, b) = (WorkPool::new(1), WorkPool::new(1));
        let (in_a, in_b, in_a_again) = a.apply(|| (me(), b.apply(me), a.apply(me)));
        assert_eq!(in_a, in_a_again);
        assert_ne!(in_a, in_b);
    });
}

#[test]
fn a_handle_tells_the_result_once_to_those_who_take_it() {
    within(|| {
        let pool = WorkPool::new(1);
        type Take = fn(&JobHandle<Box<u8>>) -> Option<Result<Box<u8>, JobError>>;
        let takes: [Take; 5] = [
            JobHandle::try_join,
            |handle| handle.join_for(Duration::MAX),
            |handle| handle.join_for(Duration::ZERO),
            |handle| handle.join_until(Instant::now() + LONG),
            |handle| handle.join_until(past()),
        ];
        for take in takes {
            let handle = pool.apply_async(|| Box::new(3));
            handle.wait();
            assert!(handle.is_finished());
            assert_eq!(*take(&handle).unwrap().unwrap(), 3);
            for again in takes {
                assert!(matches!(again(&handle), Some(Err(JobError::Taken))));
            }
            assert!(matches!(handle.get(), Err(JobError::Taken)));
            assert!(handle.is_finished());
            assert!(matches!(handle.join(), Err(JobError::Taken)));
        }
        assert_eq!(*pool.apply_async(|| Box::new(4)).join().unwrap(), 4);
    });
}

#[test]
fn waiting_for_a_job_that_is_not_finished_gives_up_and_not_early() {
    within(|| {
        let pool = WorkPool::new(1);
        let gate = Gate::new();
        let running = pool.apply_async({
            let event = gate.event();
            move || event.wait()
        });
        let queued = pool.apply_async(|| ());
        for handle in [&running, &queued] {
            assert!(!handle.is_finished());
            assert!(handle.try_join().is_none());
            for _ in 0..300 {
                assert!(handle.join_for(Duration::ZERO).is_none());
                assert!(handle.join_until(past()).is_none());
                assert!(!handle.wait_for(Duration::ZERO));
                assert!(!handle.wait_until(past()));
            }
            let start = Instant::now();
            assert!(handle.join_for(SHORT).is_none());
            assert!(start.elapsed() >= SHORT, "early");
            let start = Instant::now();
            assert!(!handle.wait_for(SHORT));
            assert!(start.elapsed() >= SHORT, "early");
            let deadline = Instant::now() + SHORT;
            assert!(handle.join_until(deadline).is_none());
            assert!(Instant::now() >= deadline, "early");
            let deadline = Instant::now() + SHORT;
            assert!(!handle.wait_until(deadline));
            assert!(Instant::now() >= deadline, "early");
        }
        gate.open();
        assert!(running.wait_for(Duration::MAX));
        assert!(running.wait_until(past()));
        assert!(queued.wait_until(Instant::now() + LONG));
        assert!(matches!(queued.join_for(Duration::MAX), Some(Ok(()))));
        assert!(matches!(running.join_for(Duration::ZERO), Some(Ok(()))));
    });
}

#[test]
fn who_waits_with_any_timeout_is_woken_by_the_end_of_the_job() {
    within(|| {
        let pool = WorkPool::new(1);
        let waits: [fn(&JobHandle<u8>) -> bool; 7] = [
            |handle| {
                handle.wait();
                true
            },
            |handle| handle.wait_for(Duration::MAX),
            |handle| handle.wait_for(LONG),
            |handle| handle.wait_until(Instant::now() + LONG),
            |handle| matches!(handle.join_for(Duration::MAX), Some(Ok(1) | Err(JobError::Taken))),
            |handle| matches!(handle.join_until(Instant::now() + LONG), Some(Ok(1) | Err(JobError::Taken))),
            |handle| matches!(handle.get(), Ok(1) | Err(JobError::Taken)),
        ];
        for round in 0..20 {
            let gate = Gate::new();
            let event = gate.event();
            let handle = pool.apply_async(move || {
                event.wait();
                1
            });
            let begun = AtomicUsize::new(0);
            thread::scope(|s| {
                for wait in waits {
                    let (handle, begun) = (&handle, &begun);
                    s.spawn(move || {
                        begun.fetch_add(1, Ordering::Relaxed);
                        assert!(wait(handle));
                    });
                }
                wait_until("some are near", || begun.load(Ordering::Relaxed) > round % waits.len());
                gate.open();
            });
        }
    });
}

#[test]
fn get_reads_the_result_any_number_of_times() {
    within(|| {
        let pool = WorkPool::new(1);
        let handle = pool.apply_async(|| String::from("again"));
        for _ in 0..3 {
            assert_eq!(handle.get().unwrap(), "again");
        }
        assert_eq!(handle.join().unwrap(), "again");

        let fails = pool.apply_async(|| -> u8 { fail("a text") });
        for _ in 0..2 {
            assert_eq!(text(&fails.get().unwrap_err()), "a text");
        }
        assert_eq!(text(&fails.join().unwrap_err()), "a text");
        let fails = pool.apply_async(|| -> u8 { resume_unwind(Box::new(format!("a {}", "String"))) });
        assert_eq!(text(&fails.get().unwrap_err()), "a String");
        let fails = pool.apply_async(|| -> u8 { resume_unwind(Box::new(5_u16)) });
        assert!(fails.get().unwrap_err().message().unwrap().contains("no text"));
        let Err(JobError::Panicked(payload)) = fails.join() else { panic!("it has panicked") };
        assert_eq!(*payload.downcast::<u16>().unwrap(), 5, "the payload itself is for the one who takes it");
    });
}

#[test]
fn get_of_a_clone_that_panics_leaves_the_result_there() {
    struct Shy(Arc<AtomicBool>);

    impl Clone for Shy {
        fn clone(&self) -> Shy {
            if self.0.swap(false, Ordering::Relaxed) {
                fail("shy");
            }
            Shy(Arc::clone(&self.0))
        }
    }

    within(|| {
        let pool = WorkPool::new(1);
        let handle = pool.apply_async(|| Shy(Arc::new(AtomicBool::new(true))));
        assert_eq!(panic_message(|| handle.get().is_ok()), "shy");
        assert!(handle.get().is_ok());
        assert!(handle.join().is_ok());
    });
}

#[test]
fn a_panic_is_an_error_of_the_handle_and_takes_no_worker_with_it() {
    within(|| {
        let pool = WorkPool::new(2);
        for number in 0..200_u64 {
            let error =
                pool.apply_async(move || -> () { resume_unwind(Box::new(number)) }).join().unwrap_err();
            assert!(error.is_panic() && !error.is_cancelled() && error.message().is_none());
            let JobError::Panicked(payload) = error else { unreachable!() };
            assert_eq!(*payload.downcast::<u64>().unwrap(), number);
        }
        assert_eq!(pool.workers(), 2);
        assert_eq!(pool.apply(|| 1), 1);
    });
}

#[test]
fn errors_say_what_they_are() {
    let text = JobError::Panicked(Box::new("why"));
    assert_eq!((text.message(), text.is_panic(), text.is_cancelled()), (Some("why"), true, false));
    assert_eq!(
        (format!("{text:?}"), text.to_string()),
        ("Panicked(\"why\")".into(), "the job panicked: why".into())
    );
    let other = JobError::Panicked(Box::new(1));
    assert_eq!((other.message(), other.is_panic()), (None, true));
    assert_eq!(
        (format!("{other:?}"), other.to_string()),
        ("Panicked(\"..\")".into(), "the job panicked".into())
    );
    let cancelled = JobError::Cancelled;
    assert_eq!((cancelled.message(), cancelled.is_panic(), cancelled.is_cancelled()), (None, false, true));
    assert_eq!(format!("{cancelled:?}: {cancelled}"), "Cancelled: the job was cancelled before it began");
    let taken = JobError::Taken;
    assert!(!taken.is_panic() && !taken.is_cancelled() && taken.message().is_none());
    assert_eq!(format!("{taken:?}: {taken}"), "Taken: the result of the job was taken before");

    let full = TryApplyError::Full(1);
    assert!(full.is_full() && !full.is_closed());
    assert_eq!(format!("{full:?}: {full}"), "Full(..): the pool has as many jobs queued as it may");
    let closed = TryApplyError::Closed(2);
    assert!(closed.is_closed() && !closed.is_full());
    assert_eq!(format!("{closed:?}: {closed}"), "Closed(..): the pool is closed");
    assert_eq!((full.into_inner(), closed.into_inner()), (1, 2));

    assert!(PoolJoinError::StillOpen.to_string().contains("close or terminate it first"));
    assert!(PoolJoinError::InWorker.to_string().contains("worker of the same pool"));

    fn is_error<E: Error>(_: &E) {}
    is_error(&text);
    is_error(&full);
    is_error(&PoolJoinError::StillOpen);
}

#[test]
fn a_handle_outlives_its_pool() {
    within(|| {
        let pool = WorkPool::new(1);
        let result = pool.apply_async(|| vec![1, 2, 3]);
        let unread = pool.apply_async(|| vec![4]);
        let fails = pool.apply_async(|| -> () { fail("late") });
        drop(pool);
        assert!(result.is_finished() && fails.is_finished() && unread.is_finished());
        assert!(!result.cancel());
        assert_eq!(result.get().unwrap(), [1, 2, 3]);
        assert_eq!(result.join().unwrap(), [1, 2, 3]);
        assert_eq!(text(&fails.join().unwrap_err()), "late");
    });
}

#[test]
fn a_job_goes_on_alone_when_its_handle_is_dropped() {
    within(|| {
        let pool = WorkPool::new(1);
        let gate = keep_busy(&pool, 1);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let (one, other) = (Arc::clone(&ran), Arc::clone(&ran));
            drop(pool.apply_async(move || one.fetch_add(1, Ordering::Relaxed)));
            pool.spawn(move || _ = other.fetch_add(1, Ordering::Relaxed));
        }
        gate.open();
        drop(pool);
        assert_eq!(ran.load(Ordering::Relaxed), 20);
    });
}

#[test]
fn jobs_of_one_submitter_begin_in_order() {
    within(|| {
        let pool = WorkPool::new(1);
        let gate = keep_busy(&pool, 1);
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..100 {
            let order = Arc::clone(&order);
            pool.spawn(move || order.lock().unwrap().push(number));
        }
        gate.open();
        drop(pool);
        assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn jobs_from_outside_are_not_kept_out_for_ever_by_those_from_inside() {
    within(|| {
        // A job that begets itself as long as nobody from outside has come.
        fn beget(pool: &Arc<WorkPool>, stop: &Arc<AtomicBool>) {
            if !stop.load(Ordering::Relaxed) {
                let (pool_too, stop) = (Arc::clone(pool), Arc::clone(stop));
                pool.spawn(move || beget(&pool_too, &stop));
            }
        }

        let pool = Arc::new(WorkPool::new(1));
        let stop = Arc::new(AtomicBool::new(false));
        pool.spawn({
            let (pool, stop) = (Arc::clone(&pool), Arc::clone(&stop));
            move || beget(&pool, &stop)
        });
        pool.apply(|| stop.store(true, Ordering::Relaxed));
        // The last share of the pool must not be that of a job: then nobody would wait for it here.
        wait_until("the last of them is gone", || Arc::strong_count(&pool) == 1);
    });
}

#[test]
fn workers_keep_neither_the_last_job_nor_its_result() {
    within(|| {
        let pool = WorkPool::new(1);
        let (held, result) = (Arc::new(1), Arc::new(2));
        let gone = |weak: Weak<i32>, what: &str| wait_until(what, || weak.strong_count() == 0);
        let (weak_held, weak_result) = (Arc::downgrade(&held), Arc::downgrade(&result));

        let handle = pool.apply_async(move || {
            let _held = &held;
            result
        });
        handle.wait();
        assert_eq!(weak_held.strong_count(), 0, "a finished job's closure is gone");
        assert_eq!(weak_result.strong_count(), 1);
        drop(handle.join().unwrap());
        assert_eq!(weak_result.strong_count(), 0);

        // Without a handle; and with one that was dropped before.
        let (held, result) = (Arc::new(1), Arc::new(2));
        let (weak_held, weak_result) = (Arc::downgrade(&held), Arc::downgrade(&result));
        pool.spawn(move || drop(held));
        drop(pool.apply_async(move || result));
        gone(weak_held, "the closure is gone");
        gone(weak_result, "the result is gone");

        // What a job panics with is kept by nobody, either.
        let held = Arc::new(3);
        let weak = Arc::downgrade(&held);
        let handle = pool.apply_async(move || -> () { resume_unwind(Box::new(held)) });
        drop(handle.join());
        assert_eq!(weak.strong_count(), 0);

        // A map lets everything go before it returns.
        let items: Vec<Arc<i32>> = (0..100).map(Arc::new).collect();
        let weak: Vec<_> = items.iter().map(Arc::downgrade).collect();
        let function = Arc::new(0);
        let weak_function = Arc::downgrade(&function);
        let results = pool.map(items, move |item| {
            let _function = &function;
            item
        });
        assert_eq!(weak_function.strong_count(), 0);
        assert!(weak.iter().all(|weak| weak.strong_count() == 1));
        drop(results);
        assert!(weak.iter().all(|weak| weak.strong_count() == 0));
    });
}

#[test]
fn cancel_keeps_a_queued_job_from_running_and_drops_it() {
    within(|| {
        let pool = WorkPool::new(1);
        let gate = keep_busy(&pool, 1);
        let held = Arc::new(AtomicBool::new(false));
        let weak = Arc::downgrade(&held);
        let handle = pool.apply_async(move || held.store(true, Ordering::Relaxed));
        let heard_in = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..2 {
            let heard_in = Arc::clone(&heard_in);
            handle.on_done(move |result| {
                assert!(matches!(result, Err(JobError::Cancelled)));
                heard_in.lock().unwrap().push(me());
            });
        }
        assert!(handle.cancel());
        assert_eq!(weak.strong_count(), 0, "dropped in the call");
        assert_eq!(*heard_in.lock().unwrap(), [me(), me()], "callbacks hear of it in the call");
        assert!(handle.is_finished());
        assert!(!handle.cancel(), "only once");
        assert!(matches!(handle.get(), Err(JobError::Cancelled)));
        assert!(handle.wait_for(Duration::ZERO));
        assert!(matches!(handle.join(), Err(JobError::Cancelled)));
        gate.open();
        assert_eq!(pool.apply(|| 2), 2);
    });
}

#[test]
fn cancel_of_a_job_that_has_begun_or_is_finished_does_nothing() {
    within(|| {
        let pool = WorkPool::new(1);
        let (gate, begun) = (Gate::new(), Gate::new());
        let handle = pool.apply_async({
            let (event, begun) = (gate.event(), begun.event());
            move || {
                begun.set();
                event.wait();
                1
            }
        });
        begun.0.wait();
        assert!(!handle.cancel());
        gate.open();
        handle.wait();
        assert!(!handle.cancel());
        assert_eq!(handle.join().unwrap(), 1);
        let fails = pool.apply_async(|| -> () { fail("before") });
        fails.wait();
        assert!(!fails.cancel());
        assert!(fails.join().unwrap_err().is_panic());
    });
}

// ---- Callbacks

#[test]
fn a_callback_hears_of_success_and_failure_before_anybody_who_waits_is_let_go() {
    within(|| {
        let pool = WorkPool::new(2);
        for _ in 0..200 {
            let seen = Arc::new(AtomicUsize::new(0));
            let handle = pool.apply_async_with(|| 7_usize, {
                let seen = Arc::clone(&seen);
                move |result| seen.store(100 + result.unwrap(), Ordering::Relaxed)
            });
            assert_eq!(handle.join().unwrap(), 7);
            assert_eq!(seen.load(Ordering::Relaxed), 107);
            let handle = pool.apply_async_with(|| -> () { fail("so") }, {
                let seen = Arc::clone(&seen);
                move |result| {
                    assert_eq!(text(result.unwrap_err()), "so");
                    seen.store(1, Ordering::Relaxed);
                }
            });
            handle.wait();
            assert_eq!(seen.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn a_job_is_not_finished_while_a_callback_runs() {
    within(|| {
        let pool = WorkPool::new(1);
        for early in [true, false] {
            let (gate, inside) = (Gate::new(), Gate::new());
            let callback = {
                let (event, inside) = (gate.event(), inside.event());
                move |_: Result<&u8, &JobError>| {
                    inside.set();
                    event.wait();
                }
            };
            let start = Gate::new();
            let job = {
                let start = start.event();
                move || {
                    start.wait();
                    9
                }
            };
            let handle = if early {
                pool.apply_async_with(job, callback)
            } else {
                let handle = pool.apply_async(job);
                handle.on_done(callback);
                handle
            };
            start.open();
            inside.0.wait();
            assert!(!handle.is_finished());
            assert!(handle.try_join().is_none());
            assert!(!handle.wait_for(SHORT));
            assert!(handle.join_for(SHORT).is_none());
            assert!(!handle.cancel());
            assert_eq!(format!("{handle:?}"), "JobHandle { is_finished: false }");
            // And the pool has not ended.
            if !early {
                pool.close();
                assert_eq!(pool.join_for(SHORT), Ok(false));
            }
            gate.open();
            assert_eq!(handle.join().unwrap(), 9);
        }
        pool.join().unwrap();
    });
}

#[test]
fn callbacks_are_called_once_each_in_the_order_in_which_they_were_added() {
    within(|| {
        let pool = WorkPool::new(1);
        let gate = keep_busy(&pool, 1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let log = |number| {
            let order = Arc::clone(&order);
            move |result: Result<&u8, &JobError>| order.lock().unwrap().push((number, *result.unwrap()))
        };
        let handle = pool.apply_async_with(|| 5, log(0));
        for number in 1..50 {
            handle.on_done(log(number));
        }
        gate.open();
        handle.wait();
        handle.on_done(log(50));
        assert_eq!(*order.lock().unwrap(), (0..=50).map(|number| (number, 5)).collect::<Vec<_>>());
        assert_eq!(handle.join().unwrap(), 5);
    });
}

#[test]
fn a_late_callback_is_called_at_once_in_the_calling_thread() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let handle = pool.apply_async(|| 5);
        handle.wait();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = || {
            let seen = Arc::clone(&seen);
            move |result: Result<&i32, &JobError>| {
                let what = match result {
                    Ok(number) => number.to_string(),
                    Err(error) => format!("{error:?}"),
                };
                seen.lock().unwrap().push((what, me()));
            }
        };
        handle.on_done(note());
        assert_eq!(*seen.lock().unwrap(), [("5".into(), me())]);
        // Its panic is the caller's affair, and leaves the result there.
        assert_eq!(panic_message(|| handle.on_done(|_| fail("late"))), "late");
        assert!(heard.texts().is_empty());
        assert_eq!(handle.try_join().unwrap().unwrap(), 5);
        handle.on_done(note());
        assert_eq!(seen.lock().unwrap()[1], ("Taken".into(), me()));
        let cancelled = {
            let _gate = keep_busy(&pool, 1);
            let handle = pool.apply_async(|| 6);
            assert!(handle.cancel());
            handle
        };
        cancelled.on_done(note());
        assert_eq!(seen.lock().unwrap()[2], ("Cancelled".into(), me()));
    });
}

#[test]
fn a_panic_in_a_callback_goes_to_the_hook_and_harms_nothing() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let gate = keep_busy(&pool, 1);
        let handle = pool.apply_async_with(|| 5, |_| fail("first"));
        let called = Arc::new(AtomicBool::new(false));
        handle.on_done(|_| fail("second"));
        handle.on_done({
            let called = Arc::clone(&called);
            move |_| called.store(true, Ordering::Relaxed)
        });
        gate.open();
        assert_eq!(handle.join().unwrap(), 5);
        assert!(called.load(Ordering::Relaxed), "those after it are called");
        assert_eq!(heard.texts(), ["first", "second"]);
        assert_eq!(pool.apply(|| 1), 1);
    });
}

#[test]
fn a_callback_may_use_the_pool_and_other_handles() {
    within(|| {
        let pool = Arc::new(WorkPool::new(1));
        let (sender, receiver) = mpsc::channel();
        let other = pool.apply_async(|| 30);
        let handle = pool.apply_async_with(|| 1, {
            let pool = Arc::clone(&pool);
            move |result| {
                let sum = pool.apply(|| 2) + pool.map([3, 4], |n| n).iter().sum::<i32>();
                let later = pool.apply_async(|| 10).join().unwrap() + other.join().unwrap();
                sender.send(result.unwrap() + sum + later).unwrap();
            }
        });
        handle.wait();
        assert_eq!(receiver.try_recv().unwrap(), 50);
        // The callback's share of the pool is gone, too.
        assert_eq!(Arc::strong_count(&pool), 1);
    });
}

#[test]
fn a_callback_may_look_at_its_own_handle() {
    within(|| {
        let pool = WorkPool::new(1);
        let handle: Arc<OnceLock<JobHandle<u8>>> = Arc::default();
        let gate = keep_busy(&pool, 1);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let callback = {
            let (handle, seen) = (Arc::clone(&handle), Arc::clone(&seen));
            move |result: Result<&u8, &JobError>| {
                assert_eq!(*result.unwrap(), 1);
                let handle = handle.get().unwrap();
                assert!(!handle.cancel());
                let _ = format!("{handle:?}");
                let finished = handle.is_finished();
                let taken = handle.try_join().is_some_and(|result| result.is_ok());
                seen.lock().unwrap().push((finished, taken));
            }
        };
        handle.set(pool.apply_async_with(|| 1, callback.clone())).unwrap();
        gate.open();
        let handle = handle.get().unwrap();
        handle.wait();
        // Late: the job is finished, but the result is lent to the callback.
        handle.on_done(callback);
        assert_eq!(*seen.lock().unwrap(), [(false, false), (true, false)]);
        assert_eq!(handle.try_join().unwrap().unwrap(), 1);
    });
}

#[test]
fn a_late_callback_may_wait_for_another_thread_that_looks_at_the_handle() {
    within(|| {
        let pool = WorkPool::new(1);
        let handle = Arc::new(pool.apply_async(|| 1));
        handle.wait();
        let shared = Arc::clone(&handle);
        handle.on_done(move |_| {
            // `try_join` never blocks for long, whoever else is at the handle.
            thread::spawn(move || drop(shared.try_join())).join().unwrap();
        });
    });
}

#[test]
fn late_callbacks_are_called_once_each_though_others_panic() {
    within(|| {
        const JOBS: usize = 2000;
        const THREADS: usize = 3;
        let pool = WorkPool::new(1);
        let handles: Vec<_> = (0..JOBS).map(|_| pool.apply_async(|| 1)).collect();
        handles.iter().for_each(JobHandle::wait);
        let (called, strange) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let start = raddle::Barrier::new(THREADS);
        thread::scope(|s| {
            for index in 0..THREADS {
                let (handles, called, strange, start) = (&handles, &called, &strange, &start);
                s.spawn(move || {
                    for handle in handles {
                        start.wait().unwrap();
                        let called = Arc::clone(called);
                        let panics = index == 0;
                        let result = catch_unwind(AssertUnwindSafe(|| {
                            handle.on_done(move |_| {
                                called.fetch_add(1, Ordering::Relaxed);
                                if panics {
                                    fail("on purpose");
                                }
                            });
                        }));
                        if result.is_err() != panics {
                            strange.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(called.load(Ordering::Relaxed), JOBS * THREADS, "each is called once");
        assert_eq!(strange.into_inner(), 0, "a panic came to another than the one whose callback it was");
    });
}

// ---- The panic hook

#[test]
fn the_panic_hook_hears_of_panics_that_no_handle_tells() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let gate = keep_busy(&pool, 1);
        pool.spawn(|| fail("spawned"));
        drop(pool.apply_async(|| -> u8 { fail("handle dropped") }));
        let told = pool.apply_async(|| -> u8 { fail("told by the handle") });
        gate.open();
        assert_eq!(text(&told.join().unwrap_err()), "told by the handle");
        assert_eq!(panic_message(|| pool.apply(|| -> () { fail("told by apply") })), "told by apply");
        assert_eq!(heard.texts(), ["spawned", "handle dropped"]);
    });
}

#[test]
fn a_panicking_panic_hook_harms_nothing() {
    struct Nasty;

    impl Drop for Nasty {
        fn drop(&mut self) {
            fail("a payload's destructor");
        }
    }

    within(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let pool = WorkPool::builder()
            .workers(1)
            .panic_hook({
                let calls = Arc::clone(&calls);
                move |payload| {
                    // Not dropped in the middle of a panic: that would be our own fault.
                    std::mem::forget(payload);
                    calls.fetch_add(1, Ordering::Relaxed);
                    resume_unwind(Box::new(Nasty))
                }
            })
            .build()
            .unwrap();
        pool.spawn(|| fail("one"));
        pool.spawn(|| resume_unwind(Box::new(Nasty)));
        assert_eq!(pool.apply_async_with(|| 1, |_| fail("three")).join().unwrap(), 1);
        assert_eq!(pool.apply(|| 2), 2);
        assert_eq!((calls.load(Ordering::Relaxed), pool.workers()), (3, 1));
        // And without a hook.
        let pool = WorkPool::new(1);
        pool.spawn(|| resume_unwind(Box::new(Nasty)));
        assert_eq!(pool.apply_async_with(|| 1, |_| resume_unwind(Box::new(Nasty))).join().unwrap(), 1);
        assert_eq!((pool.apply(|| 2), pool.workers()), (2, 1));
    });
}

// ---- both

#[test]
fn both_returns_both_results_and_may_borrow() {
    within(|| {
        let pool = WorkPool::new(2);
        let (left, mut right) = (vec![1, 2], vec![3]);
        let results = pool.both(
            || left.len(),
            || {
                right.push(4);
                right.len()
            },
        );
        assert_eq!((results, right), ((2, 2), vec![3, 4]));
        // In a worker, `a` runs in it.
        let (worker, a) = pool.apply(|| (me(), pool.both(me, || ()).0));
        assert_eq!(worker, a);
    });
}

#[test]
fn both_runs_at_the_same_time_if_a_worker_is_free() {
    within(|| {
        let pool = WorkPool::new(2);
        for _ in 0..50 {
            // Each waits for the other: but `a` may do so only if a worker is sure to come for `b`, as here.
            let (a, b) = (Event::new(), Event::new());
            let met = pool.both(
                || {
                    a.set();
                    b.wait_for(LONG)
                },
                || {
                    b.set();
                    a.wait_for(LONG)
                },
            );
            assert_eq!(met, (true, true));
        }
    });
}

#[test]
fn while_a_worker_waits_others_take_what_it_has_forked() {
    /// Each waits for a job in another pool, which ends when the event is set.
    type Wait = fn(&WorkPool, &Arc<Event>) -> bool;
    const WAITS: [(&str, Wait); 4] = [
        ("apply", |other, ran| other.apply(|| ran.wait_for(LONG))),
        ("a handle", |other, ran| {
            let ran = Arc::clone(ran);
            other.apply_async(move || ran.wait_for(LONG)).join().unwrap()
        }),
        ("scope", |other, ran| {
            let in_time = AtomicBool::new(false);
            other.scope(|scope| scope.spawn(|| in_time.store(ran.wait_for(LONG), Ordering::Relaxed)));
            in_time.into_inner()
        }),
        ("map", |other, ran| other.map([()], |()| ran.wait_for(LONG)) == [true]),
    ];
    within(|| {
        let (pool, other) = (WorkPool::new(2), WorkPool::new(1));
        for (name, wait) in WAITS {
            let ran = Arc::new(Event::new());
            let gate = keep_busy(&pool, 1);
            let in_time = pool.apply(|| {
                let first = || {
                    // All were busy, so that the inner fork is private by now. The outer one is not, and taken before the other worker goes to sleep.
                    gate.open();
                    wait_until("the other worker is idle", || pool.idle() == 1);
                    wait(&other, &ran)
                };
                pool.both(|| pool.both(first, || ran.set()).0, || ()).0
            });
            assert!(in_time, "{name}");
        }
    });
}

#[test]
fn both_goes_on_with_the_first_panic_when_both_have_ended() {
    within(|| {
        for workers in [1, 2, 4] {
            let heard = Heard::default();
            let pool = heard.pool(workers);
            for _ in 0..50 {
                assert_eq!(panic_message(|| pool.both(|| -> () { fail("a") }, || 1)), "a");
                assert_eq!(panic_message(|| pool.both(|| 1, || -> () { fail("b") })), "b");
                let running = AtomicUsize::new(0);
                let message = panic_message(|| {
                    pool.both(
                        || -> () { fail("a first") },
                        || {
                            running.fetch_add(1, Ordering::Relaxed);
                            thread::yield_now();
                            running.fetch_sub(1, Ordering::Relaxed);
                            fail("b second");
                        },
                    )
                });
                assert_eq!((message.as_str(), running.into_inner()), ("a first", 0));
            }
            assert!(heard.texts().iter().all(|text| text == "b second"), "{:?}", heard.texts());
            assert_eq!(pool.workers(), workers);
        }
    });
}

#[test]
fn both_finds_its_own_again_below_jobs_that_were_made_meanwhile() {
    within(|| {
        for workers in [1, 2] {
            let pool = Arc::new(WorkPool::new(workers));
            let ran = Arc::new(AtomicUsize::new(0));
            for round in 0..100 {
                let pool_too = Arc::clone(&pool);
                let ran_too = Arc::clone(&ran);
                let results = pool.both(
                    move || {
                        for _ in 0..round {
                            let ran = Arc::clone(&ran_too);
                            pool_too.spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed));
                        }
                        1
                    },
                    || 2,
                );
                assert_eq!(results, (1, 2));
            }
            wait_until("those run, too", || ran.load(Ordering::Relaxed) == 99 * 100 / 2);
            wait_until("they have let go of the pool", || Arc::strong_count(&pool) == 1);
        }
    });
}

// ---- scope

#[test]
fn a_scope_waits_for_its_jobs_which_may_borrow() {
    within(|| {
        for workers in [1, 3] {
            let pool = WorkPool::new(workers);
            let mut parts = vec![1; 100];
            let count = pool.scope(|scope| {
                for part in &mut parts {
                    scope.spawn(|| *part += 1);
                }
                "returned"
            });
            assert_eq!(count, "returned");
            assert_eq!(parts, vec![2; 100]);
            assert_eq!(pool.scope(|_| 1), 1, "none at all");
        }
    });
}

#[test]
fn jobs_of_a_scope_make_more_jobs_in_it() {
    fn tree<'scope>(scope: &'scope Scope<'scope, '_>, count: &'scope AtomicUsize, depth: usize) {
        count.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            for _ in 0..2 {
                scope.spawn(move || tree(scope, count, depth - 1));
            }
        }
    }

    within(|| {
        for workers in [1, 2, 4] {
            let pool = WorkPool::new(workers);
            let count = AtomicUsize::new(0);
            pool.scope(|scope| tree(scope, &count, 8));
            assert_eq!(count.load(Ordering::Relaxed), (1 << 9) - 1);
            pool.apply(|| pool.scope(|scope| tree(scope, &count, 8)));
            assert_eq!(count.into_inner(), 2 * ((1 << 9) - 1));
        }
    });
}

#[test]
fn jobs_of_a_scope_are_made_from_any_thread_that_has_it() {
    within(|| {
        let pool = WorkPool::new(2);
        let count = AtomicUsize::new(0);
        for inside in [false, true] {
            let run = || {
                pool.scope(|scope| {
                    thread::scope(|s| {
                        for _ in 0..4 {
                            s.spawn(|| {
                                for _ in 0..50 {
                                    scope.spawn(|| _ = count.fetch_add(1, Ordering::Relaxed));
                                }
                            });
                        }
                    });
                });
            };
            if inside { pool.apply(run) } else { run() }
        }
        assert_eq!(count.into_inner(), 400);
    });
}

/// A job that has begun is finished, with all that belongs to it, though the pool is closed meanwhile.
#[test]
fn a_scope_in_a_worker_takes_jobs_from_other_threads_after_close() {
    let pool = Arc::new(WorkPool::new(1));
    let ran = AtomicUsize::new(0);
    pool.apply({
        let pool = Arc::clone(&pool);
        let ran = &ran;
        move || {
            pool.scope(|scope| {
                pool.close();
                thread::scope(|threads| {
                    threads.spawn(|| scope.spawn(|| _ = ran.fetch_add(1, Ordering::Relaxed)));
                });
            });
            assert_eq!(ran.load(Ordering::Relaxed), 1, "the scope waits for it");
        }
    });
    assert_eq!(ran.into_inner(), 1);
}

#[test]
fn a_scope_goes_on_with_the_first_panic_when_all_jobs_have_ended() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let ran = AtomicUsize::new(0);
        let message = panic_message(|| {
            pool.scope(|scope| {
                for number in 0..10 {
                    let ran = &ran;
                    scope.spawn(move || {
                        ran.fetch_add(1, Ordering::Relaxed);
                        match number {
                            3 => fail("first"),
                            7 => fail("second"),
                            9 => fail("third"),
                            _ => {}
                        }
                    });
                }
            });
        });
        // From outside, a pool of one runs them in order.
        assert_eq!((message.as_str(), ran.load(Ordering::Relaxed)), ("first", 10));
        assert_eq!(heard.texts(), ["second", "third"]);

        // What the closure itself panics with goes before; and its jobs end first all the same.
        let (gate, done) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let message = panic_message(|| {
            pool.scope(|scope| {
                let (event, done) = (gate.event(), Arc::clone(&done));
                scope.spawn(move || {
                    event.wait();
                    done.store(true, Ordering::Relaxed);
                });
                let event = gate.event();
                // Opens the gate when nobody but a waiting scope is left here.
                thread::spawn(move || {
                    thread::sleep(SHORT);
                    event.set();
                });
                fail("the closure");
            });
        });
        assert_eq!((message.as_str(), done.load(Ordering::Relaxed)), ("the closure", true));
    });
}

#[test]
fn the_hook_hears_of_a_scopes_jobs_that_panic_beside_its_closure() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let message = panic_message(|| {
            pool.scope(|scope| {
                scope.spawn(|| fail("a job"));
                fail("the closure");
            });
        });
        assert_eq!(message, "the closure");
        assert_eq!(heard.texts(), ["a job"]);
    });
}

// ---- map

#[test]
fn map_returns_the_results_in_order() {
    within(|| {
        for workers in [1, 2, 5] {
            let pool = WorkPool::new(workers);
            let offset = 100;
            for len in [0, 1, 2, 7, 8, 9, 100, 1001] {
                let expected: Vec<i64> = (0..len).map(|n| n * n + offset).collect();
                assert_eq!(pool.map(0..len, |n| n * n + offset), expected);
                for chunk_len in [1, 2, 3, 10, 1000, 2000, usize::MAX] {
                    assert_eq!(pool.map_chunked(chunk_len, 0..len, |n| n * n + offset), expected);
                }
                assert_eq!(pool.map_async(0..len, move |n| n * n + offset).join().unwrap(), expected);
                assert_eq!(pool.apply(|| pool.map(0..len, |n| n * n + offset)), expected);
            }
            assert_eq!(pool.map([(); 30], |()| ()), [(); 30]);
            assert_eq!(pool.map(["a", "b"], str::len), [1, 1]);
        }
    });
}

#[test]
fn results_of_map_stand_where_the_items_were_if_that_wastes_no_memory() {
    within(|| {
        let pool = WorkPool::new(2);
        let items: Vec<u64> = (0..1000).collect();
        let place = items.as_ptr().addr();
        let results = pool.map(items, |n| n as i64 - 1);
        assert!(results.iter().copied().eq(-1..999));
        assert_eq!(results.as_ptr().addr(), place);

        let mut items = Vec::with_capacity(10_000);
        items.extend(0..10_u64);
        let results = pool.map(items, |n| n + 1);
        assert!(results.iter().copied().eq(1..11));
        assert!(results.capacity() < 100, "there is room for {} results", results.capacity());

        // As large, but not as aligned.
        let results = pool.map(0..10_u64, u64::to_ne_bytes);
        assert!(results.into_iter().map(u64::from_ne_bytes).eq(0..10));
    });
}

#[test]
fn map_calls_the_function_at_the_same_time_if_workers_are_free() {
    within(|| {
        let pool = WorkPool::new(3);
        let barrier = raddle::Barrier::new(3);
        assert_eq!(pool.map_chunked(1, 0..3, |_| barrier.wait_for(LONG).is_ok()), [true; 3]);
        assert_eq!(pool.apply(|| pool.map_chunked(1, 0..3, |_| barrier.wait_for(LONG).is_ok())), [true; 3]);
    });
}

#[test]
fn a_failure_in_map_ends_its_own_chunk_only_and_the_first_wins() {
    within(|| {
        for inside in [false, true] {
            let heard = Heard::default();
            let pool = heard.pool(1);
            let calls = Mutex::new(Vec::new());
            let run = || {
                pool.map_chunked(10, 0..50, |n| {
                    calls.lock().unwrap().push(n);
                    match n {
                        13 => fail("thirteen"),
                        31 => fail("thirty-one"),
                        40 => fail("forty"),
                        _ => n,
                    }
                })
            };
            let message = panic_message(|| if inside { pool.apply(run) } else { run() });
            assert_eq!(message, "thirteen");
            assert_eq!(heard.texts(), ["thirty-one", "forty"]);
            let expected: Vec<_> = (0..14).chain(20..32).chain([40]).collect();
            assert_eq!(calls.into_inner().unwrap(), expected, "all chunks, each up to its failure");
        }
    });
}

#[test]
fn map_waits_for_all_chunks_also_after_a_failure() {
    within(|| {
        let pool = WorkPool::new(2);
        let (failed, gate) = (Event::new(), Gate::new());
        let (returned, done) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|s| {
            let map = s.spawn(|| {
                let message = panic_message(|| {
                    pool.map_chunked(1, 0..2, |n| {
                        if n == 0 {
                            failed.set();
                            fail("at once");
                        }
                        gate.0.wait();
                        done.store(true, Ordering::Relaxed);
                    })
                });
                returned.store(true, Ordering::Relaxed);
                assert!(done.load(Ordering::Relaxed), "a chunk was still at it");
                message
            });
            failed.wait();
            thread::sleep(SHORT);
            assert!(!returned.load(Ordering::Relaxed));
            gate.open();
            assert_eq!(map.join().unwrap(), "at once");
        });
    });
}

#[test]
fn map_async_tells_a_panic_by_its_handle_and_can_be_cancelled() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let error =
            pool.map_async(0..8, |n| if n > 5 { fail("six or seven") } else { n }).join().unwrap_err();
        assert_eq!(text(&error), "six or seven");
        let gate = keep_busy(&pool, 1);
        let handle = pool.map_async(0..8, |n| n);
        assert!(handle.cancel());
        gate.open();
        assert!(handle.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn an_input_of_map_that_panics_does_so_in_the_caller() {
    within(|| {
        let pool = WorkPool::new(1);
        let input = || {
            (0..5).inspect(|&n| {
                if n == 3 {
                    fail("input")
                }
            })
        };
        assert_eq!(panic_message(|| pool.map(input(), |n| n)), "input");
        assert_eq!(panic_message(|| pool.map_async(input(), |n| n)), "input");
        assert_eq!(pool.apply(|| 1), 1);
    });
}

// ---- imap and imap_unordered

#[test]
fn imap_returns_the_results_in_order_and_imap_unordered_all_of_them() {
    within(|| {
        for workers in [1, 2, 4] {
            let pool = WorkPool::new(workers);
            for len in [0, 1, 2, 50, 500] {
                let expected: Vec<usize> = (0..len).map(|n| n * 3).collect();
                assert_eq!(pool.imap(0..len, |n| n * 3).collect::<Vec<_>>(), expected);
                let mut results: Vec<_> = pool.imap_unordered(0..len, |n| n * 3).collect();
                results.sort();
                assert_eq!(results, expected);
                // In a worker.
                assert_eq!(pool.apply(|| pool.imap(0..len, |n| n * 3).collect::<Vec<_>>()), expected);
                let mut results: Vec<_> = pool.apply(|| pool.imap_unordered(0..len, |n| n * 3).collect());
                results.sort();
                assert_eq!(results, expected);
            }
        }
    });
}

#[test]
fn imap_takes_its_input_only_so_far_ahead() {
    within(|| {
        const WORKERS: usize = 3;
        let pool = WorkPool::new(WORKERS);
        let taken = Arc::new(AtomicUsize::new(0));
        let input = || {
            taken.store(0, Ordering::Relaxed);
            let taken = Arc::clone(&taken);
            (0_usize..).inspect(move |_| _ = taken.fetch_add(1, Ordering::Relaxed))
        };
        let check = |results: &mut dyn Iterator<Item = usize>| {
            for number in 0..100 {
                assert!(taken.load(Ordering::Relaxed) <= number + 2 * WORKERS, "too far ahead");
                assert!(results.next().is_some(), "an input without end");
            }
        };
        check(&mut pool.imap(input(), |n| n));
        check(&mut pool.imap_unordered(input(), |n| n));
    });
}

#[test]
fn imap_gives_each_result_as_soon_as_it_and_those_before_are_there() {
    within(|| {
        let pool = WorkPool::new(2);
        let gate = Gate::new();
        let event = gate.event();
        let wait_at = move |at: usize| {
            let event = Arc::clone(&event);
            move |n: usize| {
                if n == at {
                    event.wait();
                }
                n
            }
        };
        let mut results = pool.imap(0..6, wait_at(2));
        assert_eq!([results.next(), results.next()], [Some(0), Some(1)]);
        gate.open();
        assert_eq!(results.collect::<Vec<_>>(), [2, 3, 4, 5]);

        let gate = Gate::new();
        let event = gate.event();
        let mut results = pool.imap_unordered(0..6, move |n| {
            if n == 0 {
                event.wait();
            }
            n
        });
        // The slow one holds nobody up.
        let first: Vec<_> = results.by_ref().take(5).collect();
        assert!(!first.contains(&0), "{first:?}");
        gate.open();
        assert_eq!((results.next(), results.next()), (Some(0), None));
    });
}

#[test]
fn a_panic_for_one_item_of_imap_comes_in_its_place_and_the_others_follow() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(2);
        let f = |n: u32| if n % 3 == 1 { fail("one of three") } else { n };
        for inside in [false, true] {
            let run = || {
                let mut results = pool.imap(0..7, f);
                let all: Vec<_> = (0..7)
                    .map(|n| {
                        if n % 3 == 1 {
                            assert_eq!(panic_message(|| results.next()), "one of three");
                            None
                        } else {
                            results.next()
                        }
                    })
                    .collect();
                assert_eq!(all, [Some(0), None, Some(2), Some(3), None, Some(5), Some(6)]);
                assert_eq!((results.next(), results.next()), (None, None));

                let mut results = pool.imap_unordered(0..7, f);
                let (mut good, mut bad) = (Vec::new(), 0);
                for _ in 0..7 {
                    match catch_unwind(AssertUnwindSafe(|| results.next())) {
                        Ok(n) => good.push(n.unwrap()),
                        Err(payload) => {
                            assert_eq!(message_of(&*payload), "one of three");
                            bad += 1;
                        }
                    }
                }
                good.sort();
                assert_eq!((good, bad), (vec![0, 2, 3, 5, 6], 2));
                assert_eq!((results.next(), results.next()), (None, None));
            };
            if inside { pool.apply(run) } else { run() }
        }
        assert!(heard.texts().is_empty(), "the iterator has told them");
    });
}

#[test]
fn results_so_far_come_when_the_input_of_imap_panics_or_ends_early() {
    within(|| {
        let pool = WorkPool::new(2);
        for end in [0, 1, 3, 10] {
            let panics = || {
                (0..).inspect(move |&n| {
                    if n == end {
                        fail("the input")
                    }
                })
            };
            let expected: Vec<_> = (0..end).collect();

            let mut results = pool.imap(panics(), |n| n);
            assert_eq!(results.by_ref().take(end).collect::<Vec<_>>(), expected);
            assert_eq!(panic_message(|| results.next()), "the input");
            assert_eq!((results.next(), results.next()), (None, None));

            let mut results = pool.imap_unordered(panics(), |n| n);
            let mut first: Vec<_> = results.by_ref().take(end).collect();
            first.sort();
            assert_eq!(first, expected);
            assert_eq!(panic_message(|| results.next()), "the input");
            assert_eq!((results.next(), results.next()), (None, None));

            // An iterator that would go on after its end is not asked again.
            let ends = || {
                let mut next = 0;
                std::iter::from_fn(move || {
                    next += 1;
                    (next - 1 != end).then_some(next - 1)
                })
            };
            let mut results = pool.imap(ends(), |n| n);
            assert_eq!(results.by_ref().collect::<Vec<_>>(), expected);
            assert_eq!((results.next(), results.next()), (None, None));
            let mut results = pool.imap_unordered(ends(), |n| n);
            assert_eq!(results.by_ref().count(), end);
            assert_eq!((results.next(), results.next()), (None, None));
        }
    });
}

#[test]
fn dropping_imap_cancels_what_has_not_begun() {
    within(|| {
        let pool = WorkPool::new(1);
        let gate = keep_busy(&pool, 1);
        let ran = Arc::new(AtomicUsize::new(0));
        let f = || {
            let ran = Arc::clone(&ran);
            move |_| _ = ran.fetch_add(1, Ordering::Relaxed)
        };
        let (ordered, unordered) = (pool.imap(0..100, f()), pool.imap_unordered(0..100, f()));
        assert_eq!(pool.queued(), 4, "two for each worker");
        drop((ordered, unordered));
        gate.open();
        pool.apply(|| ());
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&ran), 1, "the function is gone, too");
    });
}

#[test]
fn imap_in_a_pool_that_is_closed_or_terminated_meanwhile_panics_after_the_results() {
    within(|| {
        let pool = WorkPool::new(1);
        let mut results = pool.imap(0..100, |n| n);
        let mut unordered = pool.imap_unordered(0..100, |n| n);
        let (in_flight, in_flight_too) = (2, 2);
        pool.close();
        assert_eq!(results.by_ref().take(in_flight).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(panic_message(|| results.next()), "WorkPool::imap: the pool is closed");
        assert_eq!(results.next(), None);
        let mut first: Vec<_> = unordered.by_ref().take(in_flight_too).collect();
        first.sort();
        assert_eq!(first, [0, 1]);
        assert_eq!(panic_message(|| unordered.next()), "WorkPool::imap: the pool is closed");
        assert_eq!(unordered.next(), None);
        assert_eq!(panic_message(|| pool.imap(0..1, |n| n).next()), "WorkPool::imap: the pool is closed");
        let message = panic_message(|| pool.imap_unordered(0..1, |n| n).next());
        assert_eq!(message, "WorkPool::imap: the pool is closed");
        assert_eq!(pool.imap(0..0, |n: u8| n).next(), None, "nothing to do, nothing to complain of");

        let pool = WorkPool::new(1);
        let gate = keep_busy(&pool, 1);
        let (mut results, mut unordered) = (pool.imap(0..2, |n| n), pool.imap_unordered(0..2, |n| n));
        pool.terminate();
        gate.open();
        for _ in 0..2 {
            assert!(panic_message(|| results.next()).contains("cancelled"));
            assert!(panic_message(|| unordered.next()).contains("cancelled"));
        }
        assert_eq!((results.next(), unordered.next()), (None, None));
    });
}

#[test]
fn imap_in_a_pool_with_a_bound_takes_no_more_than_there_is_room_for() {
    within(|| {
        let pool = WorkPool::builder().workers(2).queue_bound(1).build().unwrap();
        assert_eq!(pool.imap(0..300, |n| n).collect::<Vec<_>>(), (0..300).collect::<Vec<_>>());
        assert_eq!(pool.imap_unordered(0..300, |n| n).count(), 300);
    });
}

// ---- Bad input, and Debug

#[test]
fn bad_input_is_refused_with_a_message() {
    within(|| {
        let message = "WorkPoolBuilder::workers(0): a pool has from 1 to 65535 workers";
        assert_eq!(panic_message(|| WorkPool::new(0)), message);
        assert_eq!(panic_message(|| WorkPool::builder().workers(0).build()), message);
        assert_eq!(panic_message(|| WorkPool::builder().workers(0).lazy_start(true).build()), message);
        let message = "WorkPoolBuilder::workers(65536): a pool has from 1 to 65535 workers";
        assert_eq!(panic_message(|| WorkPool::new(65_536)), message);
        assert_eq!(panic_message(|| WorkPool::builder().workers(65_536).lazy_start(true).build()), message);
        assert!(panic_message(|| WorkPool::new(usize::MAX)).contains("from 1 to 65535"));
        let message = panic_message(|| WorkPool::builder().workers(1).queue_bound(0).build());
        assert_eq!(message, "WorkPoolBuilder::queue_bound(0): no job could ever be queued");
        let pool = WorkPool::new(1);
        let message = panic_message(|| pool.map_chunked(0, 0..3, |n| n));
        assert_eq!(message, "WorkPool::map_chunked(0): a chunk has at least one item");
        assert_eq!(panic_message(|| pool.map_chunked(0, 0..0, |n: u8| n)), message);
    });
}

#[test]
fn the_most_workers_may_be_asked_for_if_they_are_lazy() {
    within(|| {
        let pool = WorkPool::builder().workers(65_535).lazy_start(true).build().unwrap();
        assert_eq!((pool.max_workers(), pool.workers()), (65_535, 0));
        assert_eq!(pool.apply(|| 1), 1);
        assert!(pool.workers() <= 2);
    });
}

#[test]
fn debug_never_blocks() {
    within(|| {
        let builder = WorkPool::builder().workers(1).queue_bound(1).name("shown").panic_hook(|_| ());
        let shown = format!("{builder:?}");
        assert!(shown.starts_with("WorkPoolBuilder") && shown.contains("\"shown\""), "{shown}");
        let pool = builder.build().unwrap();
        let gate = keep_busy(&pool, 1);
        let handle = pool.apply_async(|| 1);
        assert_eq!(format!("{handle:?}"), "JobHandle { is_finished: false }");
        assert_eq!(format!("{pool:?}"), "WorkPool { workers: 1, idle: 0, queued: 1, closed: false, .. }");
        thread::scope(|s| {
            // Full, and somebody waits at it; then closed, and somebody joins it.
            s.spawn(|| pool.try_apply_async_for(|| 2, LONG).is_ok());
            s.spawn(|| handle.wait());
            for _ in 0..100 {
                let _ = format!("{pool:?} {handle:?}");
            }
            pool.close();
            s.spawn(|| pool.join());
            for _ in 0..100 {
                assert!(format!("{pool:?}").contains("closed: true"));
            }
            gate.open();
        });
        assert_eq!(format!("{handle:?}"), "JobHandle { is_finished: true }");
        let pool = WorkPool::new(1);
        let shown = pool.scope(|scope| format!("{scope:?} {pool:?}"));
        assert!(shown.starts_with("Scope"), "{shown}");
        let gate = keep_busy(&pool, 1);
        let (ordered, unordered) = (pool.imap([1], |n| n), pool.imap_unordered([1], |n| n));
        assert_eq!(
            (format!("{ordered:?}"), format!("{unordered:?}")),
            ("Imap { .. }".into(), "ImapUnordered { .. }".into())
        );
        drop(gate);
        assert_eq!((ordered.count(), unordered.count()), (1, 1));
    });
}

#[test]
fn what_can_be_sent_and_shared_is() {
    fn both<T: Send + Sync>() {}
    fn send<T: Send>() {}
    fn fused<T: std::iter::FusedIterator>(_: &T) {}

    both::<WorkPool>();
    send::<WorkPoolBuilder>();
    // The result goes from thread to thread, and is never shared.
    both::<JobHandle<Cell<u8>>>();
    both::<Scope<'static, 'static>>();
    send::<Imap<std::ops::Range<u8>, fn(u8) -> u8, u8>>();
    send::<ImapUnordered<std::ops::Range<u8>, fn(u8) -> u8, u8>>();
    let pool = WorkPool::new(1);
    fused(&pool.imap([1], |n: u8| n));
    fused(&pool.imap_unordered([1], |n: u8| n));
    let _: io::Result<WorkPool> = WorkPool::builder().workers(1).build();
}
