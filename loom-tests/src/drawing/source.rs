//! What the source calls things: the field that an operation is on, and the bits of a word.
//!
//! It is read, not compiled, and a name is given only where there is no doubt. Everything else stays a number.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::{BinOp, Expr, Item, Lit, UnOp};

use super::record::{FIRST_POINTER, WordType};

/// The text of a file, and what it declares.
pub(super) struct Source {
    text: String,
    consts: Vec<Const>,
    tokens: Vec<(String, u64)>,
    /// The fields that are atomics.
    fields: BTreeSet<String>,
    /// The constants that stand beside `&`, `|` or `!` somewhere.
    bits: BTreeSet<String>,
    functions: Vec<Function>,
}

/// A function, without the comments above it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Function {
    /// `RawLock::lock_slow`.
    pub(super) name: String,
    /// From 1.
    pub(super) first: u32,
    pub(super) last: u32,
}

#[derive(Clone, Debug)]
struct Const {
    name: String,
    word: Option<WordType>,
    value: u64,
}

/// All files that were asked for.
pub(crate) struct Sources<'a> {
    root: &'a Path,
    files: HashMap<String, Source>,
}

impl<'a> Sources<'a> {
    /// Of the repository here.
    pub(crate) fn new(root: &'a Path) -> Sources<'a> {
        Sources { root, files: HashMap::new() }
    }

    /// The file with this name, from the root of the repository. One that can't be read is empty.
    pub(super) fn file(&mut self, name: &str) -> &Source {
        let root = self.root;
        self.files
            .entry(name.to_owned())
            .or_insert_with(|| Source::parse(std::fs::read_to_string(root.join(name)).unwrap_or_default()))
    }

    /// Whether a type in this file has an atomic of this name. What is called otherwise is a variable, or another file's.
    #[allow(dead_code, reason = "for tests/states.rs")]
    pub(crate) fn has_field(&mut self, file: &str, name: &str) -> bool {
        self.file(file).fields().contains(name)
    }
}

#[cfg(test)]
impl Sources<'_> {
    pub(super) fn insert(&mut self, name: &str, text: &str) {
        self.files.insert(name.to_owned(), Source::parse(text.to_owned()));
    }
}

impl Source {
    pub(super) fn parse(text: String) -> Source {
        let mut source = Source {
            text,
            consts: Vec::new(),
            tokens: Vec::new(),
            fields: BTreeSet::new(),
            bits: BTreeSet::new(),
            functions: Vec::new(),
        };
        if let Ok(file) = syn::parse_file(&source.text) {
            let mut known = HashMap::new();
            collect(&file.items, &mut known, &mut source);
            let mut finder = Finder { owner: String::new(), found: Vec::new() };
            finder.visit_file(&file);
            source.functions = finder.found;
        }
        if let Ok(tokens) = source.text.parse::<TokenStream>() {
            beside_bit_operators(tokens, &mut source.bits);
        }
        source
    }

