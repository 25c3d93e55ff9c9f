//! Single operations without contention, each beside its peers, for who works on one type:
//! `cargo bench --manifest-path benches/Cargo.toml -- semaphore`.
//!
//! The figures of record are those of `cargo peers`, which takes the contenders in turn.

use divan::{Bencher, black_box};
use raddle_benches::{event, lock, monitor, queue, rlock, semaphore};

fn main() {
    divan::main();
}

/// A benchmark with each of the types, by their names.
macro_rules! beside {
    ($name:ident, $run:ident, [$($peer:ty),* $(,)?]) => {
        #[divan::bench(args = [$(<$peer>::NAME),*])]
        fn $name(bencher: Bencher<'_, '_>, peer: &str) {
            $(
                if peer == <$peer>::NAME {
                    return $run::<$peer>(bencher);
                }
            )*
        }
    };
}

mod locks {
    use super::*;
    use lock::peers::*;

    beside!(lock, lock_of, [Raddle, Std, ParkingLot, ParkingLotFair, Usync]);

    fn lock_of<M: Mutex>(bencher: Bencher<'_, '_>) {
        let lock = M::new(0);
        bencher.bench_local(|| lock.with(|count| *count += 1));
    }
}

mod rlocks {
    use super::*;
    use rlock::{ParkingLot, Raddle, Reentrant};

    beside!(rlock_first, rlock_first_of, [Raddle, ParkingLot]);

    fn rlock_first_of<L: Reentrant>(bencher: Bencher<'_, '_>) {
        let lock = L::new();
        bencher.bench_local(|| lock.with(|count| count.set(count.get() + 1)));
    }

    beside!(rlock_nested, rlock_nested_of, [Raddle, ParkingLot]);

    fn rlock_nested_of<L: Reentrant>(bencher: Bencher<'_, '_>) {
        let lock = L::new();
        lock.with(|_| bencher.bench_local(|| lock.with(|count| count.set(count.get() + 1))));
    }
}

mod semaphores {
    use super::*;
    use semaphore::{AsyncLock, Counting, CountingMany, Raddle, Std, Tokio};

    beside!(semaphore, semaphore_of, [Raddle, Tokio, AsyncLock, Std]);

    fn semaphore_of<S: Counting>(bencher: Bencher<'_, '_>) {
        let semaphore = S::new(1);
        bencher.bench_local(|| semaphore.with(|| ()));
    }

    beside!(semaphore_many, semaphore_many_of, [Raddle, Tokio, Std]);

    fn semaphore_many_of<S: CountingMany>(bencher: Bencher<'_, '_>) {
        let semaphore = S::new(3);
        bencher.bench_local(|| semaphore.with_many(3, || ()));
    }
}

mod events {
    use super::*;
    use event::{EventListener, ParkingLot, Raddle, Rsevents, Signal, Std};

    beside!(event_is_set, event_is_set_of, [Raddle, EventListener, Rsevents, Std, ParkingLot]);

    fn event_is_set_of<S: Signal>(bencher: Bencher<'_, '_>) {
        let event = S::new();
        event.set();
        bencher.bench_local(|| black_box(&event).is_set());
    }

    beside!(event_wait, event_wait_of, [Raddle, EventListener, Rsevents, Std, ParkingLot]);

    fn event_wait_of<S: Signal>(bencher: Bencher<'_, '_>) {
        let event = S::new();
        event.set();
        bencher.bench_local(|| black_box(&event).wait());
    }

    beside!(event_set_and_clear, event_set_and_clear_of, [Raddle, EventListener, Rsevents, Std, ParkingLot]);

    fn event_set_and_clear_of<S: Signal>(bencher: Bencher<'_, '_>) {
        let event = S::new();
        bencher.bench_local(|| {
            event.set();
            event.clear();
        });
    }
}

mod conditions {
    use super::*;
    use monitor::{Monitor, ParkingLot, Raddle, Side, Std};

    beside!(condition_notify_nobody, condition_notify_nobody_of, [Raddle, Std, ParkingLot]);

    fn condition_notify_nobody_of<M: Monitor>(bencher: Bencher<'_, '_>) {
        let monitor = M::new(0);
        bencher.bench_local(|| black_box(&monitor).notify_one(Side::There));
    }
}

mod queues {
    use super::*;
    use queue::peers::{Channel, Crossbeam, Crossfire, Flume, Kanal, Raddle};

    beside!(queue_bounded, queue_bounded_of, [Raddle, Crossbeam, Flume, Kanal, Crossfire]);

    fn queue_bounded_of<C: Channel>(bencher: Bencher<'_, '_>) {
        put_and_get::<C>(bencher, Some(1024));
    }

    beside!(queue_unbounded, queue_unbounded_of, [Raddle, Crossbeam, Flume, Kanal, Crossfire]);

    fn queue_unbounded_of<C: Channel>(bencher: Bencher<'_, '_>) {
        put_and_get::<C>(bencher, None);
    }

    fn put_and_get<C: Channel>(bencher: Bencher<'_, '_>, capacity: Option<usize>) {
        let shared = C::open::<[u64; 1]>(capacity);
        let (putter, getter) = (C::putter(&shared), C::getter(&shared));
        bencher.bench_local(|| {
            C::put(&putter, black_box([1]));
            C::get(&getter)
        });
    }
}
