//! Closures, items, results and payloads of a `WorkPool` are dropped once each, whatever becomes of them: counted.

#![cfg(not(feature = "loom"))]

mod common;
mod pools;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{LONG, panic_message, wait_until, within};
use pools::{Heard, fail, keep_busy};
use raddle::{JobError, JobHandle, WorkPool};

/// How many were made, and dropped.
#[derive(Clone, Default)]
struct Counts(Arc<(AtomicUsize, AtomicUsize)>);

impl Counts {
    fn made(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }

    fn dropped(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }

    fn make(&self) -> Item {
        self.item(false)
    }

    /// One whose destructor panics.
    fn make_nasty(&self) -> Item {
        self.item(true)
    }

    fn item(&self, panics: bool) -> Item {
        let number = self.0.0.fetch_add(1, Ordering::Relaxed);
        Item { counts: self.clone(), _heap: Box::new(number), panics }
    }

    /// All that were made have been dropped, now.
    #[track_caller]
    fn check(&self) {
        assert_eq!(self.dropped(), self.made());
    }

    /// All that were made are dropped, soon.
    fn wait(&self) {
        wait_until("all is dropped", || self.dropped() >= self.made());
        self.check();
    }
}

struct Item {
    counts: Counts,
    /// So that a tool that watches memory sees one that is dropped twice.
    _heap: Box<usize>,
    panics: bool,
}

impl Clone for Item {
    fn clone(&self) -> Item {
        self.counts.make()
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.counts.0.1.fetch_add(1, Ordering::Relaxed);
        if self.panics {
            fail("in a destructor");
        }
    }
}

/// What the owner of a handle may do with it.
type Fate = fn(JobHandle<Item>);

const FATES: [(&str, Fate); 9] = [
    ("dropped", drop),
    ("joined", |handle| drop(handle.join())),
    ("taken", |handle| drop(handle.join_for(Duration::MAX))),
    ("taken twice", |handle| {
        handle.wait();
        drop(handle.try_join());
        assert!(matches!(handle.join(), Err(JobError::Taken)));
    }),
    ("read", |handle| {
        drop(handle.get());
        drop(handle.get());
    }),
    ("read and joined", |handle| {
        drop(handle.get());
        drop(handle.join());
    }),
    ("waited for", |handle| handle.wait()),
    ("looked at late", |handle| {
        handle.wait();
        handle.on_done(|_| ());
    }),
    ("cancelled", |handle| _ = handle.cancel()),
];

#[test]
fn closures_results_and_payloads_are_dropped_once_whatever_becomes_of_the_handle() {
    within(|| {
        for workers in [1, 2] {
            let pool = WorkPool::new(workers);
            for (name, fate) in FATES {
                for panics in [false, true] {
                    for waits in [false, true] {
                        let counts = Counts::default();
                        let (held, result, seen) = (counts.make(), counts.make(), counts.make());
                        let gate = keep_busy(&pool, workers);
                        let handle = pool.apply_async_with(
                            move || {
                                let _held = held;
                                if panics { resume_unwind(Box::new(result)) } else { result }
                            },
                            move |_| drop(seen),
                        );
                        let callback = counts.make();
                        handle.on_done(move |_| drop(callback));
                        if waits {
                            // The job has not begun when its handle meets its fate.
                            thread::scope(|s| {
                                s.spawn(|| fate(handle));
                                thread::yield_now();
                                drop(gate);
                            });
                        } else {
                            drop(gate);
                            handle.wait();
                            fate(handle);
                            assert_eq!(counts.dropped(), counts.made(), "{name}");
                        }
                        counts.wait();
                    }
                }
            }
        }
    });
}

