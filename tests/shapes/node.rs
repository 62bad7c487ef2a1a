//! The node of the end-to-end shapes: one pod, the objects of `cluster.yaml`, an upstream outside, and an agent that
//! listens at the DNS Service for what the kernel passes.

use std::net::SocketAddr;

use anyhow::Result;
use kerndns_tests::agent::Agent;
use kerndns_tests::site::{Site, UPSTREAM};
use kerndns_tests::upstream::Upstream;

/// What became of the queries of a pod, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fate {
    /// Answered by the kernel with records.
    pub(crate) answer: u64,
    /// Answered by the kernel: another type has records.
    pub(crate) nodata: u64,
    /// Answered by the kernel: there is no such name.
    pub(crate) nxdomain: u64,
    /// Passed by the kernel, so answered by the agent or by nobody.
    pub(crate) passed: u64,
}

/// The namespaces with the files of the agent, and the upstream.
pub(crate) fn site() -> Result<(Site, Upstream)> {
    let site = Site::routed(1)?;
    site.write("shapes.yaml", include_str!("cluster.yaml"))?;
    let outside = SocketAddr::new(UPSTREAM, 53);
    let upstream = site.testbed.client.enter(|| Upstream::start(outside))?;
    Ok((site, upstream))
}

/// Starts the agent with its program at the pod's veth.
pub(crate) fn start(site: &Site) -> Result<Agent<'_>> {
    let agent = site.start(&["--listen", "10.96.0.10:53", "--pods", "veth*"])?;
    agent.expect_attached("tc", 1);
    Ok(agent)
}

/// What has become of all datagrams so far that are queries to the DNS Service.
pub(crate) fn fate(agent: &Agent<'_>) -> Result<Fate> {
    let mut fate = Fate::default();
    for line in agent.outcomes() {
        let count: u64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
        let label = line.split("outcome=\"").nth(1).unwrap_or_default();
        match label.split('"').next().unwrap_or_default() {
            "answer" => fate.answer += count,
            "nodata" => fate.nodata += count,
            "nxdomain" => fate.nxdomain += count,
            // Neighbour discovery, TCP, and what is for others.
            "not_udp" | "other_destination" => {}
            _ => fate.passed += count,
        }
    }
    Ok(fate)
}

/// What `ask` returns, and what became of its queries.
pub(crate) fn counted<T>(agent: &Agent<'_>, ask: impl FnOnce() -> Result<T>) -> Result<(T, Fate)> {
    let before = fate(agent)?;
    let answer = ask()?;
    let after = fate(agent)?;
    let fate = Fate {
        answer: after.answer - before.answer,
        nodata: after.nodata - before.nodata,
        nxdomain: after.nxdomain - before.nxdomain,
        passed: after.passed - before.passed,
    };
    Ok((answer, fate))
}
