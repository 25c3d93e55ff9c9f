//! The book is true: what is generated in it is that of the source, its links lead somewhere, and it shows in a browser.

#![cfg(not(feature = "loom"))]

use std::path::PathBuf;
use std::sync::OnceLock;

use raddle_book::page::Problem;
use raddle_book::{Book, browser, links, render};

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
    let files = render::html_files(folder);
    for (at, file) in files.iter().enumerate() {
        // Wide and narrow, light and dark, in turn.
        browser.look(if at % 2 == 0 { 1200 } else { 390 }, 800, at % 4 >= 2);
        let shown = file.strip_prefix(folder).unwrap_or(file).display().to_string();
        wrong.extend(browser.load(file, "").into_iter().map(|what| format!("{shown}: {what}")));
    }
    assert!(files.len() > 5, "only {} pages", files.len());
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
