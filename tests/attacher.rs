//! `attacher tcx|clsact POD-GLOB NIC-GLOB`: attaches stand-in programs and waits; to be killed.

use std::future;
use std::{env, process};

use anyhow::{Context as _, Result, bail};
use dns_agent::kernel::attach::Attacher;
use dns_agent::kernel::capabilities;
use dns_agent::kernel::tc::TcMode;
use dns_agent::kernel::xdp::XdpMode;
use kerndns_tests::attacher::{block_on, plan};
use kerndns_tests::programs::programs;

fn main() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    if let Err(error) = run() {
        eprintln!("{error:#}");
        process::exit(1);
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [tc, pods, nics] = &args[..] else {
        bail!("usage: attacher tcx|clsact PODS NICS")
    };
    let tc = if tc == "tcx" {
        TcMode::Tcx
    } else {
        TcMode::Clsact
    };
    capabilities::check()?;
    let plan = plan(&[pods], &[nics], tc, XdpMode::Auto)?;
    let attacher = Attacher::new(programs()?, plan)?;
    block_on(attacher.run(future::pending())).context("attaching")
}
