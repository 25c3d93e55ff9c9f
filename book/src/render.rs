//! Renders the book to `target/book/`, so that it can be read from there without a server.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;
use mdbook_driver::book::{Book as MdBook, BookItem};
use mdbook_driver::config::Config;
use mdbook_driver::errors::{Error, Result};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use pulldown_cmark::{Event, Options, Parser, Tag};

use crate::Book;
use crate::{executions, links};

/// Where the linked files of the repository are, in the rendered book.
const SOURCE: &str = "source";

/// Makes links into the repository into links to the pages that show those files, adds those to the pages that step through executions,
/// and puts tables into boxes.
struct IntoTheSource {
    root: PathBuf,
    /// The pages as the rendered book has them.
    pages: HashMap<String, String>,
    linked: std::rc::Rc<RefCell<BTreeSet<String>>>,
}

impl Preprocessor for IntoTheSource {
    fn name(&self) -> &str {
        "into-the-source"
    }

    fn run(&self, _: &PreprocessorContext, mut book: MdBook) -> Result<MdBook> {
        book.for_each_mut(|item| {
            let BookItem::Chapter(chapter) = item else { return };
            let Some(path) = &chapter.source_path else { return };
            let page = format!("docs/{}", path.display());
            if let Some(text) = self.pages.get(&page) {
                chapter.content = in_boxes(text);
            }
            let mut links = links::links(&chapter.content);
            links.sort_by_key(|link| std::cmp::Reverse(link.at.start));
            for link in links {
                if link.by_reference || links::is_external(&link.to) {
                    continue;
                }
                let (place, fragment) = link.to.split_once('#').unwrap_or((&link.to, ""));
                let Some(file) = links::resolve(&page, place) else { continue };
                if place.is_empty() || file.starts_with("docs/") || !self.root.join(&file).is_file() {
                    continue;
                }
                let up = "../".repeat(page.matches('/').count() - 1);
                let hash = if fragment.is_empty() { "" } else { "#" };
                chapter.content.replace_range(link.at, &format!("{up}{SOURCE}/{file}.html{hash}{fragment}"));
                self.linked.borrow_mut().insert(file);
            }
        });
        Ok(book)
    }
}

/// The first columns of the tables that have a layout of their own: of orderings, of models, of a state, and of Python's names.
const BOXES: [&str; 5] = ["place", "model", "field", "constant", "Python"];

/// The text with these tables in boxes that are named by the first column: `raddle.css` lays them out.
fn in_boxes(text: &str) -> String {
    let mut made = text.to_owned();
    let tables: Vec<_> = Parser::new_ext(text, Options::ENABLE_TABLES)
        .into_offset_iter()
        .filter(|(event, _)| matches!(event, Event::Start(Tag::Table(_))))
        .collect();
    for (_, range) in tables.into_iter().rev() {
        let head = text[range.clone()].lines().next().unwrap_or_default();
        let first = head.trim_start_matches('|').split('|').next().unwrap_or_default().trim();
        // (Within a list a line would not begin with it.)
        if BOXES.contains(&first) && text[..range.start].ends_with('\n') {
            made.insert_str(range.end, "\n</div>\n\n");
            made.insert_str(range.start, &format!("<div class=\"by-{first}\">\n\n"));
        }
    }
    made
}

