//! Atomics: the processor's own.

pub use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering, fence};

/// A store into a word that others read-modify-write: a plain one here. The model needs to know (`model/atomic.rs`).
pub trait Overwrite<T> {
    /// Stores a value.
    fn overwrite(&self, value: T, order: Ordering);
}

impl Overwrite<u8> for AtomicU8 {
    #[inline]
    fn overwrite(&self, value: u8, order: Ordering) {
        self.store(value, order);
    }
}

impl Overwrite<u16> for AtomicU16 {
    #[inline]
    fn overwrite(&self, value: u16, order: Ordering) {
        self.store(value, order);
    }
}
