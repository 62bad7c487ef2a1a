//! Files that change under a running agent: what reads well is in force soon, what is broken is told
//! and changes nothing.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use kerndns_tests::agent::Agent;
use kerndns_tests::attacher::eventually;
use kerndns_tests::dns::{Resolver, answers};
use kerndns_tests::site::{SERVICE_V4, Site, WEB, corefile, service};

/// An agent with the kernel's answers alone.
fn start(site: &Site) -> Result<(Agent<'_>, Resolver<'_>)> {
    let agent = site.start(&["--listen", "none", "--pods", "veth*"])?;
    agent.expect_attached("tc", 1);
    Ok((agent, Resolver::new(&site.testbed.pods[0], SERVICE_V4)))
}

/// Waits until the kernel gives these A records, none for NXDOMAIN.
#[track_caller]
fn expect(pod: Resolver<'_>, name: &str, data: &[&str]) {
    eventually(&format!("{data:?}"), || {
        match pod.udp(name, RecordType::A) {
            Ok(response) if answers(&response) == data => {
                let denied = response.metadata.response_code == ResponseCode::NXDomain;
                assert_eq!(denied, data.is_empty());
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn a_changed_corefile_is_in_force_and_a_broken_one_is_told() -> Result<()> {
    let site = Site::routed(1)?;
    let (agent, pod) = start(&site)?;
    let ttl = |name| -> Result<_> { Ok(pod.udp(name, RecordType::A)?.answers[0].ttl) };
    assert_eq!(ttl(WEB.0)?, 30);

    site.corefile(&corefile("ttl 77", "1s"))?;
    agent.expect_log("the changed Corefile is in force");
    assert_eq!(ttl(WEB.0)?, 77);

    site.corefile(&corefile("ttl soon", "1s"))?;
    agent.expect_log("the last good one stays");
    let said = agent.log();
    let line = said
        .lines()
        .find(|line| line.contains("stays"))
        .unwrap_or_default();
    assert!(
        line.contains("Corefile:9") && line.contains("ttl"),
        "{line}"
    );
    thread::sleep(Duration::from_secs(2));
    assert_eq!(agent.said("the last good one stays"), 1);
    assert_eq!(ttl(WEB.0)?, 77);

    let moved = corefile("ttl 5", "1s").replace("cluster.local", "example.test");
    site.corefile(&moved)?;
    eventually("another zone", || match ttl("web.prod.svc.example.test.") {
        Ok(5) => Ok(()),
        other => Err(format!("{other:?}\n{}", agent.log())),
    });
    assert!(agent.outcome("tc", "answer")? >= 4);
    Ok(())
}

#[test]
fn changed_manifests_change_the_kernels_answers() -> Result<()> {
    let site = Site::routed(1)?;
    let (_agent, pod) = start(&site)?;
    let name = "late.prod.svc.cluster.local.";
    expect(pod, name, &[]);
    site.write("late.yaml", &service("late", "10.96.0.30"))?;
    expect(pod, name, &["10.96.0.30"]);
    site.write("late.yaml", &service("late", "10.96.0.31"))?;
    expect(pod, name, &["10.96.0.31"]);
    std::fs::remove_file(site.manifests().join("late.yaml"))?;
    expect(pod, name, &[]);
    Ok(())
}

#[test]
fn a_half_written_manifest_takes_nothing_away() -> Result<()> {
    let site = Site::routed(1)?;
    site.write("late.yaml", &service("late", "10.96.0.30"))?;
    let (agent, pod) = start(&site)?;
    let text = service("late", "10.96.0.31");
    site.write("late.yaml", &text[..text.len() - 20])?;
    agent.expect_log("late.yaml");
    expect(pod, "late.prod.svc.cluster.local.", &["10.96.0.30"]);
    expect(pod, WEB.0, &[WEB.1]);
    site.write("late.yaml", &text)?;
    expect(pod, "late.prod.svc.cluster.local.", &["10.96.0.31"]);
    Ok(())
}

#[test]
fn absurd_objects_are_told_and_others_are_served() -> Result<()> {
    let site = Site::routed(1)?;
    let ports: Vec<String> = (1..=1000)
        .map(|port| format!("  - {{name: p{port}, port: {port}, protocol: TCP}}\n"))
        .collect();
    let many = service("many", "10.96.0.40");
    let many = many.replace(
        "  ports: [{name: http, port: 80, protocol: TCP}]\n",
        "  ports:\n",
    );
    site.write("many.yaml", &(many + &ports.concat()))?;
    site.write("name.yaml", &service(&"x".repeat(300), "10.96.0.41"))?;
    site.write("not.yaml", "just: text\n")?;
    site.write(
        "orphan.yaml",
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: orphan, namespace: prod, labels: {kubernetes.io/service-name: nobody}}
addressType: IPv4
endpoints: [{addresses: [10.244.7.7]}]
",
    )?;
    let (agent, pod) = start(&site)?;
    expect(pod, WEB.0, &[WEB.1]);
    expect(pod, "many.prod.svc.cluster.local.", &["10.96.0.40"]);
    expect(pod, "nobody.prod.svc.cluster.local.", &[]);
    let srv = pod.udp("_p1000._tcp.many.prod.svc.cluster.local.", RecordType::SRV)?;
    assert_eq!(answers(&srv), ["0 100 1000 many.prod.svc.cluster.local."]);
    assert_eq!(agent.said("not.yaml"), 1, "{}", agent.log());
    Ok(())
}
