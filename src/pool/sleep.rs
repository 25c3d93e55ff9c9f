//! Who sleeps and who looks for a job: the event count of the pool.
//!
//! Whoever makes a job visible has to know whether a worker must be woken for it, and a worker that finds no job has to be sure that none
//! comes unseen while it lies down. One word decides; it holds no jobs.
//!
//! # The word
//!
//! ```text
//! SEARCHING  16 bits  workers that look for a job, or are being woken or started to do so
//! SLEEPING   16 bits  workers that said that they go to sleep, and have been sent no wake-up since
//! STARTED    16 bits  workers that there are; those that neither search nor sleep are busy
//! PENDING             a wake-up was sent, and its sleeper had not yet parked
//! CLOSED              no jobs come from outside any more
//! OVER                nor from inside: the workers leave
//! ```
//!
//! # Transitions, as (searching, sleeping, started)
//!
//! ```text
//! start       0,0,n -> 1,0,n+1     by who has made a job visible, and then starts a thread
//!             w,s,n -> w+1,s,n+1   the same, of a pool that starts all of them at once
//! notify      0,s,n -> 1,s-1,n     the same, if somebody sleeps; and then wakes one
//! search      w,s,n -> w+1,s,n     a busy worker has nothing to do
//! found       w,s,n -> w-1,s,n     and the last that searched looks whether there is more, and notifies
//! announce    w,s,n -> w-1,s+1,n   found nothing: looks once more after this
//! stay        w,s,n -> w+1,s-1,n   and found something, unless s is 0: then its wake-up is on its way
//! over        0,n,n -> 0,n,n OVER  all sleep, it is closed, and there is nothing
//! not started w,s,n -> w-1,s,n-1   there was no thread to be had, or it died in its init
//! left        0,n,n -> 0,n-1,n-1   after OVER
//! ```
//!
//! PENDING is set under the queue lock by the one who wakes, if nobody is parked, and cleared under it by the one who was about to park.
//!
//! A worker runs no code of a user's while it counts as searching: nobody would be woken for as long as that takes.
//!
//! # Invariants
//!
//! 1. A wake-up is sent by the step `notify` alone, which makes SEARCHING 1 from 0. The woken worker is counted there until it has found
//!    something or goes to sleep again. So there is one wake-up under way at most; PENDING needs no count.
//! 2. A burst of jobs wakes one worker, which wakes the next when it has found one and sees more. (As in the queues: see
//!    `queue/raw.rs`, "why one at a time".)
//!
//! # No job is left lying while a worker sleeps
//!
//! Named events. The submitter: (S1) makes job j visible; (S2) fence; (S3) reads the word. A worker: (W1) steps out of
//! SEARCHING, by `found` or `announce`; (W2) fence; (W3) looks at all the places where jobs are.
//!
//! 1. *S3 reads SEARCHING = 0 and SLEEPING > 0:* it wakes one (or somebody else has just done so: then SEARCHING is 1 in the word by
//!    which its step fails, and case 2 holds from there).
//! 2. *S3 reads SEARCHING > 0.* Some worker's W1 comes after that value in the word's order; take the last of those who
//!    search. If S2 came before W2, W3 sees j: the worker stays awake for it, or notifies (or has a wake-up under way to itself). If W2
//!    came before S2, then S3 reads what W1 has written, or something later: not the value that it read.
//! 3. *S3 reads 0 and 0:* all are busy (or there are none: then one is started). Each will search when it is done, and comes to W1 after
//!    the value that S3 read; as in 2.
//!
//! So the fences are what matters, and the steps of the word may be Relaxed. (Models: `sleep_*`.)
//!
//! [`hint`](Sleep::hint) is `notify` without S2. A job that its submitter will run itself, if nobody else does, may be announced so: what is at
//! stake is speed.
//!
//! # The end
//!
//! A worker goes to sleep with an empty deque, and only itself fills it. So if all sleep, the deques are empty; and if it is closed, and the
//! injector is empty too, there will be no job any more. Who sees that sets OVER and wakes all; no other wake-up is sent from then on. CLOSED is set after the
//! injector was closed; who reads it (Acquire) sees each job that came in before.
//!
//! The idea of counting searchers so that one wake-up at a time is under way is that of the schedulers of Go and tokio.

