//! raddle's book: its pages are `docs/*.md`. This builds them, writes what is generated in them, and checks that they are true.
//!
//! `cargo book`, `cargo book --write`, `cargo book --check`; CONTRIBUTING.md, "The book", says how to write a page.

#[cfg(not(feature = "loom"))]
pub mod browser;
#[cfg(not(feature = "loom"))]
#[path = "../../loom-tests/src/drawing/mod.rs"]
#[allow(dead_code, unused_imports, reason = "a module of another package, which needs more of it")]
mod drawing;
#[cfg(not(feature = "loom"))]
pub mod excerpt;
#[cfg(not(feature = "loom"))]
pub mod executions;
#[cfg(not(feature = "loom"))]
pub mod items;
#[cfg(not(feature = "loom"))]
pub mod links;
#[cfg(not(feature = "loom"))]
pub mod models;
#[cfg(not(feature = "loom"))]
pub mod page;
#[cfg(not(feature = "loom"))]
pub mod render;
#[cfg(not(feature = "loom"))]
pub mod tables;
#[cfg(not(feature = "loom"))]
pub mod weaken;

/// The code in the pages, as doc tests.
#[cfg(doctest)]
mod pages {
    include!(concat!(env!("OUT_DIR"), "/pages.rs"));
}

#[cfg(not(feature = "loom"))]
pub use book::Book;

#[cfg(not(feature = "loom"))]
mod book {
    use std::cell::OnceCell;
    use std::path::Path;

    use crate::items::Repository;
    use crate::models::{self, Model};
    use crate::page::{self, Problem};
    use crate::weaken::{source, table};

    /// The book: its pages, and the repository that it is about.
    #[derive(Debug)]
    pub struct Book {
        /// What it is about.
        pub repository: Repository,
        sites: OnceCell<Vec<source::Site>>,
        verdicts: OnceCell<(table::Verdicts, table::Reasons)>,
        models: OnceCell<Result<Vec<Model>, String>>,
    }

    impl Book {
        /// That of this repository.
        pub fn here() -> Book {
            Book::at(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a folder"))
        }

        /// That of the repository at `root`.
        pub fn at(root: &Path) -> Book {
            Book {
                repository: Repository::new(root),
                sites: OnceCell::new(),
                verdicts: OnceCell::new(),
                models: OnceCell::new(),
            }
        }

        /// Where the repository is.
        pub fn root(&self) -> &Path {
            &self.repository.root
        }

        /// The pages: `docs/lock.md` and so on, sorted.
        pub fn pages(&self) -> Vec<String> {
            let entries = std::fs::read_dir(self.root().join("docs")).expect("docs/ is there");
            let mut pages: Vec<String> = entries
                .filter_map(|entry| entry.expect("docs/ can be read").file_name().into_string().ok())
                .filter(|name| name.ends_with(".md"))
                .map(|name| format!("docs/{name}"))
                .collect();
            pages.sort();
            pages
        }

        /// The text of a page.
        ///
        /// # Panics
        ///
        /// If there is none.
        pub fn text(&self, page: &str) -> String {
            std::fs::read_to_string(self.root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
        }

        /// Every site with an ordering.
        pub fn sites(&self) -> &[source::Site] {
            self.sites.get_or_init(|| source::sites(self.root()).0)
        }

        /// What is known of each site.
        pub fn verdicts(&self) -> &(table::Verdicts, table::Reasons) {
            self.verdicts
                .get_or_init(|| (table::read_verdicts(self.root()), table::Reasons::read(self.root())))
        }

        /// Every model.
        ///
        /// # Errors
        ///
        /// What cannot be read.
        pub fn models(&self) -> Result<&[Model], String> {
            self.models.get_or_init(|| models::read(self.root())).as_deref().map_err(Clone::clone)
        }

        /// What is out of date in the blocks of these kinds, in all pages.
        pub fn stale(&self, kinds: &[&str]) -> Vec<Problem> {
            self.pages().iter().flat_map(|page| page::check(self, page, &self.text(page), kinds)).collect()
        }

        /// Writes what is generated in all pages: the blocks, and the lines that links point to. Says what cannot be.
        ///
        /// # Panics
        ///
        /// If a page cannot be written.
        pub fn write(&self) -> (Vec<String>, Vec<Problem>) {
            let (mut written, mut problems) = (Vec::new(), Vec::new());
            for page in self.pages() {
                let text = self.text(&page);
                let (made, wrong) = page::rewrite(self, &page, &text);
                problems.extend(wrong);
                let made = crate::links::with_lines(self, &page, &made);
                if made != text {
                    std::fs::write(self.root().join(&page), made)
                        .unwrap_or_else(|error| panic!("{page}: {error}"));
                    written.push(page);
                }
            }
            (written, problems)
        }
    }
}
