//! The project's verbs, run as `cargo xtask VERB`: `setup`, `test`, `fuzz`, `parity`, `bench`, `demo`, `image` and `e2e`.

mod bench;
mod command;
mod coredns;
mod demo;
mod e2e;
mod exposition;
mod fuzz;
mod http;
mod image;
mod kube_assets;
mod kube_clients;
mod parity;
mod setup;
mod test;
#[cfg(test)]
mod tidy;
mod toolchain;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's verbs")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what this machine lacks for building and testing
    Setup,
    /// Formatting, lints, unit tests, fuzzing and the privileged tests
    Test,
    /// The fuzz targets, each for some minutes
    Fuzz(fuzz::Options),
    /// CoreDNS and KernDNS, asked the same questions about generated clusters
    Parity(parity::Options),
    /// KernDNS measured, alone and beside other servers; tables, plots, every figure in target/bench.json
    Bench(bench::Options),
    /// Pods, a node and a client in network namespaces, and a table of who answered what
    Demo(demo::Options),
    /// The agent as a container image, an OCI archive for each architecture in target/images
    Image(image::Options),
    /// Install on the cluster of KUBECONFIG, check what pods see, uninstall, and a table of it
    E2e(e2e::Options),
    /// The demo's upstream resolver, started by the demo in a namespace of its own
    #[command(hide = true)]
    DemoUpstream {
        /// Where it listens, UDP and TCP
        address: SocketAddr,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Setup => setup::ensure(),
        Verb::Test => test::run(),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Parity(options) => parity::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Demo(options) => demo::run(&options),
        Verb::Image(options) => image::run(&options),
        Verb::E2e(options) => e2e::run(&options),
        Verb::DemoUpstream { address } => demo::serve_upstream(address),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<command::Interrupted>() => {
            eprintln!("interrupted");
            // 128 + SIGINT, what a shell reports.
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
