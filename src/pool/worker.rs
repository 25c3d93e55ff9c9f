//! The inside of a pool: what its workers and its submitters share, and what a worker does.

use core::cell::Cell;
use core::ptr::NonNull;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::deque::{Deque, Steal};
use super::job::{Acted, Action, Entry, Header};
use super::latch::POLLING;
use super::sleep::{Sleep, Wake};
use crate::deadline::Deadline;
use crate::error::TryPutError;
use crate::event::Event;
use crate::hook::{Hook, PanicHook, Payload};
use crate::lock::Lock;
use crate::primitives::advice::{Luck, Park};
use crate::primitives::thread::{self, JoinHandle};
use crate::queue::JoinableQueue;
use crate::spin::{Poll, Snooze};

/// A worker looks at the injector first, once in so many jobs: so that jobs from inside, which beget each other, do not keep those from
/// outside waiting for ever.
const INJECTOR_FIRST: u32 = 61;

/// With so many jobs in its deque a worker looks for the first time which of them somebody has run out of turn.
const FIRST_SWEEP: usize = 256;

/// What the builder was told.
pub(super) struct Settings {
    /// How many workers there may be.
    pub(super) workers: usize,
    /// Threads are called this, a dash, and the number of their seat.
    pub(super) name: String,
    /// How many jobs from outside may be queued.
    pub(super) queue_bound: Option<usize>,
    pub(super) thread_init: Option<Box<dyn Fn(usize) + Send + Sync>>,
    pub(super) panic_hook: Option<PanicHook>,
}

/// What workers and submitters share.
pub(super) struct Shared {
    /// Jobs from outside.
    injector: JoinableQueue<Entry>,
    /// A deque for each worker that there may be.
    deques: Box<[Deque<Header>]>,
    /// The deques that no worker has.
    free_seats: Lock<Vec<usize>>,
    sleep: Sleep,
    /// Of workers that have nothing to do.
    luck: Luck,
    /// Nothing that has not begun shall begin.
    terminated: Event,
    /// The last worker is about to end.
    ended: Event,
    threads: Lock<Vec<JoinHandle<()>>>,
    settings: Settings,
}

impl Shared {
    #[cfg_attr(feature = "loom", track_caller)]
    pub(super) fn new(settings: Settings) -> Shared {
        let workers = settings.workers;
        Shared {
            injector: match settings.queue_bound {
                Some(bound) => JoinableQueue::bounded(bound),
                None => JoinableQueue::unbounded(),
            },
            deques: (0..workers).map(|_| Deque::new()).collect(),
            free_seats: Lock::new((0..workers).rev().collect()),
            sleep: Sleep::new(workers),
            luck: Luck::new(),
            terminated: Event::new(),
            ended: Event::new(),
            threads: Lock::new(Vec::new()),
            settings,
        }
    }

    pub(super) fn id(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    pub(super) fn hook(&self) -> Hook<'_> {
        Hook(self.settings.panic_hook.as_ref())
    }

    pub(super) fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    pub(super) fn max_workers(&self) -> usize {
        self.settings.workers
    }

    pub(super) fn queued(&self) -> usize {
        self.injector.len() + self.deques.iter().map(Deque::len).sum::<usize>()
    }

    /// Whether a job from outside would have to wait.
    pub(super) fn is_full(&self) -> bool {
        self.injector.is_full()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.injector.is_shut_down()
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.terminated.is_set()
    }

    /// Whether there is a job anywhere: a guess, but not after a fence (see sleep.rs).
    fn has_job(&self) -> bool {
        self.injector.seems_ready() || self.deques.iter().any(|deque| !deque.is_empty())
    }

    /// Calls `f` with the calling worker of this pool, if that is what the caller is.
    #[inline]
    pub(super) fn with_own_worker<T>(self: &Arc<Self>, f: impl FnOnce(Option<&Worker>) -> T) -> T {
        Worker::with_current(|worker| f(worker.filter(|worker| Arc::ptr_eq(&worker.shared, self))))
    }