/// Renders the book into `into`, which is made anew.
///
/// # Errors
///
/// If it cannot be rendered.
pub fn render(book: &Book, into: &Path) -> Result<()> {
    let into = if into.is_absolute() { into.to_owned() } else { book.root().join(into) };
    let mut config = Config::default();
    config.book.title = Some("raddle, annotated".to_owned());
    config.book.description =
        Some("How raddle's locks, queues, pool and timers work, and why they are right".to_owned());
    config.book.language = Some("en".to_owned());
    config.book.src = PathBuf::from("docs");
    config.build.build_dir.clone_from(&into);
    config.build.create_missing = false;
    config.build.use_default_preprocessors = false;
    config.set("output.html.playground.runnable", false)?;
    config.set("output.html.print.enable", false)?;
    config.set("output.html.hash-files", false)?;
    config.set("output.html.smart-punctuation", false)?;
    config.set("output.html.input-404", "")?;
    config.set("output.html.additional-css", ["book/theme/raddle.css"])?;
    config.set("output.html.git-repository-url", "")?;
    let linked = std::rc::Rc::default();
    let mut rendering = MDBook::load_with_config(book.root(), config)?;
    rendering.with_preprocessor(IntoTheSource {
        root: book.root().to_owned(),
        pages: book
            .pages()
            .into_iter()
            .map(|page| (page.clone(), executions::with_steps(book, &page)))
            .collect(),
        linked: std::rc::Rc::clone(&linked),
    });
    rendering.build()?;
    executions::write(book, &into.join(executions::FOLDER)).map_err(Error::msg)?;
    for file in linked.borrow().iter() {
        show_source(book, &into, file)?;
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The page of a file, with an anchor for each line.
fn show_source(book: &Book, into: &Path, file: &str) -> Result<()> {
    let text = std::fs::read_to_string(book.root().join(file))?;
    let up = "../".repeat(file.matches('/').count() + 1);
    let mut lines = String::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let comment = file.ends_with(".rs") && line.trim_start().starts_with("//");
        let class = if comment { " class=\"c\"" } else { "" };
        let anchor = match line.strip_prefix('#') {
            Some(heading) if file.ends_with(".md") => {
                format!("<a id=\"{}\"></a>", links::slug(heading.trim_start_matches('#')))
            }
            _ => String::new(),
        };
        lines.push_str(&format!(
            "<li id=\"L{number}\"{class}><a class=\"n\" href=\"#L{number}\">{number}</a>{anchor}<code>{}</code></li>\n",
            escaped(line)
        ));
    }
    let page = include_str!("../theme/source.html")
        .replace("{{title}}", &escaped(file))
        .replace("{{up}}", &up)
        .replace("{{theme}}", include_str!("../../loom-tests/src/drawing/stepper/theme.js").trim_end())
        .replace("{{lines}}", &lines);
    let path = into.join(SOURCE).join(format!("{file}.html"));
    std::fs::create_dir_all(path.parent().expect("it is in a folder"))?;
    std::fs::write(path, page)?;
    Ok(())
}

/// Every page of the rendered book, as paths from its folder.
pub fn html_files(folder: &Path) -> Vec<PathBuf> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|ending| ending == "html") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    files
}

/// What is wrong with the links of the rendered pages: each leads to a file that is there, and to an anchor in it.
pub fn broken_links(folder: &Path) -> Vec<String> {
    fn attributes<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let begin = format!(" {name}=\"");
        text.match_indices(&begin)
            .filter_map(|(at, _)| Some(text[at + begin.len()..].split_once('"')?.0))
            .collect()
    }
    let mut texts = HashMap::new();
    let mut ids: HashMap<PathBuf, HashSet<String>> = HashMap::new();
    for file in html_files(folder) {
        // Scripts make links of their own.
        let mut text = String::new();
        let whole = std::fs::read_to_string(&file).unwrap_or_default();
        let mut rest = whole.as_str();
        while let Some(at) = rest.find("<script") {
            let end = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
            text.push_str(&rest[..end]);
            rest = rest[end..].find("</script>").map_or("", |close| &rest[end + close..]);
        }
        text.push_str(rest);
        let names = attributes(&text, "id").into_iter().map(str::to_owned).collect();
        ids.insert(file.clone(), names);
        texts.insert(file, text);
    }
    let mut broken = Vec::new();
    for (file, text) in &texts {
        let shown = file.strip_prefix(folder).unwrap_or(file).display();
        for name in ["href", "src", "data"] {
            for to in attributes(text, name) {
                if to.is_empty() || links::is_external(to) {
                    continue;
                }
                let to = to.replace("&amp;", "&");
                let (place, fragment) = to.split_once('#').unwrap_or((&to, ""));
                let place = place.split('?').next().unwrap_or("");
                let target = if place.is_empty() {
                    file.clone()
                } else {
                    let mut target = file.parent().unwrap_or(folder).to_owned();
                    for part in place.split('/') {
                        match part {
                            "." | "" => {}
                            ".." => drop(target.pop()),
                            part => target.push(part),
                        }
                    }
                    target
                };
                if !target.is_file() {
                    broken.push(format!("{shown}: `{to}` is not there"));
                } else if let Some(ids) = ids.get(&target) {
                    // A source page marks ranges of lines; one that steps through an execution goes to the step, if it lists that.
                    let is_there = if target.starts_with(folder.join(SOURCE)) {
                        fragment.split("-L").next().is_some_and(|first| ids.contains(first))
                    } else if target.starts_with(folder.join(executions::FOLDER)) {
                        texts[&target].contains(&format!(" href=\"#{fragment}\""))
                    } else {
                        ids.contains(fragment)
                    };
                    if !fragment.is_empty() && !is_there {
                        broken.push(format!("{shown}: `{to}` leads to no place in that page"));
                    }
                }
            }
        }
    }
    broken.sort();
    broken.dedup();
    broken
}
