//! Every object that is known, kept up by the three verbs; each verb tells what it touched.
//!
//! `Verb` -> [`Index::apply`] -> [`Touched`], which carries the object as it was and as it is, so that
//! whoever derives names from objects finds the old names although the object is already replaced.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Verb;
use super::address_set::{AddressSet, Keyed};
use super::object::{Kind, Object, ObjectKey, Service, ServiceKind};
use super::slice::Slice;

/// The objects of a cluster.
#[derive(Debug, Default)]
pub struct Index {
    namespaces: HashSet<Arc<str>>,
    groups: BTreeMap<Arc<ObjectKey>, Group>,
    slices: HashMap<ObjectKey, Arc<Slice>>,
    cluster_ips: AddressSet<Service>,
    endpoints: AddressSet<Slice>,
    /// The Services of type ExternalName by their target in lower case.
    external_names: HashMap<Box<str>, BTreeSet<ObjectKey>>,
}

/// A Service and the EndpointSlices that name it; either may be there before the other.
#[derive(Debug, Default)]
pub struct Group {
    /// The Service, if it exists.
    pub service: Option<Arc<Service>>,
    /// Its slices in the order of their names.
    pub slices: Vec<Arc<Slice>>,
}

/// What one verb changed. An object that came has no `old`, one that went no `new`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// A Namespace came or went.
    Namespace(Arc<str>),
    /// A Service.
    Service {
        /// Its key.
        key: ObjectKey,
        /// As it was.
        old: Option<Arc<Service>>,
        /// As it is.
        new: Option<Arc<Service>>,
    },
    /// A slice of one Service. A slice that goes over to another Service is two of these.
    Slice {
        /// The key of the Service, which need not exist.
        service: ObjectKey,
        /// As it was.
        old: Option<Arc<Slice>>,
        /// As it is.
        new: Option<Arc<Slice>>,
    },
}

impl Index {
    /// Takes one change in; nothing is touched where nothing differs.
    pub fn apply(&mut self, verb: Verb) -> Vec<Touched> {
        match verb {
            Verb::Apply(Object::Namespace(key)) => self.set_namespace(key.name, true),
            Verb::Apply(Object::Service(service)) => {
                let key = service.key.clone();
                self.set_service(key, Some(service))
            }
            Verb::Apply(Object::EndpointSlice(slice)) => {
                let key = slice.key.clone();
                self.set_slice(&key, Some(slice.into()))
            }
            Verb::Delete(kind, key) => self.delete(kind, key),
            Verb::Reset(kind, keys) => self
                .keys(kind)
                .into_iter()
                .filter(|key| !keys.contains(key))
                .flat_map(|key| self.delete(kind, key))
                .collect(),
        }
    }

