//! From received octets to a [`Query`], or to the error response that they deserve
//! (RFC 1035 4.1, RFC 6891 6.1, RFC 9619).
//!
//! Lenient where CoreDNS is: octets behind the last record and counted records that are not there do
//! no harm. What is cut, points or contradicts itself is FORMERR.

use std::net::SocketAddr;
use std::ops::Range;

use crate::record::Name;
use crate::serve::records::{Cut, OPT, Records};
use crate::serve::response::{self, flag};

/// Octets of a DNS header.
pub(crate) const HEADER: usize = 12;
/// The largest response sent over UDP (DNS flag day 2020), and the size our own OPT offers.
pub const UDP_PAYLOAD: u16 = 1232;

/// The option NSID (RFC 5001 4.1).
pub(crate) const NSID: u16 = 3;
/// The class IN.
const IN: u16 = 1;
/// SOA (RFC 1035 3.3.13).
const SOA: u16 = 6;
/// QTYPE IXFR (RFC 1995).
pub(crate) const IXFR: u16 = 251;
/// QTYPE AXFR (RFC 5936).
pub(crate) const AXFR: u16 = 252;

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A stream with two octets of length before each message (RFC 7766).
    Tcp,
}

/// The first two words of a header, host byte order; the counts have been judged by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message ID.
    pub id: u16,
    /// QR, OPCODE, AA, TC, RD, RA, Z, AD, CD, RCODE, as sent.
    pub flags: u16,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The QNAME, folded to lower case.
    pub name: Name,
    /// The QTYPE.
    pub qtype: u16,
    /// The QCLASS.
    pub qclass: u16,
}

/// What a query's OPT says (RFC 6891 6.1.2). Of the options only NSID is read; EDNS is hop by hop, none is sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// The requestor's UDP payload size, octets, as sent.
    pub payload: u16,
    /// The EDNS version; only 0 gets as far as a [`Query`].
    pub version: u8,
    /// The DO bit (RFC 3225).
    pub dnssec_ok: bool,
    /// Whether the client wants to know who answers (RFC 5001).
    pub nsid: bool,
}

/// A message that asks one question, and how it came.
#[derive(Debug, Clone)]
pub struct Query {
    octets: Vec<u8>,
    /// How it came.
    pub transport: Transport,
    /// Who sent it.
    pub client: SocketAddr,
    /// The header.
    pub header: Header,
    /// The only question.
    pub question: Question,
    /// The OPT record, where there is one.
    pub edns: Option<Edns>,
    /// Octets of the response that are not for records: an option will be added to its OPT.
    reserved: usize,
    /// How often the chain was re-entered to come here; 0 for what a client sent.
    pub depth: u8,
}

/// What became of a received message.
#[derive(Debug)]
pub enum Parsed {
    /// Something to answer.
    Query(Query),
    /// An error response, ready to be sent.
    Respond(Vec<u8>),
    /// Not a query at all: answering it could start a loop.
    Silence,
}

impl Query {
    /// Judges one received message. Never panics, whatever the octets.
    pub fn parse(octets: Vec<u8>, transport: Transport, client: SocketAddr) -> Parsed {
        let Some(header) = octets.first_chunk::<HEADER>() else {
            return Parsed::Silence;
        };
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (qdcount, ancount, nscount, arcount) = (word(4), word(6), word(8), word(10));
        let header = Header {
            id: word(0),
            flags: word(2),
        };
        if header.flags & flag::QR != 0 {
            return Parsed::Silence;
        }
        if header.opcode() != 0 {
            return Parsed::Respond(response::header_only(header, response::NOTIMP));
        }
        let formerr = || Parsed::Respond(response::header_only(header, response::FORMERR));
        if qdcount != 1 || ancount > 1 || nscount > 1 || arcount > 2 {
            return formerr();
        }
        let Some(question) = Question::parse(&octets[HEADER..]) else {
            return formerr();
        };
        let mut query = Query {
            octets,
            transport,
            client,
            header,
            question,
            edns: None,
            reserved: 0,
            depth: 0,
        };
        let records = Records {
            octets: &query.octets,
            at: HEADER + query.question.octets(),
        };
        let skipped = usize::from(ancount) + usize::from(nscount);
        match edns(records, skipped, usize::from(arcount)) {
            Ok(edns) => query.edns = edns,
            // The question was read, so it is echoed.
            Err(Cut) => return Parsed::Respond(response::empty(&query, response::FORMERR)),
        }
        match query.edns {
            Some(Edns { version: 1.., .. }) => Parsed::Respond(response::badvers(&query)),
            _ => Parsed::Query(query),
        }
    }

    /// The same client's query for another name: what chasing a CNAME asks the chain. It has no EDNS,
    /// no size limit, and is one deeper than this one.
    #[must_use]
    pub fn derive(&self, name: &Name, qtype: u16) -> Query {
        let header = Header {
            id: self.header.id,
            flags: self.header.flags & (flag::RD | flag::CD),
        };
        let mut octets = Vec::with_capacity(HEADER + name.wire().len() + 4);
        octets.extend(header.id.to_be_bytes());
        octets.extend(header.flags.to_be_bytes());
        octets.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        octets.extend(name.wire());
        octets.extend(qtype.to_be_bytes());
        octets.extend(self.question.qclass.to_be_bytes());
        Query {
            octets,
            transport: self.transport,
            client: self.client,
            header,
            question: Question {
                name: name.clone(),
                qtype,
                qclass: self.question.qclass,
            },
            edns: None,
            reserved: 0,
            depth: self.depth.saturating_add(1),
        }
    }

