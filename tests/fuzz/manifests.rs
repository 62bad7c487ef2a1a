//! Any text as manifests: every mistake has its document, and from what is accepted the responder and the agent give
//! the same answers, to each name that comes to be and also once half of the objects are gone.
#![no_main]

use std::collections::BTreeSet;

use dns_agent::k8s::document;
use dns_agent::k8s::needs::Needs;
use dns_agent::k8s::object::{Kind, Object};
use dns_agent::record::Name;
use kerndns_fuzz::site::{COREFILE, Site, objects, query};
use libfuzzer_sys::fuzz_target;

/// The namespaces in which most of a mutated manifest's objects are.
const NAMESPACES: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: default}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: prod}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
";

/// A, AAAA, SRV, PTR, CNAME.
const TYPES: [u16; 5] = [1, 28, 33, 12, 5];

fuzz_target!(|text: &str| {
    let reading = document::read(text, &Needs::default());
    for mistake in &reading.mistakes {
        assert!(
            mistake.document >= 1 && mistake.item != Some(0),
            "{mistake}"
        );
    }
    if reading.objects.is_empty() {
        return;
    }
    let mut site = Site::new(COREFILE);
    site.apply(&objects(&[NAMESPACES]));
    site.apply(&reading.objects);
    let names: BTreeSet<Name> = site.names().into_iter().take(100).collect();
    ask(&mut site, &names, 0);
    let is_kept = |object: &&Object| object.kind() != Kind::Namespace;
    site.delete(reading.objects.iter().filter(is_kept).step_by(2));
    ask(&mut site, &names, 1);
    site.delete(reading.objects.iter());
    ask(&mut site, &names, 2);
});

/// Asks for each name once, for a type that depends on its place and on `round`: all types would take most of the
/// time.
fn ask(site: &mut Site, names: &BTreeSet<Name>, round: usize) {
    for (i, name) in names.iter().enumerate() {
        site.ask(&query(name, TYPES[(i + round) % TYPES.len()]));
    }
}
