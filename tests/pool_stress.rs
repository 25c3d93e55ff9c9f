//! `WorkPool` under many threads: each job runs once or is cancelled once, and nobody waits in vain.

#![cfg(not(feature = "loom"))]

mod common;
mod pools;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{LONG, Random, wait_until, within};
use pools::{fail, keep_busy};
use raddle::{Barrier, Event, JobError, JobHandle, WorkPool};

/// What became of each job.
struct Ledger {
    lines: Vec<Line>,
}

/// How often it happened to one job.
#[derive(Default)]
struct Line {
    made: AtomicU8,
    ran: AtomicU8,
    refused: AtomicU8,
    cancelled: AtomicU8,
    dropped: AtomicU8,
}

impl Ledger {
    fn new(jobs: usize) -> Arc<Ledger> {
        Arc::new(Ledger { lines: (0..jobs).map(|_| Line::default()).collect() })
    }

    /// What a job of this number has in its closure.
    fn ticket(self: &Arc<Ledger>, number: usize) -> Ticket {
        count(&self.lines[number].made);
        Ticket { ledger: Arc::clone(self), number: Box::new(number) }
    }

    /// Each job that was made has run, or was cancelled or refused; and its closure was dropped, once.
    fn check(self: Arc<Ledger>) {
        let read = |count: &AtomicU8| count.load(Ordering::Relaxed);
        for (number, line) in self.lines.iter().enumerate() {
            let (made, ran, refused) = (read(&line.made), read(&line.ran), read(&line.refused));
            let (cancelled, dropped) = (read(&line.cancelled), read(&line.dropped));
            assert!(made <= 1, "job {number}");
            assert_eq!(ran + refused + cancelled, made, "job {number}: ran {ran}, cancelled {cancelled}");
            assert_eq!(dropped, made, "job {number}: dropped");
        }
        assert_eq!(Arc::strong_count(&self), 1, "a closure is still there");
    }
}

fn count(count: &AtomicU8) {
    count.fetch_add(1, Ordering::Relaxed);
}

struct Ticket {
    ledger: Arc<Ledger>,
    /// On the heap, so that a tool that watches memory sees one that is there twice.
    number: Box<usize>,
}

impl Ticket {
    fn line(&self) -> &Line {
        &self.ledger.lines[*self.number]
    }

    fn run(&self) -> usize {
        count(&self.line().ran);
        *self.number
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        count(&self.line().dropped);
    }
}

/// So many in release, a fraction of them in debug.
fn scaled(jobs: usize) -> usize {
    if cfg!(debug_assertions) { jobs / 5 } else { jobs }
}

#[test]
fn each_of_a_million_jobs_runs_once_though_one_in_a_hundred_panics() {
    within(|| {
        const SUBMITTERS: usize = 8;
        let each = 1_000_000 / SUBMITTERS;
        let ledger = Ledger::new(SUBMITTERS * each);
        let (unheard, told) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let hook = Arc::clone(&unheard);
        let pool = WorkPool::builder()
            .workers(3)
            .panic_hook(move |_| _ = hook.fetch_add(1, Ordering::Relaxed))
            .build()
            .unwrap();
        thread::scope(|s| {
            for submitter in 0..SUBMITTERS {
                let (pool, ledger, told) = (&pool, &ledger, &told);
                s.spawn(move || {
                    let mut handles = Vec::new();
                    for number in submitter * each..(submitter + 1) * each {
                        let ticket = ledger.ticket(number);
                        let job = move || {
                            ticket.run();
                            if number % 100 == 37 {
                                fail("one in a hundred");
                            }
                            number
                        };
                        match number / 100 % 4 {
                            0 => pool.spawn(move || _ = job()),
                            1 => drop(pool.try_apply_async(job).unwrap()),
                            2 => handles.push(pool.apply_async(job)),
                            _ => handles.push(pool.apply_async_with(job, move |result| {
                                assert_eq!(result.is_err(), number % 100 == 37);
                            })),
                        }
                        if handles.len() == 1000 {
                            join_all(&mut handles, told);
                        }
                    }
                    join_all(&mut handles, told);
                });
            }
        });
        assert_eq!(pool.workers(), 3);
        pool.close();
        pool.join().unwrap();
        ledger.check();
        // A handle that was dropped when its job had failed already tells nobody.
        let (unheard, told) = (unheard.load(Ordering::Relaxed), told.into_inner());
        let panics = SUBMITTERS * each / 100;
        assert!(told > 0 && unheard > 0 && told + unheard <= panics, "{told} {unheard} {panics}");
    });
}

