//! The example `tally`, run as a program: on trees made for it, on this repository, beside `wc`, and with Ctrl-C.

#![cfg(not(feature = "loom"))]

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a run may take before it counts as hung.
const HUNG: Duration = Duration::from_secs(120);

/// The size of the chunks that `tally` reads.
const CHUNK: usize = 128 * 1024;

/// The program. `cargo test --test tally` does not build examples, so build it here: that is quick if there is nothing to do.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // target/<profile>/deps/<this test>
        let test = env::current_exe().unwrap();
        let profile_dir = test.parent().unwrap().parent().unwrap();
        let profile = match profile_dir.file_name().unwrap() {
            name if name == "debug" => OsStr::new("dev"),
            name => name,
        };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "tally", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .arg("--profile")
            .arg(profile)
            .arg("--target-dir")
            .arg(profile_dir.parent().unwrap())
            .status();
        let program = profile_dir.join("examples").join(format!("tally{}", env::consts::EXE_SUFFIX));
        assert!(built.is_ok_and(|status| status.success()) || program.exists(), "cannot build the example");
        program
    })
}

struct Run {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Run {
    #[track_caller]
    fn exits_with(self, code: i32) -> Run {
        assert_eq!(self.status.code(), Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end, and gathers what it wrote.
#[track_caller]
fn finish(mut child: Child) -> Run {
    fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        })
    }

    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    let begin = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begin.elapsed() < HUNG => thread::sleep(Duration::from_millis(2)),
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("tally did not end");
            }
        }
    };
    let text =
        |reader: Option<thread::JoinHandle<String>>| reader.map_or(String::new(), |r| r.join().unwrap());
    let run = Run { status, stdout: text(stdout), stderr: text(stderr) };
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    run
}

#[track_caller]
fn tally<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    finish(spawn(Command::new(program()).args(args)))
}

#[track_caller]
fn tally_json(options: &[&str], path: &Path) -> Value {
    let args =
        [OsStr::new("--json")].into_iter().chain(options.iter().map(OsStr::new)).chain([path.as_os_str()]);
    tally(args).exits_with(0).json()
}

/// Lines, words and bytes.
type Numbers = [u64; 3];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Words {
    Runs,
    Printable,
}

impl Words {
    fn option(self) -> &'static str {
        match self {
            Words::Runs => "--words=runs",
            Words::Printable => "--words=printable",
        }
    }
}

/// The definition, in the plainest words.
fn expected(content: &[u8], words: Words) -> Numbers {
    let is_space = |byte: &u8| b" \t\n\x0b\x0c\r".contains(byte);
    let makes_a_word = |run: &&[u8]| match words {
        Words::Runs => !run.is_empty(),
        Words::Printable => run.iter().any(|byte| (0x21..=0x7e).contains(byte)),
    };
    let lines = content.iter().filter(|&&byte| byte == b'\n').count();
    let words = content.split(is_space).filter(makes_a_word).count();
    [lines as u64, words as u64, content.len() as u64]
}

fn numbers(counts: &Value) -> Numbers {
    ["lines", "words", "bytes"].map(|name| counts[name].as_u64().unwrap())
}

/// By extension: files, and their numbers.
fn by_type(result: &Value) -> BTreeMap<Option<String>, (u64, Numbers)> {
    let types = result["types"].as_array().unwrap().iter();
    types
        .map(|row| {
            let extension = row["extension"].as_str().map(str::to_owned);
            (extension, (row["files"].as_u64().unwrap(), numbers(row)))
        })
        .collect()
}

fn sum(all: impl IntoIterator<Item = Numbers>) -> Numbers {
    all.into_iter().fold([0; 3], |sum, next| std::array::from_fn(|i| sum[i] + next[i]))
}

/// `LC_ALL=C wc` of one file.
fn wc(path: &Path) -> Numbers {
    let out = Command::new("wc").env("LC_ALL", "C").stdin(File::open(path).unwrap()).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("wc says {text:?}"))
}

