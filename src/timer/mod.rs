//! Timers: functions that run later, all on one thread.
//!
//! | file         | what is in it                                                           |
//! |--------------|--------------------------------------------------------------------------|
//! | `wheel.rs`   | pending timers by their deadlines: the hierarchical wheel                 |
//! | `node.rs`    | a timer and its word: who runs it, who cancels it, who frees it           |
//! | `service.rs` | the thread that sleeps until the next deadline                            |

mod node;
mod service;
mod wheel;

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::NonNull;
use core::time::Duration;
use std::any::Any;
use std::sync::Arc;
#[cfg(not(feature = "loom"))]
use std::sync::OnceLock;

use crate::deadline::Deadline;
use crate::error::TimerStartError;
use crate::hook::PanicHook;
use crate::pool::WorkPool;
use crate::primitives::time::Instant;
use node::Header;
use service::{Begin, Service};

/// A function that runs after a while, once or again and again. Python: `threading.Timer`.
///
/// ```
/// use raddle::{Event, Timer};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let done = Arc::new(Event::new());
/// let timer = Timer::after(Duration::from_millis(5), {
///     let done = Arc::clone(&done);
///     move || done.set()
/// });
/// done.wait();
/// timer.join();
///
/// let never = Timer::after(Duration::from_secs(3600), || unreachable!());
/// assert!(never.cancel());
/// assert!(never.is_finished());
/// ```
///
/// All timers share one thread, which is started with the first and sleeps until the next deadline. A million pending timers are fine: starting and
/// cancelling take the same time however many there are. For a thread of your own, or functions that run in a pool, see [`Timers`].
///
/// Dropping a `Timer` that was started lets it go on: only [`cancel`](Timer::cancel) stops it. When `main` returns the process ends, with whatever is pending; who wants to
/// wait for that [joins](Timer::join). (Python waits.)
///
/// # When it runs
///
/// Never early. How late depends on the system, and on the functions of other timers: they run one after the other, in the order of their deadlines (with the same
/// deadline, as a rule in the order in which they were started), so one that takes long delays those behind it. Changes of the wall clock do not matter. A delay of zero runs at once,
/// in the service's thread; one that is too long for the clock (584 years) never does, and keeps its function until it is cancelled or the service is shut down.
///
/// # Panics
///
/// A panic in the function ends that run and nothing else. It goes to the [panic hook](TimersBuilder::panic_hook), if the service has one.
///
/// # Memory ordering
///
/// What was written before the timer was started is seen by the function, and what the function wrote by whoever finds the timer finished. What was written before
/// `cancel` is not for anybody to see.
///
/// # Under loom
///
/// There is no clock: a deadline may pass at any moment from when the service's thread waits for it. Use [`Timers`]; the global service has no end, which no
/// execution of a model could have.
///
/// # Coming from Python
///
/// A thread for each timer there, one for all here: a function that blocks for long belongs in a pool ([`TimersBuilder::pool`]). `Timer(1, f).start()` is `Timer::after(..)`, or
/// [`new`](Timer::new) and [`start`](Timer::start). `cancel` returns whether it was in time.
///
/// # Differences from `tokio::time`
///
/// No runtime. A timer runs a function; it is no future. Deadlines are exact and not rounded to a millisecond.
///
/// # How it works
///
/// The chapter `docs/timer.md` in the repository.
pub struct Timer {
    node: NonNull<Header>,
    /// `None`: the global one.
    service: Option<Arc<Service>>,
}

// SAFETY: the handle is one of the holders of the timer (node.rs), whose function is `Send`.
unsafe impl Send for Timer {}
// SAFETY: the timer's word is made for sharing, and its place has the wheel's lock.
unsafe impl Sync for Timer {}

// A panic of the function is caught before anybody hears of it.
impl UnwindSafe for Timer {}
impl RefUnwindSafe for Timer {}

