//! `JoinableQueue`: order, bounds, joining, shutting down, drops.

#![cfg(not(feature = "loom"))]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, panic_message, past, wait_until, within, work};
use raddle::{GetError, JoinableQueue, PutError, TaskDoneTooOften, TryGetError, TryPutError};

#[test]
fn first_in_first_out() {
    let queue = JoinableQueue::unbounded();
    assert!(queue.is_empty());
    for item in 0..100 {
        queue.put(item).unwrap();
    }
    assert_eq!((queue.len(), queue.unfinished(), queue.is_empty()), (100, 100, false));
    for item in 0..100 {
        assert_eq!(queue.get(), Ok(item));
    }
    assert_eq!((queue.len(), queue.unfinished()), (0, 100));
    assert_eq!(queue.capacity(), None);
    assert!(!queue.is_full());
}

#[test]
fn a_bounded_queue_takes_so_many_and_gives_back_what_it_refuses() {
    within(|| {
        let queue = JoinableQueue::bounded(2);
        assert_eq!(queue.capacity(), Some(2));
        queue.put("a").unwrap();
        assert!(!queue.is_full());
        queue.try_put("b").unwrap();
        assert!(queue.is_full());
        assert_eq!(queue.try_put("c"), Err(TryPutError::Full("c")));
        let start = Instant::now();
        assert_eq!(queue.try_put_for("d", SHORT), Err(TryPutError::Full("d")));
        assert!(start.elapsed() >= SHORT, "early");
        let deadline = Instant::now() + SHORT;
        assert_eq!(queue.try_put_until("e", deadline), Err(TryPutError::Full("e")));
        assert!(Instant::now() >= deadline, "early");
        assert_eq!(queue.try_put_for("f", Duration::ZERO), Err(TryPutError::Full("f")));
        assert_eq!(queue.try_put_until("g", past()), Err(TryPutError::Full("g")));
        assert_eq!((queue.len(), queue.unfinished()), (2, 2), "a put that failed was never unfinished");
        assert_eq!(queue.get(), Ok("a"));
        queue.try_put_for("h", Duration::ZERO).unwrap();
        assert_eq!((queue.get(), queue.get()), (Ok("b"), Ok("h")));
        queue.try_put_until("i", past()).unwrap();
        assert_eq!(queue.try_get_until(past()), Ok("i"));
    });
}

#[test]
fn errors_say_which_they_are() {
    let full: TryPutError<u8> = TryPutError::Full(1);
    let ended = TryPutError::ShutDown(2);
    assert!(full.is_full() && !full.is_shut_down());
    assert!(ended.is_shut_down() && !ended.is_full());
    assert_eq!((full.into_inner(), ended.into_inner(), PutError(3).into_inner()), (1, 2, 3));
    assert_eq!(format!("{full:?} {full}"), "Full(..) the queue is full");
    assert_eq!(format!("{ended:?} {ended}"), "ShutDown(..) the queue is shut down");
    assert_eq!(TryGetError::Empty.to_string(), "the queue is empty");
    assert_eq!(TryGetError::ShutDown.to_string(), "the queue is shut down and empty");
    assert_eq!(GetError.to_string(), "the queue is shut down and empty");
    assert!(TaskDoneTooOften.to_string().starts_with("task_done"));
}

#[test]
fn get_on_an_empty_queue_gives_up_and_not_early() {
    within(|| {
        let queue: JoinableQueue<u8> = JoinableQueue::bounded(1);
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        let start = Instant::now();
        assert_eq!(queue.try_get_for(SHORT), Err(TryGetError::Empty));
        assert!(start.elapsed() >= SHORT, "early");
        let deadline = Instant::now() + SHORT;
        assert_eq!(queue.try_get_until(deadline), Err(TryGetError::Empty));
        assert!(Instant::now() >= deadline, "early");
        for _ in 0..500 {
            assert_eq!(queue.try_get_for(Duration::ZERO), Err(TryGetError::Empty));
            assert_eq!(queue.try_get_until(past()), Err(TryGetError::Empty));
        }
        queue.put(7).unwrap();
        assert_eq!(queue.try_get_for(Duration::ZERO), Ok(7));
    });
}

