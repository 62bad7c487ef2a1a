//! The kernel's side of the agent: which programs hang at which interfaces.

mod netlink;

pub mod attach;
pub mod attached;
pub mod capabilities;
pub mod clsact;
pub mod globs;
pub mod hook;
pub mod links;
pub mod object;
pub mod tc;
pub mod xdp;

/// The tc program's name in the object, and in `bpftool` and `tc filter show`.
pub const TC_PROGRAM: &str = "kerndns_tc";

/// The XDP program's name in the object, and in `bpftool`.
pub const XDP_PROGRAM: &str = "kerndns_xdp";
