//! Excerpts: which lines an address means, and how they stand in a page.

use crate::items::{Lines, Repository, SourceFile};

/// What an address came to: lines of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excerpt {
    /// The file.
    pub file: String,
    /// The lines, in order.
    pub ranges: Vec<Lines>,
    /// Docs, to be shown as text, not as code.
    pub is_docs: bool,
}

impl Excerpt {
    /// From the first line to the last.
    pub fn span(&self) -> Lines {
        let first = self.ranges.first().map_or(1, |range| range.first);
        Lines { first, last: self.ranges.last().map_or(first, |range| range.last) }
    }

    /// `L12-L20`, as forges have it.
    pub fn fragment(&self) -> String {
        let Lines { first, last } = self.span();
        if first == last { format!("L{first}") } else { format!("L{first}-L{last}") }
    }
}

/// A word, or a text in double quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Word {
    Plain(String),
    Quoted(String),
    Comma,
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('"') {
            let end = after.find('"').ok_or("a quotation mark is missing")?;
            words.push(Word::Quoted(after[..end].to_owned()));
            rest = &after[end + 1..];
        } else if let Some(after) = rest.strip_prefix(',') {
            words.push(Word::Comma);
            rest = after;
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || c == ',' || c == '"').unwrap_or(rest.len());
            words.push(Word::Plain(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

/// Finds the lines that `address` means in `file`. See CONTRIBUTING.md, "The book".
///
/// # Errors
///
/// What is wrong with the address.
pub fn find(repository: &Repository, file: &str, address: &str) -> Result<Excerpt, String> {
    let source = repository.file(file)?;
    let excerpt = |ranges, is_docs| Excerpt { file: file.to_owned(), ranges, is_docs };
    let address = address.trim();
    if let Some(heading) = address.strip_prefix("//!") {
        return Ok(excerpt(vec![section(&source, heading.trim())?], true));
    }
    let mut words = words(address)?;
    let begins = |word: &Word| matches!(word, Word::Plain(word) if word == "from" || word == "at");
    let ranges = words.iter().position(begins).unwrap_or(words.len());
    let ranges = words.split_off(ranges);
    let mut name = Vec::new();
    for word in words {
        match word {
            Word::Plain(word) => name.push(word),
            _ => return Err("a text in quotation marks, or a comma, before `from`".to_owned()),
        }
    }
    let name = name.join(" ");
    let (name, with_docs) = match name.strip_suffix(" with docs") {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let whole = if let Some(name) = name.strip_prefix("docs of ") {
        let item = source.item(name)?;
        if item.docs.is_empty() {
            return Err(format!("`{name}` has no docs"));
        }
        let code = item.code.first;
        let last =
            (item.all.first..code).rev().find(|&n| source.lines[n - 1].trim_start().starts_with("///"));
        let first = (item.all.first..code).find(|&n| source.lines[n - 1].trim_start().starts_with("///"));
        match (first, last) {
            (Some(first), Some(last)) if ranges.is_empty() => {
                return Ok(excerpt(vec![Lines { first, last }], true));
            }
            _ => return Err("docs can be had as `///` lines, and as a whole only".to_owned()),
        }
    } else if let Some(name) = name.strip_prefix("body of ") {
        source.item(name)?.body.ok_or_else(|| format!("`{name}` has no body with lines of its own"))?
    } else if name.is_empty() {
        if ranges.is_empty() {
            return Err("an item is missing, or `from \"...\" to \"...\"`".to_owned());
        }
        Lines { first: 1, last: source.lines.len() }
    } else {
        let item = source.item(name)?;
        if with_docs { item.all } else { item.code }
    };
    if ranges.is_empty() {
        return Ok(excerpt(vec![whole], false));
    }
    let mut found: Vec<Lines> = Vec::new();
    for range in ranges.split(|word| *word == Word::Comma) {
        let within = Lines { first: found.last().map_or(whole.first, |range| range.last + 1), ..whole };
        let lines = match range {
            [Word::Plain(from), begin, Word::Plain(to), end] if from == "from" && to == "to" => {
                let first = match begin {
                    Word::Plain(word) if word == "start" => within.first,
                    Word::Quoted(text) => unique(&source, within, text)?,
                    _ => {
                        return Err(
                            "`from` is followed by a text in quotation marks, or by `start`".to_owned()
                        );
                    }
                };
                let last = match end {
                    Word::Plain(word) if word == "end" => within.last,
                    Word::Quoted(text) => unique(&source, Lines { first, ..within }, text)?,
                    _ => return Err("`to` is followed by a text in quotation marks, or by `end`".to_owned()),
                };
                Lines { first, last }
            }
            [Word::Plain(at), Word::Quoted(text)] if at == "at" => block(&source, within, text)?,
            _ => return Err("a range is `from \"...\" to \"...\"`, or `at \"...\"`".to_owned()),
        };
        found.push(lines);
    }
    Ok(excerpt(found, false))
}

/// The one line with that text in it, and what is indented below it, up to the bracket that closes it.
fn block(source: &SourceFile, within: Lines, text: &str) -> Result<Lines, String> {
    let first = unique(source, within, text)?;
    let indent = |number: usize| source.lines[number - 1].len() - source.lines[number - 1].trim_start().len();
    let mut last = first;
    for number in first + 1..=within.last {
        let line = source.lines[number - 1].trim();
        if !line.is_empty() && indent(number) <= indent(first) {
            // The end of it; or the middle, as in `} else {`.
            if indent(number) < indent(first) || !line.starts_with(['}', ')', ']']) {
                break;
            }
            last = number;
            if !line.ends_with(['{', '(', '[']) {
                break;
            }
        } else if !line.is_empty() {
            last = number;
        }
    }
    Ok(Lines { first, last })
}

/// The one line with that text in it.
fn unique(source: &SourceFile, within: Lines, text: &str) -> Result<usize, String> {
    let found: Vec<usize> =
        (within.first..=within.last).filter(|&number| source.lines[number - 1].contains(text)).collect();
    match found[..] {
        [line] => Ok(line),
        [] => Err(format!(
            "no line with {text:?} in {}, lines {} to {}",
            source.name, within.first, within.last
        )),
        [..] => {
            let lines: Vec<String> = found.iter().map(usize::to_string).collect();
            Err(format!("{text:?} is ambiguous in {}: lines {}", source.name, lines.join(", ")))
        }
    }
}

/// A section of the text at the top of a file, without its heading. Without a name: what stands before the first heading.
fn section(source: &SourceFile, heading: &str) -> Result<Lines, String> {
    let header: Vec<&str> =
        source.lines.iter().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let level = |line: &str| line.chars().take_while(|&c| c == '#').count();
    let mut fenced = false;
    let headings: Vec<(usize, usize, &str)> = header
        .iter()
        .enumerate()
        .filter_map(|(at, line)| {
            if line.starts_with("```") {
                fenced = !fenced;
            }
            (!fenced && line.starts_with('#')).then(|| (at, level(line), line.trim_start_matches('#').trim()))
        })
        .collect();
    let (begin, depth) = if heading.is_empty() {
        (0, usize::MAX)
    } else {
        let found: Vec<_> = headings.iter().filter(|(_, _, name)| *name == heading).collect();
        match found[..] {
            [(at, level, _)] => (at + 1, *level),
            [] => {
                let names: Vec<&str> = headings.iter().map(|&(_, _, name)| name).collect();
                return Err(format!(
                    "no section {heading:?} at the top of {}; there is: {}",
                    source.name,
                    names.join(", ")
                ));
            }
            [..] => return Err(format!("section {heading:?} is ambiguous in {}", source.name)),
        }
    };
    let end = headings
        .iter()
        .find(|(at, level, _)| *at >= begin && *level <= depth)
        .map_or(header.len(), |(at, _, _)| *at);
    let filled: Vec<usize> = (begin..end).filter(|&at| !header[at].is_empty()).collect();
    match (filled.first(), filled.last()) {
        (Some(first), Some(last)) => Ok(Lines { first: first + 1, last: last + 1 }),
        _ => Err(format!("section {heading:?} of {} is empty", source.name)),
    }
}

/// What stands in the page, without the markers.
///
/// # Errors
///
/// What is wrong with the address.
pub fn render(repository: &Repository, up: &str, file: &str, address: &str) -> Result<String, String> {
    let excerpt = find(repository, file, address)?;
    let source = repository.file(file)?;
    let mut text = String::new();
    if excerpt.is_docs {
        for range in &excerpt.ranges {
            text.push_str(&as_markdown(&source.lines[range.first - 1..range.last]));
        }
    } else {
        let language = match file.rsplit('.').next() {
            Some("rs") => "rust,ignore",
            Some("toml") => "toml",
            Some("sh") => "bash",
            Some("py") => "python",
            Some("json") => "json",
            _ => "text",
        };
        let lines: Vec<&[String]> =
            excerpt.ranges.iter().map(|range| &source.lines[range.first - 1..range.last]).collect();
        let indent = lines
            .iter()
            .flat_map(|lines| lines.iter())
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or(0);
        text.push_str(&format!("```{language}\n"));
        for (number, lines) in lines.iter().enumerate() {
            if number > 0 {
                let first = lines.first().map_or("", String::as_str);
                let deep = (first.len() - first.trim_start().len()).saturating_sub(indent);
                let comment = if language.starts_with("rust") { "// ..." } else { "..." };
                text.push_str(&format!("{}{comment}\n", " ".repeat(deep)));
            }
            for line in *lines {
                text.push_str(line.get(indent..).unwrap_or(""));
                text.push('\n');
            }
        }
        text.push_str("```\n");
    }
    let Lines { first, last } = excerpt.span();
    let lines = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
    text.push_str(&format!("\n*[{file}, {lines}]({up}{file}#{})*\n", excerpt.fragment()));
    Ok(text)
}

/// The lines of a doc comment as text of a page: headings are bold, links to items are names, and code is not compiled once more.
fn as_markdown(lines: &[String]) -> String {
    let mut text = String::new();
    let mut fenced = false;
    for line in lines {
        let line = line.trim_start();
        let line = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).unwrap_or(line);
        let line = line.strip_prefix(' ').unwrap_or(line);
        if let Some(info) = line.strip_prefix("```") {
            let rust = info.is_empty() || !["text", "console", "toml"].contains(&info);
            if !fenced && rust {
                text.push_str("```rust,ignore\n");
            } else {
                text.push_str(&format!("{line}\n"));
            }
            fenced = !fenced;
        } else if fenced {
            text.push_str(&format!("{line}\n"));
        } else if line.starts_with('#') {
            text.push_str(&format!("**{}**\n", line.trim_start_matches('#').trim()));
        } else {
            text.push_str(&format!("{}\n", crate::tables::without_item_links(line)));
        }
    }
    text
}
