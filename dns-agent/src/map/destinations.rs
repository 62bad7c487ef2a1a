//! DESTINATIONS: the addresses and ports that the programs answer for.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use aya::maps::{self, Map, MapData};
use dns_ebpf::destination::Destination;

use super::MapFault;
use super::settings::SettingsMap;

/// The map's name.
pub const DESTINATIONS: &str = "DESTINATIONS";

/// The set, and what of it the kernel has.
pub struct Destinations {
    settings: Arc<SettingsMap>,
    kernel: maps::HashMap<MapData, [u8; size_of::<Destination>()], u32>,
    held: BTreeSet<SocketAddr>,
}

impl Destinations {
    /// In the kernel's map, empty.
    pub fn kernel(map: Map, settings: Arc<SettingsMap>) -> Result<Self, MapFault> {
        let kernel = map
            .try_into()
            .map_err(|source| MapFault::refused(DESTINATIONS, source))?;
        Ok(Self {
            settings,
            kernel,
            held: BTreeSet::new(),
        })
    }

    /// Makes the set what `wanted` says; wildcard addresses are left out. Returns whether it changed.
    pub fn set(&mut self, wanted: &BTreeSet<SocketAddr>) -> Result<bool, MapFault> {
        let refused = |source| MapFault::refused(DESTINATIONS, source);
        let wanted: BTreeSet<SocketAddr> = wanted
            .iter()
            .filter(|address| !address.ip().is_unspecified())
            .copied()
            .collect();
        if wanted == self.held {
            return Ok(false);
        }
        for gone in self.held.difference(&wanted) {
            let removed = self.kernel.remove(&key(gone));
            self.settings.change_destinations();
            removed.map_err(refused)?;
        }
        for new in wanted.difference(&self.held) {
            self.kernel.insert(key(new), 1, 0).map_err(refused)?;
        }
        self.held = wanted;
        Ok(true)
    }

    /// What is answered for.
    pub fn held(&self) -> &BTreeSet<SocketAddr> {
        &self.held
    }
}

fn key(address: &SocketAddr) -> [u8; size_of::<Destination>()] {
    let destination = match address.ip() {
        IpAddr::V4(ip) => Destination::v4(ip.octets(), address.port()),
        IpAddr::V6(ip) => Destination::v6(ip.octets(), address.port()),
    };
    let mut key = [0; size_of::<Destination>()];
    for (octets, word) in key.chunks_exact_mut(4).zip(destination.address) {
        octets.copy_from_slice(&word.to_ne_bytes());
    }
    key[16..].copy_from_slice(&destination.port.to_ne_bytes());
    key
}