use crossbeam_utils::CachePadded;

use crate::primitives::atomic::{AtomicU64, Ordering, fence};
use crate::primitives::parking::{self, ParkResult, ParkToken, UnparkToken};

const SEARCHING_SHIFT: u32 = 0;
const SLEEPING_SHIFT: u32 = 16;
const STARTED_SHIFT: u32 = 32;
const COUNT_MASK: u64 = (1 << 16) - 1;
const ONE_SEARCHING: u64 = 1 << SEARCHING_SHIFT;
const ONE_SLEEPING: u64 = 1 << SLEEPING_SHIFT;
const ONE_STARTED: u64 = 1 << STARTED_SHIFT;
const PENDING: u64 = 1 << 48;
const CLOSED: u64 = 1 << 49;
const OVER: u64 = 1 << 50;

/// The most workers that can be counted.
pub const MOST_WORKERS: usize = COUNT_MASK as usize;

/// Told to the one that is woken.
const SEARCH: UnparkToken = UnparkToken(0x90);
/// Told to all at the end.
const LEAVE: UnparkToken = UnparkToken(0x91);

const fn searching(word: u64) -> u64 {
    word >> SEARCHING_SHIFT & COUNT_MASK
}

const fn sleeping(word: u64) -> u64 {
    word >> SLEEPING_SHIFT & COUNT_MASK
}

const fn started(word: u64) -> u64 {
    word >> STARTED_SHIFT & COUNT_MASK
}

/// Why a worker does not sleep any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// There is something to do, or was: it counts as searching.
    Search,
    /// There will be nothing to do any more.
    Leave,
}

/// The event count of a pool.
#[derive(Debug)]
pub struct Sleep {
    word: CachePadded<AtomicU64>,
    /// How many workers there may be.
    limit: u64,
}

impl Sleep {
    /// For so many workers at most; none is started.
    #[must_use]
    #[cfg_attr(feature = "loom", track_caller)]
    pub fn new(limit: usize) -> Sleep {
        debug_assert!(limit <= MOST_WORKERS, "Sleep::new({limit}): too many workers");
        Sleep { word: CachePadded::new(AtomicU64::new(0)), limit: limit as u64 }
    }

    fn key(&self) -> usize {
        (&raw const *self.word).addr()
    }

    /// Whether a job that has just become visible needs a step of the word.
    #[inline]
    fn needs_step(&self, word: u64) -> bool {
        searching(word) == 0 && word & OVER == 0 && (sleeping(word) > 0 || self.may_start(word))
    }

    #[inline]
    fn may_start(&self, word: u64) -> bool {
        started(word) < self.limit && word & OVER == 0
    }

    /// To be called after a job was made visible. Wakes a worker if that is needed. True: the caller has to start one, which is counted
    /// already, as searching; or to say [`not_started`](Self::not_started).
    #[inline]
    #[must_use]
    pub fn notify(&self) -> bool {
        self.notify_if(|| true)
    }

    /// As [`notify`](Self::notify), but a worker is started only if `has_job` says that nobody has taken the job yet. (A sleeper is woken all the same: one that has nothing to do
    /// goes back to sleep, and a thread that was started stays.)
    #[inline]
    #[must_use]
    pub fn notify_if(&self, has_job: impl FnOnce() -> bool) -> bool {
        // S2. SeqCst: between making the job visible and reading the word.
        fence(Ordering::SeqCst);
        // S3. Relaxed: the fence before it is what counts.
        let word = self.word.load(Ordering::Relaxed);
        self.needs_step(word) && (sleeping(word) > 0 || has_job()) && self.notify_slow(word)
    }

