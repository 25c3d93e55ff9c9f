//! The lock: a byte that is barged for, with bounded starvation, and a bias towards those who find it free.
//!
//! # The state word
//!
//! ```text
//! HANDOFF PARKED LOCKED
//!    0      0      0     free. Nobody has to be woken by an unlock to come
//!    0      0      1     held; its unlock wakes nobody
//!    0      1      1     held; its unlock wakes the thread that has waited longest
//!    1      1      1     held; its unlock gives the lock to a starving waiter, if one is left
//! ```
//!
//! No other pattern occurs: PARKED implies LOCKED, and HANDOFF implies PARKED.
//!
//! # Transitions, as (handoff, parked, locked)
//!
//! ```text
//! lock          0,0,0 -> 0,0,1    or -> 0,1,1 by a woken waiter that knows of others behind it
//! about to park ?,?,1 -> ?,1,1    or -> 1,1,1 by a waiter that is starving
//! unlock        0,0,1 -> 0,0,0    wakes nobody (biased: by a plain store, which may wipe out marks, and then wakes one)
//!               0,1,1 -> 0,0,0    then wakes one (and tells it whether others are left), or a few that a condition has moved here
//!               1,1,1 -> h,p,1    under the queue lock: now it is a starving waiter's
//!                     -> 0,0,0    if none is left; then wakes one of the others
//! unlock_fair   ?,1,1 -> h,p,1    the same for the first waiter, starving or not
//! ```
//!
//! # Invariants
//!
//! 1. LOCKED is set exactly while somebody holds the lock, or it is on its way to a waiter by hand-off.
//! 2. **No waiter is forgotten.** While a thread is in the queue, one of these holds: PARKED is set; or an unlock
//!    has cleared it and is about to unpark; or a woken waiter carries the token `MORE` and has not yet written
//!    the word (each of several, if several were woken). That waiter either takes the lock together with PARKED, or sets PARKED before it parks
//!    again. So unlock may clear PARKED without looking at the queue.
//! 3. PARKED and HANDOFF may be stale: set with nobody in the queue, after a timeout. It costs the next unlock a
//!    look at the queue. The other way round, (2) is not negotiable.
//! 4. A starving waiter is in the queue only while HANDOFF is set (`validate` saw to that). The one exception is a biased release that wipes the mark out at the
//!    moment of revocation: it costs that waiter another turn.
//!
//! # Why a barging lock, and why nobody starves
//!
//! Handing the lock over at each unlock would cost a context switch per critical section. So unlock frees it,
//! and whoever is awake may take it, past the queue. A waiter that is woken, finds the lock taken and has been
//! parking for half a millisecond is *starving*: it parks with a token that says so and with HANDOFF set, and the next
//! unlock keeps LOCKED set and hands the lock to the first starving waiter in the queue. A newcomer can't barge
//! past that.
//!
//! # How a waiter stays awake
//!
//! Two ways of spinning, each of them the worse one where the other belongs. Where sections are short, who finds the lock held looks seldom, and keeps away for the time of many
//! of them: whoever holds it has the cache line to itself meanwhile. Where they are long, it looks all the time, so that the lock is not free for long before somebody has it. Which of the
//! two they are is what those learn who find it held ([`Sections`], in a byte that would be padding): a short section is over at one of the first looks, a long one at none.
//!
//! # The bias: release by a plain store
//!
//! A release by compare-and-swap costs as much as the acquisition: half of what an uncontended lock costs. A plain store would do, but
//! for a waiter that sets PARKED at that moment: the store would wipe the mark, and nobody would know of the waiter. So there is a second word:
//!
//! ```text
//! BIASED   0     release by a plain store; nobody may park
//! REVOKING 1     release by compare-and-swap; who wants to park has to pass a heavy fence first
//! NEVER    2     release by compare-and-swap, for good: the system has no heavy fence
//! CALM     3..   release by compare-and-swap; so many releases by `unlock` since the bias was revoked. After the last it is BIASED again
//! ```
//!
//! ```text
//! unlock, biased                a thread about to park, biased
//! (U1) read bias: BIASED        (P1) bias: BIASED -> REVOKING
//! (U2) store state: UNLOCKED    (P2) heavy fence
//! (U3) light fence              (P3) bias: REVOKING -> CALM
//! (U4) read bias: still BIASED? (P4) set PARKED in state; park, unless the queue lock shows the mark gone or the bias back
//!      if not, wake one
//! ```
//!
//! One thread at a time goes from P1 to P3: who finds REVOKING waits for that one. (If any thread might end any revocation, one that was held up before P3 could end a later one,
//! whose fence is still to come.)
//!
//! The two fences order each other as two `fence(SeqCst)` do, but the light one costs nothing: the heavy one has the system interrupt all
//! processors that run a thread of this process (`primitives/real/fence.rs`).
//!
//! 5. **No waiter is wiped out unseen.** Take a release by a plain store, and a thread that has parked while that lock was held.
//!    Its P2, or the P2 of the one whose CALM it has read last, in `validate`, comes before U3 or after it.
//!    - *P2 came first:* then U4 sees REVOKING, or something later: the unlock wakes one, whatever it has wiped, and tells it of the others.
//!    - *U3 came first:* then whoever comes after P2 sees UNLOCKED in P4, or something later: it did not park on this holder.
//!
//!    If "something later" in U4 is BIASED again, the queue was empty since (6).
//! 6. While the bias is BIASED nobody is in the queue, or the one who was told `MORE` is on its way, and revokes the bias before it takes the
//!    lock. It is set under the queue lock with an empty queue; and `validate` and `mark_parked_if_locked`, under the queue lock, let nobody in.
//! 7. A release by compare-and-swap is right whatever the bias says: it wipes nothing. So only `unlock`, whose caller vouches that the lock is
//!    held, uses the store; and a stale look at the bias that shows CALM does no harm.
//!
//! Unlike one by compare-and-swap, a biased release reads the lock (U4) after it. The caller's borrow covers that; see [`RawLock`] on what the memory has to stay.
//!
//! A revocation costs about what a futex call costs, once; then the lock is as it would be without a bias for the next 65,000 releases.
//! (Models: `lock_biased_*`.)
//!
//! An unlock without an atomic read-modify-write, with the cost put on the waiter, is the asymmetric Dekker synchronisation of Dave Dice, Hui Huang and
//! Mingyao Yang (2001), and the revocable bias that of Dice, Mark Moir and William Scherer, "Quickly Reacquirable Locks" (2003); but theirs is biased towards one
//! thread, and this one towards all that find it free.
//!
//! # Sources
//!
//! The free/held/contended core is the three-state futex mutex of Ulrich Drepper, "Futexes Are Tricky" (2004);
//! the starvation mode is that of Go's `sync.Mutex` (2016), without its queue-wide switch.

