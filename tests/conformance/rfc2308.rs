//! RFC 2308, negative answers: what comes with NXDOMAIN and with NODATA.

use anyhow::Result;
use kerndns_tests::case::{ANSWER, Case, FORWARDED, NODATA, NXDOMAIN, check};

use crate::cluster::site;

const ROWS: &[Case] = &[
    Case {
        section: "2.1",
        rule: "a name error has the zone's SOA in the authority section",
        question: "nosuch.shop.svc.cluster.local. A",
        ..NXDOMAIN
    },
    Case {
        section: "2.1",
        rule: "a name error is of the name, whatever the type",
        question: "nosuch.shop.svc.cluster.local. SOA",
        ..NXDOMAIN
    },
    Case {
        section: "2.2",
        rule: "NODATA is NOERROR without an answer, with the zone's SOA",
        question: "web.shop.svc.cluster.local. MX",
        ..NODATA
    },
    Case {
        section: "2.2",
        rule: "NODATA of a type that nobody knows",
        question: "web.shop.svc.cluster.local. TYPE65280",
        ..NODATA
    },
    Case {
        section: "3",
        rule: "the SOA comes from the zone that the name is in",
        question: "20.0.96.10.in-addr.arpa. TXT",
        authority: &[
            "in-addr.arpa. 30 IN SOA ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. * 7200 1800 86400 30",
        ],
        ..NODATA
    },
    Case {
        section: "3",
        rule: "the SOA is there to be asked for",
        question: "cluster.local. SOA",
        answer: &[
            "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. * 7200 1800 86400 30",
        ],
        ..ANSWER
    },
    Case {
        section: "2.1",
        rule: "where a zone falls through, a name error is the upstream's",
        question: "9.9.9.9.in-addr.arpa. PTR",
        rcode: "NXDOMAIN",
        authority: &["example.net. 60 IN SOA ns.example.net. h.example.net. * 2 3 4 60"],
        ..FORWARDED
    },
];

#[test]
fn negative_answers() -> Result<()> {
    let site = site()?;
    for case in ROWS {
        check(&site, case);
    }
    Ok(())
}
