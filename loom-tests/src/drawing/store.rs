//! Failing executions as they are kept in `docs/executions/`: one file for each ordering that a model has noticed to be gone.
//!
//! A place is kept as the function and the text of the line, not as its number. So an execution stands while other lines come
//! and go, and the pictures are drawn anew from the source as it is, with no model run. A place that isn't found any more makes the
//! whole execution out of date.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record::{Did, Recorded, RecordedStep};
use super::source::Sources;

/// Where they are, from the root of the repository.
pub(crate) const FOLDER: &str = "docs/executions";

/// An execution, and what failed in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// The file's name, without its ending.
    #[serde(skip)]
    pub(crate) name: String,
    /// What names the site, as in `docs/orderings.json`.
    pub(crate) site: String,
    /// What was made of it.
    pub(crate) weaker: String,
    /// The model that fails.
    pub(crate) model: String,
    /// The same, in words for a title.
    pub(crate) title: String,
    message: String,
    /// Where the panic was raised.
    raised: Raised,
    places: Vec<Place>,
    points_to: BTreeMap<u64, usize>,
    steps: Vec<StoredStep>,
}

/// Where the panic was raised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Raised {
    /// One of our places.
    Here(Place),
    /// Somewhere in loom, or not known.
    Elsewhere(String),
}

/// File, function, the text of the line, which of those in the function, and the column in the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Place(String, String, String, usize, u32);

/// Thread, object, place, whether it was broken, and what it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct StoredStep(usize, usize, usize, bool, Did);

impl Place {
    fn of(file: &str, line: u32, column: u32, sources: &mut Sources<'_>) -> Option<Place> {
        let source = sources.file(file);
        let text = source.line(line)?.trim();
        let indent = source.line(line)?.chars().take_while(|c| c.is_whitespace()).count();
        // What stands in no function is looked for in the whole file.
        let (function, first) = match source.function_at(line) {
            Some(function) => (function.name.clone(), function.first),
            None => (String::new(), 1),
        };
        let alike = (first..line).filter(|&line| source.line(line).map(str::trim) == Some(text));
        let column = column.saturating_sub(u32::try_from(indent).unwrap_or(0));
        Some(Place(file.to_owned(), function, text.to_owned(), alike.count(), column))
    }

    /// Line and column, if it is still there.
    fn find(&self, sources: &mut Sources<'_>) -> Option<(u32, u32)> {
        let Place(file, function, text, nth, column) = self;
        let source = sources.file(file);
        let file = function.is_empty().then(|| 1..=source.lines());
        let functions = source.functions(function).map(|function| function.first..=function.last);
        file.into_iter().chain(functions).find_map(|lines| {
            let is_it = |line: &u32| source.line(*line).map(str::trim) == Some(text.as_str());
            let line = lines.filter(is_it).nth(*nth)?;
            let indent = source.line(line)?.chars().take_while(|c| c.is_whitespace()).count();
            Some((line, column + u32::try_from(indent).unwrap_or(0)))
        })
    }
}

impl Stored {
    /// What is to be kept of an execution that has just been recorded.
    pub(crate) fn new(
        recorded: &Recorded,
        [name, site, weaker, model, title]: [&str; 5],
        sources: &mut Sources<'_>,
    ) -> Result<Stored, String> {
        let mut places: Vec<Place> = Vec::new();
        let mut steps = Vec::new();
        for step in &recorded.steps {
            let place = Place::of(&step.file, step.line, step.column, sources)
                .ok_or_else(|| format!("there is no {}:{}", step.file, step.line))?;
            let at = places.iter().position(|known| *known == place).unwrap_or_else(|| {
                places.push(place);
                places.len() - 1
            });
            steps.push(StoredStep(step.thread, step.object, at, step.planted, step.what.clone()));
        }
        let raised = recorded
            .place
            .rsplit_once(':')
            .and_then(|(file, line)| Place::of(file, line.parse().ok()?, 1, sources));
        let elsewhere = || {
            // loom's place is one in a registry, which lies elsewhere on each machine.
            let place = &recorded.place;
            Raised::Elsewhere(place.rfind("/src/").map_or(place.as_str(), |at| &place[at + 1..]).to_owned())
        };
        Ok(Stored {
            name: name.to_owned(),
            site: site.to_owned(),
            weaker: weaker.to_owned(),
            model: model.to_owned(),
            title: title.to_owned(),
            message: recorded.message.clone(),
            raised: raised.map_or_else(elsewhere, Raised::Here),
            places,
            points_to: recorded.points_to.clone(),
            steps,
        })
    }

