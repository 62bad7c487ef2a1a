//! The XDP program on a network card: in the driver where it takes one, else generic; always by a
//! `bpf_link`, which goes with this process.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::programs::{Xdp, XdpMode as Flags, links::FdLink};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkXdp};
use nix::errno::Errno;
use tracing::debug;

use super::hook::{HookError, Mode, errno};
use super::links::Link;
use super::netlink::change;

/// `--xdp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum XdpMode {
    /// Native where the driver takes it and is not veth, else generic.
    #[default]
    Auto,
    /// In the driver, or not at all.
    Native,
    /// After the kernel has made an skb of the frame.
    Generic,
}

/// An XDP program attached to one link; dropping this, or the end of the process, detaches it.
#[derive(Debug)]
pub(super) struct XdpAttachment {
    _link: FdLink,
    /// [`Mode::Native`] or [`Mode::Generic`].
    pub(super) mode: Mode,
}

/// Attaches to `link` in the first of the modes that works.
pub(super) fn attach(
    program: &mut Xdp,
    link: &Link,
    mode: XdpMode,
) -> Result<XdpAttachment, HookError> {
    match mode {
        XdpMode::Native => attach_as(program, link, Mode::Native),
        // veth's native mode can hardly grow a frame, and slows down the pod's TCP.
        XdpMode::Auto if !link.veth => match attach_as(program, link, Mode::Native) {
            Err(HookError::NotNative(error)) => {
                debug!(
                    interface = link.name,
                    "no native XDP ({error}), trying generic"
                );
                attach_as(program, link, Mode::Generic)
            }
            attached_or_not => attached_or_not,
        },
        XdpMode::Auto | XdpMode::Generic => attach_as(program, link, Mode::Generic),
    }
}

fn attach_as(program: &mut Xdp, link: &Link, mode: Mode) -> Result<XdpAttachment, HookError> {
    let flags = if mode == Mode::Native {
        Flags::Driver
    } else {
        Flags::Skb
    };
    let id = program
        .attach_to_if_index(link.index, flags)
        .map_err(|error| {
            match errno(&error).map(Errno::from_raw) {
                // EEXIST: a program is there in the other mode; the two exclude each other.
                Some(Errno::EBUSY | Errno::EEXIST) => HookError::SlotTaken,
                Some(Errno::ENODEV | Errno::ENXIO | Errno::EPERM | Errno::EACCES) | None => {
                    error.into()
                }
                Some(number) if mode == Mode::Native => HookError::NotNative(number.into()),
                Some(_) => error.into(),
            }
        })?;
    match FdLink::try_from(program.take_link(id)?) {
        Ok(fd) => Ok(XdpAttachment { _link: fd, mode }),
        Err(_by_netlink) => {
            // On EINVAL aya 0.14 attaches by netlink instead; that would outlive us, and aya
            // forgets it without detaching when the conversion fails.
            detach_by_netlink(program, link.index, mode)?;
            Err(HookError::NoLink)
        }
    }
}

/// Takes `program` off a link where it was put by netlink, and no other program
/// (`XDP_FLAGS_REPLACE` compares; Linux 5.7).
fn detach_by_netlink(program: &Xdp, index: u32, mode: Mode) -> Result<(), HookError> {
    const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
    const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
    const XDP_FLAGS_REPLACE: u32 = 1 << 4;
    let mode = if mode == Mode::Native {
        XDP_FLAGS_DRV_MODE
    } else {
        XDP_FLAGS_SKB_MODE
    };
    let ours = program.fd()?.as_fd().as_raw_fd().cast_unsigned();

    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::Xdp(vec![
        LinkXdp::Fd(-1),
        LinkXdp::Flags(mode | XDP_FLAGS_REPLACE),
        LinkXdp::ExpectedFd(ours),
    ]));
    Ok(change(RouteNetlinkMessage::SetLink(message))?)
}
