//! Which sockets the agent opens, which server blocks answer at each, and how a reload changes both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use nix::ifaddrs::getifaddrs;
use parking_lot::RwLock;

use crate::cli::Listen;
use crate::cluster::Cluster;
use crate::cluster::instance::Instance;
use crate::corefile::{Config, Server};
use crate::metrics::Responses;
use crate::metrics::coredns::CoreDns;
use crate::plugin::any::Any;
use crate::plugin::autopath::{Autopath, Search, SearchPath};
use crate::plugin::chaos::Chaos;
use crate::plugin::errors::Errors;
use crate::plugin::forward::Forward;
use crate::plugin::k8s_external::External;
use crate::plugin::kubernetes::{Kubernetes, PodSearch};
use crate::plugin::nsid::Nsid;
use crate::plugin::transfer::Transfer;
use crate::serve::chain::{Chain, Current, Handler, Servers};
use crate::serve::listener::{Listener, Serving as Socket};

/// The open sockets.
pub(super) struct Serving {
    sockets: BTreeMap<SocketAddr, (Socket, Arc<Current>)>,
    responses: Responses,
}

impl Serving {
    /// None yet.
    pub(super) fn new(responses: Responses) -> Self {
        Self {
            sockets: BTreeMap::new(),
            responses,
        }
    }

    /// Opens what is missing, puts the chains of `config` in force, and closes what is no longer wanted. Fails
    /// before anything is changed.
    pub(super) async fn set(
        &mut self,
        config: &Config,
        listen: &Listen,
        instances: &[Arc<Instance>],
        cluster: &Arc<RwLock<Cluster>>,
    ) -> Result<()> {
        let addresses = addresses(config, listen)?;
        let own: Vec<SocketAddr> = addresses.iter().copied().collect();
        let mut chains = BTreeMap::new();
        for &address in &addresses {
            let blocks = blocks_at(config, listen, address);
            let servers = servers(&blocks, instances, cluster, &own, self.responses.coredns())?;
            chains.insert(address, servers);
        }
        let plugins: Vec<_> = chains.values().flat_map(Servers::plugins).collect();
        let mut fresh = Vec::new();
        for &address in addresses
            .iter()
            .filter(|address| !self.sockets.contains_key(address))
        {
            fresh.push((address, Listener::bind(address)?));
        }
        for (address, servers) in chains {
            if let Some((_, current)) = self.sockets.get(&address) {
                current.replace(servers);
            } else if let Some(at) = fresh.iter().position(|(fresh, _)| *fresh == address) {
                let (_, listener) = fresh.swap_remove(at);
                let current = Arc::new(Current::new(servers));
                let socket = listener.serve(Arc::clone(&current), self.responses.clone());
                tracing::info!("answering at {address}, UDP and TCP");
                self.sockets.insert(address, (socket, current));
            }
        }
        self.responses.coredns().plugins(plugins);
        let gone: Vec<SocketAddr> = self
            .sockets
            .keys()
            .filter(|address| !addresses.contains(address))
            .copied()
            .collect();
        for address in gone {
            if let Some((socket, _)) = self.sockets.remove(&address) {
                tracing::info!("no longer answering at {address}");
                socket.stop(Duration::from_secs(5)).await;
            }
        }
        Ok(())
    }

    /// Stops listening and lets queries under way end.
    pub(super) async fn stop(&mut self, drain: Duration) {
        let sockets = std::mem::take(&mut self.sockets);
        futures::future::join_all(sockets.into_values().map(|(socket, _)| socket.stop(drain)))
            .await;
    }
}

/// The addresses of the agent's sockets.
pub(super) fn addresses(config: &Config, listen: &Listen) -> Result<BTreeSet<SocketAddr>> {
    let mut addresses = BTreeSet::new();
    match listen {
        Listen::None => {}
        Listen::At(listed) => addresses.extend(listed.iter().copied()),
        Listen::Corefile => {
            for server in &config.servers {
                let ips = bound(server)?;
                addresses.extend(ips.into_iter().map(|ip| SocketAddr::new(ip, server.port)));
            }
        }
    }
    Ok(addresses)
}

/// The addresses of `bind`, interface names resolved; all addresses where it says nothing.
fn bound(server: &Server) -> Result<Vec<IpAddr>> {
    if server.bind.is_empty() {
        let mut all = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        // A kernel booted with ipv6.disable=1 has no [::].
        if std::fs::exists("/proc/net/if_inet6").unwrap_or(false) {
            all.push(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        }
        return Ok(all);
    }
    let mut ips = Vec::new();
    for name in &server.bind {
        match name.parse() {
            Ok(ip) => ips.push(ip),
            Err(_) => ips.extend(interface(name)?),
        }
    }
    Ok(ips)
}

fn interface(name: &str) -> Result<Vec<IpAddr>> {
    let all = getifaddrs().context("cannot list the addresses of interfaces")?;
    let ip = |address: nix::sys::socket::SockaddrStorage| {
        let v4 = address
            .as_sockaddr_in()
            .map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| {
            address
                .as_sockaddr_in6()
                .map(|address| IpAddr::V6(address.ip()))
        })
    };
    let ips: Vec<IpAddr> = all
        .filter(|entry| entry.interface_name == name)
        .filter_map(|entry| entry.address.and_then(ip))
        .filter(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()))
        .collect();
    if ips.is_empty() {
        return Err(anyhow!(
            "bind {name}: no address and no interface with an address has this name; see `ip address`"
        ));
    }
    Ok(ips)
}

