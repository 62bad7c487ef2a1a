//! What a `kubernetes` block says to a question, from its objects and not from what is held: names and types that
//! the responder passes, and any size (RFC 1034 4.3.2, RFC 2308).

use crate::answer::message::{Sections, Soa};
use crate::cluster::Cluster;
use crate::cluster::instance::Instance;
use crate::k8s::object::Kind;
use crate::record::{Name, Node, Rdata};

/// QTYPE CNAME.
const CNAME: u16 = 5;
/// QTYPE SOA.
const SOA: u16 = 6;
/// QTYPE ANY: any record will do (RFC 8482); of an alias, that is its CNAME.
const ANY: u16 = 255;

/// What a block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// This is the response.
    Response {
        /// RCODE: 0 or 3.
        rcode: u8,
        /// The records.
        sections: Sections,
    },
    /// The name is an alias; its target has the answer.
    Alias {
        /// Seconds.
        ttl: u32,
        /// The canonical name.
        target: Name,
    },
    /// The next plugin is to be asked.
    Next,
    /// The objects have not all been listed: nothing can be said about this name.
    Unlisted,
}

/// Asks `instance` for `name` and `qtype`.
pub(super) fn say(instance: &Instance, cluster: &Cluster, name: &Name, qtype: u16) -> Said {
    let objects = cluster.objects_of(instance);
    let (view, index) = (&instance.view, objects.index());
    let Some(zone) = view.zone_of(name) else {
        return Said::Next;
    };
    let node = view
        .pod(index, name)
        .map(Node::from)
        .or_else(|| view.node(index, name))
        .or_else(|| view.zonal(index, name));
    let soa = |is_answer| {
        let ttl = view.options().ttl.min(300);
        Some(Soa {
            zone: zone.clone(),
            ttl,
            serial: cluster.serial(),
            is_answer,
            apex: None,
        })
    };
    let negative = |rcode| {
        let sections = Sections {
            soa: soa(false),
            ..Sections::default()
        };
        Said::Response { rcode, sections }
    };
    let is_known = objects.has_listed_records()
        && (!view.rests_on_pods(name) || objects.has_listed(Kind::Pod));
    let Some(node) = node else {
        return match (is_known, instance.falls_through(name)) {
            (false, _) => Said::Unlisted,
            (true, true) => Said::Next,
            (true, false) => negative(3),
        };
    };
    if qtype == SOA && name == zone {
        let sections = Sections {
            soa: soa(true),
            ..Sections::default()
        };
        return Said::Response { rcode: 0, sections };
    }
    if let Some(said) = of_node(&node, name, qtype) {
        return said;
    }
    if is_known {
        negative(0)
    } else {
        Said::Unlisted
    }
}

/// What a name's records say to a question; `None`: there are none of the type.
pub fn of_node(node: &Node, name: &Name, qtype: u16) -> Option<Said> {
    if let Some(set) = node.rrsets.iter().find(|set| set.rtype() == qtype) {
        let record = |rdata: &Rdata| (name.clone(), set.ttl, rdata.clone());
        let additional = |(owner, rdata): &(Name, Rdata)| (owner.clone(), set.ttl, rdata.clone());
        let sections = Sections {
            answer: set.rdata.iter().map(record).collect(),
            soa: None,
            additional: set.additional.iter().map(additional).collect(),
        };
        return Some(Said::Response { rcode: 0, sections });
    }
    if let Some(set) = node.rrsets.iter().find(|set| set.rtype() == CNAME)
        && let Some(Rdata::Cname(target)) = set.rdata.first()
    {
        if qtype == ANY {
            let answer = vec![(name.clone(), set.ttl, Rdata::Cname(target.clone()))];
            return Some(Said::Response {
                rcode: 0,
                sections: Sections {
                    answer,
                    ..Sections::default()
                },
            });
        }
        return Some(Said::Alias {
            ttl: set.ttl,
            target: target.clone(),
        });
    }
    None
}
