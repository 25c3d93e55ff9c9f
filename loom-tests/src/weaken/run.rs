//! Runs the mutants, and says what came of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::plant::Mutant;
use super::table::{self, Verdict};
use super::{Ground, Options, Plan, pictures, plant};
use crate::drawing::store::Stored;
use crate::drawing::{About, Execution, Sources};
use crate::runner::{Child, Outcome, in_parallel};
use crate::{DEADLOCK, RACE, drawing};

/// What came of a mutant.
enum Judgement {
    Killed {
        model: String,
        execution: Option<usize>,
        how: String,
    },
    Survived {
        models: usize,
    },
    /// Not noticed so far, and there was no time for the rest; or a model came to no end.
    Inconclusive {
        why: String,
    },
}

/// What a failing model's output says.
fn how(output: &str) -> String {
    if output.contains(RACE) {
        return "a data race".to_owned();
    }
    if output.contains(DEADLOCK) {
        return "a deadlock".to_owned();
    }
    // "thread 'main' (1) panicked at FILE:LINE:COLUMN:", and the message below.
    let mut lines = output.lines().skip_while(|line| !line.contains("panicked at "));
    let message = lines.nth(1).unwrap_or("an abort").trim();
    // loom keeps its objects in a list, and the index of one that is gone is garbage.
    if message.starts_with("index out of bounds: the len is") {
        return "an atomic that is gone is used".to_owned();
    }
    let message: String = message.chars().take(80).collect();
    match message.strip_prefix("assertion `left == right` failed") {
        Some("") => "an assertion".to_owned(),
        Some(rest) => rest.trim_start_matches(": ").to_owned(),
        None => message,
    }
}

/// In which execution it was.
fn execution(output: &str) -> Option<usize> {
    output.lines().find_map(|line| line.strip_prefix(crate::runner::IN_EXECUTION)?.trim().parse().ok())
}

/// Runs the models, those in `first` before the others, until one fails.
fn judge(plan: &Plan, first: Option<&str>, limit: Duration, record: &Path) -> Judgement {
    let begin = Instant::now();
    let spelled = plan.mutant.spell();
    let mut models: Vec<&str> = plan.models.iter().map(|(_, name)| name.as_str()).collect();
    models.sort_by_key(|name| Some(*name) != first);
    let mut unfinished = Vec::new();
    for (done, model) in models.iter().enumerate() {
        let left = limit.saturating_sub(begin.elapsed());
        if left.is_zero() {
            let why =
                format!("{done} of {} models have not noticed it in {} s", models.len(), limit.as_secs());
            return Judgement::Inconclusive { why };
        }
        match (Child { model, plant: Some(&spelled), limit: Some(left), record: Some(record) }).run() {
            Outcome::Failed(output) => {
                return Judgement::Killed {
                    model: (*model).to_owned(),
                    execution: execution(&output),
                    how: how(&output),
                };
            }
            Outcome::Passed { .. } => {}
            Outcome::Unknown(_) => unfinished.push(*model),
        }
    }
    if unfinished.is_empty() {
        Judgement::Survived { models: models.len() }
    } else {
        Judgement::Inconclusive { why: format!("not finished: {}", unfinished.join(", ")) }
    }
}

/// What is counted in a file.
#[derive(Default)]
struct Count {
    killed: usize,
    excused: usize,
    survived: usize,
    inconclusive: usize,
}

/// What is to be said of a mutant.
struct Finding {
    verdict: Verdict,
    text: String,
    /// The execution that failed.
    execution: Option<Stored>,
    /// Whether it is something to put right.
    is_wrong: bool,
}

impl Count {
    /// Counts it, and puts it into words. `named` is the model that the tables name, if that is what is looked at; `excused` says that they
    /// have a reason for it to survive.
    fn find(&mut self, mutant: &Mutant, judgement: Judgement, named: Option<&str>, excused: bool) -> Finding {
        let (site, weaker) = (mutant.site.key(), mutant.weaker.clone());
        let mut verdict = Verdict { site, weaker, model: None, execution: None, how: None };
        let (what, is_wrong, rest);
        match judgement {
            Judgement::Killed { model, execution, how } => {
                self.killed += 1;
                let other = named.is_some_and(|named| named != model);
                (what, is_wrong) = match (excused, other) {
                    (true, _) => ("NOTICED, though docs/orderings.toml says that it is not:", true),
                    (false, true) => ("NOTICED, but not by the model that docs/orderings.json names:", true),
                    (false, false) => ("noticed", false),
                };
                let number = execution.map_or(String::new(), |number| format!(", execution {number}"));
                rest = format!("by {model}: {how}{number}");
                (verdict.model, verdict.execution, verdict.how) = (Some(model), execution, Some(how));
            }
            Judgement::Survived { models } => {
                *(if excused { &mut self.excused } else { &mut self.survived }) += 1;
                (what, is_wrong) = if excused { ("has a reason", false) } else { ("SURVIVES", true) };
                rest = format!("({models} models)");
            }
            Judgement::Inconclusive { why } => {
                self.inconclusive += 1;
                (what, is_wrong) = if excused { ("inconclusive", false) } else { ("INCONCLUSIVE", true) };
                rest = format!("({why})");
            }
        }
        let text = format!("{what:12} {}  {rest}", mutant.name());
        Finding { verdict, text, execution: None, is_wrong }
    }
}

