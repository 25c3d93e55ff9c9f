//! `PriorityQueue`: the order, and the user's `Ord`, which may panic, block, and use the queue.

#![cfg(not(feature = "loom"))]

mod common;

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering as Memory};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use common::{LONG, Random, SHORT, panic_message, wait_until, within, work};
use raddle::{Event, GetError, PriorityQueue, TryGetError, TryPutError};

/// What is said when a comparison gets from its own queue.
const GET_FROM_WITHIN: &str =
    "PriorityQueue: a get from within the comparison of two items of the same queue";

/// Compared by its rank alone, after the hook has run.
struct Item<'a> {
    rank: u32,
    number: usize,
    hook: &'a (dyn Fn(&Item<'a>, &Item<'a>) + Sync),
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.rank, self.number)
    }
}

impl PartialEq for Item<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Item<'_> {}

impl PartialOrd for Item<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.hook)(self, other);
        self.rank.cmp(&other.rank)
    }
}

/// Ranks and numbers, in the order in which a stable sort has them.
fn sorted(mut items: Vec<(u32, usize)>) -> Vec<(u32, usize)> {
    items.sort_by_key(|item| item.0);
    items
}

#[test]
fn lowest_first_and_first_come_first_served_among_equals() {
    within(|| {
        let nothing = |_: &Item<'_>, _: &Item<'_>| {};
        let mut random = Random::new(1);
        for count in [1, 2, 3, 10, 100, 1000, 20_000] {
            for ranks in [1, 2, 7, 1 << 20] {
                let queue = PriorityQueue::unbounded();
                let mut items = Vec::new();
                for number in 0..count {
                    let rank = random.below(ranks) as u32;
                    queue.put(Item { rank, number, hook: &nothing }).unwrap();
                    items.push((rank, number));
                }
                queue.shutdown();
                let got: Vec<_> = queue.iter().map(|item| (item.rank, item.number)).collect();
                assert_eq!(got, sorted(items));
            }
        }
    });
}

#[test]
fn the_order_holds_while_puts_and_gets_alternate() {
    within(|| {
        let nothing = |_: &Item<'_>, _: &Item<'_>| {};
        let mut random = Random::new(2);
        for _ in 0..20 {
            let queue = PriorityQueue::unbounded();
            // In the order in which they were put.
            let mut reference: Vec<(u32, usize)> = Vec::new();
            for number in 0..1000 {
                if random.below(5) < 3 {
                    let rank = random.below(10) as u32;
                    queue.put(Item { rank, number, hook: &nothing }).unwrap();
                    reference.push((rank, number));
                } else {
                    let got = queue.try_get().ok().map(|item| (item.rank, item.number));
                    let lowest = (0..reference.len()).min_by_key(|&place| reference[place].0);
                    assert_eq!(got, lowest.map(|place| reference.remove(place)));
                }
            }
            let rest: Vec<_> = queue.shutdown_now().iter().map(|item| (item.rank, item.number)).collect();
            assert_eq!(rest, sorted(reference));
        }
    });
}

#[test]
fn reverse_gives_the_highest_first() {
    within(|| {
        let queue = PriorityQueue::bounded(5);
        for number in [3, 1, 4, 1, 5] {
            queue.put(Reverse(number)).unwrap();
        }
        assert_eq!(queue.try_put(Reverse(9)), Err(TryPutError::Full(Reverse(9))));
        assert!(queue.into_iter().map(|Reverse(number)| number).eq([5, 4, 3, 1, 1]));
    });
}