#[test]
fn what_is_cancelled_or_refused_is_dropped_once() {
    within(|| {
        for terminated in [false, true] {
            let counts = Counts::default();
            let pool = WorkPool::builder().workers(1).queue_bound(4).build().unwrap();
            let gate = keep_busy(&pool, 1);
            let job = || {
                let item = counts.make();
                move || item
            };
            let callback = || {
                let item = counts.make();
                move |_: Result<&Item, &JobError>| drop(item)
            };
            let handle = pool.apply_async_with(job(), callback());
            handle.on_done(callback());
            drop(pool.apply_async(job()));
            pool.spawn({
                let job = job();
                move || drop(job())
            });
            let other = pool.apply_async_with(job(), callback());
            // Full: it comes back.
            let error = pool.try_apply_async(job()).unwrap_err();
            let before = counts.dropped();
            drop(error.into_inner()());
            drop(pool.try_apply_async_for(job(), Duration::from_micros(10)));
            assert_eq!(counts.dropped(), before + 2);

            assert!(other.cancel());
            if terminated {
                pool.terminate();
                assert!(handle.is_finished());
                drop(gate);
            } else {
                drop(gate);
                pool.close();
            }
            drop(pool.try_apply_async(job()));
            assert_eq!(
                panic_message(|| pool.apply_async_with(job(), callback())),
                "WorkPool::apply_async_with: the pool is closed"
            );
            panic_message(|| {
                pool.spawn({
                    let job = job();
                    move || drop(job())
                })
            });
            panic_message(|| pool.apply(job()));
            panic_message(|| pool.map([counts.make(), counts.make()], |item| item));
            panic_message(|| pool.map_async([counts.make(), counts.make()], |item| item));
            panic_message(|| pool.imap([counts.make(), counts.make()], |item| item).next());
            panic_message(|| pool.imap_unordered([counts.make(), counts.make()], |item| item).next());
            panic_message(|| {
                pool.scope(|scope| {
                    scope.spawn({
                        let job = job();
                        move || drop(job())
                    })
                })
            });
            panic_message(|| pool.both(job(), job()));
            pool.join().unwrap();
            drop((handle, other));
            counts.check();
        }
    });
}

#[test]
fn what_waits_from_outside_is_dropped_once_when_it_is_cancelled() {
    within(|| {
        let counts = Counts::default();
        let pool = WorkPool::new(1);
        let gate = keep_busy(&pool, 1);
        thread::scope(|s| {
            let item = counts.make();
            s.spawn(|| panic_message(|| pool.apply(move || drop(item))));
            let (a, b) = (counts.make(), counts.make());
            s.spawn(|| panic_message(|| pool.both(move || drop(a), move || drop(b))));
            let items: Vec<_> = (0..10).map(|_| counts.make()).collect();
            s.spawn(|| panic_message(|| pool.map(items, |item| item)));
            let items: Vec<_> = (0..10).map(|_| counts.make()).collect();
            s.spawn(|| {
                panic_message(|| {
                    pool.scope(|scope| {
                        for item in items {
                            scope.spawn(move || drop(item));
                        }
                    });
                })
            });
            wait_until("all are queued", || pool.queued() == 13);
            assert_eq!(counts.dropped(), 0);
            pool.terminate();
        });
        counts.check();
        drop(gate);
    });
}

#[test]
fn jobs_of_every_size_are_dropped_once() {
    fn run<T: Send + Sync + 'static>(
        pool: &WorkPool,
        counts: &Counts,
        part: fn(u8) -> T,
        is_good: fn(&T) -> bool,
    ) {
        for number in 0..20 {
            let job = || {
                let (item, part) = (counts.make(), part(number));
                move || {
                    assert!(is_good(&part), "torn");
                    assert!((&raw const part).is_aligned(), "not aligned");
                    (part, item)
                }
            };
            let checked = |(part, _item): (T, Item)| assert!(is_good(&part));
            checked(pool.apply(job()));
            checked(pool.apply_async(job()).join().unwrap());
            drop(pool.apply_async(job()));
            let (a, b) = pool.both(job(), job());
            checked(a);
            checked(b);
            pool.apply(|| checked(pool.both(job(), job()).1));
            pool.scope(|scope| {
                let job = job();
                scope.spawn(move || drop(job()));
            });
            pool.map((0..9).map(|_| job()), |job| job()).into_iter().for_each(checked);
            pool.imap((0..5).map(|_| job()).collect::<Vec<_>>(), |job| job()).for_each(checked);
            pool.imap_unordered((0..5).map(|_| job()).collect::<Vec<_>>(), |job| job()).for_each(checked);
        }
    }

    #[repr(align(128))]
    struct Aligned(u8);

    #[repr(align(64))]
    struct AlignedNothing;

    within(|| {
        for workers in [1, 3] {
            let (pool, counts) = (WorkPool::new(workers), Counts::default());
            run(&pool, &counts, |_| (), |()| true);
            run(&pool, &counts, |n| n, |&n| n < 20);
            run(&pool, &counts, |n| [n; 3000], |all| all.iter().all(|&n| n == all[0]));
            run(&pool, &counts, Aligned, |part| part.0 < 20);
            run(&pool, &counts, |_| AlignedNothing, |_| true);
            drop(pool);
            counts.check();
        }
    });
}

