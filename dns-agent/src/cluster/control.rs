//! The one writer: events from a source into the [`Cluster`], and the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::Cluster;
use crate::k8s::Event;

/// How many events are taken in at once: readers wait meanwhile, some milliseconds at most.
const BATCH: usize = 64;

/// What is told after each batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether every kind that the Corefile in force needs was listed and written.
    pub is_listed: bool,
    /// How many batches were taken in.
    pub batches: u64,
}

/// Takes events in until their source ends.
///
/// `written` is called after each batch with the time from the oldest event's arrival to the answer.
pub async fn run(
    cluster: Arc<RwLock<Cluster>>,
    mut events: UnboundedReceiver<Event>,
    progress: watch::Sender<Progress>,
    written: impl Fn(Duration) + Send + 'static,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            count = events.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    break;
                }
                let oldest = batch.iter().filter_map(arrival).min();
                let is_listed = {
                    let mut cluster = cluster.write();
                    let changed = cluster.take(batch.drain(..), Instant::now());
                    if let Some(oldest) = oldest && changed.names > 0 {
                        written(oldest.elapsed());
                    }
                    cluster.is_listed()
                };
                progress.send_modify(|progress| {
                    progress.is_listed = is_listed;
                    progress.batches += 1;
                });
            }
            _ = clock.tick() => cluster.write().tick(Instant::now()),
        }
    }
}

fn arrival(event: &Event) -> Option<Instant> {
    match event {
        Event::Change(_, arrival) => Some(*arrival),
        Event::Broken(_) | Event::Restored(_) | Event::Ended(_) => None,
    }
}
