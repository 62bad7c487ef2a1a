//! From a query to its server block, and through the block's plugins, to a response.
//!
//! The block is the one whose zone is the longest that holds the name, as CoreDNS chooses it; its
//! plugins are asked in order, each deciding whether the next one is.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;

use super::query::{Query, Question};
use super::response::Response;
use crate::metrics::coredns::{Block, DROPPED};
use crate::record::Name;
use crate::record::alias::MOST;

/// A plugin that answers queries.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Whether a question of this kind is for this plugin at all; where not, the next one is asked.
    fn takes(&self, question: &Question) -> bool {
        question.is_ordinary()
    }

    /// Whether it only looks at what the others answer, whatever the question.
    fn wraps(&self) -> bool {
        false
    }

    /// Answers `query`, or lets `next` answer it.
    async fn handle(&self, query: &Query, next: Next<'_>) -> Response;

    /// The plugin's name in a Corefile: `plugin` of the metrics.
    fn name(&self) -> &'static str {
        ""
    }
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
    /// `server` of the metrics.
    server: Arc<str>,
    handlers: Vec<Arc<dyn Handler>>,
}

/// The server blocks that share a port, each under its zones.
#[derive(Clone, Default)]
pub struct Servers {
    blocks: Vec<Zone>,
}

/// A server block's zone.
#[derive(Clone)]
struct Zone {
    name: Name,
    chain: Chain,
    labels: Block,
}

/// The servers in force at one port: listeners read them per query, a reload replaces them.
pub struct Current(RwLock<Arc<Servers>>);

impl Next<'_> {
    /// What the following handlers answer; where there are none left SERVFAIL, as CoreDNS has it for
    /// names that no plugin of the block knows, and REFUSED to another class or a zone transfer.
    pub async fn handle(self, query: &Query) -> Response {
        let question = &query.question;
        let takes = |handler: &Arc<dyn Handler>| handler.wraps() || handler.takes(question);
        let Some(at) = self.handlers.iter().position(takes) else {
            return if question.is_ordinary() {
                Response::servfail(query, "no plugin of the server block answers this name")
            } else {
                Response::refused(query)
            };
        };
        let next = Next {
            servers: self.servers,
            handlers: &self.handlers[at + 1..],
        };
        let first = &self.handlers[at];
        first.handle(query, next).await.by(first.name())
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
        Self {
            server: "".into(),
            handlers,
        }
    }

    /// Names the server block for the metrics.
    #[must_use]
    pub fn of(self, server: impl Into<Arc<str>>) -> Self {
        Self {
            server: server.into(),
            ..self
        }
    }

    /// Whether any plugin answers questions of this kind; an ordinary one that none answers is for the chain to fail.
    fn is_for(&self, question: &Question) -> bool {
        let takes = |handler: &Arc<dyn Handler>| !handler.wraps() && handler.takes(question);
        self.handlers.iter().any(takes) || question.is_ordinary() && !self.handlers.is_empty()
    }

    /// The plugins' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.handlers.iter().map(|handler| handler.name())
    }
}

impl Servers {
    /// From each server block's zones and chain. Where two blocks name one zone the first has it.
    pub fn new(blocks: impl IntoIterator<Item = (Vec<Name>, Chain)>) -> Self {
        let zone = |name: Name, chain: &Chain| Zone {
            labels: Block::new(Arc::clone(&chain.server), name.to_string()),
            chain: chain.clone(),
            name,
        };
        let mut blocks: Vec<Zone> = blocks
            .into_iter()
            .flat_map(|(zones, chain)| zones.into_iter().map(move |name| zone(name, &chain)))
            .collect();
        // Stable, so that the first block of equal zones stays first.
        blocks.sort_by_key(|zone| std::cmp::Reverse(zone.name.labels().count()));
        Self { blocks }
    }

    /// The response to `query`. REFUSED: no block's zone holds the name, its block has no plugins, or none
    /// of them is for this class, or for zone transfers.
    pub async fn answer(&self, query: &Query) -> Response {
        let question = &query.question;
        match self.zone(&question.name) {
            Some(zone) if zone.chain.is_for(question) => {
                let next = Next {
                    servers: self,
                    handlers: &zone.chain.handlers,
                };
                next.handle(query).await
            }
            _ => Response::refused(query),
        }
    }

    /// What a query with this response is counted under: the block that took it, or no block's.
    pub(super) fn labels(&self, query: &Query, response: &Response) -> Block {
        match self.zone(&query.question.name) {
            // Refused before any plugin was asked.
            Some(zone) if response.plugin().is_empty() && response.failure().is_none() => {
                Block::new(Arc::clone(&zone.chain.server), DROPPED)
            }
            Some(zone) => zone.labels.clone(),
            None => {
                let any = self.blocks.first();
                let server = any.map_or_else(|| "".into(), |zone| Arc::clone(&zone.chain.server));
                Block::new(server, DROPPED)
            }
        }
    }

    /// What every zone of every block has: its labels, and its plugins' names.
    pub fn plugins(&self) -> impl Iterator<Item = (Block, &'static str)> {
        self.blocks.iter().flat_map(|zone| {
            let labels = &zone.labels;
            zone.chain.names().map(move |name| (labels.clone(), name))
        })
    }

    fn zone(&self, name: &Name) -> Option<&Zone> {
        self.blocks.iter().find(|zone| name.is_under(&zone.name))
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
