//! Every object that is known, kept up by the three verbs; each verb tells what it touched.
//!
//! `Verb` -> [`Index::apply`] -> [`Touched`], which carries the object as it was and as it is, so that
//! whoever derives names from objects finds the old names although the object is already replaced.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Verb;
use super::address_set::{AddressSet, Keyed};
use super::needs::Seen;
use super::object::{
    EndpointSlice, External, Kind, Namespace, Object, ObjectKey, Scope, Service, ServiceKind,
};
use super::pods::Pods;
use super::slice::Slice;

/// The objects of a cluster.
/// A clone shares the objects.
#[derive(Debug, Clone, Default)]
pub struct Index {
    namespaces: HashMap<Arc<str>, Seen>,
    cluster: Groups,
    cluster_set: Groups,
    cluster_ips: AddressSet<Service>,
    external: AddressSet<Service>,
    endpoints: AddressSet<Slice>,
    /// Shared, since they may be many: the copy of an index that is read elsewhere copies none.
    pods: Arc<Pods>,
    local_pods: Arc<Pods>,
    /// The Services of type ExternalName by their target in lower case.
    external_names: HashMap<Box<str>, BTreeSet<ObjectKey>>,
}

/// The Services of one scope.
#[derive(Debug, Clone, Default)]
struct Groups {
    by_key: BTreeMap<Arc<ObjectKey>, Group>,
    slices: HashMap<ObjectKey, Arc<Slice>>,
}

/// A Service and the EndpointSlices that name it; either may be there before the other.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The Service, if it exists.
    pub service: Option<Arc<Service>>,
    /// Its slices in the order of their names.
    pub slices: Vec<Arc<Slice>>,
}

/// What one verb changed. An object that came has no `old`, one that went no `new`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// A Namespace came or went, or has other labels.
    Namespace(Arc<str>),
    /// A Service, or a ServiceImport.
    Service {
        /// Which of the two.
        scope: Scope,
        /// Its key.
        key: ObjectKey,
        /// As it was.
        old: Option<Arc<Service>>,
        /// As it is.
        new: Option<Arc<Service>>,
    },
    /// A slice of one Service. A slice that goes over to another Service is two of these.
    Slice {
        /// Whether of a Service or of a ServiceImport.
        scope: Scope,
        /// The key of the Service, which need not exist.
        service: ObjectKey,
        /// As it was.
        old: Option<Arc<Slice>>,
        /// As it is.
        new: Option<Arc<Slice>>,
    },
}

impl Index {
    /// Takes one change in; nothing is touched where nothing differs. A pod touches nothing: its name is not held but
    /// looked up when it is asked for.
    pub fn apply(&mut self, verb: Verb) -> Vec<Touched> {
        if let Some(pods) = self.pods_mut(verb.kind()) {
            pods.apply(verb);
            return Vec::new();
        }
        match verb {
            Verb::Apply(Object::Namespace(Namespace { key, seen })) => {
                self.set_namespace(key.name, Some(seen))
            }
            Verb::Apply(Object::Service(service)) => {
                let key = service.key.clone();
                self.set_service(Scope::Cluster, key, Some(service))
            }
            Verb::Apply(Object::ServiceImport(service)) => {
                let key = service.key.clone();
                self.set_service(Scope::ClusterSet, key, Some(service))
            }
            Verb::Apply(Object::EndpointSlice(slice)) => {
                let key = slice.key.clone();
                self.set_slices(&key, Some(&slice))
            }
            Verb::Apply(Object::Pod(_) | Object::LocalPod(_)) => Vec::new(),
            Verb::Delete(kind, key) => self.delete(kind, key),
            Verb::Reset(kind, keys) => self
                .keys(kind)
                .into_iter()
                .filter(|key| !keys.contains(key))
                .flat_map(|key| self.delete(kind, key))
                .collect(),
        }
    }

    /// Which selectors the Namespace matches; `None`: it does not exist.
    pub fn namespace(&self, name: &str) -> Option<Seen> {
        self.namespaces.get(name).copied()
    }

