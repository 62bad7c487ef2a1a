//! The owner names that objects have in a zone (Kubernetes DNS specification 2), made and taken apart.

use super::Name;
use crate::k8s::object::{ObjectKey, Port, Protocol, Scope};

/// Which records of a Service a name below it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Below<'a> {
    /// `<service>`: all.
    Service,
    /// `<endpoint>.<service>`, or an empty non-terminal: `_<protocol>.<service>`, and of a ServiceImport
    /// `<cluster>.<service>`.
    Label(&'a str),
    /// `<endpoint>.<cluster>.<service>` of a ServiceImport.
    Member(&'a str, &'a str),
    /// `_<port>._<protocol>.<service>`
    Port(&'a str, Protocol),
}

impl<'a> Below<'a> {
    /// From the labels left of the Service's, left to right.
    pub(super) fn parse(labels: &[&'a str], scope: Scope) -> Option<Self> {
        match *labels {
            [] => Some(Self::Service),
            [label] => Some(Self::Label(label)),
            [endpoint, cluster] if scope == Scope::ClusterSet && !cluster.starts_with('_') => {
                Some(Self::Member(endpoint, cluster))
            }
            [port, protocol] => {
                let port = port.strip_prefix('_').filter(|port| !port.is_empty())?;
                Some(Self::Port(port, protocol_of(protocol)?))
            }
            _ => None,
        }
    }
}

/// `_tcp`, `_udp`, `_sctp`
pub(super) fn protocol_label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "_tcp",
        Protocol::Udp => "_udp",
        Protocol::Sctp => "_sctp",
    }
}

/// The protocol of a label such as `_tcp`.
pub(super) fn protocol_of(label: &str) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|&protocol| protocol_label(protocol) == label)
}

/// `zone` with labels to its left, given from right to left; `None` where DNS has no such name.
pub(super) fn below<const N: usize>(zone: &Name, labels: [&str; N]) -> Option<Name> {
    let mut name = zone.clone();
    for label in labels {
        name = name.child(label.as_bytes())?;
    }
    Some(name)
}

/// `<service>.<namespace>.svc.<zone>`
pub(super) fn service_name(zone: &Name, service: &ObjectKey) -> Option<Name> {
    below(zone, ["svc", &service.namespace, &service.name])
}

/// `_<port>._<protocol>.<service>` and its parent; nothing for a port without a name.
pub(super) fn port_names(service: &Name, port: &Port) -> impl Iterator<Item = Name> + use<> {
    let parent = (!port.name.is_empty())
        .then(|| below(service, [protocol_label(port.protocol)]))
        .flatten();
    let name = parent
        .as_ref()
        .and_then(|parent| parent.child(format!("_{}", port.name).as_bytes()));
    parent.into_iter().chain(name)
}

/// The names above `name` and below `apex`, from the bottom up.
pub(super) fn between<'a>(name: &'a Name, apex: &'a Name) -> impl Iterator<Item = Name> + 'a {
    std::iter::successors(name.parent(), Name::parent)
        .take_while(move |parent| parent != apex && parent.is_under(apex))
}
