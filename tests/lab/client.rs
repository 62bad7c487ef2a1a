//! A query from outside the node at the XDP hook of its NIC: generic, native, and with a VLAN tag.

use anyhow::{Context as _, Result};
use aya::programs::{Xdp, XdpMode};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use kerndns_tests::agent::Agent;
use kerndns_tests::capture::{Capture, refused_checksums};
use kerndns_tests::dns::{Resolver, answers};
use kerndns_tests::netns::Netns;
use kerndns_tests::programs::xdp;
use kerndns_tests::site::{SERVICE_V4, SERVICES, Site, WEB, WIDE};

/// A veth sends out what its XDP program gives back only to a peer that takes frames, as one with
/// an XDP program of its own does.
fn native_peer(client: &Netns) -> Result<Xdp> {
    let mut pass = xdp("pass")?;
    client.enter(|| pass.attach("eth0", XdpMode::Driver))?;
    Ok(pass)
}

/// A record, a denial, and sixty addresses: an answer far longer than the query was.
fn answered(agent: &Agent<'_>, client: &Netns) -> Result<()> {
    client.run("ethtool -K eth0 tx off")?;
    let mut capture = Capture::open(client)?;
    for server in SERVICES {
        let resolver = Resolver::new(client, server);
        let before = agent.outcome("xdp", "answer")?;
        let response = resolver
            .udp(WEB.0, RecordType::A)
            .with_context(|| format!("{:?}", agent.outcomes()))?;
        assert_eq!(answers(&response), [WEB.1]);
        capture.check_response().context("the short answer")?;
        let response = resolver.udp("nothing.cluster.local.", RecordType::A)?;
        assert_eq!(response.metadata.response_code, ResponseCode::NXDomain);
        capture.check_response().context("the denial")?;
        let response = resolver.edns(WIDE, RecordType::A, 1232)?;
        assert_eq!(response.answers.len(), 60);
        capture.check_response().context("the long answer")?;
        assert_eq!(agent.outcome("xdp", "answer")?, before + 2);
    }
    assert_eq!(agent.outcome("xdp", "nxdomain")?, 2);
    // The same with checksums that are left to a device, which a veth does not have.
    client.run("ethtool -K eth0 tx on")?;
    for server in SERVICES {
        let response = Resolver::new(client, server).udp(WEB.0, RecordType::AAAA)?;
        assert_eq!(answers(&response), ["fd00:96::20"]);
    }
    assert_eq!(agent.outcome("xdp", "answer")?, 6);
    assert_eq!(refused_checksums(client)?, 0);
    Ok(())
}

#[test]
fn a_client_is_answered_by_generic_xdp() -> Result<()> {
    let site = Site::routed(0)?;
    let agent = site.start(&["--listen", "none", "--nic", "nic0"])?;
    agent.expect_attached("xdp", 1);
    answered(&agent, &site.testbed.client)
}

#[test]
fn a_client_is_answered_by_native_xdp() -> Result<()> {
    let site = Site::routed(0)?;
    let _pass = native_peer(&site.testbed.client)?;
    let agent = site.start(&["--listen", "none", "--nic", "nic0", "--xdp", "native"])?;
    agent.expect_attached("xdp", 1);
    answered(&agent, &site.testbed.client)
}

#[test]
fn a_client_in_a_vlan_is_answered_with_its_tag() -> Result<()> {
    for mode in ["generic", "native"] {
        let site = Site::routed(0)?;
        let (node, client) = (&site.testbed.node, &site.testbed.client);
        for (netns, device, host) in [(node, "nic0", 1), (client, "eth0", 2)] {
            // Else the tag would travel beside the frame, where XDP does not see it.
            netns.run(&format!("ethtool -K {device} rxvlan off txvlan off"))?;
            netns.ip(&format!(
                "link add link {device} name {device}.7 type vlan id 7"
            ))?;
            netns.ip(&format!("addr add 198.18.7.{host}/24 dev {device}.7"))?;
            netns.ip(&format!("link set {device}.7 up"))?;
        }
        client.ip("route add 10.96.0.0/16 via 198.18.7.1")?;
        let _pass = native_peer(client)?;
        let agent = site.start(&["--listen", "none", "--nic", "nic0", "--xdp", mode])?;
        agent.expect_attached("xdp", 1);
        let resolver = Resolver::new(client, SERVICE_V4);
        assert_eq!(
            answers(&resolver.udp(WEB.0, RecordType::A)?),
            [WEB.1],
            "{mode}"
        );
        let wide = resolver.edns(WIDE, RecordType::A, 1232)?;
        assert_eq!(wide.answers.len(), 60, "{mode}");
        assert_eq!(agent.outcome("xdp", "answer")?, 2, "{mode}");
        assert_eq!(refused_checksums(client)?, 0, "{mode}");
    }
    Ok(())
}
