//! Slim Kubernetes objects: only what DNS needs, stripped at the door.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The kinds that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `v1` Pod, all of the cluster: for `pods verified`.
    Pod,
    /// `v1` Pod, those of the agent's own node that may be clients: for `autopath @kubernetes`.
    LocalPod,
}

impl Kind {
    /// Every kind, in the order in which they are listed to a person.
    pub const ALL: [Kind; 5] = [
        Kind::Namespace,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Pod,
        Kind::LocalPod,
    ];
    /// Those that are followed whatever the Corefile says: all but pod names are made of them.
    pub const ALWAYS: [Kind; 3] = [Kind::Namespace, Kind::Service, Kind::EndpointSlice];

    /// The plural name in API paths and RBAC rules.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Namespace => "namespaces",
            Kind::Service => "services",
            Kind::EndpointSlice => "endpointslices",
            Kind::Pod | Kind::LocalPod => "pods",
        }
    }
}

/// Namespace and name; the namespace of a Namespace is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// `metadata.namespace`, lower case.
    pub namespace: Arc<str>,
    /// `metadata.name`, lower case.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A key from its two parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The transport protocol of a port; its name is the second label of an SRV owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `_tcp`
    Tcp,
    /// `_udp`
    Udp,
    /// `_sctp`
    Sctp,
}

/// A port of a Service or of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// The port's name, lower case; empty for an unnamed port.
    pub name: Arc<str>,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The number, host order.
    pub number: u16,
}

/// `v1` Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// What clients reach it by.
    pub kind: ServiceKind,
    /// `spec.ports`.
    pub ports: Vec<Port>,
}

/// What clients reach a Service by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// `spec.clusterIPs` (empty while none is allocated).
    ClusterIp(Vec<IpAddr>),
    /// `clusterIP: None`.
    Headless,
    /// `type: ExternalName`: the target as written, without a trailing dot.
    ExternalName(Arc<str>),
}

/// `discovery.k8s.io/v1` EndpointSlice: the published (ready or nil) endpoints only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Namespace and name of the slice.
    pub key: ObjectKey,
    /// The name of its Service (label `kubernetes.io/service-name`), in the same namespace.
    pub service: Arc<str>,
    /// `ports`.
    pub ports: Vec<Port>,
    /// One row per endpoint.
    pub endpoints: Vec<Endpoint>,
}

/// One published endpoint of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `addresses`.
    pub addresses: Vec<IpAddr>,
    /// `hostname`, lower case.
    pub hostname: Option<Arc<str>>,
    /// `targetRef.name` of a Pod.
    pub pod: Option<Arc<str>>,
}

/// `v1` Pod that has an address and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `spec.nodeName`
    pub node: Option<Arc<str>>,
    /// `status.podIPs`, at least one.
    pub addresses: Vec<IpAddr>,
}

/// Any object that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// `v1` Namespace: its name alone.
    Namespace(ObjectKey),
    /// `v1` Service.
    Service(Service),
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice(EndpointSlice),
    /// `v1` Pod.
    Pod(Pod),
    /// `v1` Pod of the agent's own node, not on the node's network.
    LocalPod(Pod),
}

impl Object {
    /// The kind of the object.
    pub fn kind(&self) -> Kind {
        match self {
            Object::Namespace(_) => Kind::Namespace,
            Object::Service(_) => Kind::Service,
            Object::EndpointSlice(_) => Kind::EndpointSlice,
            Object::Pod(_) => Kind::Pod,
            Object::LocalPod(_) => Kind::LocalPod,
        }
    }

    /// Namespace and name of the object.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Object::Namespace(key) => key,
            Object::Service(service) => &service.key,
            Object::EndpointSlice(slice) => &slice.key,
            Object::Pod(pod) | Object::LocalPod(pod) => &pod.key,
        }
    }
}
