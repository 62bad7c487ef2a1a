//! Several elements of an array of maps set by one call (`BPF_MAP_UPDATE_BATCH`, Linux 5.6), which aya 0.14 does not
//! have: the kernel then waits for running programs once, and not for each element.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use aya_obj::generated::{bpf_attr, bpf_cmd};

/// Sets each key to its map; whether the kernel has set them all. Arrays of maps have this call since Linux 5.19, and
/// before 6.8 it waits for each all the same.
pub(super) fn update(outer: BorrowedFd<'_>, elements: &[(u32, BorrowedFd<'_>)]) -> bool {
    let (keys, values): (Vec<u32>, Vec<i32>) = elements
        .iter()
        .map(|(key, map)| (*key, map.as_raw_fd()))
        .unzip();
    // SAFETY: a `bpf_attr` is integers, and the kernel wants what is not used to be zero.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    // SAFETY: BPF_MAP_UPDATE_BATCH reads and writes this member of the union.
    let batch = unsafe { &mut attr.batch };
    batch.map_fd = outer.as_raw_fd().cast_unsigned();
    batch.keys = keys.as_ptr() as u64;
    batch.values = values.as_ptr() as u64;
    batch.count = u32::try_from(elements.len()).unwrap_or(0);
    // SAFETY: `attr` and what it points to live until the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_MAP_UPDATE_BATCH,
            &raw mut attr,
            size_of::<bpf_attr>(),
        )
    };
    result == 0
}
