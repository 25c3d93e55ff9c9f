//! The axioms of `primitives/parking.rs`, asked of the parking layer itself: of the model here, and of `parking_lot_core`
//! by `tests/models.rs`. Numbers in brackets are those of the axioms.

use core::cell::Cell;

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, some_time, spawn};
use raddle::primitives::atomic::{AtomicUsize, Ordering};
use raddle::primitives::parking::{
    FilterOp, ParkResult, ParkToken, RequeueOp, UnparkToken, Unparked, park, unpark_all, unpark_filter,
    unpark_one, unpark_requeue,
};
use raddle::primitives::time::Instant;

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("parking_validate_and_enqueue", 7, parking_validate_and_enqueue),
    exhaustive("parking_callbacks_are_serialised", 781, parking_callbacks_are_serialised),
    exhaustive("parking_unpark_one_publishes", 7, parking_unpark_one_publishes),
    exhaustive("parking_unpark_all_publishes", 7, parking_unpark_all_publishes),
    exhaustive("parking_unpark_filter_publishes", 7, parking_unpark_filter_publishes),
    exhaustive("parking_unpark_requeue_publishes", 7, parking_unpark_requeue_publishes),
    exhaustive("parking_unparked_or_timed_out", 4, parking_unparked_or_timed_out),
    exhaustive("parking_unpark_of_two", 1218, parking_unpark_of_two),
    exhaustive("parking_first_in_first_out", 1259, parking_first_in_first_out),
    exhaustive("parking_unpark_one_by_one", 315, parking_unpark_one_by_one),
    exhaustive("parking_unpark_all_of_two", 315, parking_unpark_all_of_two),
    exhaustive("parking_filter", 315, parking_filter),
    exhaustive("parking_requeue_all", 315, parking_requeue_all),
    exhaustive("parking_requeue_rest", 315, parking_requeue_rest),
    exhaustive("parking_requeue_one", 315, parking_requeue_one),
    exhaustive("parking_requeue_nobody", 315, parking_requeue_nobody),
    exhaustive("parking_requeue_comes_behind", 391, parking_requeue_comes_behind),
    exhaustive("parking_requeued_waiter_times_out", 4, parking_requeued_waiter_times_out),
    exhaustive("parking_was_last", 162, parking_was_last),
    exhaustive("parking_was_last_where_requeued", 251, parking_was_last_where_requeued),
];

/// Models that have to fail: what the parking layer does *not* order. (`parking_lot_core` does, by its queue locks; nothing
/// in the crate may rely on that, and the model would show it.)
pub const MUST_FAIL: &[Model] = &[
    exhaustive("parking_orders_no_unpark_of_nobody", 1, unpark_of_nobody_orders),
    exhaustive("parking_orders_no_invalid_park", 1, invalid_park_orders),
    exhaustive("parking_orders_no_timeout", 1, timeout_orders),
    exhaustive("parking_orders_nothing_for_the_unparker", 1, parked_thread_orders),
    bounded("parking_orders_no_requeue", 3, 1, requeue_orders),
];

/// The queue of an object: its address.
pub(super) fn key_of<T>(object: &T) -> usize {
    core::ptr::from_ref(object).addr()
}

/// The tokens of those who wait under `key`, longest waiting first. It wakes nobody.
pub(super) fn waiting(key: usize) -> Vec<ParkToken> {
    let mut tokens = Vec::new();
    let filter = |token| {
        tokens.push(token);
        FilterOp::Skip
    };
    // SAFETY: nobody is woken, so whoever owns the key does not notice. The callbacks do not unwind, nor call the parking
    // layer.
    unsafe { unpark_filter(key, filter, |_| UnparkToken(0)) };
    tokens
}

/// Two queues, and words that the callbacks may change.
struct Place {
    /// Its address is the key of the first queue. Its value is the model's.
    a: AtomicUsize,
    /// Its address is the key of the second queue. Its value is the model's.
    b: AtomicUsize,
    /// How many threads have parked, and the key under which the main thread waits for them.
    gathered: AtomicUsize,
    data: Data<u32>,
}

impl Place {
    fn new() -> Arc<Place> {
        Arc::new(Place {
            a: AtomicUsize::new(0),
            b: AtomicUsize::new(0),
            gathered: AtomicUsize::new(0),
            data: Data::new(0),
        })
    }

