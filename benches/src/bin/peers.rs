//! Measures raddle beside its peers: `cargo run --release -- --quick --only 1x1`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use raddle_benches::harness::{self, BASE, Contender, Effort, Report, Role, Workload};
use raddle_benches::{idle, instructions, lateness, pool, queue, sibling, timer};
use serde_json::json;

/// Measures raddle beside its peers, in one process, round by round.
#[derive(Parser)]
#[command(name = "peers")]
struct Args {
    /// Only workloads with this in their name. May be given more than once: any of them will do.
    #[arg(long, value_name = "FILTER")]
    only: Vec<String>,
    /// Fewer rounds (7 instead of 25), and shorter ones.
    #[arg(long)]
    quick: bool,
    /// So many rounds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Only this peer beside raddle: a crate, or one of the ways it does something. May be given more than once.
    #[arg(long, value_name = "NAME")]
    peer: Vec<String>,
    /// Writes all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Prints the names of the workloads, and measures nothing.
    #[arg(long)]
    list: bool,
    /// Counts instructions of a lone put and get with valgrind instead of measuring time.
    #[arg(long, group = "other", conflicts_with_all = ["only", "quick", "rounds", "json", "list"])]
    instructions: bool,
    /// Measures what pools cost that have nothing to do, and services with one timer far ahead.
    #[arg(long, group = "other", conflicts_with_all = ["only", "quick", "rounds", "peer", "json", "list"])]
    idle: bool,
    /// Measures how late timers run.
    #[arg(long, group = "other", conflicts_with_all = ["only", "quick", "rounds", "peer", "json", "list"])]
    lateness: bool,
    /// Counts the bytes that pending timers have on the heap.
    #[arg(long, group = "other", conflicts_with_all = ["only", "quick", "rounds", "peer", "json", "list"])]
    memory: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    if args.idle {
        idle::print();
        return Ok(());
    }
    if args.lateness {
        lateness::print();
        return Ok(());
    }
    if args.memory {
        return memory();
    }
    let mut workloads = queue::workloads();
    workloads.extend(pool::workloads());
    workloads.extend(timer::workloads());
    check_peers(&args.peer, &workloads)?;
    if args.instructions {
        return instructions::print(&args.peer);
    }
    let workloads = chosen(args, workloads)?;
    if args.list {
        for workload in &workloads {
            println!("{}", workload.name);
        }
        return Ok(());
    }
    if let Some(file) = &args.json {
        // Better now than after all the measuring.
        fs::write(file, "").map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build. Its figures say nothing; use --release.");
    }

    let default_rounds = if args.quick { 7 } else { 25 };
    let effort = Effort {
        rounds: args.rounds.map_or(default_rounds, |rounds| rounds as usize),
        sample: Duration::from_millis(if args.quick { 6 } else { 12 }),
        limit: Duration::from_secs(20),
    };
    println!("{}\n", head());
    let began = Instant::now();
    let reports: Vec<Report> = workloads
        .iter()
        .map(|workload| {
            let report = harness::run(workload, effort);
            println!("{}", report.table());
            report
        })
        .collect();
    print!("{}", harness::summary(&reports));
    println!("\n{} workloads in {:.0} s", reports.len(), began.elapsed().as_secs_f64());

    match &args.json {
        Some(file) => write_json(file, effort, &reports),
        None => Ok(()),
    }
}

/// Runs the program that counts.
fn memory() -> Result<(), String> {
    let status = Command::new(sibling::binary("memory")?).status();
    match status.map_err(|error| format!("memory does not start: {error}"))? {
        status if status.success() => Ok(()),
        status => Err(format!("memory ended with {status}")),
    }
}

fn check_peers(peers: &[String], workloads: &[Workload]) -> Result<(), String> {
    let contenders = || workloads.iter().flat_map(|workload| &workload.contenders);
    let Some(peer) = peers.iter().find(|peer| !contenders().any(|contender| contender.is_called(peer)))
    else {
        return Ok(());
    };
    let mut known: Vec<&str> = contenders().map(|contender| contender.name).collect();
    known.sort_unstable();
    known.dedup();
    Err(format!("there is no peer \"{peer}\"; there are {}", known.join(", ")))
}

/// The workloads with a wanted name, with raddle and the wanted peers.
fn chosen(args: &Args, mut workloads: Vec<Workload>) -> Result<Vec<Workload>, String> {
    workloads.retain(|workload| {
        args.only.is_empty() || args.only.iter().any(|filter| workload.name.contains(filter.as_str()))
    });
    if workloads.is_empty() {
        return Err(format!("no workload has \"{}\" in its name; see --list", args.only.join("\" or \"")));
    }
    if !args.peer.is_empty() {
        for workload in &mut workloads {
            let is_named = |contender: &Contender| args.peer.iter().any(|peer| contender.is_called(peer));
            workload.contenders.retain(|contender| contender.role == Role::Own || is_named(contender));
        }
    }
    Ok(workloads)
}

/// The peers with their versions, from the lock file that this was built with.
fn versions() -> Vec<(&'static str, &'static str)> {
    const LOCK: &str = include_str!("../../Cargo.lock");
    const PEERS: [&str; 13] = [
        "async-channel",
        "async-io",
        "chili",
        "crossbeam-channel",
        "crossfire",
        "flume",
        "kanal",
        "rayon",
        "scheduled-thread-pool",
        "thingbuf",
        "threadpool",
        "timer",
        "tokio",
    ];
    let quoted =
        |line: &'static str, key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
    let mut lines = LOCK.lines();
    let mut versions = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(name) = quoted(line, "name")
            && PEERS.contains(&name)
            && let Some(version) = lines.next().and_then(|line| quoted(line, "version"))
        {
            versions.push((name, version));
        }
    }
    versions
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn head() -> String {
    let versions: Vec<String> =
        versions().iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!("{} cores, {} {}; {}", cores(), std::env::consts::OS, std::env::consts::ARCH, versions.join(", "))
}

fn write_json(file: &Path, effort: Effort, reports: &[Report]) -> Result<(), String> {
    let peers: serde_json::Map<String, serde_json::Value> =
        versions().iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
    let all = json!({
        "base": BASE,
        "cores": cores(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "versions": peers,
        "rounds": effort.rounds,
        "sample_ms": effort.sample.as_millis() as u64,
        "workloads": reports.iter().map(Report::json).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&all).map_err(|error| format!("cannot make JSON: {error}"))?;
    fs::write(file, text + "\n").map_err(|error| format!("cannot write {}: {error}", file.display()))
}
