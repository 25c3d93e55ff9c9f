//! The deque of a worker: its owner pushes and pops at one end, thieves steal at the other.
//!
//! Chase and Lev, *Dynamic Circular Work-Stealing Deque* (2005), with the orderings of Lê, Pop, Cohen and Zappa Nardelli, *Correct and
//! Efficient Work-Stealing for Weak Memory Models* (2013), but for the changes named below; and with a part at the owner's end that can't be stolen.
//!
//! # The words
//!
//! ```text
//! top     index of the oldest item: who moves it from t to t+1 has the item t
//! bottom  index after the newest item that can be stolen: moved by the owner alone
//! end     index after the newest item: known to the owner alone, and never below bottom
//! buffer  where item i is, in slot i modulo its length
//! ```
//!
//! `top` only grows. `bottom` goes down with a pop of what could be stolen, but never below `top`. 64 bits are never used up.
//!
//! # Private items
//!
//! Those from `bottom` on are the owner's own: he pushes and pops them as in a vector, without a fence. To *publish* one is to move `bottom` past it. That is the idea of Acar, Charguéraud and
//! Rainey, *Scheduling Parallel Programs by Work Stealing with Private Deques* (2013), and of van Dijk and van de Pol, *Lace: Non-blocking Split Deque for Work-Stealing* (2014). Here items are published by
//! their owner when he thinks fit (worker.rs), and never taken back without being taken out: whatever was published can be stolen until somebody has it.
//!
//! # Each item is taken once
//!
//! Of two who move `top` from t to t+1, the compare-and-swap lets one succeed. That leaves the owner, who takes an item without it when
//! it is private, or when it is not the last of the others. To take one of those, b, he first writes `bottom` = b, and then reads `top`; a thief first reads `top`, and then `bottom`; each has a fence
//! between its two steps. Say a thief takes item b. It has read `top` = b, and `bottom` > b.
//!
//! - The owner's fence came first: then the thief's read of `bottom` shows b, and it doesn't take b; or it shows what was written later. If that is because the owner has
//!   published again, another item has the index b by then, and the thief may have that.
//! - The thief's fence came first: then the owner's read of `top` shows b at least. To the owner it is the last item, or none, and the
//!   compare-and-swap decides.
//!
//! And of a private item b: it was pushed at b when `bottom` was no more than b. Was there ever a greater `bottom` before that push, the owner has popped his way down from it, by
//! the steps above; so a thief that has read the greater one takes none from b on, or has taken it then: `top` was past b, and `bottom` didn't go below that. So no thief has an index of a private item.
//!
//! (Models: `deque_*`.)
//!
//! # What differs from the paper
//!
//! Where it has a release fence before a relaxed store of `bottom`, that store is a Release here; and so is the one by which a pop goes down, since a
//! thief may read the index from there and take what lies below. (A relaxed store of the owner's would not go on with the release of
//! the push before it.) The one by which a pop goes up again is Relaxed: who reads the index from there takes nothing. And the owner remembers a `top` that it saw: a pop of an empty deque costs no
//! fence, and a push doesn't read the line that thieves write.
//!
//! # Old buffers
//!
//! A thief may be reading in a buffer that the owner has replaced by one twice as long. So it is kept until the deque is dropped: together
//! they are no longer than the last one.

use core::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use crate::primitives::FIRST_BUFFER;
use crate::primitives::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use crate::primitives::cell::TrackedCell;

/// What came of an attempt to steal.
#[derive(PartialEq, Eq, Debug)]
pub enum Steal<T> {
    /// The oldest item.
    Got(NonNull<T>),
    /// There was none.
    Empty,
    /// Another took it first. There may be more.
    Lost,
}

struct Buffer<T> {
    /// As many as a power of two.
    slots: Box<[AtomicPtr<T>]>,
    /// The one that this has replaced, or null.
    replaced: *mut Buffer<T>,
}

impl<T> Buffer<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    fn new(len: usize, replaced: *mut Buffer<T>) -> NonNull<Buffer<T>> {
        let slots = (0..len).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        NonNull::from(Box::leak(Box::new(Buffer { slots, replaced })))
    }

    fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    #[inline]
    fn slot(&self, index: u64) -> &AtomicPtr<T> {
        // SAFETY: the length is a power of two, so the masked index is below it.
        unsafe { self.slots.get_unchecked((index & (self.len() - 1)) as usize) }
    }
}

