//! What is known of each site: the verdicts of `cargo weaken` (`docs/orderings.json`), the reasons why some weaker ordering is not
//! noticed (`docs/orderings.toml`), and the table made of both and of the source (`docs/orderings.md`).
//!
//! Also a module of `tests/orderings.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::source::{Kind, Site};

/// Where the verdicts are, from the root of the package.
pub const VERDICTS: &str = "docs/orderings.json";
/// Where the reasons are.
pub const REASONS: &str = "docs/orderings.toml";
/// Where the table is.
pub const TABLE: &str = "docs/orderings.md";
/// Where the pictures are.
pub const PICTURES: &str = "docs/orderings";

/// What `cargo weaken` has found out about one mutant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// [`Site::key`].
    pub site: String,
    /// What was put in the place of what stands there: `Relaxed`, `on failure Relaxed`, `no fence`, `wakes nobody`, ...
    pub weaker: String,
    /// The model that fails, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// In which of its executions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<usize>,
    /// `a data race`, `a deadlock`, or the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
}

/// Why a mutant survives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survives {
    /// [`Site::key`].
    pub site: String,
    /// Which mutants of that site.
    pub weaker: Vec<String>,
    /// Why no model can notice.
    pub why: String,
}

/// Why no model comes to a site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreached {
    /// [`Site::key`].
    pub site: String,
    /// Why not.
    pub why: String,
}

/// A mutant whose failing execution stands in the docs as a picture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picture {
    /// [`Site::key`].
    pub site: String,
    /// Which mutant of that site.
    pub weaker: String,
    /// The model whose failing execution is drawn: not always the first that notices, since some are easier to read.
    pub model: String,
    /// The file, without its ending.
    pub name: String,
    /// The file of the library where it stands, if that is another one than the site's.
    #[serde(default)]
    pub under: Option<String>,
    /// What stands below it.
    pub caption: String,
}

/// `docs/orderings.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    /// Mutants that no model notices.
    #[serde(default)]
    pub survives: Vec<Survives>,
    /// Sites that no model reaches.
    #[serde(default)]
    pub unreached: Vec<Unreached>,
    /// Executions to draw.
    #[serde(default)]
    pub picture: Vec<Picture>,
}

impl Reasons {
    /// Reads the file.
    ///
    /// # Panics
    ///
    /// If it is not as it should be.
    pub fn read(root: &Path) -> Reasons {
        let text = std::fs::read_to_string(root.join(REASONS)).unwrap_or_default();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{REASONS}: {error}"))
    }

    /// Why this mutant survives, if it is said.
    pub fn why(&self, site: &str, weaker: &str) -> Option<&str> {
        let row =
            self.survives.iter().find(|row| row.site == site && row.weaker.iter().any(|w| w == weaker))?;
        Some(row.why.trim())
    }

    /// The pictures of this mutant: there may be one of each of several models.
    pub fn pictures_of(&self, site: &str, weaker: &str) -> impl Iterator<Item = &Picture> {
        self.picture.iter().filter(move |picture| picture.site == site && picture.weaker == weaker)
    }

    /// Why no model reaches this site, if it is said.
    pub fn why_unreached(&self, site: &str) -> Option<&str> {
        Some(self.unreached.iter().find(|row| row.site == site)?.why.trim())
    }
}

/// The verdicts, by site and mutant.
pub type Verdicts = BTreeMap<(String, String), Verdict>;

/// Reads the verdicts; none if there is no file.
///
/// # Panics
///
/// If the file is not as it should be.
pub fn read_verdicts(root: &Path) -> Verdicts {
    let Ok(text) = std::fs::read_to_string(root.join(VERDICTS)) else { return Verdicts::new() };
    let rows: Vec<Verdict> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{VERDICTS}: {error}"));
    rows.into_iter().map(|row| ((row.site.clone(), row.weaker.clone()), row)).collect()
}

/// The verdicts as text: a line for each, so that changes can be read.
pub fn write_verdicts(verdicts: &Verdicts) -> String {
    let rows: Vec<String> =
        verdicts.values().map(|row| serde_json::to_string(row).expect("plain text and numbers")).collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

/// The mutants of a site that follow from its text alone: each ordering one notch weaker, a fence also to none, a parking call without its
/// effect. (A call that wakes several is also made to wake one; whether it ever does, only the models know.)
pub fn weaker(site: &Site) -> Vec<String> {
    fn notch(ordering: &str) -> &'static [&'static str] {
        match ordering {
            "SeqCst" => &["AcqRel"],
            "AcqRel" => &["Acquire", "Release"],
            "Acquire" | "Release" => &["Relaxed"],
            _ => &[],
        }
    }
    let first = site.orderings.first().map_or("", String::as_str);
    match site.kind {
        Kind::Fence => {
            let mut weaker: Vec<String> =
                notch(first).iter().filter(|&&w| w != "Relaxed").map(|&w| w.to_owned()).collect();
            weaker.push(NO_FENCE.to_owned());
            weaker
        }
        Kind::Atomic => {
            let mut weaker: Vec<String> = notch(first).iter().map(|&w| w.to_owned()).collect();
            if let Some(failure) = site.orderings.get(1) {
                weaker.extend(notch(failure).iter().map(|w| format!("{ON_FAILURE}{w}")));
            }
            weaker
        }
        Kind::Parking if site.operation == "park" => vec![UNASKED.to_owned()],
        Kind::Parking if site.operation == "unpark_all" => vec![NOBODY.to_owned(), ONE.to_owned()],
        Kind::Parking => vec![NOBODY.to_owned()],
    }
}

