//! Messages and plugins for the tests of the miss path.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;

use super::{Chain, Handler, Next, Parsed, Query, Response, Servers, Transport, fit};
use crate::record::Name;

/// An OPT that offers 1232 octets.
pub(crate) const OPT_1232: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

pub(crate) fn client() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 5300))
}

/// QNAME in the case of `name`, QTYPE, class IN.
pub(crate) fn question(name: &str, qtype: u16) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets.extend(qtype.to_be_bytes());
    octets.extend([0, 1]);
    octets
}

/// A message with ID 0x1234, these flags and counts, and this body.
pub(crate) fn message(flags: u16, counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x12, 0x34];
    octets.extend(flags.to_be_bytes());
    octets.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    octets.extend(body);
    octets
}

/// A query with RD.
pub(crate) fn plain(name: &str, qtype: u16) -> Vec<u8> {
    message(0x0100, [1, 0, 0, 0], &question(name, qtype))
}

/// A query with RD and EDNS of 1232 octets.
pub(crate) fn with_edns(name: &str, qtype: u16) -> Vec<u8> {
    let body = [&question(name, qtype), OPT_1232].concat();
    message(0x0100, [1, 0, 0, 1], &body)
}

/// What `octets` are as a query.
pub(crate) fn parsed(octets: Vec<u8>, transport: Transport) -> Query {
    match Query::parse(octets, transport, client()) {
        Parsed::Query(query) => query,
        other => panic!("{other:?}"),
    }
}

/// An A record whose owner is the question's name, TTL 30.
pub(crate) fn a_record(address: [u8; 4]) -> Vec<u8> {
    let mut octets = b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04".to_vec();
    octets.extend(address);
    octets
}

/// The response to `query` with `count` A records, and TC as told.
pub(crate) fn addresses(query: &[u8], count: u8, truncated: bool) -> Vec<u8> {
    let sent = Query::parse(query.to_vec(), Transport::Tcp, client());
    let Parsed::Query(sent) = sent else {
        panic!("{sent:?}");
    };
    let mut body = sent.question_octets().to_vec();
    for last in 0..count {
        body.extend(a_record([192, 0, 2, last]));
    }
    let flags = if truncated { 0x8380 } else { 0x8180 };
    let mut octets = message(flags, [1, u16::from(count), 0, 0], &body);
    octets[..2].copy_from_slice(&query[..2]);
    octets
}

/// The counts of a message's sections.
pub(crate) fn counts(message: &[u8]) -> [u16; 4] {
    [4, 6, 8, 10].map(|at| u16::from_be_bytes([message[at], message[at + 1]]))
}

/// TC.
pub(crate) fn is_truncated(message: &[u8]) -> bool {
    message[2] & 2 != 0
}

/// Answers everything with this many addresses, fitted to the client.
pub(crate) struct Addresses(pub(crate) u8);

#[async_trait]
impl Handler for Addresses {
    async fn handle(&self, query: &Query, _: Next<'_>) -> Response {
        Response::new(fit(query, &addresses(query.octets(), self.0, false)).unwrap())
    }
}

/// What a chain of two answers to a message over UDP.
pub(crate) async fn ask(
    plugin: impl Handler + 'static,
    next: Addresses,
    octets: Vec<u8>,
) -> Vec<u8> {
    let chain = Chain::new(vec![Arc::new(plugin), Arc::new(next)]);
    let servers = Servers::new([(vec![Name::root()], chain)]);
    let query = parsed(octets, Transport::Udp);
    servers.answer(&query).await.into_messages().0
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}
