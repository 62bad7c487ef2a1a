//! The agent's own metrics, beside the kernel's outcomes and the sockets' responses.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;

use crate::cluster::Cluster;
use crate::cluster::control::Measured;
use crate::kernel::attached::Attached;
use crate::kernel::hook::Hook;
use crate::map::answered::Answered;
use crate::metrics::Metrics;
use crate::metrics::coredns::{Block, CoreDns};

/// What is measured as it happens.
#[derive(Debug, Clone)]
pub(super) struct Meters {
    latency: Histogram,
    coredns: CoreDns,
}

impl Meters {
    /// Registers everything that can be told of the cluster.
    pub(super) fn register(metrics: &Metrics, cluster: &Arc<RwLock<Cluster>>) -> Self {
        let buckets = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];
        let latency = Histogram::new(buckets);
        metrics.register(
            "event_to_answer_seconds",
            "From the arrival of a watch event to the answer that it changes",
            latency.clone(),
        );
        metrics.collect(Box::new(Names(Arc::clone(cluster))));
        Self {
            latency,
            coredns: metrics.coredns().clone(),
        }
    }

    /// Takes down what was measured.
    pub(super) fn take(&self, measured: Measured) {
        match measured {
            Measured::Answer(latency) => self.latency.observe(latency.as_secs_f64()),
            Measured::Programming(kind, latency) => self.coredns.programmed(kind, latency),
        }
    }
}

struct Names(Arc<RwLock<Cluster>>);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

impl Collector for Names {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (held, missing, octets) = {
            let cluster = self.0.read();
            (
                cluster.held().len(),
                cluster.missing(),
                cluster.held().octets_taken(),
            )
        };
        for (name, help, value) in [
            ("names", "Names that are held", held),
            (
                "names_missing",
                "Names for which there was no room",
                missing,
            ),
            ("record_octets", "Memory taken by records", octets),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookLabel {
    hook: &'static str,
}

#[derive(Debug)]
struct Attachments(Attached);

impl Collector for Attachments {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let attached: Family<HookLabel, Gauge> = Family::default();
        let failures: Family<HookLabel, Counter> = Family::default();
        for hook in [Hook::Tc, Hook::Xdp] {
            let label = HookLabel {
                hook: hook.as_str(),
            };
            let count = i64::try_from(self.0.count(hook)).unwrap_or(i64::MAX);
            attached.get_or_create(&label).set(count);
            failures.get_or_create(&label).inc_by(self.0.failures(hook));
        }
        let help = "Interfaces that a program is attached to";
        let name = "attached_interfaces";
        attached.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        let help = "Attachments that the kernel refused";
        let name = "attach_failures";
        failures.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
    }
}

/// Counts the programs' answers in with the agent's, from now on.
pub(super) fn answered(metrics: &Metrics, answered: Answered, cluster: &Arc<RwLock<Cluster>>) {
    let (answered, cluster) = (Mutex::new(answered), Arc::clone(cluster));
    metrics.kernel_answers(move || {
        let cluster = cluster.read();
        let accounts = cluster.accounts();
        let taken = answered
            .lock()
            .take(accounts.len())
            .unwrap_or_else(|error| {
                tracing::warn!("{error}");
                Vec::new()
            });
        let count = |(kind, times): (dns_ebpf::answered::Answered, u64)| {
            let block = accounts.block(kind.account)?;
            let block = Block::new(block.server.as_str(), block.zone.as_str());
            Some((block, kind.into(), times))
        };
        taken.into_iter().filter_map(count).collect()
    });
}

/// Exports where the programs are attached.
pub(super) fn attached(metrics: &Metrics, attached: Attached) {
    metrics.collect(Box::new(Attachments(attached)));
}
