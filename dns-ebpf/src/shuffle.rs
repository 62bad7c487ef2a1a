//! Addresses in an order drawn anew for each answer (`loadbalance`).
//!
//! The resource records of an address set are alike but for the address, so only the addresses move. They
//! move by an even number of octets: the set's sum stays what it was.

use crate::arena::{BODY_MAX, Record, Set};
use crate::bound;
use crate::scratch::Scratch;

/// Where the address is in a record whose owner is a pointer.
const ADDRESS: usize = 12;
/// The most records that fit.
const RECORDS: usize = BODY_MAX / 16;

/// Copies the set to `scratch.body` in an order that `draw` decides (Fisher and Yates).
#[inline(always)]
pub fn copy(scratch: &mut Scratch, record: &Record<'_>, set: &Set, draw: u32) {
    let from = record.octets(set.offset as usize);
    for i in 0..BODY_MAX.div_ceil(8) {
        if i * 8 >= set.len as usize {
            break;
        }
        // SAFETY: `from` has 4 KiB behind it in the page's slack, more than BODY_MAX.
        let word = unsafe { from.add(i * 8).cast::<u64>().read_unaligned() };
        bound::write::<u64, 2047, _>(&mut scratch.body, i * 8, word);
    }
    let (count, stride) = (set.answers as usize, set.stride as usize);
    let mut state = u64::from(draw);
    for i in (1..RECORDS).rev() {
        if i >= count {
            continue;
        }
        // A step of Knuth's MMIX generator; the high half chooses among i + 1.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let j = ((state >> 33) * (i as u64 + 1) >> 31) as usize;
        let (a, b) = (i * stride + ADDRESS, j * stride + ADDRESS);
        if stride == 16 {
            swap::<u32>(scratch, a, b);
        } else {
            swap::<u64>(scratch, a, b);
            swap::<u64>(scratch, a + 8, b + 8);
        }
    }
}

#[inline(always)]
fn swap<T: Copy>(scratch: &mut Scratch, a: usize, b: usize) {
    let left: T = bound::read::<T, 2047, _>(&scratch.body, a);
    let right: T = bound::read::<T, 2047, _>(&scratch.body, b);
    bound::write::<T, 2047, _>(&mut scratch.body, a, right);
    bound::write::<T, 2047, _>(&mut scratch.body, b, left);
}
