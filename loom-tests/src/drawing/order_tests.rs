use super::*;
use crate::drawing::record::{Operation, Orders, WordType};

fn step(thread: usize, object: usize, what: Did) -> RecordedStep {
    let file = String::new();
    RecordedStep { thread, object, file, line: 1, column: 1, planted: false, what }
}

fn atomic(thread: usize, read: Option<u64>, written: Option<u64>, order: &str) -> RecordedStep {
    let orders = Orders { source: order.to_owned(), used: order.to_owned() };
    let latest = read.is_some() && written.is_some();
    let name = String::from("op");
    let operation = Operation { name, word: WordType::U8, orders, read, written, wanted: None, latest };
    step(thread, 1, Did::Atomic(operation))
}

fn load(thread: usize, value: u64, order: &str) -> RecordedStep {
    atomic(thread, Some(value), None, order)
}

fn store(thread: usize, value: u64, order: &str) -> RecordedStep {
    atomic(thread, None, Some(value), order)
}

fn rmw(thread: usize, from: u64, to: u64, order: &str) -> RecordedStep {
    atomic(thread, Some(from), Some(to), order)
}

fn fence(thread: usize, order: &str) -> RecordedStep {
    step(thread, 0, Did::Fence { orders: Orders { source: order.to_owned(), used: order.to_owned() } })
}

fn write(thread: usize) -> RecordedStep {
    step(thread, 2, Did::CellWrite)
}

#[track_caller]
fn reads(steps: &[RecordedStep], at: usize) -> Reads {
    infer(steps)[at].reads.clone().expect("this step reads")
}

fn ordered(steps: &[RecordedStep], earlier: usize, later: usize) -> bool {
    happens_before(steps, &infer(steps), earlier, later)
}

#[test]
fn release_and_acquire_order() {
    let steps = [write(0), store(0, 1, "Release"), load(1, 1, "Acquire"), write(1)];
    let expected = Reads { from: Some(1), sure: false, stale: false, link: Link::Ordered(1) };
    // Nothing says that the first value was not 1 too.
    assert_eq!(reads(&steps, 2), expected);
    assert!(ordered(&steps, 0, 3));
}

#[test]
fn half_a_pair_orders_nothing() {
    for (release, acquire) in [("Relaxed", "Acquire"), ("Release", "Relaxed")] {
        let steps = [write(0), store(0, 1, release), load(1, 1, acquire), write(1)];
        assert_eq!(reads(&steps, 2).link, Link::Unordered);
        assert!(!ordered(&steps, 0, 3));
    }
}

#[test]
fn a_read_modify_write_goes_on_with_the_release_sequence() {
    let steps = [write(0), rmw(0, 0, 1, "Release"), rmw(1, 1, 2, "Relaxed"), load(2, 2, "Acquire"), write(2)];
    let expected = Reads { from: Some(2), sure: true, stale: false, link: Link::Ordered(1) };
    assert_eq!(reads(&steps, 3), expected);
    assert!(ordered(&steps, 0, 4));
}

#[test]
fn a_store_begins_anew() {
    let steps = [write(0), store(0, 1, "Release"), store(1, 2, "Relaxed"), load(2, 2, "Acquire"), write(2)];
    assert_eq!(reads(&steps, 3).link, Link::Unordered);
    assert!(!ordered(&steps, 0, 4));
}

#[test]
fn fences_order() {
    let steps = [
        write(0),
        fence(0, "Release"),
        store(0, 1, "Relaxed"),
        load(1, 1, "Relaxed"),
        fence(1, "Acquire"),
        write(1),
    ];
    assert!(ordered(&steps, 0, 5));
    let mut without = steps.to_vec();
    without[4] = fence(1, "Relaxed");
    assert!(!ordered(&without, 0, 5));
    let mut without = steps.to_vec();
    without[1] = fence(0, "Relaxed");
    assert!(!ordered(&without, 0, 5));
}

#[test]
fn an_older_value_is_stale() {
    let steps =
        [rmw(0, 0, 1, "Relaxed"), rmw(0, 1, 2, "Relaxed"), load(1, 1, "Relaxed"), load(1, 2, "Relaxed")];
    assert_eq!(reads(&steps, 2), Reads { from: Some(0), sure: true, stale: true, link: Link::Unordered });
    assert_eq!(reads(&steps, 3), Reads { from: Some(1), sure: true, stale: false, link: Link::Unordered });
    let steps = [rmw(0, 0, 1, "Relaxed"), load(1, 0, "Relaxed")];
    assert_eq!(reads(&steps, 1), Reads { from: None, sure: true, stale: true, link: Link::Own });
}

#[test]
fn nobody_reads_what_is_older_than_what_they_know() {
    // 1 is written twice; who has read 2 can only mean the second.
    let twice = [rmw(0, 0, 1, "Relaxed"), rmw(0, 1, 2, "Relaxed"), rmw(0, 2, 1, "Relaxed")];
    let mut steps = twice.to_vec();
    steps.push(load(1, 1, "Relaxed"));
    assert_eq!(reads(&steps, 3), Reads { from: Some(2), sure: false, stale: false, link: Link::Unordered });
    let mut steps = twice.to_vec();
    steps.extend([load(1, 2, "Relaxed"), load(1, 1, "Relaxed")]);
    assert_eq!(reads(&steps, 4), Reads { from: Some(2), sure: true, stale: false, link: Link::Unordered });
    // The same by what happened before, through a word of its own.
    let other = |thread, what: RecordedStep| RecordedStep { thread, object: 3, ..what };
    let mut steps = twice.to_vec();
    steps.insert(2, other(0, store(0, 9, "Release")));
    steps.extend([other(1, load(1, 9, "Acquire")), load(1, 1, "Relaxed")]);
    assert!(reads(&steps, 5).sure);
}

#[test]
fn a_value_of_ones_own_needs_no_order() {
    let steps = [store(0, 1, "Relaxed"), rmw(0, 1, 2, "Relaxed")];
    assert_eq!(reads(&steps, 1).link, Link::Own);
}

#[test]
fn what_is_ordered_already_is_said_to_be() {
    let steps = [rmw(0, 0, 1, "Release"), load(1, 1, "Acquire"), load(1, 1, "Relaxed")];
    assert_eq!(reads(&steps, 2).link, Link::Before);
}

#[test]
fn unpark_happens_before_the_return_of_park() {
    let woke = Did::Woke { name: "unpark_one".to_owned(), woken: vec![1], moved: vec![], to: 0 };
    let steps = [
        step(1, 1, Did::Waits { deadline: false }),
        write(0),
        step(0, 1, woke),
        step(1, 1, Did::Unparked { token: 0 }),
        write(1),
    ];
    assert_eq!(infer(&steps)[3].woken_by, Some(2));
    assert!(ordered(&steps, 1, 4));
}
