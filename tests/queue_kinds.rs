//! What every queue promises, whichever kind it is: bounds, timeouts, lines of waiting threads, joining, shutting down, jobs,
//! iterators.

#![cfg(not(feature = "loom"))]

mod common;
mod queues;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, SHORT, panic_message, past, wait_until, within, work};
use queues::{AnyQueue, Kind, Order};
use raddle::{
    ArcIter, ArcJob, GetError, IntoIter, Iter, Job, JoinableQueue, LifoQueue, PriorityQueue, PutError,
    TaskDoneTooOften, TryGetError, TryPutError,
};
use static_assertions::{assert_impl_all as is, assert_not_impl_any as is_not};

#[cfg(target_os = "linux")]
use common::Whereabouts;

on_each_kind! {
    items_come_out_in_the_order_of_their_kind,
    a_full_queue_refuses_and_gives_the_item_back,
    an_empty_queue_gives_up_and_not_early,
    no_timeout_is_too_long,
    a_capacity_may_be_large,
    a_getter_and_an_item_that_meet_at_the_deadline_are_both_accounted_for,
    a_putter_and_room_that_meet_at_the_deadline_are_both_accounted_for,
    who_gives_up_leaves_the_next_in_line_unharmed,
    join_waits_for_task_done_and_not_for_emptiness,
    join_does_not_come_back_between_a_put_and_its_task_done,
    join_with_a_timeout_says_whether_all_was_done,
    task_done_too_often_changes_nothing,
    task_done_by_many_at_once_succeeds_once_for_each_item,
    task_done_beside_puts_never_counts_below_zero,
    shutdown_drains_and_then_fails,
    shutdown_now_hands_back_in_order_and_counts_as_done,
    shutdown_now_by_many_at_once_hands_back_each_item_once,
    a_job_counts_as_done_when_it_is_dropped,
    a_job_held_in_a_panic_counts_as_done,
    an_item_whose_destructor_panics_in_a_job_counts_as_done,
    an_arc_job_outlives_all_other_owners,
    iterators_end_with_the_queue,
    an_item_that_left_is_not_kept_alive,
    a_destructor_may_put_into_an_unbounded_queue,
    the_destructor_of_a_refused_item_may_use_the_queue,
    a_destructor_of_a_threads_locals_may_use_it,
    #[cfg(target_os = "linux")]
    getters_are_served_in_the_order_in_which_they_came,
    #[cfg(target_os = "linux")]
    putters_are_served_in_the_order_in_which_they_came,
    #[cfg(target_os = "linux")]
    a_burst_of_items_serves_everybody_who_waits,
    #[cfg(target_os = "linux")]
    join_comes_back_at_a_moment_with_nothing_to_do,
    #[cfg(target_os = "linux")]
    shutdown_wakes_everybody,
    #[cfg(target_os = "linux")]
    debug_does_not_block,
}

on_each_fifo_kind! {
    #[cfg(target_os = "linux")]
    a_burst_of_items_is_handed_out_in_the_order_of_the_line,
}

const MILLI: Duration = Duration::from_millis(1);

fn far() -> Instant {
    Instant::now() + Duration::from_secs(100 * 365 * 24 * 3600)
}

fn items_come_out_in_the_order_of_their_kind<K: Kind>() {
    let mut random = Random::new(1);
    for count in [0, 1, 2, 3, 30, 31, 32, 33, 62, 63, 64, 93, 94, 500] {
        let queues = [K::unbounded(), K::bounded(count.max(1)), K::bounded(count + 7)];
        for queue in queues {
            // Twice, so that it begins somewhere else the second time.
            for _ in 0..2 {
                let mut items: Vec<(u64, usize)> = (0..count).map(|n| (random.below(20), n)).collect();
                for (before, &item) in items.iter().enumerate() {
                    assert_eq!(queue.len(), before);
                    queue.try_put(item).unwrap();
                }
                assert_eq!((queue.len(), queue.unfinished()), (count, count));
                assert_eq!(queue.is_full(), queue.capacity() == Some(count));
                K::ORDER.sort(&mut items);
                for (before, item) in items.into_iter().enumerate() {
                    assert_eq!(queue.len(), count - before);
                    assert_eq!(queue.try_get(), Ok(item));
                    queue.task_done().unwrap();
                }
                assert_eq!(queue.try_get(), Err(TryGetError::Empty));
                assert_eq!((queue.len(), queue.unfinished(), queue.is_empty()), (0, 0, true));
            }
        }
    }
}

fn a_full_queue_refuses_and_gives_the_item_back<K: Kind>() {
    for capacity in [1, 2, 3, 31, 32, 62, 100] {
        let queue = K::bounded(capacity);
        assert_eq!(queue.capacity(), Some(capacity));
        // Each round begins at another place in the ring, or in a block.
        for round in 0..3 {
            for item in 0..capacity {
                assert!(!queue.is_full());
                queue.try_put_for(item, Duration::ZERO).unwrap();
            }
            assert!(queue.is_full());
            assert_eq!(queue.try_put(1000), Err(TryPutError::Full(1000)));
            assert_eq!(queue.try_put_for(1001, Duration::ZERO), Err(TryPutError::Full(1001)));
            assert_eq!(queue.try_put_until(1002, past()), Err(TryPutError::Full(1002)));
            let start = Instant::now();
            assert_eq!(queue.try_put_for(1003, MILLI), Err(TryPutError::Full(1003)));
            assert!(start.elapsed() >= MILLI, "early");
            let deadline = Instant::now() + MILLI;
            assert_eq!(queue.try_put_until(1004, deadline), Err(TryPutError::Full(1004)));
            assert!(Instant::now() >= deadline, "early");
            assert_eq!(
                (queue.len(), queue.unfinished()),
                (capacity, capacity),
                "a put that failed counts nowhere"
            );
            // One goes, one comes.
            let gone = queue.get().unwrap();
            assert!(!queue.is_full());
            queue.try_put_until(gone, past()).unwrap();
            assert!(queue.is_full());
            assert_eq!(queue.unfinished(), capacity + 1);
            queue.task_done().unwrap();
            let mut all: Vec<usize> = (0..capacity).map(|_| queue.get().unwrap()).collect();
            all.sort();
            assert!(all.into_iter().eq(0..capacity));
            (0..capacity).for_each(|_| queue.task_done().unwrap());
            assert!(queue.is_empty());
            // So that the next round begins elsewhere.
            for item in 0..round {
                queue.put(item).unwrap();
                drop(queue.get_job().unwrap());
            }
        }
    }
    let queue = K::unbounded();
    for item in 0..1000 {
        queue.try_put(item).unwrap();
        assert!(!queue.is_full());
    }
    assert_eq!(queue.capacity(), None);
}

