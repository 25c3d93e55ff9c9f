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
//! 1. A thread reads the position of its end, or where it was after some step, then the block of that end, and follows the pointer only after it has moved that very
//!    position by compare-and-swap. Every change of the block comes between two moves of the position, so that the block it read is the one
//!    that its slot is in.
//! 2. A thread that has claimed a slot keeps its block alive until it has made the slot FULL, or TAKEN: a block is freed only when
//!    all its slots are TAKEN. (Who took the last slot to put links the block before that.)
//! 3. So no thread looks at a block that may be gone, and no epochs or hazard pointers are needed.
//!
//! # How memory is given back
//!
//! The getter that took the last slot of a block *retires* it. If all slots are TAKEN, that is the end of the block, and its room is left. If some getter is
//! still taking its item out, however long that may take, the block goes to a list of its own, *limbo*, through which everybody goes who
//! retires a block. So a stalled getter holds back the one block that it reads, and no other; at the latest, the block goes when
//! the queue does.
//!
//! Room for three blocks is kept: two that are spare and one that is ready. All else goes back to the allocator.
//!
//! # How a block comes to be
//!
//! Its room was read and written last by a getter, as a rule, and in that processor's cache are its lines. To wait for them would cost more than all else
//! that a put does. So each put asks for the lines of a slot in the room that is *ready*, and doesn't wait. When the last slot of this block is claimed, they have come,
//! and the next block is made in them.
//!
//! ```text
//! claims the last slot      the next block is made in the room that is ready (if there is none: in a spare one, or from the allocator)
//!                           puts the tail on it, links it, fills the slot
//!                           a spare room, or one from the allocator, is ready from now on: nobody waits for that
//! ```
//!
//! # Where the ends are
//!
//! To read a position right after it was moved is to wait for the end of that step, and the next step waits for the read. So an attempt at once does not read it: it begins where, by a
//! word beside the block's, the end was after the last step; and if that is not so, its compare-and-swap fails. In place of two waits for each put in a row there is one.
//!
//! Who moves an end writes that word after its step, and after it has changed the block; so whoever reads a position there sees the block that goes with it.
//!
//! # Keeping a distance
//!
//! Where a getter is always in the block in which the putter is, each takes the cache lines from the other. So where to gather is
//! [worth while](crate::primitives::advice::Luck::gathers), a getter that has to look at the tail, and finds a few items only, takes none of them at once: it goes to wait,
//! where it stays away for a moment. (One that may not block takes an item there and then.)

use core::array;
use core::mem::{ManuallyDrop, MaybeUninit, offset_of};
use core::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use super::raw::{self, Claimant, Laps, NO_LIMIT, ONE, RawQueue, Side, is_before, position};
use super::store::{Clear, Retry, drop_all};
use crate::primitives::BLOCK;
use crate::primitives::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use crate::primitives::cell::{TrackedCell, prefetch_for_write};
use crate::primitives::thread;
use crate::spin::{Backoff, Polling, Snooze};

/// Room for so many blocks is spare at most.
const SPARES: usize = 2;

/// Where to gather is worth while, a getter that finds less waits for more.
const FEW: i64 = 16;

/// After a lost race, so many pauses: about three microseconds.
const LOST: u32 = 256;

const EMPTY: u8 = 0;
const FULL: u8 = 1;
const TAKEN: u8 = 2;

struct Slot<T> {
    item: TrackedCell<MaybeUninit<T>>,
    state: AtomicU8,
}

impl<T> Slot<T> {
    #[inline(always)]
    fn is_full(&self) -> bool {
        // Acquire: pairs with the Release in `fill`; the item is there.
        self.state.load(Ordering::Acquire) == FULL
    }

    #[cold]
    #[inline(never)]
    fn wait_until_full(&self) {
        let mut snooze = Snooze::new();
        while !self.is_full() {
            snooze.snooze();
        }
    }
}

struct Block<T> {
    slots: [Slot<T>; BLOCK],
    /// Nothing, and no work. Under the model it stands for the block and its room: loom sees that nobody reads the block before it is there,
    /// nor when it is gone, and that one block is in that room at a time.
    life: TrackedCell<()>,
    /// The block after this one; null until the last slot is claimed by a put. In limbo and after: the next block there.
    next: AtomicPtr<Block<T>>,
}

