//! The deque of a pool's worker: each item is taken once, by one who sees all that was written before it was pushed.
//!
//! Under the model the first buffer has 2 slots, so that it grows. (On real threads it has 64, and these models do not fill it.)

use core::ptr::NonNull;

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, JoinHandle, spawn};
use raddle::pool::deque::{Deque, Steal};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("deque_empty", 14, empty),
    exhaustive("deque_last_item", 1560, last_item),
    bounded("deque_last_item_twice", 4, 16_562, last_item_twice),
    bounded("deque_two_items", 4, 12_560, two_items),
    bounded("deque_pop_if", 4, 10_664, pop_if),
    bounded("deque_grows", 4, 6662, grows),
    exhaustive("deque_grows_for_a_thief", 4645, grows_for_a_thief),
    bounded("deque_slot_again", 5, 7728, slot_again),
    bounded("deque_slot_again_for_a_slow_thief", 5, 8121, slot_again_for_a_slow_thief),
    bounded("deque_two_thieves", 3, 14_095, two_thieves),
    bounded("deque_two_thieves_two_items", 3, 51_294, two_thieves_two_items),
    exhaustive("deque_private", 5, private),
    bounded("deque_publish", 4, 4739, publish),
    exhaustive("deque_publish_none", 4_200, publish_none),
    bounded("deque_publish_all", 4, 1219, publish_all),
    bounded("deque_private_again", 4, 786, private_again),
    bounded("deque_private_at_the_split", 4, 19_534, private_at_the_split),
    bounded("deque_private_grows", 4, 3747, private_grows),
    bounded("deque_private_two_thieves", 3, 19_449, private_two_thieves),
];

/// A deque, and things that can be put into it. The item at place n is the number 2 to the n.
struct Bag {
    deque: Deque<Data<u32>>,
    items: [Data<u32>; 4],
}

impl Bag {
    fn new() -> Arc<Bag> {
        Arc::new(Bag { deque: Deque::new(), items: [(); 4].map(|()| Data::new(0)) })
    }

    /// Writes an item, and pushes it. For the owner.
    fn push(&self, place: usize) {
        let item = &self.items[place];
        item.with_mut(|data| *data = 1 << place);
        // SAFETY: in each model one thread is the owner.
        unsafe { self.deque.push(NonNull::from(item)) };
    }

    /// Writes an item, and pushes it so that it can't be stolen. Returns its index. For the owner.
    fn push_private(&self, place: usize) -> u64 {
        let item = &self.items[place];
        item.with_mut(|data| *data = 1 << place);
        // SAFETY: in each model one thread is the owner.
        unsafe { self.deque.push_private(NonNull::from(item)) }
    }

    /// Takes the item at this place, which was pushed at this index, if it is private: its number, or 0. For the owner.
    fn pop_private(&self, place: usize, index: u64) -> u32 {
        // SAFETY: in each model one thread is the owner.
        if unsafe { self.deque.pop_private(index) } { taken(NonNull::from(&self.items[place])) } else { 0 }
    }

    /// Lets the oldest private item be stolen. For the owner.
    fn publish_one(&self) {
        // SAFETY: in each model one thread is the owner.
        unsafe { self.deque.publish_one() };
    }

    /// Lets all be stolen. For the owner.
    fn publish_all(&self) {
        // SAFETY: in each model one thread is the owner.
        unsafe { self.deque.publish_all() };
    }

    /// Takes the newest item: its number, or 0. For the owner.
    fn pop(&self) -> u32 {
        // SAFETY: in each model one thread is the owner.
        unsafe { self.deque.pop() }.map_or(0, taken)
    }

    /// Takes the item at this place, if it is the newest: its number, or 0. For the owner.
    fn pop_if(&self, place: usize) -> u32 {
        let item = NonNull::from(&self.items[place]);
        // SAFETY: in each model one thread is the owner.
        if unsafe { self.deque.pop_if(item) } { taken(item) } else { 0 }
    }

    /// Takes the oldest item: its number, or 0 if there was none or another was faster.
    fn steal(&self) -> u32 {
        match self.deque.steal() {
            Steal::Got(item) => taken(item),
            Steal::Empty | Steal::Lost => 0,
        }
    }

    /// Pops what is left: the sum. For the owner.
    fn rest(&self) -> u32 {
        let mut sum = 0;
        loop {
            match self.pop() {
                0 => return sum,
                number => sum += number,
            }
        }
    }

