//! Measures KernDNS, and says on what, with what and how: tables on the terminal, every single figure as JSON.
//!
//! Each part is a module that measures interleaved, checks the answers that it counts, and returns one [`Part`]. A
//! ratio is printed only of figures of one run.
//!
//! `cargo xtask bench` builds what this needs and runs it, as root.

mod cluster;
mod cost;
mod document;
mod generator;
mod interrupt;
mod machine;
mod peers;
mod plot;
mod population;
mod report;
mod series;
mod sizes;
mod stored;
mod sync;
mod throughput;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::machine::Machine;
use crate::report::{Part, write};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The programs alone, over floors
    Cost,
    /// Saturated answers a second, from queries made in the kernel
    Generator,
    /// Zones from 100 to a million names
    Sizes,
    /// A cluster that grows, on a real API server, beside CoreDNS
    Sync,
    /// A pod's TCP streams with and without the programs
    Throughput,
    /// A real cluster, where KUBECONFIG names one
    Cluster,
    /// KernDNS beside CoreDNS, Knot, NSD, Unbound and dnsmasq
    Peers,
}

#[derive(Debug, Parser)]
#[command(about = "Measure KernDNS, and say on what, with what and how")]
struct Options {
    /// Fewer rounds: minutes instead of an hour
    #[arg(long)]
    quick: bool,
    /// Measure nothing but this
    #[arg(long, value_enum)]
    only: Vec<Which>,
    /// Where every figure goes, as JSON; the plots go beside it, into a directory that ends in .plots
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    json: PathBuf,
    /// A directory with a benchmarks.md whose measured part, and whose plots, are to be those of this run
    #[arg(long, value_name = "DIR", conflicts_with_all = ["quick", "only"])]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "programs are loaded: run this as root"
    );
    interrupt::catch_signals()?;
    let machine = Machine::read()?;
    println!("{}", machine.text());
    let parts = [
        (Which::Cost, cost::run as fn(bool) -> Result<Part>),
        (Which::Generator, generator::run),
        (Which::Sizes, sizes::run),
        (Which::Sync, sync::run),
        (Which::Throughput, throughput::run),
        (Which::Peers, peers::run),
        (Which::Cluster, cluster::run),
    ];
    let mut done = Vec::new();
    for (which, run) in parts {
        if options.only.is_empty() || options.only.contains(&which) {
            interrupt::check()?;
            let begin = Instant::now();
            let part = run(options.quick)?;
            let seconds = begin.elapsed().as_secs();
            println!("\n# {} ({seconds} s)\n\n{}", part.title, part.text);
            done.push(part);
        }
    }
    let after = Machine::read()?;
    println!("\n# Goals\n\n{}", report::goals(&done));
    write(&options.json, &machine, &after, &done)?;
    println!("every figure: {}", options.json.display());
    if let Some(directory) = &options.write {
        document::write(directory, [&machine, &after], &done)?;
        println!(
            "the measured part of {}/benchmarks.md is of this run now",
            directory.display()
        );
    }
    Ok(())
}
