//! The lobby: where those who wait, awake, leave word of what they wait for while others have the processor.
//!
//! Where all threads share one processor, what one of them waits for comes only after a switch to another. With one slot that is a
//! switch for each step: put, full, switch, get, empty, switch. So who is about to offer the processor sits down in the lobby: a
//! putter with its item, a getter with room for one. Who then finds the queue full gives the oldest item to a getter there, which makes
//! room; who finds it empty puts the item of a putter there. So three items go across for two switches, and more if several sit there.
//!
//! That an operation is left for the other side to complete is the way of the dual data structures of Scherer and Scott (Nonblocking
//! concurrent data structures with condition synchronization, DISC 2004). That the item lies in the frame of the thread that waits is
//! known from Go's channels.
//!
//! # A seat
//!
//! ```text
//! in the lobby   state
//! no             WAITING    the thread's own
//! yes            WAITING    of whoever takes it out: the thread itself, or another, who then has to answer
//! no             WAITING    taken out by another, and that one's until it answers
//! no             SERVED     the thread's own again: its step has been taken for it
//! no             RETURNED   the thread's own again, as it was
//! ```
//!
//! Nobody sleeps in the lobby, and nobody has to be served. So there is no wake-up here that could be lost: a thread looks at the queue
//! all the while, and gets up before it parks.

use core::cell::Cell;
use core::ptr;

use crossbeam_utils::CachePadded;

use crate::primitives::SEATS;
use crate::primitives::atomic::{AtomicPtr, AtomicU8, Ordering};
use crate::primitives::cell::TrackedCell;
use crate::spin::Snooze;

const WAITING: u8 = 0;
const SERVED: u8 = 1;
const RETURNED: u8 = 2;

/// A thread that waits, with the item of a putter, or room for that of a getter. It lives in the frame of the waiting call.
pub(super) struct Seat<T> {
    item: TrackedCell<Option<T>>,
    state: AtomicU8,
    /// Where in the lobby it is. Only for the thread itself.
    place: Cell<Option<usize>>,
}

impl<T> Seat<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(item: Option<T>) -> Seat<T> {
        Seat { item: TrackedCell::new(item), state: AtomicU8::new(WAITING), place: Cell::new(None) }
    }

    /// Takes the item.
    ///
    /// # Safety
    ///
    /// The seat is the caller's own, or was taken out of the lobby by it and not yet answered.
    pub(super) unsafe fn take(&self) -> Option<T> {
        let mut access = self.item.begin_mut();
        // SAFETY: the caller says that nobody else is at it.
        let item = unsafe { (*self.item.get()).take() };
        access.end();
        item
    }

    /// Brings an item, where there is none.
    ///
    /// # Safety
    ///
    /// As for [`take`](Seat::take).
    pub(super) unsafe fn set(&self, item: T) {
        let mut access = self.item.begin_mut();
        // SAFETY: the caller says that nobody else is at it.
        unsafe { *self.item.get() = Some(item) };
        access.end();
    }

    /// Whether somebody has answered: a guess, for the thread itself.
    pub(super) fn is_answered(&self) -> bool {
        // Relaxed: `leave` looks again.
        self.state.load(Ordering::Relaxed) != WAITING
    }
}

/// The seats of one side.
pub(super) struct Seats<T> {
    places: CachePadded<[AtomicPtr<Seat<T>>; SEATS]>,
}

impl<T> Seats<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    fn new() -> Seats<T> {
        Seats { places: CachePadded::new(core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut()))) }
    }

    /// Sits down, if there is a place.
    ///
    /// # Safety
    ///
    /// The seat is the calling thread's own. It stays where it is, and isn't touched but by [`is_answered`](Seat::is_answered), until the
    /// thread has called [`leave`](Seats::leave).
    pub(super) unsafe fn enter(&self, seat: &Seat<T>) {
        // Relaxed: a guess, the CAS below decides.
        let free = |place: &AtomicPtr<Seat<T>>| place.load(Ordering::Relaxed).is_null();
        let Some(free) = self.places.iter().position(free) else { return };
        let own = ptr::from_ref(seat).cast_mut();
        // Release: pairs with the Acquire in `serve`; who takes the seat has what its thread did with the item. Relaxed on failure: another was faster, and we do without.
        let entered =
            self.places[free].compare_exchange(ptr::null_mut(), own, Ordering::Release, Ordering::Relaxed);
        if entered.is_ok() {
            seat.place.set(Some(free));
        }
    }

    /// Gets up again, if the thread sits here; says whether it was served.
    pub(super) fn leave(&self, seat: &Seat<T>) -> bool {
        let Some(place) = seat.place.take() else { return false };
        let own = ptr::from_ref(seat).cast_mut();
        // Relaxed, both: if we take the seat out, nobody else has been at it; if not, its state tells us.
        let left =
            self.places[place].compare_exchange(own, ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed);
        if left.is_ok() {
            return false;
        }
        let mut snooze = Snooze::new();
        loop {
            // Acquire: pairs with the Release in `serve`; what was done with the item is done.
            match seat.state.load(Ordering::Acquire) {
                WAITING => snooze.snooze(),
                answer => {
                    // Relaxed: the Release in `enter` shows it to those for whom it counts.
                    seat.state.store(WAITING, Ordering::Relaxed);
                    return answer == SERVED;
                }
            }
        }
    }

    /// Takes somebody out, whom `serve` then serves, or can't. Says whether it could. `serve` doesn't wait for anybody, or panic: that thread can't go on before.
    pub(super) fn serve(&self, serve: impl FnOnce(&Seat<T>) -> bool) -> bool {
        for place in self.places.iter() {
            // Relaxed: a guess, the CAS below decides.
            let seat = place.load(Ordering::Relaxed);
            if seat.is_null() {
                continue;
            }
            // Acquire: pairs with the Release in `enter`. Relaxed on failure: it is somebody else's now.
            let taken = place.compare_exchange(seat, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
            if taken.is_ok() {
                // SAFETY: it was in the lobby until now; its thread can't get up before we have answered, which is the last that we do with it.
                let seat = unsafe { &*seat };
                let answer = if serve(seat) { SERVED } else { RETURNED };
                // Release: pairs with the Acquire in `leave`.
                seat.state.store(answer, Ordering::Release);
                return answer == SERVED;
            }
        }
        false
    }
}

/// Both sides of a queue.
pub(super) struct Lobby<T> {
    pub(super) putters: Seats<T>,
    pub(super) getters: Seats<T>,
}

impl<T> Lobby<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new() -> Lobby<T> {
        Lobby { putters: Seats::new(), getters: Seats::new() }
    }
}
