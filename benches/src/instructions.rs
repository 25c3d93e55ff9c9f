//! Instructions of the paths without contention, counted by callgrind.
//!
//! Two runs of different length are subtracted, so that the start and the end of the process are not in the figure.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{BASE, Role, Workload};
use crate::sibling;

/// The workloads that are counted: each is done by one thread alone.
pub const PATHS: [&str; 10] = [
    "lock/lone",
    "rlock/first",
    "rlock/nested",
    "semaphore/lone",
    "semaphore/many",
    "event/is_set",
    "event/wait",
    "condition/lone",
    "queue/lone/cap1024",
    "queue/lone/unbounded",
];

/// What raddle's counts may be, for each target.
const RECORD: &str = include_str!("../instructions.json");
const RECORD_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");

const SHORT_RUN: u64 = 20_000;
const LONG_RUN: u64 = 120_000;

/// What valgrind calls itself, if it is there.
///
/// # Errors
///
/// If it is not, or does not start: a sentence that says which.
pub fn valgrind() -> Result<String, String> {
    let version = Command::new("valgrind").arg("--version").output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            "valgrind is not installed (or not on the PATH); its callgrind does the counting".to_owned()
        }
        _ => format!("valgrind does not start: {error}"),
    })?;
    Ok(String::from_utf8_lossy(&version.stdout).trim().to_owned())
}

/// Counts, and prints a table; `peers` empty means all. If asked to, writes raddle's counts down.
///
/// # Errors
///
/// If there is no valgrind, no `lone` binary, or a run fails, or the record cannot be written: a sentence that says which.
pub fn print(workloads: &[Workload], peers: &[String], writes: bool) -> Result<(), String> {
    println!("instructions per operation on one thread ({}, callgrind)", valgrind()?);
    let lone = sibling::binary("lone")?;
    let mut counts = record()?;
    for workload in workloads.iter().filter(|workload| PATHS.contains(&workload.name.as_str())) {
        println!("\n{}: {}", workload.name, workload.about);
        for contender in &workload.contenders {
            let is_wanted = peers.is_empty() || peers.iter().any(|peer| contender.is_called(peer));
            if contender.role != Role::Own && !is_wanted {
                continue;
            }
            let counted = count(&lone, &workload.name, contender.name)?;
            print!("  {:<21} {counted:>10.1}", contender.name);
            if contender.name == BASE
                && let Some(recorded) = counts.insert(workload.name.clone(), (counted * 10.0).round() / 10.0)
            {
                print!("   recorded: {recorded:.1}");
            }
            println!();
        }
        for who_and_why in &workload.left_out {
            println!("  left out: {who_and_why}");
        }
    }
    if writes { write(&counts) } else { Ok(()) }
}

/// What is recorded of raddle for this target.
///
/// # Errors
///
/// If the record cannot be read: a sentence that says so.
pub fn record() -> Result<BTreeMap<String, f64>, String> {
    match &all_records()?[target()]["counts"] {
        Value::Null => Ok(BTreeMap::new()),
        counts => serde_json::from_value(counts.clone()).map_err(unreadable),
    }
}

/// The compiler with which this target's record was made.
///
/// # Errors
///
/// If the record cannot be read: a sentence that says so.
pub fn recorded_rustc() -> Result<String, String> {
    Ok(all_records()?[target()]["rustc"].as_str().unwrap_or("none").to_owned())
}

fn all_records() -> Result<Value, String> {
    serde_json::from_str(RECORD).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> String {
    format!("{RECORD_FILE}: {error}")
}

fn write(counts: &BTreeMap<String, f64>) -> Result<(), String> {
    let mut all = all_records()?;
    all[target()] = json!({ "rustc": env!("RUSTC_VERSION"), "counts": counts });
    let text = serde_json::to_string_pretty(&all).map_err(unreadable)?;
    fs::write(RECORD_FILE, text + "\n").map_err(|error| format!("cannot write {RECORD_FILE}: {error}"))
}

/// What the counts depend on, beside the compiler.
#[must_use]
pub fn target() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// The instructions of one operation.
///
/// # Errors
///
/// If a run fails: what it said.
pub fn count(lone: &Path, workload: &str, contender: &str) -> Result<f64, String> {
    let short = collected(lone, workload, contender, SHORT_RUN)?;
    let long = collected(lone, workload, contender, LONG_RUN)?;
    Ok((long as f64 - short as f64) / (LONG_RUN - SHORT_RUN) as f64)
}

fn collected(lone: &Path, workload: &str, contender: &str, units: u64) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(lone)
        .args([workload, contender, &units.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("lone {workload} \"{contender}\" {units} failed under valgrind:\n{said}"));
    }
    parse_collected(&said).ok_or_else(|| format!("valgrind printed no \"Collected : NUMBER\":\n{said}"))
}

/// From a line such as `==123== Collected : 456`.
fn parse_collected(said: &str) -> Option<u64> {
    said.lines()
        .filter_map(|line| line.split_once("Collected"))
        .find_map(|(_, rest)| rest.trim_start_matches([' ', ':']).split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 16423\n==7== \n==7== I   refs:      16,423\n";
        assert_eq!(parse_collected(said), Some(16423));
        assert_eq!(parse_collected("nothing"), None);
    }

    #[test]
    fn each_path_is_a_workload() {
        let workloads = crate::workloads();
        for path in PATHS {
            assert!(workloads.iter().any(|workload| workload.name == path), "{path}");
        }
    }
}