    /// The field, variable or method whose method is called here: `state` in `self.state.load(..)`.
    pub(super) fn receiver(&self, line: u32, column: u32) -> Option<String> {
        let start: usize =
            self.text.split_inclusive('\n').take(line.checked_sub(1)? as usize).map(str::len).sum();
        let column: usize =
            self.text[start..].chars().take(column.checked_sub(1)? as usize).map(char::len_utf8).sum();
        let mut before = self.text[..start + column].trim_end().strip_suffix('.')?.trim_end();
        loop {
            // An index, or the arguments of a call: what stands before them names it.
            if let Some(close) = before.chars().last().filter(|last| ")]".contains(*last)) {
                before = &before[..opening(before, close)?];
                continue;
            }
            let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            if name.is_empty() {
                return None;
            }
            if !name.starts_with(|c: char| c.is_ascii_digit()) {
                return Some(name.to_owned());
            }
            // A field without a name, as in `self.0`.
            before = before.strip_suffix(name)?.strip_suffix('.')?;
        }
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> u32 {
        u32::try_from(self.text.lines().count()).unwrap_or(u32::MAX)
    }

    /// The line, from 1.
    pub(super) fn line(&self, line: u32) -> Option<&str> {
        self.text.lines().nth(line.checked_sub(1)? as usize)
    }

    /// Where this ordering stands in the call whose method is named here: the line, and the columns from 0. A
    /// compare-and-exchange may have it twice.
    pub(super) fn ordering(
        &self,
        line: u32,
        column: u32,
        name: &str,
        last: bool,
    ) -> Option<(u32, usize, usize)> {
        let mut depth = 0;
        let mut found = None;
        let wanted = format!("Ordering::{name}");
        for (index, text) in self.text.lines().enumerate().skip(line.checked_sub(1)? as usize).take(12) {
            let number = u32::try_from(index + 1).ok()?;
            let from = if number == line { column.checked_sub(1)? as usize } else { 0 };
            for (at, c) in text.char_indices().skip(from) {
                depth += match c {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                let rest = text[at..].strip_prefix(&wanted);
                let is_whole = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
                if rest.is_some_and(is_whole) && (last || found.is_none()) {
                    let column = text[..at].chars().count();
                    found = Some((number, column, column + wanted.len()));
                }
                if c == ')' && depth == 0 {
                    return found;
                }
            }
        }
        found
    }

    /// The innermost function round this line.
    pub(super) fn function_at(&self, line: u32) -> Option<&Function> {
        let round = self.functions.iter().filter(|function| (function.first..=function.last).contains(&line));
        round.min_by_key(|function| function.last - function.first)
    }

    /// The functions of this name: there may be one for each of several types of a model.
    pub(super) fn functions<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Function> {
        self.functions.iter().filter(move |function| function.name == name)
    }

    /// The fields that are atomics.
    pub(super) fn fields(&self) -> &BTreeSet<String> {
        &self.fields
    }

    /// The name of a token that says something to a woken thread.
    pub(super) fn token(&self, token: u64) -> Option<&str> {
        let mut named = self.tokens.iter().filter(|(_, value)| *value == token);
        let (name, _) = named.next()?;
        named.next().is_none().then_some(name)
    }

    /// How to read the words of this type in this file.
    pub(super) fn layout(&self, word: WordType) -> Layout {
        let width = match word {
            WordType::U8 => 8,
            WordType::U16 => 16,
            _ => 64,
        };
        let consts: Vec<&Const> = self.consts.iter().filter(|known| known.word == Some(word)).collect();
        let mut layout = Layout { width, ..Layout::default() };
        let mut taken = BTreeSet::new();
        let mut masks = Vec::new();
        if let Some((phase, members)) = phase(&consts) {
            let low = phase.value.trailing_zeros();
            let members = members.iter().map(|known| (known.value, known.name.clone())).collect();
            if !self.bits.contains(&phase.name) {
                return layout;
            }
            layout.fields.push(Field { low, kind: Kind::OneOf(phase.value, members) });
            taken.extend(
                consts.iter().filter(|known| known.value & !phase.value == 0).map(|known| &known.name),
            );
        }
        for known in &consts {
            let name = &known.name;
            if taken.contains(name) {
                continue;
            }
            let low = known.value.trailing_zeros();
            if known.value == 0 {
                layout.zero = Some(name.clone());
            } else if name == "ONE" || name.starts_with("ONE_") {
                if known.value.is_power_of_two() {
                    let name = name.strip_prefix("ONE_").map_or(String::new(), str::to_owned);
                    layout.fields.push(Field { low, kind: Kind::Count(name) });
                }
            } else if let Some(name) = name.strip_suffix("_MASK") {
                masks.push((low, name.to_owned()));
            } else if known.value.is_power_of_two() && self.bits.contains(name) {
                layout.fields.push(Field { low, kind: Kind::Flag(name.clone()) });
            }
        }
        // A mask says where a count is that has no "one".
        for (low, name) in masks {
            if layout.fields.iter().all(|field| field.low != low) && name != "COUNT" {
                layout.fields.push(Field { low, kind: Kind::Count(name) });
            }
        }
        layout.fields.sort_by_key(|field| field.low);
        // One count and nothing else: that is a number.
        if let [Field { low: 0, kind: Kind::Count(_) }] = layout.fields[..] {
            layout.fields.clear();
        }
        if layout.fields.is_empty() && layout.zero.is_some() {
            layout.values = plain_values(&consts, &self.bits);
        }
        // Two names for one bit: which one is meant, nobody knows.
        if layout.fields.windows(2).any(|pair| pair[0].low == pair[1].low) {
            layout.fields.clear();
            layout.zero = None;
        }
        layout
    }
}

/// States that exclude each other: 0, 1, 2 and so on, and none of them a bit.
fn plain_values(consts: &[&Const], bits: &BTreeSet<String>) -> Vec<String> {
    let names: Vec<String> = consts
        .iter()
        .skip_while(|known| known.value != 0)
        .enumerate()
        .take_while(|(index, known)| known.value == *index as u64 && !bits.contains(&known.name))
        .map(|(_, known)| known.name.clone())
        .collect();
    if names.len() > 1 { names } else { Vec::new() }
}

/// A mask of several bits at the bottom of the word, and right behind it the values that it picks out, from 0.
fn phase<'a>(consts: &[&'a Const]) -> Option<(&'a Const, Vec<&'a Const>)> {
    let at = consts.iter().position(|known| known.value.count_ones() > 1 && known.value & 1 == 1)?;
    let mask = consts[at];
    let rest = consts[at + 1..].iter().enumerate();
    let members: Vec<&Const> = rest
        .take_while(|(index, known)| known.value == *index as u64 && known.value <= mask.value)
        .map(|(_, known)| *known)
        .collect();
    (members.len() > 2).then_some((mask, members))
}

