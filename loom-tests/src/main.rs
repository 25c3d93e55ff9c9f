//! Runs the models: `cargo loom`, or `cargo loom NAME` for those whose name has NAME in it.
//!
//! One function runs every model ([`run_here`]) and enforces what makes a result worth something:
//! - each model runs in a process of its own (a deadlock with a live guard aborts it, and that is a failure);
//! - two threads are explored without a bound, three with at least three preemptions;
//! - a model states the least number of executions that it has to explore;
//! - a model that hits a limit has failed: loom itself would call that success;
//! - a program with a mistake in it (`downstream.rs`) has to fail, and for the right reason;
//! - nothing in the environment changes any of this.

mod canary;
mod downstream;
mod faults;
mod models;
mod world;

use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use models::{Bound, Model};

/// What one model may take before it counts as not finished.
const TIME_LIMIT: Duration = Duration::from_secs(400);

/// What one execution may take, in steps.
const MAX_BRANCHES: usize = 20_000;

/// How a child says that it has hit a limit.
const LIMIT_EXIT: u8 = 3;

/// How a child says that nothing of it matches.
const USAGE_EXIT: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--child", name] => child(name, None),
        ["--child", name, "--plant", fault] => child(name, Some(fault)),
        ["--coverage", name] => faults::print_coverage(&find(name)),
        ["--list"] => {
            let mistakes = every_mistake().into_iter().map(|mistake| mistake.model);
            for model in every_model().into_iter().chain(mistakes) {
                println!("{}", model.name);
            }
            ExitCode::SUCCESS
        }
        ["--faults"] => faults::run(""),
        ["--faults", filter] => faults::run(filter),
        ["--survivors", file] => faults::survivors(file, ""),
        ["--survivors", file, models] => faults::survivors(file, models),
        ["--help"] => usage(),
        [] => run_all(""),
        [filter] if !filter.starts_with('-') => run_all(filter),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "cargo loom               every model, and every planted fault\n\
         cargo loom NAME          the models with NAME in their names, with the timeline of one that fails\n\
         cargo loom --list        their names\n\
         cargo loom --faults      the planted faults only: each has to be found\n\
         cargo loom --survivors F weakens every site of the files with F in their names, and lists what no model notices\n\
         cargo loom --survivors F M  the same, with the models that have M in their names\n\
         cargo loom --coverage M  the atomic operations that model M reaches"
    );
    ExitCode::from(USAGE_EXIT)
}

/// The models of the types, the canary, and the downstream user's.
fn every_model() -> Vec<Model> {
    [canary::models(), models::all(), downstream::models()].concat()
}

/// A program with a mistake in it, and what has to be said of it.
#[derive(Clone, Copy)]
pub(crate) struct Mistake {
    /// The program. It states no least number of executions: it fails in one of the first.
    pub(crate) model: Model,
    /// Part of the message.
    pub(crate) found: &'static str,
}

/// How loom reports a race.
pub(crate) const RACE: &str = "Causality violation";

/// How loom reports that nobody can go on.
pub(crate) const DEADLOCK: &str = "deadlock";

/// The programs that have to fail: a downstream user's, and those that ask too much of the parking layer.
fn every_mistake() -> Vec<Mistake> {
    let parking = models::parking::MUST_FAIL.iter().map(|&model| Mistake { model, found: RACE });
    downstream::mistakes().into_iter().chain(parking).collect()
}

fn find(name: &str) -> Model {
    let mistakes = every_mistake().into_iter().map(|mistake| mistake.model);
    every_model().into_iter().chain(mistakes).find(|model| model.name == name).unwrap_or_else(|| {
        eprintln!("there is no model {name}");
        std::process::exit(USAGE_EXIT.into());
    })
}

/// How the run of one model ended.
struct Ended {
    executions: usize,
    seconds: f64,
}

/// Runs a model in this process. A failure unwinds or aborts.
fn run_here(model: &Model) -> Result<Ended, String> {
    let begin = Instant::now();
    let executions = match model.bound {
        Bound::Exhaustive => explore(None, model.body),
        Bound::Preemptions(preemptions) => explore(Some(preemptions), model.body),
        Bound::Inside => {
            (model.body)();
            canary::executions()
        }
    };
    let ended = Ended { executions, seconds: begin.elapsed().as_secs_f64() };
    if begin.elapsed() >= TIME_LIMIT {
        return Err(format!("not finished after {} executions: {TIME_LIMIT:?} are over", ended.executions));
    }
    Ok(ended)
}

/// Lets loom explore `body`, and returns how many executions that took. Every setting is made here: loom would take the
/// others from the environment.
pub(crate) fn explore(bound: Option<usize>, body: impl Fn() + Send + Sync + 'static) -> usize {
    let executions = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = MAX_BRANCHES;
    builder.max_duration = Some(TIME_LIMIT);
    builder.max_permutations = None;
    builder.checkpoint_file = None;
    // loom looks at the time only so often.
    builder.checkpoint_interval = 200;
    builder.expect_explicit_explore = false;
    builder.location = false;
    builder.log = false;
    builder.check({
        let executions = Arc::clone(&executions);
        move || {
            executions.fetch_add(1, Ordering::Relaxed);
            body();
        }
    });
    executions.load(Ordering::Relaxed)
}

