//! A timer: one allocation that its handle and the service share.
//!
//! All that is decided about a timer is decided with the service's lock held, which is taken anyway to find what is due: who runs it, who cancels it, who frees it. So
//! nobody but the holder of the lock writes its word, and a plain store will do. The word is atomic because others look: whoever asks if the timer has ended, and
//! a handle that goes.
//!
//! # The word
//!
//! ```text
//! STARTED    it was given to the service
//! DONE       it has ended: it ran for the last time, or never will
//! PARKED     somebody waits for DONE, or did
//! HANDLE     there is a handle
//! SERVICE    the service holds it: in the wheel, among those that are due, in its pool's queue, or running
//! PLAIN      there is nothing to drop in its function (from the beginning)
//! ```
//!
//! # Where it is
//!
//! ```text
//! FRESH      not given to the service yet
//! a slot     in the wheel
//! DUE        taken out of the wheel to be run, and not begun
//! BEGUN      its function was taken to be run: it runs, or has run
//! CANCELLED  its function was taken to be dropped; or it runs, or has run, for the last time
//! ```
//!
//! # Transitions
//!
//! ```text
//! start      FRESH -> a slot                  and STARTED, SERVICE := 1
//! due        a slot -> DUE
//! begin      DUE -> BEGUN                     the function is the caller's, to run
//! again      BEGUN -> a slot                  if it has a period
//! cancel     FRESH, a slot, DUE -> CANCELLED  the function is the caller's, to drop
//!            BEGUN -> CANCELLED               too late; but it doesn't run again
//! wait       PARKED := 1                      if not DONE; then parks
//! end        DONE := 1                        and a wake-up, if PARKED
//! let go     HANDLE := 0, SERVICE := 0        who takes the last of the two away frees the memory
//! ```
//!
//! # Invariants
//!
//! 1. All of these steps are made with the service's lock held. (But who is the only one left needs no lock, since nobody else is there.)
//! 2. The function is touched by who has begun the timer, or has cancelled it before it was begun; or by the handle as it goes, if the timer was never started.
//! 3. Whoever takes a timer out of the wheel, or of what is due, has SERVICE to let go. Who ends it without having taken it out holds it by its handle.
//! 4. The wake-up comes before the step that lets go: a timer's address is nobody else's key meanwhile.

use core::mem::{ManuallyDrop, needs_drop};
use core::ptr::NonNull;
use core::time::Duration;

use super::wheel::Place;
use crate::deadline::Deadline;
use crate::hook::Hook;
use crate::primitives::atomic::{AtomicU8, Ordering};
use crate::primitives::cell::TrackedCell;
use crate::primitives::parking::{self, ParkResult, ParkToken, UnparkToken};

const STARTED: u8 = 0b1;
const DONE: u8 = 0b10;
const PARKED: u8 = 0b100;
pub(super) const HANDLE: u8 = 0b1000;
pub(super) const SERVICE: u8 = 0b1_0000;
const PLAIN: u8 = 0b10_0000;

/// Told to those who wait. They look at the word whatever they are told.
const LOOK: UnparkToken = UnparkToken(0xc0);

// Where a timer is that is not in the wheel. (It has this number apart from its place, where it would take eight bytes.)
pub(super) const FRESH: u16 = u16::MAX;
pub(super) const DUE: u16 = u16::MAX - 1;
pub(super) const BEGUN: u16 = u16::MAX - 2;
pub(super) const CANCELLED: u16 = u16::MAX - 3;

/// What is to be done with the function of a timer, or with its memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    /// Run it. By who has begun it.
    Run,
    /// Drop it. By who has cancelled it, or who has run it for the last time.
    Drop,
    /// Free the memory. By the last who held it.
    Free,
}

/// What is left to do for a timer that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// To wake those who wait for that, and then to let it go.
    Awaited,
    /// To free it: nobody holds it any more.
    Unheld,
    /// Nothing. It may be gone.
    Held,
}

/// What every timer begins with.
#[repr(C)]
pub(super) struct Header {
    /// Returns the period, if it has one.
    act: unsafe fn(NonNull<Header>, Act, Hook<'_>) -> Option<u64>,
    place: TrackedCell<Place>,
    /// Its slot in the wheel, or why it is in none.
    slot: TrackedCell<u16>,
    word: AtomicU8,
    /// For the model alone: whoever frees the timer comes after all who have used it.
    life: TrackedCell<()>,
}

/// A pending timer costs this beside its function (and 8 bytes more if it has a period).
#[cfg(all(not(feature = "loom"), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Header>() == 40);

/// A timer that runs once.
#[repr(C)]
struct Once<F> {
    header: Header,
    f: TrackedCell<ManuallyDrop<F>>,
}

/// A timer that runs again and again.
#[repr(C)]
struct Every<F> {
    header: Header,
    period: u64,
    f: TrackedCell<ManuallyDrop<F>>,
}

/// As a number of nanoseconds. What doesn't fit is for ever.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl<F: FnOnce() + Send> Once<F> {
    unsafe fn act(node: NonNull<Header>, act: Act, hook: Hook<'_>) -> Option<u64> {
        let this = node.cast::<Self>();
        // SAFETY: by invariant 2 the function is ours, but when it is gone and we are to free the memory.
        unsafe {
            if act == Act::Free {
                node.as_ref().life.begin_mut().end();
                drop(Box::from_raw(this.as_ptr()));
                return None;
            }
            let f = {
                let _access = this.as_ref().f.begin_mut();
                ManuallyDrop::take(&mut *this.as_ref().f.get())
            };
            hook.guard(move || match act {
                Act::Run => f(),
                Act::Drop | Act::Free => drop(f),
            });
        }
        None
    }
}

