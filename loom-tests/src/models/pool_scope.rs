//! A scope, a `both` or a `map` that a worker waits for, and one who steals from it, in a pool that does nothing else: each job is run once, whoever
//! takes it; its data is there until then and seen by who waits; and the last who knows of it frees it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::queue::{Tally, Thing};
use super::{Model, bounded};
use crate::world::{Arc, Data, JoinHandle, spawn};
use raddle::pool::bare::{self, BarePool};

/// The models of this file.
pub const MODELS: &[Model] = &[
    bounded("scope_stolen", 5, 26_954, stolen),
    bounded("scope_cancelled", 5, 3588, cancelled),
    bounded("scope_panics", 4, 8941, panics),
    bounded("scope_two_jobs", 3, 19_048, two_jobs),
    bounded("scope_spawned_by_a_thief", 3, 41_427, spawned_by_a_thief),
    bounded("scope_swept", 3, 47_040, swept),
    bounded("both_in_both", 4, 84_000, both_in_both),
    bounded("both_and_a_job", 3, 9_800, both_and_a_job),
    bounded("both_swept", 3, 21_900, both_swept),
    bounded("both_panics", 4, 7_400, both_panics),
    bounded("map_stolen", 6, 5105, map_stolen),
    bounded("map_swept", 3, 25_653, map_swept),
    bounded("bare_terminate_and_submit", 3, 49_400, terminate_and_submit),
];

fn pool() -> Arc<BarePool> {
    Arc::new(BarePool::new(2))
}

/// The second worker, which does only this.
fn thief<T: Send + 'static>(pool: &Arc<BarePool>, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let pool = Arc::clone(pool);
    spawn(move || pool.work(1, f))
}

/// The first worker opens a scope for a job, which the second steals; or the first does it itself.
fn stolen() {
    let data = Data::new(1);
    let pool = pool();
    let thief = thief(&pool, bare::steal_one);
    pool.work(0, || pool.scope(|scope| scope.spawn(|| data.with_mut(|data| *data += 1))));
    data.with_mut(|data| assert_eq!(*data, 2));
    thief.join().unwrap();
}

/// The pool is terminated. But the job is a part of one that has begun.
fn cancelled() {
    let data = Data::new(1);
    let pool = pool();
    let thief = thief(&pool, bare::cancel_one);
    pool.work(0, || pool.scope(|scope| scope.spawn(|| data.with_mut(|data| *data += 1))));
    data.with_mut(|data| assert_eq!(*data, 2));
    thief.join().unwrap();
}

/// The job panics, wherever it is run; the scope goes on with that.
fn panics() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = pool();
    let thief = thief(&pool, bare::steal_one);
    let result = pool.work(0, || {
        catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| scope.spawn(|| resume_unwind(Box::new(thing))));
        }))
    });
    assert_eq!(result.unwrap_err().downcast::<Thing>().unwrap().number(), 1);
    thief.join().unwrap();
    tally.check();
}

/// The older of two jobs is stolen, while the first worker takes both from the list.
fn two_jobs() {
    let data = [Data::new(1), Data::new(2)];
    let pool = pool();
    let thief = thief(&pool, bare::steal_one);
    pool.work(0, || {
        pool.scope(|scope| {
            for data in &data {
                scope.spawn(|| data.with_mut(|data| *data += 1));
            }
        });
    });
    assert_eq!(data.map(|data| data.with_mut(|data| *data)), [2, 3]);
    thief.join().unwrap();
}

/// The job that is stolen makes another one, which nobody runs but the worker that waits.
fn spawned_by_a_thief() {
    let _ = spawned_by_thief_who(|| {});
}

/// The same, and the thief looks meanwhile which of the jobs in its deque is still to be run.
fn swept() {
    let pool = spawned_by_thief_who(bare::sweep);
    // Both have been run by now.
    pool.work(1, bare::sweep);
    assert_eq!(pool.queued(), 0);
}

fn spawned_by_thief_who(then: fn()) -> Arc<BarePool> {
    let data = Data::new(0);
    let pool = pool();
    let thief = thief(&pool, move || {
        bare::steal_one();
        then();
    });
    pool.work(0, || {
        pool.scope(|scope| {
            scope.spawn(|| {
                // What is made here is seen by who runs it.
                let made = Data::new(0);
                made.with_mut(|made| *made = 7);
                let data = &data;
                scope.spawn(move || data.with_mut(|data| *data += made.with_mut(|made| *made)));
            });
        });
    });
    data.with_mut(|data| assert_eq!(*data, 7));
    thief.join().unwrap();
    pool
}

