//! Names that only some blocks have: of topology zones, of other clusters, of what labels select. The
//! rows are those of CoreDNS's own tests, and where ours are stricter.

use super::schema::View;
use super::testing::{
    NODATA, NXDOMAIN, check_rows, from_cluster, import, index, labelled, name, namespace, service,
    slice,
};
use crate::k8s::index::Index;
use crate::k8s::needs::{Needs, Seen, Sight};
use crate::k8s::object::ObjectKey;
use crate::k8s::selector::Selector;
use crate::plugin::kubernetes::Options;

fn view(options: Options, sight: Sight) -> View {
    View::new(
        options,
        sight,
        ObjectKey::new("kube-system", "kube-dns"),
        Vec::new(),
    )
}

fn options() -> Options {
    Options {
        zones: vec![name("cluster.local"), name("in-addr.arpa")],
        ..Options::default()
    }
}

fn zones() -> Index {
    index([
        namespace("ns"),
        service("ns/h", "None", ""),
        slice(
            "ns/h-1",
            "h",
            "http:tcp:80",
            "10.2.0.1%us-west-2a 10.2.0.2%us-west-2b 10.2.0.3%corp.example",
        ),
        service("ns/c", "10.1.0.1", "http:tcp:80"),
        service("ns/idle", "None", ""),
    ])
}

#[test]
fn a_zone_scoped_name_has_the_endpoints_of_its_zone() {
    let zonal = Options {
        zonal: true,
        ..options()
    };
    let all = &["A 10.2.0.1", "A 10.2.0.2", "A 10.2.0.3"][..];
    check_rows(
        &view(zonal, Sight::default()),
        &zones(),
        &[
            (
                "us-west-2a.pin._zone.h.ns.svc.cluster.local",
                "A",
                &["A 10.2.0.1"],
            ),
            (
                "us-west-2a.pin._zone.h.ns.svc.cluster.local",
                "AAAA",
                NODATA,
            ),
            (
                "us-west-2a.prefer._zone.h.ns.svc.cluster.local",
                "A",
                &["A 10.2.0.1"],
            ),
            (
                "us-west-2b.pin._zone.h.ns.svc.cluster.local",
                "SRV",
                &[
                    "SRV 0 100 80 10-2-0-2.h.ns.svc.cluster.local.",
                    "+ 10-2-0-2.h.ns.svc.cluster.local. A 10.2.0.2",
                ],
            ),
            (
                "corp.example.pin._zone.h.ns.svc.cluster.local",
                "A",
                &["A 10.2.0.3"],
            ),
            ("example.pin._zone.h.ns.svc.cluster.local", "A", NODATA),
            ("example.prefer._zone.h.ns.svc.cluster.local", "A", all),
            ("us-west-2c.pin._zone.h.ns.svc.cluster.local", "A", NODATA),
            ("us-west-2c.prefer._zone.h.ns.svc.cluster.local", "A", all),
            ("pin._zone.h.ns.svc.cluster.local", "A", NODATA),
            ("_zone.h.ns.svc.cluster.local", "A", NODATA),
            ("x.florp._zone.h.ns.svc.cluster.local", "A", NXDOMAIN),
            ("us-west-2a.pin._zone.c.ns.svc.cluster.local", "A", NXDOMAIN),
            (
                "us-west-2a.pin._zone.none.ns.svc.cluster.local",
                "A",
                NXDOMAIN,
            ),
            (
                "us-west-2a.pin._zone.idle.ns.svc.cluster.local",
                "A",
                NODATA,
            ),
            ("_zone.idle.ns.svc.cluster.local", "A", NXDOMAIN),
        ],
    );
    check_rows(
        &view(options(), Sight::default()),
        &zones(),
        &[
            ("us-west-2a.pin._zone.h.ns.svc.cluster.local", "A", NXDOMAIN),
            ("_zone.h.ns.svc.cluster.local", "A", NXDOMAIN),
        ],
    );
}

