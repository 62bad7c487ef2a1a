//! The objects of the checks as manifests, and the images of their pods.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::cluster::{Cluster, NAMESPACE};
use crate::command;
use crate::image::{self, Arch};

/// The image of `in_pod`.
const CLIENT: &str = "localhost/kerndns-e2e";

/// Which containers a pod has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Containers {
    /// `sh`, `dig`, `getent`: glibc.
    Toolbox,
    /// `in_pod`: musl.
    Client,
    /// Both.
    Both,
}

/// A pod that waits for what it is asked to do.
pub(super) struct Pod {
    pub(super) name: &'static str,
    pub(super) containers: Containers,
    /// Further lines of its spec.
    pub(super) spec: String,
}

impl Pod {
    /// With the default dnsPolicy.
    pub(super) fn new(name: &'static str, containers: Containers) -> Self {
        Self {
            name,
            containers,
            spec: String::new(),
        }
    }

    fn manifest(&self, toolbox: &str) -> String {
        let Self { name, spec, .. } = self;
        let mut manifest = format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\nspec:\n  \
             terminationGracePeriodSeconds: 0\n{spec}  containers:\n"
        );
        if self.containers != Containers::Client {
            let _ = writeln!(
                manifest,
                "  - {{name: toolbox, image: \"{toolbox}\", imagePullPolicy: IfNotPresent, command: [sleep, \"86400\"]}}"
            );
        }
        if self.containers != Containers::Toolbox {
            let _ = writeln!(manifest, "  - {}", client(&["wait"]));
        }
        manifest
    }
}

/// A container that runs `in_pod`.
pub(super) fn client(words: &[&str]) -> String {
    let image = client_image();
    format!("{{name: client, image: \"{image}\", imagePullPolicy: Never, args: {words:?}}}")
}

fn client_image() -> String {
    format!("{CLIENT}:{}", image::version())
}

/// Makes pods and waits until they run.
pub(super) fn start(cluster: &Cluster, pods: &[Pod]) -> Result<()> {
    let manifests: String = pods
        .iter()
        .map(|pod| pod.manifest(&cluster.toolbox))
        .collect();
    cluster.apply(&manifests)?;
    let names: Vec<String> = pods.iter().map(|pod| format!("pod/{}", pod.name)).collect();
    let mut wait = vec!["wait", "--for=condition=Ready", "--timeout=120s"];
    wait.extend(names.iter().map(String::as_str));
    cluster.here(&wait)?;
    Ok(())
}

/// Removes pods at once.
pub(super) fn stop(cluster: &Cluster, pods: &[Pod]) -> Result<()> {
    let mut delete = vec!["delete", "pod", "--grace-period=1"];
    delete.extend(pods.iter().map(|pod| pod.name));
    cluster.here(&delete)?;
    Ok(())
}

/// The image of `in_pod`, built and imported on the node. `directory` is for what is made on the way.
pub(super) fn import_client(cluster: &Cluster, directory: &Path) -> Result<()> {
    let program = directory.join("kerndns-e2e");
    let mut rustc = Command::new("rustc");
    rustc
        .args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "strip=symbols",
            "-C",
            "panic=abort",
        ])
        .args(["-C", "linker=rust-lld", "--target", Arch::Amd64.target()])
        .arg(image::root()?.join("xtask/src/e2e/in_pod.rs"))
        .arg("-o")
        .arg(&program);
    command::output(&mut rustc)?;
    let archive = directory.join("kerndns-e2e.tar");
    image::of_program(CLIENT, Arch::Amd64, &program, &archive)?;
    import(cluster, &archive)
}

/// Gives an archive to the node's containerd.
pub(super) fn import(cluster: &Cluster, archive: &Path) -> Result<()> {
    let octets = std::fs::read(archive).with_context(|| {
        format!(
            "cannot read {}: `cargo xtask image` makes it, or name one with --image",
            archive.display()
        )
    })?;
    let mut ctr = cluster.on_node(&["ctr", "-n", "k8s.io", "images", "import", "-"]);
    command::fed(&mut ctr, &octets)?;
    Ok(())
}

/// What is there before the install and after it: names of every kind, and two pods.
pub(super) fn objects(cluster: &Cluster) -> Result<()> {
    let sixty: Vec<String> = (1..=60)
        .map(|host| format!("{{addresses: [10.99.60.{host}]}}"))
        .collect();
    let (sixty, external, client) = (sixty.join(", "), &cluster.external, client(&["wait"]));
    cluster.apply(&format!(
        "\
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: {NAMESPACE}}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: sixty, namespace: {NAMESPACE}}}
spec: {{clusterIP: None, ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: sixty-1, namespace: {NAMESPACE}, labels: {{kubernetes.io/service-name: sixty}}}}
addressType: IPv4
ports: [{{name: http, port: 80, protocol: TCP}}]
endpoints: [{sixty}]
---
apiVersion: v1
kind: Service
metadata: {{name: outside, namespace: {NAMESPACE}}}
spec: {{type: ExternalName, externalName: {external}}}
---
apiVersion: v1
kind: Service
metadata: {{name: db, namespace: {NAMESPACE}}}
spec: {{clusterIP: None, selector: {{app: db}}, ports: [{{name: sql, port: 5432}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db, namespace: {NAMESPACE}}}
spec:
  replicas: 2
  serviceName: db
  podManagementPolicy: Parallel
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {client}
"
    ))?;
    let mut node = Pod::new("node", Containers::Client);
    node.spec.push_str("  hostNetwork: true\n");
    start(cluster, &[Pod::new("before", Containers::Both), node])?;
    cluster.here(&["rollout", "status", "statefulset/db", "--timeout=60s"])?;
    Ok(())
}
