//! `JoinableQueue`, `LifoQueue` and `PriorityQueue`: every item arrives once, in order, at somebody, with all that was written
//! before; nobody is left waiting; `join` ends with the last task.
//!
//! The names say what keeps the items: `ring` (`JoinableQueue::bounded`), `list` (`unbounded`, and with a limit), `lifo`,
//! `priority`. Models of what all of them share run on the one with the fewest steps, mostly the ring.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicIsize, Ordering};

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, Duration, JoinHandle, some_time, spawn, spinning};
use raddle::{
    GetError, JoinableQueue, LifoQueue, PriorityQueue, PutError, TaskDoneTooOften, TryGetError, TryPutError,
};

/// The models of this file.
pub const MODELS: &[Model] = &[
    // An item goes from one thread to another.
    exhaustive("queue_ring_hand_over", 559, || hand_over(JoinableQueue::bounded(1))),
    exhaustive("queue_list_hand_over", 658, || hand_over(JoinableQueue::unbounded())),
    exhaustive("queue_list_limit_hand_over", 658, || hand_over(JoinableQueue::list_with_limit(1))),
    exhaustive("queue_lifo_hand_over", 4667, || hand_over(LifoQueue::bounded(1))),
    exhaustive("queue_priority_hand_over", 4883, || hand_over(PriorityQueue::bounded(1))),
    // Full, and a get.
    exhaustive("queue_ring_room", 559, || room(JoinableQueue::bounded(1), 1)),
    exhaustive("queue_ring_two_room", 559, || room(JoinableQueue::bounded(2), 2)),
    exhaustive("queue_list_limit_room", 457, || room(JoinableQueue::list_with_limit(1), 1)),
    exhaustive("queue_lifo_room", 11_992, || room(LifoQueue::bounded(1), 1)),
    // Who waits polls for a moment.
    exhaustive("queue_ring_spinning", 32, || with_shortcuts(|| hand_over(JoinableQueue::bounded(1)))),
    exhaustive("queue_list_spinning", 975, || with_shortcuts(|| hand_over(JoinableQueue::unbounded()))),
    exhaustive("queue_lifo_spinning", 2423, || with_shortcuts(|| hand_over(LifoQueue::unbounded()))),
    exhaustive("queue_ring_room_spinning", 32, || with_shortcuts(|| room(JoinableQueue::bounded(1), 1))),
    exhaustive("queue_list_limit_room_spinning", 23, || {
        with_shortcuts(|| room(JoinableQueue::list_with_limit(1), 1));
    }),
    // An attempt at once at a ring begins where the end was.
    exhaustive("queue_ring_far_hand_over", 37, || with_shortcuts(|| hand_over(JoinableQueue::bounded(2)))),
    exhaustive("queue_ring_far_room", 37, || with_shortcuts(|| room(JoinableQueue::bounded(2), 2))),
    exhaustive("queue_ring_far_room_wraps", 37, || {
        with_shortcuts(|| room(JoinableQueue::about_to_wrap(Some(2), 1), 2));
    }),
    exhaustive("queue_ring_far_puts", 385, || with_shortcuts(|| puts(JoinableQueue::bounded(2)))),
    exhaustive("queue_ring_far_gets", 385, || with_shortcuts(|| gets(JoinableQueue::bounded(2)))),
    exhaustive("queue_ring_far_try_get", 82, || with_shortcuts(|| try_get(JoinableQueue::bounded(2)))),
    exhaustive("queue_ring_far_never_full", 111_626, || {
        with_shortcuts(|| never_full(JoinableQueue::bounded(2)))
    }),
    exhaustive("queue_ring_far_never_empty", 589, || {
        with_shortcuts(|| never_empty(JoinableQueue::bounded(3)))
    }),
    // The lobby.
    exhaustive("queue_lobby_putter", 33, lobby_putter),
    exhaustive("queue_lobby_getter", 33, lobby_getter),
    bounded("queue_lobby_getter_of_none", 3, 3448, lobby_getter_of_none),
    exhaustive("queue_lobby_returned", 1650, lobby_returned),
    exhaustive("queue_lobby_one_place", 47_853, lobby_one_place),
    exhaustive("queue_lobby_two_serve", 25_410, lobby_two_serve),
    // Both wait for each other.
    exhaustive("queue_ring_hand_over_wraps", 559, || hand_over(JoinableQueue::about_to_wrap(Some(1), 1))),
    exhaustive("queue_ring_room_wraps", 559, || room(JoinableQueue::about_to_wrap(Some(1), 1), 1)),
    exhaustive("queue_ring_two_room_wraps", 559, || room(JoinableQueue::about_to_wrap(Some(2), 1), 2)),
    exhaustive("queue_list_follows_wraps", 36_374, || list_follows(JoinableQueue::about_to_wrap(None, 1))),
    bounded("queue_ring_capacity_one", 3, 130_125, || two_items(JoinableQueue::bounded(1))),
    bounded("queue_ring_capacity_two", 6, 50_806, || two_items(JoinableQueue::bounded(2))),
    bounded("queue_ring_two_wraps", 6, 50_806, || two_items(JoinableQueue::about_to_wrap(Some(2), 1))),
    bounded("queue_list_two_items", 5, 347_636, || two_items(JoinableQueue::unbounded())),
    bounded("queue_list_limit_two_items", 3, 381_354, || two_items(JoinableQueue::list_with_limit(1))),
    // Nobody waits.
    exhaustive("queue_ring_try_put", 111, || try_put(JoinableQueue::bounded(1))),
    exhaustive("queue_ring_try_get", 111, || try_get(JoinableQueue::bounded(1))),
    exhaustive("queue_list_try_put", 193, || try_put(JoinableQueue::list_with_limit(1))),
    exhaustive("queue_list_try_get", 170, || try_get(JoinableQueue::list_with_limit(1))),
    exhaustive("queue_lifo_try_put", 834, || try_put(LifoQueue::bounded(1))),
    exhaustive("queue_lifo_try_get", 2387, || try_get(LifoQueue::bounded(1))),
    exhaustive("queue_priority_try_put", 8611, || try_put(PriorityQueue::bounded(1))),
    exhaustive("queue_priority_try_get", 3578, || try_get(PriorityQueue::bounded(1))),
    exhaustive("queue_ring_never_full", 117_333, || never_full(JoinableQueue::bounded(2))),
    bounded("queue_list_never_full", 6, 73_612, || never_full(JoinableQueue::list_with_limit(2))),
    exhaustive("queue_ring_never_empty", 271, || never_empty(JoinableQueue::bounded(3))),
    bounded("queue_list_never_empty", 6, 69_231, || never_empty(JoinableQueue::unbounded())),
    // Two at one end.
    exhaustive("queue_ring_puts", 201, || puts(JoinableQueue::bounded(2))),
    exhaustive("queue_list_puts", 62, || puts(JoinableQueue::unbounded())),
    exhaustive("queue_lifo_puts", 30, || puts(LifoQueue::unbounded())),
    exhaustive("queue_priority_puts", 30, || puts(PriorityQueue::unbounded())),
    exhaustive("queue_ring_gets", 201, || gets(JoinableQueue::bounded(2))),
    exhaustive("queue_lifo_gets", 30, || gets(LifoQueue::unbounded())),
    exhaustive("queue_priority_gets", 160_221, || gets(PriorityQueue::unbounded())),
    // Blocks of the list.
    exhaustive("queue_list_puts_past_a_block", 5_364, list_puts_past_a_block),
    exhaustive("queue_list_gets_past_a_block", 13_766, list_gets_past_a_block),
    exhaustive("queue_list_puts_past_a_block_spinning", 20_388, || with_shortcuts(list_puts_past_a_block)),
    exhaustive("queue_list_gets_past_a_block_spinning", 25_811, || with_shortcuts(list_gets_past_a_block)),
    // Attempts at once, beside who is parked, starves, gives up, shuts down, or retires a block.
    bounded("queue_list_follows_wraps_spinning", 6, 26_190, || {
        with_shortcuts(|| list_follows(JoinableQueue::about_to_wrap(None, 1)));
    }),
    bounded("queue_list_limbo_spinning", 4, 5_725, || with_shortcuts(list_limbo)),
    exhaustive("queue_ring_far_behind_a_starving_getter", 5, || {
        with_shortcuts(|| behind_a_starving_getter(JoinableQueue::bounded(2)));
    }),
    exhaustive("queue_list_behind_a_starving_getter_spinning", 15, || {
        with_shortcuts(|| behind_a_starving_getter(JoinableQueue::unbounded()));
    }),
    bounded("queue_ring_far_two_getters", 3, 8_500, || {
        with_shortcuts(|| two_getters(JoinableQueue::bounded(2)))
    }),
    exhaustive("queue_ring_far_get_timeout", 2_394, || {
        with_shortcuts(|| get_timeout(JoinableQueue::bounded(2)))
    }),
    exhaustive("queue_list_get_timeout_spinning", 4_565, || {
        with_shortcuts(|| get_timeout(JoinableQueue::unbounded()));
    }),
    exhaustive("queue_ring_far_shutdown_getter", 10, || {
        with_shortcuts(|| shutdown_getter(JoinableQueue::bounded(2)));
    }),
    exhaustive("queue_list_shutdown_getter_spinning", 23, || {
        with_shortcuts(|| shutdown_getter(JoinableQueue::unbounded()));
    }),
    exhaustive("queue_ring_far_shutdown_now_and_put", 96_371, || {
        with_shortcuts(|| shutdown_now_and_put(JoinableQueue::bounded(2)));
    }),
    exhaustive("queue_list_shutdown_now_and_put_spinning", 218_640, || {
        with_shortcuts(|| shutdown_now_and_put(JoinableQueue::unbounded()));
    }),
    exhaustive("queue_list_follows", 36_374, || list_follows(JoinableQueue::unbounded())),
    exhaustive("queue_list_reached", 3799, list_reached),
    bounded("queue_list_limbo_changes_hands", 3, 66_803, list_limbo_changes_hands),
    exhaustive("queue_list_limbo", 52_436, list_limbo),
    exhaustive("queue_list_spare", 9, list_spare),
    bounded("queue_list_ready", 3, 122_000, list_ready),
    bounded("queue_list_two_getters_and_a_putter", 3, 184_119, list_two_getters_and_a_putter),
    // The starving.
    exhaustive("queue_ring_behind_a_starving_getter", 120, || {
        behind_a_starving_getter(JoinableQueue::bounded(1))
    }),
    exhaustive("queue_list_behind_a_starving_getter", 169, || {
        behind_a_starving_getter(JoinableQueue::unbounded())
    }),
    exhaustive("queue_ring_behind_a_starving_putter", 120, || {
        behind_a_starving_putter(JoinableQueue::bounded(1))
    }),
    exhaustive("queue_ring_left_to_a_starving_getter", 92_121, || {
        left_to_a_starving_getter(JoinableQueue::bounded(1))
    }),
    exhaustive("queue_ring_beside_a_starving_getter", 97, || {
        beside_a_starving_getter(JoinableQueue::bounded(2))
    }),
    // Three threads, the turn, and the starving.
    bounded("queue_ring_two_getters", 5, 137_635, || two_getters(JoinableQueue::bounded(2))),
    bounded("queue_list_two_putters", 3, 374_472, || two_putters(JoinableQueue::list_with_limit(1))),
    bounded("queue_ring_getters_turns", 3, 96_691, || {
        turn_is_passed_on_to_getters(JoinableQueue::bounded(2))
    }),
    bounded("queue_ring_putters_turns", 3, 96_691, || {
        turn_is_passed_on_to_putters(JoinableQueue::bounded(2))
    }),
    bounded("queue_ring_getter_starves", 4, 97_000, || getter_starves(JoinableQueue::bounded(1))),
    bounded("queue_list_getter_starves", 3, 184_076, || getter_starves(JoinableQueue::unbounded())),
    bounded("queue_ring_putter_starves", 4, 97_000, || putter_starves(JoinableQueue::bounded(1))),
    // Timeouts.
    exhaustive("queue_ring_put_timeout", 17_879, || put_timeout(JoinableQueue::bounded(1))),
    exhaustive("queue_list_put_timeout", 42_037, || put_timeout(JoinableQueue::list_with_limit(1))),
    exhaustive("queue_ring_get_timeout", 17_879, || get_timeout(JoinableQueue::bounded(1))),
    exhaustive("queue_list_get_timeout", 36_323, || get_timeout(JoinableQueue::unbounded())),
    bounded("queue_ring_timeout_eats_no_item", 3, 50_924, || timeout_eats_no_item(JoinableQueue::bounded(1))),
    bounded("queue_ring_timeout_eats_no_room", 3, 50_924, || timeout_eats_no_room(JoinableQueue::bounded(1))),
    // Shutdown.
    exhaustive("queue_ring_shutdown_putter", 80, || shutdown_putter(JoinableQueue::bounded(1))),
    exhaustive("queue_list_shutdown_putter", 112, || shutdown_putter(JoinableQueue::list_with_limit(1))),
    exhaustive("queue_lifo_shutdown_putter", 117, || shutdown_putter(LifoQueue::bounded(1))),
    exhaustive("queue_priority_shutdown_putter", 117, || shutdown_putter(PriorityQueue::bounded(1))),
    exhaustive("queue_ring_shutdown_getter", 63, || shutdown_getter(JoinableQueue::bounded(1))),
    exhaustive("queue_list_shutdown_getter", 94, || shutdown_getter(JoinableQueue::unbounded())),
    exhaustive("queue_lifo_shutdown_getter", 63, || shutdown_getter(LifoQueue::bounded(1))),
    exhaustive("queue_priority_shutdown_getter", 63, || shutdown_getter(PriorityQueue::bounded(1))),
    exhaustive("queue_ring_drains", 94, || drains(JoinableQueue::bounded(2))),
    exhaustive("queue_list_drains", 180, || drains(JoinableQueue::unbounded())),
    exhaustive("queue_shutdown_and_put", 6, shutdown_and_put),
    exhaustive("queue_shutdown_look", 5, shutdown_look),
    bounded("queue_ring_shutdown_getters", 4, 188_373, || shutdown_getters(JoinableQueue::bounded(1))),
    bounded("queue_ring_shutdown_putters", 4, 150_693, || shutdown_putters(JoinableQueue::bounded(1))),
    exhaustive("queue_ring_shutdown_now_and_put", 468, || shutdown_now_and_put(JoinableQueue::bounded(2))),
    exhaustive("queue_list_shutdown_now_and_put", 1_717, || shutdown_now_and_put(JoinableQueue::unbounded())),
    exhaustive("queue_lifo_shutdown_now_and_put", 48_394, || shutdown_now_and_put(LifoQueue::unbounded())),
    bounded("queue_ring_shutdown_now_and_get", 6, 142_830, || {
        shutdown_now_and_get(JoinableQueue::bounded(1))
    }),
    bounded(
        "queue_list_shutdown_now_and_get",
        4,
        68_610,
        || shutdown_now_and_get(JoinableQueue::unbounded()),
    ),
    exhaustive("queue_lifo_shutdown_now_and_get", 54_979, || shutdown_now_and_get(LifoQueue::unbounded())),
    bounded("queue_priority_shutdown_now_and_get", 3, 72_126, || {
        shutdown_now_and_get(PriorityQueue::unbounded())
    }),
    exhaustive("queue_shutdown_now_ends_join", 50103, shutdown_now_ends_join),
    // Joins.
    exhaustive("queue_join", 261_680, || join(JoinableQueue::bounded(2))),
    bounded("queue_join_list", 6, 13_056, || join(JoinableQueue::unbounded())),
    exhaustive("queue_join_wraps", 261_680, || join(JoinableQueue::about_to_wrap(Some(1), 1))),
    bounded("queue_join_knows_what_was_put", 5, 236_607, join_knows_what_was_put),
    exhaustive("queue_join_sees_all_who_did", 37_458, join_sees_all_who_did),
    bounded("queue_join_two", 3, 23_449, join_two),
    exhaustive("queue_join_timeout", 25_616, join_timeout),
    bounded("queue_join_and_put", 6, 39_355, join_and_put),
    exhaustive("queue_job", 1673, job),
    exhaustive("queue_len", 275, || len(JoinableQueue::bounded(2))),
    exhaustive("queue_list_len_spinning", 353, || with_shortcuts(list_len)),
    exhaustive("queue_lifo_len", 530, || len(LifoQueue::bounded(2))),
    exhaustive("queue_ring_len_is_not_zero", 417, || len_is_not_zero(JoinableQueue::bounded(2))),
    exhaustive("queue_list_len_is_not_zero", 11_800, || len_is_not_zero(JoinableQueue::unbounded())),
    exhaustive("queue_list_len_is_not_zero_spinning", 1_463, || {
        with_shortcuts(|| len_is_not_zero(JoinableQueue::unbounded()))
    }),
    exhaustive("queue_lifo_len_is_not_zero", 1010, || len_is_not_zero(LifoQueue::bounded(2))),
    exhaustive("queue_unfinished", 65, unfinished),
    exhaustive("queue_done_too_often", 22, done_too_often),
    // The user's own code.
    exhaustive("queue_priority_comparison_panics", 108, priority_comparison_panics),
    exhaustive("queue_ring_dropped_with_items", 201, || dropped_with_items(JoinableQueue::bounded(3))),
    exhaustive("queue_list_dropped_with_items", 176_187, || dropped_with_items(JoinableQueue::unbounded())),
];

