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
            let writes = sites.iter().any(|site| {
                (&site.file, &site.receiver, site.function.as_str())
                    == (&declared.file, &declared.receiver, function)
            });
            assert!(writes, "{}: {function} does nothing with {}", declared.name, declared.receiver);
        }
    }
}

#[test]
fn the_diagrams_are_drawn_from_what_is_said() {
    for declared in recorded() {
        let path = declared.path("svg");
        let there = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        assert!(declared.svg() == there, "{path} is out of date: run `cargo weaken --write`");
    }
}
