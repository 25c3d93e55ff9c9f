//! `Semaphore`, `BoundedSemaphore`: no permit lost or made, no wake-up lost, and permits saved up for who starves.
//!
//! Several models look at the semaphore's queue (`parking::waiting`): what a waiter says of itself there, its demand and
//! whether it is strict, is the only way to know from outside that it has parked.

use super::parking::{key_of, waiting};
use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, Duration, some_time, spawn, spinning};
use raddle::{BoundedSemaphore, Semaphore};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("semaphore_two_threads", 1146, semaphore_two_threads),
    exhaustive("semaphore_spinning", 350, semaphore_spinning),
    exhaustive("semaphore_starving", 62_028, semaphore_starving),
    bounded("semaphore_three_threads", 3, 73_309, semaphore_three_threads),
    exhaustive("semaphore_try_acquire", 234, semaphore_try_acquire),
    exhaustive("semaphore_permit_is_sent", 178, semaphore_permit_is_sent),
    bounded("semaphore_grant_of_two_releases", 4, 18_817, semaphore_grant_of_two_releases),
    bounded("semaphore_release_of_two_wakes_two", 3, 10_823, semaphore_release_of_two_wakes_two),
    exhaustive("semaphore_many_is_served_first", 21_602, semaphore_many_is_served_first),
    bounded("semaphore_many_against_a_stream", 3, 48_933, semaphore_many_against_a_stream),
    bounded("semaphore_two_strict", 3, 34_822, semaphore_two_strict),
    bounded("semaphore_joins_under_fair", 4, 21_460, semaphore_joins_under_fair),
    exhaustive("semaphore_timeout", 104, semaphore_timeout),
    bounded("semaphore_timeout_keeps_no_permit", 3, 19_728, semaphore_timeout_keeps_no_permit),
    bounded("semaphore_timeout_lets_the_next_through", 4, 78_912, semaphore_timeout_lets_the_next_through),
    exhaustive("semaphore_timeout_of_the_strict", 215_812, semaphore_timeout_of_the_strict),
    bounded(
        "semaphore_timeout_of_the_strict_with_others",
        3,
        67_880,
        semaphore_timeout_of_the_strict_with_others,
    ),
    exhaustive("semaphore_over_release", 89, semaphore_over_release),
    bounded("semaphore_over_release_three_threads", 3, 9081, semaphore_over_release_three_threads),
    bounded("semaphore_over_release_with_a_waiter", 3, 3536, semaphore_over_release_with_a_waiter),
];

/// Nobody is about any more: exactly so many permits are there, and nothing keeps a newcomer from them.
fn assert_settled(semaphore: &Semaphore, permits: usize) {
    assert_eq!(semaphore.available_permits(), permits, "permits were lost or made");
    assert!(waiting(key_of(semaphore)).is_empty());
    assert!(semaphore.try_acquire_many(permits).is_some(), "they are kept for a waiter that is gone");
}

/// The demands of those in the queue, and whether each is strict: the layout of the tokens in `semaphore/raw.rs`.
fn demands(semaphore: &Semaphore) -> Vec<(usize, bool)> {
    waiting(key_of(semaphore)).into_iter().map(|token| (token.0 >> 1, token.0 & 1 != 0)).collect()
}

/// One permit, and the data that it protects.
struct Protected {
    semaphore: Semaphore,
    data: Data<u32>,
}

impl Protected {
    fn new() -> Arc<Protected> {
        Arc::new(Protected { semaphore: Semaphore::new(1), data: Data::new(0) })
    }

    fn add_one(&self) {
        let _permit = self.semaphore.acquire();
        self.data.with_mut(|data| *data += 1);
    }

    fn assert_settled(&self, sum: u32) {
        let permit = self.semaphore.try_acquire().unwrap();
        self.data.with(|data| assert_eq!(*data, sum));
        drop(permit);
        assert_settled(&self.semaphore, 1);
    }
}

/// One permit is a lock: two threads, one section each.
fn semaphore_two_threads() {
    let shared = Protected::new();
    let other = spawn({
        let shared = Arc::clone(&shared);
        move || shared.add_one()
    });
    shared.add_one();
    other.join().unwrap();
    shared.assert_settled(2);
}

/// Two threads, one section each, and who finds no permit stays awake for a moment.
fn semaphore_spinning() {
    let _spinning = spinning(1);
    semaphore_two_threads();
}

/// One section against two: a waiter is woken, barged past, parks again, starves, and is granted the permit.
fn semaphore_starving() {
    let shared = Protected::new();
    let permit = shared.semaphore.acquire();
    let other = spawn({
        let shared = Arc::clone(&shared);
        move || shared.add_one()
    });
    shared.data.with_mut(|data| *data += 1);
    drop(permit);
    shared.add_one();
    other.join().unwrap();
    shared.assert_settled(3);
}

/// Three threads at one permit.
fn semaphore_three_threads() {
    let shared = Protected::new();
    let others = [(); 2].map(|()| {
        let shared = Arc::clone(&shared);
        spawn(move || shared.add_one())
    });
    shared.add_one();
    for other in others {
        other.join().unwrap();
    }
    shared.assert_settled(3);
}

