//! The wire level as a table: a message, and what is made of it.

use super::*;
use crate::serve::sample::{OPT_1232, client, message, parsed, plain, question, with_edns};

/// What is made of a message.
#[derive(Debug, PartialEq)]
enum Made {
    Query,
    Silence,
    /// ID, these flags, and counts of zero: the question could not be read.
    Header(u16),
    Message(Vec<u8>),
}

fn judge(octets: Vec<u8>) -> Made {
    match Query::parse(octets, Transport::Udp, client()) {
        Parsed::Query(_) => Made::Query,
        Parsed::Silence => Made::Silence,
        Parsed::Respond(octets) => match octets.strip_prefix(&[0x12, 0x34]) {
            Some(&[high, low, 0, 0, 0, 0, 0, 0, 0, 0]) => {
                Made::Header(u16::from_be_bytes([high, low]))
            }
            _ => Made::Message(octets),
        },
    }
}

#[test]
fn each_section_of_the_rfcs_is_followed_on_the_wire() {
    use Made::{Header, Message, Query, Silence};

    let asked = question("web.default.svc.cluster.local", 1);
    let with = |tail: &[u8]| [&asked, tail].concat();
    let two = with(&asked);
    let a = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x01\x02\x03\x04";
    let version_1 = b"\0\0\x29\x10\0\0\x01\x80\0\0\0";
    let badvers = {
        let mut expected = message(0x8100, [1, 0, 0, 1], &asked);
        expected.extend(b"\0\0\x29\x04\xd0\x01\0\x80\0\0\0");
        Message(expected)
    };
    let formerr = || Message(message(0x8101, [1, 0, 0, 0], &asked));
    let cookie = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08abcdefgh";
    let long_option = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x09abcdefgh";
    let owned_opt = b"\x01a\0\0\x29\x04\xd0\0\0\0\0\0\0";
    #[rustfmt::skip]
    let rows: &[(&str, Vec<u8>, Made)] = &[
        ("1035 4.1.1: a response is not answered", message(0x8100, [1, 0, 0, 0], &asked), Silence),
        ("1035 4.1.1: less than a header", vec![0x12; 11], Silence),
        ("1035 4.1.1: nothing", vec![], Silence),
        ("1035 4.1.1: OPCODE IQUERY", message(0x0900, [1, 0, 0, 0], &asked), Header(0x8904)),
        ("1035 4.1.1: OPCODE STATUS", message(0x1100, [1, 0, 0, 0], &asked), Header(0x9104)),
        ("1996: OPCODE NOTIFY", message(0x2100, [1, 0, 0, 0], &asked), Header(0xa104)),
        ("2136: OPCODE UPDATE", message(0x2900, [1, 0, 0, 0], &asked), Header(0xa904)),
        ("1035 4.1.1: an OPCODE that nobody has", message(0x7800, [1, 0, 0, 0], &asked), Header(0xf804)),
        ("1035 4.1.1: Z and TC in a query", message(0x0340, [1, 0, 0, 0], &asked), Query),
        ("9619: no question", message(0x0100, [0, 0, 0, 0], &[]), Header(0x8101)),
        ("9619: two questions", message(0x0100, [2, 0, 0, 0], &two), Header(0x8101)),
        ("1035 4.1.2: a header alone", message(0x0100, [1, 0, 0, 0], &[]), Header(0x8101)),
        ("1035 4.1.2: a name cut short", message(0, [1, 0, 0, 0], &asked[..9]), Header(0x8001)),
        ("1035 4.1.2: no QCLASS", message(0x0110, [1, 0, 0, 0], &asked[..asked.len() - 2]), Header(0x8111)),
        ("1035 4.1.4: a pointer to itself", message(0x0100, [1, 0, 0, 0], b"\xc0\x0c\0\x01\0\x01"), Header(0x8101)),
        ("1035 4.1.4: a label type of 1995", message(0x0100, [1, 0, 0, 0], b"\x41a\0\0\x01\0\x01"), Header(0x8101)),
        ("1035 3.1: a name of 256 octets", message(0x0100, [1, 0, 0, 0], &question(&"x.".repeat(128), 1)), Header(0x8101)),
        ("1035 3.1: a name of 255 octets", message(0x0100, [1, 0, 0, 0], &question(&"x.".repeat(127), 1)), Query),
        ("1035 4.1.3: two answers in a query", message(0x0100, [1, 2, 0, 0], &asked), Header(0x8101)),
        ("1035 4.1.3: two authorities", message(0x0100, [1, 0, 2, 0], &asked), Header(0x8101)),
        ("1035 4.1.3: three additional records", message(0x0100, [1, 0, 0, 3], &asked), Header(0x8101)),
        ("1035 4.1.3: a record that is not there", message(0x0100, [1, 1, 1, 0], &asked), Query),
        ("1035 4.1.3: a record cut short", message(0x0100, [1, 1, 0, 0], &with(&a[..14])), formerr()),
        ("1035 4.1.3: octets behind the question", message(0x0100, [1, 0, 0, 0], &with(b"\xde\xad\xbe\xef")), Query),
        ("1995 3: an authority record", message(0x0100, [1, 0, 1, 0], &with(a)), Query),
        ("6891 6.1.1: an OPT behind another record", message(0x0100, [1, 0, 0, 2], &with(&[&a[..], OPT_1232].concat())), Query),
        ("6891 6.1.1: two OPTs", message(0x0100, [1, 0, 0, 2], &with(&[OPT_1232, OPT_1232].concat())), formerr()),
        ("6891 6.1.2: an OPT not of the root", message(0x0100, [1, 0, 0, 1], &with(owned_opt)), formerr()),
        ("6891 6.1.2: an option", message(0x0100, [1, 0, 0, 1], &with(cookie)), Query),
        ("6891 6.1.2: an option too long for the OPT", message(0x0100, [1, 0, 0, 1], &with(long_option)), formerr()),
        ("6891 6.1.3: version 1", message(0x0100, [1, 0, 0, 1], &with(version_1)), badvers),
    ];
    for (row, octets, expected) in rows {
        assert_eq!(&judge(octets.clone()), expected, "RFC {row}");
    }
}

