//! The tables that are made of the source.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::Book;
use crate::items::{Item, Kind, Repository};
use crate::weaken::{source, table};

/// A text within a cell of a table.
fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('\n', " ")
}

/// Code within a cell.
fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

/// The links to items that only rustdoc can follow, as their names: [`x`](Y::x) and [`x`] are `x`.
pub fn without_item_links(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("[`") {
        made.push_str(&rest[..at]);
        let Some(end) = rest[at..].find("`]") else {
            rest = &rest[at..];
            break;
        };
        made.push_str(&rest[at + 1..at + end + 1]);
        rest = &rest[at + end + 2..];
        if rest.starts_with('(')
            && let Some(close) = rest.find(')')
        {
            rest = &rest[close + 1..];
        }
    }
    made + rest
}

/// The first sentence of a doc comment.
pub(crate) fn first_sentence(docs: &str) -> String {
    let paragraph = docs.trim_start().split("\n\n").next().unwrap_or("").replace('\n', " ");
    let end = paragraph.match_indices(". ").map(|(at, _)| at + 1).next().unwrap_or(paragraph.len());
    without_item_links(paragraph[..end].trim())
}

/// The integers that a state word can be.
const INTEGERS: [&str; 10] = ["u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize"];

fn bits(ty: &str) -> u32 {
    match ty {
        "usize" | "isize" => 64,
        _ => ty[1..].parse().unwrap_or(64),
    }
}

