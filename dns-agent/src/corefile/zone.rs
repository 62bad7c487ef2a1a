//! A server block's key, `[scheme://][zone][:port]`, -> zones and port. A zone is a domain name or
//! a prefix in CIDR notation, which stands for the reverse zones that cover it (RFC 1035 3.5,
//! RFC 3596 2.5). As in CoreDNS a prefix between two boundaries (octets in IPv4, hexadecimal digits
//! in IPv6) is split at the next longer one: `10.0.0.0/23` is two zones of `/24`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::record::Name;
use crate::record::name::NameError;

/// Why a text names no zone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ZoneError {
    /// `tls://`, `https://` and so on.
    #[error(
        "{key:?} asks for transport {scheme:?}, which is not built yet; expected plain DNS, so dns:// or no scheme"
    )]
    Transport {
        /// The whole key.
        key: String,
        /// The scheme.
        scheme: String,
    },
    /// A scheme of nobody's.
    #[error("{key:?} has the unknown scheme {scheme:?}; expected dns:// or none")]
    Scheme {
        /// The whole key.
        key: String,
        /// The scheme.
        scheme: String,
    },
    /// `a.example:` or `a.example:70000`.
    #[error("{key:?} has no port behind the last colon; expected 0 to 65535")]
    Port {
        /// The whole key.
        key: String,
    },
    /// `10.0.0.0/33`
    #[error("{key:?} has the prefix length {length:?}; expected 0 to {most}")]
    PrefixLength {
        /// The whole key.
        key: String,
        /// What follows the slash.
        length: String,
        /// 32 or 128.
        most: u8,
    },
    /// A domain name with characters that are most likely a slip.
    #[error(
        "zone {zone:?} has the character {character:?}; expected a domain name, a prefix such as 10.0.0.0/24, or \".\""
    )]
    Character {
        /// The zone.
        zone: String,
        /// The first such character.
        character: char,
    },
    /// `.:53{`
    #[error("{key:?} ends in \"{{\"; expected a space before it")]
    Brace {
        /// The whole key.
        key: String,
    },
    /// Not a domain name.
    #[error("zone {0}")]
    Name(#[from] NameError),
}

/// What a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// At least one.
    pub(super) zones: Vec<Name>,
    /// Where one is given.
    pub(super) port: Option<u16>,
}

/// Reads a server block's key.
pub(super) fn key(text: &str) -> Result<Key, ZoneError> {
    if text.len() > 1 && text.ends_with('{') {
        return Err(ZoneError::Brace { key: text.into() });
    }
    let rest = without_scheme(text)?;
    let (host, port) = match rest.rsplit_once(':') {
        None => (rest, None),
        Some((host, digits))
            if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            let port = digits
                .parse()
                .map_err(|_| ZoneError::Port { key: text.into() })?;
            (host, Some(port))
        }
        // The last colon of an IPv6 prefix.
        Some((_, tail)) if tail.contains('/') => (rest, None),
        Some(_) => return Err(ZoneError::Port { key: text.into() }),
    };
    Ok(Key {
        zones: zones(host)?,
        port,
    })
}

/// Reads a zone in a plugin's arguments. As in CoreDNS it may be written like a key, scheme and
/// port of which mean nothing there.
pub fn parse(text: &str) -> Result<Vec<Name>, ZoneError> {
    key(text).map(|key| key.zones)
}

/// Whether names under `zone` are addresses.
pub fn is_reverse(zone: &Name) -> bool {
    const TREES: [&[u8]; 2] = [b"\x07in-addr\x04arpa\0", b"\x03ip6\x04arpa\0"];
    TREES
        .iter()
        .filter_map(|tree| Name::from_wire(tree))
        .any(|tree| zone.is_under(&tree))
}

fn without_scheme(text: &str) -> Result<&str, ZoneError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(text);
    };
    let (key, scheme) = (text.to_owned(), scheme.to_owned());
    match scheme.as_str() {
        "dns" => Ok(rest),
        "tls" | "https" | "https3" | "grpc" | "quic" => Err(ZoneError::Transport { key, scheme }),
        _ => Err(ZoneError::Scheme { key, scheme }),
    }
}

fn zones(text: &str) -> Result<Vec<Name>, ZoneError> {
    // A slash behind anything but an address is part of a name (RFC 2317 4).
    if let Some((address, length)) = text.rsplit_once('/')
        && let Ok(address) = address.parse()
    {
        let most = if matches!(address, IpAddr::V4(_)) {
            32
        } else {
            128
        };
        return match length.parse() {
            Ok(bits) if bits <= most => reverse_zones(address, bits),
            _ => Err(ZoneError::PrefixLength {
                key: text.into(),
                length: length.into(),
                most,
            }),
        };
    }
    let odd = |c: &char| !c.is_ascii_graphic() || matches!(c, '\\' | '"' | '{' | '}' | '(' | ')');
    if let Some(character) = text.chars().find(odd) {
        return Err(ZoneError::Character {
            zone: text.into(),
            character,
        });
    }
    Ok(vec![Name::parse(text)?])
}

