//! The page that steps through an execution: each thread's place in the source, the words and who wrote them, what is ordered
//! before what. One file that stands alone: no other resource, no framework, no server.
//!
//! All that is said is worked out here, and written into the page as JSON; `page.js` only shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::record::Did;
use super::source::Sources;
use super::svg::escape;
use super::text::{fails, mark, provenance, remark};
use super::{Execution, Step, shorten};

const CSS: &str = include_str!("stepper/page.css");
const JS: &str = include_str!("stepper/page.js");
/// Light or dark.
const THEME: &str = include_str!("stepper/theme.js");

/// What stands round an execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// The file's name, without its ending.
    pub(crate) page: &'a str,
    /// Where else a reader may want to go: addresses, and what they are called.
    pub(crate) ways: &'a [(String, String)],
    pub(crate) title: &'a str,
    /// The site's name.
    pub(crate) site: &'a str,
    /// What was made of it.
    pub(crate) weaker: &'a str,
    pub(crate) model: &'a str,
    /// A sentence about it, if somebody wrote one.
    pub(crate) sentence: Option<&'a str>,
}

#[derive(Serialize)]
struct Data<'a> {
    page: &'a str,
    caption: &'a str,
    threads: usize,
    objects: Vec<Object<'a>>,
    excerpts: Vec<Excerpt>,
    steps: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    kind: &'static str,
    shown: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
}

/// A function of the source.
#[derive(Serialize)]
struct Excerpt {
    name: String,
    first: u32,
    lines: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    weak: Vec<Weak>,
}

/// An ordering that was made weaker: the line, the columns, and what is said of it.
#[derive(PartialEq, Eq, Serialize)]
struct Weak {
    line: u32,
    from: usize,
    to: usize,
    said: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    thread: usize,
    object: usize,
    excerpt: usize,
    line: u32,
    place: &'a str,
    operation: &'a str,
    result: &'a str,
    order: &'a str,
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queues: Vec<(usize, Vec<usize>)>,
    #[serde(skip_serializing_if = "is_false")]
    stale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    aside: bool,
    known: &'a [usize],
}

fn is_false(value: &bool) -> bool {
    !value
}

pub(super) fn draw(execution: &Execution, about: About<'_>, sources: &mut Sources<'_>) -> String {
    let data = data(execution, about, sources);
    let json = serde_json::to_string(&data).expect("plain text and numbers").replace('<', "\\u003c");
    let mut out = String::new();
    let title = escape(about.title);
    let file = about.site.split(' ').next().unwrap_or_default();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}: {}</title>\n<style>\n{CSS}</style>\n\
         {}<h1>{title}</h1>\n<p class=\"dim mono\">{}; model <b>{}</b></p>\n",
        escape(file),
        ways(about.ways),
        escape(about.site),
        escape(about.model),
    );
    if let Some(sentence) = about.sentence {
        let _ = writeln!(out, "<p>{}</p>", escape(sentence));
    }
    let _ = writeln!(out, "<p class=\"dim\">{}</p>", escape(&execution.caption).replace('`', ""));
    out.push_str(
        "<nav id=\"controls\" aria-label=\"steps\">\n\
         <button id=\"back\" type=\"button\" aria-label=\"one step back\">◀ Back</button>\n\
         <input id=\"slider\" type=\"range\" min=\"0\" max=\"0\" value=\"0\" aria-label=\"step\">\n\
         <output id=\"where\" class=\"mono\">0</output>\n\
         <button id=\"next\" type=\"button\" aria-label=\"one step on\">Next ▶</button>\n\
         <label><input id=\"all\" type=\"checkbox\"> with what a thread does alone</label>\n\
         </nav>\n\
         <noscript><p>Without scripts there is no stepping; all steps are listed below.</p></noscript>\n\
         <div id=\"step\" role=\"status\" aria-live=\"polite\"></div>\n\
         <main>\n\
         <div id=\"stage\"></div>\n\
         <p class=\"dim legend\">Bold: the line of the thread's last step. Blue: its next one. <span class=\"bad\">✗</span> what was made weaker.</p>\n\
         <h2>Words</h2>\n\
         <div class=\"scroll\"><table><thead><tr><th>word</th><th>value</th><th>written by</th><th>in its queue</th></tr></thead><tbody id=\"words\"></tbody></table></div>\n\
         <h2>All steps</h2>\n\
         <p class=\"dim\"><span class=\"good\">≺</span> happened before the one that is shown, by what is drawn.</p>\n\
         <ol id=\"steps\">\n",
    );
    for (index, step) in execution.steps.iter().enumerate() {
        let class = match mark(execution, index) {
            "✗" => " class=\"broken\"",
            "!" => " class=\"failing\"",
            _ => "",
        };
        let _ = writeln!(
            out,
            "<li{class}><a href=\"#step-{index}\"><span class=\"n mono\">#{index} T{}</span><span class=\"mono\">{}</span></a></li>",
            step.thread,
            escape(&line(execution, index, step)),
        );
    }
    let _ = write!(
        out,
        "</ol>\n</main>\n<script type=\"application/json\" id=\"execution\">{json}</script>\n<script>\n{THEME}{JS}</script>\n</html>\n"
    );
    out
}

