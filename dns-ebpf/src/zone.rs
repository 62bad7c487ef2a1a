//! ZONES: where the namespace is cut, and what may be denied below each cut.
//!
//! A name that NAMES does not hold is denied only by the longest zone that it is under. All zones of
//! the servers that could be asked are listed, also those that the kernel leaves alone: their names
//! pass (RFC 1034 4.3.2, step 2: the *nearest* zone).

use crate::bound;
use crate::scratch::Scratch;

/// How many zones are held; more are refused by the agent.
pub const ZONES: usize = 32;
/// Octets of a zone's name that are compared, from its end: 32 nibbles below `ip6.arpa` fit.
pub const SUFFIX: usize = 96;
/// The same in words.
pub const WORDS: usize = SUFFIX / 8;

/// Bits of [`Zone::flags`].
pub mod flag {
    /// The slot is in use.
    pub const USED: u32 = 1;
    /// Its names are ours to answer; without it all below the cut passes.
    pub const SERVED: u32 = 2;
    /// NAMES holds every name that exists in the zone: absence is knowledge.
    pub const COMPLETE: u32 = 4;
    /// A name that is not there goes to the next plugin: NODATA, but never NXDOMAIN.
    pub const FALLTHROUGH: u32 = 8;
    /// Names below are looked up by the agent, not held (`pods`).
    pub const PODS: u32 = 16;
    /// A name that is not there may be the first of a search path, which the agent walks (`autopath`).
    pub const AUTOPATH: u32 = 32;
    /// With `AUTOPATH`: only a name with two labels or more above the cut, the second of them a namespace.
    pub const NAMESPACES: u32 = 64;
}

/// One cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Zone {
    /// The last 96 octets of the folded name, right-aligned: the root's zero is the last octet.
    pub suffix: [u64; WORDS],
    /// All ones where `suffix` counts.
    pub mask: [u64; WORDS],
    /// Length of the name in wire form.
    pub len: u32,
    /// Length of the name that SOA has as its owner; shorter than `len` where the cut is below the apex.
    pub apex: u32,
    /// See [`flag`].
    pub flags: u32,
    /// SOA SERIAL: the time of the zone's last change, seconds since 1970.
    pub serial: u32,
    /// TTL of the SOA record and its MINIMUM, seconds.
    pub ttl: u32,
    /// A name that is not held and has so many labels above the cut may be one that a rule makes
    /// (`zonal`), and passes; 0: there are no such rules.
    pub rule_labels: u32,
    /// What denials of it are counted under: see [`answered`](crate::answered).
    pub account: u32,
    /// Zero.
    pub reserved: u32,
}

impl Zone {
    /// Whether the name in `scratch` ends in this zone's octets. Most that do not differ in the last few.
    #[inline(always)]
    fn ends(&self, scratch: &Scratch, name_len: usize) -> bool {
        for i in (0..WORDS).rev() {
            if self.mask[i] == 0 {
                return true;
            }
            if (scratch.name_end(name_len, i) & self.mask[i]) ^ self.suffix[i] != 0 {
                return false;
            }
        }
        true
    }

    /// A slot that is not in use.
    pub const EMPTY: Zone = Zone {
        suffix: [0; WORDS],
        mask: [0; WORDS],
        len: 0,
        apex: 0,
        flags: 0,
        serial: 0,
        ttl: 0,
        rule_labels: 0,
        account: 0,
        reserved: 0,
    };

    /// A cut at `name` (folded, wire form) with neither flags nor SOA.
    ///
    /// A name of more than 96 octets is compared by its end alone, and more than its own names
    /// match: give it no `SERVED`, so that they pass.
    pub fn new(name: &[u8]) -> Self {
        let mut octets = [0; SUFFIX];
        let mut ones = [0; SUFFIX];
        let kept = &name[name.len().saturating_sub(SUFFIX)..];
        octets[SUFFIX - kept.len()..].copy_from_slice(kept);
        ones[SUFFIX - kept.len()..].fill(0xff);
        let words = |octets: [u8; SUFFIX]| {
            let (words, _) = octets.as_chunks::<8>();
            core::array::from_fn(|i| u64::from_ne_bytes(words[i]))
        };
        let (suffix, mask) = (words(octets), words(ones));
        let len = name.len() as u32;
        Self {
            suffix,
            mask,
            len,
            apex: len,
            ..Self::EMPTY
        }
    }
}

/// The value of ZONES: the slots, longest name first.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Zones {
    /// The cuts; the first unused slot ends the list.
    pub zone: [Zone; ZONES],
}

impl Zones {
    /// The slot `index`, or the last one.
    #[inline(always)]
    pub fn slot(&self, index: usize) -> &Zone {
        const { assert!(ZONES.is_power_of_two()) };
        // SAFETY: the mask keeps the index below ZONES.
        unsafe { self.zone.get_unchecked(bound::mask::<{ ZONES - 1 }>(index)) }
    }

    /// The longest zone that the name in `scratch` ends in, octet for octet. Whether that is at a label
    /// boundary is for the caller to see.
    #[inline(always)]
    pub fn find(&self, scratch: &Scratch, name_len: usize) -> Option<&Zone> {
        for index in 0..ZONES {
            let zone = &self.zone[index];
            if zone.flags & flag::USED == 0 {
                return None;
            }
            if zone.len as usize <= name_len && zone.ends(scratch, name_len) {
                return Some(zone);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    fn found(zone: &[u8], name: &[u8]) -> bool {
        let mut scratch = std::boxed::Box::new(Scratch::ZERO);
        let question = [&[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0, 1, 0, 1]].concat();
        let seed = crate::fold::Seed {
            start: 1,
            factor: 3,
        };
        let query = crate::query::parse(&&question[..], question.len(), &mut scratch, seed);
        let query = query.unwrap();
        assert_eq!(query.name_len, name.len());
        let mut zones = Zones {
            zone: [Zone::EMPTY; ZONES],
        };
        zones.zone[0] = Zone {
            flags: flag::USED,
            ..Zone::new(zone)
        };
        zones.find(&scratch, query.name_len).is_some()
    }

    #[test]
    fn a_zone_is_found_by_all_its_octets() {
        let zone = b"\x07special\x07default\x03svc\x07cluster\x05local\0";
        assert!(found(zone, zone));
        assert!(found(
            zone,
            b"\x01x\x07special\x07default\x03svc\x07cluster\x05local\0"
        ));
        assert!(!found(
            zone,
            b"\x0anotspecial\x07default\x03svc\x07cluster\x05local\0"
        ));
        assert!(!found(zone, b"\x07default\x03svc\x07cluster\x05local\0"));
        assert!(found(b"\0", zone));
        assert!(found(b"\0", b"\0"));
        for cut in 0..zone.len() - 1 {
            let mut other = zone.to_vec();
            other[cut] ^= 0x40;
            if other[cut] != 0 {
                assert!(!found(zone, &other), "octet {cut}");
            }
        }
    }
}
