//! The wheel beside a model: a list, searched from one end to the other.

#![cfg(not(feature = "loom"))]

use core::time::Duration;

use super::*;
use crate::hook::Hook;
use crate::timer::node::{self, Begin};

/// Random numbers, the same in each run (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 8) % n
    }
}

/// A timer that is pending, as the model knows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry {
    deadline: u64,
    /// Greater for what came later.
    turn: usize,
    number: usize,
}

/// A wheel and the model of it, which are told the same.
struct Both {
    wheel: Wheel,
    model: Vec<Entry>,
    turns: usize,
    /// By their numbers. All are freed at the end.
    timers: Vec<NonNull<Header>>,
    /// The time up to which the wheel was asked for what is due.
    now: u64,
}

impl Both {
    fn new() -> Both {
        Both { wheel: Wheel::new(), model: Vec::new(), turns: 0, timers: Vec::new(), now: 0 }
    }

    fn insert(&mut self, deadline: u64) -> usize {
        self.insert_at(deadline, self.now)
    }

    /// As seen by somebody who has looked at the clock at `now`.
    fn insert_at(&mut self, deadline: u64, now: u64) -> usize {
        let number = self.timers.len();
        let node = node::once(Duration::from_nanos(deadline), || {}, Begin::Fresh);
        self.timers.push(node);
        self.put(number, now);
        number
    }

    /// Puts in a timer that is not in, with the deadline that it has.
    fn put(&mut self, number: usize, now: u64) {
        let node = self.timers[number];
        // SAFETY: it is freed when we are dropped; all places are ours.
        unsafe {
            assert!(matches!(*Wheel::slot(node), FRESH | DUE));
            let deadline = Wheel::place(node).deadline;
            self.wheel.insert(node, now);
            self.turns += 1;
            self.model.push(Entry { deadline, turn: self.turns, number });
        }
        self.check();
    }

    /// Takes one out, which may have gone before.
    fn remove(&mut self, number: usize) -> bool {
        let place = self.model.iter().position(|entry| entry.number == number);
        // SAFETY: as in `put`.
        let removed = unsafe {
            let before = *Wheel::slot(self.timers[number]);
            let found = self.wheel.cancel(self.timers[number]);
            assert_eq!(self.wheel.cancel(self.timers[number]), Found::Gone);
            // Here they come back.
            *Wheel::slot(self.timers[number]) = if found == Found::Linked { FRESH } else { before };
            found == Found::Linked
        };
        let is_found = self
            .wheel
            .found
            .iter()
            .chain(&self.wheel.found_behind)
            .any(|due| due.node == self.timers[number]);
        assert_eq!(removed, place.is_some() && !is_found, "timer {number}");
        if let Some(place) = place.filter(|_| removed) {
            self.model.remove(place);
        }
        self.check();
        removed
    }

    /// What is due at `now`, by number: whole ticks, and no further one when there are `most`.
    fn take_due(&mut self, now: u64, most: usize) -> Vec<usize> {
        self.now = self.now.max(now);
        let base = self.wheel.base;
        let mut due = VecDeque::new();
        self.wheel.take_due(now, most, &mut due);
        while self.wheel.is_moving() {
            assert!(due.len() < most, "it moves when it has nothing better to do");
            if due.is_empty() {
                self.check_slots();
            }
            self.wheel.take_due(now, most, &mut due);
        }
        let mut taken = Vec::new();
        for Due { node, .. } in due {
            let number = self.timers.iter().position(|timer| *timer == node).expect("a timer of ours");
            // SAFETY: as in `put`.
            assert_eq!(unsafe { *Wheel::slot(node) }, DUE);
            let place = self.model.iter().position(|entry| entry.number == number);
            taken.push(self.model.remove(place.expect("nothing is taken twice, or after it was removed")));
        }
        assert!(taken.iter().all(|entry| entry.deadline <= now), "early");
        assert!(taken.is_sorted(), "in the order of deadlines, and where they are equal as they came");
        if taken.len() < most {
            assert!(self.model.iter().all(|entry| entry.deadline > now), "what is due is taken");
        }
        if let Some(last) = taken.last() {
            assert!(self.model.iter().all(|left| left > last), "what is left comes after what is taken");
            // Late ones stand in the tick at which the wheel was.
            let tick_of = |entry: &Entry| tick(entry.deadline).max(base);
            let before_last_tick = taken.iter().filter(|entry| tick_of(entry) < tick_of(last)).count();
            assert!(before_last_tick < most, "a tick too many");
        }
        self.check();
        taken.into_iter().map(|entry| entry.number).collect()
    }

