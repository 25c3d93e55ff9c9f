//! The plots. Where there is text beside them it is HTML, so that it keeps its size however narrow the page is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{anchor, escape, number, times};
use crate::harness::{BASE, Quantity, Role};
use crate::report::{Outcome, Report, STAR_BELOW, Spread};

/// The plots are so wide, in units of their own; they are stretched.
const WIDTH: f64 = 1000.0;

/// The least and the most speed that has a place on the axis.
const SPEEDS: (f64, f64) = (0.1, 20.0);
pub(super) const SPEED_TICKS: [f64; 8] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

/// Where a speed is on the axis, in parts of it.
pub(super) fn speed_place(speed: f64) -> f64 {
    (speed.clamp(SPEEDS.0, SPEEDS.1) / SPEEDS.0).ln() / (SPEEDS.1 / SPEEDS.0).ln()
}

/// The first part of a workload's name.
pub(super) fn family(report: &Report) -> &str {
    report.name.split('/').next().unwrap_or_default()
}

/// The base's speed in each workload.
pub(super) fn standings(reports: &[Report]) -> String {
    let mut out = String::from("<div class=\"axis\"><span>workload</span><div class=\"ticks\">");
    // Writing to a string cannot fail.
    for tick in SPEED_TICKS {
        let _ = write!(out, "<span style=\"left:{:.1}%\">{tick}</span>", 100.0 * speed_place(tick));
    }
    let _ = writeln!(out, "</div><span>speed</span><span>best peer</span></div>");
    let mut last = "";
    for report in reports {
        let Some(standing) = report.standing() else { continue };
        if family(report) != last {
            last = family(report);
            let _ = writeln!(out, "<h4>{}</h4>", escape(last));
        }
        let Spread { q1, median, q3 } = standing.speed;
        let class = standing_class(median);
        let _ = writeln!(
            out,
            "<div class=\"standing\"><span class=\"name\"><a href=\"#{}\">{}</a></span>{}\
             <span class=\"speed\">{} <small>{} – {}</small></span><span class=\"peer\">{}</span></div>",
            anchor(&report.name),
            escape(&report.name),
            standing_plot(standing.speed, class),
            times(median),
            times(q1),
            times(q3),
            escape(standing.peer.name)
        );
    }
    out
}

/// How a speed is coloured.
pub(super) fn standing_class(speed: f64) -> &'static str {
    match speed {
        below if below < STAR_BELOW => "behind",
        below if below < 1.0 => "even",
        _ => "ahead",
    }
}

/// How the line of a tick is drawn.
pub(super) fn tick_class(tick: f64) -> &'static str {
    if tick == 1.0 { "one" } else { "grid" }
}

fn standing_plot(speed: Spread, class: &str) -> String {
    let x = |speed: f64| WIDTH * speed_place(speed);
    let mut out = format!("<svg class=\"plot\" viewBox=\"0 0 {WIDTH} 10\" preserveAspectRatio=\"none\">");
    for tick in SPEED_TICKS {
        let kind = tick_class(tick);
        let _ = write!(out, "<path class=\"{kind}\" d=\"M{:.1} 0V10\"/>", x(tick));
    }
    let _ = write!(
        out,
        "<path class=\"range {class}\" d=\"M{:.1} 5H{:.1}\"/><path class=\"dot {class}\" d=\"M{:.1} 5h0\"/></svg>",
        x(speed.q1),
        x(speed.q3),
        x(speed.median)
    );
    out
}

/// A bar for each contender: its median, with a line over its quartiles.
pub(super) fn bars(report: &Report) -> String {
    /// A bar is no longer than so many times the shortest, or it would press the others flat.
    const MOST: f64 = 8.0;
    let spreads = || report.outcomes.iter().filter_map(Outcome::spread);
    let shortest = spreads().map(|spread| spread.median).fold(f64::INFINITY, f64::min);
    let longest = spreads().map(|spread| spread.q3).fold(0.0, f64::max);
    let longest = if report.quantity == Quantity::Time { longest.min(shortest * MOST) } else { longest };
    let x = |value: f64| WIDTH * (value / longest.max(f64::MIN_POSITIVE)).min(1.2);
    let mut out = String::new();
    for outcome in &report.outcomes {
        let own = if outcome.role == Role::Own { " own" } else { "" };
        let name = escape(outcome.name);
        // Writing to a string cannot fail.
        let _ = match outcome.spread() {
            Some(Spread { q1, median, q3 }) => writeln!(
                out,
                "<div class=\"bar{own}\"><span class=\"name\">{name}</span>\
                 <svg viewBox=\"0 0 {WIDTH} 10\" preserveAspectRatio=\"none\"><rect y=\"1\" height=\"8\" width=\"{:.1}\"/>\
                 <path class=\"range\" d=\"M{:.1} 5H{:.1}\"/></svg><span class=\"value\">{} <small>{} – {}</small></span></div>",
                x(median),
                x(q1),
                x(q3),
                number(median),
                number(q1),
                number(q3)
            ),
            None => writeln!(
                out,
                "<div class=\"bar{own}\"><span class=\"name\">{name}</span><span></span><span class=\"value\">–</span></div>"
            ),
        };
    }
    out
}

/// So much of one contender at so many threads.
type Curve = Vec<(f64, Spread)>;

/// All contenders of one type, and what their figures are.
#[derive(Default)]
struct Plot<'a> {
    measure: &'a str,
    curves: Vec<(&'a str, Curve)>,
}

