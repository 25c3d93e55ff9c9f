//! Where it goes wrong, and the sentence that says why.

use super::order::{Order, happens_before, infer};
use super::record::{Did, Operation, Orders, RecordedStep};
use super::{Execution, list};

/// How the execution ended.
pub(super) enum Ending {
    /// The last step is an access to data, and this earlier one is not ordered before it.
    Race { earlier: usize },
    /// Nobody can go on. These wait: the thread, the step at which it began, and in whose queue it is.
    Deadlock { parked: Vec<Parked> },
    /// An assertion, or another panic.
    Panic,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Parked {
    pub(super) thread: usize,
    pub(super) step: usize,
    pub(super) object: usize,
}

impl Ending {
    pub(super) fn find(message: &str, steps: &[RecordedStep], orders: &[Order]) -> Ending {
        if message.contains(super::DEADLOCK) {
            return Ending::Deadlock { parked: parked(steps) };
        }
        if message.contains(super::RACE)
            && let Some(earlier) = conflict(steps, orders)
        {
            return Ending::Race { earlier };
        }
        Ending::Panic
    }

    /// Whether this step has a part in the failure, besides the last one.
    pub(super) fn concerns(&self, step: usize) -> bool {
        match self {
            Ending::Race { earlier } => *earlier == step,
            Ending::Deadlock { parked } => parked.iter().any(|parked| parked.step == step),
            Ending::Panic => false,
        }
    }
}

/// The newest access to the same data by another thread that nothing orders before the last step.
fn conflict(steps: &[RecordedStep], orders: &[Order]) -> Option<usize> {
    let last = steps.len().checked_sub(1)?;
    let is_write = |step: usize| match steps[step].what {
        Did::CellWrite => Some(true),
        Did::CellRead => Some(false),
        _ => None,
    };
    let writes = is_write(last)?;
    let conflicts = |&step: &usize| {
        steps[step].object == steps[last].object
            && steps[step].thread != steps[last].thread
            && is_write(step).is_some_and(|other| other || writes)
    };
    let unordered = |step: &usize| !happens_before(steps, orders, *step, last);
    let mut before = (0..last).rev().filter(conflicts);
    before.clone().find(unordered).or_else(|| before.next())
}

/// Who is in a queue at the end.
fn parked(steps: &[RecordedStep]) -> Vec<Parked> {
    let mut parked: Vec<Parked> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        match &step.what {
            Did::Waits { .. } => {
                parked.push(Parked { thread: step.thread, step: index, object: step.object });
            }
            Did::Unparked { .. } | Did::TimedOut => parked.retain(|other| other.thread != step.thread),
            Did::Woke { woken, moved, to, .. } => {
                parked.retain(|other| !woken.contains(&other.thread));
                for other in parked.iter_mut().filter(|other| moved.contains(&other.thread)) {
                    other.object = *to;
                }
            }
            _ => {}
        }
    }
    parked.sort_by_key(|parked| parked.thread);
    parked
}

/// What happened, in words.
pub(super) fn caption(execution: &Execution) -> String {
    let Execution { recorded, orders, names, .. } = execution;
    let steps = &recorded.steps;
    let mut out = Vec::new();
    let broken: Vec<usize> = (0..steps.len()).filter(|&step| steps[step].planted).collect();
    match &execution.ending {
        Ending::Race { earlier } => {
            let last = steps.len() - 1;
            let does =
                |step: usize| if matches!(steps[step].what, Did::CellWrite) { "write" } else { "read" };
            let ordered = if happens_before(steps, orders, *earlier, last) {
                "is not over yet"
            } else {
                "is not ordered before it"
            };
            out.push(format!(
                "A data race: T{} {}s `{}` at #{last}, and T{}'s {} at #{earlier} {ordered}.",
                steps[last].thread,
                does(last),
                names[steps[last].object],
                steps[*earlier].thread,
                does(*earlier),
            ));
        }
        Ending::Deadlock { parked } if parked.is_empty() => {
            out.push("A deadlock: no thread can go on, though none waits in a queue.".to_owned());
        }
        Ending::Deadlock { parked } => {
            let waits: Vec<String> = parked
                .iter()
                .map(|parked| {
                    format!(
                        "T{} waits in the queue of `{}` since #{}",
                        parked.thread, names[parked.object], parked.step
                    )
                })
                .collect();
            let them = if parked.len() == 1 { "it" } else { "them" };
            out.push(format!("A deadlock: {}, and nobody is left to wake {them}.", waits.join(", ")));
        }
        Ending::Panic if recorded.message.contains(super::RACE) => {
            let what = recorded.message.split_once(": ").map_or("", |(_, what)| what).lines().next();
            let what = what.unwrap_or_default().trim_end_matches('.');
            let at = super::shorten(&recorded.place);
            let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
            // loom raises it before the step is done, so it is not in the drawing.
            out.push(format!("A data race{at}, in the step after the last one: {what}."));
        }
        Ending::Panic => {
            let lines = recorded.message.lines().map(str::trim).filter(|line| !line.is_empty());
            let message: String = lines.collect::<Vec<_>>().join(", ").chars().take(200).collect();
            out.push(format!(
                "It fails at {}: {}.",
                super::shorten(&recorded.place),
                message.trim_end_matches('.')
            ));
        }
    }
    let guilty = guilty(steps, &execution.ending, &broken);
    if let Some(&last) = guilty.last() {
        out.push(blame(execution, last, guilty.len()));
    }
    if broken.len() > 1 {
        let all: Vec<String> = broken.iter().map(|step| format!("#{step}")).collect();
        out.push(format!("It ran broken at {}.", all.join(", ")));
    }
    out.join(" ")
}

