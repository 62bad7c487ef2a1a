//! `/health`, `/ready` and `/metrics` over HTTP: the plugins `health`, `ready` and `prometheus`, each at
//! its own address or several at one.

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::metrics::{CONTENT_TYPE, Metrics};

/// How long a scrape under way may take once we stop.
const DRAIN: Duration = Duration::from_secs(1);

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/health`
    Health,
    /// `/ready`
    Ready,
    /// `/metrics`
    Metrics,
}

/// One wish to have endpoints served at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Who wants it, for the error message: a plugin or `--metrics`.
    pub plugin: &'static str,
    /// `:8080` (all addresses), `localhost:9153`, or IP:port.
    pub address: String,
    /// What is to be there.
    pub endpoints: Vec<Endpoint>,
}

/// Why there is no endpoint.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Not an address.
    #[error("{plugin} {address:?}: not an address; expected `:8080`, `localhost:8080` or IP:port")]
    Address {
        /// Whose address.
        plugin: &'static str,
        /// As written.
        address: String,
    },
    /// The address cannot be had.
    #[error(
        "{plugin} cannot listen at {address}: {source}; choose another address in the Corefile, or stop \
         what listens there"
    )]
    Bind {
        /// Whose address.
        plugin: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Conditions that must all hold, by what is said while one does not; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Readiness(
    Arc<Mutex<BTreeMap<&'static str, bool>>>,
    /// What is said in any case.
    Arc<Mutex<Vec<String>>>,
);

impl Readiness {
    /// Sets one condition. `reason` names what is waited for while it is not `ok`.
    pub fn set(&self, reason: &'static str, ok: bool) {
        self.0.lock().insert(reason, ok);
    }

    /// Sets what is said, a line each, whether all conditions hold or not.
    pub fn note(&self, notes: Vec<String>) {
        *self.1.lock() = notes;
    }

    /// What is waited for; empty: ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let conditions = self.0.lock();
        let missing = conditions.iter().filter(|(_, ok)| !**ok);
        missing.map(|(reason, _)| *reason).collect()
    }
}

/// What the endpoints tell; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// `/health`: 200 while nothing is missing. A probe that fails has the pod restarted.
    pub health: Readiness,
    /// `/ready`: 200 while nothing is missing. A probe that fails takes the pod out of its Service.
    pub ready: Readiness,
    /// `/metrics`
    pub metrics: Metrics,
}

/// The HTTP servers at work; dropping it stops them.
#[derive(Debug)]
pub struct Admin {
    status: Status,
    servers: BTreeMap<SocketAddr, Server>,
}

/// One address at work.
#[derive(Debug)]
struct Server {
    /// The server's own is another handle on the same socket.
    listener: std::net::TcpListener,
    endpoints: BTreeSet<Endpoint>,
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Admin {
    /// Binds every address once, with the union of what is wanted there, and serves it.
    pub async fn start(wanted: &[Wanted], status: &Status) -> Result<Self, AdminError> {
        let mut admin = Self {
            status: status.clone(),
            servers: BTreeMap::new(),
        };
        admin.set(wanted).await?;
        Ok(admin)
    }

    /// Serves what is wanted now in place of what was wanted before. Addresses that stay are not let go of; where a
    /// new one cannot be had, all stays as it was.
    pub async fn set(&mut self, wanted: &[Wanted]) -> Result<(), AdminError> {
        let plan = by_address(wanted)?;
        let mut given_up = Vec::new();
        let mut fresh = match self.bind(&plan, &mut given_up).await {
            Ok(fresh) => fresh,
            Err(error) => {
                for (address, endpoints) in given_up {
                    let again = bind(address)
                        .and_then(|listener| Server::start(listener, &endpoints, &self.status));
                    match again {
                        Ok(server) => drop(self.servers.insert(address, server)),
                        Err(error) => tracing::error!("{address} is not served any more: {error}"),
                    }
                }
                return Err(error);
            }
        };
        let held = std::mem::take(&mut self.servers);
        for (address, server) in held {
            match plan.get(&address) {
                Some((_, endpoints)) if *endpoints == server.endpoints => {
                    self.servers.insert(address, server);
                }
                Some(_) => {
                    fresh.insert(address, server.stop().await);
                }
                None => drop(server.stop().await),
            }
        }
        for (address, listener) in fresh {
            if let Some((plugin, endpoints)) = plan.get(&address) {
                let server = Server::start(listener, endpoints, &self.status);
                let server = server.map_err(|source| AdminError::Bind {
                    plugin,
                    address,
                    source,
                })?;
                self.servers.insert(address, server);
            }
        }
        Ok(())
    }

    /// Binds what `plan` has and we have not. A wildcard address cannot be had while one of its port is held: what
    /// is not wanted any more is given up for it.
    async fn bind(
        &mut self,
        plan: &Plan,
        given_up: &mut Vec<(SocketAddr, BTreeSet<Endpoint>)>,
    ) -> Result<BTreeMap<SocketAddr, std::net::TcpListener>, AdminError> {
        let mut fresh = BTreeMap::new();
        for (&address, (plugin, _)) in plan {
            if self.servers.contains_key(&address) {
                continue;
            }
            let mut bound = bind(address);
            if bound.is_err() {
                let in_the_way = |held: &SocketAddr, _: &mut Server| {
                    held.port() == address.port() && !plan.contains_key(held)
                };
                for (held, server) in self.servers.extract_if(.., in_the_way) {
                    given_up.push((held, server.endpoints.clone()));
                    drop(server.stop().await);
                }
                bound = bind(address);
            }
            let bound = bound.map_err(|source| AdminError::Bind {
                plugin,
                address,
                source,
            })?;
            fresh.insert(address, bound);
        }
        Ok(fresh)
    }

    /// Where it listens, in order.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let servers = self.servers.values();
        servers
            .filter_map(|server| server.listener.local_addr().ok())
            .collect()
    }

    /// Stops listening; requests under way are answered.
    pub async fn stop(self) {
        let stopped = self.servers.into_values().map(Server::stop);
        futures::future::join_all(stopped).await;
    }
}

impl Server {
    fn start(
        listener: std::net::TcpListener,
        endpoints: &BTreeSet<Endpoint>,
        status: &Status,
    ) -> io::Result<Self> {
        let served = TcpListener::from_std(listener.try_clone()?)?;
        let (stop, mut stopped) = watch::channel(false);
        let stopped = async move {
            // An error is a dropped `Server`, which means the same.
            let _stop = stopped.wait_for(|stop| *stop).await;
        };
        let server =
            axum::serve(served, router(endpoints, status.clone())).with_graceful_shutdown(stopped);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // axum's server ends in no error of its own.
            let _end = server.into_future().await;
        });
        Ok(Self {
            listener,
            endpoints: endpoints.clone(),
            stop,
            task,
        })
    }

    /// Takes no more requests and answers those under way; the socket is left to be served again.
    async fn stop(mut self) -> std::net::TcpListener {
        self.stop.send_replace(true);
        let ended = async { while self.task.join_next().await.is_some() {} };
        // A client that keeps its connection does not keep us.
        let _in_time = tokio::time::timeout(DRAIN, ended).await;
        self.listener
    }
}

type Plan = BTreeMap<SocketAddr, (&'static str, BTreeSet<Endpoint>)>;

/// What is to be at each address, and who wanted it first.
fn by_address(wanted: &[Wanted]) -> Result<Plan, AdminError> {
    let mut plan = Plan::new();
    for Wanted {
        plugin,
        address,
        endpoints,
    } in wanted
    {
        let parsed = parse(address).ok_or_else(|| AdminError::Address {
            plugin,
            address: address.clone(),
        })?;
        let (_, union) = plan.entry(parsed).or_insert((plugin, BTreeSet::new()));
        union.extend(endpoints);
    }
    Ok(plan)
}

/// `:port` is the IPv6 wildcard, which [`bind`] opens to IPv4 too.
fn parse(address: &str) -> Option<SocketAddr> {
    if let Ok(address) = address.parse() {
        return Some(address);
    }
    let (host, port) = address.rsplit_once(':')?;
    let ip = match host {
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    match open(address) {
        // A host without IPv6 has no IPv6 wildcard; all its addresses are meant.
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && is_no_ipv6(&error) => open(
            SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()),
        ),
        result => result,
    }
}

fn is_no_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}

fn open(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}

fn router(endpoints: &BTreeSet<Endpoint>, status: Status) -> Router {
    let router = Router::new();
    let add = |router: Router<Status>, endpoint: &Endpoint| match endpoint {
        Endpoint::Health => router.route("/health", get(health)),
        Endpoint::Ready => router.route("/ready", get(ready)),
        Endpoint::Metrics => router.route("/metrics", get(metrics)),
    };
    endpoints.iter().fold(router, add).with_state(status)
}

async fn health(State(status): State<Status>) -> Response {
    answer(&status.health)
}

async fn ready(State(status): State<Status>) -> Response {
    answer(&status.ready)
}

/// 200 and `OK`, or 503 and what is missing, a line each; then what is said in any case.
fn answer(readiness: &Readiness) -> Response {
    let missing = readiness.missing();
    let (status, first) = if missing.is_empty() {
        (StatusCode::OK, "OK".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n"))
    };
    let notes = readiness.1.lock();
    let lines = std::iter::once(&first).chain(notes.iter());
    let body: Vec<&str> = lines.map(String::as_str).collect();
    (status, body.join("\n")).into_response()
}

async fn metrics(State(status): State<Status>) -> Response {
    match status.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
