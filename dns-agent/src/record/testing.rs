//! Objects in one line each and questions with their answers in one row each, for the tests of the
//! schema.
//!
//! Ports: `http:tcp:80,:udp:53`. Endpoints: `10.0.0.1`, `10.0.0.1=web-0` with a hostname,
//! `10.0.0.1@web-abc` with a pod's name, `10.0.0.1%eu-1a` in a topology zone; separated by blanks.

use std::net::IpAddr;
use std::sync::Arc;

use super::schema::View;
use super::{Name, Node, RRset, Rdata};
use crate::k8s::Verb;
use crate::k8s::index::Index;
use crate::k8s::needs::Seen;
use crate::k8s::object::{
    Endpoint, EndpointSlice, Import, Namespace, Object, ObjectKey, Port, Protocol, Service,
    ServiceKind,
};

/// A question's name and type, and its answer in presentation format, without the owner, and without
/// the TTL where it is that of the options; records that come along after `+`.
pub(super) type Row<'a> = (&'a str, &'a str, &'a [&'a str]);

/// The answer of a row whose name does not exist.
pub(super) const NXDOMAIN: &[&str] = &["NXDOMAIN"];
/// The answer of a row whose name has no records of the type.
pub(super) const NODATA: &[&str] = &[];

/// Asks every row and panics with all that came out otherwise.
pub(super) fn check_rows(view: &View, index: &Index, rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(owner, rtype, expected)| {
            let got = ask(view, index, owner, rtype);
            (got != *expected).then(|| format!("{owner} {rtype}: {got:#?}, expected {expected:#?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An index that has taken these objects in.
pub(super) fn index(objects: impl IntoIterator<Item = Object>) -> Index {
    let mut index = Index::default();
    for object in objects {
        index.apply(Verb::Apply(object));
    }
    index
}

/// A Namespace.
pub(super) fn namespace(name: &str) -> Object {
    Object::Namespace(Namespace {
        key: ObjectKey::new("", name),
        seen: Seen::ALL,
    })
}

/// A Service with these ClusterIPs, separated by blanks; `None`: headless.
pub(super) fn service(key: &str, addresses: &str, ports_text: &str) -> Object {
    let kind = match addresses {
        "None" => ServiceKind::Headless,
        _ => ServiceKind::ClusterIp(addresses.split_whitespace().map(address).collect()),
    };
    Object::Service(Service {
        key: key_of(key),
        kind,
        ports: ports(ports_text),
        external: Box::default(),
        seen: Seen::ALL,
    })
}

/// A Service of type ExternalName.
pub(super) fn external(key: &str, target: &str) -> Object {
    Object::Service(Service {
        key: key_of(key),
        kind: ServiceKind::ExternalName(target.into()),
        ports: Vec::new(),
        external: Box::default(),
        seen: Seen::ALL,
    })
}

/// A slice of a Service in the same namespace.
pub(super) fn slice(key: &str, service: &str, ports_text: &str, endpoints: &str) -> Object {
    Object::EndpointSlice(EndpointSlice {
        key: key_of(key),
        service: Some(service.into()),
        import: None,
        ports: ports(ports_text),
        endpoints: endpoints.split_whitespace().map(endpoint).collect(),
        seen: Seen::ALL,
    })
}

/// A ServiceImport with these addresses, separated by blanks; `None`: headless.
pub(super) fn import(key: &str, addresses: &str, ports: &str) -> Object {
    match service(key, addresses, ports) {
        Object::Service(service) => Object::ServiceImport(service),
        other => other,
    }
}

/// The slice as one of a ServiceImport of the same name, from a cluster.
pub(super) fn from_cluster(cluster: &str, slice: Object) -> Object {
    let Object::EndpointSlice(mut slice) = slice else {
        panic!("{slice:?} is not a slice");
    };
    slice.import = slice.service.take().map(|service| {
        Box::new(Import {
            service,
            cluster: (!cluster.is_empty()).then(|| cluster.into()),
        })
    });
    Object::EndpointSlice(slice)
}

/// The object as one that matches these selectors.
pub(super) fn labelled(seen: Seen, mut object: Object) -> Object {
    match &mut object {
        Object::Namespace(namespace) => namespace.seen = seen,
        Object::Service(service) | Object::ServiceImport(service) => service.seen = seen,
        Object::EndpointSlice(slice) => slice.seen = seen,
        Object::Pod(_) | Object::LocalPod(_) => {}
    }
    object
}

/// A domain name.
pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn key_of(text: &str) -> ObjectKey {
    let (namespace, name) = text.split_once('/').unwrap();
    ObjectKey::new(namespace, name)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ports(text: &str) -> Vec<Port> {
    let port = |text: &str| {
        let fields: Vec<&str> = text.split(':').collect();
        Port {
            name: fields[0].into(),
            protocol: match fields[1] {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                _ => Protocol::Sctp,
            },
            number: fields[2].parse().unwrap(),
        }
    };
    text.split(',')
        .filter(|text| !text.is_empty())
        .map(port)
        .collect()
}

fn endpoint(text: &str) -> Endpoint {
    let (text, zone) = match text.split_once('%') {
        Some((text, zone)) => (text, Some(Arc::from(zone))),
        None => (text, None),
    };
    let (rest, pod) = match text.split_once('@') {
        Some((rest, pod)) => (rest, Some(Arc::from(pod))),
        None => (text, None),
    };
    let (rest, hostname) = match rest.split_once('=') {
        Some((rest, hostname)) => (rest, Some(Arc::from(hostname))),
        None => (rest, None),
    };
    Endpoint {
        addresses: vec![address(rest)],
        hostname,
        pod,
        zone,
    }
}

fn ask(view: &View, index: &Index, owner: &str, rtype: &str) -> Vec<String> {
    let owner = name(owner);
    let pod = || view.pod(index, &owner).map(Node::from);
    let rule = || pod().or_else(|| view.zonal(index, &owner));
    let Some(node) = view.node(index, &owner).or_else(rule) else {
        return vec!["NXDOMAIN".to_owned()];
    };
    let mut lines = Vec::new();
    for RRset {
        ttl,
        rdata,
        additional,
    } in node.rrsets
    {
        let answer: Vec<String> = rdata.iter().map(text).collect();
        if answer
            .iter()
            .any(|line| !line.starts_with(&format!("{rtype} ")))
        {
            continue;
        }
        let ttl = if ttl == view.options().ttl {
            String::new()
        } else {
            format!("{ttl} ")
        };
        lines.extend(answer.into_iter().map(|line| format!("{ttl}{line}")));
        lines.extend(
            additional
                .iter()
                .map(|(owner, rdata)| format!("+ {owner} {}", text(rdata))),
        );
    }
    lines
}

fn text(rdata: &Rdata) -> String {
    match rdata {
        Rdata::A(address) => format!("A {address}"),
        Rdata::Aaaa(address) => format!("AAAA {address}"),
        Rdata::Cname(target) => format!("CNAME {target}"),
        Rdata::Ns(target) => format!("NS {target}"),
        Rdata::Ptr(target) => format!("PTR {target}"),
        Rdata::Srv {
            weight,
            port,
            target,
        } => format!("SRV 0 {weight} {port} {target}"),
        Rdata::Txt(octets) => format!("TXT {:?}", String::from_utf8_lossy(octets)),
    }
}