fn join_all(handles: &mut Vec<JobHandle<usize>>, told: &AtomicUsize) {
    let mut last = None;
    for handle in handles.drain(..) {
        match handle.join() {
            Ok(number) => {
                assert!(last < Some(number), "the result of another");
                last = Some(number);
            }
            Err(error) => {
                assert_eq!(error.message(), Some("one in a hundred"));
                told.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// What a tree of jobs computes: the same with a pool and without.
fn plain(seed: u64, depth: u32) -> u64 {
    children(seed, depth).into_iter().fold(seed, |sum, child| sum.wrapping_add(plain(child, depth - 1)))
}

fn children(seed: u64, depth: u32) -> Vec<u64> {
    let mut random = Random::new(seed);
    let most = if depth == 0 { 1 } else { 4 };
    (0..random.below(most)).map(|_| random.next()).collect()
}

/// As `plain`; each node of the tree has its children done in another way.
fn forked(pool: &Arc<WorkPool>, seed: u64, depth: u32) -> u64 {
    let children = children(seed, depth);
    let go = |child: u64| forked(pool, child, depth - 1);
    let own = {
        let pool = Arc::downgrade(pool);
        move |child: u64| forked(&pool.upgrade().expect("the root has it"), child, depth - 1)
    };
    let sum = |values: Vec<u64>| values.into_iter().fold(0, u64::wrapping_add);
    let below = match seed % 9 {
        0 => sum(children.into_iter().map(|child| pool.apply(|| go(child))).collect()),
        1 => {
            let (left, right) = children.split_at(children.len() / 2);
            let (left, right) = pool.both(
                || sum(left.iter().map(|&child| go(child)).collect()),
                || sum(right.iter().map(|&child| go(child)).collect()),
            );
            left.wrapping_add(right)
        }
        2 => {
            let total = raddle::Lock::new(0_u64);
            pool.scope(|scope| {
                for child in children {
                    let (total, go) = (&total, &go);
                    scope.spawn(move || {
                        let value = go(child);
                        let mut total = total.lock();
                        *total = total.wrapping_add(value);
                    });
                }
            });
            total.into_inner()
        }
        3 => sum(pool.map(children, go)),
        4 => sum(pool.map_chunked(1, children, go)),
        5 => sum(pool.imap(children, own).collect()),
        6 => sum(pool.imap_unordered(children, own).collect()),
        7 => sum(pool.map_async(children, own).join().unwrap()),
        _ => {
            let handles: Vec<_> = children
                .into_iter()
                .map(|child| {
                    let own = own.clone();
                    pool.apply_async(move || own(child))
                })
                .collect();
            // The last first.
            sum(handles.into_iter().rev().map(|handle| handle.join().unwrap()).collect())
        }
    };
    seed.wrapping_add(below)
}

#[test]
fn jobs_nested_in_every_way_compute_what_plain_calls_do() {
    within(|| {
        for (round, workers) in [1, 2, 3, 8].into_iter().enumerate() {
            let mut builder = WorkPool::builder().workers(workers).lazy_start(round % 2 == 1);
            if round >= 2 {
                builder = builder.queue_bound(round);
            }
            let pool = Arc::new(builder.build().unwrap());
            thread::scope(|s| {
                for thread in 0..3 {
                    let pool = &pool;
                    s.spawn(move || {
                        let mut random = Random::new(thread * 10 + round as u64);
                        for tree in 0..100 {
                            let seed = random.next();
                            let result = if tree % 2 == 0 {
                                forked(pool, seed, 10)
                            } else {
                                pool.apply(|| forked(pool, seed, 10))
                            };
                            assert_eq!(result, plain(seed, 10));
                        }
                    });
                }
            });
            wait_until("no job has the pool any more", || Arc::strong_count(&pool) == 1);
        }
    });
}

#[test]
fn fibonacci_by_both_from_several_threads() {
    fn fib(pool: &WorkPool, n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = pool.both(|| fib(pool, n - 1), || fib(pool, n - 2));
        a + b
    }

    within(|| {
        for workers in [1, 2, 5] {
            let pool = WorkPool::new(workers);
            thread::scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| assert_eq!(fib(&pool, 22), 17711));
                }
            });
        }
    });
}

