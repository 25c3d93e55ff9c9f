//! What the process of a model writes down when the model fails: the recorder's events, with no address in them.

use std::backtrace::Backtrace;
use std::collections::{BTreeMap, HashMap};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use raddle::model::events;
use raddle::primitives::model::recorder::{Event, Parking, Threads, What, Word};

use crate::drawing::RACE;
use crate::drawing::record::{Did, FIRST_POINTER, Operation, Orders, Recorded, RecordedStep, WordType};
use crate::weaken::root;

/// From now on a panic of this process writes the execution that failed to `path`, loom's message included.
///
/// Only the first one does: a guard that is dropped while it unwinds may panic again, and abort the process. The file is
/// complete before that.
pub(crate) fn record_on_panic(path: &Path) {
    let path = path.to_owned();
    let earlier = std::panic::take_hook();
    on_abort(&path);
    std::panic::set_hook(Box::new(move |info| {
        if !RECORDED.swap(true, Ordering::Relaxed) {
            let mut recorded = Recorded::now(info);
            // At once: a backtrace takes much of a model thread's small stack.
            write(&recorded, &path);
            if recorded.look_for_place() {
                write(&recorded, &path);
            }
        }
        earlier(info);
    }));
}

/// Whether the execution that failed was written down.
static RECORDED: AtomicBool = AtomicBool::new(false);

fn write(recorded: &Recorded, path: &Path) {
    let written = serde_json::to_vec(recorded).map(|json| std::fs::write(path, json));
    if !matches!(written, Ok(Ok(()))) {
        eprintln!("the execution could not be written to {}", path.display());
    }
}

/// A model that frees a block twice is ended by the allocator, with no panic. The same is written down then, as far as that goes: the process
/// is lost anyhow, and one that hangs over it is ended by the alarm.
#[cfg(unix)]
fn on_abort(path: &Path) {
    use std::sync::OnceLock;
    static PATH: OnceLock<std::path::PathBuf> = OnceLock::new();
    const SIGABRT: i32 = 6;
    unsafe extern "C" {
        fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
        fn alarm(seconds: u32) -> u32;
    }
    extern "C" fn aborted(_: i32) {
        // SAFETY: it takes a number.
        unsafe { alarm(5) };
        if let Some(path) = PATH.get()
            && !RECORDED.swap(true, Ordering::Relaxed)
        {
            let mut recorded = record(&events());
            recorded.message = "the allocator aborts: memory is freed twice, or used after that".to_owned();
            recorded.place =
                recorded.steps.last().map_or(String::new(), |last| format!("{}:{}", last.file, last.line));
            write(&recorded, path);
        }
    }
    if PATH.set(path.to_owned()).is_ok() {
        // SAFETY: the handler has the signature that C asks for. It does more than a handler may; the process has no other use.
        unsafe { signal(SIGABRT, aborted) };
    }
}

#[cfg(not(unix))]
fn on_abort(_path: &Path) {}

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
    pub(crate) fn now(info: &PanicHookInfo<'_>) -> Recorded {
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
    pub(crate) fn look_for_place(&mut self) -> bool {
        let noted = self.steps.last().is_some_and(|last| matches!(last.what, Did::CellWrite | Did::CellRead));
        let needed = self.message.contains(RACE) && !noted && !is_ours(&self.place);
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
        (is_ours(&place) && !place.contains("/recording.rs") && !place.contains("/main.rs")).then_some(place)
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