/// `try_acquire` and a zero timeout never wait, and exclude like the others.
fn semaphore_try_acquire() {
    let shared = Protected::new();
    let other = spawn({
        let shared = Arc::clone(&shared);
        move || match shared.semaphore.try_acquire() {
            Some(_permit) => {
                shared.data.with_mut(|data| *data += 1);
                1
            }
            None => 0,
        }
    });
    let got = match shared.semaphore.try_acquire_for(Duration::ZERO) {
        Some(_permit) => {
            shared.data.with_mut(|data| *data += 1);
            1
        }
        None => 0,
    };
    let got = got + other.join().unwrap();
    assert!(got > 0);
    shared.assert_settled(got);
}

/// A permit that is dropped by another thread than the one that acquired it.
fn semaphore_permit_is_sent() {
    let semaphore = Arc::new(Semaphore::new(1));
    let data = Arc::new(Data::new(0));
    let permit = semaphore.acquire_arc();
    let other = spawn({
        let data = Arc::clone(&data);
        move || {
            data.with_mut(|data| *data += 1);
            drop(permit);
        }
    });
    let permit = semaphore.acquire();
    data.with_mut(|data| *data += 1);
    drop(permit);
    other.join().unwrap();
    assert_settled(&semaphore, 1);
}

/// A waiter for two is granted what two threads have released, and sees what both did before: what the first did it knows only
/// through the second, which makes the grant.
fn semaphore_grant_of_two_releases() {
    let semaphore = Arc::new(Semaphore::new(0));
    let data = [(); 2].map(|()| Arc::new(Data::new(0)));
    let others = data.clone().map(|data| {
        let semaphore = Arc::clone(&semaphore);
        spawn(move || {
            data.with_mut(|data| *data = 1);
            semaphore.release(1).unwrap();
        })
    });
    semaphore.acquire_many(2).forget();
    for data in data {
        data.with(|data| assert_eq!(*data, 1));
    }
    for other in others {
        other.join().unwrap();
    }
    assert_settled(&semaphore, 0);
}

/// One release of two lets both waiters go. Neither gives its permit back, which would wake the other.
fn semaphore_release_of_two_wakes_two() {
    let semaphore = Arc::new(Semaphore::new(0));
    let others = [(); 2].map(|()| {
        let semaphore = Arc::clone(&semaphore);
        spawn(move || semaphore.acquire().forget())
    });
    semaphore.release(2).unwrap();
    for other in others {
        other.join().unwrap();
    }
    assert_settled(&semaphore, 0);
}

/// A waiter for two, once it is in the queue: nobody takes a permit before it has both.
fn semaphore_many_is_served_first() {
    let semaphore = Arc::new(Semaphore::new(0));
    let many = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.acquire_many(2).forget()
    });
    semaphore.release(2).unwrap();
    let barged = semaphore.try_acquire().map_or(0, |permit| {
        permit.forget();
        1
    });
    if demands(&semaphore) == [(2, true)] {
        assert_eq!(semaphore.available_permits(), 1);
        assert!(semaphore.try_acquire().is_none(), "a newcomer barged past a waiter for two");
    }
    semaphore.release(1).unwrap();
    many.join().unwrap();
    assert_settled(&semaphore, 1 - barged);
}

/// A waiter for two, and two threads that take one permit each.
fn semaphore_many_against_a_stream() {
    let semaphore = Arc::new(Semaphore::new(2));
    let many = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || drop(semaphore.acquire_many(2))
    });
    let stream = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || drop(semaphore.acquire())
    });
    drop(semaphore.acquire());
    many.join().unwrap();
    stream.join().unwrap();
    assert_settled(&semaphore, 2);
}

/// Two waiters for two: when one has been served, the permits are still kept for the other.
fn semaphore_two_strict() {
    let semaphore = Arc::new(Semaphore::new(0));
    let others = [(); 2].map(|()| {
        let semaphore = Arc::clone(&semaphore);
        spawn(move || semaphore.acquire_many(2).forget())
    });
    semaphore.release(3).unwrap();
    if demands(&semaphore) == [(2, true)] {
        assert!(semaphore.try_acquire().is_none(), "a newcomer barged past a waiter for two");
    }
    semaphore.release(1).unwrap();
    for other in others {
        other.join().unwrap();
    }
    assert_settled(&semaphore, 0);
}

/// A waiter for two has set FAIR and is not in the queue yet, when a waiter for one gets there before it: the one permit that
/// there is would do, and nobody else looks at the queue.
fn semaphore_joins_under_fair() {
    let semaphore = Arc::new(Semaphore::new(1));
    let [many, one] = [2, 1].map(|permits| {
        let semaphore = Arc::clone(&semaphore);
        spawn(move || semaphore.acquire_many(permits).forget())
    });
    let at_the_front = demands(&semaphore).first() == Some(&(1, false));
    if at_the_front && semaphore.available_permits() == 1 {
        // It needs nobody's help.
        one.join().unwrap();
        semaphore.release(2).unwrap();
    } else {
        semaphore.release(2).unwrap();
        one.join().unwrap();
    }
    many.join().unwrap();
    assert_settled(&semaphore, 0);
}