/// Too many interleavings for loom to go through in a quarter of a minute: these run as stress tests only, and their parts are in
/// other models.
pub const STRESS_ONLY: &[Model] = &[
    exhaustive("queue_priority_room", 1, || room(PriorityQueue::bounded(1), 1)),
    exhaustive("queue_lifo_capacity_one", 1, || two_items(LifoQueue::bounded(1))),
    exhaustive("queue_priority_capacity_one", 1, || two_items(PriorityQueue::bounded(1))),
    bounded("queue_lifo_two_getters", 3, 1, || two_parked_getters(LifoQueue::bounded(2))),
    bounded("queue_lifo_two_putters", 3, 1, || two_putters(LifoQueue::bounded(1))),
    bounded("queue_priority_two_getters", 3, 1, || two_parked_getters(PriorityQueue::bounded(2))),
    bounded("queue_priority_two_putters", 3, 1, || two_putters(PriorityQueue::bounded(1))),
    exhaustive("queue_lifo_get_timeout", 1, || get_timeout(LifoQueue::bounded(1))),
    exhaustive("queue_priority_get_timeout", 1, || get_timeout(PriorityQueue::bounded(1))),
    bounded("queue_ring_shutdown_now", 3, 1, || shutdown_now_three(JoinableQueue::bounded(1))),
    bounded("queue_list_shutdown_now", 3, 1, || shutdown_now_three(JoinableQueue::list_with_limit(1))),
    bounded("queue_lifo_shutdown_now", 3, 1, || shutdown_now_three(LifoQueue::bounded(1))),
    bounded("queue_priority_shutdown_now", 3, 1, || shutdown_now_three(PriorityQueue::bounded(1))),
    exhaustive("queue_ring_putter_in_lobby", 1, putter_in_lobby),
    exhaustive("queue_ring_getter_in_lobby", 1, getter_in_lobby),
    exhaustive("queue_ring_putter_in_lobby_gives_up", 1, putter_in_lobby_gives_up),
    exhaustive("queue_ring_getter_in_lobby_gives_up", 1, getter_in_lobby_gives_up),
    exhaustive("queue_list_blocks_come_and_go", 1, list_blocks_come_and_go),
    bounded("queue_ring_two_putters", 3, 1, || two_putters(JoinableQueue::bounded(1))),
    bounded("queue_list_getters_turns", 3, 1, || turn_is_passed_on_to_getters(JoinableQueue::unbounded())),
    bounded("queue_ring_two_parked_getters", 3, 1, || two_parked_getters(JoinableQueue::bounded(2))),
    bounded("queue_list_two_parked_getters", 3, 1, || two_parked_getters(JoinableQueue::unbounded())),
    bounded("queue_ring_two_parked_putters", 3, 1, || two_parked_putters(JoinableQueue::bounded(2))),
    bounded("queue_list_two_getters", 3, 1, || two_getters(JoinableQueue::unbounded())),
    bounded("queue_ring_line_behind_the_starving", 3, 1, || {
        line_behind_the_starving(JoinableQueue::bounded(2))
    }),
    bounded("queue_ring_starving_gives_up", 3, 1, || starving_gives_up(JoinableQueue::bounded(1))),
    bounded("queue_priority_panic_passes_the_turn_on", 3, 1, priority_panic_passes_the_turn_on),
];

