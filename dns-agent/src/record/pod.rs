//! From a pod name's labels to the address it stands for: `1-2-3-4.<ns>.pod`, `fd00--7.<ns>.pod`.
//!
//! With `pods insecure` a rule, not records: any address is answered. With `pods verified` the address is that of a pod,
//! written as Kubernetes writes it. One or two labels
//! to the left of the address are ignored, as CoreDNS does; some users give their pods virtual hosts
//! that way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address for the labels left of `<ns>.pod.<zone>`, left to right; `None`: no such name.
pub fn pod_address(labels: &[&[u8]]) -> Option<IpAddr> {
    match labels {
        [address] | [_, address] | [_, _, address] => address_of(address),
        _ => None,
    }
}

/// Whether the label that spells `address` is the one that Kubernetes' own text of it becomes: of the many texts of an
/// IPv6 address CoreDNS finds a pod by one, that of RFC 5952.
pub fn is_canonical(labels: &[&[u8]], address: IpAddr) -> bool {
    let text = address.to_string().replace(['.', ':'], "-");
    labels.last() == Some(&text.as_bytes())
}

/// Three single hyphens make an IPv4 address; anything else can only be an IPv6 address.
fn address_of(label: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(label).ok()?;
    if text.contains([':', '.']) {
        return None;
    }
    if text.matches('-').count() == 3 && !text.contains("--") {
        let address: Ipv4Addr = text.replace('-', ".").parse().ok()?;
        return Some(address.into());
    }
    let address: Ipv6Addr = text.replace('-', ":").parse().ok()?;
    // An IPv4-mapped address is answered as the IPv4 address it maps (as in Go's `net.IP.To4`).
    Some(IpAddr::V6(address).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &str) -> Option<String> {
        let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
        pod_address(&labels).map(|address| address.to_string())
    }

    #[test]
    fn one_text_of_an_address_is_canonical() {
        for (name, expected) in [
            ("1-2-3-4", true),
            ("x.1-2-3-4", true),
            ("fd00--7", true),
            ("fd00-0-0-0-0-0-0-7", false),
            ("fd00--0007", false),
            ("--ffff-102-304", false),
        ] {
            let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
            let address = pod_address(&labels).unwrap();
            assert_eq!(is_canonical(&labels, address), expected, "{name}");
        }
    }

    #[test]
    fn labels_are_read_as_coredns_reads_them() {
        for (name, expected) in [
            ("1-2-3-4", Some("1.2.3.4")),
            ("fd00--7", Some("fd00::7")),
            ("--1", Some("::1")),
            ("1--2-3", Some("1::2:3")),
            ("2001-db8-0-0-0-0-0-1", Some("2001:db8::1")),
            ("--ffff-102-304", Some("1.2.3.4")),
            ("x.1-2-3-4", Some("1.2.3.4")),
            ("y.x.1-2-3-4", Some("1.2.3.4")),
            ("z.y.x.1-2-3-4", None),
            ("1-2-3", None),
            ("1-2-3-4-5", None),
            ("1-2-3-256", None),
            ("1-2-3-04", None),
            ("fd00-1-2-3", None),
            ("fd00:", None),
            ("web-0", None),
            ("1-2-3-4.x", None),
        ] {
            assert_eq!(address(name).as_deref(), expected, "{name}");
        }
        assert_eq!(pod_address(&[b"1.2-3-4"]), None);
        assert_eq!(pod_address(&[b"fd00::7"]), None);
        assert_eq!(pod_address(&[]), None);
    }
}
