//! A raw queue and a store: everything that the three public queues do, written once.

use super::lobby::{Seat, Seats};
use super::raw::{Caller, Claimant, GaveUp, RawQueue, Side};
use super::store::{Clear, Retry, Store};
use crate::deadline::Deadline;
use crate::error::{TryGetError, TryPutError};
use crate::primitives::thread;

pub(super) struct Shared<S: Clear> {
    pub(super) raw: RawQueue,
    store: S,
}

impl<S: Clear> Shared<S> {
    pub(super) fn new(raw: RawQueue, store: S) -> Shared<S> {
        Shared { raw, store }
    }
}

impl<S: Clear> Drop for Shared<S> {
    fn drop(&mut self) {
        self.store.clear(&self.raw);
    }
}

impl<S: Store> Shared<S> {
    #[inline]
    pub(super) fn put(&self, item: S::Item, deadline: Deadline) -> Result<(), TryPutError<S::Item>> {
        match self.store.put_at_once(&self.raw, item) {
            Ok(()) => Ok(()),
            Err((item, retry)) => self.put_slow(item, retry, deadline),
        }
    }

    #[cold]
    fn put_slow(&self, item: S::Item, retry: Retry, deadline: Deadline) -> Result<(), TryPutError<S::Item>> {
        let Some(claimant) = retry else { return self.put_and_wait(item, deadline) };
        self.put_again(item, claimant).or_else(|item| self.put_and_wait(item, deadline))
    }

    /// What is left of a put whose attempts have failed. By itself, so that an attempt that succeeds needs no room for all this.
    #[cold]
    #[inline(never)]
    fn put_and_wait(&self, mut item: S::Item, deadline: Deadline) -> Result<(), TryPutError<S::Item>> {
        // There is room once a getter in the lobby has the oldest item.
        while self.get_for_lobby() {
            match self.put_again(item, Claimant::Newcomer) {
                Ok(()) => return Ok(()),
                Err(back) => item = back,
            }
        }
        let putter = self.putter(item);
        let polling = self.store.polling();
        let Err(why) = self.raw.wait(Side::Put, deadline, polling, &putter) else { return Ok(()) };
        // SAFETY: it is our own, and not in the lobby.
        let item = unsafe { putter.seat.take() }.expect("it came back from the last attempt");
        Err(match why {
            GaveUp::Closed => TryPutError::ShutDown(item),
            GaveUp::TimedOut => TryPutError::Full(item),
        })
    }

