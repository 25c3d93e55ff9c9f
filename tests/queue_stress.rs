//! All queues under many threads: nothing lost, nothing twice, nobody left behind.

#![cfg(not(feature = "loom"))]

mod common;
mod queues;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::{Random, STARVES_AFTER, wait_until};
use queues::{AnyQueue, Kind};
use raddle::{TaskDoneTooOften, TryGetError, TryPutError};

on_each_kind! {
    a_try_put_is_refused_only_if_the_queue_was_full,
    who_waits_for_room_is_woken_when_there_is_some,
    nothing_is_lost,
    nothing_is_lost_when_it_is_shut_down_in_between,
    a_million_items_go_through_one_place_in_order,
    a_getter_is_not_starved_by_loops_of_getters,
    a_putter_is_not_starved_by_loops_of_putters,
    a_getter_is_not_starved_by_those_who_take_back_what_they_put,
    a_timed_call_in_hot_traffic_ends_after_its_deadline,
    those_who_give_up_hold_up_nobody,
    a_queue_may_go_right_after_the_last_item,
}

on_each_fifo_kind! {
    items_of_one_putter_stay_in_order,
}

/// Each thread has one item in the queue at most, and there is room for one from each; so no `try_` call may fail. With many slots, too, where an attempt begins at
/// an end as it was a while ago: beside items that fill the rest, and without.
///
/// (A list with a limit once took a tail that it had read before others put and got for a full queue.)
fn a_try_put_is_refused_only_if_the_queue_was_full<K: Kind>() {
    for (threads, capacity, filled) in [(2, 2, 0), (4, 4, 0), (2, 64, 62), (4, 64, 60), (2, 64, 0)] {
        let queue = K::bounded(capacity);
        (0..filled).for_each(|number| queue.put(number).unwrap());
        thread::scope(|s| {
            for _ in 0..threads {
                s.spawn(|| {
                    for number in 0..80_000 / threads {
                        queue.try_put(number).expect("there is room for all");
                        queue.try_get().expect("there are as many items as getters, or more");
                    }
                });
            }
        });
    }
}

/// A tight queue, and many who put: each has to be woken in the end, also when the others have ended.
fn who_waits_for_room_is_woken_when_there_is_some<K: Kind>() {
    const EACH: usize = 300;
    for round in 0..10 {
        let queue = K::bounded(1 + round % 3);
        thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for number in 0..EACH {
                        queue.put(number).unwrap();
                    }
                });
            }
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..2 * EACH {
                        queue.get().unwrap();
                    }
                });
            }
        });
        assert!(queue.is_empty());
    }
}

/// What became of each item.
struct Ledger {
    lines: Vec<Line>,
}

/// How often it happened to one item.
#[derive(Default)]
struct Line {
    made: AtomicU8,
    put: AtomicU8,
    refused: AtomicU8,
    got: AtomicU8,
    handed_back: AtomicU8,
    dropped: AtomicU8,
}

impl Ledger {
    fn new(items: usize) -> Ledger {
        Ledger { lines: (0..items).map(|_| Line::default()).collect() }
    }

    fn make(&self, number: usize) -> Entry<'_> {
        count(&self.lines[number].made);
        // On the heap, so that a tool that watches memory sees an item that is there twice.
        Entry { ledger: self, number: Box::new(number) }
    }

    fn check(&self) {
        for (number, line) in self.lines.iter().enumerate() {
            let read = |count: &AtomicU8| count.load(Ordering::Relaxed);
            let (made, put, refused) = (read(&line.made), read(&line.put), read(&line.refused));
            let (got, back, dropped) = (read(&line.got), read(&line.handed_back), read(&line.dropped));
            assert!(made <= 1, "item {number}");
            assert_eq!(put + refused, made, "item {number}: either it was put, or it came back");
            assert_eq!(got + back, put, "item {number}: what was put comes out once, got {got}, back {back}");
            assert_eq!(dropped, made, "item {number}: dropped once");
        }
    }
}

fn count(count: &AtomicU8) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// An item that counts in the ledger. Ordered by its number.
struct Entry<'a> {
    ledger: &'a Ledger,
    number: Box<usize>,
}

impl Entry<'_> {
    fn line(&self) -> &Line {
        &self.ledger.lines[*self.number]
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        count(&self.line().dropped);
    }
}

impl PartialEq for Entry<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry<'_> {}

impl PartialOrd for Entry<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}

/// How the many are stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// When all is done.
    Done,
    Shutdown,
    ShutdownNow,
}

const EACH: usize = 300;

fn nothing_is_lost<K: Kind>() {
    for (round, capacity) in [Some(1), Some(5), Some(64), None].into_iter().enumerate() {
        stress::<K>(capacity, End::Done, round as u64);
    }
}

