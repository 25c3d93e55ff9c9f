//! Lends connections: so many at a time, opened when they are first needed, and kept for the next. A program that is modelled: the page
//! `docs/modelling-your-code.md` begins with an empty crate and ends here.
//!
//! `cargo run --example lending` runs it; `cargo test --release --features loom --example lending` lets loom explore its models.

use std::time::Duration;

use raddle::{Condition, Lock, Permit, Semaphore};

raddle::static_sync! {
    /// How many connections were ever opened.
    static OPENED: Lock<u32> = Lock::new(0);
}

/// Something that is dear to open and can be used by one at a time.
#[derive(Debug)]
struct Connection {
    number: u32,
    queries: u32,
}

impl Connection {
    fn open() -> Connection {
        let mut opened = OPENED.lock();
        *opened += 1;
        Connection { number: *opened, queries: 0 }
    }

    fn query(&mut self, question: &str) -> String {
        self.queries += 1;
        format!("{question}: asked of {}", self.number)
    }
}

/// Lends connections, and waits for them.
struct Lender {
    /// A permit for each connection that may be out at the same time.
    places: Semaphore,
    desk: Lock<Desk>,
    /// Notified when the last one comes back.
    all_back: Condition,
}

/// What is written down, with the lock held.
#[derive(Default)]
struct Desk {
    idle: Vec<Connection>,
    out: usize,
    loans: usize,
}

/// A connection that comes back when this is dropped.
struct Loan<'a> {
    connection: Option<Connection>,
    lender: &'a Lender,
    /// Dropped after the code of `drop` has run: the place is free when the connection is back.
    _place: Permit<'a>,
}

impl Lender {
    fn new(places: usize) -> Lender {
        Lender { places: Semaphore::new(places), desk: Lock::default(), all_back: Condition::new() }
    }

    /// Waits for a place.
    fn lend(&self) -> Loan<'_> {
        self.hand_out(self.places.acquire())
    }

    /// Waits for a place for so long. `None` if there is none in time.
    fn lend_for(&self, timeout: Duration) -> Option<Loan<'_>> {
        let place = self.places.try_acquire_for(timeout)?;
        Some(self.hand_out(place))
    }

    fn hand_out<'a>(&'a self, place: Permit<'a>) -> Loan<'a> {
        let mut desk = self.desk.lock();
        desk.out += 1;
        desk.loans += 1;
        let idle = desk.idle.pop();
        drop(desk);
        let connection = idle.unwrap_or_else(Connection::open);
        Loan { connection: Some(connection), lender: self, _place: place }
    }

    /// Waits until no connection is out.
    fn wait_until_all_are_back(&self) {
        let mut desk = self.desk.lock();
        self.all_back.wait_while(&mut desk, |desk| desk.out > 0);
    }

    /// How many loans there were so far.
    fn loans(&self) -> usize {
        self.desk.lock().loans
    }
}

impl Loan<'_> {
    fn query(&mut self, question: &str) -> String {
        self.connection.as_mut().expect("it goes back in `drop` only").query(question)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut desk = self.lender.desk.lock();
        desk.idle.extend(self.connection.take());
        desk.out -= 1;
        if desk.out == 0 {
            self.lender.all_back.notify_all();
        }
    }
}

fn main() {
    let lender = Lender::new(2);
    std::thread::scope(|s| {
        for reader in 0..8 {
            let lender = &lender;
            s.spawn(move || {
                let answer = lender.lend().query(&format!("reader {reader}"));
                println!("{answer}");
                if lender.lend_for(Duration::from_millis(1)).is_none() {
                    println!("reader {reader}: no second one in time");
                }
            });
        }
    });
    lender.wait_until_all_are_back();
    println!("{} loans of {} connections", lender.loans(), *OPENED.lock());
}

#[cfg(all(test, feature = "loom"))]
mod models {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use loom::thread;

    use super::*;

    /// Lets loom explore `body`. Says how many executions it took.
    fn explore(preemptions: Option<usize>, body: impl Fn() + Send + Sync + 'static) -> usize {
        raddle::model::print_timeline_on_panic();
        // Counted outside of the model: an atomic of std's is none of loom's business.
        let executions = Arc::new(AtomicUsize::new(0));
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = preemptions;
        builder.max_branches = 10_000;
        builder.check({
            let executions = Arc::clone(&executions);
            move || {
                executions.fetch_add(1, Ordering::Relaxed);
                body();
            }
        });
        let executions = executions.load(Ordering::Relaxed);
        println!("{executions} executions");
        executions
    }

    /// One place, two who want it, and one connection for both.
    #[test]
    fn one_place_for_two() {
        let executions = explore(None, || {
            let lender = Arc::new(Lender::new(1));
            let other = thread::spawn({
                let lender = Arc::clone(&lender);
                move || drop(lender.lend())
            });
            drop(lender.lend());
            other.join().unwrap();
            assert_eq!((lender.loans(), *OPENED.lock()), (2, 1));
        });
        assert!(executions >= 1_000, "hollow");
    }

    /// One lends and gives back, the other waits until all are back.
    #[test]
    fn nobody_waits_for_what_is_back() {
        let executions = explore(None, || {
            let lender = Arc::new(Lender::new(1));
            let loan = lender.lend();
            let other = thread::spawn({
                let lender = Arc::clone(&lender);
                move || {
                    lender.wait_until_all_are_back();
                    assert_eq!(lender.desk.lock().idle.len(), 1);
                }
            });
            drop(loan);
            other.join().unwrap();
        });
        assert!(executions >= 25, "hollow");
    }

    /// A loan that may come too late: both ends are explored, and either leaves everything as it should be.
    #[test]
    fn in_time_or_not() {
        let ends = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        explore(None, {
            let ends = Arc::clone(&ends);
            move || {
                let lender = Arc::new(Lender::new(1));
                let other = thread::spawn({
                    let lender = Arc::clone(&lender);
                    move || drop(lender.lend())
                });
                let in_time = lender.lend_for(Duration::from_secs(1)).is_some();
                ends[usize::from(in_time)].fetch_add(1, Ordering::Relaxed);
                other.join().unwrap();
                assert_eq!(lender.loans(), 1 + usize::from(in_time));
                assert_eq!(lender.places.available_permits(), 1);
                lender.wait_until_all_are_back();
            }
        });
        let [too_late, in_time] = [0, 1].map(|end| ends[end].load(Ordering::Relaxed));
        println!("{in_time} in time, {too_late} too late");
        assert!(too_late > 0 && in_time > 0);
    }

    /// Two places, two who want one: nobody waits for a place, and the desk is all that keeps them apart.
    #[test]
    fn two_places_for_two() {
        let executions = explore(Some(3), || {
            let lender = Arc::new(Lender::new(2));
            let other = thread::spawn({
                let lender = Arc::clone(&lender);
                move || drop(lender.lend())
            });
            drop(lender.lend());
            other.join().unwrap();
            assert_eq!(lender.loans(), 2);
            assert!((1..=2).contains(&*OPENED.lock()));
        });
        assert!(executions >= 3_000, "hollow");
    }

    /// Two places, three who want one.
    #[test]
    fn two_places_for_three() {
        let executions = explore(Some(2), || {
            let lender = Arc::new(Lender::new(2));
            let others = [(); 2].map(|()| {
                let lender = Arc::clone(&lender);
                thread::spawn(move || drop(lender.lend()))
            });
            drop(lender.lend());
            for other in others {
                other.join().unwrap();
            }
            assert_eq!(lender.loans(), 3);
        });
        assert!(executions >= 10_000, "hollow");
    }
}
