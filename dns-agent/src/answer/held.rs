//! A node to the record that is held for its name ([`dns_ebpf::arena`]).

use dns_ebpf::arena::{BODY_MAX, Head, NameEntry, RECORD_MAX, Set, flag};
use dns_ebpf::checksum;
use dns_ebpf::order::SHUFFLED;
use dns_ebpf::query::{HEADER, PAYLOAD};
use dns_ebpf::respond::SETS;

use super::wire::Records;
use crate::record::{Name, Node, RRset};

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

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
    let wire = name.wire();
    let sets = &node.rrsets[..node.rrsets.len().min(SETS)];
    let mut flags = 0;
    if placement.shuffle {
        flags |= flag::SHUFFLE;
    }
    if sets.iter().any(|set| set.rtype() == CNAME) {
        flags |= flag::ALIAS;
    }
    if wire.len() == usize::from(placement.zone_len) {
        flags |= flag::APEX;
    }
    let head = Head {
        name_len: wire.len(),
        zone: placement.zone.into(),
        zone_len: placement.zone_len.into(),
        flags,
        sets: sets.len(),
        account: placement.account.into(),
    };
    let mut record = vec![0; 16 + wire.len().next_multiple_of(8) + 16 * sets.len()];
    record[8..16].copy_from_slice(&head.to_word().to_ne_bytes());
    record[16..16 + wire.len()].copy_from_slice(wire);
    for (i, rrset) in sets.iter().enumerate() {
        let set = push_set(&mut record, name, rrset, placement.shuffle);
        let at = 16 + wire.len().next_multiple_of(8) + 16 * i;
        record[at..at + 16].copy_from_slice(&octets(set));
    }
    record.resize(record.len().next_multiple_of(8), 0);
    let entry = NameEntry {
        at: 0,
        name_len: wire.len() as u8,
        zone: placement.zone,
        sets: sets.len() as u8,
        flags,
        text: text(name),
    };
    (record, entry)
}

/// Appends the records of one type; a set that no response can hold is noted with length 0.
fn push_set(record: &mut Vec<u8>, name: &Name, rrset: &RRset, shuffle: bool) -> Set {
    let mut set = Set {
        rtype: rrset.rtype(),
        offset: 0,
        len: 0,
        answers: 0,
        additional: 0,
        sum: 0,
        stride: 0,
        reserved: 0,
    };
    let mut records = Records::behind(name);
    for rdata in &rrset.rdata {
        records.push(name, rrset.ttl, rdata);
        if records.len() > BODY_MAX {
            return set;
        }
    }
    for (owner, rdata) in &rrset.additional {
        records.push(owner, rrset.ttl, rdata);
    }
    let octets = records.into_octets();
    if HEADER + name.wire().len() + 4 + octets.len() > PAYLOAD {
        return set;
    }
    let stride = match rrset.rtype() {
        A => 16,
        AAAA => 28,
        _ => 0,
    };
    let is_drawn = shuffle && stride != 0 && rrset.rdata.len() > 1;
    let copies = if is_drawn && rrset.rdata.len() > SHUFFLED {
        2
    } else {
        1
    };
    // Octets start at an even place, so that the sum holds.
    record.resize(record.len().next_multiple_of(2), 0);
    if record.len() + copies * octets.len() > RECORD_MAX {
        return set;
    }
    set.offset = record.len() as u16;
    set.len = octets.len() as u16;
    set.answers = rrset.rdata.len() as u16;
    set.additional = rrset.additional.len() as u16;
    set.sum = checksum::of(&octets);
    set.stride = if is_drawn { stride } else { 0 };
    for _ in 0..copies {
        record.extend_from_slice(&octets);
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
        set.reserved,
    ];
    let mut octets = [0; 16];
    for (octets, field) in octets.chunks_exact_mut(2).zip(fields) {
        octets.copy_from_slice(&field.to_ne_bytes());
    }
    octets
}

/// The name as a person reads it, as much of it as fits.
fn text(name: &Name) -> [u8; 40] {
    let mut text = [0; 40];
    for (to, from) in text.iter_mut().zip(name.to_string().bytes()) {
        *to = from;
    }
    text
}
