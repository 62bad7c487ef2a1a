//! Where both servers run: a node with a pod, a control plane on the node's loopback, one upstream.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kerndns_tests::agent::{Agent, binary};
use kerndns_tests::api_server::{ADMIN, ApiServer};
use kerndns_tests::process::Process;
use kerndns_tests::query::Query;
use kerndns_tests::site::{SERVICE_V4, Site};
use kerndns_tests::upstream::Upstream;
use kerndns_tests::writer::Writer;
use serde_json::json;

use crate::ask;
use crate::change::FICKLE;
use crate::cluster::{Cluster, NAMESPACES, SENTINELS};
use crate::corefiles::Corefile;

/// Where the agent is, and the kernel in front of it when a pod asks.
const KERNDNS: SocketAddr = SocketAddr::new(SERVICE_V4, 53);
/// CoreDNS has the same address and another port.
const COREDNS: SocketAddr = SocketAddr::new(SERVICE_V4, 5354);
/// The scripted upstream, on the node.
const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1053);
/// A second, and the tick of the second after it.
const SERIAL_SETTLES: Duration = Duration::from_millis(2200);
/// How long a server may take to start, or to see what was written.
const PATIENCE: Duration = Duration::from_secs(40);
/// How many requests the API server gets at a time.
const AT_ONCE: usize = 16;

/// The node and its control plane.
pub(crate) struct Lab<'a> {
    site: &'a Site,
    api: ApiServer,
    writer: Writer,
    coredns: PathBuf,
    sentinels: u32,
}

/// The two servers with one Corefile.
pub(crate) struct Servers<'a> {
    coredns: Process,
    /// KernDNS, for its counters.
    pub(crate) kerndns: Agent<'a>,
}

/// Who is asked, and by which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// CoreDNS's sockets.
    CoreDns,
    /// The agent's sockets, past the kernel.
    Agent,
    /// The agent's address, from a pod.
    Kernel,
}

