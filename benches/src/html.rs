//! The page: everything that came of a run, with plots, in one file that needs no other.

mod plot;
mod summary;

use std::fmt::Write as _;

use crate::harness::BASE;
use crate::machine::Machine;
use crate::report::{Report, STAR_BELOW, Spread, digits};
use plot::{bars, curves, standings};
pub use summary::picture;

const STYLE: &str = include_str!("html/page.css");

/// The whole page.
#[must_use]
pub fn page(machine: &Machine, reports: &[Report]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{BASE} beside its peers</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{BASE} beside its peers</h1>\n"
    );
    out.push_str("<dl class=\"facts\">\n");
    for (what, fact) in machine.facts() {
        let _ = writeln!(out, "<dt>{what}</dt><dd>{}</dd>", escape(&fact));
    }
    out.push_str("</dl>\n");

    section(&mut out, "summary", "Summary");
    let _ = writeln!(
        out,
        "<p>{BASE}'s speed relative to that of the best peer, median and quartiles of the ratios of all rounds: right of the \
         line {BASE} is faster. {}</p>",
        behind(reports)
    );
    out.push_str(&standings(reports));

    let curves = curves(reports);
    if !curves.is_empty() {
        section(&mut out, "scaling", "Scaling");
        out.push_str(&curves);
    }

    section(&mut out, "workloads", "Workloads");
    out.push_str(
        "<p>Median and quartiles of each. A bar that leaves the frame is over eight times the best.</p>\n",
    );
    out.push_str("<div class=\"cards\">\n");
    for report in reports {
        card(&mut out, report);
    }
    out.push_str("</div>\n");

    section(&mut out, "table", "Table");
    table(&mut out, reports);
    out.push_str("</body>\n</html>\n");
    out
}

fn section(out: &mut String, id: &str, title: &str) {
    let _ = writeln!(out, "<h2 id=\"{id}\">{title}</h2>");
}

/// In how many workloads the base is behind, in a sentence.
fn behind(reports: &[Report]) -> String {
    let speeds: Vec<f64> =
        reports.iter().filter_map(|report| Some(report.standing()?.speed.median)).collect();
    let below = |bound: f64| speeds.iter().filter(|speed| **speed < bound).count();
    format!("Below 1.0: {} of {}; below {STAR_BELOW}: {}.", below(1.0), speeds.len(), below(STAR_BELOW))
}

/// One workload, with a bar for each contender.
fn card(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "<section class=\"card\" id=\"{}\">\n<h3>{}</h3>\n<p>{}. {}, {} rounds of {} {}s.</p>\n{}",
        anchor(&report.name),
        escape(&report.name),
        escape(&capitalised(&report.about)),
        escape(&report.measure),
        report.base().rounds.len(),
        report.units,
        escape(report.unit),
        bars(report)
    );
    for outcome in &report.outcomes {
        for note in report.notes(outcome) {
            let _ = writeln!(out, "<p class=\"note\">{}: {}</p>", escape(outcome.name), escape(&note));
        }
    }
    for who_and_why in &report.left_out {
        let _ = writeln!(out, "<p class=\"note\">Left out: {}</p>", escape(who_and_why));
    }
    out.push_str("</section>\n");
}

fn table(out: &mut String, reports: &[Report]) {
    let _ = writeln!(
        out,
        "<div class=\"wide\"><table>\n<thead><tr><th>workload</th><th>{BASE}</th><th>best peer</th><th>its</th>\
         <th>measure</th><th>speed</th><th>quartiles</th></tr></thead>\n<tbody>"
    );
    for report in reports {
        let own = report.base().spread().map_or_else(|| "–".to_owned(), |own| number(own.median));
        let _ = write!(out, "<tr><td>{}</td><td class=\"n\">{own}</td>", escape(&report.name));
        let measure = escape(&report.measure);
        match report.standing() {
            Some(standing) => {
                let Spread { q1, median, q3 } = standing.speed;
                let its = standing.peer.spread().map_or_else(|| "–".to_owned(), |its| number(its.median));
                let class = if median < STAR_BELOW { "n behind" } else { "n" };
                let _ = writeln!(
                    out,
                    "<td>{}</td><td class=\"n\">{its}</td><td>{measure}</td><td class=\"{class}\">{}</td>\
                     <td class=\"n\">{} – {}</td></tr>",
                    escape(standing.peer.name),
                    times(median),
                    times(q1),
                    times(q3)
                );
            }
            None => {
                let said = report.base().failure.as_deref().unwrap_or("nothing to compare");
                let _ = writeln!(
                    out,
                    "<td></td><td></td><td>{measure}</td><td></td><td>{}</td></tr>",
                    escape(said)
                );
            }
        }
    }
    out.push_str("</tbody>\n</table></div>\n");
}

/// So many digits as are worth it.
fn number(value: f64) -> String {
    if value >= 1000.0 { thousands(value) } else { format!("{value:.*}", digits(value)) }
}

/// A speed relative to another.
fn times(speed: f64) -> String {
    let digits = if speed < 10.0 { 2 } else { usize::from(speed < 100.0) };
    format!("{speed:.digits$}")
}

/// 12345.6 as "12 346", with narrow spaces.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What a link to a workload says.
fn anchor(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::harness::{self, Contender, Effort, Workload};

    /// A page that shows some of everything.
    fn example() -> String {
        let effort = Effort {
            least_rounds: 3,
            rounds: 3,
            sample: Duration::from_millis(1),
            limit: Duration::from_secs(1),
            time: None,
        };
        let workload = |name: String, factor: u32| {
            let contenders = vec![
                Contender::new(BASE, Duration::from_micros),
                Contender::new("a<b", move |units| Duration::from_micros(units) * factor),
            ];
            Workload::new(name, "item", 1, "one & only", contenders).without("c: cannot")
        };
        let workloads = [1, 2, 4].map(|threads| workload(format!("scale/lock/{threads}"), threads));
        let mut reports: Vec<Report> =
            workloads.iter().flat_map(|workload| harness::run(workload, effort)).collect();
        let mark = vec![Contender::mark("machine", Duration::from_micros)];
        reports.extend(harness::run(&Workload::new("limits/x", "item", 1, "it", mark), effort));
        page(&Machine::this(), &reports)
    }

    #[test]
    fn it_has_everything_and_needs_nothing() {
        let page = example();
        for part in
            ["id=\"summary\"", "id=\"scaling\"", "id=\"scale-lock-4\"", "Left out: c: cannot", "a&lt;b"]
        {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("a<b") && !page.contains("NaN") && !page.contains("inf"));
        for outside in ["http:", "https:", "src=", "<script", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        for tag in ["div", "section", "svg", "table", "dl", "p"] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1.2345), "1.234");
        assert_eq!(number(123.45), "123.5");
        assert_eq!(number(1_234_567.8), "1\u{202f}234\u{202f}568");
    }
}
