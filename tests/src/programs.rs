//! Programs of two instructions, loaded by bpf(2) itself: what attaching is tested with does not
//! depend on what the real programs do.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType, Xdp, loaded_programs};
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn, bpf_prog_type};
use aya_obj::programs::XdpAttachType;
use dns_agent::kernel::attach::Programs;
use dns_agent::kernel::object::{TC, XDP};

use crate::netns::Netns;

/// Stand-ins for the real programs, with their names; both pass everything.
pub fn programs() -> Result<Programs> {
    Ok(Programs {
        tc: classifier(TC)?,
        xdp: xdp(XDP)?,
    })
}

/// A classifier that leaves the verdict to the next one (`TCX_NEXT`).
pub fn classifier(name: &'static str) -> Result<SchedClassifier> {
    let (_fd, info) = load(bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, name, -1)?;
    Ok(SchedClassifier::from_program_info(
        info,
        Cow::Borrowed(name),
    )?)
}

/// An XDP program that passes every frame (`XDP_PASS`).
pub fn xdp(name: &'static str) -> Result<Xdp> {
    let (_fd, info) = load(bpf_prog_type::BPF_PROG_TYPE_XDP, name, 2)?;
    Ok(Xdp::from_program_info(
        info,
        Cow::Borrowed(name),
        XdpAttachType::Interface,
    )?)
}

/// The same, which aya can attach by netlink only: it asks for a `bpf_link` of a kind that does
/// not fit the program, hears EINVAL, and falls back.
pub fn xdp_by_netlink(name: &'static str) -> Result<Xdp> {
    let (_fd, info) = load(bpf_prog_type::BPF_PROG_TYPE_XDP, name, 2)?;
    Ok(Xdp::from_program_info(
        info,
        Cow::Borrowed(name),
        XdpAttachType::CpuMap,
    )?)
}

/// The TCX programs at the ingress of an interface, in the order in which they run.
pub fn tcx(netns: &Netns, interface: &str) -> Result<Vec<String>> {
    let query = || SchedClassifier::query_tcx(interface, TcAttachType::Ingress);
    let (_revision, programs) = netns.enter(query)?;
    Ok(programs
        .iter()
        .filter_map(|info| info.name_as_str().map(str::to_owned))
        .collect())
}

/// Loads `r0 = verdict; exit`. The descriptor keeps the program until it is held otherwise.
fn load(kind: bpf_prog_type, name: &str, verdict: i32) -> Result<(OwnedFd, ProgramInfo)> {
    const MOV64_IMM: u8 = 0xb7;
    const EXIT: u8 = 0x95;
    let instruction = |code, imm| {
        // SAFETY: a `bpf_insn` is integers, for which zero is a value.
        let mut instruction: bpf_insn = unsafe { std::mem::zeroed() };
        (instruction.code, instruction.imm) = (code, imm);
        instruction
    };
    let instructions = [instruction(MOV64_IMM, verdict), instruction(EXIT, 0)];

    // SAFETY: a `bpf_attr` is integers, and the kernel wants what is not used to be zero.
    let mut attr: bpf_attr = unsafe { std::mem::zeroed() };
    // SAFETY: BPF_PROG_LOAD reads this member of the union.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = kind as u32;
    load.insns = instructions.as_ptr() as u64;
    load.insn_cnt = 2;
    load.license = c"GPL".as_ptr() as u64;
    if kind == bpf_prog_type::BPF_PROG_TYPE_XDP {
        load.expected_attach_type = bpf_attach_type::BPF_XDP as u32;
    }
    for (to, from) in load.prog_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from.cast_signed();
    }
    // SAFETY: `attr` and what it points to live until the call returns.
    let fd = unsafe {
        let size = size_of::<bpf_attr>();
        libc::syscall(libc::SYS_bpf, bpf_cmd::BPF_PROG_LOAD, &raw const attr, size)
    };
    let fd = i32::try_from(fd)
        .ok()
        .filter(|fd| *fd >= 0)
        .ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor for us.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };

    let fdinfo = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))?;
    let id = fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("prog_id:"));
    let id: u32 = id.context("no prog_id in fdinfo")?.trim().parse()?;
    let info = loaded_programs()
        .filter_map(Result::ok)
        .find(|info| info.id() == id)
        .context("the program just loaded is not among the loaded ones")?;
    Ok((fd, info))
}