fn an_empty_queue_gives_up_and_not_early<K: Kind>() {
    for queue in [K::unbounded::<u32>(), K::bounded(3)] {
        let queue = Arc::new(queue);
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        for timeout in [Duration::from_nanos(1), Duration::from_micros(50), MILLI, SHORT] {
            let start = Instant::now();
            assert_eq!(queue.try_get_for(timeout), Err(TryGetError::Empty));
            assert!(start.elapsed() >= timeout, "early");
            let deadline = Instant::now() + timeout;
            assert_eq!(queue.try_get_until(deadline), Err(TryGetError::Empty));
            assert!(Instant::now() >= deadline, "early");
            let deadline = Instant::now() + timeout;
            assert_eq!(queue.try_get_job_until(deadline).map(drop), Err(TryGetError::Empty));
            assert_eq!(queue.try_get_job_for(timeout).map(drop), Err(TryGetError::Empty));
            assert_eq!(queue.try_get_job_arc_for(timeout).map(drop), Err(TryGetError::Empty));
            assert!(Instant::now() >= deadline + timeout + timeout, "early");
        }
        for _ in 0..200 {
            assert_eq!(queue.try_get_for(Duration::ZERO), Err(TryGetError::Empty));
            assert_eq!(queue.try_get_until(past()), Err(TryGetError::Empty));
            assert_eq!(queue.try_get_job_arc_until(past()).map(drop), Err(TryGetError::Empty));
        }
        // When there is something, no timeout is too short.
        (0..4).for_each(|_| {
            queue.put(7).unwrap();
            assert_eq!(queue.try_get_for(Duration::ZERO), Ok(7));
            queue.put(8).unwrap();
            assert_eq!(queue.try_get_until(past()), Ok(8));
        });
    }
}

fn no_timeout_is_too_long<K: Kind>() {
    let queue = K::bounded(1);
    // Nothing to wait for.
    queue.try_put_for(1, Duration::MAX).unwrap();
    assert_eq!(queue.try_get_for(Duration::MAX), Ok(1));
    queue.try_put_until(2, far()).unwrap();
    assert_eq!(queue.try_get_until(far()), Ok(2));
    (0..2).for_each(|_| queue.task_done().unwrap());
    assert!(queue.join_for(Duration::MAX) && queue.join_until(far()));
    // Something to wait for: on all three words.
    thread::scope(|s| {
        s.spawn(|| {
            for item in 0..50 {
                queue.try_put_for(item, Duration::MAX).unwrap();
                assert!(queue.join_for(Duration::MAX), "for ever is long enough");
                queue.try_put_until(item, far()).unwrap();
                assert!(queue.join_until(far()), "a hundred years are long enough");
            }
        });
        for item in 0..50 {
            assert_eq!(queue.try_get_for(Duration::MAX), Ok(item));
            work(Duration::from_micros(20));
            queue.task_done().unwrap();
            assert_eq!(queue.try_get_until(far()), Ok(item));
            work(Duration::from_micros(20));
            queue.task_done().unwrap();
        }
    });
    // Also at a full queue.
    queue.put(1).unwrap();
    thread::scope(|s| {
        s.spawn(|| queue.try_put_for(2, Duration::MAX).unwrap());
        work(Duration::from_micros(300));
        assert_eq!((queue.get(), queue.get()), (Ok(1), Ok(2)));
        queue.put(3).unwrap();
        s.spawn(|| queue.try_put_until(4, far()).unwrap());
        work(Duration::from_micros(300));
        assert_eq!((queue.get(), queue.get()), (Ok(3), Ok(4)));
    });
}

fn a_capacity_may_be_large<K: Kind>() {
    for capacity in [1 << 16, (1 << 16) + 1] {
        let queue = K::bounded(capacity);
        for item in 0..capacity {
            queue.try_put(item as u32).unwrap();
        }
        assert!(queue.is_full());
        assert_eq!(queue.try_put(9), Err(TryPutError::Full(9)));
        assert_eq!(queue.unfinished(), capacity);
        let mut items: Vec<u32> = (0..capacity as u32).collect();
        K::ORDER.sort(&mut items);
        queue.shutdown();
        assert_eq!(queue.into_items().collect::<Vec<_>>(), items);
    }
}

/// The deadline of a lone getter, and a put, at about the same time.
fn a_getter_and_an_item_that_meet_at_the_deadline_are_both_accounted_for<K: Kind>() {
    const ROUNDS: usize = 400;
    let queue = K::unbounded();
    let mut random = Random::new(7);
    thread::scope(|s| {
        let ((go, is_time), (back, is_back)) = (mpsc::channel(), mpsc::channel());
        s.spawn(|| {
            let is_time: mpsc::Receiver<()> = is_time;
            let back = back;
            while is_time.recv().is_ok() {
                back.send(queue.try_get_for(Duration::from_micros(40))).unwrap();
            }
        });
        for round in 0..ROUNDS {
            go.send(()).unwrap();
            work(random.micros(110));
            queue.put(round).unwrap();
            match is_back.recv().unwrap() {
                Ok(item) => assert_eq!((item, queue.len()), (round, 0)),
                Err(error) => {
                    assert_eq!(error, TryGetError::Empty);
                    assert_eq!(queue.try_get(), Ok(round), "swallowed");
                }
            }
        }
        drop(go);
    });
    assert_eq!((queue.len(), queue.unfinished()), (0, ROUNDS));
}

/// The deadline of a lone putter, and a get, at about the same time.
fn a_putter_and_room_that_meet_at_the_deadline_are_both_accounted_for<K: Kind>() {
    let queue = K::bounded(1);
    let mut random = Random::new(8);
    thread::scope(|s| {
        let ((go, is_time), (back, is_back)) = (mpsc::channel(), mpsc::channel());
        s.spawn(|| {
            let is_time: mpsc::Receiver<usize> = is_time;
            let back = back;
            while let Ok(item) = is_time.recv() {
                back.send(queue.try_put_for(item, Duration::from_micros(40))).unwrap();
            }
        });
        for round in 1..=400 {
            queue.put(0).unwrap();
            go.send(round).unwrap();
            work(random.micros(110));
            assert_eq!(queue.get(), Ok(0));
            match is_back.recv().unwrap() {
                Ok(()) => {
                    assert_eq!(queue.try_get(), Ok(round), "lost");
                    queue.task_done().unwrap();
                }
                Err(error) => assert_eq!(error, TryPutError::Full(round)),
            }
            queue.task_done().unwrap();
            assert_eq!((queue.len(), queue.unfinished()), (0, 0));
        }
        drop(go);
    });
}

