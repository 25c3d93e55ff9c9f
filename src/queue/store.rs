//! What keeps the items of a queue.

use super::lobby::Lobby;
use super::raw::{Claimant, RawQueue, Side};
use crate::spin::Polling;

/// Keeps items, and moves the two ends of a [`RawQueue`] as it takes them in and gives them out.
///
/// Where a step at one end says so (see [`step`](super::raw::step)), the store wakes a waiter of the other end, once the item is
/// in its place.
pub(super) trait Store: Clear {
    type Item;

    /// Takes an item in, or gives it back: if the queue is shut down or full, and also if it only looks full because another thread is
    /// in the middle of its step. [`RawQueue::obstacle`] tells which.
    fn try_put(&self, raw: &RawQueue, item: Self::Item, claimant: Claimant) -> Result<(), Self::Item>;

    /// Gives an item out, unless the queue is empty, or looks so because another thread is in the middle of its step.
    fn try_get(&self, raw: &RawQueue, claimant: Claimant) -> Option<Self::Item>;

    /// The first attempt of a call, by a newcomer, for the place of the call: inlined there, it may leave all that most puts don't need to another attempt. On failure it says who is to
    /// make that. By default it is a whole attempt.
    #[inline]
    fn put_at_once(&self, raw: &RawQueue, item: Self::Item) -> Result<(), (Self::Item, Retry)> {
        self.try_put(raw, item, Claimant::Newcomer).map_err(|item| (item, None))
    }

    /// As [`put_at_once`](Store::put_at_once).
    #[inline]
    fn get_at_once(&self, raw: &RawQueue) -> Result<Self::Item, Retry> {
        self.try_get(raw, Claimant::Newcomer).ok_or(None)
    }

    /// How those who wait look whether an attempt is worth while, before they park.
    fn polling(&self) -> Polling {
        Polling { looks: 4, pauses: 16, yields: Polling::YIELDS, gathers: 0 }
    }

    /// Whether an attempt is worth while: a guess for those who spin, which touches as little as can be of what others write.
    fn is_ready(&self, raw: &RawQueue, side: Side) -> bool {
        raw.is_ready(side)
    }

    /// Where those who wait sit while others have the processor. Only for a store whose attempts run no code of the items.
    #[inline]
    fn lobby(&self) -> Option<&Lobby<Self::Item>> {
        None
    }

    /// Panics if this thread may not get just now.
    #[inline]
    fn before_get(&self) {}
}

/// Who is to make a [whole attempt](Store::try_put) where one [at once](Store::put_at_once) has failed; `None` if that would most likely fail too.
pub(super) type Retry = Option<Claimant>;

/// The part of a [`Store`] that its destructor needs, which may ask nothing of the items.
pub(super) trait Clear {
    /// Drops the items that would not be dropped with the store itself.
    fn clear(&mut self, raw: &RawQueue);
}

/// Drops what `get` returns until it returns nothing. If a destructor panics, the rest is dropped while unwinding.
pub(super) fn drop_all<T>(get: impl FnMut() -> Option<T>) {
    struct Rest<F: FnMut() -> Option<T>, T>(F);

    impl<F: FnMut() -> Option<T>, T> Rest<F, T> {
        fn drop_all(&mut self) {
            while let Some(item) = (self.0)() {
                drop(item);
            }
        }
    }

    impl<F: FnMut() -> Option<T>, T> Drop for Rest<F, T> {
        fn drop(&mut self) {
            self.drop_all();
        }
    }

    Rest(get).drop_all();
}

/// Gives memory back that a vector does not need just now.
pub(super) fn give_back<T>(items: &mut Vec<T>) {
    const ALWAYS_KEPT: usize = 64;

    if items.capacity() > ALWAYS_KEPT && items.len() < items.capacity() / 4 {
        items.shrink_to(items.capacity() / 2);
    }
}
