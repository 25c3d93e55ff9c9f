//! The bounded FIFO: a ring of slots, each with a sequence number of its own.
//!
//! The design is Dmitry Vyukov's bounded MPMC queue (1024cores.net, 2011), with the positions of `crossbeam-queue`'s `ArrayQueue`
//! (an index and the number of a lap), so that any capacity will do, 1 included.
//!
//! # A slot's stamp
//!
//! With `p` the position of a step at this slot and `lap` the way to its next:
//!
//! ```text
//! p          free: for the put at p
//! p + ONE    full: for the get at p
//! p + lap    free: for the put at p + lap
//! ```
//!
//! A thread reads the position of its end and the stamp there; if the stamp says that the slot is ready for it, it claims the slot by
//! moving the position. From then on the slot is its own, until it writes the next stamp. So the two ends touch each other's word only
//! when the ring looks full, or empty.

use core::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use super::lobby::Lobby;
use super::raw::{self, Claimant, Laps, ONE, RawQueue, Side, is_before, is_closed, position};
use super::store::{Clear, Retry, drop_all};
use crate::primitives::atomic::{AtomicU64, Ordering};
use crate::primitives::cell::TrackedCell;
use crate::primitives::{FAR, thread};
use crate::spin::{Backoff, Polling};

/// After a lost race, so many pauses: about two microseconds.
const LOST: u32 = 160;

/// With so many slots, those who wait may gather (see [`Luck`](crate::primitives::advice::Luck)) ...
const MANY: usize = 16;

/// ... for so many pauses, or as many as there are slots, or with [`FAR`] slots or more, half as many: in that time those at the other end don't come to the end of the ring.
const GATHERS: usize = 64;

/// Where the ends were after the last steps: there an attempt at once begins. See "Where the ends are" in list.rs. It is but a guess, and never further than the end has
/// come: the stamp tells, and the compare-and-swap decides.
struct Reached {
    put: CachePadded<AtomicU64>,
    get: CachePadded<AtomicU64>,
}

struct Slot<T> {
    stamp: AtomicU64,
    item: TrackedCell<MaybeUninit<T>>,
}

impl<T> Slot<T> {
    /// Puts an item in.
    ///
    /// # Safety
    ///
    /// The slot was free, and the caller has moved the tail past this position, which is that of the slot.
    #[inline(always)]
    unsafe fn fill(&self, item: T, at: u64) {
        let mut access = self.item.begin_mut();
        // SAFETY: the slot is the caller's until the next stamp.
        unsafe { self.item.get().write(MaybeUninit::new(item)) };
        access.end();
        // Release: pairs with the Acquires in `attempt_get` and `get_at_once`.
        self.stamp.store(at + ONE, Ordering::Release);
    }

    /// Takes the item out.
    ///
    /// # Safety
    ///
    /// The slot was full, and the caller has moved the head past this position, which is that of the slot.
    #[inline(always)]
    unsafe fn take(&self, at: u64, laps: Laps) -> T {
        let mut access = self.item.begin_mut();
        // SAFETY: the item is the caller's.
        let item = unsafe { self.item.get().read().assume_init() };
        access.end();
        // Release: pairs with the Acquires in `attempt_put` and `put_at_once`.
        self.stamp.store(at.wrapping_add(laps.lap()), Ordering::Release);
        item
    }
}

pub(super) struct Ring<T> {
    slots: Box<[Slot<T>]>,
    /// In a box, since it is larger than all the rest.
    lobby: Box<Lobby<T>>,
    /// With [`FAR`] slots or more. With fewer, a processor that need not wait for its own last step reads stamps that the other end is about to write.
    reached: Option<Box<Reached>>,
}

