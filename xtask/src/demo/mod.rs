//! `cargo xtask demo`: a node, two pods, a client and an upstream resolver in network namespaces, the
//! agent on the example manifests, a dozen questions, and a table that says who answered them.
//!
//! `lab` (namespaces) -> `agent` (`kerndns run`) -> `question` (what is asked and expected) -> `ask`
//! (getent, dig, and a clock) -> the table printed here. Everything made is removed when `Lab` is
//! dropped: at the end, on an error, and on a signal.

mod agent;
mod ask;
mod lab;
mod leftover;
mod question;
mod upstream;
mod wire;

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use self::ask::Asked;
pub(crate) use self::ask::read_dig;
use self::lab::Lab;
pub(crate) use self::question::Answer;
use self::question::Question;
pub(crate) use self::wire::{Type, query};
use crate::{command, setup};

/// What a person may ask of the demo.
#[derive(Args)]
pub(crate) struct Options {
    /// Leave everything running, and print commands to try
    #[arg(long, conflicts_with = "stop")]
    keep: bool,
    /// Remove what `--keep` left running
    #[arg(long)]
    stop: bool,
    /// Run this `kerndns` instead of building one
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
}

/// Runs the demo; an error unless every answer was the expected one.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    command::catch_signals()?;
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the demo makes network namespaces and loads BPF programs: run it as root",
    );
    if options.stop {
        let stopped = leftover::stop_kept()?;
        println!("demo: {stopped} kept demo(s) removed");
        return Ok(());
    }
    setup::ensure()?;
    leftover::sweep()?;
    let binary = match &options.agent {
        Some(binary) => binary.clone(),
        None => step("build kerndns (minutes when cold)", build)?,
    };
    let mut lab = step("make five network namespaces", Lab::new)?;
    let _agent = step("start kerndns and wait until it is ready", || {
        agent::start(&lab, &binary)
    })?;
    let right = print_table(&lab)?;
    if options.keep {
        lab.keep()?;
        print_commands(&lab);
    }
    ensure!(right, "not every answer was the expected one");
    Ok(())
}

/// What the demo's upstream resolver runs, as a process of its own in its own namespace.
pub(crate) fn serve_upstream(address: SocketAddr) -> anyhow::Result<()> {
    upstream::serve(address)
}

/// The agent, built in the profile of this binary, beside it.
fn build() -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    command::show(cargo.args(["build", "-p", "dns-agent", "--bin", "kerndns"]))?;
    let binary = env::current_exe()
        .context("where this program lies")?
        .with_file_name("kerndns");
    if !binary.is_file() {
        bail!(
            "cargo built dns-agent, but there is no {}",
            binary.display()
        );
    }
    Ok(binary)
}

/// Asks every question and prints one row for each; whether all came out as expected.
fn print_table(lab: &Lab) -> anyhow::Result<bool> {
    let start = Instant::now();
    println!(
        "\n{:<7} {:<58} {:<50} {:<17} {:>6}",
        "from", "question", "answer", "answered by", "µs"
    );
    let (mut right, mut rows) = (true, 0);
    for question in question::all() {
        command::check_interrupted()?;
        let asked = ask::ask(lab, &question)?;
        print_row(&question, &asked);
        right &= asked.is_expected(&question);
        rows += 1;
    }
    println!(
        "\n{rows} questions in {:.1} s; µs: the median round trip of {} further asks over a connected \
         socket,\nmeasured inside the asking namespace.",
        start.elapsed().as_secs_f64(),
        ask::ROUND_TRIPS,
    );
    Ok(right)
}

fn print_row(question: &Question, asked: &Asked) {
    let micros = asked.round_trip.as_secs_f64() * 1e6;
    println!(
        "{:<7} {:<58} {:<50} {:<17} {micros:>6.0}",
        question.from.label(),
        question.asked_as(),
        asked.answer.shortened(),
        asked.answered_by(),
    );
    if asked.answer != question.expected_answer() {
        println!("        WRONG: expected {}", question.expected_answer());
    }
    if asked.by_kernel != question.by_kernel {
        println!(
            "        WRONG: expected {} answer(s) by the kernel, saw {}",
            question.by_kernel, asked.by_kernel
        );
    }
}

/// What a person may type while a kept demo runs.
fn print_commands(lab: &Lab) {
    let (pod, node) = (lab.name(lab::Place::Pod1), lab.name(lab::Place::Node));
    let bpffs = lab.bpffs();
    let bpffs = bpffs.display();
    println!("\nIt is left running. Try:");
    println!("  ip netns exec {pod} dig frontend.shop.svc.cluster.local");
    println!("  ip netns exec {pod} getent ahosts cart");
    println!("  ls {bpffs}; bpftool map dump pinned {bpffs}/NAME");
    println!("  ip netns exec {node} bpftool net show");
    println!("  tail -f {}", lab.log().display());
    println!("and at the end:\n  cargo xtask demo --stop");
}

/// Says what begins, and how long it took.
fn step<T>(what: &str, run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    println!("demo: {what} ...");
    let start = Instant::now();
    let made = run().with_context(|| format!("the demo could not {what}"))?;
    println!("demo: done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(made)
}
