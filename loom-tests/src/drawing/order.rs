//! Who wrote what is read, and what that orders: inferred, for loom doesn't tell.
//!
//! - The steps stand in the order in which loom took them, so the writes of one atomic stand in their modification order.
//! - A read-modify-write reads the newest write. So does a load under a queue lock.
//! - A load reads a write of the value that it found, and none older than what its thread has read or written before, or
//!   what happened before the load: the newest such. If there are others, it is marked as a guess.
//! - What happens before is kept as loom keeps it: release and acquire, release sequences, fences, and unpark before the
//!   return of park. What the recorder doesn't see (spawn, join, the types of `std`) is missing, so "not ordered" says:
//!   not by what is drawn.

use super::record::{Did, RecordedStep};

/// Where a value that is read comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reads {
    /// The step that wrote it, or `None` for the first value.
    pub(super) from: Option<usize>,
    /// Whether no other step can have been it.
    pub(super) sure: bool,
    /// Whether there was a newer value already.
    pub(super) stale: bool,
    pub(super) link: Link,
}

/// What a read brings with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// The thread's own write, or the first value: there is nothing to bring.
    Own,
    /// What came before the write. Or, if the write only continues a release sequence, what came before this step.
    Ordered(usize),
    /// Nothing, but the write happened before the read anyway.
    Before,
    /// Nothing.
    Unordered,
}

impl Order {
    /// Of each thread, the steps with a number below this happened before.
    pub(super) fn known(&self) -> &[usize] {
        &self.clock
    }
}

/// What was found out about one step.
#[derive(Clone, Default, Debug)]
pub(super) struct Order {
    pub(super) reads: Option<Reads>,
    /// For the return of a park: who woke it.
    pub(super) woken_by: Option<usize>,
    /// For each thread, how many of the first steps happened before this one; see [`happens_before`].
    clock: Clock,
}

/// For each thread: the steps of it with a lower index are known.
type Clock = Vec<usize>;

/// Whether `earlier` happened before `later`, by what is drawn.
pub(super) fn happens_before(steps: &[RecordedStep], orders: &[Order], earlier: usize, later: usize) -> bool {
    orders[later].clock[steps[earlier].thread] > earlier
}

fn join(to: &mut Clock, from: &Clock) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = (*to).max(*from);
    }
}

/// A write of an atomic.
struct Write {
    step: usize,
    value: u64,
    /// What whoever acquires it gets to know.
    message: Clock,
    /// The release that heads the release sequence.
    head: Option<usize>,
}

#[derive(Default)]
struct Word {
    /// The value before all writes, once it is known.
    first: Option<u64>,
    writes: Vec<Write>,
    /// Every access: the step, and how many writes there were up to the one read or written.
    seen: Vec<(usize, usize)>,
}

struct Thread {
    clock: Clock,
    /// As it was at the last release fence, and that fence.
    released: Option<(Clock, usize)>,
    /// What an acquire fence would bring.
    pending: Clock,
    unparked: Option<usize>,
}

