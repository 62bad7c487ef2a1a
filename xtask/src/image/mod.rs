//! `cargo xtask image`: the agent, and what it needs beside the kernel, as one container image per
//! architecture, without a container engine.
//!
//! Whoever has the same commit and the same tools gets the same bytes, in whatever directory: times are the
//! commit's, entries are sorted, and the directories of this machine are mapped away (`build`).

mod archive;
mod build;
mod licences;
mod rootfs;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use crate::{command, setup};
use archive::Image;

/// The image's name; its tag is the version.
pub(crate) const NAME: &str = "localhost/kerndns";

/// No image may be larger than this: every node of a cluster loads it.
const MOST: u64 = 25_000_000;

/// `cargo xtask image`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only for this architecture; repeatable; without it, for all
    #[arg(long, value_enum)]
    arch: Vec<Arch>,
    /// Where the archives go
    #[arg(long, value_name = "DIR", default_value = "target/images")]
    out: PathBuf,
}

/// A machine that the agent is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// x86-64
    Amd64,
    /// 64-bit Arm
    Arm64,
}

impl Arch {
    /// The name that OCI and Kubernetes have for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The Rust target: static, with musl.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }
}

/// Builds an archive for each architecture wanted, and says where it is and how to import it.
pub(crate) fn run(options: &Options) -> Result<()> {
    command::catch_signals()?;
    let root = root()?;
    let arches = match options.arch.as_slice() {
        [] => Arch::value_variants(),
        wanted => wanted,
    };
    setup::ensure()?;
    setup::for_image(&arches.iter().map(|arch| arch.target()).collect::<Vec<_>>())?;
    let out = root.join(&options.out);
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let commit = Commit::read(&root);
    for &arch in arches {
        let start = Instant::now();
        let agent = build::agent(&root, arch)?;
        let files = rootfs::files(&root, arch, &agent)?;
        let image = Image::new(NAME, arch, &files, &commit)?;
        let path = out.join(file_name(arch));
        let size = image.write(&path)?;
        ensure!(
            size < MOST,
            "{} has {size} octets, and {MOST} is the limit: look at what became so large with `tar tvf`",
            path.display()
        );
        println!(
            "{}: {}:{}, {:.1} MB, {}, {} s",
            path.display(),
            NAME,
            version(),
            f64::from(u32::try_from(size)?) / 1e6,
            image.digest(),
            start.elapsed().as_secs()
        );
    }
    Ok(())
}

/// An archive with one static program in it, called as the last part of the image's name; written to `path`.
pub(crate) fn of_program(name: &str, arch: Arch, program: &Path, path: &Path) -> Result<()> {
    let files = rootfs::program(name.rsplit('/').next().unwrap_or(name), program)?;
    Image::new(name, arch, &files, &Commit::default())?.write(path)?;
    Ok(())
}

/// The archive's name.
pub(crate) fn file_name(arch: Arch) -> String {
    format!("kerndns-{}-{}.tar", version(), arch.name())
}

/// The version of the whole workspace.
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The repository's root directory.
pub(crate) fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize()
        .with_context(|| format!("cannot find {}", root.display()))
}

/// What git says of the source; nothing where it is not from git.
#[derive(Debug, Clone, Default)]
struct Commit {
    /// Its name.
    revision: Option<String>,
    /// When it was made, seconds since 1970.
    seconds: u64,
    /// The same in RFC 3339.
    time: Option<String>,
}

impl Commit {
    fn read(root: &Path) -> Self {
        let mut git = Command::new("git");
        git.current_dir(root).env("TZ", "UTC0").args([
            "show",
            "--no-patch",
            "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
            "--format=%H %ct %cd",
            "HEAD",
        ]);
        let text = command::output(&mut git).unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [revision, seconds, time] => Self {
                revision: Some((*revision).to_owned()),
                seconds: seconds.parse().unwrap_or_default(),
                time: Some((*time).to_owned()),
            },
            _ => Self::default(),
        }
    }
}
