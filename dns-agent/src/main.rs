//! `kerndns`: the command line.

use std::process::ExitCode;

use clap::Parser as _;
use dns_agent::cli::{Cli, Command};
use dns_agent::{corefile, run};
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. kube logs each failed request; we tell of them once.
const LOG: &str = "info,kube_client=off";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let result = match cli.command {
        Command::Run(args) => run::run(*args),
        Command::Check(args) => {
            let (text, is_fine) = corefile::check(args.corefile.as_deref());
            print!("{text}");
            return if is_fine {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
        Command::Dump(_) => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
