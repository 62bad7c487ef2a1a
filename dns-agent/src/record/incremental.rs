//! What is kept up change by change is what a rebuild from the same objects gives; and a change
//! touches no more than it must.

use std::collections::{BTreeSet, HashMap, HashSet};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::alias::Trail;
use super::schema::View;
use super::testing::{
    external, from_cluster, import, index, labelled, name, namespace, service, slice,
};
use super::{Name, Node};
use crate::k8s::Verb;
use crate::k8s::index::{Index, Touched};
use crate::k8s::needs::{Needs, Seen, Sight};
use crate::k8s::object::{Kind, Object, ObjectKey};
use crate::k8s::selector::Selector;
use crate::plugin::kubernetes::{Options, Pods};

/// What is held of a name: its node and, of an alias, where it leads.
type Nodes = HashMap<Name, (Node, Option<Trail>)>;

fn held(view: &View, index: &Index, name: &Name) -> Option<(Node, Option<Trail>)> {
    let node = view.node(index, name)?;
    let trail = view.trail(index, name, &node, |_| true);
    Some((node, trail))
}

fn view(options: Options) -> View {
    seeing(options, Sight::default())
}

fn seeing(options: Options, sight: Sight) -> View {
    View::new(options, sight, ObjectKey::new("ns0", "s0"), Vec::new())
}

/// The needs of a Corefile with a block that shows everything and one with `labels x`,
/// `namespace_labels x`.
fn needs() -> (Needs, Option<Selector>) {
    let (mut needs, selector) = (Needs::default(), Selector::parse("x"));
    needs.add_block(None, None);
    needs.add_block(selector.as_ref(), selector.as_ref());
    (needs, selector)
}

fn views() -> Vec<View> {
    let zones = [
        "cluster.local",
        "in-addr.arpa",
        "ip6.arpa",
        "y.x.other.org",
        "other.org",
    ];
    let plain = Options {
        zones: zones.map(name).to_vec(),
        pods: Pods::Insecure,
        ..Options::default()
    };
    let all = Options {
        namespaces: ["ns0".into(), "ns2".into()].into(),
        endpoint_pod_names: true,
        ignore_empty_service: true,
        ..plain.clone()
    };
    let root = Options {
        zones: vec![Name::root()],
        noendpoints: true,
        ..plain.clone()
    };
    let zonal = Options {
        zonal: true,
        multicluster: vec![name("other.org")],
        ..plain.clone()
    };
    let empty = Options {
        ignore_empty_service: true,
        ..zonal.clone()
    };
    let (needs, selector) = needs();
    let sight = needs.sight(selector.as_ref(), selector.as_ref());
    let labels = seeing(empty, sight);
    let mut views: Vec<View> = [plain, all, root, zonal].map(view).into();
    views.push(labels);
    views
}

fn rebuilt(view: &View, index: &Index) -> Nodes {
    view.all_names(index)
        .filter_map(|name| held(view, index, &name).map(|held| (name, held)))
        .collect()
}

/// RFC 8020: above a name that exists, up to the apex and further within our zones, all names exist.
fn assert_no_gaps(view: &View, nodes: &Nodes) {
    for name in nodes.keys() {
        if let Some(parent) = name.parent().filter(|name| view.zone_of(name).is_some()) {
            assert!(
                nodes.contains_key(&parent),
                "{name} exists, {parent} does not"
            );
        }
    }
}

