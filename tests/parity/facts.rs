//! What CoreDNS has at each name, surveyed before the questions: the rules' predicates rest on it.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::{Context as _, Result};

use crate::corefiles::Corefile;
use crate::lab::{Lab, Way};
use crate::message::{NXDOMAIN, Record, Response};
use crate::questions::{A, AAAA, CNAME, PTR, Question, SRV, TXT, plain};

/// The types that are asked of every name.
const SURVEYED: [u16; 6] = [A, AAAA, SRV, TXT, PTR, CNAME];

/// The survey.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The cluster domain.
    pub(crate) zone: String,
    /// The TTL of its records.
    pub(crate) ttl: u32,
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
    /// Asks CoreDNS for `objects`, the names that objects should have, and for all about `questions`.
    pub(crate) fn survey(
        lab: &Lab<'_>,
        corefile: &Corefile,
        objects: &[String],
        questions: &[Question],
    ) -> Result<Self> {
        let mut facts = Self {
            zone: corefile.zone.into(),
            ttl: corefile.ttl,
            ..Self::default()
        };
        let mut wanted = BTreeSet::new();
        for name in objects {
            let types: &[u16] = if name.ends_with(".arpa.") {
                &[PTR]
            } else {
                &[A, AAAA, SRV, CNAME]
            };
            wanted.extend(types.iter().map(|qtype| (name.clone(), *qtype)));
        }
        for question in questions {
            let name = question.name.to_lowercase();
            wanted.insert((missing_beside(&name), A));
            wanted.extend(SURVEYED.map(|qtype| (name.clone(), qtype)));
        }
        // Where aliases lead to, one name further each time.
        while !wanted.is_empty() {
            facts.ask(lab, wanted)?;
            wanted = BTreeSet::new();
            let asked = questions.iter().map(|question| &question.name);
            for name in asked.chain(objects) {
                let pointers = facts.response(name, PTR).map(|response| &response.answer);
                for pointer in pointers.into_iter().flatten() {
                    wanted.insert((facts.namespace_of(&pointer.data), A));
                }
            }
            for question in questions {
                let Some((_, last)) = facts.aliases(&question.name).pop() else {
                    continue;
                };
                let types = SURVEYED.into_iter().chain([question.qtype]);
                wanted.extend(types.map(|qtype| (last.clone(), qtype)));
            }
            wanted.retain(|asked| !facts.responses.contains_key(asked));
        }
        facts.add_reverse_soas(corefile);
        for name in objects {
            let reverse = name.ends_with(".arpa.");
            let exists = !reverse || !facts.pointers(name).is_empty();
            if exists && facts.has_records(name) {
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

    fn ask(&mut self, lab: &Lab<'_>, wanted: BTreeSet<(String, u16)>) -> Result<()> {
        let queries: Vec<Vec<u8>> = wanted
            .iter()
            .zip((0..=u16::MAX).cycle())
            .map(|((name, qtype), id)| plain(name, *qtype, id))
            .collect();
        let responses = lab.ask_udp(Way::CoreDns, &queries)?;
        for ((asked, query), response) in wanted.into_iter().zip(&queries).zip(responses) {
            let response = response.with_context(|| format!("CoreDNS is silent for {asked:?}"))?;
            let response = Response::parse(query, &response)?;
            if response.aa && response.is_denial() {
                for soa in &response.authority {
                    self.soas.insert(soa.owner.clone(), soa.clone());
                }
            }
            self.responses.insert(asked, response);
        }
        Ok(())
    }

    /// The aliases that a name leads to, each with its target, as far as they are known.
    pub(crate) fn aliases(&self, name: &str) -> Vec<(Record, String)> {
        let mut found: Vec<(Record, String)> = Vec::new();
        let mut name = name.to_owned();
        while let Some([alias]) = self.response(&name, CNAME).map(|it| &it.answer[..]) {
            let target = alias.data.clone();
            let known =
                |(record, _): &(Record, String)| record.owner.to_lowercase() == name.to_lowercase();
            if alias.rtype != "CNAME" || found.iter().any(known) {
                break;
            }
            let record = Record {
                owner: name,
                ..alias.clone()
            };
            found.push((record, target.clone()));
            name = target;
        }
        found
    }

    /// A reverse zone's SOA is that of the cluster domain under another name, and not to be seen where all that is
    /// missing falls through.
    fn add_reverse_soas(&mut self, corefile: &Corefile) {
        let Some(soa) = self.soas.get(corefile.zone).cloned() else {
            return;
        };
        for zone in corefile.reverse {
            let data = soa.data.replace(corefile.zone, zone);
            let owner = (*zone).to_owned();
            self.soas.insert(
                owner.clone(),
                Record {
                    owner,
                    data,
                    ..soa.clone()
                },
            );
        }
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

    /// Whether CoreDNS says of every surveyed type that the name is not in its zones, or asks elsewhere.
    pub(crate) fn is_missing(&self, name: &str) -> bool {
        let mut types = SURVEYED.into_iter();
        // CoreDNS does not look at labels below an address.
        let below = self.reverse_above(name).is_some();
        let pointers = self.response(name, PTR);
        let nowhere = pointers.is_some_and(|response| response.aa && !response.answer.is_empty())
            && self.pointers(name).is_empty();
        below
            || nowhere
            || types.all(|qtype| {
                self.response(name, qtype)
                    .is_some_and(|response| response.rcode == NXDOMAIN || !response.aa)
            })
    }

    /// What is said of a name that does not exist, where this one is.
    pub(crate) fn missing(&self, name: &str) -> Option<&Response> {
        self.response(&missing_beside(name), A)
    }

    /// The records of a name in a reverse zone that point into namespaces that there are.
    pub(crate) fn pointers(&self, name: &str) -> Vec<Record> {
        let response = self.response(name, PTR).filter(|response| response.aa);
        let records = response.into_iter().flat_map(|response| &response.answer);
        let known = records.filter(|record| {
            let namespace = self.response(&self.namespace_of(&record.data), A);
            namespace.is_some_and(|response| response.aa && response.rcode != NXDOMAIN)
        });
        known.cloned().collect()
    }

    /// `<namespace>.svc.<zone>` of a Service's name, or one below it.
    fn namespace_of(&self, name: &str) -> String {
        let svc = format!(".svc.{}", self.zone);
        let labels = name.strip_suffix(&svc).unwrap_or_default();
        let namespace = labels.rsplit('.').next().unwrap_or_default();
        format!("{namespace}{svc}")
    }

    /// The name of an address that this one is below.
    pub(crate) fn reverse_above(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        let mut rest = name.as_str();
        while let Some((_, above)) = rest.split_once('.') {
            if above.ends_with(".arpa.") && self.published.contains(above) {
                return Some(above.into());
            }
            rest = above;
        }
        None
    }

    /// What of a name in lower case is left of the zone it is in, with the dot between; none of reverse zones.
    pub(crate) fn labels_above_zone<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.soas
            .keys()
            .filter(|zone| !zone.ends_with(".arpa."))
            .filter_map(|zone| name.strip_suffix(zone.as_str()))
            .min_by_key(|labels| labels.len())
    }

    /// The SOA of a denial of `name`, its owner in the case of `name`; none outside the zones.
    pub(crate) fn soa(&self, name: &str) -> Option<Record> {
        let mut start = 0;
        loop {
            let zone = name.get(start..).filter(|zone| !zone.is_empty())?;
            if let Some(soa) = self.soas.get(&zone.to_lowercase()) {
                return Some(Record {
                    data: soa.data.replace(&zone.to_lowercase(), zone),
                    owner: zone.into(),
                    ..soa.clone()
                });
            }
            start += zone.find('.')? + 1;
        }
    }
}

/// A name that nobody has, beside another one: CoreDNS does not look at the labels below a pod's.
fn missing_beside(name: &str) -> String {
    let name = name.to_lowercase();
    let from = name.rfind(':').unwrap_or_default();
    let rest = name[from..].split_once('.').map_or("", |(_, rest)| rest);
    format!("zz.{rest}")
}
