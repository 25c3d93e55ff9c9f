//! The book is true: what is generated in it is that of the source, its links lead somewhere, and it shows in a browser.

#![cfg(not(feature = "loom"))]

use std::path::PathBuf;
use std::sync::OnceLock;

use raddle_book::page::Problem;
use raddle_book::weaken::table::Verdict;
use raddle_book::{Book, browser, executions, links, render};

/// Fails with all problems, one per line.
fn none(problems: &[Problem]) {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

/// The rendered book, made once.
fn rendered() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("book");
        render::render(&Book::here(), &folder).expect("the book can be rendered");
        folder
    })
}

#[test]
fn every_excerpt_is_that_of_the_source() {
    none(&Book::here().stale(&["excerpt"]));
}

#[test]
fn every_table_of_a_state_word_is_that_of_the_source() {
    none(&Book::here().stale(&["state"]));
}

#[test]
fn every_table_of_orderings_is_that_of_the_source_and_of_cargo_weaken() {
    none(&Book::here().stale(&["orderings"]));
}

#[test]
fn every_table_of_models_is_that_of_the_models() {
    none(&Book::here().stale(&["models"]));
}

#[test]
fn every_table_of_an_api_is_that_of_the_source() {
    none(&Book::here().stale(&["api", "sizes"]));
}

#[test]
fn every_link_leads_somewhere() {
    none(&links::check_all(&Book::here()));
}

#[test]
fn every_page_stands_in_the_summary() {
    none(&links::check_summary(&Book::here()));
}

#[test]
fn every_piece_of_code_is_compiled() {
    none(&links::check_fences(&Book::here()));
}

