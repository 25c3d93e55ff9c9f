//! The models, read from the source of `loom-tests/`.

use std::collections::HashMap;
use std::iter::once;
use std::path::Path;

use syn::visit::Visit;

use crate::tables::first_sentence;

/// One model, as its file states it.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Where its function stands.
    pub file: String,
    /// On which line.
    pub line: usize,
    /// What its function says of itself, in a sentence; and if that is called by another, what that one says.
    pub docs: String,
    /// How many threads it has, if that can be read: that which begins, and those that it starts itself.
    pub threads: Option<usize>,
    /// Whether the type starts threads too.
    pub hidden: bool,
    /// Up to how many preemptions it is explored, if not exhaustively.
    pub preemptions: Option<usize>,
    /// The least number of executions that it has to explore.
    pub least: usize,
}

/// Where they are.
pub const FOLDER: &str = "loom-tests/src/models";

/// Reads all of them.
///
/// # Errors
///
/// What cannot be read.
pub fn read(root: &Path) -> Result<Vec<Model>, String> {
    let folder = root.join(FOLDER);
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{FOLDER}: {error}"))?;
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".rs") && name != "mod.rs")
        .collect();
    files.sort();
    let mut models = Vec::new();
    for file in files {
        let name = format!("{FOLDER}/{file}");
        let text = std::fs::read_to_string(folder.join(&file)).map_err(|error| format!("{name}: {error}"))?;
        models.extend(read_file(&name, &text)?);
    }
    Ok(models)
}

/// Reads those of one file.
///
/// # Errors
///
/// What cannot be read.
pub fn read_file(name: &str, text: &str) -> Result<Vec<Model>, String> {
    let file = syn::parse_file(text).map_err(|error| format!("{name}: {error}"))?;
    let functions: HashMap<String, &syn::ItemFn> = file
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Fn(function) => Some((function.sig.ident.to_string(), function)),
            _ => None,
        })
        .collect();
    // Also those of types, as they are called: `Type::name(...)`, and `.name(...)` by the name alone. A model that is called `add` is not
    // what `latch.add()` calls.
    let mut bodies: HashMap<String, Body<'_>> = functions
        .iter()
        .map(|(name, function)| (name.clone(), Body::new(&function.sig, &function.block)))
        .collect();
    for item in &file.items {
        let syn::Item::Impl(item) = item else { continue };
        let syn::Type::Path(of) = &*item.self_ty else { continue };
        let of = of.path.segments.last().map_or_else(String::new, |segment| segment.ident.to_string());
        for item in &item.items {
            if let syn::ImplItem::Fn(function) = item {
                let name = &function.sig.ident;
                let body = || Body::new(&function.sig, &function.block);
                bodies.insert(format!("{of}::{name}"), body());
                bodies.entry(format!(".{name}")).or_insert_with(body);
            }
        }
    }
    // There threads are started by the types themselves.
    let hidden = ["WorkPool", "Timers", "Builder"].iter().any(|word| text.contains(word));
    let mut models = Vec::new();
    for item in &file.items {
        let syn::Item::Const(list) = item else { continue };
        if list.ident != "MODELS" {
            continue;
        }
        let syn::Expr::Reference(list) = &*list.expr else {
            return Err(format!("{name}: MODELS is no list"));
        };
        let syn::Expr::Array(list) = &*list.expr else { return Err(format!("{name}: MODELS is no list")) };
        for entry in &list.elems {
            let unknown =
                || format!("{name}: an entry of MODELS is neither `exhaustive(...)` nor `bounded(...)`");
            let syn::Expr::Call(call) = entry else { return Err(unknown()) };
            let how = path_of(&call.func).ok_or_else(unknown)?;
            let args: Vec<&syn::Expr> = call.args.iter().collect();
            let (title, preemptions, least, body) = match (how.as_str(), &args[..]) {
                ("exhaustive", [title, least, body]) => (title, None, least, body),
                ("bounded", [title, preemptions, least, body]) => (title, Some(preemptions), least, body),
                _ => return Err(unknown()),
            };
            let number = |expr: &syn::Expr| match expr {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(int), .. }) => int.base10_parse().ok(),
                _ => None,
            };
            let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(title), .. }) = title else {
                return Err(unknown());
            };
            // A function, or a closure that calls one with arguments, perhaps within another.
            let (called, line) = match body {
                syn::Expr::Closure(closure) => {
                    (called_by(&closure.body).ok_or_else(unknown)?, Some(title.span().start().line))
                }
                body => (vec![path_of(body).ok_or_else(unknown)?], None),
            };
            let told: Vec<String> = (called.iter().rev())
                .filter_map(|name| functions.get(name))
                .map(|function| first_sentence(&docs(&function.attrs)))
                .collect();
            let function = called.iter().rev().find_map(|name| functions.get(name));
            let threads =
                function.and_then(|function| started(&function.block, &bodies, Vec::new(), HashMap::new()));
            models.push(Model {
                name: title.value(),
                file: name.to_owned(),
                line: line.or(function.map(|function| function.sig.ident.span().start().line)).unwrap_or(1),
                docs: told.join(" "),
                threads: threads.filter(|&threads| threads > 0 || hidden).map(|threads| 1 + threads),
                hidden,
                preemptions: match preemptions {
                    Some(preemptions) => Some(number(preemptions).ok_or_else(unknown)?),
                    None => None,
                },
                least: number(least).ok_or_else(unknown)?,
            });
        }
    }
    Ok(models)
}

fn docs(attrs: &[syn::Attribute]) -> String {
    let mut text = String::new();
    for attr in attrs {
        if let syn::Meta::NameValue(pair) = &attr.meta
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &pair.value
        {
            text.push_str(line.value().trim());
            text.push('\n');
        }
    }
    text
}

