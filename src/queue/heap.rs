//! Lowest first, and first in, first out among equals: a binary heap (J. W. J. Williams, 1964) that runs the user's `Ord` with care.
//!
//! Comparing is the user's code: it may take long, panic, block, or use this very queue. Hence two places for items:
//!
//! - the **inbox**, a vector under a lock. A put appends to it and compares nothing. So putting never waits for a comparison, and an
//!   `Ord` may put, if that need not wait for room.
//! - the **heap**, under a lock of its own, which getters take: they bring in what is in the inbox, and take out the lowest. An `Ord` that
//!   gets from the queue that it is called by would wait for itself; the lock is reentrant, so that this is noticed, and is a panic
//!   with a message.
//!
//! Each step **compares first and moves after**: all comparisons of a step are made before an item is moved. So a panic in one of them
//! changes nothing, and no item is lost or out of its place.

use core::cell::RefCell;

use super::raw::{Claimant, RawQueue};
use super::store::{Clear, Store, give_back};
use crate::lock::Lock;
use crate::rlock::RLock;

struct Entry<T> {
    item: T,
    /// The number of its put, modulo 2^64: what is older comes first among equals.
    number: u64,
}

impl<T: Ord> Entry<T> {
    fn is_before(&self, other: &Entry<T>) -> bool {
        let numbers = || (self.number.wrapping_sub(other.number) as i64).cmp(&0);
        self.item.cmp(&other.item).then_with(numbers).is_lt()
    }
}

struct Inbox<T> {
    entries: Vec<Entry<T>>,
    next_number: u64,
}

struct Sorted<T> {
    heap: Heap<T>,
    /// Out of the inbox, and not in the heap yet; the oldest last.
    coming: Vec<Entry<T>>,
}

pub(super) struct PriorityStore<T> {
    inbox: Lock<Inbox<T>>,
    sorted: RLock<RefCell<Sorted<T>>>,
}

impl<T> PriorityStore<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new() -> PriorityStore<T> {
        PriorityStore {
            inbox: Lock::new(Inbox { entries: Vec::new(), next_number: 0 }),
            sorted: RLock::new(RefCell::new(Sorted {
                heap: Heap { entries: Vec::new() },
                coming: Vec::new(),
            })),
        }
    }
}

impl<T: Ord> Store for PriorityStore<T> {
    type Item = T;

    fn try_put(&self, raw: &RawQueue, item: T, claimant: Claimant) -> Result<(), T> {
        let mut inbox = self.inbox.lock();
        let Some(claim) = raw.claim_put(claimant) else { return Err(item) };
        let number = inbox.next_number;
        inbox.next_number = number.wrapping_add(1);
        inbox.entries.push(Entry { item, number });
        drop(inbox);
        raw.finish(claim);
        Ok(())
    }

    fn try_get(&self, raw: &RawQueue, claimant: Claimant) -> Option<T> {
        if raw.is_barred_from_get(claimant) {
            return None;
        }
        let guard = self.sorted.lock();
        let mut sorted =
            guard.try_borrow_mut().expect("`before_get` has ruled out that we are in a comparison");
        let Sorted { heap, coming } = &mut *sorted;
        loop {
            while let Some(entry) = coming.last() {
                let place = heap.place_for(entry);
                heap.put_in(coming.pop().expect("it was there a moment ago"), place);
            }
            core::mem::swap(coming, &mut self.inbox.lock().entries);
            coming.reverse();
            if !coming.is_empty() {
                continue;
            }
            give_back(coming);
            // Whatever comes into the inbox from now on is taken by the next get: as if it had been put after this one.
            let place = heap.place_for_last()?;
            let claim = raw.claim_get();
            let item = heap.take_out(place).item;
            give_back(&mut heap.entries);
            drop(sorted);
            drop(guard);
            raw.finish(claim);
            return Some(item);
        }
    }

    /// # Panics
    ///
    /// If the caller is in a comparison that a get from this queue makes: it would wait for itself.
    fn before_get(&self) {
        assert!(
            !self.sorted.is_owned_by_current_thread(),
            "PriorityQueue: a get from within the comparison of two items of the same queue"
        );
    }
}

