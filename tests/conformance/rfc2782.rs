//! RFC 2782: SRV records.

use anyhow::Result;
use kerndns_tests::case::{ANSWER, Case, NODATA, NXDOMAIN, check};

use crate::cluster::site;

const ROWS: &[Case] = &[
    Case {
        section: "The format of the SRV RR",
        rule: "several ports are several records; equal priority and weight share the clients equally",
        question: "web.shop.svc.cluster.local. SRV",
        answer: &[
            "web.shop.svc.cluster.local. 30 IN SRV 0 50 80 web.shop.svc.cluster.local.",
            "web.shop.svc.cluster.local. 30 IN SRV 0 50 443 web.shop.svc.cluster.local.",
        ],
        additional: &["web.shop.svc.cluster.local. 30 IN A 10.96.0.20"],
        ..ANSWER
    },
    Case {
        section: "The format of the SRV RR, Target",
        rule: "the target's addresses of both families come along",
        question: "_http._tcp.dual.shop.svc.cluster.local. SRV",
        answer: &[
            "_http._tcp.dual.shop.svc.cluster.local. 30 IN SRV 0 50 80 dual.shop.svc.cluster.local.",
        ],
        additional: &[
            "dual.shop.svc.cluster.local. 30 IN A 10.96.0.22",
            "dual.shop.svc.cluster.local. 30 IN AAAA fd00:96::22",
        ],
        ..ANSWER
    },
    Case {
        section: "The format of the SRV RR, Name",
        rule: "service and protocol have an underscore before them, or they are other names",
        question: "http.tcp.web.shop.svc.cluster.local. SRV",
        ..NXDOMAIN
    },
    Case {
        section: "The format of the SRV RR, Name",
        rule: "a pod's name offers no service",
        question: "192-0-2-7.shop.pod.cluster.local. SRV",
        ..NODATA
    },
];

#[test]
fn srv_records() -> Result<()> {
    let site = site()?;
    for case in ROWS {
        check(&site, case);
    }
    Ok(())
}
