//! `nsid [DATA...]`: a client that asks for it is told which server answered (RFC 5001).

mod handler;

use crate::corefile::{Directive, Known, Report};
use crate::serve::identity;

pub use handler::Nsid;

const OPTIONS: Known = Known {
    plugin: "nsid",
    acting: &[],
    silent: &[],
    missing: &[],
};

/// More would take the place of records in a datagram.
const DATA_MAX: usize = 128;

/// The identifier: the arguments with a space between them, the host's name unless said.
pub fn setup(line: &Directive, report: &mut Report) -> String {
    OPTIONS.options(line, report);
    let words: Vec<&str> = line.args.iter().map(|arg| arg.text.as_str()).collect();
    let data = words.join(" ");
    if data.len() > DATA_MAX
        && let Some(first) = line.args.first()
    {
        line.refuse(first, "at most 128 octets in all", report);
    }
    if words.is_empty() {
        identity::host_name()
    } else {
        data
    }
}
