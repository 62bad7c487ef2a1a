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
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Admin {
    /// Binds every address once, with the union of what is wanted there, and serves it.
    pub fn start(wanted: &[Wanted], status: &Status) -> Result<Self, AdminError> {
        let mut listeners = Vec::new();
        for (address, (plugin, endpoints)) in by_address(wanted)? {
            let listener = bind(address).map_err(|source| AdminError::Bind {
                plugin,
                address,
                source,
            })?;
            listeners.push((listener, endpoints));
        }
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        for (listener, endpoints) in listeners {
            addresses.extend(listener.local_addr());
            let mut stopped = stopped.clone();
            let stop = async move {
                // An error is a dropped `Admin`, which means the same.
                let _stop = stopped.wait_for(|stop| *stop).await;
            };
            let server = axum::serve(listener, router(&endpoints, status.clone()))
                .with_graceful_shutdown(stop);
            tasks.spawn(async move {
                // axum's server ends in no error of its own.
                let _end = server.into_future().await;
            });
        }
        Ok(Self {
            addresses,
            stop,
            tasks,
        })
    }

    /// Where it listens, in the order of the addresses wanted.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops listening; requests under way are answered.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // A client that keeps its connection does not keep us.
        let _in_time = tokio::time::timeout(DRAIN, ended).await;
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

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
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

fn open(address: SocketAddr) -> io::Result<TcpListener> {
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
    TcpListener::from_std(socket.into())
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
