//! What a pool costs that has nothing to do, and a service with one timer far ahead: the CPU time and the
//! context switches of this process while one rests in it.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use cpu_time::ProcessTime;

use crate::pool::{ours, peers};
use crate::timer;
use crate::timer::peers::{Service, Visit};

const WORKERS: usize = 8;
/// How far ahead the timer is.
const FAR: Duration = Duration::from_secs(3600);
/// Some look for more work for a while after their last job. That is shown apart.
const AFTER_WORK: Duration = Duration::from_millis(100);
const REST: Duration = Duration::from_secs(2);

/// Measures one after the other, and prints a table of the pools, and one of the timers.
pub fn print() {
    head(&format!("a pool of {WORKERS} after one job on each worker, then at rest; of the whole process"));
    row("(no pool)", || ());
    row("raddle", || ours::open_any(WORKERS));
    for (name, open) in peers::openers() {
        row(name, || open(WORKERS));
    }

    println!();
    head(&format!("one timer {FAR:?} ahead, after one that has run; of the whole process"));
    row("(no timer)", || ());
    timer::peers::each(&mut Timers);
}

fn head(title: &str) {
    println!("{title}");
    println!(
        "{:<21} {:>14} {:>10} {:>14} {:>10}",
        "",
        format!("CPU µs, {AFTER_WORK:?}"),
        "switches",
        format!("CPU µs, {REST:?}"),
        "switches"
    );
}

/// A row for each service.
struct Timers;

impl Visit for Timers {
    fn visit<S: Service>(&mut self) {
        row(S::NAME, || {
            let service = timer::measure::open::<S>();
            let pending = service.within(|| service.arm(FAR, &S::job(timer::measure::nothing)));
            Armed::<S> { pending: Some(pending), _service: service }
        });
    }
}

struct Armed<S: Service> {
    pending: Option<S::Pending>,
    _service: S,
}

impl<S: Service> Drop for Armed<S> {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take() {
            S::cancel(pending);
        }
    }
}

/// What the process uses while that which `open` returns is there.
fn row<T>(name: &str, open: impl FnOnce() -> T) {
    let opened = open();
    let uses = [AFTER_WORK, REST].map(Use::during);
    drop(opened);
    print!("{name:<21}");
    for used in uses {
        let switches = used.switches.map_or_else(|| "-".to_owned(), |switches| switches.to_string());
        print!(" {:>14} {switches:>10}", used.cpu.as_micros());
    }
    println!();
}

/// What the process used.
struct Use {
    cpu: Duration,
    /// `None` where the system does not tell.
    switches: Option<u64>,
}

impl Use {
    fn during(time: Duration) -> Use {
        // The CPU time within the switches: to ask for these takes some.
        let switches_before = switches().ok();
        let before = ProcessTime::now();
        thread::sleep(time);
        let cpu = before.elapsed();
        let switches =
            switches().ok().zip(switches_before).map(|(after, before)| after.saturating_sub(before));
        Use { cpu, switches }
    }
}

/// All context switches of the threads that now are, from Linux' `/proc`.
fn switches() -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may be gone by now.
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        sum += parse_switches(&status);
    }
    Ok(sum)
}

/// From lines such as `voluntary_ctxt_switches: 12`.
fn parse_switches(status: &str) -> u64 {
    status
        .lines()
        .filter_map(|line| line.split_once("_switches:"))
        .filter_map(|(_, count)| count.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_switches_count() {
        let status = "Threads:\t1\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(parse_switches(status), 15);
        assert_eq!(parse_switches(""), 0);
    }
}
