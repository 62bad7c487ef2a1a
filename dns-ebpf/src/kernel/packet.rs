//! A packet's linear part as octets, with the bounds checks that the verifier asks for.

use dns_ebpf::bound;
use dns_ebpf::octets::{Octets, OctetsMut, REACH};

/// What a hook does with its packet.
pub(super) trait Packet {
    /// The interface it came in by.
    fn ifindex(&self) -> u32;
    /// Where it starts now.
    fn data(&self) -> usize;
    /// Where its linear part ends now.
    fn end(&self) -> usize;
    /// Makes its first `len` octets linear; false if it has fewer.
    fn reach(&self, len: usize) -> bool;
    /// Copies the `len` octets at `from`, 1 to 2,048, to `at`.
    ///
    /// # Safety
    ///
    /// `from` has `len` octets behind it.
    unsafe fn store(&self, at: usize, from: *const u8, len: usize) -> bool;
}

/// From `data` to `end`, to be read until the packet changes.
pub(super) struct Linear {
    pub(super) data: usize,
    pub(super) end: usize,
}

impl Linear {
    /// What follows the first `headers` octets, fewer than 128.
    #[inline(always)]
    pub(super) fn of(packet: &impl Packet, headers: usize) -> Self {
        Self {
            data: bound::pin(packet.data() + bound::mask::<127>(headers)),
            end: packet.end(),
        }
    }

    /// Whether there are `len` octets, fewer than 1,024.
    #[inline(always)]
    pub(super) fn has(&self, len: usize) -> bool {
        self.data + bound::mask::<1023>(len) <= self.end
    }
}

impl Octets for Linear {
    #[inline(always)]
    fn fixed<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        // The sum stands on the packet pointer's side: the verifier does no arithmetic on data_end.
        if self.data + at + N > self.end {
            return None;
        }
        // SAFETY: checked just above, and the packet is ours alone while we run.
        Some(unsafe {
            core::hint::assert_unchecked(self.data + at != 0);
            &*((self.data + at) as *const [u8; N])
        })
    }

    #[inline(always)]
    fn block<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        let start = bound::pin(self.data + bound::mask::<REACH>(at));
        if start + N > self.end {
            return None;
        }
        // SAFETY: as above; a packet is not at zero, which LLVM would test for.
        Some(unsafe {
            core::hint::assert_unchecked(start != 0);
            &*(start as *const [u8; N])
        })
    }
}

/// What follows the first `headers` octets, fewer than 128, to be written.
pub(super) struct Writing<'a, P> {
    pub(super) packet: &'a P,
    pub(super) headers: usize,
}

/// More octets than so many words are copied by a helper, which takes as long as some ten words do.
const WORDS: usize = 8;

impl<P: Packet> Writing<'_, P> {
    #[inline(always)]
    fn place(&self, at: usize) -> usize {
        bound::mask::<REACH>(self.headers + at)
    }
}

impl<P: Packet> OctetsMut for Writing<'_, P> {
    #[inline(always)]
    fn block_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        // Read anew each time: a helper may have moved the packet.
        let start = bound::pin(self.packet.data() + self.place(at));
        if start + N > self.packet.end() {
            return None;
        }
        // SAFETY: checked just above, and the packet is ours alone while we run; it is not at zero.
        Some(unsafe {
            core::hint::assert_unchecked(start != 0);
            &mut *(start as *mut [u8; N])
        })
    }

    #[inline(always)]
    unsafe fn put(&mut self, at: usize, from: *const u8, len: usize) -> Option<()> {
        if !(8..=WORDS * 8).contains(&len) {
            let len = bound::mask::<REACH>(len - 1) + 1;
            // SAFETY: the caller's.
            return unsafe { self.packet.store(self.headers + at, from, len) }.then_some(());
        }
        let start = bound::pin(self.packet.data() + self.place(at));
        let end = self.packet.end();
        for i in 0..WORDS {
            if i * 8 + 8 > len {
                break;
            }
            if start + (i * 8 + 8) > end {
                return None;
            }
            // SAFETY: the packet's side is checked just above, the other is the caller's.
            unsafe {
                let word = from.add(i * 8).cast::<u64>().read_unaligned();
                ((start + i * 8) as *mut u64).write_unaligned(word);
            }
        }
        if len & 7 != 0 {
            // The last eight octets once more, or for the first time.
            let last = bound::mask::<63>(len - 8);
            let to = self.block_mut::<8>(at + last)?;
            // SAFETY: the caller's.
            let word = unsafe { from.add(last).cast::<u64>().read_unaligned() };
            *to = word.to_ne_bytes();
        }
        Some(())
    }
}
