//! From an address to sockets that answer what comes to them: bound here, served by `udp` and
//! `tcp`, stopped together (RFC 1035 4.2, RFC 7766 5).

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::chain::Current;
use super::query::{Query, Transport};
use super::response::Response;
use super::{tcp, udp};
use crate::metrics::Responses;
use crate::metrics::coredns::Exchange;

/// Queries that wait for an upstream at the same time; what comes on top gets SERVFAIL at once.
const IN_FLIGHT: u32 = 10_000;
/// Octets of responses that clients may leave unread on their connections, together.
const UNREAD: usize = 32 * 1024 * 1024;
/// UDP sockets per address at most: more do not help one kernel thread per core.
const SOCKETS: usize = 4;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// A port chosen for TCP may be taken for UDP; another choice helps.
const PORT_CHOICES: usize = 8;

/// Why there is no listening at an address.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another process has the port.
    #[error(
        "cannot listen at {address} ({over}): another process does; `ss -lntup 'sport = :{}'` names it. \
         Stop it, or choose another address with --listen or the Corefile's bind and port", address.port()
    )]
    InUse {
        /// Where.
        address: SocketAddr,
        /// UDP or TCP.
        over: &'static str,
    },
    /// No interface has the address.
    #[error(
        "cannot listen at {address}: no interface of this host has the address; correct --listen or \
         the Corefile's bind, or add the address first (`ip address add`)"
    )]
    NotAvailable {
        /// Where.
        address: SocketAddr,
    },
    /// A port below 1024 without the right to it.
    #[error(
        "cannot listen at {address}: that port takes root or the capability CAP_NET_BIND_SERVICE"
    )]
    Forbidden {
        /// Where.
        address: SocketAddr,
    },
    /// Whatever else the system has against it.
    #[error("cannot listen at {address} ({over}): {source}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// UDP or TCP.
        over: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Bound sockets, UDP and TCP at one address and port, not read yet.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    udp: Vec<UdpSocket>,
    tcp: TcpListener,
}

/// A listener at work; dropping it stops it without waiting for anyone.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    in_flight: Arc<Semaphore>,
}

/// What every task of a listener shares.
pub(super) struct Shared {
    pub(super) servers: Arc<Current>,
    pub(super) responses: Responses,
    pub(super) in_flight: Arc<Semaphore>,
    /// Octets left of [`UNREAD`].
    pub(super) unread: Arc<Semaphore>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. A wildcard IPv6 address takes IPv6 only, so that both
    /// wildcards go together. To be called within a tokio runtime.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let mut result = Self::bind_once(address);
        for _ in 1..PORT_CHOICES {
            match result {
                Err(ListenError::InUse { .. }) if address.port() == 0 => {
                    result = Self::bind_once(address);
                }
                _ => break,
            }
        }
        result
    }

    fn bind_once(address: SocketAddr) -> Result<Self, ListenError> {
        let (tcp, address) = bind_tcp(address).map_err(error(address, "TCP"))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let udp = bind_udp(address, cores.min(SOCKETS)).map_err(error(address, "UDP"))?;
        Ok(Self { address, udp, tcp })
    }

    /// Where it listens, the port chosen where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to answer with what `servers` holds at the time of each query.
    pub fn serve(self, servers: Arc<Current>, responses: Responses) -> Serving {
        let (stop, stopped) = watch::channel(false);
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        let shared = Arc::new(Shared {
            servers,
            responses,
            in_flight: Arc::clone(&in_flight),
            unread: Arc::new(Semaphore::new(UNREAD)),
            stop: stopped,
        });
        let mut tasks = JoinSet::new();
        for socket in self.udp {
            tasks.spawn(udp::serve(socket, Arc::clone(&shared)));
        }
        tasks.spawn(tcp::serve(self.tcp, shared));
        Serving {
            address: self.address,
            stop,
            tasks,
            in_flight,
        }
    }
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more queries, and waits until those under way are answered, at most for `drain`.
    pub async fn stop(mut self, drain: Duration) {
        self.stop.send_replace(true);
        let drained = async {
            // The receiving tasks first: after them nothing new is under way.
            while self.tasks.join_next().await.is_some() {}
            // Fails only on a closed semaphore; this one is never closed.
            let _all = self.in_flight.acquire_many(IN_FLIGHT).await;
        };
        if tokio::time::timeout(drain, drained).await.is_err() {
            tracing::warn!(
                address = %self.address,
                "queries were still unanswered {} s after the last one was taken",
                drain.as_secs_f32()
            );
        }
    }
}

impl Shared {
    /// Leave to keep a query waiting; `None`: too many wait already.
    pub(super) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.in_flight).try_acquire_owned().ok()
    }

    /// The response to `query`, counted under its server block. A plugin that panics costs this query, not the socket.
    pub(super) async fn answer(&self, query: &Query) -> Response {
        let (servers, start) = (self.servers.load(), Instant::now());
        let answer = AssertUnwindSafe(servers.answer(query)).catch_unwind().await;
        let coredns = self.responses.coredns();
        let response = answer.unwrap_or_else(|_| {
            coredns.panicked();
            Response::servfail(query, "a plugin panicked; this is a bug")
        });
        let block = servers.labels(query, &response);
        let exchange = Exchange {
            tcp: query.transport == Transport::Tcp,
            v6: query.client.is_ipv6(),
            qtype: query.question.qtype,
            dnssec_ok: query.edns.is_some_and(|edns| edns.dnssec_ok),
            rcode: response.message().get(3).map_or(0, |octet| octet & 0xf),
            plugin: response.plugin(),
        };
        coredns.count(&block, exchange, 1);
        coredns.took(&block, start.elapsed());
        response
    }

    /// Counts what is sent.
    pub(super) fn count(&self, transport: Transport, message: &[u8]) {
        let rcode = message.get(3).map_or(0, |octet| octet & 0xf);
        self.responses.count(transport == Transport::Tcp, rcode);
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = socket(address, Type::STREAM)?;
    // Connections of a predecessor in TIME_WAIT do not count; a listening one still does.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn bind_udp(address: SocketAddr, sockets: usize) -> io::Result<Vec<UdpSocket>> {
    // SO_REUSEPORT would let us share the port with another process of this user, each getting half of
    // the queries. A socket without it tells whether anyone is there.
    socket(address, Type::DGRAM)?.bind(&address.into())?;
    let bind = |_| {
        let socket = socket(address, Type::DGRAM)?;
        socket.set_reuse_port(true)?;
        udp::report_destination(&socket, address)?;
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into())
    };
    (0..sockets).map(bind).collect()
}

fn socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let protocol = match kind {
        Type::STREAM => Protocol::TCP,
        _ => Protocol::UDP,
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn error(address: SocketAddr, over: &'static str) -> impl Fn(io::Error) -> ListenError {
    move |source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address, over },
        io::ErrorKind::AddrNotAvailable => ListenError::NotAvailable { address },
        io::ErrorKind::PermissionDenied => ListenError::Forbidden { address },
        _ => ListenError::Other {
            address,
            over,
            source,
        },
    }
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
