//! A browser without a window, which loads pages from files and says what went wrong in them.
//!
//! It is driven through a pair of pipes, in the protocol of its developers' tools.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What it may be called.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// How long a page may take, or an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    orders: ChildStdin,
    answers: Receiver<Value>,
    next: u64,
    session: String,
    events: VecDeque<Value>,
}

/// Where one is installed; `CHROME` in the environment goes first.
pub fn installed() -> Option<String> {
    let named = std::env::var("CHROME").ok();
    named.into_iter().chain(NAMES.map(str::to_owned)).find(|name| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    })
}

impl Browser {
    /// Starts `program`, with its data in `profile`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(program: &str, profile: &Path) -> Browser {
        // It reads orders from 3 and writes answers to 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", program])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-extensions",
                "--hide-scrollbars",
            ])
            .args(["--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        let orders = process.stdin.take().expect("it was asked for");
        let stdout = process.stdout.take().expect("it was asked for");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for answer in BufReader::new(stdout).split(0) {
                let Ok(answer) = answer else { break };
                let Ok(answer) = serde_json::from_slice(&answer) else { continue };
                if sender.send(answer).is_err() {
                    break;
                }
            }
        });
        let mut browser =
            Browser { process, orders, answers, next: 0, session: String::new(), events: VecDeque::new() };
        let target = browser.order("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            browser.order("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.order(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Gives an order, and waits for its answer.
    ///
    /// # Panics
    ///
    /// If there is none, or if it is an error.
    pub fn order(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut order = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            order["sessionId"] = json!(self.session);
        }
        let sent = self.orders.write_all(format!("{order}\0").as_bytes()).and_then(|()| self.orders.flush());
        sent.expect("the browser reads");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.answers.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let answer = answer.unwrap_or_else(|_| panic!("the browser does not answer to {method}"));
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    /// Sets the size of the window, and whether the reader wants it dark.
    pub fn look(&mut self, width: u32, height: u32, dark: bool) {
        self.order(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}),
        );
        let scheme = if dark { "dark" } else { "light" };
        self.order(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
    }

    /// Loads a page, and says what went wrong meanwhile: errors of scripts, files that are not there, pictures that do not show.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn load(&mut self, file: &Path, fragment: &str) -> Vec<String> {
        self.events.clear();
        let url = format!("file://{}{fragment}", file.display());
        let answer = self.order("Page.navigate", json!({"url": url}));
        if answer["loaderId"].is_null() {
            // Only the fragment is another one, so nothing is loaded: it is by way of an empty page.
            self.order("Page.navigate", json!({"url": "about:blank"}));
            self.until_loaded("about:blank");
            self.order("Page.navigate", json!({"url": url}));
        }
        let mut wrong = self.until_loaded(&url);
        let images = self.evaluate(
            "Promise.all([...document.images].map(image => { image.loading = 'eager'; return image.decode().then(() => null, \
             () => 'the picture ' + image.src + ' does not show'); })).then(list => list.filter(line => line))",
        );
        wrong.extend(
            images.as_array().into_iter().flatten().filter_map(|line| line.as_str().map(str::to_owned)),
        );
        wrong.extend(self.complaints());
        wrong
    }

    /// Waits until the page is there, and says what went wrong meanwhile.
    fn until_loaded(&mut self, url: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut wrong = Vec::new();
        let mut loaded = false;
        while !loaded {
            while let Some(event) = self.events.pop_front() {
                loaded |= event["method"] == "Page.loadEventFired";
                wrong.extend(complaint(&event));
            }
            if !loaded {
                let left = deadline.saturating_duration_since(Instant::now());
                let event = self.answers.recv_timeout(left);
                self.events.push_back(event.unwrap_or_else(|_| panic!("{url} does not end loading")));
            }
        }
        wrong
    }

    /// What went wrong since the last question.
    pub fn complaints(&mut self) -> Vec<String> {
        while let Ok(event) = self.answers.try_recv() {
            self.events.push_back(event);
        }
        self.events.drain(..).filter_map(|event| complaint(&event)).collect()
    }

    /// Runs a script in the page, and returns what it comes to.
    ///
    /// # Panics
    ///
    /// If it throws.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let answer = self.order(
            "Runtime.evaluate",
            json!({"expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true}),
        );
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// What the window shows, as a PNG in base64.
    pub fn screenshot(&mut self) -> String {
        let answer = self.order("Page.captureScreenshot", json!({"format": "png"}));
        answer["data"].as_str().expect("a picture").to_owned()
    }
}

/// What an event complains about, if it does.
fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => {
            let details = &params["exceptionDetails"];
            let what = details["exception"]["description"].as_str().or(details["text"].as_str())?;
            Some(format!("a script fails: {what}"))
        }
        "Runtime.consoleAPICalled" if params["type"] == "error" || params["type"] == "assert" => {
            Some(format!("a script says: {}", params["args"]))
        }
        "Log.entryAdded" if params["entry"]["level"] == "error" => Some(format!(
            "{} {}",
            params["entry"]["text"].as_str()?,
            params["entry"]["url"].as_str().unwrap_or("")
        )),
        "Network.requestWillBeSent" => {
            let url = params["request"]["url"].as_str()?;
            let here = ["file:", "data:", "about:", "blob:"].iter().any(|scheme| url.starts_with(scheme));
            (!here).then(|| format!("it asks the network for {url}"))
        }
        _ => None,
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `sh` has become the browser: this is its process.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What stands in base64.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter(|&digit| digit != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}
