//! The kernel programs; nothing on a host.
//!
//! Everything that decides is in the library, where a host can test it. Here are the hooks, the maps, and
//! how octets are moved into and out of a packet.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "helpers take u32 and int; lengths are bounded by what fits a frame"
)]
mod kernel;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