/// Two patient, two impatient, on each side; and just as much as the patient need.
fn who_gives_up_leaves_the_next_in_line_unharmed<K: Kind>() {
    for round in 0..10 {
        let (empty, full) = (K::unbounded(), K::bounded(1));
        full.put(0).unwrap();
        let (back, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|s| {
            for index in 0..4 {
                let (empty, full, back, served) = (&empty, &full, &back, &served);
                s.spawn(move || {
                    let mut random = Random::new(round * 4 + index);
                    if index % 2 == 0 {
                        assert_eq!(empty.get(), Ok(1));
                        served.fetch_add(1, Ordering::Relaxed);
                    } else {
                        for _ in 0..20 {
                            if let Ok(item) = empty.try_get_for(random.micros(60)) {
                                // Back, so that there is enough for the patient.
                                empty.put(item).unwrap();
                            }
                        }
                        back.fetch_add(1, Ordering::Relaxed);
                    }
                });
                s.spawn(move || {
                    let mut random = Random::new(round * 4 + index + 1000);
                    if index % 2 == 0 {
                        full.put(2).unwrap();
                        served.fetch_add(1, Ordering::Relaxed);
                    } else {
                        for _ in 0..20 {
                            if full.try_put_for(3, random.micros(60)).is_ok() {
                                // One out for one in.
                                full.get().unwrap();
                            }
                        }
                        back.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            work(Duration::from_micros(20 * round));
            (0..2).for_each(|_| empty.put(1).unwrap());
            (0..2).for_each(|_| assert!(full.get().is_ok()));
            wait_until("the patient are served", || served.load(Ordering::Relaxed) == 4);
            wait_until("the impatient are back", || back.load(Ordering::Relaxed) == 4);
        });
        assert_eq!((empty.len(), full.len()), (0, 1));
    }
}

#[cfg(target_os = "linux")]
fn getters_are_served_in_the_order_in_which_they_came<K: Kind>() {
    for (round, queue) in [K::unbounded::<usize>(), K::bounded(1), K::bounded(8)].into_iter().enumerate() {
        const GETTERS: usize = 6;
        let got = Mutex::new(Vec::new());
        thread::scope(|s| {
            for getter in 0..GETTERS {
                let whereabouts = Arc::new(Whereabouts::new());
                let (queue, got) = (&queue, &got);
                s.spawn({
                    let whereabouts = Arc::clone(&whereabouts);
                    move || {
                        whereabouts.about_to_block();
                        let item = match (getter + round) % 3 {
                            0 => queue.get().unwrap(),
                            1 => queue.try_get_for(LONG).unwrap(),
                            _ => queue.get_job().unwrap().into_inner(),
                        };
                        got.lock().unwrap().push((getter, item));
                    }
                });
                whereabouts.wait_until_asleep();
            }
            for item in 0..GETTERS {
                queue.put(item).unwrap();
                wait_until("one has it", || got.lock().unwrap().len() > item);
            }
        });
        assert!(got.into_inner().unwrap().into_iter().eq((0..GETTERS).map(|n| (n, n))));
    }
}

/// The woken getter gets its item before it wakes the next. So it holds for a burst too, if nobody else gets.
#[cfg(target_os = "linux")]
fn a_burst_of_items_is_handed_out_in_the_order_of_the_line<K: Kind>() {
    const GETTERS: usize = 8;
    for queue in [K::unbounded(), K::bounded(GETTERS)] {
        let got: Vec<usize> = thread::scope(|s| {
            let getters: Vec<_> = (0..GETTERS)
                .map(|_| {
                    let whereabouts = Arc::new(Whereabouts::new());
                    let getter = s.spawn({
                        let (whereabouts, queue) = (Arc::clone(&whereabouts), &queue);
                        move || {
                            whereabouts.about_to_block();
                            queue.get().unwrap()
                        }
                    });
                    whereabouts.wait_until_asleep();
                    getter
                })
                .collect();
            for item in 0..GETTERS {
                queue.put(item).unwrap();
            }
            getters.into_iter().map(|getter| getter.join().unwrap()).collect()
        });
        assert!(got.into_iter().eq(0..GETTERS));
    }
}

#[cfg(target_os = "linux")]
fn a_burst_of_items_serves_everybody_who_waits<K: Kind>() {
    const GETTERS: usize = 8;
    for _ in 0..3 {
        let queue = K::unbounded();
        let mut got: Vec<usize> = thread::scope(|s| {
            let getters: Vec<_> = (0..GETTERS)
                .map(|_| {
                    let whereabouts = Arc::new(Whereabouts::new());
                    let getter = s.spawn({
                        let (whereabouts, queue) = (Arc::clone(&whereabouts), &queue);
                        move || {
                            whereabouts.about_to_block();
                            queue.get().unwrap()
                        }
                    });
                    whereabouts.wait_until_asleep();
                    getter
                })
                .collect();
            for item in 0..GETTERS {
                queue.put(item).unwrap();
            }
            getters.into_iter().map(|getter| getter.join().unwrap()).collect()
        });
        got.sort();
        assert!(got.into_iter().eq(0..GETTERS));
        assert!(queue.is_empty());
    }
}

#[cfg(target_os = "linux")]
fn putters_are_served_in_the_order_in_which_they_came<K: Kind>() {
    const PUTTERS: usize = 6;
    // With one place only, whatever the kind, items come out in the order in which they got in.
    let queue = K::bounded(1);
    queue.put(0).unwrap();
    thread::scope(|s| {
        for putter in 1..=PUTTERS {
            let whereabouts = Arc::new(Whereabouts::new());
            s.spawn({
                let (whereabouts, queue) = (Arc::clone(&whereabouts), &queue);
                move || {
                    whereabouts.about_to_block();
                    if putter % 2 == 0 {
                        queue.put(putter).unwrap();
                    } else {
                        queue.try_put_for(putter, LONG).unwrap();
                    }
                }
            });
            whereabouts.wait_until_asleep();
        }
        assert_eq!((queue.len(), queue.unfinished()), (1, 1), "who waits has not put yet");
        for item in 0..=PUTTERS {
            assert_eq!(queue.get(), Ok(item));
        }
    });
    assert!(queue.is_empty());
}

fn join_waits_for_task_done_and_not_for_emptiness<K: Kind>() {
    let queue = K::bounded(40);
    queue.join();
    for item in 0..40 {
        queue.put(item).unwrap();
    }
    (0..40).for_each(|_| assert!(queue.get().is_ok()));
    assert!(queue.is_empty());
    let done = AtomicUsize::new(0);
    thread::scope(|s| {
        for joiner in 0..4 {
            let (queue, done) = (&queue, &done);
            s.spawn(move || {
                match joiner {
                    0 => queue.join(),
                    1 => assert!(queue.join_for(LONG)),
                    2 => assert!(queue.join_until(far())),
                    _ => while !queue.join_for(Duration::from_micros(200)) {},
                }
                assert_eq!(done.load(Ordering::Relaxed), 40, "joined before the last task_done");
            });
        }
        for _ in 0..40 {
            work(Duration::from_micros(20));
            done.fetch_add(1, Ordering::Relaxed);
            queue.task_done().unwrap();
        }
    });
    assert!(queue.join_for(Duration::ZERO) && queue.join_until(past()));
}

/// There is always one unfinished item, though the queue is empty all the time: the next is put before the last is done.
fn join_does_not_come_back_between_a_put_and_its_task_done<K: Kind>() {
    const ITEMS: usize = 5000;
    let queue = K::bounded(2);
    let is_last = AtomicBool::new(false);
    queue.put(0).unwrap();
    thread::scope(|s| {
        for joiner in 0..3 {
            let (queue, is_last) = (&queue, &is_last);
            s.spawn(move || {
                let mut random = Random::new(joiner);
                if joiner == 0 {
                    queue.join();
                } else {
                    while !queue.join_for(random.micros(100)) {}
                }
                assert!(is_last.load(Ordering::Relaxed), "all was done too early");
            });
        }
        for _ in 0..2 {
            s.spawn(|| {
                while let Ok(item) = queue.get() {
                    if item == ITEMS {
                        is_last.store(true, Ordering::Relaxed);
                        queue.shutdown();
                    } else {
                        queue.put(item + 1).unwrap();
                    }
                    queue.task_done().unwrap();
                }
            });
        }
    });
    assert_eq!(queue.unfinished(), 0);
}

fn join_with_a_timeout_says_whether_all_was_done<K: Kind>() {
    let queue = K::unbounded();
    queue.put(1).unwrap();
    let start = Instant::now();
    assert!(!queue.join_for(SHORT), "queued");
    assert!(start.elapsed() >= SHORT, "early");
    let job = queue.get_job().unwrap();
    let deadline = Instant::now() + SHORT;
    assert!(!queue.join_until(deadline), "held");
    assert!(Instant::now() >= deadline, "early");
    assert!(!queue.join_for(Duration::ZERO) && !queue.join_until(past()));
    drop(job);
    assert!(queue.join_for(Duration::ZERO) && queue.join_until(past()) && queue.join_for(SHORT));
}

/// The joiner comes back though, from the next moment on, there is something unfinished for ever.
#[cfg(target_os = "linux")]
fn join_comes_back_at_a_moment_with_nothing_to_do<K: Kind>() {
    for round in 0..30 {
        let queue = K::unbounded();
        queue.put(1).unwrap();
        thread::scope(|s| {
            let places: Vec<_> = (0..3).map(|_| Arc::new(Whereabouts::new())).collect();
            for (joiner, whereabouts) in places.iter().enumerate() {
                let (queue, whereabouts) = (&queue, Arc::clone(whereabouts));
                s.spawn(move || {
                    whereabouts.about_to_block();
                    match joiner {
                        0 => assert!(queue.join_for(LONG)),
                        _ => queue.join(),
                    }
                });
            }
            places.iter().for_each(|whereabouts| whereabouts.wait_until_asleep());
            let job = queue.get_job().unwrap();
            drop(job);
            (0..=round % 3).for_each(|item| queue.put(item).unwrap());
        });
        assert_eq!(queue.unfinished(), round as usize % 3 + 1);
        assert!(!queue.join_for(Duration::ZERO), "who comes later has to wait");
    }
}

fn task_done_too_often_changes_nothing<K: Kind>() {
    let queue = K::bounded(5);
    assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
    for round in 0..50 {
        queue.put(round).unwrap();
        queue.put(round).unwrap();
        assert_eq!((queue.get(), queue.get()), (Ok(round), Ok(round)));
        (0..2).for_each(|_| queue.task_done().unwrap());
        (0..3).for_each(|_| assert_eq!(queue.task_done(), Err(TaskDoneTooOften)));
        assert_eq!((queue.len(), queue.unfinished()), (0, 0));
        queue.join();
    }
    queue.put(1).unwrap();
    assert_eq!(queue.unfinished(), 1, "no debt is kept");
    assert!(!queue.join_for(Duration::ZERO));
}

fn task_done_by_many_at_once_succeeds_once_for_each_item<K: Kind>() {
    const ITEMS: usize = 500;
    for _ in 0..5 {
        let queue = K::unbounded();
        (0..ITEMS).for_each(|item| queue.put(item).unwrap());
        (0..ITEMS).for_each(|_| assert!(queue.get().is_ok()));
        let successes: usize = thread::scope(|s| {
            let threads: Vec<_> = (0..4)
                .map(|_| s.spawn(|| (0..ITEMS / 2).filter(|_| queue.task_done().is_ok()).count()))
                .collect();
            s.spawn(|| queue.join());
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((successes, queue.unfinished()), (ITEMS, 0));
    }
}

fn task_done_beside_puts_never_counts_below_zero<K: Kind>() {
    const ITEMS: usize = 2000;
    let queue = K::unbounded();
    let successes: usize = thread::scope(|s| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                s.spawn(|| {
                    let mut successes = 0;
                    for _ in 0..ITEMS {
                        successes += usize::from(queue.task_done().is_ok());
                        assert!(queue.unfinished() <= ITEMS);
                    }
                    successes
                })
            })
            .collect();
        (0..ITEMS).for_each(|item| queue.put(item).unwrap());
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(successes <= ITEMS);
    assert_eq!((queue.len(), queue.unfinished()), (ITEMS, ITEMS - successes));
    // What is still queued has been said to be done in part: no call minds.
    assert_eq!(queue.shutdown_now().len(), ITEMS);
    assert_eq!(queue.unfinished(), 0);
    queue.join();
}

fn shutdown_drains_and_then_fails<K: Kind>() {
    let queue = Arc::new(K::bounded(3));
    (1..=3).for_each(|item| queue.put(item).unwrap());
    assert!(!queue.is_shut_down());
    queue.shutdown();
    queue.shutdown();
    assert!(queue.is_shut_down() && queue.is_full());
    assert_eq!(queue.put(4), Err(PutError(4)));
    assert_eq!(queue.try_put(5), Err(TryPutError::ShutDown(5)));
    assert_eq!(queue.try_put_for(6, Duration::ZERO), Err(TryPutError::ShutDown(6)));
    assert_eq!(queue.try_put_for(7, LONG), Err(TryPutError::ShutDown(7)));
    assert_eq!(queue.try_put_until(8, past()), Err(TryPutError::ShutDown(8)));
    assert_eq!((queue.len(), queue.unfinished()), (3, 3));
    let mut order = [1, 2, 3];
    K::ORDER.sort(&mut order);
    assert_eq!(queue.get(), Ok(order[0]));
    assert_eq!(queue.put(9), Err(PutError(9)), "room makes no difference");
    let job = queue.get_job().unwrap();
    assert_eq!(*job, order[1]);
    assert_eq!(*queue.get_job_arc().unwrap(), order[2]);
    assert_eq!(queue.get(), Err(GetError));
    assert_eq!(queue.get_job().map(drop), Err(GetError));
    assert_eq!(queue.get_job_arc().map(drop), Err(GetError));
    assert_eq!(queue.try_get(), Err(TryGetError::ShutDown));
    assert_eq!(queue.try_get_for(LONG), Err(TryGetError::ShutDown));
    assert_eq!(queue.try_get_until(past()), Err(TryGetError::ShutDown));
    assert_eq!(queue.try_get_job().map(drop), Err(TryGetError::ShutDown));
    assert_eq!(queue.try_get_job_for(LONG).map(drop), Err(TryGetError::ShutDown));
    assert_eq!(queue.try_get_job_until(far()).map(drop), Err(TryGetError::ShutDown));
    assert_eq!(queue.try_get_job_arc().map(drop), Err(TryGetError::ShutDown));
    assert_eq!(queue.try_get_job_arc_for(LONG).map(drop), Err(TryGetError::ShutDown));
    assert_eq!(queue.try_get_job_arc_until(far()).map(drop), Err(TryGetError::ShutDown));
    assert_eq!(queue.unfinished(), 2, "one is held, of one nobody said that it is done");
    assert!(!queue.join_for(MILLI));
    queue.task_done().unwrap();
    drop(job);
    queue.join();
    queue.shutdown();
    assert_eq!(queue.shutdown_now(), []);
}

fn shutdown_now_hands_back_in_order_and_counts_as_done<K: Kind>() {
    for count in [0_usize, 1, 2, 31, 32, 63, 100] {
        let queue = K::unbounded();
        for item in 0..count + 2 {
            queue.put(item * 7 % 101).unwrap();
        }
        let mut expected: Vec<usize> = (0..count + 2).map(|item| item * 7 % 101).collect();
        K::ORDER.sort(&mut expected);
        let first = queue.get().unwrap();
        let second = queue.get_job().unwrap();
        assert_eq!([first, *second], expected[..2]);
        assert_eq!(queue.shutdown_now(), expected[2..]);
        assert_eq!((queue.len(), queue.unfinished()), (0, 2));
        assert!(queue.is_shut_down());
        assert!(!queue.join_for(Duration::ZERO), "two were taken, and are not done");
        assert_eq!(queue.shutdown_now(), []);
        assert_eq!((queue.get(), queue.put(1)), (Err(GetError), Err(PutError(1))));
        drop(second);
        assert!(!queue.join_for(Duration::ZERO));
        queue.task_done().unwrap();
        assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
        queue.join();
    }
}

fn shutdown_now_by_many_at_once_hands_back_each_item_once<K: Kind>() {
    for round in 0..15 {
        let queue = K::unbounded();
        (0..300).for_each(|item| queue.put(item).unwrap());
        let all = Mutex::new(Vec::new());
        thread::scope(|s| {
            for index in 0..6 {
                let (queue, all) = (&queue, &all);
                s.spawn(move || match index {
                    0..2 => {
                        while let Ok(item) = queue.get() {
                            all.lock().unwrap().push(item);
                            queue.task_done().unwrap();
                        }
                    }
                    2 => queue.join(),
                    _ => {
                        work(Duration::from_micros(round * 5));
                        let items = queue.shutdown_now();
                        if K::ORDER != Order::Lifo {
                            assert!(items.is_sorted(), "not in order");
                        }
                        all.lock().unwrap().extend(items);
                    }
                });
            }
        });
        let mut all = all.into_inner().unwrap();
        all.sort();
        assert!(all.into_iter().eq(0..300));
        assert_eq!((queue.len(), queue.unfinished()), (0, 0));
    }
}

#[cfg(target_os = "linux")]
fn shutdown_wakes_everybody<K: Kind>() {
    for now in [false, true] {
        let (empty, full) = (Arc::new(K::unbounded::<u32>()), K::bounded(1));
        let held = K::unbounded();
        full.put(0).unwrap();
        held.put(0).unwrap();
        thread::scope(|s| {
            let places: Vec<_> = (0..14).map(|_| Arc::new(Whereabouts::new())).collect();
            for (index, whereabouts) in places.iter().enumerate() {
                let (empty, full, held, whereabouts) = (&empty, &full, &held, Arc::clone(whereabouts));
                s.spawn(move || {
                    whereabouts.about_to_block();
                    match index {
                        0 | 1 => assert_eq!(empty.get(), Err(GetError)),
                        2 => assert_eq!(empty.try_get_for(LONG), Err(TryGetError::ShutDown)),
                        3 => assert_eq!(empty.try_get_until(far()), Err(TryGetError::ShutDown)),
                        4 => assert_eq!(empty.get_job().map(drop), Err(GetError)),
                        5 => assert_eq!(empty.get_job_arc().map(drop), Err(GetError)),
                        6 => assert_eq!(empty.iter().next(), None),
                        7 => assert_eq!(empty.iter_arc().next(), None),
                        8 | 9 => assert_eq!(full.put(7), Err(PutError(7))),
                        10 => assert_eq!(full.try_put_for(7, LONG), Err(TryPutError::ShutDown(7))),
                        11 => assert_eq!(full.try_put_until(7, far()), Err(TryPutError::ShutDown(7))),
                        // Who joins is released only by what `shutdown_now` takes back, or by the last `task_done`.
                        _ => held.join(),
                    }
                });
            }
            places.iter().for_each(|whereabouts| whereabouts.wait_until_asleep());
            if now {
                assert_eq!((empty.shutdown_now(), full.shutdown_now()), (vec![], vec![0]));
                assert_eq!(held.shutdown_now(), [0]);
            } else {
                empty.shutdown();
                full.shutdown();
                held.shutdown();
                assert_eq!((held.unfinished(), full.len()), (1, 1));
                drop(held.get_job().unwrap());
            }
        });
    }
}

fn a_job_counts_as_done_when_it_is_dropped<K: Kind>() {
    let queue = Arc::new(K::bounded(10));
    (0..10).for_each(|_| queue.put(vec![1]).unwrap());
    let mut unfinished = 10;
    let mut expect = |done: usize| {
        unfinished -= done;
        assert_eq!(queue.unfinished(), unfinished);
    };
    let mut job = queue.get_job().unwrap();
    job.push(10);
    assert_eq!((job.len(), format!("{job:?}")), (2, String::from("Job([1, 10])")));
    expect(0);
    drop(job);
    expect(1);
    drop(queue.try_get_job().unwrap());
    drop(queue.try_get_job_for(LONG).unwrap());
    expect(2);
    drop(queue.try_get_job_until(far()).unwrap());
    expect(1);
    assert_eq!(queue.get_job().unwrap().into_inner(), [1]);
    expect(1);

    let mut job = queue.get_job_arc().unwrap();
    job.push(10);
    assert_eq!((job.len(), format!("{job:?}")), (2, String::from("ArcJob([1, 10])")));
    assert!(Arc::ptr_eq(ArcJob::queue(&job), &queue));
    expect(0);
    drop(job);
    expect(1);
    drop(queue.try_get_job_arc().unwrap());
    drop(queue.try_get_job_arc_for(Duration::ZERO).unwrap());
    expect(2);
    assert_eq!(queue.try_get_job_arc_until(past()).unwrap().into_inner(), [1]);
    expect(1);
    // One that is leaked is never done. (Without its memory, for the sake of tools that look for leaks.)
    let mut job = queue.get_job().unwrap();
    drop(std::mem::take(&mut *job));
    std::mem::forget(job);
    expect(0);
    assert!(!queue.join_for(MILLI));
    queue.task_done().unwrap();
    queue.join();
    assert_eq!(Arc::strong_count(&queue), 1);
    // If somebody has said it of the item already, the job minds it as little as the queue does.
    queue.put(vec![]).unwrap();
    let job = queue.get_job().unwrap();
    queue.task_done().unwrap();
    drop(job);
    assert_eq!(queue.unfinished(), 0);
}

fn a_job_held_in_a_panic_counts_as_done<K: Kind>() {
    let queue = Arc::new(K::unbounded());
    for item in 0..4 {
        queue.put(item).unwrap();
    }
    thread::scope(|s| {
        s.spawn(|| queue.join());
        for with_arc in [false, true, false, true] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                let job = (!with_arc).then(|| queue.get_job().unwrap());
                let arc_job = with_arc.then(|| queue.get_job_arc().unwrap());
                // Without a message on the screen.
                resume_unwind(Box::new((job.is_some(), arc_job.is_some())));
            }));
            assert_eq!(*result.unwrap_err().downcast::<(bool, bool)>().unwrap(), (!with_arc, with_arc));
        }
    });
    assert_eq!((queue.len(), queue.unfinished()), (0, 0));
}

/// Whose destructor panics, without a message on the screen.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            resume_unwind(Box::new(self.0));
        }
    }
}

