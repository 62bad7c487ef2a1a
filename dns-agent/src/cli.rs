//! The command line: arguments to typed values, and what `--help` says. Scripts rely on these names.

mod listen;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::corefile::parse_zone;
use crate::k8s::object::ObjectKey;
use crate::kernel::attach::Plan;
use crate::kernel::globs::{GlobError, Globs};
use crate::kernel::tc::TcMode;
use crate::kernel::xdp::XdpMode;
use crate::record::Name;

pub use listen::Listen;

/// Where maps are pinned unless `--bpffs` says otherwise.
pub const BPFFS: &str = "/sys/fs/bpf/kerndns";

/// Answers a Kubernetes cluster's DNS queries inside the Linux kernel.
///
/// KernDNS reads the cluster's Services and a CoreDNS Corefile, and answers queries for cluster names
/// in XDP and tc programs on this node. What the kernel passes on, the agent answers or forwards.
#[derive(Debug, Parser)]
#[command(
    name = "kerndns",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer queries until SIGTERM
    ///
    /// The kernel answers for port 53 of the DNS Service's ClusterIPs and of each --service-ip, and for
    /// each --listen address with its own port. All else goes its way untouched.
    Run(Box<RunArgs>),
    /// Say what is wrong in a Corefile, by line; status 0 if nothing is
    Check(CheckArgs),
    /// Print what the kernel holds now, as zone-file text
    ///
    /// Reads the pinned maps and nothing else: the agent need not answer. Needs root.
    Dump(DumpArgs),
    /// Say what an agent on this machine waits for; status 0 if for nothing
    ///
    /// Asks its /ready: for a probe, whose output kubectl describe shows.
    Ready(ReadyArgs),
}

/// `kerndns run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArgs {
    /// The Corefile; without it, kubeadm's, which is built in
    ///
    /// With --listen none it is CoreDNS's: what it says of sockets is not for us, and names of a server
    /// block with a plugin that could change an answer, or has to see it, are passed.
    #[arg(long, value_name = "FILE", help_heading = DATA)]
    pub corefile: Option<PathBuf>,

    /// With --listen none: answer in the kernel although this plugin is in the Corefile; repeatable
    #[arg(long, value_name = "PLUGIN", help_heading = DATA)]
    pub despite: Vec<String>,

    /// With --listen none: the zone of the built-in Corefile; without it, by --resolv-conf's search list
    #[arg(long, value_name = "NAME", value_parser = domain, help_heading = DATA)]
    pub cluster_domain: Option<Name>,

    /// With --listen none: what kubelet wrote for a pod, with the cluster domain and whom pods ask
    #[arg(long, value_name = "FILE", default_value = "/etc/resolv.conf", help_heading = DATA)]
    pub resolv_conf: PathBuf,

    /// `kubernetes`, or a file or directory of manifests (YAML or JSON), read again when it changes
    #[arg(long, value_name = "kubernetes|PATH", default_value_t, help_heading = DATA)]
    pub source: Source,

    /// How to reach the API server; without it, as a pod does, else by kubectl's rules
    #[arg(long, value_name = "FILE", help_heading = DATA)]
    pub kubeconfig: Option<PathBuf>,

    /// This node's name, for `autopath @kubernetes`; without it, what `NODE_NAME` says
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), help_heading = DATA)]
    pub node: Option<String>,

    /// The cluster's DNS Service: the kernel answers for its ClusterIPs; without it, kube-system/kube-dns or,
    /// where that is not there, the one whose ClusterIP --resolv-conf names
    #[arg(long, value_name = "NS/NAME", value_parser = service, help_heading = DATA)]
    pub service: Option<ObjectKey>,

    /// The agent's own sockets.
    #[command(flatten)]
    pub listen: Listen,

    /// A further address that the kernel answers for, port 53; repeatable
    #[arg(long, value_name = "IP", value_parser = service_ip, help_heading = WHERE)]
    pub service_ip: Vec<IpAddr>,

    /// Attach XDP to network cards of this name, such as `eth*`; repeatable
    #[arg(long, value_name = "GLOB", value_parser = glob, help_heading = WHERE)]
    pub nic: Vec<String>,

    /// Attach tc to pods' host-side veths of this name, such as `veth*`, now and when they come; repeatable
    #[arg(long, value_name = "GLOB", value_parser = glob, help_heading = WHERE)]
    pub pods: Vec<String>,

    /// How XDP is attached
    #[arg(long, value_enum, value_name = "MODE", default_value_t, help_heading = KERNEL)]
    pub xdp: XdpMode,

    /// How tc is attached
    #[arg(long, value_enum, value_name = "MODE", default_value_t, help_heading = KERNEL)]
    pub tc: TcMode,

    /// What the kernel does with a query that it could answer
    #[arg(long, value_enum, value_name = "MODE", default_value_t, help_heading = KERNEL)]
    pub kernel: KernelMode,

    /// Which queries the kernel programs report to the agent's log
    #[arg(long, value_enum, value_name = "WHICH", default_value_t, help_heading = KERNEL)]
    pub kernel_log: KernelLog,

    /// The most names that the kernel holds; memory grows with what is held, not with this
    #[arg(long, value_name = "N", default_value_t = 500_000, help_heading = KERNEL,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub names: u32,

    /// Where the maps are pinned, for `kerndns dump` and bpftool; mounted if it is not
    #[arg(long, value_name = "DIR", default_value = BPFFS, value_parser = absolute, help_heading = KERNEL)]
    pub bpffs: PathBuf,

    /// Serve /metrics, /health and /ready here; without it, where the Corefile's `prometheus` says
    #[arg(long, value_name = "IP:PORT", help_heading = WHERE)]
    pub metrics: Option<SocketAddr>,
}

