//! Permits: what an acquire returns, and what gives the permits back.

use core::fmt;
use core::mem::ManuallyDrop;
use std::sync::Arc;

use crate::primitives::thread;

use super::sealed::{Private, Sealed};
use super::{BoundedSemaphore, Semaphore};

/// A semaphore: [`Semaphore`] or [`BoundedSemaphore`].
pub trait PermitSource: Sealed {}

impl PermitSource for Semaphore {}
impl PermitSource for BoundedSemaphore {}

/// Permits of a [`Semaphore`] or [`BoundedSemaphore`], given back when dropped.
///
/// # Panics
///
/// The drop panics if the semaphore cannot take the permits back, because as many were released by hand in the
/// meantime (not while another panic unwinds: then they are lost).
#[must_use = "if unused, the permits are given back at once"]
pub struct Permit<'a, S: PermitSource = Semaphore> {
    semaphore: &'a S,
    permits: usize,
}

/// Permits whose guard keeps an `Arc` of the semaphore, from `acquire_arc` and its kin; given back when dropped.
///
/// # Panics
///
/// As [`Permit`].
#[must_use = "if unused, the permits are given back at once"]
pub struct ArcPermit<S: PermitSource = Semaphore> {
    semaphore: Arc<S>,
    permits: usize,
}

fn give_back<S: PermitSource>(semaphore: &S, permits: usize) {
    if let Err(message) = semaphore.give_back(permits, Private)
        && !thread::panicking()
    {
        panic!("a permit was dropped, but its permits had been released by hand: {message}");
    }
}

impl<'a, S: PermitSource> Permit<'a, S> {
    /// For whoever has just acquired so many.
    pub(super) fn new(semaphore: &'a S, permits: usize) -> Permit<'a, S> {
        Permit { semaphore, permits }
    }

    /// How many permits this is.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Keeps the permits out of the semaphore for good, or until somebody releases them by hand.
    pub fn forget(self) {
        core::mem::forget(self);
    }
}

impl<S: PermitSource> ArcPermit<S> {
    /// For whoever has just acquired so many.
    pub(super) fn new(semaphore: Arc<S>, permits: usize) -> ArcPermit<S> {
        ArcPermit { semaphore, permits }
    }

    /// How many permits this is.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// The semaphore that they belong to.
    pub fn semaphore(&self) -> &Arc<S> {
        &self.semaphore
    }

    /// Keeps the permits out of the semaphore for good, or until somebody releases them by hand.
    pub fn forget(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped, so the `Arc` is taken once.
        drop(unsafe { core::ptr::read(&raw const this.semaphore) });
    }
}

impl<S: PermitSource> Drop for Permit<'_, S> {
    #[inline]
    fn drop(&mut self) {
        give_back(self.semaphore, self.permits);
    }
}

impl<S: PermitSource> Drop for ArcPermit<S> {
    #[inline]
    fn drop(&mut self) {
        give_back(&*self.semaphore, self.permits);
    }
}

impl<S: PermitSource> fmt::Debug for Permit<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl<S: PermitSource> fmt::Debug for ArcPermit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArcPermit").field("permits", &self.permits).finish_non_exhaustive()
    }
}
