//! The system's own: mutexes and barriers of POSIX threads, its semaphores, and Linux' futexes.
//!
//! Each is in a box, since it must not be moved.

use std::cell::UnsafeCell;
#[cfg(target_env = "gnu")]
use std::ffi::CStr;
use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::AtomicU32;

use crossbeam_utils::CachePadded;

/// What a call says that returns its error.
#[inline]
fn check(code: c_int) {
    assert!(code == 0, "{}", io::Error::from_raw_os_error(code));
}

/// What a call says that leaves its error in `errno`.
#[inline]
fn check_errno(code: c_int) {
    assert!(code == 0, "{}", io::Error::last_os_error());
}

/// Which mutex it is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Normal,
    Recursive,
}

/// A `pthread_mutex_t`, without any data.
pub struct RawMutex(Box<UnsafeCell<libc::pthread_mutex_t>>);

// SAFETY: a mutex may be used by any thread, by all at once, and destroyed by another one than has made it.
unsafe impl Send for RawMutex {}
// SAFETY: as above.
unsafe impl Sync for RawMutex {}

impl RawMutex {
    #[must_use]
    pub fn new(kind: Kind) -> RawMutex {
        let kind = match kind {
            Kind::Normal => libc::PTHREAD_MUTEX_NORMAL,
            Kind::Recursive => libc::PTHREAD_MUTEX_RECURSIVE,
        };
        let mutex = Box::new(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised by the first call, used by the next two, and destroyed once. The mutex is at
        // its final address, and nobody uses it yet.
        unsafe {
            check(libc::pthread_mutexattr_init(attributes.as_mut_ptr()));
            check(libc::pthread_mutexattr_settype(attributes.as_mut_ptr(), kind));
            check(libc::pthread_mutex_init(mutex.get(), attributes.as_ptr()));
            check(libc::pthread_mutexattr_destroy(attributes.as_mut_ptr()));
        }
        RawMutex(mutex)
    }

    #[inline]
    pub fn lock(&self) {
        // SAFETY: it was initialised at this address and is destroyed in `drop` only.
        check(unsafe { libc::pthread_mutex_lock(self.0.get()) });
    }

    /// # Safety
    ///
    /// The calling thread holds it.
    #[inline]
    pub unsafe fn unlock(&self) {
        // SAFETY: as in `lock`; and that this thread holds it is the caller's promise.
        check(unsafe { libc::pthread_mutex_unlock(self.0.get()) });
    }
}

impl Drop for RawMutex {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and nobody else has it any more. Nobody holds it, as each lock is undone by a `Held`.
        unsafe { libc::pthread_mutex_destroy(self.0.get()) };
    }
}

/// One level of a lock, which ends with it.
struct Held<'a>(&'a RawMutex);

impl<'a> Held<'a> {
    #[inline]
    fn new(mutex: &'a RawMutex) -> Held<'a> {
        mutex.lock();
        Held(mutex)
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `new` has locked it on this thread: a `Held` never leaves the function that made it.
        unsafe { self.0.unlock() };
    }
}

/// A plain mutex with the data behind it.
pub struct Mutex<T> {
    raw: RawMutex,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached by one thread at a time, the one that holds the mutex; it has to be `Send` for that.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    #[must_use]
    pub fn new(data: T) -> Mutex<T> {
        Mutex { raw: RawMutex::new(Kind::Normal), data: UnsafeCell::new(data) }
    }

    /// Calls `f` with the mutex held. It deadlocks if `f` does so again.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _held = Held::new(&self.raw);
        // SAFETY: the mutex is held and not recursive, so there is no other reference.
        f(unsafe { &mut *self.data.get() })
    }
}

/// A recursive mutex with the data behind it.
pub struct RecursiveMutex<T> {
    raw: RawMutex,
    data: UnsafeCell<T>,
}

// SAFETY: as of `Mutex`. The same thread may have several references, all of them shared.
unsafe impl<T: Send> Sync for RecursiveMutex<T> {}

impl<T> RecursiveMutex<T> {
    #[must_use]
    pub fn new(data: T) -> RecursiveMutex<T> {
        RecursiveMutex { raw: RawMutex::new(Kind::Recursive), data: UnsafeCell::new(data) }
    }

