//! From a query to its server block, and through the block's plugins, to a response.
//!
//! The block is the one whose zone is the longest that holds the name, as CoreDNS chooses it; its
//! plugins are asked in order, each deciding whether the next one is.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;

use super::query::Query;
use super::response::Response;
use crate::record::Name;
use crate::record::alias::MOST;

/// IXFR and AXFR (RFC 1995, RFC 5936).
const ZONE_TRANSFERS: [u16; 2] = [251, 252];
/// The class IN.
const IN: u16 = 1;

/// A plugin that answers queries.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Answers `query`, or lets `next` answer it.
    async fn handle(&self, query: &Query, next: Next<'_>) -> Response;
}

/// The rest of a chain, as a handler sees it.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    servers: &'a Servers,
    handlers: &'a [Arc<dyn Handler>],
}

/// The handlers of one server block, in the order in which they are asked.
#[derive(Clone)]
pub struct Chain {
    handlers: Vec<Arc<dyn Handler>>,
}

/// The server blocks that share a port, each under its zones.
#[derive(Clone, Default)]
pub struct Servers {
    blocks: Vec<(Name, Chain)>,
}

/// The servers in force at one port: listeners read them per query, a reload replaces them.
pub struct Current(RwLock<Arc<Servers>>);

impl Next<'_> {
    /// What the following handlers answer; SERVFAIL where there are none left, as CoreDNS has it for
    /// names that no plugin of the block knows.
    pub async fn handle(self, query: &Query) -> Response {
        let Some((first, rest)) = self.handlers.split_first() else {
            return Response::servfail(query, "no plugin of the server block answers this name");
        };
        let next = Next {
            servers: self.servers,
            handlers: rest,
        };
        first.handle(query, next).await
    }

    /// Asks the servers of this port afresh on behalf of `query`'s client: how a CNAME's target is
    /// found, wherever it lies. The response has the case, class and RD of a query of its own, no OPT and
    /// any size; beyond [`MOST`] re-entries it is SERVFAIL: a circle, as far as anyone can tell.
    pub async fn lookup(&self, name: &Name, qtype: u16, query: &Query) -> Response {
        let derived = query.derive(name, qtype);
        if derived.depth > MOST {
            let why = format!("more than {MOST} CNAMEs in a row");
            return Response::servfail(&derived, why);
        }
        self.servers.answer(&derived).await
    }
}

impl Chain {
    /// Asks `handlers` in this order.
    pub fn new(handlers: Vec<Arc<dyn Handler>>) -> Self {
        Self { handlers }
    }
}

impl Servers {
    /// From each server block's zones and chain. Where two blocks name one zone the first has it.
    pub fn new(blocks: impl IntoIterator<Item = (Vec<Name>, Chain)>) -> Self {
        let mut blocks: Vec<(Name, Chain)> = blocks
            .into_iter()
            .flat_map(|(zones, chain)| zones.into_iter().map(move |zone| (zone, chain.clone())))
            .collect();
        // Stable, so that the first block of equal zones stays first.
        blocks.sort_by_key(|(zone, _)| std::cmp::Reverse(zone.labels().count()));
        Self { blocks }
    }

    /// The response to `query`. REFUSED: no block's zone holds the name, its block has no plugins, the
    /// class is not IN, or a zone transfer is asked for.
    pub async fn answer(&self, query: &Query) -> Response {
        let question = &query.question;
        if question.qclass != IN || ZONE_TRANSFERS.contains(&question.qtype) {
            return Response::refused(query);
        }
        let block = self
            .blocks
            .iter()
            .find(|(zone, _)| question.name.is_under(zone));
        match block {
            Some((_, chain)) if !chain.handlers.is_empty() => {
                let next = Next {
                    servers: self,
                    handlers: &chain.handlers,
                };
                next.handle(query).await
            }
            _ => Response::refused(query),
        }
    }
}

impl Current {
    /// Starts with `servers`.
    pub fn new(servers: Servers) -> Self {
        Self(RwLock::new(Arc::new(servers)))
    }

    /// The servers now in force; a query that began with them ends with them.
    pub fn load(&self) -> Arc<Servers> {
        Arc::clone(&self.0.read())
    }

    /// Puts others in force.
    pub fn replace(&self, servers: Servers) {
        *self.0.write() = Arc::new(servers);
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
