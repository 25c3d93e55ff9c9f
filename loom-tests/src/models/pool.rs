//! `WorkPool`, whole: each job is run or comes back or is cancelled, and nobody waits for ever.
//!
//! A whole pool takes many steps, so these models are small; its parts have models of their own (`pool_deque`, `pool_sleep`, `pool_latch`,
//! `pool_task`, `queue`).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::queue::{Tally, Thing};
use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, spawn};
use raddle::{JobError, WorkPool};

/// The models of this file.
pub const MODELS: &[Model] = &[
    bounded("pool_idle", 3, 11_781, idle),
    bounded("pool_lazy", 3, 135_808, lazy),
    bounded("pool_spawn", 3, 35_866, spawn_and_drop),
    bounded("pool_close_and_submit", 3, 85_374, close_and_submit),
    bounded("pool_own_job", 3, 82_566, own_job),
    bounded("pool_scope", 3, 146_561, scope),
    bounded("pool_both", 3, 82_566, both),
    bounded("pool_map", 3, 99_523, map),
];

/// Too many interleavings for loom to go through in a quarter of a minute, or no more than another model has: these run as stress tests
/// only, and their parts are in other models.
pub const STRESS_ONLY: &[Model] = &[
    // As `pool_lazy`, but the worker may be asleep by then: `sleep_*`.
    exhaustive("pool_join", 1, join),
    // `sleep_lazy`, `sleep_two_submitters`.
    bounded("pool_lazy_two_submitters", 3, 1, lazy_two_submitters),
    bounded("pool_two_submitters_wait", 3, 1, two_submitters_wait),
    // `bare_terminate_and_submit`, `task_terminate`, `task_join_by_another`.
    exhaustive("pool_terminate", 1, terminate),
    exhaustive("pool_terminate_and_join", 1, terminate_and_join),
    bounded("pool_terminate_and_submit", 3, 1, terminate_and_submit),
    // `scope_panics`.
    exhaustive("pool_scope_panics", 1, scope_panics),
    // `scope_stolen`, `scope_swept`.
    exhaustive("pool_scope_in_worker", 1, scope_in_worker),
    // `scope_spawned_by_a_thief`.
    bounded("pool_scope_nested_spawn", 3, 1, scope_nested_spawn),
    // `deque_*`, `latch_*`.
    bounded("pool_both_stolen", 3, 1, both_stolen),
    // The queue's: `queue_list_limit_*`, `queue_ring_*`.
    exhaustive("pool_bound", 1, bound),
];

/// A pool of one that starts its worker when there is a job.
fn lazy_pool() -> WorkPool {
    WorkPool::builder().workers(1).lazy_start(true).build().unwrap()
}

fn number(result: Result<Thing, JobError>) -> u32 {
    result.map(Thing::number).unwrap()
}

/// A pool is made and dropped.
fn idle() {
    let pool = WorkPool::new(1);
    pool.close();
    pool.join().unwrap();
    assert_eq!((pool.workers(), pool.idle(), pool.queued()), (0, 0, 0));
}

/// A job for a worker that is there.
fn join() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = WorkPool::new(1);
    assert_eq!(number(pool.apply_async(move || thing).join()), 1);
    drop(pool);
    tally.check();
}

/// A job that nobody waits for is run before the pool is gone.
fn spawn_and_drop() {
    let ran = Arc::new(Data::new(0));
    let pool = lazy_pool();
    pool.spawn({
        let ran = Arc::clone(&ran);
        move || ran.with_mut(|ran| *ran += 1)
    });
    drop(pool);
    assert_eq!(ran.with(|ran| *ran), 1);
}

/// The first job starts the worker.
fn lazy() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = lazy_pool();
    assert_eq!(pool.workers(), 0);
    assert_eq!(number(pool.apply_async(move || thing).join()), 1);
    drop(pool);
    tally.check();
}

/// Two threads submit, one of them starts the worker.
fn lazy_two_submitters() {
    let ran = [(); 2].map(|()| Arc::new(Data::new(0)));
    let pool = Arc::new(lazy_pool());
    let submit = |pool: &WorkPool, ran: &Arc<Data<u32>>| {
        let ran = Arc::clone(ran);
        pool.spawn(move || ran.with_mut(|ran| *ran += 1));
    };
    let other = spawn({
        let (pool, ran) = (Arc::clone(&pool), Arc::clone(&ran[1]));
        move || submit(&pool, &ran)
    });
    submit(&pool, &ran[0]);
    other.join().unwrap();
    pool.close();
    pool.join().unwrap();
    assert_eq!(ran.map(|ran| ran.with(|ran| *ran)), [1, 1]);
}

/// The same, and both wait.
fn two_submitters_wait() {
    let pool = Arc::new(lazy_pool());
    let other = spawn({
        let pool = Arc::clone(&pool);
        move || pool.apply_async(|| 1).join().unwrap()
    });
    let result = pool.apply_async(|| 2).join().unwrap();
    assert_eq!(result + other.join().unwrap(), 3);
    pool.close();
    pool.join().unwrap();
    assert_eq!(pool.workers(), 0);
}

