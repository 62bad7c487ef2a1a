//! The cluster and the Corefile of all tables.

use anyhow::Result;
use kerndns_tests::ways::Site;

/// kubeadm's Corefile as far as it decides answers. `PORT` and `UPSTREAM` are filled in.
const COREFILE: &str = "
.:PORT {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . UPSTREAM
    loadbalance
}
";

/// Starts a node that serves the cluster.
pub(crate) fn site() -> Result<Site> {
    Site::start(COREFILE, include_str!("cluster.yaml"))
}
