//! Frames as a sender makes them: Ethernet with at most one VLAN tag (IEEE 802.1Q), IPv4 (RFC 791) or IPv6
//! (RFC 8200), UDP (RFC 768); and whether a frame is the response to another.
//!
//! The checksums are computed here word by word, with nothing of the code under test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, Result, ensure};

/// Where the cluster's DNS Service is asked over IPv4.
pub const SERVICE_V4: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// Where the cluster's DNS Service is asked over IPv6.
pub const SERVICE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 0xa);

const UDP: u8 = 17;

/// A UDP datagram in an Ethernet frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The receiver's MAC address.
    pub destination_mac: [u8; 6],
    /// The sender's MAC address.
    pub source_mac: [u8; 6],
    /// The VLAN identifier of a tag, 12 bits.
    pub vlan: Option<u16>,
    /// The sender.
    pub source: SocketAddr,
    /// The receiver, of the same family.
    pub destination: SocketAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// The UDP payload.
    pub message: Vec<u8>,
}

impl Frame {
    /// A message from a pod to the DNS Service over IPv4.
    pub fn v4(message: Vec<u8>) -> Self {
        let pod = Ipv4Addr::new(10, 244, 0, 2);
        Self {
            destination_mac: [2, 0, 0, 0, 0, 1],
            source_mac: [2, 0, 0, 0, 0, 2],
            vlan: None,
            source: SocketAddr::new(pod.into(), 40_001),
            destination: SocketAddr::new(SERVICE_V4.into(), 53),
            hop_limit: 63,
            message,
        }
    }

    /// A message from a pod to the DNS Service over IPv6.
    pub fn v6(message: Vec<u8>) -> Self {
        let pod = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, 2);
        Self {
            source: SocketAddr::new(pod.into(), 40_001),
            destination: SocketAddr::new(SERVICE_V6.into(), 53),
            ..Self::v4(message)
        }
    }

    /// The same in a VLAN.
    #[must_use]
    pub fn tagged(self) -> Self {
        Self {
            vlan: Some(0x0123),
            ..self
        }
    }

    /// The frame's octets, all lengths and checksums right.
    pub fn octets(&self) -> Vec<u8> {
        let mut datagram = self.udp();
        let sum = self.pseudo_sum(datagram.len()) + sum(&datagram);
        let checksum = match !fold(sum) {
            // RFC 768: zero would say that there is none.
            0 => 0xffff,
            checksum => checksum,
        };
        datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
        [self.ethernet(), self.ip(datagram.len()), datagram].concat()
    }

    /// The frame's octets with no more than the pseudo-header's sum in the UDP checksum field, as an skb with
    /// `CHECKSUM_PARTIAL` has it.
    pub fn octets_with_partial_checksum(&self) -> Vec<u8> {
        let mut datagram = self.udp();
        let partial = fold(self.pseudo_sum(datagram.len()));
        datagram[6..8].copy_from_slice(&partial.to_be_bytes());
        [self.ethernet(), self.ip(datagram.len()), datagram].concat()
    }

    /// Octets before the message.
    pub fn headers(&self) -> usize {
        let ip = if self.is_v4() { 20 } else { 40 };
        14 + self.vlan.map_or(0, |_| 4) + ip + 8
    }

    /// The message in `response`, which must be what the DNS Service would have sent to answer this frame: MACs,
    /// addresses and ports swapped, TTL 64, in the same VLAN, every length and checksum right.
    pub fn message_of_response(&self, response: &[u8]) -> Result<Vec<u8>> {
        let message = response
            .get(self.headers()..)
            .context("the response ends within its headers")?;
        let expected = Self {
            destination_mac: self.source_mac,
            source_mac: self.destination_mac,
            vlan: self.vlan,
            source: self.destination,
            destination: self.source,
            hop_limit: 64,
            message: message.to_vec(),
        };
        let octets = expected.octets();
        let wrong = octets.iter().zip(response).position(|(a, b)| a != b);
        ensure!(
            wrong.is_none(),
            "octet {} of the response is wrong\n     got {:02x?}\nexpected {:02x?}\nfor {expected:?}",
            wrong.unwrap_or_default(),
            &response[..self.headers()],
            &octets[..self.headers()],
        );
        Ok(message.to_vec())
    }

    fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }

    fn ethernet(&self) -> Vec<u8> {
        let mut header = [self.destination_mac, self.source_mac].concat();
        if let Some(vlan) = self.vlan {
            header.extend([0x81, 0x00]);
            header.extend(vlan.to_be_bytes());
        }
        header.extend(if self.is_v4() {
            [0x08, 0x00]
        } else {
            [0x86, 0xdd]
        });
        header
    }

    fn ip(&self, datagram: usize) -> Vec<u8> {
        if !self.is_v4() {
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(length(datagram));
            header.extend([UDP, self.hop_limit]);
            header.extend(self.addresses());
            return header;
        }
        let mut header = vec![0x45, 0];
        header.extend(length(20 + datagram));
        // Identification 0x1234, DF.
        header.extend([0x12, 0x34, 0x40, 0x00, self.hop_limit, UDP, 0, 0]);
        header.extend(self.addresses());
        let checksum = !fold(sum(&header));
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        header
    }

    /// Header and payload, the checksum still zero.
    fn udp(&self) -> Vec<u8> {
        let mut datagram = Vec::new();
        datagram.extend(self.source.port().to_be_bytes());
        datagram.extend(self.destination.port().to_be_bytes());
        datagram.extend(length(8 + self.message.len()));
        datagram.extend([0, 0]);
        datagram.extend(&self.message);
        datagram
    }

    fn addresses(&self) -> Vec<u8> {
        let octets = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        [octets(self.source), octets(self.destination)].concat()
    }

    fn pseudo_sum(&self, datagram: usize) -> u32 {
        sum(&self.addresses()) + u32::from(UDP) + sum(&length(datagram))
    }
}

/// The sum of 16-bit words in network order, an odd last octet padded with a zero (RFC 1071 1).
fn sum(octets: &[u8]) -> u32 {
    octets
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)))
        .sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_with_any_octet_of_its_headers_wrong_is_told_apart() {
        for query in [Frame::v4(vec![1, 2, 3]), Frame::v6(vec![1, 2, 3]).tagged()] {
            let response = Frame {
                destination_mac: query.source_mac,
                source_mac: query.destination_mac,
                source: query.destination,
                destination: query.source,
                hop_limit: 64,
                message: vec![4; 33],
                ..query.clone()
            };
            let octets = response.octets();
            assert_eq!(query.message_of_response(&octets).unwrap(), [4; 33]);
            for at in 0..octets.len() {
                let mut wrong = octets.clone();
                wrong[at] ^= 0x10;
                assert!(query.message_of_response(&wrong).is_err(), "octet {at}");
            }
            assert!(
                query
                    .message_of_response(&octets[..octets.len() - 1])
                    .is_err()
            );
        }
    }
}
