//! Corefiles that are right: the two that clusters ship with, and the grammar's corners.

use std::time::Duration;

use super::super::{Health, Server, check};
use super::{Config, Directory, in_block, parse, parse_at};
use crate::plugin::autopath::{self, Search};
use crate::plugin::forward;
use crate::plugin::kubernetes::{Options, Pods};
use crate::record::Name;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| name(text)).collect()
}

#[test]
fn the_kubeadm_corefile_is_read_with_a_warning_for_each_thing_without_effect() {
    let directory = Directory::new("kubeadm");
    let resolv = directory.file(
        "resolv.conf",
        "# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions ndots:5\n",
    );
    let text = include_str!("../kubeadm.Corefile");
    let config = parse(&text.replace("/etc/resolv.conf", resolv.to_str().unwrap())).unwrap();
    assert_eq!(
        config.warnings,
        [
            "Corefile:14: option \"max_concurrent\" of \"forward\" is accepted and has no effect yet",
            "Corefile:16: plugin \"cache\" is accepted and has no effect yet",
            "Corefile:20: plugin \"loop\" is accepted and has no effect yet",
        ]
    );
    let reverse = names(&["in-addr.arpa", "ip6.arpa"]);
    let expected = Server {
        zones: vec![Name::root()],
        port: 53,
        bind: vec![],
        autopath: None,
        k8s_external: None,
        kubernetes: Some(Options {
            zones: names(&["cluster.local", "in-addr.arpa", "ip6.arpa"]),
            pods: Pods::Insecure,
            ttl: 30,
            fallthrough: reverse,
            ..Options::default()
        }),
        forward: vec![forward::Options {
            from: Name::root(),
            to: vec![
                "192.0.2.1:53".parse().unwrap(),
                "[2001:db8::1]:53".parse().unwrap(),
            ],
            except: vec![],
        }],
        transfer: vec![],
        nsid: None,
        any: false,
        chaos: None,
        loadbalance: true,
        errors: true,
        health: Some(Health {
            address: ":8080".into(),
            lameduck: Duration::from_secs(5),
        }),
        ready: Some(":8181".into()),
        prometheus: Some(":9153".into()),
        reload: Some(Duration::from_secs(30)),
    };
    assert_eq!(config.servers, [expected]);
}

#[test]
fn the_built_in_corefile_works_or_says_that_resolv_conf_is_wanting() {
    match Config::embedded() {
        Ok(config) => {
            let kubernetes = config.servers[0].kubernetes.as_ref().unwrap();
            assert_eq!(kubernetes.zones[0], name("cluster.local"));
        }
        Err(error) => {
            let error = error.to_string();
            assert!(
                error.starts_with("built-in kubeadm.Corefile:13: "),
                "{error}"
            );
            assert!(error.contains("/etc/resolv.conf"), "{error}");
        }
    }
}

#[test]
fn the_nodelocal_corefile_is_read_as_four_servers() {
    let config = parse(include_str!("../testdata/nodelocaldns.Corefile")).unwrap();
    let zones: Vec<String> = config
        .servers
        .iter()
        .map(|s| s.zones[0].to_string())
        .collect();
    assert_eq!(zones, ["cluster.local.", "in-addr.arpa.", "ip6.arpa.", "."]);
    for server in &config.servers {
        assert_eq!(server.bind, ["169.254.20.10", "10.96.0.10"]);
        assert_eq!(server.prometheus.as_deref(), Some(":9253"));
    }
    let health = config.servers[0].health.as_ref().unwrap();
    assert_eq!(
        (health.address.as_str(), health.lameduck),
        ("169.254.20.10:8080", Duration::ZERO)
    );
    assert_eq!(config.warnings.len(), 4 + 4 + 3, "{:?}", config.warnings);
    for (what, count) in [
        ("\"cache\"", 4),
        ("\"loop\"", 4),
        ("\"force_tcp\" of \"forward\"", 3),
    ] {
        let warned = config.warnings.iter().filter(|w| w.contains(what)).count();
        assert_eq!(warned, count, "{what}");
    }
}

