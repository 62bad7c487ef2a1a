//! The objects of one source, and how far its word goes: what was listed, and what is out of touch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::corefile::Config;
use crate::k8s::Event;
use crate::k8s::Verb;
use crate::k8s::index::{Index, Touched};
use crate::k8s::needs::Needs;
use crate::k8s::object::{Kind, ObjectKey};
use crate::plugin::kubernetes::Pods;

/// How long a broken watch's zones are still denied from.
const BROKEN_PATIENCE: Duration = Duration::from_mins(1);

/// What a source has told so far. A clone shares the objects.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    needs: Needs,
    index: Arc<Index>,
    listed: BTreeSet<Kind>,
    broken: BTreeMap<Kind, Instant>,
}

/// What a Corefile needs of the objects. The DNS Service is kept whatever its labels; whose pods are meant where those of
/// the node are needed is the caller's to say.
pub fn needs(config: &Config, dns_service: &ObjectKey) -> Needs {
    let mut needs = Needs::new(dns_service.clone());
    for options in config
        .servers
        .iter()
        .filter_map(|server| server.kubernetes.as_ref())
    {
        needs.add_block(options.labels.as_ref(), options.namespace_labels.as_ref());
        needs.zones |= options.zonal;
        needs.pod_names |= options.endpoint_pod_names;
        needs.imports |= !options.multicluster.is_empty();
        needs.pods |= options.pods == Pods::Verified;
    }
    needs.local_pods = config.servers.iter().any(|server| {
        let autopath = server.autopath.as_ref();
        server.kubernetes.is_some() && autopath.is_some_and(|a| a.search.is_kubernetes())
    });
    needs.external = config
        .servers
        .iter()
        .any(|server| server.k8s_external.is_some());
    needs
}

impl Objects {
    /// None yet, of a source that tells what `needs` says.
    pub fn new(needs: Needs) -> Self {
        Self {
            needs,
            ..Self::default()
        }
    }

    /// Takes one event in; says what it changed.
    pub fn take(&mut self, event: Event, now: Instant) -> Vec<Touched> {
        match event {
            Event::Change(verb, _) => {
                if let Verb::Reset(kind, _) = &verb {
                    self.listed.insert(*kind);
                    self.broken.remove(kind);
                }
                return Arc::make_mut(&mut self.index).apply(verb);
            }
            // How long it took is measured when all is written.
            Event::Triggered(..) => {}
            Event::Broken(kind) => {
                self.broken.entry(kind).or_insert(now);
            }
            Event::Restored(kind) => {
                self.broken.remove(&kind);
            }
        }
        Vec::new()
    }

    /// Takes events in until every kind was listed; `None`: the source ended before.
    pub async fn gather(mut self, events: &mut UnboundedReceiver<Event>) -> Option<Self> {
        while !self.is_listed() {
            let event = events.recv().await?;
            self.take(event, Instant::now());
        }
        Some(self)
    }

    /// The objects themselves.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The objects as they are now: while anyone has them, the next change copies the index.
    pub fn snapshot(&self) -> Arc<Index> {
        Arc::clone(&self.index)
    }

    /// What the source tells.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Whether every kind was listed.
    pub fn is_listed(&self) -> bool {
        self.unlisted().next().is_none()
    }

    /// Whether the kind was listed.
    pub fn has_listed(&self, kind: Kind) -> bool {
        self.listed.contains(&kind)
    }

    /// Whether every kind that records are made of was listed: what is not there of them does not exist.
    pub fn has_listed_records(&self) -> bool {
        self.unlisted().all(|kind| !kind.is_held())
    }

    /// Which kinds were not listed yet.
    pub fn unlisted(&self) -> impl Iterator<Item = Kind> {
        let kinds = self.needs.kinds();
        kinds.filter(|kind| !self.listed.contains(kind))
    }

    /// Whether a record's absence is knowledge: every kind that records are made of was listed, and none has been out of
    /// touch for long.
    pub fn is_whole(&self, now: Instant) -> bool {
        self.has_listed_records() && !self.is_out_of_touch(now)
    }

    /// Whether a kind that records are made of has been out of touch for long.
    pub fn is_out_of_touch(&self, now: Instant) -> bool {
        let is_lost = |(kind, since): (&Kind, &Instant)| {
            kind.is_held() && now.duration_since(*since) >= BROKEN_PATIENCE
        };
        self.broken.iter().any(is_lost)
    }
}
