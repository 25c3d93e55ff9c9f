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

use super::recorder::{self, Parking, Threads, What};
use super::thread;
use super::weaken::{self, Fault, Operation};
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
    /// The thread's number, for the recorder.
    index: usize,
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
    /// The keys whose queue locks are held, or twice the same, or 0.
    static LOCKED: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
}

/// The keys whose queue locks the caller runs under, or zeros.
pub(super) fn locked() -> [usize; 2] {
    LOCKED.get()
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
            LOCKED.set([0; 2]);
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

/// Runs `f` as one step, under the queue locks of these keys. `f` must not block or unwind, which is what the real queue lock asks too.
fn section<R>(keys: [usize; 2], f: impl FnOnce() -> R) -> R {
    loom::stop_exploring();
    LOCKED.set(keys);
    let result = f();
    LOCKED.set([0; 2]);
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

/// Notes what an unparker did: for the timeline, and for the list of what was reached.
fn record_woke(
    name: &'static str,
    key: usize,
    location: &'static Location<'static>,
    woke: Parking,
    planted: bool,
) {
    recorder::step(key, location, What::Parking(name, woke), planted);
    if let Parking::Woke { woken, moved, .. } = woke
        && woken.len() + moved.len() > 1
    {
        weaken::picked_many(location);
    }
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
    let mut planted = false;
    let waiter = section([key; 2], || {
        let valid = validate();
        planted = !valid && fault == Some(Fault::SkipValidate);
        (valid || planted).then(|| {
            let waiter = Rc::new(Waiter {
                key: Cell::new(key),
                token,
                woken: Cell::new(None),
                thread: loom::thread::current(),
                index: thread::execution_and_index().1,
            });
            with_table(|table| table.queue.push(Rc::clone(&waiter)));
            waiter
        })
    });
    let Some(waiter) = waiter else {
        recorder::step(key, location, What::Parking("park", Parking::Invalid), false);
        return ParkResult::Invalid;
    };
    let waits = Parking::Waits { deadline: deadline.is_some() };
    recorder::step(key, location, What::Parking("park", waits), planted);
    before_sleep();
    let result = if deadline.is_some() { wait_or_time_out(&waiter, timed_out) } else { wait(&waiter) };
    let ended = match result {
        ParkResult::Unparked(token) => Parking::Unparked(token.0),
        ParkResult::TimedOut => Parking::TimedOut,
        ParkResult::Invalid => unreachable!(),
    };
    recorder::step(waiter.key.get(), location, What::Parking("park", ended), false);
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
    section([waiter.key.get(); 2], || {
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
    section([key; 2], || {
        let skip = fault == Some(Fault::SkipUnpark);
        let planted = skip && is_waited_on(key);
        let waiter = if skip { None } else { pop(key) };
        let result = Unparked {
            unparked: usize::from(waiter.is_some()),
            requeued: 0,
            have_more: waiter.is_some() && is_waited_on(key),
        };
        let mut woken = Threads::default();
        if let Some(waiter) = &waiter {
            woken.insert(waiter.index);
        }
        let woke = Parking::Woke { woken, moved: Threads::default(), to: 0 };
        record_woke("unpark_one", key, location, woke, planted);
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
    section([key; 2], || {
        let mut count = 0;
        let mut woken = Threads::default();
        while count < limit
            && let Some(waiter) = pop(key)
        {
            wake(&waiter, token);
            woken.insert(waiter.index);
            count += 1;
        }
        let woke = Parking::Woke { woken, moved: Threads::default(), to: 0 };
        record_woke("unpark_all", key, location, woke, is_waited_on(key));
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
    section([key; 2], || {
        let waiters: Vec<Rc<Waiter>> = with_table(|table| {
            table.queue.iter().filter(|waiter| waiter.key.get() == key).map(Rc::clone).collect()
        });
        let mut result = Unparked::default();
        let mut picked = Vec::new();
        let mut woken = Threads::default();
        let mut planted = false;
        for waiter in waiters {
            if fault == Some(Fault::SkipUnpark) || fault == Some(Fault::UnparkOneForAll) && !picked.is_empty()
            {
                planted = true;
                break;
            }
            match filter(waiter.token) {
                FilterOp::Unpark => {
                    remove(&waiter);
                    woken.insert(waiter.index);
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
        let woke = Parking::Woke { woken, moved: Threads::default(), to: 0 };
        record_woke("unpark_filter", key, location, woke, planted);
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
    section([from, to], || {
        mark(to);
        let op = validate();
        let mut result = Unparked::default();
        let mut woken = Threads::default();
        let mut moved = Threads::default();
        if op == RequeueOp::Abort {
            let woke = Parking::Woke { woken, moved, to };
            record_woke("unpark_requeue", from, location, woke, false);
            return result;
        }
        let skip = fault == Some(Fault::SkipUnpark);
        let mut first = None;
        if matches!(op, RequeueOp::UnparkOne | RequeueOp::UnparkOneRequeueRest) && !skip {
            first = pop(from);
            result.unparked = usize::from(first.is_some());
        }
        if let Some(waiter) = &first {
            woken.insert(waiter.index);
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
            moved.insert(waiter.index);
            with_table(|table| table.queue.push(waiter));
            result.requeued += 1;
        }
        result.have_more = is_waited_on(from);
        let broken = skip || fault == Some(Fault::UnparkOneForAll) && op_is_for_all(op);
        let woke = Parking::Woke { woken, moved, to };
        record_woke("unpark_requeue", from, location, woke, broken && result.have_more);
        let token = callback(op, result);
        if let Some(waiter) = first {
            wake(&waiter, token);
        }
        result
    })
}

/// Whether this takes whoever is in the queue.
fn op_is_for_all(op: RequeueOp) -> bool {
    matches!(op, RequeueOp::UnparkOneRequeueRest | RequeueOp::RequeueAll)
}
