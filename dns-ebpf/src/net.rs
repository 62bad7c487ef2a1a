//! Frame headers: Ethernet (IEEE 802.3, 802.1Q), IPv4 (RFC 791), IPv6 (RFC 8200), UDP (RFC 768).
//!
//! [`parse`] reads them where the frame lies and says what the frame is; [`reply`] turns them round there.

use crate::checksum;
use crate::destination::Destination;
use crate::octets::{Octets, OctetsMut, get, set};
use crate::outcome::Outcome;
use crate::respond::Reply;

/// The longest header: Ethernet, one VLAN tag, IPv6, UDP.
pub const HEADERS_MAX: usize = 14 + 4 + 40 + 8;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const UDP: usize = 8;
const PROTOCOL_UDP: u8 = 17;
/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Octets before the DNS message: 42, 46, 62 or 66.
    pub headers: usize,
    /// Whether it is IPv6.
    pub v6: bool,
    /// Octets of the DNS message, at most 512.
    pub message: usize,
    /// Whom it is for.
    pub destination: Destination,
}

/// Reads the headers. `tagged`: one VLAN tag in the frame is fine.
#[inline(always)]
pub fn parse(frame: &impl Octets, tagged: bool) -> Result<Layout, Outcome> {
    match ethertype::<12>(frame)? {
        [0x08, 0x00] => ipv4::<ETHERNET>(frame),
        [0x86, 0xdd] => ipv6::<ETHERNET>(frame),
        [0x81, 0x00] if tagged => match ethertype::<16>(frame)? {
            [0x08, 0x00] => ipv4::<{ ETHERNET + 4 }>(frame),
            [0x86, 0xdd] => ipv6::<{ ETHERNET + 4 }>(frame),
            [0x81, 0x00] | [0x88, 0xa8] => Err(Outcome::Vlan),
            _ => Err(Outcome::NotUdp),
        },
        [0x81, 0x00] | [0x88, 0xa8] => Err(Outcome::Vlan),
        _ => Err(Outcome::NotUdp),
    }
}

#[inline(always)]
fn ethertype<const AT: usize>(frame: &impl Octets) -> Result<[u8; 2], Outcome> {
    frame.fixed::<2>(AT).copied().ok_or(Outcome::NotUdp)
}

#[inline(always)]
fn ipv4<const AT: usize>(frame: &impl Octets) -> Result<Layout, Outcome> {
    let header = frame.fixed::<IPV4>(AT).ok_or(Outcome::IpHeader)?;
    if get::<u8, 9, _>(header) != PROTOCOL_UDP {
        return Err(Outcome::NotUdp);
    }
    if get::<u8, 0, _>(header) != 0x45 {
        return Err(Outcome::IpHeader);
    }
    // More fragments to come, or not the first one; DF is fine.
    if u16::from_be(get::<u16, 6, _>(header)) & 0x3fff != 0 {
        return Err(Outcome::Fragment);
    }
    let sum = u64::from(get::<u32, 0, _>(header))
        + u64::from(get::<u32, 4, _>(header))
        + u64::from(get::<u32, 8, _>(header))
        + u64::from(get::<u32, 12, _>(header))
        + u64::from(get::<u32, 16, _>(header));
    if checksum::fold(sum) != 0xffff || !may_ask(get::<u8, 12, _>(header)) {
        return Err(Outcome::IpHeader);
    }
    let payload = (u16::from_be(get::<u16, 2, _>(header)) as usize).wrapping_sub(IPV4);
    let destination = get::<u32, 16, _>(header).to_ne_bytes();
    let (port, message, _) = udp(frame, AT + IPV4, payload)?;
    Ok(Layout {
        headers: AT + IPV4 + UDP,
        v6: false,
        message,
        destination: Destination::v4(destination, port),
    })
}

/// Whether an IPv4 address that starts so can be a host's: not 0.0.0.0/8, multicast or broadcast.
#[inline(always)]
fn may_ask(first: u8) -> bool {
    first != 0 && first < 224
}

#[inline(always)]
fn ipv6<const AT: usize>(frame: &impl Octets) -> Result<Layout, Outcome> {
    let header = frame.fixed::<IPV6>(AT).ok_or(Outcome::IpHeader)?;
    // Extension headers are next headers of their own, so they end here too.
    if get::<u8, 6, _>(header) != PROTOCOL_UDP {
        return Err(Outcome::NotUdp);
    }
    // RFC 4291 2.7: a multicast source is malformed.
    if get::<u8, 0, _>(header) >> 4 != 6 || get::<u8, 8, _>(header) == 0xff {
        return Err(Outcome::IpHeader);
    }
    let payload = u16::from_be(get::<u16, 4, _>(header)) as usize;
    let destination = get::<u128, 24, _>(header).to_ne_bytes();
    let (port, message, sum) = udp(frame, AT + IPV6, payload)?;
    // RFC 8200 8.1: a UDP checksum of zero is not allowed.
    if sum == 0 {
        return Err(Outcome::UdpHeader);
    }
    Ok(Layout {
        headers: AT + IPV6 + UDP,
        v6: true,
        message,
        destination: Destination::v6(destination, port),
    })
}

