//! Another server's address in a Corefile, as CoreDNS reads it (`plugin/pkg/parse/host.go`).

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The port of an address that names none.
const DNS_PORT: u16 = 53;

/// An IP address, `v4:port` or `[v6]:port`; a link-local IPv6 address with its interface by name
/// or number (RFC 4007 11).
pub fn server_address(text: &str) -> Option<SocketAddr> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, DNS_PORT),
            (host, port) => (host, port.strip_prefix(':')?.parse().ok()?),
        },
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, port.parse().ok()?),
            _ => (text, DNS_PORT),
        },
    };
    let (host, scope) = match host.split_once('%') {
        Some((host, scope)) => (host, Some(scope)),
        None => (host, None),
    };
    match (host.parse().ok()?, scope) {
        (IpAddr::V6(v6), Some(scope)) => {
            let index = scope
                .parse()
                .ok()
                .or_else(|| nix::net::if_::if_nametoindex(scope).ok())?;
            Some(SocketAddrV6::new(v6, port, 0, index).into())
        }
        (_, Some(_)) => None,
        (ip, None) => Some(SocketAddr::new(ip, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_addresses_with_or_without_a_port() {
        let rows = [
            ("1.1.1.1", Some("1.1.1.1:53")),
            ("1.1.1.1:5353", Some("1.1.1.1:5353")),
            ("2001:db8::1", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]:54", Some("[2001:db8::1]:54")),
            ("[2001:db8::1]", Some("[2001:db8::1]:53")),
            ("fe80::1%1", Some("[fe80::1%1]:53")),
            ("[fe80::1%lo]:54", Some("[fe80::1%1]:54")),
            ("1.1.1.1%1", None),
            ("fe80::1%no such interface", None),
            ("1.1.1.1:", None),
            ("1.1.1.1:x", None),
            ("[::1", None),
            ("[::1]x", None),
            ("dns.example", None),
            ("", None),
        ];
        for (text, address) in rows {
            let expected = address.map(|address| address.parse().unwrap());
            assert_eq!(server_address(text), expected, "{text:?}");
        }
    }
}
