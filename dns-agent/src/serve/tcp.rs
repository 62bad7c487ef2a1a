//! Connections with any number of queries, each answered as soon as its response is there, in whatever
//! order that comes to (RFC 7766 6.2.1.1).
//!
//! What a client may hold is bounded, or it would be held against everyone else: connections, in all and per
//! address ([`admission`]); queries under way and octets of responses not read yet, per connection and
//! in all ([`outbox`]); octets of a query; and the time for each of these.

mod admission;
mod outbox;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::listener::Shared;
use super::query::{Parsed, Query, Transport};
use super::response::Response;
use admission::Admission;
use outbox::Outbox;

/// Queries of one connection that may be unanswered before the next one is read.
const PIPELINED: usize = 64;
/// How long a client may be silent, or take to send one message or to take one in (CoreDNS's idle timeout).
const IDLE: Duration = Duration::from_secs(10);
/// Octets of the longest query. One question and the records that may follow it take less by far, unless
/// they are stuffed; a client could otherwise have us keep 64 KiB for each query.
const QUERY_MAX: u16 = 4096;
/// Octets read at once: several queries in one segment cost one system call.
const READ: usize = 1024;
/// Between attempts to accept while the process has no file descriptor left.
const NO_DESCRIPTOR: Duration = Duration::from_millis(500);

/// Accepts until told to stop, and returns when the last connection has got its answers.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let admission = Admission::default();
    let mut stop = shared.stop.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                let Some(admitted) = admission.admit(client.ip()) else {
                    tracing::debug!(%client, "closed: too many connections are open already");
                    continue;
                };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    converse(stream, client, shared).await;
                    drop(admitted);
                });
            }
            Err(error) => {
                tracing::warn!("a TCP connection was not accepted: {error}");
                tokio::time::sleep(NO_DESCRIPTOR).await;
            }
        }
    }
    drop(listener);
    admission.all_gone().await;
}

/// Reads and writes one connection until the client is done, idle or too slow, or we stop.
async fn converse(stream: TcpStream, client: SocketAddr, shared: Arc<Shared>) {
    // Responses are written whole; waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%client, "TCP_NODELAY: {error}");
    }
    let (reader, writer) = stream.into_split();
    let (outbox, unread) = outbox::new(Arc::clone(&shared.unread));
    let mut stop = shared.stop.clone();
    let connection = Connection {
        client,
        shared,
        outbox,
        places: Arc::new(Semaphore::new(PIPELINED)),
    };
    let reading = async {
        tokio::select! {
            // An error is the client's end of the connection; there is nobody to tell.
            _ = connection.read(reader) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        // Behind the last query its responses are still written.
        drop(connection);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        () = unread.write(writer, IDLE) => {}
    }
}

/// One connection as its queries see it.
struct Connection {
    client: SocketAddr,
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    places: Arc<Semaphore>,
}

impl Connection {
    async fn read(&self, reader: OwnedReadHalf) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(READ, reader);
        loop {
            let message = timeout(IDLE, read_message(&mut reader)).await??;
            // Who does not read responses gets no more queries read.
            self.outbox.room().await?;
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.map_err(io::Error::other)?;
            match Query::parse(message, Transport::Tcp, self.client) {
                Parsed::Silence => {}
                Parsed::Respond(message) => {
                    self.shared.count(Transport::Tcp, &message);
                    self.outbox.send(&message);
                }
                Parsed::Query(query) => self.answer(query, place).await,
            }
        }
    }

    /// Answers here and now where no handler has to wait, so that the responses of one client do not pile up
    /// faster than it reads them; in a task of its own otherwise.
    async fn answer(&self, query: Query, place: OwnedSemaphorePermit) {
        let query = Arc::new(query);
        let (shared, outbox) = (Arc::clone(&self.shared), Arc::clone(&self.outbox));
        let mut answering = Box::pin({
            let query = Arc::clone(&query);
            async move {
                let response = shared.answer(&query).await;
                shared.count(Transport::Tcp, response.message());
                outbox.send_all(response).await;
            }
        });
        if futures::poll!(&mut answering).is_ready() {
            return;
        }
        let Some(permit) = self.shared.permit() else {
            let response = Response::servfail(&query, "too many queries are under way");
            self.shared.count(Transport::Tcp, response.message());
            return self.outbox.send(response.message());
        };
        tokio::spawn(async move {
            answering.await;
            drop((permit, place));
        });
    }
}

/// The next message, its two octets of length taken off.
async fn read_message(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let length = reader.read_u16().await?;
    if length > QUERY_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // It grows with what comes: a length alone reserves nothing.
    let mut message = Vec::new();
    let octets = reader.take(length.into()).read_to_end(&mut message).await?;
    if octets < usize::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(message)
}

#[cfg(test)]
mod tests;
