//! What the process that fails writes down: plain facts, with no address and no name in them.

use std::backtrace::Backtrace;
use std::collections::{BTreeMap, HashMap};
use std::panic::PanicHookInfo;
use std::path::Path;

use raddle::model::events;
use raddle::primitives::model::recorder::{Event, Parking, Threads, What, Word};
use serde::{Deserialize, Serialize};

/// A failing execution.
#[derive(Clone, Default, Serialize, Deserialize, Debug)]
pub(super) struct Recorded {
    /// What the panic said.
    pub(super) message: String,
    /// Where it was raised.
    pub(super) place: String,
    pub(super) steps: Vec<RecordedStep>,
    /// The pointers that point to an object, with its number.
    pub(super) points_to: BTreeMap<u64, usize>,
}

#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) struct RecordedStep {
    pub(super) thread: usize,
    /// The atomic, the cell or the queue, numbered from 1 as they appear; 0 for a fence.
    pub(super) object: usize,
    /// From the root of the repository.
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) planted: bool,
    pub(super) what: Did,
}

#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) enum Did {
    Atomic(Operation),
    Fence { orders: Orders },
    CellWrite,
    CellRead,
    Waits { deadline: bool },
    Invalid,
    Unparked { token: u64 },
    TimedOut,
    Woke { name: String, woken: Vec<usize>, moved: Vec<usize>, to: usize },
}

#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) word: WordType,
    pub(super) orders: Orders,
    pub(super) read: Option<u64>,
    pub(super) written: Option<u64>,
    pub(super) wanted: Option<(u64, u64)>,
    pub(super) latest: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub(super) enum WordType {
    U8,
    U16,
    U64,
    Usize,
    /// The values are numbers from [`FIRST_POINTER`], in the order in which the pointers appear.
    Pointer,
}

/// Names of orderings, as the source has it and as it ran.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(super) struct Orders {
    pub(super) source: String,
    pub(super) used: String,
}

impl Orders {
    pub(super) fn is_release(&self) -> bool {
        ["Release", "AcqRel", "SeqCst"].contains(&self.used.as_str())
    }

    pub(super) fn is_acquire(&self) -> bool {
        ["Acquire", "AcqRel", "SeqCst"].contains(&self.used.as_str())
    }
}

/// Below are null and what is no address.
pub(super) const FIRST_POINTER: u64 = 4096;

/// Gives numbers to addresses.
#[derive(Default)]
struct Numbers {
    objects: HashMap<usize, usize>,
    next_object: usize,
    /// Every object that was ever at an address.
    ever: HashMap<u64, Vec<usize>>,
    pointers: HashMap<u64, u64>,
}

impl Numbers {
    fn object(&mut self, address: usize) -> usize {
        if address == 0 {
            return 0;
        }
        let (next, ever) = (&mut self.next_object, &mut self.ever);
        *self.objects.entry(address).or_insert_with(|| {
            *next += 1;
            ever.entry(address as u64).or_default().push(*next);
            *next
        })
    }

    /// Only where one object alone can be meant.
    fn points_to(&self) -> BTreeMap<u64, usize> {
        let object = |address| match self.ever.get(address).map(Vec::as_slice) {
            Some(&[object]) => Some(object),
            _ => None,
        };
        self.pointers.iter().filter_map(|(address, &pointer)| Some((pointer, object(address)?))).collect()
    }

    fn value(&mut self, word: Word, bits: u64) -> u64 {
        // What is no address, at either end of the numbers, is the same in every run.
        if word != Word::Pointer || bits < FIRST_POINTER {
            return bits;
        }
        let next = FIRST_POINTER + self.pointers.len() as u64;
        *self.pointers.entry(bits).or_insert(next)
    }
}

fn threads(threads: Threads) -> Vec<usize> {
    (0..64).filter(|thread| threads.0 >> thread & 1 == 1).collect()
}

/// Where the repository is.
pub(super) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// The file as it is called from the root of the repository.
fn from_root(file: &str) -> String {
    match root().to_str().and_then(|root| file.strip_prefix(root)) {
        Some(rest) => rest.trim_start_matches('/').to_owned(),
        // This package is built in its own folder.
        None if file.starts_with("src/") => format!("loom-tests/{file}"),
        None => file.rfind("/src/").map_or(file, |at| &file[at + 1..]).to_owned(),
    }
}

