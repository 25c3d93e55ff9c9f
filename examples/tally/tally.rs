//! What was counted, and what was not.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

/// How many paths a [`Sample`] keeps.
const SAMPLE: usize = 5;

/// The numbers of a file, or of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) files: u64,
    pub(crate) lines: u64,
    pub(crate) words: u64,
    pub(crate) bytes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.files += other.files;
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

/// How many paths there were, and a few of them.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) count: u64,
    pub(crate) paths: Vec<PathBuf>,
}

impl Sample {
    pub(crate) fn add(&mut self, path: &Path) {
        self.count += 1;
        if self.paths.len() < SAMPLE {
            self.paths.push(path.to_owned());
        }
    }

    fn merge(&mut self, other: Sample) {
        self.count += other.count;
        self.paths.extend(other.paths);
        self.paths.sort_unstable();
        self.paths.truncate(SAMPLE);
    }
}

/// What one thread has seen. Each has its own, so that they need not share one while they work.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// By extension; empty is "none".
    pub(crate) types: HashMap<OsString, Counts>,
    /// Each with its path.
    pub(crate) unreadable: Vec<io::Error>,
    pub(crate) non_utf8_files: Sample,
    pub(crate) non_utf8_names: Sample,
    pub(crate) symlinks: u64,
    pub(crate) special_files: u64,
    pub(crate) directories_left_out: u64,
    /// Files that were found before the stop, and not counted.
    pub(crate) not_counted: u64,
    /// Whether the walk has come to a stop before its end.
    pub(crate) walk_cut_short: bool,
}

impl Tally {
    pub(crate) fn add_file(&mut self, path: &Path, counts: Counts) {
        let extension = path.extension().unwrap_or(OsStr::new(""));
        match self.types.get_mut(extension) {
            Some(sum) => *sum += counts,
            None => drop(self.types.insert(extension.to_owned(), counts)),
        }
    }

    pub(crate) fn merge(&mut self, other: Tally) {
        for (extension, counts) in other.types {
            *self.types.entry(extension).or_default() += counts;
        }
        self.unreadable.extend(other.unreadable);
        self.non_utf8_files.merge(other.non_utf8_files);
        self.non_utf8_names.merge(other.non_utf8_names);
        self.symlinks += other.symlinks;
        self.special_files += other.special_files;
        self.directories_left_out += other.directories_left_out;
        self.not_counted += other.not_counted;
        self.walk_cut_short |= other.walk_cut_short;
    }

    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.types.values().for_each(|&counts| total += counts);
        total
    }

    /// Whether a stop came before all was counted.
    pub(crate) fn is_partial(&self) -> bool {
        self.walk_cut_short || self.not_counted > 0
    }
}
