//! `kerndns dump`: a [`Snapshot`] of the kernel's maps to zone-file text (RFC 1035 5.1).
//!
//! Every name is absolute, so that a line found with grep is whole. Zones come in the order of their names,
//! names below them in canonical order (RFC 4034 6.1). What has no presentation form is a comment.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dns_ebpf::arena::Set;
use dns_ebpf::zone::{SUFFIX, Zone, flag};
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};

use crate::map::pinned::{HeldName, Snapshot};

#[cfg(test)]
mod tests;

/// What the flags of a zone say to a person.
const FLAGS: [(u32, &str, &str); 4] = [
    (flag::SERVED, "served", "not served: its names pass"),
    (
        flag::COMPLETE,
        "complete",
        "not complete: nothing is denied",
    ),
    (flag::FALLTHROUGH, "fallthrough: what it lacks passes", ""),
    (flag::PODS, "pods: made by a rule, not listed", ""),
];

/// The zone-file text of what was held. Ends with a line end.
pub fn text(snapshot: &Snapshot) -> String {
    let mut lines = Lines::default();
    for name in &snapshot.names {
        lines.add(name);
    }
    let mut text = String::new();
    let mut zones: Vec<(Name, &Zone)> = snapshot
        .zones
        .iter()
        .map(|zone| (apex(zone), zone))
        .collect();
    zones.sort_by(|a, b| a.0.cmp(&b.0));
    let mut sections: BTreeMap<Option<&Name>, Vec<&String>> = BTreeMap::new();
    for (line, text) in &lines.0 {
        let nearest = zones
            .iter()
            .map(|(apex, _)| apex)
            .filter(|apex| apex.zone_of(&line.owner));
        sections
            .entry(nearest.max_by_key(|apex| apex.num_labels()))
            .or_default()
            .push(text);
    }
    for (apex, zone) in &zones {
        text += &head(apex, zone);
        for line in sections.remove(&Some(apex)).unwrap_or_default() {
            text += line;
        }
        text.push('\n');
    }
    for line in sections.into_values().flatten() {
        text += line;
    }
    let _ = writeln!(
        text,
        "; {} names in {} zones",
        snapshot.names.len(),
        snapshot.zones.len()
    );
    if !snapshot.still {
        text += "; names were being changed while this was read: each is whole, all together may never have been\n";
    }
    if snapshot.unread > 0 {
        let _ = writeln!(
            text,
            "; {} names changed too often to be read",
            snapshot.unread
        );
    }
    text
}

/// Lines by what they are sorted by.
#[derive(Default)]
struct Lines(BTreeMap<Line, String>);

/// Where a line goes: names in canonical order, then types, then as it reads.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    owner: Name,
    rtype: u16,
    shown: String,
}

impl Lines {
    fn add(&mut self, held: &HeldName) {
        let Ok(owner) = Name::read(&mut BinDecoder::new(&held.name)) else {
            self.comment(
                &Name::root(),
                0,
                &format!("{:02x?} is not a name", held.name),
            );
            return;
        };
        if held.sets.is_empty() {
            self.comment(&owner, 0, &format!("{owner} exists and has no records"));
        }
        for (set, octets) in &held.sets {
            let rtype = mnemonic(set.rtype);
            if octets.is_empty() {
                self.comment(
                    &owner,
                    set.rtype,
                    &format!("{owner} {rtype} is too large for the kernel: it passes"),
                );
                continue;
            }
            match decode(&held.name, set, octets) {
                // An additional record mostly is another name's answer, and is the same line then.
                Some(message) => {
                    message
                        .answers
                        .iter()
                        .chain(&message.additionals)
                        .for_each(|record| self.record(record));
                }
                None => self.comment(
                    &owner,
                    set.rtype,
                    &format!("{owner} {rtype} cannot be decoded: {octets:02x?}"),
                ),
            }
        }
    }

    fn record(&mut self, record: &Record) {
        let rtype = record.record_type();
        let (owner, class, ttl) = (&record.name, record.dns_class, record.ttl);
        let shown = format!("{owner} {ttl} {class} {rtype} {}\n", rdata(&record.data));
        self.insert(owner, rtype.into(), shown);
    }

    fn comment(&mut self, owner: &Name, rtype: u16, comment: &str) {
        self.insert(owner, rtype, format!("; {comment}\n"));
    }

    fn insert(&mut self, owner: &Name, rtype: u16, shown: String) {
        let line = Line {
            owner: owner.clone(),
            rtype,
            shown: shown.clone(),
        };
        self.0.insert(line, shown);
    }
}

/// A set's records are the end of a message whose question asks for them.
fn decode(name: &[u8], set: &Set, octets: &[u8]) -> Option<Message> {
    let mut message = vec![0, 0, 0x84, 0, 0, 1];
    for count in [set.answers, 0, set.additional] {
        message.extend(count.to_be_bytes());
    }
    message.extend(name);
    message.extend(set.rtype.to_be_bytes());
    message.extend([0, 1]);
    message.extend(octets);
    Message::from_vec(&message).ok()
}

/// A comment on the zone and its SOA record, as [`dns_ebpf::negative::tail`] makes it.
fn head(apex: &Name, zone: &Zone) -> String {
    let said = FLAGS
        .iter()
        .map(|(bit, set, clear)| if zone.flags & bit == 0 { clear } else { set });
    let said: Vec<&str> = said.copied().filter(|said| !said.is_empty()).collect();
    let what = if zone.apex == zone.len {
        "zone"
    } else {
        "part of a zone"
    };
    let mut text = format!("; {what} {apex} {}\n", said.join("; "));
    if zone.flags & flag::SERVED != 0 && zone.apex == zone.len {
        let (ttl, serial) = (zone.ttl, zone.serial);
        let dot = if apex.is_root() { "" } else { "." };
        let _ = writeln!(
            text,
            "{apex} {ttl} IN SOA ns.dns{dot}{apex} hostmaster{dot}{apex} {serial} 7200 1800 86400 {ttl}"
        );
    }
    text
}

/// The zone's name; of one of more than 96 octets what the kernel compares.
fn apex(zone: &Zone) -> Name {
    let octets: Vec<u8> = zone
        .suffix
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();
    let start = SUFFIX.saturating_sub(zone.len as usize);
    let octets = octets.get(start..).unwrap_or_default();
    Name::read(&mut BinDecoder::new(octets)).unwrap_or_else(|_| Name::root())
}

/// RDATA in presentation form; hickory leaves out the quotes of a character-string.
fn rdata(data: &RData) -> String {
    let RData::TXT(txt) = data else {
        return data.to_string();
    };
    let quoted = txt.txt_data.iter().map(|octets| {
        let mut text = String::from("\"");
        for &octet in octets {
            match octet {
                b'"' | b'\\' => text.extend(['\\', char::from(octet)]),
                b' '..=b'~' => text.push(char::from(octet)),
                _ => {
                    let _ = write!(text, "\\{octet:03}");
                }
            }
        }
        text + "\""
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// The type's name, or `TYPE` with its number (RFC 3597 5).
fn mnemonic(rtype: u16) -> String {
    match RecordType::from(rtype) {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        known => known.to_string(),
    }
}
