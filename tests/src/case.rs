//! One row of a conformance table: a question, and the whole response to it in presentation format.

use std::fmt;
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use hickory_proto::op::{DEFAULT_MAX_PAYLOAD_LEN, Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, Record, RecordType};

use crate::ways::{Site, WAYS, Way};

/// A question with a rule for its answer. Records are `owner TTL class type data`, an SOA's serial is `*`, and the
/// order within a section does not matter.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Where the rule is found in the document.
    pub section: &'static str,
    /// What it says, in our words.
    pub rule: &'static str,
    /// Name and type, such as `web.shop.svc.cluster.local. A`.
    pub question: &'static str,
    /// As in a zone file: `NOERROR`, `NXDOMAIN`.
    pub rcode: &'static str,
    /// The flags that are set, of `aa tc rd ra ad cd`. Queries have RD.
    pub flags: &'static str,
    /// The answer section.
    pub answer: &'static [&'static str],
    /// The authority section.
    pub authority: &'static [&'static str],
    /// The additional section, less OPT.
    pub additional: &'static [&'static str],
}

/// The SOA of a denial in the tables' zone.
pub const SOA: &str =
    "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. * 7200 1800 86400 30";

/// An answer of ours; the row says which.
pub const ANSWER: Case = Case {
    section: "",
    rule: "",
    question: "",
    rcode: "NOERROR",
    flags: "aa rd",
    answer: &[],
    authority: &[],
    additional: &[],
};

/// The name exists, the type does not.
pub const NODATA: Case = Case {
    authority: &[SOA],
    ..ANSWER
};

/// The name does not exist.
pub const NXDOMAIN: Case = Case {
    rcode: "NXDOMAIN",
    ..NODATA
};

/// What the upstream said.
pub const FORWARDED: Case = Case {
    flags: "rd ra",
    ..ANSWER
};

/// Asks in every way and compares the whole response.
#[track_caller]
pub fn check(site: &Site, case: &Case) {
    for way in WAYS {
        check_way(site, case, way);
    }
}

/// Asks in one way and compares the whole response: with each [`EDNS`] the records are the same.
#[track_caller]
pub fn check_way(site: &Site, case: &Case, way: Way) {
    for (payload, dnssec_ok) in EDNS {
        check_edns(site, case, way, payload, dnssec_ok);
    }
}

/// Payload sizes, and whether DO is set. The first takes every response of the tables whole; in 512 octets a response
/// may be truncated, and no record may be another one.
const EDNS: [(u16, bool); 4] = [
    (DEFAULT_MAX_PAYLOAD_LEN, false),
    (4096, false),
    (DEFAULT_MAX_PAYLOAD_LEN, true),
    (512, false),
];

#[track_caller]
fn check_edns(site: &Site, case: &Case, way: Way, payload: u16, dnssec_ok: bool) {
    let (name, rtype) = case.question.split_once(' ').expect("a name and a type");
    let mut query = query(name, rtype).expect("a name and a type");
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    edns.set_dnssec_ok(dnssec_ok);
    query.set_edns(edns);
    let got = site.ask(way, &query.to_vec().expect("a query"));
    let got = got.and_then(|response| Rendered::parse(&response.context("no response")?));
    let expected = Rendered::expected(case);
    match got {
        Ok(got) if got == expected => {}
        Ok(got) if payload == 512 && way != Way::Tcp && got.is_part_of(&expected) => {}
        Ok(got) => panic!(
            "{}: {}\n{} by way of {way:?} with {payload} octets, DO {dnssec_ok}\nexpected {expected}got      {got}",
            case.section, case.rule, case.question
        ),
        Err(error) => panic!(
            "{}: {} by way of {way:?}: {error:#}",
            case.section, case.question
        ),
    }
}

/// A query of one question, with RD.
pub fn query(name: &str, rtype: &str) -> Result<Message> {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let rtype = match rtype.strip_prefix("TYPE") {
        Some(number) => RecordType::from(number.parse::<u16>()?),
        None => RecordType::from_str(rtype)?,
    };
    message.add_query(Query::query(Name::from_ascii(name)?, rtype));
    Ok(message)
}

/// A response as text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rendered {
    rcode: String,
    flags: String,
    sections: [Vec<String>; 3],
}

impl Rendered {
    fn parse(response: &[u8]) -> Result<Self> {
        let message = Message::from_vec(response)?;
        let header = &message.metadata;
        let flags = [
            (header.authoritative, "aa"),
            (header.truncation, "tc"),
            (header.recursion_desired, "rd"),
            (header.recursion_available, "ra"),
            (header.authentic_data, "ad"),
            (header.checking_disabled, "cd"),
        ];
        let set = flags.iter().filter(|(is_set, _)| *is_set);
        let sections = [&message.answers, &message.authorities, &message.additionals];
        Ok(Self {
            rcode: rcode(header.response_code.into()),
            flags: set.map(|(_, name)| *name).collect::<Vec<_>>().join(" "),
            sections: sections.map(|records| sorted(records.iter().map(text))),
        })
    }

    /// Whether this is what is left of a response that is too long: with TC if an answer is missing, without it if
    /// only additional records are.
    fn is_part_of(&self, whole: &Self) -> bool {
        let parts = self.sections.iter().zip(&whole.sections);
        let all_known = parts
            .into_iter()
            .all(|(part, all)| part.iter().all(|record| all.contains(record)));
        let is_truncated = self.flags.split(' ').any(|flag| flag == "tc");
        let is_short = self.sections[0].len() < whole.sections[0].len();
        self.rcode == whole.rcode && all_known && is_truncated == is_short
    }

    fn expected(case: &Case) -> Self {
        let sections = [case.answer, case.authority, case.additional];
        Self {
            rcode: case.rcode.to_owned(),
            flags: case.flags.to_owned(),
            sections: sections.map(|section| sorted(section.iter().map(ToString::to_string))),
        }
    }
}

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.rcode, self.flags)?;
        for (name, records) in ["answer", "authority", "additional"]
            .iter()
            .zip(&self.sections)
        {
            for record in records {
                writeln!(f, "    {name}: {record}")?;
            }
        }
        Ok(())
    }
}

fn sorted(records: impl Iterator<Item = String>) -> Vec<String> {
    let mut records: Vec<String> = records.collect();
    records.sort();
    records
}

/// RFC 6895 2.3.
fn rcode(number: u16) -> String {
    match number {
        0 => "NOERROR".to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        16 => "BADVERS".to_owned(),
        other => other.to_string(),
    }
}

/// A record in presentation format (RFC 1035 5.1), an SOA's serial as `*`.
fn text(record: &Record) -> String {
    let text = record.to_string();
    let mut words: Vec<&str> = text.split_whitespace().collect();
    match record.record_type() {
        RecordType::SOA => words[6] = "*",
        // hickory leaves out the quotation marks.
        RecordType::TXT => return format!("{} {:?}", words[..4].join(" "), words[4..].join(" ")),
        _ => {}
    }
    words.join(" ")
}
