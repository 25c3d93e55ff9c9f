//! Every item is dropped once, whatever it is like and wherever the queue is dropped: counted.

#![cfg(not(feature = "loom"))]

mod common;
mod queues;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use common::within;
use queues::{AnyQueue, Item, Kind};

on_each_kind! {
    items_left_are_dropped_once_with_the_queue,
    items_left_are_dropped_once_after_a_wrap,
    items_handed_back_or_refused_are_dropped_once,
    items_are_dropped_once_by_their_jobs_and_iterators,
    a_destructor_that_panics_spares_no_other_item,
    items_left_by_many_threads_are_dropped_once,
}

thread_local! {
    /// Items made and dropped by this thread: each test has one of its own.
    static MADE: Cell<usize> = const { Cell::new(0) };
    static DROPPED: Cell<usize> = const { Cell::new(0) };
    /// Whose turn it is to panic in its destructor: so many drops from now.
    static PANICS_IN: Cell<Option<usize>> = const { Cell::new(None) };
}

fn count_made() {
    MADE.set(MADE.get() + 1);
}

fn count_dropped() {
    DROPPED.set(DROPPED.get() + 1);
    let left = PANICS_IN.get();
    PANICS_IN.set(left.and_then(|left| left.checked_sub(1)));
    if left == Some(0) {
        // Without a message on the screen.
        resume_unwind(Box::new("in a destructor"));
    }
}

/// All that were made have been dropped, once each; begins again.
fn check(what: impl FnOnce() -> String) {
    assert_eq!((DROPPED.get(), PANICS_IN.get()), (MADE.get(), None), "{}", what());
    MADE.set(0);
    DROPPED.set(0);
}

/// Items of a certain size.
trait Sample: Item {
    fn new(number: usize) -> Self;

    /// What `new` was told, if it remembers.
    fn number(&self) -> Option<usize>;
}

