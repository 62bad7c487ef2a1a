//! Attaching to interfaces that come, change and go: which ones, in which order, and what is left.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::links::LinkOrder;
use aya::programs::tc::TcAttachOptions;
use aya::programs::{SchedClassifier, TcAttachType};
use dns_agent::kernel::attach::{Plan, Programs};
use dns_agent::kernel::links::{LinkEvent, Links};
use dns_agent::kernel::object::{self, Constants, TC};
use dns_agent::kernel::tc::TcMode;
use dns_agent::kernel::xdp::XdpMode;
use dns_ebpf::fold::Seed;
use kerndns_tests::attacher::{RunningAttacher, block_on, eventually, plan};
use kerndns_tests::netns::BpfFs;
use kerndns_tests::netns::{Netns, TempFile, veth};
use kerndns_tests::programs::{classifier, tcx};

/// A node with `veth0` to a pod.
fn node_and_pod() -> Result<(Netns, Netns)> {
    let (node, pod) = (Netns::new()?, Netns::new()?);
    veth((&node, "veth0"), (&pod, "eth0"))?;
    Ok((node, pod))
}

fn pods(globs: &[&str], tc: TcMode) -> Result<Plan> {
    plan(globs, &[], tc, XdpMode::Auto)
}

#[test]
fn a_pods_veth_is_attached_and_other_links_that_match_are_left_alone() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    veth((&node, "veth-here"), (&node, "veth-there"))?;
    node.ip("link add veth-bridge type bridge")?;
    let attacher = RunningAttacher::start(&node, pods(&["veth*"], TcMode::Auto)?)?;
    attacher.expect(&["veth0 tc tcx"]);
    assert_eq!(tcx(&node, "veth0")?, [TC]);
    assert!(tcx(&node, "veth-here")?.is_empty() && tcx(&node, "veth-bridge")?.is_empty());
    assert!(attacher.attached.failing().is_empty());
    Ok(())
}

#[test]
fn a_veth_that_comes_later_is_attached_and_one_that_goes_is_forgotten() -> Result<()> {
    let (node, pod) = node_and_pod()?;
    let attacher = RunningAttacher::start(&node, pods(&["veth*"], TcMode::Tcx)?)?;
    attacher.expect(&["veth0 tc tcx"]);
    let other = Netns::new()?;
    veth((&node, "veth1"), (&other, "eth0"))?;
    attacher.expect(&["veth0 tc tcx", "veth1 tc tcx"]);
    drop(pod);
    attacher.expect(&["veth1 tc tcx"]);
    Ok(())
}

#[test]
fn a_veth_whose_peer_moves_into_a_pod_is_attached_then() -> Result<()> {
    let (node, pod) = (Netns::new()?, Netns::new()?);
    node.ip("link add veth0 type veth peer name peer0")?;
    let attacher = RunningAttacher::start(&node, pods(&["veth*"], TcMode::Tcx)?)?;
    node.ip(&format!("link set peer0 netns {}", pod.name()))?;
    node.ip("link set veth0 up")?;
    pod.ip("link set peer0 up")?;
    attacher.expect(&["veth0 tc tcx"]);
    Ok(())
}

#[test]
fn a_new_name_decides_anew_and_is_the_one_told() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    let attacher = RunningAttacher::start(&node, pods(&["veth*", "cali*"], TcMode::Tcx)?)?;
    attacher.expect(&["veth0 tc tcx"]);
    node.ip("link set veth0 name cali0")?;
    attacher.expect(&["cali0 tc tcx"]);
    node.ip("link set cali0 name other0")?;
    attacher.expect(&[]);
    assert!(tcx(&node, "other0")?.is_empty());
    node.ip("link set other0 name veth7")?;
    attacher.expect(&["veth7 tc tcx"]);
    Ok(())
}

/// The kernel tells of a port that leaves its bridge as of a link that was deleted.
#[test]
fn a_veth_that_leaves_a_bridge_stays_attached() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    node.ip("link add bridge0 type bridge")?;
    node.ip("link set veth0 master bridge0")?;
    let mut other = classifier("other")?;
    node.enter(|| other.attach("veth0", TcAttachType::Ingress))?;
    let attacher = RunningAttacher::start(&node, pods(&["veth*"], TcMode::Tcx)?)?;
    attacher.expect(&["veth0 tc tcx"]);
    // Grows with each attachment and each detachment, as long as there is one program at least.
    let revision = |name| {
        node.enter(|| SchedClassifier::query_tcx(name, TcAttachType::Ingress))
            .map(|found| found.0)
    };
    let before = revision("veth0")?;
    node.ip("link set veth0 nomaster")?;
    // Seen after the event above, for events come in order.
    node.ip("link set veth0 name veth1")?;
    attacher.expect(&["veth1 tc tcx"]);
    assert_eq!(revision("veth1")?, before);
    Ok(())
}

#[test]
fn tcx_runs_before_a_program_that_was_there_first() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    let mut other = classifier("other")?;
    let first = || TcAttachOptions::TcxOrder(LinkOrder::first());
    node.enter(|| other.attach_with_options("veth0", TcAttachType::Ingress, first()))?;
    let mut attacher = RunningAttacher::start(&node, pods(&["veth0"], TcMode::Tcx)?)?;
    attacher.expect(&["veth0 tc tcx"]);
    assert_eq!(tcx(&node, "veth0")?, [TC, "other"]);
    attacher.stop()?;
    assert_eq!(tcx(&node, "veth0")?, ["other"]);
    assert!(attacher.list().is_empty());
    Ok(())
}

