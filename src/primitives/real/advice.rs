//! Advice: what a place has learned about how to wait there.
//!
//! How a thread waits best depends on what the others do, and that shows only by waiting. So those who have waited leave a note for those who come after them:
//! a number or two beside the state word. Nothing but time depends on these. They are read and written with Relaxed, by anybody, and may be old or lost.

use super::atomic::{AtomicU8, AtomicUsize, Ordering};
use super::time::Instant;

/// What has become lately of polling at some place: numbers that may be lost or old; nothing but time depends on them.
///
/// Where all threads share one processor, what they wait for comes only when they give it away, and all looks before that are in vain.
/// So after a few failures in a row most of those looks are left out. And if it goes on like that, somebody parks: the system puts a woken thread on a
/// processor that is idle, at once; one that is only ready to run may stay beside the others for milliseconds.
///
/// Where threads take steps in a stream, one after the other, and those who wait for these steps are as fast, each step is taken the moment it is there:
/// the two sides are always at the same cache lines, and take them from each other. So who finds a first step stays away for a moment more, *gathers*, and then takes
/// many steps in a row, whose lines the other side has left. Whether there is such a stream shows afterwards, by how many have come. (Network cards
/// coalesce interrupts in this way.)
#[derive(Debug)]
pub struct Luck {
    /// How often in a row an offer of the processor was needed, and taken; or a poll was in vain, or left out, for one who can do something else.
    bad: AtomicUsize,
    /// Of those who wait here.
    pub staying: Staying,
    gathering: Trials,
}

impl Luck {
    /// So many failures in a row are chance.
    const CHANCE: usize = 4;

    /// Then one in so many times looks all the same.
    const TRIED_EVERY: usize = 8;

    /// And one in so many parks.
    const PARKED_EVERY: usize = 32;

    /// Where there may be many threads instead of two, only one in so many polls at all: that takes longer than a few looks, and keeps the others waiting.
    const POLLED_EVERY: usize = 128;

    /// No failure yet.
    pub const fn new() -> Luck {
        Luck { bad: AtomicUsize::new(0), staying: Staying::new(), gathering: Trials::new() }
    }

    /// That of an object which has no room for one, by its address. Some share theirs with others, which costs them time at most.
    pub fn of(address: usize) -> &'static Luck {
        const BITS: u32 = 6;
        static LUCKS: [Luck; 1 << BITS] = [const { Luck::new() }; 1 << BITS];

        // Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4).
        let hash = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &LUCKS[(hash >> (u64::BITS - BITS)) as usize]
    }

    fn bad(&self) -> usize {
        // Relaxed: advice, which may be old.
        self.bad.load(Ordering::Relaxed)
    }

    fn set_bad(&self, bad: usize) {
        // Relaxed: advice, which may be lost.
        self.bad.store(bad, Ordering::Relaxed);
    }

    /// How many of `most` looks to take before the processor is offered (so many times, which makes no difference here).
    pub fn looks(&self, most: u32, _offers: u32) -> u32 {
        let bad = self.bad();
        if bad < Luck::CHANCE || bad.is_multiple_of(Luck::TRIED_EVERY) { most } else { 0 }
    }

    /// Whether to poll at all, for one who can do something else.
    pub fn polls(&self) -> bool {
        let bad = self.bad();
        bad < Luck::CHANCE || bad.is_multiple_of(Luck::POLLED_EVERY)
    }

    /// Whether it is better to park at once.
    pub fn has_to_change(&self) -> bool {
        let bad = self.bad();
        let has_to = bad % Luck::PARKED_EVERY == Luck::PARKED_EVERY - 1;
        if has_to {
            self.set_bad(bad.wrapping_add(1));
        }
        has_to
    }

    /// It came from another processor.
    pub fn was_good(&self) {
        if self.bad() != 0 {
            self.set_bad(0);
        }
    }

    /// It came after somebody else had had the processor; or whoever [can do something else](Self::polls) did so.
    pub fn was_bad(&self) {
        self.set_bad(self.bad().wrapping_add(1));
    }

    /// Whether to gather has been worth while of late.
    #[inline]
    pub fn gathers(&self) -> bool {
        self.gathering.pays()
    }

    /// Whether to gather now, and then to say whether it [was worth while](Self::has_gathered).
    pub fn tries_to_gather(&self) -> bool {
        let is_due = self.gathering.is_due();
        if !is_due {
            self.gathering.pass();
        }
        is_due
    }

    /// See [`tries_to_gather`](Self::tries_to_gather).
    pub fn has_gathered(&self, was_worth_while: bool) {
        self.gathering.has_tried(was_worth_while);
    }
}