/// What the models ask of any of the queues.
trait Queue<T>: Send + Sync + 'static {
    fn put(&self, item: T) -> Result<(), PutError<T>>;
    fn try_put(&self, item: T) -> Result<(), TryPutError<T>>;
    fn try_put_for(&self, item: T, timeout: Duration) -> Result<(), TryPutError<T>>;
    fn get(&self) -> Result<T, GetError>;
    fn try_get(&self) -> Result<T, TryGetError>;
    fn try_get_for(&self, timeout: Duration) -> Result<T, TryGetError>;
    fn task_done(&self) -> Result<(), TaskDoneTooOften>;
    fn join(&self);
    fn shutdown(&self);
    fn shutdown_now(&self) -> Vec<T>;
    fn is_empty(&self) -> bool;
    fn len(&self) -> usize;
    fn unfinished(&self) -> usize;
}

macro_rules! queue {
    ($Name:ident) => {
        impl<T: Ord + Send + 'static> Queue<T> for $Name<T> {
            fn put(&self, item: T) -> Result<(), PutError<T>> {
                $Name::put(self, item)
            }
            fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
                $Name::try_put(self, item)
            }
            fn try_put_for(&self, item: T, timeout: Duration) -> Result<(), TryPutError<T>> {
                $Name::try_put_for(self, item, timeout)
            }
            fn get(&self) -> Result<T, GetError> {
                $Name::get(self)
            }
            fn try_get(&self) -> Result<T, TryGetError> {
                $Name::try_get(self)
            }
            fn try_get_for(&self, timeout: Duration) -> Result<T, TryGetError> {
                $Name::try_get_for(self, timeout)
            }
            fn task_done(&self) -> Result<(), TaskDoneTooOften> {
                $Name::task_done(self)
            }
            fn join(&self) {
                $Name::join(self);
            }
            fn shutdown(&self) {
                $Name::shutdown(self);
            }
            fn shutdown_now(&self) -> Vec<T> {
                $Name::shutdown_now(self)
            }
            fn is_empty(&self) -> bool {
                $Name::is_empty(self)
            }
            fn len(&self) -> usize {
                $Name::len(self)
            }
            fn unfinished(&self) -> usize {
                $Name::unfinished(self)
            }
        }
    };
}

queue!(JoinableQueue);
queue!(LifoQueue);
queue!(PriorityQueue);

/// Counts how many things there are. No step of the model: it is only looked at when all threads have ended.
#[derive(Clone, Default)]
pub(super) struct Tally(std::sync::Arc<AtomicIsize>);

impl Tally {
    pub(super) fn thing(&self, number: u32) -> Thing {
        self.0.fetch_add(1, Ordering::Relaxed);
        let data = Data::new(0);
        data.with_mut(|data| *data = number);
        Thing { number, data, tally: self.clone() }
    }

    /// Every thing was dropped, and once.
    pub(super) fn check(&self) {
        assert_eq!(self.0.load(Ordering::Relaxed), 0, "things left, or dropped twice");
    }
}

/// An item with data in it that its putter wrote.
pub(super) struct Thing {
    number: u32,
    data: Data<u32>,
    tally: Tally,
}

