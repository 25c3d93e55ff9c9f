//! The timers, each behind the same few calls.
//!
//! Everything is dispatched statically. What differs:
//!
//! - A future has no function to run. The contenders "tokio" and "async-io" poll it once, so that it is
//!   registered, with a waker that is the function: it runs on the thread that watches the timers, as with
//!   raddle. Nothing more could be left out; who awaits the future in a task pays for the task, too, as
//!   "tokio task" does. One waker serves all timers of a sample, and tokio's futures are boxed each.
//! - "timer" and "tokio task" give a timer to another thread, which puts it in its place. `settle` waits for
//!   that, within the time measured.
//! - "timer" and "scheduled-thread-pool" only mark a timer as cancelled. It stays where it is until its
//!   deadline, with all that it holds. So they are no peers where only that is measured.
//! - tokio's deadlines are rounded up to a millisecond. "timer" goes by the wall clock.
//! - raddle asks Linux to wake its thread without slack, and "async-io" uses a timerfd, which has none. The
//!   others have the usual 50 µs.
//! - "async-io" and "raddle" (but not "raddle Timers") have one service for the process, which is never
//!   closed.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use raddle::{Timer, Timers, WorkPool};
use scheduled_thread_pool::{JobHandle, OnPoolDropBehavior, ScheduledThreadPool};
use tokio::runtime::Runtime;
use tokio::time::Sleep;

/// What a timer does.
pub trait Action: Fn() + Copy + Send + Sync + 'static {}

impl<F: Fn() + Copy + Send + Sync + 'static> Action for F {}

/// A service of some crate that runs a function later.
pub trait Service: Sized + Send + Sync + 'static {
    const NAME: &'static str;
    /// It can have so many timers at a time.
    const MOST: u64 = u64::MAX;
    /// Whether a cancelled timer is taken out of where it is.
    const TAKES_OUT: bool = true;

    /// A function, made ready for any number of timers.
    type Job<F: Action>: Send + Sync;
    type Pending: Send;

    fn open() -> Self;

    fn job<F: Action>(f: F) -> Self::Job<F>;

    /// Called `within`.
    fn arm<F: Action>(&self, delay: Duration, job: &Self::Job<F>) -> Self::Pending;

    /// As `arm`, for a moment: where a service takes one. Called `within`.
    #[inline]
    fn arm_at<F: Action>(&self, deadline: Instant, job: &Self::Job<F>) -> Self::Pending {
        self.arm(deadline.saturating_duration_since(Instant::now()), job)
    }

    fn cancel(pending: Self::Pending);

    /// Where timers can be armed.
    fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Waits until all that was armed or cancelled has arrived where it goes.
    fn settle(&self) {}
}

/// Something to be done once per service.
pub trait Visit {
    fn visit<S: Service>(&mut self);
}

/// Shows every service to `visitor`, raddle first.
pub fn each(visitor: &mut impl Visit) {
    visitor.visit::<Global>();
    visitor.visit::<Own>();
    visitor.visit::<Tokio>();
    visitor.visit::<TokioTask>();
    visitor.visit::<AsyncIo>();
    visitor.visit::<TimerCrate>();
    visitor.visit::<Scheduled>();
    visitor.visit::<Threads>();
}

/// raddle's service for the whole process.
pub struct Global;

impl Service for Global {
    const NAME: &'static str = "raddle";

    type Job<F: Action> = F;
    type Pending = Timer;

    fn open() -> Self {
        Global
    }

    fn job<F: Action>(f: F) -> F {
        f
    }

    #[inline]
    fn arm<F: Action>(&self, delay: Duration, job: &F) -> Timer {
        Timer::after(delay, *job)
    }

    #[inline]
    fn arm_at<F: Action>(&self, deadline: Instant, job: &F) -> Timer {
        Timer::at(deadline, *job)
    }

    #[inline]
    fn cancel(pending: Timer) {
        pending.cancel();
    }
}

/// A service of raddle's apart from the global one.
pub struct Own(Timers);

impl Service for Own {
    const NAME: &'static str = "raddle Timers";

    type Job<F: Action> = F;
    type Pending = Timer;

    fn open() -> Self {
        Own(Timers::new())
    }

    fn job<F: Action>(f: F) -> F {
        f
    }

