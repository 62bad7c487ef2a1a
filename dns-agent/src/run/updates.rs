//! The thread that changes go through: from the API server's watch to the maps.
//!
//! It has an event loop of its own, so that a change wakes one thread and is handed on from task to task within it. Among
//! the threads that serve queries, each of these steps could wait for another thread to wake up and for a CPU; and a long
//! list would keep one of them from queries.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread; it ends when this is dropped.
pub(super) struct Updates {
    handle: Handle,
    _alive: oneshot::Sender<()>,
}

impl Updates {
    /// Starts it, with nothing to do.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        // Nothing is ever sent: it ends when the other end is dropped.
        let work = move || {
            let _: Result<(), _> = runtime.block_on(ended);
        };
        thread::Builder::new().name("updates".into()).spawn(work)?;
        Ok(Self {
            handle,
            _alive: alive,
        })
    }

    /// Where tasks of this thread are started.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}
