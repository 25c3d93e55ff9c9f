//! The tool itself: what it finds, and what it says when it finds nothing.

#![cfg(not(feature = "loom"))]

use std::path::Path;

use raddle_book::{Book, excerpt, links, page};

const LIB: &str = r#"//! A file.
//!
//! # The state word
//!
//! ```text
//! one line
//! ```
//!
//! # Other
//!
//! Text.

const OPEN: u8 = 0b01;
const BOTH: u8 = !(OPEN | 4);

/// Says whether it is open.
const fn is_open(state: u8) -> bool {
    state & OPEN != 0
}

macro_rules! const_fn { ($($item:tt)*) => { $($item)* } }

/// A door.
pub struct Door {
    state: u8,
}

impl Door {
    const_fn! {
        /// A new one.
        pub const fn new() -> Door {
            Door { state: 0 }
        }
    }

    /// Opens it.
    ///
    /// Really.
    #[inline]
    pub fn open(&mut self) {
        let first = 1;
        let callback = || {
            drop(first);
        };
        self.state |= OPEN;
        callback();
    }
}

impl Drop for Door {
    fn drop(&mut self) {}
}

mod inner {
    pub fn open() {}
    pub fn open_twice() {}
}
"#;

/// A repository with one file and one page, and the book of it.
fn book(page: &str) -> (tempfile::TempDir, Book) {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("src/lib.rs", LIB);
    write("docs/page.md", page);
    write("docs/SUMMARY.md", "# Summary\n\n- [Page](page.md)\n");
    write("README.md", "# Read me\n");
    write("CONTRIBUTING.md", "# Taking part\n");
    let book = Book::at(folder.path());
    (folder, book)
}

/// What an excerpt shows, without its fence and the line below; or what is wrong.
fn shown(address: &str) -> Result<String, String> {
    let (_folder, book) = book("");
    let text = excerpt::render(&book.repository, "../", "src/lib.rs", address)?;
    let text = text.rsplit_once("\n*[").expect("the line below").0.trim_end();
    let text = text.strip_prefix("```rust,ignore\n").unwrap_or(text);
    Ok(text.strip_suffix("\n```").map_or(text, |text| text).to_owned())
}

#[test]
fn an_excerpt_is_an_item_a_body_a_range_a_block_docs_or_a_section() {
    let show = |address| shown(address).expect(address);
    assert_eq!(show("OPEN"), "const OPEN: u8 = 0b01;");
    assert_eq!(show("is_open with docs").lines().next(), Some("/// Says whether it is open."));
    assert_eq!(show("Door::new"), "pub const fn new() -> Door {\n    Door { state: 0 }\n}");
    assert_eq!(show("body of Door::new"), "Door { state: 0 }");
    assert!(show("Door::open").starts_with("#[inline]\npub fn open"));
    assert_eq!(show("Door::open at \"callback =\""), "let callback = || {\n    drop(first);\n};");
    assert_eq!(
        show("Door::open from \"first = 1\" to \"first = 1\", from \"self.state\" to \"callback()\""),
        "let first = 1;\n// ...\nself.state |= OPEN;\ncallback();"
    );
    assert_eq!(show("from \"const OPEN\" to \"const BOTH\"").lines().count(), 2);
    assert_eq!(show("docs of Door::open"), "Opens it.\n\nReally.");
    assert_eq!(show("impl Drop for Door").lines().count(), 3);
    let (_folder, book) = book("");
    let section =
        excerpt::render(&book.repository, "../", "src/lib.rs", "//! The state word").expect("it is there");
    assert_eq!(section, "```text\none line\n```\n\n*[src/lib.rs, lines 5 to 7](../src/lib.rs#L5-L7)*\n");
}

#[test]
fn an_address_that_means_nothing_or_two_things_is_an_error() {
    let wrong = |address| shown(address).expect_err(address);
    assert_eq!(wrong("Door::close"), "no item `Door::close` in src/lib.rs");
    assert_eq!(wrong("open"), "no item `open` in src/lib.rs; there is Door::open, inner::open");
    assert_eq!(
        wrong("Door::open from \"nowhere\" to end"),
        "no line with \"nowhere\" in src/lib.rs, lines 39 to 47"
    );
    assert_eq!(
        wrong("Door::open from \"callback\" to end"),
        "\"callback\" is ambiguous in src/lib.rs: lines 42, 46"
    );
    assert_eq!(wrong("body of Door::drop"), "`Door::drop` has no body with lines of its own");
    assert_eq!(
        wrong("//! The word"),
        "no section \"The word\" at the top of src/lib.rs; there is: The state word, Other"
    );
}

#[test]
fn a_table_of_a_state_word_has_the_values_and_who_reads_them() {
    let (_folder, book) = book("<!-- state src/lib.rs Door -->\n<!-- end -->\n");
    let (text, problems) = page::rewrite(&book, "docs/page.md", &book.text("docs/page.md"));
    assert_eq!(problems, []);
    assert!(
        text.contains("| [`OPEN`](../src/lib.rs#L13) | `u8` | `0b01` |  | Read by `is_open`. |"),
        "{text}"
    );
    assert!(
        text.contains("| [`BOTH`](../src/lib.rs#L14) | `u8` | `!(OPEN \\| 4)` | `0b1111_1010` |  |"),
        "{text}"
    );
    assert_eq!(page::rewrite(&book, "docs/page.md", &text).0, text, "written twice is written once");
    assert_eq!(page::check(&book, "docs/page.md", &text, &page::KINDS), []);
}

