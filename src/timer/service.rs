//! The thread behind the timers: it sleeps until the next deadline, and runs what is due.
//!
//! Whoever puts a timer in wakes it only if that is earlier than all it sleeps for: `wakes_at`, which stands with the wheel under the lock. While the
//! thread is awake that is zero, so nobody wakes it; it looks into the wheel, with the lock held, before it sleeps. No wake-up is lost: a timer that came before that look
//! is seen in it; one that came later saw `wakes_at`, and sets the event on which the thread waits, or is about to.

use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::node::{self, Ended, HANDLE, Header, SERVICE};
use super::wheel::{Due, Found, Wheel};
use crate::deadline::Deadline;
use crate::error::{TimerStartError, TryApplyError};
use crate::event::Event;
use crate::hook::{Hook, PanicHook};
use crate::lock::{Lock, LockGuard};
use crate::pool::WorkPool;
use crate::primitives::cell::prefetch_for_write;
use crate::primitives::parking::ParkResult;
use crate::primitives::thread::{self, JoinHandle};
use crate::primitives::time::{self, Instant};
use crate::spin::Spin;

/// So many timers are taken out of the wheel at a time, or those of one tick: few enough that nobody waits long for the lock.
const BATCH: usize = 64;

/// So many timers before its turn, the memory of one is asked for: they stand in the order of their deadlines, which is none for the memory.
const AHEAD: usize = 8;

/// A deadline that doesn't come: what is too long for the clock.
const NEVER: u64 = u64::MAX;

/// What is pending, and what the thread does about it.
struct State {
    wheel: Wheel,
    /// Taken out of the wheel to be run, and not begun.
    due: VecDeque<Due>,
    /// The deadline that the thread sleeps for; zero while it is awake or isn't there, the greatest number while it sleeps for nothing.
    wakes_at: u64,
    is_shut_down: bool,
    /// The thread waits for room in the pool's queue, or is about to.
    waits_for_room: bool,
    thread: Option<JoinHandle<()>>,
}

pub(super) struct Service {
    state: Lock<State>,
    /// There is something for the thread to look at.
    changed: Event,
    begin: Instant,
    name: String,
    /// Where the functions run, if not in the service's own thread.
    pool: Option<Arc<WorkPool>>,
    panic_hook: Option<PanicHook>,
}

// SAFETY: the timers in it may go from thread to thread.
unsafe impl Send for State {}

/// A timer that is due, on its way through a pool. If it is dropped there, the timer is cancelled.
struct Fire {
    service: Arc<Service>,
    node: NonNull<Header>,
}

// SAFETY: timers may be run on any thread.
unsafe impl Send for Fire {}

impl Fire {
    fn run(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: it is not dropped any more, so the service is moved out once.
        let service = unsafe { core::ptr::read(&this.service) };
        // SAFETY: the service holds the timer, which was given to us; if we have begun it, its function is ours.
        unsafe {
            let is_begun = {
                let mut state = service.state.lock();
                !state.is_shut_down && state.wheel.begin(this.node)
            };
            if !is_begun {
                service.cancel_taken(this.node);
            } else {
                let running = Running::new(&service);
                let outer = thread::set_timer((&raw const running).cast());
                let is_over = service.perform(this.node, &running);
                thread::set_timer(outer);
                if is_over {
                    drop(service.end(service.state.lock(), this.node, SERVICE));
                }
            }
        }
    }
}

impl Drop for Fire {
    fn drop(&mut self) {
        // SAFETY: the service holds the timer, which was given to us.
        unsafe { self.service.cancel_taken(self.node) };
    }
}

/// What a thread is at that runs functions: on its stack.
struct Running {
    /// Null: it is between them.
    node: Cell<*mut Header>,
    service: *const Service,
}

impl Running {
    fn new(service: &Arc<Service>) -> Running {
        Running { node: Cell::new(ptr::null_mut()), service: Arc::as_ptr(service) }
    }
}

impl Service {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(name: String, pool: Option<Arc<WorkPool>>, panic_hook: Option<PanicHook>) -> Service {
        let state = State {
            wheel: Wheel::new(),
            due: VecDeque::new(),
            wakes_at: 0,
            is_shut_down: false,
            waits_for_room: false,
            thread: None,
        };
        Service { state: Lock::new(state), changed: Event::new(), begin: time::now(), name, pool, panic_hook }
    }