    /// The same, when nobody else is there, by what a thief does.
    fn rest_by_steals(&self) -> u32 {
        let mut sum = 0;
        loop {
            match self.steal() {
                0 => return sum,
                number => sum += number,
            }
        }
    }

    fn thief(self: &Arc<Bag>, steals: usize) -> JoinHandle<u32> {
        let bag = Arc::clone(self);
        spawn(move || (0..steals).map(|_| bag.steal()).sum())
    }
}

/// Whoever has an item looks at its data, which loom only allows to who comes after the owner, and finds that nobody has before.
fn taken(item: NonNull<Data<u32>>) -> u32 {
    // SAFETY: the bag is there until all threads have ended.
    unsafe { item.as_ref() }.with_mut(|data| {
        assert_ne!(*data, 0, "taken twice");
        core::mem::take(data)
    })
}

/// The owner pops before there is anything, and after; a thief comes when it likes.
fn empty() {
    let bag = Bag::new();
    let thief = bag.thief(1);
    assert_eq!(bag.pop(), 0);
    bag.push(0);
    let stolen = thief.join().unwrap();
    assert_eq!(stolen + bag.steal(), 1);
    assert_eq!(bag.steal(), 0);
    assert!(bag.deque.is_empty());
}

/// One item, which the owner pops and a thief steals.
fn last_item() {
    let bag = Bag::new();
    let thief = bag.thief(1);
    bag.push(0);
    let popped = bag.pop();
    // Whatever has become of the item, there is none.
    assert_eq!(bag.pop(), 0);
    let stolen = thief.join().unwrap();
    assert_eq!(popped + stolen, 1);
    assert!(bag.deque.is_empty());
}

/// The owner pushes and pops again after that, without having seen what the thief did.
fn last_item_twice() {
    let bag = Bag::new();
    bag.push(0);
    let thief = bag.thief(2);
    let mut sum = bag.pop();
    bag.push(1);
    sum += bag.pop();
    assert_eq!(sum + thief.join().unwrap(), 3);
    assert!(bag.deque.is_empty());
}

/// Two items for the owner and a thief who steals twice. This is what the fences are for: the owner pops the second item without a
/// compare-and-swap, if it has not seen that the first is gone.
fn two_items() {
    let bag = Bag::new();
    let thief = bag.thief(2);
    bag.push(0);
    bag.push(1);
    let sum = bag.pop() + bag.pop();
    assert_eq!(sum + thief.join().unwrap() + bag.rest(), 3);
    assert!(bag.deque.is_empty());
}

/// The owner takes an item back, if a thief has not: the newest only.
fn pop_if() {
    let bag = Bag::new();
    bag.push(0);
    let thief = bag.thief(2);
    bag.push(1);
    assert_eq!(bag.pop_if(0), 0);
    let mut sum = bag.pop_if(1);
    sum += bag.pop_if(0);
    assert_eq!(sum + thief.join().unwrap() + bag.rest(), 3);
}

/// The buffer is full, and a thief is reading in it, when the owner replaces it.
fn grows() {
    let bag = Bag::new();
    bag.push(0);
    bag.push(1);
    let thief = bag.thief(2);
    bag.push(2);
    let popped = bag.pop();
    assert_eq!(popped + thief.join().unwrap() + bag.rest(), 7);
}

/// A thief goes on from the old buffer to the new one.
fn grows_for_a_thief() {
    let bag = Bag::new();
    bag.push(0);
    bag.push(1);
    let thief = bag.thief(3);
    bag.push(2);
    let stolen = thief.join().unwrap();
    assert_eq!(stolen + bag.rest_by_steals(), 7);
}

/// A thief makes room for an item that is written to the slot that it has read; or it comes too late, and the buffer grows.
fn slot_again() {
    let bag = Bag::new();
    bag.push(0);
    bag.push(1);
    let thief = bag.thief(1);
    bag.push(2);
    bag.push(3);
    let popped = bag.pop() + bag.pop();
    assert_eq!(popped + thief.join().unwrap() + bag.rest(), 15);
}

/// The owner itself steals the oldest and writes its slot anew, while a thief may still be about to read that.
fn slot_again_for_a_slow_thief() {
    let bag = Bag::new();
    bag.push(0);
    bag.push(1);
    let thief = bag.thief(1);
    let mut sum = bag.steal();
    bag.push(2);
    sum += bag.pop();
    assert_eq!(sum + thief.join().unwrap() + bag.rest(), 7);
}

