//! When to give up waiting. The one place for time arithmetic.

use core::time::Duration;

use crate::primitives::time::Instant;

/// The moment at which a waiting call gives up.
///
/// One deadline is made when a call begins and holds across all its retries, so that a thread which is woken
/// and loses the race does not wait its whole timeout again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline {
    /// Never.
    Never,
    /// At once: such a call never blocks.
    Now,
    /// At that instant, past ones included.
    At(Instant),
}

impl Deadline {
    /// `timeout` from now. Zero is [`Deadline::Now`]; a sum that the clock cannot express is
    /// [`Deadline::Never`].
    pub(crate) fn after(timeout: Duration) -> Deadline {
        if timeout.is_zero() {
            Deadline::Now
        } else {
            Instant::now().checked_add(timeout).map_or(Deadline::Never, Deadline::At)
        }
    }

    /// Whether the call must not block at all.
    pub(crate) fn is_now(&self) -> bool {
        matches!(self, Deadline::Now)
    }

    /// The form that parking asks for: `None` is "for ever". Whoever parks has ruled out `Now` before.
    pub(crate) fn instant(&self) -> Option<Instant> {
        match *self {
            Deadline::At(instant) => Some(instant),
            Deadline::Never => None,
            Deadline::Now => unreachable!("raddle: a call that must not block was about to park"),
        }
    }
}

impl From<Instant> for Deadline {
    fn from(instant: Instant) -> Deadline {
        Deadline::At(instant)
    }
}
