//! What was measured of the servers to tables in Markdown, plots, and goals.

use anyhow::{Context as _, Result};

use crate::peers::latency::LOST;
use crate::peers::measure::{Latency, Measured, Throughput};
use crate::peers::servers::NAMES;
use crate::peers::workload::Workload;
use crate::plot::{bars, lines, short};
use crate::report::Goal;
use crate::series::Series;

const KERNDNS: usize = 0;
const COREDNS: usize = 1;
const KNOT: usize = 4;
const FLOOR: usize = 8;

/// The rate at which KernDNS is to be so much faster.
const COMPARED: u32 = 10_000;
/// The rate at which nothing is to be lost.
const WITHOUT_LOSS: u32 = 50_000;

const METHOD: &str = "\
The same objects in every server: of twenty Services eighteen with a ClusterIP, one headless with ten endpoints, one \
ExternalName. KernDNS has them as manifests, CoreDNS from a real kube-apiserver, Knot, NSD and Unbound as zone files made \
of what the objects mean, dnsmasq as hosts and options. A sample of each workload's answers is compared with what the \
objects mean before and after; during the runs every response code is. Each server is asked from a pod's network \
namespace; KernDNS's program is at the pod's end of the node, the others have a socket on the node, without kube-proxy \
between, which is in their favour. The client has CPU 0, the server the others. NodeLocal DNSCache itself cannot be had \
as a module: CoreDNS with its Corefile stands in for it, in front of the one in kubeadm's configuration, whose CPU time \
counts for both. dnsmasq is one thread. The floor is a tc program in KernDNS's place that only sends the query back, with the \
QR bit: what the way and the client cost.

Each figure is the median of the rounds; a round goes through all servers. Ratios are medians of the rounds' own ratios.
";

/// Everything.
pub(crate) fn text(all: &[Measured], versions: &str) -> Result<String> {
    let mut text = format!("{METHOD}\n{versions}.\n");
    for measured in all {
        text.push_str(&format!(
            "\n### {} Services, {} records: answers a second\n\n\
             dnsperf with one thread on one CPU, 128 queries on the way, {} rounds. `c`: the client had no CPU time left, so \
             that this is its limit; for KernDNS always, since the answer is given in the client's time.\n\n{}",
            measured.services,
            measured.records,
            measured.rounds,
            by_workload(measured, |_, one| {
                let mark = if one.is_limited_by_the_client() { " c" } else { "" };
                let lost = one.lost.median();
                let lost = if lost > 0.0 {
                    format!(" ({:.2} % lost)", lost * 100.0)
                } else {
                    String::new()
                };
                Ok(format!("{}{mark}{lost}", short(one.rate.median())))
            })?
        ));
        text.push_str(&format!(
            "\n### {} Services: answers per second of CPU time\n\n\
             Of the same runs: CPU time of the server's processes and of softirqs, those of the client's CPU included, which \
             take queries and answers through the veth pair and are all that KernDNS has. In brackets, how many times as much KernDNS \
             answers.\n\n{}",
            measured.services,
            by_workload(measured, |all, one| {
                let ratio = all[KERNDNS].per_cpu.ratio(&one.per_cpu)?;
                Ok(format!("{} ({})", short(one.per_cpu.median()), times(ratio)))
            })?
        ));
        text.push_str(&format!(
            "\n### {} Services: CPU time of an answer, µs\n\n\
             Of the same runs; in brackets, what it is above the floor: the server's own part, without the way there and \
             back and without the client's part of the network stack.\n\n{}",
            measured.services,
            by_workload(measured, |all, one| {
                let above = one.cost.above(&all[FLOOR].cost)?.median();
                Ok(format!("{:.2} ({above:.2})", one.cost.median()))
            })?
        ));
        text.push_str(&latency_tables(measured));
    }
    Ok(text)
}

