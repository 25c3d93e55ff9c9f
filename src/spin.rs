//! Bounded spinning, for the moment before a thread parks.
//!
//! Parking costs microseconds; a short critical section lasts nanoseconds. So a thread that finds a lock held
//! first stays awake for a few steps: busy at first, with looks that are some way apart, so that it hardly touches the cache
//! line; then it offers the processor to others, since the holder may need it to get on.
//!
//! Under the model there is no spinning, unless a model asks for it: each step is an interleaving more, and
//! most show nothing new.

use crate::primitives::Offer;
use crate::primitives::advice::{Luck, Sections, Staying};
use crate::primitives::thread;
use crate::primitives::time::Instant;

/// Of a thread's steps, the first that keep the processor, as a rule: so many pauses in each.
const BUSY: &[u32] = &[2, 4, 8];

/// The steps after those, each of which offers the processor to others.
const YIELDS: u32 = 7;

/// So many looks, a pause before each, show a thread that finds a lock held how long it is held each time: if it still is at the last of them, for long.
pub(crate) const FIRST_LOOKS: u32 = 2;

/// The steps of that thread after those, where sections are short. The first is for one that is about to end. The second keeps out of the way for the time of many sections, some
/// two microseconds: whoever takes the lock again and again does so with the cache line to itself. Then looks follow at even distances, so that one of them finds the
/// lock free between two sections.
const ASIDE: &[u32] = &{
    let mut steps = [8; 34];
    [steps[0], steps[1]] = [2, 128];
    steps
};

/// The same where they are long: next to those the way of the cache line is short, so this finds the end of each.
const CLOSE: &[u32] = &[1; 300];

/// After those it offers the processor only twice, in case the holder needs it: one that has given it away looks again a time slice later, at worst.
const YIELDS_AT_LOCK: u32 = 2;

/// One thread's spinning in one call.
#[derive(Debug)]
pub(crate) struct Spin {
    step: u32,
    /// The pauses in each step that keeps the processor.
    busy: &'static [u32],
    yields: u32,
}

impl Spin {
    pub(crate) const fn new() -> Spin {
        Spin { step: 0, busy: BUSY, yields: YIELDS }
    }

    /// For the word of a lock, which its holders write again and again: each look takes the cache line from them. After the first looks.
    pub(crate) fn at_lock(sections: &Sections) -> Spin {
        Spin { step: 0, busy: if sections.are_long() { CLOSE } else { ASIDE }, yields: YIELDS_AT_LOCK }
    }

    /// For one of more threads than there are processors, all of which have to run before it may go on.
    pub(crate) const fn crowded() -> Spin {
        Spin { step: 0, busy: &[], yields: YIELDS }
    }

    /// For one who has polled instead.
    pub(crate) const fn over() -> Spin {
        Spin { step: u32::MAX, busy: &[], yields: 0 }
    }

    /// Takes a step, or says false: it is time to park.
    pub(crate) fn spin(&mut self) -> bool {
        if self.step >= thread::spin_steps(self.busy.len() as u32 + self.yields) {
            return false;
        }
        match self.busy.get(self.step as usize) {
            Some(&pauses) => thread::pause(pauses),
            None => thread::yield_now(),
        }
        self.step += 1;
        true
    }

    /// Starts anew, for a thread that has been parked in between.
    pub(crate) fn reset(&mut self) {
        self.step = 0;
    }
}

/// How a thread polls before it parks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polling {
    /// So many looks without giving the processor away ...
    pub(crate) looks: u32,
    /// ... with so many pauses before each. (A pause takes 10 to 40 nanoseconds.)
    pub(crate) pauses: u32,
    /// So many looks follow, with the processor offered to others before each.
    pub(crate) yields: u32,
    /// For so many pauses more a thread may stay away when it has found something, so that several steps come together (see
    /// [`Luck::tries_to_gather`]); 0 for never.
    pub(crate) gathers: u32,
}

impl Polling {
    /// How often the processor is offered, as a rule.
    pub(crate) const YIELDS: u32 = 10;

    /// How often it is offered by one who [stays](Staying): for some 80 µs, about as long as a park and the wake-up take where these are slow.
    const YIELDS_TO_STAY: u32 = 256;

    /// For a thread that waits for one other, which is mostly about to answer. At even distances: looks that come ever later, or only with each yield, keep two threads in
    /// whatever step they fell into, be it the slow one.
    pub(crate) const fn for_a_partner(yields: u32) -> Polling {
        Polling { looks: 30, pauses: 2, yields, gathers: 0 }
    }

    /// How many steps have to be there after the pauses, for these to have been worth while.
    const fn gathered(&self) -> u64 {
        self.gathers as u64 / 8
    }
}

/// One thread's polling in one call.
#[derive(Debug)]
pub(crate) struct Poll {
    polling: Polling,
    step: u32,
    /// How many offers of the processor were taken.
    taken: u32,
}

impl Poll {
    pub(crate) const fn new(polling: Polling) -> Poll {
        Poll { polling, step: 0, taken: 0 }
    }

    /// Polls as [for a partner](Polling::for_a_partner), or says false at once where that has been in vain of late: then there are many threads perhaps, who do better
    /// to [spin](Spin), and to let each other run. (What is left out counts as in vain too, so that its turn comes again.)
    pub(crate) fn maybe_for_a_partner(
        luck: &Luck,
        deadline: Option<Instant>,
        is_ready: impl FnMut() -> bool,
    ) -> bool {
        let found = luck.polls()
            && Poll::new(Polling::for_a_partner(Polling::YIELDS)).until_at(luck, deadline, is_ready);
        if !found {
            luck.was_bad();
        }
        found
    }

