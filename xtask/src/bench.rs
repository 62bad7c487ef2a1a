//! `cargo xtask bench`: builds the programs and what measures them, and lets it measure.

use std::process::Command;

use anyhow::ensure;
use clap::Args;

use crate::command;

/// What is handed on; the words are those of the program that measures.
#[derive(Args)]
pub(crate) struct Options {
    /// Fewer rounds: minutes instead of an hour
    #[arg(long)]
    quick: bool,
    /// Measure nothing but this part: cost
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
}

/// Measures; the tables go to the terminal, every figure to `target/bench.json`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    command::catch_signals()?;
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the programs are loaded to be measured: run this as root"
    );
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "-p", "kerndns-tests", "--bin", "bench"]);
    cargo.arg("--");
    if options.quick {
        cargo.arg("--quick");
    }
    cargo.args(options.only.iter().map(|part| format!("--only={part}")));
    command::show(&mut cargo)
}
