//! The example `echo`, run as a program: its self-test, and real clients with Ctrl-C at the end.

#![cfg(not(feature = "loom"))]

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// How long a run may take before it counts as hung.
const HUNG: Duration = Duration::from_secs(60);

/// The program. `cargo test --test echo` does not build examples, so build it here: that is quick if there is nothing to do.
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
            .args(["build", "--quiet", "--example", "echo", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .arg("--profile")
            .arg(profile)
            .arg("--target-dir")
            .arg(profile_dir.parent().unwrap())
            .status();
        let program = profile_dir.join("examples").join(format!("echo{}", env::consts::EXE_SUFFIX));
        assert!(built.is_ok_and(|status| status.success()) || program.exists(), "cannot build the example");
        program
    })
}

/// A running program, which does not outlive its test.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    fn start(args: &[&str]) -> Running {
        let mut child =
            Command::new(program()).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running { child, stdout }
    }

    /// Waits for its end, and returns its exit status and the rest of what it has printed.
    fn end(&mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > HUNG => panic!("hangs"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (status.code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If it has ended, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_self_test_passes_with_few_workers_and_with_many() {
    for (workers, waiting) in [("1", "1"), ("4", "2"), ("64", "100")] {
        let args = ["--self-test", "--clients", "100", "--workers", workers, "--waiting", waiting];
        let (status, output) = Running::start(&args).end();
        assert_eq!(status, Some(0), "{output}");
        assert!(output.contains("100 clients got"), "{output}");
        assert!(output.contains("100 connections, 0 of them failed"), "{output}");
    }
}

#[test]
#[cfg(unix)]
fn clients_are_echoed_in_upper_case_and_ctrl_c_ends_the_server() {
    let mut server = Running::start(&["--listen", "127.0.0.1:0", "--workers", "3"]);
    let mut line = String::new();
    server.stdout.read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().strip_prefix("listening on ").expect(&line).parse().unwrap();
    let connect = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(HUNG)).unwrap();
        stream
    };
    // At the same time, each waiting for the others in turn.
    let mut streams: Vec<_> = (0..3).map(|_| connect()).collect();
    for round in 0..5 {
        for (number, stream) in streams.iter_mut().enumerate() {
            let text = format!("hello from {number}, round {round}\u{e4}\n");
            stream.write_all(text.as_bytes()).unwrap();
            let mut back = vec![0; text.len()];
            stream.read_exact(&mut back).unwrap();
            assert_eq!(String::from_utf8(back).unwrap(), text.to_ascii_uppercase());
        }
    }
    // A fourth has to wait until one has left.
    let mut fourth = connect();
    fourth.write_all(b"and me?").unwrap();
    streams.remove(0).shutdown(Shutdown::Both).unwrap();
    let mut back = [0; 7];
    fourth.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"AND ME?");
    // More than a buffer, and then no more.
    let long = "x".repeat(100_000);
    let mut writer = fourth.try_clone().unwrap();
    let writing = thread::spawn({
        let long = long.clone();
        move || {
            writer.write_all(long.as_bytes()).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        }
    });
    let mut back = String::new();
    fourth.read_to_string(&mut back).unwrap();
    writing.join().unwrap();
    assert_eq!(back, long.to_uppercase());

    // Two clients are connected and silent: that keeps nobody.
    assert!(Command::new("kill").args(["-INT", &server.child.id().to_string()]).status().unwrap().success());
    let (status, output) = server.end();
    assert_eq!(status, Some(0), "{output}");
    assert!(output.contains("4 connections, 0 of them failed"), "{output}");
    for mut stream in streams {
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "the server has hung up");
    }
}
