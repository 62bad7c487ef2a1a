//! A query from outside the node at the XDP hook of its NIC: generic, native, and with a VLAN tag.

use anyhow::{Context as _, Result};
use aya::programs::{Xdp, XdpMode};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use kerndns_tests::agent::Agent;
use kerndns_tests::capture::{Capture, refused_checksums, sum};
use kerndns_tests::dns::{Resolver, answers, query};
use kerndns_tests::netns::Netns;
use kerndns_tests::programs::xdp;
use kerndns_tests::site::{EIGHT, SERVICES, Site, WEB, WIDE};
use nix::net::if_::if_nametoindex;

/// A veth sends out what its XDP program gives back only to a peer that takes frames, as one with
/// an XDP program of its own does.
fn native_peer(client: &Netns) -> Result<Xdp> {
    let mut pass = xdp("pass")?;
    client.enter(|| pass.attach("eth0", XdpMode::Driver))?;
    Ok(pass)
}

/// The agent behind the programs, for what they pass.
const LISTEN: [&str; 4] = ["--listen", "10.96.0.10:53", "--listen", "[fd00:96::a]:53"];

/// A record, a denial, an answer far longer than the query was, and one for which a frame on a veth
/// has no room: that is the agent's.
fn answered(agent: &Agent<'_>, client: &Netns) -> Result<()> {
    client.run("ethtool -K eth0 tx off")?;
    for server in SERVICES {
        let mut capture = Capture::open(client)?;
        let resolver = Resolver::new(client, server);
        let before = agent.outcome("xdp", "answer")?;
        let response = resolver.udp(WEB.0, RecordType::A)?;
        assert_eq!(answers(&response), [WEB.1]);
        capture.check_response().context("the short answer")?;
        let response = resolver.udp("nothing.cluster.local.", RecordType::A)?;
        assert_eq!(response.metadata.response_code, ResponseCode::NXDomain);
        capture.check_response().context("the denial")?;
        let response = resolver.edns(EIGHT, RecordType::A, 1232)?;
        assert_eq!(response.answers.len(), 8);
        capture.check_response().context("the long answer")?;
        assert_eq!(agent.outcome("xdp", "answer")?, before + 2);
        let response = resolver.edns(WIDE, RecordType::A, 1232)?;
        assert_eq!(response.answers.len(), 60);
    }
    assert_eq!(agent.outcome("xdp", "no_room")?, 2);
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
    let agent = site.start(&[&LISTEN[..], &["--nic", "nic0"]].concat())?;
    agent.expect_attached("xdp", 1);
    answered(&agent, &site.testbed.client).with_context(|| agent.outcomes().join("\n"))
}

#[test]
fn a_client_is_answered_by_native_xdp() -> Result<()> {
    let site = Site::routed(0)?;
    let _pass = native_peer(&site.testbed.client)?;
    let agent = site.start(&[&LISTEN[..], &["--nic", "nic0", "--xdp", "native"]].concat())?;
    agent.expect_attached("xdp", 1);
    answered(&agent, &site.testbed.client).with_context(|| agent.outcomes().join("\n"))
}

/// The tag is put in by hand: a VLAN interface takes a kernel with the module 8021q.
#[test]
fn a_query_with_a_vlan_tag_is_answered_with_the_tag() -> Result<()> {
    for mode in ["generic", "native"] {
        let site = Site::routed(0)?;
        let client = &site.testbed.client;
        let _pass = native_peer(client)?;
        let agent = site.start(&["--listen", "none", "--nic", "nic0", "--xdp", mode])?;
        agent.expect_attached("xdp", 1);
        let (to, from) = (mac(&site.testbed.node, "nic0")?, mac(client, "eth0")?);
        let index = client.enter(|| if_nametoindex("eth0"))?;
        let mut capture = Capture::open(client)?;
        for (name, size, count) in [(WEB.0, None, 1), (EIGHT, Some(1232), 8)] {
            let query = query(name, RecordType::A, size)?.to_vec()?;
            capture.send(index, &tagged(&to, &from, &query)?)?;
            let frame = capture
                .check_response()
                .with_context(|| format!("{name} {mode} {:?}", agent.outcomes()))?;
            assert_eq!(frame.tag, Some(7), "{mode}");
            assert_eq!(frame.octets[..12], [&from[..], &to[..]].concat(), "{mode}");
            let response = Message::from_vec(&frame.octets[42..])?;
            assert_eq!(response.answers.len(), count, "{mode}");
        }
        assert_eq!(agent.outcome("xdp", "answer")?, 2, "{mode}");
    }
    Ok(())
}

/// An interface's Ethernet address.
fn mac(netns: &Netns, interface: &str) -> Result<Vec<u8>> {
    let link = netns.ip(&format!("-brief link show {interface}"))?;
    let text = link.split_whitespace().nth(2).context("no address")?;
    let octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16));
    Ok(octets.collect::<Result<_, _>>()?)
}

/// A query of the client's in VLAN 7, without a UDP checksum, which IPv4 allows (RFC 768).
fn tagged(to: &[u8], from: &[u8], query: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(query.len())? + 8;
    let mut header = [0; 20];
    (header[0], header[8], header[9]) = (0x45, 64, 17);
    header[2..4].copy_from_slice(&(length + 20).to_be_bytes());
    header[12..16].copy_from_slice(&[192, 0, 2, 2]);
    header[16..20].copy_from_slice(&[10, 96, 0, 10]);
    let checksum = !sum(&[&header]);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = [to, from, &[0x81, 0, 0, 7, 0x08, 0], &header].concat();
    for word in [40_000, 53, length, 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(query);
    Ok(frame)
}
