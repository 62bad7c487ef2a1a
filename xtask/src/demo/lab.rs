//! A small cluster's network in five namespaces.
//!
//! ```text
//!  pod1  eth0 10.244.1.2 ----- veth-pod1 \
//!  pod2  eth0 10.244.2.2 ----- veth-pod2  node, lo 10.96.0.10, fd00:10:96::a
//!  client eth0 192.168.50.2 -- nic0      /    \ upstream0 -- eth0 192.168.53.53 upstream
//! ```
//!
//! The service addresses are the node's own, as kube-proxy's rules would make them, so that what the
//! kernel programs pass reaches the agent. Each name carries the number of the process that made
//! the lab: two demos do not meet, and the next one removes what a killed one left.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::Context as _;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};

use super::leftover;
use crate::command;

/// The addresses of the DNS Service.
pub(super) const SERVICE_V4: &str = "10.96.0.10";
/// See [`SERVICE_V4`].
pub(super) const SERVICE_V6: &str = "fd00:10:96::a";
/// Where the upstream resolver listens.
pub(super) const UPSTREAM: &str = "192.168.53.53:53";

/// What the name of every namespace and directory of a demo begins with.
pub(super) const PREFIX: &str = "kerndns-demo-";
/// Where `ip netns` keeps its names.
pub(super) const NAMESPACES: &str = "/run/netns";
/// `ip netns exec` mounts the files below over `/etc`.
pub(super) const CONFIGURATION: &str = "/etc/netns";

/// One network namespace of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Node,
    Pod1,
    Pod2,
    Client,
    Upstream,
}

impl Place {
    pub(super) const ALL: [Self; 5] = [
        Self::Node,
        Self::Pod1,
        Self::Pod2,
        Self::Client,
        Self::Upstream,
    ];

    /// Its name in the table and in the namespace's name.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Pod1 => "pod1",
            Self::Pod2 => "pod2",
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }
}

/// The lab of this process; removed when dropped, unless it is kept.
pub(super) struct Lab {
    maker: u32,
    kept: bool,
    upstream: Option<Child>,
}