    /// Whether the Namespace exists.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains(name)
    }

    /// The Namespaces, in no order.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<str>> {
        self.namespaces.iter()
    }

    /// A Service and its slices.
    pub fn group(&self, key: &ObjectKey) -> Option<&Group> {
        self.groups.get(key)
    }

    /// The Service of that key.
    pub fn service(&self, key: &ObjectKey) -> Option<&Arc<Service>> {
        self.groups.get(key)?.service.as_ref()
    }

    /// Every Service, and every Service that only slices know of, by namespace and name.
    pub fn groups(&self) -> impl Iterator<Item = (&ObjectKey, &Group)> {
        self.groups.iter().map(|(key, group)| (&**key, group))
    }

    /// Those of one namespace.
    pub fn groups_in(&self, namespace: &str) -> impl Iterator<Item = (&ObjectKey, &Group)> {
        self.groups
            .range(ObjectKey::new(namespace, "")..)
            .map(|(key, group)| (&**key, group))
            .take_while(move |(key, _)| *key.namespace == *namespace)
    }

    /// Who has which address as a ClusterIP.
    pub fn cluster_ips(&self) -> &AddressSet<Service> {
        &self.cluster_ips
    }

    /// Which slices list which address.
    pub fn endpoints(&self) -> &AddressSet<Slice> {
        &self.endpoints
    }

    /// The Services of type ExternalName whose target is `target`, in lower case and without a trailing dot.
    pub fn external_names(&self, target: &str) -> impl Iterator<Item = &ObjectKey> {
        self.external_names.get(target).into_iter().flatten()
    }

    /// Whether there is a Service of type ExternalName.
    pub fn has_external_names(&self) -> bool {
        !self.external_names.is_empty()
    }

    fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        match kind {
            Kind::Namespace => self
                .namespaces
                .iter()
                .map(|name| ObjectKey::new("", name))
                .collect(),
            Kind::Service => self
                .groups()
                .filter(|(_, group)| group.service.is_some())
                .map(|(key, _)| key.clone())
                .collect(),
            Kind::EndpointSlice => self.slices.keys().cloned().collect(),
        }
    }

    fn delete(&mut self, kind: Kind, key: ObjectKey) -> Vec<Touched> {
        match kind {
            Kind::Namespace => self.set_namespace(key.name, false),
            Kind::Service => self.set_service(key, None),
            Kind::EndpointSlice => self.set_slice(&key, None),
        }
    }

    fn set_namespace(&mut self, name: Arc<str>, exists: bool) -> Vec<Touched> {
        let changed = if exists {
            self.namespaces.insert(Arc::clone(&name))
        } else {
            self.namespaces.remove(&name)
        };
        changed
            .then_some(Touched::Namespace(name))
            .into_iter()
            .collect()
    }

    fn set_service(&mut self, key: ObjectKey, new: Option<Service>) -> Vec<Touched> {
        let old = self.service(&key).cloned();
        if old.as_deref() == new.as_ref() {
            return Vec::new();
        }
        let new = new.map(Arc::new);
        if let Some(old) = &old {
            for &address in cluster_ips(old) {
                self.cluster_ips.remove(address, old);
            }
            self.forget_external_name(old);
        }
        if let Some(new) = &new {
            for &address in cluster_ips(new) {
                self.cluster_ips.insert(address, new);
            }
            if let Some(target) = external_name(new) {
                let services = self.external_names.entry(target).or_default();
                services.insert(key.clone());
            }
        }
        self.change_group(&key, |group| group.service.clone_from(&new));
        vec![Touched::Service { key, old, new }]
    }

    fn set_slice(&mut self, key: &ObjectKey, new: Option<Slice>) -> Vec<Touched> {
        let old = self.slices.get(key).cloned();
        if old.as_deref() == new.as_ref() {
            return Vec::new();
        }
        let new = new.map(Arc::new);
        if let Some(old) = &old {
            for row in &old.endpoints {
                self.endpoints.remove(row.address, old);
            }
            self.slices.remove(key);
            self.change_group(&old.service_key(), |group| {
                group.slices.retain(|slice| slice.key != *key);
            });
        }
        if let Some(new) = &new {
            for row in &new.endpoints {
                self.endpoints.insert(row.address, new);
            }
            self.slices.insert(key.clone(), Arc::clone(new));
            self.change_group(&new.service_key(), |group| {
                let at = group.slices.partition_point(|slice| slice.key < *key);
                group.slices.insert(at, Arc::clone(new));
            });
        }
        touched_by_slice(old, new)
    }

    fn forget_external_name(&mut self, service: &Service) {
        let Some(target) = external_name(service) else {
            return;
        };
        if let Some(services) = self.external_names.get_mut(&target) {
            services.remove(&service.key);
            if services.is_empty() {
                self.external_names.remove(&target);
            }
        }
    }

    /// Changes a group, makes it where it is missing and drops it where it is left empty.
    fn change_group(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Group)) {
        if !self.groups.contains_key(key) {
            self.groups.insert(Arc::new(key.clone()), Group::default());
        }
        if let Some(group) = self.groups.get_mut(key) {
            change(group);
            if group.service.is_none() && group.slices.is_empty() {
                self.groups.remove(key);
            }
        }
    }
}

impl Group {
    /// How many endpoint addresses are published, over all slices.
    pub fn endpoint_count(&self) -> usize {
        self.slices.iter().map(|slice| slice.endpoints.len()).sum()
    }
}

