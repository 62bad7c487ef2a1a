//! RFC 7766: DNS over TCP.

use anyhow::{Context as _, Result};
use hickory_proto::op::Message;
use kerndns_tests::datagram::{message, question};
use kerndns_tests::ways::Way;

use crate::cluster::site;

/// RD.
const RD: u16 = 0x0100;

#[test]
fn a_truncated_answer_is_whole_over_tcp() -> Result<()> {
    let site = site()?;
    for (rule, name, records) in [
        (
            "5: more than 512 octets",
            "crowd.shop.svc.cluster.local.",
            40,
        ),
        (
            "5: more than any datagram of ours",
            "throng.shop.svc.cluster.local.",
            100,
        ),
        (
            "5: an alias, where the upstream's answer took TCP as well",
            "big.shop.svc.cluster.local.",
            101,
        ),
        ("5: a forwarded name", "big.example.net.", 100),
    ] {
        let query = message(RD, [1, 0, 0, 0], &[&question(name, 1, 1)]);
        let response = site.ask(Way::Tcp, &query)?.context("no response")?;
        let response = Message::from_vec(&response)?;
        assert_eq!(response.answers.len(), records, "{rule}");
        assert!(!response.metadata.truncation, "{rule}");
        let response = site.ask(Way::Udp, &query)?.context("no response")?;
        assert!(Message::from_vec(&response)?.metadata.truncation, "{rule}");
    }
    Ok(())
}

#[test]
fn one_connection_takes_many_queries_at_once() -> Result<()> {
    let site = site()?;
    let names = [
        "web.shop.svc",
        "one.shop.svc",
        "nosuch.shop.svc",
        "dual.shop.svc",
    ];
    let mut queries: Vec<Vec<u8>> = Vec::new();
    for (id, name) in names.iter().cycle().take(40).enumerate() {
        let mut query = message(
            RD,
            [1, 0, 0, 0],
            &[&question(&format!("{name}.cluster.local."), 1, 1)],
        );
        query[..2].copy_from_slice(&u16::try_from(id)?.to_be_bytes());
        queries.push(query);
    }
    let queries: Vec<&[u8]> = queries.iter().map(Vec::as_slice).collect();
    let responses = site.pipeline(&queries)?;
    // 6.2.1.1: in any order; the ID and the question say to which query a response belongs.
    let mut ids = Vec::new();
    for response in &responses {
        let response = Message::from_vec(response)?;
        let id = response.metadata.id;
        let asked = Message::from_vec(queries[usize::from(id)])?;
        assert_eq!(
            response.queries, asked.queries,
            "7: the response's question is the query's"
        );
        ids.push(id);
    }
    ids.sort_unstable();
    assert!(
        ids.into_iter().eq(0..40),
        "6.2.1: each query has one response"
    );
    Ok(())
}
