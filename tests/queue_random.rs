//! Random operations on one thread, on each kind of queue and on a plain vector beside it: both say the same.

#![cfg(not(feature = "loom"))]

mod common;
mod queues;

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use common::{Random, past};
use queues::{AnyQueue, Kind, Order};
use raddle::{GetError, PutError, TaskDoneTooOften, TryGetError, TryPutError};

on_each_kind! {
    it_does_what_a_vector_does,
}

const SEQUENCES: u64 = if cfg!(debug_assertions) { 300 } else { 1000 };
const STEPS: usize = 400;

/// Compared by its rank alone; so "first come, first served among equals" shows.
#[derive(Clone, Copy, Debug)]
struct Ranked {
    rank: u64,
    number: usize,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// What a queue should be, without any threads.
struct Reference {
    order: Order,
    capacity: Option<usize>,
    /// In the order in which they were put.
    items: Vec<Ranked>,
    unfinished: usize,
    shut_down: bool,
}

impl Reference {
    fn is_full(&self) -> bool {
        self.capacity == Some(self.items.len())
    }

    fn put(&mut self, item: Ranked) -> Result<(), TryPutError<usize>> {
        if self.shut_down {
            return Err(TryPutError::ShutDown(item.number));
        } else if self.is_full() {
            return Err(TryPutError::Full(item.number));
        }
        self.items.push(item);
        self.unfinished += 1;
        Ok(())
    }

    fn get(&mut self) -> Result<usize, TryGetError> {
        let place = match self.order {
            Order::Fifo => 0,
            Order::Lifo => self.items.len().wrapping_sub(1),
            Order::Lowest => {
                // The first of several that are lowest.
                (0..self.items.len()).min_by_key(|&place| self.items[place].rank).unwrap_or(0)
            }
        };
        if place < self.items.len() {
            Ok(self.items.remove(place).number)
        } else if self.shut_down {
            Err(TryGetError::ShutDown)
        } else {
            Err(TryGetError::Empty)
        }
    }

    fn task_done(&mut self) -> Result<(), TaskDoneTooOften> {
        self.unfinished = self.unfinished.checked_sub(1).ok_or(TaskDoneTooOften)?;
        Ok(())
    }

    fn shutdown_now(&mut self) -> Vec<usize> {
        self.shut_down = true;
        let mut numbers = Vec::new();
        while let Ok(number) = self.get() {
            numbers.push(number);
            // Of some it may have been said already.
            let _ = self.task_done();
        }
        numbers
    }
}

fn it_does_what_a_vector_does<K: Kind>() {
    for seed in 0..SEQUENCES {
        let mut random = Random::new(seed + 1);
        let capacity = (random.below(3) > 0).then(|| 1 + random.below(70) as usize);
        run::<K>(seed, random, capacity);
    }
}

fn run<K: Kind>(seed: u64, mut random: Random, capacity: Option<usize>) {
    let queue = Arc::new(match capacity {
        Some(capacity) => K::bounded::<Ranked>(capacity),
        None => K::unbounded(),
    });
    let mut reference =
        Reference { order: K::ORDER, capacity, items: Vec::new(), unfinished: 0, shut_down: false };
    // Phases in which puts prevail, and phases in which gets do.
    let mut puts_in_20 = 10;
    for step in 0..STEPS {
        let at = || format!("seed {seed}, step {step}, capacity {capacity:?}");
        if random.below(30) == 0 {
            puts_in_20 = 5 + random.below(12);
        }
        let timeout = Duration::from_micros(random.below(20) / 19);
        if random.below(20) < puts_in_20 {
            let item = Ranked { rank: random.below(8), number: step };
            let expected = reference.put(item);
            let waits_for_ever = expected.as_ref().is_err_and(TryPutError::is_full);
            let result = match random.below(4) {
                0 if !waits_for_ever => queue.put(item).map_err(|PutError(item)| TryPutError::ShutDown(item)),
                1 => queue.try_put_for(item, timeout),
                2 => queue.try_put_until(item, past()),
                _ => queue.try_put(item),
            };
            let result = result.map_err(|error| match error {
                TryPutError::Full(item) => TryPutError::Full(item.number),
                TryPutError::ShutDown(item) => TryPutError::ShutDown(item.number),
            });
            assert_eq!(result, expected, "{}", at());
        } else if random.below(8) > 0 {
            let expected = reference.get();
            let waits_for_ever = expected == Err(TryGetError::Empty);
            let ended = |GetError| TryGetError::ShutDown;
            let mut says_done = true;
            let result = match random.below(10) {
                0 if !waits_for_ever => queue.get_job().map_err(ended).map(|job| job.number),
                1 if !waits_for_ever => queue.get_job_arc().map_err(ended).map(|job| job.into_inner().number),
                2 => queue.try_get_job_for(timeout).map(|job| job.into_inner().number),
                3 => queue.try_get_job_arc_until(past()).map(|job| job.number),
                other => {
                    says_done = false;
                    let result = match other {
                        4 if !waits_for_ever => queue.get().map_err(ended),
                        5 if !waits_for_ever => queue.iter().next().ok_or(TryGetError::ShutDown),
                        6 => queue.try_get_for(timeout),
                        7 => queue.try_get_until(past()),
                        _ => queue.try_get(),
                    };
                    result.map(|item| item.number)
                }
            };
            assert_eq!(result, expected, "{}", at());
            if says_done && result.is_ok() {
                // A job minds it as little if somebody else has said it.
                let _ = reference.task_done();
            }
        } else {
            match random.below(40) {
                0 => {
                    queue.shutdown();
                    reference.shut_down = true;
                }
                1 => {
                    let numbers: Vec<usize> = queue.shutdown_now().iter().map(|item| item.number).collect();
                    assert_eq!(numbers, reference.shutdown_now(), "{}", at());
                }
                2..5 => {
                    let shown = format!("{queue:?}");
                    assert!(shown.contains(&format!("len: {},", reference.items.len())), "{shown} {}", at());
                }
                5..8 => assert_eq!(queue.join_until(past()), reference.unfinished == 0, "{}", at()),
                _ => assert_eq!(queue.task_done(), reference.task_done(), "{}", at()),
            }
        }
        assert_eq!(queue.len(), reference.items.len(), "{}", at());
        assert_eq!(queue.unfinished(), reference.unfinished, "{}", at());
        assert_eq!(queue.is_empty(), reference.items.is_empty(), "{}", at());
        assert_eq!(queue.is_full(), reference.is_full(), "{}", at());
        assert_eq!(queue.is_shut_down(), reference.shut_down, "{}", at());
        assert_eq!(queue.join_for(Duration::ZERO), reference.unfinished == 0, "{}", at());
    }
    // What is left comes in order.
    let left: Vec<usize> = Arc::into_inner(queue).unwrap().into_items().map(|item| item.number).collect();
    assert_eq!(left, reference.shutdown_now(), "seed {seed}, at the end");
}
