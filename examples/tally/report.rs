//! Says what came of it: the result on standard output, all else on standard error.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::SortBy;
use crate::tally::Counts;
use crate::team::Outcome;

/// How many errors are shown.
const ERRORS_SHOWN: usize = 10;

/// A bar on standard error if that is a terminal, and nothing at all if not.
pub(crate) fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} files found, {msg}");
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Writes a line to standard error. If nobody reads that, there is nobody left to tell.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The path as it is, or quoted if it has bytes in it that a terminal had better not see.
pub(crate) fn shown(path: &Path) -> Cow<'_, str> {
    match path.to_str() {
        Some(name) if !name.contains(char::is_control) => Cow::Borrowed(name),
        _ => Cow::Owned(format!("{path:?}")),
    }
}

/// The error, with the path at which it happened.
pub(crate) fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", shown(path)))
}

/// Prints the table, or the JSON.
pub(crate) fn print_result(outcome: &Outcome, sort: SortBy, json: bool) -> io::Result<()> {
    let types = sorted_types(outcome, sort);
    let mut out = BufWriter::new(io::stdout().lock());
    let written =
        if json { write_json(&mut out, outcome, &types) } else { write_table(&mut out, outcome, &types) };
    match written.and_then(|()| out.flush()) {
        // Whoever reads it has read enough: `tally | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// The types with their names: `None` is "no extension".
fn sorted_types(outcome: &Outcome, sort: SortBy) -> Vec<(Option<String>, Counts)> {
    let name =
        |extension: &OsString| (!extension.is_empty()).then(|| shown(Path::new(extension)).into_owned());
    let mut types: Vec<_> =
        outcome.tally.types.iter().map(|(extension, &counts)| (name(extension), counts)).collect();
    types.sort_unstable_by(|(a_name, a), (b_name, b)| {
        let key = |counts: &Counts| match sort {
            SortBy::Lines => counts.lines,
            SortBy::Bytes => counts.bytes,
            SortBy::Files => counts.files,
            SortBy::Name => 0,
        };
        (Reverse(key(a)), a_name).cmp(&(Reverse(key(b)), b_name))
    });
    types
}

fn write_table(
    out: &mut impl Write,
    outcome: &Outcome,
    types: &[(Option<String>, Counts)],
) -> io::Result<()> {
    let total = if outcome.tally.is_partial() { "total (partial)" } else { "total" };
    let head = ["type", "files", "lines", "words", "bytes"].map(str::to_owned);
    let row = |name: &str, counts: Counts| {
        let number = |n| HumanCount(n).to_string();
        let Counts { files, lines, words, bytes } = counts;
        [name.to_owned(), number(files), number(lines), number(words), number(bytes)]
    };
    let mut rows = vec![head];
    rows.extend(types.iter().map(|(name, counts)| row(name.as_deref().unwrap_or("(none)"), *counts)));
    rows.push(row(total, outcome.tally.total()));

    let widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
    let last = rows.len() - 1;
    for (index, [name, files, lines, words, bytes]) in rows.iter().enumerate() {
        if index == 1 || index == last {
            writeln!(out, "{rule}")?;
        }
        let [w0, w1, w2, w3, w4] = widths;
        writeln!(out, "{name:w0$}  {files:>w1$}  {lines:>w2$}  {words:>w3$}  {bytes:>w4$}")?;
    }
    Ok(())
}

fn write_json(out: &mut impl Write, outcome: &Outcome, types: &[(Option<String>, Counts)]) -> io::Result<()> {
    let tally = &outcome.tally;
    let total = tally.total();
    let types: Vec<_> = types
        .iter()
        .map(|(name, Counts { files, lines, words, bytes })| {
            json!({ "extension": name, "files": files, "lines": lines, "words": words, "bytes": bytes })
        })
        .collect();
    let unreadable: Vec<_> = tally.unreadable.iter().map(ToString::to_string).collect();
    let result = json!({
        "partial": tally.is_partial(),
        "types": types,
        "total": { "files": total.files, "lines": total.lines, "words": total.words, "bytes": total.bytes },
        "unreadable": unreadable,
        "not_counted": tally.not_counted,
        "skipped": {
            "symlinks": tally.symlinks,
            "special_files": tally.special_files,
            "directories": tally.directories_left_out,
        },
        "non_utf8": { "files": tally.non_utf8_files.count, "names": tally.non_utf8_names.count },
        "workers": outcome.workers,
        "seconds": outcome.time.as_secs_f64(),
    });
    serde_json::to_writer_pretty(&mut *out, &result)?;
    writeln!(out)
}

/// Says what is not in the result, what is odd in it, and how long it took.
pub(crate) fn print_remarks(outcome: &Outcome) {
    let tally = &outcome.tally;

    let mut errors: Vec<_> = tally.unreadable.iter().map(ToString::to_string).collect();
    errors.sort_unstable();
    let count = errors.len() as u64;
    errors.truncate(ERRORS_SHOWN);
    list(several(count, "path", "paths"), "could not be read", count, &errors);

    for (sample, one, many) in
        [(&tally.non_utf8_files, "file", "files"), (&tally.non_utf8_names, "name", "names")]
    {
        let paths: Vec<_> = sample.paths.iter().map(|path| shown(path)).collect();
        list(several(sample.count, one, many), "not UTF-8, and counted all the same", sample.count, &paths);
    }

    let skipped: Vec<_> = [
        (tally.symlinks, "symbolic link", "symbolic links"),
        (tally.special_files, "special file", "special files"),
        (tally.directories_left_out, "directory named .git or target", "directories named .git or target"),
    ]
    .into_iter()
    .filter(|&(n, ..)| n > 0)
    .map(|(n, one, many)| several(n, one, many))
    .collect();
    if !skipped.is_empty() {
        say(format_args!("tally: skipped {}", skipped.join(", ")));
    }

    let Counts { files, bytes, .. } = tally.total();
    let seconds = outcome.time.as_secs_f64();
    say(format_args!(
        "tally: {}, {} in {seconds:.3} s by {}: {}/s",
        several(files, "file", "files"),
        HumanBytes(bytes),
        several(outcome.workers as u64, "worker", "workers"),
        HumanBytes((bytes as f64 / seconds) as u64),
    ));

    if tally.is_partial() {
        let not_counted = several(tally.not_counted, "file", "files");
        let rest = if tally.walk_cut_short { ", and the search for more was cut short" } else { "" };
        say(format_args!("tally: stopped, and partial: {not_counted} found and not counted{rest}"));
    }
}

/// Says what is wrong with how many, and names those that are given. Nothing if there are none.
fn list(how_many: String, what: &str, count: u64, some: &[impl fmt::Display]) {
    if count == 0 {
        return;
    }
    say(format_args!("tally: {how_many} {what}:"));
    for item in some {
        say(format_args!("  {item}"));
    }
    let more = count - some.len() as u64;
    if more > 0 {
        say(format_args!("  ... and {} more", HumanCount(more)));
    }
}

fn several(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", HumanCount(n), if n == 1 { one } else { many })
}