    /// As [`notify`](Self::notify), for a job that will be run in any case: it may overlook a worker that is just going to sleep.
    #[inline]
    #[must_use]
    pub fn hint(&self) -> bool {
        // Relaxed: it may be old, which is what this is for.
        let word = self.word.load(Ordering::Relaxed);
        self.needs_step(word) && self.notify_slow(word)
    }

    /// What the word's counts are when all workers that there may be are there, and none of them is idle: for [`all_are_busy`](Self::all_are_busy).
    #[must_use]
    pub fn busy_word(&self) -> u64 {
        self.limit << STARTED_SHIFT
    }

    /// Whether no worker is idle, or still to be started: a guess. (When the pool was closed, it says no.)
    #[inline]
    #[must_use]
    pub fn all_are_busy(&self, busy_word: u64) -> bool {
        // Relaxed: it may be old by the time it is looked at.
        self.word.load(Ordering::Relaxed) == busy_word
    }

    #[cold]
    fn notify_slow(&self, mut word: u64) -> bool {
        while self.needs_step(word) {
            let wakes = sleeping(word) > 0;
            let next = if wakes { word - ONE_SLEEPING } else { word + ONE_STARTED } + ONE_SEARCHING;
            // Relaxed, both: it carries no data; the woken thread sees what we saw by axiom 3, a started one by its start.
            match self.word.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) if wakes => {
                    self.wake_one();
                    return false;
                }
                Ok(_) => return true,
                Err(actual) => word = actual,
            }
        }
        false
    }

    /// Wakes a sleeper, if there is one and nobody searches.
    pub fn wake_sleeper(&self) {
        // Relaxed: the steps below decide.
        let mut word = self.word.load(Ordering::Relaxed);
        while searching(word) == 0 && sleeping(word) > 0 && word & OVER == 0 {
            // Relaxed, both: as in `notify_slow`.
            let next = word - ONE_SLEEPING + ONE_SEARCHING;
            match self.word.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return self.wake_one(),
                Err(actual) => word = actual,
            }
        }
    }

    /// Wakes a sleeper, after the step that has counted it as searching.
    fn wake_one(&self) {
        // SAFETY: the key is the address of our own word; the callback is one read-modify-write of it.
        unsafe {
            parking::unpark_one(self.key(), |result| {
                if result.unparked == 0 {
                    // Relaxed: PENDING is read and written under this queue lock only. The sleeper has announced itself and is not
                    // in the queue yet; its `validate` will find this.
                    self.word.fetch_or(PENDING, Ordering::Relaxed);
                }
                SEARCH
            });
        }
    }

    /// Counts a worker more, as searching, if there may be one.
    #[must_use]
    pub fn start(&self) -> bool {
        // Relaxed, all: it carries no data.
        let mut word = self.word.load(Ordering::Relaxed);
        while self.may_start(word) {
            let next = word + ONE_STARTED + ONE_SEARCHING;
            match self.word.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(actual) => word = actual,
            }
        }
        false
    }

    /// A worker that was counted as searching has not come to be, or is gone. Returns how many are left. The caller looks after the jobs, as after
    /// [`found`](Self::found).
    #[must_use]
    pub fn not_started(&self) -> usize {
        // Relaxed: W1 of this worker, and W2 comes right after.
        let prev = self.word.fetch_sub(ONE_STARTED + ONE_SEARCHING, Ordering::Relaxed);
        // W2. SeqCst: between the step of the word and the look at the jobs, which is the caller's.
        fence(Ordering::SeqCst);
        (started(prev) - 1) as usize
    }

    /// A busy worker begins to search.
    pub fn search(&self) {
        // Relaxed: it carries no data. Those who read it may leave their job to us, and we look after this, or come to W2.
        self.word.fetch_add(ONE_SEARCHING, Ordering::Relaxed);
    }

    /// A searching worker has found something. True: it was the last, and has to look whether there is more, and to notify.
    #[must_use]
    pub fn found(&self) -> bool {
        // W1. Relaxed: the fence after it is what counts.
        let prev = self.word.fetch_sub(ONE_SEARCHING, Ordering::Relaxed);
        let was_last = searching(prev) == 1;
        if was_last {
            // W2. SeqCst: between the step of the word and the look at the jobs, which is the caller's.
            fence(Ordering::SeqCst);
        }
        was_last
    }

    /// A searching worker, whose deque is empty, goes to sleep, unless `has_job` finds that there is something to do.
    ///
    /// ```text
    /// announce, fence
    /// over?                            leave
    /// has a job?                       stay, unless a wake-up is on its way to us
    /// all sleep, and it is closed?     say that it is over, and leave
    /// park                             unless a wake-up is pending, or it is over
    /// ```
    pub fn sleep(&self, has_job: impl Fn() -> bool) -> Wake {
        // W1. Relaxed: the fence after it is what counts.
        self.word.fetch_add(ONE_SLEEPING.wrapping_sub(ONE_SEARCHING), Ordering::Relaxed);
        // W2. SeqCst: between the step of the word and the look at the jobs.
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release in `close`; who sees CLOSED sees each job that came in before, in the look that follows.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & OVER != 0 {
                return Wake::Leave;
            }
            // W3.
            let stays = has_job();
            let next = if stays && sleeping(word) > 0 {
                word - ONE_SLEEPING + ONE_SEARCHING
            } else if !stays && word & CLOSED != 0 && sleeping(word) == started(word) {
                word | OVER
            } else {
                break;
            };
            // Relaxed: it carries no data. Acquire on failure: as above.
            match self.word.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Acquire) {
                Ok(_) if stays => return Wake::Search,
                Ok(_) => {
                    // SAFETY: the key is the address of our own word.
                    unsafe { parking::unpark_all(self.key(), LEAVE) };
                    return Wake::Leave;
                }
                Err(actual) => word = actual,
            }
        }
        self.park()
    }

    fn park(&self) -> Wake {
        let mut is_over = false;
        let validate = || {
            // Relaxed: PENDING is read and written under this queue lock only. OVER is set before its setter wakes all, which takes this
            // lock; it carries no data.
            let word = self.word.load(Ordering::Relaxed);
            if word & OVER != 0 {
                is_over = true;
                false
            } else if word & PENDING != 0 {
                // Relaxed: as above.
                self.word.fetch_and(!PENDING, Ordering::Relaxed);
                false
            } else {
                true
            }
        };
        // SAFETY: the key is the address of our own word; `validate` touches nothing else that is shared.
        let result = unsafe { parking::park(self.key(), validate, || {}, |_, _| {}, ParkToken(0), None) };
        if is_over || result == ParkResult::Unparked(LEAVE) { Wake::Leave } else { Wake::Search }
    }

    /// No jobs come from outside any more: the workers leave when there is nothing left to do. The injector was closed before.
    pub fn close(&self) {
        // Release: pairs with the Acquire in `sleep`.
        self.word.fetch_or(CLOSED, Ordering::Release);
        // If all sleep, one of them has to look. (If not, the last to lie down does.)
        self.wake_sleeper();
    }

    /// A worker is gone, after [`Wake::Leave`]. Returns whether it was the last.
    #[must_use]
    pub fn left(&self) -> bool {
        // Relaxed: it carries no data.
        let prev = self.word.fetch_sub(ONE_STARTED + ONE_SLEEPING, Ordering::Relaxed);
        started(prev) == 1
    }

    /// Whether there are no workers. Who has seen a job taken by a worker sees that one.
    pub fn is_empty(&self) -> bool {
        // Acquire: pairs with the Release by which a worker takes a job from the injector; it was started before that.
        fence(Ordering::Acquire);
        self.started() == 0
    }

    /// How many workers there are.
    pub fn started(&self) -> usize {
        // Relaxed: a number that may be old by the time it is looked at.
        started(self.word.load(Ordering::Relaxed)) as usize
    }

    /// How many of them have nothing to do.
    pub fn idle(&self) -> usize {
        // Relaxed: as above.
        let word = self.word.load(Ordering::Relaxed);
        (searching(word) + sleeping(word)) as usize
    }
}
