//! A service with nothing to do until much later sleeps. Alone in this process, so that its thread is easily found.

#![cfg(all(target_os = "linux", not(feature = "loom")))]

mod common;

use std::fs;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use common::{LONG, Whereabouts, wait_until, within};
use raddle::Timers;

/// How often that thread has gone to sleep of its own will: each wake-up is followed by one.
fn voluntary_switches(task: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{task}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_service_that_waits_for_a_far_deadline_does_not_wake_up() {
    const REST: Duration = Duration::from_secs(1);

    within(|| {
        let timers = Timers::new();
        let task = Arc::new(OnceLock::new());
        let asleep = Arc::new(Whereabouts::new());
        let far = timers.after(Duration::from_secs(3600), || {});
        // Cancelled ones near by, too: the thread may look once for each slot that they were in, and not more.
        let near: Vec<_> = (1..=8).map(|n| timers.after(LONG + n * LONG, || {})).collect();
        assert!(near.iter().all(|timer| timer.cancel()));
        timers
            .after(Duration::from_millis(1), {
                let (task, asleep) = (Arc::clone(&task), Arc::clone(&asleep));
                move || {
                    let path = fs::read_link("/proc/thread-self").unwrap();
                    task.set(path.file_name().unwrap().to_str().unwrap().to_owned()).unwrap();
                    asleep.about_to_block();
                }
            })
            .join();
        asleep.wait_until_asleep();
        thread::sleep(Duration::from_millis(20));
        let before = voluntary_switches(task.get().unwrap());
        // Those that come later than what it sleeps for do not wake it either, nor do those that go.
        for n in 0..100 {
            let later = timers.after(Duration::from_secs(4000 + n), || {});
            assert!(later.cancel());
            thread::sleep(REST / 100);
        }
        let wake_ups = voluntary_switches(task.get().unwrap()) - before;
        assert!(wake_ups <= 2, "{wake_ups} wake-ups in {REST:?}");
        assert!(!far.is_finished());

        // Awake in a moment, when there is something to do.
        assert!(timers.after(Duration::ZERO, || {}).join_for(LONG));
        // It goes to sleep again, which shows that this is counted.
        wait_until("it has gone to sleep again", || voluntary_switches(task.get().unwrap()) > before);
    });
}
