//! Faults that shipped in good libraries, by their number in `faults.md`: each was a bug of somebody, and must not be one here.
//!
//! Those that need an interleaving found are models (`loom-tests/`); here stand those that real threads show.

#![cfg(not(feature = "loom"))]

mod common;

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, message_of, panic_message, wait_until, within, work};
use raddle::raw::{RawCondition, RawLock, RawRLock};
use raddle::{
    Barrier, BoundedSemaphore, BrokenBarrier, Condition, Event, JoinableQueue, Lock, RLock, Semaphore,
    TryGetError, TryPutError,
};

#[test]
fn fault_2_unlock_wakes_the_next_after_the_waiter_before_it_timed_out() {
    // Production hung here about once an hour: the parked bit went away with the timed-out waiter. So timed and untimed waiters
    // on one lock, and no unlock may forget the untimed.
    within(|| {
        let lock = Lock::new(0);
        let patient_done = AtomicUsize::new(0);
        thread::scope(|s| {
            for seed in 0..2 {
                let (lock, patient_done) = (&lock, &patient_done);
                s.spawn(move || {
                    let mut random = Random::new(seed + 1);
                    while patient_done.load(Ordering::Relaxed) < 2 {
                        if let Some(mut count) = lock.try_lock_for(random.micros(40)) {
                            *count += 1;
                            work(random.micros(40));
                        }
                    }
                });
            }
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..400 {
                        *lock.lock() += 1;
                        work(Duration::from_micros(10));
                    }
                    patient_done.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert!(*lock.lock() >= 800);
    });
}

#[test]
fn fault_3_a_waiter_that_times_out_swallows_no_permit() {
    // As many permits as patient waiters, and impatient ones in between that give back what they get.
    within(|| {
        for _ in 0..30 {
            let semaphore = Semaphore::new(0);
            let waiting = AtomicUsize::new(0);
            thread::scope(|s| {
                for index in 0..6 {
                    let (semaphore, waiting) = (&semaphore, &waiting);
                    s.spawn(move || {
                        waiting.fetch_add(1, Ordering::Relaxed);
                        if index % 2 == 0 {
                            drop(semaphore.try_acquire_for(Duration::from_micros(150)));
                        } else {
                            semaphore.acquire().forget();
                        }
                    });
                }
                wait_until("all are near", || waiting.load(Ordering::Relaxed) == 6);
                for _ in 0..3 {
                    work(Duration::from_micros(60));
                    semaphore.release(1).unwrap();
                }
            });
            assert_eq!(semaphore.available_permits(), 0);
        }
    });
}

#[test]
fn fault_3_a_waiter_that_times_out_swallows_no_item_and_no_room() {
    within(|| {
        for _ in 0..30 {
            let queue = JoinableQueue::bounded(1);
            let got = AtomicUsize::new(0);
            thread::scope(|s| {
                // Patient and impatient on both sides. As many items are got as were put, or the queue has it.
                for _ in 0..2 {
                    s.spawn(|| {
                        for _ in 0..20 {
                            queue.get().unwrap();
                            got.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                    s.spawn(|| {
                        for item in 0..20 {
                            queue.put(item).unwrap();
                        }
                    });
                }
                s.spawn(|| {
                    let mut random = Random::new(3);
                    for _ in 0..20 {
                        if let Ok(item) = queue.try_get_for(random.micros(50)) {
                            queue.put(item).unwrap();
                        }
                    }
                });
                s.spawn(|| {
                    let mut random = Random::new(4);
                    for _ in 0..20 {
                        if queue.try_put_for(99, random.micros(50)).is_ok() {
                            queue.get().unwrap();
                        }
                    }
                });
            });
            assert_eq!((got.into_inner(), queue.len()), (40, 0));
        }
    });
}

#[test]
fn fault_18_the_waker_does_not_touch_a_thread_that_has_left() {
    // Waiters time out and end at the moment at which they are woken; their stacks are unmapped.
    within(|| {
        let (event, lock, condition) = (Event::new(), Lock::new(()), Condition::new());
        let ended = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    event.set();
                    event.clear();
                    condition.notify_one();
                    drop(lock.lock());
                    work(Duration::from_micros(30));
                }
            });
            for seed in 0..400 {
                let mut random = Random::new(seed + 1);
                let (timeout, other) = (random.micros(100), random.micros(100));
                thread::scope(|s| {
                    s.spawn(|| event.wait_for(timeout));
                    s.spawn(|| condition.wait_for(&mut lock.lock(), other));
                });
            }
            ended.store(true, Ordering::Relaxed);
        });
    });
}