    #[cfg_attr(feature = "loom", track_caller)]
    fn putter(&self, item: S::Item) -> Putter<'_, S> {
        let seats = self.store.lobby().map(|lobby| &lobby.putters);
        Putter { shared: self, seats, seat: Seat::new(Some(item)) }
    }

    #[cfg_attr(feature = "loom", track_caller)]
    fn getter(&self) -> Getter<'_, S> {
        let seats = self.store.lobby().map(|lobby| &lobby.getters);
        Getter { shared: self, seats, seat: Seat::new(None) }
    }

    /// A put that only sits in the lobby, so many times: for models.
    pub(super) fn put_from_lobby(&self, item: S::Item, times: usize) -> Result<(), S::Item> {
        let putter = self.putter(item);
        for _ in 0..times {
            // SAFETY: `after_offers` comes next.
            unsafe { putter.before_offers() };
            thread::yield_now();
            if putter.after_offers().is_some() {
                return Ok(());
            }
        }
        // SAFETY: it is our own, and not in the lobby.
        Err(unsafe { putter.seat.take() }.expect("it is put, or not"))
    }

    /// A get that only sits in the lobby: for models.
    pub(super) fn get_from_lobby(&self) -> Option<S::Item> {
        let getter = self.getter();
        // SAFETY: `after_offers` comes next.
        unsafe { getter.before_offers() };
        thread::yield_now();
        getter.after_offers()
    }

    /// An attempt that is not the first. Never inlined, so that there is one of it.
    #[cold]
    #[inline(never)]
    fn put_again(&self, item: S::Item, claimant: Claimant) -> Result<(), S::Item> {
        self.store.try_put(&self.raw, item, claimant)
    }

    /// As [`put_again`](Shared::put_again).
    #[cold]
    #[inline(never)]
    fn get_again(&self, claimant: Claimant) -> Option<S::Item> {
        self.store.try_get(&self.raw, claimant)
    }

    /// Gets the oldest item for a getter in the lobby; says whether there was one.
    fn get_for_lobby(&self) -> bool {
        let get = |seat: &Seat<S::Item>| {
            let Some(item) = self.get_again(Claimant::Newcomer) else { return false };
            // SAFETY: `serve` has taken the seat out.
            unsafe { seat.set(item) };
            true
        };
        self.store.lobby().is_some_and(|lobby| lobby.getters.serve(get))
    }

    /// Puts the item of a putter in the lobby; says whether there was one, and room for it.
    pub(super) fn put_for_lobby(&self) -> bool {
        let put = |seat: &Seat<S::Item>| {
            // SAFETY: `serve` has taken the seat out.
            let Some(item) = (unsafe { seat.take() }) else { return false };
            let Err(item) = self.put_again(item, Claimant::Newcomer) else { return true };
            // SAFETY: as above.
            unsafe { seat.set(item) };
            false
        };
        self.store.lobby().is_some_and(|lobby| lobby.putters.serve(put))
    }

    #[inline]
    pub(super) fn get(&self, deadline: Deadline) -> Result<S::Item, TryGetError> {
        self.store.before_get();
        match self.store.get_at_once(&self.raw) {
            Ok(item) => Ok(item),
            Err(retry) => self.get_slow(retry, deadline),
        }
    }

    #[inline]
    pub(super) fn get_if_ready(&self) -> Option<S::Item> {
        self.store.before_get();
        match self.store.get_at_once(&self.raw) {
            Ok(item) => Some(item),
            Err(retry) => self.get_again(retry?),
        }
    }

    #[cold]
    fn get_slow(&self, retry: Retry, deadline: Deadline) -> Result<S::Item, TryGetError> {
        match retry.and_then(|claimant| self.get_again(claimant)) {
            Some(item) => Ok(item),
            None => self.get_and_wait(deadline),
        }
    }

    /// As [`put_and_wait`](Shared::put_and_wait).
    #[cold]
    #[inline(never)]
    fn get_and_wait(&self, deadline: Deadline) -> Result<S::Item, TryGetError> {
        // There is an item once that of a putter in the lobby is queued.
        if self.put_for_lobby()
            && let Some(item) = self.get_again(Claimant::Newcomer)
        {
            return Ok(item);
        }
        let getter = self.getter();
        let polling = self.store.polling();
        self.raw.wait(Side::Get, deadline, polling, &getter).map_err(|why| match why {
            GaveUp::Closed => TryGetError::ShutDown,
            GaveUp::TimedOut => TryGetError::Empty,
        })
    }

    /// Shuts down and takes back what is queued, which counts as done.
    pub(super) fn shutdown_now(&self) -> Vec<S::Item> {
        self.store.before_get();
        self.raw.close();
        let mut items = Vec::new();
        while let Ok(item) = self.get(Deadline::Now) {
            items.push(item);
            // One at a time: the comparison that comes next may panic. Too often only if somebody said `task_done` of an item that
            // nobody had got.
            let _ = self.raw.task_done();
        }
        items
    }
}

/// A `put` that waits.
struct Putter<'a, S: Store> {
    shared: &'a Shared<S>,
    seats: Option<&'a Seats<S::Item>>,
    seat: Seat<S::Item>,
}

impl<S: Store> Caller for Putter<'_, S> {
    type Result = ();

    fn is_ready(&self) -> bool {
        self.seat.is_answered() || self.shared.store.is_ready(&self.shared.raw, Side::Put)
    }

    fn attempt(&self) -> Option<()> {
        // SAFETY: it is our own, and not in the lobby.
        let item = unsafe { self.seat.take() }?;
        let Err(item) = self.shared.put_again(item, Claimant::Waiter) else { return Some(()) };
        // SAFETY: as above.
        unsafe { self.seat.set(item) };
        None
    }

    unsafe fn before_offers(&self) {
        if let Some(seats) = self.seats {
            // SAFETY: it is our own; and the caller promises the rest.
            unsafe { seats.enter(&self.seat) };
        }
    }

    fn after_offers(&self) -> Option<()> {
        self.seats?.leave(&self.seat).then_some(())
    }
}

/// A `get` that waits.
struct Getter<'a, S: Store> {
    shared: &'a Shared<S>,
    seats: Option<&'a Seats<S::Item>>,
    seat: Seat<S::Item>,
}

impl<S: Store> Caller for Getter<'_, S> {
    type Result = S::Item;

    fn is_ready(&self) -> bool {
        self.seat.is_answered() || self.shared.store.is_ready(&self.shared.raw, Side::Get)
    }

    fn attempt(&self) -> Option<S::Item> {
        self.shared.get_again(Claimant::Waiter)
    }

    unsafe fn before_offers(&self) {
        if let Some(seats) = self.seats {
            // SAFETY: it is our own; and the caller promises the rest.
            unsafe { seats.enter(&self.seat) };
        }
    }

    fn after_offers(&self) -> Option<S::Item> {
        if !self.seats?.leave(&self.seat) {
            return None;
        }
        // SAFETY: it is our own again, and we were served.
        unsafe { self.seat.take() }
    }
}
