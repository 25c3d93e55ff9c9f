//! `Barrier`: all or none, whatever else goes on; and who is released has seen what all did before.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, Duration, some_time, spawn, spinning};
use raddle::primitives::atomic::{AtomicUsize, Ordering};
use raddle::{Arrival, Barrier, BrokenBarrier, Event};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("barrier_two_threads", 494, barrier_two_threads),
    exhaustive("barrier_spinning", 257, barrier_spinning),
    exhaustive("barrier_next_round_breaks", 21_465, barrier_next_round_breaks),
    exhaustive("barrier_two_rounds", 399_918, barrier_two_rounds),
    bounded("barrier_three_threads", 3, 23_213, barrier_three_threads),
    exhaustive("barrier_timeout", 5977, barrier_timeout),
    exhaustive("barrier_two_timeouts", 7265, barrier_two_timeouts),
    exhaustive("barrier_timeout_of_zero", 834, barrier_timeout_of_zero),
    bounded("barrier_timeout_three_threads", 3, 109_831, barrier_timeout_three_threads),
    exhaustive("barrier_abort", 118, barrier_abort),
    bounded("barrier_abort_three_threads", 4, 30_864, barrier_abort_three_threads),
    exhaustive("barrier_abort_and_reset", 60_302, barrier_abort_and_reset),
    exhaustive("barrier_reset", 12_070, barrier_reset),
    bounded("barrier_reset_three_threads", 3, 19_801, barrier_reset_three_threads),
    exhaustive("barrier_action", 2038, barrier_action),
    exhaustive("barrier_action_and_timeout", 125_780, barrier_action_and_timeout),
    bounded("barrier_action_and_abort", 4, 63_146, barrier_action_and_abort),
    bounded("barrier_action_and_reset", 3, 35_364, barrier_action_and_reset),
    exhaustive("barrier_action_panics", 2038, barrier_action_panics),
    bounded("barrier_action_panics_and_reset", 3, 55_387, barrier_action_panics_and_reset),
];

/// Too many interleavings for loom to go through in a minute: these run as stress tests only, and their parts are in other models.
pub const STRESS_ONLY: &[Model] = &[
    exhaustive("barrier_reset_and_meet", 1, barrier_reset_and_meet),
    exhaustive("barrier_timeout_and_reset", 1, barrier_timeout_and_reset),
    exhaustive("barrier_three_rounds", 1, barrier_three_rounds),
    bounded("barrier_reset_with_two_stragglers", 3, 1, barrier_reset_with_two_stragglers),
    bounded("barrier_action_and_a_third_thread", 3, 1, barrier_action_and_a_third_thread),
    exhaustive("barrier_action_two_rounds", 1, barrier_action_two_rounds),
];

/// A barrier, and what each of up to three parties writes before it arrives.
struct Meeting {
    barrier: Barrier,
    data: [Data<u32>; 3],
}

impl Meeting {
    fn new(parties: usize) -> Arc<Meeting> {
        Arc::new(Meeting { barrier: Barrier::new(parties), data: [Data::new(0), Data::new(0), Data::new(0)] })
    }

    /// Writes, arrives by `wait`, and if it is released looks at what the others have written.
    fn meet(
        &self,
        me: usize,
        wait: impl FnOnce(&Barrier) -> Result<Arrival, BrokenBarrier>,
    ) -> Option<Arrival> {
        self.data[me].with_mut(|data| *data += 1);
        let arrival = wait(&self.barrier).ok()?;
        for data in &self.data[..self.barrier.parties()] {
            data.with(|data| assert_ne!(*data, 0));
        }
        Some(arrival)
    }
}

/// Waits without a timeout.
fn wait(barrier: &Barrier) -> Result<Arrival, BrokenBarrier> {
    barrier.wait()
}

/// Waits with a timeout.
fn wait_for(barrier: &Barrier) -> Result<Arrival, BrokenBarrier> {
    barrier.wait_for(some_time())
}

/// Waits until it is released, past every reset.
fn wait_again(barrier: &Barrier) -> Result<Arrival, BrokenBarrier> {
    loop {
        if let Ok(arrival) = barrier.wait() {
            return Ok(arrival);
        }
    }
}

