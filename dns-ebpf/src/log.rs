//! What the programs say of a query to a person (`--kernel-log`): one value, written whole.
//!
//! The octets of a [`Logged`] are the only argument of an aya-log record, in hexadecimal. One argument is
//! what fits into a program's stack (512 octets for all its frames) and into the verifier's patience; words are made
//! of it by the agent.

/// Octets of a name that are shown.
pub const NAME: usize = 64;

/// One verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Logged {
    /// [`Outcome`](crate::outcome::Outcome)'s number.
    pub outcome: u32,
    /// The interface that the query came in by.
    pub ifindex: u32,
    /// QTYPE, host order; 0 of a query that could not be read.
    pub rtype: u32,
    /// Length of the QNAME in wire form; 0 of a query that could not be read.
    pub name_len: u32,
    /// The start of the folded QNAME; behind its end, whatever lay there before.
    pub name: [u64; NAME / 8],
}

const _: () = assert!(size_of::<Logged>() == 80);

impl Logged {
    /// Zeros.
    pub const ZERO: Logged = Logged {
        outcome: 0,
        ifindex: 0,
        rtype: 0,
        name_len: 0,
        name: [0; NAME / 8],
    };

    /// As it lies in memory.
    #[inline(always)]
    pub fn octets(&self) -> &[u8] {
        // SAFETY: integers without padding, all initialised; octets have no alignment.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast(), size_of::<Self>()) }
    }

    /// From [`Logged::octets`]; `None` where there are fewer or more.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let octets: &[u8; size_of::<Self>()] = octets.try_into().ok()?;
        // SAFETY: as many octets as the value has, and any octets are integers.
        Some(unsafe { octets.as_ptr().cast::<Self>().read_unaligned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_become_the_same_value_again() {
        let mut logged = Logged::ZERO;
        (logged.outcome, logged.rtype, logged.name[7]) = (23, 28, u64::MAX);
        assert_eq!(Logged::from_octets(logged.octets()), Some(logged));
        assert_eq!(Logged::from_octets(&logged.octets()[1..]), None);
    }
}
