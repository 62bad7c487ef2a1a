//! What cannot be done is said, with what to do about it; and what answers stays right.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Result;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use kerndns_tests::agent::{Agent, binary};
use kerndns_tests::attacher::eventually;
use kerndns_tests::dns::{Resolver, answers};
use kerndns_tests::netns::veth;
use kerndns_tests::responder::{Responder, silent};
use kerndns_tests::site::{SERVICE_V4, Site, UPSTREAM, WEB, corefile, service};

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// The agent ends with status 1, and its log holds each of these.
#[track_caller]
fn refuses(mut agent: Agent<'_>, words: &[&str]) -> Result<()> {
    let status = agent.wait(Duration::from_secs(15))?;
    let log = agent.log();
    assert_eq!(status.code(), Some(1), "{log}");
    for word in words {
        assert!(log.contains(word), "`{word}` is not in\n{log}");
    }
    assert!(!log.contains("panicked"), "{log}");
    Ok(())
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let site = Site::routed(0)?;
    let node = &site.testbed.node;
    let _taken = node.enter(|| UdpSocket::bind((SERVICE_V4, 53)))?;
    let agent = site.launch(&["--listen", "10.96.0.10:53"])?;
    refuses(
        agent,
        &["10.96.0.10:53 (UDP)", "another process", "--listen"],
    )?;
    assert!(site.pinned().is_empty(), "{:?}", site.pinned());
    Ok(())
}

#[test]
fn a_corefile_that_is_broken_at_the_start_is_told_by_line() -> Result<()> {
    let site = Site::routed(0)?;
    site.corefile(".:53 {\n    errors\n    nonsense\n}\n")?;
    refuses(site.launch(&[])?, &["Corefile:3", "nonsense"])
}

#[test]
fn a_missing_capability_is_named_with_the_cure() -> Result<()> {
    let site = Site::routed(0)?;
    for (dropped, name) in [("net_admin", "CAP_NET_ADMIN"), ("bpf", "CAP_BPF")] {
        let mut command = site.testbed.node.command("setpriv");
        let without = format!("-sys_admin,-{dropped}");
        command.args(["--bounding-set", &without, "--inh-caps", &without]);
        command.arg(binary());
        let source = site.manifests();
        site.arguments(
            &mut command,
            &source.to_string_lossy(),
            &["--listen", "none"],
        );
        refuses(site.spawn(&mut command)?, &[name, "--kernel off"])?;
    }
    Ok(())
}

#[test]
fn a_source_that_is_not_there_is_named() -> Result<()> {
    let site = Site::routed(0)?;
    let mut command = site.testbed.node.command(binary());
    site.arguments(
        &mut command,
        "/nowhere/manifests",
        &["--kernel", "off", "--listen", "none"],
    );
    refuses(site.spawn(&mut command)?, &["--source /nowhere/manifests"])
}

#[test]
fn an_interface_that_is_no_pods_is_named_once_and_one_that_is_not_there_is_fine() -> Result<()> {
    let site = Site::routed(1)?;
    let node = &site.testbed.node;
    node.ip("link add veth-br type bridge")?;
    veth((node, "veth-here"), (node, "there"))?;
    let args = [
        "--listen", "none", "--pods", "veth*", "--pods", "cali*", "--nic", "none0",
    ];
    let agent = site.start(&args)?;
    agent.expect_attached("tc", 1);
    for state in ["up", "down", "up"] {
        node.ip(&format!("link set veth-br {state}"))?;
    }
    // Events come in order: once a later one is seen, so were these.
    let _later = site.testbed.routed_pod(1)?;
    agent.expect_attached("tc", 2);
    assert_eq!(agent.said("veth-br matches --pods"), 1, "{}", agent.log());
    assert_eq!(agent.said("veth-here matches --pods"), 1, "{}", agent.log());
    Ok(())
}

