//! The parking model: what `parking_lot_core` promises, in as few steps of the model as will do.
//!
//! The queues are a plain table; all threads of a model are coroutines on one OS thread, so nothing races on
//! it. Every call does one step that loom sees, the *marker* of the key's queue, and then all that belongs
//! under the queue lock in one indivisible *section*: exploring is off there, so that no other thread comes
//! between. Calls on the same key depend on each other through the marker, so loom tries them in every order.
//! The marker is a `notify_one` on a loom `Condvar` that nobody waits on: it orders nothing.
//!
//! The only happens-before edge that this adds is axiom 3: unpark before the return of park (loom's
//! `Thread::unpark`). `parking_lot_core` has that very edge, and no primitive may rely on another.
//!
//! **A timed wait never blocks.** Once it is in the queue, "the deadline passes" is one more step on the queue,
//! and the scheduler places it: before, between or after whatever the others do. Both outcomes of every timed
//! call are explored, and no clock or helper thread is needed. A thread that times out again and again yields
//! first, so that a loop round a timed wait ends.

use core::cell::{Cell, RefCell};
use core::panic::Location;
use std::rc::Rc;

use loom::sync::Condvar;

use super::weaken::{self, Fault, Operation};
use super::{recorder, thread};
use crate::primitives::parking::{FilterOp, ParkResult, ParkToken, RequeueOp, UnparkToken, Unparked};
use crate::primitives::time::Instant;

/// So many timed waits of one thread may end without its yielding to the others first.
const FREE_TIMEOUTS: usize = 1;

/// A thread in a queue, or just taken from one.
struct Waiter {
    key: Cell<usize>,
    token: ParkToken,
    /// The unparker's token, once this waiter has been taken from the queue to be woken.
    woken: Cell<Option<UnparkToken>>,
    thread: loom::thread::Thread,
}

/// All queues of the execution that runs: who waits longest stands first.
struct Table {
    execution: usize,
    queue: Vec<Rc<Waiter>>,
    markers: Vec<(usize, Rc<Condvar>)>,
    /// How many timed waits each thread has done.
    timed_waits: Vec<usize>,
}

thread_local! {
    static TABLE: RefCell<Table> = const {
        RefCell::new(Table {
            execution: usize::MAX,
            queue: Vec::new(),
            markers: Vec::new(),
            timed_waits: Vec::new(),
        })
    };
    static IN_SECTION: Cell<bool> = const { Cell::new(false) };
}

/// Whether the caller runs under a queue lock.
pub(super) fn in_section() -> bool {
    IN_SECTION.get()
}

/// Forgets the marker of a key whose object is gone.
pub(super) fn forget_key(key: usize) {
    let _ = TABLE.try_with(|table| {
        if let Ok(mut table) = table.try_borrow_mut() {
            table.markers.retain(|(known, _)| *known != key);
        }
    });
}

/// The table of the execution that runs. A table left by an earlier one is emptied first.
fn with_table<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    let (execution, _) = thread::execution_and_index();
    TABLE.with_borrow_mut(|table| {
        if table.execution != execution {
            *table = Table { execution, queue: Vec::new(), markers: Vec::new(), timed_waits: Vec::new() };
            IN_SECTION.set(false);
        }
        f(table)
    })
}

/// The step that loom sees: it makes this call depend on every other call with the same key.
fn mark(key: usize) {
    let marker = with_table(|table| match table.markers.iter().find(|(known, _)| *known == key) {
        Some((_, marker)) => Rc::clone(marker),
        None => {
            let marker = Rc::new(Condvar::new());
            table.markers.push((key, Rc::clone(&marker)));
            marker
        }
    });
    marker.notify_one();
}

/// Runs `f` as one step. `f` must not block or unwind, which is what the real queue lock asks too.
fn section<R>(f: impl FnOnce() -> R) -> R {
    loom::stop_exploring();
    IN_SECTION.set(true);
    let result = f();
    IN_SECTION.set(false);
    loom::explore();
    result
}

fn pop(key: usize) -> Option<Rc<Waiter>> {
    with_table(|table| {
        let at = table.queue.iter().position(|waiter| waiter.key.get() == key)?;
        Some(table.queue.remove(at))
    })
}

