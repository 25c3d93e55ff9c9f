//! The timeline: every atomic operation, cell access and parking step of the execution that is running, with
//! its thread, its values and its place in the source. Cleared when the next execution begins, printed when a
//! model fails, so there is no second run and no log to search.
//!
//! A step is noted as it is, and put into words only when somebody asks: most executions pass.

use core::cell::RefCell;
use core::fmt::{self, Write as _};
use core::panic::Location;
use core::sync::atomic::Ordering;

use super::thread;

/// Where a timeline is cut: an execution this long is stuck in a loop, and loom says so before.
const MAX_EVENTS: usize = 20_000;

/// The width of a thread's column, in characters.
const COLUMN: usize = 46;

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The thread, by loom's count from 0.
    pub thread: usize,
    /// The address of the atomic, the cell or the queue; 0 for a fence. A queue has the address of its atomic.
    pub object: usize,
    /// The place in the source.
    pub location: &'static Location<'static>,
    /// What happened.
    pub what: What,
    /// Whether this step was broken on purpose, and came out otherwise than it would have.
    pub planted: bool,
}

/// What happens in a step.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// An operation on an atomic.
    Atomic(Operation),
    /// A fence.
    Fence(Orders),
    /// An exclusive access to data begins.
    CellWrite,
    /// A shared access to data begins.
    CellRead,
    /// A call of the parking face, by its name.
    Parking(&'static str, Parking),
    /// The atomic at this address is gone: what comes there next is another one. No step of its own.
    Dropped,
}

/// An operation on an atomic.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The method's name. Of the two compare-and-exchanges, the strong one's.
    pub name: &'static str,
    /// The type of the value.
    pub word: Word,
    /// Its ordering. Of a compare-and-exchange the one that counted.
    pub orders: Orders,
    /// The value read, if it reads.
    pub read: Option<u64>,
    /// The value written, if it writes.
    pub written: Option<u64>,
    /// Of a compare-and-exchange that didn't write: what it expected, and what it would have written.
    pub wanted: Option<(u64, u64)>,
    /// Whether it read the latest value for sure: so does every read-modify-write, and a load under a queue lock.
    pub latest: bool,
}

/// The types of an atomic's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// `u8`.
    U8,
    /// `u16`.
    U16,
    /// `u64`.
    U64,
    /// `usize`.
    Usize,
    /// A pointer, by its address.
    Pointer,
}

/// A memory ordering, and what was made of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Orders {
    /// As the source has it.
    pub source: Ordering,
    /// As it ran.
    pub used: Ordering,
}

/// How a call of the parking face went on.
#[derive(Clone, Copy, Debug)]
pub enum Parking {
    /// In the queue from now on, perhaps with a deadline.
    Waits {
        /// Whether there is a deadline.
        deadline: bool,
    },
    /// `validate` said no.
    Invalid,
    /// Taken from the queue by somebody, who left this token.
    Unparked(usize),
    /// The deadline passed.
    TimedOut,
    /// An unparker took these from the queue to wake them.
    Woke {
        /// Those woken.
        woken: Threads,
        /// Those moved to another queue.
        moved: Threads,
        /// The other queue, or 0.
        to: usize,
    },
}

/// Some of the threads, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Threads(pub u64);

impl Threads {
    /// Puts in one more.
    pub(super) fn insert(&mut self, thread: usize) {
        self.0 |= 1 << (thread % 64);
    }

    /// How many they are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A value that an atomic holds.
pub(super) trait Value: Copy {
    const WORD: Word;

    fn bits(self) -> u64;
}

impl Value for u8 {
    const WORD: Word = Word::U8;

    fn bits(self) -> u64 {
        u64::from(self)
    }
}

impl Value for u16 {
    const WORD: Word = Word::U16;

    fn bits(self) -> u64 {
        u64::from(self)
    }
}

impl Value for u64 {
    const WORD: Word = Word::U64;

    fn bits(self) -> u64 {
        self
    }
}

impl Value for usize {
    const WORD: Word = Word::Usize;

    fn bits(self) -> u64 {
        self as u64
    }
}

impl<T> Value for *mut T {
    const WORD: Word = Word::Pointer;

