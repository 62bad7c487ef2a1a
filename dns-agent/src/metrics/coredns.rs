//! The metrics that CoreDNS 1.15 has too, under its names and labels (`plugin/metrics/vars`,
//! `plugin/kubernetes/object`, `plugin/pkg/proxy`, `plugin/reload`), so that dashboards made for it go on working.
//!
//! What is missing could only be filled with something else; docs/compatibility.md has the list.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dns_ebpf::answered::{Answered, MONITORED, class};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The `zone` of queries that no server block took.
pub const DROPPED: &str = "dropped";
/// The names of [`MONITORED`].
const TYPES: [&str; MONITORED.len()] = [
    "A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "DS", "RRSIG", "NSEC", "DNSKEY",
    "NSEC3", "SVCB", "HTTPS",
];

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The metrics; clones share them.
#[derive(Debug, Clone)]
pub struct CoreDns {
    requests: Family<RequestLabels, Counter>,
    dnssec: Family<Block, Counter>,
    responses: Family<ResponseLabels, Counter>,
    durations: Histograms<Block>,
    enabled: Family<PluginLabels, Gauge>,
    programming: Histograms<ServiceLabels>,
    upstreams: Histograms<UpstreamLabels>,
    panics: Counter,
    failed_reloads: Counter,
}

/// Whose query it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Block {
    /// `dns://:53`
    pub server: Arc<str>,
    /// The server block's zone that the name is under, or [`DROPPED`].
    pub zone: Arc<str>,
    view: &'static str,
}

/// A query that was answered, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Over TCP rather than UDP.
    pub tcp: bool,
    /// Over IPv6 rather than IPv4.
    pub v6: bool,
    /// QTYPE.
    pub qtype: u16,
    /// The DO bit.
    pub dnssec_ok: bool,
    /// The RCODE in the response's header, 0 to 15.
    pub rcode: u8,
    /// The plugin that made the response; empty where none did.
    pub plugin: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    server: Arc<str>,
    zone: Arc<str>,
    view: &'static str,
    proto: &'static str,
    family: &'static str,
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    server: Arc<str>,
    zone: Arc<str>,
    view: &'static str,
    rcode: &'static str,
    plugin: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabels {
    server: Arc<str>,
    zone: Arc<str>,
    view: &'static str,
    name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    service_kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    proxy_name: &'static str,
    to: Arc<str>,
    rcode: &'static str,
}

impl Block {
    /// A server block's zone; both as labels.
    pub fn new(server: impl Into<Arc<str>>, zone: impl Into<Arc<str>>) -> Self {
        Self {
            server: server.into(),
            zone: zone.into(),
            // The plugin `view` is not built.
            view: "",
        }
    }
}

impl From<Answered> for Exchange {
    /// What the programs answered.
    fn from(answered: Answered) -> Self {
        let place = answered.class.checked_sub(1);
        let qtype = place.and_then(|place| MONITORED.get(place));
        Self {
            tcp: false,
            v6: answered.v6,
            qtype: qtype.copied().unwrap_or_default(),
            dnssec_ok: answered.dnssec_ok,
            rcode: if answered.is_denied { 3 } else { 0 },
            plugin: "kubernetes",
        }
    }
}

impl Default for CoreDns {
    fn default() -> Self {
        // 0.25 ms to 8 s, as `plugin.TimeBuckets`.
        let times = || Histogram::new(exponential_buckets(0.00025, 2.0, 16));
        Self {
            requests: Family::default(),
            dnssec: Family::default(),
            responses: Family::default(),
            durations: Family::new_with_constructor(times),
            enabled: Family::default(),
            // 1 ms to 17 min, as CoreDNS has them.
            programming: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.001, 2.0, 20))
            }),
            upstreams: Family::new_with_constructor(times),
            panics: Counter::default(),
            failed_reloads: Counter::default(),
        }
    }
}

