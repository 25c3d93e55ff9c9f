//! What somebody does who builds on raddle and checks it under loom: a channel of their own, made of a [`Lock`] and two
//! [`Condition`]s, with its models; the same channel with the mistakes that people make, which loom has to find; and the
//! programs of the tutorials, broken and mended. Only the public face is used here, and loom's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::thread;
use raddle::{Condition, Lock, LockGuard, RLock};

use crate::models::{Model, bounded, exhaustive};
use crate::{DEADLOCK, Mistake, RACE};

/// The models that have to pass.
pub(crate) fn models() -> Vec<Model> {
    vec![
        exhaustive("downstream_channel", 650, || one_to_one(None)),
        exhaustive("downstream_channel_timeout", 2459, || receive_in_time(None)),
        bounded("downstream_channel_two_receivers", 3, 21087, || two_receivers(None)),
        bounded("downstream_channel_two_senders", 3, 10090, || two_senders(None)),
        exhaustive("downstream_update_with_a_lock", 30, update_with_a_lock),
        exhaustive("downstream_one_reentrant_lock", 2880, one_reentrant_lock),
        exhaustive("downstream_locks_in_one_order", 30, locks_in_one_order),
    ]
}

/// The models that have to fail.
pub(crate) fn mistakes() -> Vec<Mistake> {
    let two = |name, found, body| Mistake { model: exhaustive(name, 0, body), found };
    let three = |name, found, body| Mistake { model: bounded(name, 3, 0, body), found };
    vec![
        three("mistake_if_for_while", NO_ITEM, || two_receivers(Some(Bug::IfForWhile))),
        three("mistake_one_condition_for_both", DEADLOCK, || two_receivers(Some(Bug::NotifiesTheWrongOne))),
        three("mistake_checks_then_acts", NO_ROOM, || two_senders(Some(Bug::ChecksThenActs))),
        two("mistake_receive_does_not_notify", DEADLOCK, || one_to_one(Some(Bug::ReceiveDoesNotNotify))),
        two("mistake_send_does_not_notify", DEADLOCK, || one_to_one(Some(Bug::SendDoesNotNotify))),
        two("mistake_notifies_too_soon", DEADLOCK, || one_to_one(Some(Bug::NotifiesTooSoon))),
        two("mistake_ignores_the_timeout", NO_ITEM, || receive_in_time(Some(Bug::IgnoresTheTimeout))),
        two("mistake_wait_without_time_keeps_the_lock", "somebody was let in", wait_without_time),
        two("mistake_counts_without_the_lock", RACE, || one_to_one(Some(Bug::CountsWithoutTheLock))),
        two("mistake_update_without_a_lock", RACE, update_without_a_lock),
        two("mistake_update_in_two_steps", "an update is lost", update_in_two_steps),
        two("mistake_locks_in_opposite_orders", DEADLOCK, locks_in_opposite_orders),
        two("mistake_lock_taken_twice", DEADLOCK, lock_taken_twice),
    ]
}

const NO_ITEM: &str = "there is an item for whoever was notified";
const NO_ROOM: &str = "there is room for whoever was notified";

// A channel.

/// What is wrong with a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    /// Who was notified takes it for granted that there is something for it.
    IfForWhile,
    ReceiveDoesNotNotify,
    SendDoesNotNotify,
    /// Both sides wait on one condition, and `notify_one` may wake the side that can do nothing.
    NotifiesTheWrongOne,
    /// Notifies, and changes what the other waits for only then, under the lock taken a second time.
    NotifiesTooSoon,
    /// Asks whether there is room, lets go of the lock, takes it again and believes what it has heard.
    ChecksThenActs,
    CountsWithoutTheLock,
    IgnoresTheTimeout,
}

/// A bounded channel: any number of senders and receivers.
struct Channel<T> {
    items: Lock<VecDeque<T>>,
    capacity: usize,
    not_empty: Condition,
    not_full: Condition,
    /// How many items were ever sent. Only ever touched with the lock held, or so its author thinks.
    sent: Counter,
    bug: Option<Bug>,
}

/// A plain number. loom watches who touches it.
struct Counter(UnsafeCell<usize>);

// SAFETY: that is the question, and loom answers it.
unsafe impl Sync for Counter {}

impl Counter {
    fn new() -> Counter {
        Counter(UnsafeCell::new(0))
    }

    fn get(&self) -> usize {
        // SAFETY: loom checks that nobody writes meanwhile.
        self.0.with(|value| unsafe { *value })
    }

