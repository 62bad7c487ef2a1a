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
    /// (as CoreDNS does), and at least 1.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(node: &Node) -> &RRset {
        node.rrsets
            .iter()
            .find(|rrset| rrset.rtype() == 33)
            .unwrap()
    }

    fn weights(rows: usize) -> BTreeSet<u16> {
        let target = Name::parse("h.example").unwrap();
        let ports: Vec<Option<u16>> = (1..).map(Some).take(rows).collect();
        let mut answers = AnswerSet::default();
        answers.add([10, 0, 0, 1].into(), Some(&target), &ports);
        let node = answers.into_node(5);
        let weight = |rdata: &Rdata| match rdata {
            Rdata::Srv { weight, .. } => *weight,
            other => panic!("{other:?}"),
        };
        srv(&node).rdata.iter().map(weight).collect()
    }

    #[test]
    fn every_srv_record_has_an_equal_share_of_a_hundred() {
        for (rows, weight) in [(1, 100), (2, 50), (3, 33), (7, 14), (100, 1), (1000, 1)] {
            assert_eq!(weights(rows), BTreeSet::from([weight]), "{rows}");
        }
    }

    #[test]
    fn rows_that_fall_together_count_before_they_do() {
        let target = Name::parse("h.example").unwrap();
        let mut answers = AnswerSet::default();
        answers.add(
            [10, 0, 0, 1].into(),
            Some(&target),
            &[Some(53), Some(53), None],
        );
        let node = answers.into_node(5);
        let record = Rdata::Srv {
            weight: 33,
            port: 53,
            target,
        };
        assert_eq!(srv(&node).rdata, [record]);
    }

    #[test]
    fn a_thousand_ports_on_a_thousand_hosts_stay_bounded() {
        let ports: Vec<Option<u16>> = (1..=1000).map(Some).collect();
        let mut answers = AnswerSet::default();
        for host in 0..1000_u16 {
            let target = Name::parse(&format!("h{host}.example")).unwrap();
            let [high, low] = host.to_be_bytes();
            answers.add([10, 0, high, low].into(), Some(&target), &ports);
        }
        let node = answers.into_node(5);
        assert_eq!(node.rrsets[0].rdata.len(), 1000, "every address is kept");
        assert_eq!(srv(&node).rdata.len(), MOST_SRV);
    }
}
