//! The Kubernetes DNS specification 1.1.0, sections 2.2 to 2.5, and what CoreDNS has beside it.

use anyhow::Result;
use kerndns_tests::case::{ANSWER, Case, NODATA, NXDOMAIN, check};

use crate::cluster::site;

/// 2.2: the record for the schema's version.
const VERSION: &[Case] = &[Case {
    section: "2.2",
    rule: "dns-version.<zone> is a TXT record with the version of the specification",
    question: "dns-version.cluster.local. TXT",
    answer: &["dns-version.cluster.local. 28800 IN TXT \"1.1.0\""],
    ..ANSWER
}];

/// 2.3: Services with a ClusterIP.
const CLUSTER_IP: &[Case] = &[
    Case {
        section: "2.3.1",
        rule: "<service>.<ns>.svc.<zone> has an A record of an IPv4 ClusterIP",
        question: "web.shop.svc.cluster.local. A",
        answer: &["web.shop.svc.cluster.local. 30 IN A 10.96.0.20"],
        ..ANSWER
    },
    Case {
        section: "2.3.1",
        rule: "there is no AAAA record without an IPv6 ClusterIP",
        question: "web.shop.svc.cluster.local. AAAA",
        ..NODATA
    },
    Case {
        section: "2.3.1",
        rule: "a dual-stack Service has an A record",
        question: "dual.shop.svc.cluster.local. A",
        answer: &["dual.shop.svc.cluster.local. 30 IN A 10.96.0.22"],
        ..ANSWER
    },
    Case {
        section: "2.3.1",
        rule: "a dual-stack Service has an AAAA record",
        question: "dual.shop.svc.cluster.local. AAAA",
        answer: &["dual.shop.svc.cluster.local. 30 IN AAAA fd00:96::22"],
        ..ANSWER
    },
    Case {
        section: "2.3.2",
        rule: "each named port has an SRV record at _<port>._<proto>.<service>, with the target's address",
        question: "_https._tcp.web.shop.svc.cluster.local. SRV",
        answer: &[
            "_https._tcp.web.shop.svc.cluster.local. 30 IN SRV 0 100 443 web.shop.svc.cluster.local.",
        ],
        additional: &["web.shop.svc.cluster.local. 30 IN A 10.96.0.20"],
        ..ANSWER
    },
    Case {
        section: "2.3.2",
        rule: "a port that the Service does not have has no record",
        question: "_nope._tcp.web.shop.svc.cluster.local. SRV",
        ..NXDOMAIN
    },
    Case {
        section: "2.3.2",
        rule: "the protocol is a part of the port's name",
        question: "_https._udp.web.shop.svc.cluster.local. SRV",
        ..NXDOMAIN
    },
    Case {
        section: "2.3.2",
        rule: "unnamed ports do not have an SRV record",
        question: "_._tcp.plain.shop.svc.cluster.local. SRV",
        ..NXDOMAIN
    },
    Case {
        section: "2.3.2",
        rule: "SRV at the Service's own name has all ports (CoreDNS)",
        question: "plain.shop.svc.cluster.local. SRV",
        answer: &[
            "plain.shop.svc.cluster.local. 30 IN SRV 0 100 8080 plain.shop.svc.cluster.local.",
        ],
        additional: &["plain.shop.svc.cluster.local. 30 IN A 10.96.0.21"],
        ..ANSWER
    },
    Case {
        section: "2.3.2",
        rule: "an address query at a port's name gets the Service's address (CoreDNS)",
        question: "_http._tcp.web.shop.svc.cluster.local. A",
        answer: &["_http._tcp.web.shop.svc.cluster.local. 30 IN A 10.96.0.20"],
        ..ANSWER
    },
    Case {
        section: "2.3.3",
        rule: "an IPv4 ClusterIP has a PTR record in in-addr.arpa",
        question: "20.0.96.10.in-addr.arpa. PTR",
        answer: &["20.0.96.10.in-addr.arpa. 30 IN PTR web.shop.svc.cluster.local."],
        ..ANSWER
    },
    Case {
        section: "2.3.3",
        rule: "an IPv6 ClusterIP has a PTR record in ip6.arpa",
        question: "2.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. PTR",
        answer: &[
            "2.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. 30 IN PTR \
             dual.shop.svc.cluster.local.",
        ],
        ..ANSWER
    },
];

