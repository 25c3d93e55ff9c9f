//! The unbounded FIFO: a linked list of blocks of slots. Its memory is given back as it drains.
//!
//! The design is that of `crossbeam`'s `SegQueue` (Stjepan Glavina, 2019): an index that counts steps, and beside it a pointer to the
//! block that the next step is in. It differs in how a block is given back: see below.
//!
//! # Positions
//!
//! A lap has [`BLOCK`] steps, the slots of one block, and one index more: an end that stands at index [`BLOCK`] is *between* blocks.
//! The thread that took the last slot is about to put it on the next block; for all others that is
//! a passing obstacle.
//!
//! ```text
//! put: claims a slot        tail -> tail + ONE, by compare-and-swap
//!      was it the last?     block of the tail = a new one;  tail += gap (now at index 0);  link the block to the new one
//!      fills the slot       EMPTY -> FULL
//! get: claims a slot        head -> head + ONE, by compare-and-swap, if the tail is further
//!      was it the last?     follow the link;  block of the head = the next one;  head += gap
//!      empties the slot     when it is FULL: -> TAKEN
//!      was it the last?     retire the block
//! ```
//!
//! # Who may touch a block
//!
//! 1. A thread reads the position of its end, then the block of that end, and follows the pointer only after it has moved the position
//!    by compare-and-swap. Every change of the block comes between two moves of the position, so that the block it read is the one
//!    that its slot is in.
//! 2. A thread that has claimed a slot keeps its block alive until it has made the slot FULL, or TAKEN: a block is freed only when
//!    all its slots are TAKEN. (Who took the last slot to put links the block before that.)
//! 3. So no thread looks at a block that may be gone, and no epochs or hazard pointers are needed.
//!
//! # How memory is given back
//!
//! The getter that took the last slot of a block *retires* it. If all slots are TAKEN, it goes back to the allocator. If some getter is still
//! taking its item out, however long that may take, the block goes to a list of its own, *limbo*, through which everybody goes who
//! retires a block. So a stalled getter holds back the one block that it reads, and no other; at the latest, the block goes when
//! the queue does.
//!
//! (A block kept for reuse was tried: a putter that writes where another processor has just read is slower than one that
//! gets its memory from the allocator.)

use core::mem::MaybeUninit;
use core::ptr;

use crossbeam_utils::CachePadded;

use super::raw::{self, Claimant, Laps, NO_LIMIT, ONE, RawQueue, Side, is_before, position};
use super::store::{Clear, Store, drop_all};
use crate::primitives::BLOCK;
use crate::primitives::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use crate::primitives::cell::TrackedCell;
use crate::spin::{Backoff, Polling, Snooze};

const EMPTY: u8 = 0;
const FULL: u8 = 1;
const TAKEN: u8 = 2;

struct Slot<T> {
    item: TrackedCell<MaybeUninit<T>>,
    state: AtomicU8,
}

struct Block<T> {
    slots: [Slot<T>; BLOCK],
    /// Nothing, and no work. Under the model it stands for the block itself: loom sees that nobody reads it before it is there, nor when
    /// it is gone.
    life: TrackedCell<()>,
    /// The block after this one; null until the last slot is claimed by a put. In limbo and after: the next block there.
    next: AtomicPtr<Block<T>>,
}

impl<T> Block<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    fn new() -> Box<Block<T>> {
        let mut block = Box::<Block<T>>::new_uninit();
        let this = block.as_mut_ptr();
        // Field by field, so that the room for items is not touched.
        for index in 0..BLOCK {
            // SAFETY: in bounds of the block, which is ours.
            let slot = unsafe { &raw mut (*this).slots[index] };
            // SAFETY: as above; nothing is there yet that would have to be dropped.
            unsafe {
                (&raw mut (*slot).item).write(TrackedCell::new(MaybeUninit::uninit()));
                (&raw mut (*slot).state).write(AtomicU8::new(EMPTY));
            }
        }
        // SAFETY: as above.
        unsafe {
            (&raw mut (*this).life).write(TrackedCell::new(()));
            (&raw mut (*this).next).write(AtomicPtr::new(ptr::null_mut()));
        }
        // SAFETY: all fields are written.
        let block = unsafe { block.assume_init() };
        block.life.begin_mut().end();
        block
    }

    /// Whether all items have been taken out.
    fn is_drained(&self) -> bool {
        // Acquire: pairs with the Release in `try_get`; who took an item out no longer touches the block.
        self.slots.iter().all(|slot| slot.state.load(Ordering::Acquire) == TAKEN)
    }
}