impl Default for Luck {
    fn default() -> Luck {
        Luck::new()
    }
}

/// Whether those who wait at some place do better to stay awake for as long as a wake-up takes.
///
/// Where the system needs long for a wake-up, two sides that wait for each other fall into step: who wakes the other has parked before that one is awake, and so each
/// step costs a wake-up. So who waits *stays*: it goes on offering the processor, while nobody else wants it, for as long as a park and a wake-up may take. So a wait costs twice as
/// much as it has to, at most: this is competitive spinning (Karlin, Li, Manasse, Owicki: Empirical studies of competitive spinning, SOSP 1991). Where
/// nothing comes in that time, it is tried ever less often, and only after parks that were short.
#[derive(Debug)]
pub struct Staying {
    trials: Trials,
}

impl Staying {
    /// Who was parked for less could have had it without: most of that is the wake-up.
    const SHORT_PARK: core::time::Duration = core::time::Duration::from_micros(100);

    /// It is tried the first time.
    pub const fn new() -> Staying {
        Staying { trials: Trials::new() }
    }

    /// Who gives up earlier doesn't stay.
    const AHEAD: core::time::Duration = core::time::Duration::from_millis(1);

    /// Whether to stay, for one who gives up at `deadline`, and then to say whether it [was worth while](Self::has_stayed).
    pub fn is_due(&self, deadline: Option<Instant>) -> bool {
        let is_far = |deadline: Instant| deadline.saturating_duration_since(Instant::now()) > Staying::AHEAD;
        self.trials.is_due() && deadline.is_none_or(is_far)
    }

    /// What was waited for came in the time that others don't stay for, or did not.
    pub fn has_stayed(&self, was_worth_while: bool) {
        self.trials.has_tried(was_worth_while);
    }

    /// A thread was woken that had parked here.
    pub fn was_parked(&self, park: &Park) {
        if park.since.elapsed() < Staying::SHORT_PARK {
            self.trials.pass();
        }
    }
}

impl Default for Staying {
    fn default() -> Staying {
        Staying::new()
    }
}

/// A thread parks: since when.
#[derive(Debug)]
pub struct Park {
    since: Instant,
}

impl Park {
    /// Now.
    pub fn begin() -> Park {
        Park { since: Instant::now() }
    }
}

/// When to try something that may be worth while, or not: each time while it is, and else ever less often.
#[derive(Debug)]
struct Trials {
    /// It is tried once in so many times (above [`REST`](Trials::REST)), and next after so many more (below it). 0: each time.
    rest: AtomicUsize,
}

impl Trials {
    /// Where it is in vain, it is tried once in so many times.
    const MOST_REST: usize = 256;

    /// What is left of a rest is less than this; how long it is stands above.
    const REST: usize = 2 * Trials::MOST_REST;

    /// It is tried the first time.
    const fn new() -> Trials {
        Trials { rest: AtomicUsize::new(1) }
    }

    #[inline]
    fn rest(&self) -> usize {
        // Relaxed: advice, which may be old.
        self.rest.load(Ordering::Relaxed)
    }

    fn set_rest(&self, rest: usize) {
        // Relaxed: advice, which may be lost.
        self.rest.store(rest, Ordering::Relaxed);
    }

    /// Whether it has been worth while of late.
    #[inline]
    fn pays(&self) -> bool {
        self.rest() == 0
    }

    /// Whether to try it now.
    fn is_due(&self) -> bool {
        self.rest() % Trials::REST <= 1
    }

    /// It could have been tried, and was not.
    fn pass(&self) {
        let rest = self.rest();
        if rest % Trials::REST > 1 {
            self.set_rest(rest - 1);
        }
    }

    /// If that was in vain, it is tried next time but one, and then half as often each time.
    fn has_tried(&self, was_worth_while: bool) {
        let before = self.rest();
        let rest = if was_worth_while { 0 } else { (before / Trials::REST * 2).clamp(2, Trials::MOST_REST) };
        let after = rest * Trials::REST + rest;
        if after != before {
            self.set_rest(after);
        }
    }
}

/// How long a lock is held each time, as far as those know who have found it held: a number that may be lost or old; nothing but time depends on it.
#[derive(Debug)]
pub struct Sections {
    /// It grows with each section that was long, and shrinks with each that was short.
    long: AtomicU8,
}

impl Sections {
    const MOST: u8 = 32;

    /// From here on they are taken to be long.
    const LONG: u8 = 12;

