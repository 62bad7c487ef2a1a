//! A Corefile and the command line to the HTTP endpoints that are served.

use crate::cli::RunArgs;
use crate::corefile::Config;
use crate::serve::admin::{Endpoint, Wanted};

/// The HTTP endpoints of the Corefile and of `--metrics`, which takes the place of `prometheus`. Where the metrics
/// are, health and readiness are too.
pub(super) fn wanted(config: &Config, args: &RunArgs) -> Vec<Wanted> {
    const ALL: &[Endpoint] = &[Endpoint::Health, Endpoint::Ready, Endpoint::Metrics];
    let mut wanted = Vec::new();
    let mut add = |plugin, address: &dyn ToString, endpoints: &[Endpoint]| {
        wanted.push(Wanted {
            plugin,
            address: address.to_string(),
            endpoints: endpoints.to_vec(),
        });
    };
    for server in &config.servers {
        if let Some(health) = &server.health {
            add("health", &health.address, &[Endpoint::Health]);
        }
        if let Some(address) = &server.ready {
            add("ready", address, &[Endpoint::Ready]);
        }
        if let (Some(address), None) = (&server.prometheus, args.metrics) {
            add("prometheus", address, ALL);
        }
    }
    if let Some(address) = args.metrics {
        add("--metrics", &address, ALL);
    }
    wanted
}
