//! A running agent's programs by their names, and how much memory the kernel says that their maps take
//! (`/proc/PID/fdinfo`; the size of a hash map is that of its elements since Linux 6.4).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use aya::maps::{MapInfo, MapType};
use aya::programs::{ProgramInfo, loaded_programs};
use dns_agent::kernel::object::{TC, XDP};
use dns_ebpf::outcome::Hook;

use crate::assembly::look_up;

/// The programs of a process, which may be run and attached here, too.
pub struct Programs {
    xdp: ProgramInfo,
    tc: ProgramInfo,
}

impl Programs {
    /// Those that the process has open.
    pub fn of(process: u32) -> Result<Self> {
        let mut open = BTreeSet::new();
        for entry in fs::read_dir(format!("/proc/{process}/fdinfo"))? {
            // A descriptor may have been closed since.
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            open.extend(field(&text, "prog_id:"));
        }
        let mut infos: Vec<ProgramInfo> = loaded_programs()
            .filter_map(Result::ok)
            .filter(|info| open.contains(&u64::from(info.id())))
            .collect();
        let mut take = |name: &str| {
            let at = infos
                .iter()
                .position(|info| info.name_as_str() == Some(name));
            let at = at.with_context(|| format!("process {process} has no program {name}"))?;
            anyhow::Ok(infos.swap_remove(at))
        };
        Ok(Self {
            xdp: take(XDP)?,
            tc: take(TC)?,
        })
    }

    /// A descriptor of a hook's program.
    pub fn program(&self, hook: Hook) -> Result<OwnedFd> {
        let info = match hook {
            Hook::Xdp => &self.xdp,
            Hook::Tc => &self.tc,
        };
        Ok(info.fd()?.as_fd().try_clone_to_owned()?)
    }

    /// Octets of each map that a program uses, by its name; of a map of maps, those in it are part.
    pub fn memory(&self) -> Result<BTreeMap<String, u64>> {
        let mut ids = BTreeSet::new();
        for info in [&self.xdp, &self.tc] {
            ids.extend(info.map_ids()?.unwrap_or_default());
        }
        let mut memory = BTreeMap::new();
        for id in ids {
            let info = MapInfo::from_id(id)?;
            let name = info.name_as_str().unwrap_or("?").to_owned();
            *memory.entry(name).or_default() += octets(&info)?;
        }
        Ok(memory)
    }
}

fn octets(info: &MapInfo) -> Result<u64> {
    let map = info.fd()?;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd()))?;
    let own = field(&text, "memlock:").context("no memlock in fdinfo")?;
    let within = match info.map_type()? {
        MapType::ArrayOfMaps => inner(map.as_fd(), info.max_entries())?,
        _ => 0,
    };
    Ok(own + within)
}

/// The maps in an array of maps: looked up, they are their numbers.
fn inner(outer: BorrowedFd<'_>, entries: u32) -> Result<u64> {
    let mut sum = 0;
    for key in 0..entries {
        let mut id = [0; 4];
        if look_up(outer, key, &mut id).is_ok() {
            sum += octets(&MapInfo::from_id(u32::from_ne_bytes(id))?)?;
        }
    }
    Ok(sum)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}
