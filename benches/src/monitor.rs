//! Locks together with their conditions: the workloads of the condition, and what peers are made of that have nothing else.

use std::sync::PoisonError;

/// A number behind a lock, and two conditions.
pub trait Monitor: Send + Sync + 'static {
    const NAME: &'static str;

    fn new(value: u64) -> Self;
    /// Calls `f` with the lock held.
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R;
    /// With the lock held, waits on that condition while `is_early` says so; then calls `f`.
    fn when<R>(
        &self,
        condition: Side,
        is_early: impl FnMut(&mut u64) -> bool,
        f: impl FnOnce(&mut u64) -> R,
    ) -> R;
    fn notify_one(&self, condition: Side);
    fn notify_all(&self, condition: Side);
}

/// Which of the two conditions.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    There = 0,
    Back = 1,
}

/// raddle's and parking_lot's are called alike.
macro_rules! monitor {
    ($Name:ident, $name:literal, $lock:ty, $condition:ty) => {
        pub struct $Name {
            lock: $lock,
            changed: [$condition; 2],
        }

        impl Monitor for $Name {
            const NAME: &'static str = $name;

            fn new(value: u64) -> Self {
                $Name { lock: <$lock>::new(value), changed: Default::default() }
            }

            #[inline]
            fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
                f(&mut self.lock.lock())
            }

            #[inline]
            fn when<R>(
                &self,
                condition: Side,
                is_early: impl FnMut(&mut u64) -> bool,
                f: impl FnOnce(&mut u64) -> R,
            ) -> R {
                let mut guard = self.lock.lock();
                self.changed[condition as usize].wait_while(&mut guard, is_early);
                f(&mut guard)
            }

            #[inline]
            fn notify_one(&self, condition: Side) {
                self.changed[condition as usize].notify_one();
            }

            #[inline]
            fn notify_all(&self, condition: Side) {
                self.changed[condition as usize].notify_all();
            }
        }
    };
}

monitor!(Raddle, "raddle", raddle::Lock<u64>, raddle::Condition);
monitor!(ParkingLot, "parking_lot", parking_lot::Mutex<u64>, parking_lot::Condvar);

pub struct Std {
    lock: std::sync::Mutex<u64>,
    changed: [std::sync::Condvar; 2],
}

impl Monitor for Std {
    const NAME: &'static str = "std";

    fn new(value: u64) -> Self {
        Std { lock: std::sync::Mutex::new(value), changed: Default::default() }
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        f(&mut self.lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[inline]
    fn when<R>(
        &self,
        condition: Side,
        is_early: impl FnMut(&mut u64) -> bool,
        f: impl FnOnce(&mut u64) -> R,
    ) -> R {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed[condition as usize].wait_while(guard, is_early);
        f(&mut waited.unwrap_or_else(PoisonError::into_inner))
    }

    #[inline]
    fn notify_one(&self, condition: Side) {
        self.changed[condition as usize].notify_one();
    }

    #[inline]
    fn notify_all(&self, condition: Side) {
        self.changed[condition as usize].notify_all();
    }
}
