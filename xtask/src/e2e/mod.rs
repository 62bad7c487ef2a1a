//! `cargo xtask e2e`: installs what is in deploy/ on a real cluster, checks what its pods see, uninstalls, and prints a
//! table. Nothing but the cluster is needed, no registry and no network.
//!
//! `fixture` (objects and images) -> `answers`, `speed`, `bypass`, `churn`, `changes`, `faults` (the checks) -> `node` (what the
//! uninstall left) -> `table`. `in_pod` is the program that asks from inside the pods.

mod answers;
mod bypass;
mod changes;
mod churn;
mod cluster;
mod faults;
mod fixture;
mod node;
mod speed;
mod table;
mod tally;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::cluster::{Cluster, NAMESPACE, array};
use self::fixture::Pod;
use self::node::Snapshot;
use self::table::Table;
use crate::image::{self, Arch};
use crate::{command, kube_clients};

/// `cargo xtask e2e`.
#[derive(Args)]
pub(crate) struct Options {
    /// What runs a command on the cluster's node as root, such as "ssh root@node"; without it this machine is the node
    #[arg(long, value_name = "CMD")]
    node_shell: Option<String>,
    /// The archive to install; without it what `cargo xtask image` wrote
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// An image that the node has, with sh, dig, getent and sleep
    #[arg(long, value_name = "IMAGE", default_value = "localhost/toolbox:1")]
    toolbox: String,
    /// A name outside the cluster that its CoreDNS resolves
    #[arg(long, value_name = "NAME", default_value = "www.example.test")]
    external: String,
    /// Only checks whose name has this in it; repeatable
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Where the figures of speed and CPU go, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Installs, checks, uninstalls; an error unless everything held.
pub(crate) fn run(options: &Options) -> Result<()> {
    command::catch_signals()?;
    let cluster = open(options)?;
    let title = node::describe(&cluster)?;
    println!("{title}\n");
    let directory = image::root()?.join("target/e2e");
    std::fs::create_dir_all(&directory)?;
    let archive = match &options.image {
        Some(archive) => archive.clone(),
        None => image::root()?
            .join("target/images")
            .join(image::file_name(Arch::Amd64)),
    };

    let guard = Removed(&cluster);
    let mut table = Table::default();
    let mut prepared = None;
    table.check("images imported, pods before the install", || {
        fixture::import(&cluster, &archive)?;
        fixture::import_client(&cluster, &directory)?;
        fixture::objects(&cluster)?;
        node::forget(&cluster)?;
        let speed = speed::measure(&cluster, false)?;
        prepared = Some((speed, Snapshot::take(&cluster)?));
        Ok(format!("{} and what asks in the pods", archive.display()))
    })?;
    let Some((speed, before)) = prepared else {
        return table.finish(&title);
    };
    let installed = table.check("install", || install(&cluster))?;
    if installed {
        checks(&cluster, options, &mut table, (&title, &speed))?;
    }
    table.check("uninstall, while a pod asks", || uninstall(&cluster))?;
    table.check("the node as before the install", || {
        node::is_as_before(&cluster, &before)
    })?;
    drop(guard);
    table.finish(&title)
}

/// A check that makes its pods itself.
type Run = fn(&Cluster) -> Result<String>;

/// Everything between install and uninstall.
fn checks(
    cluster: &Cluster,
    options: &Options,
    table: &mut Table,
    (title, before): (&str, &speed::Phase),
) -> Result<()> {
    let is_wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()))
    };
    let mut answers = answers::checks(cluster);
    answers.retain(|check| is_wanted(check.name));
    if !answers.is_empty() {
        let (pods, runs): (Vec<Pod>, Vec<_>) = answers
            .into_iter()
            .map(|check| (check.pod, (check.name, check.run)))
            .unzip();
        table.check("a pod for each of these checks", || {
            fixture::start(cluster, &pods)?;
            Ok(format!("{} pods", pods.len()))
        })?;
        for (name, run) in runs {
            table.check(name, || run(cluster))?;
        }
        fixture::stop(cluster, &pods)?;
    }
    let rest: [(&str, Run); 10] = [
        ("hits do not reach CoreDNS", bypass::nothing_reaches_coredns),
        ("octets from the API server", bypass::octets),
        ("time from the API write to the answer", changes::objects),
        ("Deployment rolled", changes::rolled),
        ("100 pods in waves of 25, first millisecond", churn::waves),
        ("agent pod deleted", faults::agent_deleted),
        ("agent killed", faults::agent_killed),
        ("containerd restarted", faults::containerd_restarted),
        (
            "API server stopped for a minute",
            faults::api_server_stopped,
        ),
        ("CoreDNS scaled to 0 and back", faults::coredns_scaled),
    ];
    let name = "speed and CPU, before -> after";
    if is_wanted(name) {
        table.check(name, || {
            let after = speed::measure(cluster, true)?;
            speed::compare(cluster, title, [before, &after], options.json.as_deref())
        })?;
    }
    for (name, run) in rest.into_iter().filter(|(name, _)| is_wanted(name)) {
        table.check(name, || run(cluster))?;
    }
    Ok(())
}