    fn a(&self) -> usize {
        key_of(&self.a)
    }

    fn b(&self) -> usize {
        key_of(&self.b)
    }

    /// Parks under `key` for as long as it takes, with a ticket that says how many were there before; and tells `gather`.
    fn park_with_ticket(&self, key: usize, token: usize) -> Waited {
        let ticket = Cell::new(0);
        let validate = || {
            ticket.set(self.a.fetch_add(1, Ordering::Relaxed));
            true
        };
        let before_sleep = || {
            if self.gathered.fetch_add(1, Ordering::Relaxed) == 1 {
                // SAFETY: our own key.
                unsafe { unpark_one(key_of(&self.gathered), |_| UnparkToken(0)) };
            }
        };
        // SAFETY: our own keys. `validate` is one addition.
        let result = unsafe { park(key, validate, before_sleep, |_, _| {}, ParkToken(token), None) };
        let ParkResult::Unparked(UnparkToken(told)) = result else {
            panic!("it was neither invalid nor timed: {result:?}")
        };
        Waited { ticket: ticket.get(), token, told }
    }

    /// Waits until two threads are in the queues.
    fn gather(&self) {
        let validate = || self.gathered.load(Ordering::Relaxed) < 2;
        // SAFETY: our own key. `validate` is a load.
        unsafe { park(key_of(&self.gathered), validate, || {}, |_, _| {}, ParkToken(0), None) };
    }
}

/// What a thread knows that was parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Waited {
    /// How many had parked before.
    ticket: usize,
    /// What it said when it parked.
    token: usize,
    /// What it was told when it was woken.
    told: usize,
}

/// Two threads wait under `keys`; when both are there, `act` wakes them, and what each was told is returned in the order in
/// which they parked.
fn with_two_waiting(keys: fn(&Place) -> [usize; 2], act: impl FnOnce(&Place)) -> [Waited; 2] {
    let place = Place::new();
    let [first, second] = keys(&place);
    let threads = [(first, 1), (second, 2)].map(|(key, token)| {
        let place = Arc::clone(&place);
        spawn(move || place.park_with_ticket(key, token))
    });
    place.gather();
    act(&place);
    let mut waited = threads.map(|thread| thread.join().unwrap());
    waited.sort_by_key(|waited| waited.ticket);
    waited
}

/// Both wait in the first queue.
fn both_in_a(place: &Place) -> [usize; 2] {
    [place.a(), place.a()]
}

/// One waits in the second queue, the other in the first.
fn one_in_each(place: &Place) -> [usize; 2] {
    [place.b(), place.a()]
}

/// Some moment soon.
fn soon() -> Option<Instant> {
    Some(Instant::now() + some_time())
}

/// [`unpark_one`] with this token.
fn wake_one(key: usize, token: usize) -> Unparked {
    // SAFETY: the keys of this file are its own. The callback does nothing.
    unsafe { unpark_one(key, |_| UnparkToken(token)) }
}

/// [`unpark_all`] with this token.
fn wake_all(key: usize, token: usize) -> usize {
    // SAFETY: the keys of this file are its own.
    unsafe { unpark_all(key, UnparkToken(token)) }
}

/// [`unpark_requeue`] from the first queue to the second, with this token.
fn requeue(place: &Place, op: RequeueOp, token: usize) -> Unparked {
    // SAFETY: the keys of this file are its own. The callbacks do nothing.
    unsafe { unpark_requeue(place.a(), place.b(), || op, |_, _| UnparkToken(token)) }
}

/// Parks under `key` unless the first word says not to. Nobody but an unparker wakes it.
fn park_unless_over(place: &Place, key: usize, token: usize) -> ParkResult {
    let validate = || place.a.load(Ordering::Relaxed) == 0;
    // SAFETY: the keys of this file are its own. `validate` is a load.
    unsafe { park(key, validate, || {}, |_, _| {}, ParkToken(token), None) }
}

/// Parks under the first key until woken or the deadline passes; says what `timed_out` was told as well.
fn park_until_soon(place: &Place) -> (ParkResult, Option<(usize, bool)>) {
    let passed = Cell::new(None);
    let timed_out = |key, was_last| passed.set(Some((key, was_last)));
    // SAFETY: the keys of this file are its own. The callbacks set a variable.
    let result = unsafe { park(place.a(), || true, || {}, timed_out, ParkToken(0), soon()) };
    assert_eq!(result == ParkResult::TimedOut, passed.get().is_some(), "[4] {result:?}");
    (result, passed.get())
}

