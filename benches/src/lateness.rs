//! How late timers run: irregular deadlines, one at a time, on a machine at rest and on one that is busy.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::timer::measure::{self, Numbers};
use crate::timer::peers::{self, InPool, Service, Threads, Visit};

const TIMERS: u64 = 1_000;
/// From one deadline to the next, in microseconds.
const GAP: (u64, u64) = (200, 1_000);
/// All are armed by the first deadline.
const AHEAD: Duration = Duration::from_millis(50);
/// Who has not run so long after the last deadline is counted as missing.
const GRACE: Duration = Duration::from_secs(2);
/// The contenders come in turn, so many times.
const ROUNDS: usize = 3;

/// Measures all services in turn, and prints a table.
pub fn print() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (least, most) = GAP;
    println!(
        "{ROUNDS} x {TIMERS} timers, {least} to {most} µs apart ({}: {} at most);",
        Threads::NAME,
        Threads::MOST
    );
    println!("µs from a timer's deadline until its function looks at the clock");
    for load in [0, cores] {
        println!();
        let title = if load == 0 { "at rest".to_owned() } else { format!("beside {load} busy threads") };
        println!("{title:<21} {:>10} {:>10} {:>10}", "p50", "p99", "max");
        let mut rounds = Rounds { load, rows: Vec::new() };
        for _ in 0..ROUNDS {
            peers::each(&mut rounds);
            rounds.visit::<InPool>();
        }
        for row in &mut rounds.rows {
            row.print();
        }
    }
}

/// What came of one service.
struct Row {
    name: &'static str,
    late: Vec<Duration>,
    early: u64,
    missing: u64,
}

impl Row {
    fn print(&mut self) {
        self.late.sort_unstable();
        print!("{:<21}", self.name);
        for part in [0.5, 0.99, 1.0] {
            match at(&self.late, part) {
                Some(late) => print!(" {:>10.1}", late.as_secs_f64() * 1e6),
                None => print!(" {:>10}", "-"),
            }
        }
        if self.early > 0 {
            print!("   {} too early", self.early);
        }
        if self.missing > 0 {
            print!("   {} never ran", self.missing);
        }
        println!();
    }
}

/// From sorted values, the one that so many are not above.
fn at(values: &[Duration], part: f64) -> Option<Duration> {
    let last = values.len().checked_sub(1)?;
    Some(values[(part * last as f64).round() as usize])
}

/// Adds to the row of each service.
struct Rounds {
    /// So many threads are busy meanwhile.
    load: usize,
    rows: Vec<Row>,
}

impl Visit for Rounds {
    fn visit<S: Service>(&mut self) {
        let index = self.rows.iter().position(|row| row.name == S::NAME).unwrap_or_else(|| {
            self.rows.push(Row { name: S::NAME, late: Vec::new(), early: 0, missing: 0 });
            self.rows.len() - 1
        });
        let row = &mut self.rows[index];
        busily(self.load, || run::<S>(row));
    }
}

/// Calls `f` while so many threads do nothing but use their processors.
fn busily(threads: usize, f: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                let mut x = 1_u64;
                while !is_over.load(Ordering::Relaxed) {
                    x = (0..1_000).fold(x, |x, step| black_box(x.wrapping_mul(step | 1)));
                }
            });
        }
        f();
        is_over.store(true, Ordering::Relaxed);
    });
}

/// One timer: when it is due, and how late it was.
struct Record {
    due: Instant,
    /// In nanoseconds; or one of those below.
    late: AtomicU64,
}

const NOT_YET: u64 = u64::MAX;
const EARLY: u64 = u64::MAX - 1;

impl Record {
    fn note(&self) {
        let late = Instant::now().checked_duration_since(self.due);
        let late = late.map_or(EARLY, |late| u64::try_from(late.as_nanos()).expect("not that late"));
        self.late.store(late, Ordering::Relaxed);
    }
}

/// All timers of one service.
fn run<S: Service>(row: &mut Row) {
    let service = measure::open::<S>();
    let mut numbers = Numbers::new();
    let mut due = Instant::now() + AHEAD;
    let records = (0..TIMERS.min(S::MOST)).map(|_| {
        due += Duration::from_micros(numbers.between(GAP.0, GAP.1));
        Record { due, late: AtomicU64::new(NOT_YET) }
    });
    // Leaked, so that a function has a plain reference.
    let records: &'static [Record] = Vec::leak(records.collect());
    let pending: Vec<S::Pending> = service.within(|| {
        let arm = |record: &'static Record| {
            let job = S::job(|| record.note());
            service.arm(record.due.saturating_duration_since(Instant::now()), &job)
        };
        records.iter().map(arm).collect()
    });
    let give_up = due + GRACE;
    thread::sleep(due.saturating_duration_since(Instant::now()));
    // The last is not the last to run, if there is a pool.
    let all_ran = || records.iter().all(|record| record.late.load(Ordering::Relaxed) != NOT_YET);
    while !all_ran() && Instant::now() < give_up {
        thread::sleep(Duration::from_millis(1));
    }
    for record in records {
        match record.late.load(Ordering::Relaxed) {
            NOT_YET => row.missing += 1,
            EARLY => row.early += 1,
            late => row.late.push(Duration::from_nanos(late)),
        }
    }
    pending.into_iter().for_each(S::cancel);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let values: Vec<Duration> = (0..=100).map(Duration::from_micros).collect();
        assert_eq!(at(&values, 0.5), Some(Duration::from_micros(50)));
        assert_eq!(at(&values, 0.99), Some(Duration::from_micros(99)));
        assert_eq!(at(&values, 1.0), Some(Duration::from_micros(100)));
        assert_eq!(at(&[], 0.5), None);
    }

    #[test]
    fn no_timer_is_early_or_missing() {
        let mut row = Row { name: "raddle", late: Vec::new(), early: 0, missing: 0 };
        run::<InPool>(&mut row);
        assert_eq!((row.late.len() as u64, row.early, row.missing), (TIMERS, 0, 0));
    }
}
