//! SIGTERM: programs off the interfaces and pins gone first, then answers for `lameduck`, then exit 0.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use hickory_proto::rr::RecordType;
use kerndns_tests::attacher::eventually;
use kerndns_tests::dns::{Asking, Resolver, answers};
use kerndns_tests::programs::tcx;
use kerndns_tests::responder::Responder;
use kerndns_tests::site::{SERVICE_V4, Site, WEB, corefile};
use nix::sys::signal::Signal;

#[test]
fn after_sigterm_the_agent_answers_for_lameduck_without_the_kernel() -> Result<()> {
    let site = Site::routed(1)?;
    site.corefile(&corefile("ttl 30", "3s"))?;
    let args = [
        "--listen",
        "10.96.0.10:53",
        "--pods",
        "veth*",
        "--nic",
        "nic0",
    ];
    let mut agent = site.start(&args)?;
    agent.expect_attached("tc", 1);
    agent.expect_attached("xdp", 1);
    assert!(!site.pinned().is_empty());
    let node = &site.testbed.node;
    let ended = Instant::now();
    agent.signal(Signal::SIGTERM)?;
    eventually("everything detached", || {
        let (tc, link) = (tcx(node, "veth0"), node.ip("link show nic0"));
        match (&tc, &link, site.pinned()) {
            (Ok(tc), Ok(link), pins)
                if tc.is_empty() && !link.contains("xdp") && pins.is_empty() =>
            {
                Ok(())
            }
            seen => Err(format!("{seen:?}")),
        }
    });
    let kernel = agent.outcome("tc", "answer")?;
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    while ended.elapsed() < Duration::from_millis(2500) {
        assert_eq!(answers(&pod.udp(WEB.0, RecordType::A)?), [WEB.1]);
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(agent.outcome("tc", "answer")?, kernel);
    assert_eq!(agent.wait(Duration::from_secs(5))?.code(), Some(0));
    assert!(ended.elapsed() >= Duration::from_secs(3));
    Ok(())
}

#[test]
fn no_query_is_lost_when_an_agent_in_front_of_another_server_ends() -> Result<()> {
    for tc in ["tcx", "clsact"] {
        let site = Site::routed(1)?;
        let behind = Ipv4Addr::new(203, 0, 113, 53);
        let _behind = Responder::start(&site.testbed.node, SERVICE_V4, behind)?;
        let mut agent = site.start(&["--listen", "none", "--pods", "veth*", "--tc", tc])?;
        agent.expect_attached("tc", 1);
        let asking = Asking::start(&site.testbed.pods[0], SERVICE_V4, WEB.0);
        thread::sleep(Duration::from_millis(300));
        agent.signal(Signal::SIGTERM)?;
        assert_eq!(agent.wait(Duration::from_secs(10))?.code(), Some(0));
        thread::sleep(Duration::from_millis(300));
        let attempts = asking.stop();
        let said: Vec<_> = attempts
            .iter()
            .map(|attempt| attempt.answers.clone().unwrap_or_default().concat())
            .collect();
        let turn = said.iter().position(|address| address != WEB.1);
        let (kernel, rest) = said.split_at(turn.unwrap_or(said.len()));
        assert!(kernel.len() > 20 && rest.len() > 20, "{tc}: {said:?}");
        let lost = rest.iter().filter(|address| address.is_empty()).count();
        // The removal of a clsact queueing discipline stops the interface's transmit queues for a moment
        // (`qdisc_graft`, Linux 6.18), and the other server's response may be on its way just then.
        assert!(lost <= usize::from(tc == "clsact"), "{tc}: {rest:?}");
        let others = rest
            .iter()
            .filter(|address| **address == behind.to_string());
        assert_eq!(others.count() + lost, rest.len(), "{tc}: {rest:?}");
        let filters = site.testbed.node.run("tc qdisc show dev veth0")?;
        assert!(!filters.contains("clsact"), "{filters}");
        assert!(site.pinned().is_empty());
    }
    Ok(())
}