impl<F: FnMut() + Send> Every<F> {
    unsafe fn act(node: NonNull<Header>, act: Act, hook: Hook<'_>) -> Option<u64> {
        let this = node.cast::<Self>();
        // SAFETY: as in `Once::act`.
        unsafe {
            if act == Act::Free {
                node.as_ref().life.begin_mut().end();
                drop(Box::from_raw(this.as_ptr()));
                return None;
            }
            let _access = this.as_ref().f.begin_mut();
            let f = &mut *this.as_ref().f.get();
            hook.guard(|| match act {
                Act::Run => f(),
                Act::Drop | Act::Free => ManuallyDrop::drop(f),
            });
            Some(this.as_ref().period)
        }
    }
}

/// Whether a timer begins as started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begin {
    /// It waits for its `start`.
    Fresh,
    /// It is about to be given to the service, before anybody else knows it.
    Started,
}

/// A timer, with its handle.
#[cfg_attr(feature = "loom", track_caller)]
pub(super) fn once<F: FnOnce() + Send + 'static>(delay: Duration, f: F, begin: Begin) -> NonNull<Header> {
    let header = Header::new::<F>(delay, begin, Once::<F>::act);
    let node = Once { header, f: TrackedCell::new(ManuallyDrop::new(f)) };
    NonNull::from(Box::leak(Box::new(node))).cast()
}

/// As `once`, for one that runs every `period`.
#[cfg_attr(feature = "loom", track_caller)]
pub(super) fn every<F: FnMut() + Send + 'static>(period: Duration, f: F) -> NonNull<Header> {
    let header = Header::new::<F>(period, Begin::Started, Every::<F>::act);
    let node = Every { header, period: nanos(period), f: TrackedCell::new(ManuallyDrop::new(f)) };
    NonNull::from(Box::leak(Box::new(node))).cast()
}

