//! `kerndns run` on a node with a pod, a cluster made of manifests, and a scripted upstream: where conformance
//! is asked for.
//!
//! Two agents run side by side, so that each question can be asked in each way: one whose programs sit on the
//! pod's veth, one alone (`--kernel off`), at another port of the same address.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::agent::{binary, get};
use crate::netns::{BpfFs, Netns};
use crate::testbed::{Testbed, node_address_v4};
use crate::upstream::Upstream;

/// How long a response may take. Silence takes [`SILENCE`].
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a start may take: where others use the CPUs, the verifier alone takes some seconds.
const START: Duration = Duration::from_secs(30);
/// How long a socket is watched before it counts as silent.
const SILENCE: Duration = Duration::from_millis(300);
/// Where the upstream listens, in the node's namespace.
const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1053);

/// The three ways in which a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through the pod's veth, whose program answers or passes.
    Kernel,
    /// The agent's UDP socket.
    Udp,
    /// The agent's TCP socket.
    Tcp,
}

/// All [`Way`]s.
pub const WAYS: [Way; 3] = [Way::Kernel, Way::Udp, Way::Tcp];

/// The node, its pod and its two agents; all are gone when this is dropped.
#[derive(Debug)]
pub struct Site {
    // Dropped in this order: the agents while their interfaces are still there.
    with_kernel: Agent,
    _alone: Agent,
    upstream: Upstream,
    testbed: Testbed,
    _bpffs: BpfFs,
}

impl Site {
    /// Starts everything. `PORT` and `UPSTREAM` in `corefile` are replaced by where the agent and the upstream
    /// listen; `manifests` is one YAML stream.
    pub fn start(corefile: &str, manifests: &str) -> Result<Self> {
        let testbed = Testbed::routed(1)?;
        let bpffs = BpfFs::new()?;
        let node = &testbed.node;
        let upstream = node.enter(|| Upstream::start(UPSTREAM))?;
        let bpffs_flag = ["--bpffs", bpffs.path().to_str().context("not UTF-8")?];
        let pods = ["--kernel", "on", "--pods", "veth0"];
        let flags = [&bpffs_flag[..], &pods].concat();
        let with_kernel = Agent::start(node, Way::Kernel, corefile, manifests, &flags)?;
        let alone = Agent::start(node, Way::Udp, corefile, manifests, &["--kernel", "off"])?;
        let site = Self {
            with_kernel,
            _alone: alone,
            upstream,
            testbed,
            _bpffs: bpffs,
        };
        site.wait_for_the_kernel()?;
        Ok(site)
    }

    /// Sends one message and returns the response; `None`: silence.
    pub fn ask(&self, way: Way, message: &[u8]) -> Result<Option<Vec<u8>>> {
        let address = address(way);
        let pod = &self.testbed.pods[0];
        match way {
            Way::Kernel | Way::Udp => pod.enter(|| ask_udp(address, message)),
            Way::Tcp => pod.enter(|| ask_tcp(address, &[message]).map(|mut all| all.pop())),
        }
    }

    /// Sends messages over one TCP connection without waiting, and returns the responses as they come.
    pub fn pipeline(&self, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
        self.testbed.pods[0].enter(|| ask_tcp(address(Way::Tcp), messages))
    }

