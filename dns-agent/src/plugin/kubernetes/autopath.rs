//! `autopath @kubernetes`: the search path that kubelet gives a pod (`ClusterFirst`), from the client's address.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::cluster::Cluster;
use crate::cluster::instance::Instance;
use crate::plugin::autopath::SearchPath;
use crate::record::Name;
use crate::record::reverse::is_reverse;

/// The search paths of this node's pods.
pub struct PodSearch {
    cluster: Arc<RwLock<Cluster>>,
    instance: Arc<Instance>,
    own: Vec<Name>,
}

impl PodSearch {
    /// For the zones of `instance`; `own` is searched behind them.
    pub fn new(cluster: Arc<RwLock<Cluster>>, instance: Arc<Instance>, own: Vec<Name>) -> Self {
        Self {
            cluster,
            instance,
            own,
        }
    }
}

impl SearchPath for PodSearch {
    /// `<namespace>.svc.<zone>`, `svc.<zone>`, `<zone>` and the node's own domains.
    fn of(&self, address: IpAddr, name: &Name) -> Vec<Name> {
        let zone = self.instance.view.zone_of(name);
        let Some(zone) = zone.filter(|zone| !is_reverse(zone)) else {
            return Vec::new();
        };
        let namespace = {
            let cluster = self.cluster.read();
            let index = cluster.objects_of(&self.instance).index();
            index.local_pods().namespace_of(address).cloned()
        };
        let services = zone.child(b"svc");
        let first = services
            .as_ref()
            .zip(namespace)
            .and_then(|(services, namespace)| services.child(namespace.as_bytes()));
        let (Some(first), Some(services)) = (first, services) else {
            return Vec::new();
        };
        let mut path = vec![first, services, zone.clone()];
        path.extend(self.own.iter().cloned());
        path
    }
}
