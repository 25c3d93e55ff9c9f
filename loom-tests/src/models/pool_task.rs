//! A job with a handle, without a pool: it is run or cancelled, once; whoever waits goes on when it is done, and sees what it did; its
//! callbacks come before that; and nothing is left of it.

use super::queue::{Tally, Thing};
use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, Duration, JoinHandle, some_time, spawn, spinning};
use raddle::pool::{LooseEntry, loose_job};
use raddle::{JobError, JobHandle};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("task_join", 5554, join),
    exhaustive("task_join_spinning", 3130, join_spinning),
    exhaustive("task_join_for", 84_562, join_for),
    bounded("task_join_for_then_join", 4, 17_685, join_for_then_join),
    exhaustive("task_try_join", 29_325, try_join),
    exhaustive("task_cancel", 4291, cancel),
    exhaustive("task_terminate", 5554, terminate),
    exhaustive("task_sweep", 375, sweep),
    exhaustive("task_sweep_handle_dropped", 1381, sweep_handle_dropped),
    bounded("task_on_done", 4, 20_215, on_done),
    bounded("task_on_done_order", 3, 12_402, on_done_order),
    exhaustive("task_on_done_handle_dropped", 662, on_done_handle_dropped),
    exhaustive("task_handle_dropped", 10, handle_dropped),
    exhaustive("task_handle_dropped_panicked", 10, handle_dropped_panicked),
    exhaustive("task_two_take", 1259, two_take),
    exhaustive("task_get_and_take", 3500, get_and_take),
    bounded("task_two_wait", 3, 135_541, two_wait),
    bounded("task_two_on_done", 3, 7181, two_on_done),
    bounded("task_cancel_and_wait", 3, 27_086, cancel_and_wait),
    bounded("task_join_by_another", 3, 38_025, join_by_another),
];

/// What a job and its callbacks leave for others to see.
struct Seen {
    ran: Data<u32>,
    called: Data<u32>,
}

impl Seen {
    fn new() -> Arc<Seen> {
        Arc::new(Seen { ran: Data::new(0), called: Data::new(0) })
    }

    /// A callback that notes its call, and what it was told: 1 for a result, 10 for an error.
    fn callback<R>(self: &Arc<Seen>) -> impl FnOnce(Result<&R, &JobError>) + Send + 'static {
        let seen = Arc::clone(self);
        move |outcome| seen.called.with_mut(|called| *called += if outcome.is_ok() { 1 } else { 10 })
    }

    fn called(&self) -> u32 {
        self.called.with(|called| *called)
    }
}

/// A job that returns a thing; it notes that it has run.
fn job(tally: &Tally, seen: &Arc<Seen>) -> (LooseEntry, JobHandle<Thing>) {
    // The thing is in the closure at first, so that a closure that is lost or dropped twice is found as well.
    let thing = tally.thing(7);
    let ran = Arc::clone(seen);
    let f = move || {
        ran.ran.with_mut(|ran| *ran += 1);
        thing
    };
    loose_job(f, seen.callback())
}

fn run(entry: LooseEntry) -> JoinHandle<()> {
    spawn(move || entry.run())
}

/// The number in a result.
fn number(result: Result<Thing, JobError>) -> u32 {
    result.map(Thing::number).unwrap()
}

/// Run against join.
fn join() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let runner = run(entry);
    assert_eq!(number(handle.join()), 7);
    assert_eq!((seen.ran.with(|ran| *ran), seen.called()), (1, 1));
    runner.join().unwrap();
    tally.check();
}

/// Run against join, and who joins stays awake for a moment.
fn join_spinning() {
    let _spinning = spinning(1);
    join();
}

/// Run against a join that may give up, and then lets the handle go.
fn join_for() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let runner = run(entry);
    if let Some(result) = handle.join_for(some_time()) {
        assert_eq!(number(result), 7);
        assert_eq!(seen.called(), 1);
    }
    drop(handle);
    runner.join().unwrap();
    assert_eq!(seen.called(), 1);
    tally.check();
}

/// Run against a join that may give up, and another.
fn join_for_then_join() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let runner = run(entry);
    let result = match handle.join_for(some_time()) {
        Some(result) => {
            assert!(matches!(handle.join(), Err(JobError::Taken)));
            result
        }
        None => handle.join(),
    };
    assert_eq!(number(result), 7);
    runner.join().unwrap();
    tally.check();
}

