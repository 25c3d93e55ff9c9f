//! Mutants: one site, made weaker in one way; and how a child process is told which.

use std::path::Path;

use raddle::primitives::atomic::Ordering;
use raddle::primitives::model::weaken::{self, Fault, Site};

use super::source;
use super::table::{NO_FENCE, NOBODY, ON_FAILURE, ONE, UNASKED};

/// One site, made weaker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mutant {
    /// Where.
    pub(crate) site: source::Site,
    /// What stands there instead, in the words of the tables.
    pub(crate) weaker: String,
}

impl Mutant {
    /// `src/lock/raw.rs:291 state.load(Acquire) to Relaxed`.
    pub(crate) fn name(&self) -> String {
        format!("{}:{} {}: {}", self.site.file, self.site.line, self.site.text(), self.weaker)
    }

    /// `compare_exchange: Acquire made Relaxed`.
    pub(crate) fn title(&self) -> String {
        let operation = &self.site.operation;
        let [first, .., last] = &self.site.orderings[..] else {
            return match self.site.orderings.first() {
                Some(ordering) => format!("{operation}: {ordering} made {}", self.weaker),
                None => format!("{operation} that {}", self.weaker),
            };
        };
        match self.weaker.strip_prefix(ON_FAILURE) {
            Some(weaker) => format!("{operation}: {ON_FAILURE}{last} made {weaker}"),
            None => format!("{operation}: {first} made {}", self.weaker),
        }
    }

    /// For [`plant`], in another process.
    pub(crate) fn spell(&self) -> String {
        format!("{}|{}|{}|{}", self.site.file, self.site.line, self.site.column, self.weaker)
    }
}

fn fault(weaker: &str) -> Option<Fault> {
    let order = |text: &str| match text {
        "Relaxed" => Some(Ordering::Relaxed),
        "Acquire" => Some(Ordering::Acquire),
        "Release" => Some(Ordering::Release),
        "AcqRel" => Some(Ordering::AcqRel),
        _ => None,
    };
    match weaker {
        NO_FENCE => Some(Fault::Order(Ordering::Relaxed)),
        NOBODY => Some(Fault::SkipUnpark),
        ONE => Some(Fault::UnparkOneForAll),
        UNASKED => Some(Fault::SkipValidate),
        _ => match weaker.strip_prefix(ON_FAILURE) {
            Some(failure) => order(failure).map(Fault::FailureOrder),
            None => order(weaker).map(Fault::Order),
        },
    }
}

/// Plants what [`Mutant::spell`] wrote, in this process.
pub(crate) fn plant(text: &str) {
    let parts: Vec<&str> = text.split('|').collect();
    let [file, line, column, weaker] = parts[..] else { panic!("not a mutant: {text}") };
    let site = Site {
        file: file_of_compiler(file).leak(),
        line: line.parse().expect("a line"),
        column: column.parse().expect("a column"),
    };
    weaken::plant(site, fault(weaker).unwrap_or_else(|| panic!("no such mutation: {weaker}")));
}

/// `src/lock/raw.rs` as the compiler names it: cargo gives it the path of the package, as this package has it.
fn file_of_compiler(file: &str) -> String {
    format!("{}/{file}", root().display())
}

/// `src/lock/raw.rs`, of what the compiler has named; `None` for what is not the library's.
pub(crate) fn file_of_library(file: &str) -> Option<&str> {
    Path::new(file).strip_prefix(root()).ok()?.to_str().filter(|file| file.starts_with("src/"))
}

/// The root of the library's package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the library's")
}
