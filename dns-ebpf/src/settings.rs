//! SETTINGS: what the agent tells the programs while they run.

/// Bits of [`Settings::flags`].
pub mod flag {
    /// A server block has `nsid`: queries that ask for the server's identity pass.
    pub const NSID: u64 = 1;
}

/// The value of SETTINGS, one element, written by the agent through a shared mapping.
///
/// Each field is one aligned word, so that a reader never sees half of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// `CLOCK_MONOTONIC_COARSE`, nanoseconds, past which everything passes: the agent moves it on
    /// every second, and a killed or stopped one does not.
    pub deadline: u64,
    /// Odd while NAMES or ZONES are being changed, and different afterwards. A denial that began and
    /// ended under the same even number saw all of NAMES: the kernel's hash map may miss an element
    /// that is being replaced.
    pub epoch: u64,
    /// See [`flag`].
    pub flags: u64,
    /// Buckets of the shortcut less one; 0: there is none. See [`shortcut`](crate::shortcut).
    pub shortcut_mask: u64,
    /// Another number after each change of DESTINATIONS: until then the programs remember the last one they found.
    pub destinations: u64,
    /// Zero.
    pub reserved: [u64; 3],
}

const _: () = assert!(size_of::<Settings>() == 64);
