//! The raw queue: what all queues share. Positions, two lines of waiting threads, and the count of what is done. No items.
//!
//! A queue has two ends. Threads put at the *tail* and get at the *head*; each end has a word with the position of its next
//! step. A [`Store`](super::store::Store) keeps the items, and moves these words when it takes one in or gives one out.
//!
//! # The words
//!
//! ```text
//! tail: position of the next put       | STARVING | CLOSED | WAKING | PARKED
//! head: position of the next get       | STARVING | CLOSED | WAKING | PARKED
//! done: position of the next task_done |                              PARKED
//! ```
//!
//! WAKING and PARKED speak of the line of those who wait for this word to move: in `tail` of getters, in `head` of putters, in `done` of
//! those who join. STARVING speaks of those who would move it themselves: in `tail` of putters, in `head` of getters.
//!
//! So the flags of a line stand in the word that its threads wait for, and the very step that lets one of them go on shows
//! whether one is there. No fence is needed for that, and a put or a get with nobody waiting is one read-modify-write.
//!
//! What is unfinished is the way from `done` to `tail`, what is queued the way from `head` to `tail`: nobody counts either.
//!
//! # A line, as (waking, parked)
//!
//! ```text
//! 0 0   nobody is in the line
//! 0 1   somebody may be; who moves the word wakes the first of them
//! 1 p   a thread was woken, or is about to be: it has the turn, and looks after the rest
//! ```
//!
//! ```text
//! step of the other end   0,1 -> 1,1   and then, with the item in its place, wakes one
//! wakes one               1,p -> 1,p   under the queue lock: p is whether there are more
//!                         1,p -> 0,0   if there is nobody at all
//! about to park           w,p -> w,1   if the word has not moved since it was looked at
//!                         1,p -> 0,1   by the one who has the turn, and found nothing
//! passes the turn on      1,p -> 0,p   done with it; and if there is more to be had: 0,1 -> 1,1, wakes one
//! ```
//!
//! # Invariants
//!
//! 1. `done` and `head` never pass `tail`.
//! 2. PARKED is set while a thread is in the line (its `validate` saw to that). It is cleared under the queue lock only.
//! 3. **No wake-up is lost.** While a thread is in the line and there is something for it, WAKING is set, or a thread that
//!    starves is at work. For a thread parks only if there was nothing at the position that the word still has, or nothing that is
//!    not spoken for: then the starving thread looks after the line when it leaves. What moves
//!    the word then sets WAKING, or finds it set. Who has the turn ends it by a read-modify-write of the word, and so sees
//!    each step that found WAKING set; if there is more to be had, that thread sets it again. (Models: the `queue_*` ones
//!    with two getters, or two putters.)
//! 4. Threads of a line are woken in the order in which they parked, one at a time.
//! 5. After CLOSED is set nobody parks, and `tail` doesn't move.
//!
//! # Why one at a time
//!
//! A wake-up takes microseconds, a put takes nanoseconds. With one wake-up under way, the items that come meanwhile are there
//! for whoever is awake, as a lock is for those who barge, and the woken thread finds many of them; a wake-up for each
//! would cost a context switch for each. The woken thread wakes the next *before* it goes to work, so that a burst of items
//! still gets everybody to work.
//!
//! # Starving
//!
//! A thread that was woken, found nothing and has been parking for a millisecond sets STARVING at its own end, unless another has done so.
//! Then one item (or room for one) is spoken for: newcomers leave it, and stand in the line. Those who were in the line before the
//! starving one are still served before it, so that its wait has an end. It takes the flag back when it leaves.

use core::ops::Deref;

use crossbeam_utils::CachePadded;

use crate::deadline::Deadline;
use crate::error::TaskDoneTooOften;
use crate::primitives::advice::{Luck, Park};
use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::parking::{self, FilterOp, ParkResult, ParkToken, UnparkToken};
use crate::primitives::time::Patience;
use crate::spin::{Poll, Polling, Snooze};

const PARKED: u64 = 0b001;
const WAKING: u64 = 0b010;
const CLOSED: u64 = 0b100;
const STARVING: u64 = 0b1000;
const FLAG_BITS: u32 = 4;
const FLAGS: u64 = (1 << FLAG_BITS) - 1;

/// From one position to the next, but at the end of a lap.
pub(super) const ONE: u64 = 1 << FLAG_BITS;

/// The limit of a queue that has none.
pub(super) const NO_LIMIT: u64 = u64::MAX;

/// Told to a woken waiter: it is your turn, look after the others.
const TURN: UnparkToken = UnparkToken(0x71);
/// Told to those who join.
const ALL_DONE: UnparkToken = UnparkToken(0x72);
/// Told to woken waiters: the queue is shut down, look again.
const LOOK_AGAIN: UnparkToken = UnparkToken(0x70);

