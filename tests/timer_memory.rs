//! What timers allocate, and give back: counted by the allocator, in all threads. One test at a time.

#![cfg(not(feature = "loom"))]
#![allow(unsafe_code, reason = "an allocator")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::time::Duration;

use common::{Random, within};
use raddle::{Timer, Timers};

/// Counts what is allocated and freed.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: `System` does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        LIVE.fetch_add(new_size as isize - layout.size() as isize, Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live() -> isize {
    LIVE.load(Ordering::Relaxed)
}

/// One test at a time counts. (The harness prints now and then: some slack for that.)
static COUNTS: Mutex<()> = Mutex::new(());
const SLACK: isize = 64 * 1024;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_million_timers_give_their_memory_back_when_cancelled() {
    const MANY: usize = 1_000_000;

    let _one_at_a_time = COUNTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    within(|| {
        let timers = Timers::new();
        timers.after(Duration::ZERO, || {}).join();
        let mut all: Vec<Option<Timer>> = Vec::with_capacity(MANY);
        let before = live();
        let mut random = Random::new(6);
        for number in 0..MANY {
            // All over the wheel.
            let delay = HOUR + Duration::from_micros(random.next() >> random.below(40).max(16));
            let small = number as u32;
            all.push(Some(timers.after(delay, move || _ = std::hint::black_box(small))));
        }
        assert_eq!(timers.pending(), MANY);
        let full = live() - before;
        let each = full as usize / MANY;
        println!("{each} bytes each");
        assert!(each <= 64, "{each} bytes each");

        // Nine of ten are cancelled and dropped, in any order.
        for index in 0..MANY {
            let other = random.below(MANY as u64) as usize;
            all.swap(index, other);
        }
        for timer in &mut all[MANY / 10..] {
            assert!(timer.take().unwrap().cancel());
        }
        assert_eq!(timers.pending(), MANY / 10);
        let left = live() - before;
        assert!(left <= full / 10 + SLACK, "{left} bytes of {full} are left, a tenth of the timers");

        // The handles go, and the timers stay until the service is shut down.
        all.clear();
        assert_eq!(timers.pending(), MANY / 10);
        timers.shutdown();
        let left = live() - before;
        assert!(left <= SLACK, "{left} bytes are left");
    });
}

#[test]
fn timers_that_come_and_go_leave_nothing_behind() {
    let _one_at_a_time = COUNTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    within(|| {
        let timers = Timers::new();
        let far = timers.after(HOUR, || {});
        let mut after_first = None;
        for round in 0..20 {
            for _ in 0..2_000 {
                assert!(timers.after(HOUR, || {}).cancel());
                drop(timers.timer(HOUR, || {}));
                drop(timers.after(Duration::ZERO, || {}));
                assert!(timers.after(Duration::MAX, || {}).cancel());
            }
            // The last one is behind all others.
            timers.after(Duration::from_micros(100), || {}).join();
            let left = live();
            let most = *after_first.get_or_insert(left) + SLACK;
            assert!(left <= most, "in round {round} {left} bytes are left, {most} at most");
        }
        assert!(far.cancel());
    });
}

#[test]
fn a_service_leaves_nothing_behind() {
    let _one_at_a_time = COUNTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    within(|| {
        let mut after_first = None;
        for _ in 0..200 {
            let timers = Timers::builder().name("short-lived").panic_hook(drop).build();
            timers.after(Duration::ZERO, || {}).join();
            let kept = [timers.after(HOUR, || {}), timers.every(HOUR, || {}), timers.timer(HOUR, || {})];
            drop(timers.after(Duration::MAX, || {}));
            drop(timers);
            drop(kept);
            let left = live();
            let most = *after_first.get_or_insert(left) + SLACK;
            assert!(left <= most, "{left} bytes are left, {most} at most");
        }
    });
}

#[test]
fn a_timer_is_one_allocation() {
    let _one_at_a_time = COUNTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    within(|| {
        let timers = Timers::new();
        drop(timers.after(HOUR, || {}));
        // The harness may allocate a little, too.
        let before = CALLS.load(Ordering::Relaxed);
        for _ in 0..1_000 {
            assert!(timers.after(HOUR, || {}).cancel());
        }
        let calls = CALLS.load(Ordering::Relaxed) - before;
        assert!((1_000..1_100).contains(&calls), "{calls} calls for 1000 timers");
    });
}
