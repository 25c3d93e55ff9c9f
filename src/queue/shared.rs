//! A raw queue and a store: everything that the three public queues do, written once.

use super::raw::{Claimant, GaveUp, RawQueue, Side};
use super::store::{Clear, Store};
use crate::deadline::Deadline;
use crate::error::{TryGetError, TryPutError};

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
        match self.store.try_put(&self.raw, item, Claimant::Newcomer) {
            Ok(()) => Ok(()),
            Err(item) => self.put_slow(item, deadline),
        }
    }

    #[cold]
    fn put_slow(&self, item: S::Item, deadline: Deadline) -> Result<(), TryPutError<S::Item>> {
        let mut item = Some(item);
        let put = || {
            let back = self.store.try_put(&self.raw, item.take()?, Claimant::Waiter).err();
            let is_put = back.is_none();
            item = back;
            is_put.then_some(())
        };
        let is_ready = || self.store.is_ready(&self.raw, Side::Put);
        let polling = self.store.polling();
        let Err(why) = self.raw.wait(Side::Put, deadline, polling, is_ready, put) else { return Ok(()) };
        let item = item.expect("it came back from the last attempt");
        Err(match why {
            GaveUp::Closed => TryPutError::ShutDown(item),
            GaveUp::TimedOut => TryPutError::Full(item),
        })
    }

    #[inline]
    pub(super) fn get(&self, deadline: Deadline) -> Result<S::Item, TryGetError> {
        self.store.before_get();
        match self.store.try_get(&self.raw, Claimant::Newcomer) {
            Some(item) => Ok(item),
            None => self.get_slow(deadline),
        }
    }

    #[inline]
    pub(super) fn get_if_ready(&self) -> Option<S::Item> {
        self.store.before_get();
        self.store.try_get(&self.raw, Claimant::Newcomer)
    }

    #[cold]
    fn get_slow(&self, deadline: Deadline) -> Result<S::Item, TryGetError> {
        let is_ready = || self.store.is_ready(&self.raw, Side::Get);
        let get = || self.store.try_get(&self.raw, Claimant::Waiter);
        let polling = self.store.polling();
        self.raw.wait(Side::Get, deadline, polling, is_ready, get).map_err(|why| match why {
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
