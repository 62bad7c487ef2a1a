//! The Kubernetes DNS specification 1.1.0: what a name has, given the objects.
//!
//! [`View`] is one `kubernetes` block. It keeps nothing of the objects: [`View::node`] looks a name up
//! in the index, `touched` says which names to look up again after a change, `all_names` which there
//! are. A name is there as long as something below it is (an empty non-terminal, RFC 8020), found by
//! looking for that something rather than by counting.

use std::collections::BTreeSet;
use std::iter;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::answer_set::{address_node, address_rdata, rrset};
use super::endpoint_name::endpoint_label;
use super::owner::{Below, below, service_name};
use super::pod::{is_canonical, pod_address};
use super::reverse::{addresses_under, is_reverse};
use super::{Name, Node, RRset, Rdata};
use crate::k8s::index::{Group, Index, cluster_ips};
use crate::k8s::needs::{Seen, Sight};
use crate::k8s::object::{ObjectKey, Scope, Service};
use crate::plugin::kubernetes::{Options, Pods};

/// The version of the specification that `dns-version` names.
const DNS_VERSION: &[u8] = b"1.1.0";

/// The TTL of `dns-version`, seconds, whatever `ttl` says (the specification's own example).
const DNS_VERSION_TTL: u32 = 28_800;

/// The cluster as one `kubernetes` block of the Corefile shows it.
#[derive(Debug, Clone)]
pub struct View {
    pub(super) options: Options,
    sight: Sight,
    pub(super) dns_service: ObjectKey,
    pub(super) own_addresses: Vec<IpAddr>,
}

/// The answer to a pod name, which is a rule and not a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodAnswer {
    /// The address that the name spells.
    pub address: IpAddr,
    /// The pod's own name, where labels to its left were ignored.
    pub virtual_host_of: Option<Name>,
    /// Seconds.
    pub ttl: u32,
}

impl From<PodAnswer> for Node {
    /// One A or AAAA record. A virtual host also has an SRV record that leads to its pod, port 0, as CoreDNS
    /// has it; every other type is NODATA.
    fn from(answer: PodAnswer) -> Self {
        let mut node = address_node(BTreeSet::from([answer.address]), answer.ttl);
        node.rrsets
            .extend(answer.virtual_host_of.map(|target| RRset {
                ttl: answer.ttl,
                additional: vec![(target.clone(), address_rdata(answer.address))],
                rdata: vec![Rdata::Srv {
                    weight: 100,
                    port: 0,
                    target,
                }],
            }));
        node
    }
}

impl View {
    /// A view with these options, of the objects that `sight` shows. `dns_service` is the cluster's DNS Service, whose ClusterIPs are the
    /// addresses of `ns.dns.<zone>`; `own_addresses` are used where it has none.
    pub fn new(
        options: Options,
        sight: Sight,
        dns_service: ObjectKey,
        own_addresses: Vec<IpAddr>,
    ) -> Self {
        Self {
            options,
            sight,
            dns_service,
            own_addresses,
        }
    }

    /// What the Corefile says.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The zone that a name is in: the longest that matches.
    pub fn zone_of(&self, name: &Name) -> Option<&Name> {
        self.options
            .zones
            .iter()
            .filter(|zone| name.is_under(zone))
            .max_by_key(|zone| zone.wire().len())
    }

    /// What a name has now, its apex SOA apart. `None`: no such name, or a pod name (see
    /// [`View::pod`]), or not in our zones.
    pub fn node(&self, index: &Index, name: &Name) -> Option<Node> {
        let zone = self.zone_of(name)?;
        self.node_in_zone(index, zone, name)
            .or_else(|| self.reverse_node(index, name))
            .or_else(|| self.is_above_a_zone(name).then(Node::default))
    }

