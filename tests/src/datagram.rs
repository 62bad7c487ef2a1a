//! One datagram of any octets, and what the header of the response must say.

use anyhow::Context as _;

use crate::ways::{Site, Way};

/// A row of a table of datagrams.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// Where the rule is found in the document.
    pub section: &'static str,
    /// What it says, in our words.
    pub rule: &'static str,
    /// The message.
    pub message: Vec<u8>,
    /// RCODE, OPCODE, flags and the four counts, such as `NOERROR 0 aa rd 1 1 0 0`, or `silence`.
    pub header: &'static str,
}

/// Where the flags and the counts lie in a header.
const FLAGS: usize = 2;
const COUNTS: usize = 4;
/// The flags by their bits (RFC 1035 4.1.1, RFC 4035 3.1.6 and 3.2.3).
const BITS: [(u16, &str); 7] = [
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x0040, "z"),
    (0x0020, "ad"),
    (0x0010, "cd"),
];

/// Sends it through the pod's veth and to the agent, and compares the header of the response.
#[track_caller]
pub fn check_datagram(site: &Site, datagram: &Datagram) {
    for way in [Way::Kernel, Way::Udp] {
        let response = site.ask(way, &datagram.message).expect("sent");
        let header = response.map_or_else(|| "silence".to_owned(), |response| header(&response));
        assert_eq!(
            header, datagram.header,
            "{}: {} by way of {way:?}",
            datagram.section, datagram.rule
        );
    }
}

/// A header as the tables have it.
pub fn header(message: &[u8]) -> String {
    let word = |at: usize| {
        let octets = message.get(at..at + 2).context("shorter than a header");
        octets.map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
    };
    let Ok(flags) = word(FLAGS) else {
        return "less than a header".to_owned();
    };
    let rcode = match flags & 15 {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => "?",
    };
    let mut words = vec![rcode.to_owned(), (flags >> 11 & 15).to_string()];
    let set = BITS.iter().filter(|(bit, _)| flags & bit != 0);
    words.extend(set.map(|(_, name)| (*name).to_owned()));
    let counts = (0..4).filter_map(|i| word(COUNTS + 2 * i).ok());
    words.extend(counts.map(|count| count.to_string()));
    words.join(" ")
}

/// A message: ID 0x1234, the second and third octet of the header, QDCOUNT to ARCOUNT, and what follows.
pub fn message(flags: u16, counts: [u16; 4], rest: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![0x12, 0x34];
    message.extend(flags.to_be_bytes());
    message.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    message.extend(rest.iter().flat_map(|part| part.iter()));
    message
}

/// A question in wire format: a name in presentation format without escapes, QTYPE, QCLASS.
pub fn question(name: &str, qtype: u16, qclass: u16) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).expect("a label of at most 63 octets"));
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets.extend(qtype.to_be_bytes());
    octets.extend(qclass.to_be_bytes());
    octets
}

/// An OPT record (RFC 6891 6.1.2): payload size, version, DO, options.
pub fn opt(payload: u16, version: u8, dnssec_ok: bool, options: &[u8]) -> Vec<u8> {
    let mut octets = vec![0, 0, 41];
    octets.extend(payload.to_be_bytes());
    octets.extend([0, version, if dnssec_ok { 0x80 } else { 0 }, 0]);
    octets.extend(u16::try_from(options.len()).expect("short").to_be_bytes());
    octets.extend(options);
    octets
}
