//! From a whole message, however it was got, to the response for one client: its ID, its question in
//! its case, its EDNS, its size (RFC 1035 4.1.1, RFC 2181 9, RFC 6891 7).

use std::collections::HashSet;

use super::query::Query;
use super::records::{Cut, OPT, Records, name_at};
use super::response::{self, flag};

/// Octets of our OPT.
const OPT_OCTETS: usize = 11;

/// Makes `message`, which must ask the question of `query`, the response to `query`.
///
/// The message's OPT is replaced by ours, or dropped where the client has none. Whole records are
/// kept from the front as far as they fit; TC says that an answer is missing, or the authority of a
/// response without answers. All other records go by whole RRsets, without TC. Counted records that are
/// not there are no longer counted. `None`: the question is another one, or a record is cut.
pub fn fit(query: &Query, message: &[u8]) -> Option<Vec<u8>> {
    if !asks(query, message) {
        return None;
    }
    let kept = keep(query, message).ok()?;
    let mut response = Vec::with_capacity(kept.end + OPT_OCTETS);
    let [counts @ .., mut additional] = kept.counts;
    response.extend(query.header.id.to_be_bytes());
    let flags = u16::from_be_bytes([message[2], message[3]]) | flag::QR;
    let flags = if kept.truncated {
        flags | flag::TC
    } else {
        flags
    };
    response.extend(flags.to_be_bytes());
    response.extend([0, 1]);
    additional += u16::from(query.edns.is_some());
    for count in [counts[0], counts[1], additional] {
        response.extend(count.to_be_bytes());
    }
    response.extend(query.question_octets());
    // The question has the same length in both, so pointers into the message stay right.
    response.extend(&message[response.len()..kept.end]);
    if let Some(edns) = query.edns {
        response.extend(response::opt(kept.extended_rcode, edns.dnssec_ok));
    }
    Some(response)
}

/// Whether `message` has exactly the question of `query`, in any case (RFC 4343).
pub(crate) fn asks(query: &Query, message: &[u8]) -> bool {
    let question = query.question_octets();
    let (names, fields) = question.split_at(question.len() - 4);
    message.get(4..6) == Some(&[0, 1])
        && message
            .get(12..12 + names.len())
            .is_some_and(|octets| octets.eq_ignore_ascii_case(names))
        && message.get(12 + names.len()..12 + question.len()) == Some(fields)
}

/// What of a message stays.
struct Kept {
    /// Where the kept records end.
    end: usize,
    /// Answers, authority, additional.
    counts: [u16; 3],
    truncated: bool,
    /// From the message's OPT.
    extended_rcode: u8,
}

fn keep(query: &Query, message: &[u8]) -> Result<Kept, Cut> {
    let room = query.limit() - if query.edns.is_some() { OPT_OCTETS } else { 0 };
    let mut records = Records::behind_question(message).ok_or(Cut)?;
    let mut kept = Kept {
        end: records.at,
        counts: [0; 3],
        truncated: false,
        extended_rcode: 0,
    };
    let mut optional = Vec::new();
    let mut full = false;
    'sections: for section in 0..3 {
        let counted = u16::from_be_bytes([message[6 + 2 * section], message[7 + 2 * section]]);
        for _ in 0..counted {
            let start = records.at;
            let Some(record) = records.next_record()? else {
                break 'sections;
            };
            if record.rtype == OPT {
                kept.extended_rcode = record.ttl.to_be_bytes()[0];
                // What follows may point behind the OPT and cannot move up into its place; it is
                // additional and can be done without.
                break 'sections;
            }
            full |= record.end > room;
            let is_required = section == 0 || (section == 1 && kept.counts[0] == 0);
            if is_required && full {
                kept.truncated = true;
            } else if is_required {
                kept.end = record.end;
                kept.counts[section] += 1;
            } else {
                let (rtype, fits) = (record.rtype, !full);
                optional.push(Optional {
                    section,
                    start,
                    end: record.end,
                    rtype,
                    fits,
                });
            }
        }
    }
    for record in whole_sets(message, &optional) {
        kept.end = record.end;
        kept.counts[record.section] += 1;
    }
    Ok(kept)
}

/// A record that the response may do without.
struct Optional {
    section: usize,
    start: usize,
    end: usize,
    rtype: u16,
    /// Whether it ends within the limit.
    fits: bool,
}

/// The records from the front of which none belongs to an RRset that does not fit as a whole: half an RRset
/// would pass for all of it, since it goes without TC (RFC 2181 9).
fn whole_sets<'a>(message: &[u8], records: &'a [Optional]) -> &'a [Optional] {
    let mut end = records.iter().take_while(|record| record.fits).count();
    if end == records.len() {
        return records;
    }
    let set = |record: &Optional| (name_at(message, record.start), record.rtype);
    let mut cut: HashSet<_> = records[end..].iter().map(set).collect();
    // An RRset need not lie in one piece: what goes with it may take another one apart.
    while let Some(first) = records[..end]
        .iter()
        .position(|record| cut.contains(&set(record)))
    {
        cut.extend(records[first..end].iter().map(set));
        end = first;
    }
    &records[..end]
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
