//! The queues, each behind the same few calls.
//!
//! Everything is dispatched statically: a measured loop is compiled once per peer and item type.

use std::cell::Cell;

use raddle::JoinableQueue;

/// What is put and got.
pub trait Item: Default + Clone + Send + Sync + 'static {
    fn from_key(key: u64) -> Self;
    fn key(&self) -> u64;
}

impl Item for [u64; 1] {
    #[inline]
    fn from_key(key: u64) -> Self {
        [key]
    }

    #[inline]
    fn key(&self) -> u64 {
        self[0]
    }
}

impl Item for [u64; 8] {
    #[inline]
    fn from_key(key: u64) -> Self {
        [key; 8]
    }

    #[inline]
    fn key(&self) -> u64 {
        self[0]
    }
}

/// A queue of some crate. Blocking calls only; any error is a panic, for none can happen while all handles live.
pub trait Channel: 'static {
    const NAME: &'static str;
    /// Whether it can have more than one getter.
    const MANY_GETTERS: bool = true;
    /// Whether it can be unbounded.
    const UNBOUNDED: bool = true;

    /// What lives as long as the sample. It keeps a handle of each kind where it can, so that no side is ever closed.
    type Shared<T: Item>;
    type Putter<'a, T: Item>: Send;
    type Getter<'a, T: Item>: Send;

    /// `None` is unbounded.
    fn open<T: Item>(capacity: Option<usize>) -> Self::Shared<T>;
    fn putter<T: Item>(shared: &Self::Shared<T>) -> Self::Putter<'_, T>;
    fn getter<T: Item>(shared: &Self::Shared<T>) -> Self::Getter<'_, T>;
    fn put<T: Item>(putter: &Self::Putter<'_, T>, item: T);
    fn get<T: Item>(getter: &Self::Getter<'_, T>) -> T;
}

/// Something to be done once per peer.
pub trait Visit {
    fn visit<C: Channel>(&mut self);
}

/// Shows every peer to `visitor`, raddle first.
pub fn each(visitor: &mut impl Visit) {
    visitor.visit::<Raddle>();
    visitor.visit::<Crossbeam>();
    visitor.visit::<Flume>();
    visitor.visit::<Kanal>();
    visitor.visit::<Crossfire>();
    visitor.visit::<StdMpsc>();
    visitor.visit::<AsyncChannel>();
    visitor.visit::<Thingbuf>();
}

pub struct Raddle;

impl Channel for Raddle {
    const NAME: &'static str = "raddle";

    type Shared<T: Item> = JoinableQueue<T>;
    type Putter<'a, T: Item> = &'a JoinableQueue<T>;
    type Getter<'a, T: Item> = &'a JoinableQueue<T>;

    fn open<T: Item>(capacity: Option<usize>) -> Self::Shared<T> {
        match capacity {
            Some(capacity) => JoinableQueue::bounded(capacity),
            None => JoinableQueue::unbounded(),
        }
    }

    fn putter<T: Item>(shared: &Self::Shared<T>) -> Self::Putter<'_, T> {
        shared
    }

    fn getter<T: Item>(shared: &Self::Shared<T>) -> Self::Getter<'_, T> {
        shared
    }

    #[inline]
    fn put<T: Item>(putter: &Self::Putter<'_, T>, item: T) {
        putter.put(item).unwrap();
    }

    #[inline]
    fn get<T: Item>(getter: &Self::Getter<'_, T>) -> T {
        getter.get().unwrap()
    }
}