/// By which rule the `wc` of this machine counts words; `None`, with a message, if there is none, or none of GNU.
fn rule_of_wc(dir: &Path) -> Option<Words> {
    match Command::new("wc").arg("--version").output() {
        Ok(out) if String::from_utf8_lossy(&out.stdout).contains("GNU coreutils") => {}
        _ => {
            eprintln!("SKIPPED: there is no GNU wc to compare with");
            return None;
        }
    }
    let probe = dir.join("probe");
    fs::write(&probe, b"\x01").unwrap();
    let [_, words, _] = wc(&probe);
    fs::remove_file(&probe).unwrap();
    Some(if words == 1 { Words::Runs } else { Words::Printable })
}

/// Regular files below `dir`, symbolic links not followed.
fn files_below(dir: &Path, leave_out: &[&str]) -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !leave_out.iter().any(|name| entry.file_name() == *name) {
                dirs.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files
}

/// Every kind of content that might be counted wrongly, all of it in files that can be read.
fn make_tree(dir: &Path) {
    let write = |path: &str, content: &[u8]| {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("plain.txt", b"one two\nthree\n");
    write("no newline at the end.txt", b"one two\nthree");
    write("empty.txt", b"");
    write("newlines.txt", &b"\n".repeat(1000));
    write("crlf.bat", b"one\r\ntwo\r\n\r\nthree four\r\n");
    write("blanks.txt", b" \t\x0b\x0c\r a \t b\x0bc\x0cd\re ");
    write("every byte.bin", &(0..=255).collect::<Vec<u8>>());
    write("every byte alone.bin", &(0..=255).flat_map(|byte| [byte, b' ']).collect::<Vec<u8>>());
    write("nul.bin", b"a\0b \0 c\0\n\0\n");
    write("not utf-8.txt", b"caf\xe9 au lait\n\xff \xfe\n");
    write("utf-8.txt", "— ünï 漢字 a\u{a0}b a\u{3000}b 🦀\n".as_bytes());
    write("ünï/漢字.txt", "x\n".as_bytes());
    write("ünï/🦀.🦀", "x y\n".as_bytes());
    write("Makefile", b"all:\n\ttrue\n");
    write(".hidden", b"hidden\n");
    write("trailing dot.", b"no extension\n");
    write("archive.tar.gz", b"\x1f\x8b\x08\x00 \n");
    write("upper.TXT", b"a type of its own\n");
    write("with\nnewline.txt", b"in its name\n");
    write(".git/HEAD", b"ref: refs/heads/main\n");
    write("target/debug/output.o", b"\x7fELF\n");
    write(&format!("{}deep.rs", "d/".repeat(100)), b"fn deep() {}\n");
    write("long line.json", &b"word ".repeat(200_000));
    write("one long word.json", &[b'x'; 3 * CHUNK + 7]);
    // Words, newlines and characters, each of them across or beside the edge of a chunk.
    for before in CHUNK - 4..=CHUNK + 1 {
        for (name, after) in
            [("word", "ab cd\n"), ("newline", "\n\n\n\n"), ("char", "🦀 é\n"), ("blanks", "    ")]
        {
            let mut content = vec![b'a'; before];
            content.extend(after.as_bytes());
            content.extend([b'b'; CHUNK - 5]);
            content.extend(after.as_bytes());
            write(&format!("edge/{name} {before}.edge"), &content);
        }
    }
}

/// More small files than the queue holds.
fn make_many_files(dir: &Path) {
    for subdir in 0..7 {
        let subdir = dir.join(subdir.to_string());
        fs::create_dir(&subdir).unwrap();
        for i in 0..400 {
            fs::write(subdir.join(format!("{i}.c")), format!("int x{i};\n").repeat(i % 50)).unwrap();
        }
    }
}

fn tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    make_tree(dir.path());
    dir
}

#[test]
fn every_type_has_the_numbers_of_its_files() {
    let dir = tree();
    make_many_files(dir.path());
    let files = files_below(dir.path(), &[]);
    for words in [Words::Runs, Words::Printable] {
        let mut types: BTreeMap<Option<String>, (u64, Numbers)> = BTreeMap::new();
        for file in &files {
            let extension = file.extension().filter(|extension| !extension.is_empty());
            let (n, numbers) = types.entry(extension.map(|e| e.to_str().unwrap().to_owned())).or_default();
            *n += 1;
            *numbers = sum([*numbers, expected(&fs::read(file).unwrap(), words)]);
        }
        for options in [&[][..], &["--workers=1"], &["--workers=16"], &["--workers=8", "--open-files=1"]] {
            let result = tally_json(&[options, &[words.option()]].concat(), dir.path());
            assert_eq!(by_type(&result), types, "{options:?}");
            assert_eq!(numbers(&result["total"]), sum(types.values().map(|&(_, numbers)| numbers)));
            assert_eq!(result["total"]["files"], files.len());
            assert_eq!(result["partial"], false);
            assert_eq!(result["not_counted"], 0);
        }
    }
}