/// An item whose destructor uses the queue that it was in.
struct PutsAnother {
    queue: Arc<JoinableQueue<PutsAnother>>,
    more: u32,
}

impl Drop for PutsAnother {
    fn drop(&mut self) {
        if self.more > 0 {
            let another = PutsAnother { queue: Arc::clone(&self.queue), more: self.more - 1 };
            // If it is refused it comes back in the error, and is dropped in its turn.
            let _ = self.queue.put(another);
            let _ = (self.queue.len(), self.queue.unfinished(), format!("{:?}", self.queue));
        }
    }
}

#[test]
fn fault_26_a_destructor_may_put_into_the_queue_that_its_item_comes_from() {
    within(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        assert!(queue.put(PutsAnother { queue: Arc::clone(&queue), more: 10 }).is_ok());
        let mut count = 0;
        while let Ok(item) = queue.try_get() {
            drop(item);
            queue.task_done().unwrap();
            count += 1;
        }
        assert_eq!(count, 11);
        queue.join();

        // By way of a job: the item's destructor runs before it counts as done, so `join` waits for what it puts.
        assert!(queue.put(PutsAnother { queue: Arc::clone(&queue), more: 3 }).is_ok());
        while !queue.is_empty() {
            drop(queue.get_job().ok());
        }
        queue.join();

        // And when everything is handed back.
        for _ in 0..3 {
            assert!(queue.put(PutsAnother { queue: Arc::clone(&queue), more: 3 }).is_ok());
        }
        assert_eq!(queue.shutdown_now().len(), 3);
        assert_eq!((queue.len(), queue.unfinished()), (0, 0));
        assert_eq!(Arc::strong_count(&queue), 1);
    });
}

#[test]
fn fault_26_a_destructor_may_put_while_others_wait() {
    within(|| {
        let queue = Arc::new(JoinableQueue::unbounded());
        thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| while queue.get_job().map(drop).is_ok() {});
            }
            for _ in 0..20 {
                assert!(queue.put(PutsAnother { queue: Arc::clone(&queue), more: 5 }).is_ok());
            }
            queue.join();
            assert_eq!(queue.unfinished(), 0);
            queue.shutdown();
        });
    });
}

#[test]
fn fault_25_a_predicate_may_use_its_own_condition() {
    within(|| {
        let (lock, condition) = (Lock::new(0), Condition::new());
        let mut guard = lock.lock();
        condition.wait_while(&mut guard, |count| {
            // It runs under the lock (that is the point of it), and under nothing else.
            condition.notify_all();
            condition.notify_one();
            *count += 1;
            *count < 1
        });
        assert_eq!(*guard, 1);
    });
}

#[test]
fn fault_25_a_barriers_action_may_use_other_primitives_that_block() {
    within(|| {
        let queue = Arc::new(JoinableQueue::bounded(1));
        let barrier = Barrier::with_action(2, {
            let queue = Arc::clone(&queue);
            move || queue.put(()).unwrap()
        });
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..20 {
                        barrier.wait().unwrap();
                    }
                });
            }
            for _ in 0..20 {
                queue.get().unwrap();
            }
        });
    });
}

#[test]
fn fault_27_panics_of_the_users_code_reach_the_caller_and_leave_all_usable() {
    within(|| {
        let (lock, condition) = (Lock::new(0), Condition::new());
        let message = panic_message(|| condition.wait_while(&mut lock.lock(), |_| panic!("predicate")));
        assert_eq!(message, "predicate");
        assert!(lock.try_lock().is_some());

        let barrier = Barrier::with_action(1, || panic!("action"));
        assert_eq!(panic_message(|| barrier.wait()), "action");
        assert_eq!(barrier.wait(), Err(BrokenBarrier));
        barrier.reset();
        assert_eq!(panic_message(|| barrier.wait()), "action", "as new, and as bad");

        // The parking lot that all share still works.
        thread::scope(|s| {
            s.spawn(|| {
                let mut count = lock.lock();
                while *count < 1 {
                    condition.wait_for(&mut count, SHORT);
                }
            });
            *lock.lock() = 1;
            condition.notify_all();
        });
    });
}