fn remove(waiter: &Rc<Waiter>) {
    with_table(|table| table.queue.retain(|other| !Rc::ptr_eq(other, waiter)));
}

fn is_waited_on(key: usize) -> bool {
    with_table(|table| table.queue.iter().any(|waiter| waiter.key.get() == key))
}

fn wake(waiter: &Waiter, token: UnparkToken) {
    waiter.woken.set(Some(token));
    waiter.thread.unpark();
}

/// # Safety
///
/// See [`crate::primitives::parking::park`].
#[track_caller]
pub(in crate::primitives) unsafe fn park(
    key: usize,
    validate: impl FnOnce() -> bool,
    before_sleep: impl FnOnce(),
    timed_out: impl FnOnce(usize, bool),
    token: ParkToken,
    deadline: Option<Instant>,
) -> ParkResult {
    let location = Location::caller();
    let fault = weaken::visit(location, Operation::Parking("park"));
    mark(key);
    let waiter = section(|| {
        let valid = validate() || fault == Some(Fault::SkipValidate);
        valid.then(|| {
            let waiter = Rc::new(Waiter {
                key: Cell::new(key),
                token,
                woken: Cell::new(None),
                thread: loom::thread::current(),
            });
            with_table(|table| table.queue.push(Rc::clone(&waiter)));
            waiter
        })
    });
    let Some(waiter) = waiter else {
        recorder::step(key, location, || "park: invalid, does not wait".to_owned());
        return ParkResult::Invalid;
    };
    recorder::step(key, location, || {
        format!("park: waits{}", if deadline.is_some() { ", with a deadline" } else { "" })
    });
    before_sleep();
    let result = if deadline.is_some() { wait_or_time_out(&waiter, timed_out) } else { wait(&waiter) };
    recorder::step(waiter.key.get(), location, || match result {
        ParkResult::Unparked(token) => format!("park: unparked, token {}", token.0),
        ParkResult::TimedOut => "park: the deadline passed".to_owned(),
        ParkResult::Invalid => unreachable!(),
    });
    result
}

/// Blocks until woken.
fn wait(waiter: &Waiter) -> ParkResult {
    // A user's own `loom::thread::unpark` can wake us from this park; then the token was not for us and is
    // handed on once we really go.
    let mut stray = false;
    loop {
        if let Some(token) = waiter.woken.get() {
            if stray {
                waiter.thread.unpark();
            }
            return ParkResult::Unparked(token);
        }
        loom::thread::park();
        stray |= waiter.woken.get().is_none();
    }
}

/// Lets the deadline pass, unless somebody was faster.
fn wait_or_time_out(waiter: &Rc<Waiter>, timed_out: impl FnOnce(usize, bool)) -> ParkResult {
    let (_, me) = thread::execution_and_index();
    let timed_waits = with_table(|table| {
        if table.timed_waits.len() <= me {
            table.timed_waits.resize(me + 1, 0);
        }
        table.timed_waits[me] += 1;
        table.timed_waits[me]
    });
    if timed_waits > FREE_TIMEOUTS {
        loom::thread::yield_now();
    }
    if waiter.woken.get().is_none() {
        mark(waiter.key.get());
    }
    section(|| {
        if waiter.woken.get().is_none() {
            // Requeued while we were about to time out: this step is one on the new queue too.
            mark(waiter.key.get());
        }
        match waiter.woken.get() {
            Some(token) => ParkResult::Unparked(token),
            None => {
                remove(waiter);
                let key = waiter.key.get();
                timed_out(key, !is_waited_on(key));
                ParkResult::TimedOut
            }
        }
    })
}

/// # Safety
///
/// See [`crate::primitives::parking::unpark_one`].
#[track_caller]
pub(in crate::primitives) unsafe fn unpark_one(
    key: usize,
    callback: impl FnOnce(Unparked) -> UnparkToken,
) -> Unparked {
    let location = Location::caller();
    let fault = weaken::visit(location, Operation::Parking("unpark_one"));
    mark(key);
    section(|| {
        let waiter = if fault == Some(Fault::SkipUnpark) { None } else { pop(key) };
        let result = Unparked {
            unparked: usize::from(waiter.is_some()),
            requeued: 0,
            have_more: waiter.is_some() && is_waited_on(key),
        };
        recorder::step(key, location, || format!("unpark_one: {}", result.unparked));
        let token = callback(result);
        if let Some(waiter) = waiter {
            wake(&waiter, token);
        }
        result
    })
}