/// The server blocks that answer at an address of ours.
fn blocks_at<'a>(
    config: &'a Config,
    listen: &Listen,
    address: SocketAddr,
) -> Vec<(usize, &'a Server)> {
    let all = || config.servers.iter().enumerate();
    if *listen == Listen::Corefile {
        return all()
            .filter(|(_, server)| server.port == address.port())
            .filter(|(_, server)| bound(server).is_ok_and(|ips| ips.contains(&address.ip())))
            .collect();
    }
    let port = port_for(config, address.port());
    all().filter(|(_, server)| server.port == port).collect()
}

/// The Corefile's port whose blocks answer at a port of `--listen`: the same one, or else that of the
/// first block with `kubernetes`, or of the first block.
fn port_for(config: &Config, port: u16) -> u16 {
    if config.servers.iter().any(|server| server.port == port) {
        return port;
    }
    let kubernetes = config
        .servers
        .iter()
        .find(|server| server.kubernetes.is_some());
    kubernetes
        .or(config.servers.first())
        .map_or(port, |server| server.port)
}

/// The addresses and ports that the programs answer for: Services at port 53, and our own sockets where they
/// serve the blocks that are held.
pub(super) fn destinations(
    config: &Config,
    listen: &Listen,
    service_ips: &[IpAddr],
    cluster: &Cluster,
) -> BTreeSet<SocketAddr> {
    let mut wanted = cluster.dns_service_addresses();
    wanted.extend(service_ips.iter().map(|&ip| SocketAddr::new(ip, 53)));
    let held = config
        .servers
        .iter()
        .find(|server| server.kubernetes.is_some());
    if let (Some(held), Ok(own)) = (held, addresses(config, listen)) {
        wanted.extend(own.into_iter().filter(|own| match listen {
            Listen::Corefile => own.port() == held.port,
            _ => port_for(config, own.port()) == held.port,
        }));
    }
    wanted
}

/// The chains of some server blocks.
fn servers(
    blocks: &[(usize, &Server)],
    instances: &[Arc<Instance>],
    cluster: &Arc<RwLock<Cluster>>,
    own: &[SocketAddr],
    coredns: &CoreDns,
) -> Result<Servers> {
    let held_port = instances.first().map(|instance| instance.port);
    let mut chains = Vec::new();
    for (number, server) in blocks {
        // In CoreDNS's order (`plugin.cfg`), whatever the order of the lines.
        let mut handlers: Vec<Arc<dyn Handler>> = Vec::new();
        if let Some(data) = &server.nsid {
            handlers.push(Arc::new(Nsid::new(data)));
        }
        if server.errors {
            handlers.push(Arc::new(Errors::default()));
        }
        if server.any {
            handlers.push(Arc::new(Any));
        }
        if let Some(options) = &server.chaos {
            handlers.push(Arc::new(Chaos::new(options.clone())));
        }
        let instance = instances.iter().find(|instance| instance.server == *number);
        handlers.extend(autopath(server, instance, cluster));
        if let Some(instance) = instance {
            if !server.transfer.is_empty() {
                let (lines, cluster) = (server.transfer.clone(), Arc::clone(cluster));
                let instance = Arc::clone(instance);
                handlers.push(Arc::new(Transfer::new(lines, cluster, instance)));
            }
            let is_held = Some(instance.port) == held_port;
            if let Some(options) = &server.k8s_external {
                let (cluster, instance) = (Arc::clone(cluster), Arc::clone(instance));
                handlers.push(Arc::new(External::new(cluster, instance, options.clone())));
            }
            let cluster = Arc::clone(cluster);
            handlers.push(Arc::new(Kubernetes::new(
                cluster,
                Arc::clone(instance),
                is_held,
            )));
        }
        for options in &server.forward {
            handlers.push(Arc::new(Forward::new(options, own)?.measured(coredns)));
        }
        let chain = Chain::new(handlers).of(server.label());
        chains.push((server.zones.clone(), chain));
    }
    Ok(Servers::new(chains))
}

/// The `autopath` of a server block; `None` also for `@kubernetes` without `kubernetes`, which was warned of.
fn autopath(
    server: &Server,
    instance: Option<&Arc<Instance>>,
    cluster: &Arc<RwLock<Cluster>>,
) -> Option<Arc<dyn Handler>> {
    let options = server.autopath.as_ref()?;
    let kubernetes = match (&options.search, instance) {
        (Search::Kubernetes { own }, Some(instance)) => {
            let (cluster, instance) = (Arc::clone(cluster), Arc::clone(instance));
            let pods = PodSearch::new(cluster, instance, own.clone());
            Some(Arc::new(pods) as Arc<dyn SearchPath>)
        }
        _ => None,
    };
    Some(Arc::new(Autopath::new(options, kubernetes)?))
}
