//! The peers' contenders.

use std::any::Any;
use std::num::NonZero;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::Work;
use super::measure::{Job, at_most, fibs, maps, round_trips, submissions, warm_up};
use crate::harness::Contender;

/// A thread for each job is slow enough that this many will do.
const THREADS: u64 = 500;

/// How to have a pool of each peer, with so many workers that have all run something.
pub type Open = fn(usize) -> Box<dyn Any>;

#[must_use]
pub fn openers() -> [(&'static str, Open); 5] {
    [
        ("rayon", |workers| Box::new(Rayon::open(workers))),
        ("chili", |workers| Box::new(open_chili(workers))),
        ("threadpool", |workers| Box::new(open_threadpool(workers))),
        ("crossbeam-channel", |workers| Box::new(Crossbeam::open(workers))),
        ("tokio", |workers| Box::new(open_tokio(workers))),
    ]
}

/// rayon's own pools do not wait for their threads when they are dropped. This one does, lest they run into the next sample.
struct Rayon {
    pool: Option<rayon::ThreadPool>,
    threads: Vec<JoinHandle<()>>,
}

impl Rayon {
    fn open(workers: usize) -> Rayon {
        let mut threads = Vec::with_capacity(workers);
        let builder = rayon::ThreadPoolBuilder::new().num_threads(workers).spawn_handler(|worker| {
            threads.push(thread::spawn(|| worker.run()));
            Ok(())
        });
        let pool = builder.build().expect("rayon's pool starts");
        warm_up(workers, |job| pool.spawn(job));
        Rayon { pool: Some(pool), threads }
    }
}

impl Deref for Rayon {
    type Target = rayon::ThreadPool;

    fn deref(&self) -> &Self::Target {
        self.pool.as_ref().expect("it is there until the end")
    }
}

impl Drop for Rayon {
    fn drop(&mut self) {
        drop(self.pool.take());
        for thread in self.threads.drain(..) {
            thread.join().expect("rayon catches the panics of jobs");
        }
    }
}

/// chili's caller works too, and is one of its threads.
fn open_chili(workers: usize) -> chili::ThreadPool {
    let config = chili::Config { thread_count: NonZero::new(workers), ..chili::Config::default() };
    let pool = chili::ThreadPool::with_config(config);
    fib_chili(&mut pool.scope(), 10);
    pool
}

fn open_threadpool(workers: usize) -> threadpool::ThreadPool {
    let pool = threadpool::ThreadPool::new(workers);
    warm_up(workers, |job| pool.execute(job));
    pool
}

/// A channel of jobs, and threads that run them.
struct Crossbeam {
    jobs: Option<crossbeam_channel::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crossbeam {
    fn open(workers: usize) -> Crossbeam {
        let (jobs, waiting) = crossbeam_channel::unbounded::<Job>();
        let work = |waiting: crossbeam_channel::Receiver<Job>| {
            thread::spawn(move || {
                for job in waiting {
                    job();
                }
            })
        };
        let threads = (0..workers).map(|_| work(waiting.clone())).collect();
        let pool = Crossbeam { jobs: Some(jobs), threads };
        warm_up(workers, |job| pool.spawn(job));
        pool
    }

    #[inline]
    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        let jobs = self.jobs.as_ref().expect("it is there until the end");
        jobs.send(Box::new(job)).expect("the threads wait for jobs");
    }

    /// Four chunks for each worker.
    fn map(&self, input: Vec<u64>, work: impl Work) -> Vec<u64> {
        let chunks = input.len().min(self.threads.len() * 4).max(1);
        let length = input.len().div_ceil(chunks);
        let input = Arc::new(input);
        let (says, hears) = crossbeam_channel::bounded(chunks);
        for chunk in 0..chunks {
            let (input, says) = (Arc::clone(&input), says.clone());
            self.spawn(move || {
                let part = input.chunks(length).nth(chunk).unwrap_or_default();
                let results: Vec<u64> = part.iter().map(|item| work(*item)).collect();
                says.send((chunk, results)).expect("the caller waits for all chunks");
            });
        }
        let mut parts = vec![Vec::new(); chunks];
        for (chunk, results) in hears.iter().take(chunks) {
            parts[chunk] = results;
        }
        parts.concat()
    }
}

impl Drop for Crossbeam {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            thread.join().expect("no job panics");
        }
    }
}

/// Only its threads for blocking jobs; its runtime for tasks is whoever calls `block_on`.
fn open_tokio(workers: usize) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(workers).build();
    let runtime = runtime.expect("tokio's runtime starts");
    warm_up(workers, |job| drop(runtime.spawn_blocking(job)));
    runtime
}