#[test]
fn each_file_has_the_numbers_of_wc() {
    let dir = tree();
    let Some(rule) = rule_of_wc(dir.path()) else { return };
    for file in files_below(dir.path(), &[]) {
        let result = tally_json(&[rule.option()], &file);
        assert_eq!(numbers(&result["total"]), wc(&file), "{file:?}");
    }
}

#[test]
fn without_a_path_it_counts_this_repository() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().unwrap();
    let Some(rule) = rule_of_wc(scratch.path()) else { return };
    let wc_of_all = || {
        let files = files_below(repository, &[".git", "target"]);
        (files.len() as u64, sum(files.iter().map(|file| wc(file))))
    };
    // Somebody may be at work in it.
    for _ in 0..20 {
        let before = wc_of_all();
        let result = tally(["--json", rule.option()]).exits_with(0).json();
        if wc_of_all() != before {
            continue;
        }
        assert_eq!((result["total"]["files"].as_u64().unwrap(), numbers(&result["total"])), before);
        assert!(by_type(&result)[&Some("rs".to_owned())].0 > 10);
        return;
    }
    eprintln!("SKIPPED: the repository was changed during each of 20 runs");
}

#[test]
fn a_directory_that_is_named_is_counted_in_full() {
    let dir = tree();
    let result = tally_json(&[], dir.path());
    assert_eq!(result["skipped"]["directories"], 0);
    assert_eq!(by_type(&result)[&Some("o".to_owned())].0, 1, "target/debug/output.o");
}

#[test]
fn a_path_may_be_a_file_and_may_be_named_twice() {
    let dir = tree();
    let file = dir.path().join("plain.txt");
    let run = tally([OsStr::new("--json"), file.as_ref(), file.as_ref()]).exits_with(0);
    assert_eq!(numbers(&run.json()["total"]), [4, 6, 28]);
}

#[test]
fn an_empty_directory_is_a_table_of_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let run = tally([dir.path()]).exits_with(0);
    let last: Vec<&str> = run.stdout.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(last, ["total", "0", "0", "0", "0"]);
}

#[test]
fn the_table_is_aligned_and_says_what_the_json_says() {
    let dir = tree();
    let run = tally([OsStr::new("--sort=name"), dir.path().as_ref()]).exits_with(0);
    let width = run.stdout.lines().next().unwrap().chars().count();
    for line in run.stdout.lines() {
        assert_eq!(line.chars().count(), width, "{line:?}\n{}", run.stdout);
    }
    let table: BTreeMap<Option<String>, (u64, Numbers)> = run
        .stdout
        .lines()
        .filter(|line| !line.starts_with("---"))
        .skip(1)
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            let name = (name != "(none)").then(|| name.to_owned());
            let numbers: Vec<u64> = words.map(|word| word.replace(',', "").parse().unwrap()).collect();
            let [files, lines, words, bytes] = numbers.try_into().unwrap();
            (name, (files, [lines, words, bytes]))
        })
        .collect();
    let result = tally_json(&[], dir.path());
    let mut wanted = by_type(&result);
    wanted.insert(
        Some("total".to_owned()),
        (result["total"]["files"].as_u64().unwrap(), numbers(&result["total"])),
    );
    assert_eq!(table, wanted);
}

#[test]
fn the_rows_are_sorted_as_asked() {
    let dir = tree();
    for column in ["lines", "bytes", "files"] {
        let result = tally_json(&["--sort", column], dir.path());
        let rows = result["types"].as_array().unwrap();
        assert!(rows.is_sorted_by_key(|row| std::cmp::Reverse(row[column].as_u64().unwrap())), "{column}");
    }
    let result = tally_json(&["--sort", "name"], dir.path());
    let rows = result["types"].as_array().unwrap();
    assert!(rows.is_sorted_by_key(|row| row["extension"].as_str().unwrap_or_default().to_owned()));
}

