//! What a Corefile needs of the cluster's objects, so that the rest is dropped at the door.
//!
//! Labels are judged when an object comes in and are not kept: the object carries one bit for each
//! different selector of the Corefile, and each view looks at its own bit. Other selectors are other
//! needs, and other needs are a new list.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::object::{Kind, Object, ObjectKey};
use super::selector::Selector;

/// The most different selectors of one kind.
pub const SELECTORS: usize = 64;

/// What is to be kept of which objects.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that is asked for or not"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// `labels` of each block, each once; `None` is a block that shows everything.
    labels: Vec<Option<Selector>>,
    /// `namespace_labels` of each block, likewise.
    namespace_labels: Vec<Option<Selector>>,
    /// The Service that is kept whatever its labels: its ClusterIPs are where queries come in.
    dns_service: Option<ObjectKey>,
    /// The topology zones of endpoints.
    pub zones: bool,
    /// The names of the Pods behind endpoints.
    pub pod_names: bool,
    /// External addresses of Services.
    pub external: bool,
    /// ServiceImports and their EndpointSlices.
    pub imports: bool,
    /// All pods of the cluster.
    pub pods: bool,
    /// The pods of the agent's own node.
    pub local_pods: bool,
    /// That node's name; `None`: every pod is one of its own (manifests that name no node), or none is asked for.
    pub node: Option<Arc<str>>,
}

/// Which selectors an object matches: one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen(u64);

/// Which objects a block shows, by the bits of [`Seen`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Services, ServiceImports and EndpointSlices.
    pub objects: Seen,
    /// Namespaces.
    pub namespaces: Seen,
}

impl Seen {
    /// Matches every selector.
    pub const ALL: Seen = Seen(u64::MAX);
    /// Matches none.
    pub const NONE: Seen = Seen(0);

    /// Whether the two have a bit in common.
    pub fn meets(self, other: Seen) -> bool {
        self.0 & other.0 != 0
    }
}

impl Default for Sight {
    /// Everything.
    fn default() -> Self {
        Self {
            objects: Seen::ALL,
            namespaces: Seen::ALL,
        }
    }
}

impl Needs {
    /// Of no block yet; `dns_service` is kept whatever its labels.
    pub fn new(dns_service: ObjectKey) -> Self {
        Self {
            dns_service: Some(dns_service),
            ..Self::default()
        }
    }

    /// Adds the selectors of one block.
    pub fn add_block(&mut self, labels: Option<&Selector>, namespace_labels: Option<&Selector>) {
        for (list, selector) in [
            (&mut self.labels, labels),
            (&mut self.namespace_labels, namespace_labels),
        ] {
            if !list.iter().any(|known| known.as_ref() == selector) {
                list.push(selector.cloned());
            }
        }
    }

    /// What a block with these selectors shows.
    pub fn sight(&self, labels: Option<&Selector>, namespace_labels: Option<&Selector>) -> Sight {
        Sight {
            objects: bit(&self.labels, labels),
            namespaces: bit(&self.namespace_labels, namespace_labels),
        }
    }

    /// Which selectors of Services, ServiceImports and EndpointSlices these labels match.
    pub fn judge(&self, labels: Option<&BTreeMap<String, String>>) -> Seen {
        judge(&self.labels, labels)
    }

    /// Which selectors of Namespaces these labels match.
    pub fn judge_namespace(&self, labels: Option<&BTreeMap<String, String>>) -> Seen {
        judge(&self.namespace_labels, labels)
    }

    /// Whether any block shows the object. All Namespaces are kept: there are few, and a Service
    /// in one that is not known is worth a warning.
    pub fn wants(&self, object: &Object) -> bool {
        match object {
            Object::Namespace(_) => true,
            Object::Service(service) => {
                service.seen != Seen::NONE || self.dns_service.as_ref() == Some(&service.key)
            }
            Object::ServiceImport(service) => service.seen != Seen::NONE,
            Object::EndpointSlice(slice) => slice.seen != Seen::NONE,
            Object::Pod(_) => self.pods,
            Object::LocalPod(pod) => {
                let is_here = self.node.is_none() || pod.node == self.node;
                self.local_pods && is_here
            }
        }
    }

