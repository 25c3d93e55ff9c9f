//! The threads: one that walks, some that count, and the main thread, which watches.

use std::io;
use std::panic;
use std::path::PathBuf;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar};
use raddle::{Barrier, BrokenBarrier, Condition, Event, JoinableQueue, Lock, Semaphore};

use crate::WordRule;
use crate::count::{self, Counted};
use crate::report::{self, at};
use crate::tally::Tally;
use crate::walk;

/// How many paths wait to be counted, at most. The walker is mostly ahead of the workers, and need not be far ahead.
const QUEUED: usize = 1024;

/// How often the progress bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// What is to be done.
pub(crate) struct Order<'a> {
    pub(crate) roots: &'a [PathBuf],
    /// Names of directories that are not entered.
    pub(crate) leave_out: &'a [&'a str],
    pub(crate) workers: usize,
    pub(crate) open_files: usize,
    pub(crate) words: WordRule,
}

/// What has been done.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) workers: usize,
    pub(crate) time: Duration,
}

/// What the threads share.
pub(crate) struct Team<'a> {
    pub(crate) stop: &'a Event,
    pub(crate) paths: JoinableQueue<PathBuf>,
    pub(crate) progress: Lock<Progress>,
    /// Goes with `progress`: somebody has left.
    left: Condition,
    open_files: Semaphore,
    start: Barrier,
    /// When the first thread got past the barrier.
    begin: Lock<Option<Instant>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) found: u64,
    done_with: u64,
    bytes: u64,
    /// How many threads have not left yet.
    at_work: usize,
}

/// Counts as ordered, until all is counted or `stop` is set.
///
/// It comes to an end whatever happens. The walker shuts the queue down when it has put the last path; the workers get what is
/// left, and leave. After a stop, whoever sees it first takes back what is queued. And if a thread panics, it shuts the queue
/// down as it leaves: nobody waits for it at either end of the queue.
pub(crate) fn count(order: &Order<'_>, stop: &Event) -> io::Result<Outcome> {
    let threads = order.workers + 1;
    let team = Team {
        stop,
        paths: JoinableQueue::bounded(QUEUED),
        progress: Lock::new(Progress { found: 0, done_with: 0, bytes: 0, at_work: threads }),
        left: Condition::new(),
        open_files: Semaphore::new(order.open_files),
        // The main thread is there too: it breaks the barrier if somebody cannot be spawned.
        start: Barrier::new(threads + 1),
        begin: Lock::new(None),
    };
    thread::scope(|scope| {
        let handles = team.spawn_all(scope, order).map_err(|error| {
            // Those who wait at the barrier would wait for ever: they are too few.
            team.start.abort();
            io::Error::new(error.kind(), format!("cannot start {} workers: {error}", order.workers))
        })?;
        let begin = team.start_clock().map_err(io::Error::other)?;
        team.watch(&report::progress_bar());

        let mut tally = Tally::default();
        for handle in handles {
            match handle.join() {
                Ok(part) => tally.merge(part),
                Err(payload) => panic::resume_unwind(payload),
            }
        }
        debug_assert_eq!(team.paths.unfinished(), 0, "all paths were counted, or taken back");
        Ok(Outcome { tally, workers: order.workers, time: begin.elapsed() })
    })
}

impl Team<'_> {
    fn spawn_all<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        order: &'scope Order<'_>,
    ) -> io::Result<Vec<ScopedJoinHandle<'scope, Tally>>> {
        let mut handles = vec![self.spawn(scope, "walker".to_owned(), || walk::walk(self, order))?];
        for number in 1..=order.workers {
            handles.push(self.spawn(scope, format!("worker {number}"), || self.work(order.words))?);
        }
        Ok(handles)
    }

    /// Spawns a thread that does `work` as soon as all are there.
    fn spawn<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        name: String,
        work: impl FnOnce() -> Tally + Send + 'scope,
    ) -> io::Result<ScopedJoinHandle<'scope, Tally>> {
        thread::Builder::new().name(name).spawn_scoped(scope, || {
            let _leaving = Leaving(self);
            match self.start_clock() {
                Ok(_) => work(),
                // Somebody could not be spawned.
                Err(_) => Tally::default(),
            }
        })
    }

    /// Waits until all are there, and says when that was: the first to go on looks at the clock.
    fn start_clock(&self) -> Result<Instant, BrokenBarrier> {
        self.start.wait()?;
        Ok(*self.begin.lock().get_or_insert_with(Instant::now))
    }

    /// What a worker does: counts files for as long as there are any.
    ///
    /// The tally is its own until the end; what it shares with others is the queue, the permits, and the progress.
    fn work(&self, words: WordRule) -> Tally {
        let mut tally = Tally::default();
        let mut buffer = vec![0; count::CHUNK];
        // A job counts as done when it is dropped, also in a panic.
        while let Ok(path) = self.paths.get_job() {
            let counted = {
                let _permit = self.open_files.acquire();
                count::count_file(&path, &mut buffer, words, self.stop)
            };
            match counted {
                Ok(Some(Counted { counts, is_utf8 })) => {
                    tally.add_file(&path, counts);
                    if !is_utf8 {
                        tally.non_utf8_files.add(&path);
                    }
                    self.progress.lock().bytes += counts.bytes;
                }
                Ok(None) => {
                    tally.not_counted += 1 + self.take_back();
                }
                Err(error) => tally.unreadable.push(at(&path, &error)),
            }
            self.progress.lock().done_with += 1;
        }
        tally
    }

    /// Shuts the queue down, and says how many paths were in it. To the first who asks: for all others it is empty.
    pub(crate) fn take_back(&self) -> u64 {
        self.paths.shutdown_now().len() as u64
    }

    /// What the main thread does: draws the progress bar until the last one has left.
    fn watch(&self, bar: &ProgressBar) {
        loop {
            let mut progress = self.progress.lock();
            let all_left = self.left.wait_while_for(&mut progress, |progress| progress.at_work > 0, TICK);
            let Progress { found, done_with, bytes, .. } = *progress;
            // Drawing takes its time: not while a worker may wait for the lock.
            drop(progress);
            if all_left {
                bar.finish_and_clear();
                return;
            }
            bar.set_message(HumanBytes(bytes).to_string());
            bar.update(|state| {
                state.set_len(found);
                state.set_pos(done_with);
            });
        }
    }
}

/// Held by each thread for as long as it is at work.
struct Leaving<'a>(&'a Team<'a>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        // The walker has found all there is to find; a worker finds the queue shut down already, unless it panics.
        self.0.paths.shutdown();
        self.0.progress.lock().at_work -= 1;
        self.0.left.notify_one();
    }
}
