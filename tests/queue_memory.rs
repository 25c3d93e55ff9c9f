//! What queues allocate, and give back: counted by the allocator.

#![cfg(not(feature = "loom"))]
#![allow(unsafe_code, reason = "an allocator")]

mod common;
mod queues;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use queues::{AnyQueue, Kind, Order};

on_each_kind! {
    an_unbounded_queue_gives_memory_back_as_it_drains,
    it_gives_memory_back_each_time,
    a_bounded_queue_allocates_for_many_items_at_once_if_at_all,
    a_queue_leaves_nothing_behind,
    a_destructor_that_panics_leaves_nothing_behind,
}

on_each_fifo_kind! {
    memory_comes_back_while_the_queue_is_in_use,
}

/// Counts what each thread allocates and frees.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize, calls: usize) {
    // Not there any more when a thread's locals are gone.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
    let _ = CALLS.try_with(|count| count.set(count.get() + calls));
}

// SAFETY: `System` does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize, 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> isize {
    LIVE.get()
}

const MANY: usize = 100_000;

/// A block of 31 slots for numbers, about.
const BLOCK_BYTES: isize = 31 * 16 + 64;

fn an_unbounded_queue_gives_memory_back_as_it_drains<K: Kind>() {
    let before = live();
    let queue = K::unbounded::<u64>();
    let empty = live() - before;
    assert!(empty < 4096, "an empty queue takes {empty} bytes");
    (0..MANY as u64).for_each(|item| queue.put(item).unwrap());
    let full = live() - before;
    assert!(full >= (MANY * size_of::<u64>()) as isize);
    for got in 1..=MANY {
        queue.get().unwrap();
        if got == MANY / 2 && K::ORDER == Order::Fifo {
            let half = live() - before;
            assert!(half < full * 6 / 10, "half empty it takes {half} bytes, full {full}");
        }
    }
    let drained = live() - before;
    // A FIFO keeps room for three blocks. The vectors of the others shrink by halves, and one of them may lag behind by an item or two.
    let most = if K::ORDER == Order::Fifo { empty + 3 * BLOCK_BYTES } else { full / 16 };
    assert!(drained <= most, "empty {empty} bytes, full {full}, drained {drained}");
    drop(queue);
    assert_eq!(live(), before);
}

fn it_gives_memory_back_each_time<K: Kind>() {
    let before = live();
    let queue = K::unbounded::<[u8; 200]>();
    let mut after_first = None;
    for round in 0..20 {
        (0..2000).for_each(|_| queue.put([round; 200]).unwrap());
        (0..2000).for_each(|_| assert_eq!(queue.get(), Ok([round; 200])));
        let drained = live() - before;
        let most = *after_first.get_or_insert(drained.max(100_000));
        assert!(drained <= most, "in round {round} {drained} bytes are left, {most} at first");
    }
    drop(queue);
    assert_eq!(live(), before);
}

/// A queue that is never empty, and moves on: it keeps the blocks in use and room for a few more, and is content with these.
fn memory_comes_back_while_the_queue_is_in_use<K: Kind>() {
    let queue = K::unbounded::<u64>();
    (0..100).for_each(|item| queue.put(item).unwrap());
    let (before, calls) = (live(), CALLS.get());
    for item in 0..50_000 {
        queue.put(100 + item).unwrap();
        assert_eq!(queue.get(), Ok(item));
        let more = live() - before;
        // A few blocks more or less.
        assert!(more.abs() < 4096, "{more} bytes more after {item} items");
    }
    let calls = CALLS.get() - calls;
    assert!(calls <= 3, "{calls} calls of the allocator");
}

fn a_bounded_queue_allocates_for_many_items_at_once_if_at_all<K: Kind>() {
    for capacity in [1, 2, 64, 100] {
        let queue = K::bounded::<u64>(capacity);
        let (calls, bytes) = (CALLS.get(), live());
        let mut items = 0;
        for round in 0..10_000_usize {
            let burst = 1 + round * 7 % capacity;
            (0..burst).for_each(|item| queue.try_put(item as u64).unwrap());
            (0..burst).for_each(|_| assert!(queue.get().is_ok()));
            items += burst;
        }
        let (calls, bytes) = (CALLS.get() - calls, live() - bytes);
        match K::NAME {
            "Ring" | "Wraps" => assert_eq!((calls, bytes), (0, 0), "a ring allocates when it is made only"),
            // A block for 31 items.
            "List" => assert!(calls <= items / 31 + 1, "{calls} calls for {items} items"),
            // Vectors that stay as long as they are small, and shrink and grow by halves where they are not.
            _ if capacity <= 64 => assert!(calls <= 20, "{calls} calls"),
            _ => assert!(calls <= items / 16, "{calls} calls for {items} items"),
        }
        let most = 8192 + 64 * capacity as isize;
        assert!(bytes <= most, "{bytes} bytes more");
    }
}

fn a_queue_leaves_nothing_behind<K: Kind>() {
    // The first who looks for parked threads makes the table of all parked threads, which stays.
    K::unbounded::<()>().shutdown();
    let before = live();
    for put in [0, 1, 30, 31, 32, 62, 63, 100, 1000] {
        for got in [0, 1, put / 2, put] {
            for bounded in [false, true] {
                let queue = if bounded { K::bounded(put.max(1)) } else { K::unbounded::<Box<usize>>() };
                (0..put).for_each(|item| queue.put(Box::new(item)).unwrap());
                (0..got.min(put)).for_each(|_| drop(queue.get().unwrap()));
                match put % 3 {
                    0 => drop(queue),
                    1 => {
                        drop(queue.shutdown_now());
                        drop(queue);
                    }
                    _ => drop(queue.into_items().take(5).count()),
                }
                assert_eq!(live(), before, "{put} put, {got} got");
            }
        }
    }
}

/// Whose destructor panics, if it is to.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Bomb {
    number: Box<usize>,
    panics: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.panics {
            // Without a message on the screen.
            resume_unwind(Box::new("in a destructor"));
        }
    }
}

/// Neither items nor blocks.
fn a_destructor_that_panics_leaves_nothing_behind<K: Kind>() {
    // The first panic of a thread may allocate something that stays.
    drop(catch_unwind(|| resume_unwind(Box::new(()))));
    let before = live();
    for bomb in [0, 1, 40, 99] {
        for bounded in [false, true] {
            let queue = if bounded { K::bounded(100) } else { K::unbounded() };
            (0..100).for_each(|item| {
                let number = Box::new(item);
                queue.put(Bomb { number, panics: item == bomb }).unwrap();
            });
            assert!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err());
            assert_eq!(live(), before, "the destructor of item {bomb} panicked");
        }
    }
}
