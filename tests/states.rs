//! The state diagrams in `docs/states/`: every transition that the models make is said there, every one that is said was made, and the
//! diagrams are drawn from what is said. See `cargo weaken --states`.

#![cfg(not(feature = "loom"))]

use std::path::Path;

#[path = "../loom-tests/src/drawing/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "a module of another package, which needs more of it"
)]
mod drawing;
#[path = "../loom-tests/src/weaken/source.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of another package")]
mod source;

use drawing::states;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The words, once the models have been watched: until then there is nothing to compare.
fn recorded() -> Vec<states::Declared> {
    let declared = states::all(root()).expect("they can be read");
    if declared.iter().all(|declared| !root().join(declared.path("json")).exists()) {
        println!("skipped: nothing is recorded yet; run `cargo weaken --states`");
        return Vec::new();
    }
    declared
}

#[test]
fn what_is_said_of_a_word_is_what_the_models_make_of_it() {
    let mut wrong = Vec::new();
    for declared in recorded() {
        let kept =
            declared.kept(root()).unwrap_or_else(|message| panic!("{message}: run `cargo weaken --states`"));
        assert!(!kept.is_empty(), "{}: nothing was seen", declared.name);
        wrong.extend(declared.complaints(&kept));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_functions_that_are_named_write_the_word() {
    let (sites, _) = source::sites(root());
    for declared in states::all(root()).expect("they can be read") {
        for function in declared.functions() {
            let writes = sites
                .iter()
                .any(|site| site.function == function && declared.has(&site.file, &site.receiver));
            assert!(
                writes,
                "{}: {function} does nothing with {}",
                declared.name,
                declared.receivers.join(", ")
            );
        }
    }
}

/// What one variable does to a word would be missing from its diagram otherwise, and nothing would say so.
#[test]
fn every_name_of_a_word_is_said() {
    let (sites, _) = source::sites(root());
    let words = states::all(root()).expect("they can be read");
    let mut sources = drawing::Sources::new(root());
    let writes = |site: &&source::Site| site.kind == source::Kind::Atomic && site.operation != "load";
    let mut wrong = Vec::new();
    for declared in &words {
        for receiver in &declared.receivers {
            let mut named = sites.iter().filter(writes);
            if !named.any(|site| declared.files.contains(&site.file) && site.receiver == *receiver) {
                wrong.push(format!("{}: nothing is written by the name {receiver}", declared.name));
            }
        }
        for site in sites.iter().filter(writes).filter(|site| declared.files.contains(&site.file)) {
            let is_said = words.iter().any(|word| word.has(&site.file, &site.receiver));
            if !is_said && !sources.has_field(&site.file, &site.receiver) {
                let (file, line, receiver) = (&site.file, site.line, &site.receiver);
                wrong.push(format!("{}: {receiver} at {file}:{line}, is it this word?", declared.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_diagrams_are_drawn_from_what_is_said() {
    for declared in recorded() {
        let path = declared.path("svg");
        let there = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        assert!(declared.svg() == there, "{path} is out of date: run `cargo weaken --write`");
    }
}
