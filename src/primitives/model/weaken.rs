//! Breaking one site on purpose, at run time: to show that a model notices.
//!
//! A *site* is one atomic operation or parking call in the source: file, line and column, which the newtypes
//! get through `#[track_caller]`. One built binary can therefore list every site that a model reaches and break
//! any of them, with no rebuild and no mark in the source.

use core::cell::RefCell;
use core::panic::Location;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

/// A place in the source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Site {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl From<&'static Location<'static>> for Site {
    fn from(location: &'static Location<'static>) -> Site {
        Site { file: location.file(), line: location.line(), column: location.column() }
    }
}

/// What happens at a site, with the orderings as they stand in the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// A load.
    Load(Ordering),
    /// A store.
    Store(Ordering),
    /// A read-modify-write that always writes, and its name.
    Rmw(&'static str, Ordering),
    /// A compare-and-exchange: the ordering when it writes, and when it doesn't.
    CompareExchange(Ordering, Ordering),
    /// A fence.
    Fence(Ordering),
    /// A call of the parking face, and its name.
    Parking(&'static str),
}

/// One fault to plant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Use this ordering (of a compare-and-exchange: when it writes). A fence made Relaxed is no fence.
    Order(Ordering),
    /// Use this ordering when a compare-and-exchange does not write.
    FailureOrder(Ordering),
    /// Unpark nobody (the callback still runs, as if the queue were empty).
    SkipUnpark,
    /// Unpark one where all should be.
    UnparkOneForAll,
    /// Park without asking `validate`.
    SkipValidate,
}

struct State {
    planted: Option<(Site, Fault)>,
    /// Whether the planted site was reached since it was planted.
    reached: bool,
    coverage: Option<BTreeMap<Site, Operation>>,
}

thread_local! {
    // One model is one OS thread, so this is one model's.
    static STATE: RefCell<State> = const { RefCell::new(State { planted: None, reached: false, coverage: None }) };
}

/// Plants `fault` at `site` for all that this OS thread models from now on, in place of any planted before.
pub fn plant(site: Site, fault: Fault) {
    STATE.with_borrow_mut(|state| {
        state.planted = Some((site, fault));
        state.reached = false;
    });
}

/// Takes the planted fault away, and says whether its site was ever reached.
pub fn unplant() -> bool {
    STATE.with_borrow_mut(|state| {
        state.planted = None;
        core::mem::take(&mut state.reached)
    })
}

/// Begins to note which sites are reached.
pub fn start_coverage() {
    STATE.with_borrow_mut(|state| state.coverage = Some(BTreeMap::new()));
}

/// The sites reached since [`start_coverage`].
pub fn coverage() -> Vec<(Site, Operation)> {
    STATE.with_borrow(|state| state.coverage.iter().flatten().map(|(site, op)| (*site, *op)).collect())
}

/// Notes that `operation` is about to run here, and returns the fault planted here, if any.
pub(super) fn visit(location: &'static Location<'static>, operation: Operation) -> Option<Fault> {
    STATE.with_borrow_mut(|state| {
        if state.coverage.is_none() && state.planted.is_none() {
            return None;
        }
        let here = Site::from(location);
        if let Some(coverage) = &mut state.coverage {
            coverage.insert(here, operation);
        }
        match state.planted {
            Some((site, fault)) if site == here => {
                state.reached = true;
                Some(fault)
            }
            _ => None,
        }
    })
}

/// [`visit`], for an operation with one ordering.
pub(super) fn order(location: &'static Location<'static>, operation: Operation, order: Ordering) -> Ordering {
    match visit(location, operation) {
        Some(Fault::Order(weaker)) => weaker,
        _ => order,
    }
}
