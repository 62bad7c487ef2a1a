//! The two places a program hangs at, and why one cannot be hung there.

use std::fmt;
use std::io;

use aya::programs::{ProgramError, tc::TcError, xdp::XdpError};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

use super::links::Link;

/// Where a frame meets a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Ingress of the host's end of a pod's veth pair.
    Tc,
    /// Receive path of a network card.
    Xdp,
}

/// How a program is attached at its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// tc, by a `bpf_link`; Linux 6.6.
    Tcx,
    /// tc, as a filter of a clsact queueing discipline.
    Clsact,
    /// XDP in the driver.
    Native,
    /// XDP after the kernel has made an skb of the frame.
    Generic,
}

impl Hook {
    /// The value of the metrics' label `hook`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tc => "tc",
            Self::Xdp => "xdp",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Mode {
    /// The word of the command line for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a program is not attached to one interface. Completes "`tc is not attached to veth0:`".
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The interface was deleted, moved or renamed meanwhile: no failure, its next event decides.
    #[error("the interface went away")]
    Vanished,
    /// `EBUSY`, `EEXIST`: an interface has one XDP program in all.
    #[error(
        "another program holds the interface's XDP slot (`bpftool net` names it): \
         remove that program, or leave the interface out of --nic"
    )]
    SlotTaken,
    /// The driver refused.
    #[error(
        "the driver takes no XDP program as the interface is set up now ({0}): \
         try --xdp generic, or fewer queues, a smaller MTU and LRO off"
    )]
    NotNative(io::Error),
    /// An attachment by netlink would go on after this process is gone.
    #[error("the kernel gives no bpf_link for XDP here; Linux 5.9 or later is needed")]
    NoLink,
    /// `EPERM`.
    #[error(
        "not permitted: CAP_NET_ADMIN is missing, or the interface belongs to another user namespace"
    )]
    NotPermitted,
    /// A filter of ours is there that we did not put: another agent serves this interface.
    #[error("another kerndns has its filter there: stop that agent, or narrow --pods")]
    OtherAgent,
    /// Anything else the kernel says.
    #[error("{0}")]
    Kernel(io::Error),
    /// Anything else aya says.
    #[error(transparent)]
    Program(ProgramError),
}

impl From<ProgramError> for HookError {
    fn from(error: ProgramError) -> Self {
        match errno(&error) {
            Some(number) => io::Error::from_raw_os_error(number).into(),
            None if matches!(error, ProgramError::UnknownInterface { .. }) => Self::Vanished,
            None => Self::Program(error),
        }
    }
}

impl From<TcError> for HookError {
    fn from(error: TcError) -> Self {
        ProgramError::from(error).into()
    }
}

impl From<io::Error> for HookError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENODEV | Errno::ENXIO) => Self::Vanished,
            Some(Errno::EPERM | Errno::EACCES) => Self::NotPermitted,
            _ => Self::Kernel(error),
        }
    }
}

/// The kernel's number in whichever of aya's errors holds it.
pub(super) fn errno(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        ProgramError::IOError(error) | ProgramError::TcError(TcError::IoError(error)) => {
            error.raw_os_error()
        }
        ProgramError::NetlinkError(error)
        | ProgramError::XdpError(XdpError::NetlinkError(error))
        | ProgramError::TcError(TcError::NetlinkError(error)) => error.raw_os_error(),
        _ => None,
    }
}

/// Whether the link has still the name it was attached by. aya takes names for tc, and a name may
/// have gone to another link since the event that told it.
pub(super) fn still_named(link: &Link) -> Result<(), HookError> {
    match if_nametoindex(link.name.as_str()) {
        Ok(index) if index == link.index => Ok(()),
        _ => Err(HookError::Vanished),
    }
}