#[test]
fn a_put_wakes_a_getter() {
    within(|| {
        for round in 0..100 {
            let queue = JoinableQueue::unbounded();
            let arrived = AtomicUsize::new(0);
            let got = AtomicUsize::new(0);
            thread::scope(|s| {
                for index in 0..4 {
                    let (queue, arrived, got) = (&queue, &arrived, &got);
                    s.spawn(move || {
                        arrived.fetch_add(1, Ordering::Relaxed);
                        let item: usize = match index {
                            0 => queue.try_get_for(LONG).unwrap(),
                            1 => queue.try_get_until(Instant::now() + LONG).unwrap(),
                            2 => *queue.get_job().unwrap(),
                            _ => queue.get().unwrap(),
                        };
                        got.fetch_add(item, Ordering::Relaxed);
                    });
                }
                wait_until("some are near", || arrived.load(Ordering::Relaxed) > round % 4);
                work(Duration::from_micros(round as u64));
                for item in [1, 10, 100, 1000] {
                    queue.put(item).unwrap();
                }
            });
            assert_eq!(got.into_inner(), 1111);
        }
    });
}

#[test]
fn a_get_wakes_a_putter() {
    within(|| {
        for round in 0..100 {
            let queue = JoinableQueue::bounded(1);
            queue.put(0).unwrap();
            let arrived = AtomicUsize::new(0);
            thread::scope(|s| {
                for index in 0..3 {
                    let (queue, arrived) = (&queue, &arrived);
                    s.spawn(move || {
                        arrived.fetch_add(1, Ordering::Relaxed);
                        match index {
                            0 => queue.try_put_for(1, LONG).unwrap(),
                            1 => queue.try_put_until(1, Instant::now() + LONG).unwrap(),
                            _ => queue.put(1).unwrap(),
                        }
                    });
                }
                wait_until("some are near", || arrived.load(Ordering::Relaxed) > round % 3);
                work(Duration::from_micros(round as u64));
                assert_eq!((0..4).map(|_| queue.get().unwrap()).sum::<usize>(), 3);
            });
            assert!(queue.is_empty());
        }
    });
}

#[test]
fn join_waits_for_task_done_and_not_for_emptiness() {
    within(|| {
        let queue = JoinableQueue::unbounded();
        queue.join();
        assert!(queue.join_for(Duration::ZERO));
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        assert!(!queue.join_for(Duration::ZERO));
        assert_eq!((queue.get(), queue.get()), (Ok(1), Ok(2)));
        assert!(queue.is_empty());
        let start = Instant::now();
        assert!(!queue.join_for(SHORT), "it is empty, but nothing is done");
        assert!(start.elapsed() >= SHORT, "early");
        assert!(!queue.join_until(past()));
        queue.task_done().unwrap();
        assert_eq!(queue.unfinished(), 1);
        assert!(!queue.join_until(Instant::now() + SHORT));
        let done = AtomicBool::new(false);
        thread::scope(|s| {
            for index in 0..3 {
                let (queue, done) = (&queue, &done);
                s.spawn(move || {
                    match index {
                        0 => queue.join(),
                        1 => assert!(queue.join_for(LONG)),
                        _ => assert!(queue.join_until(Instant::now() + LONG)),
                    }
                    assert!(done.load(Ordering::Relaxed), "joined before the last task_done");
                });
            }
            thread::sleep(Duration::from_millis(1));
            done.store(true, Ordering::Relaxed);
            queue.task_done().unwrap();
        });
        assert!(queue.join_until(past()));
    });
}

#[test]
fn a_task_done_too_many_is_an_error_and_changes_nothing() {
    within(|| {
        let queue = JoinableQueue::unbounded();
        assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
        queue.put(1).unwrap();
        // Of an item that is still queued: Python allows that too.
        queue.task_done().unwrap();
        assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
        assert_eq!((queue.unfinished(), queue.len()), (0, 1));
        queue.put(2).unwrap();
        assert_eq!(queue.unfinished(), 1);
    });
}

