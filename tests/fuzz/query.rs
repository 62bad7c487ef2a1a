//! Any message to both parsers of queries, the kernel's and the agent's, and to hickory-proto's: none panics, and what
//! ours take for a query means the same to all three.
#![no_main]

use dns_agent::serve::{Parsed, Query, Transport};
use dns_ebpf::query;
use dns_ebpf::scratch::{NAME_WORDS, QUERY_MAX, Scratch};
use hickory_proto::op::{Message, OpCode};
use hickory_proto::serialize::binary::BinEncodable as _;
use kerndns_fuzz::oracle;
use kerndns_fuzz::site::{SEED, client};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let agent = Query::parse(octets.to_vec(), Transport::Udp, client());
    let oracle = Message::from_vec(octets).ok();
    match &agent {
        Parsed::Query(query) => {
            if let Some(message) = &oracle {
                agrees(query, message);
            } else {
                // Lenient as CoreDNS is: records that are counted and not there, options' own contents.
                assert!(octets[6..12] != [0; 6], "not a query: {octets:02x?}");
            }
        }
        Parsed::Respond(response) => {
            assert!(response.len() <= octets.len(), "amplified: {octets:02x?}");
            assert_eq!(response[..2], octets[..2], "{response:02x?}");
            oracle::read(response);
        }
        Parsed::Silence => assert!(octets.len() < 12 || octets[2] & 0x80 != 0),
    }
    if octets.len() <= QUERY_MAX {
        kernel(octets, &agent, oracle.as_ref());
    }
});

/// What the agent read is what hickory-proto read.
fn agrees(query: &Query, message: &Message) {
    let question = &message.queries[0];
    assert_eq!(message.metadata.op_code, OpCode::Query);
    assert_eq!(message.queries.len(), 1);
    assert_eq!(
        oracle::name(&query.question.name),
        question.name().to_lowercase()
    );
    assert_eq!(query.question.qtype, u16::from(question.query_type()));
    assert_eq!(
        query.question.qclass.to_be_bytes()[..],
        question.query_class().to_bytes().unwrap_or_default()
    );
    let ours = query.edns.map(|edns| (edns.payload, edns.dnssec_ok));
    let theirs = message.edns.as_ref();
    let theirs = theirs.map(|edns| (edns.max_payload(), edns.flags().dnssec_ok));
    assert_eq!(
        ours.map(|(payload, dnssec_ok)| (payload.max(512), dnssec_ok)),
        theirs
    );
    assert_eq!(query.limit(), oracle::limit(message));
}

/// What the kernel takes for a query is what the agent takes for one, unless a label holds a zero octet, at which the
/// kernel ends the name: such a name is never found and never denied.
fn kernel(octets: &[u8], agent: &Parsed, message: Option<&Message>) {
    let mut scratch = Box::new(Scratch::ZERO);
    let parsed = parse(&mut scratch, octets);
    let mut used = Box::new(Scratch::ZERO);
    used.body.fill(0xff);
    used.cell = u64::MAX;
    for word in 0..NAME_WORDS {
        used.set_name(word, u64::MAX);
    }
    assert_eq!(
        parsed,
        parse(&mut used, octets),
        "what lay behind the message shows"
    );
    let whole = oracle::question(octets);
    let Some(query) = parsed else {
        if let Some(message) = message {
            assert!(!is_plain(octets, message), "refused: {octets:02x?}");
        }
        return;
    };
    if whole.is_none_or(|question| question.len() != query.name_len + 4) {
        return;
    }
    let Parsed::Query(theirs) = agent else {
        panic!("a query to the kernel and {agent:?} to the agent: {octets:02x?}");
    };
    let name = theirs.question.name.wire();
    assert_eq!(query.key, SEED.key(name));
    assert_eq!(
        (query.name_len, query.rtype),
        (name.len(), theirs.question.qtype)
    );
    assert_eq!(query.limit, theirs.limit());
    assert_eq!(query.edns, theirs.edns.is_some());
    let dnssec_ok = theirs.edns.is_some_and(|edns| edns.dnssec_ok);
    assert_eq!(query.dnssec_ok != 0, dnssec_ok);
}

fn parse(scratch: &mut Scratch, octets: &[u8]) -> Option<query::Query> {
    query::parse(&octets, octets.len(), scratch, SEED).ok()
}

/// Whether hickory-proto has it as what every stub resolver sends: one question of class IN for an ordinary type, no
/// records, nothing behind it.
fn is_plain(octets: &[u8], message: &Message) -> bool {
    let Some(question) = oracle::question(octets) else {
        return false;
    };
    let (name, fields) = question.split_at(question.len() - 4);
    let has_zero = name[..name.len() - 1].contains(&0);
    let qtype = u16::from_be_bytes([fields[0], fields[1]]);
    octets.len() == 12 + question.len()
        && octets[2] & 0xf8 == 0
        && octets[4..12] == [0, 1, 0, 0, 0, 0, 0, 0]
        && fields[2..] == [0, 1]
        && !matches!(qtype, 0 | 41 | 128..=255)
        && !has_zero
        && message.queries.len() == 1
}