    /// Calls `f` with the mutex held, again if it is already.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        let _held = Held::new(&self.raw);
        // SAFETY: the mutex is held by this thread, and nobody ever has an exclusive reference.
        f(unsafe { &*self.data.get() })
    }
}

/// A `sem_t` of this process.
pub struct Semaphore(Box<CachePadded<UnsafeCell<libc::sem_t>>>);

// SAFETY: a semaphore may be used by any thread, and by all at once.
unsafe impl Send for Semaphore {}
// SAFETY: as above.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    #[must_use]
    pub fn new(permits: u32) -> Semaphore {
        // SAFETY: plain integers, for which zeros are valid.
        let semaphore =
            Box::new(CachePadded::new(UnsafeCell::new(unsafe { std::mem::zeroed::<libc::sem_t>() })));
        // SAFETY: it is at its final address, and nobody uses it yet.
        check_errno(unsafe { libc::sem_init(semaphore.get(), 0, permits) });
        Semaphore(semaphore)
    }

    #[inline]
    pub fn wait(&self) {
        // SAFETY: it was initialised at this address and is destroyed in `drop` only.
        while unsafe { libc::sem_wait(self.0.get()) } != 0 {
            let error = io::Error::last_os_error();
            assert!(error.kind() == io::ErrorKind::Interrupted, "{error}");
        }
    }

    #[inline]
    pub fn post(&self) {
        // SAFETY: as in `wait`.
        check_errno(unsafe { libc::sem_post(self.0.get()) });
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and nobody else has it any more, so nobody waits.
        unsafe { libc::sem_destroy(self.0.get()) };
    }
}

/// A `pthread_barrier_t`.
pub struct Barrier(Box<UnsafeCell<MaybeUninit<libc::pthread_barrier_t>>>);

// SAFETY: a barrier may be used by any thread, and by all at once.
unsafe impl Send for Barrier {}
// SAFETY: as above.
unsafe impl Sync for Barrier {}

impl Barrier {
    #[must_use]
    pub fn new(parties: u32) -> Barrier {
        let barrier = Box::new(UnsafeCell::new(MaybeUninit::uninit()));
        // SAFETY: it is at its final address, and nobody uses it yet; the attributes may be null. (The cast is to what is
        // within `MaybeUninit`, which has the same layout.)
        check(unsafe { libc::pthread_barrier_init(barrier.get().cast(), ptr::null(), parties) });
        Barrier(barrier)
    }

    #[inline]
    pub fn wait(&self) {
        // SAFETY: it was initialised at this address and is destroyed in `drop` only.
        let code = unsafe { libc::pthread_barrier_wait(self.0.get().cast()) };
        if code != libc::PTHREAD_BARRIER_SERIAL_THREAD {
            check(code);
        }
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and nobody else has it any more, so nobody waits.
        unsafe { libc::pthread_barrier_destroy(self.0.get().cast()) };
    }
}

/// Blocks while the word has this value, until somebody wakes it. May come back for no reason.
pub fn futex_wait(word: &AtomicU32, value: u32) {
    // SAFETY: the word is valid for as long as the call takes. The kernel only reads it. A null timeout is none.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            value,
            ptr::null::<libc::timespec>(),
        );
    }
}

/// Wakes one that waits on the word.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: the address is only compared.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
    }
}

/// Keeps the calling thread on the processor of that number among those that it may use. Leaves it alone if they are fewer.
pub fn pin(number: usize) {
    // SAFETY: plain integers, for which zeros are valid.
    let mut may: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the calling thread's mask is written to a set of the size that is given.
    check_errno(unsafe { libc::sched_getaffinity(0, size_of_val(&may), &mut may) });
    // SAFETY: the number is below the size of the set.
    let is_allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &may) };
    let Some(cpu) = (0..libc::CPU_SETSIZE as usize).filter(is_allowed).nth(number) else { return };
    // SAFETY: as above.
    let mut only: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above, for the number; and the mask that is read has the size that is given.
    check_errno(unsafe {
        libc::CPU_SET(cpu, &mut only);
        libc::sched_setaffinity(0, size_of_val(&only), &only)
    });
}

/// The version of glibc, if the C library is that.
#[must_use]
pub fn glibc_version() -> Option<String> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it has no preconditions, and returns a string that is never freed.
        let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
        Some(version.to_string_lossy().into_owned())
    }
    #[cfg(not(target_env = "gnu"))]
    None
}
