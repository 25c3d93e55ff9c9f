//! `Condition`: no notify is lost and none is eaten, counts are exact, order is kept, and every level of the lock comes back.

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, Duration, JoinHandle, biased, leave_out, some_time, spawn, spinning};
use raddle::raw::{RawCondition, RawLock, RawRLock};
use raddle::{Condition, Lock, LockGuard, NotLocked, NotOwner, RLock};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("condition_notify", 54, condition_notify),
    exhaustive("condition_notify_after_release", 47, condition_notify_after_release),
    exhaustive("condition_wait_while", 3919, condition_wait_while),
    exhaustive("condition_turns", 2136, condition_turns),
    bounded("condition_notify_one_by_one", 3, 8779, condition_notify_one_by_one),
    bounded("condition_notify_n", 3, 28_229, condition_notify_n),
    bounded("condition_notify_all_lock_held", 4, 17_040, condition_notify_all_lock_held),
    bounded("condition_notify_all_lock_free", 4, 15_642, condition_notify_all_lock_free),
    bounded("condition_contended", 4, 25_541, condition_contended),
    bounded("condition_contended_requeue", 3, 72_768, condition_contended_requeue),
    bounded("condition_moved_together", 3, 73_668, condition_moved_together),
    exhaustive("condition_looking", 36, condition_looking),
    exhaustive("condition_looking_lock_held", 36, condition_looking_lock_held),
    bounded("condition_biased_lock_free", 3, 169_000, condition_biased_lock_free),
    bounded("condition_biased_lock_seems_held", 3, 2180, condition_biased_lock_seems_held),
    exhaustive("condition_biased_lock_held", 23_200, condition_biased_lock_held),
    exhaustive("condition_hand_off", 22, condition_hand_off),
    exhaustive("condition_hand_off_timed", 1783, condition_hand_off_timed),
    exhaustive("condition_timed", 6630, condition_timed),
    exhaustive("condition_timed_lock_free", 48, condition_timed_lock_free),
    exhaustive("condition_timed_wait_while", 2403, condition_timed_wait_while),
    exhaustive("condition_zero_timeout", 519, condition_zero_timeout),
    bounded("condition_timeout_eats_no_notify", 3, 9359, condition_timeout_eats_no_notify),
    bounded("condition_requeued_timeout_lock_held", 4, 21_478, condition_requeued_timeout_lock_held),
    bounded("condition_requeued_timeout_lock_free", 4, 20_080, condition_requeued_timeout_lock_free),
    exhaustive("condition_one_lock_after_another", 13_864, condition_one_lock_after_another),
    exhaustive("condition_one_lock_after_another_timed", 401, condition_one_lock_after_another_timed),
    exhaustive("condition_two_locks_at_once", 580, condition_two_locks_at_once),
    exhaustive("condition_rlock", 4032, condition_rlock),
    exhaustive("condition_rlock_timed", 48, condition_rlock_timed),
    exhaustive("condition_raw_lock", 328, condition_raw_lock),
    exhaustive("condition_raw_rlock", 3867, condition_raw_rlock),
];

/// A lock and a condition for changes of what it protects.
struct Shared<T> {
    data: Lock<T>,
    changed: Condition,
}

impl<T> Shared<T> {
    fn new(data: T) -> Arc<Shared<T>> {
        Arc::new(Shared { data: Lock::new(data), changed: Condition::new() })
    }
}

fn spawn_with<S: Send + Sync + 'static, R: Send + 'static>(
    shared: &Arc<S>,
    f: impl FnOnce(&S) -> R + Send + 'static,
) -> JoinHandle<R> {
    let shared = Arc::clone(shared);
    spawn(move || f(&shared))
}

// One waiter, one notifier.

/// The predicate changes and the notify comes under the lock. Who gives up the lock before it queues misses it.
fn condition_notify() {
    let shared = Shared::new((0, false));
    let other = spawn_with(&shared, |shared| {
        let mut data = shared.data.lock();
        data.0 = 7;
        let is_waited_for = data.1;
        assert_eq!(shared.changed.notify_one(), is_waited_for);
    });
    let mut data = shared.data.lock();
    while data.0 == 0 {
        data.1 = true;
        shared.changed.wait(&mut data);
        assert_eq!(data.0, 7, "a spurious wakeup");
    }
    drop(data);
    other.join().unwrap();
}