impl Header {
    #[cfg_attr(feature = "loom", track_caller)]
    fn new<F>(
        delay: Duration,
        begin: Begin,
        act: unsafe fn(NonNull<Header>, Act, Hook<'_>) -> Option<u64>,
    ) -> Header {
        let word = match begin {
            Begin::Fresh => HANDLE,
            Begin::Started => HANDLE | STARTED | SERVICE,
        };
        let word = if needs_drop::<F>() { word } else { word | PLAIN };
        Header {
            act,
            place: TrackedCell::new(Place::new(nanos(delay))),
            slot: TrackedCell::new(FRESH),
            word: AtomicU8::new(word),
            life: TrackedCell::new(()),
        }
    }

    /// With the lock held.
    pub(super) fn place(&self) -> &TrackedCell<Place> {
        &self.place
    }

    /// With the lock held.
    pub(super) fn slot(&self) -> &TrackedCell<u16> {
        &self.slot
    }

    fn key(&self) -> usize {
        (&raw const self.word).addr()
    }

    /// With the lock held: what the word is then. If that lets the timer go, then it may be gone when this returns: so it has no reference to all of it.
    fn change(word: &AtomicU8, gained: u8, lost: u8) -> u8 {
        // Relaxed: who wrote it last had the lock before us.
        let next = (word.load(Ordering::Relaxed) | gained) & !lost;
        // Release: pairs with the Acquire in `is_done` and in `is_held`, for those who look without the lock.
        word.store(next, Ordering::Release);
        next
    }

    /// With the lock held: gives the timer to the service. Once.
    pub(super) fn start(&self) {
        Header::change(&self.word, STARTED | SERVICE, 0);
    }

    /// With the lock held: there is somebody to be woken at the end. False: it has ended.
    pub(super) fn mark_parked(&self) -> bool {
        let is_pending = !self.is_done();
        if is_pending {
            Header::change(&self.word, PARKED, 0);
        }
        is_pending
    }

    /// With the lock held: it has ended, and its function is gone. Lets go of it by the bits `held` in the same step, unless there is somebody to be woken before.
    ///
    /// # Safety
    ///
    /// As for `let_go`.
    #[inline]
    pub(super) unsafe fn end(node: NonNull<Header>, held: u8) -> Ended {
        // SAFETY: as in `let_go`.
        let word = unsafe {
            node.as_ref().life.begin_ref().end();
            &node.as_ref().word
        };
        // Relaxed: who wrote it last had the lock before us.
        if word.load(Ordering::Relaxed) & PARKED != 0 {
            Header::change(word, DONE, 0);
            Ended::Awaited
        } else if Header::change(word, DONE, held) & (HANDLE | SERVICE) == 0 {
            Ended::Unheld
        } else {
            Ended::Held
        }
    }

    /// With the lock held: lets go of the timer by the bits `held`. True: nobody holds it any more, and it is to be freed. Else it may be gone.
    ///
    /// # Safety
    ///
    /// The caller holds it by those bits, and does not any more; or by the handle, if there are none.
    pub(super) unsafe fn let_go(node: NonNull<Header>, held: u8) -> bool {
        // SAFETY: the caller holds it, until the word is written; from then on nothing but the reference to the word is there, and that isn't used.
        let word = unsafe {
            node.as_ref().life.begin_ref().end();
            &node.as_ref().word
        };
        Header::change(word, 0, held) & (HANDLE | SERVICE) == 0
    }

    /// Whether it is held by that bit. What once was let go is not taken again, but for the service's hold of a timer that was not started.
    pub(super) fn is_held(&self, bit: u8) -> bool {
        // Acquire: pairs with the Release in `change`; who finds himself alone comes after all that the other did with the timer.
        self.word.load(Ordering::Acquire) & bit != 0
    }

    pub(super) fn is_started(&self) -> bool {
        // Relaxed: it never goes back, and brings nothing with it.
        self.word.load(Ordering::Relaxed) & STARTED != 0
    }

    /// Whether there is nothing to drop in the function: then it need not be dropped.
    pub(super) fn is_plain(&self) -> bool {
        // Relaxed: it never changes.
        self.word.load(Ordering::Relaxed) & PLAIN != 0
    }

    pub(super) fn is_done(&self) -> bool {
        // Acquire: pairs with the Release in `change`; who sees it done sees what the function did.
        self.word.load(Ordering::Acquire) & DONE != 0
    }

    /// Runs the function. Returns the period, if there is one.
    ///
    /// # Safety
    ///
    /// By who has begun it. Once.
    pub(super) unsafe fn run(node: NonNull<Header>, hook: Hook<'_>) -> Option<u64> {
        // SAFETY: the caller's promise.
        unsafe { (node.as_ref().act)(node, Act::Run, hook) }
    }

    /// Drops the function.
    ///
    /// # Safety
    ///
    /// By who has cancelled it before it was begun, or has run it for the last time and it has a period; or by the handle as it goes, if it was never started. Once.
    pub(super) unsafe fn drop_function(node: NonNull<Header>, hook: Hook<'_>) {
        // SAFETY: the caller's promise.
        unsafe { (node.as_ref().act)(node, Act::Drop, hook) };
    }

    /// Frees the memory.
    ///
    /// # Safety
    ///
    /// Nobody else holds it, and the function is gone.
    pub(super) unsafe fn free(node: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe { (node.as_ref().act)(node, Act::Free, Hook(None)) };
    }

    /// Lets the handle go, if nobody else holds the timer. False: the service does.
    ///
    /// # Safety
    ///
    /// By the handle, and once if it is true.
    pub(super) unsafe fn let_handle_go_alone(node: NonNull<Header>, hook: Hook<'_>) -> bool {
        // SAFETY: the handle holds it. If the service doesn't then there is nobody but us, and nobody comes; and the function is ours, if the timer was never
        // started or cancelled.
        unsafe {
            let is_alone = !node.as_ref().is_held(SERVICE);
            if is_alone {
                if !node.as_ref().is_done() {
                    Header::drop_function(node, hook);
                }
                Header::free(node);
            }
            is_alone
        }
    }

    /// Parks until the timer has ended, or the deadline passes, or for no reason. After `mark_parked`; by who is kept by the handle.
    pub(super) fn park(&self, deadline: Deadline) -> ParkResult {
        // Relaxed: if we don't see it done, then who ends it comes to this queue lock after us, to wake us; if he was there before us, it has brought us what he
        // wrote.
        let validate = || self.word.load(Ordering::Relaxed) & DONE == 0;
        // SAFETY: the key is the address of our own word; `validate` is a load.
        unsafe { parking::park(self.key(), validate, || {}, |_, _| {}, ParkToken(0), deadline.instant()) }
    }

    /// Wakes those who wait for the end. By who holds the timer.
    pub(super) fn wake(&self) {
        // SAFETY: the key is the address of our own word.
        unsafe { parking::unpark_all(self.key(), LOOK) };
    }
}
