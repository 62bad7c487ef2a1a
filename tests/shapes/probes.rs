//! The probes of `dns_common.go`: `dig +search NAME TYPE` by UDP and by TCP, of whole names and of partial ones.

use anyhow::{Context as _, Result};

use crate::node::{Fate, counted, site, start};
use crate::stub::Stub;

/// Name, type, how many names of the search list are tried in vain before it, record data.
type Row = (&'static str, &'static str, u64, &'static [&'static str]);

const HEADLESS: &[&str] = &["10.244.7.1", "10.244.7.2"];
const HEADLESS_SRV: &[&str] = &[
    "0 50 80 10-244-7-1.dns-test-service.dns-1.svc.cluster.local.",
    "0 50 80 10-244-7-2.dns-test-service.dns-1.svc.cluster.local.",
];
const CLUSTER_IP: &[&str] = &["10.96.1.2"];
const CLUSTER_IP_SRV: &[&str] = &["0 100 80 test-service-2.dns-1.svc.cluster.local."];
const QUERIER: &[&str] = &["10.244.7.3"];

#[rustfmt::skip]
const ROWS: [Row; 28] = [
    // Should provide DNS for the cluster.
    ("kubernetes.default.svc.cluster.local.", "A", 0, &["10.96.0.1"]),
    // Without the last dot it has four dots, fewer than ndots.
    ("kubernetes.default.svc.cluster.local", "A", 3, &["10.96.0.1"]),
    // Should provide DNS for services.
    ("dns-test-service.dns-1.svc.cluster.local.", "A", 0, HEADLESS),
    ("_http._tcp.dns-test-service.dns-1.svc.cluster.local.", "SRV", 0, HEADLESS_SRV),
    ("_http._tcp.test-service-2.dns-1.svc.cluster.local.", "SRV", 0, CLUSTER_IP_SRV),
    ("2.1.96.10.in-addr.arpa.", "PTR", 0, &["test-service-2.dns-1.svc.cluster.local."]),
    // Should resolve DNS of partial qualified names for services.
    ("dns-test-service", "A", 0, HEADLESS),
    ("dns-test-service.dns-1", "A", 1, HEADLESS),
    ("dns-test-service.dns-1.svc", "A", 2, HEADLESS),
    ("_http._tcp.dns-test-service", "SRV", 0, HEADLESS_SRV),
    ("_http._tcp.dns-test-service.dns-1", "SRV", 1, HEADLESS_SRV),
    ("_http._tcp.dns-test-service.dns-1.svc", "SRV", 2, HEADLESS_SRV),
    ("test-service-2", "A", 0, CLUSTER_IP),
    ("test-service-2.dns-1", "A", 1, CLUSTER_IP),
    ("test-service-2.dns-1.svc", "A", 2, CLUSTER_IP),
    ("_http._tcp.test-service-2", "SRV", 0, CLUSTER_IP_SRV),
    ("_http._tcp.test-service-2.dns-1", "SRV", 1, CLUSTER_IP_SRV),
    ("_http._tcp.test-service-2.dns-1.svc", "SRV", 2, CLUSTER_IP_SRV),
    // Should provide DNS for pods for Hostname and Subdomain.
    ("dns-querier-2.dns-test-service-2.dns-1.svc.cluster.local.", "A", 0, QUERIER),
    ("dns-querier-2.dns-test-service-2", "A", 0, QUERIER),
    ("dns-querier-2.dns-test-service-2.dns-1", "A", 1, QUERIER),
    ("3.7.244.10.in-addr.arpa.", "PTR", 0, &["dns-querier-2.dns-test-service-2.dns-1.svc.cluster.local."]),
    // A Service whose name starts with a digit.
    ("1kubernetes.dns-1.svc.cluster.local.", "A", 0, &["10.96.1.3"]),
    ("1kubernetes", "A", 0, &["10.96.1.3"]),
    // Dual stack.
    ("dual-stack", "A", 0, &["10.96.1.4"]),
    ("dual-stack", "AAAA", 0, &["fd00:96::104"]),
    ("_http._tcp.dual-stack", "SRV", 0, &["0 50 80 dual-stack.dns-1.svc.cluster.local."]),
    // `example_cluster_dns.go`: another namespace.
    ("dns-backend.dns-2", "A", 1, &["10.96.1.5"]),
];

#[test]
fn every_probe_is_answered_over_udp_by_the_kernel_and_over_tcp_by_the_agent() -> Result<()> {
    let (site, upstream) = site()?;
    let agent = start(&site)?;
    let pod = Stub::of_namespace(&site.testbed.pods[0], "dns-1")?;
    for (name, rtype, misses, data) in ROWS {
        for transport in ["+notcp", "+tcp"] {
            let row = format!("{name} {rtype} {transport}");
            let ask = || pod.dig(&[transport, name, rtype]);
            let (answer, fate) = counted(&agent, ask).with_context(|| row.clone())?;
            assert_eq!(answer, data, "{row}");
            let by_kernel = Fate {
                answer: 1,
                nxdomain: misses,
                ..Fate::default()
            };
            let expected = if transport == "+tcp" {
                Fate::default()
            } else {
                by_kernel
            };
            assert_eq!(fate, expected, "{row}");
        }
    }
    assert_eq!(upstream.queries(), 0);
    Ok(())
}