/// Where the bracket that ends `text` was opened.
fn opening(text: &str, close: char) -> Option<usize> {
    let open = if close == ')' { '(' } else { '[' };
    let mut depth = 0;
    for (at, c) in text.char_indices().rev() {
        if c == close {
            depth += 1;
        } else if c == open {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Finds the functions.
struct Finder {
    /// The type whose `impl` this is.
    owner: String,
    found: Vec<Function>,
}

impl Finder {
    fn note(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let name = match self.owner.as_str() {
            "" => signature.ident.to_string(),
            owner => format!("{owner}::{}", signature.ident),
        };
        let line = |at: proc_macro2::LineColumn| u32::try_from(at.line).unwrap_or(0);
        let (first, last) = (line(signature.span().start()), line(block.span().end()));
        self.found.push(Function { name, first, last });
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let owner = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let earlier = std::mem::replace(&mut self.owner, owner.unwrap_or_default());
        syn::visit::visit_item_impl(self, item);
        self.owner = earlier;
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.note(&item.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }

    /// `const_fn!` has a function in it.
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        if let Ok(item) = syn::parse2::<syn::ImplItemFn>(mac.tokens.clone()) {
            self.note(&item.sig, &item.block);
        }
    }
}

fn collect(items: &[Item], known: &mut HashMap<String, u64>, source: &mut Source) {
    for item in items {
        if let Item::Struct(item) = item {
            let fields = item.fields.iter().filter(|field| mentions_atomic(&field.ty));
            source.fields.extend(fields.filter_map(|field| field.ident.as_ref().map(ToString::to_string)));
        }
        let Item::Const(item) = item else { continue };
        let name = item.ident.to_string();
        let ty = match &*item.ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let ty = ty.unwrap_or_default();
        if ty == "UnparkToken" {
            if let Expr::Call(call) = &*item.expr
                && let Some(value) = call.args.first().and_then(|value| eval(value, known))
            {
                source.tokens.push((name, value));
            }
            continue;
        }
        let Some(mut value) = eval(&item.expr, known) else { continue };
        let word = match ty.as_str() {
            "u8" => Some(WordType::U8),
            "u16" => Some(WordType::U16),
            "u64" => Some(WordType::U64),
            "usize" => Some(WordType::Usize),
            _ => None,
        };
        if word == Some(WordType::U8) {
            value &= 0xff;
        }
        known.insert(name.clone(), value);
        source.consts.push(Const { name, word, value });
    }
}

/// Whether this is an atomic, or a box, a slice or the like of one.
fn mentions_atomic(ty: &syn::Type) -> bool {
    match ty {
        syn::Type::Slice(slice) => mentions_atomic(&slice.elem),
        syn::Type::Array(array) => mentions_atomic(&array.elem),
        syn::Type::Path(path) => path.path.segments.iter().any(|segment| {
            segment.ident.to_string().starts_with("Atomic")
                || matches!(&segment.arguments, syn::PathArguments::AngleBracketed(arguments)
                if arguments.args.iter().any(|argument| {
                    matches!(argument, syn::GenericArgument::Type(ty) if mentions_atomic(ty))
                }))
        }),
        _ => false,
    }
}

/// The value of an expression of numbers and known constants.
fn eval(expr: &Expr, known: &HashMap<String, u64>) -> Option<u64> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Int(int) => int.base10_parse().ok(),
            _ => None,
        },
        Expr::Paren(inner) => eval(&inner.expr, known),
        Expr::Group(inner) => eval(&inner.expr, known),
        Expr::Path(path) => known.get(&path.path.get_ident()?.to_string()).copied(),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => Some(!eval(&unary.expr, known)?),
        Expr::Binary(binary) => {
            let (left, right) = (eval(&binary.left, known)?, eval(&binary.right, known)?);
            match binary.op {
                BinOp::BitOr(_) => Some(left | right),
                BinOp::BitAnd(_) => Some(left & right),
                BinOp::Shl(_) => left.checked_shl(u32::try_from(right).ok()?),
                BinOp::Add(_) => left.checked_add(right),
                BinOp::Sub(_) => left.checked_sub(right),
                _ => None,
            }
        }
        _ => None,
    }
}

