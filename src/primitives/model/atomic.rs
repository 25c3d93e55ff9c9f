//! Atomics of the model: newtypes over loom's that do four things more.
//!
//! 1. **A marker before each load.** loom 0.7 remembers one last access per atomic. A thread's own load
//!    overwrites another thread's, and the race between that load and a later store is never explored:
//!    `x.load(); x.store(1)` beside `r = x` runs once, with `r = 0`. The marker is a step on a loom `Condvar`
//!    that nobody waits on: it orders nothing and wakes nobody, but makes loads of one atomic depend on each
//!    other, and so loom tries them in both orders. The canary models hold this.
//! 2. **The latest value under the queue lock** (see `parking.rs`), where loom would hand out the oldest: of the word whose queue
//!    it is, and of one that was written under that lock last. Of any other word the oldest is right: a callback that looks at
//!    it has to reckon with that.
//! 3. **The recorder**, which is what a failing model prints.
//! 4. **Weakening**: one site's ordering can be replaced at run time.
//!
//! A word that anybody read-modify-writes is written by read-modify-writes only, or by [`Overwrite`]: loom lets a plain store beside
//! one produce values that cannot be.

use core::fmt;
use core::panic::Location;
use core::sync::atomic;

use loom::sync::Condvar;

use super::parking;
use super::recorder::{self, Orders, Value, What};
use super::weaken::{self, Fault, Operation};

pub use core::sync::atomic::Ordering;

/// A fence, unless it was weakened away.
#[track_caller]
pub fn fence(order: Ordering) {
    let location = Location::caller();
    let orders = weaken::order(location, Operation::Fence(order), order);
    recorder::step(0, location, What::Fence(orders), orders.used != orders.source);
    if orders.used != Ordering::Relaxed {
        loom::sync::atomic::fence(orders.used);
    }
}

/// A store into a word that others read-modify-write: a swap here, for loom's sake (see the top of the file). What a load may still read of older values is as with
/// a store, and so is what it orders, save that it goes on with a release sequence.
pub trait Overwrite<T> {
    /// Stores a value.
    #[track_caller]
    fn overwrite(&self, value: T, order: Ordering);
}

/// What an operation read and wrote.
#[derive(Clone, Copy)]
struct Seen<V> {
    read: Option<V>,
    written: Option<V>,
    wanted: Option<(V, V)>,
    latest: bool,
}

impl<V> Seen<V> {
    fn rmw(read: V, written: V) -> Seen<V> {
        Seen { read: Some(read), written: Some(written), wanted: None, latest: true }
    }
}

/// Notes an operation.
fn record<V: Value>(
    object: usize,
    location: &'static Location<'static>,
    name: &'static str,
    orders: Orders,
    seen: Seen<V>,
) {
    let what = What::Atomic(recorder::Operation {
        name,
        word: V::WORD,
        orders,
        read: seen.read.map(V::bits),
        written: seen.written.map(V::bits),
        wanted: seen.wanted.map(|(expected, next)| (expected.bits(), next.bits())),
        latest: seen.latest,
    });
    recorder::step(object, location, what, orders.used != orders.source);
}

/// A value in the list of moves: addresses differ from run to run, so of a pointer only whether it is one.
fn shown<V: Value>(value: V) -> u64 {
    match V::WORD {
        recorder::Word::Pointer => u64::from(value.bits() != 0),
        _ => value.bits(),
    }
}