impl Thing {
    /// Looks at the data, which loom only allows to who comes after the putter, and says which thing it is.
    pub(super) fn number(self) -> u32 {
        self.data.with_mut(|data| assert_eq!(core::mem::take(data), self.number));
        self.number
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        self.tally.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PartialEq for Thing {
    fn eq(&self, other: &Thing) -> bool {
        self.number == other.number
    }
}

impl Eq for Thing {}

impl PartialOrd for Thing {
    fn partial_cmp(&self, other: &Thing) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Thing {
    fn cmp(&self, other: &Thing) -> core::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}

fn spawn_with<Q: Send + Sync + 'static, R: Send + 'static>(
    queue: &Arc<Q>,
    f: impl FnOnce(&Q) -> R + Send + 'static,
) -> JoinHandle<R> {
    let queue = Arc::clone(queue);
    spawn(move || f(&queue))
}

/// What a put that must not fail comes to: items have no `Debug`.
fn ok<T, E>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|_| panic!("it has to succeed"))
}

/// One put, one get: the getter waits for it, and sees what was written before.
fn hand_over(queue: impl Queue<Thing>) {
    let (queue, tally) = (Arc::new(queue), Tally::default());
    let getter = spawn_with(&queue, |queue| ok(queue.get()).number());
    ok(queue.put(tally.thing(1)));
    assert_eq!(getter.join().unwrap(), 1);
    tally.check();
}

/// No room: the putter waits for the getter.
fn room(queue: impl Queue<Thing>, capacity: u32) {
    let (queue, tally) = (Arc::new(queue), Tally::default());
    for number in 1..=capacity {
        ok(queue.put(tally.thing(number)));
    }
    let thing = tally.thing(9);
    let putter = spawn_with(&queue, move |queue| ok(queue.put(thing)));
    assert_eq!(ok(queue.get()).number(), 1);
    putter.join().unwrap();
    drop(queue);
    tally.check();
}

/// And with the steps that only save time.
///
/// Who waits polls for a moment, who has lost a race waits for one, and an attempt at once begins where the end was after the last step.
fn with_shortcuts(model: impl FnOnce()) {
    let _spinning = spinning(1);
    model();
}

/// A putter leaves its item in the lobby for a moment: it is put just if a getter, who finds the queue empty, comes in that moment.
fn lobby_putter() {
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    let thing = tally.thing(1);
    let putter = spawn_with(&queue, move |queue| queue.put_from_lobby(thing, 1).map_err(Thing::number));
    let got = queue.try_get().map_or(0, Thing::number);
    let is_put = putter.join().unwrap().is_ok();
    assert_eq!(got == 1, is_put);
    assert_eq!(queue.unfinished(), got as usize);
    tally.check();
}

/// A getter is in the lobby for a moment: it gets the oldest item just if a putter, who finds the queue full, comes in that moment.
fn lobby_getter() {
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    ok(queue.put(tally.thing(1)));
    let getter = spawn_with(&queue, |queue| queue.get_from_lobby().map_or(0, Thing::number));
    let is_put = queue.try_put(tally.thing(2)).is_ok();
    assert_eq!(getter.join().unwrap(), u32::from(is_put));
    assert_eq!(ok(queue.try_get()).number(), if is_put { 2 } else { 1 });
    tally.check();
}

/// The item that a putter would give to a getter in the lobby is gone meanwhile: the getter has none.
fn lobby_getter_of_none() {
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    ok(queue.put(tally.thing(1)));
    let in_lobby = spawn_with(&queue, |queue| queue.get_from_lobby().map_or(0, Thing::number));
    let getter = spawn_with(&queue, |queue| queue.try_get().map_or(0, Thing::number));
    let is_put = queue.try_put(tally.thing(2)).is_ok();
    let got = in_lobby.join().unwrap() + getter.join().unwrap();
    let left = queue.try_get().map_or(0, Thing::number);
    assert_eq!(got + left, if is_put { 3 } else { 1 });
    tally.check();
}

/// The queue is shut down, so nobody can put the item of the putter in the lobby: it comes back. The putter sits down again.
fn lobby_returned() {
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    queue.shutdown();
    let thing = tally.thing(1);
    let putter = spawn_with(&queue, move |queue| queue.put_from_lobby(thing, 2).map_err(Thing::number));
    assert!(queue.try_get().is_err());
    assert!(queue.try_get().is_err());
    assert_eq!(putter.join().unwrap(), Err(1));
    tally.check();
}

/// Two putters, and a place for one of them: whose item is not put has it back.
fn lobby_one_place() {
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    let [first, second] = [1, 2].map(|number| {
        let thing = tally.thing(number);
        spawn_with(&queue, move |queue| queue.put_from_lobby(thing, 1).map_or_else(Thing::number, |()| 0))
    });
    let got = queue.try_get().map_or(0, Thing::number);
    assert_eq!(got + first.join().unwrap() + second.join().unwrap(), 3);
    tally.check();
}

/// Two getters find the queue empty, and a putter in the lobby: one of them puts its item.
fn lobby_two_serve() {
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    let thing = tally.thing(1);
    let putter = spawn_with(&queue, move |queue| queue.put_from_lobby(thing, 1).is_ok());
    let other = spawn_with(&queue, |queue| queue.put_for_lobby());
    let serves = queue.put_for_lobby();
    let other_serves = other.join().unwrap();
    assert!(!serves || !other_serves);
    assert_eq!(putter.join().unwrap(), serves || other_serves);
    assert_eq!(queue.len() == 1, serves || other_serves);
    drop(queue);
    tally.check();
}

/// The same in a `put`: who gets twice while it waits awake finds both items. (Explored once: 5,878,018 executions.)
fn putter_in_lobby() {
    let _spinning = spinning(1);
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    ok(queue.put(tally.thing(1)));
    let thing = tally.thing(2);
    let putter = spawn_with(&queue, move |queue| ok(queue.put(thing)));
    assert_eq!(ok(queue.get()).number(), 1);
    assert_eq!(ok(queue.get()).number(), 2);
    putter.join().unwrap();
    assert_eq!(queue.unfinished(), 2);
    tally.check();
}

/// The same in a `get`: who puts twice while it waits awake finds room for both items. (Explored once: 5,878,018 executions.)
fn getter_in_lobby() {
    let _spinning = spinning(1);
    let (queue, tally) = (Arc::new(JoinableQueue::<Thing>::bounded(1)), Tally::default());
    let getter = spawn_with(&queue, |queue| ok(queue.get()).number());
    ok(queue.put(tally.thing(1)));
    ok(queue.put(tally.thing(2)));
    assert_eq!(getter.join().unwrap(), 1);
    assert_eq!(ok(queue.get()).number(), 2);
    tally.check();
}

/// As `putter_in_lobby`, but the putter may give up: its item comes back then, and else is put, and never both. (Explored once: 1,160,192 executions.)
fn putter_in_lobby_gives_up() {
    let _spinning = spinning(1);
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    ok(queue.put(tally.thing(1)));
    let thing = tally.thing(2);
    let putter = spawn_with(&queue, move |queue| match queue.try_put_for(thing, some_time()) {
        Ok(()) => 0,
        Err(TryPutError::Full(thing)) => thing.number(),
        Err(TryPutError::ShutDown(_)) => panic!("nobody shuts it down"),
    });
    assert_eq!(ok(queue.get()).number(), 1);
    let got = queue.try_get().map_or(0, Thing::number);
    let came_back = putter.join().unwrap();
    let left = queue.try_get().map_or(0, Thing::number);
    assert_eq!(got + came_back + left, 2);
    tally.check();
}

/// As `getter_in_lobby`, but the getter may give up: then it has nothing, and nothing is missing. (Explored once: 1,160,192 executions.)
fn getter_in_lobby_gives_up() {
    let _spinning = spinning(1);
    let (queue, tally) = (Arc::new(JoinableQueue::<Thing>::bounded(1)), Tally::default());
    let getter = spawn_with(&queue, |queue| queue.try_get_for(some_time()).map_or(0, Thing::number));
    ok(queue.put(tally.thing(1)));
    let came_back = match queue.try_put(tally.thing(2)) {
        Ok(()) => 0,
        Err(TryPutError::Full(thing)) => thing.number(),
        Err(TryPutError::ShutDown(_)) => panic!("nobody shuts it down"),
    };
    let got = getter.join().unwrap();
    let left: u32 = core::iter::from_fn(|| queue.try_get().ok()).map(Thing::number).sum();
    assert_eq!(got + came_back + left, 3);
    tally.check();
}

/// Two items go across, first in, first out: with room for one, each side waits for the other.
fn two_items(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let getter = spawn_with(&queue, |queue| [queue.get().unwrap(), queue.get().unwrap()]);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let items = getter.join().unwrap();
    assert_eq!(items[0] + items[1], 3);
    assert!(queue.is_empty());
    assert_eq!(queue.unfinished(), 2);
}

/// `try_put` and a timeout of zero never wait: beside a get they find room or don't.
fn try_put(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.try_put(1).unwrap();
    let getter = spawn_with(&queue, |queue| queue.try_get().unwrap());
    let left = match queue.try_put_for(2, Duration::ZERO) {
        Ok(()) => Ok(2),
        Err(error) => {
            assert_eq!(error, TryPutError::Full(2));
            Err(TryGetError::Empty)
        }
    };
    assert_eq!(getter.join().unwrap(), 1);
    assert_eq!(queue.try_get(), left);
}

/// `try_get` and a timeout of zero never wait: beside a put they find the item or don't.
fn try_get(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let putter = spawn_with(&queue, |queue| queue.try_put(1).unwrap());
    let got = match queue.try_get_for(Duration::ZERO) {
        Ok(item) => item,
        Err(error) => {
            assert_eq!(error, TryGetError::Empty);
            0
        }
    };
    putter.join().unwrap();
    assert_eq!(got + queue.try_get().unwrap_or(0), 1);
}

/// Two put at once, with room for both.
fn puts(queue: impl Queue<Thing>) {
    let (queue, tally) = (Arc::new(queue), Tally::default());
    let thing = tally.thing(1);
    let other = spawn_with(&queue, move |queue| ok(queue.put(thing)));
    ok(queue.put(tally.thing(2)));
    other.join().unwrap();
    assert_eq!(ok(queue.try_get()).number() + ok(queue.try_get()).number(), 3);
    assert!(queue.is_empty());
    tally.check();
}

/// Two get at once, with an item for each.
fn gets(queue: impl Queue<Thing>) {
    let (queue, tally) = (Arc::new(queue), Tally::default());
    ok(queue.put(tally.thing(1)));
    ok(queue.put(tally.thing(2)));
    let other = spawn_with(&queue, |queue| ok(queue.get()).number());
    let got = ok(queue.get()).number();
    assert_eq!(got + other.join().unwrap(), 3);
    assert!(queue.is_empty());
    tally.check();
}

/// One putter takes the last slot of a block and goes on to the next; another comes in the middle of that.
fn list_puts_past_a_block() {
    let (queue, tally) = (Arc::new(JoinableQueue::unbounded()), Tally::default());
    ok(queue.put(tally.thing(1)));
    let thing = tally.thing(4);
    let other = spawn_with(&queue, move |queue| ok(queue.put(thing)));
    ok(queue.put(tally.thing(2)));
    other.join().unwrap();
    // One at a time: with an item in a wrong place, the last get would wait for ever.
    assert_eq!(ok(queue.try_get()).number(), 1);
    assert_eq!(ok(queue.try_get()).number() + ok(queue.try_get()).number(), 6);
    tally.check();
}

/// A putter leaves an older position beside the tail than another has left before: a getter that knows of a put finds an item all the same.
fn list_reached() {
    let _spinning = spinning(1);
    let (queue, tally) = (Arc::new(JoinableQueue::unbounded()), Tally::default());
    let (one, two) = (tally.thing(1), tally.thing(2));
    let first = spawn_with(&queue, move |queue| ok(queue.put(one)));
    let second = spawn_with(&queue, move |queue| ok(queue.put(two)));
    first.join().unwrap();
    let got = ok(queue.try_get()).number();
    second.join().unwrap();
    assert_eq!(got + ok(queue.try_get()).number(), 3);
    tally.check();
}

/// One getter takes the last item of a block and goes on to the next; another comes in the middle of that.
fn list_gets_past_a_block() {
    let (queue, tally) = (Arc::new(JoinableQueue::unbounded()), Tally::default());
    for number in [1, 2, 4] {
        ok(queue.put(tally.thing(number)));
    }
    assert_eq!(ok(queue.get()).number(), 1);
    let other = spawn_with(&queue, |queue| ok(queue.get()).number());
    let got = ok(queue.get()).number();
    assert_eq!(got + other.join().unwrap(), 6);
    tally.check();
}

/// The getter is on the putter's heels when that goes on to the next block.
fn list_follows(queue: JoinableQueue<Thing>) {
    let (queue, tally) = (Arc::new(queue), Tally::default());
    ok(queue.put(tally.thing(1)));
    assert_eq!(ok(queue.get()).number(), 1);
    let getter = spawn_with(&queue, |queue| ok(queue.get()).number());
    ok(queue.put(tally.thing(2)));
    assert_eq!(getter.join().unwrap(), 2);
    ok(queue.put(tally.thing(3)));
    assert_eq!(ok(queue.get()).number(), 3);
    tally.check();
}

/// A getter may still be at the first slot of a block when another retires it: then the block goes to limbo.
fn list_limbo() {
    let (queue, tally) = (Arc::new(JoinableQueue::unbounded()), Tally::default());
    for number in 1..=2 {
        ok(queue.put(tally.thing(number)));
    }
    let other = spawn_with(&queue, |queue| queue.try_get().map_or(0, Thing::number));
    let got = queue.try_get().map_or(0, Thing::number);
    assert_eq!(got + other.join().unwrap(), 3);
    // Two more blocks pass, which is when limbo is looked through.
    for number in 3..=4 {
        ok(queue.put(tally.thing(number)));
        assert_eq!(ok(queue.try_get()).number(), number);
    }
    tally.check();
}

/// A block that one getter put into limbo is taken from there by another, who follows its link.
fn list_limbo_changes_hands() {
    let (queue, tally) = (Arc::new(JoinableQueue::unbounded()), Tally::default());
    for number in 1..=4 {
        ok(queue.put(tally.thing(number)));
    }
    let other = spawn_with(&queue, |queue| ok(queue.try_get()).number());
    let mut got = 0;
    for _ in 0..3 {
        got += ok(queue.try_get()).number();
    }
    assert_eq!(got + other.join().unwrap(), 10);
    tally.check();
}

/// One puts and gets two blocks' worth, beside another that gets.
fn list_blocks_come_and_go() {
    let (queue, tally) = (Arc::new(JoinableQueue::unbounded()), Tally::default());
    let other = spawn_with(&queue, |queue| queue.try_get().map_or(0, Thing::number));
    let mut got = 0;
    for number in 1..=2 {
        ok(queue.put(tally.thing(2 * number - 1)));
        ok(queue.put(tally.thing(2 * number)));
        got += queue.try_get().map_or(0, Thing::number);
        got += queue.try_get().map_or(0, Thing::number);
    }
    got += other.join().unwrap();
    while let Ok(thing) = queue.try_get() {
        got += thing.number();
    }
    assert_eq!(got, 10);
    tally.check();
}

/// The last slot of the first block is full and the first of the second; room for the third is ready.
fn two_blocks() -> (Arc<JoinableQueue<Thing>>, Tally) {
    let (queue, tally) = (Arc::new(JoinableQueue::unbounded()), Tally::default());
    for number in 1..=3 {
        ok(queue.put(tally.thing(number)));
    }
    assert_eq!(ok(queue.get()).number(), 1);
    (queue, tally)
}

fn sum_of(queue: &JoinableQueue<Thing>) -> u32 {
    core::iter::from_fn(|| queue.try_get().ok()).map(Thing::number).sum()
}

/// A getter ends a block, and a putter makes another in its room.
fn list_spare() {
    let (queue, tally) = two_blocks();
    let other = spawn_with(&queue, |queue| ok(queue.get()).number());
    for number in 4..=6 {
        ok(queue.put(tally.thing(number)));
    }
    assert_eq!(other.join().unwrap(), 2);
    assert_eq!(sum_of(&queue), 3 + 4 + 5 + 6);
    tally.check();
}

/// A getter ends a block, a putter sees to it that its room is ready, and another makes a block there.
fn list_ready() {
    let (queue, tally) = two_blocks();
    let getter = spawn_with(&queue, |queue| ok(queue.get()).number());
    let thing = tally.thing(4);
    let putter = spawn_with(&queue, move |queue| ok(queue.put(thing)));
    for number in 5..=6 {
        ok(queue.put(tally.thing(number)));
    }
    putter.join().unwrap();
    assert_eq!(getter.join().unwrap(), 2);
    assert_eq!(sum_of(&queue), 3 + 4 + 5 + 6);
    tally.check();
}

/// Two getters over the end of a block, and a putter that brings the item that one of them lacks.
fn list_two_getters_and_a_putter() {
    let (queue, tally) = (Arc::new(JoinableQueue::unbounded()), Tally::default());
    ok(queue.put(tally.thing(1)));
    ok(queue.get());
    ok(queue.put(tally.thing(2)));
    let getters = [(); 2].map(|()| spawn_with(&queue, |queue| ok(queue.get()).number()));
    ok(queue.put(tally.thing(3)));
    assert_eq!(getters.into_iter().map(|getter| getter.join().unwrap()).sum::<u32>(), 5);
    tally.check();
}

/// Two putters with room for one, and a getter that makes room for the other.
fn two_putters(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let putters = [1, 2].map(|item| spawn_with(&queue, move |queue| queue.put(item).unwrap()));
    let got = queue.get().unwrap();
    for putter in putters {
        putter.join().unwrap();
    }
    assert_eq!(got + queue.try_get().unwrap(), 3);
}

/// Two getters with an item for one, and a putter that brings another.
fn two_getters(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let getters = [(); 2].map(|()| spawn_with(&queue, |queue| queue.get().unwrap()));
    queue.put(2).unwrap();
    assert_eq!(getters.into_iter().map(|getter| getter.join().unwrap()).sum::<u32>(), 3);
}

/// Two getters wait, and two puts come: one who is woken passes the turn on.
fn two_parked_getters(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let getters = [(); 2].map(|()| spawn_with(&queue, |queue| queue.get().unwrap()));
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(getters.into_iter().map(|getter| getter.join().unwrap()).sum::<u32>(), 3);
}

/// Two puts come, and the second getter when the first has its item: it may find that the first one's turn is not over.
fn turn_is_passed_on_to_getters(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let first = spawn_with(&queue, |queue| queue.get().unwrap());
    queue.put(1).unwrap();
    let second = spawn_with(&queue, |queue| queue.get().unwrap());
    queue.put(2).unwrap();
    assert_eq!(first.join().unwrap() + second.join().unwrap(), 3);
}

/// The same for putters.
fn turn_is_passed_on_to_putters(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let first = spawn_with(&queue, |queue| queue.put(3).unwrap());
    queue.try_get().unwrap();
    let second = spawn_with(&queue, |queue| queue.put(4).unwrap());
    queue.try_get().unwrap();
    first.join().unwrap();
    second.join().unwrap();
}

/// Two putters wait for room, and two gets make it: one who is woken passes the turn on.
fn two_parked_putters(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let putters = [3, 4].map(|item| spawn_with(&queue, move |queue| queue.put(item).unwrap()));
    assert_eq!(queue.try_get().unwrap() + queue.try_get().unwrap(), 3);
    for putter in putters {
        putter.join().unwrap();
    }
}

/// A getter that is woken may find that another was faster. It says that it starves, and gets the next item.
fn getter_starves(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let getter = spawn_with(&queue, |queue| queue.get().unwrap());
    queue.put(1).unwrap();
    let barged = queue.try_get().is_ok();
    if barged {
        queue.put(2).unwrap();
    }
    assert_eq!(getter.join().unwrap(), if barged { 2 } else { 1 });
}

/// A putter that is woken may find that another was faster. It says that it starves, and gets the next room.
fn putter_starves(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let putter = spawn_with(&queue, |queue| queue.put(3).unwrap());
    assert_eq!(queue.get().unwrap(), 1);
    if queue.try_put(2).is_ok() {
        assert_eq!(queue.get().unwrap(), 2);
    }
    putter.join().unwrap();
    assert_eq!(queue.get().unwrap(), 3);
}

/// One getter may come to starve, and the other to stand behind it for that reason: both get an item.
fn line_behind_the_starving(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let first = spawn_with(&queue, |queue| queue.get().unwrap());
    queue.put(1).unwrap();
    if queue.try_get().is_ok() {
        queue.put(2).unwrap();
    }
    let second = spawn_with(&queue, |queue| queue.get().unwrap());
    queue.put(3).unwrap();
    let first = first.join().unwrap();
    assert_ne!(first, second.join().unwrap());
}

/// One getter may come to starve, and time out: then the item goes to who stands behind.
fn starving_gives_up(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let timed = spawn_with(&queue, |queue| queue.try_get_for(some_time()).is_ok());
    queue.put(1).unwrap();
    if queue.try_get().is_ok() {
        queue.put(2).unwrap();
    }
    let patient = spawn_with(&queue, |queue| queue.get().unwrap());
    if timed.join().unwrap() {
        queue.put(3).unwrap();
    }
    patient.join().unwrap();
}

/// Who stands behind a getter that starves, for the sake of the one item, has it when that gives up.
fn behind_a_starving_getter(queue: JoinableQueue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let starving = queue.starving_getter();
    let getter = spawn_with(&queue, |queue| queue.get().unwrap());
    drop(starving);
    assert_eq!(getter.join().unwrap(), 1);
}

/// The same for putters and the last room.
fn behind_a_starving_putter(queue: JoinableQueue<u32>) {
    let queue = Arc::new(queue);
    let starving = queue.starving_putter();
    let putter = spawn_with(&queue, |queue| queue.put(1).unwrap());
    drop(starving);
    putter.join().unwrap();
    assert_eq!(queue.get(), Ok(1));
}

/// While a getter starves, a newcomer does not get the one item, however long it tries.
fn left_to_a_starving_getter(queue: JoinableQueue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let starving = queue.starving_getter();
    let getter = spawn_with(&queue, |queue| queue.try_get_for(some_time()));
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(getter.join().unwrap(), Err(TryGetError::Empty));
    drop(starving);
    assert_eq!(queue.try_get(), Ok(1));
}

/// Who stands behind a getter that starves is woken when there is more than that needs.
fn beside_a_starving_getter(queue: JoinableQueue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let starving = queue.starving_getter();
    let getter = spawn_with(&queue, |queue| queue.get().unwrap());
    queue.put(2).unwrap();
    assert_eq!(getter.join().unwrap(), 1);
    drop(starving);
    assert_eq!(queue.try_get(), Ok(2));
}

/// A timed put either puts its item or has it back, and the queue agrees.
fn put_timeout(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let getter = spawn_with(&queue, |queue| queue.get().unwrap());
    let put = queue.try_put_for(2, some_time());
    assert_eq!(getter.join().unwrap(), 1);
    match put {
        Ok(()) => assert_eq!((queue.unfinished(), queue.get()), (2, Ok(2))),
        Err(error) => {
            assert_eq!(error, TryPutError::Full(2));
            assert_eq!(queue.unfinished(), 1, "a put that failed was never unfinished");
            assert!(queue.is_empty());
        }
    }
}

/// A timed get either has the item or leaves it.
fn get_timeout(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let putter = spawn_with(&queue, |queue| queue.put(1).unwrap());
    let got = match queue.try_get_for(some_time()) {
        Ok(item) => item,
        Err(error) => {
            assert_eq!(error, TryGetError::Empty);
            0
        }
    };
    putter.join().unwrap();
    assert_eq!(got + queue.try_get().unwrap_or(0), 1);
}

/// Of two getters one gives up: the item goes to the other, who would wait for ever.
fn timeout_eats_no_item(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let timed = spawn_with(&queue, |queue| queue.try_get_for(some_time()).unwrap_or(0));
    queue.put(1).unwrap();
    let patient = spawn_with(&queue, |queue| queue.get().unwrap());
    let timed = timed.join().unwrap();
    if timed == 1 {
        queue.put(2).unwrap();
    }
    assert_eq!(patient.join().unwrap(), 1 + timed);
}

/// Of two putters one gives up: the room goes to the other, who would wait for ever.
fn timeout_eats_no_room(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let timed = spawn_with(&queue, |queue| queue.try_put_for(2, some_time()).is_ok());
    assert_eq!(queue.try_get().unwrap(), 1);
    let patient = spawn_with(&queue, |queue| queue.put(3).unwrap());
    if timed.join().unwrap() {
        queue.get().unwrap();
    }
    patient.join().unwrap();
}

/// A putter that waits for room learns of the shutdown, and sees what was written before it. Nobody gets any more.
fn shutdown_putter(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let before = Arc::new(Data::new(0));
    queue.put(1).unwrap();
    let putter = spawn_with(&queue, {
        let before = Arc::clone(&before);
        move |queue| {
            assert_eq!(queue.put(2), Err(PutError(2)));
            before.with(|before| assert_eq!(*before, 1));
        }
    });
    before.with_mut(|before| *before = 1);
    queue.shutdown();
    putter.join().unwrap();
    assert_eq!(queue.unfinished(), 1);
}

/// A getter that waits learns of the shutdown, and sees what was written before it.
fn shutdown_getter(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let before = Arc::new(Data::new(0));
    let getter = spawn_with(&queue, {
        let before = Arc::clone(&before);
        move |queue| {
            assert_eq!(queue.get(), Err(GetError));
            before.with(|before| assert_eq!(*before, 1));
        }
    });
    before.with_mut(|before| *before = 1);
    queue.shutdown();
    getter.join().unwrap();
}

/// A getter drains the queue and then learns of the shutdown.
fn drains(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let getter = spawn_with(&queue, |queue| (queue.get(), queue.get()));
    queue.shutdown();
    assert_eq!(getter.join().unwrap(), (Ok(1), Err(GetError)));
    assert_eq!(queue.put(2), Err(PutError(2)));
}

/// A put that fails tells of all that was before the shutdown.
fn shutdown_and_put() {
    let queue = Arc::new(JoinableQueue::bounded(1));
    let before = Arc::new(Data::new(0));
    let other = spawn_with(&queue, {
        let before = Arc::clone(&before);
        move |queue| {
            if queue.put(1).is_err() {
                before.with(|before| assert_eq!(*before, 1));
            }
        }
    });
    before.with_mut(|before| *before = 1);
    queue.shutdown();
    other.join().unwrap();
    assert_eq!(queue.try_get().is_ok(), queue.unfinished() == 1);
}

/// `is_shut_down` tells of all that was before the shutdown.
fn shutdown_look() {
    let queue = Arc::new(JoinableQueue::<u32>::bounded(1));
    let before = Arc::new(Data::new(0));
    let other = spawn_with(&queue, {
        let before = Arc::clone(&before);
        move |queue| {
            if queue.is_shut_down() {
                before.with(|before| assert_eq!(*before, 1));
            }
        }
    });
    before.with_mut(|before| *before = 1);
    queue.shutdown();
    other.join().unwrap();
}

/// All getters that wait learn of the shutdown.
fn shutdown_getters(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let getters = [(); 2].map(|()| spawn_with(&queue, |queue| queue.get()));
    queue.shutdown();
    for getter in getters {
        assert_eq!(getter.join().unwrap(), Err(GetError));
    }
}

/// All putters that wait learn of the shutdown.
fn shutdown_putters(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let putters = [2, 3].map(|item| spawn_with(&queue, move |queue| queue.put(item)));
    queue.shutdown();
    for putter in putters {
        assert!(putter.join().unwrap().is_err());
    }
}

/// `shutdown_now` beside a put: the item is taken back or refused.
fn shutdown_now_and_put(queue: impl Queue<Thing>) {
    let (queue, tally) = (Arc::new(queue), Tally::default());
    ok(queue.put(tally.thing(1)));
    let thing = tally.thing(2);
    let putter = spawn_with(&queue, move |queue| match queue.put(thing) {
        Ok(()) => 0,
        Err(PutError(thing)) => thing.number(),
    });
    let taken_back: u32 = queue.shutdown_now().into_iter().map(Thing::number).sum();
    assert_eq!(taken_back + putter.join().unwrap(), 3);
    queue.join();
    assert_eq!(queue.unfinished(), 0);
    tally.check();
}

/// `shutdown_now` beside a get: the item is taken back or got.
fn shutdown_now_and_get(queue: impl Queue<Thing>) {
    let (queue, tally) = (Arc::new(queue), Tally::default());
    ok(queue.put(tally.thing(1)));
    let getter = spawn_with(&queue, |queue| match queue.get() {
        Ok(thing) => {
            queue.task_done().unwrap();
            thing.number()
        }
        Err(GetError) => 0,
    });
    let taken_back: u32 = queue.shutdown_now().into_iter().map(Thing::number).sum();
    assert_eq!(taken_back + getter.join().unwrap(), 1);
    assert_eq!(queue.unfinished(), 0);
    tally.check();
}

/// `shutdown_now` beside a put and a get: each item is taken back, or got, or refused, and only one of these.
fn shutdown_now_three(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let putter = spawn_with(&queue, |queue| queue.put(2).map_or_else(|PutError(item)| item, |()| 0));
    let getter = spawn_with(&queue, |queue| match queue.get() {
        Ok(item) => {
            queue.task_done().unwrap();
            item
        }
        Err(GetError) => 0,
    });
    let taken_back: u32 = queue.shutdown_now().into_iter().sum();
    queue.join();
    assert_eq!(taken_back + putter.join().unwrap() + getter.join().unwrap(), 3);
    assert_eq!(queue.unfinished(), 0);
}

/// `shutdown_now` may be what a `join` waits for, and that sees what was written before.
fn shutdown_now_ends_join() {
    let queue = Arc::new(JoinableQueue::bounded(1));
    queue.put(1).unwrap();
    let done = Arc::new(Data::new(false));
    let other = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            done.with_mut(|done| *done = true);
            assert_eq!(queue.shutdown_now(), [1]);
        }
    });
    queue.join();
    done.with(|done| assert!(*done));
    assert!(queue.is_shut_down());
    other.join().unwrap();
}