struct GetEnd<T> {
    /// The block that the head is in.
    block: AtomicPtr<Block<T>>,
    /// A position that the tail has reached, so that not every get has to look at the tail, which putters move all the time.
    tail_seen: AtomicU64,
}

struct PutEnd<T> {
    /// The block that the tail is in.
    block: AtomicPtr<Block<T>>,
    /// A position that the head has reached, for a queue with a limit.
    head_seen: AtomicU64,
}

pub(super) struct List<T> {
    put_end: CachePadded<PutEnd<T>>,
    get_end: CachePadded<GetEnd<T>>,
    /// Retired blocks that somebody was still reading.
    limbo: AtomicPtr<Block<T>>,
}

// SAFETY: an item goes from one thread to another, never to two at once: whoever claimed a slot is alone in it.
unsafe impl<T: Send> Send for List<T> {}
// SAFETY: as above; there are no references to items in it.
unsafe impl<T: Send> Sync for List<T> {}

impl<T> List<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(raw: &RawQueue) -> List<T> {
        let first = Box::into_raw(Block::new());
        List {
            put_end: CachePadded::new(PutEnd {
                block: AtomicPtr::new(first),
                head_seen: AtomicU64::new(raw.start()),
            }),
            get_end: CachePadded::new(GetEnd {
                block: AtomicPtr::new(first),
                tail_seen: AtomicU64::new(raw.start()),
            }),
            limbo: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Gives back a block whose slots are all claimed by getters, and what is in limbo, as far as nobody reads it any more.
    ///
    /// # Safety
    ///
    /// The caller took the last slot of this block, and both ends have left it. Nobody retires it again.
    #[cold]
    unsafe fn retire(&self, block: *mut Block<T>) {
        // Acquire: pairs with the Release below; the links of those blocks, and that they were retired.
        let mut rest = self.limbo.swap(ptr::null_mut(), Ordering::Acquire);
        let mut block = block;
        loop {
            // SAFETY: retired, not freed yet, and out of limbo: only getters in the middle of a get may know it besides us.
            if unsafe { (*block).is_drained() } {
                // SAFETY: it came from a box, and with all slots TAKEN nobody else knows it (invariant 2).
                let block = unsafe { Box::from_raw(block) };
                block.life.begin_mut().end();
            } else {
                // SAFETY: as above.
                unsafe { self.push_to_limbo(block) };
            }
            if rest.is_null() {
                return;
            }
            block = rest;
            // Relaxed: the Acquire above has shown the link.
            // SAFETY: as above.
            rest = unsafe { (*block).next.load(Ordering::Relaxed) };
        }
    }

    /// # Safety
    ///
    /// The block is retired and in nobody else's hands, but for getters in the middle of a get.
    unsafe fn push_to_limbo(&self, block: *mut Block<T>) {
        // Relaxed: only a guess, the CAS below decides.
        let mut first = self.limbo.load(Ordering::Relaxed);
        loop {
            // Relaxed: the Release below shows it. (Getters in the middle of a get have followed their link before.)
            // SAFETY: the caller's promise.
            unsafe { (*block).next.store(first, Ordering::Relaxed) };
            // Release: pairs with the Acquire in `retire`. Relaxed on failure: it is the next guess.
            match self.limbo.compare_exchange_weak(first, block, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(actual) => first = actual,
            }
        }
    }
}

impl<T> Clear for List<T> {
    fn clear(&mut self, raw: &RawQueue) {
        drop_all(|| self.try_get(raw, Claimant::Waiter));
    }
}

/// A lap is a block, and one index more for "between blocks".
pub(super) const LAPS: Laps = Laps::new(BLOCK as u64, 1);

/// From "between blocks" to the first slot of the next one.
const GAP: u64 = LAPS.lap() - BLOCK as u64 * ONE;

impl<T> Store for List<T> {
    type Item = T;

