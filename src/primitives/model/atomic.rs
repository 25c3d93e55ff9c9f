//! Atomics of the model: newtypes over loom's that do four things more.
//!
//! 1. **A marker before each load.** loom 0.7 remembers one last access per atomic. A thread's own load
//!    overwrites another thread's, and the race between that load and a later store is never explored:
//!    `x.load(); x.store(1)` beside `r = x` runs once, with `r = 0`. The marker is a step on a loom `Condvar`
//!    that nobody waits on: it orders nothing and wakes nobody, but makes loads of one atomic depend on each
//!    other, and so loom tries them in both orders. The canary models hold this.
//! 2. **The latest value inside a section** (see `parking.rs`), where loom would hand out the oldest.
//! 3. **The recorder**, which is what a failing model prints.
//! 4. **Weakening**: one site's ordering can be replaced at run time.
//!
//! A word that anybody read-modify-writes is written by read-modify-writes only: loom lets a plain store beside
//! one produce values that cannot be.

use core::fmt;
use core::panic::Location;

use loom::sync::Condvar;

use super::weaken::{self, Fault, Operation};
use super::{parking, recorder};

pub use core::sync::atomic::Ordering;

/// A fence, unless it was weakened away.
#[track_caller]
pub fn fence(order: Ordering) {
    let location = Location::caller();
    let order = weaken::order(location, Operation::Fence(order), order);
    recorder::step(0, location, || format!("fence {order:?}"));
    if order != Ordering::Relaxed {
        loom::sync::atomic::fence(order);
    }
}

macro_rules! model_atomic {
    ($(#[$meta:meta])* $Name:ident $(<$T:ident>)?, $inner:ty, $value:ty, $no_such_value:expr) => {
        $(#[$meta])*
        pub struct $Name $(<$T>)? {
            inner: $inner,
            marker: Condvar,
        }

        impl $(<$T>)? $Name $(<$T>)? {
            /// A new atomic, registered with the running execution.
            #[track_caller]
            pub fn new(value: $value) -> Self {
                Self { inner: <$inner>::new(value), marker: Condvar::new() }
            }

            /// Loads the value.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                let location = Location::caller();
                let order = weaken::order(location, Operation::Load(order), order);
                let value = if parking::in_section() {
                    // A read-modify-write reads the latest value, and this one never writes.
                    match self.inner.compare_exchange($no_such_value, $no_such_value, order, order) {
                        Ok(value) | Err(value) => value,
                    }
                } else {
                    self.marker.notify_one();
                    self.inner.load(order)
                };
                self.record(location, || format!("load = {value:?}  {order:?}"));
                value
            }

            /// Stores a value.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                let location = Location::caller();
                let order = weaken::order(location, Operation::Store(order), order);
                self.inner.store(value, order);
                self.record(location, || format!("store {value:?}  {order:?}"));
            }

            /// Stores a value and returns the one before.
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                let location = Location::caller();
                let order = weaken::order(location, Operation::Rmw("swap", order), order);
                let prev = self.inner.swap(value, order);
                self.record(location, || format!("swap {prev:?} -> {value:?}  {order:?}"));
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
                let (success, failure) = match weaken::visit(location, operation) {
                    Some(Fault::Order(weaker)) => (weaker, failure),
                    Some(Fault::FailureOrder(weaker)) => (success, weaker),
                    _ => (success, failure),
                };
                let result = self.inner.compare_exchange(expected, next, success, failure);
                self.record(location, || match result {
                    Ok(_) => format!("cas {expected:?} -> {next:?}  {success:?}"),
                    Err(actual) => format!("cas {expected:?} -> {next:?} but was {actual:?}  {failure:?}"),
                });
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

            fn record(&self, location: &'static Location<'static>, what: impl FnOnce() -> String) {
                recorder::step((&raw const *self).addr(), location, what);
            }
        }

        impl $(<$T>)? Drop for $Name $(<$T>)? {
            fn drop(&mut self) {
                // The next object at this address shall have a queue marker of its own: the allocator may give
                // out addresses otherwise in the next execution, which has to take the same steps.
                parking::forget_key((&raw const *self).addr());
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
            let order = weaken::order(location, Operation::Rmw(stringify!($name), order), order);
            let $prev = self.inner.$name($value, order);
            self.record(location, || {
                let next = $next;
                format!("{} {:?} -> {next:?}  {order:?}", stringify!($name), $prev)
            });
            $prev
        }
    };
}

model_integer!(AtomicU8, u8);
model_integer!(AtomicU64, u64);
model_integer!(AtomicUsize, usize);
model_atomic!(
    /// loom's `AtomicPtr` with a marker, a recorder and a weakening.
    AtomicPtr<T>,
    loom::sync::atomic::AtomicPtr<T>,
    *mut T,
    core::ptr::without_provenance_mut(usize::MAX)
);
