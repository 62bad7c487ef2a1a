//! Child processes: run to the end with their output captured, or shown line by line as it comes.
//!
//! SIGINT, SIGTERM and SIGHUP set a flag, and every function here returns [`Interrupted`] once it
//! is set. So a verb that was interrupted unwinds like one that failed, and what it made is removed
//! by `Drop`.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// A signal asked this process to end.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// How long a signal may go unnoticed.
const POLL: Duration = Duration::from_millis(20);

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on, signals that would end the process set the flag instead.
pub(crate) fn catch_signals() -> anyhow::Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .with_context(|| format!("cannot handle signal {signal}"))?;
    }
    Ok(())
}

/// Fails once a signal has come.
pub(crate) fn check_interrupted() -> anyhow::Result<()> {
    match INTERRUPTED.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(Interrupted.into()),
        _ => Ok(()),
    }
}

/// What a command wrote to its standard output; an error carries what it wrote to the other one.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    check_interrupted()?;
    quiet_output(command)
}

/// As [`output`], but also after a signal: for cleaning up.
pub(crate) fn quiet_output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", display(command)))?;
    stdout(command, &output)
}

/// What it wrote, or why it failed.
fn stdout(command: &Command, output: &Output) -> anyhow::Result<String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed: {}: {}",
            display(command),
            output.status,
            said.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// As [`output`], with something to read on standard input.
pub(crate) fn fed(command: &mut Command, input: &[u8]) -> anyhow::Result<String> {
    check_interrupted()?;
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.with_context(|| format!("cannot start {}", display(command)))?;
    let stdin = child.stdin.take();
    // In a thread of its own: a command that writes before it has read all would wait for us, and we for it.
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            // A command that ends without reading says why itself.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        child.wait_with_output()
    })?;
    stdout(command, &output)
}

/// Runs a command whose output belongs on the terminal.
pub(crate) fn show(command: &mut Command) -> anyhow::Result<()> {
    let mut group = Group::spawn(command)?;
    group.wait(command)
}

/// Runs a command whose output belongs into a file.
pub(crate) fn logged(command: &mut Command, log: File) -> anyhow::Result<()> {
    let copy = log.try_clone()?;
    let mut group = Group::spawn(command.stdout(copy).stderr(log))?;
    group.wait(command)
}

/// Runs a command, and shows each line of its standard output after `seen` has had a look at it.
pub(crate) fn show_lines(command: &mut Command, mut seen: impl FnMut(&str)) -> anyhow::Result<()> {
    let mut group = Group::spawn(command.stdout(Stdio::piped()))?;
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = group.leader.stdout.take() {
        // A thread of its own, so that a signal need not wait for the next line.
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => {
                // Panics need not be UTF-8; a line that is not is shown as well as it can be.
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                seen(&line);
            }
            Err(RecvTimeoutError::Timeout) => check_interrupted()?,
            Err(RecvTimeoutError::Disconnected) => return group.wait(command),
        }
    }
}

/// A child and all it starts (cargo starts rustc and tests), ended together when dropped early.
struct Group {
    leader: Child,
    running: bool,
}

impl Group {
    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        check_interrupted()?;
        let spawned = command.stdin(Stdio::null()).process_group(0).spawn();
        let leader = spawned.with_context(|| format!("cannot start {}", display(command)))?;
        Ok(Self {
            leader,
            running: true,
        })
    }

    /// Waits for the leader; `command` is what it is called in an error.
    fn wait(&mut self, command: &Command) -> anyhow::Result<()> {
        loop {
            if let Some(status) = self.leader.try_wait()? {
                self.running = false;
                if !status.success() {
                    bail!("{} failed: {status}", display(command));
                }
                return Ok(());
            }
            check_interrupted()?;
            thread::sleep(POLL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.running
            && let Ok(leader) = i32::try_from(self.leader.id())
        {
            // The leader has not been waited for, so its number is still the group's.
            let _ = killpg(Pid::from_raw(leader), Signal::SIGTERM);
            let _ = self.leader.wait();
        }
    }
}

/// The command as a person would type it.
fn display(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
