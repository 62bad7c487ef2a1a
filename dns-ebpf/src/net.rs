//! Frame headers: Ethernet (IEEE 802.3, 802.1Q), IPv4 (RFC 791), IPv6 (RFC 8200), UDP (RFC 768).
//!
//! [`parse`] reads them where the frame lies and says what the frame is; [`reply`] turns them round
//! in [`Scratch::front`], where they end at [`DNS`].

use crate::bound;
use crate::checksum;
use crate::destination::Destination;
use crate::outcome::Outcome;
use crate::respond::Reply;
use crate::scratch::{DNS, Scratch};

/// The longest header: Ethernet, one VLAN tag, IPv6, UDP.
pub const HEADERS_MAX: usize = 14 + 4 + 40 + 8;
/// The longest frame that is read: headers and the longest query.
pub const FRAME_MAX: usize = HEADERS_MAX + crate::scratch::QUERY_MAX;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const UDP: usize = 8;
const PROTOCOL_UDP: u8 = 17;
/// Where headers are in [`Scratch::front`]: they end where the message starts.
const UDP_AT: usize = DNS - UDP;
const IPV4_AT: usize = UDP_AT - IPV4;
const IPV6_AT: usize = UDP_AT - IPV6;

/// A frame where it lies.
pub trait Frame {
    /// The octets at `at`, a constant, as a `T`; `None` past the end.
    fn read<T: Copy>(&self, at: usize) -> Option<T>;
}

