//! RFC 6891, EDNS(0): OPT in, OPT out; sizes, versions, options, and what does not fit.

use anyhow::{Context as _, Result};
use hickory_proto::op::Message;
use kerndns_tests::datagram::{Datagram, check_datagram, message, opt, question};
use kerndns_tests::ways::{Site, Way};

use crate::cluster::site;

/// RD.
const RD: u16 = 0x0100;
/// One A record and OPT.
const ANSWERED: &str = "NOERROR 0 aa rd 1 1 0 1";

#[test]
fn opt_in_opt_out() -> Result<()> {
    let site = site()?;
    let web = question("web.shop.svc.cluster.local.", 1, 1);
    // NSID, a client's cookie, and an option that nobody knows.
    let options = b"\0\x03\0\0\0\x0a\0\x0812345678\xfd\xe9\0\x02xy";
    let owned = [b"\x01x", &opt(1232, 0, false, &[])[..]].concat();
    for (section, rule, additional, header) in [
        (
            "6.1.1",
            "a query with OPT gets a response with OPT",
            vec![opt(1232, 0, false, &[])],
            ANSWERED,
        ),
        (
            "6.1.2",
            "options that are not understood are ignored",
            vec![opt(1232, 0, true, options)],
            ANSWERED,
        ),
        (
            "6.2.5",
            "a payload size below 512 counts as 512",
            vec![opt(300, 0, false, &[])],
            ANSWERED,
        ),
        (
            "6.1.1",
            "more than one OPT",
            vec![opt(1232, 0, false, &[]); 2],
            "FORMERR 0 rd 1 0 0 0",
        ),
        (
            "6.1.2",
            "an OPT that is not the root's",
            vec![owned],
            "FORMERR 0 rd 1 0 0 0",
        ),
        (
            "6.1.2",
            "options that do not add up",
            vec![opt(1232, 0, false, b"\0\x0a\0\x09x")],
            "FORMERR 0 rd 1 0 0 0",
        ),
        (
            "6.1.3",
            "a version that is not ours",
            vec![opt(1232, 1, false, &[])],
            "NOERROR 0 rd 1 0 0 1",
        ),
    ] {
        let count = u16::try_from(additional.len())?;
        let additional = additional.concat();
        let message = message(RD, [1, 0, 0, count], &[&web, &additional]);
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

#[test]
fn our_opt() -> Result<()> {
    let site = site()?;
    for way in [Way::Kernel, Way::Udp, Way::Tcp] {
        for (name, version, dnssec_ok, rcode) in [
            ("web.shop.svc.cluster.local.", 0, false, 0),
            ("web.shop.svc.cluster.local.", 0, true, 0),
            ("nosuch.shop.svc.cluster.local.", 0, true, 3),
            ("web.shop.svc.cluster.local.", 9, true, 16),
        ] {
            let options = b"\0\x0a\0\x0812345678";
            let response = ask(&site, way, name, &opt(4096, version, dnssec_ok, options))?;
            let edns = response.edns.context("6.1.1: no OPT in the response")?;
            assert_eq!(
                u16::from(response.metadata.response_code),
                rcode,
                "6.1.3: {name} {way:?}"
            );
            assert_eq!(edns.version(), 0, "6.1.3: ours is version 0");
            assert_eq!(
                edns.flags().dnssec_ok,
                dnssec_ok,
                "RFC 3225 3: DO is copied"
            );
            assert!(edns.max_payload() >= 512, "6.2.3");
            assert!(
                edns.options().as_ref().is_empty(),
                "6.1.1: options are hop by hop"
            );
        }
    }
    Ok(())
}

/// A headless Service of 40 addresses has 640 octets of records, one of 100 has 1600.
#[test]
fn what_does_not_fit_is_cut_between_records() -> Result<()> {
    let site = site()?;
    let (crowd, throng) = (
        "crowd.shop.svc.cluster.local.",
        "throng.shop.svc.cluster.local.",
    );
    for (rule, name, payload, octets, whole) in [
        (
            "RFC 1035 2.3.4: 512 octets without OPT",
            crowd,
            None,
            512,
            None,
        ),
        ("6.2.5: no less than 512", crowd, Some(100), 512, None),
        ("6.2.3: what the client takes", crowd, Some(600), 600, None),
        ("6.2.3: all of it", crowd, Some(1232), 1232, Some(40)),
        (
            "6.2.4: not what may be fragmented",
            throng,
            Some(65_535),
            1232,
            None,
        ),
    ] {
        for way in [Way::Kernel, Way::Udp] {
            let opt = payload.map_or(vec![], |payload| opt(payload, 0, false, &[]));
            let response = ask(&site, way, name, &opt)?;
            let length = response.to_vec()?.len();
            let records = response.answers.len();
            assert!(length <= octets, "{rule} by way of {way:?}: {length}");
            assert_eq!(
                response.metadata.truncation,
                whole.is_none(),
                "{rule} by way of {way:?}"
            );
            match whole {
                Some(whole) => assert_eq!(records, whole, "{rule}"),
                // RFC 2181 9: what is left is whole; an A record takes 16 octets.
                None => assert!(
                    length + 16 > octets,
                    "{rule}: {records} records fill {length}"
                ),
            }
        }
    }
    Ok(())
}

fn ask(site: &Site, way: Way, name: &str, opt: &[u8]) -> Result<Message> {
    let counts = [1, 0, 0, u16::from(!opt.is_empty())];
    let query = message(RD, counts, &[&question(name, 1, 1), opt]);
    let response = site.ask(way, &query)?.context("no response")?;
    Ok(Message::from_vec(&response)?)
}
