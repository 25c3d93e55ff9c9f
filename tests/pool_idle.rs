//! A pool with nothing to do takes no processor time. Alone in this process, so that nobody else's time is counted.

#![cfg(all(target_os = "linux", not(feature = "loom")))]

mod common;

use std::fs;
use std::thread;
use std::time::Duration;

use common::{wait_until, within};
use raddle::WorkPool;

/// The processor time of all threads of this process, from the scheduler, which counts nanoseconds.
fn processor_time() -> Duration {
    let of_task = |dir: fs::DirEntry| {
        // A thread may end meanwhile: then it is none of the pool's.
        let line = fs::read_to_string(dir.path().join("schedstat")).unwrap_or_default();
        line.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
    };
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    Duration::from_nanos(tasks.map(|dir| of_task(dir.unwrap())).sum::<u64>())
}

#[test]
fn a_pool_at_rest_takes_no_processor_time() {
    const REST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_millis(50);

    within(|| {
        let pool = WorkPool::new(8);
        // All have worked.
        let expected: Vec<usize> = (0..10_000).collect();
        assert_eq!(pool.map_chunked(1, 0..10_000, |n| n), expected);
        assert!(processor_time() > Duration::ZERO, "is the time counted at all?");
        wait_until("all are idle", || pool.idle() == 8);
        // Searching goes on for a moment.
        thread::sleep(Duration::from_millis(20));

        let before = processor_time();
        thread::sleep(REST);
        let took = processor_time().saturating_sub(before);
        assert!(took < MOST, "{took:?} of processor time in {REST:?} of rest");

        // One that was never used, and one with a worker that is blocked in its job and the others at rest.
        let unused = WorkPool::new(8);
        let event = std::sync::Arc::new(raddle::Event::new());
        let blocks = std::sync::Arc::clone(&event);
        let handle = pool.apply_async(move || blocks.wait());
        wait_until("all others are idle", || pool.idle() == 7 && unused.idle() == 8);
        thread::sleep(Duration::from_millis(20));
        let before = processor_time();
        thread::sleep(REST / 2);
        let took = processor_time().saturating_sub(before);
        event.set();
        handle.join().unwrap();
        assert!(took < MOST, "{took:?} of processor time in {:?} of rest", REST / 2);
    });
}
