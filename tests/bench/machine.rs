//! `/proc` to what a reader must know of the machine: its CPUs and its kernel.

use std::fs;

use anyhow::Result;
use serde::Serialize;

/// The machine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// The CPU's name.
    pub(crate) cpu: String,
    /// How many CPUs there are.
    pub(crate) cpus: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
}

impl Machine {
    /// Reads it.
    pub(crate) fn read() -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let names: Vec<&str> = cpuinfo
            .lines()
            .filter_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
            .collect();
        Ok(Self {
            cpu: names.first().map_or("unknown", |name| name).to_owned(),
            cpus: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
        })
    }

    /// A few words.
    pub(crate) fn text(&self) -> String {
        format!("{} x {}, Linux {}", self.cpus, self.cpu, self.kernel)
    }
}
