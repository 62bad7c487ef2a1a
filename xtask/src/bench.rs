//! `cargo xtask bench`: installs the peers, builds the programs and what measures them, and lets it measure.

use std::process::Command;

use anyhow::ensure;
use clap::Args;

use crate::{command, coredns, kube_assets, setup};

/// What is handed on; the words are those of the program that measures.
#[derive(Args)]
pub(crate) struct Options {
    /// Fewer rounds, without optimisation: minutes instead of an hour
    #[arg(long)]
    quick: bool,
    /// Measure nothing but this part: cost, generator, peers, sizes, sync, throughput, cluster
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
}

/// Installs and builds what is missing, and measures. The tables go to the terminal, every figure to `target/bench.json`,
/// and a full run to `docs/benchmarks.md` with its plots.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    command::catch_signals()?;
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the programs are loaded to be measured: run this as root"
    );
    setup::for_bench()?;
    let coredns = coredns::ensure()?;
    let assets = kube_assets::ensure()?;
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "-p", "kerndns-tests", "--bin", "bench"]);
    if !options.quick {
        // The agent as the image has it; the program that measures asks for its own profile.
        cargo.args(["--profile", "image"]);
    }
    cargo.arg("--");
    if options.quick {
        cargo.arg("--quick");
    }
    cargo.args(options.only.iter().map(|part| format!("--only={part}")));
    if !options.quick && options.only.is_empty() {
        cargo.arg("--write=docs");
    }
    cargo
        .env("COREDNS", coredns)
        .env("KUBEBUILDER_ASSETS", assets);
    command::show(&mut cargo)
}