/// The links above a page.
fn ways(ways: &[(String, String)]) -> String {
    let links = ways.iter().map(|(to, name)| format!("<a href=\"{}\">{}</a>", escape(to), escape(name)));
    let links: Vec<String> = links.collect();
    if links.is_empty() { String::new() } else { format!("<p class=\"ways\">{}</p>\n", links.join(" · ")) }
}

/// A page with links, in the same dress.
pub(crate) fn list_page(title: &str, leads: &[(String, String)], body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{CSS}li {{ margin: .3rem 0; overflow-wrap: anywhere; }} a {{ color: var(--accent); }}\n</style>\n\
         {}<h1>{title}</h1>\n{body}<script>\n{THEME}</script>\n</html>\n",
        ways(leads)
    )
}

/// A step in one line.
fn line(execution: &Execution, index: usize, step: &Step) -> String {
    let mut out = step.operation.clone();
    for more in [step.result.clone(), step.order.clone()] {
        if !more.is_empty() {
            let _ = write!(out, " {more}");
        }
    }
    let from = from(execution, step);
    if !from.is_empty() {
        let _ = write!(out, " ← {from}");
    }
    if let Some(broken) = &step.broken {
        let _ = write!(out, " ✗ {broken}");
    }
    if let Some(remark) = remark(execution, index) {
        let _ = write!(out, " ▲ {remark}");
    }
    out
}

/// Where the value comes from, or the wake-up.
fn from(execution: &Execution, step: &Step) -> String {
    match (&step.reads, step.woken_by) {
        (_, Some(by)) => format!("woken at #{by} (T{}), ordered", execution.steps[by].thread),
        (Some(reads), None) => provenance(execution, reads),
        (None, None) => String::new(),
    }
}

fn data<'a>(execution: &'a Execution, about: About<'a>, sources: &mut Sources<'_>) -> Data<'a> {
    let recorded = &execution.recorded;
    let mut objects: Vec<Object<'_>> = execution
        .names
        .iter()
        .map(|name| Object { name, kind: "queue", shown: false, first: None })
        .collect();
    let mut seen = vec![false; objects.len()];
    let mut excerpts = Excerpts::default();
    let mut queues: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut steps = Vec::new();
    for (index, (step, raw)) in execution.steps.iter().zip(&recorded.steps).enumerate() {
        let object = &mut objects[raw.object];
        let mut value = None;
        match &raw.what {
            Did::Atomic(_) => {
                object.kind = "word";
                value = step.written.as_deref();
                if !seen[raw.object] && step.reads.as_ref().is_some_and(|reads| reads.from.is_none()) {
                    object.first.clone_from(&step.read);
                }
                seen[raw.object] = true;
            }
            Did::CellWrite | Did::CellRead => {
                object.kind = "data";
                object.first = Some("not written".to_owned());
                value = matches!(raw.what, Did::CellWrite).then_some("written");
            }
            _ => {}
        }
        // A fence is on no object.
        object.shown |= raw.object != 0 && !step.aside;
        let (excerpt, line) = excerpts.at(&raw.file, raw.line, sources);
        if let Some(broken) = &step.broken {
            let orders = match &raw.what {
                Did::Atomic(operation) => Some(&operation.orders),
                Did::Fence { orders } => Some(orders),
                _ => None,
            };
            let last = about.weaker.starts_with("on failure");
            let place = orders.and_then(|orders| {
                sources.file(&raw.file).ordering(raw.line, raw.column, &orders.source, last)
            });
            excerpts.weak(excerpt, raw.line, place, broken, orders.map(|orders| orders.used.as_str()));
        }
        steps.push(Shown {
            thread: step.thread,
            object: raw.object,
            excerpt,
            line,
            place: &step.place,
            operation: &step.operation,
            result: &step.result,
            order: &step.order,
            from: from(execution, step).replace(", STALE", ""),
            read: step.read.as_deref(),
            value,
            queues: change(&mut queues, raw.thread, raw.object, &raw.what),
            stale: step.reads.as_ref().is_some_and(|reads| reads.stale),
            broken: step.broken.as_deref(),
            remark: remark(execution, index).or_else(|| fails(execution, index).then_some("the last step")),
            aside: step.aside,
            known: execution.orders[index].known(),
        });
    }
    let (page, caption, threads) = (about.page, execution.caption.as_str(), execution.threads);
    Data { page, caption, threads, objects, excerpts: excerpts.found, steps }
}