impl<T> Clear for PriorityStore<T> {
    fn clear(&mut self, _raw: &RawQueue) {}
}

/// A binary heap in a vector: the entry at `i` is before those at `2 i + 1` and `2 i + 2`.
struct Heap<T> {
    entries: Vec<Entry<T>>,
}

impl<T: Ord> Heap<T> {
    /// Where a new entry will stand.
    fn place_for(&self, entry: &Entry<T>) -> usize {
        let mut place = self.entries.len();
        while place > 0 && entry.is_before(&self.entries[(place - 1) / 2]) {
            place = (place - 1) / 2;
        }
        place
    }

    /// Where the last entry will stand once the first is taken out; `None` if there is none.
    fn place_for_last(&self) -> Option<usize> {
        let (last, rest) = self.entries.split_last()?;
        let mut place = 0;
        loop {
            let left = 2 * place + 1;
            let Some(mut child) = rest.get(left) else { return Some(place) };
            let mut at = left;
            if let Some(right) = rest.get(left + 1)
                && right.is_before(child)
            {
                (child, at) = (right, left + 1);
            }
            if last.is_before(child) {
                return Some(place);
            }
            place = at;
        }
    }
}

impl<T> Heap<T> {
    /// Puts an entry in, at its [`place_for`](Heap::place_for) it. Compares nothing.
    fn put_in(&mut self, entry: Entry<T>, place: usize) {
        let mut at = self.entries.len();
        self.entries.push(entry);
        while at > place {
            let parent = (at - 1) / 2;
            self.entries.swap(at, parent);
            at = parent;
        }
    }

    /// Takes the first entry out, and moves the last to its [`place_for_last`](Heap::place_for_last). Compares nothing.
    fn take_out(&mut self, place: usize) -> Entry<T> {
        let first = self.entries.swap_remove(0);
        // Counted from 1, the bits of a place below the highest are the way down to it: 0 is left, 1 is right.
        let place = place + 1;
        for level in (0..place.ilog2()).rev() {
            let child = place >> level;
            self.entries.swap(child / 2 - 1, child - 1);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(items: impl IntoIterator<Item = (u32, char)>) -> Vec<(u32, char)> {
        struct ByNumber((u32, char));

        impl PartialEq for ByNumber {
            fn eq(&self, other: &ByNumber) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for ByNumber {}

        impl PartialOrd for ByNumber {
            fn partial_cmp(&self, other: &ByNumber) -> Option<core::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for ByNumber {
            fn cmp(&self, other: &ByNumber) -> core::cmp::Ordering {
                self.0.0.cmp(&other.0.0)
            }
        }

        let mut heap = Heap { entries: Vec::new() };
        for (number, item) in items.into_iter().enumerate() {
            // Numbers that wrap on the way.
            let entry = Entry { item: ByNumber(item), number: (number as u64).wrapping_sub(3) };
            let place = heap.place_for(&entry);
            heap.put_in(entry, place);
        }
        core::iter::from_fn(|| {
            let place = heap.place_for_last()?;
            Some(heap.take_out(place).item.0)
        })
        .collect()
    }

    #[test]
    fn lowest_first_and_in_order_among_equals() {
        let items = [(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (3, 'e'), (1, 'f'), (2, 'g')];
        let expected = [(1, 'b'), (1, 'd'), (1, 'f'), (2, 'a'), (2, 'c'), (2, 'g'), (3, 'e')];
        assert_eq!(in_order(items), expected);
    }

    #[test]
    fn sorts_as_a_stable_sort_does() {
        let mut seed = 1_u32;
        for len in 0..200 {
            let items: Vec<(u32, char)> = (0..len)
                .map(|i| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 28, char::from_u32(0x100 + i).expect("a letter"))
                })
                .collect();
            let mut sorted = items.clone();
            sorted.sort_by_key(|item| item.0);
            assert_eq!(in_order(items), sorted);
        }
    }
}
