//! What pods change: which lists are waited for, and which misses go to the agent.

use super::tests::alias::external;
use super::tests::{Bench, change, config, reset};
use super::*;
use crate::k8s::Verb;
use crate::k8s::needs::Needs;
use crate::k8s::object::{Kind, Object, Pod};
use dns_ebpf::outcome::Outcome;

fn corefile(lines: &str) -> String {
    format!(".:53 {{\n kubernetes cluster.local\n {lines}\n}}\n")
}

fn verified() -> String {
    corefile("").replace(
        "cluster.local",
        "cluster.local {\n ttl 5\n pods verified\n}",
    )
}

fn needs_of(config: &Config) -> Needs {
    objects::needs(config, &ObjectKey::new("kube-system", "kube-dns"))
}

#[test]
fn a_corefile_needs_the_pods_that_it_asks_for() {
    let kinds = |text: &str| -> Vec<Kind> {
        let kinds = needs_of(&config(text)).kinds();
        kinds.filter(|kind| !kind.is_held()).collect()
    };
    assert_eq!(kinds(&corefile("")), []);
    assert_eq!(kinds(&verified()), [Kind::Pod]);
    assert_eq!(kinds(&corefile("autopath @kubernetes")), [Kind::LocalPod]);
    assert_eq!(kinds(".:53 {\n autopath @kubernetes\n}\n"), []);
}

#[test]
fn it_is_listed_once_the_pods_it_needs_are_and_the_kernel_waits_for_none() {
    let mut bench = Bench::new(&verified(), 1000);
    bench.list();
    assert!(!bench.cluster.is_listed());
    let missing = "none.default.svc.cluster.local";
    assert_eq!(bench.ask(missing), Outcome::NxDomain);
    bench.take([reset(Kind::Pod, &[])]);
    assert!(bench.cluster.is_listed());
    bench.take([Event::Broken(Kind::Pod)]);
    bench.wait(120);
    assert_eq!(bench.ask(missing), Outcome::NxDomain);
    assert_eq!(
        bench.ask("10-0-0-1.default.pod.cluster.local"),
        Outcome::PodName
    );
}

#[test]
fn pods_that_are_not_needed_go_with_their_source() {
    let mut bench = Bench::new(&verified(), 1000);
    bench.list();
    let address = "10.0.0.1".parse().unwrap();
    let pod = Object::Pod(Pod {
        key: ObjectKey::new("default", "p"),
        node: None,
        addresses: vec![address],
    });
    let key = pod.key().clone();
    bench.take([change(Verb::Apply(pod)), reset(Kind::Pod, &[key])]);
    assert!(bench.cluster.index().pods().has("default", address));
    assert!(bench.cluster.objects.has_listed(Kind::Pod));
    let config = config(&corefile(""));
    let mut next = Objects::new(needs_of(&config));
    bench.cluster.adopt(&mut next, &config, &[]);
    assert!(bench.cluster.index().pods().is_empty());
    assert!(!bench.cluster.objects.has_listed(Kind::Pod));
}

#[test]
fn with_autopath_misses_below_a_namespace_pass_and_hits_are_answered() {
    let mut bench = Bench::new(&corefile("autopath @kubernetes"), 1000);
    bench.list();
    for (name, outcome) in [
        ("web.default.svc.cluster.local", Outcome::Answer),
        ("default.svc.cluster.local", Outcome::NoData),
        (
            "www.example.com.default.svc.cluster.local",
            Outcome::Autopath,
        ),
        ("none.default.svc.cluster.local", Outcome::Autopath),
        ("web.none.svc.cluster.local", Outcome::Autopath),
        ("none.svc.cluster.local", Outcome::NxDomain),
        ("www.example.com.cluster.local", Outcome::NxDomain),
    ] {
        assert_eq!(bench.ask(name), outcome, "{name}");
    }
}

#[test]
fn an_alias_of_a_missing_name_passes_where_there_is_a_search_path_to_walk() {
    for (line, outcome) in [
        ("", Outcome::NxDomain),
        ("autopath @kubernetes", Outcome::Alias),
    ] {
        let mut bench = Bench::new(&corefile(line), 1000);
        let target = "none.default.svc.cluster.local";
        bench.list();
        bench.take([external("alias", target)]);
        let asked = bench.ask("alias.default.svc.cluster.local");
        assert_eq!(asked, outcome, "{line}");
    }
}

#[test]
fn autopath_for_some_zones_leaves_the_others_to_the_kernel() {
    for (zone, outcome) in [
        ("cluster.local", Outcome::Autopath),
        ("default.svc.cluster.local", Outcome::Autopath),
        ("example.com", Outcome::NxDomain),
    ] {
        let mut bench = Bench::new(&corefile(&format!("autopath {zone} @kubernetes")), 1000);
        bench.list();
        let name = "none.default.svc.cluster.local";
        assert_eq!(bench.ask(name), outcome, "{zone}");
    }
}

#[test]
fn with_the_path_of_a_file_misses_in_its_first_domain_pass() {
    let path = std::env::temp_dir().join(format!("kerndns-search-{}", std::process::id()));
    std::fs::write(&path, "search default.svc.cluster.local x.test\n").unwrap();
    let mut bench = Bench::new(&corefile(&format!("autopath {}", path.display())), 1000);
    std::fs::remove_file(&path).unwrap();
    bench.list();
    for (name, outcome) in [
        ("web.default.svc.cluster.local", Outcome::Answer),
        ("none.default.svc.cluster.local", Outcome::Autopath),
        ("none.other.svc.cluster.local", Outcome::NxDomain),
    ] {
        assert_eq!(bench.ask(name), outcome, "{name}");
    }
}
