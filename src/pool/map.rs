//! One function over many items, a chunk at a time.
//!
//! All who work at a `map` share one object, the [`Bulk`], and take the next chunk from it by adding one to a counter. It is queued as often as
//! workers can be of use, so that a map costs a few allocations, however many chunks it has. When the chunks are used up, the entries that
//! are still queued find nothing, and only let go of it.
//!
//! The caller's data is borrowed. It is touched in a chunk only, and the call returns when each chunk is done.

use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::ptr::{self, NonNull};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;

use super::job::{Acted, Action, Entry, Failure, Header};
use super::latch::Latch;
use super::worker::{Shared, Worker};
use crate::deadline::Deadline;
use crate::hook::Hook;
use crate::lock::Lock;
use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::primitives::cell::TrackedCell;

/// So many chunks for each worker: enough to even out those that take longer, few enough to cost nothing. Python's number.
const CHUNKS_PER_WORKER: usize = 4;

#[repr(C)]
struct Bulk<T, R, F> {
    header: Header,
    /// The next chunk that nobody has taken.
    next_chunk: AtomicUsize,
    chunks: usize,
    chunk_len: usize,
    len: usize,
    /// Whether the caller takes part.
    has_worker: bool,
    /// The chunks that are not done.
    running: Latch,
    /// The caller's function: there as long as a chunk is not done.
    f: *const F,
    /// The items: each chunk's belong to the one who has taken it.
    items: *mut T,
    /// Where the results go, likewise. Perhaps to where the items were.
    results: *mut R,
    /// Chunk by chunk: whether its results are there. Under the model, what shows a race for the chunk's data.
    is_complete: Box<[TrackedCell<bool>]>,
    failure: Lock<Failure>,
}

impl<T: Send, R: Send, F: Fn(T) -> R + Sync> Bulk<T, R, F> {
    unsafe fn act(job: NonNull<Header>, action: Action, hook: Hook<'_>) -> Acted {
        let job = job.cast::<Self>().as_ptr();
        // Relaxed: if it is old, the job is swept another time.
        // SAFETY: the entry came from an `Arc`, and its reference keeps the job.
        if action == Action::Sweep && unsafe { (*job).next_chunk.load(Ordering::Relaxed) < (*job).chunks } {
            return Acted::Stays;
        }
        // SAFETY: as above; the reference goes with the entry.
        let bulk = unsafe { Arc::from_raw(job) };
        // If a worker waits, the map is a part of a job that has begun, and is not cancelled: that worker does it all.
        if action == Action::Run || action == Action::Cancel && !bulk.has_worker {
            bulk.work(action, hook);
        }
        Acted::Gone
    }

    /// Takes chunks until there are none.
    fn work(&self, action: Action, hook: Hook<'_>) {
        loop {
            // Relaxed: the items were written before the job was queued. Only the count matters, and no chunk is given out twice.
            let chunk = self.next_chunk.fetch_add(1, Ordering::Relaxed);
            if chunk >= self.chunks {
                return;
            }
            // SAFETY: the chunk is ours alone; it is not done, so the caller's data is there.
            unsafe {
                self.run_chunk(chunk, action, hook);
                Latch::count_down(&self.running);
            }
        }
    }

    /// # Safety
    ///
    /// Once for each chunk.
    unsafe fn run_chunk(&self, chunk: usize, action: Action, hook: Hook<'_>) {
        /// The part of a chunk that is not done: the items are dropped with it.
        struct Rest<T> {
            next: *mut T,
            len: usize,
        }

        impl<T> Drop for Rest<T> {
            fn drop(&mut self) {
                // SAFETY: these items are ours, and nobody has taken them out.
                unsafe { ptr::slice_from_raw_parts_mut(self.next, self.len).drop_in_place() };
            }
        }

        /// The results so far: dropped if the chunk fails.
        struct Made<R> {
            first: *mut R,
            len: usize,
        }

        impl<R> Drop for Made<R> {
            fn drop(&mut self) {
                // SAFETY: these were written, and nobody knows of them.
                unsafe { ptr::slice_from_raw_parts_mut(self.first, self.len).drop_in_place() };
            }
        }

        let is_complete = &self.is_complete[chunk];
        let _access = is_complete.begin_mut();
        let begin = chunk * self.chunk_len;
        let len = self.chunk_len.min(self.len - begin);
        // SAFETY: the chunk lies within the items, and within the results.
        let (items, results) = unsafe { (self.items.add(begin), self.results.add(begin)) };
        let run = || {
            let mut rest = Rest { next: items, len };
            if action == Action::Cancel {
                return false;
            }
            let mut made = Made { first: results, len: 0 };
            // SAFETY: the caller of `map` keeps its function until all chunks are done.
            let f = unsafe { &*self.f };
            while rest.len > 0 {
                // SAFETY: the next item is there and ours; from here on it is no part of the rest. The place of its result is free and ours.
                unsafe {
                    let item = rest.next.read();
                    rest.next = rest.next.add(1);
                    rest.len -= 1;
                    results.add(made.len).write(f(item));
                }
                made.len += 1;
            }
            core::mem::forget(made);
            true
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            // SAFETY: the cell goes with the chunk.
            Ok(true) => unsafe { *is_complete.get() = true },
            Ok(false) => self.failure.lock().is_cancelled = true,
            Err(payload) => Failure::keep(&self.failure, payload, hook),
        }
    }
}

