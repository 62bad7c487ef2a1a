//! Ports and endpoints, drawn: what fills Services and EndpointSlices.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};

const PORT_NAMES: [&str; 6] = ["http", "https", "dns", "dns-tcp", "a", "grpc-web"];
const PROTOCOLS: [&str; 4] = ["TCP", "TCP", "UDP", "SCTP"];
/// IPv6 addresses that are hard to write with dashes (RFC 5952).
const ODD_V6: [&str; 3] = [
    "2001:db8:3333:4444:5555:6666::",
    "2001:db8::1:0:0:1",
    "2001:db8:0:1:1:1:1:1",
];

/// The ports of a Service: none, one without a name, or several.
pub(crate) fn service_ports(rng: &mut StdRng) -> Value {
    let port = |rng: &mut StdRng, number: u16| {
        json!({
            "port": number,
            "protocol": PROTOCOLS.choose(rng),
            "targetPort": number + 8000,
        })
    };
    match rng.random_range(0..5) {
        0 => json!([port(rng, 80)]),
        count => {
            let names: Vec<_> = PORT_NAMES.sample(rng, count).collect();
            let ports = names.into_iter().zip(1..).map(|(name, number)| {
                let mut port = port(rng, number);
                port["name"] = json!(name);
                port
            });
            Value::Array(ports.collect())
        }
    }
}

/// An EndpointSlice without metadata, for a Service of these ports or for others.
pub(crate) fn slice(rng: &mut StdRng, service_ports: &Value) -> Value {
    let is_v6 = rng.random_bool(0.35);
    let count = [0, 1, 1, 2, 3, 5][rng.random_range(0..6)];
    let mut endpoints: Vec<Value> = (0..count).map(|_| endpoint(rng, is_v6)).collect();
    // By the API's definition they are unique; here they differ in more than their conditions.
    let identity = |endpoint: &Value| {
        ["addresses", "hostname", "targetRef"].map(|field| endpoint[field].to_string())
    };
    endpoints.sort_by_key(identity);
    endpoints.dedup_by_key(|endpoint| identity(endpoint));
    json!({
        "addressType": if is_v6 { "IPv6" } else { "IPv4" },
        "ports": slice_ports(rng, service_ports),
        "endpoints": endpoints,
    })
}

/// A slice of many endpoints, each with a hostname.
pub(crate) fn large(name: &str, service: &str, count: u8) -> Value {
    let endpoints: Vec<Value> = (1..=count)
        .map(|i| json!({"addresses": [format!("10.243.{count}.{i}")], "hostname": format!("{service}-{i}")}))
        .collect();
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "sql", "port": 5432}],
        "endpoints": endpoints,
    })
}

fn slice_ports(rng: &mut StdRng, service_ports: &Value) -> Value {
    let others = service_ports_or_none(rng);
    let source = if rng.random_bool(0.7) {
        service_ports
    } else {
        &others
    };
    let ports = source.as_array().into_iter().flatten().map(|port| {
        json!({
            "name": port["name"].as_str().unwrap_or_default(),
            "port": port["port"].as_u64().map(|number| number + 8000),
            "protocol": port["protocol"],
        })
    });
    Value::Array(ports.collect())
}

fn service_ports_or_none(rng: &mut StdRng) -> Value {
    if rng.random_bool(0.3) {
        return json!([]);
    }
    service_ports(rng)
}

fn endpoint(rng: &mut StdRng, is_v6: bool) -> Value {
    let address = if !is_v6 {
        format!(
            "10.244.{}.{}",
            rng.random_range(0..2),
            rng.random_range(1..60)
        )
    } else if rng.random_bool(0.2) {
        ODD_V6[rng.random_range(0..ODD_V6.len())].into()
    } else {
        format!("fd00:244::{:x}", rng.random_range(1..60))
    };
    let mut endpoint = json!({"addresses": [address]});
    match rng.random_range(0..10) {
        0 | 1 => endpoint["conditions"] = json!({"ready": false}),
        2 => endpoint["conditions"] = json!({"ready": false, "serving": true, "terminating": true}),
        3..6 => endpoint["conditions"] = json!({"ready": true}),
        _ => {}
    }
    if rng.random_bool(0.3) {
        endpoint["hostname"] = json!(format!("host-{}", rng.random_range(0..8)));
    }
    if rng.random_bool(0.5) {
        let number = rng.random_range(0..30);
        // Names that are no label (with dots, or too long) are not drawn: CoreDNS makes names of them that cannot be
        // asked for, or messages that cannot be sent.
        let name = format!("pod-{number}");
        endpoint["targetRef"] = json!({"kind": "Pod", "name": name});
    }
    endpoint
}