    /// Queues a job. From a worker of this pool it goes to that worker's deque, whatever the bound, and also if the pool is closed; then the job is
    /// a part of the one that runs. After `terminate` it is cancelled instead.
    ///
    /// # Errors
    ///
    /// The entry comes back if the pool is closed, or has no room until the deadline.
    pub(super) fn submit(
        self: &Arc<Self>,
        entry: Entry,
        deadline: Deadline,
    ) -> Result<(), TryPutError<Entry>> {
        self.with_own_worker(|worker| match worker {
            Some(worker) => {
                worker.submit(entry);
                Ok(())
            }
            None => {
                self.injector.put_until(entry, deadline)?;
                self.notify();
                Ok(())
            }
        })
    }

    /// To be called when a job has become visible.
    #[inline]
    fn notify(self: &Arc<Self>) {
        if self.sleep.notify_if(|| self.has_job()) {
            self.start_counted();
        }
    }

    /// As `notify`, for a job that is run in any case (see [`Sleep::hint`]).
    #[inline]
    pub(super) fn hint(self: &Arc<Self>) {
        if self.sleep.hint() {
            self.start_counted();
        }
    }

    /// Starts a worker that is counted already, or reports that it can't be.
    #[cold]
    fn start_counted(self: &Arc<Self>) {
        if let Err(error) = self.try_start_counted() {
            self.hook().report(Box::new(format!("WorkPool: could not start a worker: {error}")));
        }
    }

    fn try_start_counted(self: &Arc<Self>) -> io::Result<()> {
        let seat = self.free_seats.lock().pop().expect("raddle: more workers than seats");
        let shared = Arc::clone(self);
        let name = format!("{}-{seat}", self.settings.name);
        let error = {
            // Over the start: whoever joins sees each thread that has run.
            let mut threads = self.threads.lock();
            // Of those that have died in their init there may be many.
            threads.retain(|thread| !thread::has_ended(thread));
            match thread::spawn(name, move || Worker::run(shared, seat)) {
                Ok(thread) => {
                    threads.push(thread);
                    return Ok(());
                }
                Err(error) => error,
            }
        };
        self.lost_worker(seat);
        Err(error)
    }

    /// Starts all workers that there may be.
    pub(super) fn start_all(self: &Arc<Self>) -> io::Result<()> {
        // Counted: one that dies in its init makes a place free, and is not replaced here.
        for _ in 0..self.settings.workers {
            if self.sleep.start() {
                self.try_start_counted()?;
            }
        }
        Ok(())
    }

    /// A worker has not come to be, or has died in its init.
    fn lost_worker(&self, seat: usize) {
        self.free_seats.lock().push(seat);
        if self.sleep.not_started() == 0 {
            // Nobody is left to run what is queued. The next job to come tries again.
            // (Unless somebody comes who is: then it is his.)
            self.cancel_queued(|| self.sleep.started() == 0);
            if self.is_closed() && self.sleep.is_empty() {
                self.ended.set();
            }
        } else {
            // Others may have left their job to this worker. And if the pool is closed, somebody has to see that it is over.
            self.sleep.wake_sleeper();
        }
    }

    /// No jobs from outside any more.
    pub(super) fn close(&self) {
        self.injector.shutdown();
        self.sleep.close();
    }

    /// As `close`; and what is queued is cancelled.
    pub(super) fn terminate(&self) {
        self.terminated.set();
        self.close();
        self.cancel_queued(|| true);
        if self.sleep.is_empty() {
            // Who has queued what we have just taken starts nobody for it, and somebody may wait for that worker.
            self.ended.set();
        }
    }

    /// Cancels all jobs that are in a queue, as long as it shall go on.
    fn cancel_queued(&self, goes_on: impl Fn() -> bool) {
        while goes_on()
            && let Ok(entry) = self.injector.try_get()
        {
            // SAFETY: it was taken from the queue, and so is ours.
            unsafe { entry.act(Action::Cancel, self.hook()) };
        }
        for deque in &self.deques {
            while goes_on() {
                match deque.steal() {
                    // SAFETY: it was taken from the deque, and so is ours.
                    Steal::Got(job) => unsafe {
                        Entry::new(job).act(Action::Cancel, self.hook());
                    },
                    Steal::Lost => {}
                    Steal::Empty => break,
                }
            }
        }
    }