fn any_object(rng: &mut SmallRng) -> Object {
    let key = |rng: &mut SmallRng, letter: char, many: u32| {
        format!(
            "ns{}/{letter}{}",
            rng.random_range(0..3),
            rng.random_range(0..many)
        )
    };
    let ports = [
        "",
        "http:tcp:80",
        ":tcp:9",
        "http:tcp:80,dns:udp:53",
        "http:tcp:81,x:tcp:82",
    ];
    let addresses = [
        "",
        "10.1.0.1",
        "10.1.0.2",
        "10.1.0.1 fd00::1",
        "10.2.0.1",
        "None",
        "None",
    ];
    let endpoints = [
        "10.2.0.1",
        "10.2.0.2=a",
        "10.2.0.2@p",
        "10.9.0.3=a@p",
        "10.9.0.4%eu-1a",
        "10.9.0.4%eu-1b",
        "10.9.0.5=b%b.eu",
        "10.9.0.6%eu",
        "fd00::2",
        "fd00::1",
        "10.1.0.1@q",
    ];
    let ports = *ports.choose(rng).unwrap();
    let targets = [
        "example.org",
        "1.2.3.4",
        "s0.ns0.svc.cluster.local",
        "S1.NS1.svc.Cluster.local",
        "s2.ns1.svc.other.org",
        "a.s1.ns0.svc.cluster.local",
        "_http._tcp.s0.ns1.svc.cluster.local",
        "ns1.svc.cluster.local",
        "1.0.1.10.in-addr.arpa",
        "ns.dns.cluster.local",
    ];
    let none = std::collections::BTreeMap::new();
    let x = std::collections::BTreeMap::from([("x".to_owned(), String::new())]);
    let seen: Seen = needs().0.judge([&none, &x].choose(rng).copied());
    let object = match rng.random_range(0..14) {
        0 => namespace(&format!("ns{}", rng.random_range(0..3))),
        1..=3 => external(&key(rng, 's', 3), targets.choose(rng).unwrap()),
        4..=6 => service(&key(rng, 's', 3), addresses.choose(rng).unwrap(), ports),
        7 => import(&key(rng, 's', 3), addresses.choose(rng).unwrap(), ports),
        of => {
            let count = rng.random_range(0..4);
            let rows: Vec<&str> = endpoints.sample(rng, count).copied().collect();
            let service = format!("s{}", rng.random_range(0..3));
            let slice = slice(&key(rng, 'e', 4), &service, ports, &rows.join(" "));
            match of {
                8 | 9 => from_cluster(["", "c1", "c2"].choose(rng).unwrap(), slice),
                _ => slice,
            }
        }
    };
    labelled(seen, object)
}

fn any_verb(rng: &mut SmallRng, present: &mut HashMap<(Kind, ObjectKey), Object>) -> Verb {
    let choice = rng.random_range(0..20);
    let held: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.is_held())
        .collect();
    let kind = *held.choose(rng).unwrap();
    let keys: Vec<ObjectKey> = present
        .keys()
        .filter(|(of, _)| *of == kind)
        .map(|(_, key)| key.clone())
        .collect();
    match (choice, keys.choose(rng)) {
        (0, _) => {
            let kept: HashSet<ObjectKey> = keys.into_iter().filter(|_| rng.random()).collect();
            present.retain(|(of, key), _| *of != kind || kept.contains(key));
            Verb::Reset(kind, kept)
        }
        (1..=6, Some(key)) => {
            present.remove(&(kind, key.clone()));
            Verb::Delete(kind, key.clone())
        }
        _ => {
            let object = any_object(rng);
            present.insert((object.kind(), object.key().clone()), object.clone());
            Verb::Apply(object)
        }
    }
}

#[test]
fn after_every_change_the_names_are_those_of_a_rebuild() {
    for seed in 0..20 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut present = HashMap::new();
        let mut index = Index::default();
        let mut kept: Vec<(View, Nodes)> = views()
            .into_iter()
            .map(|view| {
                let nodes = rebuilt(&view, &index);
                (view, nodes)
            })
            .collect();
        for step in 0..150 {
            let verb = any_verb(&mut rng, &mut present);
            let told = format!("seed {seed}, step {step}: {verb:?}");
            let touched = index.apply(verb);
            let fresh = super::testing::index(present.values().cloned());
            for (view, nodes) in &mut kept {
                for name in touched
                    .iter()
                    .flat_map(|touched| view.touched(&index, touched))
                {
                    match held(view, &index, &name) {
                        Some(held) => nodes.insert(name, held),
                        None => nodes.remove(&name),
                    };
                }
                assert_eq!(*nodes, rebuilt(view, &fresh), "{told}");
                assert_no_gaps(view, nodes);
            }
        }
    }
}

