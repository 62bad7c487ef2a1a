//! The records of a received message, stepped over one by one: where each ends, and the fixed fields
//! between owner and RDATA (RFC 1035 4.1.3). Names are measured, and followed only where one is asked for.

use super::query::{HEADER, Question};
use crate::record::Name;

/// The type number of OPT (RFC 6891 6.1.1).
pub(crate) const OPT: u16 = 41;

/// A record reaches beyond the end of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut;

/// One resource record, its owner name passed over rather than read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    /// Where the next one starts in the message.
    pub(crate) end: usize,
    pub(crate) owner_is_root: bool,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) rdata: &'a [u8],
}

/// Steps over the records of a message from `at`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Records<'a> {
    pub(crate) octets: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Records<'a> {
    /// Starts behind the question of a message that has exactly one; `None` where it has not.
    pub(crate) fn behind_question(octets: &'a [u8]) -> Option<Self> {
        let question = Question::parse(octets.get(HEADER..)?)?;
        Some(Self {
            octets,
            at: HEADER + question.octets(),
        })
    }

    /// The next record; `None` at the message's end.
    pub(crate) fn next_record(&mut self) -> Result<Option<Raw<'a>>, Cut> {
        let start = self.at;
        if start >= self.octets.len() {
            return Ok(None);
        }
        let name = name_octets(&self.octets[start..]).ok_or(Cut)?;
        let fixed = self.octets[start + name..].first_chunk::<10>().ok_or(Cut)?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let body = start + name + fixed.len();
        let end = body + usize::from(word(8));
        let rdata = self.octets.get(body..end).ok_or(Cut)?;
        self.at = end;
        Ok(Some(Raw {
            end,
            owner_is_root: self.octets[start] == 0,
            rtype: word(0),
            class: word(2),
            ttl: u32::from(word(4)) << 16 | u32::from(word(6)),
            rdata,
        }))
    }
}

/// The name that starts at `at`, its pointers followed, folded to lower case; `None` where it is none, or
/// points anywhere but backwards.
pub(crate) fn name_at(octets: &[u8], mut at: usize) -> Option<Name> {
    let mut wire = Vec::new();
    let mut before = at;
    while wire.len() < 255 {
        match *octets.get(at)? {
            0 => {
                wire.push(0);
                return Name::from_wire(&wire);
            }
            length @ 1..=63 => {
                let end = at + 1 + usize::from(length);
                wire.extend(octets.get(at..end)?);
                at = end;
            }
            high @ 0xc0.. => {
                at = usize::from(u16::from_be_bytes([high & 0x3f, *octets.get(at + 1)?]));
                // Each pointer leads before the place where the labels so far began, so they come to an end.
                if at >= before {
                    return None;
                }
                before = at;
            }
            _ => return None,
        }
    }
    None
}

/// How many octets a name takes up here, a pointer ending it (RFC 1035 4.1.4).
fn name_octets(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => return (octets.len() > at + 1).then_some(at + 2),
            _ => return None,
        }
    }
}
