//! Aliases within the cluster: what is answered, denied and passed while what they lead to comes and goes.

use super::*;

pub(in crate::cluster) fn external(name: &str, target: &str) -> Event {
    change(Verb::Apply(Object::Service(Service {
        key: ObjectKey::new("default", name),
        kind: ServiceKind::ExternalName(target.into()),
        ports: Vec::new(),
        external: Box::default(),
        seen: Seen::ALL,
    })))
}

fn in_default(name: &str) -> String {
    format!("{name}.default.svc.cluster.local")
}

#[test]
fn an_alias_is_what_it_leads_to_at_any_time() {
    let mut bench = Bench::listed();
    let (web, far) = (in_default("web"), in_default("far"));
    bench.take([external("near", &web), external("far", &in_default("near"))]);
    assert_eq!(bench.ask(&far), Outcome::Answer);
    // As in the e2e test of ExternalName: one name, another one, then an address.
    for target in ["foo.example.com", "bar.example.com"] {
        bench.take([external("web", target)]);
        assert_eq!(bench.ask(&far), Outcome::Alias, "{target}");
        assert_eq!(bench.ask(&web), Outcome::Alias, "{target}");
    }
    bench.take([change(Verb::Apply(service("web", [10, 96, 0, 9])))]);
    assert_eq!(bench.ask(&far), Outcome::Answer);
    let web = ObjectKey::new("default", "web");
    bench.take([change(Verb::Delete(Kind::Service, web))]);
    assert_eq!(bench.ask(&far), Outcome::NxDomain);
    let near = ObjectKey::new("default", "near");
    bench.take([change(Verb::Delete(Kind::Service, near))]);
    assert_eq!(bench.ask(&far), Outcome::NxDomain);
    bench.take([external("near", &far)]);
    assert_eq!(bench.ask(&far), Outcome::Alias, "a circle");
    bench.take([external("near", "default.svc.cluster.local")]);
    assert_eq!(bench.ask(&far), Outcome::NoData);
}

#[test]
fn denials_behind_an_alias_are_withdrawn_with_all_others() {
    let mut bench = Bench::listed();
    let (near, gone) = (in_default("near"), in_default("gone"));
    bench.take([external("near", WEB), external("gone", NONE)]);
    assert_eq!(bench.ask(&gone), Outcome::NxDomain);
    bench.take([Event::Broken(Kind::Service)]);
    bench.wait(61);
    assert_eq!(bench.ask(&gone), Outcome::Incomplete);
    assert_eq!(bench.ask(&near), Outcome::Answer);
    bench.take([Event::Restored(Kind::Service)]);
    assert_eq!(bench.ask(&gone), Outcome::NxDomain);
}

#[test]
fn targets_of_other_server_blocks_and_of_rules_pass() {
    let mut bench = Bench::listed();
    // Whatever Service has that name here, the other server block is asked for it.
    bench.take([change(Verb::Apply(service("special", [10, 96, 0, 8])))]);
    for target in [
        "special.default.svc.cluster.local",
        "x.special.default.svc.cluster.local",
        "10-0-0-1.default.pod.cluster.local",
        "8.0.96.10.in-addr.arpa",
        "www.example.com",
        "cluster.local.example.com",
    ] {
        bench.take([external("near", target)]);
        assert_eq!(bench.ask(&in_default("near")), Outcome::Alias, "{target}");
    }
}

#[test]
fn ten_thousand_aliases_of_one_name_are_written_when_it_changes_and_only_then() {
    const ALIASES: usize = 10_000;
    let mut bench = Bench::new(COREFILE, 20_000);
    bench.list();
    let mut take = |events: Vec<Event>| {
        let began = Instant::now();
        let names = bench.take(events);
        println!("{names} names in {:?}", began.elapsed());
        names
    };
    let aliases = (0..ALIASES).map(|i| external(&format!("a{i}"), WEB));
    assert_eq!(take(aliases.collect()), ALIASES);
    // The name, `_http._tcp` below it and two PTR owners.
    let moved = take(vec![change(Verb::Apply(service("web", [10, 96, 0, 9])))]);
    assert!((ALIASES + 4..=ALIASES + 5).contains(&moved), "{moved}");
    let beside = take(vec![change(Verb::Apply(service("beside", [10, 96, 0, 8])))]);
    assert!(beside < 10, "{beside}");
    assert_eq!(take(vec![external("a7", "www.example.com")]), 1);
    let moved = take(vec![change(Verb::Apply(service("web", [10, 96, 0, 7])))]);
    assert!(moved < ALIASES + 5, "{moved}");
}
