//! A question to its query and to the only right answer, which the cluster's records give.

use std::collections::HashMap;

use anyhow::Result;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use crate::peers::zone::Record;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// With the last dot.
    pub(crate) name: String,
    pub(crate) qtype: RecordType,
}

impl Question {
    pub(crate) fn new(name: String, qtype: RecordType) -> Self {
        Self { name, qtype }
    }

    /// Its line in a file for dnsperf.
    pub(crate) fn line(&self) -> String {
        format!("{} {}\n", self.name, self.qtype)
    }

    /// Its query, with RD and without EDNS; the ID is 0.
    pub(crate) fn octets(&self) -> Result<Vec<u8>> {
        let mut query = Message::query();
        query.metadata.id = 0;
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(Name::from_ascii(&self.name)?, self.qtype));
        Ok(query.to_vec()?)
    }
}

/// What is right: the response code, and the answer section's records as sorted texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) rcode: ResponseCode,
    pub(crate) records: Vec<String>,
}

impl Answer {
    /// NOERROR, and nothing more.
    pub(crate) const EMPTY: Self = Self {
        rcode: ResponseCode::NoError,
        records: Vec::new(),
    };

    /// What a server has said; TTL and order do not count.
    pub(crate) fn of(message: &Message) -> Self {
        let record = |record: &hickory_proto::rr::Record| {
            let text = format!("{} {} {}", record.name, record.record_type(), record.data);
            text.to_ascii_lowercase()
        };
        let mut records: Vec<String> = message.answers.iter().map(record).collect();
        records.sort();
        Self {
            rcode: message.metadata.response_code,
            records,
        }
    }
}

/// The records of a cluster, by name.
pub(crate) struct Truth(HashMap<String, Vec<Record>>);

impl Truth {
    pub(crate) fn new(records: &[Record]) -> Self {
        let mut by_owner: HashMap<String, Vec<Record>> = HashMap::new();
        for record in records {
            let owner = record.owner.clone();
            by_owner.entry(owner).or_default().push(record.clone());
        }
        Self(by_owner)
    }

    /// The only right answer, an alias followed (RFC 1034 3.6.2).
    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let qtype = question.qtype.to_string();
        let mut answer = Answer {
            rcode: ResponseCode::NXDomain,
            records: Vec::new(),
        };
        let mut name = &question.name;
        while let Some(records) = self.0.get(name) {
            answer.rcode = ResponseCode::NoError;
            let alias = records.iter().find(|record| record.rtype == "CNAME");
            let found = records
                .iter()
                .filter(|record| record.rtype == qtype || record.rtype == "CNAME")
                .map(|record| format!("{} {} {}", record.owner, record.rtype, record.data));
            answer
                .records
                .extend(found.map(|text| text.to_ascii_lowercase()));
            match alias {
                Some(alias) => name = &alias.data,
                None => break,
            }
        }
        answer.records.sort();
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::zone::Zone;

    #[test]
    fn an_alias_is_followed_to_its_address() {
        let truth = Truth::new(&Zone::new(400).records());
        // The first ExternalName, and the Service two rows above it.
        let alias = "svc-00380.team-00.svc.cluster.local.";
        let target = "svc-00340.team-00.svc.cluster.local.";
        let answer = truth.answer(&Question::new(alias.into(), RecordType::A));
        // Sorted.
        let expected = [
            format!("{target} a 10.97.1.84"),
            format!("{alias} cname {target}"),
        ];
        assert_eq!(answer.records, expected);
        let answer = truth.answer(&Question::new(alias.into(), RecordType::AAAA));
        assert_eq!(answer.records, expected[1..]);
    }
}