/// The notify comes after the lock was released, when the waiter may be anywhere.
fn condition_notify_after_release() {
    let shared = Shared::new((0, false));
    let other = spawn_with(&shared, |shared| {
        let mut data = shared.data.lock();
        data.0 = 7;
        let is_waited_for = data.1;
        drop(data);
        assert_eq!(shared.changed.notify_one(), is_waited_for);
        assert!(!shared.changed.notify_one(), "nobody is left");
    });
    let mut data = shared.data.lock();
    while data.0 == 0 {
        data.1 = true;
        shared.changed.wait(&mut data);
        assert_eq!(data.0, 7, "a spurious wakeup");
    }
    drop(data);
    other.join().unwrap();
}

/// `wait_while` waits again after a notify that came too early, and shows the predicate what is there.
fn condition_wait_while() {
    let shared = Shared::new(0);
    let other = spawn_with(&shared, |shared| {
        shared.changed.notify_one();
        let mut data = shared.data.lock();
        *data += 1;
        shared.changed.notify_all();
    });
    let mut data = shared.data.lock();
    shared.changed.wait_while(&mut data, |data| {
        *data += 10;
        *data % 10 == 0
    });
    assert!(
        *data == 11 || *data == 21 || *data == 31,
        "asked once before the first wait, and after each notify"
    );
    drop(data);
    other.join().unwrap();
}

/// Two threads take turns: each is waiter and notifier, and the word is set and cleared again and again.
fn condition_turns() {
    fn take_turn(shared: &Shared<usize>, mine: usize) {
        let mut turn = shared.data.lock();
        shared.changed.wait_while(&mut turn, |turn| *turn != mine);
        *turn += 1;
        shared.changed.notify_one();
    }
    let shared = Shared::new(0);
    let other = spawn_with(&shared, |shared| take_turn(shared, 1));
    take_turn(&shared, 0);
    take_turn(&shared, 2);
    other.join().unwrap();
}

// Two waiters.

/// What the lock protects here: who has come to wait, and who was notified.
#[derive(Default)]
struct Line {
    /// Waits begun.
    arrivals: usize,
    /// Waits that notifies have ended.
    notified: usize,
    /// Waits ended.
    left: usize,
    /// Who comes now does not wait.
    closed: bool,
}

impl Line {
    fn waiting(&self) -> usize {
        self.arrivals - self.notified
    }
}

/// Waits once, and checks that its turn had come: first in, first out.
fn stand_in_line(shared: &Shared<Line>) {
    let mut line = shared.data.lock();
    if line.closed {
        return;
    }
    let place = line.arrivals;
    line.arrivals += 1;
    shared.changed.wait(&mut line);
    assert!(line.notified > place, "notified before its turn");
    line.left += 1;
}

/// Notifies up to `n` with the lock held. The count has to be exact: nobody leaves the line by himself.
fn call(shared: &Shared<Line>, n: usize) {
    let mut line = shared.data.lock();
    let notified = n.min(line.waiting());
    assert_eq!(shared.changed.notify(n), notified);
    line.notified += notified;
}

/// Notifies all, and lets nobody wait any more.
fn close(shared: &Shared<Line>) {
    let mut line = shared.data.lock();
    line.closed = true;
    assert_eq!(shared.changed.notify_all(), line.waiting());
    line.notified = line.arrivals;
}

/// The same with the lock free by the time of the notify.
fn release_and_close(shared: &Shared<Line>) {
    let mut line = shared.data.lock();
    line.closed = true;
    let waiting = line.waiting();
    line.notified = line.arrivals;
    drop(line);
    assert_eq!(shared.changed.notify_all(), waiting);
}

fn two_in_line(notifier: impl FnOnce(&Shared<Line>)) {
    two_in_this_line(&Shared::new(Line::default()), notifier);
}

