//! The responses that a client has not read yet: queued, counted in octets, written one by one with their length
//! before them (RFC 1035 4.2.2).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use crate::serve::response::Response;

/// Octets that a connection may leave unread before its next query is read.
const UNREAD: usize = 128 * 1024;

/// Where responses of a connection go. Dropping the last reference ends the connection behind what is queued.
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Framed>,
    limits: Arc<Limits>,
}

/// The other end: what is to be written.
pub(super) struct Unread {
    queue: mpsc::UnboundedReceiver<Framed>,
    limits: Arc<Limits>,
}

struct Limits {
    /// Octets left of [`UNREAD`]. A response takes what there is and may be longer.
    room: Semaphore,
    /// Octets left of all connections.
    all: Arc<Semaphore>,
    /// Told when a response went over the limit of all.
    over: Notify,
}

/// A message with its length before it.
struct Framed {
    octets: Vec<u8>,
    /// What it took of [`Limits::room`].
    taken: usize,
    _all: OwnedSemaphorePermit,
}

/// The queue of one connection. `all` holds the octets that all connections together may leave unread.
pub(super) fn new(all: Arc<Semaphore>) -> (Arc<Outbox>, Unread) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let limits = Arc::new(Limits {
        room: Semaphore::new(UNREAD),
        all,
        over: Notify::new(),
    });
    let outbox = Outbox {
        queue: sender,
        limits: Arc::clone(&limits),
    };
    let unread = Unread {
        queue: receiver,
        limits,
    };
    (Arc::new(outbox), unread)
}

impl Outbox {
    /// Waits until the client has read enough. An error: the connection has ended.
    pub(super) async fn room(&self) -> io::Result<()> {
        match self.limits.room.acquire().await {
            Ok(_permit) => Ok(()),
            Err(closed) => Err(io::Error::other(closed)),
        }
    }

    /// Queues one message. Where all connections together leave too much unread, this one ends.
    pub(super) fn send(&self, message: &[u8]) {
        let Ok(length) = u16::try_from(message.len()) else {
            return;
        };
        let all = Arc::clone(&self.limits.all).try_acquire_many_owned(length.into());
        let Ok(all) = all else {
            return self.limits.over.notify_one();
        };
        let framed = Framed {
            // In one write, so that it travels in one segment where it fits (RFC 7766 8).
            octets: [&length.to_be_bytes(), message].concat(),
            taken: self.limits.room.forget_permits(message.len()),
            _all: all,
        };
        // Fails only where the connection has ended.
        let _ended = self.queue.send(framed);
    }

    /// Queues a response and, message by message as the client reads them, what follows it.
    pub(super) async fn send_all(&self, response: Response) {
        let (message, following) = response.into_messages();
        self.send(&message);
        drop(message);
        let Some(mut following) = following else {
            return;
        };
        while self.room().await.is_ok()
            && let Some(message) = following.recv().await
        {
            self.send(&message);
        }
    }
}

impl Unread {
    /// Writes until no query can have a response any more, or the client does not take one within `patience`.
    pub(super) async fn write(mut self, mut writer: OwnedWriteHalf, patience: Duration) {
        loop {
            let next = tokio::select! {
                biased;
                () = self.limits.over.notified() => None,
                next = self.queue.recv() => next,
            };
            let Some(framed) = next else { return };
            match timeout(patience, writer.write_all(&framed.octets)).await {
                Ok(Ok(())) => self.limits.room.add_permits(framed.taken),
                _ => return,
            }
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // Whoever waits for room need not wait any more.
        self.limits.room.close();
    }
}