#[test]
fn every_way_to_write_server_blocks_is_read() {
    /// Zones and port.
    type Row = (&'static [&'static str], u16);
    let rows: &[(&str, &[Row])] = &[
        (".", &[(&["."], 53)]),
        (".:53\nerrors\nready", &[(&["."], 53)]),
        (
            "a.example b.example:53, dns://C.example {\n}\n",
            &[(&["a.example", "b.example", "c.example"], 53)],
        ),
        (
            "a.example,\nb.example\n{\nerrors\n}",
            &[(&["a.example", "b.example"], 53)],
        ),
        (
            "a.example,b.example { }",
            &[(&["a.example", "b.example"], 53)],
        ),
        (":{$PORT} {\n}", &[(&["."], 1053)]),
        (
            "10.0.0.0/24 fd00::/8:54 {\n}",
            &[(&["0.0.10.in-addr.arpa"], 53), (&["d.f.ip6.arpa"], 54)],
        ),
        (
            "a.example:53 b.example:54 c.example {\n}",
            &[(&["a.example", "c.example"], 53), (&["b.example"], 54)],
        ),
        (
            "a.example {\n} b.example {\n}",
            &[(&["a.example"], 53), (&["b.example"], 53)],
        ),
        (
            "\"a.example\" { # comment {\r\n  errors # }\r\n}\r\n",
            &[(&["a.example"], 53)],
        ),
        (
            ". {\n bind 127.0.0.1\n}\n. {\n bind 127.0.0.2\n}\n.:54 {\n}",
            &[(&["."], 53), (&["."], 53), (&["."], 54)],
        ),
    ];
    for (text, servers) in rows {
        let config = parse(text).unwrap();
        let got: Vec<_> = config
            .servers
            .iter()
            .map(|s| (s.zones.clone(), s.port))
            .collect();
        let expected: Vec<_> = servers
            .iter()
            .map(|(zones, port)| (names(zones), *port))
            .collect();
        assert_eq!(got, expected, "{text}");
    }
}

#[test]
fn kubernetes_has_the_defaults_of_coredns() {
    let zones = || names(&["cluster.local"]);
    let rows = [
        (
            "kubernetes cluster.local",
            Options {
                zones: zones(),
                ..Options::default()
            },
        ),
        (
            "kubernetes",
            Options {
                zones: names(&["."]),
                ..Options::default()
            },
        ),
        (
            "kubernetes cluster.local 10.0.0.0/8 {\n fallthrough\n}",
            Options {
                zones: names(&["cluster.local", "10.in-addr.arpa"]),
                fallthrough: names(&["cluster.local", "10.in-addr.arpa"]),
                ..Options::default()
            },
        ),
        (
            "kubernetes cluster.local {\n namespaces a b\n namespaces c\n endpoint_pod_names\n noendpoints\n ignore empty_service\n ttl 0\n pods disabled\n}",
            Options {
                zones: zones(),
                namespaces: ["a", "b", "c"].map(Into::into).into(),
                endpoint_pod_names: true,
                noendpoints: true,
                ignore_empty_service: true,
                ttl: 0,
                ..Options::default()
            },
        ),
    ];
    for (lines, options) in rows {
        let config = in_block(lines).unwrap();
        assert_eq!(config.servers[0].kubernetes, Some(options), "{lines}");
    }
    assert_eq!(Options::default().ttl, 5);
}