/// `join` waits for the last `task_done`, not for emptiness.
fn join(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    let done = Arc::new(Data::new(0));
    for item in 1..=2 {
        queue.put(item).unwrap();
        assert_eq!(queue.get(), Ok(item));
    }
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            for _ in 0..2 {
                done.with_mut(|done| *done += 1);
                queue.task_done().unwrap();
            }
        }
    });
    queue.join();
    done.with(|done| assert_eq!(*done, 2));
    worker.join().unwrap();
    assert_eq!(queue.task_done(), Err(TaskDoneTooOften));
}

/// Who joins has put an item before, of which the thread that says `task_done` of another one need not have heard: it must not
/// end the `join`.
fn join_knows_what_was_put() {
    let queue = Arc::new(JoinableQueue::bounded(2));
    queue.put(1).unwrap();
    let done = Arc::new(Data::new(false));
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            queue.task_done().unwrap();
            queue.get().unwrap();
            queue.get().unwrap();
            done.with_mut(|done| *done = true);
            queue.task_done().unwrap();
        }
    });
    queue.put(2).unwrap();
    queue.join();
    done.with(|done| assert!(*done));
    worker.join().unwrap();
}

/// Two threads are done with one item each; the one that joins sees what the other did, whoever came last.
fn join_sees_all_who_did() {
    let queue = Arc::new(JoinableQueue::bounded(2));
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    let done = Arc::new(Data::new(false));
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            done.with_mut(|done| *done = true);
            queue.task_done().unwrap();
        }
    });
    queue.task_done().unwrap();
    queue.join();
    done.with(|done| assert!(*done));
    worker.join().unwrap();
}