fn an_item_whose_destructor_panics_in_a_job_counts_as_done<K: Kind>() {
    let queue = Arc::new(K::unbounded());
    for _ in 0..2 {
        queue.put(Bomb(1)).unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| drop(queue.get_job().unwrap())));
        assert_eq!(*result.unwrap_err().downcast::<u32>().unwrap(), 1);
        assert_eq!(queue.unfinished(), 0);
        queue.put(Bomb(2)).unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| drop(queue.get_job_arc().unwrap())));
        assert_eq!(*result.unwrap_err().downcast::<u32>().unwrap(), 2);
        assert_eq!(queue.unfinished(), 0);
        assert_eq!(Arc::strong_count(&queue), 1, "a share in the queue was lost");
    }
    queue.join();
    // Who takes it out bears it alone.
    queue.put(Bomb(3)).unwrap();
    let bomb = queue.get_job().unwrap().into_inner();
    assert_eq!(queue.unfinished(), 0);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(bomb))).is_err());
}

fn an_arc_job_outlives_all_other_owners<K: Kind>()
where
    K::Queue<String>: 'static,
{
    let queue = Arc::new(K::bounded(4));
    for word in ["one", "two", "three"] {
        queue.put(String::from(word)).unwrap();
    }
    let weak: Weak<_> = Arc::downgrade(&queue);
    let (first, second) = (queue.get_job_arc().unwrap(), queue.try_get_job_arc().unwrap());
    drop(queue);
    let left = thread::spawn(move || {
        let queue = Arc::clone(ArcJob::queue(&first));
        let lengths = first.len() + second.len();
        drop(first);
        assert_eq!(queue.unfinished(), 2);
        let second = second.into_inner();
        assert_eq!(queue.unfinished(), 1);
        drop(second);
        let last = queue.get_job_arc().unwrap();
        drop(queue);
        assert_eq!(lengths + last.len(), 11);
        last
    })
    .join()
    .unwrap();
    assert_eq!(weak.upgrade().map(|queue| queue.unfinished()), Some(1));
    // The last owner.
    drop(left);
    assert!(weak.upgrade().is_none(), "the queue is kept alive");
}

