//! What came of the workloads, as tables and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::{BASE, Figure, Quantity, Role, SLOW_FACTOR, Workload};

/// Below this, raddle's speed relative to the best peer gets a star.
pub const STAR_BELOW: f64 = 0.9;

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
#[derive(Debug)]
pub struct Outcome {
    pub name: &'static str,
    pub role: Role,
    /// The figure, one entry per round; `None` where it did not run.
    pub rounds: Vec<Option<f64>>,
    /// It was much slower than the best, and ran in some rounds only.
    pub is_slow: bool,
    /// Why it was given up, if it was.
    pub failure: Option<String>,
}

impl Outcome {
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().copied().flatten())
    }

    /// `self` / `other`, round by round, over the rounds in which both ran.
    #[must_use]
    pub fn ratio_to(&self, other: &Outcome) -> Option<Spread> {
        let both = self.rounds.iter().zip(&other.rounds);
        Spread::of(both.filter_map(|(mine, theirs)| Some((*mine)? / (*theirs)?)))
    }
}

/// What came of one figure of one workload.
pub struct Report {
    /// The workload's; and the figure's, if it has figures of its own.
    pub name: String,
    pub about: String,
    pub unit: &'static str,
    /// Units in a sample.
    pub units: u64,
    pub quantity: Quantity,
    /// What the figures are: "ns/item".
    pub measure: String,
    /// The base first.
    pub outcomes: Vec<Outcome>,
    /// Peers that cannot do it, each with the reason.
    pub left_out: Vec<String>,
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
    /// Of the time per unit, if there is no figure.
    #[must_use]
    pub fn new(workload: &Workload, units: u64, figure: Option<Figure>, outcomes: Vec<Outcome>) -> Report {
        let unit = workload.unit;
        Report {
            name: figure
                .map_or_else(|| workload.name.clone(), |figure| format!("{}/{}", workload.name, figure.name)),
            about: workload.about.clone(),
            unit,
            units,
            quantity: figure.map_or(Quantity::Time, |figure| figure.quantity),
            measure: match figure.map(|figure| figure.quantity) {
                None => format!("ns/{}", unit.split(' ').next_back().unwrap_or(unit)),
                Some(Quantity::Time) => "ns".to_owned(),
                Some(Quantity::Share) => "% of even".to_owned(),
            },
            outcomes,
            left_out: workload.left_out.clone(),
        }
    }

    #[must_use]
    pub fn base(&self) -> &Outcome {
        &self.outcomes[0]
    }

    /// `None` if there is no peer, or no round in which both ran.
    #[must_use]
    pub fn standing(&self) -> Option<Standing<'_>> {
        let peers = self.outcomes.iter().filter(|outcome| outcome.role == Role::Peer);
        let peers = peers.filter_map(|peer| Some((peer.spread()?.median, peer)));
        let by_value = |a: &(f64, &Outcome), b: &(f64, &Outcome)| a.0.total_cmp(&b.0);
        let (_, peer) = match self.quantity {
            Quantity::Time => peers.min_by(by_value),
            Quantity::Share => peers.max_by(by_value),
        }?;
        let speed = match self.quantity {
            Quantity::Time => peer.ratio_to(self.base()),
            Quantity::Share => self.base().ratio_to(peer),
        }?;
        Some(Standing { peer, speed })
    }

    /// The table of this workload.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let rounds = self.base().rounds.len();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}: {} {}s a sample, {rounds} rounds", self.name, self.units, self.unit);
        let _ = writeln!(out, "  {}", self.about);
        let _ = writeln!(
            out,
            "  {:<21} {:>12} {:^19}   {:>11} {:^15}",
            "", self.measure, "[quartiles]", "raddle/peer", "[quartiles]"
        );
        for (i, outcome) in self.outcomes.iter().enumerate() {
            let _ = write!(out, "  {:<21}", outcome.name);
            if let Some(spread) = outcome.spread() {
                let digits = digits(spread.median);
                let Spread { q1, median, q3 } = spread;
                let _ = write!(out, " {median:>12.digits$} [{q1:>8.digits$} {q3:>8.digits$}]");
            }
            if i > 0
                && let Some(ratio) = self.base().ratio_to(outcome)
            {
                let _ = write!(out, "   {:>11.3} [{:>6.3} {:>6.3}]", ratio.median, ratio.q1, ratio.q3);
            }
            for note in self.notes(outcome) {
                let _ = write!(out, "   {note}");
            }
            out.push('\n');
        }
        for who_and_why in &self.left_out {
            let _ = writeln!(out, "  left out: {who_and_why}");
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

    /// What has to be said of a contender beside its figures.
    #[must_use]
    pub fn notes(&self, outcome: &Outcome) -> Vec<String> {
        let mut notes = Vec::new();
        if outcome.role == Role::Mark {
            notes.push("no peer, only a mark".to_owned());
        }
        if outcome.is_slow {
            let ran = outcome.rounds.iter().flatten().count();
            notes.push(format!("over {SLOW_FACTOR}x slower than the best: {ran} rounds only"));
        }
        notes.extend(outcome.failure.clone());
        notes
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let key = match self.quantity {
            Quantity::Time => "ns",
            Quantity::Share => "percent",
        };
        let outcomes: Vec<Value> = self
            .outcomes
            .iter()
            .enumerate()
            .map(|(i, outcome)| {
                json!({
                    "name": outcome.name,
                    "role": outcome.role.name(),
                    key: Spread::json(outcome.spread()),
                    "base_over_this": if i == 0 { Value::Null } else { Spread::json(self.base().ratio_to(outcome)) },
                    "is_slow": outcome.is_slow,
                    "failure": outcome.failure,
                    format!("rounds_{key}"): outcome.rounds,
                })
            })
            .collect();
        json!({
            "name": self.name,
            "about": self.about,
            "unit": self.unit,
            "units_per_sample": self.units,
            "measure": self.measure,
            "contenders": outcomes,
            "left_out": self.left_out,
            "best_peer": self.standing().map(|standing| standing.peer.name),
            "speed_relative_to_best_peer": Spread::json(self.standing().map(|standing| standing.speed)),
        })
    }
}

