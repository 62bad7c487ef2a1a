//! A pod's connected socket that asks, waits, and asks again, to the time of each round trip.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::peers::CLIENT_CPU;
use crate::peers::daemon::{pin, pin_this_thread};
use crate::peers::latency::{Latencies, Wanted};
use crate::peers::question::{Question, Truth};
use crate::peers::servers::Server;

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks for so long, with the server on these CPUs. A wrong answer is an error.
pub(crate) fn ping_pong(
    server: &Server<'_>,
    questions: &[Question],
    truth: &Truth,
    server_cpus: &[usize],
    time: Duration,
) -> Result<Latencies> {
    pin(&server.pids, server_cpus)?;
    let mut wanted = Wanted::all(server, questions, truth)?;
    let asked = server.pod.enter(|| -> Result<(Vec<f64>, usize)> {
        pin_this_thread(CLIENT_CPU)?;
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(server.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let (mut times, mut sent, mut buffer) = (Vec::new(), 0, [0; 2048]);
        let begin = Instant::now();
        while begin.elapsed() < time {
            let which = sent % wanted.len();
            let wanted = &mut wanted[which];
            let id = u16::try_from(sent % (1 << 16))?.to_be_bytes();
            wanted.query[..2].copy_from_slice(&id);
            let at = Instant::now();
            socket.send(&wanted.query)?;
            sent += 1;
            // One that was given up may come later, and is nobody's.
            while let Ok(length) = socket.recv(&mut buffer) {
                if buffer[..2] == id {
                    times.push(at.elapsed().as_secs_f64() * 1e6);
                    wanted.check(&buffer[..length])?;
                    break;
                }
            }
        }
        Ok((times, sent))
    });
    let (times, sent) = asked.context(server.name)?;
    Latencies::new(times, sent).context(server.name)
}