    /// A short one counts for so many long ones: it may have seemed long because the cache line was, or because its thread had lost the processor.
    const SHORT: u8 = 2;

    /// They are short.
    pub const fn new() -> Sections {
        Sections { long: AtomicU8::new(0) }
    }

    /// Whether they are long as a rule.
    pub fn are_long(&self) -> bool {
        // Relaxed: advice, which may be old.
        self.long.load(Ordering::Relaxed) >= Sections::LONG
    }

    /// One was long, or was not.
    pub fn have_seen(&self, long: bool) {
        // Relaxed, both: advice, which may be old, or lost.
        let before = self.long.load(Ordering::Relaxed);
        let after = if long {
            before.saturating_add(1).min(Sections::MOST)
        } else {
            before.saturating_sub(Sections::SHORT)
        };
        if after != before {
            self.long.store(after, Ordering::Relaxed);
        }
    }
}

impl Default for Sections {
    fn default() -> Sections {
        Sections::new()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn to_gather_is_tried_ever_less_while_it_is_in_vain() {
        let luck = Luck::new();
        let mut tries = Vec::new();
        for time in 0..2000 {
            assert!(!luck.gathers());
            if luck.tries_to_gather() {
                tries.push(time);
                luck.has_gathered(false);
            }
        }
        assert_eq!(tries[..9], [0, 2, 6, 14, 30, 62, 126, 254, 510]);
        assert!(tries[8..].windows(2).all(|pair| pair[1] - pair[0] == Trials::MOST_REST), "{tries:?}");
    }

    #[test]
    fn where_to_gather_is_worth_while_it_is_done_each_time() {
        let luck = Luck::new();
        for _ in 0..10 {
            assert!(luck.tries_to_gather());
            luck.has_gathered(true);
            assert!(luck.gathers());
        }
        luck.has_gathered(false);
        assert!(!luck.gathers());
        assert!(!luck.tries_to_gather());
        assert!(luck.tries_to_gather(), "the next time but one");
    }

    #[test]
    fn where_polls_are_in_vain_few_are_tried() {
        let luck = Luck::new();
        let tries = |times| {
            let in_vain = |_: &usize| {
                let polls = luck.polls();
                luck.was_bad();
                polls
            };
            (0..times).filter(in_vain).collect::<Vec<usize>>()
        };
        assert_eq!(tries(300), [0, 1, 2, 3, 128, 256]);
        luck.was_good();
        assert_eq!(tries(100), [0, 1, 2, 3]);
    }

    fn park(since: Instant) -> Park {
        Park { since }
    }

    #[test]
    fn to_stay_is_tried_ever_less_while_it_is_in_vain_and_only_after_short_parks() {
        let staying = Staying::new();
        // (What is yet to come has lasted for no time.)
        let short = park(Instant::now() + Duration::from_secs(3600));
        let mut tries = Vec::new();
        for time in 0..1000 {
            if staying.is_due(None) {
                tries.push(time);
                staying.has_stayed(false);
            } else {
                staying.was_parked(&short);
            }
        }
        assert_eq!(tries, [0, 2, 6, 14, 30, 62, 126, 254, 510, 766]);
        for _ in 0..1000 {
            staying.was_parked(&park(Instant::now().checked_sub(Duration::from_millis(1)).unwrap()));
            assert!(!staying.is_due(None));
        }
    }

    #[test]
    fn where_to_stay_is_worth_while_it_is_done_each_time() {
        let staying = Staying::new();
        for _ in 0..10 {
            assert!(staying.is_due(None));
            staying.has_stayed(true);
        }
        let now = Instant::now();
        assert!(staying.is_due(Some(now + Duration::from_secs(3600))));
        assert!(!staying.is_due(Some(now + Duration::from_micros(500))));
        staying.has_stayed(false);
        assert!(!staying.is_due(None));
    }

    #[test]
    fn sections_are_long_after_a_dozen_that_were_and_a_short_one_counts_for_two() {
        let sections = Sections::new();
        let until = |long| {
            (1..100).find(|_| {
                sections.have_seen(long);
                sections.are_long() == long
            })
        };
        assert_eq!(until(true), Some(12));
        assert_eq!(until(false), Some(1));
        assert_eq!(until(true), Some(2));
        (0..255).for_each(|_| sections.have_seen(true));
        assert_eq!(until(false), Some(11), "they are forgotten as soon, however many there were");
        (0..255).for_each(|_| sections.have_seen(false));
        assert_eq!(until(true), Some(12));
    }
}
