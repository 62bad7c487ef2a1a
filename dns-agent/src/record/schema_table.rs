//! The schema as a table: a question and its answer per row, by section of the Kubernetes DNS
//! specification.

use super::schema::View;
use super::testing::{
    NODATA, NXDOMAIN, Row, check_rows, external, index, name, namespace, service, slice,
};
use crate::k8s::needs::Sight;
use crate::k8s::object::{Object, ObjectKey};
use crate::plugin::kubernetes::{Options, Pods};

fn cluster() -> Vec<Object> {
    let four = "http:tcp:80,https:tcp:443,dns:udp:53,dns-tcp:tcp:53";
    let long = "a".repeat(63);
    vec![
        namespace("a"),
        namespace("empty"),
        namespace("kube-system"),
        service(
            "kube-system/kube-dns",
            "10.96.0.10 fd00:96::a",
            "dns:udp:53",
        ),
        service("a/multi", "10.1.0.1", four),
        slice(
            "a/multi-1",
            "multi",
            "http:tcp:8080,https:tcp:8443",
            "10.2.0.1=web-0 10.2.0.2",
        ),
        service("a/unnamed", "10.1.0.2", ":tcp:8080"),
        service("a/dual", "10.1.0.3 fd00::3", "http:tcp:80"),
        service("a/pending", "", "http:tcp:80"),
        service("a/portless", "10.1.0.4", ""),
        service("a/twin", "10.1.0.1", "http:tcp:80"),
        service("a/h", "None", "http:tcp:80"),
        slice(
            "a/h-1",
            "h",
            "http:tcp:80,https:tcp:443",
            "10.2.6.1=p0 10.2.6.2=p1 10.2.6.3=p1",
        ),
        slice("a/h-2", "h", ":tcp:9", "fd00::7"),
        service("a/hdup", "None", "http:tcp:80"),
        slice("a/hdup-1", "hdup", "http:tcp:80", "10.2.5.1 10.2.5.2"),
        slice("a/hdup-2", "hdup", "http:tcp:80", "10.2.5.1"),
        service("a/hnone", "None", "http:tcp:80"),
        service("a/hunready", "None", "http:tcp:80"),
        slice("a/hunready-1", "hunready", "http:tcp:80", ""),
        service("a/hnoport", "None", ""),
        slice("a/hnoport-1", "hnoport", "", "10.2.7.1"),
        service("a/hpod", "None", "http:tcp:80"),
        slice("a/hpod-1", "hpod", "http:tcp:80", "10.2.8.1@hello-abcde"),
        slice("a/orphan-1", "orphan", "http:tcp:80", "10.2.9.1"),
        external("a/ext", "Foo.Example.net"),
        external("a/ext-ip", "1.2.3.4"),
        external("a/ext-ip6", "fd00::1"),
        external("a/ext-none", ""),
        external("a/ext-bad", "a..b"),
        slice("a/ext-1", "ext", "http:tcp:80", "10.2.10.1=x"),
        service("hidden/svc", "10.9.0.1", "http:tcp:80"),
        service("a/dotted.name", "10.1.0.5", "http:tcp:80"),
        service(&format!("a/{}", "x".repeat(64)), "10.1.0.6", "http:tcp:80"),
        service(&format!("a/{long}"), "10.1.0.7", &format!("{long}:tcp:80")),
    ]
}

fn options() -> Options {
    let zones = ["cluster.local", "in-addr.arpa", "ip6.arpa"];
    Options {
        zones: zones.map(name).to_vec(),
        pods: Pods::Insecure,
        ttl: 30,
        ..Options::default()
    }
}

fn view(options: Options) -> View {
    View::new(
        options,
        Sight::default(),
        ObjectKey::new("kube-system", "kube-dns"),
        Vec::new(),
    )
}

fn check(options: Options, rows: &[Row]) {
    check_rows(&view(options), &index(cluster()), rows);
}

