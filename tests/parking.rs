//! The axioms of `primitives/parking.rs` that a model cannot be asked: with many threads, against the clock, and against
//! threads that are not ours. The others are models (`loom-tests/src/models/parking.rs`), which run on the real parking
//! layer too (`tests/models.rs`). Numbers in brackets are those of the axioms.

#![cfg(not(feature = "loom"))]

mod common;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{SHORT, past, wait_until, within};
use raddle::primitives::parking::{
    FilterOp, ParkResult, ParkToken, RequeueOp, UnparkToken, Unparked, park, unpark_all, unpark_filter,
    unpark_one, unpark_requeue,
};

/// So many threads wait in the tests of order.
const MANY: usize = 8;

/// A queue, and how many have parked in it.
struct Queue {
    parked: AtomicUsize,
}

impl Queue {
    const fn new() -> Queue {
        Queue { parked: AtomicUsize::new(0) }
    }

    fn key(&self) -> usize {
        (&raw const self.parked).addr()
    }

    /// Parks until woken; returns how many had parked before, and what the waker said.
    fn park(&self) -> (usize, usize) {
        let ticket = Cell::new(0);
        let validate = || {
            ticket.set(self.parked.fetch_add(1, Ordering::Relaxed));
            true
        };
        // SAFETY: the key is our own address, and `validate` is one addition.
        match unsafe { park(self.key(), validate, || {}, |_, _| {}, ParkToken(0), None) } {
            ParkResult::Unparked(UnparkToken(told)) => (ticket.get(), told),
            other => panic!("nobody but a waker ends this: {other:?}"),
        }
    }

    /// Waits until so many are in the queue. (Under the queue lock the count and the queue agree.)
    fn wait_for(&self, threads: usize) {
        wait_until("they have parked", || {
            let parked = Cell::new(0);
            let callback = |_: Unparked| {
                parked.set(self.parked.load(Ordering::Relaxed));
                UnparkToken(0)
            };
            // SAFETY: the key is our own address; nobody is woken, and the callbacks neither unwind nor park.
            unsafe { unpark_filter(self.key(), |_| FilterOp::Stop, callback) };
            parked.get() == threads
        });
    }

    /// Wakes the first, and tells it this.
    fn wake_one(&self, token: usize) -> Unparked {
        // SAFETY: the key is our own address; the callback does nothing.
        unsafe { unpark_one(self.key(), |_| UnparkToken(token)) }
    }

    fn requeue(&self, to: &Queue, op: RequeueOp) -> Unparked {
        // SAFETY: the keys are our own addresses; the callbacks do nothing.
        unsafe { unpark_requeue(self.key(), to.key(), || op, |_, _| UnparkToken(0)) }
    }
}

/// [5]
#[test]
fn threads_are_woken_in_the_order_in_which_they_parked() {
    within(|| {
        let queue = Queue::new();
        thread::scope(|s| {
            let threads: Vec<_> = (0..MANY).map(|_| s.spawn(|| queue.park())).collect();
            queue.wait_for(MANY);
            for token in 0..MANY {
                let result = queue.wake_one(token);
                assert_eq!(
                    result,
                    Unparked { unparked: 1, requeued: 0, have_more: token + 1 < MANY },
                    "of those who wait, one"
                );
            }
            assert_eq!(queue.wake_one(MANY), Unparked::default());
            for thread in threads {
                let (ticket, told) = thread.join().unwrap();
                assert_eq!(ticket, told);
            }
        });
    });
}

/// [5]
#[test]
fn requeued_threads_keep_their_order_and_come_behind_those_who_wait_there() {
    within(|| {
        let (from, to) = (Queue::new(), Queue::new());
        thread::scope(|s| {
            // These come first, and have to wait longest.
            let moved: Vec<_> = (0..MANY).map(|_| s.spawn(|| from.park())).collect();
            from.wait_for(MANY);
            let waiting: Vec<_> = (0..MANY).map(|_| s.spawn(|| to.park())).collect();
            to.wait_for(MANY);

            let first = from.requeue(&to, RequeueOp::RequeueOne);
            assert_eq!(first, Unparked { unparked: 0, requeued: 1, have_more: true });
            let rest = from.requeue(&to, RequeueOp::RequeueAll);
            assert_eq!(rest, Unparked { unparked: 0, requeued: MANY - 1, have_more: false });
            for token in 0..2 * MANY {
                assert_eq!(to.wake_one(token).unparked, 1);
            }
            for thread in waiting {
                let (ticket, told) = thread.join().unwrap();
                assert_eq!(told, ticket);
            }
            for thread in moved {
                let (ticket, told) = thread.join().unwrap();
                assert_eq!(told, MANY + ticket);
            }
        });
    });
}