/// [1] Who changes the word and then unparks either finds the thread in the queue, or the thread has seen the change.
fn parking_validate_and_enqueue() {
    let place = Place::new();
    let other = spawn({
        let place = Arc::clone(&place);
        move || park_unless_over(&place, place.a(), 0)
    });
    place.a.swap(1, Ordering::Relaxed);
    let unparked = wake_one(place.a(), 7).unparked;
    let result = other.join().unwrap();
    let expected = if unparked == 1 { ParkResult::Unparked(UnparkToken(7)) } else { ParkResult::Invalid };
    assert_eq!(result, expected);
}

/// Adds one, in two steps. Only for callbacks, which nobody comes between.
fn add_one_in_two_steps(word: &AtomicUsize) {
    // Relaxed, both: [2].
    let value = word.load(Ordering::Relaxed);
    word.swap(value + 1, Ordering::Relaxed);
}

/// [2] Callbacks of every kind, from three threads, each of which adds to the same word in two steps.
fn parking_callbacks_are_serialised() {
    let place = Place::new();
    let parker = spawn({
        let place = Arc::clone(&place);
        move || {
            let word = &place.b;
            let invalid = || {
                add_one_in_two_steps(word);
                false
            };
            let valid = || {
                add_one_in_two_steps(word);
                true
            };
            let timed_out = |_, _| add_one_in_two_steps(word);
            // SAFETY: our own key. The callbacks change one word of ours, and neither unwind nor call the parking layer.
            unsafe {
                park(place.a(), invalid, || {}, |_, _| {}, ParkToken(0), None);
                match park(place.a(), valid, || {}, timed_out, ParkToken(0), soon()) {
                    ParkResult::TimedOut => 3,
                    _ => 2,
                }
            }
        }
    });
    let unparker = spawn({
        let place = Arc::clone(&place);
        move || {
            let shown = Cell::new(0);
            let filter = |_| {
                add_one_in_two_steps(&place.b);
                shown.set(shown.get() + 1);
                FilterOp::Skip
            };
            let callback = |_: Unparked| {
                add_one_in_two_steps(&place.b);
                UnparkToken(0)
            };
            // SAFETY: as above.
            unsafe {
                unpark_filter(place.a(), filter, callback);
                unpark_one(place.a(), callback);
            }
            2 + shown.get()
        }
    });
    let validate = || {
        add_one_in_two_steps(&place.b);
        RequeueOp::UnparkOne
    };
    let callback = |_, _: Unparked| {
        add_one_in_two_steps(&place.b);
        UnparkToken(0)
    };
    // SAFETY: as above.
    unsafe { unpark_requeue(place.a(), place.b(), validate, callback) };
    let expected = 2 + parker.join().unwrap() + unparker.join().unwrap();
    assert_eq!(place.b.load(Ordering::Relaxed), expected);
}

/// [3] What was written before `unpark`, which says how many threads it woke, the woken thread sees.
fn publishes(unpark: fn(&Place) -> usize) {
    let place = Place::new();
    let other = spawn({
        let place = Arc::clone(&place);
        move || {
            let result = park_unless_over(&place, place.a(), 0);
            if result != ParkResult::Invalid {
                assert_eq!(result, ParkResult::Unparked(UnparkToken(7)));
                place.data.with(|data| assert_eq!(*data, 1));
            }
            result
        }
    });
    place.data.with_mut(|data| *data = 1);
    place.a.swap(1, Ordering::Relaxed);
    let unparked = unpark(&place);
    assert_eq!(unparked == 1, other.join().unwrap() != ParkResult::Invalid);
}

/// [3] Who is woken by `unpark_one` sees what came before it.
fn parking_unpark_one_publishes() {
    publishes(|place| wake_one(place.a(), 7).unparked);
}

/// [3] Who is woken by `unpark_all` sees what came before it.
fn parking_unpark_all_publishes() {
    publishes(|place| wake_all(place.a(), 7));
}

