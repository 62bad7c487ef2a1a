//! `k8s_external` in the agent's chain, before `kubernetes`: the programs pass the names of its zones.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;

use super::Options;
use crate::answer::message::{Sections, Soa};
use crate::cluster::Cluster;
use crate::cluster::instance::Instance;
use crate::plugin::kubernetes::{Said, carry_out, of_node, wait_for_list};
use crate::serve::chain::{Handler, Next};
use crate::serve::query::Query;
use crate::serve::response::Response;

/// QTYPE SOA.
const SOA: u16 = 6;

/// The `k8s_external` plugin of a server block.
pub struct External {
    cluster: Arc<RwLock<Cluster>>,
    /// The `kubernetes` of the same block, whose objects these are.
    instance: Arc<Instance>,
    options: Options,
}

impl External {
    /// Beside `instance`, the `kubernetes` of the same server block.
    pub fn new(cluster: Arc<RwLock<Cluster>>, instance: Arc<Instance>, options: Options) -> Self {
        Self {
            cluster,
            instance,
            options,
        }
    }

    fn say(&self, query: &Query) -> Said {
        let cluster = self.cluster.read();
        let objects = cluster.objects_of(&self.instance);
        let (name, qtype) = (&query.question.name, query.question.qtype);
        let Some(zone) = self.options.zone_of(name) else {
            return Said::Next;
        };
        let soa = |is_answer| Sections {
            soa: Some(Soa {
                zone: zone.clone(),
                ttl: self.options.ttl,
                serial: cluster.serial(),
                is_answer,
                apex: Some(self.options.apex.clone()),
            }),
            ..Sections::default()
        };
        let node = self
            .instance
            .view
            .external(objects.index(), &self.options, name);
        let falls_through = || {
            let mut zones = self.options.fallthrough.iter();
            zones.any(|zone| name.is_under(zone))
        };
        let denial = |rcode| Said::Response {
            rcode,
            sections: soa(false),
        };
        match node {
            Some(_) if qtype == SOA && name == zone => Said::Response {
                rcode: 0,
                sections: soa(true),
            },
            Some(node) => match of_node(&node, name, qtype) {
                Some(said) => said,
                None if objects.has_listed_records() => denial(0),
                None => Said::Unlisted,
            },
            None if !objects.has_listed_records() => Said::Unlisted,
            None if falls_through() => Said::Next,
            None => denial(3),
        }
    }
}

#[async_trait]
impl Handler for External {
    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        let mut said = self.say(query);
        if said == Said::Unlisted && wait_for_list(&self.cluster, &self.instance).await {
            said = self.say(query);
        }
        carry_out(said, query, next, self.instance.shuffle).await
    }
}
