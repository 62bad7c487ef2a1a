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
    let (level, outcome) = match answer {
        Ok(reply) => (Level::Debug, reply.outcome),
        Err(outcome) => (Level::Info, *outcome),
    };
    if !level_enabled(level) {
        return;
    }
    scratch.log.outcome = outcome as u32;
    scratch.log.ifindex = ifindex;
    scratch.log.rtype = query.rtype.into();
    scratch.log.name_len = query.name_len as u32;
    for i in 0..scratch.log.name.len() {
        scratch.log.name[i] = scratch.name(i);
    }
    info!((), "{:x}", scratch.log.octets());
}
