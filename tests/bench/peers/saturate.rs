//! dnsperf as fast as it can on one CPU against a server on the others: answers a second, and what each cost.
//!
//! What an answer costs is the CPU time of the server's processes, of `ksoftirqd` on their CPUs, and of softirqs on the
//! client's CPU. Softirqs on the servers' CPUs run in the server's own time, so that nothing counts twice (a kernel with
//! `CONFIG_IRQ_TIME_ACCOUNTING` leaves them out, in favour of processes). The client's softirqs are where the kernel takes
//! a query from the pod's veth to a server's socket, or answers it and takes the answer to the client's.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kerndns_tests::agent::Agent;

use crate::peers::daemon::{CpuTimes, cpu_time, pin};
use crate::peers::servers::Server;
use crate::peers::{CLIENT_CPU, server_cpus};

/// What one run has shown.
#[derive(Debug)]
pub(crate) struct Saturated {
    /// Answers a second.
    pub(crate) rate: f64,
    /// CPU time of one answer, seconds.
    pub(crate) cost: f64,
    /// The share of queries without an answer within a second.
    pub(crate) lost: f64,
    /// The share of the client's CPU that was not idle.
    pub(crate) client: f64,
}

/// Sends the questions in `file` for so many seconds; `denied` is the share of them to be answered with NXDOMAIN.
pub(crate) fn saturate(
    server: &Server<'_>,
    file: &Path,
    seconds: u32,
    denied: f64,
) -> Result<Saturated> {
    pin(&server.pids, &server_cpus()?)?;
    let mut pids = server.pids.clone();
    pids.extend(softirq_threads()?);
    let counted = |server: &Server<'_>| server.agent.as_ref().map_or(Ok(0), Agent::answered);
    let answered = counted(server)?;
    let (begin, cpu, client) = (Instant::now(), cpu_time(&pids)?, CpuTimes::of(CLIENT_CPU)?);
    let output = server
        .pod
        .command("taskset")
        .args(["--cpu-list", &CLIENT_CPU.to_string(), "dnsperf"])
        .args([
            "-s",
            &server.address.ip().to_string(),
            "-T",
            "1",
            "-c",
            "16",
            "-q",
            "128",
        ])
        .args(["-t", "1", "-l", &seconds.to_string(), "-d"])
        .arg(file)
        .output()
        .context("cannot run dnsperf")?;
    let elapsed = begin.elapsed();
    let after = CpuTimes::of(CLIENT_CPU)?;
    let spent = cpu_time(&pids)?.saturating_sub(cpu) + after.softirq.saturating_sub(client.softirq);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "dnsperf: {}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let said = Said::parse(&text).with_context(|| format!("dnsperf said\n{text}"))?;
    let denied = if server.is_floor() { 0.0 } else { denied };
    let right = said.completed * denied;
    let tolerance = said.completed / 50.0 + 200.0;
    ensure!(
        said.others.is_empty() && (said.denied - right).abs() <= tolerance,
        "{}: not the response codes that are right, about {right} NXDOMAIN, but\n{text}",
        server.name
    );
    let by_the_kernel = counted(server)?.saturating_sub(answered);
    ensure!(
        server.agent.is_none() || float(by_the_kernel) >= said.completed,
        "the kernel has answered {by_the_kernel}, the pod got {}",
        said.completed
    );
    let idle = after.idle.saturating_sub(client.idle);
    Ok(Saturated {
        rate: said.completed / said.seconds,
        // A tick for what took less than one.
        cost: spent.max(Duration::from_millis(10)).as_secs_f64() / said.completed.max(1.0),
        lost: said.lost / (said.completed + said.lost).max(1.0),
        client: 1.0 - (idle.as_secs_f64() / elapsed.as_secs_f64()).min(1.0),
    })
}

/// The kernel's threads that take over when there are too many softirqs, those of the servers' CPUs.
fn softirq_threads() -> Result<Vec<u32>> {
    let names: Vec<String> = server_cpus()?
        .into_iter()
        .map(|cpu| format!("ksoftirqd/{cpu}"))
        .collect();
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let pid = entry.file_name().to_str().and_then(|pid| pid.parse().ok());
        if let Some(pid) = pid
            && names.iter().any(|one| one == name.trim())
        {
            threads.push(pid);
        }
    }
    Ok(threads)
}

/// What dnsperf prints at its end.
#[derive(Debug, Default, PartialEq)]
struct Said {
    completed: f64,
    lost: f64,
    denied: f64,
    /// Response codes other than NOERROR and NXDOMAIN.
    others: Vec<String>,
    seconds: f64,
}

impl Said {
    fn parse(text: &str) -> Result<Self> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(str::trim).with_context(|| format!("no {name}"))
        };
        let number = |name: &str| -> Result<f64> {
            let words = field(name)?;
            Ok(words.split(' ').next().context("no number")?.parse()?)
        };
        let mut said = Self {
            completed: number("Queries completed:")?,
            lost: number("Queries lost:")?,
            seconds: number("Run time (s):")?,
            ..Self::default()
        };
        for part in field("Response codes:").unwrap_or_default().split(", ") {
            let mut words = part.split(' ');
            let (code, count) = (words.next().unwrap_or_default(), words.next());
            if code == "NXDOMAIN" {
                said.denied = count.unwrap_or_default().parse()?;
            } else if code != "NOERROR" && !code.is_empty() {
                said.others.push(part.to_owned());
            }
        }
        Ok(said)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dnsperf_says_is_read() {
        let text = "Statistics:\n\n  Queries sent:         310\n  Queries completed:    300 (96.77%)\n  \
                    Queries lost:         10 (3.23%)\n\n  Response codes:       NOERROR 100 (33.33%), NXDOMAIN 199 \
                    (66.33%), SERVFAIL 1 (0.33%)\n  Run time (s):         1.500000\n";
        let said = Said::parse(text).unwrap();
        let expected = Said {
            completed: 300.0,
            lost: 10.0,
            denied: 199.0,
            others: vec!["SERVFAIL 1 (0.33%)".into()],
            seconds: 1.5,
        };
        assert_eq!(said, expected);
        assert!(Said::parse("").is_err());
    }
}