/// An adapter for a crate whose handles are clones of a pair (sender, receiver).
macro_rules! cloned_handles {
    (
        $adapter:ident, $name:literal, $sender:ty, $receiver:ty, $bounded:expr, $unbounded:expr,
        $send:ident, $recv:ident
    ) => {
        pub struct $adapter;

        impl Channel for $adapter {
            const NAME: &'static str = $name;

            type Shared<T: Item> = ($sender, $receiver);
            type Putter<'a, T: Item> = $sender;
            type Getter<'a, T: Item> = $receiver;

            fn open<T: Item>(capacity: Option<usize>) -> Self::Shared<T> {
                match capacity {
                    Some(capacity) => $bounded(capacity),
                    None => $unbounded(),
                }
            }

            fn putter<T: Item>(shared: &Self::Shared<T>) -> Self::Putter<'_, T> {
                shared.0.clone()
            }

            fn getter<T: Item>(shared: &Self::Shared<T>) -> Self::Getter<'_, T> {
                shared.1.clone()
            }

            #[inline]
            fn put<T: Item>(putter: &Self::Putter<'_, T>, item: T) {
                putter.$send(item).unwrap();
            }

            #[inline]
            fn get<T: Item>(getter: &Self::Getter<'_, T>) -> T {
                getter.$recv().unwrap()
            }
        }
    };
}

cloned_handles!(
    Crossbeam,
    "crossbeam-channel",
    crossbeam_channel::Sender<T>,
    crossbeam_channel::Receiver<T>,
    crossbeam_channel::bounded,
    crossbeam_channel::unbounded,
    send,
    recv
);

cloned_handles!(
    Flume,
    "flume",
    flume::Sender<T>,
    flume::Receiver<T>,
    flume::bounded,
    flume::unbounded,
    send,
    recv
);

cloned_handles!(
    Kanal,
    "kanal",
    kanal::Sender<T>,
    kanal::Receiver<T>,
    kanal::bounded,
    kanal::unbounded,
    send,
    recv
);

cloned_handles!(
    AsyncChannel,
    "async-channel",
    async_channel::Sender<T>,
    async_channel::Receiver<T>,
    async_channel::bounded,
    async_channel::unbounded,
    send_blocking,
    recv_blocking
);

/// The many-to-many flavour. Its bounded and unbounded queues are different types, told apart once per call.
pub struct Crossfire;

pub enum Either<B, U> {
    Bounded(B),
    Unbounded(U),
}

impl Channel for Crossfire {
    const NAME: &'static str = "crossfire";

    type Shared<T: Item> = (
        Either<crossfire::MTx<crossfire::mpmc::Array<T>>, crossfire::MTx<crossfire::mpmc::List<T>>>,
        Either<crossfire::MRx<crossfire::mpmc::Array<T>>, crossfire::MRx<crossfire::mpmc::List<T>>>,
    );
    type Putter<'a, T: Item> =
        Either<crossfire::MTx<crossfire::mpmc::Array<T>>, crossfire::MTx<crossfire::mpmc::List<T>>>;
    type Getter<'a, T: Item> =
        Either<crossfire::MRx<crossfire::mpmc::Array<T>>, crossfire::MRx<crossfire::mpmc::List<T>>>;

    fn open<T: Item>(capacity: Option<usize>) -> Self::Shared<T> {
        // Its docs ask for this at the start of a program. It does something once only.
        crossfire::detect_backoff_cfg();
        match capacity {
            Some(capacity) => {
                let (sender, receiver) = crossfire::mpmc::bounded_blocking(capacity);
                (Either::Bounded(sender), Either::Bounded(receiver))
            }
            None => {
                let (sender, receiver) = crossfire::mpmc::unbounded_blocking();
                (Either::Unbounded(sender), Either::Unbounded(receiver))
            }
        }
    }

    fn putter<T: Item>(shared: &Self::Shared<T>) -> Self::Putter<'_, T> {
        match &shared.0 {
            Either::Bounded(sender) => Either::Bounded(sender.clone()),
            Either::Unbounded(sender) => Either::Unbounded(sender.clone()),
        }
    }

    fn getter<T: Item>(shared: &Self::Shared<T>) -> Self::Getter<'_, T> {
        match &shared.1 {
            Either::Bounded(receiver) => Either::Bounded(receiver.clone()),
            Either::Unbounded(receiver) => Either::Unbounded(receiver.clone()),
        }
    }

    #[inline]
    fn put<T: Item>(putter: &Self::Putter<'_, T>, item: T) {
        match putter {
            Either::Bounded(sender) => sender.send(item).unwrap(),
            Either::Unbounded(sender) => sender.send(item).unwrap(),
        }
    }

    #[inline]
    fn get<T: Item>(getter: &Self::Getter<'_, T>) -> T {
        match getter {
            Either::Bounded(receiver) => receiver.recv().unwrap(),
            Either::Unbounded(receiver) => receiver.recv().unwrap(),
        }
    }
}

