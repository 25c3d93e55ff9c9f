//! Uncontended put and get in a loop, on one thread, for a tool that counts instructions:
//! `valgrind --tool=callgrind lone raddle 1024 100000`.

use std::process::ExitCode;

use raddle_benches::queue::lone;
use raddle_benches::queue::peers::{self, Channel, Visit};

struct Run<'a> {
    peer: &'a str,
    capacity: Option<usize>,
    pairs: u64,
    /// What came of it, once the peer is found.
    result: Option<Result<(), String>>,
    known: Vec<&'static str>,
}

impl Visit for Run<'_> {
    fn visit<C: Channel>(&mut self) {
        self.known.push(C::NAME);
        if C::NAME != self.peer {
            return;
        }
        if self.capacity.is_none() && !C::UNBOUNDED {
            self.result = Some(Err(format!("{} has no unbounded queue", C::NAME)));
            return;
        }
        lone::<C>(self.capacity, self.pairs);
        self.result = Some(Ok(()));
    }
}

fn run() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [peer, capacity, pairs] = args.as_slice() else {
        return Err("usage: lone PEER CAPACITY PAIRS, where CAPACITY is a number or \"unbounded\"".to_owned());
    };
    let capacity = match capacity.as_str() {
        "unbounded" => None,
        number => match number.parse() {
            Ok(0) | Err(_) => {
                return Err(format!("CAPACITY is \"unbounded\" or a number from 1 on, not \"{number}\""));
            }
            Ok(number) => Some(number),
        },
    };
    let pairs = pairs.parse().map_err(|_| format!("PAIRS is a number, not \"{pairs}\""))?;
    let mut run = Run { peer, capacity, pairs, result: None, known: Vec::new() };
    peers::each(&mut run);
    let known = run.known.join(", ");
    run.result.unwrap_or_else(|| Err(format!("there is no peer \"{peer}\"; there are {known}")))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lone: {error}");
            ExitCode::FAILURE
        }
    }
}
