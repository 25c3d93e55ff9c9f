//! Which sites each model reaches, and how large it is. Kept in a file, since it takes a run of all models.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use raddle::primitives::model::weaken::{self, Covered};
use serde::{Deserialize, Serialize};

use super::plant;
use crate::runner::{Outcome, in_parallel};

/// A place of the library that a model has reached.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Reached {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// Whether this call of the parking face has ever woken or moved more than one.
    pub(crate) many: bool,
}

/// A write of the library that a model has made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Moved {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// One model that holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Covers {
    pub(crate) model: String,
    pub(crate) executions: usize,
    pub(crate) seconds: f64,
    pub(crate) reached: Vec<Reached>,
    pub(crate) moved: Vec<Moved>,
}

#[derive(Serialize, Deserialize)]
struct File {
    /// Of the program that found it out: another program, another coverage.
    program: u64,
    models: Vec<Covers>,
}

/// How a child begins a line that says what it has reached.
const LINE: &str = "reached ";

/// How it begins one that says what it has written there.
const MOVED: &str = "moved ";

/// What the models of this process have reached and written, for [`parse`] and [`parse_moved`] in another.
pub(crate) fn print() {
    for Covered { site, many, .. } in weaken::coverage() {
        if let Some(file) = plant::file_of_library(site.file) {
            println!("{LINE}{file}|{}|{}|{many}", site.line, site.column);
        }
    }
    for weaken::Move { site, from, to } in weaken::moves() {
        if let Some(file) = plant::file_of_library(site.file) {
            println!("{MOVED}{file}|{}|{}|{from}|{to}", site.line, site.column);
        }
    }
}

/// What a child has written where.
pub(crate) fn parse_moved(stdout: &str) -> Vec<Moved> {
    let parsed = stdout.lines().filter_map(|line| {
        let mut parts = line.strip_prefix(MOVED)?.split('|');
        Some(Moved {
            file: parts.next()?.to_owned(),
            line: parts.next()?.parse().ok()?,
            column: parts.next()?.parse().ok()?,
            from: parts.next()?.parse().ok()?,
            to: parts.next()?.parse().ok()?,
        })
    });
    parsed.collect()
}

/// What a child has printed.
pub(crate) fn parse(stdout: &str) -> Vec<Reached> {
    let mut reached: Vec<Reached> = stdout
        .lines()
        .filter_map(|line| {
            let mut parts = line.strip_prefix(LINE)?.split('|');
            Some(Reached {
                file: parts.next()?.to_owned(),
                line: parts.next()?.parse().ok()?,
                column: parts.next()?.parse().ok()?,
                many: parts.next()?.parse().ok()?,
            })
        })
        .collect();
    reached.sort();
    reached
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/coverage.json"))
}

/// What tells this program from one with other models or another library.
fn program() -> u64 {
    let path = std::env::current_exe().expect("this program has a path");
    let mut hasher = DefaultHasher::new();
    std::fs::read(path).expect("this program can be read").hash(&mut hasher);
    hasher.finish()
}

/// How long a run of models may go on before what it has found is kept.
const KEPT_EVERY: Duration = Duration::from_secs(5);

/// Keeps what models have found.
pub(crate) fn keep(models: Vec<Covers>) {
    keep_as(program(), models);
}

fn keep_as(program: u64, models: Vec<Covers>) {
    let text = serde_json::to_string(&File { program, models }).expect("plain text and numbers");
    // In one step: a run that is broken off meanwhile leaves the earlier one.
    let new = path().with_extension("new");
    if let Err(error) = std::fs::write(&new, text).and_then(|()| std::fs::rename(new, path())) {
        eprintln!("{}: {error}", path().display());
    }
}

/// Whether a model is one of those asked for: with one of these texts, between commas, in its name.
pub(crate) fn is_wanted(wanted: Option<&str>, model: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.split(',').any(|text| model.contains(text)))
}

/// What every model reaches that is asked for, and others too: as kept by this very program, or found out now. A run that is broken off goes on
/// from there the next time.
///
/// # Errors
///
/// The models that fail, with nothing planted.
pub(crate) fn of_models(wanted: Option<&str>) -> Result<Vec<Covers>, Vec<&'static str>> {
    let kept = std::fs::read_to_string(path()).ok().and_then(|text| serde_json::from_str::<File>(&text).ok());
    let program = program();
    let kept = kept.filter(|kept| kept.program == program).map_or(Vec::new(), |kept| kept.models);
    let mut models = crate::every_model();
    models.retain(|model| is_wanted(wanted, model.name));
    models.retain(|model| kept.iter().all(|kept| kept.model != model.name));
    if models.is_empty() {
        return Ok(kept);
    }
    println!("running {} models once, to see what they reach", models.len());
    let found = Mutex::new((kept, Instant::now()));
    let failed = Mutex::new(Vec::new());
    in_parallel(models, |model| match crate::in_a_child(model.name) {
        Outcome::Passed { executions, seconds, reached, moved } => {
            let covers = Covers { model: model.name.to_owned(), executions, seconds, reached, moved };
            let (found, kept) = &mut *found.lock().expect("nobody panics with it");
            found.push(covers);
            if kept.elapsed() > KEPT_EVERY {
                keep_as(program, found.clone());
                *kept = Instant::now();
            }
        }
        Outcome::Failed(_) | Outcome::Unknown(_) => {
            failed.lock().expect("nobody panics with it").push(model.name)
        }
    });
    let (found, _) = found.into_inner().expect("nobody panics with it");
    keep_as(program, found.clone());
    let failed = failed.into_inner().expect("nobody panics with it");
    if failed.is_empty() { Ok(found) } else { Err(failed) }
}
