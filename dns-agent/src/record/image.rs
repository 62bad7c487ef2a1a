//! A zone as a list of its RRsets, for a secondary to hold (RFC 5936 3).

use super::schema::View;
use super::{Name, RRset};
use crate::k8s::index::Index;

impl View {
    /// Every RRset of `zone` that is answered from records, each once, the apex first; neither the SOA nor names
    /// without records, which are implied, nor pod names, which are a rule.
    pub fn image<'a>(
        &'a self,
        index: &'a Index,
        zone: &'a Name,
    ) -> impl Iterator<Item = (Name, RRset)> + 'a {
        self.all_names(index)
            .filter(move |name| self.zone_of(name) == Some(zone))
            .filter_map(|name| self.node(index, &name).map(|node| (name, node)))
            .flat_map(|(name, node)| {
                let owned = move |rrset| (name.clone(), rrset);
                node.rrsets.into_iter().map(owned)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{external, index, name, namespace, service, slice};
    use super::*;
    use crate::k8s::needs::Sight;
    use crate::k8s::object::ObjectKey;
    use crate::plugin::kubernetes::{Options, Pods};

    #[test]
    fn an_image_has_every_record_of_its_zone_once() {
        let options = Options {
            zones: ["cluster.local", "in-addr.arpa", "ip6.arpa"]
                .map(name)
                .to_vec(),
            pods: Pods::Insecure,
            ..Options::default()
        };
        let view = View::new(
            options,
            Sight::default(),
            ObjectKey::new("ns", "dns"),
            Vec::new(),
        );
        let index = index([
            namespace("ns"),
            service("ns/dns", "10.1.0.10 fd00::10", "dns:udp:53"),
            service("ns/also", "10.1.0.10", ""),
            service("ns/h", "None", ""),
            slice("ns/h-1", "h", "http:tcp:80", "10.2.0.1 10.2.0.2=b fd00::1"),
            slice("ns/h-2", "h", "http:tcp:80", "10.2.0.1"),
            slice("ns/dns-1", "dns", "dns:udp:53", "10.2.0.1 10.1.0.10"),
            external("ns/away", "example.org"),
            service("hidden/x", "10.1.0.11", ""),
        ]);
        let mut whole = BTreeSet::new();
        for zone in &view.options().zones {
            let image: Vec<(Name, RRset)> = view.image(&index, zone).collect();
            assert_eq!(image[0].0, *zone, "NS first");
            for (owner, rrset) in &image {
                assert_eq!(view.zone_of(owner), Some(zone));
                for rdata in &rrset.rdata {
                    assert!(
                        whole.insert((owner.clone(), rdata.clone())),
                        "{owner} {rdata:?} twice"
                    );
                }
            }
        }
        let answered: BTreeSet<_> = view
            .all_names(&index)
            .filter_map(|name| Some((view.node(&index, &name)?, name)))
            .flat_map(|(node, name)| {
                let rdata = node.rrsets.into_iter().flat_map(|rrset| rrset.rdata);
                rdata
                    .map(move |rdata| (name.clone(), rdata))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(whole, answered);
        // NS, ns.dns and dns-version of each zone, Services, endpoints, ports, CNAME, PTR.
        assert!(whole.len() > 30, "{}", whole.len());
    }
}