/// How many digits of so much are worth printing after the point.
#[must_use]
pub fn digits(value: f64) -> usize {
    if value < 10.0 { 3 } else { 1 }
}

/// One line per workload, and the lists of those in which the base is behind.
#[must_use]
pub fn summary(reports: &[Report]) -> String {
    let mut out = String::new();
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or(0);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{:<width$}  {:>11}  {:<21} {:>11}  {:<14}  {BASE}'s speed relative to it [quartiles]",
        "workload", BASE, "best peer", "its", ""
    );
    for report in reports {
        let _ = write!(out, "{:<width$}  ", report.name);
        let base = report.base();
        match (base.spread(), report.standing()) {
            (Some(own), Some(standing)) => {
                let Spread { q1, median, q3 } = standing.speed;
                let own = own.median;
                let peer = standing.peer.spread().map_or(f64::NAN, |spread| spread.median);
                let _ = writeln!(
                    out,
                    "{own:>11.*}  {:<21} {peer:>11.*}  {:<14}  {median:.2} [{q1:.2} {q3:.2}]{}",
                    digits(own),
                    standing.peer.name,
                    digits(peer),
                    report.measure,
                    standing.star()
                );
            }
            (own, _) => {
                let own = own.map_or_else(|| "-".to_owned(), |own| format!("{:.1}", own.median));
                let said = base.failure.as_deref().unwrap_or(match base.role {
                    Role::Mark => "a limit of this machine",
                    _ => "no peer to compare with",
                });
                let _ = writeln!(out, "{own:>11}  {:<21} {:>11}  {:<14}  {said}", "", "", report.measure);
            }
        }
    }
    let compared = reports.iter().filter(|report| report.standing().is_some()).count();
    for bound in [1.0, STAR_BELOW] {
        let behind: Vec<String> = reports
            .iter()
            .filter_map(|report| Some((report, report.standing()?.speed.median)))
            .filter(|(_, speed)| *speed < bound)
            .map(|(report, speed)| format!("  {:<width$}  {speed:.2}", report.name))
            .collect();
        let _ = writeln!(out, "\nbelow {bound:.1}: {} of {compared}", behind.len());
        for line in behind {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// The standing of the base in each workload, as a table in Markdown.
#[must_use]
pub fn markdown(reports: &[Report]) -> String {
    let mut out = format!("| workload | {BASE} | best peer | its | measure | relative speed |\n");
    out.push_str("|---|---:|---|---:|---|---:|\n");
    for report in reports {
        let (Some(own), Some(standing)) = (report.base().spread(), report.standing()) else { continue };
        let Some(its) = standing.peer.spread() else { continue };
        let Spread { q1, median, q3 } = standing.speed;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "| `{}` | {:.*} | {} | {:.*} | {} | {median:.2} [{q1:.2} {q3:.2}] |",
            report.name,
            digits(own.median),
            own.median,
            standing.peer.name,
            digits(its.median),
            its.median,
            report.measure
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::harness::Contender;

    fn outcome(name: &'static str, rounds: &[Option<f64>]) -> Outcome {
        let role = Contender::new(name, |_| Duration::ZERO).role;
        Outcome { name, role, rounds: rounds.to_vec(), is_slow: false, failure: None }
    }

    fn report(outcomes: Vec<Outcome>) -> Report {
        Report::new(&Workload::new("x", "item", 1, "", Vec::new()), 1, None, outcomes)
    }

    #[test]
    fn quartiles_are_interpolated() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.q1, spread.median, spread.q3), (1.75, 2.5, 3.25));
        assert!(Spread::of([]).is_none());
    }

    #[test]
    fn the_table_has_a_row_for_each_workload_with_a_peer() {
        let alone = report(vec![outcome(BASE, &[Some(10.0)])]);
        let both = report(vec![outcome(BASE, &[Some(10.0)]), outcome("peer", &[Some(20.0)])]);
        let table = markdown(&[alone, both]);
        assert_eq!(table.lines().count(), 3);
        assert!(table.ends_with("| `x` | 10.0 | peer | 20.0 | ns/item | 2.00 [2.00 2.00] |\n"), "{table}");
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let base = outcome(BASE, &[Some(10.0), Some(100.0), Some(20.0)]);
        let peer = outcome("peer", &[Some(5.0), None, Some(10.0)]);
        assert_eq!(base.ratio_to(&peer).unwrap().median, 2.0);
        let report = report(vec![base, peer]);
        assert_eq!(report.standing().unwrap().speed.median, 0.5);
        assert!(report.table().contains("0.50 [0.50 0.50] *"));
    }

    #[test]
    fn the_base_is_compared_with_peers_only() {
        let mut mark = outcome("mark", &[Some(1.0)]);
        mark.role = Role::Mark;
        let report = report(vec![
            outcome(BASE, &[Some(10.0)]),
            outcome("raddle scope", &[Some(2.0)]),
            outcome("rayon", &[Some(40.0)]),
            outcome("rayon scope", &[Some(30.0)]),
            mark,
        ]);
        assert_eq!(report.standing().unwrap().peer.name, "rayon scope");
    }
}
