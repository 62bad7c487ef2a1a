//! A DNS message in [`Scratch`] to a [`Query`] (RFC 1035 4.1, RFC 6891 6.1).

use crate::bound;
use crate::checksum;
use crate::fold::{self, Seed};
use crate::outcome::Outcome;
use crate::scratch::{NAME_WORDS, QUERY_MAX, Scratch};

/// Octets of a DNS message header.
pub const HEADER: usize = 12;
/// Octets of an OPT record without options.
pub const OPT: usize = 11;
/// What our OPT says, and the most that is sent over UDP (DNS flag day 2020).
pub const PAYLOAD: usize = 1232;
/// How many EDNS options are walked.
const OPTIONS: usize = 8;
/// The option NSID (RFC 5001 4.1).
const NSID: u16 = 3;

/// What matters of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Octets of the QNAME, the root's zero included.
    pub name_len: usize,
    /// The name's key: where NAMES may have it.
    pub key: u64,
    /// QTYPE, host order.
    pub rtype: u16,
    /// The longest response the client takes: 512, or what its OPT says, from 512 to 1232.
    pub limit: usize,
    /// Whether the query has an OPT, and so the response.
    pub edns: bool,
    /// The DO bit, 0 or 0x80 as in OPT.
    pub dnssec_ok: u8,
    /// Whether the OPT has the option NSID (RFC 5001).
    pub nsid: bool,
    /// The sum of the question's octets.
    pub sum: u64,
}

/// Parses the message of `len` octets and leaves the folded QNAME in `scratch`.
#[inline(always)]
pub fn parse(scratch: &mut Scratch, len: usize, seed: Seed) -> Result<Query, Outcome> {
    if !(HEADER + 5..=QUERY_MAX).contains(&len) {
        return Err(Outcome::MessageSize);
    }
    let flags: u8 = scratch.message(2);
    if flags & 0x80 != 0 {
        return Err(Outcome::Response);
    }
    if flags & 0x78 != 0 {
        return Err(Outcome::Opcode);
    }
    let additional = match (scratch.message::<u32>(4), u32::from_be(scratch.message(8))) {
        (ONE_QUESTION, 0) => false,
        (ONE_QUESTION, 1) => true,
        _ => return Err(Outcome::Counts),
    };
    let name = scan(scratch, seed)?;
    let question: u32 = scratch.message(HEADER + name.len);
    let [high, low, class @ ..] = question.to_ne_bytes();
    let (rtype, class) = (u16::from_be_bytes([high, low]), u16::from_be_bytes(class));
    if class != 1 {
        return Err(Outcome::Class);
    }
    // RFC 6895 3.1: 128 to 255 are QTYPEs and meta types, 41 is OPT; 0 is no type.
    if matches!(rtype, 0 | 41 | 128..=255) {
        return Err(Outcome::MetaType);
    }
    let mut query = Query {
        name_len: name.len,
        key: name.key,
        rtype,
        limit: 512,
        edns: additional,
        dnssec_ok: 0,
        nsid: false,
        // At an odd offset the four octets straddle the 16-bit words.
        sum: checksum::add(name.sum, u64::from(question) << (8 * (name.len & 1))),
    };
    let end = HEADER + name.len + 4;
    if additional {
        opt(scratch, end, len, &mut query)?;
    } else if end != len {
        return Err(Outcome::Additional);
    }
    Ok(query)
}

/// QDCOUNT 1 and ANCOUNT 0 as they lie in memory.
const ONE_QUESTION: u32 = u32::from_ne_bytes([0, 1, 0, 0]);

struct Scanned {
    len: usize,
    key: u64,
    sum: u64,
}

/// Folds the QNAME by words up to its first zero octet.
///
/// That this is the root's label is not checked: a stored name that is equal octet for octet has
/// the same labels, and a denial walks them.
#[inline(always)]
fn scan(scratch: &mut Scratch, seed: Seed) -> Result<Scanned, Outcome> {
    let (mut key, mut sum, mut last) = (seed.start, 0, NAME_WORDS);
    for i in 0..NAME_WORDS {
        let word = scratch.qname(i);
        if fold::zeros(word) != 0 {
            last = i;
            break;
        }
        sum = checksum::add(sum, word);
        let word = fold::lower(word);
        key = seed.step(key, word);
        scratch.set_name(i, word);
    }
    if last == NAME_WORDS {
        return Err(Outcome::Qname);
    }
    let last = bound::launder(&mut scratch.cell, last) & (NAME_WORDS - 1);
    let word = scratch.qname(last);
    let mask = fold::before_zero(fold::zeros(word));
    let len = last * 8 + fold::octets(mask) + 1;
    if len > 255 {
        return Err(Outcome::Qname);
    }
    sum = checksum::add(sum, word & mask);
    let word = fold::lower(word & mask);
    scratch.set_name(last, word);
    Ok(Scanned {
        len,
        key: seed.step(key, word),
        sum,
    })
}

/// Reads the one additional record, at `at`; the message ends with it.
#[inline(always)]
fn opt(scratch: &mut Scratch, at: usize, len: usize, query: &mut Query) -> Result<(), Outcome> {
    if at + OPT > len {
        return Err(Outcome::Additional);
    }
    let head: [u8; 8] = scratch.message::<u64>(at).to_ne_bytes();
    let options = u16::from_be(scratch.message(at + 9)) as usize;
    if head[0] != 0 || head[1] != 0 || head[2] != 41 || at + OPT + options != len {
        return Err(Outcome::Additional);
    }
    if head[6] != 0 {
        return Err(Outcome::EdnsVersion);
    }
    let mut rest = options;
    for _ in 0..OPTIONS {
        if rest == 0 {
            break;
        }
        // The option's code and length, from where it starts: what is left counts from the end.
        let head: u32 = u32::from_be(scratch.message(len - rest));
        let octets = (head & 0xffff) as usize;
        query.nsid |= head >> 16 == u32::from(NSID);
        if rest < 4 + octets {
            return Err(Outcome::Additional);
        }
        rest = bound::launder(&mut scratch.cell, rest - 4 - octets);
    }
    if rest != 0 {
        return Err(Outcome::Additional);
    }
    let payload = u16::from_be_bytes([head[3], head[4]]) as usize;
    query.limit = payload.clamp(512, PAYLOAD);
    query.dnssec_ok = head[7] & 0x80;
    Ok(())
}