/// The last item, for the owner and two thieves.
fn two_thieves() {
    let bag = Bag::new();
    let thieves = [bag.thief(1), bag.thief(1)];
    bag.push(0);
    let popped = bag.pop();
    let stolen: u32 = thieves.into_iter().map(|thief| thief.join().unwrap()).sum();
    assert_eq!(popped + stolen, 1);
    assert!(bag.deque.is_empty());
}

/// Two items, for the owner and two thieves.
fn two_thieves_two_items() {
    let bag = Bag::new();
    let thieves = [bag.thief(1), bag.thief(1)];
    bag.push(0);
    bag.push(1);
    let popped = bag.pop() + bag.pop();
    let stolen: u32 = thieves.into_iter().map(|thief| thief.join().unwrap()).sum();
    assert_eq!(popped + stolen + bag.rest(), 3);
}

/// What is private is the owner's, while a thief takes what is not.
fn private() {
    let bag = Bag::new();
    bag.push(0);
    let thief = bag.thief(2);
    let index = bag.push_private(1);
    assert_eq!(bag.pop_private(1, index), 2, "nobody can have stolen it");
    let stolen = thief.join().unwrap();
    assert!(stolen <= 1);
    assert_eq!(stolen + bag.rest(), 1);
}

/// One of two private items is published, against a thief; the other is not to be had.
fn publish() {
    let bag = Bag::new();
    let thief = bag.thief(2);
    let first = bag.push_private(0);
    let second = bag.push_private(1);
    bag.publish_one();
    assert_eq!(bag.pop_private(1, second), 2);
    assert_eq!(bag.pop_private(0, first), 0, "it is private no more");
    let popped = bag.pop();
    assert_eq!(popped + thief.join().unwrap(), 1);
    assert!(bag.deque.is_empty());
}

/// With nothing private there is nothing to publish: what the owner has popped is not to be had by a thief.
fn publish_none() {
    let bag = Bag::new();
    bag.push(0);
    bag.push(1);
    let thief = bag.thief(2);
    let popped = bag.pop();
    bag.publish_one();
    assert_eq!(popped + thief.join().unwrap() + bag.rest_by_steals(), 3);
    assert!(bag.deque.is_empty());
}

/// Two private items are published together, with what they point to.
fn publish_all() {
    let bag = Bag::new();
    let thief = bag.thief(2);
    bag.push_private(0);
    bag.push_private(1);
    bag.publish_all();
    let popped = bag.pop();
    assert_eq!(popped + thief.join().unwrap() + bag.rest(), 3);
}

/// The owner pops what could be stolen, and pushes a private item at the same index, while a thief may still think that there is one to be had.
fn private_again() {
    let bag = Bag::new();
    bag.push(0);
    bag.push(1);
    let thief = bag.thief(2);
    let mut sum = bag.pop();
    let index = bag.push_private(2);
    sum += bag.pop_private(2, index);
    assert_eq!(sum & 4, 4, "nobody can have stolen it");
    assert_eq!(sum + thief.join().unwrap() + bag.rest(), 7);
}

/// The owner takes all, first what is private and then what is not, while a thief takes from the other end. The second is published after the first may be gone.
fn private_at_the_split() {
    let bag = Bag::new();
    bag.push(0);
    let thief = bag.thief(2);
    bag.push_private(1);
    bag.push_private(2);
    bag.publish_one();
    assert_eq!(bag.pop(), 4, "nobody can have stolen it");
    let sum = bag.pop() + bag.pop();
    assert_eq!(sum + thief.join().unwrap() + bag.rest(), 3);
    assert!(bag.deque.is_empty());
}

/// The buffer grows with private items in it, and a thief goes on from the old one to the new one when they are published.
fn private_grows() {
    let bag = Bag::new();
    bag.push(0);
    let thief = bag.thief(2);
    bag.push_private(1);
    bag.push_private(2);
    bag.publish_all();
    let popped = bag.pop();
    assert_eq!(popped + thief.join().unwrap() + bag.rest(), 7);
}

/// A private item beside one that two thieves want, and then for them.
fn private_two_thieves() {
    let bag = Bag::new();
    let thieves = [bag.thief(1), bag.thief(1)];
    bag.push(0);
    bag.push_private(1);
    bag.publish_one();
    let popped = bag.pop();
    let stolen: u32 = thieves.into_iter().map(|thief| thief.join().unwrap()).sum();
    assert_eq!(popped + stolen + bag.rest(), 3);
}
