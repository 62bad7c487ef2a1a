//! A node with pods, a Corefile and manifests: all that `kerndns` is started with.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::agent::{Agent, METRICS, binary};
use crate::netns::{BpfFs, TempDirectory};
use crate::testbed::Testbed;

/// The DNS Service of `fixtures/cluster.yaml`; the addresses are on the node's loopback interface.
pub const SERVICE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));
/// Its other family.
pub const SERVICE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 0xa));
/// Both.
pub const SERVICES: [IpAddr; 2] = [SERVICE_V4, SERVICE_V6];
/// The client, which the Corefile's `forward` names.
pub const UPSTREAM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

/// A name of the fixture, and its address.
pub const WEB: (&str, &str) = ("web.prod.svc.cluster.local.", "10.96.0.20");
/// A headless Service with eight endpoints: an answer of 128 octets more than the query.
pub const EIGHT: &str = "eight.prod.svc.cluster.local.";
/// One with sixty: too large for 512 octets.
pub const WIDE: &str = "wide.prod.svc.cluster.local.";

/// A testbed, with the files of the agent that will run on its node.
#[derive(Debug)]
pub struct Site {
    /// The namespaces.
    pub testbed: Testbed,
    bpffs: BpfFs,
    files: TempDirectory,
}

impl Site {
    /// `pods` pods, each routed to the node.
    pub fn routed(pods: u8) -> Result<Self> {
        Self::on(Testbed::routed(pods)?)
    }

    /// `pods` pods behind one bridge on the node.
    pub fn bridged(pods: u8) -> Result<Self> {
        Self::on(Testbed::bridged(pods)?)
    }

    fn on(testbed: Testbed) -> Result<Self> {
        testbed
            .node
            .ip(&format!("addr add {SERVICE_V4}/32 dev lo"))?;
        let site = Self {
            testbed,
            bpffs: BpfFs::new()?,
            files: TempDirectory::new()?,
        };
        let node = &site.testbed.node;
        node.ip(&format!("addr add {SERVICE_V6}/128 dev lo nodad"))?;
        fs::create_dir(site.manifests())?;
        site.write("cluster.yaml", include_str!("../fixtures/cluster.yaml"))?;
        site.write("eight.yaml", &headless("eight", 8))?;
        site.write("wide.yaml", &headless("wide", 60))?;
        site.corefile(&corefile("ttl 30", "1s"))?;
        Ok(site)
    }

    /// Writes one of the manifests.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.manifests().join(file), text)?)
    }

    /// Writes the Corefile.
    pub fn corefile(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.files.path().join("Corefile"), text)?)
    }

    /// The directory that `--source` names.
    pub fn manifests(&self) -> PathBuf {
        self.files.path().join("manifests")
    }

    /// A file of this site, by its name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Where the agent pins its maps.
    pub fn pins(&self) -> PathBuf {
        self.bpffs.path().join("kerndns")
    }

    /// The names of what is pinned.
    pub fn pinned(&self) -> Vec<PathBuf> {
        fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.pins(), &mut found);
        found
    }

    /// Starts the agent on the manifests and waits until it is ready; `args` are those that a test
    /// is about.
    pub fn start(&self, args: &[&str]) -> Result<Agent<'_>> {
        let mut agent = self.launch(args)?;
        agent.ready()?;
        Ok(agent)
    }

    /// Starts it as [`Self::start`] does and leaves it alone.
    pub fn launch(&self, args: &[&str]) -> Result<Agent<'_>> {
        let source = self.manifests();
        let mut command = self.testbed.node.command(binary());
        self.arguments(&mut command, &source.to_string_lossy(), args);
        self.spawn(&mut command)
    }

    /// Starts the agent on an API server, with the built-in Corefile and without DNS sockets, so that every response is
    /// the kernel's; it need not be ready.
    pub fn follow(&self, kubeconfig: &Path) -> Result<Agent<'_>> {
        let mut command = self.testbed.node.command(binary());
        command.args(["run", "--source", "kubernetes", "--listen", "none"]);
        command.args(["--pods", "veth*", "--metrics", METRICS]);
        command.arg("--kubeconfig").arg(kubeconfig);
        command.arg("--bpffs").arg(self.pins());
        command.env_remove("RUST_LOG");
        command.env_remove("KUBERNETES_SERVICE_HOST");
        self.spawn(&mut command)
    }

    /// Gives `command` the arguments of [`Self::launch`], with another `--source`.
    pub fn arguments(&self, command: &mut Command, source: &str, args: &[&str]) {
        command.args(["run", "--source", source, "--metrics", METRICS]);
        command.arg("--corefile").arg(self.file("Corefile"));
        command.arg("--bpffs").arg(self.pins());
        command.args(args);
    }

    /// Starts a command that runs `kerndns` on the node.
    pub fn spawn(&self, command: &mut Command) -> Result<Agent<'_>> {
        Agent::spawn(&self.testbed.node, command, self.file("log"))
    }
}

/// A Corefile as kubeadm writes it, with an option of `kubernetes` and the time for `lameduck`.
pub fn corefile(kubernetes: &str, lameduck: &str) -> String {
    format!(
        ".:53 {{
    errors
    health {{
        lameduck {lameduck}
    }}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        {kubernetes}
    }}
    forward . {UPSTREAM}
    reload 2s
    loadbalance
}}
"
    )
}

/// A ClusterIP Service in namespace `prod`.
pub fn service(name: &str, address: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: prod}}
spec:
  clusterIP: {address}
  clusterIPs: [{address}]
  ports: [{{name: http, port: 80, protocol: TCP}}]
"
    )
}

/// A headless Service in namespace `prod`, with endpoints from 10.244.9.1 on.
fn headless(name: &str, endpoints: u8) -> String {
    let endpoints: Vec<String> = (1..=endpoints)
        .map(|host| format!("  - {{addresses: [10.244.9.{host}], conditions: {{ready: true}}}}\n"))
        .collect();
    let endpoints = endpoints.concat();
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: prod}}
spec: {{clusterIP: None, clusterIPs: [None], ports: [{{name: http, port: 80, protocol: TCP}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-1
  namespace: prod
  labels: {{kubernetes.io/service-name: {name}}}
addressType: IPv4
ports: [{{name: http, port: 80, protocol: TCP}}]
endpoints:
{endpoints}"
    )
}
