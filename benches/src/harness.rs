//! Runs contenders in turn, round by round, and compares them within each round.
//!
//! What disturbs a machine for a while (another process, a change of clock speed) disturbs all contenders of that round alike.
//! So the ratios of one round are worth more than the ratio of two medians.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// The contender that the others are compared with. It comes first in every workload.
pub const BASE: &str = "raddle";

/// Below this, raddle's speed relative to the best peer gets a star.
const STAR_BELOW: f64 = 0.9;

/// A contender slower than the best by more than this runs in every `SLOW_EVERY`th round only.
const SLOW_FACTOR: f64 = 20.0;
const SLOW_EVERY: usize = 4;

type Sample = Arc<dyn Fn(u64) -> Duration + Send + Sync>;

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
    fn name(self) -> &'static str {
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
        let role = if is_of(name, BASE) { Role::Own } else { Role::Peer };
        Contender { name, role, sample: Arc::new(sample) }
    }

    /// One that is no peer.
    pub fn mark(name: &'static str, sample: impl Fn(u64) -> Duration + Send + Sync + 'static) -> Contender {
        Contender { name, role: Role::Mark, sample: Arc::new(sample) }
    }

    /// Whether this is its name, or that of the crate with which its name begins.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || is_of(self.name, name)
    }
}

/// Whether `name` is the crate's or begins with it: "raddle", "raddle scope".
fn is_of(name: &str, package: &str) -> bool {
    name.split(' ').next() == Some(package)
}

/// One thing to measure.
pub struct Workload {
    pub name: String,
    /// What the time is divided by: "item", "round trip".
    pub unit: &'static str,
    /// The number of units in a sample is a multiple of this.
    pub step: u64,
    pub contenders: Vec<Contender>,
}

/// How much to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// How long one sample of the base should take.
    pub sample: Duration,
    /// A contender that has not ended a sample by then counts as stuck.
    pub limit: Duration,
}

/// Median and quartiles.
#[derive(Clone, Copy)]
pub struct Spread {
    pub q1: f64,
    pub median: f64,
    pub q3: f64,
}

impl Spread {
    /// `None` if there are no values.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |part: f64| {
            let place = part * last as f64;
            let below = place.floor() as usize;
            let above = (below + 1).min(last);
            values[below] + (values[above] - values[below]) * place.fract()
        };
        Some(Spread { q1: at(0.25), median: at(0.5), q3: at(0.75) })
    }

    fn json(spread: Option<Spread>) -> Value {
        spread.map_or(Value::Null, |s| json!({ "q1": s.q1, "median": s.median, "q3": s.q3 }))
    }
}

/// What came of one contender.
pub struct Outcome {
    pub name: &'static str,
    pub role: Role,
    /// Nanoseconds per unit, one entry per round; `None` where it did not run.
    pub rounds: Vec<Option<f64>>,
    /// It was much slower than the best, and ran in some rounds only.
    pub is_slow: bool,
    /// Why it was given up, if it was.
    pub failure: Option<String>,
}

impl Outcome {
    #[must_use]
    pub fn ns(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().copied().flatten())
    }

    /// `self` / `other`, round by round, over the rounds in which both ran.
    #[must_use]
    pub fn ratio_to(&self, other: &Outcome) -> Option<Spread> {
        let both = self.rounds.iter().zip(&other.rounds);
        Spread::of(both.filter_map(|(mine, theirs)| Some((*mine)? / (*theirs)?)))
    }
}

/// What came of one workload.
pub struct Report {
    pub name: String,
    pub unit: &'static str,
    /// Units in a sample.
    pub units: u64,
    /// The base first.
    pub outcomes: Vec<Outcome>,
}

/// The base's speed relative to that of the best peer: above 1, the base is faster.
pub struct Standing<'a> {
    pub peer: &'a Outcome,
    pub speed: Spread,
}

impl Standing<'_> {
    fn star(&self) -> &'static str {
        if self.speed.median < STAR_BELOW { " *" } else { "" }
    }
}

impl Report {
    #[must_use]
    pub fn base(&self) -> &Outcome {
        &self.outcomes[0]
    }

