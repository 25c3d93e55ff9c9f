//! The wheel: pending timers by their deadlines. One thread at a time is at it, which its lock sees to.
//!
//! A hierarchical timing wheel (Varghese and Lauck, *Hashed and Hierarchical Timing Wheels*, 1987), with two changes. It does not tick: it is told the time, and
//! goes straight to the next slot that has something, which a word of bits for each level shows. And a slot knows the earliest deadline in it, so that the
//! thread behind it can sleep until then exactly, however coarse the slot is.
//!
//! # Where a timer is
//!
//! Time is nanoseconds since the service began. A *tick* is 2^16 of them (66 µs); a tick's number has eight digits of six bits. `base` is a
//! tick that no pending timer is before. A timer is at the level of the highest digit in which its tick differs from `base`, in the slot that this digit of its
//! tick names:
//!
//! ```text
//! base      3 . 17 . 60
//! timer     3 . 17 . 63     level 0, slot 63: the very tick
//! timer     3 . 20 .  5     level 1, slot 20: together with all others of 3 . 20
//! timer     9 .  0 .  0     level 2, slot  9
//! ```
//!
//! # Invariants
//!
//! 1. `base` is at most the tick of each timer in the wheel (a timer that comes too late for that is put where `base` is).
//! 2. All timers of a lower level are before all of a higher one, and within a level those of a lower slot are first. So the first slot of the lowest
//!    level that has one holds the next timer of all.
//! 3. A slot's `earliest` is at most the deadline of each timer in it. (It may be less, when that timer was taken out.)
//! 4. In a slot, timers with the same deadline stand in the order in which they came; but for those that came while others were being moved there.
//!
//! (While a slot is being moved, see below, the second is true of the others: those that are left in it may be anywhere between.)
//!
//! When the first slot's `earliest` is due, `base` goes there. If that slot is at a higher level, its timers are put where they belong now: lower, since they agree with
//! `base` in that digit. So each is moved seven times at most, and mostly once or twice, or never if it is cancelled. A slot may hold a million of them: so this is done in
//! portions, between which others get at the wheel. While it goes on (`moving` names the slot) nothing is taken out, and nothing new comes into that slot, since `base` has
//! its digit. What is due in the tick `base` itself would be moved to its slot, to be taken out of there next: it is set aside at once (`found`).

use core::mem;
use core::ptr::{self, NonNull};
use std::collections::VecDeque;

use super::node::{BEGUN, CANCELLED, DUE, FRESH, Header};
use crate::primitives::cell::prefetch_for_write;

/// Nanoseconds in a tick, as a power of two.
const TICK_SHIFT: u32 = 16;
const DIGIT_BITS: u32 = 6;
/// Eight digits of six bits, and sixteen for the tick: all 64.
const LEVELS: usize = 8;
const SLOTS: usize = 1 << DIGIT_BITS;

/// So many timers are moved from a slot to lower ones, or are found twice as many, before others get at the wheel: that takes some 20 µs.
const PORTION: usize = if cfg!(test) { 3 } else { 1024 };

/// So many timers are dealt out into buckets to be sorted.
const MANY: usize = if cfg!(test) { 20 } else { 256 };
const BUCKETS: usize = 256;

const _: () = assert!(TICK_SHIFT + LEVELS as u32 * DIGIT_BITS == u64::BITS);

const fn tick(deadline: u64) -> u64 {
    deadline >> TICK_SHIFT
}

/// What the wheel keeps in each timer.
#[derive(Debug)]
pub(super) struct Place {
    prev: *mut Header,
    next: *mut Header,
    /// In nanoseconds since the service began. (Before the timer is started: its delay.)
    pub(super) deadline: u64,
}

/// A timer that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// A copy of the timer's.
    deadline: u64,
    pub(super) node: NonNull<Header>,
}

/// Where a timer was found that is to be cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// In the wheel, and it is out now.
    Linked,
    /// Not in the wheel, and not begun. Whoever has it there finds it cancelled.
    Waiting,
    /// It was begun or cancelled before.
    Gone,
}

