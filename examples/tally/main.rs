//! `tally` counts the files below some directories, and their lines, words and bytes, by type of file.
//!
//! ```text
//! cargo run --release --example tally -- [PATH...]
//! ```
//!
//! It is here to show how the types of raddle work together. One walker finds the files, a team of workers counts them:
//!
//! | type            | its job here                                                              | see              |
//! |-----------------|---------------------------------------------------------------------------|------------------|
//! | `JoinableQueue` | takes paths from the walker to the workers; full, it slows the walker down | `team`, `walk`   |
//! | `Semaphore`     | bounds how many files are open at a time                                  | `team`           |
//! | `Barrier`       | starts the clock when every thread is there                               | `team`           |
//! | `Event`         | says "stop" after Ctrl-C, or when the time is up                          | here, `count`    |
//! | `Timer`         | sets that event when the time is up                                       | here             |
//! | `Lock`          | keeps the numbers that the progress bar shows                             | `team`           |
//! | `Condition`     | tells the main thread, which draws the bar, that the last one has left    | `team`           |
//!
//! Read `team.rs` first.

mod count;
mod report;
mod tally;
mod team;
mod walk;

use std::io;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use raddle::{Event, Timer};

/// What the program leaves out when it was given no PATH.
const LEFT_OUT: &[&str] = &[".git", "target"];

/// Exit status of a run in which some path could not be read.
const INCOMPLETE: u8 = 1;

/// Exit status of a run that Ctrl-C has ended: 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

/// Exit status of a run whose time was up: that of `timeout`.
const TIMED_OUT: u8 = 124;

/// Counts files, and their lines, words and bytes, by type of file.
#[derive(Parser)]
#[command(version, after_long_help = AFTER_HELP)]
struct Args {
    /// Files to count, and directories to walk
    ///
    /// Without one: the repository of raddle, but for its directories `.git` and `target`. With one, nothing is left out.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Without a PATH: also count what is in `.git` and `target`
    #[arg(long)]
    all: bool,

    /// How many threads count, 1024 at most [default: as many as can run at a time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    /// How many files they have open at a time, at most
    ///
    /// Keeps a large team below the limit of the system (`ulimit -n`), or lets a slow disk read one file after the other.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    open_files: u16,

    /// Stop after so many seconds (fractions are fine), and print what has been counted by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,

    /// What makes a word
    #[arg(long, value_name = "RULE", default_value = "runs")]
    words: WordRule,

    /// What the table is sorted by: names upwards, numbers downwards
    #[arg(long, value_name = "COLUMN", default_value = "lines")]
    sort: SortBy,

    /// Print JSON in place of the table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WordRule {
    /// Bytes between white space, whatever they are: POSIX, and newer GNU `LC_ALL=C wc`
    Runs,
    /// The same, if a printable ASCII character is among them: older GNU `LC_ALL=C wc` (9.1, for one)
    Printable,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SortBy {
    Lines,
    Bytes,
    Files,
    Name,
}

const AFTER_HELP: &str = "\
What is counted:
  Lines, words and bytes are those of `LC_ALL=C wc`. A line is a newline byte, so that a last line without one is not
  counted. A word is a longest run of bytes other than space, \\t, \\n, \\v, \\f and \\r. Older versions of GNU wc (9.1, for one) count
  only those words that have a printable ASCII character in them: `--words printable` does so too. The two differ in
  binary files, and where a dash or the like that is not ASCII stands alone.
  The type of a file is its extension as written, so that `.c` and `.C` are two types. Files without an extension,
  `.gitignore` among them, are the type \"(none)\". A path that is named twice is counted twice.

What is skipped:
  Symbolic links that are found on the way; one that is named as a PATH is followed. What is neither file nor
  directory: pipes, sockets, devices. Without PATH and --all: directories named `.git` or `target`.

What is written where:
  The result goes to standard output; all else to standard error: what could not be read, what was skipped, which files
  and names are not UTF-8 (they are counted like others), and how fast it went.
  Ctrl-C ends the counting, as --timeout does, and prints what has been counted by then. A second one ends the program at once.

Exit status:
  0 if all was read, 1 if something could not be read, 2 for a command line that makes no sense, 124 if --timeout has made
  the result partial, 130 if Ctrl-C has.";

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            report::say(format_args!("tally: {error}"));
            ExitCode::from(INCOMPLETE)
        }
    }
}

fn run(args: &Args) -> io::Result<u8> {
    let stop = Arc::new(Event::new());
    stop_on_ctrl_c(&stop)?;

    let repository = [PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let no_path = args.paths.is_empty();
    let order = team::Order {
        roots: if no_path { &repository } else { &args.paths },
        leave_out: if no_path && !args.all { LEFT_OUT } else { &[] },
        workers: args.workers.map_or_else(default_workers, usize::from),
        open_files: usize::from(args.open_files),
        words: args.words,
    };
    // Runs on the thread of the timers, beside the team.
    let timer = args.timeout.map(|timeout| {
        let stop = Arc::clone(&stop);
        Timer::after(timeout, move || stop.set())
    });
    let outcome = team::count(&order, &stop)?;
    // If it can be cancelled, it has not run.
    let time_is_up = timer.is_some_and(|timer| !timer.cancel());

    report::print_result(&outcome, args.sort, args.json)?;
    report::print_remarks(&outcome);
    Ok(match &outcome.tally {
        tally if tally.is_partial() && time_is_up => TIMED_OUT,
        tally if tally.is_partial() => INTERRUPTED,
        tally if !tally.unreadable.is_empty() => INCOMPLETE,
        _ => 0,
    })
}

/// Sets the event at the first Ctrl-C, which all threads look at now and then. They may be held up by a file that does not
/// answer, say on a network that is down: the second Ctrl-C does not wait for them.
fn stop_on_ctrl_c(stop: &Arc<Event>) -> io::Result<()> {
    let stop = Arc::clone(stop);
    // The handler runs in a thread of its own, not in the signal handler: there it may not set an event.
    let handler = move || {
        if stop.is_set() {
            process::exit(i32::from(INTERRUPTED));
        }
        stop.set();
    };
    ctrlc::set_handler(handler).map_err(io::Error::other)
}

/// A number of seconds, as a length of time.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
