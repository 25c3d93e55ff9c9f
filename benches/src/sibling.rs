//! The other programs of this package, which `peers` runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of this name beside this one. Built afresh if cargo started us, for cargo builds only the
/// program that it runs.
///
/// # Errors
///
/// If it is not there, or cannot be built: a sentence that says so.
pub fn binary(name: &str) -> Result<PathBuf, String> {
    let this =
        std::env::current_exe().map_err(|error| format!("cannot tell where this program is: {error}"))?;
    let binary = this.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if let Some(cargo) = std::env::var_os("CARGO") {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--bin", name, "--manifest-path"]).arg(manifest);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let status =
            build.status().map_err(|error| format!("cannot start cargo to build {name}: {error}"))?;
        if !status.success() {
            return Err(format!("cargo could not build {name}"));
        }
    }
    if binary.exists() {
        Ok(binary)
    } else {
        Err(format!("{} is missing; build it: cargo build --release --bins", binary.display()))
    }
}
