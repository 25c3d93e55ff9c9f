//! One contender of one workload, on this thread, for a tool that counts instructions:
//! `valgrind --tool=callgrind lone lock/lone raddle 100000`.

use std::process::ExitCode;

use raddle_benches::workloads;

fn run() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [workload, contender, units] = args.as_slice() else {
        return Err("usage: lone WORKLOAD CONTENDER UNITS".to_owned());
    };
    let units = units.parse().map_err(|_| format!("UNITS is a number, not \"{units}\""))?;
    let Some(found) = workloads().into_iter().find(|known| known.name == *workload) else {
        return Err(format!("there is no workload \"{workload}\"; see peers --list"));
    };
    let Some(contender) = found.contenders.iter().find(|known| known.name == contender) else {
        let known: Vec<&str> = found.contenders.iter().map(|known| known.name).collect();
        return Err(format!("{workload} has no \"{contender}\"; it has {}", known.join(", ")));
    };
    let _ = contender.sample(units);
    Ok(())
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