#[test]
fn a_stale_block_is_named_with_its_page_and_line() {
    let stale = "# Page\n\n<!-- excerpt src/lib.rs OPEN -->\n\n```rust,ignore\nconst OPEN: u8 = 0b10;\n```\n\n<!-- end -->\n";
    let (_folder, book) = book(stale);
    let problems = page::check(&book, "docs/page.md", stale, &["excerpt"]);
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["docs/page.md:6: `excerpt src/lib.rs OPEN` is out of date (run `cargo book --write`): here stands \
          `const OPEN: u8 = 0b10;`, and the source has `const OPEN: u8 = 0b01;`"]
    );
}

#[test]
fn markers_that_do_not_pair_are_errors_but_not_within_a_fence() {
    let (blocks, problems) =
        page::blocks("docs/page.md", "<!-- excerpt a b -->\n<!-- api c -->\n<!-- end -->\n<!-- end -->\n");
    assert_eq!(blocks.len(), 1);
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 4]);
    let (blocks, problems) = page::blocks("docs/page.md", "```text\n<!-- excerpt a b -->\n```\n");
    assert!(blocks.is_empty() && problems.is_empty());
}

#[test]
fn links_are_checked_and_their_lines_kept() {
    let text = "# A page\n\n[a](../src/lib.rs \"Door::open\") [b](#a-page) [c](#nothing) [d](../src/no.rs)\n\
                [e](../src/lib.rs#L3) [f](../src/lib.rs#L999) [g](../README.md#read-me) <a href=\"no.html\">h</a>\n";
    let (_folder, book) = book(text);
    let written = links::with_lines(&book, "docs/page.md", text);
    assert!(written.contains("[a](../src/lib.rs#L39-L47 \"Door::open\")"), "{written}");
    let problems: Vec<String> =
        links::check(&book, "docs/page.md", &written).iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "docs/page.md:3: `#nothing`: docs/page.md has no heading #nothing",
            "docs/page.md:3: `../src/no.rs`: there is no src/no.rs",
            "docs/page.md:4: `../src/lib.rs#L3`: lines move; say what is meant behind it, as in [text](src/lib.rs \"RawLock::lock\")",
            "docs/page.md:4: `../src/lib.rs#L999`: src/lib.rs has 57 lines",
            "docs/page.md:4: `no.html`: there is no docs/no.html",
        ]
    );
    let stale = text.replace("lib.rs \"Door", "lib.rs#L1 \"Door");
    let problems = links::check(&book, "docs/page.md", &stale);
    assert_eq!(
        problems[0].what,
        "`../src/lib.rs#L1` is out of date (run `cargo book --write`): `Door::open` is at #L39-L47"
    );
}

#[test]
fn pages_beside_the_summary_and_code_that_nobody_compiles_are_found() {
    let (folder, book) = book(
        "# A\n\n```rust,ignore\nlet a;\n```\n\n```\ntext\n```\n\n```rust\n```\n\n```rust,ignore,loom\n```\n",
    );
    std::fs::write(folder.path().join("docs/other.md"), "# B\n").expect("a file");
    assert_eq!(links::check_summary(&book).len(), 1);
    let lines: Vec<usize> = links::check_fences(&book).iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 7]);
}

#[test]
fn the_threads_of_a_model_are_counted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a folder");
    let models = Book::at(root).models().expect("they can be read").to_vec();
    let threads = |name: &str| models.iter().find(|model| model.name == name).expect("it is there").threads;
    assert_eq!(threads("event_set_wait"), Some(2));
    assert_eq!(threads("event_two_waiters"), Some(3));
    assert_eq!(threads("condition_notify_one_by_one"), Some(3), "by a function that it calls");
    assert_eq!(threads("queue_ring_getters_turns"), Some(3), "by a closure with braces");
    assert_eq!(threads("lock_three_threads"), Some(3), "by a function that is given an array");
    assert_eq!(threads("timer_fires"), Some(1), "and the service's");
    for model in &models {
        let least = if model.hidden { 1 } else { 2 };
        assert!(model.threads.is_some_and(|threads| (least..=5).contains(&threads)), "{model:?}");
        assert!(model.least > 0, "{model:?}");
    }
    // No more of them have ever failed at once.
    let executions = std::fs::read_dir(root.join("docs/executions")).expect("it is there");
    let mut compared = 0;
    for file in executions.filter_map(Result::ok) {
        let text = std::fs::read_to_string(file.path()).expect("it can be read");
        let execution: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let model = models.iter().find(|model| execution["model"] == *model.name);
        let Some(model) = model.filter(|model| !model.hidden) else { continue };
        let steps = execution["steps"].as_array().expect("a list");
        let last = steps.iter().filter_map(|step| step[0].as_u64()).max().expect("there are steps");
        assert!(Some(last) < model.threads.map(|threads| threads as u64), "thread {last} of {model:?}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn each_model_says_what_it_shows() {
    for model in Book::here().models().expect("they can be read") {
        let docs = model.docs.trim();
        assert!(
            !docs.is_empty() && !docs.starts_with("As above"),
            "a table shows no other sentence: {model:?}"
        );
    }
}
