//! The last pages of ARENA: from a name's key to its record, past NAMES.
//!
//! NAMES says which names there are. But a walk of the kernel's hash map is a call, and two cache lines one after the
//! other before the record is even known. So the place of a record stands here, too, in one of two entries that
//! the key chooses, if one was free. Whoever finds nothing here, or a record with another key, asks NAMES: an entry
//! that is missing or out of date costs time and nothing else. The agent takes an entry away before it retires the
//! record, so that what an entry leads to is always whole.
//!
//! ```text
//! key     bits 59..63: tag    bits below, as many as the mask has: bucket
//! bucket  u64: two entries    entry  u32: tag in bits 27..31, reference below
//! page    ARENA[PAGES - 1 - bucket / BUCKETS]
//! ```

use crate::arena::{PAGE, PAGES};

/// Buckets of a page.
pub const BUCKETS: usize = PAGE / 8;
/// How many pages there can be: enough for four million names.
pub const SHORTCUT_PAGES: usize = 128;

/// Bits of a reference ([`crate::arena::reference`]).
const AT_BITS: u32 = 27;

const _: () = assert!(PAGES << 16 == 1 << AT_BITS);

/// The page of ARENA that has the bucket of `key`, and where in it, octets. `mask`:
/// [`Settings::shortcut_mask`](crate::settings::Settings::shortcut_mask).
#[inline(always)]
pub fn place(key: u64, mask: u64) -> (u32, usize) {
    let bucket = (key & mask) as usize;
    let page = (PAGES - 1).wrapping_sub(bucket / BUCKETS);
    (page as u32, bucket % BUCKETS * 8)
}

/// The reference that a bucket has for `key`; it may be another name's.
#[inline(always)]
pub fn find(bucket: u64, key: u64) -> Option<u32> {
    let tag = tag(key);
    let (low, high) = (bucket as u32, (bucket >> 32) as u32);
    if low >> AT_BITS == tag {
        Some(low & ((1 << AT_BITS) - 1))
    } else if high >> AT_BITS == tag {
        Some(high & ((1 << AT_BITS) - 1))
    } else {
        None
    }
}

/// The entry for `key` with the record at `at`. Zero stands for none, and so does the entry that happens to be it.
pub fn entry(key: u64, at: u32) -> u32 {
    tag(key) << AT_BITS | at
}

#[inline(always)]
fn tag(key: u64) -> u32 {
    (key >> 59) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_entry_of_a_bucket_is_found_by_its_tag() {
        let (one, two) = (3 << 59 | 0x4d, 9 << 59 | 0x4d);
        let bucket = u64::from(entry(one, 0x7ff_ffff)) | u64::from(entry(two, 5)) << 32;
        assert_eq!(find(bucket, one), Some(0x7ff_ffff));
        assert_eq!(find(bucket, two), Some(5));
        assert_eq!(find(bucket, 4 << 59 | 0x4d), None);
    }

    #[test]
    fn buckets_fill_pages_from_the_last_one_down() {
        assert_eq!(place(u64::MAX, 0), (2047, 0));
        assert_eq!(place(BUCKETS as u64 - 1, 0xffff), (2047, PAGE - 8));
        assert_eq!(place(BUCKETS as u64, 0x1_ffff), (2046, 0));
    }
}
