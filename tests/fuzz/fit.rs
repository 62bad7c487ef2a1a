//! Any message of an upstream's, fitted to clients of every size: what comes out is a response to the client's query,
//! within its limit, and hickory-proto finds in it the first of the records that it finds in the whole.
//!
//! The octets are the upstream's message; its ID decides what the client offers.
#![no_main]

use dns_agent::serve::{Parsed, Query, Transport, fit};
use hickory_proto::op::Message;
use kerndns_fuzz::oracle;
use kerndns_fuzz::site::client;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Some(question) = oracle::question(octets) else {
        return;
    };
    let Parsed::Query(query) = Query::parse(ask(octets, question), Transport::Udp, client()) else {
        return;
    };
    let Some(fitted) = fit(&query, octets) else {
        return;
    };
    assert!(fitted.len() <= query.limit(), "{} octets", fitted.len());
    assert_eq!(fitted[..2], query.octets()[..2]);
    assert_eq!(oracle::question(&fitted), Some(query.question_octets()));
    // What an upstream fills its records with is passed on as it is.
    if let Ok(whole) = Message::from_vec(octets)
        && whole.signature.is_none()
        && !points_at_header(octets)
    {
        is_beginning(&query, &fitted, &whole);
    }
});

/// A query for the same question: with an OPT, unless the ID is odd.
fn ask(message: &[u8], question: &[u8]) -> Vec<u8> {
    let has_edns = message[1] & 1 == 0;
    let mut query = vec![
        !message[0],
        message[1],
        1,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        u8::from(has_edns),
    ];
    query.extend(question);
    if has_edns {
        query.extend([0, 0, 41, message[0], message[1], 0, 0, 0, 0, 0, 0]);
    }
    query
}

/// Whether a name may point into the header, which is another one in the response: no server does that.
fn points_at_header(message: &[u8]) -> bool {
    let pairs = &mut message.windows(2);
    pairs.any(|pair| matches!(pair, [0xc0, ..12]))
}

/// What is left are records from the front, and TC where an answer is missing.
fn is_beginning(query: &Query, fitted: &[u8], whole: &Message) {
    let fitted = match Message::from_vec(fitted) {
        Ok(fitted) => fitted,
        Err(error) => panic!("{error}: {fitted:02x?}"),
    };
    assert_eq!(fitted.edns.is_some(), query.edns.is_some());
    assert!(whole.answers.starts_with(&fitted.answers));
    assert!(whole.authorities.starts_with(&fitted.authorities));
    assert!(whole.additionals.starts_with(&fitted.additionals));
    let is_short = fitted.answers.len() < whole.answers.len();
    assert!(!is_short || fitted.metadata.truncation, "no TC: {fitted}");
}