/// Room for a block, in which nothing is but a `life`. It goes back to the allocator when it is dropped.
struct Room<T>(NonNull<Block<T>>);

impl<T> Room<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    fn new() -> Room<T> {
        let room = Box::leak(Box::<Block<T>>::new_uninit());
        // SAFETY: in bounds of what we have just got.
        unsafe { (&raw mut (*room.as_mut_ptr()).life).write(TrackedCell::new(())) };
        Room(NonNull::from(room).cast())
    }

    /// Makes a block in it.
    #[cfg_attr(feature = "loom", track_caller)]
    fn into_block(self) -> *mut Block<T> {
        let block = self.into_raw();
        // SAFETY: there is a `life` in each room.
        unsafe { (*block).life.begin_mut() }.end();
        // Field by field, so that the room for items is not touched.
        for index in 0..BLOCK {
            // SAFETY: in bounds of the room, which is ours.
            let slot = unsafe { &raw mut (*block).slots[index] };
            // SAFETY: as above; nothing is there that would have to be dropped.
            unsafe {
                (&raw mut (*slot).item).write(TrackedCell::new(MaybeUninit::uninit()));
                (&raw mut (*slot).state).write(AtomicU8::new(EMPTY));
            }
        }
        // SAFETY: as above.
        unsafe { (&raw mut (*block).next).write(AtomicPtr::new(ptr::null_mut())) };
        block
    }

    /// The end of a block: its room is left.
    ///
    /// # Safety
    ///
    /// It came from `into_block`; it is drained, and nobody else knows it.
    unsafe fn of(block: *mut Block<T>) -> Room<T> {
        // SAFETY: the caller's promise.
        unsafe { (*block).life.begin_mut() }.end();
        // SAFETY: as above; nobody reads these again. (In the real world this is nothing: the items are out.)
        unsafe {
            (&raw mut (*block).slots).drop_in_place();
            (&raw mut (*block).next).drop_in_place();
        }
        // SAFETY: no block is at address 0.
        Room(unsafe { NonNull::new_unchecked(block) })
    }

    fn into_raw(self) -> *mut Block<T> {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// # Safety
    ///
    /// It is null, or it came from `into_raw` and is the caller's alone.
    unsafe fn from_raw(room: *mut Block<T>) -> Option<Room<T>> {
        NonNull::new(room).map(Room)
    }
}

impl<T> Drop for Room<T> {
    fn drop(&mut self) {
        // SAFETY: there is a `life` in each room, and this one is ours. (In the real world this is nothing.)
        unsafe { (&raw mut (*self.0.as_ptr()).life).drop_in_place() };
        // SAFETY: it came from such a box.
        drop(unsafe { Box::from_raw(self.0.as_ptr().cast::<MaybeUninit<Block<T>>>()) });
    }
}

impl<T> Block<T> {
    /// Whether all items have been taken out.
    fn is_drained(&self) -> bool {
        // Acquire: pairs with the Release in `take`; who took an item out no longer touches the block.
        self.slots.iter().all(|slot| slot.state.load(Ordering::Acquire) == TAKEN)
    }
}

struct GetEnd<T> {
    /// The block that the head is in.
    block: AtomicPtr<Block<T>>,
    /// A position that the tail has reached, so that not every get has to look at the tail, which putters move all the time.
    tail_seen: AtomicU64,
    /// A position that the head has reached, mostly the last: where an attempt at once begins.
    reached: AtomicU64,
}

struct PutEnd<T> {
    /// The block that the tail is in.
    block: AtomicPtr<Block<T>>,
    /// A position that the head has reached, for a queue with a limit.
    head_seen: AtomicU64,
    /// Room for the next block, or null. Who takes it out owns it; all others may know its address.
    ready: AtomicPtr<Block<T>>,
    /// A position that the tail has reached, mostly the last: where an attempt at once begins, and what most getters look at. See "Where the ends are".
    reached: AtomicU64,
}

pub(super) struct List<T> {
    put_end: CachePadded<PutEnd<T>>,
    get_end: CachePadded<GetEnd<T>>,
    /// Retired blocks that somebody was still reading.
    limbo: AtomicPtr<Block<T>>,
    /// Room for later blocks, or null. Who takes one out owns it.
    spares: CachePadded<[AtomicPtr<Block<T>>; SPARES]>,
}