    /// The address that a pod name spells; `None`: no such name, or not a pod name.
    pub fn pod(&self, index: &Index, name: &Name) -> Option<PodAnswer> {
        let zone = self.zone_of(name).filter(|zone| !is_reverse(zone))?;
        let labels = name.labels_above(zone)?;
        let [pod @ .., namespace, b"pod"] = labels.as_slice() else {
            return None;
        };
        let namespace = str::from_utf8(namespace).ok()?;
        if self.options.pods == Pods::Disabled || !self.exposes(index, namespace) {
            return None;
        }
        let address = pod_address(pod)?;
        if self.options.pods == Pods::Verified
            && !(is_canonical(pod, address) && index.pods().has(namespace, address))
        {
            return None;
        }
        let ignored = pod.len() - 1;
        let own_name = iter::successors(Some(name.clone()), Name::parent).nth(ignored);
        Some(PodAnswer {
            address,
            virtual_host_of: own_name.filter(|_| ignored > 0),
            ttl: self.options.ttl,
        })
    }

    /// Whether a missing name is one only if every pod is known.
    pub fn rests_on_pods(&self, name: &Name) -> bool {
        self.options.pods == Pods::Verified
            && self.forward_zones().any(|zone| {
                let labels = name.labels_above(zone);
                labels.is_some_and(|labels| labels.last() == Some(&b"pod".as_slice()))
            })
    }

    /// Whether names of a namespace are shown: `namespaces` lets it through and it exists.
    /// Whether names of a namespace are shown: `namespaces` lets it through, it exists, and
    /// `namespace_labels` matches it.
    pub(super) fn exposes(&self, index: &Index, namespace: &str) -> bool {
        let seen = index.namespace(namespace);
        self.admits(namespace) && seen.is_some_and(|seen| seen.meets(self.sight.namespaces))
    }

    /// Whether an object is shown: `labels` matches it.
    pub(super) fn shows(&self, seen: Seen) -> bool {
        seen.meets(self.sight.objects)
    }