impl Place {
    pub(super) const fn new(delay: u64) -> Place {
        Place { prev: ptr::null_mut(), next: ptr::null_mut(), deadline: delay }
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    first: *mut Header,
    last: *mut Header,
    earliest: u64,
    /// So many timers are in it. (Or were, when it began to be moved.)
    count: usize,
}

const EMPTY: Slot = Slot { first: ptr::null_mut(), last: ptr::null_mut(), earliest: u64::MAX, count: 0 };

/// What is left of a slot's list: both null, or both not.
struct Rest {
    first: *mut Header,
    last: *mut Header,
}

impl Rest {
    /// Leaves out a timer at one of the ends; these are the ends then, if it was not the only one.
    fn leave_out(&mut self, node: NonNull<Header>, first: *mut Header, last: *mut Header) {
        let was_last = self.first == self.last;
        debug_assert!(node.as_ptr() == self.first || node.as_ptr() == self.last);
        *self = if was_last {
            Rest { first: ptr::null_mut(), last: ptr::null_mut() }
        } else {
            Rest { first, last }
        };
    }
}

/// Pending timers, which the wheel does not own. For each method that takes one: it is valid, and its place is this wheel's alone.
#[derive(Debug)]
pub(super) struct Wheel {
    base: u64,
    /// Level by level, a bit for each slot that has something.
    occupied: [u64; LEVELS],
    slots: Box<[Slot]>,
    /// The slot, no longer in `occupied`, whose timers are being moved to lower levels.
    moving: Option<usize>,
    /// When that began.
    moving_since: u64,
    /// Timers of the tick `base` that are due: out of their slots, to be put in order when all have been found.
    found: Vec<Due>,
    /// As many again, found from the end of the list: the last one is first.
    found_behind: Vec<Due>,
    len: usize,
}

// SAFETY: the timers in it may go from thread to thread (`Header::new` asks for that), and so may their places with the wheel.
unsafe impl Send for Wheel {}

impl Wheel {
    pub(super) fn new() -> Wheel {
        Wheel {
            base: 0,
            occupied: [0; LEVELS],
            slots: vec![EMPTY; LEVELS * SLOTS].into_boxed_slice(),
            moving: None,
            moving_since: 0,
            found: Vec::new(),
            found_behind: Vec::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place of a timer.
    ///
    /// # Safety
    ///
    /// The timer is valid, and the caller has the wheel to himself.
    unsafe fn place<'a>(node: NonNull<Header>) -> &'a mut Place {
        // SAFETY: the caller's promise; the reference is used at once, and for one timer at a time.
        unsafe { &mut *node.as_ref().place().get() }
    }

    /// Which slot a timer is in.
    ///
    /// # Safety
    ///
    /// As for `place`.
    unsafe fn slot<'a>(node: NonNull<Header>) -> &'a mut u16 {
        // SAFETY: as in `place`.
        unsafe { &mut *node.as_ref().slot().get() }
    }

    /// Where a deadline belongs, by `base`.
    fn slot_of(&self, deadline: u64) -> usize {
        let tick = tick(deadline).max(self.base);
        let differing = tick ^ self.base;
        let level = (63 - (differing | 1).leading_zeros()) / DIGIT_BITS;
        let digit = tick >> (level * DIGIT_BITS) & (SLOTS as u64 - 1);
        level as usize * SLOTS + digit as usize
    }

    /// Puts a timer in, whose deadline is set.
    ///
    /// # Safety
    ///
    /// The timer is in no wheel, and stays valid until it was taken out of this one.
    pub(super) unsafe fn insert(&mut self, node: NonNull<Header>, now: u64) {
        if self.len == 0 {
            // Nobody is there whom it could be wrong for.
            self.base = self.base.max(tick(now));
        }
        self.len += 1;
        // SAFETY: the caller's promise.
        unsafe { self.link(node) };
    }

    /// # Safety
    ///
    /// As for `insert`.
    unsafe fn link(&mut self, node: NonNull<Header>) {
        // SAFETY: the timers in a slot are valid, and all places are ours.
        unsafe {
            let place = Wheel::place(node);
            let index = self.slot_of(place.deadline);
            let slot = &mut self.slots[index];
            *Wheel::slot(node) = index as u16;
            place.next = ptr::null_mut();
            place.prev = slot.last;
            slot.earliest = slot.earliest.min(place.deadline);
            slot.count += 1;
            match NonNull::new(slot.last) {
                Some(last) => Wheel::place(last).next = node.as_ptr(),
                None => slot.first = node.as_ptr(),
            }
            slot.last = node.as_ptr();
            self.occupied[index / SLOTS] |= 1 << (index % SLOTS);
        }
    }

    /// Takes the function of a timer, so that it doesn't run (any more). It is the caller's to drop, but for one that is `Gone`.
    ///
    /// # Safety
    ///
    /// The timer is valid, and in no other wheel.
    pub(super) unsafe fn cancel(&mut self, node: NonNull<Header>) -> Found {
        // SAFETY: the timers in a slot are valid, and all places are ours.
        unsafe {
            let found = match *Wheel::slot(node) {
                BEGUN | CANCELLED => Found::Gone,
                FRESH | DUE => Found::Waiting,
                _ => {
                    self.unlink(node);
                    Found::Linked
                }
            };
            *Wheel::slot(node) = CANCELLED;
            found
        }
    }

    /// Takes the function of a timer that is due, to run it. False: it was cancelled meanwhile.
    ///
    /// # Safety
    ///
    /// The timer is valid, and was taken out of this wheel as due.
    pub(super) unsafe fn begin(&mut self, node: NonNull<Header>) -> bool {
        // SAFETY: the caller's promise, and all places are ours.
        unsafe {
            let is_due = *Wheel::slot(node) == DUE;
            if is_due {
                *Wheel::slot(node) = BEGUN;
            }
            is_due
        }
    }

    /// Whether somebody has cancelled it.
    ///
    /// # Safety
    ///
    /// The timer is valid, and in no other wheel.
    pub(super) unsafe fn is_cancelled(&mut self, node: NonNull<Header>) -> bool {
        // SAFETY: the caller's promise, and all places are ours.
        unsafe { *Wheel::slot(node) == CANCELLED }
    }

    /// Takes a timer out of its slot.
    ///
    /// # Safety
    ///
    /// It is in one.
    unsafe fn unlink(&mut self, node: NonNull<Header>) {
        // SAFETY: the timers in a slot are valid, and all places are ours.
        unsafe {
            let index = usize::from(*Wheel::slot(node));
            let Place { prev, next, .. } = *Wheel::place(node);
            let slot = &mut self.slots[index];
            slot.count -= 1;
            match NonNull::new(prev) {
                Some(prev) => Wheel::place(prev).next = next,
                None => slot.first = next,
            }
            match NonNull::new(next) {
                Some(next) => Wheel::place(next).prev = prev,
                None => slot.last = prev,
            }
            if slot.first.is_null() {
                self.vacate(index);
            }
        }
        self.len -= 1;
    }

    fn vacate(&mut self, index: usize) {
        self.slots[index] = EMPTY;
        self.occupied[index / SLOTS] &= !(1 << (index % SLOTS));
        if self.moving == Some(index) {
            self.moving = None;
        }
    }

    /// Whether there is more to be moved before anything can be taken out.
    pub(super) fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// Moves timers from the slot `moving` to where they belong now; so many at most.
    fn move_down(&mut self, most: usize) {
        let Some(index) = self.moving else { return };
        let Slot { first, last, .. } = self.slots[index];
        // By the same clock for all: of two with the same deadline, either both are found, or none.
        // SAFETY: the timers of a slot are valid, and those that are gone through are taken out of it below.
        let rest = unsafe { self.find_or_link(Rest { first, last }, self.moving_since, most) };
        if rest.first.is_null() {
            self.vacate(index);
        } else {
            let slot = &mut self.slots[index];
            (slot.first, slot.last) = (rest.first, rest.last);
            // SAFETY: as above, and all places are ours.
            unsafe {
                Wheel::place(NonNull::new_unchecked(rest.first)).prev = ptr::null_mut();
                Wheel::place(NonNull::new_unchecked(rest.last)).next = ptr::null_mut();
            }
        }
    }

    /// Goes through the timers of a list, in so many steps at most: those of the tick `base` that are due are found, the others are put where they belong. Returns what is left.
    ///
    /// To go through a list is to wait for the memory at each step: mostly nobody has touched a timer since it was started, on another processor. So as long as those at the
    /// end are due too it is gone through from both ends, and two are waited for at a time.
    ///
    /// # Safety
    ///
    /// It is a list of valid timers; and those that it goes through leave the slot in which they were.
    unsafe fn find_or_link(&mut self, mut rest: Rest, now: u64, most: usize) -> Rest {
        let base = self.base;
        let is_due = |deadline: u64| deadline <= now && tick(deadline) <= base;
        let mut from_both_ends = true;
        for _ in 0..most {
            // SAFETY: the caller's promise, and all places are ours.
            unsafe {
                let Some(node) = NonNull::new(rest.first) else { break };
                let &mut Place { next, deadline, .. } = Wheel::place(node);
                prefetch_for_write(|| next.cast());
                rest.leave_out(node, next, rest.last);
                if is_due(deadline) {
                    *Wheel::slot(node) = DUE;
                    self.found.push(Due { deadline, node });
                } else {
                    self.link(node);
                }

                if !from_both_ends {
                    continue;
                }
                let Some(node) = NonNull::new(rest.last) else { break };
                let &mut Place { prev, deadline, .. } = Wheel::place(node);
                // What isn't due has to wait for its turn: they are put elsewhere in their order.
                from_both_ends = is_due(deadline);
                if from_both_ends {
                    prefetch_for_write(|| prev.cast());
                    rest.leave_out(node, rest.first, prev);
                    *Wheel::slot(node) = DUE;
                    self.found_behind.push(Due { deadline, node });
                }
            }
        }
        rest
    }

    /// Makes room for all that may be found in a slot: to make more as they are found is to copy them, and to touch new memory each time.
    fn make_room(&mut self, slot: usize) {
        let count = self.slots[slot].count;
        self.found.reserve(count);
        self.found_behind.reserve(count / 2);
    }

    /// Puts those that were found from the end behind the others. Gives the room back that was not needed: few may have been due.
    fn join_found(&mut self) {
        self.found.extend(self.found_behind.drain(..).rev());
        self.found_behind.shrink_to(PORTION);
        self.found.shrink_to(PORTION);
    }

    /// The slot with the next timer of all.
    fn first_slot(&self) -> Option<usize> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        Some(level * SLOTS + self.occupied[level].trailing_zeros() as usize)
    }

    /// When there is something to do next: the deadline of the next timer; or earlier, if that one was taken out.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        if self.is_moving() {
            return Some(0);
        }
        self.first_slot().map(|index| self.slots[index].earliest)
    }

