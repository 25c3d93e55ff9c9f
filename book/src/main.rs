//! `cargo book`: see `cargo book --help`.

#[cfg(not(feature = "loom"))]
fn main() -> std::process::ExitCode {
    command::main()
}

#[cfg(feature = "loom")]
fn main() {
    eprintln!("with the feature `loom` this package has doc tests only");
}

#[cfg(not(feature = "loom"))]
mod command {
    use std::path::PathBuf;
    use std::process::ExitCode;

    use clap::Parser;
    use raddle_book::{Book, browser, links, page, render};

    /// raddle's book, whose pages are docs/*.md: checks what is generated in it, and builds it.
    #[derive(Parser)]
    #[command(name = "cargo book")]
    struct Args {
        /// Write what is generated into docs/*.md: excerpts, tables, the lines of links. Then build
        #[arg(long)]
        write: bool,
        /// Say what is out of date or broken in docs/*.md, README.md and CONTRIBUTING.md, and build nothing
        #[arg(long, conflicts_with = "write")]
        check: bool,
        /// Where to build it
        #[arg(long, default_value = "target/book")]
        out: PathBuf,
        /// Also take a picture of a page by a browser without a window: `lock.html`, `lock.html#the-state-word`; to PAGE.png in --out
        #[arg(long, value_name = "PAGE")]
        screenshot: Vec<String>,
        /// How wide the pictures are
        #[arg(long, default_value_t = 1200)]
        width: u32,
        /// How high they are
        #[arg(long, default_value_t = 1600)]
        height: u32,
        /// Dark ones
        #[arg(long)]
        dark: bool,
    }

    pub(crate) fn main() -> ExitCode {
        let args = Args::parse();
        let book = Book::here();
        let mut failed = false;
        let mut complain = |what: String| {
            eprintln!("{what}");
            failed = true;
        };
        if args.write {
            let (written, problems) = book.write();
            written.iter().for_each(|page| println!("{page}: written"));
            problems.iter().for_each(|problem| complain(problem.to_string()));
        } else {
            book.stale(&page::KINDS).iter().for_each(|problem| complain(problem.to_string()));
        }
        let links = links::check_all(&book);
        let others = [links::check_summary(&book), links::check_fences(&book)].concat();
        links.iter().chain(&others).for_each(|problem| complain(problem.to_string()));
        if !args.check {
            let out = book.root().join(&args.out);
            match render::render(&book, &out) {
                Ok(()) => {
                    render::broken_links(&out).into_iter().for_each(&mut complain);
                    println!("{}", out.join("index.html").display());
                    if !args.screenshot.is_empty() {
                        screenshots(&args, &out, &mut complain);
                    }
                }
                Err(error) => complain(format!("{error:#}")),
            }
        }
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn screenshots(args: &Args, out: &std::path::Path, complain: &mut impl FnMut(String)) {
        let Some(program) = browser::installed() else {
            complain("no browser is installed: chromium, or google-chrome; or name one in CHROME".to_owned());
            return;
        };
        let profile = std::env::temp_dir().join(format!("raddle-book-{}", std::process::id()));
        let mut browser = browser::Browser::start(&program, &profile);
        browser.look(args.width, args.height, args.dark);
        for page in &args.screenshot {
            let (file, fragment) = page.split_once('#').unwrap_or((page, ""));
            if !out.join(file).is_file() {
                complain(format!("{page}: there is no {}", out.join(file).display()));
                continue;
            }
            let hash = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
            browser.load(&out.join(file), &hash).into_iter().for_each(&mut *complain);
            // A source page has lines, one that steps through an execution a list of links to the steps.
            let found = "(id) => id === '' || document.getElementById(id) || document.getElementById(id.split('-L')[0]) \
                         || [...document.links].some((link) => link.hash === '#' + id)";
            let found = format!("Boolean(({found})(decodeURIComponent(location.hash.slice(1))))");
            if browser.evaluate(&found) != true {
                complain(format!("{page}: the page has no #{fragment}"));
                continue;
            }
            let name = page.replace(['/', '#', '.'], "-");
            let path = out.join(format!("{name}-{}{}.png", args.width, if args.dark { "-dark" } else { "" }));
            match browser::decode(&browser.screenshot()).map(|png| std::fs::write(&path, png)) {
                Some(Ok(())) => println!("{}", path.display()),
                _ => complain(format!("{} cannot be written", path.display())),
            }
        }
        drop(browser);
        let _ = std::fs::remove_dir_all(profile);
    }
}
