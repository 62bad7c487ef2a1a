//! ExternalName: the CNAME, and what the chain of plugins says of its target (RFC 1034 3.6.2, RFC 6604).

use hickory_proto::op::Message;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, rdata};

use super::handler::fit_ours;
use crate::record;
use crate::serve::chain::Next;
use crate::serve::query::Query;
use crate::serve::response::Response;

/// The answer to a question whose name is an alias of `target`: the CNAME, the target's records, and the RCODE of the
/// last name. A circle is an error (RFC 1034 3.6.2): each of its CNAMEs once, and SERVFAIL. A target that no server
/// may be asked for is where the answer ends (RFC 1034 4.3.2, step 3a): NOERROR, since stub resolvers take REFUSED
/// for a server that is of no use (glibc) or wait for another one until they give up (musl).
pub(super) async fn follow(
    query: &Query,
    next: Next<'_>,
    ttl: u32,
    target: &record::Name,
) -> Response {
    let qtype = query.question.qtype;
    let end = next.lookup(target, qtype, query).await;
    let failed = || Response::servfail(query, format!("the answer for {target} does not parse"));
    let Ok(end) = Message::from_vec(end.message()) else {
        return failed();
    };
    match join(query, ttl, target, &end) {
        Some(message) => fit_ours(query, message),
        None => failed(),
    }
}

/// The CNAME and the records of `end` as one message.
fn join(query: &Query, ttl: u32, target: &record::Name, end: &Message) -> Option<Vec<u8>> {
    let owner = name(query.qname_octets())?;
    let cname = RData::CNAME(rdata::CNAME(name(target.wire())?));
    let mut message = Message::response(0, hickory_proto::op::OpCode::Query);
    message.metadata.authoritative = true;
    message.metadata.response_code = match end.metadata.response_code {
        ResponseCode::Refused => ResponseCode::NoError,
        code => code,
    };
    // An upstream's answer that did not fit, and could not be had over TCP.
    message.metadata.truncation = end.metadata.truncation;
    let mut question =
        hickory_proto::op::Query::query(owner.clone(), RecordType::from(query.question.qtype));
    question.set_query_class(DNSClass::from(query.question.qclass));
    message.add_query(question);
    message.add_answer(Record::from_rdata(owner, ttl, cname));
    for record in &end.answers {
        // A loop brings the same CNAME again.
        let is_new = !message
            .answers
            .iter()
            .any(|held| held.name == record.name && held.data == record.data);
        if is_new {
            message.add_answer(record.clone());
        } else {
            message.metadata.response_code = ResponseCode::ServFail;
        }
    }
    let has_end = message
        .answers
        .iter()
        .any(|record| record.record_type() != RecordType::CNAME);
    if !has_end {
        let soa = end
            .authorities
            .iter()
            .filter(|record| record.record_type() == RecordType::SOA);
        message.authorities.extend(soa.cloned());
    }
    message.additionals.extend(end.additionals.iter().cloned());
    message.to_vec().ok()
}

fn name(wire: &[u8]) -> Option<Name> {
    let mut labels = Vec::new();
    let mut rest = wire;
    while let Some((&length, tail)) = rest.split_first() {
        if length == 0 {
            break;
        }
        labels.push(tail.get(..usize::from(length))?);
        rest = &tail[usize::from(length)..];
    }
    let mut name = Name::from_labels(labels).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
#[path = "alias_tests.rs"]
mod tests;
