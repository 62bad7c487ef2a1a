//! A schedule of queries from a pod to each one's latency, from the time that it was due, not from the time that it got
//! away, to the time that the kernel of the pod had its answer (`SO_TIMESTAMPNS`).
//!
//! The sender is one thread that never sleeps, on a CPU of its own; so the servers are on the others.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::peers::daemon::{pin, pin_this_thread};
use crate::peers::latency::{Latencies, Wanted};
use crate::peers::question::{Question, Truth};
use crate::peers::servers::Server;
use crate::peers::{CLIENT_CPU, server_cpus};

/// How many source ports there are; servers with several sockets choose by port.
const PORTS: usize = 16;
/// How many queries of a port have different IDs.
const IDS: usize = 1 << 16;
/// What comes later than this is lost, nanoseconds.
const PATIENCE: i64 = 1_000_000_000;
/// Enough for a second's answers, bytes: what is lost must not be the sender's.
const BUFFER: usize = 8 << 20;

/// Sends `rate` queries a second for so long. A wrong answer is an error.
pub(crate) fn paced(
    server: &Server<'_>,
    questions: &[Question],
    truth: &Truth,
    rate: u32,
    time: Duration,
) -> Result<Latencies> {
    pin(&server.pids, &server_cpus()?)?;
    let wanted = Wanted::all(server, questions, truth)?;
    let latencies = server.pod.enter(|| -> Result<_> {
        pin_this_thread(CLIENT_CPU)?;
        let ports = (0..PORTS).map(|_| Port::new(server.address));
        let ports = ports.collect::<Result<_>>()?;
        Sender { ports, wanted }.run(rate, time)
    });
    let (latencies, sent) = latencies.context(server.name)?;
    Latencies::new(latencies, sent).context(server.name)
}

struct Sender {
    ports: Vec<Port>,
    wanted: Vec<Wanted>,
}

impl Sender {
    /// The latencies of those that were answered, microseconds, and how many were sent.
    fn run(mut self, rate: u32, time: Duration) -> Result<(Vec<f64>, usize)> {
        let gap = 1_000_000_000 / i64::from(rate);
        let total = usize::try_from(i64::try_from(time.as_nanos())? / gap)?;
        let mut latencies = Vec::with_capacity(total);
        let (mut sent, mut due) = (0, now()? + 1_000_000);
        loop {
            if sent < total && now()? >= due {
                let (port, id) = (sent % self.ports.len(), sent / self.ports.len());
                let which = sent % self.wanted.len();
                let query = &mut self.wanted[which].query;
                self.ports[port].send(query, id % IDS, (due, which))?;
                sent += 1;
                due += gap;
            }
            for port in &mut self.ports {
                if port.open > 0 {
                    port.take(&self.wanted, &mut latencies)?;
                }
            }
            let open = self.ports.iter().any(|port| port.open > 0);
            if sent == total && (!open || now()? > due + PATIENCE) {
                return Ok((latencies, total));
            }
        }
    }
}

struct Port {
    socket: UdpSocket,
    /// When the query of each ID was due, nanoseconds of the real-time clock, and which one it was.
    due: Vec<Option<(i64, usize)>>,
    /// How many queries are without an answer.
    open: usize,
}

impl Port {
    fn new(server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
        Ok(Self {
            socket,
            due: vec![None; IDS],
            open: 0,
        })
    }

    fn send(&mut self, query: &mut [u8], id: usize, due: (i64, usize)) -> Result<()> {
        query[..2].copy_from_slice(&u16::try_from(id)?.to_be_bytes());
        match self.socket.send(query) {
            Ok(_) => {
                // A query that had the same ID is lost.
                if self.due[id].replace(due).is_none() {
                    self.open += 1;
                }
                Ok(())
            }
            // Then it is this one that is lost.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes in all that has come.
    fn take(&mut self, wanted: &[Wanted], latencies: &mut Vec<f64>) -> Result<()> {
        let mut buffer = [0; 2048];
        while let Some((length, time)) = self.receive(&mut buffer)? {
            let id = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
            let Some((due, which)) = self.due[id].take() else {
                continue;
            };
            self.open -= 1;
            wanted[which].check(&buffer[..length])?;
            if time - due <= PATIENCE {
                #[expect(clippy::cast_precision_loss, reason = "below a second")]
                latencies.push((time - due) as f64 / 1000.0);
            }
        }
        Ok(())
    }

    /// The length of the next response and when it came, if there is one.
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<(usize, i64)>> {
        let mut space = nix::cmsg_space!(TimeSpec);
        let mut slices = [IoSliceMut::new(buffer)];
        let descriptor = self.socket.as_raw_fd();
        let flags = MsgFlags::empty();
        match recvmsg::<()>(descriptor, &mut slices, Some(&mut space), flags) {
            Ok(message) => {
                let time = message.cmsgs()?.find_map(|one| match one {
                    ControlMessageOwned::ScmTimestampns(time) => Some(nanoseconds(time)),
                    _ => None,
                });
                Ok(Some((message.bytes, time.context("no time of arrival")?)))
            }
            Err(nix::Error::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Nanoseconds of the clock that the kernel stamps packets with.
fn now() -> Result<i64> {
    Ok(nanoseconds(clock_gettime(ClockId::CLOCK_REALTIME)?))
}

fn nanoseconds(time: TimeSpec) -> i64 {
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}
