//! Transfers of a cluster's zones, taken apart by hickory-proto.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use dns_ebpf::fold::Seed;
use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};

use super::*;
use crate::corefile::Config;
use crate::k8s::needs::Seen;
use crate::k8s::object::{Kind, Namespace, Object, ObjectKey, Service, ServiceKind};
use crate::k8s::{Event, Verb};
use crate::map::held::Held;
use crate::plugin::transfer::To;
use crate::record::Name;
use crate::serve::sample::{client, message, plain, question};
use crate::serve::{Chain, Parsed, Servers};

const TO_ALL: &str = "to *";

/// A listed cluster of this many Services, and the chain before it.
struct Bench {
    cluster: Arc<RwLock<Cluster>>,
    servers: Servers,
}

impl Bench {
    fn new(to: &str, services: u32) -> Self {
        let corefile =
            format!("cluster.local in-addr.arpa {{\nkubernetes\ntransfer {{\n{to}\n}}\n}}");
        let config = Config::parse(&corefile, Path::new("Corefile")).unwrap();
        let held = Held::heap(
            Seed {
                start: 7,
                factor: 0x9e37_79b9_7f4a_7c15,
            },
            100_000,
        );
        let mut cluster = Cluster::new(held, ObjectKey::new("ns", "s0"));
        let instance = Arc::clone(&cluster.configure(&config, &[])[0]);
        let namespace = Object::Namespace(Namespace {
            key: ObjectKey::new("", "ns"),
            seen: Seen::ALL,
        });
        let objects = (0..services).map(service).chain([namespace]);
        cluster.take(
            objects.map(|object| change(Verb::Apply(object))),
            Instant::now(),
        );
        let cluster = Arc::new(RwLock::new(cluster));
        let lines = config.servers[0].transfer.clone();
        let transfer = Transfer::new(lines, Arc::clone(&cluster), instance);
        let zones = config.servers[0].zones.clone();
        let servers = Servers::new([(zones, Chain::new(vec![Arc::new(transfer)]))]);
        Self { cluster, servers }
    }

    fn listed(to: &str, services: u32) -> Self {
        let bench = Self::new(to, services);
        let keys = |kind| -> HashSet<ObjectKey> {
            if kind == Kind::Service {
                (0..services).map(|n| service(n).key().clone()).collect()
            } else if kind == Kind::Namespace {
                [ObjectKey::new("", "ns")].into()
            } else {
                HashSet::new()
            }
        };
        let resets = Kind::ALL.map(|kind| change(Verb::Reset(kind, keys(kind))));
        bench.cluster.write().take(resets, Instant::now());
        bench
    }

    async fn ask(&self, octets: Vec<u8>, transport: Transport) -> (u16, Vec<Message>) {
        let Parsed::Query(query) = Query::parse(octets, transport, client()) else {
            panic!("no query")
        };
        let response = self.servers.answer(&query).await;
        let rcode = response.rcode();
        let (first, following) = response.into_messages();
        let mut messages = vec![Message::from_vec(&first).unwrap()];
        if let Some(mut following) = following {
            while let Some(message) = following.recv().await {
                messages.push(Message::from_vec(&message).unwrap());
            }
        }
        (rcode, messages)
    }
}

fn change(verb: Verb) -> Event {
    Event::Change(verb, Instant::now())
}

fn service(number: u32) -> Object {
    Object::Service(Service {
        key: ObjectKey::new("ns", &format!("s{number}")),
        kind: ServiceKind::ClusterIp(vec![Ipv4Addr::from_bits(0x0a00_0001 + number).into()]),
        ports: Vec::new(),
        external: Box::default(),
        seen: Seen::ALL,
    })
}

fn records(messages: &[Message]) -> Vec<Record> {
    messages
        .iter()
        .flat_map(|message| message.answers.iter().cloned())
        .collect()
}

fn serial(record: &Record) -> u32 {
    match &record.data {
        RData::SOA(soa) => soa.serial,
        other => panic!("{other:?}"),
    }
}

/// An IXFR query whose client has this serial.
fn ixfr(serial: u32) -> Vec<u8> {
    let mut soa = b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x16\0\0".to_vec();
    soa.extend(serial.to_be_bytes());
    soa.extend([0; 16]);
    message(
        0,
        [1, 0, 1, 0],
        &[question("cluster.local", 251), soa].concat(),
    )
}

#[tokio::test]
async fn a_zone_goes_as_a_stream_between_two_soa_records() {
    let bench = Bench::listed(TO_ALL, 3000);
    let (rcode, messages) = bench.ask(plain("Cluster.local", 252), Transport::Tcp).await;
    assert_eq!(rcode, 0);
    assert!(messages.len() > 3, "{}", messages.len());
    for message in &messages {
        assert!(message.metadata.authoritative && !message.metadata.truncation);
        assert_eq!((message.metadata.id, message.queries.len()), (0x1234, 1));
    }
    let all = records(&messages);
    let ours = bench.cluster.read().serial();
    assert_eq!((serial(&all[0]), serial(all.last().unwrap())), (ours, ours));
    // NS, ns.dns, dns-version; an address of each Service, and no SRV without a port.
    assert_eq!(all.len(), 2 + 3 + 3000);
    let reverse = records(
        &bench
            .ask(plain("in-addr.arpa", 252), Transport::Tcp)
            .await
            .1,
    );
    assert_eq!(reverse.len(), 2 + 3 + 3000);
}