/// Close against a submit: the job comes back, or is run.
fn close_and_submit() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = Arc::new(lazy_pool());
    let submitter = spawn({
        let pool = Arc::clone(&pool);
        move || match pool.try_apply_async(move || thing) {
            Ok(handle) => number(handle.join()),
            Err(refused) => refused.into_inner()().number(),
        }
    });
    pool.close();
    assert_eq!(submitter.join().unwrap(), 1);
    pool.join().unwrap();
    assert_eq!((pool.workers(), pool.idle(), pool.queued()), (0, 0, 0));
    drop(pool);
    tally.check();
}

/// Terminate against a submit: the job comes back, or is run, or cancelled.
fn terminate_and_submit() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = Arc::new(lazy_pool());
    let submitter = spawn({
        let pool = Arc::clone(&pool);
        move || match pool.try_apply_async(move || thing) {
            Ok(handle) => match handle.join() {
                Ok(thing) => assert_eq!(thing.number(), 1),
                Err(error) => assert!(error.is_cancelled()),
            },
            Err(refused) => assert_eq!(refused.into_inner()().number(), 1),
        }
    });
    pool.terminate();
    submitter.join().unwrap();
    pool.join().unwrap();
    drop(pool);
    tally.check();
}

/// Terminate against a worker that comes for the job: it is run or dropped, once.
fn terminate() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = lazy_pool();
    pool.spawn(move || assert_eq!(thing.number(), 1));
    pool.terminate();
    drop(pool);
    tally.check();
}

/// Terminate against a worker that comes for the job, and one who waits for it.
fn terminate_and_join() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = WorkPool::new(1);
    let handle = pool.apply_async(move || thing);
    pool.terminate();
    match handle.join() {
        Ok(thing) => assert_eq!(thing.number(), 1),
        Err(error) => assert!(error.is_cancelled()),
    }
    drop(pool);
    tally.check();
}

/// A job, on the stack of who waits for it, makes another and waits for that, in a pool of one.
fn own_job() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = lazy_pool();
    assert_eq!(pool.apply(|| number(pool.apply_async(move || thing).join())), 1);
    drop(pool);
    tally.check();
}

/// A job that borrows.
fn scope() {
    let data = Data::new(1);
    let pool = lazy_pool();
    pool.scope(|scope| scope.spawn(|| data.with_mut(|data| *data += 1)));
    data.with_mut(|data| assert_eq!(*data, 2));
}

/// A scope whose job panics.
fn scope_panics() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = lazy_pool();
    let result = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|scope| scope.spawn(|| resume_unwind(Box::new(thing))));
    }));
    assert_eq!(result.unwrap_err().downcast::<Thing>().unwrap().number(), 1);
    drop(pool);
    tally.check();
}

/// A worker waits for a scope of its own pool, and does the job itself.
fn scope_in_worker() {
    let data = Data::new(1);
    let pool = lazy_pool();
    pool.apply(|| pool.scope(|scope| scope.spawn(|| data.with_mut(|data| *data += 1))));
    data.with_mut(|data| assert_eq!(*data, 2));
}

/// Two workers: one waits for a scope, the other runs the scope's job, which makes another one.
fn scope_nested_spawn() {
    let data = Data::new(0);
    let pool = WorkPool::new(2);
    pool.apply(|| {
        pool.scope(|scope| {
            scope.spawn(|| {
                scope.spawn(|| data.with_mut(|data| *data += 1));
            });
        });
        data.with_mut(|data| assert_eq!(*data, 1));
    });
    data.with_mut(|data| assert_eq!(*data, 1));
}

/// Both in a pool of one.
fn both() {
    let (a, b) = (Data::new(1), Data::new(2));
    let pool = lazy_pool();
    let sum = pool.both(|| a.with_mut(core::mem::take), || b.with_mut(core::mem::take));
    assert_eq!(sum, (1, 2));
}

/// Both in a pool of two: the second is stolen, or not.
fn both_stolen() {
    let data = Data::new(2);
    let pool = WorkPool::new(2);
    let sum = pool.both(|| 1, || data.with_mut(core::mem::take));
    assert_eq!(sum, (1, 2));
}

/// One function over two items.
fn map() {
    let tally = Tally::default();
    let items = [tally.thing(1), tally.thing(2)];
    let pool = lazy_pool();
    assert_eq!(pool.map(items, Thing::number), [1, 2]);
    drop(pool);
    tally.check();
}

/// Room for one job: the second submitter waits for a worker to take the first.
fn bound() {
    let pool = WorkPool::builder().workers(1).lazy_start(true).queue_bound(1).build().unwrap();
    let first = pool.apply_async(|| 1);
    let second = pool.apply_async(|| 2);
    assert_eq!(second.join().unwrap() + first.join().unwrap(), 3);
}