#[test]
fn a_put_compares_nothing() {
    within(|| {
        let comparisons = AtomicUsize::new(0);
        let hook = |_: &Item<'_>, _: &Item<'_>| {
            comparisons.fetch_add(1, Memory::Relaxed);
        };
        let queue = PriorityQueue::bounded(1000);
        for number in 0..1000 {
            queue.put(Item { rank: 5, number, hook: &hook }).unwrap();
        }
        assert!(queue.try_put(Item { rank: 1, number: 0, hook: &hook }).is_err());
        let _ = (queue.len(), queue.is_full(), format!("{queue:?}"));
        assert_eq!(comparisons.load(Memory::Relaxed), 0);
        for number in 0..1000 {
            assert_eq!(queue.get().unwrap().number, number);
        }
        assert!(comparisons.load(Memory::Relaxed) > 0);
        // Nor does dropping it.
        for number in 0..10 {
            queue.put(Item { rank: 1, number, hook: &hook }).unwrap();
        }
        let before = comparisons.load(Memory::Relaxed);
        drop(queue);
        assert_eq!(comparisons.into_inner(), before);
    });
}

#[test]
fn no_other_call_waits_for_a_comparison() {
    within(|| {
        let (is_comparing, may_go_on) = (Event::new(), Event::new());
        let hook = |_: &Item<'_>, _: &Item<'_>| {
            is_comparing.set();
            assert!(may_go_on.wait_for(LONG), "somebody waits for the comparison");
        };
        let item = |number| Item { rank: 1, number, hook: &hook };
        let queue = PriorityQueue::bounded(5);
        (0..3).for_each(|number| queue.put(item(number)).unwrap());
        thread::scope(|s| {
            let getter = s.spawn(|| queue.get_job().unwrap().number);
            is_comparing.wait();
            queue.put(item(3)).unwrap();
            queue.try_put(item(4)).unwrap();
            assert!(queue.try_put_for(item(5), Duration::from_micros(100)).is_err());
            assert!(queue.is_full() && !queue.is_empty());
            assert_eq!((queue.len(), queue.unfinished()), (5, 5));
            assert!(format!("{queue:?}").contains("len: 5"));
            queue.task_done().unwrap();
            assert!(!queue.join_for(Duration::from_micros(100)));
            queue.shutdown();
            assert!(queue.is_shut_down());
            may_go_on.set();
            assert_eq!(getter.join().unwrap(), 0);
        });
        assert!(queue.into_iter().map(|item| item.number).eq(1..5));
    });
}

/// Panics in the comparison of this number, counted down.
struct Fuse(AtomicUsize);

impl Fuse {
    fn burn(&self) {
        if self.0.fetch_sub(1, Memory::Relaxed) == 1 {
            // Without a message on the screen.
            resume_unwind(Box::new("in a comparison"));
        }
    }

    fn has_gone_off(&self) -> bool {
        (self.0.load(Memory::Relaxed) as isize) <= 0
    }
}

fn expect_panic<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) => {
            assert_eq!(*payload.downcast::<&str>().unwrap(), "in a comparison");
            None
        }
    }
}

#[test]
fn a_comparison_that_panics_loses_no_item_whichever_it_is() {
    within(|| {
        let ranks = [5, 3, 9, 3, 1, 7, 5, 5, 0, 2, 8, 3, 6, 0];
        for put_before in [ranks.len(), 6] {
            let mut went_off = true;
            let mut number_of_comparison = 0;
            while went_off {
                number_of_comparison += 1;
                let fuse = Fuse(AtomicUsize::new(number_of_comparison));
                let hook = |_: &Item<'_>, _: &Item<'_>| fuse.burn();
                let queue = PriorityQueue::unbounded();
                let (mut panics, mut got, mut put) = (0, Vec::new(), 0);
                let mut present = Vec::new();
                while got.len() < ranks.len() {
                    // Some at first; or one more after each get.
                    while put < ranks.len() && (put < put_before || put < got.len() + put_before) {
                        queue.put(Item { rank: ranks[put], number: put, hook: &hook }).unwrap();
                        present.push((ranks[put], put));
                        put += 1;
                    }
                    let counts = (queue.len(), queue.unfinished());
                    assert_eq!(counts, (present.len(), put));
                    match expect_panic(|| queue.try_get().unwrap()) {
                        Some(item) => {
                            let lowest = *present.iter().min().unwrap();
                            assert_eq!((item.rank, item.number), lowest, "comparison {number_of_comparison}");
                            present.retain(|&other| other != lowest);
                            got.push(lowest);
                        }
                        None => {
                            panics += 1;
                            assert_eq!(
                                (queue.len(), queue.unfinished()),
                                counts,
                                "a get that panicked counts"
                            );
                        }
                    }
                }
                assert!(queue.is_empty());
                went_off = fuse.has_gone_off();
                assert_eq!(panics, usize::from(went_off));
                if put_before == ranks.len() {
                    assert_eq!(got, sorted(ranks.into_iter().zip(0..).collect()));
                }
            }
            assert!(number_of_comparison > 20, "{number_of_comparison} comparisons are few");
        }
    });
}

