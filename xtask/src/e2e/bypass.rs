//! Proof that what the kernel answers goes nowhere else, and what the agent costs the API server.

use anyhow::{Result, ensure};

use super::cluster::{Cluster, same};
use super::fixture::{self, Containers, Pod};
use super::speed::count;
use super::tally::{Tally, full, hex, one};
use crate::demo::Type;

/// CoreDNS counts none of them, the kernel counts all, and no connection is tracked for them.
pub(super) fn nothing_reaches_coredns(cluster: &Cluster) -> Result<String> {
    let pods = [Pod::new("bypass", Containers::Client)];
    fixture::start(cluster, &pods)?;
    let pod = cluster.get(&["-n", super::cluster::NAMESPACE, "pod", "bypass"])?;
    let address = pod["status"]["podIP"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let before = (cluster.coredns_requests()?, cluster.kernel_answers()?);
    let server = format!("{}:53", cluster.dns);
    let query = hex(&full("web"), Type::A)?;
    let words = ["ask", &server, "0", "2", &query];
    let tally = one(&Tally::read(&cluster.client("bypass", &words)?))?;
    tally.all_answered("queries for a Service")?;
    let tracked = cluster.node(&format!(
        "conntrack -L -p udp --dport 53 -s {address} 2>/dev/null | wc -l"
    ))?;
    let by_coredns = cluster.coredns_requests()? - before.0;
    let by_kernel = cluster.kernel_answers()? - before.1;
    fixture::stop(cluster, &pods)?;
    same("answers of the kernel", &by_kernel, &tally.sent)?;
    ensure!(
        by_coredns == 0.0,
        "CoreDNS has counted {by_coredns} queries"
    );
    same("conntrack entries of the pod", &tracked.trim(), &"0")?;
    Ok(format!(
        "{by_kernel} queries: kernel +{by_kernel}, CoreDNS +0, conntrack entries 0"
    ))
}

/// What the agent has read from and written to the API server, from its sockets: TLS and all.
pub(super) fn octets(cluster: &Cluster) -> Result<String> {
    let sockets = cluster.node("ss -tinpH state established | grep -A1 '\"kerndns\"' || true")?;
    let sum = |name: &str| -> u64 {
        let values = sockets
            .split_whitespace()
            .filter_map(|word| word.strip_prefix(name));
        values.filter_map(|value| value.parse::<u64>().ok()).sum()
    };
    let (read, written) = (sum("bytes_received:"), sum("bytes_sent:"));
    ensure!(read > 0, "ss shows no connection of the agent:\n{sockets}");
    let objects = cluster.kubectl(&[
        "get",
        "services,endpointslices,namespaces",
        "-A",
        "-o",
        "name",
    ])?;
    Ok(format!(
        "{:.1} KB read and {:.1} KB written since this agent's start; {} objects now",
        count(read) / 1e3,
        count(written) / 1e3,
        objects.lines().count()
    ))
}
