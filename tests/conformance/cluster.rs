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

/// The same with what is said only where the Corefile wants it said.
const WITH_PLUGINS: &str = "
.:PORT {
    nsid node-1
    any
    chaos V-1
    transfer cluster.local {
        to *
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . UPSTREAM
}
";

/// Starts a node that serves the cluster with `nsid`, `any`, `chaos` and `transfer`.
pub(crate) fn site_with_plugins() -> Result<Site> {
    Site::start(WITH_PLUGINS, include_str!("cluster.yaml"))
}

/// Starts a node that serves the cluster.
pub(crate) fn site() -> Result<Site> {
    Site::start(COREFILE, include_str!("cluster.yaml"))
}
