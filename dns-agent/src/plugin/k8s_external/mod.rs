//! `k8s_external`: names of Services by the addresses that they have outside of the cluster.

mod handler;
mod setup;

use crate::record::Name;

pub use handler::External;
pub use setup::setup;

/// What the lines of a `k8s_external` block say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The plugin's zones, the server block's where it names none; the first one that is not a reverse
    /// zone is what PTR records point into.
    pub zones: Vec<Name>,
    /// `apex`: the label below the zone's apex where its name server is; one label, lower case.
    pub apex: String,
    /// `ttl`, seconds, 0 to 3600.
    pub ttl: u32,
    /// `headless`: endpoints of Services without external addresses have names too.
    pub headless: bool,
    /// `fallthrough`: the zones in which a name that is not there goes to the next plugin.
    pub fallthrough: Vec<Name>,
}

impl Options {
    /// The zone that a name is in: the longest that matches.
    pub fn zone_of(&self, name: &Name) -> Option<&Name> {
        let zones = self.zones.iter().filter(|zone| name.is_under(zone));
        zones.max_by_key(|zone| zone.wire().len())
    }
}