/// Of the broken steps those that made the difference: if one of them alone were whole, there would be no race. All, where
/// that can't be said.
fn guilty(steps: &[RecordedStep], ending: &Ending, broken: &[usize]) -> Vec<usize> {
    let Ending::Race { earlier } = *ending else { return broken.to_vec() };
    if broken.len() < 2 {
        return broken.to_vec();
    }
    let would_order = |step: &usize| {
        let mut steps = steps.to_vec();
        if let Did::Fence { orders } | Did::Atomic(Operation { orders, .. }) = &mut steps[*step].what {
            orders.used.clone_from(&orders.source);
        }
        happens_before(&steps, &infer(&steps), earlier, steps.len() - 1)
    };
    let guilty: Vec<usize> = broken.iter().copied().filter(would_order).collect();
    if guilty.is_empty() { broken.to_vec() } else { guilty }
}

/// What a broken step did not do.
fn blame(execution: &Execution, step: usize, times: usize) -> String {
    let Execution { recorded, names, .. } = execution;
    let steps = &recorded.steps;
    let RecordedStep { thread, object, what, .. } = &steps[step];
    let said = &execution.steps[step];
    // All broken steps are at one place: what can be said of it is said of all.
    let at = if times > 1 { format!(" of {}", said.place) } else { format!(" at #{step}") };
    let whose = if times > 1 { "The ".to_owned() } else { format!("T{thread}'s ") };
    let (orders, what_it_is) = match what {
        Did::Atomic(operation) => (&operation.orders, format!("{whose}{}{at}", said.operation)),
        Did::Fence { orders } => (orders, format!("{whose}fence{at}")),
        Did::Waits { .. } => {
            return format!(
                "At #{step} T{thread} parked without a last look at the word, and would not have waited."
            );
        }
        Did::Woke { name, woken, moved, .. } => {
            let picked: Vec<usize> = woken.iter().chain(moved).copied().collect();
            let queue = &names[*object];
            return if picked.is_empty() {
                format!(
                    "T{thread}'s {name} at #{step} was made to wake nobody, with the queue of `{queue}` not empty."
                )
            } else {
                format!(
                    "T{thread}'s {name} at #{step} was made to take only {}, and others were left in the queue of `{queue}`.",
                    list(&picked)
                )
            };
        }
        _ => return format!("Broken: #{step}."),
    };
    let was = Orders { source: orders.source.clone(), used: orders.source.clone() };
    let lost_release = was.is_release() && !orders.is_release();
    let lost_acquire = was.is_acquire() && !orders.is_acquire();
    let reads = said.reads.as_ref().and_then(|reads| reads.from).filter(|_| times == 1);
    let from = reads.map_or(String::new(), |from| format!(" of what came before #{from}"));
    let effect = match (lost_release, lost_acquire) {
        (true, true) if matches!(what, Did::Fence { .. }) => "ordered nothing".to_owned(),
        (true, true) => format!("published nothing, and saw nothing{from}"),
        (true, false) => "published nothing".to_owned(),
        (false, true) => format!("saw nothing{from}"),
        (false, false) => "took no part in the one order of all SeqCst operations".to_owned(),
    };
    let effect = effect.replace("saw nothing of", "took over nothing of");
    format!("{what_it_is}, {} made {}, {effect}.", orders.source, orders.used)
}