    /// The selector that the API server may filter objects of a kind by: the only one there is.
    /// Services are all asked for, since the DNS Service may have other labels.
    pub fn filter(&self, kind: Kind) -> Option<&Selector> {
        let list = match kind {
            Kind::Namespace => &self.namespace_labels,
            Kind::EndpointSlice | Kind::ServiceImport => &self.labels,
            Kind::Service | Kind::Pod | Kind::LocalPod => return None,
        };
        match list.as_slice() {
            [only] => only.as_ref(),
            _ => None,
        }
    }

    /// The field selector of a kind; `None`: all objects. Of pods those that have not ended, as CoreDNS selects them.
    pub fn fields(&self, kind: Kind) -> Option<String> {
        const RUNNING: &str = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown";
        match (kind, &self.node) {
            (Kind::LocalPod, Some(node)) => Some(format!("spec.nodeName={node},{RUNNING}")),
            (Kind::Pod | Kind::LocalPod, _) => Some(RUNNING.to_owned()),
            (Kind::Namespace | Kind::Service | Kind::EndpointSlice | Kind::ServiceImport, _) => {
                None
            }
        }
    }

    /// The kinds that are watched.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + use<> {
        let (imports, pods, local_pods) = (self.imports, self.pods, self.local_pods);
        Kind::ALL.into_iter().filter(move |kind| match kind {
            Kind::Namespace | Kind::Service | Kind::EndpointSlice => true,
            Kind::ServiceImport => imports,
            Kind::Pod => pods,
            Kind::LocalPod => local_pods,
        })
    }
}

fn bit(list: &[Option<Selector>], selector: Option<&Selector>) -> Seen {
    let at = list.iter().position(|known| known.as_ref() == selector);
    // A view that was never added shows everything, as if there were no selectors at all.
    let bit = at.and_then(|at| 1_u64.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)));
    bit.map_or(Seen::ALL, Seen)
}

fn judge(list: &[Option<Selector>], labels: Option<&BTreeMap<String, String>>) -> Seen {
    if list.is_empty() {
        return Seen::ALL;
    }
    let none = BTreeMap::new();
    let labels = labels.unwrap_or(&none);
    let matches = |selector: &Option<Selector>| {
        selector
            .as_ref()
            .is_none_or(|selector| selector.matches(labels))
    };
    let bits = list.iter().take(SELECTORS).enumerate();
    Seen(
        bits.filter(|(_, selector)| matches(selector))
            .fold(0, |bits, (at, _)| bits | 1 << at),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_sees_what_its_own_selectors_match() {
        let web = Selector::parse("app=web");
        let mut needs = Needs::default();
        needs.add_block(None, None);
        needs.add_block(web.as_ref(), None);
        needs.add_block(web.as_ref(), Selector::parse("team=a").as_ref());
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let (all, ours) = (needs.sight(None, None), needs.sight(web.as_ref(), None));
        assert!(needs.judge(Some(&labels)).meets(ours.objects));
        assert!(!needs.judge(None).meets(ours.objects));
        assert!(needs.judge(None).meets(all.objects));
        let team = needs.sight(web.as_ref(), Selector::parse("team=a").as_ref());
        assert!(!needs.judge_namespace(Some(&labels)).meets(team.namespaces));
        assert_eq!(needs.filter(Kind::EndpointSlice), None);
    }

    #[test]
    fn the_server_filters_by_the_only_selector() {
        let web = Selector::parse("app=web");
        let mut needs = Needs::default();
        needs.add_block(web.as_ref(), None);
        needs.add_block(web.as_ref(), None);
        assert_eq!(needs.filter(Kind::EndpointSlice), web.as_ref());
        assert_eq!(needs.filter(Kind::Service), None);
        assert_eq!(needs.filter(Kind::Namespace), None);
    }
}
