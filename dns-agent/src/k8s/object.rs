//! Slim Kubernetes objects: only what DNS needs, stripped at the door.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::needs::Seen;

/// The kinds that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `multicluster.x-k8s.io/v1alpha1` ServiceImport, where the Corefile has `multicluster`.
    ServiceImport,
    /// `v1` Pod, all of the cluster: for `pods verified`.
    Pod,
    /// `v1` Pod, those of the agent's own node that may be clients: for `autopath @kubernetes`.
    LocalPod,
}

impl Kind {
    /// Every kind, in the order in which they are listed to a person.
    pub const ALL: [Kind; 6] = [
        Kind::Namespace,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::ServiceImport,
        Kind::Pod,
        Kind::LocalPod,
    ];

    /// Whether records are made of it; of pods none are, their names are looked up when they are asked for.
    pub fn is_held(self) -> bool {
        !matches!(self, Kind::Pod | Kind::LocalPod)
    }

    /// The plural name in API paths and RBAC rules.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Namespace => "namespaces",
            Kind::Service => "services",
            Kind::EndpointSlice => "endpointslices",
            Kind::ServiceImport => "serviceimports",
            Kind::Pod | Kind::LocalPod => "pods",
        }
    }

    /// The API group; empty for the core one.
    pub fn group(self) -> &'static str {
        match self {
            Kind::Namespace | Kind::Service | Kind::Pod | Kind::LocalPod => "",
            Kind::EndpointSlice => "discovery.k8s.io",
            Kind::ServiceImport => "multicluster.x-k8s.io",
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

/// Whose Services: those of this cluster, or those that a set of clusters exports (the Multi-Cluster
/// Services API, KEP-1645). A name can stand for one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `v1` Service.
    Cluster,
    /// ServiceImport.
    ClusterSet,
}

/// `v1` Namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name; the namespace of it is empty.
    pub key: ObjectKey,
    /// Which selectors its labels match.
    pub seen: Seen,
}

/// `v1` Service, or ServiceImport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// What clients reach it by.
    pub kind: ServiceKind,
    /// `spec.ports`.
    pub ports: Vec<Port>,
    /// `spec.externalIPs` and `status.loadBalancer.ingress`, where they are needed.
    pub external: Box<[External]>,
    /// Which selectors its labels match.
    pub seen: Seen,
}

/// Where a Service is reached from outside of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum External {
    /// An address.
    Address(IpAddr),
    /// A load balancer's host name, as written, without a trailing dot.
    Host(Arc<str>),
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
    pub service: Option<Arc<str>>,
    /// Of a slice of another cluster: the ServiceImport it belongs to.
    pub import: Option<Box<Import>>,
    /// `ports`.
    pub ports: Vec<Port>,
    /// One row per endpoint.
    pub endpoints: Box<[Endpoint]>,
    /// Which selectors its labels match.
    pub seen: Seen,
}

/// Which ServiceImport an EndpointSlice belongs to, in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its name (label `multicluster.kubernetes.io/service-name`).
    pub service: Arc<str>,
    /// The cluster the endpoints are in (label `multicluster.kubernetes.io/source-cluster`): one DNS
    /// label, lower case.
    pub cluster: Option<Arc<str>>,
}

/// One published endpoint of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `addresses`.
    pub addresses: Vec<IpAddr>,
    /// `hostname`, lower case.
    pub hostname: Option<Arc<str>>,
    /// `targetRef.name` of a Pod, where it is needed.
    pub pod: Option<Arc<str>>,
    /// `zone`, lower case, where it is needed.
    pub zone: Option<Arc<str>>,
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
    /// `v1` Namespace.
    Namespace(Namespace),
    /// `v1` Service.
    Service(Service),
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice(EndpointSlice),
    /// `multicluster.x-k8s.io/v1alpha1` ServiceImport: never an ExternalName.
    ServiceImport(Service),
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
            Object::ServiceImport(_) => Kind::ServiceImport,
            Object::Pod(_) => Kind::Pod,
            Object::LocalPod(_) => Kind::LocalPod,
        }
    }

    /// Namespace and name of the object.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Object::Namespace(namespace) => &namespace.key,
            Object::Service(service) | Object::ServiceImport(service) => &service.key,
            Object::EndpointSlice(slice) => &slice.key,
            Object::Pod(pod) | Object::LocalPod(pod) => &pod.key,
        }
    }
}