/// Runs them, prints what came of it, and writes the tables.
pub(super) fn run(
    mut ground: Ground,
    mut plans: Vec<Plan>,
    options: &Options,
    unreached: usize,
) -> Result<bool, String> {
    let begin = Instant::now();
    let is_excused = |mutant: &Mutant| ground.reasons.why(&mutant.site.key(), &mutant.weaker).is_some();
    println!("{} mutants", plans.len());
    // Those that take long begin first.
    plans.sort_by_key(|plan| !is_excused(&plan.mutant));
    let plans = plans.into_iter().enumerate().collect();
    let counts: Mutex<BTreeMap<String, Count>> = Mutex::default();
    let found: Mutex<Vec<Finding>> = Mutex::default();
    let folder = tempfile::tempdir().expect("a place for recordings");
    in_parallel(plans, |(number, plan): (usize, Plan)| {
        let mutant = &plan.mutant;
        let named = ground.verdicts.get(&(mutant.site.key(), mutant.weaker.clone()));
        let named = named.and_then(|verdict| verdict.model.as_deref()).filter(|_| options.recheck);
        let recording = folder.path().join(format!("{number}.json"));
        let judgement = judge(&plan, named, options.limit(), &recording);
        let mut counts = counts.lock().expect("nobody panics with it");
        let count = counts.entry(mutant.site.file.clone()).or_default();
        let mut finding = count.find(mutant, judgement, named, is_excused(mutant));
        println!("{}", finding.text);
        if let Some(model) = &finding.verdict.model {
            match pictures::stored("execution", mutant, model, &recording) {
                Ok(stored) => {
                    show(&stored, options);
                    finding.execution = Some(stored);
                }
                Err(message) => println!("{message}"),
            }
        }
        drop(counts);
        found.lock().expect("nobody panics with it").push(finding);
    });
    let found = found.into_inner().expect("nobody panics with it");
    let mut wrong = unreached + found.iter().filter(|finding| finding.is_wrong).count();
    let fresh: Vec<Stored> = found.iter().filter_map(|finding| finding.execution.clone()).collect();
    if options.recheck {
        wrong += pictures::compare(&ground, &fresh);
    }
    print_counts(&counts.into_inner().expect("nobody panics with it"), begin);
    if !(options.recheck || options.dry || options.models.is_some() || options.is_for_looking()) {
        let verdicts = found.into_iter().map(|finding| finding.verdict).collect();
        keep(&mut ground, verdicts).map_err(|error| format!("{}: {error}", table::VERDICTS))?;
        pictures::keep(&ground, &fresh)?;
        // (What it complains of is counted already, or not of this run.)
        super::write(&ground)?;
    }
    Ok(wrong == 0)
}

/// Puts what was found into `docs/orderings.json`, in place of what was known of these mutants, and of sites that are gone.
fn keep(ground: &mut Ground, verdicts: Vec<Verdict>) -> std::io::Result<()> {
    for verdict in verdicts {
        let key = (verdict.site.clone(), verdict.weaker.clone());
        if verdict.model.is_some() {
            ground.verdicts.insert(key, verdict);
        } else {
            ground.verdicts.remove(&key);
        }
    }
    let keys: Vec<String> = ground.sites.iter().map(super::source::Site::key).collect();
    ground.verdicts.retain(|(site, _), _| keys.contains(site));
    std::fs::write(plant::root().join(table::VERDICTS), table::write_verdicts(&ground.verdicts))
}

fn print_counts(counts: &BTreeMap<String, Count>, begin: Instant) {
    println!(
        "\n{:32} {:>8} {:>8} {:>10} {:>9} {:>13}",
        "file", "mutants", "noticed", "reason", "SURVIVE", "inconclusive"
    );
    let mut total = Count::default();
    let row = |name: &str, count: &Count| {
        let Count { killed, excused, survived, inconclusive } = count;
        let all = killed + excused + survived + inconclusive;
        println!("{name:32} {all:>8} {killed:>8} {excused:>10} {survived:>9} {inconclusive:>13}");
    };
    for (file, count) in counts {
        row(file, count);
        total.killed += count.killed;
        total.excused += count.excused;
        total.survived += count.survived;
        total.inconclusive += count.inconclusive;
    }
    row("all", &total);
    println!("{:.0} s", begin.elapsed().as_secs_f64());
}

/// Prints the execution that failed, and draws it if that is wanted.
fn show(stored: &Stored, options: &Options) {
    if !options.is_for_looking() {
        return;
    }
    let mut sources = Sources::new(plant::root());
    let execution = match stored.recorded(&mut sources) {
        Ok(recorded) => Execution::new(recorded, &mut sources),
        Err(message) => return println!("{message}"),
    };
    if options.show {
        let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(150);
        let colour = std::io::IsTerminal::is_terminal(&std::io::stdout());
        println!("{}", execution.text(drawing::Options { width, colour, all: false }));
    }
    let write = |path: &Path, text: &str| {
        if let Err(error) = std::fs::write(path, text) {
            println!("{}: {error}", path.display());
        }
    };
    if let Some(path) = &options.svg {
        write(path, &execution.svg(&stored.title));
    }
    if let Some(path) = &options.html {
        let Stored { name, site, weaker, model, title, .. } = stored;
        let about = About { page: name, ways: &[], title, site, weaker, model, sentence: None };
        write(path, &execution.html(about, &mut sources));
    }
}
