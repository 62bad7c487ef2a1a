//! What CoreDNS has at each name, surveyed before the questions: the rules' predicates rest on it.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use crate::lab::{Lab, Way};
use crate::message::{NXDOMAIN, Record, Response};
use crate::questions::{A, AAAA, CNAME, PTR, SRV, TXT, plain};

/// The types that are asked of every name.
const SURVEYED: [u16; 6] = [A, AAAA, SRV, TXT, PTR, CNAME];

/// The survey.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The cluster domain.
    pub(crate) zone: String,
    /// The response by name in lower case and type.
    responses: HashMap<(String, u16), Response>,
    /// Names of objects at which there are records.
    published: HashSet<String>,
    /// Every name above those.
    above: HashSet<String>,
    /// The SOA records of denials, by zone.
    soas: HashMap<String, Record>,
}

impl Facts {
    /// Asks CoreDNS for `objects`, the names that objects should have, and for `others`.
    pub(crate) fn survey(
        lab: &Lab<'_>,
        zone: &str,
        objects: &[String],
        others: impl Iterator<Item = String>,
    ) -> Result<Self> {
        let mut facts = Self {
            zone: zone.into(),
            ..Self::default()
        };
        let mut names: Vec<String> = others.map(|name| name.to_lowercase()).collect();
        names.extend(objects.iter().cloned());
        names.sort();
        names.dedup();
        let asked: Vec<(&String, u16)> = names
            .iter()
            .flat_map(|name| SURVEYED.map(|qtype| (name, qtype)))
            .collect();
        let ids = (0..=u16::MAX).cycle();
        let queries: Vec<Vec<u8>> = asked
            .iter()
            .zip(ids)
            .map(|((name, qtype), id)| plain(name, *qtype, id))
            .collect();
        let responses = lab.ask_udp(Way::CoreDns, &queries)?;
        for (((name, qtype), query), response) in asked.into_iter().zip(&queries).zip(responses) {
            if let Some(Ok(response)) = response.map(|octets| Response::parse(query, &octets)) {
                if response.aa && response.is_denial() {
                    let soas = response.authority.iter();
                    facts
                        .soas
                        .extend(soas.map(|soa| (soa.owner.clone(), soa.clone())));
                }
                facts.responses.insert((name.clone(), qtype), response);
            }
        }
        for name in objects {
            if facts.has_records(name) {
                facts.published.insert(name.clone());
                let mut above = name.as_str();
                while let Some((_, rest)) = above.split_once('.') {
                    facts.above.insert(rest.into());
                    above = rest;
                }
            }
        }
        Ok(facts)
    }

    /// What CoreDNS says of a surveyed name; its case does not matter.
    pub(crate) fn response(&self, name: &str, qtype: u16) -> Option<&Response> {
        self.responses.get(&(name.to_lowercase(), qtype))
    }

    /// Whether CoreDNS itself gives records of any surveyed type at this name.
    pub(crate) fn has_records(&self, name: &str) -> bool {
        let types = SURVEYED.into_iter();
        types
            .filter_map(|qtype| self.response(name, qtype))
            .any(|response| response.aa && !response.answer.is_empty())
    }

    /// Whether a name of an object with records is below this one.
    pub(crate) fn has_below(&self, name: &str) -> bool {
        self.above.contains(&name.to_lowercase())
    }

    /// Whether CoreDNS says of every surveyed type that the name does not exist.
    pub(crate) fn is_missing(&self, name: &str) -> bool {
        let mut types = SURVEYED.into_iter();
        types.all(|qtype| {
            self.response(name, qtype)
                .is_some_and(|response| response.rcode == NXDOMAIN)
        })
    }

    /// The SOA of a denial of `name`, its owner in the case of `name`; none outside the zones.
    pub(crate) fn soa(&self, name: &str) -> Option<Record> {
        let mut start = 0;
        loop {
            let zone = name.get(start..).filter(|zone| !zone.is_empty())?;
            if let Some(soa) = self.soas.get(&zone.to_lowercase()) {
                return Some(Record {
                    owner: zone.into(),
                    ..soa.clone()
                });
            }
            start += zone.find('.')? + 1;
        }
    }
}