fn beside_bit_operators(tokens: TokenStream, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let punct = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
        Some(TokenTree::Punct(punct)) => Some(punct.as_char()),
        _ => None,
    };
    // `&&` and `||` are none.
    let is_operator = |at: Option<usize>| {
        let around = [at.and_then(|at| at.checked_sub(1)), at.map(|at| at + 1)];
        punct(at).is_some_and(|c| "&|!".contains(c) && around.iter().all(|&next| punct(next) != Some(c)))
    };
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(name) if is_operator(at.checked_sub(1)) || is_operator(Some(at + 1)) => {
                found.insert(name.to_string());
            }
            TokenTree::Group(group) => beside_bit_operators(group.stream(), found),
            _ => {}
        }
    }
}

/// What the bits of a word mean.
#[derive(Clone, Default, Debug)]
pub(super) struct Layout {
    width: u32,
    /// By their lowest bits.
    fields: Vec<Field>,
    /// What the word is called when it is 0.
    zero: Option<String>,
    /// What it is called when it is 0, 1, and so on.
    values: Vec<String>,
}

#[derive(Clone, Debug)]
struct Field {
    low: u32,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Flag(String),
    /// Up to the next field.
    Count(String),
    /// The mask, and what its values are called.
    OneOf(u64, Vec<(u64, String)>),
}

