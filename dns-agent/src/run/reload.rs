//! The Corefile looked at again and again (`reload`): a change that reads well is handed on, a broken one told
//! once.

use std::path::Path;
use std::time::Duration;

use crate::corefile::Config;
use crate::metrics::coredns::CoreDns;

use super::datapath::CorefilePath;

/// How often the file is looked at. `reload` promises to notice within its interval, of two seconds at least.
const LOOK: Duration = Duration::from_secs(1);

/// The file, and what was last said of it.
pub(super) struct Reload {
    path: CorefilePath,
    /// Ticks on while nobody waits for it: other events come more often than the file is looked at.
    clock: tokio::time::Interval,
    said: Option<String>,
    coredns: CoreDns,
}

impl Reload {
    /// Looks at `path`; at nothing for the built-in Corefile.
    pub(super) fn new(path: CorefilePath, coredns: CoreDns) -> Self {
        Self {
            path,
            clock: tokio::time::interval(LOOK),
            said: None,
            coredns,
        }
    }

    /// Waits for a Corefile that says something other than `current`. Never, without `reload`.
    pub(super) async fn next(&mut self, current: &Config) -> Config {
        let Some(path) = self.path.clone() else {
            return std::future::pending().await;
        };
        if current.servers.iter().all(|server| server.reload.is_none()) {
            return std::future::pending().await;
        }
        loop {
            self.clock.tick().await;
            if let Some(config) = self.look(&path, current) {
                return config;
            }
        }
    }

    fn look(&mut self, path: &Path, current: &Config) -> Option<Config> {
        match Config::load(path) {
            Ok(config) => {
                if self.said.take().is_some() {
                    tracing::info!("{} reads well again", path.display());
                }
                (config != *current).then_some(config)
            }
            Err(error) => {
                let what = error.to_string();
                if self.said.as_ref() != Some(&what) {
                    self.coredns.reload_failed();
                    tracing::error!(
                        "the changed Corefile is not in force, the last good one stays: {what}"
                    );
                    self.said = Some(what);
                }
                None
            }
        }
    }
}
