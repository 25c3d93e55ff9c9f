//! Finds items in Rust files, and says on which lines they stand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;

/// Lines of a file, from 1, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lines {
    /// The first.
    pub first: usize,
    /// The last.
    pub last: usize,
}

/// An item of a file: a function, a type, a constant, an `impl`, ...
#[derive(Clone, Debug)]
pub struct Item {
    /// `RawLock::lock`, `LOCKED`, `impl Drop for Guard`, `RawSemaphore::serve::Plan`.
    pub path: String,
    /// With its docs and attributes.
    pub all: Lines,
    /// Without its docs.
    pub code: Lines,
    /// Between the braces of a function, if it has lines of its own there.
    pub body: Option<Lines>,
    /// Its doc comment.
    pub docs: String,
    /// Whether it says `pub`, without more.
    pub public: bool,
    /// What it is.
    pub kind: Kind,
    /// The `macro_rules!` of the file whose braces it stands in.
    pub made_by: Option<String>,
}

/// What an item is, as far as somebody asks.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A function or method; with its signature.
    Fn(String),
    /// A constant of the file itself: its type, and its value.
    Const(String, Box<syn::Expr>),
    /// A structure, with its fields: name, type, docs.
    Struct(Vec<(String, String, String)>),
    /// Another type.
    Type,
    /// Anything else.
    Other,
}

/// A file of the repository.
#[derive(Debug)]
pub struct SourceFile {
    /// From the root: `src/lock/raw.rs`.
    pub name: String,
    /// Its lines.
    pub lines: Vec<String>,
    /// What is in it, if it is Rust.
    pub items: Vec<Item>,
    /// Where macros are called among the items: their names, and the first word that they are given.
    pub calls: Vec<(String, String)>,
}

/// The repository, each file of it read once.
#[derive(Debug)]
pub struct Repository {
    /// Where it is.
    pub root: PathBuf,
    files: std::cell::RefCell<HashMap<String, Rc<SourceFile>>>,
}

impl Repository {
    /// That at `root`.
    pub fn new(root: &Path) -> Repository {
        Repository { root: root.to_owned(), files: Default::default() }
    }

    /// A file of it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn file(&self, name: &str) -> Result<Rc<SourceFile>, String> {
        if let Some(file) = self.files.borrow().get(name) {
            return Ok(Rc::clone(file));
        }
        let text =
            std::fs::read_to_string(self.root.join(name)).map_err(|error| format!("{name}: {error}"))?;
        let file = Rc::new(SourceFile::read(name, &text)?);
        self.files.borrow_mut().insert(name.to_owned(), Rc::clone(&file));
        Ok(file)
    }
}

impl SourceFile {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// If it should be Rust and is not.
    pub fn read(name: &str, text: &str) -> Result<SourceFile, String> {
        let mut walk =
            Walk { lines: text.lines().collect(), found: Vec::new(), calls: Vec::new(), made_by: None };
        if name.ends_with(".rs") {
            let file = syn::parse_file(text)
                .map_err(|error| format!("{name}:{}: {error}", error.span().start().line))?;
            walk.items(&file.items, "");
        }
        let Walk { found: items, calls, .. } = walk;
        Ok(SourceFile {
            name: name.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            items,
            calls,
        })
    }

    /// The one item with that path.
    ///
    /// # Errors
    ///
    /// If there is none, or several.
    pub fn item(&self, path: &str) -> Result<&Item, String> {
        let found: Vec<&Item> = self.items.iter().filter(|item| item.path == path).collect();
        match found[..] {
            [item] => Ok(item),
            [] => {
                let last = path.rsplit("::").next().unwrap_or(path);
                let alike: Vec<&str> = self
                    .items
                    .iter()
                    .map(|item| item.path.as_str())
                    .filter(|other| other.rsplit("::").next() == Some(last))
                    .collect();
                let hint =
                    if alike.is_empty() { String::new() } else { format!("; there is {}", alike.join(", ")) };
                Err(format!("no item `{path}` in {}{hint}", self.name))
            }
            [..] => {
                let lines: Vec<String> = found.iter().map(|item| item.code.first.to_string()).collect();
                Err(format!("`{path}` is ambiguous in {}: lines {}", self.name, lines.join(", ")))
            }
        }
    }
}

struct Walk<'a> {
    lines: Vec<&'a str>,
    found: Vec<Item>,
    calls: Vec<(String, String)>,
    made_by: Option<String>,
}

/// What stands in a macro's braces, where an `impl` may be around it.
struct ImplItems(Vec<syn::ImplItem>);

