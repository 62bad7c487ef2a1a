//! ARENA: pages of immutable records, and NAMES: which record a name has.
//!
//! A record is written once, in a slot that no program can reach, and then published by its
//! reference in NAMES. It is never changed in place; its slot is reused only after an RCU grace
//! period. So no reader ever sees half a record. A reader may still follow a reference that NAMES
//! has just given to another name (the kernel reuses hash elements at once): then the key or the name in
//! the record differ, and the query is passed.
//!
//! ```text
//! octet 0   key of the name                         u64
//!       8   name_len zone zone_len flags sets account   u8 x 6, padding
//!      16   the name, folded, wire form, padded with zeros to a multiple of 8
//!       .   one `Set` of 16 octets per type
//!       .   the resource records of the sets; one's may be some of another's
//! ```

use crate::bound;

/// Octets of a page in which records may start.
pub const PAGE: usize = 512 * 1024;
/// Octets after them, so that a masked offset plus any masked length stays inside.
pub const SLACK: usize = 16 * 1024;
/// The longest record, octets.
pub const RECORD_MAX: usize = 8192;
/// How many pages ARENA can hold.
pub const PAGES: usize = 2048;
/// The longest body of an answer, octets: the limit of a response less header and shortest question.
pub const BODY_MAX: usize = 1232 - 12 - 5;

/// The page that a reference leads to.
#[inline(always)]
pub fn page_of(at: u32) -> u32 {
    at >> 16
}

/// Where the record starts in its page, octets; a multiple of 8, below PAGE.
#[inline(always)]
pub fn offset_of(at: u32) -> usize {
    (at as usize & 0xffff) << 3
}

/// The reference to a record at `offset`, a multiple of 8, of `page`.
pub fn reference(page: u32, offset: usize) -> u32 {
    page << 16 | (offset >> 3) as u32
}

/// One page: the value of an inner map.
#[repr(C, align(8))]
pub struct Page(pub [u8; PAGE + SLACK]);

impl Page {
    /// The word at `at`, a multiple of 8 below PAGE, as it is now: it may change at any time.
    #[inline(always)]
    #[expect(
        clippy::cast_ptr_alignment,
        reason = "a page is aligned, and so is the place"
    )]
    pub fn word(&self, at: usize) -> u64 {
        let at = bound::mask::<{ PAGE - 8 }>(at);
        // SAFETY: within the page, and aligned.
        unsafe { self.0.as_ptr().add(at).cast::<u64>().read_volatile() }
    }
}

/// The value of NAMES. Programs read `at` alone; the rest is for a person with bpftool. With these 24 octets an element of
/// the kernel's hash map is 88, of a size class of 96 (Linux 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct NameEntry {
    /// Where the record is: see [`reference`].
    pub at: u32,
    /// Length of the name in wire form, octets.
    pub name_len: u8,
    /// Slot of its zone in ZONES.
    pub zone: u8,
    /// How many types it has records of; 0 is an empty non-terminal.
    pub sets: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The name's first labels as text, dots between them, cut to fit and padded with zeros.
    pub text: [u8; 16],
}

const _: () = assert!(size_of::<NameEntry>() == 24);

/// Bits of a record's `flags`.
pub mod flag {
    /// The order of addresses is drawn anew for each answer.
    pub const SHUFFLE: u8 = 1;
    /// The name is an alias (CNAME): types that it has no set of pass, unless `END` is set too.
    pub const ALIAS: u8 = 2;
    /// The name is its zone's apex: SOA has an answer.
    pub const APEX: u8 = 4;
    /// The alias ends in the same zone, and all is known of its last name: the last set, of type 0, holds the
    /// CNAME records that stand before the SOA in a denial of every type that has no set.
    pub const END: u8 = 8;
    /// With `END`: the last name does not exist, the denial is NXDOMAIN (RFC 6604 3).
    pub const GONE: u8 = 16;
}

/// The record that a reference leads to.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    page: &'a Page,
    offset: usize,
}

