//! `autopath` in the chain: a query for a name in the client's first search domain becomes one for each domain of its
//! search path, and the first answer that is not NXDOMAIN is the answer to all (CoreDNS, `plugin/autopath`).

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name as HickoryName, RData, Record, rdata};
use hickory_proto::serialize::binary::BinDecodable as _;

use super::{Options, Search};
use crate::record::Name;
use crate::serve::{Handler, Next, Query, Response, fit};

/// RCODE of a name that does not exist.
const NXDOMAIN: u16 = 3;

/// Who knows the search path of a client.
pub trait SearchPath: Send + Sync {
    /// The domains that the client at `address` tries for the name it asks, the first of which `name` may be in; empty:
    /// not known.
    fn of(&self, address: IpAddr, name: &Name) -> Vec<Name>;
}

/// The `autopath` plugin of a server block.
pub struct Autopath {
    zones: Vec<Name>,
    path: Arc<dyn SearchPath>,
}

/// The same path for every client.
struct Same(Vec<Name>);

impl SearchPath for Same {
    fn of(&self, _: IpAddr, _: &Name) -> Vec<Name> {
        self.0.clone()
    }
}

impl Autopath {
    /// From an `autopath` line; `kubernetes` is asked where the line says so. `None`: it is not there.
    pub fn new(options: &Options, kubernetes: Option<Arc<dyn SearchPath>>) -> Option<Self> {
        let path = match &options.search {
            Search::Kubernetes { .. } => kubernetes?,
            Search::File(names) => Arc::new(Same(names.clone())),
        };
        Some(Self {
            zones: options.zones.clone(),
            path,
        })
    }

    /// The names that the client would ask for after this one, in order; none where this is not its first.
    fn further(&self, query: &Query) -> Vec<Name> {
        let name = &query.question.name;
        // A name that an alias leads to was not asked for by the client, and no search path applies to it.
        if query.depth > 0 || !self.zones.iter().any(|zone| name.is_under(zone)) {
            return Vec::new();
        }
        let path = self.path.of(query.client.ip().to_canonical(), name);
        let Some((first, others)) = path.split_first() else {
            return Vec::new();
        };
        let Some(base) = name.labels_above(first).filter(|base| !base.is_empty()) else {
            return Vec::new();
        };
        let root = Name::root();
        let join = |domain: &Name| {
            let mut labels = base.iter().rev();
            labels.try_fold(domain.clone(), |name, label| name.child(label))
        };
        others.iter().chain([&root]).filter_map(join).collect()
    }
}

#[async_trait]
impl Handler for Autopath {
    fn name(&self) -> &'static str {
        "autopath"
    }

    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        let first = next.handle(query).await;
        if first.rcode() != NXDOMAIN {
            return first;
        }
        for name in self.further(query) {
            let found = next
                .handle(&query.derive(&name, query.question.qtype))
                .await;
            if let Some(why) = found.failure() {
                return Response::servfail(query, format!("autopath asked for {name}: {why}"));
            }
            if found.rcode() != NXDOMAIN {
                let message = rename(query, found.message());
                return message
                    .and_then(|message| fit(query, &message))
                    .map_or_else(
                        || {
                            Response::servfail(
                                query,
                                format!("the answer for {name} does not parse"),
                            )
                        },
                        Response::new,
                    );
            }
        }
        first
    }
}

/// `found` as the response to `query`: its question, and before the records a CNAME from the name that was asked for to
/// the one that has them.
fn rename(query: &Query, found: &[u8]) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(found).ok()?;
    let asked = HickoryName::from_bytes(query.qname_octets()).ok()?;
    if let Some((owner, ttl)) = message
        .answers
        .first()
        .map(|record| (record.name.clone(), record.ttl))
    {
        let cname = RData::CNAME(rdata::CNAME(owner));
        let alias = Record::from_rdata(asked.clone(), ttl, cname);
        message.answers.insert(0, alias);
    }
    message.queries.first_mut()?.set_name(asked);
    message.to_vec().ok()
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
