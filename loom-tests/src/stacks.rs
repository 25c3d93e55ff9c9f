//! Stacks that are used again. loom maps one for each thread of each execution, protects the page at its far end, and gives it back at the execution's end: three system calls
//! and some first touches of fresh pages, millions of times. That was half of the time of all models.
//!
//! So this program has its own `mmap`, `mprotect` and `munmap` in front of the system's: a stack that is given back is kept, and the next who asks for one of the same size gets it, with
//! the protected page as it was. All other calls go through. (The C library's own calls, those of `malloc` and of real threads, do not come this way.) Under Linux with glibc only; elsewhere
//! nothing is changed.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::ffi::{c_int, c_long, c_void};
use std::sync::{Mutex, PoisonError};

/// More than a model has threads. What does not fit goes back to the system.
const PLACES: usize = 16;

/// A stack that was mapped here.
#[derive(Clone, Copy)]
struct Stack {
    begin: usize,
    length: usize,
    /// So much at its begin is protected, from its first use on.
    guard: usize,
    is_in_use: bool,
}

/// All that were mapped here, but for those that had no place.
static STACKS: Mutex<[Option<Stack>; PLACES]> = Mutex::new([None; PLACES]);

/// What is done with all places at once.
fn with_stacks<R>(f: impl FnOnce(&mut [Option<Stack>; PLACES]) -> R) -> R {
    f(&mut STACKS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// `mmap(2)`, but a stack may be one that was used before.
///
/// # Safety
///
/// As for the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: libc::off_t,
) -> *mut c_void {
    let is_stack = flags == libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK
        && address.is_null()
        && protection == libc::PROT_READ | libc::PROT_WRITE;
    if is_stack {
        let kept = with_stacks(|stacks| {
            let stack =
                stacks.iter_mut().flatten().find(|stack| !stack.is_in_use && stack.length == length)?;
            stack.is_in_use = true;
            Some(stack.begin)
        });
        if let Some(begin) = kept {
            return begin as *mut c_void;
        }
    }
    // SAFETY: the caller's, with the same arguments. Like `mmap` it returns -1 on failure, with `errno` set.
    let begin = unsafe { libc::syscall(libc::SYS_mmap, address, length, protection, flags, file, offset) };
    if is_stack && begin != c_long::from(-1) {
        with_stacks(|stacks| {
            if let Some(place) = stacks.iter_mut().find(|place| place.is_none()) {
                *place = Some(Stack { begin: begin as usize, length, guard: 0, is_in_use: true });
            }
        });
    }
    begin as *mut c_void
}

/// `mprotect(2)`, but what is protected already stays so.
///
/// # Safety
///
/// As for the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn mprotect(begin: *mut c_void, length: usize, protection: c_int) -> c_int {
    let is_guard = protection == libc::PROT_NONE;
    let is_done = is_guard
        && with_stacks(|stacks| {
            stacks.iter().flatten().any(|stack| stack.begin == begin as usize && stack.guard == length)
        });
    if is_done {
        return 0;
    }
    // SAFETY: the caller's, with the same arguments.
    let result = unsafe { libc::syscall(libc::SYS_mprotect, begin, length, protection) } as c_int;
    with_stacks(|stacks| {
        if let Some(stack) = stacks.iter_mut().flatten().find(|stack| stack.begin == begin as usize) {
            stack.guard = if is_guard && result == 0 { length } else { 0 };
        }
    });
    result
}

/// `munmap(2)`, but a stack is kept for the next.
///
/// # Safety
///
/// As for the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(begin: *mut c_void, length: usize) -> c_int {
    let is_kept = with_stacks(|stacks| {
        let stack =
            stacks.iter_mut().flatten().find(|stack| stack.begin == begin as usize && stack.length == length);
        stack.is_some_and(|stack| {
            stack.is_in_use = false;
            true
        })
    });
    if is_kept {
        return 0;
    }
    // SAFETY: the caller's, with the same arguments.
    unsafe { libc::syscall(libc::SYS_munmap, begin, length) as c_int }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    /// Of a size that nobody else asks for.
    const LENGTH: usize = 37 * PAGE;
    const PAGE: usize = 4096;

    fn map(length: usize) -> *mut u8 {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: a new mapping, at a place of the system's choice.
        let begin =
            unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        assert_ne!(begin, libc::MAP_FAILED);
        begin.cast()
    }

    fn protect(begin: *mut u8) {
        // SAFETY: the first page of a mapping of our own, of which nobody has a reference.
        assert_eq!(unsafe { libc::mprotect(begin.cast(), PAGE, libc::PROT_NONE) }, 0);
    }

    fn unmap(begin: *mut u8, length: usize) {
        // SAFETY: a mapping of our own, which is not used any more.
        assert_eq!(unsafe { libc::munmap(begin.cast(), length) }, 0);
    }

    /// Asks the system, which does not crash.
    fn can_be_read(at: *const u8) -> bool {
        let mut pipe = [0; 2];
        // SAFETY: room for two descriptors; they are closed once each. `write` says so if it can't read the byte.
        unsafe {
            assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
            let written = libc::write(pipe[1], at.cast(), 1);
            for end in pipe {
                libc::close(end);
            }
            written == 1
        }
    }

    #[test]
    fn a_stack_is_used_again_and_keeps_its_guard() {
        let first = map(LENGTH);
        protect(first);
        // SAFETY: within the mapping, beyond the protected page.
        unsafe { *first.add(PAGE) = 7 };
        let second = map(LENGTH);
        assert_ne!(second, first, "that one is in use");
        unmap(first, LENGTH);
        let longer = map(LENGTH + PAGE);
        assert_ne!(longer, first, "that one is shorter");
        let again = map(LENGTH);
        assert_eq!(again, first);
        // SAFETY: as above.
        assert_eq!(unsafe { *again.add(PAGE) }, 7, "a fresh page");
        let third = map(LENGTH);
        assert_ne!(third, again, "that one is in use again");
        protect(again);
        assert!(!can_be_read(again), "without a guard");
        assert!(can_be_read(again.wrapping_add(PAGE)));
        unmap(again, LENGTH);
        unmap(second, LENGTH);
        unmap(third, LENGTH);
        unmap(longer, LENGTH + PAGE);
    }
}
