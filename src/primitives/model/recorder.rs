//! The timeline: every atomic operation, cell access and parking step of the execution that is running, with
//! its thread, its values and its place in the source. Cleared when the next execution begins, printed when a
//! model fails, so there is no second run and no log to search.

use core::cell::RefCell;
use core::fmt::Write as _;
use core::panic::Location;

use super::thread;

/// Where a timeline is cut: an execution this long is stuck in a loop, and loom says so before.
const MAX_EVENTS: usize = 20_000;

/// The width of a thread's column, in characters.
const COLUMN: usize = 46;

struct Event {
    thread: usize,
    /// The address of the atomic, cell or queue, shown as a letter.
    object: usize,
    what: String,
    location: &'static Location<'static>,
}

struct Recorder {
    execution: usize,
    events: Vec<Event>,
}

thread_local! {
    static RECORDER: RefCell<Recorder> = const { RefCell::new(Recorder { execution: usize::MAX, events: Vec::new() }) };
}

/// Notes a step.
pub(super) fn step(object: usize, location: &'static Location<'static>, what: impl FnOnce() -> String) {
    let (execution, thread) = thread::execution_and_index();
    RECORDER.with_borrow_mut(|recorder| {
        if recorder.execution != execution {
            recorder.execution = execution;
            recorder.events.clear();
        }
        if recorder.events.len() < MAX_EVENTS {
            recorder.events.push(Event { thread, object, what: what(), location });
        }
    });
}

/// Notes an access to a cell.
#[track_caller]
pub(super) fn cell(object: usize, what: &'static str) {
    step(object, Location::caller(), || what.to_owned());
}

/// The timeline of the execution that is running on this OS thread, or of the last one: a column per thread, a
/// row per step, time going down. Objects are lettered in the order in which they appear.
pub fn timeline() -> String {
    RECORDER.with_borrow(|recorder| {
        let mut objects: Vec<usize> = Vec::new();
        let threads = recorder.events.iter().map(|event| event.thread + 1).max().unwrap_or(0);
        let mut out = String::from("    # ");
        for thread in 0..threads {
            let _ = write!(out, "| {:COLUMN$} ", format!("thread {thread}"));
        }
        out.push_str("| source\n");
        for (row, event) in recorder.events.iter().enumerate() {
            let object = objects.iter().position(|&known| known == event.object).unwrap_or_else(|| {
                objects.push(event.object);
                objects.len() - 1
            });
            let what = format!("{}: {}", letters(object), event.what);
            let _ = write!(out, "{row:5} ");
            for thread in 0..threads {
                let _ = write!(out, "| {:COLUMN$} ", if thread == event.thread { what.as_str() } else { "" });
            }
            let file = event.location.file();
            let file = file.find("src/").map_or(file, |at| &file[at..]);
            let _ = writeln!(out, "| {file}:{}", event.location.line());
        }
        out
    })
}

/// A, B, ... Z, AA, AB, ...
fn letters(mut index: usize) -> String {
    let mut out = Vec::new();
    loop {
        out.push(b'A' + (index % 26) as u8);
        if index < 26 {
            break;
        }
        index = index / 26 - 1;
    }
    out.reverse();
    String::from_utf8_lossy(&out).into_owned()
}

/// From now on, a panic in this process prints the timeline of the model that it broke, below its message.
///
/// loom reports a deadlock or a race by a panic, and a lock guard that is dropped while that panic unwinds may
/// abort the process: the timeline is out before that.
pub fn print_timeline_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            earlier(info);
            let recorded = RECORDER
                .try_with(|recorder| recorder.try_borrow().is_ok_and(|recorder| !recorder.events.is_empty()))
                .unwrap_or(false);
            if recorded {
                eprintln!("\nraddle: the execution that failed, step by step:\n{}", timeline());
            }
        }));
    });
}
