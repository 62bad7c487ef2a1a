//! What building and testing needs and this machine lacks, installed: Debian packages, components of
//! the Rust toolchain, and a bpf-linker linked with rustc's LLVM.
//!
//! Each need is probed by the file or command itself, not by its package, so that what was installed
//! in another way counts, and so that a machine that has everything is done within a second.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

use crate::command;
use crate::toolchain::{self, BPF_LINKER, COMPONENTS};

/// Installs what is missing, saying what it does; says nothing when nothing is.
pub(crate) fn ensure() -> anyhow::Result<()> {
    command::catch_signals()?;
    let llvm = toolchain::llvm_major()?;
    let linker = Linker::find()?;
    packages(needs(linker.is_none().then_some(llvm)))?;
    components()?;
    match linker {
        Some(_) => Ok(()),
        None => install_linker(llvm),
    }
}

/// Installs what only `cargo xtask image` needs: a compiler for ring's C, and Rust's standard library for
/// each of `targets`.
pub(crate) fn for_image(targets: &[&str]) -> anyhow::Result<()> {
    packages(vec![Need::command("clang", "clang")])?;
    let sysroot = sysroot()?;
    let missing: Vec<&&str> = targets
        .iter()
        .filter(|target| !sysroot.join("lib/rustlib").join(target).exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    step("add targets to the Rust toolchain", || {
        command::show(
            Command::new("rustup")
                .args(["target", "add"])
                .args(&missing),
        )
    })
}

/// Installs the DNS servers that `cargo xtask bench` compares with. Debian starts a server that is installed; a policy
/// that forbids it stands in its way for the time (`policy-rc.d`, invoke-rc.d(8)).
pub(crate) fn for_bench() -> anyhow::Result<()> {
    let needs = || {
        vec![
            Need::command("knotd", "knot"),
            Need::command("nsd", "nsd"),
            Need::command("unbound", "unbound"),
            // Without `-base` there is a service, too.
            Need::command("dnsmasq", "dnsmasq-base"),
            Need::command("taskset", "util-linux"),
        ]
    };
    if needs().iter().all(Need::met) {
        return Ok(());
    }
    let _policy = Policy::without_services()?;
    packages(needs())
}

/// Forbids that the installation of a package starts services; removed when dropped.
struct Policy {
    is_ours: bool,
}

impl Policy {
    const FILE: &str = "/usr/sbin/policy-rc.d";

    /// A policy that somebody else has made stays as it is.
    fn without_services() -> anyhow::Result<Self> {
        let is_ours = !Path::new(Self::FILE).exists();
        if is_ours {
            fs::write(Self::FILE, "#!/bin/sh\nexit 101\n")
                .and_then(|()| fs::set_permissions(Self::FILE, Permissions::from_mode(0o755)))
                .with_context(|| {
                    format!(
                        "cannot write {}, which keeps servers from being started",
                        Self::FILE
                    )
                })?;
        }
        Ok(Self { is_ours })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.is_ours {
            let _gone_already = fs::remove_file(Self::FILE);
        }
    }
}

/// A command or a file that must be there, and the Debian package that brings it.
struct Need {
    probe: Probe,
    package: String,
}

enum Probe {
    Command(&'static str),
    File(String),
}

impl Need {
    fn command(name: &'static str, package: &str) -> Self {
        Self {
            probe: Probe::Command(name),
            package: package.to_owned(),
        }
    }

    fn file(path: impl Into<String>, package: &str) -> Self {
        Self {
            probe: Probe::File(path.into()),
            package: package.to_owned(),
        }
    }

    fn met(&self) -> bool {
        match &self.probe {
            Probe::Command(name) => find_command(name).is_some(),
            Probe::File(path) => Path::new(path).exists(),
        }
    }
}

/// What is needed of the distribution; `llvm`: bpf-linker must still be linked with this major.
fn needs(llvm: Option<u32>) -> Vec<Need> {
    let mut needs = vec![
        Need::command("cc", "gcc"),
        // libFuzzer is C++.
        Need::command("c++", "g++"),
        Need::file("/usr/include/stdlib.h", "libc6-dev"),
        Need::command("ip", "iproute2"),
        Need::command("ethtool", "ethtool"),
        Need::command("bpftool", "bpftool"),
        Need::command("dig", "bind9-dnsutils"),
        Need::command("dnsperf", "dnsperf"),
        Need::command("musl-gcc", "musl-tools"),
    ];
    if let Some(llvm) = llvm {
        let home = llvm_home(llvm);
        needs.extend([
            Need::command("pkg-config", "pkg-config"),
            Need::file("/usr/include/zlib.h", "zlib1g-dev"),
            Need::file("/usr/include/zstd.h", "libzstd-dev"),
            Need::file(
                format!("{home}/bin/llvm-config"),
                &format!("llvm-{llvm}-dev"),
            ),
            Need::file(
                format!("{home}/lib/libPolly.a"),
                &format!("libpolly-{llvm}-dev"),
            ),
        ]);
    }
    needs
}

/// Where Debian puts an LLVM of this major version.
fn llvm_home(major: u32) -> String {
    format!("/usr/lib/llvm-{major}")
}

fn packages(needs: Vec<Need>) -> anyhow::Result<()> {
    let missing: Vec<String> = needs
        .into_iter()
        .filter(|need| !need.met())
        .map(|need| need.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    ensure!(
        find_command("apt-get").is_some(),
        "this machine lacks what the Debian packages `{list}` bring, and has no apt-get: install \
         them in its own way, then run this again",
    );
    ensure!(
        nix::unistd::geteuid().is_root(),
        "this machine lacks packages: run `apt-get install {list}` as root, then this again",
    );
    step(&format!("install {list}"), || {
        apt_get(&["update"]).context("the lists of packages could not be fetched")?;
        let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
        arguments.extend(missing.iter().map(String::as_str));
        apt_get(&arguments)
    })
}

/// Runs apt-get without questions; its many lines are shown only when it fails.
fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut apt = Command::new("apt-get");
    apt.arg("-qq")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command::output(&mut apt).map(drop)
}

/// Adds components of the toolchain that a minimal rustup profile leaves out.
fn components() -> anyhow::Result<()> {
    let sysroot = sysroot()?;
    let missing: Vec<&str> = COMPONENTS
        .into_iter()
        .filter(|component| !has_component(&sysroot, component))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    ensure!(
        find_command("rustup").is_some(),
        "the Rust toolchain in {} lacks {list} and there is no rustup to add it: install Rust by \
         rustup (https://rustup.rs)",
        sysroot.display(),
    );
    step(&format!("add {list} to the Rust toolchain"), || {
        command::show(
            Command::new("rustup")
                .args(["component", "add"])
                .args(&missing),
        )
    })
}

fn sysroot() -> anyhow::Result<PathBuf> {
    let sysroot = command::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(sysroot.trim()))
}

fn has_component(sysroot: &Path, component: &str) -> bool {
    let file = match component {
        "rust-src" => "lib/rustlib/src/rust/library/core/src/lib.rs",
        "clippy" => "bin/cargo-clippy",
        other => return sysroot.join("bin").join(other).exists(),
    };
    sysroot.join(file).exists()
}

/// A bpf-linker of the pinned release that starts.
struct Linker;

impl Linker {
    /// One that cannot start (its LLVM was removed, say) is as good as none.
    fn find() -> anyhow::Result<Option<Self>> {
        let Some(path) = find_command("bpf-linker") else {
            return Ok(None);
        };
        let output = Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", path.display()))?;
        let version = String::from_utf8_lossy(&output.stdout);
        let right = output.status.success()
            && version
                .split_whitespace()
                .nth(1)
                .is_some_and(|version| version == BPF_LINKER);
        Ok(right.then_some(Self))
    }
}

/// Builds bpf-linker into cargo's own directory of binaries, where aya-build finds it by `$PATH`.
fn install_linker(llvm: u32) -> anyhow::Result<()> {
    let what = format!("build bpf-linker {BPF_LINKER} with LLVM {llvm} (a few minutes)");
    step(&what, || {
        let feature = format!("llvm-{llvm}");
        let mut cargo = Command::new("cargo");
        cargo.args([
            "install",
            "bpf-linker",
            "--version",
            BPF_LINKER,
            "--locked",
            "--force",
        ]);
        cargo.args(["--no-default-features", "--features", &feature]);
        cargo.env("LLVM_PREFIX", llvm_home(llvm));
        command::show(&mut cargo)
    })?;
    if Linker::find()?.is_none() {
        bail!(
            "bpf-linker {BPF_LINKER} was built, but the one that $PATH finds is another one or does \
             not start: put cargo's binaries ($CARGO_HOME/bin, usually ~/.cargo/bin) first in $PATH"
        );
    }
    Ok(())
}

/// The first file of this name in `$PATH`, or where Debian keeps what is meant for root.
pub(crate) fn find_command(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// Says what begins, and how long it took.
fn step(what: &str, run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("setup: {what} ...");
    let start = Instant::now();
    run().with_context(|| format!("setup could not {what}"))?;
    println!("setup: done in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_is_needed_only_while_bpf_linker_must_be_built() {
        let names = |llvm| {
            needs(llvm)
                .into_iter()
                .map(|need| need.package)
                .collect::<Vec<_>>()
        };
        assert!(names(Some(22)).contains(&"llvm-22-dev".to_owned()));
        assert!(!names(None).iter().any(|name| name.starts_with("llvm")));
    }

    #[test]
    fn a_command_that_is_nowhere_is_a_need_that_is_not_met() {
        assert!(!Need::command("no-such-command-anywhere", "nothing").met());
        assert!(Need::command("sh", "dash").met());
    }
}
