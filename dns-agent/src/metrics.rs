//! Every metric of the agent, by name, as the text that Prometheus reads (`OpenMetrics` 1.0).

pub mod coredns;

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Metric, Registry};

use coredns::{Block, CoreDns, Exchange};

/// The type of a body from [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The registry; clones share it.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    /// What has a prefix of its own.
    coredns: Arc<Registry>,
    responses: Responses,
    /// What the kernel answered since it was last asked for.
    answers: Arc<Mutex<Option<Answers>>>,
}

/// What the agent's sockets sent: `kerndns_responses_total`, by transport and RCODE, and [`CoreDns`].
#[derive(Debug, Clone, Default)]
pub struct Responses {
    sent: Family<ResponseLabels, Counter>,
    coredns: CoreDns,
}

/// Answers by what they are counted under, and how many.
pub type AnswerCount = (Block, Exchange, u64);

struct Answers(Box<dyn Fn() -> Vec<AnswerCount> + Send + Sync>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    transport: &'static str,
    rcode: &'static str,
}

#[derive(Debug, EncodeLabelSet)]
struct OutcomeLabels {
    hook: &'static str,
    outcome: &'static str,
}

/// One counter of the kernel: hook (`xdp`, `tc`), outcome, and how often.
pub type OutcomeCount = (&'static str, &'static str, u64);

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("kerndns");
        let responses = Responses::default();
        let mut coredns = Registry::with_prefix("coredns");
        responses.coredns.register(&mut coredns);
        registry.register(
            "responses",
            "Responses sent by the agent's own sockets",
            responses.sent.clone(),
        );
        Self {
            registry: Arc::new(RwLock::new(registry)),
            coredns: Arc::new(coredns),
            responses,
            answers: Arc::default(),
        }
    }
}

impl Metrics {
    /// The counter that listeners count their responses in.
    pub fn responses(&self) -> Responses {
        self.responses.clone()
    }

    /// The metrics under CoreDNS's names.
    pub fn coredns(&self) -> &CoreDns {
        &self.responses.coredns
    }

    /// Counts the kernel's answers in with the agent's: `take` says at each scrape what is new.
    pub fn kernel_answers(&self, take: impl Fn() -> Vec<AnswerCount> + Send + Sync + 'static) {
        *self.answers.lock() = Some(Answers(Box::new(take)));
    }

    /// Exports `kerndns_kernel_outcomes_total`, read through `read` at each scrape.
    pub fn kernel_outcomes(&self, read: impl Fn() -> Vec<OutcomeCount> + Send + Sync + 'static) {
        let collector = KernelOutcomes {
            read: Box::new(read),
        };
        self.collect(Box::new(collector));
    }

    /// Exports what `collector` finds at each scrape, each name with `kerndns_` before it.
    pub fn collect(&self, collector: Box<dyn Collector>) {
        self.registry.write().register_collector(collector);
    }

    /// Exports `metric` as `kerndns_<name>`; a counter's name gets `_total` behind it.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.write().register(name, help, metric);
    }

    /// Everything registered.
    pub fn text(&self) -> Result<String, fmt::Error> {
        if let Some(Answers(take)) = &*self.answers.lock() {
            for (block, exchange, times) in take() {
                self.coredns().count(&block, exchange, times);
            }
        }
        let mut text = String::new();
        encode_registry(&mut text, &self.registry.read())?;
        encode_registry(&mut text, &self.coredns)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

impl Responses {
    /// One more response; `rcode` is the header's.
    pub fn count(&self, tcp: bool, rcode: u8) {
        let labels = ResponseLabels {
            transport: if tcp { "tcp" } else { "udp" },
            rcode: rcode_name(rcode),
        };
        self.sent.get_or_create(&labels).inc();
    }

    /// The metrics under CoreDNS's names.
    pub fn coredns(&self) -> &CoreDns {
        &self.coredns
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}

/// Names of the IANA registry for those that occur; one word for the others keeps the series few.
fn rcode_name(rcode: u8) -> &'static str {
    match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        _ => "other",
    }
}

struct KernelOutcomes {
    read: Box<dyn Fn() -> Vec<OutcomeCount> + Send + Sync>,
}

impl fmt::Debug for KernelOutcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KernelOutcomes")
    }
}

impl Collector for KernelOutcomes {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "kernel_outcomes",
            "Verdicts of the BPF programs, by hook and outcome",
            None,
            MetricType::Counter,
        )?;
        for (hook, outcome, count) in (self.read)() {
            let labels = OutcomeLabels { hook, outcome };
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_outcomes_are_read_at_each_scrape_and_named_as_scripts_expect() {
        let metrics = Metrics::default();
        let count = Arc::new(Mutex::new(3));
        let read = Arc::clone(&count);
        metrics.kernel_outcomes(move || vec![("tc", "answer", *read.lock()), ("xdp", "stale", 0)]);
        let line = |text: &str, line: &str| text.lines().any(|found| found == line);
        let text = metrics.text().unwrap();
        assert!(
            line(
                &text,
                r#"kerndns_kernel_outcomes_total{hook="tc",outcome="answer"} 3"#
            ),
            "{text}"
        );
        assert!(
            line(
                &text,
                r#"kerndns_kernel_outcomes_total{hook="xdp",outcome="stale"} 0"#
            ),
            "{text}"
        );
        *count.lock() = 4;
        let text = metrics.text().unwrap();
        assert!(
            line(
                &text,
                r#"kerndns_kernel_outcomes_total{hook="tc",outcome="answer"} 4"#
            ),
            "{text}"
        );
    }

    #[test]
    fn responses_are_counted_by_transport_and_rcode() {
        let metrics = Metrics::default();
        metrics.responses().count(false, 3);
        metrics.responses().count(true, 11);
        let text = metrics.text().unwrap();
        assert!(
            text.contains(r#"kerndns_responses_total{transport="udp",rcode="NXDOMAIN"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"kerndns_responses_total{transport="tcp",rcode="other"} 1"#),
            "{text}"
        );
    }
}
