//! The execution that failed, drawn: a column for each thread, a row for each step, as text and as SVG.
//!
//! | file        | what is in it                                                        |
//! |-------------|----------------------------------------------------------------------|
//! | `record.rs` | what the failing process writes down                                 |
//! | `order.rs`  | who wrote what is read, and what that orders                         |
//! | `source.rs` | names of fields and of bits, from the source                         |
//! | `ending.rs` | where it goes wrong, and the sentence that says why                  |
//! | `text.rs`   | the drawing for a terminal                                           |
//! | `svg.rs`    | the drawing for the documentation                                    |
//! | `stepper.rs`| the page that steps through it                                       |
//! | `states.rs` | which values of a word become which                                  |
//! | `store.rs`  | what is kept of it in `docs/executions/`                             |
//!
//! Nothing here runs a model, or needs the library: also a module of `tests/executions.rs`.

mod ending;
mod order;
pub(crate) mod record;
mod source;
pub(crate) mod states;
mod stepper;
pub(crate) mod store;
mod svg;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ending::Ending;
use order::{Order, Reads};
use record::{Did, Operation, Recorded, RecordedStep, WordType};
pub(crate) use source::Sources;
pub(crate) use stepper::{About, list_page};
pub(crate) use svg::escape;
pub(crate) use text::Options;

/// How loom reports a race.
pub(crate) const RACE: &str = "Causality violation";

/// How loom reports that nobody can go on.
pub(crate) const DEADLOCK: &str = "deadlock";

/// Reads what a failing process has written down.
///
/// # Errors
///
/// If it has written nothing.
pub(crate) fn read(path: &Path) -> Result<Recorded, String> {
    let name = path.display();
    let json = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    serde_json::from_slice(&json).map_err(|error| format!("{name}: {error}"))
}

/// An execution that failed, put into words.
pub(crate) struct Execution {
    recorded: Recorded,
    orders: Vec<Order>,
    /// What the objects are called, by their numbers.
    names: Vec<String>,
    threads: usize,
    steps: Vec<Step>,
    ending: Ending,
    /// What happened, in a sentence or two.
    caption: String,
}

/// A step, put into words.
struct Step {
    thread: usize,
    /// File and line, without what all have in common.
    place: String,
    /// What is done, and to what: `state.swap`.
    operation: String,
    /// What comes of it: `FREE → LOCKED`. May be empty.
    result: String,
    /// The value that it found, if it is one on an atomic that reads.
    read: Option<String>,
    /// The value that it left.
    written: Option<String>,
    /// The ordering that it ran with. May be empty.
    order: String,
    /// What was broken here on purpose.
    broken: Option<String>,
    reads: Option<Reads>,
    woken_by: Option<usize>,
    /// Whether a drawing can do without it.
    aside: bool,
}

impl Execution {
    /// Puts it into words, with the names from the source.
    pub(crate) fn new(recorded: Recorded, sources: &mut Sources<'_>) -> Execution {
        let steps = &recorded.steps;
        let orders = order::infer(steps);
        let ending = Ending::find(&recorded.message, steps, &orders);
        let aside = aside(steps, &ending);
        let words = Words {
            names: names(steps, &aside, sources),
            layouts: layouts(steps, sources),
            points_to: &recorded.points_to,
        };
        let said: Vec<Step> = steps
            .iter()
            .zip(orders.iter().zip(aside))
            .map(|(step, (order, aside))| say(step, order, aside, &words, sources))
            .collect();
        let threads = steps.iter().map(|step| step.thread + 1).max().unwrap_or(0);
        let names = words.names;
        let caption = String::new();
        let mut execution = Execution { recorded, orders, names, threads, steps: said, ending, caption };
        execution.caption = ending::caption(&execution);
        execution
    }

    /// What happened, in a sentence or two.
    pub(crate) fn caption(&self) -> &str {
        &self.caption
    }

    /// For a terminal.
    pub(crate) fn text(&self, options: Options) -> String {
        text::draw(self, options)
    }

    /// A picture that stands by itself.
    pub(crate) fn svg(&self, title: &str) -> String {
        svg::draw(self, title)
    }

    /// A page that steps through it.
    pub(crate) fn html(&self, about: About<'_>, sources: &mut Sources<'_>) -> String {
        stepper::draw(self, about, sources)
    }

    /// The step where it shows that something is wrong.
    fn last(&self) -> Option<usize> {
        self.steps.len().checked_sub(1)
    }
}

/// What things are called.
struct Words<'a> {
    names: Vec<String>,
    layouts: BTreeMap<usize, source::Layout>,
    points_to: &'a BTreeMap<u64, usize>,
}

