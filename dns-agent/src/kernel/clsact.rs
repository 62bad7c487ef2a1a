//! What of ours is in clsact queueing disciplines: recognised, and removed with nothing of others'.
//!
//! A filter outlives the process that made it. Ours is told by kind, program name and handle, and
//! the handle also says whether the queueing discipline around it was made by us, so that the
//! agent which starts after a kill can clean up as the killed one would have.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};
use tracing::warn;

use super::netlink::{change, dump};
use super::object::TC;

/// The last priority at which a place for our filter is sought; 1 is the first.
pub(super) const LAST_PRIORITY: u16 = 8;

/// Handles of our filters ("kd"): in a queueing discipline of ours, in one that was there before.
const IN_OURS: u32 = 0x6b64_0001;
const IN_ANOTHERS: u32 = 0x6b64_0002;

const INGRESS: TcHandle = TcHandle {
    major: 0xffff,
    minor: TcHandle::MIN_INGRESS,
};
const EGRESS: TcHandle = TcHandle {
    major: 0xffff,
    minor: TcHandle::MIN_EGRESS,
};

/// The handle of our filter.
pub(super) fn handle(made_qdisc: bool) -> u32 {
    if made_qdisc { IN_OURS } else { IN_ANOTHERS }
}

/// Removes, on every interface of this namespace, the filters that an agent left which could not
/// clean up (those of one that still runs cannot be told apart, and go too), and the queueing disciplines it had made if they are empty then. Returns the indexes
/// of the interfaces where there was something.
pub fn remove_leftovers() -> io::Result<Vec<u32>> {
    let mut cleaned = Vec::new();
    for message in dump(RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default()))? {
        let Some(RouteNetlinkMessage::NewQueueDiscipline(qdisc)) = message else {
            continue;
        };
        let Ok(index) = u32::try_from(qdisc.header.index) else {
            continue;
        };
        if !matches!(kind(&qdisc), Some("clsact" | "ingress")) {
            continue;
        }
        match remove_ours(index) {
            Ok(true) => cleaned.push(index),
            Ok(false) => {}
            Err(error) if error.raw_os_error().is_some_and(gone) => {}
            // Others must not keep their filters for one interface's sake.
            Err(error) => warn!(
                ifindex = index,
                "a tc filter that a killed agent left: {error}"
            ),
        }
    }
    Ok(cleaned)
}

/// Removes the clsact queueing discipline if no filter is in it, on either side.
pub(super) fn remove_empty_qdisc(index: u32) -> io::Result<()> {
    if !filters(index, INGRESS)?.is_empty() || !filters(index, EGRESS)?.is_empty() {
        return Ok(());
    }
    let mut qdisc = of_interface(index);
    qdisc.header.parent = TcHandle::CLSACT;
    qdisc.header.handle = TcHandle {
        major: 0xffff,
        minor: 0,
    };
    qdisc
        .attributes
        .push(TcAttribute::Kind("clsact".to_owned()));
    change(RouteNetlinkMessage::DelQueueDiscipline(qdisc))
}

fn remove_ours(index: u32) -> io::Result<bool> {
    let mut found = false;
    for filter in filters(index, INGRESS)?.into_iter().flatten() {
        let handle = u32::from(filter.header.handle);
        if !is_ours(&filter) {
            continue;
        }
        let mut delete = of_interface(index);
        delete.header = filter.header;
        change(RouteNetlinkMessage::DelTrafficFilter(delete))?;
        if handle == IN_OURS {
            remove_empty_qdisc(index)?;
        }
        found = true;
    }
    Ok(found)
}

fn is_ours(filter: &TcMessage) -> bool {
    let named = |option: &TcOption| matches!(option, TcOption::Bpf(TcFilterBpfOption::ProgName(name)) if name == TC);
    let options = filter
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            TcAttribute::Options(options) => Some(options),
            _ => None,
        });
    kind(filter) == Some(TcFilterBpf::KIND)
        && matches!(u32::from(filter.header.handle), IN_OURS | IN_ANOTHERS)
        && options.is_some_and(|options| options.iter().any(named))
}

/// One side's filters; none where one cannot be decoded, which is not ours then.
fn filters(index: u32, parent: TcHandle) -> io::Result<Vec<Option<TcMessage>>> {
    let mut request = of_interface(index);
    request.header.parent = parent;
    let filters = dump(RouteNetlinkMessage::GetTrafficFilter(request))?.into_iter();
    Ok(filters
        .map(|message| match message {
            Some(RouteNetlinkMessage::NewTrafficFilter(filter)) => Some(filter),
            _ => None,
        })
        .collect())
}

fn of_interface(index: u32) -> TcMessage {
    TcMessage::with_index(index.cast_signed())
}

fn kind(message: &TcMessage) -> Option<&str> {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            TcAttribute::Kind(kind) => Some(kind.as_str()),
            _ => None,
        })
}

/// Interface, queueing discipline or filter is not there (any more).
pub(super) fn gone(errno: i32) -> bool {
    matches!(errno, libc::ENODEV | libc::ENOENT | libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(kind: &str, handle: u32, name: &str) -> TcMessage {
        let mut filter = of_interface(3);
        filter.header.handle = handle.into();
        filter.attributes = vec![
            TcAttribute::Kind(kind.to_owned()),
            TcAttribute::Options(vec![TcOption::Bpf(TcFilterBpfOption::ProgName(
                name.to_owned(),
            ))]),
        ];
        filter
    }

    #[test]
    fn a_filter_is_ours_by_kind_name_and_handle_together() {
        assert!(is_ours(&filter("bpf", IN_OURS, TC)));
        assert!(is_ours(&filter("bpf", IN_ANOTHERS, TC)));
        assert!(!is_ours(&filter("bpf", 1, TC)));
        assert!(!is_ours(&filter("bpf", IN_OURS, "cil_from_container")));
        assert!(!is_ours(&filter("flower", IN_OURS, TC)));
    }
}