fn two_in_this_line(shared: &Arc<Shared<Line>>, notifier: impl FnOnce(&Shared<Line>)) {
    let others = [(); 2].map(|()| spawn_with(shared, stand_in_line));
    notifier(shared);
    for other in others {
        other.join().unwrap();
    }
    let line = shared.data.lock();
    assert_eq!((line.waiting(), line.left), (0, line.arrivals));
    assert!(!shared.changed.notify_one(), "nobody is left");
}

/// Two waiters, notified one by one: the first notify leaves the second waiter in the queue, and the word set.
fn condition_notify_one_by_one() {
    two_in_line(|shared| {
        let mut line = shared.data.lock();
        let notified = shared.changed.notify_one();
        assert_eq!(notified, line.waiting() > 0);
        line.notified += usize::from(notified);
        drop(line);
        // The lock is free now, or the first waiter's.
        let mut line = shared.data.lock();
        line.closed = true;
        let waiting = line.waiting();
        line.notified = line.arrivals;
        drop(line);
        for _ in 0..waiting {
            assert!(shared.changed.notify_one());
        }
    });
}

/// `notify(n)` notifies exactly n, or all if they are fewer.
fn condition_notify_n() {
    two_in_line(|shared| {
        call(shared, 0);
        call(shared, 1);
        let mut line = shared.data.lock();
        line.closed = true;
        assert_eq!(shared.changed.notify(3), line.waiting());
        line.notified = line.arrivals;
    });
}

/// With the lock held, all are moved to its queue: the next unlock wakes them.
fn condition_notify_all_lock_held() {
    two_in_line(close);
}

/// With the lock free, all are woken; if it is taken in between, they are moved, or the first is woken and answers for the rest, by the token
/// `MORE`.
fn condition_notify_all_lock_free() {
    two_in_line(release_and_close);
}

/// A third thread fights for the lock that the notified waiter was moved to.
fn condition_contended() {
    let shared = Shared::new((0, false));
    let waiter = spawn_with(&shared, |shared| {
        let mut data = shared.data.lock();
        shared.changed.wait_while(&mut data, |data| !data.1);
        data.0 += 1;
    });
    let stranger = spawn_with(&shared, |shared| {
        shared.data.lock().0 += 1;
        shared.data.lock().0 += 1;
    });
    let mut data = shared.data.lock();
    data.1 = true;
    shared.changed.notify_one();
    drop(data);
    waiter.join().unwrap();
    stranger.join().unwrap();
    assert_eq!(shared.data.lock().0, 3);
}

/// Two waiters and a stranger, who waits for the lock between them: who is woken answers for all that are behind it.
fn condition_contended_requeue() {
    let shared = Shared::new(Line::default());
    let others = [(); 2].map(|()| spawn_with(&shared, stand_in_line));
    let stranger = spawn_with(&shared, |shared| shared.data.lock().closed);
    release_and_close(&shared);
    for other in others {
        other.join().unwrap();
    }
    stranger.join().unwrap();
}

/// A line whose lock is a biased one, if locks are biased.
fn biased_line() -> Arc<Shared<Line>> {
    let shared = Shared::new(Line::default());
    drop(shared.data.lock());
    shared
}

/// As `condition_notify_all_lock_free`, with a biased lock.
fn condition_biased_lock_free() {
    let _biased = biased();
    two_in_this_line(&biased_line(), release_and_close);
}

/// The lock is biased and free, but seems to be held when the notifier looks first: so the second waiter is moved to its queue. The first, who answers for that one, revokes
/// the bias before it takes the lock, or its release would wake nobody.
fn condition_biased_lock_seems_held() {
    let _biased = biased();
    let shared = Shared::new(false);
    drop(shared.data.lock());
    let mut closed = shared.data.lock();
    let other = spawn_with(&shared, |shared| {
        let mut closed = shared.data.lock();
        if !*closed {
            shared.changed.wait(&mut closed);
        }
    });
    let notifier = spawn_with(&shared, |shared| {
        if shared.changed.notify_all() < 2 {
            // It came too early.
            leave_out(true);
            *shared.data.lock() = true;
            shared.changed.notify_all();
        }
    });
    shared.changed.wait(&mut closed);
    drop(closed);
    other.join().unwrap();
    notifier.join().unwrap();
}

