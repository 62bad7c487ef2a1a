//! tc ingress (TCX or clsact) on the host side of a pod's veth. The answer is handed to the pod's end.

use core::ffi::c_void;

use aya_ebpf::bindings::{__sk_buff, BPF_F_RECOMPUTE_CSUM, TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::helpers::generated::{
    bpf_l4_csum_replace, bpf_redirect_peer, bpf_skb_change_tail, bpf_skb_change_type,
    bpf_skb_load_bytes, bpf_skb_store_bytes,
};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use dns_ebpf::net::{self, Fill};
use dns_ebpf::outcome::{Hook, Outcome};

use super::packet::Linear;
use super::{Packet, look, maps};

/// Let the next program or filter decide: `TCX_NEXT` (Linux 6.6) and `TC_ACT_UNSPEC` are one number.
/// `TC_ACT_OK` would end the chain and so switch a CNI's programs off.
const NEXT: i32 = TC_ACT_UNSPEC;
/// `skb->pkt_type` of what is for this host.
const PACKET_HOST: u32 = 0;

/// The program.
#[classifier]
#[expect(clippy::needless_pass_by_value, reason = "the macro calls it so")]
pub(crate) fn kerndns_tc(ctx: TcContext) -> i32 {
    match answer(&ctx) {
        Ok((action, outcome)) => {
            maps::count(Hook::Tc, outcome);
            action
        }
        Err(outcome) => {
            maps::count(Hook::Tc, outcome);
            NEXT
        }
    }
}

struct Received(*mut __sk_buff);

impl Packet for Received {
    #[inline(always)]
    unsafe fn load(&self, to: *mut c_void, len: u32) -> bool {
        // SAFETY: the caller's.
        unsafe { bpf_skb_load_bytes(self.0.cast(), 0, to, len) == 0 }
    }
}

#[inline(always)]
fn answer(ctx: &TcContext) -> Result<(i32, Outcome), Outcome> {
    let skb = ctx.skb.skb;
    let layout = net::parse(
        &Linear {
            data: ctx.data(),
            end: ctx.data_end(),
        },
        false,
    )?;
    // SAFETY: fields of our own context.
    let (vlan, gso, ifindex) = unsafe { ((*skb).vlan_present, (*skb).gso_size, (*skb).ifindex) };
    if vlan != 0 {
        return Err(Outcome::Vlan);
    }
    if gso != 0 {
        return Err(Outcome::Gso);
    }
    let received = Received(skb);
    let mut found = look(&received, ifindex, layout)?;
    if maps::observing() {
        return Ok((NEXT, found.reply.outcome));
    }
    let maybe_partial = net::looks_partial(found.scratch, &found.layout);
    // SAFETY: a helper on our own context. It leaves the packet as it was when it fails.
    if unsafe { bpf_skb_change_tail(skb, found.frame_len() as u32, 0) } != 0 {
        return Err(Outcome::NoRoom);
    }
    let partial = maybe_partial && is_partial(skb, found.layout.headers as u32 - 2);
    found.turn(if partial { Fill::Pseudo } else { Fill::Whole });
    let written = found.write(|at, octets, len| {
        // SAFETY: `octets` has `len` octets; the helper checks the packet's side.
        unsafe { bpf_skb_store_bytes(skb, at, octets.cast(), len, STORE.into()) == 0 }
    });
    if !written {
        return Ok((TC_ACT_SHOT, Outcome::Internal));
    }
    maps::count_answered(found.answered);
    // Under a bridge the query was PACKET_OTHERHOST, and the pod would drop its answer; from Linux 6.15
    // (and 6.12.117) bpf_redirect_peer sees to it itself.
    // SAFETY: helpers on our own context.
    unsafe {
        bpf_skb_change_type(skb, PACKET_HOST);
        Ok((bpf_redirect_peer(ifindex, 0) as i32, found.reply.outcome))
    }
}

/// Keeps a `CHECKSUM_COMPLETE` sum of the skb right; free otherwise.
const STORE: u32 = BPF_F_RECOMPUTE_CSUM;

/// Whether the skb says `CHECKSUM_PARTIAL`: then a change of the payload leaves the field at `offset` alone.
/// The field is overwritten afterwards.
#[inline(always)]
fn is_partial(skb: *mut __sk_buff, offset: u32) -> bool {
    let read = |to: &mut u16| {
        // SAFETY: two octets of the stack.
        unsafe { bpf_skb_load_bytes(skb.cast_const().cast(), offset, (&raw mut *to).cast(), 2) }
    };
    let (mut before, mut after) = (0, 0);
    read(&mut before);
    // SAFETY: a helper on our own context. A difference of one, in a field of two octets.
    unsafe { bpf_l4_csum_replace(skb, offset, 0, 1, 2) };
    read(&mut after);
    before == after
}
