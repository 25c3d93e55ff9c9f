//! `Timers`: each function runs or is dropped, once, and `cancel` tells which; nobody waits for ever.
//!
//! There is no clock: a deadline may pass at any moment from when the service's thread waits for it. So a wake-up for an earlier deadline is not missed
//! here; one for a timer that comes while nothing is pending is.

use super::queue::Tally;
use super::{Model, bounded};
use crate::world::{Arc, Data, Duration, some_time, spawn};
use raddle::pool::bare;
use raddle::{Timer, TimerStartError, Timers, WorkPool};

/// The models of this file.
pub const MODELS: &[Model] = &[
    bounded("timer_fires", 4, 27_200, fires),
    bounded("timer_fires_again_later", 3, 82_200, fires_again_later),
    bounded("timer_cancel", 5, 60_200, cancel),
    bounded("timer_cancel_plain", 5, 60_500, cancel_plain),
    bounded("timer_cancel_behind_another", 3, 11_900, cancel_behind_another),
    bounded("timer_cancel_and_drop", 5, 52_600, cancel_and_drop),
    bounded("timer_dropped_handle", 4, 30_400, dropped_handle),
    bounded("timer_join_timeout", 3, 20_400, join_timeout),
    bounded("timer_shutdown", 3, 5_360, shutdown),
    bounded("timer_shutdown_behind_another", 3, 17_200, shutdown_behind_another),
    bounded("timer_every_cancel", 4, 20_700, every_cancel),
    bounded("timer_service_dropped_by_its_timer", 4, 20_700, service_dropped_by_its_timer),
    bounded("timer_shutdown_and_insert", 3, 36_200, shutdown_and_insert),
    bounded("timer_start_and_cancel", 4, 21_500, start_and_cancel),
    bounded("timer_cancel_by_two", 3, 45_600, cancel_by_two),
    bounded("timer_cancel_while_joined", 3, 200_000, cancel_while_joined),
    bounded("timer_every_join_timeout", 3, 9_600, every_join_timeout),
    bounded("timer_dropped_for_room", 3, 5_800, dropped_for_room),
];

/// Too many interleavings for loom to go through in a quarter of a minute: these run as stress tests only, and their parts are in
/// other models.
pub const STRESS_ONLY: &[Model] = &[
    bounded("timer_two", 3, 1, two),
    bounded("timer_joined_by_two", 3, 1, joined_by_two),
    // Its worker, which does not poll here, would look without end for the job that the service is in the middle of giving. `timer_dropped_for_room`.
    bounded("timer_due_without_room", 3, 1, due_without_room),
];

/// A timer that leaves a note of having run, and a thing whose drops are counted.
fn noting(timers: &Timers, tally: &Tally, ran: &Arc<Data<u32>>) -> Timer {
    let thing = tally.thing(1);
    let ran = Arc::clone(ran);
    timers.after(some_time(), move || {
        ran.with_mut(|ran| *ran += thing.number());
    })
}

/// What the function has written is seen by who joins.
fn fires() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let timer = noting(&timers, &tally, &ran);
    timer.join();
    assert!(timer.is_finished());
    assert!(!timer.cancel());
    ran.with(|ran| assert_eq!(*ran, 1));
    drop(timers);
    drop(timer);
    tally.check();
}

/// The service may be anywhere on its way to sleep, with nothing pending, when the second comes.
fn fires_again_later() {
    let ran = Arc::new(Data::new(0));
    let tally = Tally::default();
    let timers = Timers::new();
    noting(&timers, &tally, &ran).join();
    noting(&timers, &tally, &ran).join();
    ran.with(|ran| assert_eq!(*ran, 2));
    drop(timers);
    tally.check();
}

/// It runs, or it was cancelled: never both, never neither.
fn cancel() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let timer = noting(&timers, &tally, &ran);
    let is_cancelled = timer.cancel();
    if is_cancelled {
        assert!(timer.is_finished());
        tally.check();
    }
    timer.join();
    ran.with(|ran| assert_eq!(*ran == 1, !is_cancelled));
    drop(timers);
    tally.check();
}

/// A function with nothing to drop: `cancel` ends its timer in one step.
fn cancel_plain() {
    let timers = Timers::new();
    let timer = timers.after(some_time(), || ());
    if timer.cancel() {
        assert!(timer.is_finished());
    }
    timer.join();
    assert!(!timer.cancel());
    drop(timers);
}