    /// The Service of a group, if it is shown.
    pub(super) fn service<'a>(&self, group: &'a Group) -> Option<&'a Service> {
        let service = group.service.as_deref();
        service.filter(|service| self.shows(service.seen))
    }

    /// Whose Services have names in a zone: `multicluster` says so.
    pub(super) fn scope_of(&self, zone: &Name) -> Scope {
        if self.options.multicluster.contains(zone) {
            Scope::ClusterSet
        } else {
            Scope::Cluster
        }
    }

    /// Whether `namespaces` lets it through.
    pub(super) fn admits(&self, namespace: &str) -> bool {
        self.options.namespaces.is_empty() || self.options.namespaces.contains(namespace)
    }

    /// The zones in which Services of a scope have names.
    pub(super) fn zones_of(&self, scope: Scope) -> impl Iterator<Item = &Name> {
        self.forward_zones()
            .filter(move |zone| self.scope_of(zone) == scope)
    }

    /// The zones that are not reverse zones.
    pub(super) fn forward_zones(&self) -> impl Iterator<Item = &Name> {
        self.options.zones.iter().filter(|zone| !is_reverse(zone))
    }

    fn node_in_zone(&self, index: &Index, zone: &Name, name: &Name) -> Option<Node> {
        let labels = name.labels_above(zone)?;
        let labels: Vec<&str> = labels
            .into_iter()
            .map(str::from_utf8)
            .collect::<Result<_, _>>()
            .ok()?;
        let forward = !is_reverse(zone);
        match labels.as_slice() {
            [] => Some(self.apex(index, zone)),
            ["dns"] => Some(Node::default()),
            ["ns", "dns"] => Some(address_node(self.server_addresses(index), self.options.ttl)),
            ["dns-version"] => Some(Node {
                rrsets: vec![rrset(DNS_VERSION_TTL, vec![Rdata::Txt(DNS_VERSION.into())])],
            }),
            ["svc" | "pod"] if forward => Some(Node::default()),
            [namespace, "svc"] if forward && self.exposes(index, namespace) => {
                Some(Node::default())
            }
            [namespace, "pod"] if forward && self.exposes(index, namespace) => {
                (self.options.pods != Pods::Disabled).then(Node::default)
            }
            [left @ .., service, namespace, "svc"] if forward => {
                // An object's name is one label; a dot within a label never matches one.
                if !self.exposes(index, namespace) || labels.iter().any(|l| l.contains('.')) {
                    return None;
                }
                let scope = self.scope_of(zone);
                let group = index.group(scope, &ObjectKey::new(namespace, service))?;
                if self.is_zonal(scope, left) {
                    let owner = below(zone, ["svc", namespace, service])?;
                    return self.zonal_node(group, &owner, left);
                }
                self.service_node(group, zone, Below::parse(left, scope)?)
            }
            _ => None,
        }
    }

    /// NS and its glue; the SOA depends on time and is the responder's.
    fn apex(&self, index: &Index, zone: &Name) -> Node {
        let addresses = self.server_addresses(index);
        let Some(server) = below(zone, ["dns", "ns"]).filter(|_| !addresses.is_empty()) else {
            return Node::default();
        };
        let glue = addresses
            .into_iter()
            .map(|address| (server.clone(), address_rdata(address)))
            .collect();
        Node {
            rrsets: vec![RRset {
                ttl: self.options.ttl,
                rdata: vec![Rdata::Ns(server)],
                additional: glue,
            }],
        }
    }

    fn server_addresses(&self, index: &Index) -> BTreeSet<IpAddr> {
        let service = index.service(&self.dns_service);
        let shared = service.map_or(&[][..], |service| cluster_ips(service));
        if shared.is_empty() {
            self.own_addresses.iter().copied().collect()
        } else {
            shared.iter().copied().collect()
        }
    }

    /// PTR records at the name of an address, or an empty node above such a name.
    fn reverse_node(&self, index: &Index, name: &Name) -> Option<Node> {
        let range = addresses_under(name)?;
        if range.start() == range.end() {
            let pointers = self.pointers(index, *range.start());
            let rdata: Vec<Rdata> = pointers.into_iter().map(Rdata::Ptr).collect();
            return (!rdata.is_empty()).then(|| Node {
                rrsets: vec![rrset(self.options.ttl, rdata)],
            });
        }
        let mut addresses = self.addresses(index, range);
        addresses
            .any(|address| !self.pointers(index, address).is_empty())
            .then(Node::default)
    }

    /// The addresses in a range that may have a PTR record: of Services in order, then in order those that
    /// only endpoints have.
    pub(super) fn addresses(
        &self,
        index: &Index,
        range: RangeInclusive<IpAddr>,
    ) -> impl Iterator<Item = IpAddr> {
        let endpoints =
            (!self.options.noendpoints).then(|| index.endpoints().within(range.clone()));
        index
            .cluster_ips()
            .within(range)
            .map(|(address, _)| address)
            .chain(
                endpoints
                    .into_iter()
                    .flatten()
                    .map(|(address, _)| address)
                    .filter(|&address| index.cluster_ips().at(address).next().is_none()),
            )
    }

    /// The names of who has an address: the one Service with this ClusterIP, else an endpoint of each
    /// Service that lists it. Targets are in the first forward zone, whatever the reverse zone.
    fn pointers(&self, index: &Index, address: IpAddr) -> BTreeSet<Name> {
        let Some(zone) = self.forward_zones().next() else {
            return BTreeSet::new();
        };
        let service = index
            .cluster_ips()
            .at(address)
            .filter(|service| self.exposes(index, &service.key.namespace))
            .filter(|service| self.shows(service.seen))
            .find_map(|service| service_name(zone, &service.key));
        if let Some(service) = service {
            return BTreeSet::from([service]);
        }
        if self.options.noendpoints {
            return BTreeSet::new();
        }
        let mut names = BTreeSet::new();
        let slices = index.endpoints().at(address);
        for slice in slices.filter(|slice| self.shows(slice.seen)) {
            let owner = self
                .exposes(index, &slice.key.namespace)
                .then(|| service_name(zone, &slice.service_key()))
                .flatten();
            let rows = slice.endpoints.iter().filter(|row| row.address == address);
            names.extend(owner.into_iter().flat_map(|owner| {
                rows.clone().filter_map(move |row| {
                    owner.child(endpoint_label(row, self.options.endpoint_pod_names).as_bytes())
                })
            }));
        }
        names
    }

    fn is_above_a_zone(&self, name: &Name) -> bool {
        let mut zones = self.options.zones.iter();
        zones.any(|zone| zone != name && zone.is_under(name))
    }
}
