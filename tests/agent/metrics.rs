//! What is counted under CoreDNS's names: the kernel's answers and the agent's in one series.

use std::net::SocketAddr;

use anyhow::Result;
use hickory_proto::rr::RecordType;
use kerndns_tests::agent::Agent;
use kerndns_tests::attacher::eventually;
use kerndns_tests::dns::Resolver;
use kerndns_tests::site::{SERVICE_V4, SERVICE_V6, SERVICES, Site, WEB, corefile};

const NONE: &str = "none.prod.svc.cluster.local.";

/// Requests of one protocol, IP family and type in a server block's zone.
fn requests(agent: &Agent<'_>, zone: &str, kind: [&str; 3]) -> Result<u64> {
    let [proto, family, rtype] = kind;
    agent.metric(&format!(
        "coredns_dns_requests_total{{server=\"dns://:53\",zone=\"{zone}\",view=\"\",\
         proto=\"{proto}\",family=\"{family}\",type=\"{rtype}\"}}"
    ))
}

/// Responses of `kubernetes` with one RCODE in a server block's zone.
fn responses(agent: &Agent<'_>, zone: &str, rcode: &str) -> Result<u64> {
    agent.metric(&format!(
        "coredns_dns_responses_total{{server=\"dns://:53\",zone=\"{zone}\",view=\"\",\
         rcode=\"{rcode}\",plugin=\"kubernetes\"}}"
    ))
}

fn start<'a>(site: &'a Site, kernel: &[&str]) -> Result<Agent<'a>> {
    let listen = SERVICES.map(|ip| SocketAddr::new(ip, 53).to_string());
    let [v4, v6] = &listen;
    let args = ["--listen", v4, "--listen", v6, "--pods", "veth*"];
    let agent = site.start(&[&args, kernel].concat())?;
    agent.expect_attached("tc", 1);
    Ok(agent)
}

#[test]
fn answers_of_kernel_and_agent_are_counted_as_coredns_counts_them() -> Result<()> {
    let site = Site::routed(1)?;
    let agent = start(&site, &[])?;
    let pod = &site.testbed.pods[0];
    let (v4, v6) = (
        Resolver::new(pod, SERVICE_V4),
        Resolver::new(pod, SERVICE_V6),
    );
    for _ in 0..3 {
        v4.udp(WEB.0, RecordType::A)?;
    }
    for _ in 0..2 {
        v4.udp(NONE, RecordType::A)?;
    }
    v4.udp(WEB.0, RecordType::TXT)?;
    v6.udp(WEB.0, RecordType::SRV)?;
    v6.udp(NONE, RecordType::HINFO)?;
    assert_eq!(agent.outcome("tc", "answer")?, 4);
    assert_eq!(agent.outcome("tc", "nxdomain")?, 3);
    v4.tcp(WEB.0, RecordType::A)?;
    for (kind, count) in [
        (["udp", "1", "A"], 5),
        (["udp", "1", "TXT"], 1),
        (["udp", "2", "SRV"], 1),
        (["udp", "2", "other"], 1),
        (["tcp", "1", "A"], 1),
    ] {
        assert_eq!(requests(&agent, ".", kind)?, count, "{kind:?}");
    }
    assert_eq!(responses(&agent, ".", "NOERROR")?, 6);
    assert_eq!(responses(&agent, ".", "NXDOMAIN")?, 3);
    // The kernel keeps no times: what is in the histogram is the agent's.
    let timed =
        "coredns_dns_request_duration_seconds_count{server=\"dns://:53\",zone=\".\",view=\"\"}";
    assert_eq!(agent.metric(timed)?, 1);
    Ok(())
}

#[test]
fn after_a_reload_that_moves_the_zones_counts_stay_where_they_were() -> Result<()> {
    let site = Site::routed(1)?;
    let agent = start(&site, &[])?;
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    let udp_a = ["udp", "1", "A"];
    pod.udp(WEB.0, RecordType::A)?;
    pod.udp(NONE, RecordType::A)?;
    assert_eq!(requests(&agent, ".", udp_a)?, 2);

    // The longer name takes the first slot, and `prod` another server block's labels.
    let before = corefile("ttl 30", "1s");
    let own =
        "prod.svc.cluster.local:53 {\n    kubernetes cluster.local {\n        ttl 30\n    }\n}\n";
    site.corefile(&format!("{before}{own}"))?;
    eventually("prod has a server block", || {
        let enabled = "coredns_plugin_enabled{server=\"dns://:53\",zone=\"prod.svc.cluster.local.\",\
                       view=\"\",name=\"kubernetes\"}";
        agent
            .metric(enabled)
            .map(|_enabled| ())
            .map_err(|error| error.to_string())
    });
    for _ in 0..4 {
        pod.udp(WEB.0, RecordType::A)?;
        pod.udp(NONE, RecordType::A)?;
    }
    assert_eq!(requests(&agent, ".", udp_a)?, 2);
    assert_eq!(requests(&agent, "prod.svc.cluster.local.", udp_a)?, 8);
    assert_eq!(responses(&agent, "prod.svc.cluster.local.", "NXDOMAIN")?, 4);

    site.corefile(&before)?;
    agent.expect_log("the changed Corefile is in force");
    eventually("prod has none any more", || {
        pod.udp(WEB.0, RecordType::A)
            .map_err(|error| error.to_string())?;
        match requests(&agent, ".", udp_a) {
            Ok(count) if count > 2 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(responses(&agent, "prod.svc.cluster.local.", "NXDOMAIN")?, 4);
    Ok(())
}

#[test]
fn what_the_kernel_only_observes_is_counted_once() -> Result<()> {
    let site = Site::routed(1)?;
    let agent = start(&site, &["--kernel", "observe"])?;
    let pod = Resolver::new(&site.testbed.pods[0], SERVICE_V4);
    for _ in 0..3 {
        pod.udp(WEB.0, RecordType::A)?;
    }
    assert_eq!(agent.outcome("tc", "answer")?, 3);
    assert_eq!(requests(&agent, ".", ["udp", "1", "A"])?, 3);
    assert_eq!(responses(&agent, ".", "NOERROR")?, 3);
    Ok(())
}