#[test]
fn section_2_2_schema_version() {
    check(
        options(),
        &[
            ("dns-version.cluster.local", "TXT", &["28800 TXT \"1.1.0\""]),
            ("dns-version.cluster.local", "A", NODATA),
            ("x.dns-version.cluster.local", "TXT", NXDOMAIN),
        ],
    );
}

#[test]
fn section_2_3_1_addresses_of_a_cluster_ip_service() {
    check(
        options(),
        &[
            ("multi.a.svc.cluster.local", "A", &["A 10.1.0.1"]),
            ("MULTI.A.SVC.Cluster.Local", "A", &["A 10.1.0.1"]),
            ("multi.a.svc.cluster.local", "AAAA", NODATA),
            ("multi.a.svc.cluster.local", "TXT", NODATA),
            ("multi.a.svc.cluster.local", "CNAME", NODATA),
            ("dual.a.svc.cluster.local", "A", &["A 10.1.0.3"]),
            ("dual.a.svc.cluster.local", "AAAA", &["AAAA fd00::3"]),
            ("pending.a.svc.cluster.local", "A", NODATA),
            ("_http._tcp.pending.a.svc.cluster.local", "SRV", NODATA),
            ("portless.a.svc.cluster.local", "A", &["A 10.1.0.4"]),
            ("portless.a.svc.cluster.local", "SRV", NODATA),
            ("none.a.svc.cluster.local", "A", NXDOMAIN),
            ("none.a.svc.cluster.local", "SOA", NXDOMAIN),
            ("any.a.svc.cluster.local", "A", NXDOMAIN),
            ("*.a.svc.cluster.local", "A", NXDOMAIN),
            ("orphan.a.svc.cluster.local", "A", NXDOMAIN),
            ("10-2-9-1.orphan.a.svc.cluster.local", "A", NXDOMAIN),
            (
                "multi.a.svc.cluster.local.a.svc.cluster.local",
                "A",
                NXDOMAIN,
            ),
            ("x._http._tcp.multi.a.svc.cluster.local", "A", NXDOMAIN),
        ],
    );
}

#[test]
fn section_2_3_2_srv_of_a_cluster_ip_service() {
    let target = "multi.a.svc.cluster.local.";
    let both = [
        "+ dual.a.svc.cluster.local. A 10.1.0.3",
        "+ dual.a.svc.cluster.local. AAAA fd00::3",
    ];
    let all = [53, 80, 443].map(|port| format!("SRV 0 25 {port} {target}"));
    let glue = format!("+ {target} A 10.1.0.1");
    let http = format!("SRV 0 100 80 {target}");
    check(
        options(),
        &[
            (
                "multi.a.svc.cluster.local",
                "SRV",
                &[&all[0], &all[1], &all[2], &glue],
            ),
            (
                "_http._tcp.multi.a.svc.cluster.local",
                "SRV",
                &[&http, &glue],
            ),
            ("_http._tcp.multi.a.svc.cluster.local", "A", &["A 10.1.0.1"]),
            ("_http._udp.multi.a.svc.cluster.local", "SRV", NXDOMAIN),
            ("_nope._tcp.multi.a.svc.cluster.local", "SRV", NXDOMAIN),
            ("_tcp.multi.a.svc.cluster.local", "SRV", NODATA),
            ("_udp.multi.a.svc.cluster.local", "A", NODATA),
            ("_sctp.multi.a.svc.cluster.local", "A", NXDOMAIN),
            ("_tcp.unnamed.a.svc.cluster.local", "A", NXDOMAIN),
            ("http.tcp.multi.a.svc.cluster.local", "SRV", NXDOMAIN),
            ("_http.tcp.multi.a.svc.cluster.local", "SRV", NXDOMAIN),
            ("_._tcp.multi.a.svc.cluster.local", "SRV", NXDOMAIN),
            ("_._tcp.unnamed.a.svc.cluster.local", "SRV", NXDOMAIN),
            (
                "unnamed.a.svc.cluster.local",
                "SRV",
                &[
                    "SRV 0 100 8080 unnamed.a.svc.cluster.local.",
                    "+ unnamed.a.svc.cluster.local. A 10.1.0.2",
                ],
            ),
            (
                "dual.a.svc.cluster.local",
                "SRV",
                &["SRV 0 50 80 dual.a.svc.cluster.local.", both[0], both[1]],
            ),
        ],
    );
}