impl CoreDns {
    /// Registers everything; the registry puts `coredns_` before each name and `_total` behind a counter's.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "dns_requests",
            "DNS requests by zone, protocol, family and type; the kernel's included",
            self.requests.clone(),
        );
        registry.register(
            "dns_do_requests",
            "DNS requests with the DO bit by zone; the kernel's included",
            self.dnssec.clone(),
        );
        registry.register(
            "dns_responses",
            "DNS responses by zone, RCODE and plugin; the kernel's included",
            self.responses.clone(),
        );
        registry.register(
            "dns_request_duration_seconds",
            "Time that each request took which the kernel left to the agent",
            self.durations.clone(),
        );
        registry.register(
            "plugin_enabled",
            "Plugins in force by server and zone",
            self.enabled.clone(),
        );
        registry.register(
            "kubernetes_dns_programming_duration_seconds",
            "From the change of a Pod or Service to the answer, by kind of Service",
            self.programming.clone(),
        );
        registry.register(
            "proxy_request_duration_seconds",
            "Time that each request to an upstream took",
            self.upstreams.clone(),
        );
        registry.register("panics", "Queries that met a panic", self.panics.clone());
        registry.register(
            "reload_failed",
            "Changed Corefiles that could not be put in force",
            self.failed_reloads.clone(),
        );
    }

    /// So many more of these.
    pub fn count(&self, block: &Block, exchange: Exchange, times: u64) {
        let Block { server, zone, view } = block.clone();
        let request = RequestLabels {
            server,
            zone,
            view,
            proto: if exchange.tcp { "tcp" } else { "udp" },
            family: if exchange.v6 { "2" } else { "1" },
            r#type: type_name(exchange.qtype),
        };
        self.requests.get_or_create(&request).inc_by(times);
        if exchange.dnssec_ok {
            self.dnssec.get_or_create(block).inc_by(times);
        }
        let RequestLabels { server, zone, .. } = request;
        let response = ResponseLabels {
            server,
            zone,
            view,
            rcode: rcode_name(exchange.rcode),
            plugin: exchange.plugin,
        };
        self.responses.get_or_create(&response).inc_by(times);
    }

    /// How long the agent took for one query.
    pub fn took(&self, block: &Block, time: Duration) {
        self.durations
            .get_or_create(block)
            .observe(time.as_secs_f64());
    }

    /// How long it took from a change in the cluster to the answer; `kind` as CoreDNS names it.
    pub fn programmed(&self, service_kind: &'static str, time: Duration) {
        self.programming
            .get_or_create(&ServiceLabels { service_kind })
            .observe(time.as_secs_f64());
    }

    /// How long an upstream took for a response.
    pub fn upstream(&self, to: SocketAddr, rcode: u8, time: Duration) {
        let labels = UpstreamLabels {
            proxy_name: "forward",
            to: to.to_string().into(),
            rcode: rcode_name(rcode),
        };
        self.upstreams
            .get_or_create(&labels)
            .observe(time.as_secs_f64());
    }

    /// One more query met a panic.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// One more Corefile could not be put in force.
    pub fn reload_failed(&self) {
        self.failed_reloads.inc();
    }

    /// The plugins in force, in place of what was said before.
    pub fn plugins(&self, plugins: impl IntoIterator<Item = (Block, &'static str)>) {
        self.enabled.clear();
        for (Block { server, zone, view }, name) in plugins {
            let labels = PluginLabels {
                server,
                zone,
                view,
                name,
            };
            self.enabled.get_or_create(&labels).set(1);
        }
    }
}

/// The types that CoreDNS names; one word for the others keeps the series few.
fn type_name(qtype: u16) -> &'static str {
    match (qtype, class(qtype).checked_sub(1)) {
        (_, Some(place)) => TYPES[place],
        (251, _) => "IXFR",
        (252, _) => "AXFR",
        (255, _) => "ANY",
        _ => "other",
    }
}

