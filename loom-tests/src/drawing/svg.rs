//! The drawing as SVG: by itself, without scripts or fonts from elsewhere, light or dark as the reader has it.
//!
//! It is made for a narrow screen. A thread's column is a thin lane with a dot for each step, the arrows run between the
//! lanes, and what a step does stands to the right of them, over the whole width.

use std::fmt::Write as _;

use super::order::Link;
use super::text::{self as words, fails, mark, provenance, remark, wrap};
use super::{Execution, Step};

/// The natural width: at this one the letters have the size that is written below.
const WIDTH: usize = 400;
/// Where the first lane is.
const FIRST_LANE: usize = 42;
/// From one line of text to the next.
const LINE: usize = 15;
/// Above and below a step's text.
const PAD: usize = 5;
/// Of a letter, at the size of the smallest text; rounded up, for fonts differ.
const LETTER: f64 = 6.9;
/// Where the first row begins.
const TOP: usize = 56;

const STYLE: &str = "
svg{--bg:#fff;--fg:#1f2328;--dim:#59636e;--line:#d1d9e0;--sync:#0969da;--none:#8250df;--bad:#b3261e;--badbg:#ffebe9;--end:#7d4e00;--endbg:#fff3d1;--stale:#8250df;--stalebg:#fbefff}
@media (prefers-color-scheme:dark){svg{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#3d444d;--sync:#58a6ff;--none:#bc8cff;--bad:#ff8a80;--badbg:#3c1618;--end:#e3b341;--endbg:#332a10;--stale:#bc8cff;--stalebg:#271a3d}}
text{font:11.5px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:var(--fg)}
.h{font-weight:700;font-size:13px}.w{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:13px}
.o{font-weight:700}.d,.n{fill:var(--dim)}.n{text-anchor:end}.c{text-anchor:middle}
.b{fill:var(--bad);font-weight:700}.e{fill:var(--end);font-weight:700}.s{fill:var(--stale);font-weight:700}
.bg{fill:var(--bg)}.rb{fill:var(--badbg)}.re{fill:var(--endbg)}.rs{fill:var(--stalebg)}
.lane{stroke:var(--line);stroke-width:2}.row{stroke:var(--line);stroke-width:.5}
.dot{fill:var(--bg);stroke:var(--fg);stroke-width:2}.db{fill:var(--bad);stroke:var(--bad)}.de{fill:var(--end);stroke:var(--end)}
.sync,.none,.race{fill:none;stroke-width:1.6}.sync{stroke:var(--sync)}.none{stroke:var(--none);stroke-dasharray:3 3}
.race{stroke:var(--bad);stroke-width:2;stroke-dasharray:1 4;stroke-linecap:round}
.hs{fill:var(--sync)}.hn{fill:var(--none)}
";

/// A line of a step's text: its class and what it says.
type Line = (&'static str, String);

/// What is drawn one below the other.
enum Row {
    Step {
        index: usize,
        top: usize,
        height: usize,
        lines: Vec<Line>,
        /// The line with the place in the source.
        place: usize,
    },
    Folded {
        count: usize,
        top: usize,
    },
}

pub(super) fn draw(execution: &Execution, title: &str) -> String {
    let threads = execution.threads.max(1);
    let gap = (84 / threads).clamp(18, 34);
    let lane = |thread: usize| FIRST_LANE + thread * gap;
    let text_at = lane(threads - 1) + 18;
    let letters = ((WIDTH - text_at - 6) as f64 / LETTER) as usize;
    let (rows, bottom) = lay_out(execution, letters);

    let caption = wrap(&execution.caption.replace('`', ""), 52);
    let legend = bottom + 10;
    let (keys, words_at) = legend_of(execution, legend);
    let height = words_at + caption.len() * 18 + 8;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" \
         style=\"max-width:{}px\" role=\"img\" aria-labelledby=\"t d\">",
        WIDTH * 3 / 2
    );
    let _ = writeln!(out, "<title id=\"t\">{}</title>", escape(title));
    let _ = writeln!(out, "<desc id=\"d\">{}</desc>", escape(&execution.caption));
    let _ = writeln!(out, "<style>{STYLE}</style>");
    let _ = writeln!(out, "<rect class=\"bg\" width=\"{WIDTH}\" height=\"{height}\"/>");
    let title = wrap(title, 48).into_iter().next().unwrap_or_default();
    text(&mut out, 8, 20, "w h", &title);

    for row in &rows {
        backdrop(&mut out, execution, row);
    }
    for thread in 0..threads {
        text(&mut out, lane(thread), 44, "c h", &format!("T{thread}"));
        let _ = writeln!(out, "<path class=\"lane\" d=\"M{x} {TOP}V{bottom}\"/>", x = lane(thread));
    }
    arrows(&mut out, execution, &rows, &lane);
    for row in &rows {
        content(&mut out, execution, row, &lane, text_at);
    }
    out.push_str(&keys);
    for (line, words) in caption.iter().enumerate() {
        text(&mut out, 8, words_at + 16 + line * 18, "w", words);
    }
    out.push_str("</svg>\n");
    out
}

/// Puts the rows one below the other, and says where they end.
fn lay_out(execution: &Execution, letters: usize) -> (Vec<Row>, usize) {
    let mut rows = Vec::new();
    let mut top = TOP;
    let mut folded = 0;
    for (index, step) in execution.steps.iter().enumerate() {
        if step.aside {
            folded += 1;
            continue;
        }
        if folded > 0 {
            rows.push(Row::Folded { count: core::mem::take(&mut folded), top });
            top += LINE + 4;
        }
        let lines = lines(execution, index, step, letters);
        // The place stands at the right of the last line that has room for it, or else below.
        let room = |(_, words): &Line| words.chars().count() + 2 + step.place.chars().count() <= letters;
        let place = lines.iter().rposition(room).unwrap_or(lines.len());
        let height = lines.len().max(place + 1) * LINE + 2 * PAD;
        rows.push(Row::Step { index, top, height, lines, place });
        top += height;
    }
    if folded > 0 {
        rows.push(Row::Folded { count: folded, top });
        top += LINE + 4;
    }
    (rows, top)
}

/// What is said of a step, line by line.
fn lines(execution: &Execution, index: usize, step: &Step, letters: usize) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    let mut say = |class: &'static str, words: &str| {
        out.extend(wrap(words, letters).into_iter().map(|line| (class, line)));
    };
    let whole = format!("{} {}", step.operation, step.result);
    if whole.chars().count() <= letters {
        say("o", whole.trim_end());
    } else {
        say("o", &step.operation);
        say("o", &step.result);
    }
    let from = match (&step.reads, step.woken_by) {
        (_, Some(by)) => format!("by #{by} (T{}), ordered", execution.steps[by].thread),
        (Some(reads), None) => provenance(execution, reads),
        (None, None) => String::new(),
    };
    let from = from.replace(", STALE", "");
    let arrow = if from.is_empty() { "" } else { "← " };
    let second = [step.order.clone(), format!("{arrow}{from}")];
    let second: Vec<&str> = second.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    say("", &second.join("  "));
    if step.reads.as_ref().is_some_and(|reads| reads.stale) {
        say("s", "◂ STALE: a newer value is there");
    }
    if let Some(broken) = &step.broken {
        say("b", &format!("✗ broken: {broken}"));
    }
    if let Some(remark) = remark(execution, index) {
        say("e", &format!("▲ {remark}"));
    }
    out.retain(|(_, words)| !words.is_empty());
    out
}

/// The tint behind a step that counts, and the line under each.
fn backdrop(out: &mut String, execution: &Execution, row: &Row) {
    let Row::Step { index, top, height, .. } = row else { return };
    let class = match mark(execution, *index) {
        "✗" => "rb",
        "!" => "re",
        _ if execution.steps[*index].reads.as_ref().is_some_and(|reads| reads.stale) => "rs",
        _ => "",
    };
    if !class.is_empty() {
        let _ = writeln!(out, "<rect class=\"{class}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{height}\"/>");
    }
    let _ = writeln!(out, "<path class=\"row\" d=\"M0 {}H{WIDTH}\"/>", top + height);
}

fn dot_of(rows: &[Row], step: usize) -> Option<usize> {
    rows.iter().find_map(|row| match row {
        Row::Step { index, top, .. } if *index == step => Some(top + PAD + LINE / 2 + 1),
        _ => None,
    })
}

/// From each write to who reads it in another thread, and from each unpark to who is woken.
fn arrows(out: &mut String, execution: &Execution, rows: &[Row], lane: &dyn Fn(usize) -> usize) {
    let gap = lane(1) as i64 - lane(0) as i64;
    let mut arrow = |from: usize, to: usize, class: &str, head: &str| {
        let (Some(y1), Some(y2)) = (dot_of(rows, from), dot_of(rows, to)) else { return };
        let (x1, x2) = (lane(execution.steps[from].thread), lane(execution.steps[to].thread));
        if x1 == x2 {
            return;
        }
        // Out of the one lane at once, down between the two, and into the other from the side.
        let side: i64 = if x2 > x1 { 1 } else { -1 };
        let (x1, x2, y1, y2) = (x1 as i64, x2 as i64, y1 as i64, y2 as i64);
        let end = x2 - 6 * side;
        let near = (y1 + 14).min(y2);
        let far = (y2 - 14).max(near);
        // Each kind keeps to a line of its own.
        let middle = x2
            - side
                * (gap
                    * if head == "hs" {
                        28
                    } else if head == "hn" {
                        43
                    } else {
                        60
                    }
                    / 100)
                    .max(7);
        let _ = writeln!(
            out,
            "<path class=\"{class}\" d=\"M{x1} {y1}C{a} {y1} {middle} {y1} {middle} {near}V{far}Q{middle} {y2} {end} {y2}\"/>",
            a = x1 + 8 * side,
        );
        if !head.is_empty() {
            let back = end - 5 * side;
            let _ = writeln!(
                out,
                "<path class=\"{head}\" d=\"M{tip} {y2}L{back} {}V{}Z\"/>",
                y2 - 4,
                y2 + 4,
                tip = end + side,
            );
        }
    };
    for (index, step) in execution.steps.iter().enumerate() {
        if let Some(by) = step.woken_by {
            arrow(by, index, "sync", "hs");
        }
        let Some(reads) = &step.reads else { continue };
        match (reads.from, reads.link) {
            (Some(from), Link::Ordered(_)) => arrow(from, index, "sync", "hs"),
            (Some(from), Link::Unordered) => arrow(from, index, "none", "hn"),
            _ => {}
        }
    }
    if let super::Ending::Race { earlier } = execution.ending
        && let Some(last) = execution.last()
    {
        arrow(earlier, last, "race", "");
    }
}

/// The dot of a step, its number and its text.
fn content(out: &mut String, execution: &Execution, row: &Row, lane: &dyn Fn(usize) -> usize, x: usize) {
    let (index, top, lines, place) = match row {
        Row::Folded { count, top } => {
            let steps = if *count == 1 { "step" } else { "steps" };
            text(out, x, top + LINE, "d", &format!("… {count} {steps} of one thread alone"));
            return;
        }
        Row::Step { index, top, lines, place, .. } => (*index, *top, lines, *place),
    };
    let mark = mark(execution, index);
    let y = top + PAD + LINE / 2 + 1;
    let cx = lane(execution.steps[index].thread);
    match mark {
        "✗" => {
            let _ = writeln!(out, "<circle class=\"dot db\" cx=\"{cx}\" cy=\"{y}\" r=\"5\"/>");
        }
        "!" if fails(execution, index) => {
            let _ = writeln!(
                out,
                "<path class=\"dot de\" d=\"M{cx} {}L{} {b}H{}Z\"/>",
                y - 6,
                cx + 6,
                cx - 6,
                b = y + 5
            );
        }
        "!" => {
            let _ = writeln!(out, "<circle class=\"dot de\" cx=\"{cx}\" cy=\"{y}\" r=\"4\"/>");
        }
        _ => {
            let _ = writeln!(out, "<circle class=\"dot\" cx=\"{cx}\" cy=\"{y}\" r=\"3.5\"/>");
        }
    }
    let baseline = |line: usize| top + PAD + LINE - 4 + line * LINE;
    text(out, 27, baseline(0), "n", &index.to_string());
    match mark {
        "✗" => text(out, 27, baseline(1), "n b", "✗"),
        "!" => text(out, 27, baseline(1), "n e", "▲"),
        _ => {}
    }
    for (line, (class, words)) in lines.iter().enumerate() {
        text(out, x, baseline(line), class, words);
    }
    text(out, WIDTH - 8, baseline(place), "n", &execution.steps[index].place);
}

/// What the arrows and marks mean, as far as there are any, and where that ends.
fn legend_of(execution: &Execution, top: usize) -> (String, usize) {
    let mut out = String::new();
    let mut y = top;
    let shown = || execution.steps.iter().filter(|step| !step.aside);
    let links = |wanted: fn(&Link) -> bool| {
        shown()
            .any(|step| step.reads.as_ref().is_some_and(|reads| reads.from.is_some() && wanted(&reads.link)))
    };
    let ordered =
        links(|link| matches!(link, Link::Ordered(_))) || shown().any(|step| step.woken_by.is_some());
    let kinds = [
        ("sync", ordered, "ordered: sees all that came before"),
        ("none", links(|link| *link == Link::Unordered), "reads it, and nothing is ordered"),
        (
            "race",
            matches!(execution.ending, super::Ending::Race { .. }),
            "the race: nothing orders these two",
        ),
    ];
    for (class, _, said) in kinds.into_iter().filter(|(_, is_there, _)| *is_there) {
        let _ = writeln!(out, "<path class=\"{class}\" d=\"M8 {0}H34\"/>", y + 8);
        text(&mut out, 42, y + 12, "w d", said);
        y += 18;
    }
    if words::has_guesses(execution, false) {
        text(&mut out, 8, y + 12, "w d", words::GUESS);
        y += 18;
    }
    (out, y + 8)
}

fn text(out: &mut String, x: usize, y: usize, class: &str, words: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(out, "<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escape(words));
}

/// For the text and the attributes of XML. What XML can't say at all is left out.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            c if c < ' ' || ('\u{fffe}'..='\u{ffff}').contains(&c) => {}
            c => out.push(c),
        }
    }
    out
}
