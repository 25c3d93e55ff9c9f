//! The loom models of `loom-tests/`, as stress tests: the same functions, on real threads and real parking, again and again.
//!
//! `cargo loom` checks the state words against a model of the parking layer; this checks the model's assumptions against the
//! real one.

#![cfg(not(feature = "loom"))]

#[path = "../loom-tests/src/models/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of another package, which needs more of it")]
mod models;
#[allow(unreachable_pub, reason = "the twin of a module of that package")]
mod world;

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often each model runs, at most.
const RUNS: usize = 2_000;

/// How long each model runs, at most. Optimised code races more in the same time, so that gets more of it.
const TIME: Duration = Duration::from_millis(if cfg!(debug_assertions) { 50 } else { 150 });

/// How long one run may take before it counts as hung.
const HUNG: Duration = Duration::from_secs(60);

#[test]
fn every_model_holds_on_real_threads() {
    for model in models::all().into_iter().chain(models::stress_only()) {
        let (done, finished) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            for _ in 0..RUNS {
                if begin.elapsed() > TIME {
                    break;
                }
                (model.body)();
                let _ = done.send(());
            }
        });
        loop {
            match finished.recv_timeout(HUNG) {
                Ok(()) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} hangs", model.name),
            }
        }
        assert!(thread.join().is_ok(), "{} fails", model.name);
    }
}
