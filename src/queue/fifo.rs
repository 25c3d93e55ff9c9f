//! First in, first out: the ring if there is a bound, the list if there is none, or one that is too large to have a slot for each.

use super::list::{LAPS, List};
use super::lobby::Lobby;
use super::raw::{Claimant, Laps, RawQueue, Side};
use super::ring::Ring;
use super::shared::Shared;
use super::store::{Clear, Retry, Store};
use crate::spin::Polling;

/// With a bound above this, a ring would be mostly empty slots.
const LARGEST_RING: usize = 1 << 16;

pub(super) enum Fifo<T> {
    Ring(Ring<T>),
    /// In a box, since it is ten times as large.
    List(Box<List<T>>),
}

impl<T> Fifo<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn bounded(capacity: usize, lap: u64) -> Shared<Fifo<T>> {
        if capacity > LARGEST_RING {
            return Fifo::list(Some(capacity), lap);
        }
        // A spare index, so that `full` differs from `free in the next lap` with one slot too.
        let raw = RawQueue::new(Laps::new(capacity as u64, 1), Some(capacity), lap);
        let ring = Fifo::Ring(Ring::new(&raw, capacity));
        Shared::new(raw, ring)
    }

    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn unbounded(lap: u64) -> Shared<Fifo<T>> {
        Fifo::list(None, lap)
    }

    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn list(capacity: Option<usize>, lap: u64) -> Shared<Fifo<T>> {
        // A spare index for "between blocks".
        let raw = RawQueue::new(LAPS, capacity, lap);
        let list = Fifo::List(Box::new(List::new(&raw)));
        Shared::new(raw, list)
    }
}

impl<T> Store for Fifo<T> {
    type Item = T;

    fn try_put(&self, raw: &RawQueue, item: T, claimant: Claimant) -> Result<(), T> {
        match self {
            Fifo::Ring(ring) => ring.put(raw, item, claimant),
            Fifo::List(list) => list.put(raw, item, claimant),
        }
    }

    fn try_get(&self, raw: &RawQueue, claimant: Claimant) -> Option<T> {
        match self {
            Fifo::Ring(ring) => ring.get(raw, claimant),
            Fifo::List(list) => list.get(raw, claimant),
        }
    }

    #[inline(always)]
    fn put_at_once(&self, raw: &RawQueue, item: T) -> Result<(), (T, Retry)> {
        match self {
            Fifo::Ring(ring) => ring.put_at_once(raw, item),
            Fifo::List(list) => list.put_at_once(raw, item),
        }
    }

    #[inline(always)]
    fn get_at_once(&self, raw: &RawQueue) -> Result<T, Retry> {
        match self {
            Fifo::Ring(ring) => ring.get_at_once(raw),
            Fifo::List(list) => list.get_at_once(raw),
        }
    }

    fn polling(&self) -> Polling {
        match self {
            Fifo::Ring(ring) => ring.polling(),
            Fifo::List(list) => list.polling(),
        }
    }

    fn lobby(&self) -> Option<&Lobby<T>> {
        match self {
            Fifo::Ring(ring) => Some(ring.lobby()),
            Fifo::List(_) => None,
        }
    }

    fn is_ready(&self, raw: &RawQueue, side: Side) -> bool {
        match self {
            Fifo::Ring(ring) => ring.is_ready(raw, side),
            Fifo::List(_) => raw.is_ready(side),
        }
    }
}

impl<T> Clear for Fifo<T> {
    fn clear(&mut self, raw: &RawQueue) {
        match self {
            Fifo::Ring(ring) => ring.clear(raw),
            Fifo::List(list) => list.clear(raw),
        }
    }
}
