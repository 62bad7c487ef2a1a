//! Records for a person (`--kernel-log`), through aya-log.
//!
//! `AYA_LOG_LEVEL` is a constant at load: where it is too low, the verifier takes all of this out.

use aya_log_ebpf::macro_support::{Level, level_enabled};
use aya_log_ebpf::{debug, info};
use dns_ebpf::outcome::Outcome;
use dns_ebpf::query::Query;
use dns_ebpf::respond::Reply;
use dns_ebpf::scratch::Scratch;

/// Logs a verdict: passes at level info, answers at level debug.
#[inline(always)]
pub(super) fn record(
    ifindex: u32,
    scratch: &Scratch,
    query: &Query,
    answer: &Result<Reply, Outcome>,
) {
    if !level_enabled(Level::Info) {
        return;
    }
    // Raw, and always as much: taking labels apart octet by octet is work for the reader, not for the verifier.
    let (len, name) = (query.name_len, scratch.name_start());
    match answer {
        Ok(reply) => debug!(
            (),
            "outcome {} type {} ifindex {} len {} name {:x}",
            reply.outcome as u32,
            query.rtype,
            ifindex,
            len,
            name
        ),
        Err(outcome) => info!(
            (),
            "outcome {} type {} ifindex {} len {} name {:x}",
            *outcome as u32,
            query.rtype,
            ifindex,
            len,
            name
        ),
    }
}