#[test]
fn a_job_is_done_when_it_is_dropped_also_in_a_panic() {
    within(|| {
        let queue = JoinableQueue::unbounded();
        for item in 0..4 {
            queue.put(vec![item]).unwrap();
        }
        let mut job = queue.get_job().unwrap();
        job.push(10);
        assert_eq!((job.len(), format!("{job:?}")), (2, String::from("Job([0, 10])")));
        assert_eq!(queue.unfinished(), 4);
        drop(job);
        assert_eq!(queue.unfinished(), 3);
        assert_eq!(queue.get_job().unwrap().into_inner(), [1]);
        assert_eq!(queue.unfinished(), 2);
        panic_message(|| {
            let _job = queue.get_job().unwrap();
            panic!("at work");
        });
        assert_eq!(queue.unfinished(), 1);
        // A job that is leaked is never done.
        std::mem::forget(queue.get_job().unwrap());
        assert!(!queue.join_for(SHORT));
        queue.task_done().unwrap();
        queue.join();
    });
}

#[test]
fn the_item_of_a_job_is_gone_before_it_counts_as_done() {
    struct Item<'a> {
        dropped: &'a AtomicBool,
        panics: bool,
    }

    impl Drop for Item<'_> {
        fn drop(&mut self) {
            // Time for `join` to come back too early.
            work(Duration::from_micros(300));
            self.dropped.store(true, Ordering::Relaxed);
            assert!(!self.panics, "in the destructor of an item");
        }
    }

    within(|| {
        for panics in [false, true] {
            let dropped = AtomicBool::new(false);
            let queue = JoinableQueue::unbounded();
            assert!(queue.put(Item { dropped: &dropped, panics }).is_ok());
            thread::scope(|s| {
                s.spawn(|| {
                    let result = catch_unwind(AssertUnwindSafe(|| drop(queue.get_job().ok())));
                    assert_eq!(result.is_err(), panics);
                });
                queue.join();
                assert!(dropped.load(Ordering::Relaxed), "done before the item was gone");
            });
        }
    });
}

#[test]
fn shutdown_ends_the_putting_and_lets_gets_drain() {
    within(|| {
        let queue = JoinableQueue::bounded(3);
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        assert!(!queue.is_shut_down());
        queue.shutdown();
        queue.shutdown();
        assert!(queue.is_shut_down());
        assert_eq!(queue.put(3), Err(PutError(3)));
        assert_eq!(queue.try_put(4), Err(TryPutError::ShutDown(4)));
        assert_eq!(queue.try_put_for(5, LONG), Err(TryPutError::ShutDown(5)));
        assert_eq!(queue.try_put_until(6, Instant::now() + LONG), Err(TryPutError::ShutDown(6)));
        assert_eq!(queue.unfinished(), 2);
        assert_eq!((queue.get(), queue.try_get()), (Ok(1), Ok(2)));
        assert_eq!(queue.get(), Err(GetError));
        assert_eq!(queue.get_job().map(drop), Err(GetError));
        assert_eq!(queue.try_get(), Err(TryGetError::ShutDown));
        assert_eq!(queue.try_get_for(LONG), Err(TryGetError::ShutDown));
        assert_eq!(queue.try_get_until(Instant::now() + LONG), Err(TryGetError::ShutDown));
        assert!(!queue.join_for(SHORT), "what was got still has to be done");
        queue.task_done().unwrap();
        queue.task_done().unwrap();
        queue.join();
    });
}

#[test]
fn shutdown_now_hands_back_what_is_queued_and_counts_it_as_done() {
    within(|| {
        let queue = JoinableQueue::unbounded();
        for item in 0..5 {
            queue.put(item).unwrap();
        }
        let _taken = (queue.get().unwrap(), queue.get().unwrap());
        assert_eq!(queue.shutdown_now(), [2, 3, 4]);
        assert_eq!((queue.len(), queue.unfinished()), (0, 2));
        assert_eq!(queue.get(), Err(GetError));
        assert_eq!(queue.put(9), Err(PutError(9)));
        assert!(!queue.join_for(SHORT), "two were taken, and are not done");
        queue.task_done().unwrap();
        queue.task_done().unwrap();
        assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
        queue.join();
        assert_eq!(queue.shutdown_now(), []);
    });
}