/// The position in a word, without the flags.
pub(super) const fn position(word: u64) -> u64 {
    word & !FLAGS
}

pub(super) const fn is_closed(word: u64) -> bool {
    word & CLOSED != 0
}

/// Whether who moves this word has to wake somebody then.
#[inline]
pub(super) const fn wakes(word: u64) -> bool {
    word & (PARKED | WAKING) == PARKED
}

/// The word after a step by `stride`, and whether who takes this step has to wake somebody then.
#[inline]
pub(super) const fn step(word: u64, stride: u64) -> (u64, bool) {
    let wakes = wakes(word);
    (word.wrapping_add(stride) | if wakes { WAKING } else { 0 }, wakes)
}

/// Whether one position, or stamp, comes before another. Both wrap.
#[inline]
pub(super) const fn is_before(one: u64, other: u64) -> bool {
    (one.wrapping_sub(other) as i64) < 0
}

/// How positions follow each other: laps of `span` steps. The index of a position in its lap stands in the low bits and the
/// number of the lap above, and both wrap; so no division is needed, whatever the span is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Laps {
    /// Steps in a lap.
    span: u64,
    /// From a position to the one with the same index in the next lap: a power of two.
    lap: u64,
    /// From the first position of a lap to its last.
    last: u64,
    /// From the last position of a lap to the first of the next.
    turn: u64,
}

impl Laps {
    /// Laps of `span` steps, with room in the index for `spare` values that are no step.
    pub(super) const fn new(span: u64, spare: u64) -> Laps {
        let lap = (span + spare).next_power_of_two() << FLAG_BITS;
        let last = (span - 1) << FLAG_BITS;
        Laps { span, lap, last, turn: lap - last }
    }

    /// Positions that only count.
    pub(super) const fn plain() -> Laps {
        Laps::new(1 << 32, 0)
    }

    pub(super) const fn lap(self) -> u64 {
        self.lap
    }

    #[inline]
    pub(super) const fn index(self, position: u64) -> usize {
        ((position & (self.lap - 1)) >> FLAG_BITS) as usize
    }

    /// How far it is from a position to the next.
    #[inline]
    pub(super) const fn stride(self, position: u64) -> u64 {
        if position & (self.lap - 1) == self.last { self.turn } else { ONE }
    }

    /// The position after this one.
    #[inline]
    pub(super) const fn next(self, position: u64) -> u64 {
        position.wrapping_add(self.stride(position))
    }

    /// How many steps there were before this position; after a wrap, any number.
    fn count(self, position: u64) -> u64 {
        (position >> self.lap.trailing_zeros())
            .wrapping_mul(self.span)
            .wrapping_add(self.index(position) as u64)
    }

    /// How many steps lead from one position to another; negative if the other lies behind.
    #[inline]
    pub(super) const fn distance(self, from: u64, to: u64) -> i64 {
        let laps =
            (to & !(self.lap - 1)).wrapping_sub(from & !(self.lap - 1)) as i64 >> self.lap.trailing_zeros();
        laps.wrapping_mul(self.span as i64).wrapping_add(self.index(to) as i64 - self.index(from) as i64)
    }
}

/// Who makes an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claimant {
    /// Somebody who has just come, and has to wait while another is starving.
    Newcomer,
    /// The same, after a lost race, or with an old guess: it keeps out of the way for a moment, and then looks.
    Outrun,
    /// Somebody who has the turn, or is starving, or knows that there is enough.
    Waiter,
}

impl Claimant {
    /// Who goes on after a compare-and-swap from a guess, without flags, that has found this word: with flags, or at another position. (A weak one may fail for nothing.)
    #[inline]
    pub(super) const fn who_found(word: u64, guess: u64) -> Claimant {
        if position(word) == guess { Claimant::Newcomer } else { Claimant::Outrun }
    }

    /// The flags of the tail that keep it from a put.
    #[inline]
    pub(super) const fn barred_from_put(self) -> u64 {
        CLOSED | self.barred_from_get()
    }

    /// The flags of the head that keep it from a get.
    #[inline]
    pub(super) const fn barred_from_get(self) -> u64 {
        match self {
            Claimant::Newcomer | Claimant::Outrun => STARVING,
            Claimant::Waiter => 0,
        }
    }
}

/// Which end a thread works at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Put,
    Get,
}

/// Why an attempt at a put or a get came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// The queue is shut down, and for a getter: empty.
    Closed,
    /// There is nothing to be had until the other end moves; this is its word, as it was seen.
    Nothing(u64),
    /// None that lasts: another thread is in the middle of its step, or was faster.
    Passing,
}