pub(super) fn infer(steps: &[RecordedStep]) -> Vec<Order> {
    let count = steps.iter().map(|step| step.thread + 1).max().unwrap_or(0);
    let objects = steps.iter().map(|step| step.object + 1).max().unwrap_or(0);
    let none = vec![0; count];
    let thread = || Thread { clock: none.clone(), released: None, pending: none.clone(), unparked: None };
    let mut threads: Vec<Thread> = (0..count).map(|_| thread()).collect();
    let mut words: Vec<Word> = (0..objects).map(|_| Word::default()).collect();
    let mut seq_cst = none.clone();
    let mut orders: Vec<Order> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let me = step.thread;
        threads[me].clock[me] = index + 1;
        let mut order = Order::default();
        match &step.what {
            Did::Fence { orders } => {
                let me = &mut threads[me];
                if orders.is_acquire() {
                    join(&mut me.clock, &me.pending);
                }
                if orders.used == "SeqCst" {
                    join(&mut me.clock, &seq_cst);
                    join(&mut seq_cst, &me.clock);
                }
                if orders.is_release() {
                    me.released = Some((me.clock.clone(), index));
                }
            }
            Did::Atomic(operation) => {
                let word = &mut words[step.object];
                let mut read_at = word.writes.len();
                if let Some(value) = operation.read {
                    let floor = floor(word, &threads[me].clock, steps);
                    let (at, sure) = if operation.latest {
                        if word.writes.is_empty() {
                            word.first = Some(value);
                        }
                        (word.writes.len(), true)
                    } else {
                        find(word, value, floor)
                    };
                    read_at = at;
                    let stale = at < word.writes.len();
                    let write = at.checked_sub(1).map(|at| &word.writes[at]);
                    let link = write.map_or(Link::Own, |write| {
                        take(write, operation.orders.is_acquire(), me, &mut threads[me], steps)
                    });
                    order.reads = Some(Reads { from: write.map(|write| write.step), sure, stale, link });
                }
                if let Some(value) = operation.written {
                    let release = operation.orders.is_release();
                    let mine = &threads[me];
                    let (mut message, mut head) = match &mine.released {
                        _ if release => (mine.clock.clone(), Some(index)),
                        Some((clock, fence)) => (clock.clone(), Some(*fence)),
                        None => (none.clone(), None),
                    };
                    if operation.read.is_some()
                        && let Some(last) = word.writes.last()
                    {
                        join(&mut message, &last.message);
                        head = head.or(last.head);
                    }
                    word.writes.push(Write { step: index, value, message, head });
                    read_at = word.writes.len();
                }
                word.seen.push((index, read_at));
            }
            Did::Woke { woken, .. } => {
                for &other in woken {
                    threads[other].unparked = Some(index);
                }
            }
            Did::Unparked { .. } => {
                if let Some(by) = threads[me].unparked.take() {
                    let clock: Clock = orders[by].clock.clone();
                    join(&mut threads[me].clock, &clock);
                    order.woken_by = Some(by);
                }
            }
            Did::CellWrite | Did::CellRead | Did::Waits { .. } | Did::Invalid | Did::TimedOut => {}
        }
        order.clock.clone_from(&threads[me].clock);
        orders.push(order);
    }
    orders
}

/// How many of the writes are hidden by what the reader knows: it reads the last of them, or a later one.
fn floor(word: &Word, clock: &Clock, steps: &[RecordedStep]) -> usize {
    let known = word.seen.iter().filter(|(step, _)| clock[steps[*step].thread] > *step);
    known.map(|&(_, at)| at).max().unwrap_or(0)
}

/// The newest write of this value that can be read, as the number of writes up to it, and whether it is the only one.
fn find(word: &mut Word, value: u64, floor: usize) -> (usize, bool) {
    if word.writes.is_empty() {
        word.first = Some(value);
    }
    let fits = |at: &usize| match at {
        0 => word.first == Some(value),
        at => word.writes[at - 1].value == value,
    };
    let candidates: Vec<usize> = (floor..=word.writes.len()).filter(fits).collect();
    match candidates.last() {
        Some(&at) => (at, candidates.len() == 1 && (floor > 0 || at == 0 || word.first.is_some())),
        None => {
            // It can only be the first value, seen for the first time.
            if word.first.is_none() {
                word.first = Some(value);
            }
            (0, word.first == Some(value) && floor == 0)
        }
    }
}

/// The thread takes over what comes with the write.
fn take(write: &Write, acquire: bool, my: usize, me: &mut Thread, steps: &[RecordedStep]) -> Link {
    let writer = steps[write.step].thread;
    let before = me.clock[writer] > write.step;
    join(&mut me.pending, &write.message);
    if acquire {
        join(&mut me.clock, &write.message);
    }
    match write.head {
        _ if writer == my => Link::Own,
        Some(head) if acquire && steps[head].thread != my => Link::Ordered(head),
        _ if before => Link::Before,
        _ => Link::Unordered,
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