#[test]
fn files_that_are_not_utf8_are_counted_and_named() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..7 {
        fs::write(dir.path().join(format!("latin {i}.txt")), b"caf\xe9\n").unwrap();
    }
    fs::write(dir.path().join("cut.txt"), b"the last character is cut: \xf0\x9f").unwrap();
    let mut whole = vec![b'a'; CHUNK - 2];
    whole.extend("🦀".as_bytes());
    fs::write(dir.path().join("whole.txt"), &whole).unwrap();
    whole.truncate(CHUNK);
    fs::write(dir.path().join("cut at the edge.txt"), &whole).unwrap();

    let run = tally([OsStr::new("--json"), dir.path().as_ref()]).exits_with(0);
    let result = run.json();
    assert_eq!(result["non_utf8"]["files"], 9);
    assert_eq!(result["total"]["files"], 10);
    assert!(run.stderr.contains("9 files not UTF-8"), "{}", run.stderr);
    assert!(run.stderr.contains("... and 4 more"), "the list has an end: {}", run.stderr);
}

#[test]
fn a_path_that_does_not_exist_is_named_and_all_else_is_counted() {
    let dir = tree();
    let missing = dir.path().join("missing");
    let args = [OsStr::new("--json"), missing.as_ref(), dir.path().as_ref()];
    let run = tally(args).exits_with(1);
    let result = run.json();
    assert_eq!(result["unreadable"].as_array().unwrap().len(), 1);
    assert_eq!(result["total"]["files"], files_below(dir.path(), &[]).len());
    assert_eq!(result["partial"], false);
    assert!(run.stderr.contains(missing.to_str().unwrap()), "{}", run.stderr);
}

#[test]
fn the_list_of_what_could_not_be_read_has_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let missing: Vec<OsString> = (0..25).map(|i| dir.path().join(i.to_string()).into()).collect();
    let run = tally(missing).exits_with(1);
    assert!(run.stderr.contains("25 paths could not be read"), "{}", run.stderr);
    assert!(run.stderr.contains("... and 15 more"), "{}", run.stderr);
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for args in [
        &["--workers=0"][..],
        &["--workers=1025"],
        &["--open-files=0"],
        &["--sort=size"],
        &["--no-such-option"],
    ] {
        let run = tally(args).exits_with(2);
        assert!(run.stdout.is_empty());
    }
    tally(["--help"]).exits_with(0);
    tally(["--version"]).exits_with(0);
}

#[test]
fn a_reader_that_has_read_enough_does_no_harm() {
    let dir = tree();
    for options in [&[][..], &["--json"]] {
        let mut child = spawn(Command::new(program()).args(options).arg(dir.path()));
        drop(child.stdout.take());
        finish(child).exits_with(0);
    }
}

