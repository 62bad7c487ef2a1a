//! Records for a person (`--kernel-log`), through aya-log.
//!
//! `AYA_LOG_LEVEL` is a constant at load: where it is too low, the verifier takes all of this out.

use aya_log_ebpf::info;
use aya_log_ebpf::macro_support::{Level, level_enabled};
use dns_ebpf::outcome::Outcome;
use dns_ebpf::query::Query;
use dns_ebpf::respond::Reply;
use dns_ebpf::scratch::Scratch;

/// Logs a verdict: passes from level info on, answers from level debug on.
#[inline(always)]
pub(super) fn record(
    ifindex: u32,
    scratch: &mut Scratch,
    query: &Query,
    answer: &Result<Reply, Outcome>,
) {
    if !level_enabled(Level::Info) {
        return;
    }
    let (level, outcome) = match answer {
        Ok(reply) => (Level::Debug, reply.outcome),
        Err(outcome) => (Level::Info, *outcome),
    };
    if !level_enabled(level) {
        return;
    }
    let (rtype, name_len) = (query.rtype.into(), query.name_len as u32);
    write(scratch, outcome as u32, ifindex, rtype, name_len);
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
