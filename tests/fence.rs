//! The fences of unequal weight on real processors: who passes the light one pays nothing, and yet no two threads overlook each other.

#![cfg(not(feature = "loom"))]

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::thread;

use crossbeam_utils::CachePadded;
use raddle::primitives::fence::{biasing, heavy, is_there, light};

const ROUNDS: usize = 50_000;

/// How often two threads overlooked each other: each has set its own word, passed its fence, and read the other's, and neither saw the other.
fn overlooked(others_fence: fn()) -> usize {
    let [mine, theirs, came] = [(); 3].map(|()| CachePadded::new(AtomicUsize::new(0)));
    // Both come at once, or as good as that.
    let meet = |round: usize| {
        came.fetch_add(1, Ordering::SeqCst);
        for spins in 1.. {
            if came.load(Ordering::SeqCst) >= 2 * round {
                return;
            }
            if spins % 10_000 == 0 {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    };
    let saw_theirs = thread::scope(|s| {
        let saw_mine = s.spawn(|| {
            let mut saw = Vec::with_capacity(ROUNDS);
            for round in 1..=ROUNDS {
                // Each of us takes away the word that the other will write: so the write takes long, and the look after it is quick.
                let _ = mine.fetch_add(0, Ordering::SeqCst);
                meet(round);
                theirs.store(round, Ordering::Relaxed);
                others_fence();
                saw.push(mine.load(Ordering::Relaxed) == round);
            }
            saw
        });
        let mut saw = Vec::with_capacity(ROUNDS);
        for round in 1..=ROUNDS {
            let _ = theirs.fetch_add(0, Ordering::SeqCst);
            meet(round);
            mine.store(round, Ordering::Relaxed);
            light();
            saw.push(theirs.load(Ordering::Relaxed) == round);
        }
        saw.into_iter().zip(saw_mine.join().unwrap()).collect::<Vec<_>>()
    });
    saw_theirs.into_iter().filter(|(theirs, mine)| !theirs && !mine).count()
}

#[test]
fn who_passes_the_light_fence_and_who_passes_the_heavy_one_do_not_overlook_each_other() {
    if !biasing() || !is_there() {
        println!("skipped: this system has no such fences");
        return;
    }
    println!(
        "beside a full fence of one thread: overlooked {} of {ROUNDS} times",
        overlooked(|| fence(Ordering::SeqCst))
    );
    assert_eq!(overlooked(heavy), 0, "of {ROUNDS} times");
}
