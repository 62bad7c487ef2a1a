//! What an agent without DNS sockets finds out about the cluster whose CoreDNS it answers beside: the
//! Corefile, the cluster domain, the addresses that this node's pods ask.
//!
//! All of it from what a pod has without a right of its own: a mounted ConfigMap, the resolv.conf that
//! kubelet writes for `dnsPolicy: ClusterFirstWithHostNet`, and the interfaces of the node.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use nix::ifaddrs::getifaddrs;

use crate::cli::{Listen, RunArgs};
use crate::cluster::Cluster;
use crate::corefile::{Config, parse_zone};
use crate::k8s::object::ObjectKey;
use crate::record::Name;

/// Where NodeLocal DNSCache listens unless it was told otherwise, and the interface that it makes.
const NODE_LOCAL: (IpAddr, &str) = (IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10)), "nodelocaldns");

/// The DNS Service of most clusters.
pub(super) fn dns_service(args: &RunArgs) -> ObjectKey {
    let usual = || ObjectKey::new("kube-system", "kube-dns");
    args.service.clone().unwrap_or_else(usual)
}

/// What was found; nothing for an agent with DNS sockets.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    resolver: PodResolver,
    domain: Option<Name>,
    node_local: BTreeSet<IpAddr>,
    is_beside: bool,
    /// What was last said, so that it is said once.
    said: Vec<String>,
    /// What of it means that pods ask an address that the kernel does not answer for.
    unserved: Option<String>,
}

impl Surroundings {
    /// Looks for what `args` leave open.
    pub(super) fn find(args: &RunArgs) -> Self {
        if args.listen != Listen::None {
            return Self::default();
        }
        let path = &args.resolv_conf;
        let resolver = PodResolver::load(path).unwrap_or_else(|error| {
            tracing::warn!("{} cannot be read: {error}", path.display());
            PodResolver::default()
        });
        Self {
            domain: args.cluster_domain.clone().or(resolver.domain.clone()),
            resolver,
            node_local: node_local(),
            is_beside: true,
            said: Vec::new(),
            unserved: None,
        }
    }

    /// The cluster domain, for as long as no Corefile names it.
    pub(super) fn domain(&self) -> Name {
        let default = || Name::parse("cluster.local").unwrap_or_else(|_| Name::root());
        self.domain.clone().unwrap_or_else(default)
    }

    /// The addresses of NodeLocal DNSCache.
    pub(super) fn node_local(&self) -> &BTreeSet<IpAddr> {
        &self.node_local
    }

    /// Looks at the node again; whether NodeLocal DNSCache has come, gone or moved.
    pub(super) fn look(&mut self) -> bool {
        if !self.is_beside {
            return false;
        }
        let found = node_local();
        if found == self.node_local {
            return false;
        }
        tracing::info!("NodeLocal DNSCache: {}", list(&found));
        self.node_local = found;
        true
    }

    /// The Service whose ClusterIP the pods ask, where the usual one is not there and none was named.
    pub(super) fn other_service(&self, args: &RunArgs, cluster: &Cluster) -> Option<ObjectKey> {
        if args.service.is_some() || !cluster.dns_service_addresses().is_empty() {
            return None;
        }
        let asked = self.resolver.nameservers.iter();
        let mut services = asked.flat_map(|&ip| cluster.index().cluster_ips().at(ip));
        services.next().map(|service| service.key.clone())
    }

    /// Why the pods' queries do not come to the kernel's answers, as last said; `None`: they do.
    pub(super) fn unserved(&self) -> Option<&String> {
        self.unserved.as_ref()
    }

