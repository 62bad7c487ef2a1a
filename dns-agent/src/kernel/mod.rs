//! The kernel's side of the agent: which programs hang at which interfaces.

mod netlink;

pub mod attach;
pub mod attached;
pub mod capabilities;
pub mod clsact;
pub mod globs;
pub mod hook;
pub mod links;
pub mod log;
pub mod object;
pub mod tc;
pub mod xdp;
