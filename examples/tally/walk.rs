//! Walks the directories, and puts the files that it finds into the queue.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType};
use std::path::{Path, PathBuf};

use raddle::PutError;

use crate::report::at;
use crate::tally::Tally;
use crate::team::{Order, Team};

/// Walks all there is to walk, or until it is told to stop.
pub(crate) fn walk(team: &Team<'_>, order: &Order<'_>) -> Tally {
    let mut walker = Walker { team, order, directories: Vec::new(), tally: Tally::default() };
    if walker.walk_all().is_err() {
        walker.tally.walk_cut_short = true;
        walker.tally.not_counted += team.take_back();
    }
    walker.tally
}

/// Why a walk has ended before its end: Ctrl-C, or nobody is there to count what it finds.
struct Stopped;

struct Walker<'a> {
    team: &'a Team<'a>,
    order: &'a Order<'a>,
    /// Found, and still to be walked.
    directories: Vec<PathBuf>,
    tally: Tally,
}

impl Walker<'_> {
    fn walk_all(&mut self) -> Result<(), Stopped> {
        for root in self.order.roots {
            // Follows a symbolic link: somebody has named it.
            match fs::metadata(root) {
                Ok(metadata) => self.found(root.clone(), metadata.file_type())?,
                Err(error) => self.tally.unreadable.push(at(root, &error)),
            }
            while let Some(directory) = self.directories.pop() {
                self.walk_directory(&directory)?;
            }
        }
        Ok(())
    }

    fn walk_directory(&mut self, directory: &Path) -> Result<(), Stopped> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                self.tally.unreadable.push(at(directory, &error));
                return Ok(());
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.file_type()?, entry))) {
                Ok((kind, entry)) => self.found_entry(&entry, kind)?,
                Err(error) => self.tally.unreadable.push(at(directory, &error)),
            }
        }
        Ok(())
    }

    fn found_entry(&mut self, entry: &DirEntry, kind: FileType) -> Result<(), Stopped> {
        let name = entry.file_name();
        if kind.is_dir() && self.order.leave_out.iter().any(|left_out| name == OsStr::new(left_out)) {
            self.tally.directories_left_out += 1;
            return Ok(());
        }
        self.found(entry.path(), kind)
    }

    fn found(&mut self, path: PathBuf, kind: FileType) -> Result<(), Stopped> {
        if self.team.stop.is_set() {
            return Err(Stopped);
        }
        if path.file_name().is_some_and(|name| name.to_str().is_none()) {
            self.tally.non_utf8_names.add(&path);
        }
        if kind.is_file() {
            self.team.progress.lock().found += 1;
            // Blocks while the queue is full. We hold nothing meanwhile that a worker might wait for: had an open directory
            // its permit of `open_files`, `--open-files 1` would be a deadlock.
            self.team.paths.put(path).map_err(|PutError(_path)| {
                self.tally.not_counted += 1;
                Stopped
            })?;
        } else if kind.is_dir() {
            self.directories.push(path);
        } else if kind.is_symlink() {
            self.tally.symlinks += 1;
        } else {
            // Opening a pipe would block until somebody writes to it.
            self.tally.special_files += 1;
        }
        Ok(())
    }
}