fn iterators_end_with_the_queue<K: Kind>()
where
    K::Queue<usize>: 'static,
{
    let queue = Arc::new(K::bounded(3));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (items, queue) = (queue.iter_arc(), Arc::clone(&queue));
            thread::spawn(move || items.inspect(|_| queue.task_done().unwrap()).sum::<usize>())
        })
        .collect();
    let sum: usize = thread::scope(|s| {
        let worker = s.spawn(|| queue.iter().clone().inspect(|_| queue.task_done().unwrap()).sum::<usize>());
        for item in 1..=300 {
            queue.put(item).unwrap();
        }
        queue.join();
        queue.shutdown();
        worker.join().unwrap()
    });
    let sum = sum + workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>();
    assert_eq!(sum, 300 * 301 / 2);
    let mut items = queue.iter_arc();
    assert_eq!((items.next(), items.clone().next(), queue.iter().next()), (None, None, None));

    let queue = K::unbounded();
    let mut items: Vec<usize> = (0..70).map(|n| n * 13 % 70).collect();
    items.iter().for_each(|&item| queue.put(item).unwrap());
    K::ORDER.sort(&mut items);
    let mut owner = queue.into_items();
    // It ends though nobody shuts the queue down: nobody else can put. And it may be dropped half way.
    assert!(owner.by_ref().take(40).eq(items[..40].iter().copied()));
    assert!(format!("{owner:?}").contains("len: 30"), "{owner:?}");
    assert!(owner.by_ref().eq(items[40..].iter().copied()));
    assert_eq!(owner.next(), None);
}