/// A step that was claimed by [`RawQueue::claim_put`] or [`RawQueue::claim_get`].
#[must_use]
#[derive(Debug)]
pub(super) struct Claim {
    /// Who waits for this step.
    wakes: Option<Side>,
}

/// Why a wait ended without a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GaveUp {
    Closed,
    TimedOut,
}

/// One who waits for a step, for [`RawQueue::wait`].
pub(super) trait Caller {
    /// What it waits for: nothing more than that for a put, the item for a get.
    type Result;

    /// Whether an attempt is worth while: a guess, asked while polling.
    fn is_ready(&self) -> bool;

    /// Makes an attempt.
    fn attempt(&self) -> Option<Self::Result>;

    /// The processor is about to be offered to others.
    ///
    /// # Safety
    ///
    /// `self` stays where it is until [`after_offers`](Caller::after_offers) has been called, and only `is_ready` is called in between.
    unsafe fn before_offers(&self);

    /// No more offers now. Returns what others have done for us meanwhile, if they have.
    fn after_offers(&self) -> Option<Self::Result>;
}

/// One end of a queue.
#[derive(Debug)]
pub(super) struct End {
    word: AtomicU64,
    /// That of the threads which work at this end.
    luck: Luck,
}

impl End {
    #[cfg_attr(feature = "loom", track_caller)]
    fn new(start: u64) -> End {
        End { word: AtomicU64::new(start), luck: Luck::new() }
    }
}

impl Deref for End {
    type Target = AtomicU64;

    #[inline]
    fn deref(&self) -> &AtomicU64 {
        &self.word
    }
}

#[derive(Debug)]
pub(super) struct RawQueue {
    pub(super) tail: CachePadded<End>,
    pub(super) head: CachePadded<End>,
    done: CachePadded<AtomicU64>,
    pub(super) laps: Laps,
    /// The most items there may be, or [`NO_LIMIT`].
    pub(super) limit: u64,
    pub(super) capacity: Option<usize>,
}

impl RawQueue {
    /// A queue whose first step is at the beginning of the lap numbered `lap` (which wraps).
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(laps: Laps, capacity: Option<usize>, lap: u64) -> RawQueue {
        let start = laps.lap.wrapping_mul(lap);
        RawQueue {
            tail: CachePadded::new(End::new(start)),
            head: CachePadded::new(End::new(start)),
            done: CachePadded::new(AtomicU64::new(start)),
            laps,
            limit: capacity.map_or(NO_LIMIT, |capacity| capacity as u64),
            capacity,
        }
    }

    /// The position of the first step of all, as long as there was none.
    pub(super) fn start(&self) -> u64 {
        // Relaxed: nobody else knows the queue yet.
        position(self.tail.load(Ordering::Relaxed))
    }

    /// The end that threads on this side work at, and the end that they wait for.
    #[inline]
    fn ends(&self, side: Side) -> (&AtomicU64, &AtomicU64) {
        match side {
            Side::Put => (&self.tail, &self.head),
            Side::Get => (&self.head, &self.tail),
        }
    }

    /// What keeps threads on this side from a step.
    pub(super) fn obstacle(&self, side: Side) -> Obstacle {
        let (own, awaited) = self.ends(side);
        // Our own end first: it can only be further by the time of the next load, and then there was even less. So an answer of
        // "nothing" was true at that time. Acquire: it keeps the order of the two loads, and pairs with the Release of the steps at this
        // end: who took one of these and then a step at the other end is seen at both. And it pairs with the Release in `close`.
        let own = own.load(Ordering::Acquire);
        if side == Side::Put && is_closed(own) {
            return Obstacle::Closed;
        }
        // Acquire: pairs with the Release in `close`. Whoever parks because of this looks at it again.
        let awaited = awaited.load(Ordering::Acquire);
        if self.between(side, own, awaited) > 0 {
            Obstacle::Passing
        } else if is_closed(awaited) {
            Obstacle::Closed
        } else {
            Obstacle::Nothing(awaited)
        }
    }

    /// How much there is to be had on this side, items or room, by the words of the two ends.
    fn between(&self, side: Side, own: u64, awaited: u64) -> i64 {
        match side {
            Side::Get => self.laps.distance(position(own), position(awaited)),
            Side::Put if self.limit == NO_LIMIT => i64::MAX,
            Side::Put => {
                let queued = self.laps.distance(position(awaited), position(own));
                self.limit.min(i64::MAX as u64) as i64 - queued
            }
        }
    }

    /// How much there is to be had on this side, when the other end has come to `awaited`. Too much if the load here is stale, never too
    /// little.
    fn available(&self, side: Side, awaited: u64) -> i64 {
        // Relaxed: a guess. We see our own steps; and if others have gone past `awaited`, it has moved.
        self.between(side, self.ends(side).0.load(Ordering::Relaxed), awaited)
    }

