//! `JoinableQueue`: every item arrives once, in order, at somebody; nobody is left waiting; `join` ends with the last task.

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, Duration, JoinHandle, some_time, spawn};
use raddle::{GetError, JoinableQueue, PutError, TaskDoneTooOften, TryGetError, TryPutError};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("queue_capacity_one", 12_303, queue_capacity_one),
    exhaustive("queue_unbounded", 2358, queue_unbounded),
    exhaustive("queue_item_is_handed_over", 63, queue_item_is_handed_over),
    bounded("queue_two_putters", 3, 11_227, queue_two_putters),
    bounded("queue_two_getters", 3, 8257, queue_two_getters),
    exhaustive("queue_try", 661, queue_try),
    exhaustive("queue_put_timeout", 7892, queue_put_timeout),
    exhaustive("queue_get_timeout", 7892, queue_get_timeout),
    bounded("queue_timeout_eats_no_item", 4, 34_203, queue_timeout_eats_no_item),
    bounded("queue_timeout_eats_no_room", 3, 6524, queue_timeout_eats_no_room),
    exhaustive("queue_shutdown_getter", 1025, queue_shutdown_getter),
    exhaustive("queue_shutdown_putter", 2358, queue_shutdown_putter),
    bounded("queue_shutdown_all", 4, 15_156, queue_shutdown_all),
    bounded("queue_shutdown_now", 3, 8380, queue_shutdown_now),
    exhaustive("queue_shutdown_now_ends_join", 1046, queue_shutdown_now_ends_join),
    exhaustive("queue_join_ends_with_shutdown_now", 139, queue_join_ends_with_shutdown_now),
    exhaustive("queue_join", 1046, queue_join),
    bounded("queue_join_two", 3, 6791, queue_join_two),
    exhaustive("queue_join_timeout", 7892, queue_join_timeout),
    exhaustive("queue_job", 1046, queue_job),
];

type Queue = Arc<JoinableQueue<u32>>;

fn spawn_with<T: Send + 'static, R: Send + 'static>(
    queue: &Arc<JoinableQueue<T>>,
    f: impl FnOnce(&JoinableQueue<T>) -> R + Send + 'static,
) -> JoinHandle<R> {
    let queue = Arc::clone(queue);
    spawn(move || f(&queue))
}

fn bounded_queue(capacity: usize) -> Queue {
    Arc::new(JoinableQueue::bounded(capacity))
}

/// One putter, one getter, room for one: the putter waits for the getter, and the getter for the putter.
fn queue_capacity_one() {
    let queue = bounded_queue(1);
    queue.put(1).unwrap();
    let getter = spawn_with(&queue, |queue| [queue.get().unwrap(), queue.get().unwrap()]);
    queue.put(2).unwrap();
    assert_eq!(getter.join().unwrap(), [1, 2]);
    assert_eq!(queue.unfinished(), 2);
}

/// With room for all, only the getter waits.
fn queue_unbounded() {
    let queue = Arc::new(JoinableQueue::unbounded());
    let getter = spawn_with(&queue, |queue| queue.get().unwrap());
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(getter.join().unwrap(), 1);
    assert_eq!(queue.get(), Ok(2));
}

/// What was written before the put is seen after the get.
fn queue_item_is_handed_over() {
    let queue = Arc::new(JoinableQueue::bounded(1));
    let getter = spawn_with(&queue, |queue: &JoinableQueue<Arc<Data<u32>>>| {
        queue.get().unwrap().with_mut(|data| assert_eq!(*data, 1));
    });
    let item = Arc::new(Data::new(0));
    item.with_mut(|data| *data += 1);
    queue.put(item).unwrap();
    getter.join().unwrap();
}

/// Two putters at a queue with room for one.
fn queue_two_putters() {
    let queue = bounded_queue(1);
    let putters = [1, 2].map(|item| spawn_with(&queue, move |queue| queue.put(item).unwrap()));
    let items = [queue.get().unwrap(), queue.get().unwrap()];
    assert_eq!(items[0] + items[1], 3);
    assert!(queue.is_empty());
    for putter in putters {
        putter.join().unwrap();
    }
}