#[test]
fn nothing_at_all_is_mapped_and_counted_too() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);

    /// Takes no room.
    struct Nothing;

    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    within(|| {
        let pool = WorkPool::new(2);
        let results = pool.map((0..1000).map(|_| Nothing), |nothing| nothing);
        assert_eq!((results.len(), DROPPED.load(Ordering::Relaxed)), (1000, 0));
        drop(results);
        assert_eq!(DROPPED.load(Ordering::Relaxed), 1000);
        panic_message(|| {
            pool.map((0..1000).map(|_| Nothing), |nothing| {
                drop(nothing);
                fail("all of them");
            })
        });
        assert_eq!(DROPPED.load(Ordering::Relaxed), 2000);
    });
}

#[test]
fn map_drops_each_item_and_each_result_once_wherever_it_panics() {
    map_drops_each_once(|_, result| result);
}

/// The results get the memory of the items, since they have their layout.
#[test]
fn map_drops_each_item_and_each_result_once_where_they_share_memory() {
    map_drops_each_once(|n, result| (n, result));
}

/// `finish` is told an item's number, and makes its result.
fn map_drops_each_once<R: Send + 'static>(finish: fn(usize, Item) -> R) {
    within(move || {
        const LEN: usize = 12;
        for workers in [1, 3] {
            let pool = WorkPool::builder().workers(workers).panic_hook(drop).build().unwrap();
            for chunk_len in [1, 3, 5, LEN] {
                for at in 0..=LEN {
                    for other in [at, (at + 7) % LEN] {
                        for inside in [false, true] {
                            let (items, results) = (Counts::default(), Counts::default());
                            let run = || {
                                let input = (0..LEN).map(|n| (n, items.make()));
                                pool.map_chunked(chunk_len, input, |(n, _item)| {
                                    if n == at || n == other {
                                        resume_unwind(Box::new(results.make()));
                                    }
                                    finish(n, results.make())
                                })
                            };
                            let result =
                                catch_unwind(AssertUnwindSafe(
                                    || if inside { pool.apply(run) } else { run() },
                                ));
                            items.check();
                            match result {
                                Ok(vec) => {
                                    assert_eq!((vec.len(), results.made(), results.dropped()), (LEN, LEN, 0))
                                }
                                Err(payload) => {
                                    assert_eq!(results.made() - results.dropped(), 1, "all but the payload");
                                    drop(payload);
                                }
                            }
                            results.check();
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn map_async_drops_what_it_has_once() {
    within(|| {
        let pool = WorkPool::new(2);
        for at in 0..10 {
            for (_, fate) in [FATES[0], FATES[1], FATES[3], FATES[8]] {
                let counts = Counts::default();
                let items: Vec<_> = (0..8).map(|n| (n, counts.make())).collect();
                let (held, maker) = (counts.make(), counts.clone());
                let handle = pool.map_async(items, move |(n, _item)| {
                    let _held = &held;
                    if n == at {
                        resume_unwind(Box::new(maker.make()));
                    }
                    maker.make()
                });
                // The fates are those of a single result: a job more to make one of it.
                let all = counts.make();
                fate(pool.apply_async(move || {
                    drop(handle.join());
                    all
                }));
                counts.wait();
            }
        }
    });
}

#[test]
fn an_iterator_that_is_dropped_early_drops_all_once() {
    within(|| {
        for workers in [1, 2] {
            let pool = WorkPool::new(workers);
            for taken in 0..12 {
                for busy in [false, true] {
                    for panics in [false, true] {
                        let counts = Counts::default();
                        let input = || (0..10).map(|n| (n, counts.make())).collect::<Vec<_>>();
                        let f = || {
                            let (held, maker) = (counts.make(), counts.clone());
                            move |(n, _item): (usize, Item)| {
                                let _held = &held;
                                if panics && n % 3 == 1 {
                                    resume_unwind(Box::new(maker.make()));
                                }
                                maker.make()
                            }
                        };
                        let mut ordered = pool.imap(input(), f());
                        let mut unordered = pool.imap_unordered(input(), f());
                        for _ in 0..taken {
                            drop(catch_unwind(AssertUnwindSafe(|| ordered.next())));
                            drop(catch_unwind(AssertUnwindSafe(|| unordered.next())));
                        }
                        let gate = busy.then(|| keep_busy(&pool, workers));
                        drop((ordered, unordered));
                        drop(gate);
                        counts.wait();
                    }
                }
            }
        }
    });
}

#[test]
fn a_result_whose_destructor_panics_does_so_in_its_owner() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let counts = Counts::default();
        // Taken: then it is the taker's.
        let result = pool.apply_async({
            let item = counts.make_nasty();
            move || item
        });
        let item = result.join().unwrap();
        assert_eq!(panic_message(|| drop(item)), "in a destructor");
        // Not taken: the handle's.
        let handle = pool.apply_async({
            let item = counts.make_nasty();
            move || item
        });
        handle.wait();
        assert_eq!(panic_message(|| drop(handle)), "in a destructor");
        assert!(heard.texts().is_empty());
        // The handle has gone before: nobody's, so the hook hears of it.
        let gate = keep_busy(&pool, 1);
        drop(pool.apply_async({
            let item = counts.make_nasty();
            move || item
        }));
        drop(gate);
        counts.wait();
        assert_eq!(pool.apply(|| 1), 1);
        assert_eq!(heard.texts(), ["in a destructor"]);
    });
}

#[test]
fn a_closure_whose_destructor_panics_harms_nothing() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let counts = Counts::default();
        let job = || {
            let item = counts.make_nasty();
            move || {
                // It is dropped at the end of the call: a panic of the job.
                let _item = &item;
                1
            }
        };
        let error = pool.apply_async(job()).join().unwrap_err();
        assert_eq!(error.message(), Some("in a destructor"));
        assert_eq!(panic_message(|| pool.apply(job())), "in a destructor");
        assert_eq!(panic_message(|| pool.both(job(), || 1)), "in a destructor");
        assert_eq!(
            panic_message(|| pool.scope(|scope| scope.spawn({
                let job = job();
                move || _ = job()
            }))),
            "in a destructor"
        );
        assert!(heard.texts().is_empty());

        // Dropped instead of being run.
        let gate = keep_busy(&pool, 1);
        let (cancelled, terminated) = (pool.apply_async(job()), pool.apply_async(job()));
        pool.spawn({
            let job = job();
            move || _ = job()
        });
        let called = Arc::new(AtomicBool::new(false));
        cancelled.on_done({
            let called = Arc::clone(&called);
            move |_| called.store(true, Ordering::Relaxed)
        });
        assert!(cancelled.cancel());
        assert!(called.load(Ordering::Relaxed));
        assert!(cancelled.join().unwrap_err().is_cancelled());
        pool.terminate();
        assert!(terminated.join().unwrap_err().is_cancelled());
        drop(gate);
        pool.join().unwrap();
        counts.check();
        assert_eq!(heard.texts(), ["in a destructor"; 2], "of the two that terminate has dropped");
    });
}

#[test]
fn a_payload_whose_destructor_panics_harms_nothing() {
    within(|| {
        let counts = Counts::default();
        let nasty = || {
            let item = counts.make_nasty();
            move || -> u8 { resume_unwind(Box::new(item)) }
        };
        // Without a hook the pool drops those that nobody sees.
        let pool = WorkPool::new(1);
        pool.spawn({
            let nasty = nasty();
            move || _ = nasty()
        });
        let gate = keep_busy(&pool, 1);
        drop(pool.apply_async(nasty()));
        drop(gate);
        let item = counts.make_nasty();
        assert_eq!(pool.apply_async_with(|| 1, move |_| resume_unwind(Box::new(item))).join().unwrap(), 1);
        // Those that somebody sees are his.
        let error = pool.apply_async(nasty()).join().unwrap_err();
        assert_eq!(panic_message(|| drop(error)), "in a destructor");
        let handle = pool.apply_async(nasty());
        handle.wait();
        assert_eq!(panic_message(|| drop(handle)), "in a destructor");
        // All but the first of a map and of a scope.
        let payload =
            catch_unwind(AssertUnwindSafe(|| pool.map_chunked(1, 0..5, |_| nasty()()))).unwrap_err();
        assert_eq!(counts.made() - counts.dropped(), 1);
        assert_eq!(panic_message(|| drop(payload)), "in a destructor");
        let payload = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                for _ in 0..5 {
                    let nasty = nasty();
                    scope.spawn(move || _ = nasty());
                }
            });
        }))
        .unwrap_err();
        assert_eq!(counts.made() - counts.dropped(), 1);
        assert_eq!(panic_message(|| drop(payload)), "in a destructor");
        // The closure's goes before that of its job, which is dropped by then, too.
        let message = panic_message(|| {
            pool.scope(|scope| {
                let nasty = nasty();
                scope.spawn(move || _ = nasty());
                fail("the closure");
            });
        });
        assert_eq!(message, "the closure");
        let message = panic_message(|| pool.both(|| -> () { fail("a") }, nasty()));
        assert_eq!(message, "a");
        assert_eq!((pool.apply(|| 1), pool.workers()), (1, 1));
        drop(pool);
        counts.check();
    });
}