/// A plot for each type in `scale/`: time per operation by threads, both logarithmic.
pub(super) fn curves(reports: &[Report]) -> String {
    // By type; the contenders in their order.
    let mut plots: BTreeMap<&str, Plot<'_>> = BTreeMap::new();
    for report in reports {
        let mut parts = report.name.split('/');
        let (Some("scale"), Some(kind), Some(Ok(threads))) =
            (parts.next(), parts.next(), parts.next().map(str::parse::<u32>))
        else {
            continue;
        };
        let Plot { measure, curves } = plots.entry(kind).or_default();
        *measure = &report.measure;
        for outcome in &report.outcomes {
            let Some(spread) = outcome.spread() else { continue };
            let known = curves.iter().position(|(name, _)| *name == outcome.name).unwrap_or_else(|| {
                curves.push((outcome.name, Vec::new()));
                curves.len() - 1
            });
            let curve = &mut curves[known].1;
            curve.push((f64::from(threads), spread));
        }
    }
    if plots.is_empty() {
        return String::new();
    }
    let mut out = String::from("<div class=\"curves\">\n");
    for (kind, Plot { measure, curves }) in plots {
        let _ = writeln!(out, "<section><h3>{}: {} by threads</h3>", escape(kind), escape(measure));
        out.push_str("<p class=\"legend\">");
        for (i, (name, _)) in curves.iter().enumerate() {
            let _ = write!(out, "<span class=\"s{}\">● {}</span>", i % 4, escape(name));
        }
        let _ = writeln!(out, "</p>\n{}</section>", curve_plot(kind, &curves));
    }
    out.push_str("</div>\n");
    out
}

fn curve_plot(kind: &str, curves: &[(&str, Curve)]) -> String {
    const SIZE: (f64, f64) = (340.0, 240.0);
    /// Left, right, top, bottom.
    const FRAME: (f64, f64, f64, f64) = (46.0, 332.0, 8.0, 214.0);
    let points = || curves.iter().flat_map(|(_, curve)| curve);
    let most_threads = points().map(|(threads, _)| *threads).fold(2.0, f64::max);
    let least = points().map(|(_, spread)| spread.q1).fold(f64::INFINITY, f64::min).max(1e-3);
    let most = points().map(|(_, spread)| spread.q3).fold(0.0, f64::max).max(least * 1.1);
    // Whole decades would waste half of the plot.
    let (low, high) = (least / 1.3, most * 1.3);
    let x = |threads: f64| FRAME.0 + (FRAME.1 - FRAME.0) * threads.ln() / most_threads.ln();
    let y = |ns: f64| FRAME.3 - (FRAME.3 - FRAME.2) * (ns.max(low) / low).ln() / (high / low).ln();

    // Writing to a string cannot fail.
    let mut out = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} of {BASE} and its peers\">",
        SIZE.0,
        SIZE.1,
        escape(kind)
    );
    let mut threads = 1.0;
    while threads <= most_threads {
        let at = x(threads);
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{at:.1} {}V{}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{threads}</text>",
            FRAME.2,
            FRAME.3,
            FRAME.3 + 16.0
        );
        threads *= 2.0;
    }
    for tick in ticks(low, high) {
        let at = y(tick);
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{} {at:.1}H{}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            FRAME.0,
            FRAME.1,
            FRAME.0 - 6.0,
            at + 4.0,
            short(tick)
        );
    }
    for (i, (_, curve)) in curves.iter().enumerate() {
        let line = |points: &mut dyn Iterator<Item = (f64, f64)>| -> String {
            points.map(|(threads, ns)| format!("L{:.1} {:.1}", x(threads), y(ns))).collect()
        };
        let middle = line(&mut curve.iter().map(|(threads, spread)| (*threads, spread.median)));
        let above = line(&mut curve.iter().map(|(threads, spread)| (*threads, spread.q3)));
        let below = line(&mut curve.iter().rev().map(|(threads, spread)| (*threads, spread.q1)));
        let class = i % 4;
        // A path begins with a move.
        let (middle, around) =
            (middle.replacen('L', "M", 1), format!("{above}{below}").replacen('L', "M", 1));
        let _ = write!(
            out,
            "<path class=\"s{class} band\" d=\"{around}Z\"/><path class=\"s{class}\" d=\"{middle}\"/>"
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Round numbers between the two: 1, 2, 5, 10 and so on; tenfold only, if they would be many.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = if high / low > 200.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    (-3..=12)
        .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
        .filter(|tick| (low..=high).contains(tick))
        .collect()
}

/// 20000 as "20k".
fn short(ns: f64) -> String {
    match ns {
        ns if ns >= 1e6 => format!("{}M", ns / 1e6),
        ns if ns >= 1e3 => format!("{}k", ns / 1e3),
        ns => format!("{}", (ns * 1e3).round() / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_on_the_axis() {
        assert_eq!(speed_place(0.01), 0.0);
        assert_eq!(speed_place(100.0), 1.0);
        assert!((speed_place(2.0) - speed_place(1.0) - speed_place(0.2)).abs() < 1e-9);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(15.0, 120.0), [20.0, 50.0, 100.0]);
        assert_eq!(ticks(1.0, 5000.0), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!((short(20_000.0), short(0.5), short(2e6)), ("20k".into(), "0.5".into(), "2M".into()));
    }
}
