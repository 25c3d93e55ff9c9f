//! The model world: loom's atomics, cells and threads, and a parking model whose every call is one step.
//!
//! | file          | what is in it                                                             |
//! |---------------|---------------------------------------------------------------------------|
//! | `advice.rs`   | none: nothing here depends on time                                         |
//! | `atomic.rs`   | newtypes that close a gap in loom, record what they do, and can be weakened |
//! | `cell.rs`     | data with a loom cell beside it that sees every access                     |
//! | `fence.rs`    | a light and a heavy fence: both full ones                                  |
//! | `parking.rs`  | the queues: a plain table that only changes inside indivisible sections    |
//! | `thread.rs`   | loom's threads, and which execution and thread this is                     |
//! | `time.rs`     | no clock; every timed waiter's patience ends at once                       |
//! | `recorder.rs` | the timeline of the execution that runs, printed when a model fails        |
//! | `weaken.rs`   | which sites were reached, and the one that is broken on purpose            |

pub mod advice;
pub mod atomic;
pub mod cell;
pub mod fence;
pub(super) mod parking;
pub mod recorder;
pub mod thread;
pub mod time;
pub mod weaken;

/// How many slots a block of an unbounded queue has (see `queue/list.rs`): so few that the models come to the end of one.
pub const BLOCK: usize = 2;

/// With so many slots the ends of a ring are mostly far from each other (see `queue/ring.rs`): so few that there are models of both kinds.
pub const FAR: usize = 2;

/// How many threads may sit on each side of a queue's lobby (see `queue/lobby.rs`): so few that one finds no place.
pub const SEATS: usize = 1;

/// How many slots a deque of the pool begins with (see `pool/deque.rs`), a power of two: so few that the models see it grow.
pub const FIRST_BUFFER: usize = 2;