    /// `None` if there is no peer, or no round in which both ran.
    #[must_use]
    pub fn standing(&self) -> Option<Standing<'_>> {
        let peers = self.outcomes.iter().filter(|outcome| outcome.role == Role::Peer);
        let peers = peers.filter_map(|peer| Some((peer.ns()?.median, peer)));
        let (_, peer) = peers.min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(Standing { peer, speed: peer.ratio_to(self.base())? })
    }

    /// The table of this workload.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let rounds = self.base().rounds.len();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}: {} {}s a sample, {rounds} rounds", self.name, self.units, self.unit);
        let _ = writeln!(
            out,
            "  {:<21} {:>12} {:^19}   {:>11} {:^15}",
            "",
            format!("ns/{}", self.unit.split(' ').next_back().unwrap_or(self.unit)),
            "[quartiles]",
            "raddle/peer",
            "[quartiles]"
        );
        for (i, outcome) in self.outcomes.iter().enumerate() {
            let _ = write!(out, "  {:<21}", outcome.name);
            if let Some(ns) = outcome.ns() {
                let digits = digits(ns.median);
                let Spread { q1, median, q3 } = ns;
                let _ = write!(out, " {median:>12.digits$} [{q1:>8.digits$} {q3:>8.digits$}]");
            }
            if i > 0
                && let Some(ratio) = self.base().ratio_to(outcome)
            {
                let _ = write!(out, "   {:>11.3} [{:>6.3} {:>6.3}]", ratio.median, ratio.q1, ratio.q3);
            }
            if outcome.role == Role::Mark {
                out.push_str("   no peer, only a mark");
            }
            if outcome.is_slow {
                let ran = outcome.rounds.iter().flatten().count();
                let _ = write!(out, "   over {SLOW_FACTOR}x slower than the best: {ran} rounds only");
            }
            if let Some(failure) = &outcome.failure {
                let _ = write!(out, "   {failure}");
            }
            out.push('\n');
        }
        match self.standing() {
            Some(standing) => {
                let Spread { q1, median, q3 } = standing.speed;
                let _ = writeln!(
                    out,
                    "  best peer {}; {BASE}'s speed relative to it {median:.2} [{q1:.2} {q3:.2}]{}",
                    standing.peer.name,
                    standing.star()
                );
            }
            None => {
                let _ = writeln!(out, "  nothing to compare");
            }
        }
        out
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let outcomes: Vec<Value> = self
            .outcomes
            .iter()
            .enumerate()
            .map(|(i, outcome)| {
                json!({
                    "name": outcome.name,
                    "role": outcome.role.name(),
                    "ns": Spread::json(outcome.ns()),
                    "base_over_this": if i == 0 { Value::Null } else { Spread::json(self.base().ratio_to(outcome)) },
                    "is_slow": outcome.is_slow,
                    "failure": outcome.failure,
                    "rounds_ns": outcome.rounds,
                })
            })
            .collect();
        json!({
            "name": self.name,
            "unit": self.unit,
            "units_per_sample": self.units,
            "contenders": outcomes,
            "best_peer": self.standing().map(|standing| standing.peer.name),
            "speed_relative_to_best_peer": Spread::json(self.standing().map(|standing| standing.speed)),
        })
    }
}

/// How many digits of so many nanoseconds are worth printing after the point.
fn digits(ns: f64) -> usize {
    if ns < 10.0 { 3 } else { 1 }
}

/// Measures one workload.
#[must_use]
pub fn run(workload: &Workload, effort: Effort) -> Report {
    let mut outcomes: Vec<Outcome> = workload
        .contenders
        .iter()
        .map(|contender| Outcome {
            name: contender.name,
            role: contender.role,
            rounds: Vec::with_capacity(effort.rounds),
            is_slow: false,
            failure: None,
        })
        .collect();

    let units = calibrate(workload, effort, &mut outcomes);
    // Without the base there is nothing to compare.
    let rounds = if outcomes[0].failure.is_some() { 0 } else { effort.rounds };

    for round in 0..rounds {
        for (contender, outcome) in workload.contenders.iter().zip(&mut outcomes) {
            let sits_out = outcome.is_slow && round % SLOW_EVERY != 0;
            if sits_out || outcome.failure.is_some() {
                outcome.rounds.push(None);
                continue;
            }
            match timed(contender, units, effort.limit) {
                Ok(took) => outcome.rounds.push(Some(took.as_nanos() as f64 / units as f64)),
                Err(failure) => {
                    outcome.rounds.push(None);
                    outcome.failure = Some(failure);
                }
            }
        }
        if round == 0 {
            mark_the_slow(&mut outcomes);
        }
    }
    Report { name: workload.name.clone(), unit: workload.unit, units, outcomes }
}

