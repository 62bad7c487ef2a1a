//! XDP's modes, and an interface whose one slot another program holds.

use anyhow::Result;
use aya::programs::XdpMode as Flags;
use dns_agent::kernel::attach::Programs;
use dns_agent::kernel::hook::Hook;
use dns_agent::kernel::object::XDP;
use dns_agent::kernel::tc::TcMode;
use dns_agent::kernel::xdp::XdpMode;
use kerndns_tests::attacher::{RunningAttacher, failed, plan};
use kerndns_tests::netns::{Netns, veth};
use kerndns_tests::programs::{programs, xdp, xdp_by_netlink};

fn node_and_client() -> Result<(Netns, Netns)> {
    let (node, client) = (Netns::new()?, Netns::new()?);
    veth((&node, "nic0"), (&client, "eth0"))?;
    Ok((node, client))
}

fn start(node: &Netns, mode: XdpMode) -> Result<RunningAttacher> {
    RunningAttacher::start(node, plan(&[], &["nic*"], TcMode::Auto, mode)?)
}

#[test]
fn a_veth_gets_generic_xdp_by_itself_and_native_when_asked() -> Result<()> {
    let (node, _client) = node_and_client()?;
    for (mode, told, shown) in [
        (XdpMode::Auto, "nic0 xdp generic", "xdpgeneric"),
        (XdpMode::Generic, "nic0 xdp generic", "xdpgeneric"),
        (XdpMode::Native, "nic0 xdp native", "xdp"),
    ] {
        let mut attacher = start(&node, mode)?;
        attacher.expect(&[told]);
        let link = node.ip("link show nic0")?;
        assert!(
            link.split_whitespace().any(|word| word == shown),
            "{mode:?}: {link}"
        );
        attacher.stop()?;
        assert!(!node.ip("link show nic0")?.contains("xdp"));
    }
    Ok(())
}

#[test]
fn a_bridge_has_no_native_xdp_and_falls_back_to_generic() -> Result<()> {
    let node = Netns::new()?;
    node.ip("link add nic0 type bridge")?;
    let attacher = start(&node, XdpMode::Auto)?;
    attacher.expect(&["nic0 xdp generic"]);
    drop(attacher);
    let attacher = start(&node, XdpMode::Native)?;
    failed(&attacher.attached, Hook::Xdp);
    assert_eq!(
        attacher.attached.failing(),
        [("nic0".to_owned(), Hook::Xdp)]
    );
    assert!(!node.ip("link show nic0")?.contains("xdp"));
    Ok(())
}

#[test]
fn a_slot_another_program_holds_is_a_failure_that_ends_when_it_goes() -> Result<()> {
    let (node, _client) = node_and_client()?;
    for (theirs, ours) in [(Flags::Skb, XdpMode::Auto), (Flags::Driver, XdpMode::Auto)] {
        let mut other = xdp("other")?;
        let link = node.enter(|| other.attach("nic0", theirs))?;
        let attacher = start(&node, ours)?;
        failed(&attacher.attached, Hook::Xdp);
        assert_eq!(
            attacher.attached.failing(),
            [("nic0".to_owned(), Hook::Xdp)]
        );
        assert!(attacher.list().is_empty());
        other.detach(link)?;
        attacher.expect(&["nic0 xdp generic"]);
        assert!(attacher.attached.failing().is_empty());
    }
    Ok(())
}

/// It would outlive the agent, and nothing would take it off.
#[test]
fn an_attachment_by_netlink_is_undone_and_counted_as_a_failure() -> Result<()> {
    let (node, _client) = node_and_client()?;
    for mode in [XdpMode::Generic, XdpMode::Native] {
        let programs = Programs {
            xdp: xdp_by_netlink(XDP)?,
            ..programs()?
        };
        let plan = plan(&[], &["nic*"], TcMode::Auto, mode)?;
        let attacher = RunningAttacher::start_with(&node, plan, programs)?;
        failed(&attacher.attached, Hook::Xdp);
        assert!(attacher.list().is_empty());
        drop(attacher);
        let link = node.ip("link show nic0")?;
        assert!(!link.contains("xdp"), "{link}");
    }
    Ok(())
}
