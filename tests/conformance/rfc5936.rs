//! RFC 5936, AXFR: a zone as a stream; with RFC 1995, IXFR answered by the whole zone or by its SOA.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record, RecordType};
use kerndns_tests::datagram::{header, message, question};
use kerndns_tests::ways::Way;

use crate::cluster::site_with_plugins;

#[test]
fn a_zone_is_transferred_and_each_of_its_records_is_answered() -> Result<()> {
    let site = site_with_plugins()?;
    let axfr = message(0, [1, 0, 0, 0], &[&question("cluster.local.", 252, 1)]);
    let messages = site.transfer(&axfr)?;
    let records: Vec<&Record> = messages
        .iter()
        .flat_map(|message| &message.answers)
        .collect();
    let (first, last) = (records[0], records[records.len() - 1]);
    assert_eq!(first, last, "2.2: the same SOA at both ends");
    let body = &records[1..records.len() - 1];
    let distinct: HashSet<String> = body.iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), body.len(), "2.2: each record once");
    assert!(messages.len() > 1, "2.2: in several messages");
    // 3: the zone is what is answered; every tenth record stands for all.
    for record in body.iter().step_by(10) {
        let asked = question(&record.name.to_string(), record.record_type().into(), 1);
        let response = site.ask(Way::Tcp, &message(0, [1, 0, 0, 0], &[&asked]))?;
        let response = Message::from_vec(&response.context("no response")?)?;
        assert!(
            response.answers.contains(*record),
            "{record} is not answered"
        );
    }
    for name in ["web.shop.svc.cluster.local.", "dns-version.cluster.local."] {
        assert!(
            body.iter().any(|record| record.name.to_string() == name),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn ixfr_and_what_is_refused() -> Result<()> {
    let site = site_with_plugins()?;
    let soa = message(0, [1, 0, 0, 0], &[&question("cluster.local.", 6, 1)]);
    let soa = Message::from_vec(&site.ask(Way::Tcp, &soa)?.context("no response")?)?;
    let RData::SOA(held) = &soa.answers[0].data else {
        anyhow::bail!("{soa}");
    };
    let ixfr = |serial: u32| {
        let mut record = b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x16\0\0".to_vec();
        record.extend(serial.to_be_bytes());
        record.extend([0; 16]);
        message(
            0,
            [1, 0, 1, 0],
            &[&question("cluster.local.", 251, 1), &record],
        )
    };
    let alone = site
        .ask(Way::Tcp, &ixfr(held.serial))?
        .context("no response")?;
    assert_eq!(
        header(&alone),
        "NOERROR 0 aa 1 1 0 0",
        "RFC 1995 2: the same version"
    );
    let whole = site.transfer(&ixfr(held.serial - 1))?;
    assert_eq!(
        whole[0].answers[0].record_type(),
        RecordType::SOA,
        "RFC 1995 4"
    );
    assert!(
        whole
            .iter()
            .map(|message| message.answers.len())
            .sum::<usize>()
            > 100
    );
    for (rule, name, qtype, way) in [
        ("4.2: not over UDP", "cluster.local.", 252, Way::Udp),
        (
            "RFC 1995 2: no more over UDP",
            "cluster.local.",
            251,
            Way::Kernel,
        ),
        (
            "a zone of `kubernetes` that no line names",
            "in-addr.arpa.",
            252,
            Way::Tcp,
        ),
        ("a name within a zone", "svc.cluster.local.", 252, Way::Tcp),
        ("a zone of others", "example.net.", 252, Way::Tcp),
    ] {
        let query = message(0, [1, 0, 0, 0], &[&question(name, qtype, 1)]);
        let response = site.ask(way, &query)?.context("no response")?;
        assert_eq!(header(&response), "REFUSED 0 1 0 0 0", "{rule}");
    }
    Ok(())
}
