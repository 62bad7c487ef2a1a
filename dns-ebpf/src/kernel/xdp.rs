//! XDP: a NIC's receive path. The answer goes out where the query came in.

use core::ffi::c_void;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_PASS, XDP_TX};
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{
    bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_load_bytes, bpf_xdp_store_bytes,
};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use dns_ebpf::net::{self, Fill};
use dns_ebpf::outcome::{Hook, Outcome};

use super::packet::Linear;
use super::{Packet, look, maps};

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
    unsafe fn load(&self, to: *mut c_void, len: u32) -> bool {
        // Linux 5.18.
        // SAFETY: the caller's.
        unsafe { bpf_xdp_load_bytes(self.md(), 0, to, len) == 0 }
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
    let ifindex = ctx.ingress_ifindex() as u32;
    let mut found = look(&received, ifindex, layout)?;
    if maps::observing() {
        return Ok((XDP_PASS, found.reply.outcome));
    }
    let frame_len = dns_ebpf::bound::mask::<0xffff>(ctx.data_end() - ctx.data());
    let delta = found.frame_len() as i32 - frame_len as i32;
    // SAFETY: a helper on our own context. It leaves the packet as it was when it fails.
    if unsafe { bpf_xdp_adjust_tail(received.md(), delta) } != 0 {
        // No room behind the packet (native veth has next to none): make it in front. Everything is
        // written anew, so it does not matter at which end the frame grew.
        // SAFETY: as above.
        if delta < 0 || unsafe { bpf_xdp_adjust_head(received.md(), -delta) } != 0 {
            return Err(Outcome::NoRoom);
        }
    }
    found.turn(Fill::Whole);
    let written = found.write(|at, octets, len| {
        // SAFETY: `octets` has `len` octets; the helper checks the packet's side.
        unsafe { bpf_xdp_store_bytes(received.md(), at, octets.cast_mut().cast(), len) == 0 }
    });
    // Half an answer must not leave: the client asks again.
    if !written {
        return Ok((XDP_ABORTED, Outcome::Internal));
    }
    maps::count_answered(found.answered);
    Ok((XDP_TX, found.reply.outcome))
}
