//! The thread behind the timers: it sleeps until the next deadline, and runs what is due.
//!
//! Whoever puts a timer in wakes it only if that is earlier than all it sleeps for: `wakes_at`, which stands with the wheel under the lock. While the
//! thread is awake that is zero, so nobody wakes it; it looks into the wheel, with the lock held, before it sleeps. No wake-up is lost: a timer that came before that look
//! is seen in it; one that came later saw `wakes_at`, and sets the event on which the thread waits, or is about to.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::node::{self, Header, Refused, SERVICE};
use super::wheel::{Found, Wheel};
use crate::deadline::Deadline;
use crate::error::TimerStartError;
use crate::event::Event;
use crate::hook::{Hook, PanicHook};
use crate::lock::Lock;
use crate::pool::WorkPool;
use crate::primitives::cell::prefetch_for_write;
use crate::primitives::thread::{self, JoinHandle};
use crate::primitives::time::{self, Instant};

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
    due: VecDeque<NonNull<Header>>,
    /// The deadline that the thread sleeps for; zero while it is awake or isn't there, the greatest number while it sleeps for nothing.
    wakes_at: u64,
    is_shut_down: bool,
    thread: Option<JoinHandle<()>>,
}

pub(super) struct Service {
    state: Lock<State>,
    /// There is something for the thread to look at.
    changed: Event,
    /// It is shut down: what is about to run shall not.
    stopping: Event,
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
        // SAFETY: the service holds the timer, which was given to us.
        unsafe { service.perform(this.node) };
    }
}

impl Drop for Fire {
    fn drop(&mut self) {
        // SAFETY: the service holds the timer, which was given to us.
        unsafe { self.service.cancel_taken(self.node) };
    }
}

/// What a thread is at that runs a function: on its stack.
struct Running {
    node: NonNull<Header>,
    service: *const Service,
}

impl Service {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(name: String, pool: Option<Arc<WorkPool>>, panic_hook: Option<PanicHook>) -> Service {
        let state = State {
            wheel: Wheel::new(),
            due: VecDeque::new(),
            wakes_at: 0,
            is_shut_down: false,
            thread: None,
        };
        Service {
            state: Lock::new(state),
            changed: Event::new(),
            stopping: Event::new(),
            begin: time::now(),
            name,
            pool,
            panic_hook,
        }
    }