    /// Whether an attempt on this side is worth while: a guess.
    pub(super) fn is_ready(&self, side: Side) -> bool {
        // Relaxed: a guess.
        let awaited = self.ends(side).1.load(Ordering::Relaxed);
        is_closed(awaited) || self.available(side, awaited) > 0
    }

    /// How often a step can be taken on this side: a guess.
    fn ready(&self, side: Side) -> u64 {
        // Relaxed: a guess.
        let awaited = self.ends(side).1.load(Ordering::Relaxed);
        self.available(side, awaited).max(0) as u64
    }

    /// Whether there are items: a guess. With `tail` as it is, or was, it never says no wrongly.
    pub(super) fn has_items(&self) -> bool {
        // Relaxed: a guess, or ordered by the caller's fence.
        self.available(Side::Get, self.tail.load(Ordering::Relaxed)) > 0
    }

    /// The word of the end that threads on this side work at: a guess.
    pub(super) fn own_word(&self, side: Side) -> u64 {
        // Relaxed: a guess.
        self.ends(side).0.load(Ordering::Relaxed)
    }

    #[inline]
    fn luck(&self, side: Side) -> &Luck {
        match side {
            Side::Put => &self.tail.luck,
            Side::Get => &self.head.luck,
        }
    }

    /// Whether those who wait on this side do better to let some steps of the other end come together: a guess.
    #[inline]
    pub(super) fn gathers(&self, side: Side) -> bool {
        self.luck(side).gathers()
    }

    /// How many steps were taken at the end that threads on this side work at: a guess, of use for differences only.
    fn steps(&self, side: Side) -> u64 {
        self.laps.count(position(self.own_word(side)))
    }

    /// Wakes the first of those who wait on this side. Only for who has set WAKING in the word that they wait for.
    #[cold]
    pub(super) fn wake_one(&self, side: Side) {
        let word = self.ends(side).1;
        let key = (&raw const *word).addr();
        // SAFETY: the key is the address of our own word; the callback is one read-modify-write of it.
        unsafe {
            parking::unpark_one(key, |result| {
                if result.unparked == 0 {
                    // Relaxed: under the queue lock, as all that clears PARKED. Nobody is there to have the turn.
                    word.fetch_and(!(PARKED | WAKING), Ordering::Relaxed);
                } else if !result.have_more {
                    // Relaxed: as above.
                    word.fetch_and(!PARKED, Ordering::Relaxed);
                }
                TURN
            });
        }
    }

    /// Ends a turn, or a time of starving; and gives the turn to the next in line, if there is more to be had.
    fn pass_on(&self, side: Side, has_turn: bool) {
        let word = self.ends(side).1;
        let kept = if has_turn { !WAKING } else { !0 };
        // A read-modify-write even if nothing is cleared: it either comes after the step of one who is about to park, and shows
        // us PARKED, or before, and then that thread sees what we did before: that we starve no more.
        // Release: pairs with the Acquire of who is about to park in `wait`.
        let mut now = word.fetch_and(kept, Ordering::Release) & kept;
        while now & (PARKED | WAKING) == PARKED && self.available(side, now) > 0 {
            // Relaxed, both: it carries no data. Who is woken sees what we saw by axiom 3.
            match word.compare_exchange_weak(now, now | WAKING, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return self.wake_one(side),
                Err(actual) => now = actual,
            }
        }
    }

