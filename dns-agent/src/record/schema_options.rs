//! What each option of `kubernetes` does to the names (the table of the plugin's options).

use super::schema::View;
use super::testing::{NODATA, NXDOMAIN, check_rows, index, name, namespace, service, slice};
use crate::k8s::Verb;
use crate::k8s::index::Index;
use crate::k8s::needs::Sight;
use crate::k8s::object::{Object, ObjectKey, Pod};
use crate::plugin::kubernetes::{Options, Pods};

fn options(zones: &[&str]) -> Options {
    Options {
        zones: zones.iter().map(|zone| name(zone)).collect(),
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

fn cluster() -> Index {
    index([
        namespace("a"),
        namespace("b"),
        service("a/web", "10.1.0.1", "http:tcp:80"),
        slice(
            "a/web-1",
            "web",
            "http:tcp:8080",
            "10.2.0.1@web-abc 10.2.0.2=x@web-def",
        ),
        service("a/idle", "10.1.0.2", "http:tcp:80"),
        slice("a/idle-1", "idle", "http:tcp:80", ""),
        service("a/h", "None", "http:tcp:80"),
        slice("a/h-1", "h", "http:tcp:80", "10.2.0.1@web-abc"),
        service("b/web", "10.1.0.1", "http:tcp:80"),
        slice("b/web-1", "web", "http:tcp:80", "10.3.0.1"),
    ])
}

#[test]
fn namespaces_hides_all_others() {
    let mut options = options(&["cluster.local", "in-addr.arpa"]);
    options.namespaces = ["b".into(), "unknown".into()].into();
    check_rows(
        &view(options),
        &cluster(),
        &[
            ("web.b.svc.cluster.local", "A", &["A 10.1.0.1"]),
            ("b.svc.cluster.local", "A", NODATA),
            ("web.a.svc.cluster.local", "A", NXDOMAIN),
            ("a.svc.cluster.local", "A", NXDOMAIN),
            ("unknown.svc.cluster.local", "A", NXDOMAIN),
            (
                "1.0.1.10.in-addr.arpa",
                "PTR",
                &["PTR web.b.svc.cluster.local."],
            ),
            ("1.0.2.10.in-addr.arpa", "PTR", NXDOMAIN),
            ("2.10.in-addr.arpa", "PTR", NXDOMAIN),
            ("3.10.in-addr.arpa", "PTR", NODATA),
        ],
    );
}

#[test]
fn endpoint_pod_names_names_endpoints_after_their_pods() {
    let mut options = options(&["cluster.local", "in-addr.arpa"]);
    options.endpoint_pod_names = true;
    check_rows(
        &view(options),
        &cluster(),
        &[
            ("web-abc.web.a.svc.cluster.local", "A", &["A 10.2.0.1"]),
            ("10-2-0-1.web.a.svc.cluster.local", "A", NXDOMAIN),
            ("x.web.a.svc.cluster.local", "A", &["A 10.2.0.2"]),
            ("web-def.web.a.svc.cluster.local", "A", NXDOMAIN),
            (
                "1.0.2.10.in-addr.arpa",
                "PTR",
                &[
                    "PTR web-abc.h.a.svc.cluster.local.",
                    "PTR web-abc.web.a.svc.cluster.local.",
                ],
            ),
        ],
    );
}

#[test]
fn noendpoints_leaves_cluster_ips_alone() {
    let mut options = options(&["cluster.local", "in-addr.arpa"]);
    options.noendpoints = true;
    check_rows(
        &view(options),
        &cluster(),
        &[
            ("web.a.svc.cluster.local", "A", &["A 10.1.0.1"]),
            ("x.web.a.svc.cluster.local", "A", NXDOMAIN),
            ("h.a.svc.cluster.local", "A", NXDOMAIN),
            ("_tcp.h.a.svc.cluster.local", "A", NXDOMAIN),
            (
                "1.0.1.10.in-addr.arpa",
                "PTR",
                &["PTR web.a.svc.cluster.local."],
            ),
            ("1.0.2.10.in-addr.arpa", "PTR", NXDOMAIN),
            ("2.10.in-addr.arpa", "PTR", NXDOMAIN),
        ],
    );
}

#[test]
fn ignore_empty_service_hides_a_service_without_endpoints() {
    let mut options = options(&["cluster.local"]);
    check_rows(
        &view(options.clone()),
        &cluster(),
        &[("idle.a.svc.cluster.local", "A", &["A 10.1.0.2"])],
    );
    options.ignore_empty_service = true;
    check_rows(
        &view(options),
        &cluster(),
        &[
            ("idle.a.svc.cluster.local", "A", NXDOMAIN),
            ("_tcp.idle.a.svc.cluster.local", "A", NXDOMAIN),
            ("_http._tcp.idle.a.svc.cluster.local", "SRV", NXDOMAIN),
            ("web.a.svc.cluster.local", "A", &["A 10.1.0.1"]),
        ],
    );
}

#[test]
fn the_longest_zone_has_the_name() {
    let zones = [
        "cluster.local",
        "0.1.10.in-addr.arpa",
        "b.svc.cluster.local",
        "x.y.cluster.local",
    ];
    check_rows(
        &view(options(&zones)),
        &cluster(),
        &[
            ("web.a.svc.cluster.local", "A", &["A 10.1.0.1"]),
            ("web.b.svc.cluster.local", "A", NXDOMAIN),
            ("svc.b.svc.cluster.local", "A", NODATA),
            ("web.b.svc.b.svc.cluster.local", "A", &["A 10.1.0.1"]),
            (
                "_http._tcp.web.b.svc.b.svc.cluster.local",
                "SRV",
                &[
                    "SRV 0 100 80 web.b.svc.b.svc.cluster.local.",
                    "+ web.b.svc.b.svc.cluster.local. A 10.1.0.1",
                ],
            ),
            ("y.cluster.local", "A", NODATA),
            ("z.cluster.local", "A", NXDOMAIN),
            (
                "1.0.1.10.in-addr.arpa",
                "PTR",
                &["PTR web.a.svc.cluster.local."],
            ),
            ("1.10.in-addr.arpa", "PTR", NXDOMAIN),
            ("1.0.2.10.in-addr.arpa", "PTR", NXDOMAIN),
        ],
    );
    let view = view(options(&zones));
    assert_eq!(view.zone_of(&name("xcluster.local")), None);
    assert_eq!(
        view.zone_of(&name("a.cluster.local")),
        Some(&name("cluster.local"))
    );
}

#[test]
fn the_root_may_be_the_zone() {
    check_rows(
        &view(options(&["."])),
        &cluster(),
        &[
            ("web.a.svc", "A", &["A 10.1.0.1"]),
            ("a.svc", "A", NODATA),
            ("1.0.1.10.in-addr.arpa", "PTR", &["PTR web.a.svc."]),
            ("in-addr.arpa", "A", NODATA),
            ("arpa", "A", NODATA),
            ("ip6.arpa", "A", NXDOMAIN),
            ("org", "A", NXDOMAIN),
        ],
    );
}

#[test]
fn without_a_forward_zone_there_is_nothing_to_point_at() {
    check_rows(
        &view(options(&["in-addr.arpa"])),
        &cluster(),
        &[
            ("in-addr.arpa", "A", NODATA),
            ("1.0.1.10.in-addr.arpa", "PTR", NXDOMAIN),
        ],
    );
}

#[test]
fn the_servers_own_addresses_stand_in_for_the_dns_service() {
    let service = ObjectKey::new("kube-system", "kube-dns");
    let own = vec!["192.0.2.1".parse().unwrap()];
    let view_of = |own| {
        View::new(
            options(&["cluster.local"]),
            Sight::default(),
            service.clone(),
            own,
        )
    };
    check_rows(
        &view_of(own),
        &cluster(),
        &[
            (
                "cluster.local",
                "NS",
                &[
                    "NS ns.dns.cluster.local.",
                    "+ ns.dns.cluster.local. A 192.0.2.1",
                ],
            ),
            ("ns.dns.cluster.local", "A", &["A 192.0.2.1"]),
        ],
    );
    check_rows(
        &view_of(Vec::new()),
        &cluster(),
        &[
            ("cluster.local", "NS", NODATA),
            ("ns.dns.cluster.local", "A", NODATA),
        ],
    );
}

#[test]
fn pods_verified_answers_the_addresses_of_pods_in_their_namespaces() {
    let mut options = options(&["cluster.local"]);
    options.pods = Pods::Verified;
    let view = view(options);
    let mut index = cluster();
    for (namespace, name, addresses) in [
        ("a", "web-abc", ["10.2.0.1", "fd00::7"]),
        ("none", "stray", ["10.2.0.3", "fd00::8"]),
    ] {
        index.apply(Verb::Apply(Object::Pod(Pod {
            key: ObjectKey::new(namespace, name),
            node: None,
            addresses: addresses.map(|ip| ip.parse().unwrap()).into(),
        })));
    }
    check_rows(
        &view,
        &index,
        &[
            ("a.pod.cluster.local", "A", NODATA),
            ("none.pod.cluster.local", "A", NXDOMAIN),
            ("10-2-0-1.a.pod.cluster.local", "A", &["A 10.2.0.1"]),
            ("10-2-0-1.a.pod.cluster.local", "AAAA", NODATA),
            ("fd00--7.a.pod.cluster.local", "AAAA", &["AAAA fd00::7"]),
            ("fd00-0-0-0-0-0-0-7.a.pod.cluster.local", "AAAA", NXDOMAIN),
            ("x.10-2-0-1.a.pod.cluster.local", "A", &["A 10.2.0.1"]),
            ("10-2-0-1.b.pod.cluster.local", "A", NXDOMAIN),
            ("10-2-0-2.a.pod.cluster.local", "A", NXDOMAIN),
            ("10-2-0-3.none.pod.cluster.local", "A", NXDOMAIN),
            ("web-abc.a.pod.cluster.local", "A", NXDOMAIN),
        ],
    );
    for (rests, asked) in [
        (true, "10-2-0-2.a.pod.cluster.local"),
        (true, "pod.cluster.local"),
        (false, "pod.a.svc.cluster.local"),
        (false, "cluster.local"),
        (false, "10-2-0-2.a.pod.example.com"),
    ] {
        assert_eq!(view.rests_on_pods(&name(asked)), rests, "{asked}");
    }
}
