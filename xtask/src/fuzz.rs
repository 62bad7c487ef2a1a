//! `cargo xtask fuzz`: the targets of `tests/fuzz`, built with libFuzzer and run as many at a time as there are cores;
//! a row for each with what it tried.
//!
//! Inputs that reach new code are kept in `fuzz/corpus` of the target directory, so that the next run starts where
//! this one ended; the first ones come from the repository. No sanitizer: what is not memory-safe by the compiler's
//! word is a few functions of dns-ebpf that read within bounds of their own. Debug assertions and overflow checks are
//! on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::command;
use crate::test::target_directory;

/// What `cargo xtask fuzz` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, default_value_t = 1)]
    minutes: u32,
    /// Where chance begins; drawn where it is not given
    #[arg(long)]
    seed: Option<u32>,
    /// Only these targets, instead of all
    targets: Vec<String>,
}

impl Options {
    /// All targets, a minute each: what `cargo xtask test` does. Always from the same seed, so that what it finds is of
    /// the change and not of the day.
    pub(crate) fn one_minute() -> Self {
        Self {
            minutes: 1,
            seed: Some(1),
            targets: Vec::new(),
        }
    }
}

/// A binary of `tests/fuzz`, and where its first inputs are.
struct Target {
    name: &'static str,
    seeds: &'static [&'static str],
}

const TARGETS: [Target; 6] = [
    Target {
        name: "query",
        seeds: &["tests/fuzz/corpus/query"],
    },
    Target {
        name: "responder",
        seeds: &["tests/fuzz/corpus/query"],
    },
    Target {
        name: "fit",
        seeds: &["tests/fuzz/corpus/fit"],
    },
    Target {
        name: "answer",
        seeds: &["tests/fuzz/corpus/answer"],
    },
    Target {
        name: "corefile",
        seeds: &[
            "tests/fuzz/corpus/corefile",
            "docs/examples",
            "dns-agent/src/corefile/testdata",
        ],
    },
    Target {
        name: "manifests",
        seeds: &[
            "tests/fuzz/corpus/manifests",
            "docs/examples",
            "tests/fixtures",
            "tests/testdata",
        ],
    },
];

/// An input is at most so long, octets: more than any query, and a page of YAML.
const MAX_LENGTH: u32 = 4096;
/// An input that takes longer is a fault, seconds.
const TIMEOUT: u32 = 10;

/// Builds the targets and runs them; an error if one of them found something.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    command::catch_signals()?;
    let unknown = options
        .targets
        .iter()
        .find(|name| !TARGETS.iter().any(|target| target.name == **name));
    if let Some(name) = unknown {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        bail!("there is no target {name}; expected {}", names.join(", "));
    }
    let wanted = |target: &&Target| {
        options.targets.is_empty() || options.targets.iter().any(|name| name == target.name)
    };
    let targets: Vec<&Target> = TARGETS.iter().filter(wanted).collect();
    build()?;
    let seconds = options.minutes.saturating_mul(60);
    println!(
        "fuzz: {} targets, {seconds} s each; logs and corpus in {}",
        targets.len(),
        directory().display()
    );
    let runs = run_all(&targets, seconds, options.seed)?;
    println!(
        "\n{:<12} {:<8} {:>12} {:>8} {:>8}",
        "target", "result", "executions", "corpus", "edges"
    );
    for run in &runs {
        println!("{}", run.row());
    }
    let found: Vec<String> = runs.iter().filter_map(Run::complaint).collect();
    if !found.is_empty() {
        bail!("{}", found.join("\n"));
    }
    Ok(())
}

/// Builds all binaries in one go, by the profile of all other builds: dependencies are there already.
///
/// cargo-fuzz would build the same, but compiles every dependency again: more than five minutes of processor time,
/// where this takes a bit over one.
fn build() -> anyhow::Result<()> {
    let wrapper = root().join("tests/fuzz/instrument.sh");
    let mut cargo = Command::new("nice");
    cargo.args(["cargo", "build", "--package", "kerndns-fuzz", "--bins"]);
    command::show(cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper))
}

/// The repository's root directory.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where everything is that a run makes.
fn directory() -> PathBuf {
    target_directory().join("fuzz")
}

/// Runs the targets on all cores, each on one.
fn run_all(targets: &[&Target], seconds: u32, seed: Option<u32>) -> anyhow::Result<Vec<Run>> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(targets.iter());
    let take = || waiting.lock().ok()?.next();
    let work = || -> anyhow::Result<Vec<Run>> {
        let mut runs = Vec::new();
        while let Some(target) = take() {
            runs.push(target.run(seconds, seed)?);
        }
        Ok(runs)
    };
    let results = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| match worker.join() {
            Ok(runs) => runs,
            Err(_) => bail!("a thread that ran a fuzz target panicked"),
        };
        workers.into_iter().map(join).collect::<Vec<_>>()
    });
    let runs: Vec<Vec<Run>> = results.into_iter().collect::<anyhow::Result<_>>()?;
    Ok(runs.into_iter().flatten().collect())
}