/// [3] Who is woken by `unpark_filter` sees what came before it.
fn parking_unpark_filter_publishes() {
    // SAFETY: the keys of this file are its own. The callbacks do nothing.
    publishes(|place| unsafe { unpark_filter(place.a(), |_| FilterOp::Unpark, |_| UnparkToken(7)) }.unparked);
}

/// [3] Who is woken by `unpark_requeue` sees what came before it.
fn parking_unpark_requeue_publishes() {
    publishes(|place| requeue(place, RequeueOp::UnparkOneRequeueRest, 7).unparked);
}

/// [4] A deadline against an unpark: one of them ends the wait, and both sides agree on which.
fn parking_unparked_or_timed_out() {
    let place = Place::new();
    let other = spawn({
        let place = Arc::clone(&place);
        move || {
            let (result, passed) = park_until_soon(&place);
            match result {
                ParkResult::Unparked(token) => {
                    assert_eq!(token, UnparkToken(7));
                    place.data.with(|data| assert_eq!(*data, 1));
                    1
                }
                ParkResult::TimedOut => {
                    assert_eq!(passed, Some((place.a(), true)));
                    0
                }
                ParkResult::Invalid => panic!("it was valid"),
            }
        }
    });
    place.data.with_mut(|data| *data = 1);
    let unparked = wake_one(place.a(), 7);
    assert!(!unparked.have_more);
    assert_eq!(unparked.unparked, other.join().unwrap());
}

/// [4] One of two has a deadline: if it has passed, the unpark was not for it, and the other gets it.
fn parking_unpark_of_two() {
    let place = Place::new();
    let timed = spawn({
        let place = Arc::clone(&place);
        move || park_until_soon(&place).0
    });
    let untimed = spawn({
        let place = Arc::clone(&place);
        move || park_unless_over(&place, place.a(), 0)
    });
    let first = wake_one(place.a(), 1);
    place.a.swap(1, Ordering::Relaxed);
    let rest = wake_all(place.a(), 2);
    assert!(rest >= usize::from(first.have_more) || first.have_more);
    let results = [timed.join().unwrap(), untimed.join().unwrap()];
    let told =
        |token| results.iter().filter(|result| **result == ParkResult::Unparked(UnparkToken(token))).count();
    assert_eq!([told(1), told(2)], [first.unparked, rest]);
    assert_ne!(results[1], ParkResult::TimedOut);
}

/// Added to the word when nobody shall park any more.
const OVER: usize = 100;

/// [1, 5] Two threads park whenever they like, and are woken one by one, in the order in which they did. What each call says
/// of the queue is true.
fn parking_first_in_first_out() {
    let place = Place::new();
    let others = [(); 2].map(|()| {
        let place = Arc::clone(&place);
        spawn(move || {
            let ticket = Cell::new(0);
            let validate = || {
                ticket.set(place.a.fetch_add(1, Ordering::Relaxed));
                ticket.get() < OVER
            };
            // SAFETY: our own key. `validate` is one addition.
            match unsafe { park(place.a(), validate, || {}, |_, _| {}, ParkToken(0), None) } {
                ParkResult::Unparked(UnparkToken(told)) => Some((ticket.get(), told)),
                ParkResult::Invalid => {
                    assert!(ticket.get() >= OVER);
                    None
                }
                ParkResult::TimedOut => panic!("there was no deadline"),
            }
        })
    });
    let mut woken = 0;
    for token in 1..=2 {
        let parked = Cell::new(0);
        let said = Cell::new(Unparked::default());
        let callback = |result| {
            parked.set(place.a.load(Ordering::Relaxed));
            said.set(result);
            UnparkToken(token)
        };
        // SAFETY: our own key. The callback is a load.
        let result = unsafe { unpark_one(place.a(), callback) };
        assert_eq!(said.get(), result);
        let waiting = parked.get() - woken;
        assert_eq!(result, Unparked { unparked: waiting.min(1), requeued: 0, have_more: waiting > 1 });
        woken += result.unparked;
    }
    place.a.fetch_add(OVER, Ordering::Relaxed);
    woken += wake_all(place.a(), 3);
    let mut waited: Vec<_> = others.into_iter().filter_map(|other| other.join().unwrap()).collect();
    waited.sort_unstable();
    assert_eq!(waited.len(), woken);
    if let [(_, first), (_, second)] = waited[..] {
        assert!(first < second || second == 3, "{first} before {second}");
    }
}

