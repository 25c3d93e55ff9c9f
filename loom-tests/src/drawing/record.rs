//! What the process that fails writes down: plain facts, with no address and no name in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A failing execution.
#[derive(Clone, Default, Serialize, Deserialize, Debug)]
pub(crate) struct Recorded {
    /// What the panic said.
    pub(crate) message: String,
    /// Where it was raised.
    pub(crate) place: String,
    pub(crate) steps: Vec<RecordedStep>,
    /// The pointers that point to an object, with its number.
    pub(crate) points_to: BTreeMap<u64, usize>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) struct RecordedStep {
    pub(crate) thread: usize,
    /// The atomic, the cell or the queue, numbered from 1 as they appear; 0 for a fence.
    pub(crate) object: usize,
    /// From the root of the repository.
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) planted: bool,
    pub(crate) what: Did,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) enum Did {
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

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) word: WordType,
    pub(crate) orders: Orders,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) written: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wanted: Option<(u64, u64)>,
    pub(crate) latest: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub(crate) enum WordType {
    U8,
    U16,
    U64,
    Usize,
    /// The values are numbers from [`FIRST_POINTER`], in the order in which the pointers appear.
    Pointer,
}

/// Names of orderings, as the source has it and as it ran. Written as `Acquire`, or as `Acquire > Relaxed`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(from = "String", into = "String")]
pub(crate) struct Orders {
    pub(crate) source: String,
    pub(crate) used: String,
}

impl From<String> for Orders {
    fn from(text: String) -> Orders {
        let (source, used) = text.split_once(" > ").unwrap_or((&text, &text));
        Orders { source: source.to_owned(), used: used.to_owned() }
    }
}

impl From<Orders> for String {
    fn from(orders: Orders) -> String {
        if orders.source == orders.used {
            orders.source
        } else {
            format!("{} > {}", orders.source, orders.used)
        }
    }
}

impl Orders {
    pub(crate) fn is_release(&self) -> bool {
        ["Release", "AcqRel", "SeqCst"].contains(&self.used.as_str())
    }

    pub(crate) fn is_acquire(&self) -> bool {
        ["Acquire", "AcqRel", "SeqCst"].contains(&self.used.as_str())
    }
}

/// Below are null and what is no address.
pub(crate) const FIRST_POINTER: u64 = 4096;
