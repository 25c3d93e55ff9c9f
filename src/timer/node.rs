//! A timer: one allocation that its handle and the service share.
//!
//! # The word
//!
//! ```text
//! STARTED    it was given to the service
//! CLAIMED    the function belongs to whoever set this: to run it, or to drop it
//! CANCELLED  it shall not run again
//! DONE       it has ended: it ran for the last time, or never will
//! PARKED     somebody waits for DONE
//! HANDLE     there is a handle
//! SERVICE    the service holds it: in the wheel, among those that are due, in its pool's queue, or about to run it
//! ```
//!
//! # Transitions
//!
//! ```text
//! start       STARTED, SERVICE := 1      once, and not when CLAIMED; then goes into the wheel
//! cancel      in the wheel: taken out of it, which claims it (invariant 2); CLAIMED, CANCELLED := 1 with the end
//!             else: CLAIMED, CANCELLED := 1, with the wheel's lock held; and if CLAIMED was 0, ends
//! fire        CLAIMED := 1               if it was 0: runs; else it was cancelled
//! again       CLAIMED 1 -> 0             if not CANCELLED; then goes into the wheel, unless CLAIMED again by then
//! end         DONE := 1, PARKED := 0     with the wake-up under the queue lock, if PARKED
//! let go      HANDLE 1 -> 0, SERVICE 1 -> 0   who takes the last of the two away frees the memory
//! ```
//!
//! # Invariants
//!
//! 1. Cancel and fire are decided by one step. For a timer in the wheel: who takes it out of there, with the lock held, the service or a canceller. For one that is out of it,
//!    to be run: who sets CLAIMED. `cancel` says true if that was its own.
//! 2. The place in the wheel is touched with the wheel's lock held, and only there. A timer in the wheel is not CLAIMED. Who cancels one that isn't there sets CLAIMED with the lock
//!    held, and who puts one in looks at CLAIMED with the lock held: so it never comes in again.
//! 3. The function is touched by the one who has set CLAIMED, or has taken it out of the wheel to cancel it; or by the handle as it goes, if the timer was never started.
//! 4. SERVICE goes with the place in the wheel: whoever takes the timer out of it has that bit to let go.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::time::Duration;

use super::wheel::{NOWHERE, Place};
use crate::deadline::Deadline;
use crate::hook::Hook;
use crate::primitives::atomic::{AtomicU8, Ordering};
use crate::primitives::cell::TrackedCell;
use crate::primitives::parking::{self, FilterOp, ParkResult, ParkToken, UnparkToken};
use crate::spin::Spin;

const STARTED: u8 = 0b1;
const CLAIMED: u8 = 0b10;
const DONE: u8 = 0b100;
const PARKED: u8 = 0b1000;
const CANCELLED: u8 = 0b1_0000;
const HANDLE: u8 = 0b10_0000;
pub(super) const SERVICE: u8 = 0b100_0000;

/// Told to those who wait. They look at the word whatever they are told.
const LOOK: UnparkToken = UnparkToken(0xc0);

const fn is_free(word: u8) -> bool {
    word & (HANDLE | SERVICE) == 0
}

/// What is to be done with the function of a timer, or with its memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    /// Run it. By who has claimed it.
    Run,
    /// Drop it. By who has claimed it.
    Drop,
    /// Free the memory. By the last who held it.
    Free,
}

/// What every timer begins with.
#[repr(C)]
pub(super) struct Header {
    /// Returns the period, if it has one.
    act: unsafe fn(NonNull<Header>, Act, Hook<'_>) -> Option<u64>,
    place: TrackedCell<Place>,
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

/// Why a timer was not started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    Started,
    Cancelled,
}

/// As a number of nanoseconds. What doesn't fit is for ever.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl<F: FnOnce() + Send> Once<F> {
    unsafe fn act(node: NonNull<Header>, act: Act, hook: Hook<'_>) -> Option<u64> {
        let this = node.cast::<Self>();
        // SAFETY: by invariant 3 the function is ours, but when it is gone and we are to free the memory.
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
    let node =
        Once { header: Header::new(delay, begin, Once::<F>::act), f: TrackedCell::new(ManuallyDrop::new(f)) };
    NonNull::from(Box::leak(Box::new(node))).cast()
}

/// As `once`, for one that runs every `period`.
#[cfg_attr(feature = "loom", track_caller)]
pub(super) fn every<F: FnMut() + Send + 'static>(period: Duration, f: F) -> NonNull<Header> {
    let header = Header::new(period, Begin::Started, Every::<F>::act);
    let node = Every { header, period: nanos(period), f: TrackedCell::new(ManuallyDrop::new(f)) };
    NonNull::from(Box::leak(Box::new(node))).cast()
}