#[test]
fn shutdown_now_lets_join_go() {
    within(|| {
        for _ in 0..50 {
            let queue = JoinableQueue::unbounded();
            queue.put(1).unwrap();
            thread::scope(|s| {
                s.spawn(|| queue.join());
                s.spawn(|| assert!(queue.join_for(LONG)));
                work(Duration::from_micros(100));
                assert_eq!(queue.shutdown_now(), [1]);
            });
        }
    });
}

#[test]
fn shutdown_now_does_not_underflow_when_queued_items_were_said_to_be_done() {
    // `task_done` may be said of an item that is still queued; then there is less to take off than items come back.
    within(|| {
        let queue = JoinableQueue::unbounded();
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        queue.task_done().unwrap();
        let items = catch_unwind(AssertUnwindSafe(|| queue.shutdown_now()));
        assert_eq!(items.expect("no call but bounded(0) panics"), [1, 2]);
        assert_eq!(queue.unfinished(), 0);
        assert!(queue.join_for(SHORT));
    });
}

#[test]
fn shutdown_wakes_everybody_who_waits() {
    within(|| {
        for now in [false, true] {
            for round in 0..25 {
                let (empty, full) = (JoinableQueue::<u8>::unbounded(), JoinableQueue::bounded(1));
                full.put(0).unwrap();
                let arrived = AtomicUsize::new(0);
                thread::scope(|s| {
                    for index in 0..3 {
                        let (empty, full, arrived) = (&empty, &full, &arrived);
                        s.spawn(move || {
                            arrived.fetch_add(1, Ordering::Relaxed);
                            match index {
                                0 => assert_eq!(empty.get(), Err(GetError)),
                                1 => assert_eq!(empty.get_job().map(drop), Err(GetError)),
                                _ => assert_eq!(empty.try_get_for(LONG), Err(TryGetError::ShutDown)),
                            }
                        });
                        s.spawn(move || {
                            arrived.fetch_add(1, Ordering::Relaxed);
                            match index {
                                0 => assert_eq!(full.try_put_for(7, LONG), Err(TryPutError::ShutDown(7))),
                                _ => assert_eq!(full.put(8), Err(PutError(8))),
                            }
                        });
                    }
                    wait_until("some are near", || arrived.load(Ordering::Relaxed) > round % 6);
                    work(Duration::from_micros(50));
                    if now {
                        assert_eq!((empty.shutdown_now(), full.shutdown_now()), (vec![], vec![0]));
                    } else {
                        empty.shutdown();
                        full.shutdown();
                    }
                });
                assert_eq!(full.unfinished(), usize::from(!now));
            }
        }
    });
}

#[test]
fn iterators_end_with_the_queue() {
    within(|| {
        let queue = JoinableQueue::bounded(2);
        let sum = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    for item in &queue {
                        sum.fetch_add(item, Ordering::Relaxed);
                        queue.task_done().unwrap();
                    }
                });
            }
            for item in 1..=100 {
                queue.put(item).unwrap();
            }
            queue.join();
            assert_eq!(sum.load(Ordering::Relaxed), 5050);
            queue.shutdown();
        });
        assert_eq!(queue.iter().next(), None);

        let queue = JoinableQueue::unbounded();
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        assert_eq!(queue.into_iter().collect::<Vec<_>>(), [1, 2], "nobody else can put, so it ends");
    });
}

#[test]
fn an_item_that_left_is_not_kept_alive() {
    within(|| {
        let queue = JoinableQueue::bounded(4);
        let item = Arc::new(());
        for _ in 0..10 {
            queue.put(Arc::clone(&item)).unwrap();
            queue.put(Arc::clone(&item)).unwrap();
            assert_eq!(Arc::strong_count(&item), 3);
            drop(queue.get().unwrap());
            assert_eq!(Arc::strong_count(&item), 2);
            drop(queue.get_job().unwrap());
            assert_eq!(Arc::strong_count(&item), 1);
        }
        assert!(queue.try_put_for(Arc::clone(&item), Duration::ZERO).is_ok());
        drop(queue.shutdown_now());
        assert_eq!(Arc::strong_count(&item), 1);
        drop(queue.put(Arc::clone(&item)).unwrap_err());
        assert_eq!(Arc::strong_count(&item), 1);
    });
}

