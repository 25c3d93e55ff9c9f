//! `cargo weaken`: every memory ordering of the library is needed, or it says why nobody can tell.
//!
//! Lists the sites in the source ([`source`]) and those that the models reach ([`coverage`]); makes them weaker, one at a time and at
//! run time ([`plant`]); and runs the models that reach the site, the smallest first, until one fails. What was found goes to the
//! tables in `docs/` ([`table`]).

mod coverage;
mod pages;
mod pictures;
mod plant;
mod run;
mod source;
mod states;
mod table;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;

pub(crate) use coverage::{
    Covers, Moved, Reached, keep as keep_coverage, parse as parse_coverage, parse_moved,
    print as print_coverage,
};
pub(crate) use plant::{plant, root};
pub(crate) use raddle::primitives::model::weaken::start_coverage;

use crate::drawing;
use plant::Mutant;
use source::Site;
use table::{Reasons, Verdicts};

/// Makes each memory ordering of the library weaker, one at a time, and requires that a model fails.
///
/// Without options: every site, the smallest models first; then the tables in docs/ are written anew. It takes some ten minutes on two cores.
#[derive(Parser, Debug)]
#[command(name = "cargo weaken", bin_name = "cargo weaken")]
struct Options {
    /// Only this site: a file (or the end of its name) and a line.
    #[arg(long, value_name = "FILE:LINE")]
    site: Option<String>,
    /// Only the files with this in their names.
    #[arg(long, value_name = "TEXT")]
    file: Option<String>,
    /// Only the files of the library that have changed since a git revision.
    #[arg(long, value_name = "REVISION", num_args = 0..=1, default_missing_value = "HEAD")]
    changed: Option<String>,
    /// Writes nothing, but compares: each mutant has to be noticed by the model that docs/orderings.json names, and each picture is as it was.
    #[arg(long)]
    recheck: bool,
    /// Only the models with this in their names, or with one of these texts, between commas.
    #[arg(long, value_name = "TEXT")]
    models: Option<String>,
    /// Lists the sites, with how many models reach them and what would be made of them, and runs no mutant.
    #[arg(long)]
    list: bool,
    /// Only compares the sites in the source with those that the models reach.
    #[arg(long)]
    coverage: bool,
    /// Only writes docs/orderings.md anew from what is known, records the executions that are missing or whose source has changed, and draws
    /// the pictures that docs/orderings.toml lists.
    #[arg(long)]
    write: bool,
    /// Only writes what the models make of the words to docs/states/, after a run of all models, and draws the diagrams; or of the one word
    /// NAME. With --models it writes nothing, and says where these models do not do what docs/states/*.toml says.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    states: Option<String>,
    /// Writes nothing to docs/.
    #[arg(long)]
    dry: bool,
    /// Prints the failing execution of each mutant.
    #[arg(long)]
    show: bool,
    /// Draws the failing execution of the (last) mutant into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<std::path::PathBuf>,
    /// Writes a page that steps through the failing execution of the (last) mutant into this file.
    #[arg(long, value_name = "FILE")]
    html: Option<std::path::PathBuf>,
    /// Only writes a picture and a page for each execution in docs/executions/ into this folder, and a list of them. Runs no model.
    #[arg(long, value_name = "FOLDER")]
    pages: Option<std::path::PathBuf>,
    /// Only mutants of this kind: `Relaxed`, `wakes nobody`, ...
    #[arg(long, value_name = "TEXT")]
    weaker: Option<String>,
    /// Seconds after which a mutant that no model has noticed is not run any further. It is then neither noticed nor not.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    limit: u64,
}

/// What there is to know before anything is run.
struct Ground {
    sites: Vec<Site>,
    verdicts: Verdicts,
    reasons: Reasons,
}

