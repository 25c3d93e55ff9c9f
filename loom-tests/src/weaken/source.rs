//! The sites of the library, read from its source: every atomic operation, fence and parking call, with its orderings and
//! the sentence above it that says why.
//!
//! Also a module of `tests/orderings.rs`, which fails when the tables in `docs/` are not those of the source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::visit::Visit;

/// What is done at a site.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A method of an atomic that takes orderings.
    Atomic,
    /// A fence.
    Fence,
    /// A call of the parking face.
    Parking,
}

/// One operation in the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// From the root of the package: `src/lock/raw.rs`.
    pub file: String,
    /// From 1. Of the name of a method, or of the beginning of a call: what `#[track_caller]` tells.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// `RawLock::lock_slow`.
    pub function: String,
    /// What kind of operation it is.
    pub kind: Kind,
    /// `compare_exchange_weak`, `fence`, `unpark_one`.
    pub operation: String,
    /// The last name of what a method is called on: `state`.
    pub receiver: String,
    /// As they stand there: `["Acquire", "Relaxed"]`.
    pub orderings: Vec<String>,
    /// Which of those that are alike in its function, from 1.
    pub nth: usize,
    /// The comment that belongs to it, on one line.
    pub sentence: Option<String>,
}

impl Site {
    /// What names the site in the tables, whatever its line: file, function, operation, and which of those.
    pub fn key(&self) -> String {
        let nth = if self.nth == 1 { String::new() } else { format!(" #{}", self.nth) };
        format!("{} {} {}{nth}", self.file, self.function, self.text())
    }

    /// `state.load(Acquire)`.
    pub fn text(&self) -> String {
        let dot = if self.receiver.is_empty() { "" } else { "." };
        format!("{}{dot}{}({})", self.receiver, self.operation, self.orderings.join(", "))
    }

    /// What is wrong with its sentence, if anything is: each ordering has to be named.
    pub fn complaint(&self) -> Option<String> {
        if self.kind == Kind::Parking {
            return None;
        }
        let Some(sentence) = &self.sentence else { return Some("has no sentence".to_owned()) };
        for ordering in &self.orderings {
            let halves = ordering == "AcqRel" && sentence.contains("Acquire") && sentence.contains("Release");
            if !sentence.contains(ordering.as_str()) && !halves {
                return Some(format!("has a sentence that does not name {ordering}: {sentence}"));
            }
        }
        None
    }
}

/// Every site of the library in `root`, by file and line, and what the reader could not make sense of.
///
/// # Panics
///
/// If a file cannot be read, or is no Rust.
pub fn sites(root: &Path) -> (Vec<Site>, Vec<String>) {
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    let mut sites = Vec::new();
    let mut complaints = Vec::new();
    for path in files {
        let name = path.strip_prefix(root).expect("it was found there");
        let name = name.to_string_lossy().replace('\\', "/");
        // The world that the models run in is not what they check.
        if name.starts_with("src/primitives/model/") || name.ends_with("_tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        read(&name, &text, &mut sites, &mut complaints);
    }
    (sites, complaints)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The sites of one file.
pub fn read(name: &str, text: &str, sites: &mut Vec<Site>, complaints: &mut Vec<String>) {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut reader = Reader {
        file: name,
        lines: text.lines().collect(),
        owner: String::new(),
        function: String::new(),
        first_line: 0,
        anchors: Vec::new(),
        orderings: 0,
        tokens: 0,
        sites: Vec::new(),
    };
    reader.visit_file(&file);
    if reader.tokens != reader.orderings {
        complaints.push(format!(
            "{name}: {} orderings are written here, and {} of them stand in an operation",
            reader.tokens, reader.orderings
        ));
    }
    let mut alike: BTreeMap<(String, String), usize> = BTreeMap::new();
    for mut site in reader.sites {
        let count = alike.entry((site.function.clone(), site.text())).or_default();
        *count += 1;
        site.nth = *count;
        sites.push(site);
    }
}

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

const METHODS: [&str; 7] =
    ["load", "store", "overwrite", "swap", "compare_exchange", "compare_exchange_weak", "fetch_update"];

struct Reader<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    /// The type whose `impl` this is.
    owner: String,
    function: String,
    /// Where the function begins.
    first_line: usize,
    /// Where the statements and arms round this place begin, the outermost first.
    anchors: Vec<usize>,
    /// How many orderings stood in operations.
    orderings: usize,
    /// How many there are.
    tokens: usize,
    sites: Vec<Site>,
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        // `test`, or `all(test, not(feature = "loom"))`; no `not(test)`.
        let condition = list.tokens.to_string();
        attribute.path().is_ident("cfg")
            && condition.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
            && !condition.replace(' ', "").contains("not(test")
    })
}