/// Counts how often it is dropped.
struct Counted<'a> {
    drops: &'a AtomicUsize,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_is_left_is_dropped_once_with_the_queue() {
    let drops = AtomicUsize::new(0);
    let queue = JoinableQueue::unbounded();
    for _ in 0..100 {
        assert!(queue.put(Counted { drops: &drops }).is_ok());
    }
    // So that the ring has wrapped round.
    for _ in 0..70 {
        drop(queue.get().ok());
        assert!(queue.put(Counted { drops: &drops }).is_ok());
    }
    assert_eq!(drops.load(Ordering::Relaxed), 70);
    drop(queue);
    assert_eq!(drops.load(Ordering::Relaxed), 170);
}

#[test]
fn every_item_is_delivered_once_in_the_order_of_its_putter() {
    within(|| stress(false));
}

#[test]
fn every_item_is_delivered_or_handed_back_when_it_is_shut_down_in_between() {
    within(|| {
        for _ in 0..5 {
            stress(true);
        }
    });
}

/// 8 putters, 8 getters, random timeouts. With `shut_down`, `shutdown_now` comes somewhere in the middle.
fn stress(shut_down: bool) {
    const EACH: usize = 300;
    const PUTTERS: usize = 8;
    const GETTERS: usize = 8;

    struct Item<'a> {
        putter: usize,
        number: usize,
        _drops: Counted<'a>,
    }

    let drops = AtomicUsize::new(0);
    let queue: JoinableQueue<Item<'_>> = JoinableQueue::bounded(5);
    let (made, refused) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let back = Mutex::new(Vec::new());
    let lists: Vec<Vec<(usize, usize)>> = thread::scope(|s| {
        let putters: Vec<_> = (0..PUTTERS)
            .map(|putter| {
                let (queue, drops, made, refused) = (&queue, &drops, &made, &refused);
                s.spawn(move || {
                    let mut random = Random::new(putter as u64 + 1);
                    for number in 0..EACH {
                        made.fetch_add(1, Ordering::Relaxed);
                        let mut item = Item { putter, number, _drops: Counted { drops } };
                        loop {
                            let result = match random.below(4) {
                                0 => {
                                    queue.put(item).map_err(|error| TryPutError::ShutDown(error.into_inner()))
                                }
                                1 => queue.try_put(item),
                                2 => queue.try_put_until(item, Instant::now() + random.micros(60)),
                                _ => queue.try_put_for(item, random.micros(60)),
                            };
                            match result {
                                Ok(()) => break,
                                Err(TryPutError::Full(same)) => {
                                    assert_eq!((same.putter, same.number), (putter, number));
                                    item = same;
                                    thread::yield_now();
                                }
                                Err(TryPutError::ShutDown(same)) => {
                                    refused.lock().unwrap().push((same.putter, same.number));
                                    return;
                                }
                            }
                        }
                    }
                })
            })
            .collect();
        let getters: Vec<_> = (0..GETTERS)
            .map(|getter| {
                let queue = &queue;
                s.spawn(move || {
                    let mut random = Random::new(getter as u64 + 100);
                    let mut list = Vec::new();
                    loop {
                        let result = match random.below(5) {
                            0 => queue.get().map_err(|_| TryGetError::ShutDown),
                            1 => queue.get_job().map_err(|_| TryGetError::ShutDown).map(|job| {
                                let item = job.into_inner();
                                list.push((item.putter, item.number));
                                item
                            }),
                            2 => queue.try_get(),
                            3 => queue.try_get_until(Instant::now() + random.micros(60)),
                            _ => queue.try_get_for(random.micros(60)),
                        };
                        match result {
                            Ok(item) => {
                                let entry = (item.putter, item.number);
                                drop(item);
                                // A job has said so itself.
                                if list.last() != Some(&entry) {
                                    list.push(entry);
                                    queue.task_done().unwrap();
                                }
                            }
                            Err(TryGetError::Empty) => thread::yield_now(),
                            Err(TryGetError::ShutDown) => return list,
                        }
                    }
                })
            })
            .collect();
        if shut_down {
            wait_until("it is on its way", || made.load(Ordering::Relaxed) > PUTTERS * EACH / 3);
            *back.lock().unwrap() =
                queue.shutdown_now().into_iter().map(|item| (item.putter, item.number)).collect::<Vec<_>>();
        }
        for putter in putters {
            putter.join().unwrap();
        }
        if !shut_down {
            queue.join();
            assert!(queue.is_empty());
            queue.shutdown();
        }
        getters.into_iter().map(|getter| getter.join().unwrap()).collect()
    });
    let made = made.into_inner();
    queue.join();
    assert_eq!((queue.unfinished(), queue.len()), (0, 0));
    assert_eq!(drops.load(Ordering::Relaxed), made, "each dropped once");
    for list in &lists {
        let mut last = [None; PUTTERS];
        for &(putter, number) in list {
            assert!(last[putter] < Some(number), "out of order");
            last[putter] = Some(number);
        }
    }
    let mut all: Vec<_> = lists.concat();
    all.extend(back.into_inner().unwrap());
    all.extend(refused.into_inner().unwrap());
    all.sort();
    let count = all.len();
    all.dedup();
    assert_eq!(all.len(), count, "something was delivered twice");
    assert_eq!(count, made, "something was lost");
}