    /// Takes timers out that are due at `now`, in the order of their deadlines: those of a tick together, and no further tick when there are `most`. Or none yet, if it
    /// [is moving](Self::is_moving) then.
    pub(super) fn take_due(&mut self, now: u64, most: usize, due: &mut VecDeque<Due>) {
        while due.len() < most {
            self.move_down(PORTION);
            if self.is_moving() {
                return;
            }
            self.join_found();
            if !self.found.is_empty() {
                self.take_tick(now, due);
                continue;
            }
            let Some(index) = self.first_slot() else { return };
            let earliest = self.slots[index].earliest;
            if earliest > now {
                return;
            }
            self.base = self.base.max(tick(earliest));
            if index < SLOTS {
                self.take_tick(now, due);
            } else {
                // What is due is taken from a tick only: so that they come in their order, all others go to lower levels first.
                self.occupied[index / SLOTS] &= !(1 << (index % SLOTS));
                self.moving = Some(index);
                self.make_room(index);
                self.moving_since = now;
            }
        }
    }

    /// Takes out what is due of the timers of the tick `base`, and leaves the others.
    fn take_tick(&mut self, now: u64, due: &mut VecDeque<Due>) {
        let index = (self.base & (SLOTS as u64 - 1)) as usize;
        self.make_room(index);
        let Slot { first, last, .. } = self.slots[index];
        self.vacate(index);
        // SAFETY: the timers of a slot are valid, and these have left it.
        unsafe { self.find_or_link(Rest { first, last }, now, usize::MAX) };
        self.join_found();
        // By copies of the deadlines: the timers themselves are all over the memory. With the same deadline, those that were found in the slot that was moved came first.
        put_in_order(&mut self.found);
        self.len -= self.found.len();
        if due.is_empty() {
            // All that was found is what is due: there is no need to copy it.
            let memory = mem::replace(due, VecDeque::from(mem::take(&mut self.found)));
            self.found = Vec::from(memory);
        } else {
            due.extend(self.found.drain(..));
        }
        // The memory of a busy tick is not kept, once it was run.
        self.found.shrink_to(PORTION);
    }

