//! RFC 6604 and RFC 1034 3.6.2: aliases are followed, and the RCODE is that of the last name.

use anyhow::Result;
use kerndns_tests::case::{ANSWER, Case, NODATA, NXDOMAIN, SOA, check};

use crate::cluster::site;

const ROWS: &[Case] = &[
    Case {
        section: "RFC 1034 3.6.2",
        rule: "an alias of another zone's name is followed through the upstream, whose TTL stays",
        question: "one.shop.svc.cluster.local. A",
        answer: &[
            "one.shop.svc.cluster.local. 30 IN CNAME one.example.net.",
            "one.example.net. 300 IN A 198.51.100.1",
        ],
        ..ANSWER
    },
    Case {
        section: "RFC 1034 3.6.2",
        rule: "an alias within the zone is followed",
        question: "inside.shop.svc.cluster.local. A",
        answer: &[
            "inside.shop.svc.cluster.local. 30 IN CNAME web.shop.svc.cluster.local.",
            "web.shop.svc.cluster.local. 30 IN A 10.96.0.20",
        ],
        ..ANSWER
    },
    Case {
        section: "RFC 1034 3.6.2",
        rule: "an alias of an alias is followed",
        question: "twice.shop.svc.cluster.local. A",
        answer: &[
            "twice.shop.svc.cluster.local. 30 IN CNAME inside.shop.svc.cluster.local.",
            "inside.shop.svc.cluster.local. 30 IN CNAME web.shop.svc.cluster.local.",
            "web.shop.svc.cluster.local. 30 IN A 10.96.0.20",
        ],
        ..ANSWER
    },
    Case {
        section: "RFC 1034 3.6.2",
        rule: "a query for the alias itself is not followed",
        question: "twice.shop.svc.cluster.local. CNAME",
        answer: &["twice.shop.svc.cluster.local. 30 IN CNAME inside.shop.svc.cluster.local."],
        ..ANSWER
    },
    Case {
        section: "3",
        rule: "the last name exists, the type does not: NOERROR, and its zone's SOA",
        question: "inside.shop.svc.cluster.local. AAAA",
        answer: &["inside.shop.svc.cluster.local. 30 IN CNAME web.shop.svc.cluster.local."],
        ..NODATA
    },
    Case {
        section: "RFC 1034 4.3.2",
        rule: "an alias is one for every type",
        question: "twice.shop.svc.cluster.local. TYPE65",
        answer: &[
            "twice.shop.svc.cluster.local. 30 IN CNAME inside.shop.svc.cluster.local.",
            "inside.shop.svc.cluster.local. 30 IN CNAME web.shop.svc.cluster.local.",
        ],
        ..NODATA
    },
    Case {
        section: "RFC 1034 3.6.2",
        rule: "a circle is an error: each alias once",
        question: "ping.shop.svc.cluster.local. A",
        rcode: "SERVFAIL",
        answer: &[
            "ping.shop.svc.cluster.local. 30 IN CNAME pong.shop.svc.cluster.local.",
            "pong.shop.svc.cluster.local. 30 IN CNAME ping.shop.svc.cluster.local.",
        ],
        ..ANSWER
    },
    Case {
        section: "RFC 1034 3.6.2",
        rule: "the apex has a SOA record, also by way of an alias",
        question: "zone.shop.svc.cluster.local. SOA",
        answer: &[
            "zone.shop.svc.cluster.local. 30 IN CNAME cluster.local.",
            SOA,
        ],
        ..ANSWER
    },
    Case {
        section: "RFC 1034 3.6.2",
        rule: "a pod's name is followed",
        question: "pod.shop.svc.cluster.local. A",
        answer: &[
            "pod.shop.svc.cluster.local. 30 IN CNAME 192-0-2-7.shop.pod.cluster.local.",
            "192-0-2-7.shop.pod.cluster.local. 30 IN A 192.0.2.7",
        ],
        ..ANSWER
    },
    Case {
        section: "3",
        rule: "the last name does not exist: NXDOMAIN, though the first one does",
        question: "missing.shop.svc.cluster.local. A",
        answer: &["missing.shop.svc.cluster.local. 30 IN CNAME nosuch.shop.svc.cluster.local."],
        ..NXDOMAIN
    },
    Case {
        section: "3",
        rule: "the same where the last name is the upstream's",
        question: "gone.shop.svc.cluster.local. A",
        answer: &["gone.shop.svc.cluster.local. 30 IN CNAME gone.example.net."],
        authority: &["example.net. 60 IN SOA ns.example.net. h.example.net. * 2 3 4 60"],
        ..NXDOMAIN
    },
];

#[test]
fn aliases() -> Result<()> {
    let site = site()?;
    for case in ROWS {
        check(&site, case);
    }
    Ok(())
}