/// # Safety
///
/// See [`crate::primitives::parking::unpark_all`].
#[track_caller]
pub(in crate::primitives) unsafe fn unpark_all(key: usize, token: UnparkToken) -> usize {
    let location = Location::caller();
    let limit = match weaken::visit(location, Operation::Parking("unpark_all")) {
        Some(Fault::SkipUnpark) => 0,
        Some(Fault::UnparkOneForAll) => 1,
        _ => usize::MAX,
    };
    mark(key);
    section(|| {
        let mut count = 0;
        while count < limit
            && let Some(waiter) = pop(key)
        {
            wake(&waiter, token);
            count += 1;
        }
        recorder::step(key, location, || format!("unpark_all: {count}"));
        count
    })
}

/// # Safety
///
/// See [`crate::primitives::parking::unpark_filter`].
#[track_caller]
pub(in crate::primitives) unsafe fn unpark_filter(
    key: usize,
    mut filter: impl FnMut(ParkToken) -> FilterOp,
    callback: impl FnOnce(Unparked) -> UnparkToken,
) -> Unparked {
    let location = Location::caller();
    let fault = weaken::visit(location, Operation::Parking("unpark_filter"));
    mark(key);
    section(|| {
        let waiters: Vec<Rc<Waiter>> = with_table(|table| {
            table.queue.iter().filter(|waiter| waiter.key.get() == key).map(Rc::clone).collect()
        });
        let mut result = Unparked::default();
        let mut picked = Vec::new();
        for waiter in waiters {
            if fault == Some(Fault::SkipUnpark) || fault == Some(Fault::UnparkOneForAll) && !picked.is_empty()
            {
                break;
            }
            match filter(waiter.token) {
                FilterOp::Unpark => {
                    remove(&waiter);
                    picked.push(waiter);
                }
                FilterOp::Skip => result.have_more = true,
                FilterOp::Stop => {
                    result.have_more = true;
                    break;
                }
            }
        }
        result.unparked = picked.len();
        recorder::step(key, location, || format!("unpark_filter: {}", result.unparked));
        let token = callback(result);
        for waiter in picked {
            wake(&waiter, token);
        }
        result
    })
}

/// # Safety
///
/// See [`crate::primitives::parking::unpark_requeue`].
#[track_caller]
pub(in crate::primitives) unsafe fn unpark_requeue(
    from: usize,
    to: usize,
    validate: impl FnOnce() -> RequeueOp,
    callback: impl FnOnce(RequeueOp, Unparked) -> UnparkToken,
) -> Unparked {
    let location = Location::caller();
    let fault = weaken::visit(location, Operation::Parking("unpark_requeue"));
    mark(from);
    section(|| {
        mark(to);
        let op = validate();
        let mut result = Unparked::default();
        if op == RequeueOp::Abort {
            recorder::step(from, location, || "unpark_requeue: aborted".to_owned());
            return result;
        }
        let skip = fault == Some(Fault::SkipUnpark);
        let mut first = None;
        if matches!(op, RequeueOp::UnparkOne | RequeueOp::UnparkOneRequeueRest) && !skip {
            first = pop(from);
            result.unparked = usize::from(first.is_some());
        }
        let limit = match op {
            _ if skip => 0,
            RequeueOp::UnparkOne | RequeueOp::Abort => 0,
            RequeueOp::RequeueOne => 1,
            _ if fault == Some(Fault::UnparkOneForAll) => 1 - result.unparked,
            RequeueOp::UnparkOneRequeueRest | RequeueOp::RequeueAll => usize::MAX,
        };
        while result.requeued < limit
            && let Some(waiter) = pop(from)
        {
            waiter.key.set(to);
            with_table(|table| table.queue.push(waiter));
            result.requeued += 1;
        }
        result.have_more = is_waited_on(from);
        recorder::step(from, location, || {
            format!("unpark_requeue: {} woken, {} moved", result.unparked, result.requeued)
        });
        let token = callback(op, result);
        if let Some(waiter) = first {
            wake(&waiter, token);
        }
        result
    })
}
