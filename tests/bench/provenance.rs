//! Where a part's figures come from: machine, kernel, commit, command, versions, and what others did meanwhile.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::machine::Machine;
use crate::others::{Reading, Share};
use crate::versions::Versions;

/// What does not change from one part of a run to the next.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    #[serde(flatten)]
    machine: Machine,
    /// What a person types for it.
    command: String,
    /// Of the source, as git names it; `with changes` behind it where files differ.
    commit: String,
    versions: Versions,
}

impl Run {
    /// Looks around; `arguments` are those of the command.
    pub(crate) fn begin(arguments: &[String]) -> Result<Self> {
        Ok(Self {
            machine: Machine::read()?,
            command: command(arguments),
            commit: commit(),
            versions: Versions::read(),
        })
    }

    /// The machine in a few words.
    pub(crate) fn machine(&self) -> String {
        self.machine.text()
    }
}

/// A part that is being measured.
pub(crate) struct Begun {
    date: String,
    instant: Instant,
    reading: Reading,
}

impl Begun {
    /// Starts the clock.
    pub(crate) fn now() -> Result<Self> {
        Ok(Self {
            date: Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            instant: Instant::now(),
            reading: Reading::now()?,
        })
    }

    /// Stops it. What others had is left out where `is_elsewhere`: what was measured then is no process of this one's.
    pub(crate) fn end(self, run: &Run, is_elsewhere: bool) -> Result<Provenance> {
        let mut share = Reading::now()?.since(self.reading);
        if is_elsewhere {
            share.others = None;
        }
        Ok(Provenance {
            date: self.date,
            seconds: self.instant.elapsed().as_secs(),
            percent_of_cpus: share,
            run: run.clone(),
        })
    }
}

/// Of one part.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Provenance {
    /// When it began.
    date: String,
    /// How long it took.
    seconds: u64,
    /// What others had meanwhile.
    percent_of_cpus: Share,
    #[serde(flatten)]
    run: Run,
}

impl Provenance {
    /// A paragraph for the head of the part's section.
    pub(crate) fn text(&self) -> String {
        let Self {
            date, seconds, run, ..
        } = self;
        let share = self.percent_of_cpus;
        let others = share.others.map_or(
            "what other processes had cannot be told from the cluster's".to_owned(),
            |others| format!("other processes had {others:.1} %"),
        );
        let noisy = if share.is_noisy() {
            " (**NOISY**: no figure is final)"
        } else {
            ""
        };
        format!(
            "Measured on {date} in {seconds} s by `{}`, as root, at commit {}: {}; {}. Of the CPUs' time the hypervisor \
             had {:.1} %, {others}{noisy}.\n",
            run.command,
            run.commit,
            run.machine.text(),
            run.versions.text(&["KernDNS", "rustc", "bpf-linker"]),
            share.steal,
        )
    }

    /// A line for the head of its goals.
    pub(crate) fn short(&self) -> String {
        format!("{}, commit {}", self.date, self.run.commit)
    }
}

/// Without what only says where to write.
fn command(arguments: &[String]) -> String {
    let mut words = vec!["cargo xtask bench"];
    let mut arguments = arguments.iter().map(String::as_str);
    while let Some(word) = arguments.next() {
        match word {
            "--write" | "--json" => {
                arguments.next();
            }
            _ if word.starts_with("--write=") || word.starts_with("--json=") => {}
            _ => words.push(word),
        }
    }
    words.join(" ")
}

/// The documents are left out, since the parts of this very run are written there.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = git.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changes = git(&["status", "--porcelain", "--", ":/", ":(top,exclude)docs"]);
    match changes {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} with changes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_what_is_measured_not_where_it_goes() {
        let words = ["--only=cost", "--write", "docs", "--json=x.json", "--quick"];
        let words = words.map(str::to_owned);
        assert_eq!(command(&words), "cargo xtask bench --only=cost --quick");
        assert_eq!(command(&[]), "cargo xtask bench");
    }

    #[test]
    fn a_part_says_where_and_when_and_who_else_was_there() {
        let run = Run::begin(&[]).unwrap();
        let text = Begun::now().unwrap().end(&run, false).unwrap().text();
        assert!(
            text.contains(&run.machine()) && text.contains(" UTC in 0 s by `cargo xtask bench`")
        );
        assert!(
            text.contains("rustc ")
                && text.contains("bpf-linker ")
                && text.contains("other processes had")
        );
        let elsewhere = Begun::now().unwrap().end(&run, true).unwrap();
        assert!(elsewhere.text().contains("cannot be told"));
    }
}
