//! Parking: queues of blocked threads, found by address.
//!
//! A primitive that has to block a thread parks it under a *key*, the address of its own state word; whoever
//! makes progress possible unparks by the same key. The queues live outside the primitive, which is why a lock
//! can be one byte.
//!
//! # The axioms
//!
//! These are all that the rest of the crate relies on. The models and tests named `parking_*` hold both
//! implementations to them.
//!
//! 1. **Validate and enqueue are one step.** [`park`] calls `validate` under the queue lock of the key, and if
//!    it says true the thread is in the queue before that lock is released. So nobody unparks between the
//!    question and the queueing.
//! 2. **Callbacks run under the queue lock.** `validate`, `timed_out`, `filter` and `callback` are serialised
//!    with each other for one key (for both keys in [`unpark_requeue`]). A word that is written in them only
//!    needs no ordering; and of any word they see at least what was written before an earlier of them, by its thread.
//! 3. **Unpark happens before the return of park.** What the unparker did before it called, the unparked thread
//!    sees, with no help from the state word. Nothing else of the parking layer may be relied on for ordering.
//! 4. **No spurious return.** [`park`] returns because `validate` said false, because somebody unparked this
//!    very thread, or because the deadline passed; and the three exclude each other: a thread that was taken
//!    from the queue by an unparker returns `Unparked`, however late it is.
//! 5. **First in, first out** for each key. Requeued threads keep their order and come behind those that wait
//!    under the new key already.
//! 6. **Callbacks neither unwind nor call into this module**, with one exception: `before_sleep` runs outside
//!    the queue lock and may unpark (but not park). No code of a user ever runs in one.
//!
//! One more rule keeps the model honest: in a callback, **at most one shared word is decided upon**. The model
//! runs a callback as one indivisible step; a real thread can be interleaved between two accesses. Where a
//! callback touches a second word, the comment there says why nobody can come between.
//!
//! # What is checked, and what isn't
//!
//! Our state words are checked against a *model* of `parking_lot_core`, not against `parking_lot_core` itself.
//! The same models run as stress tests on the real one.

use core::sync::atomic::{AtomicU8, Ordering};

use super::time::Instant;

#[cfg(feature = "loom")]
use super::model::parking as world;
#[cfg(not(feature = "loom"))]
use super::real::parking as world;

/// What a parked thread tells those who unpark it: a word that [`unpark_filter`] shows to its filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParkToken(pub usize);

/// What a thread looks at before it sleeps, already in a queue. Its address is the token by which it parks.
///
/// It says that the thread has been taken from the queue, or is about to be, and is good for nothing but time: it orders nothing, and who misses
/// it sleeps, or finds that it need not. So it is no part of the model. There it is a plain word too, and a thread that looks at it,
/// which is one that a model lets spin, sees it at once.
///
/// That it is there before it is given, and until then, is ordered by the queue lock. (The model has no such edge, for words
/// that say something.)
#[derive(Debug, Default)]
pub struct WakeHint(AtomicU8);

const GIVEN: u8 = 0b01;
const TOGETHER: u8 = 0b10;

impl WakeHint {
    /// Not given.
    pub fn new() -> WakeHint {
        WakeHint(AtomicU8::new(0))
    }

    /// What to park by. Neither 0 nor 1.
    pub fn token(&self) -> ParkToken {
        ParkToken((&raw const self.0).expose_provenance())
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        // Relaxed: what a woken thread has to see, it sees by axiom 3.
        self.0.load(Ordering::Relaxed) & GIVEN != 0
    }

    /// Notes that the thread which parks by this token may be woken together with its neighbours.
    ///
    /// # Safety
    ///
    /// As for [`give`](WakeHint::give).
    pub unsafe fn join_neighbours(token: ParkToken) {
        // SAFETY: as the caller promises.
        unsafe { WakeHint::add(token, TOGETHER) };
    }

    /// Whether [`join_neighbours`](WakeHint::join_neighbours) was called for the thread that parks by this token.
    ///
    /// # Safety
    ///
    /// As for [`give`](WakeHint::give).
    #[must_use]
    pub unsafe fn has_joined_neighbours(token: ParkToken) -> bool {
        // SAFETY: as the caller promises.
        let hint = unsafe { &*core::ptr::with_exposed_provenance::<AtomicU8>(token.0) };
        // Relaxed: written under the lock of a queue that the thread was in.
        hint.load(Ordering::Relaxed) & TOGETHER != 0
    }

    /// Gives the hint of the thread that parks by this token.
    ///
    /// # Safety
    ///
    /// The token comes from [`token`](WakeHint::token), and the caller is a filter that was shown it: the thread is in the queue, and cannot leave
    /// before the filter has returned.
    pub unsafe fn give(token: ParkToken) {
        // SAFETY: as the caller promises.
        unsafe { WakeHint::add(token, GIVEN) };
    }

