//! Threads: loom's.

use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;

pub use loom::hint::spin_loop;
pub use loom::thread::yield_now;
pub use std::thread::panicking;

/// Which execution of the model is running, and which of its threads is.
///
/// loom tells neither, but its thread id can be hashed, and what it feeds to the hasher is just these two
/// numbers. All threads of a model are coroutines on one OS thread, so `std`'s ids and thread-locals are of no
/// use here.
pub(super) fn execution_and_index() -> (usize, usize) {
    #[derive(Default)]
    struct Capture {
        words: [usize; 2],
        len: usize,
    }

    impl Hasher for Capture {
        fn finish(&self) -> u64 {
            0
        }

        fn write(&mut self, _bytes: &[u8]) {
            unreachable!(
                "raddle: loom's ThreadId is no longer two usize; the parking model needs another way"
            );
        }

        fn write_usize(&mut self, word: usize) {
            self.words[self.len] = word;
            self.len += 1;
        }
    }

    let mut capture = Capture::default();
    loom::thread::current().id().hash(&mut capture);
    assert_eq!(capture.len, 2, "raddle: loom's ThreadId is no longer two usize");
    (capture.words[0], capture.words[1])
}

/// A number for the calling thread that no other thread of this execution ever has.
pub fn current_id() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(execution_and_index().1 as u64)
}
