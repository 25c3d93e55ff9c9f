//! Instructions per uncontended put and get, counted by callgrind.
//!
//! Two runs of different length are subtracted, so that the start and the end of the process are not in the figure.

use std::path::Path;
use std::process::Command;

use crate::sibling;

/// The peers that are counted unless others are named.
const PEERS: [&str; 5] = ["raddle", "crossbeam-channel", "kanal", "flume", "crossfire"];
const CAPACITIES: [&str; 2] = ["1024", "unbounded"];
const SHORT_RUN: u64 = 20_000;
const LONG_RUN: u64 = 120_000;

/// Counts, and prints a table. `peers` empty means the usual ones.
///
/// # Errors
///
/// If there is no valgrind, no `lone` binary, or a run fails: a sentence that says which.
pub fn print(peers: &[String]) -> Result<(), String> {
    let version = Command::new("valgrind").arg("--version").output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "valgrind is not installed (or not on the PATH); --instructions needs its callgrind".to_owned()
        }
        _ => format!("valgrind does not start: {error}"),
    })?;
    let lone = sibling::binary("lone")?;
    let peers: Vec<&str> =
        if peers.is_empty() { PEERS.to_vec() } else { peers.iter().map(String::as_str).collect() };

    let version = String::from_utf8_lossy(&version.stdout);
    println!("instructions per put and get on one thread ({}, callgrind)", version.trim());
    print!("{:<20}", "peer");
    for capacity in CAPACITIES {
        print!("{:>12}", column_name(capacity));
    }
    println!();
    for peer in peers {
        print!("{peer:<20}");
        for capacity in CAPACITIES {
            if peer == "thingbuf" && capacity == "unbounded" {
                print!("{:>12}", "-");
                continue;
            }
            let short = collected(&lone, peer, capacity, SHORT_RUN)?;
            let long = collected(&lone, peer, capacity, LONG_RUN)?;
            print!("{:>12.1}", (long as f64 - short as f64) / (LONG_RUN - SHORT_RUN) as f64);
        }
        println!();
    }
    Ok(())
}

fn column_name(capacity: &str) -> String {
    if capacity == "unbounded" { capacity.to_owned() } else { format!("cap{capacity}") }
}

fn collected(lone: &Path, peer: &str, capacity: &str, pairs: u64) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(lone)
        .args([peer, capacity, &pairs.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("lone {peer} {capacity} {pairs} failed under valgrind:\n{said}"));
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
}