impl<'a> Lab<'a> {
    /// Starts the control plane and the upstream. Call it on a thread inside the node.
    pub(crate) async fn start(site: &'a Site, coredns: PathBuf) -> Result<Self> {
        Upstream::start(UPSTREAM)?;
        // It looks for a default route to know its address by, and there is none.
        let api = ApiServer::start(&["--advertise-address=192.0.2.1"]).await?;
        let writer = Writer::new(api.client(ADMIN).await?);
        for namespace in NAMESPACES.into_iter().chain([SENTINELS]) {
            writer.namespace(namespace).await?;
        }
        let spec = json!({
            "clusterIP": "10.96.0.10",
            "clusterIPs": ["10.96.0.10", "fd00:96::a"],
            "ipFamilyPolicy": "RequireDualStack",
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}],
        });
        writer.service("kube-system", "kube-dns", spec).await?;
        Ok(Self {
            site,
            api,
            writer,
            coredns,
            sentinels: 0,
        })
    }

    /// What the API server takes of `cluster`; how many objects it refused.
    pub(crate) async fn write(&self, cluster: &Cluster) -> usize {
        let mut refused = 0;
        for services in cluster.services.chunks(AT_ONCE) {
            let created = services.iter().map(|service| {
                let (writer, service) = (self.writer.clone(), service.clone());
                tokio::spawn(async move {
                    let object = json!({"metadata": {"name": service.name}, "spec": service.spec});
                    writer.create::<Service>(&service.namespace, object).await
                })
            });
            refused += failures(created.collect()).await;
        }
        for slices in cluster.slices.chunks(AT_ONCE) {
            let created = slices.iter().map(|slice| {
                let (writer, slice) = (self.writer.clone(), slice.clone());
                tokio::spawn(async move {
                    let object = slice.object;
                    writer
                        .create::<EndpointSlice>(&slice.namespace, object)
                        .await
                })
            });
            refused += failures(created.collect()).await;
        }
        refused
    }

    /// The client for changes.
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Every Service, EndpointSlice and Namespace that there is now, but for the sentinels: how many of them there
    /// are does not depend on a cluster's seed alone.
    pub(crate) async fn objects(
        &self,
    ) -> Result<(Vec<Service>, Vec<EndpointSlice>, Vec<Namespace>)> {
        let mut services = self.writer.list::<Service>().await?;
        let mut slices = self.writer.list::<EndpointSlice>().await?;
        services.retain(|service| service.metadata.namespace.as_deref() != Some(SENTINELS));
        slices.retain(|slice| slice.metadata.namespace.as_deref() != Some(SENTINELS));
        let namespaces = self.writer.list::<Namespace>().await?;
        Ok((services, slices, namespaces))
    }

    /// Removes what generators wrote, and makes what a change removed.
    pub(crate) async fn clear(&self) -> Result<()> {
        let (services, slices, namespaces) = self.objects().await?;
        let name = |namespace: &Namespace| namespace.metadata.name.clone();
        if !namespaces
            .iter()
            .any(|one| name(one).as_deref() == Some(FICKLE))
        {
            self.writer.namespace(FICKLE).await?;
        }
        for slice in slices {
            let metadata = slice.metadata;
            let namespace = metadata.namespace.unwrap_or_default();
            let name = metadata.name.unwrap_or_default();
            self.writer.delete_slice(&namespace, &name).await?;
        }
        for service in services {
            let metadata = service.metadata;
            let namespace = metadata.namespace.unwrap_or_default();
            let name = metadata.name.unwrap_or_default();
            if !["kubernetes", "kube-dns"].contains(&&*name) {
                self.writer.delete_service(&namespace, &name).await?;
            }
        }
        Ok(())
    }

    /// Starts both servers with this Corefile, and waits until both know everything.
    pub(crate) async fn servers(&mut self, corefile: &Corefile) -> Result<Servers<'a>> {
        let kubeconfig = self.api.kubeconfig("parity", ADMIN)?;
        let upstream = UPSTREAM.to_string();
        self.site.corefile(&corefile.for_kerndns(&upstream))?;
        let text = corefile.for_coredns(COREDNS.port(), &kubeconfig, &upstream);
        let path = self.site.file("Corefile.coredns");
        std::fs::write(&path, text)?;
        let coredns = Process::start(
            Command::new(&self.coredns)
                .args(["-quiet", "-conf"])
                .arg(&path),
            &self.site.file("coredns.log"),
        )?;
        let mut command = self.site.testbed.node.command(binary());
        let path = kubeconfig.to_string_lossy();
        let flags = ["--kubeconfig", &*path, "--pods", "veth0"];
        self.site.arguments(&mut command, "kubernetes", &flags);
        command.env_remove("KUBERNETES_SERVICE_HOST");
        let mut kerndns = self.site.spawn(&mut command)?;
        kerndns.ready()?;
        let mut servers = Servers { coredns, kerndns };
        self.settle(&mut servers, corefile).await?;
        Ok(servers)
    }

    /// Writes a last object of each kind and waits until every way answers for it: what was written before is
    /// known then, too.
    pub(crate) async fn settle(
        &mut self,
        servers: &mut Servers<'_>,
        corefile: &Corefile,
    ) -> Result<()> {
        self.sentinels += 1;
        let name = format!("last-{}", self.sentinels);
        let endpoints = json!([{"addresses": ["10.242.0.1"], "hostname": "host"}]);
        self.writer
            .slice(SENTINELS, &name, &name, endpoints)
            .await?;
        let spec = json!({"clusterIP": "None", "ports": [{"name": "http", "port": 80}]});
        let spec = if corefile.endpoints {
            spec
        } else {
            json!({"ports": [{"name": "http", "port": 80}]})
        };
        self.writer.service(SENTINELS, &name, spec).await?;
        let host = if corefile.endpoints { "host." } else { "" };
        let question = format!("{host}{name}.{SENTINELS}.svc.{}", corefile.zone);
        let query = Query::new(&question, 1).octets();
        let end = Instant::now() + PATIENCE;
        for way in [Way::CoreDns, Way::Agent, Way::Kernel] {
            loop {
                servers.coredns.check()?;
                let response = self.ask_udp(way, std::slice::from_ref(&query))?;
                // ANCOUNT, NOERROR.
                let known = |octets: &[u8]| {
                    octets.len() > 12 && octets[7] > 0 && octets[3].trailing_zeros() >= 4
                };
                if response[0].as_deref().is_some_and(known) {
                    break;
                }
                ensure!(
                    Instant::now() < end,
                    "{way:?} does not know {question}; CoreDNS: {}; KernDNS:\n{}",
                    servers.coredns.last_words(),
                    servers.kerndns.log()
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        // What changed twice within a second gets its second SERIAL in the next one: ways asked in between would differ.
        tokio::time::sleep(SERIAL_SETTLES).await;
        Ok(())
    }

    /// Asks by UDP; a response to each message, or none.
    pub(crate) fn ask_udp(&self, way: Way, messages: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        match way {
            Way::CoreDns => ask::udp(COREDNS, messages),
            Way::Agent => ask::udp(KERNDNS, messages),
            Way::Kernel => {
                let pod = self.site.testbed.pods.first().context("a pod")?;
                pod.enter(|| ask::udp(KERNDNS, messages))
            }
        }
    }

    /// Asks by TCP, which no kernel program answers.
    pub(crate) fn ask_tcp(way: Way, messages: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        match way {
            Way::CoreDns => ask::tcp(COREDNS, messages),
            Way::Agent | Way::Kernel => ask::tcp(KERNDNS, messages),
        }
    }
}

impl Servers<'_> {
    /// How many queries the kernel has answered.
    pub(crate) fn answered_by_the_kernel(&self) -> u64 {
        let outcome = |outcome| self.kerndns.outcome("tc", outcome).unwrap_or_default();
        ["answer", "nodata", "nxdomain"].map(outcome).iter().sum()
    }
}

async fn failures(tasks: Vec<tokio::task::JoinHandle<Result<()>>>) -> usize {
    let mut failed = 0;
    for task in tasks {
        failed += usize::from(!matches!(task.await, Ok(Ok(()))));
    }
    failed
}