#[test]
fn section_2_3_3_ptr_of_a_cluster_ip() {
    check(
        options(),
        &[
            (
                "1.0.1.10.in-addr.arpa",
                "PTR",
                &["PTR multi.a.svc.cluster.local."],
            ),
            ("1.0.1.10.in-addr.arpa", "A", NODATA),
            ("10.in-addr.arpa", "PTR", NODATA),
            ("1.10.in-addr.arpa", "A", NODATA),
            ("7.10.in-addr.arpa", "A", NXDOMAIN),
            ("9.9.9.9.in-addr.arpa", "PTR", NXDOMAIN),
            ("01.0.1.10.in-addr.arpa", "PTR", NXDOMAIN),
            ("x.1.0.1.10.in-addr.arpa", "PTR", NXDOMAIN),
            (
                "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
                "PTR",
                &["PTR dual.a.svc.cluster.local."],
            ),
            ("d.f.ip6.arpa", "PTR", NODATA),
            ("1.0.9.10.in-addr.arpa", "PTR", NXDOMAIN),
            ("9.10.in-addr.arpa", "PTR", NXDOMAIN),
        ],
    );
}

#[test]
fn section_2_4_1_addresses_of_a_headless_service() {
    check(
        options(),
        &[
            (
                "h.a.svc.cluster.local",
                "A",
                &["A 10.2.6.1", "A 10.2.6.2", "A 10.2.6.3"],
            ),
            ("h.a.svc.cluster.local", "AAAA", &["AAAA fd00::7"]),
            (
                "hdup.a.svc.cluster.local",
                "A",
                &["A 10.2.5.1", "A 10.2.5.2"],
            ),
            ("hnoport.a.svc.cluster.local", "A", &["A 10.2.7.1"]),
            ("hnone.a.svc.cluster.local", "A", NXDOMAIN),
            ("hunready.a.svc.cluster.local", "A", NXDOMAIN),
            ("_tcp.hunready.a.svc.cluster.local", "A", NXDOMAIN),
            ("p0.h.a.svc.cluster.local", "A", &["A 10.2.6.1"]),
            (
                "p1.h.a.svc.cluster.local",
                "A",
                &["A 10.2.6.2", "A 10.2.6.3"],
            ),
            ("p1.h.a.svc.cluster.local", "AAAA", NODATA),
            ("fd00--7.h.a.svc.cluster.local", "AAAA", &["AAAA fd00::7"]),
            ("10-2-6-1.h.a.svc.cluster.local", "A", NXDOMAIN),
            ("10-2-8-1.hpod.a.svc.cluster.local", "A", &["A 10.2.8.1"]),
            ("hello-abcde.hpod.a.svc.cluster.local", "A", NXDOMAIN),
            ("web-0.multi.a.svc.cluster.local", "A", &["A 10.2.0.1"]),
            ("10-2-0-2.multi.a.svc.cluster.local", "A", &["A 10.2.0.2"]),
            ("10-2-0-3.multi.a.svc.cluster.local", "A", NXDOMAIN),
        ],
    );
}

