//! `cargo xtask parity`: builds the harness, KernDNS and CoreDNS, and lets the harness ask both.

use std::process::Command;

use anyhow::ensure;
use clap::Args;

use crate::{command, coredns, kube_assets};

/// What the harness is told; the same words as its own.
#[derive(Args)]
pub(crate) struct Options {
    /// How many questions, in all
    #[arg(long, default_value_t = 10_000)]
    questions: u32,
    /// The first cluster's seed; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many clusters
    #[arg(long, default_value_t = 4)]
    clusters: u32,
}

impl Options {
    /// What `cargo xtask test` has time for: one cluster, three Corefiles.
    pub(crate) const SHORT: Self = Self {
        questions: 10_000,
        seed: 3,
        clusters: 1,
    };
}

/// Runs the harness; an error if anything differs that no rule explains.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    command::catch_signals()?;
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the harness loads programs and makes network namespaces: run this as root"
    );
    let assets = kube_assets::ensure()?;
    let coredns = coredns::ensure()?;
    let mut cargo = Command::new("cargo");
    cargo.args([
        "run",
        "--quiet",
        "-p",
        "kerndns-tests",
        "--bin",
        "parity",
        "--",
    ]);
    cargo.arg(format!("--questions={}", options.questions));
    cargo.arg(format!("--seed={}", options.seed));
    cargo.arg(format!("--clusters={}", options.clusters));
    cargo.arg("--coredns").arg(coredns);
    command::show(cargo.env("KUBEBUILDER_ASSETS", assets))
}
