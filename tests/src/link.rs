//! A program at an interface, exchanged without a frame in between (`bpf_link`: Linux 5.9 for XDP, 6.6 for TCX).

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use aya_obj::generated::{bpf_attach_type, bpf_cmd};
use dns_ebpf::outcome::Hook;

use crate::assembly::{bpf, descriptor, zeroed};

/// `XDP_FLAGS_DRV_MODE` of `linux/if_link.h`: by the driver, not by the stack.
const DRIVER: u32 = 1 << 2;

/// An attachment; detached when dropped.
#[derive(Debug)]
pub struct Link(OwnedFd);

impl Link {
    /// Attaches a program of the hook's type to the ingress of an interface of the thread's network namespace.
    pub fn new(hook: Hook, ifindex: u32, program: BorrowedFd<'_>) -> Result<Self> {
        let (kind, flags) = match hook {
            Hook::Xdp => (bpf_attach_type::BPF_XDP, DRIVER),
            Hook::Tc => (bpf_attach_type::BPF_TCX_INGRESS, 0),
        };
        let mut attr = zeroed();
        // SAFETY: BPF_LINK_CREATE reads this member of the union.
        let create = unsafe { &mut attr.link_create };
        create.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
        create.__bindgen_anon_2.target_ifindex = ifindex;
        create.attach_type = kind as u32;
        create.flags = flags;
        descriptor(bpf_cmd::BPF_LINK_CREATE, &mut attr)
            .map(Self)
            .with_context(|| format!("attaching to interface {ifindex}"))
    }

    /// Puts another program of the same type in the first one's place.
    pub fn replace(&self, program: BorrowedFd<'_>) -> Result<()> {
        let mut attr = zeroed();
        // SAFETY: BPF_LINK_UPDATE reads this member of the union.
        let update = unsafe { &mut attr.link_update };
        update.link_fd = self.0.as_raw_fd().cast_unsigned();
        update.__bindgen_anon_1.new_prog_fd = program.as_raw_fd().cast_unsigned();
        bpf(bpf_cmd::BPF_LINK_UPDATE, &mut attr).context("exchanging a program")?;
        Ok(())
    }
}