    fn set(&self, value: usize) {
        // SAFETY: loom checks that nobody else is here.
        self.0.with_mut(|at| unsafe { *at = value });
    }
}

impl<T> Channel<T> {
    fn new(capacity: usize, bug: Option<Bug>) -> Arc<Channel<T>> {
        Arc::new(Channel {
            items: Lock::new(VecDeque::new()),
            capacity,
            not_empty: Condition::new(),
            not_full: Condition::new(),
            sent: Counter::new(),
            bug,
        })
    }

    /// Where a sender waits.
    fn room(&self) -> &Condition {
        if self.bug == Some(Bug::NotifiesTheWrongOne) { &self.not_empty } else { &self.not_full }
    }

    fn send(&self, item: T) {
        let mut items = self.items.lock();
        self.room().wait_while(&mut items, |items| items.len() == self.capacity);
        if self.bug == Some(Bug::ChecksThenActs) {
            drop(items);
            items = self.items.lock();
        }
        assert!(items.len() < self.capacity, "{NO_ROOM}");
        if self.bug == Some(Bug::NotifiesTooSoon) {
            self.not_empty.notify_one();
            drop(items);
            items = self.items.lock();
        }
        items.push_back(item);
        if self.bug == Some(Bug::CountsWithoutTheLock) {
            drop(items);
            self.sent.set(self.sent.get() + 1);
        } else {
            self.sent.set(self.sent.get() + 1);
            drop(items);
        }
        if !matches!(self.bug, Some(Bug::SendDoesNotNotify | Bug::NotifiesTooSoon)) {
            self.not_empty.notify_one();
        }
    }

    fn receive(&self) -> T {
        let mut items = self.items.lock();
        if self.bug == Some(Bug::IfForWhile) {
            if items.is_empty() {
                self.not_empty.wait(&mut items);
            }
        } else {
            self.not_empty.wait_while(&mut items, |items| items.is_empty());
        }
        self.take(items)
    }

    /// `None` if nothing comes in time.
    fn receive_for(&self, timeout: Duration) -> Option<T> {
        let mut items = self.items.lock();
        let in_time = self.not_empty.wait_while_for(&mut items, |items| items.is_empty(), timeout);
        (in_time || self.bug == Some(Bug::IgnoresTheTimeout)).then(|| self.take(items))
    }

    fn take(&self, mut items: LockGuard<'_, VecDeque<T>>) -> T {
        let item = items.pop_front().expect(NO_ITEM);
        drop(items);
        if self.bug != Some(Bug::ReceiveDoesNotNotify) {
            self.room().notify_one();
        }
        item
    }

    /// How many items were ever sent.
    fn sent(&self) -> usize {
        let _items = self.items.lock();
        self.sent.get()
    }
}

/// Room for one: both sides wait.
fn one_to_one(bug: Option<Bug>) {
    let channel = Channel::new(1, bug);
    channel.send('a');
    let receiver = thread::spawn({
        let channel = Arc::clone(&channel);
        move || {
            assert_eq!(channel.receive(), 'a');
            assert_eq!(channel.receive(), 'b');
            assert_eq!(channel.sent(), 2);
        }
    });
    channel.send('b');
    receiver.join().unwrap();
}

/// A receiver that may give up.
fn receive_in_time(bug: Option<Bug>) {
    let channel = Channel::new(1, bug);
    let sender = thread::spawn({
        let channel = Arc::clone(&channel);
        move || channel.send('a')
    });
    let item = channel.receive_for(Duration::from_millis(1));
    sender.join().unwrap();
    match item {
        Some(item) => assert_eq!(item, 'a'),
        None => assert_eq!(channel.receive(), 'a'),
    }
}

/// Two receivers, one of which may find that the other was faster.
fn two_receivers(bug: Option<Bug>) {
    let channel = Channel::new(1, bug);
    let receivers = [(); 2].map(|()| {
        let channel = Arc::clone(&channel);
        thread::spawn(move || channel.receive())
    });
    channel.send(1);
    channel.send(2);
    assert_eq!(receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum::<u32>(), 3);
}

/// Two senders, and room for one item.
fn two_senders(bug: Option<Bug>) {
    let channel = Channel::new(1, bug);
    let senders = [1, 2].map(|item| {
        let channel = Arc::clone(&channel);
        thread::spawn(move || channel.send(item))
    });
    assert_eq!(channel.receive() + channel.receive(), 3);
    for sender in senders {
        sender.join().unwrap();
    }
    assert_eq!(channel.sent(), 2);
}