/// [5] Two that wait for certain are woken in the order in which they parked.
fn parking_unpark_one_by_one() {
    let waited = with_two_waiting(both_in_a, |place| {
        assert_eq!(wake_one(place.a(), 1), Unparked { unparked: 1, requeued: 0, have_more: true });
        assert_eq!(wake_one(place.a(), 2), Unparked { unparked: 1, requeued: 0, have_more: false });
        assert_eq!(wake_one(place.a(), 3), Unparked::default());
    });
    assert_eq!(waited.map(|waited| waited.told), [1, 2]);
}

/// [5] `unpark_all` wakes both, and tells both the same.
fn parking_unpark_all_of_two() {
    let waited = with_two_waiting(both_in_a, |place| {
        assert_eq!(wake_all(place.b(), 1), 0, "nobody waits there");
        assert_eq!(wake_all(place.a(), 2), 2);
        assert_eq!(wake_all(place.a(), 3), 0);
    });
    assert_eq!(waited.map(|waited| waited.told), [2, 2]);
}

/// [5] The filter sees the tokens in the order in which their threads parked, and those it picks are woken, and no others.
fn parking_filter() {
    let mut shown = Vec::new();
    let waited = with_two_waiting(both_in_a, |place| {
        let filter_with = |picks: [FilterOp; 2]| {
            let mut tokens = Vec::new();
            let filter = |token: ParkToken| {
                tokens.push(token.0);
                picks[tokens.len() - 1]
            };
            let said = Cell::new(Unparked::default());
            let callback = |result| {
                said.set(result);
                UnparkToken(7)
            };
            // SAFETY: our own key. The callbacks note what they are told.
            let result = unsafe { unpark_filter(place.a(), filter, callback) };
            assert_eq!(said.get(), result);
            (tokens, result)
        };
        let nobody = Unparked { unparked: 0, requeued: 0, have_more: true };
        let (stopped, result) = filter_with([FilterOp::Stop; 2]);
        assert_eq!((stopped.len(), result), (1, nobody));
        let (skipped, result) = filter_with([FilterOp::Skip; 2]);
        assert_eq!((skipped.len(), result), (2, nobody));
        let (picked, result) = filter_with([FilterOp::Skip, FilterOp::Unpark]);
        assert_eq!(result, Unparked { unparked: 1, ..nobody });
        assert_eq!((&skipped, stopped[0]), (&picked, skipped[0]));
        let (left, result) = filter_with([FilterOp::Unpark; 2]);
        assert_eq!(result, Unparked { unparked: 1, requeued: 0, have_more: false });
        assert_eq!(left, [skipped[0]]);
        shown = skipped;
    });
    assert_eq!(waited.map(|waited| waited.token)[..], shown);
    assert_eq!(waited.map(|waited| waited.told), [7, 7]);
}

/// [5] All are moved, in their order.
fn parking_requeue_all() {
    let waited = with_two_waiting(both_in_a, |place| {
        assert_eq!(requeue(place, RequeueOp::RequeueAll, 0), Unparked { requeued: 2, ..Unparked::default() });
        assert_eq!(wake_one(place.a(), 0), Unparked::default());
        assert_eq!(wake_one(place.b(), 1), Unparked { unparked: 1, requeued: 0, have_more: true });
        assert_eq!(wake_one(place.b(), 2), Unparked { unparked: 1, requeued: 0, have_more: false });
    });
    assert_eq!(waited.map(|waited| waited.told), [1, 2]);
}

/// [5] The first is woken, the rest is moved.
fn parking_requeue_rest() {
    let waited = with_two_waiting(both_in_a, |place| {
        assert_eq!(
            requeue(place, RequeueOp::UnparkOneRequeueRest, 1),
            Unparked { unparked: 1, requeued: 1, have_more: false }
        );
        assert_eq!(wake_all(place.a(), 0), 0);
        assert_eq!(wake_all(place.b(), 2), 1);
    });
    assert_eq!(waited.map(|waited| waited.told), [1, 2]);
}

