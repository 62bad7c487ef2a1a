//! DESTINATIONS: the (address, port) pairs that are ours to answer for.

/// The key of DESTINATIONS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Destination {
    /// IPv6 in network order; IPv4 as `::ffff:a.b.c.d` (RFC 4291 2.5.5.2). In words, as the kernel hashes them: octets
    /// would be stored one by one, and a load across several stores waits for all of them.
    pub address: [u32; 4],
    /// UDP port, host order.
    pub port: u32,
}

impl Destination {
    /// Whether both are the same, without a branch for each word.
    #[inline(always)]
    pub fn is(&self, other: &Self) -> bool {
        let mut difference = self.port ^ other.port;
        for i in 0..4 {
            difference |= self.address[i] ^ other.address[i];
        }
        difference == 0
    }

    /// For an IPv4 address in network order.
    #[inline(always)]
    pub fn v4(address: [u8; 4], port: u16) -> Self {
        let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
        Self {
            address: [0, 0, mapped, u32::from_ne_bytes(address)],
            port: port.into(),
        }
    }

    /// For an IPv6 address in network order.
    #[inline(always)]
    #[expect(clippy::many_single_char_names, reason = "sixteen octets in a row")]
    pub fn v6(address: [u8; 16], port: u16) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address;
        let words = [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]];
        Self {
            address: words.map(u32::from_ne_bytes),
            port: port.into(),
        }
    }
}
