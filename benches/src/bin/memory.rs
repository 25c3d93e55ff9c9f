//! Bytes per pending timer, and what is left of them after most were cancelled. `cargo peers --memory` runs it.
//!
//! A program of its own, for every allocation is counted, which takes time. What counts is what was asked
//! for, by any thread and not freed yet; not what the allocator adds to that, and no stacks (of which
//! "std::thread" has one for each timer). The handles are shown apart. Where a timer is a future it is in its
//! handle: boxed with "tokio", as it is with "async-io".

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use raddle_benches::timer::measure::{self, Numbers};
use raddle_benches::timer::peers::{self, Service, Visit};

const TIMERS: u64 = 1_000_000;
/// Of so many timers one is not cancelled.
const KEPT: usize = 10;
/// Threads may have something to do after the last call. They are done when so long nothing has changed.
const REST: Duration = Duration::from_millis(200);

/// Counts the bytes that are allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        LIVE.fetch_add(new_size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that are allocated, once all is quiet.
fn live() -> usize {
    loop {
        let before = LIVE.load(Ordering::Relaxed);
        thread::sleep(REST);
        if LIVE.load(Ordering::Relaxed) == before {
            return before;
        }
    }
}

struct Rows;

impl Visit for Rows {
    fn visit<S: Service>(&mut self) {
        let timers = TIMERS.min(S::MOST);
        let delays = measure::far_delays(timers);
        let mut pending = Vec::with_capacity(delays.len());
        let service = measure::open::<S>();
        let job = S::job(measure::nothing);
        let before = live();
        let per_timer = || {
            service.settle();
            (live() as f64 - before as f64) / timers as f64
        };

        let (armed, left) = service.within(|| {
            pending.extend(delays.iter().map(|delay| service.arm(*delay, &job)));
            let armed = per_timer();
            Numbers::new().shuffle(&mut pending);
            let kept = pending.len() / KEPT;
            pending.drain(kept..).for_each(S::cancel);
            let left = per_timer();
            pending.drain(..).for_each(S::cancel);
            (armed, left)
        });
        println!("{:<21} {timers:>9} {:>8} {armed:>10.1} {left:>10.1}", S::NAME, size_of::<S::Pending>());
    }
}

fn main() {
    println!("bytes per timer on the heap: while all are pending, and when 9 of 10 were cancelled");
    println!("{:<21} {:>9} {:>8} {:>10} {:>10}", "", "timers", "handle", "pending", "cancelled");
    peers::each(&mut Rows);
}
