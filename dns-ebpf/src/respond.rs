//! The responder: a [`Query`] and what is held to a [`Reply`] (RFC 1035 4.1, RFC 2308).

use crate::arena::{Head, Record, Set, flag};
use crate::bound;
use crate::checksum;
use crate::negative;
use crate::order;
use crate::outcome::Outcome;
use crate::query::{HEADER, OPT, Query};
use crate::scratch::{NAME_WORDS, Scratch};
use crate::zone::{self, Zone, Zones};

/// The most types a name has records of.
pub const SETS: usize = 8;
/// Words of the longest SOA and OPT, 65 octets.
const TAIL_WORDS: usize = 9;
/// QTYPE SOA.
const SOA: u16 = 6;

/// What is held: the maps in the kernel, the same memory in the agent.
pub trait Store {
    /// The record that NAMES has for `key`; it may be another name's.
    fn find(&self, key: u64) -> Option<Record<'_>>;
    /// The zones.
    fn zones(&self) -> Option<&Zones>;
    /// [`Settings::epoch`](crate::settings::Settings::epoch).
    fn epoch(&self) -> u64;
    /// Whether [`NSID`](crate::settings::flag::NSID) is set.
    fn has_nsid(&self) -> bool;
    /// A random number for the order of addresses.
    fn draw(&self) -> u32;
}

/// A response: `front` of the scratch up to the end of the question, or of the CNAME records behind it that lead
/// to a body whose order was drawn; then the body, then the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Answer, NODATA or NXDOMAIN.
    pub outcome: Outcome,
    /// Octets of header, question and what stands right behind it.
    pub front_len: usize,
    /// The answer records: in the arena, in [`Scratch::body`], or null.
    pub body: *const u8,
    /// Their octets.
    pub body_len: usize,
    /// Octets of SOA and OPT in [`Scratch::tail`].
    pub tail_len: usize,
    /// The sum of the whole message.
    pub sum: u64,
    /// What it is counted under: see [`answered`](crate::answered).
    pub account: usize,
}

impl Reply {
    /// Octets of the message.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.front_len + self.body_len + self.tail_len
    }

    /// Never: a message has a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Answers `query`, whose message and folded name are in `scratch`. Nothing but `scratch` is
/// changed; on `Err` the query passes.
#[inline(always)]
pub fn respond(scratch: &mut Scratch, query: &Query, store: &impl Store) -> Result<Reply, Outcome> {
    if query.nsid && store.has_nsid() {
        return Err(Outcome::Nsid);
    }
    let epoch = store.epoch();
    let Some(record) = store.find(query.key) else {
        let zone = negative::authority(scratch, query, store.zones().ok_or(Outcome::Internal)?)?;
        let soa = Some((zone, zone.apex as usize));
        let account = zone.account as usize;
        let reply = finish(scratch, query, Outcome::NxDomain, DENIAL, NOTHING, soa);
        let reply = Reply { account, ..reply };
        return unchanged(store, epoch, reply);
    };
    let head = record.head();
    if record.key() != query.key
        || head.name_len != query.name_len
        || !same_name(scratch, &record, query.name_len)
    {
        return Err(Outcome::OtherName);
    }
    let account = head.account;
    if let Some(set) = find_set(&record, query, head.sets) {
        let reply = positive(scratch, query, store, &record, &set, head.flags)?;
        return Ok(Reply { account, ..reply });
    }
    let (denial, counts, end) = if head.flags & flag::ALIAS == 0 {
        (Outcome::NoData, DENIAL, NOTHING)
    } else {
        denied_end(query, &record, &head)?
    };
    let zone = store.zones().ok_or(Outcome::Internal)?.slot(head.zone);
    let soa = Some((zone, head.zone_len));
    if head.flags & flag::APEX != 0 && query.rtype == SOA {
        let reply = finish(scratch, query, Outcome::Answer, [1, 0, 0], NOTHING, soa);
        return unchanged(store, epoch, Reply { account, ..reply });
    }
    if zone.flags & zone::flag::COMPLETE == 0 {
        return Err(Outcome::Incomplete);
    }
    let reply = finish(scratch, query, denial, counts, end, soa);
    unchanged(store, epoch, Reply { account, ..reply })
}

/// The denial of a type that the end of an alias does not have: the CNAME records, and the RCODE of the last name
/// (RFC 1034 4.3.2, step 3a; RFC 6604 3).
#[inline(always)]
fn denied_end(
    query: &Query,
    record: &Record<'_>,
    head: &Head,
) -> Result<(Outcome, [u16; 3], Octets), Outcome> {
    if head.flags & flag::END == 0 {
        return Err(Outcome::Alias);
    }
    let set = record.set(query.name_len, head.sets.wrapping_sub(1));
    if !fits(query, set.len as usize + negative::SOA) {
        return Err(Outcome::TooLarge);
    }
    let denial = if head.flags & flag::GONE == 0 {
        Outcome::NoData
    } else {
        Outcome::NxDomain
    };
    let octets = (
        record.octets(set.offset as usize),
        set.len as usize,
        set.sum,
    );
    Ok((denial, [set.answers, 1, 0], octets))
}

