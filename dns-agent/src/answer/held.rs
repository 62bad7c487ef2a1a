//! A node to the record that is held for its name ([`dns_ebpf::arena`]).

use dns_ebpf::arena::{BODY_MAX, Head, NameEntry, RECORD_MAX, Set, flag};
use dns_ebpf::checksum;
use dns_ebpf::order::{FIXED, SHUFFLED};
use dns_ebpf::query::{HEADER, PAYLOAD};
use dns_ebpf::respond::SETS;

use super::wire::Records;
use crate::record::alias::Trail;
use crate::record::{Name, Node, RRset, Rdata};

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
/// The type of the set that stands for every type without one ([`flag::END`]).
const ANY_OTHER: u16 = 0;

/// What a record says besides the node.
#[derive(Debug, Clone, Copy)]
pub struct Placement {
    /// The slot of the zone in ZONES.
    pub zone: u8,
    /// The length of the zone's name in wire form.
    pub zone_len: u8,
    /// Whether the order of addresses is drawn per answer.
    pub shuffle: bool,
    /// What answers are counted under: see [`dns_ebpf::answered`].
    pub account: u8,
}

/// The record for `name`, its key left zero, and its entry in NAMES, its reference left zero.
pub fn encode(name: &Name, node: &Node, placement: Placement) -> (Vec<u8>, NameEntry) {
    encode_alias(name, node, None, placement)
}

/// The same for a name that may be an alias: with what its `trail` leads to, each type of it one message with the
/// CNAME records before it.
pub fn encode_alias(
    name: &Name,
    node: &Node,
    trail: Option<&Trail>,
    placement: Placement,
) -> (Vec<u8>, NameEntry) {
    let wire = name.wire();
    let parts = parts(name, node, trail);
    let mut record = vec![0; 16 + wire.len().next_multiple_of(8) + 16 * parts.len()];
    let mut last = None;
    let body = record.len();
    // The last one first: SRV records bring addresses along, which the sets before them may have in common.
    for (i, part) in parts.iter().enumerate().rev() {
        let set = push_set(&mut record, body, name, part, placement.shuffle);
        let at = 16 + wire.len().next_multiple_of(8) + 16 * i;
        record[at..at + 16].copy_from_slice(&octets(set));
        last = last.or(Some(set));
    }
    let mut flags = 0;
    if placement.shuffle {
        flags |= flag::SHUFFLE;
    }
    if parts.iter().any(|part| part.rtype == CNAME) {
        flags |= flag::ALIAS;
    }
    if wire.len() == usize::from(placement.zone_len) {
        flags |= flag::APEX;
    }
    if last.is_some_and(|set| set.rtype == ANY_OTHER && set.len > 0) {
        flags |= flag::END;
        if trail.is_some_and(|trail| trail.end.is_none()) {
            flags |= flag::GONE;
        }
    }
    let head = Head {
        name_len: wire.len(),
        zone: placement.zone.into(),
        zone_len: placement.zone_len.into(),
        flags,
        sets: parts.len(),
        account: placement.account.into(),
    };
    record[8..16].copy_from_slice(&head.to_word().to_ne_bytes());
    record[16..16 + wire.len()].copy_from_slice(wire);
    record.resize(record.len().next_multiple_of(8), 0);
    let entry = NameEntry {
        at: 0,
        name_len: wire.len() as u8,
        zone: placement.zone,
        sets: parts.len() as u8,
        flags,
        text: text(name),
    };
    (record, entry)
}

/// What becomes one set.
struct Part<'a> {
    rtype: u16,
    /// Owner, TTL and target of the CNAME records before the others.
    aliases: &'a [(Name, u32, Name)],
    /// The others and their owner; none where they are denied.
    rrset: Option<(&'a Name, &'a RRset)>,
}

/// The name's own RRsets, those that it leads to, and what stands before the denial of every other type; as many as
/// a record has sets.
fn parts<'a>(name: &'a Name, node: &'a Node, trail: Option<&'a Trail>) -> Vec<Part<'a>> {
    let part = |owner, rrset: &'a RRset, aliases| Part {
        rtype: rrset.rtype(),
        aliases,
        rrset: Some((owner, rrset)),
    };
    let mut parts: Vec<Part> = node.rrsets.iter().map(|set| part(name, set, &[])).collect();
    if let Some(trail) = trail
        && let Some((.., last)) = trail.aliases.last()
    {
        let aliases = trail.aliases.as_slice();
        let ends = trail.end.iter().flat_map(|end| &end.rrsets);
        parts.extend(ends.map(|set| part(last, set, aliases)));
        if trail.is_denied {
            parts.push(Part {
                rtype: ANY_OTHER,
                aliases,
                rrset: None,
            });
        }
    }
    parts.truncate(SETS);
    parts
}

