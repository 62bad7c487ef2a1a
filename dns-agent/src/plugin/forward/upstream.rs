//! One upstream: a query out, a checked response back (RFC 1035 7.3, RFC 5452 9).
//!
//! Every query has a socket and so a source port of its own, and an ID of its own: who wants to put
//! a response under us has to guess both. What does not match is passed over, not believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use crate::serve::fit::{asks, fit};
use crate::serve::query::Query;
use crate::serve::response::{self, flag};

/// How long a failure makes an upstream the last to be asked.
const BACK_OFF: Duration = Duration::from_secs(10);
/// More than an upstream may send after reading our OPT.
const DATAGRAM: usize = 4096;

/// Why there is no response from an upstream.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// Nothing came in time that answers the query.
    #[error("{upstream} did not answer over {over} in time")]
    Silent {
        /// Who was asked.
        upstream: SocketAddr,
        /// UDP or TCP.
        over: &'static str,
    },
    /// It cannot be reached, or hung up.
    #[error("{upstream} cannot be reached over {over}: {source}")]
    Unreachable {
        /// Who was asked.
        upstream: SocketAddr,
        /// UDP or TCP.
        over: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// It answered something else over TCP, where nobody else could have.
    #[error("{upstream} answered another question over TCP, or a broken message")]
    Mismatch {
        /// Who was asked.
        upstream: SocketAddr,
    },
}

/// An upstream server and when it last failed.
#[derive(Debug)]
pub(super) struct Upstream {
    address: SocketAddr,
    failed: Mutex<Option<Instant>>,
}

impl Upstream {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            failed: Mutex::new(None),
        }
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it failed so lately that others are to be asked first.
    pub(super) fn is_backing_off(&self, now: Instant) -> bool {
        self.failed
            .lock()
            .is_some_and(|failed| now.saturating_duration_since(failed) < BACK_OFF)
    }

    /// Takes down how the last exchange ended.
    pub(super) fn note<T>(&self, result: &Result<T, UpstreamError>) {
        *self.failed.lock() = result.is_err().then(Instant::now);
    }

    /// Asks over UDP, and again over TCP what did not fit; the response is ready for the client.
    pub(super) async fn ask_udp(
        &self,
        query: &Query,
        deadline: Instant,
    ) -> Result<Vec<u8>, UpstreamError> {
        let over = "UDP";
        let truncated = match timeout_at(deadline, self.exchange_udp(query)).await {
            Err(_) => return Err(self.silent(over)),
            Ok(Err(source)) => return Err(self.unreachable(over, source)),
            Ok(Ok(Received::Whole(response))) => return Ok(response),
            Ok(Ok(Received::Truncated(response))) => response,
        };
        // A part of the answer, marked as such, is better than none.
        Ok(self.ask_tcp(query, deadline).await.unwrap_or(truncated))
    }

    /// Asks over TCP; the response is ready for the client.
    pub(super) async fn ask_tcp(
        &self,
        query: &Query,
        deadline: Instant,
    ) -> Result<Vec<u8>, UpstreamError> {
        let over = "TCP";
        let (id, message) = outgoing(query);
        let received = match timeout_at(deadline, self.exchange_tcp(&message)).await {
            Err(_) => return Err(self.silent(over)),
            Ok(Err(source)) => return Err(self.unreachable(over, source)),
            Ok(Ok(received)) => received,
        };
        match accept(query, id, &received) {
            Some(Received::Whole(response) | Received::Truncated(response)) => Ok(response),
            None => Err(UpstreamError::Mismatch {
                upstream: self.address,
            }),
        }
    }

    async fn exchange_udp(&self, query: &Query) -> std::io::Result<Received> {
        let any = match self.address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        // Connected: only this upstream's datagrams get in, and its ICMP errors come as errors.
        socket.connect(self.address).await?;
        let (id, message) = outgoing(query);
        socket.send(&message).await?;
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if let Some(received) = accept(query, id, &buffer[..length]) {
                return Ok(received);
            }
        }
    }

    async fn exchange_tcp(&self, message: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).await?;
        // A query is header, question and OPT: 286 octets at most.
        let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
        // In one write, so that it travels in one segment (RFC 7766 8).
        stream
            .write_all(&[&length.to_be_bytes(), message].concat())
            .await?;
        let length = stream.read_u16().await?;
        let mut received = vec![0; usize::from(length)];
        stream.read_exact(&mut received).await?;
        Ok(received)
    }

    fn silent(&self, over: &'static str) -> UpstreamError {
        UpstreamError::Silent {
            upstream: self.address,
            over,
        }
    }

    fn unreachable(&self, over: &'static str, source: std::io::Error) -> UpstreamError {
        UpstreamError::Unreachable {
            upstream: self.address,
            over,
            source,
        }
    }
}

/// A response that may be believed, made ready for the client.
enum Received {
    Whole(Vec<u8>),
    Truncated(Vec<u8>),
}

/// The message for the upstream, under a new ID: the client's RD, AD and CD, its question in its case,
/// an OPT where it has one. Its EDNS options stay here: they are hop by hop.
fn outgoing(query: &Query) -> (u16, Vec<u8>) {
    let id: u16 = rand::random();
    // What a plugin asks on its own behalf, nobody's stub resolver limits to 512 octets.
    let edns = query.edns.is_some() || query.depth > 0;
    let dnssec_ok = query.edns.is_some_and(|edns| edns.dnssec_ok);
    let mut message = Vec::with_capacity(12 + query.question_octets().len() + 11);
    message.extend(id.to_be_bytes());
    let flags = query.header.flags & (flag::RD | flag::AD | flag::CD);
    message.extend(flags.to_be_bytes());
    message.extend([0, 1, 0, 0, 0, 0, 0, u8::from(edns)]);
    message.extend(query.question_octets());
    if edns {
        message.extend(response::opt(0, dnssec_ok));
    }
    (id, message)
}

/// Judges what came: `None` for another ID or question, for what is no response or is broken.
fn accept(query: &Query, id: u16, message: &[u8]) -> Option<Received> {
    let header = message.first_chunk::<12>()?;
    let flags = u16::from_be_bytes([header[2], header[3]]);
    if u16::from_be_bytes([header[0], header[1]]) != id || flags & flag::QR == 0 {
        return None;
    }
    if let Some(error) = bare_error(query, message) {
        return Some(Received::Whole(error));
    }
    if flags & flag::TC == 0 {
        return fit(query, message).map(Received::Whole);
    }
    // Some servers cut a truncated message in the middle of a record: its head has to do.
    let head = || {
        asks(query, message).then(|| fit(query, &message[..12 + query.question_octets().len()]))?
    };
    fit(query, message).or_else(head).map(Received::Truncated)
}

/// An error without a question, as old servers answer an OPT (RFC 6891 7): the client gets the error
/// with its question.
fn bare_error(query: &Query, message: &[u8]) -> Option<Vec<u8>> {
    let rcode = u16::from(message[3]) & flag::RCODE;
    let bare = message.len() == 12 && rcode != 0 && message[4..6] == [0, 0];
    bare.then(|| response::empty(query, rcode))
}