impl Layout {
    /// The value as a state: without the fields to hide, and with names for the counts, from 1 on; the last of them is for all above too.
    pub(super) fn class(
        &self,
        value: u64,
        hide: &[String],
        counts: &BTreeMap<String, Vec<String>>,
    ) -> String {
        if self.fields.is_empty() {
            // A word that is one number.
            return match counts.get("") {
                Some(names) if value > 0 => {
                    let at = usize::try_from(value - 1).unwrap_or(usize::MAX).min(names.len() - 1);
                    names[at].clone()
                }
                _ => self.name(value),
            };
        }
        let mut parts = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let end = self.fields.get(index + 1).map_or(self.width, |next| next.low);
            let count = (value & ones(end)) >> field.low;
            match &field.kind {
                Kind::Flag(name) if count & 1 == 1 && !hide.contains(name) => parts.push(name.clone()),
                Kind::OneOf(mask, names) => {
                    let name = names.iter().find(|(named, _)| *named == value & mask);
                    parts.push(name.map_or_else(|| number(value & mask, 8), |(_, name)| name.clone()));
                }
                Kind::Count(name) if count > 0 && !hide.contains(name) => {
                    let names = counts.get(name).map_or(&[][..], Vec::as_slice);
                    let at =
                        usize::try_from(count - 1).unwrap_or(usize::MAX).min(names.len().saturating_sub(1));
                    let said = names.get(at).map_or_else(|| count.to_string(), String::clone);
                    parts.push(if name.is_empty() { said } else { format!("{name} {said}") });
                }
                _ => {}
            }
        }
        match (&self.zero, parts.is_empty()) {
            (Some(zero), true) => zero.clone(),
            (None, true) => "0".to_owned(),
            _ => parts.join("|"),
        }
    }

    /// The value in words.
    pub(super) fn name(&self, value: u64) -> String {
        if let Some(name) = usize::try_from(value).ok().and_then(|value| self.values.get(value)) {
            return name.clone();
        }
        let mut parts = Vec::new();
        let mut left = value;
        for (index, field) in self.fields.iter().enumerate() {
            let bits = match &field.kind {
                Kind::Flag(_) => 1 << field.low,
                Kind::OneOf(mask, _) => *mask,
                Kind::Count(_) => {
                    let end = self.fields.get(index + 1).map_or(self.width, |next| next.low);
                    ones(end) & !ones(field.low)
                }
            };
            let here = value & bits;
            left &= !bits;
            match &field.kind {
                Kind::OneOf(_, names) => match names.iter().find(|(value, _)| *value == here) {
                    Some((_, name)) => parts.push(name.clone()),
                    None => return number(value, self.width),
                },
                _ if here == 0 => {}
                Kind::Flag(name) => parts.push(name.clone()),
                Kind::Count(name) => {
                    let count = number(here >> field.low, bits.count_ones());
                    parts.push(if name.is_empty() {
                        format!("{count}·ONE")
                    } else {
                        format!("{name}\u{a0}{count}")
                    });
                }
            }
        }
        match &self.zero {
            _ if left != 0 => number(value, self.width),
            Some(zero) if value == 0 && parts.is_empty() => zero.clone(),
            _ if parts.is_empty() => number(value, self.width),
            _ => parts.join("|"),
        }
    }
}

/// The lowest bits, so many of them.
const fn ones(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// A number so that one can read it: near the end of its range as the distance to it, and large ones in hex.
fn number(value: u64, width: u32) -> String {
    let max = ones(width);
    match max - value.min(max) {
        0 if width > 8 => "MAX".to_owned(),
        below @ 1..1000 if width > 16 => format!("MAX-{below}"),
        _ if value >= 1 << 20 => format!("{value:#x}"),
        _ => value.to_string(),
    }
}

/// A pointer: null, or the how manieth of all that appear.
pub(super) fn pointer(value: u64) -> String {
    match value {
        0 => "null".to_owned(),
        value if value < FIRST_POINTER => format!("pointer {value}"),
        value => format!("p{}", value - FIRST_POINTER + 1),
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