/// A fence that is not there.
pub const NO_FENCE: &str = "no fence";
/// Before the ordering of a compare-and-exchange that does not write.
pub const ON_FAILURE: &str = "on failure ";
/// A wake-up that is not sent.
pub const NOBODY: &str = "wakes nobody";
/// A wake-up for one where several should have it.
pub const ONE: &str = "wakes one";
/// A park that does not ask `validate`.
pub const UNASKED: &str = "parks unasked";

/// What the source calls the partner of an ordering: "the Release in `unlock`".
fn pairs_with(sentence: &str) -> String {
    let mut found = Vec::new();
    for (at, word) in
        sentence.match_indices("pairs with ").chain(sentence.match_indices("; as the last: with "))
    {
        let rest = &sentence[at + word.len()..];
        let mut end = rest.len();
        for stop in [";", ": ", ". ", ", which", "; "] {
            end = end.min(rest.find(stop).unwrap_or(end));
        }
        found.push(rest[..end].trim_end_matches(['.', ')']).to_owned());
    }
    found.dedup();
    found.join("; ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// How many there are of everything.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Score {
    /// Sites in the source.
    pub sites: usize,
    /// Those that no model reaches, with a reason.
    pub unreached: usize,
    /// Mutants that a model has noticed.
    pub killed: usize,
    /// Mutants that none notices, with a reason.
    pub survived: usize,
    /// Neither: not run, or not finished.
    pub unknown: usize,
}

/// `docs/orderings.md`, and its score. `steps` is what stands behind a mutant that a model has noticed: in the book that leads to
/// the page of its execution.
pub fn render(
    sites: &[Site],
    verdicts: &Verdicts,
    reasons: &Reasons,
    steps: Option<&dyn Fn(&Verdict) -> String>,
) -> (String, Score) {
    let mut score = Score { sites: sites.len(), ..Score::default() };
    let mut body = String::new();
    let mut file = "";
    for site in sites {
        if site.file != file {
            file = &site.file;
            let _ = write!(body, "\n## {file}\n");
            let belongs_here = |picture: &&Picture| match &picture.under {
                Some(under) => under == file,
                None => picture.site.starts_with(&format!("{file} ")),
            };
            for picture in reasons.picture.iter().filter(belongs_here) {
                let _ = write!(
                    body,
                    "\n![{}](orderings/{}.svg)\n\n*{}*\n",
                    cell(&picture.caption),
                    picture.name,
                    picture.caption.trim()
                );
            }
            body.push_str("\n| place | operation | why | pairs with | weakened to: noticed by |\n|---|---|---|---|---|\n");
        }
        let key = site.key();
        let found = if let Some(why) = reasons.why_unreached(&key) {
            score.unreached += 1;
            format!("no model comes here: {}", cell(why))
        } else {
            let mut mutants = weaker(site);
            if !mutants.iter().any(|weaker| weaker == ONE)
                && verdicts.contains_key(&(key.clone(), ONE.to_owned()))
            {
                mutants.push(ONE.to_owned());
            }
            let found: Vec<String> = mutants
                .iter()
                .map(|weaker| {
                    let name = format!("*{weaker}*");
                    let verdict = verdicts.get(&(key.clone(), weaker.clone()));
                    if let Some(why) = reasons.why(&key, weaker) {
                        score.survived += 1;
                        return format!("{name}: not noticed. {}", cell(why));
                    }
                    match verdict {
                        Some(verdict @ Verdict { model: Some(model), execution, how, .. }) => {
                            score.killed += 1;
                            let steps = steps.map_or(String::new(), |steps| steps(verdict));
                            let execution = execution.map_or(String::new(), |n| format!(", execution {n}"));
                            let how = how.as_deref().map_or(String::new(), |how| format!(", {}", cell(how)));
                            format!("{name}: `{model}`{how}{execution}{steps}")
                        }
                        _ => {
                            score.unknown += 1;
                            format!("{name}: **not known**")
                        }
                    }
                })
                .collect();
            found.join("<br>")
        };
        let sentence = site.sentence.as_deref().unwrap_or("");
        let _ = writeln!(
            body,
            "| [{} : {}](../{file}#L{}) | `{}` | {} | {} | {found} |",
            site.function,
            site.line,
            site.line,
            cell(&site.text()),
            cell(sentence),
            cell(&pairs_with(sentence)),
        );
    }
    // The first ordering that a model misses, in the file that a reader meets first.
    let is_noticed = |site: &&Site| {
        let verdict = |weaker| verdicts.get(&(site.key(), weaker));
        weaker(site).into_iter().filter_map(verdict).any(|verdict| verdict.model.is_some())
    };
    let mut noticed = sites.iter().filter(is_noticed);
    let example = noticed.clone().find(|site| site.file == "src/lock/raw.rs").or_else(|| noticed.next());
    let example =
        example.map_or_else(|| "FILE:LINE".to_owned(), |site| format!("{}:{}", site.file, site.line));
    let head = format!(
        "# Every memory ordering, and what fails without it\n\
         \n\
         <!-- Made by `cargo weaken --write` from the source, `orderings.json` and `orderings.toml`. Do not edit: a test compares. -->\n\
         \n\
         One row for each atomic operation, fence and parking call of the library. *Why* is the comment above it in the source. The last\n\
         column says what happens if it is made weaker: each ordering by one notch (AcqRel to Acquire and to Release, either of these to\n\
         Relaxed, a fence to the weaker fence and to none), an `unpark` that wakes nobody (or one where it should wake all), a `park` that\n\
         doesn't look at the word a last time. Named is the model of `loom-tests/` that fails then, how, and in which of its executions.\n\
         A Relaxed ordering has no weaker one. `cargo weaken --site {example} --show` draws a failing execution.\n\
         {}\n\
         \n\
         A mutant that no model notices stands here with the reason, which is in `orderings.toml`: something that loom cannot see. An ordering that is not\n\
         needed at all has no place there: it was weakened for good.\n\
         \n\
         {} sites in the source, {} of which no model can reach (each says why). {} mutants: {} noticed, {} not noticed, with a reason{}.\n",
        match steps {
            None =>
                "`cargo book` builds this page with a link in each such row: to a page that steps through the execution.",
            Some(_) =>
                "*Step by step* leads to a page that steps through the execution; here is [the list of them](executions/index.html).",
        },
        score.sites,
        score.unreached,
        score.killed + score.survived + score.unknown,
        score.killed,
        score.survived,
        if score.unknown == 0 { String::new() } else { format!(", {} not known", score.unknown) },
    );
    (head + &body, score)
}

/// What is out of date in the files, whatever the source says of the models: rows that name no site, mutants without a verdict, ...
pub fn complaints(sites: &[Site], verdicts: &Verdicts, reasons: &Reasons) -> Vec<String> {
    let mut complaints: Vec<String> = sites
        .iter()
        .filter_map(|site| Some(format!("{}:{} {} {}", site.file, site.line, site.text(), site.complaint()?)))
        .collect();
    let mutants: BTreeSet<(String, String)> = sites
        .iter()
        .flat_map(|site| weaker(site).into_iter().map(|weaker| (site.key(), weaker)).collect::<Vec<_>>())
        .collect();
    let keys: BTreeSet<String> = sites.iter().map(Site::key).collect();
    for (site, weaker) in verdicts.keys() {
        if !(mutants.contains(&(site.clone(), weaker.clone())) || weaker == ONE && keys.contains(site)) {
            complaints.push(format!("{VERDICTS}: there is no {site}, {weaker}"));
        }
    }
    for (site, weaker) in &mutants {
        let known =
            verdicts.get(&(site.clone(), weaker.clone())).is_some_and(|verdict| verdict.model.is_some());
        let survives = reasons.why(site, weaker).is_some();
        let unreached = reasons.why_unreached(site).is_some();
        match (known, survives || unreached) {
            (true, true) => complaints.push(format!("{REASONS}: {site}, {weaker} is noticed by a model")),
            (false, false) => complaints
                .push(format!("{site}, {weaker}: no model is known to notice (run `cargo weaken --site`)")),
            _ => {}
        }
    }
    for row in &reasons.survives {
        for weaker in &row.weaker {
            let exists = mutants.contains(&(row.site.clone(), weaker.clone()))
                || weaker == ONE && keys.contains(&row.site);
            if !exists {
                complaints.push(format!("{REASONS}: there is no {}, {weaker}", row.site));
            }
        }
    }
    let unreached = reasons.unreached.iter().map(|row| &row.site);
    for site in unreached.chain(reasons.picture.iter().map(|row| &row.site)) {
        if !keys.contains(site) {
            complaints.push(format!("{REASONS}: there is no {site}"));
        }
    }
    complaints
}