    pub(super) fn hook(&self) -> Hook<'_> {
        Hook(self.panic_hook.as_ref())
    }

    pub(super) fn pending(&self) -> usize {
        self.state.lock().wheel.len()
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.stopping.is_set()
    }

    /// Nanoseconds since the service began.
    fn now(&self) -> u64 {
        let elapsed = time::now().saturating_duration_since(self.begin).as_nanos();
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }

    /// Starts a timer that was not, or so it seems. One whose delay is too long for the clock never runs.
    ///
    /// # Errors
    ///
    /// It was started or cancelled before, or the service is shut down: then it is cancelled.
    ///
    /// # Panics
    ///
    /// If the operating system has no thread to give, and none was started before. The timer is cancelled then.
    pub(super) fn start(self: &Arc<Self>, node: NonNull<Header>) -> Result<(), TimerStartError> {
        // SAFETY: the caller's handle holds the timer.
        unsafe { node.as_ref() }.start().map_err(|refused| match refused {
            Refused::Started => TimerStartError::Started,
            Refused::Cancelled => TimerStartError::Cancelled,
        })?;
        self.take_in(node)
    }

    /// As `start`, for a timer that was made as started, and given to the service by nobody yet.
    pub(super) fn take_in(self: &Arc<Self>, node: NonNull<Header>) -> Result<(), TimerStartError> {
        let now = self.now();
        match self.arm(node, |delay| now.saturating_add(delay), now) {
            Ok(true) => Ok(()),
            Ok(false) => Err(TimerStartError::ShutDown),
            Err(error) => panic!("Timer: could not start the thread of the service: {error}"),
        }
    }

    /// Puts a timer into the wheel that the service holds, with a deadline made from its last one, or from its delay; unless it was cancelled. False: the service is shut
    /// down, and the timer is cancelled.
    fn arm(
        self: &Arc<Self>,
        node: NonNull<Header>,
        deadline: impl FnOnce(u64) -> u64,
        now: u64,
    ) -> io::Result<bool> {
        let mut state = self.state.lock();
        // SAFETY: the service holds the timer; its place is touched with the lock held, which it is.
        unsafe {
            if state.is_shut_down {
                drop(state);
                self.cancel_taken(node);
                return Ok(false);
            }
            if node.as_ref().is_claimed() {
                // Invariant 2 of node.rs: its canceller did not find it in the wheel, or won't, and ends it.
                drop(state);
                Header::let_service_go(node);
                return Ok(true);
            }
            if state.thread.is_none() {
                match thread::spawn(self.name.clone(), {
                    let service = Arc::clone(self);
                    move || service.run()
                }) {
                    Ok(thread) => state.thread = Some(thread),
                    Err(error) => {
                        drop(state);
                        self.cancel_taken(node);
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
        // SAFETY: the caller's promise; and what is ours by taking it out or by claiming it.
        unsafe {
            let mut state = self.state.lock();
            match state.wheel.cancel(node) {
                Found::Linked => {
                    drop(state);
                    Header::drop_function(node, self.hook());
                    Header::end_cancelled(node);
                    return true;
                }
                Found::Cancelled => return false,
                Found::NotLinked => {
                    // With the lock held: invariant 2 of node.rs.
                    if !node.as_ref().claim_to_cancel() {
                        return false;
                    }
                }
            }
            drop(state);
            Header::drop_function(node, self.hook());
            Header::end(node, 0);
        }
        true
    }

    /// Cancels a timer that is not in the wheel (any more), for the service.
    ///
    /// # Safety
    ///
    /// The service holds it, and does not any more.
    unsafe fn cancel_taken(&self, node: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe {
            if node.as_ref().claim_to_cancel() {
                Header::drop_function(node, self.hook());
                Header::end(node, SERVICE);
            } else {
                Header::let_service_go(node);
            }
        }
    }

    /// What the thread does.
    ///
    /// ```text
    /// loop
    ///     take out of the wheel what is due     and run the first of it
    ///     nothing? sleep                        until the next deadline, or something earlier comes
    /// ```
    fn run(self: Arc<Self>) {
        thread::precise_wakeups();
        // What we know to have passed: what the clock says, or what we have waited for.
        let mut passed = 0;
        loop {
            let mut state = self.state.lock();
            if state.is_shut_down {
                return;
            }
            state.wakes_at = 0;
            if state.due.is_empty() {
                passed = self.now().max(passed);
                let State { wheel, due, .. } = &mut *state;
                wheel.take_due(passed, BATCH, due);
            }
            // One at a time: what has not begun can be found by a shutdown.
            if let Some(node) = state.due.pop_front() {
                if let Some(later) = state.due.get(AHEAD) {
                    prefetch_for_write(|| later.as_ptr().cast());
                }
                drop(state);
                // SAFETY: it was in the wheel, so the service holds it.
                unsafe { self.fire(node) };
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

    /// Runs a timer that is due, or has a pool do so.
    ///
    /// # Safety
    ///
    /// The service holds it, and has taken it out of the wheel.
    unsafe fn fire(self: &Arc<Self>, node: NonNull<Header>) {
        match &self.pool {
            Some(pool) => {
                let fire = Fire { service: Arc::clone(self), node };
                // If the pool is closed, or has no room, it comes back, and is dropped.
                drop(pool.try_apply_async(move || fire.run()));
            }
            // SAFETY: the caller's promise.
            None => unsafe { self.perform(node) },
        }
    }

    /// Runs the function of a timer, unless it was cancelled. Afterwards it is put back, if it has a period.
    ///
    /// # Safety
    ///
    /// The service holds it, and has taken it out of the wheel.
    unsafe fn perform(self: &Arc<Self>, node: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.stopping.is_set() {
                return self.cancel_taken(node);
            }
            if !node.as_ref().claim() {
                return Header::let_service_go(node);
            }
            let running = Running { node, service: Arc::as_ptr(self) };
            let outer = thread::set_timer((&raw const running).cast());
            let period = Header::run(node, self.hook());
            let is_over = period.is_none() || !node.as_ref().release();
            if is_over && period.is_some() {
                Header::drop_function(node, self.hook());
            }
            thread::set_timer(outer);
            let (Some(period), false) = (period, is_over) else { return Header::end(node, SERVICE) };
            let now = self.now();
            // The thread is there, or the service is shut down: there is nothing to fail. (With a pool too: the thread has brought us here.)
            let _ = self.arm(node, |last| next_deadline(last, period, now), now);
        }
    }

    /// What keeps the calling thread from waiting for this timer.
    pub(super) fn why_not_wait(&self, node: NonNull<Header>, deadline: Deadline) -> Option<&'static str> {
        let running: *const Running = thread::timer().cast();
        // SAFETY: it is null, or was set in `perform`, which stands below us on this stack, and there it stays until it is set back.
        let running = unsafe { running.as_ref()? };
        if running.node == node {
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
        self.stopping.set();
        let pending = {
            let mut state = self.state.lock();
            state.is_shut_down = true;
            let mut pending = state.wheel.take_all();
            pending.extend(state.due.drain(..));
            pending
        };
        self.changed.set();
        for node in pending {
            // SAFETY: it was in the wheel, or about to be run, so the service holds it.
            unsafe { self.cancel_taken(node) };
        }
    }

    /// Waits for the end of the thread, unless that is the caller.
    pub(super) fn join(&self) {
        let thread = self.state.lock().thread.take();
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
