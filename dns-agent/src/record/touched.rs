//! Which owner names a change of objects may have changed, and which there are at all.
//!
//! The names come from the objects as they were and as they are; what each has now is for
//! [`View::node`] to say. A changed EndpointSlice touches its Service's name, its SRV names, and of
//! endpoint and reverse names only those of the rows that differ. A name that an ExternalName leads to touches the
//! ExternalName's too, which is held with what it leads to.

use std::collections::BTreeSet;
use std::mem::discriminant;
use std::net::IpAddr;

use super::Name;
use super::owner::{below, between, port_names, service_name};
use super::reverse::{EVERY_ADDRESS, is_reverse, reverse_name};
use super::schema::View;
use crate::k8s::index::{Group, Index, Touched, cluster_ips};
use crate::k8s::object::{ObjectKey, Port, Scope, Service, ServiceKind};
use crate::k8s::slice::{EndpointAddress, Slice};
use crate::plugin::kubernetes::Pods;

impl View {
    /// The names whose node may differ after a change. To be asked for each [`Touched`] before the
    /// index takes the next verb in; the names may then be gathered over many verbs.
    pub fn touched(&self, index: &Index, touched: &Touched) -> BTreeSet<Name> {
        let mut names = BTreeSet::new();
        match touched {
            Touched::Namespace(namespace) if self.admits(namespace) => {
                names.extend(self.namespace_names(namespace));
                for (key, group) in index.groups_in(Scope::ClusterSet, namespace) {
                    self.add_group(Scope::ClusterSet, key, group, &mut names);
                }
                for (key, group) in index.groups_in(Scope::Cluster, namespace) {
                    self.add_group(Scope::Cluster, key, group, &mut names);
                    let service = addresses(self.service(group));
                    let slices = self.slices(group);
                    let endpoints = slices.flat_map(|slice| slice.endpoints.iter());
                    self.add_pointers(service.copied(), &mut names);
                    self.add_pointers(endpoints.map(|row| row.address), &mut names);
                }
            }
            Touched::Namespace(_) => {}
            Touched::Service {
                scope,
                key,
                old,
                new,
            } => {
                if *key == self.dns_service && *scope == Scope::Cluster {
                    names.extend(self.server_names());
                }
                let shown = |service: &Service| self.shows(service.seen);
                let old = old.as_deref().filter(|service| shown(service));
                let new = new.as_deref().filter(|service| shown(service));
                if self.exposes(index, &key.namespace) && old != new {
                    self.add_service(index, (*scope, key), old, new, &mut names);
                }
            }
            Touched::Slice {
                scope,
                service,
                old,
                new,
            } => {
                let shown = |slice: &Slice| self.shows(slice.seen);
                let old = old.as_deref().filter(|slice| shown(slice));
                let new = new.as_deref().filter(|slice| shown(slice));
                if !self.options.noendpoints && self.exposes(index, &service.namespace) {
                    self.add_slice(index, (*scope, service), old, new, &mut names);
                }
            }
        }
        self.add_aliases(index, &mut names);
        names
    }

    /// Every name that may have a node, pod names apart; some come more than once.
    pub fn all_names<'a>(&'a self, index: &'a Index) -> impl Iterator<Item = Name> + 'a {
        let zones = self.options.zones.iter();
        let namespaces = index.namespaces().filter(|name| self.admits(name));
        let groups = [Scope::Cluster, Scope::ClusterSet]
            .into_iter()
            .flat_map(|scope| {
                index
                    .groups(scope)
                    .map(move |(key, group)| (scope, key, group))
            })
            .filter(|(_, key, _)| self.exposes(index, &key.namespace));
        zones
            .flat_map(|zone| self.zone_names(zone))
            .chain(namespaces.flat_map(|namespace| self.namespace_names(namespace)))
            .chain(groups.flat_map(|(scope, key, group)| {
                let mut names = BTreeSet::new();
                self.add_group(scope, key, group, &mut names);
                names
            }))
            .chain(self.reverse_names(index))
    }

