use super::record::Orders;
use super::*;

const LOCK: &str = "const UNLOCKED: u8 = 0; const LOCKED: u8 = 1; const PARKED: u8 = 2;
fn f(self) {
    self.state.compare_exchange(0, LOCKED | PARKED, Acquire, Relaxed);
    self.count.load(Relaxed);
}";

fn step(thread: usize, object: usize, line: u32, what: Did) -> RecordedStep {
    // Of the method, in both lines.
    let column = 16;
    RecordedStep { thread, object, file: "src/lock/raw.rs".to_owned(), line, column, planted: false, what }
}

fn cas(from: u64, to: u64, source: &str, used: &str) -> Did {
    Did::Atomic(Operation {
        name: "compare_exchange".to_owned(),
        word: WordType::U8,
        orders: Orders { source: source.to_owned(), used: used.to_owned() },
        read: Some(from),
        written: Some(to),
        wanted: None,
        latest: true,
    })
}

fn planted(step: RecordedStep) -> RecordedStep {
    RecordedStep { planted: true, ..step }
}

fn execution(message: &str, steps: Vec<RecordedStep>) -> Execution {
    let recorded = Recorded {
        message: message.to_owned(),
        place: "src/a.rs:1".to_owned(),
        steps,
        ..Recorded::default()
    };
    let mut sources = Sources::new(Path::new("/nowhere"));
    sources.insert("src/lock/raw.rs", LOCK);
    Execution::new(recorded, &mut sources)
}

fn race() -> Execution {
    execution(
        "Causality violation: Concurrent write accesses to `UnsafeCell`.",
        vec![
            step(0, 1, 3, cas(0, 1, "Acquire", "Acquire")),
            step(0, 2, 1, Did::CellWrite),
            step(0, 3, 4, cas(0, 1, "Relaxed", "Relaxed")),
            planted(step(0, 1, 3, cas(1, 0, "Release", "Relaxed"))),
            step(1, 1, 3, cas(0, 1, "Acquire", "Acquire")),
            step(1, 2, 1, Did::CellWrite),
        ],
    )
}

const PLAIN: Options = Options { width: 150, colour: false, all: false };

#[test]
fn a_race_is_told() {
    let race = race();
    assert_eq!(
        race.caption,
        "A data race: T1 writes `data` at #5, and T0's write at #1 is not ordered before it. \
         T0's state.cas at #3, Release made Relaxed, published nothing."
    );
    let text = race.text(PLAIN);
    assert!(text.contains("state.cas  UNLOCKED → LOCKED"), "{text}");
    assert!(text.contains("✗    3"), "{text}");
    assert!(text.contains("!    1"), "{text}");
    assert!(text.contains("!    5"), "{text}");
    assert!(text.contains("#3 (T0), NOT ordered"), "{text}");
}

#[test]
fn of_many_broken_steps_the_one_that_counts_is_named() {
    let steps = vec![
        planted(step(0, 1, 3, cas(0, 1, "Acquire", "Relaxed"))),
        step(0, 2, 1, Did::CellWrite),
        step(0, 1, 3, cas(1, 0, "Release", "Release")),
        planted(step(1, 1, 3, cas(0, 1, "Acquire", "Relaxed"))),
        step(1, 2, 1, Did::CellWrite),
    ];
    let race = execution("Causality violation: Concurrent write accesses to `UnsafeCell`.", steps);
    assert_eq!(
        race.caption,
        "A data race: T1 writes `data` at #4, and T0's write at #1 is not ordered before it. T1's state.cas at #3, \
         Acquire made Relaxed, took over nothing of what came before #2. It ran broken at #0, #3."
    );
}

#[test]
fn what_one_thread_does_alone_is_folded() {
    let race = race();
    assert_eq!(
        race.steps.iter().map(|step| step.aside).collect::<Vec<_>>(),
        [false, false, true, false, false, false]
    );
    let text = race.text(PLAIN);
    assert!(!text.contains("count") && text.contains("1 step of one thread alone"), "{text}");
    let text = race.text(Options { all: true, ..PLAIN });
    assert!(text.contains("count.cas"), "{text}");
}

#[test]
fn the_broken_step_is_never_folded() {
    let steps = vec![
        step(0, 1, 3, cas(0, 1, "Acquire", "Acquire")),
        planted(step(0, 3, 4, cas(0, 1, "Release", "Relaxed"))),
        step(1, 1, 3, cas(1, 3, "Acquire", "Acquire")),
    ];
    assert!(execution("a panic", steps).steps.iter().all(|step| !step.aside));
}

#[test]
fn a_deadlock_is_told() {
    let woke = Did::Woke { name: "unpark_one".to_owned(), woken: vec![], moved: vec![], to: 0 };
    let steps = vec![
        step(0, 1, 3, cas(0, 1, "Acquire", "Acquire")),
        step(1, 1, 1, Did::Waits { deadline: false }),
        step(2, 1, 1, Did::Waits { deadline: false }),
        step(0, 1, 1, Did::Woke { name: "unpark_one".to_owned(), woken: vec![1], moved: vec![], to: 0 }),
        planted(step(0, 1, 1, woke)),
    ];
    let deadlock = execution("deadlock; threads = []", steps);
    assert_eq!(
        deadlock.caption,
        "A deadlock: T2 waits in the queue of `state` since #2, and nobody is left to wake it. \
         T0's unpark_one at #4 was made to wake nobody, with the queue of `state` not empty."
    );
    let text = deadlock.text(PLAIN);
    assert!(text.contains("nobody wakes it") && text.contains("wakes T1"), "{text}");
}

