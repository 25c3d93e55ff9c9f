//! The programs by which Python's concurrency is taught, each with what must hold asserted. A second there is 10 ms here, and
//! no assertion depends on a race being won.
//!
//! Program 3 without the lock, and program 5 with two locks, are models (`loom-tests/`): loom finds the lost update and the
//! deadlock.

#![cfg(not(feature = "loom"))]

mod common;

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{wait_until, within};
use raddle::{
    Barrier, BoundedSemaphore, Condition, Event, JobError, JoinableQueue, LifoQueue, Lock, OverRelease,
    PoolJoinError, PriorityQueue, RLock, Semaphore, TaskDoneTooOften, Timer, TimerStartError, TryGetError,
    TryPutError, WorkPool,
};

/// A second of the original.
const SECOND: Duration = Duration::from_millis(10);

#[test]
fn program_1_fifty_tasks_sleep_at_the_same_time() {
    within(|| {
        const TASKS: usize = 50;
        let done = AtomicUsize::new(0);
        // A sleep long enough that fifty of them, one after the other, cannot be mistaken for noise.
        let sleep = 10 * SECOND;
        let start = Instant::now();
        thread::scope(|s| {
            for _ in 0..TASKS {
                s.spawn(|| {
                    thread::sleep(sleep);
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        let took = start.elapsed();
        assert_eq!(done.into_inner(), TASKS);
        assert!(took >= sleep);
        assert!(took < 50 * sleep, "one after the other: {took:?}");
    });
}

#[test]
fn program_2_fifty_threads_add_one_under_the_lock() {
    within(|| {
        let (num, inside) = (Lock::new(0), AtomicBool::new(false));
        thread::scope(|s| {
            for _ in 0..50 {
                s.spawn(|| {
                    let mut num = num.lock();
                    assert!(!inside.swap(true, Ordering::Relaxed), "two inside");
                    *num += 1;
                    thread::sleep(SECOND / 20);
                    inside.store(false, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(num.into_inner(), 50);
    });
}

#[test]
fn program_3_a_hundred_threads_read_think_and_write_under_the_lock() {
    within(|| {
        // Relaxed loads and stores, so that only the lock keeps the updates apart.
        let (num, lock) = (AtomicU32::new(100), Lock::new(()));
        thread::scope(|s| {
            for _ in 0..100 {
                s.spawn(|| {
                    let _guard = lock.lock();
                    let temp = num.load(Ordering::Relaxed);
                    thread::sleep(SECOND / 100);
                    num.store(temp - 1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(num.into_inner(), 0);
    });
}

#[test]
fn program_4_functions_that_lock_call_each_other() {
    struct Nums {
        num: Cell<u32>,
        num2: Cell<u32>,
    }

    static NUMS: RLock<Nums> = RLock::new(Nums { num: Cell::new(0), num2: Cell::new(0) });

    fn run1() -> u32 {
        let nums = NUMS.lock();
        assert_eq!(NUMS.depth(), 2);
        nums.num.set(nums.num.get() + 1);
        nums.num.get()
    }

    fn run2() -> u32 {
        let nums = NUMS.lock();
        assert_eq!(NUMS.depth(), 2);
        nums.num2.set(nums.num2.get() + 1);
        nums.num2.get()
    }

    fn run3() -> (u32, u32) {
        let _nums = NUMS.lock();
        assert_eq!(NUMS.depth(), 1);
        (run1(), run2())
    }

    within(|| {
        assert_eq!(thread::spawn(run3).join().unwrap(), (1, 1));
        assert_eq!(NUMS.depth(), 0);
        assert!(!NUMS.is_locked());
        // Ten at once: still in step.
        thread::scope(|s| {
            for _ in 0..10 {
                s.spawn(|| {
                    let (one, two) = run3();
                    assert_eq!(one, two);
                });
            }
        });
        assert_eq!(NUMS.lock().num.get(), 11);
    });
}

#[test]
fn program_5_one_rlock_for_both_names_is_no_deadlock() {
    within(|| {
        let lock = RLock::new(Cell::new(0));
        let (a, b) = (&lock, &lock);
        let do_a = || {
            let first = a.lock();
            thread::sleep(SECOND / 10);
            let second = b.lock();
            second.set(first.get() + 1);
        };
        let do_b = || {
            let first = b.lock();
            thread::sleep(SECOND / 10);
            let second = a.lock();
            second.set(first.get() + 1);
        };
        thread::scope(|s| {
            for _ in 0..5 {
                s.spawn(|| {
                    do_a();
                    do_b();
                });
            }
        });
        assert_eq!(lock.lock().get(), 10);
        assert_eq!(lock.depth(), 0);
    });
}

/// Counts those who are inside, and the most that ever were.
#[derive(Default)]
struct Inside {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Inside {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn program_6_twenty_two_threads_go_through_a_bounded_semaphore_of_five() {
    within(|| {
        let (semaphore, inside) = (BoundedSemaphore::new(5), Inside::default());
        let all_five = Event::new();
        thread::scope(|s| {
            for _ in 0..22 {
                s.spawn(|| {
                    let _permit = semaphore.acquire();
                    inside.enter();
                    // The first five meet inside; those after them find that it has happened.
                    if inside.most.load(Ordering::Relaxed) == 5 {
                        all_five.set();
                    }
                    all_five.wait();
                    inside.leave();
                });
            }
        });
        assert_eq!(inside.most.into_inner(), 5);
        assert_eq!(semaphore.release(1), Err(OverRelease { permits: 1, limit: 5 }));
        assert_eq!(semaphore.available_permits(), 5);
    });
}

#[test]
fn program_6_a_hundred_cars_park_in_five_places() {
    within(|| {
        let (places, parked) = (Semaphore::new(5), Inside::default());
        let full = Event::new();
        thread::scope(|s| {
            for _ in 0..100 {
                s.spawn(|| {
                    let _place = places.acquire();
                    parked.enter();
                    if parked.most.load(Ordering::Relaxed) == 5 {
                        full.set();
                    }
                    full.wait();
                    thread::sleep(SECOND / 20);
                    parked.leave();
                });
            }
        });
        assert_eq!(parked.most.into_inner(), 5);
        assert_eq!(places.available_permits(), 5);
    });
}

#[test]
fn program_7_no_car_drives_at_red() {
    within(|| {
        // Who drives holds this for reading in spirit: the light turns red only when nobody is on the crossing.
        let green = Event::new();
        let crossing = Lock::new(());
        let (crossed, day_is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|s| {
            s.spawn(|| {
                let mut tick = 0;
                while !day_is_over.load(Ordering::Relaxed) {
                    match tick % 10 {
                        0 => green.set(),
                        5 => {
                            let _empty = crossing.lock();
                            green.clear();
                        }
                        _ => {}
                    }
                    thread::sleep(SECOND / 50);
                    tick += 1;
                }
                // So that nobody is left waiting.
                green.set();
            });
            for _ in 0..3 {
                s.spawn(|| {
                    let mut drives = 0;
                    while drives < 20 {
                        if !green.is_set() {
                            green.wait();
                        }
                        let _on_it = crossing.lock();
                        // It may have turned red on the way to the crossing: then wait for the next green.
                        if green.is_set() {
                            assert!(green.wait_for(Duration::ZERO), "red, with a car on the crossing");
                            crossed.fetch_add(1, Ordering::Relaxed);
                            drives += 1;
                        }
                    }
                });
            }
            wait_until("all have crossed", || crossed.load(Ordering::Relaxed) == 60);
            day_is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(crossed.into_inner(), 60);
    });
}

#[test]
fn program_8_five_workers_get_through_twice() {
    within(|| {
        const WORKERS: usize = 5;
        // In the original everybody sleeps long enough: until all have got through, and until all have cleared.
        let (event, all_through) = (Event::new(), Barrier::new(WORKERS));
        let all_cleared = Barrier::new(WORKERS + 1);
        let set_again = AtomicBool::new(false);
        let (first, second) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|s| {
            for _ in 0..WORKERS {
                s.spawn(|| {
                    event.wait();
                    first.fetch_add(1, Ordering::Relaxed);
                    all_through.wait().unwrap();
                    event.clear();
                    all_cleared.wait().unwrap();
                    event.wait();
                    assert!(set_again.load(Ordering::Relaxed), "through before the boss has set it again");
                    second.fetch_add(1, Ordering::Relaxed);
                });
            }
            thread::sleep(SECOND / 10);
            event.set();
            all_cleared.wait().unwrap();
            assert!(!event.is_set());
            set_again.store(true, Ordering::Relaxed);
            event.set();
        });
        assert_eq!((first.into_inner(), second.into_inner()), (WORKERS, WORKERS));
    });
}

#[test]
fn program_9_as_many_come_out_as_were_typed_longest_waiting_first() {
    within(|| {
        #[derive(Default)]
        struct Log {
            waiting: usize,
            out: Vec<usize>,
        }

        let (log, condition) = (Lock::<Log>::default(), Condition::new());
        thread::scope(|s| {
            for index in 0..10 {
                let (log, condition) = (&log, &condition);
                s.spawn(move || {
                    let mut log = log.lock();
                    log.waiting += 1;
                    condition.wait(&mut log);
                    log.out.push(index);
                });
                wait_until("it waits", || log.lock().waiting > index);
            }
            let mut all = 0;
            for typed in [3, 0, 1, 4] {
                let guard = log.lock();
                assert_eq!(condition.notify(typed), typed);
                drop(guard);
                let before = all;
                all += typed;
                wait_until("they are out", || log.lock().out.len() >= all);
                thread::sleep(SECOND / 10);
                let mut out = log.lock().out.clone();
                out[before..].sort();
                assert_eq!(
                    out[before..],
                    (before..all).collect::<Vec<_>>(),
                    "exactly those who waited longest"
                );
            }
            assert_eq!(condition.notify_all(), 2, "the rest");
        });
        assert_eq!(log.into_inner().out.len(), 10);
    });
}

#[test]
fn program_10_those_come_out_whose_predicate_holds() {
    within(|| {
        #[derive(Default)]
        struct Input {
            waiting: usize,
            typed: HashSet<usize>,
            out: Vec<usize>,
        }

        let (input, condition) = (Lock::<Input>::default(), Condition::new());
        thread::scope(|s| {
            for index in 0..10 {
                let (input, condition) = (&input, &condition);
                s.spawn(move || {
                    let mut input = input.lock();
                    input.waiting += 1;
                    condition.wait_while(&mut input, |input| !input.typed.contains(&index));
                    input.out.push(index);
                });
            }
            wait_until("all wait", || input.lock().waiting == 10);
            for typed in [&[7][..], &[1, 2, 3], &[], &[0, 4, 5, 6, 8, 9]] {
                let before = input.lock().out.len();
                input.lock().typed.extend(typed);
                condition.notify_all();
                wait_until("they are out", || input.lock().out.len() == before + typed.len());
                let mut out = input.lock().out[before..].to_vec();
                out.sort();
                assert_eq!(out, typed);
            }
        });
    });
}

#[test]
fn program_11_hello_after_a_second_once_and_not_if_cancelled_before() {
    within(|| {
        let hellos = Arc::new(Mutex::new(Vec::new()));
        let hello = || {
            let hellos = Arc::clone(&hellos);
            move || hellos.lock().unwrap().push(Instant::now())
        };
        // As typed in Python: made, started, joined.
        let timer = Timer::new(SECOND, hello());
        let start = Instant::now();
        timer.start().unwrap();
        timer.join();
        assert_eq!(timer.start(), Err(TimerStartError::Started), "threads can only be started once");
        assert_eq!(hellos.lock().unwrap().len(), 1, "once");
        assert!(hellos.lock().unwrap()[0] - start >= SECOND, "not early");

        // Cancelled before: never. (If this thread was held up for so long that it was too late, cancel says so.)
        let timer = Timer::after(100 * SECOND, hello());
        let cancelled = timer.cancel();
        timer.join();
        thread::sleep(2 * SECOND);
        assert_eq!(hellos.lock().unwrap().len(), 1 + usize::from(!cancelled));

        // Every second, until it is told to stop.
        hellos.lock().unwrap().clear();
        let start = Instant::now();
        let timer = Timer::every(SECOND, hello());
        wait_until("it has said hello three times", || hellos.lock().unwrap().len() >= 3);
        timer.cancel();
        timer.join();
        let said = hellos.lock().unwrap().clone();
        for (index, hello) in said.iter().enumerate() {
            assert!(*hello - start >= (index as u32 + 1) * SECOND, "not early");
        }
        thread::sleep(2 * SECOND);
        assert_eq!(hellos.lock().unwrap().len(), said.len(), "not after it was cancelled");
    });
}

#[test]
fn program_12_a_producer_faster_than_its_consumers_blocks_at_ten_buns() {
    within(|| {
        const BUNS: usize = 100;
        let basket = JoinableQueue::bounded(10);
        // Before anybody eats, ten fit in.
        for bun in 0..10 {
            basket.try_put(bun).unwrap();
        }
        assert!(basket.is_full());
        assert_eq!(basket.try_put_for(10, SECOND), Err(TryPutError::Full(10)));
        let eaten: Vec<Vec<usize>> = thread::scope(|s| {
            let consumers: Vec<_> = (0..2)
                .map(|_| {
                    s.spawn(|| {
                        let mut eaten = Vec::new();
                        while let Ok(bun) = basket.get() {
                            assert!(basket.len() <= 10);
                            eaten.push(bun);
                            thread::sleep(SECOND / 50);
                        }
                        eaten
                    })
                })
                .collect();
            for bun in 10..BUNS {
                basket.put(bun).unwrap();
            }
            basket.shutdown();
            consumers.into_iter().map(|consumer| consumer.join().unwrap()).collect()
        });
        for of_one in &eaten {
            assert!(of_one.is_sorted(), "each gets them in the order in which they were baked");
        }
        let mut all = eaten.concat();
        all.sort();
        assert_eq!(all, (0..BUNS).collect::<Vec<_>>(), "all eaten, each once");
    });
}

#[test]
fn program_13_join_returns_after_the_last_task_done() {
    within(|| {
        const EACH: usize = 20;
        let queue = JoinableQueue::bounded(8);
        let done = AtomicUsize::new(0);
        thread::scope(|s| {
            // Daemons: they end when the queue does.
            for _ in 0..3 {
                s.spawn(|| {
                    while queue.get().is_ok() {
                        thread::sleep(SECOND / 50);
                        done.fetch_add(1, Ordering::Relaxed);
                        queue.task_done().unwrap();
                    }
                });
            }
            let producers: Vec<_> = (0..2)
                .map(|producer| {
                    let queue = &queue;
                    s.spawn(move || {
                        for number in 0..EACH {
                            queue.put((producer, number)).unwrap();
                        }
                    })
                })
                .collect();
            for producer in producers {
                producer.join().unwrap();
            }
            queue.join();
            assert_eq!(done.load(Ordering::Relaxed), 2 * EACH);
            assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
            queue.shutdown();
        });
    });
}

#[test]
fn program_14_a_none_each_ends_the_consumers() {
    within(|| {
        const CONSUMERS: usize = 3;
        let queue = JoinableQueue::bounded(4);
        let (eaten, ends) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        thread::scope(|s| {
            for consumer in 0..CONSUMERS {
                let (queue, eaten, ends) = (&queue, &eaten, &ends);
                s.spawn(move || {
                    while let Some(number) = queue.get().unwrap() {
                        eaten.fetch_add(number, Ordering::Relaxed);
                        queue.task_done().unwrap();
                    }
                    queue.task_done().unwrap();
                    ends.lock().unwrap().push(consumer);
                });
            }
            for number in 1..=50 {
                queue.put(Some(number)).unwrap();
            }
            for _ in 0..CONSUMERS {
                queue.put(None).unwrap();
            }
            queue.join();
        });
        assert_eq!(eaten.into_inner(), 1275);
        assert!(queue.is_empty());
        let mut ends = ends.into_inner().unwrap();
        ends.sort();
        assert_eq!(ends, [0, 1, 2], "each got one");
    });
}

#[test]
fn program_15_last_in_first_out_lowest_first_and_no_waiting_for_ever() {
    within(|| {
        let plates = LifoQueue::bounded(3);
        for plate in [1, 2, 3] {
            plates.put(plate).unwrap();
        }
        assert!(plates.is_full());
        assert_eq!(plates.try_put(4), Err(TryPutError::Full(4)));
        let start = Instant::now();
        assert_eq!(plates.try_put_for(4, SECOND), Err(TryPutError::Full(4)));
        assert!(start.elapsed() >= SECOND);
        assert_eq!([(); 3].map(|()| plates.get().unwrap()), [3, 2, 1]);
        assert!(plates.is_empty());
        assert_eq!(plates.try_get(), Err(TryGetError::Empty));
        let start = Instant::now();
        assert_eq!(plates.try_get_for(SECOND), Err(TryGetError::Empty));
        assert!(start.elapsed() >= SECOND);

        let patients = PriorityQueue::bounded(4);
        for patient in [(3, "cough"), (1, "heart"), (10, "form"), (1, "stroke")] {
            patients.put(patient).unwrap();
        }
        let late = (0, "fire");
        assert_eq!(patients.try_put(late), Err(TryPutError::Full(late)));
        assert_eq!(patients.try_put_for(late, SECOND).map_err(TryPutError::into_inner), Err(late));
        let order = [(1, "heart"), (1, "stroke"), (3, "cough"), (10, "form")];
        assert_eq!([(); 4].map(|()| patients.get().unwrap()), order);
        assert_eq!(patients.try_get(), Err(TryGetError::Empty));
        assert_eq!(patients.try_get_for(SECOND), Err(TryGetError::Empty));

        // And with threads: nobody looks before all have come in.
        let start_work = Event::new();
        thread::scope(|s| {
            let worker = s.spawn(|| {
                start_work.wait();
                patients.iter().map(|(priority, _)| priority).collect::<Vec<u32>>()
            });
            for priority in [2, 0, 3, 1] {
                patients.put((priority, "")).unwrap();
            }
            patients.shutdown();
            start_work.set();
            assert_eq!(worker.join().unwrap(), [0, 1, 2, 3]);
        });
    });
}

#[test]
fn program_16_a_hundred_tasks_go_through_a_pool_of_five() {
    within(|| {
        let (pool, inside) = (WorkPool::new(5), Inside::default());
        let (all_five, done) = (Event::new(), AtomicUsize::new(0));
        pool.scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    inside.enter();
                    // The first five meet; those after them find that it has happened.
                    if inside.most.load(Ordering::Relaxed) == 5 {
                        all_five.set();
                    }
                    all_five.wait();
                    thread::sleep(SECOND / 20);
                    done.fetch_add(1, Ordering::Relaxed);
                    inside.leave();
                });
            }
        });
        assert_eq!((inside.most.into_inner(), done.into_inner()), (5, 100));
    });
}

#[test]
fn program_17_threads_are_made_as_needed_and_the_callback_hears_of_success_and_failure() {
    /// What the callback was told of each task: success and result, as the original has it.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<(bool, String)>>>);

    impl Told {
        fn callback(&self) -> impl FnOnce(Result<&usize, &JobError>) + Send + 'static {
            let told = self.clone();
            move |result| {
                let line = match result {
                    Ok(result) => (true, result.to_string()),
                    Err(error) => (false, error.message().unwrap_or("cancelled").to_owned()),
                };
                told.0.lock().unwrap().push(line);
            }
        }

        fn sorted(&self) -> Vec<(bool, String)> {
            let mut lines = self.0.lock().unwrap().clone();
            lines.sort();
            lines
        }
    }

    within(|| {
        let told = Told::default();
        let pool = WorkPool::builder().workers(5).lazy_start(true).build().unwrap();
        assert_eq!(pool.workers(), 0);
        // One after the other: one thread is enough, and the list of the idle has it.
        for task in 0..10 {
            pool.apply_async_with(move || task, told.callback()).join().unwrap();
            wait_until("the thread is idle", || pool.idle() == pool.workers());
        }
        assert_eq!(pool.workers(), 1);
        // Many at once that take their time: as many threads as there may be.
        let go_on = Arc::new(Event::new());
        for task in 10..30 {
            let go_on = Arc::clone(&go_on);
            let action = move || {
                go_on.wait();
                if task == 20 {
                    std::panic::resume_unwind(Box::new("task 20 fails"));
                }
                task
            };
            drop(pool.apply_async_with(action, told.callback()));
        }
        // (Who has taken a job from the queue still counts as idle for a moment.)
        wait_until("five are at work", || (pool.queued(), pool.idle()) == (15, 0));
        assert_eq!(pool.workers(), 5);
        // `close` runs all.
        pool.close();
        go_on.set();
        pool.join().unwrap();
        let mut expected: Vec<_> =
            (0..30).filter(|&task| task != 20).map(|task| (true, task.to_string())).collect();
        expected.push((false, "task 20 fails".to_owned()));
        expected.sort();
        assert_eq!(told.sorted(), expected);

        // `terminate` drops what has not begun.
        let told = Told::default();
        let pool = WorkPool::builder().workers(1).lazy_start(true).build().unwrap();
        let (begun, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let first = pool.apply_async_with(
            {
                let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
                move || {
                    begun.set();
                    go_on.wait();
                    1
                }
            },
            told.callback(),
        );
        begun.wait();
        let rest: Vec<_> = (0..10).map(|task| pool.apply_async_with(move || task, told.callback())).collect();
        pool.terminate();
        assert_eq!(told.sorted(), vec![(false, "cancelled".to_owned()); 10]);
        assert!(rest.into_iter().all(|handle| handle.join().is_err_and(|error| error.is_cancelled())));
        go_on.set();
        assert_eq!(first.join().unwrap(), 1);
        pool.join().unwrap();
        assert!(told.sorted().contains(&(true, "1".to_owned())));
    });
}

#[test]
fn program_18_apply_apply_async_and_map_and_no_join_before_close() {
    within(|| {
        for workers in [3, 5] {
            let pool = WorkPool::new(workers);
            // `apply` waits: one after the other.
            let inside = Inside::default();
            for task in 0..10 {
                let result = pool.apply(|| {
                    inside.enter();
                    thread::sleep(SECOND / 20);
                    inside.leave();
                    task
                });
                assert_eq!(result, task);
            }
            assert_eq!(inside.most.into_inner(), 1);
            // `apply_async` does not; the callback adds 100.
            let plus_100 = Arc::new(Mutex::new(Vec::new()));
            let handles: Vec<_> = (0..10)
                .map(|n| {
                    let plus_100 = Arc::clone(&plus_100);
                    pool.apply_async_with(move || n, move |n| plus_100.lock().unwrap().push(n.unwrap() + 100))
                })
                .collect();
            let results: Vec<i32> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
            assert_eq!(results, (0..10).collect::<Vec<_>>());
            let mut plus_100 = plus_100.lock().unwrap().clone();
            plus_100.sort();
            assert_eq!(plus_100, (100..110).collect::<Vec<_>>());
            let square = |n: i32| n * n;
            assert_eq!(pool.map(1..=5, square), [1, 4, 9, 16, 25]);
            assert_eq!(pool.map_async(1..=5, square).join().unwrap(), [1, 4, 9, 16, 25]);
            assert_eq!(pool.join(), Err(PoolJoinError::StillOpen));
            pool.close();
            assert_eq!(pool.join(), Ok(()));
        }
    });
}

#[test]
fn program_19_ten_buyers_and_one_ticket() {
    within(|| {
        let tickets = Lock::new(1);
        let sold = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..10 {
                s.spawn(|| {
                    let mut left = tickets.lock();
                    if *left > 0 {
                        // Thinks it over, with the ticket in hand.
                        thread::sleep(SECOND / 10);
                        *left -= 1;
                        sold.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!((sold.into_inner(), tickets.into_inner()), (1, 0));
    });
}
