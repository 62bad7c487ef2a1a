//! Where an alias leads (RFC 1034 3.6.2): the CNAME records of ExternalName Services up to a last name that is no
//! alias, as far as one `kubernetes` block knows the way.

use super::reverse::is_reverse;
use super::schema::View;
use super::{Name, Node, Rdata, zonal};
use crate::k8s::index::Index;

/// How many aliases in a row are followed: as many as CoreDNS follows; longer chains are mistakes.
pub const MOST: u8 = 11;
/// CNAME
const CNAME: u16 = 5;

/// An alias and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// The CNAME records in order: owner, TTL in seconds, target. The first owner is the name that was asked for,
    /// each other one the target before it.
    pub aliases: Vec<(Name, u32, Name)>,
    /// What the last target has; `None`: no such name.
    pub end: Option<Node>,
    /// Whether the zone of the first name denies what the last one does not have: both are in it, and the missing
    /// does not fall through.
    pub is_denied: bool,
}

impl View {
    /// Where the alias `name`, whose node this is, leads. `None`: it is no alias; or the way goes out of what is
    /// held, in a circle or too far, and has to be walked per query. `is_ours` says of a target in our zones
    /// whether it is this block that is asked for it.
    pub fn trail(
        &self,
        index: &Index,
        name: &Name,
        node: &Node,
        is_ours: impl Fn(&Name) -> bool,
    ) -> Option<Trail> {
        let mut aliases: Vec<(Name, u32, Name)> = Vec::new();
        let mut next = alias(name, node);
        let mut end = None;
        while let Some((owner, ttl, target)) = next.take() {
            if aliases.len() == usize::from(MOST) || !self.holds(&target) || !is_ours(&target) {
                return None;
            }
            end = self.node(index, &target);
            next = end.as_ref().and_then(|node| alias(&target, node));
            aliases.push((owner, ttl, target));
        }
        let (.., last) = aliases.last()?;
        let zone = self.zone_of(last)?;
        let mut fallthrough = self.options.fallthrough.iter();
        let falls_through = end.is_none() && fallthrough.any(|zone| last.is_under(zone));
        // The apex has a SOA record, which is made per answer.
        let is_denied = !falls_through && last != zone && self.zone_of(name) == Some(zone);
        (end.is_some() || is_denied).then_some(Trail {
            aliases,
            end,
            is_denied,
        })
    }

    /// Whether what a name has is a record, and not a rule as for pod names and zone-scoped names.
    fn holds(&self, name: &Name) -> bool {
        self.zone_of(name).is_some_and(|zone| {
            let pods = zone.child(b"pod").filter(|_| !is_reverse(zone));
            let labels = name.labels_above(zone).map_or(0, |labels| labels.len());
            let may_be_zonal = self.options.zonal && labels >= zonal::LABELS as usize;
            !may_be_zonal && !pods.is_some_and(|pods| name.is_under(&pods))
        })
    }
}

/// The CNAME record of a name.
fn alias(name: &Name, node: &Node) -> Option<(Name, u32, Name)> {
    let set = node.rrsets.iter().find(|set| set.rtype() == CNAME)?;
    match set.rdata.first()? {
        Rdata::Cname(target) => Some((name.clone(), set.ttl, target.clone())),
        _ => None,
    }
}

#[cfg(test)]
#[path = "alias_tests.rs"]
mod tests;
