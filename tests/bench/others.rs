//! `/proc/stat` and `/proc/PID/stat` to how much of the CPUs others had while something was measured: processes that the
//! benchmark has not started, and the hypervisor.
//!
//! The load average says nothing of that, since most of it is what is measured. Kernel threads count for nobody: they
//! handle the benchmark's own packets.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Percent of the CPUs from which on figures say more of the others than of what was measured.
const NOISY: f64 = 2.0;

/// The kernel's thread that has started all others of its threads.
const KTHREADD: u32 = 2;

/// CPU time since the machine's start, in the ticks of `/proc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Of all CPUs, idle or not.
    all: u64,
    /// What the hypervisor gave to others although a CPU wanted to run.
    steal: u64,
    /// Of processes that are neither this one nor its descendants, with what their children have had that they waited for.
    others: u64,
}

/// Percent of the CPUs' time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Share {
    /// Other processes; nothing where they cannot be told from what was measured.
    pub(crate) others: Option<f64>,
    /// The hypervisor.
    pub(crate) steal: f64,
}

impl Reading {
    /// Reads it.
    pub(crate) fn now() -> Result<Self> {
        let mut processes = Vec::new();
        for entry in fs::read_dir("/proc")? {
            // What is no process has no such file, and a process may end meanwhile.
            if let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) {
                processes.extend(Process::parse(&stat));
            }
        }
        let (all, steal) = cpus(&fs::read_to_string("/proc/stat")?)
            .context("/proc/stat does not begin with the time of all CPUs")?;
        Ok(Self {
            all,
            steal,
            others: of_others(&processes, std::process::id()),
        })
    }

    /// What others had since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Share {
        let all = self.all.saturating_sub(earlier.all).max(1);
        let percent = |now: u64, then: u64| {
            #[expect(clippy::cast_precision_loss, reason = "ticks of one run")]
            let share = now.saturating_sub(then) as f64 / all as f64;
            share * 100.0
        };
        Share {
            others: Some(percent(self.others, earlier.others)),
            steal: percent(self.steal, earlier.steal),
        }
    }
}

impl Share {
    /// Whether others had so much that no figure is final.
    pub(crate) fn is_noisy(self) -> bool {
        self.others.unwrap_or_default() + self.steal >= NOISY
    }
}

/// One process, by its `stat` (`proc_pid_stat(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    ticks: u64,
}

impl Process {
    fn parse(stat: &str) -> Option<Self> {
        let (pid, _) = stat.split_once(' ')?;
        // The name, in parentheses, may have anything in it. The state, the 3rd field, comes after it.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        // utime, stime, cutime, cstime: the 14th to the 17th.
        let times = fields.get(11..15)?.iter();
        Some(Self {
            pid: pid.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            ticks: times
                .map(|time| time.parse::<u64>().ok())
                .sum::<Option<_>>()?,
        })
    }
}

/// The time of all that is neither the kernel's nor descends from `own`.
fn of_others(processes: &[Process], own: u32) -> u64 {
    let mut without = BTreeSet::from([own, KTHREADD]);
    loop {
        let known = without.len();
        let children = processes
            .iter()
            .filter(|process| without.contains(&process.parent))
            .map(|process| process.pid);
        without.extend(children.collect::<Vec<_>>());
        if without.len() == known {
            break;
        }
    }
    let others = processes
        .iter()
        .filter(|process| !without.contains(&process.pid));
    others.map(|process| process.ticks).sum()
}

/// All the time that there was, and what was stolen of it: `proc_stat(5)`, whose fields after the 8th are parts of others.
fn cpus(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .filter_map(|word| word.parse().ok())
        .collect();
    Some((ticks.iter().sum(), *ticks.get(7)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, ticks: u64) -> Process {
        Process { pid, parent, ticks }
    }

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "77 (a) b (c) S 12 77 77 0 -1 4194560 9 9 9 9 1 20 300 4000 20 0 1 0 5";
        assert_eq!(Process::parse(stat), Some(process(77, 12, 4321)));
        assert_eq!(Process::parse("cpu  1 2 3"), None);
    }

    #[test]
    fn own_children_and_kernel_threads_are_not_others() {
        let processes = [
            process(1, 0, 1),
            process(2, 0, 10),
            process(15, 2, 100),
            process(300, 1, 1_000),
            // Ours: 400, its child 500, whose child has a lower number.
            process(400, 300, 10_000),
            process(350, 500, 100_000),
            process(500, 400, 1_000_000),
        ];
        assert_eq!(of_others(&processes, 400), 1_001);
    }

    #[test]
    fn time_of_guests_is_not_counted_twice() {
        let stat = "cpu  100 20 30 800 40 5 5 10 99 9\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(cpus(stat), Some((1010, 10)));
        assert_eq!(cpus("intr 5"), None);
    }

    #[test]
    fn a_share_is_of_the_time_of_all_cpus() {
        let reading = |all, steal, others| Reading { all, steal, others };
        let share = reading(3_000, 30, 500).since(reading(1_000, 10, 480));
        assert_eq!(
            share,
            Share {
                others: Some(1.0),
                steal: 1.0
            }
        );
        assert!(share.is_noisy());
        let quiet = reading(3_000, 10, 481).since(reading(1_000, 10, 480));
        assert!(!quiet.is_noisy());
        // One that ended unwaited for takes its time with it.
        let fewer = reading(3_000, 10, 400).since(reading(1_000, 10, 480));
        assert!(!fewer.is_noisy());
    }

    #[test]
    fn this_machine_can_be_read() {
        let earlier = Reading::now().unwrap();
        let share = Reading::now().unwrap().since(earlier);
        assert!((0.0..=100.0).contains(&share.steal), "{share:?}");
    }
}