#[test]
fn a_program_that_goes_before_ours_later_is_told_for_as_long_as_it_is_there() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    let attacher = RunningAttacher::start(&node, pods(&["veth0"], TcMode::Tcx)?)?;
    attacher.expect(&["veth0 tc tcx"]);
    let told = |wanted: bool| {
        eventually("told of the other program", || {
            let obstacle = attacher.attached.obstacle();
            let is_told =
                obstacle.is_some_and(|text| text.contains("another program was put before ours"));
            (is_told == wanted)
                .then_some(())
                .ok_or(format!("{is_told}"))
        });
    };
    told(false);
    let mut other = classifier("other")?;
    let first = TcAttachOptions::TcxOrder(LinkOrder::first());
    node.enter(|| other.attach_with_options("veth0", TcAttachType::Ingress, first))?;
    assert_eq!(tcx(&node, "veth0")?, ["other", TC]);
    told(true);
    drop(other);
    told(false);
    Ok(())
}

#[test]
fn an_interface_that_comes_and_goes_many_times_leaves_no_failure() -> Result<()> {
    let (node, pod) = (Netns::new()?, Netns::new()?);
    for tc in [TcMode::Tcx, TcMode::Clsact] {
        let attacher = RunningAttacher::start(&node, pods(&["veth*"], tc)?)?;
        for _ in 0..30 {
            node.ip(&format!(
                "link add veth0 type veth peer name eth0 netns {}",
                pod.name()
            ))?;
            node.ip("link del veth0")?;
        }
        attacher.expect(&[]);
        assert!(attacher.attached.failing().is_empty());
    }
    Ok(())
}

/// While nobody reads, the kernel drops what the socket's buffer cannot hold (ENOBUFS).
#[test]
fn links_whose_messages_were_lost_are_told_all_the_same() -> Result<()> {
    let node = Netns::new()?;
    let batch = |lines: &mut dyn Iterator<Item = String>| -> Result<()> {
        let file = TempFile::new(&lines.collect::<String>())?;
        node.run(&format!("ip -batch {}", file.path().display()))
            .map(drop)
    };
    let follow = async || -> Result<()> {
        let mut links = Links::watch()?;
        let mut present = BTreeMap::new();
        while !present.values().any(|name| name == "lo") {
            follow_one(&mut links, &mut present).await?;
        }
        batch(&mut (0..200).map(|i| format!("link add veth{i} type veth peer name p{i}\n")))?;
        while present.len() != 401 {
            follow_one(&mut links, &mut present).await?;
        }
        batch(&mut (0..200).map(|i| format!("link del veth{i}\n")))?;
        while present.len() != 1 {
            follow_one(&mut links, &mut present).await?;
        }
        Ok(())
    };
    node.enter(|| block_on(follow()))
}

async fn follow_one(links: &mut Links, present: &mut BTreeMap<u32, String>) -> Result<()> {
    let wait = tokio::time::timeout(Duration::from_secs(10), links.next());
    match wait
        .await
        .with_context(|| format!("only {} links were told", present.len()))??
    {
        LinkEvent::Present(link) => present.insert(link.index, link.name),
        LinkEvent::Gone(index) => present.remove(&index),
    };
    Ok(())
}

#[test]
fn a_closed_attacher_leaves_no_program() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    for tc in [TcMode::Tcx, TcMode::Clsact] {
        let plan = plan(&["veth0"], &["veth0"], tc, XdpMode::Generic)?;
        let mut attacher = RunningAttacher::start(&node, plan)?;
        eventually("tc and XDP attached", || match attacher.list().len() {
            2 => Ok(()),
            n => Err(format!("{n}")),
        });
        attacher.stop()?;
        assert!(tcx(&node, "veth0")?.is_empty());
        assert!(!node.ip("link show veth0")?.contains("xdp"));
        assert!(!node.run("tc qdisc show dev veth0")?.contains("clsact"));
    }
    Ok(())
}

#[test]
fn a_missing_capability_is_named() -> Result<()> {
    let output = Command::new("setpriv")
        .args([
            "--bounding-set=-net_admin,-perfmon",
            "--",
            env!("CARGO_BIN_EXE_attacher"),
        ])
        .args(["tcx", "none", "none"])
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("lacks CAP_NET_ADMIN;"),
        "CAP_SYS_ADMIN includes the other: {told}"
    );
    Ok(())
}

#[test]
fn the_programs_of_the_embedded_object_attach_at_both_hooks() -> Result<()> {
    let seed = Seed {
        start: 1,
        factor: 3,
    };
    let constants = Constants {
        seed,
        observe: false,
        log_level: 0,
        names: 64,
    };
    let mut object = object::load(&constants)?;
    let bpffs = BpfFs::new()?;
    let (node, _pod) = node_and_pod()?;
    for tc in [TcMode::Tcx, TcMode::Clsact] {
        let plan = plan(&["veth0"], &["veth0"], tc, XdpMode::Auto)?;
        let attacher =
            RunningAttacher::start_with(&node, plan, Programs::of(&mut object, bpffs.path())?)?;
        let mode = if tc == TcMode::Tcx { "tcx" } else { "clsact" };
        attacher.expect(&[&format!("veth0 tc {mode}"), "veth0 xdp generic"]);
    }
    Ok(())
}
