//! Measures raddle beside its peers: `cargo run --release -- --quick --only 1x1`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use raddle_benches::harness::{self, BASE, Budget, Contender, Effort, Role, Workload};
use raddle_benches::machine::Machine;
use raddle_benches::report::{self, Report};
use raddle_benches::{html, idle, instructions, lateness, sibling, workloads};
use serde_json::json;

/// All workloads together take about so long; one alone has its part of that.
const QUICK: Duration = Duration::from_secs(120);
const FULL: Duration = Duration::from_secs(20 * 60);

/// Measures raddle beside its peers, in one process, round by round.
#[derive(Parser)]
#[command(name = "peers")]
struct Args {
    /// Only workloads with this in their name. May be given more than once: any of them will do.
    #[arg(long, value_name = "FILTER")]
    only: Vec<String>,
    /// Fewer rounds (7 at most instead of 51), and shorter ones: all workloads in 2 minutes instead of 20.
    #[arg(long)]
    quick: bool,
    /// So many rounds, however long they take.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Only this peer beside raddle: a crate, or one of the ways it does something. May be given more than once.
    #[arg(long, value_name = "NAME")]
    peer: Vec<String>,
    /// Writes all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a page with plots to this file. Without it, only if everything is measured: to target/peers/index.html.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Draws raddle's standing in all workloads to this file, as SVG: a row for each type.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Writes raddle's standing in all workloads to this file, as a table in Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Prints the names of the workloads and what one operation is, and measures nothing.
    #[arg(long)]
    list: bool,
    /// Counts instructions of the paths without contention with valgrind instead of measuring time.
    #[arg(long, group = "other", conflicts_with_all = ["quick", "rounds", "json", "html", "svg", "markdown", "list"])]
    instructions: bool,
    /// With --instructions: writes raddle's counts to benches/instructions.json. A test compares with these.
    #[arg(long, requires = "instructions")]
    record: bool,
    /// Measures what pools cost that have nothing to do, and services with one timer far ahead.
    #[arg(long, group = "other", conflicts_with_all = ["only", "quick", "rounds", "peer", "json", "html", "svg", "markdown", "list"])]
    idle: bool,
    /// Measures how late timers run.
    #[arg(long, group = "other", conflicts_with_all = ["only", "quick", "rounds", "peer", "json", "html", "svg", "markdown", "list"])]
    lateness: bool,
    /// Counts the bytes that pending timers have on the heap.
    #[arg(long, group = "other", conflicts_with_all = ["only", "quick", "rounds", "peer", "json", "html", "svg", "markdown", "list"])]
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
    let all = workloads();
    check_peers(&args.peer, &all)?;
    let mut budget = Budget::new(if args.quick { QUICK } else { FULL }, &all);
    let workloads = chosen(args, all)?;
    if args.instructions {
        return instructions::print(&workloads, &args.peer, args.record);
    }
    if args.list {
        for workload in &workloads {
            println!("{:<28} {}", workload.name, workload.about);
        }
        return Ok(());
    }
    let html = html_file(args);
    for file in args.json.iter().chain(&html).chain(&args.svg).chain(&args.markdown) {
        // Better now than after all the measuring.
        write(file, "")?;
    }
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build. Its figures say nothing; use --release.");
    }

    let rounds = args.rounds.map(|rounds| rounds as usize);
    let effort = Effort {
        least_rounds: rounds.unwrap_or(if args.quick { 3 } else { 9 }),
        rounds: rounds.unwrap_or(if args.quick { 7 } else { 51 }),
        sample: Duration::from_millis(if args.quick { 6 } else { 20 }),
        limit: Duration::from_secs(20),
        time: None,
    };
    let machine = Machine::this();
    for (what, fact) in machine.facts() {
        println!("{what}: {fact}");
    }
    println!();
    let began = Instant::now();
    let mut reports: Vec<Report> = Vec::new();
    for workload in &workloads {
        let time = rounds.is_none().then(|| budget.share(workload));
        let from = Instant::now();
        for report in harness::run(workload, Effort { time, ..effort }) {
            println!("{}", report.table());
            reports.push(report);
        }
        budget.spend(workload, from.elapsed());
    }
    print!("{}", report::summary(&reports));
    println!("\n{} workloads in {:.0} s", workloads.len(), began.elapsed().as_secs_f64());

    if let Some(file) = &args.json {
        write(file, &json(&machine, effort, &reports)?)?;
    }
    if let Some(file) = &args.svg {
        write(file, &html::picture(&reports))?;
    }
    if let Some(file) = &args.markdown {
        write(file, &report::markdown(&reports))?;
    }
    if let Some(file) = &html {
        write(file, &html::page(&machine, &reports))?;
        println!("{}", file.display());
    }
    Ok(())
}

/// Where the page goes, if there is to be one.
fn html_file(args: &Args) -> Option<PathBuf> {
    let is_full = !args.quick && args.only.is_empty() && args.peer.is_empty();
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/index.html");
    args.html.clone().or_else(|| is_full.then(usual))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(file, text))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))
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
    if !args.peer.is_empty() {
        for workload in &mut workloads {
            let is_named = |contender: &Contender| args.peer.iter().any(|peer| contender.is_called(peer));
            workload.contenders.retain(|contender| contender.role == Role::Own || is_named(contender));
        }
        // A limit of the machine is nobody's: it has no contender left.
        workloads.retain(|workload| !workload.contenders.is_empty());
    }
    if workloads.is_empty() {
        let beside = if args.peer.is_empty() { "" } else { ", and raddle in it" };
        let wanted = args.only.join("\" or \"");
        return Err(format!("no workload has \"{wanted}\" in its name{beside}; see --list"));
    }
    Ok(workloads)
}

fn json(machine: &Machine, effort: Effort, reports: &[Report]) -> Result<String, String> {
    let mut all = json!({
        "base": BASE,
        "machine": machine.json(),
        "sample_ms": effort.sample.as_millis() as u64,
    });
    all["workloads"] = reports.iter().map(Report::json).collect();
    let text = serde_json::to_string_pretty(&all).map_err(|error| format!("cannot make JSON: {error}"))?;
    Ok(text + "\n")
}
