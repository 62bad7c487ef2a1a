//! ZONES: the cuts of the namespace, written through shared memory.

use aya::maps::MapData;
use dns_ebpf::zone::{ZONES as SLOTS, Zone, Zones};

use super::MapFault;
use super::shared::Shared;

/// The map's name.
pub const ZONES: &str = "ZONES";

/// The zones.
pub struct ZonesMap(Shared<Zones>);

impl ZonesMap {
    /// On the heap.
    pub fn heap() -> Self {
        Self(Shared::heap())
    }

    /// In the kernel's map.
    pub fn kernel(map: &MapData) -> Result<Self, MapFault> {
        Shared::map(map)
            .map(Self)
            .map_err(|source| MapFault::Mapping { map: ZONES, source })
    }

    /// The zones as the responder sees them.
    pub fn get(&self) -> &Zones {
        self.0.get()
    }

    /// Replaces all slots; `zones` is sorted, longest name first, and no longer than there are slots. To be
    /// called within [`SettingsMap::change`](super::settings::SettingsMap::change).
    pub fn set(&mut self, zones: &[Zone]) {
        let slots = &mut self.0.get_mut().zone;
        for (slot, zone) in slots
            .iter_mut()
            .zip(zones.iter().chain([Zone::EMPTY; SLOTS].iter()))
        {
            *slot = *zone;
        }
    }

    /// Changes one slot's SOA SERIAL: one aligned word, so a reader sees the old one or the new one.
    pub fn set_serial(&mut self, slot: usize, serial: u32) {
        if let Some(zone) = self.0.get_mut().zone.get_mut(slot) {
            zone.serial = serial;
        }
    }
}
