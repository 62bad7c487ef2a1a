//! From the Go module in `tests/kube-assets` to a directory with `etcd` and `kube-apiserver`.
//!
//! `KUBEBUILDER_ASSETS`, the ecosystem's convention, names such a directory. Without it the two are
//! built once per user: six minutes and 20 seconds on two cores.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::command;

/// The Kubernetes version that `tests/kube-assets/go.mod` requires.
pub(crate) const VERSION: &str = "1.36.3";
/// The lowest Go release that builds it.
const GO: (u32, u32) = (1, 26);
/// The programs, and the Go packages they are built from.
const PROGRAMS: [(&str, &str); 2] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
];

/// The directory with both programs, built first where they are missing.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("KUBEBUILDER_ASSETS") {
        let directory = PathBuf::from(directory);
        for (program, _) in PROGRAMS {
            ensure!(
                directory.join(program).is_file(),
                "KUBEBUILDER_ASSETS is {}, but there is no {program} in it: unset the variable to \
                 have both built, or fill the directory (setup-envtest use)",
                directory.display()
            );
        }
        return Ok(directory);
    }
    let directory = cache(&format!("kube-{VERSION}"))?;
    for (program, package) in PROGRAMS {
        if !directory.join(program).is_file() {
            build(program, package, &directory)?;
        }
    }
    Ok(directory)
}

/// The per-user directory of this name; the tests look for that of this version under the same one.
pub(crate) fn cache(name: &str) -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir()
            .context(
                "neither XDG_CACHE_HOME nor HOME is set: there is no place for what is built once",
            )?
            .join(".cache"),
    };
    Ok(cache.join("kerndns").join(name))
}

/// Builds one program of the module.
pub(crate) fn build(program: &str, package: &str, directory: &Path) -> Result<()> {
    check_go()?;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kube-assets");
    // Under another name until it is whole, so that an interrupted build leaves nothing to trust.
    let unfinished = directory.join(format!("{program}.{}", std::process::id()));
    println!("building {program} for the tests with Go, once (minutes):");
    let mut go = Command::new("go");
    go.current_dir(module)
        .env("CGO_ENABLED", "0")
        .args(["build", "-v", "-o"])
        .arg(&unfinished);
    if program.starts_with("kube") {
        // Without a version in it, clients cannot parse what the server says of itself.
        let version = format!("k8s.io/component-base/version.gitVersion=v{VERSION}");
        go.arg("-ldflags").arg(format!("-s -w -X {version}"));
    }
    let built = follow(go.arg(package));
    if built.is_err() {
        // Best effort: it may never have been written.
        let _ = std::fs::remove_file(&unfinished);
    }
    built.with_context(|| format!("go build {package} failed"))?;
    std::fs::rename(&unfinished, directory.join(program))
        .with_context(|| format!("cannot put {program} into {}", directory.display()))
}

/// Runs `go build -v`, which names each package on a line of its own, and tells how far it is.
fn follow(go: &mut Command) -> Result<()> {
    let started = Instant::now();
    let mut child = go.stderr(Stdio::piped()).spawn().context("cannot run go")?;
    let lines = child.stderr.take().context("go has no stderr")?;
    let mut packages = 0;
    for line in BufReader::new(lines).lines() {
        let line = line?;
        // Whatever is not the name of a package is a message: a download, or an error.
        if line.contains([' ', ':']) {
            println!("  {line}");
            continue;
        }
        packages += 1;
        if packages % 100 == 0 {
            println!("  {packages} packages in {} s", started.elapsed().as_secs());
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "go ended with {status}");
    println!("  done in {} s", started.elapsed().as_secs());
    Ok(())
}

/// The command of a Go package of another module, of this version, in the per-user directory of its name; built first
/// where it is missing.
pub(crate) fn install(name: &str, version: &str, package: &str) -> Result<PathBuf> {
    let directory = cache(&format!("{name}-{version}"))?;
    let program = directory.join(name);
    if program.is_file() {
        return Ok(program);
    }
    check_go()?;
    println!("building {name} {version} with Go, once (minutes)");
    // `go install` puts a whole program in its place, or none.
    let mut go = Command::new("go");
    go.args(["install", "-ldflags", "-s -w"])
        .arg(format!("{package}@v{version}"))
        .env("CGO_ENABLED", "0")
        .env("GOBIN", &directory);
    command::show(&mut go).with_context(|| format!("{name} could not be built"))?;
    Ok(program)
}

/// An error that says what to do where there is no Go, or an old one.
pub(crate) fn check_go() -> Result<()> {
    let cure = format!(
        "the tests need etcd and kube-apiserver {VERSION}, CoreDNS and helm: install Go {}.{} or later (go.dev/dl), or \
         set KUBEBUILDER_ASSETS to a directory that has both",
        GO.0, GO.1
    );
    let output = match Command::new("go").args(["env", "GOVERSION"]).output() {
        Ok(output) => output,
        Err(error) => bail!("there is no go here ({error}); {cure}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match release(&text) {
        Some(found) if found >= GO => Ok(()),
        Some(_) => bail!("{text} is too old; {cure}"),
        None => bail!("go env GOVERSION says {text:?}, which is no release; {cure}"),
    }
}

/// `go1.26.8` is (1, 26); `go1.27rc1` is (1, 27).
fn release(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.strip_prefix("go")?.split_once('.')?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..end].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_releases_are_compared_as_numbers() {
        assert_eq!(release("go1.26.8"), Some((1, 26)));
        assert_eq!(release("go1.27rc1"), Some((1, 27)));
        assert!(release("go1.9").unwrap() < GO);
        assert_eq!(release("devel +abc"), None);
    }
}
