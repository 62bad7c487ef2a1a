//! A zone as the messages of a transfer: SOA, every RRset that is answered from records, SOA
//! (RFC 5936 2.2).
//!
//! The image is that of one moment: it is made from objects that it shares with the agent, and whoever changes
//! the objects meanwhile works on a copy of the index ([`Cluster::snapshot`](crate::cluster::Cluster::snapshot)). Of
//! the records only one message's are there at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::answer::message::Batch;
use crate::cluster::instance::Instance;
use crate::k8s::index::Index;
use crate::record::Name;
use crate::serve::{Query, Response, fit};

/// How long a transfer may take: as long the objects of its start are kept.
const PATIENCE: Duration = Duration::from_mins(2);

/// A zone at one moment, and who asked for it.
pub(super) struct Image {
    query: Query,
    instance: Arc<Instance>,
    index: Arc<Index>,
    pub(super) serial: u32,
}

impl Image {
    /// The zone that `query` names, of these objects.
    pub(super) fn new(
        query: Query,
        instance: &Arc<Instance>,
        index: Arc<Index>,
        serial: u32,
    ) -> Self {
        let instance = Arc::clone(instance);
        Self {
            query,
            instance,
            index,
            serial,
        }
    }

    /// The answer to who has the zone already (RFC 1995 4).
    pub(super) fn soa_alone(&self) -> Response {
        let mut batch = self.batch();
        self.push_soa(&mut batch);
        match self.message(batch) {
            Some(message) => Response::new(message),
            None => Response::servfail(&self.query, "the SOA record does not make a message"),
        }
    }

    /// Makes the messages one after another, each handed to `send`, until one of them is not taken.
    pub(super) fn send(&self, mut send: impl FnMut(Vec<u8>) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut batch = self.batch();
        self.push_soa(&mut batch);
        for (owner, rrset) in self.instance.view.image(&self.index, self.zone()) {
            for rdata in &rrset.rdata {
                if batch.is_full() {
                    let full = std::mem::replace(&mut batch, self.batch());
                    if !self.message(full).is_some_and(&mut send) || Instant::now() > end {
                        return;
                    }
                }
                batch.push(&owner, rrset.ttl, rdata);
            }
        }
        self.push_soa(&mut batch);
        self.message(batch).map(send);
    }

    fn zone(&self) -> &Name {
        &self.query.question.name
    }

    fn batch(&self) -> Batch {
        Batch::new(self.zone(), self.query.question.qtype)
    }

    fn push_soa(&self, batch: &mut Batch) {
        let ttl = self.instance.view.options().ttl.min(300);
        batch.push_soa(self.zone(), ttl, self.serial);
    }

    /// With the client's ID, letter case and EDNS.
    fn message(&self, batch: Batch) -> Option<Vec<u8>> {
        fit(&self.query, &batch.into_message())
    }
}
