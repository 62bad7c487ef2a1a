//! Names to questions: a type, flags, EDNS and a transport are drawn for each.

use std::fmt;

use kerndns_tests::query::{Edns, Query};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// One thing that is asked.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// QNAME with its dot, in the case in which it is sent.
    pub(crate) name: String,
    /// QTYPE.
    pub(crate) qtype: u16,
    /// The OPT record's payload size.
    pub(crate) payload: Option<u16>,
    pub(crate) tcp: bool,
    /// The message.
    pub(crate) octets: Vec<u8>,
}

/// Types with records in a cluster are asked for most.
const TYPES: [(u16, u32); 17] = [
    (A, 8),
    (AAAA, 6),
    (SRV, 7),
    (PTR, 3),
    (CNAME, 3),
    (TXT, 2),
    (NS, 2),
    (SOA, 2),
    (15, 1), // MX
    (ANY, 1),
    (65, 1),     // HTTPS
    (43, 1),     // DS
    (13, 1),     // HINFO
    (257, 1),    // CAA
    (0, 1),      // none
    (99, 1),     // SPF
    (65_280, 1), // private use
];
pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const PTR: u16 = 12;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SRV: u16 = 33;
pub(crate) const ANY: u16 = 255;

/// Options as they are sent: NSID, a client's cookie, ECS, padding, an unknown one.
const OPTIONS: [&[u8]; 6] = [
    &[],
    &[0, 3, 0, 0],
    &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2],
    &[0, 12, 0, 4, 0, 0, 0, 0],
    &[0xfe, 0x01, 0, 1, 7],
];

/// A question for `name`.
pub(crate) fn drawn(rng: &mut StdRng, name: String, id: u16) -> Question {
    let qtype = TYPES
        .choose_weighted(rng, |(_, weight)| *weight)
        .map_or(A, |(qtype, _)| *qtype);
    let mut query = Query::new(&name, qtype);
    query.id = id;
    query.flags = match rng.random_range(0..12) {
        0 => 0,
        1 => 0x0110,
        2 => 0x0120,
        _ => 0x0100,
    };
    if rng.random_bool(0.6) {
        query.edns = Some(Edns {
            payload: [1232, 1232, 512, 4096, 65_535, 100, 1400][rng.random_range(0..7)],
            version: 0,
            flags: if rng.random_bool(0.3) { 0x8000 } else { 0 },
            options: OPTIONS[rng.random_range(0_usize..30).saturating_sub(24)].to_vec(),
        });
    }
    Question {
        name,
        qtype,
        payload: query.edns.as_ref().map(|edns| edns.payload),
        tcp: rng.random_bool(0.15),
        octets: query.octets(),
    }
}

/// The same question with nothing that could limit the response.
pub(crate) fn whole(question: &Question) -> Question {
    Question {
        tcp: true,
        ..question.clone()
    }
}

/// A plain question for what a name has, with room for the response.
pub(crate) fn plain(name: &str, qtype: u16, id: u16) -> Vec<u8> {
    let mut query = Query::new(name, qtype);
    query.id = id;
    let edns = Edns {
        payload: 65_535,
        ..Edns::default()
    };
    query.with(edns).octets()
}

impl Question {
    /// The most octets of a response by UDP: what the client takes (RFC 6891 6.2.5), and no more than 1232.
    pub(crate) fn limit(&self) -> usize {
        if self.tcp {
            return usize::from(u16::MAX);
        }
        self.payload
            .map_or(512, |size| usize::from(size.clamp(512, 1232)))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = kerndns_tests::query::TYPES;
        let mnemonic = types.iter().find(|(_, number)| *number == self.qtype);
        write!(f, "{} ", self.name)?;
        match mnemonic {
            Some((mnemonic, _)) => write!(f, "{mnemonic}")?,
            None => write!(f, "TYPE{}", self.qtype)?,
        }
        write!(f, " by {}", if self.tcp { "TCP" } else { "UDP" })?;
        if let Some(payload) = self.payload {
            write!(f, ", EDNS {payload}")?;
        }
        let hex: String = self
            .octets
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        write!(f, "\n    octets   {hex}")
    }
}