/// With a biased lock that is held, the notifier revokes the bias before it moves the waiter to the lock's queue.
fn condition_biased_lock_held() {
    let _biased = biased();
    let shared = biased_line();
    let waiter = spawn_with(&shared, stand_in_line);
    close(&shared);
    waiter.join().unwrap();
}

/// Two waiters are moved to the queue of the lock, where a stranger may stand before them, between or behind: those who are woken together each
/// answer for who is left.
fn condition_moved_together() {
    let shared = Shared::new(Line::default());
    let others = [(); 2].map(|()| spawn_with(&shared, stand_in_line));
    let stranger = spawn_with(&shared, |shared| shared.data.lock().closed);
    close(&shared);
    for other in others {
        other.join().unwrap();
    }
    stranger.join().unwrap();
    assert!(shared.data.try_lock().is_some());
}

/// A waiter that looks before it sleeps, and may see that it was woken before it can be true: the notify is for it all the same, once.
fn condition_looking() {
    let _spinning = spinning(1);
    condition_notify_after_release();
}

/// The same of a waiter that was moved, which an unlock wakes.
fn condition_looking_lock_held() {
    let _spinning = spinning(1);
    condition_notify();
}

/// A waiter that was moved to the queue of the lock is handed the lock: it must not ask for it again.
fn condition_hand_off() {
    let shared = Shared::new(Line::default());
    let waiter = spawn_with(&shared, stand_in_line);
    let mut line = shared.data.lock();
    line.closed = true;
    assert_eq!(shared.changed.notify_one(), line.arrivals == 1);
    line.notified = line.arrivals;
    LockGuard::unlock_fair(line);
    waiter.join().unwrap();
    let line = shared.data.try_lock().unwrap();
    assert_eq!(line.left, line.arrivals);
}

/// The same with a deadline, which may pass before the lock is handed over, and after.
fn condition_hand_off_timed() {
    let shared = Shared::new(0);
    let waiter = spawn_with(&shared, |shared| {
        let mut notified = shared.data.lock();
        let in_time = shared.changed.wait_for(&mut notified, some_time());
        assert_eq!(in_time, *notified == 1);
    });
    let mut notified = shared.data.lock();
    *notified = shared.changed.notify_all();
    LockGuard::unlock_fair(notified);
    waiter.join().unwrap();
    assert!(shared.data.try_lock().is_some());
}

// Timeouts.

/// A wait of limited time says true exactly if a notify counted it: whatever passes between the notify and the lock.
fn condition_timed() {
    let shared = Shared::new(0);
    let other = spawn_with(&shared, |shared| {
        let mut notified = shared.data.lock();
        *notified += usize::from(shared.changed.notify_one());
    });
    let mut notified = shared.data.lock();
    // The notifier holds the lock: it has not counted, or it has and we know.
    let in_time = shared.changed.wait_for(&mut notified, some_time());
    assert_eq!(in_time, *notified == 1);
    drop(notified);
    other.join().unwrap();
}

/// The same with a notify that does not hold the lock: it wakes the waiter instead of moving it.
fn condition_timed_lock_free() {
    let shared = Shared::new(());
    let other = spawn_with(&shared, |shared| shared.changed.notify_all());
    let in_time = shared.changed.wait_for(&mut shared.data.lock(), some_time());
    assert_eq!(other.join().unwrap(), usize::from(in_time));
}

/// `wait_while_for` asks once more after the timeout, and says what the predicate says.
fn condition_timed_wait_while() {
    let shared = Shared::new(0);
    let other = spawn_with(&shared, |shared| {
        *shared.data.lock() += 1;
        shared.changed.notify_one();
    });
    let mut data = shared.data.lock();
    let done = shared.changed.wait_while_for(&mut data, |data| *data == 0, some_time());
    assert_eq!(done, *data == 1);
    drop(data);
    other.join().unwrap();
}

/// Without time to wait, it lets others have the lock for a moment, and is notified by nobody.
fn condition_zero_timeout() {
    let shared = Shared::new(0);
    let other = spawn_with(&shared, |shared| {
        *shared.data.lock() += 1;
        assert!(!shared.changed.notify_one());
    });
    let mut data = shared.data.lock();
    *data += 1;
    assert!(!shared.changed.wait_for(&mut data, Duration::ZERO));
    *data += 1;
    drop(data);
    other.join().unwrap();
    assert_eq!(*shared.data.lock(), 3);
}