/// A timed acquirer gets the permit or leaves it.
fn semaphore_timeout() {
    let semaphore = Arc::new(Semaphore::new(0));
    let data = Arc::new(Data::new(0));
    let timed = spawn({
        let (semaphore, data) = (Arc::clone(&semaphore), Arc::clone(&data));
        move || match semaphore.try_acquire_for(some_time()) {
            Some(permit) => {
                permit.forget();
                data.with(|data| assert_eq!(*data, 1));
                1
            }
            None => 0,
        }
    });
    data.with_mut(|data| *data = 1);
    semaphore.release(1).unwrap();
    let got = timed.join().unwrap();
    assert_settled(&semaphore, 1 - got);
}

/// A timed acquirer, and one behind it that waits for ever: the one permit goes to either, and no later release saves
/// the day.
fn semaphore_timeout_keeps_no_permit() {
    let semaphore = Arc::new(Semaphore::new(0));
    let timed = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || {
            semaphore.try_acquire_for(some_time()).map_or(0, |permit| {
                permit.forget();
                1
            })
        }
    });
    let patient = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.acquire().forget()
    });
    semaphore.release(1).unwrap();
    // What the timed one has got it keeps: only then the other needs one of its own.
    semaphore.release(timed.join().unwrap()).unwrap();
    patient.join().unwrap();
    assert_settled(&semaphore, 0);
}

/// A waiter for two stands before a waiter for one, when one permit comes. It gives up: then the permit is the other's.
fn semaphore_timeout_lets_the_next_through() {
    let semaphore = Arc::new(Semaphore::new(0));
    let timed = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || assert!(semaphore.try_acquire_many_for(2, some_time()).is_none())
    });
    let patient = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.acquire().forget()
    });
    semaphore.release(1).unwrap();
    timed.join().unwrap();
    patient.join().unwrap();
    assert_settled(&semaphore, 0);
}

/// A waiter for two gives up: what was saved up for it is there for all again.
fn semaphore_timeout_of_the_strict() {
    let semaphore = Arc::new(Semaphore::new(0));
    let timed = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || drop(semaphore.try_acquire_many_for(2, some_time()))
    });
    semaphore.release(2).unwrap();
    let barged = semaphore.try_acquire().map_or(0, |permit| {
        permit.forget();
        1
    });
    semaphore.acquire().forget();
    timed.join().unwrap();
    assert_settled(&semaphore, 1 - barged);
}

/// As `semaphore_timeout_of_the_strict`, and the one who waits behind was not woken while permits were saved up.
fn semaphore_timeout_of_the_strict_with_others() {
    let semaphore = Arc::new(Semaphore::new(0));
    let timed = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || drop(semaphore.try_acquire_many_for(2, some_time()))
    });
    let patient = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.acquire().forget()
    });
    semaphore.release(2).unwrap();
    let barged = semaphore.try_acquire().map_or(0, |permit| {
        permit.forget();
        1
    });
    timed.join().unwrap();
    patient.join().unwrap();
    assert_settled(&semaphore, 1 - barged);
}

/// Two releases of one permit: the one too many is refused, and changes nothing.
fn semaphore_over_release() {
    let semaphore = Arc::new(BoundedSemaphore::new(1));
    let other = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || {
            semaphore.acquire().forget();
            semaphore.release(1).is_ok()
        }
    });
    let here = semaphore.release(1).is_ok();
    assert!(here ^ other.join().unwrap(), "one acquisition, one release");
    assert_eq!(semaphore.available_permits(), 1);
}

/// Two threads acquire and release, and a third releases too: of three releases, two succeed.
fn semaphore_over_release_three_threads() {
    let semaphore = Arc::new(BoundedSemaphore::new(1));
    let others = [(); 2].map(|()| {
        let semaphore = Arc::clone(&semaphore);
        spawn(move || {
            semaphore.acquire().forget();
            u32::from(semaphore.release(1).is_ok())
        })
    });
    let mut released = u32::from(semaphore.release(1).is_ok());
    for other in others {
        released += other.join().unwrap();
    }
    assert_eq!(released, 2);
    assert_eq!(semaphore.available_permits(), 1);
}

/// Releases of one and of two race for a limit of two, while a waiter for two is in the queue: that is where the count is
/// checked a second time.
fn semaphore_over_release_with_a_waiter() {
    let semaphore = Arc::new(BoundedSemaphore::new(2));
    semaphore.acquire_many(2).forget();
    let many = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.acquire_many(2).forget()
    });
    let other = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || usize::from(semaphore.release(1).is_ok())
    });
    let mut released = 0;
    if semaphore.release(2).is_ok() {
        released += 2;
    } else {
        // The other was first, and the waiter still lacks one.
        semaphore.release(1).unwrap();
        released += 1;
    }
    released += other.join().unwrap();
    many.join().unwrap();
    assert_eq!(semaphore.available_permits(), released - 2);
}
