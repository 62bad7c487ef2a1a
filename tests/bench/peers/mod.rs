//! KernDNS beside the servers that people run: the same objects in all of them, the same questions from a pod, in turn.
//!
//! Each is asked from a pod's namespace through its veth pair at the node: KernDNS's program is at the pair's end there,
//! the others have a socket on the node. Neither kube-proxy's translation of the Service's address nor another node is
//! in their way, as it is in a cluster; that is in the others' favour. The client has one CPU and the server all others.

mod check;
mod daemon;
mod latency;
mod measure;
mod paced;
mod ping_pong;
mod question;
mod saturate;
mod servers;
mod tables;
mod workload;
mod zone;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::peers::measure::Measured;
use crate::peers::workload::Workload;
use crate::report::Part;
use crate::versions::Versions;

/// The client's CPU.
const CLIENT_CPU: usize = 0;

/// Those whose versions stand above the tables, and what asks them.
const COMPARED: [&str; 8] = [
    "KernDNS",
    "CoreDNS",
    "kube-apiserver",
    "Knot DNS",
    "NSD",
    "Unbound",
    "dnsmasq",
    "dnsperf",
];

/// How much is measured. All that takes time is here.
struct Budget {
    /// How many Services; the last one is the size that latencies are measured with.
    sizes: &'static [usize],
    workloads: &'static [Workload],
    rounds: usize,
    /// Of one run of dnsperf, seconds.
    saturated: u32,
    /// Queries a second.
    rates: &'static [u32],
    /// Of one run at a rate.
    paced: Duration,
    /// Of one run of ping-pong.
    ping_pong: Duration,
}

/// About eleven minutes: 15 x 9 x 3 runs of 1 s, 3 x 9 x 3 of 1.2 s, and a second more where queries are lost.
const FULL: Budget = Budget {
    sizes: &[1_000, 10_000],
    workloads: &Workload::ALL,
    rounds: 3,
    saturated: 1,
    rates: &[1_000, 10_000, 50_000],
    paced: Duration::from_millis(1200),
    ping_pong: Duration::from_millis(300),
};

/// About two minutes.
const QUICK: Budget = Budget {
    sizes: &[1_000],
    workloads: &[Workload::ClusterIp, Workload::NxDomain, Workload::Mix],
    rounds: 2,
    saturated: 1,
    rates: &[10_000, 50_000],
    paced: Duration::from_millis(500),
    ping_pong: Duration::from_millis(100),
};

/// Measures all servers.
pub(crate) fn run(quick: bool) -> Result<Part> {
    let budget = if quick { &QUICK } else { &FULL };
    ensure!(
        !server_cpus()?.is_empty(),
        "client and server need a CPU each: this machine has one"
    );
    let mut all = Vec::new();
    for (index, size) in budget.sizes.iter().enumerate() {
        let is_last = index + 1 == budget.sizes.len();
        all.push(measure::measure(*size, budget, is_last)?);
    }
    Ok(Part {
        name: "peers",
        title: "Beside other servers",
        text: tables::text(&all, &Versions::read().text(&COMPARED))?,
        raw: all.iter().map(Measured::raw).collect::<Value>(),
        plots: tables::plots(&all)?,
        goals: tables::goals(&all)?,
        ..Part::default()
    })
}

/// All CPUs but the client's.
fn server_cpus() -> Result<Vec<usize>> {
    let count = std::thread::available_parallelism()?.get();
    Ok((0..count).filter(|cpu| *cpu != CLIENT_CPU).collect())
}
