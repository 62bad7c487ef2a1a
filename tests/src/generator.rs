//! Queries made in the kernel as fast as one CPU can, for a program at a pod's veth: what is behind the tens of
//! nanoseconds that sending a datagram from a process costs (`BPF_F_TEST_XDP_LIVE_FRAMES`, Linux 5.18).
//!
//! ```text
//! XDP:  frame -> out of the pod's eth0 -> veth0, native XDP, the program: XDP_TX -> eth0, native XDP: sink
//! tc:   frame -> veth0, an skb of it -> TCX ingress, the program: bpf_redirect_peer -> eth0, TCX ingress: sink
//! ```
//!
//! Sender, program and sink take turns on one CPU, so a rate is that of all three; the rate with a floor in the
//! program's place says what the other two take.

use std::net::UdpSocket;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dns_ebpf::outcome::Hook;
use nix::net::if_::if_nametoindex;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::frame::Frame;
use crate::link::Link;
use crate::query::Query;
use crate::testbed::Testbed;
use crate::wrapper::{Queries, Sink, Wrapped, empty, sender, through};

/// How long the last frames may be under way.
const PATIENCE: Duration = Duration::from_secs(1);

/// A pod, and what stands at both ends of its veth pair.
pub struct Generator {
    hook: Hook,
    sender: OwnedFd,
    sink: Sink,
    through: OwnedFd,
    /// The program at the node's end, which is the hook's.
    here: Link,
    /// The one at the pod's end.
    there: Link,
    /// Where the pod receives what is let through to it.
    socket: UdpSocket,
    testbed: Testbed,
}

/// What came of a round.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// How long it took.
    pub time: Duration,
    /// How many frames came back to the pod.
    pub back: u32,
}

impl Generator {
    /// Makes the pod, for the programs of one hook.
    pub fn new(hook: Hook) -> Result<Self> {
        let testbed = Testbed::routed(1)?;
        let (pod, node) = (&testbed.pods[0], &testbed.node);
        let of_a_pod = Frame::v4(Vec::new());
        pod.ip(&format!(
            "link set eth0 address {}",
            mac(of_a_pod.source_mac)
        ))?;
        node.ip(&format!(
            "link set veth0 address {}",
            mac(of_a_pod.destination_mac)
        ))?;
        let socket = pod.enter(|| UdpSocket::bind(of_a_pod.source))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let (drop, through) = (empty(hook)?, through(hook)?);
        let at = |interface: &str, program: BorrowedFd<'_>| {
            Link::new(hook, if_nametoindex(interface)?, program)
        };
        let here = node.enter(|| at("veth0", drop.as_fd()))?;
        let there = pod.enter(|| at("eth0", through.as_fd()))?;
        Ok(Self {
            hook,
            sender: sender(hook)?,
            sink: Sink::new(hook)?,
            through,
            here,
            there,
            socket,
            testbed,
        })
    }

    /// What sends these queries.
    pub fn sender<'a>(&self, queries: &'a Queries) -> Result<Wrapped<'a>> {
        Wrapped::new(Hook::Xdp, queries, self.sender.as_fd())
    }

    /// Asks each query once, with `program` at the node's end, and gives what a socket in the pod receives; `sender`
    /// must be that of these queries, and have sent nothing yet.
    pub fn sample(
        &self,
        program: BorrowedFd<'_>,
        sender: &Wrapped<'_>,
        queries: &[Query],
    ) -> Result<Vec<Vec<String>>> {
        self.here.replace(program)?;
        self.there.replace(self.through.as_fd())?;
        let mut answers = Vec::new();
        let mut octets = [0; 2048];
        for query in queries {
            self.run(sender, 1)?;
            let length = self.socket.recv(&mut octets);
            let length = length.context("no answer reached the pod's socket")?;
            answers.push(query.answered_by(&octets[..length])?);
        }
        Ok(answers)
    }

    /// Sends `count` queries to `program`, whose answers are counted at the pod's end.
    pub fn round(
        &self,
        program: BorrowedFd<'_>,
        sender: &Wrapped<'_>,
        count: u32,
        is_answering: bool,
    ) -> Result<Sent> {
        self.here.replace(program)?;
        self.there.replace(self.sink.program.as_fd())?;
        let before = self.sink.count()?;
        let time = self.run(sender, count)?;
        let end = Instant::now() + PATIENCE;
        let mut back = self.sink.count()?.wrapping_sub(before);
        while is_answering && back < count && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
            back = self.sink.count()?.wrapping_sub(before);
        }
        // The link's own frames, as of neighbour discovery, arrive there too.
        ensure!(
            is_answering || back <= count / 1000,
            "{back} frames came back from a program that drops"
        );
        Ok(Sent { time, back })
    }

    /// Sends `count` queries that end where they are made.
    pub fn idle(&self, queries: &Queries, count: u32) -> Result<Duration> {
        let drop = empty(Hook::Xdp)?;
        self.run(&Wrapped::new(Hook::Xdp, queries, drop.as_fd())?, count)
    }

    fn run(&self, sender: &Wrapped<'_>, count: u32) -> Result<Duration> {
        let (netns, interface) = match self.hook {
            Hook::Xdp => (&self.testbed.pods[0], "eth0"),
            Hook::Tc => (&self.testbed.node, "veth0"),
        };
        netns.enter(|| {
            // Always the same CPU: who answers shares it with who asks.
            let mut cpus = CpuSet::new();
            cpus.set(0)?;
            sched_setaffinity(Pid::from_raw(0), &cpus)?;
            let ifindex = if_nametoindex(interface)?;
            let started = Instant::now();
            sender.send(ifindex, count)?;
            Ok(started.elapsed())
        })
    }
}

fn mac(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}
