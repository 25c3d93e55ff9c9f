//! Planted faults: a model that cannot fail proves nothing, so here the library is broken on purpose, one site at a time
//! and at run time, and a named model has to notice.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering as PlainOrdering};

use raddle::primitives::atomic::Ordering;
use raddle::primitives::model::weaken::{self, Fault, Operation, Site};

use crate::models::Model;
use crate::{Outcome, in_parallel, run_in_child};

/// A fault that has to be found.
struct Planted {
    what: &'static str,
    /// The model that has to fail.
    model: &'static str,
    /// The end of the file's name.
    file: &'static str,
    /// Which operations of that file, as far as the model reaches them. Each is broken by itself.
    operations: &'static [Op],
    fault: Fault,
}

use Op::{CompareExchange, Fence, Load, Parking, Rmw, Store};

/// An operation, as [`Operation`] but comparable with what a child prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Load(Ordering),
    Store(Ordering),
    Rmw(&'static str),
    CompareExchange(Ordering),
    /// Whatever its ordering.
    Fence,
    Parking(&'static str),
}

impl Op {
    fn matches(self, operation: &str) -> bool {
        match self {
            Load(order) => operation == format!("Load({order:?})"),
            Store(order) => operation == format!("Store({order:?})"),
            CompareExchange(order) => operation.starts_with(&format!("CompareExchange({order:?}, ")),
            Rmw(name) => operation.starts_with(&format!("Rmw({name:?}, ")),
            Fence => operation.starts_with("Fence("),
            Parking(name) => operation == format!("Parking({name:?})"),
        }
    }
}

const RELAXED: Fault = Fault::Order(Ordering::Relaxed);

const PLANTED: &[Planted] = &[
    Planted {
        what: "Lock: acquire made Relaxed",
        model: "lock_two_threads",
        file: "lock/raw.rs",
        operations: &[CompareExchange(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "Lock: release made Relaxed",
        model: "lock_two_threads_twice",
        file: "lock/raw.rs",
        operations: &[CompareExchange(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "Lock: unlock wakes nobody",
        model: "lock_two_threads",
        file: "lock/raw.rs",
        operations: &[Parking("unpark_one")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Lock: parks without a last look at the word",
        model: "lock_two_threads",
        file: "lock/raw.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "RLock: the lock inside orders nothing when it is acquired",
        model: "rlock_nested",
        file: "lock/raw.rs",
        operations: &[CompareExchange(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "RLock: the lock inside orders nothing when it is released",
        model: "rlock_both_nested",
        file: "lock/raw.rs",
        operations: &[CompareExchange(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "Condition: notify finds nobody",
        model: "condition_notify",
        file: "condition/raw.rs",
        operations: &[Parking("unpark_requeue")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Condition: notify after the release finds nobody",
        model: "condition_notify_after_release",
        file: "condition/raw.rs",
        operations: &[Parking("unpark_requeue")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Condition: notify_all moves one, with the lock held",
        model: "condition_notify_all_lock_held",
        file: "condition/raw.rs",
        operations: &[Parking("unpark_requeue")],
        fault: Fault::UnparkOneForAll,
    },
    Planted {
        what: "Condition: notify_all wakes one and leaves the rest, with the lock free",
        model: "condition_notify_all_lock_free",
        file: "condition/raw.rs",
        operations: &[Parking("unpark_requeue")],
        fault: Fault::UnparkOneForAll,
    },
    Planted {
        what: "Condition: the lock is not published to notifiers",
        model: "condition_one_lock_after_another_timed",
        file: "condition/raw.rs",
        operations: &[CompareExchange(Ordering::Release), Load(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "Condition: waits whatever lock the others came with",
        model: "condition_two_locks_at_once",
        file: "condition/raw.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Condition: the lock's unlock forgets those who were moved",
        model: "condition_notify",
        file: "lock/raw.rs",
        operations: &[Parking("unpark_one")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Condition: a fair unlock forgets those who were moved",
        model: "condition_hand_off",
        file: "lock/raw.rs",
        operations: &[Parking("unpark_filter")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Semaphore: acquire made Relaxed",
        model: "semaphore_two_threads",
        file: "semaphore/raw.rs",
        operations: &[CompareExchange(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "Semaphore: release made Relaxed",
        model: "semaphore_two_threads",
        file: "semaphore/raw.rs",
        operations: &[CompareExchange(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "Semaphore: a grant does not see the releases before it",
        model: "semaphore_grant_of_two_releases",
        file: "semaphore/raw.rs",
        operations: &[CompareExchange(Ordering::AcqRel)],
        fault: Fault::Order(Ordering::Release),
    },
    Planted {
        what: "Semaphore: a release with waiters publishes nothing",
        model: "semaphore_starving",
        file: "semaphore/raw.rs",
        operations: &[CompareExchange(Ordering::AcqRel)],
        fault: Fault::Order(Ordering::Acquire),
    },
    Planted {
        what: "Semaphore: a release looks at nobody",
        model: "semaphore_two_threads",
        file: "semaphore/raw.rs",
        operations: &[Parking("unpark_filter")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Semaphore: parks without a last look at the word",
        model: "semaphore_starving",
        file: "semaphore/raw.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Event: set made Relaxed",
        model: "event_set_wait",
        file: "event/raw.rs",
        operations: &[CompareExchange(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "Event: set wakes one of two",
        model: "event_two_waiters",
        file: "event/raw.rs",
        operations: &[Parking("unpark_all")],
        fault: Fault::UnparkOneForAll,
    },
    Planted {
        what: "Event: parks without a last look at the word",
        model: "event_set_wait",
        file: "event/raw.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Event: a clear does not see the set that it undoes",
        model: "event_clear_look_wait",
        file: "event/raw.rs",
        operations: &[Rmw("fetch_and")],
        fault: RELAXED,
    },
    Planted {
        what: "Barrier: an arrival publishes nothing",
        model: "barrier_two_threads",
        file: "barrier/raw.rs",
        operations: &[CompareExchange(Ordering::AcqRel)],
        fault: Fault::Order(Ordering::Acquire),
    },
    Planted {
        what: "Barrier: the last does not see the others",
        model: "barrier_two_threads",
        file: "barrier/raw.rs",
        operations: &[CompareExchange(Ordering::AcqRel)],
        fault: Fault::Order(Ordering::Release),
    },
    Planted {
        what: "Barrier: the released see nothing",
        model: "barrier_two_threads",
        file: "barrier/raw.rs",
        operations: &[Load(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "Barrier: the end of the action publishes nothing",
        model: "barrier_action",
        file: "barrier/raw.rs",
        operations: &[CompareExchange(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "Barrier: the last wakes nobody",
        model: "barrier_two_threads",
        file: "barrier/raw.rs",
        operations: &[Parking("unpark_all")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Queue: nobody is told of an item",
        model: "queue_ring_hand_over",
        file: "queue/raw.rs",
        operations: &[Parking("unpark_one")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Queue: nobody is told of room",
        model: "queue_ring_room",
        file: "queue/raw.rs",
        operations: &[Parking("unpark_one")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Queue: a getter parks without a last look at the word",
        model: "queue_ring_hand_over",
        file: "queue/raw.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Queue: a putter parks without a last look at the word",
        model: "queue_ring_room",
        file: "queue/raw.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Queue: a shutdown wakes nobody",
        model: "queue_ring_shutdown_putter",
        file: "queue/raw.rs",
        operations: &[Parking("unpark_all")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Queue: a shutdown reaches one getter of two",
        model: "queue_ring_shutdown_getters",
        file: "queue/raw.rs",
        operations: &[Parking("unpark_all")],
        fault: Fault::UnparkOneForAll,
    },
    Planted {
        what: "Queue: a shutdown publishes nothing",
        model: "queue_ring_shutdown_getter",
        file: "queue/raw.rs",
        operations: &[Rmw("fetch_or")],
        fault: RELAXED,
    },
    Planted {
        what: "Queue: who finds the queue shut down sees nothing",
        model: "queue_shutdown_look",
        file: "queue/raw.rs",
        operations: &[Load(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "Queue: the last task_done wakes nobody",
        model: "queue_join_sees_all_who_did",
        file: "queue/raw.rs",
        operations: &[Parking("unpark_filter")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Queue: a join parks without a last look at the word",
        model: "queue_join_sees_all_who_did",
        file: "queue/raw.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Queue: a task_done publishes nothing",
        model: "queue_join_sees_all_who_did",
        file: "queue/raw.rs",
        operations: &[CompareExchange(Ordering::AcqRel)],
        fault: Fault::Order(Ordering::Acquire),
    },
    Planted {
        what: "Queue: a task_done knows nothing of those who join",
        model: "queue_join_knows_what_was_put",
        file: "queue/raw.rs",
        operations: &[CompareExchange(Ordering::AcqRel)],
        fault: Fault::Order(Ordering::Release),
    },
    Planted {
        what: "Queue: a join does not tell what was put before",
        model: "queue_join_knows_what_was_put",
        file: "queue/raw.rs",
        operations: &[CompareExchange(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "List: a block in limbo is not shown to who takes it from there",
        model: "queue_list_limbo_changes_hands",
        file: "queue/list.rs",
        operations: &[Rmw("swap")],
        fault: RELAXED,
    },
    Planted {
        what: "Ring: a stamp publishes neither an item nor an empty slot",
        model: "queue_ring_capacity_one",
        file: "queue/ring.rs",
        operations: &[Store(Ordering::Release), Load(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "Deque: no fence between the two steps of a pop or a steal",
        model: "deque_two_items",
        file: "pool/deque.rs",
        operations: &[Fence],
        fault: RELAXED,
    },
    Planted {
        what: "Deque: the fences order no stores before loads",
        model: "deque_two_items",
        file: "pool/deque.rs",
        operations: &[Fence],
        fault: Fault::Order(Ordering::AcqRel),
    },
    Planted {
        what: "Deque: a push publishes nothing",
        model: "deque_empty",
        file: "pool/deque.rs",
        operations: &[Store(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "Deque: a longer buffer is not shown",
        model: "deque_grows_for_a_thief",
        file: "pool/deque.rs",
        operations: &[Store(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "Sleep: a fence is missing",
        model: "sleep_two_workers",
        file: "pool/sleep.rs",
        operations: &[Fence],
        fault: RELAXED,
    },
    Planted {
        what: "Sleep: nobody is woken for a job",
        model: "sleep_notify",
        file: "pool/sleep.rs",
        operations: &[Parking("unpark_one")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Sleep: a worker lies down though its wake-up is pending",
        model: "sleep_notify",
        file: "pool/sleep.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Sleep: who could not start a worker leaves its jobs",
        model: "sleep_not_started",
        file: "pool/sleep.rs",
        operations: &[Fence],
        fault: Fault::Order(Ordering::AcqRel),
    },
    Planted {
        what: "Sleep: one of two hears that it is over",
        model: "sleep_three_workers_close",
        file: "pool/sleep.rs",
        operations: &[Parking("unpark_all")],
        fault: Fault::UnparkOneForAll,
    },
    Planted {
        what: "Sleep: nobody hears that it is over",
        model: "sleep_two_workers_close",
        file: "pool/sleep.rs",
        operations: &[Parking("unpark_all")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Sleep: a worker lies down though it is over",
        model: "sleep_two_workers_close",
        file: "pool/sleep.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Latch: a count down publishes nothing",
        model: "latch_wait",
        file: "pool/latch.rs",
        operations: &[CompareExchange(Ordering::Release)],
        fault: RELAXED,
    },
    Planted {
        what: "Latch: the last publishes nothing to a parked waiter",
        model: "latch_wait",
        file: "pool/latch.rs",
        operations: &[Rmw("fetch_sub")],
        fault: RELAXED,
    },
    Planted {
        what: "Latch: the waiter sees nothing",
        model: "latch_wait",
        file: "pool/latch.rs",
        operations: &[Load(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "Latch: the last wakes nobody",
        model: "latch_wait",
        file: "pool/latch.rs",
        operations: &[Parking("unpark_one")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Latch: parks without a last look at the word",
        model: "latch_wait",
        file: "pool/latch.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Latch: nobody is told of a job to help with",
        model: "latch_add",
        file: "pool/latch.rs",
        operations: &[Parking("unpark_one")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Job: its end publishes nothing",
        model: "task_join",
        file: "pool/task.rs",
        operations: &[CompareExchange(Ordering::AcqRel)],
        fault: Fault::Order(Ordering::Acquire),
    },
    Planted {
        what: "Job: its end wakes nobody",
        model: "task_join",
        file: "pool/task.rs",
        operations: &[Parking("unpark_filter")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Job: its end wakes one of two",
        model: "task_two_wait",
        file: "pool/task.rs",
        operations: &[Parking("unpark_filter")],
        fault: Fault::UnparkOneForAll,
    },
    Planted {
        what: "Job: parks without a last look at the word",
        model: "task_join",
        file: "pool/task.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Job: who looks whether it is done sees nothing",
        model: "task_try_join",
        file: "pool/task.rs",
        operations: &[Load(Ordering::Acquire)],
        fault: RELAXED,
    },
    Planted {
        what: "Job: who frees it has not seen its end",
        model: "task_handle_dropped",
        file: "pool/task.rs",
        operations: &[Rmw("fetch_and")],
        fault: Fault::Order(Ordering::Release),
    },
    Planted {
        what: "Timer: its end publishes nothing",
        model: "timer_fires",
        file: "timer/node.rs",
        operations: &[CompareExchange(Ordering::AcqRel)],
        fault: Fault::Order(Ordering::Acquire),
    },
    Planted {
        what: "Timer: its end wakes nobody",
        model: "timer_fires",
        file: "timer/node.rs",
        operations: &[Parking("unpark_filter")],
        fault: Fault::SkipUnpark,
    },
    Planted {
        what: "Timer: parks without a last look at the word",
        model: "timer_fires",
        file: "timer/node.rs",
        operations: &[Parking("park")],
        fault: Fault::SkipValidate,
    },
    Planted {
        what: "Timer: the service is not told of a new one",
        model: "timer_fires_again_later",
        file: "event/raw.rs",
        operations: &[Parking("unpark_all")],
        fault: Fault::SkipUnpark,
    },
];

/// Writes a site and a fault so that a child can read them.
fn spell(site: &SiteText, fault: Fault) -> String {
    let fault = match fault {
        Fault::Order(order) => format!("order={order:?}"),
        Fault::FailureOrder(order) => format!("failure={order:?}"),
        Fault::SkipUnpark => "skip-unpark".to_owned(),
        Fault::UnparkOneForAll => "unpark-one".to_owned(),
        Fault::SkipValidate => "skip-validate".to_owned(),
    };
    format!("{}|{}|{}|{fault}", site.file, site.line, site.column)
}

/// Plants what [`spell`] wrote.
pub(crate) fn plant(text: &str) {
    fn order(text: &str) -> Ordering {
        match text {
            "Relaxed" => Ordering::Relaxed,
            "Acquire" => Ordering::Acquire,
            "Release" => Ordering::Release,
            "AcqRel" => Ordering::AcqRel,
            _ => panic!("no such ordering: {text}"),
        }
    }
    let parts: Vec<&str> = text.split('|').collect();
    let [file, line, column, fault] = parts[..] else { panic!("not a fault: {text}") };
    let fault = match fault.split_once('=') {
        Some(("order", text)) => Fault::Order(order(text)),
        Some(("failure", text)) => Fault::FailureOrder(order(text)),
        None if fault == "skip-unpark" => Fault::SkipUnpark,
        None if fault == "unpark-one" => Fault::UnparkOneForAll,
        None if fault == "skip-validate" => Fault::SkipValidate,
        _ => panic!("not a fault: {text}"),
    };
    let site = Site {
        file: String::from(file).leak(),
        line: line.parse().expect("a line"),
        column: column.parse().expect("a column"),
    };
    weaken::plant(site, fault);
}

/// A site as a child printed it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct SiteText {
    file: String,
    line: u32,
    column: u32,
    operation: String,
}

/// Prints every site that the model reaches.
pub(crate) fn print_coverage(model: &Model) -> ExitCode {
    weaken::start_coverage();
    if let Err(message) = crate::run_here(model) {
        eprintln!("{message}");
        return ExitCode::FAILURE;
    }
    for (site, operation) in weaken::coverage() {
        let operation: Operation = operation;
        println!("{}|{}|{}|{operation:?}", site.file, site.line, site.column);
    }
    ExitCode::SUCCESS
}

/// The sites of the library that a model reaches, from a process of its own.
fn coverage(model: &str) -> Vec<SiteText> {
    let output = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--coverage", model])
        .output()
        .expect("this program can be started");
    assert!(
        output.status.success(),
        "{model} fails without a fault: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(4, '|');
            Some(SiteText {
                file: parts.next()?.to_owned(),
                line: parts.next()?.parse().ok()?,
                column: parts.next()?.parse().ok()?,
                operation: parts.next()?.to_owned(),
            })
        })
        .filter(|site| !site.file.contains("loom-tests") && !site.file.starts_with("src/"))
        .collect()
}

/// Plants the faults with `filter` in their description, and requires that each is found.
pub(crate) fn run(filter: &str) -> ExitCode {
    let planted: Vec<&Planted> = PLANTED.iter().filter(|planted| planted.what.contains(filter)).collect();
    let missed = AtomicUsize::new(0);
    let found = AtomicUsize::new(0);
    in_parallel(planted, |planted| {
        let sites: Vec<SiteText> = coverage(planted.model)
            .into_iter()
            .filter(|site| site.file.ends_with(planted.file))
            .filter(|site| planted.operations.iter().any(|op| op.matches(&site.operation)))
            .collect();
        if sites.is_empty() {
            missed.fetch_add(1, PlainOrdering::Relaxed);
            println!("{:60} NO SUCH SITE in {}", planted.what, planted.model);
        }
        for site in sites {
            let place = format!("{}:{}", planted.file, site.line);
            match run_in_child(planted.model, Some(&spell(&site, planted.fault))) {
                Outcome::Failed(_) => {
                    found.fetch_add(1, PlainOrdering::Relaxed);
                    println!("{:60} {place:24} found by {}", planted.what, planted.model);
                }
                Outcome::Passed { .. } => {
                    missed.fetch_add(1, PlainOrdering::Relaxed);
                    println!("{:60} {place:24} NOT FOUND by {}", planted.what, planted.model);
                }
                Outcome::Unknown(_) => {
                    missed.fetch_add(1, PlainOrdering::Relaxed);
                    println!("{:60} {place:24} NOT FINISHED in {}", planted.what, planted.model);
                }
            }
        }
    });
    let (missed, found) = (missed.into_inner(), found.into_inner());
    println!("{found} planted faults found, {missed} missed");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Breaks every site of the files with `file` in their names, a notch at a time, and lists what no model notices.
pub(crate) fn survivors(file: &str, models: &str) -> ExitCode {
    let reached: Mutex<BTreeMap<SiteText, Vec<(usize, &'static str)>>> = Mutex::new(BTreeMap::new());
    let models = crate::every_model().into_iter().filter(|model| model.name.contains(models)).collect();
    in_parallel(models, |model| {
        let Outcome::Passed { executions, .. } = run_in_child(model.name, None) else {
            println!("{} fails without a fault", model.name);
            return;
        };
        for site in coverage(model.name) {
            if site.file.contains(file) {
                let mut reached = reached.lock().expect("no panic with the table");
                reached.entry(site).or_default().push((executions, model.name));
            }
        }
    });
    let mut mutants = Vec::new();
    for (site, mut models) in reached.into_inner().expect("no panic with the table") {
        models.sort_unstable();
        for fault in weaker(&site.operation) {
            mutants.push((site.clone(), models.clone(), fault));
        }
    }
    println!("{} mutants", mutants.len());
    let survived = AtomicUsize::new(0);
    in_parallel(mutants, |(site, models, fault)| {
        let text = spell(&site, fault);
        let mut unknown = false;
        for (_, model) in &models {
            match run_in_child(model, Some(&text)) {
                Outcome::Failed(_) => return,
                Outcome::Passed { .. } => {}
                Outcome::Unknown(_) => unknown = true,
            }
        }
        survived.fetch_add(1, PlainOrdering::Relaxed);
        let name = site.file.rsplit_once("src/").map_or(site.file.as_str(), |(_, name)| name);
        println!(
            "survives{}: {name}:{}:{} {} {fault:?}  ({} models)",
            if unknown { " (not finished)" } else { "" },
            site.line,
            site.column,
            site.operation,
            models.len()
        );
    });
    println!("{} survived", survived.into_inner());
    ExitCode::SUCCESS
}

/// The faults one notch from what stands there.
fn weaker(operation: &str) -> Vec<Fault> {
    let order = |text: &str| match text {
        "SeqCst" => vec![Ordering::AcqRel],
        "AcqRel" => vec![Ordering::Acquire, Ordering::Release],
        "Acquire" | "Release" => vec![Ordering::Relaxed],
        _ => vec![],
    };
    let Some((name, rest)) = operation.trim_end_matches(')').split_once('(') else { return vec![] };
    let last = rest.rsplit(", ").next().unwrap_or(rest);
    match name {
        "Load" | "Store" | "Fence" | "Rmw" => order(last).into_iter().map(Fault::Order).collect(),
        "CompareExchange" => {
            let first = rest.split(", ").next().unwrap_or(rest);
            let mut faults: Vec<Fault> = order(first).into_iter().map(Fault::Order).collect();
            faults.extend(order(last).into_iter().map(Fault::FailureOrder));
            faults
        }
        "Parking" if rest.contains("unpark_all") => vec![Fault::SkipUnpark, Fault::UnparkOneForAll],
        "Parking" if rest.contains("unpark") => vec![Fault::SkipUnpark],
        "Parking" => vec![Fault::SkipValidate],
        _ => vec![],
    }
}