/// The command.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let options =
        Options::parse_from(std::iter::once("cargo weaken".to_owned()).chain(arguments.iter().cloned()));
    match command(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is as it should be; or why that cannot be said.
fn command(options: &Options) -> Result<bool, String> {
    let (sites, unread) = source::sites(plant::root());
    let ground = Ground {
        sites,
        verdicts: table::read_verdicts(plant::root()),
        reasons: Reasons::read(plant::root()),
    };
    for complaint in &unread {
        println!("{complaint}");
    }
    if options.write {
        return write(&ground);
    }
    if let Some(folder) = &options.pages {
        let count = pages::write(plant::root(), &ground.reasons, folder, &|_| Vec::new())?;
        println!("{count} pages: {}", folder.join("index.html").display());
        return Ok(true);
    }
    if options.is_for_looking() && options.site.is_some() {
        let plans = known_plans(&ground, options)?;
        if !plans.is_empty() {
            return run::run(ground, plans, options, 0);
        }
    }
    let models = options.models.as_deref();
    let mut covers = coverage::of_models(models)
        .map_err(|failed| format!("these models fail as the source stands: {}", failed.join(", ")))?;
    covers.retain(|covers| coverage::is_wanted(models, &covers.model));
    if let Some(name) = &options.states {
        let words = states::words(name)?;
        if models.is_some() {
            return Ok(states::say(&ground, &words, &covers) == 0);
        }
        states::keep(&ground, &words, &covers)?;
        return Ok(states::draw(&words)? == 0);
    }
    // (Some models alone say nothing of that.)
    let unreached = if models.is_some() { 0 } else { compare(&ground, &covers) } + unread.len();
    let plans = plans(&ground, &covers, options)?;
    if options.list {
        list(&ground, &covers, &plans, options)?;
    }
    if options.list || options.coverage {
        return Ok(unreached == 0);
    }
    let stale = if options.recheck && models.is_none() { states::compare(&ground, &covers)? } else { 0 };
    let is_whole = models.is_none() && options.site.is_none() && options.file.is_none();
    if is_whole && !(options.recheck || options.dry || options.is_for_looking()) {
        states::keep(&ground, &states::words("")?, &covers)?;
    }
    run::run(ground, plans, options, unreached + stale)
}

/// One mutant, and who may notice it.
struct Plan {
    mutant: Mutant,
    /// With the number of their executions, the smallest first.
    models: Vec<(usize, String)>,
}

/// Which mutants are asked for.
fn plans(ground: &Ground, covers: &[Covers], options: &Options) -> Result<Vec<Plan>, String> {
    /// Whether a parking call there has picked many, and the models that come there, with their executions.
    type Comers = (bool, Vec<(usize, String)>);
    let mut reached: BTreeMap<(&str, usize, usize), Comers> = BTreeMap::new();
    for model in covers {
        for site in &model.reached {
            let entry = reached.entry((&site.file, site.line, site.column)).or_default();
            entry.0 |= site.many;
            entry.1.push((model.executions, model.model.clone()));
        }
    }
    let mut plans = Vec::new();
    for site in wanted(ground, options)? {
        let Some((many, models)) = reached.get(&(site.file.as_str(), site.line, site.column)) else {
            continue;
        };
        let mut models = models.clone();
        models.sort_by_key(|(executions, name)| (executions * strangeness(site, name), name.clone()));
        let mut weaker = table::weaker(site);
        if site.kind == source::Kind::Parking && *many && !weaker.iter().any(|weaker| weaker == table::ONE) {
            weaker.push(table::ONE.to_owned());
        }
        weaker.retain(|weaker| options.weaker.as_ref().is_none_or(|wanted| weaker == wanted));
        for weaker in weaker {
            plans.push(Plan { mutant: Mutant { site: site.clone(), weaker }, models: models.clone() });
        }
    }
    Ok(plans)
}

/// Models are run by their size. Those of other types count for more, since a reader looks for the failure among the type's own.
fn strangeness(site: &Site, model: &str) -> usize {
    let mut parts = site.file.trim_end_matches(".rs").split('/').skip(1);
    let own =
        parts.any(|part| model.starts_with(&format!("{part}_")) || model.contains(&format!("_{part}_")));
    if own { 1 } else { 10 }
}

/// The mutants asked for that a model is known to notice, with that model alone: what can be shown at once.
fn known_plans(ground: &Ground, options: &Options) -> Result<Vec<Plan>, String> {
    let mut plans = Vec::new();
    for site in wanted(ground, options)? {
        let rows = ground.verdicts.iter().filter(|((key, _), _)| *key == site.key());
        for ((_, weaker), verdict) in rows {
            let is_wanted = options.weaker.as_ref().is_none_or(|wanted| weaker == wanted);
            if let (true, Some(model)) = (is_wanted, &verdict.model) {
                let mutant = Mutant { site: site.clone(), weaker: weaker.clone() };
                plans.push(Plan { mutant, models: vec![(0, model.clone())] });
            }
        }
    }
    Ok(plans)
}

/// Which sites are asked for.
fn wanted<'a>(ground: &'a Ground, options: &Options) -> Result<Vec<&'a Site>, String> {
    let changed = options.changed.as_deref().map(changed_files).transpose()?;
    let is_wanted = |site: &&Site| {
        let by_site = options.site.as_deref().is_none_or(|wanted| {
            let (file, line) = wanted.rsplit_once(':').unwrap_or((wanted, ""));
            site.file.ends_with(file) && line.parse() == Ok(site.line)
        });
        let by_file = options.file.as_deref().is_none_or(|text| site.file.contains(text));
        let by_change = changed.as_ref().is_none_or(|files| files.contains(&site.file));
        by_site && by_file && by_change
    };
    let sites: Vec<&Site> = ground.sites.iter().filter(is_wanted).collect();
    match &options.site {
        Some(wanted) if sites.is_empty() => {
            Err(format!("there is no atomic operation, fence or parking call at {wanted}"))
        }
        _ => Ok(sites),
    }
}

