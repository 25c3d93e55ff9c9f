//! The state diagram of a word: which values the models make of which, drawn.
//!
//! `docs/states/NAME.toml` says what the states are, which transitions there are between them, who makes them and why.
//! `docs/states/NAME.json` is what all models have written, over all executions. A test compares the two, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::record::WordType;
use super::source::Sources;
use super::svg::escape;
use super::text::wrap;

/// Where they are, from the root of the repository.
pub(crate) const FOLDER: &str = "docs/states";

/// What is said of a word.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declared {
    /// The name of the files, without their ending.
    #[serde(skip)]
    pub(crate) name: String,
    /// What stands above the diagram.
    pub(crate) title: String,
    /// The files of the library where the word is written. The first declares its bits.
    pub(crate) files: Vec<String>,
    /// What the operations are called on there: a field, or the variables that stand for it.
    pub(crate) receivers: Vec<String>,
    /// `u8`, `u64`, `usize` or `pointer`.
    word: String,
    /// The fields that no state is about.
    #[serde(default)]
    hide: Vec<String>,
    /// What the counts are called from 1 on; the last name is also for all above.
    #[serde(default)]
    counts: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    state: Vec<State>,
    #[serde(default)]
    transition: Vec<Transition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    name: String,
    /// The word, by the names of its bits.
    word: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transition {
    from: String,
    to: String,
    /// The functions in which it is made.
    by: Vec<String>,
    why: String,
}

/// What the models have made of a value: before, after, and the functions that do so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    from: String,
    to: String,
    by: BTreeSet<String>,
}

