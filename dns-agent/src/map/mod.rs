//! The BPF maps: one module each, and [`held::Held`] that keeps them in step.
//!
//! Without the kernel's side (`--kernel off`) the same structures lie on the heap, so that the agent's
//! sockets and the programs answer from one form of the data.

pub mod answered;
pub mod arena;
mod batch;
pub mod destinations;
pub mod held;
pub mod names;
pub mod outcomes;
mod outer;
mod pages;
pub mod pin;
pub mod pinned;
pub mod settings;
mod shared;
mod shortcut;
mod slots;
pub mod zones;

use aya::Ebpf;
use aya::maps::{Map, MapData, MapError};
use thiserror::Error;

/// Why a map could not be changed.
#[derive(Debug, Error)]
pub enum MapFault {
    /// NAMES holds as many names as it may.
    #[error("the kernel holds {ceiling} names, the ceiling that --names sets: raise it")]
    NamesFull {
        /// `--names`.
        ceiling: u32,
    },
    /// ARENA has no page left, or there is no memory for one.
    #[error("no room for records in the kernel after {pages} pages of 512 KiB")]
    ArenaFull {
        /// How many pages there are.
        pages: usize,
    },
    /// Two names with one key.
    #[error("another name has the same key")]
    SameKey,
    /// The kernel refused.
    #[error("the kernel refused a change of the map {map}: {source}")]
    Refused {
        /// The map's name.
        map: &'static str,
        /// What it said.
        source: Box<MapError>,
    },
    /// The object lacks a map.
    #[error("the embedded object has no map {0}: build kerndns again")]
    Missing(&'static str),
    /// Memory could not be shared with the kernel.
    #[error("cannot map the memory of {map}: {source}")]
    Mapping {
        /// The map's name.
        map: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

impl MapFault {
    fn refused(map: &'static str, source: MapError) -> Self {
        MapFault::Refused {
            map,
            source: Box::new(source),
        }
    }
}

/// Takes a map out of a loaded object.
pub fn take(object: &mut Ebpf, name: &'static str) -> Result<Map, MapFault> {
    object.take_map(name).ok_or(MapFault::Missing(name))
}

/// Takes an array out of a loaded object, to share its memory.
pub fn take_array(object: &mut Ebpf, name: &'static str) -> Result<MapData, MapFault> {
    match take(object, name)? {
        Map::Array(data) => Ok(data),
        _ => Err(MapFault::Missing(name)),
    }
}
