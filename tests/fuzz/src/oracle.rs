//! DNS messages as hickory-proto reads them (RFC 1035 4.1, RFC 6891 6.1): the same octets, judged by code that shares
//! nothing with ours.

use dns_agent::record;
use hickory_proto::op::{Edns, Message, MessageType};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record};

/// What a response says, in a form that two responses can be compared by: the order of records within a section may
/// differ, and the case of names (RFC 4343).
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// ID.
    pub id: u16,
    /// The second word of the header, RCODE included.
    pub flags: u16,
    /// Payload size and DO of the OPT.
    pub edns: Option<(u16, bool)>,
    /// Answer, authority and additional records as zone files write them, each section sorted.
    pub sections: [Vec<String>; 3],
}

impl Said {
    /// TC: the client is to ask again over TCP.
    pub fn is_truncated(&self) -> bool {
        self.flags & 0x0200 != 0
    }
}

/// Reads a response that we made. Panics where it is none.
pub fn read(octets: &[u8]) -> Said {
    let message = match Message::from_vec(octets) {
        Ok(message) => message,
        Err(error) => panic!("not a message: {error}: {octets:02x?}"),
    };
    assert_eq!(message.metadata.message_type, MessageType::Response);
    let section = |records: &[Record]| {
        let mut records: Vec<String> = records
            .iter()
            .map(|record| record.to_string().to_lowercase())
            .collect();
        records.sort();
        records
    };
    Said {
        id: message.metadata.id,
        flags: u16::from_be_bytes([octets[2], octets[3]]),
        edns: message
            .edns
            .as_ref()
            .map(|edns| (edns.max_payload(), edns.flags().dnssec_ok)),
        sections: [
            section(&message.answers),
            section(&message.authorities),
            section(&message.additionals),
        ],
    }
}

/// Reads a query that was answered. Panics where it is none.
///
/// What is in its EDNS options is not looked at: hickory-proto refuses the whole message over a client subnet that is
/// too short (RFC 7871 6), and we act on no option.
pub fn query(octets: &[u8]) -> Message {
    let end = 12 + question(octets).map_or(0, <[u8]>::len);
    let mut octets = octets.to_vec();
    if octets.len() > end {
        octets.truncate(end + 9);
        octets.extend([0, 0]);
    }
    match Message::from_vec(&octets) {
        Ok(message) => message,
        Err(error) => panic!("not a query: {error}: {octets:02x?}"),
    }
}

/// The octets of a message's question, where it has one that is not cut and not compressed.
pub fn question(message: &[u8]) -> Option<&[u8]> {
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at)?);
        if length > 63 {
            return None;
        }
        at += 1 + length;
        if length == 0 {
            return message.get(12..at + 4);
        }
    }
}

/// The most octets that a client takes over UDP, of which we send at most 1232.
pub fn limit(query: &Message) -> usize {
    let offered = query.edns.as_ref().map_or(512, Edns::max_payload);
    offered.clamp(512, 1232).into()
}

/// One of our records as hickory-proto has it.
pub fn record(owner: &record::Name, ttl: u32, rdata: &record::Rdata) -> Record {
    let data = match rdata {
        record::Rdata::A(address) => RData::A(A(*address)),
        record::Rdata::Aaaa(address) => RData::AAAA(AAAA(*address)),
        record::Rdata::Cname(target) => RData::CNAME(CNAME(name(target))),
        record::Rdata::Ns(target) => RData::NS(NS(name(target))),
        record::Rdata::Ptr(target) => RData::PTR(PTR(name(target))),
        record::Rdata::Srv {
            weight,
            port,
            target,
        } => RData::SRV(SRV::new(0, *weight, *port, name(target))),
        record::Rdata::Txt(text) => RData::TXT(TXT::from_bytes(vec![text])),
    };
    Record::from_rdata(name(owner), ttl, data)
}

/// One of our names as hickory-proto has it. Panics where it cannot be one.
pub fn name(name: &record::Name) -> Name {
    match Name::from_labels(name.labels()) {
        Ok(name) => name,
        Err(error) => panic!("not a name: {error}: {name}"),
    }
}