/// Who is in which queue after this step, of those queues that it changes.
fn change(
    queues: &mut BTreeMap<usize, Vec<usize>>,
    thread: usize,
    object: usize,
    what: &Did,
) -> Vec<(usize, Vec<usize>)> {
    let before = queues.clone();
    match what {
        Did::Waits { .. } => queues.entry(object).or_default().push(thread),
        Did::Unparked { .. } | Did::TimedOut => {
            queues.values_mut().for_each(|queue| queue.retain(|other| *other != thread));
        }
        Did::Woke { woken, moved, to, .. } => {
            let queue = queues.entry(object).or_default();
            queue.retain(|other| !woken.contains(other) && !moved.contains(other));
            queues.entry(*to).or_default().extend(moved);
        }
        _ => {}
    }
    let changed = queues.iter().filter(|(object, queue)| match before.get(object) {
        Some(before) => before != *queue,
        None => !queue.is_empty(),
    });
    changed.map(|(object, queue)| (*object, queue.clone())).collect()
}

/// The functions that are shown.
#[derive(Default)]
struct Excerpts {
    found: Vec<Excerpt>,
    /// By file and first line.
    known: BTreeMap<(String, u32), usize>,
    /// How far each was moved to the left.
    indents: Vec<usize>,
}

impl Excerpts {
    /// The number of the function round this line, and the line.
    fn at(&mut self, file: &str, line: u32, sources: &mut Sources<'_>) -> (usize, u32) {
        let source = sources.file(file);
        let (name, first, last) = match source.function_at(line) {
            Some(function) => (function.name.clone(), function.first, function.last),
            None => (shorten(file).to_owned(), line.saturating_sub(6).max(1), line + 6),
        };
        let number = *self.known.entry((file.to_owned(), first)).or_insert_with(|| {
            let lines: Vec<&str> = (first..=last).filter_map(|line| source.line(line)).collect();
            let indent = |line: &&str| line.len() - line.trim_start().len();
            let full = lines.iter().filter(|line| !line.trim().is_empty());
            let indent = full.map(indent).min().unwrap_or(0);
            let lines = lines.iter().map(|line| line.get(indent..).unwrap_or("").to_owned()).collect();
            self.found.push(Excerpt { name, first, lines, weak: Vec::new() });
            self.indents.push(indent);
            self.found.len() - 1
        });
        (number, line)
    }

    /// Marks what was made weaker.
    fn weak(
        &mut self,
        excerpt: usize,
        line: u32,
        place: Option<(u32, usize, usize)>,
        broken: &str,
        used: Option<&str>,
    ) {
        let indent = self.indents[excerpt];
        let weak = match place {
            Some((line, from, to)) => {
                let said = used.map_or(broken.to_owned(), |used| format!("made {used}"));
                Weak { line, from: from - indent, to: to - indent, said }
            }
            None => Weak { line, from: 0, to: 0, said: broken.to_owned() },
        };
        let known = &mut self.found[excerpt].weak;
        if !known.contains(&weak) {
            known.push(weak);
        }
    }
}