fn by_workload(
    measured: &Measured,
    cell: impl Fn(&[Throughput], &Throughput) -> Result<String>,
) -> Result<String> {
    let labels = measured.saturated.keys().map(|workload| workload.label());
    let labels: Vec<&str> = labels.collect();
    let mut text = format!(
        "| server | {} |\n|---|{}\n",
        labels.join(" | "),
        "---|".repeat(labels.len())
    );
    for (server, name) in NAMES.iter().enumerate() {
        let cells = measured.saturated.values();
        let cells = cells.map(|all| cell(all, all.get(server).context("a server")?));
        let cells: Vec<String> = cells.collect::<Result<_>>()?;
        text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    Ok(text)
}

fn latency_tables(measured: &Measured) -> String {
    let mut text = String::new();
    if !measured.paced.is_empty() {
        let heads: Vec<String> = measured
            .paced
            .keys()
            .map(|rate| format!("{} a second", short(f64::from(*rate))))
            .collect();
        text.push_str(&format!(
            "\n### Latency at a rate: p50 / p99 / p99.9, µs\n\n\
             ClusterIP A, {} Services. From the time that a query was due to the time that the pod's kernel had the answer; \
             what has none within a second is lost, and counts as that second.\n\n{}",
            measured.services,
            latency_table(&heads, measured.paced.values())
        ));
    }
    if !measured.ping_pong.is_empty() {
        let heads: Vec<String> = measured
            .ping_pong
            .keys()
            .map(|place| format!("server on {place}"))
            .collect();
        text.push_str(&format!(
            "\n### Latency of one query after the other: p50 / p99 / p99.9, µs\n\n\
             A pod's connected socket that sends and waits. What waits on another CPU has to be woken there, which on a \
             virtual machine is most of it; so both are shown. KernDNS has no place of its own.\n\n{}",
            latency_table(&heads, measured.ping_pong.values())
        ));
    }
    text
}

fn latency_table<'a>(heads: &[String], columns: impl Iterator<Item = &'a Vec<Latency>>) -> String {
    let columns: Vec<&Vec<Latency>> = columns.collect();
    let mut text = format!(
        "| server | {} |\n|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for (server, name) in NAMES.iter().enumerate() {
        let cell = |all: &&Vec<Latency>| match all.get(server) {
            Some(one) => {
                let [p50, p99, p999] = [&one.p50, &one.p99, &one.p999].map(micros);
                let lost = one.lost.median();
                let lost = if lost > 0.0 {
                    format!(", {:.2} % lost", lost * 100.0)
                } else {
                    String::new()
                };
                format!("{p50} / {p99} / {p999}{lost}")
            }
            None => "-".to_owned(),
        };
        let cells: Vec<String> = columns.iter().map(cell).collect();
        text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    text
}

fn micros(series: &Series) -> String {
    let median = series.median();
    if median < LOST {
        short(median)
    } else {
        "> 1 s".to_owned()
    }
}

fn times(ratio: f64) -> String {
    format!("{} x", short(ratio))
}

/// Answers per CPU second, and latency by rate, of the largest cluster.
pub(crate) fn plots(all: &[Measured]) -> Result<Vec<(String, String)>> {
    let Some(measured) = all.last() else {
        return Ok(Vec::new());
    };
    let group = |of: fn(&Throughput) -> &Series| {
        let groups = measured.saturated.iter().map(|(workload, all)| {
            let values = all.iter().map(|one| of(one).median());
            (workload.label().to_owned(), values.collect())
        });
        groups.collect::<Vec<(String, Vec<f64>)>>()
    };
    let services = measured.services;
    let per_cpu = bars(
        &format!("Answers per second of CPU time, {services} Services"),
        "answers per CPU second, logarithmic",
        &NAMES,
        &group(|one| &one.per_cpu),
    )?;
    let rate = bars(
        &format!("Answers a second to one client, {services} Services"),
        "answers a second, logarithmic",
        &NAMES,
        &group(|one| &one.rate),
    )?;
    let mut plots = vec![
        ("answers-per-cpu-second".to_owned(), per_cpu),
        ("answers-per-second".to_owned(), rate),
    ];
    for (stem, title, of) in [
        (
            "latency-p50",
            "p50",
            (|one| &one.p50) as fn(&Latency) -> &Series,
        ),
        ("latency-p99", "p99", |one| &one.p99),
    ] {
        let line = |server: usize| {
            let points = measured
                .paced
                .iter()
                .filter_map(|(rate, all)| Some((f64::from(*rate), of(all.get(server)?).median())));
            points.collect::<Vec<(f64, f64)>>()
        };
        let all: Vec<(String, Vec<(f64, f64)>)> = NAMES
            .iter()
            .enumerate()
            .map(|(server, name)| ((*name).to_owned(), line(server)))
            .collect();
        let title = format!("Latency in the pod, {title}, ClusterIP A, {services} Services");
        let svg = lines(&title, ("queries a second", "µs"), &all)?;
        plots.push((stem.to_owned(), svg));
    }
    Ok(plots)
}

/// What was promised of these figures.
pub(crate) fn goals(all: &[Measured]) -> Result<Vec<Goal>> {
    let mut goals = Vec::new();
    for measured in all {
        let services = measured.services;
        for (other, name, wanted) in [
            (COREDNS, "CoreDNS in kubeadm's configuration", 50.0),
            (KNOT, "Knot", 10.0),
        ] {
            for workload in [Workload::ClusterIp, Workload::NxDomain] {
                let Some(all) = measured.saturated.get(&workload) else {
                    continue;
                };
                let [own, others, floor] =
                    [KERNDNS, other, FLOOR].map(|server| &all[server].per_cpu);
                let (ratio, most) = (own.ratio(others)?, floor.ratio(others)?);
                goals.push(Goal {
                    text: format!(
                        "answers per CPU second >= {wanted} x {name}: {}, {services} Services",
                        workload.label()
                    ),
                    measured: format!(
                        "{} ({} to {}); a program that only sends the query back: {}",
                        times(ratio),
                        short(own.median()),
                        short(others.median()),
                        times(most)
                    ),
                    reached: ratio >= wanted,
                });
            }
        }
        if let Some(all) = measured.paced.get(&COMPARED) {
            let [own, others] = [KERNDNS, COREDNS].map(|server| &all[server].p99);
            let ratio = own.ratio(others)?;
            goals.push(Goal {
                text: format!(
                    "p99 in the pod < 1/20 of CoreDNS's at {COMPARED} queries a second, {services} Services"
                ),
                measured: format!("1/{} ({} to {} µs)", short(1.0 / ratio), micros(own), micros(others)),
                reached: ratio < 0.05,
            });
        }
        if let Some(all) = measured.paced.get(&WITHOUT_LOSS) {
            let (_, most) = all[KERNDNS].lost.range();
            goals.push(Goal {
                text: format!("no query lost at {WITHOUT_LOSS} a second, {services} Services"),
                measured: format!("{} % in the worst round", short(most * 100.0)),
                reached: most <= 0.0,
            });
        }
    }
    Ok(goals)
}