#[test]
fn fault_28_a_worker_that_panics_with_a_job_in_hand_leaves_no_join_hanging() {
    within(|| {
        const JOBS: usize = 12;
        for index in 0..JOBS {
            let queue = JoinableQueue::bounded(4);
            let finished = AtomicUsize::new(0);
            thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| {
                        while let Ok(job) = queue.get_job() {
                            let result = catch_unwind(AssertUnwindSafe(|| {
                                let job = job;
                                assert!(*job != index, "in job {index}");
                                finished.fetch_add(1, Ordering::Relaxed);
                            }));
                            if let Err(payload) = result {
                                assert_eq!(message_of(&*payload), format!("in job {index}"));
                            }
                        }
                    });
                }
                for job in 0..JOBS {
                    queue.put(job).unwrap();
                }
                queue.join();
                assert_eq!(finished.load(Ordering::Relaxed), JOBS - 1);
                queue.shutdown();
            });
        }
    });
}

/// Everything that may block, used from a destructor of a thread's locals.
#[derive(Default)]
struct World {
    lock: Lock<u32>,
    rlock: RLock<Cell<u32>>,
    semaphore: Option<Semaphore>,
    bounded: Option<BoundedSemaphore>,
    event: Event,
    condition: Condition,
    barrier: Option<Barrier>,
    queue: Option<JoinableQueue<u32>>,
    arrived: AtomicU32,
    done: AtomicU32,
}

impl World {
    fn new() -> World {
        World {
            semaphore: Some(Semaphore::new(1)),
            bounded: Some(BoundedSemaphore::new(1)),
            barrier: Some(Barrier::new(2)),
            queue: Some(JoinableQueue::bounded(1)),
            ..World::default()
        }
    }

    fn parts(&self) -> (&Semaphore, &BoundedSemaphore, &Barrier, &JoinableQueue<u32>) {
        (
            self.semaphore.as_ref().unwrap(),
            self.bounded.as_ref().unwrap(),
            self.barrier.as_ref().unwrap(),
            self.queue.as_ref().unwrap(),
        )
    }
}

/// Runs it when the thread's locals are destroyed.
struct AtExit(Option<Box<dyn FnOnce()>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

thread_local! {
    static FIRST: RefCell<AtExit> = const { RefCell::new(AtExit(None)) };
    static SECOND: RefCell<AtExit> = const { RefCell::new(AtExit(None)) };
}

#[test]
fn fault_30_every_primitive_works_in_a_destructor_of_a_threads_locals() {
    fn use_all(world: &World) {
        let (semaphore, bounded, _, queue) = world.parts();
        *world.lock.lock() += 1;
        assert!(world.lock.try_lock_for(LONG).is_some());
        {
            let outer = world.rlock.lock();
            let inner = world.rlock.lock();
            assert_eq!(world.rlock.depth(), 2);
            inner.set(outer.get() + 1);
        }
        drop((semaphore.acquire(), bounded.acquire()));
        drop((semaphore.try_acquire_for(LONG).unwrap(), bounded.try_acquire_for(LONG).unwrap()));
        assert!(!world.event.wait_for(Duration::from_micros(100)));
        assert!(!world.condition.wait_for(&mut world.lock.lock(), Duration::from_micros(100)));
        let mut level = (world.rlock.lock(), world.rlock.lock());
        assert!(!world.condition.wait_for(&mut level.1, Duration::from_micros(100)));
        assert_eq!(world.rlock.depth(), 2);
        assert_eq!(Barrier::new(2).wait_for(Duration::from_micros(100)), Err(BrokenBarrier));
        assert!(Barrier::new(1).wait().is_ok());
        queue.put(1).unwrap();
        assert_eq!(queue.try_put_for(2, Duration::from_micros(100)), Err(TryPutError::Full(2)));
        drop(queue.get_job().unwrap());
        assert_eq!(queue.try_get_for(Duration::from_micros(100)), Err(TryGetError::Empty));
        queue.join();
        world.done.fetch_add(1, Ordering::Relaxed);
    }

    within(|| {
        for used_before in [false, true] {
            let world = Arc::new(World::new());
            for _ in 0..3 {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    // Two locals, and the primitives' own (a thread's id, its place to park) made before, between or after: one
                    // of the destructors runs after whatever those have.
                    let (one, two) = (Arc::clone(&world), Arc::clone(&world));
                    FIRST.with(|at_exit| at_exit.borrow_mut().0 = Some(Box::new(move || use_all(&one))));
                    if used_before {
                        use_all(&world);
                    }
                    SECOND.with(|at_exit| at_exit.borrow_mut().0 = Some(Box::new(move || use_all(&two))));
                })
                .join()
                .unwrap();
            }
            assert_eq!(world.done.load(Ordering::Relaxed), if used_before { 9 } else { 6 });
        }
    });
}

