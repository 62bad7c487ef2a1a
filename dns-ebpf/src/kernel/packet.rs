//! A packet's linear part as a [`Frame`], with the bounds checks that the verifier asks for.

use dns_ebpf::net::Frame;

/// From `data` to `data_end`.
pub(super) struct Linear {
    pub(super) data: usize,
    pub(super) end: usize,
}

impl Frame for Linear {
    #[inline(always)]
    fn read<T: Copy>(&self, at: usize) -> Option<T> {
        // The sum stands on the packet pointer's side: the verifier does no arithmetic on data_end.
        if self.data + at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: checked just above; `T` is made of integers.
        Some(unsafe { ((self.data + at) as *const T).read_unaligned() })
    }
}
