//! The locks, each behind the same few calls.

/// A lock with a number behind it.
pub trait Mutex: Send + Sync + 'static {
    const NAME: &'static str;

    fn new(value: u64) -> Self;
    /// Calls `f` with the lock held.
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R;
}

pub type Raddle = raddle::Lock<u64>;
pub type Std = std::sync::Mutex<u64>;
pub type ParkingLot = parking_lot::Mutex<u64>;
pub type ParkingLotFair = parking_lot::FairMutex<u64>;
pub type Usync = usync::Mutex<u64>;
#[cfg(target_os = "linux")]
pub type Pthread = crate::posix::Mutex<u64>;

macro_rules! mutex {
    ($type:ty, $name:literal, |$lock:ident| $guard:expr) => {
        impl Mutex for $type {
            const NAME: &'static str = $name;

            fn new(value: u64) -> Self {
                <$type>::new(value)
            }

            #[inline]
            fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
                let $lock = self;
                f(&mut $guard)
            }
        }
    };
}

mutex!(Raddle, "raddle", |lock| lock.lock());
mutex!(Std, "std", |lock| lock.lock().expect("nobody panics"));
mutex!(ParkingLot, "parking_lot", |lock| lock.lock());
mutex!(ParkingLotFair, "parking_lot fair", |lock| lock.lock());
mutex!(Usync, "usync", |lock| lock.lock());

#[cfg(target_os = "linux")]
impl Mutex for Pthread {
    const NAME: &'static str = "pthread";

    fn new(value: u64) -> Self {
        Pthread::new(value)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        self.with(f)
    }
}