/// The files of the library that are not as they were at `revision`.
fn changed_files(revision: &str) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    let commands = [
        vec!["diff", "--name-only", revision, "--", "src"],
        vec!["ls-files", "--others", "--exclude-standard", "--", "src"],
    ];
    for arguments in commands {
        let output = Command::new("git").args(&arguments).current_dir(plant::root()).output();
        let output = output.map_err(|error| format!("git {}: {error}", arguments.join(" ")))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git {}: {message}", arguments.join(" ")));
        }
        files.extend(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned));
    }
    println!("{} files of the library have changed since {revision}", files.len());
    Ok(files)
}

/// Compares the sites in the source with those that the models reach. Returns how many do not agree, after saying which.
fn compare(ground: &Ground, covers: &[Covers]) -> usize {
    let mut wrong = 0;
    let mut say = |text: String| {
        wrong += 1;
        println!("{text}");
    };
    let reached: std::collections::BTreeSet<&Reached> =
        covers.iter().flat_map(|model| &model.reached).collect();
    let is_reached = |site: &Site| {
        reached.iter().any(|reached| {
            reached.file == site.file && reached.line == site.line && reached.column == site.column
        })
    };
    let mut count = 0;
    let mut excused = 0;
    for site in &ground.sites {
        let place = format!("{}:{} {} in {}", site.file, site.line, site.text(), site.function);
        match (is_reached(site), ground.reasons.why_unreached(&site.key())) {
            (true, None) => count += 1,
            (false, Some(_)) => excused += 1,
            (true, Some(_)) => {
                say(format!("{place}: docs/orderings.toml says that no model comes here, and one does"))
            }
            (false, None) => say(format!("{place}: NO MODEL comes here")),
        }
    }
    for reached in reached {
        let known = ground.sites.iter().any(|site| {
            reached.file == site.file && reached.line == site.line && reached.column == site.column
        });
        if !known {
            let Reached { file, line, column, .. } = reached;
            say(format!(
                "{file}:{line}:{column}: a model does something here that the reader of the source has not seen"
            ));
        }
    }
    println!("reached / in source: {count} / {}, and {excused} with a reason why not", ground.sites.len());
    wrong
}

/// Every site that is asked for, and what becomes of it.
fn list(ground: &Ground, covers: &[Covers], plans: &[Plan], options: &Options) -> Result<(), String> {
    for site in wanted(ground, options)? {
        let comes_here = |model: &&Covers| {
            model.reached.iter().any(|reached| {
                reached.file == site.file && reached.line == site.line && reached.column == site.column
            })
        };
        let models = covers.iter().filter(comes_here).count();
        let weaker: Vec<&str> = plans
            .iter()
            .filter(|plan| plan.mutant.site == *site)
            .map(|plan| plan.mutant.weaker.as_str())
            .collect();
        let weaker = if weaker.is_empty() { "nothing weaker".to_owned() } else { weaker.join(", ") };
        println!("{}:{} {}  ({models} models; {weaker})", site.file, site.line, site.text());
    }
    println!("{} mutants", plans.len());
    Ok(())
}

/// Writes `docs/orderings.md` and the pictures, and says what is missing.
fn write(ground: &Ground) -> Result<bool, String> {
    let (text, score) = table::render(&ground.sites, &ground.verdicts, &ground.reasons, None);
    std::fs::write(plant::root().join(table::TABLE), text)
        .map_err(|error| format!("{}: {error}", table::TABLE))?;
    let complaints = table::complaints(&ground.sites, &ground.verdicts, &ground.reasons);
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!("{}: {score:?}", table::TABLE);
    let wrong = pictures::draw(ground) + states::draw(&states::words("")?)?;
    Ok(wrong == 0 && complaints.is_empty())
}

impl Options {
    /// Whether somebody only wants to see what fails.
    fn is_for_looking(&self) -> bool {
        self.show || self.svg.is_some() || self.html.is_some()
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}
