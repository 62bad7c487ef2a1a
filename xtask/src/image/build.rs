//! The agent for another machine: linked by rustc's own lld with the musl that comes with the target, its
//! few files of C (ring's) compiled by clang, which needs no headers of that machine for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Arch;
use crate::command;

/// Builds the agent with the profile `image`.
pub(super) fn agent(root: &Path, arch: Arch) -> Result<PathBuf> {
    let target = arch.target();
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["build", "--locked", "--package", "dns-agent"])
        .args(["--profile", "image", "--target", target]);
    // `cargo run` tells this process about itself; passed on, it would have ring built anew each time.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            cargo.env_remove(name);
        }
    }
    let sysroot = command::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let cargo_home = cargo_home()?;
    // ring has no need of a C library; without `-ffreestanding` clang's own headers ask for one.
    let flags = format!(
        "-ffreestanding -nostdlibinc -DRING_CORE_NOSTDLIBINC=1 -ffile-prefix-map={}=/cargo",
        cargo_home.display()
    );
    let lower = target.replace('-', "_");
    cargo
        .env(format!("CC_{lower}"), "clang")
        .env(format!("CFLAGS_{lower}"), flags)
        .env(
            format!("CARGO_TARGET_{}_LINKER", lower.to_uppercase()),
            "rust-lld",
        );
    // Paths in messages of panics, which would differ from one directory to another.
    let maps = [
        (root.to_owned(), "/kerndns"),
        (cargo_home, "/cargo"),
        (
            Path::new(sysroot.trim()).join("lib/rustlib/src/rust"),
            "/rust",
        ),
    ];
    let maps = maps.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", maps.join("\x1f"));
    command::show(&mut cargo)
        .with_context(|| format!("the agent could not be built for {target}"))?;
    let output = target_directory(root).join(target).join("image/kerndns");
    Ok(output)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        return Ok(home.into());
    }
    let home = std::env::home_dir().context("neither CARGO_HOME nor HOME is set")?;
    Ok(home.join(".cargo"))
}

fn target_directory(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |set| root.join(set))
}
