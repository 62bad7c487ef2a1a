//! `/proc` to what a reader must know of the machine: its CPUs, its kernel, and who else was using it.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// The machine, now.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// The CPU's name.
    cpu: String,
    /// How many CPUs there are.
    cpus: usize,
    /// The kernel's release.
    kernel: String,
    /// Tasks that ran or wanted to, in the mean of the last minute.
    load: f64,
}

impl Machine {
    /// Reads it.
    pub(crate) fn read() -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let names: Vec<&str> = cpuinfo
            .lines()
            .filter_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
            .collect();
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().context("no load in /proc/loadavg")?;
        Ok(Self {
            cpu: names.first().map_or("unknown", |name| name).to_owned(),
            cpus: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            load: load.parse()?,
        })
    }

    /// Whether others want the CPUs, too: then figures are too high, and say so.
    fn is_noisy(&self) -> bool {
        self.load > 0.5
    }

    /// One line.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} x {}, Linux {}, load {}{}",
            self.cpus,
            self.cpu,
            self.kernel,
            self.load,
            if self.is_noisy() {
                " (NOISY: others are at work, no figure is final)"
            } else {
                ""
            }
        )
    }
}