impl Target {
    fn run(&self, seconds: u32, seed: Option<u32>) -> anyhow::Result<Run> {
        let directory = directory();
        let corpus = directory.join("corpus").join(self.name);
        let artifacts = directory.join("artifacts").join(self.name);
        for directory in [&corpus, &artifacts] {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let log = directory.join(format!("{}.log", self.name));
        let binary = target_directory().join("debug").join(self.name);
        let mut fuzzer = Command::new("nice");
        fuzzer.arg(&binary).arg(&corpus);
        fuzzer.args(self.seeds.iter().map(|seeds| root().join(seeds)));
        fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
        fuzzer.arg(format!("-max_total_time={seconds}"));
        fuzzer.args(seed.map(|seed| format!("-seed={seed}")));
        fuzzer.arg(format!("-max_len={MAX_LENGTH}"));
        fuzzer.arg(format!("-timeout={TIMEOUT}"));
        fuzzer.arg("-print_final_stats=1");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let ended = command::logged(&mut fuzzer, file);
        command::check_interrupted()?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Ok(Run {
            name: self.name,
            binary,
            log,
            stats: Stats::read(&text),
            ok: ended.is_ok(),
        })
    }
}

/// How a target's run went.
struct Run {
    name: &'static str,
    binary: PathBuf,
    log: PathBuf,
    stats: Stats,
    ok: bool,
}

impl Run {
    fn row(&self) -> String {
        let result = if self.ok { "ok" } else { "FAILED" };
        let Stats {
            executions,
            corpus,
            edges,
            ..
        } = &self.stats;
        format!(
            "{:<12} {result:<8} {executions:>12} {corpus:>8} {edges:>8}",
            self.name
        )
    }

    /// What was found, and how to see it again.
    fn complaint(&self) -> Option<String> {
        if self.ok {
            return None;
        }
        let (name, log) = (self.name, self.log.display());
        Some(match &self.stats.input {
            Some(input) => format!(
                "{name}: {}\n  input: {input}\n  again: {} {input}\n  log: {log}",
                self.stats.panic.as_deref().unwrap_or("it ended"),
                self.binary.display()
            ),
            None => format!("{name} ended without an input to show for it; log: {log}"),
        })
    }
}

/// What libFuzzer says in its log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stats {
    executions: u64,
    corpus: u64,
    edges: u64,
    /// The file with the input that failed.
    input: Option<String>,
    /// The panic's message.
    panic: Option<String>,
}

impl Stats {
    fn read(log: &str) -> Self {
        let mut stats = Self::default();
        let mut lines = log.lines().peekable();
        while let Some(line) = lines.next() {
            // `#12345 NEW    cov: 100 ft: 200 corp: 12/345b exec/s: 100 rss: 40Mb`
            if let Some(rest) = line.strip_prefix('#') {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let number = |text: &str| text.split('/').next()?.parse().ok();
                let after = |name| {
                    let at = words.iter().position(|word| *word == name)?;
                    number(words.get(at + 1)?)
                };
                let executions = words.first().and_then(|word| number(word));
                stats.executions = executions.unwrap_or(stats.executions);
                stats.corpus = after("corp:").unwrap_or(stats.corpus);
                stats.edges = after("cov:").unwrap_or(stats.edges);
            } else if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                stats.executions = count.trim().parse().unwrap_or(stats.executions);
            } else if let Some((_, path)) = line.split_once("Test unit written to ") {
                stats.input = Some(path.trim().to_owned());
            } else if line.contains("' panicked at ") || line.contains(") panicked at ") {
                let what = lines.peek().copied().unwrap_or_default();
                stats.panic = Some(format!("{line} {what}"));
            }
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_libfuzzers_says_what_was_tried_and_found() {
        let log = "INFO: Seed: 1\n\
            #2\tINITED cov: 90 ft: 91 corp: 1/1b exec/s: 0 rss: 40Mb\n\
            #8192\tpulse  cov: 120 ft: 300 corp: 14/2Kb lim: 11 exec/s: 4096 rss: 41Mb\n\
            thread '<unnamed>' (77) panicked at tests/fuzz/query.rs:20:9:\nnot a query\n\
            artifact_prefix='x/'; Test unit written to x/crash-1\n\
            stat::number_of_executed_units: 9001\n";
        let expected = Stats {
            executions: 9001,
            corpus: 14,
            edges: 120,
            input: Some("x/crash-1".into()),
            panic: Some(
                "thread '<unnamed>' (77) panicked at tests/fuzz/query.rs:20:9: not a query".into(),
            ),
        };
        assert_eq!(Stats::read(log), expected);
        assert_eq!(Stats::read(""), Stats::default());
    }

    #[test]
    fn every_target_is_a_binary_and_its_seeds_are_there() {
        let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for target in TARGETS {
            let name = format!("name = \"{}\"", target.name);
            assert!(manifest.contains(&name), "{name}");
            for directory in target.seeds {
                let files = fs::read_dir(root().join(directory)).unwrap();
                assert!(files.count() > 0, "{directory}");
            }
        }
    }
}