/// Two waiters, one of which has a deadline: it says true if a notify counted it, and if not, it took none. The threads of the
/// two may come in either order.
fn one_of_two_times_out(notifier: impl FnOnce(&Shared<Line>) -> usize) {
    let shared = Shared::new(Line::default());
    let patient = spawn_with(&shared, |shared| {
        let mut line = shared.data.lock();
        if line.closed {
            return 0;
        }
        line.arrivals += 1;
        shared.changed.wait(&mut line);
        line.arrivals -= 1;
        1
    });
    let timed = spawn_with(&shared, |shared| {
        let mut line = shared.data.lock();
        usize::from(!line.closed && shared.changed.wait_for(&mut line, some_time()))
    });
    let notified = notifier(&shared);
    assert_eq!(patient.join().unwrap() + timed.join().unwrap(), notified);
    assert!(!shared.changed.notify_one(), "nobody is left");
}

/// Of two waiters the one with a deadline may leave: then the notify goes to the other.
fn condition_timeout_eats_no_notify() {
    one_of_two_times_out(|shared| {
        let line = shared.data.lock();
        let first = shared.changed.notify_one();
        // The patient one counts itself, and does not leave by itself.
        assert!(first || line.arrivals == 0, "a notify was eaten");
        drop(line);
        let mut line = shared.data.lock();
        line.closed = true;
        usize::from(first) + shared.changed.notify_all()
    });
}

/// Both are moved to the queue of the lock, where the deadline of one may pass: it was notified all the same, and what the
/// lock owes to the other is not lost with it.
fn condition_requeued_timeout_lock_held() {
    one_of_two_times_out(|shared| {
        let mut line = shared.data.lock();
        line.closed = true;
        shared.changed.notify_all()
    });
}

/// The first is woken and answers for the second, which may time out in the queue of the lock, or be the patient one.
fn condition_requeued_timeout_lock_free() {
    one_of_two_times_out(|shared| {
        shared.data.lock().closed = true;
        shared.changed.notify_all()
    });
}

// Which lock?

/// First with one lock, then with another: the notify has to forget the first, whose memory is gone by then.
fn condition_one_lock_after_another() {
    let changed = Arc::new(Condition::new());
    let second = Arc::new(Lock::new(0));
    let first = Arc::new(Lock::new(0));
    let other = spawn({
        let (first, second, changed) = (Arc::clone(&first), Arc::clone(&second), Arc::clone(&changed));
        move || {
            let mut data = first.lock();
            changed.wait_while(&mut data, |data| *data == 0);
            drop(data);
            drop(first);
            let mut data = second.lock();
            changed.wait_while(&mut data, |data| *data == 0);
        }
    });
    *first.lock() += 1;
    changed.notify_one();
    drop(first);
    *second.lock() += 1;
    changed.notify_one();
    other.join().unwrap();
}

/// The same with timeouts: who is the last to leave the queue has to clear the word. The notifier may come at any time, also
/// between the two.
fn condition_one_lock_after_another_timed() {
    let changed = Arc::new(Condition::new());
    let other = spawn({
        let changed = Arc::clone(&changed);
        move || changed.notify_one()
    });
    let mut in_time = 0;
    for _ in 0..2 {
        let lock = Lock::new(());
        in_time += usize::from(changed.wait_for(&mut lock.lock(), some_time()));
    }
    assert_eq!(in_time, usize::from(other.join().unwrap()));
}

/// With another lock than that of those who wait: a panic, the lock is still held, and the waiter is none the worse.
fn condition_two_locks_at_once() {
    let shared = Shared::new((false, false));
    let waiter = spawn_with(&shared, |shared| {
        let mut data = shared.data.lock();
        data.0 = true;
        shared.changed.wait_while(&mut data, |data| !data.1);
    });
    let is_waited_for = shared.data.lock().0;
    if is_waited_for {
        let another = Lock::new(0);
        let mut guard = another.lock();
        let wait = || shared.changed.wait_for(&mut guard, some_time());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait));
        assert!(result.is_err(), "two locks on one condition");
        *guard += 1;
        assert!(another.is_locked());
    }
    let mut data = shared.data.lock();
    data.1 = true;
    assert_eq!(shared.changed.notify_all(), usize::from(data.0));
    drop(data);
    waiter.join().unwrap();
}