    /// Seldom: a look is one at the word that putters move, and slows them down; and a getter that is as fast as the putters does better to
    /// let some items come together.
    fn polling(&self) -> Polling {
        Polling { looks: 4, pauses: 64, yields: Polling::YIELDS }
    }

    #[inline]
    fn try_put(&self, raw: &RawQueue, item: T, claimant: Claimant) -> Result<(), T> {
        let end = &*self.put_end;
        // Acquire: pairs with the Release of who put the tail on this block, so that the block is no older than the position.
        let mut tail = raw.tail.load(Ordering::Acquire);
        let mut new_block = None;
        let mut backoff = Backoff::new();
        let (block, index, wakes) = loop {
            let at = position(tail);
            let index = LAPS.index(at);
            if tail & claimant.barred_from_put() != 0 || index == BLOCK || self.is_full(raw, at) {
                return Err(item);
            }
            if index + 1 == BLOCK && new_block.is_none() {
                // Before the claim: from then on the others wait for us.
                new_block = Some(Block::new());
            }
            // Relaxed: the Acquire of the position has shown the block that goes with it.
            let block = end.block.load(Ordering::Relaxed);
            let (next, wakes) = raw::step(tail, at + ONE);
            // Release: pairs with the Acquire in `obstacle`; who finds the queue full by this tail knows of the gets before this put. (The
            // slot's state carries the item.) Acquire on failure: as the load at the top.
            match raw.tail.compare_exchange_weak(tail, next, Ordering::Release, Ordering::Acquire) {
                Ok(_) => break (block, index, wakes),
                Err(actual) => {
                    tail = actual;
                    backoff.lost();
                }
            }
        };
        // SAFETY: we have claimed a slot of this block, so it lives until the slot is TAKEN (invariant 2).
        let mut life = unsafe { (*block).life.begin_ref() };
        if index + 1 == BLOCK {
            let next = Box::into_raw(new_block.expect("made before the claim"));
            // Relaxed: the Release below shows it.
            end.block.store(next, Ordering::Relaxed);
            // Release: pairs with the Acquire at the top; the block of this position, and what is in it.
            raw.tail.fetch_add(GAP, Ordering::Release);
            // Release: pairs with the Acquire in `try_get`; the block is as new.
            // SAFETY: we have claimed a slot of this block, and not filled it yet (invariant 2).
            unsafe { (*block).next.store(next, Ordering::Release) };
        }
        // SAFETY: we have claimed this slot, so the block lives until the slot is TAKEN (invariant 2).
        let slot = unsafe { &(*block).slots[index] };
        let mut access = slot.item.begin_mut();
        // SAFETY: the slot is EMPTY and ours: we moved the tail past it.
        unsafe { slot.item.get().write(MaybeUninit::new(item)) };
        access.end();
        life.end();
        // Release: pairs with the Acquire in `try_get`. After this the block may be gone.
        slot.state.store(FULL, Ordering::Release);
        if wakes {
            raw.wake_one(Side::Get);
        }
        Ok(())
    }