/// The value of a constant expression, as wide as its type.
fn value(expr: &syn::Expr, known: &HashMap<String, u128>, ty: &str) -> Option<u128> {
    let mask = if bits(ty) == 128 { u128::MAX } else { (1 << bits(ty)) - 1 };
    let found = match expr {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(int), .. }) => int.base10_parse::<u128>().ok()?,
        syn::Expr::Paren(inner) => value(&inner.expr, known, ty)?,
        syn::Expr::Cast(inner) => value(&inner.expr, known, ty)?,
        syn::Expr::Path(path) => {
            let names: Vec<String> =
                path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                [name] => *known.get(name)?,
                [ty, "MAX"] if ty.starts_with('u') && INTEGERS.contains(&ty) => (1 << bits(ty)) - 1,
                [ty, "BITS"] if INTEGERS.contains(&ty) => bits(ty).into(),
                _ => return None,
            }
        }
        syn::Expr::Unary(syn::ExprUnary { op: syn::UnOp::Not(_), expr, .. }) => !value(expr, known, ty)?,
        syn::Expr::Binary(binary) => {
            let (left, right) = (value(&binary.left, known, ty)?, value(&binary.right, known, ty)?);
            match binary.op {
                syn::BinOp::Add(_) => left.checked_add(right)?,
                syn::BinOp::Sub(_) => left.checked_sub(right)?,
                syn::BinOp::Mul(_) => left.checked_mul(right)?,
                syn::BinOp::BitOr(_) => left | right,
                syn::BinOp::BitAnd(_) => left & right,
                syn::BinOp::Shl(_) => left.checked_shl(right.try_into().ok()?)?,
                syn::BinOp::Shr(_) => left.checked_shr(right.try_into().ok()?)?,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(found & mask)
}

fn grouped(digits: &str) -> String {
    let begin = digits.len() % 4;
    let mut groups: Vec<&str> = if begin > 0 { vec![&digits[..begin]] } else { Vec::new() };
    groups.extend((begin..digits.len()).step_by(4).map(|at| &digits[at..at + 4]));
    groups.join("_")
}

/// A value as bits while one can read them: `0b100`, `0x1fff_ffff`.
fn shown(value: u128) -> String {
    if value < 0x1_0000 {
        format!("0b{}", grouped(&format!("{value:b}")))
    } else {
        format!("0x{}", grouped(&format!("{value:x}")))
    }
}

/// The state of a type: its fields, and the constants of its file.
pub fn state(repository: &Repository, up: &str, file: &str, name: &str) -> Result<String, String> {
    let source = repository.file(file)?;
    let item = source.item(name)?;
    let Kind::Struct(fields) = &item.kind else { return Err(format!("`{name}` is no struct")) };
    let mut text = String::new();
    let with_docs = fields.iter().any(|(_, _, docs)| !docs.is_empty());
    text.push_str(if with_docs {
        "| field | type | |\n|---|---|---|\n"
    } else {
        "| field | type |\n|---|---|\n"
    });
    for (field, ty, docs) in fields {
        let _ = write!(text, "| {} | {} |", code(field), code(ty));
        text.push_str(&if with_docs {
            format!(" {} |\n", cell(&first_sentence(docs)))
        } else {
            "\n".to_owned()
        });
    }
    let mut known = HashMap::new();
    let mut rows = String::new();
    let body = |item: &Item| source.lines[item.code.first - 1..item.code.last].join("\n");
    for item in &source.items {
        let Kind::Const(ty, expr) = &item.kind else { continue };
        if !INTEGERS.contains(&ty.as_str()) || item.path.contains("::") {
            continue;
        }
        let line = body(item);
        let written = line.split_once('=').map_or("", |(_, value)| value.trim().trim_end_matches(';'));
        let is_literal = matches!(**expr, syn::Expr::Lit(_));
        let mut as_bits = String::new();
        if let Some(value) = value(expr, &known, ty) {
            known.insert(item.path.clone(), value);
            let is_plain = is_literal && written.starts_with("0b") || item.path.ends_with("_SHIFT");
            if !is_plain {
                as_bits = code(&shown(value));
            }
        }
        let mut meaning = first_sentence(&item.docs);
        let readers: Vec<String> = source
            .items
            .iter()
            .filter(|other| matches!(other.kind, Kind::Fn(_)) && !other.path.contains("::"))
            .filter(|other| names(&body(other), &item.path))
            .map(|other| format!("`{}`", other.path))
            .collect();
        if !readers.is_empty() {
            if !meaning.is_empty() {
                meaning.push(' ');
            }
            let _ = write!(meaning, "Read by {}.", readers.join(", "));
        }
        let _ = writeln!(
            rows,
            "| [{}]({up}{file}#L{}) | {} | {} | {as_bits} | {} |",
            code(&item.path),
            item.code.first,
            code(ty),
            code(written),
            cell(&meaning)
        );
    }
    if !rows.is_empty() {
        let _ = write!(text, "\n| constant | type | value | in bits | |\n|---|---|---|---|---|\n{rows}");
    }
    Ok(text)
}

/// Whether `name` stands in `text` as a word.
fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

/// The orderings of a file, or of some of its functions: what each pairs with and which model fails without it; and why the others are
/// Relaxed. `steps` is what stands behind a mutant that a model has noticed.
pub fn orderings(
    book: &Book,
    up: &str,
    file: &str,
    options: &str,
    steps: Option<&dyn Fn(&table::Verdict) -> String>,
) -> Result<String, String> {
    let (with_pictures, functions) = match options.strip_prefix("without pictures") {
        Some(functions) => (false, functions),
        None => (true, options),
    };
    let functions: Vec<&str> = functions.split_whitespace().collect();
    let in_file: Vec<&source::Site> = book.sites().iter().filter(|site| site.file == file).collect();
    if in_file.is_empty() {
        return Err(format!("there is no ordering in {file}"));
    }
    for function in &functions {
        if !in_file.iter().any(|site| site.function == *function) {
            return Err(format!("there is no ordering in `{function}` of {file}"));
        }
    }
    let (verdicts, reasons) = book.verdicts();
    let docs = up.strip_prefix("../").unwrap_or("");
    let mut rows = String::new();
    let mut relaxed: Vec<(String, Vec<String>)> = Vec::new();
    for site in
        in_file.iter().filter(|site| functions.is_empty() || functions.contains(&site.function.as_str()))
    {
        let key = site.key();
        let place = format!("[{} : {}]({up}{file}#L{})", site.function, site.line, site.line);
        let mut mutants = table::weaker(site);
        if mutants.is_empty() {
            let why = site.sentence.clone().unwrap_or_default();
            match relaxed.iter_mut().find(|(other, _)| *other == why) {
                Some((_, places)) => places.push(place),
                None => relaxed.push((why, vec![place])),
            }
            continue;
        }
        if !mutants.iter().any(|weaker| weaker == table::ONE)
            && verdicts.contains_key(&(key.clone(), table::ONE.to_owned()))
        {
            mutants.push(table::ONE.to_owned());
        }
        let noticed: Vec<String> = mutants
            .iter()
            .map(|weaker| {
                let picture = reasons.picture.iter().find(|row| row.site == key && row.weaker == *weaker);
                let picture = picture
                    .map_or(String::new(), |row| format!(" ([drawn]({docs}orderings/{}.svg))", row.name));
                if let Some(why) = reasons.why(&key, weaker) {
                    return format!("*{weaker}*: no model can notice. {}{picture}", cell(why));
                }
                match verdicts.get(&(key.clone(), weaker.clone())) {
                    Some(verdict @ table::Verdict { model: Some(model), how, .. }) => {
                        let steps = steps.map_or(String::new(), |steps| steps(verdict));
                        let how = how.as_deref().map_or(String::new(), |how| format!(": {}", cell(how)));
                        format!("*{weaker}*: `{model}` fails{how}{picture}{steps}")
                    }
                    _ => format!("*{weaker}*: not known{picture}"),
                }
            })
            .collect();
        let _ = writeln!(
            rows,
            "| {place} | {} | {} | {} |",
            code(&site.text()),
            cell(site.sentence.as_deref().unwrap_or("")),
            noticed.join("<br>")
        );
    }
    let mut text = String::new();
    if !rows.is_empty() {
        let _ = write!(text, "| place | operation | why | made weaker |\n|---|---|---|---|\n{rows}\n");
    }
    if !relaxed.is_empty() {
        text.push_str(if rows.is_empty() { "All are Relaxed:\n\n" } else { "The others are Relaxed:\n\n" });
        for (why, places) in relaxed {
            let why = if why.is_empty() { "No reason is given." } else { why.as_str() };
            let _ = writeln!(text, "- {} {}", places.join(", "), without_item_links(why));
        }
        text.push('\n');
    }
    if with_pictures {
        let belongs_here = |row: &&table::Picture| {
            let home = row.under.as_deref().or_else(|| row.site.split_whitespace().next());
            home == Some(file)
                && (functions.is_empty()
                    || row.site.split_whitespace().nth(1).is_some_and(|f| functions.contains(&f)))
        };
        for row in reasons.picture.iter().filter(belongs_here) {
            let caption = row.caption.trim();
            let _ = write!(
                text,
                "![{}]({docs}orderings/{}.svg)\n\n*{caption}*\n\n",
                caption.replace(']', "\\]"),
                row.name
            );
        }
    }
    Ok(text)
}

/// The models whose names begin with one of the prefixes.
pub fn models(book: &Book, up: &str, prefixes: &str) -> Result<String, String> {
    let models = book.models()?;
    let mut rows = String::new();
    for prefix in prefixes.split_whitespace() {
        let mut none = true;
        for model in models.iter().filter(|model| model.name.starts_with(prefix)) {
            none = false;
            let file = &model.file;
            let _ = writeln!(
                rows,
                "| [{}]({up}{file}#L{}) | {} | {} | {} | {} |",
                code(&model.name),
                model.line,
                cell(&model.docs),
                match model.threads {
                    Some(threads) if model.hidden => format!("{threads}, and the type's own"),
                    Some(threads) => threads.to_string(),
                    None => "not counted".to_owned(),
                },
                model
                    .preemptions
                    .as_ref()
                    .map_or("every interleaving".to_owned(), |n| format!("up to {n} preemptions")),
                grouped_by_three(model.least),
            );
        }
        if none {
            return Err(format!("no model begins with `{prefix}`"));
        }
    }
    if rows.is_empty() {
        return Err("a prefix is missing".to_owned());
    }
    Ok(format!(
        "| model | what it shows | threads | explored | executions, at least |\n|---|---|---|---|---:|\n{rows}"
    ))
}

fn grouped_by_three(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// The public items of a file, or of one type in it.
pub fn api(repository: &Repository, up: &str, file: &str, only: &str) -> Result<String, String> {
    let source = repository.file(file)?;
    if !only.is_empty() {
        source.item(only)?;
    }
    let mut rows = String::new();
    let hidden: Vec<String> = source
        .items
        .iter()
        .filter(|item| !item.public && source.lines[item.code.first - 1].contains("mod "))
        .map(|item| format!("{}::", item.path))
        .collect();
    for item in source.items.iter().filter(|item| item.public) {
        if hidden.iter().any(|hidden| item.path.starts_with(hidden)) {
            continue;
        }
        let owner = item.path.rsplit_once("::").map_or("", |(owner, _)| owner);
        if !only.is_empty() && owner != only && item.path != only {
            continue;
        }
        let what = match &item.kind {
            Kind::Fn(signature) => {
                let signature = signature.replace("const fn ", "fn ").replace("unsafe fn ", "fn ");
                let signature =
                    signature.split(" where ").next().unwrap_or("").trim_start_matches("fn ").to_owned();
                if owner.is_empty() || !only.is_empty() { signature } else { format!("{owner}::{signature}") }
            }
            _ => item.path.clone(),
        };
        // A macro makes it, for several types: it is shown for that which has its name.
        let made_for: Vec<&str> = source
            .calls
            .iter()
            .filter(|(name, given)| Some(name) == item.made_by.as_ref() && given != owner)
            .map(|(_, given)| given.as_str())
            .collect();
        let also = if made_for.is_empty() {
            String::new()
        } else {
            format!(" Also of `{}`.", made_for.join("`, `"))
        };
        let _ = writeln!(
            rows,
            "| [{}]({up}{file}#L{}) | {}{also} |",
            code(&what),
            item.code.first,
            cell(&first_sentence(&item.docs))
        );
    }
    if rows.is_empty() {
        return Err(format!("nothing public in {file} {only}"));
    }
    Ok(format!("| item | what it does |\n|---|---|\n{rows}"))
}

/// The sizes of types, on a 64-bit machine.
pub fn sizes(types: &str) -> Result<String, String> {
    macro_rules! known {
        ($($name:literal: $ty:ty),* $(,)?) => {
            &[$(($name, size_of::<$ty>())),*]
        };
    }
    let known: &[(&str, usize)] = known! {
        "Lock": raddle::Lock<()>,
        "RLock": raddle::RLock<()>,
        "Condition": raddle::Condition,
        "Semaphore": raddle::Semaphore,
        "BoundedSemaphore": raddle::BoundedSemaphore,
        "Event": raddle::Event,
        "Barrier": raddle::Barrier,
        "JoinableQueue": raddle::JoinableQueue<()>,
        "Timer": raddle::Timer,
        "WorkPool": raddle::WorkPool,
        "JobHandle": raddle::JobHandle<()>,
    };
    let mut text = "| type | bytes |\n|---|---:|\n".to_owned();
    for name in types.split_whitespace() {
        let (_, size) = known
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("no size of `{name}` is known"))?;
        let _ = writeln!(text, "| `{name}` | {size} |");
    }
    Ok(text)
}