#[test]
fn results_that_are_discarded_are_all_dropped_though_some_panic_at_it() {
    within(|| {
        let heard = Heard::default();
        let pool = heard.pool(1);
        let (good, bad) = (Counts::default(), Counts::default());
        let message = panic_message(|| {
            pool.map_chunked(4, 0..12, |n| match n {
                2 => fail("the function"),
                5 | 10 => bad.make_nasty(),
                _ => good.make(),
            })
        });
        assert_eq!(message, "the function");
        good.check();
        bad.check();
        assert_eq!(bad.made(), 2);
        assert_eq!(heard.texts(), ["in a destructor"; 2]);
    });
}

#[test]
fn a_queue_of_jobs_that_were_begun_elsewhere_is_cleared_without_them() {
    within(|| {
        let (pool, counts) = (WorkPool::new(1), Counts::default());
        // Their places stay in the queue, their closures do not.
        let gate = keep_busy(&pool, 1);
        for _ in 0..100 {
            let item = counts.make();
            let handle = pool.apply_async(move || drop(item));
            assert!(handle.cancel());
        }
        counts.check();
        assert_eq!(pool.queued(), 100);
        drop(gate);
        pool.apply(|| ());
        assert_eq!(pool.queued(), 0);
        pool.apply(|| {
            for _ in 0..100 {
                let item = counts.make();
                assert!(pool.apply_async(move || drop(item)).join_for(LONG).is_some());
            }
            counts.check();
        });
    });
}

#[test]
fn a_handle_in_its_own_callback_or_job_is_dropped_with_it() {
    within(|| {
        let (pool, counts) = (WorkPool::new(1), Counts::default());
        for in_job in [false, true] {
            let gate = keep_busy(&pool, 1);
            let place: Arc<Mutex<Option<JobHandle<Item>>>> = Arc::default();
            let (item, held) = (counts.make(), Arc::clone(&place));
            let handle = pool.apply_async(move || {
                if in_job {
                    drop(held.lock().unwrap().take());
                }
                item
            });
            if !in_job {
                let held = Arc::clone(&place);
                handle.on_done(move |result| {
                    assert!(result.is_ok());
                    drop(held.lock().unwrap().take());
                });
            }
            *place.lock().unwrap() = Some(handle);
            drop(gate);
            counts.wait();
            wait_until("the job is gone", || Arc::strong_count(&place) == 1);
        }
    });
}