// What the tutorials begin with.

/// "A wait that has no time does nothing at all." It lets others have the lock.
fn wait_without_time() {
    let shared = Arc::new((Lock::new(0), Condition::new()));
    let mut data = shared.0.lock();
    let other = thread::spawn({
        let shared = Arc::clone(&shared);
        move || *shared.0.lock() += 1
    });
    assert!(!shared.1.wait_for(&mut data, Duration::ZERO));
    assert_eq!(*data, 0, "somebody was let in");
    drop(data);
    other.join().unwrap();
}

/// Two people at one account: `temp = n; n = temp - 1`, with nothing to keep them apart.
fn update_without_a_lock() {
    fn take_one(account: &Counter) {
        let temp = account.get();
        account.set(temp - 1);
    }
    let account = Arc::new(Counter::new());
    account.set(10);
    let other = thread::spawn({
        let account = Arc::clone(&account);
        move || take_one(&account)
    });
    take_one(&account);
    other.join().unwrap();
    assert_eq!(account.get(), 8);
}

/// The same with a lock, but taken twice: no race, and still an update is lost.
fn update_in_two_steps() {
    fn take_one(account: &Lock<i32>) {
        let temp = *account.lock();
        *account.lock() = temp - 1;
    }
    let account = Arc::new(Lock::new(10));
    let other = thread::spawn({
        let account = Arc::clone(&account);
        move || take_one(&account)
    });
    take_one(&account);
    other.join().unwrap();
    assert_eq!(*account.lock(), 8, "an update is lost");
}

/// The same as it should be.
fn update_with_a_lock() {
    fn take_one(account: &Lock<i32>) {
        let mut account = account.lock();
        let temp = *account;
        *account = temp - 1;
    }
    let account = Arc::new(Lock::new(10));
    let other = thread::spawn({
        let account = Arc::clone(&account);
        move || take_one(&account)
    });
    take_one(&account);
    other.join().unwrap();
    assert_eq!(*account.lock(), 8);
}

fn transfer(from: &Lock<i32>, to: &Lock<i32>) {
    let mut from = from.lock();
    let mut to = to.lock();
    *from -= 1;
    *to += 1;
}

/// One transfers from here to there, the other from there to here.
fn locks_in_opposite_orders() {
    let accounts = Arc::new((Lock::new(5), Lock::new(5)));
    let other = thread::spawn({
        let accounts = Arc::clone(&accounts);
        move || transfer(&accounts.1, &accounts.0)
    });
    transfer(&accounts.0, &accounts.1);
    other.join().unwrap();
}

/// Both take the locks in the same order.
fn locks_in_one_order() {
    let accounts = Arc::new((Lock::new(5), Lock::new(5)));
    let other = thread::spawn({
        let accounts = Arc::clone(&accounts);
        move || transfer(&accounts.0, &accounts.1)
    });
    transfer(&accounts.0, &accounts.1);
    other.join().unwrap();
    assert_eq!((*accounts.0.lock(), *accounts.1.lock()), (3, 7));
}

/// A thread that takes the same lock twice waits for itself.
fn lock_taken_twice() {
    let lock = Arc::new(Lock::new(0));
    let outer = lock.lock();
    drop(lock.lock());
    drop(outer);
}

/// One reentrant lock for both accounts, whichever comes first.
fn one_reentrant_lock() {
    struct Bank {
        lock: RLock<()>,
        here: Counter,
        there: Counter,
    }

    impl Bank {
        fn add(&self, account: &Counter, amount: usize) {
            let _level = self.lock.lock();
            account.set(account.get() + amount);
        }

        fn transfer(&self, from: &Counter, to: &Counter) {
            let _level = self.lock.lock();
            from.set(from.get() - 1);
            self.add(to, 1);
        }
    }

    let bank = Arc::new(Bank { lock: RLock::new(()), here: Counter::new(), there: Counter::new() });
    bank.here.set(5);
    bank.there.set(5);
    let other = thread::spawn({
        let bank = Arc::clone(&bank);
        move || bank.transfer(&bank.there, &bank.here)
    });
    bank.transfer(&bank.here, &bank.there);
    other.join().unwrap();
    assert_eq!((bank.here.get(), bank.there.get()), (5, 5));
}
