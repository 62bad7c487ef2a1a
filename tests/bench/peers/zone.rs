//! A number of Services to a cluster of the usual mixture: the objects, and the records that they mean by the Kubernetes
//! DNS specification 1.1.0.
//!
//! Of twenty Services eighteen have a ClusterIP, one is headless with ten endpoints, one an ExternalName of another.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// TTL of every record, seconds; that of kubeadm's Corefile.
pub(crate) const TTL: u32 = 30;
/// How many namespaces the Services are spread over.
const NAMESPACES: usize = 20;
/// How many endpoints a headless Service has.
const ENDPOINTS: usize = 10;

/// A generated cluster.
#[derive(Debug)]
pub(crate) struct Zone {
    /// Its Services, in the order of their numbers.
    pub(crate) services: Vec<Service>,
}

/// One Service.
#[derive(Debug)]
pub(crate) struct Service {
    name: String,
    namespace: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    ClusterIp(Ipv4Addr),
    Headless(Vec<Ipv4Addr>),
    /// Another Service's full name.
    ExternalName(String),
}

/// A resource record of the cluster's zones, as a zone file writes it (RFC 1035 5.1), with absolute names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) owner: String,
    pub(crate) rtype: &'static str,
    pub(crate) data: String,
}

impl Zone {
    /// A cluster of so many Services, at most 50,000.
    pub(crate) fn new(services: usize) -> Self {
        let service = |number: usize| Service {
            name: format!("svc-{number:05}"),
            namespace: format!("team-{:02}", number % NAMESPACES),
            kind: match number / NAMESPACES % 20 {
                18 => Kind::Headless(
                    (0..ENDPOINTS)
                        .map(|endpoint| {
                            address(
                                245,
                                (number / 400 * NAMESPACES + number % NAMESPACES) * ENDPOINTS
                                    + endpoint,
                            )
                        })
                        .collect(),
                ),
                // The one a row further up, which has a ClusterIP.
                19 => Kind::ExternalName(format!(
                    "svc-{:05}.team-{:02}.svc.cluster.local.",
                    number - 2 * NAMESPACES,
                    number % NAMESPACES
                )),
                _ => Kind::ClusterIp(address(97, number)),
            },
        };
        Self {
            services: (0..services).map(service).collect(),
        }
    }

    /// The namespaces.
    pub(crate) fn namespaces() -> impl Iterator<Item = String> {
        (0..NAMESPACES).map(|number| format!("team-{number:02}"))
    }

    /// Namespaces, Services and EndpointSlices, as an API server keeps them.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let namespace = |name: String| {
            json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": metadata(&name, None),
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            })
        };
        let mut objects: Vec<Value> = Self::namespaces().map(namespace).collect();
        for service in &self.services {
            objects.extend(service.objects());
        }
        objects
    }

    /// Every record that the objects mean, sorted by nothing in particular; without SOA and NS.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.services.iter().flat_map(Service::records).collect()
    }
}

impl Service {
    /// Its full name, with the last dot.
    pub(crate) fn fqdn(&self) -> String {
        format!("{}.{}.svc.cluster.local.", self.name, self.namespace)
    }

    /// Its name as a pod of another namespace writes it.
    pub(crate) fn short(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// Its namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its address, if it has one of its own.
    pub(crate) fn cluster_ip(&self) -> Option<Ipv4Addr> {
        match self.kind {
            Kind::ClusterIp(address) => Some(address),
            Kind::Headless(_) | Kind::ExternalName(_) => None,
        }
    }

    /// Whether its addresses are those of its endpoints.
    pub(crate) fn is_headless(&self) -> bool {
        matches!(self.kind, Kind::Headless(_))
    }

    fn objects(&self) -> Vec<Value> {
        let ports = json!([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]);
        let spec = match &self.kind {
            Kind::ClusterIp(address) => json!({
                "type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ports": ports,
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            }),
            Kind::Headless(_) => json!({
                "type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"], "ports": ports,
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            }),
            Kind::ExternalName(target) => {
                json!({"type": "ExternalName", "externalName": target.trim_end_matches('.')})
            }
        };
        let mut objects = vec![json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": metadata(&self.name, Some(&self.namespace)), "spec": spec,
        })];
        if let Kind::Headless(addresses) = &self.kind {
            let endpoint = |address: &Ipv4Addr| json!({"addresses": [address], "conditions": {"ready": true, "serving": true}});
            let endpoints: Vec<Value> = addresses.iter().map(endpoint).collect();
            let mut metadata = metadata(&format!("{}-1", self.name), Some(&self.namespace));
            metadata["labels"] = json!({"kubernetes.io/service-name": self.name});
            objects.push(json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
                "addressType": "IPv4", "endpoints": endpoints,
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            }));
        }
        objects
    }

    fn records(&self) -> Vec<Record> {
        let fqdn = self.fqdn();
        let http = format!("_http._tcp.{fqdn}");
        let record = |owner: &str, rtype, data: String| Record {
            owner: owner.to_owned(),
            rtype,
            data,
        };
        match &self.kind {
            Kind::ClusterIp(address) => vec![
                record(&fqdn, "A", address.to_string()),
                record(&http, "SRV", format!("0 100 80 {fqdn}")),
                record(&reverse(*address), "PTR", fqdn.clone()),
            ],
            Kind::ExternalName(target) => vec![record(&fqdn, "CNAME", target.clone())],
            Kind::Headless(addresses) => {
                let mut records = Vec::new();
                for address in addresses {
                    let host = format!("{}.{fqdn}", address.to_string().replace('.', "-"));
                    // CoreDNS shares 100 out among the endpoints.
                    let weight = 100 / addresses.len();
                    records.extend([
                        record(&fqdn, "A", address.to_string()),
                        record(&host, "A", address.to_string()),
                        record(&http, "SRV", format!("0 {weight} 8080 {host}")),
                        record(&reverse(*address), "PTR", host.clone()),
                    ]);
                }
                records
            }
        }
    }
}

fn metadata(name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({
        "name": name,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "uid": format!("{}-{name}", namespace.unwrap_or_default()),
    });
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

/// The address of this number in 10.NET.0.0/16.
fn address(net: u8, number: usize) -> Ipv4Addr {
    let [.., high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, net, high, low)
}

/// The owner of an address's PTR record (RFC 1035 3.5).
pub(crate) fn reverse(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_services_have_an_address_in_common() {
        let zone = Zone::new(10_000);
        let records = zone.records();
        let owners: Vec<&str> = records
            .iter()
            .filter(|record| record.rtype == "PTR")
            .map(|record| &*record.owner)
            .collect();
        assert_eq!(owners.iter().collect::<HashSet<_>>().len(), owners.len());
        assert_eq!(owners.len(), 9_000 + 500 * ENDPOINTS);
    }

    #[test]
    fn an_external_name_leads_to_a_cluster_ip() {
        let zone = Zone::new(1000);
        let records = zone.records();
        let aliases = records.iter().filter(|record| record.rtype == "CNAME");
        for alias in aliases.clone() {
            let target = |record: &&Record| record.owner == alias.data && record.rtype == "A";
            assert_eq!(records.iter().filter(target).count(), 1, "{alias:?}");
        }
        assert_eq!(aliases.count(), 40);
    }
}
