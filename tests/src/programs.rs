//! Programs of two instructions: what attaching is tested with does not depend on what the real programs do.

use std::borrow::Cow;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType, Xdp, loaded_programs};
use aya_obj::generated::bpf_prog_type;
use aya_obj::programs::XdpAttachType;
use dns_agent::kernel::attach::Programs;
use dns_agent::kernel::object::{TC, XDP};

use crate::assembly::{self, R};
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
    let instructions = [assembly::set(R[0], verdict), assembly::exit()];
    let fd = assembly::load(kind, name, &instructions)?;

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