    fn earliest(&self) -> Option<u64> {
        self.model.iter().map(|entry| entry.deadline).min()
    }

    /// What must hold at any time.
    fn check(&self) {
        assert_eq!(self.wheel.len(), self.model.len());
        match (self.wheel.next_deadline(), self.earliest()) {
            (Some(next), Some(earliest)) => assert!(next <= earliest, "{next} is later than {earliest}"),
            (next, earliest) => assert_eq!(next, earliest),
        }
    }

    /// The invariants in the wheel's own words. It walks through all slots.
    fn check_slots(&self) {
        let mut seen = 0;
        for (index, slot) in self.wheel.slots.iter().enumerate() {
            let is_marked = self.wheel.occupied[index / SLOTS] >> (index % SLOTS) & 1 == 1;
            assert_eq!(is_marked || self.wheel.moving == Some(index), !slot.first.is_null());
            assert_eq!(slot.first.is_null(), slot.last.is_null());
            let mut before = ptr::null_mut();
            let mut next = slot.first;
            let seen_before = seen;
            while let Some(node) = NonNull::new(next) {
                // SAFETY: as in `put`.
                let (place, of_slot) = unsafe { (Wheel::place(node), *Wheel::slot(node)) };
                assert_eq!(usize::from(of_slot), index);
                if self.wheel.moving != Some(index) {
                    assert_eq!(self.wheel.slot_of(place.deadline), index, "where it belongs by now");
                }
                assert_eq!(place.prev, before);
                assert!(slot.earliest <= place.deadline);
                before = next;
                next = place.next;
                seen += 1;
            }
            assert_eq!(slot.last, before);
            let count = seen - seen_before;
            assert!(slot.count == count || self.wheel.moving == Some(index) && slot.count > count);
        }
        let found = self.wheel.found.len() + self.wheel.found_behind.len();
        assert_eq!(seen + found, self.model.len());
    }

    /// Goes from deadline to deadline until nothing is left, as the service does. Returns the order, and how often there was nothing to do.
    fn run_out(&mut self, most: usize) -> (Vec<usize>, usize) {
        let (mut order, mut in_vain) = (Vec::new(), 0);
        while let Some(next) = self.wheel.next_deadline() {
            let taken = self.take_due(next.max(self.now), most);
            in_vain += usize::from(taken.is_empty());
            order.extend(taken);
        }
        assert!(self.model.is_empty());
        (order, in_vain)
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        for node in &self.timers {
            // SAFETY: we hold it, once.
            unsafe {
                Header::drop_function(*node, Hook(None));
                Header::free(*node);
            }
        }
    }
}

const TICK: u64 = 1 << TICK_SHIFT;

/// The beginning of a slot of this level, after `time`.
fn next_slot(time: u64, level: u32) -> u64 {
    let shift = TICK_SHIFT + level * DIGIT_BITS;
    ((time >> shift) + 1).checked_shl(shift).map_or(u64::MAX, |start| start.max(time))
}

/// A deadline of one of the kinds at which wheels have failed.
fn some_deadline(random: &mut Random, both: &Both) -> u64 {
    let now = both.now;
    match random.below(12) {
        0 => now,
        1 => now.saturating_add(random.below(TICK)),
        2 => now.saturating_add(random.below(70 * TICK)),
        3 | 4 => {
            let bits = random.below(64);
            now.saturating_add(random.next() & ((1 << bits) - 1))
        }
        5 if !both.model.is_empty() => both.model[random.below(both.model.len() as u64) as usize].deadline,
        6 => (1 << 63) - 2 + random.below(4),
        7 => u64::MAX - random.below(3),
        8 => now.saturating_sub(random.below(3 * TICK)),
        9 => now.saturating_sub(random.next() >> random.below(64)),
        _ => (next_slot(now, random.below(8) as u32) - 1).saturating_add(random.below(3)),
    }
}

