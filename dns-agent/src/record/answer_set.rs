//! From the rows of a Service (an address and a port each) to the RRsets A, AAAA and SRV (RFC 2782).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Name, Node, RRset, Rdata};

/// The most SRV records that are kept of one RRset: a record takes 18 octets and a target name that
/// must not be compressed, so no DNS message of 65,535 octets holds more. A Service of a thousand
/// ports and as many endpoints would otherwise cost a gigabyte.
const MOST_SRV: usize = 4096;

/// What the rows of one owner name come to.
#[derive(Debug, Default)]
pub(super) struct AnswerSet {
    rows: usize,
    addresses: BTreeSet<IpAddr>,
    srv: BTreeSet<(Name, u16)>,
    additional: BTreeSet<(Name, IpAddr)>,
}

impl AnswerSet {
    /// Adds an address with a row for each port. `target` is the host that offers the ports; without
    /// one there is no SRV record (its name would be too long), without a port number neither (a
    /// slice that lists no ports).
    pub(super) fn add(&mut self, address: IpAddr, target: Option<&Name>, ports: &[Option<u16>]) {
        self.rows += ports.len();
        if !ports.is_empty() {
            self.addresses.insert(address);
        }
        let Some(target) = target else { return };
        for &port in ports.iter().flatten() {
            if self.srv.len() == MOST_SRV {
                return;
            }
            self.srv.insert((target.clone(), port));
            self.additional.insert((target.clone(), address));
        }
    }

    /// Whether no row was added.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The RRsets. Each SRV record has an equal share of 100, counted before equal rows fall together
    /// (as `CoreDNS` does), and at least 1.
    pub(super) fn into_node(self, ttl: u32) -> Node {
        let mut node = address_node(self.addresses, ttl);
        let weight = u16::try_from(100 / self.rows.max(1)).unwrap_or(100).max(1);
        let rdata: Vec<Rdata> = self
            .srv
            .into_iter()
            .map(|(target, port)| Rdata::Srv {
                weight,
                port,
                target,
            })
            .collect();
        if !rdata.is_empty() {
            node.rrsets.push(RRset {
                ttl,
                rdata,
                additional: self
                    .additional
                    .into_iter()
                    .map(|(target, address)| (target, address_rdata(address)))
                    .collect(),
            });
        }
        node
    }
}

/// A node with the addresses as A and AAAA; empty where there are none.
pub(super) fn address_node(addresses: BTreeSet<IpAddr>, ttl: u32) -> Node {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    let rrsets = [v4, v6]
        .into_iter()
        .filter(|family| !family.is_empty())
        .map(|family| rrset(ttl, family.into_iter().map(address_rdata).collect()))
        .collect();
    Node { rrsets }
}

/// An RRset that brings nothing along.
pub(super) fn rrset(ttl: u32, rdata: Vec<Rdata>) -> RRset {
    RRset {
        ttl,
        rdata,
        additional: Vec::new(),
    }
}

/// The A or AAAA record data of an address.
pub(super) fn address_rdata(address: IpAddr) -> Rdata {
    match address {
        IpAddr::V4(address) => Rdata::A(address),
        IpAddr::V6(address) => Rdata::Aaaa(address),
    }
}
