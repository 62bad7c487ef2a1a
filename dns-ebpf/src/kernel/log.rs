//! Records for a person (`--kernel-log`), through aya-log.
//!
//! `AYA_LOG_LEVEL` is a constant at load: where it is too low, the verifier takes all of this out.

use aya_log_ebpf::info;
use aya_log_ebpf::macro_support::{Level, level_enabled};
use dns_ebpf::outcome::Outcome;
use dns_ebpf::query::Query;
use dns_ebpf::scratch::Scratch;

use super::packet::Packet;

/// Logs a query that passes, from level info on; `None`: it could not be read. Returns the outcome.
#[inline(always)]
pub(super) fn passed(
    packet: &impl Packet,
    scratch: &mut Scratch,
    query: Option<&Query>,
    outcome: Outcome,
) -> Outcome {
    if level_enabled(Level::Info) {
        let (rtype, name_len) = query.map_or((0, 0), |query| (query.rtype, query.name_len));
        let (rtype, name_len) = (rtype.into(), name_len as u32);
        write(scratch, outcome as u32, packet.ifindex(), rtype, name_len);
    }
    outcome
}

/// Logs a query that has an answer, from level debug on.
#[inline(always)]
pub(super) fn answered(
    packet: &impl Packet,
    scratch: &mut Scratch,
    query: &Query,
    outcome: Outcome,
) {
    if level_enabled(Level::Debug) {
        let (rtype, name_len) = (query.rtype.into(), query.name_len as u32);
        write(scratch, outcome as u32, packet.ifindex(), rtype, name_len);
    }
}

/// A function of its own: it is not to take registers and stack from the way of an answer.
#[inline(never)]
fn write(scratch: &mut Scratch, outcome: u32, ifindex: u32, rtype: u32, name_len: u32) {
    scratch.log.outcome = outcome;
    scratch.log.ifindex = ifindex;
    scratch.log.rtype = rtype;
    scratch.log.name_len = name_len;
    for i in 0..scratch.log.name.len() {
        scratch.log.name[i] = scratch.name(i);
    }
    info!((), "{:x}", scratch.log.octets());
}