#[test]
fn shutdown_now_whose_comparison_panics_leaves_the_rest_to_be_got() {
    within(|| {
        for number_of_comparison in 1..30 {
            let fuse = Fuse(AtomicUsize::new(number_of_comparison));
            let hook = |_: &Item<'_>, _: &Item<'_>| fuse.burn();
            let queue = PriorityQueue::unbounded();
            for number in 0..10 {
                queue.put(Item { rank: number as u32 * 7 % 10, number, hook: &hook }).unwrap();
            }
            let items = expect_panic(|| queue.shutdown_now());
            assert_eq!(items.is_none(), fuse.has_gone_off());
            let taken = 10 - queue.len();
            assert!(items.is_none_or(|items| items.len() == taken));
            assert!(queue.is_shut_down());
            assert_eq!(queue.unfinished(), queue.len());
            let rest: Vec<u32> = queue.shutdown_now().iter().map(|item| item.rank).collect();
            assert!(rest.into_iter().eq(taken as u32..10));
            queue.join();
        }
    });
}

/// A getter whose comparison panics has been woken for an item, and leaves it to the next in line.
#[test]
fn nothing_is_lost_when_comparisons_panic_among_many_threads() {
    within(|| {
        const EACH: usize = 400;
        for round in 0..5 {
            let panics = AtomicUsize::new(0);
            let random = Mutex::new(Random::new(round));
            let hook = |_: &Item<'_>, _: &Item<'_>| {
                if random.lock().unwrap().below(20) == 0 {
                    panics.fetch_add(1, Memory::Relaxed);
                    resume_unwind(Box::new("in a comparison"));
                }
            };
            let queue = if round % 2 == 0 { PriorityQueue::bounded(9) } else { PriorityQueue::unbounded() };
            let got: Vec<AtomicU8> = (0..3 * EACH).map(|_| AtomicU8::new(0)).collect();
            thread::scope(|s| {
                for putter in 0..3 {
                    let (queue, hook) = (&queue, &hook);
                    s.spawn(move || {
                        let mut random = Random::new(putter as u64);
                        for number in putter * EACH..(putter + 1) * EACH {
                            queue.put(Item { rank: random.below(5) as u32, number, hook }).unwrap();
                            if random.below(4) == 0 {
                                work(random.micros(30));
                            }
                        }
                    });
                }
                for getter in 0..4 {
                    let (queue, got) = (&queue, &got);
                    s.spawn(move || {
                        loop {
                            let result = expect_panic(|| match getter {
                                0 => queue.try_get_job_for(LONG).map_err(|_| GetError),
                                _ => queue.get_job(),
                            });
                            match result {
                                Some(Ok(job)) => drop(got[job.number].fetch_add(1, Memory::Relaxed)),
                                Some(Err(GetError)) => break,
                                None => {}
                            }
                        }
                    });
                }
                queue.put(Item { rank: 9, number: 0, hook: &hook }).unwrap();
                wait_until("all are got", || {
                    got.iter().map(|count| usize::from(count.load(Memory::Relaxed))).sum::<usize>()
                        == 3 * EACH + 1
                });
                queue.join();
                queue.shutdown();
            });
            // Number 0 was put twice.
            assert_eq!(got[0].load(Memory::Relaxed), 2);
            assert!(got[1..].iter().all(|count| count.load(Memory::Relaxed) == 1));
            assert!(panics.load(Memory::Relaxed) > 0);
        }
    });
}

