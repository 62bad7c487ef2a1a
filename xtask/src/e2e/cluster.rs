//! The cluster as the checks see it: kubectl, a shell on its node, and what is measured on both.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{command, exposition};

/// Everything that the checks make is in this Namespace.
pub(super) const NAMESPACE: &str = "kerndns-e2e";
/// Where the agent has its metrics, `--metrics` in deploy/.
const AGENT: &str = "127.0.0.1:9353";

/// A cluster with a node that commands can be run on.
pub(super) struct Cluster {
    pub(super) kubectl: PathBuf,
    /// What runs a command on the node; empty: this machine is the node.
    pub(super) node_shell: Vec<String>,
    /// An image with sh, dig and getent.
    pub(super) toolbox: String,
    /// A name outside the cluster.
    pub(super) external: String,
    /// The ClusterIP that pods ask.
    pub(super) dns: Ipv4Addr,
}

impl Cluster {
    /// A command of kubectl's; what it wrote.
    pub(super) fn kubectl(&self, words: &[&str]) -> Result<String> {
        command::output(Command::new(&self.kubectl).args(words))
    }

    /// As [`Cluster::kubectl`], in the Namespace of the checks.
    pub(super) fn here(&self, words: &[&str]) -> Result<String> {
        self.kubectl(&[&["-n", NAMESPACE], words].concat())
    }

    /// An object, or a list of them.
    pub(super) fn get(&self, words: &[&str]) -> Result<Value> {
        let json = self.kubectl(&[&["get", "-o", "json"], words].concat())?;
        serde_json::from_str(&json).context("kubectl's JSON")
    }

    /// Creates or changes what the manifests have.
    pub(super) fn apply(&self, manifests: &str) -> Result<()> {
        let mut kubectl = Command::new(&self.kubectl);
        command::fed(kubectl.args(["apply", "-f", "-"]), manifests.as_bytes())?;
        Ok(())
    }

    /// A shell command in the toolbox container of a pod.
    pub(super) fn sh(&self, pod: &str, script: &str) -> Result<String> {
        self.here(&["exec", pod, "-c", "toolbox", "--", "sh", "-c", script])
    }

    /// The program of the client container of a pod.
    pub(super) fn client(&self, pod: &str, words: &[&str]) -> Result<String> {
        let exec = ["exec", pod, "-c", "client", "--", "/kerndns-e2e"];
        self.here(&[&exec, words].concat())
    }

    /// A shell script on the node, as root.
    pub(super) fn node(&self, script: &str) -> Result<String> {
        command::fed(&mut self.on_node(&["sh", "-s"]), script.as_bytes())
    }

    /// A command on the node.
    pub(super) fn on_node(&self, words: &[&str]) -> Command {
        let mut all = self
            .node_shell
            .iter()
            .map(String::as_str)
            .chain(words.iter().copied());
        let mut command = Command::new(all.next().unwrap_or("sh"));
        command.args(all);
        command
    }

    /// The addresses of CoreDNS's ready pods.
    pub(super) fn coredns(&self) -> Result<Vec<Ipv4Addr>> {
        let selector = "kubernetes.io/service-name=kube-dns";
        let slices = self.get(&["-n", "kube-system", "endpointslices", "-l", selector])?;
        let endpoints = array(&slices["items"]).flat_map(|slice| array(&slice["endpoints"]));
        let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
        let addresses = ready.flat_map(|endpoint| array(&endpoint["addresses"]));
        Ok(addresses
            .filter_map(|address| address.as_str()?.parse().ok())
            .collect())
    }

    /// The queries that CoreDNS's pods have counted.
    pub(super) fn coredns_requests(&self) -> Result<f64> {
        self.coredns_sum("coredns_dns_requests_total")
    }

    /// A metric of all CoreDNS pods together.
    pub(super) fn coredns_sum(&self, name: &str) -> Result<f64> {
        let mut sum = 0.0;
        for address in self.coredns()? {
            let text = self.client("node", &["get", &format!("{address}:9153"), "/metrics"])?;
            sum += exposition::sum(&text, name, "");
        }
        Ok(sum)
    }

    /// The agent's metrics.
    pub(super) fn metrics(&self) -> Result<String> {
        self.client("node", &["get", AGENT, "/metrics"])
    }

    /// How many queries the kernel has answered since the agent's start.
    pub(super) fn kernel_answers(&self) -> Result<u64> {
        Ok(exposition::kernel_answers(&self.metrics()?))
    }

    /// The address of a Service.
    pub(super) fn cluster_ip(&self, service: &str) -> Result<Ipv4Addr> {
        let service = self.get(&["-n", NAMESPACE, "service", service])?;
        let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        address
            .parse()
            .with_context(|| format!("clusterIP {address:?}"))
    }

    /// Waits until the agent is ready on every node.
    pub(super) fn agent_is_ready(&self) -> Result<()> {
        let status = ["rollout", "status", "daemonset/kerndns", "--timeout=90s"];
        self.kubectl(&[["-n", "kube-system"].as_slice(), &status].concat())?;
        Ok(())
    }
}

/// Tries every 50 ms until it works; the last error when the time is over.
pub(super) fn eventually<T>(limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        command::check_interrupted()?;
        match attempt() {
            Err(_) if start.elapsed() < limit => thread::sleep(Duration::from_millis(50)),
            last => return last,
        }
    }
}

/// Fails unless both are the same.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<()> {
    ensure!(
        found == expected,
        "{what}: {found:?}, expected {expected:?}"
    );
    Ok(())
}

/// The elements of an array; none of anything else.
pub(super) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