// SAFETY: an item goes from one thread to another, never to two at once: whoever claimed a slot is alone in it.
unsafe impl<T: Send> Send for List<T> {}
// SAFETY: as above; there are no references to items in it.
unsafe impl<T: Send> Sync for List<T> {}

impl<T> List<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(raw: &RawQueue) -> List<T> {
        let first = Room::new().into_block();
        List {
            put_end: CachePadded::new(PutEnd {
                block: AtomicPtr::new(first),
                head_seen: AtomicU64::new(raw.start()),
                ready: AtomicPtr::new(ptr::null_mut()),
                reached: AtomicU64::new(raw.start()),
            }),
            get_end: CachePadded::new(GetEnd {
                block: AtomicPtr::new(first),
                tail_seen: AtomicU64::new(raw.start()),
                reached: AtomicU64::new(raw.start()),
            }),
            limbo: AtomicPtr::new(ptr::null_mut()),
            spares: CachePadded::new(array::from_fn(|_| AtomicPtr::new(ptr::null_mut()))),
        }
    }

    /// Room for a block: that which is left from another, or new.
    fn room(&self) -> Room<T> {
        // Acquire: pairs with the Release in `keep`; the end of the block that was there.
        let mut spares = (0..SPARES).map(|n| self.spares[n].swap(ptr::null_mut(), Ordering::Acquire));
        // SAFETY: it was put there by `keep`, and we alone have taken it.
        spares.find_map(|room| unsafe { Room::from_raw(room) }).unwrap_or_else(Room::new)
    }

    /// Keeps room for later blocks, or gives it back to the allocator if there is enough.
    fn keep(&self, room: Room<T>) {
        let raw = room.into_raw();
        for n in 0..SPARES {
            // Release: pairs with the Acquire in `room`. Relaxed on failure: there is one already.
            let kept =
                self.spares[n].compare_exchange(ptr::null_mut(), raw, Ordering::Release, Ordering::Relaxed);
            if kept.is_ok() {
                return;
            }
        }
        // SAFETY: it is that from above, and nobody else has seen it.
        drop(unsafe { Room::from_raw(raw) });
    }

    /// A block in the room that is ready, for whoever has claimed the last slot of the one before.
    fn next_block(&self) -> *mut Block<T> {
        // Acquire: pairs with the Release in `make_ready`; the end of the block that was there.
        let ready = self.put_end.ready.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: it was put there by `make_ready`, and we alone have taken it.
        unsafe { Room::from_raw(ready) }.unwrap_or_else(|| self.room()).into_block()
    }

    /// Sees to it that room for the block after the next one is ready.
    fn make_ready(&self) {
        let room = self.room().into_raw();
        // Release: pairs with the Acquire in `next_block`. Relaxed on failure: somebody else has seen to it.
        let made =
            self.put_end.ready.compare_exchange(ptr::null_mut(), room, Ordering::Release, Ordering::Relaxed);
        if made.is_err() {
            // SAFETY: it is that from above, and nobody else has seen it.
            unsafe { Room::from_raw(room) }.into_iter().for_each(|room| self.keep(room));
        }
    }

    /// Asks for the cache lines of the slot with this index in the block that will be made next.
    #[inline]
    fn prefetch(&self, index: usize) {
        const LINE: usize = 64;
        let size = size_of::<Slot<T>>();
        // Of small slots, only for the first in a line.
        if size < LINE && !index.is_multiple_of(LINE / size) {
            return;
        }
        let slot = offset_of!(Block<T>, slots) + index * size;
        // Relaxed: an address, which nobody follows. (Null if no room is ready: then there is nothing to be asked for, and no harm in it.)
        let line = |byte| self.put_end.ready.load(Ordering::Relaxed).cast::<u8>().wrapping_add(slot + byte);
        prefetch_for_write(|| line(0));
        if size > LINE {
            prefetch_for_write(|| line(LINE));
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
                // SAFETY: with all slots TAKEN nobody else knows it (invariant 2).
                self.keep(unsafe { Room::of(block) });
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
        drop_all(|| self.get(raw, Claimant::Waiter));
    }
}

/// A lap is a block, and one index more for "between blocks".
pub(super) const LAPS: Laps = Laps::new(BLOCK as u64, 1);