    /// The Namespaces, in no order.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<str>> {
        self.namespaces.keys()
    }

    /// A Service and its slices.
    pub fn group(&self, scope: Scope, key: &ObjectKey) -> Option<&Group> {
        self.scope(scope).by_key.get(key)
    }

    /// The Service of that key.
    pub fn service(&self, key: &ObjectKey) -> Option<&Arc<Service>> {
        self.group(Scope::Cluster, key)?.service.as_ref()
    }

    /// Every Service, and every Service that only slices know of, by namespace and name.
    pub fn groups(&self, scope: Scope) -> impl Iterator<Item = (&ObjectKey, &Group)> {
        let groups = self.scope(scope).by_key.iter();
        groups.map(|(key, group)| (&**key, group))
    }

    /// Those of one namespace.
    pub fn groups_in(
        &self,
        scope: Scope,
        namespace: &str,
    ) -> impl Iterator<Item = (&ObjectKey, &Group)> {
        self.scope(scope)
            .by_key
            .range(ObjectKey::new(namespace, "")..)
            .map(|(key, group)| (&**key, group))
            .take_while(move |(key, _)| *key.namespace == *namespace)
    }

    /// Who has which address as a ClusterIP.
    pub fn cluster_ips(&self) -> &AddressSet<Service> {
        &self.cluster_ips
    }

    /// Who is reached at which address from outside of the cluster.
    pub fn external(&self) -> &AddressSet<Service> {
        &self.external
    }

    /// Which slices list which address.
    pub fn endpoints(&self) -> &AddressSet<Slice> {
        &self.endpoints
    }

    /// The pods of the cluster, while they are followed.
    pub fn pods(&self) -> &Pods {
        &self.pods
    }

    /// The pods of the agent's own node that may be clients, while they are followed.
    pub fn local_pods(&self) -> &Pods {
        &self.local_pods
    }

    fn pods_mut(&mut self, kind: Kind) -> Option<&mut Pods> {
        match kind {
            Kind::Pod => Some(Arc::make_mut(&mut self.pods)),
            Kind::LocalPod => Some(Arc::make_mut(&mut self.local_pods)),
            Kind::Namespace | Kind::Service | Kind::EndpointSlice | Kind::ServiceImport => None,
        }
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
                .keys()
                .map(|name| ObjectKey::new("", name))
                .collect(),
            Kind::Service => self.service_keys(Scope::Cluster),
            Kind::ServiceImport => self.service_keys(Scope::ClusterSet),
            Kind::EndpointSlice => {
                let (ours, theirs) = (&self.cluster.slices, &self.cluster_set.slices);
                let keys: HashSet<&ObjectKey> = ours.keys().chain(theirs.keys()).collect();
                keys.into_iter().cloned().collect()
            }
            Kind::Pod | Kind::LocalPod => Vec::new(),
        }
    }

    fn service_keys(&self, scope: Scope) -> Vec<ObjectKey> {
        self.groups(scope)
            .filter(|(_, group)| group.service.is_some())
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn scope(&self, scope: Scope) -> &Groups {
        match scope {
            Scope::Cluster => &self.cluster,
            Scope::ClusterSet => &self.cluster_set,
        }
    }

    fn scope_mut(&mut self, scope: Scope) -> &mut Groups {
        match scope {
            Scope::Cluster => &mut self.cluster,
            Scope::ClusterSet => &mut self.cluster_set,
        }
    }

    fn delete(&mut self, kind: Kind, key: ObjectKey) -> Vec<Touched> {
        match kind {
            Kind::Namespace => self.set_namespace(key.name, None),
            Kind::Service => self.set_service(Scope::Cluster, key, None),
            Kind::ServiceImport => self.set_service(Scope::ClusterSet, key, None),
            Kind::EndpointSlice => self.set_slices(&key, None),
            Kind::Pod | Kind::LocalPod => Vec::new(),
        }
    }

    fn set_namespace(&mut self, name: Arc<str>, seen: Option<Seen>) -> Vec<Touched> {
        let before = match seen {
            Some(seen) => self.namespaces.insert(Arc::clone(&name), seen),
            None => self.namespaces.remove(&name),
        };
        (before != seen)
            .then_some(Touched::Namespace(name))
            .into_iter()
            .collect()
    }

    fn set_service(&mut self, scope: Scope, key: ObjectKey, new: Option<Service>) -> Vec<Touched> {
        let old = self.group(scope, &key).and_then(|g| g.service.clone());
        if old.as_deref() == new.as_ref() {
            return Vec::new();
        }
        let new = new.map(Arc::new);
        // Reverse names are those of this cluster's own Services.
        let is_ours = scope == Scope::Cluster;
        if let Some(old) = old.as_ref().filter(|_| is_ours) {
            for &address in cluster_ips(old) {
                self.cluster_ips.remove(address, old);
            }
            self.forget_external_name(old);
            for address in external_addresses(old) {
                self.external.remove(address, old);
            }
        }
        if let Some(new) = new.as_ref().filter(|_| is_ours) {
            for &address in cluster_ips(new) {
                self.cluster_ips.insert(address, new);
            }
            if let Some(target) = external_name(new) {
                let services = self.external_names.entry(target).or_default();
                services.insert(key.clone());
            }
            for address in external_addresses(new) {
                self.external.insert(address, new);
            }
        }
        let groups = self.scope_mut(scope);
        groups.change(&key, |group| group.service.clone_from(&new));
        vec![Touched::Service {
            scope,
            key,
            old,
            new,
        }]
    }

    fn set_slices(&mut self, key: &ObjectKey, new: Option<&EndpointSlice>) -> Vec<Touched> {
        let mut touched = Vec::new();
        for scope in [Scope::Cluster, Scope::ClusterSet] {
            let new = new.and_then(|slice| Slice::new(slice, scope));
            touched.extend(self.set_slice(scope, key, new));
        }
        touched
    }

    fn set_slice(&mut self, scope: Scope, key: &ObjectKey, new: Option<Slice>) -> Vec<Touched> {
        let old = self.scope(scope).slices.get(key).cloned();
        if old.as_deref() == new.as_ref() {
            return Vec::new();
        }
        let new = new.map(Arc::new);
        let is_ours = scope == Scope::Cluster;
        if let Some(old) = old.as_ref().filter(|_| is_ours) {
            for row in &old.endpoints {
                self.endpoints.remove(row.address, old);
            }
        }
        if let Some(new) = new.as_ref().filter(|_| is_ours) {
            for row in &new.endpoints {
                self.endpoints.insert(row.address, new);
            }
        }
        let groups = self.scope_mut(scope);
        if let Some(old) = &old {
            groups.slices.remove(key);
            groups.change(&old.service_key(), |group| {
                group.slices.retain(|slice| slice.key != *key);
            });
        }
        if let Some(new) = &new {
            groups.slices.insert(key.clone(), Arc::clone(new));
            groups.change(&new.service_key(), |group| {
                let at = group.slices.partition_point(|slice| slice.key < *key);
                group.slices.insert(at, Arc::clone(new));
            });
        }
        touched_by_slice(scope, old, new)
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
}

impl Groups {
    /// Changes a group, makes it where it is missing and drops it where it is left empty.
    fn change(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Group)) {
        if !self.by_key.contains_key(key) {
            self.by_key.insert(Arc::new(key.clone()), Group::default());
        }
        if let Some(group) = self.by_key.get_mut(key) {
            change(group);
            if group.service.is_none() && group.slices.is_empty() {
                self.by_key.remove(key);
            }
        }
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

/// The addresses at which a Service is reached from outside of the cluster.
pub fn external_addresses(service: &Service) -> impl Iterator<Item = IpAddr> {
    service
        .external
        .iter()
        .filter_map(|external| match external {
            External::Address(address) => Some(*address),
            External::Host(_) => None,
        })
}

fn touched_by_slice(
    scope: Scope,
    old: Option<Arc<Slice>>,
    new: Option<Arc<Slice>>,
) -> Vec<Touched> {
    let touched = |service, old, new| Touched::Slice {
        scope,
        service,
        old,
        new,
    };
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
mod tests;
