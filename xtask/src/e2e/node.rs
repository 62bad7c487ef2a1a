//! What is on the node that an install could leave behind: BPF objects, bpffs, interfaces, rules.
//!
//! Ids of BPF objects are of the whole kernel, which other node agents share. So what is looked for afterwards is what the
//! agents themselves held, by the descriptors of their processes (proc(5), fdinfo), and that is to be gone.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::cluster::{Cluster, array};

/// Where the ids that agents have held are noted on the node, a line each.
const NOTED: &str = "/run/kerndns-e2e.ids";

/// The node at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// `prog`, `map` and `link` with their ids.
    objects: BTreeSet<String>,
    bpffs: String,
    interfaces: Vec<String>,
    /// The node's rules, of iptables and of nftables.
    rules: Vec<String>,
}

impl Snapshot {
    /// Names that differ from one pod to its successor are left out: addresses, veth names and hashes made of them.
    pub(super) fn take(cluster: &Cluster) -> Result<Self> {
        let pods = cluster.get(&["pods", "-A"])?;
        let addresses: BTreeSet<&str> = array(&pods["items"])
            .filter_map(|pod| pod["status"]["podIP"].as_str())
            .collect();
        let objects = cluster.node(
            "for kind in prog map link; do bpftool -j $kind show | grep -o '{\"id\":[0-9]*' | sed \"s/.*:/$kind /\"; done",
        )?;
        let interfaces = cluster
            .node("ip -o link show | awk '{print $2}' | sed 's/@.*//; s/^veth.*/veth/' | sort")?;
        // -s: without counters.
        let rules = cluster
            .node("iptables-save 2>/dev/null | grep '^-'; nft -s list ruleset 2>/dev/null; true")?;
        let mut rules: Vec<String> = rules
            .lines()
            .map(|rule| unnamed(rule, &addresses))
            .collect();
        rules.sort();
        Ok(Self {
            objects: objects.lines().map(str::to_owned).collect(),
            bpffs: cluster.node("find /sys/fs/bpf -mindepth 1 | sort")?,
            interfaces: interfaces.lines().map(str::to_owned).collect(),
            rules,
        })
    }
}

/// A rule without what is a pod's own.
fn unnamed(rule: &str, addresses: &BTreeSet<&str>) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let mut text = String::new();
    for word in rule.split_inclusive(|c: char| !is_part(c)) {
        let bare = word.trim_end_matches(|c: char| !is_part(c));
        let is_address = addresses.contains(bare);
        // CNI-HASH and the container's id, of CNI plugins that masquerade.
        let is_cni = bare.strip_prefix("CNI-").unwrap_or(bare);
        let is_cni = is_cni.len() >= 24 && is_cni.bytes().all(|octet| octet.is_ascii_hexdigit());
        // KUBE-SEP-HASH of iptables, endpoint-HASH-NAMESPACE of nftables.
        let is_endpoint = bare.starts_with("KUBE-SEP-") || bare.starts_with("endpoint-");
        let endpoint = bare
            .split('-')
            .enumerate()
            .filter(|(at, part)| *at != 1 || *part == "SEP")
            .count();
        if is_address {
            text.push_str("POD");
        } else if is_cni {
            text.push_str("CONTAINER");
        } else if is_endpoint {
            text.push_str(&format!("ENDPOINT{endpoint}"));
        } else {
            text.push_str(bare);
        }
        text.push_str(&word[bare.len()..]);
    }
    text.trim().to_owned()
}

/// Notes what the agent holds now, for [`left`].
pub(super) fn note_held(cluster: &Cluster) -> Result<usize> {
    let held = cluster.node(&format!(
        "for pid in $(pidof kerndns); do cat /proc/$pid/fdinfo/* 2>/dev/null; done | \
         sed -n 's/^\\(prog\\|map\\|link\\)_id:[[:space:]]*/\\1 /p' | sort -u | tee -a {NOTED}"
    ))?;
    ensure!(
        !held.trim().is_empty(),
        "the agent holds no program, no map and no link"
    );
    Ok(held.lines().count())
}

