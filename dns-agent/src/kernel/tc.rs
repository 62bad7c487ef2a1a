//! The tc program on the ingress of a pod's veth: by TCX where the kernel has it, else as a
//! filter of a clsact queueing discipline.

use std::io;

use aya::programs::links::{FdLink, LinkError, LinkOrder};
use aya::programs::tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle};
use aya::programs::{Link as _, SchedClassifier, TcAttachType};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use tracing::warn;

use super::clsact;
use super::hook::{HookError, Mode, errno, still_named};
use super::links::Link;
use super::order;

/// `--tc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TcMode {
    /// TCX where the kernel has it, else clsact.
    #[default]
    Auto,
    /// TCX (Linux 6.6), which needs no queueing discipline and goes with this process.
    Tcx,
    /// A filter of the clsact queueing discipline.
    Clsact,
}

/// Why a [`TcMode`] cannot be had on this kernel.
#[derive(Debug, thiserror::Error)]
pub enum TcModeError {
    /// `--tc tcx` without TCX.
    #[error(
        "--tc tcx needs Linux 6.6 or later and this kernel has no TCX; use --tc auto or clsact"
    )]
    NoTcx,
    /// The kernel did not say.
    #[error("cannot find out whether the kernel has TCX: {0}")]
    Probe(io::Error),
}

/// A tc program attached to one link; dropping this detaches it.
#[derive(Debug)]
#[expect(dead_code, reason = "the links are held, for their drop")]
pub(super) enum TcAttachment {
    /// The kernel detaches it when the descriptor is closed, so also when this process is killed.
    Tcx(FdLink),
    /// The kernel would keep the filter; [`clsact::remove_leftovers`] is for what a kill leaves.
    Clsact(ClsactFilter),
}

/// Our filter, and whose queueing discipline it hangs in.
#[derive(Debug)]
pub(super) struct ClsactFilter {
    filter: Option<SchedClassifierLink>,
    index: u32,
    made_qdisc: bool,
}

impl TcMode {
    /// [`Mode::Tcx`] or [`Mode::Clsact`], by what this kernel has.
    pub fn resolve(self) -> Result<Mode, TcModeError> {
        match self {
            Self::Clsact => Ok(Mode::Clsact),
            Self::Tcx if has_tcx()? => Ok(Mode::Tcx),
            Self::Tcx => Err(TcModeError::NoTcx),
            Self::Auto => Ok(if has_tcx()? { Mode::Tcx } else { Mode::Clsact }),
        }
    }
}

/// Asks what hangs at the ingress of the loopback interface, which every namespace has. A kernel
/// without TCX, or built without it (`CONFIG_NET_XGRESS`), does not know the question.
fn has_tcx() -> Result<bool, TcModeError> {
    let asked = if_nametoindex("lo").map_err(io::Error::from);
    let Err(error) = asked.and_then(order::at_ingress) else {
        return Ok(true);
    };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EINVAL) => Ok(false),
        // Linux 6.6 says so of an interface on which nothing hangs.
        Some(Errno::ENOENT) => Ok(true),
        _ => Err(TcModeError::Probe(error)),
    }
}

/// Attaches to the ingress of `link`, before every other program there.
pub(super) fn attach(
    program: &mut SchedClassifier,
    link: &Link,
    mode: Mode,
) -> Result<TcAttachment, HookError> {
    still_named(link)?;
    let attachment = if mode == Mode::Tcx {
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = program.attach_with_options(&link.name, TcAttachType::Ingress, order)?;
        let tcx = program
            .take_link(id)?
            .try_into()
            .map_err(|_: LinkError| HookError::NoLink)?;
        TcAttachment::Tcx(tcx)
    } else {
        TcAttachment::Clsact(filter(program, link)?)
    };
    // The name may have moved to another link in between; then dropping takes it off again.
    still_named(link)?;
    Ok(attachment)
}

fn filter(program: &mut SchedClassifier, link: &Link) -> Result<ClsactFilter, HookError> {
    let made_qdisc = match tc::qdisc_add_clsact(&link.name) {
        Ok(()) => true,
        Err(error) => match error.into() {
            HookError::Kernel(error) if error.raw_os_error() == Some(libc::EEXIST) => false,
            error => return Err(error),
        },
    };
    // From here on a return of any kind takes the queueing discipline away with it.
    let mut attached = ClsactFilter {
        filter: None,
        index: link.index,
        made_qdisc,
    };
    let handle = TcHandle::from(clsact::handle(made_qdisc));
    // At a priority where the first filter is of another kind, or for one protocol only, there
    // is no place for ours (EINVAL). Within one priority the newest bpf filter runs first.
    for priority in 1..=clsact::LAST_PRIORITY {
        let options = TcAttachOptions::Netlink(NlOptions {
            priority,
            handle,
            classid: None,
        });
        match program.attach_with_options(&link.name, TcAttachType::Ingress, options) {
            Ok(id) => {
                attached.filter = Some(program.take_link(id)?);
                return Ok(attached);
            }
            Err(error) => match errno(&error).map(Errno::from_raw) {
                Some(Errno::EINVAL) if priority < clsact::LAST_PRIORITY => {}
                Some(Errno::EEXIST) => return Err(HookError::OtherAgent),
                _ => return Err(error.into()),
            },
        }
    }
    Err(HookError::Kernel(Errno::EINVAL.into()))
}

impl Drop for ClsactFilter {
    fn drop(&mut self) {
        let filter = self
            .filter
            .take()
            .map_or(Ok(()), |link| match link.detach() {
                // Somebody has removed it, or the queueing discipline with it.
                Err(error) if errno(&error).is_some_and(clsact::gone) => Ok(()),
                detached_or_not => detached_or_not.map_err(HookError::from),
            });
        // While the queueing discipline goes, as when it comes, the kernel drops what the host sends to the pod:
        // `qdisc_graft` puts noop in the place of the interface's transmit queues for some 0.2 ms (Linux 6.18).
        let removed = filter.and_then(|()| match self.made_qdisc.then_some(self.index) {
            Some(index) => clsact::remove_empty_qdisc(index).map_err(HookError::from),
            None => Ok(()),
        });
        match removed {
            // With an interface all of this goes by itself.
            Ok(()) | Err(HookError::Vanished) => {}
            Err(error) => warn!(
                ifindex = self.index,
                "our tc filter could not be removed: {error}"
            ),
        }
    }
}
