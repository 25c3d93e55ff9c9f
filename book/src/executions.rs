//! The pages that step through failing executions: `executions/` in the rendered book, made as `cargo weaken --pages` makes them.

use std::collections::BTreeMap;
use std::path::Path;

use pulldown_cmark::{Event, Parser, Tag};

use crate::Book;
use crate::weaken::table::{PICTURES, Reasons, Verdict};
use crate::weaken::{pages, table};

/// Where they are, in the rendered book.
pub const FOLDER: &str = "executions";

/// What stands behind a mutant that a model has noticed: a link to the page of its execution, to which that page leads back.
pub fn steps(reasons: &Reasons, verdict: &Verdict) -> String {
    let link = |(name, model): (String, String)| {
        let other = verdict.model.as_ref() != Some(&model);
        let of = if other { format!(" in {model}") } else { String::new() };
        format!(" <a class=\"steps\" id=\"{name}\" href=\"{FOLDER}/{name}.html\">step by step{of}</a>")
    };
    pages::kept_of(reasons, verdict).into_iter().map(link).collect()
}

/// The page as the rendered book has it: rows of orderings and pictures lead to the pages that step through.
pub fn with_steps(book: &Book, page: &str) -> String {
    let (verdicts, reasons) = book.verdicts();
    let steps = |verdict: &Verdict| steps(reasons, verdict);
    let text = if page == table::TABLE {
        table::render(book.sites(), verdicts, reasons, Some(&steps)).0
    } else {
        crate::page::with_orderings(book, page, &book.text(page), &steps)
    };
    below_pictures(reasons, &text)
}

/// The text with a link below each picture of an execution.
fn below_pictures(reasons: &Reasons, text: &str) -> String {
    let mut made = text.to_owned();
    let pictures: Vec<_> = Parser::new(text)
        .into_offset_iter()
        .filter_map(|(event, range)| match event {
            Event::Start(Tag::Image { dest_url, .. }) => Some((dest_url, range.end)),
            _ => None,
        })
        .collect();
    let folder = format!("{}/", PICTURES.trim_start_matches("docs/"));
    for (to, end) in pictures.into_iter().rev() {
        let name = to.strip_prefix(&folder).and_then(|file| file.strip_suffix(".svg"));
        if let Some(row) = reasons.picture.iter().find(|row| Some(row.name.as_str()) == name) {
            let link = format!("\n<a class=\"steps\" href=\"{FOLDER}/{}.html\">step by step</a>", row.name);
            made.insert_str(end, &link);
        }
    }
    made
}

/// Writes the pages into this folder. Returns how many executions there are.
///
/// # Errors
///
/// Which execution does not fit the source, or what cannot be written.
pub fn write(book: &Book, folder: &Path) -> Result<usize, String> {
    let (verdicts, reasons) = book.verdicts();
    let chapters = chapters(book);
    let mut ways = BTreeMap::new();
    for verdict in verdicts.values() {
        let file = verdict.site.split(' ').next().unwrap_or_default();
        for (name, _) in pages::kept_of(reasons, verdict) {
            let mut leads = vec![(format!("../orderings.html#{name}"), "its row in the table".to_owned())];
            if let Some((page, title)) = chapters.get(file) {
                leads.push((format!("../{page}#{name}"), title.clone()));
            }
            ways.insert(name, leads);
        }
    }
    ways.insert("index".to_owned(), vec![("../index.html".to_owned(), "the book".to_owned())]);
    pages::write(book.root(), reasons, folder, &|page| ways.get(page).cloned().unwrap_or_default())
}

/// The chapter that has the orderings of a file, and its title.
fn chapters(book: &Book) -> BTreeMap<String, (String, String)> {
    let mut found = BTreeMap::new();
    for page in book.pages() {
        let text = book.text(&page);
        let title = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(&page).to_owned();
        let html = page.trim_start_matches("docs/").replace(".md", ".html");
        let (blocks, _) = crate::page::blocks(&page, &text);
        for block in blocks.iter().filter(|block| block.kind == "orderings") {
            let file = block.args.split(' ').next().unwrap_or_default();
            found.insert(file.to_owned(), (html.clone(), title.clone()));
        }
    }
    found
}