#[test]
fn fault_30_a_destructor_of_a_threads_locals_may_wait_its_turn() {
    /// Waits for each of them while it is held, set or full by another thread.
    fn wait_for_all(world: &World) {
        let (semaphore, bounded, barrier, queue) = world.parts();
        let arrive = || world.arrived.fetch_add(1, Ordering::Relaxed);
        arrive();
        *world.lock.lock() += 1;
        arrive();
        world.rlock.lock().set(1);
        arrive();
        drop(semaphore.acquire());
        arrive();
        drop(bounded.acquire());
        arrive();
        world.event.wait();
        {
            let mut count = world.lock.lock();
            arrive();
            world.condition.wait_while(&mut count, |count| *count < 10);
        }
        barrier.wait().unwrap();
        arrive();
        queue.get().unwrap();
        queue.task_done().unwrap();
        world.done.fetch_add(1, Ordering::Relaxed);
    }

    within(|| {
        for used_before in [false, true] {
            let world = Arc::new(World::new());
            let (semaphore, bounded, barrier, queue) = world.parts();
            let wait_for_step = |step| {
                wait_until("it is near", || world.arrived.load(Ordering::Relaxed) == step);
                work(Duration::from_micros(300));
            };
            let (lock, rlock) = (world.lock.lock(), world.rlock.lock());
            let (permit, other_permit) = (semaphore.acquire(), bounded.acquire());
            let waiter = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    if used_before {
                        assert!(!world.event.wait_for(Duration::from_micros(50)));
                    }
                    let at_exit = move || wait_for_all(&world);
                    FIRST.with(|local| local.borrow_mut().0 = Some(Box::new(at_exit)));
                }
            });
            wait_for_step(1);
            drop(lock);
            wait_for_step(2);
            drop(rlock);
            wait_for_step(3);
            drop(permit);
            wait_for_step(4);
            drop(other_permit);
            wait_for_step(5);
            world.event.set();
            wait_for_step(6);
            *world.lock.lock() = 10;
            assert_eq!(world.condition.notify_all(), 1);
            barrier.wait().unwrap();
            wait_for_step(7);
            queue.put(1).unwrap();
            queue.join();
            waiter.join().unwrap();
            assert_eq!(world.done.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn fault_31_a_leaked_rlock_is_nobodys_when_its_thread_has_ended() {
    // With the address of a thread's local as its id, one of the next threads would be taken for the owner.
    within(|| {
        let (lock, raw) = (RLock::new(()), RawRLock::new());
        thread::scope(|s| {
            s.spawn(|| {
                mem::forget((lock.lock(), lock.lock()));
                raw.restore(2);
            });
        });
        for _ in 0..300 {
            thread::scope(|s| {
                s.spawn(|| {
                    assert!(!lock.is_owned_by_current_thread());
                    assert_eq!((lock.depth(), raw.depth()), (0, 0));
                    assert!(lock.try_lock().is_none());
                    assert!(!raw.try_lock());
                    assert!(raw.checked_unlock().is_err());
                    assert_eq!(raw.release_all(), 0);
                });
            });
        }
        assert!(lock.is_locked() && raw.is_locked());
    });
}

#[test]
fn fault_32_a_waiter_that_fails_breaks_no_later_notify() {
    // Waiters leave in every way that there is: notified, timed out, by a panic before, in and after the wait.
    within(|| {
        let (lock, condition) = (Lock::new(0_usize), Condition::new());
        for round in 0..100 {
            thread::scope(|s| {
                let waiters: Vec<_> = (0..5)
                    .map(|way| {
                        let (lock, condition) = (&lock, &condition);
                        s.spawn(move || {
                            catch_unwind(AssertUnwindSafe(|| {
                                let mut waiting = lock.lock();
                                *waiting += 1;
                                match way {
                                    0 => condition.wait(&mut waiting),
                                    1 => {
                                        let _ = condition.wait_for(&mut waiting, Duration::from_micros(50));
                                    }
                                    2 => {
                                        condition.wait(&mut waiting);
                                        panic!("after the wait");
                                    }
                                    3 => condition.wait_while(&mut waiting, |_| panic!("before the wait")),
                                    _ => {
                                        let mut asked = 0;
                                        condition.wait_while(&mut waiting, |_| {
                                            asked += 1;
                                            assert!(asked < 2, "after the notify");
                                            true
                                        });
                                    }
                                }
                            }))
                            .is_ok()
                        })
                    })
                    .collect();
                wait_until("all have begun", || *lock.lock() == 5 * (round + 1));
                // Three wait for a notify; the fourth may have timed out, the fifth has panicked.
                let notified = condition.notify_all();
                assert!((3..=4).contains(&notified), "{notified} were notified");
                let survived: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
                assert_eq!(survived, [true, true, false, false, false]);
            });
            assert_eq!(condition.notify_all(), 0);
        }
    });
}

#[test]
fn fault_35_permits_neither_wrap_nor_change_when_refused() {
    const MAX: usize = Semaphore::MAX_PERMITS;

    within(|| {
        let semaphore = Semaphore::new(MAX - 3);
        assert!(semaphore.release(4).is_err());
        assert_eq!(semaphore.available_permits(), MAX - 3);
        semaphore.release(3).unwrap();
        for n in
            [1, MAX, MAX + 1, 1 << 31, 1 << 32, (1 << 32) + 1, usize::MAX >> 2, usize::MAX >> 1, usize::MAX]
        {
            assert!(semaphore.release(n).is_err());
            assert_eq!(semaphore.available_permits(), MAX);
        }
        assert!(semaphore.try_acquire_many(MAX + 1).is_none());
        assert!(semaphore.try_acquire_many(usize::MAX).is_none());
        assert_eq!(semaphore.available_permits(), MAX);

        // Racing releases near the limit: exactly as many succeed as fit.
        let semaphore = Semaphore::new(MAX - 100);
        let succeeded = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..50 {
                        succeeded.fetch_add(usize::from(semaphore.release(1).is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!((succeeded.into_inner(), semaphore.available_permits()), (100, MAX));

        // And for the bounded one.
        let semaphore = BoundedSemaphore::new(100);
        semaphore.acquire_many(100).forget();
        let succeeded = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..50 {
                        succeeded.fetch_add(usize::from(semaphore.release(1).is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!((succeeded.into_inner(), semaphore.available_permits()), (100, 100));
    });
}

#[test]
fn fault_36_a_release_of_n_wakes_as_many_as_it_serves() {
    within(|| {
        for round in 0..60 {
            for demands in [&[1, 1][..], &[1, 1, 1], &[2, 1], &[1, 2], &[2, 2], &[3, 1, 2, 1]] {
                let semaphore = Semaphore::new(0);
                let arrived = AtomicUsize::new(0);
                thread::scope(|s| {
                    for &n in demands {
                        let (semaphore, arrived) = (&semaphore, &arrived);
                        s.spawn(move || {
                            arrived.fetch_add(1, Ordering::Relaxed);
                            // Kept, so that nobody is woken by anything but the one release.
                            semaphore.acquire_many(n).forget();
                        });
                    }
                    wait_until("all are near", || arrived.load(Ordering::Relaxed) == demands.len());
                    work(Duration::from_micros(2 * round));
                    semaphore.release(demands.iter().sum()).unwrap();
                });
                assert_eq!(semaphore.available_permits(), 0);
            }
        }
    });
}

#[test]
fn fault_37_an_rlock_too_deep_panics_and_stays_held_as_it_was() {
    within(|| {
        let raw = RawRLock::new();
        raw.restore(u32::MAX);
        let message = panic_message(|| raw.lock());
        assert!(message.starts_with("RLock::lock: recursion too deep"), "{message}");
        assert_eq!(raw.depth(), u32::MAX);
        thread::scope(|s| {
            s.spawn(|| assert!(!raw.try_lock()));
        });
        assert_eq!(raw.release_all(), u32::MAX);
        assert!(raw.try_lock());
        assert_eq!(raw.depth(), 1);
    });
}

/// Timeouts that have overflowed somewhere, and some that are just long.
const LONG_TIMEOUTS: [Duration; 9] = [
    Duration::from_millis(1 << 32),
    Duration::from_millis((1 << 32) + 1),
    Duration::from_secs(u32::MAX as u64 + 1),
    Duration::from_secs(i32::MAX as u64 + 1),
    // 2^63 and 2^64 nanoseconds: 292 and 584 years.
    Duration::from_secs(292 * 31_557_600),
    Duration::from_secs(584 * 31_557_600),
    Duration::from_secs(i64::MAX as u64),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];

#[test]
fn fault_39_no_timeout_is_too_long_when_there_is_nothing_to_wait_for() {
    within(|| {
        for timeout in LONG_TIMEOUTS.into_iter().chain([Duration::ZERO, Duration::from_nanos(1)]) {
            let now = Instant::now();
            let deadline = now.checked_add(timeout).unwrap_or(now);
            let lock = Arc::new(Lock::new(()));
            assert!(lock.try_lock_for(timeout).is_some());
            assert!(lock.try_lock_until(deadline).is_some());
            assert!(lock.try_lock_arc_for(timeout).is_some());
            assert!(lock.try_lock_arc_until(deadline).is_some());
            let rlock = Arc::new(RLock::new(()));
            assert!(rlock.try_lock_for(timeout).is_some());
            assert!(rlock.try_lock_until(deadline).is_some());
            assert!(rlock.try_lock_arc_for(timeout).is_some());
            assert!(rlock.try_lock_arc_until(deadline).is_some());
            let semaphore = Arc::new(Semaphore::new(2));
            assert!(semaphore.try_acquire_for(timeout).is_some());
            assert!(semaphore.try_acquire_until(deadline).is_some());
            assert!(semaphore.try_acquire_many_for(2, timeout).is_some());
            assert!(semaphore.try_acquire_many_until(2, deadline).is_some());
            assert!(semaphore.try_acquire_arc_for(timeout).is_some());
            assert!(semaphore.try_acquire_arc_until(deadline).is_some());
            assert!(semaphore.try_acquire_many_arc_for(2, timeout).is_some());
            assert!(semaphore.try_acquire_many_arc_until(2, deadline).is_some());
            let bounded = Arc::new(BoundedSemaphore::new(2));
            assert!(bounded.try_acquire_for(timeout).is_some());
            assert!(bounded.try_acquire_many_arc_for(2, timeout).is_some());
            let event = Event::new();
            event.set();
            assert!(event.wait_for(timeout));
            assert!(event.wait_until(deadline));
            let condition = Condition::new();
            assert!(condition.wait_while_for(&mut lock.lock(), |()| false, timeout));
            assert!(condition.wait_while_until(&mut lock.lock(), |()| false, deadline));
            let barrier = Barrier::new(1);
            assert!(barrier.wait_for(timeout).is_ok());
            assert!(barrier.wait_until(deadline).is_ok());
            let queue = JoinableQueue::bounded(2);
            assert!(queue.try_put_for(1, timeout).is_ok());
            assert!(queue.try_put_until(2, deadline).is_ok());
            assert_eq!(queue.try_get_for(timeout), Ok(1));
            assert_eq!(queue.try_get_until(deadline), Ok(2));
            (0..2).for_each(|_| queue.task_done().unwrap());
            assert!(queue.join_for(timeout));
            assert!(queue.join_until(deadline));
            let (raw, raw_rlock) = (RawLock::new(), RawRLock::new());
            assert!(raw.try_lock_for(timeout) && raw_rlock.try_lock_for(timeout));
        }
    });
}

#[test]
fn fault_39_a_timeout_of_a_nanosecond_passes() {
    within(|| {
        let timeout = Duration::from_nanos(1);
        let soon = || Instant::now() + timeout;
        let lock = Arc::new(Lock::new(()));
        let guard = lock.lock();
        assert!(lock.try_lock_for(timeout).is_none());
        assert!(lock.try_lock_until(soon()).is_none());
        assert!(lock.try_lock_arc_for(timeout).is_none());
        assert!(lock.try_lock_arc_until(soon()).is_none());
        drop(guard);
        let condition = Condition::new();
        let mut guard = lock.lock();
        assert!(!condition.wait_for(&mut guard, timeout));
        assert!(!condition.wait_until(&mut guard, soon()));
        assert!(!condition.wait_while_for(&mut guard, |()| true, timeout));
        assert!(!condition.wait_while_until(&mut guard, |()| true, soon()));
        let rlock = Arc::new(RLock::new(()));
        let level = rlock.lock();
        thread::scope(|s| {
            s.spawn(|| {
                assert!(rlock.try_lock_for(timeout).is_none());
                assert!(rlock.try_lock_until(soon()).is_none());
                assert!(rlock.try_lock_arc_for(timeout).is_none());
                assert!(rlock.try_lock_arc_until(soon()).is_none());
            });
        });
        drop(level);
        let semaphore = Arc::new(Semaphore::new(1));
        let bounded = Arc::new(BoundedSemaphore::new(1));
        let _permits = (semaphore.acquire(), bounded.acquire());
        assert!(semaphore.try_acquire_for(timeout).is_none());
        assert!(semaphore.try_acquire_until(soon()).is_none());
        assert!(semaphore.try_acquire_many_for(2, timeout).is_none());
        assert!(semaphore.try_acquire_many_until(2, soon()).is_none());
        assert!(semaphore.try_acquire_arc_for(timeout).is_none());
        assert!(semaphore.try_acquire_many_arc_until(2, soon()).is_none());
        assert!(bounded.try_acquire_for(timeout).is_none());
        assert!(bounded.try_acquire_arc_until(soon()).is_none());
        let event = Event::new();
        assert!(!event.wait_for(timeout));
        assert!(!event.wait_until(soon()));
        let barrier = Barrier::new(2);
        assert_eq!(barrier.wait_for(timeout), Err(BrokenBarrier));
        barrier.reset();
        assert_eq!(barrier.wait_until(soon()), Err(BrokenBarrier));
        let queue = JoinableQueue::bounded(1);
        assert_eq!(queue.try_get_for(timeout), Err(TryGetError::Empty));
        assert_eq!(queue.try_get_until(soon()), Err(TryGetError::Empty));
        queue.put(1).unwrap();
        assert_eq!(queue.try_put_for(2, timeout), Err(TryPutError::Full(2)));
        assert_eq!(queue.try_put_until(2, soon()), Err(TryPutError::Full(2)));
        assert!(!queue.join_for(timeout));
        assert!(!queue.join_until(soon()));
        let (raw, raw_condition) = (RawLock::new(), RawCondition::new());
        raw.lock();
        assert!(!raw.try_lock_for(timeout));
        assert_eq!(raw_condition.wait_for(&raw, timeout), Ok(false));
    });
}

#[test]
fn fault_39_a_long_timeout_waits_until_there_is_something() {
    within(|| {
        for timeout in LONG_TIMEOUTS {
            let (lock, rlock, condition) = (Lock::new(0), RLock::new(Cell::new(0)), Condition::new());
            let (semaphore, bounded) = (Semaphore::new(0), BoundedSemaphore::new(2));
            let (event, barrier) = (Event::new(), Barrier::new(2));
            let (empty, full, unfinished) =
                (JoinableQueue::unbounded(), JoinableQueue::bounded(1), JoinableQueue::unbounded());
            full.put(0).unwrap();
            unfinished.put(0).unwrap();
            let arrived = AtomicUsize::new(0);
            let (guard, level, permits) = (lock.lock(), rlock.lock(), bounded.acquire_many(2));
            let waiter = |f: &mut dyn FnMut() -> bool| {
                arrived.fetch_add(1, Ordering::Relaxed);
                assert!(f(), "gave up after {timeout:?}");
            };
            thread::scope(|s| {
                s.spawn(|| waiter(&mut || lock.try_lock_for(timeout).is_some()));
                s.spawn(|| waiter(&mut || rlock.try_lock_for(timeout).is_some()));
                s.spawn(|| waiter(&mut || semaphore.try_acquire_for(timeout).is_some()));
                s.spawn(|| waiter(&mut || bounded.try_acquire_many_for(2, timeout).is_some()));
                s.spawn(|| waiter(&mut || event.wait_for(timeout)));
                s.spawn(|| {
                    waiter(&mut || condition.wait_while_for(&mut lock.lock(), |count| *count == 0, timeout));
                });
                s.spawn(|| waiter(&mut || barrier.wait_for(timeout).is_ok()));
                s.spawn(|| waiter(&mut || empty.try_get_for(timeout).is_ok()));
                s.spawn(|| waiter(&mut || full.try_put_for(1, timeout).is_ok()));
                s.spawn(|| waiter(&mut || unfinished.join_for(timeout)));
                wait_until("all are near", || arrived.load(Ordering::Relaxed) == 10);
                // Time to give up, for one who takes it.
                thread::sleep(Duration::from_millis(2));
                drop((guard, level, permits));
                semaphore.release(1).unwrap();
                event.set();
                *lock.lock() = 1;
                condition.notify_all();
                barrier.wait().unwrap();
                empty.put(0).unwrap();
                full.get().unwrap();
                unfinished.task_done().unwrap();
            });
        }
    });
}

#[test]
fn fault_43_bad_arguments_fail_and_do_not_hang() {
    within(|| {
        assert!(panic_message(|| Barrier::new(0)).contains("Barrier::new(0)"));
        assert!(panic_message(|| Barrier::new(usize::MAX)).contains("Barrier::new"));
        assert!(panic_message(|| JoinableQueue::<()>::bounded(0)).contains("JoinableQueue::bounded(0)"));
        assert!(panic_message(|| Semaphore::new(usize::MAX)).contains("Semaphore::new"));
        assert!(panic_message(|| BoundedSemaphore::new(usize::MAX)).contains("BoundedSemaphore::new"));
        // Those that would block for ever.
        let bounded = BoundedSemaphore::new(2);
        assert!(panic_message(|| bounded.acquire_many(3)).contains("acquire_many(3)"));
        let nothing = BoundedSemaphore::new(0);
        assert!(panic_message(|| nothing.acquire()).contains("BoundedSemaphore::acquire"));
        let semaphore = Semaphore::new(0);
        assert!(panic_message(|| semaphore.acquire_many(usize::MAX)).contains("acquire_many"));
    });
}

#[test]
fn fault_44_a_get_that_timed_out_harms_no_get_after_it() {
    within(|| {
        let queue = JoinableQueue::unbounded();
        let got = AtomicUsize::new(0);
        thread::scope(|s| {
            for seed in 0..2 {
                let (queue, got) = (&queue, &got);
                s.spawn(move || {
                    // Its timeouts end about when items come.
                    let mut random = Random::new(seed + 1);
                    loop {
                        match queue.try_get_for(random.micros(60)) {
                            Ok(_) => got.fetch_add(1, Ordering::Relaxed),
                            Err(TryGetError::Empty) => continue,
                            Err(TryGetError::ShutDown) => break,
                        };
                        queue.task_done().unwrap();
                    }
                });
            }
            let mut random = Random::new(9);
            for item in 0..1_000 {
                queue.put(item).unwrap();
                work(random.micros(40));
            }
            queue.join();
            queue.shutdown();
        });
        assert_eq!(got.into_inner(), 1_000);
    });
}

#[test]
fn fault_53_acquires_that_are_given_up_leave_nothing_behind() {
    within(|| {
        let semaphore = Semaphore::new(1);
        let held = semaphore.acquire();
        let before = resident_kib();
        for index in 0..100_000_u32 {
            // Most give up without parking; every 64th has been in the queue.
            let timeout = Duration::from_nanos(if index % 64 == 0 { 1 } else { 0 });
            assert!(semaphore.try_acquire_for(timeout).is_none());
        }
        let after = resident_kib();
        // Other tests run beside this one: what is looked for is tens of bytes for each that gave up, and more.
        assert!(after.saturating_sub(before) < 64 * 1024, "from {before} to {after} KiB");
        drop(held);
        assert_eq!(semaphore.available_permits(), 1);
        drop(semaphore.try_acquire().expect("and nobody is in the queue"));
    });
}

/// How much memory the process has in use; 0 where that is not known.
fn resident_kib() -> u64 {
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages * 4)
}

#[test]
fn fault_57_items_left_in_a_queue_go_with_it() {
    struct Request {
        reply: Arc<JoinableQueue<u32>>,
        answered: bool,
    }

    impl Drop for Request {
        fn drop(&mut self) {
            if !self.answered {
                // Whoever waits for the answer learns that none will come.
                self.reply.shutdown();
            }
        }
    }

    within(|| {
        let requests = Arc::new(JoinableQueue::unbounded());
        let reply = Arc::new(JoinableQueue::unbounded());
        thread::scope(|s| {
            let asks = s.spawn({
                let (requests, reply) = (Arc::clone(&requests), Arc::clone(&reply));
                move || {
                    let request = Request { reply: Arc::clone(&reply), answered: false };
                    assert!(requests.put(request).is_ok());
                    drop(requests);
                    reply.get()
                }
            });
            wait_until("it has asked", || requests.len() == 1);
            wait_until("it has let go of the queue", || Arc::strong_count(&requests) == 1);
            // The server goes away, and with it the queue, and with that the request.
            drop(requests);
            assert!(asks.join().unwrap().is_err());
        });
        assert_eq!(Arc::strong_count(&reply), 1);
    });
}

#[test]
fn fault_57_shutdown_releases_both_sides() {
    within(|| {
        let queue = Arc::new(JoinableQueue::bounded(1));
        let item = Arc::new(());
        queue.put(Arc::clone(&item)).unwrap();
        thread::scope(|s| {
            for _ in 0..3 {
                let (queue, item) = (&queue, Arc::clone(&item));
                s.spawn(move || assert!(queue.put(item).is_err()));
            }
            thread::sleep(Duration::from_millis(1));
            drop(queue.shutdown_now());
        });
        assert_eq!(Arc::strong_count(&item), 1);
    });
}

#[test]
fn fault_52_many_threads_at_once_are_counted_right() {
    within(|| {
        static START: OnceLock<Event> = OnceLock::new();
        const THREADS: usize = 300;
        let start = START.get_or_init(Event::new);
        let (lock, barrier) = (Lock::new(0), Barrier::new(THREADS));
        let leaders = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..THREADS {
                s.spawn(|| {
                    start.wait();
                    *lock.lock() += 1;
                    if barrier.wait().unwrap().is_leader {
                        leaders.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(*lock.lock(), THREADS);
                    }
                });
            }
            start.set();
        });
        assert_eq!(leaders.into_inner(), 1);
    });
}
