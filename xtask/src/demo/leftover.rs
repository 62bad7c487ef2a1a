//! The end of labs: this process's own, those that were kept, and those of demos that were killed.
//!
//! Everything of a lab is found by its name alone, and removing what is half there, or not there, is
//! no error: so it does not matter how far a lab came before it ended.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lab::{CONFIGURATION, NAMESPACES, PREFIX, Place, home, kept_marker, name};
use crate::command;

/// Removes the labs of processes that were killed.
pub(super) fn sweep() -> anyhow::Result<()> {
    for maker in makers()? {
        if !kept_marker(maker).exists() && !is_demo(maker) {
            println!("demo: removing what the killed demo {maker} left");
            remove(maker);
        }
    }
    Ok(())
}

/// Removes the labs that were kept; how many there were.
pub(super) fn stop_kept() -> anyhow::Result<usize> {
    sweep()?;
    let mut kept = makers()?;
    kept.retain(|&maker| kept_marker(maker).exists());
    kept.iter().copied().for_each(remove);
    Ok(kept.len())
}

/// The processes whose labs exist at least in part.
fn makers() -> anyhow::Result<Vec<u32>> {
    let mut makers = Vec::new();
    for directory in ["/run", NAMESPACES, CONFIGURATION] {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => bail!("cannot list {directory}: {error}"),
        };
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let number = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next());
            makers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
    }
    makers.sort_unstable();
    makers.dedup();
    Ok(makers)
}

/// Whether a process runs that may be a demo: a number can be another program's by now.
fn is_demo(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "xtask")
}

/// Removes a lab as far as it exists; says what it could not remove.
pub(super) fn remove(maker: u32) {
    for place in Place::ALL {
        let name = name(maker, place);
        if Path::new(NAMESPACES).join(&name).exists() {
            end_processes(&name);
            complain(command::quiet_output(
                Command::new("ip").args(["netns", "delete", &name]),
            ));
        }
        let configuration = Path::new(CONFIGURATION).join(&name);
        if configuration.exists() {
            complain(fs::remove_dir_all(&configuration));
        }
    }
    // Goes only when nothing else of this machine lies there.
    let _ = fs::remove_dir(CONFIGURATION);
    let bpffs = home(maker).join("bpf");
    if bpffs.exists() {
        // An error if it was never mounted; then there is nothing to undo.
        let _ = umount2(&bpffs, MntFlags::MNT_DETACH);
    }
    if home(maker).exists() {
        complain(fs::remove_dir_all(home(maker)));
    }
}

/// Asks the processes of a namespace to end, and makes them after five seconds.
fn end_processes(namespace: &str) {
    let running = || {
        let list = command::quiet_output(Command::new("ip").args(["netns", "pids", namespace]));
        list.unwrap_or_default()
            .lines()
            .filter_map(|line| line.parse().ok())
            .map(Pid::from_raw)
            .collect()
    };
    let start = Instant::now();
    let processes: Vec<Pid> = running();
    // A process that is gone already is what is wanted.
    for process in processes {
        let _ = kill(process, Signal::SIGTERM);
    }
    while start.elapsed() < Duration::from_secs(5) {
        let left: Vec<Pid> = running();
        if left.iter().all(|&process| is_zombie(process)) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let left: Vec<Pid> = running();
    for process in left {
        let _ = kill(process, Signal::SIGKILL);
    }
}

/// Ended, but not yet waited for by its parent, which may be this process.
fn is_zombie(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

fn complain<T, E: std::fmt::Display>(result: Result<T, E>) {
    if let Err(error) = result {
        eprintln!("demo: could not clean up: {error}");
    }
}
