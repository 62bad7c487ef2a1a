//! DNS queries as octets, also wrong ones (RFC 1035 4.1, RFC 6891 6.1.2), and responses as sorted text.

use anyhow::{Result, ensure};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Record;

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// ID.
    pub id: u16,
    /// The second and third octet of the header: QR, opcode, AA, TC, RD; RA, Z, AD, CD, RCODE.
    pub flags: u16,
    /// QNAME as sent, wire form.
    pub name: Vec<u8>,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// The OPT record.
    pub edns: Option<Edns>,
}

/// An OPT record (RFC 6891).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edns {
    /// The most octets that the client takes.
    pub payload: u16,
    /// VERSION.
    pub version: u8,
    /// DO and Z.
    pub flags: u16,
    /// The options with their codes and lengths.
    pub options: Vec<u8>,
}

impl Default for Edns {
    /// What stub resolvers send: 1232 octets, nothing else.
    fn default() -> Self {
        Self {
            payload: 1232,
            version: 0,
            flags: 0,
            options: Vec::new(),
        }
    }
}

/// QTYPEs by their mnemonics.
pub const TYPES: [(&str, u16); 10] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("HTTPS", 65),
];

impl Query {
    /// For a name as text, its case kept, and a type's number: RD set, class IN, no OPT.
    pub fn new(name: &str, qtype: u16) -> Self {
        let mut wire = Vec::new();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            wire.extend(u8::try_from(label.len()));
            wire.extend(label.as_bytes());
        }
        wire.push(0);
        Self::of_wire(&wire, qtype)
    }

    /// The same for a name in wire form.
    pub fn of_wire(name: &[u8], qtype: u16) -> Self {
        Self {
            id: 0x4b44,
            flags: 0x0100,
            name: name.to_vec(),
            qtype,
            qclass: 1,
            edns: None,
        }
    }

    /// For one of [`TYPES`]; 0 where it is none of them.
    pub fn of_type(name: &str, mnemonic: &str) -> Self {
        let known = TYPES.iter().find(|(text, _)| *text == mnemonic);
        Self::new(name, known.map_or(0, |(_, number)| *number))
    }

    /// With an OPT record.
    #[must_use]
    pub fn with(self, edns: Edns) -> Self {
        Self {
            edns: Some(edns),
            ..self
        }
    }

    /// The message.
    pub fn octets(&self) -> Vec<u8> {
        let mut message = Vec::new();
        let additional = u16::from(self.edns.is_some());
        for field in [self.id, self.flags, 1, 0, 0, additional] {
            message.extend(field.to_be_bytes());
        }
        message.extend(&self.name);
        message.extend(self.qtype.to_be_bytes());
        message.extend(self.qclass.to_be_bytes());
        if let Some(edns) = &self.edns {
            let length = u16::try_from(edns.options.len()).unwrap_or(u16::MAX);
            message.extend([0, 0, 41]);
            message.extend(edns.payload.to_be_bytes());
            message.extend([0, edns.version]);
            message.extend(edns.flags.to_be_bytes());
            message.extend(length.to_be_bytes());
            message.extend(&edns.options);
        }
        message
    }

    /// Whether the header, question and OPT of `response` are those of a response to this query; its text
    /// ([`text`]).
    pub fn answered_by(&self, response: &[u8]) -> Result<Vec<String>> {
        let query = self.octets();
        let question = 12..16 + self.name.len();
        ensure!(response.len() <= 1232, "{} octets", response.len());
        ensure!(response[..2] == query[..2], "another ID");
        ensure!(response[4..6] == [0, 1], "not one question");
        ensure!(
            response.get(question.clone()) == Some(&query[question]),
            "another question"
        );
        // QR, AA; opcode and RD as in the query; TC, RA, Z, AD clear; CD as in the query.
        let flags = u16::from_be_bytes([response[2], response[3]]) & 0xfff0;
        let expected = 0x8400 | self.flags & 0x7910;
        ensure!(flags == expected, "flags {flags:04x}, not {expected:04x}");
        let message = Message::from_vec(response)?;
        match (&self.edns, &message.edns) {
            (None, None) => {}
            (Some(asked), Some(said)) => {
                ensure!(
                    said.max_payload() == 1232 && said.version() == 0,
                    "{said:?}"
                );
                ensure!(said.options().as_ref().is_empty(), "{said:?}");
                ensure!(
                    said.flags().dnssec_ok == (asked.flags & 0x8000 != 0),
                    "{said:?}"
                );
                let limit = usize::from(asked.payload.clamp(512, 1232));
                ensure!(response.len() <= limit, "longer than the client takes");
            }
            _ => ensure!(false, "OPT in one and not in the other"),
        }
        ensure!(
            self.edns.is_some() || response.len() <= 512,
            "longer than 512 octets without OPT"
        );
        Ok(text(&message))
    }
}

/// The records of a message as lines, sorted: `TTL TYPE DATA` in the answer section, `OWNER TTL TYPE DATA` behind
/// `!` in the authority and behind `+` in the additional section; first `NXDOMAIN`, if it is one.
pub fn text(message: &Message) -> Vec<String> {
    let line = |record: &Record| format!("{} {} {}", record.ttl, record.record_type(), record.data);
    let mut lines: Vec<String> = message.answers.iter().map(line).collect();
    for (mark, records) in [("!", &message.authorities), ("+", &message.additionals)] {
        let marked = |record: &Record| format!("{mark} {} {}", record.name, line(record));
        lines.extend(records.iter().map(marked));
    }
    lines.sort();
    match message.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => lines.insert(0, "NXDOMAIN".into()),
        other => lines.insert(0, other.to_string()),
    }
    lines
}
