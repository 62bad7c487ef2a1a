//! What pods ask, as queries for the objects of [`kerndns_tests::loaded`].

use kerndns_tests::query::Query;

/// Queries that are asked in turn.
pub(crate) struct Workload {
    /// What the table calls it.
    pub(crate) label: &'static str,
    /// Names and types.
    questions: &'static [(&'static str, &'static str)],
}

/// The kinds of answers by themselves, and then as they come.
pub(crate) const WORKLOADS: [Workload; 4] = [
    Workload {
        label: "ClusterIP A",
        questions: &[("kubernetes.default.svc.cluster.local", "A")],
    },
    Workload {
        label: "NXDOMAIN of a search path",
        questions: &[("web.shop.svc.cluster.local.shop.svc.cluster.local", "A")],
    },
    Workload {
        label: "headless, 10 A",
        questions: &[("ten.shop.svc.cluster.local", "A")],
    },
    Workload {
        label: "ndots:5 mix",
        questions: &MIX,
    },
];

/// A pod in `shop` with `ndots:5` looks for a neighbour, a Service elsewhere, a name outside of the cluster (whose last
/// query is not for the cluster's zones and left out), a headless Service, its port, and who has an address; A and AAAA
/// each time, as stub resolvers do.
const MIX: [(&str, &str); 18] = [
    ("web.shop.svc.cluster.local", "A"),
    ("web.shop.svc.cluster.local", "AAAA"),
    ("kubernetes.default.shop.svc.cluster.local", "A"),
    ("kubernetes.default.shop.svc.cluster.local", "AAAA"),
    ("kubernetes.default.svc.cluster.local", "A"),
    ("kubernetes.default.svc.cluster.local", "AAAA"),
    ("api.example.com.shop.svc.cluster.local", "A"),
    ("api.example.com.shop.svc.cluster.local", "AAAA"),
    ("api.example.com.svc.cluster.local", "A"),
    ("api.example.com.svc.cluster.local", "AAAA"),
    ("api.example.com.cluster.local", "A"),
    ("api.example.com.cluster.local", "AAAA"),
    ("ten.shop.svc.cluster.local", "A"),
    ("ten.shop.svc.cluster.local", "AAAA"),
    ("pair-0.pair.shop.svc.cluster.local", "A"),
    ("pair-0.pair.shop.svc.cluster.local", "AAAA"),
    ("_http._tcp.web.shop.svc.cluster.local", "SRV"),
    ("11.2.96.10.in-addr.arpa", "PTR"),
];

impl Workload {
    /// The queries, in order.
    pub(crate) fn queries(&self) -> Vec<Query> {
        let questions = self.questions.iter();
        questions
            .map(|(name, rtype)| Query::of_type(name, rtype))
            .collect()
    }
}
