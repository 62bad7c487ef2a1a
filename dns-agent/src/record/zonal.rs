//! Zone-scoped names of headless Services (`zonal`): the endpoints of one topology zone.
//!
//! `<zone>.pin._zone.<service>` has the endpoints in the zone; `<zone>.prefer._zone.<service>` has
//! them too, or all where there are none. Any zone may be asked for: `pin` of an unknown one is NODATA,
//! `prefer` of it has every endpoint. So the names are a rule ([`View::zonal`]), and those of zones
//! that endpoints are in are records as well.

use std::collections::BTreeSet;

use super::owner::{below, between, service_name};
use super::reverse::is_reverse;
use super::schema::View;
use super::{Name, Node};
use crate::k8s::index::{Group, Index};
use crate::k8s::object::{ObjectKey, Scope, ServiceKind};
use crate::k8s::slice::Slice;

/// The label that no Service or endpoint can have.
const ANCHOR: &str = "_zone";

/// What becomes of a zone without endpoints: it has none, or all of the Service.
const DIRECTIVES: [(&str, bool); 2] = [("pin", false), ("prefer", true)];

/// How many labels a zone-scoped name has above its cluster domain, at least.
pub const LABELS: u32 = 6;

impl View {
    /// What a zone-scoped name has by the rule; `None`: it is none, or not of a headless Service.
    pub fn zonal(&self, index: &Index, name: &Name) -> Option<Node> {
        let zone = self.zone_of(name).filter(|zone| !is_reverse(zone))?;
        if !self.options.zonal || self.scope_of(zone) != Scope::Cluster {
            return None;
        }
        let labels = name.texts_above(zone)?;
        let [topology @ .., directive, ANCHOR, service, namespace, "svc"] = labels.as_slice()
        else {
            return None;
        };
        if topology.is_empty() || !self.exposes(index, namespace) {
            return None;
        }
        let key = ObjectKey::new(namespace, service);
        let group = index.group(Scope::Cluster, &key)?;
        self.is_headless(group).then_some(())?;
        let owner = service_name(zone, &key)?;
        self.zonal_answer(group, &owner, &topology.join("."), directive)
    }

    /// What a name with these labels left of the Service's has among the records.
    pub(super) fn zonal_node(&self, group: &Group, owner: &Name, labels: &[&str]) -> Option<Node> {
        self.is_headless(group).then_some(())?;
        match labels {
            [ANCHOR] => self.zones(group).next().map(|_| Node::default()),
            [directive, ANCHOR] => {
                is_prefer(directive)?;
                self.zones(group).next().map(|_| Node::default())
            }
            [topology @ .., directive, ANCHOR] => {
                let wanted = topology.join(".");
                let has = |zone: &str| zone == wanted || is_below(zone, &wanted);
                self.zones(group).any(has).then_some(())?;
                self.zonal_answer(group, owner, &wanted, directive)
            }
            _ => None,
        }
    }

    /// Whether the labels left of a Service's are those of a zone-scoped name, or above one.
    pub(super) fn is_zonal(&self, scope: Scope, left: &[&str]) -> bool {
        self.options.zonal && scope == Scope::Cluster && left.last() == Some(&ANCHOR)
    }

    /// The zone-scoped names of the zones that a slice's endpoints are in, and what is above them.
    pub(super) fn add_zonal(&self, owners: &[Name], slice: &Slice, names: &mut BTreeSet<Name>) {
        if !self.options.zonal {
            return;
        }
        let zones = slice.endpoints.iter().filter_map(|row| row.zone());
        for zone in zones.collect::<BTreeSet<&str>>() {
            for (owner, (directive, _)) in owners
                .iter()
                .flat_map(|owner| DIRECTIVES.map(|directive| (owner, directive)))
            {
                let top = below(owner, [ANCHOR, directive]);
                let name = zone
                    .rsplit('.')
                    .try_fold(top, |name, label| Some(name?.child(label.as_bytes())));
                if let Some(Some(name)) = name {
                    names.extend(between(&name, owner));
                    names.insert(name);
                }
            }
        }
    }

    fn is_headless(&self, group: &Group) -> bool {
        let service = self.service(group);
        service.is_some_and(|service| service.kind == ServiceKind::Headless)
    }

    fn zones<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a str> {
        self.slices(group)
            .flat_map(|slice| slice.endpoints.iter())
            .filter_map(|row| row.zone())
            // A label value may have two dots in a row; a name may not.
            .filter(|zone| !zone.split('.').any(str::is_empty))
    }

    /// Other types than A, AAAA and SRV are NODATA.
    fn zonal_answer(
        &self,
        group: &Group,
        owner: &Name,
        wanted: &str,
        directive: &str,
    ) -> Option<Node> {
        let falls_back = is_prefer(directive)?;
        let mut answers = self.endpoints_of(group, owner, |row| row.zone() == Some(wanted));
        if answers.is_empty() && falls_back {
            answers = self.endpoints_of(group, owner, |_| true);
        }
        Some(answers.into_node(self.options.ttl))
    }
}

fn is_prefer(directive: &str) -> Option<bool> {
    let known = DIRECTIVES.iter().find(|(label, _)| *label == directive);
    known.map(|(_, falls_back)| *falls_back)
}

/// `a.b` is below `b`.
fn is_below(zone: &str, above: &str) -> bool {
    zone.strip_suffix(above)
        .is_some_and(|rest| rest.ends_with('.'))
}