    fn bits(self) -> u64 {
        self.addr() as u64
    }
}

struct Recorder {
    execution: usize,
    events: Vec<Event>,
}

thread_local! {
    static RECORDER: RefCell<Recorder> = const { RefCell::new(Recorder { execution: usize::MAX, events: Vec::new() }) };
}

/// Notes a step.
pub(super) fn step(object: usize, location: &'static Location<'static>, what: What, planted: bool) {
    let (execution, thread) = thread::execution_and_index();
    RECORDER.with_borrow_mut(|recorder| {
        if recorder.execution != execution {
            recorder.execution = execution;
            recorder.events.clear();
        }
        if recorder.events.len() < MAX_EVENTS {
            recorder.events.push(Event { thread, object, location, what, planted });
        }
    });
}

/// Notes an access to a cell.
#[track_caller]
pub(super) fn cell(object: usize, what: What) {
    step(object, Location::caller(), what, false);
}

/// Notes that the atomic at this address is gone. That may be after the execution, or while a panic unwinds, so loom is
/// asked nothing.
#[track_caller]
pub(super) fn dropped(object: usize) {
    let location = Location::caller();
    let _ = RECORDER.try_with(|recorder| {
        if let Ok(mut recorder) = recorder.try_borrow_mut()
            && recorder.events.len() < MAX_EVENTS
            && let Some(&Event { thread, .. }) = recorder.events.last()
        {
            recorder.events.push(Event { thread, object, location, what: What::Dropped, planted: false });
        }
    });
}

/// The steps of the execution that is running on this OS thread, or of the last one.
pub fn events() -> Vec<Event> {
    let events = RECORDER.try_with(|recorder| recorder.try_borrow().map(|recorder| recorder.events.clone()));
    events.ok().and_then(Result::ok).unwrap_or_default()
}

/// The timeline of the execution that is running on this OS thread, or of the last one: a column per thread, a
/// row per step, time going down. Objects are lettered in the order in which they appear.
pub fn timeline() -> String {
    let events = events();
    let steps = || events.iter().filter(|event| !matches!(event.what, What::Dropped));
    let mut objects: Vec<usize> = Vec::new();
    let threads = steps().map(|event| event.thread + 1).max().unwrap_or(0);
    let mut out = String::from("    # ");
    for thread in 0..threads {
        let _ = write!(out, "| {:COLUMN$} ", format!("thread {thread}"));
    }
    out.push_str("| source\n");
    for (row, event) in steps().enumerate() {
        let object = objects.iter().position(|&known| known == event.object).unwrap_or_else(|| {
            objects.push(event.object);
            objects.len() - 1
        });
        let broken = if event.planted { "  BROKEN" } else { "" };
        let what = format!("{}: {}{broken}", letters(object), event.what);
        let _ = write!(out, "{row:5} ");
        for thread in 0..threads {
            let _ = write!(out, "| {:COLUMN$} ", if thread == event.thread { what.as_str() } else { "" });
        }
        let file = event.location.file();
        let file = file.find("src/").map_or(file, |at| &file[at..]);
        let _ = writeln!(out, "| {file}:{}", event.location.line());
    }
    out
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Atomic(operation) => operation.fmt(f),
            What::Fence(orders) => write!(f, "fence {:?}", orders.used),
            What::CellWrite => f.write_str("write data"),
            What::CellRead => f.write_str("read data"),
            What::Parking(name, Parking::Waits { deadline: true }) => {
                write!(f, "{name}: waits, with a deadline")
            }
            What::Parking(name, Parking::Waits { deadline: false }) => write!(f, "{name}: waits"),
            What::Parking(name, Parking::Invalid) => write!(f, "{name}: invalid, does not wait"),
            What::Parking(name, Parking::Unparked(token)) => write!(f, "{name}: unparked, token {token}"),
            What::Parking(name, Parking::TimedOut) => write!(f, "{name}: the deadline passed"),
            What::Parking(name, Parking::Woke { woken, to: 0, .. }) => write!(f, "{name}: {}", woken.len()),
            What::Parking(name, Parking::Woke { woken, moved, .. }) => {
                write!(f, "{name}: {} woken, {} moved", woken.len(), moved.len())
            }
            What::Dropped => f.write_str("dropped"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |bits: u64| match self.word {
            Word::Pointer => format!("{bits:#x}"),
            _ => bits.to_string(),
        };
        let name = if self.name == "compare_exchange" { "cas" } else { self.name };
        match (self.wanted, self.read, self.written) {
            (Some((expected, next)), read, _) => {
                let read = read.map(value).unwrap_or_default();
                write!(f, "{name} {} -> {} but was {read}", value(expected), value(next))?;
            }
            (None, Some(read), Some(written)) => write!(f, "{name} {} -> {}", value(read), value(written))?,
            (None, Some(read), None) => write!(f, "{name} = {}", value(read))?,
            (None, None, written) => write!(f, "{name} {}", written.map(value).unwrap_or_default())?,
        }
        write!(f, "  {:?}", self.orders.used)
    }
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
