//! Pins: the maps' names in a BPF file system, by which `kerndns dump` and bpftool find them.
//!
//! One agent at a time owns a directory: it holds a lock (flock(2)) on the directory itself, which every
//! container that has the same file system sees, and which the kernel takes back from a killed agent.
//! That one's pins are removed by the next.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::maps::Map;
use aya::pin::PinError;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use thiserror::Error;
use tracing::{debug, info, warn};

use super::answered::ANSWERED;
use super::arena::ARENA;
use super::destinations::DESTINATIONS;
use super::names::NAMES;
use super::outcomes::OUTCOMES;
use super::settings::SETTINGS;
use super::zones::ZONES;

/// The maps that are pinned, each under its name.
pub const PINNED: [&str; 7] = [
    NAMES,
    ARENA,
    ZONES,
    SETTINGS,
    DESTINATIONS,
    OUTCOMES,
    ANSWERED,
];

/// Where distributions have the BPF file system.
const USUAL: &str = "/sys/fs/bpf";

/// Why maps cannot be pinned.
#[derive(Debug, Error)]
pub enum PinFault {
    /// The directory cannot be made or opened.
    #[error(
        "cannot use {} for pinned maps: {source}; choose another directory by --bpffs", dir.display()
    )]
    Directory {
        /// `--bpffs`.
        dir: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No BPF file system, and none can be mounted.
    #[error(
        "{} is not in a BPF file system and none can be mounted at {}: {source}; run kerndns as root, or mount one \
         there before (`mount -t bpf bpf {}`; in a pod: a hostPath volume of /sys/fs/bpf)",
        dir.display(), at.display(), at.display()
    )]
    Mount {
        /// `--bpffs`.
        dir: PathBuf,
        /// Where it was tried.
        at: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another agent has it.
    #[error(
        "another kerndns has its maps pinned in {}: stop that one first, or give this one a directory of its own by \
         --bpffs", dir.display()
    )]
    Busy {
        /// `--bpffs`.
        dir: PathBuf,
    },
    /// What a killed agent left cannot be removed.
    #[error("cannot remove {}, which an earlier kerndns left: {source}; remove it by hand", path.display())]
    Left {
        /// The pin.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A map cannot be pinned.
    #[error("cannot pin a map as {}: {source}", path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// What the kernel said.
        source: PinError,
    },
    /// The object lacks a map, or somebody has taken it out before.
    #[error("the object has no map {0} to pin: build kerndns again")]
    Missing(&'static str),
}

/// A directory for pins that is ours. Dropping it removes them, as [`Pins::remove`] does.
#[derive(Debug)]
pub struct Pins {
    dir: PathBuf,
    /// Locked; closing it gives the lock back.
    _lock: File,
    /// Whether we mounted a file system at `dir` itself.
    mounted: bool,
}

/// Makes `dir` (an absolute path) ready: in a BPF file system, ours, and without what a killed agent left there.
///
/// Mounts a BPF file system where there is none: at `/sys/fs/bpf` for directories below it, else at `dir`.
pub fn prepare(dir: &Path) -> Result<Pins, PinFault> {
    let directory = |source| PinFault::Directory {
        dir: dir.into(),
        source,
    };
    let mounted = mount_if_needed(dir)?;
    let lock = loop {
        fs::create_dir_all(dir).map_err(directory)?;
        let lock = lock(dir)?;
        // The agent that has just ended may have removed the directory between the two steps.
        let found = fs::metadata(dir)
            .map(|found| (found.dev(), found.ino()))
            .ok();
        let locked = lock.metadata().map_err(directory)?;
        if found == Some((locked.dev(), locked.ino())) {
            break lock;
        }
    };
    let pins = Pins {
        dir: dir.into(),
        _lock: lock,
        mounted,
    };
    let left = pins
        .unlink()
        .map_err(|(path, source)| PinFault::Left { path, source })?;
    if left > 0 {
        info!(
            "removed {left} maps that an earlier kerndns left pinned in {}",
            dir.display()
        );
    }
    Ok(pins)
}

impl Pins {
    /// Pins each map of [`PINNED`] under its name; before they are taken out of the object.
    pub fn pin(&self, ebpf: &Ebpf) -> Result<(), PinFault> {
        for name in PINNED {
            let map: &Map = ebpf.map(name).ok_or(PinFault::Missing(name))?;
            let path = self.dir.join(name);
            map.pin(&path)
                .map_err(|source| PinFault::Pin { path, source })?;
        }
        Ok(())
    }