#[must_use]
pub fn submit(workers: usize, submitters: u64) -> Vec<Contender> {
    vec![
        Contender::new("rayon", move |jobs| {
            let pool = Rayon::open(workers);
            submissions(submitters, jobs, |countdown| pool.spawn(|| countdown.count()))
        }),
        Contender::new("threadpool", move |jobs| {
            let pool = open_threadpool(workers);
            submissions(submitters, jobs, |countdown| pool.execute(|| countdown.count()))
        }),
        Contender::new("crossbeam-channel", move |jobs| {
            let pool = Crossbeam::open(workers);
            submissions(submitters, jobs, |countdown| pool.spawn(|| countdown.count()))
        }),
        Contender::new("tokio", move |jobs| {
            let runtime = open_tokio(workers);
            submissions(submitters, jobs, |countdown| drop(runtime.spawn_blocking(|| countdown.count())))
        }),
        Contender::new("std::thread", move |jobs| {
            at_most(THREADS, jobs, |jobs| {
                submissions(submitters, jobs, |countdown| drop(thread::spawn(|| countdown.count())))
            })
        }),
    ]
}

/// The way back is a channel with one place, made once, where a peer has no way of its own.
#[must_use]
pub fn round_trip(workers: usize) -> Vec<Contender> {
    vec![
        Contender::new("rayon", move |trips| {
            let pool = Rayon::open(workers);
            let (says, hears) = sync_channel(1);
            round_trips(trips, |key| {
                let says = says.clone();
                pool.spawn(move || says.send(key).unwrap());
                hears.recv().unwrap()
            })
        }),
        Contender::new("rayon install", move |trips| {
            let pool = Rayon::open(workers);
            round_trips(trips, |key| pool.install(|| key))
        }),
        Contender::new("threadpool", move |trips| {
            let pool = open_threadpool(workers);
            let (says, hears) = sync_channel(1);
            round_trips(trips, |key| {
                let says = says.clone();
                pool.execute(move || says.send(key).unwrap());
                hears.recv().unwrap()
            })
        }),
        Contender::new("crossbeam-channel", move |trips| {
            let pool = Crossbeam::open(workers);
            let (says, hears) = crossbeam_channel::bounded(1);
            round_trips(trips, |key| {
                let says = says.clone();
                pool.spawn(move || says.send(key).unwrap());
                hears.recv().unwrap()
            })
        }),
        Contender::new("tokio", move |trips| {
            let runtime = open_tokio(workers);
            round_trips(trips, |key| runtime.block_on(runtime.spawn_blocking(move || key)).unwrap())
        }),
        Contender::new("std::thread", |trips| {
            at_most(THREADS, trips, |trips| {
                round_trips(trips, |key| thread::spawn(move || key).join().unwrap())
            })
        }),
    ]
}

#[must_use]
pub fn map(workers: usize, length: u64, work: impl Work) -> Vec<Contender> {
    vec![
        Contender::new("rayon", move |items| {
            let pool = Rayon::open(workers);
            maps(length, items, work, |input| pool.install(|| input.into_par_iter().map(work).collect()))
        }),
        Contender::new("crossbeam-channel", move |items| {
            let pool = Crossbeam::open(workers);
            maps(length, items, work, |input| pool.map(input, work))
        }),
        Contender::mark("std (one thread)", move |items| {
            maps(length, items, work, |input| input.into_iter().map(work).collect())
        }),
    ]
}

#[must_use]
pub fn fib(workers: usize) -> Vec<Contender> {
    vec![
        Contender::new("rayon", move |forks| {
            let pool = Rayon::open(workers);
            fibs(forks, |n| pool.install(|| fib_rayon(n)))
        }),
        Contender::new("rayon scope", move |forks| {
            let pool = Rayon::open(workers);
            fibs(forks, |n| pool.install(|| fib_rayon_scope(n)))
        }),
        Contender::new("chili", move |forks| {
            let pool = open_chili(workers);
            fibs(forks, |n| fib_chili(&mut pool.scope(), n))
        }),
        Contender::mark("std (one thread)", |forks| fibs(forks, fib_alone)),
    ]
}

fn fib_rayon(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rayon::join(|| fib_rayon(n - 1), || fib_rayon(n - 2));
    a + b
}

fn fib_rayon_scope(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (mut a, mut b) = (0, 0);
    rayon::scope(|s| {
        s.spawn(|_| a = fib_rayon_scope(n - 1));
        b = fib_rayon_scope(n - 2);
    });
    a + b
}

/// chili itself runs both sides in turn, without a fork, while three forks wait for somebody to take them.
fn fib_chili(scope: &mut chili::Scope<'_>, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = scope.join(|s| fib_chili(s, n - 1), |s| fib_chili(s, n - 2));
    a + b
}

fn fib_alone(n: u64) -> u64 {
    if n < 2 { n } else { fib_alone(n - 1) + fib_alone(n - 2) }
}