#[inline(always)]
fn same_name(scratch: &mut Scratch, record: &Record<'_>, name_len: usize) -> bool {
    let mut difference = 0;
    // Laundered, or the verifier goes on with one state per length that the loop may end at.
    let name_len = bound::launder(&mut scratch.cell, name_len);
    for i in 0..NAME_WORDS {
        if i * 8 >= name_len {
            break;
        }
        difference |= scratch.name(i) ^ record.name(i);
    }
    difference == 0
}

#[inline(always)]
fn find_set(record: &Record<'_>, query: &Query, sets: usize) -> Option<Set> {
    for i in 0..SETS {
        if i >= sets {
            break;
        }
        let set = record.set(query.name_len, i);
        if set.rtype == query.rtype {
            return Some(set);
        }
    }
    None
}

#[inline(always)]
fn positive(
    scratch: &mut Scratch,
    query: &Query,
    store: &impl Store,
    record: &Record<'_>,
    set: &Set,
    flags: u8,
) -> Result<Reply, Outcome> {
    if set.len == 0 || !fits(query, set.len as usize) {
        return Err(Outcome::TooLarge);
    }
    let counts = [set.answers, 0, set.additional];
    let body = (
        record.octets(set.offset as usize),
        set.len as usize,
        set.sum,
    );
    let mut reply = finish(scratch, query, Outcome::Answer, counts, body, None);
    if flags & flag::SHUFFLE != 0 && set.stride != 0 {
        // The same octets in another order, and the same sum.
        order::lead(scratch, record, set, query.name_len);
        reply.front_len += set.fixed as usize;
        reply.body_len = reply.body_len.wrapping_sub(set.fixed as usize);
        reply.body = order::drawn(scratch, record, set, store.draw());
    }
    Ok(reply)
}

/// Whether the client takes a response with `octets` of records, OPT not counted.
#[inline(always)]
fn fits(query: &Query, octets: usize) -> bool {
    let opt = if query.edns { OPT } else { 0 };
    HEADER + query.name_len + 4 + octets + opt <= query.limit
}

/// A denial holds only if nothing was being changed from before the lookup until now.
#[inline(always)]
fn unchanged(store: &impl Store, epoch: u64, reply: Reply) -> Result<Reply, Outcome> {
    if epoch & 1 != 0 || store.epoch() != epoch {
        Err(Outcome::Updating)
    } else {
        Ok(reply)
    }
}

/// ANCOUNT, NSCOUNT and ARCOUNT of a denial: the SOA record alone.
const DENIAL: [u16; 3] = [0, 1, 0];
/// Where answer records are, how many octets, and their sum.
type Octets = (*const u8, usize, u16);
/// No answer records.
const NOTHING: Octets = (core::ptr::null(), 0, 0);

/// Turns the header round and adds SOA and OPT. `counts`: ANCOUNT, NSCOUNT, ARCOUNT less OPT.
#[inline(always)]
fn finish(
    scratch: &mut Scratch,
    query: &Query,
    outcome: Outcome,
    counts: [u16; 3],
    body: Octets,
    zone: Option<(&Zone, usize)>,
) -> Reply {
    let tail_len = negative::tail(scratch, query, zone);
    let flags: [u8; 2] = scratch.message(2);
    let rcode = if let Outcome::NxDomain = outcome {
        3
    } else {
        0
    };
    // QR and AA set, RD (RFC 1035 4.1.1) and CD (RFC 4035 3.1.6) copied, all else clear.
    scratch.set_message(2, [0x84 | flags[0] & 0x01, flags[1] & 0x10 | rcode]);
    let [answers, authority, additional] = counts;
    let additional = additional + u16::from(query.edns);
    scratch.set_message(6, answers.to_be());
    scratch.set_message(8, authority.to_be());
    scratch.set_message(10, additional.to_be());

    let (body, body_len, body_sum) = body;
    let mut sum = checksum::add(query.sum, scratch.message(0));
    sum += u64::from(scratch.message::<u32>(8));
    // Header and QTYPE, QCLASS are even: the name's length decides where the 16-bit words fall.
    sum += checksum::at(query.name_len & 1 != 0, body_sum);
    let mut tail_sum = 0;
    for i in 0..TAIL_WORDS {
        if i * 8 >= tail_len {
            break;
        }
        tail_sum = checksum::add(tail_sum, bound::read::<u64, 127, _>(&scratch.tail, i * 8));
    }
    sum += checksum::at(
        (query.name_len + body_len) & 1 != 0,
        checksum::fold(tail_sum),
    );
    Reply {
        outcome,
        front_len: HEADER + query.name_len + 4,
        body,
        body_len,
        tail_len,
        sum,
        account: 0,
    }
}
