//! Addresses in an order drawn anew for each answer (`loadbalance`).
//!
//! The resource records of an address set are alike but for the address, so moving the addresses among
//! them is enough; they move by an even number of octets, and the set's sum stays what it was. A small set
//! is shuffled in [`Scratch::body`]. A large one lies twice in a row in the arena, and the answer starts at
//! a record that is drawn: each address is first equally often.
//!
//! CNAME records that lead to the addresses stay before them.

use crate::arena::{Record, Set};
use crate::bound;
use crate::scratch::Scratch;

/// The most addresses that are shuffled; of more, the order is kept and the start is drawn.
pub const SHUFFLED: usize = 16;
/// The most octets of CNAME records before addresses whose order is drawn.
pub const FIXED: usize = 512;

/// Where the address is in a record whose owner is a pointer.
const ADDRESS: usize = 12;
/// Octets of an AAAA record whose owner is a pointer.
const STRIDE_MAX: usize = 28;

/// The set's addresses in an order that `draw` decides; `set.stride` is not 0.
#[inline(always)]
pub fn drawn(scratch: &mut Scratch, record: &Record<'_>, set: &Set, draw: u32) -> *const u8 {
    let (stride, fixed) = (set.stride as usize, set.fixed as usize);
    let len = (set.len as usize).wrapping_sub(fixed);
    // Not ANCOUNT, which counts the CNAME records too.
    let count = if stride == 16 {
        len / 16
    } else {
        len / STRIDE_MAX
    };
    let addresses = set.offset as usize + fixed;
    if count > SHUFFLED {
        let first = ((u64::from(draw) * count as u64) >> 32) as usize;
        return record.octets(addresses + first * stride);
    }
    copy(scratch, record.octets(addresses), len);
    shuffle(scratch, count, stride, draw);
    scratch.body.as_ptr()
}

#[inline(always)]
fn copy(scratch: &mut Scratch, from: *const u8, len: usize) {
    // Laundered, or the verifier goes on with one state per length that the loop may end at.
    let len = bound::launder(&mut scratch.cell, len);
    for i in 0..(SHUFFLED * STRIDE_MAX) / 8 {
        if i * 8 >= len {
            break;
        }
        // SAFETY: `from` has more than 448 octets behind it, if only the page's slack.
        let word = unsafe { from.add(i * 8).cast::<u64>().read_unaligned() };
        bound::write::<u64, 2047, _>(&mut scratch.body, i * 8, word);
    }
}

/// Fisher and Yates.
#[inline(always)]
fn shuffle(scratch: &mut Scratch, count: usize, stride: usize, draw: u32) {
    let count = bound::launder(&mut scratch.cell, count);
    let mut state = u64::from(draw);
    for i in (1..SHUFFLED).rev() {
        if i >= count {
            continue;
        }
        // A step of Knuth's MMIX generator; its high half chooses among i + 1.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let j = (((state >> 33) * (i as u64 + 1)) >> 31) as usize;
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