/// Two getters, and a putter that puts two items: a getter that is woken may find that the other was faster.
fn queue_two_getters() {
    let queue = bounded_queue(2);
    let getters = [(); 2].map(|()| spawn_with(&queue, |queue| queue.get().unwrap()));
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(getters.into_iter().map(|getter| getter.join().unwrap()).sum::<u32>(), 3);
    assert!(queue.is_empty());
}

/// `try_put`, `try_get` and a timeout of zero never wait.
fn queue_try() {
    let queue = bounded_queue(1);
    let getter = spawn_with(&queue, |queue| match queue.try_get() {
        Ok(item) => item,
        Err(error) => {
            assert_eq!(error, TryGetError::Empty);
            0
        }
    });
    queue.try_put(1).unwrap();
    let put = match queue.try_put_for(2, Duration::ZERO) {
        Ok(()) => 2,
        Err(error) => {
            assert_eq!(error, TryPutError::Full(2));
            0
        }
    };
    let got = getter.join().unwrap();
    assert!(put == 0 || got == 1);
    let left = queue.try_get_for(Duration::ZERO).unwrap_or(0);
    assert_eq!(got + left, 1 + put);
}

/// A timed put either puts its item or has it back, and the queue agrees.
fn queue_put_timeout() {
    let queue = bounded_queue(1);
    queue.put(1).unwrap();
    let getter = spawn_with(&queue, |queue| queue.get().unwrap());
    let put = queue.try_put_for(2, some_time());
    assert_eq!(getter.join().unwrap(), 1);
    match put {
        Ok(()) => assert_eq!((queue.unfinished(), queue.get()), (2, Ok(2))),
        Err(error) => {
            assert_eq!(error, TryPutError::Full(2));
            assert_eq!(queue.unfinished(), 1, "a put that failed was never unfinished");
            assert!(queue.is_empty());
        }
    }
}

/// A timed get either has the item or leaves it.
fn queue_get_timeout() {
    let queue = bounded_queue(1);
    let putter = spawn_with(&queue, |queue| queue.put(1).unwrap());
    let got = match queue.try_get_for(some_time()) {
        Ok(item) => item,
        Err(error) => {
            assert_eq!(error, TryGetError::Empty);
            0
        }
    };
    putter.join().unwrap();
    assert_eq!(got + queue.try_get().unwrap_or(0), 1);
}

/// Of two getters one gives up: the item goes to the other, who would wait for ever.
fn queue_timeout_eats_no_item() {
    let queue = bounded_queue(2);
    let timed = spawn_with(&queue, |queue| queue.try_get_for(some_time()).unwrap_or(0));
    let patient = spawn_with(&queue, |queue| queue.get().unwrap());
    queue.put(1).unwrap();
    let timed = timed.join().unwrap();
    if timed == 1 {
        queue.put(2).unwrap();
    }
    assert_eq!(patient.join().unwrap(), 1 + timed);
}

/// Of two putters one gives up: the room goes to the other, who would wait for ever.
fn queue_timeout_eats_no_room() {
    let queue = bounded_queue(1);
    queue.put(1).unwrap();
    let timed = spawn_with(&queue, |queue| queue.try_put_for(2, some_time()).is_ok());
    let patient = spawn_with(&queue, |queue| queue.put(3).unwrap());
    assert_eq!(queue.get().unwrap(), 1);
    if timed.join().unwrap() {
        let first = queue.get().unwrap();
        assert_eq!(first + queue.get().unwrap(), 5);
    } else {
        assert_eq!(queue.get().unwrap(), 3);
    }
    patient.join().unwrap();
}

/// A getter drains the queue and then learns of the shutdown, also if it waits already.
fn queue_shutdown_getter() {
    let queue = bounded_queue(2);
    queue.put(1).unwrap();
    let getter = spawn_with(&queue, |queue| (queue.get(), queue.get()));
    queue.shutdown();
    assert_eq!(getter.join().unwrap(), (Ok(1), Err(GetError)));
    assert_eq!(queue.put(2), Err(PutError(2)));
}

/// A putter that waits for room has its item back.
fn queue_shutdown_putter() {
    let queue = bounded_queue(1);
    queue.put(1).unwrap();
    let putter = spawn_with(&queue, |queue| queue.put(2));
    queue.shutdown();
    assert_eq!(queue.get(), Ok(1));
    assert_eq!(putter.join().unwrap(), Err(PutError(2)));
    assert_eq!(queue.get(), Err(GetError));
    assert_eq!(queue.unfinished(), 1);
}

