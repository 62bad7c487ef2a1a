//! Builds the kernel programs of `dns-ebpf` into `OUT_DIR/kerndns-bpf`.
//!
//! Where bpf-linker or the standard library's source is missing, the file is empty and a warning
//! says so: then everything but loading the programs works, and `kerndns run` names the cure.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use aya_build::{Package, Toolchain};

fn main() -> Result<()> {
    for input in ["../dns-ebpf", "../Cargo.toml", "../Cargo.lock", "build.rs"] {
        println!("cargo:rerun-if-changed={input}");
    }
    println!("cargo:rerun-if-env-changed=PATH");
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    if let Some(missing) = missing() {
        println!(
            "cargo:warning={missing}: the kernel programs are left out of this build; \
             `cargo xtask setup` installs what is missing"
        );
        return std::fs::write(out.join("kerndns-bpf"), []).context("cannot write an empty object");
    }
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".into());
    // SAFETY: a build script's main has no other thread yet.
    // Stable Rust builds `core` for the BPF target only with this (aya-build passes -Z build-std).
    unsafe {
        env::set_var("RUSTC_BOOTSTRAP", "1");
        // The directories of this machine are no part of the object: two clones give the same one.
        // Not by RUSTFLAGS, which aya-build sets itself.
        env::set_var("CARGO_UNSTABLE_TRIM_PATHS", "true");
        env::set_var("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all");
    }
    let dns_ebpf = Package {
        name: "dns-ebpf",
        root_dir: "../dns-ebpf",
        ..Package::default()
    };
    aya_build::build_ebpf([dns_ebpf], Toolchain::Custom(&toolchain))
}

/// What keeps this machine, or this build, from having BPF programs.
fn missing() -> Option<&'static str> {
    // `--cfg fuzzing`, set by cargo-fuzz: nothing is loaded, and half a minute is saved.
    if env::var_os("CARGO_CFG_FUZZING").is_some() {
        return Some("this build is for fuzzing");
    }
    let runs = Command::new("bpf-linker").arg("--version").output();
    if !runs.is_ok_and(|output| output.status.success()) {
        return Some("bpf-linker is not installed or does not run");
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = Command::new(rustc)
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = String::from_utf8(sysroot.stdout).ok()?;
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
    (!source.is_dir()).then_some("the rust-src component is not installed")
}