fn nothing_is_lost_when_it_is_shut_down_in_between<K: Kind>() {
    let mut seed = 100;
    for capacity in [Some(1), Some(2), Some(31), Some(64), None] {
        for _ in 0..5 {
            for end in [End::Shutdown, End::ShutdownNow] {
                stress::<K>(capacity, end, seed);
                seed += 1;
            }
        }
    }
}

/// 8 putters, 8 getters, every way of putting and getting, random timeouts; and one who watches the counts.
fn stress<K: Kind>(capacity: Option<usize>, end: End, seed: u64) {
    const PUTTERS: usize = 8;
    const GETTERS: usize = 8;

    let ledger = Ledger::new(PUTTERS * EACH);
    let queue = Arc::new(match capacity {
        Some(capacity) => K::bounded::<Entry<'_>>(capacity),
        None => K::unbounded(),
    });
    let (steps, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut random = Random::new(seed);
    thread::scope(|s| {
        let putters: Vec<_> = (0..PUTTERS)
            .map(|putter| {
                let (queue, ledger, steps) = (&queue, &ledger, &steps);
                let random = Random::new(random.next());
                s.spawn(move || put_all(&**queue, ledger, putter * EACH..(putter + 1) * EACH, random, steps))
            })
            .collect();
        let getters: Vec<_> = (0..GETTERS)
            .map(|_| {
                let queue = &queue;
                let random = Random::new(random.next());
                s.spawn(move || get_all(queue, random))
            })
            .collect();
        let watcher = s.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let len = queue.len();
                assert!(capacity.is_none_or(|capacity| len <= capacity), "{len} in a queue of {capacity:?}");
                assert!(len <= PUTTERS * EACH && queue.unfinished() <= PUTTERS * EACH);
                let _ = (queue.is_empty(), queue.is_full());
                assert_eq!(queue.capacity(), capacity);
                thread::yield_now();
            }
        });
        if end != End::Done {
            let moment = random.below((PUTTERS * EACH) as u64) as usize;
            // By then, or when all have ended.
            wait_until("it is time", || {
                steps.load(Ordering::Relaxed) >= moment || putters.iter().all(|putter| putter.is_finished())
            });
            if end == End::Shutdown {
                queue.shutdown();
            } else {
                for item in queue.shutdown_now() {
                    count(&item.line().handed_back);
                }
            }
        }
        putters.into_iter().for_each(|putter| putter.join().unwrap());
        if end == End::Done {
            queue.join();
            assert!(queue.is_empty());
            queue.shutdown();
        }
        getters.into_iter().for_each(|getter| getter.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
    });
    assert!(queue.join_for(Duration::ZERO), "something is never done");
    assert_eq!((queue.len(), queue.unfinished(), queue.task_done()), (0, 0, Err(TaskDoneTooOften)));
    assert_eq!(Arc::strong_count(&queue), 1);
    drop(queue);
    ledger.check();
}

fn put_all<'a, Q: AnyQueue<Item = Entry<'a>>>(
    queue: &Q,
    ledger: &'a Ledger,
    numbers: Range<usize>,
    mut random: Random,
    steps: &AtomicUsize,
) {
    for number in numbers {
        steps.fetch_add(1, Ordering::Relaxed);
        let mut item = ledger.make(number);
        let line = &ledger.lines[number];
        loop {
            let result = match random.below(6) {
                0 | 1 => queue.put(item).map_err(|error| TryPutError::ShutDown(error.into_inner())),
                2 => queue.try_put(item),
                3 => queue.try_put_for(item, Duration::ZERO),
                4 => queue.try_put_for(item, random.micros(80)),
                _ => queue.try_put_until(item, Instant::now() + random.micros(80)),
            };
            match result {
                Ok(()) => {
                    count(&line.put);
                    break;
                }
                Err(error) => {
                    let (is_full, back) = (error.is_full(), error.into_inner());
                    assert_eq!(*back.number, number, "another item came back");
                    if !is_full {
                        assert!(queue.is_shut_down());
                        count(&line.refused);
                        return;
                    }
                    // Some are given up.
                    if random.below(8) == 0 {
                        count(&line.refused);
                        break;
                    }
                    item = back;
                    thread::yield_now();
                }
            }
        }
    }
}