    /// Looks until `is_ready`, or says false: it is time to park. How depends on the luck of this place. The caller gives up at `deadline`.
    pub(crate) fn until_at(
        &mut self,
        luck: &Luck,
        deadline: Option<Instant>,
        is_ready: impl FnMut() -> bool,
    ) -> bool {
        self.until_beside(luck, deadline, is_ready, || 0, || 0, || {})
    }

    /// The same at a place where others wait for the same thing. `steps` counts how often one of them has got what they wait for;
    /// `ready` says how often that can be had just now. `before_offers` is called before the processor is offered, once.
    pub(crate) fn until_beside(
        &mut self,
        luck: &Luck,
        deadline: Option<Instant>,
        is_ready: impl FnMut() -> bool,
        steps: impl Fn() -> u64,
        ready: impl Fn() -> u64,
        before_offers: impl Fn(),
    ) -> bool {
        if luck.has_to_change() {
            return false;
        }
        let stays = luck.staying.is_due(deadline).then_some(&luck.staying);
        let looks = luck.looks(self.polling.looks, self.polling.yields);
        let found = self.go_on_or_stay(stays, looks, is_ready, steps, before_offers);
        match found {
            Some(Found::FromAfar) => {
                luck.was_good();
                if self.polling.gathers > 0 && luck.tries_to_gather() {
                    thread::pause(self.polling.gathers);
                    luck.has_gathered(ready() >= self.polling.gathered());
                }
            }
            Some(Found::AfterAnOffer) => luck.was_bad(),
            None => {}
        }
        found.is_some()
    }

    /// Goes on for as long as one who stays, if this is one, and says whether that was worth while.
    fn go_on_or_stay(
        &mut self,
        stays: Option<&Staying>,
        looks: u32,
        is_ready: impl FnMut() -> bool,
        steps: impl Fn() -> u64,
        before_offers: impl Fn(),
    ) -> Option<Found> {
        let yields = self.polling.yields;
        let before = self.step;
        let Some(staying) = stays else { return self.go_on(looks, yields, is_ready, steps, before_offers) };
        let found = self.go_on(looks, Polling::YIELDS_TO_STAY.max(yields), is_ready, steps, before_offers);
        if self.step > before.max(looks + yields) {
            staying.has_stayed(found.is_some());
        }
        found
    }

    /// Offers the processor so many times; but where it is taken, no more often than one does who doesn't stay.
    fn go_on(
        &mut self,
        looks: u32,
        yields: u32,
        mut is_ready: impl FnMut() -> bool,
        steps: impl Fn() -> u64,
        before_offers: impl Fn(),
    ) -> Option<Found> {
        while self.step < thread::spin_steps(looks + yields) {
            if self.step == looks {
                before_offers();
            }
            self.step += 1;
            let goes_on = if self.step <= looks {
                thread::pause(self.polling.pauses);
                true
            } else {
                let offer = thread::offer(&steps);
                self.taken += u32::from(matches!(offer, Offer::Taken | Offer::TakenForLong));
                match offer {
                    Offer::NotTaken => true,
                    Offer::Taken => self.taken < self.polling.yields,
                    Offer::NotMade | Offer::TakenForLong => false,
                }
            };
            if is_ready() {
                return Some(if self.taken == 0 { Found::FromAfar } else { Found::AfterAnOffer });
            }
            if !goes_on {
                break;
            }
        }
        None
    }
}

/// When a thread that polls has found what it waits for.
#[derive(Clone, Copy, Debug)]
enum Found {
    /// While it kept the processor, or nobody else wanted it: it came from another one.
    FromAfar,
    /// After somebody else had its own.
    AfterAnOffer,
}

/// Keeps out of the way of those who were faster. With two threads on one word, one that tries again soon takes the cache lines from the
/// other for each step; one that stays away for the time of many steps lets the other take them all with the lines in its own cache. So the
/// first wait is long already, the longer the more lines there are to a step.
#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: u32,
}

impl Backoff {
    /// About seven microseconds.
    const MOST: u32 = 512;

    /// Waits for so many pauses the first time, and then for twice as many each time.
    pub(crate) const fn new(pauses: u32) -> Backoff {
        Backoff { pauses }
    }

    /// A compare-and-swap has failed. Says whether it has waited: then what the other thread has written is old by now.
    #[cold]
    pub(crate) fn lost(&mut self) -> bool {
        let waits = thread::takes_shortcuts();
        if waits {
            thread::pause(self.pauses);
            self.pauses = (2 * self.pauses).min(Backoff::MOST);
        }
        waits
    }
}

/// Waits for a step that another thread is in the middle of, and that ends soon whatever else happens: busy for a moment, then by
/// offering the processor, since it may be that thread which needs it. Not for anything that a thread may block in.
#[derive(Debug)]
pub(crate) struct Snooze {
    step: usize,
}

impl Snooze {
    pub(crate) const fn new() -> Snooze {
        Snooze { step: 0 }
    }

    #[cold]
    pub(crate) fn snooze(&mut self) {
        match BUSY.get(self.step) {
            Some(&pauses) => {
                self.step += 1;
                thread::pause(pauses);
            }
            None => thread::yield_now(),
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn at_a_lock_the_looks_are_close_where_sections_are_long() {
        let sections = Sections::new();
        assert_eq!(Spin::at_lock(&sections).busy, ASIDE);
        (0..100).for_each(|_| sections.have_seen(true));
        assert_eq!(Spin::at_lock(&sections).busy, CLOSE);
    }
}
