//! The links of the pages: whether what they point to is there, and at the line that they say.

use std::collections::HashSet;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use crate::Book;
use crate::excerpt;
use crate::page::{Problem, up_to_root};

/// The texts beside the pages whose links are checked too.
pub const BESIDE: [&str; 2] = ["README.md", "CONTRIBUTING.md"];

/// A link, or an image.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where to, as it stands there.
    pub to: String,
    /// Where that stands in the text.
    pub at: Range<usize>,
    /// In quotation marks behind it: the item that it means.
    pub title: String,
    /// On which line, from 1.
    pub line: usize,
    /// `[text][name]`, which a page does not use.
    pub by_reference: bool,
}

fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
}

/// The links of a text, those in HTML too.
pub fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        match event {
            Event::Start(
                Tag::Link { link_type, dest_url, title, .. } | Tag::Image { link_type, dest_url, title, .. },
            ) => {
                if matches!(link_type, LinkType::Autolink | LinkType::Email) {
                    continue;
                }
                let wanted = format!("]({dest_url}");
                let at = text[range.clone()].rfind(&wanted).map(|at| range.start + at + 2);
                let by_reference = link_type != LinkType::Inline || at.is_none();
                let begin = at.unwrap_or(range.start);
                found.push(Link {
                    at: begin..begin + if at.is_some() { dest_url.len() } else { 0 },
                    line: line_of(begin),
                    to: dest_url.into_string(),
                    title: title.into_string(),
                    by_reference,
                });
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                for attribute in ["href=\"", "src=\"", "data=\""] {
                    for (at, _) in html.match_indices(attribute) {
                        let begin = at + attribute.len();
                        let Some(length) = html[begin..].find('"') else { continue };
                        let begin = range.start + begin;
                        found.push(Link {
                            to: text[begin..begin + length].to_owned(),
                            at: begin..begin + length,
                            title: String::new(),
                            line: line_of(begin),
                            by_reference: false,
                        });
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The name of a heading in links, as mdBook and the forges make it.
pub fn slug(heading: &str) -> String {
    heading
        .trim()
        .chars()
        .filter_map(|c| match c {
            _ if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_lowercase().next().unwrap_or(c)),
            ' ' => Some('-'),
            _ => None,
        })
        .collect()
}

/// What a link to this text may have after `#`.
pub fn anchors(text: &str) -> HashSet<String> {
    let mut found: HashSet<String> = HashSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, options()) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let name = slug(&heading.take().unwrap_or_default());
                let mut unique = name.clone();
                let mut number = 1;
                while found.contains(&unique) {
                    unique = format!("{name}-{number}");
                    number += 1;
                }
                found.insert(unique);
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                for (at, _) in html.match_indices("id=\"") {
                    if let Some((name, _)) = html[at + 4..].split_once('"') {
                        found.insert(name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// `../src/lock/raw.rs` in `docs/lock.md` as `src/lock/raw.rs`; nothing if that is outside the repository.
pub fn resolve(page: &str, to: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a link leaves the repository.
pub fn is_external(to: &str) -> bool {
    to.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Whether it is a text whose lines are linked to, not a page or a picture.
fn has_lines(file: &str) -> bool {
    [".rs", ".toml", ".json", ".py", ".lock", ".sh"].iter().any(|ending| file.ends_with(ending))
}

/// The lines that a fragment names: `L12`, `L12-L20`.
fn lines_of(fragment: &str) -> Option<(usize, usize)> {
    let mut parts = fragment.split('-').map(|part| part.strip_prefix('L')?.parse::<usize>().ok());
    let first = parts.next()??;
    let last = match parts.next() {
        Some(last) => last?,
        None => first,
    };
    (parts.next().is_none() && 1 <= first && first <= last).then_some((first, last))
}

/// What is wrong with the links of all pages.
pub fn check_all(book: &Book) -> Vec<Problem> {
    let pages = book.pages();
    pages
        .iter()
        .map(String::as_str)
        .chain(BESIDE)
        .flat_map(|page| check(book, page, &book.text(page)))
        .collect()
}

/// What is wrong with the links of a page.
pub fn check(book: &Book, page: &str, text: &str) -> Vec<Problem> {
    let (blocks, _) = crate::page::blocks(page, text);
    let generated = |line: usize| blocks.iter().any(|block| block.begin < line && line < block.end);
    let mut problems = Vec::new();
    for link in links(text) {
        let what = if link.by_reference {
            Err(format!("the link to `{}` is not written `[text](place)`", link.to))
        } else if is_external(&link.to) {
            Ok(())
        } else {
            check_one(book, page, text, &link, page == "docs/orderings.md" || generated(link.line))
        };
        if let Err(what) = what {
            problems.push(Problem { page: page.to_owned(), line: link.line, what });
        }
    }
    problems
}

fn check_one(book: &Book, page: &str, text: &str, link: &Link, generated: bool) -> Result<(), String> {
    let to = &link.to;
    let (file, fragment) = to.split_once('#').unwrap_or((to, ""));
    let file = if file.is_empty() {
        page.to_owned()
    } else {
        resolve(page, file).ok_or_else(|| format!("`{to}` is outside the repository"))?
    };
    let path = book.root().join(&file);
    if !path.exists() {
        return Err(format!("`{to}`: there is no {file}"));
    }
    if path.is_dir() {
        return Err(format!("`{to}` is a folder: link to a file in it"));
    }
    if !link.title.is_empty() && has_lines(&file) {
        let meant = excerpt::find(&book.repository, &file, &link.title)
            .map_err(|error| format!("`{to}`: {error}"))?;
        if meant.fragment() != fragment {
            return Err(format!(
                "`{to}` is out of date (run `cargo book --write`): `{}` is at #{}",
                link.title,
                meant.fragment()
            ));
        }
        return Ok(());
    }
    if fragment.is_empty() {
        return Ok(());
    }
    if has_lines(&file) {
        let (_, last) = lines_of(fragment)
            .ok_or_else(|| format!("`{to}`: a link into {file} ends in #L12 or #L12-L20"))?;
        let count = book.repository.file(&file)?.lines.len();
        if last > count {
            return Err(format!("`{to}`: {file} has {count} lines"));
        }
        if !generated {
            return Err(format!(
                "`{to}`: lines move; say what is meant behind it, as in [text]({file} \"RawLock::lock\")"
            ));
        }
        return Ok(());
    }
    if file.ends_with(".md") {
        let there = if file == page { text.to_owned() } else { book.text(&file) };
        if !anchors(&there).contains(fragment) {
            return Err(format!("`{to}`: {file} has no heading #{fragment}"));
        }
    }
    Ok(())
}

/// The page with the lines of all links that name an item.
pub fn with_lines(book: &Book, page: &str, text: &str) -> String {
    let mut made = text.to_owned();
    let mut links = links(text);
    links.sort_by_key(|link| std::cmp::Reverse(link.at.start));
    for link in links {
        if link.by_reference || link.title.is_empty() || is_external(&link.to) {
            continue;
        }
        let place = link.to.split_once('#').map_or(link.to.as_str(), |(place, _)| place);
        let Some(file) = resolve(page, place) else { continue };
        if !has_lines(&file) {
            continue;
        }
        if let Ok(meant) = excerpt::find(&book.repository, &file, &link.title) {
            made.replace_range(link.at, &format!("{}{file}#{}", up_to_root(page), meant.fragment()));
        }
    }
    made
}

/// What is wrong with `docs/SUMMARY.md`: each page stands in it, once.
pub fn check_summary(book: &Book) -> Vec<Problem> {
    const SUMMARY: &str = "docs/SUMMARY.md";
    let text = book.text(SUMMARY);
    let listed: Vec<Link> = links(&text);
    let mut problems = Vec::new();
    for page in book.pages() {
        if page == SUMMARY {
            continue;
        }
        let count = listed.iter().filter(|link| resolve(SUMMARY, &link.to).as_deref() == Some(&page)).count();
        if count != 1 {
            let what = format!("{page} stands here {count} times, not once");
            problems.push(Problem { page: SUMMARY.to_owned(), line: 1, what });
        }
    }
    problems
}

/// Code that would be taken for Rust by mistake, or that nobody compiles: each fence says its language.
pub fn check_fences(book: &Book) -> Vec<Problem> {
    let mut problems = Vec::new();
    for page in book.pages() {
        let text = book.text(&page);
        let (blocks, _) = crate::page::blocks(&page, &text);
        for (event, range) in Parser::new_ext(&text, options()).into_offset_iter() {
            let Event::Start(Tag::CodeBlock(kind)) = event else { continue };
            let line = text[..range.start].matches('\n').count() + 1;
            let mut problem =
                |what: &str| problems.push(Problem { page: page.clone(), line, what: what.to_owned() });
            match kind {
                pulldown_cmark::CodeBlockKind::Indented => {
                    problem("an indented block of code: write a fence, with its language")
                }
                pulldown_cmark::CodeBlockKind::Fenced(info) => {
                    let words: Vec<&str> = info.split(',').map(str::trim).collect();
                    let generated = blocks.iter().any(|block| block.begin < line && line < block.end);
                    if words[0].is_empty() {
                        problem("a fence without a language: rust, text, console, toml, ...");
                    } else if words[0] == "rust"
                        && words.contains(&"ignore")
                        && !words.contains(&"loom")
                        && !generated
                    {
                        problem(
                            "code that nobody compiles: take `ignore` away, add `loom` to it, or make it an excerpt",
                        );
                    }
                }
            }
        }
    }
    problems
}
