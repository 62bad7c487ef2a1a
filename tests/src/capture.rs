//! What arrives at the interfaces of a namespace, as frames; and whether the checksums of a response
//! in one are right (RFC 1071, RFC 768, RFC 8200 8.1).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::netns::Netns;

const ETHERNET: usize = 14;
const UDP: u8 = 17;

/// A packet socket (packet(7)) on every interface of one namespace.
#[derive(Debug)]
pub struct Capture {
    socket: File,
}

impl Capture {
    /// Takes frames from now on.
    pub fn open(netns: &Netns) -> Result<Self> {
        let protocol = i32::from((libc::ETH_P_ALL as u16).to_be());
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let opened = netns.enter(|| {
            // SAFETY: no pointers are passed.
            let fd = unsafe { libc::socket(libc::AF_PACKET, kind, protocol) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the kernel has just made this descriptor for us.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        });
        Ok(Self {
            socket: opened.context("a packet socket")?.into(),
        })
    }

    /// Waits for the next frame with a datagram from port 53 and checks its checksums and TTL.
    pub fn check_response(&mut self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(2);
        let mut frame = [0; 2048];
        while Instant::now() < end {
            match self.socket.read(&mut frame) {
                Ok(length) => {
                    if let Some(packet) = Packet::from_port_53(&frame[..length]) {
                        return packet.check();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error.into()),
            }
        }
        bail!("no response was seen")
    }
}

/// An IP packet that holds one UDP datagram.
struct Packet<'a> {
    header: &'a [u8],
    /// Source and destination.
    addresses: &'a [u8],
    datagram: &'a [u8],
    hops: u8,
}

impl<'a> Packet<'a> {
    fn from_port_53(frame: &'a [u8]) -> Option<Self> {
        let packet = frame.get(ETHERNET..)?;
        let packet = match frame.get(12..14)? {
            [0x08, 0x00] if *packet.get(9)? == UDP => {
                let length = u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]);
                Self {
                    header: packet.get(..20)?,
                    addresses: packet.get(12..20)?,
                    datagram: packet.get(20..length.into())?,
                    hops: packet[8],
                }
            }
            [0x86, 0xdd] if *packet.get(6)? == UDP => {
                let length = u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]);
                Self {
                    header: &[],
                    addresses: packet.get(8..40)?,
                    datagram: packet.get(40..40 + usize::from(length))?,
                    hops: packet[7],
                }
            }
            _ => return None,
        };
        (packet.datagram.get(..2)? == [0, 53]).then_some(packet)
    }

    fn check(&self) -> Result<()> {
        ensure!(self.hops == 64, "TTL {}", self.hops);
        // Over no octets at all, as for IPv6, the sum is 0.
        ensure!(
            self.header.is_empty() || sum(&[self.header]) == 0xffff,
            "the IPv4 header's checksum is wrong"
        );
        ensure!(
            self.datagram[6..8] != [0, 0],
            "the datagram has no checksum"
        );
        let length = u32::try_from(self.datagram.len())?.to_be_bytes();
        let parts = [self.addresses, &length, &[0, UDP], self.datagram];
        ensure!(sum(&parts) == 0xffff, "the UDP checksum is wrong");
        Ok(())
    }
}

/// The ones' complement sum; each part but the last has an even length.
fn sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("the loop ends at 16 bits")
}

/// How many datagrams this namespace has refused for their checksum, IPv4 and IPv6 together.
pub fn refused_checksums(netns: &Netns) -> Result<u64> {
    let read = |file| netns.enter(|| std::fs::read_to_string(file));
    let snmp = read("/proc/thread-self/net/snmp")?;
    let mut udp = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = udp.next().zip(udp.next()).context("no `Udp:` in snmp")?;
    let v4 = names
        .split(' ')
        .zip(values.split(' '))
        .find(|(name, _)| *name == "InCsumErrors")
        .context("no InCsumErrors in snmp")?
        .1;
    let snmp6 = read("/proc/thread-self/net/snmp6")?;
    let v6 = snmp6
        .lines()
        .find_map(|line| line.strip_prefix("Udp6InCsumErrors"))
        .context("no Udp6InCsumErrors in snmp6")?;
    Ok(v4.trim().parse::<u64>()? + v6.trim().parse::<u64>()?)
}
