//! Filters in clsact queueing disciplines that others share, and what a killed agent leaves.

use std::process::{Child, Stdio};

use anyhow::Result;
use dns_agent::kernel::attach::Plan;
use dns_agent::kernel::object::TC;
use dns_agent::kernel::tc::TcMode;
use dns_agent::kernel::xdp::XdpMode;
use kerndns_tests::attacher::{RunningAttacher, eventually, plan};
use kerndns_tests::netns::{Netns, veth};
use kerndns_tests::programs::tcx;

/// Another's filter, of classic BPF instructions that leave the verdict to the next filter.
const FOREIGN: &str = "bpf bytecode 1,6_0_0_4294967295,";

fn node_and_pod() -> Result<(Netns, Netns)> {
    let (node, pod) = (Netns::new()?, Netns::new()?);
    veth((&node, "veth0"), (&pod, "eth0"))?;
    Ok((node, pod))
}

fn add_foreign(node: &Netns, options: &str) -> Result<()> {
    let line = format!("tc filter add dev veth0 {options} {FOREIGN}");
    // The instruction is one argument of four numbers.
    let mut words = line.split_whitespace().map(|word| word.replace('_', " "));
    let mut command = node.command(words.next().unwrap_or_default());
    let output = command.args(words).output()?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn clsact() -> Result<Plan> {
    plan(&["veth*"], &[], TcMode::Clsact, XdpMode::Auto)
}

fn filters(node: &Netns, side: &str) -> Result<String> {
    node.run(&format!("tc filter show dev veth0 {side}"))
}

fn has_qdisc(node: &Netns) -> Result<bool> {
    Ok(node.run("tc qdisc show dev veth0")?.contains("clsact"))
}

/// A process that attaches, killed when this is dropped.
struct Agent(Child);

impl Agent {
    fn start(node: &Netns, args: &[&str]) -> Result<Self> {
        let mut command = node.command(env!("CARGO_BIN_EXE_attacher"));
        Ok(Self(command.args(args).stderr(Stdio::null()).spawn()?))
    }

    fn kill(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _dead_already = self.kill();
    }
}

#[test]
fn a_qdisc_we_made_goes_with_our_filter() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    let mut attacher = RunningAttacher::start(&node, clsact()?)?;
    attacher.expect(&["veth0 tc clsact"]);
    assert!(filters(&node, "ingress")?.contains(TC));
    attacher.stop()?;
    assert!(!has_qdisc(&node)?);
    Ok(())
}

#[test]
fn a_qdisc_that_was_there_stays_and_so_does_its_filter() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    node.run("tc qdisc add dev veth0 clsact")?;
    add_foreign(&node, "ingress prio 1 handle 1")?;
    let mut attacher = RunningAttacher::start(&node, clsact()?)?;
    attacher.expect(&["veth0 tc clsact"]);
    let both = filters(&node, "ingress")?;
    let (ours, other) = (both.find(TC), both.find("bytecode"));
    assert!(ours.is_some() && ours < other, "ours is not first:\n{both}");
    attacher.stop()?;
    let left = filters(&node, "ingress")?;
    assert!(left.contains("bytecode") && !left.contains(TC), "{left}");
    Ok(())
}

#[test]
fn an_empty_qdisc_of_anothers_stays() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    node.run("tc qdisc add dev veth0 clsact")?;
    let mut attacher = RunningAttacher::start(&node, clsact()?)?;
    attacher.expect(&["veth0 tc clsact"]);
    attacher.stop()?;
    assert!(has_qdisc(&node)?);
    Ok(())
}

#[test]
fn a_qdisc_we_made_stays_while_another_uses_it() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    let mut attacher = RunningAttacher::start(&node, clsact()?)?;
    attacher.expect(&["veth0 tc clsact"]);
    add_foreign(&node, "egress prio 1 handle 1")?;
    attacher.stop()?;
    assert!(!filters(&node, "ingress")?.contains(TC));
    assert!(filters(&node, "egress")?.contains("bytecode"));
    Ok(())
}

#[test]
fn a_first_priority_taken_for_one_protocol_leaves_us_the_second() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    node.run("tc qdisc add dev veth0 clsact")?;
    add_foreign(&node, "ingress protocol ip prio 1 handle 1")?;
    let attacher = RunningAttacher::start(&node, clsact()?)?;
    attacher.expect(&["veth0 tc clsact"]);
    assert!(filters(&node, "ingress")?.contains("pref 2 bpf"));
    assert_eq!(
        attacher
            .attached
            .failures(dns_agent::kernel::hook::Hook::Tc),
        0
    );
    Ok(())
}

#[test]
fn what_a_killed_agent_left_is_removed_by_the_next_and_nothing_else() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    let other = Netns::new()?;
    veth((&node, "veth1"), (&other, "eth0"))?;
    node.run("tc qdisc add dev veth0 clsact")?;
    add_foreign(&node, "ingress prio 1 handle 1")?;
    let mut killed = Agent::start(&node, &["clsact", "veth*", "none"])?;
    let on_veth1 = || node.run("tc filter show dev veth1 ingress");
    eventually("both attached", || {
        let both = [filters(&node, "ingress"), on_veth1()].map(Result::unwrap_or_default);
        if both.iter().all(|text| text.contains(TC)) {
            Ok(())
        } else {
            Err(both.concat())
        }
    });
    killed.kill()?;
    assert!(
        filters(&node, "ingress")?.contains(TC),
        "the kernel keeps filters"
    );

    // The next one uses TCX, and on no interface at all.
    let next = plan(&["none"], &[], TcMode::Tcx, XdpMode::Auto)?;
    let _next = RunningAttacher::start(&node, next)?;
    let left = filters(&node, "ingress")?;
    assert!(left.contains("bytecode") && !left.contains(TC), "{left}");
    assert!(has_qdisc(&node)?);
    assert!(!node.run("tc qdisc show dev veth1")?.contains("clsact"));
    Ok(())
}

#[test]
fn the_next_agent_attaches_where_a_killed_one_was() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    let mut killed = Agent::start(&node, &["clsact", "veth*", "none"])?;
    eventually("attached", || match filters(&node, "ingress") {
        Ok(text) if text.contains(TC) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    killed.kill()?;
    let mut next = RunningAttacher::start(&node, clsact()?)?;
    next.expect(&["veth0 tc clsact"]);
    assert_eq!(
        filters(&node, "ingress")?.matches("handle 0x6b64").count(),
        1
    );
    next.stop()?;
    assert!(
        !has_qdisc(&node)?,
        "it took over the qdisc that the killed one had made"
    );
    Ok(())
}

#[test]
fn tcx_and_xdp_go_with_a_killed_process() -> Result<()> {
    let (node, _pod) = node_and_pod()?;
    let attached = || -> Result<(bool, bool)> {
        let xdp = node.ip("link show veth0")?.contains("xdpgeneric");
        Ok((!tcx(&node, "veth0")?.is_empty(), xdp))
    };
    let mut agent = Agent::start(&node, &["tcx", "veth*", "veth*"])?;
    eventually("both attached", || match attached() {
        Ok((true, true)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    agent.kill()?;
    // The last reference to a link is put by the kernel soon after the process is reaped.
    eventually("both gone", || match attached() {
        Ok((false, false)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    Ok(())
}
