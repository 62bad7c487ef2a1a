//! The expectations of CoreDNS's own tests of `k8s_external`, and where ours are stricter.

use super::super::testing::{index, labelled, name, namespace, service, slice};
use super::super::{Name, Node, Rdata};
use super::*;
use crate::k8s::index::Index;
use crate::k8s::needs::{Seen, Sight};
use crate::k8s::object::Object;
use crate::plugin::kubernetes;

fn options(headless: bool) -> Options {
    Options {
        zones: ["example.com", "in-addr.arpa"].map(name).to_vec(),
        apex: "dns".into(),
        ttl: 5,
        headless,
        fallthrough: Vec::new(),
    }
}

fn reached_at(external: External, object: Object) -> Object {
    match object {
        Object::Service(mut service) => {
            service.external = Box::new([external]);
            Object::Service(service)
        }
        other => other,
    }
}

fn ip(text: &str) -> External {
    External::Address(text.parse().unwrap())
}

fn cluster() -> Index {
    index([
        namespace("testns"),
        reached_at(
            ip("1.2.3.4"),
            service("testns/svc1", "10.0.0.1", "http:tcp:80"),
        ),
        reached_at(
            ip("1:2::5"),
            service("testns/svc6", "10.0.0.3", "http:tcp:80"),
        ),
        reached_at(
            External::Host("dummy.hostname".into()),
            service("testns/svc12", "10.0.0.4", "http:tcp:80"),
        ),
        service("testns/svc-headless", "None", "http:tcp:80"),
        slice(
            "testns/svc-headless-1",
            "svc-headless",
            "http:tcp:80",
            "1.2.3.4=endpoint-svc-0 1.2.3.5=endpoint-svc-1",
        ),
        labelled(
            Seen::NONE,
            reached_at(
                ip("1.2.3.9"),
                service("testns/hidden", "10.0.0.9", "http:tcp:80"),
            ),
        ),
    ])
}

/// The records of a type, in presentation format; `None`: no such name.
fn ask(options: &Options, owner: &str, rtype: u16) -> Option<Vec<String>> {
    let kubernetes = kubernetes::Options {
        zones: vec![name("cluster.local")],
        ..kubernetes::Options::default()
    };
    let own = vec!["192.0.2.1".parse().unwrap()];
    let dns_service = ObjectKey::new("kube-system", "kube-dns");
    let view = View::new(kubernetes, Sight::default(), dns_service, own);
    let node: Node = view.external(&cluster(), options, &name(owner))?;
    let set = node.rrsets.iter().find(|set| set.rtype() == rtype);
    let text = |rdata: &Rdata| match rdata {
        Rdata::A(address) => address.to_string(),
        Rdata::Aaaa(address) => address.to_string(),
        Rdata::Cname(name) | Rdata::Ptr(name) | Rdata::Ns(name) => name.to_string(),
        Rdata::Srv {
            weight,
            port,
            target,
        } => format!("{weight} {port} {target}"),
        Rdata::Txt(_) => "text".to_owned(),
    };
    let additional = |(owner, rdata): &(Name, Rdata)| format!("+ {owner} {}", text(rdata));
    Some(set.map_or_else(Vec::new, |set| {
        let rdata = set.rdata.iter().map(text);
        rdata.chain(set.additional.iter().map(additional)).collect()
    }))
}

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const SRV: u16 = 33;

fn check(headless: bool, rows: &[(&str, u16, Option<&[&str]>)]) {
    for (owner, rtype, expected) in rows {
        let got = ask(&options(headless), owner, *rtype);
        let expected = expected.map(|lines| lines.iter().map(ToString::to_string).collect());
        assert_eq!(got, expected, "{owner} {rtype}");
    }
}

