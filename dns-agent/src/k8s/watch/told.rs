//! From errors of every attempt to one line in the log: the three watches mostly fail together and
//! for one reason, and a person needs to read it once.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::k8s::connect::Identity;
use crate::k8s::diagnose;
use crate::k8s::object::Kind;

/// What has been said of each kind that is broken now.
pub(super) struct Told {
    identity: Identity,
    said: Mutex<BTreeMap<Kind, String>>,
}

impl Told {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            said: Mutex::default(),
        }
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
        let mut said = self.said.lock();
        let known = said.values().any(|other| *other == message);
        said.insert(kind, message.clone());
        (!known).then_some(message)
    }

    fn back(&self, kind: Kind) -> bool {
        let mut said = self.said.lock();
        said.remove(&kind).is_some() && said.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_said_once_until_it_changes_or_was_fixed() {
        let told = Told::new(Identity {
            server: "https://s".into(),
            origin: "o".into(),
            credential: "c".into(),
        });
        let news = |kind, message: &str| told.news(kind, message.into()).is_some();
        assert!(news(Kind::Service, "refused"));
        assert!(!news(Kind::Namespace, "refused"));
        assert!(!news(Kind::Service, "refused"));
        assert!(news(Kind::Service, "forbidden"));
        assert!(!told.back(Kind::Service));
        assert!(told.back(Kind::Namespace));
        assert!(!told.back(Kind::Namespace));
        assert!(news(Kind::Service, "refused"));
    }
}
