//! Whole responses from records, for what is not held: any size, to be fitted to a client afterwards
//! ([`crate::serve::fit`]).

use super::wire::Records;
use crate::record::{Name, Rdata};

/// The three sections of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sections {
    /// Owner, TTL and data, in order.
    pub answer: Vec<(Name, u32, Rdata)>,
    /// The zone, TTL and serial of a SOA record in the answer or, where there are no answers of ours to the
    /// question itself, the authority section.
    pub soa: Option<Soa>,
    /// Owner, TTL and data, in order.
    pub additional: Vec<(Name, u32, Rdata)>,
}

/// What of a SOA record is not the same everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Soa {
    /// The owner.
    pub zone: Name,
    /// Seconds, for the record and for MINIMUM.
    pub ttl: u32,
    /// SERIAL.
    pub serial: u32,
    /// Whether it is the answer and not the reason why there is none.
    pub is_answer: bool,
    /// Of a zone of `k8s_external`: the label that its name server is below.
    pub apex: Option<String>,
}

/// The response to the question for `name` and `qtype`: id 0, QR and AA set, no OPT.
///
/// Records beyond what a message can hold (64 KiB) are left out from the end.
pub fn encode(name: &Name, qtype: u16, rcode: u8, sections: &Sections) -> Vec<u8> {
    let mut records = Records::behind(name);
    let mut counts = [0u16; 3];
    let room = usize::from(u16::MAX) - 12 - name.wire().len() - 4 - 11 - 1024;
    for (owner, ttl, rdata) in &sections.answer {
        if records.len() > room {
            break;
        }
        records.push(owner, *ttl, rdata);
        counts[0] += 1;
    }
    if let Some(soa) = &sections.soa {
        records.push_soa(&soa.zone, soa.ttl, soa.serial, soa.apex.as_deref());
        counts[usize::from(!soa.is_answer)] += 1;
    }
    for (owner, ttl, rdata) in &sections.additional {
        if records.len() > room {
            break;
        }
        records.push(owner, *ttl, rdata);
        counts[2] += 1;
    }
    assemble(name, qtype, rcode, counts, records)
}

/// One message of a zone transfer, filled record by record (RFC 5936 2.2).
pub struct Batch {
    zone: Name,
    qtype: u16,
    records: Records,
    count: u16,
}

/// Octets of records at which a message is full: names behind the reach of pointers would no longer be compressed.
const BATCH: usize = 0x3fff;

impl Batch {
    /// An empty one for a transfer of `zone`.
    pub fn new(zone: &Name, qtype: u16) -> Self {
        Self {
            zone: zone.clone(),
            qtype,
            records: Records::behind(zone),
            count: 0,
        }
    }

    /// Adds a record; TTL in seconds.
    pub fn push(&mut self, owner: &Name, ttl: u32, rdata: &Rdata) {
        self.records.push(owner, ttl, rdata);
        self.count += 1;
    }

    /// Adds the SOA record with which a transfer begins and ends.
    pub fn push_soa(&mut self, zone: &Name, ttl: u32, serial: u32) {
        self.records.push_soa(zone, ttl, serial, None);
        self.count += 1;
    }

    /// Whether the next record is for another message.
    pub fn is_full(&self) -> bool {
        self.records.len() >= BATCH
    }

    /// The message: as [`encode`] makes them.
    pub fn into_message(self) -> Vec<u8> {
        assemble(&self.zone, self.qtype, 0, [self.count, 0, 0], self.records)
    }
}

fn assemble(name: &Name, qtype: u16, rcode: u8, counts: [u16; 3], records: Records) -> Vec<u8> {
    let mut message = Vec::with_capacity(12 + name.wire().len() + 4 + records.len());
    message.extend([0, 0, 0x84, rcode, 0, 1]);
    for count in counts {
        message.extend(count.to_be_bytes());
    }
    message.extend(name.wire());
    message.extend(qtype.to_be_bytes());
    message.extend([0, 1]);
    message.extend(records.into_octets());
    message
}
