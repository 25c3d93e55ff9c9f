//! Last in, first out: a vector under a lock. No code of the user runs under it, and all that is done there is a move of one item; or of
//! all, when the vector grows or shrinks, which is rare.

use super::raw::{Claimant, RawQueue};
use super::store::{Clear, Store, give_back};
use crate::lock::Lock;

pub(super) struct Stack<T> {
    items: Lock<Vec<T>>,
}

impl<T> Stack<T> {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new() -> Stack<T> {
        Stack { items: Lock::new(Vec::new()) }
    }
}

impl<T> Store for Stack<T> {
    type Item = T;

    fn try_put(&self, raw: &RawQueue, item: T, claimant: Claimant) -> Result<(), T> {
        let mut items = self.items.lock();
        let Some(claim) = raw.claim_put(claimant) else { return Err(item) };
        items.push(item);
        drop(items);
        raw.finish(claim);
        Ok(())
    }

    fn try_get(&self, raw: &RawQueue, claimant: Claimant) -> Option<T> {
        let mut items = self.items.lock();
        if raw.is_barred_from_get(claimant) {
            return None;
        }
        let item = items.pop()?;
        let claim = raw.claim_get();
        give_back(&mut items);
        drop(items);
        raw.finish(claim);
        Some(item)
    }
}

impl<T> Clear for Stack<T> {
    fn clear(&mut self, _raw: &RawQueue) {}
}
