//! raddle's paths without contention take no more instructions than are recorded in `instructions.json`.
//!
//! A count that has become smaller is no failure: write it down (`cargo peers --instructions --record`), so that it stays so.

use std::path::Path;

use raddle_benches::harness::BASE;
use raddle_benches::instructions::{PATHS, count, record, recorded_rustc, target, valgrind};

/// What the counts may differ by without anything having changed: the long run is no exact multiple of the short one.
const SLACK: f64 = 0.5;

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
            Some(recorded) if counted > recorded + SLACK => {
                wrong.push(format!("{path} takes {counted:.1} instructions, and {recorded:.1} are recorded"));
            }
            Some(recorded) if counted < recorded - SLACK => {
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