#[test]
fn there_is_no_progress_bar_without_a_terminal() {
    let dir = tree();
    let run = tally([dir.path()]).exits_with(0);
    let is_control = |c: char| c.is_control() && c != '\n';
    assert!(!run.stdout.contains(is_control) && !run.stderr.contains(is_control), "{:?}", run.stderr);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// Says whether it could be made.
    fn make_fifo(path: &Path) -> bool {
        Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success())
    }

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tree();
        let files = files_below(dir.path(), &[]).len();
        symlink(dir.path(), dir.path().join("d/loop")).unwrap();
        symlink("plain.txt", dir.path().join("link.txt")).unwrap();
        symlink("nowhere", dir.path().join("dangling.txt")).unwrap();
        let fifos = u64::from(make_fifo(&dir.path().join("fifo.txt")));
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();

        let run = tally([OsStr::new("--json"), dir.path().as_ref()]).exits_with(0);
        let result = run.json();
        assert_eq!(result["total"]["files"], files);
        assert_eq!(result["skipped"]["symlinks"], 3);
        assert_eq!(result["skipped"]["special_files"], 1 + fifos);
        assert!(run.stderr.contains("skipped 3 symbolic links"), "{}", run.stderr);
    }

    #[test]
    fn a_fifo_that_is_named_does_not_hang_it() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        if make_fifo(&fifo) {
            let result = tally_json(&[], &fifo);
            assert_eq!(result["total"]["files"], 0);
            assert_eq!(result["skipped"]["special_files"], 1);
        }
    }

    #[test]
    fn a_link_that_is_named_is_followed() {
        let dir = tree();
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link");
        symlink(dir.path(), &link).unwrap();
        assert_eq!(tally_json(&[], &link)["total"], tally_json(&[], dir.path())["total"]);
    }

    #[test]
    fn what_may_not_be_read_is_named_and_all_else_is_counted() {
        let dir = tree();
        let files = files_below(dir.path(), &[]).len() as u64;
        let file = dir.path().join("plain.txt");
        let subdir = dir.path().join("edge");
        let inside = files_below(&subdir, &[]).len() as u64;
        for path in [&file, &subdir] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }
        let is_privileged = File::open(&file).is_ok();
        let run = tally([OsStr::new("--json"), dir.path().as_ref()]);
        fs::set_permissions(&subdir, fs::Permissions::from_mode(0o755)).unwrap();

        if is_privileged {
            eprintln!("SKIPPED: this user may read everything");
            return;
        }
        let result = run.exits_with(1).json();
        assert_eq!(result["unreadable"].as_array().unwrap().len(), 2);
        assert_eq!(result["total"]["files"], files - 1 - inside);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn names_that_are_not_utf8_are_counted_and_quoted() {
        use std::os::unix::ffi::OsStrExt;

        let dir = tempfile::tempdir().unwrap();
        let subdir = dir.path().join(OsStr::from_bytes(b"d\xff"));
        fs::create_dir(&subdir).unwrap();
        fs::write(subdir.join("ok.txt"), "a\n").unwrap();
        fs::write(dir.path().join(OsStr::from_bytes(b"caf\xe9.txt")), "b\n").unwrap();
        fs::write(dir.path().join(OsStr::from_bytes(b"x.\xe9\x1b[31m")), "c\n").unwrap();

        let run = tally([OsStr::new("--json"), dir.path().as_ref()]).exits_with(0);
        let result = run.json();
        assert_eq!(result["non_utf8"]["names"], 3);
        assert_eq!(numbers(&result["total"]), [3, 3, 6]);
        assert!(run.stderr.contains(r"caf\xE9.txt"), "{}", run.stderr);
        let run = tally([dir.path()]).exits_with(0);
        assert!(!run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'), "{:?}", run.stdout);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_team_that_is_too_large_for_the_machine_ends_with_a_message() {
        let dir = tree();
        // Room for some stacks of this size, and for all else that a thread needs.
        let run = finish(spawn(
            Command::new("sh")
                .args(["-c", "ulimit -v 3145728 && exec \"$0\" --workers 1000 \"$1\""])
                .arg(program())
                .arg(dir.path())
                .env("RUST_MIN_STACK", (256 << 20).to_string()),
        ));
        let run = run.exits_with(1);
        assert!(run.stderr.contains("cannot start 1000 workers"), "{}", run.stderr);
        assert!(run.stdout.is_empty());
    }

    /// Starts `tally` on small files and one that takes minutes to count, and ends it by Ctrl-C.
    ///
    /// How long it takes until only the large one is left nobody knows: so it gets more time at each attempt.
    fn interrupted(options: &[&str], is_as_wanted: impl Fn(&Run) -> bool) -> Option<Run> {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..10 {
            fs::write(dir.path().join(format!("{i}.txt")), "a few words\n").unwrap();
        }
        // All of it a hole, which takes no place on the disk.
        let large = File::create(dir.path().join("large.bin")).unwrap();
        if large.set_len(1 << 40).is_err() {
            eprintln!("SKIPPED: this file system has no large files");
            return None;
        }
        let mut said = Vec::new();
        for delay in [200, 1000, 5000, 20_000] {
            let child = spawn(Command::new(program()).args(options).arg("--workers=2").arg(dir.path()));
            thread::sleep(Duration::from_millis(delay));
            let begin = Instant::now();
            assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
            let run = finish(child);
            // A signal before the handler was there ends the process.
            if run.status.signal().is_none() {
                let run = run.exits_with(130);
                assert!(begin.elapsed() < Duration::from_secs(20), "it took {:?}", begin.elapsed());
                if is_as_wanted(&run) {
                    return Some(run);
                }
                said.push(run.stdout);
            }
        }
        panic!("never as wanted: {said:#?}");
    }

    #[test]
    fn ctrl_c_prints_a_partial_table() {
        let Some(run) = interrupted(&[], |run| run.stdout.contains("txt        ")) else { return };
        let total = run.stdout.lines().last().unwrap();
        assert!(total.starts_with("total (partial) "), "{}", run.stdout);
        assert!(run.stderr.contains("stopped, and partial: 1 file found and not counted"), "{}", run.stderr);
    }

    #[test]
    fn ctrl_c_prints_a_partial_json() {
        let Some(run) = interrupted(&["--json"], |run| run.json()["total"]["files"] == 10) else { return };
        let result = run.json();
        assert_eq!(result["partial"], true);
        assert_eq!(result["not_counted"], 1);
        assert_eq!(numbers(&result["total"]), [10, 30, 120]);
    }

    #[test]
    fn when_the_time_is_up_the_table_is_partial() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("small.txt"), "a few words\n").unwrap();
        let large = File::create(dir.path().join("large.bin")).unwrap();
        if large.set_len(1 << 40).is_err() {
            eprintln!("SKIPPED: this file system has no large files");
            return;
        }
        let begin = Instant::now();
        let run = tally([OsStr::new("--timeout=0.3"), dir.path().as_ref()]).exits_with(124);
        assert!(begin.elapsed() >= Duration::from_millis(300), "it took {:?}", begin.elapsed());
        assert!(run.stdout.contains("total (partial)"), "{}", run.stdout);
        assert!(run.stderr.contains("stopped, and partial"), "{}", run.stderr);
    }

    #[test]
    fn a_timeout_that_is_not_needed_changes_nothing() {
        let dir = tree();
        let with = tally([OsStr::new("--timeout=1e9"), OsStr::new("--json"), dir.path().as_ref()])
            .exits_with(0)
            .json();
        assert_eq!(with["partial"], false);
        for nonsense in ["--timeout=-1", "--timeout=soon", "--timeout=nan"] {
            tally([OsStr::new(nonsense), dir.path().as_ref()]).exits_with(2);
        }
    }

    /// All workers are held up by large files, the queue is full, and the walker waits for room in it.
    #[test]
    fn ctrl_c_gets_through_to_a_walker_that_waits() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..2000 {
            let file = File::create(dir.path().join(format!("{i}.bin"))).unwrap();
            if file.set_len(1 << 40).is_err() {
                eprintln!("SKIPPED: this file system has no large files");
                return;
            }
        }
        for delay in [500, 2000, 10_000] {
            let child = spawn(Command::new(program()).args(["--json", "--workers=2"]).arg(dir.path()));
            thread::sleep(Duration::from_millis(delay));
            assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
            let run = finish(child);
            if run.status.signal().is_some() {
                continue;
            }
            let result = run.exits_with(130).json();
            assert_eq!(result["partial"], true);
            assert_eq!(result["total"]["files"], 0);
            // Two in the hands of workers, 1024 in the queue, one in the hand of the walker.
            if result["not_counted"] == 2 + 1024 + 1 {
                return;
            }
        }
        panic!("the queue never was full");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn there_is_a_progress_bar_on_a_terminal() {
        let Ok(out) = Command::new("script").arg("--version").output() else {
            eprintln!("SKIPPED: there is no `script` to make a terminal");
            return;
        };
        assert!(out.status.success());
        let dir = tempfile::tempdir().unwrap();
        let large = File::create(dir.path().join("large.bin")).unwrap();
        if large.set_len(1 << 40).is_err() {
            return;
        }
        // The terminal sends the signal, as it does when somebody types it.
        let command = format!("'{}' '{}'", program().display(), dir.path().display());
        let mut child = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        thread::sleep(Duration::from_secs(2));
        std::io::Write::write_all(&mut stdin, b"\x03").unwrap();
        let run = finish(child).exits_with(130);
        drop(stdin);
        assert!(run.stdout.contains("0 of 1 files found"), "{:?}", run.stdout);
        assert!(run.stdout.contains("total (partial)"), "{:?}", run.stdout);
    }
}