/// A time to go on to.
fn some_later_time(random: &mut Random, both: &Both) -> u64 {
    let now = both.now;
    match random.below(8) {
        0 => now,
        1 => now.saturating_add(random.below(2 * TICK)),
        2 => now.saturating_add(random.below(5000 * TICK)),
        3 => both.wheel.next_deadline().unwrap_or(now).max(now),
        4 => both.earliest().unwrap_or(now).max(now).saturating_sub(1).max(now),
        5 => (next_slot(now, random.below(8) as u32) - 1).saturating_add(random.below(2)),
        6 => now.saturating_add(random.next() >> (10 + random.below(54))),
        // Now and then, very far.
        _ if random.below(40) == 0 => now.saturating_add(random.next() >> random.below(8)),
        _ => now.saturating_add(TICK),
    }
}

#[test]
fn random_steps_agree_with_a_sorted_list() {
    let (seeds, steps) = if cfg!(miri) { (3, 60) } else { (150, 400) };
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let mut both = Both::new();
        for step in 0..steps {
            match random.below(8) {
                0..=3 => {
                    let deadline = some_deadline(&mut random, &both);
                    // Whoever puts it in may have looked at the clock a while ago.
                    let now = both.now.saturating_sub(random.below(4) * random.below(TICK));
                    both.insert_at(deadline, now);
                }
                4 | 5 if !both.timers.is_empty() => {
                    // Half of the time one that is in.
                    let number = if random.below(2) == 0 && !both.model.is_empty() {
                        both.model[random.below(both.model.len() as u64) as usize].number
                    } else {
                        random.below(both.timers.len() as u64) as usize
                    };
                    both.remove(number);
                }
                _ => {
                    let now = some_later_time(&mut random, &both);
                    let most = if random.below(3) == 0 { random.below(4) as usize } else { 64 };
                    both.take_due(now, most);
                }
            }
            if step % 16 == 0 {
                both.check_slots();
            }
        }
        both.check_slots();
        if seed % 4 == 0 {
            let mut all = both.model.iter().map(|entry| entry.number).collect::<Vec<_>>();
            let mut taken = both.wheel.take_all();
            let at = |node: &NonNull<Header>| both.timers.iter().position(|timer| timer == node).unwrap();
            let mut taken = taken.drain(..).map(|node| at(&node)).collect::<Vec<_>>();
            all.sort();
            taken.sort();
            assert_eq!(taken, all);
            both.model.clear();
            both.check_slots();
        } else {
            both.run_out(1 + random.below(64) as usize);
            both.check_slots();
        }
        // It can be used on.
        let again = both.insert(both.now.saturating_add(5));
        assert_eq!(both.run_out(1).0, [again]);
    }
}

#[test]
fn timers_put_back_again_and_again_stay_in_step() {
    let mut random = Random::new(11);
    let mut both = Both::new();
    let periods = [1, TICK - 1, TICK, TICK + 1, 63 * TICK, 64 * TICK, 4097 * TICK, 1 << 40];
    for period in periods {
        both.insert(period);
    }
    for _ in 0..if cfg!(miri) { 50 } else { 3000 } {
        let next = both.wheel.next_deadline().unwrap();
        for number in both.take_due(next.saturating_add(random.below(3 * TICK)), 3) {
            let period = periods[number];
            // SAFETY: it is out of the wheel, and ours.
            let place = unsafe { Wheel::place(both.timers[number]) };
            let missed = (both.now - place.deadline) / period;
            place.deadline += (missed + 1) * period;
            both.put(number, both.now);
        }
    }
    assert_eq!(both.model.len(), periods.len());
    both.check_slots();
}

#[test]
fn deadlines_at_the_end_of_the_clock_come_in_order() {
    let mut both = Both::new();
    let deadlines = [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, (1 << 63) + 1, u64::MAX, 1, 0, TICK];
    for deadline in deadlines {
        both.insert(deadline);
    }
    both.check_slots();
    assert_eq!(both.run_out(64).0, [7, 6, 8, 3, 2, 4, 1, 0, 5]);
    // The clock stands at its end, and the wheel goes on.
    for deadline in [0, u64::MAX, 1 << 63] {
        both.insert(deadline);
    }
    assert_eq!(both.take_due(u64::MAX, 64), [9, 11, 10]);
    assert_eq!(both.wheel.next_deadline(), None);
}

