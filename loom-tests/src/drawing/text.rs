//! The drawing for a terminal: a column for each thread, a row for each step, time going down.

use std::fmt::Write as _;

use super::ending::Ending;
use super::order::{Link, Reads};
use super::{Execution, Step};

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Characters in a line.
    pub(crate) width: usize,
    /// With the terminal's colours.
    pub(crate) colour: bool,
    /// With the steps that have nothing to do with the failure.
    pub(crate) all: bool,
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// The columns other than the threads': mark and number, where a value comes from, and the source.
const NUMBER: usize = 7;
const READS: usize = 26;
const LEAST: usize = 18;

pub(super) fn draw(execution: &Execution, options: Options) -> String {
    let shown = execution.steps.iter().filter(|step| options.all || !step.aside);
    let place = shown.map(|step| step.place.chars().count()).max().unwrap_or(0).max(6);
    let threads = execution.threads.max(1);
    let fixed = NUMBER + READS + place + 3 * (threads + 2);
    let column = (options.width.saturating_sub(fixed) / threads).clamp(LEAST, 60);
    let widths: Vec<usize> =
        std::iter::once(NUMBER).chain(std::iter::repeat_n(column, threads)).chain([READS, place]).collect();
    let mut out = String::new();
    let mut header = vec!["     #".to_owned()];
    header.extend((0..threads).map(|thread| format!("T{thread}")));
    header.extend(["reads from".to_owned(), "source".to_owned()]);
    row(&mut out, &widths, &header, "");
    let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
    let _ = writeln!(out, "{}", rule.join("─┼─"));
    let mut folded = 0;
    for (index, step) in execution.steps.iter().enumerate() {
        if step.aside && !options.all {
            folded += 1;
            continue;
        }
        fold(&mut out, &mut folded, options);
        let mark = mark(execution, index);
        let mut cells = vec![format!("{mark} {index:4}")];
        for thread in 0..threads {
            cells.push(if thread == step.thread { said(execution, index, step) } else { String::new() });
        }
        cells.push(from(execution, step));
        cells.push(step.place.clone());
        let colour = match mark {
            _ if !options.colour => "",
            "✗" => RED,
            "!" => YELLOW,
            _ if step.reads.as_ref().is_some_and(|reads| reads.stale) => "\x1b[35m",
            _ => "",
        };
        row(&mut out, &widths, &cells, colour);
    }
    fold(&mut out, &mut folded, options);
    out.push('\n');
    if has_guesses(execution, options.all) {
        let _ = writeln!(out, "{GUESS}\n");
    }
    for line in wrap(&execution.caption, options.width.clamp(40, 110)) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// What a question mark behind a step's number means.
pub(super) const GUESS: &str = "#n?  the newest of the writes that it can be";

/// Whether there is one.
pub(super) fn has_guesses(execution: &Execution, all: bool) -> bool {
    let mut shown = execution.steps.iter().filter(|step| all || !step.aside);
    shown.any(|step| step.reads.as_ref().is_some_and(|reads| !reads.sure))
}

/// Says how many steps were left out.
fn fold(out: &mut String, folded: &mut usize, options: Options) {
    if *folded > 0 {
        let (dim, plain) = if options.colour { (DIM, PLAIN) } else { ("", "") };
        let steps = if *folded == 1 { "step" } else { "steps" };
        let _ = writeln!(out, "{dim}     ⋮   {folded} {steps} of one thread alone{plain}");
        *folded = 0;
    }
}

/// Before the number of a step: broken, or where it shows.
pub(super) fn mark(execution: &Execution, index: usize) -> &'static str {
    if execution.steps[index].broken.is_some() {
        "✗"
    } else if fails(execution, index) || execution.ending.concerns(index) {
        "!"
    } else {
        " "
    }
}

/// Whether the failure shows at this very step. A deadlock shows at none: its steps are those at which threads began to wait.
pub(super) fn fails(execution: &Execution, index: usize) -> bool {
    !matches!(execution.ending, Ending::Deadlock { .. }) && Some(index) == execution.last()
}

/// What is said of a step that has a part in the failure.
pub(super) fn remark(execution: &Execution, index: usize) -> Option<&'static str> {
    match execution.ending {
        Ending::Race { earlier } if earlier == index => Some("not ordered before the last step"),
        Ending::Race { .. } if fails(execution, index) => Some("a data race"),
        Ending::Deadlock { .. } if execution.ending.concerns(index) => Some("nobody wakes it"),
        Ending::Panic if fails(execution, index) => Some("the last step before it fails"),
        _ => None,
    }
}