use core::cell::Cell;
use core::fmt;
use core::time::Duration;

use crate::deadline::Deadline;
use crate::error::NotLocked;
use crate::primitives::advice::Sections;
use crate::primitives::atomic::{AtomicU8, AtomicU16, Ordering, Overwrite as _};
use crate::primitives::const_fn;
use crate::primitives::fence;
use crate::primitives::parking::{self, FilterOp, ParkResult, ParkToken, UnparkToken, Unparked, WakeHint};
use crate::primitives::thread;
use crate::primitives::time::{Instant, Patience};
use crate::spin::{self, Snooze, Spin};

const UNLOCKED: u8 = 0;
const LOCKED: u8 = 0b001;
const PARKED: u8 = 0b010;
const HANDOFF: u8 = 0b100;

const BIASED: u16 = 0;
const REVOKING: u16 = 1;
const NEVER: u16 = 2;
const LAST_CALM: u16 = u16::MAX;
const FIRST_CALM: u16 = LAST_CALM - fence::CALM + 1;

const fn is_biased(bias: u16) -> bool {
    bias <= REVOKING
}

/// Told to a woken waiter: nobody was left in the queue.
pub(crate) const LAST: UnparkToken = UnparkToken(0);
/// Told to a woken waiter: others were left in the queue, and you answer for them (invariant 2).
pub(crate) const MORE: UnparkToken = UnparkToken(1);
/// Told to a woken waiter: the lock is yours.
pub(crate) const HANDED_OFF: UnparkToken = UnparkToken(2);

/// Said by a waiter that has not been passed over for long. (One that came by way of a `Condition` says where its [`WakeHint`] is.)
const PATIENT: ParkToken = ParkToken(0);
const STARVING: ParkToken = ParkToken(1);

