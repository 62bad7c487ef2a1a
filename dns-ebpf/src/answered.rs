//! ANSWERED: a given answer to the counter that it belongs in, by what CoreDNS labels its requests and responses
//! with (`plugin/metrics` of CoreDNS 1.15).
//!
//! Server and zone of a server block are an *account*: a number that the agent gives out, for as long as it
//! runs, to one server block's zone, and writes into every record and every slot of ZONES that belongs there.
//! So no counter ever changes its meaning, whatever a reload does to the slots.

use crate::bound;

/// How many accounts there are. Number 0 is for what has none of its own.
pub const ACCOUNTS: usize = 32;
/// How many classes of QTYPE there are: those that CoreDNS counts by name, and all others as one.
pub const TYPES: usize = MONITORED.len() + 1;
/// How many counters ANSWERED has.
pub const COUNTERS: usize = ACCOUNTS * PER_ACCOUNT;
/// Family, RCODE and DO are two values each.
const PER_ACCOUNT: usize = 2 * 2 * 2 * TYPES;

/// The QTYPEs that CoreDNS counts by name, less the meta types, which the programs do not answer. The place in
/// the list plus one is the class; class 0 is any other type.
pub const MONITORED: [u16; 16] = [1, 2, 5, 6, 12, 15, 16, 28, 33, 43, 46, 47, 48, 50, 64, 65];

/// What is counted of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The account, below [`ACCOUNTS`].
    pub account: usize,
    /// Whether it went by IPv6.
    pub v6: bool,
    /// NXDOMAIN; NOERROR otherwise.
    pub is_denied: bool,
    /// Whether the query had the DO bit.
    pub dnssec_ok: bool,
    /// The class of the QTYPE, below [`TYPES`].
    pub class: usize,
}

impl Answered {
    /// The index in ANSWERED.
    #[inline(always)]
    pub fn index(self) -> u32 {
        let account = bound::mask::<{ ACCOUNTS - 1 }>(self.account);
        let bits = usize::from(self.v6) << 2
            | usize::from(self.is_denied) << 1
            | usize::from(self.dnssec_ok);
        ((account * 8 + bits) * TYPES + self.class) as u32
    }

    /// Everything that is counted of one account.
    pub fn of(account: usize) -> impl Iterator<Item = Self> {
        (0..PER_ACCOUNT).map(move |at| {
            let bits = at / TYPES;
            Self {
                account,
                v6: bits & 4 != 0,
                is_denied: bits & 2 != 0,
                dnssec_ok: bits & 1 != 0,
                class: at % TYPES,
            }
        })
    }
}

/// The class of a QTYPE.
#[inline(always)]
pub fn class(rtype: u16) -> usize {
    const { assert!(ACCOUNTS.is_power_of_two()) };
    if rtype > 127 {
        return 0;
    }
    // SAFETY: the mask keeps the index below 128. A table, since a comparison with each type in turn would have
    // the verifier walk the rest of the program once per type.
    unsafe { *CLASSES.get_unchecked(bound::mask::<127>(rtype.into())) }.into()
}

static CLASSES: [u8; 128] = {
    let mut classes = [0; 128];
    let mut i = 0;
    while i < MONITORED.len() {
        classes[MONITORED[i] as usize] = i as u8 + 1;
        i += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_answer_has_a_counter_of_its_own() {
        let all = (0..ACCOUNTS).flat_map(Answered::of);
        let indices: BTreeSet<u32> = all.map(Answered::index).collect();
        assert_eq!(indices.len(), COUNTERS);
        assert_eq!(
            indices.last().map(|&last| last as usize),
            Some(COUNTERS - 1)
        );
    }

    #[test]
    fn types_that_coredns_names_have_classes_and_the_others_share_one() {
        for (i, &rtype) in MONITORED.iter().enumerate() {
            assert_eq!(class(rtype), i + 1);
        }
        for other in [0, 3, 63, 66, 99, 127, 128, 257, 0xffff] {
            assert_eq!(class(other), 0, "{other}");
        }
    }
}
