//! Fences of unequal weight: `membarrier` on Linux, and nothing elsewhere.

use core::sync::atomic::{Ordering, compiler_fence};

/// The light side: keeps the compiler from moving memory accesses across. The processor is kept from it by [`heavy`], when there is one.
#[inline]
pub fn light() {
    compiler_fence(Ordering::SeqCst);
}

/// The heavy side: a full fence here, and in every other thread of the process that runs at this moment, at the point where it stands. (One that does not run
/// meets one before it runs again.) Takes 0.1 to 2 microseconds on two processors, and more on many.
///
/// Only after [`is_there`] has said yes to somebody.
pub fn heavy() {
    // The caller is among the threads that the system sees to.
    system::heavy();
}

/// Whether this system has such fences. The first call asks it to prepare them, which takes a microsecond while the process has one thread, and may take some
/// ten milliseconds when it has more. Never again after that.
pub fn is_there() -> bool {
    system::is_there()
}

/// Whether locks are biased at all: a constant here.
#[inline]
pub const fn biasing() -> bool {
    system::BIASING
}

/// How many calm releases a new lock sees before it is biased.
pub const CALM_AT_FIRST: u16 = 8;

/// How many a lock sees before it is biased again.
pub const CALM: u16 = 65_000;

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use core::sync::atomic::{AtomicU8, Ordering};

    pub(super) const BIASING: bool = true;

    const UNKNOWN: u8 = 0;
    const THERE: u8 = 1;
    const MISSING: u8 = 2;

    static FENCE: AtomicU8 = AtomicU8::new(UNKNOWN);

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn is_there() -> bool {
        // Relaxed, both: a cache of what the kernel answers to any thread; two that ask at once are told the same.
        match FENCE.load(Ordering::Relaxed) {
            UNKNOWN => {
                let is_there = register();
                FENCE.store(if is_there { THERE } else { MISSING }, Ordering::Relaxed);
                is_there
            }
            known => known == THERE,
        }
    }

    pub(super) fn heavy() {
        // The kernel promises that it can't fail once registered, a fork's child included. The second try is for a process restored elsewhere.
        let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
            || register() && membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        if !done {
            // A filter that forbids what was allowed before. A waiter that went on would be one that nobody wakes.
            eprintln!(
                "raddle: the system call membarrier was allowed at first, and now is not; see raddle::Lock"
            );
            std::process::abort();
        }
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    pub(super) const BIASING: bool = false;

    pub(super) fn is_there() -> bool {
        false
    }

    pub(super) fn heavy() {}
}
