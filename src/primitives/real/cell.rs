//! A cell for data that a lock protects. In the real world, an `UnsafeCell` and nothing else.

use core::cell::UnsafeCell;

/// Data that somebody else's protocol protects.
#[derive(Debug)]
pub struct TrackedCell<T: ?Sized> {
    data: UnsafeCell<T>,
}

/// Asks for the cache line at this address as one's own, since it will be written soon, and doesn't wait for it. The address may be any.
#[inline]
pub fn prefetch_for_write(place: impl FnOnce() -> *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, for which no address is wrong; a processor that doesn't know it does nothing. (The intrinsic would ask for a line to be shared, unless the
    // crate is built for processors that know this instruction.)
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) place(), options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = place;
}

/// An exclusive access in progress. Nothing in the real world; under the model, what loom checks for races.
#[derive(Debug)]
pub struct MutAccess;

impl MutAccess {
    /// Ends the access, if it has not ended yet.
    #[inline]
    pub fn end(&mut self) {}

    /// Ends this value's part in the access: what is returned goes on with it.
    #[inline]
    pub fn take(&mut self) -> MutAccess {
        MutAccess
    }
}

/// A shared access in progress. Nothing in the real world; under the model, what loom checks for races.
#[derive(Debug)]
pub struct RefAccess;

impl RefAccess {
    /// Ends the access, if it has not ended yet.
    #[inline]
    pub fn end(&mut self) {}

    /// Ends this value's part in the access: what is returned goes on with it.
    #[inline]
    pub fn take(&mut self) -> RefAccess {
        RefAccess
    }
}

impl<T> TrackedCell<T> {
    /// Puts `data` into a cell.
    #[inline]
    pub const fn new(data: T) -> TrackedCell<T> {
        TrackedCell { data: UnsafeCell::new(data) }
    }

    /// Takes the data out again.
    #[inline]
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> TrackedCell<T> {
    /// The address of the data. To go through it, hold an access.
    #[inline]
    pub const fn get(&self) -> *mut T {
        self.data.get()
    }

    /// The data, for whoever has the cell to themselves.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// Begins an exclusive access, which lasts until the value returned is dropped.
    #[inline]
    pub fn begin_mut(&self) -> MutAccess {
        MutAccess
    }

    /// Begins a shared access, which lasts until the value returned is dropped.
    #[inline]
    pub fn begin_ref(&self) -> RefAccess {
        RefAccess
    }
}
