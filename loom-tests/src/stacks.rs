//! Stacks that are used again. loom maps one for each thread of each execution, protects its last page, and gives it back at the execution's end: three system calls
//! and some first touches of fresh pages, millions of times. That was four tenths of all that the models take.
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

/// No allocation in here: whoever locks it may be in the middle of one.
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
