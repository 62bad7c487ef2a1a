//! Bounds that the BPF verifier can follow: the only lines that differ between kernel and host.

/// `value & MASK`, in a form that the optimiser cannot take away.
///
/// LLVM drops a mask whose effect it can prove; the verifier (through Linux 6.18) cannot repeat the
/// proof and then rejects the access that follows.
#[inline(always)]
pub fn mask<const MASK: usize>(value: usize) -> usize {
    // All ones, the three lowest bits apart: anything else would send a value somewhere else.
    const { assert!(((MASK | 7) + 1).is_power_of_two()) };
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: one AND on a register; the operand is an immediate of at most 31 bits.
        unsafe {
            core::arch::asm!("{0} &= {1}", inout(reg) value, const MASK, options(pure, nomem, nostack));
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        value & MASK
    }
}

/// `value` in a register of its own.
///
/// An address that is compared with the end of a packet and one that is read from are to be the same to the
/// verifier; LLVM may otherwise add up each by itself.
#[inline(always)]
pub fn pin(value: usize) -> usize {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: a move of a register to itself. Without an instruction there would be a line of source without
        // code, which the kernel refuses (line_info).
        unsafe {
            core::arch::asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack));
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        value
    }
}

/// Reads a `T` at `at & MASK`, wherever that is aligned.
///
/// Does not compile where `MASK` reaches past the array.
#[inline(always)]
pub fn read<T: Copy, const MASK: usize, const N: usize>(octets: &[u8; N], at: usize) -> T {
    const { assert!(MASK + size_of::<T>() <= N) };
    // SAFETY: `at & MASK` is at most MASK, and MASK + size_of::<T>() octets lie in the array; every
    // `T` used here is an integer, for which any octets are a value.
    unsafe {
        octets
            .as_ptr()
            .add(mask::<MASK>(at))
            .cast::<T>()
            .read_unaligned()
    }
}

/// Writes `value` at `at & MASK`; see [`read`].
#[inline(always)]
pub fn write<T: Copy, const MASK: usize, const N: usize>(
    octets: &mut [u8; N],
    at: usize,
    value: T,
) {
    const { assert!(MASK + size_of::<T>() <= N) };
    // SAFETY: as in `read`, and the array is borrowed mutably.
    unsafe {
        octets
            .as_mut_ptr()
            .add(mask::<MASK>(at))
            .cast::<T>()
            .write_unaligned(value);
    }
}

/// `value`, of which the verifier no longer knows anything.
///
/// A loop that ends at one of 32 places with a different constant each makes the verifier walk all later
/// code 32 times. Through memory the constants become one unknown, and the walks meet.
#[inline(always)]
pub fn launder(cell: &mut u64, value: usize) -> usize {
    let cell: *mut u64 = cell;
    // SAFETY: `cell` comes from a reference. Volatile, so that the round trip is not optimised away.
    unsafe {
        cell.write_volatile(value as u64);
        cell.read_volatile() as usize
    }
}