/// A fork in a fork. All are busy: the outer one can be stolen, and the inner one only if that was by then.
fn both_in_both() {
    let (inner, outer) = (Data::new(2), Data::new(3));
    let pool = pool();
    let thief = thief(&pool, || (bare::steal_one(), bare::steal_one()));
    let sums = pool.work(0, || {
        pool.both(|| pool.both(|| 1, || inner.with_mut(core::mem::take)), || outer.with_mut(core::mem::take))
    });
    assert_eq!(sums, ((1, 2), 3));
    thief.join().unwrap();
}

/// A job that nobody waits for is made in a fork, and lies above it. It can be stolen at once, and the forks with it.
fn both_and_a_job() {
    let tally = Tally::default();
    let outer = Data::new(3);
    let pool = pool();
    let thief = thief(&pool, bare::steal_one);
    let sums = pool.work(0, || {
        let submit = || {
            let thing = tally.thing(1);
            drop(pool.try_apply_async(move || drop(thing)).unwrap());
        };
        pool.both(submit, || outer.with_mut(core::mem::take))
    });
    assert_eq!(sums, ((), 3));
    thief.join().unwrap();
    pool.work(1, || while bare::steal_one() {});
    tally.check();
}

/// The worker sweeps its deque with a private fork in it, which comes to lie elsewhere, and can be stolen.
fn both_swept() {
    let data = Data::new(3);
    let pool = pool();
    let sums = pool.work(0, || {
        let husk = pool.try_apply_async(|| ()).unwrap();
        assert!(husk.cancel());
        let thief = thief(&pool, bare::steal_one);
        let sums = pool.both(bare::sweep, || data.with_mut(core::mem::take));
        thief.join().unwrap();
        sums
    });
    assert_eq!(sums, ((), 3));
}

/// The first half panics: the other is taken back and dropped, or it is waited for.
fn both_panics() {
    let tally = Tally::default();
    let (inner, outer) = (tally.thing(2), tally.thing(3));
    let pool = pool();
    let thief = thief(&pool, bare::steal_one);
    pool.work(0, || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.both(|| pool.both(|| resume_unwind(Box::new(())), || drop(inner)), || drop(outer))
        }));
        assert!(result.is_err());
    });
    thief.join().unwrap();
    tally.check();
}

/// Two items, for the worker that waits and a thief.
fn map_stolen() {
    let tally = Tally::default();
    let items = vec![tally.thing(1), tally.thing(2)];
    let pool = pool();
    let thief = thief(&pool, bare::steal_one);
    let results = pool.work(0, || pool.map(items, Thing::number));
    assert_eq!(results, [1, 2]);
    thief.join().unwrap();
    tally.check();
}

/// The worker that waits sweeps its deque, where the thief's entry stands; in the last chunk it finds that nobody needs it.
fn map_swept() {
    let tally = Tally::default();
    let items = vec![tally.thing(1), tally.thing(2)];
    let pool = pool();
    // First without a thief.
    let results = pool.work(0, || {
        pool.map(vec![1, 2], |item| {
            bare::sweep();
            assert_eq!(pool.queued(), usize::from(item == 1));
            item
        })
    });
    assert_eq!(results, [1, 2]);
    let thief = thief(&pool, bare::steal_one);
    let results = pool.work(0, || {
        pool.map(items, |item: Thing| {
            bare::sweep();
            item.number()
        })
    });
    assert_eq!(results, [1, 2]);
    thief.join().unwrap();
    assert_eq!(pool.queued(), 0);
    tally.check();
}

/// `terminate` against one who submits, and the worker that comes for the job: it comes back, or is run, or is cancelled, and its handle says so.
fn terminate_and_submit() {
    let tally = Tally::default();
    let thing = tally.thing(1);
    let pool = Arc::new(BarePool::new(1));
    let submitter = spawn({
        let pool = Arc::clone(&pool);
        move || match pool.try_apply_async(move || thing) {
            Ok(handle) => {
                pool.work(0, bare::take_one);
                match handle.join() {
                    Ok(thing) => assert_eq!(thing.number(), 1),
                    Err(error) => assert!(error.is_cancelled()),
                }
            }
            Err(refused) => assert_eq!(refused.into_inner()().number(), 1),
        }
    });
    pool.terminate();
    submitter.join().unwrap();
    drop(pool);
    tally.check();
}
