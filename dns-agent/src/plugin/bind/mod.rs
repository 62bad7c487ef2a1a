//! `bind ADDRESS|INTERFACE...`: where a server block listens. Whether an interface is there is seen
//! when the sockets are made, not here: it may come later.

use std::net::IpAddr;

use crate::corefile::{Directive, Known, Report};

const OPTIONS: Known = Known {
    plugin: "bind",
    acting: &[],
    silent: &[],
    missing: &["except"],
};

const EXPECTED: &str = "an IP address or the name of an interface";

/// The addresses and interface names of one line.
pub fn setup(line: &Directive, report: &mut Report) -> Vec<String> {
    OPTIONS.options(line, report);
    line.counts(
        1..=usize::MAX,
        "one or more IP addresses or names of interfaces",
        report,
    );
    for arg in &line.args {
        if !is_address(&arg.text) && !is_interface_name(&arg.text) {
            line.refuse(arg, EXPECTED, report);
        }
    }
    line.args.iter().map(|arg| arg.text.clone()).collect()
}

/// An address, a link-local one perhaps with its interface (RFC 4007 11).
fn is_address(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<IpAddr>().is_ok()
}

/// What Linux takes as an interface's name (`dev_valid_name`): 1 to 15 octets, no space, `/` or `:`.
fn is_interface_name(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text != "."
        && text != ".."
        && !text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace())
}
