//! RFC 5001, NSID, and what else a server says of itself: RFC 4892 (names of class CH), RFC 8482 (ANY).

use anyhow::{Context as _, Result};
use hickory_proto::op::Message;
use kerndns_tests::datagram::{Datagram, check_datagram, message, opt, question};
use kerndns_tests::ways::WAYS;

use crate::cluster::site_with_plugins;

/// RD.
const RD: u16 = 0x0100;

#[test]
fn what_the_corefile_wants_said_is_said_by_all_ways() -> Result<()> {
    let site = site_with_plugins()?;
    let before = site.kernel_outcomes("nsid")?;
    for (section, rule, name, rcode) in [
        ("2.2", "an answer", "web.shop.svc.cluster.local.", 0),
        ("2.2", "a denial", "nosuch.shop.svc.cluster.local.", 3),
        ("2.2", "a forwarded name", "one.example.net.", 0),
    ] {
        for way in WAYS {
            let asking = opt(1232, 0, false, &[0, 3, 0, 0]);
            let query = message(RD, [1, 0, 0, 1], &[&question(name, 1, 1), &asking]);
            let response = site.ask(way, &query)?.context("no response")?;
            assert!(
                response.ends_with(b"\0\x0a\0\x03\0\x06node-1"),
                "{section}: {rule}, {way:?}"
            );
            assert_eq!(response[3] & 15, rcode, "{rule}, {way:?}");
            let quiet = message(
                RD,
                [1, 0, 0, 1],
                &[&question(name, 1, 1), &opt(1232, 0, false, &[])],
            );
            let response = site.ask(way, &quiet)?.context("no response")?;
            let response = Message::from_vec(&response)?;
            let edns = response.edns.context("no OPT")?;
            assert!(
                edns.options().as_ref().is_empty(),
                "2.1: not asked for, {way:?}"
            );
        }
    }
    assert_eq!(site.kernel_outcomes("nsid")? - before, 3);
    for (section, rule, name, qtype, qclass, header) in [
        (
            "RFC 4892 3.1",
            "who answers",
            "id.server.",
            16,
            3,
            "NOERROR 0 rd 1 1 0 0",
        ),
        (
            "RFC 4892 3",
            "what it is",
            "version.bind.",
            16,
            3,
            "NOERROR 0 rd 1 1 0 0",
        ),
        (
            "RFC 1035 3.2.4",
            "nothing else of that class",
            "web.shop.svc.cluster.local.",
            1,
            3,
            "REFUSED 0 rd 1 0 0 0",
        ),
        (
            "RFC 8482 4.2",
            "one record",
            "web.shop.svc.cluster.local.",
            255,
            1,
            "NOERROR 0 rd 1 1 0 0",
        ),
    ] {
        let message = message(RD, [1, 0, 0, 0], &[&question(name, qtype, qclass)]);
        check_datagram(
            &site,
            &Datagram {
                section,
                rule,
                message,
                header,
            },
        );
    }
    Ok(())
}
