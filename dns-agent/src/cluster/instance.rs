//! One `kubernetes` block of the Corefile in force.

use std::net::IpAddr;

use crate::corefile::Server;
use crate::k8s::needs::Needs;
use crate::k8s::object::ObjectKey;
use crate::plugin::kubernetes::Options;
use crate::record::Name;
use crate::record::schema::View;

/// A `kubernetes` block and the server block it stands in.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Which server block, by its place in the Corefile.
    pub server: usize,
    /// The port of the server block.
    pub port: u16,
    /// What the block makes of the objects.
    pub view: View,
    /// The zones of `k8s_external` in the server block, which is asked first.
    pub external: Vec<Name>,
    /// `loadbalance` of the server block.
    pub shuffle: bool,
}

impl Instance {
    /// The `kubernetes` block with `options` in `block`, which is number `server`; `needs` are those
    /// by which the objects were taken in.
    pub fn new(
        server: usize,
        block: &Server,
        options: Options,
        needs: &Needs,
        dns_service: ObjectKey,
        own: Vec<IpAddr>,
    ) -> Self {
        let labels = options.labels.as_ref();
        let sight = needs.sight(labels, options.namespace_labels.as_ref());
        let view = View::new(options, sight, dns_service, own);
        Self {
            server,
            port: block.port,
            view,
            external: block
                .k8s_external
                .iter()
                .flat_map(|options| options.zones.iter().cloned())
                .collect(),
            shuffle: block.loadbalance,
        }
    }

    /// Whether a name that is not there goes to the next plugin.
    pub fn falls_through(&self, name: &Name) -> bool {
        self.view
            .options()
            .fallthrough
            .iter()
            .any(|zone| name.is_under(zone))
    }
}
