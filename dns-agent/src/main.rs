//! `kerndns`: the command line to one of the three commands; exit status 0 or 1 (2: the command line is wrong).

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use dns_agent::cli::{CheckArgs, Cli, Command, DumpArgs};
use dns_agent::map::pinned;
use dns_agent::{corefile, dump};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = start_log().and_then(|()| match cli.command {
        Command::Run(args) => run(*args),
        Command::Check(args) => check(&args),
        Command::Dump(args) => dump(&args),
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

/// To standard error, `info` and above unless RUST_LOG says otherwise.
fn start_log() -> Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()
        .context(
            "RUST_LOG cannot be read; write for example RUST_LOG=info or RUST_LOG=dns_agent=debug",
        )?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}

// Until `dns_agent::run` is there.
fn run(_args: dns_agent::cli::RunArgs) -> Result<ExitCode> {
    anyhow::bail!("`kerndns run` is not there yet")
}

fn check(args: &CheckArgs) -> Result<ExitCode> {
    let (report, good) = corefile::check(args.corefile.as_deref());
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

/// To standard output, whose reader may leave early (`kerndns dump | head`).
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