/// The name of an RCODE in the header (RFC 6895 2.3), as CoreDNS writes it.
fn rcode_name(rcode: u8) -> &'static str {
    const NAMES: [&str; 16] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE", "RCODE11", "RCODE12", "RCODE13", "RCODE14", "RCODE15",
    ];
    NAMES[usize::from(rcode & 0xf)]
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    use super::*;

    const UDP_A: Exchange = Exchange {
        tcp: false,
        v6: false,
        qtype: 1,
        dnssec_ok: false,
        rcode: 0,
        plugin: "kubernetes",
    };

    /// Each of `lines` is a line of the metrics.
    #[track_caller]
    fn assert_lines(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.text().unwrap();
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line}\n{text}");
        }
    }

    #[test]
    fn queries_are_counted_under_the_names_and_labels_of_coredns() {
        let metrics = Metrics::default();
        let coredns = metrics.coredns();
        let block = Block::new("dns://:53", ".");
        coredns.count(&block, UDP_A, 1);
        let other = Exchange {
            tcp: true,
            v6: true,
            qtype: 99,
            dnssec_ok: true,
            rcode: 11,
            plugin: "",
        };
        coredns.count(&block, other, 2);
        coredns.took(&block, Duration::from_millis(3));
        assert_lines(
            &metrics,
            &[
                r#"coredns_dns_requests_total{server="dns://:53",zone=".",view="",proto="udp",family="1",type="A"} 1"#,
                r#"coredns_dns_requests_total{server="dns://:53",zone=".",view="",proto="tcp",family="2",type="other"} 2"#,
                r#"coredns_dns_responses_total{server="dns://:53",zone=".",view="",rcode="NOERROR",plugin="kubernetes"} 1"#,
                r#"coredns_dns_responses_total{server="dns://:53",zone=".",view="",rcode="RCODE11",plugin=""} 2"#,
                r#"coredns_dns_do_requests_total{server="dns://:53",zone=".",view=""} 2"#,
                r#"coredns_dns_request_duration_seconds_bucket{le="0.004",server="dns://:53",zone=".",view=""} 1"#,
                r#"coredns_dns_request_duration_seconds_count{server="dns://:53",zone=".",view=""} 1"#,
                "coredns_panics_total 0",
                "coredns_reload_failed_total 0",
            ],
        );
    }

    #[test]
    fn what_the_kernel_answered_adds_to_the_series_of_the_agent() {
        let metrics = Metrics::default();
        let block = Block::new("dns://:53", ".");
        metrics.coredns().count(&block, UDP_A, 1);
        let answered = Answered {
            account: 1,
            v6: false,
            is_denied: false,
            dnssec_ok: false,
            class: class(1),
        };
        let denied = Answered {
            is_denied: true,
            class: class(28),
            ..answered
        };
        let mut once = vec![(block, answered.into(), 40)];
        once.push((once[0].0.clone(), denied.into(), 2));
        let once = parking_lot::Mutex::new(once);
        metrics.kernel_answers(move || std::mem::take(&mut *once.lock()));
        for _scrape in 0..2 {
            assert_lines(
                &metrics,
                &[
                    r#"coredns_dns_requests_total{server="dns://:53",zone=".",view="",proto="udp",family="1",type="A"} 41"#,
                    r#"coredns_dns_requests_total{server="dns://:53",zone=".",view="",proto="udp",family="1",type="AAAA"} 2"#,
                    r#"coredns_dns_responses_total{server="dns://:53",zone=".",view="",rcode="NXDOMAIN",plugin="kubernetes"} 2"#,
                ],
            );
        }
    }

    #[test]
    fn plugins_of_the_corefile_before_are_no_longer_enabled() {
        let metrics = Metrics::default();
        let coredns = metrics.coredns();
        let block = Block::new("dns://:53", ".");
        coredns.plugins([(block.clone(), "errors")]);
        coredns.plugins([(block, "forward")]);
        assert_lines(
            &metrics,
            &[r#"coredns_plugin_enabled{server="dns://:53",zone=".",view="",name="forward"} 1"#],
        );
        assert!(!metrics.text().unwrap().contains(r#"name="errors""#));
    }

    #[test]
    fn names_of_types_are_in_the_order_of_their_classes() {
        assert_eq!(MONITORED.map(type_name), TYPES);
        assert_eq!(
            [251, 252, 255, 0, 3].map(type_name),
            ["IXFR", "AXFR", "ANY", "other", "other"]
        );
    }
}