/// Two are due together, and the second is cancelled while it waits for its turn, or before or after that.
fn cancel_behind_another() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let first = timers.after(Duration::ZERO, || ());
    let thing = tally.thing(1);
    let second = timers.after(Duration::ZERO, {
        let ran = Arc::clone(&ran);
        move || ran.with_mut(|ran| *ran += thing.number())
    });
    let is_cancelled = second.cancel();
    second.join();
    ran.with(|ran| assert_eq!(*ran == 1, !is_cancelled));
    drop((first, second));
    drop(timers);
    tally.check();
}

/// The handle goes right after: who is last frees the timer.
fn cancel_and_drop() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let is_cancelled = noting(&timers, &tally, &ran).cancel();
    drop(timers);
    ran.with(|ran| assert!(*ran == 0 || !is_cancelled));
    tally.check();
}

/// Nobody holds the handle when it runs, or when the service is shut down before.
fn dropped_handle() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    drop(noting(&timers, &tally, &ran));
    drop(timers);
    ran.with(|_| ());
    tally.check();
}

/// Who gives up waiting may go, and the timer runs all the same.
fn join_timeout() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let timer = noting(&timers, &tally, &ran);
    if timer.join_for(some_time()) {
        ran.with(|ran| assert_eq!(*ran, 1));
    }
    drop(timer);
    drop(timers);
    tally.check();
}

/// What is pending is cancelled, what runs goes on; in any case it ends.
fn shutdown() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let timer = noting(&timers, &tally, &ran);
    timers.shutdown();
    timer.join();
    tally.check();
    assert!(timers.after(Duration::ZERO, || unreachable!()).is_finished());
    assert_eq!(timers.timer(Duration::ZERO, || unreachable!()).start(), Err(TimerStartError::ShutDown));
    drop(timers);
}

/// Two are due together, and the service is shut down while the second waits for its turn, or before or after that.
fn shutdown_behind_another() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    drop(timers.after(Duration::ZERO, || ()));
    let thing = tally.thing(1);
    let second = timers.after(Duration::ZERO, {
        let ran = Arc::clone(&ran);
        move || ran.with_mut(|ran| *ran += thing.number())
    });
    timers.shutdown();
    second.join();
    tally.check();
    ran.with(|ran| assert!(*ran <= 1));
    drop(timers);
}

/// After a `cancel` that was in time, or a join after one that was not, it never runs again.
fn every_cancel() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let thing = tally.thing(1);
    let timers = Timers::new();
    let timer = timers.every(some_time(), {
        let ran = Arc::clone(&ran);
        move || {
            let _dropped_with_it = &thing;
            ran.with_mut(|ran| *ran += 1);
        }
    });
    if !timer.cancel() {
        timer.join();
    }
    let runs = ran.with(|ran| *ran);
    tally.check();
    drop(timers);
    ran.with(|ran| assert_eq!(*ran, runs));
}

/// The service can't join its own thread.
fn service_dropped_by_its_timer() {
    let tally = Tally::default();
    let timers = Arc::new(Timers::new());
    let thing = tally.thing(1);
    let last = Arc::new(Data::new(Some(Arc::clone(&timers))));
    let timer = timers.after(some_time(), {
        let last = Arc::clone(&last);
        move || {
            drop(last.with_mut(Option::take));
            drop(thing);
        }
    });
    drop(timers);
    timer.join();
    drop(timer);
    tally.check();
}

/// Two threads start a timer each, the first of which starts the service.
fn two() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Arc::new(Timers::new());
    let other = spawn({
        let (timers, tally, ran) = (Arc::clone(&timers), tally.clone(), Arc::clone(&ran));
        move || noting(&timers, &tally, &ran).join()
    });
    noting(&timers, &tally, &ran).join();
    other.join().unwrap();
    ran.with(|ran| assert_eq!(*ran, 2));
    drop(timers);
    tally.check();
}

/// A timer that comes while the service is shut down runs or is cancelled; who joins it comes back.
fn shutdown_and_insert() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Arc::new(Timers::new());
    let other = spawn({
        let (timers, tally, ran) = (Arc::clone(&timers), tally.clone(), Arc::clone(&ran));
        move || {
            let timer = noting(&timers, &tally, &ran);
            timer.join();
        }
    });
    timers.shutdown();
    other.join().unwrap();
    drop(timers);
    tally.check();
}