#[test]
fn the_picture_is_the_same_each_time_and_stands_alone() {
    let title = "a < b & \"c\"";
    let svg = race().svg(title);
    assert_eq!(svg, race().svg(title));
    assert!(svg.contains("<title id=\"t\">a &lt; b &amp; &quot;c&quot;</title>"));
    assert!(svg.contains("prefers-color-scheme:dark"));
    assert!(!svg.contains("<script") && !svg.contains("href"));
    // Each text is closed, and nothing in it is mark-up.
    for line in svg.lines().filter(|line| line.starts_with("<text")) {
        let inner = line.split_once('>').and_then(|(_, rest)| rest.strip_suffix("</text>")).expect(line);
        assert!(!inner.contains(['<', '>']), "{line}");
    }
}

#[test]
fn xml_is_escaped() {
    assert_eq!(svg::escape("<a href='b'>\"&\u{7}\n"), "&lt;a href=&#39;b&#39;&gt;&quot;&amp; ");
}

#[test]
fn lines_break_where_they_may() {
    assert_eq!(text::wrap("short  line", 20), ["short  line"]);
    assert_eq!(text::wrap("one two three", 8), ["one two", "three"]);
    assert_eq!(text::wrap("STARTED|CLAIMED|PARKED", 17), ["STARTED|CLAIMED|", "PARKED"]);
    assert!(text::wrap("x".repeat(50).as_str(), 20).iter().all(|line| line.len() <= 20));
    assert_eq!(text::wrap("", 10), [""]);
}

#[test]
fn names_differ() {
    let mut names: Vec<String> = ["", "state", "state", "data", "data", "state"].map(str::to_owned).to_vec();
    let modules: Vec<String> = ["", "lock", "event", "m", "n", "lock"].map(str::to_owned).to_vec();
    tell_apart(&mut names, &modules, &BTreeSet::new());
    assert_eq!(names[1..], ["lock.state A", "event.state", "data A", "data B", "lock.state B"]);
    let mut names: Vec<String> = ["", "state", "state"].map(str::to_owned).to_vec();
    tell_apart(&mut names, &modules, &BTreeSet::from([1]));
    assert_eq!(names[1..], ["state B", "state"]);
}

fn declared(transitions: &str) -> states::Declared {
    let text = format!(
        "title = \"Lock\"\nfiles = [\"src/lock/raw.rs\"]\nreceivers = [\"state\", \"word\"]\nword = \"u8\"\n\
         [[state]]\nname = \"free\"\nword = \"UNLOCKED\"\n[[state]]\nname = \"held\"\nword = \"LOCKED\"\n{transitions}"
    );
    toml::from_str(&text).expect("as it should be")
}

const TAKE: &str =
    "[[transition]]\nfrom = \"free\"\nto = \"held\"\nby = [\"lock\"]\nwhy = \"a thread takes it\"\n";
const FREE: &str =
    "[[transition]]\nfrom = \"held\"\nto = \"free\"\nby = [\"unlock\"]\nwhy = \"and lets it go\"\n";

#[test]
fn what_is_said_of_a_word_and_what_was_seen_are_compared_both_ways() {
    let mut sources = Sources::new(Path::new("/nowhere"));
    sources.insert("src/lock/raw.rs", LOCK);
    let both = declared(&format!("{TAKE}{FREE}"));
    let seen = both.seen([("lock", 0, 1), ("unlock", 1, 0), ("lock", 0, 1)].into_iter(), &mut sources);
    assert_eq!(both.complaints(&seen), Vec::<String>::new());
    let complaints = declared(TAKE).complaints(&seen);
    let [one] = &complaints[..] else { panic!("one transition is not said") };
    assert!(one.contains("from LOCKED to UNLOCKED in unlock, and that is not said"), "{one}");
    let seen = both.seen([("lock", 0, 1)].into_iter(), &mut sources);
    let complaints = both.complaints(&seen);
    let [one] = &complaints[..] else { panic!("one transition was not seen") };
    assert!(one.contains("no model goes from LOCKED to UNLOCKED in unlock"), "{one}");
    let seen = both.seen([("lock", 0, 1), ("other", 1, 0), ("unlock", 1, 0)].into_iter(), &mut sources);
    assert_eq!(both.complaints(&seen).len(), 1, "another function makes it");
}

#[test]
fn a_word_is_known_by_each_of_its_names_and_in_its_files_alone() {
    let word = declared("");
    assert!(word.has("src/lock/raw.rs", "state") && word.has("src/lock/raw.rs", "word"));
    assert!(!word.has("src/lock/raw.rs", "other") && !word.has("src/lock/mod.rs", "state"));
}

#[test]
fn a_diagram_has_each_state_and_each_arrow() {
    let svg = declared(&format!("{TAKE}{FREE}")).svg();
    assert_eq!(svg.matches("class=\"box\"").count(), 2);
    assert_eq!((svg.matches("class=\"down\"").count(), svg.matches("class=\"up\"").count()), (1, 1));
    assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("free → held: a thread takes it"));
    let long = "[[state]]\nname = \"all\"\nword = \"STARTED|CLAIMED|DONE|CANCELLED\"\n";
    let svg = declared(long).svg();
    assert!(svg.contains(">STARTED|CLAIMED|DONE|</text>") && svg.contains(">CANCELLED</text>"), "{svg}");
}
