//! A cluster on the heap, asked in two ways that must agree: the responder, as the kernel runs it, over what is held,
//! and the agent's chain of plugins over the objects themselves.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use dns_agent::cluster::Cluster;
use dns_agent::cluster::instance::Instance;
use dns_agent::corefile::Config;
use dns_agent::k8s::needs::Needs;
use dns_agent::k8s::object::{Kind, Object, ObjectKey};
use dns_agent::k8s::{Event, Verb, document};
use dns_agent::map::held::Held;
use dns_agent::plugin::kubernetes::{Kubernetes, respond_from};
use dns_agent::record::Name;
use dns_agent::serve::{Chain, Parsed, Query, Servers, Transport};
use dns_ebpf::fold::Seed;
use dns_ebpf::scratch::Scratch;
use futures::executor::block_on;
use parking_lot::RwLock;

use crate::oracle;

/// What keys are made with.
pub const SEED: Seed = Seed {
    start: 0x0123_4567_89ab_cdef,
    factor: 0x9e37_79b9_7f4a_7c15,
};

/// Two zones whose addresses are drawn, a zone that falls through, and a cut that another server block has.
pub const COREFILE: &str = "
.:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        endpoint_pod_names
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    loadbalance
}
cluster.example:53 {
    kubernetes
}
special.shop.svc.cluster.local:53 {
    errors
}
";

/// A client that nothing is sent to.
pub fn client() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 5300))
}

/// The agent's state, and the plugins that answer from it.
pub struct Site {
    cluster: Arc<RwLock<Cluster>>,
    instances: Vec<Arc<Instance>>,
    servers: Servers,
    scratch: Box<Scratch>,
}

impl Site {
    /// Under this Corefile, every kind listed and no objects. Panics where the Corefile has a fault.
    pub fn new(corefile: &str) -> Self {
        match Config::parse(corefile, Path::new("Corefile")) {
            Ok(config) => Self::of(&config),
            Err(error) => panic!("{error}"),
        }
    }

    /// The same for a Corefile that was read.
    pub fn of(config: &Config) -> Self {
        let held = Held::heap(SEED, 100_000);
        let mut cluster = Cluster::new(held, ObjectKey::new("kube-system", "kube-dns"));
        let instances = cluster.configure(config, &[]).to_vec();
        let cluster = Arc::new(RwLock::new(cluster));
        // What is held is this port's.
        let port = instances.first().map(|instance| instance.port);
        let blocks = config.servers.iter().enumerate().map(|(server, block)| {
            let plugins = instances.iter().filter(|one| one.server == server);
            // Nothing is held as far as the plugin knows, so it looks at the objects.
            let handler = |one: &Arc<Instance>| {
                Arc::new(Kubernetes::new(cluster.clone(), one.clone(), false)) as Arc<_>
            };
            let zones = if Some(block.port) == port {
                block.zones.clone()
            } else {
                Vec::new()
            };
            (zones, Chain::new(plugins.map(handler).collect()))
        });
        let servers = Servers::new(blocks);
        let site = Self {
            cluster,
            instances,
            servers,
            scratch: Box::new(Scratch::ZERO),
        };
        site.list();
        site
    }

    /// Objects come or change, in one event each.
    pub fn apply(&self, objects: &[Object]) {
        self.take(objects.iter().cloned().map(Verb::Apply));
    }

    /// Objects go.
    pub fn delete<'a>(&self, objects: impl Iterator<Item = &'a Object>) {
        self.take(objects.map(|object| Verb::Delete(object.kind(), object.key().clone())));
    }

    /// Every kind's list has ended, and was empty.
    fn list(&self) {
        self.take(Kind::ALL.map(|kind| Verb::Reset(kind, HashSet::new())));
    }

    fn take(&self, verbs: impl IntoIterator<Item = Verb>) {
        let now = Instant::now();
        let events = verbs.into_iter().map(|verb| Event::Change(verb, now));
        self.cluster.write().take(events, now);
    }

    /// Every name that the Corefile's zones have.
    pub fn names(&self) -> Vec<Name> {
        let cluster = self.cluster.read();
        let names = |instance: &Arc<Instance>| -> Vec<Name> {
            instance.view.all_names(cluster.index()).collect()
        };
        let mut names: Vec<Name> = self.instances.iter().flat_map(names).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Asks the responder, and if it does not pass the message, the agent; returns whether it did not pass.
    ///
    /// Panics unless the response is one to this query, as long as the client takes and no longer, and says what the
    /// agent says.
    pub fn ask(&mut self, message: &[u8]) -> bool {
        let Some(response) = respond_from(&mut self.scratch, message, self.cluster.read().held())
        else {
            return false;
        };
        let said = oracle::read(&response);
        let query = oracle::query(message);
        assert!(
            response.len() <= oracle::limit(&query),
            "{} octets for {message:02x?}",
            response.len()
        );
        assert_eq!(
            oracle::question(&response),
            oracle::question(message),
            "another question: {response:02x?}"
        );
        assert!(!said.is_truncated(), "{message:02x?}");
        let agents = oracle::read(&self.agents_response(message));
        // What follows a CNAME is compressed less by the agent, and may not fit where the responder's does.
        if !agents.is_truncated() {
            assert_eq!(said, agents, "{message:02x?}");
        }
        true
    }

    /// Whether what was in the scratch before shows in a response.
    pub fn is_marked(&mut self, message: &[u8]) -> bool {
        let cluster = self.cluster.read();
        let [zeros, others] = [0, 0xa5].map(|octet| {
            self.scratch.body.fill(octet);
            let response = respond_from(&mut self.scratch, message, cluster.held());
            response.map(|octets| oracle::read(&octets))
        });
        zeros != others
    }

    /// What the agent says.
    fn agents_response(&self, message: &[u8]) -> Vec<u8> {
        match Query::parse(message.to_vec(), Transport::Udp, client()) {
            Parsed::Query(query) => block_on(self.servers.answer(&query)).into_messages().0,
            other => panic!("the responder answers what the agent has as {other:?}"),
        }
    }
}

/// The objects of these manifests. Panics where they have mistakes.
pub fn objects(manifests: &[&str]) -> Vec<Object> {
    let reading = document::read(&manifests.join("\n---\n"), &Needs::default());
    assert!(reading.mistakes.is_empty(), "{:?}", reading.mistakes);
    reading.objects
}

/// A query for a name and a type: RD set, no OPT.
pub fn query(name: &Name, qtype: u16) -> Vec<u8> {
    let mut message = vec![0x4b, 0x44, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(name.wire());
    message.extend(qtype.to_be_bytes());
    message.extend([0, 1]);
    message
}