    fn zone_names(&self, zone: &Name) -> Vec<Name> {
        let mut names = vec![zone.clone()];
        names.extend(below(zone, ["dns"]));
        names.extend(below(zone, ["dns", "ns"]));
        names.extend(below(zone, ["dns-version"]));
        if !is_reverse(zone) {
            names.extend(below(zone, ["svc"]));
            names.extend(below(zone, ["pod"]));
        }
        // A zone within another of ours: the names between the two.
        let above = zone.parent();
        if let Some(outer) = above.as_ref().and_then(|above| self.zone_of(above)) {
            names.extend(between(zone, outer));
        }
        names
    }

    fn namespace_names(&self, namespace: &str) -> Vec<Name> {
        let mut names = Vec::new();
        for zone in self.forward_zones() {
            names.extend(below(zone, ["svc", namespace]));
            if self.options.pods == Pods::Insecure {
                names.extend(below(zone, ["pod", namespace]));
            }
        }
        names
    }

    /// The names whose records are the addresses of the DNS Service.
    fn server_names(&self) -> Vec<Name> {
        let zones = self.options.zones.iter();
        zones
            .flat_map(|zone| [Some(zone.clone()), below(zone, ["dns", "ns"])])
            .flatten()
            .collect()
    }

    /// The names above and at the PTR records. Addresses come in order, so what two neighbours have
    /// above them comes once.
    fn reverse_names<'a>(&'a self, index: &'a Index) -> impl Iterator<Item = Name> + 'a {
        let mut last = Name::root();
        self.addresses(index, EVERY_ADDRESS)
            .flat_map(move |address| {
                let owner = reverse_name(address);
                let mut names: Vec<Name> = Vec::new();
                if owner != last
                    && let Some(zone) = self.zone_of(&owner)
                {
                    names.extend(between(&owner, zone).take_while(|name| !last.is_under(name)));
                    names.push(owner.clone());
                }
                last = owner;
                names
            })
    }

    /// The names that lead to one of `names`, over any number of aliases.
    fn add_aliases(&self, index: &Index, names: &mut BTreeSet<Name>) {
        if !index.has_external_names() {
            return;
        }
        let mut new: Vec<Name> = names.iter().cloned().collect();
        while let Some(target) = new.pop() {
            // Targets have no octet that presentation format escapes; a name that does matches none.
            let target = target.to_string();
            for key in index.external_names(target.trim_end_matches('.')) {
                if self.exposes(index, &key.namespace) {
                    let owners = self.owners(Scope::Cluster, key).into_iter();
                    new.extend(owners.filter(|owner| names.insert(owner.clone())));
                }
            }
        }
    }

    /// The Service's name and all names below it.
    fn add_group(&self, scope: Scope, key: &ObjectKey, group: &Group, names: &mut BTreeSet<Name>) {
        let service = self.service(group).into_iter();
        let owners = self.owners(scope, key);
        add_ports(&owners, service.flat_map(|service| &service.ports), names);
        self.add_slices(scope, &owners, group, names);
        names.extend(owners);
    }

    fn add_slices(&self, scope: Scope, owners: &[Name], group: &Group, names: &mut BTreeSet<Name>) {
        for slice in self.slices(group) {
            add_ports(owners, &slice.ports, names);
            self.add_endpoints(scope, owners, slice, slice.endpoints.iter(), names);
            if scope == Scope::Cluster {
                self.add_zonal(owners, slice, names);
            }
        }
    }

    fn add_service(
        &self,
        index: &Index,
        (scope, key): (Scope, &ObjectKey),
        old: Option<&Service>,
        new: Option<&Service>,
        names: &mut BTreeSet<Name>,
    ) {
        let shape = |service: Option<&Service>| service.map(|service| discriminant(&service.kind));
        let had: BTreeSet<IpAddr> = addresses(old).copied().collect();
        let has: BTreeSet<IpAddr> = addresses(new).copied().collect();
        let owners = self.owners(scope, key);
        for service in [old, new].into_iter().flatten() {
            add_ports(&owners, &service.ports, names);
        }
        if scope == Scope::Cluster {
            self.add_pointers(had.symmetric_difference(&has).copied(), names);
        }
        // Which names its slices have depends on what it is.
        if shape(old) != shape(new)
            && let Some(group) = index.group(scope, key)
        {
            self.add_slices(scope, &owners, group, names);
        }
        names.extend(owners);
    }

