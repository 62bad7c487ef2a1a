//! The working memory of one query: a per-CPU map value in the kernel, a local on the host.

use crate::bound;
use crate::log::Logged;

/// Where the DNS message starts in [`Scratch::front`]. The QNAME, 12 octets on, is 8-aligned, and the
/// longest frame header (Ethernet, a VLAN tag, IPv6, UDP: 66 octets) fits before it.
pub const DNS: usize = 68;
/// Where the QNAME starts in [`Scratch::front`].
pub const QNAME: usize = DNS + 12;
/// The longest query that is looked at, octets. Longer ones pass.
pub const QUERY_MAX: usize = 512;
/// Words of a name of 255 octets.
pub const NAME_WORDS: usize = 32;
/// Octets for SOA and OPT, 65 at most: as many as a mask of 127 and a word behind it reach.
pub const TAIL: usize = 136;

const PAD: usize = crate::zone::WORDS;

/// The working memory of one query.
#[repr(C, align(8))]
pub struct Scratch {
    /// Frame header (ending at [`DNS`]) and message: first the query's, then the response's as far as the
    /// question goes.
    pub front: [u8; 1152],
    /// The folded QNAME, after [`PAD`](crate::zone::WORDS) words of zeros.
    name: [u64; PAD + NAME_WORDS + 4],
    /// Answer records that are made or put in order here; the others are copied from the arena.
    pub body: [u8; 2048 + 16],
    /// What follows the answer records: SOA and OPT. Zero beyond its length, up to the next multiple of 8.
    pub tail: [u8; TAIL],
    /// For [`bound::launder`].
    pub cell: u64,
    /// What is said of the query.
    pub log: Logged,
}

impl Scratch {
    /// Zeros.
    pub const ZERO: Scratch = Scratch {
        front: [0; 1152],
        name: [0; _],
        body: [0; _],
        tail: [0; TAIL],
        cell: 0,
        log: Logged::ZERO,
    };

    /// Word `i` of the QNAME as sent; beyond the message whatever lay there before.
    #[inline(always)]
    pub fn qname(&self, i: usize) -> u64 {
        bound::read::<u64, 1023, _>(&self.front, QNAME + i * 8)
    }

    /// Octets of the message at `at`, in memory order.
    #[inline(always)]
    pub fn message<T: Copy>(&self, at: usize) -> T {
        bound::read::<T, 1023, _>(&self.front, DNS + at)
    }

    /// Stores octets of the message at `at`, in memory order.
    #[inline(always)]
    pub fn set_message<T: Copy>(&mut self, at: usize, value: T) {
        bound::write::<T, 1023, _>(&mut self.front, DNS + at, value);
    }

    /// Word `i` of the folded QNAME.
    #[inline(always)]
    pub fn name(&self, i: usize) -> u64 {
        self.name[PAD + i]
    }

    /// Stores word `i` of the folded QNAME, `i` < `NAME_WORDS`.
    #[inline(always)]
    pub fn set_name(&mut self, i: usize, word: u64) {
        // SAFETY: the mask keeps the index below PAD + 32.
        unsafe {
            *self
                .name
                .get_unchecked_mut(PAD + bound::mask::<{ NAME_WORDS - 1 }>(i)) = word;
        };
    }

    /// Octet `at` of the folded QNAME, `at` < 256.
    #[inline(always)]
    pub fn name_octet(&self, at: usize) -> usize {
        // SAFETY: PAD * 8 + 255 lies in the array.
        let octet = unsafe {
            *self
                .name
                .as_ptr()
                .cast::<u8>()
                .add(PAD * 8 + bound::mask::<255>(at))
        };
        octet.into()
    }

    /// Word `i` of the last `SUFFIX` octets of the folded QNAME, zeros before its start.
    #[inline(always)]
    pub fn name_end(&self, name_len: usize, i: usize) -> u64 {
        // The padding is as long as the suffix, so the suffix starts `name_len` octets in.
        // SAFETY: 255 + WORDS * 8 + 8 octets lie in the array.
        unsafe {
            let start = self
                .name
                .as_ptr()
                .cast::<u8>()
                .add(bound::mask::<255>(name_len));
            start.add(i * 8).cast::<u64>().read_unaligned()
        }
    }
}