/// All that are declared.
///
/// # Errors
///
/// Which file is not as it should be.
pub(crate) fn all(root: &Path) -> Result<Vec<Declared>, String> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(root.join(FOLDER)) else { return Ok(found) };
    for entry in entries {
        let path = entry.map_err(|error| format!("{FOLDER}: {error}"))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let mut declared: Declared =
                toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
            declared.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push(declared);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// What is written of a word that the models have moved.
pub(crate) fn to_text(seen: &[Seen]) -> String {
    let rows: Vec<String> =
        seen.iter().map(|seen| serde_json::to_string(seen).expect("plain text")).collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

impl Declared {
    /// The file with this ending, from the root of the repository.
    pub(crate) fn path(&self, ending: &str) -> String {
        format!("{FOLDER}/{}.{ending}", self.name)
    }

    /// Whether an operation on what is called so there is one on this word.
    pub(crate) fn has(&self, file: &str, receiver: &str) -> bool {
        self.files.iter().any(|known| known == file) && self.receivers.iter().any(|known| known == receiver)
    }

    /// What the models have made of the word, in its states: from values, with the functions that wrote them.
    pub(crate) fn seen<'a>(
        &self,
        moves: impl Iterator<Item = (&'a str, u64, u64)>,
        sources: &mut Sources<'_>,
    ) -> Vec<Seen> {
        let word = match self.word.as_str() {
            "u8" => WordType::U8,
            "usize" => WordType::Usize,
            "pointer" => WordType::Pointer,
            _ => WordType::U64,
        };
        let layout = self.files.first().map(|file| sources.file(file).layout(word)).unwrap_or_default();
        let name = |value: u64| match (word, value) {
            (WordType::Pointer, 0) => "null".to_owned(),
            (WordType::Pointer, _) => "a pointer".to_owned(),
            _ => layout.class(value, &self.hide, &self.counts),
        };
        let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for (by, from, to) in moves {
            found.entry((name(from), name(to))).or_default().insert(by.to_owned());
        }
        found.into_iter().map(|((from, to), by)| Seen { from, to, by }).collect()
    }

    /// What is written down of what the models have made of it.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub(crate) fn kept(&self, root: &Path) -> Result<Vec<Seen>, String> {
        let path = self.path("json");
        let text = std::fs::read_to_string(root.join(&path)).map_err(|error| format!("{path}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
    }

    /// The functions that are said to make transitions.
    #[allow(dead_code, reason = "for tests/states.rs")]
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.transition.iter().flat_map(|transition| transition.by.iter().map(String::as_str))
    }

    /// Where what is said and what was seen differ.
    pub(crate) fn complaints(&self, seen: &[Seen]) -> Vec<String> {
        let mut wrong = Vec::new();
        let name = self.path("toml");
        let state = |of: &str| self.state.iter().find(|state| state.name == of).map(|state| &state.word);
        let mut said: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for Transition { from, to, by, .. } in &self.transition {
            match (state(from), state(to)) {
                (Some(from), Some(to)) => {
                    said.entry((from, to)).or_default().extend(by.iter().map(String::as_str))
                }
                _ => wrong.push(format!("{name}: there is no state {from} or no state {to}")),
            }
        }
        let mut done: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for Seen { from, to, by } in seen {
            done.insert((from, to), by.iter().map(String::as_str).collect());
        }
        for (&(from, to), by) in &done {
            for by in by {
                if !said.get(&(from, to)).is_some_and(|said| said.contains(by)) {
                    wrong.push(format!(
                        "{name}: a model goes from {from} to {to} in {by}, and that is not said"
                    ));
                }
            }
        }
        for (&(from, to), by) in &said {
            for by in by {
                if !done.get(&(from, to)).is_some_and(|done| done.contains(by)) {
                    wrong.push(format!("{name}: no model goes from {from} to {to} in {by}"));
                }
            }
        }
        let words: BTreeSet<&str> = seen.iter().flat_map(|seen| [seen.from.as_str(), &seen.to]).collect();
        for state in &self.state {
            if !words.contains(state.word.as_str()) {
                wrong.push(format!("{name}: no model comes to {}", state.word));
            }
        }
        wrong
    }

    /// The diagram: the states one below the other, with an arrow for each pair that has transitions; and below, what they are.
    pub(crate) fn svg(&self) -> String {
        draw(self)
    }
}

/// The natural width, as of the timelines.
const WIDTH: usize = 400;
const BOX: usize = 172;
const LANE: usize = 13;
/// From one end of an arrow to the next, at the side of a box.
const PORT: usize = 20;
const GAP: usize = 22;
const TOP: usize = 36;
const LINE: usize = 17;
/// Characters of a word's line in a box, and from one such line to the next.
const WORD: usize = 26;
const WORD_LINE: usize = 13;

const STYLE: &str = "
svg{--bg:#fff;--fg:#1f2328;--dim:#59636e;--line:#8c959f;--box:#f6f8fa;--down:#0969da;--up:#8250df;--self:#7d4e00}
@media (prefers-color-scheme:dark){svg{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#656c76;--box:#151b23;--down:#58a6ff;--up:#bc8cff;--self:#e3b341}}
text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:var(--fg)}
.h{font-weight:700}.d{fill:var(--dim);font-size:12px}.c{text-anchor:middle}
.m{font:10.5px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;text-anchor:middle;fill:var(--dim)}
.bg{fill:var(--bg)}.box{fill:var(--box);stroke:var(--line);stroke-width:1.2}
.down,.up{fill:none;stroke-width:1.6}.down{stroke:var(--down)}.up{stroke:var(--up)}
.hd{fill:var(--down)}.hu{fill:var(--up)}.k{stroke:var(--bg);stroke-width:2}
.nd,.nu,.ns{font-size:11px;font-weight:700;text-anchor:middle;paint-order:stroke;stroke:var(--bg);stroke-width:4px}
.nd{fill:var(--down)}.nu{fill:var(--up)}.ns{fill:var(--self)}
";

/// The names of a word's bits in as many lines as they need in a box.
fn broken(word: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in word.split_inclusive('|') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + name.chars().count() <= WORD => line.push_str(name),
            _ => lines.push(name.to_owned()),
        }
    }
    lines
}

/// An arrow from one state to another, and the transitions that it stands for.
struct Arrow<'a> {
    from: usize,
    to: usize,
    number: usize,
    transitions: Vec<&'a Transition>,
}

fn draw(declared: &Declared) -> String {
    let at = |name: &str| declared.state.iter().position(|state| state.name == name).unwrap_or(0);
    let mut arrows: Vec<Arrow<'_>> = Vec::new();
    for transition in &declared.transition {
        let (from, to) = (at(&transition.from), at(&transition.to));
        match arrows.iter_mut().find(|arrow| (arrow.from, arrow.to) == (from, to)) {
            Some(arrow) => arrow.transitions.push(transition),
            None => {
                let number = arrows.len() + 1;
                arrows.push(Arrow { from, to, number, transitions: vec![transition] });
            }
        }
    }
    // Down goes on the right, up on the left. Each arrow has an end of its own at its boxes, and a lane of its own where it passes others.
    let is_down = |arrow: &Arrow<'_>| arrow.to > arrow.from;
    let ports = |state: usize, down: bool| {
        let mut ends: Vec<(usize, bool)> = Vec::new();
        for (index, arrow) in arrows.iter().enumerate().filter(|(_, arrow)| arrow.from != arrow.to) {
            if is_down(arrow) == down {
                ends.extend((arrow.to == state).then_some((index, false)));
                ends.extend((arrow.from == state).then_some((index, true)));
            }
        }
        // What comes from above ends above what goes below; of each kind the nearest is the outermost.
        ends.sort_by_key(|&(index, leaves)| {
            let arrow = &arrows[index];
            let other = if leaves { arrow.to } else { arrow.from };
            (
                other > state,
                std::cmp::Reverse(if other > state { other } else { usize::MAX - other }),
                arrow.number,
            )
        });
        ends
    };
    let mut y = TOP;
    let mut tops = Vec::new();
    let mut heights = Vec::new();
    for state in 0..declared.state.len() {
        let most = ports(state, true).len().max(ports(state, false).len());
        let own = arrows.iter().any(|arrow| arrow.from == state && arrow.to == state);
        let more = (broken(&declared.state[state].word).len() - 1) * WORD_LINE;
        let height = (most * PORT + 8).max(if own { 58 } else { 42 } + more);
        tops.push(y);
        heights.push(height);
        y += height + GAP;
    }
    let left = (WIDTH - BOX) / 2;
    let port = |state: usize, index: usize, leaves: bool, down: bool| {
        let ends = ports(state, down);
        let place = ends.iter().position(|&end| end == (index, leaves)).unwrap_or(0);
        tops[state] + heights[state] * (2 * place + 1) / (2 * ends.len())
    };
    let mut out = String::new();
    let mut lanes: [Vec<Vec<(usize, usize)>>; 2] = Default::default();
    let mut by_length: Vec<usize> =
        (0..arrows.len()).filter(|&index| arrows[index].from != arrows[index].to).collect();
    by_length.sort_by_key(|&index| arrows[index].from.abs_diff(arrows[index].to));
    let mut paths = String::new();
    for index in by_length {
        let arrow = &arrows[index];
        let down = is_down(arrow);
        let (y1, y2) = (port(arrow.from, index, true, down), port(arrow.to, index, false, down));
        let span = (y1.min(y2), y1.max(y2));
        let side = &mut lanes[usize::from(down)];
        let free = |lane: &Vec<(usize, usize)>| {
            lane.iter().all(|other| span.1 + 8 < other.0 || other.1 + 8 < span.0)
        };
        let lane = side.iter().position(free).unwrap_or_else(|| {
            side.push(Vec::new());
            side.len() - 1
        });
        side[lane].push(span);
        let (class, head, number) = if down { ("down", "hd", "nd") } else { ("up", "hu", "nu") };
        let out_by = 14 + lane * LANE;
        let (x, lane_x, back, turn) = if down {
            (left + BOX, left + BOX + out_by, left + BOX + 7, left + BOX + out_by - 6)
        } else {
            (left, left.saturating_sub(out_by), left - 7, left.saturating_sub(out_by) + 6)
        };
        let (c1, c2) = if y2 > y1 { (y1 + 6, y2 - 6) } else { (y1 - 6, y2 + 6) };
        let _ = writeln!(
            paths,
            "<path class=\"{class}\" d=\"M{x} {y1}H{turn}Q{lane_x} {y1} {lane_x} {c1}V{c2}Q{lane_x} {y2} {turn} {y2}H{back}\"/>\
             <path class=\"{head}\" d=\"M{x} {y2}L{back} {}V{}Z\"/>\
             <text class=\"{number}\" x=\"{lane_x}\" y=\"{}\">{}</text>",
            y2 - 4,
            y2 + 4,
            usize::midpoint(y1, y2) + 4,
            arrow.number,
        );
    }
    let mut words = Vec::new();
    for arrow in &arrows {
        for transition in &arrow.transitions {
            // Two types may have functions of one name.
            let by: BTreeSet<&str> =
                transition.by.iter().map(|by| by.rsplit("::").next().unwrap_or(by)).collect();
            let by: Vec<&str> = by.into_iter().collect();
            let said = format!("{} → {}: {}", transition.from, transition.to, transition.why);
            words.push((arrow.number, wrap(&said, 50), wrap(&format!("in {}", by.join(", ")), 52)));
        }
    }
    let legend = y + 4;
    let lines: usize = words.iter().map(|(_, said, by)| said.len() + by.len()).sum();
    let height = legend + lines * LINE + words.len() * 5 + 10;
    let title = escape(&declared.title);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" style=\"max-width:{}px\" role=\"img\" aria-labelledby=\"t d\">\n\
         <title id=\"t\">{title}</title>\n<desc id=\"d\">The states of {title} and the transitions between them, as the models make them.</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"bg\" width=\"{WIDTH}\" height=\"{height}\"/>\n<text class=\"h\" x=\"8\" y=\"20\">{title}</text>\n",
        WIDTH * 3 / 2
    );
    for (index, state) in declared.state.iter().enumerate() {
        let (top, height) = (tops[index], heights[index]);
        let own: Vec<String> = arrows
            .iter()
            .filter(|arrow| arrow.from == index && arrow.to == index)
            .map(|arrow| arrow.number.to_string())
            .collect();
        let word = broken(&state.word);
        let more = (word.len() - 1) * WORD_LINE;
        let middle = top + height / 2 - if own.is_empty() { 0 } else { 8 } - more / 2;
        let center = WIDTH / 2;
        let _ = writeln!(
            out,
            "<rect class=\"box\" x=\"{left}\" y=\"{top}\" width=\"{BOX}\" height=\"{height}\" rx=\"7\"/>\
             <text class=\"h c\" x=\"{center}\" y=\"{}\">{}</text>{}",
            middle - 2,
            escape(&state.name),
            word.iter()
                .enumerate()
                .map(|(index, line)| {
                    let y = middle + 14 + index * WORD_LINE;
                    format!("<text class=\"m\" x=\"{center}\" y=\"{y}\">{}</text>", escape(line))
                })
                .collect::<String>(),
        );
        if !own.is_empty() {
            let _ = writeln!(
                out,
                "<text class=\"ns\" x=\"{center}\" y=\"{}\">↻ {}</text>",
                middle + 31 + more,
                own.join(", ")
            );
        }
    }
    out.push_str(&paths);
    let mut y = legend + 12;
    for (number, said, by) in words {
        let _ = writeln!(out, "<text class=\"h\" x=\"8\" y=\"{y}\">{number}</text>");
        for (class, line) in
            said.iter().map(|line| ("", line)).chain(by.iter().map(|line| (" class=\"d\"", line)))
        {
            let _ = writeln!(out, "<text{class} x=\"32\" y=\"{y}\">{}</text>", escape(line));
            y += LINE;
        }
        y += 5;
    }
    out.push_str("</svg>\n");
    out
}