#[test]
fn each_power_of_two_is_kept_to_the_nanosecond() {
    for bits in 0..64 {
        for offset in [-1, 0, 1] {
            let mut both = Both::new();
            let deadline = (1_u64 << bits).wrapping_add_signed(offset);
            both.insert(deadline);
            assert_eq!(both.wheel.next_deadline(), Some(deadline));
            if deadline > 0 {
                assert_eq!(both.take_due(deadline - 1, 64), []);
            }
            assert_eq!(both.wheel.next_deadline(), Some(deadline), "the base has moved, the timer has not");
            assert_eq!(both.take_due(deadline, 64), [0]);
        }
    }
}

#[test]
fn after_a_long_idle_time_it_starts_where_the_clock_is() {
    let mut both = Both::new();
    both.insert(5 * TICK);
    assert_eq!(both.take_due(5 * TICK, 64), [0]);
    // Nothing is pending for many years, then much.
    both.now = 1 << 60;
    for n in (0..200).rev() {
        both.insert((1 << 60) + n * 1000);
    }
    assert_eq!(both.wheel.base, tick(1 << 60), "or all would be in one coarse slot");
    both.check_slots();
    assert_eq!(both.wheel.next_deadline(), Some(1 << 60));
    let (order, in_vain) = both.run_out(64);
    assert_eq!(order, (1..=200).rev().collect::<Vec<_>>());
    assert_eq!(in_vain, 0);
}

#[test]
fn with_a_timer_far_ahead_a_base_left_behind_is_caught_up_with() {
    let mut both = Both::new();
    both.insert(u64::MAX - 7);
    // The base stands at the beginning, for the wheel is not empty. All others come and go far from there.
    for n in 1..200 {
        both.now = n << 55;
        both.insert(both.now + 3 * TICK);
        both.insert(both.now + 1);
        both.insert(both.now - 1);
        let last = both.timers.len();
        assert_eq!(both.take_due(both.now + 4 * TICK, 2), [last - 1, last - 2]);
        assert_eq!(both.take_due(both.now, 2), [last - 3]);
        both.check_slots();
    }
    assert_eq!(both.run_out(64).0, [0]);
}

#[test]
fn what_comes_too_late_is_due_at_once_and_before_what_is_due_later() {
    let mut both = Both::new();
    both.insert(1000 * TICK + 5);
    both.insert(1000 * TICK + 9);
    assert_eq!(both.take_due(1000 * TICK + 5, 64), [0]);
    assert_eq!(both.wheel.base, 1000);
    both.insert(3);
    both.insert(999 * TICK);
    both.insert(0);
    both.check_slots();
    assert_eq!(both.wheel.next_deadline(), Some(0));
    assert_eq!(both.take_due(1000 * TICK + 8, 64), [4, 2, 3]);
    assert_eq!(both.take_due(1000 * TICK + 9, 64), [1]);
}

#[test]
fn equal_deadlines_come_in_the_order_of_their_coming_however_few_are_taken() {
    for most in [1, 2, 7, 64, 1000] {
        for deadline in [1, TICK - 1, 100 * TICK, 100_000 * TICK + 17, 1 << 62, u64::MAX] {
            let mut both = Both::new();
            // Some when it is far, some when it is near, some when it is due.
            for from in [0, deadline / 2, deadline.saturating_sub(TICK), deadline] {
                assert_eq!(both.take_due(from.saturating_sub(1), 1), []);
                for _ in 0..25 {
                    both.insert(deadline);
                }
            }
            both.check_slots();
            assert_eq!(both.run_out(most).0, (0..100).collect::<Vec<_>>());
        }
    }
}

/// More are due than are taken at a time, and those in a coarse slot came in any order.
#[test]
fn deadlines_of_different_ticks_come_in_order_however_few_are_taken() {
    for most in [1, 3, 64] {
        for spread in [TICK, 10 * TICK, 1000 * TICK, 1 << 40] {
            let mut both = Both::new();
            for n in (0..150).rev() {
                both.insert((1 << 50) + n * spread);
            }
            both.now = (1 << 50) + 150 * spread;
            let (order, _) = both.run_out(most);
            assert_eq!(order, (0..150).rev().collect::<Vec<_>>(), "{most} at a time, {spread} apart");
        }
    }
}