#[test]
fn a_comparison_may_put() {
    within(|| {
        // The hook knows the queue by way of this.
        static LEFT: AtomicUsize = AtomicUsize::new(0);

        struct Puts {
            number: u32,
            queue: Weak<PriorityQueue<Puts>>,
        }

        impl PartialEq for Puts {
            fn eq(&self, other: &Puts) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for Puts {}

        impl PartialOrd for Puts {
            fn partial_cmp(&self, other: &Puts) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for Puts {
            fn cmp(&self, other: &Puts) -> Ordering {
                let queue = self.queue.upgrade().unwrap();
                if LEFT.fetch_update(Memory::Relaxed, Memory::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    queue.put(Puts { number: 100, queue: self.queue.clone() }).unwrap();
                }
                let _ = (queue.len(), queue.unfinished(), queue.is_full(), format!("{queue:?}"));
                let _ = queue.task_done();
                self.number.cmp(&other.number)
            }
        }

        for count in [0, 1, 5, 50] {
            let queue = Arc::new(PriorityQueue::unbounded());
            for number in [3, 1, 2, 0, 5, 4] {
                queue.put(Puts { number, queue: Arc::downgrade(&queue) }).unwrap();
            }
            LEFT.store(count, Memory::Relaxed);
            let mut got = Vec::new();
            while let Ok(item) = queue.try_get() {
                got.push(item.number);
            }
            assert_eq!(LEFT.load(Memory::Relaxed), 0);
            assert_eq!(got.len(), 6 + count);
            assert_eq!(got[..6], [0, 1, 2, 3, 4, 5]);
            assert!(got[6..].iter().all(|&number| number == 100));
        }
    });
}

/// What a comparison does once, with the queue that it is called by.
type Attempt = fn(&Arc<PriorityQueue<Gets>>);

/// Gets from its own queue when it is compared.
struct Gets {
    number: u32,
    queue: Weak<PriorityQueue<Gets>>,
    attempt: Arc<Mutex<Option<Attempt>>>,
}

impl PartialEq for Gets {
    fn eq(&self, other: &Gets) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Gets {}

impl PartialOrd for Gets {
    fn partial_cmp(&self, other: &Gets) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Gets {
    fn cmp(&self, other: &Gets) -> Ordering {
        let attempt = self.attempt.lock().unwrap().take();
        if let Some(attempt) = attempt {
            attempt(&self.queue.upgrade().unwrap());
        }
        self.number.cmp(&other.number)
    }
}

const ATTEMPTS: [Attempt; 9] = [
    |queue| drop(queue.get()),
    |queue| drop(queue.try_get()),
    |queue| drop(queue.try_get_for(Duration::ZERO)),
    |queue| drop(queue.try_get_for(LONG)),
    |queue| assert!(queue.get_job().is_err()),
    |queue| assert!(queue.try_get_job_arc().is_err()),
    |queue| drop(queue.iter().next()),
    |queue| drop(queue.iter_arc().next()),
    |queue| drop(queue.shutdown_now()),
];

#[test]
fn a_comparison_that_gets_panics_and_says_why() {
    within(|| {
        for (index, attempt) in ATTEMPTS.into_iter().enumerate() {
            let queue = Arc::new(PriorityQueue::unbounded());
            let armed = Arc::new(Mutex::new(None));
            for number in [3, 1, 2, 0] {
                let (queue_of_item, attempt) = (Arc::downgrade(&queue), Arc::clone(&armed));
                queue.put(Gets { number, queue: queue_of_item, attempt }).unwrap();
            }
            // In the first comparison, and in a later one.
            if index % 2 == 1 {
                assert_eq!(queue.get().unwrap().number, 0);
                queue
                    .put(Gets { number: 0, queue: Arc::downgrade(&queue), attempt: Arc::clone(&armed) })
                    .unwrap();
            }
            *armed.lock().unwrap() = Some(attempt);
            let unfinished = queue.unfinished();
            let message = panic_message(|| queue.get());
            assert_eq!(message, GET_FROM_WITHIN, "attempt {index}");
            assert_eq!((queue.len(), queue.unfinished()), (4, unfinished), "attempt {index}");
            queue.shutdown();
            assert!(queue.iter().map(|item| item.number).eq(0..4), "attempt {index}");
        }
    });
}

/// It panics whatever other getters do: also while some of them starve, or wait in line.
#[test]
fn a_comparison_that_gets_panics_while_others_wait() {
    within(|| {
        let queue = Arc::new(PriorityQueue::unbounded());
        let armed = Arc::new(Mutex::new(None));
        let put = |number| {
            let item = Gets { number, queue: Arc::downgrade(&queue), attempt: Arc::clone(&armed) };
            queue.put(item).unwrap();
        };
        let (panics, got) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let rounds = 300;
        thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    loop {
                        match catch_unwind(AssertUnwindSafe(|| queue.get().map(drop))) {
                            Ok(Ok(())) => drop(got.fetch_add(1, Memory::Relaxed)),
                            Ok(Err(GetError)) => break,
                            Err(payload) => {
                                assert_eq!(common::message_of(&*payload), GET_FROM_WITHIN);
                                panics.fetch_add(1, Memory::Relaxed);
                            }
                        }
                    }
                });
            }
            // These panics are many, and meant.
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if info.payload().downcast_ref::<&str>() != Some(&GET_FROM_WITHIN) {
                    hook(info);
                }
            }));
            for round in 0..rounds {
                *armed.lock().unwrap() = Some(ATTEMPTS[round % 8]);
                (0..3).for_each(put);
                if round % 4 == 0 {
                    wait_until("they are got", || got.load(Memory::Relaxed) == 3 * (round + 1));
                }
            }
            wait_until("all are got", || got.load(Memory::Relaxed) == 3 * rounds);
            queue.shutdown();
        });
        assert!(queue.is_empty());
        assert_eq!(queue.unfinished(), 3 * rounds);
    });
}