#[test]
fn a_full_map_costs_the_denials_and_no_answer() -> Result<()> {
    let site = Site::routed(1)?;
    let _upstream = Responder::start(&site.testbed.client, UPSTREAM, OUTSIDE)?;
    for number in 0..40 {
        let (name, address) = (format!("s{number}"), format!("10.96.1.{number}"));
        site.write(&format!("{name}.yaml"), &service(&name, &address))?;
    }
    let args = [
        "--names",
        "10",
        "--listen",
        "10.96.0.10:53",
        "--pods",
        "veth*",
    ];
    let agent = site.start(&args)?;
    agent.expect_attached("tc", 1);
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    for number in 0..40 {
        let name = format!("s{number}.prod.svc.cluster.local.");
        let response = pod.udp(&name, RecordType::A)?;
        assert_eq!(answers(&response), [format!("10.96.1.{number}")]);
    }
    let denied = pod.udp("no.prod.svc.cluster.local.", RecordType::A)?;
    assert_eq!(denied.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(agent.outcome("tc", "nxdomain")?, 0);
    assert!(agent.outcome("tc", "incomplete")? > 30);
    assert!(agent.metric("kerndns_names_missing")? > 30);
    assert_eq!(
        agent.said("cannot be held in the kernel"),
        1,
        "{}",
        agent.log()
    );
    Ok(())
}

#[test]
fn an_upstream_that_does_not_answer_is_servfail_in_time() -> Result<()> {
    let nobody = IpAddr::from([192, 0, 2, 77]);
    for upstream in [nobody, UPSTREAM] {
        let site = Site::routed(1)?;
        let _silent = silent(&site.testbed.client, SocketAddr::new(UPSTREAM, 53))?;
        let text = corefile("ttl 30", "0s");
        site.corefile(&text.replace(&UPSTREAM.to_string(), &upstream.to_string()))?;
        let _agent = site.start(&["--listen", "10.96.0.10:53", "--pods", "veth*"])?;
        let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
        for _ in 0..2 {
            let asked = Instant::now();
            let response = pod.udp("www.example.com.", RecordType::A)?;
            assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
            assert!(asked.elapsed() < Duration::from_secs(6), "{upstream}");
        }
        assert_eq!(answers(&pod.udp(WEB.0, RecordType::A)?), [WEB.1]);
    }
    Ok(())
}

#[test]
fn before_the_first_list_the_cluster_is_servfail_and_the_rest_is_forwarded() -> Result<()> {
    let site = Site::routed(1)?;
    let _upstream = Responder::start(&site.testbed.client, UPSTREAM, OUTSIDE)?;
    let kubeconfig = site.file("kubeconfig");
    std::fs::write(
        &kubeconfig,
        "apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: \"http://127.0.0.1:1\"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
",
    )?;
    let mut command = site.testbed.node.command(binary());
    let kubeconfig = kubeconfig.to_string_lossy().into_owned();
    #[rustfmt::skip]
    let args = ["--kubeconfig", &kubeconfig, "--listen", "10.96.0.10:53", "--pods", "veth*"];
    site.arguments(&mut command, "kubernetes", &args);
    let agent = site.spawn(&mut command)?;
    agent.expect_attached("tc", 1);
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    for (name, qtype) in [
        (WEB.0, RecordType::A),
        ("nothing.cluster.local.", RecordType::A),
        ("20.0.96.10.in-addr.arpa.", RecordType::PTR),
    ] {
        let response = pod.udp(name, qtype)?;
        let rcode = response.metadata.response_code;
        assert_eq!(rcode, ResponseCode::ServFail, "{name}");
    }
    let response = pod.udp("www.example.com.", RecordType::A)?;
    assert_eq!(answers(&response), [OUTSIDE.to_string()]);
    eventually("the API server named", || match agent.said("127.0.0.1:1") {
        0 => Err(agent.log()),
        _ => Ok(()),
    });
    for outcome in ["answer", "nodata", "nxdomain"] {
        assert_eq!(agent.outcome("tc", outcome)?, 0, "{outcome}");
    }
    Ok(())
}