/// Who is slow is decided by the first round. The base always runs: without it a round is worth nothing.
fn mark_the_slow(outcomes: &mut [Outcome]) {
    let first = |outcome: &Outcome| outcome.rounds.first().copied().flatten();
    let contending = outcomes.iter().filter(|outcome| outcome.role != Role::Mark);
    let best = contending.filter_map(first).min_by(f64::total_cmp).unwrap_or(f64::INFINITY);
    for outcome in &mut outcomes[1..] {
        outcome.is_slow = first(outcome).is_some_and(|ns| ns > best * SLOW_FACTOR);
    }
}

/// How many units a sample has, the same for all: as many as make one of the base as long as wanted; more, within bounds, if the
/// best peer would be over too soon to be measured well. Whoever fails here is marked.
fn calibrate(workload: &Workload, effort: Effort, outcomes: &mut [Outcome]) -> u64 {
    const MOST: u64 = 2_000_000;
    /// More than `MOST`, if that is not even so many steps.
    const MOST_STEPS: u64 = 16;
    /// The best peer's sample is at least this part of what is wanted of the base...
    const BEST_PART: f64 = 0.25;
    /// ...unless the base would then take so many times longer than wanted.
    const MOST_LONGER: f64 = 10.0;

    let most = MOST.max(workload.step * MOST_STEPS);
    let rounded = |units: f64| ((units as u64).min(most) / workload.step).max(1) * workload.step;
    let wanted = effort.sample.as_secs_f64();
    let seconds = |contender, units| timed(contender, units, effort.limit).map(|t| t.as_secs_f64().max(1e-9));

    let base = &workload.contenders[0];
    let mut units = rounded(256.0);
    loop {
        let took = match seconds(base, units) {
            Ok(took) => took,
            Err(failure) => {
                outcomes[0].failure = Some(failure);
                return units;
            }
        };
        let next = rounded(units as f64 * wanted / took);
        if took * 4.0 >= wanted || next <= units {
            units = next;
            break;
        }
        // Short samples say little. Come nearer step by step.
        units = next.min(rounded(units as f64 * 8.0));
    }

    let mut best = f64::INFINITY;
    for (contender, outcome) in workload.contenders.iter().zip(outcomes).skip(1) {
        match seconds(contender, units) {
            Ok(took) if outcome.role == Role::Peer => best = best.min(took),
            Ok(_) => {}
            Err(failure) => outcome.failure = Some(failure),
        }
    }
    let longer = (wanted * BEST_PART / best).clamp(1.0, MOST_LONGER);
    rounded(units as f64 * longer)
}

/// One sample, on a thread of its own: if it is stuck, that thread is left behind.
fn timed(contender: &Contender, units: u64, limit: Duration) -> Result<Duration, String> {
    let (says, hears) = mpsc::sync_channel(1);
    let sample = Arc::clone(&contender.sample);
    let thread = thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = says.send(sample(units));
    });
    let heard = hears.recv_timeout(limit);
    match heard {
        Ok(took) => {
            // What it measured is dropped by now; the thread has nothing left to do.
            thread.join().expect("the sample is over");
            Ok(took)
        }
        Err(RecvTimeoutError::Timeout) => {
            Err(format!("gave up after {limit:?} in one sample; its threads are left behind"))
        }
        Err(RecvTimeoutError::Disconnected) => Err("panicked".to_owned()),
    }
}