/// [5]
#[test]
fn a_filter_sees_all_and_wakes_whom_it_picks() {
    within(|| {
        let queue = Queue::new();
        thread::scope(|s| {
            let threads: Vec<_> = (0..MANY).map(|_| s.spawn(|| queue.park())).collect();
            queue.wait_for(MANY);
            for round in 0..2 {
                let shown = Cell::new(0_usize);
                // Every other one, and then the rest.
                let filter = |_| {
                    shown.set(shown.get() + 1);
                    if round == 1 || shown.get().is_multiple_of(2) {
                        FilterOp::Unpark
                    } else {
                        FilterOp::Skip
                    }
                };
                // SAFETY: the key is our own address; the callbacks count.
                let result = unsafe { unpark_filter(queue.key(), filter, |_| UnparkToken(round)) };
                assert_eq!(shown.get(), if round == 0 { MANY } else { MANY / 2 });
                assert_eq!(result, Unparked { unparked: MANY / 2, requeued: 0, have_more: round == 0 });
            }
            for thread in threads {
                let (ticket, told) = thread.join().unwrap();
                assert_eq!(told, usize::from(ticket.is_multiple_of(2)));
            }
        });
    });
}

/// [4]
#[test]
fn nothing_but_an_unpark_ends_an_untimed_park() {
    within(|| {
        let queue = Queue::new();
        let other = Queue::new();
        thread::scope(|s| {
            let parked = s.spawn(|| queue.park());
            queue.wait_for(1);
            // An unpark of the standard library's kind, and one of another queue.
            parked.thread().unpark();
            // SAFETY: the key is our own address.
            assert_eq!(unsafe { unpark_all(other.key(), UnparkToken(1)) }, 0);
            // Time for it to get on, if it does.
            thread::sleep(SHORT);
            assert!(!parked.is_finished());
            // SAFETY: as above.
            assert_eq!(unsafe { unpark_all(queue.key(), UnparkToken(2)) }, 1);
            assert_eq!(parked.join().unwrap(), (0, 2));
        });
    });
}

/// Parks until `deadline`; nobody wakes it. Returns what `timed_out` was told.
fn time_out(key: usize, deadline: Instant) -> (usize, bool) {
    let told = Cell::new(None);
    let timed_out = |key, was_last| told.set(Some((key, was_last)));
    // SAFETY: the callers' keys are their own addresses; the callbacks set a variable.
    let result = unsafe { park(key, || true, || {}, timed_out, ParkToken(0), Some(deadline)) };
    assert_eq!(result, ParkResult::TimedOut);
    told.get().expect("timed_out has run")
}

/// [4]
#[test]
fn a_deadline_is_never_early_and_a_past_one_passes_at_once() {
    within(|| {
        let queue = Queue::new();
        for micros in [0, 1, 20, 500, 3_000, 20_000] {
            let deadline = Instant::now() + Duration::from_micros(micros);
            assert_eq!(time_out(queue.key(), deadline), (queue.key(), true));
            assert!(Instant::now() >= deadline);
        }
        assert_eq!(time_out(queue.key(), past()), (queue.key(), true));
    });
}

/// [2, 4]
#[test]
fn a_timeout_knows_whether_others_are_left() {
    within(|| {
        let queue = Queue::new();
        thread::scope(|s| {
            let parked = s.spawn(|| queue.park());
            queue.wait_for(1);
            assert_eq!(time_out(queue.key(), Instant::now() + SHORT), (queue.key(), false));
            assert_eq!(queue.wake_one(7), Unparked { unparked: 1, requeued: 0, have_more: false });
            assert_eq!(parked.join().unwrap(), (0, 7));
            assert_eq!(time_out(queue.key(), Instant::now() + SHORT), (queue.key(), true));
        });
    });
}

/// [2] Each callback adds one in two steps, and nobody comes between: not for one key, nor where two keys are locked.
#[test]
fn callbacks_for_one_key_are_serialised() {
    const ROUNDS: usize = 20_000;
    within(|| {
        let (queue, other) = (Queue::new(), Queue::new());
        let count = AtomicUsize::new(0);
        let add_one = || count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let (queue, other, add_one) = (&queue, &other, &add_one);
        thread::scope(|s| {
            let others = [
                s.spawn(move || {
                    for _ in 0..ROUNDS {
                        let validate = || {
                            add_one();
                            false
                        };
                        // SAFETY: the keys are our own addresses, here and below; the callbacks change one word.
                        unsafe { park(queue.key(), validate, || {}, |_, _| {}, ParkToken(0), None) };
                    }
                }),
                s.spawn(move || {
                    for _ in 0..ROUNDS {
                        let callback = |_: Unparked| {
                            add_one();
                            UnparkToken(0)
                        };
                        // SAFETY: as above.
                        unsafe { unpark_one(queue.key(), callback) };
                    }
                }),
                s.spawn(move || {
                    for _ in 0..ROUNDS {
                        let validate = || {
                            add_one();
                            RequeueOp::Abort
                        };
                        // SAFETY: as above. The key is the second one here.
                        unsafe { unpark_requeue(other.key(), queue.key(), validate, |_, _| UnparkToken(0)) };
                    }
                }),
            ];
            let timed = s.spawn(move || {
                let mut timeouts = 0;
                for _ in 0..ROUNDS / 20 {
                    let timed_out = |_, _| add_one();
                    let soon = Some(Instant::now());
                    // SAFETY: as above.
                    let result = unsafe { park(queue.key(), || true, || {}, timed_out, ParkToken(0), soon) };
                    // The second thread may have been faster.
                    timeouts += usize::from(result == ParkResult::TimedOut);
                }
                timeouts
            });
            let timeouts = timed.join().unwrap();
            for other in others {
                other.join().unwrap();
            }
            assert_eq!(count.load(Ordering::Relaxed), 3 * ROUNDS + timeouts);
        });
    });
}