// Reentrant locks.

struct SharedReentrant<T> {
    data: RLock<Data<T>>,
    changed: Condition,
}

impl<T> SharedReentrant<T> {
    fn new(data: T) -> Arc<SharedReentrant<T>> {
        Arc::new(SharedReentrant { data: RLock::new(Data::new(data)), changed: Condition::new() })
    }
}

/// A wait at depth 2 lets the other in, and comes back at depth 2. The notifier has two levels as well.
fn condition_rlock() {
    let shared = SharedReentrant::new(0);
    let other = spawn_with(&shared, |shared| {
        let outer = shared.data.lock();
        let inner = shared.data.lock();
        inner.with_mut(|data| *data += 1);
        shared.changed.notify_one();
        drop(inner);
        outer.with_mut(|data| *data += 1);
    });
    let outer = shared.data.lock();
    let mut inner = shared.data.lock();
    shared.changed.wait_while(&mut inner, |data| data.with(|data| *data == 0));
    assert_eq!(shared.data.depth(), 2);
    inner.with_mut(|data| assert_eq!(*data, 2, "two threads hold the lock"));
    drop(inner);
    assert!(shared.data.is_owned_by_current_thread());
    outer.with_mut(|data| *data += 1);
    drop(outer);
    assert!(!shared.data.is_owned_by_current_thread());
    other.join().unwrap();
}

/// Both levels come back after a timeout too, and the result is exact.
fn condition_rlock_timed() {
    let shared = SharedReentrant::new(0);
    let other = spawn_with(&shared, |shared| shared.changed.notify_all());
    let outer = shared.data.lock();
    let mut inner = shared.data.lock();
    let in_time = shared.changed.wait_for(&mut inner, some_time());
    assert_eq!(shared.data.depth(), 2);
    assert_eq!(other.join().unwrap(), usize::from(in_time));
    drop((inner, outer));
    assert!(!shared.data.is_locked());
}

// Without guards.

struct SharedRaw<L> {
    lock: L,
    changed: RawCondition,
    data: Data<usize>,
}

impl<L> SharedRaw<L> {
    fn new(lock: L) -> Arc<SharedRaw<L>> {
        Arc::new(SharedRaw { lock, changed: RawCondition::new(), data: Data::new(0) })
    }
}

/// A lock that anybody may release: what the notifier wrote, the waiter sees.
fn condition_raw_lock() {
    let shared = SharedRaw::new(RawLock::new());
    assert_eq!(shared.changed.wait(&shared.lock), Err(NotLocked));
    let other = spawn_with(&shared, |shared| {
        shared.lock.lock();
        shared.data.with_mut(|data| *data += 1);
        shared.lock.checked_unlock().unwrap();
        shared.changed.notify_one();
    });
    shared.lock.lock();
    while shared.data.with(|data| *data == 0) {
        shared.changed.wait(&shared.lock).unwrap();
        shared.data.with_mut(|data| assert_eq!(*data, 1, "a spurious wakeup"));
    }
    shared.lock.checked_unlock().unwrap();
    other.join().unwrap();
}

/// A lock with an owner and levels: who does not own it can't wait, and every level comes back.
fn condition_raw_rlock() {
    let shared = SharedRaw::new(RawRLock::new());
    assert_eq!(shared.changed.wait(&shared.lock), Err(NotOwner));
    let other = spawn_with(&shared, |shared| {
        shared.lock.restore(3);
        shared.data.with_mut(|data| *data += 1);
        shared.changed.notify_one();
        assert_eq!(shared.lock.release_all(), 3);
    });
    shared.lock.restore(2);
    while shared.data.with(|data| *data == 0) {
        shared.changed.wait(&shared.lock).unwrap();
        shared.data.with_mut(|data| assert_eq!(*data, 1, "a spurious wakeup"));
    }
    assert_eq!(shared.lock.release_all(), 2);
    other.join().unwrap();
}