impl Recorded {
    /// The execution that has just failed in this process.
    pub(super) fn now(info: &PanicHookInfo<'_>) -> Recorded {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = info.location().map(|at| format!("{}:{}", from_root(at.file()), at.line()));
        Recorded {
            message: message.unwrap_or("a panic").to_owned(),
            place: place.unwrap_or_default(),
            ..record(&events())
        }
    }
}

impl Recorded {
    /// If loom found a race in an atomic operation, it raised the panic before that was noted, and at a place of its own. Looks
    /// further up for ours, and says whether there was need.
    pub(super) fn look_for_place(&mut self) -> bool {
        let noted = self.steps.last().is_some_and(|last| matches!(last.what, Did::CellWrite | Did::CellRead));
        let needed = self.message.contains(crate::RACE) && !noted && !is_ours(&self.place);
        if needed {
            self.place = ours(&Backtrace::force_capture().to_string()).unwrap_or_default();
        }
        needed
    }
}

/// Whether this place, from the root of the repository, is one in the library or its models.
fn is_ours(place: &str) -> bool {
    let file = place.rsplit_once(':').map_or(place, |(file, _)| file);
    !file.starts_with("src/primitives/") && root().join(file).is_file()
}

/// The innermost place in the library or its models.
fn ours(backtrace: &str) -> Option<String> {
    let here = std::env::current_dir().unwrap_or_default();
    backtrace.lines().find_map(|line| {
        let (place, _column) = line.trim().strip_prefix("at ")?.rsplit_once(':')?;
        let place = here.join(place.trim_start_matches("./"));
        let place = place.strip_prefix(root()).ok()?.to_str()?.to_owned();
        (is_ours(&place) && !place.contains("/drawing/") && !place.contains("/main.rs")).then_some(place)
    })
}

/// All but the panic.
fn record(events: &[Event]) -> Recorded {
    let mut numbers = Numbers::default();
    let mut steps = Vec::new();
    for event in events {
        let object = numbers.object(event.object);
        let what = match event.what {
            What::Dropped => {
                numbers.objects.remove(&event.object);
                continue;
            }
            What::Fence(orders) => Did::Fence { orders: spelled(orders) },
            What::CellWrite => Did::CellWrite,
            What::CellRead => Did::CellRead,
            What::Parking(_, Parking::Waits { deadline }) => Did::Waits { deadline },
            What::Parking(_, Parking::Invalid) => Did::Invalid,
            What::Parking(_, Parking::Unparked(token)) => Did::Unparked { token: token as u64 },
            What::Parking(_, Parking::TimedOut) => Did::TimedOut,
            What::Parking(name, Parking::Woke { woken, moved, to }) => Did::Woke {
                name: name.to_owned(),
                woken: threads(woken),
                moved: threads(moved),
                to: numbers.object(to),
            },
            What::Atomic(operation) => {
                let mut value = |bits| numbers.value(operation.word, bits);
                Did::Atomic(Operation {
                    name: operation.name.to_owned(),
                    word: match operation.word {
                        Word::U8 => WordType::U8,
                        Word::U16 => WordType::U16,
                        Word::U64 => WordType::U64,
                        Word::Usize => WordType::Usize,
                        Word::Pointer => WordType::Pointer,
                    },
                    orders: spelled(operation.orders),
                    wanted: operation.wanted.map(|(expected, next)| (value(expected), value(next))),
                    read: operation.read.map(&mut value),
                    written: operation.written.map(&mut value),
                    latest: operation.latest,
                })
            }
        };
        steps.push(RecordedStep {
            thread: event.thread,
            object,
            file: from_root(event.location.file()),
            line: event.location.line(),
            column: event.location.column(),
            planted: event.planted,
            what,
        });
    }
    Recorded { steps, points_to: numbers.points_to(), ..Recorded::default() }
}

fn spelled(orders: raddle::primitives::model::recorder::Orders) -> Orders {
    Orders { source: format!("{:?}", orders.source), used: format!("{:?}", orders.used) }
}