/// From "between blocks" to the first slot of the next one.
const GAP: u64 = LAPS.lap() - BLOCK as u64 * ONE;

impl<T> List<T> {
    /// Seldom: a look is one at the word that putters move, and slows them down; and a getter that is as fast as the putters does better to
    /// let some items come together.
    pub(super) fn polling(&self) -> Polling {
        Polling { looks: 4, pauses: 64, yields: Polling::YIELDS, gathers: 64 }
    }

    /// An attempt at a put [at once](super::store::Store::put_at_once): where nobody has to be woken or was faster, before the last slot of a block, and without a limit. It has no
    /// loop, and calls nothing.
    #[inline(always)]
    pub(super) fn put_at_once(&self, raw: &RawQueue, item: T) -> Result<(), (T, Retry)> {
        // (Under the model only. A block has two slots there: each second put would begin twice.)
        if !thread::takes_shortcuts() {
            return self.put(raw, item, Claimant::Newcomer).map_err(|item| (item, None));
        }
        let end = &*self.put_end;
        // Acquire: pairs with the Release in `claimed_put`, so that the block is no older than the position.
        let at = end.reached.load(Ordering::Acquire);
        let index = LAPS.index(at);
        if index + 1 >= BLOCK || raw.limit != NO_LIMIT {
            return Err((item, Some(Claimant::Newcomer)));
        }
        // Relaxed: the Acquire of the position has shown the block that goes with it.
        let block = end.block.load(Ordering::Relaxed);
        // Release: who counts what is queued by this tail knows of the gets before this put. (The slot's state carries the item.) Relaxed on failure: whoever is to make the next attempt looks for
        // himself.
        if let Err(tail) = raw.tail.compare_exchange_weak(at, at + ONE, Ordering::Release, Ordering::Relaxed)
        {
            return Err((item, Some(Claimant::who_found(tail, at))));
        }
        self.claimed_put(at + ONE);
        // SAFETY: we have claimed this slot, and just now.
        unsafe { self.fill(block, index, item) };
        Ok(())
    }

    /// A put, or the item back: see [`try_put`](super::store::Store::try_put).
    #[inline(always)]
    pub(super) fn put(&self, raw: &RawQueue, item: T, claimant: Claimant) -> Result<(), T> {
        let end = &*self.put_end;
        // Acquire: pairs with the Release of who put the tail on this block, so that the block is no older than the position.
        let look = || raw.tail.load(Ordering::Acquire);
        let mut backoff = Backoff::new(LOST);
        if claimant == Claimant::Outrun {
            backoff.lost();
        }
        let mut tail = look();
        let (block, index, next, wakes) = loop {
            let at = position(tail);
            let index = LAPS.index(at);
            if tail & claimant.barred_from_put() != 0 || index == BLOCK || self.is_full(raw, at) {
                return Err(item);
            }
            // Relaxed: the Acquire of the position has shown the block that goes with it.
            let block = end.block.load(Ordering::Relaxed);
            let (next, wakes) = raw::step(tail, ONE);
            // Release: pairs with the Acquire in `obstacle`; who finds the queue full by this tail knows of the gets before this put. (The
            // slot's state carries the item.) Relaxed on failure: we look again.
            match raw.tail.compare_exchange_weak(tail, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break (block, index, position(next), wakes),
                Err(_) => {
                    backoff.lost();
                    tail = look();
                }
            }
        };
        let is_last = index + 1 == BLOCK;
        if is_last {
            let new = self.next_block();
            // Relaxed: the Releases below show it.
            end.block.store(new, Ordering::Relaxed);
            // Release: pairs with the Acquire at the top; the block of this position, and what is in it.
            raw.tail.fetch_add(GAP, Ordering::Release);
            self.claimed_put(next.wrapping_add(GAP));
            // Release: pairs with the Acquire in `get`; the block is as new.
            // SAFETY: we have claimed a slot of this block, and not filled it yet (invariant 2).
            unsafe { (*block).next.store(new, Ordering::Release) };
        } else {
            self.claimed_put(next);
        }
        // SAFETY: we have claimed this slot, and just now.
        unsafe { self.fill(block, index, item) };
        if wakes {
            raw.wake_one(Side::Get);
        }
        if is_last {
            // Now that nobody waits for us.
            self.make_ready();
        }
        Ok(())
    }

