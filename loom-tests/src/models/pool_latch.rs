//! The latch: whoever waits goes on when the count is at zero, sees what all have done who counted down, and finds the latch its own.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use super::{Model, bounded, exhaustive};
use crate::world::{Arc, Data, JoinHandle, spawn, spinning};
use raddle::pool::latch::Latch;
use raddle::primitives::atomic::{AtomicUsize, Ordering};

/// The models of this file.
pub const MODELS: &[Model] = &[
    exhaustive("latch_wait", 178, wait),
    exhaustive("latch_wait_spinning", 113, wait_spinning),
    exhaustive("latch_is_done", 11, is_done),
    exhaustive("latch_place_is_free", 178, place_is_free),
    exhaustive("latch_both_count", 1022, both_count),
    bounded("latch_add", 4, 13_438, add),
    bounded("latch_two_count_down", 3, 5226, two_count_down),
    bounded("latch_add_and_two_helpers", 3, 217_697, add_and_two_helpers),
];

/// A place on the stack of one who waits.
struct Place {
    latch: UnsafeCell<MaybeUninit<Latch>>,
    data: [Data<u32>; 2],
}

// SAFETY: a latch is made for sharing, and goes only when one has waited for it.
unsafe impl Sync for Place {}

impl Place {
    fn new(count: usize) -> Arc<Place> {
        Arc::new(Place {
            latch: UnsafeCell::new(MaybeUninit::new(Latch::new(count))),
            data: [(); 2].map(|()| Data::new(0)),
        })
    }

    fn latch(&self) -> &Latch {
        // SAFETY: it goes only when one has waited for it, and nobody uses it any more.
        unsafe { (*self.latch.get()).assume_init_ref() }
    }

    fn count_down(&self) {
        // SAFETY: each model counts its threads in.
        unsafe { Latch::count_down(self.latch.get().cast()) };
    }

    fn counter(self: &Arc<Place>, index: usize) -> JoinHandle<()> {
        let place = Arc::clone(self);
        spawn(move || {
            place.data[index].with_mut(|data| *data = 1);
            place.count_down();
        })
    }

    /// The latch goes, and its place is used for something else. For one who has waited for it.
    fn free(&self) {
        // SAFETY: nobody uses the latch any more: that is what is to be shown.
        unsafe {
            (*self.latch.get()).assume_init_drop();
            self.latch.get().write_bytes(0xa5, 1);
        }
    }

    /// Nobody has touched what stands there now. (Under loom, whoever does so fails at once.)
    fn assert_untouched(&self) {
        // SAFETY: all bytes were written in `free`, and all threads have ended.
        let bytes: [u8; size_of::<Latch>()] =
            unsafe { self.latch.get().cast::<[u8; size_of::<Latch>()]>().read() };
        assert!(bytes.iter().all(|&byte| byte == 0xa5), "somebody has touched the latch when it was gone");
    }

    fn assert_seen(&self, index: usize) {
        self.data[index].with_mut(|data| assert_eq!(*data, 1));
    }
}

/// Count down against wait.
fn wait() {
    let place = Place::new(1);
    let counter = place.counter(0);
    place.latch().wait(|| {});
    place.assert_seen(0);
    assert!(place.latch().is_done());
    counter.join().unwrap();
    place.free();
}

/// Count down against wait, and who waits stays awake for a moment.
fn wait_spinning() {
    let _spinning = spinning(1);
    wait();
}

/// Who sees it done sees what came before.
fn is_done() {
    let place = Place::new(1);
    let counter = place.counter(0);
    if place.latch().is_done() {
        place.assert_seen(0);
    }
    counter.join().unwrap();
    place.free();
}

/// Whoever has waited uses the place for something else at once, and nobody touches that.
fn place_is_free() {
    let place = Place::new(1);
    let counter = place.counter(0);
    place.latch().wait(|| {});
    place.free();
    counter.join().unwrap();
    place.assert_untouched();
}

/// The waiter is counted itself, as a scope's closure is.
fn both_count() {
    let place = Place::new(2);
    let counter = place.counter(0);
    place.count_down();
    place.latch().wait(|| {});
    place.assert_seen(0);
    place.free();
    counter.join().unwrap();
    place.assert_untouched();
}

/// Two count down, and one waits: it sees what both have done.
fn two_count_down() {
    let place = Place::new(2);
    let counters = [place.counter(0), place.counter(1)];
    place.latch().wait(|| {});
    place.assert_seen(0);
    place.assert_seen(1);
    place.free();
    for counter in counters {
        counter.join().unwrap();
    }
    place.assert_untouched();
}

/// A place where one who is counted lists a job, for the waiter to run it.
struct Listed {
    place: Arc<Place>,
    job: AtomicUsize,
}

impl Listed {
    fn new(count: usize) -> Arc<Listed> {
        Arc::new(Listed { place: Place::new(count), job: AtomicUsize::new(0) })
    }

    /// Makes a job that only the waiter runs, and is done.
    fn list(&self) {
        self.place.data[0].with_mut(|data| *data = 7);
        let latch = self.place.latch();
        latch.add();
        // Release: the list brings what is in it. That the waiter looks is up to the latch.
        self.job.fetch_or(1, Ordering::Release);
        latch.added();
        self.place.count_down();
    }

    fn help(&self) {
        // Acquire: as above.
        if self.job.load(Ordering::Acquire) == 1 {
            self.job.fetch_and(0, Ordering::Relaxed);
            self.place.data[0].with_mut(|data| *data += 1);
            self.place.count_down();
        }
    }
}

/// A job comes while the waiter waits, and only the waiter runs it: it is woken for that.
fn add() {
    let listed = Listed::new(1);
    let lister = spawn({
        let listed = Arc::clone(&listed);
        move || listed.list()
    });
    listed.place.latch().wait(|| listed.help());
    listed.place.data[0].with(|data| assert_eq!(*data, 8));
    listed.place.free();
    lister.join().unwrap();
    listed.place.assert_untouched();
}

/// The same, and a third counts down at any time.
fn add_and_two_helpers() {
    let listed = Listed::new(2);
    let lister = spawn({
        let listed = Arc::clone(&listed);
        move || listed.list()
    });
    let counter = listed.place.counter(1);
    listed.place.latch().wait(|| listed.help());
    listed.place.data[0].with(|data| assert_eq!(*data, 8));
    listed.place.assert_seen(1);
    listed.place.free();
    lister.join().unwrap();
    counter.join().unwrap();
    listed.place.assert_untouched();
}