/// All that wait learn of the shutdown.
fn queue_shutdown_all() {
    let queue = bounded_queue(1);
    let getters = [(); 2].map(|()| spawn_with(&queue, |queue| queue.get()));
    queue.shutdown();
    for getter in getters {
        assert_eq!(getter.join().unwrap(), Err(GetError));
    }
}

/// `shutdown_now` beside a put and a get: each item is taken back, or got, or refused, and only one of these.
fn queue_shutdown_now() {
    let queue = bounded_queue(1);
    queue.put(1).unwrap();
    let putter = spawn_with(&queue, |queue| match queue.put(2) {
        Ok(()) => 0,
        Err(PutError(item)) => item,
    });
    let getter = spawn_with(&queue, |queue| match queue.get() {
        Ok(item) => {
            queue.task_done().unwrap();
            item
        }
        Err(GetError) => 0,
    });
    let taken_back: u32 = queue.shutdown_now().into_iter().sum();
    queue.join();
    let (refused, got) = (putter.join().unwrap(), getter.join().unwrap());
    assert_eq!(taken_back + refused + got, 3);
    assert_eq!(queue.unfinished(), 0);
}

/// Items that are taken back count as done; one that somebody has still needs its `task_done`.
fn queue_shutdown_now_ends_join() {
    let queue = bounded_queue(2);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(queue.get(), Ok(1));
    let done = Arc::new(Data::new(false));
    let other = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            assert_eq!(queue.shutdown_now(), [2]);
            done.with_mut(|done| *done = true);
            queue.task_done().unwrap();
        }
    });
    queue.join();
    done.with(|done| assert!(*done));
    other.join().unwrap();
}

/// `shutdown_now` may itself be what a `join` waits for.
fn queue_join_ends_with_shutdown_now() {
    let queue = bounded_queue(1);
    queue.put(1).unwrap();
    let other = spawn_with(&queue, |queue| assert_eq!(queue.shutdown_now(), [1]));
    queue.join();
    assert!(queue.is_shut_down());
    other.join().unwrap();
}

/// `join` waits for the last `task_done`, not for emptiness.
fn queue_join() {
    let queue = bounded_queue(2);
    let done = Arc::new(Data::new(0));
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!((queue.get(), queue.get()), (Ok(1), Ok(2)));
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            for _ in 0..2 {
                done.with_mut(|done| *done += 1);
                queue.task_done().unwrap();
            }
        }
    });
    queue.join();
    done.with(|done| assert_eq!(*done, 2));
    worker.join().unwrap();
    assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
}

/// Two threads join, and both return.
fn queue_join_two() {
    let queue = bounded_queue(1);
    queue.put(1).unwrap();
    let done = Arc::new(Data::new(false));
    let joiner = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            queue.join();
            done.with(|done| assert!(*done));
        }
    });
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            queue.get().unwrap();
            done.with_mut(|done| *done = true);
            queue.task_done().unwrap();
        }
    });
    queue.join();
    done.with(|done| assert!(*done));
    joiner.join().unwrap();
    worker.join().unwrap();
}

/// A `join` that gives up says so; one that doesn't has seen all that was done.
fn queue_join_timeout() {
    let queue = bounded_queue(1);
    queue.put(1).unwrap();
    let done = Arc::new(Data::new(false));
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            done.with_mut(|done| *done = true);
            queue.task_done().unwrap();
        }
    });
    if queue.join_for(some_time()) {
        done.with(|done| assert!(*done));
    }
    worker.join().unwrap();
    assert!(queue.join_for(Duration::ZERO));
}

/// A job that is dropped counts as done, after its item has been dropped.
fn queue_job() {
    struct Item(Arc<Data<u32>>);

    impl Drop for Item {
        fn drop(&mut self) {
            self.0.with_mut(|drops| *drops += 1);
        }
    }

    let queue = Arc::new(JoinableQueue::bounded(1));
    let drops = Arc::new(Data::new(0));
    assert!(queue.put(Item(Arc::clone(&drops))).is_ok());
    let worker = spawn_with(&queue, |queue: &JoinableQueue<Item>| {
        drop(queue.get_job().unwrap_or_else(|_| unreachable!()));
    });
    queue.join();
    drops.with(|drops| assert_eq!(*drops, 1));
    worker.join().unwrap();
}