#[test]
fn one_deadline_holds_while_others_are_faster() {
    within(|| {
        // The timed getter is woken again and again, and may or may not get an item; it comes back either way.
        let queue = JoinableQueue::unbounded();
        let back = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                let _ = queue.try_get_for(Duration::from_millis(30));
                back.store(true, Ordering::Relaxed);
            });
            wait_until("the getter is back", || {
                queue.put(1).unwrap();
                let _ = queue.try_get();
                back.load(Ordering::Relaxed)
            });
        });
    });
}

#[test]
fn debug_never_blocks_and_needs_nothing_of_the_items() {
    struct Opaque;
    let queue = JoinableQueue::bounded(2);
    queue.put(Opaque).unwrap();
    let shown = format!("{queue:?}");
    assert!(shown.contains("len: 1") && shown.contains("unfinished: 1"), "{shown}");
}

#[test]
fn a_queue_without_room_panics_and_names_the_call() {
    let message = panic_message(|| JoinableQueue::<u8>::bounded(0));
    assert!(message.starts_with("JoinableQueue::bounded(0)"), "{message}");
}

/// So often a thread sits down in the lobby before it gives up: a test of broken code fails, and doesn't hang.
const OFTEN: usize = 1_000_000;

/// A thread that is in the lobby again and again, until somebody has served it.
#[test]
fn who_finds_the_queue_empty_puts_the_item_of_a_putter_in_the_lobby() {
    let queue = JoinableQueue::bounded(1);
    std::thread::scope(|scope| {
        let putter = scope.spawn(|| queue.put_from_lobby(1, OFTEN));
        let item = loop {
            let (was_last, item) = (putter.is_finished(), queue.try_get());
            if was_last || item.is_ok() {
                break item;
            }
        };
        assert_eq!(item, Ok(1));
        assert_eq!(putter.join().unwrap(), Ok(()));
    });
    assert_eq!(queue.unfinished(), 1);
    assert_eq!(queue.put_from_lobby(2, 1), Err(2));
    assert!(queue.is_empty());
}

/// As above.
#[test]
fn who_finds_the_queue_full_gives_the_oldest_item_to_a_getter_in_the_lobby() {
    let queue = JoinableQueue::bounded(2);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    std::thread::scope(|scope| {
        let getter = scope.spawn(|| (0..OFTEN).find_map(|_| queue.get_from_lobby()));
        while queue.try_put(3).is_err() && !getter.is_finished() {}
        assert_eq!(getter.join().unwrap(), Some(1));
    });
    assert_eq!(queue.len(), 2);
    assert_eq!([queue.try_get(), queue.try_get()], [Ok(2), Ok(3)]);
}
