//! `forward`: names of others, asked of upstream servers.

mod handler;
mod setup;
mod upstream;

use std::net::SocketAddr;

use crate::record::Name;

pub use handler::{Forward, ForwardError};
pub use setup::setup;
pub use upstream::UpstreamError;

/// What a `forward` line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Names under it are forwarded.
    pub from: Name,
    /// The upstreams, resolv.conf files already read.
    pub to: Vec<SocketAddr>,
    /// `except`: names under these are not forwarded.
    pub except: Vec<Name>,
}
