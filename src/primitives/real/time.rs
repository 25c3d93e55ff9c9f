//! Time: the monotonic clock.

use core::time::Duration;

pub use std::time::Instant;

/// What the clock says.
#[inline]
pub fn now() -> Instant {
    Instant::now()
}

/// Whether the clock has come to `instant`.
pub fn has_passed(instant: Instant) -> bool {
    Instant::now() >= instant
}

/// How long a waiter lets others barge past it before it asks to be served next.
const PATIENCE: Duration = Duration::from_millis(1);

/// A waiter's patience, counted from the moment it first parks.
#[derive(Debug)]
pub struct Patience {
    since: Instant,
    lasts: Duration,
}

impl Patience {
    /// Starts to count.
    #[inline]
    pub fn start() -> Patience {
        Patience { since: Instant::now(), lasts: PATIENCE }
    }

    /// Starts to count what is half as long, for the waiter of a lock.
    #[inline]
    pub fn start_short() -> Patience {
        Patience { since: Instant::now(), lasts: PATIENCE / 2 }
    }

    /// Whether this waiter has been passed over for too long.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.since.elapsed() >= self.lasts
    }
}
