//! Resource records behind a question, with names compressed (RFC 1035 3.2.1, 4.1.4).

use std::collections::HashMap;

use crate::record::{Name, Rdata};

/// Octets of a message header.
pub const HEADER: usize = 12;
/// Pointers reach this far.
const POINTER_MAX: usize = 0x3fff;
/// CLASS IN.
const IN: u16 = 1;

/// Writes records as they stand behind a question.
pub struct Records {
    octets: Vec<u8>,
    /// Where `octets` start in the message.
    base: usize,
    /// The question's name.
    asked: Name,
    /// Where each name in `octets`, root's zero included, can be pointed at.
    seen: HashMap<Box<[u8]>, u16>,
    /// Names that are still to be entered into `seen`, where they start in the message, and how many of their octets
    /// stand there. Mostly one name is behind the question, and nothing is ever looked for.
    unseen: Vec<(Box<[u8]>, usize, usize)>,
}

impl Records {
    /// Behind the question for `name`, to whose labels names may point.
    pub fn behind(name: &Name) -> Self {
        Self {
            octets: Vec::new(),
            base: HEADER + name.wire().len() + 4,
            asked: name.clone(),
            seen: HashMap::new(),
            unseen: Vec::new(),
        }
    }

    /// Adds one record of class IN.
    pub fn push(&mut self, owner: &Name, ttl: u32, rdata: &Rdata) {
        self.head(owner, rdata.rtype(), ttl);
        let length_at = self.octets.len();
        self.octets.extend([0, 0]);
        match rdata {
            Rdata::A(address) => self.octets.extend(address.octets()),
            Rdata::Aaaa(address) => self.octets.extend(address.octets()),
            Rdata::Cname(name) | Rdata::Ns(name) | Rdata::Ptr(name) => self.name(name.wire()),
            Rdata::Srv {
                weight,
                port,
                target,
            } => {
                self.octets.extend([0, 0]);
                self.octets.extend(weight.to_be_bytes());
                self.octets.extend(port.to_be_bytes());
                // RFC 2782 forbids to compress the target, and RFC 3597 4 leaves that to the types of
                // RFC 1035: who does not know SRV could not unpack it. But others may point at it.
                let at = self.base + self.octets.len();
                self.octets.extend(target.wire());
                let name = target.wire();
                self.unseen.push((name.into(), at, name.len() - 1));
            }
            Rdata::Txt(text) => {
                let text = &text[..text.len().min(255)];
                self.octets.push(text.len() as u8);
                self.octets.extend(text);
            }
        }
        self.close(length_at);
    }

    /// Adds the SOA record that every negative response and the apex has. Its names are `ns.dns` and
    /// `hostmaster` below the zone, or `ns1` and `hostmaster` below `apex`.
    pub fn push_soa(&mut self, zone: &Name, ttl: u32, serial: u32, apex: Option<&str>) {
        self.head(zone, 6, ttl);
        let length_at = self.octets.len();
        self.octets.extend([0, 0]);
        let labels = match apex {
            None => [&["ns", "dns"][..], &["hostmaster"]],
            Some(apex) => [&["ns1", apex][..], &["hostmaster", apex]],
        };
        for labels in labels {
            for label in labels {
                self.octets.push(label.len() as u8);
                self.octets.extend(label.as_bytes());
            }
            self.name(zone.wire());
        }
        for field in [serial, 7200, 1800, 86400, ttl] {
            self.octets.extend(field.to_be_bytes());
        }
        self.close(length_at);
    }

    /// The octets so far.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether no record was added.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The octets of all records.
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    fn head(&mut self, owner: &Name, rtype: u16, ttl: u32) {
        self.name(owner.wire());
        self.octets.extend(rtype.to_be_bytes());
        self.octets.extend(IN.to_be_bytes());
        self.octets.extend(ttl.to_be_bytes());
    }

    /// RDLENGTH, once its data is written.
    fn close(&mut self, length_at: usize) {
        let length = (self.octets.len() - length_at - 2) as u16;
        self.octets[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// A name in wire form, its longest known end as a pointer.
    fn name(&mut self, wire: &[u8]) {
        let start = self.base + self.octets.len();
        let mut at = 0;
        while wire[at] != 0 {
            if let Some(known) = self.place(&wire[at..]) {
                self.octets.extend(&wire[..at]);
                self.octets.extend((0xc000 | known).to_be_bytes());
                if at > 0 {
                    self.unseen.push((wire.into(), start, at));
                }
                return;
            }
            at += 1 + usize::from(wire[at]);
        }
        self.octets.extend(wire);
        self.unseen.push((wire.into(), start, at));
    }

    /// Where a name stands, in the question or behind it.
    fn place(&mut self, wire: &[u8]) -> Option<u16> {
        if let Some(before) = self.asked.above(wire) {
            return Some((HEADER + before) as u16);
        }
        for (wire, start, end) in std::mem::take(&mut self.unseen) {
            self.see_until(&wire, start, end);
        }
        self.seen.get(wire).copied()
    }

    /// Remembers the ends of `wire`, which stands at `start`, that begin before `end`.
    fn see_until(&mut self, wire: &[u8], start: usize, end: usize) {
        let mut at = 0;
        while at < end && start + at <= POINTER_MAX {
            self.seen
                .entry(wire[at..].into())
                .or_insert((start + at) as u16);
            at += 1 + usize::from(wire[at]);
        }
    }
}
