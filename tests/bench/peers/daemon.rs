//! A server's process with all its children: pinned to CPUs, its CPU time, its end.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kerndns_tests::process::Process;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, SysconfVar, sysconf};

/// How long a server may take to end; then it is killed.
const PATIENCE: Duration = Duration::from_secs(2);

/// A process group, ended when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Process,
}

impl Daemon {
    /// Starts it in a group of its own, its log going to `log`. It must stay in the foreground.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        // What a server's first process leaves behind is to be ours, not that of a distant parent who never asks.
        set_child_subreaper(true)?;
        let process = Process::start(command.process_group(0), log)?;
        Ok(Self { process })
    }

    fn wait_for_the_leader(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.process.check().is_ok() && Instant::now() < end {
            sleep(Duration::from_millis(5));
        }
    }

    /// Its first process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// An error with the end of its log if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.process.check()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Ok(leader) = i32::try_from(self.process.pid()).map(Pid::from_raw) else {
            return;
        };
        let _gone_already = kill(leader, Signal::SIGTERM);
        self.wait_for_the_leader();
        // The group has the number of its leader, and lives as long as one of it does.
        let _gone_already = killpg(leader, Signal::SIGKILL);
        self.wait_for_the_leader();
        // What it has left behind became ours with its end.
        let group = Pid::from_raw(-leader.as_raw());
        while waitpid(group, None).is_ok() {}
    }
}

/// These processes, and their children's children.
pub(crate) fn family(pids: &[u32]) -> Result<Vec<u32>> {
    let mut family = pids.to_vec();
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has just ended has no parent to be looked for.
        if let Ok(fields) = stat(pid) {
            parents.push((pid, fields.first().copied().unwrap_or_default()));
        }
    }
    let mut known = 0;
    while known < family.len() {
        let parent = u64::from(family[known]);
        let children = parents.iter().filter(|(_, of)| *of == parent);
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        family.extend(children.iter().filter(|pid| !pids.contains(pid)));
        known += 1;
    }
    Ok(family)
}

/// Lets every thread of these processes run on these CPUs only.
pub(crate) fn pin(pids: &[u32], cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu)?;
    }
    for pid in family(pids)? {
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = entry?.file_name();
            let thread = thread.to_str().and_then(|name| name.parse().ok());
            let thread = Pid::from_raw(thread.context("a thread without a number")?);
            // One that has just ended needs no CPU.
            let _gone_already = sched_setaffinity(thread, &set);
        }
    }
    Ok(())
}

/// Lets the calling thread run on this CPU only.
pub(crate) fn pin_this_thread(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// The CPU time that these processes and their children have had, in user space and in the kernel.
pub(crate) fn cpu_time(pids: &[u32]) -> Result<Duration> {
    let mut ticks = 0;
    for pid in family(pids)? {
        // proc_pid_stat(5): utime and stime, the 14th and 15th; the list begins with the 4th.
        let fields = stat(pid)?;
        ticks += fields.iter().skip(10).take(2).sum::<u64>();
    }
    duration(ticks)
}

/// What has a CPU's time been spent on, ever, as /proc/stat says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTimes {
    /// Handling packets, timers and the like, in whoever's place.
    pub(crate) softirq: Duration,
    /// Nothing, or waiting for a disk.
    pub(crate) idle: Duration,
}

impl CpuTimes {
    /// Reads it.
    pub(crate) fn of(cpu: usize) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cpu{cpu} ")))
            .with_context(|| format!("no CPU {cpu} in /proc/stat"))?;
        // user, nice, system, idle, iowait, irq, softirq
        let ticks: Vec<u64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let at = |index: usize| ticks.get(index).copied().unwrap_or_default();
        Ok(Self {
            softirq: duration(at(6))?,
            idle: duration(at(3) + at(4))?,
        })
    }
}

fn duration(ticks: u64) -> Result<Duration> {
    let hertz = sysconf(SysconfVar::CLK_TCK)?.context("no length of a tick")?;
    Ok(Duration::from_millis(1000 * ticks / u64::try_from(hertz)?))
}

/// The numbers of /proc/PID/stat from the parent's on; what stands before is letters.
fn stat(pid: u32) -> Result<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(") ").context("no name in stat")?;
    // What is negative, such as the terminal's group, is nothing that is asked for.
    let numbers = rest
        .split(' ')
        .skip(1)
        .map(|word| word.trim().parse().unwrap_or(0));
    Ok(numbers.collect())
}
