//! The objects that there are to the names that they should have: what exists, and what nearly does.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// Names that the Kubernetes DNS specification (1.1.0, 2.2 to 2.5) or CoreDNS gives to the objects, whole and
/// with their dots; whether a server has each depends on its Corefile.
pub(crate) fn of_objects(
    services: &[Service],
    slices: &[EndpointSlice],
    namespaces: &[Namespace],
    zone: &str,
) -> Vec<String> {
    let mut names = BTreeSet::new();
    for fixed in ["", "svc.", "pod.", "dns.", "ns.dns.", "dns-version."] {
        names.insert(format!("{fixed}{zone}"));
    }
    for namespace in namespaces {
        let namespace = namespace.metadata.name.as_deref().unwrap_or_default();
        names.insert(format!("{namespace}.svc.{zone}"));
        names.insert(format!("{namespace}.pod.{zone}"));
        for pod in [
            "fd00::7",
            "10-244-0-5",
            "fd00-244--5",
            "192-0-2-1",
            "1-2-3",
            "--1",
        ] {
            names.insert(format!("{pod}.{namespace}.pod.{zone}"));
        }
    }
    for service in services {
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
        let owner = format!("{name}.{namespace}.svc.{zone}");
        let spec = service.spec.as_ref();
        for port in spec
            .and_then(|spec| spec.ports.as_ref())
            .into_iter()
            .flatten()
        {
            let protocol = port.protocol.as_deref().unwrap_or("TCP").to_lowercase();
            names.insert(format!("_{protocol}.{owner}"));
            if let Some(port) = &port.name {
                names.insert(format!("_{port}._{protocol}.{owner}"));
            }
        }
        let addresses = spec.and_then(|spec| spec.cluster_ips.as_ref());
        names.extend(addresses.into_iter().flatten().filter_map(|ip| reverse(ip)));
        names.insert(owner);
    }
    for slice in slices {
        let namespace = slice.metadata.namespace.as_deref().unwrap_or_default();
        let labels = slice.metadata.labels.as_ref();
        let Some(service) = labels.and_then(|all| all.get("kubernetes.io/service-name")) else {
            continue;
        };
        let owner = format!("{service}.{namespace}.svc.{zone}");
        for port in slice.ports.iter().flatten() {
            let protocol = port.protocol.as_deref().unwrap_or("TCP").to_lowercase();
            names.insert(format!("_{protocol}.{owner}"));
            if let Some(port) = port.name.as_ref().filter(|name| !name.is_empty()) {
                names.insert(format!("_{port}._{protocol}.{owner}"));
            }
        }
        for endpoint in &slice.endpoints {
            names.extend(labels_of(endpoint).map(|label| format!("{label}.{owner}")));
            names.extend(endpoint.addresses.iter().filter_map(|ip| reverse(ip)));
        }
    }
    names.into_iter().filter(|name| is_askable(name)).collect()
}

/// What an endpoint may be called.
fn labels_of(endpoint: &Endpoint) -> impl Iterator<Item = String> {
    let pod = endpoint
        .target_ref
        .as_ref()
        .and_then(|pod| pod.name.clone());
    let dashed = |ip: &String| ip.replace(['.', ':'], "-");
    let dashed: Vec<String> = endpoint.addresses.iter().map(dashed).collect();
    let padded = dashed.iter().map(|ip| format!("{ip}0")).collect::<Vec<_>>();
    endpoint
        .hostname
        .clone()
        .into_iter()
        .chain(pod)
        .chain(dashed)
        .chain(padded)
}

/// `in-addr.arpa.` (RFC 1035 3.5) or `ip6.arpa.` (RFC 3596 2.5).
fn reverse(address: &str) -> Option<String> {
    match address.parse().ok()? {
        std::net::IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            Some(format!("{d}.{c}.{b}.{a}.in-addr.arpa."))
        }
        std::net::IpAddr::V6(ip) => {
            let nibbles = format!("{:032x}", u128::from(ip));
            let labels: String = nibbles
                .chars()
                .rev()
                .flat_map(|nibble| [nibble, '.'])
                .collect();
            Some(format!("{labels}ip6.arpa."))
        }
    }
}

/// Names outside the cluster, or in nobody's zone.
const FOREIGN: [&str; 11] = [
    "one.example.net.",
    "three.example.net.",
    "big.example.net.",
    "missing.example.net.",
    "example.net.",
    ".",
    "local.",
    "xcluster.local.",
    "1.2.0.192.in-addr.arpa.",
    "10.in-addr.arpa.",
    "in-addr.arpa.",
];

/// A name to ask for: one of `names`, or something near one.
pub(crate) fn drawn(rng: &mut StdRng, names: &[String], zone: &str) -> String {
    let name = names.choose(rng).map_or(zone, String::as_str);
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let near = match rng.random_range(0..40) {
        0..20 => name.into(),
        20..23 => name.chars().map(|c| mixed(rng, c)).collect(),
        23 => format!("x.{name}"),
        24 => format!("y.x.{name}"),
        25 => format!("_http._tcp.{name}"),
        26 => format!("_._tcp.{name}"),
        27 => format!("http.tcp.{name}"),
        28 => format!("_nope._udp.{name}"),
        29 => rest.into(),
        30 => format!("{first}x.{rest}"),
        31 => format!(
            "{}.{rest}",
            ["*", "any", "_", "-", "xn--a"][rng.random_range(0..5)]
        ),
        32 => name.replacen(".svc.", ".pod.", 1),
        33 => name.replacen(".prod.", ".dev.", 1),
        34 => name.replacen(".svc.", ".nowhere.svc.", 1),
        35 => name
            .strip_suffix(zone)
            .map_or_else(|| name.into(), str::to_owned),
        36 => format!("{name}prod.svc.{zone}"),
        37 => format!("{name}{zone}"),
        38 => name.trim_start_matches('_').replace("._", "."),
        _ => FOREIGN.choose(rng).map_or(zone, |name| name).into(),
    };
    if is_askable(&near) { near } else { name.into() }
}

/// As 0x20 encoding has it.
fn mixed(rng: &mut StdRng, c: char) -> char {
    if rng.random() {
        c.to_ascii_uppercase()
    } else {
        c
    }
}

/// RFC 1035 2.3.4.
fn is_askable(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    name == "."
        || (name.len() < 254
            && labels
                .split('.')
                .all(|label| (1..64).contains(&label.len())))
}