#[tokio::test]
async fn what_changes_while_it_streams_is_not_in_it() {
    let bench = Bench::listed(TO_ALL, 3000);
    let octets = plain("cluster.local", 252);
    let Parsed::Query(query) = Query::parse(octets, Transport::Tcp, client()) else {
        panic!("no query")
    };
    let (first, following) = bench.servers.answer(&query).await.into_messages();
    let mut following = following.unwrap();
    for number in 0..3000 {
        let gone = Verb::Delete(Kind::Service, service(number).key().clone());
        bench.cluster.write().take([change(gone)], Instant::now());
    }
    let mut messages = vec![Message::from_vec(&first).unwrap()];
    while let Some(message) = following.recv().await {
        messages.push(Message::from_vec(&message).unwrap());
    }
    assert_eq!(records(&messages).len(), 2 + 3 + 3000);
    let after = records(
        &bench
            .ask(plain("cluster.local", 252), Transport::Tcp)
            .await
            .1,
    );
    assert_eq!(
        after.len(),
        2 + 1,
        "NS and ns.dns went with the DNS Service"
    );
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let bench = Bench::listed(TO_ALL, 3000);
    let Parsed::Query(query) = Query::parse(plain("cluster.local", 252), Transport::Tcp, client())
    else {
        panic!("no query")
    };
    let mut held = Vec::new();
    for _ in 0..AT_ONCE {
        held.push(bench.servers.answer(&query).await);
    }
    assert_eq!(bench.servers.answer(&query).await.rcode(), 2);
    drop(held);
    let end = Instant::now() + Duration::from_secs(5);
    while bench.servers.answer(&query).await.rcode() != 0 {
        assert!(Instant::now() < end, "places were not given back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn ixfr_is_the_soa_alone_for_who_has_the_zone() {
    let bench = Bench::listed(TO_ALL, 3);
    let ours = bench.cluster.read().serial();
    for (known, count) in [
        (ours, 1),
        (ours + 1, 1),
        (ours - 1, 8),
        (ours.wrapping_add(1 << 31), 8),
    ] {
        let (rcode, messages) = bench.ask(ixfr(known), Transport::Tcp).await;
        assert_eq!((rcode, records(&messages).len()), (0, count), "{known}");
        assert_eq!(serial(&messages[0].answers[0]), ours);
    }
    let (rcode, _) = bench.ask(plain("cluster.local", 251), Transport::Tcp).await;
    assert_eq!(rcode, 2, "without a serial");
}

#[tokio::test]
async fn who_may_not_have_a_zone_is_refused() {
    let bench = Bench::listed("to 192.0.2.1", 3);
    let own = Bench::listed("to 192.0.2.1 127.0.0.1:5353", 3);
    let all = Bench::listed(TO_ALL, 3);
    let tcp = Transport::Tcp;
    for (bench, name, qtype, transport, expected) in [
        (&bench, "cluster.local", 252, tcp, 5),
        (&own, "cluster.local", 252, tcp, 0),
        (&all, "cluster.local", 252, tcp, 0),
        (&all, "cluster.local", 252, Transport::Udp, 5),
        (&all, "cluster.local", 251, Transport::Udp, 5),
        (&all, "svc.cluster.local", 252, tcp, 5),
        (&all, "example.org", 252, tcp, 5),
    ] {
        let (rcode, messages) = bench.ask(plain(name, qtype), transport).await;
        assert_eq!(rcode, expected, "{name} {qtype}");
        assert_eq!(messages[0].queries.len(), 1);
    }
    let unlisted = Bench::new(TO_ALL, 3);
    assert_eq!(unlisted.ask(plain("cluster.local", 252), tcp).await.0, 2);
}

#[test]
fn serials_wrap() {
    for (known, ours, current) in [
        (5, 5, true),
        (6, 5, true),
        (4, 5, false),
        (0, u32::MAX, true),
        (u32::MAX, 0, false),
    ] {
        assert_eq!(is_current(known, ours), current, "{known} {ours}");
    }
}

#[test]
fn the_longest_zone_decides_who_may() {
    let line = |zone: &str, to: &str| Options {
        zones: vec![Name::parse(zone).unwrap()],
        to: vec![To::Secondary(to.parse().unwrap())],
        source: None,
    };
    let lines = [
        line(".", "192.0.2.1:53"),
        line("cluster.local", "192.0.2.2:53"),
    ];
    for (zone, client) in [
        ("cluster.local", "192.0.2.2"),
        ("in-addr.arpa", "192.0.2.1"),
    ] {
        let line = line_for(&lines, &Name::parse(zone).unwrap()).unwrap();
        assert!(line.admits(client.parse().unwrap()), "{zone}");
        assert!(!line.admits("192.0.2.3".parse().unwrap()));
    }
}