/// [5] The first is moved, the rest stays.
fn parking_requeue_one() {
    let waited = with_two_waiting(both_in_a, |place| {
        let result = requeue(place, RequeueOp::RequeueOne, 0);
        assert_eq!(result, Unparked { unparked: 0, requeued: 1, have_more: true });
        assert_eq!(wake_all(place.b(), 1), 1);
        assert_eq!(wake_all(place.a(), 2), 1);
    });
    assert_eq!(waited.map(|waited| waited.told), [1, 2]);
}

/// Nothing happens, or one is woken and the rest stays.
fn parking_requeue_nobody() {
    let waited = with_two_waiting(both_in_a, |place| {
        requeue(place, RequeueOp::Abort, 0);
        let result = requeue(place, RequeueOp::UnparkOne, 1);
        assert_eq!(result, Unparked { unparked: 1, requeued: 0, have_more: true });
        assert_eq!(wake_all(place.b(), 0), 0);
        assert_eq!(wake_all(place.a(), 2), 1);
    });
    assert_eq!(waited.map(|waited| waited.told), [1, 2]);
}

/// [5] Who is moved comes behind those who wait there already, however long it has waited.
fn parking_requeue_comes_behind() {
    let mut waited = with_two_waiting(one_in_each, |place| {
        assert_eq!(requeue(place, RequeueOp::RequeueAll, 0), Unparked { requeued: 1, ..Unparked::default() });
        assert_eq!(wake_one(place.b(), 1), Unparked { unparked: 1, requeued: 0, have_more: true });
        assert_eq!(wake_one(place.b(), 2), Unparked { unparked: 1, requeued: 0, have_more: false });
    });
    waited.sort_by_key(|waited| waited.token);
    assert_eq!(waited.map(|waited| waited.told), [1, 2]);
}

/// [4] A deadline that passes after a requeue finds the thread in the new queue.
fn parking_requeued_waiter_times_out() {
    let place = Place::new();
    let other = spawn({
        let place = Arc::clone(&place);
        move || park_until_soon(&place)
    });
    let moved = requeue(&place, RequeueOp::RequeueAll, 0);
    let woken = wake_one(place.b(), 7);
    assert_eq!([moved.unparked, woken.requeued], [0, 0]);
    let key = if moved.requeued == 1 { place.b() } else { place.a() };
    let expected = if woken.unparked == 1 {
        assert_eq!(moved.requeued, 1);
        (ParkResult::Unparked(UnparkToken(7)), None)
    } else {
        (ParkResult::TimedOut, Some((key, true)))
    };
    assert_eq!(other.join().unwrap(), expected);
}

/// Set while the untimed thread is in the queue, or was.
const QUEUED: usize = 1;

/// One thread with a deadline, one without under `key`; `act` may move the first. Says what `timed_out` was told, beside
/// whether the other was in its queue.
fn was_last(key: fn(&Place) -> usize, act: impl FnOnce(&Place)) -> Option<(bool, bool)> {
    let place = Place::new();
    let timed = spawn({
        let place = Arc::clone(&place);
        move || {
            let alone = Cell::new(None);
            let timed_out = |at, was_last| {
                let queued = at == key(&place) && place.gathered.load(Ordering::Relaxed) == QUEUED;
                alone.set(Some((was_last, !queued)));
            };
            // SAFETY: our own key. The callback is a load.
            unsafe { park(place.a(), || true, || {}, timed_out, ParkToken(0), soon()) };
            alone.get()
        }
    });
    let untimed = spawn({
        let place = Arc::clone(&place);
        move || {
            let validate = || place.gathered.fetch_or(QUEUED, Ordering::Relaxed) & OVER == 0;
            // SAFETY: our own key. `validate` is one read-modify-write.
            unsafe { park(key(&place), validate, || {}, |_, _| {}, ParkToken(1), None) };
        }
    });
    act(&place);
    // Lets the untimed one go, and says so under the queue lock.
    let filter = |token| if token == ParkToken(1) { FilterOp::Unpark } else { FilterOp::Skip };
    let callback = |_: Unparked| {
        place.gathered.fetch_or(OVER, Ordering::Relaxed);
        UnparkToken(0)
    };
    // SAFETY: our own key. The callbacks are a comparison, and one read-modify-write.
    unsafe { unpark_filter(key(&place), filter, callback) };
    untimed.join().unwrap();
    timed.join().unwrap()
}