/// The service of the timers that name none.
#[cfg(not(feature = "loom"))]
fn global() -> &'static Arc<Service> {
    static GLOBAL: OnceLock<Arc<Service>> = OnceLock::new();
    GLOBAL.get_or_init(|| Arc::new(Service::new(DEFAULT_NAME.to_owned(), None, None)))
}

#[cfg(feature = "loom")]
fn global() -> &'static Arc<Service> {
    panic!("raddle: under loom a Timer needs a service with an end: use Timers")
}

const DEFAULT_NAME: &str = "raddle-timers";

impl Timer {
    /// A timer that runs `f` once, so long after it was [started](Self::start).
    #[must_use = "a timer runs only if it is started"]
    pub fn new(delay: Duration, f: impl FnOnce() + Send + 'static) -> Timer {
        Timer { node: service::once(delay, f, Begin::Fresh), service: None }
    }

    /// Runs `f` once, after `delay`.
    ///
    /// # Panics
    ///
    /// If the operating system has no thread to give for the service.
    pub fn after(delay: Duration, f: impl FnOnce() + Send + 'static) -> Timer {
        Timer { node: service::once(delay, f, Begin::Started), service: None }.taken_in()
    }

    /// Runs `f` once, at `deadline`, or at once if that has passed. As `after`, for who has the moment rather than how long it is until then: timers with the same deadline run as a rule in the
    /// order in which they were started (see [when it runs](Timer#when-it-runs)). Python: `sched.scheduler.enterabs`.
    ///
    /// ```
    /// use raddle::Timer;
    /// use std::sync::mpsc::channel;
    /// use std::time::{Duration, Instant};
    ///
    /// let (sender, receiver) = channel();
    /// let deadline = Instant::now() + Duration::from_millis(2);
    /// for turn in 1..=3 {
    ///     let sender = sender.clone();
    ///     Timer::at(deadline, move || sender.send(turn).unwrap());
    /// }
    /// drop(sender);
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3]);
    /// assert!(Instant::now() >= deadline);
    /// ```
    ///
    /// # Panics
    ///
    /// If the operating system has no thread to give for the service.
    pub fn at(deadline: Instant, f: impl FnOnce() + Send + 'static) -> Timer {
        Timer { node: service::once(Duration::ZERO, f, Begin::Started), service: None }.taken_in_at(deadline)
    }

    /// Runs `f` again and again: first after `period`, and then at whole numbers of periods after that. A run that takes longer, or that others have delayed, makes the
    /// times be left out that have passed meanwhile; the runs never overlap, and keep their phase.
    ///
    /// # Panics
    ///
    /// If `period` is zero, or the operating system has no thread to give for the service.
    pub fn every(period: Duration, f: impl FnMut() + Send + 'static) -> Timer {
        Timer::periodic(period, f, None).taken_in()
    }

    fn periodic(period: Duration, f: impl FnMut() + Send + 'static, service: Option<Arc<Service>>) -> Timer {
        assert!(!period.is_zero(), "Timer::every(0): it would run without end");
        Timer { node: service::every(period, f), service }
    }

    /// Gives a timer to the service that was made as started. If that is shut down, the timer is cancelled.
    fn taken_in(self) -> Timer {
        let _ = self.service().start_new(self.node);
        self
    }

    /// As `taken_in`, for a timer that has a deadline.
    fn taken_in_at(self, deadline: Instant) -> Timer {
        let _ = self.service().start_new_at(self.node, deadline);
        self
    }

    fn service(&self) -> &Arc<Service> {
        match &self.service {
            Some(service) => service,
            None => global(),
        }
    }

    fn header(&self) -> &Header {
        // SAFETY: the handle holds it.
        unsafe { self.node.as_ref() }
    }

    /// Starts a timer made by [`new`](Self::new): its delay counts from now.
    ///
    /// # Errors
    ///
    /// [`TimerStartError`] if it was started or cancelled before, or its service is shut down. (Then it is cancelled.)
    ///
    /// # Panics
    ///
    /// If the operating system has no thread to give for the service.
    pub fn start(&self) -> Result<(), TimerStartError> {
        self.service().start(self.node)
    }

    /// Stops the timer. True: the function will never run, or never again, and was dropped. False: it runs just now (and if it has a period, not again after that), or
    /// the timer has ended before.
    ///
    /// From within the function itself: false, and this run is the last.
    pub fn cancel(&self) -> bool {
        // SAFETY: the handle holds it.
        unsafe { self.service().cancel(self.node) }
    }

    /// Whether the timer has ended: its function has returned (for the last time, if it has a period), or it was cancelled.
    pub fn is_finished(&self) -> bool {
        self.header().is_done()
    }

    /// Waits until the timer has ended: its function has returned, or it was cancelled. One with a period ends only when it is cancelled.
    ///
    /// # Panics
    ///
    /// If the timer was not started (as in Python), or if its own function calls this: it would wait for itself. Or if the function of another timer does, on the service's thread: what
    /// it waits for would have to run there. (With functions in a pool, and in `join_for` and `join_until`, that is allowed.)
    pub fn join(&self) {
        self.wait("join", Deadline::Never);
    }

    /// As [`join`](Self::join); false if the timer has not ended when `timeout` has passed.
    ///
    /// # Panics
    ///
    /// If the timer was not started, or if its own function calls this.
    pub fn join_for(&self, timeout: Duration) -> bool {
        self.wait("join_for", Deadline::after(timeout))
    }

    /// As [`join`](Self::join); false if the timer has not ended at `deadline`.
    ///
    /// # Panics
    ///
    /// If the timer was not started, or if its own function calls this.
    pub fn join_until(&self, deadline: Instant) -> bool {
        self.wait("join_until", Deadline::At(deadline))
    }

    fn wait(&self, call: &str, deadline: Deadline) -> bool {
        let header = self.header();
        if header.is_done() {
            return true;
        }
        assert!(header.is_started(), "Timer::{call}: the timer was not started");
        if let Some(why) = self.service().why_not_wait(self.node, deadline) {
            panic!("Timer::{call}: {why}");
        }
        self.service().wait(header, deadline)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let hook = match &self.service {
            Some(service) => service.hook(),
            None => crate::hook::Hook(None),
        };
        // SAFETY: we are the handle, and go.
        unsafe {
            if !Header::let_handle_go_alone(self.node, hook) {
                self.service().let_handle_go(self.node);
            }
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("is_started", &self.header().is_started())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// A service for timers, with a thread of its own, which is started with the first timer.
///
/// For those who want their timers apart from the others in the process: to shut them down together, to have them run in a [`WorkPool`], or to hear of panics.
///
/// Dropping it shuts it down and waits for its thread (but not if that is who drops it, from within a function, or waits for room in the [pool](TimersBuilder::pool) just then).
///
/// ```
/// use raddle::{Timers, WorkPool};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let pool = Arc::new(WorkPool::new(2));
/// let timers = Timers::builder().name("reminders").pool(pool).build();
/// let soon = timers.after(Duration::from_millis(1), || println!("runs in the pool"));
/// let late = timers.every(Duration::from_secs(60), || println!("never gets that far"));
/// soon.join();
/// timers.shutdown();
/// assert!(late.is_finished());
/// ```
///
/// # How it works
///
/// The chapter `docs/timer.md` in the repository.
pub struct Timers {
    service: Arc<Service>,
}

impl Timers {
    /// A service with the ordinary settings.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn new() -> Timers {
        Timers::builder().build()
    }

    /// For a service with other settings.
    pub fn builder() -> TimersBuilder {
        TimersBuilder { name: DEFAULT_NAME.to_owned(), pool: None, panic_hook: None }
    }

    /// As [`Timer::new`], in this service.
    #[must_use = "a timer runs only if it is started"]
    pub fn timer(&self, delay: Duration, f: impl FnOnce() + Send + 'static) -> Timer {
        Timer { node: service::once(delay, f, Begin::Fresh), service: Some(Arc::clone(&self.service)) }
    }

    /// As [`Timer::after`], in this service. If that is shut down, the timer is cancelled: it is finished at once, and does not run. ([`timer`](Self::timer) and `start` return
    /// that as an error.)
    ///
    /// # Panics
    ///
    /// If the operating system has no thread to give for the service.
    pub fn after(&self, delay: Duration, f: impl FnOnce() + Send + 'static) -> Timer {
        let service = Some(Arc::clone(&self.service));
        Timer { node: service::once(delay, f, Begin::Started), service }.taken_in()
    }

    /// As [`Timer::at`], in this service. If that is shut down, the timer is cancelled.
    ///
    /// # Panics
    ///
    /// If the operating system has no thread to give for the service.
    pub fn at(&self, deadline: Instant, f: impl FnOnce() + Send + 'static) -> Timer {
        let service = Some(Arc::clone(&self.service));
        Timer { node: service::once(Duration::ZERO, f, Begin::Started), service }.taken_in_at(deadline)
    }

    /// As [`Timer::every`], in this service. If that is shut down, the timer is cancelled.
    ///
    /// # Panics
    ///
    /// If `period` is zero, or the operating system has no thread to give for the service.
    pub fn every(&self, period: Duration, f: impl FnMut() + Send + 'static) -> Timer {
        Timer::periodic(period, f, Some(Arc::clone(&self.service))).taken_in()
    }

    /// How many timers are pending just now.
    pub fn pending(&self) -> usize {
        self.service.pending()
    }

    /// Cancels all timers that are pending, and takes no more. A function that runs just now goes on to its end, for which this does not wait.
    pub fn shutdown(&self) {
        self.service.shut_down();
    }

    /// Whether the service was shut down.
    pub fn is_shut_down(&self) -> bool {
        self.service.is_shut_down()
    }
}

impl Default for Timers {
    fn default() -> Timers {
        Timers::new()
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.service.shut_down();
        self.service.join();
    }
}

// The functions are caught, and leave the service as it is.
impl UnwindSafe for Timers {}
impl RefUnwindSafe for Timers {}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("is_shut_down", &self.is_shut_down()).finish_non_exhaustive()
    }
}