fn said(execution: &Execution, index: usize, step: &Step) -> String {
    let mut out = step.operation.clone();
    for more in [&step.result, &step.order] {
        if !more.is_empty() {
            out.push_str("  ");
            out.push_str(more);
        }
    }
    for remark in [
        step.broken.as_ref().map(|broken| format!("✗ {broken}")),
        remark(execution, index).map(|remark| format!("! {remark}")),
    ]
    .into_iter()
    .flatten()
    {
        out.push('\n');
        out.push_str(&remark);
    }
    out
}

fn from(execution: &Execution, step: &Step) -> String {
    if let Some(by) = step.woken_by {
        return format!("woken at #{by} (T{}), ordered", execution.steps[by].thread);
    }
    step.reads.as_ref().map_or(String::new(), |reads| provenance(execution, reads))
}

/// Where the value comes from, and whether that orders anything.
pub(super) fn provenance(execution: &Execution, reads: &Reads) -> String {
    let mut out = match reads.from {
        None => "init".to_owned(),
        Some(from) => {
            let guess = if reads.sure { "" } else { "?" };
            let who = match reads.link {
                Link::Own => "own".to_owned(),
                _ => format!("T{}", execution.steps[from].thread),
            };
            format!("#{from}{guess} ({who})")
        }
    };
    if reads.from.is_none() && !reads.sure {
        out.push('?');
    }
    match reads.link {
        Link::Own => {}
        Link::Ordered(head) if reads.from == Some(head) => out.push_str(", ordered"),
        Link::Ordered(head) => {
            let _ = write!(out, ", ordered after #{head} (T{})", execution.steps[head].thread);
        }
        Link::Before => out.push_str(", ordered before"),
        Link::Unordered => out.push_str(", NOT ordered"),
    }
    if reads.stale {
        out.push_str(", STALE");
    }
    out
}

/// A row of cells, in as many lines as the fullest needs.
fn row(out: &mut String, widths: &[usize], cells: &[String], colour: &str) {
    let wrapped: Vec<Vec<String>> =
        cells.iter().zip(widths).map(|(cell, &width)| wrap(cell, width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0).max(1);
    for line in 0..height {
        let cells: Vec<String> = wrapped
            .iter()
            .zip(widths)
            .map(|(lines, &width)| {
                let text = lines.get(line).map_or("", String::as_str);
                let space = " ".repeat(width.saturating_sub(text.chars().count()));
                let end = if colour.is_empty() || text.is_empty() { "" } else { PLAIN };
                let colour = if end.is_empty() { "" } else { colour };
                format!("{colour}{text}{end}{space}")
            })
            .collect();
        out.push_str(cells.join(" │ ").trim_end());
        out.push('\n');
    }
}

/// Breaks `text` into lines of at most `width` characters: at spaces, or else behind a `|`, or anywhere.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        if paragraph.chars().count() <= width {
            lines.push(paragraph.to_owned());
            continue;
        }
        let mut line = String::new();
        // What stands at the beginning stays there.
        let indent = paragraph.len() - paragraph.trim_start().len();
        line.push_str(&paragraph[..indent]);
        for word in paragraph[indent..].split(' ') {
            let mut word = word;
            while !word.is_empty() {
                let room = width.saturating_sub(line.chars().count() + usize::from(!line.trim().is_empty()));
                let length = word.chars().count();
                if length <= room {
                    if !line.trim().is_empty() {
                        line.push(' ');
                    }
                    line.push_str(word);
                    word = "";
                } else if length > width && (room > width / 2 || line.trim().is_empty()) {
                    let (head, tail) = split(word, room.max(1));
                    if !line.trim().is_empty() {
                        line.push(' ');
                    }
                    line.push_str(head);
                    word = tail;
                    lines.push(core::mem::take(&mut line));
                } else {
                    lines.push(core::mem::take(&mut line));
                }
            }
        }
        lines.push(line);
    }
    while lines.len() > 1 && lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

/// The part of a long word that fits, and the rest.
fn split(word: &str, room: usize) -> (&str, &str) {
    let end = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
    let at = word[..end].rfind(['|', '_', '/', '.']).map_or(end, |at| at + 1);
    word.split_at(at)
}
