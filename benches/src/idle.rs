//! What a pool costs that has nothing to do: the CPU time and the context switches of this process while one rests in it.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use cpu_time::ProcessTime;

use crate::pool::{ours, peers};

const WORKERS: usize = 8;
/// A pool may look for more work for a while after its last job. That is shown apart.
const AFTER_WORK: Duration = Duration::from_millis(100);
const REST: Duration = Duration::from_secs(2);

/// Measures one pool after the other, and prints a table.
pub fn print() {
    println!("a pool of {WORKERS} after one job on each worker, then at rest; of the whole process");
    println!(
        "{:<20} {:>14} {:>10} {:>14} {:>10}",
        "",
        format!("CPU µs, {AFTER_WORK:?}"),
        "switches",
        format!("CPU µs, {REST:?}"),
        "switches"
    );
    row("(no pool)", |_| Box::new(()));
    row("raddle", ours::open_any);
    for (name, open) in peers::openers() {
        row(name, open);
    }
}

fn row(name: &str, open: peers::Open) {
    let pool = open(WORKERS);
    let uses = [AFTER_WORK, REST].map(Use::during);
    drop(pool);
    print!("{name:<20}");
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
