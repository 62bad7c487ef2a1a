//! Every version that is pinned outside `Cargo.lock`, and what they must agree with: the LLVM that
//! rustc carries writes the bitcode, so the bpf-linker that reads it must be linked with the same
//! LLVM major version.

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::command;

/// The release of bpf-linker that links the kernel programs.
pub(crate) const BPF_LINKER: &str = "0.13.0";

/// The LLVM majors that this bpf-linker can be linked with: its `llvm-N` features.
pub(crate) const BPF_LINKER_LLVM: [u32; 3] = [21, 22, 23];

/// The rustup components beyond the minimal profile; rust-src is what `core` for BPF is built from.
pub(crate) const COMPONENTS: [&str; 3] = ["rust-src", "rustfmt", "clippy"];

/// The LLVM major version of the rustc in use.
pub(crate) fn llvm_major() -> anyhow::Result<u32> {
    let version = command::output(Command::new("rustc").arg("-vV"))?;
    let major = parse_llvm_major(&version)
        .with_context(|| format!("`rustc -vV` names no LLVM version:\n{version}"))?;
    ensure!(
        BPF_LINKER_LLVM.contains(&major),
        "this rustc carries LLVM {major}, but bpf-linker {BPF_LINKER} knows LLVM {BPF_LINKER_LLVM:?} \
         only; use another stable toolchain (`rustup default VERSION`)",
    );
    Ok(major)
}

fn parse_llvm_major(version: &str) -> Option<u32> {
    let line = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_llvm_major_is_read_from_rustcs_own_words() {
        let version = "rustc 1.95.0\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        assert_eq!(parse_llvm_major(version), Some(22));
        assert_eq!(parse_llvm_major("rustc 1.95.0\n"), None);
    }
}
