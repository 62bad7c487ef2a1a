//! `forward`: a query relayed to one of several upstreams, as CoreDNS times it.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use rand::seq::SliceRandom;
use thiserror::Error;
use tokio::time::Instant;

use super::Options;
use super::upstream::{Upstream, UpstreamError};
use crate::metrics::coredns::CoreDns;
use crate::record::Name;
use crate::serve::{Handler, Next, Query, Response, Transport};

/// How long one upstream may take; with a single one this leaves time for a second datagram where
/// the first was lost.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a query may take in all: what stub resolvers wait before they ask again (resolv.conf(5)).
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the list of upstreams is gone through.
const ROUNDS: usize = 2;

/// Why a `forward` line cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ForwardError {
    /// An upstream is this very process: every miss would go round until it times out.
    #[error(
        "forward {from} {upstream}: this is an address kerndns itself listens at, every query would come \
         back to it; name another upstream, or a resolv.conf that does"
    )]
    Itself {
        /// The line's zone.
        from: Name,
        /// The upstream.
        upstream: SocketAddr,
    },
}

/// The `forward` plugin of a server block.
pub struct Forward {
    from: Name,
    except: Vec<Name>,
    upstreams: Vec<Upstream>,
    read_timeout: Duration,
    total_timeout: Duration,
    coredns: Option<CoreDns>,
}

impl Forward {
    /// From a `forward` line. `listen` are the agent's own addresses: an upstream among them is
    /// refused.
    pub fn new(options: &Options, listen: &[SocketAddr]) -> Result<Self, ForwardError> {
        if let Some(&upstream) = options.to.iter().find(|to| is_ours(**to, listen)) {
            return Err(ForwardError::Itself {
                from: options.from.clone(),
                upstream,
            });
        }
        Ok(Self {
            from: options.from.clone(),
            except: options.except.clone(),
            upstreams: options.to.iter().copied().map(Upstream::new).collect(),
            read_timeout: READ_TIMEOUT,
            total_timeout: TOTAL_TIMEOUT,
            coredns: None,
        })
    }

    /// With other timeouts than CoreDNS's: for one upstream, and for the whole query.
    #[must_use]
    pub fn with_timeouts(self, read_timeout: Duration, total_timeout: Duration) -> Self {
        Self {
            read_timeout,
            total_timeout,
            ..self
        }
    }

    /// Tells `coredns` how long upstreams take.
    #[must_use]
    pub fn measured(self, coredns: &CoreDns) -> Self {
        Self {
            coredns: Some(coredns.clone()),
            ..self
        }
    }

    fn is_for_us(&self, name: &Name) -> bool {
        name.is_under(&self.from) && !self.except.iter().any(|zone| name.is_under(zone))
    }

    /// At random, those that failed lately last.
    fn order(&self) -> Vec<&Upstream> {
        let mut order: Vec<&Upstream> = self.upstreams.iter().collect();
        order.shuffle(&mut rand::rng());
        let now = Instant::now();
        order.sort_by_key(|upstream| upstream.is_backing_off(now));
        order
    }

    async fn ask(&self, query: &Query) -> Result<Vec<u8>, Option<UpstreamError>> {
        let end = Instant::now() + self.total_timeout;
        let order = self.order();
        let mut last = None;
        for upstream in std::iter::repeat_n(&order, ROUNDS).flatten() {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let deadline = end.min(now + self.read_timeout);
            let result = match query.transport {
                Transport::Udp => upstream.ask_udp(query, deadline).await,
                Transport::Tcp => upstream.ask_tcp(query, deadline).await,
            };
            upstream.note(&result);
            if let (Some(coredns), Ok(response)) = (&self.coredns, &result) {
                let rcode = response.get(3).map_or(0, |octet| octet & 0xf);
                coredns.upstream(upstream.address(), rcode, now.elapsed());
            }
            match result {
                Ok(response) => return Ok(response),
                Err(error) => last = Some(error),
            }
        }
        Err(last)
    }
}

#[async_trait]
impl Handler for Forward {
    fn name(&self) -> &'static str {
        "forward"
    }

    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        if !self.is_for_us(&query.question.name) {
            return next.handle(query).await;
        }
        match self.ask(query).await {
            Ok(message) => Response::new(message),
            Err(Some(error)) => Response::servfail(query, error.to_string()),
            Err(None) => Response::servfail(query, "forward has no upstream"),
        }
    }
}

/// Whether `upstream` leads back to a socket of ours: listed as it is, or behind a wildcard address
/// because this host has it.
fn is_ours(upstream: SocketAddr, listen: &[SocketAddr]) -> bool {
    let same_port = |ours: &&SocketAddr| ours.port() == upstream.port();
    listen.iter().filter(same_port).any(|ours| {
        let wildcard = ours.ip().is_unspecified() && ours.is_ipv4() == upstream.is_ipv4();
        ours.ip() == upstream.ip() || wildcard && is_of_this_host(upstream)
    })
}

fn is_of_this_host(upstream: SocketAddr) -> bool {
    // Only an address of this host can be bound; port 0 disturbs nobody.
    upstream.ip().is_loopback()
        || std::net::UdpSocket::bind(SocketAddr::new(upstream.ip(), 0)).is_ok()
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
