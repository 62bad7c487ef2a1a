//! Aliases and where they lead.

use super::super::testing::{external, index, name, namespace, service};
use super::*;
use crate::k8s::needs::Sight;
use crate::k8s::object::{Object, ObjectKey};
use crate::plugin::kubernetes::{Options, Pods};

fn view() -> View {
    let options = Options {
        zones: ["cluster.local", "other.org"].map(name).to_vec(),
        fallthrough: vec![name("other.org"), name("open.svc.cluster.local")],
        pods: Pods::Insecure,
        ..Options::default()
    };
    View::new(
        options,
        Sight::default(),
        ObjectKey::new("ns", "dns"),
        Vec::new(),
    )
}

/// The trail of `ns/a` in the first zone: targets, whether the last exists, whether the rest is denied.
fn trail(objects: impl IntoIterator<Item = Object>) -> Option<(Vec<String>, bool, bool)> {
    let shown = [namespace("ns"), service("ns/web", "10.1.0.1", "")];
    let index = index(shown.into_iter().chain(objects));
    let (view, asked) = (view(), name("a.ns.svc.cluster.local"));
    let node = view.node(&index, &asked).unwrap();
    let elsewhere = name("special.ns.svc.cluster.local");
    let trail = view.trail(&index, &asked, &node, |target| *target != elsewhere)?;
    let targets = trail.aliases.iter().map(|(.., target)| target.to_string());
    Some((targets.collect(), trail.end.is_some(), trail.is_denied))
}

fn to(target: &str) -> Option<(Vec<String>, bool, bool)> {
    trail([external("ns/a", target)])
}

#[test]
fn an_alias_leads_over_aliases_to_a_name_that_is_none() {
    let web = "web.ns.svc.cluster.local";
    assert_eq!(to(web), Some((vec![format!("{web}.")], true, true)));
    let long = trail([
        external("ns/a", "B.ns.svc.Cluster.local"),
        external("ns/b", web),
    ]);
    let targets = ["b.ns.svc.cluster.local.", "web.ns.svc.cluster.local."];
    assert_eq!(
        long,
        Some((targets.map(str::to_owned).to_vec(), true, true))
    );
}

#[test]
fn a_missing_name_is_the_zones_to_deny_and_no_other_zones() {
    let gone = "gone.ns.svc.cluster.local";
    assert_eq!(to(gone), Some((vec![format!("{gone}.")], false, true)));
    for falls_through in ["gone.open.svc.cluster.local", "gone.other.org"] {
        assert_eq!(to(falls_through), None, "{falls_through}");
    }
    let other = "web.ns.svc.other.org";
    assert_eq!(to(other), Some((vec![format!("{other}.")], true, false)));
    let apex = "cluster.local";
    assert_eq!(to(apex), Some((vec![format!("{apex}.")], true, false)));
}

#[test]
fn what_is_not_held_is_not_followed() {
    for target in [
        "www.example.com",
        "a.ns.svc.cluster.local",
        "special.ns.svc.cluster.local",
        "10-1-0-1.ns.pod.cluster.local",
        "ns.pod.cluster.local",
    ] {
        assert_eq!(to(target), None, "{target}");
    }
    let circle = [
        external("ns/a", "b.ns.svc.cluster.local"),
        external("ns/b", "a.ns.svc.cluster.local"),
    ];
    assert_eq!(trail(circle), None);
}

#[test]
fn eleven_aliases_in_a_row_are_followed() {
    let row = |count: usize| {
        let key = |i: usize| {
            if i == 0 {
                "a".to_owned()
            } else {
                format!("a{i}")
            }
        };
        trail((0..count).map(|i| {
            let last = "web".to_owned();
            let next = if i + 1 == count { last } else { key(i + 1) };
            external(
                &format!("ns/{}", key(i)),
                &format!("{next}.ns.svc.cluster.local"),
            )
        }))
    };
    assert_eq!(row(11).map(|(targets, ..)| targets.len()), Some(11));
    assert_eq!(row(12), None);
}