#[test]
fn a_multicluster_zone_has_service_imports_and_endpoints_by_their_cluster() {
    let index = index([
        namespace("ns"),
        import("ns/h", "None", "http:tcp:80"),
        import("ns/c", "10.1.0.9", "http:tcp:80"),
        from_cluster(
            "cluster1",
            slice(
                "ns/h-1",
                "h",
                "http:tcp:80",
                "10.2.0.2 10.2.0.4=dup-name 10.2.0.5=dup-name",
            ),
        ),
        from_cluster("cluster2", slice("ns/h-2", "h", "http:tcp:80", "10.3.0.2")),
        service("ns/local", "10.1.0.1", "http:tcp:80"),
    ]);
    let multicluster = Options {
        zones: ["cluster.local", "clusterset.local", "in-addr.arpa"]
            .map(name)
            .to_vec(),
        multicluster: vec![name("clusterset.local")],
        ..options()
    };
    check_rows(
        &view(multicluster, Sight::default()),
        &index,
        &[
            (
                "h.ns.svc.clusterset.local",
                "A",
                &["A 10.2.0.2", "A 10.2.0.4", "A 10.2.0.5", "A 10.3.0.2"],
            ),
            ("c.ns.svc.clusterset.local", "A", &["A 10.1.0.9"]),
            (
                "_http._tcp.c.ns.svc.clusterset.local",
                "SRV",
                &[
                    "SRV 0 100 80 c.ns.svc.clusterset.local.",
                    "+ c.ns.svc.clusterset.local. A 10.1.0.9",
                ],
            ),
            (
                "dup-name.cluster1.h.ns.svc.clusterset.local",
                "A",
                &["A 10.2.0.4", "A 10.2.0.5"],
            ),
            (
                "10-2-0-2.cluster1.h.ns.svc.clusterset.local",
                "A",
                &["A 10.2.0.2"],
            ),
            ("10-2-0-2.cluster2.h.ns.svc.clusterset.local", "A", NXDOMAIN),
            ("10-2-0-2.h.ns.svc.clusterset.local", "A", NXDOMAIN),
            ("cluster1.h.ns.svc.clusterset.local", "A", NODATA),
            (
                "_http._tcp.h.ns.svc.clusterset.local",
                "SRV",
                &[
                    "SRV 0 25 80 10-2-0-2.cluster1.h.ns.svc.clusterset.local.",
                    "SRV 0 25 80 10-3-0-2.cluster2.h.ns.svc.clusterset.local.",
                    "SRV 0 25 80 dup-name.cluster1.h.ns.svc.clusterset.local.",
                    "+ 10-2-0-2.cluster1.h.ns.svc.clusterset.local. A 10.2.0.2",
                    "+ 10-3-0-2.cluster2.h.ns.svc.clusterset.local. A 10.3.0.2",
                    "+ dup-name.cluster1.h.ns.svc.clusterset.local. A 10.2.0.4",
                    "+ dup-name.cluster1.h.ns.svc.clusterset.local. A 10.2.0.5",
                ],
            ),
            ("local.ns.svc.clusterset.local", "A", NXDOMAIN),
            ("local.ns.svc.cluster.local", "A", &["A 10.1.0.1"]),
            ("h.ns.svc.cluster.local", "A", NXDOMAIN),
            ("9.0.1.10.in-addr.arpa", "PTR", NXDOMAIN),
        ],
    );
}

#[test]
fn two_blocks_with_different_selectors_show_what_each_selects() {
    let (web, team) = (Selector::parse("app=web"), Selector::parse("team=a"));
    let mut needs = Needs::default();
    needs.add_block(web.as_ref(), None);
    needs.add_block(None, team.as_ref());
    let labels = |text: &str| {
        let (key, value) = text.split_once('=').unwrap();
        std::collections::BTreeMap::from([(key.to_owned(), value.to_owned())])
    };
    let is_web: Seen = needs.judge(Some(&labels("app=web")));
    let is_team = needs.judge_namespace(Some(&labels("team=a")));
    let (plain, other) = (needs.judge(None), needs.judge_namespace(None));
    let index = index([
        labelled(is_team, namespace("a")),
        labelled(other, namespace("b")),
        labelled(is_web, service("a/web", "10.1.0.1", "http:tcp:80")),
        labelled(plain, slice("a/web-1", "web", "http:tcp:80", "10.2.0.1")),
        labelled(plain, service("a/db", "10.1.0.2", "http:tcp:80")),
        labelled(is_web, service("b/web", "10.1.0.3", "http:tcp:80")),
        labelled(is_web, slice("b/web-1", "web", "http:tcp:80", "10.2.0.3")),
    ]);
    check_rows(
        &view(options(), needs.sight(web.as_ref(), None)),
        &index,
        &[
            ("web.a.svc.cluster.local", "A", &["A 10.1.0.1"]),
            ("10-2-0-1.web.a.svc.cluster.local", "A", NXDOMAIN),
            ("1.0.2.10.in-addr.arpa", "PTR", NXDOMAIN),
            ("db.a.svc.cluster.local", "A", NXDOMAIN),
            ("2.0.1.10.in-addr.arpa", "PTR", NXDOMAIN),
            ("web.b.svc.cluster.local", "A", &["A 10.1.0.3"]),
            ("10-2-0-3.web.b.svc.cluster.local", "A", &["A 10.2.0.3"]),
        ],
    );
    check_rows(
        &view(options(), needs.sight(None, team.as_ref())),
        &index,
        &[
            ("web.a.svc.cluster.local", "A", &["A 10.1.0.1"]),
            ("10-2-0-1.web.a.svc.cluster.local", "A", &["A 10.2.0.1"]),
            ("db.a.svc.cluster.local", "A", &["A 10.1.0.2"]),
            ("b.svc.cluster.local", "A", NXDOMAIN),
            ("web.b.svc.cluster.local", "A", NXDOMAIN),
        ],
    );
}
