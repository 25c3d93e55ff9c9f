//! The models, one file per type. Each is an ordinary function: loom runs it once per interleaving (`cargo loom`), and
//! `tests/models.rs` runs it many times on real threads.

pub mod barrier;
pub mod condition;
pub mod event;
pub mod lock;
pub mod parking;
pub mod pool;
pub mod pool_deque;
pub mod pool_latch;
pub mod pool_scope;
pub mod pool_sleep;
pub mod pool_task;
pub mod queue;
pub mod rlock;
pub mod semaphore;
pub mod timer;

/// One model.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// Its name, which comments in the library cite.
    pub name: &'static str,
    /// How far loom goes.
    pub bound: Bound,
    /// The least number of executions that it has to explore: fewer means that the model has gone hollow.
    pub least: usize,
    /// What runs.
    pub body: fn(),
}

/// How far loom goes in a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Every interleaving. For two threads always.
    Exhaustive,
    /// The body runs loom by itself, at every bound: the canary.
    Inside,
    /// Every interleaving with at most so many preemptions; at least 3, and only with three threads or more.
    Preemptions(usize),
}

/// A model explored exhaustively.
pub const fn exhaustive(name: &'static str, least: usize, body: fn()) -> Model {
    Model { name, bound: Bound::Exhaustive, least, body }
}

/// A model of three threads or more, explored up to so many preemptions.
pub const fn bounded(name: &'static str, preemptions: usize, least: usize, body: fn()) -> Model {
    assert!(preemptions >= 3, "a bound below 3 is known to miss shipped bugs");
    Model { name, bound: Bound::Preemptions(preemptions), least, body }
}

/// Every model, simple types first.
pub fn all() -> Vec<Model> {
    [
        parking::MODELS,
        lock::MODELS,
        rlock::MODELS,
        condition::MODELS,
        semaphore::MODELS,
        event::MODELS,
        barrier::MODELS,
        queue::MODELS,
        pool_deque::MODELS,
        pool_sleep::MODELS,
        pool_latch::MODELS,
        pool_task::MODELS,
        pool_scope::MODELS,
        pool::MODELS,
        timer::MODELS,
    ]
    .concat()
}

/// Those that are too large for loom. `tests/models.rs` runs them on real threads.
#[allow(dead_code, reason = "one of the two packages that this file belongs to does not run them")]
pub fn stress_only() -> Vec<Model> {
    [barrier::STRESS_ONLY, queue::STRESS_ONLY, pool::STRESS_ONLY, timer::STRESS_ONLY].concat()
}
