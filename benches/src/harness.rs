//! Runs contenders in turn, round by round, and compares them within each round.
//!
//! What disturbs a machine for a while (another process, a change of clock speed) disturbs all contenders of that round alike.
//! So the ratios of one round are worth more than the ratio of two medians.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::report::{Outcome, Report};

/// The contender that the others are compared with. It comes first in every workload.
pub const BASE: &str = "raddle";

/// A contender slower than the best by more than this runs in every `SLOW_EVERY`th round only.
pub const SLOW_FACTOR: f64 = 20.0;
const SLOW_EVERY: usize = 4;

type Sample = Arc<dyn Fn(u64) -> Sampled + Send + Sync>;

/// What came of a sample.
#[derive(Clone, Debug)]
pub struct Sampled {
    pub took: Duration,
    /// The workload's own figures, in their order. None if the time per unit is what is wanted.
    pub figures: Vec<f64>,
}

impl From<Duration> for Sampled {
    fn from(took: Duration) -> Sampled {
        Sampled { took, figures: Vec::new() }
    }
}

/// A figure that a workload has instead of the time per unit.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub name: &'static str,
    pub quantity: Quantity,
}

/// What kind of number a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Nanoseconds: the fewer the better.
    Time,
    /// Percent of what would be even: the more the better.
    Share,
}

/// What a contender is to the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The base, or another of its ways to do the work.
    Own,
    /// One that the base is compared with.
    Peer,
    /// It is there to be looked at: the same work without any of what is measured.
    Mark,
}

impl Role {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Own => "own",
            Role::Peer => "peer",
            Role::Mark => "mark",
        }
    }
}

/// Someone who can do a workload.
pub struct Contender {
    /// The base's name, or the crate's and maybe a word for the way it does the work: "rayon scope".
    pub name: &'static str,
    pub role: Role,
    sample: Sample,
}

impl Contender {
    /// `sample` does the work so many times, and says how long that took.
    pub fn new(name: &'static str, sample: impl Fn(u64) -> Duration + Send + Sync + 'static) -> Contender {
        Contender::with_figures(name, move |units| sample(units).into())
    }

    /// One whose samples have figures of their own.
    pub fn with_figures(
        name: &'static str,
        sample: impl Fn(u64) -> Sampled + Send + Sync + 'static,
    ) -> Contender {
        let role = if is_of(name, BASE) { Role::Own } else { Role::Peer };
        Contender { name, role, sample: Arc::new(sample) }
    }

    /// One that is no peer.
    pub fn mark(name: &'static str, sample: impl Fn(u64) -> Duration + Send + Sync + 'static) -> Contender {
        Contender { role: Role::Mark, ..Contender::new(name, sample) }
    }

    /// Whether this is its name, or that of the crate with which its name begins.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || is_of(self.name, name)
    }

    /// One sample, on the calling thread.
    #[must_use]
    pub fn sample(&self, units: u64) -> Sampled {
        (self.sample)(units)
    }
}

/// Whether `name` is the crate's or begins with it: "raddle", "raddle scope".
fn is_of(name: &str, package: &str) -> bool {
    name.split(' ').next() == Some(package)
}