/// The process that runs one model.
fn child(name: &str, fault: Option<&str>) -> ExitCode {
    let model = find(name);
    raddle::model::print_timeline_on_panic();
    if let Some(fault) = fault {
        faults::plant(fault);
    }
    match run_here(&model) {
        Ok(ended) => {
            println!("executions {} seconds {:.2}", ended.executions, ended.seconds);
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(LIMIT_EXIT)
        }
    }
}

/// What a child came to.
pub(crate) enum Outcome {
    /// All interleavings are fine.
    Passed {
        /// How many they were.
        executions: usize,
        /// How long it took.
        seconds: f64,
    },
    /// A deadlock, a race, an assertion, or an abort; with what it printed.
    Failed(String),
    /// Neither: it hit a limit.
    Unknown(String),
}

/// Runs one model in a process of its own.
pub(crate) fn run_in_child(name: &str, fault: Option<&str>) -> Outcome {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--child", name]);
    if let Some(fault) = fault {
        command.args(["--plant", fault]);
    }
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("LOOM_") {
            command.env_remove(key);
        }
    }
    let output = command.stdin(Stdio::null()).output().expect("this program can be started");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => {
            let words: Vec<&str> = stdout.split_whitespace().collect();
            match words[..] {
                ["executions", executions, "seconds", seconds] => Outcome::Passed {
                    executions: executions.parse().unwrap_or(0),
                    seconds: seconds.parse().unwrap_or(0.0),
                },
                _ => Outcome::Failed(format!("{stdout}{stderr}")),
            }
        }
        Some(code) if code == i32::from(LIMIT_EXIT) || code == i32::from(USAGE_EXIT) => {
            Outcome::Unknown(stderr)
        }
        // A model that runs into loom's own limit of steps has not been refuted, but it has not passed either.
        _ if stderr.contains("Model exceeded maximum number of branches") => Outcome::Unknown(stderr),
        _ => Outcome::Failed(stderr),
    }
}

/// Calls `f` for every item, as many at a time as there are processors.
pub(crate) fn in_parallel<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync) {
    let items = Mutex::new(items.into_iter());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let item = items.lock().expect("no worker panics with the list").next();
                    match item {
                        Some(item) => f(item),
                        None => break,
                    }
                }
            });
        }
    });
}

fn run_all(filter: &str) -> ExitCode {
    let begin = Instant::now();
    let models: Vec<Model> = every_model().into_iter().filter(|model| model.name.contains(filter)).collect();
    let mistakes: Vec<Mistake> =
        every_mistake().into_iter().filter(|mistake| mistake.model.name.contains(filter)).collect();
    if models.is_empty() && mistakes.is_empty() {
        eprintln!("no model has {filter:?} in its name; see cargo loom --list");
        return ExitCode::from(USAGE_EXIT);
    }
    println!("{:44} {:>14} {:>12} {:>8}", "model", "preemptions", "executions", "seconds");
    let count = models.len() + mistakes.len();
    let failed = AtomicUsize::new(0);
    let total = AtomicUsize::new(0);
    in_parallel(models, |model| {
        let bound = match model.bound {
            Bound::Exhaustive => "all".to_owned(),
            Bound::Preemptions(preemptions) => format!("up to {preemptions}"),
            Bound::Inside => "1 to 5, all".to_owned(),
        };
        let fail = |what: &str, output: &str| {
            failed.fetch_add(1, Ordering::Relaxed);
            println!("{:44} {bound:>14} {what}\n{output}", model.name);
        };
        match run_in_child(model.name, None) {
            Outcome::Passed { executions, seconds } if executions >= model.least => {
                total.fetch_add(executions, Ordering::Relaxed);
                println!("{:44} {bound:>14} {executions:>12} {seconds:>8.2}", model.name);
            }
            Outcome::Passed { executions, .. } => {
                let least = model.least;
                fail("HOLLOW", &format!("it explored {executions} executions; it has to explore {least}"));
            }
            Outcome::Failed(output) => fail("FAILED", &output),
            Outcome::Unknown(output) => fail("NOT FINISHED", &output),
        }
    });
    in_parallel(mistakes, |Mistake { model, found }| {
        let fail = |what: &str, output: &str| {
            failed.fetch_add(1, Ordering::Relaxed);
            println!("{:44} {what}\n{output}", model.name);
        };
        match run_in_child(model.name, None) {
            Outcome::Failed(output) if output.contains(found) => {
                println!("{:44} found, as it has to be: {found}", model.name);
            }
            Outcome::Failed(output) => fail(&format!("FAILED, but not by {found:?}"), &output),
            Outcome::Passed { executions, .. } => fail("NOT FOUND", &format!("in {executions} executions")),
            Outcome::Unknown(output) => fail("NOT FINISHED", &output),
        }
    });
    let failed = failed.into_inner();
    println!(
        "{} models, {} executions, {:.0} s: {}",
        count,
        total.into_inner(),
        begin.elapsed().as_secs_f64(),
        if failed == 0 { "all passed".to_owned() } else { format!("{failed} FAILED") }
    );
    if failed > 0 {
        return ExitCode::FAILURE;
    }
    if filter.is_empty() { faults::run("") } else { ExitCode::SUCCESS }
}
