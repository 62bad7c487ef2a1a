//! A frame where it lies, or what follows its headers: in the kernel a packet, on a host a slice.
//!
//! What is read or written is taken as a block of known length, checked once against the end; the places in it are
//! constants, checked when this is compiled.

/// Octets to read.
pub trait Octets {
    /// The `N` octets at `at`, a constant; `None` past the end.
    fn fixed<const N: usize>(&self, at: usize) -> Option<&[u8; N]>;
    /// The `N` octets at `at`, which is known only when running, at most [`REACH`]; `None` past the end.
    fn block<const N: usize>(&self, at: usize) -> Option<&[u8; N]>;
}

/// Octets to write.
pub trait OctetsMut {
    /// As [`Octets::block`].
    fn block_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]>;
    /// Copies the `len` octets at `from`, 1 to [`REACH`], to `at`, at most [`REACH`]; `None` past the end.
    ///
    /// # Safety
    ///
    /// `from` has `len` octets behind it.
    unsafe fn put(&mut self, at: usize, from: *const u8, len: usize) -> Option<()>;
}

/// How far from the start octets are reached: more than any response.
pub const REACH: usize = 2047;

impl Octets for &[u8] {
    fn fixed<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.block(at)
    }

    fn block<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.get(at..)?.first_chunk()
    }
}

impl OctetsMut for &mut [u8] {
    fn block_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        self.get_mut(at..)?.first_chunk_mut()
    }

    unsafe fn put(&mut self, at: usize, from: *const u8, len: usize) -> Option<()> {
        // SAFETY: the caller's.
        let from = unsafe { core::slice::from_raw_parts(from, len) };
        self.get_mut(at..at + len)?.copy_from_slice(from);
        Some(())
    }
}

/// The `T`, made of integers, at `AT` of a block, in memory order.
#[inline(always)]
pub fn get<T: Copy, const AT: usize, const N: usize>(block: &[u8; N]) -> T {
    const { assert!(AT + size_of::<T>() <= N) };
    // SAFETY: it lies in the block; any octets are integers.
    unsafe { block.as_ptr().add(AT).cast::<T>().read_unaligned() }
}

/// Stores `value`, made of integers, at `AT` of a block, in memory order.
#[inline(always)]
pub fn set<T: Copy, const AT: usize, const N: usize>(block: &mut [u8; N], value: T) {
    const { assert!(AT + size_of::<T>() <= N) };
    // SAFETY: it lies in the block.
    unsafe {
        block
            .as_mut_ptr()
            .add(AT)
            .cast::<T>()
            .write_unaligned(value);
    }
}
