//! The network interfaces of this namespace, as a stream of what comes, changes and goes:
//! `RTM_NEWLINK` and `RTM_DELLINK` (RFC 3549 section 3.1.1) become [`LinkEvent`]s.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{StreamExt as _, TryStreamExt as _};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::sys::SocketAddr;
use rtnetlink::{Handle, MulticastGroup};

/// When a list is asked for again while the kernel is at another.
const AGAIN: Duration = Duration::from_millis(10);

/// What decides whether, and how, a program is attached to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The interface index; the kernel does not reuse it soon, while names move between links.
    pub index: u32,
    /// The present name, at most 15 octets.
    pub name: String,
    /// Whether it is one end of a virtual Ethernet pair.
    pub veth: bool,
    /// Whether its peer lies in another network namespace (`IFLA_LINK_NETNSID` is there).
    pub peer_elsewhere: bool,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
}

/// One change in the list of links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The link is there, and this is what is known of it now: new, changed, or as before.
    Present(Link),
    /// The link with this index was deleted or moved to another namespace.
    Gone(u32),
}

/// Why the interfaces cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum LinksError {
    /// No netlink socket.
    #[error("cannot watch the network interfaces: opening a netlink socket: {0}")]
    Socket(#[from] io::Error),
    /// The kernel refused the list.
    #[error("cannot list the network interfaces: {0}")]
    List(#[from] rtnetlink::Error),
}

/// Every link of the namespace this was made in: first all that there are, then each change.
#[derive(Debug)]
pub struct Links {
    handle: Handle,
    messages: Messages,
    /// Indexes told as present; what a fresh list lacks of them is gone.
    known: BTreeSet<u32>,
    untold: VecDeque<LinkEvent>,
    /// A list is due: at the start, and after messages were lost.
    stale: bool,
}

impl Links {
    /// Subscribes. Must be called within a tokio runtime.
    pub fn watch() -> Result<Self, LinksError> {
        let (handle, messages) = subscribe()?;
        let (known, untold) = (BTreeSet::new(), VecDeque::new());
        Ok(Self {
            handle,
            messages,
            known,
            untold,
            stale: true,
        })
    }

    /// The next change. Nothing is lost when the future is dropped before it is ready.
    pub async fn next(&mut self) -> Result<LinkEvent, LinksError> {
        loop {
            if let Some(event) = self.untold.pop_front() {
                return Ok(event);
            }
            if self.stale {
                match list(&self.handle).await {
                    Ok(present) => {
                        self.stale = false;
                        self.replace(present);
                    }
                    // The kernel is still at a list that nobody waits for any more: this future was dropped meanwhile.
                    Err(rtnetlink::Error::NetlinkError(error))
                        if error.raw_code() == -libc::EBUSY =>
                    {
                        tokio::time::sleep(AGAIN).await;
                    }
                    Err(error) => return Err(error.into()),
                }
                continue;
            }
            if let Some((message, _kernel)) = self.messages.next().await {
                self.take(message.payload);
            } else {
                // The connection ended, on an error it has logged.
                (self.handle, self.messages) = subscribe()?;
                self.stale = true;
            }
        }
    }

    fn take(&mut self, payload: NetlinkPayload<RouteNetlinkMessage>) {
        match payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
                if let Some(link) = link(&message) {
                    self.known.insert(link.index);
                    self.untold.push_back(LinkEvent::Present(link));
                }
            }
            // A port that leaves a bridge is told as RTM_DELLINK of the family AF_BRIDGE:
            // the link itself stays.
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message))
                if message.header.interface_family == AddressFamily::Unspec =>
            {
                self.known.remove(&message.header.index);
                self.untold.push_back(LinkEvent::Gone(message.header.index));
            }
            // The socket's buffer was full (ENOBUFS) and messages are lost.
            NetlinkPayload::Overrun(_) => self.stale = true,
            _ => {}
        }
    }

    fn replace(&mut self, present: Vec<Link>) {
        let now: BTreeSet<u32> = present.iter().map(|link| link.index).collect();
        self.untold.extend(
            self.known
                .difference(&now)
                .map(|&index| LinkEvent::Gone(index)),
        );
        self.untold
            .extend(present.into_iter().map(LinkEvent::Present));
        self.known = now;
    }
}

type Messages = UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

fn subscribe() -> io::Result<(Handle, Messages)> {
    let (connection, handle, messages) =
        rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
    // Ends by itself once handle and messages are dropped.
    tokio::spawn(connection);
    Ok((handle, messages))
}

async fn list(handle: &Handle) -> Result<Vec<Link>, rtnetlink::Error> {
    let messages: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    Ok(messages.iter().filter_map(link).collect())
}

/// What a message tells of a link; none for a message about a bridge's port, or without a name.
fn link(message: &LinkMessage) -> Option<Link> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut name = None;
    let (mut veth, mut peer_elsewhere) = (false, false);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.clone()),
            LinkAttribute::LinkInfo(infos) => {
                veth = infos
                    .iter()
                    .any(|info| matches!(info, LinkInfo::Kind(InfoKind::Veth)));
            }
            LinkAttribute::LinkNetNsId(_) => peer_elsewhere = true,
            _ => {}
        }
    }
    Some(Link {
        index: message.header.index,
        name: name?,
        veth,
        peer_elsewhere,
        up: message.header.flags.contains(LinkFlags::Up),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(family: AddressFamily, attributes: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.interface_family = family;
        message.header.index = 7;
        message.header.flags = LinkFlags::Up;
        message.attributes = attributes;
        message
    }

    #[test]
    fn a_veth_with_its_peer_in_another_namespace_is_told_from_one_with_its_peer_here() {
        let mut attributes = vec![
            LinkAttribute::IfName("veth0".to_owned()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)]),
        ];
        let here = link(&message(AddressFamily::Unspec, attributes.clone())).unwrap();
        assert_eq!(
            (here.veth, here.peer_elsewhere, here.up),
            (true, false, true)
        );
        attributes.push(LinkAttribute::LinkNetNsId(0));
        let elsewhere = link(&message(AddressFamily::Unspec, attributes)).unwrap();
        assert_eq!(
            elsewhere,
            Link {
                peer_elsewhere: true,
                ..here
            }
        );
    }

    #[test]
    fn a_message_about_a_bridges_port_is_no_link() {
        let attributes = vec![LinkAttribute::IfName("veth0".to_owned())];
        assert_eq!(link(&message(AddressFamily::Bridge, attributes)), None);
    }

    #[tokio::test]
    async fn a_list_that_was_given_up_half_way_is_asked_for_again() {
        let mut links = Links::watch().unwrap();
        for wait in 0..20 {
            let wait = Duration::from_micros(wait * 20);
            let _: Result<_, _> = tokio::time::timeout(wait, links.next()).await;
            links.stale = true;
        }
        let name = loop {
            match links.next().await.unwrap() {
                LinkEvent::Present(link) if link.name == "lo" => break link.name,
                _ => {}
            }
        };
        assert_eq!(name, "lo");
    }
}
