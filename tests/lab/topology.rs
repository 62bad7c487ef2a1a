//! Nodes that connect their pods in different ways, and pods that come while the agent runs.

use anyhow::Result;
use hickory_proto::rr::RecordType;
use kerndns_tests::agent::Agent;
use kerndns_tests::dns::{Resolver, answers};
use kerndns_tests::netns::Netns;
use kerndns_tests::site::{SERVICES, Site, WEB};

/// Every pod is answered in both families, and by the kernel.
fn every_pod(agent: &Agent<'_>, pods: &[Netns]) -> Result<()> {
    let before = agent.outcome("tc", "answer")?;
    for pod in pods {
        for server in SERVICES {
            let response = Resolver::new(pod, server).udp(WEB.0, RecordType::A)?;
            assert_eq!(answers(&response), [WEB.1], "{server}");
        }
    }
    let asked = 2 * u64::try_from(pods.len())?;
    assert_eq!(agent.outcome("tc", "answer")?, before + asked);
    Ok(())
}

#[test]
fn two_pods_that_are_routed_are_both_answered() -> Result<()> {
    let site = Site::routed(2)?;
    let agent = site.start(&["--listen", "none", "--pods", "veth*"])?;
    agent.expect_attached("tc", 2);
    every_pod(&agent, &site.testbed.pods)
}

#[test]
fn two_pods_behind_a_bridge_are_both_answered() -> Result<()> {
    for tc in ["tcx", "clsact"] {
        let site = Site::bridged(2)?;
        let agent = site.start(&["--listen", "none", "--pods", "veth*", "--tc", tc])?;
        agent.expect_attached("tc", 2);
        every_pod(&agent, &site.testbed.pods)?;
    }
    Ok(())
}

#[test]
fn a_pod_that_comes_later_is_answered_too() -> Result<()> {
    let site = Site::routed(1)?;
    let agent = site.start(&["--listen", "none", "--pods", "veth*"])?;
    agent.expect_attached("tc", 1);
    let later = site.testbed.routed_pod(1)?;
    agent.expect_attached("tc", 2);
    every_pod(&agent, &[later])
}
