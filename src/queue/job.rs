//! What comes out of a queue: jobs, which say that they are done, and iterators.

use core::fmt;
use core::iter::FusedIterator;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::raw::RawQueue;

/// A value that nobody else can make: who calls a method that asks for one is this crate.
#[derive(Debug)]
pub struct Private(());

/// Any of the queues: [`JoinableQueue`](crate::JoinableQueue), [`LifoQueue`](crate::LifoQueue) and
/// [`PriorityQueue`](crate::PriorityQueue). For naming an [`ArcJob`] or an iterator; it can neither be implemented nor called.
pub trait Queue {
    /// What is put and got.
    type Item;

    #[doc(hidden)]
    fn next_item(&self, _: Private) -> Option<Self::Item>;

    #[doc(hidden)]
    fn item_done(&self, _: Private);
}

/// An item got from a queue, which counts as done when this is dropped: also in a panic.
#[must_use = "if unused, the item counts as done at once"]
pub struct Job<'a, T> {
    queue: &'a RawQueue,
    /// There until it is dropped.
    item: ManuallyDrop<T>,
}

impl<'a, T> Job<'a, T> {
    pub(super) fn new(queue: &'a RawQueue, item: T) -> Job<'a, T> {
        Job { queue, item: ManuallyDrop::new(item) }
    }

    /// Takes the item out. It counts as done from now on.
    pub fn into_inner(self) -> T {
        let mut job = ManuallyDrop::new(self);
        // SAFETY: the job is not dropped any more, so this is the only one to take the item.
        let item = unsafe { ManuallyDrop::take(&mut job.item) };
        // Too often only if somebody else has said it of this item: theirs to answer for.
        let _ = job.queue.task_done();
        item
    }
}

impl<T> Deref for Job<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> DerefMut for Job<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.item
    }
}

impl<T> Drop for Job<'_, T> {
    fn drop(&mut self) {
        /// Says it after the item is gone, also if its destructor panics.
        struct Done<'a>(&'a RawQueue);

        impl Drop for Done<'_> {
            fn drop(&mut self) {
                // Too often only if somebody else has said it of this item: theirs to answer for.
                let _ = self.0.task_done();
            }
        }

        let _done = Done(self.queue);
        // SAFETY: nobody has taken the item: `into_inner` doesn't drop the job.
        unsafe { ManuallyDrop::drop(&mut self.item) };
    }
}

impl<T: fmt::Debug> fmt::Debug for Job<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&**self).finish()
    }
}

/// A [`Job`] that keeps its queue alive, and so may outlive every other owner and go to another thread.
#[must_use = "if unused, the item counts as done at once"]
pub struct ArcJob<Q: Queue> {
    /// `None` only after `into_inner`, and while it is being dropped.
    item: Option<Q::Item>,
    queue: Arc<Q>,
}

impl<Q: Queue> ArcJob<Q> {
    pub(super) fn new(queue: Arc<Q>, item: Q::Item) -> ArcJob<Q> {
        ArcJob { item: Some(item), queue }
    }

    /// Takes the item out. It counts as done from now on.
    pub fn into_inner(mut self) -> Q::Item {
        self.item.take().expect("a job has its item until it is dropped")
    }

    /// The queue that the item came from.
    #[must_use]
    pub fn queue(job: &ArcJob<Q>) -> &Arc<Q> {
        &job.queue
    }
}

impl<Q: Queue> Deref for ArcJob<Q> {
    type Target = Q::Item;

    fn deref(&self) -> &Q::Item {
        self.item.as_ref().expect("a job has its item until it is dropped")
    }
}

impl<Q: Queue> DerefMut for ArcJob<Q> {
    fn deref_mut(&mut self) -> &mut Q::Item {
        self.item.as_mut().expect("a job has its item until it is dropped")
    }
}

impl<Q: Queue> Drop for ArcJob<Q> {
    fn drop(&mut self) {
        /// Says it after the item is gone, also if its destructor panics.
        struct Done<'a, Q: Queue>(&'a Q);

        impl<Q: Queue> Drop for Done<'_, Q> {
            fn drop(&mut self) {
                self.0.item_done(Private(()));
            }
        }

        let _done = Done(&*self.queue);
        drop(self.item.take());
    }
}

impl<Q: Queue<Item: fmt::Debug>> fmt::Debug for ArcJob<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArcJob").field(&**self).finish()
    }
}

/// The items to come, from `iter` of any queue.
pub struct Iter<'a, Q> {
    queue: &'a Q,
}

/// The items to come, from `iter_arc` of any queue.
pub struct ArcIter<Q> {
    queue: Arc<Q>,
}

/// The items of a queue that the iterator owns.
pub struct IntoIter<Q> {
    queue: Q,
}

macro_rules! iterator {
    ($Name:ident <$($lifetime:lifetime,)? Q>, $Owner:ty) => {
        impl<$($lifetime,)? Q> $Name<$($lifetime,)? Q> {
            pub(super) fn new(queue: $Owner) -> Self {
                $Name { queue }
            }
        }

        impl<$($lifetime,)? Q: Queue> Iterator for $Name<$($lifetime,)? Q> {
            type Item = Q::Item;

            fn next(&mut self) -> Option<Q::Item> {
                self.queue.next_item(Private(()))
            }
        }

        // A queue that is shut down stays so.
        impl<$($lifetime,)? Q: Queue> FusedIterator for $Name<$($lifetime,)? Q> {}

        impl<$($lifetime,)? Q: fmt::Debug> fmt::Debug for $Name<$($lifetime,)? Q> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($Name)).field(&self.queue).finish()
            }
        }
    };
}

iterator!(Iter<'a, Q>, &'a Q);
iterator!(ArcIter<Q>, Arc<Q>);
iterator!(IntoIter<Q>, Q);

impl<Q> Clone for Iter<'_, Q> {
    fn clone(&self) -> Self {
        Iter { queue: self.queue }
    }
}

impl<Q> Clone for ArcIter<Q> {
    fn clone(&self) -> Self {
        ArcIter { queue: Arc::clone(&self.queue) }
    }
}
