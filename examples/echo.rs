//! `echo` is a server that sends back what it gets, in upper case: one job of a pool for each connection.
//!
//! ```text
//! cargo run --release --example echo -- [--listen ADDRESS] [--workers N] [--waiting N]
//! cargo run --release --example echo -- --self-test [--clients N]
//! ```
//!
//! It is here to show how a `WorkPool` bounds a server's work. As many connections as there are workers are served at a time; some more wait
//! in the pool's queue; when that is full, `apply_async_with` blocks, nothing is accepted any more, and those who still come wait in the
//! operating system's queue. Ctrl-C sets an `Event`: nobody new is let in, the jobs see it and end, and `join` waits for them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use raddle::{Event, Lock, WorkPool};

/// Echoes in upper case.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to listen; with port 0, any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7007")]
    listen: SocketAddr,

    /// How many connections are served at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: u16,

    /// How many more may wait for a worker
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    waiting: u32,

    /// Run clients against a server of their own, on any free port, and check what they get back
    #[arg(long)]
    self_test: bool,

    /// How many clients the self-test has
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,
}

/// How often a job that waits for its client looks whether it is time to end.
const LOOKS_UP_AFTER: Duration = Duration::from_millis(100);

/// A client that takes nothing for so long is given up.
const GIVES_UP_AFTER: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let args = Args::parse();
    let result = if args.self_test { self_test(&args) } else { serve_until_ctrl_c(&args) };
    match result {
        Ok(totals) => {
            let Totals { connections, failed, bytes } = totals;
            println!("{connections} connections, {failed} of them failed, {bytes} bytes");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve_until_ctrl_c(args: &Args) -> io::Result<Totals> {
    let server = Server::bind(args.listen, args)?;
    let (address, stop) = (server.address, Arc::clone(&server.stop));
    ctrlc::set_handler(move || request_stop(&stop, address)).map_err(io::Error::other)?;
    println!("listening on {address}");
    server.run()
}

/// What the server has done.
#[derive(Clone, Copy, Default)]
struct Totals {
    connections: u64,
    failed: u64,
    bytes: u64,
}

struct Server {
    listener: TcpListener,
    address: SocketAddr,
    stop: Arc<Event>,
    pool: WorkPool,
}

impl Server {
    fn bind(address: SocketAddr, args: &Args) -> io::Result<Server> {
        let listener = TcpListener::bind(address)?;
        let pool = WorkPool::builder()
            .workers(args.workers.into())
            .name("echo")
            // A worker is started when there is somebody to serve.
            .lazy_start(true)
            .queue_bound(args.waiting as usize)
            .build()?;
        Ok(Server { address: listener.local_addr()?, listener, stop: Arc::default(), pool })
    }

    /// Serves until it is told to stop, and those who are connected by then are served.
    fn run(self) -> io::Result<Totals> {
        let totals = Arc::new(Lock::new(Totals::default()));
        for stream in self.listener.incoming() {
            if self.stop.is_set() {
                break;
            }
            let stream = match stream {
                Ok(stream) => stream,
                Err(error) => {
                    // Most often too many files are open: that passes when some client leaves.
                    eprintln!("echo: cannot accept: {error}");
                    thread::sleep(LOOKS_UP_AFTER);
                    continue;
                }
            };
            let (stop, totals) = (Arc::clone(&self.stop), Arc::clone(&totals));
            // Blocks while as many wait as may: the pool slows the listener down.
            let served = self.pool.apply_async_with(
                move || serve(stream, &stop),
                move |result| {
                    let mut totals = totals.lock();
                    totals.connections += 1;
                    match result {
                        Ok(Ok(bytes)) => totals.bytes += bytes,
                        _ => totals.failed += 1,
                    }
                },
            );
            // The callback hears of it, and `join` waits for it.
            drop(served);
        }
        self.pool.close();
        self.pool.join().expect("the pool is closed, and this is none of its workers");
        Ok(*totals.lock())
    }
}

/// Tells the server to stop, and wakes it by a last connection if it waits for one.
fn request_stop(stop: &Event, address: SocketAddr) {
    stop.set();
    drop(TcpStream::connect(address));
}

/// Sends back in upper case what comes from one client, until that has sent all; returns how many bytes.
fn serve(mut stream: TcpStream, stop: &Event) -> io::Result<u64> {
    stream.set_read_timeout(Some(LOOKS_UP_AFTER))?;
    stream.set_write_timeout(Some(GIVES_UP_AFTER))?;
    let (mut buffer, mut bytes) = ([0; 8192], 0);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(len) => {
                let text = &mut buffer[..len];
                text.make_ascii_uppercase();
                stream.write_all(text)?;
                bytes += len as u64;
            }
            // On some systems a timeout is the one, on some the other.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stop.is_set() {
                    return Ok(bytes);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A server, and clients that are jobs of another pool.
fn self_test(args: &Args) -> io::Result<Totals> {
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), args)?;
    let (address, stop) = (server.address, Arc::clone(&server.stop));
    thread::scope(|s| {
        let server = s.spawn(|| server.run());
        let start = Instant::now();
        let clients = WorkPool::builder().workers(32).name("client").build()?;
        let sent: io::Result<Vec<u64>> =
            clients.imap_unordered(0..args.clients, move |number| client(address, number)).collect();
        let took = start.elapsed();
        request_stop(&stop, address);
        let totals = server.join().expect("the server does not panic")?;
        let sent: u64 = sent?.iter().sum();
        println!("{} clients got {sent} bytes back in {took:.1?}", args.clients);
        if (totals.connections, totals.failed, totals.bytes) == (args.clients.into(), 0, sent) {
            Ok(totals)
        } else {
            Err(io::Error::other("the server has counted something else"))
        }
    })
}

/// Sends some texts and checks what comes back; returns how many bytes that was.
fn client(address: SocketAddr, number: u32) -> io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(GIVES_UP_AFTER))?;
    let mut bytes = 0;
    for round in 0..3 {
        let text =
            format!("client {number}, text {round}: the quick brown fox; ").repeat(1 + number as usize % 50);
        stream.write_all(text.as_bytes())?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back)?;
        if back != text.to_ascii_uppercase().as_bytes() {
            return Err(io::Error::other(format!("client {number} got something else back")));
        }
        bytes += back.len() as u64;
    }
    Ok(bytes)
}
