//! When to give up waiting. The one place for time arithmetic.

use core::time::Duration;

use crate::primitives::time::{self, Instant};

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

    /// This deadline, or [`Deadline::Now`] if it is past. For slow paths, which have the time to look at the clock.
    pub(crate) fn or_now(self) -> Deadline {
        match self {
            Deadline::At(instant) if time::has_passed(instant) => Deadline::Now,
            other => other,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_that_the_clock_cannot_express_is_none() {
        assert!(matches!(Deadline::after(Duration::MAX), Deadline::Never));
        assert!(matches!(Deadline::after(Duration::from_secs(u64::MAX)), Deadline::Never));
        assert_eq!(Deadline::Never.instant(), None);
    }

    #[test]
    fn zero_does_not_block_and_a_nanosecond_may() {
        assert!(Deadline::after(Duration::ZERO).is_now());
        assert!(!Deadline::after(Duration::from_nanos(1)).is_now());
    }

    #[test]
    fn a_deadline_is_not_before_its_timeout() {
        let timeout = Duration::from_secs(3600);
        let before = Instant::now();
        let deadline = Deadline::after(timeout).instant().expect("an hour can be expressed");
        assert!(deadline.checked_duration_since(before) >= Some(timeout));
    }

    #[test]
    #[cfg(not(feature = "loom"))]
    fn a_deadline_in_the_past_is_now() {
        let begin = Instant::now();
        assert!(Deadline::At(begin).or_now().is_now());
        assert!(!Deadline::after(Duration::from_secs(3600)).or_now().is_now());
        assert!(!Deadline::Never.or_now().is_now());
    }

    #[test]
    #[should_panic(expected = "must not block")]
    fn now_is_no_deadline_to_park_with() {
        let _ = Deadline::Now.instant();
    }
}
