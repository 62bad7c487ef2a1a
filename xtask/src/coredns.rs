//! From a version to a CoreDNS binary, built once per user with `go install`: what `parity` compares with.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{command, kube_assets};

/// The release whose answers are the measure.
const VERSION: &str = "1.15.0";

/// The program's path, built first where it is missing.
pub(crate) fn ensure() -> Result<PathBuf> {
    let directory = kube_assets::cache(&format!("coredns-{VERSION}"))?;
    let program = directory.join("coredns");
    if program.is_file() {
        return Ok(program);
    }
    kube_assets::check_go()?;
    println!("building CoreDNS {VERSION} with Go, once (minutes)");
    let package = format!("github.com/coredns/coredns@v{VERSION}");
    // `go install` puts a whole program in its place, or none.
    let mut go = Command::new("go");
    go.env("GOBIN", &directory).env("CGO_ENABLED", "0");
    command::show(go.args(["install", &package])).context("CoreDNS could not be built")?;
    Ok(program)
}
