//! NAMES: name key to record. The agent keeps what it wrote and never reads the map to decide.

use std::io;

use aya::maps::{self, Map, MapData, MapError};
use dns_ebpf::arena::NameEntry;

use super::MapFault;
pub use super::slots::Slot;
use super::slots::Slots;

/// The map's name.
pub const NAMES: &str = "NAMES";
/// A hash map without preallocation takes memory that the kernel refills behind our back; an insertion that comes
/// before it has may fail (Linux 6.1).
const RETRIES: usize = 100;

/// [`NameEntry`] as aya takes it.
type Octets = [u8; size_of::<NameEntry>()];

/// What is held under each key.
pub struct Names {
    kernel: Option<maps::HashMap<MapData, u64, Octets>>,
    held: Slots,
    ceiling: u32,
}

impl Names {
    /// On the heap, at most `ceiling` names.
    pub fn heap(ceiling: u32) -> Self {
        Self {
            kernel: None,
            held: Slots::default(),
            ceiling,
        }
    }

    /// In the kernel's map, made for `ceiling` names.
    pub fn kernel(map: Map, ceiling: u32) -> Result<Self, MapFault> {
        let map = map
            .try_into()
            .map_err(|source| MapFault::refused(NAMES, source))?;
        Ok(Self {
            kernel: Some(map),
            ..Self::heap(ceiling)
        })
    }

    /// Where the record of a key is.
    pub fn find(&self, key: u64) -> Option<Slot> {
        self.held.get(key)
    }

    /// Makes `key` lead to `slot`; returns where it led before.
    pub fn publish(
        &mut self,
        key: u64,
        slot: Slot,
        entry: &NameEntry,
    ) -> Result<Option<Slot>, MapFault> {
        if self.held.len() >= self.ceiling as usize && self.held.get(key).is_none() {
            return Err(MapFault::NamesFull {
                ceiling: self.ceiling,
            });
        }
        if let Some(kernel) = &mut self.kernel {
            let octets = octets(entry);
            let mut result = kernel.insert(key, octets, 0);
            for _ in 0..RETRIES {
                if !result.as_ref().is_err_and(is_out_of_memory) {
                    break;
                }
                std::thread::yield_now();
                result = kernel.insert(key, octets, 0);
            }
            result.map_err(|source| MapFault::refused(NAMES, source))?;
        }
        Ok(self.held.insert(key, slot))
    }

    /// Removes `key`; returns where it led.
    pub fn remove(&mut self, key: u64) -> Result<Option<Slot>, MapFault> {
        if self.held.get(key).is_some()
            && let Some(kernel) = &mut self.kernel
        {
            kernel
                .remove(&key)
                .map_err(|source| MapFault::refused(NAMES, source))?;
        }
        Ok(self.held.remove(key))
    }

    /// How many names are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.held.len() == 0
    }

    /// Every key and where it leads.
    pub fn entries(&self) -> impl Iterator<Item = (u64, Slot)> {
        self.held.iter()
    }
}

fn is_out_of_memory(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error)
        if error.io_error.kind() == io::ErrorKind::OutOfMemory)
}

fn octets(entry: &NameEntry) -> Octets {
    let mut octets = [0; size_of::<NameEntry>()];
    octets[..4].copy_from_slice(&entry.at.to_ne_bytes());
    octets[4..8].copy_from_slice(&[entry.name_len, entry.zone, entry.sets, entry.flags]);
    octets[8..].copy_from_slice(&entry.text);
    octets
}