/// Destination port, octets of the message, checksum field.
#[inline(always)]
fn udp(frame: &impl Octets, at: usize, payload: usize) -> Result<(u16, usize, u16), Outcome> {
    let header = frame.fixed::<UDP>(at).ok_or(Outcome::UdpHeader)?;
    let length = u16::from_be(get::<u16, 4, _>(header)) as usize;
    if length != payload || length < UDP || get::<u16, 0, _>(header) == 0 {
        return Err(Outcome::UdpHeader);
    }
    let port = u16::from_be(get::<u16, 2, _>(header));
    Ok((port, length - UDP, get::<u16, 6, _>(header)))
}

/// How the UDP checksum field of a response is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// With the checksum.
    Whole,
    /// With the pseudo-header's sum: the skb says `CHECKSUM_PARTIAL`, and whoever sends it on adds the rest.
    Pseudo,
}

/// Whether the UDP checksum field of a query holds no more than the sum of its pseudo-header, as it does in an skb with
/// `CHECKSUM_PARTIAL` (and in one of 65,536 others).
#[inline(always)]
pub fn looks_partial(frame: &impl Octets, layout: &Layout) -> bool {
    let length = layout.message + UDP;
    let (field, sum) = if layout.v6 {
        let Some(header) = frame.block::<{ IPV6 + UDP }>(layout.headers - IPV6 - UDP) else {
            return false;
        };
        let sum = add_address::<8, _>(pseudo(length), header);
        let sum = add_address::<24, _>(sum, header);
        (get::<u16, { IPV6 + 6 }, _>(header), sum)
    } else {
        let Some(header) = frame.block::<{ IPV4 + UDP }>(layout.headers - IPV4 - UDP) else {
            return false;
        };
        let sum = checksum::add(pseudo(length), get::<u64, 12, _>(header));
        (get::<u16, { IPV4 + 6 }, _>(header), sum)
    };
    field == checksum::fold(sum)
}

/// Turns the headers of a query into those of its `reply`: addresses and ports swapped, lengths and checksums new,
/// TTL 64. `None`: the frame is shorter than they are.
#[inline(always)]
pub fn reply(frame: &mut impl OctetsMut, layout: &Layout, reply: &Reply, fill: Fill) -> Option<()> {
    let length = reply.len() + UDP;
    let ethernet = frame.block_mut::<12>(0)?;
    swap::<u32, 0, 6, _>(ethernet);
    swap::<u16, 4, 10, _>(ethernet);
    if layout.v6 {
        let header = frame.block_mut::<{ IPV6 + UDP }>(layout.headers - IPV6 - UDP)?;
        let sum = add_address::<8, _>(pseudo(length), header);
        let sum = add_address::<24, _>(sum, header);
        swap::<u64, 8, 24, _>(header);
        swap::<u64, 16, 32, _>(header);
        set::<u16, 4, _>(header, (length as u16).to_be());
        set::<u8, 7, _>(header, TTL);
        let ports = get::<u32, IPV6, _>(header);
        set::<u64, IPV6, _>(header, udp_header(ports, length, sum, reply.sum, fill));
    } else {
        let header = frame.block_mut::<{ IPV4 + UDP }>(layout.headers - IPV4 - UDP)?;
        let addresses = get::<u64, 12, _>(header);
        let total = ((length + IPV4) as u16).to_be();
        let rest = u16::from_ne_bytes([TTL, PROTOCOL_UDP]);
        let mut sum = u64::from(get::<u16, 0, _>(header)) + u64::from(total);
        sum += u64::from(get::<u32, 4, _>(header)) + u64::from(rest);
        sum = checksum::add(sum, addresses);
        set::<u16, 2, _>(header, total);
        set::<u16, 8, _>(header, rest);
        set::<u16, 10, _>(header, !checksum::fold(sum));
        set::<u64, 12, _>(header, addresses.rotate_left(32));
        let sum = checksum::add(pseudo(length), addresses);
        let ports = get::<u32, IPV4, _>(header);
        set::<u64, IPV4, _>(header, udp_header(ports, length, sum, reply.sum, fill));
    }
    Some(())
}

/// Of a response.
const TTL: u8 = 64;

/// A UDP header in memory order: the query's `ports` swapped, the length, the checksum of a message whose sum is
/// `message` and whose pseudo-header's is `pseudo`.
#[inline(always)]
fn udp_header(ports: u32, length: usize, pseudo: u64, message: u64, fill: Fill) -> u64 {
    let ports = ports.rotate_left(16);
    let length = (length as u16).to_be();
    let field = match fill {
        Fill::Pseudo => checksum::fold(pseudo),
        Fill::Whole => {
            let sum = pseudo + u64::from(ports) + u64::from(length);
            match !checksum::fold(checksum::add(sum, message)) {
                // RFC 768: zero would say that there is none.
                0 => 0xffff,
                field => field,
            }
        }
    };
    u64::from(ports) | u64::from(length) << 32 | u64::from(field) << 48
}

/// The sum of the pseudo-header of `length` octets of UDP, addresses left out.
#[inline(always)]
fn pseudo(length: usize) -> u64 {
    u64::from((length as u16).to_be()) + u64::from(u16::from(PROTOCOL_UDP).to_be())
}

#[inline(always)]
fn add_address<const AT: usize, const N: usize>(sum: u64, header: &[u8; N]) -> u64 {
    let [high, low] = get::<[u64; 2], AT, _>(header);
    checksum::add(checksum::add(sum, high), low)
}

#[inline(always)]
fn swap<T: Copy, const A: usize, const B: usize, const N: usize>(block: &mut [u8; N]) {
    let (left, right) = (get::<T, A, _>(block), get::<T, B, _>(block));
    set::<T, A, _>(block, right);
    set::<T, B, _>(block, left);
}