#[test]
fn jobs_that_wait_for_earlier_ones_find_their_results() {
    within(|| {
        for workers in [1, 2, 4] {
            let pool = WorkPool::new(workers);
            let mut random = Random::new(workers as u64);
            let mut handles: Vec<Arc<JobHandle<u64>>> = Vec::new();
            let mut expected: Vec<u64> = Vec::new();
            for number in 0..2000 {
                let needs: Vec<usize> =
                    (0..3.min(number)).map(|_| random.below(number as u64) as usize).collect();
                expected
                    .push(needs.iter().fold(number as u64, |sum, &need| sum.wrapping_add(expected[need])));
                let needs: Vec<_> = needs.iter().map(|&need| Arc::clone(&handles[need])).collect();
                let wait = random.below(3);
                handles.push(Arc::new(pool.apply_async(move || {
                    needs.iter().fold(number as u64, |sum, need| {
                        if wait == 0 {
                            assert!(need.wait_for(LONG));
                        }
                        sum.wrapping_add(need.get().unwrap())
                    })
                })));
            }
            for (handle, expected) in handles.iter().zip(expected).rev() {
                assert_eq!(handle.get().unwrap(), expected);
            }
        }
    });
}

/// One worker makes jobs and takes some of them back, and the others live on what they steal from it.
#[test]
fn jobs_that_are_stolen_run_once() {
    within(|| {
        const JOBS: usize = 40_000;
        for round in 0..scaled(50) {
            let ledger = Ledger::new(JOBS);
            let pool = WorkPool::new(3 + round % 3);
            pool.apply(|| {
                let mut random = Random::new(round as u64);
                let mut number = 0;
                while number < JOBS {
                    // Few at a time, so that owner and thieves often want the same one.
                    let batch = (1 + random.below(6) as usize).min(JOBS - number);
                    let mut last = None;
                    for number in number..number + batch {
                        let ticket = ledger.ticket(number);
                        last = Some(pool.apply_async(move || ticket.run()));
                    }
                    number += batch;
                    if random.below(3) > 0 {
                        assert_eq!(last.unwrap().join().unwrap(), number - 1);
                    }
                    let (a, b) = pool.both(|| number, || number + 1);
                    assert_eq!(a + 1, b);
                }
            });
            pool.close();
            pool.join().unwrap();
            ledger.check();
        }
    });
}

/// How the many are stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Close,
    Terminate,
}

#[test]
fn each_job_runs_or_is_cancelled_whenever_the_pool_is_ended() {
    within(|| {
        for round in 0..scaled(300) as u64 {
            let end = if round % 3 == 0 { End::Close } else { End::Terminate };
            end_at_a_random_moment(end, round);
        }
    });
}

/// Jobs with the numbers of their lines.
type Numbered = Vec<(usize, JobHandle<usize>)>;

