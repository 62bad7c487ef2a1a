//! Denials: NODATA at names that are held, NXDOMAIN below zones that are whole (RFC 2308 2).

use crate::bound;
use crate::outcome::Outcome;
use crate::query::{HEADER, OPT, Query};
use crate::scratch::{Scratch, TAIL_WORDS};
use crate::zone::{Zone, Zones, flag};

/// Octets of our SOA record: its three names end in pointers into the question.
pub const SOA: usize = 54;
/// How many labels above the zone are walked: an `ip6.arpa` owner has 32.
const LABELS: usize = 40;

/// The zone that says whether the name in `scratch`, which NAMES does not hold, does not exist.
#[inline(always)]
pub fn authority<'a>(
    scratch: &mut Scratch,
    query: &Query,
    zones: &'a Zones,
) -> Result<&'a Zone, Outcome> {
    let zone = zones
        .find(scratch, query.name_len)
        .ok_or(Outcome::OutOfZone)?;
    let cut = query.name_len.wrapping_sub(zone.len as usize);
    if !starts_label(scratch, cut) {
        return Err(Outcome::Labels);
    }
    if zone.flags & flag::SERVED == 0 {
        return Err(Outcome::OtherServer);
    }
    if zone.flags & flag::PODS != 0 {
        return Err(Outcome::PodName);
    }
    if zone.flags & flag::FALLTHROUGH != 0 {
        return Err(Outcome::Fallthrough);
    }
    if zone.flags & flag::COMPLETE == 0 {
        return Err(Outcome::Incomplete);
    }
    Ok(zone)
}

/// Whether a label starts at `cut`: octets alone cannot tell, since a label may hold any octet.
#[inline(always)]
fn starts_label(scratch: &mut Scratch, cut: usize) -> bool {
    let mut at = 0;
    for _ in 0..LABELS {
        if at >= cut {
            break;
        }
        let octets = scratch.name_octet(at);
        if octets == 0 || octets > 63 {
            return false;
        }
        at = bound::launder(&mut scratch.cell, at + 1 + octets);
    }
    at == cut
}

/// Writes SOA (if `zone`) and OPT (if the query has one) behind the answer records; returns their
/// octets. `zone_len` is the length of the SOA's owner, the end of the QNAME.
#[inline(always)]
pub fn tail(scratch: &mut Scratch, query: &Query, zone: Option<(&Zone, usize)>) -> usize {
    let mut octets = [0u8; TAIL_WORDS * 8];
    let mut len = 0;
    if let Some((zone, zone_len)) = zone {
        // RFC 1035 4.1.4: a pointer to where the zone's name starts in the question. So the owner
        // has the case that the client gave it.
        let pointer = 0xc000 | (HEADER + query.name_len - zone_len) as u16;
        let [high, low] = pointer.to_be_bytes();
        octets[..SOA].copy_from_slice(&TEMPLATE);
        [octets[0], octets[1]] = [high, low];
        [octets[19], octets[20]] = [high, low];
        [octets[32], octets[33]] = [high, low];
        let ttl = zone.ttl.to_be_bytes();
        [octets[6], octets[7], octets[8], octets[9]] = ttl;
        let serial = zone.serial.to_be_bytes();
        [octets[34], octets[35], octets[36], octets[37]] = serial;
        [octets[50], octets[51], octets[52], octets[53]] = ttl;
        len = SOA;
        if query.edns {
            octets[SOA..SOA + OPT].copy_from_slice(&opt(query));
            len = SOA + OPT;
        }
    } else if query.edns {
        octets[..OPT].copy_from_slice(&opt(query));
        len = OPT;
    }
    for (i, word) in scratch.tail.iter_mut().enumerate() {
        *word = bound::read::<u64, { TAIL_WORDS * 8 - 8 }, _>(&octets, i * 8);
    }
    len
}

/// RFC 6891 6.1.2: our payload size, version 0, DO copied (RFC 3225 3), no options.
#[inline(always)]
fn opt(query: &Query) -> [u8; OPT] {
    [0, 0, 41, 0x04, 0xd0, 0, 0, query.dnssec_ok, 0, 0, 0]
}

/// `<zone> <ttl> IN SOA ns.dns.<zone> hostmaster.<zone> <serial> 7200 1800 86400 <ttl>`, as CoreDNS
/// has it; pointers, TTLs and serial are filled in.
const TEMPLATE: [u8; SOA] = [
    0, 0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 42, //
    2, b'n', b's', 3, b'd', b'n', b's', 0, 0, //
    10, b'h', b'o', b's', b't', b'm', b'a', b's', b't', b'e', b'r', 0, 0, //
    0, 0, 0, 0, // SERIAL
    0, 0, 0x1c, 0x20, // REFRESH 7200
    0, 0, 0x07, 0x08, // RETRY 1800
    0, 1, 0x51, 0x80, // EXPIRE 86400
    0, 0, 0, 0, // MINIMUM
];
