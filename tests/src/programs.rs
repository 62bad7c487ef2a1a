//! Programs of a few instructions: what attaching is tested with does not depend on what the real programs do.

use std::borrow::Cow;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType, Xdp, loaded_programs};
use aya_obj::generated::{bpf_insn, bpf_prog_type};
use aya_obj::programs::XdpAttachType;
use dns_agent::kernel::attach::Programs;
use dns_agent::kernel::object::{TC, XDP};

use crate::assembly::{
    self, Jump, R, Size, add, call, copy, exit, jump_if, jump_if_greater, load_from, set, store_to,
};
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
    let (_fd, info) = load(bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, name, &returning(-1))?;
    Ok(SchedClassifier::from_program_info(
        info,
        Cow::Borrowed(name),
    )?)
}

/// An XDP program that passes every frame (`XDP_PASS`).
pub fn xdp(name: &'static str) -> Result<Xdp> {
    let (_fd, info) = load(bpf_prog_type::BPF_PROG_TYPE_XDP, name, &returning(2))?;
    Ok(Xdp::from_program_info(
        info,
        Cow::Borrowed(name),
        XdpAttachType::Interface,
    )?)
}

/// The same, which aya can attach by netlink only: it asks for a `bpf_link` of a kind that does
/// not fit the program, hears EINVAL, and falls back.
pub fn xdp_by_netlink(name: &'static str) -> Result<Xdp> {
    let (_fd, info) = load(bpf_prog_type::BPF_PROG_TYPE_XDP, name, &returning(2))?;
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

/// A classifier that sends each query back as its own response, with nothing changed but addresses, ports and the QR bit
/// (RFC 1035 4.1.1): what the way to a responder and back costs without one. For IPv4 without options, at the node's end of
/// a pod's veth pair, where checksums are not computed yet.
pub fn reflector(name: &'static str) -> Result<SchedClassifier> {
    // `struct __sk_buff`, and `enum bpf_func_id`.
    const DATA: i16 = 76;
    const DATA_END: i16 = 80;
    const IFINDEX: i16 = 40;
    const BPF_REDIRECT_PEER: i32 = 155;
    const TCX_NEXT: i32 = -1;
    let exchange = |size, one, other| {
        [
            load_from(size, R[4], R[2], one),
            load_from(size, R[5], R[2], other),
            store_to(size, R[2], one, R[5]),
            store_to(size, R[2], other, R[4]),
        ]
    };
    let mut reflect = Vec::new();
    // MAC addresses, IPv4 addresses, ports.
    for (size, one, other) in [
        (Size::Word, 0, 6),
        (Size::Half, 4, 10),
        (Size::Word, 26, 30),
        (Size::Half, 34, 36),
    ] {
        reflect.extend(exchange(size, one, other));
    }
    reflect.extend([
        // The first octet of the flags; a query has no QR yet.
        load_from(Size::Half, R[4], R[2], 44),
        add(R[4], i32::from(u16::from_ne_bytes([0x80, 0]))),
        store_to(Size::Half, R[2], 44, R[4]),
        load_from(Size::Word, R[1], R[6], IFINDEX),
        set(R[2], 0),
        call(BPF_REDIRECT_PEER),
        exit(),
    ]);
    let past = |skipped: usize| i16::try_from(reflect.len() + skipped);
    let ethertype = i32::from(u16::from_ne_bytes([0x08, 0x00]));
    let port = i32::from(u16::from_ne_bytes([0, 53]));
    let mut instructions = vec![
        copy(R[6], R[1]),
        load_from(Size::Word, R[2], R[1], DATA),
        load_from(Size::Word, R[3], R[1], DATA_END),
        copy(R[4], R[2]),
        // To the end of the message's header.
        add(R[4], 14 + 20 + 8 + 12),
        jump_if_greater(R[4], R[3], past(4)?),
        load_from(Size::Half, R[4], R[2], 12),
        jump_if(R[4], Jump::NotEqual, ethertype, past(2)?),
        load_from(Size::Half, R[4], R[2], 36),
        jump_if(R[4], Jump::NotEqual, port, past(0)?),
    ];
    instructions.extend(reflect);
    instructions.extend([set(R[0], TCX_NEXT), exit()]);
    let kind = bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS;
    let (_fd, info) = load(kind, name, &instructions)?;
    Ok(SchedClassifier::from_program_info(
        info,
        Cow::Borrowed(name),
    )?)
}

/// `r0 = verdict; exit`
fn returning(verdict: i32) -> [bpf_insn; 2] {
    [set(R[0], verdict), exit()]
}

/// Loads a program. The descriptor keeps it until it is held otherwise.
fn load(
    kind: bpf_prog_type,
    name: &str,
    instructions: &[bpf_insn],
) -> Result<(OwnedFd, ProgramInfo)> {
    let fd = assembly::load(kind, name, instructions)?;

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
