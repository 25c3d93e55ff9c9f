use super::*;

/// The name of what `.here` is called on in this source.
fn receiver(text: &str) -> Option<String> {
    let at = text.find("here").expect("a place");
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Source::parse(text.to_owned()).receiver(line as u32, column as u32)
}

#[test]
fn the_receiver_is_a_field_a_variable_or_a_call() {
    assert_eq!(receiver("self.state.here()").as_deref(), Some("state"));
    assert_eq!(receiver("let x = word.here()").as_deref(), Some("word"));
    assert_eq!(receiver("if a && self.slots[i & (n - 1)].here()").as_deref(), Some("slots"));
    assert_eq!(receiver("buffer.slot(f(x)).here()").as_deref(), Some("slot"));
    assert_eq!(receiver("(*node).next.here()").as_deref(), Some("next"));
    assert_eq!(receiver("self\n    .state\n    .here()").as_deref(), Some("state"));
    assert_eq!(receiver("self.flag.0.here()").as_deref(), Some("flag"));
    assert_eq!(receiver("/* ä → */ self.state.here()").as_deref(), Some("state"));
    assert_eq!(receiver("here()"), None);
    assert_eq!(Source::parse(String::new()).receiver(7, 7), None);
}

fn layout(text: &str, word: WordType) -> Layout {
    Source::parse(text.to_owned()).layout(word)
}

fn library(file: &str, word: WordType) -> Layout {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    // These are tests of the library's package too.
    let root = if package.join(file).exists() { package.to_owned() } else { package.join("..") };
    Sources::new(&root).file(file).layout(word)
}

/// With the space that doesn't break.
#[track_caller]
fn reads(layout: &Layout, value: u64, expected: &str) {
    assert_eq!(layout.name(value).replace('\u{a0}', " "), expected);
}

#[test]
fn words_of_the_library() {
    let lock = library("src/lock/raw.rs", WordType::U8);
    reads(&lock, 0, "UNLOCKED");
    reads(&lock, 3, "LOCKED|PARKED");
    reads(&lock, 8, "8");
    let event = library("src/event/raw.rs", WordType::U8);
    reads(&event, 0, "0");
    reads(&event, 0b1101, "SET|GENERATION 3");
    let semaphore = library("src/semaphore/raw.rs", WordType::Usize);
    reads(&semaphore, 0b1101, "PARKED|PERMIT 3");
    let barrier = library("src/barrier/raw.rs", WordType::U64);
    reads(&barrier, 1 << 32 | 1 << 31 | 2, "ARRIVED 2|PARKED|GENERATION 1");
    let sleep = library("src/pool/sleep.rs", WordType::U64);
    reads(&sleep, 1 << 48 | 2 << 32 | 1, "SEARCHING 1|STARTED 2|PENDING");
    let task = library("src/pool/task.rs", WordType::U8);
    reads(&task, 0, "QUEUED");
    reads(&task, 0b111, "DONE|PARKED");
    let slot = library("src/queue/list.rs", WordType::U8);
    reads(&slot, 2, "TAKEN");
    let owner = library("src/rlock/raw.rs", WordType::U64);
    reads(&owner, 0, "NOBODY");
    reads(&owner, 2, "2");
}

#[test]
fn a_number_that_is_no_bit_names_nothing() {
    // It is a power of two, but nothing says that it is a bit.
    let plain = layout(
        "const CHUNKS: usize = 4; fn f(x: usize) -> bool { x < CHUNKS && CHUNKS > 1 }",
        WordType::Usize,
    );
    reads(&plain, 4, "4");
    // Two names for one bit.
    let twice = layout("const A: u8 = 1; const B: u8 = 1; fn f(x: u8) -> u8 { x & A | B }", WordType::U8);
    reads(&twice, 1, "1");
    // Of another type.
    let other = layout("const A: u8 = 1; fn f(x: u8) -> u8 { x & A }", WordType::U64);
    reads(&other, 1, "1");
}

#[test]
fn numbers_can_be_read() {
    let plain = Layout { width: 64, ..Layout::default() };
    reads(&plain, u64::MAX, "MAX");
    reads(&plain, u64::MAX - 2, "MAX-2");
    reads(&plain, 1 << 40, "0x10000000000");
    reads(&plain, 1000, "1000");
    reads(&Layout { width: 8, ..Layout::default() }, 255, "255");
    assert_eq!(pointer(0), "null");
    assert_eq!(pointer(FIRST_POINTER + 1), "p2");
}

#[test]
fn tokens_have_names() {
    let source = Source::parse(
        "const A: UnparkToken = UnparkToken(0x70); const B: UnparkToken = UnparkToken(1);".into(),
    );
    assert_eq!(source.token(0x70), Some("A"));
    assert_eq!(source.token(2), None);
}