#[test]
fn a_for_loop_takes_a_reference_or_the_queue() {
    macro_rules! check {
        ($($Queue:ident)*) => {
            $({
                let queue = $Queue::bounded(2);
                (0..2).for_each(|item| queue.put(item).unwrap());
                let mut sum = 0;
                for item in &queue {
                    sum += item;
                    // One more than fits in at once.
                    if item == 1 && sum < 10 {
                        queue.put(10).unwrap();
                        queue.shutdown();
                    }
                }
                assert_eq!(sum, 11);
                for item in queue {
                    panic!("{item} is left");
                }
                let queue = $Queue::unbounded();
                (0..5).for_each(|item| queue.put(item).unwrap());
                let mut sum = 0;
                for item in queue {
                    sum += item;
                }
                assert_eq!(sum, 10);
            })*
        };
    }

    within(|| {
        check!(JoinableQueue LifoQueue PriorityQueue);
    });
}

fn an_item_that_left_is_not_kept_alive<K: Kind>() {
    for queue in [K::unbounded::<Arc<u32>>(), K::bounded(3), K::bounded(64)] {
        let queue = Arc::new(queue);
        for round in 0..80 {
            let items = [Arc::new(1), Arc::new(2), Arc::new(3)];
            let weak = items.each_ref().map(Arc::downgrade);
            for item in items {
                queue.put(item).unwrap();
            }
            let alive = || weak.iter().filter(|weak| weak.upgrade().is_some()).count();
            assert_eq!(alive(), 3);
            drop(queue.get().unwrap());
            assert_eq!(alive(), 2);
            drop(queue.get_job().unwrap());
            assert_eq!(alive(), 1);
            match round % 3 {
                0 => drop(queue.get_job_arc().unwrap()),
                1 => drop(queue.try_get_job_for(LONG).unwrap().into_inner()),
                _ => drop(queue.iter().next().unwrap()),
            }
            assert_eq!(alive(), 0, "an item that left is still alive");
        }
        let item = Arc::new(4);
        queue.put(Arc::clone(&item)).unwrap();
        drop(queue.shutdown_now());
        drop(queue.put(Arc::clone(&item)).unwrap_err());
        drop(queue.try_put_for(Arc::clone(&item), LONG).unwrap_err());
        assert_eq!(Arc::strong_count(&item), 1);
    }
}

