//! What is answered and what is denied while lists, watches, room and Corefiles come and go.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dns_ebpf::fold::Seed;
use dns_ebpf::outcome::Outcome;
use dns_ebpf::query;
use dns_ebpf::respond::{Reply, respond};
use dns_ebpf::scratch::Scratch;

pub(super) mod alias;

use super::Cluster;
use super::instance::Instance;
use super::objects::{self, Objects};
use crate::corefile::Config;
use crate::k8s::needs::Seen;
use crate::k8s::object::{
    Kind, Namespace, Object, ObjectKey, Port, Protocol, Service, ServiceKind,
};
use crate::k8s::{Event, Verb};
use crate::map::held::Held;
use crate::record::Name;

const COREFILE: &str = "
.:53 {
    kubernetes cluster.local in-addr.arpa {
        pods insecure
        fallthrough in-addr.arpa
    }
    forward . 192.0.2.1
}
special.default.svc.cluster.local:53 {
    forward . 192.0.2.2
}
";

/// A cluster with a clock of its own.
pub(super) struct Bench {
    pub(super) cluster: Cluster,
    now: Instant,
}

impl Bench {
    pub(super) fn new(corefile: &str, ceiling: u32) -> Self {
        let held = Held::heap(
            Seed {
                start: 7,
                factor: 0x9e37_79b9_7f4a_7c15,
            },
            ceiling,
        );
        let mut cluster = Cluster::new(held, ObjectKey::new("kube-system", "kube-dns"));
        let config = config(corefile);
        let needs = objects::needs(&config, &ObjectKey::new("kube-system", "kube-dns"));
        cluster.adopt(&mut Objects::new(needs), &config, &[]);
        Self {
            cluster,
            now: Instant::now(),
        }
    }

    /// Everything listed: namespace `default` with the Service `web`.
    fn listed() -> Self {
        let mut bench = Self::new(COREFILE, 1000);
        bench.list();
        bench
    }

    pub(super) fn list(&mut self) {
        let namespace = namespace("default");
        self.take([
            change(Verb::Apply(namespace)),
            change(Verb::Apply(service("web", [10, 96, 0, 7]))),
            reset(Kind::Namespace, &[ObjectKey::new("", "default")]),
            reset(Kind::Service, &[ObjectKey::new("default", "web")]),
            reset(Kind::EndpointSlice, &[]),
        ]);
    }

    pub(super) fn take(&mut self, events: impl IntoIterator<Item = Event>) -> usize {
        self.cluster.take(events, self.now).names
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.cluster.tick(self.now);
    }

    /// What the programs would do with a question for A.
    pub(super) fn ask(&self, name: &str) -> Outcome {
        match self.reply(name) {
            Ok(reply) => reply.outcome,
            Err(outcome) => outcome,
        }
    }

