//! hook (`xdp`, `tc`) -> `look` (who is asked, what is the answer) -> hook (rewrite the packet).

mod log;
mod maps;
mod packet;
mod tc;
mod xdp;

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use dns_ebpf::answered::{self, Answered};
use dns_ebpf::bound;
use dns_ebpf::net::{self, Layout};
use dns_ebpf::outcome::Outcome;
use dns_ebpf::query::{self, Query};
use dns_ebpf::respond::{self, Reply};
use dns_ebpf::scratch::{DNS, QUERY_MAX, Scratch};

use maps::Held;

/// The licence of the object: helpers for GPL programs are used.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier rejects a program that can come here.
    loop {}
}

/// What a hook does with its packet.
trait Packet {
    /// Copies the first `len` octets to `to`.
    unsafe fn load(&self, to: *mut c_void, len: u32) -> bool;
}

/// A datagram that has an answer.
struct Found {
    scratch: &'static mut Scratch,
    layout: Layout,
    reply: Reply,
    answered: Answered,
}

/// Finds the answer to a datagram whose headers are `layout`; the packet is not changed.
#[inline(always)]
fn look(packet: &impl Packet, ifindex: u32, layout: Layout) -> Result<Found, Outcome> {
    if !maps::is_ours(&layout.destination) {
        return Err(Outcome::OtherDestination);
    }
    let settings = maps::settings().ok_or(Outcome::Internal)?;
    // Linux 5.11; the coarse clock ticks with the kernel, which is enough for seconds.
    // SAFETY: a helper without arguments; the map's value lives as long as the program.
    if unsafe { bpf_ktime_get_coarse_ns() > (&raw const (*settings).deadline).read_volatile() } {
        return Err(Outcome::Stale);
    }
    if layout.message > QUERY_MAX {
        return Err(Outcome::MessageSize);
    }
    let scratch = maps::scratch().ok_or(Outcome::Internal)?;
    // From here on, one walk of the verifier serves all kinds of headers.
    let headers = bound::launder(&mut scratch.cell, layout.headers);
    let v6 = bound::launder(&mut scratch.cell, layout.v6.into()) != 0;
    let layout = Layout {
        headers,
        v6,
        ..layout
    };
    // The frame goes where its message starts at DNS: 2 to 26 octets in.
    let start = bound::mask::<63>(DNS - layout.headers);
    let len = bound::mask::<1023>(layout.headers + layout.message - 1) + 1;
    // SAFETY: 63 + 1024 octets lie in `front`.
    if !unsafe { packet.load(scratch.front.as_mut_ptr().add(start).cast(), len as u32) } {
        return Err(Outcome::UdpHeader);
    }
    let (query, answer) = match query::parse(scratch, layout.message, maps::seed()) {
        Ok(query) => {
            let answer = respond::respond(scratch, &query, &Held { settings });
            (query, answer)
        }
        Err(outcome) => (Query { rtype: 0, ..UNREAD }, Err(outcome)),
    };
    log::record(ifindex, scratch, &query, &answer);
    let reply = answer?;
    let answered = Answered {
        account: reply.account,
        v6: layout.v6,
        is_denied: matches!(reply.outcome, Outcome::NxDomain),
        dnssec_ok: query.dnssec_ok != 0,
        class: answered::class(query.rtype),
    };
    Ok(Found {
        scratch,
        layout,
        reply,
        answered,
    })
}

/// A query that could not be read.
const UNREAD: Query = Query {
    name_len: 0,
    key: 0,
    rtype: 0,
    limit: 0,
    edns: false,
    dnssec_ok: 0,
    nsid: false,
    sum: 0,
};

impl Found {
    /// The frame's new length.
    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.layout.headers + self.reply.len()
    }

    /// Hands the pieces of the response to `store` as (offset in the frame, octets, length), the
    /// length between 1 and 2,048; false if one of them failed.
    #[inline(always)]
    fn write(&self, store: impl Fn(u32, *const u8, u32) -> bool) -> bool {
        let Found {
            scratch,
            layout,
            reply,
            ..
        } = self;
        let start = bound::mask::<63>(DNS - layout.headers);
        let front = layout.headers + reply.front_len;
        let bounded = |len: usize| bound::mask::<1023>(len - 1) as u32 + 1;
        // SAFETY: 63 + 1024 octets lie in `front`.
        let octets = unsafe { scratch.front.as_ptr().add(start) };
        if !store(0, octets, bounded(front)) {
            return false;
        }
        if reply.body_len > 0 {
            let len = bound::mask::<2047>(reply.body_len - 1) as u32 + 1;
            if !store(front as u32, reply.body, len) {
                return false;
            }
        }
        if reply.tail_len > 0 {
            let len = bound::mask::<127>(reply.tail_len - 1) as u32 + 1;
            let at = (front + reply.body_len) as u32;
            return store(at, scratch.tail.as_ptr().cast(), len);
        }
        true
    }

    /// Turns the headers in the scratch round.
    #[inline(always)]
    fn turn(&mut self, fill: net::Fill) {
        net::reply(self.scratch, &self.layout, &self.reply, fill);
    }
}