    /// Makes attempts until one succeeds, the queue is closed, or the deadline passes.
    ///
    /// ```text
    /// loop
    ///     served while polling?            leave
    ///     woken, or polled with success?   make an attempt, unless all that there is is spoken for
    ///     else look what is in the way     passing: make an attempt, as above;  shut down, or too late: leave
    ///     mark the awaited word            PARKED, and give our turn back, if it has not moved since that look
    ///     park                             unless it has moved now, or the mark is gone
    /// leaving, with a turn or starving?    pass it on
    /// ```
    #[cold]
    pub(super) fn wait<C: Caller>(
        &self,
        side: Side,
        deadline: Deadline,
        polling: Polling,
        caller: &C,
    ) -> Result<C::Result, GaveUp> {
        let (own, awaited) = self.ends(side);
        let key = (&raw const *awaited).addr();
        let mut deadline = deadline.or_now();
        let mut waiter = Waiter { queue: self, side, has_turn: false, is_starving: false };
        let mut poll = Poll::new(polling);
        let mut snooze = Snooze::new();
        let mut patience: Option<Patience> = None;
        // The caller's attempt has just failed: we begin with a look at what is in the way.
        let mut was_woken = false;
        loop {
            // Polling comes before a look at the word of the other end, which costs those who move it dearly.
            let is_worth_while = was_woken
                || !deadline.is_now()
                    && poll.until_beside(
                        self.luck(side),
                        deadline.instant(),
                        || caller.is_ready(),
                        || self.steps(side),
                        || self.ready(side),
                        // SAFETY: `after_offers` comes next.
                        || unsafe { caller.before_offers() },
                    );
            if let Some(result) = caller.after_offers() {
                return Ok(result);
            }
            let obstacle = if is_worth_while { Obstacle::Passing } else { self.obstacle(side) };
            let (seen, is_reserved) = match obstacle {
                Obstacle::Closed => return Err(GaveUp::Closed),
                Obstacle::Nothing(seen) => (seen, false),
                Obstacle::Passing => match waiter.reserved() {
                    Some(seen) => (seen, true),
                    None => {
                        if let Some(result) = caller.attempt() {
                            return Ok(result);
                        }
                        if !is_worth_while {
                            snooze.snooze();
                        }
                        was_woken = false;
                        continue;
                    }
                },
            };
            if deadline.is_now() {
                return Err(GaveUp::TimedOut);
            }
            if waiter.has_turn && !waiter.is_starving && patience.as_ref().is_some_and(Patience::is_exhausted)
            {
                // Relaxed: it carries no data.
                waiter.is_starving = own.fetch_or(STARVING, Ordering::Relaxed) & STARVING == 0;
            }
            let marked = (seen | PARKED) & if waiter.has_turn { !WAKING } else { !0 };
            if marked != seen || is_reserved {
                // Who stands behind a thread that starves takes this step also if PARKED is set already, for the ordering.
                // Acquire: pairs with the Release in `pass_on`. Either that step comes before ours, and `validate` sees that a
                // thread starves no more, or it comes after ours and sees our PARKED. Relaxed on failure: we look again.
                let result = awaited.compare_exchange(seen, marked, Ordering::Acquire, Ordering::Relaxed);
                if result.is_err() {
                    deadline = deadline.or_now();
                    continue;
                }
            }
            waiter.has_turn = false;
            patience.get_or_insert_with(Patience::start);
            let validate = || {
                // Relaxed: under the queue lock, like all that clears PARKED. If the word has not moved there is still nothing
                // to be had; and what moves it from now on sees PARKED.
                let now = awaited.load(Ordering::Relaxed);
                // Relaxed: the Acquire above has shown us who starves no more, unless that thread looks after us. So the second word
                // decides nothing together with the first.
                (now ^ marked) & !(WAKING | STARVING) == 0
                    && (!is_reserved || own.load(Ordering::Relaxed) & STARVING != 0)
            };
            let park = Park::begin();
            // SAFETY: the key is the address of our own word; `validate` is two loads and comparisons, the others do nothing.
            let result =
                unsafe { parking::park(key, validate, || {}, |_, _| {}, ParkToken(0), deadline.instant()) };
            match result {
                ParkResult::Unparked(token) => {
                    waiter.has_turn = token == TURN;
                    was_woken = true;
                    self.luck(side).staying.was_parked(&park);
                }
                ParkResult::Invalid => deadline = deadline.or_now(),
                // One last look. (PARKED may be stale now: the next step at the other end wakes nobody, and clears it.)
                ParkResult::TimedOut => deadline = Deadline::Now,
            }
            poll = Poll::new(polling);
        }
    }