    /// Removes our pins, then the directory if nothing else is in it. A second time there is nothing to do.
    pub fn remove(&mut self) {
        if let Err((path, error)) = self.unlink() {
            warn!("cannot remove the pinned map {}: {error}", path.display());
        }
        if std::mem::take(&mut self.mounted)
            && let Err(error) = umount2(&self.dir, MntFlags::MNT_DETACH)
        {
            warn!(
                "cannot unmount the BPF file system at {}: {error}",
                self.dir.display()
            );
        }
        if let Err(error) = fs::remove_dir(&self.dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            debug!("{} stays: {error}", self.dir.display());
        }
    }

    /// Removes pins with our names; returns how many there were, or the one that stays.
    fn unlink(&self) -> Result<usize, (PathBuf, io::Error)> {
        let mut removed = 0;
        for path in PINNED.map(|name| self.dir.join(name)) {
            match fs::remove_file(&path) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err((path, error)),
            }
        }
        Ok(removed)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        self.remove();
    }
}

fn lock(dir: &Path) -> Result<File, PinFault> {
    let directory = |source| PinFault::Directory {
        dir: dir.into(),
        source,
    };
    let file = File::open(dir).map_err(directory)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PinFault::Busy { dir: dir.into() }),
        Err(TryLockError::Error(source)) => Err(directory(source)),
    }
}

/// Returns whether a file system was mounted at `dir` itself.
fn mount_if_needed(dir: &Path) -> Result<bool, PinFault> {
    let directory = |source| PinFault::Directory {
        dir: dir.into(),
        source,
    };
    // What exists already decides: in a BPF file system only directories can be made.
    let existing = dir
        .ancestors()
        .find(|path| path.is_dir())
        .unwrap_or(Path::new("/"));
    let kind = statfs(existing).map_err(|errno| directory(errno.into()))?;
    if kind.filesystem_type() == BPF_FS_MAGIC {
        return Ok(false);
    }
    let at = mount_point(dir);
    if at == dir {
        fs::create_dir_all(dir).map_err(directory)?;
    }
    let data: Option<&str> = Some("mode=0700");
    mount(
        Some("bpf"),
        at,
        Some("bpf"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        data,
    )
    .map_err(|errno| PinFault::Mount {
        dir: dir.into(),
        at: at.into(),
        source: errno.into(),
    })?;
    info!("mounted a BPF file system at {}", at.display());
    Ok(at == dir && at != Path::new(USUAL))
}

/// Where a BPF file system for `dir` belongs when there is none.
fn mount_point(dir: &Path) -> &Path {
    let usual = Path::new(USUAL);
    if dir.starts_with(usual) && usual.is_dir() {
        usual
    } else {
        dir
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_mounted_where_people_look_for_it() {
        assert_eq!(mount_point(Path::new("/mnt/pins")), Path::new("/mnt/pins"));
        if Path::new(USUAL).is_dir() {
            assert_eq!(
                mount_point(Path::new("/sys/fs/bpf/kerndns")),
                Path::new(USUAL)
            );
        }
    }

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let dir = std::env::temp_dir().join(format!("kerndns-pin-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let first = lock(&dir).unwrap();
        let second = lock(&dir).unwrap_err().to_string();
        drop(first);
        let third = lock(&dir);
        fs::remove_dir(&dir).unwrap();
        assert!(
            second.contains("another kerndns") && second.contains("--bpffs"),
            "{second}"
        );
        assert!(third.is_ok());
    }

    #[test]
    fn only_our_pins_are_removed_and_as_often_as_one_likes() {
        let dir = std::env::temp_dir().join(format!("kerndns-pins-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        for name in ["NAMES", "ZONES", "cilium_calls"] {
            fs::write(dir.join(name), []).unwrap();
        }
        let mut pins = Pins {
            dir: dir.clone(),
            _lock: lock(&dir).unwrap(),
            mounted: false,
        };
        assert_eq!(pins.unlink().unwrap(), 2);
        pins.remove();
        drop(pins);
        let left: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(left, ["cilium_calls"]);
    }
}