/// Two threads join, and both return.
fn join_two() {
    let queue = Arc::new(JoinableQueue::bounded(1));
    queue.put(1).unwrap();
    let done = Arc::new(Data::new(false));
    let joiner = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            queue.join();
            done.with(|done| assert!(*done));
        }
    });
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            done.with_mut(|done| *done = true);
            queue.task_done().unwrap();
        }
    });
    queue.join();
    done.with(|done| assert!(*done));
    joiner.join().unwrap();
    worker.join().unwrap();
}

/// A `join` that gives up says so; one that doesn't has seen all that was done.
fn join_timeout() {
    let queue = Arc::new(JoinableQueue::bounded(1));
    queue.put(1).unwrap();
    let done = Arc::new(Data::new(false));
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            done.with_mut(|done| *done = true);
            queue.task_done().unwrap();
        }
    });
    if queue.join_for(some_time()) {
        done.with(|done| assert!(*done));
    }
    worker.join().unwrap();
    assert!(queue.join_for(Duration::ZERO));
}

/// More is put right after the last `task_done`: a `join` that was woken for the moment in between may end, and otherwise ends with
/// that item.
fn join_and_put() {
    let queue = Arc::new(JoinableQueue::bounded(1));
    queue.put(1).unwrap();
    let done = Arc::new(Data::new(0));
    let worker = spawn_with(&queue, {
        let done = Arc::clone(&done);
        move |queue| {
            done.with_mut(|done| *done = 1);
            queue.task_done().unwrap();
            queue.get().unwrap();
            queue.put(2).unwrap();
            queue.task_done().unwrap();
        }
    });
    queue.join();
    done.with(|done| assert_eq!(*done, 1));
    worker.join().unwrap();
    assert_eq!(queue.unfinished(), 0);
}