/// What noted ids exist still; and forgets them.
fn left(cluster: &Cluster) -> Result<(usize, Vec<String>)> {
    let noted = cluster.node(&format!("sort -u {NOTED}; rm -f {NOTED}"))?;
    let now = Snapshot::take(cluster)?.objects;
    let left = noted
        .lines()
        .filter(|id| now.contains(*id))
        .map(str::to_owned)
        .collect();
    Ok((noted.lines().count(), left))
}

/// Forgets what an earlier run noted.
pub(super) fn forget(cluster: &Cluster) -> Result<()> {
    cluster.node(&format!("rm -f {NOTED}")).map(drop)
}

/// After the uninstall: all that agents held is gone, and the rest is as it was.
pub(super) fn is_as_before(cluster: &Cluster, before: &Snapshot) -> Result<String> {
    let (held, left) = left(cluster)?;
    ensure!(left.is_empty(), "still in the kernel: {}", left.join(", "));
    let now = Snapshot::take(cluster)?;
    ensure!(
        now.bpffs == before.bpffs,
        "bpffs has {:?}, before {:?}",
        now.bpffs,
        before.bpffs
    );
    unchanged("interfaces", &before.interfaces, &now.interfaces)?;
    unchanged("rules", &before.rules, &now.rules)?;
    let others = now.objects.difference(&before.objects).count();
    Ok(format!(
        "{held} programs, maps and links held, all gone; bpffs, {} interfaces, {} rules as before; {others} ids are new, \
         none of them ours",
        now.interfaces.len(),
        now.rules.len()
    ))
}

fn unchanged(what: &str, before: &[String], now: &[String]) -> Result<()> {
    let difference = |from: &[String], to: &[String]| {
        let lines: Vec<&str> = from
            .iter()
            .filter(|line| !to.contains(line))
            .map(String::as_str)
            .collect();
        lines.join("\n  ")
    };
    ensure!(
        before == now,
        "{what} differ ({} before, {} now): gone:\n  {}\nnew:\n  {}",
        before.len(),
        now.len(),
        difference(before, now),
        difference(now, before)
    );
    Ok(())
}

/// The versions and modes of the cluster, for the title of the table.
pub(super) fn describe(cluster: &Cluster) -> Result<String> {
    let nodes = cluster.get(&["nodes"])?;
    let node = array(&nodes["items"])
        .next()
        .context("a cluster without a node")?;
    let info = |name: &str| {
        node["status"]["nodeInfo"][name]
            .as_str()
            .unwrap_or("?")
            .to_owned()
    };
    let cni: String = cluster
        .node("cat /etc/cni/net.d/*.conflist /etc/cni/net.d/*.conf 2>/dev/null | head -c 100000")
        .map(|text| first_plugin(&text))?;
    let proxy = cluster.node(
        "if nft list tables 2>/dev/null | grep -q kube-proxy; then echo nftables; \
         elif iptables-save 2>/dev/null | grep -q KUBE-SVC; then echo iptables; else echo no kube-proxy; fi",
    )?;
    Ok(format!(
        "CNI {cni}, kube-proxy {}, kubelet {}, Linux {}, {}",
        proxy.trim(),
        info("kubeletVersion"),
        info("kernelVersion"),
        info("containerRuntimeVersion")
    ))
}

/// The `type` of the first plugin of a CNI configuration list.
fn first_plugin(text: &str) -> String {
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let first = documents.next().and_then(Result::ok).unwrap_or_default();
    let plugin = array(&first["plugins"]).next().unwrap_or(&first);
    plugin["type"].as_str().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_the_same_for_a_pod_and_its_successor() {
        let rule = |hash: &str, address: &str| {
            let addresses = BTreeSet::from([address]);
            unnamed(
                &format!("-A KUBE-SEP-{hash} -s {address}/32 -j MARK"),
                &addresses,
            )
        };
        assert_eq!(rule("ABC", "10.244.0.5"), rule("XYZ", "10.244.0.9"));
        let other = unnamed(
            "-A KUBE-SEP-ABC -s 10.244.0.5/32 -j DROP",
            &BTreeSet::from(["10.244.0.5"]),
        );
        assert_ne!(rule("ABC", "10.244.0.5"), other);
    }
}