fn reverse_zones(address: IpAddr, bits: u8) -> Result<Vec<Name>, ZoneError> {
    // Both families as 128 bits, the address in the highest ones.
    let (address, digit, tree) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 8, "in-addr.arpa"),
        IpAddr::V6(v6) => (v6.to_bits(), 4, "ip6.arpa"),
    };
    let network = match bits {
        0 => 0,
        bits => address & (u128::MAX << (128 - u32::from(bits))),
    };
    let boundary = bits.div_ceil(digit) * digit;
    let labels = usize::from(boundary / digit);
    (0..1_u128 << (boundary - bits))
        .map(|number| {
            let network = match boundary {
                0 => network,
                boundary => network | (number << (128 - u32::from(boundary))),
            };
            let mut labels: Vec<String> = if digit == 8 {
                let octets = Ipv4Addr::from_bits(u32::try_from(network >> 96).unwrap_or_default());
                octets
                    .octets()
                    .iter()
                    .take(labels)
                    .map(u8::to_string)
                    .collect()
            } else {
                let octets = Ipv6Addr::from_bits(network).octets();
                let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
                digits
                    .take(labels)
                    .map(|digit| format!("{digit:x}"))
                    .collect()
            };
            labels.reverse();
            labels.push(tree.into());
            Ok(Name::parse(&labels.join("."))?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_zones_and_ports() {
        let rows: &[(&str, &[&str], Option<u16>)] = &[
            (".", &["."], None),
            (".:53", &["."], Some(53)),
            (":1053", &["."], Some(1053)),
            ("dns://Example.ORG.:5300", &["example.org."], Some(5300)),
            ("dns://.", &["."], None),
            ("10.0.0.0/24", &["0.0.10.in-addr.arpa."], None),
            ("10.1.2.3/16:54", &["1.10.in-addr.arpa."], Some(54)),
            ("10.0.0.0/8", &["10.in-addr.arpa."], None),
            ("0.0.0.0/0", &["in-addr.arpa."], None),
            ("10.2.3.4/32", &["4.3.2.10.in-addr.arpa."], None),
            (
                "10.0.2.0/23",
                &["2.0.10.in-addr.arpa.", "3.0.10.in-addr.arpa."],
                None,
            ),
            ("fd00::/8", &["d.f.ip6.arpa."], None),
            ("fd00::/7:53", &["c.f.ip6.arpa.", "d.f.ip6.arpa."], Some(53)),
            ("::/0", &["ip6.arpa."], None),
            (
                "0/25.2.0.192.in-addr.arpa",
                &["0/25.2.0.192.in-addr.arpa."],
                None,
            ),
        ];
        for &(text, zones, port) in rows {
            let key = key(text).unwrap();
            let got: Vec<String> = key.zones.iter().map(Name::to_string).collect();
            assert_eq!(
                (got, key.port),
                (zones.iter().map(|&z| z.to_owned()).collect(), port),
                "{text}"
            );
        }
        assert_eq!(key("10.0.0.0/9").unwrap().zones.len(), 128);
        assert_eq!(key("2001:db8::/128").unwrap().zones[0].labels().count(), 34);
    }

    #[test]
    fn keys_that_name_nothing_are_refused() {
        let rows = [
            (
                "tls://.",
                "\"tls://.\" asks for transport \"tls\", which is not built yet; expected plain DNS, so dns:// or no scheme",
            ),
            (
                "https://a.example:443",
                "\"https://a.example:443\" asks for transport \"https\", which is not built yet; expected plain DNS, so dns:// or no scheme",
            ),
            (
                "ftp://.",
                "\"ftp://.\" has the unknown scheme \"ftp\"; expected dns:// or none",
            ),
            (
                "a.example:",
                "\"a.example:\" has no port behind the last colon; expected 0 to 65535",
            ),
            (
                ".:65536",
                "\".:65536\" has no port behind the last colon; expected 0 to 65535",
            ),
            (
                ".:dns",
                "\".:dns\" has no port behind the last colon; expected 0 to 65535",
            ),
            (
                "10.0.0.0/33",
                "\"10.0.0.0/33\" has the prefix length \"33\"; expected 0 to 32",
            ),
            (
                "fd00::/x",
                "\"fd00::/x\" has the prefix length \"x\"; expected 0 to 128",
            ),
            (
                ".:53{",
                "\".:53{\" ends in \"{\"; expected a space before it",
            ),
            ("a..b", "zone \"a..b\" has an empty label"),
            (
                "a b",
                "zone \"a b\" has the character ' '; expected a domain name, a prefix such as 10.0.0.0/24, or \".\"",
            ),
        ];
        for (text, message) in rows {
            assert_eq!(key(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn reverse_zones_are_told_from_others() {
        for (zone, reverse) in [
            ("in-addr.arpa", true),
            ("0.f.ip6.arpa", true),
            ("arpa", false),
            ("xin-addr.arpa", false),
        ] {
            assert_eq!(is_reverse(&Name::parse(zone).unwrap()), reverse, "{zone}");
        }
    }
}