/// All were released, and the indices are theirs; or none was. Says which.
fn all_or_none(arrivals: &[Option<Arrival>]) -> bool {
    let mut released: Vec<Arrival> = arrivals.iter().flatten().copied().collect();
    if released.is_empty() {
        return false;
    }
    released.sort_by_key(|arrival| arrival.index);
    assert_eq!(released.len(), arrivals.len(), "some were released, and some were not");
    for (index, arrival) in released.iter().enumerate() {
        assert_eq!(arrival.index, index);
        assert_eq!(arrival.is_leader, index + 1 == arrivals.len());
    }
    true
}

/// Two threads meet, and each sees what the other did before.
fn barrier_two_threads() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait)
    });
    let here = meeting.meet(0, wait);
    assert!(all_or_none(&[here, other.join().unwrap()]));
    assert_eq!(meeting.barrier.n_waiting(), 0);
}

/// Two threads meet, and who waits stays awake for a moment.
fn barrier_spinning() {
    let _spinning = spinning(1);
    barrier_two_threads();
}

/// Two threads take turns at the same data, a round of the barrier between them.
fn take_turns(rounds: u32) {
    let shared = Arc::new((Barrier::new(2), Data::new(0)));
    let turns = move |shared: &(Barrier, Data<u32>), me: u32| {
        for round in 0..rounds {
            if round % 2 == me {
                shared.1.with_mut(|data| *data += 1);
            }
            shared.0.wait().unwrap();
            if round % 2 != me {
                shared.1.with(|data| assert_eq!(*data, round + 1));
            }
        }
    };
    let other = spawn({
        let shared = Arc::clone(&shared);
        move || turns(&shared, 1)
    });
    turns(&shared, 0);
    other.join().unwrap();
}

/// One of two comes again at once, and breaks the barrier, while the other may still be on its way out of the first round:
/// that one has been released all the same.
fn barrier_next_round_breaks() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait)
    });
    let here = meeting.meet(0, wait);
    assert!(meeting.barrier.wait_for(Duration::ZERO).is_err(), "nobody else comes");
    assert!(all_or_none(&[here, other.join().unwrap()]));
    assert!(meeting.barrier.is_broken());
    assert_eq!(meeting.barrier.n_waiting(), 0);
}

/// A barrier is used again at once, while the other may still be on its way out.
fn barrier_two_rounds() {
    take_turns(2);
}

/// And once more.
fn barrier_three_rounds() {
    take_turns(3);
}

/// Three threads meet.
fn barrier_three_threads() {
    let meeting = Meeting::new(3);
    let others = [1, 2].map(|me| {
        let meeting = Arc::clone(&meeting);
        spawn(move || meeting.meet(me, wait))
    });
    let here = meeting.meet(0, wait);
    let [first, second] = others.map(|other| other.join().unwrap());
    assert!(all_or_none(&[here, first, second]));
}

/// A timeout against the last arrival: both are released, or neither is, and then the barrier is broken.
fn barrier_timeout() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait)
    });
    let here = meeting.meet(0, wait_for);
    let released = all_or_none(&[here, other.join().unwrap()]);
    assert_eq!(meeting.barrier.is_broken(), !released);
    assert_eq!(meeting.barrier.n_waiting(), 0);
    if !released {
        assert!(meeting.barrier.wait().is_err(), "it stays broken");
    }
}

/// Both have a timeout.
fn barrier_two_timeouts() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait_for)
    });
    let here = meeting.meet(0, wait_for);
    let released = all_or_none(&[here, other.join().unwrap()]);
    assert_eq!(meeting.barrier.is_broken(), !released);
}

/// A timeout of zero breaks the barrier at once, unless all others have come by then.
fn barrier_timeout_of_zero() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait)
    });
    let here = meeting.meet(0, |barrier| barrier.wait_for(Duration::ZERO));
    let released = all_or_none(&[here, other.join().unwrap()]);
    assert_eq!(meeting.barrier.is_broken(), !released);
}

