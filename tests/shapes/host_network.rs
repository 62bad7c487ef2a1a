//! `dns.go`, pods with `hostNetwork` and `dnsPolicy: ClusterFirstWithHostNet`: the pod's resolv.conf, the node's
//! addresses. No veth is on their way, so no program is: who listens at the DNS Service answers.

use std::net::Ipv4Addr;

use anyhow::Result;
use kerndns_tests::responder::Responder;
use kerndns_tests::site::SERVICE_V4;

use crate::node::{Fate, counted, site, start};
use crate::stub::{LIBRARIES, Stub};

#[test]
fn a_pod_of_the_host_network_is_answered_by_the_agent() -> Result<()> {
    let (site, upstream) = site()?;
    let agent = start(&site)?;
    let pod = Stub::of_namespace(&site.testbed.node, "dns-1")?;
    for library in LIBRARIES {
        for (name, found) in [
            (
                "test-service-2",
                "test-service-2.dns-1.svc.cluster.local 10.96.1.2",
            ),
            (
                "kubernetes.default",
                "kubernetes.default.svc.cluster.local 10.96.0.1",
            ),
            (
                "dual-stack",
                "dual-stack.dns-1.svc.cluster.local 10.96.1.4 fd00:96::104",
            ),
            (
                "three.example.net",
                "three.example.net 198.51.100.1 198.51.100.2 198.51.100.3",
            ),
            ("nothing.dns-1", ""),
        ] {
            let (answer, fate) = counted(&agent, || pod.getaddrinfo(library, name))?;
            assert_eq!(answer, found, "{library:?}");
            assert_eq!(fate, Fate::default(), "{name} by {library:?}");
        }
    }
    // `three.example.net` and `nothing.dns-1`, of two types, by two libraries.
    assert_eq!(upstream.queries(), 8);
    Ok(())
}

#[test]
fn without_sockets_of_the_agent_it_is_answered_by_the_server_that_was_there() -> Result<()> {
    let (site, _upstream) = site()?;
    let other = Ipv4Addr::new(203, 0, 113, 9);
    let _server = Responder::start(&site.testbed.node, SERVICE_V4, other)?;
    let agent = site.start(&["--listen", "none", "--pods", "veth*"])?;
    agent.expect_attached("tc", 1);
    let (name, other) = ("test-service-2", other.to_string());
    let ask = |netns| Stub::of_namespace(netns, "dns-1")?.dig(&["+notcp", name, "A"]);
    let (answer, fate) = counted(&agent, || ask(&site.testbed.node))?;
    assert_eq!((answer, fate), (vec![other], Fate::default()));
    let (answer, fate) = counted(&agent, || ask(&site.testbed.pods[0]))?;
    assert_eq!((answer, fate.answer), (vec!["10.96.1.2".to_owned()], 1));
    Ok(())
}
