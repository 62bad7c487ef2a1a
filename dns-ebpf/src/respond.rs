//! The responder: a [`Query`] and what is held to a [`Reply`] (RFC 1035 4.1, RFC 2308).

use crate::arena::{Head, Record, Set, flag};
use crate::bound;
use crate::checksum;
use crate::negative::{self, Soa};
use crate::octets::{OctetsMut, set};
use crate::order;
use crate::outcome::Outcome;
use crate::query::{HEADER, OPT, Query};
use crate::scratch::{NAME_WORDS, Scratch};
use crate::zone::{self, Zone, Zones};

/// The most types a name has records of.
pub const SETS: usize = 8;
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

/// A response: a new header, the query's question as it is, and behind it lead, body, SOA and OPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Answer, NODATA or NXDOMAIN.
    pub outcome: Outcome,
    /// ID, flags and counts, in memory order.
    pub header: [u32; 3],
    /// Octets of header and question.
    pub front_len: usize,
    /// The CNAME records before a body whose order was drawn, in the arena; or null.
    pub lead: *const u8,
    /// Their octets.
    pub lead_len: usize,
    /// The answer records: in the arena, in [`Scratch::body`], or null.
    pub body: *const u8,
    /// Their octets.
    pub body_len: usize,
    /// The SOA record of a denial, or of an answer to who asks for it.
    pub soa: Option<Soa>,
    /// The DO bit of the OPT record, if there is one.
    pub opt: Option<u8>,
    /// The sum of the whole message.
    pub sum: u64,
    /// What it is counted under: see [`answered`](crate::answered).
    pub account: usize,
}

impl Reply {
    /// Octets of the message.
    #[inline(always)]
    pub fn len(&self) -> usize {
        let soa = if self.soa.is_some() { negative::SOA } else { 0 };
        let opt = if self.opt.is_some() { OPT } else { 0 };
        self.front_len + self.lead_len + self.body_len + soa + opt
    }

    /// Never: a message has a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Makes the response of the query in `message`, which is [`Reply::len`] octets long by now; `None` if it is shorter.
    ///
    /// # Safety
    ///
    /// What the reply points to, scratch and arena, is as it was when the reply was made.
    #[inline(always)]
    pub unsafe fn write(&self, message: &mut impl OctetsMut) -> Option<()> {
        let mut at = self.front_len;
        if self.lead_len > 0 {
            // SAFETY: the caller's.
            unsafe { message.put(at, self.lead, self.lead_len)? };
            at += self.lead_len;
        }
        if self.body_len > 0 {
            // SAFETY: the caller's.
            unsafe { message.put(at, self.body, self.body_len)? };
            at += self.body_len;
        }
        if let Some(soa) = &self.soa {
            soa.write(message.block_mut(at)?);
            at += negative::SOA;
        }
        if let Some(dnssec_ok) = self.opt {
            negative::write_opt(message.block_mut(at)?, dnssec_ok);
        }
        let header = message.block_mut::<HEADER>(0)?;
        set::<u32, 0, _>(header, self.header[0]);
        set::<u32, 4, _>(header, self.header[1]);
        set::<u32, 8, _>(header, self.header[2]);
        Some(())
    }
}

/// Answers `query`, whose folded name is in `scratch`. Nothing but `scratch` is
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
        let reply = finish(query, Outcome::NxDomain, DENIAL, NOTHING, soa);
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
        let reply = finish(query, Outcome::Answer, [1, 0, 0], NOTHING, soa);
        return unchanged(store, epoch, Reply { account, ..reply });
    }
    if zone.flags & zone::flag::COMPLETE == 0 {
        return Err(Outcome::Incomplete);
    }
    let reply = finish(query, denial, counts, end, soa);
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
    let mut reply = finish(query, Outcome::Answer, counts, body, None);
    if flags & flag::SHUFFLE != 0 && set.stride != 0 {
        // The same octets in another order, and the same sum.
        reply.lead = reply.body;
        reply.lead_len = set.fixed as usize;
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

/// The header, SOA and OPT around a body. `counts`: ANCOUNT, NSCOUNT, ARCOUNT less OPT.
#[inline(always)]
fn finish(
    query: &Query,
    outcome: Outcome,
    counts: [u16; 3],
    body: Octets,
    zone: Option<(&Zone, usize)>,
) -> Reply {
    let rcode = if let Outcome::NxDomain = outcome {
        3
    } else {
        0
    };
    let [id @ .., flags, more] = query.head.to_ne_bytes();
    let [answers, authority, additional] = counts;
    let additional = additional + u16::from(query.edns);
    let header = [
        // QR and AA set, RD (RFC 1035 4.1.1) and CD (RFC 4035 3.1.6) copied, all else clear.
        u32::from_ne_bytes([id[0], id[1], 0x84 | flags & 0x01, more & 0x10 | rcode]),
        u32::from(1u16.to_be()) | u32::from(answers.to_be()) << 16,
        u32::from(authority.to_be()) | u32::from(additional.to_be()) << 16,
    ];

    let (body, body_len, body_sum) = body;
    let mut sum = query.sum + header.map(u64::from).iter().sum::<u64>();
    // Header and QTYPE, QCLASS are even: the name's length decides where the 16-bit words fall.
    sum += checksum::at(query.name_len & 1 != 0, body_sum);
    let soa = zone.map(|(zone, zone_len)| Soa::new(query, zone, zone_len));
    let opt = query.edns.then_some(query.dnssec_ok);
    // SOA is even, too.
    let tail = soa.map_or(0, |soa| soa.sum()) + opt.map_or(0, negative::opt_sum);
    sum += checksum::at((query.name_len + body_len) & 1 != 0, checksum::fold(tail));
    Reply {
        outcome,
        header,
        front_len: HEADER + query.name_len + 4,
        lead: core::ptr::null(),
        lead_len: 0,
        body,
        body_len,
        soa,
        opt,
        sum,
        account: 0,
    }
}