fn open(options: &Options) -> Result<Cluster> {
    let kubectl = kube_clients::kubectl()?;
    let node_shell = options.node_shell.as_deref().unwrap_or_default();
    let mut cluster = Cluster {
        kubectl,
        node_shell: node_shell.split_whitespace().map(str::to_owned).collect(),
        toolbox: options.toolbox.clone(),
        external: options.external.clone(),
        dns: std::net::Ipv4Addr::UNSPECIFIED,
    };
    let nodes = cluster
        .get(&["nodes"])
        .context("KUBECONFIG reaches no cluster")?;
    if array(&nodes["items"]).count() != 1 {
        bail!("a cluster with one node is needed: what is measured on the node is measured on one");
    }
    let dns = cluster.get(&["-n", "kube-system", "service", "kube-dns"])?;
    cluster.dns = dns["spec"]["clusterIP"]
        .as_str()
        .unwrap_or_default()
        .parse()?;
    Ok(cluster)
}

fn deployed() -> Result<String> {
    Ok(image::root()?
        .join("deploy/kustomize")
        .display()
        .to_string())
}

fn install(cluster: &Cluster) -> Result<String> {
    cluster.kubectl(&["apply", "-k", &deployed()?])?;
    cluster.agent_is_ready().map_err(|error| {
        let describe = ["-n", "kube-system", "logs", "daemonset/kerndns", "--tail=5"];
        error.context(cluster.kubectl(&describe).unwrap_or_default())
    })?;
    let held = node::note_held(cluster)?;
    let log = cluster.kubectl(&["-n", "kube-system", "logs", "daemonset/kerndns"])?;
    let found = log.lines().find_map(|line| line.split_once("found: "));
    let (_, found) = found.context("the agent's log does not say what was found")?;
    Ok(format!("{held} programs, maps and links; found: {found}"))
}

fn uninstall(cluster: &Cluster) -> Result<String> {
    node::note_held(cluster)?;
    let tallies = tally::while_asking(cluster, "uninstall", &[&tally::full("web")], || {
        cluster.kubectl(&["delete", "-k", &deployed()?, "--wait"])?;
        let gone = [
            "wait",
            "--for=delete",
            "pod",
            "-l",
            "app.kubernetes.io/name=kerndns",
            "--timeout=60s",
        ];
        cluster.kubectl(&[["-n", "kube-system"].as_slice(), &gone].concat())?;
        Ok(())
    })?;
    let tally = tally::one(&tallies)?;
    tally.all_answered("cluster names")?;
    Ok(format!(
        "{} queries, 0 failed, p99 {} µs",
        tally.sent, tally.p99
    ))
}

/// Takes everything away that was made, also after an error or a signal.
struct Removed<'a>(&'a Cluster);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let delete = |words: &[&str]| {
            let mut kubectl = Command::new(&self.0.kubectl);
            let delete = ["delete", "--ignore-not-found", "--wait=false"];
            if let Err(error) = command::quiet_output(kubectl.args(delete).args(words)) {
                eprintln!("could not clean up: {error:#}");
            }
        };
        if let Ok(deployed) = deployed() {
            delete(&["-k", &deployed]);
        }
        delete(&["namespace", NAMESPACE, &format!("{NAMESPACE}-other")]);
    }
}
