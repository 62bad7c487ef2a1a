//! From errors of every attempt to one line in the log: the three watches mostly fail together and
//! for one reason, and a person needs to read it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::k8s::connect::Identity;
use crate::k8s::diagnose;
use crate::k8s::object::Kind;

/// What is wrong with the watches now, in the words of the log; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<BTreeMap<Kind, String>>>);

impl Trouble {
    /// Each reason once; empty: all is well.
    pub fn reasons(&self) -> BTreeSet<String> {
        self.0.lock().values().cloned().collect()
    }
}

/// What has been said of each kind that is broken now.
pub(super) struct Told {
    identity: Identity,
    said: Trouble,
}

impl Told {
    pub(super) fn new(identity: Identity, said: Trouble) -> Self {
        Self { identity, said }
    }

    /// Says what is wrong, unless that was the last word on this or another kind.
    pub(super) fn broken(&self, kind: Kind, error: &kube::Error) {
        if let Some(message) = self.news(kind, diagnose::explain(&self.identity, kind, error)) {
            warn!("{message}");
        }
    }

    /// Says that all is well again once the last kind is back; what breaks then is news.
    pub(super) fn restored(&self, kind: Kind) {
        if self.back(kind) {
            info!(
                "in touch with the API server {} again",
                self.identity.server
            );
        }
    }

    fn news(&self, kind: Kind, message: String) -> Option<String> {
        let mut said = self.said.0.lock();
        let known = said.values().any(|other| *other == message);
        said.insert(kind, message.clone());
        (!known).then_some(message)
    }

    fn back(&self, kind: Kind) -> bool {
        let mut said = self.said.0.lock();
        said.remove(&kind).is_some() && said.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_said_once_until_it_changes_or_was_fixed() {
        let identity = Identity {
            server: "https://s".into(),
            origin: "o".into(),
            credential: "c".into(),
        };
        let trouble = Trouble::default();
        let told = Told::new(identity, trouble.clone());
        let news = |kind, message: &str| told.news(kind, message.into()).is_some();
        assert!(news(Kind::Service, "refused"));
        assert!(!news(Kind::Namespace, "refused"));
        assert!(!news(Kind::Service, "refused"));
        assert!(news(Kind::Service, "forbidden"));
        assert_eq!(trouble.reasons().len(), 2);
        assert!(!told.back(Kind::Service));
        assert!(told.back(Kind::Namespace));
        assert!(trouble.reasons().is_empty());
        assert!(!told.back(Kind::Namespace));
        assert!(news(Kind::Service, "refused"));
    }
}
