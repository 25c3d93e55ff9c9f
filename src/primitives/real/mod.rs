//! The real world: the processor's atomics, the operating system's threads and clock, `parking_lot_core`.

pub mod advice;
pub mod atomic;
pub mod cell;
pub mod fence;
pub(super) mod parking;
pub mod thread;
pub mod time;

/// How many slots a block of an unbounded queue has (see `queue/list.rs`).
pub const BLOCK: usize = 31;

/// With so many slots the ends of a ring are mostly far from each other (see `queue/ring.rs`).
pub const FAR: usize = 64;

/// How many threads may sit on each side of a queue's lobby (see `queue/lobby.rs`): as many as a cache line has room for.
pub const SEATS: usize = 8;

/// How many slots a deque of the pool begins with (see `pool/deque.rs`), a power of two.
pub const FIRST_BUFFER: usize = 64;