fn get_all<'a, Q: AnyQueue<Item = Entry<'a>>>(queue: &Arc<Q>, mut random: Random) {
    loop {
        let ended = |_| TryGetError::ShutDown;
        let got = |item: &Entry<'_>| count(&item.line().got);
        let plain = |item: Entry<'_>| {
            got(&item);
            drop(item);
            queue.task_done().unwrap();
        };
        let deadline = |random: &mut Random| Instant::now() + random.micros(80);
        let result = match random.below(12) {
            0 => queue.get().map_err(ended).map(plain),
            1 => queue.get_job().map_err(ended).map(|job| got(&job)),
            2 => queue.get_job_arc().map_err(ended).map(|job| got(&job)),
            3 => queue.try_get().map(plain),
            4 => queue.try_get_for(random.micros(80)).map(plain),
            5 => queue.try_get_for(Duration::ZERO).map(plain),
            6 => queue.try_get_until(deadline(&mut random)).map(plain),
            7 => queue.try_get_job_for(random.micros(80)).map(|job| got(&job.into_inner())),
            8 => queue.try_get_job_until(deadline(&mut random)).map(|job| got(&job)),
            9 => queue.try_get_job_arc_for(random.micros(80)).map(|job| got(&job)),
            10 => queue.try_get_job_arc_until(deadline(&mut random)).map(|job| got(&job.into_inner())),
            _ => queue.iter().next().map(plain).ok_or(TryGetError::ShutDown),
        };
        match result {
            Ok(()) => {}
            Err(TryGetError::Empty) => thread::yield_now(),
            Err(TryGetError::ShutDown) => {
                assert!(queue.is_shut_down());
                return;
            }
        }
    }
}

/// A million in release, for two of the kinds. With one place only, every kind gives them out in the order in which they were put.
fn a_million_items_go_through_one_place_in_order<K: Kind>() {
    let items: u32 = match K::NAME {
        _ if cfg!(debug_assertions) => 100_000,
        "Ring" | "List" => 1_000_000,
        _ => 200_000,
    };
    let queue = K::bounded(1);
    thread::scope(|s| {
        s.spawn(|| (0..items).for_each(|item| queue.put(item).unwrap()));
        (0..items).for_each(|item| assert_eq!(queue.get(), Ok(item)));
    });
    assert_eq!((queue.len(), queue.unfinished()), (0, items as usize));
}

/// Each consumer sees the items of each putter in the order in which they were put; one consumer sees all of them.
fn items_of_one_putter_stay_in_order<K: Kind>() {
    const PUTTERS: usize = 4;
    const EACH: usize = 4000;
    for (getters, capacity) in [(1, Some(3)), (1, None), (3, Some(2)), (3, Some(40)), (3, None)] {
        let queue = capacity.map_or_else(K::unbounded, K::bounded);
        let counts: Vec<usize> = thread::scope(|s| {
            let queue = &queue;
            let putters: Vec<_> = (0..PUTTERS)
                .map(|putter| s.spawn(move || (1..=EACH).for_each(|n| queue.put((putter, n)).unwrap())))
                .collect();
            let getters: Vec<_> = (0..getters)
                .map(|_| {
                    s.spawn(move || {
                        let (mut last, mut count) = ([0; PUTTERS], 0);
                        while let Ok((putter, number)) = queue.get() {
                            assert!(number > last[putter], "out of order");
                            assert!(getters > 1 || number == last[putter] + 1, "lost");
                            last[putter] = number;
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            putters.into_iter().for_each(|putter| putter.join().unwrap());
            queue.shutdown();
            getters.into_iter().map(|getter| getter.join().unwrap()).collect()
        });
        assert_eq!(counts.iter().sum::<usize>(), PUTTERS * EACH);
    }
}

/// Two loops of getters that never block for long, and one who sleeps: it is served all the same.
fn a_getter_is_not_starved_by_loops_of_getters<K: Kind>() {
    for blocking in [false, true] {
        let queue = K::bounded(2);
        let is_over = AtomicBool::new(false);
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        if blocking {
                            let _ = queue.get();
                        } else {
                            let _ = queue.try_get();
                        }
                    }
                });
            }
            s.spawn(|| while queue.put(1).is_ok() {});
            for _ in 0..10 {
                let start = Instant::now();
                assert_eq!(queue.get(), Ok(1));
                let took = start.elapsed();
                assert!(took < STARVES_AFTER, "starved for {took:?}");
                thread::sleep(Duration::from_millis(2));
            }
            is_over.store(true, Ordering::Relaxed);
            queue.shutdown();
        });
    }
}