macro_rules! sample {
    ($(#[$meta:meta])* $Name:ident $fields:tt, $new:expr, $number:expr) => {
        $(#[$meta])*
        #[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
        struct $Name $fields;

        impl Sample for $Name {
            fn new(number: usize) -> $Name {
                count_made();
                let new: fn(usize) -> $Name = $new;
                new(number)
            }

            fn number(&self) -> Option<usize> {
                let number: fn(&$Name) -> Option<usize> = $number;
                number(self)
            }
        }

        impl Drop for $Name {
            fn drop(&mut self) {
                assert!((&raw const *self).is_aligned(), "not aligned");
                // Looks at the whole of it.
                self.number();
                count_dropped();
            }
        }
    };
}

sample!(
    /// Takes no room.
    Nothing(()), |_| Nothing(()), |_| None
);
sample!(Small(u8), |number| Small(number as u8), |_| None);
sample!(OnHeap(Box<usize>), |number| OnHeap(Box::new(number)), |item| Some(*item.0));
sample!(Large([u64; 25]), |number| Large([number as u64; 25]), |item| {
    assert!(item.0.iter().all(|&part| part == item.0[0]), "torn");
    Some(item.0[0] as usize)
});
sample!(
    #[repr(align(64))]
    Aligned(usize),
    |number| Aligned(number),
    |item| Some(item.0)
);
sample!(
    /// Aligned, and nothing else.
    #[repr(align(64))]
    AlignedNothing(()), |_| AlignedNothing(()), |_| None
);

/// Runs this for each size of items.
macro_rules! for_each_sample {
    ($f:ident::<$K:ident>) => {
        $f::<$K, Nothing>();
        $f::<$K, Small>();
        $f::<$K, OnHeap>();
        $f::<$K, Large>();
        $f::<$K, Aligned>();
        $f::<$K, AlignedNothing>();
    };
}

/// Around the sizes of blocks and vectors.
const FILLS: [usize; 16] = [0, 1, 2, 3, 30, 31, 32, 33, 61, 62, 63, 64, 65, 93, 94, 200];

fn items_left_are_dropped_once_with_the_queue<K: Kind>() {
    fn run<K: Kind, T: Sample>() {
        for put in FILLS {
            for got in [0, 1, put / 2, put.saturating_sub(1), put] {
                for queue in [K::unbounded::<T>(), K::bounded(put.max(1)), K::bounded(put + 9)] {
                    (0..put).for_each(|number| queue.put(T::new(number)).unwrap());
                    assert_eq!(DROPPED.get(), 0, "dropped while it is in the queue");
                    (0..got.min(put)).for_each(|_| drop(queue.get().unwrap()));
                    assert_eq!((queue.len(), DROPPED.get()), (put - got.min(put), got.min(put)));
                    drop(queue);
                    check(|| format!("{put} put, {got} got"));
                }
            }
        }
    }

    for_each_sample!(run::<K>);
}

fn items_left_are_dropped_once_after_a_wrap<K: Kind>() {
    fn run<K: Kind, T: Sample>() {
        for capacity in [1, 2, 3, 31, 32, 50] {
            for left in [0, 1, capacity / 2, capacity] {
                for turns in [1, capacity / 2 + 1, capacity, 3 * capacity + 1] {
                    for queue in [K::bounded::<T>(capacity), K::unbounded()] {
                        // Full, then moved on by so many, then drained to what is to be left.
                        (0..capacity).for_each(|number| queue.put(T::new(number)).unwrap());
                        for number in 0..turns {
                            drop(queue.get_job().unwrap());
                            queue.put(T::new(capacity + number)).unwrap();
                        }
                        (0..capacity - left).for_each(|_| drop(queue.get().unwrap()));
                        assert_eq!(queue.len(), left);
                        drop(queue);
                        check(|| format!("{left} left of {capacity} after {turns}"));
                    }
                }
            }
        }
    }

    for_each_sample!(run::<K>);
}

fn items_handed_back_or_refused_are_dropped_once<K: Kind>() {
    fn run<K: Kind, T: Sample>() {
        for put in FILLS {
            let queue = K::bounded::<T>(put.max(1));
            (0..put).for_each(|number| queue.put(T::new(number)).unwrap());
            if put > 0 {
                drop(queue.try_put(T::new(1000)).unwrap_err());
                assert_eq!(DROPPED.get(), 1);
                let back = queue.try_put_for(T::new(1001), std::time::Duration::from_micros(1)).unwrap_err();
                assert!(back.into_inner().number().is_none_or(|number| number == 1001));
                assert_eq!(DROPPED.get(), 2);
            }
            let items = queue.shutdown_now();
            assert_eq!((items.len(), queue.unfinished()), (put, 0));
            let mut expected: Vec<usize> = (0..put).collect();
            K::ORDER.sort(&mut expected);
            for (item, number) in items.iter().zip(expected) {
                assert!(item.number().is_none_or(|found| found == number), "another item");
            }
            drop(queue.put(T::new(1002)).unwrap_err());
            drop(queue);
            assert_eq!(MADE.get() - DROPPED.get(), put, "what was handed back belongs to who has it");
            drop(items);
            check(|| format!("{put} handed back"));
        }
    }

    for_each_sample!(run::<K>);
}

fn items_are_dropped_once_by_their_jobs_and_iterators<K: Kind>() {
    fn run<K: Kind, T: Sample>() {
        let queue = Arc::new(K::unbounded::<T>());
        (0..100).for_each(|number| queue.put(T::new(number)).unwrap());
        for dropped in 0..10 {
            assert_eq!(DROPPED.get(), 4 * dropped);
            drop(queue.get_job().unwrap());
            drop(queue.get_job_arc().unwrap());
            let (item, other) =
                (queue.get_job().unwrap().into_inner(), queue.get_job_arc().unwrap().into_inner());
            assert_eq!(DROPPED.get(), 4 * dropped + 2);
            drop((item, other));
        }
        drop(queue.iter().next().unwrap());
        queue.iter_arc().take(3).for_each(drop);
        assert_eq!((DROPPED.get(), queue.len()), (44, 56));
        // The rest goes with an iterator that is dropped half way.
        let mut items = Arc::into_inner(queue).unwrap().into_items();
        items.by_ref().take(20).for_each(drop);
        assert_eq!(DROPPED.get(), 64);
        drop(items);
        check(|| String::from("jobs and iterators"));
    }

    for_each_sample!(run::<K>);
}

/// Whichever item it is whose destructor panics while the queue is dropped.
fn a_destructor_that_panics_spares_no_other_item<K: Kind>() {
    fn run<K: Kind, T: Sample>() {
        for put in [1, 2, 31, 32, 70] {
            for got in [0, 1, put / 2] {
                for panics_in in 0..put - got {
                    let queue = if panics_in % 2 == 0 { K::unbounded::<T>() } else { K::bounded(put) };
                    (0..put).for_each(|number| queue.put(T::new(number)).unwrap());
                    (0..got).for_each(|_| drop(queue.get().unwrap()));
                    if got > 0 {
                        // So that a priority queue has some that it has sorted, and some that it has not.
                        drop(queue.get_job().unwrap());
                        queue.put(T::new(put)).unwrap();
                    }
                    PANICS_IN.set(Some(panics_in));
                    let result = catch_unwind(AssertUnwindSafe(|| drop(queue)));
                    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "in a destructor");
                    check(|| format!("the destructor of item {panics_in} of {put} panicked, {got} got"));
                }
            }
        }
    }

    for_each_sample!(run::<K>);
}

/// What was put by several threads, and got by several, half of it: the rest is dropped here.
fn items_left_by_many_threads_are_dropped_once<K: Kind>() {
    fn run<K: Kind, T: Sample>() {
        for _ in 0..5 {
            let queue = K::unbounded::<T>();
            let counts: Vec<(usize, usize)> = thread::scope(|s| {
                let threads: Vec<_> = (0..4)
                    .map(|index| {
                        let queue = &queue;
                        s.spawn(move || {
                            if index < 2 {
                                (0..300).for_each(|number| queue.put(T::new(number)).unwrap());
                            } else {
                                (0..150).for_each(|_| drop(queue.get_job().unwrap()));
                            }
                            (MADE.get(), DROPPED.get())
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!((queue.len(), queue.unfinished()), (300, 300));
            let (made, dropped) =
                counts.into_iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
            assert_eq!((made, dropped), (600, 300));
            drop(queue);
            assert_eq!(DROPPED.replace(0), 300);
        }
    }

    for_each_sample!(run::<K>);
}

#[test]
fn a_queue_of_queues_is_dropped_once_with_all_that_is_in_them() {
    within(|| {
        let token = Arc::new(());
        let outer = raddle::JoinableQueue::unbounded();
        for count in 0..40 {
            let inner = raddle::JoinableQueue::bounded(64);
            (0..count).for_each(|_| inner.put(Arc::clone(&token)).unwrap());
            assert!(outer.put(inner).is_ok());
        }
        drop(outer.get_job().unwrap());
        assert_eq!(Arc::strong_count(&token), 1 + 39 * 40 / 2);
        drop(outer);
        assert_eq!(Arc::strong_count(&token), 1);
    });
}
