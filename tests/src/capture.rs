//! What arrives at the interfaces of a namespace, as frames; and whether the checksums of a response
//! in one are right (RFC 1071, RFC 768, RFC 8200 8.1).

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};
use std::{io, mem, thread};

use anyhow::{Context as _, Result, bail, ensure};

use crate::netns::Netns;

const ETHERNET: usize = 14;
const UDP: u8 = 17;

/// A packet socket (packet(7)) on every interface of one namespace.
#[derive(Debug)]
pub struct Capture {
    socket: OwnedFd,
}

/// A received frame.
#[derive(Debug)]
pub struct Frame {
    /// The TCI of its VLAN tag, which is not in `octets` any more.
    pub tag: Option<u16>,
    /// From the Ethernet header on.
    pub octets: Vec<u8>,
}

impl Capture {
    /// Takes frames from now on.
    pub fn open(netns: &Netns) -> Result<Self> {
        let protocol = i32::from(u16::try_from(libc::ETH_P_ALL)?.to_be());
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
        let socket = opened.context("a packet socket")?;
        // The kernel takes a tag out of the frame before we see it, and tells of it beside.
        let on: c_int = 1;
        // SAFETY: `on` lives, and its size is given.
        let set = unsafe {
            let (value, size) = ((&raw const on).cast(), size_of::<c_int>());
            let (level, name) = (libc::SOL_PACKET, libc::PACKET_AUXDATA);
            libc::setsockopt(socket.as_raw_fd(), level, name, value, size.try_into()?)
        };
        ensure!(set == 0, "no auxdata: {}", io::Error::last_os_error());
        Ok(Self { socket })
    }

    /// Sends a frame out of the interface with this index.
    pub fn send(&self, index: u32, frame: &[u8]) -> Result<()> {
        // SAFETY: a `sockaddr_ll` is integers, for which zero is a value.
        let mut to: libc::sockaddr_ll = unsafe { mem::zeroed() };
        to.sll_family = libc::AF_PACKET.try_into()?;
        to.sll_ifindex = index.try_into()?;
        // SAFETY: both pointers are to values that live, with their sizes.
        let sent = unsafe {
            let (address, size) = ((&raw const to).cast(), size_of_val(&to).try_into()?);
            let fd = self.socket.as_raw_fd();
            libc::sendto(fd, frame.as_ptr().cast(), frame.len(), 0, address, size)
        };
        ensure!(sent >= 0, "sending: {}", io::Error::last_os_error());
        Ok(())
    }

    /// Waits for the next frame with a datagram from port 53 and checks its checksums and TTL.
    pub fn check_response(&mut self) -> Result<Frame> {
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            let Some(frame) = self.receive()? else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            if let Some(packet) = Packet::from_port_53(&frame.octets) {
                packet.check()?;
                return Ok(frame);
            }
        }
        bail!("no response was seen")
    }

    fn receive(&mut self) -> Result<Option<Frame>> {
        let (mut octets, mut control) = ([0_u8; 2048], [0_u64; 16]);
        let mut piece = libc::iovec {
            iov_base: octets.as_mut_ptr().cast(),
            iov_len: octets.len(),
        };
        // SAFETY: a `msghdr` is integers and pointers, for which zero is a value.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_iov = &raw mut piece;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: all that `message` points to lives until the end of this function.
        let length = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, 0) };
        if length < 0 {
            return match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                error => Err(error.into()),
            };
        }
        // SAFETY: as above, and the kernel has filled it in.
        let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
        let told = header.filter(|header| header.cmsg_type == libc::PACKET_AUXDATA);
        let tag = told.and_then(|header| {
            // SAFETY: the header is in the buffer, its data behind it.
            let data: *const c_void = unsafe { libc::CMSG_DATA(header) }.cast();
            // SAFETY: this is what a control message of this type holds.
            let data = unsafe { data.cast::<libc::tpacket_auxdata>().read_unaligned() };
            (data.tp_status & libc::TP_STATUS_VLAN_VALID != 0).then_some(data.tp_vlan_tci)
        });
        let octets = octets[..length.try_into()?].to_vec();
        Ok(Some(Frame { tag, octets }))
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

/// The ones' complement sum of RFC 1071; each part but the last has an even length.
pub fn sum(parts: &[&[u8]]) -> u16 {
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