    /// Waits until the last worker is about to end, if ever one was started.
    pub(super) fn wait_for_end(&self, deadline: Deadline) -> bool {
        // No worker and no job: nobody is there to say that it is over, and it is. (With a job, its submitter is about to start a worker.
        // Asked twice, since one may have been started and have taken the job in between.)
        if self.sleep.is_empty() && !self.has_job() && self.sleep.is_empty() {
            return true;
        }
        match deadline {
            Deadline::Never => {
                self.ended.wait();
                true
            }
            Deadline::Now => self.ended.is_set(),
            Deadline::At(instant) => self.ended.wait_until(instant),
        }
    }

    /// Waits for the operating system's threads, with their thread-locals dropped.
    pub(super) fn join_threads(&self) {
        // Held all the while: a second caller waits, too.
        for thread in self.threads.lock().drain(..) {
            // A thread-local's destructor may drop the pool, when its thread is no worker any more.
            if !thread::is_current(&thread) {
                // A worker does not unwind; a thread-local's destructor that does has been reported by the runtime.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nothing is left but where no worker could be started.
        self.cancel_queued(|| true);
    }
}

/// A worker, on the stack of its thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    seat: usize,
    /// That of our seat: `shared` keeps it.
    deque: NonNull<Deque<Header>>,
    /// What the pool's word is when nobody wants our jobs.
    busy_word: u64,
    /// Jobs since it last looked at the injector first.
    ticks: Cell<u32>,
    /// With so many jobs in our deque, it is time to sweep it.
    sweep_at: Cell<usize>,
    /// State of a generator of random numbers (xorshift; Marsaglia 2003), never 0: with whom to begin stealing.
    random: Cell<u32>,
}

/// A job in the deque of the worker that made it and will take it back.
pub(super) struct Fork {
    /// Where it is, as long as it is private.
    index: u64,
}

impl Worker {
    /// Calls `f` with the worker that the calling thread is, of whatever pool.
    #[inline]
    pub(super) fn with_current<T>(f: impl FnOnce(Option<&Worker>) -> T) -> T {
        let worker: *const Worker = thread::worker().cast();
        // SAFETY: it is null, or was set in `run`, which stands below us on this stack, and there it stays until it is null again.
        f(unsafe { worker.as_ref() })
    }