/// Its bounded and unbounded senders are different types, told apart once per put.
pub struct StdMpsc;

impl Channel for StdMpsc {
    const NAME: &'static str = "std-mpsc";
    const MANY_GETTERS: bool = false;

    type Shared<T: Item> = (
        Either<std::sync::mpsc::SyncSender<T>, std::sync::mpsc::Sender<T>>,
        Cell<Option<std::sync::mpsc::Receiver<T>>>,
    );
    type Putter<'a, T: Item> = Either<std::sync::mpsc::SyncSender<T>, std::sync::mpsc::Sender<T>>;
    type Getter<'a, T: Item> = std::sync::mpsc::Receiver<T>;

    fn open<T: Item>(capacity: Option<usize>) -> Self::Shared<T> {
        match capacity {
            Some(capacity) => {
                let (sender, receiver) = std::sync::mpsc::sync_channel(capacity);
                (Either::Bounded(sender), Cell::new(Some(receiver)))
            }
            None => {
                let (sender, receiver) = std::sync::mpsc::channel();
                (Either::Unbounded(sender), Cell::new(Some(receiver)))
            }
        }
    }

    fn putter<T: Item>(shared: &Self::Shared<T>) -> Self::Putter<'_, T> {
        match &shared.0 {
            Either::Bounded(sender) => Either::Bounded(sender.clone()),
            Either::Unbounded(sender) => Either::Unbounded(sender.clone()),
        }
    }

    fn getter<T: Item>(shared: &Self::Shared<T>) -> Self::Getter<'_, T> {
        shared.1.take().expect("std::sync::mpsc has one getter")
    }

    #[inline]
    fn put<T: Item>(putter: &Self::Putter<'_, T>, item: T) {
        match putter {
            Either::Bounded(sender) => sender.send(item).unwrap(),
            Either::Unbounded(sender) => sender.send(item).unwrap(),
        }
    }

    #[inline]
    fn get<T: Item>(getter: &Self::Getter<'_, T>) -> T {
        getter.recv().unwrap()
    }
}

pub struct Thingbuf;

impl Channel for Thingbuf {
    const NAME: &'static str = "thingbuf";
    const MANY_GETTERS: bool = false;
    const UNBOUNDED: bool = false;

    type Shared<T: Item> =
        (thingbuf::mpsc::blocking::Sender<T>, Cell<Option<thingbuf::mpsc::blocking::Receiver<T>>>);
    type Putter<'a, T: Item> = thingbuf::mpsc::blocking::Sender<T>;
    type Getter<'a, T: Item> = thingbuf::mpsc::blocking::Receiver<T>;

    fn open<T: Item>(capacity: Option<usize>) -> Self::Shared<T> {
        let capacity = capacity.expect("thingbuf has no unbounded queue");
        let (sender, receiver) = thingbuf::mpsc::blocking::channel(capacity);
        (sender, Cell::new(Some(receiver)))
    }

    fn putter<T: Item>(shared: &Self::Shared<T>) -> Self::Putter<'_, T> {
        shared.0.clone()
    }

    fn getter<T: Item>(shared: &Self::Shared<T>) -> Self::Getter<'_, T> {
        shared.1.take().expect("thingbuf's mpsc has one getter")
    }

    #[inline]
    fn put<T: Item>(putter: &Self::Putter<'_, T>, item: T) {
        putter.send(item).unwrap();
    }

    #[inline]
    fn get<T: Item>(getter: &Self::Getter<'_, T>) -> T {
        getter.recv().unwrap()
    }
}
