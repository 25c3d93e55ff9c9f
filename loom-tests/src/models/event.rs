//! `Event`: nobody who waits at a `set` is left behind, whatever `clear` does, and all see what came before it.

use super::parking::{key_of, waiting};
use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, Duration, some_time, spawn, spinning};
use raddle::Event;
use raddle::primitives::atomic::{AtomicUsize, Ordering};
use raddle::primitives::parking::{self, FilterOp, ParkResult, ParkToken, UnparkToken};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("event_set_wait", 45, event_set_wait),
    exhaustive("event_spinning", 440, event_spinning),
    exhaustive("event_is_set", 12, event_is_set),
    exhaustive("event_wait_for", 497, event_wait_for),
    exhaustive("event_wait_for_zero", 12, event_wait_for_zero),
    exhaustive("event_clear_wait", 256, event_clear_wait),
    exhaustive("event_pulse_and_timeout", 192, event_pulse_and_timeout),
    exhaustive("event_wait_clear_wait", 57, event_wait_clear_wait),
    exhaustive("event_set_clear_set", 27_207, event_set_clear_set),
    exhaustive("event_clear_look_wait", 1015, event_clear_look_wait),
    exhaustive("event_set_when_set", 126, event_set_when_set),
    bounded("event_two_waiters", 5, 24_978, event_two_waiters),
    bounded("event_two_setters", 4, 62_413, event_two_setters),
    bounded("event_present_at_set", 5, 53_000, event_present_at_set),
    bounded("event_two_present_at_set", 5, 48_688, event_two_present_at_set),
    bounded("event_timeout_with_another_behind", 5, 28_011, event_timeout_with_another_behind),
];

/// An event, and data that the setter publishes by it.
struct Published {
    event: Event,
    data: Data<u32>,
}

impl Published {
    fn new() -> Arc<Published> {
        Arc::new(Published { event: Event::new(), data: Data::new(0) })
    }

    fn publish(&self) {
        self.data.with_mut(|data| *data = 1);
        self.event.set();
    }

    fn assert_seen(&self) {
        self.data.with(|data| assert_eq!(*data, 1));
    }
}

/// Set against wait.
fn event_set_wait() {
    set_against_wait(0);
}

/// Set against wait, and who waits stays awake for a moment: a poll, and then spinning. What it waits for may come then, or later.
fn event_spinning() {
    let _spinning = spinning(1);
    set_against_wait(3);
}

/// The setter takes so many steps before.
fn set_against_wait(steps: u32) {
    let shared = Published::new();
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            shared.event.wait();
            shared.assert_seen();
        }
    });
    for _ in 0..steps {
        assert!(!shared.event.is_set());
    }
    shared.publish();
    waiter.join().unwrap();
    assert!(shared.event.is_set());
}

/// Who sees it set sees what came before.
fn event_is_set() {
    let shared = Published::new();
    let looker = spawn({
        let shared = Arc::clone(&shared);
        move || {
            if shared.event.is_set() {
                shared.assert_seen();
            }
        }
    });
    shared.publish();
    looker.join().unwrap();
}

/// Set against a wait that may give up.
fn event_wait_for() {
    let shared = Published::new();
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            if shared.event.wait_for(some_time()) {
                shared.assert_seen();
            }
            // Giving up has left nothing behind.
            shared.event.wait();
            shared.assert_seen();
        }
    });
    shared.publish();
    waiter.join().unwrap();
}

/// A zero timeout never waits.
fn event_wait_for_zero() {
    let shared = Published::new();
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            if shared.event.wait_for(Duration::ZERO) {
                shared.assert_seen();
            }
        }
    });
    shared.publish();
    waiter.join().unwrap();
    assert!(shared.event.wait_for(Duration::ZERO));
}

/// Clear against wait: the waiter goes through before it, or at the next set.
fn event_clear_wait() {
    let shared = Published::new();
    shared.event.set();
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || shared.event.wait()
    });
    shared.event.clear();
    assert!(!shared.event.is_set());
    // By now the waiter may be in the queue: clearing what is clear leaves it there, and the word says so.
    shared.event.clear();
    shared.publish();
    waiter.join().unwrap();
    assert!(shared.event.is_set());
}

/// Set and clear at once, against a wait that may give up. If it does not, it was the set that it saw, if only by the
/// generation that the clear has left behind.
fn event_pulse_and_timeout() {
    let shared = Published::new();
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            if shared.event.wait_for(some_time()) {
                shared.assert_seen();
            }
        }
    });
    shared.publish();
    shared.event.clear();
    waiter.join().unwrap();
    assert!(!shared.event.is_set());
}

/// One set ends one wait: whoever has waited and cleared does not find it set again, though the `set` that it has seen may
/// still be about to wake somebody.
fn event_wait_clear_wait() {
    let event = Arc::new(Event::new());
    let waiter = spawn({
        let event = Arc::clone(&event);
        move || {
            event.wait();
            event.clear();
            assert!(!event.wait_for(some_time()), "nobody has set it again");
        }
    });
    event.set();
    waiter.join().unwrap();
    assert!(!event.is_set());
}

/// Two sets, and a clear wherever it falls: if the event is set after the clear, it was the second set that did it.
fn event_set_clear_set() {
    let shared = Arc::new((Event::new(), [Data::new(0), Data::new(0)]));
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            let (event, data) = &*shared;
            event.wait();
            data[0].with(|data| assert_eq!(*data, 1));
            event.clear();
            let again = event.wait_for(some_time());
            if again {
                data[1].with(|data| assert_eq!(*data, 1));
            }
            again
        }
    });
    let (event, data) = &*shared;
    for data in data {
        data.with_mut(|data| *data = 1);
        event.set();
    }
    let again = waiter.join().unwrap();
    assert!(event.is_set() || !again, "nobody has cleared it again");
}

