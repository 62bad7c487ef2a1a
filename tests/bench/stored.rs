//! Services with their endpoints as an API server keeps them: each with a `ClusterIP` or, one in ten, headless.

use std::net::Ipv4Addr;
use std::ops::Range;

use serde_json::{Value, json};

/// Endpoints of each Service.
pub(crate) const ENDPOINTS: u32 = 10;
/// Services to a namespace.
const NEIGHBOURS: u32 = 100;
const CREATED: &str = "2026-01-01T00:00:00Z";

/// The keys and objects of the Services with these numbers: they, their slices, their namespaces, and the `IPAddress`
/// objects without which the API server would repair each `ClusterIP`. The numbers start at a multiple of a hundred.
pub(crate) fn objects(numbers: Range<u32>) -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    for number in numbers {
        let (name, namespace) = (format!("service-{number:05}"), team(number));
        if number.is_multiple_of(NEIGHBOURS) {
            objects.push((format!("namespaces/{namespace}"), of_team(&namespace)));
        }
        let of = Of {
            number,
            name: &name,
            namespace: &namespace,
        };
        objects.push((format!("services/specs/{namespace}/{name}"), of.service()));
        let slice = format!("endpointslices/{namespace}/{name}-x7k2p");
        objects.push((slice, of.slice()));
        if !of.is_headless() {
            let address = format!("ipaddresses/{}", of.address());
            objects.push((address, of.ip_address()));
        }
    }
    objects
}

fn team(number: u32) -> String {
    format!("team-{:03}", number / NEIGHBOURS)
}

fn of_team(name: &str) -> Value {
    json!({
        "kind": "Namespace", "apiVersion": "v1",
        "metadata": {
            "name": name, "uid": uid(1, 0), "creationTimestamp": CREATED,
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

/// One Service.
struct Of<'a> {
    number: u32,
    name: &'a str,
    namespace: &'a str,
}

impl Of<'_> {
    fn is_headless(&self) -> bool {
        self.number % 10 == 9
    }

    /// From 10.96.16.0 on, where nothing else is.
    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(Ipv4Addr::new(10, 96, 16, 0).to_bits() + self.number)
    }

    fn service(&self) -> Value {
        let ip = if self.is_headless() {
            "None".to_owned()
        } else {
            self.address().to_string()
        };
        json!({
            "kind": "Service", "apiVersion": "v1",
            "metadata": {
                "name": self.name, "namespace": self.namespace, "uid": uid(2, self.number),
                "creationTimestamp": CREATED, "labels": {"app": self.name},
            },
            "spec": {
                "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
                "selector": {"app": self.name},
                "clusterIP": ip, "clusterIPs": [ip], "type": "ClusterIP", "sessionAffinity": "None",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
            },
            "status": {"loadBalancer": {}},
        })
    }

    fn slice(&self) -> Value {
        let endpoints: Vec<Value> = (0..ENDPOINTS).map(|row| self.endpoint(row)).collect();
        json!({
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": {
                "name": format!("{}-x7k2p", self.name), "namespace": self.namespace, "uid": uid(3, self.number),
                "creationTimestamp": CREATED,
                "labels": {
                    "app": self.name, "kubernetes.io/service-name": self.name,
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                },
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Service", "name": self.name, "uid": uid(2, self.number),
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        })
    }

    fn endpoint(&self, row: u32) -> Value {
        let number = self.number * ENDPOINTS + row;
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 128, 0, 1).to_bits() + number);
        json!({
            "addresses": [address],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "targetRef": {
                "kind": "Pod", "namespace": self.namespace, "name": format!("{}-5d4f8c7b9-{row:05}", self.name),
                "uid": uid(4, number),
            },
            "nodeName": format!("node-{:03}", number % 200),
        })
    }

    fn ip_address(&self) -> Value {
        json!({
            "kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
            "metadata": {
                "name": self.address(), "uid": uid(5, self.number), "creationTimestamp": CREATED,
                "labels": {
                    "ipaddress.kubernetes.io/ip-family": "IPv4",
                    "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
                },
            },
            "spec": {"parentRef": {
                "resource": "services", "namespace": self.namespace, "name": self.name,
            }},
        })
    }
}

fn uid(kind: u32, number: u32) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}
