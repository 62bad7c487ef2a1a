//! Pinned maps to a copy of what they hold, read by another process while the agent goes on writing.
//!
//! A record is immutable, but its slot is used again: a copy counts only if NAMES leads to the same slot
//! before and after it was made.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use aya::maps::{self, ArrayOfMaps, Map, MapData, MapError};
use dns_ebpf::arena::{NameEntry, Page, RECORD_MAX, Record, Set, page_of};
use dns_ebpf::respond::SETS;
use dns_ebpf::zone::{Zone, Zones, flag};
use thiserror::Error;

use super::arena::ARENA;
use super::names::NAMES;
use super::settings::{SETTINGS, SettingsMap};
use super::shared::Shared;
use super::zones::ZONES;

/// How often a name or the zones are read again when they change meanwhile.
const ATTEMPTS: usize = 100;

/// [`NameEntry`] as aya reads it.
type Octets = [u8; size_of::<NameEntry>()];

/// Why the maps cannot be read.
#[derive(Debug, Error)]
pub enum PinnedFault {
    /// No pins.
    #[error(
        "no maps are pinned in {}: no `kerndns run` has its programs loaded, or it pins elsewhere; then give dump the \
         --bpffs that it was started with", dir.display()
    )]
    NotThere {
        /// `--bpffs`.
        dir: PathBuf,
    },
    /// No permission.
    #[error("may not read the maps pinned in {}: run `kerndns dump` as root", dir.display())]
    Denied {
        /// `--bpffs`.
        dir: PathBuf,
    },
    /// Something else is pinned there, or the kernel refuses.
    #[error("cannot read the pinned map {}: {source}; is it of the same version of kerndns?", path.display())]
    Unreadable {
        /// The pin.
        path: PathBuf,
        /// What aya or the kernel said.
        source: Box<MapError>,
    },
}

/// What the kernel held.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The zones in use, longest name first.
    pub zones: Vec<Zone>,
    /// The names, in no order.
    pub names: Vec<HeldName>,
    /// Names that changed so often that they could not be read.
    pub unread: usize,
    /// Whether nothing was changed from start to end.
    pub still: bool,
}

/// A name and its records.
#[derive(Debug, Clone)]
pub struct HeldName {
    /// Folded, wire form.
    pub name: Vec<u8>,
    /// Each type with its resource records; their owners and RDATA may point into a question at octet 12
    /// of a message. Empty for a set that is too large to be held.
    pub sets: Vec<(Set, Vec<u8>)>,
}

/// Reads NAMES, ARENA and ZONES pinned in `dir`. Needs `CAP_SYS_ADMIN`: pages are opened by their ids.
pub fn read(dir: &Path) -> Result<Snapshot, PinnedFault> {
    let pinned = Pinned::open(dir)?;
    let epoch = pinned.settings.epoch();
    let zones = pinned.zones();
    let (names, unread) = pinned.names()?;
    let still = epoch & 1 == 0 && pinned.settings.epoch() == epoch;
    Ok(Snapshot {
        zones,
        names,
        unread,
        still,
    })
}

/// What became of reading a name.
enum Reading {
    Whole(HeldName),
    /// It was removed.
    Gone,
    /// It changed each time.
    Torn,
}

/// The maps, open.
struct Pinned {
    dir: PathBuf,
    names: maps::HashMap<MapData, u64, Octets>,
    arena: ArrayOfMaps<MapData, MapData>,
    zones: Shared<Zones>,
    settings: SettingsMap,
}

impl Pinned {
    fn open(dir: &Path) -> Result<Self, PinnedFault> {
        let typed = |name| {
            Map::from_map_data(open(dir, name)?).map_err(|source| unreadable(dir, name, source))
        };
        let names = typed(NAMES)?
            .try_into()
            .map_err(|source| unreadable(dir, NAMES, source))?;
        let arena = typed(ARENA)?
            .try_into()
            .map_err(|source| unreadable(dir, ARENA, source))?;
        let zones = Shared::map(&open(dir, ZONES)?)
            .map_err(|source| unreadable(dir, ZONES, source.into()))?;
        let settings = SettingsMap::kernel(&open(dir, SETTINGS)?)
            .map_err(|fault| unreadable(dir, SETTINGS, io::Error::other(fault).into()))?;
        Ok(Self {
            dir: dir.into(),
            names,
            arena,
            zones,
            settings,
        })
    }

