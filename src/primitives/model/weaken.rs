//! Breaking one site on purpose, at run time: to show that a model notices.
//!
//! A *site* is one atomic operation or parking call in the source: file, line and column, which the newtypes
//! get through `#[track_caller]`. One built binary can therefore list every site that a model reaches and break
//! any of them, with no rebuild and no mark in the source.

use core::cell::RefCell;
use core::hash::{BuildHasherDefault, Hasher};
use core::panic::Location;
use core::sync::atomic::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::recorder::Orders;

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
    coverage: Option<Reached>,
    moves: Moves,
}

/// A site that was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Covered {
    /// Where.
    pub site: Site,
    /// What happens there.
    pub operation: Operation,
    /// Whether a call there ever woke or moved more than one thread. Where none does, one for all is no fault.
    pub many: bool,
}

/// What was reached, by the address of the place: asked at every step, so no name is compared.
type Reached =
    HashMap<usize, (&'static Location<'static>, Operation, bool), BuildHasherDefault<AddressHasher>>;

/// A write of an atomic, by its place: the value before, and the value after.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Move {
    /// Where.
    pub site: Site,
    /// The newest value before the write. Of a pointer: whether it was one.
    pub from: u64,
    /// The value written.
    pub to: u64,
}

/// The writes, by the address of the place.
type Moves = HashMap<(usize, u64, u64), &'static Location<'static>, BuildHasherDefault<AddressHasher>>;

/// A few multiplications: addresses and words are no secret, and nobody chooses them to collide.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only addresses are hashed");
    }

    fn write_usize(&mut self, address: usize) {
        self.write_u64(address as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

fn address(location: &'static Location<'static>) -> usize {
    (&raw const *location).addr()
}

thread_local! {
    // One model is one OS thread, so this is one model's.
    static STATE: RefCell<State> = const { RefCell::new(State {
        planted: None,
        reached: false,
        coverage: None,
        moves: Moves::with_hasher(BuildHasherDefault::new()),
    }) };
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

/// Begins to note which sites are reached, and what is written there.
pub fn start_coverage() {
    STATE.with_borrow_mut(|state| {
        state.coverage = Some(Reached::default());
        state.moves.clear();
    });
}

/// The sites reached since [`start_coverage`], in order.
pub fn coverage() -> Vec<Covered> {
    STATE.with_borrow(|state| {
        // One site can have more than one `Location`.
        let mut sites: BTreeMap<Site, Covered> = BTreeMap::new();
        for &(location, operation, many) in state.coverage.iter().flat_map(HashMap::values) {
            let site = Site::from(location);
            sites.entry(site).or_insert(Covered { site, operation, many: false }).many |= many;
        }
        sites.into_values().collect()
    })
}

/// The writes since [`start_coverage`] of which no two are alike, in order.
pub fn moves() -> Vec<Move> {
    STATE.with_borrow(|state| {
        let made =
            state.moves.iter().map(|(&(_, from, to), &location)| Move { site: location.into(), from, to });
        let mut made: Vec<Move> = made.collect();
        made.sort_unstable();
        // One site can have more than one `Location`.
        made.dedup();
        made
    })
}

/// Notes that a write here made `to` of `from`, if such is to be noted.
pub(super) fn moved(location: &'static Location<'static>, from: u64, to: u64) {
    STATE.with_borrow_mut(|state| {
        if state.coverage.is_some() {
            state.moves.entry((address(location), from, to)).or_insert(location);
        }
    });
}

/// Notes that the call here woke or moved more than one thread.
pub(super) fn picked_many(location: &'static Location<'static>) {
    STATE.with_borrow_mut(|state| {
        if let Some((_, _, many)) = state.coverage.as_mut().and_then(|map| map.get_mut(&address(location))) {
            *many = true;
        }
    });
}

/// Notes that `operation` is about to run here, and returns the fault planted here, if any.
pub(super) fn visit(location: &'static Location<'static>, operation: Operation) -> Option<Fault> {
    STATE.with_borrow_mut(|state| {
        if let Some(coverage) = &mut state.coverage {
            coverage.entry(address(location)).or_insert((location, operation, false));
        }
        let (site, fault) = state.planted?;
        // The numbers first: they tell nearly always.
        let here =
            site.line == location.line() && site.column == location.column() && site.file == location.file();
        state.reached |= here;
        here.then_some(fault)
    })
}

/// [`visit`], for an operation with one ordering.
pub(super) fn order(location: &'static Location<'static>, operation: Operation, source: Ordering) -> Orders {
    match visit(location, operation) {
        Some(Fault::Order(used)) => Orders { source, used },
        _ => Orders { source, used: source },
    }
}