fn end_at_a_random_moment(end: End, seed: u64) {
    const SUBMITTERS: usize = 4;
    const EACH: usize = 60;
    /// Each job makes this many more.
    const OWN: usize = 2;

    let mut random = Random::new(seed);
    let workers = 1 + random.below(4) as usize;
    let mut builder = WorkPool::builder().workers(workers).lazy_start(random.below(2) == 0);
    if random.below(2) == 0 {
        builder = builder.queue_bound(1 + random.below(5) as usize);
    }
    let pool = Arc::new(builder.build().unwrap());
    let ledger = Ledger::new(SUBMITTERS * EACH * (1 + OWN));
    let own_handles: Arc<Mutex<Numbered>> = Arc::default();
    let called = Arc::new(AtomicUsize::new(0));
    let steps = AtomicUsize::new(0);

    let handles: Numbered = thread::scope(|s| {
        let submitters: Vec<_> = (0..SUBMITTERS)
            .map(|submitter| {
                let mut random = Random::new(random.next());
                let (pool, ledger, own_handles, called, steps) =
                    (&pool, &ledger, &own_handles, &called, &steps);
                s.spawn(move || {
                    let mut handles = Vec::new();
                    for number in submitter * EACH..(submitter + 1) * EACH {
                        steps.fetch_add(1, Ordering::Relaxed);
                        let ticket = ledger.ticket(number);
                        let (pool_too, own_handles) = (Arc::clone(pool), Arc::clone(own_handles));
                        let waits = random.below(3);
                        let job = move || {
                            for own in 0..OWN {
                                // From a worker, so it is always taken; and cancelled at once after `terminate`.
                                let number = SUBMITTERS * EACH + number * OWN + own;
                                let ticket = ticket.ledger.ticket(number);
                                let handle = pool_too.apply_async(move || ticket.run());
                                if waits == own as u64 {
                                    handle.wait();
                                }
                                own_handles.lock().unwrap().push((number, handle));
                            }
                            ticket.run()
                        };
                        let taken = match random.below(4) {
                            0 => pool.try_apply_async_for(job, random.micros(100)),
                            1 => pool.try_apply_async_until(job, Instant::now() + random.micros(100)),
                            2 => pool.try_apply_async(job),
                            _ => pool.try_apply_async_for(job, Duration::MAX),
                        };
                        match taken {
                            Ok(handle) => {
                                if random.below(2) == 0 {
                                    let called = Arc::clone(called);
                                    handle.on_done(move |_| _ = called.fetch_add(1, Ordering::Relaxed));
                                } else {
                                    called.fetch_add(1, Ordering::Relaxed);
                                }
                                handles.push((number, handle));
                            }
                            Err(error) => {
                                assert!(!error.is_closed() || pool.is_closed());
                                drop(error.into_inner());
                                count(&ledger.lines[number].refused);
                            }
                        }
                    }
                    handles
                })
            })
            .collect();
        let moment = random.below((SUBMITTERS * EACH) as u64) as usize;
        wait_until("it is time", || {
            steps.load(Ordering::Relaxed) >= moment || submitters.iter().all(|thread| thread.is_finished())
        });
        match end {
            End::Close => pool.close(),
            End::Terminate => pool.terminate(),
        }
        assert_eq!(pool.join_for(LONG), Ok(true), "the workers do not end");
        submitters.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    // A submitter may have been told that its job was taken after `join` here had returned: but then it was taken before, and has run.
    assert_eq!((pool.workers(), pool.queued()), (0, 0));
    assert_eq!(called.load(Ordering::Relaxed), handles.len(), "a callback for each");
    for (number, handle) in handles.into_iter().chain(own_handles.lock().unwrap().drain(..)) {
        assert!(handle.is_finished(), "job {number} is left hanging ({end:?})");
        match handle.join() {
            Ok(result) => assert_eq!(result, number),
            Err(JobError::Cancelled) => {
                assert_eq!(end, End::Terminate);
                count(&ledger.lines[number].cancelled);
            }
            Err(error) => panic!("job {number}: {error}"),
        }
    }
    drop(own_handles);
    drop(pool);
    ledger.check();
}

/// Submitters against `close` and `join`, with the first thread still to be started: what was taken has run when `join` returns.
#[test]
fn a_job_that_was_taken_has_run_when_join_returns() {
    within(|| {
        for round in 0..scaled(5_000) {
            let pool = WorkPool::builder().workers(1 + round % 2).lazy_start(true).build().unwrap();
            let start = AtomicUsize::new(0);
            thread::scope(|s| {
                let submitter = s.spawn(|| {
                    start.fetch_add(1, Ordering::Relaxed);
                    wait_until("both are there", || start.load(Ordering::Relaxed) == 2);
                    pool.try_apply_async(|| ()).ok()
                });
                start.fetch_add(1, Ordering::Relaxed);
                wait_until("both are there", || start.load(Ordering::Relaxed) == 2);
                for _ in 0..round % 200 {
                    std::hint::spin_loop();
                }
                pool.close();
                pool.join().unwrap();
                let handle = submitter.join().unwrap();
                assert!(handle.is_none_or(|handle| handle.is_finished()), "joined, and it had not run");
            });
        }
    });
}

#[test]
fn a_job_is_run_or_cancelled_never_both() {
    within(|| {
        const JOBS: usize = 200;
        for round in 0..scaled(500) {
            let workers = 1 + round % 2;
            let ledger = Ledger::new(JOBS);
            let pool = WorkPool::new(workers);
            let callbacks = Arc::new(AtomicUsize::new(0));
            let gate = keep_busy(&pool, workers);
            let handles: Vec<_> = (0..JOBS)
                .map(|number| {
                    let (ticket, callbacks) = (ledger.ticket(number), Arc::clone(&callbacks));
                    pool.apply_async_with(
                        move || ticket.run(),
                        move |_| _ = callbacks.fetch_add(1, Ordering::Relaxed),
                    )
                })
                .collect();
            // All come the same way: the workers, one who cancels, and one who does so where it is ahead.
            thread::scope(|s| {
                for skips in [false, true] {
                    let (handles, ledger, gate) = (&handles, &ledger, &gate);
                    s.spawn(move || {
                        gate.open();
                        for (number, handle) in handles.iter().enumerate() {
                            if !(skips && handle.is_finished()) && handle.cancel() {
                                count(&ledger.lines[number].cancelled);
                            }
                        }
                    });
                }
            });
            pool.close();
            pool.join().unwrap();
            for (number, handle) in handles.into_iter().enumerate() {
                let cancelled = ledger.lines[number].cancelled.load(Ordering::Relaxed) == 1;
                match handle.join() {
                    Ok(result) => assert_eq!((result, cancelled), (number, false)),
                    Err(error) => assert!(error.is_cancelled() && cancelled),
                }
            }
            assert_eq!(callbacks.load(Ordering::Relaxed), JOBS);
            ledger.check();
        }
    });
}

#[test]
fn a_handle_bears_every_call_from_several_threads_at_once() {
    const THREADS: usize = 4;

    within(|| {
        let pool = WorkPool::new(2);
        let start = Barrier::new(THREADS + 1);
        let next: Mutex<Option<Arc<JobHandle<Vec<usize>>>>> = Mutex::new(None);
        let rounds = scaled(6000);
        let (takes, added, called) =
            (AtomicUsize::new(0), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        thread::scope(|s| {
            for seed in 0..THREADS as u64 {
                let (start, next, takes, added, called) = (&start, &next, &takes, &added, &called);
                s.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..rounds {
                        start.wait().unwrap();
                        let handle = Arc::clone(next.lock().unwrap().as_ref().unwrap());
                        let round_takes = |result: &Result<Vec<usize>, JobError>| match result {
                            Ok(result) => {
                                assert_eq!(*result, [1, 2, 3]);
                                takes.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(JobError::Cancelled) => _ = takes.fetch_add(1, Ordering::Relaxed),
                            Err(JobError::Taken) => {}
                            Err(error) => panic!("{error}"),
                        };
                        for _ in 0..random.below(5) {
                            match random.below(9) {
                                0 => match handle.get() {
                                    Ok(result) => assert_eq!(result, [1, 2, 3]),
                                    Err(error) => assert!(!error.is_panic()),
                                },
                                1 => handle.try_join().iter().for_each(round_takes),
                                2 => handle.join_for(random.micros(50)).iter().for_each(round_takes),
                                3 | 4 => {
                                    added.fetch_add(1, Ordering::Relaxed);
                                    let called = Arc::clone(called);
                                    handle.on_done(move |result| {
                                        if let Ok(result) = result {
                                            assert_eq!(*result, [1, 2, 3]);
                                        }
                                        called.fetch_add(1, Ordering::Relaxed);
                                    });
                                }
                                5 if random.below(4) == 0 => _ = handle.cancel(),
                                6 => _ = handle.wait_for(random.micros(50)),
                                7 => {
                                    handle.wait();
                                    assert!(handle.is_finished());
                                }
                                _ => _ = (handle.is_finished(), format!("{handle:?}")),
                            }
                        }
                        drop(handle);
                        start.wait().unwrap();
                    }
                });
            }
            for round in 0..rounds {
                let takes_before = takes.load(Ordering::Relaxed);
                let handle = Arc::new(pool.apply_async(move || {
                    // Not so quick that it is always over before they come.
                    (0..round % 64 * 8).for_each(|_| std::hint::spin_loop());
                    vec![1, 2, 3]
                }));
                *next.lock().unwrap() = Some(Arc::clone(&handle));
                start.wait().unwrap();
                start.wait().unwrap();
                next.lock().unwrap().take();
                let handle = Arc::into_inner(handle).expect("nobody else has it any more");
                handle.wait();
                let taken = takes.load(Ordering::Relaxed) - takes_before;
                assert!(taken <= 1, "taken {taken} times");
                match handle.join() {
                    Ok(_) | Err(JobError::Cancelled) => assert_eq!(taken, 0),
                    Err(JobError::Taken) => assert_eq!(taken, 1),
                    Err(error) => panic!("{error}"),
                }
                assert_eq!(called.load(Ordering::Relaxed), added.load(Ordering::Relaxed), "each once");
            }
        });
    });
}

#[test]
fn callbacks_added_at_any_moment_are_called_once_and_in_order() {
    within(|| {
        const ADDERS: usize = 3;
        const EACH: usize = 4;
        let pool = WorkPool::new(1);
        for round in 0..scaled(5000) as u64 {
            let log: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
            let waits = Arc::new(Event::new());
            let handle = pool.apply_async({
                let waits = Arc::clone(&waits);
                move || {
                    waits.wait();
                    8
                }
            });
            thread::scope(|s| {
                for adder in 0..ADDERS {
                    let (handle, log) = (&handle, &log);
                    let mut random = Random::new(round * 10 + adder as u64);
                    s.spawn(move || {
                        for number in 0..EACH {
                            let log = Arc::clone(log);
                            handle.on_done(move |result| {
                                assert_eq!(result.copied().unwrap(), 8);
                                log.lock().unwrap().push((adder, number));
                            });
                            (0..random.below(300)).for_each(|_| std::hint::spin_loop());
                        }
                    });
                }
                (0..round % 50 * 20).for_each(|_| std::hint::spin_loop());
                waits.set();
                handle.wait();
            });
            let log = log.lock().unwrap();
            assert_eq!(log.len(), ADDERS * EACH, "round {round}: {log:?}");
            for adder in 0..ADDERS {
                let of_one: Vec<_> =
                    log.iter().filter(|&&(of, _)| of == adder).map(|&(_, number)| number).collect();
                assert_eq!(of_one, (0..EACH).collect::<Vec<_>>(), "round {round}");
            }
        }
    });
}

#[test]
fn a_pool_with_a_bound_loses_nothing_of_many_submitters_with_timeouts() {
    within(|| {
        const SUBMITTERS: usize = 6;
        const EACH: usize = 500;
        for bound in [1, 2, 5] {
            let ledger = Ledger::new(SUBMITTERS * EACH);
            let pool = WorkPool::builder().workers(2).queue_bound(bound).build().unwrap();
            let is_over = AtomicBool::new(false);
            thread::scope(|s| {
                let submitters: Vec<_> = (0..SUBMITTERS)
                    .map(|submitter| {
                        let (pool, ledger) = (&pool, &ledger);
                        s.spawn(move || {
                            let mut random = Random::new(submitter as u64);
                            for number in submitter * EACH..(submitter + 1) * EACH {
                                let ticket = ledger.ticket(number);
                                let mut job = move || ticket.run();
                                loop {
                                    let start = Instant::now();
                                    let timeout = random.micros(60);
                                    let result = match random.below(5) {
                                        0 => Ok(pool.apply_async(job)),
                                        1 => pool.try_apply_async(job),
                                        2 => pool.try_apply_async_for(job, timeout),
                                        3 => pool.try_apply_async_until(job, start + timeout),
                                        _ => {
                                            assert_eq!(pool.apply(job), number);
                                            break;
                                        }
                                    };
                                    match result {
                                        Ok(handle) => {
                                            if random.below(2) == 0 {
                                                assert_eq!(handle.join().unwrap(), number);
                                            }
                                            break;
                                        }
                                        Err(error) => {
                                            assert!(error.is_full());
                                            job = error.into_inner();
                                            // Some are given up.
                                            if random.below(20) == 0 {
                                                count(&ledger.lines[number].refused);
                                                break;
                                            }
                                        }
                                    }
                                }
                            }
                        })
                    })
                    .collect();
                s.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        assert!(pool.queued() <= bound, "more than there is room for");
                        thread::yield_now();
                    }
                });
                let results: Vec<_> = submitters.into_iter().map(|thread| thread.join()).collect();
                is_over.store(true, Ordering::Relaxed);
                results.into_iter().for_each(|result| result.unwrap());
            });
            drop(pool);
            ledger.check();
        }
    });
}