    pub(super) fn hook(&self) -> Hook<'_> {
        Hook(self.panic_hook.as_ref())
    }

    pub(super) fn pending(&self) -> usize {
        self.state.lock().wheel.len()
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.state.lock().is_shut_down
    }

    /// Nanoseconds since the service began.
    fn now(&self) -> u64 {
        self.nanos_until(time::now())
    }

    /// Nanoseconds from when the service began until then.
    fn nanos_until(&self, instant: Instant) -> u64 {
        node::nanos(instant.saturating_duration_since(self.begin))
    }

    /// Starts a timer. One whose delay is too long for the clock never runs.
    ///
    /// # Errors
    ///
    /// It was started or cancelled before, or the service is shut down: then it is cancelled.
    ///
    /// # Panics
    ///
    /// If the operating system has no thread to give, and none was started before. The timer is cancelled then.
    pub(super) fn start(self: &Arc<Self>, node: NonNull<Header>) -> Result<(), TimerStartError> {
        let now = self.now();
        let mut state = self.state.lock();
        // SAFETY: the caller's handle holds the timer.
        unsafe {
            if node.as_ref().is_started() {
                return Err(TimerStartError::Started);
            }
            if state.wheel.is_cancelled(node) {
                return Err(TimerStartError::Cancelled);
            }
            node.as_ref().start();
        }
        self.take_in(state, node, |delay| now.saturating_add(delay), now)
    }

    /// As `start`, for a timer that was made as started, and that nobody else knows.
    pub(super) fn start_new(self: &Arc<Self>, node: NonNull<Header>) -> Result<(), TimerStartError> {
        let now = self.now();
        self.take_in(self.state.lock(), node, |delay| now.saturating_add(delay), now)
    }

    /// As `start_new`, with a deadline instead of a delay. One that has passed is due at once, and one that is too far for the clock never.
    pub(super) fn start_new_at(
        self: &Arc<Self>,
        node: NonNull<Header>,
        deadline: Instant,
    ) -> Result<(), TimerStartError> {
        let (deadline, now) = (self.nanos_until(deadline), self.now());
        self.take_in(self.state.lock(), node, |_| deadline, now)
    }

    fn take_in(
        self: &Arc<Self>,
        state: LockGuard<'_, State>,
        node: NonNull<Header>,
        deadline: impl FnOnce(u64) -> u64,
        now: u64,
    ) -> Result<(), TimerStartError> {
        match self.arm(state, node, deadline, now) {
            Ok(true) => Ok(()),
            Ok(false) => Err(TimerStartError::ShutDown),
            Err(error) => panic!("Timer: could not start the thread of the service: {error}"),
        }
    }

    /// Puts a timer into the wheel that the service holds, with a deadline made from its last one, or from its delay. The caller has its function, to run or to drop it. False: the
    /// service is shut down, and the timer is cancelled.
    fn arm(
        self: &Arc<Self>,
        mut state: LockGuard<'_, State>,
        node: NonNull<Header>,
        deadline: impl FnOnce(u64) -> u64,
        now: u64,
    ) -> io::Result<bool> {
        // SAFETY: the service holds the timer; its place is touched with the lock held.
        unsafe {
            if state.is_shut_down {
                self.give_up(state, node);
                return Ok(false);
            }
            if state.thread.is_none() {
                match thread::spawn(self.name.clone(), {
                    let service = Arc::clone(self);
                    move || service.run()
                }) {
                    Ok(thread) => state.thread = Some(thread),
                    Err(error) => {
                        self.give_up(state, node);
                        return Err(error);
                    }
                }
            }
            let place = node.as_ref().place().get();
            let deadline = deadline((*place).deadline);
            (*place).deadline = deadline;
            state.wheel.insert(node, now);
            let wakes = deadline < state.wakes_at;
            if wakes {
                state.wakes_at = deadline;
            }
            drop(state);
            if wakes {
                self.changed.set();
            }
        }
        Ok(true)
    }

    /// Cancels a timer: true if its function will never run again.
    ///
    /// # Safety
    ///
    /// The caller's handle holds it.
    pub(super) unsafe fn cancel(&self, node: NonNull<Header>) -> bool {
        // SAFETY: the caller's promise; and the function is ours.
        unsafe {
            let mut state = self.state.lock();
            let held = match state.wheel.cancel(node) {
                Found::Linked => SERVICE,
                Found::Waiting => 0,
                Found::Gone => return false,
            };
            self.drop_and_end(state, node, held);
        }
        true
    }

    /// Cancels a timer that was taken out of the wheel as due, for the service.
    ///
    /// # Safety
    ///
    /// The service holds it, and does not any more. The timer was not begun.
    unsafe fn cancel_taken(&self, node: NonNull<Header>) {
        // SAFETY: the caller's promise; and the function is ours, if nobody else has cancelled it.
        unsafe {
            let mut state = self.state.lock();
            if state.wheel.is_cancelled(node) {
                drop(self.let_go(state, node, SERVICE));
            } else {
                self.give_up(state, node);
            }
        }
    }

    /// Ends a timer without running it (again), and lets go of it for the service.
    ///
    /// # Safety
    ///
    /// The service holds it, and does not any more. The function is the caller's.
    unsafe fn give_up<'a>(&'a self, mut state: LockGuard<'a, State>, node: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe {
            state.wheel.cancel(node);
            self.drop_and_end(state, node, SERVICE);
        }
    }

    /// Drops the function of a timer that was cancelled, and ends it.
    ///
    /// # Safety
    ///
    /// As for `end`, and the function is the caller's.
    unsafe fn drop_and_end<'a>(&'a self, mut state: LockGuard<'a, State>, node: NonNull<Header>, held: u8) {
        // SAFETY: the caller's promise.
        unsafe {
            if !node.as_ref().is_plain() {
                // Not with the lock held: it is the user's code.
                drop(state);
                Header::drop_function(node, self.hook());
                state = self.state.lock();
            }
            drop(self.end(state, node, held));
        }
    }

    /// The timer has ended, and its function is gone: wakes those who wait for that, and lets go of it by the bits `held`. Gives the lock up for a moment, if there is
    /// somebody to wake, or memory to free.
    ///
    /// # Safety
    ///
    /// The caller holds it by those bits, and does not any more; or by the handle.
    #[inline]
    unsafe fn end<'a>(
        &'a self,
        state: LockGuard<'a, State>,
        node: NonNull<Header>,
        held: u8,
    ) -> LockGuard<'a, State> {
        // SAFETY: the caller's promise; and who is awaited is not let go of yet.
        unsafe {
            match Header::end(node, held) {
                Ended::Held => state,
                Ended::Unheld => self.free(state, node),
                Ended::Awaited => {
                    drop(state);
                    node.as_ref().wake();
                    self.let_go(self.state.lock(), node, held)
                }
            }
        }
    }

    /// Lets go of a timer by the bits `held`, and frees it if that was the last.
    ///
    /// # Safety
    ///
    /// The caller holds it by those bits, and does not any more; or by the handle. If nobody else holds it, its function is gone.
    unsafe fn let_go<'a>(
        &'a self,
        state: LockGuard<'a, State>,
        node: NonNull<Header>,
        held: u8,
    ) -> LockGuard<'a, State> {
        // SAFETY: the caller's promise.
        unsafe { if Header::let_go(node, held) { self.free(state, node) } else { state } }
    }

    /// Frees a timer, and gives the lock up while it does.
    ///
    /// # Safety
    ///
    /// Nobody holds it, and its function is gone.
    unsafe fn free<'a>(&'a self, state: LockGuard<'a, State>, node: NonNull<Header>) -> LockGuard<'a, State> {
        drop(state);
        // SAFETY: the caller's promise.
        unsafe { Header::free(node) };
        self.state.lock()
    }

    /// Lets the handle go, while the service holds the timer too, or did just now.
    ///
    /// # Safety
    ///
    /// Once, by the handle. The timer was started.
    pub(super) unsafe fn let_handle_go(&self, node: NonNull<Header>) {
        // SAFETY: the handle holds it; and who lets go as the last but one has ended it.
        drop(unsafe { self.let_go(self.state.lock(), node, HANDLE) });
    }

    /// Waits until the timer has ended, or the deadline passes. Says whether it has. For the holder of the handle.
    ///
    /// ```text
    /// loop
    ///     done?            return
    ///     look again       for a while
    ///     mark the word    PARKED, if it is not done
    ///     park             if it is not done
    /// ```
    pub(super) fn wait(&self, timer: &Header, deadline: Deadline) -> bool {
        let mut deadline = deadline.or_now();
        let mut spin = Spin::new();
        loop {
            if timer.is_done() {
                return true;
            }
            if deadline.is_now() {
                return false;
            }
            if spin.spin() {
                continue;
            }
            let is_pending = {
                let _state = self.state.lock();
                timer.mark_parked()
            };
            if is_pending && timer.park(deadline) == ParkResult::TimedOut {
                deadline = Deadline::Now;
            }
        }
    }

    /// What the thread does.
    ///
    /// ```text
    /// loop
    ///     end what has run
    ///     take out of the wheel what is due     and begin the first of it
    ///     nothing? sleep                        until the next deadline, or something earlier comes
    /// ```
    fn run(self: Arc<Self>) {
        thread::precise_wakeups();
        let running = Running::new(&self);
        let outer = thread::set_timer((&raw const running).cast());
        // What we know to have passed: what the clock says, or what we have waited for.
        let mut passed = 0;
        // What has run, and is to be ended, for which we need the lock that we take next anyway.
        let mut ended = None;
        loop {
            let mut state = self.state.lock();
            if let Some(node) = ended.take() {
                // SAFETY: we have run it, so the service holds it, and the function is gone.
                state = unsafe { self.end(state, node, SERVICE) };
            }
            if state.is_shut_down {
                break;
            }
            state.wakes_at = 0;
            if state.due.is_empty() {
                passed = self.now().max(passed);
                let State { wheel, due, .. } = &mut *state;
                wheel.take_due(passed, BATCH, due);
            }
            // One at a time: what has not begun can be found by a shutdown, and cancelled.
            if let Some(Due { node, .. }) = state.due.pop_front() {
                if let Some(later) = state.due.get(AHEAD) {
                    prefetch_for_write(|| later.node.as_ptr().cast());
                }
                // SAFETY: it was in the wheel, so the service holds it; and what we have begun is ours to run.
                unsafe {
                    if let Some(pool) = &self.pool {
                        drop(state);
                        self.give_to(pool, node);
                    } else if state.wheel.begin(node) {
                        drop(state);
                        ended = self.perform(node, &running).then_some(node);
                    } else {
                        drop(self.let_go(state, node, SERVICE));
                    }
                }
                continue;
            }
            if state.wheel.is_moving() {
                continue;
            }
            let next = state.wheel.next_deadline();
            state.wakes_at = next.unwrap_or(NEVER);
            drop(state);
            if !self.wait_until(next) {
                passed = next.unwrap_or(0).max(passed);
            }
            self.changed.clear();
        }
        // Destructors of the thread's own data may come to us.
        thread::set_timer(outer);
    }

    /// Waits for a change, until the deadline if there is one. False: it has passed.
    fn wait_until(&self, deadline: Option<u64>) -> bool {
        let deadline = deadline.filter(|deadline| *deadline != NEVER);
        match deadline.and_then(|deadline| self.begin.checked_add(Duration::from_nanos(deadline))) {
            Some(instant) => self.changed.wait_until(instant),
            None => {
                self.changed.wait();
                true
            }
        }
    }

    /// Has a pool run a timer that is due. Waits for room there: who is behind this timer has to go the same way.
    ///
    /// # Safety
    ///
    /// The service holds it, and has taken it out of the wheel.
    unsafe fn give_to(self: &Arc<Self>, pool: &WorkPool, node: NonNull<Header>) {
        let fire = Fire { service: Arc::clone(self), node };
        // What comes back from a closed pool is dropped, and what is left when the service is shut down: that cancels the timer.
        if let Err(TryApplyError::Full(job)) = pool.try_apply_async(move || fire.run())
            && self.may_wait_for_room()
        {
            drop(pool.apply_async_or_return(job));
            self.state.lock().waits_for_room = false;
        }
    }

    /// For the thread, before it waits for room. False: the service is shut down.
    fn may_wait_for_room(&self) -> bool {
        let mut state = self.state.lock();
        state.waits_for_room = !state.is_shut_down;
        state.waits_for_room
    }

    /// Runs the function of a timer, and says so in `running`, which this thread has set. Afterwards it is put back, if it has a period. True: it has run for the last time, and is to be ended.
    ///
    /// # Safety
    ///
    /// The service holds it, and the caller has begun it.
    unsafe fn perform(self: &Arc<Self>, node: NonNull<Header>, running: &Running) -> bool {
        running.node.set(node.as_ptr());
        // SAFETY: the caller's promise.
        unsafe {
            let is_over = match Header::run(node, self.hook()) {
                Some(period) => {
                    self.run_again(node, period);
                    false
                }
                None if node.as_ref().is_held(HANDLE) => true,
                None => {
                    // There is nobody but us, and nobody comes.
                    Header::free(node);
                    false
                }
            };
            running.node.set(ptr::null_mut());
            is_over
        }
    }

    /// Puts a timer back that has run, unless it was cancelled meanwhile.
    ///
    /// # Safety
    ///
    /// The service holds it, and the caller has begun it.
    unsafe fn run_again(self: &Arc<Self>, node: NonNull<Header>, period: u64) {
        let now = self.now();
        let mut state = self.state.lock();
        // SAFETY: the caller's promise.
        unsafe {
            if state.wheel.is_cancelled(node) {
                return self.give_up(state, node);
            }
        }
        // The thread is there, or the service is shut down: there is nothing to fail. (With a pool too: the thread has brought us here.)
        let _ = self.arm(state, node, |last| next_deadline(last, period, now), now);
    }

    /// What keeps the calling thread from waiting for this timer.
    pub(super) fn why_not_wait(&self, node: NonNull<Header>, deadline: Deadline) -> Option<&'static str> {
        let running: *const Running = thread::timer().cast();
        // SAFETY: it is null, or was set in `run`, here or of `Fire`, which stands below us on this stack, and there it stays until it is set back.
        let running = unsafe { running.as_ref()? };
        if running.node.get() == node.as_ptr() {
            Some("called by the timer's own function, which would wait for itself")
        } else if core::ptr::eq(running.service, self)
            && self.pool.is_none()
            && matches!(deadline, Deadline::Never)
        {
            Some(
                "called on the service's own thread, by a function that would wait for what this thread is to run later",
            )
        } else {
            None
        }
    }

    /// Cancels what is pending, and lets the thread end.
    pub(super) fn shut_down(&self) {
        let pending = {
            let mut state = self.state.lock();
            state.is_shut_down = true;
            let mut pending = state.wheel.take_all();
            pending.extend(state.due.drain(..).map(|due| due.node));
            pending
        };
        self.changed.set();
        for node in pending {
            // SAFETY: it was in the wheel, or due, so the service holds it; and nobody begins it any more.
            unsafe { self.cancel_taken(node) };
        }
    }

    /// Waits for the end of the thread, unless that is the caller, or waits for room in the pool: which the caller may have to make.
    pub(super) fn join(&self) {
        let thread = {
            let mut state = self.state.lock();
            let waits_for_room = state.waits_for_room;
            state.thread.take().filter(|_| !waits_for_room)
        };
        if let Some(thread) = thread
            && !thread::is_current(&thread)
        {
            // It does not unwind.
            let _ = thread.join();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing is left but where there was never a thread, or it has ended.
        self.shut_down();
    }
}

/// The deadline after `last`, when it is `now`: a whole number of periods later. Those that have passed are left out.
fn next_deadline(last: u64, period: u64, now: u64) -> u64 {
    let missed = now.saturating_sub(last) / period;
    last.saturating_add(period.saturating_mul(missed + 1))
}

pub(super) use node::{Begin, every, once};

#[cfg(test)]
mod tests {
    use super::next_deadline;

    #[test]
    fn missed_periods_are_left_out_and_the_phase_is_kept() {
        assert_eq!(next_deadline(100, 10, 100), 110);
        assert_eq!(next_deadline(100, 10, 109), 110);
        assert_eq!(next_deadline(100, 10, 110), 120);
        assert_eq!(next_deadline(100, 10, 135), 140);
        // The clock is behind: it was modelled, or stood still.
        assert_eq!(next_deadline(100, 10, 0), 110);
        assert_eq!(next_deadline(u64::MAX - 5, 10, 0), u64::MAX);
    }
}
