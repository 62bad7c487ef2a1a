//! A Service and what is below it (Kubernetes DNS specification 2.3 to 2.5): addresses, SRV, endpoint
//! names, CNAME.

use std::net::IpAddr;
use std::sync::Arc;

use super::answer_set::{AnswerSet, rrset};
use super::endpoint_name::{endpoint_label, endpoints_at};
use super::owner::{Below, protocol_of, service_name};
use super::schema::View;
use super::{Name, Node, Rdata};
use crate::k8s::index::Group;
use crate::k8s::object::{Port, Scope, Service, ServiceKind};
use crate::k8s::slice::{EndpointAddress, Slice};

impl View {
    /// What a Service's own name or a name below it has; SRV targets are in the same zone.
    pub(super) fn service_node(&self, group: &Group, zone: &Name, below: Below) -> Option<Node> {
        let service = self.service(group)?;
        let scope = self.scope_of(zone);
        let owner = service_name(zone, &service.key)?;
        match (&service.kind, below) {
            (ServiceKind::ExternalName(target), Below::Service) => self.external_node(target),
            (ServiceKind::ExternalName(_), _) => None,
            (ServiceKind::ClusterIp(_), _) if self.is_ignored(group) => None,
            (_, Below::Member(label, cluster)) => {
                let of = |slice: &&Arc<Slice>| slice.cluster.as_deref() == Some(cluster);
                self.endpoint_node(self.slices(group).filter(of), &owner, label)
            }
            (_, Below::Label(label)) => {
                let node = match scope {
                    Scope::Cluster => self.endpoint_node(self.slices(group), &owner, label),
                    Scope::ClusterSet => self.has_cluster(group, label).then(Node::default),
                };
                let has_port = || self.has_port_below(service, group, label);
                node.or_else(|| has_port().then(Node::default))
            }
            (ServiceKind::ClusterIp(addresses), _) => {
                self.cluster_ip_node(addresses, service, &owner, below)
            }
            (ServiceKind::Headless, _) => self.headless_node(group, &owner, below, scope),
        }
    }

    /// Whether `ignore empty_service` hides a ClusterIP Service.
    pub(super) fn is_ignored(&self, group: &Group) -> bool {
        self.options.ignore_empty_service
            && self.slices(group).all(|slice| slice.endpoints.is_empty())
    }

    /// The slices of a Service that are shown; under `noendpoints` it is as if there were none.
    pub(super) fn slices<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Arc<Slice>> {
        let slices = group.slices.iter();
        slices.filter(|slice| !self.options.noendpoints && self.shows(slice.seen))
    }

    /// The name of an endpoint; `None`: it has none, or DNS has no such name.
    pub(super) fn endpoint_owner(
        &self,
        owner: &Name,
        slice: &Slice,
        row: &EndpointAddress,
        scope: Scope,
    ) -> Option<Name> {
        let label = endpoint_label(row, self.options.endpoint_pod_names);
        match scope {
            Scope::Cluster => owner.child(label.as_bytes()),
            Scope::ClusterSet => {
                let cluster = slice.cluster.as_ref()?;
                owner.child(cluster.as_bytes())?.child(label.as_bytes())
            }
        }
    }

    /// An address, or what is no name, cannot be the target of a CNAME: then nothing is there.
    fn external_node(&self, target: &str) -> Option<Node> {
        if target.is_empty() || target.parse::<IpAddr>().is_ok() {
            return None;
        }
        let target = Name::parse(target).ok()?;
        Some(Node {
            rrsets: vec![rrset(self.options.ttl, vec![Rdata::Cname(target)])],
        })
    }

    /// Exists without addresses too: none may be allocated yet.
    fn cluster_ip_node(
        &self,
        addresses: &[IpAddr],
        service: &Service,
        owner: &Name,
        below: Below,
    ) -> Option<Node> {
        let ports = numbers(&service.ports, below);
        let mut answers = AnswerSet::default();
        for &address in addresses {
            answers.add(address, Some(owner), &ports);
        }
        (!ports.is_empty()).then(|| answers.into_node(self.options.ttl))
    }

    fn headless_node(
        &self,
        group: &Group,
        owner: &Name,
        below: Below,
        scope: Scope,
    ) -> Option<Node> {
        let mut answers = AnswerSet::default();
        for slice in self.slices(group) {
            let ports = numbers(&slice.ports, below);
            for row in slice.endpoints.iter().filter(|_| !ports.is_empty()) {
                let target = self.endpoint_owner(owner, slice, row, scope);
                answers.add(row.address, target.as_ref(), &ports);
            }
        }
        (!answers.is_empty()).then(|| answers.into_node(self.options.ttl))
    }

    /// The endpoints of a Service of this cluster that `keep` says, with all their ports.
    pub(super) fn endpoints_of(
        &self,
        group: &Group,
        owner: &Name,
        keep: impl Fn(&EndpointAddress) -> bool,
    ) -> AnswerSet {
        let mut answers = AnswerSet::default();
        for slice in self.slices(group) {
            let ports = numbers(&slice.ports, Below::Service);
            for row in slice.endpoints.iter().filter(|row| keep(row)) {
                let target = self.endpoint_owner(owner, slice, row, Scope::Cluster);
                answers.add(row.address, target.as_ref(), &ports);
            }
        }
        answers
    }

    fn endpoint_node<'a>(
        &self,
        slices: impl Iterator<Item = &'a Arc<Slice>>,
        owner: &Name,
        label: &str,
    ) -> Option<Node> {
        let mut answers = AnswerSet::default();
        for slice in slices {
            let scope = slice
                .cluster
                .as_ref()
                .map_or(Scope::Cluster, |_| Scope::ClusterSet);
            let ports = numbers(&slice.ports, Below::Service);
            for row in endpoints_at(slice, label, self.options.endpoint_pod_names) {
                let target = self.endpoint_owner(owner, slice, row, scope)?;
                answers.add(row.address, Some(&target), &ports);
            }
        }
        (!answers.is_empty()).then(|| answers.into_node(self.options.ttl))
    }

    /// Whether `<cluster>.<service>` is an empty non-terminal: an endpoint is below.
    fn has_cluster(&self, group: &Group, label: &str) -> bool {
        self.slices(group)
            .any(|slice| slice.cluster.as_deref() == Some(label) && !slice.endpoints.is_empty())
    }

    /// Whether `_tcp` and the like is an empty non-terminal: a named port of that protocol is below.
    fn has_port_below(&self, service: &Service, group: &Group, label: &str) -> bool {
        let Some(protocol) = protocol_of(label) else {
            return false;
        };
        let counts = |port: &Port| port.protocol == protocol && !port.name.is_empty();
        match service.kind {
            ServiceKind::ClusterIp(_) => service.ports.iter().any(counts),
            ServiceKind::Headless => self
                .slices(group)
                .any(|slice| !slice.endpoints.is_empty() && slice.ports.iter().any(counts)),
            ServiceKind::ExternalName(_) => false,
        }
    }
}

/// The numbers of the ports that a name asks for. No ports at all count as one without a number, so
/// that the addresses are there (and, as in CoreDNS, take a share of the SRV weight).
pub(super) fn numbers(ports: &[Port], below: Below) -> Vec<Option<u16>> {
    match below {
        Below::Port(name, protocol) => ports
            .iter()
            .filter(|port| &*port.name == name && port.protocol == protocol)
            .map(|port| Some(port.number))
            .collect(),
        _ if ports.is_empty() => vec![None],
        _ => ports.iter().map(|port| Some(port.number)).collect(),
    }
}
