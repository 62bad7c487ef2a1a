//! A `kerndns run` of a test's own: the real binary in the network namespace of the caller's
//! thread, killed when dropped; and what it serves by HTTP.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::netns::{BpfFs, TempFile};

/// Where it serves `/metrics` and `/ready`: it has the namespace's loopback for itself.
const METRICS: &str = "127.0.0.1:9253";
/// How long it may take to load its programs and to list what there is.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running agent without DNS sockets: every response in its namespace is the kernel's.
#[derive(Debug)]
pub struct Kerndns {
    child: Child,
    log: TempFile,
    // Unmounted after the process is gone.
    _bpffs: BpfFs,
}

impl Kerndns {
    /// Starts `kerndns run --source kubernetes` with the built-in Corefile at the interfaces
    /// `pods`, and waits until it serves HTTP. Call it on a thread in the node's namespace.
    pub fn start(kubeconfig: &Path, pods: &str) -> Result<Self> {
        let bpffs = BpfFs::new()?;
        let log = TempFile::new("")?;
        let child = Command::new(binary()?)
            .args(["run", "--source", "kubernetes", "--listen", "none"])
            .args(["--pods", pods, "--metrics", METRICS, "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--bpffs")
            .arg(bpffs.path())
            .env_remove("RUST_LOG")
            .env_remove("KUBERNETES_SERVICE_HOST")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().append(true).open(log.path())?)
            .spawn()?;
        let mut this = Self {
            child,
            log,
            _bpffs: bpffs,
        };
        this.wait(
            "it serves /health",
            |this| Ok(this.get("/health")?.0 == 200),
        )?;
        Ok(this)
    }

    /// Waits until `/ready` says 200.
    pub fn ready(&mut self) -> Result<()> {
        self.wait("it is ready", |this| Ok(this.get("/ready")?.0 == 200))
    }

    /// Waits for something, up to half a minute; the error holds the log.
    pub fn wait(&mut self, what: &str, check: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !check(self).unwrap_or(false) {
            if let Some(status) = self.child.try_wait()? {
                bail!("kerndns ended with {status}:\n{}", self.log());
            }
            ensure!(
                Instant::now() < end,
                "not within {PATIENCE:?}: {what}; kerndns said:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The status and the body of an HTTP response.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let address: SocketAddr = METRICS.parse()?;
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").context("an HTTP response")?;
        let status = head.split(' ').nth(1).context("an HTTP status")?;
        Ok((status.parse()?, body.into()))
    }

    /// A metric's value, by its name with all labels as exported; 0 if there is none.
    pub fn metric(&self, name: &str) -> Result<u64> {
        let (_, text) = self.get("/metrics")?;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.map(str::parse).transpose()?.unwrap_or_default())
    }

    /// How often the program at the pods' interfaces came to this outcome.
    pub fn outcome(&self, outcome: &str) -> Result<u64> {
        let name = "kerndns_kernel_outcomes_total";
        self.metric(&format!("{name}{{hook=\"tc\",outcome=\"{outcome}\"}}"))
    }

    /// How many queries the program has answered.
    pub fn answered(&self) -> Result<u64> {
        let mut sum = 0;
        for outcome in ["answer", "nodata", "nxdomain"] {
            sum += self.outcome(outcome)?;
        }
        Ok(sum)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Drop for Kerndns {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _no_child = self.child.wait();
    }
}

/// `kerndns` of the same build: tests are in `target/<profile>/deps`.
fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).context("a build directory")?;
    let binary = profile.join("kerndns");
    ensure!(
        binary.is_file(),
        "there is no {}: build it with `cargo build -p dns-agent`",
        binary.display()
    );
    Ok(binary)
}