    /// The slots in use, as they were together under one epoch if that could be had.
    fn zones(&self) -> Vec<Zone> {
        let mut zones = *self.zones.get();
        for _ in 0..ATTEMPTS {
            let epoch = self.settings.epoch();
            zones = *self.zones.get();
            if epoch & 1 == 0 && self.settings.epoch() == epoch {
                break;
            }
            std::thread::yield_now();
        }
        zones
            .zone
            .into_iter()
            .take_while(|zone| zone.flags & flag::USED != 0)
            .collect()
    }

    fn names(&self) -> Result<(Vec<HeldName>, usize), PinnedFault> {
        // The kernel may begin anew when a key goes while it is walked over: keys come twice then.
        let mut found = BTreeMap::new();
        let mut torn = BTreeSet::new();
        let mut pages = HashMap::new();
        for key in self.names.keys() {
            let key = key.map_err(|source| unreadable(&self.dir, NAMES, source))?;
            if found.contains_key(&key) {
                continue;
            }
            match self.name(key, &mut pages)? {
                Reading::Gone => {}
                Reading::Torn => {
                    torn.insert(key);
                }
                Reading::Whole(name) => {
                    torn.remove(&key);
                    found.insert(key, name);
                }
            }
        }
        Ok((found.into_values().collect(), torn.len()))
    }

    fn name(
        &self,
        key: u64,
        pages: &mut HashMap<u32, Shared<Page>>,
    ) -> Result<Reading, PinnedFault> {
        for _ in 0..ATTEMPTS {
            let Some(at) = self.reference(key)? else {
                return Ok(Reading::Gone);
            };
            let page = match pages.entry(page_of(at)) {
                Entry::Occupied(page) => page.into_mut(),
                Entry::Vacant(vacant) => {
                    let page = self.page(*vacant.key())?;
                    vacant.insert(page)
                }
            };
            let record = Record::new(page.get(), at);
            let copy = copy(&record);
            if self.reference(key)? == Some(at) && record.key() == key {
                return Ok(copy.map_or(Reading::Torn, Reading::Whole));
            }
        }
        Ok(Reading::Torn)
    }

    fn page(&self, index: u32) -> Result<Shared<Page>, PinnedFault> {
        let fault = |source| unreadable(&self.dir, ARENA, source);
        let array = self.arena.get(&index, 0).map_err(fault)?;
        Shared::map(&array).map_err(|source| fault(source.into()))
    }

    /// Where NAMES leads for `key`.
    fn reference(&self, key: u64) -> Result<Option<u32>, PinnedFault> {
        match self.names.get(&key, 0) {
            Ok([a, b, c, d, ..]) => Ok(Some(u32::from_ne_bytes([a, b, c, d]))),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(unreadable(&self.dir, NAMES, source)),
        }
    }
}

/// Copies a record; `None` where its lengths cannot be those of a record.
pub(crate) fn copy(record: &Record<'_>) -> Option<HeldName> {
    let head = record.head();
    let words = (0..head.name_len.div_ceil(8)).flat_map(|i| record.name(i).to_ne_bytes());
    let name: Vec<u8> = words.take(head.name_len).collect();
    let sets = (0..head.sets.min(SETS)).map(|i| {
        let set = record.set(head.name_len, i);
        let (offset, len) = (usize::from(set.offset), usize::from(set.len));
        if offset >= RECORD_MAX || offset + len > RECORD_MAX {
            return None;
        }
        // SAFETY: `offset` and `len` stay within RECORD_MAX octets of the record, which lie in the page and its
        // slack; the page is mapped. The copy is thrown away if the agent used the slot again meanwhile.
        let octets = unsafe { std::slice::from_raw_parts(record.octets(offset), len) };
        Some((set, octets.to_vec()))
    });
    let sets = sets.collect::<Option<Vec<_>>>()?;
    Some(HeldName { name, sets })
}

fn open(dir: &Path, name: &str) -> Result<MapData, PinnedFault> {
    MapData::from_pin(dir.join(name)).map_err(|source| unreadable(dir, name, source))
}

fn unreadable(dir: &Path, name: &str, source: MapError) -> PinnedFault {
    let kind = match &source {
        MapError::SyscallError(error) => error.io_error.kind(),
        _ => io::ErrorKind::Other,
    };
    match kind {
        io::ErrorKind::NotFound => PinnedFault::NotThere { dir: dir.into() },
        io::ErrorKind::PermissionDenied => PinnedFault::Denied { dir: dir.into() },
        _ => PinnedFault::Unreadable {
            path: dir.join(name),
            source: Box::new(source),
        },
    }
}