/// A job that is dropped counts as done, after its item has been dropped.
fn job() {
    let (queue, tally) = (Arc::new(JoinableQueue::bounded(1)), Tally::default());
    ok(queue.put(tally.thing(1)));
    let worker = spawn_with(&queue, |queue: &JoinableQueue<Thing>| {
        drop(ok(queue.get_job()));
    });
    queue.join();
    tally.check();
    worker.join().unwrap();
}

/// There is never more than one item in the queue, and `len` says so.
fn len(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let other = spawn_with(&queue, |queue| {
        queue.get().unwrap();
        queue.put(2).unwrap();
    });
    assert!(queue.len() <= 1);
    other.join().unwrap();
    assert_eq!(queue.get(), Ok(2));
    assert!(queue.is_empty());
}

/// As `len`, and the second put begins a block.
fn list_len() {
    let queue = JoinableQueue::unbounded();
    queue.put(0).unwrap();
    queue.get().unwrap();
    len(queue);
}

/// There is always an item in the queue, and `len` says so.
fn len_is_not_zero(queue: impl Queue<u32>) {
    let queue = Arc::new(queue);
    queue.put(1).unwrap();
    let other = spawn_with(&queue, |queue| {
        queue.put(2).unwrap();
        queue.get().unwrap();
    });
    assert_ne!(queue.len(), 0);
    other.join().unwrap();
}