/// So many waiters of a condition that one notify of all has moved to the queue are woken by one release, if they are next. Waking takes longer than a short
/// section, so one by one is a chain of wake-ups. A bound, since those who find the lock taken have been woken for nothing.
const MOVED_AT_ONCE: usize = 4;

/// Whether this is said by one who came by way of a condition: it is the address of its [`WakeHint`] then.
fn is_moved(token: ParkToken) -> bool {
    // No address: 0 and 1 are taken.
    token != PATIENT && token != STARVING
}

/// Gives a waiter that is being woken its hint, if it has one.
///
/// # Safety
///
/// The caller is a filter on the queue of a lock, which was shown this token.
unsafe fn give_hint(token: ParkToken) {
    if is_moved(token) {
        // SAFETY: only the waiters of conditions park by such tokens, and this one is in the queue, as the caller promises.
        unsafe { WakeHint::give(token) };
    }
}

const fn is_locked(state: u8) -> bool {
    state & LOCKED != 0
}

const fn has_waiters(state: u8) -> bool {
    state & PARKED != 0
}

const fn wants_handoff(state: u8) -> bool {
    state & HANDOFF != 0
}

/// Tells the thread about to be woken whether it answers for others.
pub(crate) const fn wake_token(others: bool) -> UnparkToken {
    if others { MORE } else { LAST }
}

/// A lock without data, for those who bring their own guard: bindings to other languages, `lock_api`.
///
/// Four bytes. Any thread may release it, not only the one that acquired it. Everything that
/// [`Lock`](crate::Lock) says of fairness, timeouts and memory ordering holds.
///
/// As with every type of this crate, the memory has to stay what it is until every call on it has returned, that of the last
/// release included: waiters are found by its address. (Safe code has no choice.)
///
/// # Examples
///
/// ```
/// use raddle::raw::RawLock;
///
/// let lock = RawLock::new();
/// lock.lock();
/// assert!(!lock.try_lock());
/// // Another thread releases it.
/// std::thread::scope(|s| {
///     s.spawn(|| assert!(lock.checked_unlock().is_ok()));
/// });
/// assert!(lock.checked_unlock().is_err(), "it is free");
/// ```
///
/// # Coming from Python
///
/// This is `threading.Lock` to the letter: `acquire` is [`lock`](RawLock::lock), and `release`, with its
/// `RuntimeError` for a lock that is free, is [`checked_unlock`](RawLock::checked_unlock).
#[repr(C)]
pub struct RawLock {
    /// Comes first: waiters are found by its address, which is the lock's ([`key_at`](RawLock::key_at)).
    state: AtomicU8,
    /// How long the lock is held each time: for those who wait.
    sections: Sections,
    bias: AtomicU16,
}

impl RawLock {
    const_fn! {
        /// A free lock.
        pub const fn new() -> RawLock {
            RawLock {
                state: AtomicU8::new(UNLOCKED),
                sections: Sections::new(),
                bias: AtomicU16::new(LAST_CALM - fence::CALM_AT_FIRST + 1),
            }
        }
    }

    /// Acquires the lock, and blocks for as long as somebody else holds it.
    #[doc(alias = "acquire")]
    #[inline]
    pub fn lock(&self) {
        if !self.try_lock_fast() {
            self.lock_slow(Deadline::Never, LOCKED);
        }
    }

