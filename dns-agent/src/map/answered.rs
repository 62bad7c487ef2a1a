//! ANSWERED: how many answers the programs gave, by account, family, RCODE, DO and type, summed over CPUs.

use aya::maps::{Map, MapData, PerCpuArray};
use dns_ebpf::answered::{Answered as Kind, COUNTERS};

use super::MapFault;

/// The map's name.
pub const ANSWERED: &str = "ANSWERED";

/// The counters, and how far each was read.
pub struct Answered {
    counters: PerCpuArray<MapData, u64>,
    read: Vec<u64>,
}

impl Answered {
    /// The kernel's map.
    pub fn kernel(map: Map) -> Result<Self, MapFault> {
        let counters = map
            .try_into()
            .map_err(|source| MapFault::refused(ANSWERED, source))?;
        Ok(Self {
            counters,
            read: vec![0; COUNTERS],
        })
    }

    /// What was answered under the accounts below `accounts` since the last call, zeros left out. After an error the
    /// next call has it all.
    pub fn take(&mut self, accounts: usize) -> Result<Vec<(Kind, u64)>, MapFault> {
        let mut taken = Vec::new();
        for kind in (0..accounts).flat_map(Kind::of) {
            let index = kind.index();
            let values = self.counters.get(&index, 0);
            let values = values.map_err(|source| MapFault::refused(ANSWERED, source))?;
            let count: u64 = values.iter().sum();
            taken.push((kind, count));
        }
        taken.retain_mut(|(kind, count)| {
            let read = &mut self.read[kind.index() as usize];
            let now = *count;
            // Never less: the kernel's counters only grow.
            *count = now.saturating_sub(*read);
            *read = now;
            *count > 0
        });
        Ok(taken)
    }
}
