//! The pages: where what is generated stands in them, and what should stand there.
//!
//! A block stands between two comments, each on a line of its own:
//!
//! ```text
//! <!-- excerpt src/lock/raw.rs RawLock::lock -->
//! ...
//! <!-- end -->
//! ```

use std::fmt;

use crate::Book;
use crate::weaken::table::Verdict;
use crate::{excerpt, tables};

/// Something that is wrong in a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Which page, from the root: `docs/lock.md`.
    pub page: String,
    /// From 1.
    pub line: usize,
    /// What.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.page, self.line, self.what)
    }
}

/// What can be generated: the first word of the comment.
pub const KINDS: [&str; 6] = ["excerpt", "state", "orderings", "models", "api", "sizes"];

/// One block of a page.
#[derive(Clone, Debug)]
pub struct Block {
    /// One of [`KINDS`].
    pub kind: String,
    /// What stands after it.
    pub args: String,
    /// The line of the comment before it, from 1.
    pub begin: usize,
    /// The line of the comment behind it.
    pub end: usize,
}

impl Block {
    /// As it stands in the comment.
    pub fn address(&self) -> String {
        format!("{} {}", self.kind, self.args)
    }
}

/// Finds the blocks of a page.
pub fn blocks(page: &str, text: &str) -> (Vec<Block>, Vec<Problem>) {
    let mut blocks: Vec<Block> = Vec::new();
    let mut problems = Vec::new();
    let mut open: Option<Block> = None;
    let mut fence: Option<String> = None;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let mut problem = |what: String| problems.push(Problem { page: page.to_owned(), line: number, what });
        let trimmed = line.trim();
        let ticks: String = trimmed.chars().take_while(|&c| c == '`').collect();
        if let Some(opened) = &fence {
            if trimmed == ticks && ticks.len() >= opened.len() {
                fence = None;
            }
            continue;
        }
        if ticks.len() >= 3 {
            fence = Some(ticks);
            continue;
        }
        let Some(comment) = trimmed.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")) else {
            continue;
        };
        let (kind, args) = comment.trim().split_once(' ').unwrap_or((comment.trim(), ""));
        if kind == "end" && args.is_empty() {
            match open.take() {
                Some(block) => blocks.push(Block { end: number, ..block }),
                None => problem("`<!-- end -->`, and nothing begins before it".to_owned()),
            }
        } else if KINDS.contains(&kind) {
            if let Some(block) = &open {
                problem(format!("`{}` has no `<!-- end -->`", block.address()));
            }
            let (kind, args) = (kind.to_owned(), args.trim().to_owned());
            open = Some(Block { kind, args, begin: number, end: number });
        }
    }
    if let Some(block) = open {
        let what = format!("`{}` has no `<!-- end -->`", block.address());
        problems.push(Problem { page: page.to_owned(), line: block.begin, what });
    }
    (blocks, problems)
}

/// What should stand in a block.
fn generate(book: &Book, page: &str, block: &Block) -> Result<String, String> {
    let up = up_to_root(page);
    let (file, rest) = block.args.split_once(char::is_whitespace).unwrap_or((&block.args, ""));
    let rest = rest.trim();
    match block.kind.as_str() {
        "excerpt" => excerpt::render(&book.repository, &up, file, rest),
        "state" => tables::state(&book.repository, &up, file, rest),
        "orderings" => tables::orderings(book, &up, file, rest, None),
        "models" => tables::models(book, &up, &block.args),
        "api" => tables::api(&book.repository, &up, file, rest),
        "sizes" => tables::sizes(&block.args),
        kind => Err(format!("`{kind}` is not known")),
    }
}

/// `../` from `docs/lock.md` to the root.
pub fn up_to_root(page: &str) -> String {
    "../".repeat(page.matches('/').count())
}

/// The page with everything in it as it should be. A block with a problem stays as it is.
pub fn rewrite(book: &Book, page: &str, text: &str) -> (String, Vec<Problem>) {
    replace(page, text, |block| Some(generate(book, page, block)))
}

/// The page with its tables of orderings as they are in the rendered book: `steps` stands behind each mutant that a model has noticed.
pub fn with_orderings(book: &Book, page: &str, text: &str, steps: &dyn Fn(&Verdict) -> String) -> String {
    let up = up_to_root(page);
    let make = |block: &Block| {
        let (file, rest) = block.args.split_once(' ').unwrap_or((&block.args, ""));
        (block.kind == "orderings").then(|| tables::orderings(book, &up, file, rest.trim(), Some(steps)))
    };
    replace(page, text, make).0
}

/// The page with what `make` makes of its blocks. A block with a problem stays as it is, and so does one of which it makes nothing.
fn replace(
    page: &str,
    text: &str,
    make: impl Fn(&Block) -> Option<Result<String, String>>,
) -> (String, Vec<Problem>) {
    let (blocks, mut problems) = blocks(page, text);
    let lines: Vec<&str> = text.lines().collect();
    let mut made = String::new();
    let mut next = 0;
    for block in &blocks {
        for line in &lines[next..block.begin] {
            made.push_str(line);
            made.push('\n');
        }
        next = block.end - 1;
        match make(block) {
            Some(Ok(text)) => made.push_str(&format!("\n{}\n\n", text.trim_end())),
            Some(Err(what)) => {
                let what = format!("`{}`: {what}", block.address());
                problems.push(Problem { page: page.to_owned(), line: block.begin, what });
                next = block.begin;
            }
            None => next = block.begin,
        }
    }
    for line in &lines[next..] {
        made.push_str(line);
        made.push('\n');
    }
    (made, problems)
}

/// What is out of date in the blocks of a page, of which `kinds` alone.
pub fn check(book: &Book, page: &str, text: &str, kinds: &[&str]) -> Vec<Problem> {
    let (blocks, mut problems) = blocks(page, text);
    let lines: Vec<&str> = text.lines().collect();
    for block in blocks.iter().filter(|block| kinds.contains(&block.kind.as_str())) {
        let problem = |line, what| Problem { page: page.to_owned(), line, what };
        let made = match generate(book, page, block) {
            Ok(made) => made,
            Err(what) => {
                problems.push(problem(block.begin, format!("`{}`: {what}", block.address())));
                continue;
            }
        };
        let made = format!("\n{}\n", made.trim_end());
        let there = &lines[block.begin..block.end - 1];
        let mut made: Vec<&str> = made.lines().collect();
        made.push("");
        if there != made {
            let at = there.iter().zip(&made).position(|(there, made)| there != made);
            let at = at.unwrap_or(there.len().min(made.len()));
            let show = |lines: &[&str]| {
                lines.get(at).map_or("nothing".to_owned(), |line| format!("`{}`", line.trim()))
            };
            let what = format!(
                "`{}` is out of date (run `cargo book --write`): here stands {}, and the source has {}",
                block.address(),
                show(there),
                show(&made)
            );
            problems.push(problem(block.begin + 1 + at, what));
        }
    }
    problems
}
