//! NAMES, ARENA, ZONES and SETTINGS as one: what is answered from, by the programs and by the agent.

use std::sync::Arc;

use dns_ebpf::arena::{NameEntry, Record};
use dns_ebpf::fold::Seed;
use dns_ebpf::respond::Store;
use dns_ebpf::zone::{Zone, Zones};

use super::MapFault;
use super::arena::Arena;
use super::names::{Names, Slot};
use super::settings::SettingsMap;
use super::zones::ZonesMap;

/// Octets before a record's name.
const FIXED: usize = 16;

/// Pages of ARENA, half a megabyte each, that stay mapped between one change and the next of a burst: names that are
/// changed together were mostly written together.
const BUSY: usize = 32;
/// Pages that stay mapped when little happens.
const IDLE: usize = 4;

/// What is held.
pub struct Held {
    seed: Seed,
    names: Names,
    arena: Arena,
    zones: ZonesMap,
    settings: Arc<SettingsMap>,
}

impl Held {
    /// From its parts; `seed` is what the programs were loaded with.
    pub fn new(
        seed: Seed,
        names: Names,
        arena: Arena,
        zones: ZonesMap,
        settings: Arc<SettingsMap>,
    ) -> Self {
        Self {
            seed,
            names,
            arena,
            zones,
            settings,
        }
    }

    /// On the heap, for an agent without programs.
    pub fn heap(seed: Seed, ceiling: u32) -> Self {
        let settings = Arc::new(SettingsMap::heap());
        Self::new(
            seed,
            Names::heap(ceiling),
            Arena::heap(),
            ZonesMap::heap(),
            settings,
        )
    }

    /// Holds `record` (its key is filled in here) under its name; returns whether anything changed.
    pub fn put(&mut self, mut record: Vec<u8>, mut entry: NameEntry) -> Result<bool, MapFault> {
        let name = &record[FIXED..FIXED + usize::from(entry.name_len)];
        let key = self.seed.key(name);
        record[..8].copy_from_slice(&key.to_ne_bytes());
        if let Some(slot) = self.names.find(key) {
            let held = self.octets(slot)?;
            if held == record {
                return Ok(false);
            }
            if name_of(held) != name_of(&record) {
                return Err(MapFault::SameKey);
            }
        }
        let at = self.arena.put(&record)?;
        entry.at = at;
        let slot = Slot {
            at,
            len: u32::try_from(record.len()).unwrap_or(u32::MAX),
        };
        let settings = Arc::clone(&self.settings);
        match settings.change(|| self.names.publish(key, slot, &entry)) {
            Ok(old) => {
                self.arena.point(key, old.map(|old| old.at), Some(at));
                if let Some(old) = old {
                    self.arena.retire(old.at, old.len as usize);
                }
                self.widen();
                Ok(true)
            }
            Err(fault) => {
                self.arena.retire(at, record.len());
                Err(fault)
            }
        }
    }

    /// Holds nothing under `name` (folded, wire form) any more; returns whether anything changed.
    pub fn remove(&mut self, name: &[u8]) -> Result<bool, MapFault> {
        let key = self.seed.key(name);
        match self.names.find(key) {
            Some(slot) if self.name_at(slot)? == name => self.remove_key(key),
            _ => Ok(false),
        }
    }

    /// Removes every name that `keep` does not want (folded, wire form).
    pub fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) -> Result<(), MapFault> {
        let entries: Vec<(u64, Slot)> = self.names.entries().collect();
        for (key, slot) in entries {
            if !keep(self.name_at(slot)?) {
                self.remove_key(key)?;
            }
        }
        Ok(())
    }

    /// The settings, to change several things as one ([`SettingsMap::change`]).
    pub fn settings(&self) -> Arc<SettingsMap> {
        Arc::clone(&self.settings)
    }

    /// Replaces all zones; to be called within [`SettingsMap::change`].
    pub fn set_zones(&mut self, zones: &[Zone]) {
        self.zones.set(zones);
    }

    /// Whether [`Held::set_zones`] would change anything.
    pub fn zones_differ(&self, zones: &[Zone]) -> bool {
        let slots = &self.zones.get().zone;
        zones
            .iter()
            .chain(&[Zone::EMPTY])
            .zip(slots)
            .any(|(wanted, held)| wanted != held)
    }

    /// Gives the zone in `slot` a new SOA SERIAL.
    pub fn set_serial(&mut self, slot: usize, serial: u32) {
        self.zones.set_serial(slot, serial);
    }

    /// How many names are held.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Octets of memory that records take.
    pub fn octets_taken(&self) -> usize {
        self.arena.octets()
    }

    /// Gives back what a burst of changes had mapped of the kernel's memory, as far as it is much; to be called after each.
    pub fn settle(&mut self) {
        self.arena.unmap(BUSY);
    }

    /// Gives back what is mapped of the kernel's memory and hardly needed again soon; to be called every second.
    pub fn rest(&mut self) {
        self.arena.unmap(IDLE);
    }

    /// What keys are made with.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    fn remove_key(&mut self, key: u64) -> Result<bool, MapFault> {
        let settings = Arc::clone(&self.settings);
        let Some(slot) = settings.change(|| self.names.remove(key))? else {
            return Ok(false);
        };
        self.arena.point(key, Some(slot.at), None);
        self.arena.retire(slot.at, slot.len as usize);
        Ok(true)
    }

    /// Sees to it that most names have an entry in the shortcut.
    fn widen(&mut self) {
        if let Some(mask) = self.arena.widen(self.names.len()) {
            self.settings.set_shortcut_mask(mask);
            for (key, slot) in self.names.entries() {
                self.arena.point(key, None, Some(slot.at));
            }
        }
    }

    fn octets(&self, slot: Slot) -> Result<&[u8], MapFault> {
        self.arena.octets_at(slot.at, slot.len as usize)
    }

    fn name_at(&self, slot: Slot) -> Result<&[u8], MapFault> {
        Ok(name_of(self.octets(slot)?))
    }
}

fn name_of(record: &[u8]) -> &[u8] {
    &record[FIXED..FIXED + usize::from(record[8])]
}

impl Store for Held {
    fn find(&self, key: u64) -> Option<Record<'_>> {
        Some(self.arena.record(self.names.find(key)?.at))
    }

    fn zones(&self) -> Option<&Zones> {
        Some(self.zones.get())
    }

    fn epoch(&self) -> u64 {
        self.settings.epoch()
    }

    fn has_nsid(&self) -> bool {
        self.settings.has_nsid()
    }

    fn draw(&self) -> u32 {
        rand::random()
    }
}
