//! Connections with any number of queries, answered in the order in which the answers are there
//! (RFC 1035 4.2.2, RFC 7766 6).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::listener::Shared;
use super::query::{Parsed, Query, Transport};
use super::response::Response;

/// Connections at the same time; one more is closed at once.
const CONNECTIONS: u32 = 1024;
/// Queries of one connection that may be unanswered before the next one is read.
const PIPELINED: usize = 64;
/// How long a client may be silent, or take to send one message or to take one in.
const IDLE: Duration = Duration::from_secs(10);
/// Between attempts to accept while the process has no file descriptor left.
const NO_DESCRIPTOR: Duration = Duration::from_millis(500);

/// Accepts until told to stop, and returns when the last connection has got its answers.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS as usize));
    let mut stop = shared.stop.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
                    tracing::debug!(%client, "closed: {CONNECTIONS} connections are open already");
                    continue;
                };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    converse(stream, client, shared).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("a TCP connection was not accepted: {error}");
                tokio::time::sleep(NO_DESCRIPTOR).await;
            }
        }
    }
    drop(listener);
    // Fails only on a closed semaphore; this one is never closed.
    let _all = connections.acquire_many(CONNECTIONS).await;
}

/// Reads and writes one connection until the client is done, idle, or we stop.
async fn converse(stream: TcpStream, client: SocketAddr, shared: Arc<Shared>) {
    // Responses are written whole; waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%client, "TCP_NODELAY: {error}");
    }
    let (reader, writer) = stream.into_split();
    let (responses, ready) = mpsc::channel(PIPELINED);
    let mut stop = shared.stop.clone();
    let reading = async {
        let stopped = stop.wait_for(|stop| *stop);
        tokio::select! {
            // An error is the client's end of the connection; there is nobody to tell.
            _ = read_queries(reader, client, &shared, responses) => {}
            _ = stopped => {}
        }
    };
    tokio::join!(reading, write_responses(writer, ready));
}

async fn read_queries(
    mut reader: OwnedReadHalf,
    client: SocketAddr,
    shared: &Arc<Shared>,
    responses: mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    loop {
        let message = timeout(IDLE, read_message(&mut reader)).await??;
        // A place for the response first: who does not read responses gets no more queries read.
        let Ok(place) = responses.clone().reserve_owned().await else {
            return Ok(());
        };
        match Query::parse(message, Transport::Tcp, client) {
            Parsed::Silence => {}
            Parsed::Respond(message) => {
                shared.count(Transport::Tcp, &message);
                place.send(message);
            }
            Parsed::Query(query) => {
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    let response = match shared.permit() {
                        Some(_permit) => shared.answer(&query).await,
                        None => Response::servfail(&query, "too many queries are under way"),
                    };
                    shared.count(Transport::Tcp, response.message());
                    place.send(response.into_message());
                });
            }
        }
    }
}

async fn read_message(reader: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = reader.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    reader.read_exact(&mut message).await?;
    Ok(message)
}

/// Writes until no query can have a response any more, or the client takes none.
async fn write_responses(mut writer: OwnedWriteHalf, mut ready: mpsc::Receiver<Vec<u8>>) {
    while let Some(message) = ready.recv().await {
        let Ok(length) = u16::try_from(message.len()) else {
            continue;
        };
        // In one write, so that it travels in one segment where it fits (RFC 7766 8).
        let framed = [&length.to_be_bytes(), message.as_slice()].concat();
        match timeout(IDLE, writer.write_all(&framed)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}
