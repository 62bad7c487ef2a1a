//! tc ingress (TCX or clsact) on the host side of a pod's veth. The answer is handed to the pod's end.

use aya_ebpf::bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::helpers::generated::{
    bpf_l4_csum_replace, bpf_redirect_peer, bpf_skb_change_tail, bpf_skb_change_type,
    bpf_skb_load_bytes, bpf_skb_pull_data, bpf_skb_store_bytes,
};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use dns_ebpf::bound;
use dns_ebpf::net::{self, Fill};
use dns_ebpf::outcome::{Hook, Outcome};

use super::packet::{Linear, Packet};
use super::{look, maps};

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

struct Received<'a>(&'a TcContext);

impl Packet for Received<'_> {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: a field of our own context.
        unsafe { (*self.0.skb.skb).ifindex }
    }

    #[inline(always)]
    fn data(&self) -> usize {
        self.0.data()
    }

    #[inline(always)]
    fn end(&self) -> usize {
        self.0.data_end()
    }

    #[inline(always)]
    fn reach(&self, len: usize) -> bool {
        let len = bound::mask::<1023>(len);
        // SAFETY: a helper on our own context; the octets stay what they are.
        self.data() + len <= self.end()
            || unsafe { bpf_skb_pull_data(self.0.skb.skb, len as u32) == 0 }
    }

    #[inline(always)]
    unsafe fn store(&self, at: usize, from: *const u8, len: usize) -> bool {
        // SAFETY: the caller's; the helper checks the packet's side.
        unsafe { bpf_skb_store_bytes(self.0.skb.skb, at as u32, from.cast(), len as u32, 0) == 0 }
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
    let (vlan, gso) = unsafe { ((*skb).vlan_present, (*skb).gso_size) };
    if vlan != 0 {
        return Err(Outcome::Vlan);
    }
    if gso != 0 {
        return Err(Outcome::Gso);
    }
    let received = Received(ctx);
    let found = look(&received, layout)?;
    if maps::observing() {
        return Ok((NEXT, found.reply.outcome));
    }
    let maybe_partial = net::looks_partial(&Linear::of(&received, 0), &found.layout);
    let frame_len = found.frame_len() as u32;
    // A frame that grows makes CHECKSUM_COMPLETE, a sum of what was received, CHECKSUM_NONE
    // (__skb_grow_rcsum); one that shrinks does not. So where the answer is no longer than the query, there is one octet
    // more first.
    // SAFETY: helpers on our own context. They leave the octets as they were when they fail.
    unsafe {
        let len = (*skb).len;
        let grows = frame_len > len;
        if !grows && bpf_skb_change_tail(skb, len + 1, 0) != 0 {
            return Err(Outcome::NoRoom);
        }
        if bpf_skb_change_tail(skb, frame_len, 0) != 0 {
            return if grows {
                Err(Outcome::NoRoom)
            } else {
                Ok((TC_ACT_SHOT, Outcome::Internal))
            };
        }
    }
    let partial = maybe_partial && is_partial(skb, found.layout.headers as u32 - 2);
    let fill = if partial { Fill::Pseudo } else { Fill::Whole };
    if found.write(&received, fill).is_none() {
        return Ok((TC_ACT_SHOT, Outcome::Internal));
    }
    maps::count_answered(found.answered);
    // Under a bridge the query was PACKET_OTHERHOST, and the pod would drop its answer; from Linux 6.15
    // (and 6.12.117) bpf_redirect_peer sees to it itself.
    // SAFETY: helpers on our own context.
    unsafe {
        bpf_skb_change_type(skb, PACKET_HOST);
        Ok((
            bpf_redirect_peer(received.ifindex(), 0) as i32,
            found.reply.outcome,
        ))
    }
}

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
