//! Time: there is none. A deadline is a step that the scheduler places (see `parking.rs`).

/// A point in time that nobody looks at: under the model any deadline may pass at any moment, or never.
pub use std::time::Instant;

/// What the clock says: always the same, so that each execution takes the same steps. Who has waited for a deadline in vain knows that it has passed, and
/// must go by that.
pub fn now() -> Instant {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *FIRST.get_or_init(Instant::now)
}

/// Whether the clock has come to `instant`: there is none, and so nobody knows before waiting.
pub fn has_passed(_instant: Instant) -> bool {
    false
}

/// A waiter's patience. It ends the first time that somebody barges past: so the models explore both what a
/// patient waiter does (when it parks first) and what an impatient one does (when it parks again).
#[derive(Debug)]
pub struct Patience;

impl Patience {
    /// Starts to count.
    pub fn start() -> Patience {
        Patience
    }

    /// As [`start`](Patience::start): how long it lasts makes no difference here.
    pub fn start_short() -> Patience {
        Patience::start()
    }

    /// Whether this waiter has been passed over for too long.
    pub fn is_exhausted(&self) -> bool {
        true
    }
}
