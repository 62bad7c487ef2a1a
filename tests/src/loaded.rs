//! A cluster's objects and a Corefile in the maps of the real programs, by the agent's own path from manifests to
//! records.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use dns_agent::cluster::Cluster;
use dns_agent::cluster::instance::Instance;
use dns_agent::corefile::Config;
use dns_agent::k8s::needs::Needs;
use dns_agent::k8s::object::{Kind, Object, ObjectKey};
use dns_agent::k8s::{Event, Verb, document};
use dns_agent::record::Name;
use dns_ebpf::fold::Seed;

use crate::runner::{Runner, SEED};

/// kubeadm's Corefile without `loadbalance`.
pub const COREFILE: &str = "
.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    forward . 192.0.2.53
}
# loadbalance is added where a test wants it.
";

/// The objects of the cluster, less those that are many.
const MANIFESTS: &str = include_str!("../testdata/cluster.yaml");

/// Programs and what they answer from.
pub struct Loaded {
    /// The programs.
    pub runner: Runner,
    /// The agent's state.
    pub cluster: Cluster,
    /// The `kubernetes` blocks in force.
    pub instances: Vec<Arc<Instance>>,
}

impl Loaded {
    /// With no objects and no Corefile.
    pub fn empty(seed: Seed) -> Result<Self> {
        let (runner, held) = Runner::load(seed, 10_000)?;
        Ok(Self {
            runner,
            cluster: Cluster::new(held, ObjectKey::new("kube-system", "kube-dns")),
            instances: Vec::new(),
        })
    }

    /// With the whole cluster, listed, under this Corefile.
    pub fn with(corefile: &str) -> Result<Self> {
        let mut loaded = Self::empty(SEED)?;
        loaded.configure(corefile)?;
        loaded.apply(&objects()?);
        loaded.list(&objects()?);
        Ok(loaded)
    }

    /// Puts a Corefile in force.
    pub fn configure(&mut self, corefile: &str) -> Result<()> {
        let config = Config::parse(corefile, Path::new("Corefile"))?;
        self.instances = self.cluster.configure(&config, &[]).to_vec();
        Ok(())
    }

    /// Objects come or change.
    pub fn apply(&mut self, objects: &[Object]) {
        let apply = |object: &Object| Event::Change(Verb::Apply(object.clone()), Instant::now());
        self.cluster.take(objects.iter().map(apply), Instant::now());
    }

    /// The full list of each kind has ended.
    pub fn list(&mut self, objects: &[Object]) {
        let reset = |kind: Kind| {
            let of_kind = objects.iter().filter(|object| object.kind() == kind);
            let keys = of_kind.map(|object| object.key().clone()).collect();
            Event::Change(Verb::Reset(kind, keys), Instant::now())
        };
        self.cluster.take(Kind::ALL.map(reset), Instant::now());
    }

    /// Every name that the Corefile's zones have.
    pub fn names(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self
            .instances
            .iter()
            .flat_map(|instance| instance.view.all_names(self.cluster.index()))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The manifests, and what would be long to write down: headless Services of 10, 60 and 100 endpoints, and
/// Services with names of 1 to 63 octets.
pub fn objects() -> Result<Vec<Object>> {
    let mut documents = vec![MANIFESTS.to_owned()];
    for (service, count) in [("ten", 10), ("sixty", 60), ("hundred", 100)] {
        let endpoints: Vec<String> = (1..=count)
            .map(|i| format!("{{addresses: [10.244.{count}.{i}], hostname: {service}-{i}}}"))
            .collect();
        documents.push(format!(
            "{{apiVersion: v1, kind: Service, metadata: {{namespace: shop, name: {service}}}, \
             spec: {{clusterIP: None, clusterIPs: [None], ports: [{{name: sql, port: 5432}}]}}}}\n---\n\
             {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
             metadata: {{namespace: shop, name: {service}-1, labels: {{kubernetes.io/service-name: {service}}}}}, \
             ports: [{{name: sql, port: 5432}}], endpoints: [{}]}}\n",
            endpoints.join(", ")
        ));
    }
    for length in 1..=63 {
        documents.push(format!(
            "{{apiVersion: v1, kind: Service, metadata: {{namespace: shop, name: \"{}\"}}, \
             spec: {{clusterIP: 10.96.2.{length}, clusterIPs: [10.96.2.{length}]}}}}\n",
            "n".repeat(length)
        ));
    }
    let reading = document::read(&documents.join("\n---\n"), &Needs::default());
    ensure!(reading.mistakes.is_empty(), "{:?}", reading.mistakes);
    Ok(reading.objects)
}
