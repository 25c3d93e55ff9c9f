//! Where and with what it was measured.

use std::fs;
use std::thread;

use serde_json::{Value, json};

use crate::python;

/// All that is worth knowing of it.
pub struct Machine {
    pub date: String,
    pub command: String,
    pub cpu: String,
    pub cores: usize,
    pub system: String,
    pub rustc: &'static str,
    /// Each peer with its version.
    pub versions: Vec<(&'static str, String)>,
}

impl Machine {
    #[must_use]
    pub fn this() -> Machine {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let system = [std::env::consts::OS, kernel.trim(), std::env::consts::ARCH];
        let system: Vec<&str> = system.into_iter().filter(|part| !part.is_empty()).collect();
        let args: Vec<String> = std::env::args().skip(1).collect();
        Machine {
            date: chrono::Local::now().format("%Y-%m-%d %H:%M %:z").to_string(),
            command: ["cargo peers"]
                .into_iter()
                .chain(args.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" "),
            cpu: fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| cpu(&info)).unwrap_or_default(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            system: system.join(" "),
            rustc: env!("RUSTC_VERSION"),
            versions: versions(),
        }
    }

    /// Each thing with its name.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let versions: Vec<String> =
            self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let cpu = if self.cpu.is_empty() { String::new() } else { format!("{}, ", self.cpu) };
        vec![
            ("command", self.command.clone()),
            ("date", self.date.clone()),
            ("machine", format!("{cpu}{} cores, {}", self.cores, self.system)),
            ("compiler", self.rustc.to_owned()),
            ("versions", versions.join(", ")),
        ]
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let versions: serde_json::Map<String, Value> =
            self.versions.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
        json!({
            "date": self.date,
            "command": self.command,
            "cpu": self.cpu,
            "cores": self.cores,
            "system": self.system,
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "rustc": self.rustc,
            "versions": versions,
        })
    }
}

/// From a line such as `model name : Intel...`.
fn cpu(info: &str) -> Option<String> {
    let (_, name) = info.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(name.trim().to_owned())
}

/// The crates with their versions, from the lock file that this was built with; then those that are no crates.
fn versions() -> Vec<(&'static str, String)> {
    const LOCK: &str = include_str!("../Cargo.lock");
    const MANIFEST: &str = include_str!("../Cargo.toml");
    let quoted =
        |line: &'static str, key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
    // A peer is a direct dependency, and the lock file may have other versions of it for other crates. raddle has no
    // number there.
    let wanted = |name: &str| {
        let line = MANIFEST
            .lines()
            .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(" =")))?;
        line.split('"').nth(1)
    };
    let mut lines = LOCK.lines();
    let mut versions = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(name) = quoted(line, "name")
            && !TOOLS.contains(&name)
            && let Some(wanted) = wanted(name)
            && let Some(version) = lines.next().and_then(|line| quoted(line, "version"))
            && (name == "raddle" || is_of(version, wanted))
        {
            versions.push((name, version.to_owned()));
        }
    }
    #[cfg(target_os = "linux")]
    versions.extend(crate::posix::glibc_version().map(|version| ("glibc", version)));
    versions.extend(
        python::version().map(|version| ("CPython", version.trim_start_matches("Python ").to_owned())),
    );
    versions
}

/// Dependencies that are no peers.
const TOOLS: [&str; 7] = ["chrono", "clap", "cpu-time", "crossbeam-utils", "divan", "libc", "serde_json"];

/// Whether the version is one of those that a dependency on `wanted` asks for: "0.13.1" for "0.13".
fn is_of(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_have_one_version_each() {
        let versions = versions();
        let mut names: Vec<&str> = versions.iter().map(|(name, _)| *name).collect();
        for name in ["raddle", "parking_lot", "tokio", "usync"] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(is_of("0.13.1", "0.13") && !is_of("0.130.1", "0.13"));
    }

    #[test]
    fn the_model_is_found() {
        assert_eq!(cpu("processor\t: 0\nmodel name\t: A B\n"), Some("A B".to_owned()));
        assert_eq!(cpu("processor\t: 0\n"), None);
    }
}
