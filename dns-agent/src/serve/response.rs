//! A [`Response`] and the ones that need no data: errors with and without the question
//! (RFC 1035 4.1.1, RFC 6891 6.1.3).

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

/// The header's bits (RFC 1035 4.1.1, RFC 4035 3.2).
pub(crate) mod flag {
    pub(crate) const QR: u16 = 0x8000;
    pub(crate) const TC: u16 = 0x0200;
    pub(crate) const RD: u16 = 0x0100;
    pub(crate) const AD: u16 = 0x0020;
    pub(crate) const CD: u16 = 0x0010;
    pub(crate) const RCODE: u16 = 0x000f;
}

/// What a plugin chain makes of a query: one message, and the reason where it is a failure.
#[derive(Debug, Clone)]
pub struct Response {
    message: Vec<u8>,
    failure: Option<String>,
    plugin: &'static str,
}

impl Response {
    /// A message that is ready to be sent: the query's ID, its EDNS answered, within its limit.
    pub fn new(message: Vec<u8>) -> Self {
        Self {
            message,
            failure: None,
            plugin: "",
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
            plugin: "",
        }
    }

    /// The message.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The message, to keep.
    pub fn into_message(self) -> Vec<u8> {
        self.message
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
