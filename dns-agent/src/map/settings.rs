//! SETTINGS: the deadline, the epoch and flags, written through shared memory.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use aya::maps::MapData;
use dns_ebpf::settings::{Settings, flag};
use nix::time::{ClockId, clock_gettime};

use super::MapFault;
use super::shared::Shared;

/// The map's name.
pub const SETTINGS: &str = "SETTINGS";
/// How long the programs answer after the agent last said that it lives.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// [`Settings`], word by word.
#[repr(C)]
struct Words {
    deadline: AtomicU64,
    epoch: AtomicU64,
    flags: AtomicU64,
    shortcut_mask: AtomicU64,
    destinations: AtomicU64,
    _reserved: [AtomicU64; 3],
}

const _: () = assert!(size_of::<Words>() == size_of::<Settings>());

/// The settings; shared by the one who changes names and the one who keeps the deadline.
pub struct SettingsMap(Shared<Words>);

impl SettingsMap {
    /// On the heap.
    pub fn heap() -> Self {
        Self(Shared::heap())
    }

    /// In the kernel's map.
    pub fn kernel(map: &MapData) -> Result<Self, MapFault> {
        Shared::map(map)
            .map(Self)
            .map_err(|source| MapFault::Mapping {
                map: SETTINGS,
                source,
            })
    }

    /// Tells the programs that the agent lives. To be called every second.
    pub fn keep_alive(&self) {
        let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE) else {
            return;
        };
        let deadline = Duration::from(now) + PATIENCE;
        let deadline = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        self.0.get().deadline.store(deadline, Ordering::Relaxed);
    }

    /// Tells the programs to pass everything.
    pub fn stand_down(&self) {
        self.0.get().deadline.store(0, Ordering::Relaxed);
    }

    /// Has queries for the server's identity pass ([`flag::NSID`]), or not.
    pub fn set_nsid(&self, passes: bool) {
        let flags = if passes { flag::NSID } else { 0 };
        self.0.get().flags.store(flags, Ordering::Relaxed);
    }

    /// Whether they pass.
    pub fn has_nsid(&self) -> bool {
        self.0.get().flags.load(Ordering::Relaxed) & flag::NSID != 0
    }

    /// Says what [`Settings::shortcut_mask`] is.
    pub(super) fn set_shortcut_mask(&self, mask: u64) {
        self.0.get().shortcut_mask.store(mask, Ordering::Release);
    }

    /// Has the programs forget which destinations they found: DESTINATIONS has changed.
    pub(super) fn change_destinations(&self) {
        self.0.get().destinations.fetch_add(1, Ordering::SeqCst);
    }

    /// What [`Settings::epoch`] says.
    pub fn epoch(&self) -> u64 {
        self.0.get().epoch.load(Ordering::Acquire)
    }

    /// Runs `change` while the epoch is odd, so that no denial is built on what it leaves half done. Nests.
    pub fn change<T>(&self, change: impl FnOnce() -> T) -> T {
        let epoch = &self.0.get().epoch;
        if epoch.load(Ordering::Relaxed) & 1 != 0 {
            return change();
        }
        epoch.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let result = change();
        fence(Ordering::SeqCst);
        epoch.fetch_add(1, Ordering::SeqCst);
        result
    }
}
