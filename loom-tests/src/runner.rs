//! Runs one model: here, or in a process of its own, as it stands or with one site of the library made weaker.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::models::{Bound, Model};
use crate::{USAGE_EXIT, canary, find, recording, weaken};

/// What one model may take before it counts as not finished.
const TIME_LIMIT: Duration = Duration::from_secs(400);

/// What one execution may take, in steps.
const MAX_BRANCHES: usize = 20_000;

/// How a child says that it has hit a limit.
const LIMIT_EXIT: u8 = 3;

/// How a child begins the line that says in which execution it has failed.
pub(crate) const IN_EXECUTION: &str = "raddle: in execution ";

/// How many executions the model of this process has begun.
static EXECUTIONS: AtomicUsize = AtomicUsize::new(0);

/// How the run of one model ended.
struct Ended {
    executions: usize,
    seconds: f64,
}

/// Runs a model in this process. A failure unwinds or aborts.
fn run_here(model: &Model, limit: Duration) -> Result<Ended, String> {
    let begin = Instant::now();
    let executions = match model.bound {
        Bound::Exhaustive => explore(None, limit, model.body),
        Bound::Preemptions(preemptions) => explore(Some(preemptions), limit, model.body),
        Bound::Inside => {
            (model.body)();
            canary::executions()
        }
    };
    let ended = Ended { executions, seconds: begin.elapsed().as_secs_f64() };
    if begin.elapsed() >= limit {
        return Err(format!("not finished after {} executions: {limit:?} are over", ended.executions));
    }
    Ok(ended)
}

/// [`explore`] for a model that runs loom by itself.
pub(crate) fn explore_inside(bound: Option<usize>, body: impl Fn() + Send + Sync + 'static) -> usize {
    explore(bound, TIME_LIMIT, body)
}

/// Lets loom explore `body`, and returns how many executions that took. Every setting is made here: loom would take the
/// others from the environment.
fn explore(bound: Option<usize>, limit: Duration, body: impl Fn() + Send + Sync + 'static) -> usize {
    let executions = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = MAX_BRANCHES;
    builder.max_duration = Some(limit);
    builder.max_permutations = None;
    builder.checkpoint_file = None;
    // loom looks at the time only so often.
    builder.checkpoint_interval = 200;
    builder.expect_explicit_explore = false;
    builder.location = false;
    builder.log = false;
    builder.check({
        let executions = Arc::clone(&executions);
        move || {
            executions.fetch_add(1, Ordering::Relaxed);
            EXECUTIONS.fetch_add(1, Ordering::Relaxed);
            body();
        }
    });
    executions.load(Ordering::Relaxed)
}

/// What a process of its own is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child<'a> {
    /// The model.
    pub(crate) model: &'a str,
    /// The mutant, as `weaken::plant` reads it.
    pub(crate) plant: Option<&'a str>,
    /// How long it may take.
    pub(crate) limit: Option<Duration>,
    /// Where the execution that fails is written to.
    pub(crate) record: Option<&'a Path>,
}

/// What a child came to.
pub(crate) enum Outcome {
    /// All interleavings are fine.
    Passed {
        /// How many they were.
        executions: usize,
        /// How long it took.
        seconds: f64,
        /// The sites of the library that it has come to.
        reached: Vec<weaken::Reached>,
        /// What it has written there.
        moved: Vec<weaken::Moved>,
    },
    /// A deadlock, a race, an assertion, or an abort; with what it printed.
    Failed(String),
    /// Neither: it hit a limit.
    Unknown(String),
}

impl Child<'_> {
    /// Starts the process and waits for its end.
    pub(crate) fn run(self) -> Outcome {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args(["--child", self.model]);
        if let Some(mutant) = self.plant {
            command.args(["--plant", mutant]);
        }
        if let Some(limit) = self.limit {
            command.args(["--limit", &limit.as_secs().max(1).to_string()]);
        }
        if let Some(path) = self.record {
            command.arg("--record").arg(path);
        }
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("LOOM_") {
                command.env_remove(key);
            }
        }
        let output = command.stdin(Stdio::null()).output().expect("this program can be started");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => {
                let words: Vec<&str> = stdout.lines().next().unwrap_or("").split_whitespace().collect();
                match words[..] {
                    ["executions", executions, "seconds", seconds] => Outcome::Passed {
                        executions: executions.parse().unwrap_or(0),
                        seconds: seconds.parse().unwrap_or(0.0),
                        reached: weaken::parse_coverage(&stdout),
                        moved: weaken::parse_moved(&stdout),
                    },
                    _ => Outcome::Failed(format!("{stdout}{stderr}")),
                }
            }
            Some(code) if code == i32::from(LIMIT_EXIT) || code == i32::from(USAGE_EXIT) => {
                Outcome::Unknown(stderr)
            }
            // A model that runs into loom's own limit of steps has not been refuted, but it has not passed either.
            _ if stderr.contains("Model exceeded maximum number of branches") => Outcome::Unknown(stderr),
            _ => Outcome::Failed(stderr),
        }
    }
}

/// The process that runs one model: the other end of [`Child`].
pub(crate) fn child(name: &str, options: &[&str]) -> ExitCode {
    let model = find(name);
    let mut limit = TIME_LIMIT;
    if options.is_empty() {
        raddle::model::print_timeline_on_panic();
        weaken::start_coverage();
    }
    for option in options.chunks(2) {
        match option {
            ["--plant", mutant] => weaken::plant(mutant),
            ["--limit", seconds] => {
                limit = Duration::from_secs(seconds.parse().expect("a number of seconds"))
            }
            ["--record", path] => recording::record_on_panic(Path::new(path)),
            _ => return ExitCode::from(USAGE_EXIT),
        }
    }
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        eprintln!("{IN_EXECUTION}{}", EXECUTIONS.load(Ordering::Relaxed));
        earlier(info);
    }));
    match run_here(&model, limit) {
        Ok(ended) => {
            println!("executions {} seconds {:.2}", ended.executions, ended.seconds);
            weaken::print_coverage();
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(LIMIT_EXIT)
        }
    }
}

/// Calls `f` for every item, as many at a time as there are processors.
pub(crate) fn in_parallel<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync) {
    let items = Mutex::new(items.into_iter());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let item = items.lock().expect("no worker panics with the list").next();
                    match item {
                        Some(item) => f(item),
                        None => break,
                    }
                }
            });
        }
    });
}