/// What the owner alone knows.
struct Own<T> {
    /// Index after the newest item; `bottom` is no more than that.
    end: u64,
    /// Below this index there is room in the buffer: `top` as it was at some time, and the buffer's length.
    room: u64,
    /// The last value of `top` that the owner saw.
    seen_top: u64,
    /// The current buffer.
    buffer: NonNull<Buffer<T>>,
    /// The buffer's slots, and their number less one.
    slots: NonNull<AtomicPtr<T>>,
    mask: u64,
}

impl<T> Own<T> {
    /// With a buffer that has room from `top` on.
    fn new(buffer: NonNull<Buffer<T>>, end: u64, top: u64) -> Own<T> {
        // SAFETY: a buffer lives as long as the deque.
        let slots = unsafe { &buffer.as_ref().slots };
        let len = slots.len() as u64;
        Own {
            end,
            room: top + len,
            seen_top: top,
            buffer,
            slots: NonNull::from(&**slots).cast(),
            mask: len - 1,
        }
    }

    #[inline]
    fn slot(&self, index: u64) -> &AtomicPtr<T> {
        // SAFETY: the masked index is below the length; the slots live as long as the deque.
        unsafe { self.slots.add((index & self.mask) as usize).as_ref() }
    }
}

/// A deque of pointers, which belong to whoever takes them out.
pub struct Deque<T> {
    bottom: CachePadded<AtomicU64>,
    top: CachePadded<AtomicU64>,
    buffer: AtomicPtr<Buffer<T>>,
    own: TrackedCell<Own<T>>,
}

// SAFETY: items are pointers, sent from the owner to thieves; what they point to is the caller's business, who promises `Send` by
// sending them. `own` is touched by the owner alone, which the contracts of `push` and `pop` see to.
unsafe impl<T: Send> Send for Deque<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Deque<T> {}