#[test]
fn as_many_jobs_as_there_are_workers_run_at_the_same_time() {
    within(|| {
        for (workers, rounds) in [(1, 200), (2, 200), (4, 200), (8, 50), (64, 6)] {
            for lazy in [false, true] {
                let pool = WorkPool::builder().workers(workers).lazy_start(lazy).build().unwrap();
                let mut random = Random::new(workers as u64);
                for round in 0..rounds {
                    // They wait for each other: one wake-up too few, and all hang.
                    let meet = Arc::new(Barrier::new(workers));
                    let job = || {
                        let meet = Arc::clone(&meet);
                        move || assert!(meet.wait_for(LONG).is_ok(), "not all have been woken")
                    };
                    match round % 4 {
                        0 => {
                            let handles: Vec<_> = (0..workers).map(|_| pool.apply_async(job())).collect();
                            handles.into_iter().for_each(|handle| handle.join().unwrap());
                        }
                        1 => pool.scope(|scope| (0..workers).for_each(|_| scope.spawn(job()))),
                        2 => _ = pool.map_chunked(1, 0..workers, |_| job()()),
                        // All from inside: the worker that makes them is one of those who meet.
                        _ => pool.apply(|| {
                            let handles: Vec<_> = (1..workers).map(|_| pool.apply_async(job())).collect();
                            job()();
                            handles.into_iter().for_each(|handle| handle.join().unwrap());
                        }),
                    }
                    // Now and then, time enough to fall asleep.
                    if random.below(3) == 0 {
                        thread::sleep(random.micros(300));
                    }
                }
            }
        }
    });
}