#[test]
fn many_in_one_tick_are_all_taken_once() {
    let mut random = Random::new(3);
    let mut both = Both::new();
    for _ in 0..300 {
        both.insert(77 * TICK + random.below(TICK));
    }
    // In the midst of the tick.
    let middle = 77 * TICK + TICK / 2;
    let in_first_half = both.model.iter().filter(|entry| entry.deadline <= middle).count();
    assert_eq!(both.take_due(middle, 10).len(), in_first_half);
    both.check_slots();
    assert_eq!(both.take_due(middle, 10), []);
    // More come in between, and some go.
    for number in 0..150 {
        both.remove(number);
        both.insert(77 * TICK + random.below(TICK));
    }
    let left = both.model.len();
    assert_eq!(both.run_out(10).0.len(), left);
}

#[test]
fn nothing_is_taken_where_none_may_be() {
    let mut both = Both::new();
    both.insert(1);
    assert_eq!(both.take_due(u64::MAX, 0), []);
    assert_eq!(both.take_due(0, 64), []);
    assert_eq!(both.take_due(1, 64), [0]);
}

#[test]
fn one_that_was_taken_out_is_not_in_and_may_come_back() {
    let mut both = Both::new();
    let number = both.insert(500 * TICK);
    for _ in 0..3 {
        assert!(both.remove(number));
        assert!(!both.remove(number));
        assert_eq!(both.wheel.next_deadline(), None);
        both.put(number, 0);
    }
    assert_eq!(both.take_due(500 * TICK, 1), [number]);
    assert!(!both.remove(number));
}

#[test]
fn without_removals_the_next_deadline_is_exact_and_no_wake_up_is_in_vain() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut both = Both::new();
        for _ in 0..if cfg!(miri) { 20 } else { 300 } {
            let deadline = some_deadline(&mut random, &both);
            both.insert(deadline);
            assert_eq!(both.wheel.next_deadline(), both.earliest());
            if random.below(4) == 0 {
                both.take_due(some_later_time(&mut random, &both), usize::MAX);
                assert_eq!(both.wheel.next_deadline(), both.earliest());
            }
        }
        assert_eq!(both.run_out(usize::MAX).1, 0);
    }
}

#[test]
fn a_removal_costs_at_most_one_wake_up_in_vain() {
    for seed in 0..if cfg!(miri) { 2 } else { 40 } {
        let mut random = Random::new(seed);
        let mut both = Both::new();
        let mut removals = 0;
        for _ in 0..300 {
            let deadline = some_deadline(&mut random, &both);
            let number = both.insert(deadline);
            if random.below(3) > 0 {
                removals += usize::from(both.remove(number - random.below(1 + number as u64) as usize));
            }
        }
        let (_, in_vain) = both.run_out(usize::MAX);
        assert!(in_vain <= removals, "{in_vain} wake-ups in vain after {removals} removals");
    }
}

/// The cost of a timer does not hang on how many there are: it goes down one level at a time.
#[test]
fn a_far_timer_is_moved_as_often_as_there_are_levels_at_most() {
    let mut both = Both::new();
    let far = (1 << 63) + (1 << 50) + (1 << 33) + 12345;
    both.insert(far);
    // One before it on each level, that makes the base come near step by step.
    for bits in 1..63 {
        both.insert(far - (1 << bits));
        both.insert(1 << bits);
    }
    let (order, in_vain) = both.run_out(64);
    assert_eq!((order.len(), in_vain), (125, 0));
    assert_eq!(order.last(), Some(&0));
}

#[test]
fn take_all_empties_it() {
    let mut both = Both::new();
    assert!(both.wheel.take_all().is_empty());
    for deadline in [0, 1, 1, 70 * TICK, 1 << 63, u64::MAX] {
        both.insert(deadline);
    }
    let mut taken = both.wheel.take_all();
    both.model.clear();
    both.check_slots();
    assert_eq!((taken.len(), both.wheel.len(), both.wheel.next_deadline()), (6, 0, None));
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 6);
    assert!(!both.remove(2));
}

