//! In which order TCX programs (Linux 6.6) run at the ingress of an interface: `BPF_PROG_QUERY` of bpf(2).
//!
//! aya's `query_tcx` goes on to open each program by its id, which takes `CAP_SYS_ADMIN`; the order alone takes
//! `CAP_NET_ADMIN`.

use std::io;

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd};

/// The most programs that a hook of an interface has: the kernel's `BPF_MPROG_MAX`.
const MOST: u32 = 64;

/// The ids of the programs at the ingress of the interface with this index, the one that runs first at the front.
pub(super) fn at_ingress(index: u32) -> io::Result<Vec<u32>> {
    let mut ids = [0_u32; MOST as usize];
    // SAFETY: the attributes are integers, of which every bit pattern is one; the kernel wants zeroes in the rest.
    let mut attributes: bpf_attr = unsafe { std::mem::zeroed() };
    attributes.query.__bindgen_anon_1.target_ifindex = index;
    attributes.query.attach_type = bpf_attach_type::BPF_TCX_INGRESS as u32;
    attributes.query.__bindgen_anon_2.prog_cnt = MOST;
    attributes.query.prog_ids = ids.as_mut_ptr() as u64;
    // SAFETY: the kernel reads `attributes` and writes at most `prog_cnt` ids to `ids`; both outlive the call.
    let status = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_PROG_QUERY as libc::c_long,
            &raw mut attributes,
            size_of::<bpf_attr>(),
        )
    };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has written how many there are.
    let count = unsafe { attributes.query.__bindgen_anon_2.prog_cnt } as usize;
    Ok(ids.into_iter().take(count).collect())
}
