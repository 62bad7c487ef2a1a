//! Never a stale answer for ever: an agent that is killed or stopped is followed, within three
//! seconds, by whatever answers behind the kernel; the one that starts next cleans up.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use hickory_proto::rr::RecordType;
use kerndns_tests::attacher::eventually;
use kerndns_tests::dns::{Asking, Attempt, Resolver, answers};
use kerndns_tests::responder::Responder;
use kerndns_tests::site::{SERVICE_V4, Site, WEB};
use nix::sys::signal::Signal;

/// What answers behind the kernel says.
const BEHIND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
/// The programs answer for so long after the agent's last sign of life, which comes each second.
const DEADLINE: Duration = Duration::from_secs(3);

fn says(attempt: &Attempt, address: &str) -> bool {
    attempt.answers.as_deref() == Some(&[address.to_owned()])
}

/// Ends the agent by a signal while a pod asks on: no query is lost, every answer is the cluster's
/// or that of the server behind, and past the deadline only the latter.
fn taken_over(tc: &str, signal: Signal) -> Result<()> {
    let site = Site::routed(1)?;
    let pod = &site.testbed.pods[0];
    let _behind = Responder::start(&site.testbed.node, SERVICE_V4, BEHIND)?;
    let agent = site.start(&["--listen", "none", "--pods", "veth*", "--tc", tc])?;
    agent.expect_attached("tc", 1);
    let asking = Asking::start(pod, SERVICE_V4, WEB.0);
    thread::sleep(Duration::from_millis(500));
    let ended = Instant::now();
    agent.signal(signal)?;
    thread::sleep(DEADLINE + Duration::from_secs(1));
    let resumed = (signal == Signal::SIGSTOP).then(|| {
        let resumed = Instant::now();
        agent.signal(Signal::SIGCONT).map(|()| resumed)
    });
    if resumed.is_some() {
        thread::sleep(Duration::from_secs(2));
    }
    let attempts = asking.stop();

    let behind = BEHIND.to_string();
    let lost = attempts.iter().filter(|attempt| attempt.answers.is_none());
    assert_eq!(lost.count(), 0, "of {} queries", attempts.len());
    for attempt in &attempts {
        assert!(
            says(attempt, WEB.1) || says(attempt, &behind),
            "{attempt:?}"
        );
    }
    let before = attempts.iter().filter(|attempt| attempt.at < ended);
    assert!(before.count() > 20);
    assert!(
        attempts
            .iter()
            .filter(|attempt| attempt.at < ended)
            .all(|attempt| says(attempt, WEB.1))
    );
    let (from, to) = (
        ended + DEADLINE,
        ended + DEADLINE + Duration::from_millis(950),
    );
    let mut past = attempts
        .iter()
        .filter(|attempt| attempt.at > from && attempt.at < to)
        .peekable();
    assert!(past.peek().is_some());
    assert!(past.all(|attempt| says(attempt, &behind)));
    if let Some(resumed) = resumed.transpose()? {
        let late = resumed + Duration::from_millis(1500);
        let mut again = attempts
            .iter()
            .filter(|attempt| attempt.at > late)
            .peekable();
        assert!(again.peek().is_some());
        assert!(again.all(|attempt| says(attempt, WEB.1)));
        assert!(agent.outcome("tc", "stale")? > 0);
    }
    Ok(())
}

#[test]
fn after_a_kill_tcx_lets_every_query_pass() -> Result<()> {
    taken_over("tcx", Signal::SIGKILL)
}

#[test]
fn after_a_kill_clsact_lets_every_query_pass() -> Result<()> {
    taken_over("clsact", Signal::SIGKILL)
}

#[test]
fn while_it_is_stopped_tcx_lets_every_query_pass() -> Result<()> {
    taken_over("tcx", Signal::SIGSTOP)
}

#[test]
fn while_it_is_stopped_clsact_lets_every_query_pass() -> Result<()> {
    taken_over("clsact", Signal::SIGSTOP)
}

#[test]
fn the_next_start_removes_what_a_killed_agent_left() -> Result<()> {
    let site = Site::routed(1)?;
    let node = &site.testbed.node;
    let filters = || node.run("tc filter show dev veth0 ingress");
    let start = |pods| site.start(&["--listen", "none", "--tc", "clsact", "--pods", pods]);
    let mut killed = start("veth*")?;
    killed.expect_attached("tc", 1);
    killed.signal(Signal::SIGKILL)?;
    killed.wait(Duration::from_secs(5))?;
    assert!(filters()?.contains("bpf") && !site.pinned().is_empty());
    drop(killed);

    let mut next = start("none*")?;
    eventually("no filter", || match filters() {
        Ok(filters) if filters.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(!node.run("tc qdisc show dev veth0")?.contains("clsact"));
    assert!(!site.pinned().is_empty());
    next.signal(Signal::SIGTERM)?;
    assert!(next.wait(Duration::from_secs(10))?.success());
    assert!(site.pinned().is_empty(), "{:?}", site.pinned());
    drop(next);

    let third = start("veth*")?;
    third.expect_attached("tc", 1);
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    assert_eq!(answers(&pod.udp(WEB.0, RecordType::A)?), [WEB.1]);
    assert_eq!(third.outcome("tc", "answer")?, 1);
    Ok(())
}