    /// For the one who has that seat.
    pub(super) fn new(shared: Arc<Shared>, seat: usize) -> Worker {
        Worker {
            deque: NonNull::from(&shared.deques[seat]),
            busy_word: shared.sleep.busy_word(),
            shared,
            seat,
            ticks: Cell::new(0),
            sweep_at: Cell::new(FIRST_SWEEP),
            random: Cell::new(seat as u32 + 1),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn pool_id(&self) -> usize {
        self.shared.id()
    }

    pub(super) fn hook(&self) -> Hook<'_> {
        self.shared.hook()
    }

    #[inline]
    fn deque(&self) -> &Deque<Header> {
        // SAFETY: it is in a box of `shared`, which is ours as long as we live.
        unsafe { self.deque.as_ref() }
    }

    /// What a thread of the pool does.
    pub(super) fn run(shared: Arc<Shared>, seat: usize) {
        let worker = Worker::new(shared, seat);
        // It is a worker in its init already: what that asks of the pool is not waited for, but done there.
        thread::set_worker((&raw const worker).cast());
        let init = worker.init();
        if init.is_ok() {
            worker.work();
        }
        thread::set_worker(core::ptr::null());
        if let Err(payload) = init {
            worker.hook().report(payload);
            worker.shared.lost_worker(seat);
            return;
        }
        if worker.shared.sleep.left() {
            worker.shared.ended.set();
        }
    }

    /// Runs the user's init, if there is one. Meanwhile the worker counts as busy.
    fn init(&self) -> Result<(), Payload> {
        let Some(init) = &self.shared.settings.thread_init else { return Ok(()) };
        if self.shared.sleep.found() && self.shared.has_job() {
            self.shared.sleep.wake_sleeper();
        }
        let result = catch_unwind(AssertUnwindSafe(|| init(self.seat)));
        self.shared.sleep.search();
        result
    }

    /// Runs jobs until there will be none any more. A worker begins by searching, and is counted so.
    ///
    /// ```text
    /// loop
    ///     search                      for a while
    ///     found? count as busy        and if nobody searches now and there is more, wake somebody for it
    ///            run it, and all that can be had at once
    ///            count as searching
    ///     not found? sleep            unless there is something now; or leave, if it is over
    /// ```
    fn work(&self) {
        loop {
            match self.search() {
                Some(entry) => {
                    if self.shared.sleep.found() && self.shared.has_job() {
                        self.shared.hint();
                    }
                    self.act(entry);
                    while let Some(entry) = self.next() {
                        self.act(entry);
                    }
                    self.shared.sleep.search();
                }
                None => {
                    let park = Park::begin();
                    if self.shared.sleep.sleep(|| self.shared.has_job()) == Wake::Leave {
                        return;
                    }
                    self.shared.luck.staying.was_parked(&park);
                }
            }
        }
    }

    /// Looks for a job, for a while.
    fn search(&self) -> Option<Entry> {
        let mut poll = Poll::new(POLLING);
        let mut snooze = Snooze::new();
        loop {
            let entry = self.next();
            if entry.is_some() || !poll.until_at(&self.shared.luck, None, || self.shared.has_job()) {
                return entry;
            }
            // It is there, but its submitter may be in the middle of his step: the processor may be what he needs.
            snooze.snooze();
        }
    }

    pub(super) fn act(&self, entry: Entry) {
        let action = if self.shared.is_terminated() { Action::Cancel } else { Action::Run };
        // SAFETY: it was taken from a queue, and so is ours.
        unsafe { entry.act(action, self.hook()) };
    }

    /// The next job, if one is to be had at once: our own newest, then the oldest from outside, then the oldest of another.
    pub(super) fn next(&self) -> Option<Entry> {
        let ticks = self.ticks.get() + 1;
        if ticks == INJECTOR_FIRST {
            self.ticks.set(0);
            if let Some(entry) = self.shared.injector.get_if_ready() {
                return Some(entry);
            }
        } else {
            self.ticks.set(ticks);
        }
        self.pop().or_else(|| self.shared.injector.get_if_ready()).or_else(|| self.steal())
    }

    pub(super) fn steal(&self) -> Option<Entry> {
        let deques = &self.shared.deques;
        if deques.len() == 1 {
            return None;
        }
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
        let first = random as usize % deques.len();
        loop {
            let mut has_lost = false;
            for at in (first..deques.len()).chain(0..first) {
                if at == self.seat || deques[at].is_empty() {
                    continue;
                }
                match deques[at].steal() {
                    // SAFETY: the deque held an entry.
                    Steal::Got(job) => return Some(unsafe { Entry::new(job) }),
                    Steal::Lost => has_lost = true,
                    Steal::Empty => {}
                }
            }
            if !has_lost {
                return None;
            }
        }
    }

    /// Queues a job for this pool, or cancels it if the pool is terminated.
    fn submit(&self, entry: Entry) {
        if self.shared.is_terminated() {
            // SAFETY: it is in no queue.
            unsafe { entry.act(Action::Cancel, self.hook()) };
        } else {
            // SAFETY: as in `push`.
            if unsafe { self.deque().own_len() } >= self.sweep_at.get() {
                self.sweep();
            }
            self.push(entry);
            self.shared.notify();
        }
    }

    /// Throws those out of our deque that somebody has run or cancelled out of turn. Without that a job that makes others without end, and waits for each, would leave all their
    /// places behind.
    #[cold]
    pub(super) fn sweep(&self) {
        let mut kept = Vec::new();
        while let Some(entry) = self.pop() {
            // SAFETY: it was taken from the deque, and goes back there if it stays.
            if unsafe { entry.act(Action::Sweep, self.hook()) } == Acted::Stays {
                kept.push(entry);
            }
        }
        self.sweep_at.set(FIRST_SWEEP.max(2 * kept.len()));
        for entry in kept.into_iter().rev() {
            self.push(entry);
        }
        // For those that have been out of sight: the caller notifies.
    }

    /// Puts a job into our own deque, and tells nobody.
    #[inline]
    pub(super) fn push(&self, entry: Entry) {
        // SAFETY: we are the owner of this deque: the seat is ours, and `self` never leaves its thread (it is not `Sync`).
        unsafe { self.deque().push(entry.as_ptr()) };
    }

    /// Puts a job into our own deque that we shall take back. As long as nobody is idle it is kept private, but for the oldest of them.
    #[inline]
    pub(super) fn fork(&self, entry: Entry) -> Fork {
        // SAFETY: as in `push`.
        let index = unsafe { self.deque().push_private(entry.as_ptr()) };
        if self.is_somebody_idle() {
            self.share();
        // SAFETY: as in `push`.
        } else if unsafe { self.deque().is_bare() } {
            self.share_one();
        }
        Fork { index }
    }

    /// Takes a job back that was [forked](Self::fork), if it was kept private.
    #[inline]
    pub(super) fn take_private(&self, fork: &Fork) -> bool {
        // SAFETY: as in `push`.
        let is_private = unsafe { self.deque().pop_private(fork.index) };
        if is_private && self.is_somebody_idle() {
            // There may be older ones.
            self.share();
        }
        is_private
    }

    #[inline]
    fn is_somebody_idle(&self) -> bool {
        !self.shared.sleep.all_are_busy(self.busy_word)
    }

    /// Lets all our jobs be stolen.
    #[cold]
    pub(super) fn share(&self) {
        // SAFETY: as in `push`.
        let are_there = unsafe {
            self.deque().publish_all();
            !self.deque().is_bare()
        };
        if are_there {
            // We run them ourselves in any case, so they may go unnoticed by one who is just going to sleep.
            self.shared.hint();
        }
    }

    /// Before the calling thread waits: if it is a worker, of whatever pool, others may have what it has forked meanwhile.
    pub(super) fn share_of_caller() {
        Worker::with_current(|worker| worker.into_iter().for_each(Worker::share));
    }

    /// Lets our oldest private job be stolen. All are busy: nobody has to be told.
    #[cold]
    fn share_one(&self) {
        // SAFETY: as in `push`.
        unsafe { self.deque().publish_one() };
    }

    /// Takes the newest job from our own deque.
    #[inline]
    pub(super) fn pop(&self) -> Option<Entry> {
        // SAFETY: as in `push`; and the deque held an entry.
        unsafe { self.deque().pop().map(|job: NonNull<Header>| Entry::new(job)) }
    }

    /// Takes a job back from our own deque, if it is the newest there and nobody has taken it.
    #[inline]
    pub(super) fn pop_if(&self, entry: Entry) -> bool {
        // SAFETY: as in `push`.
        unsafe { self.deque().pop_if(entry.as_ptr()) }
    }

    /// Takes a job back from our own deque: true if nobody has taken it. Others that lie above it stay as they are.
    pub(super) fn take_back(&self, entry: Entry) -> bool {
        self.pop_if(entry) || self.take_back_from_below(entry)
    }

    #[cold]
    fn take_back_from_below(&self, entry: Entry) -> bool {
        let mut above = Vec::new();
        let is_there = loop {
            match self.pop() {
                None => break false,
                Some(found) if found == entry => break true,
                Some(other) => above.push(other),
            }
        };
        if above.is_empty() {
            return is_there;
        }
        for other in above.into_iter().rev() {
            self.push(other);
        }
        // For those that have been out of sight.
        self.shared.notify();
        is_there
    }
}