#[test]
fn sixty_four_workers_share_the_work() {
    within(|| {
        let pool = Arc::new(WorkPool::new(64));
        let expected: Vec<usize> = (0..20_000).map(|n| n + 1).collect();
        assert_eq!(pool.map(0..20_000, |n| n + 1), expected);
        assert_eq!(pool.map_chunked(7, 0..20_000, |n| n + 1), expected);
        assert_eq!(pool.imap(0..2_000, |n| n + 1).collect::<Vec<_>>(), expected[..2_000]);
        let sum: u64 = (0..4).map(|seed| forked(&pool, seed, 7).wrapping_sub(plain(seed, 7))).sum();
        assert_eq!((sum, pool.workers()), (0, 64));
    });
}

#[test]
fn a_job_that_comes_to_a_sleeping_pool_is_begun() {
    within(|| {
        for workers in [1, 2, 4] {
            let pool = WorkPool::new(workers);
            let mut random = Random::new(workers as u64);
            for number in 0..scaled(5000) {
                // About as long as a worker searches before it sleeps: so it may just be lying down.
                (0..random.below(2000)).for_each(|_| std::hint::spin_loop());
                if number % 50 == 0 {
                    thread::sleep(random.micros(500));
                }
                let handle = pool.apply_async(move || number);
                assert_eq!(handle.join_for(LONG).expect("nobody has woken").unwrap(), number);
            }
        }
    });
}

