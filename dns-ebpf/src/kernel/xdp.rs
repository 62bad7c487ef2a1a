//! XDP: a NIC's receive path. The answer goes out where the query came in.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_PASS, XDP_TX};
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{
    bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_load_bytes, bpf_xdp_store_bytes,
};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use dns_ebpf::bound;
use dns_ebpf::net::{self, Fill};
use dns_ebpf::outcome::{Hook, Outcome};

use super::packet::{Linear, Packet};
use super::{Found, look, maps};

/// The program.
#[xdp]
#[expect(clippy::needless_pass_by_value, reason = "the macro calls it so")]
pub(crate) fn kerndns_xdp(ctx: XdpContext) -> u32 {
    match answer(&ctx) {
        Ok((action, outcome)) => {
            maps::count(Hook::Xdp, outcome);
            action
        }
        Err(outcome) => {
            maps::count(Hook::Xdp, outcome);
            XDP_PASS
        }
    }
}

struct Received<'a>(&'a XdpContext);

impl Received<'_> {
    #[inline(always)]
    fn md(&self) -> *mut xdp_md {
        self.0.as_ptr().cast()
    }
}

impl Packet for Received<'_> {
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.0.ingress_ifindex() as u32
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
    fn reach(&self, _: usize) -> bool {
        // All of a frame is linear: the program is not one for fragments.
        true
    }

    #[inline(always)]
    unsafe fn store(&self, at: usize, from: *const u8, len: usize) -> bool {
        // Linux 5.18.
        // SAFETY: the caller's; the helper checks the packet's side.
        unsafe {
            let from = from.cast_mut().cast();
            bpf_xdp_store_bytes(self.md(), at as u32, from, len as u32) == 0
        }
    }
}

#[inline(always)]
fn answer(ctx: &XdpContext) -> Result<(u32, Outcome), Outcome> {
    let received = Received(ctx);
    let layout = net::parse(
        &Linear {
            data: ctx.data(),
            end: ctx.data_end(),
        },
        true,
    )?;
    let found = look(&received, layout)?;
    if maps::observing() {
        return Ok((XDP_PASS, found.reply.outcome));
    }
    let frame_len = bound::mask::<0xffff>(ctx.data_end() - ctx.data());
    let delta = found.frame_len() as i32 - frame_len as i32;
    // SAFETY: a helper on our own context. It leaves the packet as it was when it fails.
    if unsafe { bpf_xdp_adjust_tail(received.md(), delta) } != 0 {
        // No room behind the packet (native veth has next to none): make it in front.
        // SAFETY: as above.
        if delta < 0 || unsafe { bpf_xdp_adjust_head(received.md(), -delta) } != 0 {
            return Err(Outcome::NoRoom);
        }
        if !move_up(&received, &found, delta.cast_unsigned()) {
            return Ok((XDP_ABORTED, Outcome::Internal));
        }
    }
    // Half an answer must not leave: the client asks again.
    if found.write(&received, Fill::Whole).is_none() {
        return Ok((XDP_ABORTED, Outcome::Internal));
    }
    maps::count_answered(found.answered);
    Ok((XDP_TX, found.reply.outcome))
}

/// Moves headers and question, `by` octets behind the start, to the start.
#[inline(always)]
fn move_up(received: &Received<'_>, found: &Found, by: u32) -> bool {
    let len = bound::mask::<511>(found.front_len() - 1) as u32 + 1;
    let moved = found.scratch.moved.as_ptr().cast_mut().cast();
    // Linux 5.18.
    // SAFETY: `moved` has 512 octets; the helpers check the packet's side.
    unsafe {
        bpf_xdp_load_bytes(received.md(), by, moved, len) == 0
            && bpf_xdp_store_bytes(received.md(), 0, moved, len) == 0
    }
}
