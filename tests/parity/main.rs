//! Asks CoreDNS and KernDNS the same questions over the same API server, and prints where they differ.
//!
//! A seed makes a cluster; a few Corefiles are tried on it, each before and after a change of its objects. What
//! differs on purpose is a rule (`rules.rs`), named in `docs/compatibility.md`; anything else fails the run. The
//! same datagrams go through a pod's veth, where the kernel answers, and to the agent's socket.
//!
//! `cargo xtask parity` builds what this needs and runs it, as root.

mod ask;
mod change;
mod cluster;
mod compare;
mod corefiles;
mod endpoints;
mod facts;
mod lab;
mod message;
mod names;
mod questions;
mod report;
mod round;
mod rules;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use kerndns_tests::attacher::block_on;
use kerndns_tests::site::Site;

use crate::cluster::Generator;
use crate::corefiles::COREFILES;
use crate::lab::Lab;
use crate::report::Report;

/// How many Corefiles are tried on each cluster.
const COREFILES_EACH: usize = 3;
/// How many Services a cluster has, but for the large ones.
const SERVICES: usize = 90;
/// From here on a rule that was never used is worth a remark.
const FULL: usize = 50_000;

#[derive(Debug, Parser)]
#[command(about = "Ask CoreDNS and KernDNS the same questions, and print where they differ")]
struct Options {
    /// How many questions, in all
    #[arg(long, default_value_t = 10_000)]
    questions: usize,
    /// The first cluster's seed; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many clusters
    #[arg(long, default_value_t = 4)]
    clusters: u64,
    /// CoreDNS
    #[arg(long, value_name = "FILE")]
    coredns: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    let site = Site::routed(1)?;
    let mut report = Report::default();
    let work = || block_on(all(options, &site, &mut report));
    site.testbed.node.enter(work)?;
    Ok(report.finish(options.questions >= FULL))
}

async fn all(options: &Options, site: &Site, report: &mut Report) -> Result<()> {
    let mut lab = Lab::start(site, options.coredns.clone()).await?;
    let rounds = usize::try_from(options.clusters)? * COREFILES_EACH * 2;
    let each = options.questions.div_ceil(rounds);
    for seed in options.seed..options.seed + options.clusters {
        let mut generator = Generator::new(seed);
        let cluster = generator.cluster(SERVICES);
        let refused = lab.write(&cluster).await;
        println!(
            "seed {seed}: {} Services, {} EndpointSlices, {refused} refused by the API server",
            cluster.services.len(),
            cluster.slices.len()
        );
        let first = usize::try_from(seed)? * COREFILES_EACH;
        for corefile in (first..first + COREFILES_EACH).map(|i| &COREFILES[i % COREFILES.len()]) {
            let start = Instant::now();
            let mut servers = lab.servers(corefile).await?;
            let place = format!(
                "--seed {seed} --clusters 1 --questions {}, Corefile {}",
                each * COREFILES_EACH * 2,
                corefile.name
            );
            for _ in 0..2 {
                let drawn = (&mut generator.rng, each);
                round::round(&lab, &servers, corefile, drawn, (report, &place)).await?;
                change::change(&lab, &mut generator).await?;
                lab.settle(&mut servers, corefile).await?;
            }
            println!(
                "seed {seed}, Corefile {}: {} questions so far, {:.1} s",
                corefile.name,
                report.questions,
                start.elapsed().as_secs_f64()
            );
        }
        lab.clear().await?;
    }
    Ok(())
}
