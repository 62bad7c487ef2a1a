//! OUTCOMES: the programs' counters, summed over CPUs.

use aya::maps::{Map, MapData, PerCpuArray};
use dns_ebpf::outcome::{Hook, Outcome};

use super::MapFault;

/// The map's name.
pub const OUTCOMES: &str = "OUTCOMES";

/// The counters.
pub struct Outcomes(PerCpuArray<MapData, u64>);

impl Outcomes {
    /// The kernel's map.
    pub fn kernel(map: Map) -> Result<Self, MapFault> {
        map.try_into()
            .map(Self)
            .map_err(|source| MapFault::refused(OUTCOMES, source))
    }

    /// Every hook and outcome with its count; an error leaves nothing out silently.
    pub fn read(&self) -> Result<Vec<(Hook, Outcome, u64)>, MapFault> {
        let mut counts = Vec::new();
        for hook in Hook::ALL {
            for &outcome in Outcome::ALL {
                let values = self.0.get(&outcome.index(hook), 0);
                let values = values.map_err(|source| MapFault::refused(OUTCOMES, source))?;
                counts.push((hook, outcome, values.iter().sum()));
            }
        }
        Ok(counts)
    }
}
