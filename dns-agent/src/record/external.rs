//! Names of Services by their addresses outside of the cluster (`k8s_external`): external IPs, and a
//! load balancer's addresses and host names.
//!
//! `<service>.<namespace>.<zone>` and `_<port>._<protocol>` below it; with `headless` also the endpoints
//! of Services that have no external address. The view says which objects are shown.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::answer_set::{AnswerSet, address_node, address_rdata, rrset};
use super::owner::{Below, below, protocol_of};
use super::reverse::{addresses_under, is_reverse};
use super::schema::View;
use super::service::numbers;
use super::{Name, Node, RRset, Rdata};
use crate::k8s::index::{Group, Index, external_addresses};
use crate::k8s::object::{External, ObjectKey, Port, Scope, Service, ServiceKind};
use crate::plugin::k8s_external::Options;

/// The label of the name server below `apex`.
const SERVER: &str = "ns1";

impl View {
    /// What a name in the zones of `k8s_external` has, its apex SOA apart; `None`: no such name.
    pub fn external(&self, index: &Index, options: &Options, name: &Name) -> Option<Node> {
        let zone = options.zone_of(name)?;
        if name == zone {
            return Some(self.external_apex(index, options, zone));
        }
        if is_reverse(zone) {
            return self.external_reverse(index, options, name);
        }
        let labels = name.texts_above(zone)?;
        match labels.as_slice() {
            [apex] if *apex == options.apex => Some(Node::default()),
            [SERVER, apex] if *apex == options.apex => {
                Some(address_node(self.external_servers(index), options.ttl))
            }
            [.., apex] if *apex == options.apex => None,
            [namespace] => self.exposes(index, namespace).then(Node::default),
            [left @ .., service, namespace] => {
                self.exposes(index, namespace).then_some(())?;
                let key = ObjectKey::new(namespace, service);
                let group = index.group(Scope::Cluster, &key)?;
                let owner = below(zone, [namespace, service])?;
                let below = Below::parse(left, Scope::Cluster)?;
                self.external_service(group, options, &owner, below)
            }
            [] => None,
        }
    }

    /// NS and its glue.
    fn external_apex(&self, index: &Index, options: &Options, zone: &Name) -> Node {
        let Some(server) = below(zone, [&*options.apex, SERVER]) else {
            return Node::default();
        };
        let glue = self.external_servers(index).into_iter();
        Node {
            rrsets: vec![RRset {
                ttl: options.ttl,
                rdata: vec![Rdata::Ns(server.clone())],
                additional: glue.map(|ip| (server.clone(), address_rdata(ip))).collect(),
            }],
        }
    }

    /// The DNS Service's external addresses, else our own.
    fn external_servers(&self, index: &Index) -> BTreeSet<IpAddr> {
        let service = index.service(&self.dns_service);
        let shared: BTreeSet<IpAddr> = service
            .into_iter()
            .flat_map(|s| external_addresses(s))
            .collect();
        if shared.is_empty() {
            self.own_addresses.iter().copied().collect()
        } else {
            shared
        }
    }

    fn external_service(
        &self,
        group: &Group,
        options: &Options,
        owner: &Name,
        below: Below,
    ) -> Option<Node> {
        let service = self.service(group)?;
        let is_endpoint = matches!(below, Below::Label(_));
        let is_headless = service.kind == ServiceKind::Headless;
        if options.headless && service.external.is_empty() && (is_headless || is_endpoint) {
            return self.external_endpoints(group, options, owner, below);
        }
        if service.external.is_empty() {
            return None;
        }
        if let Below::Label(label) = below {
            return has_port(&service.ports, label).then(Node::default);
        }
        let ports = numbers(&service.ports, below);
        let mut answers = AnswerSet::default();
        for address in external_addresses(service) {
            answers.add(address, Some(owner), &ports);
        }
        let mut node = answers.into_node(options.ttl);
        let hosts = service.external.iter().filter_map(host);
        if let Some(host) = hosts.take(1).next().filter(|_| node.rrsets.is_empty()) {
            node = host_node(&host, &ports, options.ttl);
        }
        (!ports.is_empty()).then_some(node)
    }

    /// Endpoints as below the Service's name in the cluster's zone.
    fn external_endpoints(
        &self,
        group: &Group,
        options: &Options,
        owner: &Name,
        below: Below,
    ) -> Option<Node> {
        let mut answers = AnswerSet::default();
        for slice in self.slices(group) {
            let ports = numbers(&slice.ports, below);
            for row in slice.endpoints.iter().filter(|_| !ports.is_empty()) {
                let target = self.endpoint_owner(owner, slice, row, Scope::Cluster);
                let is_asked = match below {
                    Below::Label(label) => target == owner.child(label.as_bytes()),
                    _ => true,
                };
                if is_asked {
                    answers.add(row.address, target.as_ref(), &ports);
                }
            }
        }
        if !answers.is_empty() {
            return Some(answers.into_node(options.ttl));
        }
        let Below::Label(label) = below else {
            return None;
        };
        let is_above = self
            .slices(group)
            .any(|slice| !slice.endpoints.is_empty() && has_port(&slice.ports, label));
        is_above.then(Node::default)
    }

    /// PTR records: one for each Service that has the address, into the first zone that is none of
    /// addresses.
    fn external_reverse(&self, index: &Index, options: &Options, name: &Name) -> Option<Node> {
        let zones = &options.zones;
        let zone = zones
            .iter()
            .find(|zone| !is_reverse(zone))
            .or(zones.first())?;
        let range = addresses_under(name)?;
        let is_whole = range.start() == range.end();
        let shown = |service: &Arc<Service>| {
            self.exposes(index, &service.key.namespace) && self.shows(service.seen)
        };
        let mut services = index.external().within(range).map(|(_, service)| service);
        if !is_whole {
            return services.any(shown).then(Node::default);
        }
        let owners = services.filter(|service| shown(service));
        let owners: BTreeSet<Name> = owners
            .filter_map(|service| below(zone, [&*service.key.namespace, &*service.key.name]))
            .collect();
        (!owners.is_empty()).then(|| Node {
            rrsets: vec![rrset(
                options.ttl,
                owners.into_iter().map(Rdata::Ptr).collect(),
            )],
        })
    }
}

/// `_tcp` and the like, where a named port of that protocol is below.
fn has_port(ports: &[Port], label: &str) -> bool {
    let protocol = protocol_of(label);
    ports
        .iter()
        .any(|port| Some(port.protocol) == protocol && !port.name.is_empty())
}

fn host(external: &External) -> Option<Name> {
    match external {
        External::Address(_) => None,
        External::Host(host) => Name::parse(host).ok(),
    }
}

/// An alias of the load balancer's host name, and SRV records that lead to it directly: the target of
/// one must not be an alias (RFC 2782).
fn host_node(host: &Name, ports: &[Option<u16>], ttl: u32) -> Node {
    let weight = u16::try_from(100 / ports.len().max(1)).unwrap_or(1).max(1);
    let numbers: BTreeSet<u16> = ports.iter().flatten().copied().collect();
    let srv = numbers.into_iter().map(|port| Rdata::Srv {
        weight,
        port,
        target: host.clone(),
    });
    let srv: Vec<Rdata> = srv.collect();
    let mut node = Node {
        rrsets: vec![rrset(ttl, vec![Rdata::Cname(host.clone())])],
    };
    if !srv.is_empty() {
        node.rrsets.push(rrset(ttl, srv));
    }
    node
}

#[cfg(test)]
#[path = "external_tests.rs"]
mod tests;
