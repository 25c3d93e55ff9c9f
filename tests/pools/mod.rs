//! What the tests of the pool share.

#![allow(dead_code, unreachable_pub, reason = "no test file needs all of them")]

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use raddle::{Event, JobError, WorkPool, WorkPoolBuilder};

use crate::common::{message_of, wait_until};

/// An event that is set at the latest when the test is over, also if it fails: so that no job waits for it for ever.
pub struct Gate(pub Arc<Event>);

impl Gate {
    pub fn new() -> Gate {
        Gate(Arc::new(Event::new()))
    }

    pub fn open(&self) {
        self.0.set();
    }

    /// For a job.
    pub fn event(&self) -> Arc<Event> {
        Arc::clone(&self.0)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Gives so many workers something to do until the gate opens; comes back when they are at it.
pub fn keep_busy(pool: &WorkPool, workers: usize) -> Gate {
    let (gate, begun) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..workers {
        let (event, begun) = (gate.event(), Arc::clone(&begun));
        pool.spawn(move || {
            // Release: with the Acquire below, so that who is back from here sees them counted as busy, which they were before.
            begun.fetch_add(1, Ordering::Release);
            event.wait();
        });
    }
    wait_until("the workers are busy", || begun.load(Ordering::Acquire) == workers);
    gate
}

/// What a panic hook has heard, as texts.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn builder(&self) -> WorkPoolBuilder {
        let heard = self.clone();
        WorkPool::builder().panic_hook(move |payload| heard.0.lock().unwrap().push(message_of(&*payload)))
    }

    pub fn pool(&self, workers: usize) -> WorkPool {
        self.builder().workers(workers).build().unwrap()
    }
}

/// A panic without a message on the screen.
pub fn fail(text: &'static str) -> ! {
    resume_unwind(Box::new(text))
}

pub fn text(error: &JobError) -> &str {
    error.message().expect("it panicked with a text")
}

pub fn me() -> ThreadId {
    thread::current().id()
}