impl Keyed for Service {
    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

/// The ClusterIPs of a Service; none where it is headless or an ExternalName.
pub fn cluster_ips(service: &Service) -> &[IpAddr] {
    match &service.kind {
        ServiceKind::ClusterIp(addresses) => addresses,
        ServiceKind::Headless | ServiceKind::ExternalName(_) => &[],
    }
}

/// The target of an ExternalName as it is looked up: DNS names differ in case only for people.
fn external_name(service: &Service) -> Option<Box<str>> {
    match &service.kind {
        ServiceKind::ExternalName(target) => Some(target.to_ascii_lowercase().into()),
        ServiceKind::ClusterIp(_) | ServiceKind::Headless => None,
    }
}

fn touched_by_slice(old: Option<Arc<Slice>>, new: Option<Arc<Slice>>) -> Vec<Touched> {
    let touched = |service, old, new| Touched::Slice { service, old, new };
    match (old, new) {
        (Some(old), Some(new)) if old.service != new.service => vec![
            touched(old.service_key(), Some(old), None),
            touched(new.service_key(), None, Some(new)),
        ],
        (old, new) => old
            .as_ref()
            .or(new.as_ref())
            .map(|slice| slice.service_key())
            .map(|service| touched(service, old, new))
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::object::{Endpoint, EndpointSlice, Port, Protocol};

    fn service(name: &str, addresses: &[&str]) -> Service {
        Service {
            key: ObjectKey::new("ns", name),
            kind: ServiceKind::ClusterIp(addresses.iter().map(|ip| ip.parse().unwrap()).collect()),
            ports: Vec::new(),
        }
    }

    fn slice(name: &str, service: &str, addresses: &[&str]) -> EndpointSlice {
        EndpointSlice {
            key: ObjectKey::new("ns", name),
            service: service.into(),
            ports: vec![Port {
                name: "http".into(),
                protocol: Protocol::Tcp,
                number: 80,
            }],
            endpoints: addresses
                .iter()
                .map(|ip| Endpoint {
                    addresses: vec![ip.parse().unwrap()],
                    hostname: None,
                    pod: None,
                })
                .collect(),
        }
    }

    fn apply(index: &mut Index, object: Object) -> Vec<Touched> {
        index.apply(Verb::Apply(object))
    }

    fn holders(index: &Index, address: &str) -> Vec<String> {
        let address = address.parse().unwrap();
        let services = index.cluster_ips().at(address).map(|s| s.key.to_string());
        let slices = index.endpoints().at(address).map(|s| s.key.to_string());
        services.chain(slices).collect()
    }

    #[test]
    fn the_same_object_again_touches_nothing() {
        let mut index = Index::default();
        let first = Object::Service(service("a", &["10.0.0.1"]));
        assert_eq!(apply(&mut index, first.clone()).len(), 1);
        assert_eq!(apply(&mut index, first), []);
        let gone = Verb::Delete(Kind::Service, ObjectKey::new("ns", "none"));
        assert_eq!(index.apply(gone), []);
        assert_eq!(index.groups().count(), 1);
    }

    #[test]
    fn the_holders_of_an_address_follow_its_objects() {
        let mut index = Index::default();
        apply(&mut index, Object::Service(service("b", &["10.0.0.1"])));
        apply(&mut index, Object::Service(service("a", &["10.0.0.1"])));
        apply(
            &mut index,
            Object::EndpointSlice(slice("a-1", "a", &["10.0.0.1", "10.0.0.2"])),
        );
        assert_eq!(holders(&index, "10.0.0.1"), ["ns/a", "ns/b", "ns/a-1"]);
        apply(
            &mut index,
            Object::EndpointSlice(slice("a-1", "a", &["10.0.0.2"])),
        );
        apply(&mut index, Object::Service(service("a", &["10.0.0.3"])));
        assert_eq!(holders(&index, "10.0.0.1"), ["ns/b"]);
        assert_eq!(holders(&index, "10.0.0.2"), ["ns/a-1"]);
    }

    #[test]
    fn a_slice_that_goes_over_to_another_service_touches_both() {
        let mut index = Index::default();
        apply(
            &mut index,
            Object::EndpointSlice(slice("s", "a", &["10.0.0.1"])),
        );
        let touched = apply(
            &mut index,
            Object::EndpointSlice(slice("s", "b", &["10.0.0.1"])),
        );
        let services: Vec<String> = touched
            .iter()
            .map(|touched| match touched {
                Touched::Slice { service, .. } => service.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(services, ["ns/a", "ns/b"]);
        assert!(index.group(&ObjectKey::new("ns", "a")).is_none());
    }

    #[test]
    fn a_reset_removes_what_the_list_does_not_have() {
        let mut index = Index::default();
        apply(&mut index, Object::Service(service("a", &["10.0.0.1"])));
        apply(&mut index, Object::Service(service("b", &["10.0.0.2"])));
        apply(
            &mut index,
            Object::EndpointSlice(slice("b-1", "b", &["10.0.0.3"])),
        );
        let kept = HashSet::from([ObjectKey::new("ns", "a")]);
        assert_eq!(index.apply(Verb::Reset(Kind::Service, kept)).len(), 1);
        let b = index.group(&ObjectKey::new("ns", "b")).unwrap();
        assert!(b.service.is_none());
        assert_eq!(b.endpoint_count(), 1);
        assert_eq!(holders(&index, "10.0.0.2"), Vec::<String>::new());
    }
}