#[test]
fn a_query_keeps_the_case_and_folds_the_name() {
    let query = parsed(
        with_edns("Web.DEFAULT.svc.Cluster.local", 28),
        Transport::Udp,
    );
    assert_eq!(
        query.question.name.to_string(),
        "web.default.svc.cluster.local."
    );
    assert_eq!((query.question.qtype, query.question.qclass), (28, 1));
    assert_eq!(
        query.question_octets(),
        question("Web.DEFAULT.svc.Cluster.local", 28)
    );
    assert!(query.qname_octets().starts_with(b"\x03Web\x07DEFAULT"));
    assert_eq!(query.header.id, 0x1234);
    assert!(query.header.recursion_desired());
    let edns = Edns {
        payload: 1232,
        version: 0,
        dnssec_ok: false,
        nsid: false,
    };
    assert_eq!(query.edns, Some(edns));
}

#[test]
fn the_limit_is_the_clients_within_512_and_1232_octets() {
    let limit = |payload: u16, transport| {
        let mut octets = with_edns("a.example", 1);
        let at = octets.len() - 8;
        octets[at..at + 2].copy_from_slice(&payload.to_be_bytes());
        parsed(octets, transport).limit()
    };
    assert_eq!(parsed(plain("a.example", 1), Transport::Udp).limit(), 512);
    assert_eq!(parsed(plain("a.example", 1), Transport::Tcp).limit(), 65535);
    for (payload, octets) in [
        (0, 512),
        (300, 512),
        (513, 513),
        (1232, 1232),
        (65535, 1232),
    ] {
        assert_eq!(limit(payload, Transport::Udp), octets, "payload {payload}");
        assert_eq!(limit(payload, Transport::Tcp), 65535, "payload {payload}");
    }
}

#[test]
fn a_derived_query_is_a_message_of_its_own() {
    let query = parsed(
        with_edns("ext.default.svc.cluster.local", 1),
        Transport::Udp,
    );
    let target = Name::parse("www.example.com").unwrap();
    let derived = query.derive(&target, 28);
    assert_eq!(
        (derived.depth, derived.edns, derived.limit()),
        (1, None, 65535)
    );
    let again = parsed(derived.octets().to_vec(), Transport::Udp);
    assert_eq!(again.question, derived.question);
    assert_eq!(again.question_octets(), question("www.example.com", 28));
}

#[test]
fn no_truncation_or_flipped_octet_of_a_query_panics() {
    let samples = [
        plain("web.default.svc.cluster.local", 1),
        with_edns("WEB.default.svc.cluster.local", 33),
        message(
            0x0100,
            [1, 1, 1, 2],
            &[question("a.b", 1), OPT_1232.to_vec()].concat(),
        ),
    ];
    for sample in samples {
        for end in 0..=sample.len() {
            judge(sample[..end].to_vec());
        }
        for at in 0..sample.len() {
            for octet in [0, 1, 0x29, 0x3f, 0x40, 0xc0, 0xff] {
                let mut changed = sample.clone();
                changed[at] = octet;
                if let Parsed::Query(query) = Query::parse(changed, Transport::Udp, client()) {
                    assert_eq!(query.qname_octets().len(), query.question.name.wire().len());
                    assert!((512..=1232).contains(&query.limit()));
                }
            }
        }
    }
}