impl Frame for &[u8] {
    fn read<T: Copy>(&self, at: usize) -> Option<T> {
        let octets = self.get(at..at + size_of::<T>())?;
        // SAFETY: the slice holds size_of::<T>() octets; every `T` used is made of integers.
        Some(unsafe { octets.as_ptr().cast::<T>().read_unaligned() })
    }
}

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
pub fn parse(frame: &impl Frame, tagged: bool) -> Result<Layout, Outcome> {
    match frame.read::<[u8; 2]>(12).ok_or(Outcome::NotUdp)? {
        [0x08, 0x00] => ipv4::<ETHERNET>(frame),
        [0x86, 0xdd] => ipv6::<ETHERNET>(frame),
        [0x81, 0x00] if tagged => match frame.read::<[u8; 2]>(16).ok_or(Outcome::NotUdp)? {
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
fn ipv4<const AT: usize>(frame: &impl Frame) -> Result<Layout, Outcome> {
    let header: [u8; IPV4] = frame.read(AT).ok_or(Outcome::IpHeader)?;
    if header[9] != PROTOCOL_UDP {
        return Err(Outcome::NotUdp);
    }
    if header[0] != 0x45 {
        return Err(Outcome::IpHeader);
    }
    // More fragments to come, or not the first one; DF is fine.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(Outcome::Fragment);
    }
    let mut sum = 0;
    for i in 0..IPV4 / 2 {
        sum += u64::from(u16::from_ne_bytes([header[2 * i], header[2 * i + 1]]));
    }
    if checksum::fold(sum) != 0xffff || !may_ask(header[12]) {
        return Err(Outcome::IpHeader);
    }
    let payload = (u16::from_be_bytes([header[2], header[3]]) as usize).wrapping_sub(IPV4);
    let (port, message, _) = udp(frame, AT + IPV4, payload)?;
    let address = [header[16], header[17], header[18], header[19]];
    let destination = Destination::v4(address, port);
    Ok(Layout {
        headers: AT + IPV4 + UDP,
        v6: false,
        message,
        destination,
    })
}

/// Whether an IPv4 address that starts so can be a host's: not 0.0.0.0/8, multicast or broadcast.
#[inline(always)]
fn may_ask(first: u8) -> bool {
    first != 0 && first < 224
}

#[inline(always)]
fn ipv6<const AT: usize>(frame: &impl Frame) -> Result<Layout, Outcome> {
    let header: [u8; IPV6] = frame.read(AT).ok_or(Outcome::IpHeader)?;
    // Extension headers are next headers of their own, so they end here too.
    if header[6] != PROTOCOL_UDP {
        return Err(Outcome::NotUdp);
    }
    // RFC 4291 2.7: a multicast source is malformed.
    if header[0] >> 4 != 6 || header[8] == 0xff {
        return Err(Outcome::IpHeader);
    }
    let payload = u16::from_be_bytes([header[4], header[5]]) as usize;
    let (port, message, sum) = udp(frame, AT + IPV6, payload)?;
    // RFC 8200 8.1: a UDP checksum of zero is not allowed.
    if sum == 0 {
        return Err(Outcome::UdpHeader);
    }
    let mut address = [0; 16];
    address.copy_from_slice(&header[24..]);
    let destination = Destination::v6(address, port);
    Ok(Layout {
        headers: AT + IPV6 + UDP,
        v6: true,
        message,
        destination,
    })
}

/// Destination port, octets of the message, checksum field.
#[inline(always)]
fn udp(frame: &impl Frame, at: usize, payload: usize) -> Result<(u16, usize, u16), Outcome> {
    let header: [u8; UDP] = frame.read(at).ok_or(Outcome::UdpHeader)?;
    let word = |i: usize| u16::from_be_bytes([header[i], header[i + 1]]);
    let length = word(4) as usize;
    if length != payload || length < UDP || word(0) == 0 {
        return Err(Outcome::UdpHeader);
    }
    Ok((word(2), length - UDP, word(6)))
}

/// How the UDP checksum field of a response is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// With the checksum.
    Whole,
    /// With the pseudo-header's sum: the skb says `CHECKSUM_PARTIAL`, and whoever sends it on adds the rest.
    Pseudo,
}

/// Whether the UDP checksum field of the query in `scratch` holds no more than the sum of its pseudo-header,
/// as it does in an skb with `CHECKSUM_PARTIAL` (and in one of 65,536 others).
#[inline(always)]
pub fn looks_partial(scratch: &Scratch, layout: &Layout) -> bool {
    let field: u16 = front(scratch, UDP_AT + 6);
    field == checksum::fold(pseudo(scratch, layout.v6, layout.message + UDP))
}

/// Turns the headers of the query in `scratch` into those of `reply`: addresses and ports swapped,
/// lengths and checksums new, TTL 64.
#[inline(always)]
pub fn reply(scratch: &mut Scratch, layout: &Layout, reply: &Reply, fill: Fill) {
    let length = reply.len() + UDP;
    let ethernet = DNS - layout.headers;
    swap::<[u8; 6]>(scratch, ethernet, ethernet + 6);
    if layout.v6 {
        swap::<[u64; 2]>(scratch, IPV6_AT + 8, IPV6_AT + 24);
        set(scratch, IPV6_AT + 4, (length as u16).to_be());
        set(scratch, IPV6_AT + 7, 64u8);
    } else {
        swap::<u32>(scratch, IPV4_AT + 12, IPV4_AT + 16);
        set(scratch, IPV4_AT + 2, ((length + IPV4) as u16).to_be());
        set(scratch, IPV4_AT + 8, 64u8);
        set(scratch, IPV4_AT + 10, 0u16);
        let mut sum = u64::from(front::<u32>(scratch, IPV4_AT + 16));
        sum = checksum::add(sum, front(scratch, IPV4_AT));
        sum = checksum::add(sum, front(scratch, IPV4_AT + 8));
        set(scratch, IPV4_AT + 10, !checksum::fold(sum));
    }
    swap::<u16>(scratch, UDP_AT, UDP_AT + 2);
    set(scratch, UDP_AT + 4, (length as u16).to_be());
    let mut sum = pseudo(scratch, layout.v6, length);
    let field = match fill {
        Fill::Pseudo => checksum::fold(sum),
        Fill::Whole => {
            sum += u64::from(front::<u32>(scratch, UDP_AT)) + u64::from((length as u16).to_be());
            match !checksum::fold(checksum::add(sum, reply.sum)) {
                // RFC 768: zero would say that there is none.
                0 => 0xffff,
                field => field,
            }
        }
    };
    set(scratch, UDP_AT + 6, field);
}

/// The sum of the pseudo-header of `length` octets of UDP, from the addresses in `scratch`.
#[inline(always)]
fn pseudo(scratch: &Scratch, v6: bool, length: usize) -> u64 {
    let mut sum = u64::from((length as u16).to_be()) + u64::from(u16::from(PROTOCOL_UDP).to_be());
    if v6 {
        for i in 0..4 {
            sum = checksum::add(sum, front(scratch, IPV6_AT + 8 + i * 8));
        }
        sum
    } else {
        checksum::add(sum, front(scratch, IPV4_AT + 12))
    }
}

#[inline(always)]
fn front<T: Copy>(scratch: &Scratch, at: usize) -> T {
    bound::read::<T, 127, _>(&scratch.front, at)
}

#[inline(always)]
fn set<T: Copy>(scratch: &mut Scratch, at: usize, value: T) {
    bound::write::<T, 127, _>(&mut scratch.front, at, value);
}

#[inline(always)]
fn swap<T: Copy>(scratch: &mut Scratch, a: usize, b: usize) {
    let (left, right): (T, T) = (front(scratch, a), front(scratch, b));
    set(scratch, a, right);
    set(scratch, b, left);
}
