//! What is attached where, as others may read it: the metrics and the tests.

use std::collections::BTreeMap;
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
    /// By interface index: its name, and the mode of what is attached; none while that fails.
    told: BTreeMap<(u32, Hook), (String, Option<Mode>)>,
    /// By hook, in the order of the enum.
    failures: [u64; 2],
    /// What stands between the pods and our programs.
    obstacle: Option<String>,
}

impl Attached {
    /// What is attached now, by interface name.
    pub fn list(&self) -> Vec<AttachedTo> {
        let state = self.0.lock();
        let attached = state
            .told
            .iter()
            .filter_map(|(&(_, hook), (interface, mode))| {
                Some(AttachedTo {
                    interface: interface.clone(),
                    hook,
                    mode: (*mode)?,
                })
            });
        let mut list: Vec<AttachedTo> = attached.collect();
        list.sort();
        list
    }

    /// How many interfaces have a program at this hook now.
    pub fn count(&self, hook: Hook) -> usize {
        let state = self.0.lock();
        state
            .told
            .iter()
            .filter(|((_, at), (_, mode))| *at == hook && mode.is_some())
            .count()
    }

    /// The interfaces that should have a program and have none, since the kernel refuses it.
    pub fn failing(&self) -> Vec<(String, Hook)> {
        let state = self.0.lock();
        let failing = state.told.iter().filter(|(_, (_, mode))| mode.is_none());
        failing
            .map(|(&(_, hook), (interface, _))| (interface.clone(), hook))
            .collect()
    }

    /// Attempts that failed since the start, retries included; only grows.
    pub fn failures(&self, hook: Hook) -> u64 {
        self.0.lock().failures[hook as usize]
    }

    /// Why queries may not come to our programs at all: others run before them, or interfaces are not followed any more.
    pub fn obstacle(&self) -> Option<String> {
        self.0.lock().obstacle.clone()
    }

    /// Replaces what [`Self::obstacle`] says, and says whether it was something else.
    pub fn set_obstacle(&self, obstacle: Option<String>) -> bool {
        let mut state = self.0.lock();
        let is_news = state.obstacle != obstacle;
        state.obstacle = obstacle;
        is_news
    }

    pub(super) fn count_failure(&self, hook: Hook) {
        self.0.lock().failures[hook as usize] += 1;
    }

    /// Replaces what is told of one hook of one interface.
    pub(super) fn set(&self, index: u32, hook: Hook, told: Option<(String, Option<Mode>)>) {
        let mut state = self.0.lock();
        match told {
            Some(told) => state.told.insert((index, hook), told),
            None => state.told.remove(&(index, hook)),
        };
    }

    pub(super) fn clear(&self) {
        self.0.lock().told.clear();
    }
}
