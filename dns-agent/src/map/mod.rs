//! The BPF maps: one module each.

pub(crate) mod shared;