#[cfg(target_os = "linux")]
fn debug_does_not_block<K: Kind>() {
    let (empty, full) = (K::unbounded::<u32>(), K::bounded::<u32>(1));
    full.put(1).unwrap();
    thread::scope(|s| {
        let places: Vec<_> = (0..3).map(|_| Arc::new(Whereabouts::new())).collect();
        for (index, whereabouts) in places.iter().enumerate() {
            let (empty, full, whereabouts) = (&empty, &full, Arc::clone(whereabouts));
            s.spawn(move || {
                whereabouts.about_to_block();
                match index {
                    0 => assert_eq!(empty.get(), Err(GetError)),
                    1 => assert_eq!(full.put(2), Err(PutError(2))),
                    _ => full.join(),
                }
            });
        }
        places.iter().for_each(|whereabouts| whereabouts.wait_until_asleep());
        let shown = format!("{empty:?} {:?}", empty.iter());
        assert_eq!(
            shown.matches("len: 0, unfinished: 0, shut_down: false, capacity: None").count(),
            2,
            "{shown}"
        );
        let shown = format!("{full:?}");
        assert!(shown.contains("len: 1, unfinished: 1, shut_down: false, capacity: Some(1)"), "{shown}");
        let shown = format!("{full:#?}");
        assert!(shown.contains("len: 1,\n"), "{shown}");
        empty.shutdown();
        full.shutdown();
        drop(full.get_job().unwrap());
        assert!(format!("{full:?}").contains("shut_down: true"));
    });
}

/// What an item does when it is dropped; it is told the item's number, and itself.
#[derive(Clone)]
#[expect(clippy::type_complexity, reason = "it is used here only")]
struct Says(Arc<dyn Fn(u32, &Says) + Send + Sync>);

/// Does something when it is dropped.
struct Parting {
    number: u32,
    says: Option<Says>,
}

impl Drop for Parting {
    fn drop(&mut self) {
        if let Some(says) = &self.says {
            (says.0)(self.number, says);
        }
    }
}

impl PartialEq for Parting {
    fn eq(&self, other: &Parting) -> bool {
        self.number == other.number
    }
}

impl Eq for Parting {}

impl PartialOrd for Parting {
    fn partial_cmp(&self, other: &Parting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Parting {
    fn cmp(&self, other: &Parting) -> std::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}

impl fmt::Debug for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parting({})", self.number)
    }
}

/// What puts an item with a lower number into the queue, until that is 0.
fn puts_the_next<K: Kind>(queue: &Arc<K::Queue<Parting>>) -> Says
where
    K::Queue<Parting>: 'static,
{
    let queue = Arc::downgrade(queue);
    Says(Arc::new(move |number, says| {
        if number > 0
            && let Some(queue) = queue.upgrade()
        {
            // If it is refused it comes back in the error, and is dropped in its turn.
            let _ = queue.put(Parting { number: number - 1, says: Some(says.clone()) });
            let _ = (queue.len(), queue.unfinished(), format!("{queue:?}"));
        }
    }))
}

/// Fault 26: a queue that is used again from within the destructor of an item.
fn a_destructor_may_put_into_an_unbounded_queue<K: Kind>()
where
    K::Queue<Parting>: 'static,
{
    let queue = Arc::new(K::unbounded::<Parting>());
    let says = puts_the_next::<K>(&queue);
    let first = |number| Parting { number, says: Some(says.clone()) };

    queue.put(first(100)).unwrap();
    let mut count = 0;
    while let Ok(job) = queue.try_get_job() {
        drop(job);
        count += 1;
    }
    assert_eq!(count, 101);
    queue.join();

    // While others wait for what is put there; and no join comes back in between.
    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| while queue.get_job().is_ok_and(|job| job.number < u32::MAX) {});
        }
        for _ in 0..10 {
            queue.put(first(20)).unwrap();
        }
        queue.join();
        assert!(queue.is_empty());
        (0..3).for_each(|_| queue.put(Parting { number: u32::MAX, says: None }).unwrap());
    });

    // When they are handed back, and after that: refused.
    (0..3).for_each(|_| queue.put(first(3)).unwrap());
    assert_eq!(queue.shutdown_now().len(), 3);
    assert_eq!((queue.len(), queue.unfinished()), (0, 0));
    assert_eq!(Arc::strong_count(&queue), 1);
}