fn a_putter_is_not_starved_by_loops_of_putters<K: Kind>() {
    for blocking in [false, true] {
        let queue = K::bounded(1);
        let is_over = AtomicBool::new(false);
        thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        if blocking {
                            let _ = queue.put(1);
                        } else {
                            let _ = queue.try_put(1);
                        }
                    }
                });
            }
            let getter = s.spawn(|| {
                // The last ones may come after the end.
                let mut slow = 0;
                while let Ok(item) = queue.get() {
                    slow += usize::from(item == 2);
                }
                slow
            });
            for _ in 0..10 {
                let start = Instant::now();
                queue.put(2).unwrap();
                let took = start.elapsed();
                assert!(took < STARVES_AFTER, "starved for {took:?}");
                thread::sleep(Duration::from_millis(2));
            }
            is_over.store(true, Ordering::Relaxed);
            queue.shutdown();
            assert_eq!(getter.join().unwrap(), 10);
        });
    }
}

/// Those who take what they have just put leave the queue as they found it: there is never anything for long.
fn a_getter_is_not_starved_by_those_who_take_back_what_they_put<K: Kind>() {
    let queue = K::unbounded();
    let is_over = AtomicBool::new(false);
    let mut lent = 0;
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    queue.put(1).unwrap();
                    let _ = queue.try_get();
                }
            });
        }
        for _ in 0..20 {
            let start = Instant::now();
            assert_eq!(queue.get(), Ok(1));
            lent += 1;
            let took = start.elapsed();
            assert!(took < STARVES_AFTER, "starved for {took:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(lent, 20);
    // A `try_get` that found nothing left an item behind for each that we took.
    assert_eq!(queue.task_done(), Ok(()));
}

/// One deadline holds, however often a call is woken and finds that others were faster.
fn a_timed_call_in_hot_traffic_ends_after_its_deadline<K: Kind>() {
    let queue = K::bounded(1);
    let is_over = AtomicBool::new(false);
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let _ = queue.try_put(1);
                    let _ = queue.try_get();
                }
            });
        }
        let timed: Vec<_> = (0..4)
            .map(|index| {
                let queue = &queue;
                s.spawn(move || {
                    let mut random = Random::new(index);
                    for round in 0..40 {
                        let timeout = if round == 0 { Duration::from_millis(20) } else { random.micros(300) };
                        let start = Instant::now();
                        let gave_up = match index {
                            0 => queue.try_get_for(timeout).is_err(),
                            1 => queue.try_get_until(start + timeout).is_err(),
                            2 => queue.try_put_for(2, timeout).is_err(),
                            _ => queue.try_put_until(2, start + timeout).is_err(),
                        };
                        let took = start.elapsed();
                        assert!(!gave_up || took >= timeout, "early: {took:?}");
                        assert!(took < timeout + STARVES_AFTER, "late: {took:?}");
                    }
                })
            })
            .collect();
        timed.into_iter().for_each(|thread| thread.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(queue.len() <= 1);
}

/// Half of them wait with a timeout so short that they mostly give up, at both ends; and all goes on.
fn those_who_give_up_hold_up_nobody<K: Kind>() {
    const EACH: usize = 300;
    for capacity in [1, 3] {
        let queue = K::bounded(capacity);
        let is_over = AtomicBool::new(false);
        thread::scope(|s| {
            let queue = &queue;
            let is_over = &is_over;
            for seed in 0..2 {
                s.spawn(move || {
                    let mut random = Random::new(seed);
                    while !is_over.load(Ordering::Relaxed) {
                        // What it gets it puts back, so that the others have enough.
                        if let Ok(item) = queue.try_get_for(random.micros(30)) {
                            queue.put(item).unwrap();
                        }
                    }
                });
            }
            let getters =
                [0; 2].map(|_| s.spawn(move || (0..EACH).map(|_| queue.get().unwrap()).sum::<usize>()));
            for _ in 0..2 {
                s.spawn(move || (1..=EACH).for_each(|item| queue.put(item).unwrap()));
            }
            let sum: usize = getters.into_iter().map(|getter| getter.join().unwrap()).sum();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(sum, EACH * (EACH + 1));
        });
        assert!(queue.is_empty());
    }
}

/// Many short lives: the queue goes as soon as the last item is out, while the putter may still be on its way home.
fn a_queue_may_go_right_after_the_last_item<K: Kind>()
where
    K::Queue<Box<usize>>: 'static,
{
    let (ends, end) = mpsc::channel::<Arc<K::Queue<Box<usize>>>>();
    let putter = thread::spawn(move || {
        for queue in end {
            queue.put(Box::new(1)).unwrap();
            // And this share goes.
        }
    });
    for round in 0..2000 {
        let queue = Arc::new(if round % 2 == 0 { K::bounded(1) } else { K::unbounded() });
        ends.send(Arc::clone(&queue)).unwrap();
        let item =
            if round % 3 == 0 { queue.get_job_arc().unwrap().into_inner() } else { queue.get().unwrap() };
        assert_eq!(*item, 1);
    }
    drop(ends);
    putter.join().unwrap();
}