/// Of three, one has a timeout, and one a timeout of zero: if that one comes last, all are released.
fn barrier_timeout_three_threads() {
    let meeting = Meeting::new(3);
    let waits = [(1, wait as fn(&Barrier) -> _), (2, wait_for)];
    let others = waits.map(|(me, wait)| {
        let meeting = Arc::clone(&meeting);
        spawn(move || meeting.meet(me, wait))
    });
    let here = meeting.meet(0, |barrier| barrier.wait_for(Duration::ZERO));
    let [first, second] = others.map(|other| other.join().unwrap());
    let released = all_or_none(&[here, first, second]);
    assert_eq!(meeting.barrier.is_broken(), !released);
}

/// Waits until it is released; if the barrier breaks first, once more, after the reset.
fn wait_once_more(barrier: &Barrier, is_reset: &Event) -> Result<Arrival, BrokenBarrier> {
    barrier.wait().or_else(|BrokenBarrier| {
        is_reset.wait();
        barrier.wait()
    })
}

/// Who broke it by a timeout resets it, and both meet.
fn barrier_timeout_and_reset() {
    let meeting = Meeting::new(2);
    let is_reset = Arc::new(Event::new());
    let other = spawn({
        let (meeting, is_reset) = (Arc::clone(&meeting), Arc::clone(&is_reset));
        move || meeting.meet(1, |barrier| wait_once_more(barrier, &is_reset))
    });
    let here = meeting.meet(0, |barrier| {
        barrier.wait_for(some_time()).or_else(|BrokenBarrier| {
            barrier.reset();
            is_reset.set();
            barrier.wait()
        })
    });
    assert!(all_or_none(&[here, other.join().unwrap()]));
    assert!(!meeting.barrier.is_broken());
}

/// Who waits alone when the barrier is aborted leaves with an error.
fn barrier_abort() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait)
    });
    meeting.barrier.abort();
    assert_eq!(other.join().unwrap(), None);
    assert!(meeting.barrier.is_broken());
    meeting.barrier.reset();
    assert!(!meeting.barrier.is_broken());
    assert_eq!(meeting.barrier.n_waiting(), 0);
}

/// An abort against two that meet: all or none.
fn barrier_abort_three_threads() {
    let meeting = Meeting::new(2);
    let others = [0, 1].map(|me| {
        let meeting = Arc::clone(&meeting);
        spawn(move || meeting.meet(me, wait))
    });
    meeting.barrier.abort();
    all_or_none(&others.map(|other| other.join().unwrap()));
    assert!(meeting.barrier.is_broken());
}

/// Aborted, and reset before the one who waits has left: it leaves with an error all the same.
fn barrier_abort_and_reset() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait_for)
    });
    meeting.barrier.abort();
    meeting.barrier.reset();
    assert_eq!(other.join().unwrap(), None, "it is alone");
    assert_eq!(meeting.barrier.n_waiting(), 0);
}

/// Reset while one waits, or before. Who waited leaves with an error, and until then the next to arrive has to wait.
fn barrier_reset() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait)
    });
    meeting.barrier.reset();
    let here = meeting.meet(0, |barrier| barrier.wait_for(Duration::ZERO));
    let released = all_or_none(&[here, other.join().unwrap()]);
    assert_eq!(meeting.barrier.is_broken(), !released);
    assert_eq!(meeting.barrier.n_waiting(), 0);
}

/// Reset while one waits, or before: who waited comes again, and meets the one who has reset the barrier.
fn barrier_reset_and_meet() {
    let meeting = Meeting::new(2);
    let other = spawn({
        let meeting = Arc::clone(&meeting);
        move || meeting.meet(1, wait_again)
    });
    meeting.barrier.reset();
    let here = meeting.meet(0, wait);
    assert!(all_or_none(&[here, other.join().unwrap()]));
    assert!(!meeting.barrier.is_broken());
    assert_eq!(meeting.barrier.n_waiting(), 0);
}

/// A reset against two that meet, and come again if need be.
fn barrier_reset_three_threads() {
    let meeting = Meeting::new(2);
    let others = [0, 1].map(|me| {
        let meeting = Arc::clone(&meeting);
        spawn(move || meeting.meet(me, wait_again))
    });
    meeting.barrier.reset();
    assert!(all_or_none(&others.map(|other| other.join().unwrap())));
    assert!(!meeting.barrier.is_broken());
}