/// There is always one item or more that is put and not done, and `unfinished` says so.
fn unfinished() {
    let queue = Arc::new(JoinableQueue::bounded(2));
    queue.put(1).unwrap();
    let other = spawn_with(&queue, |queue| {
        queue.put(2).unwrap();
        queue.task_done().unwrap();
    });
    assert_ne!(queue.unfinished(), 0);
    other.join().unwrap();
}

/// A `task_done` too many, beside a put: it counts for that item or is an error, and the count agrees.
fn done_too_often() {
    let queue = Arc::new(JoinableQueue::bounded(1));
    let other = spawn_with(&queue, |queue| queue.task_done().is_ok());
    queue.put(1).unwrap();
    let early = other.join().unwrap();
    assert_eq!(queue.unfinished(), usize::from(!early));
    assert_eq!(queue.get(), Ok(1));
    assert_eq!(queue.task_done().is_ok(), !early);
    assert_eq!(queue.unfinished(), 0);
    queue.join();
}

/// An item whose comparison panics, once.
#[derive(Clone)]
struct Touchy(u32, std::sync::Arc<AtomicIsize>);

impl PartialEq for Touchy {
    fn eq(&self, other: &Touchy) -> bool {
        self.0 == other.0
    }
}

impl Eq for Touchy {}

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Touchy) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Touchy {
    fn cmp(&self, other: &Touchy) -> core::cmp::Ordering {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Not `panic!`, whose message would be printed for each execution.
            resume_unwind(Box::new("touchy"));
        }
        self.0.cmp(&other.0)
    }
}

/// A comparison panics in a get: no item is lost, and the queue goes on, also for a putter who comes in the middle of that.
fn priority_comparison_panics() {
    let queue = Arc::new(PriorityQueue::unbounded());
    let panics = std::sync::Arc::new(AtomicIsize::new(1));
    for number in [2, 1] {
        ok(queue.put(Touchy(number, std::sync::Arc::clone(&panics))));
    }
    let third = Touchy(0, panics);
    let other = spawn_with(&queue, move |queue| ok(queue.put(third)));
    assert!(catch_unwind(AssertUnwindSafe(|| queue.try_get().is_ok())).is_err());
    other.join().unwrap();
    assert_eq!([(); 3].map(|()| ok(queue.try_get()).0), [0, 1, 2]);
}

/// A getter that was woken unwinds: the next in line is woken for the item that it left.
fn priority_panic_passes_the_turn_on() {
    let queue = Arc::new(PriorityQueue::unbounded());
    let panics = std::sync::Arc::new(AtomicIsize::new(1));
    let getters = [(); 2].map(|()| {
        spawn_with(&queue, |queue: &PriorityQueue<Touchy>| {
            catch_unwind(AssertUnwindSafe(|| ok(queue.get()).0)).unwrap_or(0)
        })
    });
    for number in [1, 2] {
        ok(queue.put(Touchy(number, std::sync::Arc::clone(&panics))));
    }
    let got: u32 = getters.into_iter().map(|getter| getter.join().unwrap()).sum();
    let left: u32 = core::iter::from_fn(|| queue.try_get().ok()).map(|item| item.0).sum();
    assert_eq!(got + left, 3);
}

/// A queue is dropped with items inside, in two blocks.
fn dropped_with_items(queue: impl Queue<Thing>) {
    let (queue, tally) = (Arc::new(queue), Tally::default());
    ok(queue.put(tally.thing(1)));
    let thing = tally.thing(2);
    let other = spawn_with(&queue, move |queue| {
        ok(queue.put(thing));
        ok(queue.get()).number()
    });
    ok(queue.put(tally.thing(3)));
    assert_eq!(other.join().unwrap(), 1);
    // Here and not in that thread: loom doesn't know what the `Arc` of `std` orders.
    drop(queue);
    tally.check();
}

/// A queue with room for two, and never more than two in it: it isn't full.
fn never_full(queue: JoinableQueue<u32>) {
    let queue = Arc::new(queue);
    let other = spawn_with(&queue, |queue| {
        queue.try_put(1).unwrap();
        queue.try_get().unwrap();
        queue.try_put(2).unwrap();
    });
    queue.try_put(3).unwrap();
    other.join().unwrap();
}

/// A queue with one item or more in it: it isn't empty.
fn never_empty(queue: JoinableQueue<u32>) {
    let queue = Arc::new(queue);
    queue.put(0).unwrap();
    let other = spawn_with(&queue, |queue| {
        queue.try_put(1).unwrap();
        queue.try_get().unwrap();
    });
    queue.try_get().unwrap();
    other.join().unwrap();
}
