//! A DNS message to a [`Query`] (RFC 1035 4.1, RFC 6891 6.1).

use crate::bound;
use crate::checksum::{self, Sum};
use crate::fold::{self, Seed};
use crate::octets::{Octets, get};
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
    /// ID and flags, in memory order.
    pub head: u32,
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

/// Parses the first `len` octets of `message` and leaves the folded QNAME in `scratch`.
#[inline(always)]
pub fn parse(
    message: &impl Octets,
    len: usize,
    scratch: &mut Scratch,
    seed: Seed,
) -> Result<Query, Outcome> {
    if !(HEADER + 5..=QUERY_MAX).contains(&len) {
        return Err(Outcome::MessageSize);
    }
    let header = message.fixed::<HEADER>(0).ok_or(Outcome::MessageSize)?;
    let flags: u8 = get::<_, 2, _>(header);
    if flags & 0x80 != 0 {
        return Err(Outcome::Response);
    }
    if flags & 0x78 != 0 {
        return Err(Outcome::Opcode);
    }
    let (counts, more) = (get::<_, 4, _>(header), get::<u32, 8, _>(header));
    let additional = match (counts, u32::from_be(more)) {
        (ONE_QUESTION, 0) => false,
        (ONE_QUESTION, 1) => true,
        _ => return Err(Outcome::Counts),
    };
    let head = get::<_, 0, _>(header);
    let name = scan(message, len, scratch, seed)?;
    let end = HEADER + name.len + 4;
    if end > len {
        return Err(Outcome::Qname);
    }
    let question = message.block::<4>(end - 4).ok_or(Outcome::Qname)?;
    let question: u32 = get::<_, 0, _>(question);
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
        head,
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
    if additional {
        opt(message, end, len, scratch, &mut query)?;
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

/// Takes the QNAME by words up to its first zero octet, and folds it where it may have upper case.
///
/// That this is the root's label is not checked: a stored name that is equal octet for octet has
/// the same labels, and a denial walks them.
#[inline(always)]
fn scan(
    message: &impl Octets,
    len: usize,
    scratch: &mut Scratch,
    seed: Seed,
) -> Result<Scanned, Outcome> {
    let (mut key, mut sum, mut last) = (seed.start, Sum::default(), NAME_WORDS);
    let mut upper = 0;
    for i in 0..NAME_WORDS {
        let word = message.fixed::<8>(HEADER + i * 8).map(get::<u64, 0, _>);
        let Some(word) = word.filter(|&word| !fold::may_end(word) || fold::zeros(word) == 0) else {
            last = i;
            break;
        };
        sum.add(word);
        upper |= fold::may_be_upper(word);
        key = seed.step(key, word);
        scratch.set_name(i, word);
    }
    if last == NAME_WORDS {
        return Err(Outcome::Qname);
    }
    let last = bound::launder(&mut scratch.cell, last) & (NAME_WORDS - 1);
    let at = HEADER + last * 8;
    if at >= len {
        return Err(Outcome::Qname);
    }
    // Where fewer than eight octets are left of the message, they are read as the end of its last eight.
    let from = at.min(len - 8);
    let word = message.block::<8>(from).ok_or(Outcome::Qname)?;
    let word = get::<u64, 0, _>(word) >> (((at - from) & 7) * 8);
    let mask = fold::before_zero(fold::zeros(word));
    let len = last * 8 + fold::octets(mask) + 1;
    if len > 255 || fold::zeros(word) == 0 {
        return Err(Outcome::Qname);
    }
    let word = word & mask;
    sum.add(word);
    scratch.set_name(last, word);
    key = seed.step(key, word);
    if fold::is_any(upper | fold::may_be_upper(word)) {
        key = folded(scratch, last, seed);
    }
    Ok(Scanned {
        len,
        key,
        sum: sum.get(),
    })
}

/// Folds the name in `scratch`, whose last word is `last`, and gives its key. Few names need it.
#[inline(always)]
fn folded(scratch: &mut Scratch, last: usize, seed: Seed) -> u64 {
    let mut key = seed.start;
    for i in 0..NAME_WORDS {
        if i > last {
            break;
        }
        let word = fold::lower(scratch.name(i));
        key = seed.step(key, word);
        scratch.set_name(i, word);
    }
    key
}

/// Reads the one additional record, at `at`; the message ends with it.
#[inline(always)]
fn opt(
    message: &impl Octets,
    at: usize,
    len: usize,
    scratch: &mut Scratch,
    query: &mut Query,
) -> Result<(), Outcome> {
    if at + OPT > len {
        return Err(Outcome::Additional);
    }
    let record = message.block::<OPT>(at).ok_or(Outcome::Additional)?;
    let head: [u8; 8] = get::<u64, 0, _>(record).to_ne_bytes();
    let options = u16::from_be(get::<_, 9, _>(record)) as usize;
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
        let head = message.block::<4>(len - rest).ok_or(Outcome::Additional)?;
        let head = u32::from_be(get::<_, 0, _>(head));
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
