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
mod others;
mod peers;
mod plot;
mod population;
mod provenance;
mod report;
mod series;
mod sizes;
mod stored;
mod sync;
mod throughput;
mod versions;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::document::Document;
use crate::provenance::{Begun, Run};
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

/// Measures a part; with `true`, in fewer rounds.
type Measure = fn(bool) -> Result<Part>;

impl Which {
    /// All of them, in the order in which they are measured.
    const ALL: [(Self, &'static str, Measure); 7] = [
        (Self::Cost, "cost", cost::run),
        (Self::Generator, "generator", generator::run),
        (Self::Sizes, "sizes", sizes::run),
        (Self::Sync, "sync", sync::run),
        (Self::Throughput, "throughput", throughput::run),
        (Self::Peers, "peers", peers::run),
        (Self::Cluster, "cluster", cluster::run),
    ];
}

#[derive(Debug, Parser)]
#[command(about = "Measure KernDNS, and say on what, with what and how")]
struct Options {
    /// Fewer rounds: minutes instead of an hour
    #[arg(long)]
    quick: bool,
    /// Measure nothing but this; repeatable
    #[arg(long, value_enum)]
    only: Vec<Which>,
    /// Where every figure goes, as JSON, in place of an earlier run's of the same parts; the plots go beside it, into a
    /// directory that ends in .plots
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    json: PathBuf,
    /// A directory with a benchmarks.md whose sections of the parts that are measured, and their plots, are to be those
    /// of this run
    #[arg(long, value_name = "DIR", conflicts_with = "quick")]
    write: Option<PathBuf>,
}

impl Options {
    /// A cluster is measured where there is one, or where it was asked for by name.
    fn is_wanted(&self, which: Which) -> bool {
        if self.only.is_empty() {
            return which != Which::Cluster || cluster::is_there();
        }
        self.only.contains(&which)
    }
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
    let wanted = || {
        let all = Which::ALL.into_iter();
        all.filter(|(which, ..)| options.is_wanted(*which))
    };
    let document = options.write.as_deref().map(Document::new);
    if let Some(document) = &document {
        for (_, name, _) in wanted() {
            document.has_place_for(name)?;
        }
    }
    let run = Run::begin(&std::env::args().skip(1).collect::<Vec<_>>())?;
    println!("{}", run.machine());
    for (_, name, measure) in wanted() {
        interrupt::check()?;
        let begun = Begun::now()?;
        let part = measure(options.quick)?;
        ensure!(part.name == name, "{} is not {name}", part.name);
        let provenance = begun.end(&run, part.is_elsewhere)?;
        println!("\n# {}\n\n{}\n{}", part.title, provenance.text(), part.text);
        if !part.goals.is_empty() {
            println!("{}", report::goals(&part.goals));
        }
        // Now, so that a run that does not come to its end leaves what it has.
        write(&options.json, &part, &provenance)?;
        if let Some(document) = &document {
            document.write(&part, &provenance)?;
        }
    }
    println!("every figure: {}", options.json.display());
    if options.only.is_empty() && !cluster::is_there() {
        println!("no real cluster was measured: KUBECONFIG is not set");
    }
    Ok(())
}