impl<T> Deque<T> {
    /// An empty deque.
    #[must_use]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn new() -> Deque<T> {
        let buffer = Buffer::new(FIRST_BUFFER, ptr::null_mut());
        Deque {
            // From 1, so that a pop of the first item can step back.
            bottom: CachePadded::new(AtomicU64::new(1)),
            top: CachePadded::new(AtomicU64::new(1)),
            buffer: AtomicPtr::new(buffer.as_ptr()),
            own: TrackedCell::new(Own::new(buffer, 1, 1)),
        }
    }

    /// What only the owner knows.
    ///
    /// # Safety
    ///
    /// For the owner only.
    #[inline]
    unsafe fn own<R>(&self, f: impl FnOnce(&mut Own<T>) -> R) -> R {
        let _access = self.own.begin_mut();
        // SAFETY: only the owner touches the cell, and it is in here; `f` does not come back to it.
        f(unsafe { &mut *self.own.get() })
    }

    /// Puts an item at the owner's end. It can be stolen, and so can all that lie below it.
    ///
    /// # Safety
    ///
    /// Only one thread, the owner, calls `push`, `pop` and the others of which that is said; or several, each after the other, with the calls ordered.
    #[inline]
    pub unsafe fn push(&self, item: NonNull<T>) {
        // SAFETY: the caller's promise.
        unsafe {
            self.push_private(item);
            self.publish_all();
        }
    }

    /// Puts an item at the owner's end, where it can't be stolen until the owner publishes it. Returns its index.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline]
    pub unsafe fn push_private(&self, item: NonNull<T>) -> u64 {
        // SAFETY: we are the owner.
        unsafe {
            self.own(|own| {
                let end = own.end;
                if end >= own.room {
                    self.make_room(own);
                }
                // Relaxed: the store of `bottom` publishes it. The slot is free: a thief that still reads it for its last item will find
                // that `top` has moved (see the Acquire in `make_room`).
                own.slot(end).store(item.as_ptr(), Ordering::Relaxed);
                own.end = end + 1;
                end
            })
        }
    }

    /// Whether nothing is to be stolen, as far as the owner sees.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline]
    pub unsafe fn is_bare(&self) -> bool {
        // Relaxed, both: the owner wrote the one, and the other is a guess that is never too high.
        self.top.load(Ordering::Relaxed) == self.bottom.load(Ordering::Relaxed)
    }

    /// Lets the oldest private item be stolen, if there is one.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    pub unsafe fn publish_one(&self) {
        // Relaxed: the owner wrote it.
        let bottom = self.bottom.load(Ordering::Relaxed);
        // SAFETY: we are the owner.
        if bottom < unsafe { self.own(|own| own.end) } {
            // Release: as in `publish_all`.
            self.bottom.store(bottom + 1, Ordering::Release);
        }
    }

    /// Lets all items be stolen.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline]
    pub unsafe fn publish_all(&self) {
        // SAFETY: we are the owner.
        let end = unsafe { self.own(|own| own.end) };
        // Release: pairs with the Acquire in `steal`; a thief sees the items, what they point to, and the buffer that they are in.
        self.bottom.store(end, Ordering::Release);
    }

    /// Makes room for an item at the end: finds that thieves have moved `top`, or takes a buffer twice as long.
    #[cold]
    fn make_room(&self, own: &mut Own<T>) {
        // Acquire: pairs with the Release of the thieves' step; they have read their slot before we write it anew.
        let top = self.top.load(Ordering::Acquire);
        let len = own.mask + 1;
        if own.end - top < len {
            own.seen_top = top;
            own.room = top + len;
            return;
        }
        let longer = Buffer::new(2 * len as usize, own.buffer.as_ptr());
        let old = core::mem::replace(own, Own::new(longer, own.end, top));
        for index in top..own.end {
            // Relaxed, both: the owner wrote what it reads; the store of the buffer publishes what it writes.
            let item = old.slot(index).load(Ordering::Relaxed);
            own.slot(index).store(item, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `steal`; a thief sees the slots that we have copied.
        self.buffer.store(longer.as_ptr(), Ordering::Release);
    }

    /// Takes the newest item.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline]
    pub unsafe fn pop(&self) -> Option<NonNull<T>> {
        // Relaxed: the owner wrote it.
        let bottom = self.bottom.load(Ordering::Relaxed);
        // SAFETY: we are the owner.
        let (end, seen_top) = unsafe { self.own(|own| (own.end, own.seen_top)) };
        if bottom < end {
            // No thief comes as far as that.
            // SAFETY: we are the owner.
            return unsafe {
                self.own(|own| own.end = end - 1);
                self.own_slot(end - 1)
            };
        }
        if bottom == seen_top {
            // Empty, since `top` is no less than that, and no more than `bottom`.
            return None;
        }
        let last = bottom - 1;
        // Release: a thief may read the index from here, and sees the item below it (pairs with the Acquire in `steal`).
        self.bottom.store(last, Ordering::Release);
        // SeqCst: between the store of `bottom` and the load of `top`; see "each item is taken once".
        fence(Ordering::SeqCst);
        // Acquire: for the store of `bottom` at the end, see there.
        let top = self.top.load(Ordering::Acquire);
        if top < last {
            // SAFETY: we are the owner.
            return unsafe {
                self.own(|own| (own.end, own.seen_top) = (last, top));
                self.own_slot(last)
            };
        }
        // It is the last item, or somebody has it. Relaxed: thieves learn nothing from us here that `bottom` doesn't tell them. Acquire on failure: as for the
        // load.
        let is_ours = top == last
            && self.top.compare_exchange(top, top + 1, Ordering::Relaxed, Ordering::Acquire).is_ok();
        // SAFETY: we are the owner.
        let item = if is_ours { unsafe { self.own_slot(last) } } else { None };
        // Relaxed: a thief that reads the index from here takes nothing. He would have to move `top` from below `bottom`, and that step would
        // come before this store: `top` is `bottom` by now, and if that was not our step alone, an Acquire above has read what came of the
        // thieves' (each a Release, which the later ones go on with). But he has read the index before his step.
        self.bottom.store(bottom, Ordering::Relaxed);
        // SAFETY: we are the owner. Whoever has moved it, `top` is `bottom` now.
        unsafe { self.own(|own| own.seen_top = bottom) };
        item
    }

    /// Takes the newest item if it is this one.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline]
    pub unsafe fn pop_if(&self, item: NonNull<T>) -> bool {
        // SAFETY: we are the owner. What stands below the end was put there by us, and is an item or was one; it is only compared here.
        // (The place was never written if nothing was ever pushed: then it is null, and no item is.)
        unsafe {
            let end = self.own(|own| own.end);
            self.own_slot(end - 1) == Some(item) && self.pop() == Some(item)
        }
    }

    /// Takes the newest item if it is at this index and private: that takes no fence.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline]
    pub unsafe fn pop_private(&self, index: u64) -> bool {
        // Relaxed: the owner wrote it.
        let bottom = self.bottom.load(Ordering::Relaxed);
        // SAFETY: we are the owner.
        unsafe {
            self.own(|own| {
                let is_it = bottom <= index && own.end == index + 1;
                if is_it {
                    // No thief comes as far as that.
                    own.end = index;
                }
                is_it
            })
        }
    }

    /// How many items there are, with the private ones; no less than that.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    pub unsafe fn own_len(&self) -> usize {
        // Relaxed: thieves may have been faster.
        let top = self.top.load(Ordering::Relaxed);
        // SAFETY: we are the owner.
        unsafe { self.own(|own| own.end.saturating_sub(top)) as usize }
    }

    /// The item at `index`: to take it, or to compare it.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline]
    unsafe fn own_slot(&self, index: u64) -> Option<NonNull<T>> {
        // Relaxed: the owner wrote it.
        // SAFETY: we are the owner.
        NonNull::new(unsafe { self.own(|own| own.slot(index).load(Ordering::Relaxed)) })
    }

    /// Takes the oldest item. For any thread.
    #[inline]
    pub fn steal(&self) -> Steal<T> {
        // Relaxed: what it has to be seen with is seen by `bottom`; the compare-and-swap fails if it is old.
        let top = self.top.load(Ordering::Relaxed);
        // SeqCst: between the load of `top` and the load of `bottom`; see "each item is taken once".
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release in `publish_one`, `publish_all` and `pop`; we see the items below it.
        let bottom = self.bottom.load(Ordering::Acquire);
        if top >= bottom {
            return Steal::Empty;
        }
        // Acquire: pairs with the Release in `make_room`; we see what was copied. It may be newer than `bottom`, but holds item `top`
        // in any case, unless that is taken.
        let buffer = self.buffer.load(Ordering::Acquire);
        // Relaxed: published by `bottom` or by the buffer.
        // SAFETY: a buffer lives as long as the deque.
        let item = unsafe { (*buffer).slot(top).load(Ordering::Relaxed) };
        // Release: pairs with the Acquires of the owner, who writes the slot anew after our load of it. Relaxed on failure: we have
        // nothing, and learn nothing.
        match self.top.compare_exchange(top, top + 1, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => NonNull::new(item).map_or(Steal::Lost, Steal::Got),
            Err(_) => Steal::Lost,
        }
    }

    /// How many items are to be stolen; a guess while others are at it.
    pub fn len(&self) -> usize {
        // Relaxed, both: a guess.
        let top = self.top.load(Ordering::Relaxed);
        let bottom = self.bottom.load(Ordering::Relaxed);
        bottom.saturating_sub(top) as usize
    }

    /// Whether there are none; a guess while others are at it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Default for Deque<T> {
    fn default() -> Self {
        Deque::new()
    }
}

impl<T> Drop for Deque<T> {
    fn drop(&mut self) {
        // Relaxed: whoever drops it was given it, and all that was done with it comes before.
        let mut buffer = self.buffer.load(Ordering::Relaxed);
        while !buffer.is_null() {
            // SAFETY: each buffer came from a box, and is in this chain once.
            let owned = unsafe { Box::from_raw(buffer) };
            buffer = owned.replaced;
        }
    }
}

impl<T> core::fmt::Debug for Deque<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Deque").field("len", &self.len()).finish()
    }
}
