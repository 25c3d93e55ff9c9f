//! The failing executions in `docs/executions/`: there is one for each ordering that a model notices, it fits the source, the pictures
//! are drawn from it, and the pages that step through them work in a browser. See `cargo weaken`.

#![cfg(not(feature = "loom"))]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "../loom-tests/src/drawing/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "a module of another package, which needs more of it"
)]
mod drawing;
#[path = "../loom-tests/src/weaken/pages.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of another package")]
mod pages;
#[path = "../loom-tests/src/weaken/source.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of another package")]
mod source;
#[path = "../loom-tests/src/weaken/table.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of another package")]
mod table;

use drawing::store;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn each_killed_ordering_has_its_execution_and_that_fits_the_source() {
    let reasons = table::Reasons::read(root());
    let mut wanted = BTreeSet::new();
    for ((site, weaker), verdict) in table::read_verdicts(root()) {
        let pictures: Vec<&table::Picture> = reasons.pictures_of(&site, &weaker).collect();
        for picture in &pictures {
            wanted.insert((picture.name.clone(), site.clone(), weaker.clone(), picture.model.clone()));
        }
        if let (true, Some(model)) = (pictures.is_empty(), verdict.model) {
            wanted.insert((store::name(&site, &weaker), site, weaker, model));
        }
    }
    let all = store::all(root()).expect("they can be read");
    let there = all.iter().map(|stored| {
        (stored.name.clone(), stored.site.clone(), stored.weaker.clone(), stored.model.clone())
    });
    let there: BTreeSet<_> = there.collect();
    let wrong: Vec<_> = wanted.symmetric_difference(&there).collect();
    assert!(wrong.is_empty(), "run `cargo weaken --write` for {wrong:#?}");
    let mut sources = drawing::Sources::new(root());
    for stored in all {
        if let Err(message) = stored.recorded(&mut sources) {
            panic!("docs/executions/{}: {message}: run `cargo weaken --write`", stored.name);
        }
    }
}

#[test]
fn the_pictures_are_drawn_from_the_executions() {
    for picture in table::Reasons::read(root()).picture {
        let path = root().join(table::PICTURES).join(&picture.name).with_extension("svg");
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        let made = pages::svg(root(), &picture).unwrap_or_else(|message| panic!("{message}"));
        assert!(made == there, "{} is out of date: run `cargo weaken --write`", path.display());
    }
}

/// A browser that needs no screen, if there is one.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

#[test]
fn each_page_can_be_stepped_through_in_a_browser() {
    let folder = tempfile::tempdir().expect("a place for the pages");
    let reasons = table::Reasons::read(root());
    let count = pages::write(root(), &reasons, folder.path(), &|_| Vec::new())
        .unwrap_or_else(|message| panic!("{message}"));
    let Some(browser) = browser() else {
        println!("skipped: there is no chromium");
        return;
    };
    // One page loads all others, each in a frame as wide as a phone; they click themselves through, and say what came of it.
    let names: Vec<String> =
        store::all(root()).expect("they can be read").into_iter().map(|stored| stored.name).collect();
    assert_eq!(names.len(), count);
    let list = serde_json::to_string(&names).expect("plain text");
    let harness = format!(
        "<!doctype html><meta charset=utf-8><pre id=said></pre><script>
        const left = {list};
        const said = document.getElementById('said');
        let frame, timer;
        function next() {{
            if (frame) frame.remove();
            if (left.length === 0) {{ said.append('the end'); return; }}
            const page = left.shift();
            frame = document.createElement('iframe');
            frame.width = 390; frame.height = 800; frame.src = page + '.html#test';
            document.body.append(frame);
            timer = setTimeout(() => {{ said.append(page + ': says nothing\\n'); next(); }}, 10000);
        }}
        addEventListener('message', (event) => {{
            clearTimeout(timer);
            said.append(event.data.page + ': ' + event.data.said + '\\n');
            next();
        }});
        next();
        </script>"
    );
    let page = folder.path().join("harness.html");
    std::fs::write(&page, harness).expect("it can be written");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=800,900",
            "--virtual-time-budget=2000000",
        ])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .args(["--allow-file-access-from-files", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .expect("the browser starts");
    let document = String::from_utf8_lossy(&output.stdout);
    let said = document.split_once("<pre id=\"said\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let Some((said, _)) = said else { panic!("{document}\n{}", String::from_utf8_lossy(&output.stderr)) };
    let wrong: Vec<&str> =
        said.lines().filter(|line| !line.contains(": ok ") && *line != "the end").collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(said.contains("the end"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let stepped = said.lines().filter(|line| line.contains(": ok ")).count();
    assert_eq!(stepped, count, "{said}");
}

#[test]
fn a_page_stands_alone() {
    let folder = tempfile::tempdir().expect("a place for the pages");
    pages::write(root(), &table::Reasons::read(root()), folder.path(), &|_| Vec::new())
        .unwrap_or_else(|message| panic!("{message}"));
    let page = std::fs::read_to_string(folder.path().join("lock-release.html")).expect("it is written");
    for outside in ["http:", "https:", " src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("color-scheme: light dark") && page.contains("aria-label=\"one step on\""));
    // No text of the source ends the script.
    assert_eq!(page.matches("</script>").count(), 2);
}
