//! What an object changes in the index, and whom an address leads to.

use super::*;
use crate::k8s::object::{Endpoint, EndpointSlice, Port, Protocol};

fn service(name: &str, addresses: &[&str]) -> Service {
    Service {
        key: ObjectKey::new("ns", name),
        kind: ServiceKind::ClusterIp(addresses.iter().map(|ip| ip.parse().unwrap()).collect()),
        ports: Vec::new(),
        external: Box::default(),
        seen: Seen::ALL,
    }
}

fn slice(name: &str, service: &str, addresses: &[&str]) -> EndpointSlice {
    EndpointSlice {
        key: ObjectKey::new("ns", name),
        service: Some(service.into()),
        import: None,
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
                zone: None,
            })
            .collect(),
        seen: Seen::ALL,
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
    assert_eq!(index.groups(Scope::Cluster).count(), 1);
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
    assert!(
        index
            .group(Scope::Cluster, &ObjectKey::new("ns", "a"))
            .is_none()
    );
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
    let b = index
        .group(Scope::Cluster, &ObjectKey::new("ns", "b"))
        .unwrap();
    assert!(b.service.is_none());
    assert_eq!(b.slices.len(), 1);
    assert_eq!(holders(&index, "10.0.0.2"), Vec::<String>::new());
}