/// Two stragglers have to leave before the third may arrive, or it would make up a round of three with them.
fn barrier_reset_with_two_stragglers() {
    let meeting = Meeting::new(3);
    let others = [1, 2].map(|me| {
        let meeting = Arc::clone(&meeting);
        spawn(move || meeting.meet(me, wait))
    });
    meeting.barrier.reset();
    let here = meeting.meet(0, |barrier| barrier.wait_for(Duration::ZERO));
    let [first, second] = others.map(|other| other.join().unwrap());
    let released = all_or_none(&[here, first, second]);
    assert_eq!(meeting.barrier.is_broken(), !released);
    assert_eq!(meeting.barrier.n_waiting(), 0);
}

/// A barrier of two whose action looks at what each has written, and writes.
struct Staged {
    barrier: Barrier,
    stage: Arc<Stage>,
}

struct Stage {
    /// What the parties write.
    parties: [Data<u32>; 2],
    /// What the action writes: how often it has run.
    runs: Data<u32>,
}

impl Staged {
    fn new() -> Arc<Staged> {
        let stage = Arc::new(Stage { parties: [Data::new(0), Data::new(0)], runs: Data::new(0) });
        let action = {
            let stage = Arc::clone(&stage);
            move || {
                for data in &stage.parties {
                    data.with_mut(|data| *data += 1);
                }
                stage.runs.with_mut(|runs| *runs += 1);
            }
        };
        Arc::new(Staged { barrier: Barrier::with_action(2, action), stage })
    }

    /// Writes, arrives, and if it is released looks at what the action has done.
    fn meet(
        &self,
        me: usize,
        wait: impl FnOnce(&Barrier) -> Result<Arrival, BrokenBarrier>,
    ) -> Option<Arrival> {
        self.stage.parties[me].with_mut(|data| *data += 1);
        let arrival = wait(&self.barrier).ok()?;
        let runs = self.runs();
        assert_ne!(runs, 0);
        for data in &self.stage.parties {
            data.with(|data| assert_eq!(*data, 1 + runs));
        }
        Some(arrival)
    }

    fn runs(&self) -> u32 {
        self.stage.runs.with(|runs| *runs)
    }
}

/// The action runs once, after all have come and before anybody is released.
fn barrier_action() {
    let staged = Staged::new();
    let other = spawn({
        let staged = Arc::clone(&staged);
        move || staged.meet(1, wait)
    });
    let here = staged.meet(0, wait);
    assert!(all_or_none(&[here, other.join().unwrap()]));
    assert_eq!(staged.runs(), 1);
}

/// It runs once in every round.
fn barrier_action_two_rounds() {
    let staged = Staged::new();
    let twice = |staged: &Staged| {
        for round in 1..=2 {
            staged.barrier.wait().unwrap();
            // The next round's action cannot have begun: this thread has yet to arrive.
            assert_eq!(staged.runs(), round);
        }
    };
    let other = spawn({
        let staged = Arc::clone(&staged);
        move || twice(&staged)
    });
    twice(&staged);
    other.join().unwrap();
}

/// Once all have come no timeout breaks the round, however long the action takes: it has run if and only if all are
/// released.
fn barrier_action_and_timeout() {
    let staged = Staged::new();
    let other = spawn({
        let staged = Arc::clone(&staged);
        move || staged.meet(1, wait)
    });
    let here = staged.meet(0, wait_for);
    let released = all_or_none(&[here, other.join().unwrap()]);
    assert_eq!(staged.runs(), u32::from(released));
    assert_eq!(staged.barrier.is_broken(), !released);
}

/// An abort breaks the round even while the action runs: all or none is released.
fn barrier_action_and_abort() {
    let staged = Staged::new();
    let others = [0, 1].map(|me| {
        let staged = Arc::clone(&staged);
        spawn(move || staged.meet(me, wait))
    });
    staged.barrier.abort();
    let released = all_or_none(&others.map(|other| other.join().unwrap()));
    assert!(staged.runs() <= 1);
    assert!(!released || staged.runs() == 1);
    assert!(staged.barrier.is_broken());
}

/// A reset ends the round even while the action runs. It may run again in the round that is complete.
fn barrier_action_and_reset() {
    let staged = Staged::new();
    let others = [0, 1].map(|me| {
        let staged = Arc::clone(&staged);
        spawn(move || staged.meet(me, wait_again))
    });
    staged.barrier.reset();
    assert!(all_or_none(&others.map(|other| other.join().unwrap())));
    assert!((1..=2).contains(&staged.runs()));
    assert!(!staged.barrier.is_broken());
    assert_eq!(staged.barrier.n_waiting(), 0);
}