    #[inline]
    fn arm<F: Action>(&self, delay: Duration, job: &F) -> Timer {
        self.0.after(delay, *job)
    }

    #[inline]
    fn arm_at<F: Action>(&self, deadline: Instant, job: &F) -> Timer {
        self.0.at(deadline, *job)
    }

    #[inline]
    fn cancel(pending: Timer) {
        pending.cancel();
    }
}

/// As `Own`, with functions that run in a pool with a worker for each processor.
pub struct InPool(Timers);

impl Service for InPool {
    const NAME: &'static str = "raddle Timers, pool";

    type Job<F: Action> = F;
    type Pending = Timer;

    fn open() -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        InPool(Timers::builder().pool(Arc::new(WorkPool::new(workers))).build())
    }

    fn job<F: Action>(f: F) -> F {
        f
    }

    #[inline]
    fn arm<F: Action>(&self, delay: Duration, job: &F) -> Timer {
        self.0.after(delay, *job)
    }

    #[inline]
    fn arm_at<F: Action>(&self, deadline: Instant, job: &F) -> Timer {
        self.0.at(deadline, *job)
    }

    #[inline]
    fn cancel(pending: Timer) {
        pending.cancel();
    }
}

/// A function for futures: who wakes the waker runs it.
pub struct Call<F> {
    f: F,
    waker: Waker,
}

struct Run<F>(F);

impl<F: Action> Wake for Run<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        (self.0)();
    }
}

impl<F: Action> Call<F> {
    fn new(f: F) -> Call<F> {
        Call { f, waker: Waker::from(Arc::new(Run(f))) }
    }

    /// Registers a timer.
    #[inline]
    fn poll<T>(&self, timer: Pin<&mut impl Future<Output = T>>) {
        if timer.poll(&mut Context::from_waker(&self.waker)).is_ready() {
            // Its deadline has passed by now.
            (self.f)();
        }
    }
}

fn open_tokio() -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
    runtime.expect("tokio's runtime starts")
}

/// Timers armed outside of the runtime's one thread, which watches them. (To arm and cancel them from within
/// a current-thread runtime takes as long.)
pub struct Tokio(Runtime);

impl Service for Tokio {
    const NAME: &'static str = "tokio";

    type Job<F: Action> = Call<F>;
    type Pending = Pin<Box<Sleep>>;

    fn open() -> Self {
        Tokio(open_tokio())
    }

    fn job<F: Action>(f: F) -> Call<F> {
        Call::new(f)
    }

    #[inline]
    fn arm<F: Action>(&self, delay: Duration, job: &Call<F>) -> Self::Pending {
        let mut sleep = Box::pin(tokio::time::sleep(delay));
        job.poll(sleep.as_mut());
        sleep
    }

    #[inline]
    fn arm_at<F: Action>(&self, deadline: Instant, job: &Call<F>) -> Self::Pending {
        let mut sleep = Box::pin(tokio::time::sleep_until(deadline.into()));
        job.poll(sleep.as_mut());
        sleep
    }

    #[inline]
    fn cancel(pending: Self::Pending) {
        drop(pending);
    }

    fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.0.enter();
        f()
    }
}

/// A task for each timer.
pub struct TokioTask(Runtime);

impl Service for TokioTask {
    const NAME: &'static str = "tokio task";

    type Job<F: Action> = F;
    type Pending = tokio::task::JoinHandle<()>;

    fn open() -> Self {
        TokioTask(open_tokio())
    }

    fn job<F: Action>(f: F) -> F {
        f
    }

    #[inline]
    fn arm<F: Action>(&self, delay: Duration, job: &F) -> Self::Pending {
        let (sleep, f) = (tokio::time::sleep(delay), *job);
        self.0.spawn(async move {
            sleep.await;
            f();
        })
    }

    #[inline]
    fn arm_at<F: Action>(&self, deadline: Instant, job: &F) -> Self::Pending {
        let (sleep, f) = (tokio::time::sleep_until(deadline.into()), *job);
        self.0.spawn(async move {
            sleep.await;
            f();
        })
    }

    #[inline]
    fn cancel(pending: Self::Pending) {
        pending.abort();
    }

    fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.0.enter();
        f()
    }

    /// Tasks are looked at in turn.
    fn settle(&self) {
        let (says, hears) = sync_channel(1);
        self.0.spawn(async move { says.send(()) });
        hears.recv().expect("the task runs");
    }
}

pub struct AsyncIo;

impl Service for AsyncIo {
    const NAME: &'static str = "async-io";

    type Job<F: Action> = Call<F>;
    type Pending = async_io::Timer;

    fn open() -> Self {
        AsyncIo
    }

    fn job<F: Action>(f: F) -> Call<F> {
        Call::new(f)
    }

    #[inline]
    fn arm<F: Action>(&self, delay: Duration, job: &Call<F>) -> async_io::Timer {
        let mut timer = async_io::Timer::after(delay);
        job.poll(Pin::new(&mut timer));
        timer
    }

    #[inline]
    fn arm_at<F: Action>(&self, deadline: Instant, job: &Call<F>) -> async_io::Timer {
        let mut timer = async_io::Timer::at(deadline);
        job.poll(Pin::new(&mut timer));
        timer
    }

    #[inline]
    fn cancel(pending: async_io::Timer) {
        drop(pending);
    }
}

pub struct TimerCrate(timer::Timer);

impl Service for TimerCrate {
    const NAME: &'static str = "timer";
    const TAKES_OUT: bool = false;

    type Job<F: Action> = F;
    type Pending = timer::Guard;

    fn open() -> Self {
        TimerCrate(timer::Timer::new())
    }

    fn job<F: Action>(f: F) -> F {
        f
    }

    #[inline]
    fn arm<F: Action>(&self, delay: Duration, job: &F) -> timer::Guard {
        self.0.schedule_with_delay(chrono(delay), *job)
    }

    #[inline]
    fn cancel(pending: timer::Guard) {
        drop(pending);
    }

    /// Timers arrive in turn.
    fn settle(&self) {
        let (says, hears) = sync_channel(1);
        let says = move || says.send(()).expect("there is room");
        let _guard = self.0.schedule_with_delay(chrono::Duration::zero(), says);
        hears.recv().expect("the timer runs");
    }
}

fn chrono(delay: Duration) -> chrono::Duration {
    chrono::Duration::from_std(delay).expect("no delay is that long")
}

/// With one thread.
pub struct Scheduled(ScheduledThreadPool);

impl Service for Scheduled {
    const NAME: &'static str = "scheduled-thread-pool";
    const TAKES_OUT: bool = false;

    type Job<F: Action> = F;
    type Pending = JobHandle;

    fn open() -> Self {
        let builder = ScheduledThreadPool::builder().num_threads(1);
        Scheduled(builder.on_drop_behavior(OnPoolDropBehavior::DiscardPendingScheduled).build())
    }

    fn job<F: Action>(f: F) -> F {
        f
    }

    #[inline]
    fn arm<F: Action>(&self, delay: Duration, job: &F) -> JobHandle {
        self.0.execute_after(delay, *job)
    }

    #[inline]
    fn cancel(pending: JobHandle) {
        pending.cancel();
    }
}

/// A thread for each timer.
pub struct Threads;

/// A thread that waits. To cancel it is to wait for its end.
pub struct Waits {
    is_cancelled: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Service for Threads {
    const NAME: &'static str = "std::thread";
    const MOST: u64 = 500;

    type Job<F: Action> = F;
    type Pending = Waits;

    fn open() -> Self {
        Threads
    }

    fn job<F: Action>(f: F) -> F {
        f
    }

    fn arm<F: Action>(&self, delay: Duration, job: &F) -> Waits {
        let (deadline, f) = (Instant::now() + delay, *job);
        let is_cancelled = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = Arc::clone(&is_cancelled);
        let thread = thread::spawn(move || {
            let guard = shared.0.lock().expect("nobody panics");
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = shared.1.wait_timeout_while(guard, left, |is_cancelled| !*is_cancelled);
            let (guard, _) = waited.expect("nobody panics");
            let is_cancelled = *guard;
            drop(guard);
            if !is_cancelled {
                f();
            }
        });
        Waits { is_cancelled, thread }
    }

    fn cancel(pending: Waits) {
        *pending.is_cancelled.0.lock().expect("nobody panics") = true;
        pending.is_cancelled.1.notify_one();
        pending.thread.join().expect("no function panics");
    }
}
