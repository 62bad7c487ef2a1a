//! One TCP connection's octets from one network namespace to another, as fast as they go.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::figures::real;
use crate::netns::Netns;

/// Octets that are written and read at once.
const CHUNK: usize = 128 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends from `sender` to `address`, which is the receiver's, for about `time`; octets per second that arrived.
pub fn rate(sender: &Netns, receiver: &Netns, address: IpAddr, time: Duration) -> Result<f64> {
    let listener = receiver.enter(|| TcpListener::bind((address, 0)))?;
    let target = listener.local_addr()?;
    let mut stream = sender.enter(|| TcpStream::connect_timeout(&target, PATIENCE))?;
    let (mut accepted, _) = listener.accept()?;
    accepted.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let receiving = thread::spawn(move || -> Result<u64> {
        let (mut octets, mut buffer) = (0, vec![0; CHUNK]);
        loop {
            match accepted.read(&mut buffer)? {
                0 => return Ok(octets),
                length => octets += u64::try_from(length)?,
            }
        }
    });
    let started = Instant::now();
    let chunk = vec![0; CHUNK];
    while started.elapsed() < time {
        stream.write_all(&chunk)?;
    }
    stream.shutdown(Shutdown::Write)?;
    let octets = receiving
        .join()
        .map_err(|_| anyhow!("the receiver panicked"))??;
    Ok(real(octets) / started.elapsed().as_secs_f64())
}