#[test]
fn section_2_4_2_srv_of_a_headless_service() {
    check(
        options(),
        &[
            (
                "_https._tcp.h.a.svc.cluster.local",
                "SRV",
                &[
                    "SRV 0 33 443 p0.h.a.svc.cluster.local.",
                    "SRV 0 33 443 p1.h.a.svc.cluster.local.",
                    "+ p0.h.a.svc.cluster.local. A 10.2.6.1",
                    "+ p1.h.a.svc.cluster.local. A 10.2.6.2",
                    "+ p1.h.a.svc.cluster.local. A 10.2.6.3",
                ],
            ),
            ("_https._tcp.h.a.svc.cluster.local", "AAAA", NODATA),
            ("_tcp.h.a.svc.cluster.local", "SRV", NODATA),
            ("_udp.h.a.svc.cluster.local", "SRV", NXDOMAIN),
            (
                "h.a.svc.cluster.local",
                "SRV",
                &[
                    "SRV 0 14 80 p0.h.a.svc.cluster.local.",
                    "SRV 0 14 443 p0.h.a.svc.cluster.local.",
                    "SRV 0 14 80 p1.h.a.svc.cluster.local.",
                    "SRV 0 14 443 p1.h.a.svc.cluster.local.",
                    "SRV 0 14 9 fd00--7.h.a.svc.cluster.local.",
                    "+ p0.h.a.svc.cluster.local. A 10.2.6.1",
                    "+ p1.h.a.svc.cluster.local. A 10.2.6.2",
                    "+ p1.h.a.svc.cluster.local. A 10.2.6.3",
                    "+ fd00--7.h.a.svc.cluster.local. AAAA fd00::7",
                ],
            ),
            (
                "hdup.a.svc.cluster.local",
                "SRV",
                &[
                    "SRV 0 33 80 10-2-5-1.hdup.a.svc.cluster.local.",
                    "SRV 0 33 80 10-2-5-2.hdup.a.svc.cluster.local.",
                    "+ 10-2-5-1.hdup.a.svc.cluster.local. A 10.2.5.1",
                    "+ 10-2-5-2.hdup.a.svc.cluster.local. A 10.2.5.2",
                ],
            ),
            ("hnoport.a.svc.cluster.local", "SRV", NODATA),
            (
                "p0.h.a.svc.cluster.local",
                "SRV",
                &[
                    "SRV 0 50 80 p0.h.a.svc.cluster.local.",
                    "SRV 0 50 443 p0.h.a.svc.cluster.local.",
                    "+ p0.h.a.svc.cluster.local. A 10.2.6.1",
                ],
            ),
            (
                "web-0.multi.a.svc.cluster.local",
                "SRV",
                &[
                    "SRV 0 50 8080 web-0.multi.a.svc.cluster.local.",
                    "SRV 0 50 8443 web-0.multi.a.svc.cluster.local.",
                    "+ web-0.multi.a.svc.cluster.local. A 10.2.0.1",
                ],
            ),
        ],
    );
}

#[test]
fn section_2_4_3_ptr_of_an_endpoint() {
    check(
        options(),
        &[
            (
                "1.6.2.10.in-addr.arpa",
                "PTR",
                &["PTR p0.h.a.svc.cluster.local."],
            ),
            (
                "1.5.2.10.in-addr.arpa",
                "PTR",
                &["PTR 10-2-5-1.hdup.a.svc.cluster.local."],
            ),
            (
                "1.0.2.10.in-addr.arpa",
                "PTR",
                &["PTR web-0.multi.a.svc.cluster.local."],
            ),
            (
                "1.9.2.10.in-addr.arpa",
                "PTR",
                &["PTR 10-2-9-1.orphan.a.svc.cluster.local."],
            ),
            ("1.0.2.10.in-addr.arpa", "TXT", NODATA),
        ],
    );
}

#[test]
fn section_2_5_external_name() {
    check(
        options(),
        &[
            (
                "ext.a.svc.cluster.local",
                "CNAME",
                &["CNAME foo.example.net."],
            ),
            ("ext-ip.a.svc.cluster.local", "A", NXDOMAIN),
            ("ext-ip6.a.svc.cluster.local", "A", NXDOMAIN),
            ("ext-none.a.svc.cluster.local", "A", NXDOMAIN),
            ("ext-bad.a.svc.cluster.local", "A", NXDOMAIN),
            ("x.ext.a.svc.cluster.local", "A", NXDOMAIN),
            ("_http._tcp.ext.a.svc.cluster.local", "SRV", NXDOMAIN),
        ],
    );
}

