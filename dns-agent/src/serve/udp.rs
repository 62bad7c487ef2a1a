//! Datagrams in, datagrams out, each from the address that was asked (RFC 2181 4.1).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use nix::cmsg_space;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage,
    recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::listener::Shared;
use super::query::{Parsed, Query, Transport};
use super::response::Response;

/// The largest UDP payload.
const DATAGRAM: usize = 65_535;
/// Receiving fails where memory is short; asking again at once would not make it less so.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Has the kernel tell with each datagram to which of our addresses it was sent: a socket at a wildcard
/// address would otherwise answer from whichever address the route back prefers.
pub(super) fn report_destination(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(())
}

/// Answers until told to stop.
///
/// A query is answered here and now where its handlers need not wait, as for all names of the cluster;
/// one that waits for an upstream becomes a task of its own.
pub(super) async fn serve(socket: UdpSocket, shared: Arc<Shared>) {
    let socket = Arc::new(socket);
    let mut stop = shared.stop.clone();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let received = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            received = receive(&socket, &mut buffer) => received,
        };
        let (length, path) = match received {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!("a datagram was not received: {error}");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        match Query::parse(buffer[..length].to_vec(), Transport::Udp, path.client) {
            Parsed::Silence => {}
            Parsed::Respond(message) => shared.send(&socket, &message, path).await,
            Parsed::Query(query) => answer(&socket, query, path, &shared).await,
        }
    }
}

async fn answer(socket: &Arc<UdpSocket>, query: Query, path: Path, shared: &Arc<Shared>) {
    let query = Arc::new(query);
    let mut answering = Box::pin({
        let (query, shared) = (Arc::clone(&query), Arc::clone(shared));
        async move { shared.answer(&query).await }
    });
    let response = match futures::poll!(&mut answering) {
        Poll::Ready(response) => response,
        Poll::Pending => {
            let Some(permit) = shared.permit() else {
                let response = Response::servfail(&query, "too many queries wait for upstreams");
                return shared.send(socket, response.message(), path).await;
            };
            let (socket, shared) = (Arc::clone(socket), Arc::clone(shared));
            tokio::spawn(async move {
                let response = answering.await;
                shared.send(&socket, response.message(), path).await;
                drop(permit);
            });
            return;
        }
    };
    shared.send(socket, response.message(), path).await;
}

/// Whom to answer, and from where.
#[derive(Clone, Copy)]
struct Path {
    client: SocketAddr,
    from: Destination,
}

/// Where a datagram was sent to.
#[derive(Clone, Copy)]
enum Destination {
    V4(in_pktinfo),
    V6(in6_pktinfo),
    Unknown,
}

impl Shared {
    async fn send(&self, socket: &UdpSocket, message: &[u8], path: Path) {
        self.count(Transport::Udp, message);
        let sent = socket.async_io(Interest::WRITABLE, || send(socket, message, path));
        if let Err(error) = sent.await {
            tracing::debug!(client = %path.client, "response not sent: {error}");
        }
    }
}

async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Path)> {
    socket
        .async_io(Interest::READABLE, || {
            let mut control = cmsg_space!(in6_pktinfo);
            let mut slices = [IoSliceMut::new(buffer)];
            let message = recvmsg::<SockaddrStorage>(
                socket.as_raw_fd(),
                &mut slices,
                Some(&mut control),
                MsgFlags::empty(),
            )?;
            let client = message
                .address
                .as_ref()
                .and_then(socket_address)
                .ok_or(io::ErrorKind::InvalidData)?;
            let from = message
                .cmsgs()?
                .find_map(|control| match control {
                    ControlMessageOwned::Ipv4PacketInfo(info) => Some(Destination::V4(info)),
                    ControlMessageOwned::Ipv6PacketInfo(info) => Some(Destination::V6(info)),
                    _ => None,
                })
                .unwrap_or(Destination::Unknown);
            Ok((message.bytes, Path { client, from }))
        })
        .await
}

fn send(socket: &UdpSocket, message: &[u8], path: Path) -> io::Result<usize> {
    let fd = socket.as_raw_fd();
    let slices = [IoSlice::new(message)];
    let flags = MsgFlags::empty();
    let sent = match (path.client, path.from) {
        (SocketAddr::V4(client), Destination::V4(mut info)) => {
            // No interface: the route back may be another one than the way in.
            info.ipi_ifindex = 0;
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(
                fd,
                &slices,
                &control,
                flags,
                Some(&SockaddrIn::from(client)),
            )
        }
        (SocketAddr::V6(client), Destination::V6(mut info)) => {
            if !client.ip().is_unicast_link_local() {
                info.ipi6_ifindex = 0;
            }
            let control = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(
                fd,
                &slices,
                &control,
                flags,
                Some(&SockaddrIn6::from(client)),
            )
        }
        (client, _) => sendmsg(
            fd,
            &slices,
            &[],
            flags,
            Some(&SockaddrStorage::from(client)),
        ),
    };
    Ok(sent?)
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = || Some(SocketAddrV4::from(*address.as_sockaddr_in()?).into());
    let v6 = || Some(SocketAddrV6::from(*address.as_sockaddr_in6()?).into());
    v4().or_else(v6)
}
