//! Makes the pages' code into doc tests: a module for each page, whose docs are the page. With the feature `loom` it is the fences
//! marked `loom`, which the ordinary doc tests ignore, and no others.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    println!("cargo::rerun-if-changed={}", docs.display());
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
    let with_loom = std::env::var_os("CARGO_FEATURE_LOOM").is_some();
    let mut names: Vec<String> = std::fs::read_dir(&docs)
        .expect("docs/ is there")
        .filter_map(|entry| entry.expect("docs/ can be read").file_name().into_string().ok())
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    let mut modules = String::new();
    for name in names {
        let path = docs.join(&name).canonicalize().expect("it was just there");
        println!("cargo::rerun-if-changed={}", path.display());
        let module = name.trim_end_matches(".md").replace(['-', '.'], "_").to_lowercase();
        let shown = if with_loom {
            let text = std::fs::read_to_string(&path).expect("it was just there");
            let path = Path::new(&out).join(&name);
            std::fs::write(&path, marked_loom(&text)).expect("OUT_DIR can be written");
            path
        } else {
            path
        };
        let _ = writeln!(modules, "#[doc = include_str!({shown:?})]\npub mod {module} {{}}");
    }
    std::fs::write(Path::new(&out).join("pages.rs"), modules).expect("OUT_DIR can be written");
}

/// The fences marked `loom`, at the lines where they stand in the page: a failing one is named by its line.
fn marked_loom(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(info) = line.strip_prefix("```") {
            let words: Vec<&str> = info.split(',').map(str::trim).collect();
            if inside {
                kept.push_str("```");
                inside = false;
            } else if words.contains(&"loom") {
                let words: Vec<&str> = words.into_iter().filter(|&w| w != "ignore" && w != "loom").collect();
                kept.push_str("```");
                kept.push_str(&words.join(","));
                inside = true;
            }
        } else if inside {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}
