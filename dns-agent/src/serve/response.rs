//! A [`Response`] and the ones that need no data: errors with and without the question
//! (RFC 1035 4.1.1, RFC 6891 6.1.3).

use tokio::sync::mpsc;

use super::fit::fit;
use super::query::{Header, Query, UDP_PAYLOAD};
use super::records::OPT;

/// Format error.
pub const FORMERR: u16 = 1;
/// Server failure.
pub const SERVFAIL: u16 = 2;
/// Not implemented.
pub const NOTIMP: u16 = 4;
/// Refused.
pub const REFUSED: u16 = 5;

/// A pointer to the question's name (RFC 1035 4.1.4).
const POINTER_TO_QNAME: [u8; 2] = [0xc0, 12];

/// The header's bits (RFC 1035 4.1.1, RFC 4035 3.2).
pub(crate) mod flag {
    pub(crate) const QR: u16 = 0x8000;
    pub(crate) const TC: u16 = 0x0200;
    pub(crate) const RD: u16 = 0x0100;
    pub(crate) const AD: u16 = 0x0020;
    pub(crate) const CD: u16 = 0x0010;
    pub(crate) const RCODE: u16 = 0x000f;
}

/// What a plugin chain makes of a query: one message, and the reason where it is a failure. Only a zone
/// transfer is more than one.
#[derive(Debug)]
pub struct Response {
    message: Vec<u8>,
    failure: Option<String>,
    following: Option<Following>,
    plugin: &'static str,
}

/// The messages behind the first one (RFC 5936 2.2), made as they are taken.
pub type Following = mpsc::Receiver<Vec<u8>>;

impl Response {
    /// A message that is ready to be sent: the query's ID, its EDNS answered, within its limit.
    pub fn new(message: Vec<u8>) -> Self {
        Self {
            message,
            failure: None,
            following: None,
            plugin: "",
        }
    }

    /// The same, with more messages behind it; for a query that came over a stream.
    #[must_use]
    pub fn followed_by(self, following: Following) -> Self {
        Self {
            following: Some(following),
            ..self
        }
    }

    /// REFUSED: this question is not for us.
    pub fn refused(query: &Query) -> Self {
        Self::new(empty(query, REFUSED))
    }

    /// SERVFAIL; `why` is for the log, where the `errors` plugin is on.
    pub fn servfail(query: &Query, why: impl Into<String>) -> Self {
        Self {
            message: empty(query, SERVFAIL),
            failure: Some(why.into()),
            following: None,
            plugin: "",
        }
    }

    /// Records of the question's own name, class and type: a TTL in seconds, and RDATA each. Not
    /// authoritative, fitted to the client.
    pub fn of_records(query: &Query, rtype: u16, ttl: u32, rdata: &[Vec<u8>]) -> Self {
        let mut message = Vec::new();
        push_header(&mut message, query.header, 0);
        let count = u16::try_from(rdata.len()).unwrap_or(u16::MAX);
        message.extend([0, 1]);
        message.extend(count.to_be_bytes());
        message.extend([0; 4]);
        message.extend(query.question_octets());
        for rdata in rdata {
            message.extend(POINTER_TO_QNAME);
            message.extend(rtype.to_be_bytes());
            message.extend(query.question.qclass.to_be_bytes());
            message.extend(ttl.to_be_bytes());
            message.extend(u16::try_from(rdata.len()).unwrap_or(u16::MAX).to_be_bytes());
            message.extend(rdata);
        }
        match fit(query, &message) {
            Some(message) => Self::new(message),
            None => Self::servfail(query, "the records do not make a message"),
        }
    }

    /// The same with an option in its OPT, where it has one and the option fits.
    #[must_use]
    pub fn with_option(mut self, query: &Query, code: u16, data: &[u8]) -> Self {
        let Some(length_at) = self.message.len().checked_sub(2) else {
            return self;
        };
        // Our OPT is the last record and has no options yet.
        let is_opt = query
            .edns
            .is_some_and(|edns| self.message.ends_with(&opt(0, edns.dnssec_ok)));
        let octets = 4 + data.len();
        if let (true, Ok(length)) = (is_opt, u16::try_from(octets))
            && self.message.len() + octets <= query.limit()
        {
            self.message[length_at..].copy_from_slice(&length.to_be_bytes());
            self.message.extend(code.to_be_bytes());
            self.message.extend((length - 4).to_be_bytes());
            self.message.extend(data);
        }
        self
    }

    /// The message.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The message, and what follows it.
    pub fn into_messages(self) -> (Vec<u8>, Option<Following>) {
        (self.message, self.following)
    }

    /// Notes which plugin made it: the first to be noted. A failure is no plugin's, as in CoreDNS.
    #[must_use]
    pub fn by(self, plugin: &'static str) -> Self {
        if self.plugin.is_empty() && self.failure.is_none() {
            return Self { plugin, ..self };
        }
        self
    }

    /// Which plugin made it; empty where none did.
    pub fn plugin(&self) -> &'static str {
        self.plugin
    }

    /// Why it is a failure, where it is one of ours.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The header's RCODE, 0 to 15.
    pub fn rcode(&self) -> u16 {
        self.message
            .get(3)
            .map_or(SERVFAIL, |&octet| u16::from(octet) & flag::RCODE)
    }
}

/// Header, question and, for a client with EDNS, our OPT; no other records.
pub fn empty(query: &Query, rcode: u16) -> Vec<u8> {
    with_extended_rcode(query, rcode, 0)
}

/// The response to an EDNS version that we do not speak: RCODE 16, of which OPT holds the upper bits.
pub(crate) fn badvers(query: &Query) -> Vec<u8> {
    with_extended_rcode(query, 0, 1)
}

/// The 12 octets that answer a message whose question cannot be echoed.
pub(crate) fn header_only(header: Header, rcode: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(12);
    push_header(&mut message, header, rcode);
    message.extend([0; 8]);
    message
}

/// Our OPT: the size we take, version 0, the client's DO (RFC 3225), no options.
pub(crate) fn opt(extended_rcode: u8, dnssec_ok: bool) -> [u8; 11] {
    let [type_high, type_low] = OPT.to_be_bytes();
    let [size_high, size_low] = UDP_PAYLOAD.to_be_bytes();
    let flags = if dnssec_ok { 0x80 } else { 0 };
    [
        0,
        type_high,
        type_low,
        size_high,
        size_low,
        extended_rcode,
        0,
        flags,
        0,
        0,
        0,
    ]
}

fn with_extended_rcode(query: &Query, rcode: u16, extended: u8) -> Vec<u8> {
    let mut message = Vec::with_capacity(12 + query.question_octets().len() + 11);
    push_header(&mut message, query.header, rcode);
    let additional = u8::from(query.edns.is_some());
    message.extend([0, 1, 0, 0, 0, 0, 0, additional]);
    message.extend(query.question_octets());
    if let Some(edns) = query.edns {
        message.extend(opt(extended, edns.dnssec_ok));
    }
    message
}

/// ID and flags of a response; of the query's flags OPCODE, RD and CD are copied.
fn push_header(message: &mut Vec<u8>, header: Header, rcode: u16) {
    let copied = header.flags & (0x7800 | flag::RD | flag::CD);
    message.extend(header.id.to_be_bytes());
    message.extend((flag::QR | copied | rcode & flag::RCODE).to_be_bytes());
}
