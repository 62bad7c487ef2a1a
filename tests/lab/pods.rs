//! A pod's query at the tc hook: every kind of answer in both families, by TCX and by clsact, with
//! the checksum made by the pod's kernel and left to the device; and what goes on to the agent.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use kerndns_tests::capture::{Capture, refused_checksums};
use kerndns_tests::dns::{Resolver, answers};
use kerndns_tests::responder::Responder;
use kerndns_tests::site::{SERVICE_V4, SERVICES, Site, UPSTREAM, WEB, WIDE};

/// Question, answer, outcome.
type Row = (
    &'static str,
    RecordType,
    ResponseCode,
    &'static [&'static str],
    &'static str,
);

#[rustfmt::skip]
const ROWS: [Row; 9] = [
    (WEB.0, RecordType::A, ResponseCode::NoError, &[WEB.1], "answer"),
    (WEB.0, RecordType::AAAA, ResponseCode::NoError, &["fd00:96::20"], "answer"),
    ("_http._tcp.web.prod.svc.cluster.local.", RecordType::SRV, ResponseCode::NoError,
     &["0 50 80 web.prod.svc.cluster.local."], "answer"),
    ("20.0.96.10.in-addr.arpa.", RecordType::PTR, ResponseCode::NoError, &[WEB.0], "answer"),
    ("0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa.", RecordType::PTR,
     ResponseCode::NoError, &[WEB.0], "answer"),
    (WEB.0, RecordType::MX, ResponseCode::NoError, &[], "nodata"),
    ("prod.svc.cluster.local.", RecordType::A, ResponseCode::NoError, &[], "nodata"),
    ("nothing.prod.svc.cluster.local.", RecordType::A, ResponseCode::NXDomain, &[], "nxdomain"),
    ("odd.nothing.svc.cluster.local.", RecordType::AAAA, ResponseCode::NXDomain, &[], "nxdomain"),
];

/// Asks all rows in both families and sees each counted; with the pod's checksum offload off, also
/// looks at the frames, whose checksums are complete then.
fn every_row(tc: &str) -> Result<()> {
    let site = Site::routed(1)?;
    let agent = site.start(&["--listen", "none", "--pods", "veth*", "--tc", tc])?;
    agent.expect_attached("tc", 1);
    let pod = &site.testbed.pods[0];
    for offload in ["on", "off"] {
        pod.run(&format!("ethtool -K eth0 tx {offload}"))?;
        let mut capture = Capture::open(pod)?;
        for server in SERVICES {
            let resolver = Resolver::new(pod, server);
            for (name, qtype, rcode, data, outcome) in ROWS {
                let row = format!("{name} {qtype} to {server}, tx {offload}");
                let before = agent.outcome("tc", outcome)?;
                let response = resolver.udp(name, qtype).context(row.clone())?;
                assert_eq!(response.metadata.response_code, rcode, "{row}");
                assert_eq!(answers(&response), data, "{row}");
                assert_eq!(agent.outcome("tc", outcome)?, before + 1, "{row}");
                if offload == "off" {
                    capture.check_response().context(row)?;
                }
            }
        }
    }
    assert_eq!(refused_checksums(pod)?, 0);
    Ok(())
}

#[test]
fn a_pods_queries_are_answered_in_the_kernel_by_tcx() -> Result<()> {
    every_row("tcx")
}

#[test]
fn a_pods_queries_are_answered_in_the_kernel_by_clsact() -> Result<()> {
    every_row("clsact")
}

#[test]
fn what_the_kernel_passes_is_answered_by_the_agent() -> Result<()> {
    let site = Site::routed(1)?;
    let outside = Ipv4Addr::new(203, 0, 113, 9);
    let _upstream = Responder::start(&site.testbed.client, UPSTREAM, outside)?;
    let agent = site.start(&["--listen", "10.96.0.10:53", "--pods", "veth*"])?;
    agent.expect_attached("tc", 1);
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);

    let response = pod.udp("www.example.com.", RecordType::A)?;
    assert_eq!(answers(&response), [outside.to_string()]);
    // The root zone is in the Corefile, but nothing of it is held.
    let passed = agent.outcome("tc", "out_of_zone")? + agent.outcome("tc", "other_server")?;
    assert_eq!(passed, 1, "{:?}", agent.outcomes());

    let response = pod.udp(WIDE, RecordType::A)?;
    assert!(response.metadata.truncation);
    assert_eq!(agent.outcome("tc", "too_large")?, 1);
    let whole = pod.tcp(WIDE, RecordType::A)?;
    assert!(!whole.metadata.truncation && whole.answers.len() == 60);
    assert_eq!(agent.outcome("tc", "answer")?, 0);

    let whole = pod.edns(WIDE, RecordType::A, 4096)?;
    assert_eq!((whole.answers.len(), whole.edns.is_some()), (60, true));
    assert_eq!(agent.outcome("tc", "answer")?, 1);
    Ok(())
}
