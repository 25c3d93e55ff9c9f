//! A cell for data that a lock protects, with a loom cell beside it. loom sees each access from its beginning to
//! its end, and reports two that are not ordered. With a plain cell it would notice no weakened ordering at all.

use core::cell::UnsafeCell;
use core::fmt;

use super::recorder::{self, What};

/// Data that somebody else's protocol protects.
pub struct TrackedCell<T: ?Sized> {
    track: loom::cell::UnsafeCell<()>,
    data: UnsafeCell<T>,
}

/// Nothing, and nobody asks where: there are no caches.
#[inline]
pub fn prefetch_for_write(_place: impl FnOnce() -> *const u8) {}

/// An exclusive access in progress: loom reports any other that is not ordered before or after it.
pub struct MutAccess {
    /// `None` once it has ended.
    track: Option<loom::cell::MutPtr<()>>,
}

impl MutAccess {
    /// Ends the access, if it has not ended yet.
    pub fn end(&mut self) {
        self.track = None;
    }

    /// Ends this value's part in the access: what is returned goes on with it.
    pub fn take(&mut self) -> MutAccess {
        MutAccess { track: self.track.take() }
    }
}

/// A shared access in progress: loom reports any exclusive one that is not ordered before or after it.
pub struct RefAccess {
    /// `None` once it has ended.
    track: Option<loom::cell::ConstPtr<()>>,
}

impl RefAccess {
    /// Ends the access, if it has not ended yet.
    pub fn end(&mut self) {
        self.track = None;
    }

    /// Ends this value's part in the access: what is returned goes on with it.
    pub fn take(&mut self) -> RefAccess {
        RefAccess { track: self.track.take() }
    }
}

impl<T> TrackedCell<T> {
    /// Puts `data` into a cell.
    #[track_caller]
    pub fn new(data: T) -> TrackedCell<T> {
        TrackedCell { track: loom::cell::UnsafeCell::new(()), data: UnsafeCell::new(data) }
    }

    /// Takes the data out again.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> TrackedCell<T> {
    /// The address of the data. To go through it, hold an access.
    pub fn get(&self) -> *mut T {
        self.data.get()
    }

    /// The data, for whoever has the cell to themselves.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// Begins an exclusive access, which lasts until the value returned is dropped.
    #[track_caller]
    pub fn begin_mut(&self) -> MutAccess {
        recorder::cell(self.address(), What::CellWrite);
        MutAccess { track: Some(self.track.get_mut()) }
    }

    /// Begins a shared access, which lasts until the value returned is dropped.
    #[track_caller]
    pub fn begin_ref(&self) -> RefAccess {
        recorder::cell(self.address(), What::CellRead);
        RefAccess { track: Some(self.track.get()) }
    }

    fn address(&self) -> usize {
        (&raw const self.track).addr()
    }
}

impl<T: ?Sized> fmt::Debug for TrackedCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedCell").finish_non_exhaustive()
    }
}

impl fmt::Debug for MutAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MutAccess")
    }
}

impl fmt::Debug for RefAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefAccess")
    }
}