/// `start` and `cancel` of one timer at once: it runs, or was cancelled, or could not be started.
fn start_and_cancel() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let thing = tally.thing(1);
    let timers = Timers::new();
    let timer = Arc::new(timers.timer(some_time(), {
        let ran = Arc::clone(&ran);
        move || ran.with_mut(|ran| *ran += thing.number())
    }));
    let other = spawn({
        let timer = Arc::clone(&timer);
        move || timer.start()
    });
    let is_cancelled = timer.cancel();
    let started = other.join().unwrap();
    assert!(is_cancelled || started.is_ok());
    timer.join();
    ran.with(|ran| assert_eq!(*ran == 1, !is_cancelled));
    drop(timers);
    drop(timer);
    tally.check();
}

/// One of those who cancel is told that it was he, or none if it ran.
fn cancel_by_two() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let timer = Arc::new(noting(&timers, &tally, &ran));
    let other = spawn({
        let timer = Arc::clone(&timer);
        move || timer.cancel()
    });
    let mine = timer.cancel();
    let theirs = other.join().unwrap();
    timer.join();
    assert!(!(mine && theirs));
    ran.with(|ran| assert_eq!(*ran == 1, !mine && !theirs));
    drop(timers);
    drop(timer);
    tally.check();
}

/// Who cancels a timer wakes those who have joined it, also one that is still in the wheel.
fn cancel_while_joined() {
    let tally = Tally::default();
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let timer = Arc::new(noting(&timers, &tally, &ran));
    let other = spawn({
        let timer = Arc::clone(&timer);
        move || timer.join()
    });
    let is_cancelled = timer.cancel();
    other.join().unwrap();
    ran.with(|ran| assert_eq!(*ran == 1, !is_cancelled));
    drop(timers);
    drop(timer);
    tally.check();
}

/// Both who have joined it are woken.
fn joined_by_two() {
    let timers = Timers::new();
    let timer = Arc::new(timers.after(Duration::ZERO, || ()));
    let other = spawn({
        let timer = Arc::clone(&timer);
        move || timer.join()
    });
    timer.join();
    other.join().unwrap();
    drop(timers);
}

/// Who has joined a timer that runs again and again stays there from one run to the next, until it gives up. What it leaves behind harms neither the
/// run after it nor a cancel.
fn every_join_timeout() {
    let ran = Arc::new(Data::new(0));
    let timers = Timers::new();
    let timer = timers.every(some_time(), {
        let ran = Arc::clone(&ran);
        move || ran.with_mut(|ran| *ran += 1)
    });
    assert!(!timer.join_for(some_time()), "nobody has cancelled it");
    timer.cancel();
    timer.join();
    drop(timers);
    ran.with(|_| ());
}

/// A service, and its pool: with room for one job, which is there, and no worker but the calling thread.
fn without_room() -> (Timers, Arc<WorkPool>) {
    let pool = WorkPool::builder().workers(1).lazy_start(true).queue_bound(1).build();
    let pool = Arc::new(pool.expect("no thread is started"));
    bare::employ(&pool);
    pool.spawn(|| ());
    (Timers::builder().pool(Arc::clone(&pool)).build(), pool)
}

/// It is due before there is room for it, or after that: it runs.
fn due_without_room() {
    let ran = Arc::new(Data::new(0));
    let (timers, pool) = without_room();
    let timer = timers.after(Duration::ZERO, {
        let (ran, pool) = (Arc::clone(&ran), Arc::clone(&pool));
        move || {
            ran.with_mut(|ran| *ran += 1);
            pool.close();
        }
    });
    bare::work(&pool);
    timer.join();
    ran.with(|ran| assert_eq!(*ran, 1));
    drop(timers);
}

/// The only worker drops the service, which may wait for room just then: that is there only when the worker goes on.
fn dropped_for_room() {
    let tally = Tally::default();
    let (timers, pool) = without_room();
    let thing = tally.thing(1);
    let timer = timers.after(Duration::ZERO, move || drop(thing));
    drop(timers);
    pool.close();
    bare::work(&pool);
    timer.join();
    drop(pool);
    tally.check();
}