    /// Takes all out.
    pub(super) fn take_all(&mut self) -> Vec<NonNull<Header>> {
        let mut all = Vec::with_capacity(self.len);
        self.join_found();
        all.extend(self.found.drain(..).map(|due| due.node));
        while let Some(index) = self.moving.or_else(|| self.first_slot()) {
            let mut next = self.slots[index].first;
            self.vacate(index);
            while let Some(node) = NonNull::new(next) {
                // SAFETY: the timers of a slot are valid, and all places are ours.
                unsafe {
                    next = Wheel::place(node).next;
                    *Wheel::slot(node) = DUE;
                }
                all.push(node);
            }
        }
        self.len = 0;
        all
    }
}

/// Sorts by deadlines. Those that are equal stay in their order.
///
/// Many timers in one tick are mostly those of one moment, but for some nanoseconds: many of few deadlines. So they are dealt out into buckets first, a nanosecond each, or more where
/// the deadlines are further apart; then a bucket has nothing left to sort, or little.
fn put_in_order(found: &mut Vec<Due>) {
    let by_deadline = |due: &Due| due.deadline;
    if found.is_sorted_by_key(by_deadline) {
        return;
    }
    if found.len() < MANY {
        found.sort_by_key(by_deadline);
        return;
    }
    let first = found.iter().map(by_deadline).min().unwrap_or(0);
    // How far they are behind the first, on average. (If the sum is too much for the number, the buckets are of a wrong width, no more.)
    let behind =
        found.iter().fold(0_u64, |sum, due| sum.wrapping_add(due.deadline - first)) / found.len() as u64;
    // So wide that the average is in the first quarter of the buckets: few deadlines are so far away that they are in the last one, with all that are further.
    let width = (behind / (BUCKETS as u64 / 4)).checked_ilog2().map_or(0, |log| log + 1);
    let bucket = |due: &Due| ((due.deadline - first) >> width).min(BUCKETS as u64 - 1) as usize;

    let mut ends = [0; BUCKETS];
    for due in &*found {
        ends[bucket(due)] += 1;
    }
    let mut before = 0;
    for end in &mut ends {
        (before, *end) = (before + *end, before);
    }
    // Each bucket's end is where it begins, until something is put there.
    let mut dealt = found.clone();
    for due in &*found {
        let end = &mut ends[bucket(due)];
        dealt[*end] = *due;
        *end += 1;
    }
    let mut begin = 0;
    for end in ends {
        let part = &mut dealt[begin..end];
        if !part.is_sorted_by_key(by_deadline) {
            part.sort_by_key(by_deadline);
        }
        begin = end;
    }
    *found = dealt;
}

#[cfg(all(test, not(feature = "loom")))]
#[path = "wheel_tests.rs"]
mod tests;
