//! Pods that come and go while others ask.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::cluster::{Cluster, NAMESPACE, eventually, same};
use super::fixture;
use super::tally::{Tally, full, hex, one, while_asking};
use crate::demo::Type;
use crate::exposition;

const WAVES: u32 = 4;
const PODS: u32 = 25;

/// Links that the programs are on, and names that are held.
#[derive(Debug, PartialEq)]
struct Held {
    links: f64,
    names: f64,
}

impl Held {
    fn read(cluster: &Cluster) -> Result<Self> {
        let metrics = cluster.metrics()?;
        Ok(Self {
            links: exposition::sum(&metrics, "kerndns_attached_interfaces", ""),
            names: exposition::sum(&metrics, "kerndns_names", ""),
        })
    }
}

/// Waves of pods that ask in their first millisecond, each with a name of its own, while another one asks all along.
pub(super) fn waves(cluster: &Cluster) -> Result<String> {
    cluster.apply(&format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: wave, namespace: {NAMESPACE}}}\nspec: {{clusterIP: None, \
         publishNotReadyAddresses: true, selector: {{app: wave}}, ports: [{{name: http, port: 80}}]}}\n"
    ))?;
    let mut first = Tally::default();
    let mut most = 0.0_f64;
    let mut kernel = (0, 0);
    let mut before = None;
    let others = while_asking(cluster, "others", &[&full("web")], || {
        // Those of the checks before have links as long as they are ending.
        eventually(Duration::from_mins(1), || {
            let ending = "jsonpath={.items[*].metadata.deletionTimestamp}";
            let ending = cluster.here(&["get", "pods", "-o", ending])?;
            ensure!(ending.trim().is_empty(), "pods are ending since {ending}");
            Ok(())
        })?;
        let held = Held::read(cluster)?;
        kernel.0 = cluster.kernel_answers()?;
        for wave in 0..WAVES {
            let (tally, names) = one_wave(cluster, wave)?;
            first.sent += tally.sent;
            first.answered += tally.answered;
            first.lost += tally.failed();
            first.max = first.max.max(tally.max);
            most = most.max(names - held.names);
        }
        eventually(Duration::from_secs(10), || {
            let now = Held::read(cluster)?;
            ensure!(
                now == held,
                "{now:?} is held behind the waves, {held:?} before them"
            );
            Ok(())
        })?;
        kernel.1 = cluster.kernel_answers()?;
        before = Some(held);
        Ok(())
    })?;
    cluster.here(&["delete", "service", "wave"])?;
    let others = one(&others)?;
    others.all_answered("the others")?;
    same("pods of the waves", &first.sent, &u64::from(WAVES * PODS))?;
    ensure!(
        first.lost == 0,
        "{} of {} first queries were not answered",
        first.lost,
        first.sent
    );
    Ok(format!(
        "{} pods: first query answered in all, slowest {} µs; others: {} queries, 0 lost, p99 {} µs; up to {most:.0} \
         names more, none left, no link left",
        first.sent, first.max, others.sent, others.p99
    ))
}

/// Makes one, adds up what its pods have to say, and removes it; and how many names were held meanwhile.
fn one_wave(cluster: &Cluster, wave: u32) -> Result<(Tally, f64)> {
    let server = format!("{}:53", cluster.dns);
    // One query, as soon as the program runs.
    let query = hex(&full("web"), Type::A)?;
    let client = fixture::client(&["ask", &server, "0", "0", &query]);
    let mut manifests = String::new();
    for pod in 0..PODS {
        let _ = write!(
            manifests,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: wave-{wave}-{pod}, namespace: {NAMESPACE}, labels: \
             {{app: wave}}}}\nspec: {{terminationGracePeriodSeconds: 0, restartPolicy: Never, hostname: \
             wave-{wave}-{pod}, subdomain: wave, containers: [{client}]}}\n"
        );
    }
    cluster.apply(&manifests)?;
    let wait = [
        "wait",
        "--for=jsonpath={.status.phase}=Succeeded",
        "--timeout=90s",
        "pod",
        "-l",
        "app=wave",
    ];
    let mut names = 0.0_f64;
    // Before the last has ended, or none would be an endpoint any more.
    let started = eventually(Duration::from_mins(1), || {
        names = names.max(Held::read(cluster)?.names);
        let running = cluster.here(&[
            "get",
            "pods",
            "-l",
            "app=wave",
            "-o",
            "jsonpath={.items[*].status.phase}",
        ])?;
        ensure!(!running.contains("Pending"), "pods are pending: {running}");
        Ok(())
    });
    started?;
    cluster.here(&wait)?;
    let logs = cluster.here(&[
        "logs",
        "-l",
        "app=wave",
        "--tail=-1",
        "--max-log-requests=50",
    ])?;
    cluster.here(&[
        "delete",
        "pod",
        "-l",
        "app=wave",
        "--grace-period=1",
        "--wait=true",
    ])?;
    let mut sum = Tally::default();
    for line in logs.lines() {
        let Ok(tally) = one(&Tally::read(line)) else {
            continue;
        };
        sum.sent += tally.sent;
        sum.answered += tally.answered;
        sum.lost += tally.failed();
        sum.max = sum.max.max(tally.max);
    }
    Ok((sum, names))
}
