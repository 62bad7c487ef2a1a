//! Child processes: run to the end with their output captured, or shown line by line as it comes.
//!
//! SIGINT, SIGTERM and SIGHUP set a flag, and every function here returns [`Interrupted`] once it
//! is set. So a verb that was interrupted unwinds like one that failed, and what it made is removed
//! by `Drop`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
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

/// Runs a command whose output belongs on the terminal.
pub(crate) fn show(command: &mut Command) -> anyhow::Result<()> {
    check_interrupted()?;
    let mut child = spawn(command.stdin(Stdio::null()))?;
    let status = wait(&mut child)?;
    if !status.success() {
        bail!("{} failed: {status}", display(command));
    }
    Ok(())
}

/// Runs a command, and shows each line of its standard output after `seen` has had a look at it.
pub(crate) fn show_lines(command: &mut Command, mut seen: impl FnMut(&str)) -> anyhow::Result<()> {
    check_interrupted()?;
    let mut child = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    if let Some(stdout) = child.stdout.take() {
        // Test names and panics need not be UTF-8; a line that is not is shown as well as it can be.
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("cannot read from {}", display(command)))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            seen(&line);
        }
    }
    let status = wait(&mut child)?;
    if !status.success() {
        bail!("{} failed: {status}", display(command));
    }
    Ok(())
}

/// The command as a person would type it.
fn display(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command
        .spawn()
        .with_context(|| format!("cannot start {}", display(command)))
}

/// Waits for a child, and takes it along when a signal comes that only this process got.
fn wait(child: &mut Child) -> anyhow::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            // A Ctrl-C at the terminal reaches the child as well: say so, not that it failed.
            check_interrupted()?;
            return Ok(status);
        }
        if let Err(interrupted) = check_interrupted() {
            // It may have ended by itself in between.
            let _ = child.kill();
            child.wait()?;
            return Err(interrupted);
        }
        thread::sleep(Duration::from_millis(20));
    }
}