#[test]
fn what_is_in_a_slot_that_is_being_moved_can_be_taken_out_and_others_put_in() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let mut both = Both::new();
        // All in one slot of a high level, and some before and behind it.
        let begin = 5 << (TICK_SHIFT + 3 * DIGIT_BITS);
        // Every fourth in the first tick, the first and the last of all among them: these are found, and not moved.
        let most = |number| if number % 4 == 0 { TICK } else { 1 << 28 };
        let numbers: Vec<usize> =
            (0..61).map(|number| both.insert(begin + random.below(most(number)))).collect();
        both.insert(3 * begin);
        let now = begin + (1 << 28);
        let mut due = VecDeque::new();
        both.wheel.take_due(now, 1, &mut due);
        assert!(both.wheel.is_moving() && due.is_empty(), "a portion is three");
        assert_eq!((both.wheel.found.len(), both.wheel.found_behind.len()), (1, 1));
        if seed % 5 == 0 {
            assert_eq!(both.wheel.take_all().len(), 62);
            assert_eq!((both.wheel.len(), both.wheel.is_moving()), (0, false));
            both.model.clear();
            continue;
        }
        for _ in 0..10 {
            both.remove(numbers[random.below(61) as usize]);
            both.insert_at(now + random.below(1 << 30), now);
            both.insert_at(begin + random.below(1 << 28), now);
            both.check_slots();
        }
        while !both.take_due(now, 1 + random.below(5) as usize).is_empty() {
            both.check_slots();
        }
        if seed % 2 == 0 {
            both.take_due(u64::MAX - 1, usize::MAX);
            assert_eq!(both.wheel.len(), 0);
        } else {
            both.wheel.take_all();
            assert_eq!((both.wheel.len(), both.wheel.is_moving()), (0, false));
            both.model.clear();
        }
    }
}

#[test]
fn the_clock_may_go_on_while_a_slot_is_moved() {
    let mut both = Both::new();
    let begin = 5 << (TICK_SHIFT + 3 * DIGIT_BITS);
    both.insert(begin);
    for _ in 0..7 {
        both.insert(begin + 10);
    }
    let mut due = VecDeque::new();
    both.wheel.take_due(begin + 5, 100, &mut due);
    assert!(both.wheel.is_moving() && due.is_empty(), "a portion is three");
    while both.wheel.len() > 0 {
        both.wheel.take_due(begin + 20, 100, &mut due);
    }
    assert!(due.iter().map(|due| due.node).eq(both.timers.iter().copied()));
}

/// What was found becomes what is due, and the memory of what was due is used again, but not kept for ever.
#[test]
fn the_memory_of_a_busy_tick_is_given_back() {
    let mut both = Both::new();
    let mut due = VecDeque::new();
    for (tick, timers) in [(1, 1000), (2, 2), (3, 2), (4, 0)] {
        for _ in 0..timers {
            both.insert(tick * TICK);
        }
        while both.wheel.next_deadline().is_some_and(|next| next <= tick * TICK) {
            both.wheel.take_due(tick * TICK, 1, &mut due);
        }
        assert_eq!(due.len(), timers);
        due.clear();
        both.model.clear();
        // A portion is three.
        assert!(both.wheel.found.capacity() <= if tick == 2 { 1000 } else { 4 });
    }
    assert!(due.capacity() <= 4, "it was exchanged twice since");
}

/// Room is made for all in a slot, of whom few may be due.
#[test]
fn the_room_that_nobody_has_needed_is_given_back() {
    let mut both = Both::new();
    let begin = 5 << (TICK_SHIFT + 3 * DIGIT_BITS);
    for n in 0..1000 {
        both.insert(begin + n * 1000 * TICK);
    }
    let mut due = VecDeque::new();
    while due.is_empty() {
        both.wheel.take_due(begin, 1, &mut due);
    }
    assert!(both.wheel.found.capacity() <= 4 && due.capacity() <= 4);
}

#[test]
fn what_is_due_is_put_in_order_as_by_a_stable_sort() {
    let mut random = Random::new(5);
    let node = |n: usize| NonNull::without_provenance(core::num::NonZero::new(n + 1).unwrap());
    for round in 0..if cfg!(miri) { 20 } else { 2000 } {
        let len = random.below(if round % 10 == 0 { 5000 } else { 100 }) as usize;
        let low = random.next() >> random.below(64);
        let bits = random.below(20) as u32;
        let mut found: Vec<Due> = (0..len)
            .map(|n| {
                // Some are further away than the others, and a few in any other tick.
                let far = match random.below(50) {
                    0 => random.next() >> random.below(64),
                    1..5 => random.below(TICK),
                    _ => random.below(1 << bits),
                };
                Due { deadline: low.saturating_add(far), node: node(n) }
            })
            .collect();
        let mut sorted = found.clone();
        sorted.sort_by_key(|due| due.deadline);
        put_in_order(&mut found);
        let key = |due: &Due| (due.deadline, due.node);
        assert!(found.iter().map(key).eq(sorted.iter().map(key)), "{len} from {low}, {bits} bits");
    }
}
