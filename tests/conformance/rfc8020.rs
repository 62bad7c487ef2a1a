//! RFC 8020: NXDOMAIN says that nothing is below the name either, so what has something below it exists.

use anyhow::Result;
use kerndns_tests::case::{Case, NODATA, check};

use crate::cluster::site;

/// A row for each kind of empty non-terminal.
const ROWS: &[(&str, &str)] = &[
    ("svc.cluster.local. A", "Services are below it"),
    ("pod.cluster.local. A", "pods are below it"),
    ("dns.cluster.local. A", "ns.dns is below it"),
    (
        "shop.svc.cluster.local. A",
        "the namespace's Services are below it",
    ),
    ("empty.svc.cluster.local. TXT", "the namespace exists"),
    (
        "shop.pod.cluster.local. TXT",
        "the namespace's pods are below it",
    ),
    (
        "_tcp.web.shop.svc.cluster.local. SRV",
        "_http._tcp is below it",
    ),
    ("dns-version.cluster.local. A", "the name has a TXT record"),
    ("cluster.local. TXT", "the name has SOA and NS records"),
];

/// The same in the reverse zone, whose SOA is another one.
const REVERSE: &[&str] = &["96.10.in-addr.arpa. PTR", "0.96.10.in-addr.arpa. A"];

#[test]
fn what_has_something_below_it_exists() -> Result<()> {
    let site = site()?;
    for (question, rule) in ROWS {
        let section = "2";
        check(
            &site,
            &Case {
                section,
                rule,
                question,
                ..NODATA
            },
        );
    }
    for question in REVERSE {
        let row = Case {
            section: "2",
            rule: "the name of an address is below it",
            question,
            authority: &[
                "in-addr.arpa. 30 IN SOA ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. * 7200 1800 86400 30",
            ],
            ..NODATA
        };
        check(&site, &row);
    }
    Ok(())
}