impl Parse for ImplItems {
    fn parse(input: ParseStream<'_>) -> syn::Result<ImplItems> {
        let mut items = Vec::new();
        while !input.is_empty() {
            items.push(input.parse()?);
        }
        Ok(ImplItems(items))
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") }
}

/// The text of a doc comment.
fn docs(attrs: &[syn::Attribute]) -> (String, Option<usize>) {
    let mut text = String::new();
    let mut last = None;
    for attr in attrs {
        let syn::Meta::NameValue(pair) = &attr.meta else { continue };
        if !pair.path.is_ident("doc") {
            continue;
        }
        if let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &pair.value {
            let line = line.value();
            text.push_str(line.strip_prefix(' ').unwrap_or(&line));
            text.push('\n');
        }
        last = Some(attr.span().end().line);
    }
    (text, last)
}

/// `core::cell::Cell<u8>` as the last name alone: `Cell`.
fn type_name(ty: &syn::Type) -> String {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().map_or_else(String::new, |s| s.ident.to_string()),
        syn::Type::Reference(reference) => format!("&{}", type_name(&reference.elem)),
        _ => ty.to_token_stream().to_string().replace(' ', ""),
    }
}

impl Walk<'_> {
    /// What is written there, on one line.
    fn text(&self, spanned: &impl ToTokens) -> String {
        let (start, end) = (spanned.span().start(), spanned.span().end());
        let mut text = String::new();
        for number in start.line..=end.line {
            let line = self.lines.get(number - 1).copied().unwrap_or("");
            let to = if number == end.line { end.column } else { usize::MAX };
            let from = if number == start.line { start.column } else { 0 };
            let part: String = line.chars().take(to).skip(from).filter(|&c| c != '$').collect();
            if !text.is_empty() && !text.ends_with('(') && !part.trim().starts_with(')') {
                text.push(' ');
            }
            text.push_str(part.trim());
        }
        text.replace(",)", ")").replace(", )", ")")
    }

    fn add(
        &mut self,
        path: String,
        item: &impl ToTokens,
        attrs: &[syn::Attribute],
        public: bool,
        kind: Kind,
    ) -> usize {
        let span = item.span();
        let all = Lines { first: span.start().line, last: span.end().line };
        let (docs, docs_end) = docs(attrs);
        let first = docs_end.map_or(all.first, |end| (end + 1).min(all.last));
        self.found.push(Item {
            path,
            all,
            code: Lines { first, ..all },
            body: None,
            docs,
            public,
            kind,
            made_by: self.made_by.clone(),
        });
        self.found.len() - 1
    }

    fn items(&mut self, items: &[syn::Item], prefix: &str) {
        for item in items {
            self.item(item, prefix);
        }
    }

    fn item(&mut self, item: &syn::Item, prefix: &str) {
        let is_pub = |vis: &syn::Visibility| matches!(vis, syn::Visibility::Public(_));
        match item {
            syn::Item::Const(it) => {
                let kind = Kind::Const(self.text(&it.ty), it.expr.clone());
                self.add(join(prefix, &it.ident.to_string()), it, &it.attrs, is_pub(&it.vis), kind);
            }
            syn::Item::Static(it) => {
                self.add(join(prefix, &it.ident.to_string()), it, &it.attrs, is_pub(&it.vis), Kind::Other);
            }
            syn::Item::Enum(it) => {
                self.add(join(prefix, &it.ident.to_string()), it, &it.attrs, is_pub(&it.vis), Kind::Type);
            }
            syn::Item::Type(it) => {
                self.add(join(prefix, &it.ident.to_string()), it, &it.attrs, is_pub(&it.vis), Kind::Type);
            }
            syn::Item::Union(it) => {
                self.add(join(prefix, &it.ident.to_string()), it, &it.attrs, is_pub(&it.vis), Kind::Type);
            }
            syn::Item::Struct(it) => {
                let fields = it.fields.iter().enumerate().map(|(number, field)| {
                    let name = field.ident.as_ref().map_or_else(|| number.to_string(), ToString::to_string);
                    (name, self.text(&field.ty), docs(&field.attrs).0)
                });
                let kind = Kind::Struct(fields.collect());
                self.add(join(prefix, &it.ident.to_string()), it, &it.attrs, is_pub(&it.vis), kind);
            }
            syn::Item::Trait(it) => {
                let path = join(prefix, &it.ident.to_string());
                self.add(path.clone(), it, &it.attrs, is_pub(&it.vis), Kind::Type);
                for item in &it.items {
                    match item {
                        syn::TraitItem::Fn(it) => {
                            self.function(
                                join(&path, &it.sig.ident.to_string()),
                                it,
                                &it.attrs,
                                false,
                                &it.sig,
                                it.default.as_ref(),
                            );
                        }
                        syn::TraitItem::Const(it) => {
                            self.add(join(&path, &it.ident.to_string()), it, &it.attrs, false, Kind::Other);
                        }
                        syn::TraitItem::Type(it) => {
                            self.add(join(&path, &it.ident.to_string()), it, &it.attrs, false, Kind::Other);
                        }
                        _ => {}
                    }
                }
            }
            syn::Item::Fn(it) => {
                let path = join(prefix, &it.sig.ident.to_string());
                self.function(path, it, &it.attrs, is_pub(&it.vis), &it.sig, Some(&it.block));
            }
            syn::Item::Mod(it) => {
                let path = join(prefix, &it.ident.to_string());
                self.add(path.clone(), it, &it.attrs, is_pub(&it.vis), Kind::Other);
                if let Some((_, items)) = &it.content {
                    self.items(items, &path);
                }
            }
            syn::Item::Impl(it) => {
                let name = type_name(&it.self_ty);
                let path = match &it.trait_ {
                    Some((of, _)) => {
                        let of = of.segments.last().map_or_else(String::new, |s| s.ident.to_string());
                        format!("impl {of} for {name}")
                    }
                    None => format!("impl {name}"),
                };
                self.add(join(prefix, &path), it, &it.attrs, false, Kind::Other);
                self.impl_items(&it.items, &join(prefix, &name));
            }
            syn::Item::Macro(it) => {
                if let Some(name) = &it.ident {
                    self.add(join(prefix, &name.to_string()), it, &it.attrs, false, Kind::Other);
                    // Between the braces of each rule, with `$Type` taken for `Type`.
                    let mut trees = it.mac.tokens.clone().into_iter().peekable();
                    while let Some(tree) = trees.next() {
                        if let TokenTree::Punct(punct) = &tree
                            && punct.as_char() == '>'
                            && let Some(TokenTree::Group(group)) = trees.peek()
                            && let Ok(file) = syn::parse2::<syn::File>(without_dollars(group.stream()))
                        {
                            self.made_by = Some(name.to_string());
                            self.items(&file.items, prefix);
                            self.made_by = None;
                        }
                    }
                    return;
                }
                if let Some(name) = it.mac.path.segments.last()
                    && let Some(TokenTree::Ident(given)) = it.mac.tokens.clone().into_iter().next()
                {
                    self.calls.push((name.ident.to_string(), given.to_string()));
                }
                if let Ok(file) = syn::parse2::<syn::File>(it.mac.tokens.clone()) {
                    self.items(&file.items, prefix);
                }
            }
            _ => {}
        }
    }

    fn impl_items(&mut self, items: &[syn::ImplItem], prefix: &str) {
        let is_pub = |vis: &syn::Visibility| matches!(vis, syn::Visibility::Public(_));
        for item in items {
            match item {
                syn::ImplItem::Fn(it) => {
                    let path = join(prefix, &it.sig.ident.to_string());
                    self.function(path, it, &it.attrs, is_pub(&it.vis), &it.sig, Some(&it.block));
                }
                syn::ImplItem::Const(it) => {
                    self.add(
                        join(prefix, &it.ident.to_string()),
                        it,
                        &it.attrs,
                        is_pub(&it.vis),
                        Kind::Other,
                    );
                }
                syn::ImplItem::Type(it) => {
                    self.add(join(prefix, &it.ident.to_string()), it, &it.attrs, false, Kind::Other);
                }
                syn::ImplItem::Macro(it) => {
                    if let Ok(ImplItems(items)) = syn::parse2(it.mac.tokens.clone()) {
                        self.impl_items(&items, prefix);
                    }
                }
                _ => {}
            }
        }
    }

    fn function(
        &mut self,
        path: String,
        item: &impl ToTokens,
        attrs: &[syn::Attribute],
        public: bool,
        sig: &syn::Signature,
        block: Option<&syn::Block>,
    ) {
        let at = self.add(path.clone(), item, attrs, public, Kind::Fn(self.text(sig)));
        let Some(block) = block else { return };
        let open = block.brace_token.span.open().start().line;
        let close = block.brace_token.span.close().start().line;
        if close > open + 1 {
            self.found[at].body = Some(Lines { first: open + 1, last: close - 1 });
        }
        for stmt in &block.stmts {
            if let syn::Stmt::Item(item) = stmt {
                self.item(item, &path);
            }
        }
    }
}

/// The same tokens, at the same places, without `$`.
fn without_dollars(tokens: TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .filter(|tree| !matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '$'))
        .map(|tree| match tree {
            TokenTree::Group(group) if group.delimiter() != Delimiter::None => {
                let mut inner = proc_macro2::Group::new(group.delimiter(), without_dollars(group.stream()));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            tree => tree,
        })
        .collect()
}