/// A comparison may use other queues, those of other priorities included, and may block there.
#[test]
fn a_comparison_may_get_from_another_queue() {
    within(|| {
        let other = PriorityQueue::unbounded();
        let hook = |_: &Item<'_>, _: &Item<'_>| {
            other.get().unwrap();
            other.task_done().unwrap();
        };
        let queue = PriorityQueue::unbounded();
        for number in 0..20 {
            queue.put(Item { rank: 20 - number as u32, number, hook: &hook }).unwrap();
        }
        let is_over = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                while !is_over.load(Memory::Relaxed) {
                    other.put(1).unwrap();
                    thread::yield_now();
                }
            });
            for number in (0..20).rev() {
                assert_eq!(queue.get().unwrap().number, number);
            }
            is_over.store(true, Memory::Relaxed);
        });
        assert_eq!(queue.try_get().map(|item| item.number), Err(TryGetError::Empty));
    });
}

/// One getter compares at a time; another one waits for it, and its deadline counts from its call.
#[test]
fn a_slow_comparison_holds_up_other_getters_and_no_longer() {
    within(|| {
        let (is_comparing, may_go_on) = (Event::new(), Event::new());
        let hook = |_: &Item<'_>, _: &Item<'_>| {
            is_comparing.set();
            may_go_on.wait();
        };
        let queue = PriorityQueue::unbounded();
        (0..2).for_each(|number| queue.put(Item { rank: 1, number, hook: &hook }).unwrap());
        thread::scope(|s| {
            let first = s.spawn(|| queue.get().unwrap().number);
            is_comparing.wait();
            let second = s.spawn(|| queue.try_get_for(SHORT).map(|item| item.number));
            thread::sleep(2 * SHORT);
            may_go_on.set();
            assert_eq!(first.join().unwrap(), 0);
            // There is one for it, so it has it even though it is late.
            assert_eq!(second.join().unwrap(), Ok(1));
        });
    });
}