#[test]
fn zones_and_empty_non_terminals() {
    check(
        options(),
        &[
            ("cluster.local", "A", NODATA),
            ("cluster.local", "TXT", NODATA),
            (
                "cluster.local",
                "NS",
                &[
                    "NS ns.dns.cluster.local.",
                    "+ ns.dns.cluster.local. A 10.96.0.10",
                    "+ ns.dns.cluster.local. AAAA fd00:96::a",
                ],
            ),
            (
                "in-addr.arpa",
                "NS",
                &[
                    "NS ns.dns.in-addr.arpa.",
                    "+ ns.dns.in-addr.arpa. A 10.96.0.10",
                    "+ ns.dns.in-addr.arpa. AAAA fd00:96::a",
                ],
            ),
            ("ns.dns.cluster.local", "A", &["A 10.96.0.10"]),
            ("ns.dns.cluster.local", "AAAA", &["AAAA fd00:96::a"]),
            ("ns.dns.cluster.local", "PTR", NODATA),
            ("dns.cluster.local", "A", NODATA),
            ("x.dns.cluster.local", "A", NXDOMAIN),
            ("svc.cluster.local", "TXT", NODATA),
            ("pod.cluster.local", "A", NODATA),
            ("a.svc.cluster.local", "TXT", NODATA),
            ("a.pod.cluster.local", "A", NODATA),
            ("empty.svc.cluster.local", "A", NODATA),
            ("hidden.svc.cluster.local", "A", NXDOMAIN),
            ("svc.hidden.svc.cluster.local", "A", NXDOMAIN),
            ("foo.cluster.local", "SOA", NXDOMAIN),
            ("svc.in-addr.arpa", "A", NXDOMAIN),
            ("example.org", "A", NXDOMAIN),
        ],
    );
}

#[test]
fn pod_names() {
    check(
        options(),
        &[
            ("1-2-3-4.a.pod.cluster.local", "A", &["A 1.2.3.4"]),
            ("1-2-3-4.a.pod.cluster.local", "SRV", NODATA),
            ("fd00--7.a.pod.cluster.local", "AAAA", &["AAAA fd00::7"]),
            ("x.1-2-3-4.a.pod.cluster.local", "A", &["A 1.2.3.4"]),
            (
                "y.x.1-2-3-4.a.pod.cluster.local",
                "SRV",
                &[
                    "SRV 0 100 0 1-2-3-4.a.pod.cluster.local.",
                    "+ 1-2-3-4.a.pod.cluster.local. A 1.2.3.4",
                ],
            ),
            ("z.y.x.1-2-3-4.a.pod.cluster.local", "A", NXDOMAIN),
            ("1-2-3-4.none.pod.cluster.local", "A", NXDOMAIN),
            ("web-0.a.pod.cluster.local", "A", NXDOMAIN),
        ],
    );
    let disabled = Options {
        pods: Pods::Disabled,
        ..options()
    };
    check(
        disabled,
        &[
            ("pod.cluster.local", "A", NODATA),
            ("a.pod.cluster.local", "A", NXDOMAIN),
            ("1-2-3-4.a.pod.cluster.local", "A", NXDOMAIN),
        ],
    );
}

#[test]
fn names_that_dns_cannot_hold_are_left_out() {
    let long = format!("{}.a.svc.cluster.local", "a".repeat(63));
    check(
        options(),
        &[
            (&long, "A", &["A 10.1.0.7"]),
            ("dotted.name.a.svc.cluster.local", "A", NXDOMAIN),
            ("6.0.1.10.in-addr.arpa", "PTR", NXDOMAIN),
        ],
    );
}