/// Puts one step into words.
fn say(
    step: &RecordedStep,
    order: &Order,
    aside: bool,
    words: &Words<'_>,
    sources: &mut Sources<'_>,
) -> Step {
    let names = &words.names;
    let name = &names[step.object];
    let (mut ordering, mut broken) = (String::new(), None);
    let (mut read, mut written) = (None, None);
    let mut orders = |orders: &record::Orders| {
        ordering.clone_from(&orders.used);
        if orders.used != orders.source {
            broken = Some(format!("{} made {}", orders.source, orders.used));
        }
    };
    let (operation, result) = match &step.what {
        Did::Atomic(operation) => {
            orders(&operation.orders);
            let layout = words.layouts.get(&step.object);
            read = operation.read.map(|bits| value(bits, operation.word, layout, words));
            written = operation.written.map(|bits| value(bits, operation.word, layout, words));
            (format!("{name}.{}", short(&operation.name)), values(operation, layout, words))
        }
        Did::Fence { orders: fence } => {
            orders(fence);
            ("fence".to_owned(), core::mem::take(&mut ordering))
        }
        Did::CellWrite => (format!("write {name}"), String::new()),
        Did::CellRead => (format!("read {name}"), String::new()),
        Did::Waits { deadline } => {
            if step.planted {
                broken = Some("parks without asking".to_owned());
            }
            let until = if *deadline { ", with a deadline" } else { "" };
            (format!("park on {name}: waits{until}"), String::new())
        }
        Did::Invalid => (format!("park on {name}: need not wait"), String::new()),
        Did::Unparked { token } => {
            let token =
                sources.file(&step.file).token(*token).map_or(String::new(), |name| format!(", told {name}"));
            (format!("park on {name}: woken{token}"), String::new())
        }
        Did::TimedOut => (format!("park on {name}: the deadline passed"), String::new()),
        Did::Woke { name: call, woken, moved, to } => {
            if step.planted {
                let whom = if woken.is_empty() && moved.is_empty() { "nobody" } else { "only one" };
                broken = Some(format!("made to wake {whom}"));
            }
            let mut result = format!("wakes {}", list(woken));
            if !moved.is_empty() {
                result.push_str(&format!(", moves {} to {}", list(moved), names[*to]));
            }
            (format!("{call} on {name}: {result}"), String::new())
        }
    };
    Step {
        thread: step.thread,
        place: format!("{}:{}", shorten(&step.file), step.line),
        operation,
        result,
        order: ordering,
        broken,
        read,
        written,
        reads: order.reads.clone(),
        woken_by: order.woken_by,
        aside,
    }
}

/// The place without what all places have in common.
fn shorten(place: &str) -> &str {
    let place = place.strip_prefix("loom-tests/").unwrap_or(place);
    place.strip_prefix("src/").unwrap_or(place)
}

fn short(name: &str) -> &str {
    if name == "compare_exchange" { "cas" } else { name }
}