/// Appends the records of one type, unless they are among those that `record` has from `body` on; a set that no response
/// can hold is noted with length 0.
fn push_set(record: &mut Vec<u8>, body: usize, name: &Name, part: &Part, shuffle: bool) -> Set {
    let mut set = Set {
        rtype: part.rtype,
        offset: 0,
        len: 0,
        answers: 0,
        additional: 0,
        sum: 0,
        stride: 0,
        fixed: 0,
    };
    let mut records = Records::behind(name);
    for (owner, ttl, target) in part.aliases {
        records.push(owner, *ttl, &Rdata::Cname(target.clone()));
    }
    let fixed = records.len();
    let addresses = part.rrset.map_or(0, |(_, rrset)| rrset.rdata.len());
    let additional = part.rrset.map_or(0, |(_, rrset)| rrset.additional.len());
    if let Some((owner, rrset)) = part.rrset {
        for rdata in &rrset.rdata {
            records.push(owner, rrset.ttl, rdata);
            if records.len() > BODY_MAX {
                return set;
            }
        }
        for (owner, rdata) in &rrset.additional {
            records.push(owner, rrset.ttl, rdata);
        }
    }
    let octets = records.into_octets();
    if HEADER + name.wire().len() + 4 + octets.len() > PAYLOAD {
        return set;
    }
    let stride = match part.rtype {
        A => 16,
        AAAA => 28,
        _ => 0,
    };
    // Addresses are moved among records that are alike: the root's own have no pointer for an owner.
    let is_alike = octets.len() - fixed == usize::from(stride) * addresses;
    let is_drawn = shuffle && is_alike && addresses > 1;
    if is_drawn && fixed > FIXED {
        return set;
    }
    // Addresses start where the CNAME records end; more than are shuffled lie there twice.
    let again = if is_drawn && addresses > SHUFFLED {
        &octets[fixed..]
    } else {
        &[]
    };
    let held = record.windows(octets.len().max(1));
    let held = held.skip(body).position(|held| held == octets);
    let offset = match held {
        Some(held) if again.is_empty() => body + held,
        _ => {
            if record.len() + octets.len() + again.len() > RECORD_MAX {
                return set;
            }
            let end = record.len();
            record.extend_from_slice(&octets);
            record.extend_from_slice(again);
            end
        }
    };
    set.offset = offset as u16;
    set.len = octets.len() as u16;
    set.answers = (part.aliases.len() + addresses) as u16;
    set.additional = additional as u16;
    set.sum = checksum::of(&octets);
    if is_drawn {
        set.stride = stride;
        set.fixed = fixed as u16;
    }
    set
}

fn octets(set: Set) -> [u8; 16] {
    let fields = [
        set.rtype,
        set.offset,
        set.len,
        set.answers,
        set.additional,
        set.sum,
        set.stride,
        set.fixed,
    ];
    let mut octets = [0; 16];
    for (octets, field) in octets.chunks_exact_mut(2).zip(fields) {
        octets.copy_from_slice(&field.to_ne_bytes());
    }
    octets
}

/// The name as a person reads it, as much of it as fits.
fn text(name: &Name) -> [u8; 16] {
    let mut text = [0; 16];
    for (to, from) in text.iter_mut().zip(name.to_string().bytes()) {
        *to = from;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the set of two addresses of `name` says of its records' length.
    fn stride(name: &Name) -> u16 {
        let rrset = RRset {
            ttl: 5,
            rdata: vec![
                Rdata::A([10, 0, 0, 1].into()),
                Rdata::A([10, 0, 0, 2].into()),
            ],
            additional: Vec::new(),
        };
        let node = Node {
            rrsets: vec![rrset],
        };
        let placement = Placement {
            zone: 0,
            account: 0,
            zone_len: 1,
            shuffle: true,
        };
        let (record, _) = encode(name, &node, placement);
        let set = 16 + name.wire().len().next_multiple_of(8);
        u16::from_ne_bytes([record[set + 12], record[set + 13]])
    }

    #[test]
    fn an_address_that_an_srv_record_brings_along_is_held_once() {
        let name = Name::parse("10-0-0-1.web.prod.svc.cluster.local").unwrap();
        let address = Rdata::A([10, 0, 0, 1].into());
        let target = Rdata::Srv {
            weight: 100,
            port: 80,
            target: name.clone(),
        };
        let rrset = |rdata, additional| RRset {
            ttl: 5,
            rdata: vec![rdata],
            additional,
        };
        let addresses = vec![(name.clone(), address.clone())];
        let node = Node {
            rrsets: vec![rrset(address, Vec::new()), rrset(target, addresses)],
        };
        let placement = Placement {
            zone: 0,
            account: 0,
            zone_len: 1,
            shuffle: true,
        };
        let (record, _) = encode(&name, &node, placement);
        let set = 16 + name.wire().len().next_multiple_of(8);
        let field = |at: usize| usize::from(u16::from_ne_bytes([record[at], record[at + 1]]));
        let [a, srv] = [set, set + 16].map(|set| field(set + 2)..field(set + 2) + field(set + 4));
        assert!(srv.contains(&a.start) && a.end == srv.end, "{a:?}, {srv:?}");
        assert_eq!(record[a.end - 4..a.end], [10, 0, 0, 1]);
    }

    #[test]
    fn addresses_of_the_root_are_not_drawn_because_its_records_have_no_pointer() {
        assert_eq!(stride(&Name::parse("web").unwrap()), 16);
        assert_eq!(stride(&Name::root()), 0);
    }
}
