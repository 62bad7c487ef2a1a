//! `cargo xtask bench`: installs the peers, builds the programs and what measures them, and lets it measure.

use std::path::PathBuf;
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
    /// Measure nothing but this part: cost, generator, peers, sizes, sync, throughput, cluster; repeatable
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Put the parts of `--only` into DIR/benchmarks.md, too, as a full run does
    #[arg(long, value_name = "DIR", conflicts_with = "quick")]
    write: Option<PathBuf>,
}

/// Installs and builds what is missing, and measures. The tables go to the terminal, every figure to `target/bench.json`,
/// and each part of a full run, once it is measured, to `docs/benchmarks.md` with its plots.
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
    let is_full = !options.quick && options.only.is_empty();
    let docs = is_full.then(|| PathBuf::from("docs"));
    if let Some(directory) = options.write.clone().or(docs) {
        cargo.arg("--write").arg(directory);
    }
    cargo
        .env("COREDNS", coredns)
        .env("KUBEBUILDER_ASSETS", assets);
    command::show(&mut cargo)
}