/// 2.4: headless Services.
const HEADLESS: &[Case] = &[
    Case {
        section: "2.4.1",
        rule: "<service>.<ns>.svc.<zone> has an A record for each ready endpoint",
        question: "db.shop.svc.cluster.local. A",
        answer: &[
            "db.shop.svc.cluster.local. 30 IN A 10.244.5.1",
            "db.shop.svc.cluster.local. 30 IN A 10.244.5.2",
            "db.shop.svc.cluster.local. 30 IN A 10.244.5.3",
        ],
        ..ANSWER
    },
    Case {
        section: "2.4.1",
        rule: "<service>.<ns>.svc.<zone> has an AAAA record for each ready endpoint",
        question: "db6.shop.svc.cluster.local. AAAA",
        answer: &["db6.shop.svc.cluster.local. 30 IN AAAA fd00:244:5::7"],
        ..ANSWER
    },
    Case {
        section: "2.4.1",
        rule: "no ready endpoint: NXDOMAIN",
        question: "idle.shop.svc.cluster.local. A",
        ..NXDOMAIN
    },
    Case {
        section: "2.4.1",
        rule: "an endpoint with a hostname has an A record at <hostname>.<service>",
        question: "db-1.db.shop.svc.cluster.local. A",
        answer: &["db-1.db.shop.svc.cluster.local. 30 IN A 10.244.5.2"],
        ..ANSWER
    },
    Case {
        section: "2.4.1",
        rule: "an endpoint without a hostname has a record at a name of its own: its address with hyphens",
        question: "10-244-5-3.db.shop.svc.cluster.local. A",
        answer: &["10-244-5-3.db.shop.svc.cluster.local. 30 IN A 10.244.5.3"],
        ..ANSWER
    },
    Case {
        section: "2.4.1",
        rule: "an IPv6 address with hyphens",
        question: "fd00-244-5--7.db6.shop.svc.cluster.local. AAAA",
        answer: &["fd00-244-5--7.db6.shop.svc.cluster.local. 30 IN AAAA fd00:244:5::7"],
        ..ANSWER
    },
    Case {
        section: "2.4.1",
        rule: "an endpoint with a hostname has that name alone",
        question: "10-244-5-1.db.shop.svc.cluster.local. A",
        ..NXDOMAIN
    },
    Case {
        section: "2.4.1",
        rule: "an endpoint that is not ready has no name",
        question: "db-9.db.shop.svc.cluster.local. A",
        ..NXDOMAIN
    },
    Case {
        section: "2.4.2",
        rule: "each named port of each ready endpoint has an SRV record whose target is the endpoint",
        question: "_pg._tcp.db.shop.svc.cluster.local. SRV",
        answer: &[
            "_pg._tcp.db.shop.svc.cluster.local. 30 IN SRV 0 33 5432 db-0.db.shop.svc.cluster.local.",
            "_pg._tcp.db.shop.svc.cluster.local. 30 IN SRV 0 33 5432 db-1.db.shop.svc.cluster.local.",
            "_pg._tcp.db.shop.svc.cluster.local. 30 IN SRV 0 33 5432 10-244-5-3.db.shop.svc.cluster.local.",
        ],
        additional: &[
            "db-0.db.shop.svc.cluster.local. 30 IN A 10.244.5.1",
            "db-1.db.shop.svc.cluster.local. 30 IN A 10.244.5.2",
            "10-244-5-3.db.shop.svc.cluster.local. 30 IN A 10.244.5.3",
        ],
        ..ANSWER
    },
    Case {
        section: "2.4.3",
        rule: "an endpoint's address has a PTR record with the endpoint's name",
        question: "2.5.244.10.in-addr.arpa. PTR",
        answer: &["2.5.244.10.in-addr.arpa. 30 IN PTR db-1.db.shop.svc.cluster.local."],
        ..ANSWER
    },
    Case {
        section: "2.4.3",
        rule: "an IPv6 endpoint's address, too",
        question: "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.0.0.0.4.4.2.0.0.0.d.f.ip6.arpa. PTR",
        answer: &[
            "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.0.0.0.4.4.2.0.0.0.d.f.ip6.arpa. 30 IN PTR \
             fd00-244-5--7.db6.shop.svc.cluster.local.",
        ],
        ..ANSWER
    },
];

