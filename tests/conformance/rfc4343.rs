//! RFC 4343: letters of either case are equal, and a response has the question's.

use anyhow::Result;
use kerndns_tests::case::{ANSWER, Case, NXDOMAIN, check};

use crate::cluster::site;

const ROWS: &[Case] = &[
    Case {
        section: "3, 4.1",
        rule: "names match whatever the case, and the owner of the answer has the question's",
        question: "Web.SHOP.svc.Cluster.Local. A",
        answer: &["Web.SHOP.svc.Cluster.Local. 30 IN A 10.96.0.20"],
        ..ANSWER
    },
    Case {
        section: "4.1",
        rule: "a denial's SOA has the question's case, too",
        question: "nosuch.shop.svc.CLUSTER.local. A",
        authority: &[
            "CLUSTER.local. 30 IN SOA ns.dns.CLUSTER.local. hostmaster.CLUSTER.local. * 7200 1800 86400 30",
        ],
        ..NXDOMAIN
    },
    Case {
        section: "3",
        rule: "hexadecimal digits of ip6.arpa are letters, too",
        question: "2.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.D.F.IP6.ARPA. PTR",
        answer: &[
            "2.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.D.F.IP6.ARPA. 30 IN PTR \
             dual.shop.svc.cluster.local.",
        ],
        ..ANSWER
    },
];

#[test]
fn case_of_letters() -> Result<()> {
    let site = site()?;
    for case in ROWS {
        check(&site, case);
    }
    Ok(())
}