/// Those that never wait.
fn try_join() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let runner = run(entry);
    let is_finished = handle.is_finished();
    match handle.try_join() {
        Some(result) => {
            assert_eq!(number(result), 7);
            assert_eq!(seen.called(), 1);
        }
        None => assert!(!is_finished),
    }
    let _ = handle.join_for(Duration::ZERO);
    runner.join().unwrap();
    assert!(handle.is_finished());
    drop(handle);
    tally.check();
}

/// Run against cancel: one of them has it.
fn cancel() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let runner = run(entry);
    let cancelled = handle.cancel();
    if cancelled {
        assert!(handle.is_finished());
        assert_eq!(seen.called(), 10);
    }
    assert!(!handle.cancel());
    match handle.join() {
        Ok(thing) => assert_eq!((cancelled, thing.number()), (false, 7)),
        Err(error) => assert!(cancelled && error.is_cancelled()),
    }
    assert_eq!(seen.called(), if cancelled { 10 } else { 1 });
    runner.join().unwrap();
    assert_eq!(seen.ran.with(|ran| *ran), u32::from(!cancelled));
    tally.check();
}

/// The pool cancels it, while its owner waits.
fn terminate() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let canceller = spawn(move || entry.cancel());
    assert!(handle.join().is_err_and(|error| error.is_cancelled()));
    assert_eq!(seen.called(), 10);
    canceller.join().unwrap();
    tally.check();
}

/// A worker sweeps its deque, while the owner cancels: the entry goes, or stays and is found to be cancelled later.
fn sweep() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let entry = entry.sweep().expect("it is still to be run");
    let sweeper = spawn(move || entry.sweep());
    assert!(handle.cancel());
    assert!(handle.join().is_err_and(|error| error.is_cancelled()));
    if let Some(entry) = sweeper.join().unwrap() {
        assert!(entry.sweep().is_none());
    }
    assert_eq!((seen.ran.with(|ran| *ran), seen.called()), (0, 10));
    tally.check();
}

/// The same, and the handle goes at once: the last of the two frees the job.
fn sweep_handle_dropped() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let sweeper = spawn(move || {
        if let Some(entry) = entry.sweep() {
            entry.run();
        }
    });
    let is_cancelled = handle.cancel();
    drop(handle);
    sweeper.join().unwrap();
    assert_eq!(seen.called(), if is_cancelled { 10 } else { 1 });
    tally.check();
}

/// Run against a callback that is added meanwhile: it is called once, before a join returns.
fn on_done() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let runner = run(entry);
    handle.on_done(seen.callback());
    assert_eq!(number(handle.join()), 7);
    assert_eq!(seen.called(), 2);
    runner.join().unwrap();
    tally.check();
}

/// Two callbacks are called in their order, whoever calls them.
fn on_done_order() {
    let order = Arc::new(Data::new(0));
    let (entry, handle) = loose_job(|| (), |_| {});
    let runner = run(entry);
    for number in 1..=2 {
        let order = Arc::clone(&order);
        handle.on_done(move |_| order.with_mut(|order| *order = *order * 10 + number));
    }
    handle.join().unwrap();
    assert_eq!(order.with(|order| *order), 12);
    runner.join().unwrap();
}

/// A callback, and then the handle goes.
fn on_done_handle_dropped() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let runner = run(entry);
    handle.on_done(seen.callback());
    drop(handle);
    runner.join().unwrap();
    assert_eq!(seen.called(), 2);
    tally.check();
}

/// A result that looks at what its job has written when it is dropped.
struct Last(Arc<Seen>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.ran.with_mut(|ran| *ran += 1);
    }
}

/// Run against a handle that goes: the result is dropped, once, by one who comes after the job.
fn handle_dropped() {
    let seen = Seen::new();
    let last = Last(Arc::clone(&seen));
    let f = move || {
        last.0.ran.with_mut(|ran| *ran += 1);
        last
    };
    let (entry, handle) = loose_job(f, seen.callback());
    let runner = run(entry);
    drop(handle);
    runner.join().unwrap();
    assert_eq!((seen.ran.with(|ran| *ran), seen.called()), (2, 1));
}

