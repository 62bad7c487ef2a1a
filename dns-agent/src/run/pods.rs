//! From what a Corefile needs to the lists of pods that are followed at the API server.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::cli::{RunArgs, Source};
use crate::k8s::object::Kind;
use crate::k8s::watch::PodLists;

/// The lists for `kinds`. Fails where the pods of this node are needed and its name is not known.
pub(super) fn lists(kinds: &BTreeSet<Kind>, args: &RunArgs) -> Result<PodLists> {
    let needs_node = kinds.contains(&Kind::LocalPod) && args.source == Source::Kubernetes;
    if needs_node && args.node_name().is_none() {
        bail!(
            "\"autopath @kubernetes\" finds a client among the pods of its own node, and the node's name is not known: \
             set NODE_NAME in the environment to the pod's spec.nodeName, as deploy/daemonset.yaml does, or give \
             --node NAME"
        );
    }
    Ok(PodLists {
        cluster: kinds.contains(&Kind::Pod),
        node: args.node_name().filter(|_| needs_node),
    })
}