    /// The same under this name.
    pub(crate) fn named(mut self, name: &str) -> Stored {
        name.clone_into(&mut self.name);
        self
    }

    /// As it was recorded, with the lines that the source has now.
    pub(crate) fn recorded(&self, sources: &mut Sources<'_>) -> Result<Recorded, String> {
        let mut found = Vec::new();
        for place in &self.places {
            found.push(place.find(sources).ok_or_else(|| place.gone())?);
        }
        let steps = self.steps.iter().map(|StoredStep(thread, object, place, planted, what)| {
            let (line, column) = found[*place];
            let file = self.places[*place].0.clone();
            RecordedStep {
                thread: *thread,
                object: *object,
                file,
                line,
                column,
                planted: *planted,
                what: what.clone(),
            }
        });
        let place = match &self.raised {
            Raised::Here(place) => {
                let (line, _) = place.find(sources).ok_or_else(|| place.gone())?;
                format!("{}:{line}", place.0)
            }
            Raised::Elsewhere(place) => place.clone(),
        };
        Ok(Recorded {
            message: self.message.clone(),
            place,
            steps: steps.collect(),
            points_to: self.points_to.clone(),
        })
    }

    /// As text: a line for each step, so that changes can be read.
    pub(crate) fn to_text(&self) -> String {
        let json = |value: &dyn ErasedJson| value.json();
        let rows = |rows: Vec<String>| format!("[\n{}\n]", rows.join(",\n"));
        let fields = [
            ("site", json(&self.site)),
            ("weaker", json(&self.weaker)),
            ("model", json(&self.model)),
            ("title", json(&self.title)),
            ("message", json(&self.message)),
            ("raised", json(&self.raised)),
            ("places", rows(self.places.iter().map(|place| json(place)).collect())),
            ("points_to", json(&self.points_to)),
            ("steps", rows(self.steps.iter().map(|step| json(step)).collect())),
        ];
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{\n{}\n}}\n", fields.join(",\n"))
    }

    /// Reads the one of this name.
    ///
    /// # Errors
    ///
    /// If it isn't there, or not as it should be.
    pub(crate) fn read(root: &Path, name: &str) -> Result<Stored, String> {
        let path = root.join(path(name));
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let stored: Stored =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(stored.named(name))
    }

    /// The file of the library.
    pub(crate) fn file(&self) -> &str {
        self.site.split(' ').next().unwrap_or_default()
    }
}

impl Place {
    fn gone(&self) -> String {
        format!("there is no `{}` in {} of {} any more", self.2, self.1, self.0)
    }
}

/// What can be written as JSON.
trait ErasedJson {
    fn json(&self) -> String;
}

impl<T: Serialize> ErasedJson for T {
    fn json(&self) -> String {
        serde_json::to_string(self).expect("plain text and numbers")
    }
}

/// The file with this name, from the root of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.json"))
}

/// What the files of a mutant are called: `lock-raw-lock_slow-state-load-acquire-relaxed`.
pub(crate) fn name(site: &str, weaker: &str) -> String {
    let site = site.strip_prefix("src/").unwrap_or(site);
    let mut out = String::new();
    for c in format!("{} {weaker}", site.replacen(".rs ", " ", 1)).chars() {
        if c.is_alphanumeric() || c == '_' {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// All that are kept, by their names.
///
/// # Errors
///
/// Which file is not as it should be.
pub(crate) fn all(root: &Path) -> Result<Vec<Stored>, String> {
    let Ok(entries) = std::fs::read_dir(root.join(FOLDER)) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{FOLDER}: {error}"))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            names.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    names.sort();
    names.iter().map(|name| Stored::read(root, name)).collect()
}