/// The records of one type; of an alias, the CNAME records that lead to them and they.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Set {
    /// RR type, host order; 0: see [`flag::END`].
    pub rtype: u16,
    /// Where the octets are, from the record's start.
    pub offset: u16,
    /// How many octets; 0: too many to be held, the query passes.
    pub len: u16,
    /// ANCOUNT.
    pub answers: u16,
    /// ARCOUNT, OPT not counted.
    pub additional: u16,
    /// The octets' sum, as [`crate::checksum::of`] gives it.
    pub sum: u16,
    /// Octets per resource record of an address set whose order may be drawn, else 0. More than
    /// [`SHUFFLED`](crate::order::SHUFFLED) addresses lie there twice in a row.
    pub stride: u16,
    /// Octets of the CNAME records before the addresses of such a set, at most
    /// [`FIXED`](crate::order::FIXED): they keep their place.
    pub fixed: u16,
}

const _: () = assert!(size_of::<Set>() == 16);

/// The fixed part of a record, words 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Length of the name in wire form, 1 to 255.
    pub name_len: usize,
    /// Slot of the zone in ZONES.
    pub zone: usize,
    /// Length of the zone's name in wire form: where SOA's owner is in the question.
    pub zone_len: usize,
    /// See [`flag`].
    pub flags: u8,
    /// How many sets follow the name.
    pub sets: usize,
    /// What answers from it are counted under: see [`answered`](crate::answered).
    pub account: usize,
}

impl Head {
    /// Word 1 of a record.
    #[inline(always)]
    pub fn to_word(self) -> u64 {
        self.name_len as u64
            | (self.zone as u64) << 8
            | (self.zone_len as u64) << 16
            | u64::from(self.flags) << 24
            | (self.sets as u64) << 32
            | (self.account as u64) << 40
    }

    /// From word 1 of a record.
    #[inline(always)]
    pub fn from_word(word: u64) -> Self {
        let octet = |at: u32| (word >> at & 0xff) as usize;
        Self {
            name_len: octet(0),
            zone: octet(8),
            zone_len: octet(16),
            flags: octet(24) as u8,
            sets: octet(32),
            account: octet(40),
        }
    }
}

impl<'a> Record<'a> {
    /// The record at `at`'s offset in `page`.
    #[inline(always)]
    pub fn new(page: &'a Page, at: u32) -> Self {
        let offset = bound::mask::<{ PAGE - 8 }>(offset_of(at));
        Self { page, offset }
    }

    /// The key of the name.
    #[inline(always)]
    pub fn key(&self) -> u64 {
        self.word(0)
    }

    /// The fixed part.
    #[inline(always)]
    pub fn head(&self) -> Head {
        Head::from_word(self.word(1))
    }

    /// Word `i` of the name, `i` < 32.
    #[inline(always)]
    pub fn name(&self, i: usize) -> u64 {
        self.word(2 + i)
    }

    /// Set `i` of a record whose name is `name_len` octets long.
    #[inline(always)]
    pub fn set(&self, name_len: usize, i: usize) -> Set {
        let at = 16 + ((name_len + 7) & !7) + i * 16;
        let word = |k| self.word_at(bound::mask::<{ RECORD_MAX - 8 }>(at) + k);
        let (low, high) = (word(0), word(8));
        Set {
            rtype: low as u16,
            offset: (low >> 16) as u16,
            len: (low >> 32) as u16,
            answers: (low >> 48) as u16,
            additional: high as u16,
            sum: (high >> 16) as u16,
            stride: (high >> 32) as u16,
            fixed: (high >> 48) as u16,
        }
    }

    /// Where a set's octets start: a pointer with at least 8 KiB behind it, as far as the verifier
    /// and the page's slack are concerned.
    #[inline(always)]
    pub fn octets(&self, offset: usize) -> *const u8 {
        let offset = bound::mask::<{ RECORD_MAX - 1 }>(offset);
        // SAFETY: `self.offset` is below PAGE, `offset` below RECORD_MAX, and SLACK is twice that.
        unsafe { self.page.0.as_ptr().add(self.offset).add(offset) }
    }

    #[inline(always)]
    fn word(&self, i: usize) -> u64 {
        self.word_at(i * 8)
    }

    /// The word at `at` octets from the record's start, `at` <= `RECORD_MAX` + 8.
    #[inline(always)]
    fn word_at(&self, at: usize) -> u64 {
        debug_assert!(at <= RECORD_MAX);
        // SAFETY: `self.offset` is below PAGE and `at` at most RECORD_MAX + 8, within SLACK. Records are
        // written before they are published and not changed afterwards.
        unsafe {
            self.page
                .0
                .as_ptr()
                .add(self.offset)
                .add(at)
                .cast::<u64>()
                .read_unaligned()
        }
    }
}