fn the_destructor_of_a_refused_item_may_use_the_queue<K: Kind>()
where
    K::Queue<Parting>: 'static,
{
    let queue = Arc::new(K::bounded::<Parting>(1));
    let gets = {
        let queue = Arc::downgrade(&queue);
        Says(Arc::new(move |_, _| {
            if let Some(queue) = queue.upgrade() {
                drop(queue.try_get_job().ok());
            }
        }))
    };
    let plain = |number| Parting { number, says: None };
    queue.put(plain(1)).unwrap();
    // It takes out what was in its way.
    drop(queue.try_put(Parting { number: 2, says: Some(gets) }).unwrap_err());
    assert_eq!((queue.len(), queue.unfinished()), (0, 0));
    queue.put(plain(3)).unwrap();
    // The queue goes with an item whose destructor would use it.
    let says = puts_the_next::<K>(&queue);
    drop(queue.get_job().unwrap());
    queue.put(Parting { number: 4, says: Some(says) }).unwrap();
    drop(queue);
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
    static EARLY: RefCell<AtExit> = const { RefCell::new(AtExit(None)) };
    static LATE: RefCell<AtExit> = const { RefCell::new(AtExit(None)) };
}

/// Fault 30: before or after the locals that the queue itself uses are gone, and also if it has to wait.
fn a_destructor_of_a_threads_locals_may_use_it<K: Kind>()
where
    K::Queue<u32>: 'static,
{
    fn use_it<Q: AnyQueue<Item = u32>>(queue: &Arc<Q>) {
        queue.put(1).unwrap();
        assert_eq!(queue.try_put_for(2, Duration::from_micros(100)), Err(TryPutError::Full(2)));
        assert!(!queue.join_for(Duration::from_micros(100)));
        drop(queue.get_job_arc().unwrap());
        assert_eq!(queue.try_get_for(Duration::from_micros(100)), Err(TryGetError::Empty));
        queue.join();
    }

    for used_before in [false, true] {
        let (queue, requests, answers) =
            (Arc::new(K::bounded::<u32>(1)), Arc::new(K::bounded::<u32>(1)), Arc::new(K::unbounded::<u32>()));
        let worker = thread::spawn({
            let (queue, requests, answers) =
                (Arc::clone(&queue), Arc::clone(&requests), Arc::clone(&answers));
            move || {
                let at_exit = || {
                    let (queue, requests, answers) =
                        (Arc::clone(&queue), Arc::clone(&requests), Arc::clone(&answers));
                    Box::new(move || {
                        use_it(&queue);
                        // The other end is slow: it waits here.
                        let number = requests.get().unwrap();
                        answers.put(number + 1).unwrap();
                        requests.task_done().unwrap();
                    }) as Box<dyn FnOnce()>
                };
                EARLY.with_borrow_mut(|local| local.0 = Some(at_exit()));
                if used_before {
                    use_it(&queue);
                }
                LATE.with_borrow_mut(|local| local.0 = Some(at_exit()));
            }
        });
        for number in [10, 20] {
            work(Duration::from_micros(500));
            requests.put(number).unwrap();
            assert_eq!(answers.get(), Ok(number + 1));
            requests.join();
        }
        worker.join().unwrap();
        assert_eq!((queue.len(), queue.unfinished()), (0, 0));
    }
}

#[test]
fn a_queue_without_room_panics_and_names_the_call() {
    let message = panic_message(|| JoinableQueue::<u8>::bounded(0));
    assert!(message.starts_with("JoinableQueue::bounded(0)"), "{message}");
    let message = panic_message(|| LifoQueue::<u8>::bounded(0));
    assert!(message.starts_with("LifoQueue::bounded(0)"), "{message}");
    let message = panic_message(|| PriorityQueue::<u8>::bounded(0));
    assert!(message.starts_with("PriorityQueue::bounded(0)"), "{message}");
}

#[test]
fn a_bound_that_is_none_is_told_as_it_was_given() {
    assert_eq!(JoinableQueue::<u8>::bounded(usize::MAX).capacity(), Some(usize::MAX));
    assert_eq!(LifoQueue::<u8>::bounded(usize::MAX).capacity(), Some(usize::MAX));
    assert_eq!(PriorityQueue::<u8>::bounded(usize::MAX).capacity(), Some(usize::MAX));
    let queue = JoinableQueue::bounded(usize::MAX);
    (0..100).for_each(|item| queue.try_put(item).unwrap());
    assert!(!queue.is_full());
    assert_eq!(queue.len(), 100);
}

macro_rules! auto_traits {
    ($($Queue:ident)*) => {
        $(
            // Items are moved through it and never shared: `Send` is enough.
            is!($Queue<u8>: Send, Sync, UnwindSafe, RefUnwindSafe, fmt::Debug, Unpin);
            is!($Queue<Cell<u8>>: Send, Sync, UnwindSafe, RefUnwindSafe);
            is_not!($Queue<Rc<u8>>: Send, Sync);
            is_not!($Queue<*const u8>: Send, Sync);
            is!(ArcJob<$Queue<u8>>: Send, Sync);
            is!(ArcJob<$Queue<Cell<u8>>>: Send);
            is_not!(ArcJob<$Queue<Cell<u8>>>: Sync);
            is_not!(ArcJob<$Queue<Rc<u8>>>: Send, Sync);
            is!(Iter<'static, $Queue<Cell<u8>>>: Send, Sync, Clone, Iterator);
            is!(ArcIter<$Queue<Cell<u8>>>: Send, Sync, Clone, Iterator);
            is!(IntoIter<$Queue<Cell<u8>>>: Send, Sync, Iterator);
            is_not!(Iter<'static, $Queue<Rc<u8>>>: Send, Sync);
            is_not!(ArcIter<$Queue<Rc<u8>>>: Send, Sync);
            is_not!(IntoIter<$Queue<Rc<u8>>>: Send, Sync);
            is_not!(IntoIter<$Queue<u8>>: Clone);
        )*
    };
}

auto_traits!(JoinableQueue LifoQueue PriorityQueue);
is!(Job<'static, u8>: Send, Sync);
is!(Job<'static, Cell<u8>>: Send);
is_not!(Job<'static, Cell<u8>>: Sync);
is_not!(Job<'static, Rc<u8>>: Send, Sync);
