//! The canary: is the checker itself whole? loom 0.7 as published misses interleavings of "load, then store"; raddle's
//! atomics close the gap. Each program here is so small that its complete set of outcomes is known; it is run to the end at
//! every bound, and the set has to be complete.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize as PlainAtomicUsize;
use std::sync::{Arc, Mutex};

use loom::thread;
use raddle::primitives::atomic::{AtomicUsize, Ordering, fence};

use crate::models::{Bound, Model};
use crate::world::Data;

/// The bounds that every program is run at. One preemption is the least at which these sets are complete.
const BOUNDS: [Option<usize>; 6] = [Some(1), Some(2), Some(3), Some(4), Some(5), None];

static EXECUTIONS: PlainAtomicUsize = PlainAtomicUsize::new(0);

/// The canary, which runs loom by itself.
pub(crate) fn models() -> Vec<Model> {
    vec![
        Model { name: "canary_outcomes", bound: Bound::Inside, least: 300, body: all_outcomes },
        Model { name: "canary_race", bound: Bound::Inside, least: 2, body: hidden_race },
    ]
}

/// How many executions the canary has seen in this process.
pub(crate) fn executions() -> usize {
    EXECUTIONS.load(Ordering::Relaxed)
}

type Outcome = Vec<usize>;

fn all_outcomes() {
    for bound in BOUNDS {
        expect(bound, "load, store | load", load_then_store, &[&[0], &[1]]);
        expect(bound, "load, swap | load, load", load_then_swap, &[&[0, 0], &[0, 1], &[1, 1]]);
        expect(bound, "load and CAS in a loop | load", cas_loop, &[&[0], &[1]]);
        expect(bound, "load, store | load, store", lost_update, &[&[1], &[2]]);
        expect(bound, "conditional load, store | load, store", conditional_load, &[&[0], &[1]]);
        expect(bound, "store buffering with fences", store_buffering, &[&[0, 1], &[1, 0], &[1, 1]]);
    }
}

fn expect(bound: Option<usize>, what: &str, program: fn() -> Outcome, complete: &[&[usize]]) {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let executions = crate::runner::explore_inside(bound, {
        let seen = Arc::clone(&seen);
        move || {
            let outcome = program();
            seen.lock().unwrap().insert(outcome);
        }
    });
    EXECUTIONS.fetch_add(executions, Ordering::Relaxed);
    let complete: BTreeSet<Outcome> = complete.iter().map(|outcome| outcome.to_vec()).collect();
    assert_eq!(*seen.lock().unwrap(), complete, "{what}, bound {bound:?}: not the complete set of outcomes");
}

fn load_then_store() -> Outcome {
    let x = Arc::new(AtomicUsize::new(0));
    let other = thread::spawn({
        let x = Arc::clone(&x);
        move || {
            x.load(Ordering::Relaxed);
            x.store(1, Ordering::Relaxed);
        }
    });
    let r = x.load(Ordering::Relaxed);
    other.join().unwrap();
    vec![r]
}

fn load_then_swap() -> Outcome {
    let x = Arc::new(AtomicUsize::new(0));
    let other = thread::spawn({
        let x = Arc::clone(&x);
        move || {
            x.load(Ordering::Relaxed);
            x.swap(1, Ordering::Relaxed);
        }
    });
    let r = x.load(Ordering::Relaxed);
    let q = x.load(Ordering::Relaxed);
    other.join().unwrap();
    vec![r, q]
}

fn cas_loop() -> Outcome {
    let x = Arc::new(AtomicUsize::new(0));
    let other = thread::spawn({
        let x = Arc::clone(&x);
        move || {
            let mut state = x.load(Ordering::Relaxed);
            while let Err(actual) = x.compare_exchange(state, state + 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                state = actual;
            }
        }
    });
    let r = x.load(Ordering::Relaxed);
    other.join().unwrap();
    vec![r]
}

fn lost_update() -> Outcome {
    fn add_one(x: &AtomicUsize) {
        let value = x.load(Ordering::Relaxed);
        x.store(value + 1, Ordering::Relaxed);
    }
    let x = Arc::new(AtomicUsize::new(0));
    let other = thread::spawn({
        let x = Arc::clone(&x);
        move || add_one(&x)
    });
    add_one(&x);
    other.join().unwrap();
    vec![x.load(Ordering::Relaxed)]
}

fn conditional_load() -> Outcome {
    let (x, y) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let other = thread::spawn({
        let (x, y) = (Arc::clone(&x), Arc::clone(&y));
        move || {
            if y.load(Ordering::Relaxed) == 0 {
                x.load(Ordering::Relaxed);
            }
            x.store(1, Ordering::Relaxed);
        }
    });
    let r = x.load(Ordering::Relaxed);
    y.store(1, Ordering::Relaxed);
    other.join().unwrap();
    vec![r]
}

fn store_buffering() -> Outcome {
    let (x, y) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let other = thread::spawn({
        let (x, y) = (Arc::clone(&x), Arc::clone(&y));
        move || {
            x.store(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            y.load(Ordering::Relaxed)
        }
    });
    y.store(1, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    let r = x.load(Ordering::Relaxed);
    vec![r, other.join().unwrap()]
}

/// A race that hides behind "load, then store": it has to be reported.
fn hidden_race() {
    let result = std::panic::catch_unwind(|| {
        crate::runner::explore_inside(None, || {
            EXECUTIONS.fetch_add(1, Ordering::Relaxed);
            let (data, flag) = (Arc::new(Data::new(0)), Arc::new(AtomicUsize::new(0)));
            let other = thread::spawn({
                let (data, flag) = (Arc::clone(&data), Arc::clone(&flag));
                move || {
                    data.with_mut(|data| *data = 1);
                    flag.load(Ordering::Relaxed);
                    flag.store(1, Ordering::Relaxed);
                }
            });
            if flag.load(Ordering::Relaxed) == 1 {
                data.with(|_| ());
            }
            other.join().unwrap();
        });
    });
    let message = match result {
        Ok(()) => panic!("the race was not found"),
        Err(payload) => payload.downcast::<String>().map(|message| *message).unwrap_or_default(),
    };
    assert!(message.contains("Causality violation"), "{message}");
}
