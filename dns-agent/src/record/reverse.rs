//! Between addresses and their names in `in-addr.arpa` (RFC 1035 3.5) and `ip6.arpa` (RFC 3596 2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::Name;

const V4: [&[u8]; 2] = [b"in-addr", b"arpa"];
const V6: [&[u8]; 2] = [b"ip6", b"arpa"];
/// IPv4 sorts before IPv6.
pub(super) const EVERY_ADDRESS: RangeInclusive<IpAddr> =
    IpAddr::V4(Ipv4Addr::UNSPECIFIED)..=IpAddr::V6(Ipv6Addr::from_bits(u128::MAX));
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The name that has the PTR records of an address.
pub fn reverse_name(address: IpAddr) -> Name {
    let mut wire = Vec::with_capacity(74);
    let mut push = |label: &[u8]| {
        // At most seven octets: a decimal octet, a nibble, or a label of the two domains.
        wire.push(u8::try_from(label.len()).unwrap_or_default());
        wire.extend_from_slice(label);
    };
    match address {
        IpAddr::V4(address) => {
            for octet in address.octets().iter().rev() {
                push(octet.to_string().as_bytes());
            }
            V4.into_iter().for_each(&mut push);
        }
        IpAddr::V6(address) => {
            for octet in address.octets().iter().rev() {
                for nibble in [octet & 15, octet >> 4] {
                    push(&[HEX[usize::from(nibble)]]);
                }
            }
            V6.into_iter().for_each(&mut push);
        }
    }
    push(b"");
    Name::from_wire(&wire).unwrap_or_else(Name::root)
}

/// The addresses whose names are this name or below it; one address only for a whole reverse name.
/// `None` for a name that no address's name is below.
pub fn addresses_under(name: &Name) -> Option<RangeInclusive<IpAddr>> {
    let mut labels: Vec<&[u8]> = name.labels().collect();
    if labels == [b"arpa"] {
        return Some(EVERY_ADDRESS);
    }
    match labels.split_off(labels.len().checked_sub(2)?)[..] {
        [first, second] if [first, second] == V4 => v4_prefix(&labels),
        [first, second] if [first, second] == V6 => v6_prefix(&labels),
        _ => None,
    }
}

/// Whether the zone is one of the reverse domains or below one, as CoreDNS tells reverse zones.
pub fn is_reverse(zone: &Name) -> bool {
    let labels: Vec<&[u8]> = zone.labels().collect();
    labels.ends_with(&V4) || labels.ends_with(&V6)
}

fn v4_prefix(labels: &[&[u8]]) -> Option<RangeInclusive<IpAddr>> {
    let (mut first, mut last) = ([0; 4], [255; 4]);
    if labels.len() > first.len() {
        return None;
    }
    for (at, label) in labels.iter().rev().enumerate() {
        let octet: u8 = str::from_utf8(label).ok()?.parse().ok()?;
        // Each octet has one spelling; `01` and `+1` are other names.
        if octet.to_string().as_bytes() != *label {
            return None;
        }
        (first[at], last[at]) = (octet, octet);
    }
    Some(Ipv4Addr::from(first).into()..=Ipv4Addr::from(last).into())
}

fn v6_prefix(labels: &[&[u8]]) -> Option<RangeInclusive<IpAddr>> {
    let (mut first, mut last) = (0_u128, u128::MAX);
    if labels.len() > 32 {
        return None;
    }
    for (at, label) in labels.iter().rev().enumerate() {
        let [digit] = label else { return None };
        let nibble = HEX.iter().position(|hex| hex == digit)? as u128;
        let shift = 124 - 4 * at;
        first |= nibble << shift;
        last &= !(15 << shift) | nibble << shift;
    }
    Some(Ipv6Addr::from(first).into()..=Ipv6Addr::from(last).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(name: &str) -> Option<(String, String)> {
        let range = addresses_under(&Name::parse(name).unwrap())?;
        Some((range.start().to_string(), range.end().to_string()))
    }

    #[test]
    fn an_address_and_its_name_lead_to_each_other() {
        for (address, name) in [
            ("10.2.0.255", "255.0.2.10.in-addr.arpa."),
            (
                "fd00:77:30::a",
                "a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.7.7.0.0.0.0.d.f.ip6.arpa.",
            ),
        ] {
            let address: IpAddr = address.parse().unwrap();
            let found = reverse_name(address);
            assert_eq!(found.to_string(), name);
            assert_eq!(addresses_under(&found), Some(address..=address));
        }
    }

    #[test]
    fn a_part_of_a_reverse_name_is_a_prefix() {
        let pair = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
        assert_eq!(
            under("96.10.in-addr.arpa"),
            pair("10.96.0.0", "10.96.255.255")
        );
        assert_eq!(under("in-addr.arpa"), pair("0.0.0.0", "255.255.255.255"));
        assert_eq!(
            under("0.d.f.ip6.arpa"),
            pair("fd00::", "fd0f:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
        );
        assert_eq!(
            under("arpa"),
            pair("0.0.0.0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
        );
        for name in [
            "01.10.in-addr.arpa",
            "256.in-addr.arpa",
            "+1.in-addr.arpa",
            "x.in-addr.arpa",
            "9.1.2.3.4.in-addr.arpa",
            "10.ip6.arpa",
            "g.ip6.arpa",
            "local",
            "10.example.org",
        ] {
            assert_eq!(under(name), None, "{name}");
        }
    }

    #[test]
    fn reverse_zones_are_told_from_others() {
        for (zone, expected) in [
            ("in-addr.arpa", true),
            ("96.10.in-addr.arpa", true),
            ("d.f.ip6.arpa", true),
            ("arpa", false),
            ("cluster.local", false),
            (".", false),
        ] {
            assert_eq!(is_reverse(&Name::parse(zone).unwrap()), expected, "{zone}");
        }
    }
}
