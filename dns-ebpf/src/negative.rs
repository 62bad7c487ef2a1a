//! Denials: NODATA at names that are held, NXDOMAIN below zones that are whole (RFC 2308 2).

use crate::bound;
use crate::checksum;
use crate::octets::set;
use crate::outcome::Outcome;
use crate::query::{HEADER, OPT, PAYLOAD, Query};
use crate::scratch::Scratch;
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
        at += 1 + octets;
        labels += 1;
    }
    // Laundered, or the verifier goes on with one state per number of labels.
    let labels = bound::launder(&mut scratch.cell, labels);
    (at == cut).then_some(labels as u32)
}

/// The SOA record of a denial: what differs from the template, in memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soa {
    /// RFC 1035 4.1.4: a pointer to where the zone's name starts in the question. So the owner has the case that the
    /// client gave it.
    pointer: u16,
    ttl: u32,
    serial: u32,
}

impl Soa {
    /// Of `zone`; `zone_len` is the length of the owner, the end of the QNAME.
    #[inline(always)]
    pub fn new(query: &Query, zone: &Zone, zone_len: usize) -> Self {
        Self {
            pointer: (0xc000 | (HEADER + query.name_len - zone_len) as u16).to_be(),
            ttl: zone.ttl.to_be(),
            serial: zone.serial.to_be(),
        }
    }

    /// The octets' sum.
    #[inline(always)]
    pub fn sum(&self) -> u64 {
        // The second pointer stands at an odd place.
        let pointers = 2 * u64::from(self.pointer) + u64::from(self.pointer.swap_bytes());
        TEMPLATE_SUM + pointers + 2 * u64::from(self.ttl) + u64::from(self.serial)
    }

    /// The octets.
    #[inline(always)]
    pub fn write(&self, octets: &mut [u8; SOA]) {
        set::<u64, 0, _>(octets, TEMPLATE[0]);
        set::<u64, 8, _>(octets, TEMPLATE[1]);
        set::<u64, 16, _>(octets, TEMPLATE[2]);
        set::<u64, 24, _>(octets, TEMPLATE[3]);
        set::<u64, 32, _>(octets, TEMPLATE[4]);
        set::<u64, 40, _>(octets, TEMPLATE[5]);
        set::<u16, 48, _>(octets, TEMPLATE[6] as u16);
        set::<u16, 0, _>(octets, self.pointer);
        set::<u16, 19, _>(octets, self.pointer);
        set::<u16, 32, _>(octets, self.pointer);
        set::<u32, 6, _>(octets, self.ttl);
        set::<u32, 34, _>(octets, self.serial);
        set::<u32, 50, _>(octets, self.ttl);
    }
}

/// RFC 6891 6.1.2: our payload size, version 0, DO copied (RFC 3225 3), no options.
#[inline(always)]
pub fn write_opt(octets: &mut [u8; OPT], dnssec_ok: u8) {
    set::<u64, 0, _>(octets, opt_head(dnssec_ok));
    set::<u16, 8, _>(octets, 0);
    set::<u8, 10, _>(octets, 0);
}

/// The sum of the octets of [`write_opt`].
#[inline(always)]
pub fn opt_sum(dnssec_ok: u8) -> u64 {
    checksum::add(0, opt_head(dnssec_ok))
}

#[inline(always)]
fn opt_head(dnssec_ok: u8) -> u64 {
    let [high, low] = (PAYLOAD as u16).to_be_bytes();
    u64::from_ne_bytes([0, 0, 41, high, low, 0, 0, dnssec_ok])
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

const TEMPLATE_SUM: u64 = {
    let (mut sum, mut i) = (0, 0);
    while i < TEMPLATE.len() {
        sum += (TEMPLATE[i] & 0xffff_ffff) + (TEMPLATE[i] >> 32);
        i += 1;
    }
    sum
};

const fn words(octets: [u8; SOA.next_multiple_of(8)]) -> [u64; SOA.div_ceil(8)] {
    let mut words = [0; SOA.div_ceil(8)];
    let mut i = 0;
    while i < octets.len() {
        words[i / 8] |= (octets[i] as u64) << (8 * (i % 8));
        i += 1;
    }
    words
}