    /// The tail has come to this position by our step.
    #[inline(always)]
    fn claimed_put(&self, position: u64) {
        if thread::takes_shortcuts() {
            // Release: pairs with the Acquire in `put_at_once`; the block of this position, and what is in it. (If another putter has come further, this is older
            // than the tail: then the next attempt at once fails.)
            self.put_end.reached.store(position, Ordering::Release);
        }
    }

    /// Puts an item into its slot.
    ///
    /// # Safety
    ///
    /// The caller has claimed this slot of this block.
    #[inline(always)]
    unsafe fn fill(&self, block: *mut Block<T>, index: usize, item: T) {
        // SAFETY: the caller has claimed this slot, so the block lives until the slot is TAKEN (invariant 2).
        let (mut life, slot) = unsafe { ((*block).life.begin_ref(), &(*block).slots[index]) };
        let mut access = slot.item.begin_mut();
        // SAFETY: the slot is EMPTY and ours: the tail was moved past it by us.
        unsafe { slot.item.get().write(MaybeUninit::new(item)) };
        access.end();
        life.end();
        // Release: pairs with the Acquire in `is_full`. After this the block may be gone.
        slot.state.store(FULL, Ordering::Release);
        self.prefetch(index);
    }

    /// An attempt at a get at once, as for [`put_at_once`](List::put_at_once); it also gives up where it would have to look at the tail itself.
    #[inline(always)]
    pub(super) fn get_at_once(&self, raw: &RawQueue) -> Result<T, Retry> {
        // (As in `put_at_once`.)
        if !thread::takes_shortcuts() {
            return self.get(raw, Claimant::Newcomer).ok_or(None);
        }
        let end = &*self.get_end;
        // Acquire: pairs with the Release in `claimed_get`, so that the block is no older than the position.
        let at = end.reached.load(Ordering::Acquire);
        let index = LAPS.index(at);
        if index + 1 >= BLOCK {
            return Err(Some(Claimant::Newcomer));
        }
        // Relaxed: a position that the tail had, whoever stored it, and when. The tail is there or further.
        if !is_before(at, end.tail_seen.load(Ordering::Relaxed)) {
            // Relaxed: as above.
            let tail = self.put_end.reached.load(Ordering::Relaxed);
            if !is_before(at, tail) || raw.gathers(Side::Get) {
                return Err(Some(Claimant::Newcomer));
            }
            // Relaxed: as above.
            end.tail_seen.store(tail, Ordering::Relaxed);
        }
        // Relaxed: the Acquire of the position has shown the block that goes with it.
        let block = end.block.load(Ordering::Relaxed);
        // Release: as in `get`. Relaxed on failure: whoever is to make the next attempt looks for himself.
        if let Err(head) = raw.head.compare_exchange_weak(at, at + ONE, Ordering::Release, Ordering::Relaxed)
        {
            return Err(Some(Claimant::who_found(head, at)));
        }
        self.claimed_get(at + ONE);
        // SAFETY: we have claimed this slot, and just now.
        Ok(unsafe { self.take(block, index) })
    }