    /// Asks for a zone over TCP (QTYPE AXFR) and returns the messages up to the second SOA record.
    pub fn transfer(&self, query: &[u8]) -> Result<Vec<Message>> {
        self.testbed.pods[0].enter(|| {
            let mut stream = TcpStream::connect(address(Way::Tcp))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&u16::try_from(query.len())?.to_be_bytes())?;
            stream.write_all(query)?;
            let mut messages = Vec::new();
            let mut soa = 0;
            while soa < 2 {
                let message = Message::from_vec(&read_message(&mut stream)?)?;
                let answers = message.answers.iter();
                soa += answers
                    .filter(|answer| answer.record_type() == RecordType::SOA)
                    .count();
                ensure!(!message.answers.is_empty(), "{message}");
                messages.push(message);
            }
            Ok(messages)
        })
    }

    /// How often the programs had this outcome.
    pub fn kernel_outcomes(&self, outcome: &str) -> Result<u64> {
        let metrics = self.with_kernel.metrics;
        let (_, page) = self.testbed.node.enter(|| get(metrics, "/metrics"))?;
        let label = format!("outcome=\"{outcome}\"");
        // One line for each hook.
        let lines = page.lines().filter(|line| {
            line.starts_with("kerndns_kernel_outcomes_total") && line.contains(&label)
        });
        let counts = lines.filter_map(|line| line.rsplit(' ').next());
        let counts = counts.map(str::parse::<u64>);
        Ok(counts.sum::<Result<u64, _>>()?)
    }

    /// How many queries have reached the upstream.
    pub fn forwarded(&self) -> usize {
        self.upstream.queries()
    }

    /// An agent is ready before its programs are on every interface.
    fn wait_for_the_kernel(&self) -> Result<()> {
        let message = crate::case::query("dns-version.cluster.local.", "TXT")?;
        let message = message.to_vec()?;
        let start = Instant::now();
        while self.kernel_outcomes("answer")? == 0 {
            ensure!(start.elapsed() < PATIENCE, "the kernel does not answer");
            self.ask(Way::Kernel, &message)?;
        }
        Ok(())
    }
}

fn address(way: Way) -> SocketAddr {
    let port = if way == Way::Kernel { 53 } else { 5300 };
    SocketAddr::new(node_address_v4(0), port)
}

fn ask_udp(address: SocketAddr, message: &[u8]) -> Result<Option<Vec<u8>>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(address)?;
    // What is to be answered is answered at once; only silence has to be waited for.
    let wait = if is_response(message) {
        SILENCE
    } else {
        PATIENCE
    };
    socket.set_read_timeout(Some(wait))?;
    socket.send(message)?;
    let mut buffer = vec![0; 65_535];
    match socket.recv(&mut buffer) {
        Ok(length) => {
            buffer.truncate(length);
            Ok(Some(buffer))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A message that is to be met with silence: a response, or less than a header.
fn is_response(message: &[u8]) -> bool {
    message.len() < 12 || message[2] & 0x80 != 0
}

fn ask_tcp(address: SocketAddr, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut expected = 0;
    for message in messages {
        stream.write_all(&u16::try_from(message.len())?.to_be_bytes())?;
        stream.write_all(message)?;
        expected += usize::from(!is_response(message));
    }
    let mut responses = Vec::new();
    while responses.len() < expected {
        responses.push(read_message(&mut stream)?);
    }
    Ok(responses)
}

fn read_message(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// One `kerndns run`, with the files it was given.
#[derive(Debug)]
struct Agent {
    child: Child,
    directory: PathBuf,
    metrics: SocketAddr,
}

impl Agent {
    fn start(
        node: &Netns,
        way: Way,
        corefile: &str,
        manifests: &str,
        flags: &[&str],
    ) -> Result<Self> {
        let address = address(way);
        let port = address.port().to_string();
        let directory = std::env::temp_dir().join(format!("{}-{port}", node.name()));
        fs::create_dir(&directory)?;
        let text = corefile
            .replace("PORT", &port)
            .replace("UPSTREAM", &UPSTREAM.to_string());
        fs::write(directory.join("Corefile"), text)?;
        fs::create_dir(directory.join("objects"))?;
        fs::write(directory.join("objects/cluster.yaml"), manifests)?;
        let metrics = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9000 + address.port() % 1000);
        let child = node
            .command(binary())
            .arg("run")
            .arg("--corefile")
            .arg(directory.join("Corefile"))
            .arg("--source")
            .arg(directory.join("objects"))
            .args(["--listen", &address.to_string()])
            .args(["--metrics", &metrics.to_string()])
            .args(flags)
            .stdout(fs::File::create(directory.join("log"))?)
            .stderr(
                fs::File::options()
                    .append(true)
                    .open(directory.join("log"))?,
            )
            .spawn()?;
        let mut agent = Self {
            child,
            directory,
            metrics,
        };
        node.enter(|| agent.wait_until_ready())?;
        Ok(agent)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if get(self.metrics, "/ready").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || start.elapsed() > START {
                let log = fs::read_to_string(self.directory.join("log"))?;
                bail!("kerndns is not ready ({ended:?}): {log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _gone_already = kill(pid, Signal::SIGTERM);
        let _waited_for = self.child.wait();
        let _gone_already = fs::remove_dir_all(&self.directory);
    }
}
