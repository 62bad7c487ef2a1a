//! hook (`xdp`, `tc`) -> `look` (who is asked, what is the answer) -> hook (rewrite the packet).

mod log;
mod maps;
mod packet;
mod tc;
mod xdp;

use dns_ebpf::answered::{self, Answered};
use dns_ebpf::bound;
use dns_ebpf::net::{self, Fill, Layout};
use dns_ebpf::outcome::Outcome;
use dns_ebpf::query;
use dns_ebpf::respond::{self, Reply};
use dns_ebpf::scratch::{QUERY_MAX, Scratch};

use maps::Held;
use packet::{Linear, Packet, Writing};

/// The licence of the object: helpers for GPL programs are used.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier rejects a program that can come here.
    loop {}
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
fn look(packet: &impl Packet, layout: Layout) -> Result<Found, Outcome> {
    let settings = maps::settings().ok_or(Outcome::Internal)?;
    let scratch = maps::scratch().ok_or(Outcome::Internal)?;
    if !maps::is_ours(&layout.destination, scratch, settings) {
        return Err(Outcome::OtherDestination);
    }
    if !maps::is_fresh(scratch, settings) {
        return Err(Outcome::Stale);
    }
    if layout.message > QUERY_MAX {
        return Err(Outcome::MessageSize);
    }
    // From here on, one walk of the verifier serves all kinds of headers.
    let headers = bound::launder(&mut scratch.cell, layout.headers);
    let v6 = bound::launder(&mut scratch.cell, layout.v6.into()) != 0;
    let layout = Layout {
        headers,
        v6,
        ..layout
    };
    if !packet.reach(layout.headers + layout.message) {
        return Err(Outcome::UdpHeader);
    }
    let message = Linear::of(packet, layout.headers);
    if !message.has(layout.message) {
        return Err(Outcome::UdpHeader);
    }
    // What is logged is logged where it comes up: to bring the ways together first costs each query some stores.
    let query = query::parse(&message, layout.message, scratch, maps::seed());
    let query = query.map_err(|outcome| log::passed(packet, scratch, None, outcome))?;
    let reply = respond::respond(scratch, &query, &Held { settings });
    let reply = reply.map_err(|outcome| log::passed(packet, scratch, Some(&query), outcome))?;
    log::answered(packet, scratch, &query, reply.outcome);
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

impl Found {
    /// The frame's new length.
    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.layout.headers + self.reply.len()
    }

    /// Octets of the frame that stay what they are or are changed in place: headers and question.
    #[inline(always)]
    fn front_len(&self) -> usize {
        self.layout.headers + self.reply.front_len
    }

    /// Makes the response of the query, in a frame that is [`Found::frame_len`] octets long by now.
    #[inline(always)]
    fn write(&self, packet: &impl Packet, fill: Fill) -> Option<()> {
        let headers = self.layout.headers;
        // SAFETY: the scratch is ours while we run, and the arena's records are immutable.
        unsafe { self.reply.write(&mut Writing { packet, headers })? };
        let mut frame = Writing { packet, headers: 0 };
        net::reply(&mut frame, &self.layout, &self.reply, fill)
    }
}
