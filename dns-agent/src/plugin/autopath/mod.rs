//! `autopath`: the client's search path (resolv.conf(5), `search`) walked by the server, so that the first of the
//! client's queries has the final answer.

mod handler;
mod setup;

use crate::record::Name;

pub use handler::{Autopath, SearchPath};
pub use setup::setup;

/// What the line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Only names below these are looked at: the zones it names, the server block's where it names none.
    pub zones: Vec<Name>,
    /// The client's search path.
    pub search: Search,
}

/// Where a client's search path comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// `@kubernetes`: that of a pod in the client's namespace, and behind it the node's own, which pods have there too.
    Kubernetes {
        /// `search` of this host's `/etc/resolv.conf`.
        own: Vec<Name>,
    },
    /// A file: its `search`, the same for every client.
    File(Vec<Name>),
}

impl Search {
    /// Whether it is the `kubernetes` plugin that knows it.
    pub fn is_kubernetes(&self) -> bool {
        matches!(self, Self::Kubernetes { .. })
    }
}
