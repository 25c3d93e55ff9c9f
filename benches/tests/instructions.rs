//! raddle's paths without contention take no more instructions than are recorded in `instructions.json`.
//!
//! A count that has become smaller is no failure: write it down (`cargo peers --instructions --record`), so that it stays so.

use std::path::Path;

use raddle_benches::harness::BASE;
use raddle_benches::instructions::{PATHS, count, record, recorded_rustc, target, valgrind};

/// What a count may differ by without anything having changed: the long run is no exact multiple of the short one.
const SLACK: f64 = 0.5;

/// The same as a part of the count. Which value goes to the stack, in a function with more of them than there are registers, depends on the names of the symbols, and these on the
/// folder of the checkout: the same commit took 65 instructions in three folders and 66 in six. Shorter paths took as many in each.
const SLACK_PART: f64 = 0.02;

fn slack(recorded: f64) -> f64 {
    SLACK.max(SLACK_PART * recorded)
}

#[test]
fn no_path_takes_more_instructions_than_recorded() {
    if cfg!(debug_assertions) {
        println!("skipped: the counts of a debug build say nothing; cargo test --release");
        return;
    }
    if let Err(why) = valgrind() {
        println!("skipped: {why}");
        return;
    }
    let record = record().unwrap();
    if record.is_empty() {
        println!("skipped: nothing is recorded for {}", target());
        return;
    }
    let lone = Path::new(env!("CARGO_BIN_EXE_lone"));
    let mut wrong = Vec::new();
    for path in PATHS {
        let counted = count(lone, path, BASE).unwrap();
        match record.get(path) {
            None => wrong.push(format!("{path} has no record; it takes {counted:.1}")),
            Some(recorded) if counted > recorded + slack(*recorded) => {
                wrong.push(format!("{path} takes {counted:.1} instructions, and {recorded:.1} are recorded"));
            }
            Some(recorded) if counted < recorded - slack(*recorded) => {
                println!("{path} takes {counted:.1} instructions only; {recorded:.1} are recorded");
            }
            Some(_) => {}
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nThis is {}; the record is of {}. If the new counts are right: cargo peers --instructions --record",
        wrong.join("\n"),
        env!("RUSTC_VERSION"),
        recorded_rustc().unwrap()
    );
}