    fn add_slice(
        &self,
        index: &Index,
        (scope, key): (Scope, &ObjectKey),
        old: Option<&Slice>,
        new: Option<&Slice>,
        names: &mut BTreeSet<Name>,
    ) {
        let differing = differing(old, new);
        let cluster = |slice: Option<&Slice>| slice.and_then(|slice| slice.cluster.clone());
        // Both are in the names or the SRV records of every endpoint.
        let same_head = ports(old) == ports(new) && cluster(old) == cluster(new);
        if differing.is_empty() && same_head {
            return;
        }
        if scope == Scope::Cluster {
            self.add_pointers(differing.iter().map(|row| row.address), names);
        }
        let Some(group) = index.group(scope, key) else {
            return;
        };
        let owners = self.owners(scope, key);
        match self.service(group).map(|service| &service.kind) {
            None | Some(ServiceKind::ExternalName(_)) => return,
            Some(ServiceKind::Headless) => {
                names.extend(owners.iter().cloned());
                add_ports(&owners, ports(old).iter().chain(ports(new)), names);
                // A zone that gains its first endpoint, or loses its last, changes what `prefer` of the
                // zones above it has; and no endpoint's change leaves such a name as it was.
                if scope == Scope::Cluster {
                    for slice in old
                        .into_iter()
                        .chain(self.slices(group).map(|slice| &**slice))
                    {
                        self.add_zonal(&owners, slice, names);
                    }
                }
            }
            // Shown only while it has endpoints: the first one brings all its names, the last one
            // takes them along.
            Some(ServiceKind::ClusterIp(_)) if self.options.ignore_empty_service => {
                let after: usize = self.slices(group).map(|slice| slice.endpoints.len()).sum();
                let before = (after + rows(old).len()).saturating_sub(rows(new).len());
                if (before == 0) != (after == 0) {
                    self.add_group(scope, key, group, names);
                }
            }
            Some(ServiceKind::ClusterIp(_)) => {}
        }
        for slice in [old, new].into_iter().flatten() {
            let changed = differing.iter().copied();
            if same_head {
                self.add_endpoints(scope, &owners, slice, changed, names);
            } else {
                self.add_endpoints(scope, &owners, slice, slice.endpoints.iter(), names);
            }
        }
    }

    /// The Service's name in each zone.
    fn owners(&self, scope: Scope, key: &ObjectKey) -> Vec<Name> {
        self.zones_of(scope)
            .filter_map(|zone| service_name(zone, key))
            .collect()
    }

    /// The names of endpoints of a slice, and what is between them and the Service's name.
    fn add_endpoints<'a>(
        &self,
        scope: Scope,
        owners: &[Name],
        slice: &Slice,
        rows: impl Iterator<Item = &'a EndpointAddress>,
        names: &mut BTreeSet<Name>,
    ) {
        for row in rows {
            for owner in owners {
                if let Some(name) = self.endpoint_owner(owner, slice, row, scope) {
                    names.extend(between(&name, owner));
                    names.insert(name);
                }
            }
        }
    }

    fn add_pointers(&self, addresses: impl Iterator<Item = IpAddr>, names: &mut BTreeSet<Name>) {
        for owner in addresses.map(reverse_name) {
            if let Some(zone) = self.zone_of(&owner) {
                names.extend(between(&owner, zone));
                names.insert(owner);
            }
        }
    }
}

/// `_<port>._<protocol>.<service>` and what is above it.
fn add_ports<'a>(
    owners: &[Name],
    ports: impl IntoIterator<Item = &'a Port>,
    names: &mut BTreeSet<Name>,
) {
    for port in ports {
        names.extend(owners.iter().flat_map(|owner| port_names(owner, port)));
    }
}

/// The rows that one of the two has and the other has not.
fn differing<'a>(old: Option<&'a Slice>, new: Option<&'a Slice>) -> Vec<&'a EndpointAddress> {
    match (old, new) {
        (Some(old), Some(new)) => old.not_in(new).chain(new.not_in(old)).collect(),
        (old, new) => rows(old).iter().chain(rows(new)).collect(),
    }
}

fn addresses(service: Option<&Service>) -> impl Iterator<Item = &IpAddr> {
    service.into_iter().flat_map(cluster_ips)
}

fn rows(slice: Option<&Slice>) -> &[EndpointAddress] {
    slice.map_or(&[], |slice| &slice.endpoints)
}

fn ports(slice: Option<&Slice>) -> &[Port] {
    slice.map_or(&[], |slice| &slice.ports)
}
