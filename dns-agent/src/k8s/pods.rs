//! Who has which address: of each pod its namespace and its addresses, and nothing else.
//!
//! A cluster has a hundred thousand pods, and most of what a name takes up would be names that nobody asks for. So a pod
//! is known by 128 bits of keyed hash (two of `SipHash`, with keys of their own) in place of namespace and name: of 200,000
//! pods, two have the same ones with a probability below 2^-92. Namespaces are kept once each.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use super::Verb;
use super::object::{Object, ObjectKey, Pod};

/// A number for a namespace, by its place in [`Pods::names`].
type Namespace = u32;
/// What stands for a pod's namespace and name.
type Id = (u64, u64);

/// Pods by address.
#[derive(Debug, Clone, Default)]
pub struct Pods {
    /// Each pod's namespace and addresses.
    known: HashMap<Id, (Namespace, Box<[IpAddr]>)>,
    /// The same by address.
    holders: BTreeSet<(IpAddr, Namespace, Id)>,
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Namespace>,
    keys: (RandomState, RandomState),
}

impl Pods {
    /// Takes one change in.
    pub fn apply(&mut self, verb: Verb) {
        match verb {
            Verb::Apply(Object::Pod(pod) | Object::LocalPod(pod)) => self.set(pod),
            Verb::Apply(_) => {}
            Verb::Delete(_, key) => self.remove_id(self.id(&key)),
            Verb::Reset(_, keys) => self.retain(&keys),
        }
    }

    fn set(&mut self, pod: Pod) {
        let id = self.id(&pod.key);
        let namespace = self.number(pod.key.namespace);
        self.remove_id(id);
        for &address in &pod.addresses {
            self.holders.insert((address, namespace, id));
        }
        self.known.insert(id, (namespace, pod.addresses.into()));
    }

    fn retain(&mut self, keys: &HashSet<ObjectKey>) {
        let kept: HashSet<Id> = keys.iter().map(|key| self.id(key)).collect();
        let gone: Vec<Id> = self
            .known
            .keys()
            .filter(|id| !kept.contains(id))
            .copied()
            .collect();
        for id in gone {
            self.remove_id(id);
        }
    }

    /// Whether a pod of the namespace has the address.
    pub fn has(&self, namespace: &str, address: IpAddr) -> bool {
        let Some(&number) = self.numbers.get(namespace) else {
            return false;
        };
        self.holders
            .range((address, number, (0, 0))..=(address, number, (u64::MAX, u64::MAX)))
            .next()
            .is_some()
    }

    /// The namespace of the pod with this address; `None` where there is none, or where pods of several namespaces have
    /// it: one of them has just gone, and which one is not known.
    pub fn namespace_of(&self, address: IpAddr) -> Option<&Arc<str>> {
        let first = (address, 0, (0, 0));
        let mut holders = self
            .holders
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(|(of, _, _)| *of == address)
            .map(|(_, namespace, _)| *namespace);
        let namespace = holders.next()?;
        if holders.any(|other| other != namespace) {
            return None;
        }
        self.names.get(usize::try_from(namespace).ok()?)
    }

