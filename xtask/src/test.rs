//! `cargo xtask test`: every check there is, in the order in which they fail fastest; then a table.
//!
//! A red step does not hide the ones after it: all are run, and the exit status is that of the worst.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use crate::command::{self, Interrupted};
use crate::{fuzz, kube_assets, kube_clients, parity, setup};

/// Runs everything.
pub(crate) fn run() -> anyhow::Result<()> {
    command::catch_signals()?;
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the kernel tests load programs and make network namespaces: run this as root, or \
         `cargo test` for what needs no privileges",
    );
    let mut steps = Steps::default();
    steps.run("setup", |_| setup::ensure())?;
    steps.run("formatting", |_| {
        command::show(&mut cargo(["fmt", "--all", "--check"]))
    })?;
    steps.run("lints, host", |_| {
        let words = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        command::show(&mut cargo(words))
    })?;
    steps.run("lints, BPF", |_| command::show(&mut clippy_for_bpf()))?;
    steps.run("unit tests", |passed| {
        cargo_test(&mut cargo(["test", "--no-fail-fast"]), passed)
    })?;
    steps.run("fuzzing", |_| fuzz::run(&fuzz::Options::one_minute()))?;
    // Their versions are pinned in tests/kube-assets; the tests find them by this variable. Where
    // they are missing, the tests of the API fail too, and all others still run.
    let mut assets = None;
    steps.run("kube-apiserver and etcd", |_| {
        assets = Some(kube_assets::ensure()?);
        Ok(())
    })?;
    let mut clients = None;
    steps.run("kubectl and helm", |_| {
        clients = Some(kube_clients::ensure()?);
        Ok(())
    })?;
    steps.run("kernel and agent tests", |passed| {
        // One at a time: they share one kernel, and some of them measure time. `--nocapture`: the
        // verifier's instruction counts and the times from write to answer are worth reading.
        let mut cargo = cargo(["test", "-p", "kerndns-tests", "--no-fail-fast", "--"]);
        cargo.args(["--test-threads=1", "--nocapture"]);
        cargo.envs(assets.map(|directory| ("KUBEBUILDER_ASSETS", directory)));
        if let Some(clients) = &clients {
            cargo
                .env("KUBECTL", &clients.kubectl)
                .env("HELM", &clients.helm);
        }
        cargo_test(&mut cargo, passed)
    })?;
    steps.run("parity with CoreDNS", |_| {
        parity::run(&parity::Options::SHORT)
    })?;
    steps.finish()
}

/// The programs as the kernel gets them: `core` built for BPF, as aya-build does it.
fn clippy_for_bpf() -> Command {
    let mut cargo = cargo([
        "clippy",
        "-p",
        "dns-ebpf",
        "--bins",
        "--target",
        "bpfel-unknown-none",
    ]);
    // A directory of its own: with the host's, every change of flags would rebuild both.
    cargo
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(target_directory().join("bpf-lints"));
    cargo.args(["--", "-D", "warnings"]);
    // `-Z` on a stable toolchain.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env(
        "CARGO_ENCODED_RUSTFLAGS",
        format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH),
    );
    cargo
}

fn cargo<const N: usize>(words: [&str; N]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(words);
    cargo
}

/// Cargo's target directory, seen from this binary: `TARGET/debug/xtask`.
pub(crate) fn target_directory() -> std::path::PathBuf {
    let binary = env::current_exe().unwrap_or_default();
    binary
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("target"))
        .to_owned()
}

fn cargo_test(cargo: &mut Command, passed: &mut u32) -> anyhow::Result<()> {
    command::show_lines(cargo, |line| *passed += count_passed(line))
}

/// The count in libtest's `test result: ok. 12 passed; 0 failed; ...`.
fn count_passed(line: &str) -> u32 {
    let count = line.strip_prefix("test result: ").and_then(|result| {
        let (before, _) = result.split_once(" passed;")?;
        before.rsplit(' ').next()?.parse().ok()
    });
    count.unwrap_or(0)
}

/// What was run so far.
#[derive(Default)]
struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    passed: u32,
    ok: bool,
}

impl Steps {
    /// Runs one step; an error only when a signal ends them all.
    fn run(
        &mut self,
        name: &'static str,
        run: impl FnOnce(&mut u32) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        println!("\n== {name}");
        let start = Instant::now();
        let mut passed = 0;
        let result = run(&mut passed);
        let took = start.elapsed();
        let ok = match result {
            Ok(()) => true,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                println!("error: {error:#}");
                false
            }
        };
        println!(
            "== {name}: {} after {:.1} s",
            verdict(ok),
            took.as_secs_f64()
        );
        self.done.push(Step {
            name,
            took,
            passed,
            ok,
        });
        Ok(())
    }

    /// The table; an error if any step was red.
    fn finish(&self) -> anyhow::Result<()> {
        println!(
            "\n{:<24} {:<8} {:>12} {:>9}",
            "step", "result", "tests passed", "seconds"
        );
        for step in &self.done {
            let passed = if step.passed == 0 {
                "-".to_owned()
            } else {
                step.passed.to_string()
            };
            let seconds = step.took.as_secs_f64();
            println!(
                "{:<24} {:<8} {passed:>12} {seconds:>9.1}",
                step.name,
                verdict(step.ok)
            );
        }
        let passed: u32 = self.done.iter().map(|step| step.passed).sum();
        let seconds: f64 = self.done.iter().map(|step| step.took.as_secs_f64()).sum();
        let red: Vec<_> = self
            .done
            .iter()
            .filter(|step| !step.ok)
            .map(|step| step.name)
            .collect();
        println!(
            "{:<24} {:<8} {passed:>12} {seconds:>9.1}",
            "all",
            verdict(red.is_empty())
        );
        if !red.is_empty() {
            bail!("failed: {}", red.join(", "));
        }
        Ok(())
    }
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_counted_from_libtests_own_line() {
        let line = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out";
        assert_eq!(count_passed(line), 12);
        assert_eq!(count_passed("test result: FAILED. 7 passed; 1 failed;"), 7);
        assert_eq!(count_passed("test corefile::lexer::quotes ... ok"), 0);
    }

    #[test]
    fn one_red_step_makes_the_whole_run_red_and_the_others_still_run() {
        let mut steps = Steps::default();
        steps
            .run("red", |_| bail!("on purpose"))
            .expect("not interrupted");
        steps.run("green", |_| Ok(())).expect("not interrupted");
        assert_eq!(steps.done.len(), 2);
        assert_eq!(
            steps.finish().expect_err("a red step").to_string(),
            "failed: red"
        );
    }
}