    #[inline]
    fn try_get(&self, raw: &RawQueue, claimant: Claimant) -> Option<T> {
        let end = &*self.get_end;
        // Acquire: pairs with the Release of who put the head on this block, so that the block is no older than the position.
        let mut head = raw.head.load(Ordering::Acquire);
        let mut backoff = Backoff::new();
        let (block, index, wakes) = loop {
            let at = position(head);
            let index = LAPS.index(at);
            if head & claimant.barred_from_get() != 0 || index == BLOCK {
                return None;
            }
            // Relaxed: a position that the tail had, whoever stored it, and when. The tail is there or further.
            if !is_before(at, end.tail_seen.load(Ordering::Relaxed)) {
                // Relaxed: as above; the slot's state tells whether the item is there.
                let tail = position(raw.tail.load(Ordering::Relaxed));
                if !is_before(at, tail) {
                    return None;
                }
                // Relaxed: as above.
                end.tail_seen.store(tail, Ordering::Relaxed);
            }
            // Relaxed: the Acquire of the position has shown the block that goes with it.
            let block = end.block.load(Ordering::Relaxed);
            let (next, wakes) = raw::step(head, at + ONE);
            // Release: pairs with the Acquire in `obstacle`; who finds the queue empty by this head knows of the puts before this get.
            // Acquire on failure: as the load at the top.
            match raw.head.compare_exchange_weak(head, next, Ordering::Release, Ordering::Acquire) {
                Ok(_) => break (block, index, wakes),
                Err(actual) => {
                    head = actual;
                    backoff.lost();
                }
            }
        };
        // SAFETY: we have claimed a slot of this block, so it lives until the slot is TAKEN (invariant 2).
        let mut life = unsafe { (*block).life.begin_ref() };
        if index + 1 == BLOCK {
            let mut snooze = Snooze::new();
            let next = loop {
                // Acquire: pairs with the Release in `try_put`; the block is as new.
                // SAFETY: we have claimed a slot of this block (invariant 2).
                let next = unsafe { (*block).next.load(Ordering::Acquire) };
                if !next.is_null() {
                    break next;
                }
                snooze.snooze();
            };
            // Nothing, but for the model: others come to this block by our Release, so that we have to see it as new.
            // SAFETY: the head has not come to it yet, so none of its slots is TAKEN.
            unsafe { (*next).life.begin_ref() }.end();
            // Relaxed: the Release below shows it.
            end.block.store(next, Ordering::Relaxed);
            // Release: pairs with the Acquire at the top; the block of this position, and what is in it.
            raw.head.fetch_add(GAP, Ordering::Release);
        }
        // SAFETY: we have claimed this slot, so the block lives until it is TAKEN (invariant 2).
        let slot = unsafe { &(*block).slots[index] };
        let mut snooze = Snooze::new();
        // Acquire: pairs with the Release in `try_put`; the item is there.
        while slot.state.load(Ordering::Acquire) != FULL {
            snooze.snooze();
        }
        let mut access = slot.item.begin_mut();
        // SAFETY: the slot is FULL and ours: we moved the head past it.
        let item = unsafe { slot.item.get().read().assume_init() };
        access.end();
        life.end();
        // Release: pairs with the Acquire in `is_drained`. After this the block may be gone, unless it is for us to retire.
        slot.state.store(TAKEN, Ordering::Release);
        if index + 1 == BLOCK {
            // SAFETY: we took the last slot, and did so once. The tail has left the block before it was linked to the next, and the
            // head has been moved on by us.
            unsafe { self.retire(block) };
        }
        if wakes {
            raw.wake_one(Side::Put);
        }
        Some(item)
    }
}

impl<T> List<T> {
    /// Whether the limit keeps us from a put at this position. If the position is old, the answer may be "no", and the compare-and-swap
    /// fails.
    #[inline]
    fn is_full(&self, raw: &RawQueue, at: u64) -> bool {
        raw.limit != NO_LIMIT && self.is_full_slow(raw, at)
    }

    fn is_full_slow(&self, raw: &RawQueue, at: u64) -> bool {
        let head_seen = &self.put_end.head_seen;
        let is_full = |head| {
            let queued = LAPS.distance(head, at);
            queued >= 0 && queued as u64 >= raw.limit
        };
        // Relaxed: a position that the head had, whoever stored it, and when. The head is there or further.
        if !is_full(head_seen.load(Ordering::Relaxed)) {
            return false;
        }
        // Relaxed: as above.
        let head = position(raw.head.load(Ordering::Relaxed));
        // Relaxed: as above.
        head_seen.store(head, Ordering::Relaxed);
        is_full(head)
    }
}

impl<T> Drop for List<T> {
    /// Frees the blocks. The items have been taken out, all of them: so the two ends are in one block.
    fn drop(&mut self) {
        // Relaxed, all: nobody else is here.
        let last = self.get_end.block.load(Ordering::Relaxed);
        // SAFETY: it came from a box, and nobody else is here.
        drop(unsafe { Box::from_raw(last) });
        let mut block = self.limbo.load(Ordering::Relaxed);
        while !block.is_null() {
            // SAFETY: as above.
            let dead = unsafe { Box::from_raw(block) };
            block = dead.next.load(Ordering::Relaxed);
        }
    }
}