/// The contenders of a workload: one for each type of the list, of the same name as the type. The sample may name the type.
#[macro_export]
macro_rules! contenders {
    ($make:ident, [$($(#[$attribute:meta])* $peer:ty),* $(,)?], $P:ident => $sample:expr) => {{
        let mut contenders = Vec::new();
        $(
            $(#[$attribute])*
            {
                type $P = $peer;
                contenders.push($crate::harness::Contender::$make(<$P>::NAME, $sample));
            }
        )*
        contenders
    }};
}

/// One thing to measure.
pub struct Workload {
    pub name: String,
    /// What the time is divided by: "item", "round trip".
    pub unit: &'static str,
    /// The number of units in a sample is a multiple of this.
    pub step: u64,
    /// What one operation is, in a sentence.
    pub about: String,
    pub contenders: Vec<Contender>,
    /// Peers that cannot do it, each with the reason: "sem_t: takes one permit at a time".
    pub left_out: Vec<String>,
    /// What is measured, if not the time per unit.
    pub figures: &'static [Figure],
    /// A sample is so many times as long as usual.
    pub longer: u32,
}

impl Workload {
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        unit: &'static str,
        step: u64,
        about: impl Into<String>,
        contenders: Vec<Contender>,
    ) -> Workload {
        Workload {
            name: name.into(),
            unit,
            step,
            about: about.into(),
            contenders,
            left_out: Vec::new(),
            figures: &[],
            longer: 1,
        }
    }

    /// Its part of the time for everything is in proportion to this.
    fn weight(&self) -> f64 {
        self.contenders.len() as f64 * f64::from(self.longer)
    }

    /// Names a peer that cannot do it.
    #[must_use]
    pub fn without(mut self, who_and_why: impl Into<String>) -> Workload {
        self.left_out.push(who_and_why.into());
        self
    }
}

/// "the only thread", or "one of 4 threads".
#[must_use]
pub fn one_of(n: u64, what: &str) -> String {
    if n == 1 { format!("the only {what}") } else { format!("one of {n} {what}s") }
}

/// How much to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    /// At least so many rounds, whatever they take...
    pub least_rounds: usize,
    /// ...and no more than these.
    pub rounds: usize,
    /// How long one sample of the base should take.
    pub sample: Duration,
    /// A contender that has not ended a sample by then counts as stuck.
    pub limit: Duration,
    /// The time for all rounds of a workload, if there is a bound.
    pub time: Option<Duration>,
}

/// The time for everything, which is divided evenly over all contenders of all workloads; who has longer samples has more of it.
/// What one workload does not need is for those after it.
pub struct Budget {
    left: Duration,
    /// The weights of all workloads to come.
    weight: f64,
}

impl Budget {
    #[must_use]
    pub fn new(total: Duration, workloads: &[Workload]) -> Budget {
        Budget { left: total, weight: workloads.iter().map(Workload::weight).sum() }
    }

    #[must_use]
    pub fn share(&self, workload: &Workload) -> Duration {
        self.left.mul_f64((workload.weight() / self.weight).clamp(0.0, 1.0))
    }

    pub fn spend(&mut self, workload: &Workload, time: Duration) {
        self.left = self.left.saturating_sub(time);
        self.weight -= workload.weight();
    }
}

/// A contender and what came of it so far.
struct Runner<'a> {
    contender: &'a Contender,
    rounds: Vec<Option<Sampled>>,
    is_slow: bool,
    failure: Option<String>,
}

impl Runner<'_> {
    fn run(&mut self, units: u64, limit: Duration) -> Option<Sampled> {
        if self.failure.is_some() {
            return None;
        }
        timed(self.contender, units, limit).map_err(|failure| self.failure = Some(failure)).ok()
    }

    fn outcome(&self, units: u64, figure: Option<usize>) -> Outcome {
        let value = |sampled: &Sampled| match figure {
            None => sampled.took.as_nanos() as f64 / units as f64,
            Some(figure) => sampled.figures[figure],
        };
        Outcome {
            name: self.contender.name,
            role: self.contender.role,
            rounds: self.rounds.iter().map(|sampled| sampled.as_ref().map(value)).collect(),
            is_slow: self.is_slow,
            failure: self.failure.clone(),
        }
    }
}

/// Measures one workload. There is a report for each of its figures.
#[must_use]
pub fn run(workload: &Workload, effort: Effort) -> Vec<Report> {
    let began = Instant::now();
    let mut runners: Vec<Runner<'_>> = workload
        .contenders
        .iter()
        .map(|contender| Runner { contender, rounds: Vec::new(), is_slow: false, failure: None })
        .collect();

    let effort = Effort { sample: effort.sample * workload.longer, ..effort };
    let units = calibrate(workload, effort, &mut runners);
    let (calibrated, mut round) = (Instant::now(), 0);
    // Without the base there is nothing to compare.
    while round < effort.rounds && runners[0].failure.is_none() {
        // Another round would take about as long as those before it.
        let after_next = began.elapsed() + calibrated.elapsed() / round.max(1) as u32;
        if round >= effort.least_rounds && effort.time.is_some_and(|time| after_next > time) {
            break;
        }
        for runner in &mut runners {
            let sits_out = runner.is_slow && round % SLOW_EVERY != 0;
            let sampled = if sits_out { None } else { runner.run(units, effort.limit) };
            runner.rounds.push(sampled);
        }
        if round == 0 {
            mark_the_slow(&mut runners);
        }
        round += 1;
    }

    let report = |figure: Option<usize>| {
        let outcomes = runners.iter().map(|runner| runner.outcome(units, figure)).collect();
        Report::new(workload, units, figure.map(|figure| workload.figures[figure]), outcomes)
    };
    if workload.figures.is_empty() {
        vec![report(None)]
    } else {
        (0..workload.figures.len()).map(|figure| report(Some(figure))).collect()
    }
}