/// See [`WorkPool::map`](crate::WorkPool::map). `None` as chunk length: a few chunks for each worker.
///
/// # Errors
///
/// [`Closed`] if the pool is closed and the caller is none of its workers.
pub(super) fn map<T, R, F>(
    pool: &Arc<Shared>,
    mut items: Vec<T>,
    chunk_len: Option<usize>,
    f: &F,
) -> Result<Vec<R>, Closed>
where
    T: Send,
    R: Send,
    F: Fn(T) -> R + Sync,
{
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let workers = pool.max_workers();
    let len = items.len();
    let chunk_len = chunk_len.unwrap_or_else(|| len.div_ceil(CHUNKS_PER_WORKER * workers));
    // No more chunks than a latch can count.
    let chunk_len = chunk_len.max(len.div_ceil(Latch::MOST)).clamp(1, len);
    let chunks = len.div_ceil(chunk_len);

    // This may panic, if there can't be so much: so it comes while the items are still in their vector.
    let fresh = (!has_room_for::<T, R>(&items)).then(|| Vec::with_capacity(len));
    // The chunks take the items out; the vector only gives its memory back.
    let items_ptr = items.as_mut_ptr();
    // SAFETY: each item is taken out by its chunk, or dropped with it.
    unsafe { items.set_len(0) };
    // Nor are there results, as far as the vector knows, before all are.
    // SAFETY: there is room for them, and no item any more.
    let mut results = fresh.unwrap_or_else(|| unsafe { memory_of(&mut items) });

    let has_worker = pool.with_own_worker(|worker| worker.is_some());
    let bulk = Arc::new(Bulk {
        // SAFETY: all that is in it may go to another thread (`T: Send`, `R: Send`, `F: Sync`), and the function fits the type.
        header: unsafe { Header::new(Bulk::<T, R, F>::act) },
        next_chunk: AtomicUsize::new(0),
        chunks,
        chunk_len,
        len,
        has_worker,
        running: Latch::new(chunks),
        f,
        items: items_ptr,
        results: results.as_mut_ptr(),
        is_complete: (0..chunks).map(|_| TrackedCell::new(false)).collect(),
        failure: Lock::new(Failure::default()),
    });
    // A worker takes part itself.
    let helpers = if has_worker { (workers - 1).min(chunks - 1) } else { workers.min(chunks) };
    let mut refused = None;
    for helper in 0..helpers {
        let job = Arc::into_raw(Arc::clone(&bulk));
        // SAFETY: it is not null, and the reference goes with the entry.
        let entry = unsafe { Entry::new(NonNull::new_unchecked(job.cast_mut()).cast()) };
        // One of them has to get in. The others, if there is room.
        let deadline = if helper == 0 { Deadline::Never } else { Deadline::Now };
        if pool.submit(entry, deadline).is_err() {
            // SAFETY: no queue has it; and it is one reference.
            drop(unsafe { Arc::from_raw(job) });
            if helper == 0 {
                refused = Some(Closed);
            }
            break;
        }
    }
    if has_worker {
        bulk.work(Action::Run, pool.hook());
    } else if refused.is_some() {
        bulk.work(Action::Cancel, Hook(None));
    }
    bulk.running.wait(|| {
        // A worker of this pool has shared all when it pushed the helpers' entries. But it may be one of another pool.
        if !has_worker {
            Worker::share_of_caller();
        }
    });

    let Failure { payload, is_cancelled } = core::mem::take(&mut *bulk.failure.lock());
    for (chunk, is_complete) in bulk.is_complete.iter().enumerate() {
        let _access = is_complete.begin_ref();
        // SAFETY: all chunks are done, and the latch has ordered them before us.
        if (payload.is_some() || is_cancelled) && unsafe { *is_complete.get() } {
            let begin = chunk * chunk_len;
            let len = chunk_len.min(len - begin);
            // SAFETY: a complete chunk has all its results, and nobody else knows of them.
            pool.hook().guard(|| unsafe {
                ptr::slice_from_raw_parts_mut(results.as_mut_ptr().add(begin), len).drop_in_place();
            });
        }
    }
    match (refused, payload) {
        (Some(closed), _) => Err(closed),
        (None, Some(payload)) => resume_unwind(payload),
        (None, None) if is_cancelled => panic!("WorkPool::map: a chunk was cancelled"),
        (None, None) => {
            // SAFETY: each chunk is complete, so all results are there.
            unsafe { results.set_len(len) };
            Ok(results)
        }
    }
}

/// Whether the results may stand where the items are: if they have the same layout, and the memory is not much more than they need.
///
/// An item is taken out before its result is made, and a chunk goes through them in one direction: so at each moment there are results, one place, and items, in this order.
fn has_room_for<T, R>(items: &Vec<T>) -> bool {
    Layout::new::<T>() == Layout::new::<R>() && items.capacity() / 2 <= items.len()
}

/// The memory of a vector, which gives it up.
///
/// # Safety
///
/// There is nothing in it, and `T` and `R` have the same size and alignment.
unsafe fn memory_of<T, R>(items: &mut Vec<T>) -> Vec<R> {
    let mut items = ManuallyDrop::new(core::mem::take(items));
    // SAFETY: by the caller's promise, it is what a vector of `R` would have asked for.
    unsafe { Vec::from_raw_parts(items.as_mut_ptr().cast(), 0, items.capacity()) }
}

/// The pool did not take the job.
pub(super) struct Closed;