/// Three threads at a barrier of two: the third has to wait until the action has ended, and is in the next round. One of the
/// three has no time to wait there, and breaks the barrier if it is alone in its round; whoever has led a round aborts the
/// barrier after it, so that nobody waits for ever.
fn barrier_action_and_a_third_thread() {
    let runs = Arc::new(Data::new(0));
    let barrier = Arc::new(Barrier::with_action(2, {
        let runs = Arc::clone(&runs);
        move || runs.with_mut(|runs| *runs += 1)
    }));
    let come = |barrier: &Barrier, runs: &Data<u32>, timeout: Duration| {
        let arrival = barrier.wait_for(timeout).ok();
        if let Some(arrival) = arrival {
            runs.with(|runs| assert_eq!(*runs, 1));
            if arrival.is_leader {
                barrier.abort();
            }
        }
        arrival
    };
    let others = [(); 2].map(|()| {
        let (barrier, runs) = (Arc::clone(&barrier), Arc::clone(&runs));
        spawn(move || come(&barrier, &runs, Duration::MAX))
    });
    let here = come(&barrier, &runs, Duration::ZERO);
    let [first, second] = others.map(|other| other.join().unwrap());
    let released: Vec<_> = [here, first, second].into_iter().filter(Option::is_some).collect();
    runs.with(|&runs| assert_eq!(released.len(), 2 * runs as usize, "the third is alone in its round"));
    assert!(released.is_empty() || all_or_none(&released));
    assert!(barrier.is_broken());
    assert_eq!(barrier.n_waiting(), 0);
}

/// A barrier of two whose action panics when it runs for the first time.
fn with_panicking_action() -> (Arc<Barrier>, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let action = {
        let runs = Arc::clone(&runs);
        move || {
            if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                // As `panic!`, but without its message.
                resume_unwind(Box::new("the action panics"));
            }
        }
    };
    (Arc::new(Barrier::with_action(2, action)), runs)
}

/// What came of a wait that may run the panicking action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    Released,
    Broken,
    Panicked,
}

fn wait_and_catch(barrier: &Barrier) -> Ending {
    match catch_unwind(AssertUnwindSafe(|| barrier.wait())) {
        Ok(Ok(_)) => Ending::Released,
        Ok(Err(BrokenBarrier)) => Ending::Broken,
        Err(_) => Ending::Panicked,
    }
}

/// A panic in the action goes to the one who ran it, and the other learns that the barrier is broken.
fn barrier_action_panics() {
    let (barrier, runs) = with_panicking_action();
    let other = spawn({
        let barrier = Arc::clone(&barrier);
        move || wait_and_catch(&barrier)
    });
    let here = wait_and_catch(&barrier);
    let mut endings = [here, other.join().unwrap()];
    endings.sort_by_key(|&ending| ending == Ending::Panicked);
    assert_eq!(endings, [Ending::Broken, Ending::Panicked]);
    assert!(barrier.is_broken());
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    // And it can be used again: nobody is left in it.
    barrier.reset();
    assert!(!barrier.is_broken());
    assert_eq!(barrier.n_waiting(), 0);
}

/// The action panics while somebody resets the barrier: whichever comes first, nobody is released, and all leave.
fn barrier_action_panics_and_reset() {
    let (barrier, runs) = with_panicking_action();
    let others = [(); 2].map(|()| {
        let barrier = Arc::clone(&barrier);
        spawn(move || wait_and_catch(&barrier))
    });
    barrier.reset();
    // Lets go whoever has come alone after that.
    barrier.abort();
    let endings = others.map(|other| other.join().unwrap());
    let panics = endings.iter().filter(|ending| **ending == Ending::Panicked).count();
    assert_eq!(panics, runs.load(Ordering::Relaxed));
    assert!(!endings.contains(&Ending::Released));
    assert!(barrier.is_broken());
    barrier.reset();
    assert!(!barrier.is_broken());
    assert_eq!(barrier.n_waiting(), 0);
}
