//! What the command line says about who answers, and for which destinations.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use hickory_proto::rr::RecordType;
use kerndns_tests::dns::{Resolver, answers};
use kerndns_tests::programs::tcx;
use kerndns_tests::responder::Responder;
use kerndns_tests::site::{SERVICE_V4, Site, WEB};

const BEHIND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);

#[test]
fn an_observing_kernel_counts_and_leaves_the_answer_to_what_is_behind() -> Result<()> {
    let site = Site::routed(1)?;
    let _behind = Responder::start(&site.testbed.node, SERVICE_V4, BEHIND)?;
    let args = ["--kernel", "observe", "--listen", "none", "--pods", "veth*"];
    let agent = site.start(&args)?;
    agent.expect_attached("tc", 1);
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    for (name, outcome) in [(WEB.0, "answer"), ("no.cluster.local.", "nxdomain")] {
        let response = pod.udp(name, RecordType::A)?;
        assert_eq!(answers(&response), [BEHIND.to_string()]);
        let outcomes = agent.outcomes();
        assert_eq!(agent.outcome("tc", outcome)?, 1, "{outcomes:?}");
    }
    Ok(())
}

#[test]
fn an_observing_kernel_leaves_the_answer_to_the_agent() -> Result<()> {
    let site = Site::routed(1)?;
    let args = [
        "--kernel",
        "observe",
        "--listen",
        "10.96.0.10:53",
        "--pods",
        "veth*",
    ];
    let agent = site.start(&args)?;
    agent.expect_attached("tc", 1);
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    assert_eq!(answers(&pod.udp(WEB.0, RecordType::A)?), [WEB.1]);
    assert_eq!(agent.outcome("tc", "answer")?, 1);
    let sent = "kerndns_responses_total{transport=\"udp\",rcode=\"NOERROR\"}";
    assert_eq!(agent.metric(sent)?, 1);
    Ok(())
}

#[test]
fn without_the_kernel_the_agent_answers_alone() -> Result<()> {
    let site = Site::routed(1)?;
    let args = [
        "--kernel",
        "off",
        "--listen",
        "10.96.0.10:53",
        "--pods",
        "veth*",
    ];
    let agent = site.start(&args)?;
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    assert_eq!(answers(&pod.udp(WEB.0, RecordType::A)?), [WEB.1]);
    assert_eq!(answers(&pod.tcp(WEB.0, RecordType::A)?), [WEB.1]);
    assert!(tcx(&site.testbed.node, "veth0")?.is_empty());
    assert!(site.pinned().is_empty());
    assert!(agent.outcome("tc", "answer").is_err());
    Ok(())
}

#[test]
fn the_kernel_answers_for_the_addresses_it_is_told_and_for_no_others() -> Result<()> {
    let site = Site::routed(1)?;
    let (node, client) = (&site.testbed.node, &site.testbed.client);
    let theirs = IpAddr::from([8, 8, 8, 8]);
    client.ip(&format!("addr add {theirs}/32 dev lo"))?;
    node.ip(&format!("route add {theirs} via 192.0.2.2"))?;
    let _theirs = Responder::start(client, theirs, BEHIND)?;
    let args = [
        "--service-ip",
        "10.96.0.99",
        "--listen",
        "none",
        "--pods",
        "veth*",
    ];
    let agent = site.start(&args)?;
    agent.expect_attached("tc", 1);
    let pod = &site.testbed.pods[0];

    // Nobody listens there, nor is it an address of the node's.
    let told = Resolver::new(pod, [10, 96, 0, 99].into());
    assert_eq!(answers(&told.udp(WEB.0, RecordType::A)?), [WEB.1]);
    assert_eq!(agent.outcome("tc", "answer")?, 1);

    let other = Resolver::new(pod, theirs);
    let response = other.udp(WEB.0, RecordType::A)?;
    assert_eq!(answers(&response), [BEHIND.to_string()]);
    assert_eq!(agent.outcome("tc", "answer")?, 1);
    Ok(())
}
