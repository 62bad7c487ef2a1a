//! The Corefile looked at again and again (`reload`): a change that reads well is handed on, a broken one told
//! once.

use std::time::Duration;

use crate::corefile::Config;
use crate::metrics::coredns::CoreDns;

use super::corefile::Corefile;

/// How often the file is looked at. `reload` promises to notice within its interval, of two seconds at least.
const LOOK: Duration = Duration::from_secs(1);

/// The file, and what was last said of it.
pub(super) struct Reload {
    corefile: Corefile,
    /// Ticks on while nobody waits for it: other events come more often than the file is looked at.
    clock: tokio::time::Interval,
    said: Option<String>,
    coredns: CoreDns,
}

impl Reload {
    /// What is wrong with the file as it is now, in the words of the log.
    pub(super) fn complaint(&self) -> Option<&String> {
        self.said.as_ref()
    }

    /// Looks at the file of `corefile`; at nothing for the built-in Corefile.
    pub(super) fn new(corefile: Corefile, coredns: CoreDns) -> Self {
        Self {
            corefile,
            clock: tokio::time::interval(LOOK),
            said: None,
            coredns,
        }
    }

    /// Waits until the file is to be looked at again.
    pub(super) async fn due(&mut self) {
        self.clock.tick().await;
    }

    /// A Corefile that says something other than `current`, where that one has `reload`. A file that is gone changes
    /// nothing: what was good stays.
    pub(super) fn look(&mut self, current: &Config) -> Option<Config> {
        if current.servers.iter().all(|server| server.reload.is_none()) {
            return None;
        }
        match self.corefile.read() {
            Ok(config) => {
                if self.said.take().is_some() {
                    tracing::info!("the Corefile reads well again");
                }
                config.filter(|config| config != current)
            }
            Err(error) => {
                let what = format!(
                    "the changed Corefile is not in force, the last good one stays: {error}"
                );
                if self.said.as_ref() != Some(&what) {
                    self.coredns.reload_failed();
                    tracing::error!("{what}");
                    self.said = Some(what);
                }
                None
            }
        }
    }
}