    /// A thread that starves on this side, until this is dropped: for models, since to become one takes lost races.
    pub(super) fn starving(&self, side: Side) -> Waiter<'_> {
        // Relaxed: as in `wait`.
        self.ends(side).0.fetch_or(STARVING, Ordering::Relaxed);
        Waiter { queue: self, side, has_turn: false, is_starving: true }
    }

    /// Counts one item as done; wakes those who join if it was the last.
    pub(super) fn task_done(&self) -> Result<(), TaskDoneTooOften> {
        // Relaxed: only a guess, the CAS below decides.
        let mut done = self.done.load(Ordering::Relaxed);
        loop {
            // Relaxed: the put of the item that the caller got happens before this (by the item), and so is in it.
            let mut tail = position(self.tail.load(Ordering::Relaxed));
            if self.laps.distance(position(done), tail) <= 0 {
                // An error has to be true, and that load may be old: these read the latest values, and write nothing new.
                // Relaxed: they are only compared.
                done = self.done.fetch_or(0, Ordering::Relaxed);
                // Relaxed: as above.
                tail = position(self.tail.fetch_or(0, Ordering::Relaxed));
                if self.laps.distance(position(done), tail) <= 0 {
                    return Err(TaskDoneTooOften);
                }
            }
            let next = self.laps.next(position(done));
            // Release: pairs with the Acquire in `join`; what came before a task_done is seen by who joins. (Those of others
            // before ours too: read-modify-writes continue a release sequence.) Acquire: pairs with the Release of who is about
            // to park in `join_slow`; with PARKED we see what that thread has put. And with the Release of the task_dones before, for
            // whom we may be the one to wake those who join. Relaxed on failure: it is the next guess.
            match self.done.compare_exchange_weak(
                done,
                next | done & FLAGS,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    if done & PARKED != 0 && self.is_all_done(next) {
                        self.wake_joiners(next);
                    }
                    return Ok(());
                }
                Err(actual) => done = actual,
            }
        }
    }

    /// Whether nothing was put beyond `done`.
    fn is_all_done(&self, done: u64) -> bool {
        // Relaxed: it shows every put that happens before this call, or before the call of a thread that we have seen to join.
        // If it is older than some put of which `done` knows, then the two are as close as can be.
        self.laps.distance(position(done), position(self.tail.load(Ordering::Relaxed))) <= 0
    }

    /// Wakes those who joined before `done` was `all_done`, when all was done. Others may have come since, and more was put.
    #[cold]
    fn wake_joiners(&self, all_done: u64) {
        let key = (&raw const *self.done).addr();
        // What they saw when they came. (On a 32-bit machine the low half of it: nobody waits for 2^27 laps.)
        let filter = |ParkToken(seen)| {
            if (seen.wrapping_sub(all_done as usize) as isize) < 0 {
                FilterOp::Unpark
            } else {
                FilterOp::Skip
            }
        };
        // SAFETY: the key is the address of our own word; the filter compares, and the callback is one read-modify-write.
        unsafe {
            parking::unpark_filter(key, filter, |result| {
                if !result.have_more {
                    // Relaxed: under the queue lock, as all that clears PARKED.
                    self.done.fetch_and(!PARKED, Ordering::Relaxed);
                }
                ALL_DONE
            });
        }
    }

    /// Claims a step of the tail, for a store that lets one thread at a time do that. `None`: the queue is full, or shut down.
    pub(super) fn claim_put(&self, claimant: Claimant) -> Option<Claim> {
        // Relaxed: only a guess, the CAS below decides.
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            // Relaxed: it can only be further than this, and then there is more room.
            let head = self.head.load(Ordering::Relaxed);
            if tail & claimant.barred_from_put() != 0 || self.between(Side::Put, tail, head) <= 0 {
                return None;
            }
            let (next, wakes) = step(tail, self.laps.stride(position(tail)));
            // Release: pairs with the Acquire in `obstacle` and `len`; who sees this step there sees those before it, also at the other end.
            // (The store's lock carries the item.) Relaxed on failure: it is the next guess.
            match self.tail.compare_exchange_weak(tail, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Some(Claim { wakes: wakes.then_some(Side::Get) }),
                Err(actual) => tail = actual,
            }
        }
    }

    /// Claims a step of the head, for a store that lets one thread at a time do that, and has an item for it.
    pub(super) fn claim_get(&self) -> Claim {
        // Relaxed: only a guess, the CAS below decides.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let (next, wakes) = step(head, self.laps.stride(position(head)));
            // Release: pairs with the Acquire in `obstacle` and `len`; who sees this step there sees those before it, also at the other end.
            // Relaxed on failure: it is the next guess.
            match self.head.compare_exchange_weak(head, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Claim { wakes: wakes.then_some(Side::Put) },
                Err(actual) => head = actual,
            }
        }
    }

    /// Whether this thread has to stand in line for a get.
    pub(super) fn is_barred_from_get(&self, claimant: Claimant) -> bool {
        // Relaxed: advice.
        self.head.load(Ordering::Relaxed) & claimant.barred_from_get() != 0
    }

    /// Ends a claim, when the item is in its place.
    pub(super) fn finish(&self, claim: Claim) {
        if let Some(side) = claim.wakes {
            self.wake_one(side);
        }
    }

    /// Blocks until all that was put is done at some moment during the call; says whether it was.
    pub(super) fn join(&self, deadline: Deadline) -> bool {
        // Acquire: pairs with the Release in `task_done`.
        let done = self.done.load(Ordering::Acquire);
        self.is_all_done(done) || self.join_slow(deadline)
    }

    #[cold]
    fn join_slow(&self, deadline: Deadline) -> bool {
        let deadline = deadline.or_now();
        loop {
            // Acquire: as in `join`.
            let done = self.done.load(Ordering::Acquire);
            if self.is_all_done(done) {
                return true;
            }
            if deadline.is_now() {
                return false;
            }
            // Also if PARKED is set already, for the ordering.
            // Release: pairs with the Acquire in `task_done`, which decides whether all is done and has to know what was put
            // before we came. Relaxed on failure: we look again.
            let marked =
                self.done.compare_exchange(done, done | PARKED, Ordering::Release, Ordering::Relaxed);
            if marked.is_err() {
                continue;
            }
            // Not all was done when `done` was this, and puts only add to that: while it is still this, it is so. And whoever
            // moves it from now on sees PARKED. Relaxed: under the queue lock, where those who clear PARKED wake us.
            let validate = || self.done.load(Ordering::Relaxed) == done | PARKED;
            // SAFETY: the key is the address of our own word; `validate` is a load and a comparison, the others do nothing.
            let result = unsafe {
                parking::park(
                    (&raw const *self.done).addr(),
                    validate,
                    || {},
                    |_, _| {},
                    ParkToken(position(done) as usize),
                    deadline.instant(),
                )
            };
            match result {
                // It was so at some moment while we waited, whatever was put since. The task_done that woke us had acquired those before
                // it; so what came before any of them is before us (axiom 3).
                ParkResult::Unparked(_) => return true,
                ParkResult::Invalid => {}
                ParkResult::TimedOut => {
                    // Acquire: as in `join`.
                    let done = self.done.load(Ordering::Acquire);
                    return self.is_all_done(done);
                }
            }
        }
    }

    /// No puts from now on. Wakes everybody, so that they see it.
    pub(super) fn close(&self) {
        for end in [&self.tail, &self.head] {
            // Release: pairs with the Acquire of those who find the queue closed.
            end.fetch_or(CLOSED, Ordering::Release);
        }
        for end in [&self.tail, &self.head] {
            // SAFETY: the key is the address of our own word; there is no callback.
            unsafe { parking::unpark_all((&raw const end.word).addr(), LOOK_AGAIN) };
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `close`.
        is_closed(self.tail.load(Ordering::Acquire))
    }

    /// How many items are queued.
    pub(super) fn len(&self) -> usize {
        // Acquire, all three: it keeps them in this order, so that a tail which is the same before and after was so in between.
        let mut tail = position(self.tail.load(Ordering::Acquire));
        loop {
            let head = position(self.head.load(Ordering::Acquire));
            let tail_after = position(self.tail.load(Ordering::Acquire));
            if tail == tail_after {
                return (self.laps.distance(head, tail).max(0) as u64).min(self.limit) as usize;
            }
            tail = tail_after;
        }
    }

    /// How many items were put and are not done.
    pub(super) fn unfinished(&self) -> usize {
        // Acquire: pairs with the Release in `task_done`, so that the puts of what is done are in `tail`.
        let done = position(self.done.load(Ordering::Acquire));
        // Relaxed: an answer that may be stale anyway.
        let tail = position(self.tail.load(Ordering::Relaxed));
        self.laps.distance(done, tail).max(0) as usize
    }
}