/// Clear, look whether there is something to do, and if not, wait: no work is missed. If the clear has undone the `set`, the
/// look sees the work.
fn event_clear_look_wait() {
    let event = Arc::new(Event::new());
    let work = Arc::new(AtomicUsize::new(0));
    let producer = spawn({
        let (event, work) = (Arc::clone(&event), Arc::clone(&work));
        move || {
            // Relaxed: the event publishes it.
            work.swap(1, Ordering::Relaxed);
            event.set();
        }
    });
    event.clear();
    // Relaxed, both: the event orders it.
    if work.load(Ordering::Relaxed) == 0 {
        event.wait();
        assert_eq!(work.load(Ordering::Relaxed), 1);
    }
    producer.join().unwrap();
}

/// Setting an event that is set publishes too, and a clear takes nothing of that away.
///
/// The setter has seen its set cleared, so the clear came after it; and the clear has added to the word what the set
/// left there. Whoever reads it then, even if it finds the event clear, is ordered behind the set.
fn event_set_when_set() {
    let shared = Published::new();
    let cleared = Arc::new(AtomicUsize::new(0));
    shared.event.set();
    let setter = spawn({
        let (shared, cleared) = (Arc::clone(&shared), Arc::clone(&cleared));
        move || {
            shared.publish();
            if !shared.event.is_set() {
                cleared.swap(1, Ordering::Relaxed);
            }
        }
    });
    shared.event.clear();
    let _ = shared.event.is_set();
    // Relaxed: it orders nothing.
    if cleared.load(Ordering::Relaxed) == 1 {
        shared.assert_seen();
    }
    setter.join().unwrap();
}

/// One set lets both waiters go.
fn event_two_waiters() {
    let shared = Published::new();
    let waiters = [(); 2].map(|()| {
        let shared = Arc::clone(&shared);
        spawn(move || {
            shared.event.wait();
            shared.assert_seen();
        })
    });
    shared.publish();
    for waiter in waiters {
        waiter.join().unwrap();
    }
}

/// Two threads set, one waits, clears, and waits again: then it is the other's set, or none.
fn event_two_setters() {
    let event = Arc::new(Event::new());
    let setters = [(); 2].map(|()| {
        let event = Arc::clone(&event);
        spawn(move || event.set())
    });
    event.wait();
    event.clear();
    let again = event.wait_for(some_time());
    for setter in setters {
        setter.join().unwrap();
    }
    assert!(event.is_set() || !again, "nobody has cleared it again");
}

/// The token of the scout in `event_present_at_set`; waiters of an event say 0.
const SCOUT: ParkToken = ParkToken(77);
/// What the scout is told when it is let go.
const GO: UnparkToken = UnparkToken(77);

/// A waiter that was there at the `set` is let go by it, though the event is cleared at once and never set again.
///
/// How does anybody know that it was there? A scout parks in the queue of the event, without marking the word. If the
/// `set` wakes the scout, the word was marked: so the waiter had looked at it, found the event clear, and was about to
/// park, or had parked. Then nobody helps it. If the scout slept on, the waiter may have come after the `clear`, and the
/// scout sets the event for it.
fn event_present_at_set() {
    let shared = Published::new();
    let over = Arc::new(AtomicUsize::new(0));
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            shared.event.wait();
            shared.assert_seen();
        }
    });
    let scout = spawn({
        let (shared, over) = (Arc::clone(&shared), Arc::clone(&over));
        move || {
            let key = key_of(&shared.event);
            // A read-modify-write, for the latest value: whoever changes it goes through this queue afterwards.
            let validate = || over.fetch_or(0, Ordering::Relaxed) == 0;
            // SAFETY: the key is that of our own event, which looks at no tokens. `validate` decides upon one word.
            let result = unsafe { parking::park(key, validate, || {}, |_, _| {}, SCOUT, None) };
            if matches!(result, ParkResult::Unparked(GO) | ParkResult::Invalid) {
                shared.event.set();
            }
        }
    });
    shared.publish();
    shared.event.clear();
    over.swap(1, Ordering::Release);
    let filter = |token| if token == SCOUT { FilterOp::Unpark } else { FilterOp::Skip };
    // SAFETY: as above. The callbacks do nothing but compare.
    unsafe { parking::unpark_filter(key_of(&shared.event), filter, |_| GO) };
    scout.join().unwrap();
    waiter.join().unwrap();
}

/// Two waiters that are in the queue are let go by one `set`, though the event is cleared at once and never set again.
fn event_two_present_at_set() {
    let shared = Published::new();
    let waiters = [(); 2].map(|()| {
        let shared = Arc::clone(&shared);
        spawn(move || {
            shared.event.wait();
            shared.assert_seen();
        })
    });
    let both_wait = waiting(key_of(&shared.event)).len() == 2;
    shared.publish();
    if both_wait {
        shared.event.clear();
    }
    for waiter in waiters {
        waiter.join().unwrap();
    }
    assert_eq!(shared.event.is_set(), !both_wait);
}

/// A waiter that gives up takes nobody's wake-up with it.
fn event_timeout_with_another_behind() {
    let shared = Published::new();
    let timed = spawn({
        let shared = Arc::clone(&shared);
        move || {
            if shared.event.wait_for(some_time()) {
                shared.assert_seen();
            }
        }
    });
    let patient = spawn({
        let shared = Arc::clone(&shared);
        move || {
            shared.event.wait();
            shared.assert_seen();
        }
    });
    shared.publish();
    timed.join().unwrap();
    patient.join().unwrap();
}
