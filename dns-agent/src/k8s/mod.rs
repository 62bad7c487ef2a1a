//! From a source of Kubernetes objects (an API server or files) to three verbs.
//!
//! `watch` and `manifest` are the sources; both end in an [`Event`] stream, and nothing further down
//! sees a client, a retry or a file. Nothing here knows DNS.

pub mod address_set;
pub mod connect;
pub mod diagnose;
pub mod document;
pub mod import;
pub mod index;
pub mod manifest;
pub mod needs;
pub mod object;
pub mod pods;
pub mod selector;
pub mod slice;
pub mod strip;
pub mod target;
mod trigger;
pub mod watch;

use std::collections::HashSet;
use std::time::{Instant, SystemTime};

use object::{Kind, Object, ObjectKey};

/// One of the three verbs between a source and the index.
#[derive(Debug, Clone)]
pub enum Verb {
    /// The object is as given from now on.
    Apply(Object),
    /// The object is gone.
    Delete(Kind, ObjectKey),
    /// A full list of one kind has ended: what is not in the set is gone. Each object of the list
    /// came as an `Apply` before.
    Reset(Kind, HashSet<ObjectKey>),
}

impl Verb {
    /// The kind that it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Verb::Apply(object) => object.kind(),
            Verb::Delete(kind, _) | Verb::Reset(kind, _) => *kind,
        }
    }
}

/// What a source tells, in order.
#[derive(Debug, Clone)]
pub enum Event {
    /// A change, and when the source had it (the start of "event to answer").
    Change(Verb, Instant),
    /// When what the change just told is about happened: a Pod of this Service, or the Service itself, changed. Not told
    /// of a list, whose objects may have changed long ago.
    Triggered(ObjectKey, SystemTime),
    /// The source lost touch with one kind; what it said before may be out of date from now on.
    Broken(Kind),
    /// The source is in touch again (after a `Reset`, or a watch that went on without a gap).
    Restored(Kind),
}
