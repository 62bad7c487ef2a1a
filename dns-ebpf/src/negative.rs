//! Denials: NODATA at names that are held, NXDOMAIN below zones that are whole (RFC 2308 2).

use crate::bound;
use crate::outcome::Outcome;
use crate::query::{HEADER, OPT, Query};
use crate::scratch::{Scratch, TAIL};
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
    let labels = labels_above(scratch, cut).ok_or(Outcome::Labels)?;
    if zone.flags & flag::SERVED == 0 {
        return Err(Outcome::OtherServer);
    }
    if zone.flags & flag::PODS != 0 {
        return Err(Outcome::PodName);
    }
    if zone.flags & flag::AUTOPATH != 0 {
        // A first label that ends at the cut is the only one.
        let is_one_label = scratch.name_octet(0) + 1 == cut;
        if zone.flags & flag::NAMESPACES == 0 || !is_one_label {
            return Err(Outcome::Autopath);
        }
    }
    if zone.rule_labels != 0 && labels >= zone.rule_labels {
        return Err(Outcome::ZonalName);
    }
    if zone.flags & flag::FALLTHROUGH != 0 {
        return Err(Outcome::Fallthrough);
    }
    if zone.flags & flag::COMPLETE == 0 {
        return Err(Outcome::Incomplete);
    }
    Ok(zone)
}

/// How many labels there are before `cut`; `None` where no label starts there: octets alone cannot
/// tell, since a label may hold any octet.
#[inline(always)]
fn labels_above(scratch: &mut Scratch, cut: usize) -> Option<u32> {
    let (mut at, mut labels) = (0, 0);
    for _ in 0..LABELS {
        if at >= cut {
            break;
        }
        let octets = scratch.name_octet(at);
        if octets == 0 || octets > 63 {
            return None;
        }
        at = bound::launder(&mut scratch.cell, at + 1 + octets);
        labels += 1;
    }
    (at == cut).then_some(labels)
}

/// Writes SOA (if `zone`) and OPT (if the query has one) behind the answer records; returns their
/// octets. `zone_len` is the length of the SOA's owner, the end of the QNAME.
#[inline(always)]
pub fn tail(scratch: &mut Scratch, query: &Query, zone: Option<(&Zone, usize)>) -> usize {
    // Built where it stays: on the stack, the verifier forbids words at odd places.
    let octets = &mut scratch.tail;
    let mut len = 0;
    if let Some((zone, zone_len)) = zone {
        for i in 0..SOA.div_ceil(8) {
            put(octets, i * 8, TEMPLATE[i]);
        }
        // RFC 1035 4.1.4: a pointer to where the zone's name starts in the question. So the owner
        // has the case that the client gave it.
        let pointer = (0xc000 | (HEADER + query.name_len - zone_len) as u16).to_be();
        put(octets, 0, pointer);
        put(octets, 19, pointer);
        put(octets, 32, pointer);
        put(octets, 6, zone.ttl.to_be());
        put(octets, 34, zone.serial.to_be());
        put(octets, 50, zone.ttl.to_be());
        len = SOA;
    }
    let [low, high] = if query.edns { opt(query) } else { [0; 2] };
    put(octets, len, low);
    put(octets, len + 8, high);
    if query.edns { len + OPT } else { len }
}

#[inline(always)]
fn put<T: Copy>(octets: &mut [u8; TAIL], at: usize, value: T) {
    bound::write::<T, 127, _>(octets, at, value);
}

/// RFC 6891 6.1.2: our payload size, version 0, DO copied (RFC 3225 3), no options.
#[inline(always)]
fn opt(query: &Query) -> [u64; 2] {
    let low = u64::from_ne_bytes([0, 0, 41, 0x04, 0xd0, 0, 0, 0]);
    [
        low | u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, query.dnssec_ok]),
        0,
    ]
}

/// `<zone> <ttl> IN SOA ns.dns.<zone> hostmaster.<zone> <serial> 7200 1800 86400 <ttl>`, as CoreDNS
/// has it; pointers, TTLs and serial are filled in.
const TEMPLATE: [u64; SOA.div_ceil(8)] = words([
    0, 0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 42, //
    2, b'n', b's', 3, b'd', b'n', b's', 0, 0, //
    10, b'h', b'o', b's', b't', b'm', b'a', b's', b't', b'e', b'r', 0, 0, //
    0, 0, 0, 0, // SERIAL
    0, 0, 0x1c, 0x20, // REFRESH 7200
    0, 0, 0x07, 0x08, // RETRY 1800
    0, 1, 0x51, 0x80, // EXPIRE 86400
    0, 0, 0, 0, // MINIMUM
    0, 0,
]);

const fn words(octets: [u8; SOA.next_multiple_of(8)]) -> [u64; SOA.div_ceil(8)] {
    let mut words = [0; SOA.div_ceil(8)];
    let mut i = 0;
    while i < octets.len() {
        words[i / 8] |= (octets[i] as u64) << (8 * (i % 8));
        i += 1;
    }
    words
}