    unsafe fn add(token: ParkToken, bit: u8) {
        // SAFETY: that thread's hint is alive while the thread is in the queue, which the caller promises.
        let hint = unsafe { &*core::ptr::with_exposed_provenance::<AtomicU8>(token.0) };
        // Relaxed, both: see `is_given`. Only those who hold the lock of the thread's queue write it.
        hint.store(hint.load(Ordering::Relaxed) | bit, Ordering::Relaxed);
    }
}

/// What an unparker tells the thread that it wakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnparkToken(pub usize);

/// How [`park`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParkResult {
    /// Another thread took us from the queue and left us this token.
    Unparked(UnparkToken),
    /// `validate` said no: we were never in the queue.
    Invalid,
    /// The deadline passed while we were in the queue; we have left it.
    TimedOut,
}

/// What an unpark call did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unparked {
    /// Threads taken from the queue to be woken.
    pub unparked: usize,
    /// Threads moved to the other queue.
    pub requeued: usize,
    /// Whether threads are left under the (first) key.
    pub have_more: bool,
}

/// What [`unpark_filter`] does with the thread it was shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FilterOp {
    /// Wake it, and look at the next.
    Unpark,
    /// Leave it in the queue, and look at the next.
    Skip,
    /// Leave it in the queue, and look no further.
    Stop,
}

/// What [`unpark_requeue`] does with those who wait under the first key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequeueOp {
    /// Nothing at all; the callback isn't called.
    Abort,
    /// Wake the first and move the rest.
    UnparkOneRequeueRest,
    /// Move all.
    RequeueAll,
    /// Wake the first and leave the rest.
    UnparkOne,
    /// Move the first and leave the rest.
    RequeueOne,
}

/// Blocks the calling thread in the queue of `key` until it is unparked or the deadline passes.
///
/// `validate` decides under the queue lock whether to block at all (axiom 1). `before_sleep` runs once the
/// thread is in the queue and the queue lock is released. `timed_out(key, was_last)` runs under the queue lock
/// when the deadline has passed and the thread has left the queue: `key` is where it was found (another one if
/// it had been requeued), and `was_last` says that nobody else waits there. `None` as deadline is "for ever".
///
/// # Safety
///
/// `key` is the address of an object that the caller controls, so that no other primitive uses it. The
/// callbacks keep to axiom 6.
#[cfg_attr(feature = "loom", track_caller)]
#[inline]
pub unsafe fn park(
    key: usize,
    validate: impl FnOnce() -> bool,
    before_sleep: impl FnOnce(),
    timed_out: impl FnOnce(usize, bool),
    token: ParkToken,
    deadline: Option<Instant>,
) -> ParkResult {
    // SAFETY: the caller's promise is word for word that of the implementation.
    unsafe { world::park(key, validate, before_sleep, timed_out, token, deadline) }
}

/// Wakes the thread that has waited longest under `key`. `callback` runs under the queue lock, whether or not
/// there was such a thread, and its token goes to that thread.
///
/// # Safety
///
/// As for [`park`].
#[cfg_attr(feature = "loom", track_caller)]
#[inline]
pub unsafe fn unpark_one(key: usize, callback: impl FnOnce(Unparked) -> UnparkToken) -> Unparked {
    // SAFETY: the caller's promise is word for word that of the implementation.
    unsafe { world::unpark_one(key, callback) }
}

/// Wakes every thread that waits under `key`, and returns how many they were.
///
/// # Safety
///
/// As for [`park`].
#[cfg_attr(feature = "loom", track_caller)]
#[inline]
pub unsafe fn unpark_all(key: usize, token: UnparkToken) -> usize {
    // SAFETY: the caller's promise is word for word that of the implementation.
    unsafe { world::unpark_all(key, token) }
}

/// Shows the tokens of those who wait under `key` to `filter`, longest waiting first, and wakes those that it
/// picks. `callback` runs after the last of them, before anybody wakes; its token goes to all that were picked.
///
/// # Safety
///
/// As for [`park`].
#[cfg_attr(feature = "loom", track_caller)]
#[inline]
pub unsafe fn unpark_filter(
    key: usize,
    filter: impl FnMut(ParkToken) -> FilterOp,
    callback: impl FnOnce(Unparked) -> UnparkToken,
) -> Unparked {
    // SAFETY: the caller's promise is word for word that of the implementation.
    unsafe { world::unpark_filter(key, filter, callback) }
}

/// Moves threads from the queue of `from` to the queue of `to`, and wakes one of them if `validate` says so.
/// Both callbacks run with both queues locked; the callback's token goes to the thread that wakes.
///
/// # Safety
///
/// As for [`park`], for both keys.
#[cfg_attr(feature = "loom", track_caller)]
#[inline]
pub unsafe fn unpark_requeue(
    from: usize,
    to: usize,
    validate: impl FnOnce() -> RequeueOp,
    callback: impl FnOnce(RequeueOp, Unparked) -> UnparkToken,
) -> Unparked {
    // SAFETY: the caller's promise is word for word that of the implementation.
    unsafe { world::unpark_requeue(from, to, validate, callback) }
}