/// Who is slow is decided by the first round. The base always runs: without it a round is worth nothing.
fn mark_the_slow(runners: &mut [Runner<'_>]) {
    let first = |runner: &Runner<'_>| Some(runner.rounds.first()?.as_ref()?.took.as_secs_f64());
    let contending = runners.iter().filter(|runner| runner.contender.role != Role::Mark);
    let best = contending.filter_map(first).min_by(f64::total_cmp).unwrap_or(f64::INFINITY);
    for runner in &mut runners[1..] {
        runner.is_slow = first(runner).is_some_and(|took| took > best * SLOW_FACTOR);
    }
}

/// How many units a sample has, the same for all: as many as make one of the base as long as wanted; more, within bounds, if the
/// best peer would be over too soon to be measured well; fewer, within bounds, if the rounds would take more time than there is.
/// Whoever fails here is marked.
fn calibrate(workload: &Workload, effort: Effort, runners: &mut [Runner<'_>]) -> u64 {
    const MOST: u64 = 2_000_000;
    /// More than `MOST`, if that is not even so many steps.
    const MOST_STEPS: u64 = 16;
    /// The best peer's sample is at least this part of what is wanted of the base...
    const BEST_PART: f64 = 0.25;
    /// ...unless the base would then take so many times longer than wanted.
    const MOST_LONGER: f64 = 10.0;
    /// A sample of the base is never shortened to less than this part of what is wanted.
    const LEAST_PART: f64 = 0.1;

    let most = MOST.max(workload.step * MOST_STEPS);
    let rounded = |units: f64| ((units as u64).min(most) / workload.step).max(1) * workload.step;
    let wanted = effort.sample.as_secs_f64();
    let seconds = |took: Duration| took.as_secs_f64().max(1e-9);

    let began = Instant::now();
    let mut units = rounded(256.0);
    loop {
        let Some(sampled) = runners[0].run(units, effort.limit) else {
            return units;
        };
        let took = seconds(sampled.took);
        let next = rounded(units as f64 * wanted / took);
        if took * 4.0 >= wanted || next <= units {
            // Once more: whatever held it up, it will hardly do so twice.
            let again = runners[0].run(units, effort.limit);
            let took = again.map_or(took, |again| took.min(seconds(again.took)));
            units = rounded(units as f64 * wanted / took);
            break;
        }
        // Short samples say little. Come nearer step by step.
        units = next.min(rounded(units as f64 * 8.0));
    }

    let mut best = f64::INFINITY;
    // What a round takes with so many units, starts and ends of threads and all. Of the base by now only its own time is known.
    let mut walls = vec![wanted];
    for runner in &mut runners[1..] {
        let from = Instant::now();
        if let Some(sampled) = runner.run(units, effort.limit) {
            walls.push(seconds(from.elapsed()));
            if runner.contender.role == Role::Peer {
                best = best.min(seconds(sampled.took));
            }
        }
    }
    let longer = (wanted * BEST_PART / best).clamp(1.0, MOST_LONGER);

    // The slow sit out most rounds.
    let fastest = walls.iter().copied().fold(f64::INFINITY, f64::min);
    let wall = |wall: &f64| if *wall > fastest * SLOW_FACTOR { wall / SLOW_EVERY as f64 } else { *wall };
    let round: f64 = walls.iter().map(wall).sum::<f64>() * longer;
    let shorter = effort.time.map_or(1.0, |time| {
        let left = time.saturating_sub(began.elapsed()).as_secs_f64();
        (left / (round * effort.least_rounds as f64)).clamp(LEAST_PART, 1.0)
    });
    rounded(units as f64 * longer * shorter)
}

/// One sample, on a thread of its own: if it is stuck, that thread is left behind.
fn timed(contender: &Contender, units: u64, limit: Duration) -> Result<Sampled, String> {
    let (says, hears) = mpsc::sync_channel(1);
    let sample = Arc::clone(&contender.sample);
    let thread = thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = says.send(sample(units));
    });
    let heard = hears.recv_timeout(limit);
    match heard {
        Ok(sampled) => {
            // What it measured is dropped by now; the thread has nothing left to do.
            thread.join().expect("the sample is over");
            Ok(sampled)
        }
        Err(RecvTimeoutError::Timeout) => {
            Err(format!("gave up after {limit:?} in one sample; its threads are left behind"))
        }
        Err(RecvTimeoutError::Disconnected) => Err("panicked".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effort(rounds: usize) -> Effort {
        Effort {
            least_rounds: rounds,
            rounds,
            sample: Duration::from_millis(10),
            limit: Duration::from_millis(500),
            time: None,
        }
    }

    #[test]
    fn a_contender_goes_by_its_name_and_by_its_crate() {
        let contender = Contender::new("rayon scope", |_| Duration::ZERO);
        assert_eq!(contender.role, Role::Peer);
        assert!(contender.is_called("rayon") && contender.is_called("rayon scope"));
        assert!(!contender.is_called("ray") && !contender.is_called("scope"));
        assert_eq!(Contender::new("raddled", |_| Duration::ZERO).role, Role::Peer);
    }

    #[test]
    fn a_stuck_contender_is_given_up_and_the_rest_goes_on() {
        let contenders = vec![
            Contender::new(BASE, Duration::from_micros),
            Contender::new("stuck", |_| {
                loop {
                    thread::park();
                }
            }),
            Contender::new("slow", |units| Duration::from_micros(units * 21)),
            Contender::mark("mark", |_| Duration::from_nanos(1)),
        ];
        let workload = Workload::new("x", "item", 1, "", contenders);
        let report = run(&workload, effort(5)).remove(0);
        assert_eq!(report.units, 10_000);
        assert!(report.outcomes[1].failure.as_ref().unwrap().contains("gave up"));
        let ran: Vec<bool> = report.outcomes[2].rounds.iter().map(Option::is_some).collect();
        assert_eq!(ran, [true, false, false, false, true]);
        assert_eq!(report.standing().unwrap().peer.name, "slow");
        // Nobody is slow beside a mark.
        assert!(!report.outcomes[3].is_slow && report.outcomes[2].is_slow);
    }

    #[test]
    fn each_figure_has_a_report() {
        const FIGURES: [Figure; 2] = [
            Figure { name: "share", quantity: Quantity::Share },
            Figure { name: "longest", quantity: Quantity::Time },
        ];
        let sample = |share: f64, longest: f64| {
            move |units| Sampled { took: Duration::from_micros(units), figures: vec![share, longest] }
        };
        let contenders = vec![
            Contender::with_figures(BASE, sample(90.0, 50.0)),
            Contender::with_figures("peer", sample(45.0, 100.0)),
        ];
        let mut workload = Workload::new("x", "item", 1, "", contenders);
        workload.figures = &FIGURES;
        let reports = run(&workload, effort(2));
        assert_eq!(
            reports.iter().map(|report| report.name.as_str()).collect::<Vec<_>>(),
            ["x/share", "x/longest"]
        );
        for report in reports {
            assert_eq!(report.standing().unwrap().speed.median, 2.0);
        }
    }

    #[test]
    fn little_time_means_fewer_rounds_and_shorter_samples() {
        let sample = |units| {
            thread::sleep(Duration::from_micros(units));
            Duration::from_micros(units)
        };
        let contenders = vec![Contender::new(BASE, sample), Contender::new("peer", sample)];
        let workload = Workload::new("x", "item", 1, "", contenders);
        let time = Some(Duration::from_millis(30));
        let report = run(&workload, Effort { least_rounds: 3, time, ..effort(1000) }).remove(0);
        assert!(report.units < 10_000);
        assert!((3..100).contains(&report.base().rounds.len()));
    }

    #[test]
    fn what_is_not_spent_is_for_the_others() {
        let workload = |contenders: usize| {
            let contenders = (0..contenders).map(|_| Contender::new(BASE, |_| Duration::ZERO)).collect();
            Workload::new("x", "item", 1, "", contenders)
        };
        let workloads = [workload(1), workload(3)];
        let mut budget = Budget::new(Duration::from_secs(8), &workloads);
        assert_eq!(budget.share(&workloads[0]), Duration::from_secs(2));
        budget.spend(&workloads[0], Duration::from_secs(1));
        assert_eq!(budget.share(&workloads[1]), Duration::from_secs(7));
    }
}