/// `Ordering::Acquire`: "Acquire".
fn ordering(argument: &syn::Expr) -> Option<String> {
    let syn::Expr::Path(path) = argument else { return None };
    let mut segments = path.path.segments.iter().rev();
    let last = segments.next()?.ident.to_string();
    let before = segments.next()?.ident.to_string();
    (before == "Ordering" && ORDERINGS.contains(&last.as_str())).then_some(last)
}

/// How many `Ordering::X` there are in these tokens.
fn count_orderings(tokens: TokenStream) -> usize {
    let mut count = 0;
    let mut window: [String; 3] = Default::default();
    for token in tokens {
        let text = match &token {
            TokenTree::Group(group) => {
                count += count_orderings(group.stream());
                String::new()
            }
            other => other.to_string(),
        };
        if ORDERINGS.contains(&text.as_str())
            && window[0] == "Ordering"
            && window[1] == ":"
            && window[2] == ":"
        {
            count += 1;
        }
        window.rotate_left(1);
        window[2] = text;
    }
    count
}

/// The last name in `self.shared.word`, `(*task).state`, `slots[i].stamp`.
fn last_name(expression: &syn::Expr) -> String {
    match expression {
        syn::Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => name.to_string(),
            syn::Member::Unnamed(_) => last_name(&field.base),
        },
        syn::Expr::Path(path) => {
            path.path.segments.last().map_or(String::new(), |last| last.ident.to_string())
        }
        syn::Expr::MethodCall(call) => call.method.to_string(),
        syn::Expr::Call(call) => last_name(&call.func),
        syn::Expr::Paren(inner) => last_name(&inner.expr),
        syn::Expr::Unary(inner) => last_name(&inner.expr),
        syn::Expr::Reference(inner) => last_name(&inner.expr),
        syn::Expr::Index(inner) => last_name(&inner.expr),
        syn::Expr::Unsafe(inner) => match inner.block.stmts.last() {
            Some(syn::Stmt::Expr(last, _)) => last_name(last),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

impl Reader<'_> {
    fn site(&mut self, span: Span, kind: Kind, operation: String, receiver: String, orderings: Vec<String>) {
        self.orderings += orderings.len();
        let start = span.start();
        let function = match (self.owner.as_str(), self.function.as_str()) {
            ("", function) => function.to_owned(),
            (owner, function) => format!("{owner}::{function}"),
        };
        self.sites.push(Site {
            file: self.file.to_owned(),
            line: start.line,
            column: start.column + 1,
            function,
            kind,
            operation,
            receiver,
            sentence: self.sentence(start.line, &orderings),
            orderings,
            nth: 0,
        });
    }

    /// The comment of the operation in this line: directly above the innermost statement that has one and names an ordering of it, or
    /// else the last one before it in the function that says that it is for several.
    fn sentence(&self, line: usize, orderings: &[String]) -> Option<String> {
        let names = |text: &str| orderings.iter().any(|ordering| text.contains(ordering.as_str()));
        let mut nearest = None;
        for anchor in self.anchors.iter().rev() {
            if let Some(text) = self.comment_above(*anchor) {
                if names(&text) {
                    return Some(text);
                }
                nearest.get_or_insert(text);
            }
        }
        for above in (self.first_line..line).rev() {
            let Some(text) = self.comment_above(above + 1) else { continue };
            let several = ["both", "all", "each", "every", "three"]
                .iter()
                .any(|word| text.split(' ').take(4).any(|w| w.trim_matches([',', ':']) == *word));
            if names(&text) && several {
                return Some(text);
            }
        }
        nearest
    }

    /// The comment that ends in the line above this one, without what it says of safety.
    fn comment_above(&self, line: usize) -> Option<String> {
        let mut words = Vec::new();
        for above in self.lines[..line - 1].iter().rev() {
            let Some(text) = above.trim_start().strip_prefix("//") else { break };
            if text.starts_with('/') || text.starts_with('!') {
                break;
            }
            words.push(text.trim());
        }
        words.reverse();
        let text = words.join(" ");
        let text = text.find("SAFETY:").map_or(text.as_str(), |at| &text[..at]).trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn at<R>(&mut self, line: usize, visit: impl FnOnce(&mut Self) -> R) -> R {
        self.anchors.push(line);
        let result = visit(self);
        self.anchors.pop();
        result
    }

    fn in_function(&mut self, name: String, span: Span, visit: impl FnOnce(&mut Self)) {
        let earlier = std::mem::replace(&mut self.function, name);
        let earlier_line = std::mem::replace(&mut self.first_line, span.start().line);
        let anchors = std::mem::take(&mut self.anchors);
        visit(self);
        self.function = earlier;
        self.first_line = earlier_line;
        self.anchors = anchors;
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_file(&mut self, file: &'ast syn::File) {
        for item in &file.items {
            self.visit_item(item);
        }
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        use quote::ToTokens as _;
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if is_test(attributes) {
            return;
        }
        if self.function.is_empty() && !matches!(item, syn::Item::Mod(_)) {
            self.tokens += count_orderings(item.to_token_stream());
        }
        syn::visit::visit_item(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let owner = match &*item.self_ty {
            syn::Type::Path(path) => {
                path.path.segments.last().map_or(String::new(), |last| last.ident.to_string())
            }
            _ => String::new(),
        };
        let earlier = std::mem::replace(&mut self.owner, owner);
        syn::visit::visit_item_impl(self, item);
        self.owner = earlier;
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.in_function(item.sig.ident.to_string(), item.span(), |reader| {
            syn::visit::visit_item_fn(reader, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.in_function(item.sig.ident.to_string(), item.span(), |reader| {
            syn::visit::visit_impl_item_fn(reader, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.in_function(item.sig.ident.to_string(), item.span(), |reader| {
            syn::visit::visit_trait_item_fn(reader, item);
        });
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        self.at(statement.span().start().line, |reader| syn::visit::visit_stmt(reader, statement));
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.at(arm.span().start().line, |reader| syn::visit::visit_arm(reader, arm));
    }

    fn visit_expr(&mut self, expression: &'ast syn::Expr) {
        self.at(expression.span().start().line, |reader| syn::visit::visit_expr(reader, expression));
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        let orderings: Vec<String> = call.args.iter().filter_map(ordering).collect();
        if !orderings.is_empty() && (METHODS.contains(&name.as_str()) || name.starts_with("fetch_")) {
            self.at(call.method.span().start().line, |reader| {
                reader.site(call.method.span(), Kind::Atomic, name, last_name(&call.receiver), orderings);
            });
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func {
            let names: Vec<String> =
                path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            match names[..] {
                [.., "fence"] => {
                    let orderings = call.args.iter().filter_map(ordering).collect();
                    self.site(call.span(), Kind::Fence, "fence".to_owned(), String::new(), orderings);
                }
                // Nothing to the processor, and so to the model.
                [.., "compiler_fence"] => self.orderings += 1,
                // A light or a heavy one: full ones to the model.
                [.., "fence", weight @ ("light" | "heavy")] => {
                    let orderings = vec!["SeqCst".to_owned()];
                    self.site(call.span(), Kind::Fence, format!("fence::{weight}"), String::new(), orderings);
                    // It is not written there.
                    self.orderings -= 1;
                }
                [.., "parking", name] if name.starts_with("park") || name.starts_with("unpark") => {
                    self.site(call.span(), Kind::Parking, name.to_owned(), String::new(), Vec::new());
                }
                _ => {}
            }
        }
        syn::visit::visit_expr_call(self, call);
    }

    /// The arguments of `debug_assert!` and the items of `const_fn!` are code too, as far as they can be read as such.
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let arguments = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        if let Ok(arguments) = arguments.parse2(mac.tokens.clone()) {
            for argument in &arguments {
                // Leaked, since the reader lends what it visits: a few expressions in a short run.
                self.visit_expr(Box::leak(Box::new(argument.clone())));
            }
        } else if let Ok(item) = syn::parse2::<syn::ImplItemFn>(mac.tokens.clone()) {
            self.visit_impl_item_fn(Box::leak(Box::new(item)));
        } else if let Ok(file) = syn::parse2::<syn::File>(mac.tokens.clone()) {
            self.visit_file(Box::leak(Box::new(file)));
        }
    }
}
