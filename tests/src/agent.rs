//! A `kerndns run` that a test started: its signals, its log, its metrics, its end.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::attacher::eventually;
use crate::netns::Netns;

/// Where each agent serves /metrics and /ready, in its own namespace.
pub const METRICS: &str = "127.0.0.1:9153";

/// A running agent; killed when this is dropped.
#[derive(Debug)]
pub struct Agent<'a> {
    node: &'a Netns,
    child: Child,
    log: PathBuf,
}

impl<'a> Agent<'a> {
    /// Starts `command`, which runs `kerndns` inside `node`, with its log going to the file `log`.
    pub fn spawn(node: &'a Netns, command: &mut Command, log: PathBuf) -> Result<Self> {
        let file = File::create(&log)?;
        let child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Self { node, child, log })
    }

    /// Waits until it has listed every object and written the maps.
    pub fn ready(&mut self) -> Result<()> {
        self.ready_within(Duration::from_secs(30))
    }

    /// The same, with more patience than that.
    pub fn ready_within(&mut self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        while !self.get("/ready").is_ok_and(|(status, _)| status == 200) {
            if let Some(status) = self.child.try_wait()? {
                bail!("kerndns ended, {status}:\n{}", self.log());
            }
            ensure!(Instant::now() < end, "never ready:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// All that it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many lines of its log hold `text`.
    pub fn said(&self, text: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Waits until it says so.
    #[track_caller]
    pub fn expect_log(&self, text: &str) {
        eventually(&format!("`{text}` in the log"), || match self.said(text) {
            0 => Err(self.log()),
            _ => Ok(()),
        });
    }

    /// How often this hook's program came to this outcome, as /metrics says.
    pub fn outcome(&self, hook: &str, outcome: &str) -> Result<u64> {
        self.metric(&format!(
            "kerndns_kernel_outcomes_total{{hook=\"{hook}\",outcome=\"{outcome}\"}}"
        ))
    }

    /// How many queries the programs at the pods' interfaces have answered.
    pub fn answered(&self) -> Result<u64> {
        let kinds = ["answer", "nodata", "nxdomain"].into_iter();
        kinds.map(|kind| self.outcome("tc", kind)).sum()
    }

    /// A number of /metrics, by all that stands before it on its line.
    pub fn metric(&self, name: &str) -> Result<u64> {
        let (_, text) = self.get("/metrics")?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .with_context(|| format!("no {name} in\n{text}"))?;
        Ok(value.trim().parse()?)
    }

    /// Its own histogram of the time from an event to the answer: how many changes took no longer than each bound, in
    /// seconds as text.
    pub fn event_to_answer(&self) -> Result<Vec<(String, u64)>> {
        let (_, text) = self.get("/metrics")?;
        let prefix = "kerndns_event_to_answer_seconds_bucket{le=\"";
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix(prefix)?.split_once("\"} ")?;
            Some((bound.to_owned(), count.parse().ok()?))
        };
        Ok(text.lines().filter_map(bucket).collect())
    }

    /// Every outcome that was counted, for messages.
    pub fn outcomes(&self) -> Vec<String> {
        let metrics = self.get("/metrics").map(|(_, text)| text);
        metrics
            .unwrap_or_default()
            .lines()
            .filter(|line| line.starts_with("kerndns_kernel_outcomes") && !line.ends_with(" 0"))
            .map(str::to_owned)
            .collect()
    }

    /// Waits until this many interfaces have the program of this hook.
    #[track_caller]
    pub fn expect_attached(&self, hook: &str, count: u64) {
        let name = format!("kerndns_attached_interfaces{{hook=\"{hook}\"}}");
        eventually(&format!("{count} attached"), || match self.metric(&name) {
            Ok(attached) if attached == count => Ok(()),
            other => Err(format!("{other:?}\n{}", self.log())),
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(self.pid()?, signal)?)
    }

    /// Waits for its end, at most so long.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < end, "still running:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its resident memory, KiB.
    pub fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let words = line.context("no VmRSS")?;
        Ok(words
            .split_whitespace()
            .next()
            .context("no number")?
            .parse()?)
    }

    /// Its process's number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(self.child.id().try_into()?))
    }

    /// Status and body of an HTTP response.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let address: SocketAddr = METRICS.parse()?;
        self.node.enter(|| get(address, path))
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // A stopped process dies of SIGKILL, too.
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Status and body of an HTTP response (RFC 1945), in the network namespace of the calling thread.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let patience = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let status = response.split(' ').nth(1).context("no status")?.parse()?;
    let (_, body) = response.split_once("\r\n\r\n").context("no body")?;
    Ok((status, body.to_owned()))
}

/// The `kerndns` that the environment variable of this name says, else that of this workspace, built if it is not up
/// to date, with the profile of the program that asks.
pub fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = env::var_os("KERNDNS") {
            return named.into();
        }
        let profile = if cfg!(debug_assertions) {
            "dev"
        } else {
            "image"
        };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "dns-agent"])
            .args(["--profile", profile])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "kerndns does not build"
        );
        // A test is TARGET/PROFILE/deps/NAME-HASH, a program TARGET/PROFILE/NAME.
        let this = env::current_exe().expect("/proc is mounted");
        let mut directory = this.parent().expect("cargo put it there");
        if directory.ends_with("deps") {
            directory = directory.parent().expect("deps is in one");
        }
        directory.join("kerndns")
    })
}