    /// Acquires the lock if it is free. Never blocks.
    #[inline]
    #[must_use]
    pub fn try_lock(&self) -> bool {
        // Acquire: pairs with the Release in `unlock` and `unlock_slow`; we see what earlier holders wrote.
        // Relaxed on failure: we learn only that it is held. PARKED implies LOCKED, so "not 0" is "held".
        self.state.compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Acquires the lock unless `timeout` passes first; says whether it did. Zero does not block, and a timeout
    /// too long for the clock is none at all.
    #[inline]
    #[must_use]
    pub fn try_lock_for(&self, timeout: Duration) -> bool {
        self.try_lock_fast() || self.lock_slow(Deadline::after(timeout), LOCKED)
    }

    /// Acquires the lock unless `deadline` passes first; says whether it did. A deadline in the past does not
    /// block.
    #[inline]
    #[must_use]
    pub fn try_lock_until(&self, deadline: Instant) -> bool {
        self.try_lock_fast() || self.lock_slow(Deadline::At(deadline), LOCKED)
    }

    /// Whether somebody holds the lock. By the time you read the answer it may have changed.
    #[inline]
    pub fn is_locked(&self) -> bool {
        // Relaxed: an answer that may be stale anyway orders nothing.
        is_locked(self.state.load(Ordering::Relaxed))
    }

    /// Releases the lock, and wakes a waiter if there is one.
    ///
    /// # Panics
    ///
    /// With debug assertions, if the lock is free. Without them such a call does nothing.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, or acts for whoever does: after this call another thread may enter.
    #[inline]
    pub unsafe fn unlock(&self) {
        if !fence::biasing() {
            return self.unlock_or_complain();
        }
        // U1. Relaxed: BIASED was set by an earlier holder or by none, so that we see it or what came later; anything else is right in any case (invariant 7).
        let bias = self.bias.load(Ordering::Relaxed);
        if bias != BIASED {
            return self.unlock_calm(bias);
        }
        debug_assert!(self.is_locked(), "RawLock::unlock: the lock is not held by anybody");
        // U2. Release: pairs with the Acquire in `try_lock` and `lock_slow`; the next holder sees what we wrote. A plain store: see "the bias".
        self.state.overwrite(UNLOCKED, Ordering::Release);
        // U3. SeqCst: pairs with the heavy one in `revoke` (invariant 5).
        fence::light();
        // U4. Relaxed: the fence before it is what counts.
        if self.bias.load(Ordering::Relaxed) != BIASED {
            Self::wake_next(self.key());
        }
    }

    /// `unlock` while the lock is not biased: one calm release more.
    #[inline]
    fn unlock_calm(&self, bias: u16) {
        if bias > NEVER {
            if bias == LAST_CALM {
                self.set_bias();
            } else {
                // Relaxed: it carries no data but this count. A plain store beside the compare-and-swaps of `revoke`, which leave CALM alone: only holders write
                // it, and no two at a time.
                self.bias.overwrite(bias + 1, Ordering::Relaxed);
            }
        }
        self.unlock_or_complain();
    }

    #[inline]
    fn unlock_or_complain(&self) {
        let released = self.checked_unlock();
        debug_assert!(released.is_ok(), "RawLock::unlock: the lock is not held by anybody");
    }

    /// By the holder: the lock was calm for long, and is biased if nobody is in its queue.
    #[cold]
    fn set_bias(&self) {
        if !fence::is_there() {
            // Relaxed: it carries no data.
            self.bias.overwrite(NEVER, Ordering::Relaxed);
            return;
        }
        let is_empty = Cell::new(true);
        let filter = |_| {
            is_empty.set(false);
            FilterOp::Stop
        };
        let callback = |_| {
            let next = if is_empty.get() { BIASED } else { FIRST_CALM };
            // Relaxed: `validate` reads it under this queue lock; and who takes the lock after us sees it by our release.
            self.bias.overwrite(next, Ordering::Relaxed);
            LAST
        };
        // SAFETY: the key is the address of our own state word; the filter sets a flag, and the callback writes one word of ours.
        unsafe { parking::unpark_filter(self.key(), filter, callback) };
    }

    /// Makes sure that the lock is not biased, so that its releases heed marks: by who is about to set one.
    fn revoke(&self) {
        if !fence::biasing() {
            return;
        }
        let mut snooze = Snooze::new();
        loop {
            // Acquire: pairs with the Release in `try_revoke`; who finds the fence behind it may rely on it, and needs none of its own.
            match self.bias.load(Ordering::Acquire) {
                BIASED if self.try_revoke() => return,
                BIASED => {}
                // Another is between P1 and P3, where it does not block.
                REVOKING => snooze.snooze(),
                _ => return,
            }
        }
    }

    /// Revokes the bias, unless another was faster.
    #[cold]
    fn try_revoke(&self) -> bool {
        // P1. Relaxed, both: the fence after it is what counts.
        if self.bias.compare_exchange(BIASED, REVOKING, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        // P2. SeqCst: pairs with the light one in `unlock` (invariant 5).
        fence::heavy();
        // P3. Release: pairs with the Acquires in `revoke`, `validate` and `mark_parked_if_locked`. Nobody but us takes REVOKING away.
        self.bias.overwrite(FIRST_CALM, Ordering::Release);
        true
    }

    /// Releases the lock, whoever holds it, and wakes a waiter if there is one.
    ///
    /// # Errors
    ///
    /// [`NotLocked`] if nobody holds it; nothing has changed then. Of two racing calls on a lock acquired once,
    /// exactly one succeeds.
    #[doc(alias = "release")]
    #[inline]
    pub fn checked_unlock(&self) -> Result<(), NotLocked> {
        // Release: pairs with the Acquire in `try_lock` and `lock_slow`; the next holder sees what we wrote.
        // Relaxed on failure: `unlock_slow` starts from the value, and its own operations order.
        match self.state.compare_exchange(LOCKED, UNLOCKED, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(actual) => self.unlock_slow(actual),
        }
    }

    /// Releases the lock by giving it to the thread that has waited longest, past every newcomer. Without a
    /// waiter it is a plain release.
    ///
    /// # Errors
    ///
    /// [`NotLocked`] if nobody holds it.
    pub fn checked_unlock_fair(&self) -> Result<(), NotLocked> {
        // Release and Relaxed: as in `checked_unlock`.
        match self.state.compare_exchange(LOCKED, UNLOCKED, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(actual) if !is_locked(actual) => Err(NotLocked),
            Err(_) => self.hand_off(|_| true),
        }
    }

    /// Acquires the lock for a thread that a [`MORE`] token has made answerable for others (invariant 2).
    #[cold]
    pub(crate) fn lock_answering_for_others(&self) {
        self.lock_slow(Deadline::Never, LOCKED | PARKED);
    }

    /// Under the queue lock: if the lock is held, makes sure that its unlock looks at the queue, and says true.
    /// `Condition` then moves its waiters here.
    pub(crate) fn mark_parked_if_locked(&self) -> bool {
        // Acquire: as in `revoke`.
        if fence::biasing()
            && self.is_locked()
            && is_biased(self.bias.load(Ordering::Acquire))
            && !self.try_revoke()
        {
            // Another is just revoking the bias, and we don't wait for that under the queue lock: as if it were free.
            return false;
        }
        // It does not become BIASED again while we have the queue lock. A release by a plain store that comes after the fence sees to the queue in any
        // case (U4), and waits for that until whom we move is in it; one that came before is seen from here on, whatever the word showed before.
        // Relaxed, all three: the queue lock, which every unlock that finds PARKED takes, orders this against
        // that unlock's look at the queue; the word itself carries no data here.
        let mut state = self.state.load(Ordering::Relaxed);
        while is_locked(state) {
            if has_waiters(state) {
                // Old news at worst: an unlock that has cleared it since has yet to look at the queue, which is
                // locked by us, and will find there whom we move.
                return true;
            }
            // Relaxed, both: as above.
            match self.state.compare_exchange_weak(
                state,
                state | PARKED,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(actual) => state = actual,
            }
        }
        false
    }

    /// Where the lock's waiters park.
    pub(crate) fn key(&self) -> usize {
        (&raw const self.state).addr()
    }

    /// [`key`](RawLock::key), without following the pointer.
    pub(crate) fn key_at(lock: *const RawLock) -> usize {
        const { assert!(core::mem::offset_of!(RawLock, state) == 0) };
        lock.addr()
    }

    #[inline]
    fn try_lock_fast(&self) -> bool {
        // Acquire: pairs with the Release in `unlock` and `unlock_slow`; we see what earlier holders wrote.
        // Relaxed on failure: `lock_slow` looks again. A spurious failure only costs that look.
        self.state.compare_exchange_weak(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Says whether it got the lock. `take` is what to write when it does: with PARKED if this thread answers
    /// for others in the queue.
    ///
    /// ```text
    /// look a few times      to know how to spin
    /// loop
    ///     free?             take it
    ///     nobody parked?    spin a little
    ///     mark the word     PARKED, and HANDOFF once starving
    ///     park              unless the mark is gone
    /// ```
    #[cold]
    fn lock_slow(&self, deadline: Deadline, mut take: u8) -> bool {
        let deadline = deadline.or_now();
        let mut patience = None;
        let mut marks = PARKED;
        // Relaxed: only a guess, the CAS below decides.
        let mut state = self.state.load(Ordering::Relaxed);
        if !deadline.is_now() {
            state = self.look_first(state);
        }
        let mut spin = Spin::at_lock(&self.sections);
        loop {
            if !is_locked(state) {
                if has_waiters(take) {
                    self.revoke();
                }
                // Acquire: pairs with the Release in `unlock` and `unlock_slow`; we see what earlier holders
                // wrote. Relaxed on failure: it is the next guess.
                match self.state.compare_exchange_weak(state, take, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => return true,
                    Err(actual) => state = actual,
                }
                continue;
            }
            if deadline.is_now() {
                return false;
            }
            if !has_waiters(state) && spin.spin() {
                // Relaxed: only a guess, the CAS above decides.
                state = self.state.load(Ordering::Relaxed);
                continue;
            }
            self.revoke();
            if state & marks != marks {
                // Relaxed, both: the marks carry no data. `validate` looks at them again under the queue lock,
                // and who clears them unparks under that lock afterwards.
                match self.state.compare_exchange_weak(
                    state,
                    state | marks,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {}
                    Err(actual) => {
                        state = actual;
                        continue;
                    }
                }
            }

            let patience = patience.get_or_insert_with(Patience::start_short);
            let token = if wants_handoff(marks) { STARVING } else { PATIENT };
            // The marks may have gone since we set them: an unlock cleared them and perhaps looked at the queue
            // before we were in it. Then nobody would wake us (models: lock_two_threads_twice).
            // Relaxed: whoever cleared the marks and has looked at the queue did so under this queue lock.
            // Acquire, for the bias: as in `revoke`.
            let validate = || {
                !(fence::biasing() && is_biased(self.bias.load(Ordering::Acquire)))
                    && self.state.load(Ordering::Relaxed) & marks == marks
            };
            let before_sleep = || {};
            // Stale marks are allowed (invariant 3).
            let timed_out = |_, _| {};
            // SAFETY: the key is the address of our own state word; `validate` is a load and a comparison, and
            // the others do nothing.
            let result = unsafe {
                parking::park(self.key(), validate, before_sleep, timed_out, token, deadline.instant())
            };
            match result {
                // The one who handed the lock over wrote the word for us, LOCKED included. What it wrote before
                // we see by axiom 3.
                ParkResult::Unparked(HANDED_OFF) => return true,
                ParkResult::Unparked(token) => {
                    take = if token == MORE { LOCKED | PARKED } else { LOCKED };
                    if patience.is_exhausted() {
                        marks = PARKED | HANDOFF;
                    }
                }
                ParkResult::Invalid => {}
                // We were not taken from the queue, so we answer for nobody: who did answer for others when it
                // parked had set PARKED before.
                ParkResult::TimedOut => return false,
            }
            spin.reset();
            // Relaxed: only a guess, the CAS above decides.
            state = self.state.load(Ordering::Relaxed);
        }
    }

    /// The first looks: they tell all waiters whether sections are long, unless somebody is parked in this one. Returns the state as it was last seen.
    fn look_first(&self, mut state: u8) -> u8 {
        let mut looks = 0;
        while is_locked(state) && !has_waiters(state) && looks < thread::spin_steps(spin::FIRST_LOOKS) {
            looks += 1;
            thread::pause(1);
            // Relaxed: only a guess, as in `lock_slow`.
            state = self.state.load(Ordering::Relaxed);
        }
        if !has_waiters(state) {
            self.sections.have_seen(is_locked(state));
        }
        state
    }

    #[cold]
    fn unlock_slow(&self, mut state: u8) -> Result<(), NotLocked> {
        let key = self.key();
        loop {
            if !is_locked(state) {
                return Err(NotLocked);
            }
            if wants_handoff(state) {
                return self.hand_off(|token| token == STARVING);
            }
            // Release: pairs with the Acquire in `try_lock` and `lock_slow`; the next holder sees what we wrote.
            // Relaxed on failure: it is the next guess.
            match self.state.compare_exchange_weak(state, UNLOCKED, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(actual) => state = actual,
            }
        }
        if has_waiters(state) {
            Self::wake_next(key);
        }
        Ok(())
    }

    /// Gives the lock, still LOCKED, to the first waiter whose token `wanted` accepts. If there is none, frees it and
    /// wakes the first of the others.
    #[cold]
    fn hand_off(&self, wanted: impl Fn(ParkToken) -> bool) -> Result<(), NotLocked> {
        let key = self.key();
        let picked = Cell::new(false);
        let more_starving = Cell::new(false);
        let not_locked = Cell::new(false);
        let filter = |token: ParkToken| {
            if picked.get() {
                // We look further only to learn whether HANDOFF has to stay (invariant 4).
                if token == STARVING {
                    more_starving.set(true);
                    return FilterOp::Stop;
                }
                return FilterOp::Skip;
            }
            if wanted(token) {
                picked.set(true);
                // SAFETY: this is a filter.
                unsafe { give_hint(token) };
                FilterOp::Unpark
            } else {
                FilterOp::Skip
            }
        };
        let callback = |result: Unparked| {
            let mut next = UNLOCKED;
            if result.unparked > 0 {
                next = LOCKED;
                if result.have_more {
                    next |= PARKED;
                }
                if more_starving.get() {
                    next |= HANDOFF;
                }
            }
            // Relaxed: only a guess, the CAS below decides.
            let mut state = self.state.load(Ordering::Relaxed);
            loop {
                if !is_locked(state) {
                    // Another thread has released it meanwhile; the waiter we picked looks for itself.
                    not_locked.set(true);
                    return wake_token(result.have_more);
                }
                // Release, for when it frees the lock: pairs with the Acquire in `try_lock` and `lock_slow`. (When it
                // hands over, the new owner sees what we wrote by axiom 3.) Relaxed on failure: it is the next guess.
                // Marks that a thread has set in the meantime may be lost here: it is not in the queue yet, and its
                // `validate` finds them gone.
                match self.state.compare_exchange_weak(state, next, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => return HANDED_OFF,
                    Err(actual) => state = actual,
                }
            }
        };
        // SAFETY: the key is the address of our own state word; the filter reads a token, and the callback loops
        // on our word only: neither unwinds nor parks.
        let result = unsafe { parking::unpark_filter(key, filter, callback) };
        if not_locked.get() {
            return Err(NotLocked);
        }
        if result.unparked == 0 && result.have_more {
            Self::wake_next(key);
        }
        Ok(())
    }

    /// After a release that has cleared PARKED. The lock may be another's by now: only its address is used.
    fn wake_next(key: usize) {
        let room = Cell::new(MOVED_AT_ONCE);
        let filter = |token| {
            // SAFETY: this is a filter, and the waiters of conditions park by such tokens.
            let is_one_of_many = is_moved(token) && unsafe { WakeHint::has_joined_neighbours(token) };
            let takes = if is_one_of_many { 1 } else { MOVED_AT_ONCE };
            if room.get() < takes {
                return FilterOp::Stop;
            }
            room.set(room.get() - takes);
            // SAFETY: this is a filter.
            unsafe { give_hint(token) };
            FilterOp::Unpark
        };
        let callback = |result: Unparked| wake_token(result.have_more);
        // SAFETY: the key is the address of our own state word, which the caller's borrow keeps ours until we return. The
        // filter writes a hint, and the callback only picks a token.
        unsafe { parking::unpark_filter(key, filter, callback) };
    }
}

impl Default for RawLock {
    fn default() -> RawLock {
        RawLock::new()
    }
}

impl fmt::Debug for RawLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawLock").field("locked", &self.is_locked()).finish()
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn who_finds_it_held_for_long_learns_that_sections_are_long() {
        let lock = RawLock::new();
        lock.lock();
        let look = |state| lock.look_first(state);
        for _ in 0..100 {
            look(LOCKED | PARKED);
            assert!(!lock.sections.are_long(), "of a section in which somebody parks nothing is learned");
        }
        for _ in 0..100 {
            assert_eq!(look(LOCKED), LOCKED);
        }
        assert!(lock.sections.are_long());
        // SAFETY: we hold it.
        unsafe { lock.unlock() };
        for _ in 0..100 {
            assert_eq!(look(LOCKED), UNLOCKED, "it was released before the first look");
        }
        assert!(!lock.sections.are_long());
    }

    #[test]
    fn who_has_no_time_learns_nothing() {
        let lock = RawLock::new();
        lock.lock();
        for _ in 0..100 {
            assert!(!lock.try_lock());
            assert!(!lock.try_lock_for(Duration::ZERO));
        }
        assert!(!lock.sections.are_long());
    }
}
