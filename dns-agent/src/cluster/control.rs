//! The one writer: events from a source into the [`Cluster`], and the clock.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::RwLock;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::Cluster;
use crate::k8s::Event;
use crate::k8s::object::{ObjectKey, ServiceKind};

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

/// What was measured, once the answers are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// From the arrival of the oldest event of a batch that changed an answer.
    Answer(Duration),
    /// From a change of a Service's Pods, as the cluster's control plane noted it, by CoreDNS's name for the kind of
    /// Service.
    Programming(&'static str, Duration),
}

/// Takes events in until their source ends.
///
/// `measured` is called after each batch, for each thing that there is to say of it.
pub async fn run(
    cluster: Arc<RwLock<Cluster>>,
    mut events: UnboundedReceiver<Event>,
    progress: watch::Sender<Progress>,
    measured: impl Fn(Measured) + Send + 'static,
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
                let triggered: Vec<_> = batch.iter().filter_map(trigger).collect();
                let is_listed = {
                    let mut cluster = cluster.write();
                    let changed = cluster.take(batch.drain(..), Instant::now());
                    if let Some(oldest) = oldest && changed.names > 0 {
                        measured(Measured::Answer(oldest.elapsed()));
                    }
                    for (service, at) in triggered {
                        if let Some(kind) = service_kind(&cluster, &service) {
                            // The control plane's clock may be ahead of ours.
                            let time = SystemTime::now().duration_since(at).unwrap_or_default();
                            measured(Measured::Programming(kind, time));
                        }
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
        Event::Triggered(..) | Event::Broken(_) | Event::Restored(_) => None,
    }
}

fn trigger(event: &Event) -> Option<(ObjectKey, SystemTime)> {
    match event {
        Event::Triggered(service, at) => Some((service.clone(), *at)),
        _ => None,
    }
}

/// The label that CoreDNS has for a Service: the control plane notes no times of one without a selector.
fn service_kind(cluster: &Cluster, service: &ObjectKey) -> Option<&'static str> {
    match cluster.index().service(service)?.kind {
        ServiceKind::ClusterIp(_) => Some("cluster_ip"),
        ServiceKind::Headless => Some("headless_with_selector"),
        ServiceKind::ExternalName(_) => None,
    }
}