fn path_of(expr: &syn::Expr) -> Option<String> {
    match expr {
        syn::Expr::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

/// The function that a closure does nothing but call; and if that one is given a function to call, or such a closure, that after it.
fn called_by(body: &syn::Expr) -> Option<Vec<String>> {
    match body {
        syn::Expr::Call(call) => {
            let mut called = vec![path_of(&call.func)?];
            match call.args.iter().collect::<Vec<_>>()[..] {
                [syn::Expr::Closure(inner)] => called.extend(called_by(&inner.body)?),
                [inner @ syn::Expr::Path(_)] => called.extend(path_of(inner)),
                _ => {}
            }
            Some(called)
        }
        syn::Expr::Block(block) => match &block.block.stmts[..] {
            [syn::Stmt::Expr(call, _)] => called_by(call),
            _ => None,
        },
        _ => None,
    }
}

/// The last two names of a path.
fn called_path(expr: &syn::Expr) -> Option<String> {
    let syn::Expr::Path(path) = expr else { return None };
    let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    Some(names[names.len().saturating_sub(2)..].join("::"))
}

/// What a function does, and what its parameters are called. (Where that is no name, as with `self`, it is empty.)
struct Body<'a> {
    parameters: Vec<String>,
    block: &'a syn::Block,
}

impl<'a> Body<'a> {
    fn new(signature: &syn::Signature, block: &'a syn::Block) -> Body<'a> {
        let name = |parameter: &syn::FnArg| match parameter {
            syn::FnArg::Typed(syn::PatType { pat, .. }) => match &**pat {
                syn::Pat::Ident(name) => name.ident.to_string(),
                _ => String::new(),
            },
            syn::FnArg::Receiver(_) => String::new(),
        };
        Body { parameters: signature.inputs.iter().map(name).collect(), block }
    }
}

/// How many threads a block starts, if one can see that. The lengths are those of the arrays that it is given.
fn started(
    block: &syn::Block,
    functions: &HashMap<String, Body<'_>>,
    within: Vec<String>,
    lengths: HashMap<String, usize>,
) -> Option<usize> {
    let mut count = Count { functions, within, lengths, threads: 0, unclear: false };
    count.visit_block(block);
    (!count.unclear).then_some(count.threads)
}

struct Count<'a> {
    functions: &'a HashMap<String, Body<'a>>,
    /// The functions that are being looked into.
    within: Vec<String>,
    /// The arrays that have names.
    lengths: HashMap<String, usize>,
    threads: usize,
    unclear: bool,
}

impl Count<'_> {
    /// How long an array is.
    fn length(&self, expr: &syn::Expr) -> Option<usize> {
        match expr {
            syn::Expr::Array(array) => Some(array.elems.len()),
            syn::Expr::Repeat(repeat) => match &*repeat.len {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(int), .. }) => int.base10_parse().ok(),
                _ => None,
            },
            syn::Expr::MethodCall(call) => match call.method.to_string().as_str() {
                "map" | "clone" | "iter" | "into_iter" | "each_ref" => self.length(&call.receiver),
                _ => None,
            },
            syn::Expr::Reference(inner) => self.length(&inner.expr),
            syn::Expr::Path(_) => self.lengths.get(&path_of(expr)?).copied(),
            _ => None,
        }
    }

    /// What a function of the file does with these arguments (`self` among them).
    fn called<'e>(&mut self, name: &str, args: impl Iterator<Item = &'e syn::Expr>) {
        if let Some(body) = self.functions.get(name) {
            // Another type's function of the same name, or itself.
            if self.within.iter().any(|other| other == name) {
                return;
            }
            let within = [&self.within[..], &[name.to_owned()]].concat();
            let lengths = body.parameters.iter().zip(args);
            let lengths = lengths.filter_map(|(parameter, arg)| Some((parameter.clone(), self.length(arg)?)));
            match started(body.block, self.functions, within, lengths.collect()) {
                Some(threads) => self.threads += threads,
                None => self.unclear = true,
            }
        }
    }

    /// What is done once for each element.
    fn repeated(&mut self, times: Option<usize>, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.threads);
        visit(self);
        match times {
            Some(times) => self.threads *= times,
            None => self.unclear |= self.threads > 0,
        }
        self.threads += before;
    }
}

impl<'ast> Visit<'ast> for Count<'_> {
    fn visit_local(&mut self, local: &'ast syn::Local) {
        if let (syn::Pat::Ident(name), Some(init)) = (&local.pat, &local.init)
            && let Some(length) = self.length(&init.expr)
        {
            self.lengths.insert(name.ident.to_string(), length);
        }
        syn::visit::visit_local(self, local);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let name = path_of(&call.func).unwrap_or_default();
        if name == "spawn" {
            self.threads += 1;
        } else {
            self.called(&called_path(&call.func).unwrap_or_default(), call.args.iter());
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "map" || call.method == "for_each" {
            self.visit_expr(&call.receiver);
            let times = self.length(&call.receiver);
            self.repeated(times, |count| call.args.iter().for_each(|arg| count.visit_expr(arg)));
        } else {
            self.called(&format!(".{}", call.method), once(&*call.receiver).chain(&call.args));
            syn::visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_expr_for_loop(&mut self, each: &'ast syn::ExprForLoop) {
        self.visit_expr(&each.expr);
        let times = self.length(&each.expr);
        self.repeated(times, |count| count.visit_block(&each.body));
    }

    fn visit_expr_while(&mut self, each: &'ast syn::ExprWhile) {
        self.repeated(None, |count| syn::visit::visit_expr_while(count, each));
    }

    fn visit_expr_loop(&mut self, each: &'ast syn::ExprLoop) {
        self.repeated(None, |count| syn::visit::visit_expr_loop(count, each));
    }
}
