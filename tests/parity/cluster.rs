//! A seed to a cluster: the Namespaces, Services and EndpointSlices that an API server is asked to hold.
//!
//! Everything is drawn from small pools, so that what is rare in real clusters (an address in two slices, a
//! hostname twice, a Service named like a label of the schema) is common here.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::endpoints;

/// Namespaces of every generated cluster; `svc` and `pod` look like labels of the schema.
pub(crate) const NAMESPACES: [&str; 7] = ["prod", "dev", "1st-team", "svc", "pod", "empty", LONG];
/// A label of the greatest length (RFC 1035 2.3.4).
pub(crate) const LONG: &str = "n23456789-123456789-123456789-123456789-123456789-123456789-123";
/// Always there, and known to every Corefile.
pub(crate) const SENTINELS: &str = "sentinels";

/// What is to be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cluster {
    pub(crate) services: Vec<Service>,
    pub(crate) slices: Vec<Slice>,
}

/// A Service: its namespace, its name, its `spec`.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) spec: Value,
}

/// An EndpointSlice; `object` has everything but the namespace.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) object: Value,
}

/// Draws objects of one cluster, one after the other; no two have the same address or name.
pub(crate) struct Generator {
    pub(crate) rng: StdRng,
    seed: u64,
    count: u16,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            seed,
            count: 0,
        }
    }

    /// A cluster of about `services` Services.
    pub(crate) fn cluster(&mut self, services: usize) -> Cluster {
        let mut cluster = Cluster::default();
        for _ in 0..services {
            self.add_service(&mut cluster);
        }
        // Too many for any datagram, and too many for one of 512 octets only.
        for count in [25, 60, 110] {
            self.add_large(&mut cluster, count);
        }
        for _ in 0..3 {
            let slice = self.slice("prod", "nobody", &json!([]));
            cluster.slices.push(slice);
        }
        cluster
    }

    /// A Service with its slices.
    pub(crate) fn add_service(&mut self, cluster: &mut Cluster) {
        let namespace = NAMESPACES.choose(&mut self.rng).unwrap_or(&"prod");
        let name = self.name();
        let ports = endpoints::service_ports(&mut self.rng);
        let spec = match self.rng.random_range(0..10) {
            0..4 => self.cluster_ip(&ports),
            4..8 => headless(&mut self.rng, &ports),
            _ => self.external_name(&name, namespace, cluster),
        };
        let slices = if spec["type"] == "ExternalName" && self.rng.random_bool(0.8) {
            0
        } else {
            // One in five has none.
            [0, 1, 1, 2, 3][self.rng.random_range(0..5)]
        };
        for _ in 0..slices {
            let slice = self.slice(namespace, &name, &ports);
            cluster.slices.push(slice);
        }
        cluster.services.push(Service {
            namespace: (*namespace).into(),
            name,
            spec,
        });
    }

    /// An EndpointSlice of a Service that has these ports.
    pub(crate) fn slice(&mut self, namespace: &str, service: &str, ports: &Value) -> Slice {
        self.count += 1;
        let name = format!("slice-{}", self.count);
        let mut object = endpoints::slice(&mut self.rng, ports);
        object["metadata"] = json!({"name": name});
        if self.rng.random_bool(0.95) {
            object["metadata"]["labels"] = json!({"kubernetes.io/service-name": service});
        } else {
            // Of no Service at all. CoreDNS has no response for such an address, not even a denial, since it makes
            // a name with an empty label of it: so it is nobody else's, and not asked for.
            object["addressType"] = json!("IPv4");
            object["endpoints"] = json!([{"addresses": ["10.245.0.1"]}]);
        }
        Slice {
            namespace: namespace.into(),
            name,
            object,
        }
    }

    fn add_large(&mut self, cluster: &mut Cluster, endpoints: u8) {
        let name = format!("large-{endpoints}");
        let ports = json!([{"name": "sql", "port": 5432}]);
        let spec = headless(&mut self.rng, &ports);
        let mut slice = self.slice("prod", &name, &ports);
        slice.object = endpoints::large(&slice.name, &name, endpoints);
        cluster.slices.push(slice);
        cluster.services.push(Service {
            namespace: "prod".into(),
            name,
            spec,
        });
    }

    fn name(&mut self) -> String {
        self.count += 1;
        let count = self.count;
        match self.rng.random_range(0..16) {
            // Taken at most once in a namespace; the second one is refused, and not missed.
            0 => ["svc", "pod", "dns", "any", "ns", "tcp"][self.rng.random_range(0..6)].into(),
            1 => format!("{count}-digit"),
            2 => format!("{}{count:04}", &LONG[..59]),
            3 => format!("10-244-0-{count}"),
            _ => format!("s{count}"),
        }
    }

    fn cluster_ip(&mut self, ports: &Value) -> Value {
        self.count += 1;
        let (high, low) = (self.seed % 200 + 1, self.count);
        let v4 = format!("10.96.{high}.{}", low % 256);
        let v6 = format!("fd00:96::{:x}", high * 256 + u64::from(low % 256));
        let (addresses, families) = match self.rng.random_range(0..4) {
            0 | 1 => (vec![v4], vec!["IPv4"]),
            2 => (vec![v6], vec!["IPv6"]),
            _ => (vec![v4, v6], vec!["IPv4", "IPv6"]),
        };
        let policy = if families.len() == 2 {
            "RequireDualStack"
        } else {
            "SingleStack"
        };
        json!({
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
            "ipFamilies": families,
            "ipFamilyPolicy": policy,
            "ports": ports,
        })
    }

    fn external_name(&mut self, name: &str, namespace: &str, cluster: &Cluster) -> Value {
        let another = cluster.services.choose(&mut self.rng);
        let target = match self.rng.random_range(0..12) {
            0 => "one.example.net".into(),
            1 => "three.example.net.".into(),
            2 => "big.example.net".into(),
            3 => "missing.example.net".into(),
            4 => "192.0.2.7".into(),
            5 => "not-there.prod.svc.cluster.local".into(),
            6 => format!("{name}.{namespace}.svc.cluster.local"),
            7 => "10-1-2-3.prod.pod.cluster.local".into(),
            8 => "cluster.local".into(),
            _ => another.map_or("one.example.net".into(), |another| {
                format!("{}.{}.svc.cluster.local", another.name, another.namespace)
            }),
        };
        json!({"type": "ExternalName", "externalName": target})
    }
}

fn headless(rng: &mut StdRng, ports: &Value) -> Value {
    let families = [&["IPv4"][..], &["IPv6"], &["IPv4", "IPv6"]];
    let families = families[rng.random_range(0..3)];
    let policy = if families.len() == 2 {
        "RequireDualStack"
    } else {
        "SingleStack"
    };
    json!({
        "clusterIP": "None",
        "clusterIPs": ["None"],
        "ipFamilies": families,
        "ipFamilyPolicy": policy,
        "ports": ports,
        "publishNotReadyAddresses": rng.random_bool(0.2),
    })
}