/// [2, 4] `timed_out` is told whether others are left.
fn parking_was_last() {
    let (was_last, alone) = was_last(Place::a, |_| {}).expect("nobody has woken it");
    assert_eq!(was_last, alone);
}

/// [2, 4] After a requeue too: it is the new queue that counts.
fn parking_was_last_where_requeued() {
    let told = was_last(Place::b, |place| {
        requeue(place, RequeueOp::RequeueAll, 0);
    });
    let (was_last, alone) = told.expect("nobody has woken it");
    assert_eq!(was_last, alone);
}

/// "Two unpark calls that found nobody are ordered."
fn unpark_of_nobody_orders() {
    let place = Place::new();
    let other = spawn({
        let place = Arc::clone(&place);
        move || {
            let before = Cell::new(0);
            let callback = |_| {
                before.set(place.a.swap(1, Ordering::Relaxed));
                UnparkToken(0)
            };
            // SAFETY: our own key. The callback is one read-modify-write.
            unsafe { unpark_one(place.a(), callback) };
            if before.get() == 1 {
                place.data.with(|data| assert_eq!(*data, 1));
            }
        }
    });
    place.data.with_mut(|data| *data = 1);
    let callback = |_| {
        place.a.swap(1, Ordering::Relaxed);
        UnparkToken(0)
    };
    // SAFETY: as above.
    unsafe { unpark_one(place.a(), callback) };
    other.join().unwrap();
}

/// "A park that was invalid is ordered behind the unpark before."
fn invalid_park_orders() {
    let place = Place::new();
    let other = spawn({
        let place = Arc::clone(&place);
        move || {
            if park_unless_over(&place, place.a(), 0) == ParkResult::Invalid {
                place.data.with(|data| assert_eq!(*data, 1));
            }
        }
    });
    place.data.with_mut(|data| *data = 1);
    place.a.swap(1, Ordering::Relaxed);
    wake_one(place.a(), 0);
    other.join().unwrap();
}

/// "A timeout is ordered behind the callbacks before."
fn timeout_orders() {
    let place = Place::new();
    let other = spawn({
        let place = Arc::clone(&place);
        move || {
            let over = Cell::new(0);
            let timed_out = |_, _| over.set(place.b.load(Ordering::Relaxed));
            // SAFETY: our own key. The callback is a load.
            unsafe { park(place.a(), || true, || {}, timed_out, ParkToken(0), soon()) };
            if over.get() == 1 {
                place.data.with(|data| assert_eq!(*data, 1));
            }
        }
    });
    place.data.with_mut(|data| *data = 1);
    let filter = |_| FilterOp::Skip;
    let callback = |_: Unparked| {
        place.b.swap(1, Ordering::Relaxed);
        UnparkToken(0)
    };
    // SAFETY: our own key. The callbacks are one read-modify-write.
    unsafe { unpark_filter(place.a(), filter, callback) };
    other.join().unwrap();
}

/// "What a thread did before it parked, its unparker sees."
fn parked_thread_orders() {
    let place = Place::new();
    let other = spawn({
        let place = Arc::clone(&place);
        move || {
            place.data.with_mut(|data| *data = 1);
            park_unless_over(&place, place.a(), 0)
        }
    });
    place.a.swap(1, Ordering::Relaxed);
    if wake_one(place.a(), 0).unparked == 1 {
        place.data.with(|data| assert_eq!(*data, 1));
    }
    other.join().unwrap();
}

/// "What was done before a thread was moved, it sees when somebody else wakes it."
fn requeue_orders() {
    let place = Place::new();
    let waiter = spawn({
        let place = Arc::clone(&place);
        move || {
            let result = park_unless_over(&place, place.a(), 0);
            if result == ParkResult::Unparked(UnparkToken(7)) {
                place.data.with(|data| assert_eq!(*data, 1));
            }
        }
    });
    let waker = spawn({
        let place = Arc::clone(&place);
        move || {
            wake_all(place.b(), 7);
        }
    });
    place.data.with_mut(|data| *data = 1);
    requeue(&place, RequeueOp::RequeueAll, 0);
    waker.join().unwrap();
    place.a.swap(1, Ordering::Relaxed);
    wake_all(place.a(), 0);
    wake_all(place.b(), 0);
    waiter.join().unwrap();
}