/// What a service for timers is to be like. From [`Timers::builder`].
#[must_use = "a builder makes nothing until `build` is called"]
pub struct TimersBuilder {
    name: String,
    pool: Option<Arc<WorkPool>>,
    panic_hook: Option<PanicHook>,
}

impl TimersBuilder {
    /// What the thread is called. By default `raddle-timers`.
    pub fn name(mut self, name: impl Into<String>) -> TimersBuilder {
        self.name = name.into();
        self
    }

    /// Runs the functions in this pool, so that one which takes long does not delay the others. If the pool has a queue bound and no room, timers that are due wait for that, in the
    /// order of their deadlines. If it is closed, a timer that is due is cancelled instead; for good, also if it has a period.
    pub fn pool(mut self, pool: Arc<WorkPool>) -> TimersBuilder {
        self.pool = Some(pool);
        self
    }

    /// Is called with what a function panics with. By default that is dropped (Rust's own panic hook has printed the message by then).
    pub fn panic_hook(mut self, hook: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static) -> TimersBuilder {
        self.panic_hook = Some(Box::new(hook));
        self
    }

    /// Makes the service. Its thread is started with the first timer.
    ///
    /// # Panics
    ///
    /// If there is a NUL in the name.
    #[cfg_attr(feature = "loom", track_caller)]
    #[must_use]
    pub fn build(self) -> Timers {
        assert!(
            !self.name.contains('\0'),
            "TimersBuilder::name({:?}): a thread's name has no NUL in it",
            self.name
        );
        Timers { service: Arc::new(Service::new(self.name, self.pool, self.panic_hook)) }
    }
}

impl fmt::Debug for TimersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimersBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
