//! The working memory of one query: a per-CPU map value in the kernel, a local on the host.

use crate::bound;
use crate::destination::Destination;
use crate::log::Logged;

/// The longest query that is looked at, octets. Longer ones pass.
pub const QUERY_MAX: usize = 512;
/// Words of a name of 255 octets.
pub const NAME_WORDS: usize = 32;
const PAD: usize = crate::zone::WORDS;

/// The working memory of one query.
#[repr(C, align(8))]
pub struct Scratch {
    /// The folded QNAME, after [`PAD`](crate::zone::WORDS) words of zeros.
    name: [u64; PAD + NAME_WORDS + 4],
    /// Answer records that are made or put in order here; the others are copied from the arena.
    pub body: [u8; 2048 + 16],
    /// Headers and question on their way to another place in the packet.
    pub moved: [u8; 512],
    /// For [`bound::launder`].
    pub cell: u64,
    /// The address and port that was last found in DESTINATIONS.
    pub ours: Destination,
    /// [`Settings::destinations`](crate::settings::Settings::destinations) at that time, plus one; 0: never.
    pub ours_as_of: u64,
    /// The tick in which [`Settings::deadline`](crate::settings::Settings::deadline) was last found not to be over.
    pub fresh_at: u64,
    /// The deadline at that time.
    pub fresh_until: u64,
    /// What is said of the query.
    pub log: Logged,
}

impl Scratch {
    /// Zeros.
    pub const ZERO: Scratch = Scratch {
        name: [0; _],
        body: [0; _],
        moved: [0; 512],
        cell: 0,
        ours: Destination {
            address: [0; 4],
            port: 0,
        },
        ours_as_of: 0,
        fresh_at: 0,
        fresh_until: 0,
        log: Logged::ZERO,
    };

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
            *self.name.get_unchecked_mut(PAD + (i & (NAME_WORDS - 1))) = word;
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