macro_rules! model_atomic {
    ($(#[$meta:meta])* $Name:ident $(<$T:ident>)?, $inner:ty, $value:ty, $no_such_value:expr) => {
        $(#[$meta])*
        pub struct $Name $(<$T>)? {
            inner: $inner,
            marker: Condvar,
            /// The keys whose queue locks the last write was made under.
            written_under: [atomic::AtomicUsize; 2],
            /// What the last write left, for who asks which values become which.
            newest: atomic::AtomicU64,
        }

        impl $(<$T>)? $Name $(<$T>)? {
            /// A new atomic, registered with the running execution.
            #[track_caller]
            pub fn new(value: $value) -> Self {
                Self {
                    inner: <$inner>::new(value),
                    marker: Condvar::new(),
                    written_under: Default::default(),
                    newest: atomic::AtomicU64::new(shown(value)),
                }
            }

            /// Loads the value.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                let location = Location::caller();
                let orders = weaken::order(location, Operation::Load(order), order);
                let latest = self.is_locked();
                let value = if latest {
                    // A read-modify-write reads the latest value, and this one never writes.
                    match self.inner.compare_exchange($no_such_value, $no_such_value, orders.used, orders.used) {
                        Ok(value) | Err(value) => value,
                    }
                } else {
                    self.marker.notify_one();
                    self.inner.load(orders.used)
                };
                let seen = Seen { read: Some(value), written: None, wanted: None, latest };
                record(self.address(), location, "load", orders, seen);
                value
            }

            /// Stores a value.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                let location = Location::caller();
                let orders = weaken::order(location, Operation::Store(order), order);
                self.inner.store(value, orders.used);
                self.written(location, value);
                let seen = Seen { read: None, written: Some(value), wanted: None, latest: false };
                record(self.address(), location, "store", orders, seen);
            }

            /// Stores a value and returns the one before.
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                let location = Location::caller();
                let orders = weaken::order(location, Operation::Rmw("swap", order), order);
                let prev = self.inner.swap(value, orders.used);
                self.written(location, value);
                record(self.address(), location, "swap", orders, Seen::rmw(prev, value));
                prev
            }

            /// Stores `next` if the value is `expected`.
            ///
            /// # Errors
            ///
            /// The value found, if it is another one.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                expected: $value,
                next: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let location = Location::caller();
                let operation = Operation::CompareExchange(success, failure);
                let unbroken = |source| Orders { source, used: source };
                let (success, failure) = match weaken::visit(location, operation) {
                    Some(Fault::Order(used)) => (Orders { source: success, used }, unbroken(failure)),
                    Some(Fault::FailureOrder(used)) => (unbroken(success), Orders { source: failure, used }),
                    _ => (unbroken(success), unbroken(failure)),
                };
                let result = self.inner.compare_exchange(expected, next, success.used, failure.used);
                let (orders, seen) = match result {
                    Ok(read) => {
                        self.written(location, next);
                        (success, Seen::rmw(read, next))
                    }
                    Err(read) => {
                        let wanted = Some((expected, next));
                        (failure, Seen { read: Some(read), written: None, wanted, latest: true })
                    }
                };
                record(self.address(), location, "compare_exchange", orders, seen);
                result
            }

            /// As [`Self::compare_exchange`]: the model knows no spurious failure.
            ///
            /// # Errors
            ///
            /// The value found, if it is another one.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                expected: $value,
                next: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(expected, next, success, failure)
            }

            /// Notes the write that was just made, and which queue locks it was made under.
            fn written(&self, location: &'static Location<'static>, value: $value) {
                let prev = self.newest.swap(shown(value), Ordering::Relaxed);
                weaken::moved(location, prev, shown(value));
                for (place, key) in self.written_under.iter().zip(parking::locked()) {
                    place.store(key, Ordering::Relaxed);
                }
            }

            /// Whether the caller holds a queue lock that makes the latest value known to it.
            fn is_locked(&self) -> bool {
                parking::locked().into_iter().any(|key| {
                    let was_held = || self.written_under.iter().any(|held| held.load(Ordering::Relaxed) == key);
                    key != 0 && (key == self.address() || was_held())
                })
            }

            fn address(&self) -> usize {
                (&raw const *self).addr()
            }
        }

        impl $(<$T>)? Drop for $Name $(<$T>)? {
            fn drop(&mut self) {
                // The next object at this address shall have a queue marker of its own: the allocator may give
                // out addresses otherwise in the next execution, which has to take the same steps.
                parking::forget_key(self.address());
                recorder::dropped(self.address());
            }
        }

        impl $(<$T>)? fmt::Debug for $Name $(<$T>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($Name))
            }
        }
    };
}

macro_rules! model_integer {
    ($Name:ident, $int:ty) => {
        model_atomic!(
            #[doc = concat!("loom's `", stringify!($Name), "` with a marker, a recorder and a weakening.")]
            $Name,
            loom::sync::atomic::$Name,
            $int,
            <$int>::MAX
        );

        impl Overwrite<$int> for $Name {
            #[track_caller]
            fn overwrite(&self, value: $int, order: Ordering) {
                let location = Location::caller();
                let orders = weaken::order(location, Operation::Store(order), order);
                self.inner.swap(value, orders.used);
                self.written(location, value);
                let seen = Seen { read: None, written: Some(value), wanted: None, latest: false };
                record(self.address(), location, "overwrite", orders, seen);
            }
        }

        impl $Name {
            model_integer!(rmw $int, fetch_add, |prev, value| prev.wrapping_add(value));
            model_integer!(rmw $int, fetch_sub, |prev, value| prev.wrapping_sub(value));
            model_integer!(rmw $int, fetch_or, |prev, value| prev | value);
            model_integer!(rmw $int, fetch_and, |prev, value| prev & value);
        }
    };
    (rmw $int:ty, $name:ident, |$prev:ident, $value:ident| $next:expr) => {
        #[doc = concat!("`", stringify!($name), "`: returns the value before.")]
        #[track_caller]
        pub fn $name(&self, $value: $int, order: Ordering) -> $int {
            let location = Location::caller();
            let orders = weaken::order(location, Operation::Rmw(stringify!($name), order), order);
            let $prev = self.inner.$name($value, orders.used);
            let next = $next;
            self.written(location, next);
            record(self.address(), location, stringify!($name), orders, Seen::rmw($prev, next));
            $prev
        }
    };
}

model_integer!(AtomicU8, u8);
model_integer!(AtomicU16, u16);
model_integer!(AtomicU64, u64);
model_integer!(AtomicUsize, usize);
model_atomic!(
    /// loom's `AtomicPtr` with a marker, a recorder and a weakening.
    AtomicPtr<T>,
    loom::sync::atomic::AtomicPtr<T>,
    *mut T,
    core::ptr::without_provenance_mut(usize::MAX)
);
