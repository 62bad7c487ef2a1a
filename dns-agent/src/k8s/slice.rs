//! An EndpointSlice as the index keeps it: one sorted row per address.
//!
//! Sorted by hostname first, so that an endpoint is found by its hostname, or by its address where it
//! has none, without looking at the thousands beside it.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use super::address_set::Keyed;
use super::needs::Seen;
use super::object::{EndpointSlice, ObjectKey, Port, Scope};

/// `discovery.k8s.io/v1` EndpointSlice, flattened to addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Namespace and name of the slice.
    pub key: ObjectKey,
    /// The name of its Service or ServiceImport, in the same namespace.
    pub service: Arc<str>,
    /// Of a ServiceImport: the cluster that the endpoints are in.
    pub cluster: Option<Arc<str>>,
    /// `ports`
    pub ports: Box<[Port]>,
    /// Sorted, each once.
    pub endpoints: Box<[EndpointAddress]>,
    /// Which selectors its labels match.
    pub seen: Seen,
}

/// One address of one endpoint, in 32 octets: there are more of these than of anything else. Sorted by hostname, then by
/// address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndpointAddress {
    /// The address.
    pub address: IpAddr,
    /// `None`: nothing of it, as it mostly is.
    details: Option<Box<Details>>,
}

/// What is known of an endpoint beside its address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Details {
    /// The endpoint's hostname, lower case: a label of RFC 1123.
    pub hostname: Option<Arc<str>>,
    /// The name of the Pod behind it, where it is needed.
    pub pod: Option<Arc<str>>,
    /// The topology zone it is in, lower case.
    pub zone: Option<Arc<str>>,
}

impl EndpointAddress {
    /// An address and what is known of its endpoint.
    pub fn new(address: IpAddr, details: Details) -> Self {
        let details = (details != Details::default()).then(|| Box::new(details));
        Self { address, details }
    }

    /// The endpoint's hostname.
    pub fn hostname(&self) -> Option<&str> {
        self.details.as_ref()?.hostname.as_deref()
    }

    /// The name of the Pod behind it.
    pub fn pod(&self) -> Option<&str> {
        self.details.as_ref()?.pod.as_deref()
    }

    /// The topology zone it is in.
    pub fn zone(&self) -> Option<&str> {
        self.details.as_ref()?.zone.as_deref()
    }

    fn rank(&self) -> (Option<&str>, IpAddr, Option<&str>, Option<&str>) {
        (self.hostname(), self.address, self.pod(), self.zone())
    }
}

impl Ord for EndpointAddress {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for EndpointAddress {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Slice {
    /// Namespace and name of the Service it belongs to.
    pub fn service_key(&self) -> ObjectKey {
        ObjectKey {
            namespace: Arc::clone(&self.key.namespace),
            name: Arc::clone(&self.service),
        }
    }

    /// The rows with this hostname.
    pub fn with_hostname<'a>(&'a self, hostname: &str) -> &'a [EndpointAddress] {
        let rank = |row: &EndpointAddress| row.hostname().cmp(&Some(hostname));
        let first = self.endpoints.partition_point(|row| rank(row).is_lt());
        let end = self.endpoints.partition_point(|row| rank(row).is_le());
        &self.endpoints[first..end]
    }

    /// The rows without a hostname, sorted by address.
    pub fn without_hostname(&self) -> &[EndpointAddress] {
        let end = self
            .endpoints
            .partition_point(|row| row.hostname().is_none());
        &self.endpoints[..end]
    }

    /// The rows that the other slice does not have.
    pub fn not_in<'a>(&'a self, other: &'a Slice) -> impl Iterator<Item = &'a EndpointAddress> {
        self.endpoints
            .iter()
            .filter(|row| other.endpoints.binary_search(row).is_err())
    }
}

impl Keyed for Slice {
    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

impl Slice {
    /// What the slice is in a scope; `None`: nothing.
    pub fn new(slice: &EndpointSlice, scope: Scope) -> Option<Self> {
        let (service, cluster) = match scope {
            Scope::Cluster => (slice.service.as_ref()?, None),
            Scope::ClusterSet => {
                let import = slice.import.as_ref()?;
                (&import.service, import.cluster.clone())
            }
        };
        let mut rows = Vec::with_capacity(slice.endpoints.len());
        for endpoint in &slice.endpoints {
            // The API server takes only RFC 1123 labels for a hostname; a file may say anything.
            let hostname = endpoint.hostname.as_ref();
            let hostname = hostname.filter(|name| is_rfc1123_label(name)).cloned();
            let details = Details {
                hostname,
                pod: endpoint.pod.clone(),
                zone: endpoint.zone.clone(),
            };
            let row = |&address| EndpointAddress::new(address, details.clone());
            rows.extend(endpoint.addresses.iter().map(row));
        }
        rows.sort_unstable();
        rows.dedup();
        Some(Self {
            key: slice.key.clone(),
            service: Arc::clone(service),
            cluster,
            ports: slice.ports.as_slice().into(),
            endpoints: rows.into(),
            seen: slice.seen,
        })
    }
}

/// Lower-case letters, digits and inner hyphens, 1 to 63 octets.
fn is_rfc1123_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}
