//! A real cluster before and after KernDNS came: what a pod of it sees, which `cargo xtask e2e` measures. It installs what
//! deploy/ has, with an image of this source, and uninstalls it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::plot::short;
use crate::report::Part;

/// The check of `xtask e2e` that asks, before the install and after.
const CHECK: &str = "speed and CPU";

/// Whether `KUBECONFIG` names a cluster.
pub(crate) fn is_there() -> bool {
    env::var_os("KUBECONFIG").is_some()
}

/// What the check has found.
#[derive(Deserialize)]
struct Figures {
    /// CNI, mode of kube-proxy, versions.
    cluster: String,
    coredns: Option<String>,
    coredns_pods: u32,
    rounds: u32,
    seconds: u32,
    window: u32,
    #[serde(rename = "figures")]
    rows: Vec<Row>,
}

/// One figure of one workload; its unit is in its name.
#[derive(Deserialize)]
struct Row {
    workload: String,
    figure: String,
    before: Rounds,
    after: Rounds,
    /// How many times better, where that can be said.
    times: Option<f64>,
}

#[derive(Deserialize)]
struct Rounds {
    median: f64,
}

/// Lets it run on the cluster that `KUBECONFIG` names; what needs more than that is in `KERNDNS_E2E`, arguments for it.
pub(crate) fn run(_quick: bool) -> Result<Part> {
    ensure!(
        is_there(),
        "a real cluster cannot be measured: KUBECONFIG is not set"
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let arguments = env::var("KERNDNS_E2E").unwrap_or_default();
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    if !arguments.contains(&"--image") {
        xtask(&["image", "--arch", "amd64"], &root)?;
    }
    let file = root.join("target/bench-cluster.json");
    // Of an earlier run.
    let _not_there = fs::remove_file(&file);
    let json = file.to_str().context("the path is not UTF-8")?;
    let words = ["e2e", "--only", CHECK, "--json", json];
    xtask(&[&words, arguments.as_slice()].concat(), &root)?;
    let raw = fs::read_to_string(&file).context("cargo xtask e2e did not measure")?;
    let raw: Value = serde_json::from_str(&raw)?;
    let figures = Figures::deserialize(&raw)?;
    Ok(Part {
        name: "cluster",
        title: "A real cluster",
        text: table(&figures),
        raw,
        is_elsewhere: true,
        ..Part::default()
    })
}

fn xtask(words: &[&str], directory: &Path) -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .arg("xtask")
        .args(words)
        .current_dir(directory)
        .stdin(Stdio::null())
        .status()
        .context("cargo xtask could not be started")?;
    ensure!(status.success(), "cargo xtask {} failed", words.join(" "));
    Ok(())
}

fn table(figures: &Figures) -> String {
    let Figures {
        cluster,
        coredns,
        coredns_pods,
        rounds,
        seconds,
        window,
        ..
    } = figures;
    let coredns = coredns.as_deref().unwrap_or("of unknown version");
    let mut text = format!(
        "A pod of a real cluster with one node asks the DNS Service: before KernDNS is installed, when kube-proxy translates \
         the Service's address and CoreDNS answers, and after (`cargo xtask e2e --only \"{CHECK}\"`). {cluster}; CoreDNS \
         {coredns}, {coredns_pods} on that node. Medians of {rounds} rounds of {seconds} s; before and after are of one \
         run, one some ten seconds behind the other. Every response's code is checked, and after the install the kernel \
         has counted every answer as its own. One query after the other: a socket for each, as stub resolvers do, and its \
         making is in the time. Socket kept full: {window} queries on the way from one port. The pod's CPU time is that of \
         the asking thread, with what the kernel does in its place; CoreDNS's is what it counts itself.\n\n\
         | question | figure | before | after | times better |\n\
         |---|---|---|---|---|\n"
    );
    for row in &figures.rows {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            row.workload,
            row.figure,
            short(row.before.median),
            short(row.after.median),
            row.times.map_or("-".to_owned(), short),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_e2e_writes_becomes_a_row_for_each_figure() {
        let rounds = |median: f64| json!({"rounds": [median, median], "median": median});
        let row = |figure: &str, before, after, times: Option<f64>| {
            json!({
                "workload": "A", "figure": figure, "before": rounds(before), "after": rounds(after), "times": times,
            })
        };
        let raw = json!({
            "cluster": "CNI bridge, kube-proxy iptables", "coredns": "1.15.0", "coredns_pods": 2, "corefile": ".",
            "rounds": 3, "seconds": 2, "window": 32,
            "figures": [row("p50", 200.0, 8.0, Some(25.0)), row("CPU", 90.0, 0.0, None)],
        });
        let text = table(&Figures::deserialize(&raw).unwrap());
        assert!(
            text.contains("CNI bridge, kube-proxy iptables; CoreDNS 1.15.0, 2 on"),
            "{text}"
        );
        assert!(
            text.contains("| A | p50 | 200 | 8 | 25 |\n| A | CPU | 90 | 0 | - |\n"),
            "{text}"
        );
    }
}