    /// The same query, of whose response some octets are to stay free.
    #[must_use]
    pub fn reserving(&self, octets: usize) -> Self {
        Self {
            reserved: octets,
            ..self.clone()
        }
    }

    /// The most octets a response to this query may have, less those that are to stay free.
    pub fn limit(&self) -> usize {
        self.whole_limit().saturating_sub(self.reserved)
    }

    /// The most octets a response to this query may have.
    fn whole_limit(&self) -> usize {
        match (self.transport, self.edns) {
            // A derived query's response is read by a plugin, not sent to anyone.
            _ if self.depth > 0 => usize::from(u16::MAX),
            (Transport::Tcp, _) => usize::from(u16::MAX),
            (Transport::Udp, None) => 512,
            (Transport::Udp, Some(edns)) => usize::from(edns.payload.clamp(512, UDP_PAYLOAD)),
        }
    }

    /// The SERIAL of the one SOA record in the authority section: which version of a zone the client of an
    /// IXFR has (RFC 1995 3).
    pub fn authority_serial(&self) -> Option<u32> {
        let count = |at: usize| u16::from_be_bytes([self.octets[at], self.octets[at + 1]]);
        let mut records = Records {
            octets: &self.octets,
            at: HEADER + self.question.octets(),
        };
        for _ in 0..count(6) {
            records.next_record().ok()??;
        }
        let soa = records.next_record().ok()??;
        // MNAME and RNAME, of whatever length, then five words, SERIAL first.
        let words = soa.rdata.last_chunk::<20>()?;
        (count(8) == 1 && soa.rtype == SOA && soa.rdata.len() >= 22)
            .then(|| u32::from_be_bytes([words[0], words[1], words[2], words[3]]))
    }

    /// The whole message as received.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// QNAME, QTYPE and QCLASS as received, the client's letter case kept.
    pub fn question_octets(&self) -> &[u8] {
        &self.octets[self.question_range()]
    }

    /// QNAME as received, root's zero octet included.
    pub fn qname_octets(&self) -> &[u8] {
        &self.octets[HEADER..HEADER + self.question.name.wire().len()]
    }

    fn question_range(&self) -> Range<usize> {
        HEADER..HEADER + self.question.octets()
    }
}

impl Header {
    /// The OPCODE, 0 to 15; 0 is QUERY.
    pub fn opcode(self) -> u16 {
        self.flags >> 11 & 0xf
    }

    /// RD: the client wants recursion.
    pub fn recursion_desired(self) -> bool {
        self.flags & flag::RD != 0
    }
}

impl Question {
    /// Whether records of class IN are asked for, and no zone transfer: what most plugins are there for.
    pub fn is_ordinary(&self) -> bool {
        self.qclass == IN && !matches!(self.qtype, IXFR | AXFR)
    }

    /// Reads a question; `None` where it is cut short or its name has a pointer (there is nothing
    /// before it to point at).
    pub(crate) fn parse(octets: &[u8]) -> Option<Self> {
        let name = Name::from_wire(octets)?;
        let fields = octets.get(name.wire().len()..)?.first_chunk::<4>()?;
        Some(Self {
            name,
            qtype: u16::from_be_bytes([fields[0], fields[1]]),
            qclass: u16::from_be_bytes([fields[2], fields[3]]),
        })
    }

    /// Its length in a message.
    pub(crate) fn octets(&self) -> usize {
        self.name.wire().len() + 4
    }
}

/// The OPT among `additional` records behind `skipped` others. An error is a record that is cut, a
/// second OPT, or an OPT that is not the root's or whose options do not add up (RFC 6891 6.1.1).
fn edns(mut records: Records<'_>, skipped: usize, additional: usize) -> Result<Option<Edns>, Cut> {
    for _ in 0..skipped {
        records.next_record()?;
    }
    let mut found = None;
    for _ in 0..additional {
        let Some(record) = records.next_record()? else {
            break;
        };
        if record.rtype != OPT {
            continue;
        }
        if found.is_some() || !record.owner_is_root {
            return Err(Cut);
        }
        let nsid = has_nsid(record.rdata)?;
        let [_, version, flags, _] = record.ttl.to_be_bytes();
        found = Some(Edns {
            payload: record.class,
            version,
            dnssec_ok: flags & 0x80 != 0,
            nsid,
        });
    }
    Ok(found)
}

/// Whether NSID is among the options.
fn has_nsid(mut rdata: &[u8]) -> Result<bool, Cut> {
    let mut found = false;
    while let Some((&[high, low, length @ ..], tail)) = rdata.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes(length));
        rdata = tail.get(length..).ok_or(Cut)?;
        found |= u16::from_be_bytes([high, low]) == NSID;
    }
    rdata.is_empty().then_some(found).ok_or(Cut)
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
