//! All queues behind one trait, so that a test is written once and holds for each of them.

#![allow(dead_code, unreachable_pub, reason = "no test file needs all of it")]

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raddle::{
    ArcIter, ArcJob, GetError, IntoIter, Iter, Job, JoinableQueue, LifoQueue, PriorityQueue, PutError, Queue,
    TaskDoneTooOften, TryGetError, TryPutError,
};

/// In which order a queue gives out what was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Fifo,
    Lifo,
    Lowest,
}

/// What can be put into any queue.
pub trait Item: Ord + Send + Debug {}

impl<T: Ord + Send + Debug> Item for T {}

/// One of the ways in which a queue can be made.
pub trait Kind {
    const NAME: &str;
    const ORDER: Order;
    type Queue<T: Item>: AnyQueue<Item = T>;

    fn bounded<T: Item>(capacity: usize) -> Self::Queue<T>;
    fn unbounded<T: Item>() -> Self::Queue<T>;
}

macro_rules! kinds {
    ($($(#[$meta:meta])* $Kind:ident: $Queue:ident, $order:ident, $bounded:expr, $unbounded:expr;)*) => {
        $(
            $(#[$meta])*
            pub struct $Kind;

            impl Kind for $Kind {
                const NAME: &str = stringify!($Kind);
                const ORDER: Order = Order::$order;
                type Queue<T: Item> = $Queue<T>;

                fn bounded<T: Item>(capacity: usize) -> $Queue<T> {
                    $bounded(capacity)
                }

                fn unbounded<T: Item>() -> $Queue<T> {
                    $unbounded()
                }
            }
        )*
    };
}

kinds! {
    /// A ring; unbounded, a list.
    Ring: JoinableQueue, Fifo, JoinableQueue::bounded, JoinableQueue::unbounded;
    /// A list, with a limit and without.
    List: JoinableQueue, Fifo, JoinableQueue::list_with_limit, JoinableQueue::unbounded;
    /// The same two, whose positions wrap after a lap or two.
    Wraps: JoinableQueue, Fifo,
        |capacity| JoinableQueue::about_to_wrap(Some(capacity), 2),
        || JoinableQueue::about_to_wrap(None, 2);
    Lifo: LifoQueue, Lifo, LifoQueue::bounded, LifoQueue::unbounded;
    Priority: PriorityQueue, Lowest, PriorityQueue::bounded, PriorityQueue::unbounded;
}

/// Makes a test of each of these functions for each kind of queue, called `function::kind`.
#[macro_export]
macro_rules! on_each_kind {
    ($($(#[$meta:meta])* $test:ident),* $(,)?) => {
        $(
            $(#[$meta])*
            mod $test {
                #[test]
                fn ring() {
                    super::common::within(super::$test::<super::queues::Ring>);
                }

                #[test]
                fn list() {
                    super::common::within(super::$test::<super::queues::List>);
                }

                #[test]
                fn wraps() {
                    super::common::within(super::$test::<super::queues::Wraps>);
                }

                #[test]
                fn lifo() {
                    super::common::within(super::$test::<super::queues::Lifo>);
                }

                #[test]
                fn priority() {
                    super::common::within(super::$test::<super::queues::Priority>);
                }
            }
        )*
    };
}

/// What all queues do.
pub trait AnyQueue: Queue<Item: Item> + Send + Sync + Sized + Debug {
    fn put(&self, item: Self::Item) -> Result<(), PutError<Self::Item>>;
    fn try_put(&self, item: Self::Item) -> Result<(), TryPutError<Self::Item>>;
    fn try_put_for(&self, item: Self::Item, timeout: Duration) -> Result<(), TryPutError<Self::Item>>;
    fn try_put_until(&self, item: Self::Item, deadline: Instant) -> Result<(), TryPutError<Self::Item>>;
    fn get(&self) -> Result<Self::Item, GetError>;
    fn try_get(&self) -> Result<Self::Item, TryGetError>;
    fn try_get_for(&self, timeout: Duration) -> Result<Self::Item, TryGetError>;
    fn try_get_until(&self, deadline: Instant) -> Result<Self::Item, TryGetError>;
    fn get_job(&self) -> Result<Job<'_, Self::Item>, GetError>;
    fn try_get_job(&self) -> Result<Job<'_, Self::Item>, TryGetError>;
    fn try_get_job_for(&self, timeout: Duration) -> Result<Job<'_, Self::Item>, TryGetError>;
    fn try_get_job_until(&self, deadline: Instant) -> Result<Job<'_, Self::Item>, TryGetError>;
    fn get_job_arc(self: &Arc<Self>) -> Result<ArcJob<Self>, GetError>;
    fn try_get_job_arc(self: &Arc<Self>) -> Result<ArcJob<Self>, TryGetError>;
    fn try_get_job_arc_for(self: &Arc<Self>, timeout: Duration) -> Result<ArcJob<Self>, TryGetError>;
    fn try_get_job_arc_until(self: &Arc<Self>, deadline: Instant) -> Result<ArcJob<Self>, TryGetError>;
    fn shutdown_now(&self) -> Vec<Self::Item>;
    fn iter(&self) -> Iter<'_, Self>;
    fn iter_arc(self: &Arc<Self>) -> ArcIter<Self>;
    fn into_items(self) -> IntoIter<Self>;
    fn task_done(&self) -> Result<(), TaskDoneTooOften>;
    fn join(&self);
    fn join_for(&self, timeout: Duration) -> bool;
    fn join_until(&self, deadline: Instant) -> bool;
    fn unfinished(&self) -> usize;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool;
    fn is_full(&self) -> bool;
    fn capacity(&self) -> Option<usize>;
    fn is_shut_down(&self) -> bool;
    fn shutdown(&self);
}

macro_rules! any_queue {
    ($($Queue:ident),*) => {
        $(
            impl<T: Item> AnyQueue for $Queue<T> {
                fn put(&self, item: T) -> Result<(), PutError<T>> { <$Queue<T>>::put(self, item) }
                fn try_put(&self, item: T) -> Result<(), TryPutError<T>> { <$Queue<T>>::try_put(self, item) }
                fn try_put_for(&self, item: T, timeout: Duration) -> Result<(), TryPutError<T>> {
                    <$Queue<T>>::try_put_for(self, item, timeout)
                }
                fn try_put_until(&self, item: T, deadline: Instant) -> Result<(), TryPutError<T>> {
                    <$Queue<T>>::try_put_until(self, item, deadline)
                }
                fn get(&self) -> Result<T, GetError> { <$Queue<T>>::get(self) }
                fn try_get(&self) -> Result<T, TryGetError> { <$Queue<T>>::try_get(self) }
                fn try_get_for(&self, timeout: Duration) -> Result<T, TryGetError> {
                    <$Queue<T>>::try_get_for(self, timeout)
                }
                fn try_get_until(&self, deadline: Instant) -> Result<T, TryGetError> {
                    <$Queue<T>>::try_get_until(self, deadline)
                }
                fn get_job(&self) -> Result<Job<'_, T>, GetError> { <$Queue<T>>::get_job(self) }
                fn try_get_job(&self) -> Result<Job<'_, T>, TryGetError> { <$Queue<T>>::try_get_job(self) }
                fn try_get_job_for(&self, timeout: Duration) -> Result<Job<'_, T>, TryGetError> {
                    <$Queue<T>>::try_get_job_for(self, timeout)
                }
                fn try_get_job_until(&self, deadline: Instant) -> Result<Job<'_, T>, TryGetError> {
                    <$Queue<T>>::try_get_job_until(self, deadline)
                }
                fn get_job_arc(self: &Arc<Self>) -> Result<ArcJob<Self>, GetError> { <$Queue<T>>::get_job_arc(self) }
                fn try_get_job_arc(self: &Arc<Self>) -> Result<ArcJob<Self>, TryGetError> {
                    <$Queue<T>>::try_get_job_arc(self)
                }
                fn try_get_job_arc_for(self: &Arc<Self>, timeout: Duration) -> Result<ArcJob<Self>, TryGetError> {
                    <$Queue<T>>::try_get_job_arc_for(self, timeout)
                }
                fn try_get_job_arc_until(self: &Arc<Self>, deadline: Instant) -> Result<ArcJob<Self>, TryGetError> {
                    <$Queue<T>>::try_get_job_arc_until(self, deadline)
                }
                fn shutdown_now(&self) -> Vec<T> { <$Queue<T>>::shutdown_now(self) }
                fn iter(&self) -> Iter<'_, Self> { <$Queue<T>>::iter(self) }
                fn iter_arc(self: &Arc<Self>) -> ArcIter<Self> { <$Queue<T>>::iter_arc(self) }
                fn into_items(self) -> IntoIter<Self> { self.into_iter() }
                fn task_done(&self) -> Result<(), TaskDoneTooOften> { <$Queue<T>>::task_done(self) }
                fn join(&self) { <$Queue<T>>::join(self) }
                fn join_for(&self, timeout: Duration) -> bool { <$Queue<T>>::join_for(self, timeout) }
                fn join_until(&self, deadline: Instant) -> bool { <$Queue<T>>::join_until(self, deadline) }
                fn unfinished(&self) -> usize { <$Queue<T>>::unfinished(self) }
                fn len(&self) -> usize { <$Queue<T>>::len(self) }
                fn is_empty(&self) -> bool { <$Queue<T>>::is_empty(self) }
                fn is_full(&self) -> bool { <$Queue<T>>::is_full(self) }
                fn capacity(&self) -> Option<usize> { <$Queue<T>>::capacity(self) }
                fn is_shut_down(&self) -> bool { <$Queue<T>>::is_shut_down(self) }
                fn shutdown(&self) { <$Queue<T>>::shutdown(self) }
            }
        )*
    };
}

any_queue!(JoinableQueue, LifoQueue, PriorityQueue);

impl Order {
    /// Puts items that were put in this order into the order in which they come out.
    pub fn sort<T: Ord>(self, items: &mut [T]) {
        match self {
            Order::Fifo => {}
            Order::Lifo => items.reverse(),
            // A stable sort: first come, first served among equals.
            Order::Lowest => items.sort(),
        }
    }
}

/// Makes a test of each of these functions for each kind of queue that is first in, first out.
#[macro_export]
macro_rules! on_each_fifo_kind {
    ($($(#[$meta:meta])* $test:ident),* $(,)?) => {
        $(
            $(#[$meta])*
            mod $test {
                #[test]
                fn ring() {
                    super::common::within(super::$test::<super::queues::Ring>);
                }

                #[test]
                fn list() {
                    super::common::within(super::$test::<super::queues::List>);
                }

                #[test]
                fn wraps() {
                    super::common::within(super::$test::<super::queues::Wraps>);
                }
            }
        )*
    };
}
