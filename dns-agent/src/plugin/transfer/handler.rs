//! `transfer` in the chain: who may have a zone, and which of the three answers it is: the whole zone, its SOA
//! alone, or none.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use tokio::sync::{Semaphore, mpsc};

use super::image::Image;
use super::{Options, line_for};
use crate::cluster::Cluster;
use crate::cluster::instance::Instance;
use crate::serve::query::{AXFR, IXFR};
use crate::serve::{Handler, Next, Query, Question, Response, Transport};

/// Transfers at the same time. Each keeps the objects as they were when it began, and a thread.
const AT_ONCE: usize = 4;

/// The zones of a server block's `kubernetes`, for those who may have them.
pub struct Transfer {
    lines: Vec<Options>,
    cluster: Arc<RwLock<Cluster>>,
    instance: Arc<Instance>,
    slots: Arc<Semaphore>,
}

impl Transfer {
    /// For the zones of `instance`, under these lines.
    pub fn new(
        lines: Vec<Options>,
        cluster: Arc<RwLock<Cluster>>,
        instance: Arc<Instance>,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Self {
            lines,
            cluster,
            instance,
            slots,
        }
    }
}

#[async_trait]
impl Handler for Transfer {
    fn name(&self) -> &'static str {
        "transfer"
    }

    fn takes(&self, question: &Question) -> bool {
        question.qclass == 1 && matches!(question.qtype, AXFR | IXFR)
    }

    async fn handle(&self, query: &Query, next: Next<'_>) -> Response {
        let zone = &query.question.name;
        if query.transport == Transport::Udp {
            return Response::refused(query);
        }
        let Some(line) = line_for(&self.lines, zone) else {
            return next.handle(query).await;
        };
        if !line.admits(query.client.ip()) {
            tracing::info!(client = %query.client, %zone, "transfer refused: no \"to\" names the client");
            return Response::refused(query);
        }
        let known = match query.question.qtype {
            IXFR => match query.authority_serial() {
                Some(serial) => Some(serial),
                None => return Response::servfail(query, "IXFR without the SOA of what is known"),
            },
            _ => None,
        };
        if !self.instance.view.options().zones.contains(zone) {
            return next.handle(query).await;
        }
        // The objects as they are now, shared and not copied; the lock is not held any longer.
        let image = {
            let cluster = self.cluster.read();
            if !cluster.objects_of(&self.instance).has_listed_records() {
                return Response::servfail(query, "the cluster's objects are not all listed yet");
            }
            Image::new(
                query.clone(),
                &self.instance,
                cluster.snapshot(&self.instance),
                cluster.serial(),
            )
        };
        if known.is_some_and(|known| is_current(known, image.serial)) {
            return image.soa_alone();
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Response::servfail(query, "too many zone transfers are under way");
        };
        tracing::info!(client = %query.client, %zone, serial = image.serial, "zone transfer");
        let (sender, mut messages) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || {
            image.send(|message| sender.blocking_send(message).is_ok());
            drop(slot);
        });
        match messages.recv().await {
            Some(first) => Response::new(first).followed_by(messages),
            None => Response::servfail(query, "the zone could not be made into messages"),
        }
    }
}

/// Whether a zone with the serial `known` is at least as new as one with `ours` (RFC 1982 3.2).
fn is_current(known: u32, ours: u32) -> bool {
    known.wrapping_sub(ours) < 1 << 31
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