fn touched_by(index: &mut Index, object: Object) -> Vec<String> {
    let view = view(Options {
        zones: ["cluster.local", "in-addr.arpa"].map(name).to_vec(),
        ..Options::default()
    });
    let touched = index.apply(Verb::Apply(object));
    let names: BTreeSet<String> = touched
        .iter()
        .flat_map(|touched| view.touched(index, touched))
        .map(|name| name.to_string())
        .filter(|name| !name.ends_with("10.in-addr.arpa.") || name.matches('.').count() == 6)
        .collect();
    names.into_iter().collect()
}

#[test]
fn a_changed_slice_touches_only_the_names_it_changes() {
    let mut index = index([
        namespace("ns"),
        service("ns/h", "None", "http:tcp:80"),
        slice("ns/h-1", "h", "http:tcp:80", "10.2.0.1 10.2.0.2=b"),
        slice("ns/h-2", "h", "web:tcp:80", "10.2.0.9"),
        service("ns/c", "10.1.0.1", "http:tcp:80"),
        slice("ns/c-1", "c", "http:tcp:80", "10.2.0.1 10.2.0.2"),
    ]);
    let headless = [
        "2.0.2.10.in-addr.arpa.",
        "3.0.2.10.in-addr.arpa.",
        "_http._tcp.h.ns.svc.cluster.local.",
        "_tcp.h.ns.svc.cluster.local.",
        "b.h.ns.svc.cluster.local.",
        "c.h.ns.svc.cluster.local.",
        "h.ns.svc.cluster.local.",
    ];
    let changed = slice("ns/h-1", "h", "http:tcp:80", "10.2.0.1 10.2.0.3=c");
    assert_eq!(touched_by(&mut index, changed), headless);
    let cluster_ip = ["10-2-0-2.c.ns.svc.cluster.local.", "2.0.2.10.in-addr.arpa."];
    let changed = slice("ns/c-1", "c", "http:tcp:80", "10.2.0.1");
    assert_eq!(touched_by(&mut index, changed), cluster_ip);
    let orphan = slice("ns/o-1", "o", "http:tcp:80", "10.2.0.5");
    assert_eq!(touched_by(&mut index, orphan), ["5.0.2.10.in-addr.arpa."]);
}

#[test]
fn a_change_in_a_namespace_that_is_not_shown_touches_nothing() {
    let mut index = index([service("hidden/h", "None", "")]);
    let hidden = slice("hidden/h-1", "h", "http:tcp:80", "10.2.0.1");
    assert_eq!(touched_by(&mut index, hidden), Vec::<String>::new());
}

#[test]
fn a_slice_carries_its_old_rows() {
    let mut index = index([slice("ns/h-1", "h", "", "10.2.0.1")]);
    let key = ObjectKey::new("ns", "h-1");
    let touched = index.apply(Verb::Delete(Kind::EndpointSlice, key));
    let [
        Touched::Slice {
            old: Some(old),
            new: None,
            ..
        },
    ] = touched.as_slice()
    else {
        panic!("{touched:?}");
    };
    assert_eq!(old.endpoints.len(), 1);
}

#[test]
fn a_change_touches_the_aliases_that_lead_to_it_and_no_others() {
    let web = "web.ns.svc.cluster.local";
    let mut index = index([
        namespace("ns"),
        service("ns/web", "10.1.0.1", ""),
        external("ns/near", web),
        external("ns/far", "near.ns.svc.cluster.local"),
        external("ns/hidden", web),
        external("elsewhere/near", web),
        external("ns/away", "example.org"),
    ]);
    index.apply(Verb::Delete(Kind::Service, ObjectKey::new("ns", "hidden")));
    let changed = service("ns/web", "10.1.0.1 10.1.0.2", "");
    let led = ["far", "near", "web"].map(|name| format!("{name}.ns.svc.cluster.local."));
    let touched = touched_by(&mut index, changed);
    let forward: Vec<&String> = touched
        .iter()
        .filter(|name| name.ends_with("local."))
        .collect();
    assert_eq!(forward, led.iter().collect::<Vec<_>>());
}
