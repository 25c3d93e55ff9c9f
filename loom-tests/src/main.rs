//! Runs the models: `cargo loom`, or `cargo loom NAME` for those whose name has NAME in it.
//!
//! One function runs every model (`runner.rs`) and enforces what makes a result worth something:
//! - each model runs in a process of its own (a deadlock with a live guard aborts it, and that is a failure);
//! - two threads are explored without a bound, three with at least three preemptions;
//! - a model states the least number of executions that it has to explore;
//! - a model that hits a limit has failed: loom itself would call that success;
//! - a program with a mistake in it (`downstream.rs`) has to fail, and for the right reason;
//! - nothing in the environment changes any of this.

mod canary;
mod downstream;
mod drawing;
mod models;
mod recording;
mod runner;
mod stacks;
mod weaken;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use models::{Bound, Model};
use runner::{Child, Outcome, in_parallel};

/// How a child says that nothing of it matches.
const USAGE_EXIT: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["weaken", ..] => weaken::main(&args[1..]),
        ["--child", name, ref options @ ..] => runner::child(name, options),
        ["--list"] => {
            let mistakes = every_mistake().into_iter().map(|mistake| mistake.model);
            for model in every_model().into_iter().chain(mistakes) {
                println!("{}", model.name);
            }
            ExitCode::SUCCESS
        }
        ["--help"] => usage(),
        [] => run_all(""),
        [filter] if !filter.starts_with('-') => run_all(filter),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "cargo loom          every model\n\
         cargo loom NAME     the models with NAME in their names, with the timeline of one that fails\n\
         cargo loom --list   their names\n\
         cargo weaken        every memory ordering of the library made weaker: a model has to fail (--help says more)"
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

pub(crate) use drawing::{DEADLOCK, RACE};

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
    let covers = Mutex::new(Vec::new());
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
        match in_a_child(model.name) {
            Outcome::Passed { executions, seconds, reached, moved } if executions >= model.least => {
                total.fetch_add(executions, Ordering::Relaxed);
                let name = model.name;
                let model = name.to_owned();
                let found = weaken::Covers { model, executions, seconds, reached, moved };
                covers.lock().expect("no panic with the list").push(found);
                println!("{name:44} {bound:>14} {executions:>12} {seconds:>8.2}");
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
        match in_a_child(model.name) {
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
    if filter.is_empty() {
        weaken::keep_coverage(covers.into_inner().expect("no panic with the list"));
    }
    ExitCode::SUCCESS
}

/// Runs the model as it stands.
fn in_a_child(model: &str) -> Outcome {
    Child { model, plant: None, limit: None, record: None }.run()
}