#[test]
fn every_link_of_the_rendered_book_leads_somewhere() {
    let broken = render::broken_links(rendered());
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_page_loads_in_a_browser_without_an_error() {
    let Some(program) = browser::installed() else {
        println!("skipped: no chromium or chrome is installed (one can be named in CHROME)");
        return;
    };
    let folder = rendered();
    let profile = tempfile::tempdir().expect("a folder for the browser");
    let mut browser = browser::Browser::start(&program, profile.path());
    let mut wrong = Vec::new();
    let mut files = render::html_files(folder);
    // Those that step through are alike, and the library's own tests step through all of them: every eighth will do.
    let mut number = 0;
    files.retain(|file| {
        number += usize::from(file.starts_with(folder.join(executions::FOLDER)));
        !file.starts_with(folder.join(executions::FOLDER)) || number % 8 == 0
    });
    for (at, file) in files.iter().enumerate() {
        // Wide and narrow, light and dark, in turn.
        browser.look(if at % 2 == 0 { 1200 } else { 390 }, 800, at % 4 >= 2);
        let shown = file.strip_prefix(folder).unwrap_or(file).display().to_string();
        wrong.extend(browser.load(file, "").into_iter().map(|what| format!("{shown}: {what}")));
    }
    assert!(number > 100 && files.len() > 50, "only {} pages", files.len());
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn on_a_phone_no_chapter_is_wider_than_the_window() {
    let Some(program) = browser::installed() else {
        println!("skipped: no chromium or chrome is installed (one can be named in CHROME)");
        return;
    };
    let profile = tempfile::tempdir().expect("a folder for the browser");
    let mut browser = browser::Browser::start(&program, profile.path());
    browser.look(390, 844, false);
    let mut wrong = Vec::new();
    for page in Book::here().pages() {
        let name = page.trim_start_matches("docs/").replace(".md", ".html");
        if name == "SUMMARY.html" {
            continue;
        }
        browser.load(&rendered().join(&name), "");
        let width = browser.evaluate("document.querySelector('.content').scrollWidth");
        if width.as_u64().is_none_or(|width| width > 390) {
            wrong.push(format!("{name} is {width} wide"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn tables_of_sentences_are_no_wider_than_their_page() {
    let Some(program) = browser::installed() else {
        println!("skipped: no chromium or chrome is installed (one can be named in CHROME)");
        return;
    };
    let profile = tempfile::tempdir().expect("a folder for the browser");
    let mut browser = browser::Browser::start(&program, profile.path());
    let mut wrong = Vec::new();
    for width in [1200, 390] {
        browser.look(width, 844, false);
        for page in ["lock.html", "pool.html", "queues.html", "orderings.html"] {
            browser.load(&rendered().join(page), "");
            let said = browser.evaluate(
                "(() => { const tables = [...document.querySelectorAll('.by-place table, .by-model table')]; \
                 return [tables.length, tables.filter(table => table.scrollWidth > table.parentElement.clientWidth).length]; })()",
            );
            if said[0].as_u64().is_none_or(|tables| tables == 0) || said[1] != 0 {
                wrong.push(format!("{page} at {width}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_link_to_lines_marks_them() {
    let Some(program) = browser::installed() else {
        println!("skipped: no chromium or chrome is installed (one can be named in CHROME)");
        return;
    };
    let profile = tempfile::tempdir().expect("a folder for the browser");
    let mut browser = browser::Browser::start(&program, profile.path());
    let file = rendered().join("source/src/semaphore/raw.rs.html");
    let wrong = browser.load(&file, "#L5-L12");
    assert_eq!(wrong, [""; 0]);
    let marked = browser.evaluate("[...document.querySelectorAll('li.m')].map(line => line.id).join(' ')");
    assert_eq!(marked, "L5 L6 L7 L8 L9 L10 L11 L12");
    assert!(!browser.screenshot().is_empty());
}

/// How many mutants of a file the models have noticed; of all files, if it is "".
fn noticed(file: &str) -> usize {
    let book = Book::here();
    let (verdicts, _) = book.verdicts();
    let is_of_file = |row: &&Verdict| file.is_empty() || row.site.starts_with(&format!("{file} "));
    verdicts.values().filter(is_of_file).filter(|row| row.model.is_some()).count()
}

#[test]
fn each_noticed_ordering_leads_to_a_page_that_steps_through_and_back() {
    let folder = rendered();
    // The tables of a chapter and of all orderings, and the file that they are of; the latter page has all files.
    for (page, file) in
        [("lock.html", "src/lock/raw.rs"), ("event.html", "src/event/raw.rs"), ("orderings.html", "")]
    {
        let text = std::fs::read_to_string(folder.join(page)).expect("it is rendered");
        let rows: Vec<&str> = text
            .split("<a class=\"steps\" id=\"")
            .skip(1)
            .map(|rest| rest.split_once('"').expect("the name ends").0)
            .collect();
        let wanted = noticed(file);
        assert!(wanted > 5 && rows.len() >= wanted, "{page}: {} of {wanted}", rows.len());
        for name in rows {
            assert!(text.contains(&format!("href=\"executions/{name}.html\"")), "{page}: {name}");
            let there = folder.join("executions").join(format!("{name}.html"));
            let there = std::fs::read_to_string(there).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(
                there.contains(&format!("href=\"../{page}#{name}\"")),
                "{name} does not lead back to {page}"
            );
        }
    }
    let chapter = std::fs::read_to_string(folder.join("lock.html")).expect("it is rendered");
    assert!(
        chapter.contains("<a class=\"steps\" href=\"executions/lock-release.html\""),
        "below the picture"
    );
    // Read on a forge, the pages have no links to what is not there.
    let book = Book::here();
    assert!(book.pages().iter().all(|page| !book.text(page).contains("executions/index.html")));
}

#[test]
fn an_execution_is_stepped_through() {
    let Some(program) = browser::installed() else {
        println!("skipped: no chromium or chrome is installed (one can be named in CHROME)");
        return;
    };
    let profile = tempfile::tempdir().expect("a folder for the browser");
    let mut browser = browser::Browser::start(&program, profile.path());
    browser.look(390, 844, true);
    assert_eq!(browser.load(&rendered().join("lock.html"), ""), [""; 0]);
    let to = browser.evaluate("document.querySelector('#lock-release').getAttribute('href')");
    let file = rendered().join(to.as_str().expect("a link"));
    assert_eq!(browser.load(&file, ""), [""; 0]);
    let mut shown = |script: &str| {
        let said = format!(
            "{script}; [document.getElementById('where').textContent, document.getElementById('step').textContent, \
             document.querySelectorAll('.code .now').length]"
        );
        let said = browser.evaluate(&said);
        (said[0].clone(), said[1].as_str().expect("a text").to_owned(), said[2].as_u64().expect("a number"))
    };
    let (at, begin, marked) = shown("");
    assert!(at == "0 / 5" && begin.contains("Before the first step") && marked == 0, "{at} {begin} {marked}");
    let (at, first, marked) = shown("document.getElementById('next').click()");
    assert!(
        at == "1 / 5" && first.contains("T0: state.cas UNLOCKED") && marked == 1,
        "{at} {first} {marked}"
    );
    let (at, second, _) = shown("document.getElementById('next').click()");
    assert!(at == "2 / 5" && second.contains("T0: write data"), "{at} {second}");
    let (at, again, _) = shown("document.getElementById('back').click()");
    assert!(at == "1 / 5" && again == first, "{at} {again}");
    let (at, last, _) = shown("for (let n = 0; n < 4; n++) document.getElementById('next').click()");
    assert!(at == "5 / 5" && last.contains("a data race"), "{at} {last}");
    // A link to a step goes there, from the page itself too.
    assert_eq!(browser.load(&file, "#step-2"), [""; 0]);
    assert_eq!(browser.evaluate("document.getElementById('where').textContent"), "3 / 5");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), true);
    // It is as bright as the reader wants it, or as the book was left.
    let background = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.evaluate(background), "rgb(13, 17, 23)");
    browser.look(390, 844, false);
    assert_eq!(browser.evaluate(background), "rgb(255, 255, 255)");
    browser.evaluate("localStorage.setItem('mdbook-theme', 'navy')");
    browser.load(&file, "");
    assert_eq!(browser.evaluate(background), "rgb(13, 17, 23)");
}
