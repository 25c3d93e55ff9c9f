//! The deque of a worker: its owner pushes and pops at one end, thieves steal at the other.
//!
//! Chase and Lev, *Dynamic Circular Work-Stealing Deque* (2005), with the orderings of Lê, Pop, Cohen and Zappa Nardelli, *Correct and
//! Efficient Work-Stealing for Weak Memory Models* (2013), but for the two changes named below.
//!
//! # The words
//!
//! ```text
//! top     index of the oldest item: who moves it from t to t+1 has the item t
//! bottom  index after the newest item: moved by the owner alone
//! buffer  where item i is, in slot i modulo its length
//! ```
//!
//! `top` only grows. `bottom` goes down with each pop, but never below `top`. 64 bits are never used up.
//!
//! # Each item is taken once
//!
//! Of two who move `top` from t to t+1, the compare-and-swap lets one succeed. That leaves the owner, who takes an item without it when
//! it is not the last. It first writes `bottom` = b, and then reads `top`; a thief first reads `top`, and then `bottom`; each has a fence
//! between its two steps. Say a thief takes item b. It has read `top` = b, and `bottom` > b.
//!
//! - The owner's fence came first: then the thief's read of `bottom` shows b, and it doesn't take b; or it shows what was written later. If that is because the owner has
//!   pushed again, another item has the index b by then, and the thief may have that.
//! - The thief's fence came first: then the owner's read of `top` shows b at least. To the owner it is the last item, or none, and the
//!   compare-and-swap decides.
//!
//! (Models: `deque_*`.)
//!
//! # What differs from the paper
//!
//! Where it has a release fence before a relaxed store of `bottom`, that store is a Release here; and so is the one by which a pop goes down, since a
//! thief may read the index from there and take what lies below. (A relaxed store of the owner's would not go on with the release of
//! the push before it.) The one by which a pop goes up again is Relaxed: who reads the index from there takes nothing. And the owner remembers the last `top` that it saw: a pop of an empty deque costs no
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
    fn new(len: usize, replaced: *mut Buffer<T>) -> *mut Buffer<T> {
        let slots = (0..len).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        Box::into_raw(Box::new(Buffer { slots, replaced }))
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

/// A deque of pointers, which belong to whoever takes them out.
pub struct Deque<T> {
    bottom: CachePadded<AtomicU64>,
    top: CachePadded<AtomicU64>,
    buffer: AtomicPtr<Buffer<T>>,
    /// The last value of `top` that the owner saw: the owner's own.
    seen_top: TrackedCell<u64>,
}

// SAFETY: items are pointers, sent from the owner to thieves; what they point to is the caller's business, who promises `Send` by
// sending them. `seen_top` is touched by the owner alone, which the contracts of `push` and `pop` see to.
unsafe impl<T: Send> Send for Deque<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Deque<T> {}

impl<T> Deque<T> {
    /// An empty deque.
    #[must_use]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn new() -> Deque<T> {
        Deque {
            // From 1, so that a pop of the first item can step back.
            bottom: CachePadded::new(AtomicU64::new(1)),
            top: CachePadded::new(AtomicU64::new(1)),
            buffer: AtomicPtr::new(Buffer::new(FIRST_BUFFER, ptr::null_mut())),
            seen_top: TrackedCell::new(1),
        }
    }

    /// The owner's note of `top`.
    ///
    /// # Safety
    ///
    /// For the owner only.
    #[inline]
    unsafe fn seen_top(&self) -> u64 {
        let _access = self.seen_top.begin_ref();
        // SAFETY: only the owner touches the cell, and it is in here.
        unsafe { *self.seen_top.get() }
    }

    /// # Safety
    ///
    /// For the owner only.
    #[inline]
    unsafe fn set_seen_top(&self, top: u64) {
        let _access = self.seen_top.begin_mut();
        // SAFETY: only the owner touches the cell, and it is in here.
        unsafe { *self.seen_top.get() = top };
    }

    /// Puts an item at the owner's end.
    ///
    /// # Safety
    ///
    /// Only one thread, the owner, calls `push` and `pop`; or several, each after the other, with the calls ordered.
    #[inline]
    pub unsafe fn push(&self, item: NonNull<T>) {
        // Relaxed, both: the owner wrote them.
        let bottom = self.bottom.load(Ordering::Relaxed);
        let mut buffer = self.buffer.load(Ordering::Relaxed);
        // SAFETY: we are the owner; and a buffer lives as long as the deque.
        unsafe {
            if bottom - self.seen_top() >= (*buffer).len() {
                buffer = self.make_room(bottom, buffer);
            }
            // Relaxed: the store of `bottom` publishes it. The slot is free: a thief that still reads it for its last item will find
            // that `top` has moved (see the Acquire in `make_room`).
            (*buffer).slot(bottom).store(item.as_ptr(), Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `steal`; a thief sees the item, what it points to, and the buffer that it is in.
        self.bottom.store(bottom + 1, Ordering::Release);
    }

    /// A buffer with a free slot at `bottom`: this one, if thieves have moved `top`, or one twice as long.
    ///
    /// # Safety
    ///
    /// As for `push`. `buffer` is the current one.
    #[cold]
    unsafe fn make_room(&self, bottom: u64, buffer: *mut Buffer<T>) -> *mut Buffer<T> {
        // Acquire: pairs with the Release of the thieves' step; they have read their slot before we write it anew.
        let top = self.top.load(Ordering::Acquire);
        // SAFETY: we are the owner; and a buffer lives as long as the deque.
        unsafe {
            self.set_seen_top(top);
            if bottom - top < (*buffer).len() {
                return buffer;
            }
            let longer = Buffer::new(2 * (*buffer).len() as usize, buffer);
            for index in top..bottom {
                // Relaxed, both: the owner wrote what it reads; the store of the buffer publishes what it writes.
                let item = (*buffer).slot(index).load(Ordering::Relaxed);
                (*longer).slot(index).store(item, Ordering::Relaxed);
            }
            // Release: pairs with the Acquire in `steal`; a thief sees the slots that we have copied.
            self.buffer.store(longer, Ordering::Release);
            longer
        }
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
        if bottom == unsafe { self.seen_top() } {
            // Empty, since `top` is no less than that, and no more than `bottom`.
            return None;
        }
        let last = bottom - 1;
        // Release: a thief may read the index from here, and sees the item below it (pairs with the Acquire in `steal`).
        self.bottom.store(last, Ordering::Release);
        // SeqCst: between the store of `bottom` and the load of `top`; see "each item is taken once".
        fence(Ordering::SeqCst);
        // Acquire: as in `make_room`, since `push` goes by the value that we note.
        let top = self.top.load(Ordering::Acquire);
        if top < last {
            // SAFETY: we are the owner.
            unsafe { self.set_seen_top(top) };
            return self.own_slot(last);
        }
        // It is the last item, or somebody has it. Relaxed: thieves learn nothing from us here that `bottom` doesn't tell them. Acquire on failure: as for the
        // load, since we note what the thief has written.
        let is_ours = top == last
            && self.top.compare_exchange(top, top + 1, Ordering::Relaxed, Ordering::Acquire).is_ok();
        let item = if is_ours { self.own_slot(last) } else { None };
        // Relaxed: a thief that reads the index from here takes nothing. He would have to move `top` from below `bottom`, and that step would
        // come before this store: `top` is `bottom` by now, and if that was not our step alone, an Acquire above has read what came of the
        // thieves' (each a Release, which the later ones go on with). But he has read the index before his step.
        self.bottom.store(bottom, Ordering::Relaxed);
        // SAFETY: we are the owner. Whoever has moved it, `top` is `bottom` now.
        unsafe { self.set_seen_top(bottom) };
        item
    }

    /// Takes the newest item if it is this one.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline]
    pub unsafe fn pop_if(&self, item: NonNull<T>) -> bool {
        // Relaxed: the owner wrote it.
        let bottom = self.bottom.load(Ordering::Relaxed);
        // SAFETY: we are the owner. What stands below `bottom` was put there by us, and is an item or was one; it is only compared here.
        // (The place was never written if nothing was ever pushed: then it is null, and no item is.)
        unsafe { self.own_slot(bottom - 1) == Some(item) && self.pop() == Some(item) }
    }

    /// The item at `index`, for the owner: to take it, or to compare it.
    #[inline]
    fn own_slot(&self, index: u64) -> Option<NonNull<T>> {
        // Relaxed, both: the owner wrote them.
        let buffer = self.buffer.load(Ordering::Relaxed);
        // SAFETY: a buffer lives as long as the deque.
        NonNull::new(unsafe { (*buffer).slot(index).load(Ordering::Relaxed) })
    }

    /// Takes the oldest item. For any thread.
    #[inline]
    pub fn steal(&self) -> Steal<T> {
        // Relaxed: what it has to be seen with is seen by `bottom`; the compare-and-swap fails if it is old.
        let top = self.top.load(Ordering::Relaxed);
        // SeqCst: between the load of `top` and the load of `bottom`; see "each item is taken once".
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release in `push` and `pop`; we see the items below it.
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

    /// How many items there are; a guess while others are at it.
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