    /// How many pods there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn id(&self, key: &ObjectKey) -> Id {
        (self.keys.0.hash_one(key), self.keys.1.hash_one(key))
    }

    fn number(&mut self, namespace: Arc<str>) -> Namespace {
        if let Some(&number) = self.numbers.get(&namespace) {
            return number;
        }
        // Never reached: the numbers of 2^32 namespaces.
        let number = Namespace::try_from(self.names.len()).unwrap_or(Namespace::MAX);
        self.names.push(Arc::clone(&namespace));
        self.numbers.insert(namespace, number);
        number
    }

    fn remove_id(&mut self, id: Id) {
        if let Some((namespace, addresses)) = self.known.remove(&id) {
            for &address in &addresses {
                self.holders.remove(&(address, namespace, id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::object::Kind;

    fn set(pods: &mut Pods, namespace: &str, name: &str, addresses: &[&str]) {
        pods.apply(Verb::Apply(Object::Pod(Pod {
            key: ObjectKey::new(namespace, name),
            node: None,
            addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
        })));
    }

    fn gone(pods: &mut Pods, namespace: &str, name: &str) {
        pods.apply(Verb::Delete(Kind::Pod, ObjectKey::new(namespace, name)));
    }

    fn only(pods: &mut Pods, namespace: &str, name: &str) {
        let keys = HashSet::from([ObjectKey::new(namespace, name)]);
        pods.apply(Verb::Reset(Kind::Pod, keys));
    }

    fn has(pods: &Pods, namespace: &str, address: &str) -> bool {
        pods.has(namespace, address.parse().unwrap())
    }

    fn namespace_of(pods: &Pods, address: &str) -> Option<String> {
        let namespace = pods.namespace_of(address.parse().unwrap());
        namespace.map(ToString::to_string)
    }

    #[test]
    fn every_address_of_a_pod_is_found_in_its_namespace_alone() {
        let mut pods = Pods::default();
        set(&mut pods, "a", "web", &["10.0.0.1", "fd00::7"]);
        set(&mut pods, "b", "web", &["10.0.0.2"]);
        for (namespace, address, expected) in [
            ("a", "10.0.0.1", true),
            ("a", "fd00::7", true),
            ("b", "10.0.0.1", false),
            ("b", "10.0.0.2", true),
            ("c", "10.0.0.2", false),
            ("a", "10.0.0.3", false),
        ] {
            assert_eq!(
                has(&pods, namespace, address),
                expected,
                "{namespace} {address}"
            );
        }
    }

    #[test]
    fn an_address_that_two_pods_share_stays_until_both_are_gone() {
        let mut pods = Pods::default();
        set(&mut pods, "kube-system", "proxy", &["192.0.2.1"]);
        set(&mut pods, "kube-system", "agent", &["192.0.2.1"]);
        gone(&mut pods, "kube-system", "proxy");
        assert!(has(&pods, "kube-system", "192.0.2.1"));
        gone(&mut pods, "kube-system", "agent");
        assert!(!has(&pods, "kube-system", "192.0.2.1"));
        assert!(pods.is_empty() && pods.holders.is_empty());
    }

    #[test]
    fn a_pod_that_changes_its_address_leaves_the_old_one() {
        let mut pods = Pods::default();
        set(&mut pods, "a", "web", &["10.0.0.1"]);
        set(&mut pods, "a", "web", &["10.0.0.2"]);
        assert!(!has(&pods, "a", "10.0.0.1"));
        assert!(has(&pods, "a", "10.0.0.2"));
        assert_eq!(pods.len(), 1);
    }

    #[test]
    fn a_list_removes_what_it_does_not_have() {
        let mut pods = Pods::default();
        set(&mut pods, "a", "web", &["10.0.0.1"]);
        set(&mut pods, "b", "web", &["10.0.0.2"]);
        only(&mut pods, "b", "web");
        assert!(!has(&pods, "a", "10.0.0.1"));
        assert!(has(&pods, "b", "10.0.0.2"));
    }

    #[test]
    fn an_address_that_pods_of_two_namespaces_have_names_neither() {
        let mut pods = Pods::default();
        set(&mut pods, "a", "old", &["10.0.0.1"]);
        assert_eq!(namespace_of(&pods, "10.0.0.1").as_deref(), Some("a"));
        set(&mut pods, "a", "twin", &["10.0.0.1"]);
        assert_eq!(namespace_of(&pods, "10.0.0.1").as_deref(), Some("a"));
        set(&mut pods, "b", "new", &["10.0.0.1"]);
        assert_eq!(namespace_of(&pods, "10.0.0.1"), None);
        only(&mut pods, "b", "new");
        assert_eq!(namespace_of(&pods, "10.0.0.1").as_deref(), Some("b"));
        assert_eq!(namespace_of(&pods, "10.0.0.9"), None);
    }
}