/// 2.5: ExternalName. Chasing is in `rfc6604`.
const EXTERNAL_NAME: &[Case] = &[
    Case {
        section: "2.5",
        rule: "<service>.<ns>.svc.<zone> has a CNAME record of the external name",
        question: "one.shop.svc.cluster.local. CNAME",
        answer: &["one.shop.svc.cluster.local. 30 IN CNAME one.example.net."],
        ..ANSWER
    },
    Case {
        section: "2.5",
        rule: "an address is not a name: nothing is there (CoreDNS)",
        question: "literal.shop.svc.cluster.local. CNAME",
        ..NXDOMAIN
    },
    Case {
        section: "2.5",
        rule: "nothing is below an external name",
        question: "x.one.shop.svc.cluster.local. A",
        ..NXDOMAIN
    },
];

/// Pod names, which the specification had in 1.0.0, and the zone's own records.
const BESIDE: &[Case] = &[
    Case {
        section: "CoreDNS, pods insecure",
        rule: "a pod's name is its address with hyphens, in any namespace there is",
        question: "192-0-2-7.shop.pod.cluster.local. A",
        answer: &["192-0-2-7.shop.pod.cluster.local. 30 IN A 192.0.2.7"],
        ..ANSWER
    },
    Case {
        section: "CoreDNS, pods insecure",
        rule: "an IPv6 address, too",
        question: "2001-db8--7.shop.pod.cluster.local. AAAA",
        answer: &["2001-db8--7.shop.pod.cluster.local. 30 IN AAAA 2001:db8::7"],
        ..ANSWER
    },
    Case {
        section: "CoreDNS, pods insecure",
        rule: "not in a namespace that does not exist",
        question: "192-0-2-7.nowhere.pod.cluster.local. A",
        ..NXDOMAIN
    },
    Case {
        section: "CoreDNS, pods insecure",
        rule: "a label to the left changes nothing: virtual hosts of one pod",
        question: "www.192-0-2-7.shop.pod.cluster.local. A",
        answer: &["www.192-0-2-7.shop.pod.cluster.local. 30 IN A 192.0.2.7"],
        ..ANSWER
    },
    Case {
        section: "CoreDNS, pods insecure",
        rule: "a virtual host leads to its pod",
        question: "www.192-0-2-7.shop.pod.cluster.local. SRV",
        answer: &[
            "www.192-0-2-7.shop.pod.cluster.local. 30 IN SRV 0 100 0 192-0-2-7.shop.pod.cluster.local.",
        ],
        additional: &["192-0-2-7.shop.pod.cluster.local. 30 IN A 192.0.2.7"],
        ..ANSWER
    },
    Case {
        section: "CoreDNS",
        rule: "the zone's server is ns.dns.<zone>",
        question: "cluster.local. NS",
        answer: &["cluster.local. 30 IN NS ns.dns.cluster.local."],
        additional: &[
            "ns.dns.cluster.local. 30 IN A 10.96.0.10",
            "ns.dns.cluster.local. 30 IN AAAA fd00:96::10",
        ],
        ..ANSWER
    },
    Case {
        section: "CoreDNS",
        rule: "the addresses of ns.dns.<zone> are those of the DNS Service",
        question: "ns.dns.cluster.local. A",
        answer: &["ns.dns.cluster.local. 30 IN A 10.96.0.10"],
        ..ANSWER
    },
];

#[test]
fn the_kubernetes_dns_specification() -> Result<()> {
    let site = site()?;
    let tables = [VERSION, CLUSTER_IP, HEADLESS, EXTERNAL_NAME, BESIDE];
    for case in tables.into_iter().flatten() {
        check(&site, case);
    }
    // Were the programs not there, the agent would have answered all of it.
    for outcome in ["answer", "nodata", "nxdomain"] {
        assert!(site.kernel_outcomes(outcome)? > 0, "{outcome}");
    }
    Ok(())
}
