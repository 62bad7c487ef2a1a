//! `kerndns`: the command line to one of its commands; exit status 0 or 1 (2: the command line is wrong).

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use dns_agent::cli::{CheckArgs, Cli, Command, DumpArgs, ReadyArgs};
use dns_agent::corefile::Beside;
use dns_agent::map::pinned;
use dns_agent::serve::ready;
use dns_agent::{corefile, dump, run};
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. kube logs each failed request; we tell of them once.
const LOG: &str = "info,kube_client=off";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = start_log().and_then(|()| match cli.command {
        Command::Run(args) => run::run(*args).map(|()| ExitCode::SUCCESS),
        Command::Check(args) => check(&args),
        Command::Dump(args) => dump(&args),
        Command::Ready(args) => is_ready(&args),
    });
    match done {
        Ok(status) => status,
        Err(error) => {
            // With its causes, on one line: what a log collector takes for one message.
            eprintln!("kerndns: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// To standard error; what `RUST_LOG` says, if it says something.
fn start_log() -> Result<()> {
    let filter = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(said) if !said.is_empty() => EnvFilter::try_new(&said).with_context(|| {
            format!("RUST_LOG={said} is no filter; write for example RUST_LOG=dns_agent=debug,info")
        })?,
        _ => EnvFilter::new(LOG),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}

fn check(args: &CheckArgs) -> Result<ExitCode> {
    let beside = args.beside.then(|| Beside {
        despite: args.despite.clone(),
    });
    let (report, good) = corefile::check(args.corefile.as_deref(), beside.as_ref());
    print(&report)?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn dump(args: &DumpArgs) -> Result<ExitCode> {
    print(&dump::text(&pinned::read(&args.bpffs)?))?;
    Ok(ExitCode::SUCCESS)
}

fn is_ready(args: &ReadyArgs) -> Result<ExitCode> {
    let (is_ready, said) = ready::ask(args.metrics)
        .with_context(|| format!("no agent answers at {}", args.metrics))?;
    print(&format!("{said}\n"))?;
    Ok(if is_ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// To standard output, whose reader may leave early (`kerndns dump | head`).
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
