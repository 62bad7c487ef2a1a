//! A cluster to running servers that all know it, each with what it needs to be asked, measured and checked.

mod coredns;
mod dnsmasq;
mod floor;
mod kerndns;
mod knot;
mod master_file;
mod nsd;
mod unbound;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aya::programs::SchedClassifier;
use kerndns_tests::agent::Agent;
use kerndns_tests::api_server::ApiServer;
use kerndns_tests::attacher::block_on;
use kerndns_tests::netns::{Netns, TempDirectory};
use kerndns_tests::site::{SERVICE_V4, Site};
use kerndns_tests::testbed::Testbed;
use kerndns_tests::upstream::Upstream;
use serde_json::Value;

use crate::peers::daemon::Daemon;
use crate::peers::zone::Zone;

/// The plugins of kubeadm 1.36's Corefile that have to do with answers, and the upstream that no question here reaches.
const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1053);

/// The names in tables, in their order.
pub(crate) const NAMES: [&str; 9] = [
    "KernDNS",
    "CoreDNS, kubeadm",
    "CoreDNS, cache 30",
    "NodeLocal stand-in",
    "Knot",
    "NSD",
    "Unbound",
    "dnsmasq",
    "floor: no server",
];

/// The three nodes: of KernDNS, of nobody, of everybody else, each with one pod.
pub(crate) struct Nodes {
    site: Site,
    nobody: Testbed,
    others: Testbed,
    files: TempDirectory,
}

/// A server that answers.
pub(crate) struct Server<'a> {
    pub(crate) name: &'static str,
    /// Where it is asked.
    pub(crate) address: SocketAddr,
    /// Who asks.
    pub(crate) pod: &'a Netns,
    /// Its processes: those whose work it is, other servers that it asks among them.
    pub(crate) pids: Vec<u32>,
    /// KernDNS's agent, for its counters.
    pub(crate) agent: Option<Agent<'a>>,
    /// What must not end.
    daemons: Vec<Daemon>,
    /// What is in the place of a server that answers.
    reflector: Option<SchedClassifier>,
}

/// What all servers need to start.
struct Ground<'a> {
    zone: &'a Zone,
    node: &'a Netns,
    pod: &'a Netns,
    files: &'a Path,
    kubeconfig: PathBuf,
    /// As many workers as CPUs, where a server must be told.
    workers: usize,
}

impl Nodes {
    /// Makes the namespaces.
    pub(crate) fn new() -> Result<Self> {
        let others = Testbed::routed(1)?;
        for host in 11..=17 {
            others
                .node
                .ip(&format!("addr add {}/32 dev lo", at(host).ip()))?;
        }
        Ok(Self {
            site: Site::routed(1)?,
            nobody: Testbed::routed(1)?,
            others,
            files: TempDirectory::new()?,
        })
    }

    /// Starts every server and waits until each answers; the API server, which is to live as long, comes along.
    pub(crate) fn start<'a>(&'a self, zone: &'a Zone) -> Result<(Vec<Server<'a>>, ApiServer)> {
        let node = &self.others.node;
        let objects: Vec<(String, Value)> = zone.objects().into_iter().map(stored).collect();
        let api = node.enter(|| -> Result<ApiServer> {
            Upstream::start(UPSTREAM)?;
            // It looks for a default route to know its address by, and there is none.
            let api = block_on(ApiServer::start(&["--advertise-address=192.0.2.1"]))?;
            api.etcd().put(&objects)?;
            Ok(api)
        })?;
        let ground = Ground {
            zone,
            node,
            pod: self.others.pods.first().context("a pod")?,
            files: self.files.path(),
            kubeconfig: api.kubeconfig("bench", kerndns_tests::api_server::ADMIN)?,
            workers: std::thread::available_parallelism()?.get(),
        };
        // Once, and before all: who loads a master file has it mapped, and dies of its being written anew.
        master_file::write(&ground)?;
        let plain = coredns::kubeadm(&ground)?;
        let local = coredns::node_local(&ground, &plain)?;
        let servers = vec![
            kerndns::start(&self.site, zone)?,
            plain,
            coredns::cached(&ground)?,
            local,
            knot::start(&ground)?,
            nsd::start(&ground)?,
            unbound::start(&ground)?,
            dnsmasq::start(&ground)?,
            floor::start(&self.nobody)?,
        ];
        Ok((servers, api))
    }
}

impl Server<'_> {
    /// Whether its responses are the queries.
    pub(crate) fn is_floor(&self) -> bool {
        self.reflector.is_some()
    }

    /// An error with the end of its log if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for daemon in &mut self.daemons {
            daemon.check().context(self.name)?;
        }
        Ok(())
    }
}

impl<'a> Ground<'a> {
    fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    /// A file with this text.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.file(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Starts a program on the node, as the server of this name and host.
    fn start(
        &self,
        name: &'static str,
        host: u8,
        program: &str,
        arguments: &[&str],
    ) -> Result<Server<'a>> {
        let log = self.file(&format!("{host}.log"));
        let daemon = Daemon::start(self.node.command(program).args(arguments), &log)?;
        Ok(Server {
            name,
            address: at(host),
            pod: self.pod,
            pids: vec![daemon.pid()],
            agent: None,
            daemons: vec![daemon],
            reflector: None,
        })
    }
}

/// An object under the key that the API server looks for it.
fn stored(object: Value) -> (String, Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    let key = match object["kind"].as_str() {
        Some("Service") => format!("services/specs/{namespace}/{name}"),
        Some("EndpointSlice") => format!("endpointslices/{namespace}/{name}"),
        _ => format!("namespaces/{name}"),
    };
    (key, object)
}

/// Where the server of this number is; the tenth is the DNS Service's address.
fn at(host: u8) -> SocketAddr {
    let IpAddr::V4(service) = SERVICE_V4 else {
        return (SERVICE_V4, 53).into();
    };
    let [a, b, c, _] = service.octets();
    (Ipv4Addr::new(a, b, c, host), 53).into()
}
