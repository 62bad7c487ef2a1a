//! `transfer [ZONES...] { to ADDRESSES... }`: zones of `kubernetes` to secondary servers, as a whole (AXFR,
//! RFC 5936; IXFR answered so, RFC 1995 4), which are told of changes (NOTIFY, RFC 1996).

mod handler;
mod image;
pub mod notify;
mod setup;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::record::Name;

pub use handler::Transfer;
pub use setup::setup;

/// What one line and its block say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The zones, the server block's where the line names none.
    pub zones: Vec<Name>,
    /// `to`, at least one.
    pub to: Vec<To>,
    /// `source`: the address that NOTIFY is sent from.
    pub source: Option<IpAddr>,
}

/// Who may have a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// `*`: everyone. Nobody is notified.
    Everyone,
    /// A secondary: the address may transfer, from whatever port, and at its port it is notified.
    Secondary(SocketAddr),
}

impl Options {
    /// Whether a client may have the zones of this line.
    pub fn admits(&self, client: IpAddr) -> bool {
        self.to.iter().any(|to| match to {
            To::Everyone => true,
            To::Secondary(address) => address.ip() == client,
        })
    }
}

/// The line that decides on a zone: the one that names the longest zone above it, or it itself.
pub fn line_for<'a>(lines: &'a [Options], zone: &Name) -> Option<&'a Options> {
    let zones = lines
        .iter()
        .flat_map(|line| line.zones.iter().map(move |zone| (zone, line)));
    zones
        .filter(|(above, _)| zone.is_under(above))
        .max_by_key(|(above, _)| above.labels().count())
        .map(|(_, line)| line)
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("*"),
            Self::Secondary(address) => address.fmt(f),
        }
    }
}
