//! Ten thousand pools leave no thread behind. Alone in this process, so that nobody else's threads are counted.

#![cfg(all(target_os = "linux", not(feature = "loom")))]

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{wait_until, within};
use raddle::WorkPool;

/// How many threads this process has just now.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn ten_thousand_pools_leave_no_thread_behind() {
    const POOLS: usize = 10_000;

    within(|| {
        let before = threads();
        let ran = Arc::new(AtomicUsize::new(0));
        let job = || {
            let ran = Arc::clone(&ran);
            move || _ = ran.fetch_add(1, Ordering::Relaxed)
        };
        for round in 0..POOLS {
            let pool = WorkPool::builder().workers(1 + round % 3).lazy_start(round % 2 == 0).build().unwrap();
            pool.spawn(job());
            match round % 5 {
                0 => pool.close(),
                1 => {
                    pool.close();
                    pool.join().unwrap();
                    // The kernel may take a moment to strike a joined thread off its list.
                    if round % 100 == 1 {
                        wait_until("the threads are gone", || threads() == before);
                    }
                }
                2 => pool.apply(job()),
                3 => {
                    // Dropped by its own worker: its threads end by themselves.
                    let pool = Arc::new(pool);
                    let (last, job) = (Arc::clone(&pool), job());
                    pool.spawn(move || {
                        job();
                        drop(last);
                    });
                    drop(pool);
                    continue;
                }
                _ => {
                    let handle = pool.apply_async(job());
                    pool.terminate();
                    // It ran, or was cancelled; count it all the same.
                    if handle.join().is_err() {
                        job()();
                    }
                }
            }
            drop(pool);
        }
        wait_until("all threads are gone", || threads() == before);
        let (terminated, expected) = (POOLS / 5, POOLS + 3 * POOLS / 5);
        let ran = ran.load(Ordering::Relaxed);
        // `terminate` may have cancelled the first job as well.
        assert!((expected - terminated..=expected).contains(&ran), "{ran} of {expected}");
    });
}