#[test]
fn nobody_hangs_when_inits_panic_at_random() {
    within(|| {
        for round in 0..60_u64 {
            let random = Mutex::new(Random::new(round));
            let workers = 1 + round as usize % 4;
            let pool = WorkPool::builder()
                .workers(workers)
                .lazy_start(round % 2 == 0)
                .thread_init(move |_| {
                    if random.lock().unwrap().below(2) == 0 {
                        fail("unlucky");
                    }
                })
                .build()
                .unwrap();
            let ledger = Ledger::new(200);
            thread::scope(|s| {
                for submitter in 0..2 {
                    let (pool, ledger) = (&pool, &ledger);
                    s.spawn(move || {
                        for number in submitter * 100..(submitter + 1) * 100 {
                            let ticket = ledger.ticket(number);
                            let handle = pool.apply_async(move || ticket.run());
                            match handle.join_for(LONG).expect("it is left hanging") {
                                Ok(result) => assert_eq!(result, number),
                                Err(error) => {
                                    assert!(error.is_cancelled());
                                    count(&ledger.lines[number].cancelled);
                                }
                            }
                        }
                    });
                }
            });
            if round % 3 == 0 {
                pool.close();
                assert_eq!(pool.join_for(LONG), Ok(true));
            }
            drop(pool);
            ledger.check();
        }
    });
}

