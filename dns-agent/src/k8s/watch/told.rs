//! From errors of every attempt to one line in the log: the watches mostly fail together and for one reason, and a
//! person needs to read it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::k8s::connect::Identity;
use crate::k8s::diagnose::Cause;
use crate::k8s::object::Kind;

/// What has one cause fails within less: the requests of all kinds go out together.
const SETTLE: Duration = Duration::from_millis(500);

/// What is wrong with the watches now, in the words of the log; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<BTreeMap<Kind, (Cause, Identity)>>>);

impl Trouble {
    /// A message for each cause, which names all kinds that it keeps from us; empty: all is well.
    pub fn reasons(&self) -> BTreeSet<String> {
        let broken = self.0.lock();
        let causes = broken.values();
        causes
            .map(|(cause, identity)| {
                let same = broken.iter().filter(|(_, (other, _))| other == cause);
                let kinds: Vec<Kind> = same.map(|(kind, _)| *kind).collect();
                cause.explain(identity, &kinds)
            })
            .collect()
    }
}

/// What has been said of the kinds that are broken now.
pub(super) struct Told {
    identity: Identity,
    trouble: Trouble,
    said: Mutex<BTreeSet<String>>,
    news: Notify,
}

impl Told {
    pub(super) fn new(identity: Identity, trouble: Trouble) -> Self {
        Self {
            identity,
            trouble,
            said: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Takes note of what keeps a kind from us.
    pub(super) fn broken(&self, kind: Kind, error: &kube::Error) {
        self.note(kind, Cause::of(&self.identity, kind, error));
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

    /// Says what is wrong, each message once for as long as it is so; for ever.
    pub(super) async fn tell(&self) {
        loop {
            self.news.notified().await;
            tokio::time::sleep(SETTLE).await;
            for message in self.unsaid() {
                warn!("{message}");
            }
        }
    }

    fn note(&self, kind: Kind, cause: Cause) {
        let entry = (cause, self.identity.clone());
        self.trouble.0.lock().insert(kind, entry);
        self.news.notify_one();
    }

    /// What is wrong and has not been said.
    fn unsaid(&self) -> Vec<String> {
        let reasons = self.trouble.reasons();
        let mut said = self.said.lock();
        let unsaid = reasons.difference(&said).cloned().collect();
        *said = reasons;
        unsaid
    }

    /// Whether the last kind is back of those that were said to be broken.
    fn back(&self, kind: Kind) -> bool {
        let mut broken = self.trouble.0.lock();
        broken.remove(&kind);
        broken.is_empty() && !std::mem::take(&mut *self.said.lock()).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        let identity = Identity {
            server: "https://s".into(),
            origin: "o".into(),
            credential: "c".into(),
        };
        Told::new(identity, Trouble::default())
    }

    fn refused() -> Cause {
        Cause::Other("refused".into())
    }

    #[test]
    fn a_message_is_said_once_until_it_changes_or_was_fixed() {
        let told = told();
        told.note(Kind::Service, refused());
        told.note(Kind::Namespace, refused());
        assert_eq!(told.unsaid(), ["refused"]);
        told.note(Kind::Service, refused());
        assert!(told.unsaid().is_empty());
        told.note(Kind::Service, Cause::Other("expired".into()));
        assert_eq!(told.unsaid(), ["expired"]);
        assert_eq!(told.trouble.reasons().len(), 2);
        assert!(!told.back(Kind::Service));
        assert!(told.back(Kind::Namespace));
        assert!(told.trouble.reasons().is_empty());
        assert!(!told.back(Kind::Namespace));
        told.note(Kind::Service, refused());
        assert_eq!(told.unsaid(), ["refused"]);
    }

    #[test]
    fn a_cause_of_several_kinds_is_one_message() {
        let told = told();
        let forbidden = || Cause::Forbidden {
            user: "u".into(),
            verb: "watch".into(),
            found: String::new(),
        };
        told.note(Kind::Service, forbidden());
        told.note(Kind::EndpointSlice, forbidden());
        let unsaid = told.unsaid();
        assert_eq!(unsaid.len(), 1, "{unsaid:?}");
        assert!(unsaid[0].contains("may not watch services and endpointslices"));
    }

    #[test]
    fn what_was_over_before_it_was_said_is_not_said_to_be_over() {
        let told = told();
        told.note(Kind::Service, refused());
        assert!(!told.back(Kind::Service));
        assert!(told.unsaid().is_empty());
    }
}