    /// A get: see [`try_get`](super::store::Store::try_get).
    #[inline(always)]
    pub(super) fn get(&self, raw: &RawQueue, claimant: Claimant) -> Option<T> {
        let end = &*self.get_end;
        // Acquire: pairs with the Release of who put the head on this block, so that the block is no older than the position.
        let look = || raw.head.load(Ordering::Acquire);
        let mut backoff = Backoff::new(LOST);
        if claimant == Claimant::Outrun {
            backoff.lost();
        }
        let mut head = look();
        let (block, index, next, wakes) = loop {
            let at = position(head);
            let index = LAPS.index(at);
            if head & claimant.barred_from_get() != 0 || index == BLOCK {
                return None;
            }
            // Relaxed: a position that the tail had, whoever stored it, and when. The tail is there or further.
            if !is_before(at, end.tail_seen.load(Ordering::Relaxed)) {
                // Relaxed: as above.
                let reached = thread::takes_shortcuts().then(|| self.put_end.reached.load(Ordering::Relaxed));
                let tail = reached.filter(|reached| is_before(at, *reached)).unwrap_or_else(|| {
                    // Relaxed: as above; the slot's state tells whether the item is there.
                    position(raw.tail.load(Ordering::Relaxed))
                });
                if !is_before(at, tail) {
                    return None;
                }
                let gathers = claimant != Claimant::Waiter && raw.gathers(Side::Get);
                if gathers && LAPS.distance(at, tail) < FEW {
                    // Not at once: see "Keeping a distance".
                    return None;
                }
                // Relaxed: as above.
                end.tail_seen.store(tail, Ordering::Relaxed);
            }
            // Relaxed: the Acquire of the position has shown the block that goes with it.
            let block = end.block.load(Ordering::Relaxed);
            let (next, wakes) = raw::step(head, ONE);
            // Release: pairs with the Acquire in `obstacle`; who finds the queue empty by this head knows of the puts before this get.
            // Relaxed on failure: we look again.
            match raw.head.compare_exchange_weak(head, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break (block, index, position(next), wakes),
                Err(_) => {
                    backoff.lost();
                    head = look();
                }
            }
        };
        let is_last = index + 1 == BLOCK;
        if is_last {
            let mut snooze = Snooze::new();
            let new = loop {
                // Acquire: pairs with the Release in `put`; the block is as new.
                // SAFETY: we have claimed a slot of this block (invariant 2).
                let new = unsafe { (*block).next.load(Ordering::Acquire) };
                if !new.is_null() {
                    break new;
                }
                snooze.snooze();
            };
            // Nothing, but for the model: others come to this block by our Release, so that we have to see it as new.
            // SAFETY: the head has not come to it yet, so none of its slots is TAKEN.
            unsafe { (*new).life.begin_ref() }.end();
            // Relaxed: the Releases below show it.
            end.block.store(new, Ordering::Relaxed);
            // Release: pairs with the Acquire at the top; the block of this position, and what is in it.
            raw.head.fetch_add(GAP, Ordering::Release);
            self.claimed_get(next.wrapping_add(GAP));
        } else {
            self.claimed_get(next);
        }
        // SAFETY: we have claimed this slot, and just now.
        let item = unsafe { self.take(block, index) };
        if is_last {
            // SAFETY: we took the last slot, and did so once. The tail has left the block before it was linked to the next, and the
            // head has been moved on by us.
            unsafe { self.retire(block) };
        }
        if wakes {
            raw.wake_one(Side::Put);
        }
        Some(item)
    }

    /// The head has come to this position by our step.
    #[inline(always)]
    fn claimed_get(&self, position: u64) {
        if thread::takes_shortcuts() {
            // Release: pairs with the Acquire in `get_at_once`; as in `claimed_put`.
            self.get_end.reached.store(position, Ordering::Release);
        }
    }

    /// Takes the item out of its slot; waits for it, if its putter is still at it.
    ///
    /// # Safety
    ///
    /// The caller has claimed this slot of this block, and has not taken the item yet.
    #[inline(always)]
    unsafe fn take(&self, block: *mut Block<T>, index: usize) -> T {
        // SAFETY: the caller has claimed this slot, so the block lives until it is TAKEN (invariant 2).
        let (mut life, slot) = unsafe { ((*block).life.begin_ref(), &(*block).slots[index]) };
        if !slot.is_full() {
            slot.wait_until_full();
        }
        let mut access = slot.item.begin_mut();
        // SAFETY: the slot is FULL and ours: the head was moved past it by us.
        let item = unsafe { slot.item.get().read().assume_init() };
        access.end();
        life.end();
        // Release: pairs with the Acquire in `is_drained`. After this the block may be gone, unless it is for us to retire.
        slot.state.store(TAKEN, Ordering::Release);
        item
    }

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
        // SAFETY: it is drained, and nobody else is here.
        drop(unsafe { Room::of(last) });
        let mut block = self.limbo.load(Ordering::Relaxed);
        while !block.is_null() {
            // SAFETY: as above.
            let next = unsafe { (*block).next.load(Ordering::Relaxed) };
            // SAFETY: as above.
            drop(unsafe { Room::of(block) });
            block = next;
        }
        for room in self.spares.iter().chain([&self.put_end.ready]) {
            // SAFETY: it was put there by `into_raw`, and nobody else is here.
            drop(unsafe { Room::from_raw(room.load(Ordering::Relaxed)) });
        }
    }
}
