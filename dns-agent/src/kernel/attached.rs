//! What is attached where, as others may read it: the metrics and the tests.

use std::sync::Arc;

use parking_lot::Mutex;

use super::hook::{Hook, Mode};

/// One program at one interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttachedTo {
    /// The interface's present name.
    pub interface: String,
    /// At which hook.
    pub hook: Hook,
    /// And how.
    pub mode: Mode,
}

/// A view of what an [`Attacher`](super::attach::Attacher) has attached; clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Attached(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    attached: Vec<AttachedTo>,
    failing: Vec<(String, Hook)>,
    /// By hook, in the order of the enum.
    failures: [u64; 2],
}

impl Attached {
    /// What is attached now, by interface.
    pub fn list(&self) -> Vec<AttachedTo> {
        self.0.lock().attached.clone()
    }

    /// How many interfaces have a program at this hook now.
    pub fn count(&self, hook: Hook) -> usize {
        self.0
            .lock()
            .attached
            .iter()
            .filter(|attached| attached.hook == hook)
            .count()
    }

    /// The interfaces that should have a program and have none, since the kernel refuses it.
    pub fn failing(&self) -> Vec<(String, Hook)> {
        self.0.lock().failing.clone()
    }

    /// Attempts that failed since the start, retries included; only grows.
    pub fn failures(&self, hook: Hook) -> u64 {
        self.0.lock().failures[hook as usize]
    }

    pub(super) fn count_failure(&self, hook: Hook) {
        self.0.lock().failures[hook as usize] += 1;
    }

    pub(super) fn replace(&self, mut attached: Vec<AttachedTo>, failing: Vec<(String, Hook)>) {
        attached.sort();
        let mut state = self.0.lock();
        state.attached = attached;
        state.failing = failing;
    }
}