impl Lab {
    /// Makes the namespaces and starts the upstream resolver.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut lab = Self {
            maker: std::process::id(),
            kept: false,
            upstream: None,
        };
        lab.make()?;
        Ok(lab)
    }

    /// The full name of a namespace, for `ip netns exec`.
    pub(super) fn name(&self, place: Place) -> String {
        name(self.maker, place)
    }

    /// Where the agent pins its maps: a BPF file system of this lab alone.
    pub(super) fn bpffs(&self) -> PathBuf {
        home(self.maker).join("bpf")
    }

    /// What the agent says.
    pub(super) fn log(&self) -> PathBuf {
        home(self.maker).join("agent.log")
    }

    /// A command that runs inside a namespace, with that namespace's resolv.conf.
    pub(super) fn command(&self, place: Place, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(place), program]);
        command
    }

    /// Runs a function on a thread inside a namespace: sockets made there belong to it.
    pub(super) fn inside<T: Send>(
        &self,
        place: Place,
        run: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let path = Path::new(NAMESPACES).join(self.name(place));
        let namespace = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        let entered = || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).context("enter a network namespace")?;
            run()
        };
        thread::scope(|scope| scope.spawn(entered).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Leaves the lab running after this process.
    pub(super) fn keep(&mut self) -> anyhow::Result<()> {
        let marker = kept_marker(self.maker);
        fs::write(&marker, "").with_context(|| format!("write {}", marker.display()))?;
        self.kept = true;
        Ok(())
    }

    fn make(&mut self) -> anyhow::Result<()> {
        let bpffs = self.bpffs();
        fs::create_dir_all(&bpffs).with_context(|| format!("make {}", bpffs.display()))?;
        // Mounted here and not by the agent, whose mounts nobody outside its namespace would see.
        mount(
            Some("bpf"),
            &bpffs,
            Some("bpf"),
            MsFlags::empty(),
            None::<&str>,
        )
        .with_context(|| format!("mount a BPF file system at {}", bpffs.display()))?;
        for place in Place::ALL {
            ip(&format!("netns add {}", self.name(place)))?;
            self.ip(place, "link set lo up")?;
            self.resolv_conf(place)?;
        }
        let node = self.name(Place::Node);
        for (place, host_side, v4, v6) in [
            (Place::Pod1, "veth-pod1", "10.244.1", "fd00:10:244:1"),
            (Place::Pod2, "veth-pod2", "10.244.2", "fd00:10:244:2"),
            (Place::Client, "nic0", "192.168.50", "fd00:50"),
            (Place::Upstream, "upstream0", "192.168.53", "fd00:53"),
        ] {
            let last = if place == Place::Upstream { "53" } else { "2" };
            self.ip(
                place,
                &format!("link add eth0 type veth peer name {host_side} netns {node}"),
            )?;
            self.ip(
                Place::Node,
                &format!("address add {v4}.1/24 dev {host_side}"),
            )?;
            self.ip(
                Place::Node,
                &format!("address add {v6}::1/64 dev {host_side} nodad"),
            )?;
            self.ip(place, &format!("address add {v4}.{last}/24 dev eth0"))?;
            self.ip(
                place,
                &format!("address add {v6}::{last}/64 dev eth0 nodad"),
            )?;
            self.ip(Place::Node, &format!("link set {host_side} up"))?;
            self.ip(place, "link set eth0 up")?;
            self.ip(place, &format!("route add default via {v4}.1"))?;
            self.ip(place, &format!("route add default via {v6}::1"))?;
        }
        self.ip(Place::Node, &format!("address add {SERVICE_V4}/32 dev lo"))?;
        self.ip(
            Place::Node,
            &format!("address add {SERVICE_V6}/128 dev lo nodad"),
        )?;
        self.start_upstream()
    }

    /// Pods get what kubelet writes; the node, what its network told it.
    fn resolv_conf(&self, place: Place) -> anyhow::Result<()> {
        let text = match place {
            Place::Pod1 | Place::Pod2 => format!(
                "search shop.svc.cluster.local svc.cluster.local cluster.local\n\
                 nameserver {SERVICE_V4}\noptions ndots:5 timeout:2 attempts:1\n"
            ),
            Place::Client => format!("nameserver {SERVICE_V4}\n"),
            Place::Node | Place::Upstream => {
                format!("nameserver {}\n", UPSTREAM.trim_end_matches(":53"))
            }
        };
        let directory = Path::new(CONFIGURATION).join(self.name(place));
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        let file = directory.join("resolv.conf");
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    }

    fn start_upstream(&mut self) -> anyhow::Result<()> {
        let own = std::env::current_exe().context("where this program lies")?;
        let mut command = self.command(Place::Upstream, &own.to_string_lossy());
        command
            .args(["demo-upstream", UPSTREAM])
            .stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // Not of the terminal's foreground: Ctrl-C is for the demo, which then ends this child.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.upstream = Some(command.spawn().context("start the upstream resolver")?);
        Ok(())
    }

    fn ip(&self, place: Place, arguments: &str) -> anyhow::Result<()> {
        ip(&format!("-n {} {arguments}", self.name(place)))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        leftover::remove(self.maker);
        if let Some(upstream) = &mut self.upstream {
            // It was told to end with its namespace; nothing is left to do if it cannot be waited for.
            let _ = upstream.wait();
        }
    }
}

/// The name of a namespace of some process's lab.
pub(super) fn name(maker: u32, place: Place) -> String {
    format!("{PREFIX}{maker}-{}", place.label())
}

/// Where a lab keeps files, and its BPF file system.
pub(super) fn home(maker: u32) -> PathBuf {
    PathBuf::from(format!("/run/{PREFIX}{maker}"))
}

/// This file says that a lab outlives its maker on purpose.
pub(super) fn kept_marker(maker: u32) -> PathBuf {
    home(maker).join("kept")
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    command::output(Command::new("ip").args(arguments.split(' '))).map(drop)
}
