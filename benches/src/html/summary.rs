//! The summary as one picture that stands by itself: a row for each type, a dot for each of its workloads.

use std::fmt::Write as _;

use super::escape;
use super::plot::{SPEED_TICKS, family, speed_place, standing_class, tick_class};
use crate::harness::BASE;
use crate::report::Report;

const STYLE: &str = include_str!("summary.css");

/// The axis begins and ends here.
const AXIS: (f64, f64) = (120.0, 640.0);
const WIDTH: f64 = 720.0;
const TOP: f64 = 34.0;
/// Between the middles of two dots that would cover each other, one above the other.
const DOT: f64 = 9.0;
/// Between the dots of two rows.
const GAP: f64 = 14.0;

/// A dot, and how many dots above or below the middle of its row it is.
struct Dot<'a> {
    report: &'a Report,
    speed: f64,
    x: f64,
    lane: i32,
}

/// The picture, as SVG.
#[must_use]
pub fn picture(reports: &[Report]) -> String {
    let mut rows: Vec<(&str, Vec<Dot<'_>>)> = Vec::new();
    for report in reports {
        let Some(standing) = report.standing() else { continue };
        let speed = standing.speed.median;
        let x = AXIS.0 + (AXIS.1 - AXIS.0) * speed_place(speed);
        let name = family(report);
        if rows.last().is_none_or(|(last, _)| *last != name) {
            rows.push((name, Vec::new()));
        }
        let (_, dots) = rows.last_mut().expect("there is one by now");
        let lane = free_lane(dots, x);
        dots.push(Dot { report, speed, x, lane });
    }

    let mut body = String::new();
    let mut y = TOP;
    // Writing to a string cannot fail.
    for (name, dots) in &rows {
        let lanes = || dots.iter().map(|dot| f64::from(dot.lane));
        let middle = y + GAP / 2.0 + DOT * (0.5 - lanes().fold(0.0, f64::min));
        let below = lanes().fold(0.0, f64::max);
        let ahead = dots.iter().filter(|dot| dot.speed >= 1.0).count();
        let _ = writeln!(
            body,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><text class=\"pale\" x=\"{:.0}\" y=\"{:.1}\">{ahead} of {}</text>",
            AXIS.0 - 14.0,
            middle + 4.5,
            escape(name),
            AXIS.1 + 14.0,
            middle + 4.5,
            dots.len()
        );
        for dot in dots {
            let _ = writeln!(
                body,
                "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{} {:.2}</title></circle>",
                standing_class(dot.speed),
                dot.x,
                middle + DOT * f64::from(dot.lane),
                escape(&dot.report.name),
                dot.speed
            );
        }
        y = middle + DOT * (0.5 + below) + GAP / 2.0;
        let _ = writeln!(body, "<path class=\"row\" d=\"M8 {y:.1}H{:.0}\"/>", WIDTH - 8.0);
    }

    let height = y + 34.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-label=\"{BASE}'s speed relative to the best peer of each workload\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height:.0}\"/>\n"
    );
    for tick in SPEED_TICKS {
        let x = AXIS.0 + (AXIS.1 - AXIS.0) * speed_place(tick);
        let _ = writeln!(
            out,
            "<path class=\"{}\" d=\"M{x:.1} {TOP}V{y:.1}\"/><text class=\"pale\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            tick_class(tick),
            TOP - 12.0
        );
    }
    let _ =
        writeln!(out, "<text class=\"pale\" x=\"{:.0}\" y=\"{}\">ahead</text>", AXIS.1 + 30.0, TOP - 12.0);
    out.push_str(&body);
    let _ = writeln!(
        out,
        "<text class=\"pale\" x=\"{:.0}\" y=\"{:.0}\">A dot is a workload. Right of 1 {BASE} is faster than the best peer. What is further out stands at the edge.</text>\n</svg>",
        16.0,
        y + 22.0
    );
    out
}

/// The lane nearest to the middle where a dot covers no other.
fn free_lane(dots: &[Dot<'_>], x: f64) -> i32 {
    let is_free = |lane: &i32| dots.iter().all(|dot| dot.lane != *lane || (dot.x - x).abs() >= DOT);
    let mut lanes = (0..).flat_map(|step| [step, -step]);
    lanes.find(is_free).expect("a dot covers one lane at most")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{Contender, Workload};
    use crate::report::Outcome;
    use std::time::Duration;

    fn report(name: &str, speed: f64) -> Report {
        let outcome = |name: &'static str, ns: f64| {
            let role = Contender::new(name, |_| Duration::ZERO).role;
            Outcome { name, role, rounds: vec![Some(ns)], is_slow: false, failure: None }
        };
        let workload = Workload::new(name, "item", 1, "", Vec::new());
        Report::new(&workload, 1, None, vec![outcome(BASE, 10.0), outcome("peer", 10.0 * speed)])
    }

    #[test]
    fn each_workload_has_a_dot_of_its_own_in_the_row_of_its_type() {
        let speeds = [("a/1", 1.0), ("a/2", 1.0), ("a/3", 1.01), ("a/4", 3.0), ("b/1", 0.5), ("b/2", 0.95)];
        let reports: Vec<Report> = speeds.iter().map(|(name, speed)| report(name, *speed)).collect();
        let picture = picture(&reports);
        let mut places: Vec<&str> = picture
            .lines()
            .filter_map(|line| line.split_once("cx=")?.1.split_once(" r="))
            .map(|(at, _)| at)
            .collect();
        assert_eq!(places.len(), reports.len());
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), reports.len(), "two dots at one place: {picture}");
        for part in
            [">a<", ">b<", ">4 of 4<", ">0 of 2<", "class=\"behind\"", "class=\"even\"", "<title>a/4 3.00<"]
        {
            assert!(picture.contains(part), "{part}: {picture}");
        }
        assert_eq!(picture.matches("class=\"ahead\"").count(), 4);
    }

    #[test]
    fn without_figures_there_is_a_picture_without_dots() {
        assert!(!picture(&[]).contains("<circle"));
    }
}
