//! A response's octets to what is compared: header, and sections as sorted text.

use std::fmt;

use anyhow::{Result, ensure};
use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record as Decoded};

/// A response, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) rcode: u16,
    pub(crate) aa: bool,
    pub(crate) tc: bool,
    pub(crate) ra: bool,
    /// RD, AD and CD.
    pub(crate) others: [bool; 3],
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    pub(crate) edns: Option<Edns>,
}

/// A resource record as text; an SOA's SERIAL is `*`. Owners have the case of the message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) owner: String,
    pub(crate) rtype: String,
    pub(crate) ttl: u32,
    pub(crate) data: String,
}

/// An OPT record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) payload: u16,
    pub(crate) dnssec_ok: bool,
    pub(crate) version: u8,
    /// How many.
    pub(crate) options: usize,
}

/// The name exists, or the type does not.
pub(crate) const NOERROR: u16 = 0;
/// RFC 1035 4.1.1, RFC 8020.
pub(crate) const NXDOMAIN: u16 = 3;

impl Response {
    /// Decodes it; an error if it is no response to `query`.
    pub(crate) fn parse(query: &[u8], octets: &[u8]) -> Result<Self> {
        let message = Message::from_vec(octets)?;
        let header = &message.metadata;
        ensure!(octets[2] & 0x80 != 0, "QR is clear");
        ensure!(octets[..2] == query[..2], "another ID");
        if octets[4..6] != [0, 0] {
            // The name, its end, QTYPE and QCLASS.
            let end = query[12..].iter().position(|octet| *octet == 0);
            let question = 12..12 + end.unwrap_or_default() + 5;
            ensure!(
                octets.get(question.clone()) == query.get(question),
                "another question"
            );
        }
        let edns = message.edns.as_ref().map(|edns| Edns {
            payload: edns.max_payload(),
            dnssec_ok: edns.flags().dnssec_ok,
            version: edns.version(),
            options: edns.options().as_ref().len(),
        });
        Ok(Self {
            rcode: header.response_code.into(),
            aa: header.authoritative,
            tc: header.truncation,
            ra: header.recursion_available,
            others: [
                header.recursion_desired,
                header.authentic_data,
                header.checking_disabled,
            ],
            answer: records(&message.answers),
            authority: records(&message.authorities),
            additional: records(&message.additionals),
            edns,
        })
    }

    /// The same with names in lower case where they are not the question's: targets, the owners in the additional
    /// section, and all that an alias leads to. What was asked in lower case is left alone.
    pub(crate) fn with_folded_targets(&self, asked: &str) -> Self {
        let mut folded = self.clone();
        let name = asked.to_lowercase();
        if asked == name {
            return folded;
        }
        for record in &mut folded.answer {
            if record.owner.to_lowercase() != name {
                record.owner = record.owner.to_lowercase();
            }
            if ["SRV", "CNAME"].contains(&&*record.rtype) {
                record.data = record.data.to_lowercase();
            }
        }
        // An SOA beside an alias is that of another name than the question's.
        if !folded.answer.is_empty() {
            for record in &mut folded.authority {
                record.owner = record.owner.to_lowercase();
                record.data = record.data.to_lowercase();
            }
        }
        for record in &mut folded.additional {
            record.owner = record.owner.to_lowercase();
        }
        folded.answer.sort();
        folded.additional.sort();
        folded
    }

    /// No record answers, and there is an SOA to say so (RFC 2308 2).
    pub(crate) fn is_denial(&self) -> bool {
        self.answer.is_empty() && matches!(&self.authority[..], [soa] if soa.rtype == "SOA")
    }
}

fn records(section: &[Decoded]) -> Vec<Record> {
    let mut records: Vec<Record> = section.iter().map(record).collect();
    records.sort();
    records
}

fn record(record: &Decoded) -> Record {
    let data = match &record.data {
        RData::SOA(soa) => format!(
            "{} {} * {} {} {} {}",
            soa.mname, soa.rname, soa.refresh, soa.retry, soa.expire, soa.minimum
        ),
        data => data.to_string(),
    };
    Record {
        owner: record.name.to_string(),
        rtype: record.record_type().to_string(),
        ttl: record.ttl,
        data,
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.owner, self.ttl, self.rtype, self.data
        )
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RCODE {}", self.rcode)?;
        let [rd, ad, cd] = self.others;
        for (set, flag) in [
            (self.aa, "aa"),
            (self.tc, "tc"),
            (rd, "rd"),
            (self.ra, "ra"),
            (ad, "ad"),
            (cd, "cd"),
        ] {
            if set {
                write!(f, " {flag}")?;
            }
        }
        if let Some(edns) = &self.edns {
            write!(
                f,
                " EDNS {} {}{}{} options",
                edns.version,
                edns.payload,
                if edns.dnssec_ok { " do " } else { " " },
                edns.options
            )?;
        }
        for (mark, section) in [
            ("", &self.answer),
            ("! ", &self.authority),
            ("+ ", &self.additional),
        ] {
            for record in section {
                write!(f, "\n      {mark}{record}")?;
            }
        }
        Ok(())
    }
}