/// `kerndns check`.
#[derive(Debug, Clone, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArgs {
    /// The Corefile; without it, kubeadm's, which is built in
    #[arg(long, value_name = "FILE")]
    pub corefile: Option<PathBuf>,

    /// Take it for CoreDNS's, as `run --listen none` does: which names would the kernel answer?
    #[arg(long)]
    pub beside: bool,

    /// With --beside: as `run --despite`; repeatable
    #[arg(long, value_name = "PLUGIN", requires = "beside")]
    pub despite: Vec<String>,
}

/// `kerndns dump`.
#[derive(Debug, Clone, Args)]
#[command(after_help = DUMP_EXAMPLES)]
pub struct DumpArgs {
    /// Where the agent pinned its maps: what its own --bpffs says
    #[arg(long, value_name = "DIR", default_value = BPFFS, value_parser = absolute)]
    pub bpffs: PathBuf,
}

/// `kerndns ready`.
#[derive(Debug, Clone, Args)]
pub struct ReadyArgs {
    /// Where the agent has its endpoints: what its own --metrics says
    #[arg(long, value_name = "IP:PORT")]
    pub metrics: SocketAddr,
}

/// `--source`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Source {
    /// The API server.
    #[default]
    Kubernetes,
    /// A file or directory of manifests.
    Path(PathBuf),
}

/// `--kernel`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum KernelMode {
    /// Answer it
    #[default]
    On,
    /// Look it up, count what the answer would have been, and pass it
    Observe,
    /// Load nothing: the agent works alone
    Off,
}

/// `--kernel-log`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum KernelLog {
    /// None: costs nothing
    #[default]
    Off,
    /// Those for us that are passed to the agent, and why
    Passes,
    /// Those that are answered, too
    All,
}

const DATA: &str = "What is answered";
const WHERE: &str = "Addresses and interfaces";
const KERNEL: &str = "Kernel programs";

const RUN_EXAMPLES: &str = "\
Examples:
  On a node, answering all its pods in the kernel and leaving the rest to CoreDNS:
    kerndns run --pods 'veth*' --listen none

  Without a cluster, from manifests, on a test address:
    kerndns run --source ./manifests --listen 127.0.0.1:5353 --kernel off

  First look at what would be answered, with nothing changed for any client:
    kerndns run --pods 'veth*' --listen none --kernel observe --kernel-log all";

const CHECK_EXAMPLES: &str = "\
Examples:
  kerndns check --corefile /etc/coredns/Corefile
  kubectl -n kube-system get configmap coredns -o jsonpath='{.data.Corefile}' > Corefile \\
    && kerndns check --beside --corefile Corefile";

const DUMP_EXAMPLES: &str = "\
Examples:
  kerndns dump
  kerndns dump | grep ^my-service.my-namespace.
  kerndns dump --bpffs /sys/fs/bpf/test";

impl RunArgs {
    /// This node's name: `--node`, or the environment variable `NODE_NAME`, which a `DaemonSet` sets.
    pub fn node_name(&self) -> Option<Arc<str>> {
        let given = self.node.clone();
        let name = given.or_else(|| std::env::var("NODE_NAME").ok());
        name.filter(|name| !name.is_empty()).map(Into::into)
    }

    /// What to attach to, and how.
    pub fn plan(&self) -> Result<Plan, GlobError> {
        Ok(Plan {
            pods: Globs::new(&self.pods)?,
            nics: Globs::new(&self.nic)?,
            tc: self.tc,
            xdp: self.xdp,
        })
    }
}

impl KernelLog {
    /// aya-log's level, set when the programs are loaded: 0 off, 3 passes (info), 4 all (debug).
    pub fn level(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Passes => 3,
            Self::All => 4,
        }
    }
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "kubernetes" => Self::Kubernetes,
            path => Self::Path(path.into()),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubernetes => f.write_str("kubernetes"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

fn service(text: &str) -> Result<ObjectKey, &'static str> {
    match text.split_once('/') {
        Some((namespace, name))
            if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
        {
            Ok(ObjectKey::new(
                &namespace.to_ascii_lowercase(),
                &name.to_ascii_lowercase(),
            ))
        }
        _ => Err("write NAMESPACE/NAME, for example kube-system/kube-dns"),
    }
}

fn domain(text: &str) -> Result<Name, String> {
    let zones = parse_zone(text).map_err(|error| error.to_string())?;
    match zones.as_slice() {
        [name] if name.labels().next().is_some() => Ok(name.clone()),
        _ => Err("write one domain name, for example cluster.local".to_owned()),
    }
}

fn service_ip(text: &str) -> Result<IpAddr, &'static str> {
    match text.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() || ip.is_multicast() => {
            Err("name one address that clients send their queries to")
        }
        Ok(ip) => Ok(ip),
        Err(_) => Err("write an IPv4 or IPv6 address without a port; the port is 53"),
    }
}

fn glob(text: &str) -> Result<String, GlobError> {
    Globs::new([text]).map(|_| text.to_owned())
}

fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("write an absolute path, for example /sys/fs/bpf/kerndns")
    }
}
