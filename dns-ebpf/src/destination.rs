//! DESTINATIONS: the (address, port) pairs that are ours to answer for.

/// The key of DESTINATIONS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Destination {
    /// IPv6 in network order; IPv4 as `::ffff:a.b.c.d` (RFC 4291 2.5.5.2).
    pub address: [u8; 16],
    /// UDP port, host order.
    pub port: u32,
}

impl Destination {
    /// For an IPv4 address in network order.
    #[inline(always)]
    pub fn v4(address: [u8; 4], port: u16) -> Self {
        let [a, b, c, d] = address;
        let address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d];
        Self {
            address,
            port: port.into(),
        }
    }

    /// For an IPv6 address in network order.
    #[inline(always)]
    pub fn v6(address: [u8; 16], port: u16) -> Self {
        Self {
            address,
            port: port.into(),
        }
    }
}