impl Header {
    #[cfg_attr(feature = "loom", track_caller)]
    fn new(
        delay: Duration,
        begin: Begin,
        act: unsafe fn(NonNull<Header>, Act, Hook<'_>) -> Option<u64>,
    ) -> Header {
        let word = match begin {
            Begin::Fresh => HANDLE,
            Begin::Started => HANDLE | STARTED | SERVICE,
        };
        Header {
            act,
            place: TrackedCell::new(Place::new(nanos(delay))),
            slot: TrackedCell::new(NOWHERE),
            word: AtomicU8::new(word),
            life: TrackedCell::new(()),
        }
    }

    /// For who holds the wheel's lock.
    pub(super) fn place(&self) -> &TrackedCell<Place> {
        &self.place
    }

    /// For who holds the wheel's lock.
    pub(super) fn slot(&self) -> &TrackedCell<u16> {
        &self.slot
    }

    fn key(&self) -> usize {
        (&raw const self.word).addr()
    }

    /// Gives the timer to the service. From then on the service holds it.
    pub(super) fn start(&self) -> Result<(), Refused> {
        // Relaxed: only a guess, the CAS below decides.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & STARTED != 0 {
                return Err(Refused::Started);
            }
            if word & CLAIMED != 0 {
                return Err(Refused::Cancelled);
            }
            let next = word | STARTED | SERVICE;
            // Relaxed, both: the wheel's lock brings the timer to the service.
            match self.word.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(actual) => word = actual,
            }
        }
    }

    /// Takes the function, to run it. False: somebody has cancelled.
    pub(super) fn claim(&self) -> bool {
        // Relaxed: whoever has run the function before, on whatever thread, has put the timer back into the wheel afterwards, and it was taken out of
        // there since: the wheel's lock brings what that run did, and if it went on through a pool, the pool's queue does.
        self.word.fetch_or(CLAIMED, Ordering::Relaxed) & CLAIMED == 0
    }

    /// Takes the function, so that it never runs again. False: it runs, or has ended, or somebody has done so before.
    pub(super) fn claim_to_cancel(&self) -> bool {
        // Acquire: pairs with the Release in `release`; we drop the function, and its last run may have been on another thread, which has not
        // come to the wheel's lock yet.
        self.word.fetch_or(CLAIMED | CANCELLED, Ordering::Acquire) & CLAIMED == 0
    }

    /// Gives the function back, to run again. False: it was cancelled meanwhile, and still belongs to the caller.
    pub(super) fn release(&self) -> bool {
        // Relaxed: only a guess, the CAS below decides.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & CANCELLED == 0 {
            // Release: pairs with the Acquire in `claim_to_cancel`. Relaxed on failure: it is the next guess.
            match self.word.compare_exchange_weak(word, word & !CLAIMED, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(actual) => word = actual,
            }
        }
        false
    }

    /// Whether somebody has claimed it. With the wheel's lock held: see invariant 2.
    pub(super) fn is_claimed(&self) -> bool {
        // Relaxed: the lock orders it.
        self.word.load(Ordering::Relaxed) & CLAIMED != 0
    }

    pub(super) fn is_started(&self) -> bool {
        // Relaxed: it never goes back, and brings nothing with it.
        self.word.load(Ordering::Relaxed) & STARTED != 0
    }

    pub(super) fn is_done(&self) -> bool {
        // Acquire: pairs with the Release in `end`; who sees it done sees what the function did.
        self.word.load(Ordering::Acquire) & DONE != 0
    }

    /// Runs the function. Returns the period, if there is one.
    ///
    /// # Safety
    ///
    /// By who has claimed it, and holds the timer.
    pub(super) unsafe fn run(node: NonNull<Header>, hook: Hook<'_>) -> Option<u64> {
        // SAFETY: the caller's promise.
        unsafe { (node.as_ref().act)(node, Act::Run, hook) }
    }

    /// Drops the function.
    ///
    /// # Safety
    ///
    /// By who has claimed it, and holds the timer. Once.
    pub(super) unsafe fn drop_function(node: NonNull<Header>, hook: Hook<'_>) {
        // SAFETY: the caller's promise.
        unsafe { (node.as_ref().act)(node, Act::Drop, hook) };
    }

    /// The timer has ended, and its function is gone: wakes those who wait for that. The bits `held` are let go with it.
    ///
    /// # Safety
    ///
    /// By who has claimed it, and holds it by those bits (or is kept by the handle). Once.
    pub(super) unsafe fn end(node: NonNull<Header>, held: u8) {
        // SAFETY: the caller's promise.
        unsafe { Header::end_with(node, held, DONE) }
    }

    /// As `end`, for a timer that was taken out of the wheel to be cancelled, and is not claimed otherwise.
    ///
    /// # Safety
    ///
    /// By who has taken it out. Once.
    pub(super) unsafe fn end_cancelled(node: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe { Header::end_with(node, SERVICE, DONE | CLAIMED | CANCELLED) }
    }

    /// # Safety
    ///
    /// As for `end` or `end_cancelled`. The bits `gained` are not set, and nobody else sets them.
    unsafe fn end_with(node: NonNull<Header>, held: u8, gained: u8) {
        // SAFETY: we hold it until the step that lets go.
        let (this, key) = unsafe {
            node.as_ref().life.begin_ref().end();
            (&node.as_ref().word, node.as_ref().key())
        };
        // Relaxed: only a guess, the CAS below decides.
        let mut word = this.load(Ordering::Relaxed);
        let next = loop {
            if word & PARKED != 0 {
                let mut next = 0;
                let step = PARKED + held - gained;
                // SAFETY: the key is the address of our own word; the callback is one read-modify-write of it. From that on the timer may be
                // gone.
                unsafe {
                    parking::unpark_filter(
                        key,
                        |_| FilterOp::Unpark,
                        |_| {
                            // Release and Acquire: as below. All in one step: what it takes away was there, and what it adds was not.
                            next = this.fetch_sub(step, Ordering::AcqRel) - step;
                            LOOK
                        },
                    );
                }
                break next;
            }
            let next = (word | gained) & !held;
            // Release: pairs with the Acquire of those who find it done. Acquire: pairs with the Release of a handle that was let go, since we
            // may be the one to free the timer. Relaxed on failure: it is the next guess.
            match this.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break next,
                Err(actual) => word = actual,
            }
        };
        if is_free(next) {
            // SAFETY: nobody else holds it, and the function is gone.
            unsafe { (node.as_ref().act)(node, Act::Free, Hook(None)) };
        }
    }

    /// Lets go of a timer that somebody else ends.
    ///
    /// # Safety
    ///
    /// The caller holds it by that bit, and does not any more.
    pub(super) unsafe fn let_service_go(node: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe { Header::let_go(node, SERVICE) };
    }

    /// # Safety
    ///
    /// The caller holds it by the bit `held`, and does not any more.
    unsafe fn let_go(node: NonNull<Header>, held: u8) {
        // Release: what we did with the timer comes before it is freed. Acquire: what the others did, too.
        // SAFETY: the caller's promise.
        let prev = unsafe {
            node.as_ref().life.begin_ref().end();
            node.as_ref().word.fetch_and(!held, Ordering::AcqRel)
        };
        if is_free(prev & !held) {
            // SAFETY: nobody else holds it. Its function is gone: who holds it no more without ending it was told that it is claimed,
            // and the one who has claimed it has ended it.
            unsafe { (node.as_ref().act)(node, Act::Free, Hook(None)) };
        }
    }

    /// Lets the handle go.
    ///
    /// # Safety
    ///
    /// Once, by the handle.
    pub(super) unsafe fn let_handle_go(node: NonNull<Header>, hook: Hook<'_>) {
        // SAFETY: the handle holds it.
        unsafe {
            // Acquire: pairs with the Release of the step by which the service has let go; then there is nobody but us.
            let word = node.as_ref().word.load(Ordering::Acquire);
            if word & SERVICE != 0 {
                return Header::let_go(node, HANDLE);
            }
            if word & CLAIMED == 0 {
                // It was never started, and nobody will.
                Header::drop_function(node, hook);
            }
            (node.as_ref().act)(node, Act::Free, Hook(None));
        }
    }

    /// Waits until the timer has ended, or the deadline passes. Says whether it has. For the holder of the handle.
    ///
    /// ```text
    /// loop
    ///     done?            return
    ///     mark the word    PARKED, if it is not done
    ///     park             unless the mark is gone
    /// ```
    pub(super) fn wait(&self, deadline: Deadline) -> bool {
        let mut deadline = deadline.or_now();
        let mut spin = Spin::new();
        loop {
            // Acquire: pairs with the Release in `end`.
            let word = self.word.load(Ordering::Acquire);
            if word & DONE != 0 {
                return true;
            }
            if deadline.is_now() {
                return false;
            }
            if word & PARKED == 0 {
                if spin.spin() {
                    continue;
                }
                // Relaxed, both: the mark carries no data, and we look again.
                let marked = word | PARKED;
                if self.word.compare_exchange(word, marked, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                    continue;
                }
            }
            // Relaxed: PARKED is cleared under this queue lock only, together with the wake-up. (It may be stale the other way round.)
            let validate = || self.word.load(Ordering::Relaxed) & PARKED != 0;
            let instant = deadline.instant();
            // SAFETY: the key is the address of our own word; `validate` is a load.
            let result =
                unsafe { parking::park(self.key(), validate, || {}, |_, _| {}, ParkToken(0), instant) };
            if result == ParkResult::TimedOut {
                deadline = Deadline::Now;
            }
        }
    }
}
