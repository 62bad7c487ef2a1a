//! A schedule of queries from a pod to each one's latency, from the time that it was due, not from the time that it got
//! away, to the time that the kernel of the pod had its answer (`SO_TIMESTAMPNS`).
//!
//! The sender is one thread that never sleeps, on a CPU of its own; so the servers are on the others.

use std::io::{ErrorKind, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::peers::daemon::pin;
use crate::peers::servers::Server;
use crate::peers::workload::{Question, Truth};
use crate::peers::{CLIENT_CPU, server_cpus};
use crate::series::quantile;

/// How many source ports there are; servers with several sockets choose by port.
const SOCKETS: usize = 16;
/// What comes later than this is lost.
const PATIENCE: i64 = 1_000_000_000;
/// Enough for a second's answers, bytes: what is lost must not be the sender's.
const BUFFER: usize = 8 << 20;

/// What one run has shown; latencies in microseconds.
#[derive(Debug)]
pub(crate) struct Paced {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// The share of the queries that had no answer within a second.
    pub(crate) lost: f64,
}

/// Sends `rate` queries a second for so long. A wrong answer is an error.
pub(crate) fn paced(
    server: &Server<'_>,
    questions: &[Question],
    truth: &Truth,
    rate: u32,
    time: Duration,
) -> Result<Paced> {
    pin(&server.pids, &server_cpus()?)?;
    let wanted = questions
        .iter()
        .map(|question| Wanted::new(question, truth));
    let wanted: Vec<Wanted> = wanted.collect::<Result<_>>()?;
    let latencies = server.pod.enter(|| -> Result<_> {
        pin_this_thread(CLIENT_CPU)?;
        let sockets: Vec<Socket> = (0..SOCKETS)
            .map(|_| Socket::new(server.address))
            .collect::<Result<_>>()?;
        Sender { sockets, wanted }.run(rate, time)
    });
    let (mut latencies, sent) = latencies.context(server.name)?;
    latencies.sort_by(f64::total_cmp);
    ensure!(!latencies.is_empty(), "{} answers nothing", server.name);
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    let lost = 1.0 - latencies.len() as f64 / sent as f64;
    // What has no answer took longer than any that has.
    latencies.resize(sent, f64::INFINITY);
    let at = |share| quantile(&latencies, share);
    Ok(Paced {
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        lost,
    })
}

/// Lets the calling thread run on this CPU only.
pub(crate) fn pin_this_thread(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// A query, and what tells a right answer from a wrong one at a glance.
struct Wanted {
    query: Vec<u8>,
    /// The RCODE's four bits.
    rcode: u8,
    /// ANCOUNT.
    answers: u16,
}

impl Wanted {
    fn new(question: &Question, truth: &Truth) -> Result<Self> {
        let answer = truth.answer(question);
        Ok(Self {
            query: question.octets()?,
            rcode: answer.rcode.low(),
            answers: u16::try_from(answer.records.len())?,
        })
    }

    fn is(&self, response: &[u8]) -> bool {
        let [_, _, _, flags, _, _, high, low, ..] = response else {
            return false;
        };
        flags & 0xf == self.rcode && u16::from_be_bytes([*high, *low]) == self.answers
    }
}

struct Socket {
    socket: UdpSocket,
    /// When the query of each ID was due, nanoseconds of the real-time clock, and which one it was.
    due: Vec<Option<(i64, usize)>>,
    /// How many queries are without an answer.
    open: usize,
}

impl Socket {
    fn new(server: std::net::SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
        Ok(Self {
            socket,
            due: vec![None; 1 << 16],
            open: 0,
        })
    }

    /// The next response and when it came, if there is one.
    fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<(&'a [u8], i64)>> {
        let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let (length, time) = {
            let mut slices = [IoSliceMut::new(buffer)];
            let descriptor = self.socket.as_raw_fd();
            match recvmsg::<()>(descriptor, &mut slices, Some(&mut space), MsgFlags::empty()) {
                Ok(message) => {
                    let time = message.cmsgs()?.find_map(|one| match one {
                        ControlMessageOwned::ScmTimestampns(time) => Some(time),
                        _ => None,
                    });
                    (message.bytes, time.context("a response without a time")?)
                }
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        };
        let nanoseconds = time.tv_sec() * 1_000_000_000 + time.tv_nsec();
        Ok(Some((
            buffer.get(..length).unwrap_or_default(),
            nanoseconds,
        )))
    }
}

struct Sender {
    sockets: Vec<Socket>,
    wanted: Vec<Wanted>,
}

impl Sender {
    /// The latencies of those that were answered, microseconds, and how many were sent.
    fn run(mut self, rate: u32, time: Duration) -> Result<(Vec<f64>, usize)> {
        let gap = 1_000_000_000 / i64::from(rate);
        let total = usize::try_from(i64::try_from(time.as_nanos())? / gap)?;
        let mut latencies = Vec::with_capacity(total);
        let mut query = Vec::with_capacity(512);
        let (mut sent, mut due) = (0, now()? + 1_000_000);
        loop {
            let time = now()?;
            if sent < total && time >= due {
                let wanted = sent % self.wanted.len();
                let sockets = self.sockets.len();
                let socket = &mut self.sockets[sent % sockets];
                let [high, low] = u16::try_from(sent / sockets % (1 << 16))?.to_be_bytes();
                query.clear();
                query.extend_from_slice(&self.wanted[wanted].query);
                query[..2].copy_from_slice(&[high, low]);
                match socket.socket.send(&query) {
                    Ok(_) => {
                        let slot = usize::from(u16::from_be_bytes([high, low]));
                        if socket.due[slot].replace((due, wanted)).is_none() {
                            socket.open += 1;
                        }
                    }
                    // Then it is one that was lost.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
                sent += 1;
                due += gap;
            }
            for socket in &mut self.sockets {
                if socket.open > 0 {
                    take(socket, &self.wanted, &mut latencies)?;
                }
            }
            let open = self.sockets.iter().any(|socket| socket.open > 0);
            if sent == total && (!open || now()? > due + PATIENCE) {
                return Ok((latencies, total));
            }
        }
    }
}

/// Takes in all that has come to a socket.
fn take(socket: &mut Socket, wanted: &[Wanted], latencies: &mut Vec<f64>) -> Result<()> {
    let mut buffer = [0; 2048];
    while let Some((response, time)) = socket.receive(&mut buffer)? {
        let [high, low, ..] = *response else {
            continue;
        };
        let slot = usize::from(u16::from_be_bytes([high, low]));
        let Some((due, which)) = socket.due[slot].take() else {
            continue;
        };
        socket.open -= 1;
        ensure!(
            wanted[which].is(response),
            "a wrong response: {response:02x?} to {:02x?}",
            wanted[which].query
        );
        if time - due <= PATIENCE {
            #[expect(clippy::cast_precision_loss, reason = "below a second")]
            latencies.push((time - due) as f64 / 1000.0);
        }
    }
    Ok(())
}

/// Nanoseconds of the clock that the kernel stamps packets with.
fn now() -> Result<i64> {
    let time = clock_gettime(ClockId::CLOCK_REALTIME)?;
    Ok(time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// A pod's socket that asks, waits, and asks again, for so long: latencies in microseconds. Where the server is on
/// `cpu` is said by `server_cpus`.
pub(crate) fn ping_pong(
    server: &Server<'_>,
    questions: &[Question],
    server_cpus: &[usize],
    time: Duration,
) -> Result<Paced> {
    pin(&server.pids, server_cpus)?;
    let queries: Vec<Vec<u8>> = questions
        .iter()
        .take(1000)
        .map(Question::octets)
        .collect::<Result<_>>()?;
    let (mut latencies, sent) = server.pod.enter(|| -> Result<(Vec<f64>, usize)> {
        pin_this_thread(CLIENT_CPU)?;
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(server.address)?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        let (mut latencies, mut sent, mut buffer) = (Vec::new(), 0, [0; 2048]);
        let begin = std::time::Instant::now();
        while begin.elapsed() < time {
            let query = &queries[sent % queries.len()];
            let at = std::time::Instant::now();
            socket.send(query)?;
            sent += 1;
            if socket.recv(&mut buffer).is_ok() {
                latencies.push(at.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok((latencies, sent))
    })?;
    latencies.sort_by(f64::total_cmp);
    ensure!(!latencies.is_empty(), "{} answers nothing", server.name);
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    let lost = 1.0 - latencies.len() as f64 / sent as f64;
    let at = |share| quantile(&latencies, share);
    Ok(Paced {
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        lost,
    })
}