#[test]
fn kubernetes_says_what_is_followed_and_k8s_external_what_is_shown_outside() {
    let lines = "kubernetes a b {\n labels environment in (staging, qa),app=nginx\n namespace_labels team\n zonal\n multicluster b\n startup_timeout 1m\n kubeconfig /k here\n endpoint 192.0.2.1:8080\n tls /c /k /ca\n apiserver_qps 4\n apiserver_burst 8\n apiserver_max_inflight 0\n}\nk8s_external example.org {\n apex Name\n ttl 60\n headless\n fallthrough\n}";
    let config = in_block(lines).unwrap();
    let server = &config.servers[0];
    let options = server.kubernetes.as_ref().unwrap();
    let labels = options.labels.as_ref().unwrap().to_string();
    assert_eq!(labels, "environment in (qa,staging),app=nginx");
    assert_eq!(options.multicluster, names(&["b"]));
    assert!(options.zonal);
    assert_eq!(options.startup_timeout, Duration::from_mins(1));
    let target = &options.target;
    assert_eq!(target.context.as_deref(), Some("here"));
    assert_eq!(target.endpoint.as_deref(), Some("http://192.0.2.1:8080"));
    assert_eq!(target.limits.interval, Some(Duration::from_millis(250)));
    assert_eq!(target.limits.burst, Some(8));
    assert_eq!(target.limits.in_flight, None);
    let external = server.k8s_external.as_ref().unwrap();
    assert_eq!((external.apex.as_str(), external.ttl), ("name", 60));
    assert_eq!(external.fallthrough, names(&["example.org"]));
}

#[test]
fn kubernetes_without_zones_takes_all_zones_of_its_block() {
    let config = parse("cluster.local:53 10.0.0.0/23:54 {\n kubernetes\n}").unwrap();
    for server in &config.servers {
        let zones = &server.kubernetes.as_ref().unwrap().zones;
        assert_eq!(
            *zones,
            names(&[
                "cluster.local",
                "0.0.10.in-addr.arpa",
                "1.0.10.in-addr.arpa"
            ])
        );
    }
}

#[test]
fn the_other_plugins_have_the_defaults_of_coredns_too() {
    let config = in_block(
        "health\nready\nprometheus\nreload\nforward example.org 192.0.2.1:5353 dns://192.0.2.2 {\n except a.example.org b.example.org\n}\nforward . 192.0.2.3",
    );
    let config = config.unwrap();
    let server = &config.servers[0];
    assert_eq!(server.health.as_ref().unwrap().address, ":8080");
    assert_eq!(server.health.as_ref().unwrap().lameduck, Duration::ZERO);
    assert_eq!(server.ready.as_deref(), Some(":8181"));
    assert_eq!(server.prometheus.as_deref(), Some("localhost:9153"));
    assert_eq!(server.reload, Some(Duration::from_secs(30)));
    assert!(!server.loadbalance && !server.errors);
    let [org, all] = server.forward.as_slice() else {
        panic!("two")
    };
    assert_eq!(org.from, name("example.org"));
    assert_eq!(
        org.to,
        [
            "192.0.2.1:5353".parse().unwrap(),
            "192.0.2.2:53".parse().unwrap()
        ]
    );
    assert_eq!(org.except, names(&["a.example.org", "b.example.org"]));
    assert_eq!(all.to, ["192.0.2.3:53".parse().unwrap()]);

    let config = in_block("reload 2s 1s\nhealth [::1]:80 {\n lameduck 1m30s\n}\nloadbalance round_robin\nerrors stdout\nready 127.0.0.1:1").unwrap();
    let server = &config.servers[0];
    assert_eq!(server.reload, Some(Duration::from_secs(2)));
    assert_eq!(
        server.health.as_ref().unwrap().lameduck,
        Duration::from_secs(90)
    );
    assert!(server.loadbalance && server.errors);
    assert_eq!(
        config.warnings,
        ["Corefile:2: the jitter of \"reload\" is accepted and has no effect yet"]
    );
}

#[test]
fn the_longest_zone_above_a_name_is_selected() {
    let text = ". {\n}\ncluster.local {\n}\nb.example a.cluster.local {\n}\ncluster.local:54 {\n}";
    let config = parse(text).unwrap();
    let rows = [
        (53, "example", Some(0)),
        (53, "web.cluster.local", Some(1)),
        (53, "cluster.local", Some(1)),
        (53, "xcluster.local", Some(0)),
        (53, "x.a.cluster.local", Some(2)),
        (54, "a.cluster.local", Some(3)),
        (54, "example", None),
        (55, "example", None),
    ];
    for (port, text, server) in rows {
        assert_eq!(config.select(port, &name(text)), server, "{text} at {port}");
    }
}

