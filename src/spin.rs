//! Bounded spinning, for the moment before a thread parks.
//!
//! Parking costs microseconds; a short critical section lasts nanoseconds. So a thread that finds a lock held
//! first stays awake for a few steps: busy at first, in rounds that double, so that it hardly touches the cache
//! line; then it offers the processor to others, since the holder may need it to get on.
//!
//! Under the model there is no spinning (its limit is 0 steps): each step would be an interleaving more that
//! shows nothing new.

use crate::primitives::{SPIN_STEPS, thread};

/// Of all steps, the first that keep the processor: 2, 4 and 8 pauses.
const BUSY_STEPS: u32 = 3;

/// One thread's spinning in one call.
#[derive(Debug)]
pub(crate) struct Spin {
    step: u32,
}

impl Spin {
    pub(crate) const fn new() -> Spin {
        Spin { step: 0 }
    }

    /// Takes a step, or says false: it is time to park.
    pub(crate) fn spin(&mut self) -> bool {
        if self.step == SPIN_STEPS {
            return false;
        }
        self.step += 1;
        if self.step <= BUSY_STEPS {
            for _ in 0..1 << self.step {
                thread::spin_loop();
            }
        } else {
            thread::yield_now();
        }
        true
    }

    /// Starts anew, for a thread that has been parked in between.
    pub(crate) fn reset(&mut self) {
        self.step = 0;
    }
}
