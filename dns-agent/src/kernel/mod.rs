//! The kernel's side of the agent: the programs, and at which interfaces they hang.

mod netlink;
mod order;

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