    /// The same, whole.
    fn reply(&self, name: &str) -> Result<Reply, Outcome> {
        let mut message = vec![0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(Name::parse(name).unwrap().wire());
        message.extend([0, 1, 0, 1]);
        let mut scratch = Box::new(Scratch::ZERO);
        let held = self.cluster.held();
        let query = parse(&message, &mut scratch, held);
        respond(&mut scratch, &query, held)
    }
}

fn parse(message: &[u8], scratch: &mut Scratch, held: &Held) -> query::Query {
    query::parse(&message, message.len(), scratch, held.seed()).unwrap()
}

pub(super) fn config(corefile: &str) -> Config {
    Config::parse(corefile, Path::new("Corefile")).unwrap()
}

pub(super) fn change(verb: Verb) -> Event {
    Event::Change(verb, Instant::now())
}

pub(super) fn reset(kind: Kind, keys: &[ObjectKey]) -> Event {
    change(Verb::Reset(
        kind,
        keys.iter().cloned().collect::<HashSet<_>>(),
    ))
}

fn namespace(name: &str) -> Object {
    Object::Namespace(Namespace {
        key: ObjectKey::new("", name),
        seen: Seen::ALL,
    })
}

fn service(name: &str, ip: [u8; 4]) -> Object {
    Object::Service(Service {
        key: ObjectKey::new("default", name),
        kind: ServiceKind::ClusterIp(vec![ip.into()]),
        ports: vec![Port {
            name: "http".into(),
            protocol: Protocol::Tcp,
            number: 80,
        }],
        external: Box::default(),
        seen: Seen::ALL,
    })
}

const WEB: &str = "web.default.svc.cluster.local";
const NONE: &str = "none.default.svc.cluster.local";

#[test]
fn nothing_is_denied_before_every_kind_was_listed() {
    let mut bench = Bench::new(COREFILE, 1000);
    assert_eq!(bench.ask(NONE), Outcome::Incomplete);
    bench.take([change(Verb::Apply(namespace("default")))]);
    bench.take([change(Verb::Apply(service("web", [10, 96, 0, 7])))]);
    assert_eq!(bench.ask(WEB), Outcome::Answer);
    bench.take([reset(Kind::Service, &[ObjectKey::new("default", "web")])]);
    bench.take([reset(Kind::Namespace, &[ObjectKey::new("", "default")])]);
    assert_eq!(bench.ask(NONE), Outcome::Incomplete);
    bench.take([reset(Kind::EndpointSlice, &[])]);
    assert_eq!(bench.ask(NONE), Outcome::NxDomain);
    assert_eq!(bench.ask(WEB), Outcome::Answer);
}

#[test]
fn a_watch_broken_for_a_minute_withdraws_denials_but_not_answers() {
    let mut bench = Bench::listed();
    bench.take([Event::Broken(Kind::Service)]);
    bench.wait(59);
    assert_eq!(bench.ask(NONE), Outcome::NxDomain);
    bench.wait(2);
    assert_eq!(bench.ask(NONE), Outcome::Incomplete);
    assert_eq!(bench.ask("default.svc.cluster.local"), Outcome::Incomplete);
    assert_eq!(bench.ask(WEB), Outcome::Answer);
    bench.take([Event::Restored(Kind::Service)]);
    assert_eq!(bench.ask(NONE), Outcome::NxDomain);
}

#[test]
fn names_of_other_server_blocks_and_of_rules_pass() {
    let bench = Bench::listed();
    assert_eq!(
        bench.ask("special.default.svc.cluster.local"),
        Outcome::OtherServer
    );
    assert_eq!(
        bench.ask("x.special.default.svc.cluster.local"),
        Outcome::OtherServer
    );
    assert_eq!(
        bench.ask("notspecial.default.svc.cluster.local"),
        Outcome::NxDomain
    );
    assert_eq!(
        bench.ask("10-0-0-1.default.pod.cluster.local"),
        Outcome::PodName
    );
    assert_eq!(bench.ask("7.0.96.10.in-addr.arpa"), Outcome::NoData);
    assert_eq!(bench.ask("8.0.96.10.in-addr.arpa"), Outcome::Fallthrough);
    assert_eq!(bench.ask("www.example.com"), Outcome::OtherServer);
}

#[test]
fn a_service_of_another_blocks_name_is_not_held() {
    let mut bench = Bench::listed();
    bench.take([change(Verb::Apply(service("special", [10, 96, 0, 8])))]);
    assert_eq!(
        bench.ask("special.default.svc.cluster.local"),
        Outcome::OtherServer
    );
}

#[test]
fn a_label_that_looks_like_the_zone_is_not_the_zone() {
    let mut bench = Bench::listed();
    bench.wait(1);
    let mut message = vec![0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    // One label that ends in the octets of `cluster.local`'s first label and its length.
    message.extend(b"\x0ax\x07cluster1\x05local\0");
    message.extend(b"\0\x01\0\x01");
    let mut scratch = Box::new(Scratch::ZERO);
    let held = bench.cluster.held();
    let query = parse(&message, &mut scratch, held);
    assert_eq!(
        respond(&mut scratch, &query, held).unwrap_err(),
        Outcome::OtherServer
    );

    let mut message = vec![0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x0fx\x07cluster\x05local\0");
    message.extend(b"\0\x01\0\x01");
    let query = parse(&message, &mut scratch, held);
    assert_eq!(
        respond(&mut scratch, &query, held).unwrap_err(),
        Outcome::Labels
    );
}

#[test]
fn a_full_map_denies_nothing_and_recovers() {
    let mut bench = Bench::new(COREFILE, 40);
    bench.list();
    assert_eq!(bench.ask(NONE), Outcome::NxDomain);
    for i in 0..20 {
        bench.take([change(Verb::Apply(service(
            &format!("s{i}"),
            [10, 96, 1, i],
        )))]);
    }
    assert!(bench.cluster.missing() > 0);
    assert_eq!(bench.ask(WEB), Outcome::Answer);
    assert_eq!(bench.ask(NONE), Outcome::Incomplete);
    for i in 0..20 {
        let key = ObjectKey::new("default", &format!("s{i}"));
        bench.take([change(Verb::Delete(Kind::Service, key))]);
    }
    bench.wait(1);
    assert_eq!(bench.cluster.missing(), 0);
    assert_eq!(bench.ask(NONE), Outcome::NxDomain);
}

#[test]
fn a_change_writes_only_what_it_changes() {
    let mut bench = Bench::listed();
    assert_eq!(
        bench.take([change(Verb::Apply(service("web", [10, 96, 0, 7])))]),
        0
    );
    // The name itself, `_http._tcp` below it, and two PTR owners; `_tcp` stays what it was.
    let changed = bench.take([change(Verb::Apply(service("web", [10, 96, 0, 9])))]);
    assert!((4..=5).contains(&changed), "{changed} names");
    assert_eq!(bench.ask("7.0.96.10.in-addr.arpa"), Outcome::Fallthrough);
    assert_eq!(bench.ask("9.0.96.10.in-addr.arpa"), Outcome::NoData);
}

#[test]
fn other_labels_answer_from_the_old_list_until_the_new_one_is_whole() {
    let mut bench = Bench::listed();
    let labels = COREFILE.replace("pods insecure", "labels app=db");
    let labels = config(&labels);
    let needs = objects::needs(&labels, &ObjectKey::new("kube-system", "kube-dns"));
    let mut next = Objects::new(needs.clone());
    next.take(change(Verb::Apply(namespace("default"))), bench.now);
    let Object::Service(mut db) = service("db", [10, 96, 0, 8]) else {
        panic!("not a Service");
    };
    db.seen = needs.judge(Some(&[("app".to_owned(), "db".to_owned())].into()));
    next.take(change(Verb::Apply(Object::Service(db))), bench.now);
    assert!(!next.is_listed());
    assert_eq!(bench.ask(WEB), Outcome::Answer);
    for kind in [Kind::Namespace, Kind::Service, Kind::EndpointSlice] {
        next.take(
            Event::Change(Verb::Reset(kind, kept(kind)), bench.now),
            bench.now,
        );
    }
    assert!(next.is_listed());
    let before = Arc::clone(&bench.cluster.instances[0]);
    let name = Name::parse(WEB).unwrap();
    let knows = |bench: &Bench, of: &Instance| {
        let index = bench.cluster.objects_of(of).index();
        of.view.node(index, &name).is_some()
    };
    bench.cluster.adopt(&mut next, &labels, &[]);
    assert_eq!(bench.ask(WEB), Outcome::NxDomain);
    // A query that is under way is answered from what its Corefile was about.
    assert!(knows(&bench, &before) && !knows(&bench, &bench.cluster.instances[0]));
    bench.wait(11);
    assert!(!knows(&bench, &before));
    assert_eq!(bench.ask("db.default.svc.cluster.local"), Outcome::Answer);
    bench.cluster.adopt(&mut next, &config(COREFILE), &[]);
    assert_eq!(bench.ask(WEB), Outcome::Answer);
}

fn kept(kind: Kind) -> HashSet<ObjectKey> {
    let key = match kind {
        Kind::Namespace => ObjectKey::new("", "default"),
        _ => ObjectKey::new("default", "db"),
    };
    HashSet::from([key])
}

#[test]
fn names_that_other_plugins_or_rules_answer_pass() {
    let corefile = COREFILE.replace(
        "    forward . 192.0.2.1\n",
        "    k8s_external example.org 10.in-addr.arpa\n    forward . 192.0.2.1\n",
    );
    let corefile = corefile.replace("pods insecure", "zonal");
    let mut bench = Bench::new(&corefile, 1000);
    bench.list();
    assert_eq!(bench.ask("web.default.example.org"), Outcome::OtherServer);
    assert_eq!(bench.ask("7.0.96.10.in-addr.arpa"), Outcome::OtherServer);
    assert_eq!(bench.ask("1.11.in-addr.arpa"), Outcome::Fallthrough);
    assert_eq!(
        bench.ask("z.pin._zone.web.default.svc.cluster.local"),
        Outcome::ZonalName
    );
    assert_eq!(
        bench.ask("pin._zone.web.default.svc.cluster.local"),
        Outcome::NxDomain
    );
    assert_eq!(bench.ask(NONE), Outcome::NxDomain);
}

#[test]
fn a_reload_changes_what_it_says_and_keeps_the_rest() {
    let mut bench = Bench::listed();
    let before = Arc::clone(&bench.cluster.configure(&config(COREFILE), &[])[0]);
    assert_eq!(before.view.options().ttl, 5);
    assert_eq!(bench.ask(WEB), Outcome::Answer);
    let other = COREFILE.replace("cluster.local in-addr.arpa", "cluster.example");
    let other = other.replace("fallthrough in-addr.arpa", "");
    bench.cluster.configure(&config(&other), &[]);
    assert_eq!(bench.ask(WEB), Outcome::OtherServer);
    assert_eq!(
        bench.ask("web.default.svc.cluster.example"),
        Outcome::Answer
    );
    assert_eq!(
        bench.ask("none.default.svc.cluster.example"),
        Outcome::NxDomain
    );
    assert_eq!(bench.ask("7.0.96.10.in-addr.arpa"), Outcome::OtherServer);
}

#[test]
fn what_changes_within_a_serials_second_gets_the_next_ones() {
    let mut bench = Bench::listed();
    let change_to = |last| [change(Verb::Apply(service("web", [10, 96, 0, last])))];
    // As many changes as fit in some second: at least two of them share it.
    let mut last = 10;
    while !bench.cluster.is_unsettled {
        bench.take(change_to(last));
        last = last % 200 + 10;
    }
    let shared = bench.cluster.serial();
    bench.wait(0);
    assert!(bench.cluster.serial() == shared || !bench.cluster.is_unsettled);
    std::thread::sleep(Duration::from_millis(1100));
    bench.wait(1);
    let settled = bench.cluster.serial();
    assert!(settled > shared && !bench.cluster.is_unsettled);
    std::thread::sleep(Duration::from_millis(1100));
    bench.wait(1);
    assert_eq!(bench.cluster.serial(), settled, "and then it stays");
}

#[test]
fn who_looks_at_the_objects_keeps_those_of_the_moment() {
    let mut bench = Bench::listed();
    let key = ObjectKey::new("default", "web");
    let instance = Arc::clone(&bench.cluster.instances[0]);
    let before = bench.cluster.snapshot(&instance);
    bench.take([change(Verb::Delete(Kind::Service, key.clone()))]);
    assert!(before.service(&key).is_some());
    assert!(bench.cluster.index().service(&key).is_none());
    assert!(bench.cluster.snapshot(&instance).service(&key).is_none());
}

#[test]
fn an_answer_is_counted_under_its_server_block_whatever_slot_its_zone_has() {
    let mut bench = Bench::listed();
    let zone = |bench: &Bench, name: &str| {
        let account = bench.reply(name).unwrap().account;
        let block = bench.cluster.accounts().block(account).unwrap();
        assert_eq!(block.server, "dns://:53");
        block.zone.clone()
    };
    let nodata = "default.svc.cluster.local";
    for name in [WEB, NONE, nodata, "7.0.96.10.in-addr.arpa"] {
        assert_eq!(zone(&bench, name), ".", "{name}");
    }
    let own = "default.svc.cluster.local {\n kubernetes cluster.local\n}\n";
    bench
        .cluster
        .configure(&config(&format!("{COREFILE}{own}")), &[]);
    for name in [WEB, NONE, nodata] {
        assert_eq!(zone(&bench, name), "default.svc.cluster.local.", "{name}");
    }
    assert_eq!(zone(&bench, "none.other.svc.cluster.local"), ".");
    bench.cluster.configure(&config(COREFILE), &[]);
    assert_eq!(zone(&bench, WEB), ".");
}