#[test]
fn services_are_found_by_their_external_addresses() {
    let svc1_srv: &[&str] = &[
        "100 80 svc1.testns.example.com.",
        "+ svc1.testns.example.com. 1.2.3.4",
    ];
    let svc6_srv: &[&str] = &[
        "100 80 svc6.testns.example.com.",
        "+ svc6.testns.example.com. 1:2::5",
    ];
    check(
        true,
        &[
            (
                "4.3.2.1.in-addr.arpa",
                PTR,
                Some(&["svc1.testns.example.com."]),
            ),
            ("3.2.1.in-addr.arpa", PTR, Some(&[])),
            ("1.0.0.10.in-addr.arpa", PTR, None),
            ("svc1.testns.example.com", PTR, Some(&[])),
            ("not-existing.testns.example.com", PTR, None),
            ("svc1.testns.example.com", A, Some(&["1.2.3.4"])),
            ("svc1.testns.example.com", SRV, Some(svc1_srv)),
            ("*._not-udp-or-tcp.svc1.testns.example.com", SRV, None),
            ("_http._tcp.svc1.testns.example.com", SRV, Some(svc1_srv)),
            ("_tcp.svc1.testns.example.com", SRV, Some(&[])),
            ("x.svc1.testns.example.com", A, None),
            ("svc1.testns.example.com", AAAA, Some(&[])),
            ("svc0.testns.example.com", A, None),
            ("svc0.svc-nons.example.com", A, None),
            ("svc6.testns.example.com", AAAA, Some(&["1:2::5"])),
            ("_http._tcp.svc6.testns.example.com", SRV, Some(svc6_srv)),
            ("testns.example.com", A, Some(&[])),
            ("other.example.com", A, None),
            ("svc12.testns.example.com", A, Some(&[])),
            (
                "svc12.testns.example.com",
                CNAME,
                Some(&["dummy.hostname."]),
            ),
            (
                "_http._tcp.svc12.testns.example.com",
                SRV,
                Some(&["100 80 dummy.hostname."]),
            ),
            (
                "svc12.testns.example.com",
                SRV,
                Some(&["100 80 dummy.hostname."]),
            ),
        ],
    );
}

#[test]
fn headless_services_have_names_only_where_the_option_says_so() {
    let both: &[&str] = &[
        "50 80 endpoint-svc-0.svc-headless.testns.example.com.",
        "50 80 endpoint-svc-1.svc-headless.testns.example.com.",
        "+ endpoint-svc-0.svc-headless.testns.example.com. 1.2.3.4",
        "+ endpoint-svc-1.svc-headless.testns.example.com. 1.2.3.5",
    ];
    let one: &[&str] = &[
        "100 80 endpoint-svc-0.svc-headless.testns.example.com.",
        "+ endpoint-svc-0.svc-headless.testns.example.com. 1.2.3.4",
    ];
    let endpoint = "endpoint-svc-0.svc-headless.testns.example.com";
    let service = "svc-headless.testns.example.com";
    check(
        true,
        &[
            (service, A, Some(&["1.2.3.4", "1.2.3.5"])),
            (service, SRV, Some(both)),
            (
                "_http._tcp.svc-headless.testns.example.com",
                SRV,
                Some(both),
            ),
            ("_tcp.svc-headless.testns.example.com", SRV, Some(&[])),
            (endpoint, A, Some(&["1.2.3.4"])),
            (endpoint, SRV, Some(one)),
        ],
    );
    check(false, &[(service, A, None), (endpoint, A, None)]);
}

#[test]
fn the_apex_has_a_name_server_below_its_own_label() {
    let server: &[&str] = &["ns1.dns.example.com.", "+ ns1.dns.example.com. 192.0.2.1"];
    check(
        true,
        &[
            ("example.com", NS, Some(server)),
            ("example.com", A, Some(&[])),
            ("dns.example.com", A, Some(&[])),
            ("ns1.dns.example.com", A, Some(&["192.0.2.1"])),
            ("ns1.dns.example.com", AAAA, Some(&[])),
            ("ns2.dns.example.com", A, None),
            ("x.ns1.dns.example.com", A, None),
        ],
    );
}

#[test]
fn what_labels_hides_has_no_external_name() {
    check(
        true,
        &[
            ("hidden.testns.example.com", A, None),
            ("9.3.2.1.in-addr.arpa", PTR, None),
        ],
    );
}
