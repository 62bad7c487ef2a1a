//! Linker options of the kernel programs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH");
    if arch.is_ok_and(|arch| arch == "bpf") {
        // Octets of a packet are read by the word wherever they lie; without this, LLVM makes eight
        // loads of one. The verifier allows it on x86-64 and arm64.
        println!(
            "cargo:rustc-link-arg-bins=--cpu-features=+allows-misaligned-mem-access,+store-imm"
        );
    }
}
