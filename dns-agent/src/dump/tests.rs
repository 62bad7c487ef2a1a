//! Dumps of records as [`crate::answer::held`] encodes them.

use super::*;
use crate::answer::held::{Placement, encode};
use crate::map::arena::Arena;
use crate::map::pinned::copy;
use crate::record::{self, Node, RRset, Rdata};

const ZONE: &str = "cluster.local";

fn held(name: &str, rrsets: Vec<RRset>) -> HeldName {
    let zone = record::Name::parse(ZONE).unwrap();
    let placement = Placement {
        zone: 0,
        zone_len: zone.wire().len().try_into().unwrap(),
        shuffle: true,
        account: 0,
    };
    let (record, _) = encode(
        &record::Name::parse(name).unwrap(),
        &Node { rrsets },
        placement,
    );
    let mut arena = Arena::heap();
    let at = arena.put(&record).unwrap();
    copy(&arena.record(at)).unwrap()
}

fn a(last: std::ops::Range<u8>) -> RRset {
    let rdata = last.map(|last| Rdata::A([10, 0, 0, last].into())).collect();
    RRset {
        ttl: 5,
        rdata,
        additional: Vec::new(),
    }
}

fn zone(name: &str, flags: u32) -> Zone {
    Zone {
        flags: flag::USED | flags,
        serial: 77,
        ttl: 30,
        ..Zone::new(record::Name::parse(name).unwrap().wire())
    }
}

fn dump(names: Vec<HeldName>, zones: Vec<Zone>) -> String {
    text(&Snapshot {
        zones,
        names,
        unread: 0,
        still: true,
    })
}

#[test]
fn zones_and_names_come_in_order_and_an_additional_record_once() {
    let host = record::Name::parse("a.web.default.svc.cluster.local").unwrap();
    let srv = RRset {
        ttl: 5,
        rdata: vec![Rdata::Srv {
            weight: 100,
            port: 80,
            target: host.clone(),
        }],
        additional: vec![(host, Rdata::A([10, 0, 0, 1].into()))],
    };
    let txt = RRset {
        ttl: 5,
        rdata: vec![Rdata::Txt((*b"1.1 \"x\\").into())],
        additional: Vec::new(),
    };
    let names = vec![
        held("_http._tcp.web.default.svc.cluster.local", vec![srv]),
        held("a.web.default.svc.cluster.local", vec![a(1..2)]),
        held("svc.cluster.local", vec![]),
        held("dns-version.cluster.local", vec![txt]),
    ];
    let zones = vec![
        zone(ZONE, flag::SERVED | flag::COMPLETE | flag::PODS),
        zone(".", 0),
    ];
    assert_eq!(
        dump(names, zones),
        "\
; zone . not served: its names pass; not complete: nothing is denied

; zone cluster.local. served; complete; pods: made by a rule, not listed
cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 77 7200 1800 86400 30
dns-version.cluster.local. 5 IN TXT \"1.1 \\\"x\\\\\"
; svc.cluster.local. exists and has no records
_http._tcp.web.default.svc.cluster.local. 5 IN SRV 0 100 80 a.web.default.svc.cluster.local.
a.web.default.svc.cluster.local. 5 IN A 10.0.0.1

; 4 names in 2 zones
"
    );
}

#[test]
fn a_set_that_lies_twice_in_the_arena_is_printed_once() {
    let text = dump(
        vec![held("h.cluster.local", vec![a(0..30)])],
        vec![zone(ZONE, flag::SERVED)],
    );
    assert_eq!(text.matches(" IN A ").count(), 30, "{text}");
}

#[test]
fn a_set_that_is_too_large_is_said_to_be() {
    let text = dump(
        vec![held("h.cluster.local", vec![a(0..200)])],
        vec![zone(ZONE, flag::SERVED)],
    );
    assert!(
        text.contains("; h.cluster.local. A is too large for the kernel: it passes\n"),
        "{text}"
    );
}

#[test]
fn names_outside_every_zone_are_not_lost() {
    let text = dump(
        vec![held("h.cluster.local", vec![a(1..2)])],
        vec![zone("other", flag::SERVED)],
    );
    assert!(
        text.contains("\nh.cluster.local. 5 IN A 10.0.0.1\n"),
        "{text}"
    );
}

#[test]
fn octets_that_are_no_records_are_a_comment() {
    let mut name = held("h.cluster.local", vec![a(1..2)]);
    name.sets[0].1.truncate(3);
    let text = dump(vec![name], vec![]);
    assert!(
        text.contains("; h.cluster.local. A cannot be decoded"),
        "{text}"
    );
}

#[test]
fn what_changed_meanwhile_is_said() {
    let snapshot = Snapshot {
        zones: vec![],
        names: vec![],
        unread: 2,
        still: false,
    };
    let text = text(&snapshot);
    assert!(
        text.contains("; 2 names changed too often") && text.contains("were being changed"),
        "{text}"
    );
}