    /// Says what was found, and why nothing is accelerated if that is so; each once.
    pub(super) fn say(&mut self, args: &RunArgs, config: &Config, cluster: &Cluster) {
        if !self.is_beside {
            return;
        }
        let service = cluster.dns_service();
        let mut served: BTreeSet<IpAddr> = self.node_local.clone();
        served.extend(
            cluster
                .dns_service_addresses()
                .iter()
                .map(std::net::SocketAddr::ip),
        );
        served.extend(&args.service_ip);
        let zones: BTreeSet<String> = kubernetes_zones(config).map(Name::to_string).collect();
        let path = args.resolv_conf.display();
        let mut lines = vec![format!(
            "found: zones {}; DNS Service {service} at {}; NodeLocal DNSCache at {}; pods ask {} ({path})",
            list(&zones),
            list(cluster.dns_service_addresses()),
            list(&self.node_local),
            list(&self.resolver.nameservers),
        )];
        let nothing = "nothing is accelerated";
        if zones.is_empty() {
            lines.push(format!(
                "{nothing}: the Corefile has no server block with kubernetes whose names the kernel may answer"
            ));
        }
        let asked = &self.resolver.nameservers;
        let is_asked = asked.iter().any(|ip| served.contains(ip));
        self.unserved = if served.is_empty() {
            Some(format!(
                "{nothing}: there is no Service {service} with a ClusterIP, nor one with an address that pods of this \
                 node ask, {} ({path}); name the DNS Service with --service NAMESPACE/NAME, or the address that pods \
                 ask with --service-ip",
                list(asked)
            ))
        } else if self.resolver.domain.is_some() && !is_asked {
            Some(format!(
                "{nothing}: pods of this node ask {}, which is neither {service} nor NodeLocal DNSCache; if this is the \
                 cluster's DNS, name it with --service-ip",
                list(asked)
            ))
        } else {
            None
        };
        lines.extend(self.unserved.clone());
        for line in lines.iter().filter(|line| !self.said.contains(line)) {
            if line.starts_with(nothing) {
                tracing::warn!("{line}");
            } else {
                tracing::info!("{line}");
            }
        }
        self.said = lines;
    }
}

fn kubernetes_zones(config: &Config) -> impl Iterator<Item = &Name> {
    let blocks = config
        .servers
        .iter()
        .filter_map(|server| server.kubernetes.as_ref());
    blocks.flat_map(|options| &options.zones)
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(" ")
    }
}

/// What kubelet wrote into a pod's resolv.conf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PodResolver {
    /// The `nameserver` lines: kubelet's `clusterDNS`.
    nameservers: Vec<IpAddr>,
    /// kubelet's `clusterDomain`; `None`: the file is not one that kubelet writes for a pod.
    domain: Option<Name>,
}

impl PodResolver {
    /// Reads a file like resolv.conf(5).
    fn load(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string(path)?))
    }

    /// The search list of a pod starts with `NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN`.
    fn parse(text: &str) -> Self {
        let mut resolver = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
                    resolver.nameservers.extend(address);
                }
                // Of several lines the last counts.
                Some("search") => resolver.domain = domain(&words.collect::<Vec<_>>()),
                _ => {}
            }
        }
        resolver
    }
}

fn domain(search: &[&str]) -> Option<Name> {
    let [namespace, svc, domain, ..] = search else {
        return None;
    };
    let is_pods = svc.strip_prefix("svc.") == Some(domain)
        && namespace.split_once('.').map(|(_, rest)| rest) == Some(svc);
    let mut zones = is_pods.then(|| parse_zone(domain).ok())??;
    (zones.len() == 1).then(|| zones.swap_remove(0))
}

/// The addresses of a NodeLocal DNSCache on this node; empty: there is none.
fn node_local() -> BTreeSet<IpAddr> {
    let Ok(all) = getifaddrs() else {
        return BTreeSet::new();
    };
    let (address, interface) = NODE_LOCAL;
    all.filter_map(|entry| {
        let storage = entry.address?;
        let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let ip = v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))?;
        let is_link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        (ip == address || entry.interface_name == interface && !is_link_local).then_some(ip)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_domain_is_the_third_of_a_pods_search_list() {
        let resolver = |search| {
            PodResolver::parse(&format!(
                "# kubelet's\nsearch {search}\nnameserver 10.96.0.10\noptions ndots:5\n"
            ))
        };
        let rows = [
            (
                "a.svc.cluster.local svc.cluster.local cluster.local corp.test",
                Some("cluster.local."),
            ),
            (
                "kube-system.svc.k8s.example. svc.k8s.example. k8s.example.",
                Some("k8s.example."),
            ),
            ("corp.test", None),
            ("a.corp.test b.corp.test corp.test", None),
            ("a.svc.x svc.y y", None),
            ("", None),
        ];
        for (search, domain) in rows {
            let found = resolver(search);
            assert_eq!(
                found.domain.map(|name| name.to_string()).as_deref(),
                domain,
                "{search}"
            );
            assert_eq!(found.nameservers, ["10.96.0.10".parse::<IpAddr>().unwrap()]);
        }
    }
}