// SAFETY: an item goes from one thread to another, never to two at once: whoever claimed a slot is alone in it, and whoever took a seat out of the lobby, with that.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above; there are no references to items in it.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// A ring with as many slots as there are steps in a lap of `raw`, which is at the beginning of one.
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(raw: &RawQueue, capacity: usize) -> Ring<T> {
        let start = raw.start();
        let slot = |index: u64| Slot {
            stamp: AtomicU64::new(start + index * ONE),
            item: TrackedCell::new(MaybeUninit::uninit()),
        };
        let reached = || Reached {
            put: CachePadded::new(AtomicU64::new(start)),
            get: CachePadded::new(AtomicU64::new(start)),
        };
        let is_far = thread::takes_shortcuts() && capacity >= FAR;
        Ring {
            slots: (0..capacity as u64).map(slot).collect(),
            lobby: Box::new(Lobby::new()),
            reached: is_far.then(reached).map(Box::new),
        }
    }

    #[inline]
    fn slot(&self, laps: Laps, at: u64) -> &Slot<T> {
        let index = laps.index(at);
        debug_assert!(index < self.slots.len());
        // SAFETY: `stride` keeps the index of a position below the span of a lap, which is the number of slots.
        unsafe { self.slots.get_unchecked(index) }
    }

    /// An attempt at a put [at once](super::store::Store::put_at_once): where nobody has to be woken or was faster. It has no loop, and calls nothing.
    #[inline(always)]
    pub(super) fn put_at_once(&self, raw: &RawQueue, item: T) -> Result<(), (T, Retry)> {
        let Some(reached) = &self.reached else {
            return self.attempt_put::<true>(raw, item, Claimant::Newcomer);
        };
        // Once: after the Acquire below the compiler would read it from memory again.
        let laps = raw.laps;
        // Relaxed: only a guess; the stamp tells, and the CAS below decides.
        let at = reached.put.load(Ordering::Relaxed);
        let slot = self.slot(laps, at);
        // Acquire: pairs with the Release in `take`; who had the slot before us has taken its item out.
        let stamp = slot.stamp.load(Ordering::Acquire);
        if stamp != at {
            // If it has not been emptied since the lap before, the tail is here. Else our guess is old.
            return Err((item, (!is_before(stamp, at)).then_some(Claimant::Newcomer)));
        }
        let next = at.wrapping_add(laps.stride(at));
        // Release: as in `attempt_put`. Relaxed on failure: whoever is to make the next attempt looks for himself.
        if let Err(tail) = raw.tail.compare_exchange_weak(at, next, Ordering::Release, Ordering::Relaxed) {
            return Err((item, Some(Claimant::who_found(tail, at))));
        }
        // Relaxed: a guess for others.
        reached.put.store(next, Ordering::Relaxed);
        // SAFETY: the slot was free, and we moved the tail past it.
        unsafe { slot.fill(item, at) };
        Ok(())
    }

    /// A put, or the item back: see [`try_put`](super::store::Store::try_put).
    #[inline(always)]
    pub(super) fn put(&self, raw: &RawQueue, item: T, claimant: Claimant) -> Result<(), T> {
        self.attempt_put::<false>(raw, item, claimant).map_err(|(item, _)| item)
    }

    /// A whole attempt; or if `SHORT`, for a ring that keeps no guess, one at once, which reads the tail, and gives up where somebody has to be woken or was faster.
    #[inline(always)]
    fn attempt_put<const SHORT: bool>(
        &self,
        raw: &RawQueue,
        item: T,
        claimant: Claimant,
    ) -> Result<(), (T, Retry)> {
        let mut backoff = Backoff::new(LOST);
        if claimant == Claimant::Outrun {
            backoff.lost();
        }
        // Once: after the Acquire below the compiler would read it from memory again.
        let laps = raw.laps;
        // Relaxed: only a guess; the stamp tells, and the CAS below decides.
        let mut tail = raw.tail.load(Ordering::Relaxed);
        loop {
            if SHORT && raw::wakes(tail) {
                return Err((item, Some(Claimant::Newcomer)));
            }
            if tail & claimant.barred_from_put() != 0 {
                return Err((item, None));
            }
            let at = position(tail);
            let slot = self.slot(laps, at);
            // Acquire: pairs with the Release in `take`; who had the slot before us has taken its item out.
            let stamp = slot.stamp.load(Ordering::Acquire);
            if stamp == at {
                let (next, wakes) = raw::step(tail, laps.stride(at));
                // Release: pairs with the Acquire in `obstacle`; who finds the queue full by this tail knows of the gets before this put.
                // (The stamp carries the item.) Relaxed on failure: it is the next guess.
                match raw.tail.compare_exchange_weak(tail, next, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => {
                        if !SHORT && let Some(reached) = &self.reached {
                            // Relaxed: a guess for others.
                            reached.put.store(position(next), Ordering::Relaxed);
                        }
                        // SAFETY: the slot was free, and we moved the tail past it.
                        unsafe { slot.fill(item, at) };
                        if wakes {
                            raw.wake_one(Side::Get);
                        }
                        return Ok(());
                    }
                    Err(_) if SHORT => return Err((item, Some(Claimant::Outrun))),
                    Err(actual) => {
                        tail = actual;
                        // (If that has taken a while, the stamp will say that our `tail` is old.)
                        backoff.lost();
                    }
                }
            } else if is_before(stamp, at) {
                // It has not been emptied since the lap before.
                return Err((item, None));
            } else if SHORT {
                return Err((item, Some(Claimant::Newcomer)));
            } else {
                // Our `tail` is old. Relaxed: as above.
                tail = raw.tail.load(Ordering::Relaxed);
            }
        }
    }

    /// An attempt at a get at once, as for [`put_at_once`](Ring::put_at_once).
    #[inline(always)]
    pub(super) fn get_at_once(&self, raw: &RawQueue) -> Result<T, Retry> {
        let Some(reached) = &self.reached else {
            return self.attempt_get::<true>(raw, Claimant::Newcomer);
        };
        // Once: after the Acquire below the compiler would read it from memory again.
        let laps = raw.laps;
        // Relaxed: only a guess; the stamp tells, and the CAS below decides.
        let at = reached.get.load(Ordering::Relaxed);
        let slot = self.slot(laps, at);
        // Acquire: pairs with the Release in `fill`; the item is there.
        let stamp = slot.stamp.load(Ordering::Acquire);
        if stamp != at + ONE {
            // If it has not been filled in this lap, the head is here. Else our guess is old.
            return Err((!is_before(stamp, at + ONE)).then_some(Claimant::Newcomer));
        }
        let next = at.wrapping_add(laps.stride(at));
        // Release: as in `attempt_get`. Relaxed on failure: whoever is to make the next attempt looks for himself.
        if let Err(head) = raw.head.compare_exchange_weak(at, next, Ordering::Release, Ordering::Relaxed) {
            return Err(Some(Claimant::who_found(head, at)));
        }
        // Relaxed: a guess for others.
        reached.get.store(next, Ordering::Relaxed);
        // SAFETY: the slot was full, and we moved the head past it.
        Ok(unsafe { slot.take(at, laps) })
    }

    /// A get: see [`try_get`](super::store::Store::try_get).
    #[inline(always)]
    pub(super) fn get(&self, raw: &RawQueue, claimant: Claimant) -> Option<T> {
        self.attempt_get::<false>(raw, claimant).ok()
    }

    /// As [`attempt_put`](Ring::attempt_put).
    #[inline(always)]
    fn attempt_get<const SHORT: bool>(&self, raw: &RawQueue, claimant: Claimant) -> Result<T, Retry> {
        let mut backoff = Backoff::new(LOST);
        if claimant == Claimant::Outrun {
            backoff.lost();
        }
        // Once: after the Acquire below the compiler would read it from memory again.
        let laps = raw.laps;
        // Relaxed: only a guess; the stamp tells, and the CAS below decides.
        let mut head = raw.head.load(Ordering::Relaxed);
        loop {
            if SHORT && raw::wakes(head) {
                return Err(Some(Claimant::Newcomer));
            }
            if head & claimant.barred_from_get() != 0 {
                return Err(None);
            }
            let at = position(head);
            let slot = self.slot(laps, at);
            // Acquire: pairs with the Release in `fill`; the item is there.
            let stamp = slot.stamp.load(Ordering::Acquire);
            if stamp == at + ONE {
                let (next, wakes) = raw::step(head, laps.stride(at));
                // Release: pairs with the Acquire in `obstacle`; who finds the queue empty by this head knows of the puts before this get.
                // (The stamp frees the slot.) Relaxed on failure: it is the next guess.
                match raw.head.compare_exchange_weak(head, next, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => {
                        if !SHORT && let Some(reached) = &self.reached {
                            // Relaxed: a guess for others.
                            reached.get.store(position(next), Ordering::Relaxed);
                        }
                        // SAFETY: the slot was full, and we moved the head past it.
                        let item = unsafe { slot.take(at, laps) };
                        if wakes {
                            raw.wake_one(Side::Put);
                        }
                        return Ok(item);
                    }
                    Err(_) if SHORT => return Err(Some(Claimant::Outrun)),
                    Err(actual) => {
                        head = actual;
                        // (If that has taken a while, the stamp will say that our `head` is old.)
                        backoff.lost();
                    }
                }
            } else if is_before(stamp, at + ONE) {
                // It has not been filled in this lap.
                return Err(None);
            } else if SHORT {
                return Err(Some(Claimant::Newcomer));
            } else {
                // Our `head` is old. Relaxed: as above.
                head = raw.head.load(Ordering::Relaxed);
            }
        }
    }

    /// Often: a stamp is written once, and then the slot is ready. So the looks cost nobody anything.
    pub(super) fn polling(&self) -> Polling {
        let gathers = match self.slots.len() {
            slots if slots < MANY => 0,
            slots if slots < FAR => slots,
            slots => (slots / 2).min(GATHERS),
        };
        let gathers = gathers as u32;
        Polling { looks: 16, pauses: 2, yields: Polling::YIELDS, gathers }
    }

    pub(super) fn lobby(&self) -> &Lobby<T> {
        &self.lobby
    }

    /// Looks at the stamp alone.
    pub(super) fn is_ready(&self, raw: &RawQueue, side: Side) -> bool {
        let own = raw.own_word(side);
        let at = position(own);
        // Relaxed: a guess.
        let stamp = self.slot(raw.laps, at).stamp.load(Ordering::Relaxed);
        is_closed(own) || stamp == if side == Side::Put { at } else { at + ONE }
    }
}

impl<T> Clear for Ring<T> {
    fn clear(&mut self, raw: &RawQueue) {
        drop_all(|| self.get(raw, Claimant::Waiter));
    }
}
