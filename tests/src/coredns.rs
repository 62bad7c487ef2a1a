//! CoreDNS beside an agent, on the same API server: when it has all objects, and what they take.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::agent::get;
use crate::api_server::built;

/// The release, as `xtask` keeps it.
const CACHE: &str = "coredns-1.15.0";
/// Where it says that it is ready.
const READY: &str = "127.0.0.1:18181";

/// A running CoreDNS with kubeadm's Corefile, less `loop`, whose probe would go nowhere; killed when dropped. It belongs
/// into a network namespace without others.
#[derive(Debug)]
pub struct CoreDns {
    child: Child,
    corefile: PathBuf,
}

impl CoreDns {
    /// Starts it in the network namespace of the calling thread; `corefile` is a file that it writes.
    pub fn start(kubeconfig: &Path, corefile: PathBuf) -> Result<Self> {
        let program = built(CACHE).context("HOME is not set")?.join("coredns");
        ensure!(
            program.is_file(),
            "there is no {}: `cargo xtask parity` builds it",
            program.display()
        );
        fs::write(&corefile, text(kubeconfig))?;
        let child = Command::new(program)
            .arg("-conf")
            .arg(&corefile)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, corefile })
    }

    /// Waits until it has listed every object.
    pub fn ready_within(&mut self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        let address: SocketAddr = READY.parse()?;
        while !get(address, "/ready").is_ok_and(|(status, _)| status == 200) {
            if let Some(status) = self.child.try_wait()? {
                bail!("CoreDNS ended: {status}");
            }
            ensure!(Instant::now() < end, "CoreDNS is not ready");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Its process's number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for CoreDns {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
        let _gone_already = fs::remove_file(&self.corefile);
    }
}

fn text(kubeconfig: &Path) -> String {
    format!(
        ".:15353 {{
    bind 127.0.0.1
    errors
    ready {READY}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    forward . 127.0.0.1:15354
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    reload
    loadbalance
}}
",
        kubeconfig.display()
    )
}