/// One line per workload, and the lists of those in which the base is behind.
#[must_use]
pub fn summary(reports: &[Report]) -> String {
    let mut out = String::new();
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or(0);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{:<width$}  {:>11}  {:<21} {:>11}  {BASE}'s speed relative to it [quartiles]",
        "workload", "raddle ns", "best peer", "ns"
    );
    for report in reports {
        let _ = write!(out, "{:<width$}  ", report.name);
        match (report.base().ns(), report.standing()) {
            (Some(base), Some(standing)) => {
                let Spread { q1, median, q3 } = standing.speed;
                let base_ns = base.median;
                let peer_ns = standing.peer.ns().map_or(f64::NAN, |ns| ns.median);
                let _ = writeln!(
                    out,
                    "{base_ns:>11.*}  {:<21} {peer_ns:>11.*}  {median:.2} [{q1:.2} {q3:.2}]{}",
                    digits(base_ns),
                    standing.peer.name,
                    digits(peer_ns),
                    standing.star()
                );
            }
            (base, _) => {
                let failure = report.base().failure.as_deref().unwrap_or("no peer to compare with");
                let ns = base.map_or_else(|| "-".to_owned(), |ns| format!("{:.1}", ns.median));
                let _ = writeln!(out, "{ns:>11}  {failure}");
            }
        }
    }
    for bound in [1.0, STAR_BELOW] {
        let behind: Vec<String> = reports
            .iter()
            .filter_map(|report| Some((report, report.standing()?.speed.median)))
            .filter(|(_, speed)| *speed < bound)
            .map(|(report, speed)| format!("  {:<width$}  {speed:.2}", report.name))
            .collect();
        let _ = writeln!(out, "\nbelow {bound:.1}: {} of {}", behind.len(), reports.len());
        for line in behind {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &'static str, rounds: &[Option<f64>]) -> Outcome {
        let role = Contender::new(name, |_| Duration::ZERO).role;
        Outcome { name, role, rounds: rounds.to_vec(), is_slow: false, failure: None }
    }

    #[test]
    fn quartiles_are_interpolated() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.q1, spread.median, spread.q3), (1.75, 2.5, 3.25));
        assert!(Spread::of([]).is_none());
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let base = outcome(BASE, &[Some(10.0), Some(100.0), Some(20.0)]);
        let peer = outcome("peer", &[Some(5.0), None, Some(10.0)]);
        assert_eq!(base.ratio_to(&peer).unwrap().median, 2.0);
        let report = Report { name: "x".into(), unit: "item", units: 1, outcomes: vec![base, peer] };
        assert_eq!(report.standing().unwrap().speed.median, 0.5);
        assert!(report.table().contains("0.50 [0.50 0.50] *"));
    }

    #[test]
    fn the_base_is_compared_with_peers_only() {
        let mut mark = outcome("mark", &[Some(1.0)]);
        mark.role = Role::Mark;
        let outcomes = vec![
            outcome(BASE, &[Some(10.0)]),
            outcome("raddle scope", &[Some(2.0)]),
            outcome("rayon", &[Some(40.0)]),
            outcome("rayon scope", &[Some(30.0)]),
            mark,
        ];
        let mut report = Report { name: "x".into(), unit: "item", units: 1, outcomes };
        assert_eq!(report.standing().unwrap().peer.name, "rayon scope");
        mark_the_slow(&mut report.outcomes);
        let slow: Vec<bool> = report.outcomes.iter().map(|outcome| outcome.is_slow).collect();
        assert_eq!(slow, [false; 5]);
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
        let workload = Workload {
            name: "x".into(),
            unit: "item",
            step: 1,
            contenders: vec![
                Contender::new(BASE, Duration::from_micros),
                Contender::new("stuck", |_| {
                    loop {
                        thread::park();
                    }
                }),
                Contender::new("slow", |units| Duration::from_micros(units * 21)),
            ],
        };
        let effort =
            Effort { rounds: 5, sample: Duration::from_millis(10), limit: Duration::from_millis(500) };
        let report = run(&workload, effort);
        assert_eq!(report.units, 10_000);
        assert!(report.outcomes[1].failure.as_ref().unwrap().contains("gave up"));
        let ran: Vec<bool> = report.outcomes[2].rounds.iter().map(Option::is_some).collect();
        assert_eq!(ran, [true, false, false, false, true]);
        assert_eq!(report.standing().unwrap().peer.name, "slow");
    }
}
