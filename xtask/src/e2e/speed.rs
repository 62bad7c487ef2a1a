//! What a pod sees of the DNS Service before the install and after it: latency of one query after the other, answers a
//! second of a socket that is kept full, and the CPU time of an answer; in figures for `cargo xtask bench` and in a line.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::cluster::{Cluster, NAMESPACE};
use super::tally::{Tally, full, hex, one};
use crate::demo::Type;
use crate::exposition;

/// An odd number, so that one is in the middle.
const ROUNDS: usize = 3;
/// Of each run: one query after the other, and the socket kept full.
const SECONDS: u32 = 2;
/// Queries on the way from the socket that is kept full.
const WINDOW: u32 = 32;

/// The pod that asks, which was there before the install.
const POD: &str = "before";

/// What is asked, each answer of which is checked for its response code and for records.
struct Workload {
    label: &'static str,
    name: fn() -> String,
    is_denied: bool,
}

const WORKLOADS: [Workload; 2] = [
    Workload {
        label: "ClusterIP A",
        name: || full("web"),
        is_denied: false,
    },
    Workload {
        label: "NXDOMAIN of a search path",
        name: || format!("{}{NAMESPACE}.svc.cluster.local.", full("web")),
        is_denied: true,
    },
];

/// One figure of a run, and what it is called.
struct Kind {
    label: &'static str,
    of: fn(&Round) -> f64,
    better: Better,
}

/// What a ratio says.
#[derive(Clone, Copy)]
enum Better {
    Less,
    More,
    /// Nothing: after the install CoreDNS has only its own housekeeping to do.
    Neither,
}

const KINDS: [Kind; 7] = [
    kind("one after the other, p50, µs", Better::Less, |round| {
        round.single.p50
    }),
    kind("one after the other, p99, µs", Better::Less, |round| {
        round.single.p99
    }),
    kind("one after the other, p99.9, µs", Better::Less, |round| {
        round.single.p999
    }),
    kind(
        "socket kept full, answers a second",
        Better::More,
        |round| count(round.filled.answered) / f64::from(SECONDS),
    ),
    kind(
        "CPU time of such an answer, the pod's, µs",
        Better::Neither,
        |round| round.filled.cpu / count(round.filled.sent),
    ),
    kind(
        "CPU time of such an answer, CoreDNS's, µs",
        Better::Neither,
        |round| round.coredns / count(round.filled.sent),
    ),
    kind(
        "CPU time of such an answer, together, µs",
        Better::Less,
        |round| (round.filled.cpu + round.coredns) / count(round.filled.sent),
    ),
];

const fn kind(label: &'static str, better: Better, of: fn(&Round) -> f64) -> Kind {
    Kind { label, of, better }
}

/// What a pod saw of one workload.
struct Round {
    /// One query after the other, a socket for each.
    single: Tally,
    /// One socket, kept full.
    filled: Tally,
    /// CPU time of CoreDNS's processes meanwhile, microseconds.
    coredns: f64,
}

/// All rounds of each workload, in the order of [`WORKLOADS`]: before the install, or after it.
pub(super) struct Phase {
    workloads: Vec<Vec<Round>>,
}

/// Measures each workload in turn, round by round. With `is_installed`, the kernel must have given every answer.
pub(super) fn measure(cluster: &Cluster, is_installed: bool) -> Result<Phase> {
    let mut workloads: Vec<Vec<Round>> = WORKLOADS.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (workload, rounds) in WORKLOADS.iter().zip(&mut workloads) {
            let kernel = || {
                if is_installed {
                    cluster.kernel_answers()
                } else {
                    Ok(0)
                }
            };
            let before = kernel()?;
            let round = workload.round(cluster)?;
            let (by_kernel, asked) = (kernel()? - before, round.single.sent + round.filled.sent);
            ensure!(
                !is_installed || by_kernel >= asked,
                "{}: {by_kernel} of {asked} queries answered by the kernel",
                workload.label
            );
            rounds.push(round);
        }
    }
    Ok(Phase { workloads })
}

