//! KernDNS with kubeadm's Corefile and the objects as manifests, its program at the pod's end of the node.

use std::fs;

use anyhow::{Context as _, Result};
use kerndns_tests::site::{SERVICE_V4, Site};
use serde_json::json;

use crate::peers::servers::{NAMES, Server, at, coredns};
use crate::peers::zone::Zone;

/// Starts it.
pub(super) fn start<'a>(site: &'a Site, zone: &Zone) -> Result<Server<'a>> {
    for entry in fs::read_dir(site.manifests())? {
        fs::remove_file(entry?.path())?;
    }
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": SERVICE_V4, "clusterIPs": [SERVICE_V4], "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]},
    });
    // JSON is YAML.
    let objects = zone.objects().into_iter().chain([service]);
    let documents: Vec<String> = objects.map(|object| format!("--- {object}\n")).collect();
    site.write("cluster.yaml", &documents.concat())?;
    site.corefile(&coredns::kubeadm_corefile("", "", coredns::KUBEADM_CACHE))?;
    let mut agent = site.launch(&["--pods", "veth*"])?;
    agent.ready()?;
    agent.expect_attached("tc", 1);
    Ok(Server {
        name: NAMES[0],
        address: at(10),
        pod: site.testbed.pods.first().context("a pod")?,
        pids: vec![agent.process()],
        agent: Some(agent),
        daemons: Vec::new(),
        reflector: None,
    })
}