#[test]
fn a_good_file_is_summed_up() {
    let directory = Directory::new("summary");
    let path = directory.file(
        "Corefile",
        "cluster.local 10.0.0.0/8 {\n  bind 127.0.0.1\n  errors\n  kubernetes {\n    pods insecure\n    fallthrough\n    namespaces a\n    noendpoints\n  }\n  forward . 192.0.2.1 {\n    except b.example\n  }\n  health\n  loop\n}\n.:54 {\n  ready\n}\n",
    );
    let (text, good) = check(Some(&path), None);
    let file = path.display();
    assert_eq!(
        text,
        format!(
            "warning: {file}:14: plugin \"loop\" is accepted and has no effect yet
{file}: good, 2 servers
cluster.local. 10.in-addr.arpa. on port 53 of 127.0.0.1
    errors
    forward . to 192.0.2.1:53, except b.example.
    health on :8080, lameduck 0ns
    kubernetes cluster.local. 10.in-addr.arpa.: pods insecure, ttl 5, fallthrough cluster.local. 10.in-addr.arpa., namespaces a, noendpoints
. on port 54 of all addresses
    ready on :8181
"
        )
    );
    assert!(good);
}

#[test]
fn a_relative_name_is_kept_in_messages() {
    let config = parse_at(". {\n loop\n}", "deploy/Corefile".as_ref()).unwrap();
    assert_eq!(
        config.warnings,
        ["deploy/Corefile:2: plugin \"loop\" is accepted and has no effect yet"]
    );
}

#[test]
fn the_example_of_the_documentation_is_summed_up_as_it_says() {
    let document = include_str!("../../../../docs/corefile.md");
    let example = document.split("## Example\n").nth(1).unwrap();
    let blocks: Vec<&str> = example.split("```\n").collect();
    let directory = Directory::new("example");
    let path = directory.file("Corefile", blocks[1]);
    let (text, good) = check(Some(&path), None);
    assert!(good, "{text}");
    let expected = blocks[3].split_once('\n').unwrap().1;
    assert_eq!(text.replace(path.to_str().unwrap(), "Corefile"), expected);
}

#[test]
fn autopath_takes_the_path_of_pods_or_of_a_file() {
    let directory = Directory::new("autopath");
    let path = directory.file("resolv.conf", "search a.test b.test\n");
    let path = path.to_str().unwrap();
    let config = in_block(&format!("autopath {path}\nkubernetes cluster.local")).unwrap();
    let file = Search::File(names(&["a.test", "b.test"]));
    let expected = autopath::Options {
        zones: vec![Name::root()],
        search: file,
    };
    assert_eq!(config.servers[0].autopath, Some(expected));
    assert_eq!(config.warnings, [] as [&str; 0]);

    let config = in_block("autopath x.test 10.0.0.0/8 @kubernetes\nkubernetes c.test").unwrap();
    let options = config.servers[0].autopath.as_ref().unwrap();
    assert_eq!(options.zones, names(&["x.test", "10.in-addr.arpa"]));
    assert!(options.search.is_kubernetes());
}

#[test]
fn autopath_without_effect_is_a_warning() {
    let directory = Directory::new("autopath-warnings");
    let path = directory.file("resolv.conf", "search a..test\n");
    let path = path.to_str().unwrap();
    let warnings = |lines: &str| in_block(lines).unwrap().warnings;
    assert_eq!(
        warnings(&format!("autopath {path}")),
        [
            format!("Corefile:2: {path}: search \"a..test\" is not a domain name; left out"),
            format!(
                "Corefile:2: {path} has no \"search\" line with a domain: \"autopath\" has no effect"
            ),
        ]
    );
    assert_eq!(
        warnings("autopath @kubernetes"),
        [
            "Corefile:2: \"autopath @kubernetes\" has no effect: there is no \"kubernetes\" in this server block"
        ]
    );
}