#[test]
fn pools_come_and_go_while_others_work() {
    within(|| {
        thread::scope(|s| {
            for seed in 0..4 {
                s.spawn(move || {
                    let mut random = Random::new(seed);
                    for round in 0..scaled(1500) {
                        let builder = WorkPool::builder().workers(1 + random.below(3) as usize);
                        let pool = Arc::new(builder.lazy_start(random.below(2) == 0).build().unwrap());
                        let ran = Arc::new(AtomicUsize::new(0));
                        for _ in 0..3 {
                            let (ran, pool_too) = (Arc::clone(&ran), Arc::clone(&pool));
                            let keeps_pool = random.below(4) == 0;
                            pool.spawn(move || {
                                if keeps_pool {
                                    let ran = Arc::clone(&ran);
                                    pool_too.spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed));
                                } else {
                                    ran.fetch_add(1, Ordering::Relaxed);
                                }
                                // The last share may go here, in a worker.
                                drop(pool_too);
                            });
                        }
                        match random.below(4) {
                            0 => pool.close(),
                            1 => {
                                pool.close();
                                pool.join().unwrap();
                                assert_eq!(ran.load(Ordering::Relaxed), 3);
                            }
                            _ => {}
                        }
                        drop(pool);
                        wait_until("all has run", || ran.load(Ordering::Relaxed) == 3);
                        if round % 16 == 0 {
                            thread::yield_now();
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn maps_and_scopes_with_random_panics_end_and_harm_nobody() {
    within(|| {
        let pool = WorkPool::builder().workers(3).panic_hook(drop).build().unwrap();
        thread::scope(|s| {
            for seed in 0..3 {
                let pool = &pool;
                s.spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..scaled(2000) {
                        let bad = random.below(40);
                        let unlucky = |n: u64| if n == bad { fail("unlucky") } else { n };
                        let good = bad >= 30;
                        let caught = match random.below(4) {
                            0 => catch_unwind(AssertUnwindSafe(|| pool.map(0..30, unlucky).len())),
                            1 => catch_unwind(AssertUnwindSafe(|| {
                                pool.apply(|| pool.map(0..30, unlucky).len())
                            })),
                            2 => catch_unwind(AssertUnwindSafe(|| {
                                let count = AtomicUsize::new(0);
                                pool.scope(|scope| {
                                    for n in 0..30 {
                                        let (count, unlucky) = (&count, &unlucky);
                                        scope.spawn(move || {
                                            unlucky(n);
                                            count.fetch_add(1, Ordering::Relaxed);
                                        });
                                    }
                                });
                                count.into_inner()
                            })),
                            _ => catch_unwind(AssertUnwindSafe(|| {
                                let half = |range: std::ops::Range<u64>| {
                                    range.map(unlucky).collect::<Vec<_>>().len()
                                };
                                let (a, b) = pool.both(|| half(0..15), || half(15..30));
                                a + b
                            })),
                        };
                        match caught {
                            Ok(count) => assert_eq!((count, good), (30, true)),
                            Err(payload) => {
                                assert_eq!((payload.downcast_ref(), good), (Some(&"unlucky"), false));
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(pool.workers(), 3);
    });
}