/// A thread in `wait`, which looks after its turn when it leaves: with a result or without, or by a panic in its attempt.
pub(super) struct Waiter<'a> {
    queue: &'a RawQueue,
    side: Side,
    /// It was woken, and WAKING is set for it.
    has_turn: bool,
    /// It has set STARVING at its end.
    is_starving: bool,
}

impl Waiter<'_> {
    /// If all that there is is spoken for by one who starves: the word of the other end, as it was seen.
    fn reserved(&self) -> Option<u64> {
        if self.has_turn || self.is_starving {
            return None;
        }
        let (own, awaited) = self.queue.ends(self.side);
        // Relaxed: looked at again by whoever parks because of this.
        let word = own.load(Ordering::Relaxed);
        if word & (STARVING | CLOSED) != STARVING {
            return None;
        }
        // Relaxed: as above.
        let awaited = awaited.load(Ordering::Relaxed);
        (self.queue.between(self.side, word, awaited) <= 1).then_some(awaited)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.is_starving {
            // Relaxed: the Release in `pass_on` is what shows it to those who are about to park.
            self.queue.ends(self.side).0.fetch_and(!STARVING, Ordering::Relaxed);
        }
        if self.has_turn || self.is_starving {
            self.queue.pass_on(self.side, self.has_turn);
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use core::time::Duration;
    use std::time::Instant;

    use super::*;
    use crate::{JoinableQueue, TryGetError, TryPutError};

    #[test]
    fn laps_go_round() {
        let one_and_a_spare = Laps::new(1, 1);
        let two = Laps::new(2, 1);
        let three = Laps::new(3, 1);
        let block = Laps::new(31, 1);
        for laps in [one_and_a_spare, two, three, block, Laps::plain()] {
            for numbered in [0, 1, u64::MAX] {
                let first = laps.lap().wrapping_mul(numbered);
                let last = first + laps.last;
                let next_lap = first.wrapping_add(laps.lap());
                assert_eq!(laps.index(last) as u64, laps.span - 1, "{laps:?}");
                assert_eq!(laps.next(last), next_lap, "{laps:?}");
                assert_eq!(laps.distance(first, last), laps.span as i64 - 1, "{laps:?}");
                assert_eq!(laps.distance(first, next_lap), laps.span as i64, "{laps:?}");
                assert_eq!(laps.distance(next_lap, last), -1, "{laps:?}");
                let mut at = last - laps.last.min(7 * ONE);
                for step in 0..20 {
                    let next = laps.next(at);
                    assert_eq!(laps.distance(at, next), 1, "{laps:?}, step {step}");
                    assert!((laps.index(next) as u64) < laps.span, "{laps:?}, step {step}");
                    assert!(is_before(at, next), "{laps:?}, step {step}");
                    at = next;
                }
            }
        }
    }

    #[test]
    fn a_step_keeps_the_flags_and_claims_the_wake_up() {
        let laps = Laps::new(3, 1);
        for flags in 0..=FLAGS {
            // At the end of the last lap of all: the position wraps.
            let at = laps.lap().wrapping_neg() + laps.last;
            let (next, wakes) = step(at | flags, laps.stride(at));
            assert_eq!(wakes, flags & (PARKED | WAKING) == PARKED, "{flags:#b}");
            assert_eq!(next, flags | if wakes { WAKING } else { 0 }, "{flags:#b}");
        }
    }

    /// Waits, without sleeping, until something is so.
    fn until(what: &str, is_so: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_a_starving_getter_needs_is_left_to_it() {
        let queue = JoinableQueue::bounded(2);
        let head = &queue.shared.raw.head;
        queue.put(1).unwrap();
        head.fetch_or(STARVING, Ordering::Relaxed);
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        queue.put(2).unwrap();
        assert_eq!(queue.try_get(), Ok(1));
        assert_eq!(queue.try_get(), Err(TryGetError::Empty));
        head.fetch_and(!STARVING, Ordering::Relaxed);
        assert_eq!(queue.try_get(), Ok(2));
    }

    #[test]
    fn what_a_starving_putter_needs_is_left_to_it() {
        let queue = JoinableQueue::bounded(2);
        let tail = &queue.shared.raw.tail;
        tail.fetch_or(STARVING, Ordering::Relaxed);
        assert_eq!(queue.try_put(1), Ok(()));
        assert_eq!(queue.try_put(2), Err(TryPutError::Full(2)));
        tail.fetch_and(!STARVING, Ordering::Relaxed);
        assert_eq!(queue.try_put(2), Ok(()));
    }

    #[test]
    fn where_items_are_gathered_a_single_one_is_there_for_who_asks() {
        // In a thread of its own: who is never content asks for ever.
        let asks = std::thread::spawn(|| {
            let queue = JoinableQueue::unbounded();
            for item in 0..100 {
                queue.shared.raw.luck(Side::Get).has_gathered(true);
                queue.put(item).unwrap();
                assert!(queue.shared.raw.gathers(Side::Get));
                match item % 3 {
                    0 => assert_eq!(queue.try_get(), Ok(item)),
                    1 => assert_eq!(queue.try_get_for(Duration::ZERO), Ok(item)),
                    _ => assert_eq!(queue.get(), Ok(item)),
                }
            }
        });
        until("each item is got", || asks.is_finished());
        asks.join().unwrap();
    }

    #[test]
    fn a_getter_that_was_woken_for_nothing_and_waited_long_starves() {
        let queue = JoinableQueue::bounded(1);
        let raw = &queue.shared.raw;
        /// Lets the getter go if the test fails.
        struct ShutDown<'a>(&'a RawQueue);

        impl Drop for ShutDown<'_> {
            fn drop(&mut self) {
                self.0.close();
            }
        }

        std::thread::scope(|scope| {
            let getter = scope.spawn(|| queue.get());
            let _shut_down = ShutDown(raw);
            until("the getter parks", || raw.tail.load(Ordering::Relaxed) & PARKED != 0);
            let parked = Instant::now();
            until("its patience ends", || parked.elapsed() > Duration::from_millis(20));
            raw.tail.fetch_or(WAKING, Ordering::Relaxed);
            raw.wake_one(Side::Get);
            until("the getter starves", || raw.head.load(Ordering::Relaxed) & STARVING != 0);
            queue.put(1).unwrap();
            assert_eq!(getter.join().unwrap(), Ok(1));
        });
        assert_eq!(raw.head.load(Ordering::Relaxed) & STARVING, 0);
    }
}