/// The same with a job that panics: what it panics with is dropped, once.
fn handle_dropped_panicked() {
    let tally = Tally::default();
    let thing = tally.thing(7);
    let (entry, handle) =
        loose_job(move || std::panic::resume_unwind(Box::new(thing)), |_: Result<&(), _>| {});
    let runner = run(entry);
    drop(handle);
    runner.join().unwrap();
    tally.check();
}

/// The job is done, and two take its result by one handle.
fn two_take() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    entry.run();
    let handle = Arc::new(handle);
    let take = |handle: &JobHandle<Thing>| match handle.try_join() {
        Some(Ok(thing)) => thing.number(),
        // Taken, or the other is just at it.
        Some(Err(JobError::Taken)) | None => 0,
        Some(Err(_)) => panic!("it has run"),
    };
    let other = spawn({
        let handle = Arc::clone(&handle);
        move || take(&handle)
    });
    let taken = take(&handle);
    assert_eq!(taken + other.join().unwrap(), 7);
    drop(handle);
    tally.check();
}

/// The job is done. One takes its result, another copies it, and a callback comes.
fn get_and_take() {
    let (entry, handle) = loose_job(|| 7, |_| {});
    entry.run();
    let handle = Arc::new(handle);
    let getter = spawn({
        let handle = Arc::clone(&handle);
        move || handle.get().unwrap_or(0)
    });
    // The other may be just at it: then it has a copy.
    let taken = handle.try_join().map_or(0, Result::unwrap);
    let got = getter.join().unwrap();
    assert!(taken == 7 || got == 7);
    let is_there = taken == 0;
    assert_eq!(handle.get().is_ok(), is_there);
    let told = Arc::new(Data::new(0));
    handle.on_done({
        let told = Arc::clone(&told);
        move |outcome| told.with_mut(|told| *told += if outcome.is_ok() == is_there { 1 } else { 10 })
    });
    assert_eq!(told.with(|told| *told), 1);
}

/// Two wait by one handle, and one of them may give up.
fn two_wait() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let handle = Arc::new(handle);
    let runner = run(entry);
    let other = spawn({
        let (handle, seen) = (Arc::clone(&handle), Arc::clone(&seen));
        move || {
            if handle.wait_for(some_time()) {
                assert_eq!(seen.called(), 1);
            }
        }
    });
    handle.wait();
    assert_eq!(seen.called(), 1);
    runner.join().unwrap();
    other.join().unwrap();
    drop(handle);
    tally.check();
}

/// Two add a callback by one handle, while the job runs.
fn two_on_done() {
    let (tally, seen) = (Tally::default(), [Seen::new(), Seen::new()]);
    let (entry, handle) = job(&tally, &seen[0]);
    let handle = Arc::new(handle);
    let runner = run(entry);
    let other = spawn({
        let (handle, callback) = (Arc::clone(&handle), seen[1].callback());
        move || handle.on_done(callback)
    });
    handle.on_done(seen[0].callback());
    other.join().unwrap();
    runner.join().unwrap();
    assert_eq!((seen[0].called(), seen[1].called()), (2, 1));
    drop(handle);
    tally.check();
}

/// One cancels, another waits, and a worker comes for it.
fn cancel_and_wait() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let handle = Arc::new(handle);
    let runner = run(entry);
    let canceller = spawn({
        let handle = Arc::clone(&handle);
        move || handle.cancel()
    });
    handle.wait();
    let called = seen.called();
    let cancelled = canceller.join().unwrap();
    assert_eq!(called, if cancelled { 10 } else { 1 });
    runner.join().unwrap();
    drop(handle);
    tally.check();
}

/// One cancels, and another lets go of the handle's last use, while a worker comes for it: `terminate` against `cancel`.
fn join_by_another() {
    let (tally, seen) = (Tally::default(), Seen::new());
    let (entry, handle) = job(&tally, &seen);
    let handle = Arc::new(handle);
    let canceller = spawn(move || entry.cancel());
    let waiter = spawn({
        let handle = Arc::clone(&handle);
        move || handle.wait()
    });
    let _ = handle.cancel();
    drop(handle);
    waiter.join().unwrap();
    canceller.join().unwrap();
    assert_eq!(seen.called(), 10);
    tally.check();
}
