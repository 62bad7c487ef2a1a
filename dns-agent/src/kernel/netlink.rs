//! One rtnetlink request and its answers (RFC 3549), without a runtime.
//!
//! The kernel answers rtnetlink within the `sendmsg` call, so nothing here waits; and what must
//! also work while a value is dropped cannot be asynchronous.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Asks for a change. Errors carry the kernel's errno.
pub(super) fn change(message: RouteNetlinkMessage) -> io::Result<()> {
    exchange(message, NLM_F_ACK).map(drop)
}

/// Asks for a list: everything of the kind and scope that `message` names. None stands for what
/// is there and cannot be decoded: a filter or queueing discipline of a kind we do not know.
pub(super) fn dump(message: RouteNetlinkMessage) -> io::Result<Vec<Answer>> {
    exchange(message, NLM_F_DUMP)
}

/// One element of a list.
pub(super) type Answer = Option<RouteNetlinkMessage>;

fn exchange(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<Answer>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;

    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | flags;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut answers = Vec::new();
    loop {
        let (datagram, _kernel) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            // Checks the length: a header at least, and no more than `rest`.
            let length = NetlinkBuffer::new_checked(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
                .length() as usize;
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest);
            // The next message begins at a multiple of four octets; a header alone takes 16.
            rest = rest
                .get(length.next_multiple_of(4).max(16)..)
                .unwrap_or_default();
            let Ok(answer) = answer else {
                answers.push(None);
                continue;
            };
            match answer.payload {
                NetlinkPayload::InnerMessage(inner) => answers.push(Some(inner)),
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Error(_acknowledgement) => return Ok(answers),
                _ => {}
            }
        }
    }
}