/// "T1 and T2", or "nobody".
fn list(threads: &[usize]) -> String {
    let names: Vec<String> = threads.iter().map(|thread| format!("T{thread}")).collect();
    match &names[..] {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A value in words.
fn value(bits: u64, word: WordType, layout: Option<&source::Layout>, words: &Words<'_>) -> String {
    match (layout, words.points_to.get(&bits)) {
        (Some(layout), _) if word != WordType::Pointer => layout.name(bits),
        (_, Some(&object)) => format!("&{}", words.names[object]),
        _ => source::pointer(bits),
    }
}

fn values(operation: &Operation, layout: Option<&source::Layout>, words: &Words<'_>) -> String {
    let value = |bits| value(bits, operation.word, layout, words);
    match (operation.wanted, operation.read, operation.written) {
        (Some((expected, _)), Some(read), _) => format!("is {}, not {}", value(read), value(expected)),
        (_, Some(read), Some(written)) => format!("{} → {}", value(read), value(written)),
        (_, Some(read), None) => format!("= {}", value(read)),
        (_, None, Some(written)) => format!("← {}", value(written)),
        _ => String::new(),
    }
}

/// What each object is called, by its number.
fn names(steps: &[RecordedStep], aside: &[bool], sources: &mut Sources<'_>) -> Vec<String> {
    let count = steps.iter().map(|step| step.object.max(other_queue(step)) + 1).max().unwrap_or(1);
    // By object: the names that it has in the source, and the files, each with how often.
    let mut seen: Vec<BTreeMap<String, usize>> = vec![BTreeMap::new(); count];
    let mut modules: Vec<BTreeMap<String, usize>> = vec![BTreeMap::new(); count];
    for step in steps {
        let name = match step.what {
            Did::Atomic(_) => sources.file(&step.file).receiver(step.line, step.column),
            Did::CellWrite | Did::CellRead => Some(DATA.to_owned()),
            _ => None,
        };
        if let Some(name) = name {
            *seen[step.object].entry(name).or_default() += 1;
        }
        *modules[step.object].entry(module(&step.file)).or_default() += 1;
    }
    let hidden = steps.iter().zip(aside).filter(|(_, aside)| **aside).map(|(step, _)| step.object).collect();
    // A field's name says more than that of a reference to it.
    let files: BTreeSet<&str> = steps.iter().map(|step| step.file.as_str()).collect();
    let fields: BTreeSet<String> =
        files.iter().flat_map(|file| sources.file(file).fields().clone()).collect();
    let most = |counts: &BTreeMap<String, usize>| {
        let rank = |name: &String, count: usize| (fields.contains(name), count);
        counts.iter().rev().max_by_key(|(name, count)| rank(name, **count)).map(|(name, _)| name.clone())
    };
    let mut names: Vec<String> =
        seen.iter().map(|names| most(names).unwrap_or_else(|| "queue".to_owned())).collect();
    let modules: Vec<String> = modules.iter().map(|modules| most(modules).unwrap_or_default()).collect();
    tell_apart(&mut names, &modules, &hidden);
    names
}

/// Makes names differ: by the module, or else by a letter. Those that are shown come first, so that they keep the short names.
fn tell_apart(names: &mut [String], modules: &[String], hidden: &BTreeSet<usize>) {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    // Number 0 is no object.
    for (object, name) in names.iter().enumerate().skip(1) {
        groups.entry(name.clone()).or_default().push(object);
    }
    for (name, mut members) in groups {
        members.sort_by_key(|member| hidden.contains(member));
        let shown = members.iter().filter(|member| !hidden.contains(member)).count();
        let mut by_module: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
        for &member in &members[..shown] {
            by_module.entry(&modules[member]).or_default().push(member);
        }
        if by_module.len() > 1 && name != DATA {
            for (module, members) in by_module {
                letter(names, &members, &format!("{module}.{name}"), 0);
            }
        } else {
            letter(names, &members[..shown], &name, 0);
        }
        letter(names, &members[shown..], &name, shown);
    }
}

/// Puts a letter behind each name, from this one on. One alone needs none.
fn letter(names: &mut [String], members: &[usize], name: &str, from: usize) {
    for (index, &member) in members.iter().enumerate() {
        names[member] = match u8::try_from(from + index) {
            _ if from == 0 && members.len() == 1 => name.to_owned(),
            Ok(index @ ..26) => format!("{name} {}", char::from(b'A' + index)),
            _ => format!("{name} {}", from + index),
        };
    }
}

/// What a data cell is called.
const DATA: &str = "data";

/// `lock` for `src/lock/raw.rs`, `sleep` for `src/pool/sleep.rs`.
fn module(file: &str) -> String {
    let mut parts = file.trim_end_matches(".rs").rsplit('/');
    match parts.next() {
        Some("raw" | "mod") => parts.next().unwrap_or_default().to_owned(),
        stem => stem.unwrap_or_default().to_owned(),
    }
}

fn other_queue(step: &RecordedStep) -> usize {
    match step.what {
        Did::Woke { to, .. } => to,
        _ => 0,
    }
}

/// How to read the values of each atomic: by the file that touches it most.
fn layouts(steps: &[RecordedStep], sources: &mut Sources<'_>) -> BTreeMap<usize, source::Layout> {
    let mut files: BTreeMap<usize, BTreeMap<(&str, WordType), usize>> = BTreeMap::new();
    for step in steps {
        if let Did::Atomic(operation) = &step.what {
            let files = files.entry(step.object).or_default();
            *files.entry((&step.file, operation.word)).or_default() += 1;
        }
    }
    let home = |files: BTreeMap<(&str, WordType), usize>| {
        let ((file, word), _) = files.into_iter().max_by_key(|(_, count)| *count)?;
        Some(sources.file(file).layout(word))
    };
    let mut home = home;
    files.into_iter().filter_map(|(object, files)| Some((object, home(files)?))).collect()
}

/// Which steps are on an object that only one thread ever touches, and have no part in the failure.
fn aside(steps: &[RecordedStep], ending: &Ending) -> Vec<bool> {
    let mut users: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    for (index, step) in steps.iter().enumerate() {
        users.entry(step.object).or_default().insert(step.thread);
        if step.planted || index + 1 == steps.len() || ending.concerns(index) {
            kept.insert(step.object);
        }
    }
    // A fence is on no object, and may matter to all.
    kept.insert(0);
    steps.iter().map(|step| !kept.contains(&step.object) && users[&step.object].len() < 2).collect()
}

#[cfg(test)]
mod tests;