impl Workload {
    fn round(&self, cluster: &Cluster) -> Result<Round> {
        let server = format!("{}:53", cluster.dns);
        let mark = if self.is_denied { "!" } else { "" };
        let query = format!("{mark}{}", hex(&(self.name)(), Type::A)?);
        let (window, seconds) = (WINDOW.to_string(), SECONDS.to_string());
        let ask = |words: &[&str]| -> Result<Tally> {
            let tally = one(&Tally::read(&cluster.client(POD, words)?))?;
            tally.all_answered(self.label)?;
            Ok(tally)
        };
        let single = ask(&["ask", &server, "0", &seconds, &query])?;
        let cpu = "process_cpu_seconds_total";
        let before = cluster.coredns_sum(cpu)?;
        let filled = ask(&["fill", &server, &window, &seconds, &query])?;
        let coredns = (cluster.coredns_sum(cpu)? - before) * 1e6;
        Ok(Round {
            single,
            filled,
            coredns,
        })
    }
}

/// A figure before the install and after it.
#[derive(Debug, Serialize)]
struct Row {
    workload: &'static str,
    figure: &'static str,
    before: Series,
    after: Series,
    /// How many times better it is after: medians. Both are of this run of the checks, but not of the same minute. Nothing
    /// where that would say nothing.
    times: Option<f64>,
}

/// A figure of each round, and the one in the middle.
#[derive(Debug, Serialize)]
struct Series {
    rounds: Vec<f64>,
    median: f64,
}

impl Series {
    fn new(rounds: Vec<f64>) -> Self {
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
        Self { rounds, median }
    }
}

fn rows(before: &Phase, after: &Phase) -> Vec<Row> {
    let mut rows = Vec::new();
    let both = before.workloads.iter().zip(&after.workloads);
    for (workload, (before, after)) in WORKLOADS.iter().zip(both) {
        for kind in &KINDS {
            let series = |rounds: &[Round]| Series::new(rounds.iter().map(kind.of).collect());
            let (before, after) = (series(before), series(after));
            let times = match kind.better {
                Better::Less => Some(before.median / after.median),
                Better::More => Some(after.median / before.median),
                Better::Neither => None,
            };
            rows.push(Row {
                workload: workload.label,
                figure: kind.label,
                before,
                after,
                times,
            });
        }
    }
    rows
}

/// The medians of the first workload in a line; everything, with what the cluster is, into the file that is named.
pub(super) fn compare(
    cluster: &Cluster,
    described: &str,
    [before, after]: [&Phase; 2],
    json: Option<&Path>,
) -> Result<String> {
    let rows = rows(before, after);
    if let Some(path) = json {
        let first = cluster.coredns()?.first().copied();
        let first = first.context("no pod of CoreDNS is ready")?;
        let metrics = cluster.client("node", &["get", &format!("{first}:9153"), "/metrics"])?;
        let config = cluster.get(&["-n", "kube-system", "configmap", "coredns"])?;
        let figures = json!({
            "cluster": described,
            "coredns": exposition::label(&metrics, "coredns_build_info", "version"),
            "coredns_pods": cluster.coredns()?.len(),
            "corefile": config["data"]["Corefile"],
            "rounds": ROUNDS,
            "seconds": SECONDS,
            "window": WINDOW,
            "figures": rows,
        });
        fs::write(path, format!("{figures:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let line = rows.iter().filter(|row| row.workload == WORKLOADS[0].label);
    let line: Vec<String> = line
        .map(|row| {
            format!(
                "{} {:.1} -> {:.1}",
                row.figure, row.before.median, row.after.median
            )
        })
        .collect();
    Ok(line.join("; "))
}

/// A count to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(p50: [f64; 3], answered: u64, cpu: f64, coredns: f64) -> Phase {
        let rounds = || {
            let round = |p50| Round {
                single: Tally {
                    p50,
                    ..Tally::default()
                },
                filled: Tally {
                    sent: answered,
                    answered,
                    cpu,
                    ..Tally::default()
                },
                coredns,
            };
            p50.into_iter().map(round).collect()
        };
        Phase {
            workloads: WORKLOADS.iter().map(|_| rounds()).collect(),
        }
    }

    #[test]
    fn better_is_less_time_and_a_higher_rate() {
        let before = phase([300.0, 100.0, 200.0], 1000, 10_000.0, 90_000.0);
        let after = phase([10.0, 20.0, 900.0], 20_000, 40_000.0, 0.0);
        let rows = rows(&before, &after);
        assert_eq!(rows.len(), WORKLOADS.len() * KINDS.len());
        let times = |at: usize| rows[at].times;
        assert_eq!(times(0), Some(10.0), "of the medians");
        assert_eq!(times(3), Some(20.0), "answers a second");
        assert_eq!(times(5), None, "CoreDNS has done nothing");
        assert_eq!(times(6), Some(50.0), "100 µs to 2");
        assert_eq!(rows[0].before.rounds, [300.0, 100.0, 200.0]);
    }
}
