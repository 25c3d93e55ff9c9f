//! `mandelbrot` draws the Mandelbrot set into a PNG file, by a pool of workers.
//!
//! ```text
//! cargo run --release --example mandelbrot -- [--out FILE] [--width N] [--height N] [--workers N] [--compare]
//! ```
//!
//! It is here to show `WorkPool::map`. A row of the picture is an item; the function borrows the view from the stack; the rows come back in their
//! order. Rows through the middle of the set take a hundred times as long as those at the rim, so equal shares would be no fair ones: the
//! workers take the rows in small chunks, each the next when it is done.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use raddle::WorkPool;

/// Draws the Mandelbrot set.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where the picture goes; an existing file is overwritten
    #[arg(long, value_name = "FILE", default_value = "mandelbrot.png")]
    out: PathBuf,

    /// Columns of the picture
    #[arg(long, value_name = "N", default_value_t = 1200, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    width: u32,

    /// Rows of the picture
    #[arg(long, value_name = "N", default_value_t = 800, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    height: u32,

    /// How many workers there are [default: as many as can run at a time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    /// Draw it with one worker too, and print how much faster the pool is
    #[arg(long)]
    compare: bool,
}

/// Which part of the plane is shown, and how.
struct View {
    width: u32,
    height: u32,
    /// The middle of the picture.
    center: (f64, f64),
    /// From one pixel to the next.
    step: f64,
}

/// After so many steps without having escaped, a point counts as one of the set.
const MOST_STEPS: u32 = 1000;

/// Beyond this distance (squared) a point never returns. Larger than need be: it makes the colours smoother.
const ESCAPED: f64 = 256.0;

type Rgb = [u8; 3];

impl View {
    fn new(width: u32, height: u32) -> View {
        // The set lies between -2 and 0.5, and between -1.2 and 1.2.
        let step = (2.9 / f64::from(width)).max(2.5 / f64::from(height));
        View { width, height, center: (-0.75, 0.0), step }
    }

    fn row(&self, y: u32) -> Vec<Rgb> {
        let im = self.center.1 + (f64::from(self.height) / 2.0 - f64::from(y) - 0.5) * self.step;
        (0..self.width)
            .map(|x| {
                let re = self.center.0 + (f64::from(x) + 0.5 - f64::from(self.width) / 2.0) * self.step;
                color(escape_time(re, im))
            })
            .collect()
    }
}

/// After how many steps z -> z² + c escapes, smoothed between whole numbers; `None` if it does not.
fn escape_time(re: f64, im: f64) -> Option<f64> {
    let (mut x, mut y) = (0.0, 0.0);
    for step in 0..MOST_STEPS {
        let (xx, yy) = (x * x, y * y);
        if xx + yy > ESCAPED {
            return Some(f64::from(step) + 1.0 - ((xx + yy).ln() / 2.0).log2());
        }
        (x, y) = (xx - yy + re, 2.0 * x * y + im);
    }
    None
}

/// Brown far away, through gold and white to blue near the set, and black inside.
fn color(time: Option<f64>) -> Rgb {
    let Some(time) = time else { return [0, 0, 0] };
    // The number of steps grows without bound towards the set: its root goes round a wheel of colours.
    let place = time.max(0.0).sqrt() * 0.9;
    let part = |shift: f64| ((place + shift).cos() * 0.5 + 0.5) * 255.0;
    [part(3.0), part(2.4), part(1.6)].map(|part| part as u8)
}

fn draw(pool: &WorkPool, view: &View) -> (Vec<Vec<Rgb>>, Duration) {
    let begin = Instant::now();
    // Four rows to a chunk: at 800 rows, some 200 chunks for the workers to share.
    let rows = pool.map_chunked(4, 0..view.height, |y| view.row(y));
    (rows, begin.elapsed())
}

fn write_png(path: &Path, view: &View, rows: &[Vec<Rgb>]) -> io::Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), view.width, view.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    let pixels: Vec<u8> = rows.iter().flatten().flatten().copied().collect();
    writer.write_image_data(&pixels).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)
}

fn run(args: &Args) -> io::Result<()> {
    let view = View::new(args.width, args.height);
    let mut builder = WorkPool::builder().name("mandelbrot");
    if let Some(workers) = args.workers {
        builder = builder.workers(usize::from(workers));
    }
    let pool = builder.build()?;
    let (rows, time) = draw(&pool, &view);
    println!("{} x {} pixels, {} workers: {time:.1?}", view.width, view.height, pool.workers());
    if args.compare {
        let (same, alone) = draw(&WorkPool::new(1), &view);
        assert!(same == rows, "a pool of one draws the same picture");
        println!("one worker: {alone:.1?}, {:.2} times as long", alone.as_secs_f64() / time.as_secs_f64());
    }
    write_png(&args.out, &view, &rows)?;
    println!("written to {}", args.out.display());
    Ok(())
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mandelbrot: {}: {error}", args.out.display());
            ExitCode::FAILURE
        }
    }
}
